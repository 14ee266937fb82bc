// Elementwise functions of the C library: one loop per dtype for all of them, with the function as a pointer.
// They cost many times what the call costs, and few programs spend their time in them.
#include <cmath>
#include <numeric>

#include "clew/core/parallel.h"
#include "cpu/loops.h"
#include "kernels/iter_plan.h"
#include "kernels/special_math.h"
#include "registry/slots.h"

namespace clew {
namespace {

struct Function1 {
  float (*f)(float);
  double (*d)(double);
};
struct Function2 {
  float (*f)(float, float);
  double (*d)(double, double);
};
using IntegerFunction2 = int64_t (*)(int64_t, int64_t, int bits);

constexpr int64_t kGrain = kGrainCompute / 2;

template <class T, class F>
auto pick(const F& function) {
  if constexpr (std::is_same_v<T, double>) {
    return function.d;
  } else {
    return function.f;
  }
}

void run(const Function1& function, Tensor& out, const Tensor& a) {
  const auto plan = make_plan<2>({&out, &a});
  dispatch<kFloating>(out.dtype(), [&]<class T>() {
    const auto f = pick<T>(function);
    plan.run(kGrain, [&](const auto& p, int64_t n, const auto& s) {
      T* o = reinterpret_cast<T*>(p[0]);
      const T* x = reinterpret_cast<const T*>(p[1]);
      for (int64_t i = 0; i < n; ++i) o[i * s[0]] = T(f(static_cast<acc_t<T>>(x[i * s[1]])));
    });
  });
}

void run(const Function2& function, Tensor& out, const Tensor& a, const Tensor& b) {
  const auto plan = make_plan<3>({&out, &a, &b});
  dispatch<kFloating>(out.dtype(), [&]<class T>() {
    const auto f = pick<T>(function);
    plan.run(kGrain, [&](const auto& p, int64_t n, const auto& s) {
      T* o = reinterpret_cast<T*>(p[0]);
      const T* x = reinterpret_cast<const T*>(p[1]);
      const T* y = reinterpret_cast<const T*>(p[2]);
      for (int64_t i = 0; i < n; ++i)
        o[i * s[0]] = T(f(static_cast<acc_t<T>>(x[i * s[1]]), static_cast<acc_t<T>>(y[i * s[2]])));
    });
  });
}

void run(IntegerFunction2 f, Tensor& out, const Tensor& a, const Tensor& b) {
  const auto plan = make_plan<3>({&out, &a, &b});
  dispatch<kIntegers>(out.dtype(), [&]<class T>() {
    plan.run(kGrain, [&](const auto& p, int64_t n, const auto& s) {
      T* o = reinterpret_cast<T*>(p[0]);
      const T* x = reinterpret_cast<const T*>(p[1]);
      const T* y = reinterpret_cast<const T*>(p[2]);
      for (int64_t i = 0; i < n; ++i)
        o[i * s[0]] = static_cast<T>(f(x[i * s[1]], y[i * s[2]], static_cast<int>(8 * sizeof(T))));
    });
  });
}

#define CLEW_FROM_LIBRARY(id)                                                                            \
  void id##_cpu(Tensor& out, const Tensor& input) {                                                      \
    run(Function1{[](float x) { return std::id(x); }, [](double x) { return std::id(x); }}, out, input); \
  }
CLEW_FROM_LIBRARY(log2)
CLEW_FROM_LIBRARY(log10)
CLEW_FROM_LIBRARY(exp2)
CLEW_FROM_LIBRARY(tan)
CLEW_FROM_LIBRARY(asin)
CLEW_FROM_LIBRARY(acos)
CLEW_FROM_LIBRARY(atan)
CLEW_FROM_LIBRARY(sinh)
CLEW_FROM_LIBRARY(cosh)
CLEW_FROM_LIBRARY(asinh)
CLEW_FROM_LIBRARY(acosh)
CLEW_FROM_LIBRARY(atanh)
CLEW_FROM_LIBRARY(erfc)
#undef CLEW_FROM_LIBRARY

double log_gamma(double x) {
  int sign;
  return ::lgamma_r(x, &sign);
}

void erfinv_cpu(Tensor& out, const Tensor& input) {
  run(Function1{[](float x) { return static_cast<float>(kernels::erfinv(static_cast<double>(x))); },
                [](double x) { return kernels::erfinv(x); }},
      out, input);
}
void lgamma_cpu(Tensor& out, const Tensor& input) {
  run(Function1{[](float x) { return static_cast<float>(log_gamma(static_cast<double>(x))); }, log_gamma},
      out, input);
}
void digamma_cpu(Tensor& out, const Tensor& input) {
  run(Function1{[](float x) { return static_cast<float>(kernels::digamma(static_cast<double>(x))); },
                [](double x) { return kernels::digamma(x); }},
      out, input);
}
void polygamma_cpu(Tensor& out, int64_t order, const Tensor& input) {
  const auto plan = make_plan<2>({&out, &input});
  dispatch<kFloating>(out.dtype(), [&]<class T>() {
    plan.run(kGrain / 8, [&](const auto& p, int64_t n, const auto& s) {
      T* o = reinterpret_cast<T*>(p[0]);
      const T* x = reinterpret_cast<const T*>(p[1]);
      for (int64_t i = 0; i < n; ++i)
        o[i * s[0]] = T(static_cast<acc_t<T>>(
            kernels::polygamma(order, static_cast<double>(static_cast<acc_t<T>>(x[i * s[1]])))));
    });
  });
}

template <class T>
T xlogy(T x, T y) {
  if (y != y) return y;
  return x == 0 ? T(0) : x * std::log(y);
}
template <class T>
T logaddexp(T a, T b) {
  if (a == b) return a + static_cast<T>(0.6931471805599453);  // infinities too
  return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b)));
}
template <class T>
T logaddexp2(T a, T b) {
  if (a == b) return a + 1;
  return std::max(a, b) + std::log1p(std::exp2(-std::abs(a - b))) * static_cast<T>(1.4426950408889634);
}

#define CLEW_FUNCTION2(id, name)                                         \
  void id##_cpu(Tensor& out, const Tensor& input, const Tensor& other) { \
    run(Function2{[](float a, float b) { return name(a, b); },           \
                  [](double a, double b) { return name(a, b); }},        \
        out, input, other);                                              \
  }
CLEW_FUNCTION2(hypot, std::hypot)
CLEW_FUNCTION2(copysign, std::copysign)
CLEW_FUNCTION2(xlogy, xlogy)
CLEW_FUNCTION2(logaddexp, logaddexp)
CLEW_FUNCTION2(logaddexp2, logaddexp2)
#undef CLEW_FUNCTION2

void atan2_cpu(Tensor& out, const Tensor& input, const Tensor& other) {
  const auto loop = cpu::loops().binary(cpu::BinaryOp::atan2, static_cast<int>(out.dtype()));
  const auto plan = make_plan<3>({&out, &input, &other});
  plan.run(kGrainCompute, [&](const auto& p, int64_t n, const auto& s) {
    loop(p[0], p[1], p[2], n, s[0], s[1], s[2], cpu::LoopParams{});
  });
}

int64_t shifted_left(int64_t a, int64_t b, int bits) {
  if (b < 0 || b >= bits) return 0;
  return static_cast<int64_t>(static_cast<uint64_t>(a) << b);
}
int64_t shifted_right(int64_t a, int64_t b, int bits) {
  if (b < 0 || b >= bits) return a < 0 ? -1 : 0;
  return a >> b;
}
uint64_t magnitude(int64_t a) {
  return a < 0 ? uint64_t{0} - static_cast<uint64_t>(a) : static_cast<uint64_t>(a);
}
int64_t common_divisor(int64_t a, int64_t b, int) {
  return static_cast<int64_t>(std::gcd(magnitude(a), magnitude(b)));
}
int64_t common_multiple(int64_t a, int64_t b, int) {
  const uint64_t x = magnitude(a), y = magnitude(b), d = std::gcd(x, y);
  return d == 0 ? 0 : static_cast<int64_t>(x / d * y);
}

#define CLEW_INTEGER2(id, function) \
  void id##_cpu(Tensor& out, const Tensor& input, const Tensor& other) { run(&function, out, input, other); }
CLEW_INTEGER2(bitwise_left_shift, shifted_left)
CLEW_INTEGER2(bitwise_right_shift, shifted_right)
CLEW_INTEGER2(gcd, common_divisor)
CLEW_INTEGER2(lcm, common_multiple)
#undef CLEW_INTEGER2

template <cpu::TernaryOp op>
void three_cpu(Tensor& out, const Tensor& a, const Tensor& b, const Tensor& c, const Scalar& value) {
  const auto loop = cpu::loops().ternary(op, static_cast<int>(out.dtype()));
  CLEW_ASSERT(loop != nullptr);
  const auto plan = make_plan<4>({&out, &a, &b, &c});
  const cpu::LoopParams params{.p0 = value.to_double(), .p1 = 0, .i0 = value.to_int(), .i1 = 0};
  plan.run(kGrainMemory, [&](const auto& p, int64_t n, const auto& s) {
    loop(p[0], p[1], p[2], p[3], n, s[0], s[1], s[2], s[3], params);
  });
}

}  // namespace

CLEW_CPU_KERNEL(log2, log2_cpu);
CLEW_CPU_KERNEL(log10, log10_cpu);
CLEW_CPU_KERNEL(exp2, exp2_cpu);
CLEW_CPU_KERNEL(tan, tan_cpu);
CLEW_CPU_KERNEL(asin, asin_cpu);
CLEW_CPU_KERNEL(acos, acos_cpu);
CLEW_CPU_KERNEL(atan, atan_cpu);
CLEW_CPU_KERNEL(sinh, sinh_cpu);
CLEW_CPU_KERNEL(cosh, cosh_cpu);
CLEW_CPU_KERNEL(asinh, asinh_cpu);
CLEW_CPU_KERNEL(acosh, acosh_cpu);
CLEW_CPU_KERNEL(atanh, atanh_cpu);
CLEW_CPU_KERNEL(erfc, erfc_cpu);
CLEW_CPU_KERNEL(erfinv, erfinv_cpu);
CLEW_CPU_KERNEL(lgamma, lgamma_cpu);
CLEW_CPU_KERNEL(digamma, digamma_cpu);
CLEW_CPU_KERNEL(polygamma, polygamma_cpu);
CLEW_CPU_KERNEL(atan2, atan2_cpu);
CLEW_CPU_KERNEL(hypot, hypot_cpu);
CLEW_CPU_KERNEL(copysign, copysign_cpu);
CLEW_CPU_KERNEL(xlogy, xlogy_cpu);
CLEW_CPU_KERNEL(logaddexp, logaddexp_cpu);
CLEW_CPU_KERNEL(logaddexp2, logaddexp2_cpu);
CLEW_CPU_KERNEL(bitwise_left_shift, bitwise_left_shift_cpu);
CLEW_CPU_KERNEL(bitwise_right_shift, bitwise_right_shift_cpu);
CLEW_CPU_KERNEL(gcd, gcd_cpu);
CLEW_CPU_KERNEL(lcm, lcm_cpu);
CLEW_CPU_KERNEL(addcmul, three_cpu<cpu::TernaryOp::addcmul>);
CLEW_CPU_KERNEL(addcdiv, three_cpu<cpu::TernaryOp::addcdiv>);

}  // namespace clew
