// Running sums and their relatives along one dimension, and binary search.
#include <algorithm>
#include <cmath>

#include "clew/core/parallel.h"
#include "core/shapes.h"
#include "cpu/copy.h"
#include "kernels/ordering.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

/// Calls `step(state, element)` down each line of `out` along `dim`, lines next to each other together.
/// `element` is read and written; `State` starts value-initialised from `start`.
template <class T, class State, class Step>
void scan(const Tensor& out, int64_t dim, State start, Step&& step) {
  const auto d = static_cast<size_t>(dim);
  const int64_t n = out.sizes()[d], inner = out.strides()[d], outer = out.numel() / (n * inner);
  constexpr int64_t kWidth = 32;
  const int64_t pieces = (inner + kWidth - 1) / kWidth;
  T* const base = out.data<T>();
  parallel_for(0, outer * pieces, std::max<int64_t>(1, kGrainMemory / (n * std::min(inner, kWidth))),
               [&](int64_t b, int64_t e) {
                 for (int64_t u = b; u < e; ++u) {
                   const int64_t column = u % pieces * kWidth, width = std::min(kWidth, inner - column);
                   T* p = base + u / pieces * n * inner + column;
                   State total[kWidth];
                   std::fill_n(total, width, start);
                   for (int64_t i = 0; i < n; ++i, p += inner) {
                     for (int64_t c = 0; c < width; ++c) step(total[c], p[c]);
                   }
                 }
               });
}

/// Sums of integers wrap in 64 bits; floating ones run in double.
template <class T>
using running_t = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;

/// Running sums of contiguous rows: several rows side by side, since each sum waits for the one before,
/// through blocks, since rows a power of two apart would push each other out of the cache.
template <class T, class Sum>
void cumsum_rows(T* out, const T* in, int64_t rows, int64_t n) {
  constexpr int64_t kRows = 4, kLength = 64;
  parallel_for(0, (rows + kRows - 1) / kRows, std::max<int64_t>(1, kGrainMemory / (n * kRows)),
               [&](int64_t b, int64_t e) {
                 int64_t r = b * kRows;
                 const int64_t end = std::min(rows, e * kRows);
                 for (; r + kRows <= end; r += kRows) {
                   Sum total[kRows] = {};
                   for (int64_t i = 0; i < n; i += kLength) {
                     const int64_t length = std::min(kLength, n - i);
                     T block[kRows][kLength];
                     for (int64_t k = 0; k < kRows; ++k) std::copy_n(in + (r + k) * n + i, length, block[k]);
                     for (int64_t j = 0; j < length; ++j) {
                       for (int64_t k = 0; k < kRows; ++k) {
                         total[k] += static_cast<Sum>(block[k][j]);
                         block[k][j] = static_cast<T>(total[k]);
                       }
                     }
                     for (int64_t k = 0; k < kRows; ++k) std::copy_n(block[k], length, out + (r + k) * n + i);
                   }
                 }
                 for (; r < end; ++r) {
                   Sum total = 0;
                   for (int64_t i = r * n; i < (r + 1) * n; ++i) {
                     total += static_cast<Sum>(in[i]);
                     out[i] = static_cast<T>(total);
                   }
                 }
               });
}

void cumsum_cpu(Tensor& out, const Tensor& input, int64_t dim, std::optional<DType>) {
  if (out.numel() == 0) return;
  const bool last = out.dim() > 0 && wrap_dim("cumsum", dim, out.dim()) == out.dim() - 1;
  if (last &&
      (out.dtype() == DType::Float32 || out.dtype() == DType::Float64 || out.dtype() == DType::Int64)) {
    const Tensor x = contiguous_as(input, out.dtype());
    const int64_t n = out.sizes().back();
    clew::dispatch<kAllDTypes>(out.dtype(), [&]<class T>() {
      using Sum = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
      if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, int64_t>)
        cumsum_rows<T, Sum>(out.data<T>(), x.data<T>(), out.numel() / n, n);
    });
    return;
  }
  copy_tensor(out, input);
  if (out.dim() == 0) return;
  clew::dispatch<kAllDTypes>(out.dtype(), [&]<class T>() {
    using Sum = running_t<T>;
    scan<T>(out, wrap_dim("cumsum", dim, out.dim()), Sum(0), [](Sum& total, T& x) {
      if constexpr (std::is_same_v<T, bool>) {
        total |= static_cast<Sum>(x);
        x = total != 0;
      } else if constexpr (std::is_integral_v<T>) {
        total += static_cast<Sum>(x);
        x = static_cast<T>(total);
      } else {
        total += static_cast<Sum>(static_cast<acc_t<T>>(x));
        x = T(static_cast<acc_t<T>>(total));
      }
    });
  });
}

void cumprod_cpu(Tensor& out, const Tensor& input, int64_t dim, std::optional<DType>) {
  if (out.numel() == 0) return;
  copy_tensor(out, input);
  if (out.dim() == 0) return;
  clew::dispatch<kAllDTypes>(out.dtype(), [&]<class T>() {
    using Product = running_t<T>;
    scan<T>(out, wrap_dim("cumprod", dim, out.dim()), Product(1), [](Product& total, T& x) {
      if constexpr (std::is_same_v<T, bool>) {
        total &= static_cast<Product>(x);
        x = total != 0;
      } else if constexpr (std::is_integral_v<T>) {
        total *= static_cast<Product>(x);
        x = static_cast<T>(total);
      } else {
        total *= static_cast<Product>(static_cast<acc_t<T>>(x));
        x = T(static_cast<acc_t<T>>(total));
      }
    });
  });
}

void logcumsumexp_cpu(Tensor& out, const Tensor& input, int64_t dim) {
  if (out.numel() == 0) return;
  copy_tensor(out, input);
  if (out.dim() == 0) return;
  clew::dispatch<kFloating>(out.dtype(), [&]<class T>() {
    scan<T>(out, wrap_dim("logcumsumexp", dim, out.dim()), -HUGE_VAL, [](double& total, T& x) {
      const auto v = static_cast<double>(static_cast<acc_t<T>>(x));
      // Equal infinities have no difference.
      total = total == v ? v + 0.6931471805599453
                         : std::max(total, v) + std::log1p(std::exp(-std::abs(total - v)));
      if (v != v) total = v;
      x = T(static_cast<acc_t<T>>(total));
    });
  });
}

/// The greatest (smallest) so far and where it stands, the last of equals; the first NaN stays.
template <bool greatest>
void extremum_scan(const char* op, Tensor2& out, const Tensor& input, int64_t dim) {
  const Tensor& values = std::get<0>(out);
  const Tensor& indices = std::get<1>(out);
  if (values.numel() == 0) return;
  copy_tensor(values, input);
  if (values.dim() == 0) {
    *indices.data<int64_t>() = 0;
    return;
  }
  clew::dispatch<kAllDTypes>(values.dtype(), [&]<class T>() {
    using V = std::conditional_t<std::is_same_v<T, bool>, uint8_t, acc_t<T>>;
    struct State {
      int64_t count = 0, at = 0;
      V best{};
      bool is_nan = false;
    };
    int64_t* const at = indices.data<int64_t>();
    T* const first = values.data<T>();
    scan<T>(values, wrap_dim(op, dim, values.dim()), State(), [at, first](State& s, T& x) {
      const V v = static_cast<V>(x);
      bool nan = false;
      if constexpr (std::is_floating_point_v<V>) nan = v != v;
      if (s.count == 0 || (!s.is_nan && (nan || (greatest ? v >= s.best : v <= s.best)))) {
        s.best = v;
        s.at = s.count;
        s.is_nan = nan;
      }
      ++s.count;
      x = T(s.best);
      at[&x - first] = s.at;
    });
  });
}
void cummax_cpu(Tensor2& out, const Tensor& input, int64_t dim) {
  extremum_scan<true>("cummax", out, input, dim);
}
void cummin_cpu(Tensor2& out, const Tensor& input, int64_t dim) {
  extremum_scan<false>("cummin", out, input, dim);
}

void searchsorted_cpu(Tensor& out, const Tensor& sorted, const Tensor& input, bool out_int32, bool right) {
  if (out.numel() == 0) return;
  const int64_t n = sorted.sizes().back(),
                rows = sorted.dim() == 1 ? 1 : sorted.numel() / std::max<int64_t>(n, 1);
  const int64_t per_row = sorted.dim() == 1 || rows == 0 ? out.numel() : out.numel() / rows;
  clew::dispatch<kAllDTypes>(sorted.dtype(), [&]<class T>() {
    using V = std::conditional_t<std::is_same_v<T, bool>, uint8_t, acc_t<T>>;
    const T* const s = sorted.data<T>();
    const T* const x = input.data<T>();
    parallel_for(0, out.numel(), kGrainCompute, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) {
        const T* row = s + (sorted.dim() == 1 ? 0 : i / per_row * n);
        const auto v = static_cast<V>(x[i]);
        const T* at =
            right ? std::upper_bound(row, row + n, v,
                                     [](V a, const T& c) { return kernels::before(a, static_cast<V>(c)); })
                  : std::lower_bound(row, row + n, v,
                                     [](const T& c, V a) { return kernels::before(static_cast<V>(c), a); });
        if (out_int32) {
          out.data<int32_t>()[i] = static_cast<int32_t>(at - row);
        } else {
          out.data<int64_t>()[i] = at - row;
        }
      }
    });
  });
}

}  // namespace
}  // namespace cpu

using namespace cpu;
CLEW_CPU_KERNEL(cumsum, cumsum_cpu);
CLEW_CPU_KERNEL(cumprod, cumprod_cpu);
CLEW_CPU_KERNEL(logcumsumexp, logcumsumexp_cpu);
CLEW_CPU_KERNEL(cummax, cummax_cpu);
CLEW_CPU_KERNEL(cummin, cummin_cpu);
CLEW_CPU_KERNEL(searchsorted, searchsorted_cpu);

}  // namespace clew
