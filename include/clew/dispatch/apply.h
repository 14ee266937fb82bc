// The one dispatch routine: where an op's data, its kernel and the tape meet.
//
// What is the same for all ops happens here, once: interceptors, promotion, contiguity, device
// choice, allocation or in-place target, views, version bumps, recording.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <tuple>

#include "clew/autograd/node.h"
#include "clew/core/thread_state.h"
#include "clew/dispatch/interceptor.h"
#include "clew/ops/ops.h"
#include "clew/registry/op_def.h"

namespace clew {
namespace apply_detail {

// --- visiting the tensors among an op's arguments -------------------------------------------------

template <class F>
void visit(F& f, const Tensor& t) {
  f(t);
}
template <class F>
void visit(F& f, const std::optional<Tensor>& t) {
  static const Tensor none;
  f(t ? *t : none);
}
template <class F>
void visit(F& f, TensorListRef list) {
  for (const Tensor& t : list) f(t);
}
template <class F, class T>
void visit(F&, const T&) {}

/// An op's tensor arguments, list elements one by one; undefined ones included.
using Slots = std::span<const Tensor* const>;

template <class T>
inline constexpr size_t kSlotCount = std::is_same_v<T, Tensor> || std::is_same_v<T, std::optional<Tensor>>;

/// What Slots refer to.
template <class... A>
auto collect_slots(const A&... args) {
  if constexpr ((std::is_same_v<A, TensorListRef> || ...)) {
    SmallVector<const Tensor*, 6> pointers;
    auto add = [&](const Tensor& t) { pointers.push_back(&t); };
    (visit(add, args), ...);
    return pointers;
  } else {
    std::array<const Tensor*, (kSlotCount<A> + ... + 0)> pointers;
    size_t i = 0;
    auto add = [&](const Tensor& t) { pointers[i++] = &t; };
    (visit(add, args), ...);
    return pointers;
  }
}

/// What must be done to the arguments before the kernel may see them.
struct Preparation {
  DType compute = DType::Float32;
  uint32_t promote_slots = 0;
  bool cast = false;
  bool contiguous = false;
  bool move = false;  // 0-dim CPU tensors among tensors on `device`
  Device device = kCPU;
  bool needed() const { return cast || contiguous || move; }
};
/// True when the arguments are tensors of one kind, as at most calls: the kernel may see them as they are,
/// and prepare() would find nothing to do. `device` becomes theirs.
/// `tracked` becomes false where none of them can be on the tape.
[[gnu::always_inline]] inline bool ready(const OpInfo& op, Slots slots, Device& device, bool& tracked) {
  const TensorBody* first = nullptr;
  bool contiguous = true;
  bool any_tracked = false;
  for (const Tensor* t : slots) {
    const TensorBody* b = t->body();
    if (b == nullptr) continue;
    if (first == nullptr) first = b;
    if (!b->same_kind(*first)) return false;
    contiguous &= b->contiguous;
    any_tracked |= b->may_be_tracked();
  }
  if (first == nullptr || first->weak_scalar || !op.dtypes.contains(first->dtype)) return false;
  if (op.promote == Promote::Floating && !is_floating(first->dtype)) return false;
  device = first->device;
  tracked = any_tracked;
  return contiguous || op.layout == Layout::Any;
}
/// Checks dtypes and devices; decides on promotion and contiguity. `device` is left alone without tensors.
CLEW_API Preparation prepare(const OpInfo& op, Slots slots, Device& device);
CLEW_API Tensor prepare_tensor(const Tensor& t, const Preparation& p, int slot);
[[noreturn]] CLEW_API void device_mismatch(const OpInfo& op, Slots slots);

inline Tensor prepared(const Tensor& t, const Preparation& p, int& slot) {
  return prepare_tensor(t, p, slot++);
}
inline std::optional<Tensor> prepared(const std::optional<Tensor>& t, const Preparation& p, int& slot) {
  if (!t) return ++slot, t;
  return prepare_tensor(*t, p, slot++);
}
inline TensorList prepared(TensorListRef list, const Preparation& p, int& slot) {
  TensorList out;
  for (const Tensor& t : list) out.push_back(prepare_tensor(t, p, slot++));
  return out;
}
template <class T>
const T& prepared(const T& t, const Preparation&, int&) {
  return t;
}

// --- devices and options ---------------------------------------------------------------------------

inline void read_options(const TensorOptions& o, Device& device, bool& requires_grad) {
  if (o.device_) device = *o.device_;
  requires_grad = o.requires_grad_;
}
template <class T>
void read_options(const T&, Device&, bool&) {}

inline Tensor allocate(const TensorMeta& m, Device device) {
  return Tensor::adopt(TensorBody::make_dense(m.shape, m.dtype, device));
}
CLEW_API Tensor make_view(const Tensor& base, const Geometry& g);
[[noreturn]] CLEW_API void no_kernel(const OpInfo& op, Device device);
/// Opens the library of `device` unless that was done, for an op that has no kernel there yet. Raises
/// DeviceError where there is no such library or device.
CLEW_API void load_backend(const OpInfo& op, Device device);

/// The kernel of `device`, which is not meta. Raises DeviceError.
template <class Sig>
auto kernel_for(const OpInfo& op, const KernelSlot<Sig>& slot, Device device) {
  const auto& entry = slot.column[static_cast<int>(device.type)];
  if (CLEW_UNLIKELY(entry == nullptr)) {
    load_backend(op, device);
    if (entry == nullptr) no_kernel(op, device);
  }
  return entry;
}

inline Tensor allocate_all(const TensorMeta& m, Device d) { return allocate(m, d); }
template <size_t N>
auto allocate_all(const std::array<TensorMeta, N>& m, Device d) {
  if constexpr (N == 2) return Tensor2{allocate(m[0], d), allocate(m[1], d)};
  if constexpr (N == 3) return Tensor3{allocate(m[0], d), allocate(m[1], d), allocate(m[2], d)};
}
inline TensorList allocate_all(const std::vector<TensorMeta>& m, Device d) {
  TensorList out;
  for (const TensorMeta& x : m) out.push_back(allocate(x, d));
  return out;
}

// --- recording -------------------------------------------------------------------------------------

inline bool wants_grad(const Tensor& t) {
  return t.defined() && t.requires_grad() && is_differentiable(t.dtype());
}
inline bool any_requires_grad(Slots slots) {
  for (const Tensor* t : slots) {
    if (wants_grad(*t)) return true;
  }
  return false;
}
/// A node with edges, saved inputs and arguments. `original` replaces slot 0 where an in-place op overwrote
/// it.
CLEW_API Ref<autograd::OpNode> make_node(const OpInfo& op, Slots slots, const Tensor* original);
/// Adds saved outputs and makes `outputs` the node's.
CLEW_API void finish_node(Ref<autograd::OpNode> node, std::span<const Tensor* const> outputs);

// What a node keeps of an argument: nothing of a tensor, which it saves only if the page says so.
inline void keep_value(autograd::OpNode& node, const Tensor&) { node.args.emplace_back(); }
inline void keep_value(autograd::OpNode& node, const std::optional<Tensor>&) { node.args.emplace_back(); }
// Of a list only the shapes are kept: rank and sizes of each tensor, one after the other.
inline void keep_value(autograd::OpNode& node, TensorListRef list) {
  Shape shapes;
  for (const Tensor& t : list) {
    const IntArrayRef sizes = t.defined() ? t.sizes() : IntArrayRef();
    shapes.push_back(static_cast<int64_t>(sizes.size()));
    for (int64_t n : sizes) shapes.push_back(n);
  }
  node.args.emplace_back(IntArrayRef(shapes));
}
template <class T>
void keep_value(autograd::OpNode& node, const T& v) {
  node.args.emplace_back(v);
}

template <class R>
auto output_pointers(const R& out) {
  if constexpr (std::is_same_v<R, Tensor>) {
    return std::array<const Tensor*, 1>{&out};
  } else if constexpr (std::is_same_v<R, TensorList>) {
    SmallVector<const Tensor*, 4> p;
    for (const Tensor& t : out) p.push_back(&t);
    return p;
  } else {
    return std::apply([](const auto&... t) { return std::array<const Tensor*, sizeof...(t)>{&t...}; }, out);
  }
}

template <class R, class... A>
[[gnu::noinline]] void record(const OpInfo& op, Slots slots, const R& out, const A&... args) {
  Ref<autograd::OpNode> node = make_node(op, slots, nullptr);
  node->args.reserve(sizeof...(A));
  (keep_value(*node, args), ...);
  auto outputs = output_pointers(out);
  finish_node(std::move(node), {outputs.data(), outputs.size()});
}

// --- running ---------------------------------------------------------------------------------------

template <class First, class... Rest>
const Tensor& first_tensor(const First& first, const Rest&...) {
  if constexpr (std::is_same_v<First, Tensor>) {
    return first;
  } else {
    static const Tensor none;
    return none;
  }
}

template <class... A>
[[gnu::noinline]] Tensor execute_view(const OpDef<Tensor(A...)>& op, const std::remove_cvref_t<A>&... args) {
  return make_view(first_tensor(args...), op.view(args...));
}

template <class R, class... A>
[[gnu::always_inline]] inline R execute(const OpDef<R(A...)>& op, Device device,
                                        const std::remove_cvref_t<A>&... args) {
  if constexpr (std::is_same_v<R, Tensor>) {
    if (op.view != nullptr) return execute_view<A...>(op, args...);
  }
  if (op.compute != nullptr) {
    if (device.type == DeviceType::Meta) no_kernel(op.info, device);
    return op.compute(args...);
  }
  const auto meta = op.meta(args...);
  if (CLEW_UNLIKELY(device.type == DeviceType::Meta)) return allocate_all(meta, device);
  const auto kernel = kernel_for(op.info, *op.kernel, device);
  R out = allocate_all(meta, device);
  kernel(out, args...);
  return out;
}

/// Calls `f` with the arguments as the kernel wants them.
template <class F, class... A>
decltype(auto) with_prepared(const Preparation& p, F&& f, const A&... args) {
  int slot = 0;
  std::tuple<decltype(prepared(args, p, slot))...> ready{
      prepared(args, p, slot)...};  // braces: left to right
  return std::apply(f, ready);
}

/// The way of arguments that are not ready().
template <class R, class... A>
[[gnu::noinline]] R prepare_and_execute(const OpDef<R(A...)>& op, Slots slots,
                                        const std::remove_cvref_t<A>&... args) {
  Device device;
  const Preparation p = prepare(op.info, slots, device);
  bool wants = false;
  (read_options(args, device, wants), ...);
  auto run = [&](const auto&... as) { return execute<R, A...>(op, device, as...); };
  return p.needed() ? with_prepared(p, run, args...) : run(args...);
}

template <class R, class... A>
[[gnu::noinline]] R apply_now(const OpDef<R(A...)>& op, const std::remove_cvref_t<A>&... args) {
  const auto pointers = collect_slots(args...);
  const Slots slots(pointers.data(), pointers.size());
  Device device;
  bool tracked = true;
  const bool is_ready = ready(op.info, slots, device, tracked);
  bool wants = false;
  (read_options(args, device, wants), ...);
  R out = CLEW_LIKELY(is_ready) ? execute<R, A...>(op, device, args...)
                                : prepare_and_execute<R, A...>(op, slots, args...);
  if (CLEW_UNLIKELY(tracked) && thread_state.grad_enabled && any_requires_grad(slots))
    record(op.info, slots, out, args...);
  if constexpr (std::is_same_v<R, Tensor>) {
    if (CLEW_UNLIKELY(wants)) out.set_requires_grad(true);
  }
  return out;
}

/// True when `op`'s kernel may write straight into `self`.
CLEW_API bool writes_directly(const OpInfo& op, const Tensor& self, Slots slots, const Preparation& p);
/// Refuses a result that does not fit into `self`.
CLEW_API void check_result_fits(const OpInfo& op, const Tensor& self, const TensorMeta& result);
CLEW_API void copy_into(const Tensor& self, const Tensor& result);
/// `x.squeeze_()`: `self` takes over the geometry and the history of `view`, which shows all of it.
CLEW_API void become_view(const OpInfo& op, const Tensor& self, const Tensor& view);
/// A copy of `self`'s data with its history, for formulas that read what an in-place op overwrites.
CLEW_API Tensor preserve(const OpInfo& op, const Tensor& self, Slots slots);
CLEW_API void finish_inplace(const Ref<autograd::OpNode>& node, const Tensor& self);

template <class... A>
Tensor apply_inplace_now(const OpDef<Tensor(const Tensor&, A...)>& op, const Tensor& self,
                         const std::remove_cvref_t<A>&... args) {
  autograd::check_inplace(op.info.name, self);
  if (op.view != nullptr) {
    become_view(op.info, self, apply_now<Tensor, const Tensor&, A...>(op, self, args...));
    return self;
  }
  if (op.composite != nullptr) {
    // What the composite saves of `self` must survive the write.
    const auto pointers = collect_slots(self, args...);
    const bool recording = thread_state.grad_enabled && any_requires_grad({pointers.data(), pointers.size()});
    const Tensor result = op.composite(recording ? clone(self) : self, args...);
    check_result_fits(op.info, self, result.meta());
    return copy_(self, result);
  }
  const auto pointers = collect_slots(self, args...);
  const Slots slots(pointers.data(), pointers.size());
  Device device = self.device();
  bool tracked = true;
  const Preparation p =
      ready(op.info, slots, device, tracked) ? Preparation{} : prepare(op.info, slots, device);
  if (CLEW_UNLIKELY(device != self.device())) device_mismatch(op.info, slots);
  const bool recording = tracked && thread_state.grad_enabled && any_requires_grad(slots);
  const Tensor original = recording ? preserve(op.info, self, slots) : Tensor();
  auto run = [&](const Tensor& first, const auto&... ready) {
    const TensorMeta m = op.meta(first, ready...);
    check_result_fits(op.info, self, m);
    if (device.type == DeviceType::Meta) return self.storage()->bump_version(op.info.name);
    const auto kernel = kernel_for(op.info, *op.kernel, device);
    if (m.dtype == self.dtype() && writes_directly(op.info, self, slots, p)) {
      Tensor target = self;
      kernel(target, first, ready...);
      self.storage()->bump_version(op.info.name);
    } else {
      Tensor out = allocate(m, device);
      kernel(out, first, ready...);
      copy_into(self, out);  // bumps as any copy_ does
      self.storage()->set_last_writer(op.info.name);
    }
  };
  if (CLEW_LIKELY(!p.needed())) {
    run(self, args...);
  } else {
    with_prepared(p, run, self, args...);
  }
  if (recording) {
    Ref<autograd::OpNode> node = make_node(op.info, slots, &original);
    node->args.reserve(1 + sizeof...(A));
    keep_value(*node, self);
    (keep_value(*node, args), ...);
    finish_inplace(node, self);
  }
  return self;
}

// --- boxed calls -----------------------------------------------------------------------------------

template <class R, class... A>
Value run_boxed(const void* op_def, std::span<Value> args, bool inplace);

/// True unless the interceptors have seen this call already.
inline bool intercepted() {
  return thread_state.interceptor != nullptr && !std::exchange(thread_state.pass_interceptors, false);
}

template <class R, class... A>
[[gnu::noinline]] R box_and_intercept(const OpDef<R(A...)>& op, bool inplace,
                                      const std::remove_cvref_t<A>&... args) {
  std::array<Value, sizeof...(A)> boxed{Value(args)...};
  return intercept(BoxedCall(op.info, boxed, inplace, &run_boxed<R, A...>, &op)).template to<R>();
}

}  // namespace apply_detail

/// Runs an op: `Tensor exp(const Tensor& x) { return apply(exp_op, x); }`.
template <class R, class... A>
[[gnu::always_inline]] inline R apply(const OpDef<R(A...)>& op,
                                      const std::type_identity_t<std::remove_cvref_t<A>>&... args) {
  if (CLEW_UNLIKELY(apply_detail::intercepted()))
    return apply_detail::box_and_intercept<R, A...>(op, false, args...);
  if (op.composite != nullptr) return op.composite(args...);
  return apply_detail::apply_now<R, A...>(op, args...);
}

/// Runs an op's in-place variant: the result goes into `self`, whose version moves on.
template <class... A>
Tensor apply_inplace(const OpDef<Tensor(const Tensor&, A...)>& op, const Tensor& self,
                     const std::type_identity_t<std::remove_cvref_t<A>>&... args) {
  if (CLEW_UNLIKELY(apply_detail::intercepted()))
    return apply_detail::box_and_intercept<Tensor, const Tensor&, A...>(op, true, self, args...);
  return apply_detail::apply_inplace_now<A...>(op, self, args...);
}

template <class R, class... A>
Value apply_detail::run_boxed(const void* op_def, std::span<Value> args, bool inplace) {
  const auto& op = *static_cast<const OpDef<R(A...)>*>(op_def);
  return [&]<size_t... I>(std::index_sequence<I...>) -> Value {
    std::tuple<std::remove_cvref_t<A>...> unboxed{args[I].template to<A>()...};
    return std::apply(
        [&](const auto&... a) -> Value {
          if constexpr (std::is_same_v<R, Tensor> && sizeof...(A) > 0) {
            if constexpr (std::is_same_v<std::tuple_element_t<0, std::tuple<A...>>, const Tensor&>) {
              if (inplace) return Value(apply_inplace(op, a...));
            }
          }
          return Value(::clew::apply(op, a...));
        },
        unboxed);
  }(std::index_sequence_for<A...>{});
}

/// Type-erased run_boxed of an op, for the op table.
template <class R, class... A>
constexpr auto boxed_entry(const OpDef<R(A...)>&) {
  return &apply_detail::run_boxed<R, A...>;
}

}  // namespace clew
