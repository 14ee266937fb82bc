// One layer of a recurrent network in one direction.
//
// The product with the input is one large gemm. The time loop runs per block of sequences, each block on one
// thread through all steps: sequences do not depend on each other, and the panel product computes a row the
// same way in any company, so results do not depend on the blocks. Rows of `input` and `output` are packed:
// step t holds batch(t) rows from offset(t), the longest sequences first.
#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/gemm.h"
#include "cpu/scratch.h"
#include "cpu/sequence_loops.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

enum class Cell { Lstm, Gru, Tanh, Relu };

Cell cell_of(std::string_view mode) {
  return mode == "lstm" ? Cell::Lstm : mode == "gru" ? Cell::Gru : mode == "tanh" ? Cell::Tanh : Cell::Relu;
}

struct Steps {
  int64_t count, rows, batch;  // rows: of all steps together
  bool reverse;
  std::vector<int64_t> batches, offsets;

  Steps(const Tensor& input, const std::optional<Tensor>& batch_sizes, const Tensor& h0, bool reverse_)
      : batch(h0.sizes()[0]), reverse(reverse_) {
    if (batch_sizes) {
      const int64_t* b = batch_sizes->data<int64_t>();
      batches.assign(b, b + batch_sizes->numel());
    } else {
      batches.assign(static_cast<size_t>(input.sizes()[0]), batch);
    }
    count = static_cast<int64_t>(batches.size());
    rows = 0;
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

  /// Calls f(t, first row of the step, end row, its first row in all rows, first row of the state before).
  /// The state before is that of step `t_before`, or the initial one when t_before is -1.
  template <class F>
  void parts(int64_t i, int64_t first, int64_t last, F&& f) const {
    const int64_t t = at(i), end = std::min(last, size(t));
    const int64_t before = i == 0 ? -1 : at(i - 1);
    const int64_t known = before < 0 ? 0 : std::min(end, size(before));
    if (first < known) f(first, known, offset(t) + first, before);
    const int64_t fresh = std::max(first, known);
    if (fresh < end) f(fresh, end, offset(t) + fresh, int64_t{-1});
  }
};

struct Sizes {
  Cell cell;
  int64_t in, hidden, out, gates;  // gates: width of all gates together
  Sizes(const Tensor& input, const Tensor& h0, const Tensor& w_hh, Cell c)
      : cell(c),
        in(input.sizes().back()),
        hidden(w_hh.sizes()[0] / (c == Cell::Lstm  ? 4
                                  : c == Cell::Gru ? 3
                                                   : 1)),
        out(h0.sizes()[1]),
        gates(w_hh.sizes()[0]) {}
};

template <class T>
class Packed {
 public:
  /// B: (k, n), element (p, j) at b[p * row + j * col].
  Packed(const T* b, int64_t k, int64_t n, int64_t row, int64_t col)
      : loops_(sequence_loops<T>()), k_(k), n_(n), panels_(loops_.packed_size(k, n)) {
    loops_.pack(panels_.data(), b, k, n, row, col);
  }
  /// C = A B, A contiguous rows of k.
  void product(T* c, int64_t ld_c, const T* a, int64_t rows, bool accumulate) const {
    loops_.product(c, a, panels_.data(),
                   {rows, n_, k_, k_, 1, ld_c, k_ * loops_.panel_width, 1.0, accumulate});
  }

 private:
  const SequenceLoops& loops_;
  int64_t k_, n_;
  Scratch<T> panels_;
};

/// Sequences of one thread at least, so that a block is worth a thread.
int64_t sequence_grain(const Steps& s, const Sizes& z) {
  const int64_t work = std::max<int64_t>(s.rows / std::max<int64_t>(s.batch, 1) * z.gates * z.out, 1);
  return std::max<int64_t>(1, (int64_t{1} << 19) / work);
}

template <class T>
void add_bias(T* rows, int64_t count, int64_t n, const T* a, const T* b) {
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t j = 0; j < n; ++j)
      rows[r * n + j] = (a != nullptr ? a[j] : T(0)) + (b != nullptr ? b[j] : T(0));
  }
}

template <class T>
void copy_rows(T* to, const T* from, int64_t rows, int64_t n) {
  if (rows * n > 0) std::memcpy(to, from, static_cast<size_t>(rows * n) * sizeof(T));
}

// What a forward pass leaves for the way back: LSTM (i, f, g, o) and c, GRU (r, z, n, gh_n), per row.
template <class T>
struct Reserve {
  T *gates, *cells;
  Reserve(const Tensor& bytes, const Steps& s, const Sizes& z)
      : gates(static_cast<T*>(bytes.raw_data())), cells(gates + s.rows * 4 * z.hidden) {}
};

template <class T>
void forward(TensorList& results, const Steps& s, const Sizes& z, const T* input, const T* h0, const T* c0,
             const T* w_ih, const T* w_hh, const T* b_ih, const T* b_hh, const T* w_hr) {
  const SequenceLoops& loop = sequence_loops<T>();
  const ResultAs<T> output(results[0]), h_n(results[1]), c_n(results[2]);
  const Reserve<T> reserve(results[3], s, z);
  const int64_t H = z.hidden, G = z.gates;
  const bool plain = z.cell == Cell::Tanh || z.cell == Cell::Relu;
  // Gates of the input, where the steps will complete them.
  const Scratch<T> gx_own(z.cell == Cell::Gru ? s.rows * G : 0);
  T* gx = z.cell == Cell::Lstm ? reserve.gates : z.cell == Cell::Gru ? gx_own.data() : output.data();
  const bool bias = b_ih != nullptr || (b_hh != nullptr && z.cell != Cell::Gru);
  if (bias) {
    parallel_for(0, s.rows, std::max<int64_t>(1, kGrainMemory / G), [&](int64_t b, int64_t e) {
      add_bias(gx + b * G, e - b, G, b_ih, z.cell == Cell::Gru ? nullptr : b_hh);
    });
  }
  gemm(DTypeOf<T>::value, s.rows, G, z.in, 1, {input, std::max<int64_t>(z.in, 1), false},
       {w_ih, std::max<int64_t>(z.in, 1), true}, bias ? 1 : 0, gx, G);

  const Packed<T> recurrent(w_hh, z.out, G, 1, z.out);
  const Packed<T> projection(w_hr, w_hr != nullptr ? H : 0, w_hr != nullptr ? z.out : 0, 1, H);
  parallel_for(0, s.batch, sequence_grain(s, z), [&](int64_t first, int64_t last) {
    const Scratch<T> spare((last - first) * std::max(G, H));
    for (int64_t i = 0; i < s.count; ++i) {
      s.parts(i, first, last, [&](int64_t b, int64_t e, int64_t at, int64_t before) {
        const int64_t rows = e - b, from = before < 0 ? b : s.offset(before) + b;
        const T* h_prev = (before < 0 ? h0 : output.data()) + from * z.out;
        T* out = output.data() + at * z.out;
        T* g = gx + at * G;
        if (z.cell == Cell::Lstm) {
          recurrent.product(g, G, h_prev, rows, true);
          const T* c_prev = (before < 0 ? c0 : reserve.cells) + from * H;
          T* c = reserve.cells + at * H;
          loop.lstm_forward(g, c_prev, c, w_hr != nullptr ? spare.data() : out, rows, H);
          if (w_hr != nullptr) projection.product(out, z.out, spare.data(), rows, false);
        } else if (z.cell == Cell::Gru) {
          recurrent.product(spare.data(), G, h_prev, rows, false);
          loop.gru_forward(reserve.gates + at * 4 * H, g, spare.data(), b_hh, h_prev, out, rows, H);
        } else {
          recurrent.product(out, G, h_prev, rows, true);
          loop.activation(out, rows * H, z.cell == Cell::Relu);
        }
      });
    }
  });
  CLEW_ASSERT(!plain || gx == output.data());

  // A sequence ends where no later step has it.
  for (int64_t t = 0; t < s.count; ++t) {
    if (s.reverse && t > 0) break;
    const int64_t b = s.reverse || t + 1 == s.count ? 0 : s.size(t + 1), e = s.size(t);
    copy_rows(h_n.data() + b * z.out, output.data() + (s.offset(t) + b) * z.out, e - b, z.out);
    if (z.cell == Cell::Lstm) copy_rows(c_n.data() + b * H, reserve.cells + (s.offset(t) + b) * H, e - b, H);
  }
  output.store();
  h_n.store();
  c_n.store();
}

/// As<T> of an argument that may be missing.
template <class T>
const T* data_or_null(const std::optional<As<T>>& a) {
  return a ? a->data() : nullptr;
}
template <class T>
std::optional<As<T>> maybe(const std::optional<Tensor>& t) {
  if (!t || !t->defined()) return std::nullopt;
  return std::optional<As<T>>(std::in_place, *t);
}

void rnn_layer_cpu(TensorList& out, const Tensor& input, const Tensor& h0, const std::optional<Tensor>& c0,
                   const Tensor& w_ih, const Tensor& w_hh, const std::optional<Tensor>& b_ih,
                   const std::optional<Tensor>& b_hh, const std::optional<Tensor>& w_hr,
                   const std::optional<Tensor>& batch_sizes, std::string_view mode, bool reverse) {
  const Steps s(input, batch_sizes, h0, reverse);
  const Sizes z(input, h0, w_hh, cell_of(mode));
  if (s.batch == 0) return;
  dispatch_wide(input.dtype(), [&]<class T>() {
    const As<T> x(input), h(h0), wi(w_ih), wh(w_hh);
    const std::optional<As<T>> c = maybe<T>(c0), bi = maybe<T>(b_ih), bh = maybe<T>(b_hh),
                               wr = maybe<T>(w_hr);
    forward<T>(out, s, z, x.data(), h.data(), data_or_null(c), wi.data(), wh.data(), data_or_null(bi),
               data_or_null(bh), data_or_null(wr));
  });
}

/// Sums of the columns of (rows, n), in order.
template <class T>
void column_sums(T* out, const T* x, int64_t rows, int64_t n) {
  std::vector<double> sums(static_cast<size_t>(n), 0.0);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < n; ++j) sums[static_cast<size_t>(j)] += static_cast<double>(x[r * n + j]);
  }
  for (int64_t j = 0; j < n; ++j) out[j] = static_cast<T>(sums[static_cast<size_t>(j)]);
}

/// (m, n) = A^T B over `rows` rows of A: (rows, m) and B: (rows, n).
template <class T>
void outer_sum(T* out, const T* a, const T* b, int64_t rows, int64_t m, int64_t n) {
  gemm(DTypeOf<T>::value, m, n, rows, 1, {a, m, true}, {b, std::max<int64_t>(n, 1), false}, 0, out,
       std::max<int64_t>(n, 1));
}

template <class T>
struct BackwardArgs {
  const T *g_output, *g_h, *g_c;  // may be null
  const T *output, *input, *h0, *c0, *w_ih, *w_hh, *w_hr;
};

template <class T>
void backward(TensorList& results, const Tensor& reserve_bytes, const Steps& s, const Sizes& z,
              const BackwardArgs<T>& a) {
  const SequenceLoops& loop = sequence_loops<T>();
  const ResultAs<T> dx(results[0]), dh0(results[1]), dc0(results[2]), dw_ih(results[3]), dw_hh(results[4]),
      db_ih(results[5]), db_hh(results[6]), dw_hr(results[7]);
  const Reserve<T> reserve(reserve_bytes, s, z);
  const int64_t H = z.hidden, G = z.gates, P = z.out;
  const bool gru = z.cell == Cell::Gru, lstm = z.cell == Cell::Lstm, projected = a.w_hr != nullptr;
  const Scratch<T> dgates(s.rows * G), dgates_h(gru ? s.rows * G : 0);
  // With a projection: gradients of the outputs and the states that were projected, for its own gradient.
  const Scratch<T> d_out(projected ? s.rows * P : 0), states(projected ? s.rows * H : 0);
  T* dh = dh0.data();  // carried from step to step; ends as the gradient of the initial state
  T* dc = lstm ? dc0.data() : nullptr;
  if (a.g_h != nullptr) {
    copy_rows(dh, a.g_h, s.batch, P);
  } else {
    std::fill_n(dh, s.batch * P, T(0));
  }
  if (lstm && a.g_c != nullptr) copy_rows(dc, a.g_c, s.batch, H);
  if (lstm && a.g_c == nullptr) std::fill_n(dc, s.batch * H, T(0));

  const Packed<T> recurrent(a.w_hh, G, P, P, 1);
  const Packed<T> projection(a.w_hr, projected ? P : 0, projected ? H : 0, H, 1);
  const Scratch<T> h_before(s.rows * P);  // aligned with dgates, for the gradient of w_hh
  parallel_for(0, s.batch, sequence_grain(s, z), [&](int64_t first, int64_t last) {
    const Scratch<T> d_state(projected ? (last - first) * H : 0);
    for (int64_t i = s.count - 1; i >= 0; --i) {
      s.parts(i, first, last, [&](int64_t b, int64_t e, int64_t at, int64_t before) {
        const int64_t rows = e - b, from = before < 0 ? b : s.offset(before) + b;
        T* d = dh + b * P;
        if (a.g_output != nullptr) {
          for (int64_t j = 0; j < rows * P; ++j) d[j] += a.g_output[at * P + j];
        }
        const T* h_prev = (before < 0 ? a.h0 : a.output) + from * P;
        copy_rows(h_before.data() + at * P, h_prev, rows, P);
        T* g = dgates.data() + at * G;
        if (lstm) {
          const T* gates = reserve.gates + at * G;
          const T* c = reserve.cells + at * H;
          const T* c_prev = (before < 0 ? a.c0 : reserve.cells) + from * H;
          const T* state_grad = d;
          if (projected) {
            copy_rows(d_out.data() + at * P, d, rows, P);
            loop.lstm_output(states.data() + at * H, gates, c, rows, H);
            projection.product(d_state.data(), H, d, rows, false);
            state_grad = d_state.data();
          }
          loop.lstm_backward(g, dc + b * H, state_grad, gates, c_prev, c, rows, H);
          recurrent.product(d, P, g, rows, false);
        } else if (gru) {
          T* gh = dgates_h.data() + at * G;
          loop.gru_backward(g, gh, d, reserve.gates + at * 4 * H, h_prev, rows, H);
          recurrent.product(d, P, gh, rows, true);
        } else {
          loop.activation_backward(g, d, a.output + at * P, rows * H, z.cell == Cell::Relu);
          recurrent.product(d, P, g, rows, false);
        }
      });
    }
  });

  const T* hidden_gates = gru ? dgates_h.data() : dgates.data();
  outer_sum(dw_hh.data(), hidden_gates, h_before.data(), s.rows, G, P);
  outer_sum(dw_ih.data(), dgates.data(), a.input, s.rows, G, z.in);
  if (projected) outer_sum(dw_hr.data(), d_out.data(), states.data(), s.rows, P, H);
  if (results[5].numel() > 0) column_sums(db_ih.data(), dgates.data(), s.rows, G);
  if (results[6].numel() > 0) column_sums(db_hh.data(), hidden_gates, s.rows, G);
  if (results[0].numel() > 0) {
    gemm(DTypeOf<T>::value, s.rows, z.in, G, 1, {dgates.data(), G, false}, {a.w_ih, z.in, false}, 0,
         dx.data(), z.in);
  }
  for (const ResultAs<T>* r : {&dx, &dh0, &dc0, &dw_ih, &dw_hh, &db_ih, &db_hh, &dw_hr}) r->store();
}

void rnn_layer_grad_cpu(TensorList& out, const std::optional<Tensor>& grad_output,
                        const std::optional<Tensor>& grad_h, const std::optional<Tensor>& grad_c,
                        const Tensor& output, const Tensor& reserve, const Tensor& input, const Tensor& h0,
                        const std::optional<Tensor>& c0, const Tensor& w_ih, const Tensor& w_hh,
                        const std::optional<Tensor>& w_hr, const std::optional<Tensor>& batch_sizes,
                        std::string_view mode, bool reverse, bool, bool) {
  const Steps s(input, batch_sizes, h0, reverse);
  const Sizes z(input, h0, w_hh, cell_of(mode));
  if (s.batch == 0) {
    for (const Tensor& t : out) {
      if (t.nbytes() > 0) std::memset(t.raw_data(), 0, t.nbytes());
    }
    return;
  }
  dispatch_wide(input.dtype(), [&]<class T>() {
    const As<T> y(output), x(input), h(h0), wi(w_ih), wh(w_hh);
    const std::optional<As<T>> gy = maybe<T>(grad_output), gh = maybe<T>(grad_h), gc = maybe<T>(grad_c),
                               c = maybe<T>(c0), wr = maybe<T>(w_hr);
    backward<T>(out, reserve, s, z,
                {data_or_null(gy), data_or_null(gh), data_or_null(gc), y.data(), x.data(), h.data(),
                 data_or_null(c), wi.data(), wh.data(), data_or_null(wr)});
  });
}

}  // namespace
}  // namespace cpu

using namespace cpu;
CLEW_CPU_KERNEL(rnn_layer, rnn_layer_cpu);
CLEW_CPU_KERNEL(rnn_layer_grad, rnn_layer_grad_cpu);

}  // namespace clew
