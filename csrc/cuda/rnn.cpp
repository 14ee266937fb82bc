// One layer of a recurrent network in one direction: matrix products with cells between them.
//
// Rows of `input` and `output` are packed: step t holds batch(t) rows from offset(t), the longest sequences
// first. float16 and bfloat16 are computed in float32.
#include "cuda/rnn.h"

#include <algorithm>
#include <vector>

#include "clew/autograd/grad_mode.h"
#include "clew/dispatch/apply.h"
#include "cuda/copy.h"
#include "cuda/cublaslt.h"
#include "cuda/gemm.h"
#include "cuda/kernels.h"

namespace clew::cuda {
namespace {

enum class Cell : uint8_t { Lstm, Gru, Tanh, Relu };

struct Steps {
  int64_t count = 0, rows = 0, batch;  // rows: of all steps together
  bool reverse, packed;
  std::vector<int64_t> batches, offsets;

  Steps(const Tensor& input, const std::optional<Tensor>& batch_sizes, const Tensor& h0, bool reverse_)
      : batch(h0.sizes()[0]), reverse(reverse_), packed(batch_sizes.has_value()) {
    if (batch_sizes) {
      const Tensor here = batch_sizes->to(kCPU);  // waits for the device
      const int64_t* b = here.data<int64_t>();
      batches.assign(b, b + here.numel());
    } else {
      batches.assign(static_cast<size_t>(input.sizes()[0]), batch);
    }
    count = static_cast<int64_t>(batches.size());
    for (int64_t b : batches) {
      offsets.push_back(rows);
      rows += b;
    }
    const int64_t have = input.dim() == 2 ? input.sizes()[0] : input.sizes()[0] * input.sizes()[1];
    bool falling = count > 0 && batches[0] == batch && batches.back() > 0;
    for (size_t t = 1; t < batches.size(); ++t) falling = falling && batches[t] <= batches[t - 1];
    CLEW_CHECK(rows == have && (falling || !batch_sizes), ValueError,
               "rnn: expected batch_sizes that start at ", batch, ", never grow, and add up to ", have,
               " rows, got a sum of ", rows, " in ", count, " steps");
  }
  int64_t at(int64_t i) const { return reverse ? count - 1 - i : i; }  // the i-th step that is computed
  int64_t size(int64_t t) const { return batches[static_cast<size_t>(t)]; }
  int64_t offset(int64_t t) const { return offsets[static_cast<size_t>(t)]; }

  /// Calls f(first row of the step, end row, its first row in all rows, step of the state before) for the
  /// rows whose state comes from another step, then for those that begin (-1).
  template <class F>
  void parts(int64_t i, F&& f) const {
    const int64_t t = at(i), end = size(t), before = i == 0 ? -1 : at(i - 1);
    const int64_t known = before < 0 ? 0 : std::min(end, size(before));
    if (known > 0) f(int64_t{0}, known, offset(t), before);
    if (known < end) f(known, end, offset(t) + known, int64_t{-1});
  }
};

/// Products, cells and copies of one layer, in one dtype on one stream.
class Layer {
 public:
  Layer(const Tensor& like, DType dtype) : launch_(like), like_(like), dtype_(dtype) {}

  /// `t` as the layer computes, in memory of its own if need be.
  Tensor ready(const Tensor& t) const {
    if (t.dtype() == dtype_) return t;
    const Tensor wide = new_tensor(like_, t.sizes(), dtype_);
    copy_tensor(wide, t);
    return wide;
  }
  std::optional<Tensor> ready(const std::optional<Tensor>& t) const {
    return t && t->defined() ? std::optional(ready(*t)) : std::nullopt;
  }
  /// Where to compute what ends in `t`.
  Tensor room(const Tensor& t) const {
    return t.dtype() == dtype_ ? t : new_tensor(like_, t.sizes(), dtype_);
  }
  Tensor fresh(int64_t rows, int64_t width) const { return new_tensor(like_, {rows, width}, dtype_); }

  char* row(const Tensor& t, int64_t r) const {
    return static_cast<char*>(t.raw_data()) + r * t.sizes().back() * item();
  }
  int64_t item() const { return static_cast<int64_t>(item_size(dtype_)); }

  /// C (m, n) = A B (+ C); C's rows lie side by side.
  void product(void* c, int64_t m, int64_t n, int64_t k, const Gemm::Operand& a, const Gemm::Operand& b,
               bool accumulate) const {
    if (m == 0 || n == 0) return;
    const Gemm gemm{.a = a,
                    .b = b,
                    .c = c,
                    .c_row = n,
                    .c_batch = 0,
                    .batch = 1,
                    .m = m,
                    .n = n,
                    .k = k,
                    .alpha = 1,
                    .beta = accumulate ? 1.0 : 0.0,
                    .integer_alpha = 0,
                    .integer_beta = 0};
    if (!run_cublaslt(dtype_, gemm, nullptr, launch_)) run_gemm(dtype_, gemm, launch_.stream());
  }
  void copy_rows(void* to, const void* from, int64_t rows, int64_t width) const {
    if (rows * width > 0)
      driver().copy(to, from, static_cast<size_t>(rows * width * item()), launch_.stream());
  }
  void clear(const Tensor& t) const {
    if (t.nbytes() > 0) driver().fill_bytes(t.raw_data(), 0, t.nbytes(), launch_.stream());
  }
  void cell(CellKind kind, const CellPlan& plan) const { run_cell(kind, dtype_, plan, launch_.stream()); }
  void add(void* to, const void* from, int64_t numel) const {
    run_add(dtype_, to, from, numel, launch_.stream());
  }
  void bias_rows(void* rows, int64_t count, int64_t width, const void* a, const void* b) const {
    run_bias_rows(dtype_, rows, count, width, a, b, launch_.stream());
  }

 private:
  Launch launch_;
  Tensor like_;
  DType dtype_;
};

struct Sizes {
  Cell cell;
  int64_t in, hidden, out, gates;  // gates: width of all gates together
  Sizes(const Tensor& input, const Tensor& h0, const Tensor& w_hh, std::string_view mode)
      : cell(mode == "lstm"   ? Cell::Lstm
             : mode == "gru"  ? Cell::Gru
             : mode == "tanh" ? Cell::Tanh
                              : Cell::Relu),
        in(input.sizes().back()),
        hidden(w_hh.sizes()[0] / (cell == Cell::Lstm  ? 4
                                  : cell == Cell::Gru ? 3
                                                      : 1)),
        out(h0.sizes()[1]),
        gates(w_hh.sizes()[0]) {}
};

DType wide_of(DType t) { return t == DType::Float64 ? t : DType::Float32; }
const void* data_or_null(const std::optional<Tensor>& t) { return t ? t->raw_data() : nullptr; }

Gemm::Operand rows_of(const void* data, int64_t width) { return {data, width, 1, 0}; }
Gemm::Operand transposed(const void* data, int64_t width) { return {data, 1, width, 0}; }

// What a forward pass leaves for the way back: LSTM (i, f, g, o) and c, GRU (r, z, n, gh_n), per row.
struct Reserve {
  char *gates, *cells;
  Reserve(const Tensor& bytes, const Steps& s, const Sizes& z, int64_t item)
      : gates(static_cast<char*>(bytes.raw_data())), cells(gates + s.rows * 4 * z.hidden * item) {}
};

void rnn_layer_cuda(TensorList& results, const Tensor& input, const Tensor& h0,
                    const std::optional<Tensor>& c0, const Tensor& w_ih, const Tensor& w_hh,
                    const std::optional<Tensor>& b_ih, const std::optional<Tensor>& b_hh,
                    const std::optional<Tensor>& w_hr, const std::optional<Tensor>& batch_sizes,
                    std::string_view mode, bool reverse) {
  const Steps s(input, batch_sizes, h0, reverse);
  const Sizes z(input, h0, w_hh, mode);
  if (s.batch == 0) return;
  const Layer run(input, wide_of(input.dtype()));
  const Tensor x = run.ready(input), h_first = run.ready(h0), wi = run.ready(w_ih), wh = run.ready(w_hh);
  const std::optional<Tensor> c_first = run.ready(c0), bi = run.ready(b_ih), bh = run.ready(b_hh),
                              wr = run.ready(w_hr);
  const Tensor output = run.room(results[0]), h_n = run.room(results[1]), c_n = run.room(results[2]);
  const int64_t H = z.hidden, G = z.gates, item = run.item();
  const Reserve reserve(results[3], s, z, item);
  // Gates of the input, where the steps will complete them.
  const Tensor own = z.cell == Cell::Gru ? run.fresh(s.rows, G) : Tensor();
  char* gx = z.cell == Cell::Lstm  ? reserve.gates
             : z.cell == Cell::Gru ? static_cast<char*>(own.raw_data())
                                   : static_cast<char*>(output.raw_data());
  const void* hidden_bias = z.cell == Cell::Gru ? nullptr : data_or_null(bh);
  const bool bias = bi || hidden_bias != nullptr;
  if (bias) run.bias_rows(gx, s.rows, G, data_or_null(bi), hidden_bias);
  run.product(gx, s.rows, G, z.in, rows_of(x.raw_data(), z.in), transposed(wi.raw_data(), z.in), bias);

  const Tensor spare = run.fresh(s.batch, std::max(G, H));
  char* out_rows = static_cast<char*>(output.raw_data());
  for (int64_t i = 0; i < s.count; ++i) {
    s.parts(i, [&](int64_t b, int64_t e, int64_t at, int64_t before) {
      const int64_t rows = e - b, from = before < 0 ? b : s.offset(before) + b;
      const char* h_prev =
          (before < 0 ? static_cast<char*>(h_first.raw_data()) : out_rows) + from * z.out * item;
      char* out = out_rows + at * z.out * item;
      CellPlan p{};
      p.rows = rows;
      p.hidden = H;
      p.h = out;
      if (z.cell == Cell::Lstm) {
        p.gates = gx + at * G * item;
        run.product(p.gates, rows, G, z.out, rows_of(h_prev, z.out), transposed(wh.raw_data(), z.out), true);
        p.c_prev = (before < 0 ? static_cast<char*>(c_first->raw_data()) : reserve.cells) + from * H * item;
        p.c = reserve.cells + at * H * item;
        if (wr) p.h = spare.raw_data();
        run.cell(CellKind::LstmForward, p);
        if (wr) run.product(out, rows, z.out, H, rows_of(p.h, H), transposed(wr->raw_data(), H), false);
      } else if (z.cell == Cell::Gru) {
        run.product(spare.raw_data(), rows, G, z.out, rows_of(h_prev, z.out),
                    transposed(wh.raw_data(), z.out), false);
        p.gates = reserve.gates + at * 4 * H * item;
        p.x = gx + at * G * item;
        p.y = spare.raw_data();
        p.bias = data_or_null(bh);
        p.h_prev = h_prev;
        run.cell(CellKind::GruForward, p);
      } else {
        run.product(out, rows, G, z.out, rows_of(h_prev, z.out), transposed(wh.raw_data(), z.out), true);
        run.cell(z.cell == Cell::Relu ? CellKind::Relu : CellKind::Tanh, p);
      }
    });
  }

  // A sequence ends where no later step has it.
  for (int64_t t = 0; t < s.count; ++t) {
    if (s.reverse && t > 0) break;
    const int64_t b = s.reverse || t + 1 == s.count ? 0 : s.size(t + 1), e = s.size(t);
    run.copy_rows(run.row(h_n, b), out_rows + (s.offset(t) + b) * z.out * item, e - b, z.out);
    if (z.cell == Cell::Lstm)
      run.copy_rows(run.row(c_n, b), reserve.cells + (s.offset(t) + b) * H * item, e - b, H);
  }
  const std::array<Tensor, 3> computed{output, h_n, c_n};
  for (size_t i = 0; i < 3; ++i) {
    if (!computed[i].is_same(results[i])) copy_tensor(results[i], computed[i]);
  }
}

/// The state before each row, aligned with the rows of all steps.
Tensor states_before(const Layer& run, const Steps& s, const Tensor& first, const Tensor& output, int64_t P) {
  const Tensor result = run.fresh(s.rows, P);
  if (!s.packed) {
    // All steps but one are those of the output, moved by one.
    const int64_t rest = s.rows - s.batch;
    run.copy_rows(run.row(result, s.reverse ? rest : 0), first.raw_data(), s.batch, P);
    run.copy_rows(run.row(result, s.reverse ? 0 : s.batch), run.row(output, s.reverse ? s.batch : 0), rest,
                  P);
    return result;
  }
  for (int64_t i = 0; i < s.count; ++i) {
    s.parts(i, [&](int64_t b, int64_t e, int64_t at, int64_t before) {
      run.copy_rows(run.row(result, at),
                    before < 0 ? run.row(first, b) : run.row(output, s.offset(before) + b), e - b, P);
    });
  }
  return result;
}

void rnn_layer_grad_cuda(TensorList& results, const std::optional<Tensor>& grad_output,
                         const std::optional<Tensor>& grad_h, const std::optional<Tensor>& grad_c,
                         const Tensor& output, const Tensor& reserve_bytes, const Tensor& input,
                         const Tensor& h0, const std::optional<Tensor>& c0, const Tensor& w_ih,
                         const Tensor& w_hh, const std::optional<Tensor>& w_hr,
                         const std::optional<Tensor>& batch_sizes, std::string_view mode, bool reverse, bool,
                         bool) {
  const Steps s(input, batch_sizes, h0, reverse);
  const Sizes z(input, h0, w_hh, mode);
  if (s.batch == 0) {
    for (const Tensor& t : results) {
      if (t.nbytes() > 0) fill_tensor("rnn_layer_grad", t, 0);
    }
    return;
  }
  const NoGradGuard no_grad;
  const Layer run(input, wide_of(input.dtype()));
  const Tensor y = run.ready(output), x = run.ready(input), h_first = run.ready(h0), wi = run.ready(w_ih),
               wh = run.ready(w_hh);
  const std::optional<Tensor> gy = run.ready(grad_output), gh = run.ready(grad_h), gc = run.ready(grad_c),
                              c_first = run.ready(c0), wr = run.ready(w_hr);
  TensorList own;
  for (const Tensor& t : results) own.push_back(run.room(t));
  const int64_t H = z.hidden, G = z.gates, P = z.out, item = run.item();
  const Reserve reserve(reserve_bytes, s, z, item);
  const bool gru = z.cell == Cell::Gru, lstm = z.cell == Cell::Lstm, projected = wr.has_value();
  const Tensor dgates = run.fresh(s.rows, G), dgates_h = gru ? run.fresh(s.rows, G) : dgates;
  // With a projection: gradients of the outputs and the states that were projected, for its own gradient.
  const Tensor d_out = projected ? run.fresh(s.rows, P) : Tensor(),
               states = projected ? run.fresh(s.rows, H) : Tensor(),
               d_state = projected ? run.fresh(s.batch, H) : Tensor();
  const Tensor &dh = own[1], &dc = own[2];  // carried from step to step; end as gradients of the first state
  if (gh) {
    run.copy_rows(dh.raw_data(), gh->raw_data(), s.batch, P);
  } else {
    run.clear(dh);
  }
  if (lstm && gc) run.copy_rows(dc.raw_data(), gc->raw_data(), s.batch, H);
  if (lstm && !gc) run.clear(dc);

  for (int64_t i = s.count - 1; i >= 0; --i) {
    s.parts(i, [&](int64_t b, int64_t e, int64_t at, int64_t before) {
      const int64_t rows = e - b, from = before < 0 ? b : s.offset(before) + b;
      char* d = run.row(dh, b);
      if (gy) run.add(d, static_cast<char*>(gy->raw_data()) + at * P * item, rows * P);
      CellPlan p{};
      p.rows = rows;
      p.hidden = H;
      p.h = d;
      p.dgates = run.row(dgates, at);
      if (lstm) {
        p.gates = reserve.gates + at * G * item;
        p.c = reserve.cells + at * H * item;
        p.c_prev = (before < 0 ? static_cast<char*>(c_first->raw_data()) : reserve.cells) + from * H * item;
        p.dc = run.row(dc, b);
        if (projected) {
          run.copy_rows(run.row(d_out, at), d, rows, P);
          p.h = run.row(states, at);
          run.cell(CellKind::LstmOutput, p);
          run.product(d_state.raw_data(), rows, H, P, rows_of(d, P), rows_of(wr->raw_data(), H), false);
          p.h = d_state.raw_data();
        }
        run.cell(CellKind::LstmBackward, p);
        run.product(d, rows, P, G, rows_of(p.dgates, G), rows_of(wh.raw_data(), P), false);
      } else if (gru) {
        p.gates = reserve.gates + at * 4 * H * item;
        p.dgates_h = run.row(dgates_h, at);
        p.h_prev = before < 0 ? run.row(h_first, from) : static_cast<char*>(y.raw_data()) + from * P * item;
        run.cell(CellKind::GruBackward, p);
        run.product(d, rows, P, G, rows_of(p.dgates_h, G), rows_of(wh.raw_data(), P), true);
      } else {
        p.y = static_cast<char*>(y.raw_data()) + at * P * item;
        run.cell(z.cell == Cell::Relu ? CellKind::ReluBackward : CellKind::TanhBackward, p);
        run.product(d, rows, P, G, rows_of(p.dgates, G), rows_of(wh.raw_data(), P), false);
      }
    });
  }

  // (m, n) = A^T B over all rows.
  const auto outer_sum = [&](const Tensor& to, const Tensor& a, const void* b, int64_t m, int64_t n) {
    run.product(to.raw_data(), m, n, s.rows, transposed(a.raw_data(), m), rows_of(b, n), false);
  };
  const Tensor h_before = states_before(run, s, h_first, y, P);
  outer_sum(own[4], dgates_h, h_before.raw_data(), G, P);
  outer_sum(own[3], dgates, x.raw_data(), G, z.in);
  if (projected) outer_sum(own[7], d_out, states.raw_data(), P, H);
  if (results[5].numel() > 0) {
    own[5] = sum(dgates, IntArrayRef{0});
    own[6] = gru ? sum(dgates_h, IntArrayRef{0}) : own[5];
  }
  if (results[0].numel() > 0)
    run.product(own[0].raw_data(), s.rows, z.in, G, rows_of(dgates.raw_data(), G),
                rows_of(wi.raw_data(), z.in), false);
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].numel() > 0 && !own[i].is_same(results[i])) copy_tensor(results[i], own[i]);
  }
}

}  // namespace

void register_rnn() {
  CLEW_CUDA_KERNEL(rnn_layer, rnn_layer_cuda);
  CLEW_CUDA_KERNEL(rnn_layer_grad, rnn_layer_grad_cuda);
}

}  // namespace clew::cuda
