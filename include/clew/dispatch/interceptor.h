// Interceptors see every op's boxed call on their thread before it runs.
#pragma once

#include <span>

#include "clew/core/thread_state.h"
#include "clew/registry/op_def.h"

namespace clew {

class Interceptor;

/// A call on its way: the op, its boxed arguments, and how to go on.
class BoxedCall {
 public:
  BoxedCall(const OpInfo& info, std::span<Value> boxed, bool in_place,
            Value (*run_op)(const void* op_def, std::span<Value> args, bool inplace), const void* definition)
      : op(info), args(boxed), inplace(in_place), run_(run_op), op_def_(definition) {}

  const OpInfo& op;
  std::span<Value> args;  // an interceptor may replace them
  bool inplace;

  /// Hands the call to the next interceptor outwards, or runs it. The holder does not see the ops
  /// that this one calls in turn.
  Value proceed() const;
  /// The same, and the holder sees the ops inside too: those of a composite, casts, copies.
  Value proceed_nested() const;

 private:
  friend Value intercept(const BoxedCall& call);
  Value hand_to(Interceptor* next) const;

  Value (*run_)(const void* op_def, std::span<Value> args, bool inplace);
  const void* op_def_;
  Interceptor* innermost_ = nullptr;  // of those active where the op was called
  Interceptor* holder_ = nullptr;
};

/// Active on one thread between construction and destruction, innermost first. While it holds a call,
/// ops of its own reach only the interceptors further out.
class CLEW_API Interceptor {
 public:
  Interceptor();
  virtual ~Interceptor();
  Interceptor(const Interceptor&) = delete;
  Interceptor& operator=(const Interceptor&) = delete;
  virtual Value call(const BoxedCall& call) = 0;

 private:
  friend class BoxedCall;
  Interceptor* outer_;
  bool paused_ = false;
};

/// Gives the call to the innermost interceptor.
CLEW_API Value intercept(const BoxedCall& call);

}  // namespace clew
