// Reading and writing by index tensors and masks.
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "kernels/indexing.h"
#include "registry/slots.h"

namespace clew {
namespace {

void check_index_dtype(const char* op, const char* name, const Tensor& index) {
  CLEW_CHECK(index.dtype() == DType::Int64 || index.dtype() == DType::Int32 || index.numel() == 0, DTypeError,
             op, ": expected ", name, " of dtype int64 or int32, got ", index.dtype());
}

int64_t size_at(const Tensor& t, int64_t dim) {
  return t.dim() == 0 ? 1 : t.sizes()[static_cast<size_t>(dim)];
}

Shape mask_counts(const char* op, TensorListRef indices) {
  Shape counts;
  for (const Tensor& t : indices) {
    const bool mask = t.defined() && (t.dtype() == DType::Bool || t.dtype() == DType::UInt8);
    CLEW_CHECK(!mask || !t.is_meta(), DeviceError, op,
               ": expected masks with data, got one on the meta device");
    counts.push_back(mask ? sum(ne(t, weak_scalar_tensor(0))).item<int64_t>() : 0);
  }
  return counts;
}

TensorMeta index_meta(const Tensor& input, TensorListRef indices) {
  return {plan_indexing("index", input.sizes(), indices, mask_counts("index", indices)).result,
          input.dtype()};
}

TensorMeta index_put_meta(const Tensor& input, TensorListRef indices, const Tensor& values, bool) {
  const IndexingPlan plan =
      plan_indexing("index_put", input.sizes(), indices, mask_counts("index_put", indices));
  CLEW_CHECK(broadcastable_to(values.sizes(), plan.result), ShapeError,
             "index_put: expected values of a shape that broadcasts to ", plan.result, ", got ",
             values.sizes());
  CLEW_CHECK(values.dtype() == input.dtype() || values.dim() == 0, DTypeError,
             "index_put: expected values of dtype ", input.dtype(), ", got ", values.dtype(),
             " (convert them with .to(dtype))");
  return input.meta();
}

/// The index tensors among the arguments of a node: slots [1, 1 + n).
TensorList saved_indices(const Backward& ctx, size_t n) {
  TensorList out;
  for (size_t i = 0; i < n; ++i) {
    const int slot = static_cast<int>(i) + 1;
    out.push_back(ctx.has_input(slot) ? ctx.input(slot) : Tensor());
  }
  return out;
}

TensorMeta index_select_meta(const Tensor& input, int64_t dim, const Tensor& index) {
  const int64_t d = wrap_dim("index_select", dim, input.dim());
  check_index_dtype("index_select", "index", index);
  CLEW_CHECK(index.dim() <= 1, ShapeError, "index_select: expected index with at most 1 dimension, got ",
             index.sizes());
  Shape shape = input.sizes().vec();
  if (!shape.empty()) shape[static_cast<size_t>(d)] = index.numel();
  CLEW_CHECK(!shape.empty() || index.numel() == 1, ShapeError,
             "index_select: expected one index for a 0-dim input, got ", index.sizes());
  return {std::move(shape), input.dtype()};
}

TensorMeta index_add_meta(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source,
                          const Scalar& alpha) {
  const int64_t d = wrap_dim("index_add", dim, input.dim());
  check_index_dtype("index_add", "index", index);
  CLEW_CHECK(source.dtype() == input.dtype(), DTypeError, "index_add: expected source of dtype ",
             input.dtype(), ", got ", source.dtype());
  CLEW_CHECK(is_floating(input.dtype()) || !alpha.is_floating(), DTypeError,
             "index_add: expected an integer alpha for dtype ", input.dtype(), ", got ", alpha);
  CLEW_CHECK(index.dim() <= 1, ShapeError, "index_add: expected index with at most 1 dimension, got ",
             index.sizes());
  bool fits = source.dim() == input.dim() && size_at(source, d) == index.numel();
  for (size_t i = 0; fits && i < input.sizes().size(); ++i)
    fits = static_cast<int64_t>(i) == d || source.sizes()[i] == input.sizes()[i];
  CLEW_CHECK(fits, ShapeError, "index_add: expected source of the shape of input with ", index.numel(),
             " at dimension ", d, ", got source ", source.sizes(), " for input ", input.sizes());
  return input.meta();
}

void check_index_shape(const char* op, const char* name, const Tensor& t, int64_t dim, const Tensor& index) {
  const bool same_rank = std::max<int64_t>(t.dim(), 1) == std::max<int64_t>(index.dim(), 1);
  bool fits = same_rank;
  for (int64_t i = 0; fits && i < index.dim(); ++i) fits = i == dim || size_at(index, i) <= size_at(t, i);
  CLEW_CHECK(fits || index.numel() == 0, ShapeError, op, ": expected index with the dimensions of ", name,
             " and no larger than it outside of dimension ", dim, ", got index ", index.sizes(), " for ",
             name, " ", t.sizes());
}

TensorMeta gather_meta(const Tensor& input, int64_t dim, const Tensor& index) {
  const int64_t d = wrap_dim("gather", dim, input.dim());
  check_index_dtype("gather", "index", index);
  check_index_shape("gather", "input", input, d, index);
  return {index.sizes().vec(), input.dtype()};
}

TensorMeta scatter_meta_named(const char* op, const Tensor& input, int64_t dim, const Tensor& index,
                              const Tensor& src) {
  const int64_t d = wrap_dim(op, dim, input.dim());
  check_index_dtype(op, "index", index);
  check_index_shape(op, "input", input, d, index);
  if (src.dim() != 0) {
    CLEW_CHECK(src.dtype() == input.dtype(), DTypeError, op, ": expected src of dtype ", input.dtype(),
               ", got ", src.dtype());
    check_index_shape(op, "src", src, -1, index);
  }
  return input.meta();
}
TensorMeta scatter_meta(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src,
                        std::optional<std::string_view> reduce) {
  CLEW_CHECK(!reduce || *reduce == "add" || *reduce == "multiply", ValueError,
             "scatter: expected reduce to be 'add', 'multiply' or None, got '", reduce.value_or(""), "'");
  CLEW_CHECK(reduce != "multiply" || !is_grad_enabled() || (!input.requires_grad() && !src.requires_grad()),
             NotImplementedError,
             "scatter: expected input and src that do not require grad with reduce='multiply', got one that "
             "does (multiply by the gathered values instead)");
  return scatter_meta_named("scatter", input, dim, index, src);
}
TensorMeta scatter_add_meta(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src) {
  return scatter_meta_named("scatter_add", input, dim, index, src);
}

/// Gradient of `src`: what stands at its indices; zero where src is larger than index.
Tensor scatter_src_grad(const Backward& ctx, const Tensor& g) {
  const Tensor index = ctx.input(1);
  const Tensor taken = gather(g, ctx.arg<int64_t>(1), index);
  const IntArrayRef sizes = ctx.input_sizes(2);
  if (sizes == taken.sizes() || sizes.empty()) return taken;
  const Tensor whole = zeros(sizes, g.options());
  copy_(as_strided(whole, taken.sizes(), contiguous_strides(sizes), 0), taken);
  return whole;
}

void check_mask(const char* op, const Tensor& mask) {
  CLEW_CHECK(mask.dtype() == DType::Bool, DTypeError, op, ": expected mask of dtype bool, got ", mask.dtype(),
             " (compare it, or convert it with .bool())");
}

TensorMeta masked_fill_meta(const Tensor& input, const Tensor& mask, const Tensor& value) {
  check_mask("masked_fill", mask);
  CLEW_CHECK(value.dim() == 0, ShapeError, "masked_fill: expected a number or a 0-dim value, got shape ",
             value.sizes());
  return {broadcast_shapes("masked_fill", input.sizes(), mask.sizes()), input.dtype()};
}

Tensor masked_select_composite(const Tensor& input, const Tensor& mask) {
  check_mask("masked_select", mask);
  Shape shape = broadcast_shapes("masked_select", input.sizes(), mask.sizes());
  if (shape.empty()) shape.push_back(1);
  const Tensor indices[] = {expand(mask, shape)};
  return index(expand(input, shape), indices);
}

Tensor nonzero_compute(const Tensor& input) {
  const auto kernel = nonzero_kernel.column[static_cast<int>(input.device().type)];
  if (kernel == nullptr) apply_detail::no_kernel(nonzero_op.info, input.device());
  Tensor out;
  kernel(out, input);  // counts first, then allocates
  return out;
}

TensorMeta embedding_meta(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx,
                          std::optional<double>, double, bool, bool sparse) {
  CLEW_CHECK(!sparse, NotImplementedError,
             "embedding: expected sparse=False, got True (gradients are dense tensors)");
  check_index_dtype("embedding", "input", input);
  CLEW_CHECK(weight.dim() == 2, ShapeError,
             "embedding: expected weight of shape (num_embeddings, embedding_dim), got ", weight.sizes());
  const int64_t rows = weight.sizes()[0];
  CLEW_CHECK(!padding_idx || (*padding_idx >= -rows && *padding_idx < rows), ValueError,
             "embedding: expected padding_idx in [", -rows, ", ", rows - 1, "], got ",
             padding_idx.value_or(0));
  Shape shape = input.sizes().vec();
  shape.push_back(weight.sizes()[1]);
  return {std::move(shape), weight.dtype()};
}

GradList embedding_grad(const Backward& ctx, const Tensor& g) {
  const IntArrayRef sizes = ctx.input_sizes(1);
  const Tensor rows = reshape(ctx.input(0), {-1});
  Tensor source = reshape(g, {rows.numel(), sizes[1]});
  if (std::optional<int64_t> padding = ctx.arg<std::optional<int64_t>>(2)) {
    const int64_t row = *padding < 0 ? *padding + sizes[0] : *padding;
    source = masked_fill(source, unsqueeze(eq(rows, weak_scalar_tensor(row)), 1), weak_scalar_tensor(0));
  }
  if (ctx.arg<bool>(5)) {  // each row by how often it was asked for
    const Tensor counts =
        index_add(zeros({sizes[0]}, g.options()), 0, rows, ones({rows.numel()}, g.options()));
    source = div(source, unsqueeze(index_select(counts, 0, rows), 1));
  }
  return {Tensor(), index_add_(zeros(sizes, g.options()), 0, rows, source)};
}

/// Scales the rows that `input` asks for down to a norm of `max_norm`, outside of the tape.
void embedding_renorm(const Tensor& input, const Tensor& weight, double max_norm, double norm_type) {
  const NoGradGuard guard;
  CLEW_CHECK(max_norm >= 0, ValueError, "embedding: expected max_norm >= 0, got ", max_norm);
  if (input.numel() == 0 || weight.is_meta()) return;
  const Tensor rows = reshape(input, {-1}), table = weight.detach();
  const Tensor taken = index_select(table, 0, rows);
  const Tensor length = norm(taken, norm_type, IntArrayRef{1}, true);
  const Tensor shrunk = mul(taken, div(weak_scalar_tensor(max_norm), add(length, weak_scalar_tensor(1e-7))));
  const Tensor indices[] = {rows};
  index_put_(table, indices, where(gt(length, weak_scalar_tensor(max_norm)), shrunk, taken));
}

Tensor one_hot_composite(const Tensor& input, int64_t num_classes) {
  CLEW_CHECK(input.dtype() == DType::Int64, DTypeError, "one_hot: expected input of dtype int64, got ",
             input.dtype());
  CLEW_CHECK(num_classes >= -1, ValueError, "one_hot: expected num_classes >= 1, or -1 to infer it, got ",
             num_classes);
  CLEW_CHECK(input.numel() > 0 || num_classes > 0, ValueError,
             "one_hot: expected num_classes for an empty input, got ", num_classes);
  CLEW_CHECK(num_classes != 0, ValueError, "one_hot: expected num_classes >= 1, or -1 to infer it, got 0");
  CLEW_CHECK(!input.is_meta() || num_classes > 0, DeviceError,
             "one_hot: expected num_classes for an input on the meta device, got ", num_classes);
  if (input.numel() > 0 && !input.is_meta()) {
    const int64_t low = min(input).item<int64_t>(), high = max(input).item<int64_t>();
    CLEW_CHECK(low >= 0, ValueError, "one_hot: expected classes >= 0, got ", low);
    if (num_classes == -1) num_classes = high + 1;
    CLEW_CHECK(high < num_classes, ValueError, "one_hot: expected classes < num_classes (", num_classes,
               "), got ", high);
  }
  Shape shape = input.sizes().vec();
  shape.push_back(num_classes);
  const Tensor out = zeros(shape, input.options());
  return scatter_(out, -1, unsqueeze(input, -1), weak_scalar_tensor(1));
}

}  // namespace

CLEW_OP_PAGE(index) = {{
    .name = "index",
    .doc = R"(What `input[i, j, ...]` reads with index tensors and masks.

Args:
    input: shape (*).
    indices: one entry per dimension: None for all of it, an integer tensor, or a bool mask over one or
        more dimensions. Integer tensors broadcast together; negative indices count from the end.
Returns:
    A copy. The index dimensions stand where the index tensors do, or in front when those are apart.
Raises:
    IndexError: an index out of range, a mask of another shape, too many indices.
Example:
    >>> clew.arange(4)[clew.tensor([3, -4])].tolist()
    [3, 0])",
    .meta = index_meta,
    .kernel = &index_kernel,
    .saves = kSavesNothing.inputs_from(1),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      GradList out(ctx.num_inputs());
      const TensorList indices = saved_indices(ctx, ctx.num_inputs() - 1);
      out[0] = index_put_(zeros(ctx.input_sizes(0), g.options()), indices, g, true);
      return out;
    },
}};
Tensor index(const Tensor& input, TensorListRef indices) { return apply(index_op, input, indices); }

CLEW_OP_PAGE(index_put) = {{
    .name = "index_put",
    .doc = R"(What `input[i, j, ...] = values` writes with index tensors and masks.

Args:
    input: shape (*).
    indices: as for indexing with tensors.
    values: a shape that broadcasts to that of the indexed result; dtype of `input`, or 0-dim.
    accumulate: add instead of overwriting; repeated indices add up in order.
Returns:
    Tensor of shape (*).
Raises:
    IndexError: an index out of range.
    clew.ShapeError: `values` does not broadcast.
Example:
    >>> clew.zeros(3).index_put((clew.tensor([0, 0]),), clew.ones(2), accumulate=True).tolist()
    [2.0, 0.0, 0.0])",
    .inplace = true,
    .meta = index_put_meta,
    .kernel = &index_put_kernel,
    .saves = kSavesNothing.inputs_from(1),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      GradList out(ctx.num_inputs());
      const size_t values = ctx.num_inputs() - 1;
      const TensorList indices = saved_indices(ctx, values - 1);
      if (ctx.needs(0)) out[0] = ctx.arg<bool>(3) ? g : index_put(g, indices, zeros({}, g.options()), false);
      if (ctx.needs(static_cast<int>(values))) out[values] = index(g, indices);
      return out;
    },
}};
Tensor index_put(const Tensor& input, TensorListRef indices, const Tensor& values, bool accumulate) {
  return apply(index_put_op, input, indices, values, accumulate);
}
Tensor index_put_(const Tensor& input, TensorListRef indices, const Tensor& values, bool accumulate) {
  return apply_inplace(index_put_op, input, indices, values, accumulate);
}

CLEW_OP_PAGE(index_select) = {{
    .name = "index_select",
    .doc = R"(Copies the given indices of one dimension.

    y[.., i, ..] = input[.., index[i], ..]

Args:
    input: shape (*).
    dim: the dimension.
    index: int64 or int32, shape (n,) or ().
Returns:
    Tensor with n at dimension `dim`.
Raises:
    IndexError: an index not in [0, size).
Example:
    >>> clew.arange(4).index_select(0, clew.tensor([2, 2])).tolist()
    [2, 2])",
    .meta = index_select_meta,
    .kernel = &index_select_kernel,
    .saves = kSavesNothing.input(1),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {index_add_(zeros(ctx.input_sizes(0), g.options()), ctx.arg<int64_t>(1), ctx.input(1), g),
              Tensor()};
    },
}};
Tensor index_select(const Tensor& input, int64_t dim, const Tensor& index) {
  return apply(index_select_op, input, dim, index);
}

CLEW_OP_PAGE(index_add) = {{
    .name = "index_add",
    .doc = R"(Adds slices of `source` at the given indices of one dimension, in order.

    y = input;  y[.., index[i], ..] += alpha * source[.., i, ..]

Args:
    input: shape (*).
    dim: the dimension.
    index: int64 or int32, shape (n,) or ().
    source: shape of `input` with n at dimension `dim`, dtype of `input`.
    alpha: a number.
Returns:
    Tensor of shape (*).
Raises:
    IndexError: an index not in [0, size).
    clew.ShapeError: `source` does not fit.
Example:
    >>> clew.zeros(2).index_add(0, clew.tensor([1, 1]), clew.ones(2)).tolist()
    [0.0, 2.0])",
    .inplace = true,
    .meta = index_add_meta,
    .kernel = &index_add_kernel,
    .saves = kSavesNothing.input(1, grad_of(2)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      Tensor source;
      if (ctx.needs(2)) {
        const Scalar alpha = ctx.arg<Scalar>(4);
        source = reshape(index_select(g, ctx.arg<int64_t>(1), ctx.input(1)), ctx.input_sizes(2));
        if (!alpha.equals(1)) source = mul(source, weak_scalar_tensor(alpha));
      }
      return {g, Tensor(), source};
    },
}};
Tensor index_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source,
                 const Scalar& alpha) {
  return apply(index_add_op, input, dim, index, source, alpha);
}
Tensor index_add_(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source,
                  const Scalar& alpha) {
  return apply_inplace(index_add_op, input, dim, index, source, alpha);
}

CLEW_OP_PAGE(gather) = {{
    .name = "gather",
    .doc = R"(Reads along one dimension at an index per element.

    y[i, j] = input[index[i, j], j]  for dim 0,  input[i, index[i, j]]  for dim 1

Args:
    input: shape (*).
    dim: the dimension.
    index: int64 or int32, with the dimensions of `input` and no larger than it outside of `dim`.
Returns:
    Tensor with the shape of `index`.
Raises:
    IndexError: an index not in [0, size).
    clew.ShapeError: `index` does not fit.
Example:
    >>> clew.tensor([[1, 2], [3, 4]]).gather(1, clew.tensor([[1], [0]])).tolist()
    [[2], [3]])",
    .meta = gather_meta,
    .kernel = &gather_kernel,
    .saves = kSavesNothing.input(1),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {scatter_add_(zeros(ctx.input_sizes(0), g.options()), ctx.arg<int64_t>(1), ctx.input(1), g),
              Tensor()};
    },
}};
Tensor gather(const Tensor& input, int64_t dim, const Tensor& index) {
  return apply(gather_op, input, dim, index);
}

CLEW_OP_PAGE(scatter) = {{
    .name = "scatter",
    .doc = R"(Writes along one dimension at an index per element; the last of equal indices stays.

    y = input;  y[index[i, j], j] = src[i, j]  for dim 0,  y[i, index[i, j]] = src[i, j]  for dim 1

Args:
    input: shape (*).
    dim: the dimension.
    index: int64 or int32, with the dimensions of `input`.
    src: at least as large as `index`, dtype of `input`; or a number.
    reduce: 'add' or 'multiply' what stands there instead of replacing it; 'multiply' without a gradient.
Returns:
    Tensor of shape (*).
Raises:
    IndexError: an index not in [0, size).
    clew.ShapeError: `index` or `src` does not fit.
Example:
    >>> clew.zeros(3).scatter(0, clew.tensor([1]), clew.ones(1)).tolist()
    [0.0, 1.0, 0.0])",
    .inplace = true,
    .meta = scatter_meta,
    .kernel = &scatter_kernel,
    .saves = kSavesNothing.input(1),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      Tensor input;
      if (ctx.arg<std::optional<std::string_view>>(4)) {  // 'add'
        input = g;
      } else if (ctx.needs(0)) {
        input = scatter(g, ctx.arg<int64_t>(1), ctx.input(1), zeros({}, g.options()));
      }
      return {input, Tensor(), ctx.needs(2) ? scatter_src_grad(ctx, g) : Tensor()};
    },
}};
Tensor scatter(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src,
               std::optional<std::string_view> reduce) {
  return apply(scatter_op, input, dim, index, src, reduce);
}
Tensor scatter_(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src,
                std::optional<std::string_view> reduce) {
  return apply_inplace(scatter_op, input, dim, index, src, reduce);
}

CLEW_OP_PAGE(scatter_add) = {{
    .name = "scatter_add",
    .doc = R"(Adds along one dimension at an index per element, in order.

    y = input;  y[index[i, j], j] += src[i, j]  for dim 0,  y[i, index[i, j]] += src[i, j]  for dim 1

Args:
    input: shape (*).
    dim: the dimension.
    index: int64 or int32, with the dimensions of `input`.
    src: at least as large as `index`, dtype of `input`; or a number.
Returns:
    Tensor of shape (*).
Raises:
    IndexError: an index not in [0, size).
    clew.ShapeError: `index` or `src` does not fit.
Example:
    >>> clew.zeros(2).scatter_add(0, clew.tensor([1, 1]), clew.ones(2)).tolist()
    [0.0, 2.0])",
    .inplace = true,
    .meta = scatter_add_meta,
    .kernel = &scatter_add_kernel,
    .saves = kSavesNothing.input(1, grad_of(2)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {g, Tensor(), ctx.needs(2) ? scatter_src_grad(ctx, g) : Tensor()};
    },
}};
Tensor scatter_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src) {
  return apply(scatter_add_op, input, dim, index, src);
}
Tensor scatter_add_(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src) {
  return apply_inplace(scatter_add_op, input, dim, index, src);
}

CLEW_OP_PAGE(masked_fill) = {{
    .name = "masked_fill",
    .doc = R"(Puts one value where a mask is true.

    y = value where mask, else input

Args:
    input: shape (*).
    mask: bool, a shape that broadcasts with (*).
    value: a number or a 0-dim tensor; converted to the dtype of `input`.
Returns:
    Tensor of the common shape.
Raises:
    clew.DTypeError: `mask` is not bool.
    clew.ShapeError: the shapes do not broadcast.
Example:
    >>> clew.ones(2).masked_fill(clew.tensor([True, False]), 5).tolist()
    [5.0, 1.0])",
    .inplace = true,
    .meta = masked_fill_meta,
    .kernel = &masked_fill_kernel,
    .saves = kSavesNothing.input(1),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor mask = ctx.input(1);
      return {ctx.needs(0) ? masked_fill(g, mask, weak_scalar_tensor(0)) : Tensor(), Tensor(),
              ctx.needs(2) ? where(mask, g, zeros({}, g.options())) : Tensor()};
    },
}};
Tensor masked_fill(const Tensor& input, const Tensor& mask, const Tensor& value) {
  return apply(masked_fill_op, input, mask, value);
}
Tensor masked_fill_(const Tensor& input, const Tensor& mask, const Tensor& value) {
  return apply_inplace(masked_fill_op, input, mask, value);
}

CLEW_OP_PAGE(masked_select) = {{
    .name = "masked_select",
    .doc = R"(The elements where a mask is true, in row-major order.

Args:
    input: shape (*).
    mask: bool, a shape that broadcasts with (*).
Returns:
    Tensor of shape (n,), n the number of true elements.
Raises:
    clew.DTypeError: `mask` is not bool.
Example:
    >>> clew.arange(3).masked_select(clew.tensor([True, False, True])).tolist()
    [0, 2])",
    .composite = masked_select_composite,
}};
Tensor masked_select(const Tensor& input, const Tensor& mask) { return apply(masked_select_op, input, mask); }

CLEW_OP_PAGE(nonzero) = {{
    .name = "nonzero",
    .doc = R"(Positions of the elements that are not 0, in row-major order.

Args:
    input: shape (*) with d dimensions.
Returns:
    int64 tensor of shape (n, d).
Example:
    >>> clew.tensor([0, 3, 5]).nonzero().tolist()
    [[1], [2]])",
    .compute = nonzero_compute,
    .not_differentiable = "positions are integers",
}};
Tensor nonzero(const Tensor& input) { return apply(nonzero_op, input); }

CLEW_OP_PAGE(embedding) = {{
    .name = "embedding",
    .doc = R"(Rows of a table.

    y[..., :] = weight[input[...], :]

Args:
    input: int64 or int32 row numbers, shape (*).
    weight: shape (num_embeddings, embedding_dim).
    padding_idx: a row that gets no gradient; negative counts from the end.
    max_norm: rows longer than this are first scaled down, in `weight` itself.
    norm_type: p of that norm.
    scale_grad_by_freq: divide a row's gradient by how often `input` names it.
    sparse: only False.
Returns:
    Tensor of shape (*, embedding_dim).
Raises:
    IndexError: a row not in [0, num_embeddings).
Example:
    >>> clew.nn.functional.embedding(clew.tensor([1, 1]), clew.eye(2)).tolist()
    [[0.0, 1.0], [0.0, 1.0]])",
    .dtype_slot = 1,
    .meta = embedding_meta,
    .kernel = &embedding_kernel,
    .saves = kSavesNothing.input(0),
    .grad = embedding_grad,
}};
Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx,
                 std::optional<double> max_norm, double norm_type, bool scale_grad_by_freq, bool sparse) {
  if (max_norm) embedding_renorm(input, weight, *max_norm, norm_type);
  return apply(embedding_op, input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse);
}

CLEW_OP_PAGE(one_hot) = {{
    .name = "one_hot",
    .doc = R"(Class numbers as vectors that are 1 at the class and 0 elsewhere.

Args:
    input: int64, shape (*), values >= 0.
    num_classes: length of the vectors; -1: the largest class + 1.
Returns:
    int64 tensor of shape (*, num_classes).
Raises:
    ValueError: a class < 0 or >= num_classes.
Example:
    >>> clew.nn.functional.one_hot(clew.tensor([1, 0])).tolist()
    [[0, 1], [1, 0]])",
    .dtypes = dtype_set(DType::Int64),
    .composite = one_hot_composite,
}};
Tensor one_hot(const Tensor& input, int64_t num_classes) { return apply(one_hot_op, input, num_classes); }

}  // namespace clew
