#include "cuda/elementwise.cuh"

namespace clew::cuda {
namespace {

namespace k = kernels;
using k::UnaryOp;

template <class F>
constexpr void set(UnaryTable& t, UnaryOp op) {
  UnaryLaunch(&row)[kDTypeCount] = t.at[static_cast<int>(op)];
  row[column<uint8_t>()] = &unary_launch<F, uint8_t, uint8_t>;
  row[column<int8_t>()] = &unary_launch<F, int8_t, int8_t>;
  row[column<int16_t>()] = &unary_launch<F, int16_t, int16_t>;
  row[column<int32_t>()] = &unary_launch<F, int32_t, int32_t>;
  row[column<int64_t>()] = &unary_launch<F, int64_t, int64_t>;
}
template <class F>
constexpr void set_bool(UnaryTable& t, UnaryOp op) {
  t.at[static_cast<int>(op)][column<bool>()] = &unary_launch<F, bool, bool>;
}
template <class F>
constexpr void set_test(UnaryTable& t, UnaryOp op) {
  UnaryLaunch(&row)[kDTypeCount] = t.at[static_cast<int>(op)];
  row[column<bool>()] = &unary_launch<F, bool, bool>;
  row[column<uint8_t>()] = &unary_launch<F, bool, uint8_t>;
  row[column<int8_t>()] = &unary_launch<F, bool, int8_t>;
  row[column<int16_t>()] = &unary_launch<F, bool, int16_t>;
  row[column<int32_t>()] = &unary_launch<F, bool, int32_t>;
  row[column<int64_t>()] = &unary_launch<F, bool, int64_t>;
}

constexpr UnaryTable make_table() {
  UnaryTable t{};
  set<k::Identity>(t, UnaryOp::identity);
  set<k::Neg>(t, UnaryOp::neg);
  set<k::Abs>(t, UnaryOp::abs);
  set<k::Square>(t, UnaryOp::square);
  set<k::Sign>(t, UnaryOp::sign);
  set<k::Relu>(t, UnaryOp::relu);
  set<k::BitwiseNot>(t, UnaryOp::bitwise_not);
  set<k::Clamp>(t, UnaryOp::clamp);
  set_bool<k::Identity>(t, UnaryOp::identity);
  set_bool<k::Identity>(t, UnaryOp::sign);
  set_bool<k::LogicalNot>(t, UnaryOp::bitwise_not);
  set_test<k::IsNan>(t, UnaryOp::isnan);
  set_test<k::IsInf>(t, UnaryOp::isinf);
  set_test<k::IsFinite>(t, UnaryOp::isfinite);
  set_test<k::LogicalNot>(t, UnaryOp::logical_not);
  return t;
}

}  // namespace

constinit const UnaryTable unary_integers = make_table();

}  // namespace clew::cuda
