// Optimizer steps, norms and factors over lists of tensors: the list travels with the launch, a block takes a
// piece of one tensor.
#include "cuda/optim_launch.h"
#include "cuda/reduce.cuh"
#include "kernels/math.h"

namespace clew::cuda {
namespace {

/// The tensor that a block works on, and its piece.
struct Work {
  int item;
  int64_t begin, end;
  __device__ __forceinline__ explicit Work(const ItemPack& pack) {
    // The last item that starts at or before this block.
    int low = 0, high = pack.count - 1;
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (pack.first_block[middle] <= blockIdx.x) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    item = low;
    begin = static_cast<int64_t>(blockIdx.x - pack.first_block[low]) * kItemPiece;
    const int64_t numel = pack.items[low].numel;
    end = begin + kItemPiece < numel ? begin + kItemPiece : numel;
  }
};

template <class T>
using real_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
__global__ void __launch_bounds__(kThreads) sgd_kernel(const ItemPack pack, const kernels::SgdScalars s) {
  using C = real_t<T>;
  const Work work(pack);
  const ItemPack::Item& item = pack.items[work.item];
  T* p = static_cast<T*>(item.data[0]);
  const T* g = static_cast<const T*>(item.data[1]);
  T* b = static_cast<T*>(item.data[2]);
  const bool fresh = pack.fresh[work.item];
  const kernels::Sgd<C> sgd(s);
  for (int64_t i = work.begin + threadIdx.x; i < work.end; i += kThreads) {
    const C x = static_cast<C>(p[i]), d = static_cast<C>(g[i]);
    if (b == nullptr) {
      p[i] = static_cast<T>(sgd.plain(x, d));
    } else {
      C v = fresh ? C(0) : static_cast<C>(b[i]);
      p[i] = static_cast<T>(sgd.with_buffer(x, d, v, fresh));
      b[i] = static_cast<T>(v);
    }
  }
}

template <class T, bool kAmsgrad>
__global__ void __launch_bounds__(kThreads) adam_kernel(const ItemPack pack, const kernels::AdamScalars s) {
  using C = real_t<T>;
  const Work work(pack);
  const ItemPack::Item& item = pack.items[work.item];
  T* p = static_cast<T*>(item.data[0]);
  const T* g = static_cast<const T*>(item.data[1]);
  T *m = static_cast<T*>(item.data[2]), *v = static_cast<T*>(item.data[3]),
    *most = static_cast<T*>(item.data[4]);
  const kernels::Adam<C> adam(s, item.step_size, item.root_bias);
  for (int64_t i = work.begin + threadIdx.x; i < work.end; i += kThreads) {
    C x = static_cast<C>(p[i]), mean = static_cast<C>(m[i]), square = static_cast<C>(v[i]);
    adam.average(x, static_cast<C>(g[i]), mean, square);
    m[i] = static_cast<T>(mean);
    v[i] = static_cast<T>(square);
    C bound = square;
    if constexpr (kAmsgrad) {
      const C before = static_cast<C>(most[i]);
      bound = before > square ? before : square;
      most[i] = static_cast<T>(bound);
    }
    p[i] = static_cast<T>(adam.step(x, mean, math::sqrt(bound)));
  }
}

/// Sums of |x|^p in double; the largest magnitude for an infinite p, in which a NaN stays.
struct NormSum {
  using Acc = double;
  double p;
  CLEW_HD double init() const { return 0; }
  CLEW_HD double merge(double a, double b) const {
    if (p != HUGE_VAL) return a + b;
    return b > a || b != b ? b : a;
  }
  CLEW_HD double term(double x) const {
    const double y = x < 0 ? -x : x;
    return p == 2.0                    ? y * y
           : p == 1.0 || p == HUGE_VAL ? y
           : p == 0.0                  ? (y != 0 ? 1.0 : 0.0)
                                       : math::pow(y, p);
  }
  CLEW_HD double finish(double total) const {
    return p == 2.0                                ? math::sqrt(total)
           : p == HUGE_VAL || p == 0.0 || p == 1.0 ? total
                                                   : math::pow(total, 1 / p);
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    norm_kernel(const ItemPack pack, const NormSum op, double* partials) {
  const Work work(pack);
  const T* x = static_cast<const T*>(pack.items[work.item].data[0]);
  double sum = op.init();
  for (int64_t i = work.begin + threadIdx.x; i < work.end; i += kThreads)
    sum = op.merge(sum, op.term(static_cast<double>(static_cast<real_t<T>>(x[i]))));
  sum = merge_block(op, sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    norm_end_kernel(const double* partials, int64_t count, const NormSum op, T* result) {
  double sum = op.init();
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum = op.merge(sum, partials[i]);
  sum = merge_block(op, sum);
  if (threadIdx.x == 0) *result = static_cast<T>(static_cast<real_t<T>>(op.finish(sum)));
}

template <class T, class F>
__global__ void __launch_bounds__(kThreads)
    scale_kernel(const ItemPack pack, double factor, const F* more, float* found_bad) {
  using C = real_t<T>;
  const Work work(pack);
  T* x = static_cast<T*>(pack.items[work.item].data[0]);
  const double both = more == nullptr ? factor : factor * static_cast<double>(static_cast<real_t<F>>(*more));
  const C f = static_cast<C>(both);
  bool bad = false;
  for (int64_t i = work.begin + threadIdx.x; i < work.end; i += kThreads) {
    const C y = static_cast<C>(x[i]) * f;
    bad = bad || !(y - y == C(0));
    x[i] = static_cast<T>(y);
  }
  if (found_bad != nullptr && bad) *found_bad = 1;  // whoever writes, writes the same
}

unsigned blocks_of(const ItemPack& pack) { return pack.first_block[pack.count]; }

}  // namespace

void launch_sgd(DType dtype, const ItemPack& pack, const kernels::SgdScalars& s, Stream stream) {
  dispatch<kFloating>(
      dtype, [&]<class T>() { CLEW_LAUNCH((sgd_kernel<T>), blocks_of(pack), kThreads, 0, stream, pack, s); });
}

void launch_adam(DType dtype, const ItemPack& pack, const kernels::AdamScalars& s, bool amsgrad,
                 Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    if (amsgrad) {
      CLEW_LAUNCH((adam_kernel<T, true>), blocks_of(pack), kThreads, 0, stream, pack, s);
    } else {
      CLEW_LAUNCH((adam_kernel<T, false>), blocks_of(pack), kThreads, 0, stream, pack, s);
    }
  });
}

void launch_norm(DType dtype, const ItemPack& pack, double p, double* partials, Stream stream) {
  const NormSum op{p};
  dispatch<kFloating>(dtype, [&]<class T>() {
    CLEW_LAUNCH((norm_kernel<T>), blocks_of(pack), kThreads, 0, stream, pack, op, partials);
  });
}

void launch_norm_end(DType dtype, const double* partials, int64_t count, double p, void* result,
                     Stream stream) {
  const NormSum op{p};
  dispatch<kFloating>(dtype, [&]<class T>() {
    CLEW_LAUNCH((norm_end_kernel<T>), 1, kThreads, 0, stream, partials, count, op, static_cast<T*>(result));
  });
}

void launch_scale(DType dtype, const ItemPack& pack, double factor, DType more_dtype, const void* more,
                  float* found_bad, Stream stream) {
  dispatch<kFloating>(dtype, [&]<class T>() {
    dispatch<kFloating>(more_dtype, [&]<class F>() {
      CLEW_LAUNCH((scale_kernel<T, F>), blocks_of(pack), kThreads, 0, stream, pack, factor,
                  static_cast<const F*>(more), found_bad);
    });
  });
}

}  // namespace clew::cuda
