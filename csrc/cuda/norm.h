// Layer and batch normalization as plain data.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"

namespace clew::cuda {

/// Contiguous rows of n elements. Statistics are float, for float64 double; so are sums over rows.
struct LayerNormPlan {
  int64_t rows, n;
  double eps;
  const void* in;
  const void* weight;  // null: 1
  const void* bias;    // null: 0
  void* mean;
  void* rstd;
  void* out;          // for gradients that of the input; null: not wanted
  const void* grad;   // of the result
  void* grad_weight;  // null: not wanted
  void* grad_bias;
  int64_t chunk, chunks;  // of rows, for sums over them
  void* partials;         // (2, chunks, n)
};
/// `parameter` is the dtype of weight and bias: that of the input, or of the statistics.
void run_layer_norm(DType dtype, DType parameter, const LayerNormPlan& plan, Stream stream);
void run_layer_norm_grad(DType dtype, DType parameter, const LayerNormPlan& plan, Stream stream);

/// A contiguous tensor (n, channels, length) and what stands for each channel. Parameters, statistics and
/// factors are float, for float64 double.
struct ChannelPlan {
  int64_t n, channels, length;
  double eps;
  const void* in;
  const void* grad;    // of the result; null in the forward direction
  const void* weight;  // null: 1
  const void* bias;    // null: 0
  void* mean;
  void* var;
  void* out;
  void* grad_weight;  // null: not wanted
  void* grad_bias;
  void* factors;          // (3, channels): what the pass over all elements multiplies by and adds
  void* partials;         // (channels, chunks) pairs of double
  int64_t chunk, chunks;  // of the n * length elements of a channel
};
/// Mean, variance and factors of each channel.
void run_channel_stats(DType dtype, const ChannelPlan& plan, Stream stream);
/// Gradients of the parameters, and the factors of the input's gradient.
void run_channel_grads(DType dtype, const ChannelPlan& plan, Stream stream);
/// out = (in - mean) * factors[0] + factors[1]; without a mean, 0.
void run_channel_affine(DType dtype, const ChannelPlan& plan, Stream stream);
/// out = factors[0] * grad + (factors[1] * (in - mean) + factors[2])
void run_channel_input_grad(DType dtype, const ChannelPlan& plan, Stream stream);

}  // namespace clew::cuda
