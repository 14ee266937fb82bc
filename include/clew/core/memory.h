// CPU memory: small blocks from per-thread lists, large blocks kept and reused.
//
// Fresh pages are the hidden cost of large eager ops, and malloc that of small ones; both are
// avoided by never returning a block before it is asked for.
#pragma once

#include <cstddef>
#include <cstdint>

#include "clew/core/macros.h"

namespace clew {

struct MemoryStats {
  int64_t allocated_bytes;       // held by live storages, tensors and nodes
  int64_t peak_allocated_bytes;  // highest sum of large blocks since start or reset, plus small blocks now
  int64_t cached_bytes;          // large blocks kept for reuse
  int64_t allocations;           // since start
};

CLEW_API MemoryStats cpu_memory_stats();
CLEW_API void reset_peak_cpu_memory();
/// Gives every cached large block back to the system.
CLEW_API void empty_cpu_cache();
/// Refuses allocations that would take the large blocks in use past `limit_bytes`; 0 means no limit.
CLEW_API void set_cpu_memory_limit(int64_t limit_bytes);

namespace detail {

/// A block aligned to 64 bytes. Raises OutOfMemoryError.
CLEW_API void* allocate(size_t nbytes);
/// Takes the size that was asked for.
CLEW_API void deallocate(void* p, size_t nbytes) noexcept;

}  // namespace detail
}  // namespace clew
