#include "core/backend.h"

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "clew/core/error.h"
#include "core/library_switches.h"

namespace clew {
namespace {

constexpr const char* kLibrary = "libclew_cuda.so";

struct Found {
  const Backend* backend = nullptr;
  std::string problem;
};
std::atomic<bool> loaded{false};

/// Beside libclew.so, unless the environment names another.
std::filesystem::path library_path() {
  if (const char* named = std::getenv("CLEW_CUDA_LIBRARY"); named != nullptr && *named != '\0') return named;
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&cuda_is_loaded), &self) == 0 || self.dli_fname == nullptr)
    return kLibrary;
  return std::filesystem::path(self.dli_fname).parent_path() / kLibrary;
}

Found look() {
  const std::filesystem::path path = library_path();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    const bool driver = access("/dev/nvidiactl", F_OK) == 0;
    return {nullptr,
            detail::concat("the backend library ", path.string(), " is missing (",
                           driver ? "an NVIDIA driver is present" : "no NVIDIA driver is visible either",
                           "; install a build of Clew with CLEW_CUDA=ON, or use device='cpu')")};
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return {nullptr,
            detail::concat("the backend library does not load: ", why != nullptr ? why : "unknown",
                           " (pip install nvidia-cuda-runtime nvidia-cublas brings CUDA's libraries; "
                           "or use device='cpu')")};
  }
  const auto entry = reinterpret_cast<BackendEntry>(dlsym(library, kCudaEntry));
  if (entry == nullptr)
    return {nullptr, detail::concat(path.string(), " is no backend library of Clew: it has no ", kCudaEntry,
                                    " (reinstall Clew, or use device='cpu')")};
  // The library stays open even when it is of no use: it may have started threads of the driver.
  Found found;
  try {
    found.backend = entry(kBackendAbi, &found.problem);
  } catch (const std::exception& e) {
    found.backend = nullptr;
    found.problem = e.what();
  }
  if (found.backend == nullptr && found.problem.empty()) found.problem = "the backend gave no reason";
  loaded.store(found.backend != nullptr, std::memory_order_release);
  return found;
}

const Found& found() {
  // Never destroyed: tensors may die after main.
  static const Found* const once = new Found(look());
  return *once;
}

}  // namespace

LibrarySwitches& library_switches() {
  static LibrarySwitches instance;
  return instance;
}

const Backend* find_cuda_backend() { return found().backend; }
const std::string& cuda_problem() { return found().problem; }
bool cuda_is_loaded() { return loaded.load(std::memory_order_acquire); }

const Backend& require_cuda(const char* what, Device device) {
  const Backend* backend = find_cuda_backend();
  CLEW_CHECK(backend != nullptr, DeviceError, what, ": expected a CUDA device, got none for ", device, ": ",
             cuda_problem());
  const int count = backend->device_count();
  CLEW_CHECK(device.index >= 0 && device.index < count, DeviceError, what, ": expected a device index below ",
             count, " (the number of CUDA devices), got ", device);
  return *backend;
}

}  // namespace clew
