// All ops behind one entry point: a callable type whose objects are rows of the op table.
//
// A call matches arguments to the parameters that the `.def` line names, converts them by C++ type, calls the
// op's function and wraps the result. The conversion code is instantiated per signature, not per op.
#include <dlfcn.h>

#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "bindings/src/common_keywords.h"
#include "bindings/src/op_object.h"
#include "clew/ops/ops.h"
#include "clew/registry/op_table.h"

// CPython fills the slots that are left out.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace clew::python {
namespace {

// --- conversion by C++ type --------------------------------------------------------------------------

bool int_list(PyObject* p, Shape& out) {
  out.clear();
  auto one = [&](PyObject* item) {
    if (PyLong_Check(item) && !PyBool_Check(item)) {
      const long long v = PyLong_AsLongLong(item);
      if (v == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        detail::raise<ValueError>("integer: expected a value that fits int64, got a larger one");
      }
      out.push_back(v);
      return true;
    }
    Scalar s;
    if (PyFloat_Check(item) || PyBool_Check(item) || !to_scalar(item, s) || s.is_floating()) return false;
    out.push_back(s.to_int());
    return true;
  };
  if (PyTuple_Check(p) || PyList_Check(p)) {
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(p);
    for (Py_ssize_t i = 0; i < n; ++i) {
      if (!one(PySequence_Fast_GET_ITEM(p, i))) return false;
    }
    return true;
  }
  return one(p);
}

// `slots[index]` converted and held for the length of the call.
template <class T>
struct Arg;

template <class T>
struct OneSlot {
  static constexpr size_t kSlots = 1;
  T value;
  const T& get() const { return value; }
};

template <>
struct Arg<const Tensor&> {
  static constexpr size_t kSlots = 1;
  Tensor number;
  const Tensor*
      tensor;  // null for a number: the tuple of arguments moves them, so no pointer may lead inside
  Arg(const Overload& o, PyObject* const* slots, size_t i) : tensor(to_operand(slots[i], number)) {
    if (CLEW_UNLIKELY(tensor == nullptr)) mismatch(o, i, slots[i]);
    if (tensor != &number) return;
    tensor = nullptr;
    const bool alone = i == 1 && !is_tensor(slots[0]) && !computes_numbers(o.entry->function);
    if (CLEW_UNLIKELY(!o.params[i].number || alone)) mismatch(o, i, slots[i]);
  }
  const Tensor& get() const { return tensor != nullptr ? *tensor : number; }
  int64_t numel() const { return get().numel(); }
};
template <>
struct Arg<const std::optional<Tensor>&> : OneSlot<std::optional<Tensor>> {
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    if (slots[i] == Py_None) return;
    if (!is_tensor(slots[i])) mismatch(o, i, slots[i]);
    value = as_tensor(slots[i]);
  }
};
template <>
struct Arg<TensorListRef> {
  static constexpr size_t kSlots = 1;
  TensorList value;
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    PyObject* p = slots[i];
    if (is_tensor(p)) {  // a single tensor is a list of one: indices of index_put
      value.push_back(as_tensor(p));
      return;
    }
    const Object items(PySequence_Fast(p, ""));
    if (!items) {
      PyErr_Clear();
      mismatch(o, i, p);
    }
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(items.get());
    value.reserve(static_cast<size_t>(n));
    for (Py_ssize_t k = 0; k < n; ++k) {
      PyObject* item = PySequence_Fast_GET_ITEM(items.get(), k);
      // Only indices leave dimensions out.
      if (item == Py_None && std::string_view(o.entry->function).starts_with("index")) {
        value.emplace_back();
      } else if (is_tensor(item)) {
        value.push_back(as_tensor(item));
      } else {
        mismatch(o, i, item);
      }
    }
  }
  TensorListRef get() const { return value; }
  int64_t numel() const {
    int64_t n = 0;
    for (const Tensor& t : value) n += t.defined() ? t.numel() : 0;
    return n;
  }
};
template <>
struct Arg<const Scalar&> : OneSlot<Scalar> {
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    if (!to_scalar(slots[i], value)) mismatch(o, i, slots[i]);
  }
};
template <>
struct Arg<int64_t> : OneSlot<int64_t> {
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    PyObject* p = slots[i];
    Scalar s;
    if (PyBool_Check(p) || PyFloat_Check(p) || !to_scalar(p, s) || s.is_floating()) mismatch(o, i, p);
    value = s.to_int();
  }
};
template <>
struct Arg<double> : OneSlot<double> {
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    Scalar s;
    if (!to_scalar(slots[i], s)) mismatch(o, i, slots[i]);
    value = s.to_double();
  }
};
template <>
struct Arg<bool> : OneSlot<bool> {
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    Scalar s;
    if (slots[i] == Py_True || slots[i] == Py_False) {
      value = slots[i] == Py_True;
    } else if (to_scalar(slots[i], s) && !s.is_floating()) {
      value = s.to_bool();
    } else {
      mismatch(o, i, slots[i]);
    }
  }
};
template <>
struct Arg<DType> : OneSlot<DType> {
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    if (!to_dtype(slots[i], value)) mismatch(o, i, slots[i]);
  }
};
template <>
struct Arg<IntArrayRef> {
  static constexpr size_t kSlots = 1;
  Shape value;
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    if (!int_list(slots[i], value)) mismatch(o, i, slots[i]);
  }
  IntArrayRef get() const { return value; }
};
template <>
struct Arg<std::string_view> : OneSlot<std::string_view> {
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    if (!PyUnicode_Check(slots[i])) mismatch(o, i, slots[i]);
    Py_ssize_t n = 0;
    const char* text = PyUnicode_AsUTF8AndSize(slots[i], &n);
    if (text == nullptr) throw PythonError();
    value = {text, static_cast<size_t>(n)};
  }
};
template <class T>
struct Arg<std::optional<T>> {
  static constexpr size_t kSlots = 1;
  std::optional<Arg<T>> inner;
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    if (slots[i] != Py_None) inner.emplace(o, slots, i);
  }
  std::optional<T> get() const { return inner ? std::optional<T>(inner->get()) : std::nullopt; }
};
template <>
struct Arg<std::optional<Scalar>> : OneSlot<std::optional<Scalar>> {
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    if (slots[i] == Py_None) return;
    Scalar s;
    if (!to_scalar(slots[i], s)) mismatch(o, i, slots[i]);
    value = s;
  }
};
template <>
struct Arg<const std::optional<Generator>&> : OneSlot<std::optional<Generator>> {
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    if (slots[i] == Py_None) return;
    const Generator* g = to_generator(slots[i]);
    if (g == nullptr) mismatch(o, i, slots[i]);
    value = *g;
  }
};
template <>
struct Arg<const TensorOptions&> {
  static constexpr size_t kSlots = 3;
  TensorOptions value;
  Arg(const Overload& o, PyObject* const* slots, size_t i) {
    if (slots[i] != Py_None) {
      DType t;
      if (!to_dtype(slots[i], t)) mismatch(o, i, slots[i]);
      value.dtype_ = t;
    }
    if (slots[i + 1] != Py_None) {
      Device d;
      if (!to_device(slots[i + 1], d)) mismatch(o, i + 1, slots[i + 1]);
      value.device_ = d;
    }
    value.requires_grad_ = Arg<bool>(o, slots, i + 2).value;
  }
  const TensorOptions& get() const { return value; }
};

template <class A>
int64_t numel_of_arg(const A& a) {
  if constexpr (requires { a.numel(); }) {
    return a.numel();
  } else {
    return 0;
  }
}

// --- results -----------------------------------------------------------------------------------------

PyTypeObject* values_indices_type;

PyObject* to_python(const Overload&, const Tensor& t) { return wrap(t); }
PyObject* to_python(const Overload&, const TensorList& list) {
  Object out(check(PyTuple_New(static_cast<Py_ssize_t>(list.size()))));
  for (size_t i = 0; i < list.size(); ++i)
    PyTuple_SET_ITEM(out.get(), static_cast<Py_ssize_t>(i), wrap(list[i]));
  return out.release();
}
PyObject* to_python(const Overload& o, const Tensor2& t) {
  if (!o.named_result) return to_python(o, TensorList{std::get<0>(t), std::get<1>(t)});
  PyObject* out = check(PyStructSequence_New(values_indices_type));
  PyStructSequence_SetItem(out, 0, wrap(std::get<0>(t)));
  PyStructSequence_SetItem(out, 1, wrap(std::get<1>(t)));
  return out;
}
PyObject* to_python(const Overload& o, const Tensor3& t) {
  return to_python(o, TensorList{std::get<0>(t), std::get<1>(t), std::get<2>(t)});
}

template <class R, class... A>
PyObject* invoke(const Overload& o, void (*fn)(), PyObject* const* slots) {
  const auto f = reinterpret_cast<R (*)(A...)>(fn);
  size_t next = 0;
  [[maybe_unused]] auto take = [&next](size_t n) { return std::exchange(next, next + n); };
  const std::tuple<Arg<A>...> args{Arg<A>(o, slots, take(Arg<A>::kSlots))...};  // braces: left to right
  const R result = std::apply(
      [&](const auto&... a) -> R {
        const ReleaseGil release((int64_t{0} + ... + numel_of_arg(a)) >= kReleaseGilNumel);
        return f(a.get()...);
      },
      args);
  return to_python(o, result);
}
template <class R, class... A>
constexpr Invoke invoker(R (*)(A...)) {
  return &invoke<R, A...>;
}

// --- calls of an extension's op, whose C++ type is known only to its table entry --------------------------

template <class A>
Value boxed_arg(const Overload& o, PyObject* const* slots, size_t i) {
  return Value(Arg<A>(o, slots, i).get());
}

Value box(const Overload& o, PyObject* const* slots, size_t& i) {
  const size_t at = i++;
  switch (o.params[at].kind) {
    case ParamKind::Tensor:
      return boxed_arg<const Tensor&>(o, slots, at);
    case ParamKind::OptionalTensor:
      return boxed_arg<const std::optional<Tensor>&>(o, slots, at);
    case ParamKind::TensorList:
      return boxed_arg<TensorListRef>(o, slots, at);
    case ParamKind::Scalar:
      return boxed_arg<const Scalar&>(o, slots, at);
    case ParamKind::OptionalScalar:
      return boxed_arg<std::optional<Scalar>>(o, slots, at);
    case ParamKind::Int:
      return boxed_arg<int64_t>(o, slots, at);
    case ParamKind::OptionalInt:
      return boxed_arg<std::optional<int64_t>>(o, slots, at);
    case ParamKind::Double:
      return boxed_arg<double>(o, slots, at);
    case ParamKind::OptionalDouble:
      return boxed_arg<std::optional<double>>(o, slots, at);
    case ParamKind::Bool:
      return boxed_arg<bool>(o, slots, at);
    case ParamKind::OptionalBool:
      return boxed_arg<std::optional<bool>>(o, slots, at);
    case ParamKind::IntList:
      return boxed_arg<IntArrayRef>(o, slots, at);
    case ParamKind::OptionalIntList:
      return boxed_arg<std::optional<IntArrayRef>>(o, slots, at);
    case ParamKind::DType:
      return boxed_arg<DType>(o, slots, at);
    case ParamKind::OptionalDType:
      if (at + 1 < o.params.size() && o.params[at + 1].kind == ParamKind::Device) {
        i = at + Arg<const TensorOptions&>::kSlots;
        return boxed_arg<const TensorOptions&>(o, slots, at);
      }
      return boxed_arg<std::optional<DType>>(o, slots, at);
    case ParamKind::String:
      return boxed_arg<std::string_view>(o, slots, at);
    case ParamKind::OptionalString:
      return boxed_arg<std::optional<std::string_view>>(o, slots, at);
    case ParamKind::Generator:
      return boxed_arg<const std::optional<Generator>&>(o, slots, at);
    case ParamKind::Device:
      break;  // part of TensorOptions
  }
  detail::raise<InternalError>(label(*o.entry), ": expected a parameter that can be boxed, got '",
                               PyUnicode_AsUTF8(o.params[at].name), "'");
}

void boxed_inplace() {}  // as Overload::inplace_fn: not called, it says that the twin is meant

PyObject* invoke_boxed(const Overload& o, void (*fn)(), PyObject* const* slots) {
  SmallVector<Value, 8> args;
  int64_t numel = 0;
  for (size_t i = 0; i < o.params.size();) {
    args.push_back(box(o, slots, i));
    const Value& v = args.back();
    if (v.is_tensor() && v.tensor().defined()) numel += v.tensor().numel();
  }
  const Value result = [&] {
    const ReleaseGil release(numel >= kReleaseGilNumel);
    return o.entry->boxed(o.entry->op_def, {args.data(), args.size()}, fn == &boxed_inplace);
  }();
  return result.is_tensor_list() ? to_python(o, result.tensor_list()) : wrap(result.to<Tensor>());
}

// --- the table ---------------------------------------------------------------------------------------

template <class F>
void (*erased(F* f))() {
  return reinterpret_cast<void (*)()>(f);
}

struct Row {
  void (*fn)();
  void (*inplace_fn)();
  Invoke invoke;
};
#define CLEW_SIGNATURE(id) static_cast<decltype(signatures::id)*>
#define CLEW_ROW(id, function, inplace_function)                  \
  {erased(CLEW_SIGNATURE(id)(&clew::function)), inplace_function, \
   invoker(CLEW_SIGNATURE(id)(&clew::function))},
// In the order of op_table(), which expands the same lists.
const Row* rows() {
  static const Row table[] = {
#define CLEW_OP(name, R, ...) CLEW_ROW(name, name, nullptr)
#define CLEW_OP_INPLACE(name, R, ...) CLEW_ROW(name, name, erased(CLEW_SIGNATURE(name)(&clew::name##_)))
#define CLEW_METHOD(name, R, ...) CLEW_ROW(name, name, nullptr)
#define CLEW_METHOD_INPLACE(name, R, ...) CLEW_ROW(name, name, erased(CLEW_SIGNATURE(name)(&clew::name##_)))
#define CLEW_FUNCTION(name, R, ...) CLEW_ROW(name, name, nullptr)
#define CLEW_NN(name, R, ...) CLEW_ROW(name, name, nullptr)
#define CLEW_INTERNAL(name, R, ...) CLEW_ROW(name, name, nullptr)
#define CLEW_OVERLOAD(name, tag, R, ...) CLEW_ROW(name##_##tag, name, nullptr)
#define CLEW_OVERLOAD_INPLACE(name, tag, R, ...) \
  CLEW_ROW(name##_##tag, name, erased(CLEW_SIGNATURE(name##_##tag)(&clew::name##_)))
#include "clew/ops/all.def"
  };
  return table;
}
#undef CLEW_ROW
#undef CLEW_SIGNATURE

void add_to(PyObject* module, const std::string& name, PyObject* op) {
  check(PyModule_AddObjectRef(module, name.c_str(), op));
}
void add_method(const std::string& name, PyObject* op) {
  check(PyDict_SetItemString(TensorType.tp_dict, name.c_str(), op));
}

PyObject* submodule(PyObject* module, const char* name) {
  const std::string full = std::string("clew._C.") + name;
  const Object m(check(PyModule_New(full.c_str())));
  check(PyModule_AddObjectRef(module, name, m.get()));
  return m.get();
}

// One op as a dict; `kind` is that of the function, which an overload shares.
Object op_row(const OpEntry& e, OpKind kind) {
  static const char* const kinds[] = {"Op",       "Inplace", "Method",  "MethodInplace",
                                      "Function", "NN",      "Internal"};
  const Overload o{&e, nullptr, nullptr, nullptr, parse_parameters(e), false};
  const Object dtypes(check(PyList_New(0)));
  for (int t = 0; t < kDTypeCount; ++t) {
    if (!e.info->dtypes.contains(static_cast<DType>(t))) continue;
    const Object text(check(PyUnicode_FromString(name(static_cast<DType>(t)))));
    check(PyList_Append(dtypes.get(), text.get()));
  }
  const bool inplace = kind == OpKind::Inplace || kind == OpKind::MethodInplace;
  return Object(check(Py_BuildValue(
      "{s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:O, s:z, s:O, s:O, s:O, s:z}", "name", e.info->name, "function",
      e.function, "overload", e.overload, "kind", kinds[static_cast<int>(kind)], "signature",
      o.signature(false).c_str(), "doc", e.info->doc, "dtypes", dtypes.get(), "differentiable",
      e.info->not_differentiable == nullptr ? Py_True : Py_False, "not_differentiable",
      e.info->not_differentiable, "composite", e.info->is_composite ? Py_True : Py_False, "inplace",
      inplace && e.overload[0] == '\0' ? Py_True : Py_False, "view", e.info->is_view ? Py_True : Py_False,
      "library", e.library)));
}

}  // namespace

PyObject* op_table_for_python(const char* library) {
  Object list(check(PyList_New(0)));
  OpKind kind = OpKind::Op;
  std::span<const OpEntry> table = op_table();
  if (library != nullptr) {
    const OpLibrary* found = find_library(library);
    CLEW_CHECK(found != nullptr, ValueError, "op_table: expected a library that is loaded, got '", library,
               "'");
    table = found->ops;
  }
  for (const OpEntry& e : table) {
    if (e.overload[0] == '\0') kind = e.kind;
    check(PyList_Append(list.get(), op_row(e, kind).get()));
  }
  return list.release();
}

PyObject* library_ops(const char* library) {
  const OpLibrary* found = find_library(library);
  if (found == nullptr) return Py_NewRef(Py_None);
  Object ops(check(PyDict_New()));
  auto add = [&](const std::string& name, const Object& op) {
    check(PyDict_SetItemString(ops.get(), name.c_str(), op.get()));
  };
  for (const OpEntry& e : found->ops) {
    // Kept for the life of the process, as the op objects are.
    auto* overloads = new std::vector<Overload>;
    std::vector<Param> params = parse_parameters(e);
    CLEW_CHECK(params.size() <= kMaxParams, ValueError, e.info->name, ": expected at most ", kMaxParams,
               " parameters, got ", params.size());
    overloads->push_back({&e, nullptr, &boxed_inplace, &invoke_boxed, std::move(params), false});
    add(e.function, Object(make_op(overloads, false)));
    if (e.has_inplace()) add(std::string(e.function) + "_", Object(make_op(overloads, true)));
  }
  return ops.release();
}

void load_library(const char* path, bool replace) {
  // Stays loaded: the tape and Python hold pointers to its ops.
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  CLEW_CHECK(handle != nullptr, Error, "load_library: expected a library that can be loaded, got ",
             dlerror());
  auto* init = reinterpret_cast<void (*)()>(dlsym(handle, "clew_library_init"));
  CLEW_CHECK(init != nullptr, ValueError, "load_library: expected a library with a CLEW_LIBRARY, got ", path);
  static auto* initialised = new std::set<void*>;  // guarded by the GIL
  if (!initialised->insert(handle).second && !replace) return;
  std::optional<ReplaceLibraries> scope;
  if (replace) scope.emplace();
  init();
}

void init_ops(PyObject* module) {
  init_op_type();
  init_common_keywords();
  static PyStructSequence_Field fields[] = {
      {"values", "The values."}, {"indices", "Where they stood, int64."}, {nullptr, nullptr}};
  static PyStructSequence_Desc description = {"clew.return_types.values_indices",
                                              "Values and where they stood.", fields, 2};
  values_indices_type = PyStructSequence_NewType(&description);
  check(values_indices_type == nullptr ? -1 : 0);

  PyObject* functions = submodule(module, "functions");
  PyObject* nn = submodule(module, "nn");
  PyObject* all = submodule(module, "ops");
  const std::span<const OpEntry> table = op_table();
  for (size_t i = 0; i < table.size();) {
    const OpKind kind = table[i].kind;
    // Kept for the life of the process, as the op objects are.
    auto* overloads = new std::vector<Overload>;
    const char* function = table[i].function;
    for (; i < table.size() && std::strcmp(table[i].function, function) == 0; ++i) {
      const Row& row = rows()[i];
      std::vector<Param> params = parse_parameters(table[i]);
      CLEW_ASSERT(params.size() <= kMaxParams);
      overloads->push_back({&table[i], row.fn, row.inplace_fn, row.invoke, std::move(params),
                            std::strstr(table[i].info->doc, "(values, indices)") != nullptr});
    }
    const Object op(make_op(overloads, false));
    add_to(all, function, op.get());
    const bool is_function = kind == OpKind::Op || kind == OpKind::Inplace || kind == OpKind::Function;
    const bool is_method = kind == OpKind::Op || kind == OpKind::Inplace || kind == OpKind::Method;
    if (is_function) add_to(functions, function, op.get());
    if (is_method) add_method(function, op.get());
    // A function whose `input` comes second, as where(condition, input, other), is a method of its input.
    if (kind == OpKind::Function && overloads->front().params.size() > 1 &&
        PyUnicode_CompareWithASCIIString(overloads->front().params[1].name, "input") == 0) {
      const Object method(make_op_of_second(overloads));
      add_method(function, method.get());
    }
    if (kind == OpKind::NN) add_to(nn, function, op.get());
    if (kind == OpKind::Inplace || kind == OpKind::MethodInplace) {
      const Object twin(make_op(overloads, true));
      const std::string name = std::string(function) + "_";
      add_to(all, name, twin.get());
      add_method(name, twin.get());
      if (kind == OpKind::Inplace) add_to(functions, name, twin.get());
    }
  }
  struct Alias {
    const char *alias, *name;
  };
  static constexpr Alias aliases[] = {
#define CLEW_ALIAS(alias, name) {#alias, #name},
#include "clew/ops/all.def"
  };
  for (const Alias& a : aliases) {
    for (const char* twin : {"", "_"}) {
      const std::string alias = std::string(a.alias) + twin, name = std::string(a.name) + twin;
      for (PyObject* m : {functions, nn, all}) {
        const Object op(PyObject_GetAttrString(m, name.c_str()));
        if (op) {
          add_to(m, alias, op.get());
        } else {
          PyErr_Clear();
        }
      }
      if (PyObject* method = PyDict_GetItemString(TensorType.tp_dict, name.c_str()))
        add_method(alias, method);
    }
  }
  PyType_Modified(&TensorType);
}

}  // namespace clew::python
