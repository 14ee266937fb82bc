// Every op's definition and kernel slot by name: `softmax_op`, `softmax_kernel`.
// An op's page defines the first; the CPU backend defines the second where the op has a kernel. Slots are
// exported, since the libraries of other devices fill their own column.
#pragma once

#include "clew/ops/ops.h"
#include "clew/registry/op_def.h"

namespace clew {

#define CLEW_DECLARE_SLOTS(id)                          \
  extern const OpDef<decltype(signatures::id)> id##_op; \
  extern CLEW_API KernelSlot<decltype(signatures::id)> id##_kernel;
#define CLEW_OP(name, R, ...) CLEW_DECLARE_SLOTS(name)
#define CLEW_OP_INPLACE(name, R, ...) CLEW_DECLARE_SLOTS(name)
#define CLEW_METHOD(name, R, ...) CLEW_DECLARE_SLOTS(name)
#define CLEW_METHOD_INPLACE(name, R, ...) CLEW_DECLARE_SLOTS(name)
#define CLEW_FUNCTION(name, R, ...) CLEW_DECLARE_SLOTS(name)
#define CLEW_NN(name, R, ...) CLEW_DECLARE_SLOTS(name)
#define CLEW_INTERNAL(name, R, ...) CLEW_DECLARE_SLOTS(name)
#define CLEW_OVERLOAD(name, tag, R, ...) CLEW_DECLARE_SLOTS(name##_##tag)
#include "clew/ops/all.def"
#undef CLEW_DECLARE_SLOTS

}  // namespace clew

/// Opens an op's page: `CLEW_OP_PAGE(softmax) = {{.name = "softmax", ...}};`
#define CLEW_OP_PAGE(id) constinit const ::clew::OpDef<decltype(::clew::signatures::id)> id##_op
/// Fills the CPU column of an op's kernel slot: `CLEW_CPU_KERNEL(softmax, softmax_cpu);`
#define CLEW_CPU_KERNEL(id, fn) constinit ::clew::KernelSlot<decltype(::clew::signatures::id)> id##_kernel(fn)
