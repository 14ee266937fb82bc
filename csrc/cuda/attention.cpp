// Attention and its gradients.
#include "cuda/attention.h"

#include <cmath>

#include "clew/core/generator.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"

namespace clew::cuda {
namespace {

AttentionPlan::Heads heads_of(const Tensor& t) {
  const IntArrayRef s = t.strides();
  return {t.raw_data(), s[0], s[1], s[2], s[3]};
}
/// (batch, rows, heads, width) as heads.
AttentionPlan::Heads rows_of(const Tensor& t) {
  const IntArrayRef s = t.strides();
  return {t.raw_data(), s[0], s[2], s[1], s[3]};
}

Tensor contiguous_of(const Tensor& t) {
  if (t.is_contiguous()) return t;
  const Tensor copy = new_tensor(t, t.sizes(), t.dtype());
  copy_tensor(copy, t);
  return copy;
}

void set_dropout(AttentionPlan& p, double probability) {
  p.dropout = probability > 0;
  p.threshold = static_cast<uint64_t>(std::llround(probability * 0x1p32));
  p.kept = probability < 1 ? 1 / (1 - probability) : 0;
}

AttentionPlan plan_of(const Tensor& query, const Tensor& key, const Tensor& value,
                      const std::optional<Tensor>& mask, double dropout_p, bool causal, double scale) {
  AttentionPlan p{};
  p.query = heads_of(query);
  p.key = heads_of(key);
  p.value = heads_of(value);
  if (mask && mask->defined()) {
    p.mask = heads_of(*mask);
    p.mask_is_bool = mask->dtype() == DType::Bool;
  }
  p.batch = query.sizes()[0];
  p.heads = query.sizes()[1];
  p.queries = query.sizes()[2];
  p.keys = key.sizes()[2];
  p.width = query.sizes()[3];
  p.value_width = value.sizes()[3];
  p.scale = scale;
  p.causal = causal;
  set_dropout(p, dropout_p);
  return p;
}

void attention_cuda(Tensor3& results, const Tensor& query, const Tensor& key, const Tensor& value,
                    const std::optional<Tensor>& attn_mask, double dropout_p, bool is_causal, double scale) {
  auto& [out, logsumexp, rng] = results;
  AttentionPlan p = plan_of(query, key, value, attn_mask, dropout_p, is_causal, scale);
  if (dropout_p > 0) {
    const int64_t scores = p.batch * p.heads * p.queries * p.keys;
    const Generator::State state = default_generator().advance(static_cast<uint64_t>(scores) / 4 + 1);
    p.seed = state.seed;
    p.offset = state.offset;
  }
  if (logsumexp.numel() == 0) return fill_tensor("attention", rng, 0);
  p.rng = rng.data<int64_t>();
  p.logsumexp = logsumexp.raw_data();
  p.result = out.raw_data();
  const Launch launch(out);
  run_attention(query.dtype(), p, launch.stream());
}

void attention_grad_cuda(TensorList& results, const Tensor& grad_output, const Tensor& query,
                         const Tensor& key, const Tensor& value, const std::optional<Tensor>& attn_mask,
                         const Tensor& output, const Tensor& logsumexp, const Tensor& rng, double dropout_p,
                         bool is_causal, double scale, bool) {
  AttentionPlan p = plan_of(query, key, value, attn_mask, dropout_p, is_causal, scale);
  p.grad_output = rows_of(grad_output);
  p.output = rows_of(output);
  const Launch launch(query);
  const Workspace delta(launch, logsumexp.nbytes());
  const Tensor sums = contiguous_of(logsumexp), state = contiguous_of(rng);
  p.logsumexp = sums.raw_data();
  p.rng = state.data<int64_t>();
  p.delta = delta.as<void>();
  p.grad_query = results[0].raw_data();
  p.grad_key = results[1].raw_data();
  p.grad_value = results[2].raw_data();
  if (results[3].numel() > 0) {
    fill_tensor("attention_grad", results[3], 0);  // keys that a query does not see have no gradient
    p.grad_mask = results[3].raw_data();
  }
  run_attention_grad(query.dtype(), p, launch.stream());
}

void attention_dropout_cuda(Tensor& out, const Tensor& rng, IntArrayRef, double probability, DType) {
  AttentionPlan p{};
  set_dropout(p, probability);
  p.rng = rng.data<int64_t>();
  const Launch launch(out);
  run_attention_dropout(out.dtype(), p, out.raw_data(), out.numel(), launch.stream());
}

}  // namespace

void register_attention() {
  CLEW_CUDA_KERNEL(attention, attention_cuda);
  CLEW_CUDA_KERNEL(attention_grad, attention_grad_cuda);
  CLEW_CUDA_KERNEL(attention_dropout, attention_dropout_cuda);
}

}  // namespace clew::cuda
