// Temporary memory of kernels, and 16-bit tensors computed in float32.
#pragma once

#include "clew/core/parallel.h"
#include "clew/core/tensor.h"
#include "cpu/loops.h"

namespace clew::cpu {

/// Uninitialised room for `n` elements, from the library's own allocator.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t n)
      : storage_(Ref<Storage>::adopt(Storage::allocate(static_cast<size_t>(n) * sizeof(T), kCPU))) {}
  T* data() const { return static_cast<T*>(storage_->data()); }
  operator T*() const { return data(); }  // NOLINT(google-explicit-constructor): stands for the pointer

 private:
  Ref<Storage> storage_;
};

inline int column(DType t) { return static_cast<int>(t); }
inline bool is_half(DType t) { return t == DType::Float16 || t == DType::BFloat16; }

/// Converts n contiguous elements.
inline void convert(void* out, DType to, const void* in, DType from, int64_t n) {
  const CastLoop loop = loops().cast(column(from), column(to));
  const auto out_size = static_cast<int64_t>(item_size(to)), in_size = static_cast<int64_t>(item_size(from));
  parallel_for(0, n, kGrainMemory, [&](int64_t b, int64_t e) {
    loop(static_cast<char*>(out) + b * out_size, static_cast<const char*>(in) + b * in_size, e - b, 1, 1);
  });
}

/// The elements of a contiguous tensor as T: in place where it has that dtype, else a converted copy.
template <class T>
class As {
 public:
  explicit As(const Tensor& t) : copy_(t.dtype() == DTypeOf<T>::value ? 0 : t.numel()) {
    if (t.dtype() == DTypeOf<T>::value) {
      data_ = t.data<T>();
    } else {
      convert(copy_.data(), DTypeOf<T>::value, t.raw_data(), t.dtype(), t.numel());
      data_ = copy_.data();
    }
  }
  explicit As(const std::optional<Tensor>& t) : As(t ? As(*t) : As()) {}
  const T* data() const { return data_; }

 private:
  As() : copy_(0) {}
  Scratch<T> copy_;
  const T* data_ = nullptr;
};

/// A result computed as T: written in place where `out` has that dtype, else converted by store().
template <class T>
class ResultAs {
 public:
  explicit ResultAs(const Tensor& out) : out_(out), copy_(direct() ? 0 : out.numel()) {}
  T* data() const { return direct() ? out_.data<T>() : copy_.data(); }
  void store() const {
    if (!direct()) convert(out_.raw_data(), out_.dtype(), copy_.data(), DTypeOf<T>::value, out_.numel());
  }

 private:
  bool direct() const { return out_.dtype() == DTypeOf<T>::value; }
  const Tensor& out_;
  Scratch<T> copy_;
};

/// Calls `f.operator()<T>()` with double for float64 and float for the rest of the floating dtypes.
template <class F>
void dispatch_wide(DType t, F&& f) {
  if (t == DType::Float64) {
    f.template operator()<double>();
  } else {
    f.template operator()<float>();
  }
}

}  // namespace clew::cpu
