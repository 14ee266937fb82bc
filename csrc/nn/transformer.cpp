#include "clew/nn/transformer.h"

#include "clew/nn/init.h"
#include "clew/ops/ops.h"
#include "nn/causal_mask.h"

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

}  // namespace

TransformerDecoderLayer::TransformerDecoderLayer(const TransformerEncoderLayerOptions& o)
    : Module("TransformerDecoderLayer"),
      options(o),
      self_attn(attention_of(o)),
      multihead_attn(attention_of(o)),
      linear1({.in_features = o.d_model,
               .out_features = o.dim_feedforward,
               .bias = o.bias,
               .options = o.options}),
      dropout(o.dropout),
      linear2({.in_features = o.dim_feedforward,
               .out_features = o.d_model,
               .bias = o.bias,
               .options = o.options}),
      norm1(norm_of(o)),
      norm2(norm_of(o)),
      norm3(norm_of(o)),
      dropout1(o.dropout),
      dropout2(o.dropout),
      dropout3(o.dropout) {
  CLEW_CHECK(o.activation == "relu" || o.activation == "gelu", ValueError,
             "TransformerDecoderLayer: expected activation 'relu' or 'gelu', got '", o.activation, "'");
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
  return dropout1(self_attn(x, x, x,
                            {.key_padding_mask = masks.tgt_key_padding_mask,
                             .attn_mask = masks.tgt_mask,
                             .is_causal = masks.tgt_is_causal.value_or(false),
                             .need_weights = false})
                      .first);
}

Tensor TransformerDecoderLayer::look_up(const Tensor& x, const Tensor& memory,
                                        const DecoderMasks& masks) const {
  return dropout2(multihead_attn(x, memory, memory,
                                 {.key_padding_mask = masks.memory_key_padding_mask,
                                  .attn_mask = masks.memory_mask,
                                  .is_causal = masks.memory_is_causal,
                                  .need_weights = false})
                      .first);
}

Tensor TransformerDecoderLayer::feed(const Tensor& x) const {
  const Tensor h = linear1(x);
  return dropout3(linear2(dropout(options.activation == "relu" ? relu(h) : gelu(h))));
}

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
