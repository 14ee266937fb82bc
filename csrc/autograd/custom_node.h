// The node of functions whose backward is user code, in C++ or Python.
#pragma once

#include <string>
#include <vector>

#include "clew/autograd/node.h"

namespace clew::autograd {

/// What a forward asked of the tape.
struct FunctionRecord {
  TensorList to_save;  // arguments or results; undefined ones are given back as they are
  TensorList dirty, non_differentiable;
  bool materialize = true;
  bool once_differentiable = false;
};

class CLEW_API CustomNode : public Node {
 public:
  /// `function` names it in messages: "Cube".
  explicit CustomNode(std::string function) : function_(std::move(function)) {}

  /// Takes its place on the tape between `inputs` and `outputs`; undefined ones stand for what is no tensor.
  /// Replaces an output by a tensor of its own where the history of the one that came is not free: an
  /// argument handed back, a view, the same tensor twice.
  void record(const TensorList& inputs, TensorList& outputs, const FunctionRecord& r);

  GradList run(GradList&& grads) final;
  void release_saved() override;
  std::string name() const override { return function_ + "Backward"; }
  /// Raises AutogradError when they were freed or changed.
  TensorList saved_tensors();

 protected:
  /// The user's backward: one gradient per input, undefined where there is none.
  virtual TensorList backward(TensorList grads) = 0;
  /// How a message calls input `i`.
  virtual std::string argument(size_t i) const;
  const std::string& function() const { return function_; }

 private:
  void check_dirty(const TensorList& inputs, const TensorList& results, const TensorList& dirty) const;
  void check_gradients(TensorList& grads) const;
  void forbid_second(TensorList& results, const TensorList& grads);

  std::string function_;
  std::vector<SavedTensor> saved_;
  std::vector<bool> input_is_tensor_, output_is_tensor_;
  bool materialize_ = true, once_differentiable_ = false, released_ = false;
};

}  // namespace clew::autograd
