// What an extension includes: tensors, ops, custom functions, and the means to define ops of its own, which
// are written as built-in ones are:
//
//   CLEW_OP(squareplus, Tensor, const Tensor& input, double b = 4)          // declares
//
//   static void squareplus_cpu(Tensor& out, const Tensor& input, double b) { ... }
//   CLEW_CPU_KERNEL(squareplus, squareplus_cpu);
//   CLEW_OP_PAGE(squareplus) = {{.name = "mylib.squareplus", .doc = R"(...)", ..., .grad = ...}};
//   Tensor squareplus(const Tensor& input, double b) { return clew::apply(squareplus_op, input, b); }
//
//   CLEW_LIBRARY(mylib) { clew::register_library("mylib", {CLEW_ENTRY(squareplus)}); }
//
// In C++ the op is a function; once the library is loaded, in Python it is `clew.ops.mylib.squareplus`.
#pragma once

#include "clew/autograd/autograd.h"
#include "clew/autograd/function.h"
#include "clew/autograd/node.h"
#include "clew/core/parallel.h"
#include "clew/dispatch/apply.h"
#include "clew/ops/ops.h"
#include "clew/registry/op_table.h"

namespace clew {

namespace detail {

/// The words of an op's declaration, for Python's signature.
struct Declaration {
  const char *function, *returns, *parameters;
  bool inplace;
};

template <class T>
inline constexpr bool is_op_value = false;
template <class T>
  requires(std::is_same_v<T, Tensor> || std::is_same_v<T, TensorListRef> || std::is_same_v<T, Scalar> ||
           std::is_same_v<T, int64_t> || std::is_same_v<T, double> || std::is_same_v<T, bool> ||
           std::is_same_v<T, IntArrayRef> || std::is_same_v<T, DType> ||
           std::is_same_v<T, std::string_view> || std::is_same_v<T, TensorOptions>)
inline constexpr bool is_op_value<T> = true;
template <class T>
  requires(std::is_same_v<T, Tensor> || std::is_same_v<T, Scalar> || std::is_same_v<T, int64_t> ||
           std::is_same_v<T, double> || std::is_same_v<T, IntArrayRef> || std::is_same_v<T, DType> ||
           std::is_same_v<T, std::string_view> || std::is_same_v<T, Generator>)
inline constexpr bool is_op_value<std::optional<T>> = true;

template <class R, class... A>
OpEntry make_entry(const OpDef<R(A...)>& op, const Declaration& d) {
  static_assert(
      (is_op_value<std::remove_cvref_t<A>> && ...),
      "an op takes Tensor, TensorListRef, Scalar, int64_t, double, bool, IntArrayRef, DType, "
      "std::string_view, TensorOptions, or std::optional of Tensor, Scalar, int64_t, double, IntArrayRef, "
      "DType, std::string_view or Generator");
  static_assert(std::is_same_v<R, Tensor> || std::is_same_v<R, Tensor2> || std::is_same_v<R, Tensor3> ||
                    std::is_same_v<R, TensorList>,
                "an op returns Tensor, Tensor2, Tensor3 or TensorList");
  return {
      &op.info,       &op, d.inplace ? OpKind::Inplace : OpKind::Op, d.function, "", d.returns, d.parameters,
      boxed_entry(op)};
}

}  // namespace detail
}  // namespace clew

/// Declares an op: its function, definition and kernel slot. Defaults stand here.
#define CLEW_OP(id, R, ...)                            \
  R id(__VA_ARGS__);                                   \
  extern const ::clew::OpDef<decltype(id)> id##_op;    \
  extern ::clew::KernelSlot<decltype(id)> id##_kernel; \
  inline constexpr ::clew::detail::Declaration id##_words{#id, #R, #__VA_ARGS__, false};
/// The same with an in-place twin: `R id##_(...)`, by `apply_inplace`.
#define CLEW_OP_INPLACE(id, R, ...)                    \
  R id(__VA_ARGS__);                                   \
  R id##_(__VA_ARGS__);                                \
  extern const ::clew::OpDef<decltype(id)> id##_op;    \
  extern ::clew::KernelSlot<decltype(id)> id##_kernel; \
  inline constexpr ::clew::detail::Declaration id##_words{#id, #R, #__VA_ARGS__, true};
/// Opens an op's page: `CLEW_OP_PAGE(squareplus) = {{.name = "mylib.squareplus", ...}};`
#define CLEW_OP_PAGE(id) constinit const ::clew::OpDef<decltype(id)> id##_op
/// Fills the CPU column of an op's kernel slot.
#define CLEW_CPU_KERNEL(id, fn) constinit ::clew::KernelSlot<decltype(id)> id##_kernel(fn)
/// An op as register_library takes it.
#define CLEW_ENTRY(id) ::clew::detail::make_entry(id##_op, id##_words)

/// What runs when Python loads the library; its body calls register_library.
#define CLEW_LIBRARY(id)                                        \
  static void clew_register_##id();                             \
  extern "C" CLEW_API void clew_library_init();                 \
  extern "C" void clew_library_init() { clew_register_##id(); } \
  static void clew_register_##id()
