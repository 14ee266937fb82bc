#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "ops/window.h"
#include "registry/slots.h"

namespace clew {

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
      rank >= 3 && rank == indices.sizes().size() && input_size[rank - 1] >= 0 && input_size[rank - 2] >= 0 &&
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

static void check_divisor(const char* op, std::optional<int64_t> divisor) {
  CLEW_CHECK(!divisor || *divisor != 0, ValueError, op, ": expected divisor_override other than 0, got 0");
}

static TensorMeta avg_pool2d_meta(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride,
                                  IntArrayRef padding, bool ceil_mode, bool, std::optional<int64_t> divisor) {
  check_divisor("avg_pool2d", divisor);
  return {pool2d_shape("avg_pool2d", input.sizes(), kernel_size, stride, padding, {1}, ceil_mode).output,
          input.dtype()};
}

CLEW_OP_PAGE(avg_pool2d) = {{
    .name = "avg_pool2d",
    .doc = R"(Averages each window.

    out[..., y, x] = sum_{i, j} input[..., y*sH - pH + i, x*sW - pW + j] / count

Args:
    input: shape (N, C, H, W) or (C, H, W), floating point; or int64, whose means are cut towards 0.
    kernel_size, padding: an integer or a pair (height, width); padding at most half the kernel.
    stride: the same; empty or None means `kernel_size`.
    ceil_mode: round the output size up instead of down, as long as a window starts inside.
    count_include_pad: the padding counts as zeros; otherwise only positions inside of the image count.
    divisor_override: divides by this instead of the count.
Returns:
    Tensor of shape (..., OH, OW), OH = floor((H + 2*pH - kH) / sH) + 1.
Raises:
    clew.ShapeError: the window is larger than the padded image.
    clew.ValueError: a parameter is out of range.
Example:
    >>> clew.nn.functional.avg_pool2d(clew.arange(16.0).reshape(1, 4, 4), 2).tolist()
    [[[2.5, 4.5], [10.5, 12.5]]]
)",
    .dtypes = kFloating | dtype_set(DType::Int64),
    .layout = Layout::Contiguous,
    .meta = avg_pool2d_meta,
    .kernel = &avg_pool2d_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {avg_pool2d_grad(g, ctx.input_sizes(0), ctx.arg<IntArrayRef>(1), ctx.arg<IntArrayRef>(2),
                              ctx.arg<IntArrayRef>(3), ctx.arg<bool>(4), ctx.arg<bool>(5),
                              ctx.arg<std::optional<int64_t>>(6))};
    },
}};
Tensor avg_pool2d(const Tensor& input, IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding,
                  bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override) {
  return apply(avg_pool2d_op, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
               divisor_override);
}

static TensorMeta avg_pool2d_grad_meta(const Tensor& grad_output, IntArrayRef input_size,
                                       IntArrayRef kernel_size, IntArrayRef stride, IntArrayRef padding,
                                       bool ceil_mode, bool, std::optional<int64_t> divisor) {
  check_divisor("avg_pool2d_grad", divisor);
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
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as in avg_pool2d.
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
                         ctx.arg<bool>(5), ctx.arg<bool>(6), ctx.arg<std::optional<int64_t>>(7))};
    },
}};
Tensor avg_pool2d_grad(const Tensor& grad_output, IntArrayRef input_size, IntArrayRef kernel_size,
                       IntArrayRef stride, IntArrayRef padding, bool ceil_mode, bool count_include_pad,
                       std::optional<int64_t> divisor_override) {
  return apply(avg_pool2d_grad_op, grad_output, input_size, kernel_size, stride, padding, ceil_mode,
               count_include_pad, divisor_override);
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
