#include "cuda/matmul_key.h"

#include <algorithm>
#include <array>
#include <bit>

namespace clew::cuda {
namespace {

/// Log2 of the largest power of two up to 16 that divides an address.
uint8_t alignment(const void* p) {
  return static_cast<uint8_t>(std::min(4, std::countr_zero(reinterpret_cast<uintptr_t>(p) | 16)));
}

/// A matrix (rows, columns) with element strides, as column-major memory: its leading dimension, and whether
/// that memory shows the transpose.
struct ColumnMajor {
  int64_t ld;
  bool transposed;
};
std::optional<ColumnMajor> column_major(int64_t rows, int64_t columns, int64_t row, int64_t column) {
  // The stride of a dimension of size 1 says nothing.
  if (row == 1 || rows == 1) {
    const int64_t ld = columns == 1 ? rows : column;
    if (ld >= rows) return ColumnMajor{ld, false};
  }
  if (column == 1 || columns == 1) {
    const int64_t ld = rows == 1 ? columns : row;
    if (ld >= columns) return ColumnMajor{ld, true};
  }
  return std::nullopt;
}

}  // namespace

size_t MatmulKeyHash::operator()(const MatmulKey& key) const {
  std::array<uint64_t, sizeof(MatmulKey) / 8> words;
  std::memcpy(words.data(), &key, sizeof(key));
  uint64_t h = 0x9e3779b97f4a7c15u;
  for (uint64_t w : words) {
    h = (h ^ w) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h;
}

std::optional<LibraryMatmul> library_matmul(DType dtype, const Gemm& g, const void* bias, bool tf32,
                                            int device) {
  if (!is_floating(dtype) || g.m < 1 || g.n < 1 || g.k < 1 || g.batch < 1 || g.batch > INT32_MAX)
    return std::nullopt;
  if (g.c_row < g.n || g.a.batch < 0 || g.b.batch < 0) return std::nullopt;
  // D^T (n, m) = B^T (n, k) A^T (k, m).
  const std::optional<ColumnMajor> first = column_major(g.n, g.k, g.b.column, g.b.row),
                                   second = column_major(g.k, g.m, g.a.column, g.a.row);
  if (!first || !second) return std::nullopt;
  LibraryMatmul result{{}, g.b.data, g.a.data};
  MatmulKey& key = result.key;
  key.rows = g.n;
  key.columns = g.m;
  key.depth = g.k;
  key.lda = first->ld;
  key.ldb = second->ld;
  key.ldd = g.c_row;
  key.batch = g.batch;
  if (g.batch > 1) {
    key.stride_a = g.b.batch;
    key.stride_b = g.a.batch;
    key.stride_d = g.c_batch;
  }
  key.device = device;
  key.dtype = static_cast<uint8_t>(dtype);
  key.transpose_a = first->transposed;
  key.transpose_b = second->transposed;
  key.accumulate = g.beta != 0;
  key.bias = bias != nullptr;
  key.tf32 = tf32 && dtype == DType::Float32;
  key.align_a = alignment(g.b.data);
  key.align_b = alignment(g.a.data);
  key.align_d = alignment(g.c);
  key.align_bias = alignment(bias);
  return result;
}

}  // namespace clew::cuda
