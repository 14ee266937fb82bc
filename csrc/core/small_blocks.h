// The fast path of CPU memory, to be inlined where every op passes: a block from its thread's list.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "clew/core/memory.h"

namespace clew::detail {

// Blocks up to kSmallLimit bytes come in steps of 64 bytes; each step has a list per thread.
inline constexpr size_t kSmallStep = 64, kSmallLimit = 2048, kSmallClasses = kSmallLimit / kSmallStep;

constexpr size_t small_class(size_t nbytes) { return (nbytes + kSmallStep - 1) / kSmallStep; }

struct SmallCache {
  struct List {
    void* first;
    // Written by the owning thread, read by statistics.
    int64_t taken, given;
  };
  List lists[kSmallClasses + 1];
};
CLEW_FAST_TLS extern thread_local constinit SmallCache* small_cache;
void* small_alloc_slow(size_t size_class);
void small_free_slow(void* p, size_t size_class) noexcept;
void* large_alloc(size_t nbytes);
void large_free(void* p, size_t nbytes) noexcept;

inline void count_one(int64_t& n) { std::atomic_ref(n).store(n + 1, std::memory_order_relaxed); }

#ifdef CLEW_NO_MEMORY_CACHE
inline void* take_block(size_t nbytes) { return allocate(nbytes); }
inline void give_block(void* p, size_t nbytes) noexcept { deallocate(p, nbytes); }
#else
/// What allocate() does.
inline void* take_block(size_t nbytes) {
  if (CLEW_UNLIKELY(nbytes > kSmallLimit)) return large_alloc(nbytes);
  SmallCache* cache = small_cache;
  if (CLEW_UNLIKELY(cache == nullptr)) return small_alloc_slow(small_class(nbytes));
  SmallCache::List& list = cache->lists[small_class(nbytes)];
  void* p = list.first;
  if (CLEW_UNLIKELY(p == nullptr)) return small_alloc_slow(small_class(nbytes));
  list.first = *static_cast<void**>(p);
  count_one(list.taken);
  return p;
}

/// What deallocate() does.
inline void give_block(void* p, size_t nbytes) noexcept {
  if (CLEW_UNLIKELY(nbytes > kSmallLimit)) return large_free(p, nbytes);
  SmallCache* cache = small_cache;
  if (CLEW_UNLIKELY(cache == nullptr)) return small_free_slow(p, small_class(nbytes));
  SmallCache::List& list = cache->lists[small_class(nbytes)];
  *static_cast<void**>(p) = list.first;
  list.first = p;
  count_one(list.given);
}
#endif

}  // namespace clew::detail
