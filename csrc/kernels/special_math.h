// Special functions in double, the same on every device.
#pragma once

#include <cmath>
#include <cstdint>

#include "clew/core/half.h"

namespace clew::kernels {

inline constexpr double kPi = 3.141592653589793;

/// Starts from the approximation of Giles (Approximating the erfinv function, 2010), which has a relative
/// error below 1e-6 but next to 1, and takes steps of Halley's method until they are small.
CLEW_HD double erfinv(double x) {
  if (!(std::abs(x) < 1)) return std::abs(x) == 1 ? x * HUGE_VAL : static_cast<double>(NAN);
  constexpr double kCentre[] = {2.81022636e-08,  3.43273939e-07, -3.5233877e-06,
                                -4.39150654e-06, 0.00021858087,  -0.00125372503,
                                -0.00417768164,  0.246640727,    1.50140941};
  constexpr double kTail[] = {-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                              -0.0076224613,   0.00943887047,  1.00167406,    2.83297682};
  double w = -std::log1p(-x * x);
  const bool centre = w < 5;
  w = centre ? w - 2.5 : std::sqrt(w) - 3;
  double p = centre ? kCentre[0] : kTail[0];
  for (int i = 1; i < 9; ++i) p = (centre ? kCentre[i] : kTail[i]) + p * w;
  double y = p * x;
  for (int i = 0; i < 8; ++i) {
    // Near 1 the difference of the complements keeps what erf(y) - x would lose.
    const double error = std::abs(x) < 0.5 ? std::erf(y) - x
                         : x > 0           ? (1 - x) - std::erfc(y)
                                           : std::erfc(-y) - (1 + x);
    const double slope = 1.1283791670955126 * std::exp(-y * y);
    if (slope == 0 || error == 0) break;
    const double step = error / (slope + y * error);  // the second derivative is -2 y slope
    y -= step;
    if (std::abs(step) <= 1e-9 * std::abs(y)) break;  // the next one would be its cube
  }
  return y;
}

/// Recurrence up to 10, then the asymptotic series; x > 0.
CLEW_HD double digamma_positive(double x) {
  // Bernoulli numbers B(2k) / 2k.
  constexpr double kSeries[] = {1.0 / 12,  -691.0 / 32760, 1.0 / 132, -1.0 / 240,
                                1.0 / 252, -1.0 / 120,     1.0 / 12};
  double y = 0;
  for (; x < 10; ++x) y -= 1 / x;
  if (std::isinf(x)) return x;
  const double z = 1 / (x * x);
  double series = 0;
  for (int i = 0; i < 7; ++i) series = kSeries[i] + series * z;
  return y + std::log(x) - 0.5 / x - series * z;
}

CLEW_HD double digamma(double x) {
  if (x == 0) return std::copysign(HUGE_VAL, -x);
  if (!(x < 0)) return digamma_positive(x);
  if (x == std::floor(x)) return static_cast<double>(NAN);
  return digamma_positive(1 - x) - kPi / std::tan(kPi * (x - std::floor(x)));
}

/// sum over k >= 0 of (x + k)^-s, s > 1, x > 0, by the formula of Euler and Maclaurin.
CLEW_HD double hurwitz_zeta(double s, double x) {
  double y = 0;
  for (; x < 12; ++x) y += std::pow(x, -s);
  const double at = std::pow(x, -s);
  y += at * x / (s - 1) + at / 2;
  // B(2k) / (2k)! times the odd derivatives.
  double term = at * s / x, sum = 0;
  constexpr double kFactors[] = {1.0 / 12,           -1.0 / 720,     1.0 / 30240,
                                 -1.0 / 1209600,     1.0 / 47900160, -691.0 / 1307674368000.0,
                                 1.0 / 74724249600.0};
  double rising = s;
  for (int i = 0; i < 7; ++i) {
    sum += kFactors[i] * term;
    term *= (rising + 1) * (rising + 2) / (x * x);
    rising += 2;
  }
  return y + sum;
}

/// The largest order of polygamma.
inline constexpr int kMaxPolygamma = 170;

/// The cotangent's derivative number n at pi x, by the polynomial P(n) in c = cot: d/dx c = -pi (1 + c^2).
CLEW_HD double cotangent_derivative(int n, double x) {
  double p[kMaxPolygamma + 3] = {0, 1};
  // In place: the powers of P(n) are all odd or all even, those of its derivative the others.
  for (int i = 0; i < n; ++i) {
    const int degree = i + 1, first = degree & 1;
    for (int k = first ^ 1; k <= degree + 1; k += 2) p[k] = 0;
    for (int k = first; k <= degree; k += 2) {
      if (k == 0) continue;
      const double d = -kPi * static_cast<double>(k) * p[k];
      p[k - 1] += d;
      p[k + 1] += d;
    }
    for (int k = first; k <= degree; k += 2) p[k] = 0;
  }
  const double c = 1 / std::tan(kPi * (x - std::floor(x)));
  double y = 0;
  for (int k = n + 1; k >= 0; --k) y = y * c + p[k];
  return y;
}

/// n in [0, kMaxPolygamma].
CLEW_HD double polygamma(int64_t n, double x) {
  if (n == 0) return digamma(x);
  const double sign = n % 2 != 0 ? 1.0 : -1.0;
  if (std::isinf(x)) return x > 0 ? sign * 0.0 : static_cast<double>(NAN);
  if (x <= 0 && x == std::floor(x)) return n % 2 != 0 ? HUGE_VAL : static_cast<double>(NAN);
  const double at = x <= 0 ? 1 - x : x;
  const double y =
      sign * std::tgamma(static_cast<double>(n) + 1) * hurwitz_zeta(static_cast<double>(n) + 1, at);
  // Reflection: (-1)^n psi(1 - x) - psi(x) = pi times the derivative of the cotangent.
  return x <= 0 ? -sign * y - kPi * cotangent_derivative(static_cast<int>(n), x) : y;
}

}  // namespace clew::kernels
