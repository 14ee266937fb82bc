// Elementwise kernels: plans around the launches of unary_*.cu, binary_*.cu and ternary.cu.
#include "kernels/pointwise.h"

#include "cuda/kernels.h"
#include "cuda/plan.h"

namespace clew::cuda {
namespace {

using kernels::BinaryOp;
using kernels::Params;
using kernels::TernaryOp;
using kernels::UnaryOp;

template <class Fn>
Fn first_of(Fn a, Fn b, Fn c, DType t) {
  const Fn found = a != nullptr ? a : b != nullptr ? b : c;
  if (CLEW_UNLIKELY(found == nullptr)) kernels::no_loop(t);
  return found;
}

struct CudaLoops {
  static void unary(UnaryOp op, Tensor& out, const Tensor& a, const Params& params) {
    const auto row = static_cast<size_t>(op), column = static_cast<size_t>(a.dtype());
    const UnaryLaunch run = first_of<UnaryLaunch>(unary_floats.at[row][column],
                                                  unary_integers.at[row][column], nullptr, a.dtype());
    const Launch launch(out);
    run_plans<2>({&out, &a}, [&](const Plan<2>& plan) { run(plan, params, launch.stream()); });
  }

  static void binary(BinaryOp op, Tensor& out, const Tensor& a, const Tensor& b, const Params& params) {
    const auto row = static_cast<size_t>(op), column = static_cast<size_t>(a.dtype());
    const BinaryLaunch run =
        first_of<BinaryLaunch>(binary_floats.at[row][column], binary_integers.at[row][column],
                               binary_tests.at[row][column], a.dtype());
    const Launch launch(out);
    run_plans<3>({&out, &a, &b}, [&](const Plan<3>& plan) { run(plan, params, launch.stream()); });
  }

  static void ternary(TernaryOp op, Tensor& out, const Tensor& a, const Tensor& b, const Tensor& c) {
    const TernaryLaunch run =
        first_of<TernaryLaunch>(ternary_table.at[static_cast<size_t>(op)][static_cast<size_t>(out.dtype())],
                                nullptr, nullptr, out.dtype());
    const Launch launch(out);
    run_plans<4>({&out, &a, &b, &c}, [&](const Plan<4>& plan) { run(plan, Params{}, launch.stream()); });
  }
};

using CudaKernels = kernels::Pointwise<CudaLoops>;

}  // namespace

void register_pointwise() {
#define CLEW_KERNEL(id, fn) CLEW_CUDA_KERNEL(id, fn);
  CLEW_POINTWISE_KERNELS(CLEW_KERNEL, CudaKernels)
#undef CLEW_KERNEL
}

}  // namespace clew::cuda
