#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "ops/window.h"
#include "registry/slots.h"

namespace clew {

// --- geometry --------------------------------------------------------------------------------------

static constexpr int64_t kMaxParam = 0x7fffffff;

static Shape window_param(const char* op, const char* name, IntArrayRef values, int64_t least) {
  Shape p = expand_param(op, name, values, 2);
  for (int64_t v : p) {
    CLEW_CHECK(v >= least && v <= kMaxParam, ValueError, op, ": expected ", name, " in [", least, ", ",
               kMaxParam, "], got ", values);
  }
  return p;
}

// How many windows of span `extent` fit; 128 bits, so that no size overflows.
static int64_t count_windows(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
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

Pool2dShape pool2d_shape(const char* op, IntArrayRef input, IntArrayRef kernel_size, IntArrayRef stride,
                         IntArrayRef padding, IntArrayRef dilation, bool ceil_mode) {
  CLEW_CHECK(input.size() == 4 || input.size() == 3, ShapeError, op,
             ": expected input of shape (N, C, H, W) or (C, H, W), got ", input);
  const size_t c = input.size() - 3;
  CLEW_CHECK(input[c] > 0 && input[c + 1] > 0 && input[c + 2] > 0, ShapeError, op,
             ": expected sizes > 0 except for the batch, got input ", input);
  const Shape k = window_param(op, "kernel_size", kernel_size, 1),
              s = stride.empty() ? k : window_param(op, "stride", stride, 1),
              p = window_param(op, "padding", padding, 0), d = window_param(op, "dilation", dilation, 1);
  for (size_t i = 0; i < 2; ++i) {
    CLEW_CHECK(p[i] <= (d[i] * (k[i] - 1) + 1) / 2, ValueError, op,
               ": expected padding of at most half the kernel's extent, got padding ", p, " (kernel_size ", k,
               ", dilation ", d, ")");
  }
  Pool2dShape r{};
  r.planes = input[c] * (c == 1 ? input[0] : 1);
  r.h = input[c + 1], r.w = input[c + 2];
  r.kh = k[0], r.kw = k[1], r.sh = s[0], r.sw = s[1], r.ph = p[0], r.pw = p[1], r.dh = d[0], r.dw = d[1];
  r.oh = count_windows(r.h, r.kh, r.sh, r.ph, r.dh, ceil_mode);
  r.ow = count_windows(r.w, r.kw, r.sw, r.pw, r.dw, ceil_mode);
  CLEW_CHECK(r.oh > 0 && r.ow > 0, ShapeError, op,
             ": expected input at least as large as the window, got input ", input, " (kernel_size ", k,
             ", padding ", p, ", dilation ", d, ")");
  r.output = input.vec();
  r.output[c + 1] = r.oh;
  r.output[c + 2] = r.ow;
  return r;
}

static void check_same_dtype(const char* op, const char* name_a, const Tensor& a, const char* name_b,
                             const Tensor& b) {
  CLEW_CHECK(a.dtype() == b.dtype(), DTypeError, op, ": expected ", name_a, " and ", name_b,
             " of one dtype, got ", a.dtype(), " and ", b.dtype(), " (convert one of them with to())");
}

static void check_grad_shape(const char* op, const Tensor& grad_output, IntArrayRef expected) {
  CLEW_CHECK(grad_output.sizes() == expected, ShapeError, op, ": expected grad_output of shape ", expected,
             ", got ", grad_output.sizes());
}

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
    .dtypes = kFloating,
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
    .dtypes = kFloating,
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

// --- max pooling -----------------------------------------------------------------------------------

CLEW_OP_PAGE(max_pool2d) = {{
    .name = "max_pool2d",
    .doc = R"(Takes the maximum of each window.

    out[..., y, x] = max_{i, j} input[..., y*sH - pH + i*dH, x*sW - pW + j*dW]

Positions outside of the image never win; NaN always does.

Args:
    input: shape (N, C, H, W) or (C, H, W).
    kernel_size, padding, dilation: an integer or a pair (height, width); padding at most half the kernel.
    stride: the same; empty or None means `kernel_size`.
    ceil_mode: round the output size up instead of down, as long as a window starts inside.
Returns:
    Tensor of shape (..., OH, OW), OH = floor((H + 2*pH - dH*(kH - 1) - 1) / sH) + 1.
Raises:
    clew.ShapeError: the window is larger than the padded image.
    clew.ValueError: a parameter is out of range.
Example:
    >>> clew.nn.functional.max_pool2d(clew.arange(16.0).reshape(1, 4, 4), 2).tolist()
    [[[5.0, 7.0], [13.0, 15.0]]]
)",
    .dtypes = kNumeric,
    .composite = [](const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding,
                    IntArrayRef dilation, bool ceil_mode) -> Tensor {
      return std::get<0>(max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode));
    },
}};
Tensor max_pool2d(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding,
                  IntArrayRef dilation, bool ceil_mode) {
  return apply(max_pool2d_op, input, kernel_size, stride, padding, dilation, ceil_mode);
}

static std::array<TensorMeta, 2> max_pool2d_meta(const Tensor& input, IntArrayRef kernel_size,
                                                 IntArrayRef stride, IntArrayRef padding,
                                                 IntArrayRef dilation, bool ceil_mode) {
  const Shape out =
      pool2d_shape("max_pool2d", input.sizes(), kernel_size, stride, padding, dilation, ceil_mode).output;
  return {TensorMeta{out, input.dtype()}, TensorMeta{out, DType::Int64}};
}

CLEW_OP_PAGE(max_pool2d_with_indices) = {{
    .name = "max_pool2d_with_indices",
    .doc = R"(As max_pool2d, and also returns where each maximum was found.

Args:
    input, kernel_size, stride, padding, dilation, ceil_mode: as in max_pool2d.
Returns:
    (values, indices): both of shape (..., OH, OW); `indices` (int64) counts within each H x W plane, row by row.
Raises:
    clew.ShapeError: the window is larger than the padded image.
    clew.ValueError: a parameter is out of range.
Example:
    >>> y, i = clew.nn.functional.max_pool2d_with_indices(clew.arange(16.0).reshape(1, 4, 4), 2)
    >>> i.tolist()
    [[[5, 7], [13, 15]]]
)",
    .dtypes = kNumeric,
    .layout = Layout::Contiguous,
    .meta = max_pool2d_meta,
    .kernel = &max_pool2d_with_indices_kernel,
    .saves = kSavesNothing.output(1),
    .grads = [](const Backward& ctx, TensorListRef g) -> GradList {
      if (!g[0].defined()) return {Tensor()};
      return {max_pool2d_grad(g[0], ctx.output(1), ctx.input_sizes(0))};
    },
}};
Tensor2 max_pool2d_with_indices(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride,
                                IntArrayRef padding, IntArrayRef dilation, bool ceil_mode) {
  return apply(max_pool2d_with_indices_op, input, kernel_size, stride, padding, dilation, ceil_mode);
}

static TensorMeta max_pool2d_grad_meta(const Tensor& grad_output, const Tensor& indices,
                                       IntArrayRef input_size) {
  check_grad_shape("max_pool2d_grad", grad_output, indices.sizes());
  const size_t rank = input_size.size();
  CLEW_CHECK(
      rank >= 3 && rank == indices.sizes().size() &&
          IntArrayRef(input_size.data(), rank - 2) == IntArrayRef(indices.sizes().data(), rank - 2),
      ShapeError,
      "max_pool2d_grad: expected input_size of the form (..., H, W) with the leading sizes of indices, got ",
      input_size, " (indices ", indices.sizes(), ")");
  CLEW_CHECK(indices.dtype() == DType::Int64, DTypeError,
             "max_pool2d_grad: expected indices of dtype int64, got ", indices.dtype());
  return {input_size.vec(), grad_output.dtype()};
}

CLEW_OP_PAGE(max_pool2d_grad) = {{
    .name = "max_pool2d_grad",
    .doc = R"(Gradient of max pooling: adds each element of `grad_output` to where the maximum was.

Args:
    grad_output: shape (..., OH, OW), floating point.
    indices: the same shape, int64, within each plane of H * W elements.
    input_size: (..., H, W), the pooled tensor's shape.
Returns:
    Tensor of shape `input_size`.
Raises:
    clew.IndexError: an index is outside of the plane.
Example:
    >>> clew.ops.max_pool2d_grad(clew.ones(1, 1, 1), clew.full((1, 1, 1), 2), (1, 2, 2)).tolist()
    [[[0.0, 0.0], [1.0, 0.0]]]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = max_pool2d_grad_meta,
    .kernel = &max_pool2d_grad_kernel,
    .saves = kSavesNothing.input(1),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor indices = ctx.input(1);
      return {gather(flatten(g, -2), -1, flatten(indices, -2)).reshape(indices.sizes()), Tensor()};
    },
}};
Tensor max_pool2d_grad(const Tensor& grad_output, const Tensor& indices, IntArrayRef input_size) {
  return apply(max_pool2d_grad_op, grad_output, indices, input_size);
}

// --- average pooling -------------------------------------------------------------------------------

static TensorMeta avg_pool2d_meta(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride,
                                  IntArrayRef padding, bool ceil_mode, bool) {
  return {pool2d_shape("avg_pool2d", input.sizes(), kernel_size, stride, padding, {1}, ceil_mode).output,
          input.dtype()};
}

CLEW_OP_PAGE(avg_pool2d) = {{
    .name = "avg_pool2d",
    .doc = R"(Averages each window.

    out[..., y, x] = sum_{i, j} input[..., y*sH - pH + i, x*sW - pW + j] / count

Args:
    input: shape (N, C, H, W) or (C, H, W), floating point.
    kernel_size, padding: an integer or a pair (height, width); padding at most half the kernel.
    stride: the same; empty or None means `kernel_size`.
    ceil_mode: round the output size up instead of down, as long as a window starts inside.
    count_include_pad: the padding counts as zeros; otherwise only positions inside of the image count.
Returns:
    Tensor of shape (..., OH, OW), OH = floor((H + 2*pH - kH) / sH) + 1.
Raises:
    clew.ShapeError: the window is larger than the padded image.
    clew.ValueError: a parameter is out of range.
Example:
    >>> clew.nn.functional.avg_pool2d(clew.arange(16.0).reshape(1, 4, 4), 2).tolist()
    [[[2.5, 4.5], [10.5, 12.5]]]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = avg_pool2d_meta,
    .kernel = &avg_pool2d_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {avg_pool2d_grad(g, ctx.input_sizes(0), ctx.arg<IntArrayRef>(1), ctx.arg<IntArrayRef>(2),
                              ctx.arg<IntArrayRef>(3), ctx.arg<bool>(4), ctx.arg<bool>(5))};
    },
}};
Tensor avg_pool2d(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding,
                  bool ceil_mode, bool count_include_pad) {
  return apply(avg_pool2d_op, input, kernel_size, stride, padding, ceil_mode, count_include_pad);
}

static TensorMeta avg_pool2d_grad_meta(const Tensor& grad_output, IntArrayRef input_size,
                                       IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding,
                                       bool ceil_mode, bool) {
  check_grad_shape(
      "avg_pool2d_grad", grad_output,
      pool2d_shape("avg_pool2d_grad", input_size, kernel_size, stride, padding, {1}, ceil_mode).output);
  return {input_size.vec(), grad_output.dtype()};
}

CLEW_OP_PAGE(avg_pool2d_grad) = {{
    .name = "avg_pool2d_grad",
    .doc = R"(Gradient of avg_pool2d: spreads each element of `grad_output` evenly over its window.

Args:
    grad_output: shape of avg_pool2d's result.
    input_size: shape of the pooled tensor.
    kernel_size, stride, padding, ceil_mode, count_include_pad: as in avg_pool2d.
Returns:
    Tensor of shape `input_size`.
Raises:
    clew.ShapeError: `grad_output` has not the shape that avg_pool2d gives.
Example:
    >>> clew.ops.avg_pool2d_grad(clew.ones(1, 1, 1), (1, 2, 2), 2, (), 0, False, True).tolist()
    [[[0.25, 0.25], [0.25, 0.25]]]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = avg_pool2d_grad_meta,
    .kernel = &avg_pool2d_grad_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {avg_pool2d(g, ctx.arg<IntArrayRef>(2), ctx.arg<IntArrayRef>(3), ctx.arg<IntArrayRef>(4),
                         ctx.arg<bool>(5), ctx.arg<bool>(6))};
    },
}};
Tensor avg_pool2d_grad(const Tensor& grad_output, IntArrayRef input_size, IntArrayRef kernel_size,
                       IntArrayRef stride, IntArrayRef padding, bool ceil_mode, bool count_include_pad) {
  return apply(avg_pool2d_grad_op, grad_output, input_size, kernel_size, stride, padding, ceil_mode,
               count_include_pad);
}

static void check_adaptive_input(const char* op, IntArrayRef input) {
  CLEW_CHECK(input.size() == 4 || input.size() == 3, ShapeError, op,
             ": expected input of shape (N, C, H, W) or (C, H, W), got ", input);
  for (size_t i = input.size() - 3; i < input.size(); ++i) {
    CLEW_CHECK(input[i] > 0, ShapeError, op, ": expected sizes > 0 except for the batch, got input ", input);
  }
}

static TensorMeta adaptive_avg_pool2d_meta(const Tensor& input, IntArrayRef output_size) {
  check_adaptive_input("adaptive_avg_pool2d", input.sizes());
  const Shape size = window_param("adaptive_avg_pool2d", "output_size", output_size, 0);
  Shape out = input.sizes().vec();
  out[out.size() - 2] = size[0];
  out[out.size() - 1] = size[1];
  return {out, input.dtype()};
}

CLEW_OP_PAGE(adaptive_avg_pool2d) = {{
    .name = "adaptive_avg_pool2d",
    .doc = R"(Averages over windows chosen so that the result has the given size.

    out[..., y, x] = mean of input[..., floor(y*H/OH) : ceil((y+1)*H/OH), floor(x*W/OW) : ceil((x+1)*W/OW)]

Args:
    input: shape (N, C, H, W) or (C, H, W), floating point.
    output_size: an integer or a pair (OH, OW).
Returns:
    Tensor of shape (..., OH, OW).
Raises:
    clew.ShapeError: `input` has another rank, or an empty plane.
    clew.ValueError: a negative output size.
Example:
    >>> clew.nn.functional.adaptive_avg_pool2d(clew.arange(16.0).reshape(1, 4, 4), 1).tolist()
    [[[7.5]]]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = adaptive_avg_pool2d_meta,
    .kernel = &adaptive_avg_pool2d_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {adaptive_avg_pool2d_grad(g, ctx.input_sizes(0))};
    },
}};
Tensor adaptive_avg_pool2d(const Tensor& input, IntArrayRef output_size) {
  return apply(adaptive_avg_pool2d_op, input, output_size);
}

static TensorMeta adaptive_avg_pool2d_grad_meta(const Tensor& grad_output, IntArrayRef input_size) {
  check_adaptive_input("adaptive_avg_pool2d_grad", input_size);
  const size_t lead = input_size.size() - 2;
  const IntArrayRef got = grad_output.sizes();
  CLEW_CHECK(got.size() == lead + 2 && IntArrayRef(got.data(), lead) == IntArrayRef(input_size.data(), lead),
             ShapeError, "adaptive_avg_pool2d_grad: expected grad_output with the leading sizes of ",
             input_size, ", got ", got);
  return {input_size.vec(), grad_output.dtype()};
}

CLEW_OP_PAGE(adaptive_avg_pool2d_grad) = {{
    .name = "adaptive_avg_pool2d_grad",
    .doc = R"(Gradient of adaptive_avg_pool2d: spreads each element of `grad_output` evenly over its window.

Args:
    grad_output: shape of adaptive_avg_pool2d's result.
    input_size: shape of the pooled tensor.
Returns:
    Tensor of shape `input_size`.
Raises:
    clew.ShapeError: the leading sizes differ.
Example:
    >>> clew.ops.adaptive_avg_pool2d_grad(clew.ones(1, 1, 1), (1, 2, 2)).tolist()
    [[[0.25, 0.25], [0.25, 0.25]]]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = adaptive_avg_pool2d_grad_meta,
    .kernel = &adaptive_avg_pool2d_grad_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {adaptive_avg_pool2d(g, IntArrayRef(ctx.input_sizes(0).end() - 2, 2))};
    },
}};
Tensor adaptive_avg_pool2d_grad(const Tensor& grad_output, IntArrayRef input_size) {
  return apply(adaptive_avg_pool2d_grad_op, grad_output, input_size);
}

}  // namespace clew
