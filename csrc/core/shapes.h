// Shape arithmetic shared by meta functions: the one place for broadcasting and dim wrapping.
#pragma once

#include "clew/core/tensor.h"

namespace clew {

/// `dim` in [0, rank); negative counts from the end; rank 0 accepts -1 and 0. Raises IndexError naming `op`.
CLEW_API int64_t wrap_dim(const char* op, int64_t dim, int64_t rank);
/// Dims as a bitmask; an absent or empty list means all. Raises IndexError, and ValueError for repeats.
CLEW_API uint64_t dim_mask(const char* op, std::optional<IntArrayRef> dims, int64_t rank);
/// Shape of a reduction over `mask`.
CLEW_API Shape reduced_shape(IntArrayRef sizes, uint64_t mask, bool keepdim);
/// The common shape of operands. Raises ShapeError naming `op`, both shapes and the clashing sizes.
CLEW_API Shape broadcast_shapes(const char* op, IntArrayRef a, IntArrayRef b);
/// Strides that read a tensor of `sizes`, `strides` as `target` (0 where broadcast).
CLEW_API Shape broadcast_strides(IntArrayRef sizes, IntArrayRef strides, IntArrayRef target);
CLEW_API bool broadcastable_to(IntArrayRef sizes, IntArrayRef target);
CLEW_API Shape contiguous_strides(IntArrayRef sizes);
CLEW_API int64_t numel_of(IntArrayRef sizes);
/// Replaces one -1 by what `numel` leaves. Raises ShapeError.
CLEW_API Shape infer_size(const char* op, IntArrayRef sizes, int64_t numel);
/// Strides that show memory (sizes, strides) as `target` without copying; nullopt when impossible.
CLEW_API std::optional<Shape> view_strides(IntArrayRef sizes, IntArrayRef strides, IntArrayRef target);
/// One value repeated `n` times, or `n` values. Raises ValueError: `op: expected <name> to be ...`.
CLEW_API Shape expand_param(const char* op, const char* name, IntArrayRef values, size_t n);

/// Refuses more dimensions than a dimension mask has bits.
inline void check_rank(const char* op, size_t rank) {
  CLEW_CHECK(rank <= 64, ShapeError, op, ": expected at most 64 dimensions, got ", rank);
}

}  // namespace clew
