// Views of memory by sizes and strides of the caller's own.
#include <algorithm>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

/// One past the last element that (sizes, strides) reaches from 0, or -1 when that overflows.
int64_t extent_of(IntArrayRef sizes, IntArrayRef strides) {
  int64_t last = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return 0;
    int64_t reach;
    if (__builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last))
      return -1;
  }
  return last == INT64_MAX ? -1 : last + 1;
}

/// False only when no two indices can meet in one place: each stride steps past all that is inside it.
bool may_overlap(IntArrayRef sizes, IntArrayRef strides) {
  SmallVector<std::pair<int64_t, int64_t>, 6> dims;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return false;
    if (sizes[i] != 1) dims.emplace_back(strides[i], sizes[i]);
  }
  std::sort(dims.begin(), dims.end());
  int64_t inside = 0;
  for (const auto& [stride, size] : dims) {
    if (stride <= inside) return true;
    inside += (size - 1) * stride;
  }
  return false;
}

Geometry checked_strided(const char* op, const Tensor& input, IntArrayRef size, IntArrayRef stride,
                         std::optional<int64_t> storage_offset) {
  check_rank(op, size.size());
  CLEW_CHECK(size.size() == stride.size(), ShapeError, op, ": expected as many strides as sizes, got size ",
             size, " and stride ", stride);
  const int64_t offset = storage_offset.value_or(input.storage_offset());
  CLEW_CHECK(offset >= 0, ValueError, op, ": expected storage_offset >= 0, got ", offset);
  int64_t numel = 1;
  for (size_t i = 0; i < size.size(); ++i) {
    CLEW_CHECK(size[i] >= 0, ValueError, op, ": expected sizes >= 0, got ", size);
    CLEW_CHECK(stride[i] >= 0, ValueError, op, ": expected strides >= 0, got ", stride,
               " (use flip() to reverse)");
    CLEW_CHECK(!__builtin_mul_overflow(numel, std::max<int64_t>(size[i], 1), &numel), ValueError, op,
               ": expected a number of elements that fits in 64 bits, got size ", size);
  }
  const int64_t extent = extent_of(size, stride);
  const auto held = static_cast<int64_t>(input.storage()->nbytes() / item_size(input.dtype()));
  CLEW_CHECK(extent == 0 || (extent > 0 && extent <= held && offset <= held - extent), ValueError, op,
             ": expected a view within the storage of ", held, " elements, got size ", size, ", stride ",
             stride, ", storage_offset ", offset);
  return {size.vec(), stride.vec(), extent == 0 ? std::min(offset, held) : offset};
}

/// Gradient of a view (`view`) of memory that the input shows as `input`: both in one buffer, through which
/// every element of the view finds the input's elements in its place.
Tensor as_strided_grad(const Tensor& g, const Geometry& input, const Geometry& view) {
  const int64_t first = std::min(input.offset, view.offset);
  const int64_t input_at = input.offset - first, view_at = view.offset - first;
  const int64_t length = std::max(input_at + extent_of(input.sizes, input.strides),
                                  view_at + extent_of(view.sizes, view.strides));
  Tensor buffer = zeros({length}, g.options());
  auto places = [&](const Geometry& geometry, int64_t at) {
    return reshape(
        as_strided(arange(length, TensorOptions().device(g.device())), geometry.sizes, geometry.strides, at),
        {-1});
  };
  if (numel_of(view.sizes) == 0) {
  } else if (may_overlap(view.sizes, view.strides)) {
    buffer = index_add(buffer, 0, places(view, view_at), reshape(g, {-1}));
  } else {
    copy_(as_strided(buffer, view.sizes, view.strides, view_at), g);
  }
  if (numel_of(input.sizes) == 0) return zeros(input.sizes, g.options());
  if (may_overlap(input.sizes,
                  input.strides)) {  // one place, several input elements: they share its gradient
    const Tensor index = places(input, input_at);
    const Tensor count = index_add(zeros({length}, g.options()), 0, index, ones(index.sizes(), g.options()));
    buffer = buffer / maximum(count, ones({}, g.options()));
  }
  return as_strided(buffer, input.sizes, input.strides, input_at);
}

Tensor as_strided_composite(const Tensor& input, IntArrayRef size, IntArrayRef stride,
                            std::optional<int64_t> storage_offset) {
  const Geometry view = checked_strided("as_strided", input, size, stride, storage_offset);
  const Tensor out = apply_detail::make_view(input, view);
  if (!is_grad_enabled() || !apply_detail::wants_grad(input)) return out;
  // The formula needs the input's strides and offset, which no other does: a node of its own keeps them.
  auto node = Ref<autograd::Node>::adopt(new autograd::FunctionNode(
      "AsStridedBackward",
      [base = Geometry{input.sizes().vec(), input.strides().vec(), input.storage_offset()},
       view](GradList&& g) -> GradList {
        return {g[0].defined() ? as_strided_grad(g[0], base, view) : Tensor()};
      }));
  node->sequence = thread_state.next_sequence++;
  if (autograd::capture_provenance != nullptr) node->provenance = autograd::capture_provenance();
  node->edges.push_back(autograd::gradient_edge(input));
  node->add_output(out);
  autograd::set_history(out, node, 0);
  return out;
}

Tensor as_strided_scatter_composite(const Tensor& input, const Tensor& src, IntArrayRef size,
                                    IntArrayRef stride, std::optional<int64_t> storage_offset) {
  CLEW_CHECK(src.sizes() == size, ShapeError, "as_strided_scatter: expected src of shape ", size, ", got ",
             src.sizes());
  // The place is counted in a contiguous copy of input that starts where input does.
  const int64_t offset = storage_offset.value_or(input.storage_offset()) - input.storage_offset();
  CLEW_CHECK(offset >= 0, ValueError,
             "as_strided_scatter: expected storage_offset >= ", input.storage_offset(), ", got ",
             storage_offset.value_or(0));
  const Tensor out = clone(input);
  checked_strided("as_strided_scatter", out, size, stride, offset);
  copy_(as_strided(out, size, stride, offset), src);
  return out;
}

}  // namespace

CLEW_OP_PAGE(as_strided) = {{
    .name = "as_strided",
    .doc = R"(A view of the memory behind `input` with sizes, strides and offset of your own.

Args:
    input: shape (*).
    size: sizes of the view.
    stride: strides >= 0 in elements, one per size.
    storage_offset: first element, counted from the start of the storage; None: that of `input`.
Returns:
    View of shape `size`; its elements may share memory.
Raises:
    ValueError: the view would leave the storage.
Example:
    >>> clew.arange(4).as_strided((3, 2), (1, 1)).tolist()
    [[0, 1], [1, 2], [2, 3]])",
    .composite = as_strided_composite,
}};
Tensor as_strided(const Tensor& input, IntArrayRef size, IntArrayRef stride,
                  std::optional<int64_t> storage_offset) {
  return apply(as_strided_op, input, size, stride, storage_offset);
}

CLEW_OP_PAGE(as_strided_scatter) = {{
    .name = "as_strided_scatter",
    .doc = R"(A copy of `input` in which the elements that as_strided would show are those of `src`.

Args:
    input: shape (*).
    src: shape `size`.
    size, stride, storage_offset: as for as_strided, in a contiguous copy of `input`.
Returns:
    Contiguous tensor of shape (*).
Raises:
    clew.ShapeError: `src` is not of shape `size`.
    ValueError: the place would leave `input`.
Example:
    >>> clew.as_strided_scatter(clew.zeros(3), clew.ones(2), (2,), (2,)).tolist()
    [1.0, 0.0, 1.0])",
    .composite = as_strided_scatter_composite,
}};
Tensor as_strided_scatter(const Tensor& input, const Tensor& src, IntArrayRef size, IntArrayRef stride,
                          std::optional<int64_t> storage_offset) {
  return apply(as_strided_scatter_op, input, src, size, stride, storage_offset);
}

}  // namespace clew
