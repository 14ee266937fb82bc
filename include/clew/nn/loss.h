// Losses as modules. Class weights are buffers.
#pragma once

#include "clew/nn/module.h"

namespace clew::nn {

enum class Reduction { None, Mean, Sum };
/// "none", "mean" or "sum", as the ops take it.
CLEW_API std::string_view name(Reduction r);

struct CrossEntropyLossOptions {
  Tensor weight = {};  // (C,), undefined means 1
  int64_t ignore_index = -100;
  Reduction reduction = Reduction::Mean;
  double label_smoothing = 0;
};
/// -weight[t] * log_softmax(x)[t]; the mean divides by the sum of the weights used. Input logits (C,), (N, C)
/// or (N, C, d1, ...); target class indices or probabilities.
class CLEW_API CrossEntropyLoss : public Layer<CrossEntropyLoss> {
 public:
  explicit CrossEntropyLoss(const CrossEntropyLossOptions& o = {});
  Tensor forward(const Tensor& input, const Tensor& target) const;
  CrossEntropyLossOptions options;
};

struct NLLLossOptions {
  Tensor weight = {};
  int64_t ignore_index = -100;
  Reduction reduction = Reduction::Mean;
};
/// -weight[t] * x[t] for log-probabilities x.
class CLEW_API NLLLoss : public Layer<NLLLoss> {
 public:
  explicit NLLLoss(const NLLLossOptions& o = {});
  Tensor forward(const Tensor& input, const Tensor& target) const;
  NLLLossOptions options;
};

/// (x - t)^2.
class CLEW_API MSELoss : public Layer<MSELoss> {
 public:
  explicit MSELoss(Reduction r = Reduction::Mean);
  Tensor forward(const Tensor& input, const Tensor& target) const;
  Reduction reduction;
};

/// |x - t|.
class CLEW_API L1Loss : public Layer<L1Loss> {
 public:
  explicit L1Loss(Reduction r = Reduction::Mean);
  Tensor forward(const Tensor& input, const Tensor& target) const;
  Reduction reduction;
};

struct BCELossOptions {
  Tensor weight = {};  // a factor per element, broadcast to the input
  Reduction reduction = Reduction::Mean;
};
/// -(t log x + (1 - t) log(1 - x)) for probabilities x; the logarithms are cut off at -100.
class CLEW_API BCELoss : public Layer<BCELoss> {
 public:
  explicit BCELoss(const BCELossOptions& o = {});
  Tensor forward(const Tensor& input, const Tensor& target) const;
  BCELossOptions options;
};

struct BCEWithLogitsLossOptions {
  Tensor weight = {};
  Reduction reduction = Reduction::Mean;
  Tensor pos_weight = {};
};
/// Binary cross entropy of sigmoid(x), computed without overflow.
class CLEW_API BCEWithLogitsLoss : public Layer<BCEWithLogitsLoss> {
 public:
  explicit BCEWithLogitsLoss(const BCEWithLogitsLossOptions& o = {});
  Tensor forward(const Tensor& input, const Tensor& target) const;
  BCEWithLogitsLossOptions options;
};

}  // namespace clew::nn
