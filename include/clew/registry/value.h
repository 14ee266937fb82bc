// An op's argument in boxed form: what interceptors see and what tape nodes keep.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>

#include "clew/core/tensor.h"

namespace clew {

namespace detail {
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
}  // namespace detail

/// Any argument or result of an op. Cheap kinds are stored in place, the rest in one counted box.
class Value {
  struct Box {
    std::atomic<uint32_t> refs{1};
    std::variant<Shape, TensorList, std::string, TensorOptions, Generator> content;
    void retain() { refs.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
      if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
  };
  template <class T>
  static Ref<Box> box(T&& content) {
    return Ref<Box>::adopt(new Box{.content = std::forward<T>(content)});
  }

 public:
  Value() = default;
  // NOLINTBEGIN(google-explicit-constructor): boxing is implicit by design.
  Value(bool v) : v_(v) {}
  Value(int64_t v) : v_(v) {}
  Value(double v) : v_(v) {}
  Value(const Scalar& v) : v_(v) {}
  Value(DType v) : v_(v) {}
  Value(const Tensor& v) : v_(v) {}
  Value(Tensor&& v) : v_(std::move(v)) {}
  Value(IntArrayRef v) : v_(box(Shape(v.begin(), v.end()))) {}
  Value(std::string_view v) : v_(box(std::string(v))) {}
  Value(TensorListRef v) : v_(box(TensorList(v.begin(), v.end()))) {}
  Value(TensorList v) : v_(box(std::move(v))) {}
  Value(const TensorOptions& v) : v_(box(v)) {}
  Value(const Generator& v) : v_(box(v)) {}
  template <class T>
  Value(const std::optional<T>& v) {
    if (v) *this = Value(*v);
  }
  template <class... T>
  Value(const std::tuple<T...>& v)
      : v_(box(std::apply([](const auto&... t) { return TensorList{t...}; }, v))) {}
  // NOLINTEND(google-explicit-constructor)

  bool is_none() const { return std::holds_alternative<std::monostate>(v_); }
  bool is_tensor() const { return std::holds_alternative<Tensor>(v_); }
  bool is_tensor_list() const { return holds_box<TensorList>(); }
  bool is_int_list() const { return holds_box<Shape>(); }
  bool is_string() const { return holds_box<std::string>(); }
  const Tensor& tensor() const { return std::get<Tensor>(v_); }
  TensorList& tensor_list() { return boxed<TensorList>(); }
  const TensorList& tensor_list() const { return boxed<TensorList>(); }
  std::string str() const;

  /// The argument as the op's signature wants it; list types borrow from this Value.
  template <class T>
  std::remove_cvref_t<T> to() const {
    using U = std::remove_cvref_t<T>;
    if constexpr (detail::is_optional<U>) {
      if (is_none()) return std::nullopt;
      return to<typename U::value_type>();
    } else if constexpr (std::is_same_v<U, IntArrayRef>) {
      return boxed<Shape>();
    } else if constexpr (std::is_same_v<U, TensorListRef>) {
      return TensorListRef(boxed<TensorList>());
    } else if constexpr (std::is_same_v<U, std::string_view>) {
      return boxed<std::string>();
    } else if constexpr (std::is_same_v<U, TensorOptions> || std::is_same_v<U, Generator> ||
                         std::is_same_v<U, TensorList>) {
      return boxed<U>();
    } else if constexpr (std::is_same_v<U, Tensor2>) {
      return {boxed<TensorList>()[0], boxed<TensorList>()[1]};
    } else if constexpr (std::is_same_v<U, Tensor3>) {
      return {boxed<TensorList>()[0], boxed<TensorList>()[1], boxed<TensorList>()[2]};
    } else if constexpr (std::is_same_v<U, Tensor>) {
      return is_none() ? Tensor() : std::get<Tensor>(v_);
    } else {
      return std::get<U>(v_);
    }
  }

 private:
  template <class T>
  bool holds_box() const {
    const auto* b = std::get_if<Ref<Box>>(&v_);
    return b != nullptr && std::holds_alternative<T>((*b)->content);
  }
  template <class T>
  T& boxed() const {
    return std::get<T>(std::get<Ref<Box>>(v_)->content);
  }

  std::variant<std::monostate, bool, int64_t, double, Scalar, DType, Tensor, Ref<Box>> v_;
};

}  // namespace clew
