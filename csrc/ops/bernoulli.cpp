// Drawing into a tensor: chances of another shape.
#include "clew/dispatch/apply.h"
#include "core/shapes.h"

namespace clew {

Tensor bernoulli_(const Tensor& self, const Tensor& p, const std::optional<Generator>& generator) {
  const Tensor chances = is_floating(p.dtype()) ? p.detach() : p.detach().to(DType::Float64);
  return copy_(self, bernoulli(expand(chances, self.sizes()), generator));
}
Tensor bernoulli_(const Tensor& self, double p, const std::optional<Generator>& generator) {
  return copy_(self, bernoulli(self.detach(), p, generator));
}

}  // namespace clew
