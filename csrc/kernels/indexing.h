// What `input[i, j, ...]` with index tensors means in terms of shapes: shared by pages and kernels.
#pragma once

#include "clew/core/tensor.h"
#include "core/shapes.h"

namespace clew {

[[noreturn, gnu::cold, gnu::noinline]] inline void index_out_of_range(const char* op, int64_t index,
                                                                      int64_t dim, int64_t size,
                                                                      bool negative) {
  detail::raise<IndexError>(op, ": expected index in [", negative ? -size : 0, ", ", size - 1, "], got ",
                            index, " (dimension ", dim, " of size ", size, ")");
}

/// A dimension of the input that an index tensor picks from.
struct IndexedDim {
  int64_t dim;     // of the input
  size_t tensor;   // which index tensor
  int64_t column;  // of the mask's nonzero positions; -1 for an integer tensor
};

/// Result of an indexing: dims before, the index tensors' common shape, dims after.
struct IndexingPlan {
  SmallVector<IndexedDim, 6> indexed;
  SmallVector<int64_t, 6> before, after;  // input dims that are kept
  Shape index_shape;
  Shape result;
};

/// `mask_counts[i]` is the number of true elements where indices[i] is a mask. Raises IndexError.
inline IndexingPlan plan_indexing(const char* op, IntArrayRef sizes, TensorListRef indices,
                                  IntArrayRef mask_counts) {
  IndexingPlan plan;
  SmallVector<int64_t, 6> kept;
  const auto rank = static_cast<int64_t>(sizes.size());
  int64_t d = 0;
  bool adjacent = true;
  auto too_many = [&](int64_t needed) {
    CLEW_CHECK(needed <= rank, IndexError, op, ": expected at most ", rank, " indices for input ", sizes,
               ", got more");
  };
  for (size_t i = 0; i < indices.size(); ++i) {
    const Tensor& t = indices[i];
    if (!t.defined()) {
      too_many(d + 1);
      kept.push_back(d++);
      continue;
    }
    const bool mask = t.dtype() == DType::Bool || t.dtype() == DType::UInt8;
    CLEW_CHECK(mask || is_integral(t.dtype()), IndexError, op,
               ": expected index tensors of integers or bools, got ", t.dtype());
    const int64_t dims = mask ? t.dim() : 1;
    CLEW_CHECK(dims > 0, IndexError, op, ": expected masks with dimensions, got a 0-dim one");
    too_many(d + dims);
    adjacent = adjacent && (plan.indexed.empty() || plan.indexed.back().dim == d - 1);
    if (mask) {
      for (int64_t k = 0; k < dims; ++k) {
        CLEW_CHECK(t.sizes()[static_cast<size_t>(k)] == sizes[static_cast<size_t>(d + k)], IndexError, op,
                   ": expected a mask of shape ", IntArrayRef(sizes.data() + d, static_cast<size_t>(dims)),
                   ", got ", t.sizes(), " (dimension ", d + k, " of input ", sizes, ")");
      }
      const int64_t count = mask_counts[i];
      plan.index_shape = broadcast_shapes(op, plan.index_shape, {count});
      for (int64_t k = 0; k < dims; ++k) plan.indexed.push_back({d + k, i, k});
    } else {
      plan.index_shape = broadcast_shapes(op, plan.index_shape, t.sizes());
      plan.indexed.push_back({d, i, -1});
    }
    d += dims;
  }
  for (; d < rank; ++d) kept.push_back(d);
  CLEW_CHECK(!plan.indexed.empty(), IndexError, op, ": expected at least one index tensor, got none");
  const int64_t first = adjacent ? plan.indexed[0].dim : 0;  // apart, the index dimensions go in front
  for (int64_t k : kept) (adjacent && k < first ? plan.before : plan.after).push_back(k);
  for (int64_t k : plan.before) plan.result.push_back(sizes[static_cast<size_t>(k)]);
  for (int64_t n : plan.index_shape) plan.result.push_back(n);
  for (int64_t k : plan.after) plan.result.push_back(sizes[static_cast<size_t>(k)]);
  return plan;
}

}  // namespace clew
