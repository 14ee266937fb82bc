// The heart of matrix kernels: a block of 256 threads computes a square tile of C = A B.
//
// Each thread holds a square of sums; 16 steps of k at a time go through shared memory. A and B are
// functions, so that their elements may come from anywhere: strided matrices, windows of an image, weights of
// attention.
#pragma once

#include "cuda/elementwise.cuh"

namespace clew::cuda {

/// What products of T are summed in. Integers wrap in the widest unsigned type; their low bits come out the
/// same.
template <class T>
using product_t =
    std::conditional_t<std::is_integral_v<T>, uint64_t, std::conditional_t<is_half<T>, float, T>>;

template <class P>
struct Tile {
  static constexpr int kEach = sizeof(P) <= 4 ? 4 : 2;  // a thread's square of sums has this side
  static constexpr int kSize = 16 * kEach;              // the block's
  static constexpr int kDepth = 16;
  static constexpr int kRow = kSize / kEach + 1;  // in vectors; one more, so that columns spread over banks
  static constexpr int kVectors = kDepth * kRow;  // of one operand in shared memory
  using Vec = Vector<P, kEach>;

  P sum[kEach][kEach] = {};

  /// Row and column of this thread's first sum.
  static __device__ __forceinline__ int row() { return static_cast<int>(threadIdx.x) / 16 * kEach; }
  static __device__ __forceinline__ int column() { return static_cast<int>(threadIdx.x) % 16 * kEach; }

  /// Element `i` of those that this thread fetches for an operand: its place along the tile's side and along
  /// k. Neighbouring threads take neighbours along k, or along the side.
  static __device__ __forceinline__ int side_of(int i, bool along_k) {
    const int t = static_cast<int>(threadIdx.x);
    return along_k ? t / kDepth + kThreads / kDepth * i : t % kSize;
  }
  static __device__ __forceinline__ int depth_of(int i, bool along_k) {
    const int t = static_cast<int>(threadIdx.x);
    return along_k ? t % kDepth : t / kSize + kThreads / kSize * i;
  }

  template <class Load>
  static __device__ __forceinline__ void fetch(Vec* to, const Load& load, int64_t k, bool along_k) {
    P* scalars = reinterpret_cast<P*>(to);
    CLEW_UNROLL
    for (int i = 0; i < kEach; ++i) {
      const int x = side_of(i, along_k), d = depth_of(i, along_k);
      scalars[d * kRow * kEach + x] = load(i, x, k + d);
    }
  }

  __device__ __forceinline__ void multiply(const Vec* a_tile, const Vec* b_tile) {
    const int y = row() / kEach, x = column() / kEach;
    CLEW_UNROLL
    for (int d = 0; d < kDepth; ++d) {
      const Vec a = a_tile[d * kRow + y], b = b_tile[d * kRow + x];
      CLEW_UNROLL
      for (int i = 0; i < kEach; ++i) {
        CLEW_UNROLL
        for (int j = 0; j < kEach; ++j) sum[i][j] += a.at[i] * b.at[j];
      }
    }
  }

  /// Adds the products of k in [first, last). `a(i, row, k)` and `b(i, column, k)` give elements, zero
  /// outside of the operand; i is fetch()'s count. The tiles are shared memory of kVectors each.
  template <class A, class B>
  __device__ __forceinline__ void run(Vec* a_tile, Vec* b_tile, int64_t first, int64_t last, const A& a,
                                      bool a_along_k, const B& b, bool b_along_k) {
    for (int64_t k = first; k < last; k += kDepth) {
      fetch(a_tile, a, k, a_along_k);
      fetch(b_tile, b, k, b_along_k);
      __syncthreads();
      multiply(a_tile, b_tile);
      __syncthreads();
    }
  }
};

/// Blocks of one launch at most; longer lists of tiles take several.
inline constexpr int64_t kMostBlocks = int64_t{1} << 30;

template <class Run>
void for_launches(int64_t units, Run&& run) {
  for (int64_t first = 0; first < units; first += kMostBlocks)
    run(first, static_cast<unsigned>(units - first < kMostBlocks ? units - first : kMostBlocks));
}

}  // namespace clew::cuda
