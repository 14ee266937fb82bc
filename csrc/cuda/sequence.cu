#include "cuda/sequence.h"

#include "cuda/elementwise.cuh"

namespace clew::cuda {
namespace {

// One element a thread.
template <class T>
__global__ void __launch_bounds__(kThreads) sequence_kernel(T* out, int64_t numel, const Sequence s) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= numel) return;
  if constexpr (std::is_integral_v<T>) {
    if (s.count == 0) {
      out[i] = static_cast<T>(s.integer_start + static_cast<uint64_t>(i) * s.integer_step);
      return;
    }
  }
  const double v = s.count == 0 || i < (s.count + 1) / 2
                       ? s.start + s.step * static_cast<double>(i)
                       : s.end - s.step * static_cast<double>(s.count - 1 - i);
  if constexpr (std::is_integral_v<T>) {
    const double low = v < -9.2e18 ? -9.2e18 : v;
    out[i] = static_cast<T>(static_cast<int64_t>(low > 9.2e18 ? 9.2e18 : low));
  } else {
    out[i] = T(static_cast<acc_t<T>>(v));
  }
}

}  // namespace

void run_sequence(void* out, DType dtype, int64_t numel, const Sequence& sequence, Stream stream) {
  if (numel == 0) return;
  const auto blocks = static_cast<unsigned>((numel + kThreads - 1) / kThreads);
  dispatch<kNumeric>(dtype, [&]<class T>() {
    CLEW_LAUNCH((sequence_kernel<T>), blocks, kThreads, 0, stream, static_cast<T*>(out), numel, sequence);
  });
}

}  // namespace clew::cuda
