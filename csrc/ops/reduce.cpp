// Sums, products, norms and tests over dimensions.
#include <cmath>
#include <limits>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "ops/reduce_parts.h"
#include "registry/slots.h"

namespace clew {

using namespace reduce_detail;

namespace {

TensorMeta sum_meta(const Tensor& input, Dims dim, bool keepdim, std::optional<DType> dtype) {
  return {reduced("sum", input, dim, keepdim), sum_dtype(input, dtype)};
}
TensorMeta mean_meta(const Tensor& input, Dims dim, bool keepdim, std::optional<DType> dtype) {
  const DType t = dtype.value_or(input.dtype());
  CLEW_CHECK(is_floating(t), DTypeError, "mean: expected a floating input or dtype, got ", t,
             " (pass dtype=clew.float32)");
  return {reduced("mean", input, dim, keepdim), t};
}
TensorMeta prod_meta(const Tensor& input, std::optional<int64_t> dim, bool keepdim,
                     std::optional<DType> dtype) {
  return {reduced("prod", input, one_dim(dim), keepdim && dim), sum_dtype(input, dtype)};
}

TensorMeta logsumexp_meta(const Tensor& input, IntArrayRef dim, bool keepdim) {
  return {reduced("logsumexp", input, dim, keepdim), input.dtype()};
}
TensorMeta norm_meta(const Tensor& input, double p, Dims dim, bool keepdim, std::optional<DType> dtype) {
  CLEW_CHECK(!std::isnan(p), ValueError, "norm: expected a number p, got nan");
  CLEW_CHECK(!dtype || is_floating(*dtype), DTypeError, "norm: expected a floating dtype, got ", *dtype);
  const uint64_t mask = dim_mask("norm", dim, input.dim());
  if (std::isinf(p) || p < 0) check_not_empty("norm", input, mask);
  return {reduced_shape(input.sizes(), mask, keepdim), dtype.value_or(input.dtype())};
}
TensorMeta all_meta(const Tensor& input, Dims dim, bool keepdim) {
  return {reduced("all", input, dim, keepdim), input.dtype() == DType::UInt8 ? DType::UInt8 : DType::Bool};
}
TensorMeta any_meta(const Tensor& input, Dims dim, bool keepdim) {
  return {reduced("any", input, dim, keepdim), input.dtype() == DType::UInt8 ? DType::UInt8 : DType::Bool};
}
// --- gradients --------------------------------------------------------------------------------------

GradList sum_grad(const Backward& ctx, const Tensor& g) {
  const IntArrayRef sizes = ctx.input_sizes(0);
  return {expand(restored("sum", g, sizes, ctx.arg<Dims>(1), ctx.arg<bool>(2)), sizes)};
}

GradList mean_grad(const Backward& ctx, const Tensor& g) {
  const IntArrayRef sizes = ctx.input_sizes(0);
  const Dims dim = ctx.arg<Dims>(1);
  const int64_t n = reduced_count(sizes, dim_mask("mean", dim, static_cast<int64_t>(sizes.size())));
  return {
      expand(restored("mean", g, sizes, dim, ctx.arg<bool>(2)) / static_cast<double>(std::max<int64_t>(n, 1)),
             sizes)};
}

/// d prod / dx_i = the product of all others: prod / x_i, but without dividing by zero.
GradList prod_grad(const Backward& ctx, const Tensor& g) {
  Tensor input = ctx.input(0);
  if (input.dtype() != g.dtype()) input = cast(input, g.dtype());
  const std::optional<int64_t> dim = ctx.arg<std::optional<int64_t>>(1);
  const bool keepdim = ctx.arg<bool>(2) && dim;
  if (input.dim() == 0) return {g};
  const Tensor grad = restored("prod", g, input.sizes(), one_dim(dim), keepdim);
  const Tensor is_zero = eq(input, weak_scalar_tensor(0));
  if (!any(is_zero).item<bool>()) {
    const Tensor output = restored("prod", ctx.output(), input.sizes(), one_dim(dim), keepdim);
    return {grad * output / input};
  }
  if (is_grad_enabled()) {
    // Products that leave one out, as rows of a square: right to every order of derivative.
    const Tensor rows = dim ? movedim(input, {*dim}, {-1}) : reshape(input, {-1});
    const int64_t n = rows.sizes().back();
    Shape square = rows.sizes().vec();
    square.push_back(n);
    const Tensor others = masked_fill(expand(unsqueeze(rows, -2), square),
                                      eye(n, n, input.options().dtype(DType::Bool)), weak_scalar_tensor(1));
    const Tensor product = prod(others, -1, false, std::nullopt);
    return {grad * (dim ? movedim(product, {-1}, {*dim}) : reshape(product, input.sizes()))};
  }
  // One zero: only its own derivative is left. More: none.
  const Tensor without = masked_fill(input, is_zero, weak_scalar_tensor(1));
  const Dims dims = one_dim(dim);
  const Tensor zero_count = restored("prod", sum(is_zero, dims, false), input.sizes(), dims, false);
  const Tensor product =
      restored("prod", prod(without, dim, false, std::nullopt), input.sizes(), dims, false);
  const Tensor none = zeros({}, input.options());
  return {grad * where(is_zero, where(eq(zero_count, weak_scalar_tensor(1)), product, none),
                       where(eq(zero_count, weak_scalar_tensor(0)), product / without, none))};
}

GradList norm_grad(const Backward& ctx, const Tensor& g) {
  const Tensor x = ctx.input(0);
  const double p = ctx.arg<double>(1);
  const Dims dim = ctx.arg<Dims>(2);
  const bool keepdim = ctx.arg<bool>(3);
  const Tensor y = restored("norm", ctx.output(), x.sizes(), dim, keepdim);
  const Tensor grad = restored("norm", g, x.sizes(), dim, keepdim);
  const Tensor zero = weak_scalar_tensor(0);
  if (p == 0) return {zeros(x.sizes(), g.options())};
  if (p == 1) return {grad * sign(x)};
  if (p == 2) return {masked_fill(grad * (x / y), eq(y, zero), zero)};
  const Tensor size = abs(x);
  if (std::isinf(p)) {
    const Tensor ties = logical_or(eq(size, y), logical_and(isnan(size), isnan(y)));
    return {(sign(x) * ties) * (grad / sum(ties, dim, true))};
  }
  const Tensor power = pow(size, weak_scalar_tensor(p - 1));
  const Tensor scale = masked_fill(grad / pow(y, weak_scalar_tensor(p - 1)), eq(y, zero), zero);
  const Tensor result = sign(x) * power * scale;
  return {p < 2 ? masked_fill(result, eq(x, zero), zero) : result};
}

}  // namespace

CLEW_OP_PAGE(sum) = {{
    .name = "sum",
    .doc = R"(Sum over dimensions.

Args:
    input: shape (*). Integers and bools are summed as int64.
    dim: dimensions to reduce; None: all.
    keepdim: keep them with size 1.
    dtype: convert to this dtype first.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions; 0 over nothing.
Raises:
    IndexError: a dimension out of range.
Example:
    >>> clew.ones(2, 3).sum(1).tolist()
    [3.0, 3.0])",
    .autocast = Autocast::Float32,
    .meta = sum_meta,
    .kernel = &sum_kernel,
    .grad = sum_grad,
}};
Tensor sum(const Tensor& input, Dims dim, bool keepdim, std::optional<DType> dtype) {
  return apply(sum_op, input, dim, keepdim, dtype);
}

CLEW_OP_PAGE(mean) = {{
    .name = "mean",
    .doc = R"(Mean over dimensions.

Args:
    input: shape (*), floating unless `dtype` is given.
    dim: dimensions to reduce; None: all.
    keepdim: keep them with size 1.
    dtype: convert to this floating dtype first.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions; nan over nothing.
Raises:
    clew.DTypeError: integers without `dtype`.
Example:
    >>> clew.tensor([1.0, 2.0]).mean().item()
    1.5)",
    .meta = mean_meta,
    .kernel = &mean_kernel,
    .grad = mean_grad,
}};
Tensor mean(const Tensor& input, Dims dim, bool keepdim, std::optional<DType> dtype) {
  return apply(mean_op, input, dim, keepdim, dtype);
}

CLEW_OP_PAGE(prod) = {{
    .name = "prod",
    .doc = R"(Product over a dimension, or over all.

Args:
    input: shape (*). Integers and bools are multiplied as int64.
    dim: dimension to reduce; None: all.
    keepdim: keep it with size 1.
    dtype: convert to this dtype first.
Returns:
    Tensor without (or with size 1 at) the reduced dimension; 1 over nothing.
Raises:
    IndexError: `dim` out of range.
Example:
    >>> clew.tensor([2, 3]).prod().item()
    6)",
    .autocast = Autocast::Float32,
    .meta = prod_meta,
    .kernel = &prod_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = prod_grad,
}};
Tensor prod(const Tensor& input, std::optional<int64_t> dim, bool keepdim, std::optional<DType> dtype) {
  return apply(prod_op, input, dim, keepdim, dtype);
}

CLEW_OP_PAGE(logsumexp) = {{
    .name = "logsumexp",
    .doc = R"(Logarithm of a sum of exponentials, without overflow.

    y = log(sum(exp(x)))

Args:
    input: shape (*); integers become the default floating dtype.
    dim: dimensions to reduce; none: all.
    keepdim: keep them with size 1.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions; -inf over nothing.
Raises:
    IndexError: a dimension out of range.
Example:
    >>> clew.zeros(1).logsumexp(0).item()
    0.0)",
    .dtypes = kFloating,
    .promote = Promote::Floating,
    .autocast = Autocast::Float32,
    .meta = logsumexp_meta,
    .kernel = &logsumexp_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor input = ctx.input(0);
      const Dims dim = ctx.arg<IntArrayRef>(1);
      const bool keepdim = ctx.arg<bool>(2);
      const Tensor output = restored("logsumexp", ctx.output(), input.sizes(), dim, keepdim);
      return {restored("logsumexp", g, input.sizes(), dim, keepdim) * exp(input - output)};
    },
}};
Tensor logsumexp(const Tensor& input, IntArrayRef dim, bool keepdim) {
  return apply(logsumexp_op, input, dim, keepdim);
}

CLEW_OP_PAGE(linalg_vector_norm) = {{
    .name = "linalg_vector_norm",
    .doc = R"(Vector norm over dimensions.

    y = sum(|x|^ord)^(1/ord); the greatest |x| for inf, the smallest for -inf, the count of x != 0 for 0

Args:
    input: shape (*), floating.
    ord: a number, inf or -inf.
    dim: dimensions to reduce; None: all.
    keepdim: keep them with size 1.
    dtype: dtype of the result, at least as wide as that of `input`.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions. The gradient at 0 is 0.
Raises:
    clew.DTypeError: `input` is not floating.
Example:
    >>> clew.linalg.vector_norm(clew.tensor([3.0, 4.0])).item()
    5.0)",
    .dtypes = kFloating,
    .autocast = Autocast::Float32,
    .meta = norm_meta,
    .kernel = &linalg_vector_norm_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = norm_grad,
}};
Tensor linalg_vector_norm(const Tensor& input, double ord, Dims dim, bool keepdim,
                          std::optional<DType> dtype) {
  return apply(linalg_vector_norm_op, input, ord, dim, keepdim, dtype);
}

CLEW_OP_PAGE(norm) = {{
    .name = "norm",
    .doc = R"(Norm over dimensions: the Frobenius norm, or the nuclear norm of matrices.

    y = sqrt(sum(x^2)) for 'fro'; the sum of singular values for 'nuc'

Args:
    input: shape (*), floating.
    p: 'fro', 'nuc', or None, which is 'fro'.
    dim: dimensions to reduce; None: all. For 'nuc' two.
    keepdim: keep them with size 1.
    dtype: convert to this dtype first.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions. The gradient at 0 is 0.
Raises:
    ValueError: another name.
    clew.DTypeError: `input` is not floating.
Example:
    >>> clew.tensor([3.0, 4.0]).norm().item()
    5.0)",
    .dtypes = kFloating,
    .composite = [](const Tensor& input, std::optional<std::string_view> p, Dims dim, bool keepdim,
                    std::optional<DType> dtype) -> Tensor {
      if (p && *p == "nuc") {
        CLEW_CHECK(dim || input.dim() == 2, ValueError,
                   "norm: expected two dims for p='nuc', got None for input ", input.sizes());
        constexpr int64_t kLast[] = {-2, -1};
        return linalg_matrix_norm(input, *p, dim ? *dim : IntArrayRef(kLast, 2), keepdim, dtype);
      }
      CLEW_CHECK(!p || *p == "fro", ValueError, "norm: expected p 'fro', 'nuc', None or a number, got '", *p,
                 "'");
      return linalg_vector_norm(input, 2, dim, keepdim, dtype);
    },
}};
Tensor norm(const Tensor& input, std::optional<std::string_view> p, Dims dim, bool keepdim,
            std::optional<DType> dtype) {
  return apply(norm_op, input, p, dim, keepdim, dtype);
}

CLEW_OP_PAGE(norm_number) = {{
    .name = "norm.number",
    .doc = R"(Vector norm over dimensions, for a number p.

    y = sum(|x|^p)^(1/p); the greatest |x| for p = inf, the smallest for -inf, the count of x != 0 for p = 0

Args:
    input: shape (*), floating.
    p: a number, inf or -inf.
    dim: dimensions to reduce; None: all.
    keepdim: keep them with size 1.
    dtype: convert to this dtype first.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions. The gradient at 0 is 0.
Raises:
    clew.DTypeError: `input` is not floating.
Example:
    >>> clew.tensor([3.0, -4.0]).norm(1).item()
    7.0)",
    .dtypes = kFloating,
    .composite = [](const Tensor& input, double p, Dims dim, bool keepdim,
                    std::optional<DType> dtype) { return linalg_vector_norm(input, p, dim, keepdim, dtype); },
}};
Tensor norm(const Tensor& input, double p, Dims dim, bool keepdim, std::optional<DType> dtype) {
  return apply(norm_number_op, input, p, dim, keepdim, dtype);
}

CLEW_OP_PAGE(all) = {{
    .name = "all",
    .doc = R"(Whether every element is true (not 0), along dimensions or overall.

Args:
    input: shape (*).
    dim: dimensions to reduce; None: all.
    keepdim: keep the reduced dimensions with size 1.
Returns:
    bool tensor (uint8 for uint8); True over nothing.
Raises:
    IndexError: `dim` out of range.
Example:
    >>> clew.tensor([True, False]).all().item()
    False)",
    .meta = all_meta,
    .kernel = &all_kernel,
    .not_differentiable = "its result is bool",
}};
Tensor all(const Tensor& input, Dims dim, bool keepdim) { return apply(all_op, input, dim, keepdim); }

CLEW_OP_PAGE(any) = {{
    .name = "any",
    .doc = R"(Whether any element is true (not 0), along dimensions or overall.

Args:
    input: shape (*).
    dim: dimensions to reduce; None: all.
    keepdim: keep the reduced dimensions with size 1.
Returns:
    bool tensor (uint8 for uint8); False over nothing.
Raises:
    IndexError: `dim` out of range.
Example:
    >>> clew.tensor([True, False]).any().item()
    True)",
    .meta = any_meta,
    .kernel = &any_kernel,
    .not_differentiable = "its result is bool",
}};
Tensor any(const Tensor& input, Dims dim, bool keepdim) { return apply(any_op, input, dim, keepdim); }

}  // namespace clew
