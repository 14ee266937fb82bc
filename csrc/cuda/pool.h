// Pooling and resampling as plain data.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"

namespace clew::cuda {

/// Planes (h, w) with windows (oh, ow), contiguous. Adaptive pooling has no further sizes.
struct PoolPlan {
  const void* in;
  void* out;
  int64_t* indices = nullptr;
  int64_t planes, h, w, oh, ow;
  int64_t kh = 0, kw = 0, sh = 0, sw = 0, ph = 0, pw = 0, dh = 1, dw = 1;
  int64_t divisor = 0;  // instead of the count, unless 0
  bool count_padding = false;
  bool adaptive = false;
};
void run_max_pool(DType dtype, const PoolPlan& plan, Stream stream);
void run_average_pool(DType dtype, const PoolPlan& plan, Stream stream);
/// `in` is the result's gradient, (planes, oh, ow); `out` the input's, (planes, h, w).
void run_average_pool_grad(DType dtype, const PoolPlan& plan, Stream stream);

/// out (outer, rows, inner) = table * in (outer, columns, inner). Row i of the table holds the entries
/// [start[i], start[i + 1]); weights are float, for float64 double.
struct ResizePlan {
  const void* in;
  void* out;
  const int64_t* start;
  const int64_t* index;
  const void* weight;
  int64_t outer, rows, columns, inner;
};
void run_resize(DType dtype, const ResizePlan& plan, Stream stream);

}  // namespace clew::cuda
