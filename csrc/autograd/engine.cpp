// The engine: runs nodes in order of falling sequence number as their gradients become complete.
// It alone accumulates gradients, sums them down over broadcast dimensions and casts them.
#include <algorithm>
#include <queue>

#include "clew/autograd/node.h"
#include "clew/ops/ops.h"
#include "core/shapes.h"

namespace clew::autograd {
namespace {

// Nodes of one run, found by address: open addressing, grown at half full.
template <class T>
class NodeMap {
 public:
  T& operator[](Node* key) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    size_t i = place(key);
    if (slots_[i].first == nullptr) {
      slots_[i].first = key;
      ++count_;
    }
    return slots_[i].second;
  }
  T* find(Node* key) {
    if (slots_.empty()) return nullptr;
    const size_t i = place(key);
    return slots_[i].first == nullptr ? nullptr : &slots_[i].second;
  }

 private:
  size_t place(Node* key) const {
    const size_t mask = slots_.size() - 1;
    size_t i = (reinterpret_cast<uintptr_t>(key) >> 6) * 0x9E3779B97F4A7C15ull >> 20 & mask;
    while (slots_[i].first != nullptr && slots_[i].first != key) i = (i + 1) & mask;
    return i;
  }
  void grow() {
    std::vector<std::pair<Node*, T>> old(slots_.empty() ? 64 : 2 * slots_.size());
    old.swap(slots_);
    for (auto& entry : old) {
      if (entry.first != nullptr) slots_[place(entry.first)] = std::move(entry);
    }
  }
  std::vector<std::pair<Node*, T>> slots_;
  size_t count_ = 0;
};

struct NodeState {
  uint32_t dependencies = 0;
  bool visited = false;
  bool decided = false;  // whether it is needed
  bool needed = true;
  GradList buffer;
};

struct ByAge {
  bool operator()(const Ref<Node>& a, const Ref<Node>& b) const { return a->sequence < b->sequence; }
};

struct Capture {
  Edge edge;
  size_t index;
};

class Run {
 public:
  Run(bool keep_graph, bool create_graph) : keep_graph_(keep_graph), create_graph_(create_graph) {}

  void add_root(const Edge& e, Tensor g) {
    roots_.push_back(e.node);
    accumulate(state_[e.node.get()], e, std::move(g));
  }
  /// Gradients that arrive along `edges` are returned instead of going on; only nodes that lead there run.
  void capture(const std::vector<Edge>& edges) {
    capturing_ = true;
    for (size_t i = 0; i < edges.size(); ++i) {
      if (edges[i]) captures_.push_back({edges[i], i});
    }
    captured_.resize(edges.size());
  }

  TensorList execute() {
    discover();
    const AutoGradMode mode(create_graph_);
    for (const Ref<Node>& r : roots_) {
      NodeState& s = state_[r.get()];
      if (s.dependencies == 0 && s.visited) {
        s.visited = false;  // a root given twice starts once
        ready_.push(r);
      }
    }
    while (!ready_.empty()) {
      const Ref<Node> node = ready_.top();
      ready_.pop();
      step(node.get());
    }
    return std::move(captured_);
  }

 private:
  // Counts how many gradients each node waits for. With captures, marks what leads to them.
  void discover() {
    std::vector<Node*> stack, order;
    for (const Ref<Node>& r : roots_) {
      NodeState& s = state_[r.get()];
      if (s.visited) continue;
      s.visited = true;
      stack.push_back(r.get());
      while (!stack.empty()) {
        Node* n = stack.back();
        stack.pop_back();
        if (capturing_) order.push_back(n);
        for (const Edge& e : n->edges) {
          if (!e) continue;
          NodeState& next = state_[e.node.get()];
          ++next.dependencies;
          if (next.visited) continue;
          next.visited = true;
          stack.push_back(e.node.get());
        }
      }
    }
    if (capturing_) mark_needed(order);
  }

  // A node is needed if it is captured or leads to one that is. Depth first, so that what a node leads to is
  // decided before it: sequence numbers would not do, because each thread counts its own.
  void mark_needed(const std::vector<Node*>& nodes) {
    for (Node* n : nodes) state_.find(n)->needed = false;
    for (const Capture& c : captures_) {
      if (NodeState* s = state_.find(c.edge.node.get())) s->needed = true;
    }
    std::vector<std::pair<Node*, size_t>> path;  // nodes under way, with the next edge to follow
    auto enter = [&](Node* n) {
      NodeState& s = *state_.find(n);
      if (!std::exchange(s.decided, true)) path.emplace_back(n, 0);
    };
    for (const Ref<Node>& r : roots_) {
      enter(r.get());
      while (!path.empty()) {
        Node* n = path.back().first;
        if (path.back().second < n->edges.size()) {
          if (const Edge& e = n->edges[path.back().second++]) enter(e.node.get());
          continue;
        }
        path.pop_back();
        bool& needed = state_.find(n)->needed;
        for (const Edge& e : n->edges) needed = needed || (e && state_.find(e.node.get())->needed);
      }
    }
  }

  void step(Node* node) {
    NodeState& s = state_[node];
    GradList grads = std::move(s.buffer);
    const bool needed = s.needed;
    grads.resize(node->outputs.size());
    if (CLEW_UNLIKELY(node->hooks != nullptr)) run_prehooks(*node, grads);
    bool goes_on = needed;
    if (capturing_) {
      goes_on = needed && leads_further(node);
      for (const Capture& c : captures_) {
        if (c.edge.node.get() == node) captured_[c.index] = grads[c.edge.input_nr];
      }
    }
    GradList results;
    if (goes_on) {
      const bool any = std::any_of(grads.begin(), grads.end(), [](const Tensor& g) { return g.defined(); });
      if (any) results = evaluate(*node, std::move(grads));
    }
    results.resize(node->edges.size());
    for (size_t i = 0; i < node->edges.size(); ++i) {
      const Edge& e = node->edges[i];
      if (!e) continue;
      NodeState& next = state_[e.node.get()];
      if (results[i].defined() && next.needed) {
        accumulate(next, e, checked(*node, i, std::move(results[i])));
      }
      if (--next.dependencies == 0) ready_.push(e.node);
    }
    if (!keep_graph_ && goes_on) node->release_saved();
  }

  // In a capturing run a node that is captured itself runs only if something behind it is captured too.
  bool leads_further(Node* node) {
    if (node->is_accumulator()) return false;
    for (const Edge& e : node->edges) {
      if (e && state_[e.node.get()].needed) return true;
    }
    return false;
  }

  GradList evaluate(Node& node, GradList&& grads) {
    try {
      GradList before;
      const bool hooked = node.hooks != nullptr && !node.hooks->after.empty();
      if (hooked) before = grads;
      GradList results = node.run(std::move(grads));
      if (hooked) {
        results.resize(node.edges.size());
        for (auto& [key, hook] : node.hooks->after) hook(results, before);
      }
      if (CLEW_UNLIKELY(thread_state.anomaly)) refuse_nan(node, results);
      return results;
    } catch (Error& e) {
      blame(e, node);
      throw;
    }
  }

  // Adds the user's forward line, unless a message has one.
  static void blame(Error& e, const Node& node) {
    if (const std::string line = node.forward_line();
        !line.empty() && std::string(e.what()).find("\n") == std::string::npos)
      e.add_context("in " + node.name() + ", recorded by: " + line);
  }

  static void refuse_nan(const Node& node, const GradList& results) {
    const NoGradGuard guard;
    for (size_t i = 0; i < results.size(); ++i) {
      const Tensor& g = results[i];
      if (!g.defined() || !is_floating(g.dtype()) || g.is_meta()) continue;
      CLEW_CHECK(!any(isnan(g)).item().to_bool(), AutogradError, node.name(),
                 ": expected finite gradients, got NaN in gradient ", i, " of shape ", g.sizes());
    }
  }

  void run_prehooks(Node& node, GradList& grads) {
    for (auto& h : node.hooks->on_output) {
      Tensor& g = grads[h.output_nr];
      if (!g.defined()) continue;
      if (Tensor replacement = h.hook(g); replacement.defined())
        g = fitted(node, h.output_nr, std::move(replacement), "a hook", node);
    }
    for (auto& [key, hook] : node.hooks->before) hook(grads);
  }

  // Makes a gradient look like the tensor it belongs to: sums over broadcast dimensions, casts.
  // `maker` is the node whose forward line an error names.
  static Tensor fitted(const Node& target, uint32_t nr, Tensor g, const std::string& source,
                       const Node& maker) {
    const Node::Output& want = target.outputs[nr];
    try {
      if (CLEW_UNLIKELY(g.sizes() != IntArrayRef(want.shape))) {
        CLEW_CHECK(broadcastable_to(want.shape, g.sizes()), ShapeError, source,
                   ": expected a gradient of shape ", want.shape, ", got ", g.sizes());
        g = sum_to_size(g, want.shape);
      }
      if (CLEW_UNLIKELY(g.dtype() != want.dtype)) g = g.to(want.dtype);
      // A 0-dim tensor on the CPU may have gone along with tensors on a device.
      if (CLEW_UNLIKELY(g.device() != want.device && g.dim() == 0 && want.device.type == DeviceType::CPU &&
                        g.is_cuda()))
        g = g.cpu();
      CLEW_CHECK(g.device() == want.device, DeviceError, source, ": expected a gradient on ", want.device,
                 ", got ", g.device());
      return g;
    } catch (Error& e) {
      blame(e, maker);
      throw;
    }
  }
  static Tensor checked(const Node& node, size_t i, Tensor g) {
    const Edge& e = node.edges[i];
    const Node::Output& want = e.node->outputs[e.input_nr];
    if (CLEW_LIKELY(g.sizes() == IntArrayRef(want.shape) && g.dtype() == want.dtype &&
                    g.device() == want.device))
      return g;
    return fitted(*e.node, e.input_nr, std::move(g), node.name(), node);
  }

  void accumulate(NodeState& s, const Edge& e, Tensor g) {
    if (s.buffer.size() <= e.input_nr) s.buffer.resize(e.input_nr + 1);
    Tensor& sum = s.buffer[e.input_nr];
    if (!sum.defined()) {
      sum = std::move(g);
      return;
    }
    const bool owned = !create_graph_ && sum.body()->refs.load(std::memory_order_acquire) == 1 &&
                       sum.storage()->unique() && sum.body()->view_base == nullptr;
    if (owned) {
      const NoGradGuard guard;
      add_(sum, g);
    } else {
      const AutoGradMode mode(create_graph_);
      sum = add(sum, g);
    }
  }

  bool keep_graph_, create_graph_, capturing_ = false;
  std::vector<Ref<Node>> roots_;
  NodeMap<NodeState> state_;
  std::priority_queue<Ref<Node>, std::vector<Ref<Node>>, ByAge> ready_;
  std::vector<Capture> captures_;
  TensorList captured_;
};

void add_roots(Run& run, const char* op, const TensorList& outputs, TensorList& seeds) {
  CLEW_CHECK(!outputs.empty(), ValueError, op, ": expected at least one tensor, got none");
  CLEW_CHECK(seeds.empty() || seeds.size() == outputs.size(), ValueError, op,
             ": expected one gradient per tensor (", outputs.size(), "), got ", seeds.size());
  seeds.resize(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& t = outputs[i];
    CLEW_CHECK(t.defined(), ValueError, op, ": expected a tensor, got an undefined one at position ", i);
    const Edge e = gradient_edge(t);
    CLEW_CHECK(e, AutogradError, op,
               ": expected a tensor that requires grad or has a grad_fn, got one of shape ", t.sizes(),
               " at position ", i, " (set requires_grad on its inputs, and compute it outside of no_grad())");
    Tensor g = seeds[i];
    if (!g.defined()) {
      CLEW_CHECK(t.numel() == 1, ValueError, op,
                 ": expected a one-element tensor where no gradient is given, got shape ", t.sizes(),
                 " (reduce it, for example with sum(), or pass gradient=)");
      g = ones_like(t);
    } else {
      CLEW_CHECK(g.sizes() == t.sizes(), ShapeError, op, ": expected a gradient of shape ", t.sizes(),
                 ", got ", g.sizes());
      if (g.dtype() != t.dtype()) g = g.to(t.dtype());
    }
    run.add_root(e, g);
  }
}

}  // namespace

void backward(const TensorList& tensors, TensorList grad_tensors, bool retain_graph, bool create_graph,
              const TensorList& inputs) {
  if (!inputs.empty()) {
    TensorList grads = grad(tensors, inputs, std::move(grad_tensors), retain_graph, create_graph, true);
    const AutoGradMode mode(create_graph);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!grads[i].defined()) continue;
      const Tensor old = inputs[i].grad();
      inputs[i].set_grad(old.defined() ? add(old, grads[i]) : grads[i]);
    }
    return;
  }
  Run run(retain_graph || create_graph, create_graph);
  add_roots(run, "backward", tensors, grad_tensors);
  for (Tensor& g : grad_tensors) g = Tensor();
  run.execute();
}

TensorList grad(const TensorList& outputs, const TensorList& inputs, TensorList grad_outputs,
                bool retain_graph, bool create_graph, bool allow_unused) {
  std::vector<Edge> edges;
  for (size_t i = 0; i < inputs.size(); ++i) {
    CLEW_CHECK(inputs[i].defined() && inputs[i].requires_grad(), AutogradError,
               "grad: expected inputs that require grad, input ", i,
               " does not (call requires_grad_() before computing the outputs)");
    edges.push_back(gradient_edge(inputs[i]));
  }
  Run run(retain_graph || create_graph, create_graph);
  add_roots(run, "grad", outputs, grad_outputs);
  for (Tensor& g : grad_outputs) g = Tensor();
  run.capture(edges);
  TensorList result = run.execute();
  for (size_t i = 0; i < inputs.size(); ++i) {
    CLEW_CHECK(result[i].defined() || allow_unused, AutogradError,
               "grad: expected every input to be used by the outputs, input ", i, " of shape ",
               inputs[i].sizes(), " was not (pass allow_unused=True to get None for it)");
  }
  return result;
}

// --- hooks ---------------------------------------------------------------------------------------

namespace {
std::atomic<uint64_t> next_key{1};
}

uint64_t register_hook(const Tensor& t, TensorHook hook) {
  const Edge e = gradient_edge(t);
  CLEW_CHECK(e, AutogradError, "register_hook: expected a tensor that requires grad, got one of shape ",
             t.sizes(), " that does not");
  const uint64_t key = next_key++;
  e.node->make_hooks().on_output.push_back({e.input_nr, key, std::move(hook)});
  return key;
}

uint64_t register_post_accumulate_grad_hook(const Tensor& t, std::function<void(const Tensor&)> hook) {
  const Edge e = gradient_edge(t);
  CLEW_CHECK(e && e.node->is_accumulator(), AutogradError,
             "register_post_accumulate_grad_hook: expected a leaf that requires grad, got a tensor of shape ",
             t.sizes());
  const uint64_t key = next_key++;
  static_cast<AccumulateGrad*>(e.node.get())->post_hooks.emplace_back(key, std::move(hook));
  return key;
}

void remove_hook(const Tensor& t, uint64_t key) {
  const Edge e = gradient_edge(t);
  if (!e) return;
  if (e.node->hooks) std::erase_if(e.node->hooks->on_output, [&](const auto& h) { return h.key == key; });
  if (e.node->is_accumulator())
    std::erase_if(static_cast<AccumulateGrad*>(e.node.get())->post_hooks,
                  [&](const auto& h) { return h.first == key; });
}

void retain_grad(const Tensor& t) {
  CLEW_CHECK(t.requires_grad(), AutogradError,
             "retain_grad: expected a tensor that requires grad, got one of shape ", t.sizes());
  if (t.is_leaf() || t.body()->retains_grad) return;
  t.body()->retains_grad = true;
  // The hook must not keep its tensor alive: the node holds the hook and the tensor the node.
  std::weak_ptr<TensorBody*> weak;
  struct Alive final : AutogradRecord {
    std::shared_ptr<TensorBody*> self;
  };
  auto record = std::make_unique<Alive>();
  record->self = std::make_shared<TensorBody*>(t.body());
  weak = record->self;
  delete std::exchange(t.body()->record, record.release());
  register_hook(t, [weak](const Tensor& g) -> Tensor {
    if (auto body = weak.lock()) {
      const Tensor owner = Tensor::share(*body);
      const Tensor old = owner.grad();
      owner.set_grad(old.defined() ? add(old, g) : g);
    }
    return {};
  });
}

}  // namespace clew::autograd

namespace clew {

Tensor sum_to_size(const Tensor& g, IntArrayRef sizes) {
  if (g.sizes() == sizes) return g;
  CLEW_CHECK(broadcastable_to(sizes, g.sizes()), ShapeError,
             "sum_to_size: expected a shape that broadcasts to ", g.sizes(), ", got ", sizes);
  const size_t lead = g.sizes().size() - sizes.size();
  Shape dims;
  for (size_t i = 0; i < g.sizes().size(); ++i) {
    if (i < lead || (sizes[i - lead] == 1 && g.sizes()[i] != 1)) dims.push_back(static_cast<int64_t>(i));
  }
  Tensor out = dims.empty() ? g : sum(g, dims, true);
  return reshape(out, sizes);
}

}  // namespace clew
