#include "clew/nn/utils.h"

#include <algorithm>
#include <cmath>

#include "clew/autograd/grad_mode.h"
#include "clew/ops/ops.h"
#include "clew/optim/fused.h"

namespace clew::nn::utils {
namespace {
TensorList gradients(const TensorList& parameters) {
  TensorList out;
  for (const Tensor& p : parameters) {
    if (p.grad().defined()) out.push_back(p.grad());
  }
  return out;
}
}  // namespace

Tensor clip_grad_norm_(const TensorList& parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  const NoGradGuard guard;
  const TensorList grads = gradients(parameters);
  if (grads.empty()) return zeros({});
  const Tensor total = optim::total_norm(grads, norm_type);
  const double value = total.item<double>();
  CLEW_CHECK(!error_if_nonfinite || std::isfinite(value), ValueError,
             "clip_grad_norm_: expected a finite norm, got ", value,
             " (error_if_nonfinite=false clips anyway)");
  const double factor = max_norm / (value + 1e-6);
  if (!(factor >= 1)) optim::scale_(grads, factor);
  return total;
}

void clip_grad_value_(const TensorList& parameters, double clip_value) {
  const NoGradGuard guard;
  for (const Tensor& g : gradients(parameters)) clamp_(g, Scalar(-clip_value), Scalar(clip_value));
}

}  // namespace clew::nn::utils
