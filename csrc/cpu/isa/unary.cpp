#include "cpu/isa/common.h"

namespace clew::cpu::CLEW_ISA {
namespace {

// One contiguous loop per functor and type; strides and 16-bit floats go through blocks around it.
using Kernel = void (*)(void* out, const void* a, int64_t n, const LoopParams& p);

template <class F, class T, class R>
void contiguous(void* out, const void* a, int64_t n, const LoopParams& p) {
  const F f = make_functor<F>(p);
  R* o = static_cast<R*>(out);
  const T* x = static_cast<const T*>(a);
  // ivdep: an output is its input or apart from it.
  CLEW_IVDEP
  for (int64_t i = 0; i < n; ++i) o[i] = static_cast<R>(f(x[i]));
}

template <class T, class R>
CLEW_ONE_COPY void blocked(Kernel kernel, R* out, const T* a, int64_t n, int64_t so, int64_t sa,
                           const LoopParams& p) {
  alignas(64) compute_t<T> in_buffer[kBlock];
  alignas(64) compute_t<R> out_buffer[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = smaller(kBlock, n - i);
    compute_t<R>* o = out_block(out + i * so, so, out_buffer);
    kernel(o, as_block(a + i * sa, m, sa, in_buffer), m, p);
    put_block(out + i * so, o, m, so);
  }
}

template <Kernel kernel, class T, class R>
void loop(void* out, const void* a, int64_t n, int64_t so, int64_t sa, const LoopParams& p) {
  if constexpr (!is_packed<T>) {
    if ((so == 1 && sa == 1) || n == 1) return kernel(out, a, n, p);
  }
  using BT = block_type<T>;
  using BR = block_type<R>;
  blocked<BT, BR>(kernel, static_cast<BR*>(out), static_cast<const BT*>(a), n, so, sa, p);
}

// The sine and cosine of large arguments come from the C library; blocks without any take the fast loop.
template <class F, uint32_t shift>
void trig(void* out, const void* a, int64_t n, const LoopParams&) {
  float* o = static_cast<float*>(out);
  const float* x = static_cast<const float*>(a);
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = smaller(kBlock, n - i);
    int32_t large = 0;
    for (int64_t j = i; j < i + m; ++j) large |= !(math::abs(x[j]) <= math::kTrigLimit);
    if (large != 0) {
      for (int64_t j = i; j < i + m; ++j) o[j] = F()(x[j]);
      continue;
    }
    CLEW_IVDEP
    for (int64_t j = i; j < i + m; ++j) {
      const float y = math::sin_shifted(x[j], shift);
      o[j] = (shift == 0 && x[j] == 0.0f) ? x[j] : y;
    }
  }
}

template <class T, Kernel kernel, class R = T>
constexpr void set(UnaryTable& t, UnaryOp op) {
  t.at[static_cast<int>(op)][column_of<T>()] = &loop<kernel, T, R>;
}

// Same type out, for the four floating dtypes.
template <class F, Kernel float_kernel = &contiguous<F, float, float>>
constexpr void set_floats(UnaryTable& t, UnaryOp op) {
  set<float, float_kernel>(t, op);
  set<Half, float_kernel>(t, op);
  set<BFloat16, float_kernel>(t, op);
  set<double, &contiguous<F, double, double>>(t, op);
}

// Same type out, for the integers: loops for two widths.
template <class F>
constexpr void set_ints(UnaryTable& t, UnaryOp op) {
  constexpr Kernel kernel = &contiguous<F, int32_t, int32_t>;
  set<Narrow<uint8_t>, kernel>(t, op);
  set<Narrow<int8_t>, kernel>(t, op);
  set<Narrow<int16_t>, kernel>(t, op);
  set<int32_t, kernel>(t, op);
  set<int64_t, &contiguous<F, int64_t, int64_t>>(t, op);
}

template <class F>
constexpr void set_float_tests(UnaryTable& t, UnaryOp op) {
  set<float, &contiguous<F, float, bool>, uint8_t>(t, op);
  set<Half, &contiguous<F, float, bool>, uint8_t>(t, op);
  set<BFloat16, &contiguous<F, float, bool>, uint8_t>(t, op);
  set<double, &contiguous<F, double, bool>, uint8_t>(t, op);
}

template <uint8_t value>
void constant(void* out, const void*, int64_t n, const LoopParams&) {
  if (n > 0) memset(out, value, static_cast<size_t>(n));
}
template <uint8_t value>
constexpr void set_int_constant(UnaryTable& t, UnaryOp op) {
  set<bool, &constant<value>, uint8_t>(t, op);
  set<uint8_t, &constant<value>, uint8_t>(t, op);
  set<int8_t, &constant<value>, uint8_t>(t, op);
  set<int16_t, &constant<value>, uint8_t>(t, op);
  set<int32_t, &constant<value>, uint8_t>(t, op);
  set<int64_t, &constant<value>, uint8_t>(t, op);
}

constexpr UnaryTable make_table() {
  namespace k = kernels;
  UnaryTable t{};
  set_floats<k::Identity>(t, UnaryOp::identity);
  set_floats<k::Neg>(t, UnaryOp::neg);
  set_floats<k::Abs>(t, UnaryOp::abs);
  set_floats<k::Square>(t, UnaryOp::square);
  set_floats<k::Sign>(t, UnaryOp::sign);
  set_floats<k::Relu>(t, UnaryOp::relu);
  set_floats<k::Exp>(t, UnaryOp::exp);
  set_floats<k::Expm1>(t, UnaryOp::expm1);
  set_floats<k::Log>(t, UnaryOp::log);
  set_floats<k::Log1p>(t, UnaryOp::log1p);
  set_floats<k::Sqrt>(t, UnaryOp::sqrt);
  set_floats<k::Rsqrt>(t, UnaryOp::rsqrt);
  set_floats<k::Reciprocal>(t, UnaryOp::reciprocal);
  set_floats<k::Sigmoid>(t, UnaryOp::sigmoid);
  set_floats<k::Tanh>(t, UnaryOp::tanh);
  set_floats<k::Floor>(t, UnaryOp::floor);
  set_floats<k::Ceil>(t, UnaryOp::ceil);
  set_floats<k::Round>(t, UnaryOp::round);
  set_floats<k::Trunc>(t, UnaryOp::trunc);
  set_floats<k::Sin, &trig<k::Sin, 0>>(t, UnaryOp::sin);
  set_floats<k::Cos, &trig<k::Cos, 1>>(t, UnaryOp::cos);
  set_floats<k::Erf>(t, UnaryOp::erf);
  set_floats<k::GeluErf>(t, UnaryOp::gelu_erf);
  set_floats<k::GeluTanh>(t, UnaryOp::gelu_tanh);
  set_floats<k::Silu>(t, UnaryOp::silu);
  set_floats<k::LeakyRelu>(t, UnaryOp::leaky_relu);
  set_floats<k::Clamp>(t, UnaryOp::clamp);

  set_float_tests<k::IsNan>(t, UnaryOp::isnan);
  set_float_tests<k::IsInf>(t, UnaryOp::isinf);
  set_float_tests<k::IsFinite>(t, UnaryOp::isfinite);
  set_int_constant<0>(t, UnaryOp::isnan);
  set_int_constant<0>(t, UnaryOp::isinf);
  set_int_constant<1>(t, UnaryOp::isfinite);

  // Bool is read as u8; where only bits matter, so is i8.
  using LogicalNot = k::LogicalNot;
  set_float_tests<LogicalNot>(t, UnaryOp::logical_not);
  set<bool, &contiguous<LogicalNot, uint8_t, bool>, uint8_t>(t, UnaryOp::logical_not);
  set<bool, &contiguous<LogicalNot, uint8_t, bool>, uint8_t>(t, UnaryOp::bitwise_not);
  set<uint8_t, &contiguous<LogicalNot, uint8_t, bool>, uint8_t>(t, UnaryOp::logical_not);
  set<int8_t, &contiguous<LogicalNot, uint8_t, bool>, uint8_t>(t, UnaryOp::logical_not);
  set<Narrow<int16_t>, &contiguous<LogicalNot, int32_t, bool>, uint8_t>(t, UnaryOp::logical_not);
  set<int32_t, &contiguous<LogicalNot, int32_t, bool>, uint8_t>(t, UnaryOp::logical_not);
  set<int64_t, &contiguous<LogicalNot, int64_t, bool>, uint8_t>(t, UnaryOp::logical_not);

  set_ints<k::Identity>(t, UnaryOp::identity);
  set_ints<k::Neg>(t, UnaryOp::neg);
  set_ints<k::Square>(t, UnaryOp::square);
  set_ints<k::Sign>(t, UnaryOp::sign);
  set_ints<k::BitwiseNot>(t, UnaryOp::bitwise_not);
  set_ints<k::Clamp>(t, UnaryOp::clamp);
  set_ints<k::Abs>(t, UnaryOp::abs);
  set_ints<k::Relu>(t, UnaryOp::relu);
  set<bool, &contiguous<k::Identity, uint8_t, uint8_t>, uint8_t>(t, UnaryOp::identity);
  set<bool, &contiguous<k::Identity, uint8_t, uint8_t>, uint8_t>(t, UnaryOp::sign);
  for (UnaryOp op : {UnaryOp::floor, UnaryOp::ceil, UnaryOp::round, UnaryOp::trunc}) {
    for (DT dtype : {DT::u8, DT::i8, DT::i16, DT::i32, DT::i64}) {
      const int column = static_cast<int>(dtype);
      t.at[static_cast<int>(op)][column] = t.at[static_cast<int>(UnaryOp::identity)][column];
    }
  }

  return t;
}

}  // namespace

extern const UnaryTable unary_table;
constinit const UnaryTable unary_table = make_table();

}  // namespace clew::cpu::CLEW_ISA
