// The inner loops of convolution and batch normalization: raw pointers into planes, one thread, built once
// per instruction set. Each exists for float and double.
#pragma once

#include <cstdint>
#include <type_traits>

namespace clew::cpu {

/// Reads of the loops below may reach this many elements past the end of a padded row.
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

/// One kernel position over some rows of outputs: output (y, x) belongs to plane(first_y + y * step_y,
/// first_x + x * step_x), which lies inside of the plane only for x in [inside_from, inside_to).
struct PlaneRows {
  int64_t h, w;
  int64_t rows, ow;
  int64_t first_y, step_y, first_x, step_x;
  int64_t inside_from, inside_to;
};
/// col(y, x) = plane element, or 0 outside of it.
using UnrollLoop = void (*)(void* col, const void* plane, const PlaneRows& p);
/// plane element += col(y, x), where inside.
using RollLoop = void (*)(void* plane, const void* col, const PlaneRows& p);

/// Sums over `segments` runs of n elements, `pitch` apart: of x, of (x - mean)^2, of g and g * (x - mean).
/// Added up in lanes over some thousand elements, then in double.
using SegmentSumLoop = double (*)(const void* x, int64_t segments, int64_t n, int64_t pitch);
using SegmentSquaresLoop = double (*)(const void* x, int64_t segments, int64_t n, int64_t pitch, double mean);
using SegmentPairLoop = void (*)(double* sum_g, double* sum_gx, const void* g, const void* x,
                                 int64_t segments, int64_t n, int64_t pitch, double mean);
/// out = (x - mean) * scale + shift
using AffineLoop = void (*)(void* out, const void* x, int64_t n, double mean, double scale, double shift);
/// dx = a * g + b * (x - mean) + d
using AffineBackwardLoop = void (*)(void* dx, const void* g, const void* x, int64_t n, double a, double b,
                                    double mean, double d);

struct PlaneLoops {
  CorrelateLoop correlate;
  CorrelateWeightLoop correlate_weight;
  UnrollLoop unroll;
  RollLoop roll;
  SegmentSumLoop segment_sum;
  SegmentSquaresLoop segment_squares;
  SegmentPairLoop segment_pair;
  AffineLoop affine;
  AffineBackwardLoop affine_backward;
};

/// The loops of this machine's instruction set for float or double.
const PlaneLoops& plane_loops(bool is_double);
template <class T>
const PlaneLoops& plane_loops() {
  static_assert(std::is_floating_point_v<T>);
  return plane_loops(std::is_same_v<T, double>);
}

}  // namespace clew::cpu
