// The inner loops of direct convolution: raw pointers, one plane of one channel.
#pragma once

#include <cstdint>

namespace clew::cpu {

/// Rows of a padded plane are longer than what is read by a multiple of this, so that loops take whole
/// vectors.
inline constexpr int64_t kConvLanes = 16;

/// Output element (y, x) reads padded[y * row_step + offset[t] + x] for each tap t.
struct PlaneTaps {
  int64_t oh, ow;
  int64_t row_step;
  int64_t taps;
  const int64_t* offset;
};
/// out(y, x) = (accumulate ? out(y, x) : initial) + sum_t weight[t] * padded[...]; out is contiguous.
using CorrelateLoop = void (*)(void* out, const void* padded, const void* weight, double initial,
                               bool accumulate, const PlaneTaps& p);
/// sums[t] += sum_{y, x} g[y * g_row + x] * padded[...]; rows of g are readable up to a multiple of
/// kConvLanes.
using CorrelateWeightLoop = void (*)(double* sums, const void* g, int64_t g_row, const void* padded,
                                     const PlaneTaps& p);

struct ConvLoops {
  CorrelateLoop correlate[2];  // float, double
  CorrelateWeightLoop correlate_weight[2];
};

}  // namespace clew::cpu
