// Transforms of F(2x2, 3x3) for rows of tiles, a vector of tiles at a time; built once per instruction set.
#include "cpu/winograd_loops.h"

#include "cpu/isa/vec.h"

namespace clew::cpu::CLEW_ISA {
namespace {

using V = Vec<float>;
constexpr int L = kVecLanes<float>;

inline __attribute__((always_inline)) void put(float* out, const V& v, int64_t count) {
  if (count >= L) {
    memcpy(out, &v, sizeof(v));
    return;
  }
#ifdef __AVX512F__
  _mm512_mask_storeu_ps(out, static_cast<__mmask16>((1u << count) - 1), reinterpret_cast<__m512>(v));
#else
  float part[L];
  memcpy(part, &v, sizeof(v));
  for (int64_t i = 0; i < count; ++i) out[i] = part[i];
#endif
}

void input_tiles(float* out, int64_t out_step, const float* rows, int64_t row_pitch, int64_t phase_pitch,
                 int64_t tile_rows, int64_t tiles) {
  for (int64_t r = 0; r < tile_rows; ++r, rows += 2 * row_pitch, out += tiles) {
    for (int64_t x = 0; x < tiles; x += L) {
      V t[4][4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const float* even = rows + i * row_pitch + x;
        const float* odd = even + phase_pitch;
        const V d0 = load(even), d1 = load(odd), d2 = load(even + 1), d3 = load(odd + 1);
        t[i][0] = d0 - d2;
        t[i][1] = d1 + d2;
        t[i][2] = d2 - d1;
        t[i][3] = d1 - d3;
      }
      const int64_t count = tiles - x;
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        put(out + x + j * out_step, t[0][j] - t[2][j], count);
        put(out + x + (4 + j) * out_step, t[1][j] + t[2][j], count);
        put(out + x + (8 + j) * out_step, t[2][j] - t[1][j], count);
        put(out + x + (12 + j) * out_step, t[1][j] - t[3][j], count);
      }
    }
  }
}

void grad_tiles(float* out, int64_t out_step, const float* rows, int64_t row_pitch, int64_t phase_pitch,
                int64_t tile_rows, int64_t tiles) {
  for (int64_t r = 0; r < tile_rows; ++r, rows += 2 * row_pitch, out += tiles) {
    for (int64_t x = 0; x < tiles; x += L) {
      V t[2][4];
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const float* even = rows + i * row_pitch + x;
        const V y0 = load(even), y1 = load(even + phase_pitch);
        t[i][0] = y0;
        t[i][1] = y0 + y1;
        t[i][2] = y0 - y1;
        t[i][3] = -y1;
      }
      const int64_t count = tiles - x;
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        put(out + x + j * out_step, t[0][j], count);
        put(out + x + (4 + j) * out_step, t[0][j] + t[1][j], count);
        put(out + x + (8 + j) * out_step, t[0][j] - t[1][j], count);
        put(out + x + (12 + j) * out_step, -t[1][j], count);
      }
    }
  }
}

// Two vectors with their elements taken in turns: the first or the second half of the result.
template <int kHalf, size_t... I>
inline __attribute__((always_inline)) V in_turns_of(const V& a, const V& b, std::index_sequence<I...>) {
  constexpr int n = static_cast<int>(L);
  return __builtin_shufflevector(a, b,
                                 ((kHalf * n + static_cast<int>(I)) / 2 + static_cast<int>(I) % 2 * n)...);
}
template <int kHalf>
inline __attribute__((always_inline)) V in_turns(const V& a, const V& b) {
  return in_turns_of<kHalf>(a, b, std::make_index_sequence<static_cast<size_t>(L)>());
}

bool output_tiles(float* out, int64_t height, int64_t width, const float* in, int64_t in_step,
                  int64_t tile_rows, int64_t tiles, float bias) {
  const V shift = bias - V{};
  V wrong{};  // x - x is 0 unless x is infinite or NaN
  for (int64_t r = 0; r < tile_rows; ++r, in += tiles) {
    for (int64_t x = 0; x < tiles; x += L) {
      const int64_t count = tiles - x;
      V s[4][2];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        V m[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
          const float* from = in + (4 * i + j) * in_step + x;
          m[j] = count >= L ? load(from) : load_part(from, count);
        }
        s[i][0] = m[0] + m[1] + m[2];
        s[i][1] = m[1] - m[2] - m[3];
      }
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const int64_t y = 2 * r + i;
        if (y >= height) break;
        V v[2];
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) {
          v[j] = (i == 0 ? s[0][j] + s[1][j] + s[2][j] : s[1][j] - s[2][j] - s[3][j]) + shift;
          wrong += v[j] - v[j];
        }
        float* row = out + y * width + 2 * x;
        const int64_t left = width - 2 * x;
        put(row, in_turns<0>(v[0], v[1]), left);
        if (left > L) put(row + L, in_turns<1>(v[0], v[1]), left - L);
      }
    }
  }
  float sum = 0;
  for (int k = 0; k < L; ++k) sum += wrong[k];
  return sum == 0;
}

}  // namespace

extern const WinogradLoops winograd_loops;
constinit const WinogradLoops winograd_loops = {input_tiles, grad_tiles, output_tiles};

}  // namespace clew::cpu::CLEW_ISA
