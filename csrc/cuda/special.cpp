// Less common elementwise functions: plans around the launches of special.cu.
#include "cuda/special.h"

#include "clew/autograd/grad_mode.h"
#include "clew/ops/ops.h"
#include "cuda/kernels.h"
#include "cuda/plan.h"
#include "kernels/pointwise.h"

namespace clew::cuda {
namespace {

void unary(Special1 op, const Tensor& out, const Tensor& input, const kernels::Params& params) {
  const auto row = static_cast<size_t>(op), column = static_cast<size_t>(out.dtype());
  const UnaryLaunch run = special_table.unary[row][column];
  if (run == nullptr) kernels::no_loop(out.dtype());
  const Launch launch(out);
  run_plans<2>({&out, &input}, [&](const Plan<2>& plan) { run(plan, params, launch.stream()); });
}
template <Special1 op>
void special1_cuda(Tensor& out, const Tensor& input) {
  unary(op, out, input, {});
}
void polygamma_cuda(Tensor& out, int64_t order, const Tensor& input) {
  unary(Special1::polygamma, out, input, {.p0 = 0, .p1 = 0, .i0 = order, .i1 = 0});
}

void binary(BinaryLaunch run, const Tensor& out, const Tensor& a, const Tensor& b) {
  if (run == nullptr) kernels::no_loop(out.dtype());
  const Launch launch(out);
  run_plans<3>({&out, &a, &b}, [&](const Plan<3>& plan) { run(plan, {}, launch.stream()); });
}
template <Special2 op>
void special2_cuda(Tensor& out, const Tensor& input, const Tensor& other) {
  const auto row = static_cast<size_t>(op), column = static_cast<size_t>(out.dtype());
  binary(special_table.binary[row][column], out, input, other);
}
void atan2_cuda(Tensor& out, const Tensor& input, const Tensor& other) {
  const auto row = static_cast<size_t>(kernels::BinaryOp::atan2), column = static_cast<size_t>(out.dtype());
  binary(binary_floats.at[row][column], out, input, other);
}

void ternary(kernels::TernaryOp op, const Tensor& out, const Tensor& a, const Tensor& b, const Tensor& c,
             const kernels::Params& params) {
  const auto row = static_cast<size_t>(op), column = static_cast<size_t>(out.dtype());
  const TernaryLaunch run = ternary_table.at[row][column];
  if (run == nullptr) kernels::no_loop(out.dtype());
  const Launch launch(out);
  run_plans<4>({&out, &a, &b, &c}, [&](const Plan<4>& plan) { run(plan, params, launch.stream()); });
}
template <kernels::TernaryOp op>
void three_cuda(Tensor& out, const Tensor& a, const Tensor& b, const Tensor& c, const Scalar& value) {
  ternary(op, out, a, b, c, {.p0 = value.to_double(), .p1 = 0, .i0 = value.to_int(), .i1 = 0});
}
void masked_fill_cuda(Tensor& out, const Tensor& input, const Tensor& mask, const Tensor& value) {
  if (out.numel() == 0) return;
  const NoGradGuard guard;
  ternary(kernels::TernaryOp::where, out, mask, value.to(out.dtype()), input, {});
}

}  // namespace

void register_special() {
  CLEW_CUDA_KERNEL(log2, special1_cuda<Special1::log2>);
  CLEW_CUDA_KERNEL(log10, special1_cuda<Special1::log10>);
  CLEW_CUDA_KERNEL(exp2, special1_cuda<Special1::exp2>);
  CLEW_CUDA_KERNEL(tan, special1_cuda<Special1::tan>);
  CLEW_CUDA_KERNEL(asin, special1_cuda<Special1::asin>);
  CLEW_CUDA_KERNEL(acos, special1_cuda<Special1::acos>);
  CLEW_CUDA_KERNEL(atan, special1_cuda<Special1::atan>);
  CLEW_CUDA_KERNEL(sinh, special1_cuda<Special1::sinh>);
  CLEW_CUDA_KERNEL(cosh, special1_cuda<Special1::cosh>);
  CLEW_CUDA_KERNEL(asinh, special1_cuda<Special1::asinh>);
  CLEW_CUDA_KERNEL(acosh, special1_cuda<Special1::acosh>);
  CLEW_CUDA_KERNEL(atanh, special1_cuda<Special1::atanh>);
  CLEW_CUDA_KERNEL(erfc, special1_cuda<Special1::erfc>);
  CLEW_CUDA_KERNEL(lgamma, special1_cuda<Special1::lgamma>);
  CLEW_CUDA_KERNEL(digamma, special1_cuda<Special1::digamma>);
  CLEW_CUDA_KERNEL(erfinv, special1_cuda<Special1::erfinv>);
  CLEW_CUDA_KERNEL(polygamma, polygamma_cuda);
  CLEW_CUDA_KERNEL(atan2, atan2_cuda);
  CLEW_CUDA_KERNEL(hypot, special2_cuda<Special2::hypot>);
  CLEW_CUDA_KERNEL(copysign, special2_cuda<Special2::copysign>);
  CLEW_CUDA_KERNEL(xlogy, special2_cuda<Special2::xlogy>);
  CLEW_CUDA_KERNEL(logaddexp, special2_cuda<Special2::logaddexp>);
  CLEW_CUDA_KERNEL(logaddexp2, special2_cuda<Special2::logaddexp2>);
  CLEW_CUDA_KERNEL(bitwise_left_shift, special2_cuda<Special2::left_shift>);
  CLEW_CUDA_KERNEL(bitwise_right_shift, special2_cuda<Special2::right_shift>);
  CLEW_CUDA_KERNEL(gcd, special2_cuda<Special2::gcd>);
  CLEW_CUDA_KERNEL(lcm, special2_cuda<Special2::lcm>);
  CLEW_CUDA_KERNEL(addcmul, three_cuda<kernels::TernaryOp::addcmul>);
  CLEW_CUDA_KERNEL(addcdiv, three_cuda<kernels::TernaryOp::addcdiv>);
  CLEW_CUDA_KERNEL(masked_fill, masked_fill_cuda);
}

}  // namespace clew::cuda
