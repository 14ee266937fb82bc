// The fused optimizer steps against the formulas, element by element.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "clew/core/parallel.h"
#include "clew/ops/ops.h"
#include "clew/optim/fused.h"

using namespace clew;

namespace {

Tensor filled(IntArrayRef sizes, DType dtype, double scale, double shift) {
  const Tensor t = empty(sizes, TensorOptions(DType::Float64));
  for (int64_t i = 0; i < t.numel(); ++i) {
    t.data<double>()[i] = shift + scale * std::sin(static_cast<double>(i) * 0.7);
  }
  return t.to(dtype);
}

std::vector<double> values(const Tensor& t) {
  const Tensor d = t.detach().to(DType::Float64).contiguous();
  return {d.data<double>(), d.data<double>() + d.numel()};
}

Tensor parameter(IntArrayRef sizes, DType dtype) {
  const Tensor p = filled(sizes, dtype, 1.0, 0.1).requires_grad_();
  p.set_grad(filled(sizes, dtype, 0.5, -0.2));
  return p;
}

double tolerance(DType t) {
  return t == DType::Float64 ? 1e-12 : t == DType::Float32 ? 1e-5 : t == DType::Float16 ? 5e-3 : 4e-2;
}

}  // namespace

TEST_CASE("sgd_step follows the formula", "[optim]") {
  for (const DType dtype : {DType::Float16, DType::BFloat16, DType::Float32, DType::Float64}) {
    for (const bool nesterov : {false, true}) {
      const Tensor p = parameter({5, 7}, dtype), v = zeros({5, 7}, TensorOptions(dtype));
      std::vector<double> x = values(p), g = values(p.grad()), u(x.size());
      const optim::SGDStep o = {.lr = 0.1, .momentum = 0.5, .weight_decay = 0.01, .nesterov = nesterov};
      for (int step = 0; step < 3; ++step) {
        const std::vector<uint8_t> fresh = {step == 0};
        optim::sgd_step({&p, 1}, {&v, 1}, fresh, o);
        for (size_t i = 0; i < x.size(); ++i) {
          const double d = g[i] + o.weight_decay * x[i];
          u[i] = step == 0 ? d : o.momentum * u[i] + d;
          x[i] -= o.lr * (nesterov ? d + o.momentum * u[i] : u[i]);
        }
      }
      const std::vector<double> got = values(p);
      for (size_t i = 0; i < x.size(); ++i) CHECK(got[i] == Approx(x[i]).margin(tolerance(dtype)));
    }
  }
}

TEST_CASE("adam_step follows the formula and counts steps", "[optim]") {
  for (const DType dtype : {DType::BFloat16, DType::Float32, DType::Float64}) {
    for (const bool decoupled : {false, true}) {
      const Tensor p = parameter({33}, dtype), idle = zeros({2}, TensorOptions(dtype));
      const std::vector<Tensor> ps = {p, idle};
      const std::vector<Tensor> m = {zeros_like(p.detach()), zeros_like(idle)};
      const std::vector<Tensor> v = {zeros_like(p.detach()), zeros_like(idle)};
      const Tensor steps = zeros({2});
      std::vector<double> x = values(p), g = values(p.grad()), mean(x.size()), square(x.size());
      const optim::AdamStep o = {.lr = 0.05, .weight_decay = 0.1, .decoupled = decoupled};
      for (int step = 1; step <= 4; ++step) {
        optim::adam_step(ps, m, v, {}, steps, o);
        for (size_t i = 0; i < x.size(); ++i) {
          if (decoupled) x[i] *= 1 - o.lr * o.weight_decay;
          const double d = g[i] + (decoupled ? 0 : o.weight_decay * x[i]);
          mean[i] = o.beta1 * mean[i] + (1 - o.beta1) * d;
          square[i] = o.beta2 * square[i] + (1 - o.beta2) * d * d;
          x[i] -= o.lr * (mean[i] / (1 - std::pow(o.beta1, step))) /
                  (std::sqrt(square[i] / (1 - std::pow(o.beta2, step))) + o.eps);
        }
      }
      const std::vector<double> got = values(p);
      for (size_t i = 0; i < x.size(); ++i) CHECK(got[i] == Approx(x[i]).margin(tolerance(dtype)));
      CHECK(values(steps) == std::vector<double>{4, 0});
      CHECK(values(idle) == std::vector<double>{0, 0});
    }
  }
}

TEST_CASE("steps handle strides and bump versions", "[optim]") {
  const Tensor base = filled({3, 4}, DType::Float32, 1, 0);
  const Tensor p = base.t().detach().requires_grad_();
  const std::vector<double> before = values(p);
  p.set_grad(ones({3, 4}).t().contiguous());
  const uint32_t version = p.version();
  optim::sgd_step({&p, 1}, {}, {}, {.lr = 0.25});
  const std::vector<double> after = values(p);
  for (size_t i = 0; i < before.size(); ++i) CHECK(after[i] == Approx(before[i] - 0.25));
  CHECK(p.version() > version);
  CHECK(base.data<float>()[1] == Approx(before[3] - 0.25));
}

TEST_CASE("steps refuse what does not fit and change nothing", "[optim]") {
  const Tensor p = parameter({3}, DType::Float32);
  const std::vector<double> before = values(p);
  const Tensor wrong_shape = zeros({4}), wrong_type = zeros({3}, TensorOptions(DType::Float64));
  const optim::SGDStep o = {.momentum = 0.5};
  CHECK_THROWS_AS(optim::sgd_step({&p, 1}, {}, {}, o), ValueError);
  CHECK_THROWS_AS(optim::sgd_step({&p, 1}, {&wrong_shape, 1}, {}, o), ShapeError);
  CHECK_THROWS_AS(optim::sgd_step({&p, 1}, {&wrong_type, 1}, {}, o), DTypeError);
  const Tensor whole = zeros({3}, TensorOptions(DType::Int64));
  CHECK_THROWS_AS(optim::sgd_step({&whole, 1}, {}, {}, {}), DTypeError);
  const std::vector<Tensor> two = {p, parameter({2}, DType::Float32)};
  const std::vector<Tensor> states = {zeros({3}), wrong_shape};
  CHECK_THROWS_AS(optim::adam_step(two, states, states, {}, zeros({2}), {}), ShapeError);
  CHECK_THROWS_AS(optim::adam_step({&p, 1}, {&p, 1}, {&p, 1}, {}, zeros({2}), {}), ValueError);
  CHECK(values(p) == before);
}

TEST_CASE("large steps do not depend on the number of threads", "[optim][threads]") {
  const int threads = get_num_threads();
  std::vector<std::vector<double>> results;
  for (const int n : {1, 4}) {
    set_num_threads(n);
    const std::vector<Tensor> ps = {parameter({200001}, DType::Float32), parameter({3}, DType::Float32)};
    const std::vector<Tensor> m = {zeros({200001}), zeros({3})}, v = {zeros({200001}), zeros({3})};
    const Tensor steps = zeros({2});
    for (int step = 0; step < 3; ++step) optim::adam_step(ps, m, v, {}, steps, {});
    results.push_back(values(ps[0]));
  }
  set_num_threads(threads);
  CHECK(results[0] == results[1]);
}

TEST_CASE("total_norm and scale_", "[optim]") {
  const std::vector<Tensor> ts = {tensor({3.0, 0.0}), tensor({-4.0}),
                                  zeros({0}, TensorOptions(DType::Float64))};
  CHECK(optim::total_norm(ts).item<double>() == Approx(5.0));
  CHECK(optim::total_norm(ts, 1).item<double>() == Approx(7.0));
  CHECK(optim::total_norm(ts, 3).item<double>() == Approx(std::cbrt(91.0)));
  CHECK(optim::total_norm(ts, std::numeric_limits<double>::infinity()).item<double>() == 4.0);
  CHECK(optim::total_norm({}).item<double>() == 0.0);
  const Tensor huge = full({10}, 1e30, TensorOptions(DType::Float32));
  CHECK(optim::total_norm({&huge, 1}).item<double>() == Approx(std::sqrt(10.0) * 1e30).epsilon(1e-6));
  const Tensor bad = full({3}, std::numeric_limits<double>::quiet_NaN());
  CHECK(std::isnan(optim::total_norm({&bad, 1}, std::numeric_limits<double>::infinity()).item<double>()));
  optim::scale_(ts, 0.5);
  CHECK(values(ts[0]) == std::vector<double>{1.5, 0});
  const Tensor matrix = filled({2, 3}, DType::Float32, 1, 1);
  const Tensor turned = matrix.t();
  const std::vector<double> before = values(matrix);
  optim::scale_({&turned, 1}, 2.0);
  for (size_t i = 0; i < before.size(); ++i) CHECK(values(matrix)[i] == Approx(2 * before[i]));
}
