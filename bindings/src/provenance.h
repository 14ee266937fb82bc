// Which line of Python is running: a few nanoseconds per recorded node.
#pragma once

#include <string>

#include "clew/autograd/node.h"

namespace clew::python {

/// Where this package's own Python files are, with a slash at the end.
void set_package_directory(std::string directory);
/// The running line of this thread outside of the package; empty outside of Python.
autograd::Provenance capture_line() noexcept;

}  // namespace clew::python
