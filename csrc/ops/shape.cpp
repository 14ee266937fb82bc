// Views, and the few shape ops that move data.
#include <algorithm>
#include <cstdlib>

#include "clew/autograd/grad_mode.h"
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

void check_rank(const char* op, size_t rank) {
  CLEW_CHECK(rank <= 64, ShapeError, op, ": expected at most 64 dimensions, got ", rank);
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

// --- as_strided -------------------------------------------------------------------------------------

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
    return reshape(as_strided(arange(length), geometry.sizes, geometry.strides, at), {-1});
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
      "AsStridedBackward", [base = geometry_of(input), view](GradList&& g) -> GradList {
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

/// The gradient of all `pieces` of `input` at once: `join` puts theirs together. Were each a node of its own,
/// each would fill a tensor of the input's size.
void record_pieces(const char* name, const Tensor& input, const TensorList& pieces,
                   Tensor (*join)(TensorListRef grads, int64_t dim), int64_t dim) {
  auto node = Ref<autograd::Node>::adopt(
      new autograd::FunctionNode(name, [join, dim, options = input.options(), shapes = [&] {
                                   std::vector<Shape> all;
                                   for (const Tensor& t : pieces) all.push_back(t.sizes().vec());
                                   return all;
                                 }()](GradList&& g) -> GradList {
        TensorList whole;
        bool any = false;
        for (size_t i = 0; i < shapes.size(); ++i) {
          any = any || g[i].defined();
          whole.push_back(g[i].defined() ? g[i] : zeros(shapes[i], options));
        }
        return {any ? join(whole, dim) : Tensor()};
      }));
  node->sequence = thread_state.next_sequence++;
  if (autograd::capture_provenance != nullptr) node->provenance = autograd::capture_provenance();
  node->edges.push_back(autograd::gradient_edge(input));
  for (size_t i = 0; i < pieces.size(); ++i) {
    node->add_output(pieces[i]);
    autograd::set_history(pieces[i], node, static_cast<uint32_t>(i));
  }
}

TensorList split_into(const Tensor& input, IntArrayRef sizes, int64_t d) {
  const bool recording = sizes.size() > 1 && is_grad_enabled() && apply_detail::wants_grad(input);
  TensorList out;
  out.reserve(sizes.size());
  std::optional<NoGradGuard> guard;
  if (recording) guard.emplace();
  int64_t start = 0;
  for (int64_t n : sizes) {
    out.push_back(slice(input, d, start, start + n, 1));
    start += n;
  }
  guard.reset();
  if (recording) record_pieces("SplitBackward", input, out, cat, d);
  return out;
}

TensorList split_sizes_composite(const Tensor& input, IntArrayRef split_sizes, int64_t dim) {
  CLEW_CHECK(input.dim() > 0, ShapeError, "split: expected an input with dimensions, got a 0-dim tensor");
  const int64_t d = wrap_dim("split", dim, input.dim());
  const int64_t size = input.sizes()[static_cast<size_t>(d)];
  int64_t rest = size;
  for (int64_t n : split_sizes) {
    CLEW_CHECK(n >= 0, ValueError, "split: expected sizes >= 0, got ", split_sizes);
    CLEW_CHECK(n <= rest, ValueError, "split: expected sizes that add up to ", size, ", got ", split_sizes,
               " (dimension ", d, ")");
    rest -= n;
  }
  CLEW_CHECK(rest == 0, ValueError, "split: expected sizes that add up to ", size, ", got ", split_sizes,
             " (dimension ", d, ")");
  return split_into(input, split_sizes, d);
}

TensorList split_composite(const Tensor& input, int64_t split_size, int64_t dim) {
  CLEW_CHECK(input.dim() > 0, ShapeError, "split: expected an input with dimensions, got a 0-dim tensor");
  const int64_t d = wrap_dim("split", dim, input.dim());
  const int64_t size = input.sizes()[static_cast<size_t>(d)];
  CLEW_CHECK(split_size > 0 || (split_size == 0 && size == 0), ValueError,
             "split: expected split_size > 0, got ", split_size, " (dimension ", d, " of size ", size, ")");
  Shape sizes;
  int64_t start = 0;
  do {
    const int64_t n = std::min(split_size, size - start);
    sizes.push_back(n);
    start += n;
  } while (start < size);
  return split_into(input, sizes, d);
}

TensorList chunk_composite(const Tensor& input, int64_t chunks, int64_t dim) {
  CLEW_CHECK(input.dim() > 0, ShapeError, "chunk: expected an input with dimensions, got a 0-dim tensor");
  CLEW_CHECK(chunks > 0, ValueError, "chunk: expected chunks > 0, got ", chunks);
  const int64_t d = wrap_dim("chunk", dim, input.dim());
  const int64_t size = input.sizes()[static_cast<size_t>(d)];
  if (size == 0) {
    CLEW_CHECK(chunks <= (int64_t{1} << 20), ValueError,
               "chunk: expected chunks <= 2^20 of an empty tensor, got ", chunks);
    return TensorList(static_cast<size_t>(chunks), input);
  }
  return split_composite(input, (size - 1) / chunks + 1, d);
}

TensorList unbind_composite(const Tensor& input, int64_t dim) {
  CLEW_CHECK(input.dim() > 0, IndexError, "unbind: expected an input with dimensions, got a 0-dim tensor");
  const int64_t d = wrap_dim("unbind", dim, input.dim());
  const int64_t size = input.sizes()[static_cast<size_t>(d)];
  const bool recording = size > 1 && is_grad_enabled() && apply_detail::wants_grad(input);
  TensorList out;
  out.reserve(static_cast<size_t>(size));
  std::optional<NoGradGuard> guard;
  if (recording) guard.emplace();
  for (int64_t i = 0; i < size; ++i) out.push_back(select(input, d, i));
  guard.reset();
  if (recording) record_pieces("UnbindBackward", input, out, stack, d);
  return out;
}

Tensor stack_composite(TensorListRef tensors, int64_t dim) {
  CLEW_CHECK(!tensors.empty(), ValueError, "stack: expected at least one tensor, got none");
  const int64_t d = wrap_dim("stack", dim, tensors[0].dim() + 1);
  TensorList ready;
  ready.reserve(tensors.size());
  for (const Tensor& t : tensors) {
    CLEW_CHECK(t.sizes() == tensors[0].sizes(), ShapeError, "stack: expected tensors of one shape, got ",
               tensors[0].sizes(), " at index 0 and ", t.sizes(), " at index ", &t - tensors.data());
    ready.push_back(unsqueeze(t, d));
  }
  return cat(ready, d);
}

Tensor repeat_composite(const Tensor& input, IntArrayRef repeats) {
  check_rank("repeat", repeats.size());
  const IntArrayRef from = input.sizes();
  CLEW_CHECK(repeats.size() >= from.size(), ShapeError,
             "repeat: expected at least one number per dimension of input ", from, ", got ", repeats);
  // Each repeated dimension gets a new one in front that is expanded: (n) -> (1, n) -> (r, n) -> (r * n).
  const size_t lead = repeats.size() - from.size();
  Shape split, expanded, result;
  int64_t numel = 1;
  for (size_t i = 0; i < repeats.size(); ++i) {
    CLEW_CHECK(repeats[i] >= 0, ValueError, "repeat: expected numbers >= 0, got ", repeats);
    const int64_t n = i < lead ? 1 : from[i - lead];
    int64_t total;
    CLEW_CHECK(!__builtin_mul_overflow(n, repeats[i], &total) &&
                   !__builtin_mul_overflow(numel, std::max<int64_t>(total, 1), &numel),
               ValueError, "repeat: expected a size that fits in 64 bits, got repeats ", repeats,
               " of input ", from);
    if (repeats[i] != 1) {
      split.push_back(1);
      expanded.push_back(repeats[i]);
    }
    split.push_back(n);
    expanded.push_back(n);
    result.push_back(total);
  }
  return view(clone(expand(reshape(input, split), expanded)), result);
}

Tensor tile_composite(const Tensor& input, IntArrayRef dims) {
  const auto rank = static_cast<size_t>(input.dim());
  Shape repeats(dims.size() < rank ? rank - dims.size() : 0, 1);
  for (int64_t n : dims) repeats.push_back(n);
  return repeat(input, repeats);
}

// --- ops that move data -----------------------------------------------------------------------------

/// torch's rule: tensors of shape (0,) join anything.
bool skipped_by_cat(IntArrayRef sizes) { return sizes.size() == 1 && sizes[0] == 0; }

TensorMeta cat_meta(TensorListRef tensors, int64_t dim) {
  CLEW_CHECK(!tensors.empty(), ValueError, "cat: expected at least one tensor, got none");
  const Tensor* first = nullptr;
  size_t first_index = 0;
  std::optional<DType> dtype;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    CLEW_CHECK(t.defined(), ValueError, "cat: expected tensors, got an undefined one at index ", i);
    CLEW_CHECK(t.device() == tensors[0].device(), DeviceError,
               "cat: expected all tensors on one device, got ", tensors[0].device(), " at index 0 and ",
               t.device(), " at index ", i);
    dtype = dtype ? promote_types(*dtype, t.dtype()) : t.dtype();
    if (first == nullptr && !skipped_by_cat(t.sizes())) {
      first = &t;
      first_index = i;
    }
  }
  if (first == nullptr) {
    wrap_dim("cat", dim, 1);
    return {{0}, *dtype};
  }
  CLEW_CHECK(first->dim() > 0, ShapeError,
             "cat: expected tensors with dimensions, got a 0-dim tensor at index ", first_index,
             " (use stack)");
  const auto d = static_cast<size_t>(wrap_dim("cat", dim, first->dim()));
  Shape shape = first->sizes().vec();
  shape[d] = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    if (skipped_by_cat(t.sizes())) continue;
    bool fits = t.dim() == first->dim();
    for (size_t k = 0; fits && k < shape.size(); ++k) fits = k == d || t.sizes()[k] == shape[k];
    CLEW_CHECK(fits, ShapeError, "cat: expected shapes equal outside of dimension ", d, ", got ",
               first->sizes(), " at index ", first_index, " and ", t.sizes(), " at index ", i);
    shape[d] += t.sizes()[d];
  }
  return {shape, *dtype};
}

GradList cat_grad(const Backward& ctx, const Tensor& g) {
  const auto shapes = ctx.arg<IntArrayRef>(0);  // rank and sizes of each tensor
  const int64_t dim = wrap_dim("cat", ctx.arg<int64_t>(1), g.dim());
  GradList out;
  int64_t start = 0;
  size_t at = 0;
  for (size_t i = 0; i < ctx.num_inputs(); ++i) {
    const auto rank = static_cast<size_t>(shapes[at]);
    const IntArrayRef sizes(shapes.data() + at + 1, rank);
    at += 1 + rank;
    if (skipped_by_cat(sizes) && g.dim() != 1) {
      out.push_back(ctx.needs(static_cast<int>(i)) ? zeros(sizes, g.options()) : Tensor());
      continue;
    }
    const int64_t length = sizes[static_cast<size_t>(dim)];
    out.push_back(ctx.needs(static_cast<int>(i)) ? narrow(g, dim, start, length) : Tensor());
    start += length;
  }
  return out;
}

TensorMeta flip_meta(const Tensor& input, IntArrayRef dims) {
  if (!dims.empty()) dim_mask("flip", dims, input.dim());
  return input.meta();
}

TensorMeta tril_meta(const Tensor& input, int64_t) {
  CLEW_CHECK(input.dim() >= 2, ShapeError, "tril: expected at least 2 dimensions, got input ", input.sizes());
  return input.meta();
}
TensorMeta triu_meta(const Tensor& input, int64_t) {
  CLEW_CHECK(input.dim() >= 2, ShapeError, "triu: expected at least 2 dimensions, got input ", input.sizes());
  return input.meta();
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

CLEW_OP_PAGE(split) = {{
    .name = "split",
    .doc = R"(Views of `split_size` indices each along a dimension; the last may be smaller.

Args:
    input: shape (*), at least one dimension.
    split_size: > 0.
    dim: the dimension.
Returns:
    List of views of `input`.
Raises:
    ValueError: `split_size` <= 0.
Example:
    >>> [x.tolist() for x in clew.arange(3).split(2)]
    [[0, 1], [2]])",
    .composite = split_composite,
}};
TensorList split(const Tensor& input, int64_t split_size, int64_t dim) {
  return apply(split_op, input, split_size, dim);
}

CLEW_OP_PAGE(split_sizes) = {{
    .name = "split.sizes",
    .doc = R"(Views of the given numbers of indices along a dimension.

Args:
    input: shape (*), at least one dimension.
    split_sizes: numbers >= 0 that add up to the size of the dimension.
    dim: the dimension.
Returns:
    List of views of `input`.
Raises:
    ValueError: the numbers do not add up.
Example:
    >>> [x.tolist() for x in clew.arange(3).split([1, 2])]
    [[0], [1, 2]])",
    .composite = split_sizes_composite,
}};
TensorList split(const Tensor& input, IntArrayRef split_sizes, int64_t dim) {
  return apply(split_sizes_op, input, split_sizes, dim);
}

CLEW_OP_PAGE(chunk) = {{
    .name = "chunk",
    .doc = R"(At most `chunks` views along a dimension, all but the last of one size.

Args:
    input: shape (*), at least one dimension.
    chunks: > 0.
    dim: the dimension.
Returns:
    List of views of `input`.
Raises:
    ValueError: `chunks` <= 0.
Example:
    >>> [x.tolist() for x in clew.arange(5).chunk(2)]
    [[0, 1, 2], [3, 4]])",
    .composite = chunk_composite,
}};
TensorList chunk(const Tensor& input, int64_t chunks, int64_t dim) {
  return apply(chunk_op, input, chunks, dim);
}

CLEW_OP_PAGE(unbind) = {{
    .name = "unbind",
    .doc = R"(A view per index of a dimension, which is dropped.

Args:
    input: shape (*), at least one dimension.
    dim: the dimension.
Returns:
    List of views of `input`.
Raises:
    IndexError: `dim` out of range.
Example:
    >>> [x.tolist() for x in clew.eye(2).unbind()]
    [[1.0, 0.0], [0.0, 1.0]])",
    .composite = unbind_composite,
}};
TensorList unbind(const Tensor& input, int64_t dim) { return apply(unbind_op, input, dim); }

CLEW_OP_PAGE(cat) = {{
    .name = "cat",
    .doc = R"(Joins tensors along a dimension that they have.

Args:
    tensors: at least one, of shapes that agree outside of `dim`. Tensors of shape (0,) are skipped.
    dim: the dimension.
Returns:
    Tensor of the promoted dtype.
Raises:
    clew.ShapeError: the shapes do not agree.
Example:
    >>> clew.cat([clew.zeros(1), clew.ones(2)]).tolist()
    [0.0, 1.0, 1.0])",
    .autocast = Autocast::Widest,
    .meta = cat_meta,
    .kernel = &cat_kernel,
    .grad = cat_grad,
}};
Tensor cat(TensorListRef tensors, int64_t dim) { return apply(cat_op, tensors, dim); }

CLEW_OP_PAGE(stack) = {{
    .name = "stack",
    .doc = R"(Joins tensors of one shape along a new dimension.

Args:
    tensors: at least one.
    dim: where the new dimension goes.
Returns:
    Tensor of the promoted dtype.
Raises:
    clew.ShapeError: the shapes differ.
Example:
    >>> clew.stack([clew.zeros(2), clew.ones(2)]).tolist()
    [[0.0, 0.0], [1.0, 1.0]])",
    .composite = stack_composite,
}};
Tensor stack(TensorListRef tensors, int64_t dim) { return apply(stack_op, tensors, dim); }

CLEW_OP_PAGE(repeat) = {{
    .name = "repeat",
    .doc = R"(Copies `input` a number of times along each dimension.

Args:
    input: shape (*).
    repeats: numbers >= 0, at least one per dimension; further ones make new dimensions in front.
Returns:
    New tensor of shape input.shape * repeats.
Raises:
    clew.ShapeError: too few numbers.
Example:
    >>> clew.tensor([1, 2]).repeat(2, 2).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]])",
    .composite = repeat_composite,
}};
Tensor repeat(const Tensor& input, IntArrayRef repeats) { return apply(repeat_op, input, repeats); }

CLEW_OP_PAGE(tile) = {{
    .name = "tile",
    .doc = R"(`repeat` that takes fewer numbers than dimensions: those missing in front are 1.

Args:
    input: shape (*).
    dims: numbers >= 0.
Returns:
    New tensor.
Example:
    >>> clew.tensor([[1], [2]]).tile(2).tolist()
    [[1, 1], [2, 2]])",
    .composite = tile_composite,
}};
Tensor tile(const Tensor& input, IntArrayRef dims) { return apply(tile_op, input, dims); }

CLEW_OP_PAGE(flip) = {{
    .name = "flip",
    .doc = R"(A copy with the order of some dimensions reversed.

Args:
    input: shape (*).
    dims: the dimensions.
Returns:
    New tensor of shape (*).
Raises:
    IndexError: a dimension out of range.
Example:
    >>> clew.arange(3).flip(0).tolist()
    [2, 1, 0])",
    .meta = flip_meta,
    .kernel = &flip_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {flip(g, ctx.arg<IntArrayRef>(1))};
    },
}};
Tensor flip(const Tensor& input, IntArrayRef dims) { return apply(flip_op, input, dims); }

CLEW_OP_PAGE(tril) = {{
    .name = "tril",
    .doc = R"(The lower triangle of matrices; 0 elsewhere.

Args:
    input: shape (*, n, m).
    diagonal: the highest diagonal kept; 0: the main one, > 0 above it.
Returns:
    Tensor of shape (*, n, m).
Raises:
    clew.ShapeError: fewer than two dimensions.
Example:
    >>> clew.ones(2, 2).tril().tolist()
    [[1.0, 0.0], [1.0, 1.0]])",
    .inplace = true,
    .meta = tril_meta,
    .kernel = &tril_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList { return {tril(g, ctx.arg<int64_t>(1))}; },
}};
Tensor tril(const Tensor& input, int64_t diagonal) { return apply(tril_op, input, diagonal); }
Tensor tril_(const Tensor& input, int64_t diagonal) { return apply_inplace(tril_op, input, diagonal); }

CLEW_OP_PAGE(triu) = {{
    .name = "triu",
    .doc = R"(The upper triangle of matrices; 0 elsewhere.

Args:
    input: shape (*, n, m).
    diagonal: the lowest diagonal kept; 0: the main one, < 0 below it.
Returns:
    Tensor of shape (*, n, m).
Raises:
    clew.ShapeError: fewer than two dimensions.
Example:
    >>> clew.ones(2, 2).triu().tolist()
    [[1.0, 1.0], [0.0, 1.0]])",
    .inplace = true,
    .meta = triu_meta,
    .kernel = &triu_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList { return {triu(g, ctx.arg<int64_t>(1))}; },
}};
Tensor triu(const Tensor& input, int64_t diagonal) { return apply(triu_op, input, diagonal); }
Tensor triu_(const Tensor& input, int64_t diagonal) { return apply_inplace(triu_op, input, diagonal); }

}  // namespace clew
