// The inner loops of the fused optimizer steps: raw pointers, one contiguous piece of one parameter.
#pragma once

#include <cstdint>

namespace clew::cpu {

/// Everything one piece needs; computed once per parameter. `sign` is -1 to maximize.
struct SgdScalars {
  double lr, momentum, keep_grad, weight_decay, sign;  // keep_grad = 1 - dampening
  bool has_buffer, fresh, nesterov;                    // fresh: the buffer starts as the gradient
};
struct AdamScalars {
  double beta1, beta2, eps, weight_decay, sign;
  double step_size;  // lr / (1 - beta1^t)
  double root_bias;  // sqrt(1 - beta2^t)
  double shrink;     // 1 - lr * weight_decay when decoupled, else 1
};
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
