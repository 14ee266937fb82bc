#include <algorithm>
#include <cstring>

#include "clew/core/parallel.h"
#include "core/shapes.h"
#include "cpu/copy.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

bool skipped_by_cat(const Tensor& t) { return t.dim() == 1 && t.sizes()[0] == 0; }

void cat_cpu(Tensor& out, TensorListRef tensors, int64_t dim) {
  if (out.numel() == 0) return;
  const auto d = static_cast<size_t>(wrap_dim("cat", dim, out.dim()));
  const IntArrayRef sizes = out.sizes(), strides = out.strides();
  const auto size = static_cast<int64_t>(clew::item_size(out.dtype()));
  const int64_t outer = numel_of(IntArrayRef(sizes.data(), d)), inner = strides[d],
                out_row = sizes[d] * inner;
  char* const base = out.data<char>();

  // Many small contiguous pieces, as a batch is put together from samples: straight copies.
  bool direct = true;
  for (const Tensor& t : tensors) direct = direct && t.is_contiguous() && t.dtype() == out.dtype();
  if (direct && outer == 1) {
    SmallVector<int64_t, 64> starts;
    int64_t at = 0;
    for (const Tensor& t : tensors) {
      starts.push_back(at);
      at += t.numel();
    }
    const auto count = static_cast<int64_t>(tensors.size());
    const int64_t grain = std::max<int64_t>(1, kGrainMemory / std::max<int64_t>(1, out.numel() / count));
    return parallel_for(0, count, grain, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) {
        const Tensor& t = tensors[static_cast<size_t>(i)];
        std::memcpy(base + starts[static_cast<size_t>(i)] * size, t.raw_data(), t.nbytes());
      }
    });
  }
  if (direct) {
    return parallel_for(0, outer, std::max<int64_t>(1, kGrainMemory / out_row), [&](int64_t b, int64_t e) {
      for (int64_t row = b; row < e; ++row) {
        char* o = base + row * out_row * size;
        for (const Tensor& t : tensors) {
          const size_t bytes = t.nbytes() / static_cast<size_t>(outer);
          std::memcpy(o, t.data<char>() + static_cast<size_t>(row) * bytes, bytes);
          o += bytes;
        }
      }
    });
  }
  int64_t start = 0;
  for (const Tensor& t : tensors) {
    if (skipped_by_cat(t)) continue;
    strided_copy(t.sizes(), base + start * inner * size, strides, out.dtype(), t.raw_data(), t.strides(),
                 t.dtype());
    start += t.sizes()[d];
  }
}

void flip_cpu(Tensor& out, const Tensor& input, IntArrayRef dims) {
  if (out.numel() == 0) return;
  Shape strides = input.strides().vec();
  int64_t first = 0;
  if (input.dim() > 0) {
    for (int64_t dim : dims) {
      const auto d = static_cast<size_t>(wrap_dim("flip", dim, input.dim()));
      first += (input.sizes()[d] - 1) * strides[d];
      strides[d] = -strides[d];
    }
  }
  const char* base = input.data<char>() + first * static_cast<int64_t>(clew::item_size(input.dtype()));
  strided_copy(out.sizes(), out.raw_data(), out.strides(), out.dtype(), base, strides, input.dtype());
}

/// Zeroes what lies above (or below) `diagonal`.
void triangle(const Tensor& out, const Tensor& input, int64_t diagonal, bool keep_lower) {
  if (!out.is_same(input)) copy_tensor(out, input);
  if (out.numel() == 0) return;
  const IntArrayRef sizes = out.sizes(), strides = out.strides();
  const size_t rank = sizes.size();
  const int64_t rows = sizes[rank - 2], columns = sizes[rank - 1], row_stride = strides[rank - 2],
                step = strides[rank - 1];
  diagonal = std::clamp(diagonal, -rows, columns);
  by_size(clew::item_size(out.dtype()), [&]<class T>() {
    T* const base = out.data<T>();
    parallel_for(
        0, out.numel() / columns, std::max<int64_t>(1, kGrainMemory / columns), [&](int64_t b, int64_t e) {
          for (int64_t r = b; r < e; ++r) {
            const int64_t row = r % rows;
            int64_t rest = r / rows, at = row * row_stride;
            for (size_t d = rank - 2; d-- > 0;) {
              at += rest % sizes[d] * strides[d];
              rest /= sizes[d];
            }
            const int64_t begin = keep_lower ? std::clamp<int64_t>(row + diagonal + 1, 0, columns) : 0;
            const int64_t end = keep_lower ? columns : std::clamp<int64_t>(row + diagonal, 0, columns);
            for (int64_t c = begin; c < end; ++c) base[at + c * step] = T(0);
          }
        });
  });
}
void tril_cpu(Tensor& out, const Tensor& input, int64_t diagonal) { triangle(out, input, diagonal, true); }
void triu_cpu(Tensor& out, const Tensor& input, int64_t diagonal) { triangle(out, input, diagonal, false); }

}  // namespace
}  // namespace cpu

using namespace cpu;
CLEW_CPU_KERNEL(cat, cat_cpu);
CLEW_CPU_KERNEL(flip, flip_cpu);
CLEW_CPU_KERNEL(tril, tril_cpu);
CLEW_CPU_KERNEL(triu, triu_cpu);

}  // namespace clew
