// Comparisons and logic: results are bool.
#include "cuda/elementwise.cuh"

namespace clew::cuda {
namespace {

namespace k = kernels;
using k::BinaryOp;

template <class F>
constexpr void set(BinaryTable& t, BinaryOp op) {
  BinaryLaunch(&row)[kDTypeCount] = t.at[static_cast<int>(op)];
  row[column<bool>()] = &binary_launch<F, bool, bool>;
  row[column<uint8_t>()] = &binary_launch<F, bool, uint8_t>;
  row[column<int8_t>()] = &binary_launch<F, bool, int8_t>;
  row[column<int16_t>()] = &binary_launch<F, bool, int16_t>;
  row[column<int32_t>()] = &binary_launch<F, bool, int32_t>;
  row[column<int64_t>()] = &binary_launch<F, bool, int64_t>;
  row[column<float>()] = &binary_launch<F, bool, float>;
  row[column<Half>()] = &binary_launch<F, bool, Half>;
  row[column<BFloat16>()] = &binary_launch<F, bool, BFloat16>;
  row[column<double>()] = &binary_launch<F, bool, double>;
}

constexpr BinaryTable make_table() {
  using enum BinaryOp;
  BinaryTable t{};
  set<k::Eq>(t, eq);
  set<k::Ne>(t, ne);
  set<k::Lt>(t, lt);
  set<k::Le>(t, le);
  set<k::Gt>(t, gt);
  set<k::Ge>(t, ge);
  set<k::LogicalAnd>(t, logical_and);
  set<k::LogicalOr>(t, logical_or);
  set<k::LogicalXor>(t, logical_xor);
  return t;
}

}  // namespace

constinit const BinaryTable binary_tests = make_table();

}  // namespace clew::cuda
