// Random numbers: the same ones as on the CPU.
#include <algorithm>
#include <cmath>

#include "clew/dispatch/apply.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"
#include "cuda/philox_fill.h"

namespace clew::cuda {
namespace {

/// A stream of its own for one op.
Generator::State claim(const std::optional<Generator>& generator, int64_t n) {
  Generator g = generator ? *generator : default_generator();
  return g.advance(static_cast<uint64_t>(n) / 2 + 1);
}

void fill(const Tensor& out, const std::optional<Generator>& generator, RandomFill f) {
  const Generator::State s = claim(generator, out.numel());
  f.seed = s.seed;
  f.offset = s.offset;
  const Launch launch(out);
  if (out.is_contiguous()) return run_random(out.raw_data(), out.dtype(), out.numel(), f, launch.stream());
  const Tensor flat = new_tensor(out, out.sizes(), out.dtype());
  run_random(flat.raw_data(), out.dtype(), out.numel(), f, launch.stream());
  copy_tensor(out, flat);
}

void uniform_into(const Tensor& out, double from, double to, const std::optional<Generator>& g) {
  RandomFill f{.draw = Draw::uniform, .seed = 0, .offset = 0, .a = from, .b = to};
  if (out.dtype() == DType::Float64) {
    f.below = from < to ? std::nextafter(to, from) : to;
  } else {
    const auto low = static_cast<float>(from);
    f.below =
        static_cast<double>(from < to ? std::max(low, std::nextafter(static_cast<float>(to), low)) : low);
  }
  fill(out, g, f);
}
void normal_into(const Tensor& out, double mean, double std, const std::optional<Generator>& g) {
  fill(out, g, {.draw = Draw::normal, .seed = 0, .offset = 0, .a = mean, .b = std});
}
void integers_into(const Tensor& out, int64_t low, uint64_t range, const std::optional<Generator>& g) {
  fill(out, g, {.draw = Draw::integers, .seed = 0, .offset = 0, .low = low, .range = range});
}

void rand_cuda(Tensor& out, IntArrayRef, const std::optional<Generator>& g, const TensorOptions&) {
  uniform_into(out, 0, 1, g);
}
void randn_cuda(Tensor& out, IntArrayRef, const std::optional<Generator>& g, const TensorOptions&) {
  normal_into(out, 0, 1, g);
}
void uniform_cuda(Tensor& out, const Tensor&, double from, double to, const std::optional<Generator>& g) {
  uniform_into(out, from, to, g);
}
void normal_cuda(Tensor& out, const Tensor&, double mean, double std, const std::optional<Generator>& g) {
  normal_into(out, mean, std, g);
}
void randint_low_cuda(Tensor& out, int64_t low, int64_t high, IntArrayRef, const std::optional<Generator>& g,
                      const TensorOptions&) {
  integers_into(out, low, static_cast<uint64_t>(high) - static_cast<uint64_t>(low), g);
}
void randint_cuda(Tensor& out, int64_t high, IntArrayRef, const std::optional<Generator>& g,
                  const TensorOptions&) {
  integers_into(out, 0, static_cast<uint64_t>(high), g);
}

void dropout_cuda(Tensor& mask, const Tensor&, double p, bool) {
  fill(mask, std::nullopt,
       {.draw = Draw::keep,
        .seed = 0,
        .offset = 0,
        .a = p < 1 ? 1.0 / (1.0 - p) : 0.0,
        .range = static_cast<uint64_t>(std::llround(p * 0x1p32))});
}

}  // namespace

void register_random() {
  CLEW_CUDA_KERNEL(rand, rand_cuda);
  CLEW_CUDA_KERNEL(randn, randn_cuda);
  CLEW_CUDA_KERNEL(randint, randint_cuda);
  CLEW_CUDA_KERNEL(randint_low, randint_low_cuda);
  CLEW_CUDA_KERNEL(uniform, uniform_cuda);
  CLEW_CUDA_KERNEL(normal, normal_cuda);
  CLEW_CUDA_KERNEL(dropout, dropout_cuda);
}

}  // namespace clew::cuda
