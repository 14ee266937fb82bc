// Counting and finding values: histograms, sorted sequences, distinct elements.
#include <cmath>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

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
  CLEW_CHECK(is_floating(input.dtype()), DTypeError, "histc: expected a floating dtype, got ", input.dtype());
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
  const int64_t n = whole ? x.numel() : x.size(d);
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
