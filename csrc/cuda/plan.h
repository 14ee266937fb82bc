// From tensors to the plans that elementwise kernels read.
#pragma once

#include <cstring>

#include "cuda/elementwise.h"
#include "cuda/runtime.h"
#include "kernels/iter_plan.h"

namespace clew::cuda {

namespace plan_detail {

/// Elements that one launch may have.
inline constexpr int64_t kMostElements = int64_t{1} << 30;

template <int N, class Run>
void run_piece(const IterPlan<N>& from, const std::array<const Tensor*, N>& operands, Run& run) {
  Plan<N> plan;
  plan.numel = static_cast<uint32_t>(from.numel);
  plan.rank = from.rank;
  bool dense = true, aligned = true;
  for (int k = 0; k < N; ++k) {
    Operand& o = plan.operand[k];
    bool single = true;
    for (int d = 0; d < from.rank; ++d) {
      plan.strides[k][d] = from.strides[k][d];
      single = single && (from.strides[k][d] == 0 || from.sizes[d] == 1);
    }
    if (operands[k]->is_cpu()) {  // a number that came along
      std::memcpy(&o.value, from.data[k], static_cast<size_t>(from.item_size[k]));
      o.single = true;
      continue;
    }
    o.data = from.data[k];
    o.single = single && k != 0;
    dense = dense && (o.single || (from.rank == 1 && (from.strides[k][0] == 1 || from.numel == 1)));
    // An element is at least as aligned as it is wide; vectors want 16 bytes, or 8 elements of one byte.
    aligned = aligned && (o.single || reinterpret_cast<uintptr_t>(o.data) % 16 == 0);
  }
  plan.dense = dense;
  plan.aligned = dense && aligned;
  for (int d = 0; d < from.rank; ++d) plan.sizes[d] = FastDivider(static_cast<uint32_t>(from.sizes[d]));
  run(static_cast<const Plan<N>&>(plan));
}

/// Cuts along the outermost dimension what does not fit into one launch.
template <int N, class Run>
void run_pieces(IterPlan<N> from, const std::array<const Tensor*, N>& operands, Run& run) {
  if (from.numel == 0) return;
  if (from.rank <= kMaxDims && from.numel <= kMostElements) return run_piece<N>(from, operands, run);
  const int d = from.rank - 1;
  const int64_t inner = from.numel / from.sizes[d], whole = from.sizes[d];
  const int64_t step = from.rank > kMaxDims ? 1 : std::max<int64_t>(1, kMostElements / inner);
  for (int64_t i = 0; i < whole; i += step) {
    IterPlan<N> piece = from;
    piece.sizes[d] = std::min(step, whole - i);
    piece.numel = inner * piece.sizes[d];
    for (int k = 0; k < N; ++k) {
      if (!operands[k]->is_cpu()) piece.data[k] += i * from.strides[k][d] * from.item_size[k];
    }
    if (piece.sizes[d] == 1 && d > 0) piece.rank = d;
    run_pieces<N>(piece, operands, run);
  }
}

}  // namespace plan_detail

/// Calls `run(plan)` for pieces that cover all elements of `operands`, the output first. Inputs broadcast;
/// those that are numbers on the CPU go along by value.
template <int N, class Run>
void run_plans(const std::array<const Tensor*, N>& operands, Run&& run) {
  plan_detail::run_pieces<N>(make_plan<N>(operands), operands, run);
}

}  // namespace clew::cuda
