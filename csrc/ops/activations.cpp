// Activations that are composed of other ops.
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

// A composite has the dtypes of its parts; these are for what their pages declare.
void check_dtype(const char* op, const Tensor& x, DTypeSet set = kFloating) {
  CLEW_CHECK(set.contains(x.dtype()), DTypeError, op, ": expected dtype in ", set, ", got ", x.dtype());
}

// expm1 of what is not above 0: the other branch of `where` must not overflow.
Tensor below(const Tensor& x) { return clamp(x, std::nullopt, Scalar(0)); }

// A setting as a number of the tensor's category: integers stay integers.
Scalar setting(const Tensor& x, double v) {
  return is_floating(x.dtype()) ? Scalar(v) : Scalar(static_cast<int64_t>(v));
}

constexpr DTypeSet kSigned = kFloating | dtype_set(DType::Int8, DType::Int16, DType::Int32, DType::Int64);

Tensor limited(const Tensor& x, double low, double high) {
  const Tensor y = clamp(x.detach(), setting(x, low), setting(x, high));
  // Unlike clamp's, the gradient at the limits is 0.
  if (!is_grad_enabled() || !x.requires_grad()) return y;
  return where(bitwise_or(x <= low, x >= high), y, x);
}

}  // namespace

CLEW_OP_PAGE(elu) = {{
    .name = "elu",
    .doc = R"(Exponential linear unit.

    y = x where x > 0, else alpha * (exp(x) - 1)

Args:
    input: any shape, floating point.
    alpha: minus the limit at minus infinity.
Returns:
    Tensor with the shape and dtype of `input`.
Reference:
    Clevert, Unterthiner, Hochreiter. Exponential Linear Units. 2015. arXiv:1511.07289.
Example:
    >>> clew.nn.functional.elu(clew.tensor([0.0, 2.0])).tolist()
    [0.0, 2.0]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x, double alpha) -> Tensor {
      check_dtype("elu", x);
      return where(x <= 0, alpha * expm1(below(x)), x);
    },
}};
Tensor elu(const Tensor& input, double alpha) { return apply(elu_op, input, alpha); }

CLEW_OP_PAGE(selu) = {{
    .name = "selu",
    .doc = R"(Scaled exponential linear unit, with the constants that keep mean 0 and variance 1.

    y = 1.0507 * elu(x, 1.6733)

Args:
    input: any shape, floating point.
Returns:
    Tensor with the shape and dtype of `input`.
Reference:
    Klambauer et al. Self-Normalizing Neural Networks. 2017. arXiv:1706.02515.
Example:
    >>> round(clew.nn.functional.selu(clew.tensor([1.0])).item(), 4)
    1.0507
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x) -> Tensor {
      check_dtype("selu", x);
      return 1.0507009873554804934 * elu(x, 1.6732632423543772848);
    },
}};
Tensor selu(const Tensor& input) { return apply(selu_op, input); }

CLEW_OP_PAGE(celu) = {{
    .name = "celu",
    .doc = R"(Continuously differentiable exponential linear unit.

    y = x where x > 0, else alpha * (exp(x / alpha) - 1)

Args:
    input: any shape, floating point.
    alpha: minus the limit at minus infinity; not 0.
Returns:
    Tensor with the shape and dtype of `input`.
Raises:
    ValueError: alpha is 0 (from Python ZeroDivisionError).
Reference:
    Barron. Continuously Differentiable Exponential Linear Units. 2017. arXiv:1704.07483.
Example:
    >>> clew.nn.functional.celu(clew.tensor([0.0, 2.0])).tolist()
    [0.0, 2.0]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x, double alpha) -> Tensor {
      check_dtype("celu", x);
      CLEW_CHECK(alpha != 0, ValueError, "celu: expected alpha other than 0, got 0");
      return where(x <= 0, alpha * expm1(below(x) / alpha), x);
    },
}};
Tensor celu(const Tensor& input, double alpha) { return apply(celu_op, input, alpha); }

CLEW_OP_PAGE(softplus) = {{
    .name = "softplus",
    .doc = R"(A smooth rectifier.

    y = log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold

Args:
    input: any shape, floating point.
    beta: how sharp the bend is.
    threshold: above it the line is taken.
Returns:
    Tensor with the shape and dtype of `input`.
Example:
    >>> round(clew.nn.functional.softplus(clew.zeros(1)).item(), 4)
    0.6931
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x, double beta, double threshold) -> Tensor {
      check_dtype("softplus", x);
      const Tensor scaled = beta == 1 ? x : x * beta;
      const Tensor curve = log1p(exp(clamp(scaled, std::nullopt, Scalar(threshold))));
      return where(scaled > threshold, x, beta == 1 ? curve : curve / beta);
    },
}};
Tensor softplus(const Tensor& input, double beta, double threshold) {
  return apply(softplus_op, input, beta, threshold);
}

CLEW_OP_PAGE(mish) = {{
    .name = "mish",
    .doc = R"(A smooth activation that dips below 0.

    y = x * tanh(softplus(x))

Args:
    input: any shape, floating point.
Returns:
    Tensor with the shape and dtype of `input`.
Reference:
    Misra. Mish: A Self Regularized Non-Monotonic Activation Function. 2019. arXiv:1908.08681.
Example:
    >>> clew.nn.functional.mish(clew.zeros(2)).tolist()
    [0.0, 0.0]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x) -> Tensor {
      check_dtype("mish", x);
      return x * tanh(softplus(x));
    },
}};
Tensor mish(const Tensor& input) { return apply(mish_op, input); }

CLEW_OP_PAGE(hardtanh) = {{
    .name = "hardtanh",
    .doc = R"(Cuts off at two limits, where the gradient is 0.

    y = min(max(x, min_val), max_val)

Args:
    input: any shape, floating point or signed integers.
    min_val, max_val: the limits.
Returns:
    Tensor with the shape and dtype of `input`.
Raises:
    ValueError: min_val > max_val.
Example:
    >>> clew.nn.functional.hardtanh(clew.tensor([-2.0, 0.5, 2.0])).tolist()
    [-1.0, 0.5, 1.0]
)",
    .dtypes = kSigned,
    .composite = [](const Tensor& x, double min_val, double max_val) -> Tensor {
      check_dtype("hardtanh", x, kSigned);
      CLEW_CHECK(min_val <= max_val, ValueError, "hardtanh: expected min_val <= max_val, got ", min_val,
                 " and ", max_val);
      return limited(x, min_val, max_val);
    },
}};
Tensor hardtanh(const Tensor& input, double min_val, double max_val) {
  return apply(hardtanh_op, input, min_val, max_val);
}

CLEW_OP_PAGE(hardsigmoid) = {{
    .name = "hardsigmoid",
    .doc = R"(A sigmoid of straight lines.

    y = min(max(x + 3, 0), 6) / 6

Args:
    input: any shape, floating point.
Returns:
    Tensor with the shape and dtype of `input`.
Example:
    >>> clew.nn.functional.hardsigmoid(clew.tensor([-3.0, 0.0, 3.0])).tolist()
    [0.0, 0.5, 1.0]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x) -> Tensor {
      check_dtype("hardsigmoid", x);
      return limited(x + 3, 0, 6) / 6;
    },
}};
Tensor hardsigmoid(const Tensor& input) { return apply(hardsigmoid_op, input); }

CLEW_OP_PAGE(hardswish) = {{
    .name = "hardswish",
    .doc = R"(silu with a sigmoid of straight lines.

    y = x * min(max(x + 3, 0), 6) / 6

Args:
    input: any shape, floating point.
Returns:
    Tensor with the shape and dtype of `input`.
Reference:
    Howard et al. Searching for MobileNetV3. 2019. arXiv:1905.02244.
Example:
    >>> clew.nn.functional.hardswish(clew.tensor([-3.0, 0.0, 3.0])).tolist()
    [-0.0, 0.0, 3.0]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x) -> Tensor {
      check_dtype("hardswish", x);
      return x * clamp(x + 3, Scalar(0), Scalar(6)) / 6;
    },
}};
Tensor hardswish(const Tensor& input) { return apply(hardswish_op, input); }

CLEW_OP_PAGE(hardshrink) = {{
    .name = "hardshrink",
    .doc = R"(Zeroes what is small.

    y = x where |x| > lambd, else 0

Args:
    input: any shape, floating point.
    lambd: the threshold.
Returns:
    Tensor with the shape and dtype of `input`.
Example:
    >>> clew.nn.functional.hardshrink(clew.tensor([-1.0, 0.25])).tolist()
    [-1.0, 0.0]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x, double lambd) -> Tensor {
      check_dtype("hardshrink", x);
      return where(bitwise_and(x >= -lambd, x <= lambd), 0, x);
    },
}};
Tensor hardshrink(const Tensor& input, double lambd) { return apply(hardshrink_op, input, lambd); }

CLEW_OP_PAGE(softshrink) = {{
    .name = "softshrink",
    .doc = R"(Moves each element towards 0.

    y = x - lambd where x > lambd, x + lambd where x < -lambd, else 0

Args:
    input: any shape, floating point.
    lambd: the threshold, >= 0.
Returns:
    Tensor with the shape and dtype of `input`.
Raises:
    ValueError: lambd < 0.
Example:
    >>> clew.nn.functional.softshrink(clew.tensor([-1.0, 0.25])).tolist()
    [-0.5, 0.0]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x, double lambd) -> Tensor {
      check_dtype("softshrink", x);
      CLEW_CHECK(lambd >= 0, ValueError, "softshrink: expected lambd >= 0, got ", lambd);
      return where(bitwise_and(x >= -lambd, x <= lambd), x * 0, where(x > 0, x - lambd, x + lambd));
    },
}};
Tensor softshrink(const Tensor& input, double lambd) { return apply(softshrink_op, input, lambd); }

CLEW_OP_PAGE(tanhshrink) = {{
    .name = "tanhshrink",
    .doc = R"(What tanh leaves.

    y = x - tanh(x)

Args:
    input: any shape, floating point.
Returns:
    Tensor with the shape and dtype of `input`.
Example:
    >>> clew.nn.functional.tanhshrink(clew.zeros(2)).tolist()
    [0.0, 0.0]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x) -> Tensor {
      check_dtype("tanhshrink", x);
      return x - tanh(x);
    },
}};
Tensor tanhshrink(const Tensor& input) { return apply(tanhshrink_op, input); }

CLEW_OP_PAGE(softsign) = {{
    .name = "softsign",
    .doc = R"(A sigmoid without exponentials.

    y = x / (1 + |x|)

Args:
    input: any shape, floating point.
Returns:
    Tensor with the shape and dtype of `input`.
Example:
    >>> clew.nn.functional.softsign(clew.tensor([1.0])).tolist()
    [0.5]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x) -> Tensor {
      check_dtype("softsign", x);
      return x / (abs(x) + 1);
    },
}};
Tensor softsign(const Tensor& input) { return apply(softsign_op, input); }

CLEW_OP_PAGE(threshold) = {{
    .name = "threshold",
    .doc = R"(Replaces what is not above a threshold.

    y = x where x > threshold, else value; NaN stays

Args:
    input: any shape, floating point or signed integers.
    threshold: the limit.
    value: what stands below it.
Returns:
    Tensor with the shape and dtype of `input`.
Example:
    >>> clew.nn.functional.threshold(clew.tensor([0.5, 2.0]), 1.0, 9.0).tolist()
    [9.0, 2.0]
)",
    .dtypes = kSigned,
    .composite = [](const Tensor& x, double threshold, double value) -> Tensor {
      check_dtype("threshold", x, kSigned);
      return masked_fill(x, bitwise_and(~(x > threshold), ~isnan(x)), weak_scalar_tensor(setting(x, value)));
    },
}};
Tensor threshold(const Tensor& input, double threshold, double value) {
  return apply(threshold_op, input, threshold, value);
}

CLEW_OP_PAGE(glu) = {{
    .name = "glu",
    .doc = R"(Gated linear unit: one half of the input gates the other.

    y = a * sigmoid(b)

Args:
    input: floating point, with an even size at `dim`.
    dim: the dimension that is halved.
Returns:
    Tensor with half the size at `dim`.
Raises:
    clew.ShapeError: the size at `dim` is odd.
Reference:
    Dauphin et al. Language Modeling with Gated Convolutional Networks. 2016. arXiv:1612.08083.
Example:
    >>> clew.nn.functional.glu(clew.tensor([2.0, 0.0])).tolist()
    [1.0]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x, int64_t dim) -> Tensor {
      check_dtype("glu", x);
      CLEW_CHECK(x.dim() > 0, ShapeError, "glu: expected an input with at least one dimension, got a scalar");
      const int64_t d = wrap_dim("glu", dim, x.dim()), n = x.size(d);
      CLEW_CHECK(n % 2 == 0, ShapeError, "glu: expected an even size at dim ", dim, ", got ", n);
      return narrow(x, d, 0, n / 2) * sigmoid(narrow(x, d, n / 2, n / 2));
    },
}};
Tensor glu(const Tensor& input, int64_t dim) { return apply(glu_op, input, dim); }

CLEW_OP_PAGE(prelu) = {{
    .name = "prelu",
    .doc = R"(Rectified linear unit with learned slopes below 0, one or one per channel.

    y = x where x > 0, else weight * x

Args:
    input: shape (N, C, ...) or any, floating point.
    weight: one element, or shape (C,).
Returns:
    Tensor with the shape and dtype of `input`.
Raises:
    clew.ShapeError: another number of weights.
Reference:
    He et al. Delving Deep into Rectifiers. 2015. arXiv:1502.01852.
Example:
    >>> clew.nn.functional.prelu(clew.tensor([-2.0, 2.0]), clew.tensor([0.5])).tolist()
    [-1.0, 2.0]
)",
    .dtypes = kFloating,
    .composite = [](const Tensor& x, const Tensor& weight) -> Tensor {
      check_dtype("prelu", x);
      CLEW_CHECK(weight.dim() <= 1, ShapeError, "prelu: expected weight of shape (C,) or (), got ",
                 weight.sizes());
      Shape shape;
      if (weight.numel() != 1) {
        const int64_t channels = x.dim() > 1 ? x.size(1) : 1;
        CLEW_CHECK(weight.numel() == channels, ShapeError, "prelu: expected one weight or one per channel (",
                   channels, "), got ", weight.numel());
        shape.push_back(channels);
        for (int64_t d = 2; d < x.dim(); ++d) shape.push_back(1);
      }
      return where(x > 0, x, reshape(weight, shape) * x);
    },
}};
Tensor prelu(const Tensor& input, const Tensor& weight) { return apply(prelu_op, input, weight); }

}  // namespace clew
