// Philox4x32-10, a counter-based generator: element i of a random tensor is a pure function of
// (seed, offset, i), whatever the number of threads or the device.
//
// Reference: Salmon, Moraes, Dror, Shaw. Parallel random numbers: as easy as 1, 2, 3. SC 2011.
#pragma once

#include <math.h>
#include <stdint.h>

#include "clew/core/half.h"
#include "kernels/math.h"

namespace clew::philox {

struct Block {
  uint32_t x[4];
};

/// Ten rounds over counter (c0, c1, c2, c3) with key (k0, k1).
CLEW_HD Block philox4x32(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = static_cast<uint64_t>(0xD2511F53u) * c0;
    const uint64_t p1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

/// Four words for block `index` of the stream (seed, offset). Each random op takes its own offset.
CLEW_HD Block block(uint64_t seed, uint64_t offset, uint64_t index) {
  return philox4x32(static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                    static_cast<uint32_t>(offset), static_cast<uint32_t>(offset >> 32),
                    static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
}

// How elements map to words: 32-bit draws use word i % 4 of block i / 4; 64-bit draws use words
// 2 (i % 2) and 2 (i % 2) + 1 of block i / 2.

CLEW_HD uint32_t word32(uint64_t seed, uint64_t offset, uint64_t i) {
  return block(seed, offset, i >> 2).x[i & 3];
}
CLEW_HD uint64_t join64(uint32_t high, uint32_t low) { return (static_cast<uint64_t>(high) << 32) | low; }
CLEW_HD uint64_t word64(uint64_t seed, uint64_t offset, uint64_t i) {
  const Block b = block(seed, offset, i >> 1);
  return (i & 1) != 0 ? join64(b.x[3], b.x[2]) : join64(b.x[1], b.x[0]);
}

/// [0, 1) with 24 bits.
CLEW_HD float uniform_float(uint32_t w) {
  return static_cast<float>(static_cast<int32_t>(w >> 8)) * 0x1p-24f;
}
/// [0, 1) with 53 bits.
CLEW_HD double uniform_double(uint64_t w) {
  return static_cast<double>(static_cast<int64_t>(w >> 11)) * 0x1p-53;
}

/// Two independent standard normals from two words (Box-Muller).
CLEW_HD void normal_pair(uint32_t w0, uint32_t w1, float& z0, float& z1) {
  // (0, 1]: the logarithm stays finite.
  const float u = static_cast<float>(static_cast<int32_t>(w0 >> 8) + 1) * 0x1p-24f;
  const float r = math::sqrt(-2.0f * math::log(u));
  const float angle = 6.28318531f * uniform_float(w1);
  z0 = r * math::sin_shifted(angle, 1);
  z1 = r * math::sin_shifted(angle, 0);
}
CLEW_HD void normal_pair(uint64_t w0, uint64_t w1, double& z0, double& z1) {
  const double u = static_cast<double>(static_cast<int64_t>(w0 >> 11) + 1) * 0x1p-53;
  const double r = ::sqrt(-2.0 * ::log(u));
  const double angle = 6.283185307179586 * uniform_double(w1);
  z0 = r * ::cos(angle);
  z1 = r * ::sin(angle);
}

/// Uniform on [0, bound), bound >= 1, by multiplication; the bias is below bound / 2^32 (2^64).
CLEW_HD uint32_t bounded(uint32_t w, uint32_t bound) {
  return static_cast<uint32_t>((static_cast<uint64_t>(w) * bound) >> 32);
}
CLEW_HD uint64_t bounded(uint64_t w, uint64_t bound) {
#ifdef __CUDA_ARCH__
  return __umul64hi(w, bound);
#else
  __extension__ using uint128 = unsigned __int128;
  return static_cast<uint64_t>((static_cast<uint128>(w) * bound) >> 64);
#endif
}

}  // namespace clew::philox
