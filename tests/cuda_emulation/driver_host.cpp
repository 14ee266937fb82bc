// The driver interface over host memory: what the backend runs on when its kernels are emulated. All work is
// done when a call returns. Fresh memory is garbage, so that a kernel that leaves out an element shows.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "clew/core/error.h"
#include "cuda/driver.h"

namespace clew::cuda {
namespace {

constexpr int64_t kMemoryBytes = int64_t{4} << 30;

class HostDriver final : public Driver {
 public:
  int device_count() override {
    const char* n = std::getenv("CLEW_EMULATION_DEVICES");
    return n != nullptr ? std::clamp(std::atoi(n), 0, 8) : 2;
  }
  DeviceProperties properties(int) override { return {"Emulated device", 9, 0, 1, kMemoryBytes}; }
  void set_device(int device) override {
    CLEW_CHECK(device >= 0 && device < device_count(), DeviceError,
               "cuda: expected cudaSetDevice to succeed, got no device ", device);
  }
  void synchronize(int) override {}
  bool caching() override { return false; }

  size_t page_bytes(int) override { return 0; }
  void* reserve(size_t, int) override { return nullptr; }
  void unreserve(void*, size_t) noexcept override {}
  bool map(void*, size_t, int, uint64_t*) override { return false; }
  void unmap(void*, size_t, uint64_t) noexcept override {}
  void* allocate(size_t nbytes, int) override { return garbage(nbytes); }
  void deallocate(void* p, int) noexcept override { std::free(p); }
  void memory_info(int, int64_t* free_bytes, int64_t* total_bytes) override {
    *free_bytes = kMemoryBytes;
    *total_bytes = kMemoryBytes;
  }

  void* allocate_pinned(size_t nbytes) override { return garbage(nbytes); }
  void deallocate_pinned(void* p) noexcept override { std::free(p); }
  void copy(void* to, const void* from, size_t nbytes, Stream) override { std::memcpy(to, from, nbytes); }
  void copy_between(void* to, int, const void* from, int, size_t nbytes, Stream) override {
    std::memcpy(to, from, nbytes);
  }
  void fill_bytes(void* to, int value, size_t nbytes, Stream) override { std::memset(to, value, nbytes); }

  Stream create_stream(int) override { return new char; }  // lives as long as the process
  void synchronize_stream(Stream) override {}
  bool stream_done(Stream) override { return true; }
  Event create_event(bool) override { return new Time{}; }
  void destroy_event(Event e) noexcept override { delete static_cast<Time*>(e); }
  void record_event(Event e, Stream) override { *static_cast<Time*>(e) = std::chrono::steady_clock::now(); }
  void wait_event(Stream, Event) override {}
  void synchronize_event(Event) override {}
  bool event_done(Event) override { return true; }
  double elapsed_ms(Event start, Event end) override {
    return std::chrono::duration<double, std::milli>(*static_cast<Time*>(end) - *static_cast<Time*>(start))
        .count();
  }
  void check_launch(const char*) override {}

 private:
  using Time = std::chrono::steady_clock::time_point;

  static void* garbage(size_t nbytes) {
    // Of the exact size, so that the sanitizer sees the first byte behind it.
    void* p = nullptr;
    if (posix_memalign(&p, 256, std::max<size_t>(nbytes, 1)) != 0) return nullptr;
    return std::memset(p, 0xcb, nbytes);
  }
};

}  // namespace

Driver* make_driver(std::string* problem) {
  auto* made = new HostDriver;  // lives as long as the process
  if (made->device_count() > 0) return made;
  *problem = "the emulator was told to have no device";
  delete made;
  return nullptr;
}

}  // namespace clew::cuda
