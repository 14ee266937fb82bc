#include "cuda/runtime.h"

#include <array>
#include <atomic>
#include <mutex>

#include "clew/core/error.h"

namespace clew::cuda {

namespace {

constexpr int kPoolStreams = 32;

// Everything of a device that lives as long as the process; made when the device is first used.
struct DeviceState {
  explicit DeviceState(int device) : memory(driver(), device, driver().caching()) {}
  CachingAllocator memory;
  std::mutex mutex;
  std::array<Stream, 2 * kPoolStreams> streams{};  // of normal, then of high priority
  std::array<uint32_t, 2> next{};
};

Driver* current_driver = nullptr;
std::array<std::atomic<DeviceState*>, kMaxDevices> states{};
std::mutex making;

DeviceState& state(int device) {
  std::atomic<DeviceState*>& slot = states[static_cast<size_t>(device)];
  if (DeviceState* made = slot.load(std::memory_order_acquire)) return *made;
  const std::lock_guard lock(making);
  if (DeviceState* made = slot.load(std::memory_order_acquire)) return *made;
  const DeviceGuard guard(device);
  // Never destroyed: tensors may die after main, when the driver is gone.
  auto* made = new DeviceState(device);
  slot.store(made, std::memory_order_release);
  return *made;
}

struct ThreadDevices {
  int active = -1;  // what the driver was told last; -1 before that
  Stream streams[kMaxDevices] = {};
};
thread_local constinit ThreadDevices thread_devices;

void activate(int device) {
  if (thread_devices.active == device) return;
  driver().set_device(device);
  thread_devices.active = device;
}

}  // namespace

Driver& driver() { return *current_driver; }
void set_driver(Driver* driver) { current_driver = driver; }

int device_count() {
  static const int count = std::min(driver().device_count(), kMaxDevices);
  return count;
}

CachingAllocator& allocator(int device) { return state(device).memory; }

PinnedCache& pinned_cache() {
  static auto* cache = new PinnedCache(driver());  // never destroyed, as above
  return *cache;
}

Stream current_stream(int device) { return thread_devices.streams[device]; }
void set_current_stream(int device, Stream stream) { thread_devices.streams[device] = stream; }

Stream stream_from_pool(int device, int priority) {
  DeviceState& s = state(device);
  const size_t high = priority < 0 ? 1 : 0;
  const std::lock_guard lock(s.mutex);
  Stream& stream = s.streams[high * kPoolStreams + s.next[high]++ % kPoolStreams];
  if (stream == nullptr) {
    const DeviceGuard guard(device);
    stream = driver().create_stream(priority < 0 ? -1 : 0);
  }
  return stream;
}

DeviceGuard::DeviceGuard(int device) : before_(thread_devices.active) { activate(device); }
DeviceGuard::~DeviceGuard() {
  if (before_ < 0 || before_ == thread_devices.active) return;
  try {
    activate(before_);
  } catch (...) {
    thread_devices.active = -1;  // the next guard asks again
  }
}

void copy(void* to, Device to_device, const void* from, Device from_device, size_t nbytes,
          bool non_blocking) {
  if (nbytes == 0) return;
  const bool to_cuda = to_device.type == DeviceType::CUDA, from_cuda = from_device.type == DeviceType::CUDA;
  CLEW_ASSERT(to_cuda || from_cuda);
  if (to_cuda && from_cuda) {
    const DeviceGuard guard(from_device.index);
    const Stream stream = current_stream(from_device.index);
    if (to_device.index == from_device.index) return driver().copy(to, from, nbytes, stream);
    // The copy runs on the source's stream: it waits for the target's work so far, and that for the copy.
    const Stream target = current_stream(to_device.index);
    {
      const DeviceGuard other(to_device.index);
      const OwnedEvent ready;
      driver().record_event(ready.get(), target);
      driver().wait_event(stream, ready.get());
    }
    driver().copy_between(to, to_device.index, from, from_device.index, nbytes, stream);
    const OwnedEvent done;
    driver().record_event(done.get(), stream);
    const DeviceGuard other(to_device.index);
    return driver().wait_event(target, done.get());
  }
  const Device device = to_cuda ? to_device : from_device;
  const void* host = to_cuda ? from : to;
  const DeviceGuard guard(device.index);
  const Stream stream = current_stream(device.index);
  driver().copy(to, from, nbytes, stream);
  if (pinned_cache().record(host, stream) && non_blocking) return;
  // From pageable memory the driver has taken the bytes already; to the host they must have arrived.
  if (from_cuda || pinned_cache().owns(host, nbytes)) driver().synchronize_stream(stream);
}

}  // namespace clew::cuda
