#include "clew/core/storage.h"

#include <new>

#include "clew/core/error.h"
#include "core/backend.h"

namespace clew {

static_assert(sizeof(Storage) <= Storage::kHeaderBytes);

Storage* Storage::allocate(size_t nbytes, Device device) {
  const bool has_data = device.type == DeviceType::CPU;
  void* block = detail::allocate(kHeaderBytes + (has_data ? nbytes : 0));
  if (has_data) return place(static_cast<char*>(block), 0, nbytes);
  Storage* s = new (block) Storage;
  s->device_ = device;
  s->nbytes_ = nbytes;
  if (CLEW_UNLIKELY(device.type == DeviceType::CUDA)) {
    try {
      s->data_ = require_cuda("allocate", device).allocate(nbytes, device.index);
    } catch (...) {
      detail::deallocate(block, kHeaderBytes);
      throw;
    }
  }
  return s;
}

Storage* Storage::wrap(void* data, size_t nbytes, Device device, std::function<void()> deleter) {
  auto holder = std::make_unique<std::function<void()>>(std::move(deleter));
  Storage* s = new (detail::allocate(kHeaderBytes)) Storage;
  s->device_ = device;
  s->nbytes_ = nbytes;
  s->data_ = data;
  s->deleter_ = holder.release();
  return s;
}

void Storage::destroy() noexcept {
  const bool inline_data = deleter_ == nullptr && device_.type == DeviceType::CPU;
  if (deleter_ != nullptr) {
    (*deleter_)();
    delete deleter_;
  } else if (CLEW_UNLIKELY(device_.type == DeviceType::CUDA)) {
    find_cuda_backend()->deallocate(data_, device_.index);
  }
  char* const block = reinterpret_cast<char*>(this) - lead_;
  const size_t block_bytes = lead_ + kHeaderBytes + (inline_data ? nbytes_ : 0);
  this->~Storage();
  detail::deallocate(block, block_bytes);
}

}  // namespace clew
