// The bytes behind tensors.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <utility>

#include "clew/core/device.h"
#include "clew/core/macros.h"
#include "clew/core/memory.h"

namespace clew {

/// Owns a block of memory and the version counter that all views of it share.
/// Counted intrusively. On the CPU header and data are one block, data kHeaderBytes behind the header; of a
/// small tensor that block begins with the tensor's body (Note [Small tensors]).
class Storage {
 public:
  void* data() const { return data_; }
  size_t nbytes() const { return nbytes_; }
  Device device() const { return device_; }
  uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  /// Notes an in-place write; `writer` is the op's name, of static duration, for messages.
  void bump_version(const char* writer = nullptr) {
    version_.fetch_add(1, std::memory_order_relaxed);
    set_last_writer(writer);
  }
  void set_last_writer(const char* writer) { last_writer_.store(writer, std::memory_order_relaxed); }
  /// The op that wrote last in place; null when unknown.
  const char* last_writer() const { return last_writer_.load(std::memory_order_relaxed); }
  bool unique() const { return refs_.load(std::memory_order_acquire) == 1; }

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    // Who holds the only count needs no locked decrement: nobody else can take one.
    if (unique() || refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

  static constexpr size_t kHeaderBytes = 64;  // keeps the data behind it aligned
  /// Uninitialised memory; `nbytes` may be 0. Raises OutOfMemoryError.
  static CLEW_API Storage* allocate(size_t nbytes, Device device);
  /// A CPU storage inside of a block that has `lead` bytes before it and `nbytes` of data behind it, and that
  /// the storage frees when it ends.
  static Storage* place(char* block, size_t lead, size_t nbytes) noexcept {
    auto* s = new (block + lead) Storage;
    s->data_ = block + lead + kHeaderBytes;
    s->nbytes_ = nbytes;
    s->lead_ = static_cast<uint16_t>(lead);
    return s;
  }
  /// Wraps memory owned elsewhere; `deleter` runs when the last tensor lets go.
  static CLEW_API Storage* wrap(void* data, size_t nbytes, Device device, std::function<void()> deleter);

 private:
  Storage() = default;
  CLEW_API void destroy() noexcept;

  std::atomic<uint32_t> refs_{1};
  std::atomic<uint32_t> version_{0};
  void* data_ = nullptr;
  size_t nbytes_ = 0;
  Device device_;
  uint16_t lead_ = 0;  // bytes of the block before this header
  std::function<void()>* deleter_ = nullptr;
  std::atomic<const char*> last_writer_{nullptr};
};

/// Counted pointer to a T with retain() and release().
template <class T>
class Ref {
 public:
  Ref() = default;
  /// Takes over the caller's count.
  static Ref adopt(T* p) {
    Ref r;
    r.p_ = p;
    return r;
  }
  static Ref share(T* p) {
    if (p) p->retain();
    return adopt(p);
  }
  Ref(const Ref& o) : p_(o.p_) {
    if (p_) p_->retain();
  }
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Ref& operator=(Ref o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Ref() {
    if (p_) p_->release();
  }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  T* detach() { return std::exchange(p_, nullptr); }
  bool operator==(const Ref& o) const { return p_ == o.p_; }

 private:
  T* p_ = nullptr;
};

}  // namespace clew
