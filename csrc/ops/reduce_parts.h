// What pages of reductions share: which dimensions go, and how a gradient gets them back.
#pragma once

#include <optional>

#include "clew/ops/ops.h"
#include "core/shapes.h"

namespace clew::reduce_detail {

using Dims = std::optional<IntArrayRef>;

/// Integers and bools sum up in int64.
inline DType sum_dtype(const Tensor& input, std::optional<DType> dtype) {
  return dtype ? *dtype : is_floating(input.dtype()) ? input.dtype() : DType::Int64;
}
inline Dims one_dim(const int64_t& dim) { return IntArrayRef(&dim, 1); }
inline Dims one_dim(const std::optional<int64_t>& dim) { return dim ? Dims(IntArrayRef(&*dim, 1)) : Dims(); }

inline Shape reduced(const char* op, const Tensor& input, Dims dim, bool keepdim) {
  return reduced_shape(input.sizes(), dim_mask(op, dim, input.dim()), keepdim);
}
inline int64_t reduced_count(IntArrayRef sizes, uint64_t mask) {
  int64_t n = 1;
  for (size_t i = 0; i < sizes.size(); ++i) n *= (mask >> i) & 1 ? sizes[i] : 1;
  return n;
}
inline void check_not_empty(const char* op, const Tensor& input, uint64_t mask) {
  for (size_t i = 0; i < input.sizes().size(); ++i) {
    CLEW_CHECK(!((mask >> i) & 1) || input.sizes()[i] > 0, IndexError, op,
               ": expected at least one element to reduce, got input ", input.sizes(), " (dimension ", i,
               " is empty)");
  }
}

/// `t`, a reduction of a tensor of `sizes`, with the reduced dims back as size 1.
inline Tensor restored(const char* op, const Tensor& t, IntArrayRef sizes, Dims dim, bool keepdim) {
  if (keepdim || sizes.empty()) return t;
  return reshape(t, reduced_shape(sizes, dim_mask(op, dim, static_cast<int64_t>(sizes.size())), true));
}

}  // namespace clew::reduce_detail
