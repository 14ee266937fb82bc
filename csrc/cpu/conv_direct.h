// Convolution without unrolling, for groups of one input channel.
#pragma once

#include "ops/window.h"

namespace clew::cpu {

/// True when the functions below take this convolution.
bool direct_conv_fits(const Conv2dShape& s);

/// As the ones in conv.cpp; T is float or double. `bias` may be null.
template <class T>
void direct_forward(const Conv2dShape& s, T* out, const T* input, const T* weight, const T* bias);
template <class T>
void direct_input_grad(const Conv2dShape& s, T* grad_input, const T* grad, const T* weight);
template <class T>
void direct_weight_grad(const Conv2dShape& s, T* grad_weight, const T* grad, const T* input);

}  // namespace clew::cpu
