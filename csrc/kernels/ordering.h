// The order in which sorting puts elements, the same on every device: NaN after all else, -0 and 0 equal.
#pragma once

#include <stdint.h>

#include <type_traits>

#include "clew/core/half.h"

namespace clew::kernels {

/// An unsigned integer in the order of x.
template <class T>
CLEW_HD auto ordered_key(T x) {
  if constexpr (std::is_same_v<T, double>) {
    if (x != x) return ~uint64_t{0};
    if (x == 0) x = 0;
    uint64_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t{1} << 63);
  } else if constexpr (!std::is_integral_v<T>) {
    auto f = static_cast<float>(x);
    if (f != f) return ~uint32_t{0};
    if (f == 0) f = 0;
    uint32_t bits;
    __builtin_memcpy(&bits, &f, sizeof bits);
    return bits >> 31 ? ~bits : bits | (uint32_t{1} << 31);
  } else if constexpr (sizeof(T) == 8) {
    return static_cast<uint64_t>(x) ^ (uint64_t{1} << 63);
  } else {
    return static_cast<uint32_t>(static_cast<int32_t>(x)) ^ (uint32_t{1} << 31);
  }
}

/// a before b.
template <class T>
CLEW_HD bool before(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (b != b) return a == a;
  }
  return a < b;
}

}  // namespace clew::kernels
