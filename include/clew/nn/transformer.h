// The transformer's decoder, and encoder and decoder together.
#pragma once

#include <optional>
#include <string>

#include "clew/nn/attention.h"

namespace clew::nn {

/// What a decoder is told about its inputs: see AttentionMasks.
struct DecoderMasks {
  Tensor tgt_mask = {}, memory_mask = {};  // (T, T) and (T, S), or with (B * heads) in front
  Tensor tgt_key_padding_mask = {}, memory_key_padding_mask = {};  // (B, T) and (B, S)
  std::optional<bool> tgt_is_causal = std::nullopt;  // unset: TransformerDecoder sees whether it is
  bool memory_is_causal = false;
};

/// x = norm1(x + attention(x)), x = norm2(x + attention(x, memory)), x = norm3(x + linear2(f(linear1(x))));
/// with norm_first the norms come first. Raises ValueError for another activation.
class CLEW_API TransformerDecoderLayer : public Module {
 public:
  explicit TransformerDecoderLayer(const TransformerEncoderLayerOptions& o);
  Tensor forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks = {}) const;
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks = {}) const {
    return run_module(*this, tgt, memory, masks);
  }

  TransformerEncoderLayerOptions options;
  MultiheadAttention self_attn, multihead_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  LayerNorm norm1, norm2, norm3;
  Dropout dropout1, dropout2, dropout3;

 private:
  Tensor attend(const Tensor& x, const DecoderMasks& masks) const;
  Tensor look_up(const Tensor& x, const Tensor& memory, const DecoderMasks& masks) const;
  Tensor feed(const Tensor& x) const;
};

/// Layers one after the other, made anew from the options of one; a last norm where `norm` is set.
class CLEW_API TransformerDecoder : public Module {
 public:
  TransformerDecoder(const TransformerEncoderLayerOptions& layer, int64_t num_layers,
                     const std::optional<LayerNorm>& norm = std::nullopt);
  Tensor forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks = {}) const;
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks = {}) const {
    return run_module(*this, tgt, memory, masks);
  }

  ModuleList<TransformerDecoderLayer> layers;
  std::optional<LayerNorm> norm;
};

struct TransformerOptions {
  int64_t d_model = 512, nhead = 8;
  int64_t num_encoder_layers = 6, num_decoder_layers = 6;
  int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  std::string activation = "relu";  // or "gelu"
  double layer_norm_eps = 1e-5;
  bool batch_first = false, norm_first = false, bias = true;
  TensorOptions options = {};
};

/// Encoder and decoder; src (S, B, d_model), tgt and output (T, B, d_model), with batch_first (B, S,
/// d_model), ... Raises ShapeError for other features, or batches that differ. Reference: Vaswani et al.
/// Attention Is All You Need. 2017. arXiv:1706.03762.
class CLEW_API Transformer : public Module {
 public:
  explicit Transformer(const TransformerOptions& o = {});
  Tensor forward(const Tensor& src, const Tensor& tgt, const EncoderMasks& src_masks = {},
                 const DecoderMasks& tgt_masks = {}) const;
  Tensor operator()(const Tensor& src, const Tensor& tgt, const EncoderMasks& src_masks = {},
                    const DecoderMasks& tgt_masks = {}) const {
    return run_module(*this, src, tgt, src_masks, tgt_masks);
  }
  /// -inf above the diagonal, else 0: shape (size, size).
  static Tensor generate_square_subsequent_mask(int64_t size, const TensorOptions& options = {});

  TransformerOptions options;
  TransformerEncoder encoder;
  TransformerDecoder decoder;
};

}  // namespace clew::nn
