// The cells of recurrent layers as plain data: what is done between the matrix products.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"

namespace clew::cuda {

/// One step of `rows` sequences with `hidden` units each, all contiguous by row. float32 or float64.
struct CellPlan {
  int64_t rows, hidden;
  void* gates;                   // lstm: (4 hidden) per row; gru: what is saved, (r, z, n, gh_n)
  const void* x;                 // gru: sums of the input, (3 hidden)
  const void* y;                 // gru: sums of the hidden state, (3 hidden); activations: the output
  const void* bias;              // gru: of the hidden state, (3 hidden) in all, or null
  const void* h_prev;            // gru
  const void* c_prev;            // lstm
  void* c;                       // lstm
  void* h;                       // forward: the output; backward: the gradient of it
  void *dgates, *dgates_h, *dc;  // backward
};
enum class CellKind : uint8_t {
  LstmForward,
  LstmOutput,  // h = o * tanh(c) once more
  LstmBackward,
  GruForward,
  GruBackward,
  Relu,
  ReluBackward,
  Tanh,
  TanhBackward
};
void run_cell(CellKind kind, DType dtype, const CellPlan& plan, Stream stream);

/// Rows of `width`, each a + b; either may be null.
void run_bias_rows(DType dtype, void* rows, int64_t count, int64_t width, const void* a, const void* b,
                   Stream stream);
/// to += from.
void run_add(DType dtype, void* to, const void* from, int64_t numel, Stream stream);

}  // namespace clew::cuda
