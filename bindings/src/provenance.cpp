// CPython's frame layout is internal and changes; where it is known, two loads replace making a frame object.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030D0000
#define CLEW_KNOWN_FRAME_LAYOUT
#define Py_BUILD_CORE 1
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <internal/pycore_frame.h>
#pragma GCC diagnostic pop
#undef Py_BUILD_CORE
#endif

#include "bindings/src/provenance.h"

#include <atomic>

#include "bindings/src/python.h"

namespace clew::python {
namespace {

// A code object stays known once seen: nodes may end on threads without the GIL, so they cannot count
// references. Bounded by the number of functions that call ops.
constexpr size_t kSlots = 1024;
// The address of a code object, and in the lowest bit whether it belongs to this package.
std::atomic<uintptr_t> known[kSlots];
std::string package_directory;

/// Notes the code object. True for code of this package, which the user's line stands behind.
bool is_own(PyCodeObject* code) {
  const auto address = reinterpret_cast<uintptr_t>(code);
  std::atomic<uintptr_t>& slot = known[(address >> 5) % kSlots];
  const uintptr_t value = slot.load(std::memory_order_relaxed);
  if ((value & ~uintptr_t{1}) == address) return (value & 1) != 0;
  const AcquireGil gil;  // large ops record without it
  Py_INCREF(code);
  const char* file = PyUnicode_AsUTF8(code->co_filename);
  if (file == nullptr) PyErr_Clear();
  const bool own =
      file != nullptr && !package_directory.empty() && std::string_view(file).starts_with(package_directory);
  slot.store(address | static_cast<uintptr_t>(own), std::memory_order_relaxed);
  return own;
}

// Own frames to look behind: a module in modules in modules.
constexpr int kMaxOwnFrames = 64;

}  // namespace

void set_package_directory(std::string directory) { package_directory = std::move(directory); }

autograd::Provenance capture_line() noexcept {
  // This thread's state, with or without the GIL: its frames stand still while it is in here.
  PyThreadState* state = PyGILState_GetThisThreadState();
  if (state == nullptr) return {};
#ifdef CLEW_KNOWN_FRAME_LAYOUT
  const _PyInterpreterFrame* frame = state->cframe->current_frame;
  if (frame == nullptr) return {};
  const _PyInterpreterFrame* found = frame;
  for (int i = 0; i < kMaxOwnFrames && frame != nullptr; ++i, frame = frame->previous) {
#if PY_VERSION_HEX >= 0x030C0000
    if (frame->owner == FRAME_OWNED_BY_CSTACK) continue;  // stands for C code
#endif
    if (is_own(frame->f_code)) continue;
    found = frame;
    break;
  }
  PyCodeObject* code = found->f_code;
  const auto offset =
      reinterpret_cast<const char*>(found->prev_instr) - reinterpret_cast<const char*>(_PyCode_CODE(code));
  return {code, static_cast<int32_t>(offset)};
#else
  if (!PyGILState_Check()) return {};  // frame objects need it
  PyFrameObject* frame = PyThreadState_GetFrame(state);
  autograd::Provenance found{};
  for (int i = 0; i < kMaxOwnFrames && frame != nullptr; ++i) {
    PyCodeObject* code = PyFrame_GetCode(frame);
    const bool own = is_own(code);
    if (!own || found.code == nullptr) found = {code, PyFrame_GetLasti(frame)};
    Py_DECREF(code);  // noted, so that it stays
    PyFrameObject* outer = own ? PyFrame_GetBack(frame) : nullptr;
    Py_DECREF(frame);
    frame = outer;
  }
  Py_XDECREF(frame);
  return found;
#endif
}

}  // namespace clew::python
