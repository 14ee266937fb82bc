// All ops as free functions, the arithmetic operators, and the bodies of Tensor's methods.
#pragma once

#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "clew/core/tensor.h"

namespace clew {

#define CLEW_OP(name, R, ...) CLEW_API R name(__VA_ARGS__);
#define CLEW_OP_INPLACE(name, R, ...) \
  CLEW_API R name(__VA_ARGS__);       \
  CLEW_API R name##_(__VA_ARGS__);
#define CLEW_METHOD(name, R, ...) CLEW_API R name(__VA_ARGS__);
#define CLEW_METHOD_INPLACE(name, R, ...) \
  CLEW_API R name(__VA_ARGS__);           \
  CLEW_API R name##_(__VA_ARGS__);
#define CLEW_FUNCTION(name, R, ...) CLEW_API R name(__VA_ARGS__);
#define CLEW_NN(name, R, ...) CLEW_API R name(__VA_ARGS__);
#define CLEW_INTERNAL(name, R, ...) CLEW_API R name(__VA_ARGS__);
#define CLEW_OVERLOAD(name, tag, R, ...) CLEW_API R name(__VA_ARGS__);
#define CLEW_OVERLOAD_INPLACE(name, tag, R, ...) \
  CLEW_API R name(__VA_ARGS__);                  \
  CLEW_API R name##_(__VA_ARGS__);
#include "clew/ops/all.def"

/// One declaration per op id (`max`, `max_dim`, ...), for `decltype` only: names here are never overloaded.
namespace signatures {
#define CLEW_OP(name, R, ...) R name(__VA_ARGS__);
#define CLEW_OP_INPLACE(name, R, ...) R name(__VA_ARGS__);
#define CLEW_METHOD(name, R, ...) R name(__VA_ARGS__);
#define CLEW_METHOD_INPLACE(name, R, ...) R name(__VA_ARGS__);
#define CLEW_FUNCTION(name, R, ...) R name(__VA_ARGS__);
#define CLEW_NN(name, R, ...) R name(__VA_ARGS__);
#define CLEW_INTERNAL(name, R, ...) R name(__VA_ARGS__);
#define CLEW_OVERLOAD(name, tag, R, ...) R name##_##tag(__VA_ARGS__);
#include "clew/ops/all.def"
}  // namespace signatures

// x.index_put_({0, 1}, v): a subscript of numbers alone (see clew/ops/indexing.h for the others).
CLEW_API Tensor index_put_(const Tensor& input, IntArrayRef position, const Tensor& value);
CLEW_API Tensor index_put_(const Tensor& input, IntArrayRef position, const Scalar& value);

/// A number, as the operators take it in place of a tensor.
template <class T>
concept Number = std::is_arithmetic_v<T>;

namespace ops_detail {
// How an op's declared parameters meet the arguments of a call. A number stands for a tensor as it does in
// Python, as a 0-dim tensor that takes part in promotion weakly; an integer stands for a list of one.
struct OneInteger {
  int64_t value;
  operator IntArrayRef() const { return {&value, 1}; }  // NOLINT(google-explicit-constructor)
};
template <class Signature>
struct Parameters {
  template <class... A>
  static constexpr bool any_number = false;
  template <class... A>
  static constexpr bool any_integer = false;
};
template <class R, class First, class... Rest>
struct Parameters<R(First, Rest...)> {
  template <size_t I>
  using At = std::tuple_element_t<(I < sizeof...(Rest)) ? I : sizeof...(Rest), std::tuple<Rest..., void>>;
  template <size_t I, class A>
  static constexpr bool is_number = std::is_same_v<At<I>, const Tensor&> && Number<std::remove_cvref_t<A>>;
  template <size_t I, class A>
  static constexpr bool is_integer =
      (std::is_same_v<At<I>, IntArrayRef> || std::is_same_v<At<I>, std::optional<IntArrayRef>>) &&
      std::is_integral_v<std::remove_cvref_t<A>> && !std::is_same_v<std::remove_cvref_t<A>, bool>;
  template <class... A>
  static constexpr bool any_number = []<size_t... I>(std::index_sequence<I...>) {
    return (is_number<I, A> || ...);
  }(std::index_sequence_for<A...>());
  template <class... A>
  static constexpr bool any_integer = []<size_t... I>(std::index_sequence<I...>) {
    return (is_integer<I, A> || ...);
  }(std::index_sequence_for<A...>());
};
template <class P, size_t I, class A>
decltype(auto) argument(A&& a) {
  if constexpr (P::template is_number<I, A>) {
    return weak_scalar_tensor(a);
  } else if constexpr (P::template is_integer<I, A>) {
    return OneInteger{static_cast<int64_t>(a)};
  } else {
    return static_cast<A&&>(a);
  }
}
}  // namespace ops_detail

// `mul(x, 2)`, `where(mask, x, 0.0)`, `sum(x, -1)`: what the declared signatures alone do not take.
#define CLEW_TAKES_NUMBERS(name, function)                                                            \
  template <class... A>                                                                               \
    requires(ops_detail::Parameters<decltype(signatures::name)>::template any_integer<A...> ||        \
             (ops_detail::Parameters<decltype(signatures::name)>::template any_number<A...> &&        \
              !requires(const Tensor& t, A&&... a) { ::clew::function(t, static_cast<A&&>(a)...); })) \
  decltype(auto) function(const Tensor& input, A&&... a) {                                            \
    using P = ops_detail::Parameters<decltype(signatures::name)>;                                     \
    return [&]<size_t... I>(std::index_sequence<I...>) -> decltype(auto) {                            \
      return ::clew::function(input, ops_detail::argument<P, I, A>(static_cast<A&&>(a))...);          \
    }(std::index_sequence_for<A...>());                                                               \
  }
#define CLEW_OP(name, R, ...) CLEW_TAKES_NUMBERS(name, name)
#define CLEW_OP_INPLACE(name, R, ...) CLEW_TAKES_NUMBERS(name, name) CLEW_TAKES_NUMBERS(name, name##_)
#define CLEW_METHOD(name, R, ...) CLEW_TAKES_NUMBERS(name, name)
#define CLEW_FUNCTION(name, R, ...) CLEW_TAKES_NUMBERS(name, name)
#define CLEW_NN(name, R, ...) CLEW_TAKES_NUMBERS(name, name)
#include "clew/ops/all.def"
#undef CLEW_TAKES_NUMBERS

#define CLEW_METHOD_BODY(name)                                                       \
  template <class... A>                                                              \
  decltype(auto) Tensor::name(A&&... a) const {                                      \
    return ::clew::name(*this, std::forward<A>(a)...);                               \
  }                                                                                  \
  template <class... A>                                                              \
  decltype(auto) Tensor::name(std::initializer_list<int64_t> dims, A&&... a) const { \
    return ::clew::name(*this, IntArrayRef(dims), std::forward<A>(a)...);            \
  }
#define CLEW_OP(name, R, ...) CLEW_METHOD_BODY(name)
#define CLEW_OP_INPLACE(name, R, ...) CLEW_METHOD_BODY(name) CLEW_METHOD_BODY(name##_)
#define CLEW_METHOD(name, R, ...) CLEW_METHOD_BODY(name)
#define CLEW_METHOD_INPLACE(name, R, ...) CLEW_METHOD_BODY(name##_)
#include "clew/ops/all.def"
#undef CLEW_METHOD_BODY

// `sum(x, {0, 1})`: a braced list does not turn into an optional list by itself.
#define CLEW_BRACED_LIST(name)                                                              \
  template <class... A>                                                                     \
    requires requires(const Tensor& t, IntArrayRef d, A&&... a) {                           \
      ::clew::name(t, d, static_cast<A&&>(a)...);                                           \
    }                                                                                       \
  decltype(auto) name(const Tensor& input, std::initializer_list<int64_t> dims, A&&... a) { \
    return ::clew::name(input, IntArrayRef(dims), std::forward<A>(a)...);                   \
  }
#define CLEW_OP(name, R, ...) CLEW_BRACED_LIST(name)
#include "clew/ops/all.def"
#undef CLEW_BRACED_LIST

#define CLEW_ALIAS(alias, name)                 \
  template <class... A>                         \
  decltype(auto) alias(A&&... a) {              \
    return ::clew::name(std::forward<A>(a)...); \
  }
#include "clew/ops/all.def"

#define CLEW_BINARY_OPERATOR(symbol, function)                                               \
  inline Tensor operator symbol(const Tensor& a, const Tensor& b) { return function(a, b); } \
  template <Number N>                                                                        \
  Tensor operator symbol(const Tensor& a, N b) {                                             \
    return function(a, weak_scalar_tensor(b));                                               \
  }                                                                                          \
  template <Number N>                                                                        \
  Tensor operator symbol(N a, const Tensor& b) {                                             \
    return function(weak_scalar_tensor(a), b);                                               \
  }
CLEW_BINARY_OPERATOR(+, add)
CLEW_BINARY_OPERATOR(-, sub)
CLEW_BINARY_OPERATOR(*, mul)
CLEW_BINARY_OPERATOR(/, div)
CLEW_BINARY_OPERATOR(%, remainder)
CLEW_BINARY_OPERATOR(==, eq)
CLEW_BINARY_OPERATOR(!=, ne)
CLEW_BINARY_OPERATOR(<, lt)
CLEW_BINARY_OPERATOR(<=, le)
CLEW_BINARY_OPERATOR(>, gt)
CLEW_BINARY_OPERATOR(>=, ge)
CLEW_BINARY_OPERATOR(&, bitwise_and)
CLEW_BINARY_OPERATOR(|, bitwise_or)
CLEW_BINARY_OPERATOR(^, bitwise_xor)
#undef CLEW_BINARY_OPERATOR
inline Tensor operator-(const Tensor& a) { return neg(a); }
template <Number N>
Tensor pow(N input, const Tensor& exponent) {
  return pow(weak_scalar_tensor(input), exponent);
}
inline Tensor operator~(const Tensor& a) { return bitwise_not(a); }

// In place, as `add_` and its like: the handle stays, the data changes.
#define CLEW_COMPOUND_OPERATOR(symbol, function)                             \
  inline const Tensor& operator symbol(const Tensor & a, const Tensor & b) { \
    function(a, b);                                                          \
    return a;                                                                \
  }                                                                          \
  template <Number N>                                                        \
  const Tensor& operator symbol(const Tensor & a, N b) {                     \
    function(a, weak_scalar_tensor(b));                                      \
    return a;                                                                \
  }
CLEW_COMPOUND_OPERATOR(+=, add_)
CLEW_COMPOUND_OPERATOR(-=, sub_)
CLEW_COMPOUND_OPERATOR(*=, mul_)
CLEW_COMPOUND_OPERATOR(/=, div_)
CLEW_COMPOUND_OPERATOR(%=, remainder_)
CLEW_COMPOUND_OPERATOR(&=, bitwise_and_)
CLEW_COMPOUND_OPERATOR(|=, bitwise_or_)
CLEW_COMPOUND_OPERATOR(^=, bitwise_xor_)
#undef CLEW_COMPOUND_OPERATOR

/// A tensor from numbers: `tensor({1.0, 2.0})`, `tensor({{1, 2}, {3, 4}})`, `tensor(3)`.
template <Number N>
Tensor tensor(N value, const TensorOptions& options = {}) {
  return full({}, Scalar(value), options.dtype_ ? options : options.dtype(Scalar(value).dtype()));
}
template <Number N>
Tensor tensor(std::initializer_list<N> values, const TensorOptions& options = {}) {
  const int64_t n = static_cast<int64_t>(values.size());
  Tensor t = empty({n}, TensorOptions(DTypeOf<N>::value));
  std::copy(values.begin(), values.end(), t.data<N>());
  return t.to(options.dtype_.value_or(Scalar(N()).dtype()), options.device_)
      .set_requires_grad(options.requires_grad_);
}

template <Number N>
Tensor tensor(std::initializer_list<std::initializer_list<N>> rows, const TensorOptions& options = {}) {
  const int64_t height = static_cast<int64_t>(rows.size());
  const int64_t width = height == 0 ? 0 : static_cast<int64_t>(rows.begin()->size());
  Tensor t = empty({height, width}, TensorOptions(DTypeOf<N>::value));
  N* out = t.data<N>();
  for (const std::initializer_list<N>& row : rows) {
    CLEW_CHECK(static_cast<int64_t>(row.size()) == width, ShapeError, "tensor: expected rows of ", width,
               " numbers, as the first one has, got one of ", row.size());
    out = std::copy(row.begin(), row.end(), out);
  }
  return t.to(options.dtype_.value_or(Scalar(N()).dtype()), options.device_)
      .set_requires_grad(options.requires_grad_);
}
/// Copies a vector of numbers.
template <Number N>
Tensor tensor(const std::vector<N>& values, const TensorOptions& options = {}) {
  Tensor t = empty({static_cast<int64_t>(values.size())}, TensorOptions(DTypeOf<N>::value));
  std::copy(values.begin(), values.end(), t.data<N>());
  return t.to(options.dtype_.value_or(Scalar(N()).dtype()), options.device_)
      .set_requires_grad(options.requires_grad_);
}

/// True when shapes and all values are equal.
CLEW_API bool equal(const Tensor& a, const Tensor& b);
/// True when isclose holds for every element.
inline bool allclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8,
                     bool equal_nan = false) {
  return all(isclose(a, b, rtol, atol, equal_nan)).item<bool>();
}

/// Overwrites `self` with 1 where chance falls below `p`, else 0; `p` broadcasts to its shape.
CLEW_API Tensor bernoulli_(const Tensor& self, const Tensor& p,
                           const std::optional<Generator>& generator = std::nullopt);
CLEW_API Tensor bernoulli_(const Tensor& self, double p = 0.5,
                           const std::optional<Generator>& generator = std::nullopt);
/// Random numbers from normal distributions with these means and deviations.
inline Tensor normal(const Tensor& mean, const Tensor& std) { return normal_of(mean, std); }

}  // namespace clew
