// Pooling over the last two dimensions: a plane at a time, planes shared out over threads.
#include <algorithm>
#include <limits>
#include <vector>

#include "cpu/plane_loops.h"
#include "cpu/scratch.h"
#include "ops/window.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

using kernels::Span;

int64_t plane_grain(int64_t work) { return std::max<int64_t>(1, kGrainCompute / std::max<int64_t>(1, work)); }

// --- maximum ---------------------------------------------------------------------------------------

std::vector<Span> max_spans(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding,
                            int64_t dilation) {
  std::vector<Span> spans;
  spans.reserve(static_cast<size_t>(out));
  for (int64_t o = 0; o < out; ++o)
    spans.push_back(kernels::max_span(o, in, kernel, stride, padding, dilation));
  return spans;
}

template <class T>
void max_plane(const Pool2dShape& s, const Span* ys, const Span* xs, const T* in, T* out, int64_t* index) {
  using Limits = std::numeric_limits<acc_t<T>>;
  const acc_t<T> lowest = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  for (int64_t oy = 0; oy < s.oh; ++oy) {
    for (int64_t ox = 0; ox < s.ow; ++ox) {
      acc_t<T> best = lowest;
      int64_t at = ys[oy].first * s.w + xs[ox].first;
      for (int64_t y = ys[oy].first; y < ys[oy].last; y += s.dh) {
        for (int64_t x = xs[ox].first; x < xs[ox].last; x += s.dw) {
          const acc_t<T> v = in[y * s.w + x];
          const bool wins = (v > best) | (v != v);  // no branch: which element wins is not predictable
          best = wins ? v : best;
          at = wins ? y * s.w + x : at;
        }
      }
      *out++ = static_cast<T>(best);
      *index++ = at;
    }
  }
}

/// One tap of the window for a row of outputs: in[x * step] against the best so far.
template <class T>
void max_tap(T* __restrict best, int32_t* __restrict at, const T* __restrict in, int64_t n, int64_t step,
             int32_t index) {
  if (step == 1) {
    for (int64_t x = 0; x < n; ++x) {
      const T v = in[x];
      const bool wins = (v > best[x]) | (v != v);
      best[x] = wins ? v : best[x];
      at[x] = wins ? index + static_cast<int32_t>(x) : at[x];
    }
  } else if (step == 2) {
    for (int64_t x = 0; x < n; ++x) {
      const T v = in[2 * x];
      const bool wins = (v > best[x]) | (v != v);
      best[x] = wins ? v : best[x];
      at[x] = wins ? index + 2 * static_cast<int32_t>(x) : at[x];
    }
  } else {
    for (int64_t x = 0; x < n; ++x) {
      const T v = in[x * step];
      const bool wins = (v > best[x]) | (v != v);
      best[x] = wins ? v : best[x];
      at[x] = wins ? index + static_cast<int32_t>(x * step) : at[x];
    }
  }
}

/// As max_plane, a tap at a time over whole rows of outputs. `at` has room for one row.
template <class T>
void max_plane_rows(const Pool2dShape& s, const Span* ys, const Span* xs, const T* in, T* out, int64_t* index,
                    int32_t* at) {
  // The taps that lie inside of the image for some output.
  const int64_t taps = std::min(s.kw, ceil_div(s.w + s.pw, s.dw));
  const int64_t first_tap = StepRange((s.ow - 1) * s.sw - s.pw, s.dw, taps, taps * s.dw + s.w).first;
  for (int64_t oy = 0; oy < s.oh; ++oy, out += s.ow, index += s.ow) {
    std::fill_n(out, s.ow, -std::numeric_limits<T>::infinity());
    for (int64_t x = 0; x < s.ow; ++x) at[x] = static_cast<int32_t>(ys[oy].first * s.w + xs[x].first);
    for (int64_t y = ys[oy].first; y < ys[oy].last; y += s.dh) {
      for (int64_t j = first_tap; j < taps; ++j) {
        const int64_t start = j * s.dw - s.pw;
        const StepRange r(start, s.sw, s.ow, s.w);
        const int64_t first = y * s.w + start + r.first * s.sw;
        max_tap(out + r.first, at + r.first, in + first, r.last - r.first, s.sw, static_cast<int32_t>(first));
      }
    }
    std::copy_n(at, s.ow, index);
  }
}

void max_pool2d_cpu(Tensor2& out, const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride,
                    IntArrayRef padding, IntArrayRef dilation, bool ceil_mode) {
  auto& [values, indices] = out;
  if (values.numel() == 0) return;
  const Pool2dShape s =
      pool2d_shape("max_pool2d", input.sizes(), kernel_size, stride, padding, dilation, ceil_mode);
  const std::vector<Span> ys = max_spans(s.h, s.oh, s.kh, s.sh, s.ph, s.dh);
  const std::vector<Span> xs = max_spans(s.w, s.ow, s.kw, s.sw, s.pw, s.dw);
  const int64_t in_plane = s.h * s.w, out_plane = s.oh * s.ow;
  dispatch<kNumeric>(input.dtype(), [&]<class T>() {
    constexpr bool kRows = std::is_same_v<T, float> || std::is_same_v<T, double>;
    const bool rows = kRows && in_plane <= std::numeric_limits<int32_t>::max();
    parallel_for(0, s.planes, plane_grain(in_plane), [&](int64_t begin, int64_t end) {
      const Scratch<int32_t> at(rows ? s.ow : 0);
      for (int64_t p = begin; p < end; ++p) {
        const T* in = input.data<T>() + p * in_plane;
        T* out_values = values.data<T>() + p * out_plane;
        int64_t* out_indices = indices.data<int64_t>() + p * out_plane;
        if constexpr (kRows) {
          if (rows) {
            max_plane_rows(s, ys.data(), xs.data(), in, out_values, out_indices, at.data());
            continue;
          }
        }
        max_plane(s, ys.data(), xs.data(), in, out_values, out_indices);
      }
    });
  });
}

/// Gives each plane of `out` to `f` as accumulation type, zeroed; 16-bit planes are converted at the end.
template <class T, class F>
void for_zeroed_planes(const Tensor& out, int64_t planes, int64_t plane, F&& f) {
  parallel_for(0, planes, plane_grain(plane), [&](int64_t begin, int64_t end) {
    constexpr bool kDirect = std::is_same_v<T, acc_t<T>>;
    const Scratch<acc_t<T>> room(kDirect ? 0 : plane);
    for (int64_t p = begin; p < end; ++p) {
      T* result = out.data<T>() + p * plane;
      acc_t<T>* sums;
      if constexpr (kDirect) {
        sums = result;
      } else {
        sums = room.data();
      }
      std::fill_n(sums, plane, acc_t<T>(0));
      f(p, sums);
      if constexpr (!kDirect) {
        for (int64_t i = 0; i < plane; ++i) result[i] = static_cast<T>(sums[i]);
      }
    }
  });
}

void max_pool2d_grad_cpu(Tensor& out, const Tensor& grad_output, const Tensor& indices,
                         IntArrayRef input_size) {
  if (out.numel() == 0) {
    CLEW_CHECK(indices.numel() == 0, IndexError, "max_pool2d_grad: expected no indices for input_size ",
               input_size, ", got ", indices.numel());
    return;
  }
  const int64_t plane = input_size[input_size.size() - 1] * input_size[input_size.size() - 2];
  const int64_t planes = out.numel() / plane, windows = indices.numel() / planes;
  dispatch<kFloating>(out.dtype(), [&]<class T>() {
    for_zeroed_planes<T>(out, planes, plane, [&](int64_t p, acc_t<T>* sums) {
      const T* g = grad_output.data<T>() + p * windows;
      const int64_t* index = indices.data<int64_t>() + p * windows;
      for (int64_t i = 0; i < windows; ++i) {
        CLEW_CHECK(index[i] >= 0 && index[i] < plane, IndexError, "max_pool2d_grad: expected indices in [0, ",
                   plane, "), got ", index[i], " (input_size ", input_size, ")");
        sums[index[i]] += g[i];
      }
    });
  });
}

// --- average ---------------------------------------------------------------------------------------

std::vector<Span> average_spans(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding,
                                bool count_padding) {
  std::vector<Span> spans;
  spans.reserve(static_cast<size_t>(out));
  for (int64_t o = 0; o < out; ++o)
    spans.push_back(kernels::average_span(o, in, kernel, stride, padding, count_padding));
  return spans;
}

std::vector<Span> adaptive_spans(int64_t in, int64_t out) {
  std::vector<Span> spans;
  spans.reserve(static_cast<size_t>(out));
  for (int64_t o = 0; o < out; ++o) spans.push_back(kernels::adaptive_span(o, in, out));
  return spans;
}

struct Axes {
  int64_t h, w;
  std::vector<Span> ys, xs;
  int64_t divisor = 0;  // instead of the count, unless 0
  int64_t plane() const { return h * w; }
  int64_t windows() const { return static_cast<int64_t>(ys.size() * xs.size()); }
  int64_t count(const Span& y, const Span& x) const { return divisor != 0 ? divisor : y.length * x.length; }
};

Axes pool_axes(const Pool2dShape& s, bool count_padding, std::optional<int64_t> divisor) {
  return {s.h, s.w, average_spans(s.h, s.oh, s.kh, s.sh, s.ph, count_padding),
          average_spans(s.w, s.ow, s.kw, s.sw, s.pw, count_padding), divisor.value_or(0)};
}

Axes adaptive_axes(IntArrayRef in, IntArrayRef out) {
  const size_t n = in.size();
  return {in[n - 2], in[n - 1], adaptive_spans(in[n - 2], out[n - 2]), adaptive_spans(in[n - 1], out[n - 1]),
          0};
}

template <class T>
acc_t<T> whole_rows_sum(const T* x, int64_t n) {
  if constexpr (std::is_integral_v<T>) {
    T sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i];
    return sum;
  } else if constexpr (std::is_same_v<T, acc_t<T>>) {
    return static_cast<T>(plane_loops<T>().segment_sum(x, 1, n, n));
  } else {
    double sum = 0;
    loops().reduce(ReduceOp::sum_wide, column(DTypeOf<T>::value))(&sum, x, n, 1, kOneRow);
    return static_cast<acc_t<T>>(sum);
  }
}

void average(const Tensor& out, const Tensor& input, const Axes& axes) {
  if (out.numel() == 0) return;
  const int64_t plane = axes.plane(), windows = axes.windows();
  dispatch<kFloating | dtype_set(DType::Int64)>(out.dtype(), [&]<class T>() {
    parallel_for(0, out.numel() / windows, plane_grain(plane), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const T* in = input.data<T>() + p * plane;
        T* result = out.data<T>() + p * windows;
        for (const Span& y : axes.ys) {
          for (const Span& x : axes.xs) {
            acc_t<T> sum = 0;
            if (x.last - x.first == axes.w) {  // whole rows
              sum = whole_rows_sum(in + y.first * axes.w, (y.last - y.first) * axes.w);
            } else {
              for (int64_t i = y.first; i < y.last; ++i) {
                for (int64_t j = x.first; j < x.last; ++j) sum += in[i * axes.w + j];
              }
            }
            const bool empty = y.first == y.last || x.first == x.last;
            *result++ = static_cast<T>(empty ? acc_t<T>(0) : sum / static_cast<acc_t<T>>(axes.count(y, x)));
          }
        }
      }
    });
  });
}

void average_grad(const Tensor& out, const Tensor& grad_output, const Axes& axes) {
  if (out.numel() == 0) return;
  const int64_t plane = axes.plane(), windows = axes.windows();
  dispatch<kFloating>(out.dtype(), [&]<class T>() {
    for_zeroed_planes<T>(out, out.numel() / plane, plane, [&](int64_t p, acc_t<T>* sums) {
      const T* g = grad_output.data<T>() + p * windows;
      for (const Span& y : axes.ys) {
        for (const Span& x : axes.xs) {
          const acc_t<T> share = static_cast<acc_t<T>>(*g++) / static_cast<acc_t<T>>(axes.count(y, x));
          for (int64_t i = y.first; i < y.last; ++i) {
            for (int64_t j = x.first; j < x.last; ++j) sums[i * axes.w + j] += share;
          }
        }
      }
    });
  });
}

void avg_pool2d_cpu(Tensor& out, const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride,
                    IntArrayRef padding, bool ceil_mode, bool count_include_pad,
                    std::optional<int64_t> divisor) {
  if (out.numel() == 0) return;
  average(out, input,
          pool_axes(pool2d_shape("avg_pool2d", input.sizes(), kernel_size, stride, padding, {1}, ceil_mode),
                    count_include_pad, divisor));
}

void avg_pool2d_grad_cpu(Tensor& out, const Tensor& grad_output, IntArrayRef input_size,
                         IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding, bool ceil_mode,
                         bool count_include_pad, std::optional<int64_t> divisor) {
  if (out.numel() == 0) return;
  average_grad(
      out, grad_output,
      pool_axes(pool2d_shape("avg_pool2d_grad", input_size, kernel_size, stride, padding, {1}, ceil_mode),
                count_include_pad, divisor));
}

void adaptive_avg_pool2d_cpu(Tensor& out, const Tensor& input, IntArrayRef) {
  if (out.numel() == 0) return;
  average(out, input, adaptive_axes(input.sizes(), out.sizes()));
}

void adaptive_avg_pool2d_grad_cpu(Tensor& out, const Tensor& grad_output, IntArrayRef input_size) {
  if (out.numel() == 0) return;
  average_grad(out, grad_output, adaptive_axes(input_size, grad_output.sizes()));
}

}  // namespace
}  // namespace cpu

CLEW_CPU_KERNEL(max_pool2d_with_indices, cpu::max_pool2d_cpu);
CLEW_CPU_KERNEL(max_pool2d_grad, cpu::max_pool2d_grad_cpu);
CLEW_CPU_KERNEL(avg_pool2d, cpu::avg_pool2d_cpu);
CLEW_CPU_KERNEL(avg_pool2d_grad, cpu::avg_pool2d_grad_cpu);
CLEW_CPU_KERNEL(adaptive_avg_pool2d, cpu::adaptive_avg_pool2d_cpu);
CLEW_CPU_KERNEL(adaptive_avg_pool2d_grad, cpu::adaptive_avg_pool2d_grad_cpu);

}  // namespace clew
