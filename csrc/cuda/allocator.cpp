#include "cuda/allocator.h"

#include <algorithm>
#include <bit>

#include "clew/core/error.h"

namespace clew::cuda {
namespace {

size_t rounded_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

void move(DeviceMemoryStats::Figure& f, int64_t by) {
  f.current += by;
  f.peak = std::max(f.peak, f.current);
}

}  // namespace

struct CachingAllocator::Block {
  enum class State : uint8_t { Unmapped, Free, Used, Pending };
  Pool* pool;
  char* at;
  size_t nbytes;
  State state;
  size_t requested = 0;
  Block* prev = nullptr;  // neighbours in the same range of addresses
  Block* next = nullptr;
  std::vector<Stream> users{};  // other streams that used it
};

bool CachingAllocator::BySize::operator()(const Block* a, const Block* b) const {
  return a->nbytes != b->nbytes ? a->nbytes < b->nbytes : a->at < b->at;
}
bool CachingAllocator::ByAddress::operator()(const Block* a, const Block* b) const { return a->at < b->at; }

struct CachingAllocator::Pool {
  Stream stream;
  bool small;
  size_t step;  // bytes mapped at a time
  char* base = nullptr;
  size_t reserved = 0;            // addresses, in bytes
  std::vector<uint64_t> handles;  // of the mapped steps
  std::set<Block*, BySize> free;
  std::set<Block*, ByAddress> unmapped;
};

CachingAllocator::CachingAllocator(Driver& driver, int device, bool caching)
    : driver_(driver), device_(device), caching_(caching), page_bytes_(driver.page_bytes(device)) {
  int64_t available = 0, total = 0;
  driver_.memory_info(device_, &available, &total);
  // Addresses are plenty: with an eighth more than the memory, blocks that stay behind at the end of a pool
  // do not keep it from growing.
  reservation_ = rounded_up(static_cast<size_t>(total) + static_cast<size_t>(total) / 8, kLargeSegment);
}

CachingAllocator::~CachingAllocator() {
  collect(true);
  for (auto& [key, pool] : pools_) {
    trim(*pool);
    std::vector<Block*> blocks(pool->free.begin(), pool->free.end());
    blocks.insert(blocks.end(), pool->unmapped.begin(), pool->unmapped.end());
    for (Block* b : blocks) delete b;
    if (pool->base != nullptr) driver_.unreserve(pool->base, pool->reserved);
  }
  for (auto& [p, block] : used_) delete block;
}

CachingAllocator::Pool& CachingAllocator::pool_for(Stream stream, bool small) {
  std::unique_ptr<Pool>& pool = pools_[{stream, small}];
  if (!pool) {
    pool = std::make_unique<Pool>();
    pool->stream = stream;
    pool->small = small;
    pool->step = rounded_up(small ? kSmallSegment : kLargeSegment, std::max<size_t>(page_bytes_, 1));
  }
  return *pool;
}

void* CachingAllocator::allocate(size_t nbytes, Stream stream) {
  if (nbytes == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  if (nbytes > SIZE_MAX / 4) refuse(nbytes);
  const size_t size = caching_ ? rounded_up(nbytes, kRound) : nbytes;
  Pool& pool = pool_for(stream, size <= kSmallLimit);
  collect(false);
  Block* block = take(pool, size);
  if (block == nullptr) block = grow(pool, size);
  if (block == nullptr) {
    // From the least to the most costly: blocks that wait, this pool's own memory, everybody's.
    ++stats_.retries;
    collect(true);
    driver_.synchronize(device_);
    block = take(pool, size);
    if (block == nullptr) {
      trim(pool);
      block = grow(pool, size);
    }
    if (block == nullptr) {
      trim_all();
      block = grow(pool, size);
    }
    if (block == nullptr) refuse(nbytes);
  }
  block = split(block, size);
  block->state = Block::State::Used;
  block->requested = nbytes;
  used_.emplace(block->at, block);
  const auto bytes = static_cast<int64_t>(block->nbytes);
  move(stats_.allocated, bytes);
  move(stats_.active, bytes);
  move(stats_.requested, static_cast<int64_t>(nbytes));
  ++stats_.allocations;
  return block->at;
}

/// The smallest free block that is large enough, out of the set of free ones.
CachingAllocator::Block* CachingAllocator::take(Pool& pool, size_t size) {
  Block key{&pool, nullptr, size, Block::State::Free};
  const auto it = pool.free.lower_bound(&key);
  if (it == pool.free.end()) return nullptr;
  Block* block = *it;
  // Without virtual memory a large block that is cut leaves a piece that only fits smaller ones: a segment
  // much larger than what is wanted stays whole for what it was made for.
  if (page_bytes_ == 0 && !pool.small && size < kLargeSegment && block->nbytes >= size + kLargeSegment)
    return nullptr;
  pool.free.erase(it);
  return block;
}

bool CachingAllocator::fits(size_t more) const {
  return limit_ == 0 || static_cast<size_t>(stats_.reserved.current) + more <= limit_;
}

/// A free block of at least `size` bytes made of new memory, out of the set; null when there is none.
CachingAllocator::Block* CachingAllocator::grow(Pool& pool, size_t size) {
  if (caching_ && page_bytes_ != 0) return grow_mapped(pool, size);
  const size_t nbytes = !caching_ ? size : size <= pool.step ? pool.step : rounded_up(size, kSmallSegment);
  if (!fits(nbytes)) return nullptr;
  void* p = driver_.allocate(nbytes, device_);
  if (p == nullptr) return nullptr;
  move(stats_.reserved, static_cast<int64_t>(nbytes));
  return new Block{&pool, static_cast<char*>(p), nbytes, Block::State::Free};
}

CachingAllocator::Block* CachingAllocator::grow_mapped(Pool& pool, size_t size) {
  if (pool.base == nullptr) {
    const size_t reserved = rounded_up(reservation_, pool.step);
    pool.base = static_cast<char*>(driver_.reserve(reserved, device_));
    if (pool.base == nullptr) return nullptr;
    pool.reserved = reserved;
    pool.handles.assign(reserved / pool.step, 0);
    pool.unmapped.insert(new Block{&pool, pool.base, reserved, Block::State::Unmapped});
  }
  for (Block* hole : pool.unmapped) {
    Block* before = hole->prev != nullptr && hole->prev->state == Block::State::Free ? hole->prev : nullptr;
    Block* after = hole->next != nullptr && hole->next->state == Block::State::Free ? hole->next : nullptr;
    const size_t have = before != nullptr ? before->nbytes : 0;
    const size_t wanted = std::min(rounded_up(size - std::min(size, have), pool.step), hole->nbytes);
    const size_t behind = wanted == hole->nbytes && after != nullptr ? after->nbytes : 0;
    if (have + wanted + behind < size) continue;
    if (!fits(wanted) || !map_pages(pool, hole->at, wanted)) return nullptr;
    pool.unmapped.erase(hole);
    Block* rest = nullptr;
    if (wanted < hole->nbytes) {
      rest = new Block{&pool, hole->at + wanted, hole->nbytes - wanted, Block::State::Unmapped};
      rest->prev = hole;
      rest->next = std::exchange(hole->next, rest);
      if (rest->next != nullptr) rest->next->prev = rest;
      hole->nbytes = wanted;
      pool.unmapped.insert(rest);
    }
    Block* made = release(hole);
    pool.free.erase(made);
    return made;
  }
  return nullptr;
}

bool CachingAllocator::map_pages(Pool& pool, char* at, size_t nbytes) {
  for (size_t done = 0; done < nbytes; done += pool.step) {
    const auto index = static_cast<size_t>(at + done - pool.base) / pool.step;
    if (driver_.map(at + done, pool.step, device_, &pool.handles[index])) continue;
    while (done != 0) {
      done -= pool.step;
      driver_.unmap(at + done, pool.step,
                    pool.handles[static_cast<size_t>(at + done - pool.base) / pool.step]);
    }
    return false;
  }
  move(stats_.reserved, static_cast<int64_t>(nbytes));
  return true;
}

/// Cuts what is not needed off `block`, which is in no set, and frees it.
CachingAllocator::Block* CachingAllocator::split(Block* block, size_t size) {
  Pool& pool = *block->pool;
  const size_t rest = block->nbytes - size;
  const bool worth = page_bytes_ != 0 || pool.small ? rest >= kRound : rest > kSmallLimit;
  if (!caching_ || !worth) return block;
  auto* tail = new Block{&pool, block->at + size, rest, Block::State::Free};
  tail->prev = block;
  tail->next = std::exchange(block->next, tail);
  if (tail->next != nullptr) tail->next->prev = tail;
  block->nbytes = size;
  pool.free.insert(tail);
  return block;
}

/// Frees `block`, which is in no set, and joins it with its free neighbours.
CachingAllocator::Block* CachingAllocator::release(Block* block) {
  Pool& pool = *block->pool;
  block->state = Block::State::Free;
  block->users.clear();
  if (Block* next = block->next; next != nullptr && next->state == Block::State::Free) {
    pool.free.erase(next);
    block->nbytes += next->nbytes;
    block->next = next->next;
    if (block->next != nullptr) block->next->prev = block;
    delete next;
  }
  if (Block* prev = block->prev; prev != nullptr && prev->state == Block::State::Free) {
    pool.free.erase(prev);
    prev->nbytes += block->nbytes;
    prev->next = block->next;
    if (prev->next != nullptr) prev->next->prev = prev;
    delete block;
    block = prev;
  }
  pool.free.insert(block);
  return block;
}

void CachingAllocator::deallocate(void* p) noexcept {
  if (p == nullptr) return;
  const std::lock_guard lock(mutex_);
  const auto it = used_.find(p);
  if (it == used_.end()) return;
  Block* block = it->second;
  used_.erase(it);
  stats_.allocated.current -= static_cast<int64_t>(block->nbytes);
  stats_.requested.current -= static_cast<int64_t>(block->requested);
  if (!block->users.empty()) {
    Pending pending{block, {}};
    block->state = Block::State::Pending;
    try {
      for (Stream s : block->users) {
        pending.events.push_back(driver_.create_event(false));
        driver_.record_event(pending.events.back(), s);
      }
      pending_.push_back(std::move(pending));
    } catch (...) {
      // Without its events nobody knows when the block is free again: it is given up.
    }
    return;
  }
  stats_.active.current -= static_cast<int64_t>(block->nbytes);
  release(block);
  if (!caching_) trim(*block->pool);
}

void CachingAllocator::record_stream(void* p, Stream stream) {
  const std::lock_guard lock(mutex_);
  const auto it = used_.find(p);
  if (it == used_.end() || it->second->pool->stream == stream) return;
  std::vector<Stream>& users = it->second->users;
  if (std::find(users.begin(), users.end(), stream) == users.end()) users.push_back(stream);
}

/// Frees the waiting blocks whose streams are done with them; with `wait`, all.
void CachingAllocator::collect(bool wait) {
  std::erase_if(pending_, [&](Pending& p) {
    while (!p.events.empty()) {
      const Event e = p.events.back();
      if (wait) {
        driver_.synchronize_event(e);
      } else if (!driver_.event_done(e)) {
        return false;
      }
      driver_.destroy_event(e);
      p.events.pop_back();
    }
    stats_.active.current -= static_cast<int64_t>(p.block->nbytes);
    release(p.block);
    return true;
  });
}

/// Gives the pool's free memory back. The device must be done with it.
void CachingAllocator::trim(Pool& pool) {
  const std::vector<Block*> blocks(pool.free.begin(), pool.free.end());
  for (Block* block : blocks) {
    if (pool.base == nullptr) {
      if (block->prev != nullptr || block->next != nullptr) continue;  // part of a segment in use
      pool.free.erase(block);
      driver_.deallocate(block->at, device_);
      stats_.reserved.current -= static_cast<int64_t>(block->nbytes);
      delete block;
      continue;
    }
    const auto first = rounded_up(static_cast<size_t>(block->at - pool.base), pool.step);
    const auto last = static_cast<size_t>(block->at + block->nbytes - pool.base) / pool.step * pool.step;
    if (first >= last) continue;
    pool.free.erase(block);
    const size_t head = static_cast<size_t>(pool.base + first - block->at);
    const size_t tail = block->nbytes - head - (last - first);
    Block* hole = block;
    if (head != 0) {
      hole = new Block{&pool, pool.base + first, last - first, Block::State::Unmapped};
      hole->prev = block;
      hole->next = std::exchange(block->next, hole);
      if (hole->next != nullptr) hole->next->prev = hole;
      block->nbytes = head;
      pool.free.insert(block);
    }
    hole->nbytes = last - first;
    hole->state = Block::State::Unmapped;
    if (tail != 0) {
      auto* behind = new Block{&pool, pool.base + last, tail, Block::State::Free};
      behind->prev = hole;
      behind->next = std::exchange(hole->next, behind);
      if (behind->next != nullptr) behind->next->prev = behind;
      pool.free.insert(behind);
    }
    for (size_t at = first; at < last; at += pool.step)
      driver_.unmap(pool.base + at, pool.step, pool.handles[at / pool.step]);
    stats_.reserved.current -= static_cast<int64_t>(last - first);
    // Holes that touch become one.
    if (Block* next = hole->next; next != nullptr && next->state == Block::State::Unmapped) {
      pool.unmapped.erase(next);
      hole->nbytes += next->nbytes;
      hole->next = next->next;
      if (hole->next != nullptr) hole->next->prev = hole;
      delete next;
    }
    if (Block* prev = hole->prev; prev != nullptr && prev->state == Block::State::Unmapped) {
      prev->nbytes += hole->nbytes;
      prev->next = hole->next;
      if (prev->next != nullptr) prev->next->prev = prev;
      delete hole;
    } else {
      pool.unmapped.insert(hole);
    }
  }
}

void CachingAllocator::trim_all() {
  for (auto& [key, pool] : pools_) trim(*pool);
}

void CachingAllocator::empty_cache() {
  const std::lock_guard lock(mutex_);
  collect(true);
  driver_.synchronize(device_);
  trim_all();
}

void CachingAllocator::set_limit(size_t nbytes) {
  const std::lock_guard lock(mutex_);
  limit_ = nbytes;
}

void CachingAllocator::refuse(size_t nbytes) {
  ++stats_.failures;
  int64_t available = 0, total = 0;
  driver_.memory_info(device_, &available, &total);
  const DeviceMemoryStats& s = stats_;
  detail::raise<OutOfMemoryError>(
      "allocate: expected ", nbytes, " bytes on cuda:", device_, ", got a refusal (in use ",
      s.allocated.current, ", of which asked for ", s.requested.current, "; waiting for streams ",
      s.active.current - s.allocated.current, "; cached ", s.reserved.current - s.active.current,
      "; peak in use ", s.allocated.peak, "; limit ", limit_, "; the device has ", available, " of ", total,
      " bytes free); free tensors or use smaller ones");
}

DeviceMemoryStats CachingAllocator::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void CachingAllocator::reset_peaks() {
  const std::lock_guard lock(mutex_);
  for (DeviceMemoryStats::Figure* f :
       {&stats_.allocated, &stats_.requested, &stats_.reserved, &stats_.active})
    f->peak = f->current;
}

// --- PinnedCache -------------------------------------------------------------------------------------

PinnedCache::~PinnedCache() {
  collect(true);
  for (auto& [at, block] : blocks_) driver_.deallocate_pinned(at);
}

void* PinnedCache::allocate(size_t nbytes) {
  if (nbytes == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  CLEW_CHECK(nbytes <= SIZE_MAX / 4, OutOfMemoryError, "allocate: expected ", nbytes,
             " bytes of pinned memory, got a refusal");
  const size_t size = std::bit_ceil(std::max<size_t>(nbytes, 512));
  collect(false);
  if (const auto it = free_.find(size); it != free_.end()) {
    char* at = it->second;
    free_.erase(it);
    blocks_[at].freed = false;
    return at;
  }
  auto* at = static_cast<char*>(driver_.allocate_pinned(size));
  CLEW_CHECK(at != nullptr, OutOfMemoryError, "allocate: expected ", nbytes,
             " bytes of pinned memory, got a refusal by the system; pin less at a time");
  blocks_[at].nbytes = size;
  return at;
}

void PinnedCache::deallocate(void* p) noexcept {
  const std::lock_guard lock(mutex_);
  const auto it = blocks_.find(static_cast<char*>(p));
  if (it == blocks_.end() || it->second.freed) return;
  it->second.freed = true;
  if (it->second.events.empty()) {
    free_.emplace(it->second.nbytes, it->first);
  } else {
    waiting_.push_back(it->first);
  }
}

bool PinnedCache::owns(const void* p, size_t nbytes) const {
  const std::lock_guard lock(mutex_);
  const char* at = static_cast<const char*>(p);
  auto it = blocks_.upper_bound(const_cast<char*>(at));
  if (it == blocks_.begin()) return false;
  --it;
  return !it->second.freed && at + nbytes <= it->first + it->second.nbytes;
}

bool PinnedCache::record(const void* p, Stream stream) {
  const std::lock_guard lock(mutex_);
  auto it = blocks_.upper_bound(static_cast<char*>(const_cast<void*>(p)));
  if (it == blocks_.begin()) return false;
  --it;
  if (static_cast<const char*>(p) >= it->first + it->second.nbytes) return false;
  const Event e = driver_.create_event(false);
  it->second.events.push_back(e);
  driver_.record_event(e, stream);
  return true;
}

void PinnedCache::collect(bool wait) {
  std::erase_if(waiting_, [&](char* at) {
    Block& block = blocks_[at];
    while (!block.events.empty()) {
      const Event e = block.events.back();
      if (wait) {
        driver_.synchronize_event(e);
      } else if (!driver_.event_done(e)) {
        return false;
      }
      driver_.destroy_event(e);
      block.events.pop_back();
    }
    free_.emplace(block.nbytes, at);
    return true;
  });
}

void PinnedCache::empty_cache() {
  const std::lock_guard lock(mutex_);
  collect(true);
  for (auto& [size, at] : free_) {
    driver_.deallocate_pinned(at);
    blocks_.erase(at);
  }
  free_.clear();
}

size_t PinnedCache::held_bytes() const {
  const std::lock_guard lock(mutex_);
  size_t sum = 0;
  for (const auto& [at, block] : blocks_) sum += block.nbytes;
  return sum;
}

}  // namespace clew::cuda
