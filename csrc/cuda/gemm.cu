// A plain tiled matrix product, for every dtype and any strides: what runs where no library does.
#include "cuda/gemm.h"

#include "cuda/elementwise.cuh"

namespace clew::cuda {
namespace {

constexpr int kTile = 16;  // a block computes 16 x 16 elements of C, 16 steps of k at a time

/// Integers wrap in the widest unsigned type; their low bits come out the same.
template <class T>
using product_t =
    std::conditional_t<std::is_integral_v<T>, uint64_t, std::conditional_t<is_half<T>, float, T>>;

template <class T>
__global__ void __launch_bounds__(kTile* kTile) gemm_kernel(const Gemm g, int64_t first) {
  using P = product_t<T>;
  CLEW_SHARED(P, a_tile, kTile * (kTile + 1));
  CLEW_SHARED(P, b_tile, kTile * (kTile + 1));
  const int x = static_cast<int>(threadIdx.x) % kTile, y = static_cast<int>(threadIdx.x) / kTile;
  const int64_t across = (g.n + kTile - 1) / kTile, down = (g.m + kTile - 1) / kTile;
  const int64_t unit = first + blockIdx.x;
  const int64_t column = unit % across * kTile + x, row = unit / across % down * kTile + y,
                batch = unit / (across * down);
  const T* a = static_cast<const T*>(g.a.data) + batch * g.a.batch;
  const T* b = static_cast<const T*>(g.b.data) + batch * g.b.batch;
  P sum = 0;
  for (int64_t k = 0; k < g.k; k += kTile) {
    a_tile[y * (kTile + 1) + x] =
        row < g.m && k + x < g.k
            ? static_cast<P>(static_cast<compute_t<T>>(a[row * g.a.row + (k + x) * g.a.column]))
            : P(0);
    b_tile[y * (kTile + 1) + x] =
        column < g.n && k + y < g.k
            ? static_cast<P>(static_cast<compute_t<T>>(b[(k + y) * g.b.row + column * g.b.column]))
            : P(0);
    __syncthreads();
    CLEW_UNROLL
    for (int i = 0; i < kTile; ++i) sum += a_tile[y * (kTile + 1) + i] * b_tile[i * (kTile + 1) + x];
    __syncthreads();
  }
  if (row >= g.m || column >= g.n) return;
  T* c = static_cast<T*>(g.c) + batch * g.c_batch + row * g.c_row + column;
  if constexpr (std::is_integral_v<T>) {
    P result = static_cast<P>(g.integer_alpha) * sum;
    if (g.integer_beta != 0) result += static_cast<P>(g.integer_beta) * static_cast<P>(*c);
    *c = static_cast<T>(result);
  } else {
    P result = static_cast<P>(g.alpha) * sum;
    if (g.beta != 0) result += static_cast<P>(g.beta) * static_cast<P>(*c);
    *c = static_cast<T>(result);
  }
}

}  // namespace

void run_gemm(DType dtype, const Gemm& gemm, Stream stream) {
  const int64_t units = gemm.batch * ((gemm.m + kTile - 1) / kTile) * ((gemm.n + kTile - 1) / kTile);
  constexpr int64_t kMost = int64_t{1} << 30;  // blocks of one launch
  dispatch<kNumeric>(dtype, [&]<class T>() {
    for (int64_t first = 0; first < units; first += kMost) {
      const auto blocks = static_cast<unsigned>(units - first < kMost ? units - first : kMost);
      CLEW_LAUNCH((gemm_kernel<T>), blocks, kTile * kTile, 0, stream, gemm, first);
    }
  });
}

}  // namespace clew::cuda
