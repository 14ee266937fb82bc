// Taking tensors apart and putting them together; shape ops that move data.
#include <algorithm>

#include "clew/autograd/grad_mode.h"
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

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
    CLEW_CHECK(t.defined(), TypeError, "cat: expected tensors, got None at index ", i);
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
