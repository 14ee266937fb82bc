// Walking the tape.
#pragma once

#include <functional>
#include <string>

#include "clew/autograd/grad_mode.h"
#include "clew/core/tensor.h"

namespace clew::autograd {

/// Adds d(sum of tensors * grad_tensors)/d(leaf) into `.grad` of every leaf that led to `tensors`,
/// or only of `inputs` when given. An undefined grad_tensor means 1 and needs a one-element tensor.
CLEW_API void backward(const TensorList& tensors, TensorList grad_tensors = {}, bool retain_graph = false,
                       bool create_graph = false, const TensorList& inputs = {});

/// Returns the gradients of `outputs` with respect to `inputs` without touching `.grad`. Visits only what
/// leads to `inputs`. An input that was not used raises AutogradError, or gives an undefined tensor with
/// `allow_unused`.
CLEW_API TensorList grad(const TensorList& outputs, const TensorList& inputs, TensorList grad_outputs = {},
                         bool retain_graph = false, bool create_graph = false, bool allow_unused = false);

/// Called with a gradient; a defined result replaces it.
using TensorHook = std::function<Tensor(const Tensor&)>;
/// Registers `hook` on the gradient of `t`; returns a key for remove_hook. Hooks run in order of
/// registration.
CLEW_API uint64_t register_hook(const Tensor& t, TensorHook hook);
/// Runs after a gradient was accumulated into the leaf `t`.
CLEW_API uint64_t register_post_accumulate_grad_hook(const Tensor& t,
                                                     std::function<void(const Tensor&)> hook);
CLEW_API void remove_hook(const Tensor& t, uint64_t key);
/// Lets a non-leaf keep its gradient in `.grad`.
CLEW_API void retain_grad(const Tensor& t);

using TensorFunction = std::function<TensorList(const TensorList&)>;
struct GradcheckOptions {
  double eps = 1e-6, atol = 1e-5, rtol = 1e-3;
  bool check_second = false;  // gradgradcheck
  uint64_t seed = 0;          // of the random cotangents
};
/// Compares backward with central differences, along a random cotangent, for each float64 input that
/// requires a gradient. Returns an empty string, or which input and element differ and by how much.
CLEW_API std::string gradcheck(const TensorFunction& f, const TensorList& inputs,
                               const GradcheckOptions& o = {});

}  // namespace clew::autograd
