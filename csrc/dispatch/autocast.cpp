#include "dispatch/autocast.h"

#include <optional>
#include <utility>

#include "clew/autograd/grad_mode.h"

namespace clew {
namespace {

thread_local constinit AutocastScope* innermost_autocast = nullptr;

template <class F>
void for_each_tensor(std::span<Value> args, F&& f) {
  for (Value& v : args) {
    if (v.is_tensor()) {
      f(v.tensor());
    } else if (v.is_tensor_list()) {
      for (const Tensor& t : std::as_const(v).tensor_list()) f(t);
    }
  }
}

}  // namespace

AutocastScope* AutocastScope::current(DeviceType type) {
  AutocastScope* scope = innermost_autocast;
  while (scope != nullptr && scope->options_.device.type != type) scope = scope->outer_autocast_;
  return scope;
}

AutocastScope::AutocastScope(const AutocastOptions& options)
    : options_(options), outer_autocast_(innermost_autocast) {
  const bool low = options.dtype == DType::BFloat16 || options.dtype == DType::Float16;
  CLEW_CHECK(low || !options.enabled, ValueError, "autocast: expected dtype bfloat16 or float16, got ",
             options.dtype);
  innermost_autocast = this;
}

AutocastScope::~AutocastScope() {
  for (AutocastScope** p = &innermost_autocast; *p != nullptr; p = &(*p)->outer_autocast_) {
    if (*p == this) {
      *p = outer_autocast_;
      return;
    }
  }
}

bool AutocastScope::eligible(const Tensor& t) const {
  return t.defined() && is_floating(t.dtype()) && t.dtype() != DType::Float64 && !t.body()->weak_scalar &&
         t.device().type == options_.device.type;
}

Tensor AutocastScope::cast_to(const Tensor& t, DType dtype) {
  if (!eligible(t) || t.dtype() == dtype) return t;
  // A weight is used by many steps of a forward; other tensors usually once.
  const bool keep = options_.cache_enabled && dtype == options_.dtype && is_grad_enabled() && t.is_leaf() &&
                    t.requires_grad() && !t.is_view();
  if (!keep) return t.to(dtype);
  const auto found = cache_.find(t.body());
  if (found != cache_.end() && found->second.version == t.version()) return found->second.cast;
  const Tensor cast = t.to(dtype);
  cache_.insert_or_assign(t.body(), Cached{t, cast, t.version()});
  return cast;
}

void AutocastScope::cast_arguments(std::span<Value> args, DType dtype) {
  for (Value& v : args) {
    if (v.is_tensor()) {
      v = Value(cast_to(v.tensor(), dtype));
    } else if (v.is_tensor_list()) {
      TensorList list = std::as_const(v).tensor_list();
      for (Tensor& t : list) t = cast_to(t, dtype);
      v = Value(std::move(list));
    }
  }
}

Value AutocastScope::call(const BoxedCall& call) {
  // An in-place op writes into the dtype that its tensor has.
  if (current(options_.device.type) != this || !options_.enabled || call.inplace)
    return call.proceed_nested();
  switch (call.op.autocast) {
    case Autocast::None:
      return call.proceed_nested();
    case Autocast::Low:
      cast_arguments(call.args, options_.dtype);
      break;
    case Autocast::Float32:
      cast_arguments(call.args, DType::Float32);
      break;
    case Autocast::Widest: {
      // Promotion of 0-dim tensors is weak already and stays with the op.
      std::optional<DType> widest;
      bool mixed = false;
      for_each_tensor(call.args, [&](const Tensor& t) {
        if (!eligible(t) || t.dim() == 0) return;
        mixed = mixed || (widest && *widest != t.dtype());
        widest = widest ? promote_types(*widest, t.dtype()) : t.dtype();
      });
      if (mixed) cast_arguments(call.args, *widest);
      break;
    }
  }
  return call.proceed();
}

}  // namespace clew
