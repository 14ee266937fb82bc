// Variance and standard deviation.
#include <algorithm>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "ops/reduce_parts.h"
#include "registry/slots.h"

namespace clew {

using namespace reduce_detail;

namespace {

TensorMeta var_meta(const Tensor& input, Dims dim, std::optional<Scalar>, bool keepdim) {
  return {reduced("var", input, dim, keepdim), input.dtype()};
}
TensorMeta std_meta(const Tensor& input, Dims dim, std::optional<Scalar>, bool keepdim) {
  return {reduced("std", input, dim, keepdim), input.dtype()};
}
/// d var / dx = 2 (x - mean) / (n - correction)
Tensor var_grad_of(const char* op, const Backward& ctx, const Tensor& g) {
  const Tensor input = ctx.input(0);
  const Dims dim = ctx.arg<Dims>(1);
  const double n = static_cast<double>(reduced_count(input.sizes(), dim_mask(op, dim, input.dim())));
  const double freedom = std::max(0.0, n - ctx.arg<std::optional<Scalar>>(2).value_or(1).to_double());
  const Tensor grad = restored(op, g, input.sizes(), dim, ctx.arg<bool>(3));
  return (grad * (2.0 / freedom)) * (input - mean(input, dim, true));
}

}  // namespace

CLEW_OP_PAGE(var) = {{
    .name = "var",
    .doc = R"(Variance over dimensions.

    y = sum((x - mean(x))^2) / (n - correction)

Args:
    input: shape (*), floating.
    dim: dimensions to reduce; None: all.
    correction: 1 (also None) for the unbiased estimate, 0 for the biased one.
    keepdim: keep the reduced dimensions with size 1.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions.
Raises:
    clew.DTypeError: `input` is not floating.
Reference:
    Chan, Golub, LeVeque. Updating formulae and a pairwise algorithm for computing sample variances. 1979.
Example:
    >>> clew.tensor([1.0, 3.0]).var().item()
    2.0)",
    .dtypes = kFloating,
    .meta = var_meta,
    .kernel = &var_kernel,
    .saves = kSavesNothing.input(0),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList { return {var_grad_of("var", ctx, g)}; },
}};
Tensor var(const Tensor& input, Dims dim, std::optional<Scalar> correction, bool keepdim) {
  return apply(var_op, input, dim, correction, keepdim);
}

CLEW_OP_PAGE(var_unbiased) = {{
    .name = "var.unbiased",
    .doc = R"(Variance of all elements, in the older spelling.

Args:
    input: shape (*), floating.
    unbiased: True is correction=1, False is correction=0.
Returns:
    0-dim tensor.
Example:
    >>> clew.tensor([1.0, 3.0]).var(False).item()
    1.0)",
    .dtypes = kFloating,
    .composite = [](const Tensor& input,
                    bool unbiased) { return var(input, std::nullopt, unbiased ? Scalar(1) : Scalar(0)); },
}};
Tensor var(const Tensor& input, bool unbiased) { return apply(var_unbiased_op, input, unbiased); }

CLEW_OP_PAGE(std) = {{
    .name = "std",
    .doc = R"(Standard deviation over dimensions: the square root of var.

Args:
    input: shape (*), floating.
    dim: dimensions to reduce; None: all.
    correction: 1 for the unbiased variance, 0 for the biased one.
    keepdim: keep the reduced dimensions with size 1.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions. The gradient at 0 is 0.
Raises:
    clew.DTypeError: `input` is not floating.
Example:
    >>> clew.tensor([1.0, 1.0]).std().item()
    0.0)",
    .dtypes = kFloating,
    .meta = std_meta,
    .kernel = &std_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor output = ctx.output();
      const Tensor zero = weak_scalar_tensor(0);
      return {var_grad_of("std", ctx, masked_fill(g / (output * 2), eq(output, zero), zero))};
    },
}};
Tensor std(const Tensor& input, Dims dim, std::optional<Scalar> correction, bool keepdim) {
  return apply(std_op, input, dim, correction, keepdim);
}

CLEW_OP_PAGE(std_unbiased) = {{
    .name = "std.unbiased",
    .doc = R"(Standard deviation of all elements, in the older spelling.

Args:
    input: shape (*), floating.
    unbiased: True is correction=1, False is correction=0.
Returns:
    0-dim tensor.
Example:
    >>> clew.tensor([1.0, 3.0]).std(False).item()
    1.0)",
    .dtypes = kFloating,
    .composite = [](const Tensor& input,
                    bool unbiased) { return std(input, std::nullopt, unbiased ? Scalar(1) : Scalar(0)); },
}};
Tensor std(const Tensor& input, bool unbiased) { return apply(std_unbiased_op, input, unbiased); }

#define CLEW_WITH_MEAN(id, function, word)                                                                \
  CLEW_OP_PAGE(id) = {{                                                                                   \
      .name = #id,                                                                                        \
      .doc = word                                                                                         \
      " and mean over dimensions.\n\nArgs:\n    input: shape (*), floating.\n    dim: dimensions to "     \
      "reduce; None: all.\n    correction: 1 for the unbiased estimate, 0 for the biased one.\n    "      \
      "keepdim: keep them with size 1.\nReturns:\n    (" #function                                        \
      ", mean): each without (or with size 1 "                                                            \
      "at) the reduced dimensions.\nExample:\n    >>> [y.item() for y in clew." #id                       \
      "(clew.tensor([1.0, 3.0]), correction=0)]\n    [1.0, 2.0]",                                         \
      .dtypes = kFloating,                                                                                \
      .composite =                                                                                        \
          [](const Tensor& input, Dims dim, std::optional<Scalar> correction, bool keepdim) {             \
            return Tensor2{function(input, dim, correction, keepdim), mean(input, dim, keepdim)};         \
          },                                                                                              \
  }};                                                                                                     \
  Tensor2 id(const Tensor& input, Dims dim, std::optional<Scalar> correction, bool keepdim) {             \
    return apply(id##_op, input, dim, correction, keepdim);                                               \
  }                                                                                                       \
  CLEW_OP_PAGE(id##_unbiased) = {{                                                                        \
      .name = #id ".unbiased",                                                                            \
      .doc = word                                                                                         \
      " and mean of all elements, in the older spelling.\n\nArgs:\n    input: shape (*), floating.\n    " \
      "unbiased: True is correction=1, False is correction=0.\nReturns:\n    (" #function                 \
      ", mean): 0-dim tensors.\nExample:\n    >>> [y.item() for y in clew." #id                           \
      "(clew.tensor([1.0, 3.0]), False)]\n    [1.0, 2.0]",                                                \
      .dtypes = kFloating,                                                                                \
      .composite = [](const Tensor& input,                                                                \
                      bool unbiased) { return Tensor2{function(input, unbiased), mean(input)}; },         \
  }};                                                                                                     \
  Tensor2 id(const Tensor& input, bool unbiased) { return apply(id##_unbiased_op, input, unbiased); }
CLEW_WITH_MEAN(var_mean, var, "Variance")
CLEW_WITH_MEAN(std_mean, std, "Standard deviation")
#undef CLEW_WITH_MEAN

}  // namespace clew
