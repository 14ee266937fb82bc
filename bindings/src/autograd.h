// Tape nodes as Python objects.
#pragma once

#include "autograd/node.h"
#include "bindings/src/python.h"

namespace clew::python {

/// The Python object of a node, or None.
PyObject* wrap_node(Ref<autograd::Node> node);

}  // namespace clew::python
