// Activations as modules; the arithmetic is that of the ops of the same names.
#pragma once

#include "clew/nn/module.h"

namespace clew::nn {

/// x where x > 0, else alpha * (exp(x) - 1).
class CLEW_API ELU : public Layer<ELU> {
 public:
  explicit ELU(double alpha = 1);
  Tensor forward(const Tensor& input) const;
  double alpha;
};
/// 1.0507 * elu(x, 1.6733).
class CLEW_API SELU : public Layer<SELU> {
 public:
  SELU() : Layer("SELU") {}
  Tensor forward(const Tensor& input) const;
};
/// x where x > 0, else alpha * (exp(x / alpha) - 1).
class CLEW_API CELU : public Layer<CELU> {
 public:
  explicit CELU(double alpha = 1);
  Tensor forward(const Tensor& input) const;
  double alpha;
};
/// log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold.
class CLEW_API Softplus : public Layer<Softplus> {
 public:
  explicit Softplus(double beta = 1, double threshold = 20);
  Tensor forward(const Tensor& input) const;
  double beta, threshold;
};
/// x * tanh(softplus(x)).
class CLEW_API Mish : public Layer<Mish> {
 public:
  Mish() : Layer("Mish") {}
  Tensor forward(const Tensor& input) const;
};
/// Cuts off at two limits. Raises ValueError for min_val > max_val.
class CLEW_API Hardtanh : public Layer<Hardtanh> {
 public:
  explicit Hardtanh(double min_val = -1, double max_val = 1);
  Tensor forward(const Tensor& input) const;
  double min_val, max_val;
};
/// Hardtanh from 0 to 6.
class CLEW_API ReLU6 : public Layer<ReLU6> {
 public:
  ReLU6() : Layer("ReLU6") {}
  Tensor forward(const Tensor& input) const;
};
/// min(max(x + 3, 0), 6) / 6.
class CLEW_API Hardsigmoid : public Layer<Hardsigmoid> {
 public:
  Hardsigmoid() : Layer("Hardsigmoid") {}
  Tensor forward(const Tensor& input) const;
};
/// x * min(max(x + 3, 0), 6) / 6.
class CLEW_API Hardswish : public Layer<Hardswish> {
 public:
  Hardswish() : Layer("Hardswish") {}
  Tensor forward(const Tensor& input) const;
};
/// x where |x| > lambd, else 0.
class CLEW_API Hardshrink : public Layer<Hardshrink> {
 public:
  explicit Hardshrink(double lambd = 0.5);
  Tensor forward(const Tensor& input) const;
  double lambd;
};
/// x moved by lambd towards 0. Raises ValueError on use for lambd < 0.
class CLEW_API Softshrink : public Layer<Softshrink> {
 public:
  explicit Softshrink(double lambd = 0.5);
  Tensor forward(const Tensor& input) const;
  double lambd;
};
/// x - tanh(x).
class CLEW_API Tanhshrink : public Layer<Tanhshrink> {
 public:
  Tanhshrink() : Layer("Tanhshrink") {}
  Tensor forward(const Tensor& input) const;
};
/// x / (1 + |x|).
class CLEW_API Softsign : public Layer<Softsign> {
 public:
  Softsign() : Layer("Softsign") {}
  Tensor forward(const Tensor& input) const;
};
/// x where x > threshold, else value.
class CLEW_API Threshold : public Layer<Threshold> {
 public:
  Threshold(double threshold, double value);
  Tensor forward(const Tensor& input) const;
  double threshold, value;
};
/// a * sigmoid(b), where a and b are the halves of the input.
class CLEW_API GLU : public Layer<GLU> {
 public:
  explicit GLU(int64_t dim = -1);
  Tensor forward(const Tensor& input) const;
  int64_t dim;
};

struct PReLUOptions {
  int64_t num_parameters = 1;  // or the number of channels
  double init = 0.25;
  TensorOptions options = {};
};
/// x where x > 0, else weight * x; weight (num_parameters,), filled with `init`.
class CLEW_API PReLU : public Layer<PReLU> {
 public:
  explicit PReLU(const PReLUOptions& o = {});
  Tensor forward(const Tensor& input) const;
  PReLUOptions options;
  Tensor weight;
};

}  // namespace clew::nn
