// What a device library gives to the core: one table of functions, found when a device is first asked for.
//
// libclew never links a device's libraries. The first use of a CUDA device opens libclew_cuda.so, whose one
// entry point returns the table and fills that device's column of the kernel slots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "clew/core/device.h"
#include "clew/core/dtype.h"
#include "clew/core/macros.h"

namespace clew {

namespace kernels {
struct OptimItem;
struct SgdScalars;
struct AdamScalars;
}  // namespace kernels

/// Figures of a device's allocator, in bytes: what is handed out, what was asked for, what is held.
struct DeviceMemoryStats {
  struct Figure {
    int64_t current = 0, peak = 0;
  };
  Figure allocated, requested, reserved, active;
  int64_t allocations = 0;  // since start
  int64_t retries = 0;      // allocations that first had to give cached memory back
  int64_t failures = 0;     // that raised OutOfMemoryError
};

struct DeviceProperties {
  std::string name;
  int major = 0, minor = 0;
  int multiprocessors = 0;
  int64_t total_bytes = 0;
};

/// Functions raise clew::Error. Streams and events are opaque; a null stream is the device's default one.
struct Backend {
  int abi;

  int (*device_count)();
  DeviceProperties (*properties)(int device);
  void (*synchronize)(int device);

  /// Memory for use on the current stream. Raises OutOfMemoryError.
  void* (*allocate)(size_t nbytes, int device);
  void (*deallocate)(void* p, int device) noexcept;
  /// Delays the reuse of `p` until work that `stream` has by now is done.
  void (*record_stream)(void* p, int device, void* stream);
  DeviceMemoryStats (*memory_stats)(int device);
  void (*reset_peaks)(int device);
  void (*empty_cache)();
  void (*memory_info)(int device, int64_t* free_bytes, int64_t* total_bytes);
  void* (*allocate_pinned)(size_t nbytes);
  void (*deallocate_pinned)(void* p) noexcept;
  /// True when the bytes lie in a block of pinned memory that is in use.
  bool (*is_pinned)(const void* p, size_t nbytes);

  /// Copies bytes, in order with the current streams. Returns when the host's side may be reused, unless
  /// `non_blocking` and the host's side is pinned.
  void (*copy)(void* to, Device to_device, const void* from, Device from_device, size_t nbytes,
               bool non_blocking);

  /// One of a fixed number of streams, which live as long as the process; by turns. Priority 0, or -1 for
  /// high.
  void* (*stream_from_pool)(int device, int priority);
  void* (*current_stream)(int device);
  void (*set_current_stream)(int device, void* stream);
  void (*stream_synchronize)(int device, void* stream);
  bool (*stream_done)(int device, void* stream);

  void* (*event_create)(int device, bool timing);
  void (*event_destroy)(int device, void* event) noexcept;
  void (*event_record)(int device, void* event, void* stream);
  void (*event_wait)(int device, void* event, void* stream);
  void (*event_synchronize)(int device, void* event);
  bool (*event_done)(int device, void* event);
  double (*event_elapsed_ms)(int device, void* start, void* end);

  // Lists of tensors on one device, in as few launches as their number allows. Writes are not recorded.
  void (*sgd_step)(int device, std::span<const kernels::OptimItem> items, const kernels::SgdScalars& s);
  void (*adam_step)(int device, std::span<const kernels::OptimItem> items, const kernels::AdamScalars& s);
  /// The p-norm of all data[0] together, as one number of `dtype` at `result` on the device.
  void (*total_norm)(int device, std::span<const kernels::OptimItem> items, double p, DType dtype,
                     void* result);
  /// All data[0] times `factor`, and times the number of `dtype` at `more` on the device unless it is null.
  /// Sets `found_bad`, a float32 on the device, to 1 when an element is not finite, unless it is null.
  void (*scale)(int device, std::span<const kernels::OptimItem> items, double factor, DType dtype,
                const void* more, void* found_bad);

  /// Version of "cublasLt" or "cudnn"; 0, with the reason in `problem`, where the library is missing.
  int64_t (*library_version)(const char* name, std::string* problem);
};
/// Moves on with every change of Backend or of what kernels are given.
inline constexpr int kBackendAbi = 3;
/// The entry point: null, with the reason in `problem`, where no device can be used.
using BackendEntry = const Backend* (*)(int abi, std::string* problem);
inline constexpr const char* kCudaEntry = "clew_cuda_backend";

/// The backend of CUDA devices, or null. The first call looks for library, driver and device.
CLEW_API const Backend* find_cuda_backend();
/// What is missing and how to get it; empty when find_cuda_backend() has a backend.
CLEW_API const std::string& cuda_problem();
/// True once the backend is loaded; looks for nothing.
CLEW_API bool cuda_is_loaded();
/// The backend, with `device` in range. Raises DeviceError, naming `what`, with the reason.
CLEW_API const Backend& require_cuda(const char* what, Device device);

}  // namespace clew
