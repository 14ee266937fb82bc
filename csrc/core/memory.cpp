#include "clew/core/memory.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "clew/core/error.h"
#include "core/small_blocks.h"

namespace clew {
namespace detail {

CLEW_FAST_TLS thread_local constinit SmallCache* small_cache = nullptr;

namespace {

constexpr size_t kSlabBytes = size_t{1} << 17;
// Freed large blocks up to this many bytes in all are kept.
constexpr size_t kMaxCachedBytes = size_t{1} << 31;

// State that outlives every thread and every static destructor.
struct Global {
  std::mutex small_mutex;
  std::vector<SmallCache*> caches;       // of live threads
  std::vector<SmallCache*> idle_caches;  // of ended threads, ready for new ones

  std::mutex large_mutex;
  std::multimap<size_t, void*> free_large;
  size_t cached_bytes = 0;
  size_t large_bytes = 0, peak_large_bytes = 0, limit_bytes = 0;
  int64_t large_allocations = 0;
};
Global& global() {
  // Never destroyed: tensors may die after main.
  static Global* g = [] {
    static Global* made = new Global;
    // A child that is forked while another thread holds a lock would wait for that thread for ever.
    pthread_atfork(
        [] {
          made->small_mutex.lock();
          made->large_mutex.lock();
        },
        [] {
          made->large_mutex.unlock();
          made->small_mutex.unlock();
        },
        [] {
          made->large_mutex.unlock();
          made->small_mutex.unlock();
        });
    return made;
  }();
  return *g;
}

// Hands the thread's cache over when the thread ends.
struct CacheOwner {
  bool alive = true;
  ~CacheOwner() {
    alive = false;
    SmallCache* cache = std::exchange(small_cache, nullptr);
    if (cache == nullptr) return;
    Global& g = global();
    std::lock_guard lock(g.small_mutex);
    std::erase(g.caches, cache);
    g.idle_caches.push_back(cache);
  }
};

SmallCache* acquire_cache() {
  thread_local CacheOwner owner;
  if (!owner.alive) return nullptr;  // late in thread exit
  Global& g = global();
  std::lock_guard lock(g.small_mutex);
  SmallCache* cache;
  if (!g.idle_caches.empty()) {
    cache = g.idle_caches.back();
    g.idle_caches.pop_back();
  } else {
    cache = new SmallCache();
  }
  g.caches.push_back(cache);
  small_cache = cache;
  return cache;
}

// Blocks from here on ask for huge pages, which need their alignment.
constexpr size_t kHugeFrom = size_t{1} << 22, kHugePage = size_t{1} << 21;

void* system_alloc(size_t nbytes) {
  const size_t alignment = nbytes >= kHugeFrom ? kHugePage : 64;
  return std::aligned_alloc(alignment, (nbytes + alignment - 1) / alignment * alignment);
}

// Four classes between powers of two: at most a quarter is wasted.
size_t large_class(size_t nbytes) {
  const size_t step = std::max<size_t>(std::bit_floor(nbytes) / 4, 4096);
  return (nbytes + step - 1) / step * step;
}

}  // namespace

#ifdef CLEW_NO_MEMORY_CACHE
// Sanitizers must see every allocation: nothing is kept, and only totals are counted.
namespace {
std::atomic<int64_t> plain_bytes{0}, plain_count{0};
}
void* allocate(size_t nbytes) {
  void* p = system_alloc(std::max<size_t>(nbytes, 1));
  CLEW_CHECK(p != nullptr, OutOfMemoryError, "allocate: expected ", nbytes,
             " bytes of CPU memory, the system refused");
  plain_bytes += static_cast<int64_t>(nbytes);
  ++plain_count;
  return p;
}
void deallocate(void* p, size_t nbytes) noexcept {
  plain_bytes -= static_cast<int64_t>(nbytes);
  std::free(p);
}
#else
void* small_alloc_slow(size_t size_class) {
  SmallCache* cache = small_cache != nullptr ? small_cache : acquire_cache();
  const size_t size = size_class * kSmallStep;
  if (cache == nullptr) {
    void* p = system_alloc(size);
    CLEW_CHECK(p != nullptr, OutOfMemoryError, "allocate: expected ", size,
               " bytes of CPU memory, the system refused");
    return p;
  }
  SmallCache::List& list = cache->lists[size_class];
  if (list.first == nullptr) {
    // A slab becomes a list of blocks; slabs are never given back, their blocks only change lists.
    char* slab = static_cast<char*>(system_alloc(kSlabBytes));
    CLEW_CHECK(slab != nullptr, OutOfMemoryError, "allocate: expected ", kSlabBytes,
               " bytes of CPU memory, the system refused");
    const size_t count = kSlabBytes / size;
    void* next = nullptr;
    for (size_t i = count; i-- > 0;) {
      void* block = slab + i * size;
      *static_cast<void**>(block) = next;
      next = block;
    }
    list.first = next;
  }
  void* p = list.first;
  list.first = *static_cast<void**>(p);
  count_one(list.taken);
  return p;
}

void small_free_slow(void* p, size_t size_class) noexcept {
  SmallCache* cache = small_cache != nullptr ? small_cache : acquire_cache();
  if (cache == nullptr) return;  // the thread is ending; a block of a slab cannot go back alone
  SmallCache::List& list = cache->lists[size_class];
  *static_cast<void**>(p) = list.first;
  list.first = p;
  count_one(list.given);
}

void* large_alloc(size_t nbytes) {
  const size_t size = large_class(nbytes);
  Global& g = global();
  std::unique_lock lock(g.large_mutex);
  CLEW_CHECK(nbytes <= (size_t{1} << 62) && (g.limit_bytes == 0 || g.large_bytes + size <= g.limit_bytes),
             OutOfMemoryError, "allocate: expected ", nbytes, " bytes of CPU memory, got a refusal (in use ",
             g.large_bytes, ", cached ", g.cached_bytes, ", limit ", g.limit_bytes,
             "); free tensors or raise the limit");
  void* p = nullptr;
  if (auto it = g.free_large.find(size); it != g.free_large.end()) {
    p = it->second;
    g.free_large.erase(it);
    g.cached_bytes -= size;
  } else {
    lock.unlock();
    p = system_alloc(size);
    if (p == nullptr) {
      empty_cpu_cache();
      p = system_alloc(size);
    }
    lock.lock();
    CLEW_CHECK(p != nullptr, OutOfMemoryError, "allocate: expected ", nbytes,
               " bytes of CPU memory, the system refused (in use ", g.large_bytes, ", cached ",
               g.cached_bytes, "); free tensors or use smaller ones");
    if (size >= kHugeFrom) madvise(p, size, MADV_HUGEPAGE);
  }
  g.large_bytes += size;
  g.peak_large_bytes = std::max(g.peak_large_bytes, g.large_bytes);
  ++g.large_allocations;
  return p;
}

void large_free(void* p, size_t nbytes) noexcept {
  const size_t size = large_class(nbytes);
  Global& g = global();
  std::unique_lock lock(g.large_mutex);
  g.large_bytes -= size;
  if (g.cached_bytes + size > kMaxCachedBytes) {
    lock.unlock();
    std::free(p);
    return;
  }
  try {
    g.free_large.emplace(size, p);
    g.cached_bytes += size;
  } catch (...) {
    std::free(p);
  }
}

void* allocate(size_t nbytes) { return take_block(nbytes); }
void deallocate(void* p, size_t nbytes) noexcept { give_block(p, nbytes); }
#endif

}  // namespace detail

namespace {
// Bytes of small blocks in use, over all threads: a block may be freed on another thread than it came from,
// so only the sum means something.
std::pair<int64_t, int64_t> small_totals() {
#ifdef CLEW_NO_MEMORY_CACHE
  return {detail::plain_bytes.load(), detail::plain_count.load()};
#else
  auto& g = detail::global();
  std::lock_guard lock(g.small_mutex);
  int64_t bytes = 0, count = 0;
  for (const auto* list : {&g.caches, &g.idle_caches}) {
    for (detail::SmallCache* c : *list) {
      for (size_t size_class = 0; size_class <= detail::kSmallClasses; ++size_class) {
        detail::SmallCache::List& l = c->lists[size_class];
        const int64_t taken = std::atomic_ref(l.taken).load(std::memory_order_relaxed);
        const int64_t given = std::atomic_ref(l.given).load(std::memory_order_relaxed);
        bytes += (taken - given) * static_cast<int64_t>(size_class * detail::kSmallStep);
        count += taken;
      }
    }
  }
  return {bytes, count};
#endif
}
}  // namespace

MemoryStats cpu_memory_stats() {
  const auto [small_bytes, small_count] = small_totals();
  auto& g = detail::global();
  std::lock_guard lock(g.large_mutex);
  return {.allocated_bytes = small_bytes + static_cast<int64_t>(g.large_bytes),
          .peak_allocated_bytes = small_bytes + static_cast<int64_t>(g.peak_large_bytes),
          .cached_bytes = static_cast<int64_t>(g.cached_bytes),
          .allocations = small_count + g.large_allocations};
}

void reset_peak_cpu_memory() {
  auto& g = detail::global();
  std::lock_guard lock(g.large_mutex);
  g.peak_large_bytes = g.large_bytes;
}

void empty_cpu_cache() {
  auto& g = detail::global();
  std::lock_guard lock(g.large_mutex);
  for (auto& [size, p] : g.free_large) std::free(p);
  g.free_large.clear();
  g.cached_bytes = 0;
}

void set_cpu_memory_limit(int64_t limit_bytes) {
  CLEW_CHECK(limit_bytes >= 0, ValueError, "set_cpu_memory_limit: expected limit_bytes >= 0, got ",
             limit_bytes);
  auto& g = detail::global();
  std::lock_guard lock(g.large_mutex);
  g.limit_bytes = static_cast<size_t>(limit_bytes);
}

}  // namespace clew
