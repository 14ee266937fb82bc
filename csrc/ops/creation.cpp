// New tensors, copies and conversions.
#include <cmath>

#include "clew/dispatch/apply.h"
#include "core/backend.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

/// Checks sizes that a caller asks for.
TensorMeta new_meta(const char* op, IntArrayRef size, DType dtype) {
  CLEW_CHECK(!is_complex(dtype), NotImplementedError, op, ": expected a real dtype, got ", dtype,
             " (complex kernels are not part of this version)");
  CLEW_CHECK(size.size() <= 64, ShapeError, op, ": expected at most 64 dimensions, got ", size.size());
  int64_t bytes = static_cast<int64_t>(item_size(dtype));
  bool overflow = false, empty = false;
  for (int64_t n : size) {
    CLEW_CHECK(n >= 0, ValueError, op, ": expected sizes >= 0, got ", n, " (size ", size, ")");
    empty = empty || n == 0;
    overflow = __builtin_mul_overflow(bytes, n > 0 ? n : 1, &bytes) || overflow;
  }
  CLEW_CHECK(!overflow, ValueError, op, ": expected a size whose bytes fit in 64 bits, got ", size);
  return {size.vec(), dtype};
}
DType dtype_or_default(const TensorOptions& o) { return o.dtype_.value_or(default_dtype()); }

/// `options` with what it leaves open taken from `input`.
TensorOptions like(const Tensor& input, const TensorOptions& options) {
  return options.dtype(options.dtype_.value_or(input.dtype()))
      .device(options.device_.value_or(input.device()));
}

TensorMeta empty_meta(IntArrayRef size, const TensorOptions& o) {
  return new_meta("empty", size, dtype_or_default(o));
}
TensorMeta zeros_meta(IntArrayRef size, const TensorOptions& o) {
  return new_meta("zeros", size, dtype_or_default(o));
}
TensorMeta ones_meta(IntArrayRef size, const TensorOptions& o) {
  return new_meta("ones", size, dtype_or_default(o));
}
TensorMeta full_meta(IntArrayRef size, const Scalar& fill_value, const TensorOptions& o) {
  return new_meta("full", size, o.dtype_.value_or(fill_value.dtype()));
}
TensorMeta eye_meta(int64_t n, std::optional<int64_t> m, const TensorOptions& o) {
  return new_meta("eye", {n, m.value_or(n)}, dtype_or_default(o));
}

TensorMeta arange_start_meta(const Scalar& start, const Scalar& end, const Scalar& step,
                             const TensorOptions& o) {
  const bool floating = start.is_floating() || end.is_floating() || step.is_floating();
  const DType dtype = o.dtype_.value_or(floating ? default_dtype() : DType::Int64);
  CLEW_CHECK(dtype != DType::Bool, DTypeError, "arange: expected a numeric dtype, got ", dtype);
  CLEW_CHECK(step.to_double() != 0, ValueError, "arange: expected step != 0, got ", step);
  int64_t n = 0;
  // Bounds of an int64 range are cut to integers before they are counted with.
  const bool whole = floating && dtype == DType::Int64 && std::abs(start.to_double()) < 9e18 &&
                     std::abs(end.to_double()) < 9e18 && std::abs(step.to_double()) < 9e18;
  CLEW_CHECK(!whole || step.to_int() != 0, ValueError,
             "arange: expected a step of at least 1 for dtype int64, got ", step);
  if (floating && !whole) {
    const double a = start.to_double(), b = end.to_double(), by = step.to_double();
    CLEW_CHECK(std::isfinite(a) && std::isfinite(b) && !std::isnan(by), ValueError,
               "arange: expected finite bounds, got start ", start, ", end ", end, ", step ", step);
    const double count = std::ceil((b - a) / by);
    CLEW_CHECK((by > 0) == (b >= a) || a == b, ValueError, "arange: expected end ",
               by > 0 ? ">= start" : "<= start", " for step ", step, ", got start ", start, ", end ", end);
    CLEW_CHECK(count < 9e18, ValueError, "arange: expected a number of elements that fits in 64 bits, got ",
               count);
    n = static_cast<int64_t>(count);
  } else {
    __extension__ using Wide = __int128;
    const Wide a = start.to_int(), b = end.to_int(), by = step.to_int();
    CLEW_CHECK(by > 0 ? b >= a : b <= a, ValueError, "arange: expected end ",
               by > 0 ? ">= start" : "<= start", " for step ", step, ", got start ", start, ", end ", end);
    const Wide count = by > 0 ? (b - a + by - 1) / by : (a - b - by - 1) / -by;
    CLEW_CHECK(count <= INT64_MAX, ValueError,
               "arange: expected a number of elements that fits in 64 bits, got start ", start, ", end ",
               end);
    n = static_cast<int64_t>(count);
  }
  return new_meta("arange", {n}, dtype);
}
TensorMeta arange_meta(const Scalar& end, const TensorOptions& o) {
  return arange_start_meta(end.is_floating() ? Scalar(0.0) : Scalar(0), end, 1, o);
}

TensorMeta linspace_meta(const Scalar&, const Scalar&, int64_t steps, const TensorOptions& o) {
  CLEW_CHECK(steps >= 0, ValueError, "linspace: expected steps >= 0, got ", steps);
  const DType dtype = dtype_or_default(o);
  CLEW_CHECK(dtype != DType::Bool, DTypeError, "linspace: expected a numeric dtype, got ", dtype);
  return new_meta("linspace", {steps}, dtype);
}

TensorMeta clone_meta(const Tensor& input) { return input.meta(); }
TensorMeta cast_meta(const Tensor& input, DType dtype) {
  CLEW_CHECK(!is_complex(dtype), NotImplementedError, "to: expected a real dtype, got ", dtype,
             " (complex kernels are not part of this version)");
  return {input.sizes().vec(), dtype};
}
TensorMeta copy_meta(const Tensor& input, const Tensor& src) {
  CLEW_CHECK(broadcastable_to(src.sizes(), input.sizes()), ShapeError,
             "copy_: expected src of a shape that broadcasts to input ", input.sizes(), ", got ",
             src.sizes());
  return input.meta();
}
TensorMeta fill_meta(const Tensor& input, const Scalar&) { return input.meta(); }
TensorMeta zero_meta(const Tensor& input) { return input.meta(); }

TensorMeta to_device_meta(const Tensor& input, bool, const TensorOptions& options) {
  CLEW_CHECK(!options.dtype_ || *options.dtype_ == input.dtype(), DTypeError,
             "to_device: expected dtype None or ", input.dtype(), ", got ",
             options.dtype_.value_or(input.dtype()), " (to() converts both dtype and device)");
  const Device target = options.device_.value_or(input.device());
  CLEW_CHECK(!input.is_meta() || target.type == DeviceType::Meta, DeviceError,
             "to_device: expected a tensor with data, got one on the meta device (it has none to move)");
  return input.meta();
}

GradList zero_grad(const Backward&, const Tensor& g) { return {zeros(g.sizes(), g.options())}; }

constexpr const char* kConstant = "its result does not depend on a tensor";

}  // namespace

CLEW_OP_PAGE(empty) = {{
    .name = "empty",
    .doc = R"(A new tensor whose values are not set.

Args:
    size: sizes, each >= 0.
    dtype: default: the default floating dtype.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape `size`.
Raises:
    ValueError: a negative size.
Example:
    >>> clew.empty(2, 3).shape
    clew.Size([2, 3]))",
    .meta = empty_meta,
    .kernel = &empty_kernel,
    .not_differentiable = kConstant,
}};
Tensor empty(IntArrayRef size, const TensorOptions& options) { return apply(empty_op, size, options); }

CLEW_OP_PAGE(zeros) = {{
    .name = "zeros",
    .doc = R"(A new tensor filled with 0.

Args:
    size: sizes, each >= 0.
    dtype: default: the default floating dtype.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape `size`.
Raises:
    ValueError: a negative size.
Example:
    >>> clew.zeros(2).tolist()
    [0.0, 0.0])",
    .meta = zeros_meta,
    .kernel = &zeros_kernel,
    .not_differentiable = kConstant,
}};
Tensor zeros(IntArrayRef size, const TensorOptions& options) { return apply(zeros_op, size, options); }

CLEW_OP_PAGE(ones) = {{
    .name = "ones",
    .doc = R"(A new tensor filled with 1.

Args:
    size: sizes, each >= 0.
    dtype: default: the default floating dtype.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape `size`.
Raises:
    ValueError: a negative size.
Example:
    >>> clew.ones(2).tolist()
    [1.0, 1.0])",
    .meta = ones_meta,
    .kernel = &ones_kernel,
    .not_differentiable = kConstant,
}};
Tensor ones(IntArrayRef size, const TensorOptions& options) { return apply(ones_op, size, options); }

CLEW_OP_PAGE(full) = {{
    .name = "full",
    .doc = R"(A new tensor filled with one value.

Args:
    size: sizes, each >= 0.
    fill_value: a number.
    dtype: default: bool, int64 or the default floating dtype, after `fill_value`.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape `size`.
Raises:
    ValueError: a negative size, or a value that the dtype cannot hold.
Example:
    >>> clew.full((2,), 7).tolist()
    [7, 7])",
    .meta = full_meta,
    .kernel = &full_kernel,
    .not_differentiable = kConstant,
}};
Tensor full(IntArrayRef size, const Scalar& fill_value, const TensorOptions& options) {
  return apply(full_op, size, fill_value, options);
}

CLEW_OP_PAGE(eye) = {{
    .name = "eye",
    .doc = R"(A matrix with 1 on the diagonal and 0 elsewhere.

Args:
    n: rows.
    m: columns; default: `n`.
    dtype: default: the default floating dtype.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (n, m).
Raises:
    ValueError: a negative size.
Example:
    >>> clew.eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]])",
    .meta = eye_meta,
    .kernel = &eye_kernel,
    .not_differentiable = kConstant,
}};
Tensor eye(int64_t n, std::optional<int64_t> m, const TensorOptions& options) {
  return apply(eye_op, n, m, options);
}

CLEW_OP_PAGE(arange) = {{
    .name = "arange",
    .doc = R"(The numbers 0, 1, ... below `end`.

Args:
    end: bound, not included.
    dtype: default: int64 for an integer bound, else the default floating dtype.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (ceil(end),).
Raises:
    ValueError: a negative bound.
Example:
    >>> clew.arange(3).tolist()
    [0, 1, 2])",
    .meta = arange_meta,
    .kernel = &arange_kernel,
    .not_differentiable = kConstant,
}};
Tensor arange(const Scalar& end, const TensorOptions& options) { return apply(arange_op, end, options); }

CLEW_OP_PAGE(arange_start) = {{
    .name = "arange.start",
    .doc = R"(The numbers start, start + step, ... short of `end`.

    y[i] = start + i * step

Args:
    start: first value.
    end: bound, not included.
    step: difference of neighbours, not 0.
    dtype: default: int64 when all three are integers, else the default floating dtype.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (ceil((end - start) / step),).
Raises:
    ValueError: `step` is 0 or leads away from `end`.
Example:
    >>> clew.arange(1, 6, 2).tolist()
    [1, 3, 5])",
    .meta = arange_start_meta,
    .kernel = &arange_start_kernel,
    .not_differentiable = kConstant,
}};
Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step, const TensorOptions& options) {
  return apply(arange_start_op, start, end, step, options);
}

CLEW_OP_PAGE(linspace) = {{
    .name = "linspace",
    .doc = R"(Evenly spaced numbers, both ends included.

    y[i] = start + i * (end - start) / (steps - 1)

Args:
    start: first value.
    end: last value.
    steps: how many.
    dtype: default: the default floating dtype.
    device: default: cpu.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (steps,).
Raises:
    ValueError: negative `steps`.
Example:
    >>> clew.linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0])",
    .meta = linspace_meta,
    .kernel = &linspace_kernel,
    .not_differentiable = kConstant,
}};
Tensor linspace(const Scalar& start, const Scalar& end, int64_t steps, const TensorOptions& options) {
  return apply(linspace_op, start, end, steps, options);
}

CLEW_OP_PAGE(empty_like) = {{
    .name = "empty_like",
    .doc = R"(A new tensor with the shape of `input`, its values not set.

Args:
    input: shape (*).
    dtype, device: default: those of `input`.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (*).
Example:
    >>> clew.empty_like(clew.ones(2, 3)).shape
    clew.Size([2, 3]))",
    .composite = [](const Tensor& input,
                    const TensorOptions& o) { return empty(input.sizes(), like(input, o)); },
}};
Tensor empty_like(const Tensor& input, const TensorOptions& options) {
  return apply(empty_like_op, input, options);
}

CLEW_OP_PAGE(zeros_like) = {{
    .name = "zeros_like",
    .doc = R"(A new tensor with the shape of `input`, filled with 0.

Args:
    input: shape (*).
    dtype, device: default: those of `input`.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (*).
Example:
    >>> clew.zeros_like(clew.ones(2)).tolist()
    [0.0, 0.0])",
    .composite = [](const Tensor& input,
                    const TensorOptions& o) { return zeros(input.sizes(), like(input, o)); },
}};
Tensor zeros_like(const Tensor& input, const TensorOptions& options) {
  return apply(zeros_like_op, input, options);
}

CLEW_OP_PAGE(ones_like) = {{
    .name = "ones_like",
    .doc = R"(A new tensor with the shape of `input`, filled with 1.

Args:
    input: shape (*).
    dtype, device: default: those of `input`.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (*).
Example:
    >>> clew.ones_like(clew.zeros(2)).tolist()
    [1.0, 1.0])",
    .composite = [](const Tensor& input,
                    const TensorOptions& o) { return ones(input.sizes(), like(input, o)); },
}};
Tensor ones_like(const Tensor& input, const TensorOptions& options) {
  return apply(ones_like_op, input, options);
}

CLEW_OP_PAGE(full_like) = {{
    .name = "full_like",
    .doc = R"(A new tensor with the shape of `input`, filled with one value.

Args:
    input: shape (*).
    fill_value: a number.
    dtype, device: default: those of `input`.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (*).
Raises:
    ValueError: a value that the dtype cannot hold.
Example:
    >>> clew.full_like(clew.zeros(2), 3).tolist()
    [3.0, 3.0])",
    .composite = [](const Tensor& input, const Scalar& value,
                    const TensorOptions& o) { return full(input.sizes(), value, like(input, o)); },
}};
Tensor full_like(const Tensor& input, const Scalar& fill_value, const TensorOptions& options) {
  return apply(full_like_op, input, fill_value, options);
}

CLEW_OP_PAGE(clone) = {{
    .name = "clone",
    .doc = R"(A contiguous copy that keeps its place on the tape.

Args:
    input: shape (*).
Returns:
    Tensor of shape (*) with memory of its own.
Example:
    >>> clew.ones(2).clone().tolist()
    [1.0, 1.0])",
    .meta = clone_meta,
    .kernel = &clone_kernel,
    .grad = [](const Backward&, const Tensor& g) -> GradList { return {g}; },
}};
Tensor clone(const Tensor& input) { return apply(clone_op, input); }

CLEW_OP_PAGE(contiguous) = {{
    .name = "contiguous",
    .doc = R"(`input` itself when its elements lie in row-major order, else a copy whose elements do.

Args:
    input: shape (*).
Returns:
    Contiguous tensor of shape (*).
Example:
    >>> clew.ones(2, 3).t().contiguous().is_contiguous()
    True)",
    .composite = [](const Tensor& input) { return input.is_contiguous() ? input : clone(input); },
}};
Tensor contiguous(const Tensor& input) { return apply(contiguous_op, input); }

CLEW_OP_PAGE(cast) = {{
    .name = "cast",
    .doc = R"(A copy of `input` in another dtype. Floating to integer truncates; to bool is != 0.

Args:
    input: shape (*).
    dtype: dtype of the result.
Returns:
    Tensor of shape (*).
Example:
    >>> clew.ops.cast(clew.tensor([1.5, -1.5]), clew.int64).tolist()
    [1, -1])",
    .meta = cast_meta,
    .kernel = &cast_kernel,
    .grad = [](const Backward&, const Tensor& g) -> GradList { return {g}; },
}};
Tensor cast(const Tensor& input, DType dtype) { return apply(cast_op, input, dtype); }

CLEW_OP_PAGE(to_device) = {{
    .name = "to_device",
    .doc = R"(A copy of `input` on the device of `options`.

Args:
    input: shape (*).
    non_blocking: return while a copy from or to pinned memory is under way.
    dtype: None, or the dtype of `input`.
    device: where the copy goes; default: the device of `input`.
    requires_grad: whether operations on it are recorded.
Returns:
    Tensor of shape (*) and the dtype of `input`.
Raises:
    clew.DeviceError: the device is not there, or `input` has no data.
    clew.DTypeError: another dtype.
Example:
    >>> clew.ops.to_device(clew.ones(2), device="cpu").tolist()
    [1.0, 1.0])",
    .layout = Layout::Contiguous,
    .meta = to_device_meta,
    .kernel = &to_device_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {g.to(std::nullopt, ctx.input_meta(0).device)};
    },
}};
Tensor to_device(const Tensor& input, bool non_blocking, const TensorOptions& options) {
  return apply(to_device_op, input, non_blocking, options);
}

CLEW_OP_PAGE(copy) = {{
    .name = "copy",
    .doc = R"(Overwrites `input` with `src`, broadcast to its shape and converted to its dtype.

Args:
    input: shape (*).
    src: a shape that broadcasts to (*).
Returns:
    `input`.
Raises:
    clew.ShapeError: `src` does not broadcast to the shape of `input`.
Example:
    >>> clew.zeros(2).copy_(clew.tensor([1, 2])).tolist()
    [1.0, 2.0])",
    .inplace = true,
    .meta = copy_meta,
    .kernel = &copy_kernel,
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {ctx.needs(0) ? zeros(g.sizes(), g.options()) : Tensor(), g};
    },
}};
Tensor copy(const Tensor& input, const Tensor& src) { return apply(copy_op, input, src); }
Tensor copy_(const Tensor& input, const Tensor& src) {
  // The one op whose tensors may be on different devices.
  if (CLEW_UNLIKELY(src.device() != input.device() && !input.is_meta() && !src.is_meta()))
    return apply_inplace(copy_op, input, src.to(input.dtype(), input.device()));
  return apply_inplace(copy_op, input, src);
}

CLEW_OP_PAGE(fill) = {{
    .name = "fill",
    .doc = R"(Overwrites every element of `input` with one value.

Args:
    input: shape (*).
    value: a number.
Returns:
    `input`.
Raises:
    ValueError: a value that the dtype of `input` cannot hold.
Example:
    >>> clew.zeros(2).fill_(3).tolist()
    [3.0, 3.0])",
    .inplace = true,
    .meta = fill_meta,
    .kernel = &fill_kernel,
    .grad = zero_grad,
}};
Tensor fill(const Tensor& input, const Scalar& value) { return apply(fill_op, input, value); }
Tensor fill_(const Tensor& input, const Scalar& value) { return apply_inplace(fill_op, input, value); }

CLEW_OP_PAGE(zero) = {{
    .name = "zero",
    .doc = R"(Overwrites every element of `input` with 0.

Args:
    input: shape (*).
Returns:
    `input`.
Example:
    >>> clew.ones(2).zero_().tolist()
    [0.0, 0.0])",
    .inplace = true,
    .meta = zero_meta,
    .kernel = &zero_kernel,
    .grad = zero_grad,
}};
Tensor zero(const Tensor& input) { return apply(zero_op, input); }
Tensor zero_(const Tensor& input) { return apply_inplace(zero_op, input); }

Tensor Tensor::to(std::optional<DType> dtype, std::optional<Device> device, bool copy,
                  bool non_blocking) const {
  const Device target = device.value_or(this->device());
  if (target != this->device()) {
    CLEW_CHECK(!is_meta(), DeviceError,
               "to: expected a tensor with data, got one on the meta device (it has none to move)");
    if (target.type == DeviceType::Meta)
      return ::clew::empty(sizes(), TensorOptions(dtype.value_or(this->dtype())).device(target));
    if (target.type == DeviceType::CUDA) require_cuda("to", target);
    // The narrower of the two dtypes travels.
    const bool first = dtype && item_size(*dtype) < item_size(this->dtype());
    const Tensor moved = to_device(first ? cast(*this, *dtype) : *this, non_blocking, TensorOptions(target));
    return dtype && *dtype != moved.dtype() ? cast(moved, *dtype) : moved;
  }
  if (dtype && *dtype != this->dtype()) return cast(*this, *dtype);
  return copy ? ::clew::clone(*this) : *this;
}

bool equal(const Tensor& a, const Tensor& b) {
  if (!(a.sizes() == b.sizes())) return false;
  const NoGradGuard guard;
  return all(eq(a, b)).item<bool>();
}

// --- tensors like another in dtype and device --------------------------------------------------------

Tensor Tensor::new_empty(IntArrayRef size, const TensorOptions& options) const {
  return empty(size, like(*this, options));
}
Tensor Tensor::new_zeros(IntArrayRef size, const TensorOptions& options) const {
  return zeros(size, like(*this, options));
}
Tensor Tensor::new_ones(IntArrayRef size, const TensorOptions& options) const {
  return ones(size, like(*this, options));
}
Tensor Tensor::new_full(IntArrayRef size, const Scalar& fill_value, const TensorOptions& options) const {
  return full(size, fill_value, like(*this, options));
}

}  // namespace clew
