// Softmax along any dimension.
#include "clew/autograd/grad_mode.h"
#include "core/shapes.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"
#include "cuda/softmax.h"

namespace clew::cuda {
namespace {

void run(SoftmaxKind kind, Tensor& out, const Tensor& a, const Tensor* b, int64_t dim) {
  const Launch launch(out);
  SoftmaxPlan plan{out.raw_data(), a.raw_data(), b != nullptr ? b->raw_data() : nullptr, 1, 1, 1};
  const int64_t rank = out.dim(), at = wrap_dim("softmax", dim, rank);
  for (int64_t d = 0; d < rank; ++d)
    (d < at ? plan.outer : d == at ? plan.n : plan.inner) *= out.sizes()[static_cast<size_t>(d)];
  run_softmax(kind, out.dtype(), plan, launch.stream());
}

template <SoftmaxKind kind>
void softmax_cuda(Tensor& out, const Tensor& input, int64_t dim, std::optional<DType>) {
  const NoGradGuard guard;
  run(kind, out, input.dtype() == out.dtype() ? input : input.to(out.dtype()), nullptr, dim);
}
template <SoftmaxKind kind>
void softmax_grad_cuda(Tensor& out, const Tensor& grad_output, const Tensor& output, int64_t dim) {
  run(kind, out, grad_output, &output, dim);
}

}  // namespace

void register_norm() {
  CLEW_CUDA_KERNEL(softmax, softmax_cuda<SoftmaxKind::softmax>);
  CLEW_CUDA_KERNEL(log_softmax, softmax_cuda<SoftmaxKind::log_softmax>);
  CLEW_CUDA_KERNEL(softmax_grad, softmax_grad_cuda<SoftmaxKind::softmax_grad>);
  CLEW_CUDA_KERNEL(log_softmax_grad, softmax_grad_cuda<SoftmaxKind::log_softmax_grad>);
}

}  // namespace clew::cuda
