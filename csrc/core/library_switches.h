// Switches of the libraries that device backends use: set by clew.backends, read at each call.
#pragma once

#include <atomic>

#include "clew/core/macros.h"

namespace clew {

struct LibrarySwitches {
  std::atomic<bool> cublas{true};        // false: own kernels
  std::atomic<bool> matmul_tf32{false};  // float32 products may be rounded to TF32
  std::atomic<bool> cudnn{true};         // false: own kernels
  std::atomic<bool> cudnn_tf32{true};
  std::atomic<bool> cudnn_benchmark{false};
  std::atomic<bool> cudnn_deterministic{false};
};
CLEW_API LibrarySwitches& library_switches();

}  // namespace clew
