// Greatest and smallest elements.

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "ops/reduce_parts.h"
#include "registry/slots.h"

namespace clew {

using namespace reduce_detail;

namespace {

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

// --- gradients --------------------------------------------------------------------------------------

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

}  // namespace

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

CLEW_OP_PAGE(aminmax) = {{
    .name = "aminmax",
    .doc = R"(Minimum and maximum, along a dimension or overall. Ties share the gradient evenly; NaN wins.

Args:
    input: shape (*).
    dim: the dimension; None: all.
    keepdim: keep it with size 1.
Returns:
    (min, max): each without (or with size 1 at) the reduced dimension.
Raises:
    IndexError: nothing to reduce.
Example:
    >>> [y.item() for y in clew.aminmax(clew.tensor([3, 1, 2]))]
    [1, 3])",
    .composite =
        [](const Tensor& input, std::optional<int64_t> dim, bool keepdim) {
          const IntArrayRef dims = dim ? IntArrayRef(&*dim, 1) : IntArrayRef();
          return Tensor2{amin(input, dims, keepdim), amax(input, dims, keepdim)};
        },
}};
Tensor2 aminmax(const Tensor& input, std::optional<int64_t> dim, bool keepdim) {
  return apply(aminmax_op, input, dim, keepdim);
}

}  // namespace clew
