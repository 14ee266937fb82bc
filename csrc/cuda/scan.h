// Running sums and their relatives as plain data.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/driver.h"

namespace clew::cuda {

/// Contiguous tensors as (outer, n, inner); the scan runs over n. Runs may be cut into chunks: a first launch
/// leaves what each chunk adds up to, a second one makes of that where each begins, a third one writes.
struct ScanPlan {
  const void* in;
  void* out;
  int64_t* places;  // cummax and cummin: where the extremum stands
  int64_t outer, n, inner;
  int64_t chunk = 0, chunks = 1;
};
enum class Scan : uint8_t { sum, product, max, min, logsumexp, count };

/// How many bytes a chunk's result takes, and the launch. `partials` may be null when there is one chunk.
struct ScanLaunch {
  size_t partial_bytes;
  void (*run)(const ScanPlan&, void* partials, Stream);
};
struct ScanTable {
  ScanLaunch at[static_cast<int>(Scan::count)][kDTypeCount];
};
extern const ScanTable scan_table;

class Launch;
/// Chooses the chunks and runs: `dtype` is that of `in` and `out`.
void run_scan(Scan scan, DType dtype, ScanPlan plan, const Launch& launch);

/// Binary search: out[i], int64 or int32, is where values[i] would be put into row i / per_row of `sorted`,
/// of n elements.
struct Search {
  void* out;
  const void* sorted;
  const void* values;
  int64_t count, per_row, n;
  bool narrow, right;
};
void run_search(DType dtype, const Search& search, Stream stream);

}  // namespace clew::cuda
