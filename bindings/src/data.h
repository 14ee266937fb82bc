// Shared by the files of data exchange: data.cpp, numpy.cpp, dlpack.cpp.
#pragma once

#include <string>

#include "bindings/src/python.h"
#include "bindings/src/tensor_type.h"

namespace clew::python {

/// Raises a Python error of a class that has no C++ twin.
template <class... Parts>
[[noreturn, gnu::cold]] void raise_python(PyObject* type, const Parts&... parts) {
  PyErr_SetString(type, clew::detail::concat(parts...).c_str());
  throw PythonError();
}

/// str(p), for messages; never raises.
std::string text_of(PyObject* p);
/// Whether the class of `p` has the attribute.
bool has(PyObject* p, const char* attribute);

bool is_array(PyObject* p);
bool is_writable_array(PyObject* array);
/// A tensor on an array's memory. `for_reading`: for a moment only, so the array need not be writable,
/// and what cannot be shared is converted.
Tensor from_array(PyObject* array, bool for_reading);

}  // namespace clew::python
