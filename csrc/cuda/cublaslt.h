// Matrix products by cuBLASLt, which is opened when first needed.
#pragma once

#include <string>

#include "cuda/gemm.h"
#include "cuda/runtime.h"

namespace clew::cuda {

/// Version of the library; 0, with the reason in `problem`, where it is missing.
int64_t cublaslt_version(std::string* problem);

/// Computes `gemm`, plus `bias` (n numbers of the dtype, or null) in each row. False, with nothing done,
/// where the library is missing, switched off, or has no algorithm for it.
bool run_cublaslt(DType dtype, const Gemm& gemm, const void* bias, const Launch& launch);

}  // namespace clew::cuda
