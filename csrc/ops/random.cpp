// Random tensors. A value depends on the generator's seed and offset and on the element's index only.
#include <cmath>
#include <limits>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

void check_size(const char* op, IntArrayRef size) {
  CLEW_CHECK(size.size() <= 64, ShapeError, op, ": expected at most 64 dimensions, got ", size.size());
  int64_t bytes = 16;
  for (int64_t n : size) {
    CLEW_CHECK(n >= 0, ValueError, op, ": expected sizes >= 0, got ", n, " (size ", size, ")");
    CLEW_CHECK(!__builtin_mul_overflow(bytes, std::max<int64_t>(n, 1), &bytes), ValueError, op,
               ": expected a size whose bytes fit in 64 bits, got ", size);
  }
}

TensorMeta floating_meta(const char* op, IntArrayRef size, const TensorOptions& o) {
  const DType dtype = o.dtype_.value_or(default_dtype());
  CLEW_CHECK(is_floating(dtype), DTypeError, op, ": expected a floating dtype, got ", dtype);
  check_size(op, size);
  return {size.vec(), dtype};
}
TensorMeta rand_meta(IntArrayRef size, const std::optional<Generator>&, const TensorOptions& o) {
  return floating_meta("rand", size, o);
}
TensorMeta randn_meta(IntArrayRef size, const std::optional<Generator>&, const TensorOptions& o) {
  return floating_meta("randn", size, o);
}

/// Largest integer n such that 0 ... n are all exact in `t`.
int64_t largest_integer(DType t) {
  switch (t) {
    case DType::Bool:
      return 1;
    case DType::UInt8:
      return 255;
    case DType::Int8:
      return 127;
    case DType::Int16:
      return 32767;
    case DType::Int32:
      return 2147483647;
    case DType::Float16:
      return 2048;
    case DType::BFloat16:
      return 256;
    case DType::Float32:
      return int64_t{1} << 24;
    case DType::Float64:
      return int64_t{1} << 53;
    default:
      return std::numeric_limits<int64_t>::max();
  }
}

TensorMeta randint_low_meta(int64_t low, int64_t high, IntArrayRef size, const std::optional<Generator>&,
                            const TensorOptions& o) {
  const DType dtype = o.dtype_.value_or(DType::Int64);
  CLEW_CHECK(!is_complex(dtype), DTypeError, "randint: expected a real dtype, got ", dtype);
  CLEW_CHECK(low < high, ValueError, "randint: expected low < high, got low ", low, " and high ", high);
  const int64_t top = largest_integer(dtype);
  const int64_t bottom = dtype == DType::Bool || dtype == DType::UInt8 ? 0
                         : is_floating(dtype)                          ? -top
                                                                       : -top - 1;
  CLEW_CHECK(low >= bottom && high - 1 <= top, ValueError, "randint: expected bounds that ", dtype,
             " can hold, got low ", low, " and high ", high);
  check_size("randint", size);
  return {size.vec(), dtype};
}
TensorMeta randint_meta(int64_t high, IntArrayRef size, const std::optional<Generator>& g,
                        const TensorOptions& o) {
  return randint_low_meta(0, high, size, g, o);
}

TensorMeta randperm_meta(int64_t n, const std::optional<Generator>&, const TensorOptions& o) {
  const DType dtype = o.dtype_.value_or(DType::Int64);
  CLEW_CHECK(!is_complex(dtype), DTypeError, "randperm: expected a real dtype, got ", dtype);
  CLEW_CHECK(n >= 0, ValueError, "randperm: expected n >= 0, got ", n);
  CLEW_CHECK(n - 1 <= largest_integer(dtype), ValueError, "randperm: expected an n that ", dtype,
             " can hold, got ", n);
  check_size("randperm", {n});
  return {{n}, dtype};
}

TensorOptions like(const Tensor& input, const TensorOptions& options) {
  return options.dtype(options.dtype_.value_or(input.dtype()))
      .device(options.device_.value_or(input.device()));
}

TensorMeta uniform_meta(const Tensor& input, double from, double to, const std::optional<Generator>&) {
  CLEW_CHECK(from <= to && std::isfinite(to - from), ValueError,
             "uniform_: expected from <= to, both finite, got from ", from, " and to ", to);
  return input.meta();
}
TensorMeta normal_meta(const Tensor& input, double, double std, const std::optional<Generator>&) {
  CLEW_CHECK(std >= 0, ValueError, "normal_: expected std >= 0, got ", std);
  return input.meta();
}
TensorMeta random_meta(const Tensor& input, std::optional<int64_t> from, std::optional<int64_t> to,
                       const std::optional<Generator>&) {
  CLEW_CHECK(!is_complex(input.dtype()), DTypeError, "random_: expected a real dtype, got ", input.dtype());
  const int64_t low = from && to ? *from : 0, top = largest_integer(input.dtype());
  const int64_t bottom = input.dtype() == DType::Bool || input.dtype() == DType::UInt8 ? 0
                         : is_floating(input.dtype())                                  ? -top
                                                                                       : -top - 1;
  if (!from && !to) return input.meta();
  const int64_t high = to ? *to : *from;
  CLEW_CHECK(low < high, ValueError, "random_: expected from < to, got from ", low, " and to ", high);
  CLEW_CHECK(low >= bottom && high - 1 <= top, ValueError, "random_: expected bounds that ", input.dtype(),
             " can hold, got from ", low, " and to ", high);
  return input.meta();
}
TensorMeta bernoulli_meta(const Tensor& input, const std::optional<Generator>&) { return input.meta(); }

TensorMeta multinomial_meta(const Tensor& input, int64_t num_samples, bool replacement,
                            const std::optional<Generator>&) {
  CLEW_CHECK(input.dim() == 1 || input.dim() == 2, ShapeError,
             "multinomial: expected input of shape (n,) or (rows, n), got ", input.sizes());
  const int64_t n = input.sizes().back();
  CLEW_CHECK(num_samples > 0, ValueError, "multinomial: expected num_samples > 0, got ", num_samples);
  CLEW_CHECK(replacement || num_samples <= n, ValueError, "multinomial: expected num_samples <= ", n,
             " without replacement, got ", num_samples);
  CLEW_CHECK(n > 0, ValueError, "multinomial: expected at least one category, got input ", input.sizes());
  Shape shape = input.sizes().vec();
  shape.back() = num_samples;
  check_size("multinomial", shape);
  return {std::move(shape), DType::Int64};
}

Tensor dropout_composite(const Tensor& input, double p, bool training) {
  CLEW_CHECK(p >= 0 && p <= 1, ValueError, "dropout: expected p in [0, 1], got ", p);
  if (!training || p == 0 || input.numel() == 0) return input;
  CLEW_CHECK(is_floating(input.dtype()), DTypeError, "dropout: expected a floating input, got ",
             input.dtype());
  // The scaled mask is what both directions multiply by.
  Tensor mask = apply_detail::allocate(input.meta(), input.device());
  if (!input.is_meta()) {
    const auto kernel = dropout_kernel.column[static_cast<int>(input.device().type)];
    if (kernel == nullptr) apply_detail::no_kernel(dropout_op.info, input.device());
    kernel(mask, input, p, training);
  }
  return mul(input, mask);
}

GradList zero_grad(const Backward&, const Tensor& g) { return {zeros(g.sizes(), g.options())}; }

constexpr const char* kConstant = "its result does not depend on a tensor";

}  // namespace

CLEW_OP_PAGE(rand) = {{
    .name = "rand",
    .doc = R"(Uniform random numbers in [0, 1).

Args:
    size: sizes, each >= 0.
    generator: default: the generator that manual_seed sets.
    dtype: floating; default: the default dtype.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape `size`.
Reference:
    Salmon, Moraes, Dror, Shaw. Parallel random numbers: as easy as 1, 2, 3. SC 2011.
Example:
    >>> clew.rand(2, 3).shape
    clew.Size([2, 3]))",
    .dtypes = kFloating,
    .meta = rand_meta,
    .kernel = &rand_kernel,
    .not_differentiable = kConstant,
}};
Tensor rand(IntArrayRef size, const std::optional<Generator>& generator, const TensorOptions& options) {
  return apply(rand_op, size, generator, options);
}

CLEW_OP_PAGE(randn) = {{
    .name = "randn",
    .doc = R"(Random numbers from the standard normal distribution.

Args:
    size: sizes, each >= 0.
    generator: default: the generator that manual_seed sets.
    dtype: floating; default: the default dtype.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape `size`.
Example:
    >>> clew.randn(2, 3).shape
    clew.Size([2, 3]))",
    .dtypes = kFloating,
    .meta = randn_meta,
    .kernel = &randn_kernel,
    .not_differentiable = kConstant,
}};
Tensor randn(IntArrayRef size, const std::optional<Generator>& generator, const TensorOptions& options) {
  return apply(randn_op, size, generator, options);
}

CLEW_OP_PAGE(randint) = {{
    .name = "randint",
    .doc = R"(Uniform random integers in [0, high).

Args:
    high: bound, not included; > 0.
    size: sizes, each >= 0.
    generator: default: the generator that manual_seed sets.
    dtype: default: int64.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape `size`.
Raises:
    ValueError: an empty range, or one that the dtype cannot hold.
Example:
    >>> clew.randint(1, (2,)).tolist()
    [0, 0])",
    .meta = randint_meta,
    .kernel = &randint_kernel,
    .not_differentiable = kConstant,
}};
Tensor randint(int64_t high, IntArrayRef size, const std::optional<Generator>& generator,
               const TensorOptions& options) {
  return apply(randint_op, high, size, generator, options);
}

CLEW_OP_PAGE(randint_low) = {{
    .name = "randint.low",
    .doc = R"(Uniform random integers in [low, high).

Args:
    low, high: bounds, `high` not included.
    size: sizes, each >= 0.
    generator: default: the generator that manual_seed sets.
    dtype: default: int64.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape `size`.
Raises:
    ValueError: an empty range, or one that the dtype cannot hold.
Example:
    >>> clew.randint(3, 4, (2,)).tolist()
    [3, 3])",
    .meta = randint_low_meta,
    .kernel = &randint_low_kernel,
    .not_differentiable = kConstant,
}};
Tensor randint(int64_t low, int64_t high, IntArrayRef size, const std::optional<Generator>& generator,
               const TensorOptions& options) {
  return apply(randint_low_op, low, high, size, generator, options);
}

CLEW_OP_PAGE(randperm) = {{
    .name = "randperm",
    .doc = R"(The numbers 0 to n - 1 in random order.

Args:
    n: how many.
    generator: default: the generator that manual_seed sets.
    dtype: default: int64.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (n,).
Raises:
    ValueError: negative `n`, or one that the dtype cannot hold.
Example:
    >>> sorted(clew.randperm(3).tolist())
    [0, 1, 2])",
    .meta = randperm_meta,
    .kernel = &randperm_kernel,
    .not_differentiable = kConstant,
}};
Tensor randperm(int64_t n, const std::optional<Generator>& generator, const TensorOptions& options) {
  return apply(randperm_op, n, generator, options);
}

CLEW_OP_PAGE(rand_like) = {{
    .name = "rand_like",
    .doc = R"(Uniform random numbers in [0, 1) in the shape of `input`.

Args:
    input: shape (*).
    dtype, device: default: those of `input`.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (*).
Example:
    >>> clew.rand_like(clew.zeros(2)).shape
    clew.Size([2]))",
    .dtypes = kFloating,
    .composite = [](const Tensor& input,
                    const TensorOptions& o) { return rand(input.sizes(), std::nullopt, like(input, o)); },
}};
Tensor rand_like(const Tensor& input, const TensorOptions& options) {
  return apply(rand_like_op, input, options);
}

CLEW_OP_PAGE(randn_like) = {{
    .name = "randn_like",
    .doc = R"(Random numbers from the standard normal distribution in the shape of `input`.

Args:
    input: shape (*).
    dtype, device: default: those of `input`.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (*).
Example:
    >>> clew.randn_like(clew.zeros(2)).shape
    clew.Size([2]))",
    .dtypes = kFloating,
    .composite = [](const Tensor& input,
                    const TensorOptions& o) { return randn(input.sizes(), std::nullopt, like(input, o)); },
}};
Tensor randn_like(const Tensor& input, const TensorOptions& options) {
  return apply(randn_like_op, input, options);
}

CLEW_OP_PAGE(uniform) = {{
    .name = "uniform",
    .doc = R"(Overwrites `input` with uniform random numbers in [from, to).

Args:
    input: shape (*), floating.
    from, to: bounds.
    generator: default: the generator that manual_seed sets.
Returns:
    `input`.
Raises:
    ValueError: from > to.
Example:
    >>> clew.zeros(3).uniform_(1, 1).tolist()
    [1.0, 1.0, 1.0])",
    .dtypes = kFloating,
    .inplace = true,
    .meta = uniform_meta,
    .kernel = &uniform_kernel,
    .grad = zero_grad,
}};
Tensor uniform(const Tensor& input, double from, double to, const std::optional<Generator>& generator) {
  return apply(uniform_op, input, from, to, generator);
}
Tensor uniform_(const Tensor& input, double from, double to, const std::optional<Generator>& generator) {
  return apply_inplace(uniform_op, input, from, to, generator);
}

CLEW_OP_PAGE(normal) = {{
    .name = "normal",
    .doc = R"(Overwrites `input` with random numbers from a normal distribution.

Args:
    input: shape (*), floating.
    mean: mean.
    std: standard deviation, >= 0.
    generator: default: the generator that manual_seed sets.
Returns:
    `input`.
Raises:
    ValueError: std < 0.
Example:
    >>> clew.zeros(2).normal_(3, 0).tolist()
    [3.0, 3.0])",
    .dtypes = kFloating,
    .inplace = true,
    .meta = normal_meta,
    .kernel = &normal_kernel,
    .grad = zero_grad,
}};
Tensor normal(const Tensor& input, double mean, double std, const std::optional<Generator>& generator) {
  return apply(normal_op, input, mean, std, generator);
}
Tensor normal_(const Tensor& input, double mean, double std, const std::optional<Generator>& generator) {
  return apply_inplace(normal_op, input, mean, std, generator);
}

CLEW_OP_PAGE(bernoulli) = {{
    .name = "bernoulli",
    .doc = R"(1 with the probabilities in `input`, else 0.

Args:
    input: probabilities in [0, 1], shape (*), floating.
    generator: default: the generator that manual_seed sets.
Returns:
    Tensor of shape (*), dtype of `input`. Its gradient is 0.
Raises:
    ValueError: a probability outside of [0, 1].
Example:
    >>> clew.bernoulli(clew.tensor([0.0, 1.0])).tolist()
    [0.0, 1.0])",
    .dtypes = kFloating,
    .layout = Layout::Contiguous,
    .meta = bernoulli_meta,
    .kernel = &bernoulli_kernel,
    .grad = zero_grad,
}};
Tensor bernoulli(const Tensor& input, const std::optional<Generator>& generator) {
  return apply(bernoulli_op, input, generator);
}

CLEW_OP_PAGE(bernoulli_p) = {{
    .name = "bernoulli.p",
    .doc = R"(1 with probability p, else 0, in the shape of `input`.

Args:
    input: shape (*); its values are not read.
    p: probability in [0, 1].
    generator: default: the generator that manual_seed sets.
Returns:
    Tensor of shape (*), dtype of `input`.
Raises:
    ValueError: `p` outside of [0, 1].
Example:
    >>> clew.bernoulli(clew.zeros(2), 1.0).tolist()
    [1.0, 1.0])",
    .composite =
        [](const Tensor& input, double p, const std::optional<Generator>& generator) {
          CLEW_CHECK(p >= 0 && p <= 1, ValueError, "bernoulli: expected p in [0, 1], got ", p);
          const Tensor chances = full(input.sizes(), p, TensorOptions(DType::Float64).device(input.device()));
          return bernoulli(chances, generator).to(input.dtype());
        },
}};
Tensor bernoulli(const Tensor& input, double p, const std::optional<Generator>& generator) {
  return apply(bernoulli_p_op, input, p, generator);
}

CLEW_OP_PAGE(random) = {{
    .name = "random",
    .doc = R"(Overwrites `input` with uniform random integers in [from, to).

Args:
    input: shape (*).
    from, to: bounds, `to` not included. One number is `to`, with from = 0. None: from 0 to the greatest integer up to
        which the dtype holds all, included.
    generator: default: the generator that manual_seed sets.
Returns:
    `input`.
Raises:
    ValueError: an empty range, or one that the dtype cannot hold.
Example:
    >>> clew.zeros(2).random_(1).tolist()
    [0.0, 0.0])",
    .inplace = true,
    .meta = random_meta,
    .kernel = &random_kernel,
    .grad = zero_grad,
}};
Tensor random(const Tensor& input, std::optional<int64_t> from, std::optional<int64_t> to,
              const std::optional<Generator>& generator) {
  return apply(random_op, input, from, to, generator);
}
Tensor random_(const Tensor& input, std::optional<int64_t> from, std::optional<int64_t> to,
               const std::optional<Generator>& generator) {
  return apply_inplace(random_op, input, from, to, generator);
}

CLEW_OP_PAGE(exponential) = {{
    .name = "exponential",
    .doc = R"(Overwrites `input` with random numbers from an exponential distribution.

    density lambd * e^(-lambd x), x > 0

Args:
    input: shape (*), floating.
    lambd: rate, > 0.
    generator: default: the generator that manual_seed sets.
Returns:
    `input`.
Raises:
    ValueError: lambd <= 0.
Example:
    >>> bool((clew.zeros(9).exponential_() > 0).all())
    True)",
    .dtypes = kFloating,
    .composite = [](const Tensor& input, double lambd, const std::optional<Generator>& generator) -> Tensor {
      CLEW_CHECK(is_floating(input.dtype()), DTypeError, "exponential_: expected a floating dtype, got ",
                 input.dtype());
      CLEW_CHECK(lambd > 0, ValueError, "exponential_: expected lambd > 0, got ", lambd);
      const Tensor u = rand(input.sizes(), generator, TensorOptions(DType::Float64).device(input.device()));
      // 1 - u lies in (0, 1]; the least positive number of the dtype stands for what rounds to 0.
      const double least = input.dtype() == DType::Float16   ? 0x1p-14
                           : input.dtype() == DType::Float64 ? 0x1p-1022
                                                             : 0x1p-126;
      return clamp(log1p(neg(u)) * (-1 / lambd), std::optional<Scalar>(least)).to(input.dtype());
    },
}};
Tensor exponential(const Tensor& input, double lambd, const std::optional<Generator>& generator) {
  return apply(exponential_op, input, lambd, generator);
}
Tensor exponential_(const Tensor& input, double lambd, const std::optional<Generator>& generator) {
  return apply_inplace(exponential_op, input, lambd, generator);
}

CLEW_OP_PAGE(normal_of) = {{
    .name = "normal_of",
    .doc = R"(Random numbers from normal distributions, one per element.

Args:
    mean, std: shapes that broadcast together, floating; std >= 0. Either may be a number. Their gradient is zero.
    generator: default: the generator that manual_seed sets.
Returns:
    Tensor of the broadcast shape and promoted dtype.
Raises:
    ValueError: a negative std.
Example:
    >>> clew.normal(clew.tensor([3.0]), 0.0).tolist()
    [3.0])",
    .dtypes = kFloating,
    .composite = [](const Tensor& mean, const Tensor& std,
                    const std::optional<Generator>& generator) -> Tensor {
      CLEW_CHECK(is_floating(mean.dtype()) && is_floating(std.dtype()), DTypeError,
                 "normal: expected floating mean and std, got ", mean.dtype(), " and ", std.dtype());
      if (!std.is_meta())
        CLEW_CHECK(!any(std.detach() < 0).item<bool>(), ValueError,
                   "normal: expected std >= 0, got a negative one");
      const Tensor m = mean.detach(), s = std.detach();
      const Tensor center = m + s * 0.0;  // shape and dtype of the result
      const Tensor drawn = randn(center.sizes(), generator, center.options()) * s + m;
      if (!is_grad_enabled() || !(mean.requires_grad() || std.requires_grad())) return drawn;
      // On the tape, with gradients of zero: nothing is taken from what the condition never picks.
      return where(zeros({}, TensorOptions(DType::Bool).device(center.device())), mean + std, drawn);
    },
}};
Tensor normal_of(const Tensor& mean, const Tensor& std, const std::optional<Generator>& generator) {
  return apply(normal_of_op, mean, std, generator);
}

CLEW_OP_PAGE(randint_like) = {{
    .name = "randint_like",
    .doc = R"(Uniform random integers in [0, high) in the shape of `input`.

Args:
    input: shape (*).
    high: bound, not included; > 0.
    dtype, device: default: those of `input`.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (*).
Example:
    >>> clew.randint_like(clew.zeros(2), 1).tolist()
    [0.0, 0.0])",
    .composite =
        [](const Tensor& input, int64_t high, const TensorOptions& o) {
          return randint(0, high, input.sizes(), std::nullopt, like(input, o));
        },
}};
Tensor randint_like(const Tensor& input, int64_t high, const TensorOptions& options) {
  return apply(randint_like_op, input, high, options);
}
CLEW_OP_PAGE(randint_like_low) = {{
    .name = "randint_like.low",
    .doc = R"(Uniform random integers in [low, high) in the shape of `input`.

Args:
    input: shape (*).
    low, high: bounds, `high` not included.
    dtype, device: default: those of `input`.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (*).
Example:
    >>> clew.randint_like(clew.zeros(2), 3, 4).tolist()
    [3.0, 3.0])",
    .composite =
        [](const Tensor& input, int64_t low, int64_t high, const TensorOptions& o) {
          return randint(low, high, input.sizes(), std::nullopt, like(input, o));
        },
}};
Tensor randint_like(const Tensor& input, int64_t low, int64_t high, const TensorOptions& options) {
  return apply(randint_like_low_op, input, low, high, options);
}

CLEW_OP_PAGE(multinomial) = {{
    .name = "multinomial",
    .doc = R"(Random category numbers, drawn with the weights in each row.

Args:
    input: weights >= 0, shape (n,) or (rows, n), floating; they need not add up to 1.
    num_samples: draws per row.
    replacement: whether a category may be drawn again.
    generator: default: the generator that manual_seed sets.
Returns:
    int64 tensor of shape (num_samples,) or (rows, num_samples).
Raises:
    ValueError: a negative or infinite weight, a row without weight, more draws than categories.
Example:
    >>> clew.multinomial(clew.tensor([0.0, 1.0]), 2, replacement=True).tolist()
    [1, 1])",
    .dtypes = kFloating,
    .meta = multinomial_meta,
    .kernel = &multinomial_kernel,
    .not_differentiable = "categories are integers",
}};
Tensor multinomial(const Tensor& input, int64_t num_samples, bool replacement,
                   const std::optional<Generator>& generator) {
  return apply(multinomial_op, input, num_samples, replacement, generator);
}

CLEW_OP_PAGE(dropout) = {{
    .name = "dropout",
    .doc = R"(Zeroes elements at random while training and scales the others up.

    y = input * mask / (1 - p), mask = 1 with probability 1 - p

Args:
    input: shape (*), floating.
    p: probability of an element to be zeroed.
    training: False returns `input` itself.
Returns:
    Tensor of shape (*).
Raises:
    ValueError: p outside of [0, 1].
Reference:
    Srivastava et al. Dropout: a simple way to prevent neural networks from overfitting. JMLR 2014.
Example:
    >>> clew.nn.functional.dropout(clew.ones(2), 1.0).tolist()
    [0.0, 0.0])",
    .dtypes = kFloating,
    .composite = dropout_composite,
}};
Tensor dropout(const Tensor& input, double p, bool training) { return apply(dropout_op, input, p, training); }

}  // namespace clew
