// Softmax along any dimension, layer and batch normalization.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/shapes.h"
#include "cpu/plane_loops.h"
#include "cpu/scratch.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

constexpr int64_t kColumnBlock = 64;

void clear(const Tensor& t) {
  if (t.nbytes() > 0) std::memset(t.raw_data(), 0, t.nbytes());
}

int64_t row_grain(int64_t n) { return std::max<int64_t>(1, kGrainCompute / std::max<int64_t>(n, 1)); }

// --- softmax ---------------------------------------------------------------------------------------

/// A contiguous tensor as (outer, n, inner) around one dimension.
struct Around {
  int64_t outer = 1, n = 1, inner = 1;
  Around(const Tensor& t, int64_t dim) {
    const int64_t rank = t.dim(), at = wrap_dim("softmax", dim, rank);
    for (int64_t d = 0; d < rank; ++d)
      (d < at ? outer : d == at ? n : inner) *= t.sizes()[static_cast<size_t>(d)];
  }
};

/// Calls rows(offset, rows) for a contiguous dimension, else columns(offset, columns) on blocks of columns.
template <class Rows, class Columns>
void along(const Around& a, Rows&& rows, Columns&& columns) {
  if (a.outer * a.n * a.inner == 0) return;
  if (a.inner == 1) {
    parallel_for(0, a.outer, row_grain(a.n), [&](int64_t b, int64_t e) { rows(b * a.n, e - b); });
    return;
  }
  constexpr int64_t kWidth = 1024;
  const int64_t blocks = (a.inner + kWidth - 1) / kWidth;
  parallel_for(0, a.outer * blocks, row_grain(a.n * std::min(a.inner, kWidth)), [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; ++i) {
      const int64_t c = i % blocks * kWidth;
      columns(i / blocks * a.n * a.inner + c, std::min(kWidth, a.inner - c));
    }
  });
}

template <class T>
T* advance(T* p, int64_t elements, size_t item) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return static_cast<Byte*>(p) + elements * static_cast<int64_t>(item);
}

void softmax_like(Tensor& out, const Tensor& input, int64_t dim, RowsLoop rows, ColumnsLoop columns) {
  const Around a(input, dim);
  const size_t item = item_size(out.dtype());
  const Scratch<char> copy(out.dtype() == input.dtype() ? 0 : static_cast<int64_t>(out.nbytes()));
  const void* in = input.raw_data();
  if (out.dtype() != input.dtype()) {
    convert(copy.data(), out.dtype(), in, input.dtype(), input.numel());
    in = copy.data();
  }
  void* to = out.raw_data();
  along(
      a, [&](int64_t at, int64_t n) { rows(advance(to, at, item), advance(in, at, item), n, a.n, a.n, a.n); },
      [&](int64_t at, int64_t n) {
        columns(advance(to, at, item), advance(in, at, item), a.n, n, a.inner, a.inner);
      });
}

void softmax_cpu(Tensor& out, const Tensor& input, int64_t dim, std::optional<DType>) {
  const int t = column(out.dtype());
  softmax_like(out, input, dim, loops().norm().softmax[t], loops().norm().softmax_columns[t]);
}

void log_softmax_cpu(Tensor& out, const Tensor& input, int64_t dim, std::optional<DType>) {
  const int t = column(out.dtype());
  softmax_like(out, input, dim, loops().norm().log_softmax[t], loops().norm().log_softmax_columns[t]);
}

void softmax_like_grad(Tensor& out, const Tensor& grad_output, const Tensor& output, int64_t dim,
                       RowsBackwardLoop rows, ColumnsBackwardLoop columns) {
  const Around a(output, dim);
  const size_t item = item_size(out.dtype());
  void* dx = out.raw_data();
  const void *g = grad_output.raw_data(), *y = output.raw_data();
  along(
      a,
      [&](int64_t at, int64_t n) {
        rows(advance(dx, at, item), advance(g, at, item), advance(y, at, item), n, a.n, a.n);
      },
      [&](int64_t at, int64_t n) {
        columns(advance(dx, at, item), advance(g, at, item), advance(y, at, item), a.n, n, a.inner);
      });
}

void softmax_grad_cpu(Tensor& out, const Tensor& grad_output, const Tensor& output, int64_t dim) {
  const int t = column(out.dtype());
  softmax_like_grad(out, grad_output, output, dim, loops().norm().softmax_backward[t],
                    loops().norm().softmax_backward_columns[t]);
}

void log_softmax_grad_cpu(Tensor& out, const Tensor& grad_output, const Tensor& output, int64_t dim) {
  const int t = column(out.dtype());
  softmax_like_grad(out, grad_output, output, dim, loops().norm().log_softmax_backward[t],
                    loops().norm().log_softmax_backward_columns[t]);
}

// --- layer normalization ---------------------------------------------------------------------------

bool same_dtype(DType t, const std::optional<Tensor>& a) { return !a || a->dtype() == t; }
const void* data_of(const std::optional<Tensor>& t) { return t ? t->raw_data() : nullptr; }

void layer_norm_rows(void* out, void* mean, void* rstd, const void* in, const void* weight, const void* bias,
                     int64_t rows, int64_t n, double eps, DType t, size_t stat_item) {
  const LayerNormLoop loop = loops().norm().layer_norm[column(t)];
  const size_t item = item_size(t);
  parallel_for(0, rows, row_grain(n), [&](int64_t b, int64_t e) {
    loop(advance(out, b * n, item), advance(mean, b, stat_item), advance(rstd, b, stat_item),
         advance(in, b * n, item), weight, bias, e - b, n, eps);
  });
}

void layer_norm_stats_cpu(Tensor3& out, const Tensor& input, int64_t, const std::optional<Tensor>& weight,
                          const std::optional<Tensor>& bias, double eps) {
  auto& [y, mean, rstd] = out;
  const int64_t rows = mean.numel();
  if (input.numel() == 0) {
    clear(mean);
    clear(rstd);
    return;
  }
  const int64_t n = input.numel() / rows;
  const size_t stat_item = item_size(mean.dtype());
  if (same_dtype(input.dtype(), weight) && same_dtype(input.dtype(), bias)) {
    layer_norm_rows(y.raw_data(), mean.raw_data(), rstd.raw_data(), input.raw_data(), data_of(weight),
                    data_of(bias), rows, n, eps, input.dtype(), stat_item);
    return;
  }
  // 16-bit input with float32 parameters.
  const ResultAs<float> result(y);
  layer_norm_rows(result.data(), mean.raw_data(), rstd.raw_data(), As<float>(input).data(),
                  As<float>(weight).data(), As<float>(bias).data(), rows, n, eps, DType::Float32, stat_item);
  result.store();
}

/// Both gradients a chunk of rows at a time, while it is in the cache. Sums over rows are kept per part of
/// the rows and added up in order; chunks and parts depend on shapes only.
template <class C>
void layer_norm_grad_rows(Tensor3& out, void* dx, const void* g, const void* x, const C* mean, const C* rstd,
                          const void* weight, int64_t rows, int64_t n, DType t, bool input_grad,
                          bool parameter_grads) {
  constexpr int64_t kChunk = 32768, kParts = 16;
  const LayerNormBackwardInputLoop input_loop = loops().norm().layer_norm_backward_input[column(t)];
  const LayerNormBackwardParamsLoop parameter_loop = loops().norm().layer_norm_backward_params[column(t)];
  const size_t item = item_size(t);
  const int64_t chunk = std::clamp<int64_t>(kChunk / n, 1, rows), chunks = (rows + chunk - 1) / chunk;
  const int64_t parts = std::min(kParts, chunks), width = parameter_grads ? 2 * n : 0;
  const Scratch<double> sums(parts * width);
  parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    const Scratch<C> piece(width);
    for (int64_t part = begin; part < end; ++part) {
      double* sum = sums.data() + part * width;
      std::fill_n(sum, width, 0.0);
      for (int64_t k = part * chunks / parts; k < (part + 1) * chunks / parts; ++k) {
        const int64_t r = k * chunk, count = std::min(chunk, rows - r);
        const void *gr = advance(g, r * n, item), *xr = advance(x, r * n, item);
        if (input_grad) input_loop(advance(dx, r * n, item), gr, xr, mean + r, rstd + r, weight, count, n);
        if (!parameter_grads) continue;
        parameter_loop(piece.data(), piece.data() + n, gr, xr, mean + r, rstd + r, count, n, n);
        for (int64_t c = 0; c < width; ++c) sum[c] += static_cast<double>(piece[c]);
      }
    }
  });
  for (int64_t c = 0; c < width; ++c) {
    double sum = 0;
    for (int64_t part = 0; part < parts; ++part) sum += sums[part * width + c];
    (c < n ? std::get<1>(out).data<C>()[c] : std::get<2>(out).data<C>()[c - n]) = static_cast<C>(sum);
  }
}

void layer_norm_grad_cpu(Tensor3& out, const Tensor& grad_output, const Tensor& input, const Tensor& mean,
                         const Tensor& rstd, const std::optional<Tensor>& weight, int64_t, bool input_grad,
                         bool parameter_grads) {
  auto& [dx, dw, db] = out;
  if (input.numel() == 0) {
    clear(dw);
    clear(db);
    return;
  }
  const int64_t rows = mean.numel(), n = input.numel() / rows;
  if (same_dtype(input.dtype(), weight)) {
    dispatch_wide(input.dtype(), [&]<class C>() {
      layer_norm_grad_rows<C>(out, dx.raw_data(), grad_output.raw_data(), input.raw_data(), mean.data<C>(),
                              rstd.data<C>(), data_of(weight), rows, n, input.dtype(), input_grad,
                              parameter_grads);
    });
    return;
  }
  const ResultAs<float> result(dx);
  layer_norm_grad_rows<float>(out, result.data(), As<float>(grad_output).data(), As<float>(input).data(),
                              mean.data<float>(), rstd.data<float>(), As<float>(weight).data(), rows, n,
                              DType::Float32, input_grad, parameter_grads);
  result.store();
}

// --- batch normalization ---------------------------------------------------------------------------
//
// The input is (n, channels, length). With length 1 channels lie side by side and all loops run across blocks
// of them; otherwise each (image, channel) is a contiguous segment.

struct Channels {
  int64_t n, channels, length;
  explicit Channels(const Tensor& t) : n(t.sizes()[0]), channels(t.sizes()[1]), length(1) {
    for (size_t d = 2; d < t.sizes().size(); ++d) length *= t.sizes()[d];
  }
  double count() const { return static_cast<double>(n) * static_cast<double>(length); }

  /// f(c0, c1): blocks of channels that lie side by side.
  template <class F>
  void for_blocks(F&& f) const {
    const int64_t blocks = (channels + kColumnBlock - 1) / kColumnBlock;
    parallel_for(0, blocks, row_grain(n * kColumnBlock), [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) f(i * kColumnBlock, std::min(channels, (i + 1) * kColumnBlock));
    });
  }
  /// f(channel, segment): every contiguous segment, which starts at segment * length.
  template <class F>
  void for_segments(F&& f) const {
    parallel_for(0, n * channels, row_grain(length), [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) f(i % channels, i);
    });
  }
};

/// Sums over channels are cut into parts of the batch when channels are few: parts depend on shapes only.
struct Parts {
  int64_t count;
  explicit Parts(const Channels& s)
      : count(std::clamp<int64_t>(16 / std::max<int64_t>(s.channels, 1), 1, std::max<int64_t>(s.n, 1))) {}
  /// f(channel, part, first image, last image)
  template <class F>
  void run(const Channels& s, F&& f) const {
    parallel_for(0, s.channels * count, row_grain(s.n * s.length / count), [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) {
        const int64_t part = i % count;
        f(i / count, part, part * s.n / count, (part + 1) * s.n / count);
      }
    });
  }
};

struct Moments {
  double mean = 0, m2 = 0, count = 0;
  void add(double mean_b, double m2_b, double count_b) {  // Chan's rule
    const double total = count + count_b, delta = mean_b - mean;
    mean += delta * (count_b / total);
    m2 += m2_b + delta * delta * (count * count_b / total);
    count = total;
  }
};

template <class T>
std::vector<Moments> channel_moments(const Channels& s, const T* x) {
  const int t = column(DTypeOf<T>::value);
  std::vector<Moments> moments(static_cast<size_t>(s.channels));
  if (s.length == 1) {
    const MomentsColumnsLoop loop = loops().norm().moments_columns[t];
    s.for_blocks([&](int64_t c0, int64_t c1) {
      double mean[kColumnBlock], m2[kColumnBlock];
      loop(mean, m2, x + c0, s.n, c1 - c0, s.channels);
      for (int64_t c = c0; c < c1; ++c) {
        moments[static_cast<size_t>(c)] = {mean[c - c0], m2[c - c0], static_cast<double>(s.n)};
      }
    });
    return moments;
  }
  const PlaneLoops& loop = plane_loops<T>();
  const Parts parts(s);
  std::vector<Moments> partial(static_cast<size_t>(s.channels * parts.count));
  parts.run(s, [&](int64_t c, int64_t part, int64_t first, int64_t last) {
    const int64_t segments = last - first, pitch = s.channels * s.length;
    const T* from = x + first * pitch + c * s.length;
    const double count = static_cast<double>(segments) * static_cast<double>(s.length);
    const double mean = loop.segment_sum(from, segments, s.length, pitch) / count;
    // The squares are taken around the mean as T has it.
    const double near = static_cast<double>(static_cast<T>(mean));
    const double m2 = loop.segment_squares(from, segments, s.length, pitch, near);
    partial[static_cast<size_t>(c * parts.count + part)] = {mean, m2 - (mean - near) * (mean - near) * count,
                                                            count};
  });
  for (int64_t i = 0; i < s.channels * parts.count; ++i) {
    const Moments& p = partial[static_cast<size_t>(i)];
    moments[static_cast<size_t>(i / parts.count)].add(p.mean, p.m2, p.count);
  }
  return moments;
}

/// out = (x - mean[c]) * scale[c] + shift[c]
template <class T>
void normalize(const Channels& s, T* out, const T* x, const T* mean, const T* scale, const T* shift) {
  if (s.length == 1) {
    parallel_for(0, s.n, row_grain(s.channels), [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) {
        const T* from = x + i * s.channels;
        T* to = out + i * s.channels;
        for (int64_t c = 0; c < s.channels; ++c) to[c] = (from[c] - mean[c]) * scale[c] + shift[c];
      }
    });
    return;
  }
  const AffineLoop loop = plane_loops<T>().affine;
  s.for_segments([&](int64_t c, int64_t segment) {
    loop(out + segment * s.length, x + segment * s.length, s.length, static_cast<double>(mean[c]),
         static_cast<double>(scale[c]), static_cast<double>(shift[c]));
  });
}

void batch_norm_stats_cpu(Tensor3& out, const Tensor& input, const std::optional<Tensor>& weight,
                          const std::optional<Tensor>& bias, double eps) {
  auto& [y, mean, var] = out;
  const Channels s(input);
  if (input.numel() == 0) {
    clear(mean);
    clear(var);
    return;
  }
  dispatch_wide(input.dtype(), [&]<class T>() {
    const As<T> x(input), w(weight), b(bias);
    const ResultAs<T> result(y);
    const std::vector<Moments> moments = channel_moments(s, x.data());
    const Scratch<T> scale(s.channels), shift(s.channels);
    for (int64_t c = 0; c < s.channels; ++c) {
      const Moments& m = moments[static_cast<size_t>(c)];
      const double v = m.m2 / m.count;
      mean.data<T>()[c] = static_cast<T>(m.mean);
      var.data<T>()[c] = static_cast<T>(v);
      scale[c] =
          static_cast<T>((w.data() != nullptr ? static_cast<double>(w.data()[c]) : 1.0) / std::sqrt(v + eps));
      shift[c] = b.data() != nullptr ? b.data()[c] : T(0);
    }
    normalize<T>(s, result.data(), x.data(), mean.data<T>(), scale, shift);
    result.store();
  });
}

struct GradSums {
  double g = 0, gx = 0;
};

template <class T>
std::vector<GradSums> channel_grad_sums(const Channels& s, const T* g, const T* x, const T* mean) {
  std::vector<GradSums> sums(static_cast<size_t>(s.channels));
  if (s.length == 1) {
    s.for_blocks([&](int64_t c0, int64_t c1) {
      constexpr int64_t kRows = 64;
      for (int64_t r0 = 0; r0 < s.n; r0 += kRows) {
        T sum_g[kColumnBlock] = {}, sum_gx[kColumnBlock] = {};
        for (int64_t r = r0; r < std::min(s.n, r0 + kRows); ++r) {
          const T *gr = g + r * s.channels, *xr = x + r * s.channels;
          for (int64_t c = c0; c < c1; ++c) {
            sum_g[c - c0] += gr[c];
            sum_gx[c - c0] += gr[c] * (xr[c] - mean[c]);
          }
        }
        for (int64_t c = c0; c < c1; ++c) {
          sums[static_cast<size_t>(c)].g += static_cast<double>(sum_g[c - c0]);
          sums[static_cast<size_t>(c)].gx += static_cast<double>(sum_gx[c - c0]);
        }
      }
    });
    return sums;
  }
  const Parts parts(s);
  const SegmentPairLoop loop = plane_loops<T>().segment_pair;
  std::vector<GradSums> partial(static_cast<size_t>(s.channels * parts.count));
  parts.run(s, [&](int64_t c, int64_t part, int64_t first, int64_t last) {
    GradSums sum;
    const int64_t at = (first * s.channels + c) * s.length;
    loop(&sum.g, &sum.gx, g + at, x + at, last - first, s.length, s.channels * s.length,
         static_cast<double>(mean[c]));
    partial[static_cast<size_t>(c * parts.count + part)] = sum;
  });
  for (int64_t i = 0; i < s.channels * parts.count; ++i) {
    GradSums& sum = sums[static_cast<size_t>(i / parts.count)];
    sum.g += partial[static_cast<size_t>(i)].g;
    sum.gx += partial[static_cast<size_t>(i)].gx;
  }
  return sums;
}

/// dx = a[c] * g + b[c] * (x - mean[c]) + d[c]
template <class T>
void batch_norm_input_grad(const Channels& s, T* dx, const T* g, const T* x, const T* mean, const T* a,
                           const T* b, const T* d) {
  if (s.length == 1) {
    parallel_for(0, s.n, row_grain(s.channels), [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) {
        const T *gr = g + r * s.channels, *xr = x + r * s.channels;
        T* to = dx + r * s.channels;
        for (int64_t c = 0; c < s.channels; ++c) to[c] = a[c] * gr[c] + (b[c] * (xr[c] - mean[c]) + d[c]);
      }
    });
    return;
  }
  const AffineBackwardLoop loop = plane_loops<T>().affine_backward;
  s.for_segments([&](int64_t c, int64_t segment) {
    const int64_t at = segment * s.length;
    loop(dx + at, g + at, x + at, s.length, static_cast<double>(a[c]), static_cast<double>(b[c]),
         static_cast<double>(mean[c]), static_cast<double>(d[c]));
  });
}

void batch_norm_grad_cpu(Tensor3& out, const Tensor& grad_output, const Tensor& input, const Tensor& mean,
                         const Tensor& var, const std::optional<Tensor>& weight, double eps, bool input_grad,
                         bool parameter_grads) {
  auto& [dx, dw, db] = out;
  const Channels s(input);
  if (input.numel() == 0) {
    clear(dw);
    clear(db);
    return;
  }
  dispatch_wide(input.dtype(), [&]<class T>() {
    const As<T> g(grad_output), x(input), w(weight);
    const ResultAs<T> result(dx);
    const std::vector<GradSums> sums = channel_grad_sums(s, g.data(), x.data(), mean.data<T>());
    const Scratch<T> a(s.channels), b(s.channels), d(s.channels);
    for (int64_t c = 0; c < s.channels; ++c) {
      const GradSums& sum = sums[static_cast<size_t>(c)];
      const double rstd = 1.0 / std::sqrt(static_cast<double>(var.data<T>()[c]) + eps);
      const double scale = rstd * (w.data() != nullptr ? static_cast<double>(w.data()[c]) : 1.0);
      a[c] = static_cast<T>(scale);
      b[c] = static_cast<T>(-scale * rstd * rstd * sum.gx / s.count());
      d[c] = static_cast<T>(-scale * sum.g / s.count());
      if (parameter_grads) {
        dw.data<T>()[c] = static_cast<T>(sum.gx * rstd);
        db.data<T>()[c] = static_cast<T>(sum.g);
      }
    }
    if (!input_grad) return;
    batch_norm_input_grad<T>(s, result.data(), g.data(), x.data(), mean.data<T>(), a, b, d);
    result.store();
  });
}

void channel_affine_cpu(Tensor& out, const Tensor& input, const Tensor& scale, const Tensor& shift) {
  if (out.numel() == 0) return;
  const Channels s(input);
  dispatch_wide(input.dtype(), [&]<class T>() {
    const ResultAs<T> result(out);
    const Scratch<T> zeros(s.channels);
    std::fill_n(zeros.data(), s.channels, T(0));
    normalize<T>(s, result.data(), As<T>(input).data(), zeros, As<T>(scale).data(), As<T>(shift).data());
    result.store();
  });
}

}  // namespace
}  // namespace cpu

CLEW_CPU_KERNEL(softmax, cpu::softmax_cpu);
CLEW_CPU_KERNEL(log_softmax, cpu::log_softmax_cpu);
CLEW_CPU_KERNEL(softmax_grad, cpu::softmax_grad_cpu);
CLEW_CPU_KERNEL(log_softmax_grad, cpu::log_softmax_grad_cpu);
CLEW_CPU_KERNEL(layer_norm_stats, cpu::layer_norm_stats_cpu);
CLEW_CPU_KERNEL(layer_norm_grad, cpu::layer_norm_grad_cpu);
CLEW_CPU_KERNEL(batch_norm_stats, cpu::batch_norm_stats_cpu);
CLEW_CPU_KERNEL(batch_norm_grad, cpu::batch_norm_grad_cpu);
CLEW_CPU_KERNEL(channel_affine, cpu::channel_affine_cpu);

}  // namespace clew
