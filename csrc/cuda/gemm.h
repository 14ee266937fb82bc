// Matrix products as plain data.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"

namespace clew::cuda {

/// C = alpha * A B + beta * C for each of `batch` products, A: (m, k), B: (k, n), C: (m, n). Strides in
/// elements, of any sign; 0 repeats. With beta = 0, C is not read.
struct Gemm {
  struct Operand {
    const void* data;
    int64_t row, column, batch;
  };
  Operand a, b;
  void* c;
  int64_t c_row, c_batch;  // columns of C lie side by side
  int64_t batch, m, n, k;
  double alpha, beta;
  int64_t integer_alpha, integer_beta;  // exact, for integer dtypes
};
/// Any numeric dtype; float16 and bfloat16 accumulate in float32, integers wrap.
void run_gemm(DType dtype, const Gemm& gemm, Stream stream);

}  // namespace clew::cuda
