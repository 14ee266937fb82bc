// What all optimizers share; SGD, Adam and AdamW: groups of parameters, one fused call per group and step.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "clew/core/tensor.h"
#include "clew/optim/fused.h"

namespace clew::optim {

/// Parameters that share options.
template <class Options>
struct ParamGroup {
  TensorList params;
  Options options;
};

/// What every optimizer can do. `lr` is reachable per group, which is how schedulers work.
class CLEW_API Optimizer {
 public:
  virtual ~Optimizer();
  /// Updates every parameter that has a gradient.
  virtual void step() = 0;
  /// Calls `closure`, which computes the loss and runs backward, then steps; returns its result.
  virtual Tensor step(const std::function<Tensor()>& closure);
  void zero_grad(bool set_to_none = true);

  virtual size_t num_groups() const = 0;
  virtual const TensorList& params(size_t group) const = 0;
  virtual double& lr(size_t group) = 0;
  /// Momentum, or Adam's beta1: what OneCycleLR moves against the learning rate. Raises ValueError for an
  /// optimizer that has neither.
  virtual double& momentum(size_t group) = 0;
  /// The rate from which schedules start: that of the group when the first schedule asks.
  double& initial_lr(size_t group);

  /// The state as named tensors, in order: what save() writes and load_state_dict() takes.
  virtual std::vector<std::pair<std::string, Tensor>> state_dict() const = 0;
  /// Raises ValueError when the names do not fit, ShapeError when a size does not.
  virtual void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) = 0;

 private:
  std::vector<std::optional<double>> initial_lrs_;
};

struct SGDOptions {
  double lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;
};

/// Stochastic gradient descent: v = momentum * v + (1 - dampening) * g (v = g first), p = p - lr * v.
/// Reference: Sutskever, Martens, Dahl, Hinton. On the importance of initialization and momentum. 2013.
class CLEW_API SGD : public Optimizer {
 public:
  /// Raises ValueError for options out of range, no parameters, or a parameter given twice.
  SGD(TensorList params, const SGDOptions& options) : SGD({{std::move(params), options}}) {}
  explicit SGD(std::vector<ParamGroup<SGDOptions>> groups);
  void add_param_group(ParamGroup<SGDOptions> group);
  using Optimizer::step;
  void step() override;

  size_t num_groups() const override { return groups_.size(); }
  const TensorList& params(size_t group) const override { return groups_.at(group).params; }
  double& lr(size_t group) override { return groups_.at(group).options.lr; }
  double& momentum(size_t group) override { return groups_.at(group).options.momentum; }
  SGDOptions& options(size_t group) { return groups_.at(group).options; }
  std::vector<std::pair<std::string, Tensor>> state_dict() const override;
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) override;

 private:
  std::vector<ParamGroup<SGDOptions>> groups_;
  std::vector<TensorList> buffers_;  // v of each parameter of each group; undefined before its first step
};

struct AdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, maximize = false;
};

/// Adam. Reference: Kingma, Ba. Adam. 2014. arXiv:1412.6980.
class CLEW_API Adam : public Optimizer {
 public:
  /// Raises ValueError for options out of range, no parameters, or a parameter given twice.
  Adam(TensorList params, const AdamOptions& options = {}) : Adam({{std::move(params), options}}) {}
  explicit Adam(std::vector<ParamGroup<AdamOptions>> groups) : Adam("Adam", false, std::move(groups)) {}
  void add_param_group(ParamGroup<AdamOptions> group);
  using Optimizer::step;
  void step() override;

  size_t num_groups() const override { return groups_.size(); }
  const TensorList& params(size_t group) const override { return groups_.at(group).params; }
  double& lr(size_t group) override { return groups_.at(group).options.lr; }
  double& momentum(size_t group) override { return groups_.at(group).options.beta1; }
  AdamOptions& options(size_t group) { return groups_.at(group).options; }
  std::vector<std::pair<std::string, Tensor>> state_dict() const override;
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) override;

 protected:
  Adam(std::string kind, bool decoupled, std::vector<ParamGroup<AdamOptions>> groups);

 private:
  struct State {
    TensorList exp_avg, exp_avg_sq, max_exp_avg_sq;
    Tensor steps;  // float32 (number of parameters,)
  };
  std::string kind_;
  bool decoupled_;
  std::vector<ParamGroup<AdamOptions>> groups_;
  std::vector<State> states_;
};

struct AdamWOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
  bool amsgrad = false, maximize = false;
  operator AdamOptions() const {  // NOLINT(google-explicit-constructor)
    return {lr, beta1, beta2, eps, weight_decay, amsgrad, maximize};
  }
};

/// Adam with decoupled weight decay. Reference: Loshchilov, Hutter. 2017. arXiv:1711.05101.
class CLEW_API AdamW : public Adam {
 public:
  AdamW(TensorList params, const AdamWOptions& options = {})
      : Adam("AdamW", true, {{std::move(params), options}}) {}
  explicit AdamW(std::vector<ParamGroup<AdamOptions>> groups) : Adam("AdamW", true, std::move(groups)) {}
};

}  // namespace clew::optim
