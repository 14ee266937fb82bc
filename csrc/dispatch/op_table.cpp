#include "clew/registry/op_table.h"

#include "clew/dispatch/apply.h"
#include "registry/slots.h"

namespace clew {
namespace {

#define CLEW_ENTRY(id, function, overload, kind, R, ...) \
  {&id##_op.info, &id##_op, OpKind::kind, function, overload, #R, #__VA_ARGS__, boxed_entry<>(id##_op)},
// An overload's kind is that of the function it belongs to; `op_table` readers look it up by name.
constinit const OpEntry kTable[] = {
#define CLEW_OP(name, R, ...) CLEW_ENTRY(name, #name, "", Op, R, __VA_ARGS__)
#define CLEW_OP_INPLACE(name, R, ...) CLEW_ENTRY(name, #name, "", Inplace, R, __VA_ARGS__)
#define CLEW_METHOD(name, R, ...) CLEW_ENTRY(name, #name, "", Method, R, __VA_ARGS__)
#define CLEW_METHOD_INPLACE(name, R, ...) CLEW_ENTRY(name, #name, "", MethodInplace, R, __VA_ARGS__)
#define CLEW_FUNCTION(name, R, ...) CLEW_ENTRY(name, #name, "", Function, R, __VA_ARGS__)
#define CLEW_NN(name, R, ...) CLEW_ENTRY(name, #name, "", NN, R, __VA_ARGS__)
#define CLEW_INTERNAL(name, R, ...) CLEW_ENTRY(name, #name, "", Internal, R, __VA_ARGS__)
#define CLEW_OVERLOAD(name, tag, R, ...) CLEW_ENTRY(name##_##tag, #name, #tag, Op, R, __VA_ARGS__)
#include "clew/ops/all.def"
};
#undef CLEW_ENTRY

}  // namespace

std::span<const OpEntry> op_table() { return kTable; }

const OpEntry* find_op(std::string_view name) {
  for (const OpEntry& e : kTable) {
    if (name == e.info->name) return &e;
  }
  for (const OpLibrary* library : libraries()) {
    for (const OpEntry& e : library->ops) {
      if (name == e.info->name) return &e;
    }
  }
  return nullptr;
}

}  // namespace clew
