#include "clew/nn/activations.h"

#include "clew/ops/ops.h"
#include "nn/text.h"

namespace clew::nn {

ELU::ELU(double a) : Layer("ELU", text("alpha=", spelled(a))), alpha(a) {}
Tensor ELU::forward(const Tensor& input) const { return elu(input, alpha); }

Tensor SELU::forward(const Tensor& input) const { return selu(input); }

CELU::CELU(double a) : Layer("CELU", text("alpha=", spelled(a))), alpha(a) {}
Tensor CELU::forward(const Tensor& input) const { return celu(input, alpha); }

Softplus::Softplus(double b, double t)
    : Layer("Softplus", text("beta=", spelled(b), ", threshold=", spelled(t))), beta(b), threshold(t) {}
Tensor Softplus::forward(const Tensor& input) const { return softplus(input, beta, threshold); }

Tensor Mish::forward(const Tensor& input) const { return mish(input); }

Hardtanh::Hardtanh(double low, double high)
    : Layer("Hardtanh", text("min_val=", spelled(low), ", max_val=", spelled(high))),
      min_val(low),
      max_val(high) {
  CLEW_CHECK(low <= high, ValueError, "Hardtanh: expected min_val <= max_val, got ", low, " and ", high);
}
Tensor Hardtanh::forward(const Tensor& input) const { return hardtanh(input, min_val, max_val); }

Tensor ReLU6::forward(const Tensor& input) const { return hardtanh(input, 0, 6); }
Tensor Hardsigmoid::forward(const Tensor& input) const { return hardsigmoid(input); }
Tensor Hardswish::forward(const Tensor& input) const { return hardswish(input); }

Hardshrink::Hardshrink(double l) : Layer("Hardshrink", text("lambd=", spelled(l))), lambd(l) {}
Tensor Hardshrink::forward(const Tensor& input) const { return hardshrink(input, lambd); }

Softshrink::Softshrink(double l) : Layer("Softshrink", text("lambd=", spelled(l))), lambd(l) {}
Tensor Softshrink::forward(const Tensor& input) const { return softshrink(input, lambd); }

Tensor Tanhshrink::forward(const Tensor& input) const { return tanhshrink(input); }
Tensor Softsign::forward(const Tensor& input) const { return softsign(input); }

Threshold::Threshold(double t, double v)
    : Layer("Threshold", text("threshold=", spelled(t), ", value=", spelled(v))), threshold(t), value(v) {}
Tensor Threshold::forward(const Tensor& input) const { return clew::threshold(input, threshold, value); }

GLU::GLU(int64_t d) : Layer("GLU", text("dim=", d)), dim(d) {}
Tensor GLU::forward(const Tensor& input) const { return glu(input, dim); }

PReLU::PReLU(const PReLUOptions& o) : Layer("PReLU", text("num_parameters=", o.num_parameters)), options(o) {
  CLEW_CHECK(o.num_parameters > 0, ValueError, "PReLU: expected num_parameters > 0, got ", o.num_parameters);
  weight = register_parameter("weight", full({o.num_parameters}, o.init, o.options));
}
Tensor PReLU::forward(const Tensor& input) const { return prelu(input, weight); }

}  // namespace clew::nn
