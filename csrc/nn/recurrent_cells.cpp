// One step of a recurrent layer at a time.
#include <cmath>
#include <sstream>

#include "clew/nn/init.h"
#include "clew/nn/recurrent.h"
#include "clew/ops/ops.h"

namespace clew::nn {
namespace {

std::string describe(const RNNCellOptions& o) {
  std::ostringstream s;
  s << o.input_size << ", " << o.hidden_size;
  if (!o.bias) s << ", bias=False";
  if (o.nonlinearity != "tanh") s << ", nonlinearity=" << o.nonlinearity;
  return s.str();
}

std::optional<Tensor> maybe(const Tensor& t) { return t.defined() ? std::optional<Tensor>(t) : std::nullopt; }

}  // namespace

RecurrentCell::RecurrentCell(std::string kind, int64_t gates, const RNNCellOptions& o)
    : Module(std::move(kind), describe(o)), options(o) {
  CLEW_CHECK(o.input_size >= 0 && o.hidden_size > 0, ValueError, this->kind(),
             ": expected input_size >= 0 and hidden_size > 0, got ", o.input_size, " and ", o.hidden_size);
  const int64_t width = gates * o.hidden_size;
  weight_ih = register_parameter("weight_ih", empty({width, o.input_size}, o.options));
  weight_hh = register_parameter("weight_hh", empty({width, o.hidden_size}, o.options));
  bias_ih = register_parameter("bias_ih", o.bias ? empty({width}, o.options) : Tensor());
  bias_hh = register_parameter("bias_hh", o.bias ? empty({width}, o.options) : Tensor());
  reset_parameters();
}

void RecurrentCell::reset_parameters() const {
  const double bound = 1 / std::sqrt(static_cast<double>(options.hidden_size));
  for (const Tensor& p : parameters()) init::uniform_(p, -bound, bound);
}

std::pair<Tensor, Tensor> RecurrentCell::run(const char* mode, const Tensor& input, const Tensor& h,
                                             const Tensor& c) const {
  CLEW_CHECK(input.dim() == 1 || input.dim() == 2, ShapeError, kind(),
             ": expected input of shape (input_size,) or (B, input_size), got ", input.sizes());
  CLEW_CHECK(input.size(-1) == options.input_size, ShapeError, kind(), ": expected ", options.input_size,
             " features (input_size), got ", input.size(-1), " (input ", input.sizes(), ")");
  const bool single = input.dim() == 1, lstm = std::string_view(mode) == "lstm";
  Shape want = input.sizes().vec();
  want.back() = options.hidden_size;
  const auto state = [&](const char* what, const Tensor& given) {
    if (!given.defined()) return zeros(want, input.options());
    CLEW_CHECK(given.sizes() == IntArrayRef(want), ShapeError, kind(), ": expected ", what, " of shape ",
               want, ", got ", given.sizes());
    return given;
  };
  const auto batched = [&](const Tensor& t) { return single ? unsqueeze(t, 0) : t; };
  const Tensor x = batched(input), h0 = batched(state("h", h));
  const std::optional<Tensor> c0 = lstm ? std::optional<Tensor>(batched(state("c", c))) : std::nullopt;
  const TensorList out = rnn_layer(unsqueeze(x, 0), h0, c0, weight_ih, weight_hh, maybe(bias_ih),
                                   maybe(bias_hh), std::nullopt, std::nullopt, mode, false);
  const auto plain = [&](const Tensor& t) { return single && t.defined() ? squeeze(t, 0) : t; };
  return {plain(out[1]), lstm ? plain(out[2]) : Tensor()};
}

RNNCell::RNNCell(const RNNCellOptions& o) : RecurrentCell("RNNCell", 1, o) {
  CLEW_CHECK(o.nonlinearity == "tanh" || o.nonlinearity == "relu", ValueError,
             "RNNCell: expected nonlinearity 'tanh' or 'relu', got '", o.nonlinearity, "'");
}
Tensor RNNCell::forward(const Tensor& input, const Tensor& hx) const {
  return run(options.nonlinearity.c_str(), input, hx, {}).first;
}
Tensor GRUCell::forward(const Tensor& input, const Tensor& hx) const {
  return run("gru", input, hx, {}).first;
}
LSTMCell::State LSTMCell::forward(const Tensor& input, const State& hx) const {
  return run("lstm", input, hx.first, hx.second);
}

}  // namespace clew::nn
