#include "cuda/elementwise.cuh"

namespace clew::cuda {
namespace {

namespace k = kernels;
using k::BinaryOp;

template <class F>
constexpr void set(BinaryTable& t, BinaryOp op) {
  BinaryLaunch(&row)[kDTypeCount] = t.at[static_cast<int>(op)];
  row[column<float>()] = &binary_launch<F, float, float>;
  row[column<Half>()] = &binary_launch<F, Half, Half>;
  row[column<BFloat16>()] = &binary_launch<F, BFloat16, BFloat16>;
  row[column<double>()] = &binary_launch<F, double, double>;
}

constexpr BinaryTable make_table() {
  using enum BinaryOp;
  BinaryTable t{};
  set<k::Add>(t, add);
  set<k::Sub>(t, sub);
  set<k::Mul>(t, mul);
  set<k::Div>(t, div);
  set<k::AddScaled>(t, add_scaled);
  set<k::Pow>(t, pow);
  set<k::Maximum>(t, maximum);
  set<k::Minimum>(t, minimum);
  set<k::Fmod>(t, fmod);
  set<k::Remainder>(t, remainder);
  set<k::FloorDivide>(t, floor_divide);
  set<k::TruncDivide>(t, trunc_divide);
  set<k::Atan2>(t, atan2);
  set<k::TanhBackward>(t, tanh_backward);
  set<k::SigmoidBackward>(t, sigmoid_backward);
  set<k::ReluBackward>(t, relu_backward);
  set<k::LeakyReluBackward>(t, leaky_relu_backward);
  set<k::GeluErfBackward>(t, gelu_erf_backward);
  set<k::GeluTanhBackward>(t, gelu_tanh_backward);
  set<k::SiluBackward>(t, silu_backward);
  set<k::ClampBackward>(t, clamp_backward);
  return t;
}

}  // namespace

constinit const BinaryTable binary_floats = make_table();

}  // namespace clew::cuda
