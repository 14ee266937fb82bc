#include <vector>

#include "clew/autograd/autograd.h"
#include "clew/autograd/grad_mode.h"
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

DType wide(DType t) { return t == DType::Float16 || t == DType::BFloat16 ? DType::Float32 : t; }

int64_t gates_of(std::string_view mode) {
  CLEW_CHECK(mode == "lstm" || mode == "gru" || mode == "tanh" || mode == "relu", ValueError,
             "rnn_layer: expected mode 'lstm', 'gru', 'tanh' or 'relu', got '", mode, "'");
  return mode == "lstm" ? 4 : mode == "gru" ? 3 : 1;
}

void check_argument(const char* name, const Tensor& t, IntArrayRef shape, DType dtype) {
  CLEW_CHECK(t.sizes() == shape, ShapeError, "rnn_layer: expected ", name, " of shape ", shape, ", got ",
             t.sizes());
  CLEW_CHECK(t.dtype() == dtype, DTypeError, "rnn_layer: expected ", name, " of dtype ", dtype,
             ", that of the input, got ", t.dtype(), " (convert one of them with to())");
}

std::vector<TensorMeta> rnn_layer_meta(const Tensor& input, const Tensor& h0, const std::optional<Tensor>& c0,
                                       const Tensor& w_ih, const Tensor& w_hh,
                                       const std::optional<Tensor>& b_ih, const std::optional<Tensor>& b_hh,
                                       const std::optional<Tensor>& w_hr,
                                       const std::optional<Tensor>& batch_sizes, std::string_view mode,
                                       bool) {
  const int64_t gates = gates_of(mode);
  const bool lstm = mode == "lstm";
  if (batch_sizes) {
    CLEW_CHECK(input.dim() == 2, ShapeError,
               "rnn_layer: expected packed input of shape (rows, features), got ", input.sizes());
    CLEW_CHECK(batch_sizes->dim() == 1 && batch_sizes->dtype() == DType::Int64, ShapeError,
               "rnn_layer: expected batch_sizes of shape (T,) and dtype int64, got ", batch_sizes->sizes(),
               " and ", batch_sizes->dtype());
  } else {
    CLEW_CHECK(input.dim() == 3, ShapeError, "rnn_layer: expected input of shape (T, B, features), got ",
               input.sizes());
  }
  const int64_t steps = batch_sizes ? batch_sizes->numel() : input.size(0);
  CLEW_CHECK(steps > 0, ValueError, "rnn_layer: expected a sequence of at least 1 step, got ", steps);
  CLEW_CHECK(h0.dim() == 2, ShapeError, "rnn_layer: expected h0 of shape (B, features), got ", h0.sizes());
  CLEW_CHECK(w_hh.dim() == 2 && w_hh.size(0) % gates == 0 && w_hh.size(0) > 0, ShapeError,
             "rnn_layer: expected w_hh of shape (", gates, " * hidden, features), got ", w_hh.sizes());
  const DType t = input.dtype();
  const int64_t width = w_hh.size(0), hidden = width / gates, out = h0.size(1);
  const int64_t batch = batch_sizes ? h0.size(0) : input.size(1);
  CLEW_CHECK(lstm || !w_hr, ValueError, "rnn_layer: expected w_hr with mode 'lstm' only, got mode '", mode,
             "'");
  CLEW_CHECK(lstm == c0.has_value(), ValueError, "rnn_layer: expected c0 with mode 'lstm' and no other, got ",
             c0 ? "a tensor" : "None", " with mode '", mode, "'");
  CLEW_CHECK(b_ih.has_value() == b_hh.has_value(), ValueError,
             "rnn_layer: expected b_ih and b_hh together, got only ", b_ih ? "b_ih" : "b_hh");
  check_argument("w_ih", w_ih, {width, input.size(-1)}, t);
  check_argument("w_hh", w_hh, {width, out}, t);
  check_argument("h0", h0, {batch, w_hr ? out : hidden}, t);
  if (c0) check_argument("c0", *c0, {batch, hidden}, t);
  if (b_ih) check_argument("b_ih", *b_ih, {width}, t);
  if (b_hh) check_argument("b_hh", *b_hh, {width}, t);
  if (w_hr) check_argument("w_hr", *w_hr, {out, hidden}, t);
  Shape result = input.sizes().vec();
  const int64_t rows = batch_sizes ? result[0] : result[0] * result[1];
  result.back() = out;
  const int64_t kept = (lstm ? 5 : mode == "gru" ? 4 : 0) * rows * hidden;
  return {TensorMeta{result, t}, TensorMeta{{batch, out}, t},
          TensorMeta{lstm ? Shape{batch, hidden} : Shape{0}, t},
          TensorMeta{{kept * static_cast<int64_t>(item_size(wide(t)))}, DType::UInt8}};
}

// --- the same out of ops ----------------------------------------------------------------------------

struct LayerArgs {
  Tensor input, h0;
  std::optional<Tensor> c0;
  Tensor w_ih, w_hh;
  std::optional<Tensor> b_ih, b_hh, w_hr, batch_sizes;
};

/// (output, h_n, c_n) of a layer, step by step.
TensorList composed_layer(const LayerArgs& a, std::string_view mode, bool reverse) {
  std::vector<int64_t> sizes, offsets;
  int64_t rows = 0;
  if (a.batch_sizes) {
    const Tensor here = a.batch_sizes->to(kCPU);
    const int64_t* b = here.data<int64_t>();
    sizes.assign(b, b + here.numel());
  } else {
    sizes.assign(static_cast<size_t>(a.input.size(0)), a.input.size(1));
  }
  for (int64_t n : sizes) {
    offsets.push_back(rows);
    rows += n;
  }
  const size_t steps = sizes.size();
  const bool lstm = mode == "lstm";
  const Tensor gx = reshape(linear(a.input, a.w_ih, a.b_ih), {rows, a.w_ih.size(0)});
  std::vector<Tensor> h(steps), c(steps);
  // The state before step t: of the rows that were there already, then of those that begin.
  auto before = [&](const std::vector<Tensor>& state, const Tensor& first, size_t t) {
    const bool begins = reverse ? t + 1 == steps : t == 0;
    const size_t from = reverse ? t + 1 : t - 1;
    const int64_t known = begins ? 0 : std::min(sizes[t], sizes[from]);
    if (known == 0) return narrow(first, 0, 0, sizes[t]);
    const Tensor old = narrow(state[from], 0, 0, known);
    return known == sizes[t] ? old : cat(TensorList{old, narrow(first, 0, known, sizes[t] - known)}, 0);
  };
  for (size_t i = 0; i < steps; ++i) {
    const size_t t = reverse ? steps - 1 - i : i;
    const Tensor x = narrow(gx, 0, offsets[t], sizes[t]);
    const Tensor h_prev = before(h, a.h0, t);
    const Tensor y = linear(h_prev, a.w_hh, a.b_hh);
    if (lstm) {
      const TensorList g = chunk(x + y, 4, 1);
      c[t] = sigmoid(g[1]) * before(c, *a.c0, t) + sigmoid(g[0]) * tanh(g[2]);
      h[t] = sigmoid(g[3]) * tanh(c[t]);
      if (a.w_hr) h[t] = linear(h[t], *a.w_hr);
    } else if (mode == "gru") {
      const TensorList gi = chunk(x, 3, 1), gh = chunk(y, 3, 1);
      const Tensor z = sigmoid(gi[1] + gh[1]);
      const Tensor n = tanh(gi[2] + sigmoid(gi[0] + gh[0]) * gh[2]);
      h[t] = n + z * (h_prev - n);
    } else {
      h[t] = mode == "tanh" ? tanh(x + y) : relu(x + y);
    }
  }
  auto final = [&](const std::vector<Tensor>& state) {
    TensorList ends;
    int64_t known = 0;
    for (size_t t = steps; t-- > 0;) {
      if (reverse && t > 0) continue;
      if (sizes[t] > known) ends.push_back(narrow(state[t], 0, known, sizes[t] - known));
      known = std::max(known, sizes[t]);
    }
    return cat(ends, 0);
  };
  Shape result = a.input.sizes().vec();
  result.back() = a.h0.size(1);
  return {reshape(cat(TensorList(h.begin(), h.end()), 0), result), final(h), lstm ? final(c) : Tensor()};
}

/// Gradients through composed_layer, themselves with gradients.
GradList composed_layer_grad(const Backward& ctx, TensorListRef g) {
  std::array<std::optional<Tensor>, 9> args;
  TensorList wanted;
  for (int i = 0; i < 9; ++i) {
    if (!ctx.has_input(i)) continue;
    Tensor t = ctx.input(i);
    // An alias of its own, since one argument may have been computed from another.
    if (ctx.needs(i)) wanted.push_back(t = view(t, t.sizes()));
    args[static_cast<size_t>(i)] = t;
  }
  const LayerArgs a{*args[0], *args[1], args[2], *args[3], *args[4], args[5], args[6], args[7], args[8]};
  const TensorList results = composed_layer(a, ctx.arg<std::string_view>(9), ctx.arg<bool>(10));
  TensorList outputs, seeds;
  for (size_t i = 0; i < 3; ++i) {
    if (!g[i].defined() || !results[i].defined()) continue;
    outputs.push_back(results[i]);
    seeds.push_back(g[i]);
  }
  GradList grads(9);
  if (outputs.empty()) return grads;
  const TensorList found = autograd::grad(outputs, wanted, seeds, true, true, true);
  size_t next = 0;
  for (int i = 0; i < 9; ++i) {
    if (ctx.has_input(i) && ctx.needs(i)) grads[static_cast<size_t>(i)] = found[next++];
  }
  return grads;
}

}  // namespace

CLEW_OP_PAGE(rnn_layer) = {{
    .name = "rnn_layer",
    .doc = R"(One layer of a recurrent network in one direction.

    tanh, relu:  h = f(W_ih x + b_ih + W_hh h + b_hh)
    lstm, gru:   as in clew.lstm and clew.gru

Args:
    input: shape (T, B, features), or packed, (rows, features), with `batch_sizes`; floating point.
    h0: shape (B, out); `out` is hidden, or the width of w_hr.
    c0: shape (B, hidden), for lstm.
    w_ih, w_hh: shapes (gates * hidden, features) and (gates * hidden, out); 4 gates in lstm (i, f, g, o), 3 in
        gru (r, z, n), 1 in tanh and relu.
    b_ih, b_hh: shape (gates * hidden,), or None.
    w_hr: projection of lstm's output, shape (out, hidden), or None.
    batch_sizes: how many sequences have a step t, never growing; int64, shape (T,), or None.
    mode: "lstm", "gru", "tanh" or "relu".
    reverse: from the last step to the first.
Returns:
    (output, h_n, c_n, reserve): output of shape (T, B, out) or (rows, out); the last states (c_n is empty but for
    lstm); bytes for the way back.
Raises:
    clew.ShapeError: the shapes do not fit together.
    ValueError: no step, or batch_sizes that grow or do not add up.
Example:
    >>> x, h0, w = clew.ones(2, 1, 1), clew.zeros(1, 1), clew.ones(1, 1)
    >>> clew.ops.rnn_layer(x, h0, None, w, w, None, None, None, None, "relu", False)[0].flatten().tolist()
    [1.0, 2.0]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Low,
    .meta = rnn_layer_meta,
    .kernel = &rnn_layer_kernel,
    .saves = kSavesNothing.inputs_from(0).output(0).output(3),
    .grads = [](const Backward& ctx, TensorListRef g) -> GradList {
      if (is_grad_enabled()) return composed_layer_grad(ctx, g);
      auto maybe = [&](int i) { return ctx.has_input(i) ? std::optional(ctx.input(i)) : std::nullopt; };
      auto given = [&](size_t i) { return g[i].defined() ? std::optional(g[i]) : std::nullopt; };
      const bool biases = ctx.has_input(5);
      const auto mode = ctx.arg<std::string_view>(9);
      const TensorList d =
          rnn_layer_grad(given(0), given(1), mode == "lstm" ? given(2) : std::nullopt, ctx.output(0),
                         ctx.output(3), ctx.input(0), ctx.input(1), maybe(2), ctx.input(3), ctx.input(4),
                         maybe(7), maybe(8), mode, ctx.arg<bool>(10), ctx.needs(0), biases);
      GradList grads(9);
      for (int i = 0; i < 8; ++i) {
        if (ctx.needs(i)) grads[static_cast<size_t>(i)] = d[static_cast<size_t>(i)];
      }
      return grads;
    },
}};
TensorList rnn_layer(const Tensor& input, const Tensor& h0, const std::optional<Tensor>& c0,
                     const Tensor& w_ih, const Tensor& w_hh, const std::optional<Tensor>& b_ih,
                     const std::optional<Tensor>& b_hh, const std::optional<Tensor>& w_hr,
                     const std::optional<Tensor>& batch_sizes, std::string_view mode, bool reverse) {
  return apply(rnn_layer_op, input, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, batch_sizes, mode, reverse);
}

static std::vector<TensorMeta> rnn_layer_grad_meta(
    const std::optional<Tensor>& grad_output, const std::optional<Tensor>& grad_h,
    const std::optional<Tensor>& grad_c, const Tensor& output, const Tensor& reserve, const Tensor& input,
    const Tensor& h0, const std::optional<Tensor>& c0, const Tensor& w_ih, const Tensor& w_hh,
    const std::optional<Tensor>& w_hr, const std::optional<Tensor>& batch_sizes, std::string_view mode,
    bool reverse, bool input_grad, bool biases) {
  const std::vector<TensorMeta> metas =
      rnn_layer_meta(input, h0, c0, w_ih, w_hh, std::nullopt, std::nullopt, w_hr, batch_sizes, mode, reverse);
  const DType t = input.dtype();
  check_argument("output", output, metas[0].shape, t);
  check_argument("reserve", reserve, metas[3].shape, DType::UInt8);
  if (grad_output) check_argument("grad_output", *grad_output, metas[0].shape, t);
  if (grad_h) check_argument("grad_h", *grad_h, metas[1].shape, t);
  if (grad_c) check_argument("grad_c", *grad_c, metas[2].shape, t);
  const TensorMeta none{{0}, t}, bias = biases ? TensorMeta{{w_hh.size(0)}, t} : none;
  return {input_grad ? input.meta() : none,
          h0.meta(),
          c0 ? c0->meta() : none,
          w_ih.meta(),
          w_hh.meta(),
          bias,
          bias,
          w_hr ? w_hr->meta() : none};
}

CLEW_OP_PAGE(rnn_layer_grad) = {{
    .name = "rnn_layer_grad",
    .doc = R"(Gradients of rnn_layer from what it returned.

Args:
    grad_output, grad_h, grad_c: gradients of output, h_n and c_n; None for zero.
    output, reserve: what rnn_layer returned.
    input, h0, c0, w_ih, w_hh, w_hr, batch_sizes, mode, reverse: as in rnn_layer.
    input_grad: whether the gradient of `input` is wanted.
    biases: whether there were biases.
Returns:
    Gradients of (input, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr); empty where there is none.
Raises:
    clew.ShapeError: the shapes do not fit together.
Example:
    >>> x, h0, w = clew.ones(1, 1, 1), clew.zeros(1, 1), clew.ones(1, 1)
    >>> y, _, _, r = clew.ops.rnn_layer(x, h0, None, w, w, None, None, None, None, "relu", False)
    >>> g = clew.ops.rnn_layer_grad(y, None, None, y, r, x, h0, None, w, w, None, None, "relu", False, True, False)
    >>> g[0].tolist()
    [[[1.0]]]
)",
    .dtypes = kFloating,
    .dtype_slot = 5,
    .layout = Layout::Contiguous,
    .meta = rnn_layer_grad_meta,
    .kernel = &rnn_layer_grad_kernel,
    .not_differentiable = "rnn_layer's gradient is composed of other ops when a graph of it is wanted",
}};
TensorList rnn_layer_grad(const std::optional<Tensor>& grad_output, const std::optional<Tensor>& grad_h,
                          const std::optional<Tensor>& grad_c, const Tensor& output, const Tensor& reserve,
                          const Tensor& input, const Tensor& h0, const std::optional<Tensor>& c0,
                          const Tensor& w_ih, const Tensor& w_hh, const std::optional<Tensor>& w_hr,
                          const std::optional<Tensor>& batch_sizes, std::string_view mode, bool reverse,
                          bool input_grad, bool biases) {
  return apply(rnn_layer_grad_op, grad_output, grad_h, grad_c, output, reserve, input, h0, c0, w_ih, w_hh,
               w_hr, batch_sizes, mode, reverse, input_grad, biases);
}

// --- whole networks ---------------------------------------------------------------------------------

namespace {

struct Network {
  const char* op;
  std::string_view mode;
  bool has_biases;
  int64_t num_layers;
  double dropout_p;
  bool train, bidirectional;

  /// (output, h_n, c_n) for input (T, B, features) or packed; h0 and c0 of shape (layers * directions, B,
  /// width).
  Tensor3 run(Tensor x, const std::optional<Tensor>& batch_sizes, const Tensor& h0,
              const std::optional<Tensor>& c0, TensorListRef params) const {
    const int64_t directions = bidirectional ? 2 : 1, cells = num_layers * directions;
    CLEW_CHECK(num_layers > 0, ValueError, op, ": expected num_layers > 0, got ", num_layers);
    CLEW_CHECK(dropout_p >= 0 && dropout_p <= 1, ValueError, op, ": expected dropout in [0, 1], got ",
               dropout_p);
    CLEW_CHECK(h0.dim() == 3 && h0.size(0) == cells, ShapeError, op, ": expected h0 of shape (", cells,
               ", B, features), got ", h0.sizes(), " (", num_layers, " layers, ", directions, " directions)");
    CLEW_CHECK(!c0 || (c0->dim() == 3 && c0->size(0) == cells), ShapeError, op, ": expected c0 of shape (",
               cells, ", B, hidden), got ", c0 ? c0->sizes() : IntArrayRef());
    const auto each = static_cast<int64_t>(params.size()) / cells;
    const int64_t least = has_biases ? 4 : 2;
    CLEW_CHECK(static_cast<int64_t>(params.size()) == each * cells &&
                   (each == least || (each == least + 1 && mode == "lstm")),
               ValueError, op, ": expected ", least, " parameters per layer and direction", " (",
               cells * least, mode == "lstm" ? ", more with projections" : "", "), got ", params.size());
    for (const Tensor& p : params)
      CLEW_CHECK(p.defined(), ValueError, op, ": expected tensors in params, got None");
    // The sizes of a packed sequence stand on the CPU; ops want their tensors on one device.
    const std::optional<Tensor> sizes =
        batch_sizes ? std::optional(batch_sizes->to(x.device())) : std::nullopt;
    TensorList hs, cs;
    for (int64_t layer = 0; layer < num_layers; ++layer) {
      TensorList outputs;
      for (int64_t d = 0; d < directions; ++d) {
        const int64_t cell = layer * directions + d;
        const Tensor* p = params.data() + cell * each;
        auto bias = [&](int i) { return has_biases ? std::optional(p[i]) : std::nullopt; };
        const TensorList r = rnn_layer(
            x, select(h0, 0, cell), c0 ? std::optional(select(*c0, 0, cell)) : std::nullopt, p[0], p[1],
            bias(2), bias(3), each > least ? std::optional(p[least]) : std::nullopt, sizes, mode, d == 1);
        outputs.push_back(r[0]);
        hs.push_back(r[1]);
        cs.push_back(r[2]);
      }
      x = directions == 1 ? outputs[0] : cat(outputs, -1);
      if (layer + 1 < num_layers) x = dropout(x, dropout_p, train);
    }
    return {x, stack(hs, 0), c0 ? stack(cs, 0) : Tensor()};
  }
  Tensor3 run_batch(const Tensor& input, const Tensor& h0, const std::optional<Tensor>& c0,
                    TensorListRef params, bool batch_first) const {
    CLEW_CHECK(input.dim() == 3, ShapeError, op, ": expected input of shape ",
               batch_first ? "(B, T, features)" : "(T, B, features)", ", got ", input.sizes());
    Tensor3 r = run(batch_first ? transpose(input, 0, 1) : input, std::nullopt, h0, c0, params);
    if (batch_first) std::get<0>(r) = transpose(std::get<0>(r), 0, 1);
    return r;
  }
};

void check_states(TensorListRef hx) {
  CLEW_CHECK(hx.size() == 2 && hx[0].defined() && hx[1].defined(), ValueError,
             "lstm: expected hx as (h0, c0), got ", hx.size(), " tensors");
}

}  // namespace

CLEW_OP_PAGE(lstm) = {{
    .name = "lstm",
    .doc = R"(A long short-term memory network over a batch of sequences; what nn.LSTM calls.

    i, f, o = sigmoid(W_i x + b_i + W_hi h + b_hi), ...
    g = tanh(W_g x + b_g + W_hg h + b_hg)
    c = f * c + i * g
    h = o * tanh(c), or W_hr (o * tanh(c)) with projections

Args:
    input: shape (T, B, features), or (B, T, features) with batch_first; floating point.
    hx: (h0, c0), shapes (layers * directions, B, out) and (layers * directions, B, hidden).
    params: w_ih, w_hh, then b_ih, b_hh with has_biases, then w_hr with projections, for each layer and
        direction; see ops.rnn_layer for their shapes.
    has_biases: whether params has biases.
    num_layers: how many layers; each reads the output of the one before.
    dropout: probability of zero between layers.
    train: whether dropout acts.
    bidirectional: whether each layer also reads from the end; the outputs of both stand side by side.
    batch_first: whether the batch comes first in input and output.
Returns:
    (output, h_n, c_n): output of shape (T, B, directions * out) or (B, T, directions * out); the last states.
Raises:
    clew.ShapeError: the shapes do not fit together.
Reference:
    Hochreiter, Schmidhuber. Long short-term memory. 1997.
Example:
    >>> x, h, w = clew.zeros(2, 1, 3), clew.zeros(1, 1, 1), [clew.ones(4, 3), clew.ones(4, 1)]
    >>> output, h_n, c_n = clew.lstm(x, (h, h), w, False, 1, 0.0, False, False, False)
    >>> output.flatten().tolist(), c_n.item()
    ([0.0, 0.0], 0.0)
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& input, TensorListRef hx, TensorListRef params, bool has_biases,
                    int64_t num_layers, double dropout_p, bool train, bool bidirectional,
                    bool batch_first) -> Tensor3 {
      check_states(hx);
      const Network n{"lstm", "lstm", has_biases, num_layers, dropout_p, train, bidirectional};
      return n.run_batch(input, hx[0], hx[1], params, batch_first);
    },
}};
Tensor3 lstm(const Tensor& input, TensorListRef hx, TensorListRef params, bool has_biases, int64_t num_layers,
             double dropout, bool train, bool bidirectional, bool batch_first) {
  return apply(lstm_op, input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
               batch_first);
}

CLEW_OP_PAGE(lstm_packed) = {{
    .name = "lstm.packed",
    .doc = R"(The same over sequences of different lengths, packed.

Args:
    data: the steps of all sequences, longest sequence first, step by step; shape (rows, features).
    batch_sizes: how many sequences have a step t; int64, shape (T,).
    hx, params, has_biases, num_layers, dropout, train, bidirectional: as above.
Returns:
    (output, h_n, c_n): output of shape (rows, directions * out).
Raises:
    ValueError: batch_sizes that grow or do not add up.
Example:
    >>> x, h, w = clew.zeros(3, 1), clew.zeros(1, 2, 1), [clew.ones(4, 1), clew.ones(4, 1)]
    >>> clew.lstm(x, clew.tensor([2, 1]), (h, h), w, False, 1, 0.0, False, False)[0].flatten().tolist()
    [0.0, 0.0, 0.0]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& data, const Tensor& batch_sizes, TensorListRef hx, TensorListRef params,
                    bool has_biases, int64_t num_layers, double dropout_p, bool train,
                    bool bidirectional) -> Tensor3 {
      check_states(hx);
      const Network n{"lstm", "lstm", has_biases, num_layers, dropout_p, train, bidirectional};
      return n.run(data, batch_sizes, hx[0], hx[1], params);
    },
}};
Tensor3 lstm(const Tensor& data, const Tensor& batch_sizes, TensorListRef hx, TensorListRef params,
             bool has_biases, int64_t num_layers, double dropout, bool train, bool bidirectional) {
  return apply(lstm_packed_op, data, batch_sizes, hx, params, has_biases, num_layers, dropout, train,
               bidirectional);
}

// gru, rnn_tanh and rnn_relu differ in their cell only.

static constexpr const char kGruDoc[] =
    R"(A network of gated recurrent units over a batch of sequences; what nn.GRU calls.

    r, z = sigmoid(W_r x + b_r + W_hr h + b_hr), ...
    n = tanh(W_n x + b_n + r * (W_hn h + b_hn))
    h = (1 - z) * n + z * h

Args:
    input: shape (T, B, features), or (B, T, features) with batch_first; floating point.
    hx: h0, shape (layers * directions, B, hidden).
    params: w_ih, w_hh, then b_ih, b_hh with has_biases, for each layer and direction; see ops.rnn_layer.
    has_biases, num_layers, dropout, train, bidirectional, batch_first: as in lstm.
Returns:
    (output, h_n): output of shape (T, B, directions * hidden) or (B, T, directions * hidden); the last state.
Raises:
    clew.ShapeError: the shapes do not fit together.
Reference:
    Cho et al. Learning Phrase Representations using RNN Encoder-Decoder. 2014. arXiv:1406.1078.
Example:
    >>> x, h, w = clew.zeros(2, 1, 3), clew.ones(1, 1, 1), [clew.zeros(3, 3), clew.zeros(3, 1)]
    >>> clew.gru(x, h, w, False, 1, 0.0, False, False, False)[0].flatten().tolist()
    [0.5, 0.25]
)";

static constexpr const char kTanhDoc[] =
    R"(A plain recurrent network with tanh over a batch of sequences; what nn.RNN calls.

    h = tanh(W x + b + W_h h + b_h)

Args:
    input: shape (T, B, features), or (B, T, features) with batch_first; floating point.
    hx: h0, shape (layers * directions, B, hidden).
    params: w_ih, w_hh, then b_ih, b_hh with has_biases, for each layer and direction; see ops.rnn_layer.
    has_biases, num_layers, dropout, train, bidirectional, batch_first: as in lstm.
Returns:
    (output, h_n): output of shape (T, B, directions * hidden) or (B, T, directions * hidden); the last state.
Raises:
    clew.ShapeError: the shapes do not fit together.
Example:
    >>> x, h, w = clew.zeros(2, 1, 3), clew.zeros(1, 1, 1), [clew.ones(1, 3), clew.ones(1, 1)]
    >>> clew.rnn_tanh(x, h, w, False, 1, 0.0, False, False, False)[0].flatten().tolist()
    [0.0, 0.0]
)";

static constexpr const char kReluDoc[] =
    R"(A plain recurrent network with max(x, 0) over a batch of sequences; what nn.RNN calls.

    h = max(W x + b + W_h h + b_h, 0)

Args:
    input: shape (T, B, features), or (B, T, features) with batch_first; floating point.
    hx: h0, shape (layers * directions, B, hidden).
    params: w_ih, w_hh, then b_ih, b_hh with has_biases, for each layer and direction; see ops.rnn_layer.
    has_biases, num_layers, dropout, train, bidirectional, batch_first: as in lstm.
Returns:
    (output, h_n): output of shape (T, B, directions * hidden) or (B, T, directions * hidden); the last state.
Raises:
    clew.ShapeError: the shapes do not fit together.
Example:
    >>> x, h, w = clew.ones(2, 1, 1), clew.zeros(1, 1, 1), [clew.ones(1, 1), clew.ones(1, 1)]
    >>> clew.rnn_relu(x, h, w, False, 1, 0.0, False, False, False)[0].flatten().tolist()
    [1.0, 2.0]
)";

static constexpr const char kGruPackedDoc[] = R"(The same over sequences of different lengths, packed.

Args:
    data: the steps of all sequences, longest sequence first, step by step; shape (rows, features).
    batch_sizes: how many sequences have a step t; int64, shape (T,).
    hx, params, has_biases, num_layers, dropout, train, bidirectional: as above.
Returns:
    (output, h_n): output of shape (rows, directions * hidden).
Raises:
    ValueError: batch_sizes that grow or do not add up.
Example:
    >>> x, h, w = clew.zeros(3, 1), clew.zeros(1, 2, 1), [clew.ones(3, 1), clew.ones(3, 1)]
    >>> clew.gru(x, clew.tensor([2, 1]), h, w, False, 1, 0.0, False, False)[0].flatten().tolist()
    [0.0, 0.0, 0.0]
)";

static constexpr const char kTanhPackedDoc[] = R"(The same over sequences of different lengths, packed.

Args:
    data: the steps of all sequences, longest sequence first, step by step; shape (rows, features).
    batch_sizes: how many sequences have a step t; int64, shape (T,).
    hx, params, has_biases, num_layers, dropout, train, bidirectional: as above.
Returns:
    (output, h_n): output of shape (rows, directions * hidden).
Raises:
    ValueError: batch_sizes that grow or do not add up.
Example:
    >>> x, h, w = clew.zeros(3, 1), clew.zeros(1, 2, 1), [clew.ones(1, 1), clew.ones(1, 1)]
    >>> clew.rnn_tanh(x, clew.tensor([2, 1]), h, w, False, 1, 0.0, False, False)[0].flatten().tolist()
    [0.0, 0.0, 0.0]
)";

static constexpr const char kReluPackedDoc[] = R"(The same over sequences of different lengths, packed.

Args:
    data: the steps of all sequences, longest sequence first, step by step; shape (rows, features).
    batch_sizes: how many sequences have a step t; int64, shape (T,).
    hx, params, has_biases, num_layers, dropout, train, bidirectional: as above.
Returns:
    (output, h_n): output of shape (rows, directions * hidden).
Raises:
    ValueError: batch_sizes that grow or do not add up.
Example:
    >>> x, h, w = clew.zeros(3, 1), clew.zeros(1, 2, 1), [clew.ones(1, 1), clew.ones(1, 1)]
    >>> clew.rnn_relu(x, clew.tensor([2, 1]), h, w, False, 1, 0.0, False, False)[0].flatten().tolist()
    [0.0, 0.0, 0.0]
)";

#define CLEW_RECURRENT(id, mode_, doc_, packed_doc_)                                                         \
  CLEW_OP_PAGE(id) = {{                                                                                      \
      .name = #id,                                                                                           \
      .doc = doc_,                                                                                           \
      .dtypes = kFloating,                                                                                   \
      .composite = [](const Tensor& input, const Tensor& hx, TensorListRef params, bool has_biases,          \
                      int64_t num_layers, double dropout_p, bool train, bool bidirectional,                  \
                      bool batch_first) -> Tensor2 {                                                         \
        const Network n{#id, mode_, has_biases, num_layers, dropout_p, train, bidirectional};                \
        const Tensor3 r = n.run_batch(input, hx, std::nullopt, params, batch_first);                         \
        return {std::get<0>(r), std::get<1>(r)};                                                             \
      },                                                                                                     \
  }};                                                                                                        \
  Tensor2 id(const Tensor& input, const Tensor& hx, TensorListRef params, bool has_biases,                   \
             int64_t num_layers, double dropout, bool train, bool bidirectional, bool batch_first) {         \
    return apply(id##_op, input, hx, params, has_biases, num_layers, dropout, train, bidirectional,          \
                 batch_first);                                                                               \
  }                                                                                                          \
  CLEW_OP_PAGE(id##_packed) = {{                                                                             \
      .name = #id ".packed",                                                                                 \
      .doc = packed_doc_,                                                                                    \
      .dtypes = kFloating,                                                                                   \
      .composite = [](const Tensor& data, const Tensor& batch_sizes, const Tensor& hx, TensorListRef params, \
                      bool has_biases, int64_t num_layers, double dropout_p, bool train,                     \
                      bool bidirectional) -> Tensor2 {                                                       \
        const Network n{#id, mode_, has_biases, num_layers, dropout_p, train, bidirectional};                \
        const Tensor3 r = n.run(data, batch_sizes, hx, std::nullopt, params);                                \
        return {std::get<0>(r), std::get<1>(r)};                                                             \
      },                                                                                                     \
  }};                                                                                                        \
  Tensor2 id(const Tensor& data, const Tensor& batch_sizes, const Tensor& hx, TensorListRef params,          \
             bool has_biases, int64_t num_layers, double dropout, bool train, bool bidirectional) {          \
    return apply(id##_packed_op, data, batch_sizes, hx, params, has_biases, num_layers, dropout, train,      \
                 bidirectional);                                                                             \
  }

CLEW_RECURRENT(gru, "gru", kGruDoc, kGruPackedDoc)
CLEW_RECURRENT(rnn_tanh, "tanh", kTanhDoc, kTanhPackedDoc)
CLEW_RECURRENT(rnn_relu, "relu", kReluDoc, kReluPackedDoc)
#undef CLEW_RECURRENT

}  // namespace clew
