#include "clew/nn/functional.h"

#include <cmath>

namespace clew::nn::functional {

Tensor interpolate(const Tensor& input, const InterpolateOptions& o) {
  CLEW_CHECK(o.size.empty() != o.scale_factor.empty(), ValueError,
             "interpolate: expected either size or scale_factor, got ", o.size.empty() ? "none" : "both");
  CLEW_CHECK(input.dim() >= 3 && input.dim() <= 5, NotImplementedError,
             "interpolate: expected input of 3 to 5 dimensions, got shape ", input.sizes());
  const auto n = static_cast<size_t>(input.dim() - 2);
  const auto check_count = [&](const char* what, size_t count) {
    CLEW_CHECK(count == 1 || count == n, ValueError, "interpolate: expected ", what, " as one number or ", n,
               " numbers, got ", count);
  };
  std::vector<int64_t> size = o.size;
  std::optional<double> scale[3];
  if (!size.empty()) {
    CLEW_CHECK(!o.recompute_scale_factor, ValueError,
               "interpolate: expected recompute_scale_factor only with scale_factor, got size");
    check_count("size", size.size());
    size.resize(n, size[0]);
  } else {
    check_count("scale_factor", o.scale_factor.size());
    for (size_t i = 0; i < n; ++i) {
      const double factor = o.scale_factor.size() == 1 ? o.scale_factor[0] : o.scale_factor[i];
      size.push_back(static_cast<int64_t>(std::floor(static_cast<double>(input.sizes()[i + 2]) * factor)));
      if (!o.recompute_scale_factor) scale[i] = factor;
    }
  }
  return resample(input, size, o.mode, o.align_corners, scale[0], scale[1], scale[2]);
}

}  // namespace clew::nn::functional
