// Iteration plans: N operands of one shape as few nested loops as possible.
//
// A plan broadcasts the inputs to the output's shape, drops size-1 dimensions, orders dimensions by
// the output's strides and merges neighbours that are contiguous in every operand. What is left is
// an inner 1-D loop with a stride per operand, which the kernels provide, and outer dimensions.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "clew/core/parallel.h"
#include "clew/core/tensor.h"

namespace clew {

inline constexpr int kMaxRank = 64;

namespace detail {

/// A block of elements that lie densely along rows of `from`: to[r * columns + c] = from[c * stride + r].
/// Each cache line of `from` is read once and whole.
template <class T>
void turn_block(T* to, const T* from, int64_t rows, int64_t columns, int64_t stride) {
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = 0; r < rows; ++r) to[r * columns + c] = from[c * stride + r];
  }
}
inline void turn_block(char* to, const char* from, int64_t item_size, int64_t rows, int64_t columns,
                       int64_t stride) {
  const auto turn = [&]<class T>() {
    turn_block(reinterpret_cast<T*>(to), reinterpret_cast<const T*>(from), rows, columns, stride);
  };
  switch (item_size) {
    case 1:
      return turn.template operator()<uint8_t>();
    case 2:
      return turn.template operator()<uint16_t>();
    case 4:
      return turn.template operator()<uint32_t>();
    default:
      return turn.template operator()<uint64_t>();
  }
}

}  // namespace detail

template <int N>
struct IterPlan {
  int rank = 1;  // at least 1; dimension 0 is the innermost
  int64_t numel = 0;
  std::array<char*, N> data;
  std::array<int64_t, N> item_size;
  std::array<int64_t, kMaxRank> sizes;
  std::array<std::array<int64_t, kMaxRank>, N> strides;  // in elements

  /// Calls `loop(pointers, n, strides)` over all elements: `std::array<char*, N>`, count, strides in
  /// elements. Pieces of at least `grain` elements go to several threads; each output element is written by
  /// one.
  template <class Loop>
  void run(int64_t grain, Loop&& loop) const {
    if (numel == 0) return;
    std::array<int64_t, N> inner;
    for (int k = 0; k < N; ++k) inner[k] = strides[k][0];
    if (rank == 1) {
      parallel_for(0, numel, grain, [&](int64_t b, int64_t e) {
        std::array<char*, N> p = data;
        for (int k = 0; k < N; ++k) p[k] += b * inner[k] * item_size[k];
        loop(p, e - b, inner);
      });
      return;
    }
    if (const int across = dense_across(); across != 0) {
      run_tiled(grain, across, loop);
      return;
    }
    const int64_t rows = numel / sizes[0];
    parallel_for(0, rows, std::max<int64_t>(1, grain / sizes[0]), [&](int64_t b, int64_t e) {
      std::array<int64_t, kMaxRank> index;
      std::array<char*, N> p = data;
      int64_t rest = b;
      for (int d = 1; d < rank; ++d) {
        index[d] = rest % sizes[d];
        rest /= sizes[d];
        for (int k = 0; k < N; ++k) p[k] += index[d] * strides[k][d] * item_size[k];
      }
      for (int64_t row = b; row < e; ++row) {
        loop(p, sizes[0], inner);
        for (int d = 1; d < rank; ++d) {  // odometer
          for (int k = 0; k < N; ++k) p[k] += strides[k][d] * item_size[k];
          if (++index[d] < sizes[d]) break;
          for (int k = 0; k < N; ++k) p[k] -= sizes[d] * strides[k][d] * item_size[k];
          index[d] = 0;
        }
      }
    });
  }

 private:
  /// A dimension in which some operand is dense that strides along the innermost; 0 when there is none.
  int dense_across() const {
    if (sizes[0] < 8) return 0;
    for (int d = 1; d < rank; ++d) {
      if (sizes[d] < 8) continue;
      for (int k = 0; k < N; ++k) {
        if (strides[k][d] == 1 && (strides[k][0] > 1 || strides[k][0] < -1)) return d;
      }
    }
    return 0;
  }

  /// In tiles of the innermost dimension and `across`; inputs that are dense along `across` are turned first,
  /// so that their cache lines are used whole.
  template <class Loop>
  void run_tiled(int64_t grain, int across, Loop& loop) const {
    constexpr int64_t kRows = 64, kLength = 32;
    const int64_t n = sizes[0], rows = sizes[across], tiles = (rows + kRows - 1) / kRows;
    std::array<int64_t, N> inner;
    std::array<bool, N> turned{};
    for (int k = 0; k < N; ++k) {
      inner[k] = strides[k][0];
      turned[k] = k > 0 && item_size[k] <= 8 && strides[k][across] == 1 && (inner[k] > 1 || inner[k] < -1);
      if (turned[k]) inner[k] = 1;
    }
    parallel_for(0, numel / (n * rows) * tiles, std::max<int64_t>(1, grain / (n * kRows)),
                 [&](int64_t b, int64_t e) {
                   alignas(64) char blocks[N][kRows * kLength * 8];
                   for (int64_t unit = b; unit < e; ++unit) {
                     const int64_t row = unit % tiles * kRows, count = std::min(rows - row, kRows);
                     int64_t rest = unit / tiles;
                     std::array<char*, N> base = data;
                     for (int k = 0; k < N; ++k) base[k] += row * strides[k][across] * item_size[k];
                     for (int d = 1; d < rank; ++d) {
                       if (d == across) continue;
                       const int64_t i = rest % sizes[d];
                       rest /= sizes[d];
                       for (int k = 0; k < N; ++k) base[k] += i * strides[k][d] * item_size[k];
                     }
                     for (int64_t c = 0; c < n; c += kLength) {
                       const int64_t length = std::min(kLength, n - c);
                       std::array<char*, N> first;
                       std::array<int64_t, N> step;
                       for (int k = 0; k < N; ++k) {
                         first[k] = base[k] + c * strides[k][0] * item_size[k];
                         step[k] = strides[k][across] * item_size[k];
                         if (!turned[k]) continue;
                         detail::turn_block(blocks[k], first[k], item_size[k], count, length, strides[k][0]);
                         first[k] = blocks[k];
                         step[k] = length * item_size[k];
                       }
                       for (int64_t r = 0; r < count; ++r) {
                         std::array<char*, N> p = first;
                         for (int k = 0; k < N; ++k) p[k] += r * step[k];
                         loop(p, length, inner);
                       }
                     }
                   }
                 });
  }
};

/// Plan over `operands`, the first being the output; the others broadcast to its shape.
template <int N>
IterPlan<N> make_plan(const std::array<const Tensor*, N>& operands) {
  IterPlan<N> plan;
  const Tensor& out = *operands[0];
  plan.numel = out.numel();
  bool flat = true;
  for (int k = 0; k < N; ++k) {
    const Tensor& t = *operands[k];
    plan.data[k] = static_cast<char*>(t.raw_data());
    plan.item_size[k] = static_cast<int64_t>(item_size(t.dtype()));
    flat = flat && t.is_contiguous() && t.numel() == plan.numel;
  }
  if (flat) {  // the common case; equal numel and broadcastable means equal up to size-1 dimensions
    plan.sizes[0] = plan.numel;
    for (int k = 0; k < N; ++k) plan.strides[k][0] = 1;
    return plan;
  }
  const int rank = static_cast<int>(out.dim());
  plan.rank = 0;
  for (int d = rank - 1; d >= 0; --d) {
    const int64_t n = out.sizes()[d];
    if (n == 1) continue;
    const int r = plan.rank++;
    plan.sizes[r] = n;
    for (int k = 0; k < N; ++k) {
      const Tensor& t = *operands[k];
      const int64_t td = d - rank + t.dim();
      plan.strides[k][r] = td < 0 || t.sizes()[td] == 1 ? 0 : t.strides()[td];
    }
  }
  // Innermost first by the output's stride (insertion sort: ranks are small).
  auto swap_dims = [&](int a, int b) {
    std::swap(plan.sizes[a], plan.sizes[b]);
    for (int k = 0; k < N; ++k) std::swap(plan.strides[k][a], plan.strides[k][b]);
  };
  for (int i = 1; i < plan.rank; ++i) {
    for (int j = i; j > 0 && plan.strides[0][j - 1] > plan.strides[0][j]; --j) swap_dims(j - 1, j);
  }
  int last = 0;
  for (int d = 1; d < plan.rank; ++d) {
    bool mergeable = true;
    for (int k = 0; k < N; ++k)
      mergeable = mergeable && plan.strides[k][d] == plan.strides[k][last] * plan.sizes[last];
    if (mergeable) {
      plan.sizes[last] *= plan.sizes[d];
    } else if (++last != d) {
      plan.sizes[last] = plan.sizes[d];
      for (int k = 0; k < N; ++k) plan.strides[k][last] = plan.strides[k][d];
    }
  }
  if (plan.rank == 0) {
    plan.sizes[0] = 1;
    for (int k = 0; k < N; ++k) plan.strides[k][0] = 0;
  }
  plan.rank = last + 1;
  return plan;
}

}  // namespace clew
