// The static table of all ops, expanded from the `.def` lists.
#pragma once

#include <span>
#include <string_view>

#include "registry/op_def.h"

namespace clew {

enum class OpKind : uint8_t { Op, Inplace, Method, MethodInplace, Function, NN, Internal };

struct OpEntry {
  const OpInfo* info;
  const void* op_def;
  OpKind kind;
  const char* function;    // "max"
  const char* overload;    // "dim", or ""
  const char* returns;     // C++ type
  const char* parameters;  // "const Tensor& input, int64_t dim, bool keepdim = false"
  Value (*boxed)(const void* op_def, std::span<Value> args, bool inplace);
  bool has_inplace() const { return kind == OpKind::Inplace || kind == OpKind::MethodInplace; }
};

/// In the order of the `.def` lists; overloads follow their function, with its kind.
CLEW_API std::span<const OpEntry> op_table();
CLEW_API const OpEntry* find_op(std::string_view name);

}  // namespace clew
