// Convolutions that are written in terms of conv2d and of its gradient.
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "ops/window.h"
#include "registry/slots.h"

namespace clew {
namespace {

// --- one dimension as two ---------------------------------------------------------------------------

Shape with_row(IntArrayRef sizes) {
  Shape s = sizes.vec();
  s.insert(s.end() - 1, 1);
  return s;
}
/// {x} as {least, x}, for the row that one dimension is given.
Shape as_pair(const char* op, const char* name, IntArrayRef values, int64_t least) {
  return {least, window_param(op, name, values, least, 1)[0]};
}

void check_1d(const char* op, const Tensor& input, const Tensor& weight, const char* weight_shape) {
  CLEW_CHECK(weight.dim() == 3, ShapeError, op, ": expected weight of shape ", weight_shape, ", got ",
             weight.sizes());
  CLEW_CHECK(input.dim() == 3 || input.dim() == 2, ShapeError, op,
             ": expected input of shape (N, C, L) or (C, L), got ", input.sizes(), " (weight ",
             weight.sizes(), ")");
}

void check_bias(const char* op, const Tensor& input, const std::optional<Tensor>& bias, int64_t channels) {
  if (!bias) return;
  check_same_dtype(op, "input", input, "bias", *bias);
  CLEW_CHECK(bias->dim() == 1 && bias->numel() == channels, ShapeError, op, ": expected bias of shape (",
             channels, ",), one value per output channel, got ", bias->sizes());
}

// --- transposed convolution -------------------------------------------------------------------------

Tensor convolve_transposed(const char* op, const Tensor& input_arg, const Tensor& weight,
                           const std::optional<Tensor>& bias, IntArrayRef stride, IntArrayRef padding,
                           IntArrayRef output_padding, int64_t groups, IntArrayRef dilation) {
  Tensor input = input_arg;
  CLEW_CHECK(weight.dim() == 4, ShapeError, op,
             ": expected weight of shape (in_channels, out_channels/groups, kH, kW), got ", weight.sizes());
  CLEW_CHECK(input.dim() == 4 || input.dim() == 3, ShapeError, op,
             ": expected input of shape (N, C, H, W) or (C, H, W), got ", input.sizes(), " (weight ",
             weight.sizes(), ")");
  check_same_dtype(op, "input", input, "weight", weight);
  const Shape s = window_param(op, "stride", stride, 1, 2), p = window_param(op, "padding", padding, 0, 2),
              d = window_param(op, "dilation", dilation, 1, 2),
              extra = window_param(op, "output_padding", output_padding, 0, 2);
  const size_t c = static_cast<size_t>(input.dim()) - 3;
  CLEW_CHECK(groups > 0 && weight.sizes()[0] % groups == 0, ValueError, op,
             ": expected groups > 0 that divides the ", weight.sizes()[0], " input channels, got ", groups,
             " (weight ", weight.sizes(), ")");
  CLEW_CHECK(input.sizes()[c] == weight.sizes()[0], ShapeError, op, ": expected input with ",
             weight.sizes()[0], " channels (weight ", weight.sizes(), "), got ", input.sizes()[c], " (input ",
             input.sizes(), ")");
  check_bias(op, input, bias, weight.sizes()[1] * groups);
  Shape out = input.sizes().vec(), more{0, 0, 0, 0};
  out[c] = weight.sizes()[1] * groups;
  for (size_t i = 0; i < 2; ++i) {
    CLEW_CHECK(extra[i] < std::max(s[i], d[i]), ValueError, op,
               ": expected output_padding smaller than stride or dilation, got ", output_padding, " (stride ",
               s, ", dilation ", d, ")");
    const int64_t in = input.sizes()[c + 1 + i], k = weight.sizes()[2 + i];
    const __int128 size = static_cast<__int128>(in - 1) * s[i] - 2 * static_cast<__int128>(p[i]) +
                          static_cast<__int128>(d[i]) * (k - 1) + extra[i] + 1;
    CLEW_CHECK(in > 0 && k > 0 && size > 0 && size <= INT64_MAX, ShapeError, op,
               ": expected sizes that give a result of positive size, got input ", input.sizes(),
               " and weight ", weight.sizes(), " (padding ", p, ")");
    out[c + 1 + i] = static_cast<int64_t>(size);
    // More output padding than one stride reads whole positions after the end of the input.
    more[3 - 2 * i] = extra[i] / s[i];
  }
  if (more[1] > 0 || more[3] > 0) input = pad_constant(input, more, Scalar(0));
  const Tensor y = conv2d_input_grad(input, weight, out, s, p, d, groups);
  return bias ? y + bias->reshape({-1, 1, 1}) : y;
}

}  // namespace

CLEW_OP_PAGE(conv1d) = {{
    .name = "conv1d",
    .doc = R"(Cross-correlates signals with a bank of filters.

    out[n, o, x] = bias[o] + sum_{c, i} weight[o, c, i] * input[n, c', x*s - p + i*d]

Positions outside of the signal count as 0; c' is c within the group of o.

Args:
    input: shape (N, C, L) or (C, L), floating point.
    weight: shape (O, C / groups, k), dtype of `input`.
    bias: shape (O,), or None for 0.
    stride, padding, dilation: an integer.
    groups: channels are split into this many independent groups.
Returns:
    Tensor of shape (N, O, OL), OL = floor((L + 2*p - d*(k - 1) - 1) / s) + 1; without N as `input`.
Raises:
    clew.ShapeError: channels do not match, or the kernel is larger than the padded signal.
    clew.DTypeError: the dtypes differ.
    clew.ValueError: a parameter is out of range.
Example:
    >>> clew.nn.functional.conv1d(clew.ones(1, 1, 4), clew.ones(1, 1, 3)).tolist()
    [[[3.0, 3.0]]]
)",
    .dtypes = kFloating | dtype_set(DType::Int64),
    .autocast = Autocast::Low,
    .composite = [](const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                    IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups) -> Tensor {
      check_1d("conv1d", input, weight, "(out_channels, in_channels/groups, k)");
      check_same_dtype("conv1d", "input", input, "weight", weight);
      const Shape s = as_pair("conv1d", "stride", stride, 1), p = as_pair("conv1d", "padding", padding, 0),
                  d = as_pair("conv1d", "dilation", dilation, 1);
      const Conv2dShape shape =
          conv2d_shape("conv1d", with_row(input.sizes()), with_row(weight.sizes()), s, p, d, groups);
      check_bias("conv1d", input, bias, shape.c_out);
      return conv2d(input.unsqueeze(-2), weight.unsqueeze(-2), bias, s, p, d, groups)
          .squeeze(IntArrayRef{-2});
    },
}};
Tensor conv1d(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
              IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  return apply(conv1d_op, input, weight, bias, stride, padding, dilation, groups);
}

CLEW_OP_PAGE(conv_transpose2d) = {{
    .name = "conv_transpose2d",
    .doc = R"(Transposed convolution: the gradient of conv2d for its input, as a layer of its own.

    out[n, o, y*sH - pH + i*dH, x*sW - pW + j*dW] = bias[o] + sum of weight[c, o', i, j] * input[n, c, y, x]

Args:
    input: shape (N, C, H, W) or (C, H, W), floating point.
    weight: shape (C, O / groups, kH, kW), dtype of `input`.
    bias: shape (O,), or None for 0.
    stride, padding, dilation: an integer or a pair (height, width), of the convolution that is transposed.
    output_padding: rows and columns added at the end of the result; smaller than stride or dilation.
    groups: channels are split into this many independent groups.
Returns:
    Tensor of shape (N, O, OH, OW), OH = (H - 1)*sH - 2*pH + dH*(kH - 1) + output_padding + 1.
Raises:
    clew.ShapeError: channels do not match, or the result would be empty.
    clew.DTypeError: the dtypes differ.
    clew.ValueError: a parameter is out of range.
Example:
    >>> x, w = clew.ones(1, 1, 2, 2), clew.ones(1, 1, 2, 2)
    >>> clew.nn.functional.conv_transpose2d(x, w).tolist()
    [[[[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]]]
)",
    .dtypes = kFloating | dtype_set(DType::Int64),
    .autocast = Autocast::Low,
    .composite = [](const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                    IntArrayRef stride, IntArrayRef padding, IntArrayRef output_padding, int64_t groups,
                    IntArrayRef dilation) -> Tensor {
      return convolve_transposed("conv_transpose2d", input, weight, bias, stride, padding, output_padding,
                                 groups, dilation);
    },
}};
Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                        IntArrayRef stride, IntArrayRef padding, IntArrayRef output_padding, int64_t groups,
                        IntArrayRef dilation) {
  return apply(conv_transpose2d_op, input, weight, bias, stride, padding, output_padding, groups, dilation);
}

CLEW_OP_PAGE(conv_transpose1d) = {{
    .name = "conv_transpose1d",
    .doc = R"(Transposed convolution of signals: the gradient of conv1d for its input, as a layer of its own.

    out[n, o, x*s - p + i*d] = bias[o] + sum of weight[c, o', i] * input[n, c, x]

Args:
    input: shape (N, C, L) or (C, L), floating point.
    weight: shape (C, O / groups, k), dtype of `input`.
    bias: shape (O,), or None for 0.
    stride, padding, dilation: an integer, of the convolution that is transposed.
    output_padding: elements added at the end of the result; smaller than stride or dilation.
    groups: channels are split into this many independent groups.
Returns:
    Tensor of shape (N, O, OL), OL = (L - 1)*s - 2*p + d*(k - 1) + output_padding + 1.
Raises:
    clew.ShapeError: channels do not match, or the result would be empty.
    clew.DTypeError: the dtypes differ.
    clew.ValueError: a parameter is out of range.
Example:
    >>> clew.nn.functional.conv_transpose1d(clew.ones(1, 1, 2), clew.ones(1, 1, 2)).tolist()
    [[[1.0, 2.0, 1.0]]]
)",
    .dtypes = kFloating | dtype_set(DType::Int64),
    .autocast = Autocast::Low,
    .composite = [](const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                    IntArrayRef stride, IntArrayRef padding, IntArrayRef output_padding, int64_t groups,
                    IntArrayRef dilation) -> Tensor {
      const char* op = "conv_transpose1d";
      check_1d(op, input, weight, "(in_channels, out_channels/groups, k)");
      return convolve_transposed(op, input.unsqueeze(-2), weight.unsqueeze(-2), bias,
                                 as_pair(op, "stride", stride, 1), as_pair(op, "padding", padding, 0),
                                 as_pair(op, "output_padding", output_padding, 0), groups,
                                 as_pair(op, "dilation", dilation, 1))
          .squeeze(IntArrayRef{-2});
    },
}};
Tensor conv_transpose1d(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                        IntArrayRef stride, IntArrayRef padding, IntArrayRef output_padding, int64_t groups,
                        IntArrayRef dilation) {
  return apply(conv_transpose1d_op, input, weight, bias, stride, padding, output_padding, groups, dilation);
}

}  // namespace clew
