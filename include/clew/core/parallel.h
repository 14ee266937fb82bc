// The one parallel-for. Results never depend on the number of threads: callers split over outputs only.
#pragma once

#include <cstdint>
#include <type_traits>

#include "clew/core/macros.h"

namespace clew {

/// Threads that parallel_for uses, this one included. Starts at CLEW_NUM_THREADS, else the number of cores.
CLEW_API int get_num_threads();
CLEW_API void set_num_threads(int n);
/// True inside a parallel_for body; nested calls run serially.
CLEW_API bool in_parallel_region();

namespace detail {
using RangeFn = void (*)(void* context, int64_t begin, int64_t end);
CLEW_API void parallel_run(int64_t begin, int64_t end, int64_t grain, RangeFn fn, void* context);
}  // namespace detail

/// Runs `body(b, e)` on disjoint pieces that cover [begin, end), each at least `grain` long
/// (one piece, on this thread, when the range is not longer than `grain`).
/// The first exception of a body is rethrown here after all pieces ended.
template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain, F&& body) {
  if (begin >= end) return;
  if (end - begin <= grain) {
    body(begin, end);
    return;
  }
  using Body = std::remove_reference_t<F>;
  detail::parallel_run(
      begin, end, grain, [](void* c, int64_t b, int64_t e) { (*static_cast<Body*>(c))(b, e); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

/// Elements below which two threads do not pay, measured for add (memory bound) and exp (compute bound).
inline constexpr int64_t kGrainMemory = 65536, kGrainCompute = 8192;

}  // namespace clew
