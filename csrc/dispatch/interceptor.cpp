#include "clew/dispatch/interceptor.h"

#include <utility>

namespace clew {

Interceptor::Interceptor() : outer_(std::exchange(thread_state.interceptor, this)) {}

Interceptor::~Interceptor() {
  // Usually the innermost; Python may end contexts out of order, so unlink from wherever it stands.
  for (Interceptor** p = &thread_state.interceptor; *p != nullptr; p = &(*p)->outer_) {
    if (*p == this) {
      *p = outer_;
      return;
    }
  }
}

namespace {

template <class T>
struct Restore {
  Restore(T& where, T value) : slot(where), previous(std::exchange(where, value)) {}
  ~Restore() { slot = previous; }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  T& slot;
  T previous;
};

}  // namespace

Value BoxedCall::hand_to(Interceptor* next) const {
  while (next != nullptr && next->paused_) next = next->outer_;
  BoxedCall onward = *this;
  onward.holder_ = next;
  if (next != nullptr) {
    const Restore scope(thread_state.interceptor, next->outer_);
    return next->call(onward);
  }
  // Everybody has seen the op; what it calls inside starts with the innermost again.
  const Restore scope(thread_state.interceptor, innermost_);
  const Restore pass(thread_state.pass_interceptors, true);
  return run_(op_def_, args, inplace);
}

Value BoxedCall::proceed_nested() const { return hand_to(holder_->outer_); }

Value BoxedCall::proceed() const {
  const Restore pause(holder_->paused_, true);
  return proceed_nested();
}

Value intercept(const BoxedCall& call) {
  BoxedCall onward = call;
  onward.innermost_ = thread_state.interceptor;
  return onward.hand_to(onward.innermost_);
}

}  // namespace clew
