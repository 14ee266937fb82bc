// The ops that extensions add while the program runs.
#include <algorithm>
#include <memory>
#include <mutex>

#include "clew/registry/op_table.h"

namespace clew {
namespace {

struct Registered {
  std::mutex mutex;
  std::vector<std::unique_ptr<OpLibrary>> current;   // one per name
  std::vector<std::unique_ptr<OpLibrary>> replaced;  // op objects may still point there
};
// Lives as long as the process: extensions may be asked for while it ends.
Registered& registered() {
  static auto* r = new Registered;
  return *r;
}

thread_local constinit int replacing = 0;

bool is_identifier(std::string_view s) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !s.empty() && letter(s.front()) &&
         std::all_of(s.begin(), s.end(), [&](char c) { return letter(c) || digit(c); });
}

void check_entries(std::string_view name, const std::vector<OpEntry>& ops) {
  CLEW_CHECK(is_identifier(name), ValueError,
             "register_library: expected a name that is an identifier, got '", name, "'");
  for (size_t i = 0; i < ops.size(); ++i) {
    const OpEntry& e = ops[i];
    const std::string full = std::string(name) + "." + e.function;
    CLEW_CHECK(full == e.info->name, ValueError, "register_library: expected the page of ", e.function,
               " to have .name = \"", full, "\", got \"", e.info->name, "\"");
    for (size_t k = 0; k < i; ++k)
      CLEW_CHECK(std::string_view(ops[k].function) != e.function, ValueError,
                 "register_library: expected each op once, got ", full, " twice");
  }
  for (const OpEntry& e : op_table())
    CLEW_CHECK(name != e.function, ValueError,
               "register_library: expected a name that no built-in op has, got '", name, "'");
}

}  // namespace

void register_library(std::string_view name, std::vector<OpEntry> ops) {
  check_entries(name, ops);
  auto library = std::make_unique<OpLibrary>(OpLibrary{std::string(name), std::move(ops)});
  for (OpEntry& e : library->ops) e.library = library->name.c_str();
  Registered& r = registered();
  const std::lock_guard lock(r.mutex);
  for (std::unique_ptr<OpLibrary>& old : r.current) {
    if (old->name != name) continue;
    CLEW_CHECK(replacing > 0, ValueError, "register_library: expected a name that is free, got '", name,
               "', which another library has");
    r.replaced.push_back(std::move(old));
    old = std::move(library);
    return;
  }
  r.current.push_back(std::move(library));
}

std::vector<const OpLibrary*> libraries() {
  Registered& r = registered();
  const std::lock_guard lock(r.mutex);
  std::vector<const OpLibrary*> out;
  out.reserve(r.current.size());
  for (const auto& library : r.current) out.push_back(library.get());
  return out;
}

const OpLibrary* find_library(std::string_view name) {
  for (const OpLibrary* library : libraries()) {
    if (library->name == name) return library;
  }
  return nullptr;
}

ReplaceLibraries::ReplaceLibraries() { ++replacing; }
ReplaceLibraries::~ReplaceLibraries() { --replacing; }

}  // namespace clew
