// Matrix products: the one seam between the kernels and BLAS.
#pragma once

#include <cstdint>

#include "clew/core/scalar.h"
#include "clew/core/tensor.h"

namespace clew::cpu {

/// A matrix operand as BLAS takes it. Element (i, j) stands at data[i * ld + j], or at data[j * ld + i] when
/// transposed.
struct MatrixOperand {
  const void* data;
  int64_t ld;
  bool transposed;
};

/// C = alpha * A B + beta * C with A: (m, k), B: (k, n), C: (m, n) row-major with leading dimension `ldc`.
/// Any numeric dtype, the same for all; float16 and bfloat16 accumulate in float32. With beta = 0, C is not
/// read. Large products are split over tiles of C among the threads; the result does not depend on their
/// number.
void gemm(DType dtype, int64_t m, int64_t n, int64_t k, const Scalar& alpha, MatrixOperand a, MatrixOperand b,
          const Scalar& beta, void* c, int64_t ldc);

/// `batch` products; operand b of product i starts i * stride elements after the first (0 repeats it).
void gemm_batched(DType dtype, int64_t batch, int64_t m, int64_t n, int64_t k, const Scalar& alpha,
                  MatrixOperand a, int64_t stride_a, MatrixOperand b, int64_t stride_b, const Scalar& beta,
                  void* c, int64_t ldc, int64_t stride_c);

/// y = alpha * A x + beta * y with A: (m, k); strides in elements.
void gemv(DType dtype, int64_t m, int64_t k, const Scalar& alpha, MatrixOperand a, const void* x,
          int64_t stride_x, const Scalar& beta, void* y, int64_t stride_y);

/// The matrix (rows, cols) with these strides as an operand; false when it must be copied first.
bool as_operand(const void* data, int64_t rows, int64_t cols, int64_t stride_row, int64_t stride_col,
                MatrixOperand* out);

}  // namespace clew::cpu
