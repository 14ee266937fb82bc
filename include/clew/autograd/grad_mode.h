// Whether ops record the tape on this thread.
#pragma once

#include "clew/core/macros.h"

namespace clew {

CLEW_API bool is_grad_enabled();
CLEW_API void set_grad_enabled(bool enabled);
CLEW_API bool is_inference_mode();
CLEW_API void set_inference_mode(bool enabled);
CLEW_API bool is_anomaly_enabled();
CLEW_API void set_anomaly_enabled(bool enabled);

/// Sets grad mode for a scope.
class AutoGradMode {
 public:
  explicit AutoGradMode(bool enabled) : previous_(is_grad_enabled()) { set_grad_enabled(enabled); }
  ~AutoGradMode() { set_grad_enabled(previous_); }
  AutoGradMode(const AutoGradMode&) = delete;
  AutoGradMode& operator=(const AutoGradMode&) = delete;

 private:
  bool previous_;
};

/// No recording in a scope.
class NoGradGuard : public AutoGradMode {
 public:
  NoGradGuard() : AutoGradMode(false) {}
};

/// No recording, and results that can never join a tape.
class InferenceMode {
 public:
  explicit InferenceMode(bool enabled = true)
      : grad_(is_grad_enabled() && !enabled), previous_(is_inference_mode()) {
    set_inference_mode(enabled);
  }
  ~InferenceMode() { set_inference_mode(previous_); }
  InferenceMode(const InferenceMode&) = delete;
  InferenceMode& operator=(const InferenceMode&) = delete;

 private:
  AutoGradMode grad_;
  bool previous_;
};

}  // namespace clew
