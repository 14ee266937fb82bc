// The devices as the rest of the backend sees them: current device and stream, memory, copies.
#pragma once

#include "clew/core/tensor.h"
#include "cuda/allocator.h"
#include "cuda/driver.h"

namespace clew::cuda {

inline constexpr int kMaxDevices = 16;

int device_count();
CachingAllocator& allocator(int device);
PinnedCache& pinned_cache();

/// The stream that this thread's work on `device` goes to.
Stream current_stream(int device);
void set_current_stream(int device, Stream stream);
/// One of the device's streams, by turns; they live as long as the process.
Stream stream_from_pool(int device, int priority);

/// Makes `device` the driver's current one; what it was comes back at the end. Costs nothing when it is that
/// already.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int before_;
};

/// Where a kernel runs: the guard and the stream of the device of `t`.
class Launch {
 public:
  explicit Launch(const Tensor& t) : Launch(t.device().index) {}
  explicit Launch(int device) : guard_(device), device_(device), stream_(current_stream(device)) {}
  Stream stream() const { return stream_; }
  int device() const { return device_; }

 private:
  DeviceGuard guard_;
  int device_;
  Stream stream_;
};

/// An event that belongs to its owner.
class OwnedEvent {
 public:
  explicit OwnedEvent(bool timing = false) : event_(driver().create_event(timing)) {}
  OwnedEvent(const OwnedEvent&) = delete;
  OwnedEvent& operator=(const OwnedEvent&) = delete;
  ~OwnedEvent() { driver().destroy_event(event_); }
  Event get() const { return event_; }

 private:
  Event event_;
};

/// Bytes of device memory for one op, on the current stream.
class Workspace {
 public:
  Workspace(const Launch& launch, size_t nbytes)
      : device_(launch.device()), data_(allocator(device_).allocate(nbytes, launch.stream())) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { allocator(device_).deallocate(data_); }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  int device_;
  void* data_;
};

/// Copies bytes in order with the current streams of both devices; see Backend::copy.
void copy(void* to, Device to_device, const void* from, Device from_device, size_t nbytes, bool non_blocking);

}  // namespace clew::cuda
