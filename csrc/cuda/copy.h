// Moving elements between tensors of a device: the kernels' shared tool below the level of ops.
#pragma once

#include "cuda/plan.h"

namespace clew::cuda {

/// Writes `src`, broadcast and converted, into all of `out`. `src` may be a number on the CPU.
void copy_tensor(const Tensor& out, const Tensor& src);
/// Writes `value` into all of `out`. Raises ValueError, naming `op`, for a value that the dtype cannot hold.
void fill_tensor(const char* op, const Tensor& out, const Scalar& value);
/// A new contiguous tensor on the device of `like`, uninitialised.
Tensor new_tensor(const Tensor& like, IntArrayRef sizes, DType dtype);
/// `t` in order without gaps, as `dtype`, on the device of `like` (default: its own): itself where it is so.
inline Tensor contiguous_as(const Tensor& t, DType dtype, const Tensor& like) {
  if (t.dtype() == dtype && t.is_contiguous() && t.device() == like.device()) return t;
  const Tensor out = new_tensor(like, t.sizes(), dtype);
  copy_tensor(out, t);
  return out;
}
inline Tensor contiguous_as(const Tensor& t, DType dtype) { return contiguous_as(t, dtype, t); }

}  // namespace clew::cuda
