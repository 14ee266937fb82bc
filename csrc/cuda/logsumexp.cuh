// The logarithm of a sum of exponentials in one pass, for softmax and its like.
#pragma once

#include "cuda/reduce.cuh"

namespace clew::cuda {

/// The largest value so far and the sum of exponentials relative to it.
///
/// Reference: Milakov, Gimelshein. Online normalizer calculation for softmax. 2018.
template <class T>
struct LogSumExp {
  using C = sum_t<T>;
  struct Acc {
    C max, sum;
  };
  using Result = T;
  LogSumExp() = default;
  explicit LogSumExp(const ReduceParams&) {}
  CLEW_HD Acc init() const { return {-static_cast<C>(HUGE_VAL), 0}; }
  CLEW_HD Acc fold(const Acc& a, compute_t<T> x, int64_t) const { return merge(a, {static_cast<C>(x), 1}); }
  CLEW_HD Acc merge(const Acc& a, const Acc& b) const {
    const C m = kernels::Maximum()(a.max, b.max);
    return {m, scaled(a, m) + scaled(b, m)};
  }
  CLEW_HD Result finish(const Acc& a, int64_t) const {
    const bool infinite = a.max == static_cast<C>(HUGE_VAL) || a.max == -static_cast<C>(HUGE_VAL);
    return static_cast<T>(infinite ? a.max : a.max + math::log(a.sum));
  }
  // Infinities are not subtracted from each other.
  CLEW_HD static C scaled(const Acc& a, C m) { return a.max == m ? a.sum : a.sum * math::exp(a.max - m); }
};

}  // namespace clew::cuda
