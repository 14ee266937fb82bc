// Optimizers, schedules and starting values for the comparison with Python's.
//   train   IN: "w", "b", "x", "y"; OUT: "<optimizer>.w", "<optimizer>.b" after 12 steps
//   rates   OUT: "<schedule>": learning rate and momentum of 40 epochs
//   init    OUT: "<function>": what it fills a tensor with after manual_seed(3)
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "clew/clew.h"
#include "frontend.h"

using namespace clew;
using namespace clew::optim;

namespace {

using MakeOptimizer = std::function<std::unique_ptr<Optimizer>(TensorList)>;
template <class O>
MakeOptimizer with(const auto& options) {
  return [options](TensorList p) { return std::make_unique<O>(std::move(p), options); };
}

const std::vector<std::pair<std::string, MakeOptimizer>>& optimizers() {
  static const std::vector<std::pair<std::string, MakeOptimizer>> table = {
      {"SGD", with<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true})},
      {"Adam", with<Adam>(AdamOptions{.lr = 0.05, .weight_decay = 0.02, .amsgrad = true})},
      {"AdamW", with<AdamW>(AdamWOptions{.lr = 0.05})},
      {"RMSprop", with<RMSprop>(RMSpropOptions{.weight_decay = 0.01, .momentum = 0.5, .centered = true})},
      {"Adagrad", with<Adagrad>(AdagradOptions{.lr = 0.1, .lr_decay = 0.01, .weight_decay = 0.01})},
      {"Adadelta", with<Adadelta>(AdadeltaOptions{.weight_decay = 0.01, .maximize = true})},
      {"Adamax", with<Adamax>(AdamaxOptions{.weight_decay = 0.01})},
      {"NAdam", with<NAdam>(NAdamOptions{.weight_decay = 0.01, .decoupled_weight_decay = true})},
      {"RAdam", with<RAdam>(RAdamOptions{.lr = 0.01, .weight_decay = 0.01})},
      {"Rprop", with<Rprop>(RpropOptions{})},
      {"LBFGS", with<LBFGS>(LBFGSOptions{.lr = 0.5, .max_iter = 4, .history_size = 3})},
      {"LBFGS strong_wolfe", with<LBFGS>(LBFGSOptions{.max_iter = 3, .line_search_fn = "strong_wolfe"})},
  };
  return table;
}

// A schedule as its step, once it is made.
using Step = std::function<void(int)>;
template <class S, class... A>
std::function<Step(Optimizer&)> schedule(A... a) {
  return [=](Optimizer& o) -> Step {
    auto s = std::make_shared<S>(o, a...);
    return [s](int) { s->step(); };
  };
}

const std::vector<std::pair<std::string, std::function<Step(Optimizer&)>>>& schedules() {
  static const std::vector<std::pair<std::string, std::function<Step(Optimizer&)>>> table = {
      {"StepLR", schedule<StepLR>(7, 0.5)},
      {"MultiStepLR", schedule<MultiStepLR>(std::vector<int64_t>{3, 11, 11, 30}, 0.3)},
      {"ExponentialLR", schedule<ExponentialLR>(0.93)},
      {"CosineAnnealingLR", schedule<CosineAnnealingLR>(9, 0.1)},
      {"LambdaLR", schedule<LambdaLR>([](int64_t e) { return 1.0 / static_cast<double>(e + 1); })},
      {"MultiplicativeLR",
       schedule<MultiplicativeLR>([](int64_t e) { return 1.0 - 1.0 / static_cast<double>(e + 9); })},
      {"LinearLR", schedule<LinearLR>(LinearLROptions{.start_factor = 0.2, .total_iters = 12})},
      {"ConstantLR", schedule<ConstantLR>(ConstantLROptions{.factor = 0.3, .total_iters = 6})},
      {"PolynomialLR", schedule<PolynomialLR>(PolynomialLROptions{.total_iters = 20, .power = 1.7})},
      {"OneCycleLR", schedule<OneCycleLR>(OneCycleLROptions{.max_lr = 2, .total_steps = 45})},
      {"OneCycleLR three_phase",
       schedule<OneCycleLR>(OneCycleLROptions{
           .max_lr = 2, .total_steps = 45, .anneal_strategy = "linear", .three_phase = true})},
      {"CyclicLR",
       schedule<CyclicLR>(CyclicLROptions{
           .base_lr = 0.1, .max_lr = 0.7, .step_size_up = 5, .step_size_down = 8, .mode = "triangular2"})},
      {"CyclicLR exp_range",
       schedule<CyclicLR>(CyclicLROptions{
           .base_lr = 0.1, .max_lr = 0.7, .step_size_up = 6, .mode = "exp_range", .gamma = 0.97})},
      {"CosineAnnealingWarmRestarts",
       schedule<CosineAnnealingWarmRestarts>(
           CosineAnnealingWarmRestartsOptions{.T_0 = 4, .T_mult = 2, .eta_min = 0.05})},
      {"SequentialLR",
       [](Optimizer& o) -> Step {
         std::vector<std::shared_ptr<LRScheduler>> parts{
             std::make_shared<LinearLR>(o, LinearLROptions{.start_factor = 0.1, .total_iters = 4}),
             std::make_shared<CosineAnnealingWarmRestarts>(o, CosineAnnealingWarmRestartsOptions{.T_0 = 5}),
             std::make_shared<ExponentialLR>(o, 0.9)};
         auto s = std::make_shared<SequentialLR>(o, std::move(parts), std::vector<int64_t>{5, 19});
         return [s](int) { s->step(); };
       }},
      {"ChainedScheduler",
       [](Optimizer& o) -> Step {
         auto s = std::make_shared<ChainedScheduler>(std::vector<std::shared_ptr<LRScheduler>>{
             std::make_shared<ConstantLR>(o, ConstantLROptions{.factor = 0.5, .total_iters = 4}),
             std::make_shared<ExponentialLR>(o, 0.9)});
         return [s](int) { s->step(); };
       }},
      {"ReduceLROnPlateau",
       [](Optimizer& o) -> Step {
         auto s = std::make_shared<ReduceLROnPlateau>(
             o, ReduceLROnPlateauOptions{.factor = 0.5, .patience = 2, .cooldown = 3});
         return [s](int epoch) { s->step(epoch < 5 ? 1.0 / (epoch + 1) : 0.2); };
       }},
  };
  return table;
}

const std::vector<std::pair<std::string, std::function<void(const Tensor&)>>>& initializers() {
  namespace init = nn::init;
  static const std::vector<std::pair<std::string, std::function<void(const Tensor&)>>> table = {
      {"uniform_", [](const Tensor& t) { init::uniform_(t, -2, 3); }},
      {"normal_", [](const Tensor& t) { init::normal_(t, 1, 2); }},
      {"constant_", [](const Tensor& t) { init::constant_(t, 0.25); }},
      {"zeros_", [](const Tensor& t) { init::zeros_(t); }},
      {"ones_", [](const Tensor& t) { init::ones_(t); }},
      {"xavier_uniform_", [](const Tensor& t) { init::xavier_uniform_(t, 1.5); }},
      {"xavier_normal_", [](const Tensor& t) { init::xavier_normal_(t, 1.5); }},
      {"kaiming_uniform_", [](const Tensor& t) { init::kaiming_uniform_(t, 0.2, "fan_out"); }},
      {"kaiming_normal_", [](const Tensor& t) { init::kaiming_normal_(t, 0, "fan_in", "relu"); }},
      {"trunc_normal_", [](const Tensor& t) { init::trunc_normal_(t, 0.5, 2, -1, 1); }},
      {"orthogonal_", [](const Tensor& t) { init::orthogonal_(t, 2); }},
      {"dirac_", [](const Tensor& t) { init::dirac_(t, 2); }},
      {"eye_", [](const Tensor& t) { init::eye_(t.select(2, 0).select(2, 0)); }},
      {"sparse_", [](const Tensor& t) { init::sparse_(t.select(2, 0).select(2, 0), 0.4); }},
      {"calculate_gain",
       [](const Tensor& t) { init::constant_(t, init::calculate_gain("leaky_relu", 0.3)); }},
  };
  return table;
}

void puts_name(const char* kind, const std::string& name) {
  if (name.find(' ') == std::string::npos) std::printf("%s %s\n", kind, name.c_str());
}

}  // namespace

void print_other_names() {
  for (const auto& [name, make] : optimizers()) puts_name("optimizer", name);
  for (const auto& [name, make] : schedules()) puts_name("scheduler", name);
  for (const auto& [name, f] : initializers()) puts_name("init", name);
    // Each name is used, so that the list cannot promise what does not compile.
#define NAME(kind, scope, name) (static_cast<void>(sizeof(scope::name)), std::puts(#kind " " #name))
  NAME(module, nn, Module);
  NAME(optimizer, optim, Optimizer);
  NAME(scheduler, optim, LRScheduler);
  NAME(sequence, nn::utils::rnn, PackedSequence);
#undef NAME
#define NAME(kind, scope, name) (static_cast<void>(&scope::name), std::puts(#kind " " #name))
  NAME(function, nn::functional, interpolate);
  NAME(utils, nn::utils, clip_grad_norm_);
  NAME(utils, nn::utils, clip_grad_value_);
  NAME(utils, nn::utils, get_total_norm);
  NAME(utils, nn::utils, clip_grads_with_norm_);
  NAME(utils, nn::utils, parameters_to_vector);
  NAME(utils, nn::utils, vector_to_parameters);
  NAME(sequence, nn::utils::rnn, pad_sequence);
  NAME(sequence, nn::utils::rnn, unpad_sequence);
  NAME(sequence, nn::utils::rnn, pack_sequence);
  NAME(sequence, nn::utils::rnn, unpack_sequence);
  NAME(sequence, nn::utils::rnn, pack_padded_sequence);
  NAME(sequence, nn::utils::rnn, pad_packed_sequence);
  NAME(autograd, autograd, gradcheck);
#undef NAME
#define CLEW_NN(name, R, ...) std::puts("function " #name);
#define CLEW_OP(name, R, ...) std::puts("function " #name);
#define CLEW_OP_INPLACE(name, R, ...) std::puts("function " #name "\nfunction " #name "_");
#define CLEW_FUNCTION(name, R, ...) std::puts("function " #name);
#define CLEW_ALIAS(alias, name) std::puts("function " #alias);
#include "clew/ops/all.def"
}

int train(const char* in, const char* out) {
  Tensor w, b, x, y;
  for (const auto& [name, value] : load(in))
    (name == "w" ? w : name == "b" ? b : name == "x" ? x : y) = value;
  NamedTensors result;
  for (const auto& [name, make] : optimizers()) {
    const Tensor weight = w.clone().set_requires_grad(true), bias = b.clone().set_requires_grad(true);
    const auto optimizer = make({weight, bias});
    for (int i = 0; i < 12; ++i) {
      optimizer->step([&] {
        optimizer->zero_grad();
        const Tensor loss = (x.matmul(weight) + bias).tanh().sub(y).square().mean();
        loss.backward();
        return loss;
      });
    }
    result.emplace_back(name + ".w", weight.detach());
    result.emplace_back(name + ".b", bias.detach());
  }
  save(result, out);
  return 0;
}

int rates(const char*, const char* out) {
  NamedTensors result;
  for (const auto& [name, make] : schedules()) {
    SGD optimizer({ones({1}).set_requires_grad(true)}, {.lr = 1, .momentum = 0.9});
    const Step step = make(optimizer);
    std::vector<double> seen;
    for (int epoch = 0; epoch < 40; ++epoch) {
      seen.insert(seen.end(), {optimizer.lr(0), optimizer.momentum(0)});
      step(epoch);
    }
    result.emplace_back(name, tensor(seen, kDouble));
  }
  save(result, out);
  return 0;
}

int initialize(const char*, const char* out) {
  NamedTensors result;
  for (const auto& [name, fill] : initializers()) {
    manual_seed(3);
    const Tensor t = zeros({6, 4, 3, 3});
    fill(t);
    result.emplace_back(name, t);
  }
  save(result, out);
  return 0;
}
