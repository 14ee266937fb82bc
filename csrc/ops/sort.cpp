// Sorting and selection.
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

std::array<TensorMeta, 2> sort_meta(const Tensor& input, int64_t dim, bool, bool) {
  wrap_dim("sort", dim, input.dim());
  return {input.meta(), TensorMeta{input.sizes().vec(), DType::Int64}};
}

std::array<TensorMeta, 2> topk_meta(const Tensor& input, int64_t k, int64_t dim, bool, bool) {
  const int64_t d = wrap_dim("topk", dim, input.dim());
  const int64_t size = input.dim() == 0 ? 1 : input.sizes()[static_cast<size_t>(d)];
  CLEW_CHECK(k >= 0 && k <= size, ValueError, "topk: expected k in [0, ", size, "], got ", k, " (dimension ",
             d, " of input ", input.sizes(), ")");
  Shape shape = input.sizes().vec();
  if (!shape.empty()) shape[static_cast<size_t>(d)] = k;
  return {TensorMeta{shape, input.dtype()}, TensorMeta{shape, DType::Int64}};
}

/// The values' gradient back at the places they came from.
Tensor scatter_back(const Backward& ctx, const Tensor& g, int64_t dim) {
  return scatter_(zeros(ctx.input_sizes(0), g.options()), dim, ctx.output(1), g);
}

}  // namespace

CLEW_OP_PAGE(sort) = {{
    .name = "sort",
    .doc = R"(Sorts along a dimension; always stable. NaN counts as the greatest value.

Args:
    input: shape (*).
    dim: the dimension.
    descending: greatest first.
    stable: accepted for compatibility; equal elements keep their order anyway.
Returns:
    (values, indices): shape (*), indices int64 with values = input.gather(dim, indices).
Raises:
    IndexError: `dim` out of range.
Example:
    >>> values, indices = clew.tensor([3, 1, 2]).sort()
    >>> values.tolist(), indices.tolist()
    ([1, 2, 3], [1, 2, 0]))",
    .meta = sort_meta,
    .kernel = &sort_kernel,
    .saves = kSavesNothing.output(1),
    .grads = [](const Backward& ctx, TensorListRef grads) -> GradList {
      return {grads[0].defined() ? scatter_back(ctx, grads[0], ctx.arg<int64_t>(1)) : Tensor()};
    },
}};
Tensor2 sort(const Tensor& input, int64_t dim, bool descending, bool stable) {
  return apply(sort_op, input, dim, descending, stable);
}

CLEW_OP_PAGE(argsort) = {{
    .name = "argsort",
    .doc = R"(The indices that sort a tensor along a dimension; always stable.

Args:
    input: shape (*).
    dim: the dimension.
    descending: greatest first.
    stable: accepted for compatibility.
Returns:
    int64 tensor of shape (*).
Raises:
    IndexError: `dim` out of range.
Example:
    >>> clew.tensor([3, 1, 2]).argsort().tolist()
    [1, 2, 0])",
    .composite =
        [](const Tensor& input, int64_t dim, bool descending, bool stable) {
          wrap_dim("argsort", dim, input.dim());
          return std::get<1>(sort(input, dim, descending, stable));
        },
}};
Tensor argsort(const Tensor& input, int64_t dim, bool descending, bool stable) {
  return apply(argsort_op, input, dim, descending, stable);
}

CLEW_OP_PAGE(topk) = {{
    .name = "topk",
    .doc = R"(The k greatest (or smallest) elements along a dimension. NaN counts as the greatest value.

Args:
    input: shape (*).
    k: how many, at most the size of the dimension.
    dim: the dimension.
    largest: greatest, else smallest.
    sorted: accepted for compatibility; the result is in order anyway.
Returns:
    (values, indices): k at dimension `dim`; indices int64. Of equal elements the first come first.
Raises:
    ValueError: `k` out of range.
Example:
    >>> values, indices = clew.tensor([3, 1, 2]).topk(2)
    >>> values.tolist(), indices.tolist()
    ([3, 2], [0, 2]))",
    .meta = topk_meta,
    .kernel = &topk_kernel,
    .saves = kSavesNothing.output(1),
    .grads = [](const Backward& ctx, TensorListRef grads) -> GradList {
      return {grads[0].defined() ? scatter_back(ctx, grads[0], ctx.arg<int64_t>(2)) : Tensor()};
    },
}};
Tensor2 topk(const Tensor& input, int64_t k, int64_t dim, bool largest, bool sorted) {
  return apply(topk_op, input, k, dim, largest, sorted);
}

}  // namespace clew
