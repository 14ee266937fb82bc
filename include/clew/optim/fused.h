// Optimizer steps over many parameters at once.
#pragma once

#include <cstdint>
#include <span>

#include "clew/core/tensor.h"

namespace clew::optim {

struct SGDStep {
  double lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;
};

/// Updates each of `params` that has a gradient.
///
///     g = grad + weight_decay * p;  v = g where `fresh`, else momentum * v + (1 - dampening) * g
///     p = p - lr * v                (nesterov: p - lr * (g + momentum * v))
///
/// `buffers` (the v) is as long as `params`, or empty when momentum is 0; `fresh` is as long or empty (none).
/// Writes bump versions and are not recorded. Raises ShapeError, DTypeError, DeviceError before anything
/// changes.
CLEW_API void sgd_step(TensorListRef params, TensorListRef buffers, std::span<const uint8_t> fresh,
                       const SGDStep& options);

struct AdamStep {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled = false, maximize = false;
};

/// Updates each of `params` that has a gradient, and counts its step.
///
///     m = beta1 * m + (1 - beta1) * g;  v = beta2 * v + (1 - beta2) * g^2
///     p = p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
///
/// Weight decay is added to g, or when `decoupled` shrinks p. `max_exp_avg_sqs` is empty, or takes the place
/// of v. `steps` is float32 of shape (number of params,): t of each, contiguous on the CPU.
CLEW_API void adam_step(TensorListRef params, TensorListRef exp_avgs, TensorListRef exp_avg_sqs,
                        TensorListRef max_exp_avg_sqs, const Tensor& steps, const AdamStep& options);

/// The p-norm of all elements of all tensors together, as a 0-dim tensor of the widest dtype among them.
CLEW_API Tensor total_norm(TensorListRef tensors, double p = 2);
/// Multiplies all tensors by `factor`, in place.
CLEW_API void scale_(TensorListRef tensors, double factor);
/// The same for tensors of one CUDA device, by `factor` and by the number `more`, if defined, that stands on
/// the device; `found_bad`, a float32 on the device, becomes 1 when an element is not finite, if defined.
CLEW_API void scale_by_(TensorListRef tensors, double factor, const Tensor& more, const Tensor& found_bad);

}  // namespace clew::optim
