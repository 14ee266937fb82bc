// Softmax and its gradients as plain data.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"

namespace clew::cuda {

/// Contiguous tensors as (outer, n, inner); the operation runs over n.
struct SoftmaxPlan {
  void* out;
  const void* a;  // the input; for gradients that of the result
  const void* b;  // for gradients the result
  int64_t outer, n, inner;
};
enum class SoftmaxKind : uint8_t { softmax, log_softmax, softmax_grad, log_softmax_grad };
void run_softmax(SoftmaxKind kind, DType dtype, const SoftmaxPlan& plan, Stream stream);

}  // namespace clew::cuda
