// One element, or one sample, a thread.
#include "cuda/sampling.h"

#include "cuda/share.cuh"
#include "kernels/ordering.h"
#include "kernels/random_draws.h"

namespace clew::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads) bernoulli_kernel(T* out, const T* p, int64_t numel, uint64_t seed,
                                                             uint64_t offset, unsigned long long* bad) {
  const int64_t i = thread_index();
  if (i >= numel) return;
  const auto v = static_cast<double>(static_cast<compute_t<T>>(p[i]));
  if (!(v >= 0 && v <= 1)) atomicMin(bad, static_cast<unsigned long long>(i));
  out[i] = static_cast<T>(kernels::uniform53(seed, offset, i) < v ? compute_t<T>(1) : compute_t<T>(0));
}

__global__ void __launch_bounds__(kThreads) check_kernel(const Multinomial m, unsigned long long* bad) {
  const int64_t i = thread_index();
  if (i >= m.rows * m.n) return;
  const double v = m.weights[i];
  if (!(v >= 0 && v < HUGE_VAL)) atomicMin(bad, static_cast<unsigned long long>(i));
  if (i % m.n == m.n - 1 && !(m.sums[i] > 0)) atomicMin(bad + 1, static_cast<unsigned long long>(i / m.n));
}

__global__ void __launch_bounds__(kThreads) replaced_kernel(const Multinomial m) {
  const int64_t i = thread_index();
  if (i >= m.rows * m.samples) return;
  const int64_t row = i / m.samples;
  const double* sums = m.sums + row * m.n;
  const double at = kernels::uniform53(m.seed, m.offset, i) * sums[m.n - 1];
  int64_t first = 0, length = m.n;  // the first sum above `at`
  while (length > 0) {
    const int64_t half = length / 2;
    if (sums[first + half] <= at) {
      first += half + 1;
      length -= half + 1;
    } else {
      length = half;
    }
  }
  // Rounding may reach the end, where weights may be 0.
  if (first == m.n) --first;
  while (first > 0 && m.weights[row * m.n + first] == 0) --first;
  m.out[i] = first;
}

__global__ void __launch_bounds__(kThreads) times_kernel(const Multinomial m, SortItem* items) {
  const int64_t i = thread_index();
  if (i >= m.rows * m.n) return;
  const double time = kernels::exponential_clock(kernels::uniform53(m.seed, m.offset, i), m.weights[i]);
  items[i] = {kernels::ordered_key(time), i % m.n};
}

__global__ void __launch_bounds__(kThreads) first_kernel(const Multinomial m, const SortItem* sorted) {
  const int64_t i = thread_index();
  if (i < m.rows * m.samples) m.out[i] = sorted[i / m.samples * m.n + i % m.samples].at;
}

}  // namespace

void run_bernoulli(DType dtype, void* out, const void* p, int64_t numel, uint64_t seed, uint64_t offset,
                   unsigned long long* bad, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    CLEW_LAUNCH((bernoulli_kernel<T>), blocks_of_threads(numel), kThreads, 0, stream, static_cast<T*>(out),
                static_cast<const T*>(p), numel, seed, offset, bad);
  });
}

void run_multinomial_check(const Multinomial& m, unsigned long long* bad, Stream stream) {
  CLEW_LAUNCH((check_kernel), blocks_of_threads(m.rows * m.n), kThreads, 0, stream, m, bad);
}
void run_multinomial_replaced(const Multinomial& m, Stream stream) {
  CLEW_LAUNCH((replaced_kernel), blocks_of_threads(m.rows * m.samples), kThreads, 0, stream, m);
}
void run_multinomial_times(const Multinomial& m, SortItem* items, Stream stream) {
  CLEW_LAUNCH((times_kernel), blocks_of_threads(m.rows * m.n), kThreads, 0, stream, m, items);
}
void run_multinomial_first(const Multinomial& m, const SortItem* sorted, Stream stream) {
  CLEW_LAUNCH((first_kernel), blocks_of_threads(m.rows * m.samples), kThreads, 0, stream, m, sorted);
}

}  // namespace clew::cuda
