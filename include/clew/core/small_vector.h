// A vector with inline room for N elements: shapes, strides and gradient lists without heap traffic.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <utility>
#include <vector>

#include "clew/core/macros.h"

namespace clew {

template <class T, size_t N>
class SmallVector {
 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  SmallVector() = default;
  explicit SmallVector(size_t n, const T& value = T()) { resize(n, value); }
  SmallVector(std::initializer_list<T> l) : SmallVector(l.begin(), l.end()) {}
  template <class It>
    requires(!std::is_integral_v<It>)
  SmallVector(It first, It last) {
    const auto n = static_cast<size_t>(std::distance(first, last));
    reserve(n);
    for (size_t i = 0; i < n; ++i, ++first) std::construct_at(data_ + i, *first);
    size_ = static_cast<uint32_t>(n);
  }
  SmallVector(const SmallVector& o) : SmallVector(o.begin(), o.end()) {}
  SmallVector(SmallVector&& o) noexcept { take(std::move(o)); }
  SmallVector& operator=(const SmallVector& o) {
    if (this != &o) {
      clear();
      reserve(o.size());
      for (const T& x : o) push_back(x);
    }
    return *this;
  }
  SmallVector& operator=(SmallVector&& o) noexcept {
    if (this != &o) {
      clear();
      free_heap();
      take(std::move(o));
    }
    return *this;
  }
  ~SmallVector() {
    clear();
    free_heap();
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T& front() { return data_[0]; }
  T& back() { return data_[size_ - 1]; }
  const T& front() const { return data_[0]; }
  const T& back() const { return data_[size_ - 1]; }

  void clear() {
    std::destroy_n(data_, size_);
    size_ = 0;
  }
  void reserve(size_t n) {
    if (n > capacity_) grow(n);
  }
  void resize(size_t n, const T& value = T()) {
    reserve(n);
    while (size_ > n) pop_back();
    while (size_ < n) std::construct_at(data_ + size_++, value);
  }
  void push_back(T value) {
    if (size_ == capacity_) grow(size_ + 1);
    std::construct_at(data_ + size_++, std::move(value));
  }
  template <class... A>
  [[gnu::always_inline]] T& emplace_back(A&&... a) {
    if (size_ == capacity_) grow(size_ + 1);
    T* made = std::construct_at(data_ + size_, std::forward<A>(a)...);
    ++size_;
    return *made;
  }
  void pop_back() { std::destroy_at(data_ + --size_); }
  iterator insert(const_iterator where, T value) {
    const size_t i = static_cast<size_t>(where - data_);
    push_back(std::move(value));
    std::rotate(data_ + i, data_ + size_ - 1, data_ + size_);
    return data_ + i;
  }
  iterator erase(const_iterator where) {
    T* p = const_cast<T*>(where);
    std::move(p + 1, end(), p);
    pop_back();
    return p;
  }
  bool operator==(const SmallVector& o) const { return std::equal(begin(), end(), o.begin(), o.end()); }

 private:
  T* inline_data() { return reinterpret_cast<T*>(inline_); }
  void free_heap() {
    if (data_ != inline_data()) std::allocator<T>().deallocate(data_, capacity_);
  }
  [[gnu::noinline]] void grow(size_t need) {  // so that push_back is inlined
    const size_t capacity = std::max(need, 2 * static_cast<size_t>(capacity_));
    T* fresh = std::allocator<T>().allocate(capacity);
    std::uninitialized_move_n(data_, size_, fresh);
    std::destroy_n(data_, size_);
    free_heap();
    data_ = fresh;
    capacity_ = static_cast<uint32_t>(capacity);
  }
  void take(SmallVector&& o) noexcept {
    if (o.data_ != o.inline_data()) {
      data_ = std::exchange(o.data_, o.inline_data());
      capacity_ = std::exchange(o.capacity_, N);
    } else {
      data_ = inline_data();
      capacity_ = N;
      std::uninitialized_move_n(o.data_, o.size_, data_);
      std::destroy_n(o.data_, o.size_);
    }
    size_ = std::exchange(o.size_, 0);
  }

  T* data_ = inline_data();
  uint32_t size_ = 0;
  uint32_t capacity_ = N;
  alignas(T) std::byte inline_[N * sizeof(T)];
};

/// Sizes or strides, one per dimension.
using Shape = SmallVector<int64_t, 6>;

/// A borrowed list of integers; the caller keeps it alive for the length of the call.
class IntArrayRef {
 public:
  constexpr IntArrayRef() = default;
  constexpr IntArrayRef(const int64_t* data, size_t n) : data_(data), size_(n) {}
  // NOLINTBEGIN(google-explicit-constructor): these conversions are the point of the type.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winit-list-lifetime"  // lives as long as the call it is an argument of
#endif
  constexpr IntArrayRef(std::initializer_list<int64_t> l) : data_(l.begin()), size_(l.size()) {}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
  IntArrayRef(const Shape& s) : data_(s.data()), size_(s.size()) {}
  IntArrayRef(const std::vector<int64_t>& v) : data_(v.data()), size_(v.size()) {}
  // NOLINTEND(google-explicit-constructor)
  constexpr const int64_t* data() const { return data_; }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const int64_t* begin() const { return data_; }
  constexpr const int64_t* end() const { return data_ + size_; }
  constexpr int64_t operator[](size_t i) const { return data_[i]; }
  constexpr int64_t back() const { return data_[size_ - 1]; }
  bool operator==(IntArrayRef o) const {
    if (size_ != o.size_) return false;
    for (size_t i = 0; i < size_; ++i) {  // a few numbers: a call of memcmp costs more
      if (data_[i] != o.data_[i]) return false;
    }
    return true;
  }
  Shape vec() const { return Shape(begin(), end()); }

 private:
  const int64_t* data_ = nullptr;
  size_t size_ = 0;
};

/// Prints "(2, 3)".
CLEW_API std::ostream& operator<<(std::ostream& out, IntArrayRef s);
inline std::ostream& operator<<(std::ostream& out, const Shape& s) { return out << IntArrayRef(s); }

}  // namespace clew
