// Layer normalization: a warp or a block per row, which it reads for the mean, for the variance around that,
// and to write. Sums over rows, for the parameters: 32 neighbouring columns by 8 threads each, in chunks of
// rows that a second launch adds up in order.
#include "cuda/norm.h"
#include "cuda/share.cuh"

namespace clew::cuda {
namespace {

template <class T, class P, Sharing shape>
__global__ void __launch_bounds__(kThreads) layer_norm_kernel(const LayerNormPlan p) {
  using C = sum_t<T>;
  const auto [run, first, step] = Share<shape>();
  const bool live = run < p.rows;
  const int64_t last = live ? p.n : 0, base = live ? run * p.n : 0;
  const T* x = static_cast<const T*>(p.in) + base;
  T* y = static_cast<T*>(p.out) + base;
  const auto* weight = static_cast<const P*>(p.weight);
  const auto* bias = static_cast<const P*>(p.bias);
  C sum = 0;
  for (int64_t i = first; i < last; i += step) sum += static_cast<C>(x[i]);
  const C mean = share<shape>(Total<T>(), sum) / static_cast<C>(p.n);
  C squares = 0;
  for (int64_t i = first; i < last; i += step) {
    const C d = static_cast<C>(x[i]) - mean;
    squares += d * d;
  }
  const C var = share<shape>(Total<T>(), squares) / static_cast<C>(p.n);
  const C rstd = C(1) / math::sqrt(var + static_cast<C>(p.eps));
  if (live && first == 0) {
    static_cast<C*>(p.mean)[run] = mean;
    static_cast<C*>(p.rstd)[run] = rstd;
  }
  for (int64_t i = first; i < last; i += step) {
    C v = (static_cast<C>(x[i]) - mean) * rstd;
    if (weight != nullptr) v *= static_cast<C>(weight[i]);
    if (bias != nullptr) v += static_cast<C>(bias[i]);
    y[i] = static_cast<T>(v);
  }
}

/// dx = rstd (g w - E[g w] - xhat E[g w xhat])
template <class T, class P, Sharing shape>
__global__ void __launch_bounds__(kThreads) layer_norm_input_grad(const LayerNormPlan p) {
  using C = sum_t<T>;
  const auto [run, first, step] = Share<shape>();
  const bool live = run < p.rows;
  const int64_t last = live ? p.n : 0, base = live ? run * p.n : 0;
  const T* x = static_cast<const T*>(p.in) + base;
  const T* g = static_cast<const T*>(p.grad) + base;
  T* dx = static_cast<T*>(p.out) + base;
  const auto* weight = static_cast<const P*>(p.weight);
  const C mean = live ? static_cast<const C*>(p.mean)[run] : C(0),
          rstd = live ? static_cast<const C*>(p.rstd)[run] : C(0);
  const auto scaled = [&](int64_t i) {
    return weight != nullptr ? static_cast<C>(g[i]) * static_cast<C>(weight[i]) : static_cast<C>(g[i]);
  };
  C sum = 0, product = 0;
  for (int64_t i = first; i < last; i += step) {
    const C v = scaled(i);
    sum += v;
    product += v * ((static_cast<C>(x[i]) - mean) * rstd);
  }
  sum = share<shape>(Total<T>(), sum) / static_cast<C>(p.n);
  product = share<shape>(Total<T>(), product) / static_cast<C>(p.n);
  for (int64_t i = first; i < last; i += step) {
    const C hat = (static_cast<C>(x[i]) - mean) * rstd;
    dx[i] = static_cast<T>(rstd * (scaled(i) - sum - hat * product));
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) layer_norm_parameter_grad(const LayerNormPlan p) {
  using C = sum_t<T>;
  const int64_t tiles = (p.n + kWarp - 1) / kWarp;
  const int64_t column = blockIdx.x % tiles * kWarp + threadIdx.x % kWarp, chunk = blockIdx.x / tiles;
  const bool live = column < p.n;
  const int64_t begin = chunk * p.chunk, end = begin + p.chunk < p.rows ? begin + p.chunk : p.rows;
  C weight = 0, bias = 0;
  for (int64_t r = begin + threadIdx.x / kWarp; live && r < end; r += kThreads / kWarp) {
    const C g = static_cast<C>(static_cast<const T*>(p.grad)[r * p.n + column]);
    const C x = static_cast<C>(static_cast<const T*>(p.in)[r * p.n + column]);
    weight += g * ((x - static_cast<const C*>(p.mean)[r]) * static_cast<const C*>(p.rstd)[r]);
    bias += g;
  }
  weight = share<Sharing::Columns>(Total<T>(), weight);
  bias = share<Sharing::Columns>(Total<T>(), bias);
  if (!live || threadIdx.x >= kWarp) return;
  auto* partials = static_cast<C*>(p.partials);
  partials[chunk * p.n + column] = weight;
  partials[(p.chunks + chunk) * p.n + column] = bias;
}

template <class C>
__global__ void __launch_bounds__(kThreads) add_chunks(const LayerNormPlan p) {
  const int64_t i = thread_index();
  if (i >= 2 * p.n) return;
  const bool is_bias = i >= p.n;
  const int64_t column = is_bias ? i - p.n : i;
  const C* from = static_cast<const C*>(p.partials) + (is_bias ? p.chunks * p.n : 0) + column;
  C sum = 0;
  for (int64_t k = 0; k < p.chunks; ++k) sum += from[k * p.n];
  static_cast<C*>(is_bias ? p.grad_bias : p.grad_weight)[column] = sum;
}

/// Calls f<T, P>() for elements T and parameters P.
template <class F>
void dispatch_norm(DType dtype, DType parameter, F&& f) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    if (parameter == dtype) {
      f.template operator()<T, T>();
    } else {
      f.template operator()<T, sum_t<T>>();
    }
  });
}

}  // namespace

void run_layer_norm(DType dtype, DType parameter, const LayerNormPlan& p, Stream stream) {
  dispatch_norm(dtype, parameter, [&]<class T, class P>() {
    if (p.n <= kWarpRuns) {
      CLEW_LAUNCH((layer_norm_kernel<T, P, Sharing::Warp>), share_blocks<Sharing::Warp>(p.rows), kThreads, 0,
                  stream, p);
    } else {
      CLEW_LAUNCH((layer_norm_kernel<T, P, Sharing::Block>), share_blocks<Sharing::Block>(p.rows), kThreads,
                  0, stream, p);
    }
  });
}

void run_layer_norm_grad(DType dtype, DType parameter, const LayerNormPlan& p, Stream stream) {
  dispatch_norm(dtype, parameter, [&]<class T, class P>() {
    if (p.out != nullptr && p.n <= kWarpRuns) {
      CLEW_LAUNCH((layer_norm_input_grad<T, P, Sharing::Warp>), share_blocks<Sharing::Warp>(p.rows), kThreads,
                  0, stream, p);
    } else if (p.out != nullptr) {
      CLEW_LAUNCH((layer_norm_input_grad<T, P, Sharing::Block>), share_blocks<Sharing::Block>(p.rows),
                  kThreads, 0, stream, p);
    }
    if (p.grad_weight == nullptr) return;
    const auto tiles = static_cast<unsigned>((p.n + kWarp - 1) / kWarp * p.chunks);
    CLEW_LAUNCH((layer_norm_parameter_grad<T>), tiles, kThreads, 0, stream, p);
    CLEW_LAUNCH((add_chunks<sum_t<T>>), blocks_of_threads(2 * p.n), kThreads, 0, stream, p);
  });
}

}  // namespace clew::cuda
