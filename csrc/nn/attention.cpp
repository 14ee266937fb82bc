#include "clew/nn/attention.h"

#include <cmath>
#include <limits>

#include "clew/nn/init.h"
#include "clew/ops/ops.h"

namespace clew::nn {
namespace {

std::optional<Tensor> maybe(const Tensor& t) { return t.defined() ? std::optional<Tensor>(t) : std::nullopt; }

// A bool mask (true: left out) as numbers to add.
Tensor additive(const Tensor& mask, DType dtype) {
  if (mask.dtype() != kBool) return mask.to(dtype);
  return masked_fill(zeros(mask.sizes(), dtype), mask,
                     weak_scalar_tensor(-std::numeric_limits<double>::infinity()));
}

// Both masks as one that broadcasts to (B, heads, L, S): bool (true: left out) if both are bool.
Tensor joined(const Tensor& attn_mask, const Tensor& padding, int64_t heads, DType dtype) {
  Tensor a = attn_mask, p = padding;
  if (a.defined() && a.dim() == 3) a = reshape(a, {-1, heads, a.size(1), a.size(2)});
  if (p.defined()) p = unsqueeze(unsqueeze(p, 1), 2);
  if (!a.defined()) return !p.defined() || p.dtype() == kBool ? p : additive(p, dtype);
  if (!p.defined()) return a.dtype() == kBool ? a : additive(a, dtype);
  if (a.dtype() == kBool && p.dtype() == kBool) return logical_or(a, p);
  return additive(a, dtype) + additive(p, dtype);
}

void check_mask(const char* what, const Tensor& mask) {
  CLEW_CHECK(!mask.defined() || mask.dtype() == kBool || is_floating(mask.dtype()), DTypeError,
             "MultiheadAttention: expected ", what, " of dtype bool or floating, got ", mask.dtype());
}

}  // namespace

MultiheadAttention::MultiheadAttention(const MultiheadAttentionOptions& o)
    : Module("MultiheadAttention"),
      options(o),
      out_proj(
          {.in_features = o.embed_dim, .out_features = o.embed_dim, .bias = o.bias, .options = o.options}) {
  CLEW_CHECK(o.embed_dim > 0 && o.num_heads > 0 && o.embed_dim % o.num_heads == 0, ValueError,
             "MultiheadAttention: expected embed_dim divisible by num_heads > 0, got ", o.embed_dim, " and ",
             o.num_heads);
  const int64_t e = o.embed_dim, k = o.kdim.value_or(e), v = o.vdim.value_or(e);
  const bool same = k == e && v == e;
  const auto weight = [&](bool wanted, IntArrayRef shape) {
    return wanted ? empty(shape, o.options) : Tensor();
  };
  in_proj_weight = register_parameter("in_proj_weight", weight(same, {3 * e, e}));
  q_proj_weight = register_parameter("q_proj_weight", weight(!same, {e, e}));
  k_proj_weight = register_parameter("k_proj_weight", weight(!same, {e, k}));
  v_proj_weight = register_parameter("v_proj_weight", weight(!same, {e, v}));
  in_proj_bias = register_parameter("in_proj_bias", weight(o.bias, {3 * e}));
  register_module("out_proj", out_proj);
  reset_parameters();
}

void MultiheadAttention::reset_parameters() const {
  for (const Tensor& w : {in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight}) {
    if (w.defined()) init::xavier_uniform_(w);
  }
  if (in_proj_bias.defined()) {
    init::zeros_(in_proj_bias);
    init::zeros_(out_proj.bias);
  }
}

std::pair<Tensor, Tensor> MultiheadAttention::forward(const Tensor& query, const Tensor& key,
                                                      const Tensor& value,
                                                      const AttentionMasks& masks) const {
  const bool batched = query.dim() == 3;
  CLEW_CHECK(query.dim() == 2 || batched, ShapeError,
             "MultiheadAttention: expected query of shape (L, B, E) or (L, E), got ", query.sizes());
  CLEW_CHECK(key.dim() == query.dim() && value.dim() == query.dim(), ShapeError,
             "MultiheadAttention: expected key and value with ", query.dim(), " dimensions, got ",
             key.sizes(), " and ", value.sizes());
  CLEW_CHECK(query.size(-1) == options.embed_dim, ShapeError, "MultiheadAttention: expected query of ",
             options.embed_dim, " features (embed_dim), got ", query.sizes());
  const bool batch_first = batched && options.batch_first;
  const int64_t at = batch_first ? 0 : 1;  // where the batch stands
  const Tensor q_in = batched ? query : unsqueeze(query, 1), k_in = batched ? key : unsqueeze(key, 1),
               v_in = batched ? value : unsqueeze(value, 1);
  const int64_t steps = q_in.size(1 - at), batch = q_in.size(at), keys = k_in.size(1 - at);
  const int64_t width = options.embed_dim, heads = options.num_heads, head = width / heads;
  CLEW_CHECK(k_in.size(0) == v_in.size(0) && k_in.size(1) == v_in.size(1) && k_in.size(at) == batch,
             ShapeError,
             "MultiheadAttention: expected key and value of one length and the batch of query, got query ",
             query.sizes(), ", key ", key.sizes(), ", value ", value.sizes());
  Tensor padding = masks.key_padding_mask;
  if (padding.defined() && !batched && padding.dim() == 1) padding = unsqueeze(padding, 0);
  check_mask("attn_mask", masks.attn_mask);
  check_mask("key_padding_mask", padding);
  CLEW_CHECK(!masks.is_causal || masks.attn_mask.defined(), ValueError,
             "MultiheadAttention: expected attn_mask with is_causal, got none (is_causal is a hint that it "
             "is causal)");
  if (masks.attn_mask.defined()) {
    const Shape want = masks.attn_mask.dim() == 2 ? Shape{steps, keys} : Shape{batch * heads, steps, keys};
    CLEW_CHECK(masks.attn_mask.sizes() == IntArrayRef(want), ShapeError,
               "MultiheadAttention: expected attn_mask of shape ", want, ", got ", masks.attn_mask.sizes());
  }
  CLEW_CHECK(!padding.defined() || padding.sizes() == IntArrayRef({batch, keys}), ShapeError,
             "MultiheadAttention: expected key_padding_mask of shape ", IntArrayRef({batch, keys}), ", got ",
             padding.sizes());

  const bool biased = in_proj_bias.defined();
  Tensor q, k, v;
  if (!in_proj_weight.defined()) {
    const TensorList b = biased ? chunk(in_proj_bias, 3) : TensorList(3);
    q = linear(q_in, q_proj_weight, maybe(b[0]));
    k = linear(k_in, k_proj_weight, maybe(b[1]));
    v = linear(v_in, v_proj_weight, maybe(b[2]));
  } else if (query.is_same(key) && key.is_same(value)) {
    const TensorList all = chunk(linear(q_in, in_proj_weight, maybe(in_proj_bias)), 3, -1);
    q = all[0];
    k = all[1];
    v = all[2];
  } else {
    const TensorList w = split(in_proj_weight, {width, 2 * width});
    const TensorList b = biased ? split(in_proj_bias, {width, 2 * width}) : TensorList(2);
    q = linear(q_in, w[0], maybe(b[0]));
    if (key.is_same(value)) {
      const TensorList both = chunk(linear(k_in, w[1], maybe(b[1])), 2, -1);
      k = both[0];
      v = both[1];
    } else {
      const TensorList w_kv = chunk(w[1], 2);
      const TensorList b_kv = biased ? chunk(b[1], 2) : TensorList(2);
      k = linear(k_in, w_kv[0], maybe(b_kv[0]));
      v = linear(v_in, w_kv[1], maybe(b_kv[1]));
    }
  }
  const auto to_heads = [&](const Tensor& x) {
    const Tensor y = reshape(x, {x.size(0), x.size(1), heads, head});
    return batch_first ? permute(y, {0, 2, 1, 3}) : permute(y, {1, 2, 0, 3});
  };
  q = to_heads(q);
  k = to_heads(k);
  v = to_heads(v);
  const double dropout_p = is_training() ? options.dropout : 0;
  const auto join = [&](const Tensor& y) {
    const Tensor x = batch_first ? permute(y, {0, 2, 1, 3}) : permute(y, {2, 0, 1, 3});
    const Tensor out = out_proj(reshape(x, {x.size(0), x.size(1), width}));
    return batched ? out : squeeze(out, IntArrayRef({1}));
  };
  if (!masks.need_weights) {
    const bool causal = masks.is_causal && !padding.defined();
    Tensor mask = causal ? Tensor() : joined(masks.attn_mask, padding, heads, q.dtype());
    if (mask.defined() && mask.dtype() == kBool) mask = logical_not(mask);
    return {join(scaled_dot_product_attention(q, k, v, maybe(mask), dropout_p, causal)), Tensor()};
  }
  const Tensor mask = joined(masks.attn_mask, padding, heads, q.dtype());
  Tensor scores = matmul(q * (1 / std::sqrt(static_cast<double>(head))), transpose(k, -2, -1));
  if (mask.defined()) scores = scores + additive(mask, scores.dtype());
  Tensor weights = softmax(scores, -1);
  if (dropout_p > 0) weights = clew::dropout(weights, dropout_p, true);
  const Tensor y = join(matmul(weights, v));
  if (masks.average_attn_weights) weights = mean(weights, IntArrayRef({1}));
  return {y, batched ? weights : squeeze(weights, IntArrayRef({0}))};
}

}  // namespace clew::nn
