// Gradient clipping.
#pragma once

#include "clew/core/tensor.h"

namespace clew::nn::utils {

/// Scales the gradients of `parameters` so that their norm together is at most `max_norm`:
/// the factor is max_norm / (norm + 1e-6), never above 1. Returns the norm before. With `error_if_nonfinite`
/// raises ValueError for a norm that is not finite.
CLEW_API Tensor clip_grad_norm_(const TensorList& parameters, double max_norm, double norm_type = 2,
                                bool error_if_nonfinite = false);
/// Clamps every gradient to [-clip_value, clip_value].
CLEW_API void clip_grad_value_(const TensorList& parameters, double clip_value);

}  // namespace clew::nn::utils
