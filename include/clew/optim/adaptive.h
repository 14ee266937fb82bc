// Optimizers that keep tensors of history for each parameter: RMSprop, Adagrad, Adadelta, Adamax, NAdam,
// RAdam, Rprop. Their formulas are in the docstrings of Python's optimizers of the same names.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "clew/optim/optimizer.h"

namespace clew::optim {

/// Walks over all parameters with a gradient and keeps their state; `update` of a derived class moves one.
class CLEW_API PerParameter : public Optimizer {
 public:
  using Optimizer::step;
  void step() override;
  size_t num_groups() const override { return params_.size(); }
  const TensorList& params(size_t group) const override { return params_.at(group); }
  std::vector<std::pair<std::string, Tensor>> state_dict() const override;
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) override;

 protected:
  /// `step` counts from 1; `tensors` are in the order of the names given to the constructor, undefined where
  /// the options need none.
  struct State {
    double step = 0;
    TensorList tensors;
  };
  PerParameter(std::string kind, std::vector<std::string> names);
  void add_params(TensorList params);
  const std::string& kind() const { return kind_; }
  virtual bool maximize(size_t group) const = 0;
  virtual void start(size_t group, const Tensor& param, TensorList& tensors) const = 0;
  virtual void update(size_t group, const Tensor& param, const Tensor& grad, State& state) const = 0;

 private:
  std::string kind_;
  std::vector<std::string> names_;
  std::vector<TensorList> params_;
  std::vector<std::vector<State>> states_;
};

struct RMSpropOptions {
  double lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
  bool centered = false, maximize = false;
};
struct AdagradOptions {
  double lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10;
  bool maximize = false;
};
struct AdadeltaOptions {
  double lr = 1.0, rho = 0.9, eps = 1e-6, weight_decay = 0;
  bool maximize = false;
};
struct AdamaxOptions {
  double lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool maximize = false;
};
struct NAdamOptions {
  double lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, momentum_decay = 4e-3;
  bool decoupled_weight_decay = false, maximize = false;
};
struct RAdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled_weight_decay = false, maximize = false;
};
struct RpropOptions {
  double lr = 1e-2, eta_minus = 0.5, eta_plus = 1.2, step_size_min = 1e-6, step_size_max = 50;
  bool maximize = false;
};

// What differs between them, for each options struct.
#define CLEW_OPTIMIZER_PARTS(Options)                                                                       \
  /** Raises ValueError for options out of range. */                                                        \
  CLEW_API void check(const std::string& kind, const Options& o);                                           \
  /** Makes the history of a parameter before its first step, as many tensors as the class names; the ones  \
      that the options have no use for stay undefined. */                                                   \
  CLEW_API void start(const Tensor& param, TensorList& state, const Options& o);                            \
  /** One step of one parameter, in Python too. `step` counts from 1; `grad` is turned round for `maximize` \
      already. */                                                                                           \
  CLEW_API void update(const Tensor& param, const Tensor& grad, double step, const TensorList& state,       \
                       const Options& o);
CLEW_OPTIMIZER_PARTS(RMSpropOptions)
CLEW_OPTIMIZER_PARTS(AdagradOptions)
CLEW_OPTIMIZER_PARTS(AdadeltaOptions)
CLEW_OPTIMIZER_PARTS(AdamaxOptions)
CLEW_OPTIMIZER_PARTS(NAdamOptions)
CLEW_OPTIMIZER_PARTS(RAdamOptions)
CLEW_OPTIMIZER_PARTS(RpropOptions)
#undef CLEW_OPTIMIZER_PARTS

/// PerParameter with the options of its groups.
template <class Options>
class PerParameterOf : public PerParameter {
 public:
  void add_param_group(ParamGroup<Options> group) {
    optim::check(kind(), group.options);
    add_params(std::move(group.params));
    options_.push_back(group.options);
  }
  Options& options(size_t group) { return options_.at(group); }
  double& lr(size_t group) override { return options_.at(group).lr; }
  double& momentum(size_t group) override {
    Options& o = options_.at(group);
    if constexpr (requires { o.momentum; }) {
      return o.momentum;
    } else if constexpr (requires { o.beta1; }) {
      return o.beta1;
    } else {
      clew::detail::raise<ValueError>(kind(),
                                      ": expected an optimizer with momentum or beta1, got one without "
                                      "(cycle_momentum = false leaves momentum alone)");
    }
  }

 protected:
  PerParameterOf(std::string name, std::vector<std::string> history, std::vector<ParamGroup<Options>> groups)
      : PerParameter(std::move(name), std::move(history)) {
    CLEW_CHECK(!groups.empty(), ValueError, kind(), ": expected parameters, got an empty list");
    for (auto& g : groups) add_param_group(std::move(g));
  }
  bool maximize(size_t group) const override { return options_[group].maximize; }
  void start(size_t group, const Tensor& param, TensorList& tensors) const override {
    optim::start(param, tensors, options_[group]);
  }
  void update(size_t group, const Tensor& param, const Tensor& grad, State& s) const override {
    optim::update(param, grad, s.step, s.tensors, options_[group]);
  }

 private:
  std::vector<Options> options_;
};

#define CLEW_OPTIMIZER(Name, ...)                                                                        \
  class CLEW_API Name : public PerParameterOf<Name##Options> {                                           \
   public:                                                                                               \
    /** Raises ValueError for options out of range, no parameters, or a parameter given twice. */        \
    Name(TensorList params, const Name##Options& options = {}) : Name({{std::move(params), options}}) {} \
    explicit Name(std::vector<ParamGroup<Name##Options>> groups)                                         \
        : PerParameterOf(#Name, {__VA_ARGS__}, std::move(groups)) {}                                     \
  };
/// Divides the gradient by a running root mean square of it. Reference: Hinton. Neural Networks for Machine
/// Learning, lecture 6e. 2012.
CLEW_OPTIMIZER(RMSprop, "square_avg", "momentum_buffer", "grad_avg")
/// Divides the gradient by the root of the sum of all its squares. Reference: Duchi, Hazan, Singer. 2011.
CLEW_OPTIMIZER(Adagrad, "sum")
/// Steps in the unit of the parameter. Reference: Zeiler. ADADELTA. 2012. arXiv:1212.5701.
CLEW_OPTIMIZER(Adadelta, "square_avg", "acc_delta")
/// Adam with the largest magnitude in place of the root mean square. Reference: Kingma, Ba. 2014.
/// arXiv:1412.6980.
CLEW_OPTIMIZER(Adamax, "exp_avg", "exp_inf")
/// Adam with Nesterov's momentum. Reference: Dozat. 2016.
CLEW_OPTIMIZER(NAdam, "mu_product", "exp_avg", "exp_avg_sq")
/// Adam without the denominator until its variance is under control. Reference: Liu et al. 2019.
/// arXiv:1908.03265.
CLEW_OPTIMIZER(RAdam, "exp_avg", "exp_avg_sq")
/// A step size for each element, which grows while the sign of its gradient stays. Reference: Riedmiller,
/// Braun. 1993.
CLEW_OPTIMIZER(Rprop, "prev", "step_size")
#undef CLEW_OPTIMIZER

}  // namespace clew::optim
