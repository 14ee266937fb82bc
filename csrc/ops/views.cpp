// View ops in place: the tensor itself gets the view's sizes and strides.
#include "clew/autograd/node.h"
#include "clew/dispatch/apply.h"
#include "core/shapes.h"

namespace clew {
namespace {

Tensor become(const char* op, const Tensor& self, const Tensor& view) {
  CLEW_CHECK(!is_grad_enabled() || !self.requires_grad() || autograd::grad_fn(self) != nullptr, AutogradError,
             op, ": expected a tensor that is not a leaf requiring grad, got one of shape ", self.sizes(),
             " (call it under no_grad())");
  TensorBody* b = self.body();
  b->set_geometry(view.sizes(), view.strides(), view.storage_offset());
  if (autograd::Node* node = autograd::grad_fn(view))
    autograd::set_history(self, Ref<autograd::Node>::share(node), view.body()->output_nr);
  self.bump_version();  // what was saved of it had the old shape
  return self;
}

}  // namespace

Tensor squeeze_(const Tensor& self, std::optional<IntArrayRef> dim) {
  return become("squeeze_", self, squeeze(self, dim));
}
Tensor unsqueeze_(const Tensor& self, int64_t dim) {
  return become("unsqueeze_", self, unsqueeze(self, dim));
}
Tensor transpose_(const Tensor& self, int64_t dim0, int64_t dim1) {
  return become("transpose_", self, transpose(self, dim0, dim1));
}
Tensor t_(const Tensor& self) { return become("t_", self, t(self)); }

Tensor bernoulli_(const Tensor& self, const Tensor& p, const std::optional<Generator>& generator) {
  const Tensor chances = is_floating(p.dtype()) ? p.detach() : p.detach().to(DType::Float64);
  return copy_(self, bernoulli(expand(chances, self.sizes()), generator));
}
Tensor bernoulli_(const Tensor& self, double p, const std::optional<Generator>& generator) {
  return copy_(self, bernoulli(self.detach(), p, generator));
}

}  // namespace clew
