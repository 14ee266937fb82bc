// Losses over class indices, fused forward and backward, and two elementwise ones.
#include "cuda/loss.h"

#include <string_view>

#include "clew/dispatch/apply.h"
#include "cuda/checks.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"

namespace clew::cuda {
namespace {

/// A loss's inputs as kernels read them, and where they report targets that are out of range.
class Inputs {
 public:
  ClassLoss plan{};
  const DType wide;

  Inputs(const char* op, const Launch& launch, const Tensor& input, const Tensor& target,
         const std::optional<Tensor>& weight, int64_t ignore_index)
      : wide(input.dtype() == DType::Float64 ? DType::Float64 : DType::Float32),
        op_(op),
        launch_(launch),
        targets_(contiguous_as(target, DType::Int64)),
        weight_(weight ? contiguous_as(*weight, wide) : Tensor()),
        bad_(launch) {
    const bool single = input.dim() == 1;
    plan.outer = single ? 1 : input.sizes()[0];
    plan.classes = input.sizes()[single ? 0 : 1];
    plan.inner = 1;
    for (int64_t d = 2; d < input.dim(); ++d) plan.inner *= input.sizes()[static_cast<size_t>(d)];
    plan.ignore_index = ignore_index;
    plan.in = input.raw_data();
    plan.targets = targets_.data<int64_t>();
    plan.weight = weight ? weight_.raw_data() : nullptr;
    plan.bad = bad_.bad();
  }
  size_t bytes_each() const { return static_cast<size_t>(plan.count()) * item_size(wide); }
  /// Raises IndexError; waits for the device.
  void check() const {
    const int64_t at = bad_.read();
    if (at < 0) return;
    const int64_t t = read_value(plan.targets + at, launch_);
    detail::raise<IndexError>(op_, ": expected target classes in [0, ", plan.classes, "), got ", t,
                              " at position ", at, " (the input has ", plan.classes,
                              " classes, ignore_index is ", plan.ignore_index, ")");
  }

 private:
  const char* op_;
  const Launch& launch_;
  const Tensor targets_, weight_;
  const BadPosition bad_;
};

/// Runs `kernel`, which fills what the plan says, and reduces.
template <class Kernel>
void reduce_losses(const Tensor& out, Inputs& in, std::string_view reduction, const Launch& launch,
                   Kernel&& kernel) {
  ClassLoss& plan = in.plan;
  const bool mean = reduction == "mean", none = reduction == "none";
  const Tensor each = none && out.dtype() == in.wide ? out : new_tensor(out, {plan.count()}, in.wide);
  const Workspace weights(launch, mean ? in.bytes_each() : 0);
  plan.each = each.raw_data();
  plan.weights = mean ? weights.as<void>() : nullptr;
  if (plan.count() > 0) {
    kernel();
    in.check();
  }
  if (!none)
    return run_loss_sum(mean ? LossSum::Mean : LossSum::Sum, out.dtype(), out.raw_data(), plan,
                        launch.stream());
  if (!each.is_same(out))
    copy_tensor(out, apply_detail::make_view(each, {out.sizes().vec(), out.strides().vec(), 0}));
}

void nll_loss_cuda(Tensor& out, const Tensor& input, const Tensor& target,
                   const std::optional<Tensor>& weight, int64_t ignore_index, std::string_view reduction) {
  const Launch launch(out);
  Inputs in("nll_loss", launch, input, target, weight, ignore_index);
  reduce_losses(out, in, reduction, launch, [&] { run_nll(input.dtype(), in.plan, launch.stream()); });
}

void cross_entropy_rows_cuda(Tensor2& out, const Tensor& input, const Tensor& target,
                             const std::optional<Tensor>& weight, int64_t ignore_index,
                             std::string_view reduction) {
  const auto& [loss, logsumexp] = out;
  const Launch launch(loss);
  Inputs in("cross_entropy", launch, input, target, weight, ignore_index);
  in.plan.logsumexp = logsumexp.raw_data();
  reduce_losses(loss, in, reduction, launch,
                [&] { run_cross_entropy(input.dtype(), in.plan, launch.stream()); });
}

void cross_entropy_rows_grad_cuda(Tensor& out, const Tensor& grad_output, const Tensor& input,
                                  const Tensor& target, const std::optional<Tensor>& weight,
                                  const Tensor& logsumexp, int64_t ignore_index, std::string_view reduction) {
  if (out.numel() == 0) return;
  const Launch launch(out);
  Inputs in("cross_entropy", launch, input, target, weight, ignore_index);
  const bool mean = reduction == "mean";
  const Workspace weights(launch, mean ? in.bytes_each() : 0), scale(launch, mean ? item_size(in.wide) : 0);
  if (mean) {
    in.plan.weights = weights.as<void>();
    run_nll(input.dtype(), in.plan, launch.stream());
    run_loss_sum(LossSum::Scale, input.dtype(), scale.as<void>(), in.plan, launch.stream());
  }
  in.plan.logsumexp = logsumexp.raw_data();
  run_cross_entropy_grad(input.dtype(), in.plan,
                         {.out = out.raw_data(),
                          .grad = grad_output.raw_data(),
                          .grad_step = grad_output.dim() == 0 ? 0 : 1,
                          .scale = mean ? scale.as<void>() : nullptr},
                         launch.stream());
  in.check();
}

void log_sigmoid_cuda(Tensor& out, const Tensor& input) {
  if (out.numel() == 0) return;
  const Launch launch(out);
  run_log_sigmoid(out.dtype(), out.raw_data(), input.raw_data(), out.numel(), launch.stream());
}

void binary_cross_entropy_each_cuda(Tensor& out, const Tensor& input, const Tensor& target) {
  if (out.numel() == 0) return;
  const Launch launch(out);
  const Tensor goal = contiguous_as(target, out.dtype());
  const BadPosition bad(launch);
  run_binary_cross_entropy(out.dtype(), out.raw_data(), input.raw_data(), goal.raw_data(), out.numel(),
                           bad.bad(), launch.stream());
  CLEW_CHECK(bad.read() < 0, ValueError,
             "binary_cross_entropy: expected probabilities in [0, 1], got a value outside "
             "(binary_cross_entropy_with_logits takes logits)");
}

}  // namespace

void register_loss() {
  CLEW_CUDA_KERNEL(nll_loss, nll_loss_cuda);
  CLEW_CUDA_KERNEL(cross_entropy_rows, cross_entropy_rows_cuda);
  CLEW_CUDA_KERNEL(cross_entropy_rows_grad, cross_entropy_rows_grad_cuda);
  CLEW_CUDA_KERNEL(log_sigmoid, log_sigmoid_cuda);
  CLEW_CUDA_KERNEL(binary_cross_entropy_each, binary_cross_entropy_each_cuda);
}

}  // namespace clew::cuda
