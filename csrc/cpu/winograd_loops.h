// The inner loops of Winograd's convolution F(2x2, 3x3): 2 x 2 outputs from 4 x 4 inputs with 16 products.
#pragma once

#include <cstdint>

namespace clew::cpu {

/// Reads of the loops below may reach this many elements past the tiles of a row.
inline constexpr int64_t kWinogradLanes = 16;

/// Transforms rows of tiles. A row of the plane is stored as its even columns and, `phase_pitch` further, its
/// odd ones; rows are `row_pitch` apart, tile rows twice that. Element (i, j) of tile t goes to
/// out[(4 * i + j) * out_step + t].
using TilesLoop = void (*)(float* out, int64_t out_step, const float* rows, int64_t row_pitch,
                           int64_t phase_pitch, int64_t tile_rows, int64_t tiles);
/// The way back: writes 2 x 2 outputs per tile plus `bias` into a plane of `width` columns of which `height`
/// rows are wanted. Returns false when a result is not finite.
using OutputTilesLoop = bool (*)(float* out, int64_t height, int64_t width, const float* in, int64_t in_step,
                                 int64_t tile_rows, int64_t tiles, float bias);

struct WinogradLoops {
  TilesLoop input;  // B^T d B of 4 x 4 inputs that overlap by 2
  TilesLoop grad;   // A y A^T of 2 x 2 output gradients
  OutputTilesLoop output;
};

/// The loops of this machine's instruction set.
const WinogradLoops& winograd_loops();

}  // namespace clew::cpu
