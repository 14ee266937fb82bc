// Direct correlation of one plane with a few taps; built once per instruction set.
#include "cpu/conv_loops.h"
#include "cpu/isa/vec.h"

namespace clew::cpu::CLEW_ISA {
namespace {

template <class T>
inline __attribute__((always_inline)) Vec<T> repeat(T value) {
  return value - Vec<T>{};
}

// kCount vectors of outputs stay in registers over all taps.
template <class T, int kCount>
inline __attribute__((always_inline)) void sum_taps(Vec<T>* sum, const T* padded, const T* weight,
                                                    const PlaneTaps& p) {
  for (int64_t t = 0; t < p.taps; ++t) {
    const T* from = padded + p.offset[t];
    const Vec<T> w = repeat(weight[t]);
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k) sum[k] += w * load(from + k * kVecLanes<T>);
  }
}

// The first `count` elements of `sum` to `out`.
template <class T>
inline __attribute__((always_inline)) void put(T* out, const Vec<T>& sum, int64_t count, bool accumulate) {
  if (count >= kVecLanes<T>) {
    const Vec<T> all = accumulate ? load(out) + sum : sum;
    memcpy(out, &all, sizeof(all));
    return;
  }
  T part[kVecLanes<T>];
  memcpy(part, &sum, sizeof(sum));
  for (int64_t k = 0; k < count; ++k) out[k] = accumulate ? out[k] + part[k] : part[k];
}

template <class T>
void correlate(void* out_, const void* padded_, const void* weight_, double initial, bool accumulate,
               const PlaneTaps& p) {
  constexpr int L = kVecLanes<T>;
  T* out = static_cast<T*>(out_);
  const T* padded = static_cast<const T*>(padded_);
  const T* weight = static_cast<const T*>(weight_);
  const Vec<T> first = repeat(accumulate ? T(0) : static_cast<T>(initial));
  for (int64_t y = 0; y < p.oh; ++y, padded += p.row_step, out += p.ow) {
    int64_t x = 0;
    for (; x + 4 * L <= p.ow; x += 4 * L) {
      Vec<T> sum[4] = {first, first, first, first};
      sum_taps<T, 4>(sum, padded + x, weight, p);
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) put<T>(out + x + k * L, sum[k], L, accumulate);
    }
    for (; x + L < p.ow; x += 2 * L) {  // the last vector may lie past the row in part
      Vec<T> sum[2] = {first, first};
      sum_taps<T, 2>(sum, padded + x, weight, p);
      put<T>(out + x, sum[0], L, accumulate);
      put<T>(out + x + L, sum[1], p.ow - x - L, accumulate);
    }
    if (x < p.ow) {
      Vec<T> sum[1] = {first};
      sum_taps<T, 1>(sum, padded + x, weight, p);
      put<T>(out + x, sum[0], p.ow - x, accumulate);
    }
  }
}

// What stands past the row may be infinite: it must be taken out, not multiplied with zero.
template <class T>
using Mask = decltype(Vec<T>{} < Vec<T>{});
template <class T>
inline __attribute__((always_inline)) Vec<T> masked(const Vec<T>& v, const Mask<T>& mask) {
  return reinterpret_cast<Vec<T>>(reinterpret_cast<Mask<T>>(v) & mask);
}

template <class T, int kTaps>
inline __attribute__((always_inline)) void weight_taps(double* sums, const T* g, int64_t g_row,
                                                       const T* padded, const int64_t* offset,
                                                       const PlaneTaps& p) {
  constexpr int L = kVecLanes<T>;
  const int64_t whole = p.ow / L * L;
  Mask<T> mask;
  for (int k = 0; k < L; ++k) mask[k] = k < p.ow - whole ? -1 : 0;
  Vec<T> lanes[kTaps] = {};
  for (int64_t y = 0; y < p.oh; ++y) {
    const T* row = g + y * g_row;
    const T* from = padded + y * p.row_step;
    for (int64_t x = 0; x < whole; x += L) {
      const Vec<T> r = load(row + x);
#pragma GCC unroll 4
      for (int t = 0; t < kTaps; ++t) lanes[t] += r * load(from + offset[t] + x);
    }
    if (whole < p.ow) {
      const Vec<T> r = masked<T>(load(row + whole), mask);
#pragma GCC unroll 4
      for (int t = 0; t < kTaps; ++t) lanes[t] += r * masked<T>(load(from + offset[t] + whole), mask);
    }
  }
  for (int t = 0; t < kTaps; ++t) {
    double sum = 0;
    for (int k = 0; k < L; ++k) sum += static_cast<double>(lanes[t][k]);
    sums[t] += sum;
  }
}

template <class T>
void correlate_weight(double* sums, const void* g_, int64_t g_row, const void* padded_, const PlaneTaps& p) {
  const T* g = static_cast<const T*>(g_);
  const T* padded = static_cast<const T*>(padded_);
  int64_t t = 0;
  for (; t + 4 <= p.taps; t += 4) weight_taps<T, 4>(sums + t, g, g_row, padded, p.offset + t, p);
  for (; t < p.taps; ++t) weight_taps<T, 1>(sums + t, g, g_row, padded, p.offset + t, p);
}

}  // namespace

// Constant data: reachable from the table that is picked at run time.
extern const ConvLoops conv_loops;
constinit const ConvLoops conv_loops = {
    {correlate<float>, correlate<double>},
    {correlate_weight<float>, correlate_weight<double>},
};

}  // namespace clew::cpu::CLEW_ISA
