// Shared by the files of csrc/cpu/isa, which are built once per instruction set into namespace CLEW_ISA.
// Everything here and there has internal linkage or is always inlined: no symbol of one build may stand in
// for another's at link time.
#pragma once

#include <stdint.h>
#include <string.h>

#include <initializer_list>
#include <type_traits>

#include "clew/core/half.h"
#include "cpu/loops.h"
#include "kernels/functors.h"

#ifdef __F16C__
#include <immintrin.h>
#endif

#ifndef CLEW_ISA
#error "CLEW_ISA: expected the name of an instruction set"
#endif

// One copy of a function that gets its inner loop or its access to memory as an argument: without it the
// compiler clones and inlines it for every such argument, at a high price in build time and size.
// CLEW_IVDEP stands before a loop whose outputs overlap its inputs exactly or not at all.
#ifdef __clang__
#define CLEW_ONE_COPY __attribute__((noinline))
#define CLEW_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#else
#define CLEW_ONE_COPY __attribute__((noipa))
#define CLEW_IVDEP _Pragma("GCC ivdep")
#endif

namespace clew::cpu {
/// Throws std::bad_alloc, from a file that is built once.
[[noreturn]] void throw_bad_alloc();
}  // namespace clew::cpu

namespace clew::cpu::CLEW_ISA {
namespace {

using kernels::make_functor;
using kernels::Params;

// Elements that pass through stack buffers at a time.
constexpr int64_t kBlock = 512;

template <class T>
constexpr bool is_half = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

/// Storage of a narrow integer whose arithmetic happens in int32: the low bits come out the same.
template <class T>
struct Narrow {
  T value;

  Narrow() = default;
  CLEW_HD explicit Narrow(int32_t x) : value(static_cast<T>(x)) {}
  CLEW_HD operator int32_t() const { return value; }
};

template <class T>
constexpr bool is_narrow = false;
template <class T>
constexpr bool is_narrow<Narrow<T>> = true;

// Types that are computed in another one, a block at a time.
template <class T>
constexpr bool is_packed = is_half<T> || is_narrow<T>;

// The type that T is computed in.
template <class T>
using compute_t = std::conditional_t<is_half<T>, float, std::conditional_t<is_narrow<T>, int32_t, T>>;

template <class T>
constexpr int column_of() {
  if constexpr (std::is_same_v<T, bool>) return static_cast<int>(DT::b1);
  if constexpr (std::is_same_v<T, uint8_t> || std::is_same_v<T, Narrow<uint8_t>>)
    return static_cast<int>(DT::u8);
  if constexpr (std::is_same_v<T, int8_t> || std::is_same_v<T, Narrow<int8_t>>)
    return static_cast<int>(DT::i8);
  if constexpr (std::is_same_v<T, int16_t> || std::is_same_v<T, Narrow<int16_t>>)
    return static_cast<int>(DT::i16);
  if constexpr (std::is_same_v<T, int32_t>) return static_cast<int>(DT::i32);
  if constexpr (std::is_same_v<T, int64_t>) return static_cast<int>(DT::i64);
  if constexpr (std::is_same_v<T, Half>) return static_cast<int>(DT::f16);
  if constexpr (std::is_same_v<T, BFloat16>) return static_cast<int>(DT::bf16);
  if constexpr (std::is_same_v<T, float>) return static_cast<int>(DT::f32);
  if constexpr (std::is_same_v<T, double>) return static_cast<int>(DT::f64);
}

inline __attribute__((always_inline)) int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// ---- blocks of packed types ----

inline void unpack(const Half* in, float* out, int64_t n) {
  int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
  }
#endif
  for (; i < n; ++i) out[i] = half_detail::half_to_float(in[i].bits);
}

inline void pack(const float* in, Half* out, int64_t n) {
  int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
  }
#endif
  for (; i < n; ++i) out[i].bits = half_detail::half_from_float(in[i]);
}

inline void unpack(const BFloat16* in, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = half_detail::bfloat16_to_float(in[i].bits);
}

inline void pack(const float* in, BFloat16* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i].bits = half_detail::bfloat16_from_float(in[i]);
}

template <class T>
inline void unpack(const Narrow<T>* in, int32_t* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = in[i].value;
}

template <class T>
inline void pack(const int32_t* in, Narrow<T>* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i].value = static_cast<T>(in[i]);
}

// ---- gather and scatter ----

// An unsigned integer of S bytes: moves bits, whatever they mean.
template <int S>
using raw_t =
    std::conditional_t<S == 1, uint8_t,
                       std::conditional_t<S == 2, uint16_t, std::conditional_t<S == 4, uint32_t, uint64_t>>>;

template <int S>
inline void gather(void* out, const void* in, int64_t n, int64_t stride) {
  using T __attribute__((may_alias)) = raw_t<S>;
  T* o = static_cast<T*>(out);
  const T* x = static_cast<const T*>(in);
  if (stride == 0) {
    const T v = *x;
    for (int64_t i = 0; i < n; ++i) o[i] = v;
  } else {
    for (int64_t i = 0; i < n; ++i) o[i] = x[i * stride];
  }
}

template <int S>
inline void scatter(void* out, const void* in, int64_t n, int64_t stride) {
  using T __attribute__((may_alias)) = raw_t<S>;
  T* o = static_cast<T*>(out);
  const T* x = static_cast<const T*>(in);
  for (int64_t i = 0; i < n; ++i) o[i * stride] = x[i];
}

// For the strided paths only the width of the elements matters.
template <class T>
using block_type = std::conditional_t<is_packed<T>, T, raw_t<sizeof(T)>>;

/// n elements of T, `stride` apart, as contiguous values of the compute type: in place where they are that
/// already, else in `buffer`.
template <class T>
inline const compute_t<T>* as_block(const T* in, int64_t n, int64_t stride, compute_t<T>* buffer) {
  if constexpr (is_packed<T>) {
    if (stride == 1) {
      unpack(in, buffer, n);
    } else if (stride == 0) {
      const compute_t<T> v = *in;
      for (int64_t i = 0; i < n; ++i) buffer[i] = v;
    } else {
      for (int64_t i = 0; i < n; ++i) buffer[i] = in[i * stride];
    }
    return buffer;
  } else {
    if (stride == 1) return in;
    gather<sizeof(T)>(buffer, in, n, stride);
    return buffer;
  }
}

/// Where a block of results for `out` is to be computed: in place if it can be.
template <class T>
inline compute_t<T>* out_block(T* out, int64_t stride, compute_t<T>* buffer) {
  if constexpr (!is_packed<T>) {
    if (stride == 1) return out;
  }
  return buffer;
}

/// Completes out_block: moves the results to where they belong.
template <class T>
inline void put_block(T* out, const compute_t<T>* block, int64_t n, int64_t stride) {
  if constexpr (is_packed<T>) {
    if (stride == 1) {
      pack(block, out, n);
    } else {
      for (int64_t i = 0; i < n; ++i) out[i * stride] = T(block[i]);
    }
  } else {
    if (stride != 1) scatter<sizeof(T)>(out, block, n, stride);
  }
}

}  // namespace
}  // namespace clew::cpu::CLEW_ISA
