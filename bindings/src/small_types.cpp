// The small Python types around `clew.Tensor`: dtype, device, Size.
#include "bindings/src/tensor_type.h"

// CPython fills the slots that are left out.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace clew::python {
namespace {

struct PyDType {
  PyObject_HEAD DType dtype;
};
PyObject* dtype_objects[kDTypeCount];

PyObject* dtype_repr(PyObject* p) {
  return PyUnicode_FromFormat("clew.%s", name(reinterpret_cast<PyDType*>(p)->dtype));
}
PyObject* dtype_reduce(PyObject* p, PyObject*) {
  return PyUnicode_FromString(name(reinterpret_cast<PyDType*>(p)->dtype));
}
PyObject* dtype_floating(PyObject* p, void*) {
  return PyBool_FromLong(is_floating(reinterpret_cast<PyDType*>(p)->dtype));
}
PyObject* dtype_complex(PyObject* p, void*) {
  return PyBool_FromLong(is_complex(reinterpret_cast<PyDType*>(p)->dtype));
}
PyObject* dtype_signed(PyObject* p, void*) {
  const DType t = reinterpret_cast<PyDType*>(p)->dtype;
  return PyBool_FromLong(t != DType::Bool && t != DType::UInt8);
}
PyObject* dtype_itemsize(PyObject* p, void*) {
  return PyLong_FromSize_t(item_size(reinterpret_cast<PyDType*>(p)->dtype));
}
PyGetSetDef dtype_getters[] = {
    {"is_floating_point", dtype_floating, nullptr, "True for floating dtypes.", nullptr},
    {"is_complex", dtype_complex, nullptr, "True for complex dtypes.", nullptr},
    {"is_signed", dtype_signed, nullptr, "True for dtypes with negative values.", nullptr},
    {"itemsize", dtype_itemsize, nullptr, "Bytes per element.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
// Pickles by name, so that identity survives.
PyMethodDef dtype_methods[] = {{"__reduce__", dtype_reduce, METH_NOARGS, nullptr},
                               {nullptr, nullptr, 0, nullptr}};
PyTypeObject DTypeType = {.ob_base = {PyObject_HEAD_INIT(nullptr) 0},
                          .tp_name = "clew.dtype",
                          .tp_basicsize = sizeof(PyDType),
                          .tp_repr = dtype_repr,
                          .tp_flags = Py_TPFLAGS_DEFAULT,
                          .tp_doc = "Element type of a tensor.",
                          .tp_methods = dtype_methods,
                          .tp_getset = dtype_getters};

struct PyDevice {
  PyObject_HEAD Device device;
};
PyObject* device_new(PyTypeObject* type, PyObject* args, PyObject* kwargs);
PyObject* device_repr(PyObject* p) {
  const Device d = reinterpret_cast<PyDevice*>(p)->device;
  static const char* const kinds[] = {"cpu", "cuda", "meta"};
  const char* kind = kinds[static_cast<int>(d.type)];
  if (d.type != DeviceType::CUDA) return PyUnicode_FromFormat("device(type='%s')", kind);
  return PyUnicode_FromFormat("device(type='%s', index=%d)", kind, d.index);
}
PyObject* device_str(PyObject* p) {
  return PyUnicode_FromString(reinterpret_cast<PyDevice*>(p)->device.str().c_str());
}
PyObject* device_type(PyObject* p, void*) {
  static const char* const kinds[] = {"cpu", "cuda", "meta"};
  return PyUnicode_FromString(kinds[static_cast<int>(reinterpret_cast<PyDevice*>(p)->device.type)]);
}
PyObject* device_index(PyObject* p, void*) {
  const Device d = reinterpret_cast<PyDevice*>(p)->device;
  return d.type == DeviceType::CUDA ? PyLong_FromLong(d.index) : Py_NewRef(Py_None);
}
Py_hash_t device_hash(PyObject* p) {
  const Device d = reinterpret_cast<PyDevice*>(p)->device;
  return static_cast<int>(d.type) * 256 + d.index;
}
PyObject* device_compare(PyObject* a, PyObject* b, int how);
PyGetSetDef device_getters[] = {
    {"type", device_type, nullptr, "'cpu', 'cuda' or 'meta'.", nullptr},
    {"index", device_index, nullptr, "Number of the CUDA device, or None.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyTypeObject DeviceType_ = {.ob_base = {PyObject_HEAD_INIT(nullptr) 0},
                            .tp_name = "clew.device",
                            .tp_basicsize = sizeof(PyDevice),
                            .tp_repr = device_repr,
                            .tp_hash = device_hash,
                            .tp_str = device_str,
                            .tp_flags = Py_TPFLAGS_DEFAULT,
                            .tp_doc = "Where a tensor lives: device('cpu'), device('cuda', 1).",
                            .tp_richcompare = device_compare,
                            .tp_getset = device_getters,
                            .tp_new = device_new};

PyObject* device_compare(PyObject* a, PyObject* b, int how) {
  if ((how != Py_EQ && how != Py_NE) || Py_TYPE(a) != &DeviceType_ || Py_TYPE(b) != &DeviceType_)
    Py_RETURN_NOTIMPLEMENTED;
  const bool same = reinterpret_cast<PyDevice*>(a)->device == reinterpret_cast<PyDevice*>(b)->device;
  return PyBool_FromLong(same == (how == Py_EQ));
}

PyObject* device_new(PyTypeObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* keywords[] = {"type", "index", nullptr};
    PyObject* type = nullptr;
    int index = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|i", const_cast<char**>(keywords), &type, &index))
      throw PythonError();
    Device d;
    CLEW_CHECK(to_device(type, d), TypeError, "device: expected a string or a device, got ",
               Py_TYPE(type)->tp_name);
    CLEW_CHECK(index >= -1 && index < 128, ValueError, "device: expected index in [0, 127], got ", index);
    if (index >= 0 && d.type == DeviceType::CUDA) d.index = static_cast<int8_t>(index);
    return from_device(d);
  });
}

PyObject* size_numel(PyObject* p, PyObject*) {
  long long n = 1;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(p); ++i) n *= PyLong_AsLongLong(PyTuple_GET_ITEM(p, i));
  return PyLong_FromLongLong(n);
}
PyObject* size_repr(PyObject* p) {
  const Object list(PySequence_List(p));
  return list ? PyUnicode_FromFormat("clew.Size(%R)", list.get()) : nullptr;
}
PyMethodDef size_methods[] = {{"numel", size_numel, METH_NOARGS, "Product of the sizes."},
                              {nullptr, nullptr, 0, nullptr}};
PyTypeObject SizeType = {.ob_base = {PyObject_HEAD_INIT(nullptr) 0},
                         .tp_name = "clew.Size",
                         .tp_repr = size_repr,
                         .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_TUPLE_SUBCLASS,
                         .tp_doc = "Sizes of a tensor: a tuple of ints.",
                         .tp_methods = size_methods};

}  // namespace

PyObject* from_dtype(DType t) { return Py_NewRef(dtype_objects[static_cast<int>(t)]); }

bool to_dtype(PyObject* p, DType& out) {
  if (Py_TYPE(p) == &DTypeType) {
    out = reinterpret_cast<PyDType*>(p)->dtype;
    return true;
  }
  if (p == reinterpret_cast<PyObject*>(&PyFloat_Type)) {
    out = default_dtype();
  } else if (p == reinterpret_cast<PyObject*>(&PyLong_Type)) {
    out = DType::Int64;
  } else if (p == reinterpret_cast<PyObject*>(&PyBool_Type)) {
    out = DType::Bool;
  } else {
    return false;
  }
  return true;
}

PyObject* from_device(Device d) {
  PyObject* p = check(DeviceType_.tp_alloc(&DeviceType_, 0));
  reinterpret_cast<PyDevice*>(p)->device = d;
  return p;
}

bool to_device(PyObject* p, Device& out) {
  if (Py_TYPE(p) == &DeviceType_) {
    out = reinterpret_cast<PyDevice*>(p)->device;
    return true;
  }
  if (PyLong_Check(p) && !PyBool_Check(p)) {
    const long i = PyLong_AsLong(p);
    CLEW_CHECK(i >= 0 && i < 128, ValueError, "device: expected index in [0, 127], got ", i);
    out = Device(DeviceType::CUDA, static_cast<int8_t>(i));
    return true;
  }
  if (!PyUnicode_Check(p)) return false;
  const char* text = PyUnicode_AsUTF8(p);
  if (text == nullptr) throw PythonError();
  out = Device(std::string_view(text));
  return true;
}

PyObject* from_sizes(IntArrayRef sizes) {
  PyObject* p = check(SizeType.tp_alloc(&SizeType, static_cast<Py_ssize_t>(sizes.size())));
  for (size_t i = 0; i < sizes.size(); ++i)
    PyTuple_SET_ITEM(p, static_cast<Py_ssize_t>(i), PyLong_FromLongLong(sizes[i]));
  return p;
}

void init_small_types(PyObject* module) {
  SizeType.tp_base = &PyTuple_Type;
  check(PyType_Ready(&SizeType));
  check(PyType_Ready(&DTypeType));
  check(PyType_Ready(&DeviceType_));
  check(PyModule_AddObjectRef(module, "Size", reinterpret_cast<PyObject*>(&SizeType)));
  check(PyModule_AddObjectRef(module, "dtype", reinterpret_cast<PyObject*>(&DTypeType)));
  check(PyModule_AddObjectRef(module, "device", reinterpret_cast<PyObject*>(&DeviceType_)));
  for (int i = 0; i < kDTypeCount; ++i) {
    PyObject* p = check(DTypeType.tp_alloc(&DTypeType, 0));
    reinterpret_cast<PyDType*>(p)->dtype = static_cast<DType>(i);
    dtype_objects[i] = p;
    check(PyModule_AddObjectRef(module, name(static_cast<DType>(i)), p));
  }
}

}  // namespace clew::python
