// clew::nn::functional: what Python has in nn.functional, under the same names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "clew/ops/ops.h"

namespace clew::nn::functional {

#define CLEW_NN(name, R, ...) using ::clew::name;
#include "clew/ops/all.def"

using ::clew::cosine_similarity;
using ::clew::log_softmax;
using ::clew::relu;
using ::clew::relu_;
using ::clew::sigmoid;
using ::clew::softmax;
using ::clew::tanh;

/// One number in `size` or `scale_factor` stands for all dimensions.
struct InterpolateOptions {
  std::vector<int64_t> size = {};
  std::vector<double> scale_factor = {};  // in place of `size`: multiples of the old sizes
  std::string mode =
      "nearest";  // or nearest-exact, linear (3-d), bilinear, bicubic (4-d), trilinear (5-d), area
  std::optional<bool> align_corners = std::nullopt;  // for the linear and cubic modes
  bool recompute_scale_factor = false;               // sample by the ratio of the sizes, not by scale_factor
};
/// Resamples signals (N, C, L), images (N, C, H, W) or volumes (N, C, D, H, W), floating point or uint8.
/// Raises ValueError for both or none of `size` and `scale_factor`, NotImplementedError for a mode of another
/// rank.
CLEW_API Tensor interpolate(const Tensor& input, const InterpolateOptions& options);

}  // namespace clew::nn::functional
