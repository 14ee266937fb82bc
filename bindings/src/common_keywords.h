// Keywords that every op understands: `out=`, `memory_format=`, `layout=`, `pin_memory=`.
#pragma once

#include <functional>
#include <vector>

#include "bindings/src/python.h"
#include "clew/registry/op_table.h"

namespace clew::python {

/// The keywords of one call that the op itself does not declare.
class CommonKeywords {
 public:
  /// Whether a call with these keywords has any.
  static bool any_in(PyObject* names);
  /// Takes them out of the call; false when there are none. `declared` says what the op declares.
  bool take(const char* op, PyObject* const* args, size_t count, PyObject* names,
            const std::function<bool(PyObject*)>& declared);
  PyObject* const* arguments() const { return arguments_.data(); }
  PyObject* names() const { return names_ ? names_.get() : nullptr; }
  /// What the call returns: `result` in the memory format asked for, or `out` with the result in it.
  PyObject* finish(const OpEntry& op, PyObject* result) const;

 private:
  std::vector<PyObject*> arguments_;  // borrowed
  Object names_;
  Object dtype_;  // of `out`, where the op creates a tensor
  PyObject* out_ = nullptr;
  PyObject* memory_format_ = nullptr;
  bool pinned_ = false;
};

void init_common_keywords();

}  // namespace clew::python
