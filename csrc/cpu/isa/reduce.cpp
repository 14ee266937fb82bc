// Reductions. Each exists for four compute types (float, double, int32, int64) and reads its
// input through Access, so that 16-bit floats and narrow integers add no code.
#include "cpu/isa/vec.h"

namespace clew::cpu::CLEW_ISA {
namespace {

template <class T>
constexpr bool is_floating = is_half<T> || std::is_floating_point_v<T>;

// What T adds up in: float, double or int64; and what it is compared in.
template <class T>
using sum_t = std::conditional_t<is_floating<T>, compute_t<T>, int64_t>;
template <class T>
using order_t =
    std::conditional_t<is_floating<T>, compute_t<T>, std::conditional_t<sizeof(T) == 8, int64_t, int32_t>>;
// Totals over many blocks.
template <class C>
using wide_t = std::conditional_t<std::is_floating_point_v<C>, double, int64_t>;

template <class C>
inline __attribute__((always_inline)) C add(C a, C b) {
  return kernels::Add()(a, b);
}

// The largest (sign = 1) or smallest value of a compute type.
template <int sign, class C>
constexpr C limit_of() {
  if constexpr (std::is_floating_point_v<C>) {
    return sign * C(HUGE_VAL);
  } else {
    constexpr C top = static_cast<C>(static_cast<std::make_unsigned_t<C>>(-1) >> 1);
    return sign > 0 ? top : static_cast<C>(-top - 1);
  }
}

template <int sign, class C>
inline __attribute__((always_inline)) C better_of(C a, C b) {
  const C m = (sign > 0 ? b > a : b < a) ? b : a;
  return b != b ? b : m;
}

/// A result that has the storage type of the input where that is C.
template <class C>
inline __attribute__((always_inline)) void store_one(const Access<C>& access, void* out, C value) {
  if (access.converts) {
    access.store(out, 0, &value, 1);
  } else {
    *static_cast<C*>(out) = value;
  }
}

/// f(chunk, index of its first element, count) over n elements.
template <class C, class F>
inline void for_loaded(const Access<C>& access, const void* in, int64_t n, int64_t stride, F f) {
  if (stride == 1 && !access.converts) {
    for (int64_t i = 0; i < n; i += kChunk) f(static_cast<const C*>(in) + i, i, smaller(kChunk, n - i));
    return;
  }
  alignas(64) C buffer[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t m = smaller(kChunk, n - i);
    f(access.load(in, i, m, stride, buffer), i, m);
  }
}

// ---- one output ----

enum class Term { plain, square, absolute };

template <class C, Term term>
wide_t<C> total_of(const Access<C>& access, const void* in, int64_t n, int64_t stride) {
  wide_t<C> total = 0;
  for_loaded(access, in, n, stride, [&](const C* x, int64_t, int64_t m) {
    if constexpr (!std::is_floating_point_v<C>) {
      uint64_t s = 0;
      for (int64_t i = 0; i < m; ++i) s += static_cast<uint64_t>(x[i]);
      total = add(total, static_cast<int64_t>(s));
    } else if constexpr (term == Term::plain) {
      total += chunk_sum(x, m);
    } else if constexpr (term == Term::square) {
      total += chunk_dot(x, x, m);
    } else {
      total += chunk_sum_of(x, m, [](Vec<C> v) __attribute__((always_inline)) { return v < 0 ? -v : v; });
    }
  });
  return total;
}

enum class Result { value, mean, wide };

template <class C, Term term, Result result>
inline __attribute__((always_inline)) void sum_row(const Access<C>& access, void* out, const void* in,
                                                   int64_t n, int64_t stride) {
  const wide_t<C> total = total_of<C, term>(access, in, n, stride);
  if constexpr (result == Result::wide) {
    *static_cast<wide_t<C>*>(out) = total;
  } else {
    store_one(access, out,
              static_cast<C>(result == Result::mean ? total / static_cast<wide_t<C>>(n) : total));
  }
}

template <class C>
inline __attribute__((always_inline)) void prod_row(const Access<C>& access, void* out, const void* in,
                                                    int64_t n, int64_t stride) {
  C p;
  if constexpr (std::is_floating_point_v<C>) {
    // Eight in C, their products in double.
    constexpr int64_t L = 16;
    alignas(64) double lanes[L];
    for (int64_t j = 0; j < L; ++j) lanes[j] = 1;
    for_loaded(access, in, n, stride, [&](const C* x, int64_t, int64_t m) {
      alignas(64) double own[L];  // in registers
      memcpy(own, lanes, sizeof(own));
      int64_t i = 0;
      for (; i + 8 * L <= m; i += 8 * L) {
        const C* y = x + i;
        const C* z = y + 4 * L;
        for (int64_t j = 0; j < L; ++j)
          own[j] *= static_cast<double>(((y[j] * y[L + j]) * (y[2 * L + j] * y[3 * L + j])) *
                                        ((z[j] * z[L + j]) * (z[2 * L + j] * z[3 * L + j])));
      }
      for (; i < m; ++i) own[i % L] *= static_cast<double>(x[i]);
      memcpy(lanes, own, sizeof(own));
    });
    for (int64_t w = L / 2; w >= 1; w /= 2) {
      for (int64_t j = 0; j < w; ++j) lanes[j] *= lanes[j + w];
    }
    p = static_cast<C>(lanes[0]);
  } else {
    uint64_t u = 1;
    for_loaded(access, in, n, stride, [&](const C* x, int64_t, int64_t m) {
      for (int64_t i = 0; i < m; ++i) u *= static_cast<uint64_t>(x[i]);
    });
    p = static_cast<C>(u);
  }
  store_one(access, out, p);
}

#ifdef __AVX512F__
/// As chunk_extreme for m >= lanes and no NaN at the start: NaN are looked for two vectors at a time, and
/// only when there is one the slower loop finds the extremum.
template <int sign>
float chunk_extreme_fast(const float* x, int64_t m, float start) {
  constexpr __mmask16 all = 0xffff;
  constexpr int64_t V = 16;
  __m512 best[4];
  for (auto& b : best) b = _mm512_set1_ps(start);
  __mmask16 nan = 0;
  const auto step = [&](const float* from) __attribute__((always_inline)) {
    __m512 v[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) v[j] = _mm512_loadu_ps(from + j * V);
    nan |= _mm512_cmp_ps_mask(v[0], v[1], _CMP_UNORD_Q) | _mm512_cmp_ps_mask(v[2], v[3], _CMP_UNORD_Q);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      best[j] = sign > 0 ? _mm512_maskz_max_ps(all, v[j], best[j]) : _mm512_maskz_min_ps(all, v[j], best[j]);
    }
  };
  int64_t i = 0;
  for (; i + 4 * V <= m; i += 4 * V) step(x + i);
  if (i < m) step(x + m - 4 * V);  // values may count twice
  if (nan != 0) return chunk_extreme<sign>(x, m, start);
  Vec<float> b = reinterpret_cast<Vec<float>>(best[0]);
  for (int j = 1; j < 4; ++j) b = better_lanes<sign>(b, reinterpret_cast<Vec<float>>(best[j]));
  return fold_lanes<float>(
      b, [](auto p, auto q) __attribute__((always_inline)) { return better_lanes<sign>(p, q); });
}
#endif

template <int sign, class C>
C chunk_best(const C* x, int64_t m, C start) {
  if constexpr (std::is_floating_point_v<C>) {
#ifdef __AVX512F__
    if constexpr (std::is_same_v<C, float>) {
      if (m >= kLanes<float> && start == start) return chunk_extreme_fast<sign>(x, m, start);
    }
#endif
    return chunk_extreme<sign>(x, m, start);
  } else {
    C b = start;
    for (int64_t i = 0; i < m; ++i) b = better_of<sign>(b, x[i]);
    return b;
  }
}

template <class C, int sign>
inline __attribute__((always_inline)) void extreme_row(const Access<C>& access, void* out, const void* in,
                                                       int64_t n, int64_t stride) {
  C best = limit_of<-sign, C>();
  for_loaded(access, in, n, stride,
             [&](const C* x, int64_t, int64_t m) { best = chunk_best<sign>(x, m, best); });
  store_one(access, out, best);
}

// Finds the best value of each chunk first, fast, then where it stands, and only if it beats what came
// before.
template <class C, int sign>
inline __attribute__((always_inline)) void arg_row(const Access<C>& access, void* out, const void* in,
                                                   int64_t n, int64_t stride) {
  C best = limit_of<-sign, C>();
  int64_t index = 0;
  for_loaded(access, in, n, stride, [&](const C* x, int64_t first, int64_t m) {
    if (best != best) return;  // the first NaN has won
    const C b = chunk_best<sign>(x, m, first == 0 ? x[0] : best);
    if (first != 0 && b == best) return;
    best = b;
    int64_t i = 0;
    if (b != b) {
      while (x[i] == x[i]) ++i;
    } else {
      while (x[i] != b) ++i;
    }
    index = first + i;
  });
  *static_cast<int64_t*>(out) = index;
}

template <class C, bool any>
inline __attribute__((always_inline)) void any_all_row(const Access<C>& access, void* out, const void* in,
                                                       int64_t n, int64_t stride) {
  alignas(64) C buffer[kBlock];
  bool found = false;  // a true value for any, a false one for all
  for (int64_t i = 0; i < n && !found; i += kBlock) {
    const int64_t m = smaller(kBlock, n - i);
    const C* x = access.load(in, i, m, stride, buffer);
    int32_t hit = 0;
    for (int64_t j = 0; j < m; ++j) hit |= (x[j] != C(0)) == any;
    found = hit != 0;
  }
  *static_cast<bool*>(out) = found == any;
}

// ---- one output per column ----

constexpr int64_t kCols = 512;    // columns at a time
constexpr int64_t kRowRun = 256;  // rows that add up in the compute type before they join the wide total

template <Term term, class C>
inline __attribute__((always_inline)) C term_of(C v) {
  if constexpr (term == Term::square) {
    return v * v;
  } else if constexpr (term == Term::absolute) {
    return math::abs(v);
  } else {
    return v;
  }
}

template <class C, Term term, Result result>
CLEW_ONE_COPY void sum_columns(const Access<C>& access, void* out, const void* in, int64_t rows, int64_t cols,
                               int64_t ld) {
  alignas(64) C buffer[4][kCols];
  alignas(64) C run[kCols];
  alignas(64) wide_t<C> total[kCols];
  for (int64_t c0 = 0; c0 < cols; c0 += kCols) {
    const int64_t w = smaller(kCols, cols - c0);
    const auto row = [&](int64_t r, int slot) { return access.load(in, r * ld + c0, w, 1, buffer[slot]); };
    for (int64_t c = 0; c < w; ++c) total[c] = 0;
    for (int64_t r0 = 0; r0 < rows; r0 += kRowRun) {
      const int64_t r_end = r0 + smaller(kRowRun, rows - r0);
      for (int64_t c = 0; c < w; ++c) run[c] = 0;
      int64_t r = r0;
      for (; r + 4 <= r_end; r += 4) {
        const C* x0 = row(r, 0);
        const C* x1 = row(r + 1, 1);
        const C* x2 = row(r + 2, 2);
        const C* x3 = row(r + 3, 3);
        CLEW_IVDEP
        for (int64_t c = 0; c < w; ++c) {
          run[c] = add(run[c], add(add(term_of<term>(x0[c]), term_of<term>(x1[c])),
                                   add(term_of<term>(x2[c]), term_of<term>(x3[c]))));
        }
      }
      for (; r < r_end; ++r) {
        const C* x = row(r, 0);
        CLEW_IVDEP
        for (int64_t c = 0; c < w; ++c) run[c] = add(run[c], term_of<term>(x[c]));
      }
      for (int64_t c = 0; c < w; ++c) total[c] = add(total[c], static_cast<wide_t<C>>(run[c]));
    }
    if constexpr (result == Result::wide) {
      memcpy(static_cast<wide_t<C>*>(out) + c0, total, static_cast<size_t>(w) * sizeof(wide_t<C>));
    } else {
      const wide_t<C> divisor = result == Result::mean ? static_cast<wide_t<C>>(rows) : 1;
      for (int64_t c = 0; c < w; ++c) run[c] = static_cast<C>(total[c] / divisor);
      access.store(out, c0, run, w);
    }
  }
}

template <class C>
CLEW_ONE_COPY void prod_columns(const Access<C>& access, void* out, const void* in, int64_t rows,
                                int64_t cols, int64_t ld) {
  alignas(64) C buffer[kCols];
  alignas(64) wide_t<C> p[kCols];
  for (int64_t c0 = 0; c0 < cols; c0 += kCols) {
    const int64_t w = smaller(kCols, cols - c0);
    for (int64_t c = 0; c < w; ++c) p[c] = 1;
    for (int64_t r = 0; r < rows; ++r) {
      const C* x = access.load(in, r * ld + c0, w, 1, buffer);
      for (int64_t c = 0; c < w; ++c) p[c] = kernels::Mul()(p[c], static_cast<wide_t<C>>(x[c]));
    }
    for (int64_t c = 0; c < w; ++c) buffer[c] = static_cast<C>(p[c]);
    access.store(out, c0, buffer, w);
  }
}

template <class C, int sign>
CLEW_ONE_COPY void extreme_columns(const Access<C>& access, void* out, const void* in, int64_t rows,
                                   int64_t cols, int64_t ld) {
  alignas(64) C buffer[2][kCols];
  alignas(64) C best[kCols];
  for (int64_t c0 = 0; c0 < cols; c0 += kCols) {
    const int64_t w = smaller(kCols, cols - c0);
    const auto row = [&](int64_t r) { return access.load(in, r * ld + c0, w, 1, buffer[r % 2]); };
    for (int64_t c = 0; c < w; ++c) best[c] = limit_of<-sign, C>();
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2) {
      const C* x0 = row(r);
      const C* x1 = row(r + 1);
      CLEW_IVDEP
      for (int64_t c = 0; c < w; ++c) best[c] = better_of<sign>(better_of<sign>(best[c], x0[c]), x1[c]);
    }
    if (r < rows) {
      const C* x = row(r);
      CLEW_IVDEP
      for (int64_t c = 0; c < w; ++c) best[c] = better_of<sign>(best[c], x[c]);
    }
    access.store(out, c0, best, w);
  }
}

template <class C, int sign>
CLEW_ONE_COPY void arg_columns(const Access<C>& access, void* out, const void* in, int64_t rows, int64_t cols,
                               int64_t ld) {
  using I =
      std::conditional_t<sizeof(C) == 8, int64_t, int32_t>;  // as wide as the values, so that both vectorise
  alignas(64) C buffer[kCols];
  alignas(64) C best[kCols];
  alignas(64) I index[kCols];
  for (int64_t c0 = 0; c0 < cols; c0 += kCols) {
    const int64_t w = smaller(kCols, cols - c0);
    for (int64_t c = 0; c < w; ++c) index[c] = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const C* x = access.load(in, r * ld + c0, w, 1, buffer);
      if (r == 0) {
        memcpy(best, x, static_cast<size_t>(w) * sizeof(C));
        continue;
      }
      const I row = static_cast<I>(r);
      CLEW_IVDEP
      for (int64_t c = 0; c < w; ++c) {
        const C v = x[c];
        const C b = best[c];
        const bool wins = ((sign > 0 ? v > b : v < b) | (v != v)) & (b == b);
        best[c] = wins ? v : b;
        index[c] = wins ? row : index[c];
      }
    }
    int64_t* o = static_cast<int64_t*>(out) + c0;
    for (int64_t c = 0; c < w; ++c) o[c] = index[c];
  }
}

template <class C, bool any>
CLEW_ONE_COPY void any_all_columns(const Access<C>& access, void* out, const void* in, int64_t rows,
                                   int64_t cols, int64_t ld) {
  alignas(64) C buffer[kCols];
  alignas(64) int32_t truth[kCols];
  for (int64_t c0 = 0; c0 < cols; c0 += kCols) {
    const int64_t w = smaller(kCols, cols - c0);
    for (int64_t c = 0; c < w; ++c) truth[c] = !any;
    for (int64_t r = 0; r < rows; ++r) {
      const C* x = access.load(in, r * ld + c0, w, 1, buffer);
      CLEW_IVDEP
      for (int64_t c = 0; c < w; ++c) {
        const int32_t t = x[c] != C(0);
        truth[c] = any ? truth[c] | t : truth[c] & t;
      }
    }
    bool* o = static_cast<bool*>(out) + c0;
    for (int64_t c = 0; c < w; ++c) o[c] = truth[c] != 0;
  }
}

// ---- the table ----

template <class C>
using RowBody = void (*)(const Access<C>&, void*, const void*, int64_t, int64_t);

template <class C, RowBody<C> body>
CLEW_ONE_COPY void each_row(const Access<C>& access, void* out, const void* in, int64_t n, int64_t stride,
                            const RowRun& run) {
  for (int64_t r = 0; r < run.count; ++r)
    body(access, static_cast<char*>(out) + r * run.out_step, static_cast<const char*>(in) + r * run.in_step,
         n, stride);
}

template <class T, class O, class C, RowBody<C> body>
void row_entry(void* out, const void* in, int64_t n, int64_t stride, const RowRun& run) {
  static constexpr Access<C> a = {&load_as<T, C>, &store_as<O, C>, !std::is_same_v<T, C>};
  each_row<C, body>(a, out, in, n, stride, run);
}

template <class T, class O, class C,
          void (*body)(const Access<C>&, void*, const void*, int64_t, int64_t, int64_t)>
void columns_entry(void* out, const void* in, int64_t rows, int64_t cols, int64_t ld) {
  static constexpr Access<C> a = {&load_as<T, C>, &store_as<O, C>, !std::is_same_v<T, C>};
  body(a, out, in, rows, cols, ld);
}

#define CLEW_REDUCE(op, O, C, row_body, columns_body)                        \
  t.rows[static_cast<int>(ReduceOp::op)][d] = &row_entry<S, O, C, row_body>; \
  t.columns[static_cast<int>(ReduceOp::op)][d] = &columns_entry<S, O, C, columns_body>

// T: the column; S: the type its elements are read as.
template <class T, class S = T>
constexpr void set(ReduceTable& t) {
  const int d = column_of<T>();
  using A = sum_t<S>;
  using AO = std::conditional_t<is_floating<S>, S, int64_t>;
  using C = order_t<S>;
  constexpr Term plain = Term::plain;
  CLEW_REDUCE(sum, AO, A, (&sum_row<A, plain, Result::value>), (&sum_columns<A, plain, Result::value>));
  CLEW_REDUCE(sum_wide, AO, A, (&sum_row<A, plain, Result::wide>), (&sum_columns<A, plain, Result::wide>));
  CLEW_REDUCE(prod, AO, A, (&prod_row<A>), (&prod_columns<A>));
  CLEW_REDUCE(max, S, C, (&extreme_row<C, 1>), (&extreme_columns<C, 1>));
  CLEW_REDUCE(min, S, C, (&extreme_row<C, -1>), (&extreme_columns<C, -1>));
  CLEW_REDUCE(argmax, S, C, (&arg_row<C, 1>), (&arg_columns<C, 1>));
  CLEW_REDUCE(argmin, S, C, (&arg_row<C, -1>), (&arg_columns<C, -1>));
  CLEW_REDUCE(any, S, C, (&any_all_row<C, true>), (&any_all_columns<C, true>));
  CLEW_REDUCE(all, S, C, (&any_all_row<C, false>), (&any_all_columns<C, false>));
  if constexpr (is_floating<S>) {
    constexpr Term square = Term::square;
    constexpr Term absolute = Term::absolute;
    CLEW_REDUCE(mean, S, A, (&sum_row<A, plain, Result::mean>), (&sum_columns<A, plain, Result::mean>));
    CLEW_REDUCE(sum_squares, S, A, (&sum_row<A, square, Result::wide>),
                (&sum_columns<A, square, Result::wide>));
    CLEW_REDUCE(sum_abs, S, A, (&sum_row<A, absolute, Result::wide>),
                (&sum_columns<A, absolute, Result::wide>));
  }
}

#undef CLEW_REDUCE

constexpr ReduceTable make_table() {
  ReduceTable t{};
  set<bool, uint8_t>(t);
  set<uint8_t>(t);
  set<int8_t>(t);
  set<int16_t>(t);
  set<int32_t>(t);
  set<int64_t>(t);
  set<Half>(t);
  set<BFloat16>(t);
  set<float>(t);
  set<double>(t);
  return t;
}

}  // namespace

extern const ReduceTable reduce_table;
constinit const ReduceTable reduce_table = make_table();

}  // namespace clew::cpu::CLEW_ISA
