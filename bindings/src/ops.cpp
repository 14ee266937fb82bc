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
#include "bindings/src/tensor_type.h"
#include "clew/ops/ops.h"
#include "clew/registry/op_table.h"

// CPython fills the slots that are left out.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace clew::python {
namespace {

// --- signatures --------------------------------------------------------------------------------------

enum class ParamKind : uint8_t {
  Tensor,
  OptionalTensor,
  TensorList,
  Scalar,
  OptionalScalar,
  Int,
  OptionalInt,
  Double,
  OptionalDouble,
  OptionalBool,
  Bool,
  IntList,
  OptionalIntList,
  DType,
  OptionalDType,
  String,
  OptionalString,
  Generator,
  Device
};

struct Param {
  PyObject* name;            // interned
  std::string default_text;  // as Python writes it; empty when required
  PyObject* default_value = nullptr;
  ParamKind kind;
  bool varargs = false;  // `x.view(2, 3)`: the remaining positional ints make the list
  bool keyword_only = false;
  bool number = false;  // a tensor argument that may be a number
};

struct Overload;
using Invoke = PyObject* (*)(const Overload& o, void (*fn)(), PyObject* const* slots);

struct Overload {
  const OpEntry* entry;
  void (*fn)();
  void (*inplace_fn)();
  Invoke invoke;
  std::vector<Param> params;
  bool named_result;  // (values, indices)
  std::string signature(bool inplace) const;
};

struct TypeName {
  const char* cpp;
  ParamKind kind;
  const char* python;
};
constexpr TypeName kTypes[] = {
    {"const Tensor&", ParamKind::Tensor, "Tensor"},
    {"const std::optional<Tensor>&", ParamKind::OptionalTensor, "Tensor | None"},
    {"TensorListRef", ParamKind::TensorList, "Sequence[Tensor]"},
    {"const Scalar&", ParamKind::Scalar, "Number"},
    {"std::optional<Scalar>", ParamKind::OptionalScalar, "Number | None"},
    {"int64_t", ParamKind::Int, "int"},
    {"std::optional<int64_t>", ParamKind::OptionalInt, "int | None"},
    {"double", ParamKind::Double, "float"},
    {"std::optional<double>", ParamKind::OptionalDouble, "float | None"},
    {"bool", ParamKind::Bool, "bool"},
    {"std::optional<bool>", ParamKind::OptionalBool, "bool | None"},
    {"IntArrayRef", ParamKind::IntList, "int | Sequence[int]"},
    {"std::optional<IntArrayRef>", ParamKind::OptionalIntList, "int | Sequence[int] | None"},
    {"DType", ParamKind::DType, "dtype"},
    {"std::optional<DType>", ParamKind::OptionalDType, "dtype | None"},
    {"std::string_view", ParamKind::String, "str"},
    {"std::optional<std::string_view>", ParamKind::OptionalString, "str | None"},
    {"const std::optional<Generator>&", ParamKind::Generator, "Generator | None"},
};
const char* python_type(ParamKind kind) {
  if (kind == ParamKind::Device) return "device | str | None";
  for (const TypeName& t : kTypes) {
    if (t.kind == kind) return t.python;
  }
  return "object";
}

// "const clew::Tensor &" and "Tensor" are one type to Python.
std::string bare_type(std::string s) {
  for (const char* noise : {"clew::", "std::", "const ", "&", " "}) {
    for (size_t at = s.find(noise); at != std::string::npos; at = s.find(noise))
      s.erase(at, std::strlen(noise));
  }
  return s;
}

// How messages and signatures call the op: extensions' ops by library and function.
std::string label(const OpEntry& e) { return e.library != nullptr ? e.info->name : e.function; }

std::string trimmed(const std::string& s) {
  const size_t b = s.find_first_not_of(' '), e = s.find_last_not_of(' ');
  return b == std::string::npos ? "" : s.substr(b, e - b + 1);
}

// Splits "const Tensor& input, IntArrayRef stride = {1}" at commas outside of brackets.
std::vector<std::string> split_parameters(const std::string& text) {
  std::vector<std::string> out;
  int depth = 0;
  std::string current;
  for (char c : text) {
    if (c == '<' || c == '{' || c == '(') ++depth;
    if (c == '>' || c == '}' || c == ')') --depth;
    if (c == ',' && depth == 0) {
      out.push_back(trimmed(current));
      current.clear();
    } else {
      current += c;
    }
  }
  if (!trimmed(current).empty()) out.push_back(trimmed(current));
  return out;
}

std::string python_default(const std::string& cpp) {
  if (cpp == "std::nullopt") return "None";
  if (cpp == "true") return "True";
  if (cpp == "false") return "False";
  if (cpp == "{}") return "()";
  if (cpp.front() == '{') return cpp.substr(1, cpp.size() - 2);
  if (cpp.front() == '"') return "'" + cpp.substr(1, cpp.size() - 2) + "'";
  return cpp;
}

PyObject* evaluate(const std::string& text) {
  static PyObject* globals = PyDict_New();
  return check(PyRun_String(text.c_str(), Py_eval_input, globals, globals));
}

Param make_param(const std::string& name, ParamKind kind, const std::string& default_text) {
  Param p;
  p.name = check(PyUnicode_InternFromString(name.c_str()));
  p.kind = kind;
  p.default_text = default_text;
  if (!default_text.empty()) p.default_value = evaluate(default_text);
  if (kind == ParamKind::IntList)
    p.varargs = name == "size" || name == "shape" || name == "dims" || name == "repeats";
  return p;
}

/// Which tensor arguments may be numbers, by function: those after the first, or all of them. Everywhere else
/// a number is a mistake, often of the order of arguments.
struct NumberOperands {
  const char* function;
  bool first;
};
constexpr NumberOperands kNumberOperands[] = {
    {"add", true},          {"sub", true},           {"mul", true},
    {"div", true},          {"true_divide", true},   {"floor_divide", true},
    {"subtract", true},     {"multiply", true},      {"divide", true},
    {"pow", true},          {"float_power", true},   {"remainder", true},
    {"bitwise_and", true},  {"bitwise_or", true},    {"bitwise_xor", true},
    {"xlogy", true},        {"where", true},         {"bitwise_left_shift", true},
    {"rsub", false},        {"fmod", false},         {"bitwise_right_shift", true},
    {"eq", false},          {"ne", false},           {"lt", false},
    {"le", false},          {"gt", false},           {"ge", false},
    {"greater", false},     {"less", false},         {"greater_equal", false},
    {"less_equal", false},  {"not_equal", false},    {"lerp", false},
    {"masked_fill", false}, {"copysign", false},     {"scatter", false},
    {"index_fill", false},  {"isin", true},          {"searchsorted", false},
    {"bucketize", true},    {"scatter_add", false},  {"clamp_min", false},
    {"clamp_max", false},   {"quantile", false},     {"nanquantile", false},
    {"atan2", false},       {"hypot", false},        {"lcm", false},
    {"gcd", false},         {"trunc_divide", false}, {"logaddexp", false},
    {"logaddexp2", false},  {"heaviside", false},    {"ldexp", false},
    {"nextafter", false},   {"normal_of", true}};
bool takes_number(const char* function, size_t index) {
  for (const NumberOperands& n : kNumberOperands) {
    if (std::strcmp(n.function, function) == 0) return n.first || index > 0;
  }
  return false;
}
/// These add up plain numbers as well; the others need one tensor.
bool computes_numbers(const char* function) {
  for (const char* name : {"add", "sub", "mul", "div", "true_divide", "floor_divide", "subtract", "multiply",
                           "divide", "where"}) {
    if (std::strcmp(name, function) == 0) return true;
  }
  return false;
}

std::vector<Param> parse_parameters(const OpEntry& e) {
  std::vector<Param> out;
  for (const std::string& piece : split_parameters(e.parameters)) {
    std::string declaration = piece, default_text;
    if (const size_t equals = piece.find('='); equals != std::string::npos) {
      declaration = trimmed(piece.substr(0, equals));
      default_text = python_default(trimmed(piece.substr(equals + 1)));
    }
    const size_t space = declaration.find_last_of(" &");
    CLEW_CHECK(space != std::string::npos, ValueError, e.info->name,
               ": expected every parameter to have a name, got '", piece, "'");
    const std::string type = bare_type(declaration.substr(0, space)), name = declaration.substr(space + 1);
    if (type == "TensorOptions") {  // spelt out, as everybody writes it
      for (Param p : {make_param("dtype", ParamKind::OptionalDType, "None"),
                      make_param("device", ParamKind::Device, "None"),
                      make_param("requires_grad", ParamKind::Bool, "False")}) {
        p.keyword_only = true;
        out.push_back(p);
      }
      continue;
    }
    bool known = false;
    for (const TypeName& t : kTypes) {
      if (type != bare_type(t.cpp)) continue;
      out.push_back(make_param(name, t.kind, default_text));
      out.back().number = t.kind == ParamKind::Tensor && takes_number(e.function, out.size() - 1);
      known = true;
    }
    CLEW_CHECK(known, ValueError, e.info->name, ": expected a parameter type that Python knows, got '", type,
               "'");
  }
  return out;
}

std::string Overload::signature(bool inplace) const {
  std::string s = std::string(entry->function) + (inplace ? "_" : "") + "(";
  bool star = false;
  for (size_t i = 0; i < params.size(); ++i) {
    if (i != 0) s += ", ";
    if (params[i].keyword_only && !star) {
      s += "*, ";
      star = true;
    }
    s += std::string(PyUnicode_AsUTF8(params[i].name)) + ": " + python_type(params[i].kind);
    if (!params[i].default_text.empty()) s += " = " + params[i].default_text;
  }
  const std::string r = bare_type(entry->returns);
  return s + ") -> " +
         (r == "Tensor"    ? "Tensor"
          : r == "Tensor2" ? "tuple[Tensor, Tensor]"
          : r == "Tensor3" ? "tuple[Tensor, Tensor, Tensor]"
                           : "tuple[Tensor, ...]");
}

// --- conversion by C++ type --------------------------------------------------------------------------

struct Mismatch {
  const Overload& overload;
  size_t index;
  PyObject* value;
};
[[noreturn, gnu::cold]] void mismatch(const Overload& o, size_t i, PyObject* value) {
  const char* got = Py_TYPE(value)->tp_name;
  const ParamKind kind = o.params[i].kind;
  if (is_tensor(value) && (kind == ParamKind::Scalar || kind == ParamKind::Int || kind == ParamKind::Double))
    detail::raise<DTypeError>(label(*o.entry), ": expected ", python_type(kind), " for argument '",
                              PyUnicode_AsUTF8(o.params[i].name), "', got a tensor of dtype ",
                              as_tensor(value).dtype(), " and shape ", as_tensor(value).sizes());
  detail::raise<TypeError>(label(*o.entry), ": expected ", python_type(o.params[i].kind), " for argument '",
                           PyUnicode_AsUTF8(o.params[i].name), "', got ", got,
                           " (signature: ", o.signature(false), ")");
}

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

// --- the callable ------------------------------------------------------------------------------------

constexpr size_t kMaxParams = 24;

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

PyObject* make_op(const std::vector<Overload>* overloads, bool inplace) {
  auto* p = reinterpret_cast<OpObject*>(check(OpType.tp_alloc(&OpType, 0)));
  p->vectorcall = call;
  p->overloads = overloads;
  p->inplace = inplace;
  p->name = check(PyUnicode_FromFormat("%s%s", overloads->front().entry->function, inplace ? "_" : ""));
  return reinterpret_cast<PyObject*>(p);
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

}  // namespace

namespace {

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
        overloads->front().params[1].name == input_name) {
      const Object method(make_op(overloads, false));
      reinterpret_cast<OpObject*>(method.get())->vectorcall = call_on_second;
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
