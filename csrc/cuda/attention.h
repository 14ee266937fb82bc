// Attention as plain data.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"

namespace clew::cuda {

struct AttentionPlan {
  /// A tensor (batch, heads, rows, columns) of any strides.
  struct Heads {
    const void* data;
    int64_t batch, head, row, column;
  };
  Heads query, key, value;
  Heads mask;                 // (batch, heads, queries, keys); without data: none
  Heads grad_output, output;  // (batch, heads, queries, value_width); gradients only
  int64_t batch, heads, queries, keys, width, value_width;
  double scale;
  bool mask_is_bool, causal;
  bool dropout;
  uint64_t threshold;                        // words of the generator below it are dropped
  double kept;                               // factor of what is not
  uint64_t seed, offset;                     // forward
  int64_t* rng;                              // forward writes seed and offset here, gradients read them
  void* logsumexp;                           // (batch, heads, queries), in what T's sums are kept in
  void* delta;                               // like logsumexp; gradients only
  void* result;                              // forward: (batch, queries, heads, value_width)
  void *grad_query, *grad_key, *grad_value;  // (batch, rows, heads, width)
  void* grad_mask;                           // like mask, contiguous; or null
};
void run_attention(DType dtype, const AttentionPlan& plan, Stream stream);
void run_attention_grad(DType dtype, const AttentionPlan& plan, Stream stream);
/// Writes the factors of attention's dropout, in order.
void run_attention_dropout(DType dtype, const AttentionPlan& plan, void* out, int64_t numel, Stream stream);

}  // namespace clew::cuda
