#include "clew/nn/recurrent.h"

#include <cmath>
#include <sstream>

#include "clew/nn/init.h"
#include "clew/ops/ops.h"
#include "nn/text.h"

namespace clew::nn {
namespace {

std::string describe(const RecurrentOptions& o, int64_t proj_size) {
  std::ostringstream s;
  s << o.input_size << ", " << o.hidden_size;
  if (proj_size != 0) s << ", proj_size=" << proj_size;
  if (o.num_layers != 1) s << ", num_layers=" << o.num_layers;
  if (!o.bias) s << ", bias=False";
  if (o.batch_first) s << ", batch_first=True";
  if (o.dropout != 0) s << ", dropout=" << spelled(o.dropout);
  if (o.bidirectional) s << ", bidirectional=True";
  return s.str();
}

}  // namespace

Recurrent::Recurrent(std::string kind, int64_t gates, int64_t proj_size, const RecurrentOptions& o)
    : Module(std::move(kind), describe(o, proj_size)), options(o), proj_size_(proj_size) {
  const std::string& name = this->kind();
  CLEW_CHECK(o.hidden_size > 0 && o.num_layers > 0, ValueError, name,
             ": expected hidden_size and num_layers > 0, got ", o.hidden_size, " and ", o.num_layers);
  CLEW_CHECK(o.dropout >= 0 && o.dropout <= 1, ValueError, name, ": expected dropout in [0, 1], got ",
             o.dropout);
  CLEW_CHECK(proj_size >= 0 && proj_size < o.hidden_size, ValueError, name,
             ": expected proj_size in [0, hidden_size), got ", proj_size);
  const int64_t out = proj_size != 0 ? proj_size : o.hidden_size, directions = o.bidirectional ? 2 : 1;
  const int64_t width = gates * o.hidden_size;
  for (int64_t layer = 0; layer < o.num_layers; ++layer) {
    const int64_t features = layer == 0 ? o.input_size : out * directions;
    for (int64_t direction = 0; direction < directions; ++direction) {
      const std::string suffix = "_l" + std::to_string(layer) + (direction == 0 ? "" : "_reverse");
      const auto add = [&](const char* what, IntArrayRef shape) {
        weights.push_back(register_parameter(what + suffix, empty(shape, o.options)));
      };
      add("weight_ih", {width, features});
      add("weight_hh", {width, out});
      if (o.bias) {
        add("bias_ih", {width});
        add("bias_hh", {width});
      }
      if (proj_size != 0) add("weight_hr", {proj_size, o.hidden_size});
    }
  }
  reset_parameters();
}

void Recurrent::reset_parameters() const {
  const double bound = 1 / std::sqrt(static_cast<double>(options.hidden_size));
  for (const Tensor& p : weights) init::uniform_(p, -bound, bound);
}

Tensor Recurrent::batched(const Tensor& input) const {
  CLEW_CHECK(input.dim() == 2 || input.dim() == 3, ShapeError, kind(),
             ": expected input of shape (T, features) or ",
             options.batch_first ? "(B, T, features)" : "(T, B, features)", ", got ", input.sizes());
  CLEW_CHECK(input.size(-1) == options.input_size, ShapeError, kind(), ": expected ", options.input_size,
             " features (input_size), got ", input.size(-1), " (input ", input.sizes(), ")");
  return input.dim() == 3 ? input : unsqueeze(input, options.batch_first ? 0 : 1);
}

Tensor Recurrent::state(const char* what, const Tensor& given, const Tensor& input, int64_t width,
                        bool had_batch) const {
  const int64_t cells = options.num_layers * (options.bidirectional ? 2 : 1);
  const int64_t batch = input.size(options.batch_first ? 0 : 1);
  if (!given.defined()) return zeros({cells, batch, width}, input.options());
  const Shape want = had_batch ? Shape{cells, batch, width} : Shape{cells, width};
  CLEW_CHECK(given.sizes() == IntArrayRef(want), ShapeError, kind(), ": expected ", what, " of shape ", want,
             ", got ", given.sizes());
  return had_batch ? given : unsqueeze(given, 1);
}

Tensor Recurrent::packed_state(const char* what, const Tensor& given, const PackedSequence& input,
                               int64_t width) const {
  CLEW_CHECK(input.data.defined() && input.data.dim() == 2 && input.data.size(1) == options.input_size,
             ShapeError, kind(), ": expected packed steps of ", options.input_size,
             " features (input_size), got ", input.data.defined() ? input.data.sizes() : IntArrayRef());
  const int64_t cells = options.num_layers * (options.bidirectional ? 2 : 1);
  const int64_t batch = input.batch_sizes.select(0, 0).item<int64_t>();
  if (!given.defined()) return zeros({cells, batch, width}, input.data.options());
  CLEW_CHECK(given.sizes() == IntArrayRef({cells, batch, width}), ShapeError, kind(), ": expected ", what,
             " of shape ", IntArrayRef({cells, batch, width}), ", got ", given.sizes());
  return input.sorted_indices.defined() ? index_select(given, 1, input.sorted_indices) : given;
}

Tensor Recurrent::in_given_order(const Tensor& s, const PackedSequence& input) {
  return input.unsorted_indices.defined() ? index_select(s, 1, input.unsorted_indices) : s;
}

Tensor Recurrent::unbatched(const Tensor& output, bool had_batch) const {
  return had_batch ? output : squeeze(output, IntArrayRef({options.batch_first ? 0 : 1}));
}
Tensor Recurrent::unbatched_state(const Tensor& s, bool had_batch) {
  return had_batch ? s : squeeze(s, IntArrayRef({1}));
}

RNN::RNN(const RNNOptions& o)
    : Recurrent("RNN", 1, 0,
                {o.input_size, o.hidden_size, o.num_layers, o.bias, o.batch_first, o.dropout, o.bidirectional,
                 o.options}),
      relu_(o.nonlinearity == "relu") {
  CLEW_CHECK(relu_ || o.nonlinearity == "tanh", ValueError,
             "RNN: expected nonlinearity 'tanh' or 'relu', got '", o.nonlinearity, "'");
}

std::pair<Tensor, Tensor> RNN::forward(const Tensor& input, const Tensor& hx) const {
  const bool had_batch = input.dim() == 3;
  const Tensor x = batched(input);
  const Tensor h = state("hx", hx, x, options.hidden_size, had_batch);
  const auto run = relu_ ? static_cast<decltype(&signatures::rnn_tanh)>(&rnn_relu)
                         : static_cast<decltype(&signatures::rnn_tanh)>(&rnn_tanh);
  const auto [y, last] = run(x, h, weights, options.bias, options.num_layers, options.dropout, is_training(),
                             options.bidirectional, options.batch_first);
  return {unbatched(y, had_batch), unbatched_state(last, had_batch)};
}

std::pair<Tensor, Tensor> GRU::forward(const Tensor& input, const Tensor& hx) const {
  const bool had_batch = input.dim() == 3;
  const Tensor x = batched(input);
  const Tensor h = state("hx", hx, x, options.hidden_size, had_batch);
  const auto [y, last] = gru(x, h, weights, options.bias, options.num_layers, options.dropout, is_training(),
                             options.bidirectional, options.batch_first);
  return {unbatched(y, had_batch), unbatched_state(last, had_batch)};
}

namespace {
PackedSequence with_data(const PackedSequence& input, Tensor data) {
  PackedSequence out = input;
  out.data = std::move(data);
  return out;
}
}  // namespace

std::pair<PackedSequence, Tensor> RNN::forward(const PackedSequence& input, const Tensor& hx) const {
  const Tensor h = packed_state("hx", hx, input, options.hidden_size);
  const auto run = relu_ ? static_cast<decltype(&signatures::rnn_tanh_packed)>(&rnn_relu)
                         : static_cast<decltype(&signatures::rnn_tanh_packed)>(&rnn_tanh);
  const auto [y, last] = run(input.data, input.batch_sizes, h, weights, options.bias, options.num_layers,
                             options.dropout, is_training(), options.bidirectional);
  return {with_data(input, y), in_given_order(last, input)};
}

std::pair<PackedSequence, Tensor> GRU::forward(const PackedSequence& input, const Tensor& hx) const {
  const Tensor h = packed_state("hx", hx, input, options.hidden_size);
  const auto [y, last] = gru(input.data, input.batch_sizes, h, weights, options.bias, options.num_layers,
                             options.dropout, is_training(), options.bidirectional);
  return {with_data(input, y), in_given_order(last, input)};
}

LSTM::LSTM(const LSTMOptions& o)
    : Recurrent("LSTM", 4, o.proj_size,
                {o.input_size, o.hidden_size, o.num_layers, o.bias, o.batch_first, o.dropout, o.bidirectional,
                 o.options}) {}

std::pair<Tensor, LSTM::State> LSTM::forward(const Tensor& input, const State& hx) const {
  const bool had_batch = input.dim() == 3;
  const Tensor x = batched(input);
  const Tensor state_of[] = {
      state("h0", hx.first, x, proj_size_ != 0 ? proj_size_ : options.hidden_size, had_batch),
      state("c0", hx.second, x, options.hidden_size, had_batch)};
  const auto [y, h, c] = lstm(x, state_of, weights, options.bias, options.num_layers, options.dropout,
                              is_training(), options.bidirectional, options.batch_first);
  return {unbatched(y, had_batch), {unbatched_state(h, had_batch), unbatched_state(c, had_batch)}};
}

std::pair<PackedSequence, LSTM::State> LSTM::forward(const PackedSequence& input, const State& hx) const {
  const Tensor state_of[] = {
      packed_state("h0", hx.first, input, proj_size_ != 0 ? proj_size_ : options.hidden_size),
      packed_state("c0", hx.second, input, options.hidden_size)};
  const auto [y, h, c] = lstm(input.data, input.batch_sizes, state_of, weights, options.bias,
                              options.num_layers, options.dropout, is_training(), options.bidirectional);
  return {with_data(input, y), {in_given_order(h, input), in_given_order(c, input)}};
}

}  // namespace clew::nn
