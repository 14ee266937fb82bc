// Random numbers: the same ones as on the CPU.
#include <algorithm>
#include <cmath>

#include "clew/dispatch/apply.h"
#include "cuda/checks.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"
#include "cuda/philox_fill.h"
#include "cuda/sampling.h"
#include "cuda/scan.h"
#include "kernels/random_draws.h"

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

void random_cuda(Tensor& out, const Tensor&, std::optional<int64_t> from, std::optional<int64_t> to,
                 const std::optional<Generator>& g) {
  const int64_t low = from && to ? *from : 0;
  const uint64_t range = from || to ? static_cast<uint64_t>(to ? *to : *from) - static_cast<uint64_t>(low)
                                    : kernels::whole_range(out.dtype());
  integers_into(out, low, range, g);
}

// Each swap depends on those before it: the host draws.
void randperm_cuda(Tensor& out, int64_t n, const std::optional<Generator>& g, const TensorOptions&) {
  const Generator::State s = claim(g, n);
  if (n == 0) return;
  const Tensor order = apply_detail::allocate({{n}, DType::Int64}, kCPU);
  kernels::shuffle(order.data<int64_t>(), n, s.seed, s.offset);
  const Tensor near =
      out.dtype() == DType::Int64 && out.is_contiguous() ? out : new_tensor(out, {n}, DType::Int64);
  copy(near.raw_data(), near.device(), order.raw_data(), kCPU, order.nbytes(), false);
  if (!near.is_same(out)) copy_tensor(out, near);
}

void bernoulli_cuda(Tensor& out, const Tensor& input, const std::optional<Generator>& g) {
  const int64_t n = out.numel();
  if (n == 0) {
    claim(g, n);
    return;
  }
  const Launch launch(out);
  // A call that fails takes no numbers.
  Generator generator = g ? *g : default_generator();
  const Generator::State before = generator.state(), s = claim(g, n);
  const BadPosition bad(launch);
  run_bernoulli(out.dtype(), out.raw_data(), input.raw_data(), n, s.seed, s.offset, bad.bad(),
                launch.stream());
  const int64_t at = bad.read();
  if (at < 0) return;
  generator.set_state(before);
  const Tensor wrong = apply_detail::make_view(input, {{}, {}, input.storage_offset() + at});
  detail::raise<ValueError>("bernoulli: expected probabilities in [0, 1], got ", wrong.item<double>());
}

void multinomial_cuda(Tensor& out, const Tensor& input, int64_t num_samples, bool replacement,
                      const std::optional<Generator>& g) {
  const int64_t n = input.sizes().back(), rows = input.numel() / n;
  if (rows == 0) {
    claim(g, 0);
    return;
  }
  const Launch launch(out);
  const Tensor weights = contiguous_as(input, DType::Float64);
  const Tensor sums = new_tensor(weights, weights.sizes(), DType::Float64);
  run_scan(Scan::sum, DType::Float64,
           {.in = weights.raw_data(),
            .out = sums.raw_data(),
            .places = nullptr,
            .outer = rows,
            .n = n,
            .inner = 1},
           launch);
  Multinomial plan{.weights = weights.data<double>(),
                   .sums = sums.data<double>(),
                   .out = out.data<int64_t>(),
                   .rows = rows,
                   .n = n,
                   .samples = num_samples,
                   .seed = 0,
                   .offset = 0};
  const Workspace flags(launch, 2 * sizeof(unsigned long long));
  driver().fill_bytes(flags.as<void>(), 0xff, 2 * sizeof(unsigned long long), launch.stream());
  run_multinomial_check(plan, flags.as<unsigned long long>(), launch.stream());
  unsigned long long bad[2];
  copy(bad, kCPU, flags.as<void>(), out.device(), sizeof(bad), false);
  CLEW_CHECK(bad[0] == ~0ull, ValueError, "multinomial: expected finite weights >= 0, got ",
             read_value(plan.weights + bad[0], launch));
  CLEW_CHECK(bad[1] == ~0ull, ValueError, "multinomial: expected a positive sum of weights, got ",
             read_value(plan.sums + (bad[1] + 1) * static_cast<unsigned long long>(n) - 1, launch), " (row ",
             bad[1], ")");
  const Generator::State s = claim(g, rows * (replacement ? num_samples : n));
  plan.seed = s.seed;
  plan.offset = s.offset;
  if (replacement) return run_multinomial_replaced(plan, launch.stream());
  const auto nbytes = static_cast<size_t>(rows * n) * sizeof(SortItem);
  const Workspace items(launch, nbytes), spare(launch, nbytes);
  run_multinomial_times(plan, items.as<SortItem>(), launch.stream());
  run_multinomial_first(plan, run_sort(items.as<SortItem>(), spare.as<SortItem>(), rows, n, launch.stream()),
                        launch.stream());
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
  CLEW_CUDA_KERNEL(random, random_cuda);
  CLEW_CUDA_KERNEL(randperm, randperm_cuda);
  CLEW_CUDA_KERNEL(bernoulli, bernoulli_cuda);
  CLEW_CUDA_KERNEL(multinomial, multinomial_cuda);
}

}  // namespace clew::cuda
