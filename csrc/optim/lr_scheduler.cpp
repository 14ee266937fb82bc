#include "clew/optim/lr_scheduler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace clew::optim {
namespace {
constexpr double kPi = 3.14159265358979323846;
}

LRScheduler::LRScheduler(Optimizer& optimizer) : optimizer_(optimizer) {
  for (size_t g = 0; g < optimizer.num_groups(); ++g) base_lrs_.push_back(optimizer.initial_lr(g));
}
LRScheduler::~LRScheduler() = default;

void LRScheduler::set(const std::vector<double>& rates) {
  for (size_t g = 0; g < rates.size(); ++g) optimizer_.lr(g) = rates[g];
  last_lr_ = rates;
}

void LRScheduler::step() {
  ++last_epoch_;
  set(get_lr());
}

void LRScheduler::step(double epoch) {
  last_epoch_ = static_cast<int64_t>(epoch);
  const std::vector<double> rates = lr_here();
  set(rates.empty() ? get_lr() : rates);
}

std::vector<double> LRScheduler::current() const {
  std::vector<double> out;
  for (size_t g = 0; g < optimizer_.num_groups(); ++g) out.push_back(optimizer_.lr(g));
  return out;
}

std::vector<double> LRScheduler::scaled(double factor) const {
  std::vector<double> out = current();
  for (double& lr : out) lr *= factor;
  return out;
}

std::vector<double> LRScheduler::base_scaled(double factor) const {
  std::vector<double> out = base_lrs_;
  for (double& lr : out) lr *= factor;
  return out;
}

LambdaLR::LambdaLR(Optimizer& optimizer, std::function<double(int64_t)> f)
    : LRScheduler(optimizer), f_(std::move(f)) {
  start();
}
std::vector<double> LambdaLR::get_lr() {
  std::vector<double> out = base_lrs_;
  for (double& lr : out) lr *= f_(last_epoch_);
  return out;
}

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, std::function<double(int64_t)> f)
    : LRScheduler(optimizer), f_(std::move(f)) {
  start();
}
std::vector<double> MultiplicativeLR::get_lr() {
  return last_epoch_ <= 0 ? current() : scaled(f_(last_epoch_));
}

StepLR::StepLR(Optimizer& optimizer, int64_t step_size, double gamma)
    : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  CLEW_CHECK(step_size > 0, ValueError, "StepLR: expected step_size > 0, got ", step_size);
  start();
}
std::vector<double> StepLR::get_lr() {
  return scaled(last_epoch_ != 0 && last_epoch_ % step_size_ == 0 ? gamma_ : 1);
}
std::vector<double> StepLR::lr_here() {
  const int64_t drops = last_epoch_ / step_size_;
  return base_scaled(std::pow(gamma_, static_cast<double>(drops)));
}

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma)
    : LRScheduler(optimizer), milestones_(std::move(milestones)), gamma_(gamma) {
  std::ranges::sort(milestones_);
  start();
}
std::vector<double> MultiStepLR::get_lr() {
  const auto here = std::ranges::equal_range(milestones_, last_epoch_);
  return scaled(std::pow(gamma_, static_cast<double>(here.size())));
}
std::vector<double> MultiStepLR::lr_here() {
  const auto passed = std::ranges::upper_bound(milestones_, last_epoch_) - milestones_.begin();
  return base_scaled(std::pow(gamma_, static_cast<double>(passed)));
}

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma) : LRScheduler(optimizer), gamma_(gamma) {
  start();
}
std::vector<double> ExponentialLR::get_lr() { return scaled(last_epoch_ > 0 ? gamma_ : 1); }
std::vector<double> ExponentialLR::lr_here() {
  return base_scaled(std::pow(gamma_, static_cast<double>(last_epoch_)));
}

ConstantLR::ConstantLR(Optimizer& optimizer, const ConstantLROptions& options)
    : LRScheduler(optimizer), o_(options) {
  CLEW_CHECK(o_.factor >= 0 && o_.factor <= 1, ValueError, "ConstantLR: expected factor in [0, 1], got ",
             o_.factor);
  start();
}
std::vector<double> ConstantLR::get_lr() {
  if (last_epoch_ == 0) return scaled(o_.factor);
  if (last_epoch_ == o_.total_iters) return scaled(1.0 / o_.factor);
  return current();
}
std::vector<double> ConstantLR::lr_here() {
  return base_scaled(last_epoch_ < o_.total_iters ? o_.factor : 1.0);
}

PolynomialLR::PolynomialLR(Optimizer& optimizer, const PolynomialLROptions& options)
    : LRScheduler(optimizer), o_(options) {
  CLEW_CHECK(o_.total_iters > 0, ValueError, "PolynomialLR: expected total_iters > 0, got ", o_.total_iters);
  start();
}
std::vector<double> PolynomialLR::get_lr() {
  if (last_epoch_ == 0 || last_epoch_ > o_.total_iters) return current();
  const double epoch = static_cast<double>(last_epoch_), total = static_cast<double>(o_.total_iters);
  return scaled(std::pow((1 - epoch / total) / (1 - (epoch - 1) / total), o_.power));
}
std::vector<double> PolynomialLR::lr_here() {
  const double total = static_cast<double>(o_.total_iters);
  const double left = 1 - static_cast<double>(std::min(last_epoch_, o_.total_iters)) / total;
  return base_scaled(std::pow(left, o_.power));
}

LinearLR::LinearLR(Optimizer& optimizer, const LinearLROptions& options)
    : LRScheduler(optimizer), o_(options) {
  CLEW_CHECK(o_.start_factor > 0 && o_.start_factor <= 1, ValueError,
             "LinearLR: expected start_factor in (0, 1], got ", o_.start_factor);
  CLEW_CHECK(o_.end_factor >= 0 && o_.end_factor <= 1, ValueError,
             "LinearLR: expected end_factor in [0, 1], got ", o_.end_factor);
  start();
}
double LinearLR::factor(int64_t epoch) const {
  const double done = o_.total_iters == 0 ? 1
                                          : static_cast<double>(std::min(epoch, o_.total_iters)) /
                                                static_cast<double>(o_.total_iters);
  return o_.start_factor + (o_.end_factor - o_.start_factor) * done;
}
std::vector<double> LinearLR::get_lr() {
  if (last_epoch_ == 0) return scaled(factor(0));
  if (last_epoch_ > o_.total_iters) return current();
  // Relative to the rate now, so that schedules can be combined.
  return scaled(factor(last_epoch_) / factor(last_epoch_ - 1));
}
std::vector<double> LinearLR::lr_here() { return base_scaled(factor(last_epoch_)); }

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, int64_t T_max, double eta_min)
    : LRScheduler(optimizer), T_max_(T_max), eta_min_(eta_min) {
  CLEW_CHECK(T_max > 0, ValueError, "CosineAnnealingLR: expected T_max > 0, got ", T_max);
  start();
}
std::vector<double> CosineAnnealingLR::get_lr() {
  std::vector<double> out = current();
  if (last_epoch_ == 0) return out;
  const double period = static_cast<double>(T_max_), epoch = static_cast<double>(last_epoch_);
  if ((last_epoch_ - 1 - T_max_) % (2 * T_max_) == 0) {
    // At the bottom of the wave the ratio has no value; start the next rise from the formula.
    for (size_t g = 0; g < out.size(); ++g)
      out[g] += (base_lrs_[g] - eta_min_) * (1 - std::cos(kPi / period)) / 2;
    return out;
  }
  const double ratio = (1 + std::cos(kPi * epoch / period)) / (1 + std::cos(kPi * (epoch - 1) / period));
  for (double& lr : out) lr = eta_min_ + (lr - eta_min_) * ratio;
  return out;
}

std::vector<double> CosineAnnealingLR::lr_here() {
  const double wave =
      (1 + std::cos(kPi * static_cast<double>(last_epoch_) / static_cast<double>(T_max_))) / 2;
  std::vector<double> out = base_lrs_;
  for (double& lr : out) lr = eta_min_ + (lr - eta_min_) * wave;
  return out;
}

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& options)
    : optimizer_(optimizer), o_(options) {
  CLEW_CHECK(o_.factor < 1, ValueError, "ReduceLROnPlateau: expected factor < 1, got ", o_.factor);
  CLEW_CHECK(o_.mode == "min" || o_.mode == "max", ValueError,
             "ReduceLROnPlateau: expected mode min or max, got '", o_.mode, "'");
  CLEW_CHECK(o_.threshold_mode == "rel" || o_.threshold_mode == "abs", ValueError,
             "ReduceLROnPlateau: expected threshold_mode rel or abs, got '", o_.threshold_mode, "'");
  const double inf = std::numeric_limits<double>::infinity();
  best_ = o_.mode == "min" ? inf : -inf;
}
bool ReduceLROnPlateau::better(double a, double b) const {
  const double sign = o_.mode == "min" ? -1 : 1;
  const double bound = o_.threshold_mode == "rel" ? b * (1 + sign * o_.threshold) : b + sign * o_.threshold;
  return o_.mode == "min" ? a < bound : a > bound;
}
void ReduceLROnPlateau::step(double metric) {
  if (better(metric, best_)) {
    best_ = metric;
    bad_epochs_ = 0;
  } else {
    ++bad_epochs_;
  }
  if (cooldown_left_ > 0) {
    --cooldown_left_;
    bad_epochs_ = 0;
  }
  if (bad_epochs_ <= o_.patience) return;
  for (size_t g = 0; g < optimizer_.num_groups(); ++g) {
    const double lower = std::max(optimizer_.lr(g) * o_.factor, o_.min_lr);
    if (optimizer_.lr(g) - lower > o_.eps) optimizer_.lr(g) = lower;
  }
  cooldown_left_ = o_.cooldown;
  bad_epochs_ = 0;
}
std::vector<double> ReduceLROnPlateau::get_last_lr() const {
  std::vector<double> out;
  for (size_t g = 0; g < optimizer_.num_groups(); ++g) out.push_back(optimizer_.lr(g));
  return out;
}

}  // namespace clew::optim
