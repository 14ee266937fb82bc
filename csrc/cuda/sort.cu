// A merge sort of (key, place) items: tiles by a bitonic network in shared memory, then runs of tiles by
// passes in which each item finds its place by binary search in the neighbouring run.
//
// Reference: Batcher. Sorting networks and their applications. 1968.
#include "cuda/sort.h"

#include <utility>

#include "cuda/share.cuh"
#include "kernels/ordering.h"

namespace clew::cuda {
namespace {

constexpr int64_t kTile = 1024;  // items of a block; 16 KiB of shared memory

CLEW_HD bool comes_first(const SortItem& a, const SortItem& b) {
  return a.key != b.key ? a.key < b.key : a.at < b.at;
}

/// Sorts pieces of `piece` items, a power of two: kTile / piece of them a block. A row has `pieces` of them.
__global__ void __launch_bounds__(kThreads)
    sort_tiles(SortItem* items, int64_t rows, int64_t n, int64_t piece, int64_t pieces) {
  CLEW_SHARED(SortItem, tile, kTile);
  const auto width = static_cast<unsigned>(piece);
  const int64_t first_piece = static_cast<int64_t>(blockIdx.x) * (kTile / piece);
  // Where item i of the tile stands in memory; -1 where there is none.
  const auto place = [&](unsigned i) -> int64_t {
    const int64_t p = first_piece + i / width, row = p / pieces, at = p % pieces * piece + i % width;
    return row < rows && at < n ? row * n + at : -1;
  };
  for (unsigned i = threadIdx.x; i < kTile; i += kThreads) {
    const int64_t at = place(i);
    tile[i] = at >= 0 ? items[at] : SortItem{~uint64_t{0}, INT64_MAX};
  }
  for (unsigned run = 2; run <= width; run *= 2) {
    for (unsigned step = run / 2; step > 0; step /= 2) {
      __syncthreads();
      for (unsigned t = threadIdx.x; t < kTile / 2; t += kThreads) {
        const unsigned i = 2 * t - t % step, j = i + step;
        // Every other run is sorted downwards, but the last is upwards.
        const bool up = run == width || (i & run) == 0;
        const SortItem a = tile[i], b = tile[j];
        if (comes_first(b, a) == up) {
          tile[i] = b;
          tile[j] = a;
        }
      }
    }
  }
  __syncthreads();
  for (unsigned i = threadIdx.x; i < kTile; i += kThreads) {
    const int64_t at = place(i);
    if (at >= 0) items[at] = tile[i];
  }
}

/// Merges runs of `width` items in pairs. One item a thread.
__global__ void __launch_bounds__(kThreads)
    merge_runs(SortItem* out, const SortItem* in, int64_t rows, int64_t n, int64_t width) {
  const int64_t index = thread_index();
  if (index >= rows * n) return;
  const int64_t base = index / n * n, i = index - base, run = i / width;
  const SortItem mine = in[index];
  const int64_t other = (run ^ 1) * width, end = other + width < n ? other + width : n;
  int64_t first = other, length = other < n ? end - other : 0;
  while (length > 0) {
    const int64_t half = length / 2;
    if (comes_first(in[base + first + half], mine)) {
      first += half + 1;
      length -= half + 1;
    } else {
      length = half;
    }
  }
  out[base + (run & ~int64_t{1}) * width + (i - run * width) + (first - other)] = mine;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    keys_kernel(SortItem* items, const SortPlan p, const bool descending) {
  const int64_t index = thread_index();
  if (index >= p.outer * p.n * p.inner) return;
  const int64_t c = index % p.inner, i = index / p.inner % p.n, o = index / p.inner / p.n;
  const auto key = kernels::ordered_key(static_cast<const T*>(p.in)[index]);
  using Key = std::remove_const_t<decltype(key)>;
  items[(o * p.inner + c) * p.n + i] = {descending ? static_cast<Key>(~key) : key, i};
}

template <class T>
__global__ void __launch_bounds__(kThreads) results_kernel(const SortItem* items, const SortPlan p) {
  const int64_t index = thread_index();
  if (index >= p.outer * p.k * p.inner) return;
  const int64_t c = index % p.inner, i = index / p.inner % p.k, o = index / p.inner / p.k;
  const int64_t at = items[(o * p.inner + c) * p.n + i].at;
  static_cast<T*>(p.values)[index] = static_cast<const T*>(p.in)[(o * p.n + at) * p.inner + c];
  p.indices[index] = at;
}

}  // namespace

SortItem* run_sort(SortItem* items, SortItem* spare, int64_t rows, int64_t n, Stream stream) {
  if (rows == 0 || n <= 1) return items;
  int64_t piece = 2;
  while (piece < n && piece < kTile) piece *= 2;
  const int64_t pieces = (n + piece - 1) / piece, each = kTile / piece;
  const auto blocks = static_cast<unsigned>((rows * pieces + each - 1) / each);
  CLEW_LAUNCH((sort_tiles), blocks, kThreads, 0, stream, items, rows, n, piece, pieces);
  for (int64_t width = piece; width < n; width *= 2) {
    CLEW_LAUNCH((merge_runs), blocks_of_threads(rows * n), kThreads, 0, stream, spare, items, rows, n, width);
    std::swap(items, spare);
  }
  return items;
}

void run_sort_keys(SortItem* items, DType dtype, const SortPlan& plan, bool descending, Stream stream) {
  const unsigned blocks = blocks_of_threads(plan.outer * plan.n * plan.inner);
  dispatch<kAllDTypes>(dtype, [&]<class T>() {
    CLEW_LAUNCH((keys_kernel<T>), blocks, kThreads, 0, stream, items, plan, descending);
  });
}

void run_sort_results(const SortItem* items, DType dtype, const SortPlan& plan, Stream stream) {
  const unsigned blocks = blocks_of_threads(plan.outer * plan.k * plan.inner);
  dispatch<kAllDTypes>(
      dtype, [&]<class T>() { CLEW_LAUNCH((results_kernel<T>), blocks, kThreads, 0, stream, items, plan); });
}

}  // namespace clew::cuda
