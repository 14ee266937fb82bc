// What a thread knows about the op it is about to run. Read once per op, so it is one struct.
#pragma once

#include <cstdint>

#include "clew/core/macros.h"

namespace clew {

class GraphNode;
class Interceptor;

namespace autograd {
class SavedTensorHooks;
}

struct ThreadState {
  Interceptor* interceptor = nullptr;  // innermost active one
  bool pass_interceptors = false;      // the next op runs at once: they have seen it
  uint64_t next_sequence = 0;          // of the next tape node
  bool grad_enabled = true;
  bool inference = false;
  bool anomaly = false;
  int8_t cuda_device = 0;                             // the current one: what "cuda" without an index means
  autograd::SavedTensorHooks* saved_hooks = nullptr;  // innermost active ones, not owned
  GraphNode* retired = nullptr;                       // tape nodes to be destroyed next
  bool retiring = false;                              // one is being destroyed
};
CLEW_FAST_TLS CLEW_API extern thread_local constinit ThreadState thread_state;

}  // namespace clew
