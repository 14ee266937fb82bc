// The loops that backends provide for elementwise ops and reductions, by name.
#pragma once

#include <cstdint>

namespace clew::kernels {

enum class UnaryOp : uint8_t {
  identity,
  neg,
  abs,
  square,
  sign,
  relu,
  exp,
  expm1,
  log,
  log1p,
  sqrt,
  rsqrt,
  reciprocal,
  sigmoid,
  tanh,
  floor,
  ceil,
  round,
  trunc,
  sin,
  cos,
  erf,
  gelu_erf,
  gelu_tanh,
  silu,
  isnan,  // bool results, to logical_not
  isinf,
  isfinite,
  logical_not,
  bitwise_not,
  leaky_relu,  // p0 = slope
  clamp,       // [p0, p1]; integers [i0, i1]
  count
};

enum class BinaryOp : uint8_t {
  add,
  sub,
  mul,
  div,         // floating only
  add_scaled,  // a + p0 * b; integers i0
  pow,
  maximum,
  minimum,
  fmod,
  remainder,
  floor_divide,
  trunc_divide,
  atan2,
  eq,  // bool results, to logical_xor
  ne,
  lt,
  le,
  gt,
  ge,
  logical_and,
  logical_or,
  logical_xor,
  bitwise_and,
  bitwise_or,
  bitwise_xor,
  tanh_backward,        // (g, y)
  sigmoid_backward,     // (g, y)
  relu_backward,        // (g, y) or (g, x)
  leaky_relu_backward,  // (g, x), p0 = slope
  gelu_erf_backward,    // (g, x)
  gelu_tanh_backward,   // (g, x)
  silu_backward,        // (g, x)
  clamp_backward,       // (g, x), [p0, p1]
  count
};

enum class TernaryOp : uint8_t {
  where,    // (bool cond, a, b); the column is the dtype of a and b
  lerp,     // (a, b, weight)
  addcmul,  // a + p0 * b * c
  addcdiv,  // a + p0 * b / c
  count
};

inline constexpr int kUnaryCount = static_cast<int>(UnaryOp::count);
inline constexpr int kBinaryCount = static_cast<int>(BinaryOp::count);
inline constexpr int kTernaryCount = static_cast<int>(TernaryOp::count);

enum class ReduceOp : uint8_t {
  sum,   // ints and bool -> int64; floating -> same dtype
  mean,  // floating only
  prod,  // as sum
  max,   // same dtype; NaN wins
  min,
  argmax,  // int64, the first of equals; NaN counts as largest (smallest for argmin)
  argmin,
  any,          // bool
  all,          // bool
  sum_wide,     // double or int64: partial sums that a caller adds up itself, in a fixed order
  sum_squares,  // double; floating only
  sum_abs,      // double; floating only
  count
};
inline constexpr int kReduceCount = static_cast<int>(ReduceOp::count);

}  // namespace clew::kernels
