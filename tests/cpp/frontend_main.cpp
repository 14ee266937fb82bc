// What the C++ frontend offers, for the comparison with Python's in tests/python/test_frontend.py.
//   clew_frontend names                  one line a name: "module Linear", "function conv2d", ...
//   clew_frontend print                  each module as it prints
//   clew_frontend run IN.safetensors OUT.safetensors
//     IN: "case.<name>" (empty), "state.*", "input.0", ...; OUT: "output.*", "grad.*", "input_grad.*",
//     "after.*"
//   clew_frontend roundtrip CASE IN.safetensors OUT.safetensors
//     loads a module's weights from a file and saves them to another
//   clew_frontend train|rates|init IN.safetensors OUT.safetensors
//     see frontend_training.cpp
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <string>

#include "clew/clew.h"
#include "frontend.h"

using namespace clew;

namespace {

const Cases& cases() {
  using namespace nn;
  static const Cases table = with_more({
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
         return of(m, [m](const TensorList& x) -> TensorList {
           const auto [y, h] = m(x[0]);
           return {y, h};
         });
       }},
      {"GRU",
       [] {
         const GRU m({.input_size = 3,
                      .hidden_size = 4,
                      .num_layers = 2,
                      .batch_first = true,
                      .bidirectional = true});
         return of(m, [m](const TensorList& x) -> TensorList {
           const auto [y, h] = m(x[0], x[1]);
           return {y, h};
         });
       }},
      {"LSTM",
       [] {
         const LSTM m({.input_size = 3, .hidden_size = 4, .num_layers = 2, .proj_size = 2});
         return of(m, [m](const TensorList& x) -> TensorList {
           const auto [y, state] = m(x[0]);
           return {y, state.first, state.second};
         });
       }},
      {"MultiheadAttention",
       [] {
         const MultiheadAttention m(
             {.embed_dim = 8, .num_heads = 2, .kdim = 5, .vdim = 6, .batch_first = true});
         return of(m, [m](const TensorList& x) -> TensorList {
           const auto [y, w] = m(x[0], x[1], x[2], {.key_padding_mask = x[3]});
           return {y, w};
         });
       }},
      {"MultiheadAttention fused",
       [] {
         const MultiheadAttention m(8, 2);
         return of(m, [m](const TensorList& x) -> TensorList {
           return {m(x[0], x[0], x[0], {.attn_mask = x[1], .need_weights = false}).first};
         });
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
      {"ModuleList",
       [] {
         const ModuleList<Linear> list{Linear(5, 4), Linear(4, 2)};
         return of(list, [list](const TensorList& x) -> TensorList { return {list[1](list[0](x[0]))}; });
       }},
      {"ModuleDict",
       [] {
         const ModuleDict<> dict{{"first", Linear(5, 4)}, {"then", BatchNorm1d(4)}};
         return of(dict,
                   [dict](const TensorList& x) -> TensorList { return {dict["then"](dict["first"](x[0]))}; });
       }},
      {"GRU packed",
       [] {
         const GRU m({.input_size = 3, .hidden_size = 4, .bidirectional = true});
         return of(m, [m](const TensorList& x) -> TensorList {
           const auto [y, h] = m(utils::rnn::pack_padded_sequence(x[0], x[1], false, false));
           return {y.data, h};
         });
       }},
      {"LSTM packed",
       [] {
         const LSTM m({.input_size = 3, .hidden_size = 4});
         return of(m, [m](const TensorList& x) -> TensorList {
           const auto packed = utils::rnn::pack_sequence({x[0], x[1]});
           const auto [y, state] = m(packed);
           const auto [padded, lengths] = utils::rnn::pad_packed_sequence(y, true, -1, 6);
           return {padded, lengths, state.first, state.second};
         });
       }},
      {"= pad_sequence",
       [] {
         return call([](const TensorList& x) -> TensorList {
           return {utils::rnn::pad_sequence({x[0], x[1]}, true, 7, "left"),
                   utils::rnn::pad_sequence({x[0], x[1]})};
         });
       }},
      {"= interpolate",
       [] {
         return call([](const TensorList& x) -> TensorList {
           namespace F = functional;
           return {F::interpolate(x[0], {.size = {5, 7}, .mode = "bilinear", .align_corners = true}),
                   F::interpolate(x[0], {.scale_factor = {1.7}, .mode = "bicubic"}),
                   F::interpolate(x[0], {.scale_factor = {2, 1.5}}),
                   F::interpolate(x[0], {.size = {2}, .mode = "area"})};
         });
       }},
      {"= normalize and cosine_similarity",
       [] {
         return call([](const TensorList& x) -> TensorList {
           namespace F = functional;
           return {F::normalize(x[0], 2, -1), F::cosine_similarity(x[0], x[1])};
         });
       }},
  });
  return table;
}

int print_names() {
  for (const auto& [name, make] : cases()) {
    if (name.find(' ') == std::string::npos) std::printf("module %s\n", name.c_str());
  }
  print_other_names();
  return 0;
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
    if (outputs[i].requires_grad()) total += (outputs[i] * outputs[i]).sum();
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

int print_modules() {
  for (const auto& [name, make] : cases()) std::cout << name << "\n" << make().module << "\n\n";
  return 0;
}

int roundtrip(const char* name, const char* in, const char* out) {
  const auto found = cases().find(name);
  CLEW_CHECK(found != cases().end(), ValueError, "roundtrip: expected a known case, got '", name, "'");
  const Case c = found->second();
  load(c.module, in);
  save(c.module, out);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string what = argc > 1 ? argv[1] : "";
  if (argc == 2 && what == "names") return print_names();
  if (argc == 2 && what == "print") return print_modules();
  if (argc == 4 && what == "run") return run(argv[2], argv[3]);
  if (argc == 5 && what == "roundtrip") return roundtrip(argv[2], argv[3], argv[4]);
  if (argc == 4 && what == "train") return train(argv[2], argv[3]);
  if (argc == 4 && what == "rates") return rates(argv[2], argv[3]);
  if (argc == 4 && what == "init") return initialize(argv[2], argv[3]);
  std::fputs(
      "usage: clew_frontend names | print | run IN OUT | roundtrip CASE IN OUT | train|rates|init IN OUT\n",
      stderr);
  return 2;
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
