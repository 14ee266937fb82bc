// Random numbers as plain data: which ones, from which stream.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"

namespace clew::cuda {

enum class Draw : uint8_t {
  uniform,   // in [a, b), at most `below`
  normal,    // mean a, standard deviation b
  integers,  // low + [0, range); a range of 0 stands for 2^64
  keep,      // a where a 32-bit word is at least `range`, else 0
};
/// Element i is a function of (seed, offset, i) alone, and the same on every device.
struct RandomFill {
  Draw draw;
  uint64_t seed, offset;
  double a = 0, b = 0, below = 0;
  int64_t low = 0;
  uint64_t range = 0;
};
/// `out` is contiguous.
void run_random(void* out, DType dtype, int64_t numel, const RandomFill& fill, Stream stream);

}  // namespace clew::cuda
