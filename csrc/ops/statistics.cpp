// Order statistics, differences, covariances, and sums that skip NaN: made of other ops.
#include <cmath>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

using Dims = std::optional<IntArrayRef>;

Tensor number(const Scalar& v) { return weak_scalar_tensor(v); }

int64_t size_at(const Tensor& t, int64_t dim) {
  return t.dim() == 0 ? 1 : t.sizes()[static_cast<size_t>(dim)];
}

void check_floating(const char* op, const Tensor& input) {
  CLEW_CHECK(is_floating(input.dtype()), DTypeError, op, ": expected a floating dtype, got ", input.dtype());
}

/// `dim` in range and not empty.
int64_t check_line(const char* op, const Tensor& input, int64_t dim) {
  const int64_t d = wrap_dim(op, dim, input.dim());
  CLEW_CHECK(size_at(input, d) > 0, IndexError, op, ": expected at least one element along dim ", d,
             ", got input ", input.sizes());
  return d;
}

// --- order statistics -------------------------------------------------------------------------------

Tensor2 median_along(const char* op, const Tensor& input, int64_t dim, bool keepdim, bool skip_nan) {
  const int64_t d = check_line(op, input, dim);
  if (input.dim() == 0) return {clone(input), zeros({}, TensorOptions(DType::Int64).device(input.device()))};
  const auto [values, indices] = sort(input, d);
  const int64_t n = size_at(input, d);
  // NaN stand last: the first of them is the median, or they do not count.
  const Tensor valid = sum(logical_not(isnan(values.detach())), IntArrayRef{d}, true);
  const Tensor at = skip_nan ? clamp(floor_divide(valid - 1, number(2)), std::optional<Scalar>(0))
                             : where(valid < n, valid, number((n - 1) / 2));
  const Tensor value = gather(values, d, at), index = gather(indices, d, at);
  return keepdim ? Tensor2{value, index}
                 : Tensor2{squeeze(value, IntArrayRef{d}), squeeze(index, IntArrayRef{d})};
}

Tensor median_of_all(const char* op, const Tensor& input, bool skip_nan) {
  if (input.numel() == 0) {
    check_floating(op, input);
    return full({}, NAN, input.options());
  }
  const Tensor all = reshape(input, {-1});
  if (!is_grad_enabled() || !apply_detail::wants_grad(input) || input.is_meta())
    return std::get<0>(median_along(op, all, 0, false, skip_nan));
  // Equal elements share the gradient evenly, as amax has it.
  const Tensor plain = all.detach();
  const Tensor value = std::get<0>(median_along(op, plain, 0, false, skip_nan));
  return amax(masked_select(all, logical_or(eq(plain, value), logical_and(isnan(plain), isnan(value)))));
}

Tensor2 mode_composite(const Tensor& input, int64_t dim, bool keepdim) {
  const int64_t d = check_line("mode", input, dim);
  const TensorOptions counts(DType::Int64);
  if (input.dim() == 0) return {clone(input), zeros({}, counts.device(input.device()))};
  const auto [values, indices] = sort(input, d);
  const Tensor plain = values.detach();
  const int64_t n = size_at(input, d);
  // The number of each run of equal values, and how long the runs are: the longest, first of the longest.
  const Tensor starts = ne(narrow(plain, d, 1, n - 1), narrow(plain, d, 0, n - 1));
  Shape one = input.sizes().vec();
  one[static_cast<size_t>(d)] = 1;
  const Tensor run =
      cumsum(cat(TensorList{zeros(one, counts.device(input.device())), starts.to(DType::Int64)}, d), d);
  const Tensor lengths = scatter_add(zeros_like(run), d, run, ones_like(run));
  const Tensor longest = argmax(lengths, d, true);
  const Tensor at = gather(cumsum(lengths, d), d, longest) - 1;
  const Tensor value = gather(values, d, at), index = gather(indices, d, at);
  return keepdim ? Tensor2{value, index}
                 : Tensor2{squeeze(value, IntArrayRef{d}), squeeze(index, IntArrayRef{d})};
}

Tensor2 kthvalue_composite(const Tensor& input, int64_t k, int64_t dim, bool keepdim) {
  const int64_t d = wrap_dim("kthvalue", dim, input.dim()), n = size_at(input, d);
  CLEW_CHECK(k >= 1 && k <= n, ValueError, "kthvalue: expected k in [1, ", n, "], got ", k, " (dimension ", d,
             " of input ", input.sizes(), ")");
  if (input.dim() == 0) return {clone(input), zeros({}, TensorOptions(DType::Int64).device(input.device()))};
  const auto [values, indices] = sort(input, d);
  const Tensor value = narrow(values, d, k - 1, 1), index = narrow(indices, d, k - 1, 1);
  return keepdim ? Tensor2{clone(value), clone(index)}
                 : Tensor2{clone(squeeze(value, IntArrayRef{d})), clone(squeeze(index, IntArrayRef{d}))};
}

Tensor quantile_along(const char* op, const Tensor& input, const Tensor& q_given, std::optional<int64_t> dim,
                      bool keepdim, std::string_view interpolation, bool skip_nan) {
  check_floating(op, input);
  const bool is_number = q_given.body()->weak_scalar;
  const Tensor q = is_number ? full({}, q_given.item(), input.options())
                   : q_given.dtype() == input.dtype() || q_given.dim() != 0 ? q_given
                                                                            : q_given.to(input.dtype());
  CLEW_CHECK(q.dtype() == input.dtype(), DTypeError, op, ": expected q of the input's dtype ", input.dtype(),
             ", got ", q.dtype());
  CLEW_CHECK(q.dim() <= 1, ShapeError, op, ": expected q to be a number or a vector, got shape ", q.sizes());
  CLEW_CHECK(interpolation == "linear" || interpolation == "lower" || interpolation == "higher" ||
                 interpolation == "midpoint" || interpolation == "nearest",
             ValueError, op,
             ": expected interpolation 'linear', 'lower', 'higher', 'midpoint' or 'nearest', got '",
             interpolation, "'");
  CLEW_CHECK(input.numel() > 0, ValueError, op, ": expected at least one element, got input ", input.sizes());
  if (!q.is_meta())
    CLEW_CHECK(all(logical_and(q.detach() >= 0, q.detach() <= 1)).item<bool>(), ValueError, op,
               ": expected q in [0, 1], got another value");
  const int64_t d = dim ? wrap_dim(op, *dim, input.dim()) : 0;
  const Tensor lines = dim && input.dim() > 0 ? movedim(input, {d}, {-1}) : reshape(input, {-1});
  const Tensor values = std::get<0>(sort(lines, -1));
  const int64_t n = values.sizes().back(), count = q.numel();
  const Tensor valid = sum(logical_not(isnan(values.detach())), {-1}, true);  // (*, 1)
  // Ranks (*, count). A line with NaN takes the last element, which is one.
  Tensor rank = reshape(q, {count}) * clamp(valid - 1, std::optional<Scalar>(0)).to(q.dtype());
  if (!skip_nan) rank = where(valid < n, number(static_cast<double>(n - 1)), rank);
  if (interpolation == "nearest") rank = round(rank);
  if (interpolation == "lower") rank = floor(rank);
  if (interpolation == "higher") rank = ceil(rank);
  const Tensor low = floor(rank.detach()), high = ceil(rank.detach());
  const Tensor below = gather(values, -1, low.to(DType::Int64));
  const Tensor above = gather(values, -1, high.to(DType::Int64));
  const Tensor weight = interpolation == "midpoint" ? (high - low) * 0.5 : rank - low;
  Tensor y = lerp(below, above, weight);  // (*, count)
  if (keepdim) {
    if (dim && input.dim() > 0) {
      y = unsqueeze(y, d);
    } else {
      Shape shape(static_cast<size_t>(input.dim()), 1);
      shape.push_back(count);
      y = reshape(y, shape);
    }
  }
  return q.dim() == 0 ? squeeze(y, IntArrayRef{-1}) : movedim(y, {-1}, {0});
}

// --- differences and covariances
// ----------------------------------------------------------------------------------------

Tensor diff_composite(const Tensor& input, int64_t n, int64_t dim, const std::optional<Tensor>& prepend,
                      const std::optional<Tensor>& append) {
  CLEW_CHECK(input.dim() > 0, ShapeError, "diff: expected at least one dimension, got a 0-dim tensor");
  CLEW_CHECK(n >= 0, ValueError, "diff: expected n >= 0, got ", n);
  const int64_t d = wrap_dim("diff", dim, input.dim());
  Tensor x = input;
  if (prepend || append) {
    TensorList parts;
    if (prepend) parts.push_back(*prepend);
    parts.push_back(input);
    if (append) parts.push_back(*append);
    x = cat(parts, d);
  }
  if (n == 0) return clone(x);
  for (int64_t i = 0; i < n && size_at(x, d) > 0; ++i) {
    const int64_t m = size_at(x, d) - 1;
    const Tensor a = narrow(x, d, 1, m), b = narrow(x, d, 0, m);
    x = x.dtype() == kBool ? logical_xor(a, b) : a - b;
  }
  return size_at(x, d) == 0 ? clone(x) : x;
}

Tensor trapezoid_composite(const Tensor& y, const std::optional<Tensor>& x, double dx, int64_t dim) {
  const int64_t d = wrap_dim("trapezoid", dim, y.dim());
  CLEW_CHECK(y.dim() > 0, ShapeError, "trapezoid: expected at least one dimension, got a 0-dim tensor");
  const int64_t n = size_at(y, d);
  if (n < 2) return sum(y * 0.0, IntArrayRef{d});
  const Tensor heights = narrow(y, d, 1, n - 1) + narrow(y, d, 0, n - 1);
  if (!x) return sum(heights, IntArrayRef{d}) * (dx / 2);
  Tensor steps = diff(*x, 1, x->dim() == 1 ? 0 : d);
  if (x->dim() == 1 && y.dim() > 1) {
    Shape shape(static_cast<size_t>(y.dim()), 1);
    shape[static_cast<size_t>(d)] = steps.numel();
    steps = reshape(steps, shape);
  }
  return sum(heights * steps, IntArrayRef{d}) / 2;
}

Tensor cov_composite(const Tensor& input, int64_t correction, const std::optional<Tensor>& fweights,
                     const std::optional<Tensor>& aweights) {
  CLEW_CHECK(input.dim() <= 2, ShapeError, "cov: expected at most two dimensions, got input ", input.sizes());
  CLEW_CHECK(input.dtype() != kBool, DTypeError, "cov: expected a numeric dtype, got ", input.dtype());
  Tensor x = input.dim() == 2 ? input : reshape(input, {1, -1});
  if (!is_floating(x.dtype())) x = x.to(default_dtype());
  const int64_t n = x.sizes()[1];
  std::optional<Tensor> weights;
  for (const std::optional<Tensor>* w : {&fweights, &aweights}) {
    if (!*w) continue;
    CLEW_CHECK((*w)->dim() <= 1 && (*w)->numel() == n, ShapeError, "cov: expected ", n,
               " weights, one per observation, got shape ", (*w)->sizes());
    const Tensor t = (*w)->to(x.dtype());
    weights = weights ? *weights * t : t;
  }
  if (!weights) {
    const Tensor centered = x - mean(x, {1}, true);
    return squeeze(mm(centered, t(centered)) / std::max<double>(static_cast<double>(n - correction), 0));
  }
  const Tensor total = sum(*weights);
  const Tensor centered = x - sum(x * *weights, {1}, true) / total;
  const Tensor repeated = aweights ? sum(*weights * aweights->to(x.dtype())) / total : ones({}, x.options());
  const Tensor freedom = clamp(total - repeated * static_cast<double>(correction), std::optional<Scalar>(0));
  return squeeze(mm(centered, t(centered * *weights)) / freedom);
}

}  // namespace

CLEW_OP_PAGE(count_nonzero) = {{
    .name = "count_nonzero",
    .doc = R"(How many elements are not 0.

Args:
    input: shape (*).
    dim: dimensions to count over; None: all.
Returns:
    int64 tensor without the dimensions counted over.
Example:
    >>> clew.tensor([0, 2, 3]).count_nonzero().item()
    2)",
    .composite = [](const Tensor& input, Dims dim) { return sum(ne(input.detach(), number(0)), dim); },
}};
Tensor count_nonzero(const Tensor& input, Dims dim) { return apply(count_nonzero_op, input, dim); }

CLEW_OP_PAGE(nansum) = {{
    .name = "nansum",
    .doc = R"(Sum over dimensions with NaN as 0.

Args:
    input: shape (*).
    dim: dimensions to reduce; None: all.
    keepdim: keep them with size 1.
    dtype: convert to this dtype first.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions.
Example:
    >>> clew.tensor([1.0, float('nan')]).nansum().item()
    1.0)",
    .composite =
        [](const Tensor& input, Dims dim, bool keepdim, std::optional<DType> dtype) {
          const Tensor x = is_floating(input.dtype()) ? masked_fill(input, isnan(input), number(0.0)) : input;
          return sum(x, dim, keepdim, dtype);
        },
}};
Tensor nansum(const Tensor& input, Dims dim, bool keepdim, std::optional<DType> dtype) {
  return apply(nansum_op, input, dim, keepdim, dtype);
}

CLEW_OP_PAGE(nanmean) = {{
    .name = "nanmean",
    .doc = R"(Mean over dimensions of what is not NaN.

Args:
    input: shape (*), floating.
    dim: dimensions to reduce; None: all.
    keepdim: keep them with size 1.
    dtype: convert to this dtype first.
Returns:
    Tensor without (or with size 1 at) the reduced dimensions; NaN over nothing.
Raises:
    clew.DTypeError: `input` is not floating.
Example:
    >>> clew.tensor([1.0, float('nan')]).nanmean().item()
    1.0)",
    .dtypes = kFloating,
    .composite =
        [](const Tensor& input, Dims dim, bool keepdim, std::optional<DType> dtype) {
          check_floating("nanmean", input);
          return nansum(input, dim, keepdim, dtype) / sum(logical_not(isnan(input.detach())), dim, keepdim);
        },
}};
Tensor nanmean(const Tensor& input, Dims dim, bool keepdim, std::optional<DType> dtype) {
  return apply(nanmean_op, input, dim, keepdim, dtype);
}

#define CLEW_MEDIAN(id, skip_nan, rule)                                                                      \
  CLEW_OP_PAGE(id) = {{                                                                                      \
      .name = #id,                                                                                           \
      .doc = "The middle value of all elements; of two middles the lower. Ties share the gradient "          \
             "evenly. " rule "\n\nArgs:\n    input: shape (*).\n"                                            \
             "Returns:\n    0-dim tensor; NaN over nothing.\nExample:\n    >>> clew.tensor([3.0, 1.0, 2.0, " \
             "4.0])." #id "().item()\n    2.0",                                                              \
      .composite = [](const Tensor& input) { return median_of_all(#id, input, skip_nan); },                  \
  }};                                                                                                        \
  Tensor id(const Tensor& input) { return apply(id##_op, input); }                                           \
  CLEW_OP_PAGE(id##_dim) = {{                                                                                \
      .name = #id ".dim",                                                                                    \
      .doc = "The middle value along a dimension and where it is; of two middles the lower. " rule           \
             "\n\nArgs:\n    "                                                                               \
             "input: shape (*).\n    dim: the dimension.\n    keepdim: keep it with size 1.\nReturns:\n    " \
             "(values, "                                                                                     \
             "indices): indices int64.\nRaises:\n    IndexError: `dim` out of range, or empty.\nExample:\n " \
             "   >>> "                                                                                       \
             "values, indices = clew.tensor([[3.0, 1.0, 2.0]])." #id                                         \
             "(1)\n    >>> values.tolist(), indices.tolist()\n"                                              \
             "    ([2.0], [2])",                                                                             \
      .composite = [](const Tensor& input, int64_t dim,                                                      \
                      bool keepdim) { return median_along(#id, input, dim, keepdim, skip_nan); },            \
  }};                                                                                                        \
  Tensor2 id(const Tensor& input, int64_t dim, bool keepdim) {                                               \
    return apply(id##_dim_op, input, dim, keepdim);                                                          \
  }
CLEW_MEDIAN(median, false, "NaN wins.")
CLEW_MEDIAN(nanmedian, true, "NaN does not count.")
#undef CLEW_MEDIAN

CLEW_OP_PAGE(mode) = {{
    .name = "mode",
    .doc = R"(The most frequent value along a dimension, the smallest of several, and where it stands last.

Args:
    input: shape (*).
    dim: the dimension.
    keepdim: keep it with size 1.
Returns:
    (values, indices): indices int64.
Raises:
    IndexError: `dim` out of range, or empty.
Example:
    >>> clew.tensor([2, 1, 2]).mode().values.item()
    2)",
    .composite = mode_composite,
}};
Tensor2 mode(const Tensor& input, int64_t dim, bool keepdim) { return apply(mode_op, input, dim, keepdim); }

CLEW_OP_PAGE(kthvalue) = {{
    .name = "kthvalue",
    .doc = R"(The k-th smallest element along a dimension and where it is.

Args:
    input: shape (*).
    k: 1 for the smallest.
    dim: the dimension.
    keepdim: keep it with size 1.
Returns:
    (values, indices): indices int64.
Raises:
    ValueError: `k` out of range.
Example:
    >>> clew.tensor([3, 1, 2]).kthvalue(2).values.item()
    2)",
    .composite = kthvalue_composite,
}};
Tensor2 kthvalue(const Tensor& input, int64_t k, int64_t dim, bool keepdim) {
  return apply(kthvalue_op, input, k, dim, keepdim);
}

CLEW_OP_PAGE(msort) = {{
    .name = "msort",
    .doc = R"(Sorts along the first dimension.

Args:
    input: shape (n, *).
Returns:
    Tensor of the shape of `input`.
Example:
    >>> clew.msort(clew.tensor([3, 1, 2])).tolist()
    [1, 2, 3])",
    .composite = [](const Tensor& input) { return std::get<0>(sort(input, 0)); },
}};
Tensor msort(const Tensor& input) { return apply(msort_op, input); }

#define CLEW_QUANTILE(id, skip_nan, rule)                                                                 \
  CLEW_OP_PAGE(id) = {{                                                                                   \
      .name = #id,                                                                                        \
      .doc = "Quantiles along a dimension or of all elements. " rule                                      \
             "\n\nArgs:\n    input: shape (*), floating.\n   "                                            \
             " q: a number in [0, 1], or a vector of them in the dtype of `input`.\n    dim: the "        \
             "dimension; None: "                                                                          \
             "all.\n    keepdim: keep it with size 1.\n    interpolation: between neighbours: 'linear', " \
             "'lower', "                                                                                  \
             "'higher', 'midpoint' or 'nearest'.\nReturns:\n    Tensor without (or with size 1 at) the "  \
             "reduced "                                                                                   \
             "dimension; with a vector `q`, one such tensor per entry, stacked first.\nRaises:\n    "     \
             "ValueError: `q` "                                                                           \
             "out of range, or no elements.\nExample:\n    >>> clew.tensor([0.0, 1.0, 2.0])." #id         \
             "(0.75).item()\n    1.5",                                                                    \
      .dtypes = kFloating,                                                                                \
      .composite =                                                                                        \
          [](const Tensor& input, const Tensor& q, std::optional<int64_t> dim, bool keepdim,              \
             std::string_view interpolation) {                                                            \
            return quantile_along(#id, input, q, dim, keepdim, interpolation, skip_nan);                  \
          },                                                                                              \
  }};                                                                                                     \
  Tensor id(const Tensor& input, const Tensor& q, std::optional<int64_t> dim, bool keepdim,               \
            std::string_view interpolation) {                                                             \
    return apply(id##_op, input, q, dim, keepdim, interpolation);                                         \
  }
CLEW_QUANTILE(quantile, false, "NaN wins.")
CLEW_QUANTILE(nanquantile, true, "NaN does not count.")
#undef CLEW_QUANTILE

CLEW_OP_PAGE(dist) = {{
    .name = "dist",
    .doc = R"(The p-norm of a difference.

    y = norm(input - other, p)

Args:
    input, other: shapes that broadcast together, floating.
    p: as in norm.
Returns:
    0-dim tensor.
Example:
    >>> clew.dist(clew.tensor([3.0, 0.0]), clew.tensor([0.0, 4.0])).item()
    5.0)",
    .dtypes = kFloating,
    .composite = [](const Tensor& input, const Tensor& other,
                    double p) { return linalg_vector_norm(input - other, p); },
}};
Tensor dist(const Tensor& input, const Tensor& other, double p) { return apply(dist_op, input, other, p); }

CLEW_OP_PAGE(diff) = {{
    .name = "diff",
    .doc = R"(Differences of neighbours along a dimension.

    y[i] = x[i + 1] - x[i], n times over

Args:
    input: shape (*), at least one dimension.
    n: how many times.
    dim: the dimension.
    prepend, append: tensors put before and after along `dim` first.
Returns:
    Tensor that is `n` shorter along `dim`.
Raises:
    clew.ShapeError: a 0-dim input.
Example:
    >>> clew.tensor([1, 4, 9]).diff().tolist()
    [3, 5])",
    .composite = diff_composite,
}};
Tensor diff(const Tensor& input, int64_t n, int64_t dim, const std::optional<Tensor>& prepend,
            const std::optional<Tensor>& append) {
  return apply(diff_op, input, n, dim, prepend, append);
}

CLEW_OP_PAGE(trapezoid) = {{
    .name = "trapezoid",
    .doc = R"(Integral by the trapezoidal rule along a dimension.

    sum over i of (x[i + 1] - x[i]) (y[i + 1] + y[i]) / 2

Args:
    y: shape (*), at least one dimension.
    x: where the values stand, a vector or a shape that broadcasts; None: `dx` apart.
    dx: the distance.
    dim: the dimension.
Returns:
    Tensor without `dim`.
Example:
    >>> clew.trapezoid(clew.tensor([0.0, 1.0, 2.0])).item()
    2.0)",
    .composite = trapezoid_composite,
}};
Tensor trapezoid(const Tensor& y, const std::optional<Tensor>& x, double dx, int64_t dim) {
  return apply(trapezoid_op, y, x, dx, dim);
}

CLEW_OP_PAGE(cov) = {{
    .name = "cov",
    .doc = R"(Covariances of variables, which are rows, over observations, which are columns.

Args:
    input: shape (variables, observations), or (observations,).
    correction: 1 for the unbiased estimate, 0 for the biased one.
    fweights: integers, how often each observation counts.
    aweights: numbers >= 0, how much each observation weighs.
Returns:
    Tensor of shape (variables, variables), 0-dim for one variable.
Example:
    >>> clew.cov(clew.tensor([1.0, 3.0])).item()
    2.0)",
    .composite = cov_composite,
}};
Tensor cov(const Tensor& input, int64_t correction, const std::optional<Tensor>& fweights,
           const std::optional<Tensor>& aweights) {
  return apply(cov_op, input, correction, fweights, aweights);
}

CLEW_OP_PAGE(corrcoef) = {{
    .name = "corrcoef",
    .doc = R"(Correlation coefficients of variables, which are rows.

    y[i, j] = cov[i, j] / sqrt(cov[i, i] cov[j, j]), limited to [-1, 1]

Args:
    input: shape (variables, observations), or (observations,).
Returns:
    Tensor of shape (variables, variables), 0-dim for one variable.
Example:
    >>> clew.corrcoef(clew.tensor([1.0, 3.0])).item()
    1.0)",
    .composite = [](const Tensor& input) -> Tensor {
      CLEW_CHECK(input.dim() <= 2, ShapeError, "corrcoef: expected at most two dimensions, got input ",
                 input.sizes());
      const Tensor c = cov(input);
      if (c.dim() == 0) return c / c;
      const Tensor deviation = sqrt(diagonal(c));
      const Tensor y = c / unsqueeze(deviation, 1) / unsqueeze(deviation, 0);
      return clamp(y, std::optional<Scalar>(-1), std::optional<Scalar>(1));
    },
}};
Tensor corrcoef(const Tensor& input) { return apply(corrcoef_op, input); }

}  // namespace clew
