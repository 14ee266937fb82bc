#include "cpu/isa/common.h"

namespace clew::cpu::CLEW_ISA {
namespace {

// Contiguous loops per functor and type: both operands full; for the commonest also one of them a single
// value. Elsewhere a single value is spread over a block first, which costs little beside build time and
// size.
enum class Form { full, a_scalar, b_scalar };
using Kernel = void (*)(void* out, const void* a, const void* b, int64_t n, const LoopParams& p);

template <class F, class T, class R, Form form>
void contiguous(void* out, const void* a, const void* b, int64_t n, const LoopParams& p) {
  const F f = make_functor<F>(p);
  R* o = static_cast<R*>(out);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  if constexpr (form == Form::full) {
    CLEW_IVDEP
    for (int64_t i = 0; i < n; ++i) o[i] = static_cast<R>(f(x[i], y[i]));
  } else if constexpr (form == Form::a_scalar) {
    const T v = *x;
    CLEW_IVDEP
    for (int64_t i = 0; i < n; ++i) o[i] = static_cast<R>(f(v, y[i]));
  } else {
    const T v = *y;
    CLEW_IVDEP
    for (int64_t i = 0; i < n; ++i) o[i] = static_cast<R>(f(x[i], v));
  }
}

// A power with one exponent for all: the common ones need no logarithm.
template <class T>
void pow_scalar(void* out, const void* a, const void* b, int64_t n, const LoopParams&) {
  T* o = static_cast<T*>(out);
  const T* x = static_cast<const T*>(a);
  const T e = *static_cast<const T*>(b);
  const auto each = [&](auto f) {
    CLEW_IVDEP
    for (int64_t i = 0; i < n; ++i) o[i] = f(x[i]);
  };
  if (e == T(2)) return each([](T v) { return v * v; });
  if (e == T(3)) return each([](T v) { return v * v * v; });
  if (e == T(1)) return each([](T v) { return v; });
  if (e == T(-1)) return each([](T v) { return T(1) / v; });
  if (e == T(-2)) return each([](T v) { return T(1) / (v * v); });
  if (e == T(0.5)) return each([](T v) { return v == -T(HUGE_VAL) ? T(HUGE_VAL) : math::sqrt(v + T(0)); });
  each([e](T v) { return math::pow(v, e); });
}

// fmod and its kin for float: blocks without an extreme quotient take a loop that vectorises.
template <class F, class Easy>
void quotients(void* out, const void* a, const void* b, int64_t n, const LoopParams&) {
  float* o = static_cast<float*>(out);
  const float* x = static_cast<const float*>(a);
  const float* y = static_cast<const float*>(b);
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t end = i + smaller(kBlock, n - i);
    int32_t hard = 0;
    for (int64_t j = i; j < end; ++j) hard |= !math::easy_quotient(x[j], y[j]);
    if (hard != 0) {
      for (int64_t j = i; j < end; ++j) o[j] = F()(x[j], y[j]);
      continue;
    }
    CLEW_IVDEP
    for (int64_t j = i; j < end; ++j) o[j] = Easy()(x[j], y[j]);
  }
}

struct EasyFmod {
  CLEW_HD float operator()(float a, float b) const { return math::fmod_easy(a, b); }
};
struct EasyRemainder {
  CLEW_HD float operator()(float a, float b) const {
    const float r = math::fmod_easy(a, b);
    const float moved = r + b;
    return ((r != 0.0f) & ((r < 0.0f) != (b < 0.0f))) ? moved : r;
  }
};
struct EasyFloorDivide {
  CLEW_HD float operator()(float a, float b) const { return math::floor_div_easy(a, b); }
};

// The forms with a scalar may be null.
struct Kernels {
  Kernel full, a_scalar, b_scalar;
};

template <class T, class R>
CLEW_ONE_COPY void blocked(const Kernels& k, R* out, const T* a, const T* b, int64_t n, int64_t so,
                           int64_t sa, int64_t sb, const LoopParams& p) {
  using C = compute_t<T>;
  alignas(64) C a_buffer[kBlock];
  alignas(64) C b_buffer[kBlock];
  alignas(64) compute_t<R> out_buffer[kBlock];
  Kernel kernel = k.full;
  int64_t fill = smaller(kBlock, n);
  if (sa == 0 && k.a_scalar != nullptr) {
    kernel = k.a_scalar;
    fill = 1;
  } else if (sb == 0 && k.b_scalar != nullptr) {
    kernel = k.b_scalar;
    fill = 1;
  }
  const C* x = sa == 0 ? as_block(a, kernel == k.b_scalar ? kBlock : fill, 0, a_buffer) : nullptr;
  const C* y = sb == 0 ? as_block(b, kernel == k.a_scalar ? kBlock : fill, 0, b_buffer) : nullptr;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = smaller(kBlock, n - i);
    if (sa != 0) x = as_block(a + i * sa, m, sa, a_buffer);
    if (sb != 0) y = as_block(b + i * sb, m, sb, b_buffer);
    compute_t<R>* o = out_block(out + i * so, so, out_buffer);
    kernel(o, x, y, m, p);
    put_block(out + i * so, o, m, so);
  }
}

template <Kernel full, Kernel a_scalar, Kernel b_scalar, class T, class R>
void loop(void* out, const void* a, const void* b, int64_t n, int64_t so, int64_t sa, int64_t sb,
          const LoopParams& p) {
  if constexpr (!is_packed<T>) {
    if (n == 1 || (so == 1 && sa == 1 && sb == 1)) return full(out, a, b, n, p);
    if constexpr (b_scalar != nullptr) {
      if (so == 1 && sa == 1 && sb == 0) return b_scalar(out, a, b, n, p);
    }
    if constexpr (a_scalar != nullptr) {
      if (so == 1 && sa == 0 && sb == 1) return a_scalar(out, a, b, n, p);
    }
  }
  using BT = block_type<T>;
  using BR = block_type<R>;
  static constexpr Kernels k = {full, a_scalar, b_scalar};
  blocked<BT, BR>(k, static_cast<BR*>(out), static_cast<const BT*>(a), static_cast<const BT*>(b), n, so, sa,
                  sb, p);
}

template <class F>
constexpr bool has_scalar_forms = std::is_same_v<F, kernels::Add> || std::is_same_v<F, kernels::Sub> ||
                                  std::is_same_v<F, kernels::Mul> || std::is_same_v<F, kernels::Div>;

// T: the column; C: the type computed in; R: the result's.
template <class F, class T, class C, class R>
constexpr void set(BinaryTable& t, BinaryOp op) {
  using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;
  using Result = std::conditional_t<is_packed<T> && std::is_same_v<C, R>, T,
                                    std::conditional_t<std::is_same_v<R, bool>, uint8_t, R>>;
  BinaryLoop& entry = t.at[static_cast<int>(op)][column_of<T>()];
  if constexpr (has_scalar_forms<F> && !std::is_integral_v<C>) {
    entry = &loop<&contiguous<F, C, R, Form::full>, &contiguous<F, C, R, Form::a_scalar>,
                  &contiguous<F, C, R, Form::b_scalar>, Stored, Result>;
  } else {
    entry = &loop<&contiguous<F, C, R, Form::full>, nullptr, nullptr, Stored, Result>;
  }
}

template <class T>
constexpr void set_pow(BinaryTable& t) {
  using C = compute_t<T>;
  using k = kernels::Pow;
  t.at[static_cast<int>(BinaryOp::pow)][column_of<T>()] =
      &loop<&contiguous<k, C, C, Form::full>, nullptr, &pow_scalar<C>, T, T>;
}

template <class F>
constexpr void set_floats(BinaryTable& t, BinaryOp op) {
  set<F, float, float, float>(t, op);
  set<F, Half, float, float>(t, op);
  set<F, BFloat16, float, float>(t, op);
  set<F, double, double, double>(t, op);
}

template <class F, class Easy>
constexpr void set_quotients(BinaryTable& t, BinaryOp op) {
  constexpr Kernel kernel = &quotients<F, Easy>;
  t.at[static_cast<int>(op)][column_of<float>()] = &loop<kernel, nullptr, nullptr, float, float>;
  t.at[static_cast<int>(op)][column_of<Half>()] = &loop<kernel, nullptr, nullptr, Half, Half>;
  t.at[static_cast<int>(op)][column_of<BFloat16>()] = &loop<kernel, nullptr, nullptr, BFloat16, BFloat16>;
  set<F, double, double, double>(t, op);
}

// Loops for two widths.
template <class F>
constexpr void set_ints(BinaryTable& t, BinaryOp op) {
  set<F, Narrow<uint8_t>, int32_t, int32_t>(t, op);
  set<F, Narrow<int8_t>, int32_t, int32_t>(t, op);
  set<F, Narrow<int16_t>, int32_t, int32_t>(t, op);
  set<F, int32_t, int32_t, int32_t>(t, op);
  set<F, int64_t, int64_t, int64_t>(t, op);
}

template <class F>
constexpr void set_tests(BinaryTable& t, BinaryOp op) {
  set<F, float, float, bool>(t, op);
  set<F, Half, float, bool>(t, op);
  set<F, BFloat16, float, bool>(t, op);
  set<F, double, double, bool>(t, op);
  set<F, bool, uint8_t, bool>(t, op);
  set<F, uint8_t, uint8_t, bool>(t, op);
  set<F, Narrow<int8_t>, int32_t, bool>(t, op);
  set<F, Narrow<int16_t>, int32_t, bool>(t, op);
  set<F, int32_t, int32_t, bool>(t, op);
  set<F, int64_t, int64_t, bool>(t, op);
}

template <class F>
constexpr void set_bool(BinaryTable& t, BinaryOp op) {
  set<F, bool, uint8_t, bool>(t, op);
}

constexpr BinaryTable make_table() {
  namespace k = kernels;
  using enum BinaryOp;
  BinaryTable t{};
  set_floats<k::Add>(t, add);
  set_floats<k::Sub>(t, sub);
  set_floats<k::Mul>(t, mul);
  set_floats<k::Div>(t, div);
  set_floats<k::AddScaled>(t, add_scaled);
  set_floats<k::Maximum>(t, maximum);
  set_floats<k::Minimum>(t, minimum);
  set_quotients<k::Fmod, EasyFmod>(t, fmod);
  set_quotients<k::Remainder, EasyRemainder>(t, remainder);
  set_quotients<k::FloorDivide, EasyFloorDivide>(t, floor_divide);
  set_floats<k::TruncDivide>(t, trunc_divide);
  set_floats<k::Atan2>(t, atan2);
  set_floats<k::TanhBackward>(t, tanh_backward);
  set_floats<k::SigmoidBackward>(t, sigmoid_backward);
  set_floats<k::ReluBackward>(t, relu_backward);
  set_floats<k::LeakyReluBackward>(t, leaky_relu_backward);
  set_floats<k::GeluErfBackward>(t, gelu_erf_backward);
  set_floats<k::GeluTanhBackward>(t, gelu_tanh_backward);
  set_floats<k::SiluBackward>(t, silu_backward);
  set_floats<k::ClampBackward>(t, clamp_backward);
  set_pow<float>(t);
  set_pow<Half>(t);
  set_pow<BFloat16>(t);
  set_pow<double>(t);

  set_ints<k::Add>(t, add);
  set_ints<k::Sub>(t, sub);
  set_ints<k::Mul>(t, mul);
  set_ints<k::AddScaled>(t, add_scaled);
  set_ints<k::BitwiseAnd>(t, bitwise_and);
  set_ints<k::BitwiseOr>(t, bitwise_or);
  set_ints<k::BitwiseXor>(t, bitwise_xor);
  set_ints<k::Maximum>(t, maximum);
  set_ints<k::Minimum>(t, minimum);
  set_ints<k::Fmod>(t, fmod);
  set_ints<k::Remainder>(t, remainder);
  set_ints<k::FloorDivide>(t, floor_divide);
  set_ints<k::TruncDivide>(t, trunc_divide);
  set_ints<k::Pow>(t, pow);

  set_tests<k::Eq>(t, eq);
  set_tests<k::Ne>(t, ne);
  set_tests<k::Lt>(t, lt);
  set_tests<k::Le>(t, le);
  set_tests<k::Gt>(t, gt);
  set_tests<k::Ge>(t, ge);
  set_tests<k::LogicalAnd>(t, logical_and);
  set_tests<k::LogicalOr>(t, logical_or);
  set_tests<k::LogicalXor>(t, logical_xor);

  // Bool: a sum is an "or", a product an "and".
  set_bool<k::LogicalOr>(t, add);
  set_bool<k::LogicalOr>(t, maximum);
  set_bool<k::LogicalOr>(t, bitwise_or);
  set_bool<k::LogicalAnd>(t, mul);
  set_bool<k::LogicalAnd>(t, minimum);
  set_bool<k::LogicalAnd>(t, bitwise_and);
  set_bool<k::LogicalXor>(t, bitwise_xor);
  return t;
}

}  // namespace

extern const BinaryTable binary_table;
constinit const BinaryTable binary_table = make_table();

}  // namespace clew::cpu::CLEW_ISA
