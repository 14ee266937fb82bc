// Signatures: parsed from the text of the `.def` lines once, at import.
#include <cstring>

#include "bindings/src/op_object.h"

namespace clew::python {
namespace {

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
// "const clew::Tensor &" and "Tensor" are one type to Python.
std::string bare_type(std::string s) {
  for (const char* noise : {"clew::", "std::", "const ", "&", " "}) {
    for (size_t at = s.find(noise); at != std::string::npos; at = s.find(noise))
      s.erase(at, std::strlen(noise));
  }
  return s;
}

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

}  // namespace

const char* python_type(ParamKind kind) {
  if (kind == ParamKind::Device) return "device | str | None";
  for (const TypeName& t : kTypes) {
    if (t.kind == kind) return t.python;
  }
  return "object";
}

bool computes_numbers(const char* function) {
  for (const char* name : {"add", "sub", "mul", "div", "true_divide", "floor_divide", "subtract", "multiply",
                           "divide", "where"}) {
    if (std::strcmp(name, function) == 0) return true;
  }
  return false;
}

std::string label(const OpEntry& e) { return e.library != nullptr ? e.info->name : e.function; }

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

void mismatch(const Overload& o, size_t i, PyObject* value) {
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

}  // namespace clew::python
