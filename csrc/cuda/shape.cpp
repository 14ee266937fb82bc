// Putting together, turning round, triangles.
#include <algorithm>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"
#include "cuda/triangle.h"

namespace clew::cuda {
namespace {

void cat_cuda(Tensor& out, TensorListRef tensors, int64_t dim) {
  if (out.numel() == 0) return;
  const auto d = static_cast<size_t>(wrap_dim("cat", dim, out.dim()));
  int64_t start = 0;
  for (const Tensor& t : tensors) {
    if (t.dim() == 1 && t.sizes()[0] == 0) continue;  // empty vectors fit everywhere
    const Tensor part = apply_detail::make_view(
        out, {t.sizes().vec(), out.strides().vec(), out.storage_offset() + start * out.strides()[d]});
    copy_tensor(part, t);
    start += t.sizes()[d];
  }
}

void flip_cuda(Tensor& out, const Tensor& input, IntArrayRef dims) {
  if (out.numel() == 0) return;
  Shape strides = input.strides().vec();
  int64_t first = input.storage_offset();
  if (input.dim() > 0) {
    for (const int64_t dim : dims) {
      const auto d = static_cast<size_t>(wrap_dim("flip", dim, input.dim()));
      first += (input.sizes()[d] - 1) * strides[d];
      strides[d] = -strides[d];
    }
  }
  copy_tensor(out, apply_detail::make_view(input, {input.sizes().vec(), strides, first}));
}

void triangle(const Tensor& out, const Tensor& input, int64_t diagonal, bool keep_lower) {
  if (out.numel() == 0) return;
  const Launch launch(out);
  const size_t rank = out.sizes().size();
  const int64_t rows = out.sizes()[rank - 2], columns = out.sizes()[rank - 1];
  const auto run = [&](const Tensor& to, const Tensor& from) {
    run_triangle(to.raw_data(), from.raw_data(), item_size(to.dtype()), to.numel(), rows, columns,
                 std::clamp(diagonal, -rows, columns), keep_lower, launch.stream());
  };
  if (out.is_contiguous() && input.is_contiguous()) return run(out, input);
  // In place in any strides: by way of a contiguous copy.
  const Tensor copy = new_tensor(out, out.sizes(), out.dtype());
  copy_tensor(copy, input);
  run(copy, copy);
  copy_tensor(out, copy);
}
void tril_cuda(Tensor& out, const Tensor& input, int64_t diagonal) { triangle(out, input, diagonal, true); }
void triu_cuda(Tensor& out, const Tensor& input, int64_t diagonal) { triangle(out, input, diagonal, false); }

}  // namespace

void register_shape() {
  CLEW_CUDA_KERNEL(cat, cat_cuda);
  CLEW_CUDA_KERNEL(flip, flip_cuda);
  CLEW_CUDA_KERNEL(tril, tril_cuda);
  CLEW_CUDA_KERNEL(triu, triu_cuda);
}

}  // namespace clew::cuda
