// Kernels that apply a functor to each element.
//
// Dense operands: a thread takes W neighbouring elements, as vectors of up to 16 bytes where the addresses
// allow it. All others: a thread takes one element and finds each operand's place by division with
// multiplications. Both are bound by memory; 256 threads a block.
#pragma once

#include <type_traits>
#include <utility>

#include "cuda/elementwise.h"
#include "cuda/launch.h"

namespace clew::cuda {

inline constexpr int kThreads = 256;

template <class T>
inline constexpr bool is_half = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
/// What elements of T are computed in: 16-bit floats in float, narrow integers in int32, bool as 0 and 1.
template <class T>
using compute_t = std::conditional_t<
    is_half<T>, float,
    std::conditional_t<std::is_same_v<T, bool>, uint8_t,
                       std::conditional_t<std::is_integral_v<T> && (sizeof(T) < 4), int32_t, T>>>;

/// Elements a thread takes: 16 bytes of the most common widths.
template <class... T>
inline constexpr int kVector = ((sizeof(T) <= 2) && ...) ? 8 : 4;

template <class T, int W>
struct alignas(sizeof(T) * W < 16 ? sizeof(T) * W : 16) Vector {
  T at[W];
};

template <class T>
CLEW_HD T from_bits(uint64_t bits) {
  T value;
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}

/// Operand k of a dense plan, elements [first, first + W).
template <class T, int W>
__device__ __forceinline__ void load(compute_t<T> (&to)[W], const Operand& o, uint32_t first, uint32_t count,
                                     bool aligned) {
  if (o.data == nullptr || o.single) {
    const T v = o.data == nullptr ? from_bits<T>(o.value) : *reinterpret_cast<const T*>(o.data);
    for (int i = 0; i < W; ++i) to[i] = static_cast<compute_t<T>>(v);
    return;
  }
  const T* p = reinterpret_cast<const T*>(o.data) + first;
  if (aligned && count == W) {
    const Vector<T, W> v = *reinterpret_cast<const Vector<T, W>*>(p);
    CLEW_UNROLL
    for (int i = 0; i < W; ++i) to[i] = static_cast<compute_t<T>>(v.at[i]);
  } else {
    for (int i = 0; i < W; ++i)
      to[i] = static_cast<uint32_t>(i) < count ? static_cast<compute_t<T>>(p[i]) : compute_t<T>();
  }
}

template <class T, int W, class C>
__device__ __forceinline__ void store(const Operand& o, const C (&from)[W], uint32_t first, uint32_t count,
                                      bool aligned) {
  T* p = reinterpret_cast<T*>(o.data) + first;
  if (aligned && count == W) {
    Vector<T, W> v;
    CLEW_UNROLL
    for (int i = 0; i < W; ++i) v.at[i] = static_cast<T>(from[i]);
    *reinterpret_cast<Vector<T, W>*>(p) = v;
  } else {
    for (int i = 0; i < W; ++i) {
      if (static_cast<uint32_t>(i) < count) p[i] = static_cast<T>(from[i]);
    }
  }
}

// The arguments of one element, so that one kernel serves any number of operands.
template <int W, class... A>
struct Arguments;
template <int W>
struct Arguments<W> {
  template <int N>
  __device__ __forceinline__ void load_all(const Plan<N>&, uint32_t, uint32_t) {}
  template <class F, class... C>
  __device__ __forceinline__ auto call(const F& f, int, C... values) const {
    return f(values...);
  }
};
template <int W, class A, class... Rest>
struct Arguments<W, A, Rest...> {
  compute_t<A> values[W];
  Arguments<W, Rest...> rest;

  template <int N>
  __device__ __forceinline__ void load_all(const Plan<N>& plan, uint32_t first, uint32_t count) {
    load<A, W>(values, plan.operand[N - 1 - static_cast<int>(sizeof...(Rest))], first, count, plan.aligned);
    rest.load_all(plan, first, count);
  }
  template <class F, class... C>
  __device__ __forceinline__ auto call(const F& f, int i, C... before) const {
    return rest.call(f, i, before..., values[i]);
  }
};

template <class F, class R, class... A>
__global__ void __launch_bounds__(kThreads) dense_kernel(const Plan<1 + sizeof...(A)> plan, const F f) {
  constexpr int W = kVector<R, A...>;
  const uint32_t first = (blockIdx.x * kThreads + threadIdx.x) * W;
  if (first >= plan.numel) return;
  const uint32_t left = plan.numel - first, count = left < W ? left : W;
  Arguments<W, A...> arguments;
  arguments.load_all(plan, first, count);
  using C = decltype(arguments.call(f, 0));
  C results[W];
  CLEW_UNROLL
  for (int i = 0; i < W; ++i) results[i] = arguments.call(f, i);
  store<R, W>(plan.operand[0], results, first, count, plan.aligned);
}

template <class F, class R, class... A, size_t... K>
__device__ __forceinline__ void strided_element(const Plan<1 + sizeof...(A)>& plan, const F& f,
                                                uint32_t index, std::index_sequence<K...>) {
  constexpr int N = 1 + sizeof...(A);
  int64_t at[N] = {};
  uint32_t rest = index;
  for (int d = 0; d < plan.rank; ++d) {
    const uint32_t q = d + 1 < plan.rank ? plan.sizes[d].divide(rest) : 0;
    const uint32_t i = rest - q * plan.sizes[d].divisor;
    rest = q;
    CLEW_UNROLL
    for (int k = 0; k < N; ++k) at[k] += i * plan.strides[k][d];
  }
  const auto read = [&]<class T>(int k) {
    const Operand& o = plan.operand[k];
    return static_cast<compute_t<T>>(o.data == nullptr ? from_bits<T>(o.value)
                                                       : reinterpret_cast<const T*>(o.data)[at[k]]);
  };
  reinterpret_cast<R*>(plan.operand[0].data)[at[0]] =
      static_cast<R>(f(read.template operator()<A>(static_cast<int>(K) + 1)...));
}

template <class F, class R, class... A>
__global__ void __launch_bounds__(kThreads) strided_kernel(const Plan<1 + sizeof...(A)> plan, const F f) {
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index < plan.numel)
    strided_element<F, R, A...>(plan, f, index, std::make_index_sequence<sizeof...(A)>());
}

/// Runs `f` over all elements of a plan: output of type R, inputs of types A.
template <class R, class... A, class F>
void run_elementwise(const Plan<1 + sizeof...(A)>& plan, const F& f, Stream stream) {
  const uint32_t each = plan.dense ? kThreads * kVector<R, A...> : kThreads;
  const uint32_t blocks = (plan.numel + each - 1) / each;
  if (plan.dense) {
    CLEW_LAUNCH((dense_kernel<F, R, A...>), blocks, kThreads, 0, stream, plan, f);
  } else {
    CLEW_LAUNCH((strided_kernel<F, R, A...>), blocks, kThreads, 0, stream, plan, f);
  }
}

/// A table's entry: the functor F on operands of type A, results of type R.
template <class F, class R, class A>
void unary_launch(const Plan<2>& plan, const kernels::Params& p, Stream stream) {
  run_elementwise<R, A>(plan, kernels::make_functor<F>(p), stream);
}
template <class F, class R, class A>
void binary_launch(const Plan<3>& plan, const kernels::Params& p, Stream stream) {
  run_elementwise<R, A, A>(plan, kernels::make_functor<F>(p), stream);
}
template <class F, class R, class A, class B>
void ternary_launch(const Plan<4>& plan, const kernels::Params& p, Stream stream) {
  run_elementwise<R, A, B, B>(plan, kernels::make_functor<F>(p), stream);
}

template <class T>
constexpr int column() {
  return static_cast<int>(DTypeOf<T>::value);
}

}  // namespace clew::cuda
