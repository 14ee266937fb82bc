// Losses over class indices as plain data.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"

namespace clew::cuda {

/// Logits or log-probabilities (outer, classes, inner), a target for each (outer, inner). Weights, logsumexp,
/// `each` and `weights` are float, for float64 double.
struct ClassLoss {
  int64_t outer, classes, inner;
  int64_t ignore_index;
  const void* in;
  const int64_t* targets;
  const void* weight;         // of the classes; null: 1
  unsigned long long* bad;    // gets the least position of a target out of range; ~0 before
  void* logsumexp = nullptr;  // cross-entropy only
  void* each = nullptr;       // the losses
  void* weights = nullptr;    // the targets' weights
  int64_t count() const { return outer * inner; }
};
/// Fills `each` and `weights`, those that are wanted.
void run_nll(DType dtype, const ClassLoss& loss, Stream stream);
/// The same with logits, and `logsumexp`; inner is 1.
void run_cross_entropy(DType dtype, const ClassLoss& loss, Stream stream);

enum class LossSum : uint8_t { Sum, Mean, Scale };
/// Sum: out = the sum of `each`. Mean: that divided by the sum of `weights`. Scale: 1 / the sum of `weights`,
/// in the dtype of those. `dtype` is that of `out`.
void run_loss_sum(LossSum kind, DType dtype, void* out, const ClassLoss& loss, Stream stream);

/// out = (softmax(in) - onehot(target)) * grad * weight * scale, from `logsumexp`.
struct CrossEntropyGrad {
  void* out;
  const void* grad;   // of dtype `dtype`
  int64_t grad_step;  // 0: one for all rows
  const void* scale;  // like weights; null: 1
};
void run_cross_entropy_grad(DType dtype, const ClassLoss& loss, const CrossEntropyGrad& grad, Stream stream);

void run_log_sigmoid(DType dtype, void* out, const void* in, int64_t numel, Stream stream);
/// `bad` gets the least position of an input outside of [0, 1]; ~0 before.
void run_binary_cross_entropy(DType dtype, void* out, const void* in, const void* target, int64_t numel,
                              unsigned long long* bad, Stream stream);

}  // namespace clew::cuda
