// x.index({Slice(), 0}) and x.index_put_({...}, value): Python's x[:, 0], with the same rules.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <type_traits>
#include <variant>

#include "clew/core/tensor.h"

namespace clew::indexing {

struct NoneType {};
struct EllipsisType {};
inline constexpr NoneType None;          // a new dimension of one
inline constexpr EllipsisType Ellipsis;  // as many whole dimensions as are left

/// start:stop:step; an unset bound is the end on its side. Raises ValueError on use unless step > 0.
struct Slice {
  std::optional<int64_t> start, stop;
  int64_t step = 1;

  Slice() = default;
  Slice(std::optional<int64_t> first, std::optional<int64_t> last, int64_t by = 1)
      : start(first), stop(last), step(by) {}
  // An open end may be written as None.
  Slice(NoneType, std::optional<int64_t> last, int64_t by = 1) : stop(last), step(by) {}
  Slice(std::optional<int64_t> first, NoneType, int64_t by = 1) : start(first), step(by) {}
  Slice(NoneType, NoneType, int64_t by = 1) : step(by) {}
};

/// One item of an index.
class TensorIndex {
 public:
  using Value = std::variant<NoneType, EllipsisType, Slice, bool, int64_t, Tensor>;
  // NOLINTBEGIN(google-explicit-constructor): these conversions are the point of the type.
  TensorIndex(NoneType v) : value_(v) {}
  TensorIndex(EllipsisType v) : value_(v) {}
  TensorIndex(Slice v) : value_(v) {}
  template <class I>
    requires std::is_integral_v<I>
  TensorIndex(I v) : value_(to_value(v)) {}
  TensorIndex(Tensor v) : value_(std::move(v)) {}
  // NOLINTEND(google-explicit-constructor)
  const Value& value() const { return value_; }

 private:
  template <class I>
  static Value to_value(I v) {
    if constexpr (std::is_same_v<I, bool>) return v;
    return static_cast<int64_t>(v);
  }
  Value value_;
};

/// What an index means for a tensor: a view, and tensor indices still to be applied to its dimensions.
struct Resolved {
  Tensor view;
  TensorList indices;  // undefined entries leave their dimension alone
  bool advanced = false;
};
/// Raises IndexError for too many items, a position out of range or a mask that does not fit.
CLEW_API Resolved resolve(const Tensor& self, std::span<const TensorIndex> items);

CLEW_API Tensor get(const Tensor& self, std::span<const TensorIndex> items);
CLEW_API void set(const Tensor& self, std::span<const TensorIndex> items, const Tensor& value);
CLEW_API void set(const Tensor& self, std::span<const TensorIndex> items, const Scalar& value);

}  // namespace clew::indexing
