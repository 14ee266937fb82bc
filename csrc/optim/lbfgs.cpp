#include "clew/optim/lbfgs.h"

#include <algorithm>
#include <cmath>

#include "clew/autograd/grad_mode.h"
#include "clew/ops/ops.h"
#include "optim/optimizer_state.h"

namespace clew::optim {

using namespace optim_detail;

namespace {

double number(const Tensor& t) { return t.item<double>(); }

// A place on the search line: step, loss, gradient, slope along the direction.
struct Point {
  double t, loss;
  Tensor grad;
  double slope;
};

// The minimum between `low` and `high` of the cubic with these values and slopes.
double cubic_minimum(const Point& a, const Point& b, double low, double high) {
  const double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  const double at = a.t <= b.t ? b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
                               : a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2));
  return std::min(std::max(at, low), high);
}

}  // namespace

struct LBFGS::Found {
  double loss;
  Tensor grad;
  double t;
  int64_t evaluations;
};

LBFGS::LBFGS(TensorList params, const LBFGSOptions& options) : options_(options) {
  check_at_least("LBFGS", "lr", options.lr, 0);
  CLEW_CHECK(options.line_search_fn.empty() || options.line_search_fn == "strong_wolfe", ValueError,
             "LBFGS: expected line_search_fn \"\" or \"strong_wolfe\", got \"", options.line_search_fn, "\"");
  CLEW_CHECK(options.history_size > 0, ValueError, "LBFGS: expected history_size > 0, got ",
             options.history_size);
  struct Group {
    const TensorList& params;
  };
  check_params("LBFGS", {}, Group{params});
  params_ = std::move(params);
}

void LBFGS::step() {
  clew::detail::raise<ValueError>("LBFGS.step: expected a closure that computes the loss, got none");
}
double& LBFGS::momentum(size_t) {
  clew::detail::raise<ValueError>("LBFGS: expected an optimizer with momentum or beta1, got one without");
}

Tensor LBFGS::gradient() const {
  TensorList pieces;
  for (const Tensor& p : params_) {
    pieces.push_back(p.grad().defined() ? p.grad().detach().reshape({-1}) : zeros({p.numel()}, p.dtype()));
  }
  return cat(pieces);
}

void LBFGS::move(double t, const Tensor& direction) const {
  int64_t start = 0;
  for (const Tensor& p : params_) {
    p.detach().add_(narrow(direction, 0, start, p.numel()).reshape(p.sizes()), t);
    start += p.numel();
  }
}

// The two loops over the history: product of inverse Hessian and gradient.
void LBFGS::update_direction(const Tensor& grad) {
  State& s = state_;
  const Tensor y = grad - s.previous_grad, move_made = s.direction * s.t;
  const double ys = number(y.dot(move_made));
  if (ys > 1e-10) {
    if (static_cast<int64_t>(s.changes.size()) == options_.history_size) {
      s.changes.erase(s.changes.begin());
      s.moves.erase(s.moves.begin());
      s.ro.erase(s.ro.begin());
    }
    s.changes.push_back(y);
    s.moves.push_back(move_made);
    s.ro.push_back(1.0 / ys);
    s.scale = ys / number(y.dot(y));
  }
  Tensor q = -grad;
  std::vector<double> weights(s.changes.size());
  for (size_t i = s.changes.size(); i-- > 0;) {
    weights[i] = number(s.moves[i].dot(q)) * s.ro[i];
    q = q.add(s.changes[i], -weights[i]);
  }
  s.direction = q * s.scale;
  for (size_t i = 0; i < s.changes.size(); ++i) {
    const double back = number(s.changes[i].dot(s.direction)) * s.ro[i];
    s.direction = s.direction.add(s.moves[i], weights[i] - back);
  }
}

// Looks for a step that fulfils the strong Wolfe conditions: first a bracket, then a zoom into it.
LBFGS::Found LBFGS::search(const std::function<std::pair<double, Tensor>(double)>& evaluate,
                           double first_step, double loss, const Tensor& grad, double slope) const {
  constexpr double c1 = 1e-4, c2 = 0.9;
  constexpr int max_steps = 25;
  const Tensor& direction = state_.direction;
  const double scale = number(direction.abs().max());
  const auto point = [&](double t) -> Point {
    const auto [value, g] = evaluate(t);
    return {t, value, g, number(g.dot(direction))};
  };
  const Point start{0, loss, grad, slope};
  const auto too_high = [&](const Point& p) { return p.loss > start.loss + c1 * p.t * start.slope; };

  Point before = start, here = point(first_step);
  int64_t evaluations = 1;
  int steps = 0;
  std::vector<Point> bracket;
  bool found = false;
  while (steps < max_steps) {
    if (too_high(here) || (steps > 1 && here.loss >= before.loss)) {
      bracket = {before, here};
      break;
    }
    if (std::abs(here.slope) <= -c2 * start.slope) {
      bracket = {here};
      found = true;
      break;
    }
    if (here.slope >= 0) {
      bracket = {before, here};
      break;
    }
    // Still going down: further out, between a little and ten times the step.
    const double t = cubic_minimum(before, here, here.t + 0.01 * (here.t - before.t), here.t * 10);
    before = std::exchange(here, point(t));
    ++evaluations;
    ++steps;
  }
  if (bracket.empty()) bracket = {start, here};

  bool stuck = false;
  size_t low = bracket.front().loss <= bracket.back().loss ? 0 : 1, high = 1 - low;
  while (!found && steps < max_steps) {
    const Point &a = bracket[0], &b = bracket[1];
    if (std::abs(b.t - a.t) * scale < options_.tolerance_change) break;
    const double left = std::min(a.t, b.t), right = std::max(a.t, b.t), margin = 0.1 * (right - left);
    double t = cubic_minimum(a, b, left, right);
    // A step close to an end is moved inwards when that happens twice or lies outside.
    if (std::min(right - t, t - left) < margin) {
      if (stuck || t >= right || t <= left) {
        t = std::abs(t - right) < std::abs(t - left) ? right - margin : left + margin;
        stuck = false;
      } else {
        stuck = true;
      }
    } else {
      stuck = false;
    }
    here = point(t);
    ++evaluations;
    ++steps;
    if (too_high(here) || here.loss >= bracket[low].loss) {
      bracket[high] = here;
      low = bracket[0].loss <= bracket[1].loss ? 0 : 1;
      high = 1 - low;
    } else {
      if (std::abs(here.slope) <= -c2 * start.slope) {
        found = true;
      } else if (here.slope * (bracket[high].t - bracket[low].t) >= 0) {
        bracket[high] = bracket[low];
      }
      bracket[low] = here;
    }
  }
  const Point& best = bracket.size() > 1 ? bracket[low] : bracket[0];
  return {best.loss, best.grad, best.t, evaluations};
}

Tensor LBFGS::step(const std::function<Tensor()>& closure) {
  const NoGradGuard guard;
  const auto call = [&] {
    const AutoGradMode on(true);
    return closure();
  };
  State& s = state_;
  const LBFGSOptions& o = options_;
  const int64_t max_eval = o.max_eval.value_or(o.max_iter * 5 / 4);
  const auto largest = [](const Tensor& t) { return number(t.abs().max()); };

  const Tensor first_loss = call();
  double loss = number(first_loss);
  int64_t evaluations = 1;
  ++s.evaluations;
  Tensor grad = gradient();
  if (largest(grad) <= o.tolerance_grad) return first_loss;
  for (int64_t iterations = 1; iterations <= o.max_iter; ++iterations) {
    ++s.iterations;
    if (s.iterations == 1) {
      s.direction = -grad;
      s.scale = 1;
    } else {
      update_direction(grad);
    }
    s.previous_grad = grad;
    s.previous_loss = loss;
    s.t = s.iterations == 1 ? std::min(1.0, 1.0 / number(grad.abs().sum())) * o.lr : o.lr;
    const double slope = number(grad.dot(s.direction));
    if (slope > -o.tolerance_change) break;
    int64_t calls = 0;
    bool converged = false;
    if (!o.line_search_fn.empty()) {
      TensorList saved;
      for (const Tensor& p : params_) saved.push_back(p.detach().clone());
      const auto evaluate = [&](double t) -> std::pair<double, Tensor> {
        move(t, s.direction);
        const double value = number(call());
        Tensor g = gradient();
        for (size_t i = 0; i < params_.size(); ++i) params_[i].detach().copy_(saved[i]);
        return {value, std::move(g)};
      };
      const Found f = search(evaluate, s.t, loss, grad, slope);
      loss = f.loss;
      grad = f.grad;
      s.t = f.t;
      calls = f.evaluations;
      move(s.t, s.direction);
      converged = largest(grad) <= o.tolerance_grad;
    } else {
      move(s.t, s.direction);
      if (iterations != o.max_iter) {
        // After the last iteration nobody would read the new gradient.
        loss = number(call());
        grad = gradient();
        converged = largest(grad) <= o.tolerance_grad;
        calls = 1;
      }
    }
    evaluations += calls;
    s.evaluations += calls;
    if (evaluations >= max_eval || converged) break;
    if (iterations < o.max_iter && (largest(s.direction * s.t) <= o.tolerance_change ||
                                    std::abs(loss - s.previous_loss) < o.tolerance_change)) {
      break;
    }
  }
  return first_loss;
}

NamedTensors LBFGS::state_dict() const {
  const State& s = state_;
  if (!s.direction.defined()) return {};
  const Tensor numbers = tensor(
      {static_cast<double>(s.evaluations), static_cast<double>(s.iterations), s.t, s.previous_loss, s.scale},
      kDouble);
  NamedTensors out{{"0.numbers", numbers}, {"0.d", s.direction}, {"0.prev_flat_grad", s.previous_grad}};
  if (!s.changes.empty()) {
    out.emplace_back("0.old_dirs", stack(s.changes));
    out.emplace_back("0.old_stps", stack(s.moves));
    out.emplace_back("0.ro", tensor(s.ro, kDouble));
  }
  return out;
}

void LBFGS::load_state_dict(const NamedTensors& state) {
  StateReader reader("LBFGS", state);
  State s;
  if (!state.empty()) {
    int64_t n = 0;
    for (const Tensor& p : params_) n += p.numel();
    const Tensor numbers = reader.take("0.numbers", {5}).to(kDouble);
    const double* v = numbers.data<double>();
    s.evaluations = static_cast<int64_t>(v[0]);
    s.iterations = static_cast<int64_t>(v[1]);
    s.t = v[2];
    s.previous_loss = v[3];
    s.scale = v[4];
    s.direction = reader.take("0.d", {n});
    s.previous_grad = reader.take("0.prev_flat_grad", {n});
    if (reader.has("0.ro")) {
      const Tensor ro = reader.take_rows("0.ro", {}).to(kDouble);
      const int64_t count = ro.size(0);
      s.ro.assign(ro.data<double>(), ro.data<double>() + count);
      s.changes = unbind(reader.take("0.old_dirs", {count, n}));
      s.moves = unbind(reader.take("0.old_stps", {count, n}));
    }
  }
  reader.finish();
  state_ = std::move(s);
}

}  // namespace clew::optim
