// Softmax, logsumexp, moments and layer norm, over rows or along the first dimension. Compute types are float
// and double; 16-bit floats are read and written through Access.
#include "cpu/isa/vec.h"

namespace clew::cpu::CLEW_ISA {
namespace {

/// Room for a row: on the stack if it is short.
template <class C>
class RowBuffer {
 public:
  explicit RowBuffer(int64_t n)
      : data_(n <= kChunk ? stack_ : static_cast<C*>(__builtin_malloc(static_cast<size_t>(n) * sizeof(C)))) {
    if (data_ == nullptr) throw_bad_alloc();
  }
  ~RowBuffer() {
    if (data_ != stack_) __builtin_free(data_);
  }
  RowBuffer(const RowBuffer&) = delete;
  RowBuffer& operator=(const RowBuffer&) = delete;
  C* data() { return data_; }

 private:
  alignas(64) C stack_[kChunk];
  C* data_;
};

template <class C>
C row_sum(const C* x, int64_t n) {
  if (n <= kChunk) return chunk_sum(x, n);
  double total = 0;
  for (int64_t i = 0; i < n; i += kChunk) total += chunk_sum(x + i, smaller(kChunk, n - i));
  return static_cast<C>(total);
}

template <class C>
C row_dot(const C* a, const C* b, int64_t n) {
  if (n <= kChunk) return chunk_dot(a, b, n);
  double total = 0;
  for (int64_t i = 0; i < n; i += kChunk) total += chunk_dot(a + i, b + i, smaller(kChunk, n - i));
  return static_cast<C>(total);
}

#ifdef __AVX512F__
/// y = exp(x - m), if there is y; returns the sum, added up as chunk_sum does it.
template <bool keep>
double exp_minus_lanes(float* y, const float* x, int64_t n, float m) {
  const Vec<float> shift = m - Vec<float>{};
  double total = 0;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = smaller(kBlock, n - i);
    if (count < 8) {
      float few[kVecLanes<float>];
      const Vec<float> e = exp_lanes(load_part(x + i, count) - shift);
      memcpy(few, &e, sizeof(few));
      float sum = 0;
      for (int64_t k = 0; k < count; ++k) {
        sum += few[k];
        if constexpr (keep) y[i + k] = few[k];
      }
      total += static_cast<double>(sum);
      continue;
    }
    Lanes<float> acc = all_lanes(0.0f);
    for_vectors<float>(
        count, [&](int j, int64_t k, bool whole) __attribute__((always_inline)) {
          if (whole) {
            const Vec<float> e = exp_lanes(load(x + i + k) - shift);
            if constexpr (keep) memcpy(y + i + k, &e, sizeof(e));
            acc.v[j] += e;
          } else {
            const int64_t rest = count - k;
            const Vec<float> e = exp_lanes(load_part(x + i + k, rest) - shift);
            if constexpr (keep) store_part(y + i + k, e, rest);
            acc.v[j] += reinterpret_cast<Vec<float>>(
                _mm512_maskz_mov_ps(static_cast<__mmask16>((1u << rest) - 1), reinterpret_cast<__m512>(e)));
          }
        });
    total += static_cast<double>(add_lanes(acc));
  }
  return total;
}
#endif

/// y = exp(x - m); returns the sum. A block at a time, while it is near.
template <class C>
C exp_minus(C* y, const C* x, int64_t n, C m) {
#ifdef __AVX512F__
  if constexpr (std::is_same_v<C, float>) return static_cast<float>(exp_minus_lanes<true>(y, x, n, m));
#endif
  double total = 0;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t end = i + smaller(kBlock, n - i);
    CLEW_IVDEP
    for (int64_t j = i; j < end; ++j) y[j] = math::exp(x[j] - m);
    total += chunk_sum(y + i, end - i);
  }
  return static_cast<C>(total);
}

/// The sum alone.
template <class C>
C sum_exp_minus(const C* x, int64_t n, C m) {
#ifdef __AVX512F__
  if constexpr (std::is_same_v<C, float>) return static_cast<float>(exp_minus_lanes<false>(nullptr, x, n, m));
#endif
  alignas(64) C y[kBlock];
  double total = 0;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = smaller(kBlock, n - i);
    for (int64_t j = 0; j < count; ++j) y[j] = math::exp(x[i + j] - m);
    total += chunk_sum(y, count);
  }
  return static_cast<C>(total);
}

/// y = exp(x - m), or exp(x) without m.
template <bool shifted, class C>
inline void exp_all(C* y, const C* x, [[maybe_unused]] const C* m, int64_t n) {
  int64_t c = 0;
#ifdef __AVX512F__
  if constexpr (std::is_same_v<C, float>) {
    constexpr int64_t V = kVecLanes<float>;
    for (; c + V <= n; c += V) {
      Vec<float> v = load(x + c);
      if constexpr (shifted) v -= load(m + c);
      v = exp_lanes(v);
      memcpy(y + c, &v, sizeof(v));
    }
    if (c < n) {
      Vec<float> v = load_part(x + c, n - c);
      if constexpr (shifted) v -= load_part(m + c, n - c);
      store_part(y + c, exp_lanes(v), n - c);
    }
    return;
  }
#endif
  CLEW_IVDEP
  for (; c < n; ++c) y[c] = math::exp(shifted ? x[c] - m[c] : x[c]);
}

// ---- over rows ----

enum class Softmax { plain, log };

template <class C, Softmax kind>
CLEW_ONE_COPY void softmax_rows(const Access<C>& access, void* out, const void* in, int64_t rows, int64_t n,
                                int64_t ld_out, int64_t ld_in) {
  RowBuffer<C> in_row(access.converts ? n : 0);
  RowBuffer<C> out_row(access.converts ? n : 0);
  for (int64_t r = 0; r < rows; ++r) {
    const C* x = access.load(in, r * ld_in, n, 1, in_row.data());
    C* y = access.converts ? out_row.data() : static_cast<C*>(out) + r * ld_out;
    const C m = chunk_extreme<1>(x, n, -C(HUGE_VAL));
    if constexpr (kind == Softmax::plain) {
      const C scale = C(1) / exp_minus(y, x, n, m);
      CLEW_IVDEP
      for (int64_t i = 0; i < n; ++i) y[i] *= scale;
    } else {
      const C log_sum = math::log(sum_exp_minus(x, n, m));
      CLEW_IVDEP
      for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - m) - log_sum;
    }
    if (access.converts) access.store(out, r * ld_out, y, n);
  }
}

// softmax: dx = y * (g - sum(g * y));  log_softmax: dx = g - exp(y) * sum(g)
template <class C, Softmax kind>
CLEW_ONE_COPY void softmax_backward_rows(const Access<C>& access, void* dx, const void* g_in,
                                         const void* y_in, int64_t rows, int64_t n, int64_t ld) {
  RowBuffer<C> g_row(access.converts ? n : 0);
  RowBuffer<C> y_row(access.converts ? n : 0);
  for (int64_t r = 0; r < rows; ++r) {
    const C* g = access.load(g_in, r * ld, n, 1, g_row.data());
    const C* y = access.load(y_in, r * ld, n, 1, y_row.data());
    C* d = access.converts ? g_row.data() : static_cast<C*>(dx) + r * ld;
    const C s = kind == Softmax::plain ? row_dot(g, y, n) : row_sum(g, n);
    if constexpr (kind == Softmax::plain) {
      CLEW_IVDEP
      for (int64_t i = 0; i < n; ++i) d[i] = y[i] * (g[i] - s);
    } else {
      alignas(64) C e[kBlock];
      for (int64_t i = 0; i < n; i += kBlock) {
        const int64_t end = i + smaller(kBlock, n - i);
        exp_all<false>(e, y + i, y, end - i);
        CLEW_IVDEP
        for (int64_t j = i; j < end; ++j) d[j] = g[j] - e[j - i] * s;
      }
    }
    if (access.converts) access.store(dx, r * ld, d, n);
  }
}

// An infinite maximum is not subtracted: it would make NaN of what is -inf or inf.
template <class C>
inline __attribute__((always_inline)) C finite_or_zero(C m) {
  return math::abs(m) < C(HUGE_VAL) ? m : (m != m ? m : C(0));
}

template <class C>
CLEW_ONE_COPY void logsumexp_rows(const Access<C>& access, void* out, const void* in, int64_t rows, int64_t n,
                                  int64_t ld) {
  RowBuffer<C> row(access.converts ? n : 0);
  for (int64_t r = 0; r < rows; ++r) {
    const C* x = access.load(in, r * ld, n, 1, row.data());
    const C m = finite_or_zero(chunk_extreme<1>(x, n, -C(HUGE_VAL)));
    const C y = m + math::log(sum_exp_minus(x, n, m));
    access.store(out, r, &y, 1);
  }
}

// ---- along the first dimension ----

constexpr int64_t kCols = 1024;  // columns at a time

/// f(r, values of row r in these columns) for r in [0, n).
template <class C, class F>
inline __attribute__((always_inline)) void for_rows(const Access<C>& access, const void* in, int64_t n,
                                                    int64_t c0, int64_t w, int64_t ld, F f) {
  if (!access.converts) {
    for (int64_t r = 0; r < n; ++r) f(r, static_cast<const C*>(in) + r * ld + c0);
    return;
  }
  alignas(64) C buffer[kCols];
  for (int64_t r = 0; r < n; ++r) f(r, access.load(in, r * ld + c0, w, 1, buffer));
}

/// Sums per column: runs of rows in C, runs added up in double.
template <class C>
struct ColumnSums {
  static constexpr int64_t kRun = 64;
  alignas(64) C run[kCols];
  alignas(64) double total[kCols];

  explicit ColumnSums(int64_t w) {
    for (int64_t c = 0; c < w; ++c) total[c] = run[c] = 0;
  }
  /// After row r of n was added to `run`.
  void row_done(int64_t r, int64_t n, int64_t w) {
    if ((r + 1) % kRun != 0 && r + 1 != n) return;
    for (int64_t c = 0; c < w; ++c) {
      total[c] += static_cast<double>(run[c]);
      run[c] = 0;
    }
  }
  C sum(int64_t c) const { return static_cast<C>(total[c]); }
};

template <class C>
void columns_max(const Access<C>& access, C* m, const void* in, int64_t n, int64_t c0, int64_t w,
                 int64_t ld) {
  for (int64_t c = 0; c < w; ++c) m[c] = -C(HUGE_VAL);
  for_rows(access, in, n, c0, w, ld, [&](int64_t, const C* x) {
    CLEW_IVDEP
    for (int64_t c = 0; c < w; ++c) m[c] = kernels::Maximum()(m[c], x[c]);
  });
}

/// s = sums of exp(x - m). If there is room, `kept` gets exp(x - m) for Softmax::plain and x - m for
/// Softmax::log, rows ld_kept apart.
template <Softmax kind, class C>
void columns_sum_exp(const Access<C>& access, C* s, const C* m, const void* in, int64_t n, int64_t c0,
                     int64_t w, int64_t ld, C* kept, int64_t ld_kept) {
  alignas(64) C term_row[kCols];
  ColumnSums<C> sums(w);
  for_rows(access, in, n, c0, w, ld, [&](int64_t r, const C* x) {
    C* y = kind == Softmax::plain && kept != nullptr ? kept + r * ld_kept : term_row;
    if (kind == Softmax::log && kept != nullptr) {
      C* shifted = kept + r * ld_kept;
      CLEW_IVDEP
      for (int64_t c = 0; c < w; ++c) shifted[c] = x[c] - m[c];
      exp_all<false>(y, shifted, m, w);
    } else {
      exp_all<true>(y, x, m, w);
    }
    CLEW_IVDEP
    for (int64_t c = 0; c < w; ++c) sums.run[c] += y[c];
    sums.row_done(r, n, w);
  });
  for (int64_t c = 0; c < w; ++c) s[c] = sums.sum(c);
}

template <class C, Softmax kind>
CLEW_ONE_COPY void softmax_columns(const Access<C>& access, void* out, const void* in, int64_t n,
                                   int64_t cols, int64_t ld_out, int64_t ld_in) {
  alignas(64) C m[kCols];
  alignas(64) C s[kCols];
  alignas(64) C y_row[kCols];
  for (int64_t c0 = 0; c0 < cols; c0 += kCols) {
    const int64_t w = smaller(kCols, cols - c0);
    columns_max(access, m, in, n, c0, w, ld_in);
    // What the last pass needs waits in the result: a pass that only writes would miss the caches.
    C* kept = access.converts ? nullptr : static_cast<C*>(out) + c0;
    columns_sum_exp<kind>(access, s, m, in, n, c0, w, ld_in, kept, ld_out);
    for (int64_t c = 0; c < w; ++c) s[c] = kind == Softmax::plain ? C(1) / s[c] : math::log(s[c]);
    if (!access.converts) {
      for (int64_t r = 0; r < n; ++r, kept += ld_out) {
        CLEW_IVDEP
        for (int64_t c = 0; c < w; ++c) kept[c] = kind == Softmax::plain ? kept[c] * s[c] : kept[c] - s[c];
      }
      continue;
    }
    for_rows(access, in, n, c0, w, ld_in, [&](int64_t r, const C* x) {
      CLEW_IVDEP
      for (int64_t c = 0; c < w; ++c)
        y_row[c] = kind == Softmax::plain ? math::exp(x[c] - m[c]) * s[c] : (x[c] - m[c]) - s[c];
      access.store(out, r * ld_out + c0, y_row, w);
    });
  }
}

template <class C, Softmax kind>
CLEW_ONE_COPY void softmax_backward_columns(const Access<C>& access, void* dx, const void* g_in,
                                            const void* y_in, int64_t n, int64_t cols, int64_t ld) {
  alignas(64) C s[kCols];
  alignas(64) C y_row[kCols];
  alignas(64) C d_row[kCols];
  for (int64_t c0 = 0; c0 < cols; c0 += kCols) {
    const int64_t w = smaller(kCols, cols - c0);
    ColumnSums<C> sums(w);
    for_rows(access, g_in, n, c0, w, ld, [&](int64_t r, const C* g) {
      if constexpr (kind == Softmax::plain) {
        const C* y = access.load(y_in, r * ld + c0, w, 1, y_row);
        CLEW_IVDEP
        for (int64_t c = 0; c < w; ++c) sums.run[c] += g[c] * y[c];
      } else {
        CLEW_IVDEP
        for (int64_t c = 0; c < w; ++c) sums.run[c] += g[c];
      }
      sums.row_done(r, n, w);
    });
    for (int64_t c = 0; c < w; ++c) s[c] = sums.sum(c);
    for_rows(access, g_in, n, c0, w, ld, [&](int64_t r, const C* g) {
      const C* y = access.load(y_in, r * ld + c0, w, 1, y_row);
      C* d = access.converts ? d_row : static_cast<C*>(dx) + r * ld + c0;
      if constexpr (kind == Softmax::plain) {
        CLEW_IVDEP
        for (int64_t c = 0; c < w; ++c) d[c] = y[c] * (g[c] - s[c]);
      } else {
        alignas(64) C e[kCols];
        exp_all<false>(e, y, y, w);
        CLEW_IVDEP
        for (int64_t c = 0; c < w; ++c) d[c] = g[c] - e[c] * s[c];
      }
      if (access.converts) access.store(dx, r * ld + c0, d, w);
    });
  }
}

template <class C>
CLEW_ONE_COPY void logsumexp_columns(const Access<C>& access, void* out, const void* in, int64_t n,
                                     int64_t cols, int64_t ld) {
  alignas(64) C m[kCols];
  alignas(64) C s[kCols];
  for (int64_t c0 = 0; c0 < cols; c0 += kCols) {
    const int64_t w = smaller(kCols, cols - c0);
    columns_max(access, m, in, n, c0, w, ld);
    for (int64_t c = 0; c < w; ++c) m[c] = finite_or_zero(m[c]);
    columns_sum_exp<Softmax::plain>(access, s, m, in, n, c0, w, ld, static_cast<C*>(nullptr), 0);
    for (int64_t c = 0; c < w; ++c) s[c] = m[c] + math::log(s[c]);
    access.store(out, c0, s, w);
  }
}

// ---- moments ----

// Two passes over each chunk while it is in the cache; chunks combine by Chan's rule in double.
//
// Reference: Chan, Golub, LeVeque. Algorithms for computing the sample variance. 1983.
template <class C>
CLEW_ONE_COPY void moments_row(const Access<C>& access, double* mean, double* m2, const void* in, int64_t n,
                               int64_t stride) {
  alignas(64) C buffer[kChunk];
  double total_mean = 0;
  double total_m2 = 0;
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t m = smaller(kChunk, n - i);
    const C* x = access.load(in, i, m, stride, buffer);
    const C center = chunk_sum(x, m) / static_cast<C>(m);
    // The rounding of the center: the deviations from it do not add up to 0.
    const double part_m2 = static_cast<double>(chunk_sum_squares(x, m, center));
    const double part_mean = static_cast<double>(center);
    const double count = static_cast<double>(i + m);
    const double delta = part_mean - total_mean;
    total_mean += delta * (static_cast<double>(m) / count);
    total_m2 += part_m2 + delta * delta * (static_cast<double>(i) * static_cast<double>(m) / count);
  }
  *mean = total_mean;
  *m2 = total_m2;
}

template <class C>
CLEW_ONE_COPY void moments_columns(const Access<C>& access, double* mean, double* m2, const void* in,
                                   int64_t rows, int64_t cols, int64_t ld) {
  constexpr int64_t kRun = 128;  // rows in a part
  alignas(64) C center[kCols];
  alignas(64) C part[kCols];
  for (int64_t c0 = 0; c0 < cols; c0 += kCols) {
    const int64_t w = smaller(kCols, cols - c0);
    for (int64_t c = 0; c < w; ++c) mean[c0 + c] = m2[c0 + c] = 0;
    for (int64_t r0 = 0; r0 < rows; r0 += kRun) {
      const int64_t k = smaller(kRun, rows - r0);
      const C inverse = C(1) / static_cast<C>(k);
      for (int64_t c = 0; c < w; ++c) center[c] = part[c] = 0;
      for_rows(access, in, k, r0 * ld + c0, w, ld, [&](int64_t, const C* x) {
        CLEW_IVDEP
        for (int64_t c = 0; c < w; ++c) center[c] += x[c];
      });
      for (int64_t c = 0; c < w; ++c) center[c] *= inverse;
      for_rows(access, in, k, r0 * ld + c0, w, ld, [&](int64_t, const C* x) {
        CLEW_IVDEP
        for (int64_t c = 0; c < w; ++c) part[c] += (x[c] - center[c]) * (x[c] - center[c]);
      });
      const double a = static_cast<double>(r0);
      const double b = static_cast<double>(k);
      const double share = b / (a + b);
      for (int64_t c = 0; c < w; ++c) {
        const double delta = static_cast<double>(center[c]) - mean[c0 + c];
        mean[c0 + c] += delta * share;
        m2[c0 + c] += static_cast<double>(part[c]) + delta * delta * a * share;
      }
    }
  }
}

// ---- layer norm ----

template <class C>
CLEW_ONE_COPY void layer_norm_rows(const Access<C>& access, void* out, void* mean_out, void* rstd_out,
                                   const void* in, const void* weight, const void* bias, int64_t rows,
                                   int64_t n, double eps) {
  const int64_t buffer = access.converts ? n : 0;
  RowBuffer<C> x_row(buffer);
  RowBuffer<C> y_row(buffer);
  RowBuffer<C> w_row(buffer);
  RowBuffer<C> b_row(buffer);
  const C* w = weight != nullptr ? access.load(weight, 0, n, 1, w_row.data()) : nullptr;
  const C* b = bias != nullptr ? access.load(bias, 0, n, 1, b_row.data()) : nullptr;
  for (int64_t r = 0; r < rows; ++r) {
    const C* x = access.load(in, r * n, n, 1, x_row.data());
    C* y = access.converts ? y_row.data() : static_cast<C*>(out) + r * n;
    const C mean = row_sum(x, n) / static_cast<C>(n);
    double m2 = 0;
    for (int64_t i = 0; i < n; i += kChunk) {
      m2 += static_cast<double>(chunk_sum_squares(x + i, smaller(kChunk, n - i), mean));
    }
    const C rstd = static_cast<C>(1.0 / math::sqrt(m2 / static_cast<double>(n) + eps));
    if (w != nullptr && b != nullptr) {
      CLEW_IVDEP
      for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * rstd * w[i] + b[i];
    } else {
      CLEW_IVDEP
      for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * rstd;
      if (w != nullptr) {
        for (int64_t i = 0; i < n; ++i) y[i] *= w[i];
      }
      if (b != nullptr) {
        for (int64_t i = 0; i < n; ++i) y[i] += b[i];
      }
    }
    if (access.converts) access.store(out, r * n, y, n);
    if (mean_out != nullptr) static_cast<C*>(mean_out)[r] = mean;
    if (rstd_out != nullptr) static_cast<C*>(rstd_out)[r] = rstd;
  }
}

/// Sums of v and of v * h over a row, with h and v as below.
template <bool weighted, class C>
inline void layer_norm_sums(const C* x, const C* g, [[maybe_unused]] const C* w, int64_t n, C mean, C rstd,
                            C& sum_v, C& sum_vh) {
  const Vec<C> m = mean - Vec<C>{};
  const Vec<C> s = rstd - Vec<C>{};
  double total_v = 0;
  double total_vh = 0;
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = smaller(kChunk, n - i);
    Lanes<C> acc_v = all_lanes(C(0));
    Lanes<C> acc_vh = all_lanes(C(0));
    for_vectors<C>(
        count, [&](int j, int64_t k, bool whole) __attribute__((always_inline)) {
          const auto get = [&](const C* from) __attribute__((always_inline)) {
            return whole ? load(from + i + k) : load_part(from + i + k, count - k);
          };
          Vec<C> v = get(g);
          if constexpr (weighted) v *= get(w);
          acc_v.v[j] += v;
          acc_vh.v[j] += v * ((get(x) - m) * s);
        });
    total_v += static_cast<double>(add_lanes(acc_v));
    total_vh += static_cast<double>(add_lanes(acc_vh));
  }
  sum_v = static_cast<C>(total_v);
  sum_vh = static_cast<C>(total_vh);
}

// With h = (x - mean) * rstd and v = g * weight: dx = rstd * (v - mean(v) - h * mean(v * h)).
template <class C>
CLEW_ONE_COPY void layer_norm_backward_input(const Access<C>& access, void* dx, const void* g_in,
                                             const void* x_in, const void* mean_in, const void* rstd_in,
                                             const void* weight, int64_t rows, int64_t n) {
  const int64_t buffer = access.converts ? n : 0;
  RowBuffer<C> x_row(buffer);
  RowBuffer<C> g_row(buffer);
  RowBuffer<C> w_row(buffer);
  const C* w = weight != nullptr ? access.load(weight, 0, n, 1, w_row.data()) : nullptr;
  const C inverse = C(1) / static_cast<C>(n);
  for (int64_t r = 0; r < rows; ++r) {
    const C* x = access.load(x_in, r * n, n, 1, x_row.data());
    const C* g = access.load(g_in, r * n, n, 1, g_row.data());
    C* d = access.converts ? g_row.data() : static_cast<C*>(dx) + r * n;
    const C mean = static_cast<const C*>(mean_in)[r];
    const C rstd = static_cast<const C*>(rstd_in)[r];
    C sum_v;
    C sum_vh;
    if (w != nullptr) {
      layer_norm_sums<true>(x, g, w, n, mean, rstd, sum_v, sum_vh);
    } else {
      layer_norm_sums<false>(x, g, w, n, mean, rstd, sum_v, sum_vh);
    }
    // rstd * (v - mean(v) - (x - mean) * rstd * mean(v * h))
    const C mean_v = sum_v * inverse;
    const C slope = rstd * (sum_vh * inverse);
    if (w != nullptr) {
      CLEW_IVDEP
      for (int64_t i = 0; i < n; ++i) d[i] = rstd * (g[i] * w[i] - mean_v - (x[i] - mean) * slope);
    } else {
      CLEW_IVDEP
      for (int64_t i = 0; i < n; ++i) d[i] = rstd * (g[i] - mean_v - (x[i] - mean) * slope);
    }
    if (access.converts) access.store(dx, r * n, d, n);
  }
}

template <class C>
CLEW_ONE_COPY void layer_norm_backward_params(const Access<C>& access, void* dweight, void* dbias,
                                              const void* g_in, const void* x_in, const void* mean_in,
                                              const void* rstd_in, int64_t rows, int64_t cols, int64_t ld) {
  constexpr int64_t kRun = 256;  // rows that add up in C before they join the double total
  alignas(64) C g_row[4][kCols];
  alignas(64) C x_row[4][kCols];
  alignas(64) C dw[kCols];
  alignas(64) C db[kCols];
  alignas(64) double total_dw[kCols];
  alignas(64) double total_db[kCols];
  const C* mean = static_cast<const C*>(mean_in);
  const C* rstd = static_cast<const C*>(rstd_in);
  for (int64_t c0 = 0; c0 < cols; c0 += kCols) {
    const int64_t w = smaller(kCols, cols - c0);
    for (int64_t c = 0; c < w; ++c) total_dw[c] = total_db[c] = 0;
    for (int64_t r0 = 0; r0 < rows; r0 += kRun) {
      for (int64_t c = 0; c < w; ++c) dw[c] = db[c] = 0;
      const int64_t r_end = r0 + smaller(kRun, rows - r0);
      int64_t r = r0;
      for (; r + 4 <= r_end; r += 4) {
        const C* g[4];
        const C* x[4];
        for (int k = 0; k < 4; ++k) {
          g[k] = access.load(g_in, (r + k) * ld + c0, w, 1, g_row[k]);
          x[k] = access.load(x_in, (r + k) * ld + c0, w, 1, x_row[k]);
        }
        CLEW_IVDEP
        for (int64_t c = 0; c < w; ++c) {
          C a = g[0][c] * ((x[0][c] - mean[r]) * rstd[r]);
          a += g[1][c] * ((x[1][c] - mean[r + 1]) * rstd[r + 1]);
          a += g[2][c] * ((x[2][c] - mean[r + 2]) * rstd[r + 2]);
          a += g[3][c] * ((x[3][c] - mean[r + 3]) * rstd[r + 3]);
          dw[c] += a;
          db[c] += (g[0][c] + g[1][c]) + (g[2][c] + g[3][c]);
        }
      }
      for (; r < r_end; ++r) {
        const C* g = access.load(g_in, r * ld + c0, w, 1, g_row[0]);
        const C* x = access.load(x_in, r * ld + c0, w, 1, x_row[0]);
        const C m = mean[r];
        const C s = rstd[r];
        CLEW_IVDEP
        for (int64_t c = 0; c < w; ++c) {
          dw[c] += g[c] * ((x[c] - m) * s);
          db[c] += g[c];
        }
      }
      for (int64_t c = 0; c < w; ++c) {
        total_dw[c] += static_cast<double>(dw[c]);
        total_db[c] += static_cast<double>(db[c]);
      }
    }
    if (dweight != nullptr) {
      for (int64_t c = 0; c < w; ++c) static_cast<C*>(dweight)[c0 + c] = static_cast<C>(total_dw[c]);
    }
    if (dbias != nullptr) {
      for (int64_t c = 0; c < w; ++c) static_cast<C*>(dbias)[c0 + c] = static_cast<C>(total_db[c]);
    }
  }
}

// ---- the table ----

/// The entry that calls body(Access for T, args...).
template <class T, auto body>
struct Entry;
template <class T, class... Args, void (*body)(const Access<compute_t<T>>&, Args...)>
struct Entry<T, body> {
  static void call(Args... args) {
    static constexpr Access<compute_t<T>> a = {&load_as<T, compute_t<T>>, &store_as<T, compute_t<T>>,
                                               is_half<T>};
    body(a, args...);
  }
};

template <class T>
constexpr void set(NormTable& t) {
  using C = compute_t<T>;
  const int d = column_of<T>();
  t.softmax[d] = &Entry<T, &softmax_rows<C, Softmax::plain>>::call;
  t.log_softmax[d] = &Entry<T, &softmax_rows<C, Softmax::log>>::call;
  t.softmax_columns[d] = &Entry<T, &softmax_columns<C, Softmax::plain>>::call;
  t.log_softmax_columns[d] = &Entry<T, &softmax_columns<C, Softmax::log>>::call;
  t.softmax_backward[d] = &Entry<T, &softmax_backward_rows<C, Softmax::plain>>::call;
  t.log_softmax_backward[d] = &Entry<T, &softmax_backward_rows<C, Softmax::log>>::call;
  t.softmax_backward_columns[d] = &Entry<T, &softmax_backward_columns<C, Softmax::plain>>::call;
  t.log_softmax_backward_columns[d] = &Entry<T, &softmax_backward_columns<C, Softmax::log>>::call;
  t.logsumexp[d] = &Entry<T, &logsumexp_rows<C>>::call;
  t.logsumexp_columns[d] = &Entry<T, &logsumexp_columns<C>>::call;
  t.moments[d] = &Entry<T, &moments_row<C>>::call;
  t.moments_columns[d] = &Entry<T, &moments_columns<C>>::call;
  t.layer_norm[d] = &Entry<T, &layer_norm_rows<C>>::call;
  t.layer_norm_backward_input[d] = &Entry<T, &layer_norm_backward_input<C>>::call;
  t.layer_norm_backward_params[d] = &Entry<T, &layer_norm_backward_params<C>>::call;
}

constexpr NormTable make_table() {
  NormTable t{};
  set<Half>(t);
  set<BFloat16>(t);
  set<float>(t);
  set<double>(t);
  return t;
}

}  // namespace

extern const NormTable norm_table;
constinit const NormTable norm_table = make_table();

}  // namespace clew::cpu::CLEW_ISA
