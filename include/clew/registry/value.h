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
  Value(bool v) : kind_(Kind::Bool), v_{.boolean = v} {}
  Value(int64_t v) : kind_(Kind::Int), v_{.integer = v} {}
  Value(double v) : kind_(Kind::Double), v_{.real = v} {}
  Value(const Scalar& v) : kind_(Kind::Scalar), v_{.scalar = v} {}
  Value(DType v) : kind_(Kind::DType), v_{.dtype = v} {}
  Value(Tensor v) : kind_(Kind::Tensor), v_{.tensor = v.detach_body()} {}
  Value(IntArrayRef v) : Value(box(Shape(v.begin(), v.end()))) {}
  Value(std::string_view v) : Value(box(std::string(v))) {}
  Value(TensorListRef v) : Value(box(TensorList(v.begin(), v.end()))) {}
  Value(TensorList v) : Value(box(std::move(v))) {}
  Value(const TensorOptions& v) : Value(box(v)) {}
  Value(const Generator& v) : Value(box(v)) {}
  template <class T>
  Value(const std::optional<T>& v) {
    if (v) *this = Value(*v);
  }
  template <class... T>
  Value(const std::tuple<T...>& v)
      : Value(box(std::apply([](const auto&... t) { return TensorList{t...}; }, v))) {}
  // NOLINTEND(google-explicit-constructor)
  Value(const Value& o) : kind_(o.kind_), v_(o.v_) {
    if (kind_ == Kind::Tensor && v_.tensor != nullptr) v_.tensor->retain();
    if (kind_ == Kind::Box) v_.box->retain();
  }
  Value(Value&& o) noexcept : kind_(std::exchange(o.kind_, Kind::None)), v_(o.v_) {}
  Value& operator=(Value o) noexcept {
    std::swap(kind_, o.kind_);
    std::swap(v_, o.v_);
    return *this;
  }
  ~Value() {
    if (kind_ == Kind::Tensor && v_.tensor != nullptr) v_.tensor->release();
    if (kind_ == Kind::Box) v_.box->release();
  }

  bool is_none() const { return kind_ == Kind::None; }
  bool is_tensor() const { return kind_ == Kind::Tensor; }
  bool is_tensor_list() const { return holds_box<TensorList>(); }
  bool is_int_list() const { return holds_box<Shape>(); }
  bool is_string() const { return holds_box<std::string>(); }
  Tensor tensor() const {
    CLEW_ASSERT(kind_ == Kind::Tensor);
    return Tensor::share(v_.tensor);
  }
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
      return is_none() ? Tensor() : tensor();
    } else {
      return plain<U>();
    }
  }

 private:
  enum class Kind : uint8_t { None, Bool, Int, Double, Scalar, DType, Tensor, Box };
  // Counts are taken and given back by hand, so that a plain value costs no more than its bytes.
  union Content {
    bool boolean;
    int64_t integer;
    double real;
    Scalar scalar;
    DType dtype;
    TensorBody* tensor;
    Box* box;
  };

  explicit Value(Ref<Box> b) : kind_(Kind::Box), v_{.box = b.detach()} {}

  template <class T>
  bool holds_box() const {
    return kind_ == Kind::Box && std::holds_alternative<T>(v_.box->content);
  }
  template <class T>
  T& boxed() const {
    CLEW_ASSERT(kind_ == Kind::Box);
    return std::get<T>(v_.box->content);
  }
  template <class T>
  T plain() const {
    if constexpr (std::is_same_v<T, bool>) {
      CLEW_ASSERT(kind_ == Kind::Bool);
      return v_.boolean;
    } else if constexpr (std::is_same_v<T, int64_t>) {
      CLEW_ASSERT(kind_ == Kind::Int);
      return v_.integer;
    } else if constexpr (std::is_same_v<T, double>) {
      CLEW_ASSERT(kind_ == Kind::Double);
      return v_.real;
    } else if constexpr (std::is_same_v<T, Scalar>) {
      CLEW_ASSERT(kind_ == Kind::Scalar);
      return v_.scalar;
    } else {
      static_assert(std::is_same_v<T, DType>);
      CLEW_ASSERT(kind_ == Kind::DType);
      return v_.dtype;
    }
  }

  Kind kind_ = Kind::None;
  Content v_{.integer = 0};
};

}  // namespace clew
