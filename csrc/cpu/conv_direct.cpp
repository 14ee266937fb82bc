// Convolution of groups of one input channel (depthwise, or images with one channel): each plane is copied
// once with its padding, then every output row is a sum of shifted rows. A stride s along the width is taken
// out by storing each row as s interleaved phases, so that loops always read neighbours.
#include "cpu/conv_direct.h"

#include <algorithm>

#include "cpu/plane_loops.h"
#include "cpu/scratch.h"

namespace clew::cpu {

namespace {

constexpr int64_t kLargestPlane = 1 << 18, kMostTaps = 1024, kMostPhases = 4;
constexpr int64_t kPieces = 16;

/// A padded plane: `rows` rows of `phases` interleaved phases, `pitch` apart.
struct Padded {
  int64_t rows, phases, pitch;
  Padded(int64_t rows_needed, int64_t columns_needed, int64_t phase_count)
      : rows(rows_needed),
        phases(phase_count),
        // A block of two vectors may start at the last column.
        pitch(ceil_div(ceil_div(columns_needed, phases), kConvLanes) * kConvLanes + 2 * kConvLanes) {}
  int64_t row() const { return phases * pitch; }
  int64_t numel() const { return rows * row(); }
  int64_t offset(int64_t y, int64_t x) const { return y * row() + x % phases * pitch + x / phases; }

  /// Puts element (y, x) of a plane at (top + y * step_y, left + x * step_x). The rest of `to` is left alone:
  /// it is zeroed once, since planes of one size always cover the same places.
  template <class T>
  void fill(T* to, const T* plane, int64_t h, int64_t w, int64_t top, int64_t left, int64_t step_y,
            int64_t step_x, int64_t columns) const {
    const StepRange ys(top, step_y, h, rows), xs(left, step_x, w, columns);
    for (int64_t y = ys.first; y < ys.last; ++y) {
      const T* from = plane + y * w;
      T* base = to + (top + y * step_y) * row();
      if (phases == 1 && step_x == 1) {
        std::copy(from + xs.first, from + xs.last, base + left + xs.first);
      } else if (phases == 1) {
        for (int64_t x = xs.first; x < xs.last; ++x) base[left + x * step_x] = from[x];
      } else {  // step_x is 1
        for (int64_t first = xs.first; first < std::min(xs.last, xs.first + phases); ++first) {
          T* out = base + offset(0, left + first);
          for (int64_t x = first; x < xs.last; x += phases) *out++ = from[x];
        }
      }
    }
  }
  template <class T>
  Scratch<T> zeroed() const {
    Scratch<T> room(numel());
    std::fill_n(room.data(), numel(), T(0));
    return room;
  }
};

int64_t rows_read(const Conv2dShape& s) { return (s.oh - 1) * s.sh + (s.kh - 1) * s.dh + 1; }
int64_t columns_read(const Conv2dShape& s) { return (s.ow - 1) * s.sw + (s.kw - 1) * s.dw + 1; }
Padded padded_input(const Conv2dShape& s) { return {rows_read(s), columns_read(s), s.sw}; }
/// Output gradients with stride - 1 zeros between them, as the input's gradient reads them.
Padded padded_grad(const Conv2dShape& s) { return {s.h + (s.kh - 1) * s.dh, s.w + (s.kw - 1) * s.dw, 1}; }

Scratch<int64_t> tap_offsets(const Conv2dShape& s, const Padded& p) {
  Scratch<int64_t> offsets(s.window());
  for (int64_t i = 0; i < s.kh; ++i) {
    for (int64_t j = 0; j < s.kw; ++j) offsets[i * s.kw + j] = p.offset(i * s.dh, j * s.dw);
  }
  return offsets;
}

int64_t plane_grain(const Conv2dShape& s) {
  return std::max<int64_t>(1, 4 * kGrainCompute / (s.oh * s.ow * s.window() * s.c_out_per_group()));
}

}  // namespace

bool direct_conv_fits(const Conv2dShape& s) {
  if (s.c_in_per_group() != 1 || s.window() > kMostTaps || s.sw > kMostPhases || s.sh > kMostPhases)
    return false;
  // Sizes in 128 bits: a plane of few elements can still span far.
  const auto area = [](__int128 rows, __int128 columns) {
    return rows > 0 && rows * (columns + 64) < kLargestPlane;
  };
  return area(rows_read(s), columns_read(s)) &&
         area(static_cast<__int128>(s.h) + (s.kh - 1) * s.dh, static_cast<__int128>(s.w) + (s.kw - 1) * s.dw);
}

template <class T>
void direct_forward(const Conv2dShape& s, T* out, const T* input, const T* weight, const T* bias) {
  const Padded padded = padded_input(s);
  const Scratch<int64_t> offsets = tap_offsets(s, padded);
  const PlaneTaps taps{s.oh, s.ow, s.sh * padded.row(), s.window(), offsets.data()};
  const int64_t og = s.c_out_per_group();
  const CorrelateLoop loop = plane_loops<T>().correlate;
  parallel_for(0, s.n * s.c_in, plane_grain(s), [&](int64_t begin, int64_t end) {
    const Scratch<T> plane = padded.zeroed<T>();
    for (int64_t i = begin; i < end; ++i) {
      padded.fill(plane.data(), input + i * s.h * s.w, s.h, s.w, s.ph, s.pw, 1, 1, columns_read(s));
      const int64_t c = i % s.c_in;
      for (int64_t o = c * og; o < (c + 1) * og; ++o) {
        loop(out + (i / s.c_in * s.c_out + o) * s.oh * s.ow, plane.data(), weight + o * s.window(),
             bias != nullptr ? static_cast<double>(bias[o]) : 0.0, false, taps);
      }
    }
  });
}

template <class T>
void direct_input_grad(const Conv2dShape& s, T* grad_input, const T* grad, const T* weight) {
  const Padded padded = padded_grad(s);
  const Scratch<int64_t> offsets = tap_offsets(s, padded);
  const PlaneTaps taps{s.h, s.w, padded.row(), s.window(), offsets.data()};
  const int64_t og = s.c_out_per_group(), top = (s.kh - 1) * s.dh - s.ph, left = (s.kw - 1) * s.dw - s.pw;
  const CorrelateLoop loop = plane_loops<T>().correlate;
  parallel_for(0, s.n * s.c_in, plane_grain(s), [&](int64_t begin, int64_t end) {
    const Scratch<T> plane = padded.zeroed<T>(), flipped(s.window());
    for (int64_t i = begin; i < end; ++i) {
      const int64_t c = i % s.c_in;
      for (int64_t o = c * og; o < (c + 1) * og; ++o) {
        padded.fill(plane.data(), grad + (i / s.c_in * s.c_out + o) * s.oh * s.ow, s.oh, s.ow, top, left,
                    s.sh, s.sw, s.w + (s.kw - 1) * s.dw);
        std::reverse_copy(weight + o * s.window(), weight + (o + 1) * s.window(), flipped.data());
        loop(grad_input + i * s.h * s.w, plane.data(), flipped.data(), 0.0, o != c * og, taps);
      }
    }
  });
}

template <class T>
void direct_weight_grad(const Conv2dShape& s, T* grad_weight, const T* grad, const T* input) {
  const Padded padded = padded_input(s), rows(s.oh, s.ow, 1);
  const Scratch<int64_t> offsets = tap_offsets(s, padded);
  const PlaneTaps taps{s.oh, s.ow, s.sh * padded.row(), s.window(), offsets.data()};
  const int64_t og = s.c_out_per_group(), size = s.c_out * s.window();
  const CorrelateWeightLoop loop = plane_loops<T>().correlate_weight;
  // The sum over images is cut in parts when channels are few; parts are added up in order.
  const int64_t parts = std::clamp<int64_t>(kPieces / s.c_in, 1, s.n);
  const Scratch<double> sums(parts * size);
  parallel_for(0, parts * s.c_in, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> plane = padded.zeroed<T>(), g = rows.zeroed<T>();
    for (int64_t task = begin; task < end; ++task) {
      const int64_t c = task % s.c_in, part = task / s.c_in;
      double* to = sums.data() + part * size + c * og * s.window();
      std::fill_n(to, og * s.window(), 0.0);
      for (int64_t n = part * s.n / parts; n < (part + 1) * s.n / parts; ++n) {
        padded.fill(plane.data(), input + (n * s.c_in + c) * s.h * s.w, s.h, s.w, s.ph, s.pw, 1, 1,
                    columns_read(s));
        for (int64_t o = 0; o < og; ++o) {
          rows.fill(g.data(), grad + (n * s.c_out + c * og + o) * s.oh * s.ow, s.oh, s.ow, 0, 0, 1, 1, s.ow);
          loop(to + o * s.window(), g.data(), rows.row(), plane.data(), taps);
        }
      }
    }
  });
  for (int64_t i = 0; i < size; ++i) {
    double sum = 0;
    for (int64_t part = 0; part < parts; ++part) sum += sums[part * size + i];
    grad_weight[i] = static_cast<T>(sum);
  }
}

template void direct_forward(const Conv2dShape&, float*, const float*, const float*, const float*);
template void direct_forward(const Conv2dShape&, double*, const double*, const double*, const double*);
template void direct_input_grad(const Conv2dShape&, float*, const float*, const float*);
template void direct_input_grad(const Conv2dShape&, double*, const double*, const double*);
template void direct_weight_grad(const Conv2dShape&, float*, const float*, const float*);
template void direct_weight_grad(const Conv2dShape&, double*, const double*, const double*);

}  // namespace clew::cpu
