#include "clew/nn/loss.h"

#include "clew/ops/ops.h"

namespace clew::nn {
namespace {
std::optional<Tensor> maybe(const Tensor& t) { return t.defined() ? std::optional<Tensor>(t) : std::nullopt; }
}  // namespace

std::string_view name(Reduction r) {
  switch (r) {
    case Reduction::None:
      return "none";
    case Reduction::Mean:
      return "mean";
    case Reduction::Sum:
      return "sum";
  }
  detail::raise<ValueError>("Reduction: expected None, Mean or Sum, got ", static_cast<int>(r));
}

CrossEntropyLoss::CrossEntropyLoss(const CrossEntropyLossOptions& o) : Layer("CrossEntropyLoss"), options(o) {
  CLEW_CHECK(o.label_smoothing >= 0 && o.label_smoothing <= 1, ValueError,
             "CrossEntropyLoss: expected label_smoothing in [0, 1], got ", o.label_smoothing);
  register_buffer("weight", o.weight);
}
Tensor CrossEntropyLoss::forward(const Tensor& input, const Tensor& target) const {
  return cross_entropy(input, target, maybe(options.weight), options.ignore_index, name(options.reduction),
                       options.label_smoothing);
}

NLLLoss::NLLLoss(const NLLLossOptions& o) : Layer("NLLLoss"), options(o) {
  register_buffer("weight", o.weight);
}
Tensor NLLLoss::forward(const Tensor& input, const Tensor& target) const {
  return nll_loss(input, target, maybe(options.weight), options.ignore_index, name(options.reduction));
}

MSELoss::MSELoss(Reduction r) : Layer("MSELoss"), reduction(r) {}
Tensor MSELoss::forward(const Tensor& input, const Tensor& target) const {
  return mse_loss(input, target, name(reduction));
}

L1Loss::L1Loss(Reduction r) : Layer("L1Loss"), reduction(r) {}
Tensor L1Loss::forward(const Tensor& input, const Tensor& target) const {
  return l1_loss(input, target, name(reduction));
}

BCELoss::BCELoss(const BCELossOptions& o) : Layer("BCELoss"), options(o) {
  register_buffer("weight", o.weight);
}
Tensor BCELoss::forward(const Tensor& input, const Tensor& target) const {
  return binary_cross_entropy(input, target, maybe(options.weight), name(options.reduction));
}

BCEWithLogitsLoss::BCEWithLogitsLoss(const BCEWithLogitsLossOptions& o)
    : Layer("BCEWithLogitsLoss"), options(o) {
  register_buffer("weight", o.weight);
  register_buffer("pos_weight", o.pos_weight);
}
Tensor BCEWithLogitsLoss::forward(const Tensor& input, const Tensor& target) const {
  return binary_cross_entropy_with_logits(input, target, maybe(options.weight), maybe(options.pos_weight),
                                          name(options.reduction));
}

}  // namespace clew::nn
