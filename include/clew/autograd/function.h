// Differentiable functions of your own in C++: a forward and its backward.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "clew/autograd/grad_mode.h"
#include "clew/core/tensor.h"
#include "clew/registry/value.h"

namespace clew::autograd {

class CustomNode;

/// What forward leaves for backward. Gradients, and so `needs_input_grad`, are numbered as the arguments of
/// forward (the context not counted), elements of a list one by one.
class CLEW_API Context {
 public:
  /// Keeps arguments and results for backward; an undefined tensor is given back as it is. Keep tensors here
  /// or in `saved_data`: these are checked for later changes, and freed with the graph.
  void save_for_backward(TensorList tensors) { to_save_ = std::move(tensors); }
  /// Raises AutogradError when an earlier backward freed them, or when one was changed in place since.
  TensorList saved_tensors() const;
  /// Names arguments that forward wrote in place; each must be among the results.
  void mark_dirty(TensorList tensors) { dirty_ = std::move(tensors); }
  /// Names results that get no gradient.
  void mark_non_differentiable(TensorList tensors) { non_differentiable_ = std::move(tensors); }
  /// Whether backward gets zeros (default) or undefined tensors for results without gradient.
  void set_materialize_grads(bool value) { materialize_ = value; }
  /// True when argument `i` is a tensor that requires grad. Raises IndexError.
  bool needs_input_grad(size_t i) const;

  /// Values by name, tensors and lists of tensors among them: `ctx.saved_data["p"] = 2.0;
  /// ctx.saved_data["p"].to<double>()`.
  std::map<std::string, Value> saved_data;

 private:
  friend class CustomNode;
  friend class ContextNode;
  friend class FunctionCall;
  TensorList to_save_, dirty_, non_differentiable_;
  bool materialize_ = true;
  std::vector<bool> needs_;
  CustomNode* node_ = nullptr;  // owns this context, once forward is recorded
};

/// What the tape must know of a Function.
struct FunctionType {
  const std::type_info& type;
  TensorList (*backward)(Context& ctx, TensorList grad_outputs);
  bool once_differentiable;
};

/// One call of a Function: its arguments as the tape sees them.
class CLEW_API FunctionCall {
 public:
  template <class... Args>
  explicit FunctionCall(const Args&... args) {
    (add(args), ...);
    prepare();
  }
  Context& context() { return *context_; }
  /// Makes `outputs` results of the function where the tape records; some are replaced by tensors of their
  /// own.
  void record(const FunctionType& type, TensorList& outputs);

 private:
  template <class T>
  void add(const T& arg) {
    if constexpr (std::is_convertible_v<const T&, const Tensor&>) {
      inputs_.push_back(arg);
    } else if constexpr (std::is_same_v<T, std::optional<Tensor>>) {
      inputs_.push_back(arg.value_or(Tensor()));
    } else if constexpr (std::is_convertible_v<const T&, TensorListRef>) {
      for (const Tensor& t : TensorListRef(arg)) inputs_.push_back(t);
    } else {
      inputs_.emplace_back();
    }
  }
  void prepare();

  TensorList inputs_;  // undefined where an argument is no tensor
  std::shared_ptr<Context> context_;
};

namespace function_detail {
inline TensorList outputs_of(const Tensor& t) { return {t}; }
inline TensorList outputs_of(TensorList t) { return t; }
inline TensorList outputs_of(const Tensor2& t) { return {std::get<0>(t), std::get<1>(t)}; }
inline TensorList outputs_of(const Tensor3& t) { return {std::get<0>(t), std::get<1>(t), std::get<2>(t)}; }
template <class R>
R result_of(TensorList&& outputs) {
  if constexpr (std::is_same_v<R, Tensor>) return std::move(outputs[0]);
  if constexpr (std::is_same_v<R, TensorList>) return std::move(outputs);
  if constexpr (std::is_same_v<R, Tensor2>) return {outputs[0], outputs[1]};
  if constexpr (std::is_same_v<R, Tensor3>) return {outputs[0], outputs[1], outputs[2]};
}
}  // namespace function_detail

/// A differentiable function with a backward of its own:
///
///   struct Cube : clew::autograd::Function<Cube> {
///     static Tensor forward(Context& ctx, const Tensor& x) {
///       ctx.save_for_backward({x});
///       return x * x * x;
///     }
///     static TensorList backward(Context& ctx, const TensorList& grads) {
///       const Tensor x = ctx.saved_tensors()[0];
///       return {grads[0] * 3 * x * x};
///     }
///   };
///   Tensor y = Cube::apply(x);
///
/// Ops in forward are not recorded. forward takes tensors, optional tensors, lists of tensors and values of
/// any other type in any order, and returns a Tensor, Tensor2, Tensor3 or TensorList. backward returns one
/// gradient per argument, list elements one by one; undefined where there is none. Made of ops, it has
/// derivatives itself; with `static constexpr bool once_differentiable = true` a second one raises.
template <class T>
class Function {
 public:
  /// Alias for the signatures of forward and backward.
  using Context = autograd::Context;

  /// Runs forward and records the function on the tape.
  template <class... Args>
  static auto apply(Args&&... args) {
    using Result = std::remove_cvref_t<decltype(T::forward(std::declval<Context&>(), args...))>;
    FunctionCall call(args...);
    TensorList outputs;
    {
      const NoGradGuard guard;
      outputs = function_detail::outputs_of(T::forward(call.context(), std::forward<Args>(args)...));
    }
    constexpr bool once = [] {
      if constexpr (requires { T::once_differentiable; }) return static_cast<bool>(T::once_differentiable);
      return false;
    }();
    call.record({typeid(T),
                 [](Context& ctx, TensorList g) { return TensorList(T::backward(ctx, std::move(g))); }, once},
                outputs);
    return function_detail::result_of<Result>(std::move(outputs));
  }
};

}  // namespace clew::autograd
