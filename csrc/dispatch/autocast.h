// Mixed precision: ops get their arguments in the dtype that their `autocast` policy asks for.
#pragma once

#include <unordered_map>

#include "clew/dispatch/interceptor.h"

namespace clew {

struct AutocastOptions {
  Device device = kCPU;
  DType dtype = DType::BFloat16;
  /// False shields a scope from an autocast around it.
  bool enabled = true;
  /// Leaves that require grad (weights) are cast once per scope.
  bool cache_enabled = true;
};

/// Active on one thread between construction and destruction. Casts are ops, so gradients flow through them.
class CLEW_API AutocastScope final : public Interceptor {
 public:
  explicit AutocastScope(const AutocastOptions& options);
  ~AutocastScope() override;
  Value call(const BoxedCall& call) override;
  const AutocastOptions& options() const { return options_; }
  /// The innermost scope of a kind of device on this thread, which alone decides; null without one.
  static AutocastScope* current(DeviceType type);

 private:
  struct Cached {
    Tensor source, cast;
    uint32_t version;
  };
  bool eligible(const Tensor& t) const;
  Tensor cast_to(const Tensor& t, DType dtype);
  void cast_arguments(std::span<Value> args, DType dtype);

  AutocastOptions options_;
  AutocastScope* outer_autocast_;
  std::unordered_map<const TensorBody*, Cached> cache_;
};

}  // namespace clew
