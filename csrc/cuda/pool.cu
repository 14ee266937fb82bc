// Pooling: a thread per output, or a block where windows are large. Gradients: a thread per input, which
// finds the windows that cover it, so that nothing is added by two threads.
#include "cuda/pool.h"

#include <limits>

#include "cuda/share.cuh"
#include "kernels/spans.h"

namespace clew::cuda {
namespace {

using kernels::Span;

/// Place of a linear index in planes of (h, w).
struct PlanePlace {
  int64_t plane, y, x;
  CLEW_HD PlanePlace(int64_t i, int64_t h, int64_t w) : plane(i / (h * w)), y(i / w % h), x(i % w) {}
};

template <class C>
constexpr C kLowest = std::numeric_limits<C>::has_infinity ? -std::numeric_limits<C>::infinity()
                                                           : std::numeric_limits<C>::lowest();

template <class T>
__global__ void __launch_bounds__(kThreads) max_kernel(const PoolPlan p) {
  using C = acc_t<T>;
  const int64_t i = thread_index();
  if (i >= p.planes * p.oh * p.ow) return;
  const PlanePlace o(i, p.oh, p.ow);
  const Span ys = kernels::max_span(o.y, p.h, p.kh, p.sh, p.ph, p.dh),
             xs = kernels::max_span(o.x, p.w, p.kw, p.sw, p.pw, p.dw);
  const T* in = static_cast<const T*>(p.in) + o.plane * p.h * p.w;
  C best = kLowest<C>;
  int64_t at = ys.first * p.w + xs.first;
  for (int64_t y = ys.first; y < ys.last; y += p.dh) {
    for (int64_t x = xs.first; x < xs.last; x += p.dw) {
      const C v = static_cast<C>(in[y * p.w + x]);
      if (v > best || v != v) {
        best = v;
        at = y * p.w + x;
      }
    }
  }
  static_cast<T*>(p.out)[i] = static_cast<T>(best);
  p.indices[i] = at;
}

CLEW_HD Span span_y(const PoolPlan& p, int64_t o) {
  return p.adaptive ? kernels::adaptive_span(o, p.h, p.oh)
                    : kernels::average_span(o, p.h, p.kh, p.sh, p.ph, p.count_padding);
}
CLEW_HD Span span_x(const PoolPlan& p, int64_t o) {
  return p.adaptive ? kernels::adaptive_span(o, p.w, p.ow)
                    : kernels::average_span(o, p.w, p.kw, p.sw, p.pw, p.count_padding);
}
CLEW_HD int64_t count_of(const PoolPlan& p, const Span& y, const Span& x) {
  return p.divisor != 0 ? p.divisor : y.length * x.length;
}

template <class T>
struct PoolTotal {
  using Acc = acc_t<T>;
  CLEW_HD Acc merge(Acc a, Acc b) const { return a + b; }
};

template <class T, bool by_block>
__global__ void __launch_bounds__(kThreads) average_kernel(const PoolPlan p) {
  using C = acc_t<T>;
  const int64_t i = by_block ? static_cast<int64_t>(blockIdx.x) : thread_index();
  if (i >= p.planes * p.oh * p.ow) return;
  const PlanePlace o(i, p.oh, p.ow);
  const Span ys = span_y(p, o.y), xs = span_x(p, o.x);
  const T* in = static_cast<const T*>(p.in) + o.plane * p.h * p.w;
  const int64_t width = xs.last - xs.first, n = (ys.last - ys.first) * width;
  C sum = 0;
  if constexpr (by_block) {
    for (int64_t k = threadIdx.x; k < n; k += kThreads)
      sum += static_cast<C>(in[(ys.first + k / width) * p.w + xs.first + k % width]);
    sum = share<Sharing::Block>(PoolTotal<T>(), sum);
    if (threadIdx.x != 0) return;
  } else {
    for (int64_t y = ys.first; y < ys.last; ++y) {
      for (int64_t x = xs.first; x < xs.last; ++x) sum += static_cast<C>(in[y * p.w + x]);
    }
  }
  static_cast<T*>(p.out)[i] = static_cast<T>(n == 0 ? C(0) : sum / static_cast<C>(count_of(p, ys, xs)));
}

/// The windows [first, last) of one axis that may cover position `at`.
struct Covering {
  int64_t first, last;
  CLEW_HD Covering(const PoolPlan& p, int64_t at, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                   int64_t padding) {
    if (p.adaptive) {
      first = at * out / in;
      last = ceil_div((at + 1) * out, in);
    } else {
      const int64_t reach = at + padding - kernel + 1;
      first = reach > 0 ? ceil_div(reach, stride) : 0;
      last = (at + padding) / stride + 1;
    }
    last = last < out ? last : out;
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads) average_grad_kernel(const PoolPlan p) {
  using C = acc_t<T>;
  const int64_t i = thread_index();
  if (i >= p.planes * p.h * p.w) return;
  const PlanePlace at(i, p.h, p.w);
  const Covering ys(p, at.y, p.h, p.oh, p.kh, p.sh, p.ph), xs(p, at.x, p.w, p.ow, p.kw, p.sw, p.pw);
  const T* g = static_cast<const T*>(p.in) + at.plane * p.oh * p.ow;
  C sum = 0;
  for (int64_t oy = ys.first; oy < ys.last; ++oy) {
    const Span y = span_y(p, oy);
    if (at.y < y.first || at.y >= y.last) continue;
    for (int64_t ox = xs.first; ox < xs.last; ++ox) {
      const Span x = span_x(p, ox);
      if (at.x < x.first || at.x >= x.last) continue;
      sum += static_cast<C>(g[oy * p.ow + ox]) / static_cast<C>(count_of(p, y, x));
    }
  }
  static_cast<T*>(p.out)[i] = static_cast<T>(sum);
}

template <class T>
__global__ void __launch_bounds__(kThreads) resize_kernel(const ResizePlan p) {
  using C = acc_t<T>;
  const int64_t i = thread_index();
  if (i >= p.outer * p.rows * p.inner) return;
  const int64_t k = i % p.inner, row = i / p.inner % p.rows, o = i / p.inner / p.rows;
  const T* in = static_cast<const T*>(p.in) + o * p.columns * p.inner + k;
  const auto* weight = static_cast<const C*>(p.weight);
  C sum = 0;
  for (int64_t e = p.start[row]; e < p.start[row + 1]; ++e)
    sum += weight[e] * static_cast<C>(in[p.index[e] * p.inner]);
  static_cast<T*>(p.out)[i] = static_cast<T>(sum);
}

}  // namespace

void run_max_pool(DType dtype, const PoolPlan& p, Stream stream) {
  dispatch<kNumeric>(dtype, [&]<class T>() {
    CLEW_LAUNCH((max_kernel<T>), blocks_of_threads(p.planes * p.oh * p.ow), kThreads, 0, stream, p);
  });
}

void run_average_pool(DType dtype, const PoolPlan& p, Stream stream) {
  constexpr int64_t kLargeWindow = 1024;
  const int64_t windows = p.planes * p.oh * p.ow;
  const int64_t window =
      p.adaptive ? p.h * p.w / (p.oh * p.ow) : (p.kh < p.h ? p.kh : p.h) * (p.kw < p.w ? p.kw : p.w);
  dispatch<kFloating | dtype_set(DType::Int64)>(dtype, [&]<class T>() {
    if (window >= kLargeWindow) {
      CLEW_LAUNCH((average_kernel<T, true>), static_cast<unsigned>(windows), kThreads, 0, stream, p);
    } else {
      CLEW_LAUNCH((average_kernel<T, false>), blocks_of_threads(windows), kThreads, 0, stream, p);
    }
  });
}

void run_average_pool_grad(DType dtype, const PoolPlan& p, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    CLEW_LAUNCH((average_grad_kernel<T>), blocks_of_threads(p.planes * p.h * p.w), kThreads, 0, stream, p);
  });
}

void run_resize(DType dtype, const ResizePlan& p, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    CLEW_LAUNCH((resize_kernel<T>), blocks_of_threads(p.outer * p.rows * p.inner), kThreads, 0, stream, p);
  });
}

}  // namespace clew::cuda
