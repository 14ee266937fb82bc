// A library that is opened while the program runs, so that the backend loads where it is missing.
#pragma once

#include <dlfcn.h>

#include <string>

namespace clew::cuda {

class SharedLibrary {
 public:
  /// Looks along the run-time path of this library: pip's packages beside clew, then the system.
  explicit SharedLibrary(const char* file) : handle_(dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) fail(dlerror());
  }
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;
  // Never closed: handles that it gave out live as long as the process.

  template <class Fn>
  void find(Fn*& function, const char* name) {
    if (handle_ == nullptr || !problem_.empty()) return;
    function = reinterpret_cast<Fn*>(dlsym(handle_, name));
    if (function == nullptr) fail(dlerror());
  }
  bool ok() const { return problem_.empty(); }
  const std::string& problem() const { return problem_; }
  void fail(const char* why) { problem_ = why != nullptr ? why : "it does not load"; }

 private:
  void* handle_;
  std::string problem_;
};

}  // namespace clew::cuda
