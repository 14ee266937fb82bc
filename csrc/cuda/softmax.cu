// Softmax over rows or columns: one pass for what all elements of a run need, one that writes them.
//
// Rows: a warp or a block per run. Columns: 32 neighbouring runs by 8 threads each. See reduce.cuh.
#include "cuda/softmax.h"

#include "cuda/logsumexp.cuh"

namespace clew::cuda {
namespace {

enum class Shape : uint8_t { Warp, Block, Columns };

/// The sum of values, kept like T's sums.
template <class T>
struct Total {
  using Acc = sum_t<T>;
  CLEW_HD Acc init() const { return 0; }
  CLEW_HD Acc merge(Acc a, Acc b) const { return a + b; }
};

/// The merged results of all threads that share a run, in each of them.
template <Shape shape, class Op>
__device__ __forceinline__ typename Op::Acc share(const Op& op, typename Op::Acc acc) {
  using Acc = typename Op::Acc;
  if constexpr (shape == Shape::Warp) {
    for (unsigned by = kWarp / 2; by > 0; by /= 2) acc = op.merge(acc, shuffle_down(acc, by));
    CLEW_SHARED(Acc, firsts, kThreads / kWarp);
    const unsigned warp = threadIdx.x / kWarp;
    if (threadIdx.x % kWarp == 0) firsts[warp] = acc;
    __syncwarp();
    return firsts[warp];
  } else {
    CLEW_SHARED(Acc, parts, kThreads);
    parts[threadIdx.x] = acc;
    __syncthreads();
    constexpr unsigned kStep = shape == Shape::Block ? 1 : kWarp;
    const unsigned first = shape == Shape::Block ? 0 : threadIdx.x % kWarp;
    if constexpr (shape == Shape::Block) {
      for (unsigned half = kThreads / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) parts[threadIdx.x] = op.merge(parts[threadIdx.x], parts[threadIdx.x + half]);
        __syncthreads();
      }
      return parts[0];
    } else {
      Acc all = parts[first];
      for (unsigned i = 1; i < kThreads / kWarp; ++i) all = op.merge(all, parts[first + i * kStep]);
      return all;
    }
  }
}

template <class T, SoftmaxKind kind, Shape shape>
__global__ void __launch_bounds__(kThreads) softmax_kernel(const SoftmaxPlan p) {
  using C = sum_t<T>;
  int64_t run, first, step;
  if constexpr (shape == Shape::Warp) {
    run = static_cast<int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
    first = threadIdx.x % kWarp;
    step = kWarp;
  } else if constexpr (shape == Shape::Block) {
    run = blockIdx.x;
    first = threadIdx.x;
    step = kThreads;
  } else {
    run = static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x % kWarp;
    first = threadIdx.x / kWarp;
    step = kThreads / kWarp;
  }
  const bool live = run < p.outer * p.inner;
  const int64_t base = live ? run / p.inner * p.n * p.inner + run % p.inner : 0, last = live ? p.n : 0;
  const T* a = static_cast<const T*>(p.a) + base;
  T* out = static_cast<T*>(p.out) + base;
  if constexpr (kind == SoftmaxKind::softmax || kind == SoftmaxKind::log_softmax) {
    const LogSumExp<T> op;
    typename LogSumExp<T>::Acc acc = op.init();
    for (int64_t i = first; i < last; i += step)
      acc = op.fold(acc, static_cast<compute_t<T>>(a[i * p.inner]), i);
    acc = share<shape>(op, acc);
    // An infinite largest value has no softmax.
    const C max = acc.max, sum = max == static_cast<C>(HUGE_VAL) ? static_cast<C>(math::kNaN) : acc.sum;
    const C log_sum = math::log(sum);
    for (int64_t i = first; i < last; i += step) {
      const C x = static_cast<C>(a[i * p.inner]) - max;
      out[i * p.inner] = static_cast<T>(kind == SoftmaxKind::softmax ? math::exp(x) / sum : x - log_sum);
    }
  } else {
    const T* y = static_cast<const T*>(p.b) + base;
    C sum = 0;
    for (int64_t i = first; i < last; i += step) {
      const C g = static_cast<C>(a[i * p.inner]);
      sum += kind == SoftmaxKind::softmax_grad ? g * static_cast<C>(y[i * p.inner]) : g;
    }
    sum = share<shape>(Total<T>(), sum);
    for (int64_t i = first; i < last; i += step) {
      const C g = static_cast<C>(a[i * p.inner]), v = static_cast<C>(y[i * p.inner]);
      out[i * p.inner] =
          static_cast<T>(kind == SoftmaxKind::softmax_grad ? v * (g - sum) : g - math::exp(v) * sum);
    }
  }
}

template <class T, SoftmaxKind kind>
void launch_softmax(const SoftmaxPlan& p, Stream stream) {
  const int64_t runs = p.outer * p.inner;
  const auto blocks = [&](int64_t each) { return static_cast<unsigned>((runs + each - 1) / each); };
  if (p.inner >= 8) {
    CLEW_LAUNCH((softmax_kernel<T, kind, Shape::Columns>), blocks(kWarp), kThreads, 0, stream, p);
  } else if (p.n <= kWarpRuns) {
    CLEW_LAUNCH((softmax_kernel<T, kind, Shape::Warp>), blocks(kThreads / kWarp), kThreads, 0, stream, p);
  } else {
    CLEW_LAUNCH((softmax_kernel<T, kind, Shape::Block>), blocks(1), kThreads, 0, stream, p);
  }
}

}  // namespace

void run_softmax(SoftmaxKind kind, DType dtype, const SoftmaxPlan& plan, Stream stream) {
  if (plan.outer * plan.n * plan.inner == 0) return;
  dispatch<kFloating>(dtype, [&]<class T>() {
    switch (kind) {
      case SoftmaxKind::softmax:
        return launch_softmax<T, SoftmaxKind::softmax>(plan, stream);
      case SoftmaxKind::log_softmax:
        return launch_softmax<T, SoftmaxKind::log_softmax>(plan, stream);
      case SoftmaxKind::softmax_grad:
        return launch_softmax<T, SoftmaxKind::softmax_grad>(plan, stream);
      case SoftmaxKind::log_softmax_grad:
        return launch_softmax<T, SoftmaxKind::log_softmax_grad>(plan, stream);
    }
  });
}

}  // namespace clew::cuda
