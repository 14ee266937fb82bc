// Arranging elements anew, by other ops: rolling, repeating, stacking, diagonals, grids.
#include <cmath>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

int64_t size_at(const Tensor& t, int64_t dim) {
  return t.dim() == 0 ? 1 : t.sizes()[static_cast<size_t>(dim)];
}

Tensor roll_composite(const Tensor& input, IntArrayRef shifts, std::optional<IntArrayRef> dims) {
  CLEW_CHECK(!shifts.empty(), ValueError, "roll: expected at least one shift, got none");
  if (!dims || dims->empty()) {
    CLEW_CHECK(shifts.size() == 1, ValueError, "roll: expected one shift without dims, got ", shifts);
    const int64_t first = 0;
    return reshape(roll_composite(reshape(input, {-1}), shifts, IntArrayRef(&first, 1)), input.sizes());
  }
  CLEW_CHECK(shifts.size() == dims->size(), ValueError, "roll: expected as many shifts as dims, got ", shifts,
             " and ", *dims);
  Tensor y = input;
  for (size_t i = 0; i < shifts.size(); ++i) {
    const int64_t d = wrap_dim("roll", (*dims)[i], input.dim()), n = size_at(y, d);
    if (n == 0 || y.dim() == 0) continue;
    const int64_t shift = ((shifts[i] % n) + n) % n;
    if (shift != 0) y = cat(TensorList{narrow(y, d, n - shift, shift), narrow(y, d, 0, n - shift)}, d);
  }
  return y.is_same(input) ? clone(input) : y;
}

Tensor repeat_each(const Tensor& input, int64_t repeats, std::optional<int64_t> dim) {
  CLEW_CHECK(repeats >= 0, ValueError, "repeat_interleave: expected repeats >= 0, got ", repeats);
  const Tensor x = dim ? input : reshape(input, {-1});
  const int64_t d = dim ? wrap_dim("repeat_interleave", *dim, x.dim()) : 0;
  const Tensor line = x.dim() == 0 ? reshape(x, {1}) : x;
  Shape wide = line.sizes().vec(), merged = line.sizes().vec();
  wide.insert(wide.begin() + d + 1, repeats);
  merged[static_cast<size_t>(d)] *= repeats;
  const Tensor y = reshape(contiguous(expand(unsqueeze(line, d + 1), wide)), merged);
  return y.storage() == input.storage() ? clone(y) : y;  // never a view
}

Tensor repeat_by_tensor(const Tensor& input, const Tensor& repeats, std::optional<int64_t> dim) {
  CLEW_CHECK(repeats.dtype() == DType::Int64 || repeats.dtype() == DType::Int32, DTypeError,
             "repeat_interleave: expected repeats of dtype int64 or int32, got ", repeats.dtype());
  CLEW_CHECK(repeats.dim() <= 1, ShapeError,
             "repeat_interleave: expected repeats to be a number or a vector, got shape ", repeats.sizes());
  CLEW_CHECK(!repeats.is_meta(), DeviceError,
             "repeat_interleave: expected repeats with data, got a tensor on the meta device");
  if (repeats.numel() == 1) return repeat_each(input, repeats.item<int64_t>(), dim);
  const Tensor x = dim ? input : reshape(input, {-1});
  const int64_t d = dim ? wrap_dim("repeat_interleave", *dim, x.dim()) : 0, n = size_at(x, d);
  CLEW_CHECK(repeats.numel() == n, ShapeError, "repeat_interleave: expected ", n,
             " repeats, one per entry of dim ", d, ", got ", repeats.numel());
  if (n == 0) return clone(x);
  CLEW_CHECK(min(repeats).item<int64_t>() >= 0, ValueError, "repeat_interleave: expected repeats >= 0, got ",
             min(repeats).item<int64_t>());
  // Entry i stands between the ends of runs i - 1 and i.
  const Tensor ends = cumsum(repeats.to(DType::Int64, x.device()), 0);
  const Tensor places = arange(ends.size(0) == 0 ? Scalar(0) : Scalar(select(ends, 0, n - 1).item<int64_t>()),
                               TensorOptions(DType::Int64).device(x.device()));
  return index_select(x, d, searchsorted(ends, places, false, true));
}

Tensor diag_embed_composite(const Tensor& input, int64_t offset, int64_t dim1, int64_t dim2) {
  CLEW_CHECK(input.dim() > 0, ShapeError, "diag_embed: expected at least one dimension, got a 0-dim tensor");
  const int64_t rank = input.dim() + 1;
  const int64_t d1 = wrap_dim("diag_embed", dim1, rank), d2 = wrap_dim("diag_embed", dim2, rank);
  CLEW_CHECK(d1 != d2, ValueError, "diag_embed: expected two different dims, got ", dim1, " and ", dim2);
  const int64_t k = input.sizes().back(), n = k + std::abs(offset);
  Shape shape(input.sizes().begin(), input.sizes().end() - 1);
  shape.push_back(n);
  shape.push_back(n);
  Tensor y = zeros(shape, input.options());
  copy_(diagonal(y, offset, -2, -1), input);
  return movedim(y, {-2, -1}, {d1, d2});
}

TensorList tensor_split_at(const Tensor& input, IntArrayRef indices, int64_t dim) {
  CLEW_CHECK(input.dim() > 0, ShapeError,
             "tensor_split: expected at least one dimension, got a 0-dim tensor");
  const int64_t d = wrap_dim("tensor_split", dim, input.dim()), n = size_at(input, d);
  TensorList out;
  int64_t begin = 0;
  for (size_t i = 0; i <= indices.size(); ++i) {
    int64_t end = i < indices.size() ? indices[i] : n;
    if (end < 0) end += n;
    end = std::clamp<int64_t>(end, 0, n);
    out.push_back(narrow(input, d, std::min(begin, n), std::max<int64_t>(end - begin, 0)));
    begin = end;
  }
  return out;
}

TensorList tensor_split_even(const Tensor& input, int64_t sections, int64_t dim) {
  CLEW_CHECK(input.dim() > 0, ShapeError,
             "tensor_split: expected at least one dimension, got a 0-dim tensor");
  CLEW_CHECK(sections > 0, ValueError, "tensor_split: expected sections > 0, got ", sections);
  const int64_t d = wrap_dim("tensor_split", dim, input.dim()), n = size_at(input, d);
  const int64_t most = std::max<int64_t>(n, 1 << 20);
  CLEW_CHECK(sections <= most, ValueError, "tensor_split: expected sections <= ", most, ", got ", sections,
             " (dimension of size ", n, ")");
  Shape ends;
  for (int64_t i = 1, end = 0; i < sections; ++i) {
    end += n / sections + (i <= n % sections ? 1 : 0);
    ends.push_back(end);
  }
  return tensor_split_at(input, ends, d);
}

Tensor at_least_composite(const Tensor& input, int64_t rank) {
  Tensor y = input;
  if (y.dim() == 0) y = reshape(y, {1});
  if (rank >= 2 && y.dim() == 1) y = unsqueeze(y, 0);
  if (rank >= 3 && y.dim() == 2) y = unsqueeze(y, 2);
  return y;
}
TensorList all_at_least(const char* op, TensorListRef tensors, int64_t rank) {
  CLEW_CHECK(!tensors.empty(), ValueError, op, ": expected at least one tensor, got none");
  TensorList out;
  for (const Tensor& t : tensors) out.push_back(at_least_composite(t, rank));
  return out;
}

TensorList meshgrid_composite(TensorListRef tensors, std::string_view indexing) {
  CLEW_CHECK(!tensors.empty(), ValueError, "meshgrid: expected at least one tensor, got none");
  CLEW_CHECK(indexing == "ij" || indexing == "xy", ValueError,
             "meshgrid: expected indexing 'ij' or 'xy', got '", indexing, "'");
  Shape sizes;
  for (const Tensor& t : tensors) {
    CLEW_CHECK(t.dim() <= 1, ShapeError, "meshgrid: expected vectors or numbers, got shape ", t.sizes());
    CLEW_CHECK(t.dtype() == tensors[0].dtype(), DTypeError, "meshgrid: expected tensors of one dtype, got ",
               tensors[0].dtype(), " and ", t.dtype());
    sizes.push_back(t.numel());
  }
  TensorList out;
  for (size_t i = 0; i < tensors.size(); ++i) {
    Shape shape(tensors.size(), 1);
    shape[i] = sizes[i];
    Tensor y = expand(reshape(tensors[i], shape), sizes);
    out.push_back(indexing == "xy" && tensors.size() > 1 ? transpose(y, 0, 1) : y);
  }
  return out;
}

Tensor block_diag_composite(TensorListRef tensors) {
  CLEW_CHECK(!tensors.empty(), ValueError, "block_diag: expected at least one tensor, got none");
  int64_t rows = 0, columns = 0;
  TensorList blocks;
  DType dtype = tensors[0].dtype();
  for (const Tensor& t : tensors) {
    CLEW_CHECK(t.dim() <= 2, ShapeError, "block_diag: expected at most two dimensions, got ", t.sizes());
    blocks.push_back(at_least_composite(t, 2));
    rows += blocks.back().sizes()[0];
    columns += blocks.back().sizes()[1];
    dtype = promote_types(dtype, t.dtype());
  }
  Tensor y = zeros({rows, columns}, TensorOptions(dtype).device(tensors[0].device()));
  int64_t r = 0, c = 0;
  for (const Tensor& b : blocks) {
    copy_(narrow(narrow(y, 0, r, b.sizes()[0]), 1, c, b.sizes()[1]), b);
    r += b.sizes()[0];
    c += b.sizes()[1];
  }
  return y;
}

Tensor triangle_indices(const char* op, int64_t row, int64_t col, int64_t offset,
                        const TensorOptions& options, bool lower) {
  CLEW_CHECK(row >= 0 && col >= 0, ValueError, op, ": expected sizes >= 0, got ", row, " and ", col);
  const DType t = options.dtype_.value_or(DType::Int64);
  CLEW_CHECK(t == DType::Int64 || t == DType::Int32, DTypeError, op, ": expected dtype int64 or int32, got ",
             t);
  const Tensor all = ones({row, col}, TensorOptions(kBool).device(options.device_));
  return contiguous(transpose(nonzero(lower ? tril(all, offset) : triu(all, offset)), 0, 1)).to(t);
}

}  // namespace

CLEW_OP_PAGE(roll) = {{
    .name = "roll",
    .doc = R"(Shifts elements along dimensions; what leaves at one end comes in at the other.

Args:
    input: shape (*).
    shifts: how far, per dimension.
    dims: the dimensions; None: all elements as one row.
Returns:
    Tensor of shape (*).
Raises:
    ValueError: not as many shifts as dims.
Example:
    >>> clew.roll(clew.tensor([1, 2, 3]), 1).tolist()
    [3, 1, 2])",
    .composite = roll_composite,
}};
Tensor roll(const Tensor& input, IntArrayRef shifts, std::optional<IntArrayRef> dims) {
  return apply(roll_op, input, shifts, dims);
}

CLEW_OP_PAGE(repeat_interleave) = {{
    .name = "repeat_interleave",
    .doc = R"(Repeats each element.

Args:
    input: shape (*).
    repeats: how often, >= 0.
    dim: the dimension; None: flattened.
Returns:
    Tensor that is `repeats` times as long along `dim`.
Raises:
    ValueError: negative `repeats`.
Example:
    >>> clew.repeat_interleave(clew.tensor([1, 2]), 2).tolist()
    [1, 1, 2, 2])",
    .composite = repeat_each,
}};
Tensor repeat_interleave(const Tensor& input, int64_t repeats, std::optional<int64_t> dim) {
  return apply(repeat_interleave_op, input, repeats, dim);
}
CLEW_OP_PAGE(repeat_interleave_tensor) = {{
    .name = "repeat_interleave.tensor",
    .doc = R"(Repeats each element as often as a tensor says.

Args:
    input: shape (*).
    repeats: integers >= 0, one per entry of `dim`.
    dim: the dimension; None: flattened.
Returns:
    Tensor with sum(repeats) entries along `dim`.
Raises:
    clew.ShapeError: not as many repeats as entries.
Example:
    >>> clew.repeat_interleave(clew.tensor([1, 2]), clew.tensor([1, 2])).tolist()
    [1, 2, 2])",
    .composite = repeat_by_tensor,
}};
Tensor repeat_interleave(const Tensor& input, const Tensor& repeats, std::optional<int64_t> dim) {
  return apply(repeat_interleave_tensor_op, input, repeats, dim);
}

CLEW_OP_PAGE(diag) = {{
    .name = "diag",
    .doc = R"(The diagonal of a matrix, or the matrix of a diagonal.

Args:
    input: shape (n, m), or (n,).
    diagonal: 0 for the main one, above > 0, below < 0.
Returns:
    A vector for a matrix, a square matrix for a vector.
Raises:
    clew.ShapeError: neither a vector nor a matrix.
Example:
    >>> clew.diag(clew.tensor([1, 2])).tolist()
    [[1, 0], [0, 2]])",
    .composite = [](const Tensor& input, int64_t k) -> Tensor {
      CLEW_CHECK(input.dim() == 1 || input.dim() == 2, ShapeError,
                 "diag: expected a vector or a matrix, got ", input.sizes());
      return input.dim() == 1 ? diag_embed(input, k) : clone(diagonal(input, k));
    },
}};
Tensor diag(const Tensor& input, int64_t diagonal) { return apply(diag_op, input, diagonal); }

CLEW_OP_PAGE(diag_embed) = {{
    .name = "diag_embed",
    .doc = R"(Matrices with the last dimension as diagonal, 0 elsewhere.

Args:
    input: shape (*, n).
    offset: 0 for the main diagonal, above > 0, below < 0.
    dim1, dim2: where the matrix's dimensions go.
Returns:
    Tensor with one more dimension.
Example:
    >>> clew.diag_embed(clew.tensor([1, 2])).tolist()
    [[1, 0], [0, 2]])",
    .composite = diag_embed_composite,
}};
Tensor diag_embed(const Tensor& input, int64_t offset, int64_t dim1, int64_t dim2) {
  return apply(diag_embed_op, input, offset, dim1, dim2);
}

CLEW_OP_PAGE(diagflat) = {{
    .name = "diagflat",
    .doc = R"(The square matrix with all elements on a diagonal.

Args:
    input: any shape.
    offset: 0 for the main diagonal, above > 0, below < 0.
Returns:
    Matrix.
Example:
    >>> clew.diagflat(clew.tensor([[1], [2]])).tolist()
    [[1, 0], [0, 2]])",
    .composite = [](const Tensor& input, int64_t offset) { return diag_embed(reshape(input, {-1}), offset); },
}};
Tensor diagflat(const Tensor& input, int64_t offset) { return apply(diagflat_op, input, offset); }

CLEW_OP_PAGE(broadcast_to) = {{
    .name = "broadcast_to",
    .doc = R"(A view of a larger shape; the same as expand.

Args:
    input: shape (*).
    size: a shape that (*) broadcasts to; -1 keeps a size.
Returns:
    View of shape `size`.
Raises:
    clew.ShapeError: the shape does not broadcast.
Example:
    >>> clew.broadcast_to(clew.tensor([1, 2]), (2, 2)).tolist()
    [[1, 2], [1, 2]])",
    .composite = [](const Tensor& input, IntArrayRef size) { return expand(input, size); },
}};
Tensor broadcast_to(const Tensor& input, IntArrayRef size) { return apply(broadcast_to_op, input, size); }

CLEW_OP_PAGE(take_along_dim) = {{
    .name = "take_along_dim",
    .doc =
        R"(Picks elements along a dimension by indices that broadcast; made for what argsort and argmax return.

Args:
    input: shape (*).
    indices: int64, as many dimensions; sizes broadcast but for `dim`.
    dim: the dimension; None: both flattened.
Returns:
    Tensor of the broadcast shape, with the size of `indices` along `dim`.
Raises:
    clew.ShapeError: different ranks.
Example:
    >>> clew.take_along_dim(clew.tensor([[3, 1]]), clew.tensor([[1, 0]]), 1).tolist()
    [[1, 3]])",
    .composite = [](const Tensor& input, const Tensor& indices, std::optional<int64_t> dim) -> Tensor {
      CLEW_CHECK(indices.dtype() == DType::Int64, DTypeError,
                 "take_along_dim: expected indices of dtype int64, got ", indices.dtype());
      if (!dim) return gather(reshape(input, {-1}), 0, reshape(indices, {-1}));
      CLEW_CHECK(input.dim() == indices.dim(), ShapeError,
                 "take_along_dim: expected as many dimensions, got input ", input.sizes(), " and indices ",
                 indices.sizes());
      const int64_t d = wrap_dim("take_along_dim", *dim, input.dim());
      if (input.dim() == 0) return gather(input, 0, indices);
      Shape a = input.sizes().vec(), b = indices.sizes().vec();
      const int64_t n = a[static_cast<size_t>(d)], m = b[static_cast<size_t>(d)];
      a[static_cast<size_t>(d)] = b[static_cast<size_t>(d)] = 1;
      Shape common = broadcast_shapes("take_along_dim", a, b);
      common[static_cast<size_t>(d)] = n;
      const Tensor x = expand(input, common);
      common[static_cast<size_t>(d)] = m;
      return gather(x, d, expand(indices, common));
    },
}};
Tensor take_along_dim(const Tensor& input, const Tensor& indices, std::optional<int64_t> dim) {
  return apply(take_along_dim_op, input, indices, dim);
}

CLEW_OP_PAGE(tensor_split) = {{
    .name = "tensor_split",
    .doc = R"(Splits into parts of nearly one size, the first ones longer.

Args:
    input: at least one dimension.
    sections: how many parts, > 0.
    dim: the dimension.
Returns:
    Views.
Raises:
    ValueError: sections <= 0.
Example:
    >>> [t.tolist() for t in clew.tensor_split(clew.arange(3), 2)]
    [[0, 1], [2]])",
    .composite = tensor_split_even,
}};
TensorList tensor_split(const Tensor& input, int64_t sections, int64_t dim) {
  return apply(tensor_split_op, input, sections, dim);
}
CLEW_OP_PAGE(tensor_split_indices) = {{
    .name = "tensor_split.indices",
    .doc = R"(Splits at the given places.

Args:
    input: at least one dimension.
    indices: where parts end, in order; negative ones count from the end.
    dim: the dimension.
Returns:
    Views, one more than indices.
Example:
    >>> [t.tolist() for t in clew.tensor_split(clew.arange(3), (1,))]
    [[0], [1, 2]])",
    .composite = tensor_split_at,
}};
TensorList tensor_split(const Tensor& input, IntArrayRef indices, int64_t dim) {
  return apply(tensor_split_indices_op, input, indices, dim);
}

CLEW_OP_PAGE(ravel) = {{
    .name = "ravel",
    .doc = R"(The elements as one vector; a view where possible.

Args:
    input: any shape.
Returns:
    Vector.
Example:
    >>> clew.ravel(clew.tensor([[1, 2]])).tolist()
    [1, 2])",
    .composite = [](const Tensor& input) { return reshape(input, {-1}); },
}};
Tensor ravel(const Tensor& input) { return apply(ravel_op, input); }

CLEW_OP_PAGE(unflatten) = {{
    .name = "unflatten",
    .doc = R"(Splits one dimension into several.

Args:
    input: shape (*).
    dim: the dimension.
    sizes: what it becomes; one may be -1.
Returns:
    View.
Raises:
    clew.ShapeError: the sizes do not multiply to that of `dim`.
Example:
    >>> clew.unflatten(clew.zeros(2, 6), 1, (2, 3)).shape
    clew.Size([2, 2, 3]))",
    .composite =
        [](const Tensor& input, int64_t dim, IntArrayRef sizes) {
          CLEW_CHECK(!sizes.empty(), ValueError, "unflatten: expected sizes, got none");
          CLEW_CHECK(input.dim() > 0, IndexError,
                     "unflatten: expected at least one dimension, got a 0-dim tensor");
          const auto d = static_cast<size_t>(wrap_dim("unflatten", dim, input.dim()));
          const Shape parts = infer_size("unflatten", sizes, input.sizes()[d]);
          CLEW_CHECK(numel_of(parts) == input.sizes()[d], ShapeError,
                     "unflatten: expected sizes that multiply to ", input.sizes()[d], ", got ", sizes);
          Shape shape(input.sizes().begin(), input.sizes().begin() + d);
          for (int64_t n : parts) shape.push_back(n);
          for (size_t i = d + 1; i < input.sizes().size(); ++i) shape.push_back(input.sizes()[i]);
          return view(input, shape);
        },
}};
Tensor unflatten(const Tensor& input, int64_t dim, IntArrayRef sizes) {
  return apply(unflatten_op, input, dim, sizes);
}

CLEW_OP_PAGE(fliplr) = {{
    .name = "fliplr",
    .doc = R"(Reverses the columns.

Args:
    input: shape (n, m, *).
Returns:
    Tensor of the shape of `input`.
Raises:
    clew.ShapeError: fewer than two dimensions.
Example:
    >>> clew.fliplr(clew.tensor([[1, 2]])).tolist()
    [[2, 1]])",
    .composite =
        [](const Tensor& input) {
          CLEW_CHECK(input.dim() >= 2, ShapeError, "fliplr: expected at least two dimensions, got ",
                     input.sizes());
          return flip(input, {1});
        },
}};
Tensor fliplr(const Tensor& input) { return apply(fliplr_op, input); }
CLEW_OP_PAGE(flipud) = {{
    .name = "flipud",
    .doc = R"(Reverses the rows.

Args:
    input: shape (n, *).
Returns:
    Tensor of the shape of `input`.
Raises:
    clew.ShapeError: a 0-dim tensor.
Example:
    >>> clew.flipud(clew.tensor([1, 2])).tolist()
    [2, 1])",
    .composite =
        [](const Tensor& input) {
          CLEW_CHECK(input.dim() >= 1, ShapeError,
                     "flipud: expected at least one dimension, got a 0-dim tensor");
          return flip(input, {0});
        },
}};
Tensor flipud(const Tensor& input) { return apply(flipud_op, input); }

CLEW_OP_PAGE(rot90) = {{
    .name = "rot90",
    .doc = R"(Rotates by quarter turns in the plane of two dimensions.

Args:
    input: at least two dimensions.
    k: how many turns, from dims[0] towards dims[1].
    dims: the plane.
Returns:
    Tensor with the two sizes exchanged for odd `k`.
Raises:
    ValueError: not two different dims.
Example:
    >>> clew.rot90(clew.tensor([[1, 2], [3, 4]])).tolist()
    [[2, 4], [1, 3]])",
    .composite = [](const Tensor& input, int64_t k, IntArrayRef dims) -> Tensor {
      CLEW_CHECK(dims.size() == 2, ValueError, "rot90: expected two dims, got ", dims);
      CLEW_CHECK(input.dim() >= 2, ShapeError, "rot90: expected at least two dimensions, got ",
                 input.sizes());
      const int64_t a = wrap_dim("rot90", dims[0], input.dim()), b = wrap_dim("rot90", dims[1], input.dim());
      CLEW_CHECK(a != b, ValueError, "rot90: expected two different dims, got ", dims);
      switch (((k % 4) + 4) % 4) {
        case 1:
          return transpose(flip(input, IntArrayRef{b}), a, b);
        case 2:
          return flip(input, IntArrayRef{a, b});
        case 3:
          return transpose(flip(input, IntArrayRef{a}), a, b);
        default:
          return clone(input);
      }
    },
}};
Tensor rot90(const Tensor& input, int64_t k, IntArrayRef dims) { return apply(rot90_op, input, k, dims); }

CLEW_OP_PAGE(at_least) = {{
    .name = "at_least",
    .doc = R"(A view with at least so many dimensions, as atleast_1d, atleast_2d and atleast_3d want them.

Args:
    input: any shape.
    rank: 1, 2 or 3.
Returns:
    View; a vector becomes (1, n), then (1, n, 1).
Example:
    >>> clew.ops.at_least(clew.tensor([1, 2]), 2).tolist()
    [[1, 2]])",
    .composite = at_least_composite,
}};
Tensor at_least(const Tensor& input, int64_t rank) { return apply(at_least_op, input, rank); }

#define CLEW_STACK(id, summary, example, ...)                                                              \
  CLEW_OP_PAGE(id) = {{                                                                                    \
      .name = #id,                                                                                         \
      .doc = summary                                                                                       \
      "\n\nArgs:\n    tensors: at least one, of shapes that fit but for the joined dimension.\nReturns:\n" \
      "    Tensor.\nRaises:\n    clew.ShapeError: the shapes do not fit.\nExample:\n    >>> " example,     \
      .composite = __VA_ARGS__,                                                                            \
  }};                                                                                                      \
  Tensor id(TensorListRef tensors) { return ::clew::apply(id##_op, tensors); }
CLEW_STACK(hstack, "Joins along the second dimension; vectors along their only one.",
           "clew.hstack([clew.tensor([1]), clew.tensor([2])]).tolist()\n    [1, 2]",
           [](TensorListRef tensors) {
             const TensorList all = all_at_least("hstack", tensors, 1);
             return cat(all, all[0].dim() == 1 ? 0 : 1);
           })
CLEW_STACK(vstack, "Joins along the first dimension; vectors are rows.",
           "clew.vstack([clew.tensor([1]), clew.tensor([2])]).tolist()\n    [[1], [2]]",
           [](TensorListRef tensors) { return cat(all_at_least("vstack", tensors, 2), 0); })
CLEW_STACK(dstack, "Joins along the third dimension.",
           "clew.dstack([clew.tensor([1]), clew.tensor([2])]).tolist()\n    [[[1, 2]]]",
           [](TensorListRef tensors) { return cat(all_at_least("dstack", tensors, 3), 2); })
CLEW_STACK(column_stack, "Joins along the second dimension; vectors are columns.",
           "clew.column_stack([clew.tensor([1, 2]), clew.tensor([3, 4])]).tolist()\n    [[1, 3], [2, 4]]",
           [](TensorListRef tensors) {
             TensorList all = all_at_least("column_stack", tensors, 1);
             for (Tensor& t : all)
               if (t.dim() == 1) t = unsqueeze(t, 1);
             return cat(all, 1);
           })
#undef CLEW_STACK

CLEW_OP_PAGE(meshgrid_of) = {{
    .name = "meshgrid_of",
    .doc = R"(Coordinates of a grid.

    y_k[i_1, ..., i_n] = tensors[k][i_k]

Args:
    tensors: vectors.
    indexing: 'ij', or 'xy' with the first two dimensions exchanged.
Returns:
    Views of one shape, as many as tensors.
Raises:
    ValueError: no tensors, or another indexing.
Example:
    >>> [t.tolist() for t in clew.meshgrid(clew.tensor([1, 2]), clew.tensor([3]))]
    [[[1], [2]], [[3], [3]]])",
    .composite = meshgrid_composite,
}};
TensorList meshgrid_of(TensorListRef tensors, std::string_view indexing) {
  return apply(meshgrid_of_op, tensors, indexing);
}

CLEW_OP_PAGE(block_diag_of) = {{
    .name = "block_diag_of",
    .doc = R"(The matrix with blocks along its diagonal, 0 elsewhere.

Args:
    tensors: matrices; a vector is a row.
Returns:
    Matrix.
Raises:
    clew.ShapeError: more than two dimensions.
Example:
    >>> clew.block_diag(clew.tensor([1]), clew.tensor([[2], [3]])).tolist()
    [[1, 0], [0, 2], [0, 3]])",
    .composite = block_diag_composite,
}};
Tensor block_diag_of(TensorListRef tensors) { return ::clew::apply(block_diag_of_op, tensors); }

CLEW_OP_PAGE(tril_indices) = {{
    .name = "tril_indices",
    .doc = R"(Rows and columns of the lower triangle.

Args:
    row, col: size of the matrix.
    offset: 0 for the main diagonal, above > 0, below < 0.
    dtype: int64 or int32.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (2, n), row by row.
Example:
    >>> clew.tril_indices(2, 2).tolist()
    [[0, 1, 1], [0, 0, 1]])",
    .composite =
        [](int64_t row, int64_t col, int64_t offset, const TensorOptions& options) {
          return triangle_indices("tril_indices", row, col, offset, options, true);
        },
}};
Tensor tril_indices(int64_t row, int64_t col, int64_t offset, const TensorOptions& options) {
  return apply(tril_indices_op, row, col, offset, options);
}
CLEW_OP_PAGE(triu_indices) = {{
    .name = "triu_indices",
    .doc = R"(Rows and columns of the upper triangle.

Args:
    row, col: size of the matrix.
    offset: 0 for the main diagonal, above > 0, below < 0.
    dtype: int64 or int32.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (2, n), row by row.
Example:
    >>> clew.triu_indices(2, 2).tolist()
    [[0, 0, 1], [0, 1, 1]])",
    .composite =
        [](int64_t row, int64_t col, int64_t offset, const TensorOptions& options) {
          return triangle_indices("triu_indices", row, col, offset, options, false);
        },
}};
Tensor triu_indices(int64_t row, int64_t col, int64_t offset, const TensorOptions& options) {
  return apply(triu_indices_op, row, col, offset, options);
}

CLEW_OP_PAGE(logspace) = {{
    .name = "logspace",
    .doc = R"(Powers with evenly spaced exponents.

    base^start ... base^end

Args:
    start, end: exponents, both included.
    steps: how many, >= 0.
    base: the base.
    dtype: default: the default dtype.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (steps,).
Example:
    >>> clew.logspace(0, 2, 3).tolist()
    [1.0, 10.0, 100.0])",
    .composite =
        [](const Scalar& start, const Scalar& end, int64_t steps, double base, const TensorOptions& options) {
          const Tensor exponents =
              linspace(start, end, steps, TensorOptions(DType::Float64).device(options.device_));
          const Tensor y = pow(full({}, base, exponents.options()), exponents);
          return y.to(options.dtype_.value_or(default_dtype())).set_requires_grad(options.requires_grad_);
        },
}};
Tensor logspace(const Scalar& start, const Scalar& end, int64_t steps, double base,
                const TensorOptions& options) {
  return apply(logspace_op, start, end, steps, base, options);
}

CLEW_OP_PAGE(vander) = {{
    .name = "vander",
    .doc = R"(Vandermonde matrix: powers of a vector's elements as columns.

Args:
    x: shape (n,).
    N: how many columns; None: n.
    increasing: from power 0 upwards instead of downwards to 0.
Returns:
    Tensor of shape (n, N).
Raises:
    clew.ShapeError: not a vector.
Example:
    >>> clew.vander(clew.tensor([1, 2, 3]), 2).tolist()
    [[1, 1], [2, 1], [3, 1]])",
    .composite =
        [](const Tensor& x, std::optional<int64_t> N, bool increasing) {
          CLEW_CHECK(x.dim() == 1, ShapeError, "vander: expected a vector, got ", x.sizes());
          const int64_t n = N.value_or(x.sizes()[0]);
          CLEW_CHECK(n >= 0, ValueError, "vander: expected N >= 0, got ", n);
          const Tensor exponents = arange(n, TensorOptions(DType::Int64).device(x.device()));
          const Tensor powers = pow(unsqueeze(x, 1), exponents);
          return increasing ? powers : flip(powers, {1});
        },
}};
Tensor vander(const Tensor& x, std::optional<int64_t> N, bool increasing) {
  return apply(vander_op, x, N, increasing);
}

}  // namespace clew
