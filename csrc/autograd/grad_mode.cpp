#include "clew/autograd/grad_mode.h"

#include "clew/core/thread_state.h"

namespace clew {

bool is_grad_enabled() { return thread_state.grad_enabled; }
void set_grad_enabled(bool enabled) { thread_state.grad_enabled = enabled; }
bool is_inference_mode() { return thread_state.inference; }
void set_inference_mode(bool enabled) { thread_state.inference = enabled; }
bool is_anomaly_enabled() { return thread_state.anomaly; }
void set_anomaly_enabled(bool enabled) { thread_state.anomaly = enabled; }

}  // namespace clew
