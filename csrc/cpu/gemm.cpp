#include "cpu/gemm.h"

#include <algorithm>
#include <climits>
#include <memory>
#include <type_traits>
#include <vector>

#include "clew/core/parallel.h"
#include "cpu/blas.h"

namespace clew::cpu {
namespace {

// Threads split C over tiles, each a BLAS call of its own on one thread: one pool of threads, and tiles that
// do not depend on how many there are.
void use_one_blas_thread() {
  [[maybe_unused]] static const bool done = (CLEW_BLAS(openblas_set_num_threads)(1), true);
}

// Multiply-adds below which a product stays whole.
constexpr int64_t kWholeBelow = int64_t{1} << 20;
// Multiply-adds below which the call into BLAS costs more than the product.
constexpr int64_t kLoopBelow = 128;

template <class T>
struct Wrapping {
  using type = T;
};
template <class T>
  requires std::is_integral_v<T>
struct Wrapping<T> {
  using type = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
};

template <class T>
T from_scalar(const Scalar& s) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(s.to_int());
  } else {
    return static_cast<T>(s.to_double());
  }
}

/// The plain triple loop: integers (wrapping), very small products, sizes past BLAS's 32-bit integers.
template <class T>
void gemm_loop(int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, bool ta, const T* b,
               int64_t ldb, bool tb, T beta, T* c, int64_t ldc) {
  using U = typename Wrapping<T>::type;
  const int64_t ai = ta ? 1 : lda, ak = ta ? lda : 1, bk = tb ? 1 : ldb, bj = tb ? ldb : 1;
  for (int64_t i = 0; i < m; ++i) {
    T* row = c + i * ldc;
    for (int64_t j = 0; j < n; ++j)
      row[j] = beta == T(0) ? T(0) : static_cast<T>(static_cast<U>(beta) * static_cast<U>(row[j]));
    for (int64_t p = 0; p < k; ++p) {
      const U x = static_cast<U>(alpha) * static_cast<U>(a[i * ai + p * ak]);
      const T* column = b + p * bk;
      if (bj == 1) {
        for (int64_t j = 0; j < n; ++j)
          row[j] = static_cast<T>(static_cast<U>(row[j]) + x * static_cast<U>(column[j]));
      } else {
        for (int64_t j = 0; j < n; ++j)
          row[j] = static_cast<T>(static_cast<U>(row[j]) + x * static_cast<U>(column[j * bj]));
      }
    }
  }
}

int blas_transpose(bool t) { return t ? blas::kTrans : blas::kNoTrans; }

void blas_gemm(int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda, bool ta,
               const float* b, int64_t ldb, bool tb, float beta, float* c, int64_t ldc) {
  CLEW_BLAS(cblas_sgemm)
  (blas::kRowMajor, blas_transpose(ta), blas_transpose(tb), static_cast<int>(m), static_cast<int>(n),
   static_cast<int>(k), alpha, a, static_cast<int>(lda), b, static_cast<int>(ldb), beta, c,
   static_cast<int>(ldc));
}
void blas_gemm(int64_t m, int64_t n, int64_t k, double alpha, const double* a, int64_t lda, bool ta,
               const double* b, int64_t ldb, bool tb, double beta, double* c, int64_t ldc) {
  CLEW_BLAS(cblas_dgemm)
  (blas::kRowMajor, blas_transpose(ta), blas_transpose(tb), static_cast<int>(m), static_cast<int>(n),
   static_cast<int>(k), alpha, a, static_cast<int>(lda), b, static_cast<int>(ldb), beta, c,
   static_cast<int>(ldc));
}
// (rows, cols) is the stored matrix.
void blas_gemv(bool trans, int64_t rows, int64_t cols, float alpha, const float* a, int64_t lda,
               const float* x, int64_t incx, float beta, float* y, int64_t incy) {
  CLEW_BLAS(cblas_sgemv)
  (blas::kRowMajor, blas_transpose(trans), static_cast<int>(rows), static_cast<int>(cols), alpha, a,
   static_cast<int>(lda), x, static_cast<int>(incx), beta, y, static_cast<int>(incy));
}
void blas_gemv(bool trans, int64_t rows, int64_t cols, double alpha, const double* a, int64_t lda,
               const double* x, int64_t incx, double beta, double* y, int64_t incy) {
  CLEW_BLAS(cblas_dgemv)
  (blas::kRowMajor, blas_transpose(trans), static_cast<int>(rows), static_cast<int>(cols), alpha, a,
   static_cast<int>(lda), x, static_cast<int>(incx), beta, y, static_cast<int>(incy));
}

template <class T>
void gemv_one(int64_t m, int64_t k, T alpha, const T* a, int64_t lda, bool ta, const T* x, int64_t incx,
              T beta, T* y, int64_t incy) {
  if (std::max({m, k, lda, incx, incy}) > INT_MAX || incx <= 0 || incy <= 0) {
    const int64_t ai = ta ? 1 : lda, ak = ta ? lda : 1;
    for (int64_t i = 0; i < m; ++i) {
      T sum = 0;
      for (int64_t p = 0; p < k; ++p) sum += a[i * ai + p * ak] * x[p * incx];
      y[i * incy] = alpha * sum + (beta == T(0) ? T(0) : beta * y[i * incy]);
    }
    return;
  }
  // gemv multiplies beta = 0 into y, where NaN would survive.
  if (beta == T(0)) {
    for (int64_t i = 0; i < m; ++i) y[i * incy] = T(0);
  }
  blas_gemv(ta, ta ? k : m, ta ? m : k, alpha, a, lda, x, incx, beta == T(0) ? T(1) : beta, y, incy);
}

/// Pieces of equal size that one side of C is cut into: two at least for the longer side, more of at most
/// 256. Each piece packs the operand of the other side again, which smaller pieces would not pay for.
int64_t piece(int64_t side, bool longer) {
  const int64_t count = longer ? 2 * ((side + 511) / 512) : std::max<int64_t>(1, side / 512);
  return std::min(side, ((side + count - 1) / count + 15) / 16 * 16);
}

// BLAS is slow at small products with B alone transposed: B is turned first when it has at most so many
// elements and A has rows enough to pay for it.
constexpr int64_t kTurned = 4096;
bool worth_turning(int64_t m, int64_t n, int64_t k, bool ta, bool tb) {
  return tb && !ta && n * k <= kTurned && m >= (n * k <= kTurned / 4 ? 16 : 32);
}

/// One tile (or the whole) on this thread.
template <class T>
void gemm_tile(int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, bool ta, const T* b,
               int64_t ldb, bool tb, T beta, T* c, int64_t ldc) {
  if constexpr (std::is_integral_v<T>) {
    gemm_loop<T>(m, n, k, alpha, a, lda, ta, b, ldb, tb, beta, c, ldc);
  } else {
    if (m * n * k <= kLoopBelow || std::max({m, n, k, lda, ldb, ldc}) > INT_MAX) {
      gemm_loop<T>(m, n, k, alpha, a, lda, ta, b, ldb, tb, beta, c, ldc);
    } else if (worth_turning(m, n, k, ta, tb)) {
      T turned[kTurned];
      for (int64_t p = 0; p < k; ++p) {
        for (int64_t j = 0; j < n; ++j) turned[p * n + j] = b[j * ldb + p];
      }
      blas_gemm(m, n, k, alpha, a, lda, false, turned, n, false, beta, c, ldc);
    } else {
      blas_gemm(m, n, k, alpha, a, lda, ta, b, ldb, tb, beta, c, ldc);
    }
  }
}

template <class T>
void gemm_typed(int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, bool ta, const T* b,
                int64_t ldb, bool tb, T beta, T* c, int64_t ldc) {
  if (k == 0) alpha = T(0);
  if constexpr (std::is_floating_point_v<T>) {
    if (k > 0 && m * n * k > kLoopBelow) {
      if (n == 1) {
        const int64_t rows = std::max<int64_t>(64, kWholeBelow / k);
        return parallel_for(0, (m + rows - 1) / rows, 1, [&](int64_t first, int64_t last) {
          for (int64_t tile = first; tile < last; ++tile) {
            const int64_t i = tile * rows, count = std::min(rows, m - i);
            gemv_one(count, k, alpha, a + (ta ? i : i * lda), lda, ta, b, tb ? 1 : ldb, beta, c + i * ldc,
                     ldc);
          }
        });
      }
      if (m == 1) {
        const int64_t columns = std::max<int64_t>(64, kWholeBelow / k);
        return parallel_for(0, (n + columns - 1) / columns, 1, [&](int64_t first, int64_t last) {
          for (int64_t tile = first; tile < last; ++tile) {
            const int64_t j = tile * columns, count = std::min(columns, n - j);
            gemv_one(count, k, alpha, b + (tb ? j * ldb : j), ldb, !tb, a, ta ? lda : 1, beta, c + j,
                     int64_t{1});
          }
        });
      }
    }
  }
  if (m * n < kWholeBelow && m * n * std::max<int64_t>(k, 1) < kWholeBelow) {
    gemm_tile(m, n, k, alpha, a, lda, ta, b, ldb, tb, beta, c, ldc);
    return;
  }
  const int64_t tile_m = piece(m, m >= n), tile_n = piece(n, n > m);
  const int64_t rows = (m + tile_m - 1) / tile_m, columns = (n + tile_n - 1) / tile_n;
  parallel_for(0, rows * columns, 1, [&](int64_t first, int64_t last) {
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t i = tile / columns * tile_m, j = tile % columns * tile_n;
      gemm_tile(std::min(tile_m, m - i), std::min(tile_n, n - j), k, alpha, a + (ta ? i : i * lda), lda, ta,
                b + (tb ? j * ldb : j), ldb, tb, beta, c + i * ldc + j, ldc);
    }
  });
}

template <class T>
std::unique_ptr<float[]> widened(const T* from, int64_t rows, int64_t cols, int64_t ld) {
  std::unique_ptr<float[]> to(new float[static_cast<size_t>(std::max<int64_t>(rows * cols, 1))]);
  float* p = to.get();
  parallel_for(0, rows, std::max<int64_t>(1, kGrainMemory / std::max<int64_t>(cols, 1)),
               [&](int64_t b, int64_t e) {
                 for (int64_t i = b; i < e; ++i)
                   for (int64_t j = 0; j < cols; ++j) p[i * cols + j] = static_cast<float>(from[i * ld + j]);
               });
  return to;
}

/// float16 and bfloat16: widened once, multiplied in float32, rounded once.
template <class T>
void gemm_low(int64_t m, int64_t n, int64_t k, float alpha, const T* a, int64_t lda, bool ta, const T* b,
              int64_t ldb, bool tb, float beta, T* c, int64_t ldc) {
  const auto wide_a = ta ? widened(a, k, m, lda) : widened(a, m, k, lda);
  const auto wide_b = tb ? widened(b, n, k, ldb) : widened(b, k, n, ldb);
  const auto wide_c =
      beta != 0 ? widened(static_cast<const T*>(c), m, n, ldc)
                : std::unique_ptr<float[]>(new float[static_cast<size_t>(std::max<int64_t>(m * n, 1))]);
  float* p = wide_c.get();
  gemm_typed<float>(m, n, k, alpha, wide_a.get(), std::max<int64_t>(ta ? m : k, 1), ta, wide_b.get(),
                    std::max<int64_t>(tb ? k : n, 1), tb, beta, p, std::max<int64_t>(n, 1));
  parallel_for(0, m, std::max<int64_t>(1, kGrainMemory / std::max<int64_t>(n, 1)),
               [&](int64_t first, int64_t last) {
                 for (int64_t i = first; i < last; ++i)
                   for (int64_t j = 0; j < n; ++j) c[i * ldc + j] = T(p[i * n + j]);
               });
}

template <class T>
void gemm_any(int64_t m, int64_t n, int64_t k, const Scalar& alpha, MatrixOperand a, MatrixOperand b,
              const Scalar& beta, void* c, int64_t ldc) {
  const T* pa = static_cast<const T*>(a.data);
  const T* pb = static_cast<const T*>(b.data);
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    gemm_low<T>(m, n, k, from_scalar<float>(alpha), pa, a.ld, a.transposed, pb, b.ld, b.transposed,
                from_scalar<float>(beta), static_cast<T*>(c), ldc);
  } else {
    gemm_typed<T>(m, n, k, from_scalar<T>(alpha), pa, a.ld, a.transposed, pb, b.ld, b.transposed,
                  from_scalar<T>(beta), static_cast<T*>(c), ldc);
  }
}

}  // namespace

void gemm(DType dtype, int64_t m, int64_t n, int64_t k, const Scalar& alpha, MatrixOperand a, MatrixOperand b,
          const Scalar& beta, void* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  use_one_blas_thread();
  dispatch<kNumeric>(dtype, [&]<class T>() { gemm_any<T>(m, n, k, alpha, a, b, beta, c, ldc); });
}

void gemm_batched(DType dtype, int64_t batch, int64_t m, int64_t n, int64_t k, const Scalar& alpha,
                  MatrixOperand a, int64_t stride_a, MatrixOperand b, int64_t stride_b, const Scalar& beta,
                  void* c, int64_t ldc, int64_t stride_c) {
  if (batch == 0 || m == 0 || n == 0) return;
  use_one_blas_thread();
  const int64_t size = static_cast<int64_t>(item_size(dtype));
  auto one = [&](int64_t i) {
    MatrixOperand ai = a, bi = b;
    ai.data = static_cast<const char*>(a.data) + i * stride_a * size;
    bi.data = static_cast<const char*>(b.data) + i * stride_b * size;
    dispatch<kNumeric>(dtype, [&]<class T>() {
      gemm_any<T>(m, n, k, alpha, ai, bi, beta, static_cast<char*>(c) + i * stride_c * size, ldc);
    });
  };
  const int64_t work = m * n * std::max<int64_t>(k, 1);
  if (batch < get_num_threads() && work >= kWholeBelow) {  // the threads are better spent inside each product
    for (int64_t i = 0; i < batch; ++i) one(i);
    return;
  }
  parallel_for(0, batch, std::max<int64_t>(1, (kWholeBelow / 4) / work), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) one(i);
  });
}

void gemv(DType dtype, int64_t m, int64_t k, const Scalar& alpha, MatrixOperand a, const void* x,
          int64_t stride_x, const Scalar& beta, void* y, int64_t stride_y) {
  gemm(dtype, m, 1, k, alpha, a, {x, std::max<int64_t>(stride_x, 1), false}, beta, y,
       std::max<int64_t>(stride_y, 1));
}

bool as_operand(const void* data, int64_t rows, int64_t cols, int64_t stride_row, int64_t stride_col,
                MatrixOperand* out) {
  if (cols <= 1) stride_col = 1;
  if (stride_col == 1 && (rows <= 1 || stride_row >= std::max<int64_t>(cols, 1))) {
    *out = {data, rows <= 1 ? std::max<int64_t>(cols, 1) : stride_row, false};
    return true;
  }
  if (rows <= 1) stride_row = 1;
  if (stride_row == 1 && stride_col >= std::max<int64_t>(rows, 1)) {
    *out = {data, stride_col, true};
    return true;
  }
  return false;
}

}  // namespace clew::cpu
