// Values that a kernel checks and the host reports.
#pragma once

#include "cuda/runtime.h"

namespace clew::cuda {

/// Reads one value; waits for the device.
template <class T>
T read_value(const T* from, const Launch& launch) {
  T value;
  copy(&value, kCPU, from, Device(DeviceType::CUDA, static_cast<int8_t>(launch.device())), sizeof(T), false);
  return value;
}

/// The least position that a kernel found wrong, by atomicMin on bad().
class BadPosition {
 public:
  explicit BadPosition(const Launch& launch) : launch_(launch), room_(launch, sizeof(unsigned long long)) {
    driver().fill_bytes(room_.as<void>(), 0xff, sizeof(unsigned long long), launch.stream());
  }
  unsigned long long* bad() const { return room_.as<unsigned long long>(); }
  /// -1: there is none. Waits for the device.
  int64_t read() const { return static_cast<int64_t>(read_value(bad(), launch_)); }

 private:
  const Launch& launch_;
  Workspace room_;
};

}  // namespace clew::cuda
