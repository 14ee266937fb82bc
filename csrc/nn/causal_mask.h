// The mask that keeps each position from looking ahead.
#pragma once

#include <limits>

#include "clew/ops/ops.h"

namespace clew::nn {

inline Tensor causal_mask(int64_t size, const TensorOptions& options) {
  return triu(full({size, size}, -std::numeric_limits<double>::infinity(), options), 1);
}

/// Whether `mask` is that mask.
inline bool is_causal_mask(const Tensor& mask) {
  return mask.defined() && mask.dim() == 2 && mask.size(0) == mask.size(1) && is_floating(mask.dtype()) &&
         equal(mask, causal_mask(mask.size(0), mask.options()));
}

}  // namespace clew::nn
