// Variances, norms, logsumexp: for floating dtypes.
#include "cuda/logsumexp.cuh"

namespace clew::cuda {
namespace {

// Mean and sum of squared deviations, one element at a time, and parts by Chan's rule.
//
// Reference: Chan, Golub, LeVeque. Updating Formulae and a Pairwise Algorithm for Computing Sample Variances.
// 1979.
template <class T, bool kRoot>
struct Variance {
  using C = sum_t<T>;
  struct Acc {
    C n, mean, m2;
  };
  using Result = T;
  double correction;
  explicit Variance(const ReduceParams& p) : correction(p.p) {}
  CLEW_HD Acc init() const { return {0, 0, 0}; }
  CLEW_HD Acc fold(const Acc& a, compute_t<T> x, int64_t) const {
    const C n = a.n + 1, delta = static_cast<C>(x) - a.mean, mean = a.mean + delta / n;
    return {n, mean, a.m2 + delta * (static_cast<C>(x) - mean)};
  }
  CLEW_HD Acc merge(const Acc& a, const Acc& b) const {
    if (b.n == 0) return a;
    if (a.n == 0) return b;
    const C n = a.n + b.n, delta = b.mean - a.mean, part = b.n / n;
    return {n, a.mean + delta * part, a.m2 + b.m2 + delta * delta * a.n * part};
  }
  CLEW_HD Result finish(const Acc& a, int64_t n) const {
    const double freedom = static_cast<double>(n) - correction;
    double v = static_cast<double>(a.m2) / (freedom > 0 ? freedom : 0.0);
    if (n == 0) v = static_cast<double>(math::kNaN);
    return static_cast<T>(static_cast<C>(kRoot ? math::sqrt(v) : v));
  }
};

// In double, where squares of any float fit.
template <class T, int kPower>
struct Norm {
  using Acc = double;
  using Result = T;
  explicit Norm(const ReduceParams&) {}
  CLEW_HD Acc init() const { return 0; }
  CLEW_HD Acc fold(Acc a, compute_t<T> x, int64_t) const {
    const auto v = static_cast<double>(x);
    return a + (kPower == 1 ? math::abs(v) : v * v);
  }
  CLEW_HD Acc merge(Acc a, Acc b) const { return a + b; }
  CLEW_HD Result finish(Acc a, int64_t) const {
    return static_cast<T>(static_cast<sum_t<T>>(kPower == 1 ? a : math::sqrt(a)));
  }
};

template <class T>
struct GeneralNorm {
  using Acc = double;
  using Result = T;
  double p;
  explicit GeneralNorm(const ReduceParams& params) : p(params.p) {}
  CLEW_HD bool extremum() const { return p == HUGE_VAL || p == -HUGE_VAL; }
  CLEW_HD Acc init() const { return p == -HUGE_VAL ? HUGE_VAL : 0.0; }
  CLEW_HD Acc fold(Acc a, compute_t<T> x, int64_t) const {
    const double v = math::abs(static_cast<double>(x));
    if (extremum()) return merge(a, v);
    return a + (p == 0 ? (v != 0 ? 1.0 : 0.0) : math::pow(v, p));
  }
  CLEW_HD Acc merge(Acc a, Acc b) const {
    if (!extremum()) return a + b;
    return p > 0 ? kernels::Maximum()(a, b) : kernels::Minimum()(a, b);
  }
  CLEW_HD Result finish(Acc a, int64_t) const {
    return static_cast<T>(static_cast<sum_t<T>>(extremum() || p == 0 ? a : math::pow(a, 1 / p)));
  }
};

template <class T>
constexpr void set(ReduceTable& t) {
  set_reduction<Variance<T, false>, T>(t, Reduction::variance);
  set_reduction<Variance<T, true>, T>(t, Reduction::deviation);
  set_reduction<Norm<T, 1>, T>(t, Reduction::norm1);
  set_reduction<Norm<T, 2>, T>(t, Reduction::norm2);
  set_reduction<GeneralNorm<T>, T>(t, Reduction::norm);
  set_reduction<LogSumExp<T>, T>(t, Reduction::logsumexp);
}

constexpr ReduceTable make_table() {
  ReduceTable t{};
  set<Half>(t);
  set<BFloat16>(t);
  set<float>(t);
  set<double>(t);
  return t;
}

}  // namespace

constinit const ReduceTable reduce_statistics = make_table();

}  // namespace clew::cuda
