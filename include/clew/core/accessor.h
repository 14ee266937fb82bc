// Element access by index, for loops over small tensors: `auto a = t.accessor<float, 2>(); a[i][j] = 1;`.
#pragma once

#include <cstddef>
#include <cstdint>

namespace clew {

/// Elements of a tensor of N dimensions. It borrows: the tensor must live as long. Indices are not checked.
template <class T, size_t N>
class TensorAccessor {
 public:
  TensorAccessor(T* data, const int64_t* sizes, const int64_t* strides)
      : data_(data), sizes_(sizes), strides_(strides) {}
  /// An element where N is 1, else the accessor of a part.
  decltype(auto) operator[](int64_t i) const {
    if constexpr (N == 1) {
      return *at(i);
    } else {
      return TensorAccessor<T, N - 1>(at(i), sizes_ + 1, strides_ + 1);
    }
  }
  int64_t size(size_t dim) const { return sizes_[dim]; }
  int64_t stride(size_t dim) const { return strides_[dim]; }
  T* data() const { return data_; }

 private:
  // A reference, also where decltype(auto) would make a value of a name.
  T* at(int64_t i) const { return data_ + i * strides_[0]; }

  T* data_;
  const int64_t *sizes_, *strides_;
};

}  // namespace clew
