// The LAPACK entry points that are used, from the library that also brings BLAS. Matrices are column by
// column; `info` > 0 says what failed. The last arguments are the lengths of character arguments, as Fortran
// wants them.
#pragma once

#include <cstddef>
#include <type_traits>

#include "cpu/blas.h"

extern "C" {
#define CLEW_LAPACK(T, p)                                                                                   \
  void CLEW_BLAS(p##getrf_)(const int* m, const int* n, T* a, const int* lda, int* pivots, int* info);      \
  void CLEW_BLAS(p##getrs_)(const char* trans, const int* n, const int* nrhs, const T* a, const int* lda,   \
                            const int* pivots, T* b, const int* ldb, int* info, size_t);                    \
  void CLEW_BLAS(p##getri_)(const int* n, T* a, const int* lda, const int* pivots, T* work,                 \
                            const int* lwork, int* info);                                                   \
  void CLEW_BLAS(p##potrf_)(const char* uplo, const int* n, T* a, const int* lda, int* info, size_t);       \
  void CLEW_BLAS(p##trtrs_)(const char* uplo, const char* trans, const char* diag, const int* n,            \
                            const int* nrhs, const T* a, const int* lda, T* b, const int* ldb, int* info,   \
                            size_t, size_t, size_t);                                                        \
  void CLEW_BLAS(p##geqrf_)(const int* m, const int* n, T* a, const int* lda, T* tau, T* work,              \
                            const int* lwork, int* info);                                                   \
  void CLEW_BLAS(p##orgqr_)(const int* m, const int* n, const int* k, T* a, const int* lda, const T* tau,   \
                            T* work, const int* lwork, int* info);                                          \
  void CLEW_BLAS(p##syevd_)(const char* jobz, const char* uplo, const int* n, T* a, const int* lda, T* w,   \
                            T* work, const int* lwork, int* iwork, const int* liwork, int* info, size_t,    \
                            size_t);                                                                        \
  void CLEW_BLAS(p##gesdd_)(const char* jobz, const int* m, const int* n, T* a, const int* lda, T* s, T* u, \
                            const int* ldu, T* vt, const int* ldvt, T* work, const int* lwork, int* iwork,  \
                            int* info, size_t);
CLEW_LAPACK(float, s)
CLEW_LAPACK(double, d)
#undef CLEW_LAPACK
}

namespace clew::lapack {

// One name for both precisions.
#define CLEW_BOTH(name)                        \
  template <class T, class... A>               \
  void name(A... a) {                          \
    if constexpr (std::is_same_v<T, double>) { \
      CLEW_BLAS(d##name##_)(a...);             \
    } else {                                   \
      CLEW_BLAS(s##name##_)(a...);             \
    }                                          \
  }
CLEW_BOTH(getrf)
CLEW_BOTH(getrs)
CLEW_BOTH(getri)
CLEW_BOTH(potrf)
CLEW_BOTH(trtrs)
CLEW_BOTH(geqrf)
CLEW_BOTH(orgqr)
CLEW_BOTH(syevd)
CLEW_BOTH(gesdd)
#undef CLEW_BOTH

}  // namespace clew::lapack
