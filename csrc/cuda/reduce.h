// Reductions as plain data: what the host prepares and the kernels of reduce.cuh read.
#pragma once

#include "cuda/elementwise.h"

namespace clew::cuda {

/// Input dimensions by role, merged, innermost first. A linear index over `kept` is an output's; one over
/// `reduced` is an element's place in the run that is reduced.
struct ReducePlan {
  struct Dims {
    int rank = 0;
    FastDivider sizes[kMaxDims];
    int64_t strides[kMaxDims] = {};  // in elements of the input

    CLEW_HD int64_t offset(int64_t index) const {
      if (rank <= 1) return index * strides[0];
      int64_t at = 0;
      auto rest = static_cast<uint32_t>(index);
      for (int d = 0; d < rank; ++d) {
        const uint32_t q = d + 1 < rank ? sizes[d].divide(rest) : 0;
        at += (rest - q * sizes[d].divisor) * strides[d];
        rest = q;
      }
      return at;
    }
  };
  const void* in = nullptr;
  void* out = nullptr;  // contiguous
  Dims kept, reduced;
  int64_t outputs = 0, count = 0;
  // A run is cut into `chunks` of `chunk` elements; more than one leave partial results for a second launch.
  int64_t chunk = 0, chunks = 1;
  bool by_columns = false;  // neighbouring outputs are neighbours in the input, elements of a run are not
};

enum class Reduction : uint8_t {
  sum,
  mean,
  prod,
  max,
  min,
  argmax,
  argmin,
  any,
  all,
  variance,   // p = correction
  deviation,  // the square root of that
  norm1,
  norm2,
  norm,  // p, neither 1 nor 2
  logsumexp,
  count_
};

struct ReduceParams {
  double p = 0;
};

/// How many bytes a partial result takes, and the launch. `partials` may be null when there is one chunk.
struct ReduceLaunch {
  size_t partial_bytes;
  void (*run)(const ReducePlan&, const ReduceParams&, void* partials, Stream);
};
struct ReduceTable {
  ReduceLaunch at[static_cast<int>(Reduction::count_)][kDTypeCount];
};
extern const ReduceTable reduce_sums, reduce_extrema, reduce_statistics;

}  // namespace clew::cuda
