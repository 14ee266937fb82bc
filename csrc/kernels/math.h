// Elementary functions for float, free of branches, so that compilers vectorise loops over them, and thin
// double versions over the C library. Host and device.
//
// The coefficients are minimax fits made for these files (Remez exchange); each function states its error,
// which tests/cpp/test_math.cpp checks. NaN gives NaN, infinities and zeros (with sign) behave as in C.
#pragma once

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "clew/core/half.h"

// Exact products in fma() make range reduction cheap; without the instruction it would be a slow call.
#if defined(__FMA__) || defined(__CUDA_ARCH__) || defined(__ARM_FEATURE_FMA)
#define CLEW_FAST_FMA 1
#else
#define CLEW_FAST_FMA 0
#endif

// Rounding instructions exist (they are calls on baseline x86-64).
#if defined(__SSE4_1__) || defined(__CUDA_ARCH__) || defined(__aarch64__)
#define CLEW_FAST_ROUND 1
#else
#define CLEW_FAST_ROUND 0
#endif

namespace clew::math {

inline constexpr float kInf = HUGE_VALF;
inline constexpr float kNaN = __builtin_nanf("");
inline constexpr float kLog2e = 1.44269504f;
inline constexpr float kLn2Hi = 0.693359375f;  // 9 significant bits: n * kLn2Hi is exact
inline constexpr float kLn2Lo = -2.12194440e-4f;
// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, which then stands in the low bits.
inline constexpr float kRounder = 12582912.0f;

CLEW_HD uint32_t bits(float x) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(x);
#else
  return __builtin_bit_cast(uint32_t, x);
#endif
}

CLEW_HD float from_bits(uint32_t u) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(u);
#else
  return __builtin_bit_cast(float, u);
#endif
}

CLEW_HD float abs(float x) { return ::fabsf(x); }
CLEW_HD double abs(double x) { return ::fabs(x); }
CLEW_HD float copysign(float x, float s) { return ::copysignf(x, s); }
CLEW_HD double copysign(double x, double s) { return ::copysign(x, s); }
CLEW_HD float sqrt(float x) { return ::sqrtf(x); }
CLEW_HD double sqrt(double x) { return ::sqrt(x); }

// ---- rounding, exact ----

#if CLEW_FAST_ROUND
CLEW_HD float rint(float x) { return ::rintf(x); }
CLEW_HD double rint(double x) { return ::rint(x); }
CLEW_HD float floor(float x) { return ::floorf(x); }
CLEW_HD double floor(double x) { return ::floor(x); }
CLEW_HD float ceil(float x) { return ::ceilf(x); }
CLEW_HD double ceil(double x) { return ::ceil(x); }
CLEW_HD float trunc(float x) { return ::truncf(x); }
CLEW_HD double trunc(double x) { return ::trunc(x); }
#else
CLEW_HD float rint(float x) {
  const float r = (abs(x) + 0x1p23f) - 0x1p23f;
  return abs(x) < 0x1p23f ? copysign(r, x) : x;
}
CLEW_HD double rint(double x) {
  const double r = (abs(x) + 0x1p52) - 0x1p52;
  return abs(x) < 0x1p52 ? copysign(r, x) : x;
}
template <class T>
CLEW_HD T floor(T x) {
  const T r = rint(x);
  return copysign(r > x ? r - 1 : r, x);
}
template <class T>
CLEW_HD T ceil(T x) {
  const T r = rint(x);
  return copysign(r < x ? r + 1 : r, x);
}
template <class T>
CLEW_HD T trunc(T x) {
  return copysign(floor(abs(x)), x);
}
#endif

// ---- exponentials and logarithms ----

/// p * 2^n for n in [-252, 254]; the result may be subnormal or infinite, and is rounded once.
CLEW_HD float scale2(float p, uint32_t n) {
  const uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(n) >> 1);
  return p * from_bits((half + 127u) << 23) * from_bits((n - half + 127u) << 23);
}

/// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2, highest power first.
inline constexpr float kExp0 = 0.00138131529f, kExp1 = 0.00836941786f, kExp2 = 0.041668456f,
                       kExp3 = 0.166665152f, kExp4 = 0.49999994f;

/// e^x, 1 ulp.
CLEW_HD float exp(float x) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  const float t = x * kLog2e + kRounder;
  const float n = t - kRounder;
  const float r = (x - n * kLn2Hi) - n * kLn2Lo;
  float q = kExp0;
  q = q * r + kExp1;
  q = q * r + kExp2;
  q = q * r + kExp3;
  q = q * r + kExp4;
  const float p = (q * (r * r) + r) + 1.0f;
  return scale2(p, bits(t) - bits(kRounder));
}

/// e^x where the result is a normal number: for x in [-87, 88]. NaN gives NaN. 1 ulp.
CLEW_HD float exp_normal(float x) {
  const float t = x * kLog2e + kRounder;
  const float n = t - kRounder;
  const float r = (x - n * kLn2Hi) - n * kLn2Lo;
  float q = kExp0;
  q = q * r + kExp1;
  q = q * r + kExp2;
  q = q * r + kExp3;
  q = q * r + kExp4;
  const float p = (q * (r * r) + r) + 1.0f;
  return p * from_bits((bits(t) << 23) + 0x3f800000u);  // the shift drops all of kRounder
}

/// (e^x - 1) / 2 for x in [-87, 89]: the power of two alone could overflow. NaN gives NaN; -0 gives 0.
CLEW_HD float expm1_half(float x) {
  const float t = x * kLog2e + kRounder;
  const float n = t - kRounder;
  const float r = (x - n * kLn2Hi) - n * kLn2Lo;
  float q = 0.00138824072f;
  q = q * r + 0.00836718082f;
  q = q * r + 0.0416672193f;
  q = q * r + 0.16666539f;
  q = q * r + 0.49999997f;
  const float p = q * (r * r) + r;
  const float h = from_bits((bits(t) << 23) + 0x3f000000u);
  return h * p + (h - 0.5f);
}

/// e^x - 1, 2 ulp.
CLEW_HD float expm1(float x) {
  const float c = x > 89.0f ? 89.0f : x;
  const float y = 2.0f * expm1_half(c < -30.0f ? -30.0f : c);
  return x == 0.0f ? x : y;
}

/// k and m with x = 2^k * m, m in [sqrt(1/2), sqrt(2)), for x > 0 and finite.
CLEW_HD float split_exponent(float x, float& m) {
  const bool tiny = x < FLT_MIN;
  const uint32_t u = bits(tiny ? x * 0x1p23f : x);
  const int32_t k = static_cast<int32_t>(u - 0x3f3504f3u) >> 23;
  m = from_bits(u - (static_cast<uint32_t>(k) << 23));
  return static_cast<float>(k) + (tiny ? -23.0f : 0.0f);
}

/// k * ln 2 + log(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1].
CLEW_HD float log_from_parts(float k, float f) {
  float q = 0.0674645454f;
  q = q * f - 0.116795398f;
  q = q * f + 0.118903257f;
  q = q * f - 0.124051549f;
  q = q * f + 0.142192274f;
  q = q * f - 0.166680053f;
  q = q * f + 0.200021327f;
  q = q * f - 0.250000089f;
  q = q * f + 0.333333135f;
  const float f2 = f * f;
  const float low = q * (f * f2) + k * kLn2Lo;
  return k * kLn2Hi + (f - (0.5f * f2 - low));
}

/// log x, 1 ulp.
CLEW_HD float log(float x) {
  float m;
  const float k = split_exponent(x, m);
  float y = log_from_parts(k, m - 1.0f);
  y = x < kInf ? y : x;  // +inf and NaN
  y = x < 0.0f ? kNaN : y;
  return x == 0.0f ? -kInf : y;
}

/// log(1 + x), 2 ulp.
CLEW_HD float log1p(float x) {
  const float u = 1.0f + x;
  const float lost = x - (u - 1.0f);  // what the rounding of 1 + x dropped
  float m;
  const float k = split_exponent(u, m);
  float y = log_from_parts(k, m - 1.0f) + lost / u;
  y = u == 1.0f ? x : y;
  y = x < kInf ? y : x;
  y = x < -1.0f ? kNaN : y;
  return x == -1.0f ? -kInf : y;
}

// ---- hyperbolic and logistic ----

/// 2 ulp.
CLEW_HD float tanh(float x) {
  const float a = abs(x);
  const float h = expm1_half(2.0f * (a > 10.0f ? 10.0f : a));
  const float y = h / (h + 1.0f);
  return copysign(h < 0.4f ? h - h * y : y, x);  // h - h y = y, with the rounding of a small correction
}

/// 1 / (1 + e^-x), 2.5 ulp, subnormal results included.
CLEW_HD float sigmoid(float x) {
  const float e = exp(-abs(x));
  return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}

// ---- trigonometric ----

/// The float sine and cosine below hold for |x| up to this; beyond it callers take the C library's.
inline constexpr float kTrigLimit = 48000.0f;

/// x = n * pi/2 + r with |r| <= pi/4; returns r, sets the low bits of n.
CLEW_HD float reduce_half_pi(float x, uint32_t& quadrant) {
  const float t = x * 0.636619772f + kRounder;
  const float n = t - kRounder;
  quadrant = bits(t);
#if CLEW_FAST_FMA
  // pi/2 in three floats; each product is exact inside fma.
  float r = ::fmaf(n, -1.57079637f, x);
  r = ::fmaf(n, 4.37113883e-8f, r);
  return ::fmaf(n, 1.71512451e-15f, r);
#else
  // pi/2 as 33 bits and the rest: n times the first is exact in double.
  const double d = n;
  return static_cast<float>((static_cast<double>(x) - d * 0x1.921fb544p+0) - d * 0x1.0b4611a626331p-34);
#endif
}

/// 2 ulp for |x| <= kTrigLimit. `shift` 0 gives the sine, 1 the cosine.
CLEW_HD float sin_shifted(float x, uint32_t shift) {
  uint32_t quadrant;
  const float r = reduce_half_pi(x, quadrant);
  quadrant += shift;
  const float z = r * r;
  float s = -0.000195108398f;
  s = s * z + 0.00833213143f;
  s = s * z - 0.166666538f;
  s = s * (z * r) + r;
  float c = 2.44312068e-05f;
  c = c * z - 0.0013887306f;
  c = c * z + 0.0416666456f;
  c = c * (z * z) + (1.0f - 0.5f * z);
  const float v = (quadrant & 1u) != 0u ? c : s;
  return from_bits(bits(v) ^ ((quadrant & 2u) << 30));
}

CLEW_HD float sin(float x) {
  if (!(abs(x) <= kTrigLimit)) return ::sinf(x);
  return x == 0.0f ? x : sin_shifted(x, 0);
}
CLEW_HD float cos(float x) {
  if (!(abs(x) <= kTrigLimit)) return ::cosf(x);
  return sin_shifted(x, 1);
}

// ---- error function ----

/// erf on |x| <= 1.
CLEW_HD float erf_small(float x) {
  const float z = x * x;
  float q = 7.85385346e-05f;
  q = q * z - 0.000801019138f;
  q = q * z + 0.00518832728f;
  q = q * z - 0.026853811f;
  q = q * z + 0.112835854f;
  q = q * z - 0.37612626f;
  q = q * z + 0.128379167f;  // 2 / sqrt(pi) - 1
  return q * x + x;
}

/// 2 ulp.
CLEW_HD float erf(float x) {
  float t = abs(x);
  t = t > 4.0f ? 4.0f : t;
  // erf(t) = 1 - e^-g(t), g a polynomial on [1, 4].
  float g = 1.91187592e-05f;
  g = g * t - 0.000409585715f;
  g = g * t + 0.00404126057f;
  g = g * t - 0.0247544665f;
  g = g * t + 0.107681483f;
  g = g * t + 0.633920848f;
  g = g * t + 1.12921655f;
  g = g * t - 0.000109675537f;
  const float large = copysign(1.0f - exp_normal(-g), x);
  const float y = t < 1.0f ? erf_small(x) : large;
  return x != x ? x : y;
}

/// The standard normal distribution function; relative error 1e-6 down to x = -5, 2e-5 beyond, 0 below -7.7.
CLEW_HD float normal_cdf(float x) {
  const float s = x * 0.707106781f;
  const float a = abs(s);
  const float t = a > 5.5f ? 5.5f : a;
  // erfc(t) = e^(-t g(t)), g a polynomial on [0, 5.5].
  float g = -3.28322081e-08f;
  g = g * t + 1.03478953e-06f;
  g = g * t - 1.42036542e-05f;
  g = g * t + 0.00011034526f;
  g = g * t - 0.000516617903f;
  g = g * t + 0.0012926386f;
  g = g * t + 0.000435724156f;
  g = g * t - 0.0196724646f;
  g = g * t + 0.103019364f;
  g = g * t + 0.63656652f;
  g = g * t + 1.12838304f;
  const float e = 0.5f * exp_normal(-t * g);
  const float tail = a > 5.5f ? 0.0f : e;
  return s > 0.0f ? 1.0f - tail : tail;
}

/// Density of the standard normal distribution.
CLEW_HD float normal_pdf(float x) {
  const float h = -0.5f * x * x;
  const float e = 0.398942280f * exp_normal(h < -87.0f ? -87.0f : h);
  return h < -87.0f ? 0.0f : e;
}

// ---- power ----

/// x^y with C's special cases, 1.3 ulp: logarithm and product in double.
CLEW_HD float pow(float x, float y) {
  const float a = abs(x);
  float m;
  const float k = split_exponent(a, m);
  const double f = static_cast<double>(m) - 1.0;
  double q = -0x1.61ad26992056fp-4;
  q = q * f + 0x1.3d442d264371dp-3;
  q = q * f - 0x1.4192171068d04p-3;
  q = q * f + 0x1.459f17c6ea67ap-3;
  q = q * f - 0x1.6eace16f95954p-3;
  q = q * f + 0x1.a615d42c4a064p-3;
  q = q * f - 0x1.ec8da6ba2861cp-3;
  q = q * f + 0x1.27773388d1c13p-2;
  q = q * f - 0x1.71543558f47f7p-2;
  q = q * f + 0x1.ec709bfccdf14p-2;
  q = q * f - 0x1.7154767c21183p-1;
  q = q * f + 0x1.71547652f036dp+0;
  double z = (q * f + static_cast<double>(k)) * static_cast<double>(y);
  z = z > 130.0 ? 130.0 : z;
  z = z < -152.0 ? -152.0 : z;
  const float n = static_cast<float>(z) + kRounder;
  const float r = static_cast<float>(z - static_cast<double>(n - kRounder));
  float p = 0.000153523579f;
  p = p * r + 0.00134001719f;
  p = p * r + 0.00961844996f;
  p = p * r + 0.0555032939f;
  p = p * r + 0.240226477f;
  p = p * r + 0.693147182f;
  float v = scale2(p * r + 1.0f, bits(n) - bits(kRounder));
  // Zero and infinite bases have a logarithm of -inf and +inf.
  const bool grows = (a > 1.0f) == (y > 0.0f);
  const bool extreme = a == 0.0f || a == kInf || abs(y) == kInf;
  v = extreme ? (grows ? kInf : 0.0f) : v;
  const bool whole = rint(y) == y;
  const bool odd = whole && rint(0.5f * y) != 0.5f * y;
  v = odd ? copysign(v, x) : v;
  v = (x < 0.0f && !whole && a != kInf) ? kNaN : v;
  v = (x != x || y != y) ? x + y : v;
  v = (a == 1.0f && abs(y) == kInf) ? 1.0f : v;
  return (y == 0.0f || x == 1.0f) ? 1.0f : v;
}

// ---- remainder and angle ----

/// Whether fmod_easy, floor_div_easy hold: b finite, the quotient below 2^28 (so never NaN, never by zero).
CLEW_HD bool easy_quotient(float a, float b) {
  // Both comparisons, always: a branch here would keep the loops around it scalar.
  const int small = abs(a / b) < 0x1p28f;
  const int finite = abs(b) < kInf;
  return (small & finite) != 0;
}

/// fmod(a, b), exact: in double neither the quotient's floor nor the product can be wrong.
CLEW_HD float fmod_easy(float a, float b) {
  const double x = a;
  const double y = b;
  return copysign(static_cast<float>(x - trunc(x / y) * y), a);
}

/// floor(a / b) of the exact quotient, rounded to float.
CLEW_HD float floor_div_easy(float a, float b) {
  return static_cast<float>(floor(static_cast<double>(a) / static_cast<double>(b)));
}

/// The angle of (x, y) in (-pi, pi], with C's special cases, 3 ulp.
CLEW_HD float atan2(float y, float x) {
  const float ay = abs(y);
  const float ax = abs(x);
  const bool steep = ay > ax;
  const float high = steep ? ay : ax;
  const float low = steep ? ax : ay;
  float q = low / high;
  q = low == high ? 1.0f : q;   // both infinite
  q = high == 0.0f ? 0.0f : q;  // both zero
  const float z = q * q;
  float p = -0.00179361505f;
  p = p * z + 0.0109145772f;
  p = p * z - 0.0311777964f;
  p = p * z + 0.0579575449f;
  p = p * z - 0.0840344727f;
  p = p * z + 0.109521843f;
  p = p * z - 0.142642409f;
  p = p * z + 0.199985489f;
  p = p * z - 0.333332986f;
  float r = p * (z * q) + q;
  r = steep ? (1.57079637f - r) - 4.37113883e-8f : r;
  r = (bits(x) >> 31) != 0u ? (3.14159274f - r) - 8.74227766e-8f : r;
  r = (x != x || y != y) ? x + y : r;
  return copysign(r, y);
}

// ---- double: the C library ----

CLEW_HD double exp(double x) { return ::exp(x); }
CLEW_HD double expm1(double x) { return ::expm1(x); }
CLEW_HD double log(double x) { return ::log(x); }
CLEW_HD double log1p(double x) { return ::log1p(x); }
CLEW_HD double tanh(double x) { return ::tanh(x); }
CLEW_HD double sigmoid(double x) {
  const double e = ::exp(-abs(x));
  return (x >= 0.0 ? 1.0 : e) / (1.0 + e);
}
CLEW_HD double sin(double x) { return ::sin(x); }
CLEW_HD double cos(double x) { return ::cos(x); }
CLEW_HD double erf(double x) { return ::erf(x); }
CLEW_HD double normal_cdf(double x) { return 0.5 * ::erfc(x * -0.70710678118654752440); }
CLEW_HD double normal_pdf(double x) { return 0.39894228040143267794 * ::exp(-0.5 * x * x); }
CLEW_HD double pow(double x, double y) { return ::pow(x, y); }
CLEW_HD double fmod(double a, double b) { return ::fmod(a, b); }
CLEW_HD float fmod(float a, float b) { return ::fmodf(a, b); }
CLEW_HD double atan2(double a, double b) { return ::atan2(a, b); }

}  // namespace clew::math
