#include "clew/optim/optimizer.h"

#include <algorithm>

#include "clew/autograd/grad_mode.h"
#include "clew/ops/ops.h"
#include "optim/optimizer_state.h"

namespace clew::optim {

using namespace optim_detail;

Optimizer::~Optimizer() = default;

Tensor Optimizer::step(const std::function<Tensor()>& closure) {
  Tensor loss;
  {
    const AutoGradMode guard(true);
    loss = closure();
  }
  step();
  return loss;
}

void Optimizer::zero_grad(bool set_to_none) {
  for (size_t g = 0; g < num_groups(); ++g) {
    for (const Tensor& p : params(g)) {
      const Tensor grad = p.grad();
      if (!grad.defined()) continue;
      if (set_to_none) {
        p.set_grad({});
      } else {
        const NoGradGuard guard;
        zero_(grad);
      }
    }
  }
}

double& Optimizer::initial_lr(size_t group) {
  if (initial_lrs_.size() <= group) initial_lrs_.resize(group + 1);
  if (!initial_lrs_[group]) initial_lrs_[group] = lr(group);
  return *initial_lrs_[group];
}

// ---- SGD ------------------------------------------------------------------------------------------

SGD::SGD(std::vector<ParamGroup<SGDOptions>> groups) {
  CLEW_CHECK(!groups.empty(), ValueError, "SGD: expected parameters, got an empty list");
  for (auto& g : groups) add_param_group(std::move(g));
}

void SGD::add_param_group(ParamGroup<SGDOptions> group) {
  const SGDOptions& o = group.options;
  check_params("SGD", groups_, group);
  check_at_least("SGD", "lr", o.lr, 0);
  check_at_least("SGD", "momentum", o.momentum, 0);
  check_at_least("SGD", "weight_decay", o.weight_decay, 0);
  CLEW_CHECK(!o.nesterov || (o.momentum > 0 && o.dampening == 0), ValueError,
             "SGD: expected momentum > 0 and dampening = 0 with nesterov, got momentum ", o.momentum,
             " and dampening ", o.dampening);
  buffers_.emplace_back(group.params.size());
  groups_.push_back(std::move(group));
}

void SGD::step() {
  std::vector<uint8_t> fresh;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const auto& [params, o] = groups_[g];
    TensorList& buffers = buffers_[g];
    fresh.assign(o.momentum != 0 ? params.size() : 0, 0);
    for (size_t i = 0; i < fresh.size(); ++i) {
      if (buffers[i].defined() || !params[i].grad().defined()) continue;
      buffers[i] = zeros_like(params[i].detach());
      fresh[i] = 1;
    }
    sgd_step(params, o.momentum != 0 ? TensorListRef(buffers) : TensorListRef(), fresh,
             {.lr = o.lr,
              .momentum = o.momentum,
              .dampening = o.dampening,
              .weight_decay = o.weight_decay,
              .nesterov = o.nesterov,
              .maximize = o.maximize});
  }
}

NamedTensors SGD::state_dict() const {
  NamedTensors out;
  size_t number = 0;
  for (const TensorList& buffers : buffers_) {
    for (const Tensor& b : buffers) {
      if (b.defined()) out.emplace_back(key(number, "momentum_buffer"), b);
      ++number;
    }
  }
  return out;
}

void SGD::load_state_dict(const NamedTensors& state) {
  StateReader reader("SGD", state);
  std::vector<TensorList> fresh = buffers_;
  size_t number = 0;
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t i = 0; i < groups_[g].params.size(); ++i, ++number) {
      const std::string name = key(number, "momentum_buffer");
      fresh[g][i] = reader.has(name) ? reader.take(name, groups_[g].params[i].sizes()) : Tensor();
    }
  }
  reader.finish();
  buffers_ = std::move(fresh);
}

// ---- Adam -----------------------------------------------------------------------------------------

Adam::Adam(std::string kind, bool decoupled, std::vector<ParamGroup<AdamOptions>> groups)
    : kind_(std::move(kind)), decoupled_(decoupled) {
  CLEW_CHECK(!groups.empty(), ValueError, kind_, ": expected parameters, got an empty list");
  for (auto& g : groups) add_param_group(std::move(g));
}

void Adam::add_param_group(ParamGroup<AdamOptions> group) {
  const AdamOptions& o = group.options;
  check_params(kind_, groups_, group);
  check_at_least(kind_, "lr", o.lr, 0);
  check_at_least(kind_, "eps", o.eps, 0);
  check_at_least(kind_, "weight_decay", o.weight_decay, 0);
  check_beta(kind_, "beta1", o.beta1);
  check_beta(kind_, "beta2", o.beta2);
  const size_t n = group.params.size();
  State s{TensorList(n), TensorList(n), TensorList(o.amsgrad ? n : 0),
          zeros({static_cast<int64_t>(n)}, kFloat32)};
  states_.push_back(std::move(s));
  groups_.push_back(std::move(group));
}

void Adam::step() {
  for (size_t g = 0; g < groups_.size(); ++g) {
    const auto& [params, o] = groups_[g];
    State& s = states_[g];
    s.max_exp_avg_sq.resize(o.amsgrad ? params.size() : 0);
    for (size_t i = 0; i < params.size(); ++i) {
      if (!params[i].grad().defined()) continue;
      const Tensor p = params[i].detach();
      if (!s.exp_avg[i].defined()) {
        s.exp_avg[i] = zeros_like(p);
        s.exp_avg_sq[i] = zeros_like(p);
      }
      if (o.amsgrad && !s.max_exp_avg_sq[i].defined()) s.max_exp_avg_sq[i] = zeros_like(p);
    }
    adam_step(params, s.exp_avg, s.exp_avg_sq, s.max_exp_avg_sq, s.steps,
              {.lr = o.lr,
               .beta1 = o.beta1,
               .beta2 = o.beta2,
               .eps = o.eps,
               .weight_decay = o.weight_decay,
               .decoupled = decoupled_,
               .maximize = o.maximize});
  }
}

NamedTensors Adam::state_dict() const {
  NamedTensors out;
  size_t number = 0;
  for (const State& s : states_) {
    for (size_t i = 0; i < s.exp_avg.size(); ++i, ++number) {
      if (!s.exp_avg[i].defined()) continue;
      out.emplace_back(key(number, "step"), clone(select(s.steps, 0, static_cast<int64_t>(i))));
      out.emplace_back(key(number, "exp_avg"), s.exp_avg[i]);
      out.emplace_back(key(number, "exp_avg_sq"), s.exp_avg_sq[i]);
      if (i < s.max_exp_avg_sq.size() && s.max_exp_avg_sq[i].defined())
        out.emplace_back(key(number, "max_exp_avg_sq"), s.max_exp_avg_sq[i]);
    }
  }
  return out;
}

void Adam::load_state_dict(const NamedTensors& state) {
  StateReader reader(kind_, state);
  std::vector<State> fresh;
  size_t number = 0;
  for (const auto& [params, options] : groups_) {
    const size_t n = params.size();
    State s{TensorList(n), TensorList(n), TensorList(options.amsgrad ? n : 0),
            zeros({static_cast<int64_t>(n)}, kFloat32)};
    for (size_t i = 0; i < n; ++i, ++number) {
      if (!reader.has(key(number, "exp_avg"))) continue;
      const NoGradGuard guard;
      copy_(select(s.steps, 0, static_cast<int64_t>(i)), reader.take(key(number, "step"), {}));
      s.exp_avg[i] = reader.take(key(number, "exp_avg"), params[i].sizes());
      s.exp_avg_sq[i] = reader.take(key(number, "exp_avg_sq"), params[i].sizes());
      const std::string largest = key(number, "max_exp_avg_sq");
      if (options.amsgrad && reader.has(largest))
        s.max_exp_avg_sq[i] = reader.take(largest, params[i].sizes());
    }
    fresh.push_back(std::move(s));
  }
  reader.finish();
  states_ = std::move(fresh);
}

}  // namespace clew::optim
