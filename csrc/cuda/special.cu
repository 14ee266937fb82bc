// Functions of the C library, for floating dtypes, and of integers.
#include "cuda/special.h"

#include <cmath>

#include "cuda/elementwise.cuh"
#include "kernels/special_math.h"

namespace clew::cuda {
namespace {

#define CLEW_FROM_LIBRARY(Name, function) \
  struct Name {                           \
    template <class T>                    \
    CLEW_HD T operator()(T x) const {     \
      return std::function(x);            \
    }                                     \
  };
CLEW_FROM_LIBRARY(Log2, log2)
CLEW_FROM_LIBRARY(Log10, log10)
CLEW_FROM_LIBRARY(Exp2, exp2)
CLEW_FROM_LIBRARY(Tan, tan)
CLEW_FROM_LIBRARY(Asin, asin)
CLEW_FROM_LIBRARY(Acos, acos)
CLEW_FROM_LIBRARY(Atan, atan)
CLEW_FROM_LIBRARY(Sinh, sinh)
CLEW_FROM_LIBRARY(Cosh, cosh)
CLEW_FROM_LIBRARY(Asinh, asinh)
CLEW_FROM_LIBRARY(Acosh, acosh)
CLEW_FROM_LIBRARY(Atanh, atanh)
CLEW_FROM_LIBRARY(Erfc, erfc)
#undef CLEW_FROM_LIBRARY
// In double: the float version loses digits between its zeros at 1 and 2.
struct LogGamma {
  template <class T>
  CLEW_HD T operator()(T x) const {
    return static_cast<T>(::lgamma(static_cast<double>(x)));
  }
};

struct Digamma {
  template <class T>
  CLEW_HD T operator()(T x) const {
    return static_cast<T>(kernels::digamma(static_cast<double>(x)));
  }
};
struct ErfInv {
  template <class T>
  CLEW_HD T operator()(T x) const {
    return static_cast<T>(kernels::erfinv(static_cast<double>(x)));
  }
};
struct Polygamma {
  int64_t order;
  explicit CLEW_HD Polygamma(const kernels::Params& p) : order(p.i0) {}
  template <class T>
  CLEW_HD T operator()(T x) const {
    return static_cast<T>(kernels::polygamma(order, static_cast<double>(x)));
  }
};

struct Hypot {
  template <class T>
  CLEW_HD T operator()(T a, T b) const {
    return std::hypot(a, b);
  }
};
struct CopySign {
  template <class T>
  CLEW_HD T operator()(T a, T b) const {
    return math::copysign(a, b);
  }
};
struct XLogY {
  template <class T>
  CLEW_HD T operator()(T x, T y) const {
    if (y != y) return y;
    return x == 0 ? T(0) : x * std::log(y);
  }
};
struct LogAddExp {
  template <class T>
  CLEW_HD T operator()(T a, T b) const {
    if (a == b) return a + static_cast<T>(0.6931471805599453);  // infinities too
    return (a < b ? b : a) + std::log1p(std::exp(-math::abs(a - b)));
  }
};
struct LogAddExp2 {
  template <class T>
  CLEW_HD T operator()(T a, T b) const {
    if (a == b) return a + 1;
    return (a < b ? b : a) + std::log1p(std::exp2(-math::abs(a - b))) * static_cast<T>(1.4426950408889634);
  }
};

/// Shifts of all bits and more, or by a negative number, leave the sign.
template <int kBits>
struct LeftShift {
  template <class T>
  CLEW_HD T operator()(T a, T b) const {
    if (b < 0 || b >= kBits) return 0;
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) << b);
  }
};
template <int kBits>
struct RightShift {
  template <class T>
  CLEW_HD T operator()(T a, T b) const {
    if (b < 0 || b >= kBits) return a < 0 ? -1 : 0;
    return static_cast<T>(a >> b);
  }
};
template <class T>
CLEW_HD uint64_t magnitude(T a) {
  return a < 0 ? uint64_t{0} - static_cast<uint64_t>(a) : static_cast<uint64_t>(a);
}
CLEW_HD uint64_t common_divisor(uint64_t a, uint64_t b) {
  while (b != 0) {
    const uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}
struct Gcd {
  template <class T>
  CLEW_HD T operator()(T a, T b) const {
    return static_cast<T>(common_divisor(magnitude(a), magnitude(b)));
  }
};
struct Lcm {
  template <class T>
  CLEW_HD T operator()(T a, T b) const {
    const uint64_t x = magnitude(a), y = magnitude(b), d = common_divisor(x, y);
    return static_cast<T>(d == 0 ? 0 : x / d * y);
  }
};

template <class F>
constexpr void set(SpecialTable& t, Special1 op) {
  UnaryLaunch(&row)[kDTypeCount] = t.unary[static_cast<int>(op)];
  row[column<float>()] = &unary_launch<F, float, float>;
  row[column<Half>()] = &unary_launch<F, Half, Half>;
  row[column<BFloat16>()] = &unary_launch<F, BFloat16, BFloat16>;
  row[column<double>()] = &unary_launch<F, double, double>;
}
template <class F>
constexpr void set(SpecialTable& t, Special2 op) {
  BinaryLaunch(&row)[kDTypeCount] = t.binary[static_cast<int>(op)];
  row[column<float>()] = &binary_launch<F, float, float>;
  row[column<Half>()] = &binary_launch<F, Half, Half>;
  row[column<BFloat16>()] = &binary_launch<F, BFloat16, BFloat16>;
  row[column<double>()] = &binary_launch<F, double, double>;
}
template <class T>
constexpr void set_integers(SpecialTable& t) {
  const auto entry = [&](Special2 op) -> BinaryLaunch& {
    return t.binary[static_cast<int>(op)][column<T>()];
  };
  entry(Special2::left_shift) = &binary_launch<LeftShift<8 * sizeof(T)>, T, T>;
  entry(Special2::right_shift) = &binary_launch<RightShift<8 * sizeof(T)>, T, T>;
  entry(Special2::gcd) = &binary_launch<Gcd, T, T>;
  entry(Special2::lcm) = &binary_launch<Lcm, T, T>;
}

constexpr SpecialTable make_table() {
  SpecialTable t{};
  set<Log2>(t, Special1::log2);
  set<Log10>(t, Special1::log10);
  set<Exp2>(t, Special1::exp2);
  set<Tan>(t, Special1::tan);
  set<Asin>(t, Special1::asin);
  set<Acos>(t, Special1::acos);
  set<Atan>(t, Special1::atan);
  set<Sinh>(t, Special1::sinh);
  set<Cosh>(t, Special1::cosh);
  set<Asinh>(t, Special1::asinh);
  set<Acosh>(t, Special1::acosh);
  set<Atanh>(t, Special1::atanh);
  set<Erfc>(t, Special1::erfc);
  set<LogGamma>(t, Special1::lgamma);
  set<Digamma>(t, Special1::digamma);
  set<ErfInv>(t, Special1::erfinv);
  set<Polygamma>(t, Special1::polygamma);
  set<Hypot>(t, Special2::hypot);
  set<CopySign>(t, Special2::copysign);
  set<XLogY>(t, Special2::xlogy);
  set<LogAddExp>(t, Special2::logaddexp);
  set<LogAddExp2>(t, Special2::logaddexp2);
  set_integers<uint8_t>(t);
  set_integers<int8_t>(t);
  set_integers<int16_t>(t);
  set_integers<int32_t>(t);
  set_integers<int64_t>(t);
  return t;
}

}  // namespace

constinit const SpecialTable special_table = make_table();

}  // namespace clew::cuda
