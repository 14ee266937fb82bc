// Element types, their properties, and the promotion rules: the only place that states them.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include "clew/core/error.h"
#include "clew/core/half.h"
#include "clew/core/macros.h"

namespace clew {

enum class DType : uint8_t {
  Bool,
  UInt8,
  Int8,
  Int16,
  Int32,
  Int64,
  Float16,
  BFloat16,
  Float32,
  Float64,
  Complex64,   // reserved: no kernels yet
  Complex128,  // reserved: no kernels yet
};
inline constexpr int kDTypeCount = 12;

inline constexpr DType kBool = DType::Bool, kUInt8 = DType::UInt8, kByte = DType::UInt8, kInt8 = DType::Int8,
                       kInt16 = DType::Int16, kInt32 = DType::Int32, kInt = DType::Int32,
                       kInt64 = DType::Int64, kLong = DType::Int64, kFloat16 = DType::Float16,
                       kHalf = DType::Float16, kBFloat16 = DType::BFloat16, kFloat32 = DType::Float32,
                       kFloat = DType::Float32, kFloat64 = DType::Float64, kDouble = DType::Float64;

namespace detail {
inline constexpr uint8_t kItemSize[kDTypeCount] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
}
constexpr size_t item_size(DType t) { return detail::kItemSize[static_cast<int>(t)]; }
constexpr bool is_complex(DType t) { return t >= DType::Complex64; }
constexpr bool is_floating(DType t) { return t >= DType::Float16 && t <= DType::Float64; }
constexpr bool is_integral(DType t) { return t >= DType::UInt8 && t <= DType::Int64; }
constexpr bool is_differentiable(DType t) { return t >= DType::Float16; }

/// "float32" and so on.
CLEW_API const char* name(DType t);
CLEW_API std::ostream& operator<<(std::ostream& out, DType t);

/// A set of dtypes, as an op declares it.
struct DTypeSet {
  uint16_t bits = 0;
  constexpr bool contains(DType t) const { return (bits >> static_cast<int>(t)) & 1; }
  constexpr DTypeSet operator|(DTypeSet o) const { return {static_cast<uint16_t>(bits | o.bits)}; }
};
template <class... T>
constexpr DTypeSet dtype_set(T... t) {
  return {static_cast<uint16_t>((0u | ... | (1u << static_cast<int>(t))))};
}
inline constexpr DTypeSet kBooleans = dtype_set(DType::Bool);
inline constexpr DTypeSet kIntegers =
    dtype_set(DType::UInt8, DType::Int8, DType::Int16, DType::Int32, DType::Int64);
inline constexpr DTypeSet kFloating =
    dtype_set(DType::Float16, DType::BFloat16, DType::Float32, DType::Float64);
inline constexpr DTypeSet kNumeric = kIntegers | kFloating;
inline constexpr DTypeSet kAllDTypes = kNumeric | kBooleans;
CLEW_API std::ostream& operator<<(std::ostream& out, DTypeSet s);

/// The wider of two dtypes: bool < integer < floating < complex, within a category the wider wins;
/// float16 with bfloat16 gives float32, uint8 with a signed type the next signed type that holds both.
CLEW_API DType promote_types(DType a, DType b);

/// The dtype of results of true division and of functions like exp: floating as it is, else the default.
CLEW_API DType to_floating(DType t);
CLEW_API DType default_dtype();
CLEW_API void set_default_dtype(DType t);

// clang-format off
template <class T> struct DTypeOf;
template <> struct DTypeOf<bool> { static constexpr DType value = DType::Bool; };
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::UInt8; };
template <> struct DTypeOf<int8_t> { static constexpr DType value = DType::Int8; };
template <> struct DTypeOf<int16_t> { static constexpr DType value = DType::Int16; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::Int32; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::Int64; };
template <> struct DTypeOf<Half> { static constexpr DType value = DType::Float16; };
template <> struct DTypeOf<BFloat16> { static constexpr DType value = DType::BFloat16; };
template <> struct DTypeOf<float> { static constexpr DType value = DType::Float32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::Float64; };
// clang-format on

/// The type in which sums over T are kept.
template <class T>
struct AccumulateType {
  using type = T;
};
template <>
struct AccumulateType<Half> {
  using type = float;
};
template <>
struct AccumulateType<BFloat16> {
  using type = float;
};
template <class T>
using acc_t = typename AccumulateType<T>::type;

/// Calls `f.template operator()<T>()` with the C++ type of `t`, which must be in `set`.
template <DTypeSet set, class F>
decltype(auto) dispatch(DType t, F&& f) {
#define CLEW_CASE(enumerator, type)                                                      \
  case DType::enumerator:                                                                \
    if constexpr (set.contains(DType::enumerator)) return f.template operator()<type>(); \
    break;
  switch (t) {
    CLEW_CASE(Bool, bool)
    CLEW_CASE(UInt8, uint8_t)
    CLEW_CASE(Int8, int8_t)
    CLEW_CASE(Int16, int16_t)
    CLEW_CASE(Int32, int32_t)
    CLEW_CASE(Int64, int64_t)
    CLEW_CASE(Float16, Half)
    CLEW_CASE(BFloat16, BFloat16)
    CLEW_CASE(Float32, float)
    CLEW_CASE(Float64, double)
    default:
      break;
  }
#undef CLEW_CASE
  detail::raise<DTypeError>("expected one of ", set, ", got ", t);
}

}  // namespace clew
