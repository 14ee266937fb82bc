#include "clew/autograd/grad_mode.h"
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {

// float16 and bfloat16 losses are computed in float32 and rounded once at the end.
static DType wide(DType t) { return t == DType::Float16 || t == DType::BFloat16 ? DType::Float32 : t; }

static void check_reduction(const char* op, std::string_view reduction) {
  CLEW_CHECK(reduction == "mean" || reduction == "sum" || reduction == "none", ValueError, op,
             ": expected reduction \"mean\", \"sum\" or \"none\", got \"", reduction, "\"");
}

static Tensor reduce(const Tensor& loss, std::string_view reduction) {
  return reduction == "mean" ? mean(loss) : reduction == "sum" ? sum(loss) : loss;
}

// --- class indices: what cross_entropy and nll_loss share -------------------------------------------

/// Checks target (N, d1, ...) against input (N, C, d1, ...), or () against (C,).
static void check_class_target(const char* op, const Tensor& input, const Tensor& target,
                               const std::optional<Tensor>& weight) {
  CLEW_CHECK(input.dim() >= 1, ShapeError, op,
             ": expected input of shape (C,), (N, C) or (N, C, d1, ...), got ", input.sizes());
  CLEW_CHECK(is_integral(target.dtype()), DTypeError, op,
             ": expected target of dtype int64 (class indices), got ", target.dtype(), " (input ",
             input.sizes(), ", target ", target.sizes(), "; convert it with to(clew.int64))");
  Shape expected = input.sizes().vec();
  const size_t class_dim = input.dim() == 1 ? 0 : 1;
  const int64_t classes = expected[class_dim];
  for (size_t d = class_dim; d + 1 < expected.size(); ++d) expected[d] = expected[d + 1];
  expected.resize(expected.size() - 1);
  CLEW_CHECK(target.sizes() == IntArrayRef(expected), ShapeError, op, ": expected target of shape ", expected,
             ", got ", target.sizes(), " (input ", input.sizes(), ")");
  if (weight) {
    CLEW_CHECK(weight->dim() == 1 && weight->numel() == classes, ShapeError, op,
               ": expected weight of shape (", classes, ",), one value per class, got ", weight->sizes());
    CLEW_CHECK(is_floating(weight->dtype()), DTypeError, op, ": expected a floating dtype for weight, got ",
               weight->dtype());
  }
}

/// Class weights are constants here; one that asks for a gradient must not be left without it in silence.
void refuse_weight_gradient(const char* op, const Backward& ctx) {
  CLEW_CHECK(!ctx.needs(2), AutogradError, op,
             ": expected class weights that need no gradient, got ones that require grad (detach() them)");
}

/// Per target: its class (0 where ignored), its weight (0 where ignored), and what the loss's gradient is
/// multiplied with: the weight, divided by the sum of weights for the mean.
struct ClassTargets {
  Tensor index, weight, factor;
  ClassTargets(const Tensor& target, const std::optional<Tensor>& class_weight, int64_t ignore_index,
               std::string_view reduction, DType dtype) {
    const NoGradGuard guard;
    const Tensor valid = target != ignore_index;
    index = where(valid, target, weak_scalar_tensor(0)).to(DType::Int64);
    weight = valid.to(dtype);
    if (class_weight)
      weight = weight * index_select(class_weight->to(dtype), 0, index.reshape({-1})).reshape(index.sizes());
    // Where everything is ignored the mean is NaN, its gradient still 0.
    factor = reduction == "mean"
                 ? masked_fill(weight / sum(weight), logical_not(valid), weak_scalar_tensor(0.0))
                 : weight;
  }
};

// --- nll_loss --------------------------------------------------------------------------------------

static TensorMeta nll_loss_meta(const Tensor& input, const Tensor& target,
                                const std::optional<Tensor>& weight, int64_t, std::string_view reduction) {
  check_reduction("nll_loss", reduction);
  check_class_target("nll_loss", input, target, weight);
  return {reduction == "none" ? target.sizes().vec() : Shape{}, input.dtype()};
}

CLEW_OP_PAGE(nll_loss) = {{
    .name = "nll_loss",
    .doc = R"(Negative log likelihood of the target classes, given log-probabilities.

    loss_n = -weight[target_n] * input[n, target_n]

"mean" divides the sum by the sum of the weights that took part.

Args:
    input: log-probabilities, shape (C,), (N, C) or (N, C, d1, ...), floating point.
    target: class indices in [0, C), shape (), (N,) or (N, d1, ...), int64.
    weight: shape (C,), or None for 1.
    ignore_index: targets of this value count for nothing.
    reduction: "mean", "sum" or "none".
Returns:
    0-dim Tensor, or with the shape of `target` for "none".
Raises:
    clew.IndexError: a target is outside of [0, C).
    clew.ShapeError: the shapes do not fit together.
Example:
    >>> clew.nn.functional.nll_loss(clew.tensor([[-1.0, -2.0]]), clew.tensor([1])).item()
    2.0
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = nll_loss_meta,
    .kernel = &nll_loss_kernel,
    .saves = kSavesNothing.input(1, grad_of(0)).input(2, grad_of(0)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      GradList grads(3);
      refuse_weight_gradient("nll_loss", ctx);
      if (!ctx.needs(0)) return grads;
      const auto& input = ctx.input_meta(0);
      const DType t = wide(input.dtype);
      const std::optional<Tensor> weight = ctx.has_input(2) ? std::optional(ctx.input(2)) : std::nullopt;
      const ClassTargets targets(ctx.input(1), weight, ctx.arg<int64_t>(3), ctx.arg<std::string_view>(4), t);
      const int64_t dim = input.shape.size() == 1 ? 0 : 1;
      const Tensor each = -(g.to(t) * targets.factor);
      grads[0] = scatter_add(zeros(input.shape, TensorOptions(t).device(g.device())), dim,
                             targets.index.unsqueeze(dim), each.unsqueeze(dim));
      return grads;
    },
}};
Tensor nll_loss(const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
                int64_t ignore_index, std::string_view reduction) {
  return apply(nll_loss_op, input, target, weight, ignore_index, reduction);
}

// --- cross_entropy ---------------------------------------------------------------------------------

static std::array<TensorMeta, 2> cross_entropy_rows_meta(const Tensor& input, const Tensor& target,
                                                         const std::optional<Tensor>& weight, int64_t,
                                                         std::string_view reduction) {
  check_reduction("cross_entropy", reduction);
  CLEW_CHECK(input.dim() == 2, ShapeError, "cross_entropy: expected input of shape (N, C), got ",
             input.sizes());
  check_class_target("cross_entropy", input, target, weight);
  return {TensorMeta{reduction == "none" ? target.sizes().vec() : Shape{}, input.dtype()},
          TensorMeta{target.sizes().vec(), wide(input.dtype())}};
}

CLEW_OP_PAGE(cross_entropy_rows) = {{
    .name = "cross_entropy_rows",
    .doc = R"(cross_entropy of (N, C) logits and class indices, with the logsumexp of each row.

    loss_n = weight[target_n] * (logsumexp(input[n]) - input[n, target_n])

Args:
    input: logits, shape (N, C), floating point.
    target: class indices in [0, C), shape (N,), int64.
    weight: shape (C,), or None for 1.
    ignore_index: targets of this value count for nothing.
    reduction: "mean", "sum" or "none".
Returns:
    (loss, logsumexp): 0-dim, or (N,) for "none"; and shape (N,), at least float32.
Raises:
    clew.IndexError: a target is outside of [0, C).
    clew.ShapeError: the shapes do not fit together.
Example:
    >>> loss, lse = clew.ops.cross_entropy_rows(clew.zeros(1, 1), clew.tensor([0]), None, -100, "mean")
    >>> loss.item(), lse.tolist()
    (0.0, [0.0])
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = cross_entropy_rows_meta,
    .kernel = &cross_entropy_rows_kernel,
    .saves = kSavesNothing.input(0).input(1).input(2).output(1),
    .grads = [](const Backward& ctx, TensorListRef g) -> GradList {
      GradList grads(3);
      refuse_weight_gradient("cross_entropy", ctx);
      if (!ctx.needs(0)) return grads;
      const Tensor input = ctx.input(0), target = ctx.input(1);
      const std::optional<Tensor> weight = ctx.has_input(2) ? std::optional(ctx.input(2)) : std::nullopt;
      const auto ignore_index = ctx.arg<int64_t>(3);
      const auto reduction = ctx.arg<std::string_view>(4);
      if (!is_grad_enabled() && g[0].defined() && !g[1].defined()) {
        grads[0] =
            cross_entropy_rows_grad(g[0], input, target, weight, ctx.output(1), ignore_index, reduction);
        return grads;
      }
      const DType t = wide(input.dtype());
      const Tensor p = softmax(input, 1, t);
      if (g[0].defined()) {
        const ClassTargets targets(target, weight, ignore_index, reduction, t);
        const Tensor each = (g[0].to(t) * targets.factor).unsqueeze(1);
        grads[0] = p * each - scatter_add(zeros_like(p), 1, targets.index.unsqueeze(1), each);
      }
      if (g[1].defined()) {
        const Tensor more = p * g[1].unsqueeze(1);
        grads[0] = grads[0].defined() ? grads[0] + more : more;
      }
      return grads;
    },
}};
Tensor2 cross_entropy_rows(const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
                           int64_t ignore_index, std::string_view reduction) {
  return apply(cross_entropy_rows_op, input, target, weight, ignore_index, reduction);
}

static TensorMeta cross_entropy_rows_grad_meta(const Tensor& grad_output, const Tensor& input,
                                               const Tensor& target, const std::optional<Tensor>& weight,
                                               const Tensor& logsumexp, int64_t ignore_index,
                                               std::string_view reduction) {
  const auto metas = cross_entropy_rows_meta(input, target, weight, ignore_index, reduction);
  CLEW_CHECK(
      grad_output.sizes() == IntArrayRef(metas[0].shape) && logsumexp.sizes() == IntArrayRef(metas[1].shape),
      ShapeError, "cross_entropy_rows_grad: expected grad_output of shape ", metas[0].shape,
      " and logsumexp of shape ", metas[1].shape, ", got ", grad_output.sizes(), " and ", logsumexp.sizes());
  CLEW_CHECK(is_floating(grad_output.dtype()) && logsumexp.dtype() == metas[1].dtype, DTypeError,
             "cross_entropy_rows_grad: expected a floating grad_output and logsumexp of dtype ",
             metas[1].dtype, ", got ", grad_output.dtype(), " and ", logsumexp.dtype());
  return input.meta();
}

CLEW_OP_PAGE(cross_entropy_rows_grad) = {{
    .name = "cross_entropy_rows_grad",
    .doc = R"(Gradient of cross_entropy_rows for its input.

    out[n, c] = g_n * weight[target_n] * (exp(input[n, c] - logsumexp_n) - [c = target_n])

For "mean" the weights are divided by their sum.

Args:
    grad_output: g, 0-dim, or shape (N,) for reduction "none".
    input, target, weight, ignore_index, reduction: as in cross_entropy_rows.
    logsumexp: shape (N,), from cross_entropy_rows.
Returns:
    Tensor of shape (N, C).
Raises:
    clew.ShapeError: the shapes do not fit together.
Example:
    >>> x, t = clew.zeros(1, 1), clew.tensor([0])
    >>> clew.ops.cross_entropy_rows_grad(clew.tensor(1.0), x, t, None, clew.zeros(1), -100, "sum").tolist()
    [[0.0]]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = cross_entropy_rows_grad_meta,
    .kernel = &cross_entropy_rows_grad_kernel,
    .not_differentiable = "cross_entropy's gradient is composed of other ops when a graph of it is wanted",
}};
Tensor cross_entropy_rows_grad(const Tensor& grad_output, const Tensor& input, const Tensor& target,
                               const std::optional<Tensor>& weight, const Tensor& logsumexp,
                               int64_t ignore_index, std::string_view reduction) {
  return apply(cross_entropy_rows_grad_op, grad_output, input, target, weight, logsumexp, ignore_index,
               reduction);
}

/// Cross entropy against class probabilities of the input's shape.
static Tensor soft_cross_entropy(const Tensor& input, const Tensor& target,
                                 const std::optional<Tensor>& weight, std::string_view reduction,
                                 double smoothing) {
  const int64_t dim = input.dim() == 1 ? 0 : 1, classes = input.sizes()[static_cast<size_t>(dim)];
  const DType t = wide(input.dtype());
  Tensor goal = target.to(t);
  if (smoothing > 0) goal = goal * (1 - smoothing) + smoothing / static_cast<double>(classes);
  Tensor terms = log_softmax(input, dim, t) * goal;
  if (weight) {
    Shape shape(static_cast<size_t>(input.dim()), 1);
    shape[static_cast<size_t>(dim)] = classes;
    terms = terms * weight->to(t).reshape(shape);
  }
  if (reduction == "none") return -sum(terms, IntArrayRef{dim});
  const Tensor total = -sum(terms);
  if (reduction == "sum") return total;
  double rows = 1;
  for (int64_t d = 0; d < input.dim(); ++d) {
    if (d != dim) rows *= static_cast<double>(input.sizes()[static_cast<size_t>(d)]);
  }
  return total / rows;
}

/// Cross entropy against class indices of which a part `smoothing` is spread over all classes.
static Tensor smoothed_cross_entropy(const Tensor& input, const Tensor& target,
                                     const std::optional<Tensor>& weight, int64_t ignore_index,
                                     std::string_view reduction, double smoothing) {
  const int64_t dim = input.dim() == 1 ? 0 : 1, classes = input.sizes()[static_cast<size_t>(dim)];
  const DType t = wide(input.dtype());
  const Tensor log_p = log_softmax(input, dim, t);
  const Tensor hard = nll_loss(log_p, target, weight, ignore_index, reduction);
  Tensor spread = log_p;
  if (weight) {
    Shape shape(static_cast<size_t>(input.dim()), 1);
    shape[static_cast<size_t>(dim)] = classes;
    spread = spread * weight->to(t).reshape(shape);
  }
  spread = masked_fill(-sum(spread, IntArrayRef{dim}), target == ignore_index, weak_scalar_tensor(0.0));
  if (reduction != "none") spread = sum(spread);
  if (reduction == "mean")
    spread = spread / sum(ClassTargets(target, weight, ignore_index, reduction, t).weight);
  return hard * (1 - smoothing) + spread * (smoothing / static_cast<double>(classes));
}

CLEW_OP_PAGE(cross_entropy) = {{
    .name = "cross_entropy",
    .doc = R"(Cross entropy between logits and target classes.

    loss_n = -sum_c weight[c] * p[n, c] * log_softmax(input)[n, c]

p is 1 at the target class, or the given probabilities; label smoothing e makes it (1 - e) * p + e / C.
"mean" divides by the sum of weight[target_n] for class indices, and by the number of items for probabilities.

Args:
    input: logits, shape (C,), (N, C) or (N, C, d1, ...), floating point.
    target: class indices in [0, C), shape (), (N,) or (N, d1, ...), int64; or probabilities of the shape
        of `input`, floating point.
    weight: shape (C,), or None for 1.
    ignore_index: target indices of this value count for nothing.
    reduction: "mean", "sum" or "none".
    label_smoothing: e in [0, 1].
Returns:
    0-dim Tensor, or of shape (), (N,) or (N, d1, ...) for "none".
Raises:
    clew.IndexError: a target is outside of [0, C).
    clew.ShapeError: the shapes do not fit together.
    clew.ValueError: unknown reduction, or `label_smoothing` out of range.
Example:
    >>> loss = clew.nn.functional.cross_entropy(clew.zeros(2, 4), clew.tensor([0, 3]))
    >>> round(loss.item(), 4)
    1.3863
)",
    .dtypes = kFloating,
    .autocast = Autocast::Float32,
    .composite = [](const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
                    int64_t ignore_index, std::string_view reduction, double label_smoothing) -> Tensor {
      const char* op = "cross_entropy";
      check_reduction(op, reduction);
      CLEW_CHECK(label_smoothing >= 0 && label_smoothing <= 1, ValueError, op,
                 ": expected label_smoothing in [0, 1], got ", label_smoothing);
      CLEW_CHECK(is_floating(input.dtype()), DTypeError, op, ": expected a floating dtype for input, got ",
                 input.dtype(), " (convert it with to())");
      if (input.dim() > 0 && input.sizes() == target.sizes()) {
        CLEW_CHECK(is_floating(target.dtype()), DTypeError, op,
                   ": expected probabilities of a floating dtype for a target of the input's shape, got ",
                   target.dtype(), " (class indices have no class dimension)");
        const int64_t classes = input.sizes()[input.dim() == 1 ? 0 : 1];
        CLEW_CHECK(!weight || (weight->dim() == 1 && weight->numel() == classes), ShapeError, op,
                   ": expected weight of shape (", classes, ",), one value per class, got ", weight->sizes());
        return soft_cross_entropy(input, target, weight, reduction, label_smoothing).to(input.dtype());
      }
      check_class_target(op, input, target, weight);
      if (label_smoothing > 0) {
        return smoothed_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
            .to(input.dtype());
      }
      if (input.dim() == 2)
        return std::get<0>(cross_entropy_rows(input, target, weight, ignore_index, reduction));
      if (input.dim() == 1) {
        return std::get<0>(cross_entropy_rows(input.unsqueeze(0), target.unsqueeze(0), weight, ignore_index,
                                              reduction))
            .reshape(IntArrayRef());
      }
      return nll_loss(log_softmax(input, 1, wide(input.dtype())), target, weight, ignore_index, reduction)
          .to(input.dtype());
    },
}};
Tensor cross_entropy(const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
                     int64_t ignore_index, std::string_view reduction, double label_smoothing) {
  return apply(cross_entropy_op, input, target, weight, ignore_index, reduction, label_smoothing);
}

// --- losses between two tensors --------------------------------------------------------------------

/// f(input - target), reduced; in float32 where the operands are narrower.
template <class F>
static Tensor difference_loss(const char* op, const Tensor& input, const Tensor& target,
                              std::string_view reduction, F&& f) {
  check_reduction(op, reduction);
  broadcast_shapes(op, input.sizes(), target.sizes());
  const DType result = promote_types(input.dtype(), target.dtype());
  CLEW_CHECK(is_floating(result), DTypeError, op, ": expected a floating dtype, got ", input.dtype(), " and ",
             target.dtype(), " (convert one of them with to())");
  const DType t = wide(result);
  return reduce(f(input.to(t) - target.to(t)), reduction).to(result);
}

CLEW_OP_PAGE(mse_loss) = {{
    .name = "mse_loss",
    .doc = R"(Mean squared error.

    loss_i = (input_i - target_i)^2

Args:
    input, target: shapes that broadcast together, floating point.
    reduction: "mean", "sum" or "none".
Returns:
    0-dim Tensor, or of the broadcast shape for "none".
Raises:
    clew.ShapeError: the shapes do not broadcast.
    clew.ValueError: unknown reduction.
Example:
    >>> clew.nn.functional.mse_loss(clew.tensor([1.0, 3.0]), clew.tensor([1.0, 1.0])).item()
    2.0
)",
    .dtypes = kFloating,
    .autocast = Autocast::Float32,
    .composite = [](const Tensor& input, const Tensor& target, std::string_view reduction) -> Tensor {
      return difference_loss("mse_loss", input, target, reduction, [](const Tensor& d) { return square(d); });
    },
}};
Tensor mse_loss(const Tensor& input, const Tensor& target, std::string_view reduction) {
  return apply(mse_loss_op, input, target, reduction);
}

CLEW_OP_PAGE(l1_loss) = {{
    .name = "l1_loss",
    .doc = R"(Mean absolute error.

    loss_i = |input_i - target_i|

The gradient is 0 where input and target are equal.

Args:
    input, target: shapes that broadcast together, floating point.
    reduction: "mean", "sum" or "none".
Returns:
    0-dim Tensor, or of the broadcast shape for "none".
Raises:
    clew.ShapeError: the shapes do not broadcast.
    clew.ValueError: unknown reduction.
Example:
    >>> clew.nn.functional.l1_loss(clew.tensor([1.0, 3.0]), clew.tensor([1.0, 1.0])).item()
    1.0
)",
    .dtypes = kFloating,
    .autocast = Autocast::Float32,
    .composite = [](const Tensor& input, const Tensor& target, std::string_view reduction) -> Tensor {
      return difference_loss("l1_loss", input, target, reduction, [](const Tensor& d) { return abs(d); });
    },
}};
Tensor l1_loss(const Tensor& input, const Tensor& target, std::string_view reduction) {
  return apply(l1_loss_op, input, target, reduction);
}

static TensorMeta log_sigmoid_meta(const Tensor& input) { return input.meta(); }

CLEW_OP_PAGE(log_sigmoid) = {{
    .name = "log_sigmoid",
    .doc = R"(The logarithm of the sigmoid, computed without overflow.

    out = -log(1 + exp(-x))

Args:
    input: any shape, floating point.
Returns:
    Tensor with the shape and dtype of `input`.
Raises:
    clew.DTypeError: `input` is not floating point.
Example:
    >>> clew.ops.log_sigmoid(clew.tensor([-1000.0])).tolist()
    [-1000.0]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = log_sigmoid_meta,
    .kernel = &log_sigmoid_kernel,
    .saves = kSavesNothing.input(0),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList { return {g * sigmoid(-ctx.input(0))}; },
}};
Tensor log_sigmoid(const Tensor& input) { return apply(log_sigmoid_op, input); }

CLEW_OP_PAGE(binary_cross_entropy_with_logits) = {{
    .name = "binary_cross_entropy_with_logits",
    .doc = R"(Cross entropy between independent yes-or-no logits and their probabilities.

    loss_i = -weight_i * (pos_weight_i * t_i * log sigmoid(x_i) + (1 - t_i) * log(1 - sigmoid(x_i)))

Args:
    input: logits x, any shape, floating point.
    target: probabilities t, the same shape.
    weight, pos_weight: broadcast against `input`; None means 1.
    reduction: "mean", "sum" or "none".
Returns:
    0-dim Tensor, or with the shape of `input` for "none".
Raises:
    clew.ShapeError: `target` has another shape than `input`, or a weight does not broadcast.
    clew.ValueError: unknown reduction.
Example:
    >>> loss = clew.nn.functional.binary_cross_entropy_with_logits(clew.zeros(2), clew.tensor([0.0, 1.0]))
    >>> round(loss.item(), 4)
    0.6931
)",
    .dtypes = kFloating,
    .autocast = Autocast::Float32,
    .composite = [](const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
                    const std::optional<Tensor>& pos_weight, std::string_view reduction) -> Tensor {
      const char* op = "binary_cross_entropy_with_logits";
      check_reduction(op, reduction);
      CLEW_CHECK(input.sizes() == target.sizes(), ShapeError, op, ": expected target of the input's shape ",
                 input.sizes(), ", got ", target.sizes());
      const DType result = promote_types(input.dtype(), target.dtype());
      CLEW_CHECK(is_floating(input.dtype()), DTypeError, op, ": expected a floating dtype for input, got ",
                 input.dtype(), " (convert it with to())");
      const DType t = wide(result);
      const Tensor x = input.to(t), y = target.to(t), log_p = log_sigmoid(x);
      Tensor loss =
          pos_weight ? (1 - y) * x - ((pos_weight->to(t) - 1) * y + 1) * log_p : (1 - y) * x - log_p;
      if (weight) loss = loss * weight->to(t);
      return reduce(loss, reduction).to(result);
    },
}};
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        const std::optional<Tensor>& weight,
                                        const std::optional<Tensor>& pos_weight, std::string_view reduction) {
  return apply(binary_cross_entropy_with_logits_op, input, target, weight, pos_weight, reduction);
}

// --- binary cross entropy of probabilities ----------------------------------------------------------

static TensorMeta binary_cross_entropy_each_meta(const Tensor& input, const Tensor& target) {
  CLEW_CHECK(input.sizes() == target.sizes(), ShapeError,
             "binary_cross_entropy: expected target of the input's shape ", input.sizes(), ", got ",
             target.sizes());
  CLEW_CHECK(input.dtype() == target.dtype(), DTypeError,
             "binary_cross_entropy: expected input and target of one dtype, got ", input.dtype(), " and ",
             target.dtype(), " (convert one of them with to())");
  return input.meta();
}

// No logarithm counts for less than this: the loss of a certain but wrong answer stays finite.
static constexpr double kLeastLog = -100;

CLEW_OP_PAGE(binary_cross_entropy_each) = {{
    .name = "binary_cross_entropy_each",
    .doc = R"(binary_cross_entropy of each element.

    out = -t * max(log x, -100) - (1 - t) * max(log(1 - x), -100)

Args:
    input: probabilities x in [0, 1], any shape, floating point.
    target: t, the same shape and dtype.
Returns:
    Tensor with the shape and dtype of `input`.
Raises:
    clew.ValueError: an input outside of [0, 1].
Example:
    >>> clew.ops.binary_cross_entropy_each(clew.tensor([0.0]), clew.tensor([1.0])).tolist()
    [100.0]
)",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = binary_cross_entropy_each_meta,
    .kernel = &binary_cross_entropy_each_kernel,
    .saves = kSavesNothing.input(0).input(1, grad_of(0)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor x = ctx.input(0);
      GradList grads(2);
      if (ctx.needs(0)) grads[0] = g * (x - ctx.input(1)) / clamp((1 - x) * x, Scalar(1e-12));
      if (ctx.needs(1)) {
        grads[1] = g * (clamp(log1p(-x), Scalar(kLeastLog)) - clamp(log(x), Scalar(kLeastLog)));
      }
      return grads;
    },
}};
Tensor binary_cross_entropy_each(const Tensor& input, const Tensor& target) {
  return apply(binary_cross_entropy_each_op, input, target);
}

CLEW_OP_PAGE(binary_cross_entropy) = {{
    .name = "binary_cross_entropy",
    .doc = R"(Cross entropy between independent yes-or-no probabilities.

    loss_i = -weight_i * (t_i * log x_i + (1 - t_i) * log(1 - x_i))

Logarithms below -100 count as -100. binary_cross_entropy_with_logits is more accurate where x is a sigmoid.

Args:
    input: probabilities x in [0, 1], any shape, floating point.
    target: probabilities t, the same shape and dtype.
    weight: broadcast against `input`; None means 1.
    reduction: "mean", "sum" or "none".
Returns:
    0-dim Tensor, or with the shape of `input` for "none".
Raises:
    clew.ValueError: an input outside of [0, 1], or an unknown reduction.
    clew.ShapeError: `target` has another shape than `input`, or the weight does not broadcast.
Example:
    >>> loss = clew.nn.functional.binary_cross_entropy(clew.full((2,), 0.5), clew.tensor([0.0, 1.0]))
    >>> round(loss.item(), 4)
    0.6931
)",
    .dtypes = kFloating,
    .autocast = Autocast::Float32,
    .composite = [](const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
                    std::string_view reduction) -> Tensor {
      check_reduction("binary_cross_entropy", reduction);
      const DType t = wide(input.dtype());
      Tensor loss =
          binary_cross_entropy_each(input.to(t), target.dtype() == input.dtype() ? target.to(t) : target);
      if (weight) {
        CLEW_CHECK(
            broadcast_shapes("binary_cross_entropy", weight->sizes(), input.sizes()) == input.sizes().vec(),
            ShapeError, "binary_cross_entropy: expected weight that broadcasts to the input's shape ",
            input.sizes(), ", got ", weight->sizes());
        loss = loss * weight->to(t);
      }
      return reduce(loss, reduction).to(input.dtype());
    },
}};
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
                            std::string_view reduction) {
  return apply(binary_cross_entropy_op, input, target, weight, reduction);
}

// --- similarity -------------------------------------------------------------------------------------

CLEW_OP_PAGE(cosine_similarity) = {{
    .name = "cosine_similarity",
    .doc = R"(The cosine of the angle between two vectors.

    out = sum(x1 * x2) / (max(|x1|, eps) * max(|x2|, eps))

Args:
    x1, x2: shapes that broadcast together, floating point.
    dim: the dimension of the vectors, counted in the broadcast shape.
    eps: least length.
Returns:
    Tensor of the broadcast shape without `dim`.
Raises:
    clew.ShapeError: the shapes do not broadcast.
    clew.IndexError: `dim` is not a dimension.
Example:
    >>> clew.cosine_similarity(clew.tensor([[3.0, 4.0]]), clew.tensor([[4.0, 3.0]])).tolist()
    [0.96...]
)",
    .dtypes = kFloating,
    .autocast = Autocast::Float32,
    .composite = [](const Tensor& x1, const Tensor& x2, int64_t dim, double eps) -> Tensor {
      const Shape shape = broadcast_shapes("cosine_similarity", x1.sizes(), x2.sizes());
      const DType result = promote_types(x1.dtype(), x2.dtype());
      CLEW_CHECK(is_floating(result), DTypeError, "cosine_similarity: expected a floating dtype, got ",
                 x1.dtype(), " and ", x2.dtype(), " (convert one of them with to())");
      const int64_t d = wrap_dim("cosine_similarity", dim, static_cast<int64_t>(shape.size()));
      const auto unit = [&](const Tensor& x) {
        const Tensor wide_x = x.to(wide(result)).expand(shape);
        const Tensor length = norm(wide_x, 2, IntArrayRef{d}, true);
        // The floor is a constant: below it the gradient still sees the length.
        Tensor lift;
        {
          const NoGradGuard guard;
          lift = clamp(length, Scalar(eps)) - length;
        }
        return wide_x / (length + lift);
      };
      return sum(unit(x1) * unit(x2), IntArrayRef{d}).to(result);
    },
}};
Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, int64_t dim, double eps) {
  return apply(cosine_similarity_op, x1, x2, dim, eps);
}

}  // namespace clew
