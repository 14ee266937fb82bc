// Moving elements between strided tensors: the kernels' shared tool below the level of ops.
#pragma once

#include "clew/core/tensor.h"

namespace clew::cpu {

/// Calls `f` with an unsigned type of `size` bytes: moving elements needs no more than that.
template <class F>
void by_size(size_t size, F&& f) {
  switch (size) {
    case 1:
      return f.template operator()<uint8_t>();
    case 2:
      return f.template operator()<uint16_t>();
    case 4:
      return f.template operator()<uint32_t>();
    default:
      return f.template operator()<uint64_t>();
  }
}

/// out[i] = in[i], converted, over `sizes`. Strides in elements, of any sign; 0 in `in_strides` repeats.
/// The two must not overlap unless they are the same elements in the same places.
void strided_copy(IntArrayRef sizes, void* out, IntArrayRef out_strides, DType out_dtype, const void* in,
                  IntArrayRef in_strides, DType in_dtype);

/// Writes `src`, broadcast and converted, into all of `out`.
void copy_tensor(const Tensor& out, const Tensor& src);

/// `t` itself when it is contiguous and of dtype `dtype`, else a converted contiguous copy. Records nothing.
Tensor contiguous_as(const Tensor& t, DType dtype);
inline Tensor contiguous_copy(const Tensor& t) { return contiguous_as(t, t.dtype()); }

/// A new contiguous CPU tensor, uninitialised.
Tensor new_tensor(IntArrayRef sizes, DType dtype);

/// Writes `value` into all of `out`. Raises ValueError, naming `op`, for a value that the dtype cannot hold.
void fill_tensor(const char* op, const Tensor& out, const Scalar& value);

}  // namespace clew::cpu
