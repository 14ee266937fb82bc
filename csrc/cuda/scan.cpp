// Running sums and their relatives along one dimension, and binary search.
#include "cuda/scan.h"

#include <algorithm>

#include "core/shapes.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"

namespace clew::cuda {

void run_scan(Scan scan, DType dtype, ScanPlan plan, const Launch& launch) {
  const int64_t runs = plan.outer * plan.inner;
  if (runs * plan.n == 0) return;
  const ScanLaunch& entry = scan_table.at[static_cast<size_t>(scan)][static_cast<size_t>(dtype)];
  CLEW_ASSERT(entry.run != nullptr);
  // Enough to do for a device; a chunk is worth its launches from here on.
  constexpr int64_t kManyRuns = 1024, kLeastChunk = 4096;
  plan.chunks = std::clamp<int64_t>(plan.n / kLeastChunk, 1, std::max<int64_t>(1, kManyRuns / runs));
  plan.chunk = (plan.n + plan.chunks - 1) / plan.chunks;
  const Workspace partials(
      launch, plan.chunks > 1 ? entry.partial_bytes * static_cast<size_t>(runs * plan.chunks) : 0);
  entry.run(plan, partials.as<void>(), launch.stream());
}

namespace {

void scan(Scan kind, const char* op, const Tensor& out, const Tensor* places, const Tensor& input,
          int64_t dim) {
  if (out.numel() == 0) return;
  const Tensor x = contiguous_as(input, out.dtype());
  const Launch launch(out);
  ScanPlan plan{.in = x.raw_data(),
                .out = out.raw_data(),
                .places = places != nullptr ? places->data<int64_t>() : nullptr,
                .outer = 1,
                .n = 1,
                .inner = 1};
  const int64_t rank = out.dim(), at = wrap_dim(op, dim, rank);
  for (int64_t d = 0; d < rank; ++d)
    (d < at ? plan.outer : d == at ? plan.n : plan.inner) *= out.sizes()[static_cast<size_t>(d)];
  run_scan(kind, out.dtype(), plan, launch);
}

void cumsum_cuda(Tensor& out, const Tensor& input, int64_t dim, std::optional<DType>) {
  scan(Scan::sum, "cumsum", out, nullptr, input, dim);
}
void cumprod_cuda(Tensor& out, const Tensor& input, int64_t dim, std::optional<DType>) {
  scan(Scan::product, "cumprod", out, nullptr, input, dim);
}
void logcumsumexp_cuda(Tensor& out, const Tensor& input, int64_t dim) {
  scan(Scan::logsumexp, "logcumsumexp", out, nullptr, input, dim);
}
void cummax_cuda(Tensor2& out, const Tensor& input, int64_t dim) {
  scan(Scan::max, "cummax", std::get<0>(out), &std::get<1>(out), input, dim);
}
void cummin_cuda(Tensor2& out, const Tensor& input, int64_t dim) {
  scan(Scan::min, "cummin", std::get<0>(out), &std::get<1>(out), input, dim);
}

void searchsorted_cuda(Tensor& out, const Tensor& sorted, const Tensor& input, bool out_int32, bool right) {
  if (out.numel() == 0) return;
  const int64_t n = sorted.sizes().back();
  const int64_t rows = sorted.dim() == 1 ? 1 : sorted.numel() / std::max<int64_t>(n, 1);
  const Launch launch(out);
  // Numbers come along from the CPU.
  const Tensor row = contiguous_as(sorted, sorted.dtype(), out),
               x = contiguous_as(input, sorted.dtype(), out);
  run_search(sorted.dtype(),
             {.out = out.raw_data(),
              .sorted = row.raw_data(),
              .values = x.raw_data(),
              .count = out.numel(),
              .per_row = rows <= 1 ? out.numel() : out.numel() / rows,
              .n = n,
              .narrow = out_int32,
              .right = right},
             launch.stream());
}

}  // namespace

void register_scan() {
  CLEW_CUDA_KERNEL(cumsum, cumsum_cuda);
  CLEW_CUDA_KERNEL(cumprod, cumprod_cuda);
  CLEW_CUDA_KERNEL(logcumsumexp, logcumsumexp_cuda);
  CLEW_CUDA_KERNEL(cummax, cummax_cuda);
  CLEW_CUDA_KERNEL(cummin, cummin_cuda);
  CLEW_CUDA_KERNEL(searchsorted, searchsorted_cuda);
}

}  // namespace clew::cuda
