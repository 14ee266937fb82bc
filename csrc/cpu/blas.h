// The few BLAS entry points that are used, under the prefix that the found library gives its names.
#pragma once

#include <cstdint>

#ifndef CLEW_BLAS_PREFIX
#define CLEW_BLAS_PREFIX
#endif
#define CLEW_BLAS_JOIN_(prefix, name) prefix##name
#define CLEW_BLAS_JOIN(prefix, name) CLEW_BLAS_JOIN_(prefix, name)
#define CLEW_BLAS(name) CLEW_BLAS_JOIN(CLEW_BLAS_PREFIX, name)

extern "C" {
void CLEW_BLAS(cblas_sgemm)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                            const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc);
void CLEW_BLAS(cblas_dgemm)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                            const double* a, int lda, const double* b, int ldb, double beta, double* c,
                            int ldc);
void CLEW_BLAS(cblas_sgemv)(int order, int trans, int m, int n, float alpha, const float* a, int lda,
                            const float* x, int incx, float beta, float* y, int incy);
void CLEW_BLAS(cblas_dgemv)(int order, int trans, int m, int n, double alpha, const double* a, int lda,
                            const double* x, int incx, double beta, double* y, int incy);
void CLEW_BLAS(openblas_set_num_threads)(int n);
}

namespace clew::blas {

inline constexpr int kRowMajor = 101, kNoTrans = 111, kTrans = 112;

}  // namespace clew::blas
