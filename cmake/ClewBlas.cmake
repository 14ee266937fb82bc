# Finds BLAS and sets CLEW_BLAS_LIBRARY (a path), CLEW_BLAS_PREFIX (put before every cblas_ name)
# and CLEW_BLAS_BUNDLED (whether the library is copied beside libclew.so).
# First the pip package scipy-openblas32, then OpenBLAS from the system. -DCLEW_BLAS_LIBRARY=path
# (with -DCLEW_BLAS_PREFIX=...) overrides both.

if(NOT CLEW_BLAS_LIBRARY)
  clew_ask_python(clew_blas_answer
    "import scipy_openblas32 as b; print(b.get_lib_dir() + '/lib' + b.get_library() + '.so')")
  if(clew_blas_answer AND EXISTS "${clew_blas_answer}")
    set(CLEW_BLAS_LIBRARY "${clew_blas_answer}")
    set(CLEW_BLAS_PREFIX "scipy_")
    set(CLEW_BLAS_BUNDLED ON)
  else()
    find_library(clew_system_openblas openblas)
    if(NOT clew_system_openblas)
      message(FATAL_ERROR "BLAS: expected the pip package scipy-openblas32 (Python asked: "
                          "${Python_EXECUTABLE}) or a system OpenBLAS, found neither; run "
                          "'pip install scipy-openblas32' or 'apt-get install libopenblas-dev'")
    endif()
    set(CLEW_BLAS_LIBRARY "${clew_system_openblas}")
    set(CLEW_BLAS_PREFIX "")
    set(CLEW_BLAS_BUNDLED OFF)
  endif()
endif()
