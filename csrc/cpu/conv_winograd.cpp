// Convolution with 3 x 3 kernels at stride 1 by F(2x2, 3x3).
//
// Images are cut into tiles of 2 x 2 outputs. Inputs and weights are transformed into 16 matrices each, whose
// products are summed over channels by gemm and transformed back. An output is computed from its own window
// only, so errors stay in proportion to it.
// Reference: Lavin, Gray. Fast Algorithms for Convolutional Neural Networks. 2015. arXiv:1509.09308.
//
// Blocks of tile rows are what threads share out. The blocks depend on shapes only.
#include "cpu/conv_winograd.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "cpu/gemm.h"
#include "cpu/scratch.h"
#include "cpu/winograd_loops.h"

namespace clew::cpu {

namespace {

constexpr int64_t kLeastChannels = 16;
constexpr int64_t kBlockBytes = 4 << 20;  // transformed inputs and outputs of a block
constexpr int64_t kLeastTiles = 64, kMostTiles = 1024;
constexpr int64_t kPieces = 4;  // to cut a small batch into

/// Planes of h x w that become planes of oh x ow by a window that starts ph and pw before them.
struct Grid {
  int64_t n, h, w, oh, ow, ph, pw;
  int64_t tiles_y() const { return ceil_div(oh, 2); }
  int64_t tiles_x() const { return ceil_div(ow, 2); }
  /// Rows of tiles, all images one after the other.
  int64_t tile_rows() const { return n * tiles_y(); }
};

/// How many rows of tiles a block has.
int64_t block_rows(const Grid& g, int64_t channels) {
  const int64_t tiles = std::clamp(kBlockBytes / (64 * channels), kLeastTiles, kMostTiles);
  const int64_t rows = std::max<int64_t>(1, tiles / g.tiles_x());
  return std::min(rows, ceil_div(g.tile_rows(), kPieces));
}

/// Room for the rows of a plane that some rows of tiles read, even columns apart from odd ones.
class PhasedRows {
 public:
  /// Tiles read `overlap` rows and columns beyond their own 2.
  PhasedRows(const Grid& g, int64_t tile_rows, int64_t overlap)
      : tiles_(g.tiles_x()),
        overlap_(overlap),
        phase_((tiles_ + 1 + kWinogradLanes) / kWinogradLanes * kWinogradLanes + kWinogradLanes),
        room_((2 * tile_rows + overlap) * 2 * phase_) {}
  const float* data() const { return room_.data(); }
  int64_t row_pitch() const { return 2 * phase_; }
  int64_t phase_pitch() const { return phase_; }

  /// Row i is plane row first + i; column x is plane column x - left; zeros outside.
  void fill(const float* plane, int64_t h, int64_t w, int64_t first, int64_t left, int64_t tile_rows) {
    const int64_t columns = 2 * tiles_ + overlap_;
    const int64_t from = std::clamp<int64_t>(left, 0, columns), to = std::clamp(left + w, from, columns);
    for (int64_t i = 0; i < 2 * tile_rows + overlap_; ++i) {
      float* even = room_.data() + i * row_pitch();
      float* odd = even + phase_;
      const int64_t y = first + i;
      if (y < 0 || y >= h || from == to) {
        std::fill_n(even, ceil_div(columns, 2), 0.0f);
        std::fill_n(odd, ceil_div(columns, 2), 0.0f);
        continue;
      }
      const float* row = plane + y * w;
      auto at = [&](int64_t x) -> float& { return (x % 2 == 0 ? even : odd)[x / 2]; };
      for (int64_t x = 0; x < from; ++x) at(x) = 0.0f;
      for (int64_t x = to; x < columns + columns % 2; ++x) at(x) = 0.0f;
      int64_t x = from;
      if (x % 2 != 0) {
        at(x) = row[x - left];
        ++x;
      }
      const float* in = row + x - left;
      const int64_t pairs = (to - x) / 2;
      float *e = even + x / 2, *o = odd + x / 2;
      for (int64_t k = 0; k < pairs; ++k) {
        e[k] = in[2 * k];
        o[k] = in[2 * k + 1];
      }
      if ((to - x) % 2 != 0) at(to - 1) = row[to - 1 - left];
    }
  }

 private:
  int64_t tiles_, overlap_, phase_;
  Scratch<float> room_;
};

/// Calls f(image, first tile row in it, tile rows, tile rows before it in the block) for what [begin, end) of
/// all tile rows covers.
template <class F>
void for_images(const Grid& g, int64_t begin, int64_t end, F&& f) {
  const int64_t each = g.tiles_y();
  for (int64_t r = begin; r < end;) {
    const int64_t y = r % each, count = std::min(each - y, end - r);
    f(r / each, y, count, r - begin);
    r += count;
  }
}

/// U = G w G^T of `count` kernels: element (i, j) of kernel f at u[(4 * i + j) * count + f]. `flipped` is
/// that of the kernels turned by half a turn.
void transform_weights(float* u, const float* w, int64_t count, bool flipped) {
  constexpr int64_t kBlock = 16;
  constexpr int kSame[4] = {0, 1, 2, 3}, kTurned[4] = {3, 1, 2, 0};
  const int* place = flipped ? kTurned : kSame;
  parallel_for(0, ceil_div(count, kBlock), kGrainCompute / (kBlock * 16), [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kBlock, n = std::min(kBlock, count - first);
      float g[9][kBlock] = {}, rows[4][3][kBlock];
      for (int64_t f = 0; f < n; ++f) {
        for (int t = 0; t < 9; ++t) g[t][f] = w[(first + f) * 9 + t];
      }
      for (int j = 0; j < 3; ++j) {
        for (int64_t f = 0; f < kBlock; ++f) {
          const float a = g[j][f], b = g[3 + j][f], c = g[6 + j][f];
          rows[0][j][f] = a;
          rows[1][j][f] = (a + b + c) * 0.5f;
          rows[2][j][f] = (a - b + c) * 0.5f;
          rows[3][j][f] = c;
        }
      }
      for (int i = 0; i < 4; ++i) {
        float out[4][kBlock];
        for (int64_t f = 0; f < kBlock; ++f) {
          const float a = rows[i][0][f], b = rows[i][1][f], c = rows[i][2][f];
          out[0][f] = a;
          out[1][f] = (a + b + c) * 0.5f;
          out[2][f] = (a - b + c) * 0.5f;
          out[3][f] = c;
        }
        for (int j = 0; j < 4; ++j) std::copy_n(out[j], n, u + (place[i] * 4 + place[j]) * count + first);
      }
    }
  });
}

/// w = G^T u G, the way back for gradients. Returns false when a result is not finite.
bool restore_weights(float* w, const float* u, int64_t count) {
  std::atomic<bool> finite{true};
  parallel_for(0, count, kGrainCompute / 16, [&](int64_t begin, int64_t end) {
    bool good = true;
    for (int64_t f = begin; f < end; ++f) {
      float rows[3][4];
      for (int j = 0; j < 4; ++j) {
        const float a = u[j * count + f], b = u[(4 + j) * count + f], c = u[(8 + j) * count + f],
                    d = u[(12 + j) * count + f];
        rows[0][j] = a + (b + c) * 0.5f;
        rows[1][j] = (b - c) * 0.5f;
        rows[2][j] = (b + c) * 0.5f + d;
      }
      for (int i = 0; i < 3; ++i) {
        const float *r = rows[i], half = (r[1] + r[2]) * 0.5f;
        const float out[3] = {r[0] + half, (r[1] - r[2]) * 0.5f, half + r[3]};
        for (int j = 0; j < 3; ++j) {
          good = good && std::isfinite(out[j]);
          w[f * 9 + i * 3 + j] = out[j];
        }
      }
    }
    if (!good) finite = false;
  });
  return finite;
}

/// out (n, co, oh, ow) from in (n, ci, h, w); u holds 16 matrices (co, ci), or (ci, co) when transposed.
bool correlate(const Grid& g, int64_t ci, int64_t co, float* out, const float* in, const float* u,
               bool transposed, const float* bias) {
  const int64_t rows = block_rows(g, ci + co), widest = rows * g.tiles_x();
  const WinogradLoops& loops = winograd_loops();
  std::atomic<bool> finite{true};
  parallel_for(0, ceil_div(g.tile_rows(), rows), 1, [&](int64_t first, int64_t last) {
    const Scratch<float> v(16 * ci * widest), m(16 * co * widest);
    PhasedRows plane(g, std::min(rows, g.tiles_y()), 2);
    for (int64_t block = first; block < last; ++block) {
      const int64_t begin = block * rows, end = std::min(begin + rows, g.tile_rows());
      const int64_t tiles = (end - begin) * g.tiles_x();
      for_images(g, begin, end, [&](int64_t n, int64_t y, int64_t count, int64_t before) {
        for (int64_t c = 0; c < ci; ++c) {
          plane.fill(in + (n * ci + c) * g.h * g.w, g.h, g.w, 2 * y - g.ph, g.pw, count);
          loops.input(v + c * tiles + before * g.tiles_x(), ci * tiles, plane.data(), plane.row_pitch(),
                      plane.phase_pitch(), count, g.tiles_x());
        }
      });
      for (int64_t k = 0; k < 16; ++k) {
        gemm(DType::Float32, co, tiles, ci, 1.0, {u + k * ci * co, transposed ? co : ci, transposed},
             {v + k * ci * tiles, tiles, false}, 0.0, m + k * co * tiles, tiles);
      }
      for_images(g, begin, end, [&](int64_t n, int64_t y, int64_t count, int64_t before) {
        for (int64_t o = 0; o < co; ++o) {
          if (!loops.output(out + (n * co + o) * g.oh * g.ow + 2 * y * g.ow, g.oh - 2 * y, g.ow,
                            m + o * tiles + before * g.tiles_x(), co * tiles, count, g.tiles_x(),
                            bias != nullptr ? bias[o] : 0.0f)) {
            finite = false;
          }
        }
      });
    }
  });
  return finite;
}

}  // namespace

bool winograd_fits(const Conv2dShape& s) {
  return s.kh == 3 && s.kw == 3 && s.sh == 1 && s.sw == 1 && s.dh == 1 && s.dw == 1 && s.groups == 1 &&
         s.ph <= 2 && s.pw <= 2 && s.c_in >= kLeastChannels && s.c_out >= kLeastChannels &&
         s.oh * s.ow >= 4 && s.n * s.oh * s.ow >= 4 * kLeastTiles;
}

bool winograd_forward(const Conv2dShape& s, float* out, const float* input, const float* weight,
                      const float* bias) {
  const Scratch<float> u(16 * s.c_out * s.c_in);
  transform_weights(u, weight, s.c_out * s.c_in, false);
  return correlate({s.n, s.h, s.w, s.oh, s.ow, s.ph, s.pw}, s.c_in, s.c_out, out, input, u, false, bias);
}

bool winograd_input_grad(const Conv2dShape& s, float* grad_input, const float* grad, const float* weight) {
  const Scratch<float> u(16 * s.c_out * s.c_in);
  transform_weights(u, weight, s.c_out * s.c_in, true);
  return correlate({s.n, s.oh, s.ow, s.h, s.w, 2 - s.ph, 2 - s.pw}, s.c_out, s.c_in, grad_input, grad, u,
                   true, nullptr);
}

bool winograd_weight_grad(const Conv2dShape& s, float* grad_weight, const float* grad, const float* input) {
  const Grid g{s.n, s.h, s.w, s.oh, s.ow, s.ph, s.pw};
  const int64_t rows = block_rows(g, s.c_in + s.c_out), widest = rows * g.tiles_x();
  const int64_t size = s.c_out * s.c_in;
  const WinogradLoops& loops = winograd_loops();
  const Scratch<float> u(16 * size), v(16 * s.c_in * widest), m(16 * s.c_out * widest);
  for (int64_t begin = 0; begin < g.tile_rows(); begin += rows) {
    const int64_t end = std::min(begin + rows, g.tile_rows()), tiles = (end - begin) * g.tiles_x();
    // Threads share out the planes, then the 16 products.
    parallel_for(0, s.c_in + s.c_out, std::max<int64_t>(1, kGrainCompute / (16 * tiles)),
                 [&](int64_t first, int64_t last) {
                   PhasedRows wide(g, std::min(rows, g.tiles_y()), 2),
                       narrow(g, std::min(rows, g.tiles_y()), 0);
                   for_images(g, begin, end, [&](int64_t n, int64_t y, int64_t count, int64_t before) {
                     for (int64_t c = first; c < std::min(last, s.c_in); ++c) {
                       wide.fill(input + (n * s.c_in + c) * s.h * s.w, s.h, s.w, 2 * y - s.ph, s.pw, count);
                       loops.input(v + c * tiles + before * g.tiles_x(), s.c_in * tiles, wide.data(),
                                   wide.row_pitch(), wide.phase_pitch(), count, g.tiles_x());
                     }
                     for (int64_t o = std::max(first, s.c_in) - s.c_in; o < last - s.c_in; ++o) {
                       narrow.fill(grad + (n * s.c_out + o) * s.oh * s.ow, s.oh, s.ow, 2 * y, 0, count);
                       loops.grad(m + o * tiles + before * g.tiles_x(), s.c_out * tiles, narrow.data(),
                                  narrow.row_pitch(), narrow.phase_pitch(), count, g.tiles_x());
                     }
                   });
                 });
    parallel_for(0, 16, 1, [&](int64_t first, int64_t last) {
      for (int64_t k = first; k < last; ++k) {
        gemm(DType::Float32, s.c_out, s.c_in, tiles, 1.0, {m + k * s.c_out * tiles, tiles, false},
             {v + k * s.c_in * tiles, tiles, true}, begin == 0 ? 0.0 : 1.0, u + k * size, s.c_in);
      }
    });
  }
  return restore_weights(grad_weight, u, size);
}

}  // namespace clew::cpu
