#include "clew/autograd/grad_mode.h"
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {

// The dtype that statistics are kept in.
static DType wide(DType t) { return t == DType::Float16 || t == DType::BFloat16 ? DType::Float32 : t; }

// --- softmax ---------------------------------------------------------------------------------------

static TensorMeta softmax_like_meta(const char* op, const Tensor& input, int64_t dim,
                                    std::optional<DType> dtype) {
  wrap_dim(op, dim, input.dim());
  const DType result = dtype.value_or(input.dtype());
  CLEW_CHECK(is_floating(result), DTypeError, op, ": expected a floating dtype, got ", result,
             " (pass dtype=float32, or convert the input with to())");
  return {input.sizes().vec(), result};
}

static TensorMeta softmax_meta(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  return softmax_like_meta("softmax", input, dim, dtype);
}

CLEW_OP_PAGE(softmax) = {{
    .name = "softmax",
    .doc = R"(Turns values into positive weights that sum to 1 along `dim`.

    out_i = exp(x_i) / sum_j exp(x_j)

Args:
    input: any shape, floating point (any dtype when `dtype` is given).
    dim: the dimension that sums to 1.
    dtype: dtype of the result and the computation; None means that of `input`.
Returns:
    Tensor with the shape of `input`.
Raises:
    clew.IndexError: `dim` is out of range.
    clew.DTypeError: the result would not be floating point.
Example:
    >>> clew.softmax(clew.zeros(4), 0).tolist()
    [0.25, 0.25, 0.25, 0.25]
)",
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = softmax_meta,
    .kernel = &softmax_kernel,
    .saves = kSavesNothing.output(),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {softmax_grad(g, ctx.output(), ctx.arg<int64_t>(1))};
    },
}};
Tensor softmax(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  return apply(softmax_op, input, dim, dtype);
}

static TensorMeta log_softmax_meta(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  return softmax_like_meta("log_softmax", input, dim, dtype);
}

CLEW_OP_PAGE(log_softmax) = {{
    .name = "log_softmax",
    .doc = R"(The logarithm of softmax, computed without overflow.

    out_i = x_i - log sum_j exp(x_j)

Args:
    input: any shape, floating point (any dtype when `dtype` is given).
    dim: the dimension along which exp(out) sums to 1.
    dtype: dtype of the result and the computation; None means that of `input`.
Returns:
    Tensor with the shape of `input`.
Raises:
    clew.IndexError: `dim` is out of range.
    clew.DTypeError: the result would not be floating point.
Example:
    >>> clew.log_softmax(clew.zeros(1), 0).tolist()
    [0.0]
)",
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = log_softmax_meta,
    .kernel = &log_softmax_kernel,
    .saves = kSavesNothing.output(),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {log_softmax_grad(g, ctx.output(), ctx.arg<int64_t>(1))};
    },
}};
Tensor log_softmax(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  return apply(log_softmax_op, input, dim, dtype);
}

static TensorMeta softmax_like_grad_meta(const char* op, const Tensor& grad_output, const Tensor& output,
                                         int64_t dim) {
  wrap_dim(op, dim, output.dim());
  CLEW_CHECK(grad_output.sizes() == output.sizes(), ShapeError, op, ": expected grad_output of shape ",
             output.sizes(), ", got ", grad_output.sizes());
  CLEW_CHECK(grad_output.dtype() == output.dtype(), DTypeError, op, ": expected grad_output of dtype ",
             output.dtype(), ", got ", grad_output.dtype());
  return output.meta();
}

static TensorMeta softmax_grad_meta(const Tensor& grad_output, const Tensor& output, int64_t dim) {
  return softmax_like_grad_meta("softmax_grad", grad_output, output, dim);
}

CLEW_OP_PAGE(softmax_grad) = {{
    .name = "softmax_grad",
    .doc = R"(Gradient of softmax from its output.

    out = y * (g - sum(g * y, dim))

Args:
    grad_output: g, floating point.
    output: y, softmax's result, same shape and dtype.
    dim: softmax's dimension.
Returns:
    Tensor with the shape and dtype of `output`.
Raises:
    clew.ShapeError: the shapes differ.
Example:
    >>> clew.ops.softmax_grad(clew.tensor([1.0, 0.0]), clew.tensor([0.5, 0.5]), 0).tolist()
    [0.25, -0.25]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = softmax_grad_meta,
    .kernel = &softmax_grad_kernel,
    .saves = kSavesNothing.input(0, grad_of(1)).input(1),
    .grad = [](const Backward& ctx, const Tensor& v) -> GradList {
      const auto dim = ctx.arg<int64_t>(2);
      const Tensor y = ctx.input(1);
      GradList grads(2);
      if (ctx.needs(0)) grads[0] = softmax_grad(v, y, dim);
      if (ctx.needs(1)) {
        const Tensor g = ctx.input(0);
        grads[1] = v * (g - sum(g * y, IntArrayRef{dim}, true)) - g * sum(v * y, IntArrayRef{dim}, true);
      }
      return grads;
    },
}};
Tensor softmax_grad(const Tensor& grad_output, const Tensor& output, int64_t dim) {
  return apply(softmax_grad_op, grad_output, output, dim);
}

static TensorMeta log_softmax_grad_meta(const Tensor& grad_output, const Tensor& output, int64_t dim) {
  return softmax_like_grad_meta("log_softmax_grad", grad_output, output, dim);
}

CLEW_OP_PAGE(log_softmax_grad) = {{
    .name = "log_softmax_grad",
    .doc = R"(Gradient of log_softmax from its output.

    out = g - exp(y) * sum(g, dim)

Args:
    grad_output: g, floating point.
    output: y, log_softmax's result, same shape and dtype.
    dim: log_softmax's dimension.
Returns:
    Tensor with the shape and dtype of `output`.
Raises:
    clew.ShapeError: the shapes differ.
Example:
    >>> clew.ops.log_softmax_grad(clew.ones(1), clew.zeros(1), 0).tolist()
    [0.0]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = log_softmax_grad_meta,
    .kernel = &log_softmax_grad_kernel,
    .saves = kSavesNothing.input(0, grad_of(1)).input(1),
    .grad = [](const Backward& ctx, const Tensor& v) -> GradList {
      const auto dim = ctx.arg<int64_t>(2);
      const Tensor p = exp(ctx.input(1));
      GradList grads(2);
      if (ctx.needs(0)) grads[0] = v - sum(v * p, IntArrayRef{dim}, true);
      if (ctx.needs(1)) grads[1] = -(v * p * sum(ctx.input(0), IntArrayRef{dim}, true));
      return grads;
    },
}};
Tensor log_softmax_grad(const Tensor& grad_output, const Tensor& output, int64_t dim) {
  return apply(log_softmax_grad_op, grad_output, output, dim);
}

// --- what the normalizations share -----------------------------------------------------------------

static void check_parameter(const char* op, const char* name, const Tensor& input,
                            const std::optional<Tensor>& parameter, IntArrayRef shape) {
  if (!parameter) return;
  CLEW_CHECK(parameter->sizes() == shape, ShapeError, op, ": expected ", name, " of shape ", shape, ", got ",
             parameter->sizes(), " (input ", input.sizes(), ")");
  CLEW_CHECK(parameter->dtype() == input.dtype() || parameter->dtype() == wide(input.dtype()), DTypeError, op,
             ": expected ", name, " of dtype ", input.dtype(), ", got ", parameter->dtype(), " (input is ",
             input.dtype(), "; convert one of them with to())");
}

/// Gradients of x -> ((x - mean) * rstd * weight + bias, mean, spread) out of ops, for higher derivatives.
/// `parameter_shape` lets a parameter broadcast against x; `reduced` are the dimensions of the statistics.
struct Normalized {
  Tensor x, centred, rstd, hat;
  IntArrayRef reduced;
  double count;

  Normalized(const Tensor& input, IntArrayRef reduced_dims, double eps)
      : x(input.to(wide(input.dtype()))), reduced(reduced_dims), count(1) {
    for (int64_t d : reduced) count *= static_cast<double>(x.size(d));
    centred = x - average(x);
    rstd = rsqrt(average(square(centred)) + eps);
    hat = centred * rstd;
  }
  Tensor average(const Tensor& t) const { return mean(t, reduced, true); }
  Tensor input_grad(const Tensor& g_hat) const {
    return rstd * (g_hat - average(g_hat) - hat * average(g_hat * hat));
  }
};

static void add_to(Tensor& sum, const Tensor& term) { sum = sum.defined() ? sum + term : term; }

// --- layer normalization ---------------------------------------------------------------------------

CLEW_OP_PAGE(layer_norm) = {{
    .name = "layer_norm",
    .doc = R"(Normalizes `input` over its last dimensions, then scales and shifts it.

    y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias

Var is the biased estimate. float16 and bfloat16 inputs use float32 statistics.

Args:
    input: shape (*, D1, ..., Dk), floating point.
    normalized_shape: (D1, ..., Dk), the trailing sizes to normalize over.
    weight, bias: shape (D1, ..., Dk), dtype of `input`; None means 1 and 0.
    eps: added to the variance.
Returns:
    Tensor with the shape and dtype of `input`.
Raises:
    clew.ShapeError: `input.shape` does not end in `normalized_shape`.
    clew.DTypeError: `input` is not floating point.
Reference:
    Ba, Kiros, Hinton. Layer Normalization. 2016. arXiv:1607.06450.
Example:
    >>> clew.nn.functional.layer_norm(clew.ones(2, 3), (3,)).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
)",
    .dtypes = kFloating,
    .autocast = Autocast::Float32,
    .composite = [](const Tensor& input, IntArrayRef normalized_shape, const std::optional<Tensor>& weight,
                    const std::optional<Tensor>& bias, double eps) -> Tensor {
      const IntArrayRef sizes = input.sizes();
      const size_t k = normalized_shape.size();
      CLEW_CHECK(k > 0, ValueError, "layer_norm: expected normalized_shape with at least one size, got ",
                 normalized_shape);
      CLEW_CHECK(k <= sizes.size() && IntArrayRef(sizes.end() - k, k) == normalized_shape, ShapeError,
                 "layer_norm: expected input whose last sizes are ", normalized_shape, ", got ", sizes);
      return std::get<0>(layer_norm_stats(input, static_cast<int64_t>(k), weight, bias, eps));
    },
}};
Tensor layer_norm(const Tensor& input, IntArrayRef normalized_shape, const std::optional<Tensor>& weight,
                  const std::optional<Tensor>& bias, double eps) {
  return apply(layer_norm_op, input, normalized_shape, weight, bias, eps);
}

static std::array<TensorMeta, 3> layer_norm_stats_meta(const Tensor& input, int64_t normalized_dims,
                                                       const std::optional<Tensor>& weight,
                                                       const std::optional<Tensor>& bias, double) {
  CLEW_CHECK(normalized_dims >= 1 && normalized_dims <= input.dim(), ValueError,
             "layer_norm: expected to normalize between 1 and ", input.dim(), " dimensions, got ",
             normalized_dims, " (input ", input.sizes(), ")");
  const auto k = static_cast<size_t>(normalized_dims);
  const IntArrayRef tail(input.sizes().end() - k, k);
  check_parameter("layer_norm", "weight", input, weight, tail);
  check_parameter("layer_norm", "bias", input, bias, tail);
  Shape rows = input.sizes().vec();
  std::fill(rows.end() - k, rows.end(), 1);
  const TensorMeta stats{rows, wide(input.dtype())};
  return {input.meta(), stats, stats};
}

CLEW_OP_PAGE(layer_norm_stats) = {{
    .name = "layer_norm_stats",
    .doc = R"(layer_norm over the last `normalized_dims` dimensions, with the statistics that it used.

Args:
    input: shape (*, D1, ..., Dk), floating point.
    normalized_dims: k.
    weight, bias: shape (D1, ..., Dk), or None.
    eps: added to the variance.
Returns:
    (out, mean, rstd): rstd = 1 / sqrt(Var[x] + eps); both of shape (*, 1, ..., 1), at least float32.
Raises:
    clew.ShapeError: `weight` or `bias` has another shape.
Example:
    >>> out, mean, rstd = clew.ops.layer_norm_stats(clew.tensor([[1.0, 3.0]]), 1, None, None, 0.0)
    >>> out.tolist(), mean.tolist(), rstd.tolist()
    ([[-1.0, 1.0]], [[2.0]], [[1.0]])
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = layer_norm_stats_meta,
    .kernel = &layer_norm_stats_kernel,
    .saves = kSavesNothing.input(0).input(1, grad_of(0)).output(1).output(2),
    .grads = [](const Backward& ctx, TensorListRef g) -> GradList {
      const Tensor input = ctx.input(0);
      const std::optional<Tensor> weight = ctx.has_input(1) ? std::optional(ctx.input(1)) : std::nullopt;
      const auto k = ctx.arg<int64_t>(1);
      GradList grads(3);
      if (!is_grad_enabled() && g[0].defined() && !g[1].defined() && !g[2].defined()) {
        auto [dx, dw, db] = layer_norm_grad(g[0], input, ctx.output(1), ctx.output(2), weight, k,
                                            ctx.needs(0), ctx.needs(1) || ctx.needs(2));
        if (ctx.needs(0)) grads[0] = dx;
        if (ctx.needs(1)) grads[1] = dw;
        if (ctx.needs(2)) grads[2] = db;
        return grads;
      }
      Shape tail, lead;
      for (int64_t d = 0; d < input.dim(); ++d) (d < input.dim() - k ? lead : tail).push_back(d);
      const Normalized n(input, tail, ctx.arg<double>(4));
      auto sum_rows = [&](const Tensor& t) { return lead.empty() ? t : sum(t, IntArrayRef(lead)); };
      if (g[0].defined()) {
        const Tensor gy = g[0].to(n.x.dtype());
        if (ctx.needs(0)) grads[0] = n.input_grad(weight ? gy * *weight : gy);
        if (ctx.needs(1)) grads[1] = sum_rows(gy * n.hat);
        if (ctx.needs(2)) grads[2] = sum_rows(gy);
      }
      if (ctx.needs(0) && g[1].defined()) add_to(grads[0], (g[1] / n.count).expand(input.sizes()));
      if (ctx.needs(0) && g[2].defined())
        add_to(grads[0], n.centred * (g[2] * n.rstd * n.rstd * n.rstd * (-1.0 / n.count)));
      return grads;
    },
}};
Tensor3 layer_norm_stats(const Tensor& input, int64_t normalized_dims, const std::optional<Tensor>& weight,
                         const std::optional<Tensor>& bias, double eps) {
  return apply(layer_norm_stats_op, input, normalized_dims, weight, bias, eps);
}

static std::array<TensorMeta, 3> norm_grad_meta(const char* op, const Tensor& grad_output,
                                                const Tensor& input, IntArrayRef parameter_shape,
                                                bool input_grad, bool parameter_grads) {
  CLEW_CHECK(grad_output.sizes() == input.sizes(), ShapeError, op, ": expected grad_output of shape ",
             input.sizes(), ", got ", grad_output.sizes());
  CLEW_CHECK(grad_output.dtype() == input.dtype(), DTypeError, op, ": expected grad_output of dtype ",
             input.dtype(), ", got ", grad_output.dtype());
  const TensorMeta none{{0}, wide(input.dtype())};
  const TensorMeta parameter{parameter_shape.vec(), wide(input.dtype())};
  return {input_grad ? input.meta() : none, parameter_grads ? parameter : none,
          parameter_grads ? parameter : none};
}

static void check_statistics(const char* op, const Tensor& input, const Tensor& a, const Tensor& b,
                             IntArrayRef shape) {
  for (const Tensor* t : {&a, &b}) {
    CLEW_CHECK(t->sizes() == shape, ShapeError, op, ": expected statistics of shape ", shape, ", got ",
               t->sizes());
    CLEW_CHECK(t->dtype() == wide(input.dtype()), DTypeError, op, ": expected statistics of dtype ",
               wide(input.dtype()), ", got ", t->dtype(), " (input is ", input.dtype(), ")");
  }
}

static std::array<TensorMeta, 3> layer_norm_grad_meta(const Tensor& grad_output, const Tensor& input,
                                                      const Tensor& mean, const Tensor& rstd,
                                                      const std::optional<Tensor>& weight,
                                                      int64_t normalized_dims, bool input_grad,
                                                      bool parameter_grads) {
  const char* op = "layer_norm_grad";
  const auto metas = layer_norm_stats_meta(input, normalized_dims, weight, std::nullopt, 0);
  check_statistics(op, input, mean, rstd, metas[1].shape);
  const auto k = static_cast<size_t>(normalized_dims);
  return norm_grad_meta(op, grad_output, input, {input.sizes().end() - k, k}, input_grad, parameter_grads);
}

CLEW_OP_PAGE(layer_norm_grad) = {{
    .name = "layer_norm_grad",
    .doc = R"(Gradients of layer_norm from the statistics that layer_norm_stats returned.

Args:
    grad_output, input: shape (*, D1, ..., Dk), floating point.
    mean, rstd: shape (*, 1, ..., 1).
    weight: shape (D1, ..., Dk), or None.
    normalized_dims: k.
    input_grad, parameter_grads: which gradients to compute.
Returns:
    (grad_input, grad_weight, grad_bias); shape (0,) for what was not asked for.
Raises:
    clew.ShapeError: the shapes do not fit together.
Example:
    >>> x = clew.tensor([[1.0, 3.0]])
    >>> out, mean, rstd = clew.ops.layer_norm_stats(x, 1, None, None, 0.0)
    >>> clew.ops.layer_norm_grad(clew.ones(1, 2), x, mean, rstd, None, 1, True, True)[1].tolist()
    [-1.0, 1.0]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = layer_norm_grad_meta,
    .kernel = &layer_norm_grad_kernel,
    .not_differentiable = "layer_norm's gradient is composed of other ops when a graph of it is wanted",
}};
Tensor3 layer_norm_grad(const Tensor& grad_output, const Tensor& input, const Tensor& mean,
                        const Tensor& rstd, const std::optional<Tensor>& weight, int64_t normalized_dims,
                        bool input_grad, bool parameter_grads) {
  return apply(layer_norm_grad_op, grad_output, input, mean, rstd, weight, normalized_dims, input_grad,
               parameter_grads);
}

// --- batch normalization ---------------------------------------------------------------------------

static int64_t check_channels(const char* op, const Tensor& input) {
  CLEW_CHECK(input.dim() >= 2, ShapeError, op, ": expected input of shape (N, C) or (N, C, ...), got ",
             input.sizes());
  return input.sizes()[1];
}

// (C,) as (1, C, 1, ...), to broadcast against the input.
static Tensor per_channel(const Tensor& t, int64_t rank) {
  Shape shape(static_cast<size_t>(rank), 1);
  shape[1] = t.numel();
  return t.reshape(shape);
}

static Tensor normalize_by(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                           const std::optional<Tensor>& weight, const std::optional<Tensor>& bias,
                           double eps) {
  const DType t = wide(input.dtype());
  Tensor scale = rsqrt(running_var.to(t) + eps);
  if (weight) scale = scale * *weight;
  Tensor shift = -(running_mean.to(t) * scale);
  if (bias) shift = shift + *bias;
  return channel_affine(input, scale, shift);
}

static void update_running(const std::optional<Tensor>& running, const Tensor& batch, double factor,
                           double momentum) {
  if (running) add_(mul_(*running, weak_scalar_tensor(1 - momentum)), batch, Scalar(factor * momentum));
}

CLEW_OP_PAGE(batch_norm) = {{
    .name = "batch_norm",
    .doc = R"(Normalizes each channel over the batch, then scales and shifts it.

    y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias

When training, E and Var (the biased estimate) are those of the batch, and the running statistics move:
running = (1 - momentum) * running + momentum * batch, with the unbiased variance. Otherwise E and Var
are the running statistics.

Args:
    input: shape (N, C) or (N, C, ...), floating point.
    running_mean, running_var: shape (C,), changed in place when training; may be None only then.
    weight, bias: shape (C,); None means 1 and 0.
    training: use and record the statistics of the batch.
    momentum: how far the running statistics move.
    eps: added to the variance.
Returns:
    Tensor with the shape and dtype of `input`.
Raises:
    clew.ValueError: training with one value per channel, or no running statistics outside of training.
    clew.ShapeError: a parameter is not of shape (C,).
Reference:
    Ioffe, Szegedy. Batch Normalization. 2015. arXiv:1502.03167.
Example:
    >>> x = clew.tensor([[1.0], [3.0]])
    >>> clew.nn.functional.batch_norm(x, None, None, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
)",
    .dtypes = kFloating,
    .autocast = Autocast::Float32,
    .composite = [](const Tensor& input, const std::optional<Tensor>& running_mean,
                    const std::optional<Tensor>& running_var, const std::optional<Tensor>& weight,
                    const std::optional<Tensor>& bias, bool training, double momentum, double eps) -> Tensor {
      if (input.dim() == 1 && input.numel() == 0) return input * 1;  // nothing, not even channels
      const int64_t channels = check_channels("batch_norm", input);
      for (const auto& [name, t] :
           {std::pair("running_mean", &running_mean), std::pair("running_var", &running_var),
            std::pair("weight", &weight), std::pair("bias", &bias)}) {
        CLEW_CHECK(!*t || (*t)->sizes() == IntArrayRef{channels}, ShapeError, "batch_norm: expected ", name,
                   " of shape (", channels, ",), one value per channel, got ", (*t)->sizes(), " (input ",
                   input.sizes(), ")");
      }
      if (!training) {
        CLEW_CHECK(running_mean && running_var, ValueError,
                   "batch_norm: expected running_mean and running_var when training is False, got None");
        return normalize_by(input, *running_mean, *running_var, weight, bias, eps);
      }
      const int64_t count = channels == 0 ? 0 : input.numel() / channels;
      CLEW_CHECK(count != 1, ValueError,
                 "batch_norm: expected more than 1 value per channel when training, got input of shape ",
                 input.sizes());
      auto [out, mean, var] = batch_norm_stats(input, weight, bias, eps);
      if (count > 1) {
        const NoGradGuard guard;
        const auto n = static_cast<double>(count);
        update_running(running_mean, mean, 1, momentum);
        update_running(running_var, var, n / (n - 1), momentum);
      }
      return out;
    },
}};
Tensor batch_norm(const Tensor& input, const std::optional<Tensor>& running_mean,
                  const std::optional<Tensor>& running_var, const std::optional<Tensor>& weight,
                  const std::optional<Tensor>& bias, bool training, double momentum, double eps) {
  return apply(batch_norm_op, input, running_mean, running_var, weight, bias, training, momentum, eps);
}

static std::array<TensorMeta, 3> batch_norm_stats_meta(const Tensor& input,
                                                       const std::optional<Tensor>& weight,
                                                       const std::optional<Tensor>& bias, double) {
  const Shape shape{check_channels("batch_norm", input)};
  check_parameter("batch_norm", "weight", input, weight, shape);
  check_parameter("batch_norm", "bias", input, bias, shape);
  const TensorMeta stats{shape, wide(input.dtype())};
  return {input.meta(), stats, stats};
}

CLEW_OP_PAGE(batch_norm_stats) = {{
    .name = "batch_norm_stats",
    .doc = R"(batch_norm by the statistics of the batch, with these statistics.

Args:
    input: shape (N, C) or (N, C, ...), floating point.
    weight, bias: shape (C,), or None.
    eps: added to the variance.
Returns:
    (out, mean, var): the biased variance; both of shape (C,), at least float32.
Raises:
    clew.ShapeError: `weight` or `bias` has another shape.
Example:
    >>> out, mean, var = clew.ops.batch_norm_stats(clew.tensor([[1.0], [3.0]]), None, None, 0.0)
    >>> out.tolist(), mean.tolist(), var.tolist()
    ([[-1.0], [1.0]], [2.0], [1.0])
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = batch_norm_stats_meta,
    .kernel = &batch_norm_stats_kernel,
    .saves = kSavesNothing.input(0).input(1, grad_of(0)).output(1).output(2),
    .grads = [](const Backward& ctx, TensorListRef g) -> GradList {
      const Tensor input = ctx.input(0);
      const std::optional<Tensor> weight = ctx.has_input(1) ? std::optional(ctx.input(1)) : std::nullopt;
      const auto eps = ctx.arg<double>(3);
      GradList grads(3);
      if (!is_grad_enabled() && g[0].defined() && !g[1].defined() && !g[2].defined()) {
        auto [dx, dw, db] = batch_norm_grad(g[0], input, ctx.output(1), ctx.output(2), weight, eps,
                                            ctx.needs(0), ctx.needs(1) || ctx.needs(2));
        if (ctx.needs(0)) grads[0] = dx;
        if (ctx.needs(1)) grads[1] = dw;
        if (ctx.needs(2)) grads[2] = db;
        return grads;
      }
      Shape dims;
      for (int64_t d = 0; d < input.dim(); ++d) {
        if (d != 1) dims.push_back(d);
      }
      const Normalized n(input, dims, eps);
      if (g[0].defined()) {
        const Tensor gy = g[0].to(n.x.dtype());
        if (ctx.needs(0)) grads[0] = n.input_grad(weight ? gy * per_channel(*weight, input.dim()) : gy);
        if (ctx.needs(1)) grads[1] = sum(gy * n.hat, IntArrayRef(dims));
        if (ctx.needs(2)) grads[2] = sum(gy, IntArrayRef(dims));
      }
      if (ctx.needs(0) && g[1].defined())
        add_to(grads[0], per_channel(g[1] / n.count, input.dim()).expand(input.sizes()));
      if (ctx.needs(0) && g[2].defined())
        add_to(grads[0], n.centred * per_channel(g[2] * (2.0 / n.count), input.dim()));
      return grads;
    },
}};
Tensor3 batch_norm_stats(const Tensor& input, const std::optional<Tensor>& weight,
                         const std::optional<Tensor>& bias, double eps) {
  return apply(batch_norm_stats_op, input, weight, bias, eps);
}

static std::array<TensorMeta, 3> batch_norm_grad_meta(const Tensor& grad_output, const Tensor& input,
                                                      const Tensor& mean, const Tensor& var,
                                                      const std::optional<Tensor>& weight, double,
                                                      bool input_grad, bool parameter_grads) {
  const char* op = "batch_norm_grad";
  const Shape shape{check_channels(op, input)};
  check_parameter(op, "weight", input, weight, shape);
  check_statistics(op, input, mean, var, shape);
  return norm_grad_meta(op, grad_output, input, shape, input_grad, parameter_grads);
}

CLEW_OP_PAGE(batch_norm_grad) = {{
    .name = "batch_norm_grad",
    .doc = R"(Gradients of batch_norm by the statistics of the batch, which batch_norm_stats returned.

Args:
    grad_output, input: shape (N, C) or (N, C, ...), floating point.
    mean, var: shape (C,).
    weight: shape (C,), or None.
    eps: added to the variance.
    input_grad, parameter_grads: which gradients to compute.
Returns:
    (grad_input, grad_weight, grad_bias); shape (0,) for what was not asked for.
Raises:
    clew.ShapeError: the shapes do not fit together.
Example:
    >>> x = clew.tensor([[1.0], [3.0]])
    >>> out, mean, var = clew.ops.batch_norm_stats(x, None, None, 0.0)
    >>> clew.ops.batch_norm_grad(clew.ones(2, 1), x, mean, var, None, 0.0, True, True)[2].tolist()
    [2.0]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = batch_norm_grad_meta,
    .kernel = &batch_norm_grad_kernel,
    .not_differentiable = "batch_norm's gradient is composed of other ops when a graph of it is wanted",
}};
Tensor3 batch_norm_grad(const Tensor& grad_output, const Tensor& input, const Tensor& mean, const Tensor& var,
                        const std::optional<Tensor>& weight, double eps, bool input_grad,
                        bool parameter_grads) {
  return apply(batch_norm_grad_op, grad_output, input, mean, var, weight, eps, input_grad, parameter_grads);
}

static TensorMeta channel_affine_meta(const Tensor& input, const Tensor& scale, const Tensor& shift) {
  const Shape shape{check_channels("channel_affine", input)};
  check_parameter("channel_affine", "scale", input, scale, shape);
  check_parameter("channel_affine", "shift", input, shift, shape);
  return input.meta();
}

CLEW_OP_PAGE(channel_affine) = {{
    .name = "channel_affine",
    .doc = R"(Scales and shifts each channel.

    out[n, c, ...] = input[n, c, ...] * scale[c] + shift[c]

Args:
    input: shape (N, C) or (N, C, ...), floating point.
    scale, shift: shape (C,).
Returns:
    Tensor with the shape and dtype of `input`.
Raises:
    clew.ShapeError: `scale` or `shift` has another shape.
Example:
    >>> clew.ops.channel_affine(clew.ones(1, 2), clew.tensor([2.0, 3.0]), clew.tensor([0.0, 1.0])).tolist()
    [[2.0, 4.0]]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = channel_affine_meta,
    .kernel = &channel_affine_kernel,
    .saves = kSavesNothing.input(0, grad_of(1)).input(1, grad_of(0)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      GradList grads(3);
      if (ctx.needs(0)) grads[0] = g * per_channel(ctx.input(1), g.dim());
      Shape dims;
      for (int64_t d = 0; d < g.dim(); ++d) {
        if (d != 1) dims.push_back(d);
      }
      const Tensor wide_g = ctx.needs(1) || ctx.needs(2) ? g.to(wide(g.dtype())) : g;
      if (ctx.needs(1)) grads[1] = sum(wide_g * ctx.input(0), IntArrayRef(dims));
      if (ctx.needs(2)) grads[2] = sum(wide_g, IntArrayRef(dims));
      return grads;
    },
}};
Tensor channel_affine(const Tensor& input, const Tensor& scale, const Tensor& shift) {
  return apply(channel_affine_op, input, scale, shift);
}

// --- vectors of length 1 ----------------------------------------------------------------------------

CLEW_OP_PAGE(normalize) = {{
    .name = "normalize",
    .doc = R"(Divides vectors by their length.

    out = x / max(|x|_p, eps)

Args:
    input: any shape, floating point.
    p: which norm.
    dim: the dimension of the vectors, or several.
    eps: least length.
Returns:
    Tensor with the shape and dtype of `input`.
Raises:
    clew.IndexError: `dim` is not a dimension.
Example:
    >>> [round(v, 4) for v in clew.nn.functional.normalize(clew.tensor([3.0, 4.0]), dim=0).tolist()]
    [0.6, 0.8]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& input, double p, IntArrayRef dim, double eps) -> Tensor {
      const Tensor x = input.to(wide(input.dtype()));
      return (x / clamp(norm(x, p, dim, true), Scalar(eps))).to(input.dtype());
    },
}};
Tensor normalize(const Tensor& input, double p, IntArrayRef dim, double eps) {
  return apply(normalize_op, input, p, dim, eps);
}

}  // namespace clew
