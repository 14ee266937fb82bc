// Loops over planes of images; built once per instruction set.
#include "cpu/isa/vec.h"
#include "cpu/plane_loops.h"

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

// ---- unrolling ----

// A vector of kBytes, for the ends of rows.
template <class T, int kBytes>
struct Part {
  typedef T type __attribute__((vector_size(kBytes)));
};

template <class T, int kBytes>
inline __attribute__((always_inline)) void copy_part(T*& out, const T*& in, int64_t& n) {
  constexpr int64_t L = kBytes / sizeof(T);
  if constexpr (L >= 1) {
    if (n < L) return;
    memcpy(out, in, kBytes);
    out += L, in += L, n -= L;
  }
}

/// Rows are often short: no call of memcpy.
template <class T>
inline __attribute__((always_inline)) void copy_row(T* out, const T* in, int64_t n) {
  while (n >= kVecLanes<T>) copy_part<T, kVecBytes>(out, in, n);
  if constexpr (kVecBytes > 32) copy_part<T, 32>(out, in, n);
  if constexpr (kVecBytes > 16) copy_part<T, 16>(out, in, n);
  copy_part<T, 8>(out, in, n);
  copy_part<T, 4>(out, in, n);
}

template <class T, int kBytes>
inline __attribute__((always_inline)) void add_part(T*& out, const T*& in, int64_t& n) {
  using V = typename Part<T, kBytes>::type;
  constexpr int64_t L = kBytes / sizeof(T);
  if (n < L) return;
  V a, b;
  memcpy(&a, out, kBytes);
  memcpy(&b, in, kBytes);
  a += b;
  memcpy(out, &a, kBytes);
  out += L, in += L, n -= L;
}

template <class T>
inline __attribute__((always_inline)) void add_row(T* out, const T* in, int64_t n) {
  while (n >= kVecLanes<T>) add_part<T, kVecBytes>(out, in, n);
  if constexpr (kVecBytes > 32) add_part<T, 32>(out, in, n);
  if constexpr (kVecBytes > 16) add_part<T, 16>(out, in, n);
  while (n-- > 0) *out++ += *in++;
}

template <class T>
void unroll(void* col, const void* plane, const PlaneRows& p) {
  T* out = static_cast<T*>(col);
  for (int64_t y = 0; y < p.rows; ++y, out += p.ow) {
    const int64_t iy = p.first_y + y * p.step_y;
    const bool inside = iy >= 0 && iy < p.h;
    const int64_t from = inside ? p.inside_from : p.ow, to = inside ? p.inside_to : p.ow;
    for (int64_t x = 0; x < from; ++x) out[x] = T(0);
    if (from < to) {
      const T* in = static_cast<const T*>(plane) + iy * p.w + p.first_x;
      if (p.step_x == 1) {
        copy_row(out + from, in + from, to - from);
      } else {
        for (int64_t x = from; x < to; ++x) out[x] = in[x * p.step_x];
      }
    }
    for (int64_t x = to; x < p.ow; ++x) out[x] = T(0);
  }
}

template <class T>
void roll(void* plane, const void* col, const PlaneRows& p) {
  const T* in = static_cast<const T*>(col);
  for (int64_t y = 0; y < p.rows; ++y, in += p.ow) {
    const int64_t iy = p.first_y + y * p.step_y;
    if (iy < 0 || iy >= p.h) continue;
    T* out = static_cast<T*>(plane) + iy * p.w + p.first_x;
    if (p.step_x == 1) {
      add_row(out + p.inside_from, in + p.inside_from, p.inside_to - p.inside_from);
    } else {
      for (int64_t x = p.inside_from; x < p.inside_to; ++x) out[x * p.step_x] += in[x];
    }
  }
}

// ---- sums over segments ----

// Keeps the last `count` lanes.
template <class T>
inline __attribute__((always_inline)) Mask<T> last_lanes(int64_t count) {
  Mask<T> mask;
  for (int k = 0; k < kVecLanes<T>; ++k) mask[k] = k >= kVecLanes<T> - count ? -1 : 0;
  return mask;
}

/// Calls step(lane, segment start, position, mask or none) so that each element is seen once; the end of a
/// segment is the last whole vector with what was seen already masked out. flush() after some thousand
/// elements.
template <class T, class Step, class Rest, class Flush>
inline __attribute__((always_inline)) void for_segments(int64_t segments, int64_t n, int64_t pitch, Step step,
                                                        Rest rest, Flush flush) {
  constexpr int64_t L = kVecLanes<T>, kRun = 4096;
  const Mask<T> mask = last_lanes<T>(n % L), all = last_lanes<T>(L);
  int64_t run = 0;
  for (int64_t s = 0; s < segments; ++s) {
    const int64_t at = s * pitch;
    int64_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L) {
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) step(k, at + i + k * L, all);
      run += 4 * L;
      if (run >= kRun) {
        flush();
        run = 0;
      }
    }
    for (; i + L <= n; i += L) step(0, at + i, all);
    if (i < n) {
      if (n >= L) {
        step(1, at + n - L, mask);
      } else {
        for (; i < n; ++i) rest(at + i);
      }
    }
    run += 4 * L;
    if (run >= kRun) {
      flush();
      run = 0;
    }
  }
  flush();
}

template <class T>
inline __attribute__((always_inline)) void add_up(double& total, Vec<T>* lanes) {
  const Vec<T> sum = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  T t[kVecLanes<T>];
  memcpy(t, &sum, sizeof(sum));
#pragma GCC unroll 4
  for (int w = kVecLanes<T> / 2; w >= 1; w /= 2) {
    for (int k = 0; k < w; ++k) t[k] += t[k + w];
  }
  total += static_cast<double>(t[0]);
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) lanes[k] = Vec<T>{};
}

template <class T>
double segment_sum(const void* x_, int64_t segments, int64_t n, int64_t pitch) {
  const T* x = static_cast<const T*>(x_);
  Vec<T> lanes[4] = {};
  double total = 0;
  for_segments<T>(
      segments, n, pitch, [&](int k, int64_t i, const Mask<T>& m) { lanes[k] += masked<T>(load(x + i), m); },
      [&](int64_t i) { total += static_cast<double>(x[i]); }, [&] { add_up<T>(total, lanes); });
  return total;
}

template <class T>
double segment_squares(const void* x_, int64_t segments, int64_t n, int64_t pitch, double mean_) {
  const T* x = static_cast<const T*>(x_);
  const T mean = static_cast<T>(mean_);
  const Vec<T> means = repeat(mean);
  Vec<T> lanes[4] = {};
  double total = 0;
  for_segments<T>(
      segments, n, pitch,
      [&](int k, int64_t i, const Mask<T>& m) {
        const Vec<T> d = masked<T>(load(x + i) - means, m);
        lanes[k] += d * d;
      },
      [&](int64_t i) {
        const double d = static_cast<double>(x[i] - mean);
        total += d * d;
      },
      [&] { add_up<T>(total, lanes); });
  return total;
}

template <class T>
void segment_pair(double* sum_g, double* sum_gx, const void* g_, const void* x_, int64_t segments, int64_t n,
                  int64_t pitch, double mean_) {
  const T* g = static_cast<const T*>(g_);
  const T* x = static_cast<const T*>(x_);
  const T mean = static_cast<T>(mean_);
  const Vec<T> means = repeat(mean);
  Vec<T> lanes_g[4] = {}, lanes_gx[4] = {};
  double total_g = 0, total_gx = 0;
  for_segments<T>(
      segments, n, pitch,
      [&](int k, int64_t i, const Mask<T>& m) {
        const Vec<T> v = masked<T>(load(g + i), m);
        lanes_g[k] += v;
        lanes_gx[k] += v * masked<T>(load(x + i) - means, m);
      },
      [&](int64_t i) {
        total_g += static_cast<double>(g[i]);
        total_gx += static_cast<double>(g[i]) * static_cast<double>(x[i] - mean);
      },
      [&] {
        add_up<T>(total_g, lanes_g);
        add_up<T>(total_gx, lanes_gx);
      });
  *sum_g = total_g;
  *sum_gx = total_gx;
}

template <class T>
void affine(void* out_, const void* x_, int64_t n, double mean_, double scale_, double shift_) {
  T* out = static_cast<T*>(out_);
  const T* x = static_cast<const T*>(x_);
  const T mean = static_cast<T>(mean_), scale = static_cast<T>(scale_), shift = static_cast<T>(shift_);
  CLEW_IVDEP
  for (int64_t i = 0; i < n; ++i) out[i] = (x[i] - mean) * scale + shift;
}

template <class T>
void affine_backward(void* dx_, const void* g_, const void* x_, int64_t n, double a_, double b_, double mean_,
                     double d_) {
  T* dx = static_cast<T*>(dx_);
  const T* g = static_cast<const T*>(g_);
  const T* x = static_cast<const T*>(x_);
  const T a = static_cast<T>(a_), b = static_cast<T>(b_), mean = static_cast<T>(mean_),
          d = static_cast<T>(d_);
  CLEW_IVDEP
  for (int64_t i = 0; i < n; ++i) dx[i] = a * g[i] + (b * (x[i] - mean) + d);
}

}  // namespace

#define CLEW_PLANE_LOOPS(T)                                                               \
  {correlate<T>,       correlate_weight<T>, unroll<T>, roll<T>,           segment_sum<T>, \
   segment_squares<T>, segment_pair<T>,     affine<T>, affine_backward<T>}
// Constant data: picked at run time.
extern const PlaneLoops float_plane_loops, double_plane_loops;
constinit const PlaneLoops float_plane_loops = CLEW_PLANE_LOOPS(float);
constinit const PlaneLoops double_plane_loops = CLEW_PLANE_LOOPS(double);
#undef CLEW_PLANE_LOOPS

}  // namespace clew::cpu::CLEW_ISA
