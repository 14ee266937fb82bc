// Softmax along any dimension, layer and batch normalization.
#include "cuda/norm.h"

#include <algorithm>

#include "clew/autograd/grad_mode.h"
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"
#include "cuda/softmax.h"

namespace clew::cuda {
namespace {

void run(SoftmaxKind kind, Tensor& out, const Tensor& a, const Tensor* b, int64_t dim) {
  const Launch launch(out);
  SoftmaxPlan plan{out.raw_data(), a.raw_data(), b != nullptr ? b->raw_data() : nullptr, 1, 1, 1};
  const int64_t rank = out.dim(), at = wrap_dim("softmax", dim, rank);
  for (int64_t d = 0; d < rank; ++d)
    (d < at ? plan.outer : d == at ? plan.n : plan.inner) *= out.sizes()[static_cast<size_t>(d)];
  run_softmax(kind, out.dtype(), plan, launch.stream());
}

template <SoftmaxKind kind>
void softmax_cuda(Tensor& out, const Tensor& input, int64_t dim, std::optional<DType>) {
  const NoGradGuard guard;
  run(kind, out, input.dtype() == out.dtype() ? input : input.to(out.dtype()), nullptr, dim);
}
template <SoftmaxKind kind>
void softmax_grad_cuda(Tensor& out, const Tensor& grad_output, const Tensor& output, int64_t dim) {
  run(kind, out, grad_output, &output, dim);
}

// --- layer normalization -----------------------------------------------------------------------------------

void clear(const Tensor& t) { fill_tensor("zeros", t, 0); }

/// Weight and bias of one dtype: the input's where both have it, else the statistics'.
struct Parameters {
  std::optional<Tensor> weight, bias;
  DType dtype;
  Parameters(const Tensor& input, const std::optional<Tensor>& w, const std::optional<Tensor>& b, DType wide)
      : weight(w), bias(b), dtype(input.dtype()) {
    if ((!w || w->dtype() == dtype) && (!b || b->dtype() == dtype)) return;
    dtype = wide;
    if (w) weight = contiguous_as(*w, wide);
    if (b) bias = contiguous_as(*b, wide);
  }
  static const void* data(const std::optional<Tensor>& t) { return t ? t->raw_data() : nullptr; }
};

void layer_norm_stats_cuda(Tensor3& out, const Tensor& input, int64_t, const std::optional<Tensor>& weight,
                           const std::optional<Tensor>& bias, double eps) {
  const auto& [y, mean, rstd] = out;
  if (input.numel() == 0) {
    clear(mean);
    clear(rstd);
    return;
  }
  const Launch launch(y);
  const Parameters parameters(input, weight, bias, mean.dtype());
  LayerNormPlan plan{};
  plan.rows = mean.numel();
  plan.n = input.numel() / plan.rows;
  plan.eps = eps;
  plan.in = input.raw_data();
  plan.weight = Parameters::data(parameters.weight);
  plan.bias = Parameters::data(parameters.bias);
  plan.mean = mean.raw_data();
  plan.rstd = rstd.raw_data();
  plan.out = y.raw_data();
  run_layer_norm(input.dtype(), parameters.dtype, plan, launch.stream());
}

// Sums are cut into about this many blocks, of at least so much work each.
constexpr int64_t kManyBlocks = 1024, kLeastRows = 64, kLeastElements = 8192;

void layer_norm_grad_cuda(Tensor3& out, const Tensor& grad_output, const Tensor& input, const Tensor& mean,
                          const Tensor& rstd, const std::optional<Tensor>& weight, int64_t, bool input_grad,
                          bool parameter_grads) {
  const auto& [dx, dw, db] = out;
  if (input.numel() == 0) {
    clear(dw);
    clear(db);
    return;
  }
  const Launch launch(input);
  const Parameters parameters(input, weight, std::nullopt, mean.dtype());
  LayerNormPlan plan{};
  plan.rows = mean.numel();
  plan.n = input.numel() / plan.rows;
  plan.in = input.raw_data();
  plan.weight = Parameters::data(parameters.weight);
  plan.mean = mean.raw_data();
  plan.rstd = rstd.raw_data();
  plan.out = input_grad ? dx.raw_data() : nullptr;
  plan.grad = grad_output.raw_data();
  plan.grad_weight = parameter_grads ? dw.raw_data() : nullptr;
  plan.grad_bias = parameter_grads ? db.raw_data() : nullptr;
  const int64_t tiles = (plan.n + 31) / 32;
  plan.chunks = std::clamp<int64_t>(plan.rows / kLeastRows, 1, std::max<int64_t>(1, kManyBlocks / tiles));
  plan.chunk = (plan.rows + plan.chunks - 1) / plan.chunks;
  const auto partials =
      static_cast<size_t>(parameter_grads ? 2 * plan.chunks * plan.n : 0) * item_size(mean.dtype());
  const Workspace room(launch, partials);
  plan.partials = room.as<void>();
  run_layer_norm_grad(input.dtype(), parameters.dtype, plan, launch.stream());
}

// --- batch normalization -----------------------------------------------------------------------------------

ChannelPlan channel_plan(const Tensor& input, double eps) {
  ChannelPlan plan{};
  plan.n = input.sizes()[0];
  plan.channels = input.sizes()[1];
  plan.length = 1;
  for (size_t d = 2; d < input.sizes().size(); ++d) plan.length *= input.sizes()[d];
  plan.eps = eps;
  plan.in = input.raw_data();
  const int64_t count = plan.n * plan.length;
  plan.chunks = std::clamp<int64_t>(count / kLeastElements, 1,
                                    std::max<int64_t>(1, kManyBlocks / std::max<int64_t>(1, plan.channels)));
  plan.chunk = (count + plan.chunks - 1) / plan.chunks;
  return plan;
}

/// A parameter in the dtype of the statistics.
std::optional<Tensor> widened(const std::optional<Tensor>& t, DType wide) {
  return t ? std::optional(contiguous_as(*t, wide)) : std::nullopt;
}

void batch_norm_stats_cuda(Tensor3& out, const Tensor& input, const std::optional<Tensor>& weight,
                           const std::optional<Tensor>& bias, double eps) {
  const auto& [y, mean, var] = out;
  if (input.numel() == 0) {
    clear(mean);
    clear(var);
    return;
  }
  const Launch launch(y);
  const std::optional<Tensor> w = widened(weight, mean.dtype()), b = widened(bias, mean.dtype());
  ChannelPlan plan = channel_plan(input, eps);
  const Workspace partials(launch, static_cast<size_t>(plan.channels * plan.chunks) * 2 * sizeof(double)),
      factors(launch, static_cast<size_t>(3 * plan.channels) * item_size(mean.dtype()));
  plan.partials = partials.as<void>();
  plan.factors = factors.as<void>();
  plan.weight = Parameters::data(w);
  plan.bias = Parameters::data(b);
  plan.mean = mean.raw_data();
  plan.var = var.raw_data();
  plan.out = y.raw_data();
  run_channel_stats(input.dtype(), plan, launch.stream());
  run_channel_affine(input.dtype(), plan, launch.stream());
}

void batch_norm_grad_cuda(Tensor3& out, const Tensor& grad_output, const Tensor& input, const Tensor& mean,
                          const Tensor& var, const std::optional<Tensor>& weight, double eps, bool input_grad,
                          bool parameter_grads) {
  const auto& [dx, dw, db] = out;
  if (input.numel() == 0) {
    clear(dw);
    clear(db);
    return;
  }
  const Launch launch(input);
  const std::optional<Tensor> w = widened(weight, mean.dtype());
  ChannelPlan plan = channel_plan(input, eps);
  const Workspace partials(launch, static_cast<size_t>(plan.channels * plan.chunks) * 2 * sizeof(double)),
      factors(launch, static_cast<size_t>(3 * plan.channels) * item_size(mean.dtype()));
  plan.partials = partials.as<void>();
  plan.factors = factors.as<void>();
  plan.grad = grad_output.raw_data();
  plan.weight = Parameters::data(w);
  plan.mean = mean.raw_data();
  plan.var = var.raw_data();
  plan.grad_weight = parameter_grads ? dw.raw_data() : nullptr;
  plan.grad_bias = parameter_grads ? db.raw_data() : nullptr;
  run_channel_grads(input.dtype(), plan, launch.stream());
  if (!input_grad) return;
  plan.out = dx.raw_data();
  run_channel_input_grad(input.dtype(), plan, launch.stream());
}

void channel_affine_cuda(Tensor& out, const Tensor& input, const Tensor& scale, const Tensor& shift) {
  if (out.numel() == 0) return;
  const DType wide = out.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  const Launch launch(out);
  ChannelPlan plan = channel_plan(input, 0);
  const Tensor factors = new_tensor(out, {2, plan.channels}, wide);
  for (const bool second : {false, true}) {
    copy_tensor(apply_detail::make_view(factors, {{plan.channels}, {1}, second ? plan.channels : 0}),
                second ? shift : scale);
  }
  plan.factors = factors.raw_data();
  plan.out = out.raw_data();
  run_channel_affine(out.dtype(), plan, launch.stream());
}

}  // namespace

void register_norm() {
  CLEW_CUDA_KERNEL(softmax, softmax_cuda<SoftmaxKind::softmax>);
  CLEW_CUDA_KERNEL(log_softmax, softmax_cuda<SoftmaxKind::log_softmax>);
  CLEW_CUDA_KERNEL(softmax_grad, softmax_grad_cuda<SoftmaxKind::softmax_grad>);
  CLEW_CUDA_KERNEL(log_softmax_grad, softmax_grad_cuda<SoftmaxKind::log_softmax_grad>);
  CLEW_CUDA_KERNEL(layer_norm_stats, layer_norm_stats_cuda);
  CLEW_CUDA_KERNEL(layer_norm_grad, layer_norm_grad_cuda);
  CLEW_CUDA_KERNEL(batch_norm_stats, batch_norm_stats_cuda);
  CLEW_CUDA_KERNEL(batch_norm_grad, batch_norm_grad_cuda);
  CLEW_CUDA_KERNEL(channel_affine, channel_affine_cuda);
}

}  // namespace clew::cuda
