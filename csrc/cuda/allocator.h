// Device memory that is kept and reused, per stream.
//
// Note [Pools]: a block may be reused at once by its own stream, whose work runs in order. So each stream has
// pools of its own, one for small and one for large blocks. A pool is a chain of neighbouring blocks over a
// range of reserved addresses; memory is mapped behind the range page by page as the pool grows, and unmapped
// when it is wanted elsewhere, so that memory never lies idle in pieces of the wrong size. Where a device has
// no virtual memory, a pool is made of separate segments instead.
//
// A block that another stream used as well waits, when it is freed, for an event of that stream.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cuda/driver.h"

namespace clew::cuda {

class CachingAllocator {
 public:
  static constexpr size_t kRound = 512;                      // blocks are multiples of this
  static constexpr size_t kSmallLimit = size_t{1} << 20;     // the largest small block
  static constexpr size_t kSmallSegment = size_t{2} << 20;   // bytes that small blocks are cut from
  static constexpr size_t kLargeSegment = size_t{20} << 20;  // the same, for large ones

  /// `caching` false hands every block to the driver: tools that watch memory see each one.
  CachingAllocator(Driver& driver, int device, bool caching = true);
  ~CachingAllocator();
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  /// Memory for work of `stream`; null for 0 bytes. Raises OutOfMemoryError.
  void* allocate(size_t nbytes, Stream stream);
  void deallocate(void* p) noexcept;
  /// `p` is used by `stream` too: it is not reused before the work that `stream` has when `p` is freed is
  /// done.
  void record_stream(void* p, Stream stream);
  /// Gives unused memory back to the device.
  void empty_cache();
  /// Refuses to hold more than this; 0 means no limit.
  void set_limit(size_t nbytes);

  DeviceMemoryStats stats() const;
  void reset_peaks();

 private:
  struct Pool;
  struct Block;
  struct Pending {
    Block* block;
    std::vector<Event> events;
  };
  struct BySize {
    bool operator()(const Block* a, const Block* b) const;
  };
  struct ByAddress {
    bool operator()(const Block* a, const Block* b) const;
  };

  Pool& pool_for(Stream stream, bool small);
  Block* take(Pool& pool, size_t size);
  Block* grow(Pool& pool, size_t size);
  Block* grow_mapped(Pool& pool, size_t size);
  bool map_pages(Pool& pool, char* at, size_t nbytes);
  Block* split(Block* block, size_t size);
  Block* release(Block* block);
  void trim(Pool& pool);
  void collect(bool wait);
  void trim_all();
  [[noreturn]] void refuse(size_t nbytes);
  bool fits(size_t more) const;

  Driver& driver_;
  const int device_;
  const bool caching_;
  size_t page_bytes_;
  size_t reservation_ = 0;
  size_t limit_ = 0;
  mutable std::mutex mutex_;
  std::map<std::pair<Stream, bool>, std::unique_ptr<Pool>> pools_;
  std::unordered_map<void*, Block*> used_;
  std::vector<Pending> pending_;
  DeviceMemoryStats stats_;
};

/// Pinned host memory, kept and reused in powers of two. A block that a copy on a stream uses is reused when
/// the copy is done.
class PinnedCache {
 public:
  explicit PinnedCache(Driver& driver) : driver_(driver) {}
  ~PinnedCache();
  PinnedCache(const PinnedCache&) = delete;
  PinnedCache& operator=(const PinnedCache&) = delete;

  /// Null for 0 bytes. Raises OutOfMemoryError.
  void* allocate(size_t nbytes);
  void deallocate(void* p) noexcept;
  /// True when the bytes lie in a block of this cache.
  bool owns(const void* p, size_t nbytes) const;
  /// A copy on `stream` uses the block that `p` lies in. False when it is no block of this cache.
  bool record(const void* p, Stream stream);
  void empty_cache();
  size_t held_bytes() const;

 private:
  struct Block {
    size_t nbytes = 0;
    bool freed = false;
    std::vector<Event> events;
  };
  void collect(bool wait);

  Driver& driver_;
  mutable std::mutex mutex_;
  std::map<char*, Block> blocks_;      // every one, by address
  std::multimap<size_t, char*> free_;  // ready for reuse, by size
  std::vector<char*> waiting_;         // freed, a copy under way
};

}  // namespace clew::cuda
