// Geometry of sliding windows: what convolution and pooling pages check and what their kernels loop over.
#pragma once

#include <algorithm>

#include "clew/core/tensor.h"
#include "core/shapes.h"
#include "kernels/spans.h"

namespace clew {

/// Sizes of a 2-d convolution. Bounds on the parameters keep every index product within 64 bits.
struct Conv2dShape {
  int64_t n, c_in, h, w;
  int64_t c_out, kh, kw;
  int64_t oh, ow;
  int64_t sh, sw, ph, pw, dh, dw;
  int64_t groups;
  bool batched;  // input (N, C, H, W); otherwise (C, H, W) with n = 1

  int64_t c_in_per_group() const { return c_in / groups; }
  int64_t c_out_per_group() const { return c_out / groups; }
  int64_t window() const { return kh * kw; }
  /// True when the matrix of windows is the image itself.
  bool pointwise() const { return kh == 1 && kw == 1 && sh == 1 && sw == 1 && ph == 0 && pw == 0; }
  Shape output() const { return batched ? Shape{n, c_out, oh, ow} : Shape{c_out, oh, ow}; }
};

/// Checks all of it. Raises ShapeError or ValueError naming `op`.
CLEW_API Conv2dShape conv2d_shape(const char* op, IntArrayRef input, IntArrayRef weight, IntArrayRef stride,
                                  IntArrayRef padding, IntArrayRef dilation, int64_t groups);

/// Sizes of 2-d pooling over the last two dimensions of (N, C, H, W) or (C, H, W).
struct Pool2dShape {
  int64_t planes, h, w;
  int64_t oh, ow;
  int64_t kh, kw, sh, sw, ph, pw, dh, dw;
  Shape output;
};
/// `stride` may be empty: the kernel size.
CLEW_API Pool2dShape pool2d_shape(const char* op, IntArrayRef input, IntArrayRef kernel_size,
                                  IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
                                  bool ceil_mode);

/// The largest kernel size, stride, padding or dilation.
inline constexpr int64_t kMaxParam = 0x7fffffff;
/// `n` values in [least, kMaxParam], from one or `n`. Raises ValueError naming `op` and `name`.
Shape window_param(const char* op, const char* name, IntArrayRef values, int64_t least, size_t n = 2);
/// How many windows fit along one axis; 128 bits, so that no size overflows.
int64_t count_windows(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                      bool ceil_mode);
/// Raises DTypeError: both tensors of one dtype.
void check_same_dtype(const char* op, const char* name_a, const Tensor& a, const char* name_b,
                      const Tensor& b);
/// Raises ShapeError: a gradient has the shape of what it is a gradient of.
void check_grad_shape(const char* op, const Tensor& grad_output, IntArrayRef expected);

}  // namespace clew
