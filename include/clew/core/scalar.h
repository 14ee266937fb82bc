// A Python or C++ number on its way into an op.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <type_traits>

#include "clew/core/dtype.h"

namespace clew {

/// Holds a bool, an int64 or a double exactly, and remembers which.
class Scalar {
 public:
  enum class Kind : uint8_t { Bool, Int, Double };

  constexpr Scalar() : kind_(Kind::Int), int_(0) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  constexpr Scalar(T v)  // NOLINT(google-explicit-constructor)
      : kind_(std::is_same_v<T, bool>       ? Kind::Bool
              : std::is_floating_point_v<T> ? Kind::Double
                                            : Kind::Int) {
    if constexpr (std::is_floating_point_v<T>) {
      double_ = static_cast<double>(v);
    } else {
      int_ = static_cast<int64_t>(v);
    }
  }

  constexpr Kind kind() const { return kind_; }
  constexpr bool is_floating() const { return kind_ == Kind::Double; }
  constexpr double to_double() const { return kind_ == Kind::Double ? double_ : static_cast<double>(int_); }
  constexpr int64_t to_int() const { return kind_ == Kind::Double ? static_cast<int64_t>(double_) : int_; }
  constexpr bool to_bool() const { return kind_ == Kind::Double ? double_ != 0 : int_ != 0; }
  constexpr bool equals(double v) const { return to_double() == v; }

  /// The dtype of a tensor made of this number: bool, int64, or the default floating dtype.
  DType dtype() const {
    return kind_ == Kind::Bool ? DType::Bool : kind_ == Kind::Int ? DType::Int64 : default_dtype();
  }

 private:
  Kind kind_;
  union {
    int64_t int_;
    double double_;
  };
};

CLEW_API std::ostream& operator<<(std::ostream& out, const Scalar& s);

}  // namespace clew
