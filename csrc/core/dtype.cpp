#include "clew/core/dtype.h"

#include <algorithm>
#include <atomic>
#include <ostream>

#include "clew/core/scalar.h"

namespace clew {
namespace {
constexpr const char* kNames[kDTypeCount] = {"bool",    "uint8",   "int8",      "int16",
                                             "int32",   "int64",   "float16",   "bfloat16",
                                             "float32", "float64", "complex64", "complex128"};
std::atomic<DType> the_default_dtype{DType::Float32};
}  // namespace

const char* name(DType t) { return kNames[static_cast<int>(t)]; }
std::ostream& operator<<(std::ostream& out, DType t) { return out << name(t); }

std::ostream& operator<<(std::ostream& out, DTypeSet s) {
  out << "{";
  const char* separator = "";
  for (int i = 0; i < kDTypeCount; ++i) {
    if (!s.contains(static_cast<DType>(i))) continue;
    out << separator << kNames[i];
    separator = ", ";
  }
  return out << "}";
}

DType promote_types(DType a, DType b) {
  if (a == b) return a;
  if (a > b) std::swap(a, b);
  // The enumerators stand in the order of promotion; two pairs have no order between them.
  if (a == DType::UInt8 && b == DType::Int8) return DType::Int16;
  if (a == DType::Float16 && b == DType::BFloat16) return DType::Float32;
  if (a == DType::Float64 && b == DType::Complex64) return DType::Complex128;
  return b;
}

DType to_floating(DType t) { return is_differentiable(t) ? t : default_dtype(); }
DType default_dtype() { return the_default_dtype.load(std::memory_order_relaxed); }
void set_default_dtype(DType t) {
  CLEW_CHECK(is_floating(t), DTypeError, "set_default_dtype: expected a floating dtype, got ", t);
  the_default_dtype.store(t, std::memory_order_relaxed);
}

std::ostream& operator<<(std::ostream& out, const Scalar& s) {
  switch (s.kind()) {
    case Scalar::Kind::Bool:
      return out << (s.to_bool() ? "True" : "False");
    case Scalar::Kind::Int:
      return out << s.to_int();
    case Scalar::Kind::Double:
      break;
  }
  return out << s.to_double();
}

}  // namespace clew
