// Schedules that rise and fall, and those that are made of others.
#include <algorithm>
#include <cmath>
#include <utility>

#include "clew/optim/lr_scheduler.h"

namespace clew::optim {
namespace {
constexpr double kPi = 3.14159265358979323846;
}

// ---- OneCycleLR ------------------------------------------------------------------------------------

OneCycleLR::OneCycleLR(Optimizer& optimizer, const OneCycleLROptions& options)
    : LRScheduler(optimizer), o_(options) {
  CLEW_CHECK(o_.total_steps > 0, ValueError, "OneCycleLR: expected total_steps > 0, got ", o_.total_steps);
  CLEW_CHECK(o_.pct_start >= 0 && o_.pct_start <= 1, ValueError,
             "OneCycleLR: expected pct_start in [0, 1], got ", o_.pct_start);
  CLEW_CHECK(o_.anneal_strategy == "cos" || o_.anneal_strategy == "linear", ValueError,
             "OneCycleLR: expected anneal_strategy cos or linear, got '", o_.anneal_strategy, "'");
  const double steps = static_cast<double>(o_.total_steps), up = o_.pct_start * steps - 1;
  const double peak = o_.max_lr, initial = peak / o_.div_factor, lowest = initial / o_.final_div_factor;
  const double top = o_.max_momentum, low = o_.base_momentum;
  if (o_.three_phase) {
    phases_ = {{up, initial, peak, top, low},
               {2 * up, peak, initial, low, top},
               {steps - 1, initial, lowest, top, top}};
  } else {
    phases_ = {{up, initial, peak, top, low}, {steps - 1, peak, lowest, low, top}};
  }
  for (size_t g = 0; g < optimizer.num_groups(); ++g) {
    optimizer.initial_lr(g) = base_lrs_[g] = initial;
    if (o_.cycle_momentum) optimizer.momentum(g) = top;
  }
  start();
}

double OneCycleLR::anneal(double from, double to, double part) const {
  if (o_.anneal_strategy == "linear") return from + (to - from) * part;
  return to + (from - to) / 2.0 * (1 + std::cos(kPi * part));
}

std::vector<double> OneCycleLR::get_lr() {
  CLEW_CHECK(last_epoch_ <= o_.total_steps, ValueError, "OneCycleLR: expected at most ", o_.total_steps,
             " steps, got ", last_epoch_);
  const double epoch = static_cast<double>(last_epoch_);
  double begin = 0;
  size_t at = 0;
  while (at + 1 < phases_.size() && epoch > phases_[at].end) begin = phases_[at++].end;
  const Phase& p = phases_[at];
  const double part = (epoch - begin) / (p.end - begin);
  if (o_.cycle_momentum) {
    for (size_t g = 0; g < optimizer_.num_groups(); ++g)
      optimizer_.momentum(g) = anneal(p.from_momentum, p.to_momentum, part);
  }
  return std::vector<double>(base_lrs_.size(), anneal(p.from_lr, p.to_lr, part));
}

// ---- CyclicLR --------------------------------------------------------------------------------------

CyclicLR::CyclicLR(Optimizer& optimizer, const CyclicLROptions& options)
    : LRScheduler(optimizer), o_(options) {
  CLEW_CHECK(o_.scale_fn || o_.mode == "triangular" || o_.mode == "triangular2" || o_.mode == "exp_range",
             ValueError, "CyclicLR: expected mode triangular, triangular2 or exp_range, got '", o_.mode, "'");
  CLEW_CHECK(o_.scale_mode == "cycle" || o_.scale_mode == "iterations", ValueError,
             "CyclicLR: expected scale_mode cycle or iterations, got '", o_.scale_mode, "'");
  if (!o_.scale_fn) o_.scale_mode = o_.mode == "exp_range" ? "iterations" : "cycle";
  const double up = static_cast<double>(o_.step_size_up);
  const double down = static_cast<double>(o_.step_size_down.value_or(o_.step_size_up));
  CLEW_CHECK(up > 0 && down >= 0, ValueError,
             "CyclicLR: expected step_size_up > 0 and step_size_down >= 0, got ", up, " and ", down);
  total_size_ = up + down;
  step_ratio_ = up / total_size_;
  for (size_t g = 0; g < optimizer.num_groups(); ++g) {
    optimizer.lr(g) = optimizer.initial_lr(g) = base_lrs_[g] = o_.base_lr;
    if (o_.cycle_momentum) optimizer.momentum(g) = o_.max_momentum;
  }
  start();
}

double CyclicLR::height(double x) const {
  if (o_.scale_fn) return o_.scale_fn(x);
  if (o_.mode == "triangular") return 1;
  return o_.mode == "triangular2" ? 1 / std::pow(2.0, x - 1) : std::pow(o_.gamma, x);
}

std::vector<double> CyclicLR::get_lr() {
  const double epoch = static_cast<double>(last_epoch_);
  const double cycle = std::floor(1 + epoch / total_size_), x = 1.0 + epoch / total_size_ - cycle;
  double part = x <= step_ratio_ ? x / step_ratio_ : (x - 1) / (step_ratio_ - 1);
  part *= height(o_.scale_mode == "cycle" ? cycle : epoch);
  if (o_.cycle_momentum) {
    for (size_t g = 0; g < optimizer_.num_groups(); ++g)
      optimizer_.momentum(g) = o_.max_momentum - (o_.max_momentum - o_.base_momentum) * part;
  }
  return std::vector<double>(base_lrs_.size(), o_.base_lr + (o_.max_lr - o_.base_lr) * part);
}

// ---- CosineAnnealingWarmRestarts -------------------------------------------------------------------

CosineAnnealingWarmRestarts::CosineAnnealingWarmRestarts(Optimizer& optimizer,
                                                         const CosineAnnealingWarmRestartsOptions& options)
    : LRScheduler(optimizer), o_(options), T_i_(static_cast<double>(options.T_0)) {
  CLEW_CHECK(o_.T_0 > 0 && o_.T_mult > 0, ValueError,
             "CosineAnnealingWarmRestarts: expected T_0 and T_mult > 0, got ", o_.T_0, " and ", o_.T_mult);
  start();
}

std::vector<double> CosineAnnealingWarmRestarts::get_lr() {
  const double wave = (1 + std::cos(kPi * T_cur_ / T_i_)) / 2;
  std::vector<double> out = base_lrs_;
  for (double& lr : out) lr = o_.eta_min + (lr - o_.eta_min) * wave;
  return out;
}

void CosineAnnealingWarmRestarts::step() {
  if (last_epoch_ < 0) return step(0.0);
  ++last_epoch_;
  T_cur_ += 1;
  if (T_cur_ >= T_i_) {
    T_cur_ -= T_i_;
    T_i_ *= static_cast<double>(o_.T_mult);
  }
  set(get_lr());
}

void CosineAnnealingWarmRestarts::step(double epoch) {
  CLEW_CHECK(epoch >= 0, ValueError, "CosineAnnealingWarmRestarts: expected epoch >= 0, got ", epoch);
  const double first = static_cast<double>(o_.T_0), growth = static_cast<double>(o_.T_mult);
  if (epoch < first || o_.T_mult == 1) {
    T_i_ = first;
    T_cur_ = std::fmod(epoch, first);
  } else {
    const double n = std::floor(std::log(epoch / first * (growth - 1) + 1) / std::log(growth));
    T_i_ = first * std::pow(growth, n);
    T_cur_ = epoch - first * (std::pow(growth, n) - 1) / (growth - 1);
  }
  last_epoch_ = static_cast<int64_t>(std::floor(epoch));
  set(get_lr());
}

// ---- schedules made of schedules -------------------------------------------------------------------

namespace {
void check_schedulers(const char* name, const Optimizer& optimizer,
                      const std::vector<std::shared_ptr<LRScheduler>>& schedulers) {
  for (size_t i = 0; i < schedulers.size(); ++i) {
    CLEW_CHECK(schedulers[i] != nullptr && &schedulers[i]->optimizer() == &optimizer, ValueError, name,
               ": expected schedulers of one optimizer, got ", schedulers[i] ? "another one" : "none",
               " (position ", i, ")");
  }
}
}  // namespace

SequentialLR::SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers,
                           std::vector<int64_t> milestones)
    : LRScheduler(optimizer), schedulers_(std::move(schedulers)), milestones_(std::move(milestones)) {
  CLEW_CHECK(!schedulers_.empty(), ValueError, "SequentialLR: expected one or more schedulers, got none");
  check_schedulers("SequentialLR", optimizer, schedulers_);
  CLEW_CHECK(milestones_.size() == schedulers_.size() - 1, ValueError, "SequentialLR: expected ",
             schedulers_.size() - 1, " milestones for ", schedulers_.size(), " schedulers, got ",
             milestones_.size());
  // Each schedule made its first step when it was built; all but the first take it back.
  for (size_t g = 0; g < optimizer.num_groups(); ++g) optimizer.lr(g) = optimizer.initial_lr(g);
  for (const auto& s : schedulers_) s->undo();
  last_epoch_ = 0;
  schedulers_[0]->start();
  last_lr_ = schedulers_[0]->get_last_lr();
}

void SequentialLR::step() {
  ++last_epoch_;
  const auto place =
      static_cast<size_t>(std::ranges::upper_bound(milestones_, last_epoch_) - milestones_.begin());
  LRScheduler& s = *schedulers_[place];
  if (place > 0 && milestones_[place - 1] == last_epoch_) {
    s.step(0.0);
  } else {
    s.step();
  }
  last_lr_ = s.get_last_lr();
}

void SequentialLR::start() { step(); }

void SequentialLR::undo() {
  for (const auto& s : schedulers_) s->undo();
}

Optimizer& ChainedScheduler::optimizer_of(const std::vector<std::shared_ptr<LRScheduler>>& schedulers) {
  CLEW_CHECK(!schedulers.empty() && schedulers[0] != nullptr, ValueError,
             "ChainedScheduler: expected one or more schedulers, got none");
  return schedulers[0]->optimizer_;
}

ChainedScheduler::ChainedScheduler(std::vector<std::shared_ptr<LRScheduler>> schedulers)
    : LRScheduler(optimizer_of(schedulers)), schedulers_(std::move(schedulers)) {
  check_schedulers("ChainedScheduler", optimizer_, schedulers_);
  last_lr_ = current();
}

void ChainedScheduler::step() {
  for (const auto& s : schedulers_) s->step();
  last_lr_ = current();
}

void ChainedScheduler::undo() {
  for (const auto& s : schedulers_) s->undo();
}

}  // namespace clew::optim
