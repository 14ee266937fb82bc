// What each elementwise op does around its loop, the same on every device: special cases, limits, names.
//
// A backend gives three functions and gets the kernels of all elementwise ops:
//
//   struct Loops {
//     static void unary(UnaryOp, Tensor& out, const Tensor& a, const Params&);
//     static void binary(BinaryOp, Tensor& out, const Tensor& a, const Tensor& b, const Params&);
//     static void ternary(TernaryOp, Tensor& out, const Tensor& a, const Tensor& b, const Tensor& c);
//   };
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "clew/autograd/grad_mode.h"
#include "clew/ops/ops.h"
#include "kernels/functors.h"
#include "kernels/op_kinds.h"

namespace clew::kernels {

[[noreturn, gnu::cold]] inline void no_loop(DType t) {
  detail::raise<DTypeError>("elementwise: expected a dtype with a loop for this op, got ", t,
                            " (convert with .to(dtype))");
}

// Integer division by zero has no value and would trap.
inline void refuse_zero(const char* op, const Tensor& divisor) {
  if (!is_integral(divisor.dtype()) || divisor.numel() == 0) return;
  const NoGradGuard guard;
  CLEW_CHECK(!any(divisor == 0).item().to_bool(), ValueError, op,
             ": expected an integer divisor without zeros, got one with a zero");
}

inline constexpr Params kNoParams{};

template <class Loops>
struct Pointwise {
  static void run_unary(UnaryOp op, Tensor& out, const Tensor& a, const Params& params = kNoParams) {
    Loops::unary(op, out, a, params);
  }
  static void run_binary(BinaryOp op, Tensor& out, const Tensor& a, const Tensor& b,
                         const Params& params = kNoParams) {
    Loops::binary(op, out, a, b, params);
  }

  template <UnaryOp op>
  static void unary(Tensor& out, const Tensor& input) {
    run_unary(op, out, input);
  }
  template <BinaryOp op>
  static void binary(Tensor& out, const Tensor& input, const Tensor& other) {
    run_binary(op, out, input, other);
  }

  static void square(Tensor& out, const Tensor& input) {
    const NoGradGuard guard;
    run_unary(UnaryOp::square, out, input.dtype() == out.dtype() ? input : input.to(out.dtype()));
  }

  // Rounding leaves integers as they are.
  template <UnaryOp op>
  static void rounding(Tensor& out, const Tensor& input) {
    run_unary(is_integral(input.dtype()) ? UnaryOp::identity : op, out, input);
  }

  template <BinaryOp op, int sign>
  static void scaled(Tensor& out, const Tensor& input, const Tensor& other, const Scalar& alpha) {
    if (CLEW_LIKELY(alpha.equals(1))) return run_binary(op, out, input, other);
    if (out.dtype() == kBool) return run_unary(UnaryOp::identity, out, input);  // alpha is False
    run_binary(BinaryOp::add_scaled, out, input, other,
               {.p0 = sign * alpha.to_double(), .p1 = 0, .i0 = sign * alpha.to_int(), .i1 = 0});
  }

  template <BinaryOp op>
  static void integer_division(Tensor& out, const Tensor& input, const Tensor& other) {
    constexpr const char* name = op == BinaryOp::remainder      ? "remainder"
                                 : op == BinaryOp::fmod         ? "fmod"
                                 : op == BinaryOp::floor_divide ? "floor_divide"
                                                                : "div";
    refuse_zero(name, other);
    run_binary(op, out, input, other);
  }

  static void pow(Tensor& out, const Tensor& input, const Tensor& exponent) {
    // A number on a device stays there: to look at it would wait for all work before.
    if (is_floating(input.dtype()) && exponent.numel() == 1 && exponent.dim() == 0 && exponent.is_cpu()) {
      const double e = exponent.item().to_double();
      if (e == 2) return run_unary(UnaryOp::square, out, input);
      if (e == 1) return run_unary(UnaryOp::identity, out, input);
      if (e == -1) return run_unary(UnaryOp::reciprocal, out, input);
    }
    run_binary(BinaryOp::pow, out, input, exponent);
  }

  static void clamp(Tensor& out, const Tensor& input, std::optional<Scalar> min, std::optional<Scalar> max) {
    if (out.dtype() != input.dtype()) {  // integers with a floating limit
      const NoGradGuard guard;
      return Pointwise::clamp(out, input.to(out.dtype()), min, max);
    }
    Params p{
        .p0 = min ? min->to_double() : -INFINITY, .p1 = max ? max->to_double() : INFINITY, .i0 = 0, .i1 = 0};
    if (is_integral(input.dtype())) {
      dispatch<kIntegers>(input.dtype(), [&]<class T>() {
        // Limits outside of the dtype's range do not limit.
        constexpr int64_t lo = std::numeric_limits<T>::min(), hi = std::numeric_limits<T>::max();
        p.i0 = std::clamp(min ? min->to_int() : lo, lo, hi);
        p.i1 = std::clamp(max ? max->to_int() : hi, lo, hi);
      });
    }
    run_unary(UnaryOp::clamp, out, input, p);
  }

  static void gelu(Tensor& out, const Tensor& input, std::string_view approximate) {
    run_unary(approximate == "tanh" ? UnaryOp::gelu_tanh : UnaryOp::gelu_erf, out, input);
  }

  static void leaky_relu(Tensor& out, const Tensor& input, double negative_slope) {
    run_unary(UnaryOp::leaky_relu, out, input, {.p0 = negative_slope, .p1 = 0, .i0 = 0, .i1 = 0});
  }

  static void pointwise_backward(Tensor& out, const Tensor& g, const Tensor& saved, std::string_view function,
                                 double p0, double p1) {
    struct Entry {
      std::string_view name;
      BinaryOp op;
    };
    static constexpr Entry kFunctions[] = {
        {"relu", BinaryOp::relu_backward},           {"sigmoid", BinaryOp::sigmoid_backward},
        {"tanh", BinaryOp::tanh_backward},           {"gelu", BinaryOp::gelu_erf_backward},
        {"gelu_tanh", BinaryOp::gelu_tanh_backward}, {"silu", BinaryOp::silu_backward},
        {"clamp", BinaryOp::clamp_backward},         {"leaky_relu", BinaryOp::leaky_relu_backward},
    };
    for (const Entry& e : kFunctions) {
      if (e.name == function) return run_binary(e.op, out, g, saved, {.p0 = p0, .p1 = p1, .i0 = 0, .i1 = 0});
    }
    detail::raise<ValueError>("pointwise_backward: expected the name of an elementwise function, got '",
                              function, "'");
  }

  template <TernaryOp op>
  static void ternary(Tensor& out, const Tensor& a, const Tensor& b, const Tensor& c) {
    Loops::ternary(op, out, a, b, c);
  }
};

}  // namespace clew::kernels

/// X(op, kernel) for every elementwise op, the kernels being those of P.
#define CLEW_POINTWISE_KERNELS(X, P)                                              \
  X(add, (P::scaled<::clew::kernels::BinaryOp::add, 1>))                          \
  X(sub, (P::scaled<::clew::kernels::BinaryOp::sub, -1>))                         \
  X(mul, (P::binary<::clew::kernels::BinaryOp::mul>))                             \
  X(true_divide, (P::binary<::clew::kernels::BinaryOp::div>))                     \
  X(trunc_divide, (P::integer_division<::clew::kernels::BinaryOp::trunc_divide>)) \
  X(floor_divide, (P::integer_division<::clew::kernels::BinaryOp::floor_divide>)) \
  X(remainder, (P::integer_division<::clew::kernels::BinaryOp::remainder>))       \
  X(fmod, (P::integer_division<::clew::kernels::BinaryOp::fmod>))                 \
  X(pow, P::pow)                                                                  \
  X(maximum, (P::binary<::clew::kernels::BinaryOp::maximum>))                     \
  X(minimum, (P::binary<::clew::kernels::BinaryOp::minimum>))                     \
  X(neg, (P::unary<::clew::kernels::UnaryOp::neg>))                               \
  X(abs, (P::unary<::clew::kernels::UnaryOp::abs>))                               \
  X(exp, (P::unary<::clew::kernels::UnaryOp::exp>))                               \
  X(log, (P::unary<::clew::kernels::UnaryOp::log>))                               \
  X(log1p, (P::unary<::clew::kernels::UnaryOp::log1p>))                           \
  X(expm1, (P::unary<::clew::kernels::UnaryOp::expm1>))                           \
  X(sqrt, (P::unary<::clew::kernels::UnaryOp::sqrt>))                             \
  X(rsqrt, (P::unary<::clew::kernels::UnaryOp::rsqrt>))                           \
  X(square, P::square)                                                            \
  X(reciprocal, (P::unary<::clew::kernels::UnaryOp::reciprocal>))                 \
  X(sin, (P::unary<::clew::kernels::UnaryOp::sin>))                               \
  X(cos, (P::unary<::clew::kernels::UnaryOp::cos>))                               \
  X(tanh, (P::unary<::clew::kernels::UnaryOp::tanh>))                             \
  X(sigmoid, (P::unary<::clew::kernels::UnaryOp::sigmoid>))                       \
  X(erf, (P::unary<::clew::kernels::UnaryOp::erf>))                               \
  X(relu, (P::unary<::clew::kernels::UnaryOp::relu>))                             \
  X(silu, (P::unary<::clew::kernels::UnaryOp::silu>))                             \
  X(sign, (P::unary<::clew::kernels::UnaryOp::sign>))                             \
  X(floor, (P::rounding<::clew::kernels::UnaryOp::floor>))                        \
  X(ceil, (P::rounding<::clew::kernels::UnaryOp::ceil>))                          \
  X(round, (P::rounding<::clew::kernels::UnaryOp::round>))                        \
  X(trunc, (P::rounding<::clew::kernels::UnaryOp::trunc>))                        \
  X(isnan, (P::unary<::clew::kernels::UnaryOp::isnan>))                           \
  X(isinf, (P::unary<::clew::kernels::UnaryOp::isinf>))                           \
  X(isfinite, (P::unary<::clew::kernels::UnaryOp::isfinite>))                     \
  X(logical_not, (P::unary<::clew::kernels::UnaryOp::logical_not>))               \
  X(bitwise_not, (P::unary<::clew::kernels::UnaryOp::bitwise_not>))               \
  X(gelu, P::gelu)                                                                \
  X(leaky_relu, P::leaky_relu)                                                    \
  X(clamp, P::clamp)                                                              \
  X(pointwise_backward, P::pointwise_backward)                                    \
  X(eq, (P::binary<::clew::kernels::BinaryOp::eq>))                               \
  X(ne, (P::binary<::clew::kernels::BinaryOp::ne>))                               \
  X(lt, (P::binary<::clew::kernels::BinaryOp::lt>))                               \
  X(le, (P::binary<::clew::kernels::BinaryOp::le>))                               \
  X(gt, (P::binary<::clew::kernels::BinaryOp::gt>))                               \
  X(ge, (P::binary<::clew::kernels::BinaryOp::ge>))                               \
  X(logical_and, (P::binary<::clew::kernels::BinaryOp::logical_and>))             \
  X(logical_or, (P::binary<::clew::kernels::BinaryOp::logical_or>))               \
  X(logical_xor, (P::binary<::clew::kernels::BinaryOp::logical_xor>))             \
  X(bitwise_and, (P::binary<::clew::kernels::BinaryOp::bitwise_and>))             \
  X(bitwise_or, (P::binary<::clew::kernels::BinaryOp::bitwise_or>))               \
  X(bitwise_xor, (P::binary<::clew::kernels::BinaryOp::bitwise_xor>))             \
  X(lerp, (P::ternary<::clew::kernels::TernaryOp::lerp>))                         \
  X(where, (P::ternary<::clew::kernels::TernaryOp::where>))
