// Padding, and resampling of one dimension by a table of weights.
#include "ops/resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/shapes.h"
#include "cpu/copy.h"
#include "cpu/scratch.h"
#include "ops/window.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

void pad_constant_cpu(Tensor& out, const Tensor& input, IntArrayRef pad, const Scalar& value) {
  fill_tensor("pad", out, value);
  const auto rank = static_cast<size_t>(input.dim());
  Shape sizes = input.sizes().vec();
  int64_t from = 0, to = 0;
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    const size_t d = rank - 1 - i;
    const int64_t before = pad[2 * i], after = pad[2 * i + 1];
    const int64_t first = std::max<int64_t>(0, -before);
    sizes[d] = std::max<int64_t>(0, sizes[d] + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0));
    from += first * input.strides()[d];
    to += std::max<int64_t>(0, before) * out.strides()[d];
  }
  if (numel_of(sizes) == 0) return;
  const auto size = static_cast<int64_t>(item_size(out.dtype()));
  strided_copy(sizes, static_cast<char*>(out.raw_data()) + to * size, out.strides(), out.dtype(),
               static_cast<const char*>(input.raw_data()) + from * size, input.strides(), input.dtype());
}

/// Sparse matrix of weights: row i holds entries [start[i], start[i + 1]), indices ascending.
template <class T>
struct Table {
  std::vector<int64_t> start{0}, index;
  std::vector<T> weight;

  void add(int64_t i, T w) {
    index.push_back(i);
    weight.push_back(w);
  }
  void end_row() { start.push_back(static_cast<int64_t>(index.size())); }
  int64_t rows() const { return static_cast<int64_t>(start.size()) - 1; }

  Table transposed(int64_t columns) const {
    Table t;
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
Table<T> make_table(int64_t in, int64_t out, ResizeMode mode, bool align_corners,
                    std::optional<double> scale_factor) {
  Table<T> t;
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

/// out (outer, rows, inner) = table * in (outer, columns, inner)
template <class T>
void multiply(const Table<T>& t, T* out, const T* in, int64_t outer, int64_t columns, int64_t inner) {
  const int64_t rows = t.rows();
  const int64_t entries = static_cast<int64_t>(t.index.size());
  const int64_t grain = std::max<int64_t>(1, kGrainCompute / std::max<int64_t>(1, entries / rows * inner));
  parallel_for(0, outer * rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const auto r = static_cast<size_t>(task % rows);
      const T* plane = in + task / rows * columns * inner;
      T* to = out + task * inner;
      const int64_t first = t.start[r], last = t.start[r + 1];
      if (inner == 1) {
        T sum = 0;
        for (int64_t e = first; e < last; ++e)
          sum += t.weight[static_cast<size_t>(e)] * plane[t.index[static_cast<size_t>(e)]];
        *to = sum;
        continue;
      }
      if (first == last) std::fill_n(to, inner, T(0));
      for (int64_t e = first; e < last; ++e) {
        const T w = t.weight[static_cast<size_t>(e)];
        const T* from = plane + t.index[static_cast<size_t>(e)] * inner;
        if (e == first) {
          for (int64_t k = 0; k < inner; ++k) to[k] = w * from[k];
        } else {
          for (int64_t k = 0; k < inner; ++k) to[k] += w * from[k];
        }
      }
    }
  });
}

void resize(Tensor& out, const Tensor& input, int64_t dim, std::string_view mode, bool align_corners,
            std::optional<double> scale_factor, bool backward) {
  if (out.numel() == 0) return;
  const auto d = static_cast<size_t>(wrap_dim("resize_dim", dim, out.dim()));
  const int64_t in_size = input.sizes()[d], out_size = out.sizes()[d];
  const int64_t outer = numel_of(IntArrayRef(out.sizes().data(), d)), inner = out.strides()[d];
  dispatch_wide(out.dtype(), [&]<class T>() {
    const ResultAs<T> result(out);
    const ResizeMode m = resize_mode("resize_dim", mode);
    const Table<T> table =
        backward ? make_table<T>(out_size, in_size, m, align_corners, scale_factor).transposed(out_size)
                 : make_table<T>(in_size, out_size, m, align_corners, scale_factor);
    multiply(table, result.data(), As<T>(input).data(), outer, in_size, inner);
    result.store();
  });
}

void resize_dim_cpu(Tensor& out, const Tensor& input, int64_t dim, int64_t, std::string_view mode,
                    bool align_corners, std::optional<double> scale_factor) {
  resize(out, input, dim, mode, align_corners, scale_factor, false);
}

void resize_dim_grad_cpu(Tensor& out, const Tensor& grad_output, int64_t dim, int64_t, std::string_view mode,
                         bool align_corners, std::optional<double> scale_factor) {
  resize(out, grad_output, dim, mode, align_corners, scale_factor, true);
}

}  // namespace
}  // namespace cpu

CLEW_CPU_KERNEL(pad_constant, cpu::pad_constant_cpu);
CLEW_CPU_KERNEL(resize_dim, cpu::resize_dim_cpu);
CLEW_CPU_KERNEL(resize_dim_grad, cpu::resize_dim_grad_cpu);

}  // namespace clew
