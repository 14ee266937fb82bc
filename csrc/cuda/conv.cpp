// Convolution and its gradients.
#include "cuda/conv.h"

#include "clew/dispatch/apply.h"
#include "cuda/copy.h"
#include "cuda/cudnn.h"
#include "cuda/kernels.h"
#include "ops/window.h"

namespace clew::cuda {
namespace {

ConvPlan plan_of(const Conv2dShape& s) {
  ConvPlan p{};
  p.n = s.n;
  p.c_in = s.c_in;
  p.h = s.h;
  p.w = s.w;
  p.c_out = s.c_out;
  p.kh = s.kh;
  p.kw = s.kw;
  p.oh = s.oh;
  p.ow = s.ow;
  p.sh = s.sh;
  p.sw = s.sw;
  p.ph = s.ph;
  p.pw = s.pw;
  p.dh = s.dh;
  p.dw = s.dw;
  p.groups = s.groups;
  p.per_window = WideDivider(s.kh * s.kw);
  p.per_kernel_row = WideDivider(s.kw);
  p.per_image = WideDivider(s.oh * s.ow);
  p.per_row = WideDivider(s.ow);
  p.per_plane = WideDivider(s.h * s.w);
  p.per_plane_row = WideDivider(s.w);
  p.per_sh = WideDivider(s.sh);
  p.per_sw = WideDivider(s.sw);
  return p;
}

/// out += bias, by channel.
void add_bias(const Tensor& out, const Tensor& bias) {
  Shape sizes(static_cast<size_t>(out.dim()), 1), strides(sizes.size(), 0);
  sizes[sizes.size() - 3] = bias.sizes()[0];
  strides[sizes.size() - 3] = bias.strides()[0];
  const Tensor by_channel = apply_detail::make_view(bias, {sizes, strides, bias.storage_offset()});
  const BinaryLaunch add =
      binary_floats.at[static_cast<size_t>(kernels::BinaryOp::add)][static_cast<size_t>(out.dtype())];
  const Launch launch(out);
  run_plans<3>({&out, &out, &by_channel},
               [&](const Plan<3>& plan) { add(plan, kernels::Params{}, launch.stream()); });
}

/// By cuDNN where it is there and can, else by own kernels.
void run(ConvKind kind, const Tensor& out, const ConvPlan& plan, const Tensor* bias = nullptr) {
  const Launch launch(out);
  if (run_cudnn(kind, out.dtype(), plan, launch)) {
    if (bias != nullptr) add_bias(out, *bias);
    return;
  }
  const Workspace workspace(launch, static_cast<size_t>(conv_workspace_bytes(kind, out.dtype(), plan)));
  run_conv(kind, out.dtype(), plan, workspace.as<void>(), launch.stream());
}

void conv2d_cuda(Tensor& out, const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                 IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  if (out.numel() == 0) return;
  ConvPlan p =
      plan_of(conv2d_shape("conv2d", input.sizes(), weight.sizes(), stride, padding, dilation, groups));
  p.input = input.raw_data();
  p.weight = weight.raw_data();
  p.output = out.raw_data();
  const bool has_bias = bias && bias->defined();
  p.bias = has_bias ? bias->raw_data() : nullptr;
  run(ConvKind::Forward, out, p, has_bias ? &*bias : nullptr);
}

void conv2d_input_grad_cuda(Tensor& out, const Tensor& grad_output, const Tensor& weight,
                            IntArrayRef input_size, IntArrayRef stride, IntArrayRef padding,
                            IntArrayRef dilation, int64_t groups) {
  if (out.numel() == 0) return;
  ConvPlan p = plan_of(
      conv2d_shape("conv2d_input_grad", input_size, weight.sizes(), stride, padding, dilation, groups));
  if (p.c_out == 0) return fill_tensor("conv2d_input_grad", out, 0);
  p.input = out.raw_data();
  p.weight = weight.raw_data();
  p.output = grad_output.raw_data();
  run(ConvKind::InputGrad, out, p);
}

void conv2d_weight_grad_cuda(Tensor& out, const Tensor& grad_output, const Tensor& input,
                             IntArrayRef weight_size, IntArrayRef stride, IntArrayRef padding,
                             IntArrayRef dilation, int64_t groups) {
  if (out.numel() == 0) return;
  ConvPlan p = plan_of(
      conv2d_shape("conv2d_weight_grad", input.sizes(), weight_size, stride, padding, dilation, groups));
  if (p.n == 0) return fill_tensor("conv2d_weight_grad", out, 0);
  p.input = input.raw_data();
  p.weight = out.raw_data();
  p.output = grad_output.raw_data();
  run(ConvKind::WeightGrad, out, p);
}

}  // namespace

void register_conv() {
  CLEW_CUDA_KERNEL(conv2d, conv2d_cuda);
  CLEW_CUDA_KERNEL(conv2d_input_grad, conv2d_input_grad_cuda);
  CLEW_CUDA_KERNEL(conv2d_weight_grad, conv2d_weight_grad_cuda);
}

}  // namespace clew::cuda
