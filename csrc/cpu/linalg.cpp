#include <algorithm>
#include <cstring>

#include "clew/core/parallel.h"
#include "core/shapes.h"
#include "cpu/copy.h"
#include "cpu/gemm.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

/// The last two dimensions of a tensor as BLAS takes them, copied only when no stride is 1.
struct Matrix {
  Tensor holder;
  MatrixOperand operand{};
  int64_t batch_stride = 0;

  explicit Matrix(const Tensor& t) : holder(t) {
    if (!fits()) {
      holder = new_tensor(t.sizes(), t.dtype());
      copy_tensor(holder, t);
      CLEW_ASSERT(fits());
    }
    if (holder.dim() == 3) batch_stride = holder.strides()[0];
  }

 private:
  bool fits() {
    const auto r = static_cast<size_t>(holder.dim());
    const IntArrayRef sizes = holder.sizes(), strides = holder.strides();
    return as_operand(holder.raw_data(), sizes[r - 2], sizes[r - 1], strides[r - 2], strides[r - 1],
                      &operand);
  }
};

int64_t pitch(int64_t n) { return std::max<int64_t>(n, 1); }

void mm_cpu(Tensor& out, const Tensor& input, const Tensor& mat2) {
  if (out.numel() == 0) return;
  const Matrix a(input), b(mat2);
  const int64_t n = out.sizes()[1];
  gemm(out.dtype(), out.sizes()[0], n, input.sizes()[1], 1, a.operand, b.operand, 0, out.raw_data(),
       pitch(n));
}

void bmm_cpu(Tensor& out, const Tensor& input, const Tensor& mat2) {
  if (out.numel() == 0) return;
  const Matrix a(input), b(mat2);
  const int64_t m = out.sizes()[1], n = out.sizes()[2];
  gemm_batched(out.dtype(), out.sizes()[0], m, n, input.sizes()[2], 1, a.operand, a.batch_stride, b.operand,
               b.batch_stride, 0, out.raw_data(), pitch(n), m * n);
}

void mv_cpu(Tensor& out, const Tensor& input, const Tensor& vec) {
  if (out.numel() == 0) return;
  const Matrix a(input);
  const Tensor x = vec.numel() > 1 && vec.strides()[0] < 1 ? contiguous_as(vec, vec.dtype()) : vec;
  gemv(out.dtype(), out.sizes()[0], input.sizes()[1], 1, a.operand, x.raw_data(), x.strides()[0], 0,
       out.raw_data(), 1);
}

void dot_cpu(Tensor& out, const Tensor& input, const Tensor& tensor) {
  const int64_t n = input.numel();
  const Tensor a = n > 1 && input.strides()[0] < 1 ? contiguous_as(input, input.dtype()) : input;
  const Tensor b = n > 1 && tensor.strides()[0] < 1 ? contiguous_as(tensor, tensor.dtype()) : tensor;
  MatrixOperand row{};
  CLEW_ASSERT(as_operand(a.raw_data(), 1, n, std::max<int64_t>(n, 1), a.strides()[0], &row));
  gemv(out.dtype(), 1, n, 1, row, b.raw_data(), b.strides()[0], 0, out.raw_data(), 1);
}

void addmm_cpu(Tensor& out, const Tensor& input, const Tensor& mat1, const Tensor& mat2, const Scalar& beta,
               const Scalar& alpha) {
  if (out.numel() == 0) return;
  const Matrix a(mat1), b(mat2);
  if (!beta.equals(0)) copy_tensor(out, input);
  const int64_t n = out.sizes()[1];
  gemm(out.dtype(), out.sizes()[0], n, mat1.sizes()[1], alpha, a.operand, b.operand, beta, out.raw_data(),
       pitch(n));
}

void linear_cpu(Tensor& out, const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias) {
  if (out.numel() == 0) return;
  const int64_t k = weight.sizes().back(), n = weight.dim() == 2 ? weight.sizes()[0] : 1;
  const int64_t rows = out.numel() / n;
  // The leading dimensions of input as one; the bias starts the sums.
  const std::optional<Shape> strides = view_strides(input.sizes(), input.strides(), {rows, k});
  Tensor x = input;
  MatrixOperand a{}, b{};
  if (!strides || !as_operand(x.raw_data(), rows, k, (*strides)[0], (*strides)[1], &a)) {
    x = new_tensor(input.sizes(), input.dtype());
    copy_tensor(x, input);
    a = {x.raw_data(), pitch(k), false};
  }
  Tensor w = weight;
  const int64_t column = weight.strides().back(), row = weight.dim() == 2 ? weight.strides()[0] : k * column;
  if (!as_operand(w.raw_data(), n, k, row, column, &b)) {
    w = new_tensor(weight.sizes(), weight.dtype());
    copy_tensor(w, weight);
    b = {w.raw_data(), pitch(k), false};
  }
  b.transposed = !b.transposed;
  const bool has_bias = bias && bias->defined();
  if (has_bias) {
    const int64_t step = bias->dim() == 0 || bias->sizes()[0] == 1 ? 0 : bias->strides()[0];
    const Shape sizes{rows, n}, out_strides{n, 1}, bias_strides{0, step};
    strided_copy(sizes, out.raw_data(), out_strides, out.dtype(), bias->raw_data(), bias_strides,
                 bias->dtype());
  }
  gemm(out.dtype(), rows, n, k, 1, a, b, has_bias ? 1 : 0, out.raw_data(), n);
}

}  // namespace
}  // namespace cpu

using namespace cpu;
CLEW_CPU_KERNEL(mm, mm_cpu);
CLEW_CPU_KERNEL(bmm, bmm_cpu);
CLEW_CPU_KERNEL(mv, mv_cpu);
CLEW_CPU_KERNEL(dot, dot_cpu);
CLEW_CPU_KERNEL(addmm, addmm_cpu);
CLEW_CPU_KERNEL(linear, linear_cpu);

}  // namespace clew
