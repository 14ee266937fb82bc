// Recurrent layers over the fused ops.
#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "clew/nn/module.h"
#include "clew/nn/utils.h"

namespace clew::nn {

using utils::rnn::PackedSequence;

struct RecurrentOptions {
  int64_t input_size, hidden_size;
  int64_t num_layers = 1;
  bool bias = true, batch_first = false;
  double dropout = 0;  // between layers, in training
  bool bidirectional = false;
  TensorOptions options = {};
};

/// What RNN, LSTM and GRU share: parameters weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 (and so on for
/// further layers, `_reverse` for the other direction), all from U(-k, k) with k = 1 / sqrt(hidden_size).
/// Input (T, B, features), (B, T, features) with batch_first, (T, features), or packed; states (num_layers *
/// directions, B, hidden_size).
class CLEW_API Recurrent : public Module {
 public:
  void reset_parameters() const;
  RecurrentOptions options;
  /// The parameters in the order of registration.
  TensorList weights;

 protected:
  Recurrent(std::string kind, int64_t gates, int64_t proj_size, const RecurrentOptions& o);
  // The input with a batch, checked; and the states of zeros where none is given.
  Tensor batched(const Tensor& input) const;
  Tensor state(const char* what, const Tensor& given, const Tensor& input, int64_t width,
               bool had_batch) const;
  Tensor unbatched(const Tensor& output, bool had_batch) const;
  static Tensor unbatched_state(const Tensor& s, bool had_batch);
  // A state for packed sequences, in their order; and one that comes out, in the order of the batch.
  Tensor packed_state(const char* what, const Tensor& given, const PackedSequence& input,
                      int64_t width) const;
  static Tensor in_given_order(const Tensor& s, const PackedSequence& input);

  int64_t proj_size_;
};

struct RNNOptions {
  int64_t input_size, hidden_size;
  int64_t num_layers = 1;
  std::string nonlinearity = "tanh";  // or "relu"
  bool bias = true, batch_first = false;
  double dropout = 0;
  bool bidirectional = false;
  TensorOptions options = {};
};
/// h = tanh(W_ih x + b_ih + W_hh h + b_hh). Returns (output, last state).
class CLEW_API RNN : public Recurrent {
 public:
  explicit RNN(const RNNOptions& o);
  RNN(int64_t input_size, int64_t hidden_size) : RNN(RNNOptions{input_size, hidden_size}) {}
  std::pair<Tensor, Tensor> forward(const Tensor& input, const Tensor& hx = {}) const;
  std::pair<Tensor, Tensor> operator()(const Tensor& input, const Tensor& hx = {}) const {
    return run_module(*this, input, hx);
  }
  std::pair<PackedSequence, Tensor> forward(const PackedSequence& input, const Tensor& hx = {}) const;
  std::pair<PackedSequence, Tensor> operator()(const PackedSequence& input, const Tensor& hx = {}) const {
    return run_module(*this, input, hx);
  }

 private:
  bool relu_;
};

/// Gates r, z, n with n = tanh(W x + b + r * (U h + c)). Returns (output, last state).
/// Reference: Cho et al. 2014. arXiv:1406.1078.
class CLEW_API GRU : public Recurrent {
 public:
  explicit GRU(const RecurrentOptions& o) : Recurrent("GRU", 3, 0, o) {}
  GRU(int64_t input_size, int64_t hidden_size) : GRU(RecurrentOptions{input_size, hidden_size}) {}
  std::pair<Tensor, Tensor> forward(const Tensor& input, const Tensor& hx = {}) const;
  std::pair<Tensor, Tensor> operator()(const Tensor& input, const Tensor& hx = {}) const {
    return run_module(*this, input, hx);
  }
  std::pair<PackedSequence, Tensor> forward(const PackedSequence& input, const Tensor& hx = {}) const;
  std::pair<PackedSequence, Tensor> operator()(const PackedSequence& input, const Tensor& hx = {}) const {
    return run_module(*this, input, hx);
  }
};

struct LSTMOptions {
  int64_t input_size, hidden_size;
  int64_t num_layers = 1;
  bool bias = true, batch_first = false;
  double dropout = 0;
  bool bidirectional = false;
  int64_t proj_size = 0;  // features of h after a projection; 0 for none
  TensorOptions options = {};
};
/// Gates i, f, g, o. Returns (output, (h, c)). Reference: Hochreiter, Schmidhuber. Long short-term memory.
/// 1997.
class CLEW_API LSTM : public Recurrent {
 public:
  using State = std::pair<Tensor, Tensor>;
  explicit LSTM(const LSTMOptions& o);
  LSTM(int64_t input_size, int64_t hidden_size) : LSTM(LSTMOptions{input_size, hidden_size}) {}
  std::pair<Tensor, State> forward(const Tensor& input, const State& hx = {}) const;
  std::pair<Tensor, State> operator()(const Tensor& input, const State& hx = {}) const {
    return run_module(*this, input, hx);
  }
  std::pair<PackedSequence, State> forward(const PackedSequence& input, const State& hx = {}) const;
  std::pair<PackedSequence, State> operator()(const PackedSequence& input, const State& hx = {}) const {
    return run_module(*this, input, hx);
  }
};

struct RNNCellOptions {
  int64_t input_size, hidden_size;
  bool bias = true;
  std::string nonlinearity = "tanh";  // or "relu"; RNNCell only
  TensorOptions options = {};
};

/// What RNNCell, LSTMCell and GRUCell share: one step of the layer, parameters weight_ih, weight_hh, bias_ih,
/// bias_hh from U(-k, k) with k = 1 / sqrt(hidden_size). Input (B, input_size) or (input_size,), states (B,
/// hidden_size) or (hidden_size,), zeros where none is given.
class CLEW_API RecurrentCell : public Module {
 public:
  void reset_parameters() const;
  RNNCellOptions options;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;

 protected:
  RecurrentCell(std::string kind, int64_t gates, const RNNCellOptions& o);
  std::pair<Tensor, Tensor> run(const char* mode, const Tensor& input, const Tensor& h,
                                const Tensor& c) const;
};

/// h' = tanh(W_ih x + b_ih + W_hh h + b_hh).
class CLEW_API RNNCell : public RecurrentCell {
 public:
  explicit RNNCell(const RNNCellOptions& o);
  RNNCell(int64_t input_size, int64_t hidden_size) : RNNCell(RNNCellOptions{input_size, hidden_size}) {}
  Tensor forward(const Tensor& input, const Tensor& hx = {}) const;
  Tensor operator()(const Tensor& input, const Tensor& hx = {}) const { return run_module(*this, input, hx); }
};
/// h' = (1 - z) * n + z * h.
class CLEW_API GRUCell : public RecurrentCell {
 public:
  explicit GRUCell(const RNNCellOptions& o) : RecurrentCell("GRUCell", 3, o) {}
  GRUCell(int64_t input_size, int64_t hidden_size) : GRUCell(RNNCellOptions{input_size, hidden_size}) {}
  Tensor forward(const Tensor& input, const Tensor& hx = {}) const;
  Tensor operator()(const Tensor& input, const Tensor& hx = {}) const { return run_module(*this, input, hx); }
};
/// c' = f * c + i * g, h' = o * tanh(c'). Returns (h', c').
class CLEW_API LSTMCell : public RecurrentCell {
 public:
  using State = std::pair<Tensor, Tensor>;
  explicit LSTMCell(const RNNCellOptions& o) : RecurrentCell("LSTMCell", 4, o) {}
  LSTMCell(int64_t input_size, int64_t hidden_size) : LSTMCell(RNNCellOptions{input_size, hidden_size}) {}
  State forward(const Tensor& input, const State& hx = {}) const;
  State operator()(const Tensor& input, const State& hx = {}) const { return run_module(*this, input, hx); }
};

}  // namespace clew::nn
