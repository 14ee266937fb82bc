// What one window of pooling covers along one axis, the same on every device.
#pragma once

#include <stdint.h>

#include "clew/core/half.h"

namespace clew {

CLEW_HD constexpr int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0); }

/// The steps i in [first, last) for which 0 <= start + i * step < size, out of `count` steps.
struct StepRange {
  int64_t first, last;
  CLEW_HD StepRange(int64_t start, int64_t step, int64_t count, int64_t size) {
    const int64_t low = start >= 0 ? 0 : ceil_div(-start, step);
    first = low < count ? low : count;
    const int64_t high = start >= size ? first : ceil_div(size - start, step);
    const int64_t end = high < count ? high : count;
    last = end > first ? end : first;
  }
};

/// Range of input that adaptive pooling averages for output `i`.
CLEW_HD constexpr int64_t adaptive_start(int64_t i, int64_t in, int64_t out) { return i * in / out; }
CLEW_HD constexpr int64_t adaptive_end(int64_t i, int64_t in, int64_t out) {
  return ceil_div((i + 1) * in, out);
}

namespace kernels {

/// What one output position covers along one axis: input [first, last) in steps, and what it counts for.
struct Span {
  int64_t first, last, length;
};

CLEW_HD Span max_span(int64_t o, int64_t in, int64_t kernel, int64_t stride, int64_t padding,
                      int64_t dilation) {
  const int64_t start = o * stride - padding;
  const StepRange r(start, dilation, kernel, in);
  const int64_t at = start + r.first * dilation, first = at < in - 1 ? at : in - 1;
  return {first, r.first < r.last ? start + (r.last - 1) * dilation + 1 : first, 0};
}

CLEW_HD Span average_span(int64_t o, int64_t in, int64_t kernel, int64_t stride, int64_t padding,
                          bool count_padding) {
  const int64_t start = o * stride - padding,
                end = start + kernel < in + padding ? start + kernel : in + padding;
  const int64_t first = start > 0 ? start : 0, inside = end < in ? end : in,
                last = inside > first ? inside : first;
  return {first, last, count_padding ? end - start : last - first};
}

CLEW_HD Span adaptive_span(int64_t o, int64_t in, int64_t out) {
  const int64_t first = adaptive_start(o, in, out), last = adaptive_end(o, in, out);
  return {first, last, last - first};
}

}  // namespace kernels
}  // namespace clew
