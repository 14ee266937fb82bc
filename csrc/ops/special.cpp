// Elementwise functions that are called less often: one loop around the C library, or other ops.
#include <cmath>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

constexpr double kLn2 = 0.6931471805599453, kLn10 = 2.302585092994046;
constexpr double kTwoOverSqrtPi = 1.1283791670955126;
constexpr double kPi = 3.141592653589793;
constexpr Saves kInput = kSavesNothing.input(0), kOutput = kSavesNothing.output();
constexpr Saves kBoth = kSavesNothing.input(0).input(1);

Tensor number(const Scalar& v) { return weak_scalar_tensor(v); }

TensorMeta same_meta(const Tensor& input) { return input.meta(); }

TensorMeta broadcast_meta(const char* op, const Tensor& a, const Tensor& b) {
  return {broadcast_shapes(op, a.sizes(), b.sizes()), a.dtype()};
}

TensorMeta three_meta(const char* op, const Tensor& a, const Tensor& b, const Tensor& c) {
  const Shape ab = broadcast_shapes(op, a.sizes(), b.sizes());
  return {broadcast_shapes(op, ab, c.sizes()), a.dtype()};
}

void check_real_value(const char* op, const Tensor& input, const Scalar& value) {
  CLEW_CHECK(is_floating(input.dtype()) || !value.is_floating(), DTypeError, op,
             ": expected an integer value for dtype ", input.dtype(), ", got ", value);
}

}  // namespace

#define CLEW_UNARY_DOC(summary, formula, example)                                                           \
  summary                                                                                                   \
      "\n\n    y = " formula                                                                                \
      "\n\nArgs:\n    input: any shape; integers become the default floating dtype.\nReturns:\n    Tensor " \
      "of the shape of `input`.\nExample:\n" example

#define CLEW_SPECIAL(id, saves_, doc_, ...)                        \
  CLEW_OP_PAGE(id) = {{.name = #id,                                \
                       .doc = doc_,                                \
                       .dtypes = kFloating,                        \
                       .promote = Promote::Floating,               \
                       .inplace = true,                            \
                       .autocast = Autocast::Float32,              \
                       .meta = same_meta,                          \
                       .kernel = &id##_kernel,                     \
                       .saves = saves_,                            \
                       .grad = __VA_ARGS__}};                      \
  Tensor id(const Tensor& input) { return apply(id##_op, input); } \
  Tensor id##_(const Tensor& input) { return apply_inplace(id##_op, input); }

CLEW_SPECIAL(log2, kInput,
             CLEW_UNARY_DOC("Logarithm to base 2; NaN below 0.", "log2(x)",
                            "    >>> clew.log2(clew.tensor([8.0])).tolist()\n    [3.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList { return {g / (ctx.input(0) * kLn2)}; })
CLEW_SPECIAL(log10, kInput,
             CLEW_UNARY_DOC("Logarithm to base 10; NaN below 0.", "log10(x)",
                            "    >>> clew.log10(clew.tensor([100.0])).tolist()\n    [2.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList { return {g / (ctx.input(0) * kLn10)}; })
CLEW_SPECIAL(exp2, kOutput,
             CLEW_UNARY_DOC("Power of 2.", "2^x",
                            "    >>> clew.exp2(clew.tensor([3.0])).tolist()\n    [8.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList { return {g * (ctx.output() * kLn2)}; })
CLEW_SPECIAL(tan, kOutput,
             CLEW_UNARY_DOC("Tangent of an angle in radians.", "tan(x)",
                            "    >>> clew.tan(clew.tensor([0.0])).tolist()\n    [0.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList {
               return {g * (square(ctx.output()) + 1)};
             })
CLEW_SPECIAL(asin, kInput,
             CLEW_UNARY_DOC("Inverse sine, in radians; NaN outside of [-1, 1].", "asin(x)",
                            "    >>> clew.asin(clew.tensor([0.0])).tolist()\n    [0.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList {
               return {g * rsqrt(1 - square(ctx.input(0)))};
             })
CLEW_SPECIAL(acos, kInput,
             CLEW_UNARY_DOC("Inverse cosine, in radians; NaN outside of [-1, 1].", "acos(x)",
                            "    >>> clew.acos(clew.tensor([1.0])).tolist()\n    [0.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList {
               return {neg(g * rsqrt(1 - square(ctx.input(0))))};
             })
CLEW_SPECIAL(atan, kInput,
             CLEW_UNARY_DOC("Inverse tangent, in radians.", "atan(x)",
                            "    >>> clew.atan(clew.tensor([0.0])).tolist()\n    [0.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList {
               return {g / (square(ctx.input(0)) + 1)};
             })
CLEW_SPECIAL(sinh, kInput,
             CLEW_UNARY_DOC("Hyperbolic sine.", "(e^x - e^-x) / 2",
                            "    >>> clew.sinh(clew.tensor([0.0])).tolist()\n    [0.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList { return {g * cosh(ctx.input(0))}; })
CLEW_SPECIAL(cosh, kInput,
             CLEW_UNARY_DOC("Hyperbolic cosine.", "(e^x + e^-x) / 2",
                            "    >>> clew.cosh(clew.tensor([0.0])).tolist()\n    [1.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList { return {g * sinh(ctx.input(0))}; })
CLEW_SPECIAL(asinh, kInput,
             CLEW_UNARY_DOC("Inverse hyperbolic sine.", "ln(x + sqrt(x^2 + 1))",
                            "    >>> clew.asinh(clew.tensor([0.0])).tolist()\n    [0.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList {
               return {g * rsqrt(square(ctx.input(0)) + 1)};
             })
CLEW_SPECIAL(acosh, kInput,
             CLEW_UNARY_DOC("Inverse hyperbolic cosine; NaN below 1.", "ln(x + sqrt(x^2 - 1))",
                            "    >>> clew.acosh(clew.tensor([1.0])).tolist()\n    [0.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList {
               return {g * rsqrt(square(ctx.input(0)) - 1)};
             })
CLEW_SPECIAL(atanh, kInput,
             CLEW_UNARY_DOC("Inverse hyperbolic tangent; NaN outside of [-1, 1].",
                            "ln((1 + x) / (1 - x)) / 2",
                            "    >>> clew.atanh(clew.tensor([0.0])).tolist()\n    [0.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList {
               return {g / (1 - square(ctx.input(0)))};
             })
CLEW_SPECIAL(erfc, kInput,
             CLEW_UNARY_DOC("Complementary error function, accurate where erf(x) is near 1.", "1 - erf(x)",
                            "    >>> clew.erfc(clew.tensor([0.0])).tolist()\n    [1.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList {
               return {g * exp(neg(square(ctx.input(0)))) * -kTwoOverSqrtPi};
             })
CLEW_SPECIAL(erfinv, kOutput,
             CLEW_UNARY_DOC("Inverse of the error function; NaN outside of [-1, 1].", "the t with erf(t) = x",
                            "    >>> clew.erfinv(clew.tensor([0.0])).tolist()\n    [0.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList {
               return {g * exp(square(ctx.output())) * (1 / kTwoOverSqrtPi)};
             })
CLEW_SPECIAL(lgamma, kInput,
             CLEW_UNARY_DOC("Logarithm of the absolute value of the gamma function.", "ln |Gamma(x)|",
                            "    >>> clew.lgamma(clew.tensor([1.0])).tolist()\n    [0.0]"),
             [](const Backward& ctx, const Tensor& g) -> GradList { return {g * digamma(ctx.input(0))}; })
CLEW_SPECIAL(digamma, kInput,
             CLEW_UNARY_DOC("Derivative of lgamma.", "d/dx ln Gamma(x)",
                            "    >>> clew.digamma(clew.tensor([float('nan')])).tolist()\n    [nan]"),
             [](const Backward& ctx, const Tensor& g) -> GradList {
               return {g * polygamma(1, ctx.input(0))};
             })

#define CLEW_BINARY_DOC(summary, formula, example)                                                        \
  summary                                                                                                 \
      "\n\n    y = " formula                                                                              \
      "\n\nArgs:\n    input, other: shapes that broadcast together; `other` may be a number.\nReturns:\n" \
      "    Tensor of the broadcast shape and promoted dtype.\nRaises:\n    clew.ShapeError: the shapes "  \
      "do not broadcast.\nExample:\n" example

#define CLEW_SPECIAL2(id, saves_, doc_, ...)                                                               \
  CLEW_OP_PAGE(id) = {                                                                                     \
      {.name = #id,                                                                                        \
       .doc = doc_,                                                                                        \
       .dtypes = kFloating,                                                                                \
       .promote = Promote::Floating,                                                                       \
       .inplace = true,                                                                                    \
       .autocast = Autocast::Widest,                                                                       \
       .meta = [](const Tensor& input, const Tensor& other) { return broadcast_meta(#id, input, other); }, \
       .kernel = &id##_kernel,                                                                             \
       .saves = saves_,                                                                                    \
       .grad = __VA_ARGS__}};                                                                              \
  Tensor id(const Tensor& input, const Tensor& other) { return apply(id##_op, input, other); }
#define CLEW_SPECIAL2_TWIN(id) \
  Tensor id##_(const Tensor& input, const Tensor& other) { return apply_inplace(id##_op, input, other); }

CLEW_SPECIAL2(atan2, kBoth,
              CLEW_BINARY_DOC(
                  "Angle of the point (other, input), in radians and in its quadrant.", "atan2(input, other)",
                  "    >>> clew.atan2(clew.tensor([0.0]), clew.tensor([1.0])).tolist()\n    [0.0]"),
              [](const Backward& ctx, const Tensor& g) -> GradList {
                const Tensor a = ctx.input(0), b = ctx.input(1);
                const Tensor length = square(a) + square(b);
                const Tensor scale = masked_fill(g / length, length == 0, number(0.0));
                return {ctx.needs(0) ? scale * b : Tensor(), ctx.needs(1) ? neg(scale * a) : Tensor()};
              })
CLEW_SPECIAL2_TWIN(atan2)
CLEW_SPECIAL2(
    hypot, kBoth.output(),
    CLEW_BINARY_DOC("Length of the vector (input, other), without overflow.", "sqrt(input^2 + other^2)",
                    "    >>> clew.hypot(clew.tensor([3.0]), clew.tensor([4.0])).tolist()\n    [5.0]"),
    [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor y = ctx.output();
      return {ctx.needs(0) ? g * (ctx.input(0) / y) : Tensor(),
              ctx.needs(1) ? g * (ctx.input(1) / y) : Tensor()};
    })
CLEW_SPECIAL2_TWIN(hypot)
CLEW_SPECIAL2(
    copysign, kSavesNothing.input(0, grad_of(0)).output(),
    CLEW_BINARY_DOC("The size of `input` with the sign of `other`.", "|input| with the sign of other",
                    "    >>> clew.copysign(clew.tensor([1.0]), clew.tensor([-2.0])).tolist()\n    [-1.0]"),
    [](const Backward& ctx, const Tensor& g) -> GradList {
      // The gradient at 0 is 0, and `other` only chooses.
      if (!ctx.needs(0)) return {Tensor(), Tensor()};
      const Tensor x = ctx.input(0);
      return {g * masked_fill(ctx.output() / x, x == 0, number(0.0)), Tensor()};
    })
CLEW_SPECIAL2_TWIN(copysign)
CLEW_SPECIAL2(
    xlogy, kBoth,
    CLEW_BINARY_DOC("x ln(y), and 0 where x is 0.", "input * ln(other); 0 for input 0 unless other is NaN",
                    "    >>> clew.xlogy(clew.tensor([0.0]), clew.tensor([0.0])).tolist()\n    [0.0]"),
    [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor x = ctx.input(0), y = ctx.input(1);
      return {ctx.needs(0) ? masked_fill(g * log(y), logical_and(x == 0, y <= 0), number(0.0)) : Tensor(),
              ctx.needs(1) ? g * (x / y) : Tensor()};
    })
CLEW_SPECIAL2_TWIN(xlogy)
CLEW_SPECIAL2(
    logaddexp, kBoth,
    CLEW_BINARY_DOC(
        "Logarithm of a sum of exponentials, without overflow.", "ln(e^input + e^other)",
        "    >>> clew.logaddexp(clew.tensor([0.0]), clew.tensor([float('-inf')])).tolist()\n    [0.0]"),
    [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor difference = ctx.input(0) - ctx.input(1);
      return {ctx.needs(0) ? g * sigmoid(difference) : Tensor(),
              ctx.needs(1) ? g * sigmoid(neg(difference)) : Tensor()};
    })
CLEW_SPECIAL2(
    logaddexp2, kBoth,
    CLEW_BINARY_DOC("Base-2 logarithm of a sum of powers of 2, without overflow.", "log2(2^input + 2^other)",
                    "    >>> clew.logaddexp2(clew.tensor([0.0]), clew.tensor([0.0])).tolist()\n    [1.0]"),
    [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor difference = (ctx.input(0) - ctx.input(1)) * kLn2;
      return {ctx.needs(0) ? g * sigmoid(difference) : Tensor(),
              ctx.needs(1) ? g * sigmoid(neg(difference)) : Tensor()};
    })

#define CLEW_INTEGER2(id, doc_)                                                                            \
  CLEW_OP_PAGE(id) = {                                                                                     \
      {.name = #id,                                                                                        \
       .doc = doc_,                                                                                        \
       .dtypes = kIntegers,                                                                                \
       .promote = Promote::Common,                                                                         \
       .inplace = true,                                                                                    \
       .meta = [](const Tensor& input, const Tensor& other) { return broadcast_meta(#id, input, other); }, \
       .kernel = &id##_kernel,                                                                             \
       .not_differentiable = "its result is an integer"}};                                                 \
  Tensor id(const Tensor& input, const Tensor& other) { return apply(id##_op, input, other); }             \
  CLEW_SPECIAL2_TWIN(id)

CLEW_INTEGER2(bitwise_left_shift,
              CLEW_BINARY_DOC("Shifts bits to the left; what is shifted out is lost.", "input * 2^other",
                              "    >>> clew.bitwise_left_shift(clew.tensor([3]), 2).tolist()\n    [12]"))
CLEW_INTEGER2(bitwise_right_shift,
              CLEW_BINARY_DOC("Shifts bits to the right, keeping the sign.", "floor(input / 2^other)",
                              "    >>> clew.bitwise_right_shift(clew.tensor([12]), 2).tolist()\n    [3]"))
CLEW_INTEGER2(gcd, CLEW_BINARY_DOC("Greatest common divisor, >= 0.", "gcd(input, other)",
                                   "    >>> clew.gcd(clew.tensor([12]), 18).tolist()\n    [6]"))
CLEW_INTEGER2(lcm, CLEW_BINARY_DOC("Least common multiple, >= 0.", "lcm(input, other)",
                                   "    >>> clew.lcm(clew.tensor([4]), 6).tolist()\n    [12]"))

CLEW_OP_PAGE(polygamma) = {{
    .name = "polygamma",
    .doc = R"(Derivative number n of digamma.

Args:
    n: which derivative, in [0, 170].
    input: any shape; integers become the default floating dtype.
Returns:
    Tensor of the shape of `input`.
Raises:
    ValueError: another n.
Example:
    >>> round(clew.polygamma(1, clew.tensor(1.0, dtype=clew.float64)).item(), 12)
    1.644934066848)",
    .dtypes = kFloating,
    .promote = Promote::Floating,
    .autocast = Autocast::Float32,
    .meta =
        [](int64_t n, const Tensor& input) {
          CLEW_CHECK(n >= 0 && n <= 170, ValueError, "polygamma: expected n in [0, 170], got ", n,
                     " (the factorial of a greater one is no float64)");
          return input.meta();
        },
    .kernel = &polygamma_kernel,
    .saves = kInput,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {g * polygamma(ctx.arg<int64_t>(0) + 1, ctx.input(0))};
    },
}};
Tensor polygamma(int64_t n, const Tensor& input) { return apply(polygamma_op, n, input); }

CLEW_OP_PAGE(fmax) = {{
    .name = "fmax",
    .doc = CLEW_BINARY_DOC(
        "The greater of two, where NaN loses against a number.",
        "input if input >= other or other is NaN, else other",
        "    >>> clew.fmax(clew.tensor([float('nan')]), clew.tensor([2.0])).tolist()\n    [2.0]"),
    .composite =
        [](const Tensor& input, const Tensor& other) {
          return where(logical_or(input >= other, isnan(other)), input, other);
        },
}};
Tensor fmax(const Tensor& input, const Tensor& other) { return apply(fmax_op, input, other); }

CLEW_OP_PAGE(fmin) = {{
    .name = "fmin",
    .doc = CLEW_BINARY_DOC(
        "The smaller of two, where NaN loses against a number.",
        "input if input <= other or other is NaN, else other",
        "    >>> clew.fmin(clew.tensor([float('nan')]), clew.tensor([2.0])).tolist()\n    [2.0]"),
    .composite =
        [](const Tensor& input, const Tensor& other) {
          return where(logical_or(input <= other, isnan(other)), input, other);
        },
}};
Tensor fmin(const Tensor& input, const Tensor& other) { return apply(fmin_op, input, other); }

CLEW_OP_PAGE(float_power) = {{
    .name = "float_power",
    .doc = R"(Power, computed in float64 whatever the arguments are.

    y = input ^ exponent

Args:
    input, exponent: shapes that broadcast together; either may be a number.
Returns:
    float64 tensor of the broadcast shape.
Example:
    >>> clew.float_power(clew.tensor([4]), 0.5).tolist()
    [2.0])",
    .composite =
        [](const Tensor& input, const Tensor& exponent) {
          return pow(input.to(DType::Float64), exponent.to(DType::Float64));
        },
}};
Tensor float_power(const Tensor& input, const Tensor& exponent) {
  return apply(float_power_op, input, exponent);
}
Tensor float_power_(const Tensor& input, const Tensor& exponent) {
  return apply_inplace(float_power_op, input, exponent);
}

CLEW_OP_PAGE(frac) = {{
    .name = "frac",
    .doc = R"(The fraction, with the sign of the number.

    y = x - trunc(x)

Args:
    input: any shape, floating.
Returns:
    Tensor of the shape of `input`.
Example:
    >>> clew.frac(clew.tensor([1.5, -2.25])).tolist()
    [0.5, -0.25])",
    .dtypes = kFloating,
    .composite =
        [](const Tensor& input) {
          CLEW_CHECK(is_floating(input.dtype()), DTypeError, "frac: expected a floating dtype, got ",
                     input.dtype());
          return input - trunc(input);
        },
}};
Tensor frac(const Tensor& input) { return apply(frac_op, input); }
Tensor frac_(const Tensor& input) { return apply_inplace(frac_op, input); }

#define CLEW_THREE_DOC(summary, formula, example)                                                         \
  summary                                                                                                 \
      "\n\n    y = " formula                                                                              \
      "\n\nArgs:\n    input, tensor1, tensor2: shapes that broadcast together.\n    value: a number; an " \
      "integer for integer tensors.\nReturns:\n    Tensor of the broadcast shape and promoted dtype.\n"   \
      "Raises:\n    clew.ShapeError: the shapes do not broadcast.\nExample:\n" example

CLEW_OP_PAGE(addcmul) = {{
    .name = "addcmul",
    .doc = CLEW_THREE_DOC(
        "Adds a product.", "input + value * tensor1 * tensor2",
        "    >>> clew.addcmul(clew.ones(1), clew.ones(1), clew.ones(1), value=2).tolist()\n    [3.0]"),
    .dtypes = kNumeric,
    .promote = Promote::Common,
    .inplace = true,
    .autocast = Autocast::Widest,
    .meta =
        [](const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, const Scalar& value) {
          check_real_value("addcmul", input, value);
          return three_meta("addcmul", input, tensor1, tensor2);
        },
    .kernel = &addcmul_kernel,
    .saves = kSavesNothing.input(1, grad_of(2)).input(2, grad_of(1)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor scaled = g * ctx.arg<Scalar>(3).to_double();
      return {ctx.needs(0) ? g : Tensor(), ctx.needs(1) ? scaled * ctx.input(2) : Tensor(),
              ctx.needs(2) ? scaled * ctx.input(1) : Tensor()};
    },
}};
Tensor addcmul(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, const Scalar& value) {
  return apply(addcmul_op, input, tensor1, tensor2, value);
}
Tensor addcmul_(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, const Scalar& value) {
  return apply_inplace(addcmul_op, input, tensor1, tensor2, value);
}

CLEW_OP_PAGE(addcdiv) = {{
    .name = "addcdiv",
    .doc = CLEW_THREE_DOC(
        "Adds a quotient.", "input + value * tensor1 / tensor2",
        "    >>> clew.addcdiv(clew.ones(1), clew.ones(1), clew.ones(1), value=2).tolist()\n    [3.0]"),
    .dtypes = kFloating,
    .promote = Promote::Common,
    .inplace = true,
    .autocast = Autocast::Widest,
    .meta = [](const Tensor& input, const Tensor& tensor1, const Tensor& tensor2,
               const Scalar&) { return three_meta("addcdiv", input, tensor1, tensor2); },
    .kernel = &addcdiv_kernel,
    .saves = kSavesNothing.input(1, grad_of(2)).input(2, grad_of(1) | grad_of(2)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      GradList out(3);
      if (ctx.needs(0)) out[0] = g;
      if (!ctx.needs(1) && !ctx.needs(2)) return out;
      const Tensor b = ctx.input(2);
      const Tensor scaled = g * ctx.arg<Scalar>(3).to_double() / b;
      if (ctx.needs(1)) out[1] = scaled;
      if (ctx.needs(2)) out[2] = neg(scaled * (ctx.input(1) / b));
      return out;
    },
}};
Tensor addcdiv(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, const Scalar& value) {
  return apply(addcdiv_op, input, tensor1, tensor2, value);
}
Tensor addcdiv_(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, const Scalar& value) {
  return apply_inplace(addcdiv_op, input, tensor1, tensor2, value);
}

// --- limits -----------------------------------------------------------------------------------------

namespace {

Tensor clamp_by_tensors(const Tensor& input, const std::optional<Tensor>& min,
                        const std::optional<Tensor>& max) {
  CLEW_CHECK(min || max, ValueError, "clamp: expected min or max or both, got neither");
  // NaN wins, in the input as in a limit, and nobody gets a gradient.
  Tensor y = where(isnan(input), input.detach(), input);
  auto limit = [&](const Tensor& at, const Tensor& beyond) {
    const Tensor none = isnan(at);
    y = where(none, at.detach(), where(beyond, at, y));
  };
  if (min) limit(*min, y < *min);
  if (max) limit(*max, y > *max);
  return y;
}

}  // namespace

CLEW_OP_PAGE(clamp_tensor) = {{
    .name = "clamp.tensor",
    .doc = R"(Limits each element to [min, max], limits given by element.

    y = min(max(x, min), max)

Args:
    input: any shape.
    min, max: tensors that broadcast with `input`, or None, not both None.
Returns:
    Tensor of the broadcast shape and promoted dtype.
Raises:
    ValueError: neither limit was given.
Example:
    >>> clew.clamp(clew.tensor([1.0, 5.0]), max=clew.tensor([2.0, 3.0])).tolist()
    [1.0, 3.0])",
    .composite = clamp_by_tensors,
}};
Tensor clamp(const Tensor& input, const std::optional<Tensor>& min, const std::optional<Tensor>& max) {
  return apply(clamp_tensor_op, input, min, max);
}
Tensor clamp_(const Tensor& input, const std::optional<Tensor>& min, const std::optional<Tensor>& max) {
  return apply_inplace(clamp_tensor_op, input, min, max);
}

CLEW_OP_PAGE(clamp_min) = {{
    .name = "clamp_min",
    .doc = R"(Limits each element from below.

    y = max(x, min)

Args:
    input: any shape.
    min: a number, or a tensor that broadcasts with `input`.
Returns:
    Tensor of the broadcast shape and promoted dtype.
Example:
    >>> clew.clamp_min(clew.tensor([-1.0, 5.0]), 0).tolist()
    [0.0, 5.0])",
    .composite = [](const Tensor& input,
                    const Tensor& min) { return clamp_by_tensors(input, min, std::nullopt); },
}};
Tensor clamp_min(const Tensor& input, const Tensor& min) { return apply(clamp_min_op, input, min); }
Tensor clamp_min_(const Tensor& input, const Tensor& min) { return apply_inplace(clamp_min_op, input, min); }

CLEW_OP_PAGE(clamp_max) = {{
    .name = "clamp_max",
    .doc = R"(Limits each element from above.

    y = min(x, max)

Args:
    input: any shape.
    max: a number, or a tensor that broadcasts with `input`.
Returns:
    Tensor of the broadcast shape and promoted dtype.
Example:
    >>> clew.clamp_max(clew.tensor([-1.0, 5.0]), 0).tolist()
    [-1.0, 0.0])",
    .composite = [](const Tensor& input,
                    const Tensor& max) { return clamp_by_tensors(input, std::nullopt, max); },
}};
Tensor clamp_max(const Tensor& input, const Tensor& max) { return apply(clamp_max_op, input, max); }
Tensor clamp_max_(const Tensor& input, const Tensor& max) { return apply_inplace(clamp_max_op, input, max); }

CLEW_OP_PAGE(round_decimals) = {{
    .name = "round.decimals",
    .doc = R"(Nearest number with so many decimals, halves to even; the gradient is 0.

    y = round(x * 10^decimals) / 10^decimals

Args:
    input: any shape, floating.
    decimals: how many; negative: digits before the point become 0.
Returns:
    Tensor of the shape of `input`.
Example:
    >>> clew.round(clew.tensor([1.25, 1.75]), decimals=1).tolist() == clew.tensor([1.2, 1.8]).tolist()
    True)",
    .dtypes = kFloating,
    .composite = [](const Tensor& input, int64_t decimals) -> Tensor {
      if (decimals == 0) return round(input);
      CLEW_CHECK(is_floating(input.dtype()), DTypeError,
                 "round: expected a floating dtype for decimals, got ", input.dtype());
      const double scale = std::pow(10.0, static_cast<double>(std::abs(decimals)));
      const double most = input.dtype() == DType::Float16 ? 65504.0 : 3.4e38;
      if (scale > most && input.dtype() != DType::Float64)
        return round(input.to(DType::Float64), decimals).to(input.dtype());
      return decimals > 0 ? round(input * scale) / scale : round(input / scale) * scale;
    },
}};
Tensor round(const Tensor& input, int64_t decimals) { return apply(round_decimals_op, input, decimals); }
Tensor round_(const Tensor& input, int64_t decimals) {
  return apply_inplace(round_decimals_op, input, decimals);
}

CLEW_OP_PAGE(logit) = {{
    .name = "logit",
    .doc = R"(Inverse of the logistic function.

    y = ln(z / (1 - z)), z = x limited to [eps, 1 - eps] if eps is given

Args:
    input: any shape; integers become the default floating dtype.
    eps: a number or None; without it, NaN outside of [0, 1].
Returns:
    Tensor of the shape of `input`.
Example:
    >>> clew.logit(clew.tensor([0.5])).tolist()
    [0.0])",
    .composite =
        [](const Tensor& input, std::optional<Scalar> eps) {
          const Tensor x = is_floating(input.dtype()) ? input : input.to(default_dtype());
          const Tensor z =
              eps ? clamp(x, std::optional<Scalar>(*eps), std::optional<Scalar>(1 - eps->to_double())) : x;
          return log(z / (1 - z));
        },
}};
Tensor logit(const Tensor& input, std::optional<Scalar> eps) { return apply(logit_op, input, eps); }
Tensor logit_(const Tensor& input, std::optional<Scalar> eps) { return apply_inplace(logit_op, input, eps); }

CLEW_OP_PAGE(nan_to_num) = {{
    .name = "nan_to_num",
    .doc = R"(Replaces NaN and infinities by numbers; the gradient there is 0.

Args:
    input: any shape.
    nan: what NaN becomes.
    posinf, neginf: what the infinities become; None: the dtype's greatest and smallest number.
Returns:
    Tensor of the shape of `input`.
Example:
    >>> clew.nan_to_num(clew.tensor([float('nan'), 1.0])).tolist()
    [0.0, 1.0])",
    .composite = [](const Tensor& input, double nan, std::optional<Scalar> posinf,
                    std::optional<Scalar> neginf) -> Tensor {
      if (!is_floating(input.dtype())) return clone(input);
      const double top = input.dtype() == DType::Float16    ? 65504.0
                         : input.dtype() == DType::BFloat16 ? 3.3895313892515355e38
                         : input.dtype() == DType::Float32  ? 3.4028234663852886e38
                                                            : 1.7976931348623157e308;
      const Tensor high = input == HUGE_VAL, low = input == -HUGE_VAL;
      const Tensor y = masked_fill(input, isnan(input), number(nan));
      return masked_fill(masked_fill(y, high, number(posinf.value_or(top))), low,
                         number(neginf.value_or(-top)));
    },
}};
Tensor nan_to_num(const Tensor& input, double nan, std::optional<Scalar> posinf,
                  std::optional<Scalar> neginf) {
  return apply(nan_to_num_op, input, nan, posinf, neginf);
}
Tensor nan_to_num_(const Tensor& input, double nan, std::optional<Scalar> posinf,
                   std::optional<Scalar> neginf) {
  return apply_inplace(nan_to_num_op, input, nan, posinf, neginf);
}

// --- one line of other ops --------------------------------------------------------------------------

#define CLEW_SHORT(id, doc_, ...)                                            \
  CLEW_OP_PAGE(id) = {{.name = #id, .doc = doc_, .composite = __VA_ARGS__}}; \
  Tensor id(const Tensor& input) { return apply(id##_op, input); }
#define CLEW_SHORT_TWIN(id) \
  Tensor id##_(const Tensor& input) { return apply_inplace(id##_op, input); }

CLEW_SHORT(rad2deg,
           CLEW_UNARY_DOC("Radians as degrees.", "x * 180 / pi",
                          "    >>> clew.rad2deg(clew.tensor([0.0])).tolist()\n    [0.0]"),
           [](const Tensor& input) { return input * (180.0 / kPi); })
CLEW_SHORT_TWIN(rad2deg)
CLEW_SHORT(deg2rad,
           CLEW_UNARY_DOC("Degrees as radians.", "x * pi / 180",
                          "    >>> clew.deg2rad(clew.tensor([0.0])).tolist()\n    [0.0]"),
           [](const Tensor& input) { return input * (kPi / 180.0); })
CLEW_SHORT_TWIN(deg2rad)

CLEW_SHORT(positive,
           "The tensor itself: unary plus.\n\nArgs:\n    input: any shape, numeric.\nReturns:\n    "
           "`input`.\nRaises:\n    clew.DTypeError: bool.\nExample:\n    >>> "
           "clew.positive(clew.tensor([-1])).tolist()\n    [-1]",
           [](const Tensor& input) -> Tensor {
             CLEW_CHECK(input.dtype() != kBool, DTypeError, "positive: expected a numeric dtype, got ",
                        input.dtype());
             return input;
           })
CLEW_SHORT(
    isposinf,
    "True where x is +infinity.\n\nArgs:\n    input: any shape.\nReturns:\n    bool tensor of the shape of "
    "`input`.\nExample:\n    >>> clew.isposinf(clew.tensor([float('inf'), 1.0])).tolist()\n    [True, False]",
    [](const Tensor& input) { return logical_and(isinf(input), input > 0); })
CLEW_SHORT(
    isneginf,
    "True where x is -infinity.\n\nArgs:\n    input: any shape.\nReturns:\n    bool tensor of the shape of "
    "`input`.\nExample:\n    >>> clew.isneginf(clew.tensor([float('inf'), 1.0])).tolist()\n    [False, "
    "False]",
    [](const Tensor& input) { return logical_and(isinf(input), input < 0); })
CLEW_SHORT(isreal,
           "True where x has no imaginary part: everywhere, for real dtypes.\n\nArgs:\n    input: any "
           "shape.\nReturns:\n    bool tensor of the shape of `input`.\nExample:\n    >>> "
           "clew.isreal(clew.tensor([1.0])).tolist()\n    [True]",
           [](const Tensor& input) { return ones_like(input, TensorOptions(kBool)); })
CLEW_SHORT(signbit,
           "True where the sign bit is set: below 0, and for -0.0.\n\nArgs:\n    input: any "
           "shape.\nReturns:\n    bool "
           "tensor of the shape of `input`.\nExample:\n    >>> clew.signbit(clew.tensor([-1.0, "
           "0.0])).tolist()\n    [True, False]",
           [](const Tensor& input) -> Tensor {
             if (!is_floating(input.dtype())) return input < 0;
             return copysign(ones_like(input.detach()), input.detach()) < 0;
           })
CLEW_SHORT(sinc,
           CLEW_UNARY_DOC("Normalised sine cardinal; 1 at 0.", "sin(pi x) / (pi x)",
                          "    >>> clew.sinc(clew.tensor([0.0])).tolist()\n    [1.0]"),
           [](const Tensor& input) {
             // At 0 a nearby point stands in, and the series 1 - z^2 / 6 is added for the derivatives.
             const Tensor z = input * kPi, zero = input == 0;
             const Tensor safe = masked_fill(z, zero, number(1.0));
             return where(zero, 1 - square(z) * (1.0 / 6), sin(safe) / safe);
           })

CLEW_OP_PAGE(isclose) = {{
    .name = "isclose",
    .doc = R"(True where two tensors are close.

    |input - other| <= atol + rtol * |other|, or both are equal

Args:
    input, other: shapes that broadcast together, of one dtype.
    rtol, atol: relative and absolute tolerance, >= 0.
    equal_nan: whether two NaN count as close.
Returns:
    bool tensor of the broadcast shape.
Raises:
    clew.DTypeError: different dtypes.
    ValueError: a negative tolerance.
Example:
    >>> clew.isclose(clew.tensor([1.0]), clew.tensor([1.0 + 1e-7])).tolist()
    [True])",
    .composite =
        [](const Tensor& input, const Tensor& other, double rtol, double atol, bool equal_nan) {
          CLEW_CHECK(input.dtype() == other.dtype(), DTypeError,
                     "isclose: expected tensors of one dtype, got ", input.dtype(), " and ", other.dtype(),
                     " (convert one with .to(dtype))");
          CLEW_CHECK(rtol >= 0, ValueError, "isclose: expected rtol >= 0, got ", rtol);
          CLEW_CHECK(atol >= 0, ValueError, "isclose: expected atol >= 0, got ", atol);
          Tensor close = input == other;
          if (equal_nan) close = logical_or(close, logical_and(isnan(input), isnan(other)));
          if (rtol == 0 && atol == 0) return close;
          // Integers are compared as float64, whose differences neither wrap nor widen the tolerance.
          const DType t = is_floating(input.dtype()) ? input.dtype() : DType::Float64;
          const Tensor a = input.detach().to(t), b = other.detach().to(t);
          const Tensor error = abs(a - b);
          return logical_or(close, logical_and(isfinite(error), error <= atol + abs(b * rtol)));
        },
}};
Tensor isclose(const Tensor& input, const Tensor& other, double rtol, double atol, bool equal_nan) {
  return apply(isclose_op, input, other, rtol, atol, equal_nan);
}

}  // namespace clew
