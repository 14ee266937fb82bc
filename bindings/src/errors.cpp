// C++ exceptions as Python exceptions, with the bases that both habits of catching expect.
#include "bindings/src/python.h"

#include <pybind11/pybind11.h>

namespace clew::python {
namespace {

struct ErrorClasses {
  PyObject *error, *shape, *dtype, *device, *autograd, *out_of_memory, *file_format, *internal, *value,
      *index, *not_implemented, *lin_alg;
};
ErrorClasses classes;

PyObject* make_class(PyObject* module, const char* name, const char* doc, PyObject* bases) {
  const std::string full = std::string("clew.") + name;
  PyObject* c = check(PyErr_NewExceptionWithDoc(full.c_str(), doc, bases, nullptr));
  check(PyModule_AddObjectRef(module, name, c));
  return c;
}

template <class... Bases>
PyObject* tuple(Bases... b) {
  return check(PyTuple_Pack(sizeof...(b), b...));
}

PyObject* class_of(const Error& e) {
  if (dynamic_cast<const ShapeError*>(&e)) return classes.shape;
  if (dynamic_cast<const DTypeError*>(&e)) return classes.dtype;
  if (dynamic_cast<const DeviceError*>(&e)) return classes.device;
  if (dynamic_cast<const AutogradError*>(&e)) return classes.autograd;
  if (dynamic_cast<const OutOfMemoryError*>(&e)) return classes.out_of_memory;
  if (dynamic_cast<const FileFormatError*>(&e)) return classes.file_format;
  if (dynamic_cast<const TypeError*>(&e)) return PyExc_TypeError;
  if (dynamic_cast<const IndexError*>(&e)) return classes.index;
  if (dynamic_cast<const ValueError*>(&e)) return classes.value;
  if (dynamic_cast<const NotImplementedError*>(&e)) return classes.not_implemented;
  if (dynamic_cast<const LinAlgError*>(&e)) return classes.lin_alg;
  if (dynamic_cast<const InternalError*>(&e)) return classes.internal;
  return classes.error;
}

}  // namespace

PyObject* set_python_error() noexcept {
  try {
    throw;
  } catch (const PythonError&) {
  } catch (pybind11::error_already_set& e) {
    e.restore();
  } catch (const Error& e) {
    PyErr_SetString(class_of(e), e.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "clew: unknown C++ exception");
  }
  return nullptr;
}

void init_errors(PyObject* module) {
  // PyTorch's users catch RuntimeError, Python's the built-in class that names the mistake: both work.
  const Object runtime(tuple(PyExc_RuntimeError));
  classes.error = make_class(module, "Error", "Base of Clew's own error classes.", runtime.get());
  auto derive = [&](const char* name, const char* doc, PyObject* second) {
    const Object bases(second != nullptr ? tuple(classes.error, second) : tuple(classes.error));
    return make_class(module, name, doc, bases.get());
  };
  classes.shape = derive("ShapeError", "Sizes of operands do not fit together.", PyExc_ValueError);
  classes.dtype = derive("DTypeError", "A dtype is not supported here, or operands differ.", PyExc_TypeError);
  classes.device =
      derive("DeviceError", "A device is absent, or operands are on different devices.", nullptr);
  classes.autograd =
      derive("AutogradError",
             "The tape cannot do this: stale saved tensor, freed graph, leaf written in place.", nullptr);
  classes.out_of_memory = derive("OutOfMemoryError", "An allocation was refused.", PyExc_MemoryError);
  classes.file_format =
      derive("FileFormatError", "A file is truncated, corrupt or hostile.", PyExc_ValueError);
  classes.lin_alg =
      derive("LinAlgError", "A matrix lacks the inverse or the factors that were asked for.", nullptr);
  classes.internal = derive("InternalError", "A mistake of the library; please report it.", nullptr);
  classes.value = derive("ArgumentError", "A value is outside of its allowed range.", PyExc_ValueError);
  classes.index = derive("IndexRangeError", "An index is outside of its dimension.", PyExc_IndexError);
  classes.not_implemented = PyExc_NotImplementedError;
}

}  // namespace clew::python
