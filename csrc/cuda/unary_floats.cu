#include "cuda/elementwise.cuh"

namespace clew::cuda {
namespace {

namespace k = kernels;
using k::UnaryOp;

template <class F>
constexpr void set(UnaryTable& t, UnaryOp op) {
  UnaryLaunch(&row)[kDTypeCount] = t.at[static_cast<int>(op)];
  row[column<float>()] = &unary_launch<F, float, float>;
  row[column<Half>()] = &unary_launch<F, Half, Half>;
  row[column<BFloat16>()] = &unary_launch<F, BFloat16, BFloat16>;
  row[column<double>()] = &unary_launch<F, double, double>;
}
template <class F>
constexpr void set_test(UnaryTable& t, UnaryOp op) {
  UnaryLaunch(&row)[kDTypeCount] = t.at[static_cast<int>(op)];
  row[column<float>()] = &unary_launch<F, bool, float>;
  row[column<Half>()] = &unary_launch<F, bool, Half>;
  row[column<BFloat16>()] = &unary_launch<F, bool, BFloat16>;
  row[column<double>()] = &unary_launch<F, bool, double>;
}

constexpr UnaryTable make_table() {
  UnaryTable t{};
  set<k::Identity>(t, UnaryOp::identity);
  set<k::Neg>(t, UnaryOp::neg);
  set<k::Abs>(t, UnaryOp::abs);
  set<k::Square>(t, UnaryOp::square);
  set<k::Sign>(t, UnaryOp::sign);
  set<k::Relu>(t, UnaryOp::relu);
  set<k::Exp>(t, UnaryOp::exp);
  set<k::Expm1>(t, UnaryOp::expm1);
  set<k::Log>(t, UnaryOp::log);
  set<k::Log1p>(t, UnaryOp::log1p);
  set<k::Sqrt>(t, UnaryOp::sqrt);
  set<k::Rsqrt>(t, UnaryOp::rsqrt);
  set<k::Reciprocal>(t, UnaryOp::reciprocal);
  set<k::Sigmoid>(t, UnaryOp::sigmoid);
  set<k::Tanh>(t, UnaryOp::tanh);
  set<k::Floor>(t, UnaryOp::floor);
  set<k::Ceil>(t, UnaryOp::ceil);
  set<k::Round>(t, UnaryOp::round);
  set<k::Trunc>(t, UnaryOp::trunc);
  set<k::Sin>(t, UnaryOp::sin);
  set<k::Cos>(t, UnaryOp::cos);
  set<k::Erf>(t, UnaryOp::erf);
  set<k::GeluErf>(t, UnaryOp::gelu_erf);
  set<k::GeluTanh>(t, UnaryOp::gelu_tanh);
  set<k::Silu>(t, UnaryOp::silu);
  set<k::LeakyRelu>(t, UnaryOp::leaky_relu);
  set<k::Clamp>(t, UnaryOp::clamp);
  set_test<k::IsNan>(t, UnaryOp::isnan);
  set_test<k::IsInf>(t, UnaryOp::isinf);
  set_test<k::IsFinite>(t, UnaryOp::isfinite);
  set_test<k::LogicalNot>(t, UnaryOp::logical_not);
  return t;
}

}  // namespace

constinit const UnaryTable unary_floats = make_table();

}  // namespace clew::cuda
