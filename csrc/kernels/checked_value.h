// A number on its way into a tensor's dtype.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "clew/core/scalar.h"

namespace clew::kernels {

/// `value` as a T, checked as PyTorch does: negative numbers wrap into unsigned types, infinities pass.
template <class T>
T checked_value(const char* op, const Scalar& value) {
  auto fail = [&] {
    detail::raise<ValueError>(op, ": expected a value that ", DTypeOf<T>::value, " can hold, got ", value);
  };
  if constexpr (std::is_same_v<T, bool>) {
    return value.to_bool();
  } else if constexpr (std::is_integral_v<T>) {
    using Limits = std::numeric_limits<T>;
    if (value.is_floating()) {
      const double v = value.to_double();
      // The bounds are powers of two or exact in double; the comparison refuses NaN.
      const double low =
          std::is_unsigned_v<T> ? -static_cast<double>(Limits::max()) : static_cast<double>(Limits::min());
      constexpr auto kHalf = Limits::max() / 2 + 1;  // a power of two: exact in double, as max() is not
      if (!(v >= low && v < static_cast<double>(kHalf) * 2)) fail();
      return static_cast<T>(static_cast<int64_t>(v));
    }
    const int64_t v = value.to_int();
    if (v > static_cast<int64_t>(Limits::max()) ||
        v < (std::is_unsigned_v<T> ? -static_cast<int64_t>(Limits::max())
                                   : static_cast<int64_t>(Limits::min())))
      fail();
    return static_cast<T>(v);
  } else {
    const double v = value.to_double();
    const double limit = std::is_same_v<T, Half>       ? 65504.0
                         : std::is_same_v<T, BFloat16> ? 3.3895313892515355e38
                         : std::is_same_v<T, float> ? static_cast<double>(std::numeric_limits<float>::max())
                                                    : std::numeric_limits<double>::max();
    if (std::isfinite(v) && std::abs(v) > limit) fail();
    if constexpr (std::is_same_v<T, double>) {
      return v;
    } else {
      return T(static_cast<float>(v));
    }
  }
}

}  // namespace clew::kernels
