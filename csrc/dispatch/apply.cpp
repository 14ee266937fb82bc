#include "clew/dispatch/apply.h"

#include "core/backend.h"
#include "core/shapes.h"

namespace clew::apply_detail {
namespace {

// PyTorch's rule: the widest category decides; within it dimensioned tensors outrank 0-dim tensors,
// and those outrank plain numbers.
struct Promoter {
  std::optional<DType> by_weight[3];  // dimensioned, 0-dim, number
  static int category(DType t) { return t == DType::Bool ? 0 : is_integral(t) ? 1 : is_floating(t) ? 2 : 3; }

  void add(const Tensor& t) {
    const bool number = t.body()->weak_scalar;
    const DType type = number && is_floating(t.dtype()) ? default_dtype() : t.dtype();
    std::optional<DType>& slot = by_weight[number ? 2 : t.dim() == 0 ? 1 : 0];
    slot = slot ? promote_types(*slot, type) : type;
  }
  DType result() const {
    std::optional<DType> r;
    for (const std::optional<DType>& t : by_weight) {
      if (!t) continue;
      if (!r || category(*t) > category(*r)) r = r ? promote_types(*r, *t) : *t;
    }
    return r.value_or(default_dtype());
  }
};

bool is_weak(const Tensor& t) { return t.body()->weak_scalar; }

[[noreturn, gnu::cold]] void unsupported_dtype(const OpInfo& op, DType t) {
  if (is_complex(t))
    detail::raise<NotImplementedError>(op.name, ": expected a real dtype, got ", t,
                                       " (complex kernels are not part of this version)");
  detail::raise<DTypeError>(op.name, ": expected dtype in ", op.dtypes, ", got ", t,
                            " (convert with .to(dtype))");
}

}  // namespace

void device_mismatch(const OpInfo& op, Slots slots) {
  std::ostringstream list;
  for (const Tensor* t : slots) {
    if (t->defined()) list << " " << t->dtype() << t->sizes() << " on " << t->device() << ";";
  }
  detail::raise<DeviceError>(op.name, ": expected all tensors on one device, got", list.str(),
                             " move them with .to(device)");
}

Preparation prepare(const OpInfo& op, Slots slots, Device& device) {
  Preparation p{.compute = DType::Float32,
                .promote_slots = op.promote == Promote::None ? 0 : op.promote_slots};
  const Tensor* first = nullptr;
  const Tensor* placed = nullptr;  // whose device counts
  bool uniform = true;
  bool strided = false;
  uint32_t bit = 1;
  for (const Tensor* t : slots) {
    const uint32_t promotes = op.promote_slots & bit;
    bit <<= 1;
    if (!t->defined()) continue;
    strided = strided || !t->is_contiguous();
    if (placed == nullptr) {
      placed = t;
      device = t->device();
    } else if (CLEW_UNLIKELY(t->device() != device)) {
      // Numbers and 0-dim tensors on the CPU go along with any device; all other tensors count, those that
      // are not promoted too.
      const auto goes_along = [](const Tensor& x) { return x.is_cpu() && (is_weak(x) || x.dim() == 0); };
      if (goes_along(*placed)) {
        placed = t;
        device = t->device();
      } else if (!goes_along(*t)) {
        device_mismatch(op, slots);
      }
      p.move = device.type == DeviceType::CUDA;
    }
    if (!promotes) continue;
    if (first == nullptr) {
      first = t;
      continue;
    }
    uniform = uniform && t->dtype() == first->dtype() && is_weak(*t) == is_weak(*first);
  }
  p.device = device;
  if (first == nullptr) return p;
  DType checked = op.dtype_slot < slots.size() && slots[op.dtype_slot]->defined()
                      ? slots[op.dtype_slot]->dtype()
                      : first->dtype();
  if (op.promote != Promote::None) {
    p.compute = first->dtype();
    const bool mixed = !uniform || is_weak(*first);
    if (CLEW_UNLIKELY(mixed)) {
      Promoter promoter;
      bit = 1;
      for (const Tensor* t : slots) {
        if (t->defined() && (op.promote_slots & bit)) promoter.add(*t);
        bit <<= 1;
      }
      p.compute = promoter.result();
    }
    if (op.promote == Promote::Floating) p.compute = to_floating(p.compute);
    if (mixed || p.compute != first->dtype()) {
      bit = 1;
      for (const Tensor* t : slots) {
        if (t->defined() && (op.promote_slots & bit) && t->dtype() != p.compute) p.cast = true;
        bit <<= 1;
      }
    }
    checked = p.compute;
  }
  if (CLEW_UNLIKELY(!op.dtypes.contains(checked))) unsupported_dtype(op, checked);
  p.contiguous = op.layout == Layout::Contiguous && strided;
  return p;
}

Tensor prepare_tensor(const Tensor& t, const Preparation& p, int slot) {
  if (!t.defined()) return t;
  const NoGradGuard guard;
  Tensor out = t;
  if (p.cast && ((p.promote_slots >> slot) & 1) && t.dtype() != p.compute) {
    out = cast(t, p.compute);
    out.body()->weak_scalar = t.body()->weak_scalar;
  }
  if (p.contiguous && !out.is_contiguous()) out = clone(out);
  // Kernels of promoting ops read numbers by value; all others want their arguments on the device.
  if (p.move && !((p.promote_slots >> slot) & 1)) out = out.to(std::nullopt, p.device);
  return out;
}

Tensor make_view(const Tensor& base, const Geometry& g) {
  TensorBody* from = base.body();
  TensorBody* b = TensorBody::make();
  Tensor t = Tensor::adopt(b);
  b->dtype = from->dtype;
  b->device = from->device;
  b->inference = from->inference;
  b->set_geometry(g.sizes, g.strides, g.offset);
  b->storage = from->storage;
  b->storage->retain();
  TensorBody* root = from->view_base != nullptr ? from->view_base : from;
  root->retain();
  b->view_base = root;
  b->history_version = root->history_version;
  return t;
}

void no_kernel(const OpInfo& op, Device device) {
  if (device.type == DeviceType::Meta)
    detail::raise<DeviceError>(
        op.name, ": expected data, got a tensor on the meta device (the result's shape depends on values)");
  detail::raise<DeviceError>(op.name, ": expected a tensor on cpu or meta, got one on ", device,
                             " (this op has no CUDA kernel in this version; move its tensors with .cpu())");
}

void load_backend(const OpInfo& op, Device device) {
  if (device.type == DeviceType::CUDA) require_cuda(op.name, device);
}

Ref<autograd::OpNode> make_node(const OpInfo& op, Slots slots, const Tensor* original) {
  auto node = Ref<autograd::OpNode>::adopt(new autograd::OpNode(&op));
  node->stamp();
  const size_t n = slots.size();
  uint32_t needing = 0;
  node->edges.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    if (!wants_grad(*slots[i])) {
      node->edges.emplace_back();
      continue;
    }
    TensorBody* const b = slots[i]->body();
    auto* made_by =
        static_cast<autograd::Node*>(std::atomic_ref<GraphNode*>(b->node).load(std::memory_order_acquire));
    if (CLEW_LIKELY(made_by != nullptr)) {
      node->edges.emplace_back(
          autograd::Edge{Ref<autograd::Node>::share(made_by), made_by->is_accumulator() ? 0 : b->output_nr});
    } else {
      node->edges.push_back(autograd::gradient_edge(*slots[i]));  // a leaf's first use
    }
    if (i < 32) needing |= 1u << i;
  }
  auto save = [&](size_t slot) {
    const Tensor& t = slot == 0 && original != nullptr && original->defined() ? *original : *slots[slot];
    if (!t.defined()) return;
    CLEW_CHECK(!t.body()->inference, AutogradError, op.name,
               ": expected tensors made outside of inference_mode where a gradient is recorded, got an "
               "inference tensor as "
               "argument ",
               slot, " (clone it outside of inference_mode first)");
    node->saved.emplace_back(t, static_cast<int16_t>(slot), false);
  };
  for (uint8_t i = 0; i < op.saves.count; ++i) {
    const Saves::Item& item = op.saves.items[i];
    if (item.is_output || (item.for_grads_of & needing) == 0) continue;
    const size_t end = item.and_following ? n : static_cast<size_t>(item.slot) + 1;
    for (size_t slot = static_cast<size_t>(item.slot); slot < end && slot < n; ++slot) save(slot);
  }
  return node;
}

void finish_node(Ref<autograd::OpNode> ref, std::span<const Tensor* const> outputs) {
  autograd::OpNode* const node = ref.get();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& t = *outputs[i];
    node->add_output(t);
    if (!is_differentiable(t.dtype())) continue;
    // A sole output takes over the count, which saves one to be taken and given back.
    autograd::set_history(
        t, outputs.size() == 1 ? Ref<autograd::Node>::adopt(ref.detach()) : Ref<autograd::Node>::share(node),
        static_cast<uint32_t>(i));
  }
  const Saves& saves = node->op->saves;
  for (uint8_t i = 0; i < saves.count; ++i) {
    const Saves::Item& item = saves.items[i];
    if (item.is_output) node->saved.emplace_back(*outputs[static_cast<size_t>(item.slot)], item.slot, true);
  }
}

bool writes_directly(const OpInfo& op, const Tensor& self, Slots slots, const Preparation& p) {
  const bool self_prepared = (p.cast && (p.promote_slots & 1) != 0 && self.dtype() != p.compute) ||
                             (p.contiguous && !self.is_contiguous());
  if (!op.inplace || self_prepared) return false;
  for (size_t i = 1; i < slots.size(); ++i) {
    const Tensor& t = *slots[i];
    if (!t.defined() || t.storage() != self.storage()) continue;
    const bool same = t.storage_offset() == self.storage_offset() && t.sizes() == self.sizes() &&
                      t.strides() == self.strides();
    if (!same) return false;  // an overlapping operand would be read after it was overwritten
  }
  return true;
}

void check_result_fits(const OpInfo& op, const Tensor& self, const TensorMeta& result) {
  CLEW_CHECK(IntArrayRef(result.shape) == self.sizes(), ShapeError, op.name, "_: expected a result of shape ",
             self.sizes(), " to write in place, got ", result.shape,
             " (an in-place op cannot grow its tensor; use ", op.name, ")");
  const bool fits = Promoter::category(result.dtype) <= Promoter::category(self.dtype());
  CLEW_CHECK(fits, DTypeError, op.name, "_: expected a result that can be written into dtype ", self.dtype(),
             ", got ", result.dtype, " (use ", op.name, ", or convert the tensor first)");
}

void copy_into(const Tensor& self, const Tensor& result) {
  const NoGradGuard guard;
  copy_(self, result);
}

void become_view(const OpInfo& op, const Tensor& self, const Tensor& view) {
  TensorBody *to = self.body(), *from = view.body();
  // What saved this very tensor would read it in its new shape: to the tape that is a write.
  self.storage()->bump_version(op.name);
  to->set_geometry(view.sizes(), view.strides(), view.storage_offset());
  if (from->node == nullptr) return;
  auto* node = static_cast<autograd::Node*>(from->node);
  autograd::set_history(self, Ref<autograd::Node>::share(node), from->output_nr);
  if (to->view_base == nullptr) ++to->history_version;
}

Tensor preserve(const OpInfo& op, const Tensor& self, Slots slots) {
  for (uint8_t i = 0; i < op.saves.count; ++i) {
    const Saves::Item& item = op.saves.items[i];
    if (item.is_output || item.slot != 0) continue;
    bool needed = false;
    for (size_t s = 0; s < slots.size(); ++s)
      needed = needed || (((item.for_grads_of >> s) & 1) && wants_grad(*slots[s]));
    if (!needed) continue;
    Tensor copy;
    {
      const NoGradGuard guard;
      copy = clone(self);
    }
    if (autograd::Edge e = wants_grad(self) ? autograd::gradient_edge(self) : autograd::Edge{})
      autograd::set_history(copy, e.node, e.input_nr);
    return copy;
  }
  return {};
}

void finish_inplace(const Ref<autograd::OpNode>& node, const Tensor& self) {
  node->add_output(self);
  autograd::rebase_history(self, Ref<autograd::Node>::share(node.get()));
  const Saves& saves = node->op->saves;
  for (uint8_t i = 0; i < saves.count; ++i) {
    if (saves.items[i].is_output) node->saved.emplace_back(self, saves.items[i].slot, true);
  }
}

}  // namespace clew::apply_detail
