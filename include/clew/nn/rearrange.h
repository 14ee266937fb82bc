// Layers without parameters that pad, resample or rearrange; and softmaxes with a place of their own.
#pragma once

#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "clew/nn/functional.h"
#include "clew/nn/layers.h"

namespace clew::nn {

/// What the padding layers share: `padding` is one number for all sides, or pairs (before, after) from the
/// last dimension backwards. Input (N, C, ...) or (C, ...). Raises ValueError for another number of sides.
template <size_t Dims>
class Padding : public Layer<Padding<Dims>> {
 public:
  Tensor forward(const Tensor& input) const {
    return pad(input, padding, mode_, value_ ? std::optional<Scalar>(*value_) : std::nullopt);
  }
  std::vector<int64_t> padding;

 protected:
  Padding(const char* kind, const char* mode, std::vector<int64_t> sides,
          std::optional<double> value = std::nullopt)
      : Layer<Padding<Dims>>(kind), padding(std::move(sides)), mode_(mode), value_(value) {
    if (padding.size() == 1) padding.resize(2 * Dims, padding[0]);
    CLEW_CHECK(padding.size() == 2 * Dims, ValueError, kind, ": expected padding as one number or ", 2 * Dims,
               " numbers, got ", padding.size());
    std::ostringstream details;
    if (value) details << "padding=";
    details << IntArrayRef(padding);
    if (value) details << ", value=" << *value;
    this->set_details(details.str());
  }

 private:
  const char* mode_;
  std::optional<double> value_;
};

#define CLEW_PADDING(Name, dims, mode)                                                    \
  class Name : public Padding<dims> {                                                     \
   public:                                                                                \
    explicit Name(int64_t all) : Padding(#Name, mode, {all}) {}                           \
    explicit Name(std::vector<int64_t> sides) : Padding(#Name, mode, std::move(sides)) {} \
  };
#define CLEW_CONSTANT_PADDING(Name, dims)                                                                   \
  class Name : public Padding<dims> {                                                                       \
   public:                                                                                                  \
    Name(int64_t all, double value) : Padding(#Name, "constant", {all}, value) {}                           \
    Name(std::vector<int64_t> sides, double value) : Padding(#Name, "constant", std::move(sides), value) {} \
  };
CLEW_CONSTANT_PADDING(ConstantPad1d, 1)
CLEW_CONSTANT_PADDING(ConstantPad2d, 2)
CLEW_CONSTANT_PADDING(ConstantPad3d, 3)
CLEW_PADDING(ZeroPad1d, 1, "constant")
CLEW_PADDING(ZeroPad2d, 2, "constant")
CLEW_PADDING(ZeroPad3d, 3, "constant")
CLEW_PADDING(ReflectionPad1d, 1, "reflect")
CLEW_PADDING(ReflectionPad2d, 2, "reflect")
CLEW_PADDING(ReflectionPad3d, 3, "reflect")
CLEW_PADDING(ReplicationPad1d, 1, "replicate")
CLEW_PADDING(ReplicationPad2d, 2, "replicate")
CLEW_PADDING(ReplicationPad3d, 3, "replicate")
CLEW_PADDING(CircularPad1d, 1, "circular")
CLEW_PADDING(CircularPad2d, 2, "circular")
CLEW_PADDING(CircularPad3d, 3, "circular")
#undef CLEW_PADDING
#undef CLEW_CONSTANT_PADDING

/// Makes several dimensions of one; one of the sizes may be -1.
class CLEW_API Unflatten : public Layer<Unflatten> {
 public:
  Unflatten(int64_t dim, std::vector<int64_t> unflattened_size);
  Tensor forward(const Tensor& input) const;
  int64_t dim;
  std::vector<int64_t> unflattened_size;
};

/// functional::interpolate.
class CLEW_API Upsample : public Layer<Upsample> {
 public:
  explicit Upsample(const functional::InterpolateOptions& o) : Upsample("Upsample", o) {}
  Tensor forward(const Tensor& input) const { return functional::interpolate(input, options); }
  functional::InterpolateOptions options;

 protected:
  Upsample(std::string kind, functional::InterpolateOptions o);
};
struct UpsamplingOptions {
  std::vector<int64_t> size = {};
  std::vector<double> scale_factor = {};
};
/// Upsample with mode nearest.
class UpsamplingNearest2d : public Upsample {
 public:
  explicit UpsamplingNearest2d(const UpsamplingOptions& o)
      : Upsample("UpsamplingNearest2d", {.size = o.size, .scale_factor = o.scale_factor}) {}
};
/// Upsample with mode bilinear and aligned corners.
class UpsamplingBilinear2d : public Upsample {
 public:
  explicit UpsamplingBilinear2d(const UpsamplingOptions& o)
      : Upsample(
            "UpsamplingBilinear2d",
            {.size = o.size, .scale_factor = o.scale_factor, .mode = "bilinear", .align_corners = true}) {}
};

/// softmax(-x) along a dimension.
class CLEW_API Softmin : public Layer<Softmin> {
 public:
  explicit Softmin(int64_t dim);
  Tensor forward(const Tensor& input) const { return softmax(-input, dim); }
  int64_t dim;
};
/// Softmax over the channels at each position; input (N, C, H, W) or (C, H, W).
class CLEW_API Softmax2d : public Layer<Softmax2d> {
 public:
  Softmax2d() : Layer("Softmax2d") {}
  Tensor forward(const Tensor& input) const;
};
/// log(sigmoid(x)), without overflow.
class LogSigmoid : public Layer<LogSigmoid> {
 public:
  LogSigmoid() : Layer("LogSigmoid") {}
  Tensor forward(const Tensor& input) const { return log_sigmoid(input); }
};

/// The cosine of the angle between two vectors.
class CosineSimilarity : public Layer<CosineSimilarity> {
 public:
  explicit CosineSimilarity(int64_t d = 1, double e = 1e-8) : Layer("CosineSimilarity"), dim(d), eps(e) {}
  Tensor forward(const Tensor& x1, const Tensor& x2) const { return cosine_similarity(x1, x2, dim, eps); }
  int64_t dim;
  double eps;
};

}  // namespace clew::nn
