// The static table of all ops, expanded from the `.def` lists, and the ops that extensions add.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "clew/registry/op_def.h"

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
  const char* library = nullptr;  // the extension it belongs to
  bool has_inplace() const { return kind == OpKind::Inplace || kind == OpKind::MethodInplace; }
};

/// Built-in ops in the order of the `.def` lists; overloads follow their function, with its kind.
CLEW_API std::span<const OpEntry> op_table();
/// A built-in op by its name ("max.dim"), or one of an extension ("mylib.squareplus"); null if there is none.
CLEW_API const OpEntry* find_op(std::string_view name);

/// The ops that an extension added.
struct OpLibrary {
  std::string name;
  std::vector<OpEntry> ops;
};
/// Adds ops under `name`, which is what Python finds as `clew.ops.<name>`. An entry comes from CLEW_ENTRY
/// (clew/extension.h); its op's page is called "<name>.<function>". The pages must outlive the process's use
/// of them, so the library is never unloaded. Raises ValueError for a name that is no identifier or is taken,
/// for an op that is listed twice, and for a page that is called otherwise.
CLEW_API void register_library(std::string_view name, std::vector<OpEntry> ops);
/// Null if there is none.
CLEW_API const OpLibrary* find_library(std::string_view name);
/// In order of registration.
CLEW_API std::vector<const OpLibrary*> libraries();

/// Lets register_library replace a library of the same name on this thread: a source was edited and built
/// again. Ops of the old one go on working.
class CLEW_API ReplaceLibraries {
 public:
  ReplaceLibraries();
  ~ReplaceLibraries();
  ReplaceLibraries(const ReplaceLibraries&) = delete;
  ReplaceLibraries& operator=(const ReplaceLibraries&) = delete;
};

}  // namespace clew
