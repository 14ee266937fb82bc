#include "clew/nn/init.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "clew/autograd/grad_mode.h"
#include "clew/ops/indexing.h"
#include "clew/ops/ops.h"

namespace clew::nn::init {
namespace {

// (fan_in, fan_out) of a weight of shape (out, in, ...).
std::pair<double, double> fans(const char* op, const Tensor& t) {
  CLEW_CHECK(t.dim() >= 2, ValueError, op, ": expected a tensor of 2 or more dimensions, got ", t.dim(),
             " (fan in and out)");
  double receptive = 1;
  for (int64_t d = 2; d < t.dim(); ++d) receptive *= static_cast<double>(t.size(d));
  return {static_cast<double>(t.size(1)) * receptive, static_cast<double>(t.size(0)) * receptive};
}

double kaiming_std(const char* op, const Tensor& t, double a, std::string_view mode,
                   std::string_view nonlinearity) {
  CLEW_CHECK(mode == "fan_in" || mode == "fan_out", ValueError, op,
             ": expected mode fan_in or fan_out, got '", mode, "'");
  const auto [in, out] = fans(op, t);
  const double fan = mode == "fan_in" ? in : out;
  return fan == 0 ? 0 : calculate_gain(nonlinearity, a) / std::sqrt(fan);
}

}  // namespace

Tensor uniform_(const Tensor& tensor, double a, double b) {
  const NoGradGuard guard;
  return clew::uniform_(tensor, a, b);
}

Tensor normal_(const Tensor& tensor, double mean, double std) {
  const NoGradGuard guard;
  return clew::normal_(tensor, mean, std);
}

Tensor constant_(const Tensor& tensor, double value) {
  const NoGradGuard guard;
  return fill_(tensor, value);
}

Tensor zeros_(const Tensor& tensor) { return constant_(tensor, 0); }
Tensor ones_(const Tensor& tensor) { return constant_(tensor, 1); }

Tensor eye_(const Tensor& tensor) {
  CLEW_CHECK(tensor.dim() == 2, ValueError, "eye_: expected a matrix, got ", tensor.dim(), " dimensions");
  const NoGradGuard guard;
  return copy_(tensor, eye(tensor.size(0), tensor.size(1)));
}

double calculate_gain(std::string_view nonlinearity, std::optional<double> slope) {
  if (nonlinearity == "linear" || nonlinearity == "sigmoid" || nonlinearity.starts_with("conv")) return 1;
  if (nonlinearity == "tanh") return 5.0 / 3.0;
  if (nonlinearity == "relu") return std::sqrt(2.0);
  if (nonlinearity == "leaky_relu") {
    const double s = slope.value_or(0.01);
    return std::sqrt(2.0 / (1.0 + s * s));
  }
  if (nonlinearity == "selu") return 0.75;
  detail::raise<ValueError>(
      "calculate_gain: expected linear, conv*, sigmoid, tanh, relu, leaky_relu or selu, got '", nonlinearity,
      "' (argument 'nonlinearity')");
}

Tensor xavier_uniform_(const Tensor& tensor, double gain) {
  const auto [in, out] = fans("xavier_uniform_", tensor);
  const double bound = gain * std::sqrt(6.0 / std::max(1.0, in + out));
  return init::uniform_(tensor, -bound, bound);
}

Tensor xavier_normal_(const Tensor& tensor, double gain) {
  const auto [in, out] = fans("xavier_normal_", tensor);
  return init::normal_(tensor, 0, gain * std::sqrt(2.0 / std::max(1.0, in + out)));
}

Tensor kaiming_uniform_(const Tensor& tensor, double a, std::string_view mode,
                        std::string_view nonlinearity) {
  const double bound = std::sqrt(3.0) * kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity);
  return init::uniform_(tensor, -bound, bound);
}

Tensor kaiming_normal_(const Tensor& tensor, double a, std::string_view mode, std::string_view nonlinearity) {
  return init::normal_(tensor, 0, kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity));
}

Tensor trunc_normal_(const Tensor& tensor, double mean, double std, double a, double b) {
  CLEW_CHECK(std > 0 && a < b, ValueError, "trunc_normal_: expected std > 0 and a < b, got std ", std,
             " and [", a, ", ", b, "]");
  const NoGradGuard guard;
  const double root = std::sqrt(2.0), low = std::erf((a - mean) / std / root),
               high = std::erf((b - mean) / std / root);
  const Tensor values = empty(tensor.sizes(), kDouble).uniform_(low, high).erfinv_().mul_(std * root);
  tensor.copy_(values.add_(mean).clamp_(Scalar(a), Scalar(b)));
  // Rounding to fewer digits may step over a bound.
  return tensor.clamp_(Scalar(a), Scalar(b));
}

Tensor orthogonal_(const Tensor& tensor, double gain) {
  CLEW_CHECK(tensor.dim() >= 2, ValueError, "orthogonal_: expected 2 or more dimensions, got ", tensor.dim());
  if (tensor.numel() == 0) return tensor;
  const int64_t rows = tensor.size(0), columns = tensor.numel() / rows;
  const NoGradGuard guard;
  const Tensor random = empty({rows, columns}, kDouble).normal_(0, 1);
  const auto [q, r] = linalg_qr(rows < columns ? random.t() : random);
  // Otherwise some matrices are more likely than others.
  const Tensor fair = q * diag(r).sign();
  return tensor.copy_(((rows < columns ? fair.t() : fair) * gain).reshape(tensor.sizes()));
}

Tensor dirac_(const Tensor& tensor, int64_t groups) {
  CLEW_CHECK(tensor.dim() >= 3 && tensor.dim() <= 5, ValueError, "dirac_: expected 3 to 5 dimensions, got ",
             tensor.dim());
  CLEW_CHECK(groups > 0 && tensor.size(0) % groups == 0, ValueError,
             "dirac_: expected output channels divisible by groups, got ", tensor.size(0), " and ", groups);
  const int64_t each = tensor.size(0) / groups;
  const NoGradGuard guard;
  tensor.zero_();
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t d = 0; d < std::min(each, tensor.size(1)); ++d) {
      Tensor at = tensor.select(0, g * each + d).select(0, d);
      while (at.dim() > 0) at = at.select(0, at.size(0) / 2);
      at.fill_(1);
    }
  }
  return tensor;
}

Tensor sparse_(const Tensor& tensor, double sparsity, double std) {
  CLEW_CHECK(tensor.dim() == 2, ValueError, "sparse_: expected 2 dimensions, got ", tensor.dim());
  CLEW_CHECK(sparsity >= 0 && sparsity <= 1, ValueError, "sparse_: expected sparsity in [0, 1], got ",
             sparsity);
  const int64_t rows = tensor.size(0);
  const auto zeros = static_cast<int64_t>(std::ceil(sparsity * static_cast<double>(rows)));
  const NoGradGuard guard;
  tensor.normal_(0, std);
  for (int64_t column = 0; column < tensor.size(1); ++column) {
    tensor.select(1, column).index_put_({indexing::TensorIndex(narrow(randperm(rows), 0, 0, zeros))},
                                        Scalar(0));
  }
  return tensor;
}

}  // namespace clew::nn::init
