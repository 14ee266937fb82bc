// The two 16-bit floating storage types. Arithmetic happens in float: convert, compute, convert back.
#pragma once

#include <cstdint>

// CLEW_HD marks a function for host and device. On the host it is always inlined, so that a file compiled for
// a newer instruction set leaves no out-of-line copy behind that the linker could pick for everybody.
#ifndef CLEW_HD
#ifdef __CUDACC__
#define CLEW_HD __host__ __device__ __forceinline__
#else
#define CLEW_HD inline __attribute__((always_inline))
#endif
#endif

namespace clew {

namespace half_detail {

CLEW_HD constexpr uint32_t float_bits(float x) { return __builtin_bit_cast(uint32_t, x); }
CLEW_HD constexpr float bits_float(uint32_t u) { return __builtin_bit_cast(float, u); }

/// IEEE binary16 from binary32, round to nearest even. NaN keeps its sign and upper payload and becomes
/// quiet.
CLEW_HD constexpr uint16_t half_from_float(float x) {
  const uint32_t u = float_bits(x);
  const uint32_t sign = (u >> 16) & 0x8000u;
  const uint32_t a = u & 0x7fffffffu;
  // Below 2^-14 the result is subnormal: adding 0.5 puts its last bit, 2^-24, at the end of the sum.
  const uint32_t tiny = float_bits(bits_float(a) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13;
  const uint32_t nan = 0x7e00u | ((a >> 13) & 0x3ffu);
  uint32_t h = a < 0x38800000u ? tiny : normal;
  h = a >= 0x477ff000u ? 0x7c00u : h;  // 65520 and above round to infinity
  h = a > 0x7f800000u ? nan : h;
  return static_cast<uint16_t>(sign | h);
}

/// Exact.
CLEW_HD constexpr float half_to_float(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  const uint32_t a = h & 0x7fffu;
  const uint32_t tiny = float_bits(static_cast<float>(static_cast<int32_t>(a)) * 0x1p-24f);
  uint32_t u = (a << 13) + 0x38000000u;
  u = a < 0x400u ? tiny : u;
  u = a >= 0x7c00u ? (a << 13) + 0x70000000u : u;
  u = a > 0x7c00u ? (u | 0x00400000u) : u;
  return bits_float(sign | u);
}

/// bfloat16 from binary32, round to nearest even. NaN keeps its sign and upper payload and becomes quiet.
CLEW_HD constexpr uint16_t bfloat16_from_float(float x) {
  const uint32_t u = float_bits(x);
  const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  const uint32_t nan = (u >> 16) | 0x40u;
  return static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

/// Exact.
CLEW_HD constexpr float bfloat16_to_float(uint16_t h) { return bits_float(static_cast<uint32_t>(h) << 16); }

}  // namespace half_detail

/// float16: 1 sign, 5 exponent, 10 fraction bits.
struct Half {
  uint16_t bits;

  Half() = default;
  CLEW_HD explicit constexpr Half(float x) : bits(half_detail::half_from_float(x)) {}
  CLEW_HD constexpr operator float() const { return half_detail::half_to_float(bits); }
  CLEW_HD static constexpr Half from_bits(uint16_t b) {
    Half h(0.0f);
    h.bits = b;
    return h;
  }
};

/// bfloat16: the upper half of a float32: 1 sign, 8 exponent, 7 fraction bits.
struct BFloat16 {
  uint16_t bits;

  BFloat16() = default;
  CLEW_HD explicit constexpr BFloat16(float x) : bits(half_detail::bfloat16_from_float(x)) {}
  CLEW_HD constexpr operator float() const { return half_detail::bfloat16_to_float(bits); }
  CLEW_HD static constexpr BFloat16 from_bits(uint16_t b) {
    BFloat16 h(0.0f);
    h.bits = b;
    return h;
  }
};

static_assert(sizeof(Half) == 2 && sizeof(BFloat16) == 2);

}  // namespace clew
