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

Tensor get_total_norm(const TensorList& tensors, double norm_type, bool error_if_nonfinite) {
  const NoGradGuard guard;
  if (tensors.empty()) return zeros({});
  const Tensor total = optim::total_norm(tensors, norm_type);
  CLEW_CHECK(!error_if_nonfinite || std::isfinite(total.item<double>()), ValueError,
             "get_total_norm: expected a finite norm, got ", total.item<double>());
  return total;
}

void clip_grads_with_norm_(const TensorList& parameters, double max_norm, const Tensor& total_norm) {
  const NoGradGuard guard;
  const double factor = max_norm / (total_norm.item<double>() + 1e-6);
  if (!(factor >= 1)) optim::scale_(gradients(parameters), factor);
}

Tensor clip_grad_norm_(const TensorList& parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  const NoGradGuard guard;
  const TensorList grads = gradients(parameters);
  if (grads.empty()) return zeros({});
  const Tensor total = optim::total_norm(grads, norm_type);
  CLEW_CHECK(!error_if_nonfinite || std::isfinite(total.item<double>()), ValueError,
             "clip_grad_norm_: expected a finite norm, got ", total.item<double>(),
             " (error_if_nonfinite=false clips anyway)");
  clip_grads_with_norm_(parameters, max_norm, total);
  return total;
}

void clip_grad_value_(const TensorList& parameters, double clip_value) {
  const NoGradGuard guard;
  for (const Tensor& g : gradients(parameters)) clamp_(g, Scalar(-clip_value), Scalar(clip_value));
}

Tensor parameters_to_vector(const TensorList& parameters) {
  TensorList flat;
  for (const Tensor& p : parameters) flat.push_back(p.reshape({-1}));
  return cat(flat);
}

void vector_to_parameters(const Tensor& vector, const TensorList& parameters) {
  int64_t wanted = 0;
  for (const Tensor& p : parameters) wanted += p.numel();
  CLEW_CHECK(vector.dim() == 1 && vector.numel() == wanted, ShapeError,
             "vector_to_parameters: expected a vector of ", wanted, " elements, got shape ", vector.sizes());
  const NoGradGuard guard;
  int64_t at = 0;
  for (const Tensor& p : parameters) {
    copy_(p, narrow(vector, 0, at, p.numel()).reshape(p.sizes()));
    at += p.numel();
  }
}

}  // namespace clew::nn::utils
