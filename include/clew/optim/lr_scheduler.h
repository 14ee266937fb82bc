// Learning rate schedules. Each sets the rates when it is made, and again at every step().
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "clew/optim/optimizer.h"

namespace clew::optim {

/// Base of the schedules that follow the number of steps. The optimizer must outlive the schedule.
class CLEW_API LRScheduler {
 public:
  virtual ~LRScheduler();
  void step();
  const std::vector<double>& get_last_lr() const { return last_lr_; }
  int64_t last_epoch() const { return last_epoch_; }

 protected:
  explicit LRScheduler(Optimizer& optimizer);
  /// The rates of all groups at `last_epoch()`.
  virtual std::vector<double> get_lr() = 0;
  /// The rates now, which chainable schedules multiply.
  std::vector<double> current() const;
  std::vector<double> scaled(double factor) const;
  /// Last act of every constructor of a derived class.
  void start() { step(); }

  Optimizer& optimizer_;
  std::vector<double> base_lrs_;
  int64_t last_epoch_ = -1;

 private:
  std::vector<double> last_lr_;
};

/// lr = initial lr * f(epoch).
class CLEW_API LambdaLR : public LRScheduler {
 public:
  LambdaLR(Optimizer& optimizer, std::function<double(int64_t)> f);

 private:
  std::vector<double> get_lr() override;
  std::function<double(int64_t)> f_;
};

/// Times `gamma` every `step_size` epochs.
class CLEW_API StepLR : public LRScheduler {
 public:
  StepLR(Optimizer& optimizer, int64_t step_size, double gamma = 0.1);

 private:
  std::vector<double> get_lr() override;
  int64_t step_size_;
  double gamma_;
};

/// Times `gamma` at each milestone; one that is given twice counts twice.
class CLEW_API MultiStepLR : public LRScheduler {
 public:
  MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma = 0.1);

 private:
  std::vector<double> get_lr() override;
  std::vector<int64_t> milestones_;
  double gamma_;
};

/// Times `gamma` every epoch.
class CLEW_API ExponentialLR : public LRScheduler {
 public:
  ExponentialLR(Optimizer& optimizer, double gamma);

 private:
  std::vector<double> get_lr() override;
  double gamma_;
};

struct LinearLROptions {
  double start_factor = 1.0 / 3, end_factor = 1.0;
  int64_t total_iters = 5;
};
/// A factor that moves in a line from start_factor (epoch 0) to end_factor (epoch total_iters).
class CLEW_API LinearLR : public LRScheduler {
 public:
  explicit LinearLR(Optimizer& optimizer, const LinearLROptions& options = {});

 private:
  std::vector<double> get_lr() override;
  double factor(int64_t epoch) const;
  LinearLROptions o_;
};

/// lr = eta_min + (initial lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2.
/// Reference: Loshchilov, Hutter. SGDR. 2016. arXiv:1608.03983.
class CLEW_API CosineAnnealingLR : public LRScheduler {
 public:
  CosineAnnealingLR(Optimizer& optimizer, int64_t T_max, double eta_min = 0);

 private:
  std::vector<double> get_lr() override;
  int64_t T_max_;
  double eta_min_;
};

struct OneCycleLROptions {
  double max_lr;
  int64_t total_steps;
  double pct_start = 0.3;
  std::string anneal_strategy = "cos";  // or "linear"
  bool cycle_momentum = true;
  double base_momentum = 0.85, max_momentum = 0.95;
  double div_factor = 25, final_div_factor = 1e4;
  bool three_phase = false;
};
/// Up from max_lr / div_factor to max_lr, then down to the initial rate / final_div_factor; momentum the
/// other way. Reference: Smith, Topin. Super-Convergence. 2017. arXiv:1708.07120.
class CLEW_API OneCycleLR : public LRScheduler {
 public:
  OneCycleLR(Optimizer& optimizer, const OneCycleLROptions& options);

 private:
  struct Phase {
    double end;
    double from_lr, to_lr, from_momentum, to_momentum;  // factors of max_lr; momenta
  };
  std::vector<double> get_lr() override;
  double anneal(double from, double to, double part) const;
  OneCycleLROptions o_;
  std::vector<Phase> phases_;
};

struct ReduceLROnPlateauOptions {
  std::string mode = "min";  // or "max"
  double factor = 0.1;
  int64_t patience = 10;
  double threshold = 1e-4;
  std::string threshold_mode = "rel";  // or "abs"
  int64_t cooldown = 0;
  double min_lr = 0, eps = 1e-8;
};
/// Times `factor` when a metric has not improved for more than `patience` steps.
class CLEW_API ReduceLROnPlateau {
 public:
  explicit ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& options = {});
  void step(double metric);
  std::vector<double> get_last_lr() const;

 private:
  bool better(double a, double b) const;
  Optimizer& optimizer_;
  ReduceLROnPlateauOptions o_;
  double best_;
  int64_t bad_epochs_ = 0, cooldown_left_ = 0;
};

}  // namespace clew::optim
