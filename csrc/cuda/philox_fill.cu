// A thread makes what one Philox block gives: four elements of 32-bit draws, two of 64-bit ones.
#include "cuda/philox_fill.h"

#include "cuda/elementwise.cuh"
#include "kernels/philox.h"

namespace clew::cuda {
namespace {

/// A uniform number in [0, 1) with no more bits than T holds, so that rounding never gives 1.
template <class T>
CLEW_HD float uniform_of(uint32_t word) {
  if constexpr (std::is_same_v<T, Half>) return static_cast<float>(word >> 21) * 0x1p-11f;
  if constexpr (std::is_same_v<T, BFloat16>) return static_cast<float>(word >> 24) * 0x1p-8f;
  return philox::uniform_float(word);
}

template <class T, Draw draw>
struct Maker {
  static constexpr bool kWide = draw == Draw::integers || (std::is_same_v<T, double> && draw != Draw::keep);
  static constexpr int kPerBlock = kWide ? 2 : 4;

  static CLEW_HD void make(const RandomFill& f, const philox::Block& b, T* x, int64_t count) {
    for (int64_t i = 0; i < count; ++i) x[i] = one(f, b, static_cast<int>(i));
  }
  static CLEW_HD T one(const RandomFill& f, const philox::Block& b, int i) {
    if constexpr (draw == Draw::keep) {
      return b.x[i] >= f.range ? static_cast<T>(static_cast<sum_type>(f.a)) : static_cast<T>(sum_type(0));
    } else if constexpr (draw == Draw::integers) {
      const uint64_t word = philox::join64(b.x[2 * i + 1], b.x[2 * i]);
      const auto v = static_cast<int64_t>(static_cast<uint64_t>(f.low) +
                                          (f.range == 0 ? word : philox::bounded(word, f.range)));
      return is_half<T> ? static_cast<T>(static_cast<float>(v)) : static_cast<T>(v);
    } else if constexpr (std::is_same_v<T, double>) {
      if constexpr (draw == Draw::uniform) {
        const double v =
            f.a + (f.b - f.a) * philox::uniform_double(philox::join64(b.x[2 * i + 1], b.x[2 * i]));
        return v < f.below ? v : f.below;
      } else {
        double z[2];
        philox::normal_pair(philox::join64(b.x[1], b.x[0]), philox::join64(b.x[3], b.x[2]), z[0], z[1]);
        return f.a + f.b * z[i];
      }
    } else if constexpr (draw == Draw::uniform) {
      const auto low = static_cast<float>(f.a), range = static_cast<float>(f.b - f.a),
                 below = static_cast<float>(f.below);
      const float v = low + range * uniform_of<T>(b.x[i]);
      return static_cast<T>(v < below ? v : below);
    } else {
      float z[2];
      const int pair = i & 2;
      philox::normal_pair(b.x[pair], b.x[pair + 1], z[0], z[1]);
      return static_cast<T>(static_cast<float>(f.a) + static_cast<float>(f.b) * z[i & 1]);
    }
  }
  using sum_type = std::conditional_t<is_half<T>, float, T>;
};

template <class T, Draw draw>
__global__ void __launch_bounds__(kThreads) random_kernel(T* out, int64_t numel, const RandomFill f) {
  using M = Maker<T, draw>;
  const int64_t block = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t first = block * M::kPerBlock;
  if (first >= numel) return;
  const int64_t left = numel - first;
  M::make(f, philox::block(f.seed, f.offset, static_cast<uint64_t>(block)), out + first,
          left < M::kPerBlock ? left : M::kPerBlock);
}

template <class T, Draw draw>
void launch_random(void* out, int64_t numel, const RandomFill& f, Stream stream) {
  constexpr int64_t kEach = int64_t{kThreads} * Maker<T, draw>::kPerBlock;
  const auto blocks = static_cast<unsigned>((numel + kEach - 1) / kEach);
  CLEW_LAUNCH((random_kernel<T, draw>), blocks, kThreads, 0, stream, static_cast<T*>(out), numel, f);
}

}  // namespace

void run_random(void* out, DType dtype, int64_t numel, const RandomFill& fill, Stream stream) {
  if (numel == 0) return;
  if (fill.draw == Draw::integers) {
    return dispatch<kAllDTypes>(
        dtype, [&]<class T>() { launch_random<T, Draw::integers>(out, numel, fill, stream); });
  }
  dispatch<kFloating>(dtype, [&]<class T>() {
    switch (fill.draw) {
      case Draw::uniform:
        return launch_random<T, Draw::uniform>(out, numel, fill, stream);
      case Draw::normal:
        return launch_random<T, Draw::normal>(out, numel, fill, stream);
      default:
        return launch_random<T, Draw::keep>(out, numel, fill, stream);
    }
  });
}

}  // namespace clew::cuda
