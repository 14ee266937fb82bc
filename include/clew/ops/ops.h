// All ops as free functions, the arithmetic operators, and the bodies of Tensor's methods.
#pragma once

#include <optional>
#include <string_view>
#include <type_traits>

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

/// A tensor or a number, as the operators take them.
template <class T>
concept Number = std::is_arithmetic_v<T>;

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

/// A tensor from numbers: `tensor({1.0, 2.0})`, `tensor(3)`.
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
