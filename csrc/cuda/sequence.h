// Sequences made from an element's index.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"

namespace clew::cuda {

/// out[i] = start + i * step: integers wrap, floating values are computed in double.
struct Sequence {
  double start, step;
  uint64_t integer_start, integer_step;
  // With `count` > 0 the second half is counted back from `end`, so that the last value is exactly that.
  double end;
  int64_t count;
};
void run_sequence(void* out, DType dtype, int64_t numel, const Sequence& sequence, Stream stream);

}  // namespace clew::cuda
