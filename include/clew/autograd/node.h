// The nodes of the tape.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "clew/autograd/autograd.h"
#include "clew/core/tensor.h"
#include "clew/core/thread_state.h"
#include "clew/registry/op_def.h"

namespace clew::autograd {

class Node;

/// Where a gradient goes: input `input_nr` of `node` (that is, the forward output of that number).
struct Edge {
  Ref<Node> node;
  uint32_t input_nr = 0;
  explicit operator bool() const { return static_cast<bool>(node); }
};

/// The line of user code that recorded a node. Set through `capture_provenance`, resolved only to print.
struct Provenance {
  const void* code = nullptr;
  int32_t instruction = 0;
};
/// Installed by the Python bindings: the current line, at the cost of a few nanoseconds.
extern CLEW_API Provenance (*capture_provenance)() noexcept;
extern CLEW_API std::string (*describe_provenance)(const Provenance&);

struct Hooks {
  struct OutputHook {
    uint32_t output_nr;
    uint64_t key;
    TensorHook hook;
  };
  using NodeHook = std::function<void(GradList& grad_inputs, const GradList& grad_outputs)>;
  using NodePrehook = std::function<void(GradList& grad_outputs)>;
  std::vector<OutputHook> on_output;
  std::vector<std::pair<uint64_t, NodePrehook>> before;
  std::vector<std::pair<uint64_t, NodeHook>> after;
};

class CLEW_API Node : public GraphNode {
 public:
  /// Shape, dtype and device of a forward output: what its gradient must look like.
  struct Output {
    Output() = default;
    explicit Output(const Tensor& t)
        : shape(t.sizes().begin(), t.sizes().end()), dtype(t.dtype()), device(t.device()) {}
    Shape shape;
    DType dtype;
    Device device;
  };

  /// Gradients of the forward inputs from those of the forward outputs; either may be undefined.
  virtual GradList run(GradList&& grads) = 0;
  /// Frees what only a backward needs.
  virtual void release_saved() {}
  virtual std::string name() const = 0;

  uint64_t sequence = 0;
  SmallVector<Edge, 2> edges;
  SmallVector<Output, 1> outputs;
  Provenance provenance;
  std::unique_ptr<Hooks> hooks;

  Hooks& make_hooks() {
    if (!hooks) hooks = std::make_unique<Hooks>();
    return *hooks;
  }
  /// Gives the node its place in the order of recording, and remembers the user's line.
  void stamp() {
    sequence = thread_state.next_sequence++;
    if (capture_provenance != nullptr) provenance = capture_provenance();
  }
  /// The user's forward line, or an empty string.
  std::string forward_line() const;
  void add_output(const Tensor& t) { outputs.emplace_back(t); }

 protected:
  explicit Node(bool is_accumulator = false) : GraphNode(is_accumulator) {}
  ~Node() override;
};

/// Ends the tape at a leaf: adds the gradient into `.grad`.
class CLEW_API AccumulateGrad final : public Node {
 public:
  explicit AccumulateGrad(TensorBody* leaf);
  GradList run(GradList&& grads) override;
  std::string name() const override { return "AccumulateGrad"; }
  void tensor_destroyed() noexcept override;
  /// The leaf, unless it is gone.
  Tensor variable();

  std::vector<std::pair<uint64_t, std::function<void(const Tensor&)>>> post_hooks;

 private:
  void destroy() noexcept override { delete this; }

  std::mutex mutex_;
  TensorBody* leaf_;  // not counted: the leaf owns this node
};

/// User code that decides how saved tensors are kept while the thread's `thread_state.saved_hooks` is set.
class CLEW_API SavedTensorHooks {
 public:
  /// What became of a tensor; gives an equal one back, any number of times.
  using Unpack = std::function<Tensor()>;
  virtual ~SavedTensorHooks() = default;
  /// `t` has no history.
  virtual Unpack pack(const Tensor& t) = 0;
};

/// A tensor kept for backward, with the storage version at which it was right.
class CLEW_API SavedTensor {
 public:
  SavedTensor() = default;
  SavedTensor(const Tensor& t, bool is_output);
  /// Output `nr` of the node that will own it.
  static SavedTensor of_output(const Tensor& t, uint32_t nr) {
    SavedTensor s(t, true);
    s.output_nr_ = nr;
    return s;
  }
  /// Raises AutogradError when the data changed since. `owner` and `owner_ref` restore the history of an
  /// output.
  Tensor unpack(Node* owner) const;
  bool defined() const { return tensor_.defined() || packed_; }
  void reset() {
    tensor_ = Tensor();
    packed_.reset();
  }

 private:
  struct Packed {
    SavedTensorHooks::Unpack unpack;
    Edge history;  // of an argument
  };
  void pack(SavedTensorHooks& hooks);

  Tensor tensor_;
  std::shared_ptr<Packed> packed_;  // instead of the tensor, where hooks took it
  uint32_t version_ = 0;
  uint32_t output_nr_ = 0;
  bool is_output_ = false;
};

/// The one node type of registered ops: definition, plain arguments, and the tensors the formula reads.
class CLEW_API OpNode final : public Node {
 public:
  struct Saved {
    Saved(const Tensor& t, int16_t number, bool as_output)
        : tensor(t, as_output), slot(number), is_output(as_output) {}
    SavedTensor tensor;
    int16_t slot;
    bool is_output;
  };
  explicit OpNode(const OpInfo* definition) : op(definition) {}
  GradList run(GradList&& grads) override;
  void release_saved() override;
  std::string name() const override;

  const OpInfo* op;
  SmallVector<Value, 4> args;  // tensors are left out
  SmallVector<Saved, 2> saved;
  bool released = false;

  static void* operator new(size_t n) { return detail::allocate(n); }
  static void operator delete(void* p, size_t n) noexcept { detail::deallocate(p, n); }

 private:
  ~OpNode() override = default;
  void destroy() noexcept override;
};

/// A node made of a closure, for the few irregular histories.
class FunctionNode final : public Node {
 public:
  using Fn = std::function<GradList(GradList&&)>;
  FunctionNode(std::string name, Fn fn) : name_(std::move(name)), fn_(std::move(fn)) {}
  GradList run(GradList&& grads) override { return fn_(std::move(grads)); }
  std::string name() const override { return name_; }

 private:
  void destroy() noexcept override { delete this; }
  std::string name_;
  Fn fn_;
};

/// The edge that a gradient of `t` follows; empty when `t` needs none. Makes a leaf's accumulator.
CLEW_API Edge gradient_edge(const Tensor& t);
/// The node that made `t`; null for leaves.
CLEW_API Node* grad_fn(const Tensor& t);
/// Makes `t` output `nr` of `node`.
CLEW_API void set_history(const Tensor& t, Ref<Node> node, uint32_t nr);
/// After an in-place write recorded as `node`: `t` gets its output `nr` as history, and so does the base that
/// `t` is a view of.
CLEW_API void rebase_history(const Tensor& t, Ref<Node> node, uint32_t nr = 0);
/// Refuses an in-place write that autograd cannot follow. `op` names it in the message.
CLEW_API void check_inplace(const char* op, const Tensor& self);

}  // namespace clew::autograd

namespace clew {

/// Sums `g` down to `sizes`, undoing a broadcast; made of ops, so it is differentiable.
CLEW_API Tensor sum_to_size(const Tensor& g, IntArrayRef sizes);

/// What a gradient formula may read.
class CLEW_API Backward {
 public:
  explicit Backward(autograd::OpNode* node) : node_(node) {}
  /// A saved tensor argument or output. Raises AutogradError when it was changed or freed.
  Tensor input(int slot) const { return find(slot, false); }
  Tensor output(int slot = 0) const { return find(slot, true); }
  bool has_input(int slot) const;
  /// Argument at `position` in the op's signature (tensors excepted); list types borrow from the node.
  template <class T>
  T arg(int position) const {
    return node_->args[static_cast<size_t>(position)].to<T>();
  }
  /// True when tensor argument `slot` needs its gradient.
  bool needs(int slot) const {
    return static_cast<size_t>(slot) < node_->edges.size() &&
           static_cast<bool>(node_->edges[static_cast<size_t>(slot)]);
  }
  size_t num_inputs() const { return node_->edges.size(); }
  /// Shape and dtype of tensor argument `slot`, which must need its gradient.
  const autograd::Node::Output& input_meta(int slot) const {
    const autograd::Edge& e = node_->edges[static_cast<size_t>(slot)];
    CLEW_ASSERT(e.node);
    return e.node->outputs[e.input_nr];
  }
  IntArrayRef input_sizes(int slot) const { return input_meta(slot).shape; }
  const autograd::Node::Output& output_meta(int nr = 0) const {
    return node_->outputs[static_cast<size_t>(nr)];
  }

 private:
  Tensor find(int slot, bool is_output) const;
  autograd::OpNode* node_;
};

}  // namespace clew
