// Steps over lists of tensors; see Backend.
#pragma once

#include <span>

#include "kernels/optim_math.h"

namespace clew::cuda {

using OptimItems = std::span<const kernels::OptimItem>;

void sgd_step(int device, OptimItems items, const kernels::SgdScalars& s);
void adam_step(int device, OptimItems items, const kernels::AdamScalars& s);
void total_norm(int device, OptimItems items, double p, DType dtype, void* result);
void scale_all(int device, OptimItems items, double factor, DType dtype, const void* more, void* found_bad);

}  // namespace clew::cuda
