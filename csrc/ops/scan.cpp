// Running sums, products and extremes.
#include <cmath>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "ops/reduce_parts.h"
#include "registry/slots.h"

namespace clew {

using namespace reduce_detail;

namespace {

TensorMeta cumsum_meta(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  wrap_dim("cumsum", dim, input.dim());
  return {input.sizes().vec(), sum_dtype(input, dtype)};
}
TensorMeta cumprod_meta(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  wrap_dim("cumprod", dim, input.dim());
  return {input.sizes().vec(), sum_dtype(input, dtype)};
}

TensorMeta logcumsumexp_meta(const Tensor& input, int64_t dim) {
  wrap_dim("logcumsumexp", dim, input.dim());
  return input.meta();
}
std::array<TensorMeta, 2> running_meta(const char* op, const Tensor& input, int64_t dim) {
  wrap_dim(op, dim, input.dim());
  return {input.meta(), TensorMeta{input.sizes().vec(), DType::Int64}};
}
std::array<TensorMeta, 2> cummax_meta(const Tensor& input, int64_t dim) {
  return running_meta("cummax", input, dim);
}
std::array<TensorMeta, 2> cummin_meta(const Tensor& input, int64_t dim) {
  return running_meta("cummin", input, dim);
}

GradList running_grad(const Backward& ctx, TensorListRef grads) {
  if (!grads[0].defined()) return {Tensor()};
  const Tensor& g = grads[0];
  if (g.dim() == 0) return {g};
  return {scatter_add(zeros(g.sizes(), g.options()), ctx.arg<int64_t>(1), ctx.output(1), g)};
}

/// dx_i = sum over k >= i of g_k e^(x_i - y_k), in logarithms so that nothing overflows; the two signs apart.
GradList logcumsumexp_grad(const Backward& ctx, const Tensor& g) {
  const Tensor x = ctx.input(0), y = ctx.output();
  if (g.dim() == 0) return {g};
  const int64_t dim = ctx.arg<int64_t>(1);
  auto part = [&](const Tensor& amount) {
    const Tensor none = amount <= 0;
    const Tensor logs = masked_fill(log(masked_fill(amount, none, weak_scalar_tensor(1.0))) - y, none,
                                    weak_scalar_tensor(-HUGE_VAL));
    return exp(flip(logcumsumexp(flip(logs, {dim}), dim), {dim}) + x);
  };
  return {part(g) - part(neg(g))};
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

}  // namespace

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

CLEW_OP_PAGE(logcumsumexp) = {{
    .name = "logcumsumexp",
    .doc = R"(Logarithm of running sums of exponentials, without overflow.

    y[i] = ln(e^x[0] + ... + e^x[i])

Args:
    input: shape (*); integers become the default floating dtype.
    dim: the dimension.
Returns:
    Tensor of shape (*).
Raises:
    IndexError: `dim` out of range.
Example:
    >>> clew.zeros(1).logcumsumexp(0).tolist()
    [0.0])",
    .dtypes = kFloating,
    .promote = Promote::Floating,
    .autocast = Autocast::Float32,
    .meta = logcumsumexp_meta,
    .kernel = &logcumsumexp_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = logcumsumexp_grad,
}};
Tensor logcumsumexp(const Tensor& input, int64_t dim) { return apply(logcumsumexp_op, input, dim); }

#define CLEW_RUNNING(id, word)                                                                             \
  CLEW_OP_PAGE(id) = {{                                                                                    \
      .name = #id,                                                                                         \
      .doc = "The " word                                                                                   \
             " element so far along a dimension, and where it is. NaN wins.\n\nArgs:\n    input: shape "   \
             "(*).\n    dim: the dimension.\nReturns:\n    (values, indices): both of shape (*); indices " \
             "int64, the "                                                                                 \
             "last of equal elements.\nRaises:\n    IndexError: `dim` out of range.\nExample:\n    >>> "   \
             "values, "                                                                                    \
             "indices = clew.tensor([2, 2])." #id                                                          \
             "(0)\n    >>> values.tolist(), indices.tolist()\n    ([2, 2], [0, 1])",                       \
      .meta = id##_meta,                                                                                   \
      .kernel = &id##_kernel,                                                                              \
      .saves = kSavesNothing.output(1),                                                                    \
      .grads = running_grad,                                                                               \
  }};                                                                                                      \
  Tensor2 id(const Tensor& input, int64_t dim) { return apply(id##_op, input, dim); }
CLEW_RUNNING(cummax, "greatest")
CLEW_RUNNING(cummin, "smallest")
#undef CLEW_RUNNING

}  // namespace clew
