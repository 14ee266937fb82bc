#include "cuda/elementwise.cuh"

namespace clew::cuda {
namespace {

namespace k = kernels;
using k::BinaryOp;

template <class F>
constexpr void set(BinaryTable& t, BinaryOp op) {
  BinaryLaunch(&row)[kDTypeCount] = t.at[static_cast<int>(op)];
  row[column<uint8_t>()] = &binary_launch<F, uint8_t, uint8_t>;
  row[column<int8_t>()] = &binary_launch<F, int8_t, int8_t>;
  row[column<int16_t>()] = &binary_launch<F, int16_t, int16_t>;
  row[column<int32_t>()] = &binary_launch<F, int32_t, int32_t>;
  row[column<int64_t>()] = &binary_launch<F, int64_t, int64_t>;
}
template <class F>
constexpr void set_bool(BinaryTable& t, BinaryOp op) {
  t.at[static_cast<int>(op)][column<bool>()] = &binary_launch<F, bool, bool>;
}

constexpr BinaryTable make_table() {
  using enum BinaryOp;
  BinaryTable t{};
  set<k::Add>(t, add);
  set<k::Sub>(t, sub);
  set<k::Mul>(t, mul);
  set<k::AddScaled>(t, add_scaled);
  set<k::BitwiseAnd>(t, bitwise_and);
  set<k::BitwiseOr>(t, bitwise_or);
  set<k::BitwiseXor>(t, bitwise_xor);
  set<k::Maximum>(t, maximum);
  set<k::Minimum>(t, minimum);
  set<k::Fmod>(t, fmod);
  set<k::Remainder>(t, remainder);
  set<k::FloorDivide>(t, floor_divide);
  set<k::TruncDivide>(t, trunc_divide);
  set<k::Pow>(t, pow);

  // Bool: a sum is an "or", a product an "and".
  set_bool<k::LogicalOr>(t, add);
  set_bool<k::LogicalOr>(t, maximum);
  set_bool<k::LogicalOr>(t, bitwise_or);
  set_bool<k::LogicalAnd>(t, mul);
  set_bool<k::LogicalAnd>(t, minimum);
  set_bool<k::LogicalAnd>(t, bitwise_and);
  set_bool<k::LogicalXor>(t, bitwise_xor);
  return t;
}

}  // namespace

constinit const BinaryTable binary_integers = make_table();

}  // namespace clew::cuda
