// clew._C's share of clew.cuda: devices, memory figures, streams and events of the backend.
#include <string>

#include "bindings/src/caster.h"
#include "bindings/src/python.h"
#include "clew/autograd/grad_mode.h"
#include "clew/core/thread_state.h"
#include "clew/ops/ops.h"
#include "core/backend.h"
#include "core/library_switches.h"

namespace clew::python {
namespace py = pybind11;
namespace {

/// The device that `index` means; -1 is the current one.
Device cuda_device(int index) {
  return {DeviceType::CUDA, index < 0 ? thread_state.cuda_device : static_cast<int8_t>(index)};
}
const Backend& backend(const char* what, Device device) { return require_cuda(what, device); }

struct CudaStream {
  Device device;
  void* handle = nullptr;

  uintptr_t address() const { return reinterpret_cast<uintptr_t>(handle); }
};

class CudaEvent {
 public:
  CudaEvent(int index, bool timing)
      : device_(cuda_device(index)),
        handle_(backend("cuda.Event", device_).event_create(device_.index, timing)),
        timing_(timing) {}
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  ~CudaEvent() { find_cuda_backend()->event_destroy(device_.index, handle_); }

  void record(const CudaStream& s) {
    CLEW_CHECK(s.device == device_, DeviceError, "cuda.Event.record: expected a stream of ", device_,
               ", got ", s.device);
    use().event_record(device_.index, handle_, s.handle);
    recorded_ = true;
  }
  void wait(const CudaStream& s) { use().event_wait(s.device.index, handle_, s.handle); }
  void synchronize() { use().event_synchronize(device_.index, handle_); }
  bool query() { return use().event_done(device_.index, handle_); }
  double elapsed_time(const CudaEvent& end) const {
    CLEW_CHECK(timing_ && end.timing_, ValueError,
               "cuda.Event.elapsed_time: expected events with enable_timing=True, got one without");
    CLEW_CHECK(recorded_ && end.recorded_, ValueError,
               "cuda.Event.elapsed_time: expected recorded events, got one that was not recorded");
    return use().event_elapsed_ms(device_.index, handle_, end.handle_);
  }

 private:
  static const Backend& use() { return *find_cuda_backend(); }
  Device device_;
  void* handle_;
  bool timing_;
  bool recorded_ = false;
};

py::dict figures(const DeviceMemoryStats& s) {
  py::dict d;
  const auto add = [&d](const char* name, const DeviceMemoryStats::Figure& f) {
    d[py::str(std::string(name) + "_bytes.all.current")] = f.current;
    d[py::str(std::string(name) + "_bytes.all.peak")] = f.peak;
  };
  add("allocated", s.allocated);
  add("requested", s.requested);
  add("reserved", s.reserved);
  add("active", s.active);
  d["allocation.all.allocated"] = s.allocations;
  d["num_alloc_retries"] = s.retries;
  d["num_ooms"] = s.failures;
  return d;
}

}  // namespace

void init_cuda(py::module_& m) {
  const auto release = py::call_guard<py::gil_scoped_release>();
  m.def("_cuda_problem", &cuda_problem, release);
  m.def("_cuda_is_loaded", &cuda_is_loaded);
  m.def("_cuda_require", [](const char* what, int index) { backend(what, cuda_device(index)); }, release);
  m.def(
      "_cuda_device_count",
      [] {
        const Backend* b = find_cuda_backend();
        return b != nullptr ? b->device_count() : 0;
      },
      release);
  m.def("_cuda_current_device", [] { return static_cast<int>(thread_state.cuda_device); });
  m.def("_cuda_set_device", [](int index) { thread_state.cuda_device = cuda_device(index).index; });
  m.def("_cuda_properties", [](int index) {
    const Device d = cuda_device(index);
    const DeviceProperties p = backend("cuda.get_device_properties", d).properties(d.index);
    return py::make_tuple(p.name, p.major, p.minor, p.multiprocessors, p.total_bytes);
  });
  m.def(
      "_cuda_synchronize",
      [](int index) {
        const Device d = cuda_device(index);
        backend("cuda.synchronize", d).synchronize(d.index);
      },
      release);
  m.def("_cuda_memory_stats", [](int index) {
    const Device d = cuda_device(index);
    return figures(backend("cuda.memory_stats", d).memory_stats(d.index));
  });
  m.def("_cuda_reset_peaks", [](int index) {
    const Device d = cuda_device(index);
    backend("cuda.reset_peak_memory_stats", d).reset_peaks(d.index);
  });
  m.def("_cuda_empty_cache", [] { find_cuda_backend()->empty_cache(); }, release);
  m.def("_cuda_memory_info", [](int index) {
    const Device d = cuda_device(index);
    int64_t free_bytes = 0, total_bytes = 0;
    backend("cuda.mem_get_info", d).memory_info(d.index, &free_bytes, &total_bytes);
    return py::make_tuple(free_bytes, total_bytes);
  });
  m.def("_cuda_record_stream", [](const Tensor& t, const CudaStream& s) {
    CLEW_CHECK(t.is_cuda() && t.device() == s.device, DeviceError,
               "record_stream: expected a tensor on the stream's device ", s.device, ", got one on ",
               t.device());
    find_cuda_backend()->record_stream(t.storage()->data(), t.device().index, s.handle);
  });
  m.def("_cuda_new_stream", [](int index, int priority) {
    const Device d = cuda_device(index);
    return CudaStream{d, backend("cuda.Stream", d).stream_from_pool(d.index, priority)};
  });
  m.def("_cuda_current_stream", [](int index) {
    const Device d = cuda_device(index);
    return CudaStream{d, backend("cuda.current_stream", d).current_stream(d.index)};
  });
  m.def("_cuda_default_stream", [](int index) {
    const Device d = cuda_device(index);
    backend("cuda.default_stream", d);
    return CudaStream{d, nullptr};
  });
  m.def("_cuda_set_stream",
        [](const CudaStream& s) { find_cuda_backend()->set_current_stream(s.device.index, s.handle); });

  m.def(
      "_pin_memory",
      [](const Tensor& t) {
        CLEW_CHECK(t.is_cpu(), DeviceError, "pin_memory: expected a tensor on cpu, got one on ", t.device());
        const Backend& b = backend("pin_memory", cuda_device(-1));
        const NoGradGuard no_grad;
        const size_t nbytes = static_cast<size_t>(t.numel()) * item_size(t.dtype());
        if (nbytes == 0) return t.detach().clone();
        const Tensor pinned = from_blob(
            b.allocate_pinned(nbytes), t.sizes(), [&b](void* p) { b.deallocate_pinned(p); },
            TensorOptions(t.dtype()));
        pinned.copy_(t.detach());
        return pinned;
      },
      release);
  m.def("_is_pinned", [](const Tensor& t) {
    return t.is_cpu() && cuda_is_loaded() && t.numel() > 0 &&
           find_cuda_backend()->is_pinned(t.raw_data(), item_size(t.dtype()));
  });
  m.def("_set_library_switch", [](const std::string& name, bool on) {
    LibrarySwitches& s = library_switches();
    for (auto& [known, value] : {std::pair<const char*, std::atomic<bool>*>{"cublas", &s.cublas},
                                 {"matmul_tf32", &s.matmul_tf32},
                                 {"cudnn", &s.cudnn},
                                 {"cudnn_tf32", &s.cudnn_tf32},
                                 {"cudnn_benchmark", &s.cudnn_benchmark},
                                 {"cudnn_deterministic", &s.cudnn_deterministic}}) {
      if (name == known) return value->store(on);
    }
    CLEW_ASSERT(false);
  });
  // (version, what is missing): one of the two is empty.
  m.def(
      "_cuda_library_version",
      [](const std::string& name) {
        const Backend* b = find_cuda_backend();
        std::string problem = b == nullptr ? cuda_problem() : "";
        const int64_t version = b == nullptr ? 0 : b->library_version(name.c_str(), &problem);
        return std::pair(version, problem);
      },
      release);

  py::class_<CudaStream>(m, "_CudaStream")
      .def_property_readonly("device", [](const CudaStream& s) { return s.device; })
      .def_property_readonly("address", &CudaStream::address)
      .def(
          "synchronize",
          [](const CudaStream& s) { find_cuda_backend()->stream_synchronize(s.device.index, s.handle); },
          release)
      .def("query",
           [](const CudaStream& s) { return find_cuda_backend()->stream_done(s.device.index, s.handle); });
  py::class_<CudaEvent>(m, "_CudaEvent")
      .def(py::init<int, bool>(), py::arg("device") = -1, py::arg("timing") = false)
      .def("record", &CudaEvent::record)
      .def("wait", &CudaEvent::wait)
      .def("synchronize", &CudaEvent::synchronize, release)
      .def("query", &CudaEvent::query)
      .def("elapsed_time", &CudaEvent::elapsed_time);
}

}  // namespace clew::python
