// Convolution by cuDNN, which is opened when first needed.
#pragma once

#include <string>

#include "cuda/conv.h"
#include "cuda/runtime.h"

namespace clew::cuda {

/// What a plan may ask for. A larger workspace seldom makes a convolution faster, but some plans want over 1
/// GiB.
inline constexpr int64_t kConvWorkspaceLimit = int64_t{256} << 20;

/// Version of the library; 0, with the reason in `problem`, where it is missing.
int64_t cudnn_version(std::string* problem);

/// Computes a convolution without its bias. False, with nothing done, where the library is missing, switched
/// off, or has no plan for it within the limits.
bool run_cudnn(ConvKind kind, DType dtype, const ConvPlan& plan, const Launch& launch);

}  // namespace clew::cuda
