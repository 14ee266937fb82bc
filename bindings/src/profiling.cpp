// The profiler and autocast, as building blocks of clew.profiler and clew.amp.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

#include "bindings/src/python.h"
#include "bindings/src/tensor_type.h"
#include "clew/io/print_options.h"
#include "dispatch/autocast.h"
#include "dispatch/profiler.h"

namespace py = pybind11;

namespace clew::python {
namespace {

/// Something that is active on the thread that made it until `end()`, on the same thread.
template <class T>
class OnThread {
 public:
  template <class... A>
  explicit OnThread(const char* what, const A&... args)
      : what_(what), thread_(std::this_thread::get_id()), active_(std::make_unique<T>(args...)) {}
  ~OnThread() {
    // Unlinking belongs to the thread it is linked into; elsewhere a leak is the lesser evil.
    if (active_ != nullptr && std::this_thread::get_id() != thread_) (void)active_.release();
  }
  OnThread(OnThread&&) = default;
  T& get() const {
    CLEW_CHECK(active_ != nullptr, ValueError, what_,
               ": expected a context that is still active, got one that ended");
    CLEW_CHECK(std::this_thread::get_id() == thread_, ValueError, what_,
               ": expected to end on the thread that it began on, got another thread");
    return *active_;
  }
  void end() {
    get();
    active_.reset();
  }

 private:
  const char* what_;
  std::thread::id thread_;
  std::unique_ptr<T> active_;
};

using ProfilerHandle = OnThread<Profiler>;
using RangeHandle = OnThread<RecordFunction>;
using AutocastHandle = OnThread<AutocastScope>;

py::object dtype_object(DType t) { return py::reinterpret_steal<py::object>(check(from_dtype(t))); }

py::list shape_list(const std::vector<Shape>& shapes) {
  py::list out;
  for (const Shape& s : shapes) {
    py::list sizes;
    for (int64_t n : s) sizes.append(n);
    out.append(sizes);
  }
  return out;
}

std::string line_text(const ProfileEvent& e) {
  if (e.line.code == nullptr || autograd::describe_provenance == nullptr) return "";
  return autograd::describe_provenance(e.line);
}

py::list event_list(const Profile& profile) {
  py::list out;
  for (const ProfileEvent& e : profile.events)
    out.append(py::make_tuple(e.name, e.is_op, e.parent, e.start_ns, e.duration_ns,
                              e.duration_ns - e.inner_ns, shape_list(e.shapes), e.memory_bytes,
                              e.memory_bytes - e.inner_bytes, line_text(e)));
  return out;
}

py::list row_list(const Profile& profile, bool by_shape) {
  py::list out;
  for (const ProfileRow& r : profile.summary(by_shape))
    out.append(py::make_tuple(r.name, r.count, r.total_ns, r.self_ns, shape_list(r.shapes), r.total_bytes,
                              r.self_bytes));
  return out;
}

std::string chrome_trace(const Profile& profile) {
  std::ostringstream out;
  profile.write_chrome_trace(out);
  return out.str();
}

Device device_of_kind(bool cuda) { return cuda ? Device{DeviceType::CUDA, 0} : kCPU; }

AutocastHandle begin_autocast(bool cuda, py::handle dtype, bool enabled, bool cache_enabled) {
  AutocastOptions options{.device = device_of_kind(cuda), .enabled = enabled, .cache_enabled = cache_enabled};
  CLEW_CHECK(to_dtype(dtype.ptr(), options.dtype), TypeError, "autocast: expected a dtype, got ",
             Py_TYPE(dtype.ptr())->tp_name);
  return AutocastHandle("autocast", options);
}

/// The dtype of the autocast in force on this thread for a kind of device, or None.
py::object autocast_dtype(bool cuda) {
  const AutocastScope* scope = AutocastScope::current(device_of_kind(cuda).type);
  if (scope == nullptr || !scope->options().enabled) return py::none();
  return dtype_object(scope->options().dtype);
}

}  // namespace

void init_profiling(py::module_& m) {
  py::class_<Profile>(m, "_Profile", py::module_local())
      .def_readonly("thread", &Profile::thread)
      .def("events", &event_list)
      .def("summary", &row_list, py::arg("by_shape") = false)
      .def("chrome_trace", &chrome_trace);
  py::class_<ProfilerHandle>(m, "_Profiler", py::module_local())
      .def(py::init([](bool record_shapes, bool memory, bool lines) {
             return ProfilerHandle("profile", record_shapes, memory, lines);
           }),
           py::arg("record_shapes") = false, py::arg("memory") = false, py::arg("lines") = false)
      .def("end", [](ProfilerHandle& h) {
        Profile profile = h.get().take();
        h.end();
        return profile;
      });
  py::class_<RangeHandle>(m, "_RecordFunction", py::module_local())
      .def(py::init([](const std::string& name) { return RangeHandle("record_function", name); }))
      .def("end", &RangeHandle::end);
  py::class_<AutocastHandle>(m, "_Autocast", py::module_local())
      .def(py::init(&begin_autocast), py::arg("cuda"), py::arg("dtype"), py::arg("enabled") = true,
           py::arg("cache_enabled") = true)
      .def("end", &AutocastHandle::end);
  m.def("_autocast_dtype", &autocast_dtype, py::arg("cuda"));
  m.def("_get_print_options", [] {
    const PrintOptions& o = print_options();
    return py::make_tuple(o.precision, o.threshold, o.edge_items, o.line_width, o.sci_mode);
  });
  m.def("_set_print_options", [](int precision, int64_t threshold, int64_t edge_items, int line_width,
                                 std::optional<bool> sci_mode) {
    print_options() = {.precision = precision,
                       .threshold = threshold,
                       .edge_items = edge_items,
                       .line_width = line_width,
                       .sci_mode = sci_mode};
  });
}

}  // namespace clew::python
