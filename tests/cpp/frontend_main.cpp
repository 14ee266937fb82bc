// What the C++ frontend offers, for the comparison with Python's in tests/python/test_frontend.py.
//   clew_frontend names                  one line a name: "module Linear", "function conv2d", ...
//   clew_frontend run IN.safetensors OUT.safetensors
//     IN: "case.<name>" (empty), "state.*", "input.0", ...; OUT: "output.*", "grad.*", "input_grad.*",
//     "after.*"
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>

#include "clew/clew.h"

using namespace clew;

namespace {

// A module under test: its handle, and how it maps inputs to outputs.
struct Case {
  nn::Module module;
  std::function<TensorList(const TensorList&)> forward;
};

template <class M>
Case one(M m) {
  return {m, [m](const TensorList& x) mutable -> TensorList {
            if constexpr (requires { m.forward(x[0], x[1]); }) {
              return {m(x[0], x[1])};
            } else {
              return {m(x[0])};
            }
          }};
}

const std::map<std::string, std::function<Case()>>& cases() {
  using namespace nn;
  static const std::map<std::string, std::function<Case()>> table = {
      {"Linear", [] { return one(Linear(5, 3)); }},
      {"Linear without bias",
       [] { return one(Linear({.in_features = 5, .out_features = 3, .bias = false})); }},
      {"Identity", [] { return one(Identity()); }},
      {"Flatten", [] { return one(Flatten()); }},
      {"Embedding",
       [] { return one(Embedding({.num_embeddings = 7, .embedding_dim = 3, .padding_idx = 0})); }},
      {"Dropout", [] { return one(Dropout(0.0)); }},
      {"Conv2d",
       [] {
         return one(Conv2d({.in_channels = 4,
                            .out_channels = 6,
                            .kernel_size = 3,
                            .stride = 2,
                            .padding = {1, 0},
                            .groups = 2}));
       }},
      {"Conv1d",
       [] {
         return one(
             Conv1d({.in_channels = 3, .out_channels = 4, .kernel_size = 3, .stride = 2, .padding = 1}));
       }},
      {"ConvTranspose2d",
       [] {
         return one(ConvTranspose2d({.in_channels = 4,
                                     .out_channels = 6,
                                     .kernel_size = 3,
                                     .stride = 2,
                                     .padding = 1,
                                     .output_padding = 1,
                                     .groups = 2}));
       }},
      {"BCELoss", [] { return one(BCELoss()); }},
      {"MaxPool2d", [] { return one(MaxPool2d({.kernel_size = 3, .stride = 2, .padding = 1})); }},
      {"AvgPool2d",
       [] {
         return one(AvgPool2d({.kernel_size = 3, .stride = 2, .padding = 1, .count_include_pad = false}));
       }},
      {"AdaptiveAvgPool2d", [] { return one(AdaptiveAvgPool2d({2, 3})); }},
      {"BatchNorm1d", [] { return one(BatchNorm1d(5)); }},
      {"BatchNorm2d", [] { return one(BatchNorm2d({.num_features = 4, .momentum = std::nullopt})); }},
      {"LayerNorm", [] { return one(LayerNorm({.normalized_shape = {2, 5}})); }},
      {"ReLU", [] { return one(ReLU()); }},
      {"LeakyReLU", [] { return one(LeakyReLU(0.2)); }},
      {"GELU", [] { return one(GELU("tanh")); }},
      {"SiLU", [] { return one(SiLU()); }},
      {"Sigmoid", [] { return one(Sigmoid()); }},
      {"Tanh", [] { return one(Tanh()); }},
      {"Softmax", [] { return one(Softmax(1)); }},
      {"LogSoftmax", [] { return one(LogSoftmax(1)); }},
      {"CrossEntropyLoss", [] { return one(CrossEntropyLoss({.label_smoothing = 0.1})); }},
      {"NLLLoss", [] { return one(NLLLoss()); }},
      {"MSELoss", [] { return one(MSELoss(Reduction::Sum)); }},
      {"L1Loss", [] { return one(L1Loss()); }},
      {"BCEWithLogitsLoss", [] { return one(BCEWithLogitsLoss()); }},
      {"RNN",
       [] {
         const RNN m({.input_size = 3, .hidden_size = 4, .nonlinearity = "relu"});
         return Case{m, [m](const TensorList& x) -> TensorList {
                       const auto [y, h] = m(x[0]);
                       return {y, h};
                     }};
       }},
      {"GRU",
       [] {
         const GRU m({.input_size = 3,
                      .hidden_size = 4,
                      .num_layers = 2,
                      .batch_first = true,
                      .bidirectional = true});
         return Case{m, [m](const TensorList& x) -> TensorList {
                       const auto [y, h] = m(x[0], x[1]);
                       return {y, h};
                     }};
       }},
      {"LSTM",
       [] {
         const LSTM m({.input_size = 3, .hidden_size = 4, .num_layers = 2, .proj_size = 2});
         return Case{m, [m](const TensorList& x) -> TensorList {
                       const auto [y, state] = m(x[0]);
                       return {y, state.first, state.second};
                     }};
       }},
      {"MultiheadAttention",
       [] {
         const MultiheadAttention m(
             {.embed_dim = 8, .num_heads = 2, .kdim = 5, .vdim = 6, .batch_first = true});
         return Case{m, [m](const TensorList& x) -> TensorList {
                       const auto [y, w] = m(x[0], x[1], x[2], {.key_padding_mask = x[3]});
                       return {y, w};
                     }};
       }},
      {"MultiheadAttention fused",
       [] {
         const MultiheadAttention m(8, 2);
         return Case{m, [m](const TensorList& x) -> TensorList {
                       return {m(x[0], x[0], x[0], {.attn_mask = x[1], .need_weights = false}).first};
                     }};
       }},
      {"TransformerEncoderLayer",
       [] {
         return one(TransformerEncoderLayer({.d_model = 8,
                                             .nhead = 2,
                                             .dim_feedforward = 12,
                                             .dropout = 0,
                                             .activation = "gelu",
                                             .norm_first = true}));
       }},
      {"TransformerEncoder",
       [] {
         return one(TransformerEncoder(
             {.d_model = 8, .nhead = 2, .dim_feedforward = 12, .dropout = 0, .batch_first = true}, 2,
             LayerNorm(8)));
       }},
      {"Sequential", [] { return one(Sequential(Linear(5, 4), ReLU(), Linear(4, 2))); }},
  };
  return table;
}

void print_names() {
  for (const auto& [name, make] : cases()) {
    if (name.find(' ') == std::string::npos) std::printf("module %s\n", name.c_str());
  }
  // Each name is used, so that the list cannot promise what does not compile.
#define NAME(kind, scope, name) (static_cast<void>(sizeof(scope::name)), std::puts(#kind " " #name))
  NAME(module, nn, Module);
  NAME(module, nn, ModuleList<>);
  NAME(module, nn, ModuleDict<>);
  NAME(optimizer, optim, Optimizer);
  NAME(optimizer, optim, SGD);
  NAME(optimizer, optim, Adam);
  NAME(optimizer, optim, AdamW);
  NAME(scheduler, optim, LambdaLR);
  NAME(scheduler, optim, StepLR);
  NAME(scheduler, optim, MultiStepLR);
  NAME(scheduler, optim, ExponentialLR);
  NAME(scheduler, optim, LinearLR);
  NAME(scheduler, optim, CosineAnnealingLR);
  NAME(scheduler, optim, OneCycleLR);
  NAME(scheduler, optim, ReduceLROnPlateau);
#undef NAME
#define NAME(kind, scope, name) (static_cast<void>(&scope::name), std::puts(#kind " " #name))
  NAME(init, nn::init, uniform_);
  NAME(init, nn::init, normal_);
  NAME(init, nn::init, constant_);
  NAME(init, nn::init, zeros_);
  NAME(init, nn::init, ones_);
  NAME(init, nn::init, eye_);
  NAME(init, nn::init, calculate_gain);
  NAME(init, nn::init, xavier_uniform_);
  NAME(init, nn::init, xavier_normal_);
  NAME(init, nn::init, kaiming_uniform_);
  NAME(init, nn::init, kaiming_normal_);
  NAME(utils, nn::utils, clip_grad_norm_);
  NAME(utils, nn::utils, clip_grad_value_);
#undef NAME
#define CLEW_NN(name, R, ...) std::puts("function " #name);
#define CLEW_OP(name, R, ...) std::puts("function " #name);
#define CLEW_OP_INPLACE(name, R, ...) std::puts("function " #name);
#define CLEW_FUNCTION(name, R, ...) std::puts("function " #name);
#include "clew/ops/all.def"
}

int run(const char* in, const char* out) {
  const NamedTensors given = load(in);
  nn::StateDict state;
  TensorList inputs;
  std::string name;
  for (const auto& [key, value] : given) {
    if (key.starts_with("case.")) name = key.substr(5);
    if (key.starts_with("state.")) state.emplace_back(key.substr(6), value);
    if (key.starts_with("input.")) inputs.push_back(value.set_requires_grad(is_floating(value.dtype())));
  }
  const auto found = cases().find(name);
  CLEW_CHECK(found != cases().end(), ValueError, "run: expected a known case, got '", name, "'");
  const Case c = found->second();
  c.module.load_state_dict(state);
  NamedTensors result;
  const TensorList outputs = c.forward(inputs);
  Tensor total = zeros({});
  for (size_t i = 0; i < outputs.size(); ++i) {
    result.emplace_back("output." + std::to_string(i), outputs[i].detach());
    total = total + (outputs[i] * outputs[i]).sum();
  }
  if (total.requires_grad()) total.backward();
  for (const auto& [key, p] : c.module.named_parameters()) {
    if (p.grad().defined()) result.emplace_back("grad." + key, p.grad());
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].grad().defined()) result.emplace_back("input_grad." + std::to_string(i), inputs[i].grad());
  }
  for (const auto& [key, b] : c.module.named_buffers()) result.emplace_back("after." + key, b);
  save(result, out);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc == 2 && std::strcmp(argv[1], "names") == 0) {
    print_names();
    return 0;
  }
  if (argc == 4 && std::strcmp(argv[1], "run") == 0) return run(argv[2], argv[3]);
  std::fputs("usage: clew_frontend names | run IN OUT\n", stderr);
  return 2;
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
