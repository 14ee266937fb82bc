// Elementwise ops: one result element from one element of each operand.
#include <cmath>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

TensorMeta same_meta(const Tensor& input) { return {input.sizes().vec(), input.dtype()}; }
TensorMeta square_meta(const Tensor& input) {
  return {input.sizes().vec(), input.dtype() == kBool ? kInt64 : input.dtype()};
}
TensorMeta bool_meta(const Tensor& input) { return {input.sizes().vec(), DType::Bool}; }

[[gnu::always_inline]] inline TensorMeta broadcast_meta(const char* op, const Tensor& a, const Tensor& b,
                                                        DType dtype) {
  if (a.sizes() == b.sizes()) return {a.sizes().vec(), dtype};
  return {broadcast_shapes(op, a.sizes(), b.sizes()), dtype};
}

Tensor number(double v) { return weak_scalar_tensor(v); }

// x where `condition`, else 0, without multiplying NaN or infinity by 0.
Tensor where_or_zero(const Tensor& condition, const Tensor& x) { return where(condition, x, number(0.0)); }

constexpr GradFn kZeroGrad = [](const Backward& ctx, const Tensor&) { return GradList(ctx.num_inputs()); };

}  // namespace

// A page for `y = f(x)`. `...` is the gradient formula; g is the incoming gradient.
#define CLEW_UNARY(id, sets, promotion, meta_fn, cast_policy, saves_, doc_, ...) \
  CLEW_OP_PAGE(id) = {{.name = #id,                                              \
                       .doc = doc_,                                              \
                       .dtypes = sets,                                           \
                       .promote = Promote::promotion,                            \
                       .inplace = true,                                          \
                       .autocast = Autocast::cast_policy,                        \
                       .meta = meta_fn,                                          \
                       .kernel = &id##_kernel,                                   \
                       .saves = saves_,                                          \
                       .grad = __VA_ARGS__}};                                    \
  Tensor id(const Tensor& input) { return apply(id##_op, input); }
#define CLEW_INPLACE_TWIN(id) \
  Tensor id##_(const Tensor& input) { return apply_inplace(id##_op, input); }

#define CLEW_GRAD(...) [](const Backward& ctx, const Tensor& g) -> GradList { return {__VA_ARGS__}; }
#define CLEW_UNARY_DOC(summary, formula, example) \
  summary                                         \
      "\n\n    y = " formula                      \
      "\n\nArgs:\n    input: any shape.\nReturns:\n    Tensor of the shape of `input`.\nExample:\n" example

static constexpr Saves kInput = kSavesNothing.input(0), kOutput = kSavesNothing.output();

CLEW_UNARY(neg, kNumeric, None, same_meta, None, kSavesNothing,
           CLEW_UNARY_DOC("Negates each element.", "-x",
                          "    >>> clew.neg(clew.tensor([1.0, -2.0])).tolist()\n    [-1.0, 2.0]"),
           CLEW_GRAD((void(ctx), neg(g))))
CLEW_INPLACE_TWIN(neg)

CLEW_UNARY(abs, kNumeric, None, same_meta, None, kInput,
           CLEW_UNARY_DOC("Absolute value; the gradient at 0 is 0.", "|x|",
                          "    >>> clew.abs(clew.tensor([1.0, -2.0])).tolist()\n    [1.0, 2.0]"),
           CLEW_GRAD(g* sign(ctx.input(0))))
CLEW_INPLACE_TWIN(abs)

CLEW_UNARY(exp, kFloating, Floating, same_meta, Float32, kOutput,
           CLEW_UNARY_DOC("Exponential.", "e^x", "    >>> clew.exp(clew.tensor([0.0])).tolist()\n    [1.0]"),
           CLEW_GRAD(g* ctx.output()))
CLEW_INPLACE_TWIN(exp)

CLEW_UNARY(log, kFloating, Floating, same_meta, Float32, kInput,
           CLEW_UNARY_DOC("Natural logarithm; NaN below 0.", "ln(x)",
                          "    >>> clew.log(clew.tensor([1.0])).tolist()\n    [0.0]"),
           CLEW_GRAD(g / ctx.input(0)))
CLEW_INPLACE_TWIN(log)

CLEW_UNARY(log1p, kFloating, Floating, same_meta, Float32, kInput,
           CLEW_UNARY_DOC("ln(1 + x), accurate near 0.", "ln(1 + x)",
                          "    >>> clew.log1p(clew.tensor([0.0])).tolist()\n    [0.0]"),
           CLEW_GRAD(g / (ctx.input(0) + 1)))
CLEW_INPLACE_TWIN(log1p)

CLEW_UNARY(expm1, kFloating, Floating, same_meta, Float32, kOutput,
           CLEW_UNARY_DOC("e^x - 1, accurate near 0.", "e^x - 1",
                          "    >>> clew.expm1(clew.tensor([0.0])).tolist()\n    [0.0]"),
           CLEW_GRAD(g*(ctx.output() + 1)))
CLEW_INPLACE_TWIN(expm1)

CLEW_UNARY(sqrt, kFloating, Floating, same_meta, None, kOutput,
           CLEW_UNARY_DOC("Square root; NaN below 0.", "sqrt(x)",
                          "    >>> clew.sqrt(clew.tensor([4.0])).tolist()\n    [2.0]"),
           CLEW_GRAD(g / (ctx.output() * 2)))
CLEW_INPLACE_TWIN(sqrt)

CLEW_UNARY(rsqrt, kFloating, Floating, same_meta, Float32, kOutput,
           CLEW_UNARY_DOC("Reciprocal of the square root.", "1 / sqrt(x)",
                          "    >>> clew.rsqrt(clew.tensor([4.0])).tolist()\n    [0.5]"),
           [](const Backward& ctx, const Tensor& g) -> GradList {
             const Tensor y = ctx.output();
             return {g * (y * y * y) * -0.5};
           })
CLEW_INPLACE_TWIN(rsqrt)

CLEW_UNARY(square, kAllDTypes, None, square_meta, None, kInput,
           CLEW_UNARY_DOC("Square; of bools, as int64.", "x * x",
                          "    >>> clew.square(clew.tensor([3.0])).tolist()\n    [9.0]"),
           CLEW_GRAD(g*(ctx.input(0) * 2)))
CLEW_INPLACE_TWIN(square)

CLEW_UNARY(reciprocal, kFloating, Floating, same_meta, Float32, kOutput,
           CLEW_UNARY_DOC("Reciprocal.", "1 / x",
                          "    >>> clew.reciprocal(clew.tensor([4.0])).tolist()\n    [0.25]"),
           [](const Backward& ctx, const Tensor& g) -> GradList {
             const Tensor y = ctx.output();
             return {neg(g * (y * y))};
           })
CLEW_INPLACE_TWIN(reciprocal)

CLEW_UNARY(sin, kFloating, Floating, same_meta, None, kInput,
           CLEW_UNARY_DOC("Sine of an angle in radians.", "sin(x)",
                          "    >>> clew.sin(clew.tensor([0.0])).tolist()\n    [0.0]"),
           CLEW_GRAD(g* cos(ctx.input(0))))
CLEW_INPLACE_TWIN(sin)

CLEW_UNARY(cos, kFloating, Floating, same_meta, None, kInput,
           CLEW_UNARY_DOC("Cosine of an angle in radians.", "cos(x)",
                          "    >>> clew.cos(clew.tensor([0.0])).tolist()\n    [1.0]"),
           CLEW_GRAD(neg(g* sin(ctx.input(0)))))
CLEW_INPLACE_TWIN(cos)

CLEW_UNARY(erf, kFloating, Floating, same_meta, Float32, kInput,
           CLEW_UNARY_DOC("Error function.", "2 / sqrt(pi) * integral of e^(-t^2) from 0 to x",
                          "    >>> clew.erf(clew.tensor([0.0])).tolist()\n    [0.0]"),
           [](const Backward& ctx, const Tensor& g) -> GradList {
             constexpr double kTwoOverSqrtPi = 1.1283791670955126;
             return {g * exp(neg(square(ctx.input(0)))) * kTwoOverSqrtPi};
           })
CLEW_INPLACE_TWIN(erf)

// Gradients below run as one kernel, unless the backward itself is recorded: then as ops that have gradients.

CLEW_UNARY(tanh, kFloating, Floating, same_meta, None, kOutput,
           CLEW_UNARY_DOC("Hyperbolic tangent.", "tanh(x)",
                          "    >>> clew.tanh(clew.tensor([0.0])).tolist()\n    [0.0]"),
           [](const Backward& ctx, const Tensor& g) -> GradList {
             const Tensor y = ctx.output();
             if (!is_grad_enabled()) return {pointwise_backward(g, y, "tanh")};
             return {g * (1 - y * y)};
           })
CLEW_INPLACE_TWIN(tanh)

CLEW_UNARY(sigmoid, kFloating, Floating, same_meta, None, kOutput,
           CLEW_UNARY_DOC("Logistic function.", "1 / (1 + e^(-x))",
                          "    >>> clew.sigmoid(clew.tensor([0.0])).tolist()\n    [0.5]"),
           [](const Backward& ctx, const Tensor& g) -> GradList {
             const Tensor y = ctx.output();
             if (!is_grad_enabled()) return {pointwise_backward(g, y, "sigmoid")};
             return {g * (y * (1 - y))};
           })
CLEW_INPLACE_TWIN(sigmoid)

CLEW_UNARY(relu, kNumeric, None, same_meta, None, kOutput,
           CLEW_UNARY_DOC("Rectified linear unit; the gradient at 0 is 0.", "max(x, 0)",
                          "    >>> clew.relu(clew.tensor([-1.0, 2.0])).tolist()\n    [0.0, 2.0]"),
           [](const Backward& ctx, const Tensor& g) -> GradList {
             const Tensor y = ctx.output();
             if (!is_grad_enabled()) return {pointwise_backward(g, y, "relu")};
             return {where_or_zero(logical_not(y <= 0), g)};
           })
CLEW_INPLACE_TWIN(relu)

CLEW_UNARY(silu, kFloating, Floating, same_meta, None, kInput,
           CLEW_UNARY_DOC("Sigmoid-weighted linear unit (swish).", "x * sigmoid(x)",
                          "    >>> clew.nn.functional.silu(clew.tensor([0.0])).tolist()\n    [0.0]"),
           [](const Backward& ctx, const Tensor& g) -> GradList {
             const Tensor x = ctx.input(0);
             if (!is_grad_enabled()) return {pointwise_backward(g, x, "silu")};
             const Tensor s = sigmoid(x);
             return {g * (s * (1 + x * (1 - s)))};
           })

CLEW_UNARY(sign, kAllDTypes, None, same_meta, None, kSavesNothing,
           CLEW_UNARY_DOC("-1, 0 or 1; the gradient is 0.", "sign(x)",
                          "    >>> clew.sign(clew.tensor([-3.0, 0.0])).tolist()\n    [-1.0, 0.0]"),
           kZeroGrad)
CLEW_INPLACE_TWIN(sign)
CLEW_UNARY(floor, kNumeric, None, same_meta, None, kSavesNothing,
           CLEW_UNARY_DOC("Largest integer not above x; the gradient is 0.", "floor(x)",
                          "    >>> clew.floor(clew.tensor([1.5])).tolist()\n    [1.0]"),
           kZeroGrad)
CLEW_INPLACE_TWIN(floor)
CLEW_UNARY(ceil, kNumeric, None, same_meta, None, kSavesNothing,
           CLEW_UNARY_DOC("Smallest integer not below x; the gradient is 0.", "ceil(x)",
                          "    >>> clew.ceil(clew.tensor([1.5])).tolist()\n    [2.0]"),
           kZeroGrad)
CLEW_INPLACE_TWIN(ceil)
CLEW_UNARY(round, kNumeric, None, same_meta, None, kSavesNothing,
           CLEW_UNARY_DOC("Nearest integer, halves to even; the gradient is 0.", "round(x)",
                          "    >>> clew.round(clew.tensor([2.5, 3.5])).tolist()\n    [2.0, 4.0]"),
           kZeroGrad)
CLEW_INPLACE_TWIN(round)
CLEW_UNARY(trunc, kNumeric, None, same_meta, None, kSavesNothing,
           CLEW_UNARY_DOC("Drops the fraction; the gradient is 0.", "trunc(x)",
                          "    >>> clew.trunc(clew.tensor([-1.5])).tolist()\n    [-1.0]"),
           kZeroGrad)
CLEW_INPLACE_TWIN(trunc)

CLEW_UNARY(isnan, kAllDTypes, None, bool_meta, None, kSavesNothing,
           CLEW_UNARY_DOC("True where x is NaN.", "x != x",
                          "    >>> clew.isnan(clew.tensor([float('nan'), 1.0])).tolist()\n    [True, False]"),
           kZeroGrad)
CLEW_UNARY(isinf, kAllDTypes, None, bool_meta, None, kSavesNothing,
           CLEW_UNARY_DOC("True where x is infinite.", "|x| == inf",
                          "    >>> clew.isinf(clew.tensor([float('inf'), 1.0])).tolist()\n    [True, False]"),
           kZeroGrad)
CLEW_UNARY(
    isfinite, kAllDTypes, None, bool_meta, None, kSavesNothing,
    CLEW_UNARY_DOC("True where x is neither infinite nor NaN.", "|x| < inf",
                   "    >>> clew.isfinite(clew.tensor([float('inf'), 1.0])).tolist()\n    [False, True]"),
    kZeroGrad)
CLEW_UNARY(logical_not, kAllDTypes, None, bool_meta, None, kSavesNothing,
           CLEW_UNARY_DOC("True where x is 0.", "x == 0",
                          "    >>> clew.logical_not(clew.tensor([0, 2])).tolist()\n    [True, False]"),
           kZeroGrad)
CLEW_UNARY(bitwise_not, kIntegers | kBooleans, None, same_meta, None, kSavesNothing,
           CLEW_UNARY_DOC("Flips every bit; of bool, logical not.", "~x",
                          "    >>> clew.bitwise_not(clew.tensor([0, 1])).tolist()\n    [-1, -2]"),
           kZeroGrad)
CLEW_INPLACE_TWIN(bitwise_not)

#undef CLEW_UNARY
#undef CLEW_UNARY_DOC

// --- unary with parameters -----------------------------------------------------------------------

CLEW_OP_PAGE(gelu) = {{
    .name = "gelu",
    .doc = "Gaussian error linear unit.\n\n    y = x * Phi(x), Phi the normal distribution function; with "
           "approximate='tanh'\n"
           "    y = 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))\n\n"
           "Args:\n    input: any shape, floating.\n    approximate: 'none' or 'tanh'.\nReturns:\n    Tensor "
           "of the shape of `input`.\n"
           "Raises:\n    ValueError: `approximate` is something else.\n"
           "Reference:\n    Hendrycks, Gimpel. Gaussian Error Linear Units. 2016. arXiv:1606.08415.\n"
           "Example:\n    >>> clew.nn.functional.gelu(clew.tensor([0.0])).tolist()\n    [0.0]",
    .dtypes = kFloating,
    .promote = Promote::Floating,
    .inplace = true,
    .meta =
        [](const Tensor& input, std::string_view approximate) {
          CLEW_CHECK(approximate == "none" || approximate == "tanh", ValueError,
                     "gelu: expected approximate 'none' or 'tanh', got '", approximate, "'");
          return same_meta(input);
        },
    .kernel = &gelu_kernel,
    .saves = kInput,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor x = ctx.input(0);
      const bool by_tanh = ctx.arg<std::string_view>(1) == "tanh";
      if (!is_grad_enabled()) return {pointwise_backward(g, x, by_tanh ? "gelu_tanh" : "gelu")};
      if (by_tanh) {
        constexpr double kBeta = 0.7978845608028654, kCubic = 0.044715;
        const Tensor x2 = square(x);
        const Tensor t = tanh(x * (1 + x2 * kCubic) * kBeta);
        return {g * (0.5 * (1 + t) + 0.5 * x * (1 - square(t)) * (1 + x2 * (3 * kCubic)) * kBeta)};
      }
      constexpr double kInvSqrt2 = 0.7071067811865476, kInvSqrt2Pi = 0.3989422804014327;
      return {g * (0.5 * (1 + erf(x * kInvSqrt2)) + x * exp(square(x) * -0.5) * kInvSqrt2Pi)};
    },
}};
Tensor gelu(const Tensor& input, std::string_view approximate) { return apply(gelu_op, input, approximate); }

CLEW_OP_PAGE(leaky_relu) = {{
    .name = "leaky_relu",
    .doc = "Rectified linear unit with a slope below 0.\n\n    y = x if x > 0 else negative_slope * x\n\n"
           "Args:\n    input: any shape, floating.\n    negative_slope: the slope.\nReturns:\n    Tensor of "
           "the shape of `input`.\n"
           "Example:\n    >>> clew.nn.functional.leaky_relu(clew.tensor([-2.0]), 0.5).tolist()\n    [-1.0]",
    .dtypes = kFloating,
    .inplace = true,
    .meta = [](const Tensor& input, double) { return same_meta(input); },
    .kernel = &leaky_relu_kernel,
    .saves = kInput,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor x = ctx.input(0);
      const double slope = ctx.arg<double>(1);
      if (!is_grad_enabled()) return {pointwise_backward(g, x, "leaky_relu", slope)};
      return {where(x > 0, g, g * slope)};
    },
}};
Tensor leaky_relu(const Tensor& input, double negative_slope) {
  return apply(leaky_relu_op, input, negative_slope);
}

CLEW_OP_PAGE(clamp) = {{
    .name = "clamp",
    .doc = "Limits each element to [min, max]; the gradient is 1 inside and at the limits, 0 outside.\n\n    "
           "y = min(max(x, min), max)\n\n"
           "Args:\n    input: any shape.\n    min, max: numbers or None, not both None.\nReturns:\n    "
           "Tensor of the shape of `input`.\n"
           "Raises:\n    ValueError: neither limit was given.\nExample:\n    >>> "
           "clew.clamp(clew.tensor([-1.0, 5.0]), 0, 2).tolist()\n    [0.0, 2.0]",
    .dtypes = kNumeric,
    .inplace = true,
    .meta =
        [](const Tensor& input, std::optional<Scalar> min, std::optional<Scalar> max) {
          CLEW_CHECK(min || max, ValueError, "clamp: expected min or max or both, got neither");
          const bool widens = !is_differentiable(input.dtype()) &&
                              ((min && min->is_floating()) || (max && max->is_floating()));
          return TensorMeta{input.sizes().vec(), widens ? default_dtype() : input.dtype()};
        },
    .kernel = &clamp_kernel,
    .saves = kInput,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor x = ctx.input(0);
      const auto min = ctx.arg<std::optional<Scalar>>(1), max = ctx.arg<std::optional<Scalar>>(2);
      const double lo = min ? min->to_double() : -INFINITY, hi = max ? max->to_double() : INFINITY;
      if (!is_grad_enabled()) return {pointwise_backward(g, x, "clamp", lo, hi)};
      return {where_or_zero(logical_and(x >= lo, x <= hi), g)};
    },
}};
Tensor clamp(const Tensor& input, std::optional<Scalar> min, std::optional<Scalar> max) {
  return apply(clamp_op, input, min, max);
}
Tensor clamp_(const Tensor& input, std::optional<Scalar> min, std::optional<Scalar> max) {
  return apply_inplace(clamp_op, input, min, max);
}

CLEW_OP_PAGE(pointwise_backward) = {{
    .name = "pointwise_backward",
    .doc = "The gradient of an elementwise function in one kernel.\n\nArgs:\n    grad_output: any shape, "
           "floating.\n"
           "    saved: the function's input or output, same shape.\n    function: 'tanh', 'sigmoid', 'relu', "
           "'silu', 'gelu', 'gelu_tanh', 'leaky_relu', 'clamp'.\n"
           "    p0, p1: the function's parameters.\nReturns:\n    Tensor of the same shape.",
    .dtypes = kFloating,
    .promote = Promote::Common,
    .meta =
        [](const Tensor& grad_output, const Tensor& saved, std::string_view, double, double) {
          return broadcast_meta("pointwise_backward", grad_output, saved, grad_output.dtype());
        },
    .kernel = &pointwise_backward_kernel,
    .not_differentiable = "it is used only where no second derivative is recorded",
}};
Tensor pointwise_backward(const Tensor& grad_output, const Tensor& saved, std::string_view function,
                          double p0, double p1) {
  return apply(pointwise_backward_op, grad_output, saved, function, p0, p1);
}

// --- binary --------------------------------------------------------------------------------------

#define CLEW_BINARY_ARGS                                                                                     \
  "Args:\n    input, other: shapes that broadcast together; `other` may be a number.\nReturns:\n    Tensor " \
  "of the broadcast shape and promoted dtype.\nRaises:\n    clew.ShapeError: the shapes do not broadcast.\n"

namespace {
[[gnu::noinline]] void check_unusual_alpha(const char* op, const Tensor& input, const Scalar& alpha) {
  CLEW_CHECK(!alpha.is_floating() || is_differentiable(input.dtype()), DTypeError, op,
             ": expected an integer alpha for dtype ", input.dtype(), ", got ", alpha);
  CLEW_CHECK(input.dtype() != kBool || alpha.equals(1) || alpha.kind() == Scalar::Kind::Bool, DTypeError, op,
             ": expected a bool alpha, or 1, for dtype bool, got ", alpha);
}
[[gnu::always_inline]] inline void check_alpha(const char* op, const Tensor& input, const Scalar& alpha) {
  if (CLEW_UNLIKELY(alpha.kind() != Scalar::Kind::Int || input.dtype() == kBool))
    check_unusual_alpha(op, input, alpha);
}
}  // namespace

CLEW_OP_PAGE(add) = {{
    .name = "add",
    .doc = "Adds, scaling the second operand.\n\n    y = input + alpha * other\n\n" CLEW_BINARY_ARGS
           "Example:\n    >>> clew.add(clew.tensor([1.0, 2.0]), 1).tolist()\n    [2.0, 3.0]",
    .dtypes = kAllDTypes,
    .promote = Promote::Common,
    .inplace = true,
    .autocast = Autocast::Widest,
    .meta =
        [](const Tensor& input, const Tensor& other, const Scalar& alpha) {
          check_alpha("add", input, alpha);
          return broadcast_meta("add", input, other, input.dtype());
        },
    .kernel = &add_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Scalar alpha = ctx.arg<Scalar>(2);
      return {g, !ctx.needs(1) ? Tensor() : alpha.equals(1) ? g : g * alpha.to_double()};
    },
}};
Tensor add(const Tensor& input, const Tensor& other, const Scalar& alpha) {
  return apply(add_op, input, other, alpha);
}
Tensor add_(const Tensor& input, const Tensor& other, const Scalar& alpha) {
  return apply_inplace(add_op, input, other, alpha);
}

CLEW_OP_PAGE(sub) = {{
    .name = "sub",
    .doc = "Subtracts, scaling the second operand.\n\n    y = input - alpha * other\n\n" CLEW_BINARY_ARGS
           "Example:\n    >>> clew.sub(clew.tensor([1.0, 2.0]), 1).tolist()\n    [0.0, 1.0]",
    .dtypes = kNumeric,
    .promote = Promote::Common,
    .inplace = true,
    .autocast = Autocast::Widest,
    .meta =
        [](const Tensor& input, const Tensor& other, const Scalar& alpha) {
          check_alpha("sub", input, alpha);
          return broadcast_meta("sub", input, other, input.dtype());
        },
    .kernel = &sub_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Scalar alpha = ctx.arg<Scalar>(2);
      return {g, !ctx.needs(1) ? Tensor() : alpha.equals(1) ? neg(g) : g * -alpha.to_double()};
    },
}};
Tensor sub(const Tensor& input, const Tensor& other, const Scalar& alpha) {
  return apply(sub_op, input, other, alpha);
}
Tensor sub_(const Tensor& input, const Tensor& other, const Scalar& alpha) {
  return apply_inplace(sub_op, input, other, alpha);
}

// A page for a broadcasting `y = f(a, b)`.
#define CLEW_BINARY(id, sets, promotion, result, direct, cast_policy, saves_, doc_, ...)      \
  CLEW_OP_PAGE(id) = {                                                                        \
      {.name = #id,                                                                           \
       .doc = doc_,                                                                           \
       .dtypes = sets,                                                                        \
       .promote = Promote::promotion,                                                         \
       .inplace = direct,                                                                     \
       .autocast = Autocast::cast_policy,                                                     \
       .meta = [](const Tensor& input,                                                        \
                  const Tensor& other) { return broadcast_meta(#id, input, other, result); }, \
       .kernel = &id##_kernel,                                                                \
       .saves = saves_,                                                                       \
       .grad = __VA_ARGS__}};                                                                 \
  Tensor id(const Tensor& input, const Tensor& other) { return apply(id##_op, input, other); }
#define CLEW_BINARY_TWIN(id) \
  Tensor id##_(const Tensor& input, const Tensor& other) { return apply_inplace(id##_op, input, other); }
#define CLEW_BINARY_DOC(summary, formula, example) \
  summary "\n\n    y = " formula "\n\n" CLEW_BINARY_ARGS "Example:\n" example

// Each factor is read only for the other's gradient.
static constexpr Saves kFactors = kSavesNothing.input(0, grad_of(1)).input(1, grad_of(0));
static constexpr Saves kBoth = kSavesNothing.input(0).input(1);

CLEW_BINARY(mul, kAllDTypes, Common, input.dtype(), true, Widest, kFactors,
            CLEW_BINARY_DOC("Multiplies.", "input * other",
                            "    >>> clew.mul(clew.tensor([1.0, 2.0]), 3).tolist()\n    [3.0, 6.0]"),
            CLEW_GRAD(ctx.needs(0) ? g* ctx.input(1) : Tensor(), ctx.needs(1) ? g* ctx.input(0) : Tensor()))
CLEW_BINARY_TWIN(mul)

CLEW_BINARY(true_divide, kFloating, Floating, input.dtype(), true, Widest,
            kSavesNothing.input(0, grad_of(1)).input(1),
            CLEW_BINARY_DOC("Divides; of integers the result is floating.", "input / other",
                            "    >>> clew.true_divide(clew.tensor([1, 2]), 2).tolist()\n    [0.5, 1.0]"),
            [](const Backward& ctx, const Tensor& g) -> GradList {
              const Tensor b = ctx.input(1);
              const Tensor ga = g / b;
              return {ctx.needs(0) ? ga : Tensor(), ctx.needs(1) ? neg(ga * (ctx.input(0) / b)) : Tensor()};
            })
CLEW_BINARY_TWIN(true_divide)

CLEW_BINARY(
    trunc_divide, kNumeric, Common, input.dtype(), true, Widest, kSavesNothing,
    CLEW_BINARY_DOC("Divides and drops the fraction; the gradient is 0.", "trunc(input / other)",
                    "    >>> clew.div(clew.tensor([-3, 3]), 2, rounding_mode='trunc').tolist()\n    [-1, 1]"),
    kZeroGrad)
CLEW_BINARY(floor_divide, kNumeric, Common, input.dtype(), true, Widest, kSavesNothing,
            CLEW_BINARY_DOC("Divides and rounds down, as Python's //; the gradient is 0.",
                            "floor(input / other)",
                            "    >>> clew.floor_divide(clew.tensor([-3, 3]), 2).tolist()\n    [-2, 1]"),
            kZeroGrad)
CLEW_BINARY_TWIN(floor_divide)

CLEW_OP_PAGE(div) = {{
    .name = "div",
    .doc = "Divides.\n\n    y = input / other, rounded as asked\n\n" CLEW_BINARY_ARGS
           "    ValueError: `rounding_mode` is not None, 'trunc' or 'floor'.\n"
           "Example:\n    >>> clew.div(clew.tensor([1.0, 3.0]), 2, rounding_mode='floor').tolist()\n    "
           "[0.0, 1.0]",
    .composite = [](const Tensor& input, const Tensor& other,
                    std::optional<std::string_view> rounding_mode) -> Tensor {
      if (!rounding_mode) return true_divide(input, other);
      if (*rounding_mode == "floor") return floor_divide(input, other);
      CLEW_CHECK(*rounding_mode == "trunc", ValueError,
                 "div: expected rounding_mode None, 'trunc' or 'floor', got '", *rounding_mode, "'");
      return trunc_divide(input, other);
    },
}};
Tensor div(const Tensor& input, const Tensor& other, std::optional<std::string_view> rounding_mode) {
  return apply(div_op, input, other, rounding_mode);
}
Tensor div_(const Tensor& input, const Tensor& other, std::optional<std::string_view> rounding_mode) {
  return apply_inplace(div_op, input, other, rounding_mode);
}

CLEW_BINARY(remainder, kNumeric, Common, input.dtype(), true, Widest,
            kSavesNothing.input(0, grad_of(1)).input(1, grad_of(1)),
            CLEW_BINARY_DOC("Remainder with the sign of the divisor, as Python's %.",
                            "input - other * floor(input / other)",
                            "    >>> clew.remainder(clew.tensor([-3.0, 3.0]), 2).tolist()\n    [1.0, 1.0]"),
            CLEW_GRAD(g, ctx.needs(1) ? neg(g* floor(ctx.input(0) / ctx.input(1))) : Tensor()))
CLEW_BINARY_TWIN(remainder)
CLEW_BINARY(fmod, kNumeric, Common, input.dtype(), true, Widest,
            kSavesNothing.input(0, grad_of(1)).input(1, grad_of(1)),
            CLEW_BINARY_DOC("Remainder with the sign of the dividend, as C's fmod.",
                            "input - other * trunc(input / other)",
                            "    >>> clew.fmod(clew.tensor([-3.0, 3.0]), 2).tolist()\n    [-1.0, 1.0]"),
            CLEW_GRAD(g, ctx.needs(1) ? neg(g* trunc(ctx.input(0) / ctx.input(1))) : Tensor()))
CLEW_BINARY_TWIN(fmod)

// Equal operands share the gradient.
#define CLEW_EXTREMUM_GRAD(symbol)                                                     \
  [](const Backward& ctx, const Tensor& g) -> GradList {                               \
    const Tensor a = ctx.input(0), b = ctx.input(1);                                   \
    const Tensor shared = where(a == b, g * 0.5, g);                                   \
    return {ctx.needs(0) ? where_or_zero(logical_not(b symbol a), shared) : Tensor(),  \
            ctx.needs(1) ? where_or_zero(logical_not(a symbol b), shared) : Tensor()}; \
  }
CLEW_BINARY(maximum, kAllDTypes, Common, input.dtype(), true, Widest, kBoth,
            CLEW_BINARY_DOC(
                "The larger of two elements; NaN if either is. Equal elements share the gradient.",
                "max(input, other)",
                "    >>> clew.maximum(clew.tensor([1.0, 4.0]), clew.tensor(2.0)).tolist()\n    [2.0, 4.0]"),
            CLEW_EXTREMUM_GRAD(>))
CLEW_BINARY(minimum, kAllDTypes, Common, input.dtype(), true, Widest, kBoth,
            CLEW_BINARY_DOC(
                "The smaller of two elements; NaN if either is. Equal elements share the gradient.",
                "min(input, other)",
                "    >>> clew.minimum(clew.tensor([1.0, 4.0]), clew.tensor(2.0)).tolist()\n    [1.0, 2.0]"),
            CLEW_EXTREMUM_GRAD(<))
#undef CLEW_EXTREMUM_GRAD

CLEW_OP_PAGE(pow) = {{
    .name = "pow",
    .doc = "Raises to a power.\n\n    y = input ** exponent\n\nArgs:\n    input, exponent: shapes that "
           "broadcast together; either may be a number.\n"
           "Returns:\n    Tensor of the broadcast shape and promoted dtype.\nRaises:\n    clew.ShapeError: "
           "the shapes do not broadcast.\n"
           "    ValueError: integers to a negative power.\nExample:\n    >>> clew.pow(clew.tensor([2.0, "
           "3.0]), 2).tolist()\n    [4.0, 9.0]",
    .dtypes = kNumeric,
    .promote = Promote::Common,
    .inplace = true,
    .autocast = Autocast::Float32,
    .meta = [](const Tensor& input,
               const Tensor& exponent) { return broadcast_meta("pow", input, exponent, input.dtype()); },
    .kernel = &pow_kernel,
    .saves = kSavesNothing.input(0).input(1).output(),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor x = ctx.input(0), p = ctx.input(1);
      Tensor gx, gp;
      if (ctx.needs(0)) {
        if (p.body()->weak_scalar) {
          const double e = p.item().to_double();
          gx = e == 2 ? g * (x * 2) : e == 0 ? Tensor() : g * (pow(x, number(e - 1)) * e);
        } else {
          gx = where_or_zero(p != 0, g * (p * pow(x, p - 1)));
        }
      }
      // x^p ln x, and 0 for 0^p with p >= 0, where ln 0 would give NaN.
      if (ctx.needs(1))
        gp = g * where_or_zero(logical_not(logical_and(x == 0, p >= 0)), ctx.output() * log(x));
      return {gx, gp};
    },
}};
// A tensor of negative exponents is taken as it comes: most powers round to 0.
static void check_exponent(const Tensor& input, const Tensor& exponent) {
  if (CLEW_LIKELY(!exponent.body()->weak_scalar || is_differentiable(input.dtype()))) return;
  CLEW_CHECK(is_floating(exponent.dtype()) || exponent.item<int64_t>() >= 0, ValueError,
             "pow: expected exponents >= 0 for dtype ", input.dtype(), ", got ", exponent.item<int64_t>(),
             " (convert to a floating dtype)");
}
Tensor pow(const Tensor& input, const Tensor& exponent) {
  check_exponent(input, exponent);
  return apply(pow_op, input, exponent);
}
Tensor pow_(const Tensor& input, const Tensor& exponent) {
  check_exponent(input, exponent);
  return apply_inplace(pow_op, input, exponent);
}

#define CLEW_COMPARISON(id, symbol)                                                               \
  CLEW_BINARY(id, kAllDTypes, Common, DType::Bool, false, Widest, kSavesNothing,                  \
              CLEW_BINARY_DOC("Compares elements.", "input " symbol " other, as bool",            \
                              "    >>> clew." #id                                                 \
                              "(clew.tensor([1, 2]), clew.tensor([1, 2])).dtype\n    clew.bool"), \
              kZeroGrad)
CLEW_COMPARISON(eq, "==")
CLEW_COMPARISON(ne, "!=")
CLEW_COMPARISON(lt, "<")
CLEW_COMPARISON(le, "<=")
CLEW_COMPARISON(gt, ">")
CLEW_COMPARISON(ge, ">=")
CLEW_COMPARISON(logical_and, "and")
CLEW_COMPARISON(logical_or, "or")
CLEW_COMPARISON(logical_xor, "xor")
#undef CLEW_COMPARISON

#define CLEW_BITWISE(id, symbol)                                                                         \
  CLEW_BINARY(                                                                                           \
      id, kIntegers | kBooleans, Common, input.dtype(), true, None, kSavesNothing,                       \
      CLEW_BINARY_DOC("Combines bits; of bools, truth values.", "input " symbol " other",                \
                      "    >>> clew." #id "(clew.tensor([6]), clew.tensor([6])).dtype\n    clew.int64"), \
      kZeroGrad)                                                                                         \
  CLEW_BINARY_TWIN(id)
CLEW_BITWISE(bitwise_and, "&")
CLEW_BITWISE(bitwise_or, "|")
CLEW_BITWISE(bitwise_xor, "^")
#undef CLEW_BITWISE
#undef CLEW_BINARY
#undef CLEW_BINARY_TWIN
#undef CLEW_BINARY_DOC
#undef CLEW_BINARY_ARGS

// --- ternary -------------------------------------------------------------------------------------

CLEW_OP_PAGE(lerp) = {{
    .name = "lerp",
    .doc = "Interpolates linearly.\n\n    y = input + weight * (end - input)\n\nArgs:\n    input, end, "
           "weight: shapes that broadcast together, floating; "
           "`weight` may be a number.\nReturns:\n    Tensor of the broadcast shape.\nRaises:\n    "
           "clew.ShapeError: the shapes do not broadcast.\n"
           "Example:\n    >>> clew.lerp(clew.tensor([0.0]), clew.tensor([4.0]), 0.25).tolist()\n    [1.0]",
    .dtypes = kFloating,
    .promote = Promote::Common,
    .inplace = true,
    .meta =
        [](const Tensor& input, const Tensor& end, const Tensor& weight) {
          const Shape ab = broadcast_shapes("lerp", input.sizes(), end.sizes());
          return TensorMeta{broadcast_shapes("lerp", ab, weight.sizes()), input.dtype()};
        },
    .kernel = &lerp_kernel,
    .saves = kSavesNothing.input(0, grad_of(2)).input(1, grad_of(2)).input(2, grad_of(0) | grad_of(1)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {ctx.needs(0) ? g * (1 - ctx.input(2)) : Tensor(), ctx.needs(1) ? g * ctx.input(2) : Tensor(),
              ctx.needs(2) ? g * (ctx.input(1) - ctx.input(0)) : Tensor()};
    },
}};
Tensor lerp(const Tensor& input, const Tensor& end, const Tensor& weight) {
  return apply(lerp_op, input, end, weight);
}
Tensor lerp_(const Tensor& input, const Tensor& end, const Tensor& weight) {
  return apply_inplace(lerp_op, input, end, weight);
}

CLEW_OP_PAGE(where) = {{
    .name = "where",
    .doc = "Chooses elements.\n\n    y = input where condition, else other\n\nArgs:\n    condition: bool.\n  "
           "  input, other: tensors or numbers; "
           "all three shapes broadcast together.\nReturns:\n    Tensor of the broadcast shape and of the "
           "promoted dtype of `input` and `other`.\n"
           "Raises:\n    clew.DTypeError: `condition` is not bool.\n    clew.ShapeError: the shapes do not "
           "broadcast.\n"
           "Example:\n    >>> clew.where(clew.tensor([True, False]), 1.0, 2.0).tolist()\n    [1.0, 2.0]",
    .dtypes = kAllDTypes,
    .promote = Promote::Common,
    .promote_slots = 0b110,
    .autocast = Autocast::Widest,
    .meta =
        [](const Tensor& condition, const Tensor& input, const Tensor& other) {
          CLEW_CHECK(condition.dtype() == kBool, DTypeError,
                     "where: expected a condition of dtype bool, got ", condition.dtype(),
                     " (compare it with 0)");
          const Shape ab = broadcast_shapes("where", input.sizes(), other.sizes());
          return TensorMeta{broadcast_shapes("where", condition.sizes(), ab), input.dtype()};
        },
    .kernel = &where_kernel,
    .saves = kSavesNothing.input(0),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor c = ctx.input(0);
      return {Tensor(), ctx.needs(1) ? where_or_zero(c, g) : Tensor(),
              ctx.needs(2) ? where(c, number(0.0), g) : Tensor()};
    },
}};
Tensor where(const Tensor& condition, const Tensor& input, const Tensor& other) {
  return apply(where_op, condition, input, other);
}

CLEW_OP_PAGE(where_condition) = {{
    .name = "where.condition",
    .doc = "Where the elements that are not 0 stand, an index tensor per dimension.\n\nArgs:\n    condition: "
           "shape (d1, ..., dk).\nReturns:\n    k int64 tensors of one length, as x[indices] takes "
           "them.\nExample:\n"
           "    >>> clew.where(clew.tensor([0, 2, 3]))[0].tolist()\n    [1, 2]",
    .composite =
        [](const Tensor& condition) {
          const Tensor c = condition.dim() == 0 ? unsqueeze(condition, 0) : condition;
          return unbind(nonzero(c), 1);
        },
}};
TensorList where(const Tensor& condition) { return ::clew::apply(where_condition_op, condition); }

#undef CLEW_GRAD
#undef CLEW_INPLACE_TWIN

}  // namespace clew
