// What the threads that share a run of elements find out together.
#pragma once

#include "cuda/reduce.cuh"

namespace clew::cuda {

/// How runs are shared out: a warp or a block each, or 32 neighbouring runs by 8 threads each.
enum class Sharing : uint8_t { Warp, Block, Columns };

/// The sum of values, kept like T's sums.
template <class T>
struct Total {
  using Acc = sum_t<T>;
  CLEW_HD Acc merge(Acc a, Acc b) const { return a + b; }
};

/// The merged results of all threads that share a run, in each of them. All threads of the block take part.
template <Sharing shape, class Op>
__device__ __forceinline__ typename Op::Acc share(const Op& op, typename Op::Acc acc) {
  using Acc = typename Op::Acc;
  if constexpr (shape == Sharing::Warp) {
    for (unsigned by = kWarp / 2; by > 0; by /= 2) acc = op.merge(acc, shuffle_down(acc, by));
    CLEW_SHARED(Acc, firsts, kThreads / kWarp);
    const unsigned warp = threadIdx.x / kWarp;
    if (threadIdx.x % kWarp == 0) firsts[warp] = acc;
    __syncwarp();
    const Acc all = firsts[warp];
    __syncwarp();  // the next call writes there again
    return all;
  } else {
    CLEW_SHARED(Acc, parts, kThreads);
    parts[threadIdx.x] = acc;
    __syncthreads();
    Acc all;
    if constexpr (shape == Sharing::Block) {
      for (unsigned half = kThreads / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) parts[threadIdx.x] = op.merge(parts[threadIdx.x], parts[threadIdx.x + half]);
        __syncthreads();
      }
      all = parts[0];
    } else {
      const unsigned column = threadIdx.x % kWarp;
      all = parts[column];
      for (unsigned i = 1; i < kThreads / kWarp; ++i) all = op.merge(all, parts[column + i * kWarp]);
    }
    __syncthreads();
    return all;
  }
}

/// This thread's part of its block's runs: elements first, first + step, ... of run `run`.
template <Sharing shape>
struct Share {
  int64_t run, first, step;
  __device__ __forceinline__ Share() {
    if constexpr (shape == Sharing::Warp) {
      run = static_cast<int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
      first = threadIdx.x % kWarp;
      step = kWarp;
    } else if constexpr (shape == Sharing::Block) {
      run = blockIdx.x;
      first = threadIdx.x;
      step = kThreads;
    } else {
      run = static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x % kWarp;
      first = threadIdx.x / kWarp;
      step = kThreads / kWarp;
    }
  }
};
/// Blocks for so many runs.
template <Sharing shape>
unsigned share_blocks(int64_t runs) {
  constexpr int64_t kEach = shape == Sharing::Warp ? kThreads / kWarp : shape == Sharing::Block ? 1 : kWarp;
  return static_cast<unsigned>((runs + kEach - 1) / kEach);
}

/// Blocks of kThreads threads for n elements.
inline unsigned blocks_of_threads(int64_t n) { return static_cast<unsigned>((n + kThreads - 1) / kThreads); }
__device__ __forceinline__ int64_t thread_index() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

}  // namespace clew::cuda
