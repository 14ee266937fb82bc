// What a creation function may be told about its result.
#pragma once

#include <optional>

#include "clew/core/device.h"
#include "clew/core/dtype.h"

namespace clew {

/// dtype, device and requires_grad of a new tensor; unset means the default (or the prototype's).
struct TensorOptions {
  std::optional<DType> dtype_;
  std::optional<Device> device_;
  bool requires_grad_ = false;

  TensorOptions() = default;
  TensorOptions(DType t) : dtype_(t) {}    // NOLINT(google-explicit-constructor)
  TensorOptions(Device d) : device_(d) {}  // NOLINT(google-explicit-constructor)
  TensorOptions dtype(std::optional<DType> t) const {
    TensorOptions o = *this;
    o.dtype_ = t;
    return o;
  }
  TensorOptions device(std::optional<Device> d) const {
    TensorOptions o = *this;
    o.device_ = d;
    return o;
  }
  TensorOptions requires_grad(bool r = true) const {
    TensorOptions o = *this;
    o.requires_grad_ = r;
    return o;
  }
};

}  // namespace clew
