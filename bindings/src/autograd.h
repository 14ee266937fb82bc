// Tape nodes as Python objects.
#pragma once

#include "bindings/src/python.h"
#include "clew/autograd/node.h"

namespace clew::python {

/// The Python object of a node, or None.
PyObject* wrap_node(Ref<autograd::Node> node);

}  // namespace clew::python
