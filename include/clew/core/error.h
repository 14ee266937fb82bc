// Exceptions: one class per kind of bad input, and the checks that raise them.
//
// Messages have the form `op: expected <rule>, got <value> (<context>)`.
#pragma once

#include <exception>
#include <sstream>
#include <string>
#include <utility>

#include "clew/core/macros.h"

namespace clew {

/// Base of every exception that Clew throws. `what()` is the full message.
class CLEW_API Error : public std::exception {
 public:
  explicit Error(std::string message) : message_(std::move(message)) {}
  ~Error() override;
  const char* what() const noexcept override { return message_.c_str(); }
  /// Adds a line of context (for example, the user's forward line) to the message.
  void add_context(const std::string& line) { message_ += "\n" + line; }
  /// Called by each module that the error leaves, from the innermost outwards: the message ends with the
  /// path from the outermost module, and the class of the innermost.
  void add_module(const std::string& name, const std::string& kind);

 private:
  std::string message_;
  std::string module_path_, module_kind_;
  size_t module_note_ = std::string::npos;  // where in the message the note begins
};

#define CLEW_ERROR_CLASS(name)         \
  class CLEW_API name : public Error { \
   public:                             \
    using Error::Error;                \
    ~name() override;                  \
  };

CLEW_ERROR_CLASS(TypeError)            // wrong type of argument, unknown keyword
CLEW_ERROR_CLASS(ShapeError)           // sizes of operands do not fit together
CLEW_ERROR_CLASS(DTypeError)           // dtype not supported or operands differ
CLEW_ERROR_CLASS(DeviceError)          // device absent or operands on different devices
CLEW_ERROR_CLASS(IndexError)           // index or dimension out of range
CLEW_ERROR_CLASS(ValueError)           // value outside of its allowed range
CLEW_ERROR_CLASS(AutogradError)        // tape misuse: stale saved tensor, freed graph, leaf written in place
CLEW_ERROR_CLASS(OutOfMemoryError)     // allocation refused
CLEW_ERROR_CLASS(FileFormatError)      // truncated, corrupt or hostile file
CLEW_ERROR_CLASS(LinAlgError)          // a matrix without the inverse or factors that were asked for
CLEW_ERROR_CLASS(NotImplementedError)  // known, not part of this version
CLEW_ERROR_CLASS(InternalError)        // a mistake of the library
#undef CLEW_ERROR_CLASS

namespace detail {
template <class... Parts>
[[gnu::cold, gnu::noinline]] std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}
template <class E, class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void raise(const Parts&... parts) {
  throw E(concat(parts...));
}
}  // namespace detail

/// Raises `kind` with the concatenated message unless `condition` holds. For mistakes of the caller.
#define CLEW_CHECK(condition, kind, ...)                                               \
  do {                                                                                 \
    if (CLEW_UNLIKELY(!(condition))) ::clew::detail::raise<::clew::kind>(__VA_ARGS__); \
  } while (false)

/// For mistakes of the library.
#define CLEW_ASSERT(condition)                                                                           \
  do {                                                                                                   \
    if (CLEW_UNLIKELY(!(condition)))                                                                     \
      ::clew::detail::raise<::clew::InternalError>("internal: expected " #condition " (", __FILE__, ":", \
                                                   __LINE__, "); please report this");                   \
  } while (false)

}  // namespace clew
