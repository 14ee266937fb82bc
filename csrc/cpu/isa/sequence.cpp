// Loops of recurrent layers and attention; built once per instruction set.
#include "cpu/isa/vec.h"
#include "cpu/sequence_loops.h"
#include "kernels/cells.h"

namespace clew::cpu::CLEW_ISA {
namespace {

// ---- products with packed panels ----
//
// A tile of kRows x 2 vectors of C stays in registers over the whole sum.

#ifdef __AVX512F__
constexpr int kRows = 12;
#else
constexpr int kRows = 6;
#endif
template <class T>
constexpr int64_t kPanel = 2 * kVecLanes<T>;

template <class T>
inline __attribute__((always_inline)) void store(T* out, const Vec<T>& v) {
  memcpy(out, &v, sizeof(v));
}

#ifndef __clang__
/// Lane numbers of two vectors side by side: the halves that change places in one step of a transposition.
template <class T, int kWidth, bool kSecond>
inline __attribute__((always_inline)) auto exchanged() {
  using Int = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  typedef Int Lanes __attribute__((vector_size(kVecBytes)));
  Lanes lanes{};
  for (int i = 0; i < kVecLanes<T>; ++i) {
    const bool low = (i & kWidth) == 0;
    lanes[i] = kSecond ? (low ? i + kWidth : kVecLanes<T> + i) : (low ? i : kVecLanes<T> + i - kWidth);
  }
  return lanes;
}

/// The square block of V vectors that `x` holds, transposed: blocks of 1, 2, 4, ... lanes change places.
template <class T, int kWidth = 1>
inline __attribute__((always_inline)) void transpose_square(Vec<T>* x) {
  constexpr int V = kVecLanes<T>;
  if constexpr (kWidth < V) {
#pragma GCC unroll 16
    for (int i = 0; i < V; ++i) {
      if ((i & kWidth) != 0) continue;
      const Vec<T> a = x[i], b = x[i + kWidth];
      x[i] = __builtin_shuffle(a, b, exchanged<T, kWidth, false>());
      x[i + kWidth] = __builtin_shuffle(a, b, exchanged<T, kWidth, true>());
    }
    transpose_square<T, kWidth * 2>(x);
  }
}
#endif

/// Columns of B that lie as rows in memory: panels[p * W + c] = b[c * col_b + p] for c < width, p < k.
template <class T>
void pack_columns(T* panel, const T* b, int64_t k, int64_t width, int64_t col_b) {
  constexpr int64_t W = kPanel<T>;
  int64_t c = 0;
#ifndef __clang__
  constexpr int64_t V = kVecLanes<T>;
  for (; c + V <= width; c += V) {
    int64_t p = 0;
    for (; p + V <= k; p += V) {
      Vec<T> x[V];
#pragma GCC unroll 16
      for (int64_t i = 0; i < V; ++i) x[i] = load(b + (c + i) * col_b + p);
      transpose_square<T>(x);
#pragma GCC unroll 16
      for (int64_t i = 0; i < V; ++i) store<T>(panel + (p + i) * W + c, x[i]);
    }
    for (; p < k; ++p) {
      for (int64_t i = c; i < c + V; ++i) panel[p * W + i] = b[i * col_b + p];
    }
  }
#endif
  for (; c < width; ++c) {
    for (int64_t p = 0; p < k; ++p) panel[p * W + c] = b[c * col_b + p];
  }
}

template <class T>
void pack(void* panels_, const void* b_, int64_t k, int64_t n, int64_t row_b, int64_t col_b) {
  constexpr int64_t W = kPanel<T>;
  T* panels = static_cast<T*>(panels_);
  const T* b = static_cast<const T*>(b_);
  for (int64_t j = 0; j < n; j += W, panels += W * k) {
    const int64_t width = smaller(W, n - j);
    if (width < W) memset(panels, 0, static_cast<size_t>(W * k) * sizeof(T));
    if (row_b == 1) {
      pack_columns(panels, b + j * col_b, k, width, col_b);
      continue;
    }
    for (int64_t p = 0; p < k; ++p) {
      const T* from = b + p * row_b + j * col_b;
      T* to = panels + p * W;
      if (width == W && col_b == 1) {
        memcpy(to, from, W * sizeof(T));
      } else {
        for (int64_t c = 0; c < width; ++c) to[c] = from[c * col_b];
      }
    }
  }
}

template <class T, int R>
void product_tile(T* c, const T* a, const T* panel, int64_t width, const PanelProduct& p) {
  constexpr int64_t V = kVecLanes<T>;
  Vec<T> low[R], high[R];
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) low[i] = high[i] = Vec<T>{};
  for (int64_t q = 0; q < p.k; ++q, a += p.col_a, panel += 2 * V) {
    const Vec<T> b0 = load(panel), b1 = load(panel + V);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) {
      const Vec<T> x = a[i * p.row_a] - Vec<T>{};
      low[i] += x * b0;
      high[i] += x * b1;
    }
  }
  const Vec<T> alpha = static_cast<T>(p.alpha) - Vec<T>{};
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) {
    T* to = c + i * p.ld_c;
    low[i] *= alpha;
    high[i] *= alpha;
    if (width == 2 * V) {
      store<T>(to, p.accumulate ? load(to) + low[i] : low[i]);
      store<T>(to + V, p.accumulate ? load(to + V) + high[i] : high[i]);
    } else {
      T part[2 * V];
      store<T>(part, low[i]);
      store<T>(part + V, high[i]);
      for (int64_t j = 0; j < width; ++j) to[j] = p.accumulate ? to[j] + part[j] : part[j];
    }
  }
}

template <class T, int R>
void product_rows(int64_t rows, T* c, const T* a, const T* panel, int64_t width, const PanelProduct& p) {
  if constexpr (R > 0) {
    if (rows == R) {
      product_tile<T, R>(c, a, panel, width, p);
    } else {
      product_rows<T, R - 1>(rows, c, a, panel, width, p);
    }
  }
}

template <class T>
void product(void* c_, const void* a_, const void* panels_, const PanelProduct& p) {
  constexpr int64_t W = kPanel<T>;
  if (p.rows == 0) return;
  // Tiles of nearly the same height: 20 rows are 10 and 10, not 12 and 8.
  const int64_t tiles = (p.rows + kRows - 1) / kRows;
  const T* panels = static_cast<const T*>(panels_);
  for (int64_t j = 0; j < p.n; j += W, panels += p.panel_stride) {
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t first = t * p.rows / tiles, last = (t + 1) * p.rows / tiles;
      product_rows<T, kRows>(last - first, static_cast<T*>(c_) + first * p.ld_c + j,
                             static_cast<const T*>(a_) + first * p.row_a, panels, smaller(W, p.n - j), p);
    }
  }
}

// ---- recurrent cells ----

template <class T>
void lstm_forward(void* gates_, const void* c_prev_, void* c_, void* out_, int64_t rows, int64_t h) {
  for (int64_t r = 0; r < rows; ++r) {
    T* i = static_cast<T*>(gates_) + r * 4 * h;
    T *f = i + h, *g = f + h, *o = g + h;
    const T* c_prev = static_cast<const T*>(c_prev_) + r * h;
    T* c = static_cast<T*>(c_) + r * h;
    T* out = static_cast<T*>(out_) + r * h;
    CLEW_IVDEP
    for (int64_t j = 0; j < h; ++j) kernels::lstm_forward(i[j], f[j], g[j], o[j], c_prev[j], c[j], out[j]);
  }
}

template <class T>
void lstm_backward(void* dgates_, void* dc_, const void* dh_, const void* gates_, const void* c_prev_,
                   const void* c_, int64_t rows, int64_t h) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* i = static_cast<const T*>(gates_) + r * 4 * h;
    const T *f = i + h, *g = f + h, *o = g + h;
    T* di = static_cast<T*>(dgates_) + r * 4 * h;
    T *df = di + h, *dg = df + h, *d_o = dg + h;
    const T* c_prev = static_cast<const T*>(c_prev_) + r * h;
    const T* c = static_cast<const T*>(c_) + r * h;
    const T* dh = static_cast<const T*>(dh_) + r * h;
    T* dc = static_cast<T*>(dc_) + r * h;
    CLEW_IVDEP
    for (int64_t j = 0; j < h; ++j)
      kernels::lstm_backward(di[j], df[j], dg[j], d_o[j], dc[j], dh[j], i[j], f[j], g[j], o[j], c_prev[j],
                             c[j]);
  }
}

template <class T>
void lstm_output(void* out_, const void* gates_, const void* c_, int64_t rows, int64_t h) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* o = static_cast<const T*>(gates_) + r * 4 * h + 3 * h;
    const T* c = static_cast<const T*>(c_) + r * h;
    T* out = static_cast<T*>(out_) + r * h;
    CLEW_IVDEP
    for (int64_t j = 0; j < h; ++j) out[j] = kernels::lstm_output(o[j], c[j]);
  }
}

template <class T>
void gru_forward(void* saved_, const void* gx_, const void* gh_, const void* bias_, const void* h_prev_,
                 void* out_, int64_t rows, int64_t h) {
  const T* bias = static_cast<const T*>(bias_);
  for (int64_t row = 0; row < rows; ++row) {
    T* r = static_cast<T*>(saved_) + row * 4 * h;
    T *z = r + h, *n = z + h, *hn = n + h;
    const T* x = static_cast<const T*>(gx_) + row * 3 * h;
    const T* y = static_cast<const T*>(gh_) + row * 3 * h;
    const T* h_prev = static_cast<const T*>(h_prev_) + row * h;
    T* out = static_cast<T*>(out_) + row * h;
    if (bias != nullptr) {
      CLEW_IVDEP
      for (int64_t j = 0; j < h; ++j) {
        r[j] = y[j] + bias[j];
        z[j] = y[h + j] + bias[h + j];
        hn[j] = y[2 * h + j] + bias[2 * h + j];
      }
    } else {
      CLEW_IVDEP
      for (int64_t j = 0; j < h; ++j) {
        r[j] = y[j];
        z[j] = y[h + j];
        hn[j] = y[2 * h + j];
      }
    }
    CLEW_IVDEP
    for (int64_t j = 0; j < h; ++j)
      kernels::gru_forward(r[j], z[j], n[j], hn[j], x[j], x[h + j], x[2 * h + j], h_prev[j], out[j]);
  }
}

template <class T>
void gru_backward(void* dgx_, void* dgh_, void* dh_, const void* saved_, const void* h_prev_, int64_t rows,
                  int64_t h) {
  for (int64_t row = 0; row < rows; ++row) {
    const T* r = static_cast<const T*>(saved_) + row * 4 * h;
    const T *z = r + h, *n = z + h, *hn = n + h;
    T* x = static_cast<T*>(dgx_) + row * 3 * h;
    T* y = static_cast<T*>(dgh_) + row * 3 * h;
    const T* h_prev = static_cast<const T*>(h_prev_) + row * h;
    T* dh = static_cast<T*>(dh_) + row * h;
    CLEW_IVDEP
    for (int64_t j = 0; j < h; ++j) {
      T dr, dz, dn, dhn;
      kernels::gru_backward(dr, dz, dn, dhn, dh[j], r[j], z[j], n[j], hn[j], h_prev[j]);
      x[j] = dr;
      x[h + j] = dz;
      x[2 * h + j] = dn;
      y[j] = dr;
      y[h + j] = dz;
      y[2 * h + j] = dhn;
    }
  }
}

template <class T>
void activation(void* x_, int64_t n, bool relu) {
  T* x = static_cast<T*>(x_);
  if (relu) {
    for (int64_t i = 0; i < n; ++i) x[i] = kernels::rnn_relu(x[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) x[i] = math::tanh(x[i]);
  }
}

template <class T>
void activation_backward(void* out_, const void* g_, const void* y_, int64_t n, bool relu) {
  T* out = static_cast<T*>(out_);
  const T* g = static_cast<const T*>(g_);
  const T* y = static_cast<const T*>(y_);
  if (relu) {
    CLEW_IVDEP
    for (int64_t i = 0; i < n; ++i) out[i] = kernels::rnn_relu_backward(g[i], y[i]);
  } else {
    CLEW_IVDEP
    for (int64_t i = 0; i < n; ++i) out[i] = kernels::rnn_tanh_backward(g[i], y[i]);
  }
}

// ---- attention ----

template <class T>
constexpr T kMinusInf = -static_cast<T>(__builtin_inf());

template <class T>
inline void add_mask(T* s, int64_t n, const MaskRow& mask) {
  if (mask.data == nullptr) return;
  if (mask.is_bool) {
    const uint8_t* m = static_cast<const uint8_t*>(mask.data);
    if (mask.stride == 1) {
      for (int64_t i = 0; i < n; ++i) s[i] = m[i] != 0 ? s[i] : kMinusInf<T>;
    } else {
      for (int64_t i = 0; i < n; ++i) s[i] = m[i * mask.stride] != 0 ? s[i] : kMinusInf<T>;
    }
  } else {
    const T* m = static_cast<const T*>(mask.data);
    if (mask.stride == 1) {
      for (int64_t i = 0; i < n; ++i) s[i] += m[i];
    } else {
      for (int64_t i = 0; i < n; ++i) s[i] += m[i * mask.stride];
    }
  }
}

/// In blocks, so that the sum is the same for every instruction set's vectors.
template <class T>
double sum_of(const T* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i += kChunk)
    sum += static_cast<double>(chunk_sum(x + i, smaller(kChunk, n - i)));
  return sum;
}

template <class T>
double attention_row(void* s_, int64_t n, const MaskRow& mask, double* maximum, double* sum) {
  T* s = static_cast<T*>(s_);
  add_mask(s, n, mask);
  const T before = static_cast<T>(*maximum);
  const T m = chunk_extreme<1>(s, n, before);
  // While nothing is kept, all is compared with 0: exp(-inf) is 0, -inf - -inf would be NaN.
  const T base = m == kMinusInf<T> ? T(0) : m;
  for (int64_t i = 0; i < n; ++i) s[i] = math::exp(s[i] - base);
  const double factor = before == kMinusInf<T> ? 0 : static_cast<double>(math::exp(before - base));
  *sum = *sum * factor + sum_of(s, n);
  *maximum = static_cast<double>(m);
  return factor;
}

template <class T>
void multiply(void* x_, const void* y_, int64_t n) {
  T* x = static_cast<T*>(x_);
  const T* y = static_cast<const T*>(y_);
  CLEW_IVDEP
  for (int64_t i = 0; i < n; ++i) x[i] *= y[i];
}

template <class T>
double dot(const void* a_, const void* b_, int64_t n) {
  const T *a = static_cast<const T*>(a_), *b = static_cast<const T*>(b_);
  double sum = 0;
  for (int64_t i = 0; i < n; i += kChunk)
    sum += static_cast<double>(chunk_dot(a + i, b + i, smaller(kChunk, n - i)));
  return sum;
}

template <class T>
void attention_backward_row(void* s_, void* d_, int64_t n, const MaskRow& mask, double logsumexp,
                            const double* delta_, const void* keep_) {
  T* s = static_cast<T*>(s_);
  T* d = static_cast<T*>(d_);
  const T lse = static_cast<T>(logsumexp);
  add_mask(s, n, mask);
  for (int64_t i = 0; i < n; ++i) s[i] = math::exp(s[i] - lse);
  if (keep_ != nullptr) multiply<T>(d, keep_, n);
  T delta;
  if (delta_ == nullptr) {
    // The rounding of a large logsumexp is a common factor of the row. A weight of 1 then leaves exactly
    // nothing, as delta comes from the same products.
    const double sum = sum_of(s, n);
    const T total = sum == 0 ? T(1) : static_cast<T>(sum);
    for (int64_t i = 0; i < n; ++i) s[i] /= total;
    delta = static_cast<T>(dot<T>(s, d, n));
  } else {
    delta = static_cast<T>(*delta_);
  }
  CLEW_IVDEP
  for (int64_t i = 0; i < n; ++i) d[i] = s[i] * (d[i] - delta);
  if (keep_ != nullptr) multiply<T>(s, keep_, n);
}

template <class T>
void scale(void* x_, int64_t n, double factor) {
  T* x = static_cast<T*>(x_);
  const T f = static_cast<T>(factor);
  for (int64_t i = 0; i < n; ++i) x[i] *= f;
}

}  // namespace

#define CLEW_SEQUENCE_LOOPS(T)                             \
  {                                                        \
      .panel_width = kPanel<T>,                            \
      .pack = pack<T>,                                     \
      .product = product<T>,                               \
      .lstm_forward = lstm_forward<T>,                     \
      .lstm_backward = lstm_backward<T>,                   \
      .lstm_output = lstm_output<T>,                       \
      .gru_forward = gru_forward<T>,                       \
      .gru_backward = gru_backward<T>,                     \
      .activation = activation<T>,                         \
      .activation_backward = activation_backward<T>,       \
      .attention_row = attention_row<T>,                   \
      .attention_backward_row = attention_backward_row<T>, \
      .scale = scale<T>,                                   \
      .multiply = multiply<T>,                             \
      .dot = dot<T>,                                       \
  }
// Constant data: picked at run time.
extern const SequenceLoops float_sequence_loops, double_sequence_loops;
constinit const SequenceLoops float_sequence_loops = CLEW_SEQUENCE_LOOPS(float);
constinit const SequenceLoops double_sequence_loops = CLEW_SEQUENCE_LOOPS(double);
#undef CLEW_SEQUENCE_LOOPS

}  // namespace clew::cpu::CLEW_ISA
