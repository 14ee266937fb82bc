// Zeroes above or below a diagonal.
#pragma once

#include <cstdint>

#include "cuda/driver.h"

namespace clew::cuda {

/// A contiguous batch of (rows, columns) matrices of elements of `item_bytes`; what lies above (or, with
/// `keep_lower` false, below) the diagonal becomes 0. `in` may be `out`.
void run_triangle(void* out, const void* in, size_t item_bytes, int64_t numel, int64_t rows, int64_t columns,
                  int64_t diagonal, bool keep_lower, Stream stream);

}  // namespace clew::cuda
