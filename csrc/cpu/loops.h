// The numeric loops of the CPU backend: raw pointers, one thread, built once per instruction set.
// Callers own shapes, broadcasting, promotion, output allocation and threads.
#pragma once

#include <atomic>
#include <cstdint>

#include "clew/core/macros.h"
#include "kernels/functors.h"
#include "kernels/op_kinds.h"

namespace clew::cpu {

// Column of a dtype in every table below. An empty entry (nullptr) means: not for this dtype.
enum class DT : uint8_t { b1 = 0, u8, i8, i16, i32, i64, f16, bf16, f32, f64 };
inline constexpr int kDTypeCount = 12;  // two more for the complex types, which have no loops

using LoopParams = kernels::Params;
using kernels::BinaryOp;
using kernels::kBinaryCount;
using kernels::kReduceCount;
using kernels::kTernaryCount;
using kernels::kUnaryCount;
using kernels::ReduceOp;
using kernels::TernaryOp;
using kernels::UnaryOp;

// Elementwise: n elements, strides in elements, any sign, 0 to repeat one input element. The output may be
// exactly an input (same address and stride); other overlap is the caller's error. The column is the dtype of
// the inputs; the output has the same, or bool where noted above.
using UnaryLoop = void (*)(void* out, const void* a, int64_t n, int64_t so, int64_t sa, const LoopParams& p);
using BinaryLoop = void (*)(void* out, const void* a, const void* b, int64_t n, int64_t so, int64_t sa,
                            int64_t sb, const LoopParams& p);
using TernaryLoop = void (*)(void* out, const void* a, const void* b, const void* c, int64_t n, int64_t so,
                             int64_t sa, int64_t sb, int64_t sc, const LoopParams& p);

// cast[from][to]. Floating to integer truncates; NaN and out of range give the smallest value of int32/int64
// and the low bits of that for narrower types; to bool is != 0 (NaN is true).
using CastLoop = void (*)(void* out, const void* in, int64_t n, int64_t so, int64_t sa);

/// Runs that are reduced one after another: the next one and its output stand so many bytes further on.
struct RowRun {
  int64_t count, in_step, out_step;
};
inline constexpr RowRun kOneRow{1, 0, 0};

// One output from n elements for each run. An empty input gives the neutral element (max and min: the dtype's
// own limit, argmax and argmin: 0). float sums run in 64 lanes over blocks of 4096, blocks add up in double,
// so results depend on the data and n alone: not on the instruction set, not on threads.
using ReduceLoop = void (*)(void* out, const void* in, int64_t n, int64_t stride, const RowRun& run);

// out[c] = reduction over r of in[r * ld + c], for c < cols.
using ReduceColumnsLoop = void (*)(void* out, const void* in, int64_t rows, int64_t cols, int64_t ld);

// The kernels over rows or columns exist for the four floating dtypes. "acc" is double for f64, else float.
// Rows are contiguous, ld apart; "columns" versions work along the first dimension of (n, cols), ld apart.
using RowsLoop = void (*)(void* out, const void* in, int64_t rows, int64_t n, int64_t ld_out, int64_t ld_in);
using ColumnsLoop = void (*)(void* out, const void* in, int64_t n, int64_t cols, int64_t ld_out,
                             int64_t ld_in);
// Gradient of the input from gradient g and result y, all with row pitch ld.
using RowsBackwardLoop = void (*)(void* dx, const void* g, const void* y, int64_t rows, int64_t n,
                                  int64_t ld);
using ColumnsBackwardLoop = void (*)(void* dx, const void* g, const void* y, int64_t n, int64_t cols,
                                     int64_t ld);
// logsumexp: one output per row (column), contiguous.
using RowsReduceLoop = void (*)(void* out, const void* in, int64_t rows, int64_t n, int64_t ld);
using ColumnsReduceLoop = void (*)(void* out, const void* in, int64_t n, int64_t cols, int64_t ld);
// Mean and sum of squared deviations. Parts combine by Chan's rule.
using MomentsLoop = void (*)(double* mean, double* m2, const void* in, int64_t n, int64_t stride);
using MomentsColumnsLoop = void (*)(double* mean, double* m2, const void* in, int64_t rows, int64_t cols,
                                    int64_t ld);
// y = (x - mean) * rstd * weight + bias over rows of n; weight and bias (n) may be null; mean, rstd: acc
// (rows), may be null together.
using LayerNormLoop = void (*)(void* out, void* mean, void* rstd, const void* in, const void* weight,
                               const void* bias, int64_t rows, int64_t n, double eps);
using LayerNormBackwardInputLoop = void (*)(void* dx, const void* g, const void* x, const void* mean,
                                            const void* rstd, const void* weight, int64_t rows, int64_t n);
// dweight[c] = sum_r g[r, c] * (x[r, c] - mean[r]) * rstd[r], dbias[c] = sum_r g[r, c]; both acc, either may
// be null. Works on `cols` columns of rows ld apart, so that callers can split columns over threads.
using LayerNormBackwardParamsLoop = void (*)(void* dweight, void* dbias, const void* g, const void* x,
                                             const void* mean, const void* rstd, int64_t rows, int64_t cols,
                                             int64_t ld);

struct UnaryTable {
  UnaryLoop at[kUnaryCount][kDTypeCount];
};
struct BinaryTable {
  BinaryLoop at[kBinaryCount][kDTypeCount];
};
struct TernaryTable {
  TernaryLoop at[kTernaryCount][kDTypeCount];
};
struct CastTable {
  CastLoop at[kDTypeCount][kDTypeCount];
};
struct ReduceTable {
  ReduceLoop rows[kReduceCount][kDTypeCount];
  ReduceColumnsLoop columns[kReduceCount][kDTypeCount];
};
struct NormTable {
  RowsLoop softmax[kDTypeCount];
  RowsLoop log_softmax[kDTypeCount];
  ColumnsLoop softmax_columns[kDTypeCount];
  ColumnsLoop log_softmax_columns[kDTypeCount];
  RowsBackwardLoop softmax_backward[kDTypeCount];
  RowsBackwardLoop log_softmax_backward[kDTypeCount];
  ColumnsBackwardLoop softmax_backward_columns[kDTypeCount];
  ColumnsBackwardLoop log_softmax_backward_columns[kDTypeCount];
  RowsReduceLoop logsumexp[kDTypeCount];
  ColumnsReduceLoop logsumexp_columns[kDTypeCount];
  MomentsLoop moments[kDTypeCount];
  MomentsColumnsLoop moments_columns[kDTypeCount];
  LayerNormLoop layer_norm[kDTypeCount];
  LayerNormBackwardInputLoop layer_norm_backward_input[kDTypeCount];
  LayerNormBackwardParamsLoop layer_norm_backward_params[kDTypeCount];
};

/// All loops of one instruction set: constant data.
struct LoopTable {
  const UnaryTable* unary_table;
  const BinaryTable* binary_table;
  const TernaryTable* ternary_table;
  const CastTable* cast_table;
  const ReduceTable* reduce_table;
  const NormTable* norm_table;

  UnaryLoop unary(UnaryOp op, int dtype) const { return unary_table->at[static_cast<int>(op)][dtype]; }
  BinaryLoop binary(BinaryOp op, int dtype) const { return binary_table->at[static_cast<int>(op)][dtype]; }
  TernaryLoop ternary(TernaryOp op, int dtype) const {
    return ternary_table->at[static_cast<int>(op)][dtype];
  }
  CastLoop cast(int from, int to) const { return cast_table->at[from][to]; }
  ReduceLoop reduce(ReduceOp op, int dtype) const { return reduce_table->rows[static_cast<int>(op)][dtype]; }
  ReduceColumnsLoop reduce_columns(ReduceOp op, int dtype) const {
    return reduce_table->columns[static_cast<int>(op)][dtype];
  }
  const NormTable& norm() const { return *norm_table; }
};

// What loops() found; null before its first use.
extern constinit std::atomic<const LoopTable*> active_loops;
const LoopTable& choose_loops();

/// The table for this machine, chosen on first use: the best instruction set it has, or the one that the
/// environment variable CLEW_CPU_ISA names (baseline, avx2, avx512). Throws std::runtime_error if that is
/// unknown or missing here.
// Always inlined: no copy may be left that was compiled for an instruction set which the machine lacks.
[[gnu::always_inline]] inline const LoopTable& loops() {
  const LoopTable* t = active_loops.load(std::memory_order_relaxed);  // the tables are constants
  return CLEW_LIKELY(t != nullptr) ? *t : choose_loops();
}

}  // namespace clew::cpu
