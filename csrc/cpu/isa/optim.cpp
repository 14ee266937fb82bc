// Fused optimizer arithmetic; built once per instruction set. 16-bit parameters compute in float.
#include <cfloat>
#include <cmath>
#include <cstdint>

#include "clew/core/half.h"
#include "cpu/optim_loops.h"

namespace clew::cpu::CLEW_ISA {
namespace {

template <class T>
struct Compute {
  using type = float;
};
template <>
struct Compute<double> {
  using type = double;
};

// Builtins and C functions only: an inline function of a standard header could leave an out-of-line copy
// here.
CLEW_HD float root(float x) { return __builtin_sqrtf(x); }
CLEW_HD double root(double x) { return __builtin_sqrt(x); }

template <class T>
void sgd_loop(void* param, const void* grad, void* buffer, int64_t n, const SgdScalars& s) {
  using C = typename Compute<T>::type;
  T* __restrict p = static_cast<T*>(param);
  const T* __restrict g = static_cast<const T*>(grad);
  T* __restrict b = static_cast<T*>(buffer);
  const kernels::Sgd<C> sgd(s);
  if (!s.has_buffer) {
    for (int64_t i = 0; i < n; ++i)
      p[i] = static_cast<T>(sgd.plain(static_cast<C>(p[i]), static_cast<C>(g[i])));
    return;
  }
  if (s.fresh) {
    for (int64_t i = 0; i < n; ++i) {
      C v{};
      p[i] = static_cast<T>(sgd.with_buffer(static_cast<C>(p[i]), static_cast<C>(g[i]), v, true));
      b[i] = static_cast<T>(v);
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    C v = static_cast<C>(b[i]);
    p[i] = static_cast<T>(sgd.with_buffer(static_cast<C>(p[i]), static_cast<C>(g[i]), v, false));
    b[i] = static_cast<T>(v);
  }
}

template <class T, bool kAmsgrad>
void adam_pass(T* __restrict p, const T* __restrict g, T* __restrict m, T* __restrict v,
               T* __restrict largest, int64_t n, const AdamScalars& s) {
  using C = typename Compute<T>::type;
  const kernels::Adam<C> adam(s, s.step_size, s.root_bias);
  for (int64_t i = 0; i < n; ++i) {
    C x = static_cast<C>(p[i]), mean = static_cast<C>(m[i]), square = static_cast<C>(v[i]);
    adam.average(x, static_cast<C>(g[i]), mean, square);
    m[i] = static_cast<T>(mean);
    v[i] = static_cast<T>(square);
    C bound = square;
    if constexpr (kAmsgrad) {
      const C before = static_cast<C>(largest[i]);
      bound = before > square ? before : square;
      largest[i] = static_cast<T>(bound);
    }
    p[i] = static_cast<T>(adam.step(x, mean, root(bound)));
  }
}

template <class T>
void adam_loop(void* param, const void* grad, void* moment, void* square, void* largest, int64_t n,
               const AdamScalars& s) {
  T* p = static_cast<T*>(param);
  const T* g = static_cast<const T*>(grad);
  T *m = static_cast<T*>(moment), *v = static_cast<T*>(square), *max = static_cast<T*>(largest);
  if (max != nullptr) {
    adam_pass<T, true>(p, g, m, v, max, n, s);
  } else {
    adam_pass<T, false>(p, g, m, v, max, n, s);
  }
}

constexpr int kLanes = 16;  // fixed, so that sums do not depend on the instruction set's width

template <class T>
double norm_loop(const void* data, int64_t n, double p) {
  using C = typename Compute<T>::type;
  const T* x = static_cast<const T*>(data);
  if (p == 2) {
    double total = 0;
    // float sums stay short: a block is folded into a double.
    constexpr int64_t kBlock = 1024;
    for (int64_t start = 0; start < n; start += kBlock) {
      const int64_t stop = start + kBlock < n ? start + kBlock : n;
      C lanes[kLanes] = {};
      int64_t i = start;
      for (; i + kLanes <= stop; i += kLanes) {
        for (int k = 0; k < kLanes; ++k) {
          const C y = static_cast<C>(x[i + k]);
          lanes[k] += y * y;
        }
      }
      double sum = 0;
      for (; i < stop; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      for (int k = 0; k < kLanes; ++k) sum += static_cast<double>(lanes[k]);
      total += sum;
    }
    // A float square may have left float's range where the double square does not.
    if (total < 1e-30 || !(total < FLT_MAX)) {
      total = 0;
      for (int64_t i = 0; i < n; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    return total;
  }
  double total = 0;
  if (__builtin_isinf(p)) {
    for (int64_t i = 0; i < n; ++i) {
      const double y = __builtin_fabs(static_cast<double>(x[i]));
      total = y > total || y != y ? y : total;  // a nan stays
      if (y != y) return y;
    }
    return total;
  }
  if (p == 1) {
    for (int64_t i = 0; i < n; ++i) total += __builtin_fabs(static_cast<double>(x[i]));
  } else if (p == 0) {
    for (int64_t i = 0; i < n; ++i) total += static_cast<double>(x[i]) != 0 ? 1 : 0;
  } else {
    for (int64_t i = 0; i < n; ++i) total += ::pow(__builtin_fabs(static_cast<double>(x[i])), p);
  }
  return total;
}

template <class T>
void scale_loop(void* data, int64_t n, double factor) {
  using C = typename Compute<T>::type;
  T* x = static_cast<T*>(data);
  const C f = static_cast<C>(factor);
  for (int64_t i = 0; i < n; ++i) x[i] = static_cast<T>(static_cast<C>(x[i]) * f);
}

}  // namespace

// Constant data: reachable from the table that is picked at run time.
extern const OptimLoops optim_loops;
constinit const OptimLoops optim_loops = {
    {sgd_loop<Half>, sgd_loop<BFloat16>, sgd_loop<float>, sgd_loop<double>},
    {adam_loop<Half>, adam_loop<BFloat16>, adam_loop<float>, adam_loop<double>},
    {norm_loop<Half>, norm_loop<BFloat16>, norm_loop<float>, norm_loop<double>},
    {scale_loop<Half>, scale_loop<BFloat16>, scale_loop<float>, scale_loop<double>},
};

}  // namespace clew::cpu::CLEW_ISA
