// Direct correlation of one plane with a few taps; built once per instruction set.
#include "cpu/conv_loops.h"
#include "cpu/isa/common.h"

namespace clew::cpu::CLEW_ISA {
namespace {

// `lanes` outputs of one row stay in registers over all taps; the last ones may lie past the row and are dropped.
template <class T, int64_t kLanes>
CLEW_HD void correlate_lanes(T* out, const T* padded, const T* weight, T initial, bool accumulate, int64_t count,
                             const PlaneTaps& p) {
  T sum[kLanes];
  for (int64_t k = 0; k < kLanes; ++k) sum[k] = initial;
  for (int64_t t = 0; t < p.taps; ++t) {
    const T* from = padded + p.offset[t];
    const T w = weight[t];
    for (int64_t k = 0; k < kLanes; ++k) sum[k] += w * from[k];
  }
  if (count == kLanes && !accumulate) {
    for (int64_t k = 0; k < kLanes; ++k) out[k] = sum[k];
  } else if (accumulate) {
    for (int64_t k = 0; k < count; ++k) out[k] += sum[k];
  } else {
    for (int64_t k = 0; k < count; ++k) out[k] = sum[k];
  }
}

template <class T>
void correlate(void* out_, const void* padded_, const void* weight_, double initial, bool accumulate,
               const PlaneTaps& p) {
  T* out = static_cast<T*>(out_);
  const T* padded = static_cast<const T*>(padded_);
  const T* weight = static_cast<const T*>(weight_);
  const T first = accumulate ? T(0) : static_cast<T>(initial);
  for (int64_t y = 0; y < p.oh; ++y, padded += p.row_step, out += p.ow) {
    int64_t x = 0;
    for (; p.ow - x > kConvLanes; x += 2 * kConvLanes) {
      correlate_lanes<T, 2 * kConvLanes>(out + x, padded + x, weight, first, accumulate,
                                         smaller(2 * kConvLanes, p.ow - x), p);
    }
    if (x < p.ow) correlate_lanes<T, kConvLanes>(out + x, padded + x, weight, first, accumulate, p.ow - x, p);
  }
}

template <class T, int kTaps>
CLEW_HD void weight_taps(double* sums, const T* g, int64_t g_row, const T* padded, const int64_t* offset,
                         const PlaneTaps& p) {
  T lanes[kTaps][kConvLanes] = {};
  for (int64_t y = 0; y < p.oh; ++y) {
    const T* row = g + y * g_row;
    const T* from = padded + y * p.row_step;
    int64_t x = 0;
    for (; x + kConvLanes <= p.ow; x += kConvLanes) {
      for (int t = 0; t < kTaps; ++t) {
        const T* at = from + offset[t] + x;
        for (int64_t k = 0; k < kConvLanes; ++k) lanes[t][k] += row[x + k] * at[k];
      }
    }
    if (x == p.ow) continue;
    for (int t = 0; t < kTaps; ++t) {
      const T* at = from + offset[t] + x;
      // What stands past the row may be infinite: it must not be multiplied with zero.
      for (int64_t k = 0; k < kConvLanes; ++k) lanes[t][k] += k < p.ow - x ? row[x + k] * at[k] : T(0);
    }
  }
  for (int t = 0; t < kTaps; ++t) {
    double sum = 0;
    for (int64_t k = 0; k < kConvLanes; ++k) sum += static_cast<double>(lanes[t][k]);
    sums[t] += sum;
  }
}

template <class T>
void correlate_weight(double* sums, const void* g_, int64_t g_row, const void* padded_, const PlaneTaps& p) {
  const T* g = static_cast<const T*>(g_);
  const T* padded = static_cast<const T*>(padded_);
  int64_t t = 0;
  for (; t + 3 <= p.taps; t += 3) weight_taps<T, 3>(sums + t, g, g_row, padded, p.offset + t, p);
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
