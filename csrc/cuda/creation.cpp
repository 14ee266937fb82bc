// New tensors, copies and conversions.
#include <cmath>
#include <cstring>

#include "clew/dispatch/apply.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"
#include "cuda/sequence.h"
#include "kernels/checked_value.h"

namespace clew::cuda {

void copy_tensor(const Tensor& out, const Tensor& src) {
  if (out.numel() == 0) return;
  const Launch launch(out);
  if (out.dtype() == src.dtype() && src.is_cuda() && out.is_contiguous() && src.is_contiguous() &&
      out.numel() == src.numel())
    return driver().copy(out.raw_data(), src.raw_data(), out.nbytes(), launch.stream());
  const CastLaunch run = cast_table.at[static_cast<size_t>(src.dtype())][static_cast<size_t>(out.dtype())];
  CLEW_CHECK(run != nullptr, DTypeError, "copy: expected dtypes that convert, got ", src.dtype(), " to ",
             out.dtype());
  run_plans<2>({&out, &src}, [&](const Plan<2>& plan) { run(plan, launch.stream()); });
}

void fill_tensor(const char* op, const Tensor& out, const Scalar& value) {
  // The value as a 0-dim tensor on the CPU, which goes along by value.
  const Tensor number = apply_detail::allocate({{}, out.dtype()}, kCPU);
  bool zero = false;
  dispatch<kAllDTypes>(out.dtype(), [&]<class T>() {
    const T v = kernels::checked_value<T>(op, value);
    *number.data<T>() = v;
    uint64_t bits = 0;
    std::memcpy(&bits, &v, sizeof(T));
    zero = bits == 0;
  });
  if (zero && out.is_contiguous() && out.numel() != 0) {
    const Launch launch(out);
    return driver().fill_bytes(out.raw_data(), 0, out.nbytes(), launch.stream());
  }
  copy_tensor(out, number);
}

Tensor new_tensor(const Tensor& like, IntArrayRef sizes, DType dtype) {
  return apply_detail::allocate({sizes.vec(), dtype}, like.device());
}

namespace {

void empty_cuda(Tensor&, IntArrayRef, const TensorOptions&) {}
void zeros_cuda(Tensor& out, IntArrayRef, const TensorOptions&) { fill_tensor("zeros", out, 0); }
void ones_cuda(Tensor& out, IntArrayRef, const TensorOptions&) { fill_tensor("ones", out, 1); }
void full_cuda(Tensor& out, IntArrayRef, const Scalar& value, const TensorOptions&) {
  fill_tensor("full", out, value);
}

void eye_cuda(Tensor& out, int64_t n, std::optional<int64_t> m, const TensorOptions&) {
  fill_tensor("eye", out, 0);
  const int64_t columns = m.value_or(n), count = std::min(n, columns);
  const Shape sizes = {count}, strides = {columns + 1};
  const Tensor diagonal = apply_detail::make_view(out, {sizes, strides, out.storage_offset()});
  fill_tensor("eye", diagonal, 1);
}

void arange_start_cuda(Tensor& out, const Scalar& start, const Scalar&, const Scalar& step,
                       const TensorOptions&) {
  const Launch launch(out);
  const bool whole = is_integral(out.dtype());
  run_sequence(out.raw_data(), out.dtype(), out.numel(),
               {.start = start.to_double(),
                .step = step.to_double(),
                .integer_start = whole ? static_cast<uint64_t>(start.to_int()) : 0,
                .integer_step = whole ? static_cast<uint64_t>(step.to_int()) : 0,
                .end = 0,
                .count = 0},
               launch.stream());
}
void arange_cuda(Tensor& out, const Scalar& end, const TensorOptions& options) {
  arange_start_cuda(out, 0, end, 1, options);
}

void linspace_cuda(Tensor& out, const Scalar& start, const Scalar& end, int64_t steps, const TensorOptions&) {
  const Launch launch(out);
  // Of an integer range the bounds are integers too.
  const bool whole = !is_floating(out.dtype());
  const double first = whole ? std::trunc(start.to_double()) : start.to_double(),
               last = whole ? std::trunc(end.to_double()) : end.to_double();
  run_sequence(out.raw_data(), out.dtype(), steps,
               {.start = first,
                .step = steps > 1 ? (last - first) / static_cast<double>(steps - 1) : 0.0,
                .integer_start = 0,
                .integer_step = 0,
                .end = last,
                .count = steps},
               launch.stream());
}

void clone_cuda(Tensor& out, const Tensor& input) { copy_tensor(out, input); }
void cast_cuda(Tensor& out, const Tensor& input, DType) { copy_tensor(out, input); }
void copy_cuda(Tensor& out, const Tensor&, const Tensor& src) {
  if (!out.is_same(src)) copy_tensor(out, src);
}
void to_device_cuda(Tensor& out, const Tensor& input, bool non_blocking, const TensorOptions&) {
  copy(out.raw_data(), out.device(), input.raw_data(), input.device(), input.nbytes(), non_blocking);
}
void fill_cuda(Tensor& out, const Tensor&, const Scalar& value) { fill_tensor("fill", out, value); }
void zero_cuda(Tensor& out, const Tensor&) { fill_tensor("zero", out, 0); }

}  // namespace

void register_creation() {
  CLEW_CUDA_KERNEL(empty, empty_cuda);
  CLEW_CUDA_KERNEL(zeros, zeros_cuda);
  CLEW_CUDA_KERNEL(ones, ones_cuda);
  CLEW_CUDA_KERNEL(full, full_cuda);
  CLEW_CUDA_KERNEL(eye, eye_cuda);
  CLEW_CUDA_KERNEL(arange, arange_cuda);
  CLEW_CUDA_KERNEL(arange_start, arange_start_cuda);
  CLEW_CUDA_KERNEL(linspace, linspace_cuda);
  CLEW_CUDA_KERNEL(clone, clone_cuda);
  CLEW_CUDA_KERNEL(cast, cast_cuda);
  CLEW_CUDA_KERNEL(copy, copy_cuda);
  CLEW_CUDA_KERNEL(to_device, to_device_cuda);
  CLEW_CUDA_KERNEL(fill, fill_cuda);
  CLEW_CUDA_KERNEL(zero, zero_cuda);
}

}  // namespace clew::cuda
