// Samples from given chances as plain data.
#pragma once

#include <cstdint>

#include "clew/core/dtype.h"
#include "cuda/sort.h"

namespace clew::cuda {

/// out[i] = 1 with probability p[i]; `bad` gets the least position of a p outside of [0, 1]; ~0 before.
void run_bernoulli(DType dtype, void* out, const void* p, int64_t numel, uint64_t seed, uint64_t offset,
                   unsigned long long* bad, Stream stream);

/// Rows of n weights, and their running sums.
struct Multinomial {
  const double* weights;
  const double* sums;
  int64_t* out;  // (rows, samples)
  int64_t rows, n, samples;
  uint64_t seed, offset;
};
/// bad[0] gets the least position of a weight that is negative or not finite, bad[1] the least row without a
/// positive sum; both ~0 before.
void run_multinomial_check(const Multinomial& plan, unsigned long long* bad, Stream stream);
void run_multinomial_replaced(const Multinomial& plan, Stream stream);
/// Without replacement: each category's time as items to sort, and what sorting gave.
void run_multinomial_times(const Multinomial& plan, SortItem* items, Stream stream);
void run_multinomial_first(const Multinomial& plan, const SortItem* sorted, Stream stream);

}  // namespace clew::cuda
