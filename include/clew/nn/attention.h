// Attention and the transformer's encoder.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "clew/nn/container.h"
#include "clew/nn/layers.h"

namespace clew::nn {

struct MultiheadAttentionOptions {
  int64_t embed_dim, num_heads;
  double dropout = 0;
  bool bias = true;
  std::optional<int64_t> kdim = std::nullopt, vdim = std::nullopt;  // features of key and value; embed_dim
  bool batch_first = false;
  TensorOptions options = {};
};

/// Masks are bool (true: left out) or floating (added to the scores).
struct AttentionMasks {
  Tensor key_padding_mask = {};  // (B, S)
  Tensor attn_mask = {};         // (L, S) or (B * heads, L, S)
  bool is_causal = false;        // a hint that attn_mask is the causal mask
  bool need_weights = true, average_attn_weights = true;
};

/// head_i = softmax(q_i k_i^T / sqrt(E / heads) + masks) v_i; y = concat(heads) W_o^T + b_o. Query (L, B, E),
/// key and value (S, B, ...), with batch_first (B, L, E), ...; all without B as well. Returns (y, weights or
/// undefined). Reference: Vaswani et al. Attention Is All You Need. 2017. arXiv:1706.03762.
class CLEW_API MultiheadAttention : public Module {
 public:
  explicit MultiheadAttention(const MultiheadAttentionOptions& o);
  MultiheadAttention(int64_t embed_dim, int64_t num_heads)
      : MultiheadAttention(MultiheadAttentionOptions{embed_dim, num_heads}) {}
  std::pair<Tensor, Tensor> forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttentionMasks& masks = {}) const;
  std::pair<Tensor, Tensor> operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                                       const AttentionMasks& masks = {}) const {
    return run_module(*this, query, key, value, masks);
  }
  void reset_parameters() const;

  MultiheadAttentionOptions options;
  Tensor in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias;
  Linear out_proj;
};

struct TransformerEncoderLayerOptions {
  int64_t d_model, nhead;
  int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  std::string activation = "relu";  // or "gelu"
  double layer_norm_eps = 1e-5;
  bool batch_first = false, norm_first = false, bias = true;
  TensorOptions options = {};
};

/// What an encoder is told about its input: see AttentionMasks.
struct EncoderMasks {
  Tensor mask = {};                              // (T, T) or (B * heads, T, T)
  Tensor src_key_padding_mask = {};              // (B, T)
  std::optional<bool> is_causal = std::nullopt;  // unset: TransformerEncoder sees whether it is
};

/// x = norm1(x + attention(x)), x = norm2(x + linear2(f(linear1(x)))); with norm_first the norms come first.
class CLEW_API TransformerEncoderLayer : public Module {
 public:
  explicit TransformerEncoderLayer(const TransformerEncoderLayerOptions& o);
  Tensor forward(const Tensor& src, const EncoderMasks& masks = {}) const;
  Tensor operator()(const Tensor& src, const EncoderMasks& masks = {}) const {
    return run_module(*this, src, masks);
  }

  TransformerEncoderLayerOptions options;
  MultiheadAttention self_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  LayerNorm norm1, norm2;
  Dropout dropout1, dropout2;

 private:
  Tensor attend(const Tensor& x, const EncoderMasks& masks) const;
  Tensor feed(const Tensor& x) const;
};

/// Layers one after the other, made anew from the options of one; a last norm where `norm` is set.
class CLEW_API TransformerEncoder : public Module {
 public:
  TransformerEncoder(const TransformerEncoderLayerOptions& layer, int64_t num_layers,
                     const std::optional<LayerNorm>& norm = std::nullopt);
  Tensor forward(const Tensor& src, const EncoderMasks& masks = {}) const;
  Tensor operator()(const Tensor& src, const EncoderMasks& masks = {}) const {
    return run_module(*this, src, masks);
  }

  ModuleList<TransformerEncoderLayer> layers;
  std::optional<LayerNorm> norm;
};

}  // namespace clew::nn
