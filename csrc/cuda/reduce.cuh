// Reductions: each output folds a run of elements, in an order that the shape alone decides.
//
// Rows: a group of 32 or 256 threads per output; thread t takes elements t, t + group, ..., and the group's
// results meet in a tree over warp shuffles, then over shared memory. Columns: 32 neighbouring outputs by 8
// threads each, so that reads are contiguous across outputs. Long runs of few outputs are cut into chunks,
// whose partial results a second launch folds in order.
//
// An operation Op on elements of type T has: Acc, Result; init(), fold(acc, value, index), merge(a, b), and
// finish(acc, count).
#pragma once

#include "cuda/elementwise.cuh"
#include "cuda/reduce.h"

namespace clew::cuda {

template <class Acc>
__device__ __forceinline__ Acc shuffle_down(const Acc& value, unsigned by) {
  static_assert(std::is_trivially_copyable_v<Acc>);
  constexpr int kWords = (sizeof(Acc) + 3) / 4;
  uint32_t words[kWords] = {};
  __builtin_memcpy(words, &value, sizeof(Acc));
  CLEW_UNROLL
  for (int i = 0; i < kWords; ++i) words[i] = __shfl_down_sync(kAllLanes, words[i], by);
  Acc other;
  __builtin_memcpy(&other, words, sizeof(Acc));
  return other;
}

/// The results of a warp's lanes, in its first lane.
template <class Op>
__device__ __forceinline__ typename Op::Acc merge_warp(const Op& op, typename Op::Acc acc) {
  for (unsigned by = kWarp / 2; by > 0; by /= 2) acc = op.merge(acc, shuffle_down(acc, by));
  return acc;
}

/// The results of a block's threads, in its first thread.
template <class Op>
__device__ __forceinline__ typename Op::Acc merge_block(const Op& op, typename Op::Acc acc) {
  using Acc = typename Op::Acc;
  CLEW_SHARED(Acc, parts, kThreads / kWarp);
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  acc = merge_warp(op, acc);
  if (lane == 0) parts[warp] = acc;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int i = 1; i < kThreads / kWarp; ++i) acc = op.merge(acc, parts[i]);
  }
  return acc;
}

template <class Op>
__device__ __forceinline__ void put(const ReducePlan& plan, const Op& op, typename Op::Acc* partials,
                                    int64_t output, int64_t chunk, const typename Op::Acc& acc) {
  if (plan.chunks > 1) {
    partials[output * plan.chunks + chunk] = acc;
  } else {
    static_cast<typename Op::Result*>(plan.out)[output] = op.finish(acc, plan.count);
  }
}

template <class Op, class T, int kGroup>
__global__ void __launch_bounds__(kThreads)
    reduce_rows(const ReducePlan plan, const Op op, typename Op::Acc* partials) {
  const int64_t unit = static_cast<int64_t>(blockIdx.x) * (kThreads / kGroup) + threadIdx.x / kGroup;
  const int thread = static_cast<int>(threadIdx.x) % kGroup;
  const bool live = unit < plan.outputs * plan.chunks;
  const int64_t output = live ? unit / plan.chunks : 0, chunk = live ? unit % plan.chunks : 0;
  typename Op::Acc acc = op.init();
  if (live) {
    const T* in = static_cast<const T*>(plan.in) + plan.kept.offset(output);
    const int64_t first = chunk * plan.chunk,
                  last = first + plan.chunk < plan.count ? first + plan.chunk : plan.count;
    for (int64_t i = first + thread; i < last; i += kGroup)
      acc = op.fold(acc, static_cast<compute_t<T>>(in[plan.reduced.offset(i)]), i);
  }
  if constexpr (kGroup == kWarp) {
    acc = merge_warp(op, acc);
  } else {
    acc = merge_block(op, acc);
  }
  if (live && thread == 0) put(plan, op, partials, output, chunk, acc);
}

inline constexpr int kColumnThreads = kThreads / kWarp;  // threads per column

template <class Op, class T>
__global__ void __launch_bounds__(kThreads)
    reduce_columns(const ReducePlan plan, const Op op, typename Op::Acc* partials) {
  using Acc = typename Op::Acc;
  CLEW_SHARED(Acc, parts, kThreads);
  const int column = static_cast<int>(threadIdx.x) % kWarp, row = static_cast<int>(threadIdx.x) / kWarp;
  const int64_t tiles = (plan.outputs + kWarp - 1) / kWarp;
  const int64_t output = blockIdx.x % tiles * kWarp + column, chunk = blockIdx.x / tiles;
  const bool live = output < plan.outputs;
  Acc acc = op.init();
  if (live) {
    const T* in = static_cast<const T*>(plan.in) + plan.kept.offset(output);
    const int64_t first = chunk * plan.chunk,
                  last = first + plan.chunk < plan.count ? first + plan.chunk : plan.count;
    for (int64_t i = first + row; i < last; i += kColumnThreads)
      acc = op.fold(acc, static_cast<compute_t<T>>(in[plan.reduced.offset(i)]), i);
  }
  parts[threadIdx.x] = acc;
  __syncthreads();
  if (!live || row != 0) return;
  for (int i = 1; i < kColumnThreads; ++i) acc = op.merge(acc, parts[i * kWarp + column]);
  put(plan, op, partials, output, chunk, acc);
}

/// A warp per output folds the partial results of its chunks.
template <class Op>
__global__ void __launch_bounds__(kThreads)
    reduce_partials(const ReducePlan plan, const Op op, const typename Op::Acc* partials) {
  const int64_t output = static_cast<int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const bool live = output < plan.outputs;
  typename Op::Acc acc = op.init();
  if (live) {
    for (int64_t i = lane; i < plan.chunks; i += kWarp)
      acc = op.merge(acc, partials[output * plan.chunks + i]);
  }
  acc = merge_warp(op, acc);
  if (live && lane == 0) static_cast<typename Op::Result*>(plan.out)[output] = op.finish(acc, plan.count);
}

inline constexpr int64_t kWarpRuns = 1024;  // runs up to this length are one warp's

template <class Op, class T>
void reduce_launch(const ReducePlan& plan, const ReduceParams& params, void* workspace, Stream stream) {
  const Op op(params);
  auto* partials = static_cast<typename Op::Acc*>(workspace);
  const int64_t units = plan.outputs * plan.chunks;
  const auto blocks = [](int64_t n, int64_t each) { return static_cast<unsigned>((n + each - 1) / each); };
  if (plan.by_columns) {
    const auto tiles = static_cast<unsigned>((plan.outputs + kWarp - 1) / kWarp * plan.chunks);
    CLEW_LAUNCH((reduce_columns<Op, T>), tiles, kThreads, 0, stream, plan, op, partials);
  } else if (plan.chunk <= kWarpRuns) {
    CLEW_LAUNCH((reduce_rows<Op, T, kWarp>), blocks(units, kThreads / kWarp), kThreads, 0, stream, plan, op,
                partials);
  } else {
    CLEW_LAUNCH((reduce_rows<Op, T, kThreads>), blocks(units, 1), kThreads, 0, stream, plan, op, partials);
  }
  if (plan.chunks > 1)
    CLEW_LAUNCH((reduce_partials<Op>), blocks(plan.outputs, kThreads / kWarp), kThreads, 0, stream, plan, op,
                partials);
}

/// Fills a table's entry of elements T.
template <class Op, class T>
constexpr void set_reduction(ReduceTable& t, Reduction r) {
  t.at[static_cast<int>(r)][column<T>()] = {sizeof(typename Op::Acc), &reduce_launch<Op, T>};
}

/// What sums over T are kept in.
template <class T>
using sum_t = std::conditional_t<std::is_integral_v<T>, int64_t, std::conditional_t<is_half<T>, float, T>>;

}  // namespace clew::cuda
