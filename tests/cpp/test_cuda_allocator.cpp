// The caching allocator of CUDA devices over a driver that only keeps books.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "clew/core/error.h"
#include "cuda/allocator.h"

using clew::cuda::CachingAllocator;
using clew::cuda::Event;
using clew::cuda::PinnedCache;
using clew::cuda::Stream;

namespace {

constexpr size_t kMiB = size_t{1} << 20;

/// A device with `capacity` bytes. Streams are numbers; an event is done when the test says so.
class FakeDriver final : public clew::cuda::Driver {
 public:
  explicit FakeDriver(size_t memory, size_t page = 2 * kMiB) : capacity(memory), page_(page) {}
  ~FakeDriver() override {
    CHECK(mapped.empty());
    CHECK(blocks.empty());
    CHECK(pinned.empty());
    CHECK(events.empty());
    CHECK(reserved == 0);
  }

  int device_count() override { return 1; }
  clew::DeviceProperties properties(int) override { return {}; }
  void set_device(int) override {}
  void synchronize(int) override {
    ++synchronizations;
    for (auto& [event, done] : events) done = true;
  }
  bool caching() override { return true; }

  size_t page_bytes(int) override { return page_; }
  void* reserve(size_t nbytes, int) override {
    reserved += nbytes;
    char* at = reinterpret_cast<char*>(next_address_);
    next_address_ += nbytes + (size_t{1} << 40);
    return at;
  }
  void unreserve(void*, size_t nbytes) noexcept override { reserved -= nbytes; }
  bool map(void* at, size_t nbytes, int, uint64_t* handle) override {
    if (in_use + nbytes > capacity) return false;
    REQUIRE(mapped.emplace(at, nbytes).second);
    in_use += nbytes;
    *handle = ++next_handle_;
    handles[at] = *handle;
    return true;
  }
  void unmap(void* at, size_t nbytes, uint64_t handle) noexcept override {
    // What was mapped in one piece must be unmapped in that piece.
    if (mapped.at(at) != nbytes || handles.at(at) != handle) std::abort();
    mapped.erase(at);
    in_use -= nbytes;
  }
  void* allocate(size_t nbytes, int) override {
    if (in_use + nbytes > capacity) return nullptr;
    in_use += nbytes;
    void* at = reinterpret_cast<void*>(next_address_);
    next_address_ += nbytes + kMiB;
    blocks[at] = nbytes;
    return at;
  }
  void deallocate(void* p, int) noexcept override {
    in_use -= blocks.at(p);
    blocks.erase(p);
  }
  void memory_info(int, int64_t* free_bytes, int64_t* total_bytes) override {
    *free_bytes = static_cast<int64_t>(capacity - in_use);
    *total_bytes = static_cast<int64_t>(capacity);
  }
  void* allocate_pinned(size_t nbytes) override {
    void* p = nbytes > capacity ? nullptr : ::operator new(nbytes);
    if (p != nullptr) pinned.insert(p);
    return p;
  }
  void deallocate_pinned(void* p) noexcept override {
    pinned.erase(p);
    ::operator delete(p);
  }
  void copy(void*, const void*, size_t, Stream) override {}
  void copy_between(void*, int, const void*, int, size_t, Stream) override {}
  void fill_bytes(void*, int, size_t, Stream) override {}
  Stream create_stream(int) override { return nullptr; }
  void synchronize_stream(Stream) override {}
  bool stream_done(Stream) override { return true; }
  Event create_event(bool) override {
    auto* e = reinterpret_cast<Event>(++next_event_);
    events[e] = false;
    return e;
  }
  void destroy_event(Event e) noexcept override { events.erase(e); }
  void record_event(Event e, Stream s) override { recorded_on[e] = s; }
  void wait_event(Stream, Event) override {}
  void synchronize_event(Event e) override { events.at(e) = true; }
  bool event_done(Event e) override { return events.at(e); }
  double elapsed_ms(Event, Event) override { return 0; }
  void check_launch(const char*) override {}

  size_t capacity, in_use = 0, reserved = 0;
  int synchronizations = 0;
  std::map<void*, size_t> mapped, blocks;
  std::map<void*, uint64_t> handles;
  std::map<Event, bool> events;
  std::map<Event, Stream> recorded_on;
  std::set<void*> pinned;

 private:
  size_t page_;
  uint64_t next_handle_ = 0;
  uintptr_t next_event_ = 0;
  uintptr_t next_address_ = size_t{1} << 32;
};

Stream stream(uintptr_t n) { return reinterpret_cast<Stream>(n); }
char* bytes(void* p) { return static_cast<char*>(p); }

}  // namespace

TEST_CASE("device blocks are cut, joined and reused", "[cuda][allocator]") {
  FakeDriver driver(size_t{1} << 30, GENERATE(2 * kMiB, size_t{0}));
  CachingAllocator memory(driver, 0);
  CHECK(memory.allocate(0, nullptr) == nullptr);
  memory.deallocate(nullptr);

  void* a = memory.allocate(1000, nullptr);
  void* b = memory.allocate(1, nullptr);
  void* c = memory.allocate(5000, nullptr);
  CHECK(bytes(b) == bytes(a) + 1024);  // multiples of 512, side by side
  CHECK(bytes(c) == bytes(b) + 512);
  CHECK(memory.stats().allocated.current == 1024 + 512 + 5120);
  CHECK(memory.stats().requested.current == 6001);
  CHECK(memory.stats().reserved.current == 2 * kMiB);

  memory.deallocate(b);
  CHECK(memory.allocate(400, nullptr) == b);  // best fit: the hole, not the rest behind c
  memory.deallocate(b);
  memory.deallocate(a);
  CHECK(memory.allocate(1536, nullptr) == a);  // a and b have become one
  memory.deallocate(a);
  memory.deallocate(c);
  CHECK(memory.allocate(kMiB, nullptr) == a);  // and all of it
  memory.deallocate(a);

  const auto stats = memory.stats();
  CHECK(stats.allocated.current == 0);
  CHECK(stats.requested.current == 0);
  CHECK(stats.active.current == 0);
  CHECK(stats.allocated.peak == static_cast<int64_t>(kMiB));
  CHECK(stats.allocations == 6);
  memory.reset_peaks();
  CHECK(memory.stats().allocated.peak == 0);
  CHECK(driver.in_use == 2 * kMiB);
  memory.empty_cache();
  CHECK(driver.in_use == 0);
  CHECK(memory.stats().reserved.current == 0);
}

TEST_CASE("small and large blocks, and streams, have pools of their own", "[cuda][allocator]") {
  FakeDriver driver(size_t{1} << 30);
  CachingAllocator memory(driver, 0);
  void* small = memory.allocate(kMiB, nullptr);
  void* large = memory.allocate(kMiB + 1, nullptr);
  CHECK(driver.in_use == 22 * kMiB);
  memory.deallocate(small);
  void* other = memory.allocate(kMiB, stream(1));
  CHECK(other != small);
  CHECK(driver.in_use == 24 * kMiB);
  memory.deallocate(other);
  memory.deallocate(large);
}

TEST_CASE("a pool grows behind its free end", "[cuda][allocator]") {
  FakeDriver driver(size_t{1} << 30);
  CachingAllocator memory(driver, 0);
  void* a = memory.allocate(30 * kMiB, nullptr);
  CHECK(driver.in_use == 40 * kMiB);
  memory.deallocate(a);
  // 40 MiB are free; 70 take only 40 more, where separate segments would take all 70.
  CHECK(memory.allocate(70 * kMiB, nullptr) == a);
  CHECK(driver.in_use == 80 * kMiB);
  memory.deallocate(a);
}

TEST_CASE("a block that another stream used waits for it", "[cuda][allocator]") {
  FakeDriver driver(size_t{1} << 30);
  CachingAllocator memory(driver, 0);
  void* a = memory.allocate(512, nullptr);
  memory.record_stream(a, nullptr);  // its own stream: nothing to wait for
  memory.record_stream(a, stream(1));
  memory.record_stream(a, stream(2));
  memory.record_stream(a, stream(1));
  memory.deallocate(a);
  REQUIRE(driver.events.size() == 2);
  CHECK(memory.stats().allocated.current == 0);
  CHECK(memory.stats().active.current == 512);
  void* b = memory.allocate(512, nullptr);
  CHECK(b != a);
  for (auto& [event, done] : driver.events) done = driver.recorded_on.at(event) == stream(2);
  void* c = memory.allocate(512, nullptr);
  CHECK(c != a);  // stream 1 still works
  for (auto& [event, done] : driver.events) done = true;
  CHECK(memory.allocate(512, nullptr) == a);
  CHECK(driver.events.empty());
  for (void* p : {a, b, c}) memory.deallocate(p);
}

TEST_CASE("out of memory gives back what is cached, then refuses with figures", "[cuda][allocator]") {
  const size_t page = GENERATE(2 * kMiB, size_t{0});
  FakeDriver driver(100 * kMiB, page);
  CachingAllocator memory(driver, 0);
  void* cached = memory.allocate(60 * kMiB, stream(1));
  memory.deallocate(cached);
  void* waiting = memory.allocate(20 * kMiB, stream(2));
  memory.record_stream(waiting, stream(3));
  memory.deallocate(waiting);
  CHECK(driver.in_use == 80 * kMiB);

  void* a = memory.allocate(80 * kMiB, nullptr);  // fits when all that is cached or waits is given back
  CHECK(driver.in_use == 80 * kMiB);
  CHECK(driver.synchronizations == 1);
  CHECK(memory.stats().retries == 1);

  try {
    memory.allocate(50 * kMiB, nullptr);
    FAIL("expected a refusal");
  } catch (const clew::OutOfMemoryError& e) {
    const std::string text = e.what();
    for (const char* part : {"expected 52428800 bytes on cuda:0", "in use 83886080", "cached 0",
                             "peak in use 83886080", "20971520 of 104857600 bytes free"}) {
      INFO(text);
      CHECK(text.find(part) != std::string::npos);
    }
  }
  CHECK(memory.stats().failures == 1);
  memory.deallocate(a);
  a = memory.allocate(50 * kMiB, nullptr);  // still usable
  memory.deallocate(a);

  memory.empty_cache();
  memory.set_limit(40 * kMiB);
  CHECK_THROWS_AS(memory.allocate(50 * kMiB, nullptr), clew::OutOfMemoryError);
  CHECK_THROWS_AS(memory.allocate(SIZE_MAX - 5, nullptr), clew::OutOfMemoryError);
  memory.deallocate(memory.allocate(30 * kMiB, nullptr));
}

TEST_CASE("without caching the driver sees every block", "[cuda][allocator]") {
  FakeDriver driver(size_t{1} << 30);
  CachingAllocator memory(driver, 0, false);
  void* a = memory.allocate(1000, nullptr);
  CHECK(driver.blocks.at(a) == 1000);
  memory.deallocate(a);
  CHECK(driver.blocks.empty());
}

TEST_CASE("random requests never overlap and leave nothing behind", "[cuda][allocator]") {
  FakeDriver driver(600 * kMiB, GENERATE(2 * kMiB, size_t{0}));
  std::mt19937 random(1);
  const auto draw = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  std::map<char*, size_t> live;
  {
    CachingAllocator memory(driver, 0);
    size_t requested = 0;
    int refused = 0;
    for (int i = 0; i < 20000; ++i) {
      if (live.size() > 60 || (!live.empty() && draw(5) < 2)) {
        auto it = std::next(live.begin(), static_cast<std::ptrdiff_t>(draw(live.size())));
        if (draw(4) == 0) memory.record_stream(it->first, stream(draw(3)));
        requested -= it->second;
        memory.deallocate(it->first);
        live.erase(it);
      } else {
        const size_t n = 1 + draw(draw(2) == 0 ? 4096 : draw(2) == 0 ? 3 * kMiB : 40 * kMiB);
        char* p = nullptr;
        try {
          p = bytes(memory.allocate(n, stream(draw(3))));
        } catch (const clew::OutOfMemoryError&) {
          ++refused;
          continue;
        }
        const auto next = live.lower_bound(p);
        REQUIRE((next == live.end() || p + n <= next->first));
        REQUIRE((next == live.begin() || std::prev(next)->first + std::prev(next)->second <= p));
        live.emplace(p, n);
        requested += n;
      }
      if (draw(8) == 0) {
        for (auto& [event, done] : driver.events) done = draw(2) == 0;
      }
      if (draw(500) == 0) memory.empty_cache();
      const auto stats = memory.stats();
      REQUIRE(stats.requested.current == static_cast<int64_t>(requested));
      REQUIRE(stats.reserved.current == static_cast<int64_t>(driver.in_use));
      REQUIRE(stats.allocated.current <= stats.active.current);
      REQUIRE(stats.active.current <= stats.reserved.current);
    }
    CHECK(refused < 10000);
    for (auto& [p, n] : live) memory.deallocate(p);
    memory.empty_cache();
    CHECK(driver.in_use == 0);
    CHECK(memory.stats().active.current == 0);
  }
}

TEST_CASE("pinned host blocks are reused when the copies are done", "[cuda][allocator]") {
  FakeDriver driver(kMiB);
  PinnedCache cache(driver);
  CHECK(cache.allocate(0) == nullptr);
  char* a = bytes(cache.allocate(1000));
  CHECK(cache.owns(a + 10, 990));
  CHECK_FALSE(cache.owns(a + 10, 2000));
  CHECK_FALSE(cache.owns(&cache, 1));
  CHECK_FALSE(cache.record(&cache, nullptr));
  CHECK(cache.record(a + 100, stream(1)));
  cache.deallocate(a);
  cache.deallocate(a);  // a second time changes nothing
  CHECK_FALSE(cache.owns(a, 1));
  char* b = bytes(cache.allocate(1000));
  CHECK(b != a);
  for (auto& [event, done] : driver.events) done = true;
  CHECK(cache.allocate(900) == a);  // rounded up to the same power of two
  CHECK(cache.held_bytes() == 2048);
  CHECK_THROWS_AS(cache.allocate(4 * kMiB), clew::OutOfMemoryError);
  cache.deallocate(a);
  cache.deallocate(b);
  cache.empty_cache();
  CHECK(cache.held_bytes() == 0);
  CHECK(driver.pinned.empty());
}
