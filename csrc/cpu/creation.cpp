#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "clew/core/parallel.h"
#include "clew/dispatch/apply.h"
#include "core/backend.h"
#include "core/shapes.h"
#include "cpu/copy.h"
#include "cpu/loops.h"
#include "kernels/checked_value.h"
#include "kernels/iter_plan.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

template <class T>
void move_row(char* out, const char* in, int64_t n, int64_t so, int64_t si) {
  T* o = reinterpret_cast<T*>(out);
  const T* a = reinterpret_cast<const T*>(in);
  if (so == 1 && si == 1) {
    std::memcpy(o, a, static_cast<size_t>(n) * sizeof(T));
  } else if (so == 1 && si == 0) {
    std::fill_n(o, n, *a);
  } else {
    for (int64_t i = 0; i < n; ++i) o[i * so] = a[i * si];
  }
}

IterPlan<2> copy_plan(IntArrayRef sizes, void* out, IntArrayRef out_strides, DType out_dtype, const void* in,
                      IntArrayRef in_strides, DType in_dtype) {
  IterPlan<2> plan;
  plan.data = {static_cast<char*>(out), static_cast<char*>(const_cast<void*>(in))};
  plan.item_size = {static_cast<int64_t>(clew::item_size(out_dtype)),
                    static_cast<int64_t>(clew::item_size(in_dtype))};
  plan.numel = numel_of(sizes);
  plan.rank = 0;
  for (size_t d = sizes.size(); d-- > 0;) {
    if (sizes[d] == 1) continue;
    int at = plan.rank++;
    // Innermost first by the output's stride.
    for (; at > 0 && std::abs(plan.strides[0][at - 1]) > std::abs(out_strides[d]); --at) {
      plan.sizes[at] = plan.sizes[at - 1];
      for (auto& s : plan.strides) s[at] = s[at - 1];
    }
    plan.sizes[at] = sizes[d];
    plan.strides[0][at] = out_strides[d];
    plan.strides[1][at] = in_strides[d];
  }
  if (plan.rank == 0) {
    plan.rank = 1;
    plan.sizes[0] = 1;
    plan.strides[0][0] = plan.strides[1][0] = 1;
    return plan;
  }
  int last = 0;
  for (int d = 1; d < plan.rank; ++d) {
    const bool mergeable = plan.strides[0][d] == plan.strides[0][last] * plan.sizes[last] &&
                           plan.strides[1][d] == plan.strides[1][last] * plan.sizes[last];
    if (mergeable) {
      plan.sizes[last] *= plan.sizes[d];
    } else if (++last != d) {
      plan.sizes[last] = plan.sizes[d];
      for (auto& s : plan.strides) s[last] = s[d];
    }
  }
  plan.rank = last + 1;
  return plan;
}

/// A copy whose input runs along another dimension than its output: in square blocks, so that the cache
/// lines of both sides are used whole. False when the plan is no such copy.
template <class T>
bool transposing_copy(IterPlan<2>& plan) {
  constexpr int64_t kRows = 64, kColumns = 16;  // four cache lines of the input at a time
  int along = 0;
  for (int d = 1; d < plan.rank; ++d) {
    if (plan.strides[1][d] == 1 && plan.sizes[d] >= 8) along = d;
  }
  if (along == 0 || plan.strides[0][0] != 1 || std::abs(plan.strides[1][0]) <= 1 || plan.sizes[0] < 8)
    return false;
  std::swap(plan.sizes[1], plan.sizes[along]);
  for (auto& s : plan.strides) std::swap(s[1], s[along]);
  const int64_t n = plan.sizes[0], rows = plan.sizes[1], blocks = (rows + kRows - 1) / kRows;
  const int64_t out_row = plan.strides[0][1], in_step = plan.strides[1][0];
  const int64_t outer = plan.numel / (n * rows);
  parallel_for(0, outer * blocks, std::max<int64_t>(1, kGrainMemory / (n * kRows)),
               [&](int64_t first, int64_t last) {
                 for (int64_t unit = first; unit < last; ++unit) {
                   T* o = reinterpret_cast<T*>(plan.data[0]);
                   const T* a = reinterpret_cast<const T*>(plan.data[1]);
                   int64_t rest = unit / blocks;
                   for (int d = 2; d < plan.rank; ++d) {
                     const int64_t i = rest % plan.sizes[d];
                     rest /= plan.sizes[d];
                     o += i * plan.strides[0][d];
                     a += i * plan.strides[1][d];
                   }
                   const int64_t begin = unit % blocks * kRows, end = std::min(rows, begin + kRows);
                   for (int64_t i = 0; i < n; i += kColumns) {
                     const int64_t stop = std::min(n, i + kColumns);
                     T block[kRows * kColumns];  // both sides are read and written along their cache lines
                     detail::turn_block(block, a + begin + i * in_step, end - begin, stop - i, in_step);
                     for (int64_t r = begin; r < end; ++r)
                       std::copy_n(block + (r - begin) * (stop - i), stop - i, o + r * out_row + i);
                   }
                 }
               });
  return true;
}

}  // namespace

void strided_copy(IntArrayRef sizes, void* out, IntArrayRef out_strides, DType out_dtype, const void* in,
                  IntArrayRef in_strides, DType in_dtype) {
  IterPlan<2> plan = copy_plan(sizes, out, out_strides, out_dtype, in, in_strides, in_dtype);
  if (plan.numel == 0) return;
  if (out_dtype == in_dtype) {
    by_size(clew::item_size(out_dtype), [&]<class T>() {
      if (plan.rank > 1 && transposing_copy<T>(plan)) return;
      plan.run(kGrainMemory, [](const std::array<char*, 2>& p, int64_t n, const std::array<int64_t, 2>& s) {
        move_row<T>(p[0], p[1], n, s[0], s[1]);
      });
    });
    return;
  }
  const CastLoop cast = loops().cast(static_cast<int>(in_dtype), static_cast<int>(out_dtype));
  CLEW_CHECK(cast != nullptr, DTypeError, "copy: expected dtypes that convert, got ", in_dtype, " to ",
             out_dtype);
  plan.run(kGrainMemory, [cast](const std::array<char*, 2>& p, int64_t n, const std::array<int64_t, 2>& s) {
    cast(p[0], p[1], n, s[0], s[1]);
  });
}

void copy_tensor(const Tensor& out, const Tensor& src) {
  if (out.numel() == 0) return;
  const Shape strides = broadcast_strides(src.sizes(), src.strides(), out.sizes());
  strided_copy(out.sizes(), out.raw_data(), out.strides(), out.dtype(), src.raw_data(), strides, src.dtype());
}

Tensor new_tensor(IntArrayRef sizes, DType dtype) {
  return apply_detail::allocate({sizes.vec(), dtype}, kCPU);
}

Tensor contiguous_as(const Tensor& t, DType dtype) {
  if (t.is_contiguous() && t.dtype() == dtype) return t;
  Tensor out = new_tensor(t.sizes(), dtype);
  copy_tensor(out, t);
  return out;
}

void fill_tensor(const char* op, const Tensor& out, const Scalar& value) {
  uint64_t bytes = 0;
  clew::dispatch<kAllDTypes>(out.dtype(), [&]<class T>() {
    const T v = kernels::checked_value<T>(op, value);
    std::memcpy(&bytes, &v, sizeof(T));
  });
  if (out.numel() == 0) return;
  if (!out.is_contiguous()) {
    strided_copy(out.sizes(), out.raw_data(), out.strides(), out.dtype(), &bytes,
                 Shape(out.sizes().size(), 0), out.dtype());
    return;
  }
  by_size(clew::item_size(out.dtype()), [&]<class T>() {
    T* p = out.data<T>();
    T v;
    std::memcpy(&v, &bytes, sizeof(T));
    parallel_for(0, out.numel(), kGrainMemory, [&](int64_t b, int64_t e) {
      if (bytes == 0) {
        std::memset(p + b, 0, static_cast<size_t>(e - b) * sizeof(T));
      } else {
        std::fill(p + b, p + e, v);
      }
    });
  });
}

namespace {

void empty_cpu(Tensor&, IntArrayRef, const TensorOptions&) {}
void zeros_cpu(Tensor& out, IntArrayRef, const TensorOptions&) { fill_tensor("zeros", out, 0); }
void ones_cpu(Tensor& out, IntArrayRef, const TensorOptions&) { fill_tensor("ones", out, 1); }
void full_cpu(Tensor& out, IntArrayRef, const Scalar& value, const TensorOptions&) {
  fill_tensor("full", out, value);
}

void eye_cpu(Tensor& out, int64_t n, std::optional<int64_t> m, const TensorOptions&) {
  fill_tensor("eye", out, 0);
  const int64_t columns = m.value_or(n), count = std::min(n, columns);
  clew::dispatch<kAllDTypes>(out.dtype(), [&]<class T>() {
    T* p = out.data<T>();
    for (int64_t i = 0; i < count; ++i) p[i * columns + i] = T(1);
  });
}

void arange_start_cpu(Tensor& out, const Scalar& start, const Scalar&, const Scalar& step,
                      const TensorOptions&) {
  clew::dispatch<kNumeric>(out.dtype(), [&]<class T>() {
    T* p = out.data<T>();
    parallel_for(0, out.numel(), kGrainMemory, [&](int64_t b, int64_t e) {
      if constexpr (std::is_integral_v<T>) {
        const uint64_t first = static_cast<uint64_t>(start.to_int()),
                       by = static_cast<uint64_t>(step.to_int());
        for (int64_t i = b; i < e; ++i) p[i] = static_cast<T>(first + static_cast<uint64_t>(i) * by);
      } else {
        const double first = start.to_double(), by = step.to_double();
        for (int64_t i = b; i < e; ++i) p[i] = T(static_cast<acc_t<T>>(first + static_cast<double>(i) * by));
      }
    });
  });
}

void arange_cpu(Tensor& out, const Scalar& end, const TensorOptions& options) {
  arange_start_cpu(out, 0, end, 1, options);
}

void linspace_cpu(Tensor& out, const Scalar& start, const Scalar& end, int64_t steps, const TensorOptions&) {
  // Of an integer range the bounds are integers too.
  const bool whole = !is_floating(out.dtype());
  const double first = whole ? std::trunc(start.to_double()) : start.to_double(),
               last = whole ? std::trunc(end.to_double()) : end.to_double();
  const double step = steps > 1 ? (last - first) / static_cast<double>(steps - 1) : 0.0;
  clew::dispatch<kNumeric>(out.dtype(), [&]<class T>() {
    T* p = out.data<T>();
    for (int64_t i = 0; i < steps; ++i) {
      // From both ends, so that the last value is exactly `end`.
      const double v = i < (steps + 1) / 2 ? first + step * static_cast<double>(i)
                                           : last - step * static_cast<double>(steps - 1 - i);
      if constexpr (std::is_integral_v<T>) {
        p[i] = static_cast<T>(static_cast<int64_t>(std::clamp(v, -9.2e18, 9.2e18)));
      } else {
        p[i] = T(static_cast<acc_t<T>>(v));
      }
    }
  });
}

void clone_cpu(Tensor& out, const Tensor& input) { copy_tensor(out, input); }
void cast_cpu(Tensor& out, const Tensor& input, DType) { copy_tensor(out, input); }
void copy_cpu(Tensor& out, const Tensor&, const Tensor& src) {
  if (!out.is_same(src)) copy_tensor(out, src);
}
void to_device_cpu(Tensor& out, const Tensor& input, bool non_blocking, const TensorOptions&) {
  if (input.is_cpu()) return copy_tensor(out, input);
  require_cuda("to_device", input.device())
      .copy(out.raw_data(), kCPU, input.raw_data(), input.device(), input.nbytes(), non_blocking);
}
void fill_cpu(Tensor& out, const Tensor&, const Scalar& value) { fill_tensor("fill", out, value); }
void zero_cpu(Tensor& out, const Tensor&) { fill_tensor("zero", out, 0); }

}  // namespace
}  // namespace cpu

using namespace cpu;
CLEW_CPU_KERNEL(empty, empty_cpu);
CLEW_CPU_KERNEL(zeros, zeros_cpu);
CLEW_CPU_KERNEL(ones, ones_cpu);
CLEW_CPU_KERNEL(full, full_cpu);
CLEW_CPU_KERNEL(eye, eye_cpu);
CLEW_CPU_KERNEL(arange, arange_cpu);
CLEW_CPU_KERNEL(arange_start, arange_start_cpu);
CLEW_CPU_KERNEL(linspace, linspace_cpu);
CLEW_CPU_KERNEL(clone, clone_cpu);
CLEW_CPU_KERNEL(cast, cast_cpu);
CLEW_CPU_KERNEL(copy, copy_cpu);
CLEW_CPU_KERNEL(to_device, to_device_cpu);
CLEW_CPU_KERNEL(fill, fill_cpu);
CLEW_CPU_KERNEL(zero, zero_cpu);

}  // namespace clew
