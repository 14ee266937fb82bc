// Reading and writing at places that index tensors name, as plain data.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/sort.h"

namespace clew::cuda {

/// From a linear index to an offset in elements. Dimensions lie innermost first, neighbours that are
/// contiguous with each other merged.
struct PlaceDims {
  int rank = 0;
  int64_t sizes[64], strides[64];

  /// The next dimension outwards.
  void add(int64_t size, int64_t stride) {
    if (size == 1) return;
    if (rank > 0 && stride == strides[rank - 1] * sizes[rank - 1]) {
      sizes[rank - 1] *= size;
      return;
    }
    sizes[rank] = size;
    strides[rank++] = stride;
  }
  CLEW_HD int64_t offset(int64_t index) const {
    int64_t at = 0;
    for (int d = 0; d + 1 < rank; ++d) {
      const int64_t rest = index / sizes[d];
      at += (index - rest * sizes[d]) * strides[d];
      index = rest;
    }
    return rank > 0 ? at + index * strides[rank - 1] : 0;
  }
};

/// Elements by (before, position, after); position p stands at offsets[p].
struct Places {
  const int64_t* offsets;
  int64_t positions = 0;
  int64_t before = 1, after = 1;
  PlaceDims before_dims, after_dims;
  int64_t numel() const { return before * positions * after; }
};

/// offsets[p] = (first ? 0 : offsets[p]) + base.offset(p) + values[p] * stride. The least p whose value is
/// out of range goes to `bad`, which is ~0 before; negative values count from the end where `negative` says
/// so.
struct AddOffsets {
  int64_t* offsets;
  const int64_t* values;
  unsigned long long* bad;
  int64_t count, size, stride;
  bool first, negative;
  PlaceDims base;
};
void run_add_offsets(const AddOffsets& plan, Stream stream);

/// out, contiguous, gets the elements at the places of `in`; `item` bytes each, 1 to 16.
void run_read_places(void* out, const void* in, size_t item, const Places& places, Stream stream);

/// Items whose keys are the offsets.
void run_offset_items(SortItem* items, const int64_t* offsets, int64_t count, Stream stream);

enum class Write : uint8_t { Replace, Add, Multiply };
/// Writes `values`, contiguous, or one for all, to the places of `out`. Positions of one offset are written
/// in order by one thread: `sorted` are the items of the offsets in order. Null: no two offsets are equal, or
/// it does not matter.
struct WritePlan {
  void* out;
  const void* values;
  const SortItem* sorted;
  bool one_value;
  double alpha = 1;  // what values are multiplied by before they are added
  int64_t integer_alpha = 1;
};
void run_write_places(Write mode, DType dtype, const WritePlan& plan, const Places& places, Stream stream);

/// Coordinates of the true ones among `bools`, of sizes[0] x ... x sizes[rank - 1]: rows of `out`. counts[i]
/// is how many of the first i + 1 are true.
void run_coordinates(int64_t* out, const void* bools, const int64_t* counts, int64_t numel, int rank,
                     const int64_t* sizes, Stream stream);

}  // namespace clew::cuda
