#include "autograd/custom_node.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>

#include "clew/autograd/function.h"
#include "clew/ops/ops.h"
#include "core/shapes.h"

namespace clew::autograd {
namespace {

ptrdiff_t find(const TensorList& list, const Tensor& t) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].defined() && list[i].is_same(t)) return static_cast<ptrdiff_t>(i);
  }
  return -1;
}

}  // namespace

// --- on the tape -----------------------------------------------------------------------------------------

void CustomNode::check_dirty(const TensorList& inputs, const TensorList& results,
                             const TensorList& dirty) const {
  for (const Tensor& t : dirty) {
    CLEW_CHECK(t.defined() && find(inputs, t) >= 0, ValueError, function_,
               ".mark_dirty: expected an argument of forward, got another tensor");
    CLEW_CHECK(find(results, t) >= 0, ValueError, function_,
               ".mark_dirty: expected a tensor that forward returns, got one of shape ", t.sizes(),
               " that it does not");
    const bool leaf = t.requires_grad() && grad_fn(t) == nullptr;
    CLEW_CHECK(
        !leaf, AutogradError, function_,
        ".forward: expected to write in place into a tensor that is not a leaf requiring grad, got one "
        "of shape ",
        t.sizes(), " (clone() it first)");
    if (TensorBody* base = t.body()->view_base) {
      const Tensor b = Tensor::share(base);
      CLEW_CHECK(!b.requires_grad() || grad_fn(b) != nullptr, AutogradError, function_,
                 ".forward: expected to write in place into a view whose base is not a leaf requiring grad, "
                 "got a view of a leaf of shape ",
                 b.sizes(), " (clone() first)");
    }
  }
}

void CustomNode::record(const TensorList& inputs, TensorList& outputs_given, const FunctionRecord& r) {
  check_dirty(inputs, outputs_given, r.dirty);
  for (const Tensor& t : r.to_save)
    CLEW_CHECK(!t.defined() || !t.body()->inference, AutogradError, function_,
               ".save_for_backward: expected tensors made outside of inference_mode, got an inference tensor "
               "of shape ",
               t.sizes(), " (clone it outside of inference_mode first)");
  stamp();
  materialize_ = r.materialize;
  once_differentiable_ = r.once_differentiable;
  for (const Tensor& t : inputs) {
    input_is_tensor_.push_back(t.defined());
    edges.push_back(t.defined() && is_differentiable(t.dtype()) ? gradient_edge(t) : Edge{});
  }
  const TensorList as_returned = outputs_given;
  std::vector<bool> differentiable;
  for (size_t i = 0; i < as_returned.size(); ++i) {
    Tensor& t = outputs_given[i];
    output_is_tensor_.push_back(t.defined());
    differentiable.push_back(false);
    if (!t.defined()) {
      outputs.push_back({});
      continue;
    }
    add_output(t);
    if (find(r.dirty, t) >= 0) {
      const bool first = find(as_returned, t) == static_cast<ptrdiff_t>(i);
      if (first) {
        differentiable[i] = is_differentiable(t.dtype()) && find(r.non_differentiable, t) < 0;
        if (differentiable[i]) rebase_history(t, Ref<Node>::share(this), static_cast<uint32_t>(i));
        continue;
      }
    }
    const bool own = find(inputs, t) < 0 && !t.is_view() && !t.requires_grad() &&
                     find(as_returned, t) == static_cast<ptrdiff_t>(i);
    if (!own) t = t.detach();
    if (!is_differentiable(t.dtype()) || find(r.non_differentiable, as_returned[i]) >= 0) continue;
    differentiable[i] = true;
    set_history(t, Ref<Node>::share(this), static_cast<uint32_t>(i));
  }
  for (const Tensor& t : r.to_save) {
    if (!t.defined()) {
      saved_.emplace_back();
      continue;
    }
    const ptrdiff_t i = find(as_returned, t);
    const bool is_input = find(inputs, t) >= 0 && find(r.dirty, t) < 0;
    // A result is kept without history, so that the node does not own itself.
    saved_.push_back(
        i >= 0 && !is_input && differentiable[static_cast<size_t>(i)]
            ? SavedTensor::of_output(outputs_given[static_cast<size_t>(i)], static_cast<uint32_t>(i))
            : SavedTensor(t, false));
  }
}

void CustomNode::release_saved() {
  released_ = true;
  for (SavedTensor& s : saved_) s.reset();
}

TensorList CustomNode::saved_tensors() {
  if (released_) {
    const std::string line = forward_line();
    clew::detail::raise<AutogradError>(
        name(),
        ": expected saved tensors, but an earlier backward through this graph freed them (pass "
        "retain_graph=True to the first backward if a second one follows)",
        line.empty() ? "" : "\nrecorded by: ", line);
  }
  TensorList out;
  for (const SavedTensor& s : saved_) out.push_back(s.defined() ? s.unpack(this) : Tensor());
  return out;
}

// --- on the way back -------------------------------------------------------------------------------------

std::string CustomNode::argument(size_t i) const { return "argument " + std::to_string(i); }

GradList CustomNode::run(GradList&& grads) {
  TensorList in(output_is_tensor_.size());
  for (size_t i = 0; i < in.size(); ++i) {
    if (grads[i].defined()) {
      in[i] = grads[i];
    } else if (materialize_ && output_is_tensor_[i]) {
      const Output& o = outputs[i];
      in[i] = zeros(o.shape, TensorOptions(o.dtype).device(o.device));
    }
  }
  const bool recording = is_grad_enabled();
  TensorList results;
  {
    const AutoGradMode mode(recording && !once_differentiable_);
    results = backward(in);
  }
  check_gradients(results);
  if (recording && once_differentiable_) forbid_second(results, in);
  return {results.begin(), results.end()};
}

void CustomNode::check_gradients(TensorList& grads) const {
  const size_t n = input_is_tensor_.size();
  CLEW_CHECK(grads.size() == n, AutogradError, function_, ".backward: expected ", n, " gradient",
             n == 1 ? "" : "s", ", one per argument of forward, got ", grads.size());
  for (size_t i = 0; i < n; ++i) {
    const Tensor& g = grads[i];
    if (!g.defined()) continue;
    CLEW_CHECK(input_is_tensor_[i], AutogradError, function_, ".backward: expected no gradient for ",
               argument(i), " of forward, which is no tensor, got one of shape ", g.sizes());
    if (!edges[i]) continue;
    const Output& want = edges[i].node->outputs[edges[i].input_nr];
    CLEW_CHECK(broadcastable_to(want.shape, g.sizes()), ShapeError, function_,
               ".backward: expected a gradient of shape ", want.shape, " for ", argument(i),
               " of forward, got ", g.sizes());
    CLEW_CHECK(g.device() == want.device, DeviceError, function_, ".backward: expected a gradient on ",
               want.device, " for ", argument(i), " of forward, got ", g.device());
    CLEW_CHECK(is_floating(g.dtype()) || is_complex(g.dtype()), DTypeError, function_,
               ".backward: expected a floating gradient for ", argument(i), " of forward, got dtype ",
               g.dtype());
  }
}

void CustomNode::forbid_second(TensorList& results, const TensorList& grads) {
  // Leads wherever a second derivative would go, so that it meets this node.
  auto node =
      Ref<FunctionNode>::adopt(new FunctionNode(name() + "Once", [f = function_](GradList&&) -> GradList {
        clew::detail::raise<AutogradError>(f,
                                           ".backward: expected to be differentiated once, as it is marked "
                                           "once_differentiable, got a second derivative");
      }));
  node->sequence = thread_state.next_sequence++;
  node->provenance = provenance;
  for (const Edge& e : edges) node->edges.push_back(e);
  for (const Tensor& g : grads)
    node->edges.push_back(g.defined() && is_differentiable(g.dtype()) ? gradient_edge(g) : Edge{});
  for (Tensor& g : results) {
    if (!g.defined()) continue;
    g = g.detach();
    set_history(g, Ref<Node>::share(node.get()), static_cast<uint32_t>(node->outputs.size()));
    node->add_output(g);
  }
}

// --- C++ functions ---------------------------------------------------------------------------------------

/// The node of a Function<T>.
class ContextNode final : public CustomNode {
 public:
  ContextNode(std::string function, const FunctionType& type, std::shared_ptr<Context> context)
      : CustomNode(std::move(function)), backward_(type.backward), context_(std::move(context)) {
    context_->node_ = this;
  }
  ~ContextNode() override { context_->node_ = nullptr; }

  /// Takes the tensors out of the context's `saved_data` and adds them to what is saved: kept there they
  /// would not be compared with their versions, and a result would own the node that owns it.
  void keep(TensorList& to_save) {
    count_ = to_save.size();
    for (auto& [name, value] : context_->saved_data) {
      if (!value.is_tensor() && !value.is_tensor_list()) continue;
      const TensorList tensors = value.is_tensor() ? TensorList{value.tensor()} : value.tensor_list();
      kept_.push_back({name, to_save.size(), tensors.size(), value.is_tensor()});
      to_save.insert(to_save.end(), tensors.begin(), tensors.end());
      value = Value();
    }
  }
  /// What save_for_backward was given.
  TensorList given() {
    TensorList all = saved_tensors();
    all.resize(count_);
    return all;
  }

 private:
  struct Kept {
    std::string name;
    size_t first, count;
    bool single;
  };
  TensorList backward(TensorList grads) override {
    if (kept_.empty()) return backward_(*context_, std::move(grads));
    // The context is shared by all backward runs through this node.
    const std::lock_guard lock(mutex_);
    const TensorList all = saved_tensors();
    const auto put = [&](bool back) {
      for (const Kept& k : kept_) {
        const auto first = all.begin() + static_cast<std::ptrdiff_t>(k.first);
        Value& value = context_->saved_data[k.name];
        if (!back) {
          value = Value();
        } else if (k.single) {
          value = *first;
        } else {
          value = TensorList(first, first + static_cast<std::ptrdiff_t>(k.count));
        }
      }
    };
    struct Clear {
      const decltype(put)& run;
      ~Clear() { run(false); }
    } const clear{put};
    put(true);
    return backward_(*context_, std::move(grads));
  }
  void destroy() noexcept override { delete this; }

  TensorList (*backward_)(Context&, TensorList);
  std::shared_ptr<Context> context_;
  std::vector<Kept> kept_;
  size_t count_ = 0;
  std::recursive_mutex mutex_;
};

namespace {

// "mylib::(anonymous namespace)::Cube" is called Cube.
std::string short_name(const std::type_info& type) {
  int status = 0;
  char* text = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string s = status == 0 ? text : type.name();
  std::free(text);
  const std::string head = s.substr(0, s.find('<'));
  const size_t colon = head.rfind("::");
  return colon == std::string::npos ? s : s.substr(colon + 2);
}

}  // namespace

TensorList Context::saved_tensors() const {
  CLEW_CHECK(node_ != nullptr, AutogradError,
             "saved_tensors: expected to be read in backward, got a context that is not on the tape");
  return static_cast<ContextNode*>(node_)->given();
}

bool Context::needs_input_grad(size_t i) const {
  CLEW_CHECK(i < needs_.size(), IndexError, "needs_input_grad: expected an argument in [0, ", needs_.size(),
             "), got ", i);
  return needs_[i];
}

void FunctionCall::prepare() {
  context_ = std::make_shared<Context>();
  for (const Tensor& t : inputs_)
    context_->needs_.push_back(t.defined() && is_differentiable(t.dtype()) && t.requires_grad());
}

void FunctionCall::record(const FunctionType& type, TensorList& outputs) {
  Context& c = *context_;
  CLEW_CHECK(std::any_of(outputs.begin(), outputs.end(), [](const Tensor& t) { return t.defined(); }),
             ValueError, short_name(type.type), ".forward: expected at least one defined tensor, got none");
  const bool wanted = std::any_of(c.needs_.begin(), c.needs_.end(), [](bool b) { return b; });
  if (!is_grad_enabled() || !wanted) return;
  FunctionRecord r{.to_save = std::exchange(c.to_save_, {}),
                   .dirty = std::exchange(c.dirty_, {}),
                   .non_differentiable = std::exchange(c.non_differentiable_, {}),
                   .materialize = c.materialize_,
                   .once_differentiable = type.once_differentiable};
  auto node = Ref<ContextNode>::adopt(new ContextNode(short_name(type.type), type, context_));
  node->keep(r.to_save);
  node->record(inputs_, outputs, r);
}

}  // namespace clew::autograd
