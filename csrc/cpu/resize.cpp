// Padding, and resampling of one dimension by a table of weights.
#include "ops/resize.h"

#include <algorithm>
#include <vector>

#include "core/shapes.h"
#include "cpu/copy.h"
#include "cpu/scratch.h"
#include "ops/resize_table.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

void pad_constant_cpu(Tensor& out, const Tensor& input, IntArrayRef pad, const Scalar& value) {
  fill_tensor("pad", out, value);
  const auto rank = static_cast<size_t>(input.dim());
  Shape sizes = input.sizes().vec();
  int64_t from = 0, to = 0;
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    const size_t d = rank - 1 - i;
    const int64_t before = pad[2 * i], after = pad[2 * i + 1];
    const int64_t first = std::max<int64_t>(0, -before);
    sizes[d] = std::max<int64_t>(0, sizes[d] + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0));
    from += first * input.strides()[d];
    to += std::max<int64_t>(0, before) * out.strides()[d];
  }
  if (numel_of(sizes) == 0) return;
  const auto size = static_cast<int64_t>(item_size(out.dtype()));
  strided_copy(sizes, static_cast<char*>(out.raw_data()) + to * size, out.strides(), out.dtype(),
               static_cast<const char*>(input.raw_data()) + from * size, input.strides(), input.dtype());
}

template <class T>
using Table = ResizeTable<T>;

/// out (outer, rows, inner) = table * in (outer, columns, inner)
template <class T>
void multiply(const Table<T>& t, T* out, const T* in, int64_t outer, int64_t columns, int64_t inner) {
  const int64_t rows = t.rows();
  const int64_t entries = static_cast<int64_t>(t.index.size());
  const int64_t grain = std::max<int64_t>(1, kGrainCompute / std::max<int64_t>(1, entries / rows * inner));
  parallel_for(0, outer * rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const auto r = static_cast<size_t>(task % rows);
      const T* plane = in + task / rows * columns * inner;
      T* to = out + task * inner;
      const int64_t first = t.start[r], last = t.start[r + 1];
      if (inner == 1) {
        T sum = 0;
        for (int64_t e = first; e < last; ++e)
          sum += t.weight[static_cast<size_t>(e)] * plane[t.index[static_cast<size_t>(e)]];
        *to = sum;
        continue;
      }
      if (first == last) std::fill_n(to, inner, T(0));
      for (int64_t e = first; e < last; ++e) {
        const T w = t.weight[static_cast<size_t>(e)];
        const T* from = plane + t.index[static_cast<size_t>(e)] * inner;
        if (e == first) {
          for (int64_t k = 0; k < inner; ++k) to[k] = w * from[k];
        } else {
          for (int64_t k = 0; k < inner; ++k) to[k] += w * from[k];
        }
      }
    }
  });
}

void resize(Tensor& out, const Tensor& input, int64_t dim, std::string_view mode, bool align_corners,
            std::optional<double> scale_factor, bool backward) {
  if (out.numel() == 0) return;
  const auto d = static_cast<size_t>(wrap_dim("resize_dim", dim, out.dim()));
  const int64_t in_size = input.sizes()[d], out_size = out.sizes()[d];
  const int64_t outer = numel_of(IntArrayRef(out.sizes().data(), d)), inner = out.strides()[d];
  dispatch_wide(out.dtype(), [&]<class T>() {
    const ResultAs<T> result(out);
    const ResizeMode m = resize_mode("resize_dim", mode);
    const Table<T> table =
        backward
            ? make_resize_table<T>(out_size, in_size, m, align_corners, scale_factor).transposed(out_size)
            : make_resize_table<T>(in_size, out_size, m, align_corners, scale_factor);
    multiply(table, result.data(), As<T>(input).data(), outer, in_size, inner);
    result.store();
  });
}

void resize_dim_cpu(Tensor& out, const Tensor& input, int64_t dim, int64_t, std::string_view mode,
                    bool align_corners, std::optional<double> scale_factor) {
  resize(out, input, dim, mode, align_corners, scale_factor, false);
}

void resize_dim_grad_cpu(Tensor& out, const Tensor& grad_output, int64_t dim, int64_t, std::string_view mode,
                         bool align_corners, std::optional<double> scale_factor) {
  resize(out, grad_output, dim, mode, align_corners, scale_factor, true);
}

}  // namespace
}  // namespace cpu

CLEW_CPU_KERNEL(pad_constant, cpu::pad_constant_cpu);
CLEW_CPU_KERNEL(resize_dim, cpu::resize_dim_cpu);
CLEW_CPU_KERNEL(resize_dim_grad, cpu::resize_dim_grad_cpu);

}  // namespace clew
