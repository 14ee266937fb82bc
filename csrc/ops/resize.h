// What resampling pages and kernels share.
#pragma once

#include <string_view>

#include "clew/core/macros.h"

namespace clew {

enum class ResizeMode { Nearest, NearestExact, Linear, Cubic, Area };

/// Raises ValueError naming `op`.
CLEW_API ResizeMode resize_mode(const char* op, std::string_view mode);

}  // namespace clew
