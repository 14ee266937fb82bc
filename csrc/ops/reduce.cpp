// Reductions and scans.
#include <cmath>
#include <limits>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

using Dims = std::optional<IntArrayRef>;

/// Integers and bools sum up in int64.
DType sum_dtype(const Tensor& input, std::optional<DType> dtype) {
  return dtype ? *dtype : is_floating(input.dtype()) ? input.dtype() : DType::Int64;
}
Dims one_dim(const int64_t& dim) { return IntArrayRef(&dim, 1); }
Dims one_dim(const std::optional<int64_t>& dim) { return dim ? Dims(IntArrayRef(&*dim, 1)) : Dims(); }

Shape reduced(const char* op, const Tensor& input, Dims dim, bool keepdim) {
  return reduced_shape(input.sizes(), dim_mask(op, dim, input.dim()), keepdim);
}
int64_t reduced_count(IntArrayRef sizes, uint64_t mask) {
  int64_t n = 1;
  for (size_t i = 0; i < sizes.size(); ++i) n *= (mask >> i) & 1 ? sizes[i] : 1;
  return n;
}
void check_not_empty(const char* op, const Tensor& input, uint64_t mask) {
  for (size_t i = 0; i < input.sizes().size(); ++i) {
    CLEW_CHECK(!((mask >> i) & 1) || input.sizes()[i] > 0, IndexError, op,
               ": expected at least one element to reduce, got input ", input.sizes(), " (dimension ", i,
               " is empty)");
  }
}

/// `t`, a reduction of a tensor of `sizes`, with the reduced dims back as size 1.
Tensor restored(const char* op, const Tensor& t, IntArrayRef sizes, Dims dim, bool keepdim) {
  if (keepdim || sizes.empty()) return t;
  return reshape(t, reduced_shape(sizes, dim_mask(op, dim, static_cast<int64_t>(sizes.size())), true));
}

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

TensorMeta extremum_meta(const char* op, const Tensor& input, Dims dim, bool keepdim) {
  const uint64_t mask = dim_mask(op, dim, input.dim());
  check_not_empty(op, input, mask);
  return {reduced_shape(input.sizes(), mask, keepdim), input.dtype()};
}
TensorMeta amax_meta(const Tensor& input, IntArrayRef dim, bool keepdim) {
  return extremum_meta("amax", input, dim, keepdim);
}
TensorMeta amin_meta(const Tensor& input, IntArrayRef dim, bool keepdim) {
  return extremum_meta("amin", input, dim, keepdim);
}
TensorMeta max_meta(const Tensor& input) { return extremum_meta("max", input, std::nullopt, false); }
TensorMeta min_meta(const Tensor& input) { return extremum_meta("min", input, std::nullopt, false); }

std::array<TensorMeta, 2> extremum_dim_meta(const char* op, const Tensor& input, int64_t dim, bool keepdim) {
  TensorMeta m = extremum_meta(op, input, one_dim(dim), keepdim);
  return {m, TensorMeta{m.shape, DType::Int64}};
}
std::array<TensorMeta, 2> max_dim_meta(const Tensor& input, int64_t dim, bool keepdim) {
  return extremum_dim_meta("max", input, dim, keepdim);
}
std::array<TensorMeta, 2> min_dim_meta(const Tensor& input, int64_t dim, bool keepdim) {
  return extremum_dim_meta("min", input, dim, keepdim);
}
TensorMeta argmax_meta(const Tensor& input, std::optional<int64_t> dim, bool keepdim) {
  return {extremum_meta("argmax", input, one_dim(dim), keepdim).shape, DType::Int64};
}
TensorMeta argmin_meta(const Tensor& input, std::optional<int64_t> dim, bool keepdim) {
  return {extremum_meta("argmin", input, one_dim(dim), keepdim).shape, DType::Int64};
}

TensorMeta var_meta(const Tensor& input, Dims dim, std::optional<Scalar>, bool keepdim) {
  return {reduced("var", input, dim, keepdim), input.dtype()};
}
TensorMeta std_meta(const Tensor& input, Dims dim, std::optional<Scalar>, bool keepdim) {
  return {reduced("std", input, dim, keepdim), input.dtype()};
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
TensorMeta cumsum_meta(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  wrap_dim("cumsum", dim, input.dim());
  return {input.sizes().vec(), sum_dtype(input, dtype)};
}
TensorMeta cumprod_meta(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  wrap_dim("cumprod", dim, input.dim());
  return {input.sizes().vec(), sum_dtype(input, dtype)};
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

/// dx_i = sum over k >= i of g_k times the product of x_0 ... x_k without x_i.
GradList cumprod_grad(const Backward& ctx, const Tensor& g) {
  Tensor x = ctx.input(0);
  if (x.dtype() != g.dtype()) x = cast(x, g.dtype());
  if (x.dim() == 0 || x.numel() == 0) return {g};
  const int64_t dim = ctx.arg<int64_t>(1);
  if (!any(eq(x, weak_scalar_tensor(0))).item<bool>()) {
    const Tensor terms = g * ctx.output();
    return {flip(cumsum(flip(terms, {dim}), dim), {dim}) / x};
  }
  // A square of factors per row, whose row i leaves out x_i: no division, and right to every order.
  const Tensor rows = movedim(x, {dim}, {-1});
  const int64_t n = rows.sizes().back();
  Shape square = rows.sizes().vec();
  square.push_back(n);
  const Tensor others = masked_fill(expand(unsqueeze(rows, -2), square),
                                    eye(n, n, x.options().dtype(DType::Bool)), weak_scalar_tensor(1));
  const Tensor products = triu(cumprod(others, -1));
  return {movedim(sum(products * unsqueeze(movedim(g, {dim}, {-1}), -2), {-1}), {-1}, {dim})};
}

/// Ties share the gradient evenly.
GradList spread_over_ties(const char* op, const Backward& ctx, const Tensor& g, Dims dim, bool keepdim) {
  const Tensor input = ctx.input(0);
  const Tensor output = restored(op, ctx.output(), input.sizes(), dim, keepdim);
  const Tensor grad = restored(op, g, input.sizes(), dim, keepdim);
  const Tensor ties = logical_or(eq(input, output), logical_and(isnan(input), isnan(output)));
  const Tensor count = sum(ties, dim, true);
  return {ties * (grad / count)};
}
GradList amax_grad(const Backward& ctx, const Tensor& g) {
  return spread_over_ties("amax", ctx, g, ctx.arg<Dims>(1), ctx.arg<bool>(2));
}
GradList extremum_grad(const Backward& ctx, const Tensor& g) {
  return spread_over_ties("max", ctx, g, std::nullopt, false);
}

/// The gradient goes to the element that was picked.
GradList picked_grad(const Backward& ctx, TensorListRef grads) {
  if (!grads[0].defined()) return {Tensor()};
  const IntArrayRef sizes = ctx.input_sizes(0);
  const int64_t dim = ctx.arg<int64_t>(1);
  Tensor g = grads[0], indices = ctx.output(1);
  if (!ctx.arg<bool>(2) && !sizes.empty()) {
    const int64_t d = wrap_dim("max", dim, static_cast<int64_t>(sizes.size()));
    g = unsqueeze(g, d);
    indices = unsqueeze(indices, d);
  }
  return {scatter_(zeros(sizes, g.options()), dim, indices, g)};
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

CLEW_OP_PAGE(amax) = {{
    .name = "amax",
    .doc = R"(Maximum over dimensions. Ties share the gradient evenly; NaN wins.

Args:
    input: shape (*).
    dim: dimensions to reduce; none: all.
    keepdim: keep them with size 1.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions.
Raises:
    IndexError: a reduced dimension is empty.
Example:
    >>> clew.tensor([[1, 5], [2, 3]]).amax(1).tolist()
    [5, 3])",
    .meta = amax_meta,
    .kernel = &amax_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = amax_grad,
}};
Tensor amax(const Tensor& input, IntArrayRef dim, bool keepdim) {
  return apply(amax_op, input, dim, keepdim);
}

CLEW_OP_PAGE(amin) = {{
    .name = "amin",
    .doc = R"(Minimum over dimensions. Ties share the gradient evenly; NaN wins.

Args:
    input: shape (*).
    dim: dimensions to reduce; none: all.
    keepdim: keep them with size 1.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions.
Raises:
    IndexError: a reduced dimension is empty.
Example:
    >>> clew.tensor([[1, 5], [2, 3]]).amin(1).tolist()
    [1, 2])",
    .meta = amin_meta,
    .kernel = &amin_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = amax_grad,
}};
Tensor amin(const Tensor& input, IntArrayRef dim, bool keepdim) {
  return apply(amin_op, input, dim, keepdim);
}

CLEW_OP_PAGE(max) = {{
    .name = "max",
    .doc = R"(The greatest element. Ties share the gradient evenly; NaN wins.

Args:
    input: shape (*), at least one element.
Returns:
    0-dim tensor.
Raises:
    IndexError: no elements.
Example:
    >>> clew.tensor([1, 3, 2]).max().item()
    3)",
    .meta = max_meta,
    .kernel = &max_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = extremum_grad,
}};
Tensor max(const Tensor& input) { return apply(max_op, input); }

CLEW_OP_PAGE(max_dim) = {{
    .name = "max.dim",
    .doc = R"(The greatest elements along a dimension and where they are. NaN wins.

Args:
    input: shape (*).
    dim: the dimension.
    keepdim: keep it with size 1.
Returns:
    (values, indices): indices int64, the first of equal elements.
Raises:
    IndexError: the dimension is empty.
Example:
    >>> values, indices = clew.tensor([[1, 5], [4, 3]]).max(1)
    >>> values.tolist(), indices.tolist()
    ([5, 4], [1, 0]))",
    .meta = max_dim_meta,
    .kernel = &max_dim_kernel,
    .saves = kSavesNothing.output(1),
    .grads = picked_grad,
}};
Tensor2 max(const Tensor& input, int64_t dim, bool keepdim) { return apply(max_dim_op, input, dim, keepdim); }

CLEW_OP_PAGE(max_other) = {{
    .name = "max.other",
    .doc = R"(The greater of two tensors, element by element: maximum(input, other).

Args:
    input, other: shapes that broadcast together.
Returns:
    Tensor of the common shape and promoted dtype.
Example:
    >>> clew.max(clew.tensor([1, 4]), clew.tensor([3, 2])).tolist()
    [3, 4])",
    .composite = [](const Tensor& input, const Tensor& other) { return maximum(input, other); },
}};
Tensor max(const Tensor& input, const Tensor& other) { return apply(max_other_op, input, other); }

CLEW_OP_PAGE(min) = {{
    .name = "min",
    .doc = R"(The smallest element. Ties share the gradient evenly; NaN wins.

Args:
    input: shape (*), at least one element.
Returns:
    0-dim tensor.
Raises:
    IndexError: no elements.
Example:
    >>> clew.tensor([3, 1, 2]).min().item()
    1)",
    .meta = min_meta,
    .kernel = &min_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = extremum_grad,
}};
Tensor min(const Tensor& input) { return apply(min_op, input); }

CLEW_OP_PAGE(min_dim) = {{
    .name = "min.dim",
    .doc = R"(The smallest elements along a dimension and where they are. NaN wins.

Args:
    input: shape (*).
    dim: the dimension.
    keepdim: keep it with size 1.
Returns:
    (values, indices): indices int64, the first of equal elements.
Raises:
    IndexError: the dimension is empty.
Example:
    >>> values, indices = clew.tensor([[1, 5], [4, 3]]).min(1)
    >>> values.tolist(), indices.tolist()
    ([1, 3], [0, 1]))",
    .meta = min_dim_meta,
    .kernel = &min_dim_kernel,
    .saves = kSavesNothing.output(1),
    .grads = picked_grad,
}};
Tensor2 min(const Tensor& input, int64_t dim, bool keepdim) { return apply(min_dim_op, input, dim, keepdim); }

CLEW_OP_PAGE(min_other) = {{
    .name = "min.other",
    .doc = R"(The smaller of two tensors, element by element: minimum(input, other).

Args:
    input, other: shapes that broadcast together.
Returns:
    Tensor of the common shape and promoted dtype.
Example:
    >>> clew.min(clew.tensor([1, 4]), clew.tensor([3, 2])).tolist()
    [1, 2])",
    .composite = [](const Tensor& input, const Tensor& other) { return minimum(input, other); },
}};
Tensor min(const Tensor& input, const Tensor& other) { return apply(min_other_op, input, other); }

CLEW_OP_PAGE(argmax) = {{
    .name = "argmax",
    .doc = R"(Where the greatest element is: along a dimension, or in the flattened tensor.

Args:
    input: shape (*), numeric.
    dim: the dimension; None: all, flattened.
    keepdim: keep the reduced dimensions with size 1.
Returns:
    int64 tensor; the first of equal elements; NaN counts as greatest.
Raises:
    IndexError: nothing to reduce.
Example:
    >>> clew.tensor([1, 3, 2]).argmax().item()
    1)",
    .dtypes = kNumeric,
    .meta = argmax_meta,
    .kernel = &argmax_kernel,
    .not_differentiable = "indices are integers",
}};
Tensor argmax(const Tensor& input, std::optional<int64_t> dim, bool keepdim) {
  return apply(argmax_op, input, dim, keepdim);
}

CLEW_OP_PAGE(argmin) = {{
    .name = "argmin",
    .doc = R"(Where the smallest element is: along a dimension, or in the flattened tensor.

Args:
    input: shape (*), numeric.
    dim: the dimension; None: all, flattened.
    keepdim: keep the reduced dimensions with size 1.
Returns:
    int64 tensor; the first of equal elements; NaN counts as smallest.
Raises:
    IndexError: nothing to reduce.
Example:
    >>> clew.tensor([3, 1, 2]).argmin().item()
    1)",
    .dtypes = kNumeric,
    .meta = argmin_meta,
    .kernel = &argmin_kernel,
    .not_differentiable = "indices are integers",
}};
Tensor argmin(const Tensor& input, std::optional<int64_t> dim, bool keepdim) {
  return apply(argmin_op, input, dim, keepdim);
}

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

CLEW_OP_PAGE(cumsum) = {{
    .name = "cumsum",
    .doc = R"(Running sum along a dimension.

    y[i] = x[0] + ... + x[i]

Args:
    input: shape (*). Integers and bools are summed as int64.
    dim: the dimension.
    dtype: convert to this dtype first.
Returns:
    Tensor of shape (*).
Raises:
    IndexError: `dim` out of range.
Example:
    >>> clew.tensor([1, 2, 3]).cumsum(0).tolist()
    [1, 3, 6])",
    .autocast = Autocast::Float32,
    .meta = cumsum_meta,
    .kernel = &cumsum_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const int64_t dim = ctx.arg<int64_t>(1);
      if (g.dim() == 0) return {g};
      return {flip(cumsum(flip(g, IntArrayRef(&dim, 1)), dim), IntArrayRef(&dim, 1))};
    },
}};
Tensor cumsum(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  return apply(cumsum_op, input, dim, dtype);
}
Tensor cumsum_(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  return apply_inplace(cumsum_op, input, dim, dtype);
}

CLEW_OP_PAGE(cumprod) = {{
    .name = "cumprod",
    .doc = R"(Running product along a dimension.

    y[i] = x[0] * ... * x[i]

Args:
    input: shape (*). Integers and bools are multiplied as int64.
    dim: the dimension.
    dtype: convert to this dtype first.
Returns:
    Tensor of shape (*).
Raises:
    IndexError: `dim` out of range.
Example:
    >>> clew.tensor([1, 2, 3]).cumprod(0).tolist()
    [1, 2, 6])",
    .autocast = Autocast::Float32,
    .meta = cumprod_meta,
    .kernel = &cumprod_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = cumprod_grad,
}};
Tensor cumprod(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  return apply(cumprod_op, input, dim, dtype);
}
Tensor cumprod_(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  return apply_inplace(cumprod_op, input, dim, dtype);
}

}  // namespace clew
