// Elementwise functions that have no loop on the CPU's lists: one enumeration each for what the host asks
// for.
#pragma once

#include "cuda/elementwise.h"

namespace clew::cuda {

enum class Special1 : uint8_t {
  log2,
  log10,
  exp2,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  asinh,
  acosh,
  atanh,
  erfc,
  lgamma,
  digamma,
  erfinv,
  polygamma,  // i0 = its order
  count
};
enum class Special2 : uint8_t {
  hypot,
  copysign,
  xlogy,
  logaddexp,
  logaddexp2,
  left_shift,  // integers from here on
  right_shift,
  gcd,
  lcm,
  count
};
struct SpecialTable {
  UnaryLaunch unary[static_cast<int>(Special1::count)][kDTypeCount];
  BinaryLaunch binary[static_cast<int>(Special2::count)][kDTypeCount];
};
extern const SpecialTable special_table;

}  // namespace clew::cuda
