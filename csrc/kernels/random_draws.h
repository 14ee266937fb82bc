// What random ops draw, the same on every device.
#pragma once

#include <cstdint>
#include <utility>

#include "clew/core/dtype.h"
#include "kernels/philox.h"

namespace clew::kernels {

/// How many integers there are from 0 up to the greatest one such that the dtype holds all below it.
inline uint64_t whole_range(DType t) {
  const int bits = t == DType::Float16    ? 11
                   : t == DType::BFloat16 ? 8
                   : t == DType::Float32  ? 24
                   : t == DType::Float64  ? 53
                   : t == DType::Bool     ? 1
                   : t == DType::UInt8    ? 8
                                          : static_cast<int>(8 * item_size(t)) - 1;
  return (uint64_t{1} << bits) + (is_floating(t) ? 1 : 0);
}

/// The numbers below n in random order: Fisher-Yates, from the end.
inline void shuffle(int64_t* order, int64_t n, uint64_t seed, uint64_t offset) {
  for (int64_t i = 0; i < n; ++i) order[i] = i;
  for (int64_t i = n - 1; i > 0; --i) {
    const uint64_t word = philox::word64(seed, offset, static_cast<uint64_t>(i));
    std::swap(order[i], order[philox::bounded(word, static_cast<uint64_t>(i) + 1)]);
  }
}

/// A uniform number in [0, 1) with 53 bits for element i.
CLEW_HD double uniform53(uint64_t seed, uint64_t offset, int64_t i) {
  return philox::uniform_double(philox::word64(seed, offset, static_cast<uint64_t>(i)));
}

/// When a clock of rate `weight` rings: the first to ring are a sample without replacement.
CLEW_HD double exponential_clock(double uniform, double weight) {
  return weight == 0 ? HUGE_VAL : -::log1p(-uniform) / weight;
}

}  // namespace clew::kernels
