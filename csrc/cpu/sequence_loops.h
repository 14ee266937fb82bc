// The inner loops of recurrent layers and attention: raw pointers, one thread, built once per instruction
// set. Each exists for float and double.
#pragma once

#include <cstdint>
#include <type_traits>

namespace clew::cpu {

/// C = alpha * A B (+ C when accumulating), where B: (k, n) was packed into panels. Element (i, p) of A
/// stands at a[i * row_a + p * col_a]. Each element of C is one sum in the order of p, whatever the number of
/// rows: callers may split rows over threads.
struct PanelProduct {
  int64_t rows, n, k;
  int64_t row_a, col_a;
  int64_t ld_c;
  int64_t panel_stride;  // elements from one panel of B to the next: k * panel_width when B is used whole
  double alpha;
  bool accumulate;
};
using PanelProductLoop = void (*)(void* c, const void* a, const void* panels, const PanelProduct& p);
/// Packs B: (k, n), element (p, j) at b[p * row_b + j * col_b], into panels of panel_width columns that hold
/// their rows one after the other; the last panel is filled up with zeros.
using PackLoop = void (*)(void* panels, const void* b, int64_t k, int64_t n, int64_t row_b, int64_t col_b);

/// Gates of an LSTM: rows of (i, f, g, o), each h wide, before and after their functions; in place.
/// c = f * c_prev + i * g, out = o * tanh(c).
using LstmForwardLoop = void (*)(void* gates, const void* c_prev, void* c, void* out, int64_t rows,
                                 int64_t h);
/// dgates from the gradient dh of out; dc is the gradient of c coming in and that of c_prev going out.
using LstmBackwardLoop = void (*)(void* dgates, void* dc, const void* dh, const void* gates,
                                  const void* c_prev, const void* c, int64_t rows, int64_t h);
/// out = o * tanh(c), as the forward loop had it.
using LstmOutputLoop = void (*)(void* out, const void* gates, const void* c, int64_t rows, int64_t h);
/// GRU: gx and gh are rows of (r, z, n); `bias` (3h) of gh may be null. saved gets rows of (r, z, n, gh_n).
using GruForwardLoop = void (*)(void* saved, const void* gx, const void* gh, const void* bias,
                                const void* h_prev, void* out, int64_t rows, int64_t h);
/// dgx and dgh from dh; dh becomes the part of the gradient of h_prev that does not pass through the gates.
using GruBackwardLoop = void (*)(void* dgx, void* dgh, void* dh, const void* saved, const void* h_prev,
                                 int64_t rows, int64_t h);
/// x = tanh(x) or max(x, 0), in place; and g * its derivative, from the result y.
using ActivationLoop = void (*)(void* x, int64_t n, bool relu);
using ActivationBackwardLoop = void (*)(void* out, const void* g, const void* y, int64_t n, bool relu);

/// An additive (or, with is_bool, a keeping) mask of one row; the elements are `stride` apart.
struct MaskRow {
  const void* data;
  int64_t stride;
  bool is_bool;
};
/// One row of a block of scores. The mask comes on top of n elements, then the online softmax: the running
/// maximum and sum move on and s becomes exp(s - maximum). Returns what earlier terms are to be scaled by.
using AttentionRowLoop = double (*)(void* s, int64_t n, const MaskRow& mask, double* maximum, double* sum);
/// s becomes p = exp(s + mask - logsumexp), and d becomes p * (d * keep - delta); `keep`, the factors of
/// dropout, may be null. Where the row is whole, delta may be null: it is the sum of p * d * keep, and p is
/// made to sum to 1.
using AttentionBackwardRowLoop = void (*)(void* s, void* d, int64_t n, const MaskRow& mask, double logsumexp,
                                          const double* delta, const void* keep);
/// x *= factor over n elements; x *= y.
using ScaleLoop = void (*)(void* x, int64_t n, double factor);
using MultiplyLoop = void (*)(void* x, const void* y, int64_t n);
using DotLoop = double (*)(const void* a, const void* b, int64_t n);

struct SequenceLoops {
  int64_t panel_width;
  PackLoop pack;
  PanelProductLoop product;
  LstmForwardLoop lstm_forward;
  LstmBackwardLoop lstm_backward;
  LstmOutputLoop lstm_output;
  GruForwardLoop gru_forward;
  GruBackwardLoop gru_backward;
  ActivationLoop activation;
  ActivationBackwardLoop activation_backward;
  AttentionRowLoop attention_row;
  AttentionBackwardRowLoop attention_backward_row;
  ScaleLoop scale;
  MultiplyLoop multiply;
  DotLoop dot;

  int64_t panels(int64_t n) const { return (n + panel_width - 1) / panel_width; }
  /// Elements of a packed (k, n).
  int64_t packed_size(int64_t k, int64_t n) const { return panels(n) * panel_width * k; }
};

/// The loops of this machine's instruction set for float or double.
const SequenceLoops& sequence_loops(bool is_double);
template <class T>
const SequenceLoops& sequence_loops() {
  static_assert(std::is_floating_point_v<T>);
  return sequence_loops(std::is_same_v<T, double>);
}

}  // namespace clew::cpu
