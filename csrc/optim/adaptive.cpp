#include "clew/optim/adaptive.h"

#include <cmath>

#include "clew/autograd/grad_mode.h"
#include "clew/ops/ops.h"
#include "optim/optimizer_state.h"

namespace clew::optim {

using namespace optim_detail;

// ---- what all of them share ------------------------------------------------------------------------

PerParameter::PerParameter(std::string kind, std::vector<std::string> names)
    : kind_(std::move(kind)), names_(std::move(names)) {}

void PerParameter::add_params(TensorList params) {
  struct Group {
    const TensorList& params;
  };
  std::vector<Group> groups;
  groups.reserve(params_.size());
  for (const TensorList& g : params_) groups.push_back({g});
  check_params(kind_, groups, Group{params});
  states_.emplace_back(params.size());
  params_.push_back(std::move(params));
}

void PerParameter::step() {
  const NoGradGuard guard;
  for (size_t g = 0; g < params_.size(); ++g) {
    for (size_t i = 0; i < params_[g].size(); ++i) {
      const Tensor& param = params_[g][i];
      if (!param.grad().defined()) continue;
      const Tensor grad = param.grad().detach();
      // Written through a tensor without history, so that a leaf accepts it.
      const Tensor data = param.detach();
      State& s = states_[g][i];
      if (s.tensors.empty()) {
        s.tensors.resize(names_.size());
        start(g, data, s.tensors);
      }
      s.step += 1;
      update(g, data, maximize(g) ? -grad : grad, s);
    }
  }
}

NamedTensors PerParameter::state_dict() const {
  NamedTensors out;
  size_t number = 0;
  for (const auto& group : states_) {
    for (const State& s : group) {
      if (!s.tensors.empty()) out.emplace_back(key(number, "step"), full({}, s.step, kFloat32));
      for (size_t k = 0; k < s.tensors.size(); ++k) {
        if (s.tensors[k].defined()) out.emplace_back(key(number, names_[k].c_str()), s.tensors[k]);
      }
      ++number;
    }
  }
  return out;
}

void PerParameter::load_state_dict(const NamedTensors& state) {
  StateReader reader(kind_, state);
  std::vector<std::vector<State>> fresh;
  size_t number = 0;
  for (size_t g = 0; g < params_.size(); ++g) {
    fresh.emplace_back(params_[g].size());
    for (size_t i = 0; i < params_[g].size(); ++i, ++number) {
      if (!reader.has(key(number, "step"))) continue;
      State& s = fresh[g][i];
      s.step = reader.take(key(number, "step"), {}).item<double>();
      s.tensors.resize(names_.size());
      start(g, params_[g][i].detach(), s.tensors);
      for (size_t k = 0; k < names_.size(); ++k) {
        if (!s.tensors[k].defined()) continue;
        s.tensors[k] = reader.take(key(number, names_[k].c_str()), s.tensors[k].sizes());
      }
    }
  }
  reader.finish();
  states_ = std::move(fresh);
}

namespace {

// The gradient with the L2 penalty; decoupled, the parameter shrinks instead.
template <class Options>
Tensor decayed(const Tensor& param, const Tensor& grad, const Options& o) {
  if (o.weight_decay == 0) return grad;
  if constexpr (requires { o.decoupled_weight_decay; }) {
    if (o.decoupled_weight_decay) {
      param.mul_(1 - o.lr * o.weight_decay);
      return grad;
    }
  }
  return grad.add(param, o.weight_decay);
}

// A tensor that the options at the first step did not ask for is not there later.
const Tensor& kept(const char* kind, const TensorList& state, size_t i, const char* what) {
  CLEW_CHECK(i < state.size() && state[i].defined(), ValueError, kind, ": expected ", what,
             " in the state, got none (the options of the first step had no use for it)");
  return state[i];
}

template <class Options>
void check_common(const std::string& kind, const Options& o) {
  check_at_least(kind, "lr", o.lr, 0);
  if constexpr (requires { o.eps; }) check_at_least(kind, "eps", o.eps, 0);
  if constexpr (requires { o.weight_decay; }) check_at_least(kind, "weight_decay", o.weight_decay, 0);
  if constexpr (requires { o.beta1; }) {
    check_beta(kind, "beta1", o.beta1);
    check_beta(kind, "beta2", o.beta2);
  }
}

}  // namespace

// ---- RMSprop ---------------------------------------------------------------------------------------

void check(const std::string& kind, const RMSpropOptions& o) {
  check_common(kind, o);
  check_at_least(kind, "alpha", o.alpha, 0);
  check_at_least(kind, "momentum", o.momentum, 0);
}
void start(const Tensor& param, TensorList& state, const RMSpropOptions& o) {
  state[0] = zeros_like(param);
  if (o.momentum > 0) state[1] = zeros_like(param);
  if (o.centered) state[2] = zeros_like(param);
}
void update(const Tensor& param, const Tensor& gradient, double, const TensorList& state,
            const RMSpropOptions& o) {
  const Tensor grad = decayed(param, gradient, o);
  Tensor square = state[0].mul_(o.alpha).add_(grad * grad, 1 - o.alpha);
  if (o.centered) {
    const Tensor mean = kept("RMSprop", state, 2, "grad_avg").lerp_(grad, 1 - o.alpha);
    square = square - mean * mean;
  }
  Tensor scaled = grad / square.sqrt().add_(o.eps);
  if (o.momentum > 0) scaled = kept("RMSprop", state, 1, "momentum_buffer").mul_(o.momentum).add_(scaled);
  param.add_(scaled, -o.lr);
}

// ---- Adagrad ---------------------------------------------------------------------------------------

void check(const std::string& kind, const AdagradOptions& o) {
  check_common(kind, o);
  check_at_least(kind, "lr_decay", o.lr_decay, 0);
  check_at_least(kind, "initial_accumulator_value", o.initial_accumulator_value, 0);
}
void start(const Tensor& param, TensorList& state, const AdagradOptions& o) {
  state[0] = full_like(param, o.initial_accumulator_value);
}
void update(const Tensor& param, const Tensor& gradient, double step, const TensorList& state,
            const AdagradOptions& o) {
  const Tensor grad = decayed(param, gradient, o);
  const double rate = o.lr / (1 + (step - 1) * o.lr_decay);
  const Tensor total = state[0].add_(grad * grad);
  param.add_(grad / total.sqrt().add_(o.eps), -rate);
}

// ---- Adadelta --------------------------------------------------------------------------------------

void check(const std::string& kind, const AdadeltaOptions& o) {
  check_common(kind, o);
  CLEW_CHECK(o.rho >= 0 && o.rho <= 1, ValueError, kind, ": expected rho in [0, 1], got ", o.rho);
}
void start(const Tensor& param, TensorList& state, const AdadeltaOptions&) {
  state[0] = zeros_like(param);
  state[1] = zeros_like(param);
}
void update(const Tensor& param, const Tensor& gradient, double, const TensorList& state,
            const AdadeltaOptions& o) {
  const Tensor grad = decayed(param, gradient, o);
  const Tensor square = state[0].mul_(o.rho).add_(grad * grad, 1 - o.rho);
  const Tensor change = (state[1] + o.eps).sqrt_().div_((square + o.eps).sqrt_()).mul_(grad);
  state[1].mul_(o.rho).add_(change * change, 1 - o.rho);
  param.add_(change, -o.lr);
}

// ---- Adamax ----------------------------------------------------------------------------------------

void check(const std::string& kind, const AdamaxOptions& o) { check_common(kind, o); }
void start(const Tensor& param, TensorList& state, const AdamaxOptions&) {
  state[0] = zeros_like(param);
  state[1] = zeros_like(param);
}
void update(const Tensor& param, const Tensor& gradient, double step, const TensorList& state,
            const AdamaxOptions& o) {
  const Tensor grad = decayed(param, gradient, o);
  const Tensor mean = state[0].lerp_(grad, 1 - o.beta1);
  const Tensor& largest = state[1];
  largest.copy_(maximum(largest * o.beta2, grad.abs().add_(o.eps)));
  const double correction = 1 - std::pow(o.beta1, step);
  param.add_(mean / largest, -o.lr / correction);
}

// ---- NAdam -----------------------------------------------------------------------------------------

void check(const std::string& kind, const NAdamOptions& o) {
  check_common(kind, o);
  check_at_least(kind, "momentum_decay", o.momentum_decay, 0);
}
void start(const Tensor& param, TensorList& state, const NAdamOptions&) {
  state[0] = ones({});
  state[1] = zeros_like(param);
  state[2] = zeros_like(param);
}
void update(const Tensor& param, const Tensor& gradient, double step, const TensorList& state,
            const NAdamOptions& o) {
  const Tensor grad = decayed(param, gradient, o);
  const double mu = o.beta1 * (1 - 0.5 * std::pow(0.96, step * o.momentum_decay));
  const double mu_next = o.beta1 * (1 - 0.5 * std::pow(0.96, (step + 1) * o.momentum_decay));
  state[0].mul_(mu);
  const double product = state[0].item<double>();
  const Tensor mean = state[1].lerp_(grad, 1 - o.beta1);
  const Tensor square = state[2].mul_(o.beta2).add_(grad * grad, 1 - o.beta2);
  const Tensor denominator = (square / (1 - std::pow(o.beta2, step))).sqrt_().add_(o.eps);
  param.add_(grad / denominator, -o.lr * (1 - mu) / (1 - product));
  param.add_(mean / denominator, -o.lr * mu_next / (1 - product * mu_next));
}

// ---- RAdam -----------------------------------------------------------------------------------------

void check(const std::string& kind, const RAdamOptions& o) { check_common(kind, o); }
void start(const Tensor& param, TensorList& state, const RAdamOptions&) {
  state[0] = zeros_like(param);
  state[1] = zeros_like(param);
}
void update(const Tensor& param, const Tensor& gradient, double step, const TensorList& state,
            const RAdamOptions& o) {
  const Tensor grad = decayed(param, gradient, o);
  const Tensor mean = state[0].lerp_(grad, 1 - o.beta1);
  const Tensor square = state[1].mul_(o.beta2).add_(grad * grad, 1 - o.beta2);
  const double correction1 = 1 - std::pow(o.beta1, step), correction2 = 1 - std::pow(o.beta2, step);
  const double limit = 2 / (1 - o.beta2) - 1;
  const double length = limit - 2 * step * std::pow(o.beta2, step) / correction2;
  if (length > 5.0) {
    const double rectified =
        std::sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length));
    const double rate = o.lr / correction1 * rectified * std::sqrt(correction2);
    param.add_(mean / square.sqrt().add_(o.eps), -rate);
  } else {
    param.add_(mean, -o.lr / correction1);
  }
}

// ---- Rprop -----------------------------------------------------------------------------------------

void check(const std::string& kind, const RpropOptions& o) {
  check_common(kind, o);
  CLEW_CHECK(o.eta_minus > 0 && o.eta_minus < 1 && o.eta_plus > 1, ValueError,
             "Rprop: expected 0 < eta_minus < 1 < eta_plus, got ", o.eta_minus, " and ", o.eta_plus);
}
void start(const Tensor& param, TensorList& state, const RpropOptions& o) {
  state[0] = zeros_like(param);
  state[1] = full_like(param, o.lr);
}
void update(const Tensor& param, const Tensor& gradient, double, const TensorList& state,
            const RpropOptions& o) {
  const Tensor agreement = (gradient * state[0]).sign();
  const Tensor same = agreement > 0, changed = agreement < 0;
  const Tensor& size = state[1];
  size.copy_(where(same, size * o.eta_plus, where(changed, size * o.eta_minus, size))
                 .clamp(Scalar(o.step_size_min), Scalar(o.step_size_max)));
  const Tensor grad = gradient.masked_fill(changed, 0.0);
  param.sub_(grad.sign() * size);
  state[0].copy_(grad);
}

}  // namespace clew::optim
