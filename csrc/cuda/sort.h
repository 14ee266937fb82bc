// Sorting as plain data.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"

namespace clew::cuda {

/// What is sorted: by key, equal keys by where they stood, so that the result is one only.
struct alignas(16) SortItem {
  uint64_t key;
  int64_t at;
};
/// Sorts each of `rows` runs of n items. The result lies in `items` or in `spare`, and is returned.
SortItem* run_sort(SortItem* items, SortItem* spare, int64_t rows, int64_t n, Stream stream);

/// A contiguous tensor as (outer, n, inner), sorted along n; its runs lie one behind the other as items. The
/// first k of each come out.
struct SortPlan {
  const void* in;
  void* values;
  int64_t* indices;
  int64_t outer, n, inner, k;
};
void run_sort_keys(SortItem* items, DType dtype, const SortPlan& plan, bool descending, Stream stream);
void run_sort_results(const SortItem* items, DType dtype, const SortPlan& plan, Stream stream);

}  // namespace clew::cuda
