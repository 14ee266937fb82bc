#include <cmath>

#include "clew/autograd/autograd.h"
#include "clew/ops/ops.h"

namespace clew::autograd {
namespace {

Tensor cotangent_for(const Tensor& t, Generator& gen) {
  const NoGradGuard guard;
  return randn(t.sizes(), gen, TensorOptions(t.dtype())).to(std::nullopt, t.device());
}

// sum over outputs of <output, cotangent>, the scalar whose gradient is checked.
double weighted_sum(const TensorFunction& f, const TensorList& inputs, const TensorList& cotangents) {
  const NoGradGuard guard;
  const TensorList outputs = f(inputs);
  double total = 0;
  for (size_t k = 0, c = 0; k < outputs.size(); ++k) {
    if (!is_differentiable(outputs[k].dtype())) continue;
    total += sum(outputs[k] * cotangents[c++]).item().to_double();
  }
  return total;
}

std::string check_first(const TensorFunction& f, const TensorList& inputs, const GradcheckOptions& o,
                        const char* what) {
  Generator gen(o.seed + 1);
  TensorList outputs, used;
  {
    const AutoGradMode mode(true);
    for (const Tensor& y : f(inputs)) {
      if (is_differentiable(y.dtype())) used.push_back(y);
    }
  }
  TensorList cotangents, wanted;
  std::vector<size_t> position;
  for (const Tensor& y : used) cotangents.push_back(cotangent_for(y, gen));
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined() || !inputs[i].requires_grad()) continue;
    CLEW_CHECK(inputs[i].dtype() == kDouble, DTypeError, "gradcheck: expected float64 inputs, got ",
               inputs[i].dtype(), " at position ", i);
    wanted.push_back(inputs[i]);
    position.push_back(i);
  }
  CLEW_CHECK(!wanted.empty(), ValueError,
             "gradcheck: expected at least one input that requires grad, got none");
  TensorList roots, seeds;
  for (size_t k = 0; k < used.size(); ++k) {
    if (!used[k].requires_grad()) continue;
    roots.push_back(used[k]);
    seeds.push_back(cotangents[k]);
  }
  TensorList analytic(wanted.size());
  if (!roots.empty()) analytic = grad(roots, wanted, seeds, false, false, true);

  for (size_t w = 0; w < wanted.size(); ++w) {
    const Tensor expected_shape = wanted[w];
    const Tensor g = analytic[w].defined() ? contiguous(analytic[w].detach().cpu())
                                           : zeros(expected_shape.sizes(), TensorOptions(kDouble));
    CLEW_CHECK(g.sizes() == wanted[w].sizes(), ShapeError, "gradcheck: expected a gradient of shape ",
               wanted[w].sizes(), ", got ", g.sizes());
    // Perturb a private copy, so that the caller's data and its version stay as they are.
    Tensor x;
    {
      const NoGradGuard guard;
      x = clone(wanted[w]).cpu();
    }
    TensorList moved = inputs;
    double* data = x.data<double>();
    const auto value_at = [&](int64_t i, double v) {
      data[i] = v;
      moved[position[w]] = x.to(std::nullopt, wanted[w].device());
      return weighted_sum(f, moved, cotangents);
    };
    for (int64_t i = 0; i < x.numel(); ++i) {
      const double original = data[i];
      const double up = value_at(i, original + o.eps), down = value_at(i, original - o.eps);
      data[i] = original;
      const double numeric = (up - down) / (2 * o.eps), computed = g.data<double>()[i];
      const bool both_nan = std::isnan(numeric) && std::isnan(computed);
      if (!both_nan && !(std::abs(numeric - computed) <= o.atol + o.rtol * std::abs(numeric)))
        return detail::concat(what, ": expected gradient ", numeric, " (finite difference), got ", computed,
                              " for input ", position[w], " of shape ", wanted[w].sizes(), ", element ", i);
    }
  }
  return {};
}

}  // namespace

std::string gradcheck(const TensorFunction& f, const TensorList& inputs, const GradcheckOptions& o) {
  if (std::string first = check_first(f, inputs, o, "gradcheck"); !first.empty() || !o.check_second)
    return first;
  // The gradient of <f, v> is itself a function of the inputs and of v: check that one too.
  Generator gen(o.seed + 2);
  TensorList extended = inputs;
  {
    const NoGradGuard guard;
    for (const Tensor& y : f(inputs)) {
      if (is_differentiable(y.dtype())) extended.push_back(cotangent_for(y, gen));
    }
  }
  for (size_t i = inputs.size(); i < extended.size(); ++i) extended[i].set_requires_grad(true);
  const size_t n = inputs.size();
  const TensorFunction gradient = [&f, n](const TensorList& all) -> TensorList {
    const AutoGradMode mode(true);
    TensorList x(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n));
    // Finite differences pass plain tensors: they must be on the tape here as well.
    for (Tensor& t : x) {
      if (t.defined() && t.dtype() == kDouble && !t.requires_grad()) t = t.detach().set_requires_grad(true);
    }
    TensorList roots, seeds, wanted;
    size_t v = n;
    for (const Tensor& y : f(x)) {
      if (!is_differentiable(y.dtype())) continue;
      const Tensor& seed = all[v++];
      if (!y.requires_grad()) continue;
      roots.push_back(y);
      seeds.push_back(seed);
    }
    for (const Tensor& t : x) {
      if (t.defined() && t.requires_grad()) wanted.push_back(t);
    }
    if (roots.empty() || wanted.empty()) return {};
    TensorList out;
    for (const Tensor& g : grad(roots, wanted, seeds, true, true, true)) {
      if (g.defined()) out.push_back(g);
    }
    return out;
  };
  return check_first(gradient, extended, o, "gradgradcheck");
}

}  // namespace clew::autograd
