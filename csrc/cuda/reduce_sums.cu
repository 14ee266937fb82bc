// Sums, products, truth.
#include "cuda/reduce.cuh"

namespace clew::cuda {
namespace {

template <class T, bool kMean>
struct Sum {
  using Acc = sum_t<T>;
  using Result = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
  explicit Sum(const ReduceParams&) {}
  CLEW_HD Acc init() const { return 0; }
  CLEW_HD Acc fold(Acc a, compute_t<T> x, int64_t) const { return merge(a, static_cast<Acc>(x)); }
  CLEW_HD Acc merge(Acc a, Acc b) const { return kernels::Add()(a, b); }
  CLEW_HD Result finish(Acc a, int64_t n) const {
    if constexpr (kMean) {
      return static_cast<Result>(a / static_cast<Acc>(n));
    } else {
      return static_cast<Result>(a);
    }
  }
};

template <class T>
struct Product {
  using Acc = sum_t<T>;
  using Result = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
  explicit Product(const ReduceParams&) {}
  CLEW_HD Acc init() const { return 1; }
  CLEW_HD Acc fold(Acc a, compute_t<T> x, int64_t) const { return merge(a, static_cast<Acc>(x)); }
  CLEW_HD Acc merge(Acc a, Acc b) const { return kernels::Mul()(a, b); }
  CLEW_HD Result finish(Acc a, int64_t) const { return static_cast<Result>(a); }
};

template <class T, bool kAll>
struct Truth {
  using Acc = uint32_t;
  using Result = bool;
  explicit Truth(const ReduceParams&) {}
  CLEW_HD Acc init() const { return kAll; }
  CLEW_HD Acc fold(Acc a, compute_t<T> x, int64_t) const { return merge(a, x != compute_t<T>(0)); }
  CLEW_HD Acc merge(Acc a, Acc b) const { return kAll ? a & b : a | b; }
  CLEW_HD Result finish(Acc a, int64_t) const { return a != 0; }
};

template <class T>
constexpr void set(ReduceTable& t) {
  set_reduction<Sum<T, false>, T>(t, Reduction::sum);
  set_reduction<Product<T>, T>(t, Reduction::prod);
  set_reduction<Truth<T, false>, T>(t, Reduction::any);
  set_reduction<Truth<T, true>, T>(t, Reduction::all);
  if constexpr (!std::is_integral_v<T>) set_reduction<Sum<T, true>, T>(t, Reduction::mean);
}

constexpr ReduceTable make_table() {
  ReduceTable t{};
  set<bool>(t);
  set<uint8_t>(t);
  set<int8_t>(t);
  set<int16_t>(t);
  set<int32_t>(t);
  set<int64_t>(t);
  set<Half>(t);
  set<BFloat16>(t);
  set<float>(t);
  set<double>(t);
  return t;
}

}  // namespace

constinit const ReduceTable reduce_sums = make_table();

}  // namespace clew::cuda
