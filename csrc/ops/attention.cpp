#include <cmath>

#include "clew/autograd/grad_mode.h"
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

DType wide(DType t) { return t == DType::Float16 || t == DType::BFloat16 ? DType::Float32 : t; }

// --- scaled_dot_product_attention --------------------------------------------------------------------

const char* const kName = "scaled_dot_product_attention";

/// The dimensions before the last two, broadcast over the three.
Shape common_batch(const Tensor& q, const Tensor& k, const Tensor& v) {
  Shape out;
  for (const Tensor* t : {&q, &k, &v}) {
    const size_t n = static_cast<size_t>(t->dim()) - 2;
    while (out.size() < n) out.insert(out.begin(), 1);
    for (size_t i = 0; i < n; ++i) {
      int64_t& have = out[out.size() - n + i];
      const int64_t size = t->sizes()[i];
      CLEW_CHECK(have == size || have == 1 || size == 1, ShapeError, kName,
                 ": expected query, key and value whose leading sizes broadcast, got ", q.sizes(), ", ",
                 k.sizes(), " and ", v.sizes());
      if (have == 1) have = size;
    }
  }
  return out;
}

/// `t` with leading sizes `batch`, those as one (4-d: all but the last of them, and the last).
Tensor as_heads(const Tensor& t, const Shape& batch) {
  Shape full = batch;
  full.push_back(t.size(-2));
  full.push_back(t.size(-1));
  const Tensor wide_t = t.sizes() == IntArrayRef(full) ? t : expand(t, full);
  if (full.size() == 4) return wide_t;
  const int64_t heads = batch.empty() ? 1 : batch.back();
  int64_t outer = 1;
  for (size_t i = 0; i + 1 < batch.size(); ++i) outer *= batch[i];
  return reshape(wide_t, {outer, heads, t.size(-2), t.size(-1)});
}

Tensor sdpa_composite(const Tensor& query, const Tensor& key, const Tensor& value,
                      const std::optional<Tensor>& attn_mask, double dropout_p, bool is_causal,
                      std::optional<double> scale, bool enable_gqa) {
  CLEW_CHECK(query.dim() >= 2 && key.dim() >= 2 && value.dim() >= 2, ShapeError, kName,
             ": expected query, key and value with at least 2 dimensions, got ", query.sizes(), ", ",
             key.sizes(), " and ", value.sizes());
  CLEW_CHECK(is_floating(query.dtype()), DTypeError, kName, ": expected a floating query, got ",
             query.dtype());
  CLEW_CHECK(query.dtype() == key.dtype() && query.dtype() == value.dtype(), DTypeError, kName,
             ": expected query, key and value of one dtype, got ", query.dtype(), ", ", key.dtype(), " and ",
             value.dtype());
  CLEW_CHECK(query.size(-1) == key.size(-1), ShapeError, kName, ": expected query and key of one width, got ",
             query.sizes(), " and ", key.sizes());
  CLEW_CHECK(key.size(-2) == value.size(-2), ShapeError, kName, ": expected as many keys as values, got ",
             key.sizes(), " and ", value.sizes());
  CLEW_CHECK(dropout_p >= 0 && dropout_p <= 1, ValueError, kName, ": expected dropout_p in [0, 1], got ",
             dropout_p);
  Tensor k = key, v = value;
  if (enable_gqa && query.dim() >= 3 && k.dim() >= 3 && v.dim() >= 3) {
    const int64_t heads = query.size(-3);
    for (Tensor* t : {&k, &v}) {
      const int64_t have = t->size(-3);
      CLEW_CHECK(have > 0 && heads % have == 0, ShapeError, kName,
                 ": expected a number of key and value heads that divides the ", heads,
                 " heads of the query, got ", have, " (", t->sizes(), ")");
      if (have == heads) continue;
      // Head h of the query reads head h / repeats.
      Shape sizes = t->sizes().vec(), joined = sizes;
      sizes.insert(sizes.end() - 2, heads / have);
      joined[joined.size() - 3] = heads;
      *t = reshape(expand(unsqueeze(*t, -3), sizes), joined);
    }
  }
  const Shape batch = common_batch(query, k, v);
  Shape scores = batch;
  scores.push_back(query.size(-2));
  scores.push_back(key.size(-2));
  std::optional<Tensor> mask;
  if (attn_mask) {
    const DType t = attn_mask->dtype();
    CLEW_CHECK(t == DType::Bool || t == DType::Float32 || t == query.dtype(), DTypeError, kName,
               ": expected attn_mask of dtype bool, float32 or that of the query, got ", t, " (query is ",
               query.dtype(), ")");
    bool fits = static_cast<size_t>(attn_mask->dim()) <= scores.size();
    for (int64_t d = 1; fits && d <= attn_mask->dim(); ++d) {
      const int64_t have = attn_mask->size(-d), want = scores[scores.size() - static_cast<size_t>(d)];
      fits = have == want || have == 1;
    }
    CLEW_CHECK(fits, ShapeError, kName, ": expected attn_mask that broadcasts to ", scores, ", got ",
               attn_mask->sizes());
    const Tensor same = t == DType::Bool ? *attn_mask : attn_mask->to(query.dtype());
    mask = as_heads(expand(same, scores), batch);
  }
  const double factor = scale.value_or(1.0 / std::sqrt(static_cast<double>(query.size(-1))));
  const Tensor out = std::get<0>(attention(as_heads(query, batch), as_heads(k, batch), as_heads(v, batch),
                                           mask, dropout_p, is_causal, factor));
  const Tensor by_head = transpose(out, 1, 2);
  if (batch.size() == 2) return by_head;
  Shape result = batch;
  result.push_back(query.size(-2));
  result.push_back(value.size(-1));
  return reshape(by_head, result);
}

}  // namespace

CLEW_OP_PAGE(scaled_dot_product_attention) = {{
    .name = "scaled_dot_product_attention",
    .doc = R"(Averages `value` by how well `query` fits `key`.

    y = dropout(softmax(query @ key^T * scale + mask)) @ value

The matrix of weights is never stored: it is made, used and made again on the way back, a block at a time.

Args:
    query: shape (*, L, E), floating point.
    key: shape (*, S, E).
    value: shape (*, S, Ev).
    attn_mask: broadcasts to (*, L, S). bool: True takes part; floating: added to the scores.
    dropout_p: probability of a weight to be zeroed, in training or not.
    is_causal: query i sees keys 0 to i only.
    scale: default 1 / sqrt(E).
    enable_gqa: key and value may have fewer heads (third dimension from the end), each serving as many
        heads of the query in a row.
Returns:
    Tensor of shape (*, L, Ev). A query that sees no key gives zeros.
Raises:
    clew.ShapeError: the shapes do not fit together.
    clew.DTypeError: the dtypes differ, or the mask is neither bool nor floating.
    ValueError: dropout_p outside of [0, 1].
Reference:
    Vaswani et al. Attention Is All You Need. 2017. arXiv:1706.03762.
    Dao et al. FlashAttention. 2022. arXiv:2205.14135.
Example:
    >>> q = clew.zeros(1, 2)
    >>> clew.nn.functional.scaled_dot_product_attention(q, clew.eye(2), clew.eye(2)).tolist()
    [[0.5, 0.5]]
)",
    .dtypes = kFloating,
    .autocast = Autocast::Low,
    .composite = sdpa_composite,
}};
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const std::optional<Tensor>& attn_mask, double dropout_p, bool is_causal,
                                    std::optional<double> scale, bool enable_gqa) {
  return apply(scaled_dot_product_attention_op, query, key, value, attn_mask, dropout_p, is_causal, scale,
               enable_gqa);
}

// --- the fused op ------------------------------------------------------------------------------------

static std::array<TensorMeta, 3> attention_meta(const Tensor& query, const Tensor& key, const Tensor& value,
                                                const std::optional<Tensor>& attn_mask, double dropout_p,
                                                bool, double) {
  CLEW_CHECK(query.dim() == 4 && key.dim() == 4 && value.dim() == 4, ShapeError,
             "attention: expected query, key and value of shape (B, H, L, E), got ", query.sizes(), ", ",
             key.sizes(), " and ", value.sizes());
  const IntArrayRef q = query.sizes(), k = key.sizes(), v = value.sizes();
  CLEW_CHECK(q[0] == k[0] && q[0] == v[0] && q[1] == k[1] && q[1] == v[1] && q[3] == k[3] && k[2] == v[2],
             ShapeError,
             "attention: expected query (B, H, L, E), key (B, H, S, E), value (B, H, S, Ev), got ", q, ", ",
             k, " and ", v);
  CLEW_CHECK(query.dtype() == key.dtype() && query.dtype() == value.dtype(), DTypeError,
             "attention: expected one dtype, got ", query.dtype(), ", ", key.dtype(), " and ", value.dtype());
  CLEW_CHECK(dropout_p >= 0 && dropout_p <= 1, ValueError, "attention: expected dropout_p in [0, 1], got ",
             dropout_p);
  if (attn_mask) {
    const Shape scores{q[0], q[1], q[2], k[2]};
    CLEW_CHECK(attn_mask->sizes() == IntArrayRef(scores), ShapeError,
               "attention: expected attn_mask of shape ", scores, ", got ", attn_mask->sizes());
    CLEW_CHECK(attn_mask->dtype() == DType::Bool || attn_mask->dtype() == query.dtype(), DTypeError,
               "attention: expected attn_mask of dtype bool or ", query.dtype(), ", got ",
               attn_mask->dtype());
  }
  return {TensorMeta{{q[0], q[2], q[1], v[3]}, query.dtype()},
          TensorMeta{{q[0], q[1], q[2]}, wide(query.dtype())}, TensorMeta{{2}, DType::Int64}};
}

/// The gradients of attention out of ops, for higher derivatives. It stores the matrix of weights.
static GradList composed_attention_grad(const Backward& ctx, TensorListRef g) {
  const Tensor q = ctx.input(0), k = ctx.input(1), v = ctx.input(2);
  const auto dropout_p = ctx.arg<double>(4), scale = ctx.arg<double>(6);
  const DType t = wide(q.dtype());
  const double minus_inf = -std::numeric_limits<double>::infinity();
  Tensor s = matmul(q.to(t), transpose(k.to(t), -2, -1)) * scale;
  if (ctx.has_input(3)) {
    const Tensor mask = ctx.input(3);
    s = mask.dtype() == DType::Bool ? masked_fill(s, logical_not(mask), weak_scalar_tensor(minus_inf))
                                    : s + mask.to(t);
  }
  if (ctx.arg<bool>(5)) {
    const Tensor keep = tril(ones({q.size(2), k.size(2)}, TensorOptions(DType::Bool).device(q.device())));
    s = masked_fill(s, logical_not(keep), weak_scalar_tensor(minus_inf));
  }
  // Rows that see nothing: their softmax would be NaN.
  const Tensor none =
      s.detach().size(-1) == 0 ? Tensor() : eq(amax(s.detach(), {-1}, true), weak_scalar_tensor(minus_inf));
  if (none.defined()) s = masked_fill(s, none, weak_scalar_tensor(0));
  Tensor p = softmax(s, -1);
  if (none.defined()) p = masked_fill(p, none, weak_scalar_tensor(0));
  Tensor ds;
  GradList grads(4);
  if (g[0].defined()) {
    const Tensor go = transpose(g[0].to(t), 1, 2);
    Tensor used = p, dp = matmul(go, transpose(v.to(t), -2, -1));
    if (dropout_p > 0) {
      const Tensor keep = attention_dropout(ctx.output(2), p.sizes(), dropout_p, t);
      used = p * keep;
      dp = dp * keep;
    }
    if (ctx.needs(2)) grads[2] = matmul(transpose(used, -2, -1), go);
    ds = p * (dp - sum(dp * p, IntArrayRef{-1}, true));
  }
  if (g[1].defined()) {
    const Tensor more = p * unsqueeze(g[1], -1);
    ds = ds.defined() ? ds + more : more;
  }
  if (ctx.needs(0)) grads[0] = matmul(ds, k.to(t)) * scale;
  if (ctx.needs(1)) grads[1] = matmul(transpose(ds, -2, -1), q.to(t)) * scale;
  if (ctx.needs(3)) grads[3] = ds;
  return grads;
}

CLEW_OP_PAGE(attention) = {{
    .name = "attention",
    .doc = R"(scaled_dot_product_attention of four dimensions, with what its gradient needs.

    y = dropout(softmax(query @ key^T * scale + mask)) @ value

Args:
    query: shape (B, H, L, E), floating point.
    key: shape (B, H, S, E).
    value: shape (B, H, S, Ev).
    attn_mask: shape (B, H, L, S), bool or the dtype of `query`, or None.
    dropout_p: probability of a weight to be zeroed.
    is_causal: query i sees keys 0 to i only.
    scale: factor of the scores.
Returns:
    (y, logsumexp, rng): y of shape (B, L, H, Ev); logsumexp of the scores, shape (B, H, L), inf where a query
    sees no key; seed and offset of the dropout, shape (2,), int64.
Raises:
    clew.ShapeError: the shapes do not fit together.
Example:
    >>> q = clew.zeros(1, 1, 1, 2)
    >>> y, logsumexp, rng = clew.ops.attention(q, q, q + 1, None, 0.0, False, 1.0)
    >>> y.tolist(), logsumexp.tolist()
    ([[[[1.0, 1.0]]]], [[[0.0]]])
)",
    .dtypes = kFloating,
    .meta = attention_meta,
    .kernel = &attention_kernel,
    .saves = kSavesNothing.inputs_from(0).output(0).output(1).output(2),
    .grads = [](const Backward& ctx, TensorListRef g) -> GradList {
      if (is_grad_enabled() || g[1].defined() || !g[0].defined()) return composed_attention_grad(ctx, g);
      const std::optional<Tensor> mask = ctx.has_input(3) ? std::optional(ctx.input(3)) : std::nullopt;
      const TensorList d = attention_grad(g[0], ctx.input(0), ctx.input(1), ctx.input(2), mask, ctx.output(0),
                                          ctx.output(1), ctx.output(2), ctx.arg<double>(4), ctx.arg<bool>(5),
                                          ctx.arg<double>(6), ctx.needs(3));
      GradList grads(4);
      for (int i = 0; i < 3; ++i) {
        if (ctx.needs(i)) grads[static_cast<size_t>(i)] = transpose(d[static_cast<size_t>(i)], 1, 2);
      }
      if (ctx.needs(3)) grads[3] = d[3];
      return grads;
    },
}};
Tensor3 attention(const Tensor& query, const Tensor& key, const Tensor& value,
                  const std::optional<Tensor>& attn_mask, double dropout_p, bool is_causal, double scale) {
  return apply(attention_op, query, key, value, attn_mask, dropout_p, is_causal, scale);
}

static std::vector<TensorMeta> attention_grad_meta(const Tensor& grad_output, const Tensor& query,
                                                   const Tensor& key, const Tensor& value,
                                                   const std::optional<Tensor>& attn_mask,
                                                   const Tensor& output, const Tensor& logsumexp,
                                                   const Tensor& rng, double dropout_p, bool is_causal,
                                                   double scale, bool mask_grad) {
  const auto metas = attention_meta(query, key, value, attn_mask, dropout_p, is_causal, scale);
  CLEW_CHECK(grad_output.sizes() == IntArrayRef(metas[0].shape) && output.sizes() == grad_output.sizes() &&
                 logsumexp.sizes() == IntArrayRef(metas[1].shape) && rng.sizes() == IntArrayRef{2},
             ShapeError, "attention_grad: expected grad_output and output of shape ", metas[0].shape,
             ", logsumexp of shape ", metas[1].shape, " and rng of shape (2,), got ", grad_output.sizes(),
             ", ", output.sizes(), ", ", logsumexp.sizes(), " and ", rng.sizes());
  const DType t = query.dtype();
  CLEW_CHECK(grad_output.dtype() == t && output.dtype() == t && logsumexp.dtype() == wide(t) &&
                 rng.dtype() == DType::Int64,
             DTypeError, "attention_grad: expected grad_output and output of dtype ", t, ", logsumexp of ",
             wide(t), " and rng of int64, got ", grad_output.dtype(), ", ", output.dtype(), ", ",
             logsumexp.dtype(), " and ", rng.dtype());
  auto by_row = [&](const Tensor& x) {
    return TensorMeta{{x.sizes()[0], x.sizes()[2], x.sizes()[1], x.sizes()[3]}, t};
  };
  const bool floating_mask = mask_grad && attn_mask && attn_mask->dtype() != DType::Bool;
  return {by_row(query), by_row(key), by_row(value), floating_mask ? attn_mask->meta() : TensorMeta{{0}, t}};
}

CLEW_OP_PAGE(attention_grad) = {{
    .name = "attention_grad",
    .doc = R"(Gradients of attention from its output and logsumexp.

Args:
    grad_output: shape (B, L, H, Ev).
    query, key, value, attn_mask, dropout_p, is_causal, scale: as in attention.
    output, logsumexp, rng: what attention returned.
    mask_grad: whether the gradient of a floating attn_mask is wanted.
Returns:
    (dquery, dkey, dvalue, dmask) of shapes (B, L, H, E), (B, S, H, E), (B, S, H, Ev) and (B, H, L, S), the last
    empty when it is not wanted.
Raises:
    clew.ShapeError: the shapes do not fit together.
Example:
    >>> q = clew.ones(1, 1, 1, 1)
    >>> y, logsumexp, rng = clew.ops.attention(q, q, q, None, 0.0, False, 1.0)
    >>> clew.ops.attention_grad(y, q, q, q, None, y, logsumexp, rng, 0.0, False, 1.0, False)[2].tolist()
    [[[[1.0]]]]
)",
    .dtypes = kFloating,
    .dtype_slot = 1,
    .meta = attention_grad_meta,
    .kernel = &attention_grad_kernel,
    .not_differentiable = "attention's gradient is composed of other ops when a graph of it is wanted",
}};
TensorList attention_grad(const Tensor& grad_output, const Tensor& query, const Tensor& key,
                          const Tensor& value, const std::optional<Tensor>& attn_mask, const Tensor& output,
                          const Tensor& logsumexp, const Tensor& rng, double dropout_p, bool is_causal,
                          double scale, bool mask_grad) {
  return apply(attention_grad_op, grad_output, query, key, value, attn_mask, output, logsumexp, rng,
               dropout_p, is_causal, scale, mask_grad);
}

static TensorMeta attention_dropout_meta(const Tensor& rng, IntArrayRef size, double p, DType dtype) {
  CLEW_CHECK(rng.sizes() == IntArrayRef{2} && rng.dtype() == DType::Int64, ShapeError,
             "attention_dropout: expected rng of shape (2,) and dtype int64, got ", rng.sizes(), " and ",
             rng.dtype());
  CLEW_CHECK(p >= 0 && p <= 1, ValueError, "attention_dropout: expected p in [0, 1], got ", p);
  CLEW_CHECK(is_floating(dtype), DTypeError, "attention_dropout: expected a floating dtype, got ", dtype);
  for (int64_t n : size) CLEW_CHECK(n >= 0, ValueError, "attention_dropout: expected sizes >= 0, got ", size);
  return {size.vec(), dtype};
}

CLEW_OP_PAGE(attention_dropout) = {{
    .name = "attention_dropout",
    .doc = R"(The factors by which attention's dropout multiplied the weights.

Args:
    rng: seed and offset, from attention.
    size: (B, H, L, S).
    p: probability of 0; the other factors are 1 / (1 - p).
    dtype: of the result.
Returns:
    Tensor of shape `size`.
Raises:
    ValueError: p outside of [0, 1].
Example:
    >>> rng = clew.zeros(2, dtype=clew.int64)
    >>> clew.ops.attention_dropout(rng, (1, 1, 1, 2), 0.0, clew.float32).tolist()
    [[[[1.0, 1.0]]]]
)",
    .dtypes = dtype_set(DType::Int64),
    .layout = Layout::Contiguous,
    .meta = attention_dropout_meta,
    .kernel = &attention_dropout_kernel,
    .not_differentiable = "its result depends on no floating tensor",
}};
Tensor attention_dropout(const Tensor& rng, IntArrayRef size, double p, DType dtype) {
  return apply(attention_dropout_op, rng, size, p, dtype);
}

}  // namespace clew
