// Arithmetic of the fused optimizer steps, one element at a time: the same on every device.
#pragma once

#include <stdint.h>

#include "clew/core/dtype.h"

namespace clew::kernels {

/// Everything an element needs; computed once per parameter. `sign` is -1 to maximize.
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

/// One parameter in a list that a device takes in one launch: contiguous memory of `dtype`.
struct OptimItem {
  void* data[5];  // param, gradient, up to three tensors of state; others are null
  int64_t numel;
  double step_size, root_bias;  // Adam's, of this parameter's step
  DType dtype;
  bool fresh;  // SGD's
};

/// The scalars of SGD in the type that elements are computed in.
template <class C>
struct Sgd {
  C lr, momentum, keep, decay, sign, ahead, from_buffer;
  CLEW_HD explicit Sgd(const SgdScalars& s)
      : lr(static_cast<C>(s.lr)),
        momentum(static_cast<C>(s.momentum)),
        keep(static_cast<C>(s.keep_grad)),
        decay(static_cast<C>(s.weight_decay)),
        sign(static_cast<C>(s.sign)),
        // One formula serves both forms: without nesterov the gradient enters with factor 0.
        ahead(s.nesterov ? C(1) : C(0)),
        from_buffer(s.nesterov ? static_cast<C>(s.momentum) : C(1)) {}

  CLEW_HD C plain(C x, C g) const { return x - lr * (sign * g + decay * x); }
  /// `buffer` is written; with `fresh` it starts as the gradient.
  CLEW_HD C with_buffer(C x, C g, C& buffer, bool fresh) const {
    const C d = sign * g + decay * x;
    buffer = fresh ? d : momentum * buffer + keep * d;
    return x - lr * (ahead * d + from_buffer * buffer);
  }
};

template <class C>
struct Adam {
  C one_beta1, one_beta2, beta2, eps, decay, step_size, root_bias, shrink, sign;
  CLEW_HD Adam(const AdamScalars& s, double step, double root)
      : one_beta1(static_cast<C>(1 - s.beta1)),
        one_beta2(static_cast<C>(1 - s.beta2)),
        beta2(static_cast<C>(s.beta2)),
        eps(static_cast<C>(s.eps)),
        decay(static_cast<C>(s.weight_decay)),
        step_size(static_cast<C>(step)),
        root_bias(static_cast<C>(root)),
        shrink(static_cast<C>(s.shrink)),
        sign(static_cast<C>(s.sign)) {}

  /// Moves the averages on; x shrinks by decoupled weight decay.
  CLEW_HD void average(C& x, C g, C& mean, C& square) const {
    x *= shrink;
    const C d = sign * g + decay * x;
    mean += (d - mean) * one_beta1;
    square = beta2 * square + one_beta2 * d * d;
  }
  /// `root`: the square root of the averaged square.
  CLEW_HD C step(C x, C mean, C root) const { return x - step_size * mean / (root / root_bias + eps); }
};

}  // namespace clew::kernels
