// One element from one type to another, the same on every device.
#pragma once

#include <stdint.h>

#include <type_traits>

#include "clew/core/half.h"

namespace clew::kernels {

/// Defined for every input. Floating to integer truncates; NaN and out of range give the smallest value of
/// int32/int64 and the low bits of that for narrower types; to bool is != 0 (NaN is true).
template <class To, class From>
CLEW_HD To convert(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    using Wide = std::conditional_t<sizeof(To) == 8, int64_t, int32_t>;
    constexpr Wide lowest =
        static_cast<Wide>(static_cast<std::make_unsigned_t<Wide>>(1) << (8 * sizeof(Wide) - 1));
    constexpr From limit = -static_cast<From>(lowest);
    const bool fits = x < limit && x >= -limit;
    const Wide v = static_cast<Wide>(fits ? x : From(0));
    return static_cast<To>(fits ? v : lowest);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace clew::kernels
