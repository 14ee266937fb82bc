// The hand-written Python type `clew.Tensor` and the small types around it.
#pragma once

#include "bindings/src/python.h"
#include "clew/core/tensor.h"

namespace clew::python {

struct PyTensor {
  PyObject_HEAD Tensor tensor;
  PyObject* dict;
  PyObject* weak_references;
};

extern PyTypeObject TensorType;

inline bool is_tensor(PyObject* p) {
  return Py_TYPE(p) == &TensorType || PyType_IsSubtype(Py_TYPE(p), &TensorType);
}
/// The C++ tensor inside; `p` must be a tensor.
inline const Tensor& as_tensor(PyObject* p) { return reinterpret_cast<PyTensor*>(p)->tensor; }
/// The wrapper of `t`: the same object for as long as Python holds it. None for an undefined tensor.
PyObject* wrap(const Tensor& t);
/// A fresh wrapper of class `type` for a tensor that has none.
PyObject* wrap_as(PyTypeObject* type, Tensor t);

/// A number (bool, int, float, NumPy scalar) as Scalar; false without an error set if it is none.
bool to_scalar(PyObject* p, Scalar& out);
/// Tensor operand of an op: a tensor, or a number as a weak scalar held in `storage`. Null without an error
/// if neither.
const Tensor* to_operand(PyObject* p, Tensor& storage);

PyObject* from_dtype(DType t);           // new reference to clew.float32 and so on
bool to_dtype(PyObject* p, DType& out);  // also accepts float, int, bool
PyObject* from_device(Device d);
bool to_device(PyObject* p, Device& out);  // device object, "cuda:1"; throws ValueError on bad text
PyObject* from_sizes(IntArrayRef sizes);   // clew.Size
PyObject* from_scalar(const Scalar& s);

/// `x[key]` and `x[key] = value`.
PyObject* get_item(PyObject* self, PyObject* key);
int set_item(PyObject* self, PyObject* key, PyObject* value);

/// Data exchange: nested sequences, NumPy, DLPack (data.cpp).
Tensor tensor_from_data(PyObject* data, std::optional<DType> dtype, std::optional<Device> device, bool copy);
Tensor from_numpy(PyObject* array);
PyObject* to_numpy(const Tensor& t);
PyObject* to_list(const Tensor& t);
PyObject* to_dlpack(const Tensor& t);
Tensor from_dlpack(PyObject* object);

void init_tensor_type(PyObject* module);  // with the small types
void init_small_types(PyObject* module);
/// Functions from the op table: module `ops`, functions of `clew` and `clew.nn.functional`, Tensor methods.
void init_ops(PyObject* module);
/// The generator inside a clew.Generator, or null.
const Generator* to_generator(PyObject* p);
/// One dict per op, built-in (null) or of an extension, for the tests and documentation that enumerate them.
PyObject* op_table_for_python(const char* library);
/// A dict of an extension's op objects by name; None if no such library is loaded.
PyObject* library_ops(const char* library);
/// Loads a shared library and runs its CLEW_LIBRARY. With `replace` it may take over a library's name.
void load_library(const char* path, bool replace);

}  // namespace clew::python
