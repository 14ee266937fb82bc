// The arithmetic of each elementwise op, once. A functor works on one element and knows nothing of memory,
// strides or devices; CPU loops and GPU kernels both instantiate it. float16 and bfloat16 are computed in
// float.
#pragma once

#include <stdint.h>

#include <type_traits>

#include "clew/core/half.h"
#include "kernels/math.h"

namespace clew::kernels {

/// The scalars of an op: reals in p0, p1; for integer dtypes exact in i0, i1.
struct Params {
  double p0 = 0.0;
  double p1 = 0.0;
  int64_t i0 = 0;
  int64_t i1 = 0;
};

/// Builds a functor, from the parameters if it takes any.
template <class F>
CLEW_HD F make_functor(const Params& p) {
  if constexpr (std::is_constructible_v<F, const Params&>) {
    return F(p);
  } else {
    return F();
  }
}

// Signed overflow wraps: integers compute in an unsigned type of at least 32 bits.
template <class T>
using wrap_t = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
inline constexpr bool is_int = std::is_integral_v<T>;

/// Parameter 0 or 1 in the type of the computation.
template <class T>
CLEW_HD T param0(const Params& p) {
  if constexpr (is_int<T>) {
    return static_cast<T>(p.i0);
  } else {
    return static_cast<T>(p.p0);
  }
}
template <class T>
CLEW_HD T param1(const Params& p) {
  if constexpr (is_int<T>) {
    return static_cast<T>(p.i1);
  } else {
    return static_cast<T>(p.p1);
  }
}

#define CLEW_FUNCTOR1(Name, ...)                   \
  struct Name {                                    \
    template <class T>                             \
    CLEW_HD auto operator()(T x) const __VA_ARGS__ \
  }
#define CLEW_FUNCTOR2(Name, ...)                        \
  struct Name {                                         \
    template <class T>                                  \
    CLEW_HD auto operator()(T a, T b) const __VA_ARGS__ \
  }
#define CLEW_FUNCTOR3(Name, ...)                             \
  struct Name {                                              \
    template <class T>                                       \
    CLEW_HD auto operator()(T a, T b, T c) const __VA_ARGS__ \
  }
// The same with parameters `p`.
#define CLEW_FUNCTOR1P(Name, ...)                              \
  struct Name {                                                \
    Params p;                                                  \
    CLEW_HD explicit Name(const Params& params) : p(params) {} \
    template <class T>                                         \
    CLEW_HD auto operator()(T x) const __VA_ARGS__             \
  }
#define CLEW_FUNCTOR2P(Name, ...)                              \
  struct Name {                                                \
    Params p;                                                  \
    CLEW_HD explicit Name(const Params& params) : p(params) {} \
    template <class T>                                         \
    CLEW_HD auto operator()(T a, T b) const __VA_ARGS__        \
  }
#define CLEW_FUNCTOR3P(Name, ...)                              \
  struct Name {                                                \
    Params p;                                                  \
    CLEW_HD explicit Name(const Params& params) : p(params) {} \
    template <class T>                                         \
    CLEW_HD auto operator()(T a, T b, T c) const __VA_ARGS__   \
  }

// ---- unary ----

CLEW_FUNCTOR1(Identity, { return x; });
CLEW_FUNCTOR1(Neg, {
  if constexpr (is_int<T>) {
    return static_cast<T>(wrap_t<T>(0) - static_cast<wrap_t<T>>(x));
  } else {
    return -x;
  }
});
CLEW_FUNCTOR1(Abs, {
  if constexpr (is_int<T>) {
    return x < 0 ? static_cast<T>(wrap_t<T>(0) - static_cast<wrap_t<T>>(x)) : x;
  } else {
    return math::abs(x);
  }
});
CLEW_FUNCTOR1(Square, {
  if constexpr (is_int<T>) {
    return static_cast<T>(static_cast<wrap_t<T>>(x) * static_cast<wrap_t<T>>(x));
  } else {
    return x * x;
  }
});
// -1, 0 or 1; NaN gives 0.
CLEW_FUNCTOR1(Sign, {
  if constexpr (is_int<T>) {
    return static_cast<T>((x > 0) - (x < 0));
  } else {
    const T s = x < 0 ? T(-1) : T(0);
    return x > 0 ? T(1) : s;
  }
});
CLEW_FUNCTOR1(Relu, { return x < T(0) ? T(0) : x; });
CLEW_FUNCTOR1(Exp, { return math::exp(x); });
CLEW_FUNCTOR1(Expm1, { return math::expm1(x); });
CLEW_FUNCTOR1(Log, { return math::log(x); });
CLEW_FUNCTOR1(Log1p, { return math::log1p(x); });
CLEW_FUNCTOR1(Sqrt, { return math::sqrt(x); });
CLEW_FUNCTOR1(Rsqrt, { return T(1) / math::sqrt(x); });
CLEW_FUNCTOR1(Reciprocal, { return T(1) / x; });
CLEW_FUNCTOR1(Sigmoid, { return math::sigmoid(x); });
CLEW_FUNCTOR1(Tanh, { return math::tanh(x); });
CLEW_FUNCTOR1(Floor, { return math::floor(x); });
CLEW_FUNCTOR1(Ceil, { return math::ceil(x); });
CLEW_FUNCTOR1(Round, { return math::rint(x); });  // half to even
CLEW_FUNCTOR1(Trunc, { return math::trunc(x); });
CLEW_FUNCTOR1(Sin, { return math::sin(x); });
CLEW_FUNCTOR1(Cos, { return math::cos(x); });
CLEW_FUNCTOR1(Erf, { return math::erf(x); });
CLEW_FUNCTOR1(GeluErf, { return x * math::normal_cdf(x); });
// x sigmoid(2u) = x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3)
CLEW_FUNCTOR1(GeluTanh, {
  const T u2 = T(1.5957691216057308) * x * (T(1) + T(0.044715) * x * x);
  return x * math::sigmoid(u2);
});
CLEW_FUNCTOR1(Silu, { return x * math::sigmoid(x); });

CLEW_FUNCTOR1(IsNan, {
  if constexpr (is_int<T>) {
    return false;
  } else {
    return x != x;
  }
});
CLEW_FUNCTOR1(IsInf, {
  if constexpr (is_int<T>) {
    return false;
  } else {
    return math::abs(x) == T(HUGE_VAL);
  }
});
CLEW_FUNCTOR1(IsFinite, {
  if constexpr (is_int<T>) {
    return true;
  } else {
    return math::abs(x) < T(HUGE_VAL);
  }
});
CLEW_FUNCTOR1(LogicalNot, { return x == T(0); });
CLEW_FUNCTOR1(BitwiseNot, { return static_cast<T>(~x); });

// slope = p0
CLEW_FUNCTOR1P(LeakyRelu, { return x > T(0) ? x : x * static_cast<T>(p.p0); });
// lo = p0/i0, hi = p1/i1; NaN passes; where lo > hi the result is hi.
CLEW_FUNCTOR1P(Clamp, {
  const T lo = param0<T>(p);
  const T hi = param1<T>(p);
  const T y = x < lo ? lo : x;
  return y > hi ? hi : y;
});

// ---- binary ----

CLEW_FUNCTOR2(Add, {
  if constexpr (is_int<T>) {
    return static_cast<T>(static_cast<wrap_t<T>>(a) + static_cast<wrap_t<T>>(b));
  } else {
    return a + b;
  }
});
CLEW_FUNCTOR2(Sub, {
  if constexpr (is_int<T>) {
    return static_cast<T>(static_cast<wrap_t<T>>(a) - static_cast<wrap_t<T>>(b));
  } else {
    return a - b;
  }
});
CLEW_FUNCTOR2(Mul, {
  if constexpr (is_int<T>) {
    return static_cast<T>(static_cast<wrap_t<T>>(a) * static_cast<wrap_t<T>>(b));
  } else {
    return a * b;
  }
});
// a + alpha * b, alpha = p0/i0
CLEW_FUNCTOR2P(AddScaled, {
  if constexpr (is_int<T>) {
    using W = wrap_t<T>;
    return static_cast<T>(static_cast<W>(a) + static_cast<W>(p.i0) * static_cast<W>(b));
  } else {
    return a + static_cast<T>(p.p0) * b;
  }
});
CLEW_FUNCTOR2(Div, { return a / b; });

// Integer division by zero gives 0 (callers check), and the one overflow, min / -1, wraps.
CLEW_FUNCTOR2(TruncDivide, {
  if constexpr (is_int<T>) {
    if (b == T(0)) return T(0);
    if (std::is_signed_v<T> && b == T(-1)) return Neg()(a);
    return static_cast<T>(a / b);
  } else {
    return math::trunc(a / b);
  }
});
// Result has the sign of the dividend.
CLEW_FUNCTOR2(Fmod, {
  if constexpr (is_int<T>) {
    if (b == T(0) || (std::is_signed_v<T> && b == T(-1))) return T(0);
    return static_cast<T>(a % b);
  } else {
    return math::fmod(a, b);
  }
});
// Result has the sign of the divisor.
CLEW_FUNCTOR2(Remainder, {
  const T r = Fmod()(a, b);
  return (r != T(0) && ((r < T(0)) != (b < T(0)))) ? static_cast<T>(r + b) : r;
});
CLEW_FUNCTOR2(FloorDivide, {
  if constexpr (is_int<T>) {
    if (b == T(0)) return T(0);
    if (std::is_signed_v<T> && b == T(-1)) return Neg()(a);
    const T q = static_cast<T>(a / b);
    return (a % b != 0 && ((a < T(0)) != (b < T(0)))) ? static_cast<T>(q - 1) : q;
  } else {
    // (a - a mod b) / b is whole but for rounding; the quotient itself can round up to the next integer.
    if (b == T(0)) return a / b;
    const T r = math::fmod(a, b);
    T q = (a - r) / b;
    q = (r != T(0) && ((b < T(0)) != (r < T(0)))) ? q - T(1) : q;
    const T f = math::floor(q);
    return q == T(0) ? math::copysign(T(0), a / b) : (q - f > T(0.5) ? f + T(1) : f);
  }
});
// Integers: wraps; a negative exponent gives 0 but for bases 1 and -1.
CLEW_FUNCTOR2(Pow, {
  if constexpr (is_int<T>) {
    using W = wrap_t<T>;
    if (b < T(0)) {
      if (a == T(1)) return T(1);
      if (std::is_signed_v<T> && a == T(-1)) return (b & 1) != 0 ? T(-1) : T(1);
      return T(0);
    }
    W base = static_cast<W>(a);
    W y = 1;
    for (W e = static_cast<W>(b); e != 0; e >>= 1) {
      if ((e & 1) != 0) y *= base;
      base *= base;
    }
    return static_cast<T>(y);
  } else {
    return math::pow(a, b);
  }
});
// NaN wins.
CLEW_FUNCTOR2(Maximum, {
  if constexpr (is_int<T>) {
    return a > b ? a : b;
  } else {
    const T m = a > b ? a : b;  // b when either is NaN
    return a != a ? a : m;
  }
});
CLEW_FUNCTOR2(Minimum, {
  if constexpr (is_int<T>) {
    return a < b ? a : b;
  } else {
    const T m = a < b ? a : b;
    return a != a ? a : m;
  }
});
CLEW_FUNCTOR2(Atan2, { return math::atan2(a, b); });

CLEW_FUNCTOR2(Eq, { return a == b; });
CLEW_FUNCTOR2(Ne, { return a != b; });
CLEW_FUNCTOR2(Lt, { return a < b; });
CLEW_FUNCTOR2(Le, { return a <= b; });
CLEW_FUNCTOR2(Gt, { return a > b; });
CLEW_FUNCTOR2(Ge, { return a >= b; });
CLEW_FUNCTOR2(LogicalAnd, { return (a != T(0)) & (b != T(0)); });
CLEW_FUNCTOR2(LogicalOr, { return (a != T(0)) | (b != T(0)); });
CLEW_FUNCTOR2(LogicalXor, { return (a != T(0)) != (b != T(0)); });
CLEW_FUNCTOR2(BitwiseAnd, { return static_cast<T>(a & b); });
CLEW_FUNCTOR2(BitwiseOr, { return static_cast<T>(a | b); });
CLEW_FUNCTOR2(BitwiseXor, { return static_cast<T>(a ^ b); });

// ---- gradients in one pass; g is the gradient of the result y of input x ----

CLEW_FUNCTOR2(TanhBackward, { return a * (T(1) - b * b); });       // (g, y)
CLEW_FUNCTOR2(SigmoidBackward, { return a * (b * (T(1) - b)); });  // (g, y)
CLEW_FUNCTOR2(ReluBackward, { return b <= T(0) ? T(0) : a; });     // (g, y) or (g, x); NaN passes g
CLEW_FUNCTOR2P(LeakyReluBackward, { return b > T(0) ? a : a * static_cast<T>(p.p0); });           // (g, x)
CLEW_FUNCTOR2(GeluErfBackward, { return a * (math::normal_cdf(b) + b * math::normal_pdf(b)); });  // (g, x)
CLEW_FUNCTOR2(GeluTanhBackward, {                                                                 // (g, x)
  const T x2 = b * b;
  const T u2 = T(1.5957691216057308) * b * (T(1) + T(0.044715) * x2);
  const T du2 = T(1.5957691216057308) * (T(1) + T(0.134145) * x2);
  const T s = math::sigmoid(u2);
  // The tail: u2 -> -inf takes s to 0 faster than anything grows, but x^3 may be infinite first.
  const T t = s * (T(1) - s);
  return a * (s + (t > T(0) ? b * t * du2 : T(0)));
});
CLEW_FUNCTOR2(SiluBackward, {  // (g, x)
  const T s = math::sigmoid(b);
  return a * (s * (T(1) + b * (T(1) - s)));
});
// (g, x): g where lo <= x <= hi, else 0
CLEW_FUNCTOR2P(ClampBackward,
               { return (b >= static_cast<T>(p.p0) && b <= static_cast<T>(p.p1)) ? a : T(0); });

// ---- ternary ----

// a + w (b - a), from the nearer end so that w = 1 gives b
CLEW_FUNCTOR3(Lerp, { return math::abs(c) < T(0.5) ? a + c * (b - a) : b - (b - a) * (T(1) - c); });
// a + value * b * c, value = p0/i0
CLEW_FUNCTOR3P(Addcmul, {
  if constexpr (is_int<T>) {
    using W = wrap_t<T>;
    return static_cast<T>(static_cast<W>(a) + static_cast<W>(p.i0) * static_cast<W>(b) * static_cast<W>(c));
  } else {
    return a + static_cast<T>(p.p0) * b * c;
  }
});
// a + value * b / c
CLEW_FUNCTOR3P(Addcdiv, { return a + static_cast<T>(p.p0) * b / c; });

#undef CLEW_FUNCTOR1
#undef CLEW_FUNCTOR2
#undef CLEW_FUNCTOR3
#undef CLEW_FUNCTOR1P
#undef CLEW_FUNCTOR2P
#undef CLEW_FUNCTOR3P

}  // namespace clew::kernels
