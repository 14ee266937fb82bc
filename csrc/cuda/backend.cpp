// The entry point of the library: fills the kernel slots and hands out the table of functions.
#include "core/backend.h"

#include <string_view>

#include "cuda/cublaslt.h"
#include "cuda/cudnn.h"
#include "cuda/kernels.h"
#include "cuda/optim.h"
#include "cuda/runtime.h"

namespace clew::cuda {
namespace {

void synchronize(int device) {
  const DeviceGuard guard(device);
  driver().synchronize(device);
}

void* allocate(size_t nbytes, int device) {
  const DeviceGuard guard(device);
  return allocator(device).allocate(nbytes, current_stream(device));
}

void empty_cache() {
  for (int d = 0; d < device_count(); ++d) {
    const DeviceGuard guard(d);
    allocator(d).empty_cache();
  }
  pinned_cache().empty_cache();
}

int64_t library_version(const char* name, std::string* problem) {
  if (std::string_view(name) == "cublasLt") return cublaslt_version(problem);
  if (std::string_view(name) == "cudnn") return cudnn_version(problem);
  *problem = "this build does not use it";
  return 0;
}

constinit const Backend kBackend{
    .abi = kBackendAbi,
    .device_count = device_count,
    .properties = [](int device) { return driver().properties(device); },
    .synchronize = synchronize,
    .allocate = allocate,
    .deallocate = [](void* p, int device) noexcept { allocator(device).deallocate(p); },
    .record_stream = [](void* p, int device, void* stream) { allocator(device).record_stream(p, stream); },
    .memory_stats = [](int device) { return allocator(device).stats(); },
    .reset_peaks = [](int device) { allocator(device).reset_peaks(); },
    .empty_cache = empty_cache,
    .memory_info = [](int device, int64_t* free_bytes,
                      int64_t* total_bytes) { driver().memory_info(device, free_bytes, total_bytes); },
    .allocate_pinned = [](size_t nbytes) { return pinned_cache().allocate(nbytes); },
    .deallocate_pinned = [](void* p) noexcept { pinned_cache().deallocate(p); },
    .is_pinned = [](const void* p, size_t nbytes) { return pinned_cache().owns(p, nbytes); },
    .copy = copy,
    .stream_from_pool = stream_from_pool,
    .current_stream = current_stream,
    .set_current_stream = set_current_stream,
    .stream_synchronize =
        [](int device, void* stream) {
          const DeviceGuard guard(device);
          driver().synchronize_stream(stream);
        },
    .stream_done =
        [](int device, void* stream) {
          const DeviceGuard guard(device);
          return driver().stream_done(stream);
        },
    .event_create =
        [](int device, bool timing) {
          const DeviceGuard guard(device);
          return driver().create_event(timing);
        },
    .event_destroy = [](int, void* event) noexcept { driver().destroy_event(event); },
    .event_record =
        [](int device, void* event, void* stream) {
          const DeviceGuard guard(device);
          driver().record_event(event, stream);
        },
    .event_wait =
        [](int device, void* event, void* stream) {
          const DeviceGuard guard(device);
          driver().wait_event(stream, event);
        },
    .event_synchronize = [](int, void* event) { driver().synchronize_event(event); },
    .event_done = [](int, void* event) { return driver().event_done(event); },
    .event_elapsed_ms = [](int, void* start, void* end) { return driver().elapsed_ms(start, end); },
    .sgd_step = sgd_step,
    .adam_step = adam_step,
    .total_norm = total_norm,
    .scale = scale_all,
    .library_version = library_version,
};

}  // namespace
}  // namespace clew::cuda

extern "C" CLEW_API const clew::Backend* clew_cuda_backend(int abi, std::string* problem);
extern "C" const clew::Backend* clew_cuda_backend(int abi, std::string* problem) {
  using namespace clew;
  if (abi != kBackendAbi) {
    *problem = detail::concat("the backend library is of another build of Clew (its interface is ",
                              kBackendAbi, ", this one's ", abi, "; reinstall Clew, or use device='cpu')");
    return nullptr;
  }
  cuda::Driver* made = cuda::make_driver(problem);
  if (made == nullptr) return nullptr;
  cuda::set_driver(made);
  cuda::register_kernels();
  return &cuda::kBackend;
}
