// Convolution as a matrix product whose operands are gathered while it runs (implicit GEMM), one group at a
// time; no unrolled image exists in memory.
//
//   forward        C (c_out, n oh ow) = weight (c_out, c kh kw) * windows of the input
//   input grad     C (c, n h w)       = weight^T (c, c_out kh kw) * those gradients that read a pixel
//   weight grad    C (c_out, c kh kw) = gradient (c_out, n oh ow) * windows of the input, transposed
//
// The sum of a weight gradient is long and its tiles few: it is cut into chunks, whose partial sums a second
// launch adds in order.
#include "cuda/conv.h"

#include "cuda/tile.cuh"

namespace clew::cuda {
namespace {

template <class T>
__device__ __forceinline__ product_t<T> value_of(const T* p) {
  return static_cast<product_t<T>>(static_cast<compute_t<T>>(*p));
}

/// A number as (image, row, column) of planes of positions.
struct Position {
  int64_t image, y, x;
  __device__ __forceinline__ Position(int64_t i, const WideDivider& per_plane, const WideDivider& per_row) {
    image = per_plane.divide(i);
    const int64_t rest = i - image * per_plane.divisor;
    y = per_row.divide(rest);
    x = rest - y * per_row.divisor;
  }
};

/// Which tile of which group a block computes; tiles of one column lie side by side in time.
struct Place {
  int64_t group, top, left;
  __device__ __forceinline__ Place(int64_t unit, int64_t rows, int64_t columns, int side) {
    const int64_t down = (rows + side - 1) / side, across = (columns + side - 1) / side;
    top = unit % down * side;
    left = unit / down % across * side;
    group = unit / down / across;
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads) conv_forward(const ConvPlan p, int64_t first) {
  using P = product_t<T>;
  using C = Tile<P>;
  CLEW_SHARED(typename C::Vec, a_tile, C::kVectors);
  CLEW_SHARED(typename C::Vec, b_tile, C::kVectors);
  const int64_t cg = p.c_in / p.groups, og = p.c_out / p.groups, depth = cg * p.kh * p.kw;
  const int64_t columns = p.n * p.per_image.divisor;
  const Place at(first + blockIdx.x, og, columns, C::kSize);
  const T* weight = static_cast<const T*>(p.weight) + (at.group * og + at.top) * depth;
  // This thread gathers for one column.
  const int64_t column = at.left + C::side_of(0, false);
  const bool live = column < columns;
  const Position out(live ? column : 0, p.per_image, p.per_row);
  const T* image = static_cast<const T*>(p.input) + (out.image * p.c_in + at.group * cg) * p.h * p.w;
  const int64_t y0 = out.y * p.sh - p.ph, x0 = out.x * p.sw - p.pw;
  C tile;
  tile.run(
      a_tile, b_tile, 0, depth,
      [&](int, int o, int64_t k) {
        return at.top + o < og && k < depth ? value_of(weight + o * depth + k) : P(0);
      },
      true,
      [&](int, int, int64_t k) {
        if (!live || k >= depth) return P(0);
        const Position window(k, p.per_window, p.per_kernel_row);
        const int64_t y = y0 + window.y * p.dh, x = x0 + window.x * p.dw;
        if (y < 0 || y >= p.h || x < 0 || x >= p.w) return P(0);
        return value_of(image + (window.image * p.h + y) * p.w + x);
      },
      false);
  for (int j = 0; j < C::kEach; ++j) {
    const int64_t mine = at.left + C::column() + j;
    if (mine >= columns) continue;
    const int64_t n = p.per_image.divide(mine);
    for (int i = 0; i < C::kEach; ++i) {
      const int64_t o = at.top + C::row() + i;
      if (o >= og) continue;
      const int64_t channel = at.group * og + o;
      const P bias = p.bias != nullptr ? value_of(static_cast<const T*>(p.bias) + channel) : P(0);
      static_cast<T*>(p.output)[(n * p.c_out + channel - n) * p.per_image.divisor + mine] =
          static_cast<T>(tile.sum[i][j] + bias);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) conv_input_grad(const ConvPlan p, int64_t first) {
  using P = product_t<T>;
  using C = Tile<P>;
  CLEW_SHARED(typename C::Vec, a_tile, C::kVectors);
  CLEW_SHARED(typename C::Vec, b_tile, C::kVectors);
  const int64_t cg = p.c_in / p.groups, og = p.c_out / p.groups, window = p.kh * p.kw, depth = og * window;
  const int64_t columns = p.n * p.per_plane.divisor;
  const Place at(first + blockIdx.x, cg, columns, C::kSize);
  const T* weight = static_cast<const T*>(p.weight) + at.group * og * cg * window;
  const int64_t column = at.left + C::side_of(0, false);
  const bool live = column < columns;
  const Position in(live ? column : 0, p.per_plane, p.per_plane_row);
  const T* grad =
      static_cast<const T*>(p.output) + (in.image * p.c_out + at.group * og) * p.per_image.divisor;
  C tile;
  tile.run(
      a_tile, b_tile, 0, depth,
      [&](int, int c, int64_t k) {
        if (at.top + c >= cg || k >= depth) return P(0);
        const int64_t o = p.per_window.divide(k), rest = k - o * window;
        return value_of(weight + (o * cg + at.top + c) * window + rest);
      },
      true,
      [&](int, int, int64_t k) {
        if (!live || k >= depth) return P(0);
        const Position from(k, p.per_window, p.per_kernel_row);
        const int64_t y = in.y + p.ph - from.y * p.dh, x = in.x + p.pw - from.x * p.dw;
        if (y < 0 || x < 0) return P(0);
        const int64_t oy = p.per_sh.divide(y), ox = p.per_sw.divide(x);
        if (oy * p.sh != y || ox * p.sw != x || oy >= p.oh || ox >= p.ow) return P(0);
        return value_of(grad + (from.image * p.oh + oy) * p.ow + ox);
      },
      false);
  for (int j = 0; j < C::kEach; ++j) {
    const int64_t mine = at.left + C::column() + j;
    if (mine >= columns) continue;
    const int64_t n = p.per_plane.divide(mine);
    for (int i = 0; i < C::kEach; ++i) {
      const int64_t c = at.top + C::row() + i;
      if (c >= cg) continue;
      static_cast<T*>(p.input)[(n * p.c_in + at.group * cg + c - n) * p.per_plane.divisor + mine] =
          static_cast<T>(tile.sum[i][j]);
    }
  }
}

/// Writes gradients, or partial sums (chunks, c_out, c kh kw) when there are chunks.
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv_weight_grad(const ConvPlan p, product_t<T>* partials, int64_t chunk, int64_t chunks, int64_t first) {
  using P = product_t<T>;
  using C = Tile<P>;
  CLEW_SHARED(typename C::Vec, a_tile, C::kVectors);
  CLEW_SHARED(typename C::Vec, b_tile, C::kVectors);
  const int64_t cg = p.c_in / p.groups, og = p.c_out / p.groups, columns = cg * p.kh * p.kw;
  const int64_t depth = p.n * p.per_image.divisor, unit = first + blockIdx.x;
  const Place at(unit / chunks, og, columns, C::kSize);
  const int64_t begin = unit % chunks * chunk, end = begin + chunk < depth ? begin + chunk : depth;
  const T* grad = static_cast<const T*>(p.output) + (at.group * og + at.top) * p.per_image.divisor;
  const T* input = static_cast<const T*>(p.input) + at.group * cg * p.h * p.w;
  // What this thread's columns add to a position: channel, and the kernel's point.
  int64_t plane[C::kEach], dy[C::kEach], dx[C::kEach];
  CLEW_UNROLL
  for (int i = 0; i < C::kEach; ++i) {
    const int64_t column = at.left + C::side_of(i, true);
    const Position window(column < columns ? column : 0, p.per_window, p.per_kernel_row);
    plane[i] = column < columns ? window.image * p.h * p.w : -1;
    dy[i] = window.y * p.dh - p.ph;
    dx[i] = window.x * p.dw - p.pw;
  }
  C tile;
  tile.run(
      a_tile, b_tile, begin, end,
      [&](int, int o, int64_t k) {
        if (at.top + o >= og || k >= end) return P(0);
        const int64_t n = p.per_image.divide(k);
        return value_of(grad + (n * (p.c_out - 1) + o) * p.per_image.divisor + k);
      },
      true,
      [&](int i, int, int64_t k) {
        if (plane[i] < 0 || k >= end) return P(0);
        const Position out(k, p.per_image, p.per_row);
        const int64_t y = out.y * p.sh + dy[i], x = out.x * p.sw + dx[i];
        if (y < 0 || y >= p.h || x < 0 || x >= p.w) return P(0);
        return value_of(input + out.image * p.c_in * p.h * p.w + plane[i] + y * p.w + x);
      },
      true);
  for (int i = 0; i < C::kEach; ++i) {
    const int64_t o = at.top + C::row() + i;
    for (int j = 0; j < C::kEach; ++j) {
      const int64_t column = at.left + C::column() + j;
      if (o >= og || column >= columns) continue;
      const int64_t to = (at.group * og + o) * columns + column;
      if (chunks > 1) {
        partials[unit % chunks * p.c_out * columns + to] = tile.sum[i][j];
      } else {
        static_cast<T*>(p.weight)[to] = static_cast<T>(tile.sum[i][j]);
      }
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    add_partials(T* out, const product_t<T>* partials, int64_t numel, int64_t chunks) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= numel) return;
  product_t<T> sum = partials[i];
  for (int64_t c = 1; c < chunks; ++c) sum += partials[c * numel + i];
  out[i] = static_cast<T>(sum);
}

template <class T>
int64_t tiles_of(int64_t rows, int64_t columns, int64_t groups) {
  constexpr int64_t kSide = Tile<product_t<T>>::kSize;
  return (rows + kSide - 1) / kSide * ((columns + kSide - 1) / kSide) * groups;
}

constexpr int64_t kEnoughBlocks = 512;  // a few for each multiprocessor of a large device
constexpr int64_t kLeastChunk = 256;    // of the sum over positions

struct Chunks {
  int64_t size, count;
};
template <class T>
Chunks chunks_of(const ConvPlan& p) {
  const int64_t columns = p.c_in / p.groups * p.kh * p.kw, depth = p.n * p.oh * p.ow;
  const int64_t tiles = tiles_of<T>(p.c_out / p.groups, columns, p.groups);
  const int64_t most = (depth + kLeastChunk - 1) / kLeastChunk;
  const int64_t wanted = tiles > 0 ? (kEnoughBlocks + tiles - 1) / tiles : 1;
  const int64_t count = wanted < most ? wanted : most;
  const int64_t size = count > 0 ? (depth + count - 1) / count : depth;
  // Whole steps of the tile, so that no chunk is empty by rounding.
  const int64_t whole = (size + 15) / 16 * 16;
  return {whole, whole > 0 ? (depth + whole - 1) / whole : 1};
}

}  // namespace

int64_t conv_workspace_bytes(ConvKind kind, DType dtype, const ConvPlan& plan) {
  if (kind != ConvKind::WeightGrad) return 0;
  int64_t result = 0;
  dispatch<kFloating>(dtype, [&]<class T>() {
    const Chunks chunks = chunks_of<T>(plan);
    const int64_t numel = plan.c_out * (plan.c_in / plan.groups) * plan.kh * plan.kw;
    result = chunks.count > 1 ? chunks.count * numel * static_cast<int64_t>(sizeof(product_t<T>)) : 0;
  });
  return result;
}

void run_conv(ConvKind kind, DType dtype, const ConvPlan& p, void* workspace, Stream stream) {
  const int64_t cg = p.c_in / p.groups, og = p.c_out / p.groups;
  if (kind == ConvKind::WeightGrad) {
    return dispatch<kFloating>(dtype, [&]<class T>() {
      const Chunks chunks = chunks_of<T>(p);
      const int64_t columns = cg * p.kh * p.kw, numel = p.c_out * columns;
      auto* partials = static_cast<product_t<T>*>(workspace);
      for_launches(tiles_of<T>(og, columns, p.groups) * chunks.count, [&](int64_t first, unsigned blocks) {
        CLEW_LAUNCH((conv_weight_grad<T>), blocks, kThreads, 0, stream, p, partials, chunks.size,
                    chunks.count, first);
      });
      if (chunks.count > 1) {
        const auto blocks = static_cast<unsigned>((numel + kThreads - 1) / kThreads);
        CLEW_LAUNCH((add_partials<T>), blocks, kThreads, 0, stream, static_cast<T*>(p.weight), partials,
                    numel, chunks.count);
      }
    });
  }
  constexpr DTypeSet kConvolved = kFloating | dtype_set(DType::Int64);
  dispatch<kConvolved>(dtype, [&]<class T>() {
    if (kind == ConvKind::Forward) {
      for_launches(tiles_of<T>(og, p.n * p.oh * p.ow, p.groups), [&](int64_t first, unsigned blocks) {
        CLEW_LAUNCH((conv_forward<T>), blocks, kThreads, 0, stream, p, first);
      });
    } else {
      for_launches(tiles_of<T>(cg, p.n * p.h * p.w, p.groups), [&](int64_t first, unsigned blocks) {
        CLEW_LAUNCH((conv_input_grad<T>), blocks, kThreads, 0, stream, p, first);
      });
    }
  });
}

}  // namespace clew::cuda
