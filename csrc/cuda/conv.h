// Convolution as plain data.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/elementwise.h"

namespace clew::cuda {

/// Division of any n >= 0 by a constant, quick where n < 2^31.
struct WideDivider {
  int64_t divisor = 1;
  FastDivider fast;

  WideDivider() = default;
  explicit WideDivider(int64_t d) : divisor(d > 0 ? d : 1) {  // an empty tensor divides nothing
    if (divisor <= INT32_MAX) fast = FastDivider(static_cast<uint32_t>(divisor));
  }
  CLEW_HD int64_t divide(int64_t n) const {
    if (n <= INT32_MAX && divisor <= INT32_MAX) return fast.divide(static_cast<uint32_t>(n));
    return n / divisor;
  }
};

/// Contiguous input (n, c_in, h, w), weight (c_out, c_in / groups, kh, kw), output (n, c_out, oh, ow). Each
/// kernel writes one of the three and reads the others.
struct ConvPlan {
  void *input, *weight, *output;
  const void* bias;  // (c_out,) or null; forward only
  int64_t n, c_in, h, w, c_out, kh, kw, oh, ow;
  int64_t sh, sw, ph, pw, dh, dw, groups;
  WideDivider per_window, per_kernel_row, per_image, per_row, per_plane, per_plane_row, per_sh, per_sw;
};
enum class ConvKind : uint8_t { Forward, InputGrad, WeightGrad };

/// Bytes of memory that the sum of a weight gradient needs.
int64_t conv_workspace_bytes(ConvKind kind, DType dtype, const ConvPlan& plan);
void run_conv(ConvKind kind, DType dtype, const ConvPlan& plan, void* workspace, Stream stream);

}  // namespace clew::cuda
