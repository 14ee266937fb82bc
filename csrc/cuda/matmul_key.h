// Which library call computes a matrix product: host logic that needs neither a device nor the library.
#pragma once

#include <cstring>
#include <optional>

#include "cuda/gemm.h"

namespace clew::cuda {

/// Everything that decides on an algorithm, in the library's column-major terms: D (rows, columns) =
/// op(A) op(B) over `depth`. Row-major products become such ones by swapping the operands, D^T = B^T A^T.
/// Without padding, and zeroed, so that keys are compared by their bytes.
struct MatmulKey {
  int64_t rows = 0, columns = 0, depth = 0;
  int64_t lda = 0, ldb = 0, ldd = 0;
  int64_t batch = 1, stride_a = 0, stride_b = 0, stride_d = 0;
  int32_t device = 0;
  uint8_t dtype = 0;
  uint8_t transpose_a = 0, transpose_b = 0;
  uint8_t accumulate = 0;                                         // D is read
  uint8_t bias = 0;                                               // one number per row of D is added
  uint8_t tf32 = 0;                                               // float32 may be rounded to TF32
  uint8_t align_a = 0, align_b = 0, align_d = 0, align_bias = 0;  // log2 of bytes, up to 4
  uint8_t unused[2] = {};

  friend bool operator==(const MatmulKey& a, const MatmulKey& b) {
    return std::memcmp(&a, &b, sizeof(MatmulKey)) == 0;
  }
};
static_assert(std::has_unique_object_representations_v<MatmulKey>);

struct MatmulKeyHash {
  size_t operator()(const MatmulKey& key) const;
};

/// A product as the library wants it. `a` and `b` are the library's, that is, the other way round.
struct LibraryMatmul {
  MatmulKey key;
  const void *a, *b;
};

/// Nothing where the library cannot take the product as it is: integers, empty sums, strides that are
/// neither rows nor columns.
std::optional<LibraryMatmul> library_matmul(DType dtype, const Gemm& gemm, const void* bias, bool tf32,
                                            int device);

}  // namespace clew::cuda
