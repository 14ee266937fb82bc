// Elementwise launches as plain data: what the host prepares and the kernels of elementwise.cuh read.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"
#include "kernels/functors.h"
#include "kernels/op_kinds.h"

namespace clew::cuda {

inline constexpr int kMaxDims = 8;

/// Division of n < 2^31 by a constant: a product and a shift.
///
/// Reference: Granlund, Montgomery. Division by Invariant Integers using Multiplication. PLDI 1994.
struct FastDivider {
  uint32_t divisor = 1, magic = 1, shift = 0;

  FastDivider() = default;
  explicit FastDivider(uint32_t d) : divisor(d == 0 ? 1 : d) {  // an empty tensor divides nothing
    while ((uint64_t{1} << shift) < divisor) ++shift;
    magic = static_cast<uint32_t>((uint64_t{1} << 32) * ((uint64_t{1} << shift) - divisor) / divisor + 1);
  }
  CLEW_HD uint32_t divide(uint32_t n) const {
    return (static_cast<uint32_t>((static_cast<uint64_t>(n) * magic) >> 32) + n) >> shift;
  }
};

/// One operand: device memory, or a number that came by value.
struct Operand {
  char* data = nullptr;  // null: the value counts
  uint64_t value = 0;    // its bits, in the operand's dtype
  bool single = false;   // one element serves all
};

/// Up to 2^31 - 1 elements of N operands, the first being the output.
template <int N>
struct Plan {
  uint32_t numel = 0;
  int rank = 1;          // dimension 0 is the innermost
  bool dense = false;    // each operand is single or lies in order without gaps: no strides are read
  bool aligned = false;  // dense, and every address fits vectors of 16 bytes
  Operand operand[N];
  FastDivider sizes[kMaxDims];
  int64_t strides[N][kMaxDims] = {};  // in elements
};

using UnaryLaunch = void (*)(const Plan<2>&, const kernels::Params&, Stream);
using BinaryLaunch = void (*)(const Plan<3>&, const kernels::Params&, Stream);
using TernaryLaunch = void (*)(const Plan<4>&, const kernels::Params&, Stream);
using CastLaunch = void (*)(const Plan<2>&, Stream);

struct UnaryTable {
  UnaryLaunch at[kernels::kUnaryCount][kDTypeCount];
};
struct BinaryTable {
  BinaryLaunch at[kernels::kBinaryCount][kDTypeCount];
};
struct TernaryTable {
  TernaryLaunch at[kernels::kTernaryCount][kDTypeCount];
};
struct CastTable {
  CastLaunch at[kDTypeCount][kDTypeCount];
};

// By op and dtype of the inputs, as on the CPU; an empty entry means: not for this dtype. Each file builds
// the part that its name says.
extern const UnaryTable unary_floats, unary_integers;
extern const BinaryTable binary_floats, binary_integers, binary_tests;
extern const TernaryTable ternary_table;
extern const CastTable cast_table;

}  // namespace clew::cuda
