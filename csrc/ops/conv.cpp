#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "ops/window.h"
#include "registry/slots.h"

namespace clew {

// --- geometry --------------------------------------------------------------------------------------

Shape window_param(const char* op, const char* name, IntArrayRef values, int64_t least, size_t n) {
  Shape p = expand_param(op, name, values, n);
  for (int64_t v : p) {
    CLEW_CHECK(v >= least && v <= kMaxParam, ValueError, op, ": expected ", name, " in [", least, ", ",
               kMaxParam, "], got ", values);
  }
  return p;
}

int64_t count_windows(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                      bool ceil_mode) {
  const __int128 extent = static_cast<__int128>(dilation) * (kernel - 1) + 1;
  const __int128 room = static_cast<__int128>(in) + 2 * padding - extent + (ceil_mode ? stride - 1 : 0);
  if (room < 0) return 0;
  auto n = static_cast<int64_t>(room / stride) + 1;
  // A last window that starts in the padding on the right is dropped.
  if (ceil_mode && static_cast<__int128>(n - 1) * stride >= static_cast<__int128>(in) + padding) --n;
  return n;
}

Conv2dShape conv2d_shape(const char* op, IntArrayRef input, IntArrayRef weight, IntArrayRef stride,
                         IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  CLEW_CHECK(weight.size() == 4, ShapeError, op,
             ": expected weight of shape (out_channels, in_channels/groups, kH, kW), got ", weight);
  CLEW_CHECK(input.size() == 4 || input.size() == 3, ShapeError, op,
             ": expected input of shape (N, C, H, W) or (C, H, W), got ", input, " (weight ", weight, ")");
  const Shape s = window_param(op, "stride", stride, 1), p = window_param(op, "padding", padding, 0),
              d = window_param(op, "dilation", dilation, 1);
  const bool batched = input.size() == 4;
  const size_t c = batched ? 1 : 0;
  CLEW_CHECK(groups > 0 && weight[0] % groups == 0, ValueError, op, ": expected groups > 0 that divides the ",
             weight[0], " output channels, got ", groups, " (weight ", weight, ")");
  CLEW_CHECK(static_cast<__int128>(weight[1]) * groups == input[c], ShapeError, op, ": expected input with ",
             weight[1], " * ", groups, " channels (weight ", weight, ", groups=", groups, "), got ", input[c],
             " (input ", input, ")");
  CLEW_CHECK(weight[2] > 0 && weight[3] > 0 && weight[2] <= kMaxParam && weight[3] <= kMaxParam, ShapeError,
             op, ": expected kernel sizes in [1, ", kMaxParam, "], got ", weight[2], " and ", weight[3],
             " (weight ", weight, ")");
  Conv2dShape r{};
  r.batched = batched;
  r.n = batched ? input[0] : 1;
  r.c_in = input[c], r.h = input[c + 1], r.w = input[c + 2];
  r.c_out = weight[0], r.kh = weight[2], r.kw = weight[3];
  r.sh = s[0], r.sw = s[1], r.ph = p[0], r.pw = p[1], r.dh = d[0], r.dw = d[1];
  r.groups = groups;
  r.oh = count_windows(r.h, r.kh, r.sh, r.ph, r.dh, false);
  r.ow = count_windows(r.w, r.kw, r.sw, r.pw, r.dw, false);
  CLEW_CHECK(r.oh > 0 && r.ow > 0, ShapeError, op,
             ": expected input at least as large as the kernel, got input ", input, " and weight ", weight,
             " (padding=", p, ", dilation=", d, ")");
  return r;
}

void check_same_dtype(const char* op, const char* name_a, const Tensor& a, const char* name_b,
                      const Tensor& b) {
  CLEW_CHECK(a.dtype() == b.dtype(), DTypeError, op, ": expected ", name_a, " and ", name_b,
             " of one dtype, got ", a.dtype(), " and ", b.dtype(), " (convert one of them with to())");
}

void check_grad_shape(const char* op, const Tensor& grad_output, IntArrayRef expected) {
  CLEW_CHECK(grad_output.sizes() == expected, ShapeError, op, ": expected grad_output of shape ", expected,
             ", got ", grad_output.sizes());
}

// Integers have no gradients; they are for masks and for exact arithmetic.
static constexpr DTypeSet kConvolved = kFloating | dtype_set(DType::Int64);

// --- convolution -----------------------------------------------------------------------------------

static TensorMeta conv2d_meta(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                              IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  check_same_dtype("conv2d", "input", input, "weight", weight);
  const Conv2dShape s =
      conv2d_shape("conv2d", input.sizes(), weight.sizes(), stride, padding, dilation, groups);
  if (bias) {
    check_same_dtype("conv2d", "input", input, "bias", *bias);
    CLEW_CHECK(bias->dim() == 1 && bias->numel() == s.c_out, ShapeError, "conv2d: expected bias of shape (",
               s.c_out, ",), one value per output channel, got ", bias->sizes(), " (weight ", weight.sizes(),
               ")");
  }
  return {s.output(), input.dtype()};
}

CLEW_OP_PAGE(conv2d) = {{
    .name = "conv2d",
    .doc = R"(Cross-correlates images with a bank of filters.

    out[n, o, y, x] = bias[o] + sum_{c, i, j} weight[o, c, i, j] * input[n, c', y*sH - pH + i*dH, x*sW - pW + j*dW]

Positions outside of the image count as 0; c' is c within the group of o.

Args:
    input: shape (N, C, H, W) or (C, H, W), floating point.
    weight: shape (O, C / groups, kH, kW), dtype of `input`.
    bias: shape (O,), or None for 0.
    stride, padding, dilation: an integer or a pair (height, width).
    groups: channels are split into this many independent groups.
Returns:
    Tensor of shape (N, O, OH, OW), OH = floor((H + 2*pH - dH*(kH - 1) - 1) / sH) + 1; without N as `input`.
Raises:
    clew.ShapeError: channels do not match, or the kernel is larger than the padded image.
    clew.DTypeError: the dtypes differ.
    clew.ValueError: a parameter is out of range.
Example:
    >>> x, w = clew.ones(1, 1, 3, 3), clew.ones(1, 1, 2, 2)
    >>> clew.nn.functional.conv2d(x, w).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
)",
    .dtypes = kConvolved,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Low,
    .meta = conv2d_meta,
    .kernel = &conv2d_kernel,
    .saves = kSavesNothing.input(0, grad_of(1)).input(1, grad_of(0)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const auto stride = ctx.arg<IntArrayRef>(3), padding = ctx.arg<IntArrayRef>(4);
      const auto dilation = ctx.arg<IntArrayRef>(5);
      const auto groups = ctx.arg<int64_t>(6);
      GradList grads(3);
      if (ctx.needs(0))
        grads[0] = conv2d_input_grad(g, ctx.input(1), ctx.input_sizes(0), stride, padding, dilation, groups);
      if (ctx.needs(1))
        grads[1] = conv2d_weight_grad(g, ctx.input(0), ctx.input_sizes(1), stride, padding, dilation, groups);
      if (ctx.needs(2)) grads[2] = g.dim() == 4 ? sum(g, IntArrayRef{0, 2, 3}) : sum(g, IntArrayRef{1, 2});
      return grads;
    },
}};
Tensor conv2d(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
              IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  return apply(conv2d_op, input, weight, bias, stride, padding, dilation, groups);
}

static TensorMeta conv2d_input_grad_meta(const Tensor& grad_output, const Tensor& weight,
                                         IntArrayRef input_size, IntArrayRef stride, IntArrayRef padding,
                                         IntArrayRef dilation, int64_t groups) {
  check_same_dtype("conv2d_input_grad", "grad_output", grad_output, "weight", weight);
  const Conv2dShape s =
      conv2d_shape("conv2d_input_grad", input_size, weight.sizes(), stride, padding, dilation, groups);
  check_grad_shape("conv2d_input_grad", grad_output, s.output());
  return {input_size.vec(), grad_output.dtype()};
}

CLEW_OP_PAGE(conv2d_input_grad) = {{
    .name = "conv2d_input_grad",
    .doc = R"(Gradient of conv2d for its input: the transpose of the convolution applied to `grad_output`.

Args:
    grad_output: shape of conv2d's result.
    weight: shape (O, C / groups, kH, kW).
    input_size: shape of conv2d's input.
    stride, padding, dilation, groups: as in conv2d.
Returns:
    Tensor of shape `input_size`.
Raises:
    clew.ShapeError: `grad_output` has not the shape that conv2d gives.
Example:
    >>> g, w = clew.ones(1, 1, 2, 2), clew.ones(1, 1, 2, 2)
    >>> clew.ops.conv2d_input_grad(g, w, (1, 1, 3, 3), 1, 0, 1, 1).tolist()
    [[[[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]]]
)",
    .dtypes = kConvolved,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Low,
    .meta = conv2d_input_grad_meta,
    .kernel = &conv2d_input_grad_kernel,
    .saves = kSavesNothing.input(0, grad_of(1)).input(1, grad_of(0)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const auto stride = ctx.arg<IntArrayRef>(3), padding = ctx.arg<IntArrayRef>(4);
      const auto dilation = ctx.arg<IntArrayRef>(5);
      const auto groups = ctx.arg<int64_t>(6);
      GradList grads(2);
      if (ctx.needs(0)) grads[0] = conv2d(g, ctx.input(1), std::nullopt, stride, padding, dilation, groups);
      if (ctx.needs(1))
        grads[1] = conv2d_weight_grad(ctx.input(0), g, ctx.input_sizes(1), stride, padding, dilation, groups);
      return grads;
    },
}};
Tensor conv2d_input_grad(const Tensor& grad_output, const Tensor& weight, IntArrayRef input_size,
                         IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  return apply(conv2d_input_grad_op, grad_output, weight, input_size, stride, padding, dilation, groups);
}

static TensorMeta conv2d_weight_grad_meta(const Tensor& grad_output, const Tensor& input,
                                          IntArrayRef weight_size, IntArrayRef stride, IntArrayRef padding,
                                          IntArrayRef dilation, int64_t groups) {
  check_same_dtype("conv2d_weight_grad", "grad_output", grad_output, "input", input);
  const Conv2dShape s =
      conv2d_shape("conv2d_weight_grad", input.sizes(), weight_size, stride, padding, dilation, groups);
  check_grad_shape("conv2d_weight_grad", grad_output, s.output());
  return {weight_size.vec(), grad_output.dtype()};
}

CLEW_OP_PAGE(conv2d_weight_grad) = {{
    .name = "conv2d_weight_grad",
    .doc = R"(Gradient of conv2d for its weight: correlates `input` with `grad_output`.

Args:
    grad_output: shape of conv2d's result.
    input: shape (N, C, H, W) or (C, H, W).
    weight_size: shape of conv2d's weight.
    stride, padding, dilation, groups: as in conv2d.
Returns:
    Tensor of shape `weight_size`.
Raises:
    clew.ShapeError: `grad_output` has not the shape that conv2d gives.
Example:
    >>> g, x = clew.ones(1, 1, 2, 2), clew.ones(1, 1, 3, 3)
    >>> clew.ops.conv2d_weight_grad(g, x, (1, 1, 2, 2), 1, 0, 1, 1).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Low,
    .meta = conv2d_weight_grad_meta,
    .kernel = &conv2d_weight_grad_kernel,
    .saves = kSavesNothing.input(0, grad_of(1)).input(1, grad_of(0)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const auto stride = ctx.arg<IntArrayRef>(3), padding = ctx.arg<IntArrayRef>(4);
      const auto dilation = ctx.arg<IntArrayRef>(5);
      const auto groups = ctx.arg<int64_t>(6);
      GradList grads(2);
      if (ctx.needs(0)) grads[0] = conv2d(ctx.input(1), g, std::nullopt, stride, padding, dilation, groups);
      if (ctx.needs(1))
        grads[1] = conv2d_input_grad(ctx.input(0), g, ctx.input_sizes(1), stride, padding, dilation, groups);
      return grads;
    },
}};
Tensor conv2d_weight_grad(const Tensor& grad_output, const Tensor& input, IntArrayRef weight_size,
                          IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  return apply(conv2d_weight_grad_op, grad_output, input, weight_size, stride, padding, dilation, groups);
}

}  // namespace clew
