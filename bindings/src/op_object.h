// What Python knows of an op: its parameters as the declarations spell them, and the callable object.
#pragma once

#include <string>
#include <vector>

#include "bindings/src/tensor_type.h"
#include "clew/registry/op_table.h"

namespace clew::python {

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

/// "Tensor | None" and so on, as signatures and messages write it.
const char* python_type(ParamKind kind);
/// How messages and signatures call the op: extensions' ops by library and function.
std::string label(const OpEntry& e);
/// Whether the function adds up plain numbers as well; the others need one tensor.
bool computes_numbers(const char* function);
/// The parameters of a declaration. Raises ValueError for a type that Python does not know.
std::vector<Param> parse_parameters(const OpEntry& e);
/// Raises TypeError, or DTypeError for a tensor where a number belongs: argument `i` got `value`.
[[noreturn, gnu::cold]] void mismatch(const Overload& o, size_t i, PyObject* value);

inline constexpr size_t kMaxParams = 24;

/// A `clew.op`, which calls one of `overloads`; both live as long as the process.
PyObject* make_op(const std::vector<Overload>* overloads, bool inplace);
/// The same as a method of its second parameter: `x.where(condition, other)` is `where(condition, x, other)`.
PyObject* make_op_of_second(const std::vector<Overload>* overloads);
void init_op_type();

}  // namespace clew::python
