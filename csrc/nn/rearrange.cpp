#include "clew/nn/rearrange.h"

#include "nn/text.h"

namespace clew::nn {
namespace {
// "2.0", or "(2.0, 1.5)".
std::string spelled_all(const std::vector<double>& factors) {
  std::string s;
  for (const double f : factors) s += (s.empty() ? "" : ", ") + spelled(f);
  return factors.size() == 1 ? s : "(" + s + ")";
}
}  // namespace

Unflatten::Unflatten(int64_t d, std::vector<int64_t> sizes)
    : Layer("Unflatten", text("dim=", d, ", unflattened_size=", IntArrayRef(sizes))),
      dim(d),
      unflattened_size(std::move(sizes)) {}
Tensor Unflatten::forward(const Tensor& input) const { return unflatten(input, dim, unflattened_size); }

Upsample::Upsample(std::string kind, functional::InterpolateOptions o)
    : Layer(std::move(kind)), options(std::move(o)) {
  const std::string what = !options.scale_factor.empty() ? "scale_factor=" + spelled_all(options.scale_factor)
                           : options.size.size() == 1    ? text("size=", options.size[0])
                                                         : text("size=", IntArrayRef(options.size));
  set_details(what + ", mode='" + options.mode + "'");
}

Softmin::Softmin(int64_t d) : Layer("Softmin", text("dim=", d)), dim(d) {}

Tensor Softmax2d::forward(const Tensor& input) const {
  CLEW_CHECK(input.dim() == 3 || input.dim() == 4, ValueError,
             "Softmax2d: expected input of 3 or 4 dimensions, got ", input.sizes());
  return softmax(input, -3);
}

}  // namespace clew::nn
