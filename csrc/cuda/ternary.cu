#include "cuda/elementwise.cuh"

namespace clew::cuda {
namespace {

namespace k = kernels;
using k::TernaryOp;

struct Select {
  template <class T>
  CLEW_HD T operator()(uint8_t condition, T a, T b) const {
    return condition != 0 ? a : b;
  }
};

template <class F, class T>
constexpr void set(TernaryTable& t, TernaryOp op) {
  t.at[static_cast<int>(op)][column<T>()] = &ternary_launch<F, T, T, T>;
}
template <class F>
constexpr void set_floats(TernaryTable& t, TernaryOp op) {
  set<F, float>(t, op);
  set<F, Half>(t, op);
  set<F, BFloat16>(t, op);
  set<F, double>(t, op);
}
// Moving elements needs no more than their size.
template <class T, class Raw>
constexpr void set_where(TernaryTable& t) {
  t.at[static_cast<int>(TernaryOp::where)][column<T>()] = &ternary_launch<Select, Raw, bool, Raw>;
}

constexpr TernaryTable make_table() {
  TernaryTable t{};
  set_where<bool, uint8_t>(t);
  set_where<uint8_t, uint8_t>(t);
  set_where<int8_t, uint8_t>(t);
  set_where<int16_t, uint16_t>(t);
  set_where<int32_t, uint32_t>(t);
  set_where<int64_t, uint64_t>(t);
  set_where<Half, uint16_t>(t);
  set_where<BFloat16, uint16_t>(t);
  set_where<float, uint32_t>(t);
  set_where<double, uint64_t>(t);
  set_floats<k::Lerp>(t, TernaryOp::lerp);
  set_floats<k::Addcmul>(t, TernaryOp::addcmul);
  set_floats<k::Addcdiv>(t, TernaryOp::addcdiv);
  set<k::Addcmul, uint8_t>(t, TernaryOp::addcmul);
  set<k::Addcmul, int8_t>(t, TernaryOp::addcmul);
  set<k::Addcmul, int16_t>(t, TernaryOp::addcmul);
  set<k::Addcmul, int32_t>(t, TernaryOp::addcmul);
  set<k::Addcmul, int64_t>(t, TernaryOp::addcmul);
  return t;
}

}  // namespace

constinit const TernaryTable ternary_table = make_table();

}  // namespace clew::cuda
