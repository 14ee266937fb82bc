// The callable `clew.op`: matches a call to the parameters of an overload.
#include "bindings/src/op_object.h"

#include <cstring>
#include <utility>

#include "bindings/src/common_keywords.h"

// CPython fills the slots that are left out.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace clew::python {
namespace {

struct OpObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  const std::vector<Overload>* overloads;
  bool inplace;
  PyObject* name;
};

PyObject* axis_name;
PyObject* keepdims_name;
PyObject* dim_name;
PyObject* keepdim_name;
PyObject* self_name;
PyObject* unbiased_name;
PyObject* correction_name;
PyObject* input_name;
PyObject* value_name;
PyObject* src_name;

ptrdiff_t find_param(const std::vector<Param>& params, PyObject* name) {
  for (size_t i = 0; i < params.size(); ++i) {
    if (params[i].name == name) return static_cast<ptrdiff_t>(i);
  }
  for (size_t i = 0; i < params.size(); ++i) {  // not interned
    if (PyUnicode_Compare(params[i].name, name) == 0) return static_cast<ptrdiff_t>(i);
  }
  // The NumPy spellings of reductions.
  if (PyUnicode_Compare(name, axis_name) == 0) return find_param(params, dim_name);
  if (PyUnicode_Compare(name, keepdims_name) == 0) return find_param(params, keepdim_name);
  // The older spelling of var and std: True is 1, False is 0.
  if (PyUnicode_Compare(name, unbiased_name) == 0) return find_param(params, correction_name);
  // `scatter(dim, index, value=1)` writes a number where others write `src`.
  if (PyUnicode_Compare(name, value_name) == 0) return find_param(params, src_name);
  if (!params.empty() && PyUnicode_Compare(name, self_name) == 0 && params[0].kind == ParamKind::Tensor)
    return 0;
  return -1;
}

bool is_int(PyObject* p) { return PyLong_Check(p) && !PyBool_Check(p); }
bool is_int_like(PyObject* p) {
  return is_int(p) || (!PyFloat_Check(p) && !PyBool_Check(p) && !is_tensor(p) && PyIndex_Check(p));
}

// Whether `value` could be meant for the parameter: decides between overloads, without conversion.
bool plausible(const Param& p, PyObject* value) {
  if (p.default_value != nullptr && value == p.default_value) return true;
  const bool none = value == Py_None;
  switch (p.kind) {
    case ParamKind::OptionalDouble:
      return none || PyFloat_Check(value) || PyLong_Check(value);
    case ParamKind::Tensor:
      return is_tensor(value) || (p.number && (PyFloat_Check(value) || PyLong_Check(value)));
    case ParamKind::OptionalTensor:
      return none || is_tensor(value);
    case ParamKind::Int:
      return is_int_like(value);
    case ParamKind::OptionalInt:
      return none || is_int_like(value);
    case ParamKind::IntList:
      return is_int(value) || PyTuple_Check(value) || PyList_Check(value);
    case ParamKind::OptionalIntList:
      return none || is_int(value) || PyTuple_Check(value) || PyList_Check(value);
    case ParamKind::Bool:
      return PyBool_Check(value) || is_tensor(value);
    case ParamKind::String:
      return PyUnicode_Check(value);
    case ParamKind::OptionalString:
      return none || PyUnicode_Check(value);
    case ParamKind::Generator:
      return none || to_generator(value) != nullptr;
    case ParamKind::OptionalScalar:
      return none || PyFloat_Check(value) || PyLong_Check(value) ||
             !(is_tensor(value) || PyUnicode_Check(value));
    case ParamKind::Scalar:
    case ParamKind::Double:
      return !none && !PyUnicode_Check(value) && !PyTuple_Check(value) && !PyList_Check(value);
    default:
      return true;
  }
}

// Matches the call to the parameters. Returns false, or raises TypeError if `must`, when it does not fit.
bool match(const Overload& o, bool inplace, PyObject* const* args, size_t count, PyObject* names,
           PyObject** slots, Object& packed, bool must) {
  const std::vector<Param>& params = o.params;
  auto fail = [&](auto&&... parts) {
    if (must)
      detail::raise<TypeError>(label(*o.entry), inplace ? "_" : "", ": ", parts...,
                               " (signature: ", o.signature(inplace), ")");
    return false;
  };
  std::fill_n(slots, params.size(), nullptr);
  size_t next = 0;
  for (size_t i = 0; i < count; ++i, ++next) {
    if (CLEW_UNLIKELY(next >= params.size() || params[next].keyword_only))
      return fail("expected at most ", next, " positional arguments, got ", count);
    if (CLEW_UNLIKELY(params[next].varargs) && is_int_like(args[i])) {
      // `x.view(2, 3)`: all that is left belongs to the list.
      for (size_t k = i; k < count; ++k) {
        if (!is_int_like(args[k]))
          return fail("expected integers for argument '", PyUnicode_AsUTF8(params[next].name), "', got ",
                      Py_TYPE(args[k])->tp_name);
      }
      const Object rest(check(PyTuple_New(static_cast<Py_ssize_t>(count - i))));
      for (size_t k = i; k < count; ++k)
        PyTuple_SET_ITEM(rest.get(), static_cast<Py_ssize_t>(k - i), Py_NewRef(args[k]));
      packed = rest;
      slots[next] = packed.get();
      break;
    }
    slots[next] = args[i];
  }
  if (names != nullptr) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(names); ++k) {
      PyObject* name = PyTuple_GET_ITEM(names, k);
      const ptrdiff_t i = find_param(params, name);
      if (i < 0) return fail("unexpected keyword argument '", PyUnicode_AsUTF8(name), "'");
      if (slots[i] != nullptr) return fail("argument '", PyUnicode_AsUTF8(name), "' given twice");
      slots[i] = args[count + static_cast<size_t>(k)];
    }
  }
  for (size_t i = 0; i < params.size(); ++i) {
    if (slots[i] != nullptr) continue;
    // `x.permute()` and `zeros()` mean the empty list.
    if (params[i].default_value == nullptr) {
      if (params[i].varargs && count > 0 && !must) return false;
      return fail("missing argument '", PyUnicode_AsUTF8(params[i].name), "'");
    }
    slots[i] = params[i].default_value;
  }
  return true;
}

PyObject* call_matched(const OpObject* self, PyObject* const* args, size_t count, PyObject* names) {
  PyObject* slots[kMaxParams];
  Object packed;
  const std::vector<Overload>& overloads = *self->overloads;
  const Overload* chosen = &overloads.front();
  if (CLEW_UNLIKELY(overloads.size() > 1)) {
    chosen = nullptr;
    for (const Overload& o : overloads) {
      if (self->inplace && o.inplace_fn == nullptr) continue;
      if (!match(o, self->inplace, args, count, names, slots, packed, false)) continue;
      bool fits = true;
      for (size_t i = 0; i < o.params.size() && fits; ++i) fits = plausible(o.params[i], slots[i]);
      if (!fits) continue;
      chosen = &o;
      break;
    }
    if (chosen == nullptr) {
      std::string all;
      for (const Overload& o : overloads) all += "\n  " + o.signature(self->inplace);
      std::string got;
      for (size_t i = 0; i < count; ++i) got += std::string(i ? ", " : "") + Py_TYPE(args[i])->tp_name;
      for (Py_ssize_t k = 0; names != nullptr && k < PyTuple_GET_SIZE(names); ++k)
        got += std::string(got.empty() ? "" : ", ") + PyUnicode_AsUTF8(PyTuple_GET_ITEM(names, k)) + "=" +
               Py_TYPE(args[count + static_cast<size_t>(k)])->tp_name;
      detail::raise<TypeError>(overloads.front().entry->function,
                               ": expected arguments of one of these signatures, got (", got, ")", all);
    }
  } else {
    match(*chosen, self->inplace, args, count, names, slots, packed, true);
  }
  if (self->inplace && !is_tensor(slots[0])) mismatch(*chosen, 0, slots[0]);
  return chosen->invoke(*chosen, self->inplace ? chosen->inplace_fn : chosen->fn, slots);
}

PyObject* call(PyObject* callable, PyObject* const* args, size_t nargsf, PyObject* names) {
  return guarded([&]() -> PyObject* {
    const auto* self = reinterpret_cast<const OpObject*>(callable);
    const size_t count = static_cast<size_t>(PyVectorcall_NARGS(nargsf));
    if (CLEW_UNLIKELY(names != nullptr && CommonKeywords::any_in(names))) {
      const OpEntry& e = *self->overloads->front().entry;
      CommonKeywords common;
      if (common.take(e.function, args, count, names, [&](PyObject* name) {
            return find_param(self->overloads->front().params, name) >= 0;
          })) {
        const Object result(call_matched(self, common.arguments(), count, common.names()));
        return common.finish(e, result.get());
      }
    }
    return call_matched(self, args, count, names);
  });
}

// `x.where(condition, other)` as `where(condition, x, other)`: the receiver goes to the parameter `input`.
PyObject* call_on_second(PyObject* callable, PyObject* const* args, size_t nargsf, PyObject* names) {
  return guarded([&]() -> PyObject* {
    const size_t count = static_cast<size_t>(PyVectorcall_NARGS(nargsf));
    const size_t named = names == nullptr ? 0 : static_cast<size_t>(PyTuple_GET_SIZE(names));
    std::vector<PyObject*> moved(args, args + count + named);
    if (count >= 2) {
      std::swap(moved[0], moved[1]);
      return call(callable, moved.data(), count, names);
    }
    CLEW_CHECK(count == 1, TypeError, "where: expected a tensor as receiver, got none");
    moved.push_back(std::exchange(moved[0], nullptr));
    const Object more(check(PyTuple_New(static_cast<Py_ssize_t>(named + 1))));
    for (size_t i = 0; i < named; ++i)
      PyTuple_SET_ITEM(more.get(), static_cast<Py_ssize_t>(i),
                       Py_NewRef(PyTuple_GET_ITEM(names, static_cast<Py_ssize_t>(i))));
    PyTuple_SET_ITEM(more.get(), static_cast<Py_ssize_t>(named), Py_NewRef(input_name));
    return call(callable, moved.data() + 1, 0, more.get());
  });
}

PyObject* op_repr(PyObject* p) {
  return PyUnicode_FromFormat("<clew op %U>", reinterpret_cast<OpObject*>(p)->name);
}
PyObject* op_get(PyObject* p, PyObject* instance, PyObject*) {
  if (instance == nullptr || instance == Py_None) return Py_NewRef(p);
  return PyMethod_New(p, instance);
}
PyObject* op_name(PyObject* p, void*) { return Py_NewRef(reinterpret_cast<OpObject*>(p)->name); }
PyObject* op_module(PyObject* p, void*) {
  const char* library = reinterpret_cast<OpObject*>(p)->overloads->front().entry->library;
  return library == nullptr ? PyUnicode_FromString("clew") : PyUnicode_FromFormat("clew.ops.%s", library);
}
PyObject* op_doc(PyObject* p, void*) {
  const auto* self = reinterpret_cast<OpObject*>(p);
  std::string text;
  for (const Overload& o : *self->overloads) text += o.signature(self->inplace) + "\n";
  text += "\n";
  if (self->inplace) text += "In-place variant: writes the result into `input` and returns it.\n\n";
  for (const Overload& o : *self->overloads) text += std::string(o.entry->info->doc) + "\n\n";
  return PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
}
PyObject* op_reduce(PyObject* p, PyObject*) { return Py_NewRef(reinterpret_cast<OpObject*>(p)->name); }
PyGetSetDef op_getters[] = {{"__name__", op_name, nullptr, nullptr, nullptr},
                            {"__qualname__", op_name, nullptr, nullptr, nullptr},
                            {"__module__", op_module, nullptr, nullptr, nullptr},
                            {"__doc__", op_doc, nullptr, nullptr, nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef op_methods[] = {{"__reduce__", op_reduce, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
PyTypeObject OpType = {
    .ob_base = {PyObject_HEAD_INIT(nullptr) 0},
    .tp_name = "clew.op",
    .tp_basicsize = sizeof(OpObject),
    .tp_vectorcall_offset = offsetof(OpObject, vectorcall),
    .tp_repr = op_repr,
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_methods = op_methods,
    .tp_getset = op_getters,
    .tp_descr_get = op_get,
};

}  // namespace

PyObject* make_op(const std::vector<Overload>* overloads, bool inplace) {
  auto* p = reinterpret_cast<OpObject*>(check(OpType.tp_alloc(&OpType, 0)));
  p->vectorcall = call;
  p->overloads = overloads;
  p->inplace = inplace;
  p->name = check(PyUnicode_FromFormat("%s%s", overloads->front().entry->function, inplace ? "_" : ""));
  return reinterpret_cast<PyObject*>(p);
}

PyObject* make_op_of_second(const std::vector<Overload>* overloads) {
  PyObject* p = make_op(overloads, false);
  reinterpret_cast<OpObject*>(p)->vectorcall = call_on_second;
  return p;
}

void init_op_type() {
  check(PyType_Ready(&OpType));
  axis_name = PyUnicode_InternFromString("axis");
  keepdims_name = PyUnicode_InternFromString("keepdims");
  dim_name = PyUnicode_InternFromString("dim");
  keepdim_name = PyUnicode_InternFromString("keepdim");
  self_name = PyUnicode_InternFromString("self");
  unbiased_name = PyUnicode_InternFromString("unbiased");
  correction_name = PyUnicode_InternFromString("correction");
  input_name = PyUnicode_InternFromString("input");
  value_name = PyUnicode_InternFromString("value");
  src_name = PyUnicode_InternFromString("src");
}

}  // namespace clew::python
