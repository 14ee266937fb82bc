// Losses: rows by a warp or a block each, all else one element a thread, sums by one block.
#include "cuda/loss.h"

#include "cuda/logsumexp.cuh"
#include "cuda/share.cuh"

namespace clew::cuda {
namespace {

/// The class of target i, or -1 where it is ignored or out of range, which is noted.
__device__ __forceinline__ int64_t class_of(const ClassLoss& p, int64_t i) {
  const int64_t t = p.targets[i];
  if (t == p.ignore_index) return -1;
  if (t >= 0 && t < p.classes) return t;
  atomicMin(p.bad, static_cast<unsigned long long>(i));
  return -1;
}
template <class C>
__device__ __forceinline__ C weight_of(const ClassLoss& p, int64_t target) {
  if (target < 0) return 0;
  return p.weight != nullptr ? static_cast<const C*>(p.weight)[target] : C(1);
}
template <class C>
__device__ __forceinline__ void put_loss(const ClassLoss& p, int64_t i, C loss, C weight) {
  if (p.each != nullptr) static_cast<C*>(p.each)[i] = loss;
  if (p.weights != nullptr) static_cast<C*>(p.weights)[i] = weight;
}

template <class T>
__global__ void __launch_bounds__(kThreads) nll_kernel(const ClassLoss p) {
  using C = sum_t<T>;
  const int64_t i = thread_index();
  if (i >= p.outer * p.inner) return;
  const int64_t t = class_of(p, i);
  const C w = weight_of<C>(p, t);
  C loss = 0;
  if (t >= 0 && p.each != nullptr)
    loss = w * -static_cast<C>(
                   static_cast<const T*>(p.in)[(i / p.inner * p.classes + t) * p.inner + i % p.inner]);
  put_loss(p, i, loss, w);
}

template <class T, Sharing shape>
__global__ void __launch_bounds__(kThreads) cross_entropy_kernel(const ClassLoss p) {
  using C = sum_t<T>;
  const auto [run, first, step] = Share<shape>();
  const bool live = run < p.outer;
  const T* x = static_cast<const T*>(p.in) + (live ? run * p.classes : 0);
  const LogSumExp<C> op;
  typename LogSumExp<C>::Acc acc = op.init();
  for (int64_t i = first; live && i < p.classes; i += step) acc = op.fold(acc, static_cast<C>(x[i]), i);
  acc = share<shape>(op, acc);
  if (!live || first != 0) return;
  const C logsumexp = op.finish(acc, p.classes);
  static_cast<C*>(p.logsumexp)[run] = logsumexp;
  const int64_t t = class_of(p, run);
  const C w = weight_of<C>(p, t);
  put_loss(p, run, t >= 0 ? w * (logsumexp - static_cast<C>(x[t])) : C(0), w);
}

struct Sums {
  double loss, weight;
};
struct SumsTotal {
  using Acc = Sums;
  CLEW_HD Acc merge(const Acc& a, const Acc& b) const { return {a.loss + b.loss, a.weight + b.weight}; }
};

template <class T, LossSum kind>
__global__ void __launch_bounds__(kThreads) loss_sum_kernel(void* out, const ClassLoss p) {
  using C = sum_t<T>;
  Sums sum{0, 0};
  for (int64_t i = threadIdx.x; i < p.outer * p.inner; i += kThreads) {
    if constexpr (kind != LossSum::Scale) sum.loss += static_cast<double>(static_cast<const C*>(p.each)[i]);
    if constexpr (kind != LossSum::Sum)
      sum.weight += static_cast<double>(static_cast<const C*>(p.weights)[i]);
  }
  sum = share<Sharing::Block>(SumsTotal(), sum);
  if (threadIdx.x != 0) return;
  if constexpr (kind == LossSum::Scale) {
    *static_cast<C*>(out) = static_cast<C>(1.0 / sum.weight);
  } else {
    const double v = kind == LossSum::Mean ? sum.loss / sum.weight : sum.loss;
    *static_cast<T*>(out) = static_cast<T>(static_cast<C>(v));
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_grad_kernel(const ClassLoss p, const CrossEntropyGrad g) {
  using C = sum_t<T>;
  const int64_t e = thread_index();
  if (e >= p.outer * p.classes) return;
  const int64_t row = e / p.classes, t = class_of(p, row);
  C v = 0;
  if (t >= 0) {
    const C scale = g.scale != nullptr ? *static_cast<const C*>(g.scale) : C(1);
    const C factor =
        static_cast<C>(static_cast<const T*>(g.grad)[row * g.grad_step]) * weight_of<C>(p, t) * scale;
    v = math::exp(static_cast<C>(static_cast<const T*>(p.in)[e]) - static_cast<const C*>(p.logsumexp)[row]) *
        factor;
    if (e - row * p.classes == t) v -= factor;
  }
  static_cast<T*>(g.out)[e] = static_cast<T>(v);
}

template <class T>
__global__ void __launch_bounds__(kThreads) log_sigmoid_kernel(T* out, const T* in, int64_t numel) {
  const int64_t i = thread_index();
  if (i >= numel) return;
  const auto x = static_cast<compute_t<T>>(in[i]);
  out[i] = static_cast<T>((x < 0 ? x : compute_t<T>(0)) - math::log1p(math::exp(-math::abs(x))));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    binary_cross_entropy_kernel(T* out, const T* in, const T* target, int64_t numel,
                                unsigned long long* bad) {
  using C = compute_t<T>;
  const int64_t i = thread_index();
  if (i >= numel) return;
  const C x = static_cast<C>(in[i]), t = static_cast<C>(target[i]);
  if (!(x >= 0 && x <= 1)) {
    atomicMin(bad, static_cast<unsigned long long>(i));
    return;
  }
  // Logarithms end at -100, so that the loss stays finite.
  const C yes = math::log(x), no = math::log1p(-x), least = -100;
  out[i] = static_cast<T>((t - C(1)) * (no > least ? no : least) - t * (yes > least ? yes : least));
}

}  // namespace

void run_nll(DType dtype, const ClassLoss& loss, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    CLEW_LAUNCH((nll_kernel<T>), blocks_of_threads(loss.count()), kThreads, 0, stream, loss);
  });
}

void run_cross_entropy(DType dtype, const ClassLoss& loss, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    if (loss.classes <= kWarpRuns) {
      CLEW_LAUNCH((cross_entropy_kernel<T, Sharing::Warp>), share_blocks<Sharing::Warp>(loss.outer), kThreads,
                  0, stream, loss);
    } else {
      CLEW_LAUNCH((cross_entropy_kernel<T, Sharing::Block>), share_blocks<Sharing::Block>(loss.outer),
                  kThreads, 0, stream, loss);
    }
  });
}

void run_loss_sum(LossSum kind, DType dtype, void* out, const ClassLoss& loss, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    switch (kind) {
      case LossSum::Sum:
        CLEW_LAUNCH((loss_sum_kernel<T, LossSum::Sum>), 1, kThreads, 0, stream, out, loss);
        break;
      case LossSum::Mean:
        CLEW_LAUNCH((loss_sum_kernel<T, LossSum::Mean>), 1, kThreads, 0, stream, out, loss);
        break;
      case LossSum::Scale:
        CLEW_LAUNCH((loss_sum_kernel<T, LossSum::Scale>), 1, kThreads, 0, stream, out, loss);
        break;
    }
  });
}

void run_cross_entropy_grad(DType dtype, const ClassLoss& loss, const CrossEntropyGrad& grad, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    CLEW_LAUNCH((cross_entropy_grad_kernel<T>), blocks_of_threads(loss.outer * loss.classes), kThreads, 0,
                stream, loss, grad);
  });
}

void run_log_sigmoid(DType dtype, void* out, const void* in, int64_t numel, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    CLEW_LAUNCH((log_sigmoid_kernel<T>), blocks_of_threads(numel), kThreads, 0, stream, static_cast<T*>(out),
                static_cast<const T*>(in), numel);
  });
}

void run_binary_cross_entropy(DType dtype, void* out, const void* in, const void* target, int64_t numel,
                              unsigned long long* bad, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    CLEW_LAUNCH((binary_cross_entropy_kernel<T>), blocks_of_threads(numel), kThreads, 0, stream,
                static_cast<T*>(out), static_cast<const T*>(in), static_cast<const T*>(target), numel, bad);
  });
}

}  // namespace clew::cuda
