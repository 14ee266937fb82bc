// LBFGS, the quasi-Newton optimizer for small problems without noise.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "clew/optim/optimizer.h"

namespace clew::optim {

struct LBFGSOptions {
  double lr = 1;
  int64_t max_iter = 20;
  std::optional<int64_t> max_eval = std::nullopt;  // max_iter * 5 / 4
  double tolerance_grad = 1e-7, tolerance_change = 1e-9;
  int64_t history_size = 100;
  std::string line_search_fn = "";  // or "strong_wolfe"
};

/// Builds the product of inverse Hessian and gradient from the last changes of gradient and parameters.
/// `step(closure)` calls the closure several times and returns the loss before the step. One group only.
/// Reference: Nocedal, Wright. Numerical Optimization, chapters 3 and 7. 2006.
class CLEW_API LBFGS : public Optimizer {
 public:
  /// Raises ValueError for a negative lr, an unknown line search, no parameters, or one given twice.
  explicit LBFGS(TensorList params, const LBFGSOptions& options = {});
  Tensor step(const std::function<Tensor()>& closure) override;
  /// Raises ValueError: there is no step without a closure.
  void step() override;

  size_t num_groups() const override { return 1; }
  const TensorList& params(size_t) const override { return params_; }
  double& lr(size_t) override { return options_.lr; }
  double& momentum(size_t) override;
  LBFGSOptions& options() { return options_; }
  std::vector<std::pair<std::string, Tensor>> state_dict() const override;
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) override;

 private:
  struct State {
    int64_t evaluations = 0, iterations = 0;
    Tensor direction, previous_grad;
    double t = 0, previous_loss = 0, scale = 1;
    TensorList changes, moves;  // of the gradient, and of the parameters
    std::vector<double> ro;     // 1 / <change, move>
  };
  struct Found;
  Tensor gradient() const;
  void move(double t, const Tensor& direction) const;
  void update_direction(const Tensor& grad);
  Found search(const std::function<std::pair<double, Tensor>(double)>& evaluate, double first_step,
               double loss, const Tensor& grad, double slope) const;

  TensorList params_;
  LBFGSOptions options_;
  State state_;
};

}  // namespace clew::optim
