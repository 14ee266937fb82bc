// The driver interface over the CUDA runtime. Functions of the driver library itself (virtual memory) are
// asked of the runtime by name, so that this library needs no libcuda to load.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstdlib>

#include "clew/core/error.h"
#include "cuda/driver.h"

namespace clew::cuda {
namespace {

void check(cudaError_t e, const char* call) {
  if (e == cudaSuccess) return;
  cudaGetLastError();  // so that the next call does not report it again
  detail::raise<DeviceError>("cuda: expected ", call, " to succeed, got ", cudaGetErrorString(e), " (",
                             cudaGetErrorName(e), ")");
}
#define CLEW_CUDA(call, ...) check(call(__VA_ARGS__), #call)

void check_driver(CUresult e, const char* call) {
  if (e != CUDA_SUCCESS)
    detail::raise<DeviceError>("cuda: expected ", call, " to succeed, got error ", static_cast<int>(e));
}

template <class Fn>
Fn entry_point(const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  const cudaError_t e =
      cudaGetDriverEntryPointByVersion(name, &function, CUDA_VERSION, cudaEnableDefault, &found);
  if (e != cudaSuccess || found != cudaDriverEntryPointSuccess) {
    cudaGetLastError();
    return nullptr;
  }
  return reinterpret_cast<Fn>(function);
}

cudaStream_t raw_stream(Stream s) { return static_cast<cudaStream_t>(s); }
cudaEvent_t raw_event(Event e) { return static_cast<cudaEvent_t>(e); }
CUdeviceptr address(void* p) { return reinterpret_cast<CUdeviceptr>(p); }

class CudaDriver final : public Driver {
 public:
  explicit CudaDriver(int count) : count_(count) {}

  int device_count() override { return count_; }
  DeviceProperties properties(int device) override {
    cudaDeviceProp p{};
    CLEW_CUDA(cudaGetDeviceProperties, &p, device);
    return {p.name, p.major, p.minor, p.multiProcessorCount, static_cast<int64_t>(p.totalGlobalMem)};
  }
  void set_device(int device) override { CLEW_CUDA(cudaSetDevice, device); }
  void synchronize(int) override { check(cudaDeviceSynchronize(), "cudaDeviceSynchronize"); }

  bool has_libraries() override { return true; }
  bool caching() override { return std::getenv("CLEW_CUDA_NO_CACHE") == nullptr; }

  size_t page_bytes(int device) override {
    if (!attribute_ || !granularity_ || !reserve_ || !free_ || !create_ || !release_ || !map_ || !unmap_ ||
        !access_)
      return 0;
    int supported = 0;
    if (attribute_(&supported, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, device) !=
            CUDA_SUCCESS ||
        supported == 0)
      return 0;
    size_t bytes = 0;
    const CUmemAllocationProp p = allocation(device);
    if (granularity_(&bytes, &p, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED) != CUDA_SUCCESS) return 0;
    return bytes;
  }
  void* reserve(size_t nbytes, int) override {
    CUdeviceptr at = 0;
    return reserve_(&at, nbytes, 0, 0, 0) == CUDA_SUCCESS ? reinterpret_cast<void*>(at) : nullptr;
  }
  void unreserve(void* at, size_t nbytes) noexcept override { free_(address(at), nbytes); }
  bool map(void* at, size_t nbytes, int device, uint64_t* handle) override {
    const CUmemAllocationProp p = allocation(device);
    CUmemGenericAllocationHandle made{};
    const CUresult created = create_(&made, nbytes, &p, 0);
    if (created == CUDA_ERROR_OUT_OF_MEMORY) return false;
    check_driver(created, "cuMemCreate");
    const CUresult mapped = map_(address(at), nbytes, 0, made, 0);
    if (mapped != CUDA_SUCCESS) {
      release_(made);
      check_driver(mapped, "cuMemMap");
    }
    CUmemAccessDesc access{};
    access.location = p.location;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    const CUresult opened = access_(address(at), nbytes, &access, 1);
    if (opened != CUDA_SUCCESS) {
      unmap(at, nbytes, made);
      check_driver(opened, "cuMemSetAccess");
    }
    *handle = made;
    return true;
  }
  void unmap(void* at, size_t nbytes, uint64_t handle) noexcept override {
    unmap_(address(at), nbytes);
    release_(handle);
  }
  void* allocate(size_t nbytes, int) override {
    void* p = nullptr;
    const cudaError_t e = cudaMalloc(&p, nbytes);
    if (e == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      return nullptr;
    }
    check(e, "cudaMalloc");
    return p;
  }
  void deallocate(void* p, int) noexcept override { cudaFree(p); }
  void memory_info(int device, int64_t* free_bytes, int64_t* total_bytes) override {
    int before = 0;
    CLEW_CUDA(cudaGetDevice, &before);
    CLEW_CUDA(cudaSetDevice, device);
    size_t available = 0, total = 0;
    const cudaError_t e = cudaMemGetInfo(&available, &total);
    CLEW_CUDA(cudaSetDevice, before);
    check(e, "cudaMemGetInfo");
    *free_bytes = static_cast<int64_t>(available);
    *total_bytes = static_cast<int64_t>(total);
  }

  void* allocate_pinned(size_t nbytes) override {
    void* p = nullptr;
    const cudaError_t e = cudaHostAlloc(&p, nbytes, cudaHostAllocPortable);
    if (e == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      return nullptr;
    }
    check(e, "cudaHostAlloc");
    return p;
  }
  void deallocate_pinned(void* p) noexcept override { cudaFreeHost(p); }
  void copy(void* to, const void* from, size_t nbytes, Stream stream) override {
    CLEW_CUDA(cudaMemcpyAsync, to, from, nbytes, cudaMemcpyDefault, raw_stream(stream));
  }
  void copy_between(void* to, int to_device, const void* from, int from_device, size_t nbytes,
                    Stream stream) override {
    CLEW_CUDA(cudaMemcpyPeerAsync, to, to_device, from, from_device, nbytes, raw_stream(stream));
  }
  void fill_bytes(void* to, int value, size_t nbytes, Stream stream) override {
    CLEW_CUDA(cudaMemsetAsync, to, value, nbytes, raw_stream(stream));
  }

  Stream create_stream(int priority) override {
    cudaStream_t s = nullptr;
    int least = 0, greatest = 0;
    CLEW_CUDA(cudaDeviceGetStreamPriorityRange, &least, &greatest);
    // Work of these streams does not wait for the default one.
    CLEW_CUDA(cudaStreamCreateWithPriority, &s, cudaStreamNonBlocking, priority < 0 ? greatest : least);
    return s;
  }
  void synchronize_stream(Stream s) override { CLEW_CUDA(cudaStreamSynchronize, raw_stream(s)); }
  bool stream_done(Stream s) override { return done(cudaStreamQuery(raw_stream(s)), "cudaStreamQuery"); }
  Event create_event(bool timing) override {
    cudaEvent_t e = nullptr;
    CLEW_CUDA(cudaEventCreateWithFlags, &e, timing ? cudaEventDefault : cudaEventDisableTiming);
    return e;
  }
  void destroy_event(Event e) noexcept override { cudaEventDestroy(raw_event(e)); }
  void record_event(Event e, Stream s) override { CLEW_CUDA(cudaEventRecord, raw_event(e), raw_stream(s)); }
  void wait_event(Stream s, Event e) override {
    CLEW_CUDA(cudaStreamWaitEvent, raw_stream(s), raw_event(e), 0);
  }
  void synchronize_event(Event e) override { CLEW_CUDA(cudaEventSynchronize, raw_event(e)); }
  bool event_done(Event e) override { return done(cudaEventQuery(raw_event(e)), "cudaEventQuery"); }
  double elapsed_ms(Event start, Event end) override {
    float ms = 0;
    CLEW_CUDA(cudaEventElapsedTime, &ms, raw_event(start), raw_event(end));
    return static_cast<double>(ms);
  }

  void check_launch(const char* what) override { check(cudaGetLastError(), what); }

 private:
  static bool done(cudaError_t e, const char* call) {
    if (e == cudaErrorNotReady) {
      cudaGetLastError();
      return false;
    }
    check(e, call);
    return true;
  }
  static CUmemAllocationProp allocation(int device) {
    CUmemAllocationProp p{};
    p.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    p.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    p.location.id = device;
    return p;
  }

  int count_;
  decltype(&cuDeviceGetAttribute) attribute_ =
      entry_point<decltype(&cuDeviceGetAttribute)>("cuDeviceGetAttribute");
  decltype(&cuMemGetAllocationGranularity) granularity_ =
      entry_point<decltype(&cuMemGetAllocationGranularity)>("cuMemGetAllocationGranularity");
  decltype(&cuMemAddressReserve) reserve_ =
      entry_point<decltype(&cuMemAddressReserve)>("cuMemAddressReserve");
  decltype(&cuMemAddressFree) free_ = entry_point<decltype(&cuMemAddressFree)>("cuMemAddressFree");
  decltype(&cuMemCreate) create_ = entry_point<decltype(&cuMemCreate)>("cuMemCreate");
  decltype(&cuMemRelease) release_ = entry_point<decltype(&cuMemRelease)>("cuMemRelease");
  decltype(&cuMemMap) map_ = entry_point<decltype(&cuMemMap)>("cuMemMap");
  decltype(&cuMemUnmap) unmap_ = entry_point<decltype(&cuMemUnmap)>("cuMemUnmap");
  decltype(&cuMemSetAccess) access_ = entry_point<decltype(&cuMemSetAccess)>("cuMemSetAccess");
};

}  // namespace

Driver* make_driver(std::string* problem) {
  int count = 0;
  const cudaError_t e = cudaGetDeviceCount(&count);
  if (e == cudaSuccess && count > 0) return new CudaDriver(count);  // lives as long as the process
  cudaGetLastError();
  if (e == cudaErrorInsufficientDriver || e == cudaErrorStubLibrary) {
    *problem = detail::concat(
        "no NVIDIA driver for CUDA ", CUDA_VERSION / 1000, " was found (", cudaGetErrorString(e),
        "; install the driver from nvidia.com or your distribution, or use device='cpu')");
  } else if (e == cudaErrorNoDevice || e == cudaSuccess) {
    *problem =
        "the NVIDIA driver has no device to offer (check nvidia-smi and CUDA_VISIBLE_DEVICES, or use "
        "device='cpu')";
  } else {
    *problem = detail::concat("CUDA does not start: ", cudaGetErrorString(e), " (", cudaGetErrorName(e),
                              "; use device='cpu')");
  }
  return nullptr;
}

}  // namespace clew::cuda
