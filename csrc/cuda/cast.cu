// Copies and conversions.
#include "cuda/elementwise.cuh"
#include "kernels/convert.h"

namespace clew::cuda {
namespace {

template <class To>
struct Convert {
  template <class From>
  CLEW_HD auto operator()(From x) const {
    return kernels::convert<std::conditional_t<is_half<To>, float, To>>(x);
  }
};

template <class From, class To>
void cast_launch(const Plan<2>& plan, Stream stream) {
  run_elementwise<To, From>(plan, Convert<To>(), stream);
}

// Of equal types only the size matters.
template <class T, class Raw>
constexpr void set_copy(CastTable& t) {
  t.at[column<T>()][column<T>()] = &cast_launch<Raw, Raw>;
}

template <class From, class To>
constexpr void set(CastTable& t) {
  if constexpr (!std::is_same_v<From, To>) t.at[column<From>()][column<To>()] = &cast_launch<From, To>;
}
template <class From>
constexpr void set_from(CastTable& t) {
  set<From, bool>(t);
  set<From, uint8_t>(t);
  set<From, int8_t>(t);
  set<From, int16_t>(t);
  set<From, int32_t>(t);
  set<From, int64_t>(t);
  set<From, Half>(t);
  set<From, BFloat16>(t);
  set<From, float>(t);
  set<From, double>(t);
}

constexpr CastTable make_table() {
  CastTable t{};
  set_from<bool>(t);
  set_from<uint8_t>(t);
  set_from<int8_t>(t);
  set_from<int16_t>(t);
  set_from<int32_t>(t);
  set_from<int64_t>(t);
  set_from<Half>(t);
  set_from<BFloat16>(t);
  set_from<float>(t);
  set_from<double>(t);
  set_copy<bool, uint8_t>(t);
  set_copy<uint8_t, uint8_t>(t);
  set_copy<int8_t, uint8_t>(t);
  set_copy<int16_t, uint16_t>(t);
  set_copy<int32_t, uint32_t>(t);
  set_copy<int64_t, uint64_t>(t);
  set_copy<Half, uint16_t>(t);
  set_copy<BFloat16, uint16_t>(t);
  set_copy<float, uint32_t>(t);
  set_copy<double, uint64_t>(t);
  return t;
}

}  // namespace

constinit const CastTable cast_table = make_table();

}  // namespace clew::cuda
