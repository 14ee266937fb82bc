// Views.
#include <algorithm>
#include <cstdlib>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

Geometry geometry_of(const Tensor& t) { return {t.sizes().vec(), t.strides().vec(), t.storage_offset()}; }
Geometry contiguous_geometry(IntArrayRef sizes) { return {sizes.vec(), contiguous_strides(sizes), 0}; }

/// Zeros of shape `sizes` with `g` in the place that `view` shows of such a contiguous tensor.
Tensor scatter_view(const Tensor& g, IntArrayRef sizes, const Geometry& view) {
  const Tensor out = zeros(sizes, g.options());
  copy_(as_strided(out, view.sizes, view.strides, view.offset), g);
  return out;
}

// --- geometry of views ------------------------------------------------------------------------------

Geometry view_view(const Tensor& input, IntArrayRef size) {
  check_rank("view", size.size());
  Shape target = infer_size("view", size, input.numel());
  std::optional<Shape> strides = view_strides(input.sizes(), input.strides(), target);
  CLEW_CHECK(strides, ShapeError, "view: expected a size that the strides allow without a copy, got size ",
             target, " for input ", input.sizes(), " with strides ", input.strides(),
             " (use reshape(), which copies when it must)");
  return {std::move(target), std::move(*strides), input.storage_offset()};
}

Geometry squeeze_view(const Tensor& input, std::optional<IntArrayRef> dim) {
  uint64_t mask = 0;
  if (!dim || !dim->empty()) mask = dim_mask("squeeze", dim, input.dim());
  Geometry g{{}, {}, input.storage_offset()};
  for (size_t i = 0; i < input.sizes().size(); ++i) {
    if (((mask >> i) & 1) && input.sizes()[i] == 1) continue;
    g.sizes.push_back(input.sizes()[i]);
    g.strides.push_back(input.strides()[i]);
  }
  return g;
}

Geometry unsqueeze_view(const Tensor& input, int64_t dim) {
  check_rank("unsqueeze", input.sizes().size() + 1);
  const auto d = static_cast<size_t>(wrap_dim("unsqueeze", dim, input.dim() + 1));
  Geometry g = geometry_of(input);
  const int64_t stride = d < g.sizes.size() ? g.sizes[d] * g.strides[d] : 1;
  g.sizes.insert(g.sizes.begin() + d, 1);
  g.strides.insert(g.strides.begin() + d, stride);
  return g;
}

/// Wrapped dims, checked to be a permutation.
Shape permutation(const char* op, IntArrayRef dims, int64_t rank) {
  CLEW_CHECK(static_cast<int64_t>(dims.size()) == rank, ShapeError, op,
             ": expected as many dims as input has (", rank, "), got ", dims);
  Shape out;
  uint64_t seen = 0;
  for (int64_t d : dims) {
    out.push_back(wrap_dim(op, d, rank));
    const uint64_t bit = uint64_t{1} << out.back();
    CLEW_CHECK((seen & bit) == 0, ValueError, op, ": expected each dim once, got ", dims);
    seen |= bit;
  }
  return out;
}

Geometry permute_view(const Tensor& input, IntArrayRef dims) {
  Geometry g{{}, {}, input.storage_offset()};
  for (int64_t d : permutation("permute", dims, input.dim())) {
    g.sizes.push_back(input.sizes()[static_cast<size_t>(d)]);
    g.strides.push_back(input.strides()[static_cast<size_t>(d)]);
  }
  return g;
}

Geometry swapped(Geometry g, int64_t a, int64_t b) {
  if (a != b) {
    std::swap(g.sizes[static_cast<size_t>(a)], g.sizes[static_cast<size_t>(b)]);
    std::swap(g.strides[static_cast<size_t>(a)], g.strides[static_cast<size_t>(b)]);
  }
  return g;
}
Geometry transpose_view(const Tensor& input, int64_t dim0, int64_t dim1) {
  return swapped(geometry_of(input), wrap_dim("transpose", dim0, input.dim()),
                 wrap_dim("transpose", dim1, input.dim()));
}
Geometry t_view(const Tensor& input) {
  CLEW_CHECK(input.dim() <= 2, ShapeError, "t: expected at most 2 dimensions, got input ", input.sizes(),
             " (use transpose() or permute())");
  return input.dim() == 2 ? swapped(geometry_of(input), 0, 1) : geometry_of(input);
}

Geometry expand_view(const Tensor& input, IntArrayRef size) {
  check_rank("expand", size.size());
  const IntArrayRef from = input.sizes();
  CLEW_CHECK(size.size() >= from.size(), ShapeError, "expand: expected at least as many sizes as input ",
             from, " has, got ", size);
  Geometry g{size.vec(), {}, input.storage_offset()};
  const size_t lead = size.size() - from.size();
  int64_t numel = 1;
  for (size_t i = 0; i < size.size(); ++i) {
    if (size[i] == -1) {
      CLEW_CHECK(i >= lead, ShapeError, "expand: expected -1 only for dimensions that input has, got size ",
                 size, " for input ", from);
      g.sizes[i] = from[i - lead];
    } else {
      CLEW_CHECK(size[i] >= 0, ValueError, "expand: expected sizes >= 0 (or -1 to keep one), got ", size);
      CLEW_CHECK(i < lead || from[i - lead] == 1 || from[i - lead] == size[i], ShapeError,
                 "expand: expected size ", i < lead ? 0 : from[i - lead],
                 " or an input of size 1 at dimension ", i, ", got size ", size, " for input ", from);
    }
    CLEW_CHECK(!__builtin_mul_overflow(numel, std::max<int64_t>(g.sizes[i], 1), &numel), ValueError,
               "expand: expected a number of elements that fits in 64 bits, got size ", size);
  }
  g.strides = broadcast_strides(from, input.strides(), g.sizes);
  return g;
}

Geometry select_of(Geometry g, int64_t dim, int64_t index) {
  CLEW_CHECK(!g.sizes.empty(), IndexError,
             "select: expected an input with dimensions, got a 0-dim tensor (use item())");
  const int64_t d = wrap_dim("select", dim, static_cast<int64_t>(g.sizes.size()));
  const int64_t size = g.sizes[static_cast<size_t>(d)];
  CLEW_CHECK(index >= -size && index < size, IndexError, "select: expected index in [", -size, ", ", size - 1,
             "], got ", index, " (dimension ", d, " of size ", size, ")");
  g.offset += (index < 0 ? index + size : index) * g.strides[static_cast<size_t>(d)];
  g.sizes.erase(g.sizes.begin() + d);
  g.strides.erase(g.strides.begin() + d);
  return g;
}
Geometry select_view(const Tensor& input, int64_t dim, int64_t index) {
  return select_of(geometry_of(input), dim, index);
}

Geometry slice_of(Geometry g, int64_t dim, int64_t start, int64_t end, int64_t step) {
  CLEW_CHECK(!g.sizes.empty(), IndexError, "slice: expected an input with dimensions, got a 0-dim tensor");
  CLEW_CHECK(step > 0, ValueError, "slice: expected step > 0, got ", step, " (use flip() to reverse)");
  const auto d = static_cast<size_t>(wrap_dim("slice", dim, static_cast<int64_t>(g.sizes.size())));
  const int64_t size = g.sizes[d];
  if (start < 0) start += size;
  if (end < 0) end += size;
  start = std::clamp<int64_t>(start, 0, size);
  end = std::clamp<int64_t>(end, start, size);
  g.offset += end > start ? start * g.strides[d] : 0;
  g.sizes[d] = end > start ? (end - start - 1) / step + 1 : 0;
  if (g.sizes[d] > 1) g.strides[d] *= step;  // else the stride is never used and might overflow
  return g;
}
Geometry slice_view(const Tensor& input, int64_t dim, int64_t start, int64_t end, int64_t step) {
  return slice_of(geometry_of(input), dim, start, end, step);
}

Geometry diagonal_of(Geometry g, int64_t offset, int64_t dim1, int64_t dim2) {
  const auto rank = static_cast<int64_t>(g.sizes.size());
  const auto a = static_cast<size_t>(wrap_dim("diagonal", dim1, rank)),
             b = static_cast<size_t>(wrap_dim("diagonal", dim2, rank));
  CLEW_CHECK(a != b, ValueError, "diagonal: expected two different dims, got ", dim1, " and ", dim2);
  const int64_t rows = g.sizes[a], columns = g.sizes[b];
  // Clamped first: `offset` may be any 64-bit number.
  offset = std::clamp(offset, -rows, columns);
  const int64_t length =
      std::max<int64_t>(0, offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns));
  if (length > 0) g.offset += offset >= 0 ? offset * g.strides[b] : -offset * g.strides[a];
  const int64_t stride = g.strides[a] + g.strides[b];
  for (size_t d : {std::max(a, b), std::min(a, b)}) {
    g.sizes.erase(g.sizes.begin() + d);
    g.strides.erase(g.strides.begin() + d);
  }
  g.sizes.push_back(length);
  g.strides.push_back(stride);
  return g;
}
Geometry diagonal_view(const Tensor& input, int64_t offset, int64_t dim1, int64_t dim2) {
  return diagonal_of(geometry_of(input), offset, dim1, dim2);
}

// --- composites -------------------------------------------------------------------------------------

Tensor flatten_composite(const Tensor& input, int64_t start_dim, int64_t end_dim) {
  const auto start = static_cast<size_t>(wrap_dim("flatten", start_dim, input.dim()));
  const auto end = static_cast<size_t>(wrap_dim("flatten", end_dim, input.dim()));
  CLEW_CHECK(start <= end, ValueError, "flatten: expected start_dim <= end_dim, got ", start_dim, " and ",
             end_dim);
  if (input.dim() == 0) return reshape(input, {1});
  if (start == end) return input;
  Shape shape;
  for (size_t i = 0; i < input.sizes().size(); ++i) {
    if (i > start && i <= end) {
      shape.back() *= input.sizes()[i];
    } else {
      shape.push_back(input.sizes()[i]);
    }
  }
  return reshape(input, shape);
}

Tensor reshape_composite(const Tensor& input, IntArrayRef shape) {
  check_rank("reshape", shape.size());
  const Shape target = infer_size("reshape", shape, input.numel());
  if (view_strides(input.sizes(), input.strides(), target)) return view(input, target);
  return view(clone(input), target);
}

Tensor movedim_composite(const Tensor& input, IntArrayRef source, IntArrayRef destination) {
  const int64_t rank = input.dim();
  CLEW_CHECK(source.size() == destination.size(), ValueError,
             "movedim: expected as many sources as destinations, got ", source, " and ", destination);
  Shape order(static_cast<size_t>(rank), -1);
  uint64_t moved = 0;
  for (size_t i = 0; i < source.size(); ++i) {
    const int64_t from = wrap_dim("movedim", source[i], rank), to = wrap_dim("movedim", destination[i], rank);
    if (rank == 0) continue;
    CLEW_CHECK(!((moved >> from) & 1) && order[static_cast<size_t>(to)] < 0, ValueError,
               "movedim: expected each dim once, got source ", source, " and destination ", destination);
    moved |= uint64_t{1} << from;
    order[static_cast<size_t>(to)] = from;
  }
  int64_t next = 0;
  for (int64_t& d : order) {
    if (d >= 0) continue;
    while ((moved >> next) & 1) ++next;
    d = next++;
  }
  return permute(input, order);
}

Tensor narrow_composite(const Tensor& input, int64_t dim, int64_t start, int64_t length) {
  CLEW_CHECK(input.dim() > 0, ShapeError, "narrow: expected an input with dimensions, got a 0-dim tensor");
  const int64_t d = wrap_dim("narrow", dim, input.dim());
  const int64_t size = input.sizes()[static_cast<size_t>(d)];
  CLEW_CHECK(length >= 0, ValueError, "narrow: expected length >= 0, got ", length);
  CLEW_CHECK(start >= -size && start <= size, IndexError, "narrow: expected start in [", -size, ", ", size,
             "], got ", start, " (dimension ", d, " of size ", size, ")");
  if (start < 0) start += size;
  CLEW_CHECK(length <= size - start, ValueError, "narrow: expected start + length <= ", size, ", got start ",
             start, ", length ", length, " (dimension ", d, ")");
  return slice(input, d, start, start + length, 1);
}

}  // namespace

CLEW_OP_PAGE(reshape) = {{
    .name = "reshape",
    .doc = R"(`input` in another shape: a view when the strides allow it, else a copy.

Args:
    input: shape (*).
    shape: sizes with the same number of elements; one may be -1 and is inferred.
Returns:
    Tensor of shape `shape`.
Raises:
    clew.ShapeError: another number of elements.
Example:
    >>> clew.arange(6).reshape(2, -1).tolist()
    [[0, 1, 2], [3, 4, 5]])",
    .composite = reshape_composite,
}};
Tensor reshape(const Tensor& input, IntArrayRef shape) { return apply(reshape_op, input, shape); }

CLEW_OP_PAGE(view) = {{
    .name = "view",
    .doc = R"(`input` in another shape, sharing its memory; never copies.

Args:
    input: shape (*).
    size: sizes with the same number of elements; one may be -1 and is inferred.
Returns:
    View of shape `size`.
Raises:
    clew.ShapeError: another number of elements, or strides that would need a copy.
Example:
    >>> clew.arange(4).view(2, 2).tolist()
    [[0, 1], [2, 3]])",
    .view = view_view,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList { return {reshape(g, ctx.input_sizes(0))}; },
}};
Tensor view(const Tensor& input, IntArrayRef size) { return apply(view_op, input, size); }

CLEW_OP_PAGE(flatten) = {{
    .name = "flatten",
    .doc = R"(Joins dimensions start_dim to end_dim into one.

Args:
    input: shape (*).
    start_dim, end_dim: first and last dimension to join.
Returns:
    Tensor with the joined dimensions; a view when the strides allow it.
Raises:
    IndexError: a dimension out of range.
Example:
    >>> clew.zeros(2, 3, 4).flatten(1).shape
    clew.Size([2, 12]))",
    .composite = flatten_composite,
}};
Tensor flatten(const Tensor& input, int64_t start_dim, int64_t end_dim) {
  return apply(flatten_op, input, start_dim, end_dim);
}

CLEW_OP_PAGE(squeeze) = {{
    .name = "squeeze",
    .doc = R"(A view without dimensions of size 1.

Args:
    input: shape (*).
    dim: dimensions to drop where their size is 1; None: all.
Returns:
    View of `input`.
Raises:
    IndexError: a dimension out of range.
Example:
    >>> clew.zeros(1, 2, 1).squeeze().shape
    clew.Size([2]))",
    .view = squeeze_view,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList { return {reshape(g, ctx.input_sizes(0))}; },
}};
Tensor squeeze(const Tensor& input, std::optional<IntArrayRef> dim) { return apply(squeeze_op, input, dim); }
Tensor squeeze_(const Tensor& input, std::optional<IntArrayRef> dim) {
  return apply_inplace(squeeze_op, input, dim);
}

CLEW_OP_PAGE(unsqueeze) = {{
    .name = "unsqueeze",
    .doc = R"(A view with a dimension of size 1 inserted.

Args:
    input: shape (*).
    dim: where, in [-(rank + 1), rank].
Returns:
    View of `input`.
Raises:
    IndexError: `dim` out of range.
Example:
    >>> clew.zeros(2).unsqueeze(0).shape
    clew.Size([1, 2]))",
    .view = unsqueeze_view,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const int64_t dim = ctx.arg<int64_t>(1);
      return {squeeze(g, IntArrayRef{dim})};
    },
}};
Tensor unsqueeze(const Tensor& input, int64_t dim) { return apply(unsqueeze_op, input, dim); }
Tensor unsqueeze_(const Tensor& input, int64_t dim) { return apply_inplace(unsqueeze_op, input, dim); }

CLEW_OP_PAGE(permute) = {{
    .name = "permute",
    .doc = R"(A view with the dimensions in another order.

Args:
    input: shape (*).
    dims: every dimension once, in the new order.
Returns:
    View of `input`.
Raises:
    clew.ShapeError: not as many dims as `input` has.
    ValueError: a dim twice.
Example:
    >>> clew.zeros(2, 3, 4).permute(2, 0, 1).shape
    clew.Size([4, 2, 3]))",
    .view = permute_view,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Shape order = permutation("permute", ctx.arg<IntArrayRef>(1), g.dim());
      Shape inverse(order.size());
      for (size_t i = 0; i < order.size(); ++i)
        inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
      return {permute(g, inverse)};
    },
}};
Tensor permute(const Tensor& input, IntArrayRef dims) { return apply(permute_op, input, dims); }

CLEW_OP_PAGE(transpose) = {{
    .name = "transpose",
    .doc = R"(A view with two dimensions exchanged.

Args:
    input: shape (*).
    dim0, dim1: the dimensions.
Returns:
    View of `input`.
Raises:
    IndexError: a dimension out of range.
Example:
    >>> clew.zeros(2, 3, 4).transpose(0, 2).shape
    clew.Size([4, 3, 2]))",
    .view = transpose_view,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {transpose(g, ctx.arg<int64_t>(1), ctx.arg<int64_t>(2))};
    },
}};
Tensor transpose(const Tensor& input, int64_t dim0, int64_t dim1) {
  return apply(transpose_op, input, dim0, dim1);
}
Tensor transpose_(const Tensor& input, int64_t dim0, int64_t dim1) {
  return apply_inplace(transpose_op, input, dim0, dim1);
}

CLEW_OP_PAGE(t) = {{
    .name = "t",
    .doc = R"(The transposed view of a matrix; vectors and numbers stay as they are.

Args:
    input: shape (n, m), (n,) or ().
Returns:
    View of shape (m, n), (n,) or ().
Raises:
    clew.ShapeError: more than 2 dimensions.
Example:
    >>> clew.zeros(2, 3).t().shape
    clew.Size([3, 2]))",
    .view = t_view,
    .grad = [](const Backward&, const Tensor& g) -> GradList { return {t(g)}; },
}};
Tensor t(const Tensor& input) { return apply(t_op, input); }
Tensor t_(const Tensor& input) { return apply_inplace(t_op, input); }

CLEW_OP_PAGE(movedim) = {{
    .name = "movedim",
    .doc = R"(A view with some dimensions moved; the others keep their order.

Args:
    input: shape (*).
    source: the dimensions to move.
    destination: where each goes.
Returns:
    View of `input`.
Raises:
    ValueError: a dim twice, or unequal numbers of dims.
Example:
    >>> clew.zeros(2, 3, 4).movedim(0, 2).shape
    clew.Size([3, 4, 2]))",
    .composite = movedim_composite,
}};
Tensor movedim(const Tensor& input, IntArrayRef source, IntArrayRef destination) {
  return apply(movedim_op, input, source, destination);
}

CLEW_OP_PAGE(expand) = {{
    .name = "expand",
    .doc = R"(A view in which dimensions of size 1 are repeated without a copy.

Args:
    input: shape (*).
    size: the sizes wanted; -1 keeps one; new dimensions go in front.
Returns:
    View of shape `size`; several of its elements share memory.
Raises:
    clew.ShapeError: a dimension that is neither 1 nor the size wanted.
Example:
    >>> clew.tensor([[1], [2]]).expand(2, 3).tolist()
    [[1, 1, 1], [2, 2, 2]])",
    .view = expand_view,
    .grad = [](const Backward&, const Tensor& g) -> GradList { return {g}; },
}};
Tensor expand(const Tensor& input, IntArrayRef size) { return apply(expand_op, input, size); }

CLEW_OP_PAGE(expand_as) = {{
    .name = "expand_as",
    .doc = R"(`input` expanded to the shape of `other`.

Args:
    input: a shape that broadcasts to that of `other`.
    other: shape (*).
Returns:
    View of shape (*).
Raises:
    clew.ShapeError: the shapes do not broadcast.
Example:
    >>> clew.ones(1).expand_as(clew.zeros(2)).tolist()
    [1.0, 1.0])",
    .composite = [](const Tensor& input, const Tensor& other) { return expand(input, other.sizes()); },
}};
Tensor expand_as(const Tensor& input, const Tensor& other) { return apply(expand_as_op, input, other); }

CLEW_OP_PAGE(select) = {{
    .name = "select",
    .doc = R"(A view of one index of a dimension, which is dropped.

Args:
    input: shape (*), at least one dimension.
    dim: the dimension.
    index: in [-size, size).
Returns:
    View of `input`.
Raises:
    IndexError: `dim` or `index` out of range.
Example:
    >>> clew.arange(4).view(2, 2).select(0, 1).tolist()
    [2, 3])",
    .view = select_view,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const IntArrayRef sizes = ctx.input_sizes(0);
      return {scatter_view(g, sizes,
                           select_of(contiguous_geometry(sizes), ctx.arg<int64_t>(1), ctx.arg<int64_t>(2)))};
    },
}};
Tensor select(const Tensor& input, int64_t dim, int64_t index) { return apply(select_op, input, dim, index); }

CLEW_OP_PAGE(slice) = {{
    .name = "slice",
    .doc = R"(The view `input[start:end:step]` along one dimension, with Python's rules for bounds.

Args:
    input: shape (*), at least one dimension.
    dim: the dimension.
    start, end: bounds; negative ones count from the end, those past it are clamped.
    step: > 0.
Returns:
    View of `input`.
Raises:
    ValueError: `step` <= 0.
Example:
    >>> clew.ops.slice(clew.arange(5), 0, 1, 5, 2).tolist()
    [1, 3])",
    .view = slice_view,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const IntArrayRef sizes = ctx.input_sizes(0);
      return {scatter_view(g, sizes,
                           slice_of(contiguous_geometry(sizes), ctx.arg<int64_t>(1), ctx.arg<int64_t>(2),
                                    ctx.arg<int64_t>(3), ctx.arg<int64_t>(4)))};
    },
}};
Tensor slice(const Tensor& input, int64_t dim, int64_t start, int64_t end, int64_t step) {
  return apply(slice_op, input, dim, start, end, step);
}

CLEW_OP_PAGE(narrow) = {{
    .name = "narrow",
    .doc = R"(A view of `length` indices of a dimension, from `start` on.

Args:
    input: shape (*), at least one dimension.
    dim: the dimension.
    start: in [-size, size].
    length: >= 0, with start + length <= size.
Returns:
    View of `input`.
Raises:
    IndexError: `dim` or `start` out of range.
    ValueError: `length` out of range.
Example:
    >>> clew.arange(5).narrow(0, 1, 3).tolist()
    [1, 2, 3])",
    .composite = narrow_composite,
}};
Tensor narrow(const Tensor& input, int64_t dim, int64_t start, int64_t length) {
  return apply(narrow_op, input, dim, start, length);
}

CLEW_OP_PAGE(diagonal) = {{
    .name = "diagonal",
    .doc = R"(A view of the diagonal of two dimensions, as a new last dimension.

Args:
    input: shape (*), at least two dimensions.
    offset: 0: main diagonal, > 0 above, < 0 below it.
    dim1, dim2: the dimensions.
Returns:
    View of `input`.
Raises:
    IndexError: a dimension out of range.
Example:
    >>> clew.arange(4).view(2, 2).diagonal().tolist()
    [0, 3])",
    .view = diagonal_view,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const IntArrayRef sizes = ctx.input_sizes(0);
      return {scatter_view(g, sizes,
                           diagonal_of(contiguous_geometry(sizes), ctx.arg<int64_t>(1), ctx.arg<int64_t>(2),
                                       ctx.arg<int64_t>(3)))};
    },
}};
Tensor diagonal(const Tensor& input, int64_t offset, int64_t dim1, int64_t dim2) {
  return apply(diagonal_op, input, offset, dim1, dim2);
}

}  // namespace clew
