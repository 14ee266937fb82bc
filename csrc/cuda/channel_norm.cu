// Batch normalization: sums over channels, a few numbers per channel, one pass over all elements.
//
// Sums run in double around the channel's first element, so that one pass gives mean and variance. Channels
// of many neighbouring elements: a block per chunk of a channel. Channels that lie side by side: 32 of them
// by 8 threads each.
#include "cuda/norm.h"
#include "cuda/share.cuh"

namespace clew::cuda {
namespace {

struct Pair {
  double a, b;
};
struct PairTotal {
  using Acc = Pair;
  CLEW_HD Acc merge(const Acc& x, const Acc& y) const { return {x.a + y.a, x.b + y.b}; }
};

/// What the channel's elements are measured from: for statistics its first one.
template <class T, bool is_grad>
__device__ __forceinline__ double center(const ChannelPlan& p, int64_t c) {
  using C = sum_t<T>;
  return is_grad ? static_cast<double>(static_cast<const C*>(p.mean)[c])
                 : static_cast<double>(static_cast<C>(static_cast<const T*>(p.in)[c * p.length]));
}

/// Statistics: sums of x - center and its square. Gradients: sums of g and g (x - mean).
template <class T, bool is_grad, Sharing shape>
__global__ void __launch_bounds__(kThreads) channel_sums(const ChannelPlan p) {
  using C = sum_t<T>;
  static_assert(shape != Sharing::Warp);
  int64_t c, chunk, first, step;
  if constexpr (shape == Sharing::Block) {
    c = blockIdx.x / p.chunks;
    chunk = blockIdx.x % p.chunks;
    first = threadIdx.x;
    step = kThreads;
  } else {
    const int64_t tiles = (p.channels + kWarp - 1) / kWarp;
    c = blockIdx.x % tiles * kWarp + threadIdx.x % kWarp;
    chunk = blockIdx.x / tiles;
    first = threadIdx.x / kWarp;
    step = kThreads / kWarp;
  }
  const bool live = c < p.channels;
  const int64_t count = p.n * p.length, begin = chunk * p.chunk,
                end = begin + p.chunk < count ? begin + p.chunk : count;
  const double middle = live ? center<T, is_grad>(p, c) : 0;
  Pair sum{0, 0};
  for (int64_t e = begin + first; live && e < end; e += step) {
    const int64_t i = p.length == 1 ? e : e / p.length;
    const int64_t at = (i * p.channels + c) * p.length + (e - i * p.length);
    const double d = static_cast<double>(static_cast<C>(static_cast<const T*>(p.in)[at])) - middle;
    if constexpr (is_grad) {
      const auto g = static_cast<double>(static_cast<C>(static_cast<const T*>(p.grad)[at]));
      sum.a += g;
      sum.b += g * d;
    } else {
      sum.a += d;
      sum.b += d * d;
    }
  }
  sum = share<shape>(PairTotal(), sum);
  if (live && (shape == Sharing::Block ? threadIdx.x == 0 : threadIdx.x < kWarp))
    static_cast<Pair*>(p.partials)[c * p.chunks + chunk] = sum;
}

/// One channel a thread.
template <class T, bool is_grad>
__global__ void __launch_bounds__(kThreads) channel_factors(const ChannelPlan p) {
  using C = sum_t<T>;
  const int64_t c = thread_index();
  if (c >= p.channels) return;
  Pair sum{0, 0};
  for (int64_t k = 0; k < p.chunks; ++k)
    sum = PairTotal().merge(sum, static_cast<const Pair*>(p.partials)[c * p.chunks + k]);
  const double count = static_cast<double>(p.n) * static_cast<double>(p.length);
  const double weight = p.weight != nullptr ? static_cast<double>(static_cast<const C*>(p.weight)[c]) : 1.0;
  auto* factors = static_cast<C*>(p.factors);
  if constexpr (is_grad) {
    const double rstd = 1.0 / math::sqrt(static_cast<double>(static_cast<const C*>(p.var)[c]) + p.eps);
    const double scale = rstd * weight;
    factors[c] = static_cast<C>(scale);
    factors[p.channels + c] = static_cast<C>(-scale * rstd * rstd * sum.b / count);
    factors[2 * p.channels + c] = static_cast<C>(-scale * sum.a / count);
    if (p.grad_weight == nullptr) return;
    static_cast<C*>(p.grad_weight)[c] = static_cast<C>(sum.b * rstd);
    static_cast<C*>(p.grad_bias)[c] = static_cast<C>(sum.a);
  } else {
    const double shift = sum.a / count, spread = sum.b / count - shift * shift;
    const double var = spread < 0 ? 0 : spread;  // NaN stays
    static_cast<C*>(p.mean)[c] = static_cast<C>(center<T, false>(p, c) + shift);
    static_cast<C*>(p.var)[c] = static_cast<C>(var);
    factors[c] = static_cast<C>(weight / math::sqrt(var + p.eps));
    factors[p.channels + c] = p.bias != nullptr ? static_cast<const C*>(p.bias)[c] : C(0);
  }
}

/// The channel of an element.
struct ChannelOf {
  FastDivider length, channels;
  int64_t wide_length, wide_channels;
  bool narrow;
  explicit ChannelOf(const ChannelPlan& p)
      : wide_length(p.length), wide_channels(p.channels), narrow(p.n * p.channels * p.length <= INT32_MAX) {
    if (!narrow) return;
    length = FastDivider(static_cast<uint32_t>(p.length));
    channels = FastDivider(static_cast<uint32_t>(p.channels));
  }
  CLEW_HD int64_t operator()(int64_t e) const {
    if (!narrow) return e / wide_length % wide_channels;
    const uint32_t segment = length.divide(static_cast<uint32_t>(e));
    return segment - channels.divide(segment) * channels.divisor;
  }
};

template <class T, bool is_grad>
__global__ void __launch_bounds__(kThreads) channel_apply(const ChannelPlan p, const ChannelOf channel_of) {
  using C = sum_t<T>;
  const int64_t e = thread_index();
  if (e >= p.n * p.channels * p.length) return;
  const int64_t c = channel_of(e);
  const auto* f = static_cast<const C*>(p.factors);
  const C x = static_cast<C>(static_cast<const T*>(p.in)[e]);
  const C d = p.mean != nullptr ? x - static_cast<const C*>(p.mean)[c] : x;
  if constexpr (is_grad) {
    const C g = static_cast<C>(static_cast<const T*>(p.grad)[e]);
    static_cast<T*>(p.out)[e] = static_cast<T>(f[c] * g + (f[p.channels + c] * d + f[2 * p.channels + c]));
  } else {
    static_cast<T*>(p.out)[e] = static_cast<T>(d * f[c] + f[p.channels + c]);
  }
}

template <class T, bool is_grad>
void launch_sums(const ChannelPlan& p, Stream stream) {
  if (p.length >= 8 || p.channels < 8) {
    const auto blocks = static_cast<unsigned>(p.channels * p.chunks);
    CLEW_LAUNCH((channel_sums<T, is_grad, Sharing::Block>), blocks, kThreads, 0, stream, p);
  } else {
    const auto blocks = static_cast<unsigned>((p.channels + kWarp - 1) / kWarp * p.chunks);
    CLEW_LAUNCH((channel_sums<T, is_grad, Sharing::Columns>), blocks, kThreads, 0, stream, p);
  }
  CLEW_LAUNCH((channel_factors<T, is_grad>), blocks_of_threads(p.channels), kThreads, 0, stream, p);
}

template <bool is_grad>
void launch_apply(DType dtype, const ChannelPlan& p, Stream stream) {
  const unsigned blocks = blocks_of_threads(p.n * p.channels * p.length);
  const ChannelOf channel_of(p);
  dispatch<kFloating>(dtype, [&]<class T>() {
    CLEW_LAUNCH((channel_apply<T, is_grad>), blocks, kThreads, 0, stream, p, channel_of);
  });
}

}  // namespace

void run_channel_stats(DType dtype, const ChannelPlan& plan, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() { launch_sums<T, false>(plan, stream); });
}
void run_channel_grads(DType dtype, const ChannelPlan& plan, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() { launch_sums<T, true>(plan, stream); });
}
void run_channel_affine(DType dtype, const ChannelPlan& plan, Stream stream) {
  launch_apply<false>(dtype, plan, stream);
}
void run_channel_input_grad(DType dtype, const ChannelPlan& plan, Stream stream) {
  launch_apply<true>(dtype, plan, stream);
}

}  // namespace clew::cuda
