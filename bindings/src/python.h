// What every binding file shares: Python.h, owned references, errors, the GIL.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <exception>
#include <string>
#include <utility>

#include "clew/core/error.h"

namespace clew::python {

/// An owned reference.
class Object {
 public:
  Object() = default;
  explicit Object(PyObject* owned) : p_(owned) {}
  static Object borrow(PyObject* p) {
    Py_XINCREF(p);
    return Object(p);
  }
  Object(const Object& o) : p_(o.p_) { Py_XINCREF(p_); }
  Object(Object&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Object& operator=(Object o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Object() { Py_XDECREF(p_); }
  PyObject* get() const { return p_; }
  PyObject* release() { return std::exchange(p_, nullptr); }
  explicit operator bool() const { return p_ != nullptr; }

 private:
  PyObject* p_ = nullptr;
};

/// Thrown when a Python error is already set.
class PythonError : public std::exception {
 public:
  const char* what() const noexcept override { return "a Python error is set"; }
};
inline PyObject* check(PyObject* p) {
  if (p == nullptr) throw PythonError();
  return p;
}
inline void check(int status) {
  if (status < 0) throw PythonError();
}

/// Turns the exception in flight into a Python error. Returns null, so that callers can return it.
PyObject* set_python_error() noexcept;
/// Creates the exception classes (clew.ShapeError, ...) in `module`.
void init_errors(PyObject* module);

/// Runs `body`, turning C++ exceptions into Python errors; `failed` is what CPython wants then.
template <class F, class R = std::invoke_result_t<F>>
R guarded(F&& body, R failed = {}) noexcept {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return failed;
  }
}

/// Lets other Python threads run while this scope computes, if `release`.
class ReleaseGil {
 public:
  explicit ReleaseGil(bool release = true) : state_(release ? PyEval_SaveThread() : nullptr) {}
  ~ReleaseGil() {
    if (state_ != nullptr) PyEval_RestoreThread(state_);
  }
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;

 private:
  PyThreadState* state_;
};
/// Elements from which an op is worth releasing the GIL for (35 ns against microseconds).
inline constexpr int64_t kReleaseGilNumel = 4096;

class AcquireGil {
 public:
  AcquireGil() : state_(PyGILState_Ensure()) {}
  ~AcquireGil() { PyGILState_Release(state_); }
  AcquireGil(const AcquireGil&) = delete;
  AcquireGil& operator=(const AcquireGil&) = delete;

 private:
  PyGILState_STATE state_;
};

/// A Python object held by C++ code that may run, and end, without the GIL.
class SharedObject {
 public:
  explicit SharedObject(PyObject* borrowed) : p_(borrowed) { Py_INCREF(p_); }
  SharedObject(const SharedObject& o) : p_(o.p_) {
    const AcquireGil gil;
    Py_INCREF(p_);
  }
  SharedObject& operator=(const SharedObject&) = delete;
  ~SharedObject() {
    if (!Py_IsInitialized()) return;
    const AcquireGil gil;
    Py_DECREF(p_);
  }
  PyObject* get() const { return p_; }

 private:
  PyObject* p_;
};

}  // namespace clew::python
