// Sums and extrema over contiguous blocks of float or double, in a fixed order that is the same for every
// instruction set: 256 bytes of lanes, lanes added pairwise.
#pragma once

#include <utility>

#include "cpu/isa/common.h"
#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace clew::cpu::CLEW_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kVecBytes = 64;
#elif defined(__AVX__)
constexpr int kVecBytes = 32;
#else
constexpr int kVecBytes = 16;
#endif

// The largest block that one call of the functions below is given.
constexpr int64_t kChunk = 4096;

template <class T>
constexpr int kLanes = 256 / sizeof(T);

template <class T>
struct VecOf {
  typedef T type __attribute__((vector_size(kVecBytes)));
};
template <class T>
using Vec = typename VecOf<T>::type;
template <class T>
constexpr int kVecLanes = kVecBytes / sizeof(T);
constexpr int kVecs = 256 / kVecBytes;

template <class T>
inline __attribute__((always_inline)) Vec<T> load(const T* x) {
  Vec<T> v;
  memcpy(&v, x, sizeof(v));
  return v;
}

/// 256 bytes of values: what a chunk's lanes hold.
template <class T>
struct Lanes {
  Vec<T> v[kVecs];
};

/// The first `count` values, 0 < count < lanes of a vector, then zeros.
template <class T>
inline __attribute__((always_inline)) Vec<T> load_part(const T* x, int64_t count) {
#ifdef __AVX512F__
  if constexpr (sizeof(T) == 4) {
    return reinterpret_cast<Vec<T>>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), x));
  } else {
    return reinterpret_cast<Vec<T>>(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), x));
  }
#else
  T part[kVecLanes<T>] = {};
  for (int64_t i = 0; i < count; ++i) part[i] = x[i];
  return load(part);
#endif
}

/// Calls step(j, first index, whole) for vector j of every group of all lanes, in order; for the last,
/// partial vector with whole = false. j is a constant once unrolled, so that lanes stay in registers.
template <class T, class Step>
inline __attribute__((always_inline)) void for_vectors(int64_t n, Step step) {
  constexpr int L = kLanes<T>;
  constexpr int V = kVecLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) {
#pragma GCC unroll 16
    for (int j = 0; j < kVecs; ++j) step(j, i + j * V, true);
  }
#pragma GCC unroll 16
  for (int j = 0; j < kVecs; ++j) {
    if (i + V <= n) {
      step(j, i, true);
    } else {
      if (i < n) step(j, i, false);
      return;
    }
    i += V;
  }
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define CLEW_SHUFFLES 1
#endif
#endif

#ifdef CLEW_SHUFFLES
template <class V, size_t... I>
inline __attribute__((always_inline)) auto low_half(const V& v, std::index_sequence<I...>) {
  return __builtin_shufflevector(v, v, I...);
}
template <class V, size_t... I>
inline __attribute__((always_inline)) auto high_half(const V& v, std::index_sequence<I...>) {
  return __builtin_shufflevector(v, v, (I + sizeof...(I))...);
}
#endif

/// Lane i with lane i + half of them, by `both`, down to one.
template <class T, class V, class Both>
inline __attribute__((always_inline)) T fold_lanes(const V& v, Both both) {
  constexpr int count = sizeof(V) / sizeof(T);
#ifdef CLEW_SHUFFLES
  if constexpr (count > 2) {
    using Half = std::make_index_sequence<count / 2>;
    return fold_lanes<T>(both(low_half(v, Half()), high_half(v, Half())), both);
  } else {
    return both(static_cast<T>(v[0]), static_cast<T>(v[1]));
  }
#else
  T t[count];
  memcpy(t, &v, sizeof(t));
#pragma GCC unroll 8
  for (int w = count / 2; w >= 1; w /= 2) {
    for (int j = 0; j < w; ++j) t[j] = both(t[j], t[j + w]);
  }
  return t[0];
#endif
}

/// Pairwise over the lanes: 32 + 32, 16 + 16, ...
template <class T>
inline __attribute__((always_inline)) T add_lanes(Lanes<T>& lanes) {
#pragma GCC unroll 8
  for (int w = kVecs / 2; w >= 1; w /= 2) {
#pragma GCC unroll 8
    for (int j = 0; j < w; ++j) lanes.v[j] += lanes.v[j + w];
  }
  return fold_lanes<T>(lanes.v[0], [](auto a, auto b) __attribute__((always_inline)) { return a + b; });
}

template <class T>
inline __attribute__((always_inline)) Lanes<T> all_lanes(T value) {
  Lanes<T> lanes;
#pragma GCC unroll 16
  for (int j = 0; j < kVecs; ++j) lanes.v[j] = value - Vec<T>{};
  return lanes;
}

/// Sum of f(x[i]), n <= kChunk. f works on vectors; f(0) must be 0.
template <class T, class F>
inline T chunk_sum_of(const T* x, int64_t n, F f) {
  Lanes<T> acc = all_lanes(T(0));
  for_vectors<T>(
      n, [&](int j, int64_t i, bool whole) __attribute__((always_inline)) {
        acc.v[j] += f(whole ? load(x + i) : load_part(x + i, n - i));
      });
  return add_lanes(acc);
}

template <class T>
inline T chunk_sum(const T* x, int64_t n) {
  if (n < 8) {
    T s = 0;
    for (int64_t i = 0; i < n; ++i) s += x[i];
    return s;
  }
  return chunk_sum_of(x, n, [](Vec<T> v) __attribute__((always_inline)) { return v; });
}

/// Sum of (x[i] - mean)^2.
template <class T>
inline T chunk_sum_squares(const T* x, int64_t n, T mean) {
  Lanes<T> acc = all_lanes(T(0));
  const Vec<T> m = mean - Vec<T>{};
  T means[kVecLanes<T>];
  memcpy(means, &m, sizeof(m));
  for_vectors<T>(
      n, [&](int j, int64_t i, bool whole) __attribute__((always_inline)) {
        const Vec<T> d = whole ? load(x + i) - m : load_part(x + i, n - i) - load_part(means, n - i);
        acc.v[j] += d * d;
      });
  return add_lanes(acc);
}

/// Sum of a[i] * b[i].
template <class T>
inline T chunk_dot(const T* a, const T* b, int64_t n) {
  Lanes<T> acc = all_lanes(T(0));
  for_vectors<T>(
      n, [&](int j, int64_t i, bool whole) __attribute__((always_inline)) {
        acc.v[j] += whole ? load(a + i) * load(b + i) : load_part(a + i, n - i) * load_part(b + i, n - i);
      });
  return add_lanes(acc);
}

/// The larger (sign = 1) or smaller of two, lane by lane; NaN wins.
template <int sign, class V>
inline __attribute__((always_inline)) V better_lanes(V best, V v) {
  const auto wins = (sign > 0 ? v > best : v < best) | (v != v);
  return wins ? v : best;
}

/// Largest (sign = 1) or smallest (sign = -1) value, `start` included; NaN wins.
template <int sign, class T>
inline T chunk_extreme(const T* x, int64_t n, T start) {
  constexpr int V = kVecLanes<T>;
  T m = start;
  if (n < V) {
    for (int64_t i = 0; i < n; ++i) m = ((sign > 0 ? x[i] > m : x[i] < m) || x[i] != x[i]) ? x[i] : m;
    return m;
  }
  Lanes<T> best = all_lanes(start);
  // The partial vector is read together with values before it: they may count twice.
  for_vectors<T>(
      n, [&](int j, int64_t i, bool whole) __attribute__((always_inline)) {
        best.v[j] = better_lanes<sign>(best.v[j], load(whole ? x + i : x + n - V));
      });
#pragma GCC unroll 8
  for (int w = kVecs / 2; w >= 1; w /= 2) {
#pragma GCC unroll 8
    for (int j = 0; j < w; ++j) best.v[j] = better_lanes<sign>(best.v[j], best.v[j + w]);
  }
  return fold_lanes<T>(
      best.v[0], [](auto a, auto b) __attribute__((always_inline)) { return better_lanes<sign>(a, b); });
}

#ifdef __AVX512F__
/// math::exp, lane by lane: the power of two is one instruction. (The maskz_ forms spare GCC 12 a warning.)
inline __attribute__((always_inline)) Vec<float> exp_lanes(const Vec<float>& in) {
  constexpr __mmask16 all = 0xffff;
  // NaN passes: max and min give their second operand then.
  const __m512 low = _mm512_maskz_min_ps(all, _mm512_set1_ps(89.0f), reinterpret_cast<__m512>(in));
  const __m512 x = _mm512_maskz_max_ps(all, _mm512_set1_ps(-104.0f), low);
  const __m512 t = _mm512_fmadd_ps(x, _mm512_set1_ps(math::kLog2e), _mm512_set1_ps(math::kRounder));
  const __m512 n = _mm512_sub_ps(t, _mm512_set1_ps(math::kRounder));
  const __m512 r =
      _mm512_fnmadd_ps(n, _mm512_set1_ps(math::kLn2Lo), _mm512_fnmadd_ps(n, _mm512_set1_ps(math::kLn2Hi), x));
  __m512 q = _mm512_set1_ps(math::kExp0);
#pragma GCC unroll 4
  for (const float c : {math::kExp1, math::kExp2, math::kExp3, math::kExp4})
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(c));
  const __m512 p = _mm512_add_ps(_mm512_fmadd_ps(q, _mm512_mul_ps(r, r), r), _mm512_set1_ps(1.0f));
  return reinterpret_cast<Vec<float>>(_mm512_maskz_scalef_ps(all, p, n));
}

/// The first `count` lanes to memory, 0 < count < lanes of a vector.
inline __attribute__((always_inline)) void store_part(float* to, const Vec<float>& v, int64_t count) {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), reinterpret_cast<__m512>(v));
}
#endif

/// How values of some storage type are read and written as values of C.
template <class C>
struct Access {
  // Elements first, first + 1, ..., `stride` apart in memory, as m contiguous values: in place or in buffer.
  const C* (*load)(const void* in, int64_t first, int64_t m, int64_t stride, C* buffer);
  void (*store)(void* out, int64_t first, const C* values, int64_t m);
  bool converts;  // the storage type is another
};

template <class T, class C>
const C* load_as(const void* in, int64_t first, int64_t m, int64_t stride, C* buffer) {
  const T* x = static_cast<const T*>(in) + first * stride;
  if constexpr (std::is_same_v<C, compute_t<T>>) {
    return as_block(x, m, stride, buffer);
  } else {
    if (stride == 1) {
      for (int64_t i = 0; i < m; ++i) buffer[i] = static_cast<C>(x[i]);
    } else {
      for (int64_t i = 0; i < m; ++i) buffer[i] = static_cast<C>(x[i * stride]);
    }
    return buffer;
  }
}

template <class T, class C>
void store_as(void* out, int64_t first, const C* values, int64_t m) {
  T* o = static_cast<T*>(out) + first;
  if constexpr (is_half<T>) {
    pack(values, o, m);
  } else {
    for (int64_t i = 0; i < m; ++i) o[i] = static_cast<T>(values[i]);
  }
}

}  // namespace
}  // namespace clew::cpu::CLEW_ISA
