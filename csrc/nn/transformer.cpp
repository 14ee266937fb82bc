#include "clew/nn/transformer.h"

#include <limits>

#include "clew/nn/init.h"
#include "clew/ops/ops.h"

namespace clew::nn {
namespace {

LayerNormOptions norm_of(const TransformerEncoderLayerOptions& o) {
  return {.normalized_shape = {o.d_model}, .eps = o.layer_norm_eps, .bias = o.bias, .options = o.options};
}
MultiheadAttentionOptions attention_of(const TransformerEncoderLayerOptions& o) {
  return {.embed_dim = o.d_model,
          .num_heads = o.nhead,
          .dropout = o.dropout,
          .bias = o.bias,
          .batch_first = o.batch_first,
          .options = o.options};
}
LinearOptions linear_of(const TransformerEncoderLayerOptions& o, int64_t in_features, int64_t out_features) {
  return {.in_features = in_features, .out_features = out_features, .bias = o.bias, .options = o.options};
}
TransformerEncoderLayerOptions layer_of(const TransformerOptions& o) {
  return {.d_model = o.d_model,
          .nhead = o.nhead,
          .dim_feedforward = o.dim_feedforward,
          .dropout = o.dropout,
          .activation = o.activation,
          .layer_norm_eps = o.layer_norm_eps,
          .batch_first = o.batch_first,
          .norm_first = o.norm_first,
          .bias = o.bias,
          .options = o.options};
}

void check_activation(const char* layer, const TransformerEncoderLayerOptions& o) {
  CLEW_CHECK(o.activation == "relu" || o.activation == "gelu", ValueError, layer,
             ": expected activation 'relu' or 'gelu', got '", o.activation, "'");
}

// What the layers of encoder and decoder do alike.
Tensor attended(const MultiheadAttention& attention, const Tensor& query, const Tensor& memory,
                const Tensor& key_padding_mask, const Tensor& mask, bool is_causal) {
  return attention(query, memory, memory,
                   {.key_padding_mask = key_padding_mask,
                    .attn_mask = mask,
                    .is_causal = is_causal,
                    .need_weights = false})
      .first;
}
template <class Layer>
Tensor fed(const Layer& layer, const Tensor& x) {
  const Tensor h = layer.linear1(x);
  return layer.linear2(layer.dropout(layer.options.activation == "relu" ? relu(h) : gelu(h)));
}

// The mask that keeps each position from looking ahead.
Tensor causal_mask(int64_t size, const TensorOptions& options) {
  return triu(full({size, size}, -std::numeric_limits<double>::infinity(), options), 1);
}

/// Whether `mask` is that mask.
bool is_causal_mask(const Tensor& mask) {
  return mask.defined() && mask.dim() == 2 && mask.size(0) == mask.size(1) && is_floating(mask.dtype()) &&
         equal(mask, causal_mask(mask.size(0), mask.options()));
}

}  // namespace

// ---- encoder ----------------------------------------------------------------------------------------

TransformerEncoderLayer::TransformerEncoderLayer(const TransformerEncoderLayerOptions& o)
    : Module("TransformerEncoderLayer"),
      options(o),
      self_attn(attention_of(o)),
      linear1(linear_of(o, o.d_model, o.dim_feedforward)),
      dropout(o.dropout),
      linear2(linear_of(o, o.dim_feedforward, o.d_model)),
      norm1(norm_of(o)),
      norm2(norm_of(o)),
      dropout1(o.dropout),
      dropout2(o.dropout) {
  check_activation("TransformerEncoderLayer", o);
  register_module("self_attn", self_attn);
  register_module("linear1", linear1);
  register_module("dropout", dropout);
  register_module("linear2", linear2);
  register_module("norm1", norm1);
  register_module("norm2", norm2);
  register_module("dropout1", dropout1);
  register_module("dropout2", dropout2);
}

Tensor TransformerEncoderLayer::attend(const Tensor& x, const EncoderMasks& masks) const {
  return dropout1(
      attended(self_attn, x, x, masks.src_key_padding_mask, masks.mask, masks.is_causal.value_or(false)));
}

Tensor TransformerEncoderLayer::feed(const Tensor& x) const { return dropout2(fed(*this, x)); }

Tensor TransformerEncoderLayer::forward(const Tensor& src, const EncoderMasks& masks) const {
  if (options.norm_first) {
    const Tensor x = src + attend(norm1(src), masks);
    return x + feed(norm2(x));
  }
  const Tensor x = norm1(src + attend(src, masks));
  return norm2(x + feed(x));
}

TransformerEncoder::TransformerEncoder(const TransformerEncoderLayerOptions& layer, int64_t num_layers,
                                       const std::optional<LayerNorm>& last)
    : Module("TransformerEncoder"), norm(last) {
  for (int64_t i = 0; i < num_layers; ++i) layers.push_back(TransformerEncoderLayer(layer));
  register_module("layers", layers);
  if (norm) register_module("norm", *norm);
}

Tensor TransformerEncoder::forward(const Tensor& src, const EncoderMasks& masks) const {
  EncoderMasks seen = masks;
  seen.is_causal = masks.is_causal.value_or(is_causal_mask(masks.mask));
  Tensor x = src;
  for (const TransformerEncoderLayer& layer : layers) x = layer(x, seen);
  return norm ? (*norm)(x) : x;
}

// ---- decoder ----------------------------------------------------------------------------------------

TransformerDecoderLayer::TransformerDecoderLayer(const TransformerEncoderLayerOptions& o)
    : Module("TransformerDecoderLayer"),
      options(o),
      self_attn(attention_of(o)),
      multihead_attn(attention_of(o)),
      linear1(linear_of(o, o.d_model, o.dim_feedforward)),
      dropout(o.dropout),
      linear2(linear_of(o, o.dim_feedforward, o.d_model)),
      norm1(norm_of(o)),
      norm2(norm_of(o)),
      norm3(norm_of(o)),
      dropout1(o.dropout),
      dropout2(o.dropout),
      dropout3(o.dropout) {
  check_activation("TransformerDecoderLayer", o);
  register_module("self_attn", self_attn);
  register_module("multihead_attn", multihead_attn);
  register_module("linear1", linear1);
  register_module("dropout", dropout);
  register_module("linear2", linear2);
  register_module("norm1", norm1);
  register_module("norm2", norm2);
  register_module("norm3", norm3);
  register_module("dropout1", dropout1);
  register_module("dropout2", dropout2);
  register_module("dropout3", dropout3);
}

Tensor TransformerDecoderLayer::attend(const Tensor& x, const DecoderMasks& masks) const {
  return dropout1(attended(self_attn, x, x, masks.tgt_key_padding_mask, masks.tgt_mask,
                           masks.tgt_is_causal.value_or(false)));
}

Tensor TransformerDecoderLayer::look_up(const Tensor& x, const Tensor& memory,
                                        const DecoderMasks& masks) const {
  return dropout2(attended(multihead_attn, x, memory, masks.memory_key_padding_mask, masks.memory_mask,
                           masks.memory_is_causal));
}

Tensor TransformerDecoderLayer::feed(const Tensor& x) const { return dropout3(fed(*this, x)); }

Tensor TransformerDecoderLayer::forward(const Tensor& tgt, const Tensor& memory,
                                        const DecoderMasks& masks) const {
  if (options.norm_first) {
    Tensor x = tgt + attend(norm1(tgt), masks);
    x = x + look_up(norm2(x), memory, masks);
    return x + feed(norm3(x));
  }
  Tensor x = norm1(tgt + attend(tgt, masks));
  x = norm2(x + look_up(x, memory, masks));
  return norm3(x + feed(x));
}

TransformerDecoder::TransformerDecoder(const TransformerEncoderLayerOptions& layer, int64_t num_layers,
                                       const std::optional<LayerNorm>& last)
    : Module("TransformerDecoder"), norm(last) {
  for (int64_t i = 0; i < num_layers; ++i) layers.push_back(TransformerDecoderLayer(layer));
  register_module("layers", layers);
  if (norm) register_module("norm", *norm);
}

Tensor TransformerDecoder::forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks) const {
  DecoderMasks seen = masks;
  seen.tgt_is_causal = masks.tgt_is_causal.value_or(is_causal_mask(masks.tgt_mask));
  Tensor x = tgt;
  for (const TransformerDecoderLayer& layer : layers) x = layer(x, memory, seen);
  return norm ? (*norm)(x) : x;
}

Transformer::Transformer(const TransformerOptions& o)
    : Module("Transformer"),
      options(o),
      encoder(layer_of(o), o.num_encoder_layers, LayerNorm(norm_of(layer_of(o)))),
      decoder(layer_of(o), o.num_decoder_layers, LayerNorm(norm_of(layer_of(o)))) {
  register_module("encoder", encoder);
  register_module("decoder", decoder);
  for (const Tensor& p : parameters()) {
    if (p.dim() > 1) init::xavier_uniform_(p);
  }
}

Tensor Transformer::forward(const Tensor& src, const Tensor& tgt, const EncoderMasks& src_masks,
                            const DecoderMasks& tgt_masks) const {
  const int64_t at = options.batch_first ? 0 : 1;
  CLEW_CHECK(src.dim() != 3 || tgt.dim() != 3 || src.size(at) == tgt.size(at), ShapeError,
             "Transformer: expected src and tgt of one batch, got ", src.sizes(), " and ", tgt.sizes());
  CLEW_CHECK(
      src.dim() > 0 && tgt.dim() > 0 && src.size(-1) == options.d_model && tgt.size(-1) == options.d_model,
      ShapeError, "Transformer: expected src and tgt of ", options.d_model, " features (d_model), got ",
      src.sizes(), " and ", tgt.sizes());
  return decoder(tgt, encoder(src, src_masks), tgt_masks);
}

Tensor Transformer::generate_square_subsequent_mask(int64_t size, const TensorOptions& o) {
  return causal_mask(size, o);
}

}  // namespace clew::nn
