// The inner loops of the fused optimizer steps: raw pointers, one contiguous piece of one parameter.
#pragma once

#include <cstdint>

#include "kernels/optim_math.h"

namespace clew::cpu {

using kernels::AdamScalars;
using kernels::SgdScalars;

/// `buffer`, `largest` may be null. All pointers are of the loop's dtype and do not overlap.
using SgdLoop = void (*)(void* param, const void* grad, void* buffer, int64_t n, const SgdScalars& s);
using AdamLoop = void (*)(void* param, const void* grad, void* moment, void* square, void* largest, int64_t n,
                          const AdamScalars& s);
/// Adds up |x|^p (p = infinity: the maximum) of n elements in a fixed order.
using NormLoop = double (*)(const void* x, int64_t n, double p);
/// x *= factor.
using ScaleLoop = void (*)(void* x, int64_t n, double factor);

/// One column per floating dtype, in the order of DType: float16, bfloat16, float32, float64.
struct OptimLoops {
  SgdLoop sgd[4];
  AdamLoop adam[4];
  NormLoop norm[4];
  ScaleLoop scale[4];
};

}  // namespace clew::cpu
