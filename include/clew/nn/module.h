// Module: a value whose copies share parameters, buffers, children and mode.
#pragma once

#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "clew/core/tensor.h"

namespace clew::nn {

template <class T>
using Named = std::vector<std::pair<std::string, T>>;

/// Names and tensors in the order of registration, as Python's state_dict.
using StateDict = Named<Tensor>;

/// Base class of layers and models: owns parameters, buffers and child modules.
///
/// A module is a handle: copying one shares everything it owns. Members are registered where they are
/// declared:
///
///     struct Net : nn::Module {
///       CLEW_MODULE(Net)
///       nn::Linear hidden = register_module("hidden", nn::Linear(784, 64));
///       nn::Linear out = register_module("out", nn::Linear(64, 10));
///       Tensor forward(const Tensor& x) { return out(relu(hidden(x))); }
///     };
///
/// Calling the module (`net(x)`) runs `forward`; an error that leaves it names the module's path.
/// Names and order of `named_parameters()` and `state_dict()` are those of the same module in Python.
class CLEW_API Module {
 public:
  Module() : Module("Module") {}
  /// `kind` and `details` are what printing shows: "Linear(in_features=3, out_features=2, bias=True)".
  explicit Module(std::string kind, std::string details = "");
  ~Module();
  Module(const Module&) = default;
  Module(Module&&) noexcept = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) noexcept = default;

  // --- registration ------------------------------------------------------------------------
  /// Adds `value` as a parameter and returns it. An undefined value keeps the name free of a tensor
  /// (a layer without bias). Raises ValueError for a name that is taken, empty or has a dot.
  Tensor register_parameter(std::string name, const Tensor& value, bool requires_grad = true);
  /// Adds state that is no parameter; one that is not persistent stays out of `state_dict`.
  Tensor register_buffer(std::string name, const Tensor& value, bool persistent = true);
  /// Adds a child and returns it.
  template <class M>
    requires std::is_base_of_v<Module, M>
  M register_module(std::string name, M child) {
    add_child(std::move(name), child);
    return child;
  }

  // --- what a module owns ------------------------------------------------------------------
  std::vector<Tensor> parameters(bool recurse = true) const;
  Named<Tensor> named_parameters(const std::string& prefix = "", bool recurse = true) const;
  std::vector<Tensor> buffers(bool recurse = true) const;
  Named<Tensor> named_buffers(const std::string& prefix = "", bool recurse = true) const;
  std::vector<Module> children() const;
  Named<Module> named_children() const;
  /// This module and all below it, each once, parents first.
  std::vector<Module> modules() const;
  Named<Module> named_modules(const std::string& prefix = "") const;
  /// The class name that printing shows.
  const std::string& kind() const;
  bool is_same(const Module& other) const { return state_ == other.state_; }

  // --- mode, gradients, place --------------------------------------------------------------
  bool is_training() const;
  void train(bool on = true) const;
  void eval() const { train(false); }
  void requires_grad_(bool value = true) const;
  void zero_grad(bool set_to_none = true) const;
  /// Converts floating point parameters and buffers, and moves all of them; handles stay valid.
  void to(std::optional<DType> dtype, std::optional<Device> device = std::nullopt) const;
  void to(Device device) const { to(std::nullopt, device); }
  /// Calls `f` on every module below this one, then on this one.
  void apply(const std::function<void(Module&)>& f) const;

  // --- state -------------------------------------------------------------------------------
  StateDict state_dict(const std::string& prefix = "") const;
  /// Copies values in. With `strict`, raises ValueError unless the names match exactly; sizes always must
  /// (ShapeError). Nothing changes when it raises.
  void load_state_dict(const StateDict& state, bool strict = true) const;

 protected:
  struct State;
  std::shared_ptr<State> state_;

  /// Registers under a name that may be taken: the old child goes.
  void replace_child(const std::string& name, const Module& child);
  void set_details(std::string details);
  void set_kind(std::string kind);
  [[noreturn]] void rethrow_with_path() const;

 private:
  void add_child(std::string name, const Module& child);
  std::string printed() const;

  template <class>
  friend class ModuleKind;
  template <class Self, class... A>
  friend decltype(auto) run_module(Self& self, A&&... a);
  friend CLEW_API std::ostream& operator<<(std::ostream& out, const Module& m);
};

/// Prints the tree of modules as Python does.
CLEW_API std::ostream& operator<<(std::ostream& out, const Module& m);

/// Runs `self.forward(a...)`; an error that passes through gets the module's path.
template <class Self, class... A>
decltype(auto) run_module(Self& self, A&&... a) {
  try {
    return self.forward(std::forward<A>(a)...);
  } catch (const Error&) {
    static_cast<const Module&>(self).rethrow_with_path();
  }
}

/// Member that tells a module its class name; see CLEW_MODULE.
template <class Self>
class ModuleKind {
 public:
  ModuleKind(Module& m, const char* kind) { m.set_kind(kind); }
};

/// Inside a class derived from nn::Module: its name, and calling it like a function.
#define CLEW_MODULE(Self)                                                               \
  template <class... ForwardArguments>                                                  \
  decltype(auto) operator()(ForwardArguments&&... arguments) {                          \
    return ::clew::nn::run_module(*this, std::forward<ForwardArguments>(arguments)...); \
  }                                                                                     \
  [[no_unique_address]] ::clew::nn::ModuleKind<Self> clew_module_kind_{*this, #Self};

/// Base of the built-in layers: a module whose `forward` is const.
template <class Self>
class Layer : public Module {
 public:
  using Module::Module;
  template <class... A>
  decltype(auto) operator()(A&&... a) const {
    return run_module(static_cast<const Self&>(*this), std::forward<A>(a)...);
  }
};

/// Any module that maps a tensor to a tensor, whatever its class.
class AnyModule : public Module {
 public:
  template <class M>
    requires(std::is_base_of_v<Module, std::decay_t<M>> && !std::is_same_v<std::decay_t<M>, AnyModule>)
  AnyModule(M module)  // NOLINT(google-explicit-constructor): this conversion is the point of the type
      : Module(static_cast<const Module&>(module)),
        run_([module](const Tensor& x) mutable -> Tensor { return run_module(module, x); }) {}
  Tensor forward(const Tensor& x) const { return run_(x); }
  Tensor operator()(const Tensor& x) const { return run_(x); }

 private:
  std::function<Tensor(const Tensor&)> run_;
};

}  // namespace clew::nn
