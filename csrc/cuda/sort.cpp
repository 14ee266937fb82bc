// Sorting along a dimension, and the first of it.
#include "cuda/sort.h"

#include "core/shapes.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"

namespace clew::cuda {
namespace {

void select(const char* op, Tensor2& out, const Tensor& input, int64_t dim, bool descending) {
  const auto& [values, indices] = out;
  if (values.numel() == 0) return;
  const Tensor x = contiguous_as(input, input.dtype());
  SortPlan plan{.in = x.raw_data(),
                .values = values.raw_data(),
                .indices = indices.data<int64_t>(),
                .outer = 1,
                .n = 1,
                .inner = 1,
                .k = 1};
  const int64_t rank = x.dim(), at = wrap_dim(op, dim, rank);
  for (int64_t d = 0; d < rank; ++d)
    (d < at ? plan.outer : d == at ? plan.n : plan.inner) *= x.sizes()[static_cast<size_t>(d)];
  if (rank > 0) plan.k = values.sizes()[static_cast<size_t>(at)];
  const Launch launch(values);
  const auto nbytes = static_cast<size_t>(x.numel()) * sizeof(SortItem);
  const Workspace items(launch, nbytes), spare(launch, nbytes);
  run_sort_keys(items.as<SortItem>(), x.dtype(), plan, descending, launch.stream());
  const SortItem* sorted =
      run_sort(items.as<SortItem>(), spare.as<SortItem>(), plan.outer * plan.inner, plan.n, launch.stream());
  run_sort_results(sorted, x.dtype(), plan, launch.stream());
}

void sort_cuda(Tensor2& out, const Tensor& input, int64_t dim, bool descending, bool) {
  select("sort", out, input, dim, descending);
}
void topk_cuda(Tensor2& out, const Tensor& input, int64_t, int64_t dim, bool largest, bool) {
  select("topk", out, input, dim, largest);
}

}  // namespace

void register_sort() {
  CLEW_CUDA_KERNEL(sort, sort_cuda);
  CLEW_CUDA_KERNEL(topk, topk_cuda);
}

}  // namespace clew::cuda
