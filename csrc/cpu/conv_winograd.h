// Convolution with 3 x 3 kernels at stride 1 by Winograd's minimal filtering: 2.25 times fewer products.
#pragma once

#include "ops/window.h"

namespace clew::cpu {

/// True when the functions below take this convolution and gain by it.
bool winograd_fits(const Conv2dShape& s);

/// As the ones in conv.cpp, in float32. They return false, with results of no use, when one is not finite:
/// an infinite or huge element would spoil sums that it has no part in.
bool winograd_forward(const Conv2dShape& s, float* out, const float* input, const float* weight,
                      const float* bias);
bool winograd_input_grad(const Conv2dShape& s, float* grad_input, const float* grad, const float* weight);
bool winograd_weight_grad(const Conv2dShape& s, float* grad_weight, const float* grad, const float* input);

}  // namespace clew::cpu
