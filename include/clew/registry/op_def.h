// What an op is: one constant-initialised OpDef per op, written as data on the op's page.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <type_traits>

#include "clew/core/tensor.h"
#include "clew/registry/value.h"

namespace clew {

class Backward;
/// Gradients of an op's tensor arguments, in their order; an undefined one means zero.
using GradList = SmallVector<Tensor, 3>;

/// How apply() brings the dtypes of tensor arguments together before the kernel runs.
enum class Promote : uint8_t {
  None,      // the kernel takes them as they are
  Common,    // all become the promoted dtype
  Floating,  // the promoted dtype, and integers the default floating dtype
};

/// What memory layout the kernel takes.
enum class Layout : uint8_t {
  Any,         // any strides
  Contiguous,  // apply() makes the tensor arguments contiguous
};

/// What autocast does with the op's float32 tensor arguments.
enum class Autocast : uint8_t {
  None,     // leaves them
  Low,      // casts to the autocast dtype: matmuls and convolutions
  Float32,  // casts low-precision arguments to float32: losses, softmax, sums
  Widest,   // brings mixed arguments to the widest among them
};

/// Which tensors a gradient formula reads. Tensor arguments are numbered 0, 1, ... in order,
/// list elements one by one. Saved only when an argument in `for_grads_of` needs its gradient.
struct Saves {
  struct Item {
    int8_t slot;
    bool is_output;
    bool and_following;
    uint32_t for_grads_of;
  };
  std::array<Item, 6> items{};
  uint8_t count = 0;

  static constexpr uint32_t kAny = ~0u;
  constexpr Saves input(int slot, uint32_t for_grads_of = kAny) const {
    return with({static_cast<int8_t>(slot), false, false, for_grads_of});
  }
  constexpr Saves inputs_from(int slot) const { return with({static_cast<int8_t>(slot), false, true, kAny}); }
  constexpr Saves output(int slot = 0) const { return with({static_cast<int8_t>(slot), true, false, kAny}); }

 private:
  constexpr Saves with(Item item) const {
    Saves s = *this;
    s.items[s.count++] = item;
    return s;
  }
};
inline constexpr Saves kSavesNothing{};
/// Bit of tensor argument `slot`, for Saves::input's second argument.
constexpr uint32_t grad_of(int slot) { return 1u << slot; }

/// Sizes, strides and offset of a view on its first tensor argument's storage.
struct Geometry {
  Shape sizes, strides;
  int64_t offset = 0;
};

template <class R>
struct MetaOf {
  using type = TensorMeta;
};
template <>
struct MetaOf<Tensor2> {
  using type = std::array<TensorMeta, 2>;
};
template <>
struct MetaOf<Tensor3> {
  using type = std::array<TensorMeta, 3>;
};
template <>
struct MetaOf<TensorList> {
  using type = std::vector<TensorMeta>;
};

/// An op's kernel, one per device type. A backend fills its own column; an empty one raises DeviceError.
/// The kernel writes into `out`, which has the shape and dtype that `meta` inferred.
template <class Sig>
struct KernelSlot;
template <class R, class... A>
struct KernelSlot<R(A...)> {
  using Fn = void (*)(R& out, A...);
  Fn column[kDeviceTypeCount] = {};
  constexpr KernelSlot() = default;
  constexpr explicit KernelSlot(Fn cpu) : column{cpu, nullptr, nullptr} {}
};

using GradFn = GradList (*)(const Backward& ctx, const Tensor& grad);
using GradsFn = GradList (*)(const Backward& ctx, TensorListRef grads);

/// The part of an op's definition that does not depend on its signature.
struct OpInfo {
  const char* name;
  const char* doc;
  DTypeSet dtypes;
  uint8_t dtype_slot;
  Promote promote;
  uint32_t promote_slots;
  Layout layout;
  bool inplace;
  Autocast autocast;
  Saves saves;
  GradFn grad;
  GradsFn grads;
  const char* not_differentiable;
  bool is_composite;
  bool is_view;
};

/// An op's page as it is written, with designated initialisers.
template <class Sig>
struct OpPage;
template <class R, class... A>
struct OpPage<R(A...)> {
  /// As in the `.def` line; overloads as "name.tag".
  const char* name = nullptr;
  const char* doc = nullptr;
  /// dtypes of the tensor argument `dtype_slot`, after promotion.
  DTypeSet dtypes = kAllDTypes;
  uint8_t dtype_slot = 0;
  Promote promote = Promote::None;
  /// Which tensor arguments take part in promotion.
  uint32_t promote_slots = ~0u;
  Layout layout = Layout::Any;
  /// The kernel may be given the first argument itself as output.
  bool inplace = false;
  Autocast autocast = Autocast::None;

  // How it runs: exactly one of meta + kernel, view, compute, composite.
  /// Checks arguments and infers the result; touches no data.
  typename MetaOf<R>::type (*meta)(A...) = nullptr;
  KernelSlot<R(A...)>* kernel = nullptr;
  /// Geometry of a view of the first argument.
  Geometry (*view)(A...) = nullptr;
  /// For results whose shape depends on data.
  R (*compute)(A...) = nullptr;
  /// Calls other ops and records nothing itself.
  R (*composite)(A...) = nullptr;

  // How it differentiates: composite, or exactly one of grad, grads, not_differentiable.
  Saves saves = {};
  /// Vector-Jacobian product, for one output.
  GradFn grad = nullptr;
  /// The same for several outputs; an undefined gradient means zero.
  GradsFn grads = nullptr;
  const char* not_differentiable = nullptr;
};

/// An op. `info` is what nodes, interceptors and tables point to.
template <class Sig>
struct OpDef;
template <class R, class... A>
struct OpDef<R(A...)> {
  OpInfo info;
  typename MetaOf<R>::type (*meta)(A...);
  KernelSlot<R(A...)>* kernel;
  Geometry (*view)(A...);
  R (*compute)(A...);
  R (*composite)(A...);

  consteval OpDef(OpPage<R(A...)> p)  // NOLINT(google-explicit-constructor)
      : info{p.name,
             p.doc,
             p.dtypes,
             p.dtype_slot,
             p.promote,
             p.promote_slots,
             p.layout,
             p.inplace,
             p.autocast,
             p.saves,
             p.grad,
             p.grads,
             p.not_differentiable,
             p.composite != nullptr,
             p.view != nullptr},
        meta(p.meta),
        kernel(p.kernel),
        view(p.view),
        compute(p.compute),
        composite(p.composite) {
    // A throw here is a compile error on the op's page.
    if (p.name == nullptr || p.doc == nullptr) throw "an op needs a name and a doc";
    if ((p.kernel != nullptr) + (p.view != nullptr) + (p.compute != nullptr) + (p.composite != nullptr) != 1)
      throw "an op has exactly one of kernel, view, compute, composite";
    if (p.kernel != nullptr && p.meta == nullptr) throw "an op with a kernel needs meta";
    if ((p.composite != nullptr) + (p.grad != nullptr) + (p.grads != nullptr) +
            (p.not_differentiable != nullptr) !=
        1)
      throw "an op has exactly one of composite, grad, grads, not_differentiable";
  }
};

}  // namespace clew
