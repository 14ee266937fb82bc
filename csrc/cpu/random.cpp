#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "clew/core/parallel.h"
#include "core/shapes.h"
#include "cpu/copy.h"
#include "kernels/philox.h"
#include "kernels/random_draws.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

/// A stream of its own for one op.
Generator::State claim(const std::optional<Generator>& generator, int64_t n) {
  Generator g = generator ? *generator : default_generator();
  return g.advance(static_cast<uint64_t>(n) / 2 + 1);
}

/// Calls fill(p, count, block) for each block of `per_block` neighbouring elements.
template <class T, class Fill>
void for_blocks(T* p, int64_t n, Generator::State s, int64_t per_block, Fill&& fill) {
  const int64_t blocks = (n + per_block - 1) / per_block;
  parallel_for(0, blocks, kGrainCompute / per_block, [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; ++i)
      fill(p + i * per_block, std::min(per_block, n - i * per_block),
           philox::block(s.seed, s.offset, static_cast<uint64_t>(i)));
  });
}

/// A uniform number in [0, 1) with no more bits than T holds, so that rounding never gives 1.
template <class T>
float uniform_of(uint32_t word) {
  if constexpr (std::is_same_v<T, Half>) return static_cast<float>(word >> 21) * 0x1p-11f;
  if constexpr (std::is_same_v<T, BFloat16>) return static_cast<float>(word >> 24) * 0x1p-8f;
  return philox::uniform_float(word);
}

/// Lets `body` write into contiguous memory; strided outputs get a copy of it.
template <class Body>
void into_contiguous(Tensor& out, Body&& body) {
  if (out.is_contiguous()) return body(out);
  Tensor flat = new_tensor(out.sizes(), out.dtype());
  body(flat);
  copy_tensor(out, flat);
}

void uniform_into(Tensor& result, double from, double to, const std::optional<Generator>& generator) {
  const Generator::State s = claim(generator, result.numel());
  into_contiguous(result, [&](Tensor& out) {
    clew::dispatch<kFloating>(out.dtype(), [&]<class T>() {
      T* p = out.data<T>();
      if constexpr (std::is_same_v<T, double>) {
        const double below = from < to ? std::nextafter(to, from) : to;
        for_blocks(p, out.numel(), s, 2, [=](double* x, int64_t count, const philox::Block& b) {
          for (int64_t i = 0; i < count; ++i)
            x[i] = std::min(below, from + (to - from) * philox::uniform_double(
                                                            philox::join64(b.x[2 * i + 1], b.x[2 * i])));
        });
      } else {
        const auto low = static_cast<float>(from), range = static_cast<float>(to - from);
        const float below = from < to ? std::max(low, std::nextafter(static_cast<float>(to), low)) : low;
        for_blocks(p, out.numel(), s, 4, [=](T* x, int64_t count, const philox::Block& b) {
          for (int64_t i = 0; i < count; ++i) x[i] = T(std::min(below, low + range * uniform_of<T>(b.x[i])));
        });
      }
    });
  });
}

void normal_into(Tensor& result, double mean, double std, const std::optional<Generator>& generator) {
  const Generator::State s = claim(generator, result.numel());
  into_contiguous(result, [&](Tensor& out) {
    clew::dispatch<kFloating>(out.dtype(), [&]<class T>() {
      T* p = out.data<T>();
      if constexpr (std::is_same_v<T, double>) {
        for_blocks(p, out.numel(), s, 2, [=](double* x, int64_t count, const philox::Block& b) {
          double z[2];
          philox::normal_pair(philox::join64(b.x[1], b.x[0]), philox::join64(b.x[3], b.x[2]), z[0], z[1]);
          for (int64_t i = 0; i < count; ++i) x[i] = mean + std * z[i];
        });
      } else {
        const auto center = static_cast<float>(mean), spread = static_cast<float>(std);
        for_blocks(p, out.numel(), s, 4, [=](T* x, int64_t count, const philox::Block& b) {
          float z[4];
          philox::normal_pair(b.x[0], b.x[1], z[0], z[1]);
          philox::normal_pair(b.x[2], b.x[3], z[2], z[3]);
          for (int64_t i = 0; i < count; ++i) x[i] = T(center + spread * z[i]);
        });
      }
    });
  });
}

void rand_cpu(Tensor& out, IntArrayRef, const std::optional<Generator>& g, const TensorOptions&) {
  uniform_into(out, 0, 1, g);
}
void randn_cpu(Tensor& out, IntArrayRef, const std::optional<Generator>& g, const TensorOptions&) {
  normal_into(out, 0, 1, g);
}
void uniform_cpu(Tensor& out, const Tensor&, double from, double to, const std::optional<Generator>& g) {
  uniform_into(out, from, to, g);
}
void normal_cpu(Tensor& out, const Tensor&, double mean, double std, const std::optional<Generator>& g) {
  normal_into(out, mean, std, g);
}

/// Integers in [low, low + range); a range of 0 stands for 2^64.
void integers_into(Tensor& out, int64_t low, uint64_t range, const std::optional<Generator>& g) {
  const Generator::State s = claim(g, out.numel());
  clew::dispatch<kAllDTypes>(out.dtype(), [&]<class T>() {
    for_blocks(out.data<T>(), out.numel(), s, 2, [=](T* x, int64_t count, const philox::Block& b) {
      for (int64_t i = 0; i < count; ++i) {
        const uint64_t word = philox::join64(b.x[2 * i + 1], b.x[2 * i]);
        const auto v = static_cast<int64_t>(static_cast<uint64_t>(low) +
                                            (range == 0 ? word : philox::bounded(word, range)));
        if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
          x[i] = T(static_cast<float>(v));
        } else {
          x[i] = static_cast<T>(v);
        }
      }
    });
  });
}
void randint_low_cpu(Tensor& out, int64_t low, int64_t high, IntArrayRef, const std::optional<Generator>& g,
                     const TensorOptions&) {
  integers_into(out, low, static_cast<uint64_t>(high) - static_cast<uint64_t>(low), g);
}
void randint_cpu(Tensor& out, int64_t high, IntArrayRef size, const std::optional<Generator>& g,
                 const TensorOptions& o) {
  randint_low_cpu(out, 0, high, size, g, o);
}

void random_cpu(Tensor& result, const Tensor&, std::optional<int64_t> from, std::optional<int64_t> to,
                const std::optional<Generator>& g) {
  int64_t low = from && to ? *from : 0;
  uint64_t range = 0;
  if (from || to) {
    range = static_cast<uint64_t>(to ? *to : *from) - static_cast<uint64_t>(low);
  } else {
    range = kernels::whole_range(result.dtype());
  }
  into_contiguous(result, [&](Tensor& out) { integers_into(out, low, range, g); });
}

void randperm_cpu(Tensor& out, int64_t n, const std::optional<Generator>& g, const TensorOptions&) {
  const Generator::State s = claim(g, n);
  Tensor order = out.dtype() == DType::Int64 ? out : new_tensor({n}, DType::Int64);
  kernels::shuffle(order.data<int64_t>(), n, s.seed, s.offset);
  if (!order.is_same(out)) copy_tensor(out, order);
}

void bernoulli_cpu(Tensor& out, const Tensor& input, const std::optional<Generator>& g) {
  const int64_t n = out.numel();
  clew::dispatch<kFloating>(out.dtype(), [&]<class T>() {
    const T* p = input.data<T>();
    for (int64_t i = 0; i < n; ++i) {
      const auto v = static_cast<double>(static_cast<acc_t<T>>(p[i]));
      CLEW_CHECK(v >= 0 && v <= 1, ValueError, "bernoulli: expected probabilities in [0, 1], got ", v);
    }
    T* o = out.data<T>();
    for_blocks(o, n, claim(g, n), 2, [=](T* x, int64_t count, const philox::Block& b) {
      for (int64_t i = 0; i < count; ++i) {
        const double u = philox::uniform_double(philox::join64(b.x[2 * i + 1], b.x[2 * i]));
        x[i] = T(u < static_cast<double>(static_cast<acc_t<T>>(p[x - o + i])) ? 1.0f : 0.0f);
      }
    });
  });
}

void multinomial_cpu(Tensor& out, const Tensor& input, int64_t num_samples, bool replacement,
                     const std::optional<Generator>& g) {
  const int64_t n = input.sizes().back(), rows = input.numel() / n;
  const Tensor weights = contiguous_as(input, DType::Float64);
  const double* w = weights.data<double>();
  for (int64_t row = 0; row < rows; ++row) {
    double total = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double v = w[row * n + i];
      CLEW_CHECK(v >= 0 && std::isfinite(v), ValueError, "multinomial: expected finite weights >= 0, got ",
                 v);
      total += v;
    }
    CLEW_CHECK(total > 0, ValueError, "multinomial: expected a positive sum of weights, got ", total,
               " (row ", row, ")");
  }
  const int64_t per_row = replacement ? num_samples : n;
  const Generator::State s = claim(g, rows * per_row);
  auto uniform = [&](int64_t i) { return kernels::uniform53(s.seed, s.offset, i); };
  int64_t* o = out.data<int64_t>();
  parallel_for(
      0, rows, std::max<int64_t>(1, kGrainCompute / (n + per_row)), [&](int64_t first, int64_t last) {
        std::vector<double> key(static_cast<size_t>(n));
        std::vector<int64_t> order(static_cast<size_t>(n));
        for (int64_t row = first; row < last; ++row) {
          const double* p = w + row * n;
          int64_t* samples = o + row * num_samples;
          if (replacement) {
            std::partial_sum(p, p + n, key.begin());
            int64_t last_positive = n - 1;
            while (p[last_positive] == 0) --last_positive;
            for (int64_t i = 0; i < num_samples; ++i) {
              const double at = uniform(row * per_row + i) * key.back();
              const auto found = std::upper_bound(key.begin(), key.end(), at) - key.begin();
              samples[i] = std::min<int64_t>(found, last_positive);
            }
          } else {
            for (int64_t i = 0; i < n; ++i)
              key[static_cast<size_t>(i)] = kernels::exponential_clock(uniform(row * per_row + i), p[i]);
            std::iota(order.begin(), order.end(), int64_t{0});
            std::partial_sort(order.begin(), order.begin() + num_samples, order.end(),
                              [&](int64_t a, int64_t b) {
                                const double x = key[static_cast<size_t>(a)], y = key[static_cast<size_t>(b)];
                                return x != y ? x < y : a < b;
                              });
            std::copy_n(order.begin(), num_samples, samples);
          }
        }
      });
}

/// The scaled mask that dropout multiplies by.
void dropout_cpu(Tensor& mask, const Tensor&, double p, bool) {
  const Generator::State s = claim(std::nullopt, mask.numel());
  const auto threshold = static_cast<uint64_t>(std::llround(p * 0x1p32));
  clew::dispatch<kFloating>(mask.dtype(), [&]<class T>() {
    const T zero(0.0f), scale(p < 1 ? static_cast<acc_t<T>>(1.0 / (1.0 - p)) : acc_t<T>(0));
    for_blocks(mask.data<T>(), mask.numel(), s, 4, [=](T* x, int64_t count, const philox::Block& b) {
      for (int64_t i = 0; i < count; ++i) x[i] = b.x[i] >= threshold ? scale : zero;
    });
  });
}

}  // namespace
}  // namespace cpu

using namespace cpu;
CLEW_CPU_KERNEL(rand, rand_cpu);
CLEW_CPU_KERNEL(randn, randn_cpu);
CLEW_CPU_KERNEL(randint, randint_cpu);
CLEW_CPU_KERNEL(randint_low, randint_low_cpu);
CLEW_CPU_KERNEL(randperm, randperm_cpu);
CLEW_CPU_KERNEL(random, random_cpu);
CLEW_CPU_KERNEL(uniform, uniform_cpu);
CLEW_CPU_KERNEL(normal, normal_cpu);
CLEW_CPU_KERNEL(bernoulli, bernoulli_cpu);
CLEW_CPU_KERNEL(multinomial, multinomial_cpu);
CLEW_CPU_KERNEL(dropout, dropout_cpu);

}  // namespace clew
