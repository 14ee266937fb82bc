// Softmax over rows or columns: one pass for what all elements of a run need, one that writes them.
//
// Rows: a warp or a block per run. Columns: 32 neighbouring runs by 8 threads each. See reduce.cuh.
#include "cuda/softmax.h"

#include "cuda/logsumexp.cuh"
#include "cuda/share.cuh"

namespace clew::cuda {
namespace {

template <class T, SoftmaxKind kind, Sharing shape>
__global__ void __launch_bounds__(kThreads) softmax_kernel(const SoftmaxPlan p) {
  using C = sum_t<T>;
  const auto [run, first, step] = Share<shape>();
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
  if (p.inner >= 8) {
    CLEW_LAUNCH((softmax_kernel<T, kind, Sharing::Columns>), share_blocks<Sharing::Columns>(runs), kThreads,
                0, stream, p);
  } else if (p.n <= kWarpRuns) {
    CLEW_LAUNCH((softmax_kernel<T, kind, Sharing::Warp>), share_blocks<Sharing::Warp>(runs), kThreads, 0,
                stream, p);
  } else {
    CLEW_LAUNCH((softmax_kernel<T, kind, Sharing::Block>), share_blocks<Sharing::Block>(runs), kThreads, 0,
                stream, p);
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
