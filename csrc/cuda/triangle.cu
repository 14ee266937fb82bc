#include "cuda/triangle.h"

#include "cuda/elementwise.cuh"

namespace clew::cuda {
namespace {

// One element a thread.
template <class T>
__global__ void __launch_bounds__(kThreads)
    triangle_kernel(T* out, const T* in, int64_t numel, int64_t rows, int64_t columns, int64_t diagonal,
                    bool keep_lower) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= numel) return;
  const int64_t past = i % columns - i / columns % rows - diagonal;  // columns past the diagonal
  out[i] = (keep_lower ? past <= 0 : past >= 0) ? in[i] : T(0);
}

}  // namespace

void run_triangle(void* out, const void* in, size_t item_bytes, int64_t numel, int64_t rows, int64_t columns,
                  int64_t diagonal, bool keep_lower, Stream stream) {
  if (numel == 0) return;
  const auto blocks = static_cast<unsigned>((numel + kThreads - 1) / kThreads);
  // Moving elements needs no more than their size.
  const auto launch = [&]<class T>() {
    CLEW_LAUNCH((triangle_kernel<T>), blocks, kThreads, 0, stream, static_cast<T*>(out),
                static_cast<const T*>(in), numel, rows, columns, diagonal, keep_lower);
  };
  switch (item_bytes) {
    case 1:
      return launch.template operator()<uint8_t>();
    case 2:
      return launch.template operator()<uint16_t>();
    case 4:
      return launch.template operator()<uint32_t>();
    default:
      return launch.template operator()<uint64_t>();
  }
}

}  // namespace clew::cuda
