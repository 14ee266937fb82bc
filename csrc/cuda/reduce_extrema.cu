// Maxima and minima, and where they are. NaN wins; of equals the first.
#include <limits>

#include "cuda/reduce.cuh"

namespace clew::cuda {
namespace {

template <class T, bool kMax>
inline constexpr T kLimit = kMax ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();

/// What max (min) of nothing is: the dtype's own limit.
template <class T, bool kMax>
CLEW_HD compute_t<T> neutral() {
  using C = compute_t<T>;
  if constexpr (std::is_integral_v<T>) {
    return static_cast<C>(kLimit<T, kMax>);
  } else {
    return kMax ? -static_cast<C>(HUGE_VAL) : static_cast<C>(HUGE_VAL);
  }
}

template <class T, bool kMax>
struct Extremum {
  using Acc = compute_t<T>;
  using Result = T;
  explicit Extremum(const ReduceParams&) {}
  CLEW_HD Acc init() const { return neutral<T, kMax>(); }
  CLEW_HD Acc fold(Acc a, compute_t<T> x, int64_t) const { return merge(a, x); }
  CLEW_HD Acc merge(Acc a, Acc b) const {
    if constexpr (kMax) {
      return kernels::Maximum()(a, b);
    } else {
      return kernels::Minimum()(a, b);
    }
  }
  CLEW_HD Result finish(Acc a, int64_t) const { return static_cast<Result>(a); }
};

template <class T, bool kMax>
struct Place {
  struct Acc {
    compute_t<T> value;
    int64_t index;
  };
  using Result = int64_t;
  explicit Place(const ReduceParams&) {}
  // An index past all others: any element comes before it.
  CLEW_HD Acc init() const { return {neutral<T, kMax>(), INT64_MAX}; }
  CLEW_HD Acc fold(const Acc& a, compute_t<T> x, int64_t i) const { return merge(a, {x, i}); }
  CLEW_HD Acc merge(const Acc& a, const Acc& b) const {
    if (b.index == INT64_MAX) return a;
    if (a.index == INT64_MAX) return b;
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    if (a_nan != b_nan) return a_nan ? a : b;
    if (a_nan || a.value == b.value) return a.index < b.index ? a : b;
    return (kMax ? a.value > b.value : a.value < b.value) ? a : b;
  }
  CLEW_HD Result finish(const Acc& a, int64_t) const { return a.index == INT64_MAX ? 0 : a.index; }
};

template <class T>
constexpr void set(ReduceTable& t) {
  set_reduction<Extremum<T, true>, T>(t, Reduction::max);
  set_reduction<Extremum<T, false>, T>(t, Reduction::min);
  set_reduction<Place<T, true>, T>(t, Reduction::argmax);
  set_reduction<Place<T, false>, T>(t, Reduction::argmin);
}

constexpr ReduceTable make_table() {
  ReduceTable t{};
  set<uint8_t>(t);
  set<int8_t>(t);
  set<int16_t>(t);
  set<int32_t>(t);
  set<int64_t>(t);
  set<Half>(t);
  set<BFloat16>(t);
  set<float>(t);
  set<double>(t);
  // A bool is a byte of 0 or 1: its order is that of uint8.
  for (auto& row : t.at) row[static_cast<int>(DType::Bool)] = row[static_cast<int>(DType::UInt8)];
  return t;
}

}  // namespace

constinit const ReduceTable reduce_extrema = make_table();

}  // namespace clew::cuda
