// The extension module clew._C.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/src/autograd.h"
#include "bindings/src/caster.h"
#include "clew/core/memory.h"
#include "clew/core/parallel.h"
#include "clew/ops/ops.h"
#include "clew/registry/op_table.h"

namespace py = pybind11;

namespace clew::python {

void init_autograd(py::module_& m);
void init_profiling(py::module_& m);
void init_optim(py::module_& m);
void init_cuda(py::module_& m);

const Generator* to_generator(PyObject* p) {
  const py::handle h(p);
  return py::isinstance<Generator>(h) ? &h.cast<Generator&>() : nullptr;
}

namespace {

void init_random(py::module_& m) {
  py::class_<Generator>(m, "Generator",
                        "A stream of random numbers (Philox).\n\nReference:\n    Salmon et al. Parallel "
                        "Random Numbers: As Easy as 1, 2, 3. 2011.")
      .def(py::init([](const py::object& device) {
             Device d;
             if (!device.is_none())
               CLEW_CHECK(to_device(device.ptr(), d) && d.type == DeviceType::CPU, DeviceError,
                          "Generator: expected device 'cpu', got ", d);
             return Generator();
           }),
           py::arg("device") = py::none())
      .def("manual_seed",
           [](py::object self, int64_t seed) {
             self.cast<Generator&>().manual_seed(static_cast<uint64_t>(seed));
             return self;
           })
      .def("initial_seed", &Generator::initial_seed)
      .def("seed",
           [](Generator& g) {
             const auto seed = py::module_::import("secrets").attr("randbits")(63).cast<uint64_t>();
             g.manual_seed(seed);
             return seed;
           })
      .def("get_state", [](const Generator& g) { return py::make_tuple(g.state().seed, g.state().offset); })
      .def("set_state",
           [](Generator& g, const std::pair<uint64_t, uint64_t>& s) { g.set_state({s.first, s.second}); })
      .def_property_readonly("device", [](const Generator&) { return Device(); });
  m.def(
      "manual_seed",
      [](int64_t seed) {
        manual_seed(static_cast<uint64_t>(seed));
        return default_generator();
      },
      "Seeds the default generator of every device and returns the CPU's.", py::arg("seed"));
  m.def("initial_seed", [] { return default_generator().initial_seed(); }, "Seed of the default generator.");
  m.attr("default_generator") = default_generator();
}

// The data of a contiguous CPU tensor as bytes that share memory; the caller keeps the tensor alive.
py::object tensor_bytes(const py::object& tensor, bool writable) {
  const Tensor& t = as_tensor(tensor.ptr());
  CLEW_CHECK(t.is_contiguous() && t.is_cpu(), ValueError,
             "_tensor_bytes: expected a contiguous tensor on the CPU, got strides ", t.strides());
  py::object view =
      py::memoryview::from_memory(t.raw_data(), static_cast<py::ssize_t>(t.nbytes()), !writable);
  return view;
}

Tensor tensor_from_bytes(const py::buffer& buffer, size_t offset, DType dtype,
                         const std::vector<int64_t>& shape) {
  const py::buffer_info info = buffer.request();
  Shape sizes(shape.begin(), shape.end());
  int64_t n = 1;
  for (int64_t s : shape)
    CLEW_CHECK(s >= 0 && !__builtin_mul_overflow(n, s, &n), ValueError,
               "_tensor_from_bytes: expected sizes >= 0, got ", sizes);
  const size_t have = static_cast<size_t>(info.size * info.itemsize);
  int64_t need = 0;
  CLEW_CHECK(!__builtin_mul_overflow(n, static_cast<int64_t>(item_size(dtype)), &need) && offset <= have &&
                 static_cast<size_t>(need) <= have - offset,
             ValueError, "_tensor_from_bytes: expected ", n, " elements of ", dtype, " at offset ", offset,
             ", got a buffer of ", have, " bytes");
  Tensor t = empty(sizes, TensorOptions(dtype));
  if (need != 0)
    std::memcpy(t.raw_data(), static_cast<const char*>(info.ptr) + offset, static_cast<size_t>(need));
  return t;
}

// A tensor on the memory of a writable buffer, which lives as long as the tensor's storage.
Tensor tensor_on_buffer(const py::object& source, size_t offset, DType dtype,
                        const std::vector<int64_t>& shape) {
  const Object view(check(PyMemoryView_FromObject(source.ptr())));
  const Py_buffer& buffer = *PyMemoryView_GET_BUFFER(view.get());
  const Shape sizes(shape.begin(), shape.end());
  int64_t n = 1;
  for (int64_t s : shape)
    CLEW_CHECK(s >= 0 && !__builtin_mul_overflow(n, s, &n), ValueError,
               "_tensor_on_buffer: expected sizes >= 0, got ", sizes);
  const size_t have = static_cast<size_t>(buffer.len);
  int64_t need = 0;
  CLEW_CHECK(!__builtin_mul_overflow(n, static_cast<int64_t>(item_size(dtype)), &need) && offset <= have &&
                 static_cast<size_t>(need) <= have - offset,
             ValueError, "_tensor_on_buffer: expected ", n, " elements of ", dtype, " at offset ", offset,
             ", got a buffer of ", have, " bytes");
  CLEW_CHECK(buffer.readonly == 0 && PyBuffer_IsContiguous(&buffer, 'C') != 0, ValueError,
             "_tensor_on_buffer: expected a writable contiguous buffer");
  char* const data = static_cast<char*>(buffer.buf) + offset;
  CLEW_CHECK(reinterpret_cast<uintptr_t>(data) % item_size(dtype) == 0, ValueError,
             "_tensor_on_buffer: expected an address that is a multiple of ", item_size(dtype));
  Shape strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<int64_t>(sizes[i], 1);
  auto keep = std::make_shared<SharedObject>(view.get());
  return from_blob(data, sizes, strides, [keep](void*) {}, dtype);
}

std::optional<DType> optional_dtype(const py::object& o, const char* op) {
  if (o.is_none()) return std::nullopt;
  DType t;
  CLEW_CHECK(to_dtype(o.ptr(), t), TypeError, op, ": expected a dtype, got ", Py_TYPE(o.ptr())->tp_name);
  return t;
}
std::optional<Device> optional_device(const py::object& o, const char* op) {
  if (o.is_none()) return std::nullopt;
  Device d;
  CLEW_CHECK(to_device(o.ptr(), d), TypeError, op, ": expected a device, got ", Py_TYPE(o.ptr())->tp_name);
  return d;
}

void init_data(py::module_& m) {
  m.def(
      "tensor",
      [](const py::object& data, const py::object& dtype, const py::object& device, bool requires_grad) {
        Tensor t = tensor_from_data(data.ptr(), optional_dtype(dtype, "tensor"),
                                    optional_device(device, "tensor"), true);
        return t.set_requires_grad(requires_grad);
      },
      "A new tensor with a copy of `data`: a number, nested sequences, an array or a tensor.\n\nArgs:\n    "
      "data: what to copy.\n"
      "    dtype: element type; default inferred (bool, int64, or the default floating dtype).\n    device: "
      "where to put it.\n"
      "    requires_grad: whether backward should reach it.\nReturns:\n    Tensor.\nRaises:\n    ValueError: "
      "nested sequences of unequal length.\n"
      "Example:\n    >>> clew.tensor([[1, 2], [3, 4]]).tolist()\n    [[1, 2], [3, 4]]",
      py::arg("data"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false);
  m.def(
      "as_tensor",
      [](const py::object& data, const py::object& dtype, const py::object& device) {
        return tensor_from_data(data.ptr(), optional_dtype(dtype, "as_tensor"),
                                optional_device(device, "as_tensor"), false);
      },
      "A tensor of `data`, sharing memory where that is possible.\n\nExample:\n    >>> "
      "clew.as_tensor([1.0]).tolist()\n    [1.0]",
      py::arg("data"), py::arg("dtype") = py::none(), py::arg("device") = py::none());
  m.def(
      "from_numpy", [](const py::object& array) { return from_numpy(array.ptr()); },
      "A tensor that shares memory with a NumPy array.\n\nRaises:\n    TypeError: not an array, or of a "
      "dtype without twin.",
      py::arg("array"));
  m.def(
      "from_dlpack", [](const py::object& o) { return from_dlpack(o.ptr()); },
      "A tensor that shares memory with any object that speaks DLPack.", py::arg("object"));
  m.def("_to_numpy", [](const Tensor& t) { return py::reinterpret_steal<py::object>(to_numpy(t)); });
  m.def(
      "_to",
      [](const Tensor& t, const py::object& dtype, const py::object& device, bool copy, bool non_blocking) {
        const auto d = optional_dtype(dtype, "to");
        const auto v = optional_device(device, "to");
        const py::gil_scoped_release release;
        return t.to(d, v, copy, non_blocking);
      },
      py::arg("tensor"), py::arg("dtype"), py::arg("device"), py::arg("copy"),
      py::arg("non_blocking") = false);
  m.def(
      "equal", [](const Tensor& a, const Tensor& b) { return equal(a, b); },
      "True when shapes and all values are equal.\n\nExample:\n    >>> clew.equal(clew.ones(2), "
      "clew.ones(2))\n    True",
      py::arg("input"), py::arg("other"));
  m.def("_as_subclass", [](const Tensor& t, const py::type& type) {
    auto* python_type = reinterpret_cast<PyTypeObject*>(type.ptr());
    CLEW_CHECK(PyType_IsSubtype(python_type, &TensorType), TypeError,
               "_as_subclass: expected a subclass of Tensor, got ", python_type->tp_name);
    return py::reinterpret_steal<py::object>(wrap_as(python_type, t.detach()));
  });
  m.def("_set_method", [](const std::string& name, const py::object& value) {
    check(PyDict_SetItemString(TensorType.tp_dict, name.c_str(), value.ptr()));
    PyType_Modified(&TensorType);
  });
  m.def("_tensor_bytes", &tensor_bytes, py::arg("tensor"), py::arg("writable") = false);
  m.def("_tensor_from_bytes", &tensor_from_bytes);
  m.def("_tensor_on_buffer", &tensor_on_buffer);
  m.def(
      "op_table",
      [](const std::optional<std::string>& library) {
        return py::reinterpret_steal<py::object>(op_table_for_python(library ? library->c_str() : nullptr));
      },
      py::arg("library") = py::none());
  m.def("_library_ops", [](const std::string& library) {
    return py::reinterpret_steal<py::object>(library_ops(library.c_str()));
  });
  m.def("_libraries", [] {
    // By name, what tells a library from the one whose place it took.
    std::vector<std::pair<std::string, uintptr_t>> found;
    for (const OpLibrary* library : libraries())
      found.emplace_back(library->name, reinterpret_cast<uintptr_t>(library));
    return found;
  });
  m.def("_load_library", [](const std::string& path, bool replace) { load_library(path.c_str(), replace); });
}

void init_state(py::module_& m) {
  m.def("get_default_dtype", &default_dtype, "The floating dtype of new tensors.");
  m.def(
      "set_default_dtype",
      [](const py::object& d) { set_default_dtype(*optional_dtype(d, "set_default_dtype")); },
      "Sets the floating dtype of new tensors.", py::arg("dtype"));
  m.def("promote_types", &promote_types, "The dtype of a result of two dtypes.", py::arg("type1"),
        py::arg("type2"));
  m.def("get_num_threads", &get_num_threads, "Threads that ops use.");
  m.def("set_num_threads", &set_num_threads, "Sets the threads that ops use.", py::arg("n"));
  m.def(
      "memory_stats",
      [] {
        const MemoryStats s = cpu_memory_stats();
        py::dict d;
        d["allocated_bytes"] = s.allocated_bytes;
        d["peak_allocated_bytes"] = s.peak_allocated_bytes;
        d["cached_bytes"] = s.cached_bytes;
        d["allocations"] = s.allocations;
        return d;
      },
      "CPU memory held by tensors and the tape, its peak, and what is cached, in bytes.");
  m.def("reset_peak_memory", &reset_peak_cpu_memory, "Lets the peak of memory_stats() start anew.");
  m.def("empty_cache", &empty_cpu_cache, "Gives cached CPU memory back to the system.");
  m.def("set_memory_limit", &set_cpu_memory_limit,
        "Refuses CPU allocations past `limit_bytes`; 0 means no limit.", py::arg("limit_bytes"));
}

}  // namespace
}  // namespace clew::python

PYBIND11_MODULE(_C, m) {
  namespace cp = clew::python;
  try {
    cp::init_errors(m.ptr());
    cp::init_tensor_type(m.ptr());
    cp::init_ops(m.ptr());
  } catch (const cp::PythonError&) {
    throw py::error_already_set();
  }
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const clew::Error&) {
      cp::set_python_error();
    } catch (const cp::PythonError&) {
    }
  });
  cp::init_random(m);
  cp::init_data(m);
  cp::init_state(m);
  cp::init_autograd(m);
  cp::init_optim(m);
  cp::init_cuda(m);
  cp::init_profiling(m);
}
