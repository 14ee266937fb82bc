// Learning rate schedules. Each sets the rates when it is made, and again at every step().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clew/optim/optimizer.h"

namespace clew::optim {

/// Base of the schedules that follow the number of steps. The optimizer must outlive the schedule. Schedules
/// of one optimizer share the rates that the first of them found.
class CLEW_API LRScheduler {
 public:
  virtual ~LRScheduler();
  /// Moves on by one and sets the rates.
  virtual void step();
  /// Goes to an epoch.
  virtual void step(double epoch);
  const std::vector<double>& get_last_lr() const { return last_lr_; }
  int64_t last_epoch() const { return last_epoch_; }
  const Optimizer& optimizer() const { return optimizer_; }

 protected:
  explicit LRScheduler(Optimizer& optimizer);
  /// The rates of all groups at `last_epoch()`.
  virtual std::vector<double> get_lr() = 0;
  /// The rates of `last_epoch()` from the formula alone; empty where the way there matters.
  virtual std::vector<double> lr_here() { return {}; }
  /// The rates now, which chainable schedules multiply.
  std::vector<double> current() const;
  std::vector<double> scaled(double factor) const;
  std::vector<double> base_scaled(double factor) const;
  void set(const std::vector<double>& rates);
  /// Last act of every constructor of a derived class.
  virtual void start() { step(); }
  /// Takes the first step back, for a schedule that begins later.
  virtual void undo() { --last_epoch_; }

  Optimizer& optimizer_;
  std::vector<double> base_lrs_, last_lr_;
  int64_t last_epoch_ = -1;

 private:
  friend class SequentialLR;
  friend class ChainedScheduler;
};

/// lr = initial lr * f(epoch).
class CLEW_API LambdaLR : public LRScheduler {
 public:
  LambdaLR(Optimizer& optimizer, std::function<double(int64_t)> f);

 private:
  std::vector<double> get_lr() override;
  std::function<double(int64_t)> f_;
};

/// lr = lr * f(epoch), from the second epoch on.
class CLEW_API MultiplicativeLR : public LRScheduler {
 public:
  MultiplicativeLR(Optimizer& optimizer, std::function<double(int64_t)> f);

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
  std::vector<double> lr_here() override;
  int64_t step_size_;
  double gamma_;
};

/// Times `gamma` at each milestone; one that is given twice counts twice.
class CLEW_API MultiStepLR : public LRScheduler {
 public:
  MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma = 0.1);

 private:
  std::vector<double> get_lr() override;
  std::vector<double> lr_here() override;
  std::vector<int64_t> milestones_;
  double gamma_;
};

/// Times `gamma` every epoch.
class CLEW_API ExponentialLR : public LRScheduler {
 public:
  ExponentialLR(Optimizer& optimizer, double gamma);

 private:
  std::vector<double> get_lr() override;
  std::vector<double> lr_here() override;
  double gamma_;
};

struct ConstantLROptions {
  double factor = 1.0 / 3;
  int64_t total_iters = 5;
};
/// The initial rate times `factor` for the first epochs, then the initial rate.
class CLEW_API ConstantLR : public LRScheduler {
 public:
  explicit ConstantLR(Optimizer& optimizer, const ConstantLROptions& options = {});

 private:
  std::vector<double> get_lr() override;
  std::vector<double> lr_here() override;
  ConstantLROptions o_;
};

struct PolynomialLROptions {
  int64_t total_iters = 5;
  double power = 1.0;
};
/// Falls to zero as (1 - epoch / total_iters)^power.
class CLEW_API PolynomialLR : public LRScheduler {
 public:
  explicit PolynomialLR(Optimizer& optimizer, const PolynomialLROptions& options = {});

 private:
  std::vector<double> get_lr() override;
  std::vector<double> lr_here() override;
  PolynomialLROptions o_;
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
  std::vector<double> lr_here() override;
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
  std::vector<double> lr_here() override;
  int64_t T_max_;
  double eta_min_;
};

struct CosineAnnealingWarmRestartsOptions {
  int64_t T_0;
  int64_t T_mult = 1;
  double eta_min = 0;
};
/// Half cosines from the initial rate down to `eta_min`, each T_mult times as long as the one before.
/// Reference: Loshchilov, Hutter. SGDR. 2016. arXiv:1608.03983.
class CLEW_API CosineAnnealingWarmRestarts : public LRScheduler {
 public:
  CosineAnnealingWarmRestarts(Optimizer& optimizer, const CosineAnnealingWarmRestartsOptions& options);
  void step() override;
  /// Goes to an epoch, which may be a fraction. Raises ValueError for one below 0.
  void step(double epoch) override;

 private:
  std::vector<double> get_lr() override;
  CosineAnnealingWarmRestartsOptions o_;
  double T_i_, T_cur_ = -1;
};

struct CyclicLROptions {
  double base_lr, max_lr;
  int64_t step_size_up = 2000;
  std::optional<int64_t> step_size_down = std::nullopt;  // as step_size_up
  std::string mode = "triangular";                       // or "triangular2", "exp_range"
  double gamma = 1.0;                                    // for "exp_range"
  std::function<double(double)> scale_fn = {};           // in place of `mode`
  std::string scale_mode = "cycle";                      // what scale_fn gets; or "iterations"
  bool cycle_momentum = true;
  double base_momentum = 0.8, max_momentum = 0.9;
};
/// Up and down between two bounds in straight lines, momentum the other way; the height of cycle c is 1,
/// 1 / 2^(c - 1) ("triangular2") or gamma^step ("exp_range").
/// Reference: Smith. Cyclical Learning Rates. 2015. arXiv:1506.01186.
class CLEW_API CyclicLR : public LRScheduler {
 public:
  CyclicLR(Optimizer& optimizer, const CyclicLROptions& options);

 private:
  std::vector<double> get_lr() override;
  double height(double x) const;
  CyclicLROptions o_;
  double total_size_, step_ratio_;
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
    double from_lr, to_lr, from_momentum, to_momentum;
  };
  std::vector<double> get_lr() override;
  double anneal(double from, double to, double part) const;
  OneCycleLROptions o_;
  std::vector<Phase> phases_;
};

/// One schedule after the other; each begins at its milestone, one milestone less than schedules. Raises
/// ValueError when the numbers do not fit, or for schedules of another optimizer.
class CLEW_API SequentialLR : public LRScheduler {
 public:
  SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers,
               std::vector<int64_t> milestones);
  using LRScheduler::step;
  void step() override;

 private:
  std::vector<double> get_lr() override { return current(); }
  void start() override;
  void undo() override;
  std::vector<std::shared_ptr<LRScheduler>> schedulers_;
  std::vector<int64_t> milestones_;
};

/// Several schedules of one optimizer at once; their factors multiply.
class CLEW_API ChainedScheduler : public LRScheduler {
 public:
  explicit ChainedScheduler(std::vector<std::shared_ptr<LRScheduler>> schedulers);
  using LRScheduler::step;
  void step() override;

 private:
  static Optimizer& optimizer_of(const std::vector<std::shared_ptr<LRScheduler>>& schedulers);
  std::vector<double> get_lr() override { return current(); }
  void undo() override;
  std::vector<std::shared_ptr<LRScheduler>> schedulers_;
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
