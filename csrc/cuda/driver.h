// What Clew asks of CUDA, as one interface: memory, streams, events, copies.
//
// The device's implementation (driver_cuda.cpp) goes to the CUDA runtime; tests and the emulator put one over
// host memory in its place, so that everything above runs on a machine without a GPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/backend.h"

namespace clew::cuda {

using Stream = void*;  // null: the device's default stream
using Event = void*;

/// Calls raise DeviceError with CUDA's own words when they fail; running out of memory is an answer.
class Driver {
 public:
  virtual ~Driver() = default;

  virtual int device_count() = 0;
  virtual DeviceProperties properties(int device) = 0;
  /// The device that the calls below without `device` refer to, on this thread.
  virtual void set_device(int device) = 0;
  virtual void synchronize(int device) = 0;
  /// False hands every block of memory to the driver, for tools that watch memory.
  virtual bool caching() = 0;
  /// Whether libraries such as cuBLASLt can work on this device's memory.
  virtual bool has_libraries() { return false; }

  // --- device memory -------------------------------------------------------------------------------
  /// Bytes of a page of virtual memory; 0 where there is none, and blocks are allocated whole.
  virtual size_t page_bytes(int device) = 0;
  /// Addresses without memory behind them; null when there are none left.
  virtual void* reserve(size_t nbytes, int device) = 0;
  virtual void unreserve(void* at, size_t nbytes) noexcept = 0;
  /// Puts memory behind reserved addresses; false when the device has none left.
  virtual bool map(void* at, size_t nbytes, int device, uint64_t* handle) = 0;
  virtual void unmap(void* at, size_t nbytes, uint64_t handle) noexcept = 0;
  /// Null when the device has none left.
  virtual void* allocate(size_t nbytes, int device) = 0;
  virtual void deallocate(void* p, int device) noexcept = 0;
  virtual void memory_info(int device, int64_t* free_bytes, int64_t* total_bytes) = 0;

  // --- pinned host memory, copies --------------------------------------------------------------------
  virtual void* allocate_pinned(size_t nbytes) = 0;
  virtual void deallocate_pinned(void* p) noexcept = 0;
  /// In order with `stream`; with pageable host memory it returns when that may be reused.
  virtual void copy(void* to, const void* from, size_t nbytes, Stream stream) = 0;
  virtual void copy_between(void* to, int to_device, const void* from, int from_device, size_t nbytes,
                            Stream stream) = 0;
  virtual void fill_bytes(void* to, int value, size_t nbytes, Stream stream) = 0;

  // --- streams and events ----------------------------------------------------------------------------
  virtual Stream create_stream(int priority) = 0;
  virtual void synchronize_stream(Stream stream) = 0;
  virtual bool stream_done(Stream stream) = 0;
  virtual Event create_event(bool timing) = 0;
  virtual void destroy_event(Event event) noexcept = 0;
  virtual void record_event(Event event, Stream stream) = 0;
  virtual void wait_event(Stream stream, Event event) = 0;
  virtual void synchronize_event(Event event) = 0;
  virtual bool event_done(Event event) = 0;
  virtual double elapsed_ms(Event start, Event end) = 0;

  /// Raises DeviceError, naming `what`, if a launch before this one went wrong.
  virtual void check_launch(const char* what) = 0;
};

/// The one in use. Set once, before the first device is used.
Driver& driver();
void set_driver(Driver* driver);
/// Makes the implementation of this library: the device's or the emulator's. Null, with the reason in
/// `problem`, where there is no device.
Driver* make_driver(std::string* problem);

}  // namespace clew::cuda
