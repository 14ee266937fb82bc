// Elementwise kernels: an iteration plan around the loops of cpu/isa.
#include <algorithm>
#include <cmath>
#include <limits>

#include "clew/autograd/grad_mode.h"
#include "cpu/loops.h"
#include "kernels/iter_plan.h"
#include "registry/slots.h"

namespace clew {
namespace {

using cpu::BinaryOp;
using cpu::LoopParams;
using cpu::TernaryOp;
using cpu::UnaryOp;

[[noreturn, gnu::cold]] void no_loop(DType t) {
  detail::raise<DTypeError>("elementwise: expected a dtype with a loop for this op, got ", t,
                            " (convert with .to(dtype))");
}

bool is_costly(UnaryOp op) { return op >= UnaryOp::exp && op <= UnaryOp::silu; }

void run_unary(UnaryOp op, Tensor& out, const Tensor& a, const LoopParams& params = {}) {
  const auto loop = cpu::loops().unary(op, static_cast<int>(a.dtype()));
  if (loop == nullptr) no_loop(a.dtype());
  const auto plan = make_plan<2>({&out, &a});
  plan.run(is_costly(op) ? kGrainCompute : kGrainMemory,
           [&](const auto& p, int64_t n, const auto& s) { loop(p[0], p[1], n, s[0], s[1], params); });
}

void run_binary(BinaryOp op, Tensor& out, const Tensor& a, const Tensor& b, const LoopParams& params = {}) {
  const auto loop = cpu::loops().binary(op, static_cast<int>(a.dtype()));
  if (CLEW_UNLIKELY(loop == nullptr)) no_loop(a.dtype());
  const auto plan = make_plan<3>({&out, &a, &b});
  plan.run(op == BinaryOp::pow ? kGrainCompute : kGrainMemory, [&](const auto& p, int64_t n, const auto& s) {
    loop(p[0], p[1], p[2], n, s[0], s[1], s[2], params);
  });
}

template <UnaryOp op>
void unary_cpu(Tensor& out, const Tensor& input) {
  run_unary(op, out, input);
}
template <BinaryOp op>
void binary_cpu(Tensor& out, const Tensor& input, const Tensor& other) {
  run_binary(op, out, input, other);
}

void square_cpu(Tensor& out, const Tensor& input) {
  const NoGradGuard guard;
  run_unary(UnaryOp::square, out, input.dtype() == out.dtype() ? input : input.to(out.dtype()));
}

// Rounding leaves integers as they are.
template <UnaryOp op>
void rounding_cpu(Tensor& out, const Tensor& input) {
  run_unary(is_integral(input.dtype()) ? UnaryOp::identity : op, out, input);
}

template <BinaryOp op, int sign>
void scaled_cpu(Tensor& out, const Tensor& input, const Tensor& other, const Scalar& alpha) {
  if (CLEW_LIKELY(alpha.equals(1))) return run_binary(op, out, input, other);
  if (out.dtype() == kBool) return run_unary(UnaryOp::identity, out, input);  // alpha is False
  run_binary(BinaryOp::add_scaled, out, input, other,
             {.p0 = sign * alpha.to_double(), .p1 = 0, .i0 = sign * alpha.to_int(), .i1 = 0});
}

// Integer division by zero has no value and would trap.
void refuse_zero(const char* op, const Tensor& divisor) {
  if (!is_integral(divisor.dtype()) || divisor.numel() == 0) return;
  const NoGradGuard guard;
  CLEW_CHECK(!any(divisor == 0).item().to_bool(), ValueError, op,
             ": expected an integer divisor without zeros, got one with a zero");
}

template <BinaryOp op>
void integer_division_cpu(Tensor& out, const Tensor& input, const Tensor& other) {
  constexpr const char* name = op == BinaryOp::remainder      ? "remainder"
                               : op == BinaryOp::fmod         ? "fmod"
                               : op == BinaryOp::floor_divide ? "floor_divide"
                                                              : "div";
  refuse_zero(name, other);
  run_binary(op, out, input, other);
}

void pow_cpu(Tensor& out, const Tensor& input, const Tensor& exponent) {
  if (is_floating(input.dtype()) && exponent.numel() == 1 && exponent.dim() == 0) {
    const double e = exponent.item().to_double();
    if (e == 2) return run_unary(UnaryOp::square, out, input);
    if (e == 1) return run_unary(UnaryOp::identity, out, input);
    if (e == -1) return run_unary(UnaryOp::reciprocal, out, input);
  }
  run_binary(BinaryOp::pow, out, input, exponent);
}

void clamp_cpu(Tensor& out, const Tensor& input, std::optional<Scalar> min, std::optional<Scalar> max) {
  if (out.dtype() != input.dtype()) {  // integers with a floating limit
    const NoGradGuard guard;
    return clamp_cpu(out, input.to(out.dtype()), min, max);
  }
  LoopParams p{
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

void gelu_cpu(Tensor& out, const Tensor& input, std::string_view approximate) {
  run_unary(approximate == "tanh" ? UnaryOp::gelu_tanh : UnaryOp::gelu_erf, out, input);
}

void leaky_relu_cpu(Tensor& out, const Tensor& input, double negative_slope) {
  run_unary(UnaryOp::leaky_relu, out, input, {.p0 = negative_slope, .p1 = 0, .i0 = 0, .i1 = 0});
}

void pointwise_backward_cpu(Tensor& out, const Tensor& g, const Tensor& saved, std::string_view function,
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
void ternary_cpu(Tensor& out, const Tensor& a, const Tensor& b, const Tensor& c) {
  const DType column = out.dtype();
  const auto loop = cpu::loops().ternary(op, static_cast<int>(column));
  if (loop == nullptr) no_loop(column);
  const auto plan = make_plan<4>({&out, &a, &b, &c});
  plan.run(kGrainMemory, [&](const auto& p, int64_t n, const auto& s) {
    loop(p[0], p[1], p[2], p[3], n, s[0], s[1], s[2], s[3], LoopParams{});
  });
}

}  // namespace

CLEW_CPU_KERNEL(add, (scaled_cpu<BinaryOp::add, 1>));
CLEW_CPU_KERNEL(sub, (scaled_cpu<BinaryOp::sub, -1>));
CLEW_CPU_KERNEL(mul, binary_cpu<BinaryOp::mul>);
CLEW_CPU_KERNEL(true_divide, binary_cpu<BinaryOp::div>);
CLEW_CPU_KERNEL(trunc_divide, integer_division_cpu<BinaryOp::trunc_divide>);
CLEW_CPU_KERNEL(floor_divide, integer_division_cpu<BinaryOp::floor_divide>);
CLEW_CPU_KERNEL(remainder, integer_division_cpu<BinaryOp::remainder>);
CLEW_CPU_KERNEL(fmod, integer_division_cpu<BinaryOp::fmod>);
CLEW_CPU_KERNEL(pow, pow_cpu);
CLEW_CPU_KERNEL(maximum, binary_cpu<BinaryOp::maximum>);
CLEW_CPU_KERNEL(minimum, binary_cpu<BinaryOp::minimum>);
CLEW_CPU_KERNEL(neg, unary_cpu<UnaryOp::neg>);
CLEW_CPU_KERNEL(abs, unary_cpu<UnaryOp::abs>);
CLEW_CPU_KERNEL(exp, unary_cpu<UnaryOp::exp>);
CLEW_CPU_KERNEL(log, unary_cpu<UnaryOp::log>);
CLEW_CPU_KERNEL(log1p, unary_cpu<UnaryOp::log1p>);
CLEW_CPU_KERNEL(expm1, unary_cpu<UnaryOp::expm1>);
CLEW_CPU_KERNEL(sqrt, unary_cpu<UnaryOp::sqrt>);
CLEW_CPU_KERNEL(rsqrt, unary_cpu<UnaryOp::rsqrt>);
CLEW_CPU_KERNEL(square, square_cpu);
CLEW_CPU_KERNEL(reciprocal, unary_cpu<UnaryOp::reciprocal>);
CLEW_CPU_KERNEL(sin, unary_cpu<UnaryOp::sin>);
CLEW_CPU_KERNEL(cos, unary_cpu<UnaryOp::cos>);
CLEW_CPU_KERNEL(tanh, unary_cpu<UnaryOp::tanh>);
CLEW_CPU_KERNEL(sigmoid, unary_cpu<UnaryOp::sigmoid>);
CLEW_CPU_KERNEL(erf, unary_cpu<UnaryOp::erf>);
CLEW_CPU_KERNEL(relu, unary_cpu<UnaryOp::relu>);
CLEW_CPU_KERNEL(silu, unary_cpu<UnaryOp::silu>);
CLEW_CPU_KERNEL(sign, unary_cpu<UnaryOp::sign>);
CLEW_CPU_KERNEL(floor, rounding_cpu<UnaryOp::floor>);
CLEW_CPU_KERNEL(ceil, rounding_cpu<UnaryOp::ceil>);
CLEW_CPU_KERNEL(round, rounding_cpu<UnaryOp::round>);
CLEW_CPU_KERNEL(trunc, rounding_cpu<UnaryOp::trunc>);
CLEW_CPU_KERNEL(isnan, unary_cpu<UnaryOp::isnan>);
CLEW_CPU_KERNEL(isinf, unary_cpu<UnaryOp::isinf>);
CLEW_CPU_KERNEL(isfinite, unary_cpu<UnaryOp::isfinite>);
CLEW_CPU_KERNEL(logical_not, unary_cpu<UnaryOp::logical_not>);
CLEW_CPU_KERNEL(bitwise_not, unary_cpu<UnaryOp::bitwise_not>);
CLEW_CPU_KERNEL(gelu, gelu_cpu);
CLEW_CPU_KERNEL(leaky_relu, leaky_relu_cpu);
CLEW_CPU_KERNEL(clamp, clamp_cpu);
CLEW_CPU_KERNEL(pointwise_backward, pointwise_backward_cpu);
CLEW_CPU_KERNEL(eq, binary_cpu<BinaryOp::eq>);
CLEW_CPU_KERNEL(ne, binary_cpu<BinaryOp::ne>);
CLEW_CPU_KERNEL(lt, binary_cpu<BinaryOp::lt>);
CLEW_CPU_KERNEL(le, binary_cpu<BinaryOp::le>);
CLEW_CPU_KERNEL(gt, binary_cpu<BinaryOp::gt>);
CLEW_CPU_KERNEL(ge, binary_cpu<BinaryOp::ge>);
CLEW_CPU_KERNEL(logical_and, binary_cpu<BinaryOp::logical_and>);
CLEW_CPU_KERNEL(logical_or, binary_cpu<BinaryOp::logical_or>);
CLEW_CPU_KERNEL(logical_xor, binary_cpu<BinaryOp::logical_xor>);
CLEW_CPU_KERNEL(bitwise_and, binary_cpu<BinaryOp::bitwise_and>);
CLEW_CPU_KERNEL(bitwise_or, binary_cpu<BinaryOp::bitwise_or>);
CLEW_CPU_KERNEL(bitwise_xor, binary_cpu<BinaryOp::bitwise_xor>);
CLEW_CPU_KERNEL(lerp, ternary_cpu<TernaryOp::lerp>);
CLEW_CPU_KERNEL(where, ternary_cpu<TernaryOp::where>);

}  // namespace clew
