#include "clew/autograd/node.h"

#include <utility>

#include "clew/ops/ops.h"

namespace clew::autograd {

Provenance (*capture_provenance)() noexcept = nullptr;
std::string (*describe_provenance)(const Provenance&) = nullptr;

Node::~Node() = default;

std::string Node::forward_line() const {
  if (provenance.code == nullptr || describe_provenance == nullptr) return {};
  return describe_provenance(provenance);
}

// --- leaves ------------------------------------------------------------------------------------

AccumulateGrad::AccumulateGrad(TensorBody* leaf) : Node(true), leaf_(leaf) {
  sequence = ~uint64_t{0};  // as soon as its gradient is complete
  add_output(Tensor::share(leaf));
}

void AccumulateGrad::tensor_destroyed() noexcept {
  std::lock_guard lock(mutex_);
  leaf_ = nullptr;
}

namespace {
// A count of zero means that the leaf's destructor is on its way to tensor_destroyed().
bool retain_if_alive(TensorBody* b) {
  uint32_t n = b->refs.load(std::memory_order_relaxed);
  while (n != 0 && !b->refs.compare_exchange_weak(n, n + 1, std::memory_order_acq_rel)) {
  }
  return n != 0;
}
}  // namespace

Tensor AccumulateGrad::variable() {
  std::lock_guard lock(mutex_);
  if (leaf_ == nullptr || !retain_if_alive(leaf_)) return {};
  return Tensor::adopt(leaf_);
}

GradList AccumulateGrad::run(GradList&& grads) {
  Tensor leaf = variable();
  if (!leaf.defined() || !grads[0].defined()) return {};
  {
    std::lock_guard lock(mutex_);
    Tensor& g = grads[0];
    const Tensor old = leaf.grad();
    if (!old.defined()) {
      // The buffer may be kept as it is only if nobody else can see it change.
      const bool recording = thread_state.grad_enabled;
      const bool owned =
          g.body()->refs.load(std::memory_order_acquire) == 1 && g.storage()->unique() && g.is_contiguous();
      leaf.set_grad(recording || owned ? g : clone(g));
    } else if (thread_state.grad_enabled) {
      leaf.set_grad(add(old, g));
    } else {
      add_(old, g);
    }
  }
  for (auto& [key, hook] : post_hooks) hook(leaf);
  return {};
}

// --- saved tensors -----------------------------------------------------------------------------

SavedTensor::SavedTensor(const Tensor& t, bool is_output)
    : tensor_(is_output ? t.detach() : t),
      version_(t.version()),
      output_nr_(t.body()->output_nr),
      is_output_(is_output) {
  if (CLEW_UNLIKELY(thread_state.saved_hooks != nullptr)) pack(*thread_state.saved_hooks);
}

// Gives `t` the history of the argument that it stands for.
static void restore_history(const Tensor& t, const Edge& history) {
  if (!history.node->is_accumulator()) {
    set_history(t, history.node, history.input_nr);
    return;
  }
  // A leaf owns its accumulator, so another tensor leads there through a node of its own.
  auto node = Ref<Node>::adopt(new FunctionNode("UnpackBackward", [](GradList&& g) { return std::move(g); }));
  node->stamp();
  node->edges.push_back(history);
  node->add_output(t);
  set_history(t, std::move(node), 0);
}

void SavedTensor::pack(SavedTensorHooks& hooks) {
  auto packed = std::make_shared<Packed>();
  if (!is_output_ && tensor_.requires_grad()) packed->history = gradient_edge(tensor_);
  packed->unpack = hooks.pack(tensor_.detach());
  packed_ = std::move(packed);
  tensor_ = Tensor();
}

Tensor SavedTensor::unpack(Node* owner) const {
  if (CLEW_UNLIKELY(packed_ != nullptr)) {
    const Tensor t = packed_->unpack().detach();
    if (is_output_)
      set_history(t, Ref<Node>::share(owner), output_nr_);
    else if (packed_->history)
      restore_history(t, packed_->history);
    return t;
  }
  if (CLEW_UNLIKELY(tensor_.version() != version_)) {
    const std::string line = owner->forward_line();
    const char* writer = tensor_.storage()->last_writer();
    detail::raise<AutogradError>(
        owner->name(), ": expected a saved tensor of shape ", tensor_.sizes(), " at version ", version_,
        ", got version ", tensor_.version(), " (",
        writer != nullptr ? detail::concat(writer, "_") : "an in-place op", " changed it after ",
        owner->name(), " saved it for backward; use the out-of-place op, or clone() before changing it)",
        line.empty() ? "" : "\nsaved by: ", line);
  }
  if (!is_output_) return tensor_;
  // A saved output was stored without history, so that the node does not own itself.
  Tensor t = tensor_.detach();
  set_history(t, Ref<Node>::share(owner), output_nr_);
  return t;
}

// --- op nodes ----------------------------------------------------------------------------------

std::string OpNode::name() const {
  std::string n = op->name;
  for (char& c : n) {
    if (c == '.') c = '_';
  }
  bool upper = true;
  std::string out;
  for (char c : n) {
    if (c == '_') {
      upper = true;
      continue;
    }
    out += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = false;
  }
  return out + "Backward";
}

// Every op that is recorded comes here: what the parts of a node do at their end is inlined.
[[gnu::flatten]] void OpNode::destroy() noexcept { delete this; }

GradList OpNode::run(GradList&& grads) {
  const Backward ctx(this);
  if (op->grad != nullptr) {
    if (!grads[0].defined()) return GradList(edges.size());
    return op->grad(ctx, grads[0]);
  }
  if (op->grads != nullptr) return op->grads(ctx, TensorListRef(grads.data(), grads.size()));
  detail::raise<AutogradError>(op->name, ": expected an op with a gradient on the way back, but ", op->name,
                               " has none (", op->not_differentiable,
                               "); detach() its input if no gradient should flow");
}

void OpNode::release_saved() {
  released = true;
  for (Saved& s : saved) s.tensor.reset();
}

// --- history -----------------------------------------------------------------------------------

namespace {

Edge accumulator_edge(TensorBody* b) {
  // Two threads may meet at a shared leaf: the first to install its node wins.
  auto* current = std::atomic_ref<GraphNode*>(b->node).load(std::memory_order_acquire);
  if (current == nullptr) {
    auto* fresh = new AccumulateGrad(b);
    if (std::atomic_ref<GraphNode*>(b->node).compare_exchange_strong(current, fresh,
                                                                     std::memory_order_acq_rel)) {
      current = fresh;
    } else {
      fresh->release();
    }
  }
  return {Ref<Node>::share(static_cast<Node*>(current)), 0};
}

// The view of `base`'s storage that `view` is, recorded as an op on `base`.
Tensor recorded_view(const Tensor& base, const Tensor& view) {
  const AutoGradMode mode(true);
  return as_strided(base, view.sizes(), view.strides(), view.storage_offset());
}

}  // namespace

void set_history(const Tensor& t, Ref<Node> node, uint32_t nr) {
  TensorBody* b = t.body();
  GraphNode* old = b->node;
  b->node = node.detach();
  b->output_nr = nr;
  if (old != nullptr) {
    if (old->is_accumulator()) old->tensor_destroyed();
    old->release();
  }
}

Node* grad_fn(const Tensor& t) {
  if (!t.requires_grad()) return nullptr;  // also refreshes a view
  GraphNode* n = std::atomic_ref<GraphNode*>(t.body()->node).load(std::memory_order_acquire);
  return n == nullptr || n->is_accumulator() ? nullptr : static_cast<Node*>(n);
}

Edge gradient_edge(const Tensor& t) {
  if (!t.requires_grad()) return {};
  TensorBody* b = t.body();
  GraphNode* n = std::atomic_ref<GraphNode*>(b->node).load(std::memory_order_acquire);
  if (CLEW_UNLIKELY(n == nullptr)) return accumulator_edge(b);
  return {Ref<Node>::share(static_cast<Node*>(n)), n->is_accumulator() ? 0 : b->output_nr};
}

void rebase_history(const Tensor& t, Ref<Node> node, uint32_t nr) {
  TensorBody* b = t.body();
  b->requires_grad = false;  // it was not a leaf, or it is one that needed no gradient
  set_history(t, node, nr);
  ++b->history_version;
  if (b->view_base == nullptr) return;
  // The write changed part of the base: base' = scatter(base, t), and every view of it, this one
  // included, is from now on a view of base'.
  const Tensor base = Tensor::share(b->view_base);
  const Shape sizes = t.sizes().vec(), strides = t.strides().vec();
  const int64_t offset = t.storage_offset();
  const Edge base_edge = base.requires_grad() ? gradient_edge(base) : Edge{};
  auto scatter = Ref<Node>::adopt(new FunctionNode(
      "AsStridedScatterBackward",
      [base_sizes = base.sizes().vec(), sizes, strides, offset, base_offset = base.storage_offset(),
       wants_base = static_cast<bool>(base_edge)](GradList&& g) {
        if (!g[0].defined()) return GradList(2);
        const Tensor whole = contiguous(g[0]);
        const int64_t relative = offset - base_offset;
        Tensor to_view = clone(as_strided(whole, sizes, strides, relative + whole.storage_offset()));
        Tensor to_base;
        if (wants_base)
          to_base = as_strided_scatter(whole, zeros_like(to_view), sizes, strides,
                                       relative + whole.storage_offset());
        return GradList{to_base, to_view};
      }));
  scatter->sequence = thread_state.next_sequence++;
  scatter->provenance = node->provenance;
  scatter->edges.push_back(base_edge);
  scatter->edges.push_back({node, nr});
  scatter->add_output(base);
  set_history(base, scatter, 0);
  base.body()->requires_grad = false;
  ++base.body()->history_version;
  const Tensor again = recorded_view(base, t);
  set_history(t, Ref<Node>::share(static_cast<Node*>(again.body()->node)), again.body()->output_nr);
  b->history_version = base.body()->history_version;
}

void check_inplace(const char* op, const Tensor& self) {
  CLEW_CHECK(self.defined(), ValueError, op, "_: expected a tensor, got an undefined one");
  if (self.body()->inference)
    CLEW_CHECK(thread_state.inference || !thread_state.grad_enabled || !self.requires_grad(), AutogradError,
               op, "_: expected a tensor made outside of inference_mode, got an inference tensor");
  // Two elements in one place would be written in an order that nobody chose.
  for (size_t i = 0; i < self.sizes().size(); ++i) {
    CLEW_CHECK(self.strides()[i] != 0 || self.sizes()[i] <= 1, ValueError, op,
               "_: expected a tensor whose elements have places of their own, got an expanded one of shape ",
               self.sizes(), " and strides ", self.strides(), " (clone() it first)");
  }
  if (!thread_state.grad_enabled) return;
  const bool is_leaf = self.requires_grad() && grad_fn(self) == nullptr;
  CLEW_CHECK(!is_leaf, AutogradError, op,
             "_: expected a tensor that is not a leaf requiring grad, got one of shape ", self.sizes(),
             " (write in place under no_grad(), or use ", op, ")");
  if (TensorBody* base = self.body()->view_base) {
    const Tensor b = Tensor::share(base);
    CLEW_CHECK(!b.requires_grad() || grad_fn(b) != nullptr, AutogradError, op,
               "_: expected a view whose base is not a leaf requiring grad, got a view of a leaf of shape ",
               b.sizes(), " (write in place under no_grad(), or clone() first)");
  }
}

}  // namespace clew::autograd

namespace clew {

bool Backward::has_input(int slot) const {
  for (const auto& s : node_->saved) {
    if (s.slot == slot && !s.is_output) return true;
  }
  return false;
}

Tensor Backward::find(int slot, bool is_output) const {
  if (CLEW_UNLIKELY(node_->released)) {
    const std::string line = node_->forward_line();
    detail::raise<AutogradError>(
        node_->name(),
        ": expected saved tensors, but an earlier backward through this graph freed them (pass "
        "retain_graph=True to the first backward if a second one follows)",
        line.empty() ? "" : "\nrecorded by: ", line);
  }
  for (const auto& s : node_->saved) {
    if (s.slot == slot && s.is_output == is_output) return s.tensor.unpack(node_);
  }
  return {};  // an optional argument that was not given
}

// --- Tensor's share of autograd ------------------------------------------------------------------

void Tensor::refresh_view_history() const {
  TensorBody* b = body();
  const Tensor base = Tensor::share(b->view_base);
  b->history_version = base.body()->history_version;
  if (!base.requires_grad()) return;
  const Tensor again = autograd::recorded_view(base, *this);
  autograd::set_history(*this, Ref<autograd::Node>::share(static_cast<autograd::Node*>(again.body()->node)),
                        again.body()->output_nr);
}

bool Tensor::is_leaf() const { return autograd::grad_fn(*this) == nullptr; }

const Tensor& Tensor::set_requires_grad(bool value) const {
  TensorBody* b = body();
  if (value == requires_grad()) return *this;
  if (value) {
    CLEW_CHECK(is_differentiable(dtype()), DTypeError, "requires_grad_: expected a floating dtype, got ",
               dtype(), " (only floating tensors have gradients)");
  } else {
    CLEW_CHECK(is_leaf(), AutogradError, "requires_grad_: expected a leaf, got the result of ",
               autograd::grad_fn(*this)->name(), " (use detach() for a tensor without history)");
  }
  b->requires_grad = value;
  return *this;
}

void Tensor::set_grad(const Tensor& g) const {
  if (g.defined()) {
    CLEW_CHECK(g.sizes() == sizes(), ShapeError, "grad: expected a gradient of shape ", sizes(), ", got ",
               g.sizes());
    CLEW_CHECK(g.dtype() == dtype(), DTypeError, "grad: expected a gradient of dtype ", dtype(), ", got ",
               g.dtype());
    CLEW_CHECK(g.device() == device(), DeviceError, "grad: expected a gradient on ", device(), ", got ",
               g.device());
    CLEW_CHECK(!g.is_same(*this), ValueError, "grad: expected another tensor, got the tensor itself");
  }
  Tensor copy = g;
  TensorBody* old = std::exchange(body()->grad, copy.detach_body());
  if (old != nullptr) old->release();
}

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph) const {
  autograd::backward({*this}, {gradient}, retain_graph, create_graph);
}

}  // namespace clew
