// Order statistics, running extremes, histograms and moments, mostly made of other ops.
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
    const Tensor logs = masked_fill(log(masked_fill(amount, none, number(1.0))) - y, none, number(-HUGE_VAL));
    return exp(flip(logcumsumexp(flip(logs, {dim}), dim), {dim}) + x);
  };
  return {part(g) - part(neg(g))};
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

// --- moments ----------------------------------------------------------------------------------------

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

// --- counting ---------------------------------------------------------------------------------------

void check_data(const char* op, const Tensor& input) {
  CLEW_CHECK(!input.is_meta(), DeviceError, op, ": expected a tensor with data, got one on the meta device");
}

Tensor bincount_composite(const Tensor& input, const std::optional<Tensor>& weights, int64_t minlength) {
  check_data("bincount", input);
  CLEW_CHECK(!is_floating(input.dtype()) && input.dtype() != kBool, DTypeError,
             "bincount: expected an integer dtype, got ", input.dtype());
  CLEW_CHECK(input.dim() == 1, ShapeError, "bincount: expected a vector, got input ", input.sizes());
  CLEW_CHECK(minlength >= 0, ValueError, "bincount: expected minlength >= 0, got ", minlength);
  CLEW_CHECK(!weights || weights->sizes() == input.sizes(), ShapeError,
             "bincount: expected weights of the shape of input ", input.sizes(), ", got another shape");
  const Tensor at = input.to(DType::Int64);
  int64_t n = minlength;
  if (at.numel() > 0) {
    CLEW_CHECK(min(at).item<int64_t>() >= 0, ValueError, "bincount: expected values >= 0, got ",
               min(at).item<int64_t>());
    n = std::max(n, max(at).item<int64_t>() + 1);
  }
  const DType t = !weights                             ? DType::Int64
                  : weights->dtype() == DType::Float32 ? DType::Float32
                                                       : DType::Float64;
  const Tensor amounts =
      weights ? weights->detach().to(t) : ones(at.sizes(), TensorOptions(t).device(at.device()));
  return scatter_add(zeros({n}, amounts.options()), 0, at, amounts);
}

Tensor histc_composite(const Tensor& input, int64_t bins, double low, double high) {
  check_data("histc", input);
  check_floating("histc", input);
  CLEW_CHECK(bins > 0, ValueError, "histc: expected bins > 0, got ", bins);
  const Tensor x = reshape(input.detach(), {-1});
  if (low == high && x.numel() > 0) {
    low = min(x).item<double>();
    high = max(x).item<double>();
  }
  if (low == high) {
    low -= 1;
    high += 1;
  }
  CLEW_CHECK(std::isfinite(low) && std::isfinite(high), ValueError, "histc: expected finite limits, got ",
             low, " and ", high);
  CLEW_CHECK(low < high, ValueError, "histc: expected min < max, got ", low, " and ", high);
  const Tensor inside = logical_and(x >= low, x <= high);
  const Tensor kept = masked_select(x, inside).to(DType::Float64);
  const Tensor at = clamp(floor((kept - low) * (static_cast<double>(bins) / (high - low))),
                          std::optional<Scalar>(0), std::optional<Scalar>(bins - 1));
  const Tensor counts =
      scatter_add(zeros({bins}, TensorOptions(DType::Int64).device(x.device())), 0, at.to(DType::Int64),
                  ones(at.sizes(), TensorOptions(DType::Int64).device(x.device())));
  return counts.to(input.dtype());
}

TensorMeta searchsorted_meta(const Tensor& sorted, const Tensor& input, bool out_int32, bool) {
  CLEW_CHECK(sorted.dim() > 0, ShapeError,
             "searchsorted: expected a sequence with dimensions, got a 0-dim tensor");
  const size_t rank = sorted.sizes().size();
  const bool same_rows = rank == input.sizes().size() &&
                         std::equal(sorted.sizes().begin(), sorted.sizes().end() - 1, input.sizes().begin());
  CLEW_CHECK(rank == 1 || same_rows, ShapeError,
             "searchsorted: expected a sorted vector, or rows as in the input ", input.sizes(), ", got ",
             sorted.sizes());
  return {input.sizes().vec(), out_int32 ? DType::Int32 : DType::Int64};
}

Tensor isin_composite(const Tensor& elements, const Tensor& test_elements, bool, bool invert) {
  if (test_elements.numel() == 0)
    return full(elements.sizes(), invert, TensorOptions(kBool).device(elements.device()));
  const DType t = promote_types(elements.dtype(), test_elements.dtype());
  const Tensor known = std::get<0>(sort(reshape(test_elements.detach().to(t), {-1})));
  const Tensor x = elements.detach().to(t);
  const Tensor at =
      clamp(searchsorted(known, x), std::optional<Scalar>(0), std::optional<Scalar>(known.numel() - 1));
  const Tensor found = reshape(index_select(known, 0, reshape(at, {-1})), x.sizes()) == x;
  return invert ? logical_not(found) : found;
}

/// (kept values, the run that each element belongs to, lengths of runs).
Tensor3 unique_runs_composite(const Tensor& input, std::optional<int64_t> dim, bool consecutive) {
  const char* op = consecutive ? "unique_consecutive" : "unique";
  check_data(op, input);
  const TensorOptions counting = TensorOptions(DType::Int64).device(input.device());
  const Tensor x = input.detach();
  const int64_t d = dim ? wrap_dim(op, *dim, input.dim()) : 0;
  const bool whole = !dim || input.dim() == 0;
  const int64_t n = whole ? x.numel() : size_at(x, d);
  // Rows of what is compared, as columns of `keys` from the last to the first in weight.
  Tensor rows = whole ? reshape(x, {n, 1}) : reshape(movedim(x, {d}, {0}), {n, n == 0 ? 0 : x.numel() / n});
  Tensor order = arange(n, counting);
  if (!consecutive) {
    for (int64_t c = rows.sizes()[1]; c-- > 0;) {
      const Tensor at = std::get<1>(sort(index_select(select(rows, 1, c), 0, order), 0));
      order = index_select(order, 0, at);
    }
    rows = index_select(rows, 0, order);
  }
  Tensor first = ones({n}, TensorOptions(kBool).device(x.device()));
  if (n > 1) {
    const Tensor differs = any(ne(narrow(rows, 0, 1, n - 1), narrow(rows, 0, 0, n - 1)), {1});
    copy_(narrow(first, 0, 1, n - 1), differs);
  }
  const Tensor starts = reshape(nonzero(first), {-1});
  const Tensor run = cumsum(first, 0) - 1;
  const Tensor lengths = diff(starts, 1, 0, std::nullopt, full({1}, n, counting));
  Tensor inverse = scatter(empty({n}, counting), 0, order, run);
  const Tensor kept = index_select(order, 0, starts);
  if (!whole) return {index_select(x, d, kept), inverse, lengths};
  return {index_select(reshape(x, {-1}), 0, kept), reshape(inverse, input.sizes()), lengths};
}

}  // namespace

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

CLEW_OP_PAGE(bincount) = {{
    .name = "bincount",
    .doc = R"(How often each number occurs.

    y[k] = sum of weights[i] over input[i] == k

Args:
    input: shape (n,), integers >= 0.
    weights: shape (n,), or None for 1 each; they get no gradient.
    minlength: the least length of the result.
Returns:
    int64 tensor, or of the weights' dtype, as long as the greatest number plus 1.
Raises:
    ValueError: a negative number.
Example:
    >>> clew.bincount(clew.tensor([0, 2, 2])).tolist()
    [1, 0, 2])",
    .dtypes = kIntegers,
    .composite = bincount_composite,
}};
Tensor bincount(const Tensor& input, const std::optional<Tensor>& weights, int64_t minlength) {
  return apply(bincount_op, input, weights, minlength);
}

CLEW_OP_PAGE(histc) = {{
    .name = "histc",
    .doc = R"(Histogram with bins of one width.

Args:
    input: any shape, floating; it gets no gradient.
    bins: how many.
    min, max: the range; equal: that of the data. Elements outside do not count.
Returns:
    Tensor of shape (bins,) and the dtype of `input`.
Raises:
    ValueError: min > max, or no bins.
Example:
    >>> clew.histc(clew.tensor([1.0, 2.0, 1.0]), bins=2, min=0, max=2).tolist()
    [0.0, 3.0])",
    .dtypes = kFloating,
    .composite = histc_composite,
}};
Tensor histc(const Tensor& input, int64_t bins, double min, double max) {
  return apply(histc_op, input, bins, min, max);
}

CLEW_OP_PAGE(searchsorted) = {{
    .name = "searchsorted",
    .doc = R"(Where values belong in a sorted sequence.

    sorted[i - 1] < v <= sorted[i]; with right=True, sorted[i - 1] <= v < sorted[i]

Args:
    sorted_sequence: shape (n,), or (*, n) with a row of values for each row.
    input: shape (*, m), or any shape with a vector; a number too.
    out_int32: int32 indices instead of int64.
    right: after equal elements instead of before.
Returns:
    Integer tensor of the shape of `input`.
Raises:
    clew.ShapeError: the rows do not fit.
Example:
    >>> clew.searchsorted(clew.tensor([1, 3, 5]), clew.tensor([3, 4])).tolist()
    [1, 2])",
    .promote = Promote::Common,
    .layout = Layout::Contiguous,
    .meta = searchsorted_meta,
    .kernel = &searchsorted_kernel,
    .not_differentiable = "indices are integers",
}};
Tensor searchsorted(const Tensor& sorted_sequence, const Tensor& input, bool out_int32, bool right) {
  return apply(searchsorted_op, sorted_sequence, input, out_int32, right);
}

CLEW_OP_PAGE(bucketize) = {{
    .name = "bucketize",
    .doc = R"(The bucket that each element falls into.

    boundaries[i - 1] < x <= boundaries[i]; with right=True, boundaries[i - 1] <= x < boundaries[i]

Args:
    input: any shape.
    boundaries: shape (n,), sorted.
    out_int32: int32 indices instead of int64.
    right: which end of a bucket is closed.
Returns:
    Integer tensor of the shape of `input`.
Raises:
    clew.ShapeError: `boundaries` is not a vector.
Example:
    >>> clew.bucketize(clew.tensor([3, 4]), clew.tensor([1, 3, 5])).tolist()
    [1, 2])",
    .composite =
        [](const Tensor& input, const Tensor& boundaries, bool out_int32, bool right) {
          CLEW_CHECK(boundaries.dim() == 1, ShapeError,
                     "bucketize: expected boundaries to be a vector, got shape ", boundaries.sizes());
          return searchsorted(boundaries, input, out_int32, right);
        },
}};
Tensor bucketize(const Tensor& input, const Tensor& boundaries, bool out_int32, bool right) {
  return apply(bucketize_op, input, boundaries, out_int32, right);
}

CLEW_OP_PAGE(isin) = {{
    .name = "isin",
    .doc = R"(Whether each element occurs in another tensor.

Args:
    elements: any shape, or a number.
    test_elements: any shape, or a number.
    assume_unique: accepted for compatibility.
    invert: True where it does not occur.
Returns:
    bool tensor of the shape of `elements`.
Example:
    >>> clew.isin(clew.tensor([1, 2, 3]), clew.tensor([2, 5])).tolist()
    [False, True, False])",
    .composite = isin_composite,
}};
Tensor isin(const Tensor& elements, const Tensor& test_elements, bool assume_unique, bool invert) {
  return apply(isin_op, elements, test_elements, assume_unique, invert);
}

CLEW_OP_PAGE(unique_runs) = {{
    .name = "unique_runs",
    .doc = R"(The distinct elements, or slices along a dimension.

Args:
    input: shape (*); it gets no gradient.
    dim: compare slices along this dimension; None: single elements.
    consecutive: only neighbours count as equal, and nothing is sorted.
Returns:
    The distinct values, for each element which of them it is, and how often each occurs.
Example:
    >>> [t.tolist() for t in clew.ops.unique_runs(clew.tensor([3, 1, 3]), None, False)]
    [[1, 3], [1, 0, 1], [1, 2]])",
    .composite = unique_runs_composite,
}};
Tensor3 unique_runs(const Tensor& input, std::optional<int64_t> dim, bool consecutive) {
  return apply(unique_runs_op, input, dim, consecutive);
}

}  // namespace clew
