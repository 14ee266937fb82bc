// Resampling of one dimension as a sparse matrix, made on the host for every device.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/spans.h"
#include "ops/resize.h"

namespace clew {

/// Sparse matrix of weights: row i holds entries [start[i], start[i + 1]), indices ascending.
template <class T>
struct ResizeTable {
  std::vector<int64_t> start{0}, index;
  std::vector<T> weight;

  void add(int64_t i, T w) {
    index.push_back(i);
    weight.push_back(w);
  }
  void end_row() { start.push_back(static_cast<int64_t>(index.size())); }
  int64_t rows() const { return static_cast<int64_t>(start.size()) - 1; }

  ResizeTable transposed(int64_t columns) const {
    ResizeTable t;
    t.start.assign(static_cast<size_t>(columns) + 1, 0);
    for (int64_t i : index) ++t.start[static_cast<size_t>(i) + 1];
    for (size_t c = 0; c < static_cast<size_t>(columns); ++c) t.start[c + 1] += t.start[c];
    t.index.resize(index.size());
    t.weight.resize(index.size());
    std::vector<int64_t> at(t.start.begin(), t.start.end() - 1);
    for (int64_t r = 0; r < rows(); ++r) {
      for (int64_t e = start[static_cast<size_t>(r)]; e < start[static_cast<size_t>(r) + 1]; ++e) {
        const auto to = static_cast<size_t>(at[static_cast<size_t>(index[static_cast<size_t>(e)])]++);
        t.index[to] = r;
        t.weight[to] = weight[static_cast<size_t>(e)];
      }
    }
    return t;
  }
};

/// Positions are computed in float for nearest and in T otherwise, so that sampling falls where others' does.
template <class T>
ResizeTable<T> make_resize_table(int64_t in, int64_t out, ResizeMode mode, bool align_corners,
                                 std::optional<double> scale_factor) {
  ResizeTable<T> t;
  const auto ratio = [&]<class R>(R) {
    return scale_factor ? static_cast<R>(1.0 / *scale_factor) : static_cast<R>(in) / static_cast<R>(out);
  };
  const float near = ratio(0.0f);
  const T even = out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) : T(0);
  const T scale = align_corners ? even : ratio(T(0));
  const auto source = [&](int64_t i) {
    return align_corners ? scale * static_cast<T>(i) : scale * (static_cast<T>(i) + T(0.5)) - T(0.5);
  };
  for (int64_t i = 0; i < out; ++i, t.end_row()) {
    switch (mode) {
      case ResizeMode::Nearest:
      case ResizeMode::NearestExact: {
        const float at = static_cast<float>(i) + (mode == ResizeMode::Nearest ? 0.0f : 0.5f);
        const auto from = static_cast<int64_t>(std::floor(at * near));
        t.add(in == out ? i : std::clamp<int64_t>(from, 0, in - 1), T(1));
        break;
      }
      case ResizeMode::Linear: {
        if (in == out) {
          t.add(i, T(1));
          break;
        }
        const T at = std::max(source(i), T(0));
        const int64_t low = std::min(static_cast<int64_t>(at), in - 1);
        const T part = std::clamp(at - static_cast<T>(low), T(0), T(1));
        if (low + 1 < in) {
          t.add(low, T(1) - part);
          t.add(low + 1, part);
        } else {
          t.add(low, T(1));
        }
        break;
      }
      case ResizeMode::Cubic: {
        constexpr T a = T(-0.75);
        const T at = source(i), floor = std::floor(at), x = std::clamp(at - floor, T(0), T(1));
        const auto inner = [](T d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
        const auto outer = [](T d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
        const T w[4] = {outer(x + 1), inner(x), inner(1 - x), outer(2 - x)};
        const auto first = static_cast<int64_t>(floor) - 1;
        // Beyond the border its element repeats: entries of one index are joined.
        for (int64_t k = 0; k < 4; ++k) {
          const int64_t from = std::clamp<int64_t>(first + k, 0, in - 1);
          if (t.start.back() < static_cast<int64_t>(t.index.size()) && t.index.back() == from) {
            t.weight.back() += w[k];
          } else {
            t.add(from, w[k]);
          }
        }
        break;
      }
      case ResizeMode::Area: {
        const int64_t first = adaptive_start(i, in, out), last = adaptive_end(i, in, out);
        for (int64_t k = first; k < last; ++k) t.add(k, T(1) / static_cast<T>(last - first));
        break;
      }
    }
  }
  return t;
}

}  // namespace clew
