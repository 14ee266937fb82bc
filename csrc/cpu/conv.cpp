// Convolution as a matrix product over unrolled windows (im2col), one gemm per tile of columns.
//
// A column is one output position of one image; a row is one (channel, i, j) of the kernel. Tiles of columns
// are what threads share out. Large images are cut into tiles whose unrolled windows stay in the L2 cache,
// small images are taken several at a time. The tiling depends on shapes only, never on the thread count.
#include <algorithm>
#include <cstring>

#include "cpu/conv_direct.h"
#include "cpu/conv_winograd.h"
#include "cpu/gemm.h"
#include "cpu/plane_loops.h"
#include "cpu/scratch.h"
#include "ops/window.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

constexpr int64_t kColumnBytes = 512 * 1024;  // half of a typical L2
constexpr int64_t kLeastColumns = 256;        // gemm packs the weight again for every tile
constexpr int64_t kTasks = 16;                // pieces to cut into when the batch alone gives fewer
constexpr int64_t kLeastRows = 256;

/// Calls f(rows of outputs, column of `col`) for what [p0, p1) covers: whole rows together, cut ones singly.
/// `whole` describes one whole row of outputs.
template <class F>
void for_rows(const Conv2dShape& s, const PlaneRows& whole, int64_t first_y, int64_t p0, int64_t p1, F&& f) {
  for (int64_t p = p0; p < p1;) {
    const int64_t oy = p / s.ow, x0 = p % s.ow, x1 = std::min(s.ow, x0 + p1 - p);
    PlaneRows r = whole;
    r.rows = x0 == 0 && x1 == s.ow ? (p1 - p) / s.ow : 1;
    r.ow = x1 - x0;
    r.first_y = first_y + oy * s.sh;
    r.first_x = whole.first_x + x0 * s.sw;
    r.inside_from = std::clamp(whole.inside_from, x0, x1) - x0;
    r.inside_to = std::clamp(whole.inside_to, x0, x1) - x0;
    f(r, p - p0);
    p += r.rows * r.ow;
  }
}

/// Calls f(rows, element of `col`) for every row of `col`, that is (channel, i, j), over positions [p0, p1).
template <class F>
void for_windows(const Conv2dShape& s, int64_t channels, int64_t p0, int64_t p1, int64_t ld, F&& f) {
  int64_t row = 0;
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t i = 0; i < s.kh; ++i) {
      for (int64_t j = 0; j < s.kw; ++j, ++row) {
        const int64_t first_x = j * s.dw - s.pw;
        const StepRange inside(first_x, s.sw, s.ow, s.w);
        const PlaneRows whole{s.h, s.w, 0, s.ow, 0, s.sh, first_x, s.sw, inside.first, inside.last};
        for_rows(s, whole, i * s.dh - s.ph, p0, p1,
                 [&](const PlaneRows& r, int64_t at) { f(c, r, row * ld + at); });
      }
    }
  }
}

/// Unrolls channels [0, channels) of one image at output positions [p0, p1) into rows of `col`.
template <class T>
void im2col(const Conv2dShape& s, const T* image, int64_t channels, int64_t p0, int64_t p1, T* col,
            int64_t ld) {
  const UnrollLoop loop = plane_loops<T>().unroll;
  for_windows(s, channels, p0, p1, ld,
              [&](int64_t c, const PlaneRows& r, int64_t at) { loop(col + at, image + c * s.h * s.w, r); });
}

/// The transpose of im2col: adds the rows of `col` into the image.
template <class T>
void col2im(const Conv2dShape& s, T* image, int64_t channels, int64_t p0, int64_t p1, const T* col,
            int64_t ld) {
  const RollLoop loop = plane_loops<T>().roll;
  for_windows(s, channels, p0, p1, ld,
              [&](int64_t c, const PlaneRows& r, int64_t at) { loop(image + c * s.h * s.w, col + at, r); });
}

/// How the columns of all images are cut: pieces of one image, or several whole images.
struct Tiles {
  int64_t images, positions;     // per tile
  int64_t per_image, per_batch;  // tiles: exactly one of them is not 1 unless both are
  int64_t count() const { return per_image * per_batch; }

  Tiles(const Conv2dShape& s, int64_t rows, int64_t item) {
    const int64_t p = s.oh * s.ow;
    const int64_t columns = std::max(kLeastColumns, kColumnBytes / item / std::max<int64_t>(rows, 1));
    per_image = ceil_div(p, columns);
    positions = ceil_div(p, per_image);
    per_image = ceil_div(p, positions);
    // Batches that fill the threads anyhow gain from larger products; a few images are shared out singly.
    const int64_t together = per_image > 1 ? 1 : std::min(columns / p, ceil_div(s.n, 4));
    images = std::max<int64_t>(1, together);
    per_batch = ceil_div(s.n, images);
  }
};

/// Copies `rows` rows of positions from several images side by side, or back.
template <class T>
void gather_images(const T* in, int64_t image_stride, int64_t images, int64_t rows, int64_t p, T* out) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t n = 0; n < images; ++n, out += p) std::copy_n(in + n * image_stride + r * p, p, out);
  }
}
template <class T>
void scatter_images(const T* in, int64_t image_stride, int64_t images, int64_t rows, int64_t p, T* out) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t n = 0; n < images; ++n, in += p) std::copy_n(in, p, out + n * image_stride + r * p);
  }
}

/// One tile of columns of one group: where it lies and how wide it is.
struct Tile {
  int64_t n, images, p0, p1;
  int64_t columns;
  Tile(const Conv2dShape& s, const Tiles& t, int64_t index)
      : n(index / t.per_image * t.images),
        images(std::min(t.images, s.n - n)),
        p0(index % t.per_image * t.positions),
        p1(std::min(p0 + t.positions, s.oh * s.ow)),
        columns(images * (p1 - p0)) {}
};

/// The unrolled windows of `channels` channels of a tile, in `room`, or the image itself where that is the
/// same.
template <class T>
const T* unrolled(const Conv2dShape& s, const Tile& t, const T* first_channel, int64_t channels, T* room,
                  int64_t& ld) {
  const T* image = first_channel + t.n * s.c_in * s.h * s.w;
  if (s.pointwise() && t.images == 1) {
    ld = s.oh * s.ow;
    return image + t.p0;
  }
  ld = t.columns;
  for (int64_t i = 0; i < t.images; ++i) {
    im2col(s, image + i * s.c_in * s.h * s.w, channels, t.p0, t.p1, room + i * (t.p1 - t.p0), ld);
  }
  return room;
}

template <class T>
void forward(const Conv2dShape& s, T* out, const T* input, const T* weight, const T* bias) {
  const int64_t p = s.oh * s.ow, cg = s.c_in_per_group(), og = s.c_out_per_group(), rows = cg * s.window();
  const Tiles tiles(s, rows, sizeof(T));
  const int64_t widest = tiles.images * tiles.positions;
  parallel_for(0, tiles.count() * s.groups, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> room(s.pointwise() && tiles.images == 1 ? 0 : rows * widest);
    const Scratch<T> side(tiles.images == 1 ? 0 : og * widest);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t g = task % s.groups;
      const Tile t(s, tiles, task / s.groups);
      T* first = out + (t.n * s.c_out + g * og) * p + t.p0;
      T* c = t.images == 1 ? first : side.data();
      const int64_t ldc = t.images == 1 ? p : t.columns;
      for (int64_t o = 0; o < og; ++o) {
        std::fill_n(c + o * ldc, t.columns, bias != nullptr ? bias[g * og + o] : T(0));
      }
      int64_t ld = 0;
      const T* col = unrolled(s, t, input + g * cg * s.h * s.w, cg, room.data(), ld);
      if (rows > 0) {
        gemm(DTypeOf<T>::value, og, t.columns, rows, 1.0, {weight + g * og * rows, rows, false},
             {col, ld, false}, 1.0, c, ldc);
      }
      if (t.images != 1) scatter_images(c, s.c_out * p, t.images, og, p, first);
    }
  });
}

/// Blocks of input channels, so that a small batch still gives enough pieces.
struct ChannelBlocks {
  int64_t channels, count;
  ChannelBlocks(const Conv2dShape& s, int64_t pieces) {
    const int64_t cg = s.c_in_per_group();
    const int64_t wanted = std::clamp<int64_t>(kTasks / std::max<int64_t>(pieces, 1), 1,
                                               std::max<int64_t>(1, cg * s.window() / kLeastRows));
    channels = std::max<int64_t>(1, ceil_div(cg, wanted));
    count = ceil_div(cg, channels);
  }
};

template <class T>
void input_grad(const Conv2dShape& s, T* grad_input, const T* grad, const T* weight) {
  const int64_t p = s.oh * s.ow, cg = s.c_in_per_group(), og = s.c_out_per_group(), rows = cg * s.window();
  const int64_t plane = s.h * s.w;
  const Tiles tiles(s, rows, sizeof(T));
  const ChannelBlocks blocks(s, tiles.per_batch * s.groups);
  const int64_t widest = tiles.images * tiles.positions;
  parallel_for(0, tiles.per_batch * s.groups * blocks.count, 1, [&](int64_t begin, int64_t end) {
    const bool direct = s.pointwise() && tiles.images == 1;
    const Scratch<T> room(direct ? 0 : blocks.channels * s.window() * widest);
    const Scratch<T> side(tiles.images == 1 ? 0 : og * widest);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t c0 = task % blocks.count * blocks.channels, channels = std::min(blocks.channels, cg - c0);
      const int64_t g = task / blocks.count % s.groups;
      const int64_t first_tile = task / blocks.count / s.groups * tiles.per_image;
      const T* w = weight + g * og * rows + c0 * s.window();
      const int64_t m = channels * s.window();
      for (int64_t k = first_tile; k < first_tile + tiles.per_image; ++k) {
        const Tile t(s, tiles, k);
        const T* go = grad + (t.n * s.c_out + g * og) * p + t.p0;
        T* image = grad_input + (t.n * s.c_in + g * cg + c0) * plane;
        if (direct) {
          gemm(DTypeOf<T>::value, m, t.columns, og, 1.0, {w, rows, true}, {go, p, false}, 0.0, image + t.p0,
               p);
          continue;
        }
        if (t.p0 == 0) {
          for (int64_t i = 0; i < t.images; ++i)
            std::fill_n(image + i * s.c_in * plane, channels * plane, T(0));
        }
        if (t.images != 1) gather_images(go, s.c_out * p, t.images, og, p, side.data());
        const MatrixOperand b =
            t.images == 1 ? MatrixOperand{go, p, false} : MatrixOperand{side.data(), t.columns, false};
        gemm(DTypeOf<T>::value, m, t.columns, og, 1.0, {w, rows, true}, b, 0.0, room.data(), t.columns);
        for (int64_t i = 0; i < t.images; ++i) {
          col2im(s, image + i * s.c_in * plane, channels, t.p0, t.p1, room.data() + i * (t.p1 - t.p0),
                 t.columns);
        }
      }
    }
  });
}

template <class T>
void weight_grad(const Conv2dShape& s, T* grad_weight, const T* grad, const T* input) {
  const int64_t p = s.oh * s.ow, cg = s.c_in_per_group(), og = s.c_out_per_group(), rows = cg * s.window();
  const int64_t size = s.c_out * rows;
  const ChannelBlocks blocks(s, s.groups);
  const Tiles tiles(s, blocks.channels * s.window(), sizeof(T));
  const int64_t widest = tiles.images * tiles.positions;
  // The sum over images may be cut in parts, which are added up in order afterwards.
  const int64_t parts = std::clamp<int64_t>(kTasks / (s.groups * blocks.count), 1, tiles.count());
  const Scratch<T> partial((parts - 1) * size);
  parallel_for(0, parts * s.groups * blocks.count, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> room(s.pointwise() && tiles.images == 1 ? 0 : blocks.channels * s.window() * widest);
    const Scratch<T> side(tiles.images == 1 ? 0 : og * widest);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t c0 = task % blocks.count * blocks.channels, channels = std::min(blocks.channels, cg - c0);
      const int64_t g = task / blocks.count % s.groups, part = task / blocks.count / s.groups;
      T* c = (part == 0 ? grad_weight : partial.data() + (part - 1) * size) + g * og * rows + c0 * s.window();
      const int64_t first = part * tiles.count() / parts, last = (part + 1) * tiles.count() / parts;
      for (int64_t k = first; k < last; ++k) {
        const Tile t(s, tiles, k);
        const T* go = grad + (t.n * s.c_out + g * og) * p + t.p0;
        if (t.images != 1) gather_images(go, s.c_out * p, t.images, og, p, side.data());
        int64_t ld = 0;
        const T* col = unrolled(s, t, input + (g * cg + c0) * s.h * s.w, channels, room.data(), ld);
        const MatrixOperand a =
            t.images == 1 ? MatrixOperand{go, p, false} : MatrixOperand{side.data(), t.columns, false};
        gemm(DTypeOf<T>::value, og, channels * s.window(), t.columns, 1.0, a, {col, ld, true},
             k == first ? 0.0 : 1.0, c, rows);
      }
    }
  });
  if (parts == 1) return;
  parallel_for(0, size, kGrainMemory / parts, [&](int64_t begin, int64_t end) {
    for (int64_t part = 0; part < parts - 1; ++part) {
      const T* from = partial.data() + part * size;
      for (int64_t i = begin; i < end; ++i) grad_weight[i] += from[i];
    }
  });
}

// --- integers ----------------------------------------------------------------------------------------

/// Calls f(first element of the input, step, first element of the output, count) for each row of outputs that
/// kernel point (i, j) reads inside of the image.
template <class F>
void for_rows_read(const Conv2dShape& s, int64_t i, int64_t j, F&& f) {
  const StepRange ys(i * s.dh - s.ph, s.sh, s.oh, s.h), xs(j * s.dw - s.pw, s.sw, s.ow, s.w);
  if (xs.first == xs.last) return;
  for (int64_t y = ys.first; y < ys.last; ++y) {
    f((y * s.sh - s.ph + i * s.dh) * s.w + xs.first * s.sw - s.pw + j * s.dw, s.sw, y * s.ow + xs.first,
      xs.last - xs.first);
  }
}

// Unsigned: sums wrap around.
void integer_forward(const Conv2dShape& s, uint64_t* out, const uint64_t* input, const uint64_t* weight,
                     const uint64_t* bias) {
  const int64_t cg = s.c_in_per_group(), og = s.c_out_per_group(), p = s.oh * s.ow;
  parallel_for(0, s.n * s.c_out, 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t n = plane / s.c_out, o = plane % s.c_out;
      uint64_t* to = out + plane * p;
      std::fill_n(to, p, bias != nullptr ? bias[o] : 0);
      for (int64_t k = 0; k < cg * s.window(); ++k) {
        const uint64_t* from = input + (n * s.c_in + o / og * cg + k / s.window()) * s.h * s.w;
        const uint64_t w = weight[o * cg * s.window() + k];
        for_rows_read(s, k % s.window() / s.kw, k % s.kw,
                      [&](int64_t in, int64_t step, int64_t at, int64_t count) {
                        for (int64_t x = 0; x < count; ++x) to[at + x] += w * from[in + x * step];
                      });
      }
    }
  });
}

void integer_input_grad(const Conv2dShape& s, uint64_t* grad_input, const uint64_t* grad,
                        const uint64_t* weight) {
  const int64_t cg = s.c_in_per_group(), og = s.c_out_per_group();
  parallel_for(0, s.n * s.c_in, 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t n = plane / s.c_in, c = plane % s.c_in;
      uint64_t* to = grad_input + plane * s.h * s.w;
      std::fill_n(to, s.h * s.w, 0);
      for (int64_t o = c / cg * og; o < (c / cg + 1) * og; ++o) {
        const uint64_t* from = grad + (n * s.c_out + o) * s.oh * s.ow;
        for (int64_t k = 0; k < s.window(); ++k) {
          const uint64_t w = weight[(o * cg + c % cg) * s.window() + k];
          for_rows_read(s, k / s.kw, k % s.kw, [&](int64_t in, int64_t step, int64_t at, int64_t count) {
            for (int64_t x = 0; x < count; ++x) to[in + x * step] += w * from[at + x];
          });
        }
      }
    }
  });
}

const uint64_t* whole_numbers(const Tensor& t) { return static_cast<const uint64_t*>(t.raw_data()); }

void conv2d_cpu(Tensor& out, const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, int64_t groups) {
  if (out.numel() == 0) return;
  const Conv2dShape s =
      conv2d_shape("conv2d", input.sizes(), weight.sizes(), stride, padding, dilation, groups);
  if (out.dtype() == DType::Int64) {
    return integer_forward(s, static_cast<uint64_t*>(out.raw_data()), whole_numbers(input),
                           whole_numbers(weight), bias ? whole_numbers(*bias) : nullptr);
  }
  dispatch_wide(out.dtype(), [&]<class T>() {
    const ResultAs<T> result(out);
    const As<T> x(input), w(weight), b(bias);
    bool done = false;
    if constexpr (std::is_same_v<T, float>) {
      done = winograd_fits(s) && winograd_forward(s, result.data(), x.data(), w.data(), b.data());
    }
    if (!done) {
      (direct_conv_fits(s) ? direct_forward<T> : forward<T>)(s, result.data(), x.data(), w.data(), b.data());
    }
    result.store();
  });
}

void conv2d_input_grad_cpu(Tensor& out, const Tensor& grad_output, const Tensor& weight,
                           IntArrayRef input_size, IntArrayRef stride, IntArrayRef padding,
                           IntArrayRef dilation, int64_t groups) {
  if (out.numel() == 0) return;
  const Conv2dShape s =
      conv2d_shape("conv2d_input_grad", input_size, weight.sizes(), stride, padding, dilation, groups);
  if (s.c_out == 0) {
    std::memset(out.raw_data(), 0, out.nbytes());
    return;
  }
  if (out.dtype() == DType::Int64) {
    return integer_input_grad(s, static_cast<uint64_t*>(out.raw_data()), whole_numbers(grad_output),
                              whole_numbers(weight));
  }
  dispatch_wide(out.dtype(), [&]<class T>() {
    const ResultAs<T> result(out);
    const As<T> g(grad_output), w(weight);
    bool done = false;
    if constexpr (std::is_same_v<T, float>) {
      done = winograd_fits(s) && winograd_input_grad(s, result.data(), g.data(), w.data());
    }
    if (!done) {
      (direct_conv_fits(s) ? direct_input_grad<T> : input_grad<T>)(s, result.data(), g.data(), w.data());
    }
    result.store();
  });
}

void conv2d_weight_grad_cpu(Tensor& out, const Tensor& grad_output, const Tensor& input,
                            IntArrayRef weight_size, IntArrayRef stride, IntArrayRef padding,
                            IntArrayRef dilation, int64_t groups) {
  if (out.numel() == 0) return;
  const Conv2dShape s =
      conv2d_shape("conv2d_weight_grad", input.sizes(), weight_size, stride, padding, dilation, groups);
  if (s.n == 0) {
    std::memset(out.raw_data(), 0, out.nbytes());
    return;
  }
  dispatch_wide(out.dtype(), [&]<class T>() {
    const ResultAs<T> result(out);
    const As<T> g(grad_output), x(input);
    bool done = false;
    if constexpr (std::is_same_v<T, float>) {
      done = winograd_fits(s) && winograd_weight_grad(s, result.data(), g.data(), x.data());
    }
    if (!done) {
      (direct_conv_fits(s) ? direct_weight_grad<T> : weight_grad<T>)(s, result.data(), g.data(), x.data());
    }
    result.store();
  });
}

}  // namespace
}  // namespace cpu

CLEW_CPU_KERNEL(conv2d, cpu::conv2d_cpu);
CLEW_CPU_KERNEL(conv2d_input_grad, cpu::conv2d_input_grad_cpu);
CLEW_CPU_KERNEL(conv2d_weight_grad, cpu::conv2d_weight_grad_cpu);

}  // namespace clew
