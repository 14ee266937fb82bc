// A plain tiled matrix product, for every dtype and any strides: what runs where no library does.
#include "cuda/gemm.h"

#include "cuda/tile.cuh"

namespace clew::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads) gemm_kernel(const Gemm g, int64_t first) {
  using P = product_t<T>;
  using C = Tile<P>;
  CLEW_SHARED(typename C::Vec, a_tile, C::kVectors);
  CLEW_SHARED(typename C::Vec, b_tile, C::kVectors);
  const int64_t across = (g.n + C::kSize - 1) / C::kSize, down = (g.m + C::kSize - 1) / C::kSize;
  const int64_t unit = first + blockIdx.x;
  const int64_t left = unit % across * C::kSize, top = unit / across % down * C::kSize,
                batch = unit / (across * down);
  const T* a = static_cast<const T*>(g.a.data) + batch * g.a.batch;
  const T* b = static_cast<const T*>(g.b.data) + batch * g.b.batch;
  C tile;
  tile.run(
      a_tile, b_tile, 0, g.k,
      [&](int, int y, int64_t k) {
        return top + y < g.m && k < g.k
                   ? static_cast<P>(static_cast<compute_t<T>>(a[(top + y) * g.a.row + k * g.a.column]))
                   : P(0);
      },
      g.a.column == 1,
      [&](int, int x, int64_t k) {
        return left + x < g.n && k < g.k
                   ? static_cast<P>(static_cast<compute_t<T>>(b[k * g.b.row + (left + x) * g.b.column]))
                   : P(0);
      },
      g.b.row == 1);
  P alpha, beta;
  if constexpr (std::is_integral_v<T>) {
    alpha = static_cast<P>(g.integer_alpha);
    beta = static_cast<P>(g.integer_beta);
  } else {
    alpha = static_cast<P>(g.alpha);
    beta = static_cast<P>(g.beta);
  }
  for (int i = 0; i < C::kEach; ++i) {
    const int64_t row = top + C::row() + i;
    T* c = static_cast<T*>(g.c) + batch * g.c_batch + row * g.c_row;
    for (int j = 0; j < C::kEach; ++j) {
      const int64_t column = left + C::column() + j;
      if (row >= g.m || column >= g.n) continue;
      P result = alpha * tile.sum[i][j];
      if (beta != P(0)) result += beta * static_cast<P>(static_cast<compute_t<T>>(c[column]));
      c[column] = static_cast<T>(result);
    }
  }
}

}  // namespace

void run_gemm(DType dtype, const Gemm& gemm, Stream stream) {
  dispatch<kNumeric>(dtype, [&]<class T>() {
    constexpr int64_t kSide = Tile<product_t<T>>::kSize;
    const int64_t units = gemm.batch * ((gemm.m + kSide - 1) / kSide) * ((gemm.n + kSide - 1) / kSide);
    for_launches(units, [&](int64_t first, unsigned blocks) {
      CLEW_LAUNCH((gemm_kernel<T>), blocks, kThreads, 0, stream, gemm, first);
    });
  });
}

}  // namespace clew::cuda
