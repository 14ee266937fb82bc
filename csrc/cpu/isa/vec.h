// Sums and extrema over contiguous blocks of float or double, in a fixed order that is the same for every
// instruction set: 256 bytes of lanes, lanes added pairwise.
#pragma once

#include "cpu/isa/common.h"

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

/// Feeds n values in groups of all lanes to step(lanes, group); the rest is filled up with `neutral`. At
/// least one group.
template <class T, class Step>
inline __attribute__((always_inline)) void for_groups(const T* x, int64_t n, T neutral, Step step) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) {
#pragma GCC unroll 16
    for (int j = 0; j < kVecs; ++j) step(j, load(x + i + j * kVecLanes<T>));
  }
  if (i < n) {
    T rest[L];
    for (int j = 0; j < L; ++j) rest[j] = neutral;
    memcpy(rest, x + i, static_cast<size_t>(n - i) * sizeof(T));
#pragma GCC unroll 16
    for (int j = 0; j < kVecs; ++j) step(j, load(rest + j * kVecLanes<T>));
  }
}

/// Pairwise over the lanes: 32 + 32, 16 + 16, ...
template <class T>
inline T add_lanes(const Lanes<T>& lanes) {
  T t[kLanes<T>];
  memcpy(t, &lanes, sizeof(t));
#pragma GCC unroll 8
  for (int w = kLanes<T> / 2; w >= 1; w /= 2) {
    for (int j = 0; j < w; ++j) t[j] += t[j + w];
  }
  return t[0];
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
  for_groups(
      x, n, T(0), [&](int j, Vec<T> v) __attribute__((always_inline)) { acc.v[j] += f(v); });
  return add_lanes(acc);
}

template <class T>
inline T chunk_sum(const T* x, int64_t n) {
  if (n < 8) {
    T s = 0;
    for (int64_t i = 0; i < n; ++i) s += x[i];
    return s;
  }
  return chunk_sum_of(
      x, n, [](Vec<T> v) __attribute__((always_inline)) { return v; });
}

/// Sum of (x[i] - mean)^2.
template <class T>
inline T chunk_sum_squares(const T* x, int64_t n, T mean) {
  Lanes<T> acc = all_lanes(T(0));
  const Vec<T> m = mean - Vec<T>{};
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) {
#pragma GCC unroll 16
    for (int j = 0; j < kVecs; ++j) {
      const Vec<T> d = load(x + i + j * kVecLanes<T>) - m;
      acc.v[j] += d * d;
    }
  }
  T s = add_lanes(acc);
  for (; i < n; ++i) s += (x[i] - mean) * (x[i] - mean);
  return s;
}

/// Sum of a[i] * b[i].
template <class T>
inline T chunk_dot(const T* a, const T* b, int64_t n) {
  Lanes<T> acc = all_lanes(T(0));
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) {
#pragma GCC unroll 16
    for (int j = 0; j < kVecs; ++j)
      acc.v[j] += load(a + i + j * kVecLanes<T>) * load(b + i + j * kVecLanes<T>);
  }
  T s = add_lanes(acc);
  for (; i < n; ++i) s += a[i] * b[i];
  return s;
}

/// Largest (sign = 1) or smallest (sign = -1) value, `start` included; NaN wins.
template <int sign, class T>
inline T chunk_extreme(const T* x, int64_t n, T start) {
  T t[kLanes<T>];
  int lanes = 1;
  int64_t i = 0;
  t[0] = start;
  if (n >= kLanes<T>) {
    Lanes<T> acc = all_lanes(start);
    for (; i + kLanes<T> <= n; i += kLanes<T>) {
#pragma GCC unroll 16
      for (int j = 0; j < kVecs; ++j) {
        const Vec<T> v = load(x + i + j * kVecLanes<T>);
        const auto better = (sign > 0 ? v > acc.v[j] : v < acc.v[j]) | (v != v);
        acc.v[j] = better ? v : acc.v[j];
      }
    }
    memcpy(t, &acc, sizeof(t));
    lanes = kLanes<T>;
  }
  T m = t[0];
  for (int j = 1; j < lanes; ++j) m = ((sign > 0 ? t[j] > m : t[j] < m) || t[j] != t[j]) ? t[j] : m;
  for (; i < n; ++i) m = ((sign > 0 ? x[i] > m : x[i] < m) || x[i] != x[i]) ? x[i] : m;
  return m;
}

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
    from_float(values, o, m);
  } else {
    for (int64_t i = 0; i < m; ++i) o[i] = static_cast<T>(values[i]);
  }
}

}  // namespace
}  // namespace clew::cpu::CLEW_ISA
