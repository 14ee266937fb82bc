// Sorting by keys: each element becomes an unsigned key in the order wanted, next to its index. One algorithm
// then serves every dtype, both directions, and is stable because the index breaks ties.
#include <algorithm>
#include <array>
#include <vector>

#include "clew/core/parallel.h"
#include "core/shapes.h"
#include "cpu/copy.h"
#include "kernels/ordering.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

using kernels::ordered_key;

/// Key and index; the narrow form is one 64-bit number.
struct Narrow {
  uint64_t bits;
  static Narrow make(uint32_t key, int64_t index) {
    return {(static_cast<uint64_t>(key) << 32) | static_cast<uint32_t>(index)};
  }
  int64_t index() const { return static_cast<uint32_t>(bits); }
  static constexpr int kKeyBytes = 4;
  uint8_t key_byte(int i) const { return static_cast<uint8_t>(bits >> (32 + 8 * i)); }
  bool operator<(const Narrow& o) const { return bits < o.bits; }
};
struct Wide {
  uint64_t key;
  int64_t at;
  static Wide make(uint64_t key, int64_t index) { return {key, index}; }
  int64_t index() const { return at; }
  static constexpr int kKeyBytes = 8;
  uint8_t key_byte(int i) const { return static_cast<uint8_t>(key >> (8 * i)); }
  bool operator<(const Wide& o) const { return key != o.key ? key < o.key : at < o.at; }
};

/// Least-significant-digit radix sort; digits that are the same everywhere are skipped.
template <class Item>
void radix_sort(std::vector<Item>& items, std::vector<Item>& spare) {
  std::array<std::array<uint32_t, 256>, Item::kKeyBytes> counts{};
  for (const Item& x : items)
    for (int d = 0; d < Item::kKeyBytes; ++d) ++counts[static_cast<size_t>(d)][x.key_byte(d)];
  spare.resize(items.size());
  for (int d = 0; d < Item::kKeyBytes; ++d) {
    auto& count = counts[static_cast<size_t>(d)];
    if (count[items[0].key_byte(d)] == items.size()) continue;
    uint32_t start = 0;
    for (uint32_t& c : count) start += std::exchange(c, start);
    for (const Item& x : items) spare[count[x.key_byte(d)]++] = x;
    std::swap(items, spare);
  }
}

/// The first `k` of a row in order, into (values, indices). With k == n this is a sort.
template <class T, class Item>
void select_row(const T* in, int64_t step, int64_t n, int64_t k, bool descending, T* values, int64_t* indices,
                int64_t out_step, std::vector<Item>& items, std::vector<Item>& spare) {
  items.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const auto key = ordered_key(in[i * step]);
    items[static_cast<size_t>(i)] = Item::make(descending ? ~key : key, i);
  }
  constexpr int64_t kRadixFrom = 512;
  if (k == n && n >= kRadixFrom && n < (int64_t{1} << 32)) {
    radix_sort(items, spare);
  } else if (k == n) {
    std::sort(items.begin(), items.end());
  } else if (k > 0) {
    if (k * 16 < n) {
      std::partial_sort(items.begin(), items.begin() + k, items.end());
    } else {
      std::nth_element(items.begin(), items.begin() + (k - 1), items.end());
      std::sort(items.begin(), items.begin() + k);
    }
  }
  for (int64_t i = 0; i < k; ++i) {
    const int64_t index = items[static_cast<size_t>(i)].index();
    values[i * out_step] = in[index * step];
    indices[i * out_step] = index;
  }
}

void select_all(Tensor2& out, const Tensor& input, int64_t dim, int64_t k, bool descending) {
  const Tensor& values = std::get<0>(out);
  const Tensor& indices = std::get<1>(out);
  if (values.numel() == 0) return;
  if (input.dim() == 0) k = 1;  // all there is, whatever k
  const auto rank = static_cast<size_t>(input.dim());
  const auto d = static_cast<size_t>(dim);
  const int64_t n = rank == 0 ? 1 : input.sizes()[d], step = rank == 0 ? 1 : input.strides()[d];
  const int64_t out_step = rank == 0 ? 1 : values.strides()[d], outer_rows = values.numel() / k;
  const int64_t inner = out_step;  // elements of the output after `dim`
  clew::dispatch<kAllDTypes>(input.dtype(), [&]<class T>() {
    auto rows = [&]<class Item>(int64_t b, int64_t e) {
      std::vector<Item> items, spare;
      for (int64_t row = b; row < e; ++row) {
        const int64_t out_at = row / inner * (k * inner) + row % inner;
        int64_t rest = row, in_at = 0;
        for (size_t i = rank; i-- > 0;) {
          if (i == d) continue;
          in_at += rest % input.sizes()[i] * input.strides()[i];
          rest /= input.sizes()[i];
        }
        select_row<T, Item>(input.data<T>() + in_at, step, n, k, descending, values.data<T>() + out_at,
                            indices.data<int64_t>() + out_at, out_step, items, spare);
      }
    };
    constexpr bool wide_key = sizeof(decltype(ordered_key(T()))) == 8;
    parallel_for(0, outer_rows, std::max<int64_t>(1, kGrainCompute / 4 / n), [&](int64_t b, int64_t e) {
      if (wide_key || n >= (int64_t{1} << 32)) {
        rows.template operator()<Wide>(b, e);
      } else if constexpr (!wide_key) {
        rows.template operator()<Narrow>(b, e);
      }
    });
  });
}

void sort_cpu(Tensor2& out, const Tensor& input, int64_t dim, bool descending, bool) {
  const int64_t d = wrap_dim("sort", dim, input.dim());
  select_all(out, input, d, input.dim() == 0 ? 1 : input.sizes()[static_cast<size_t>(d)], descending);
}
void topk_cpu(Tensor2& out, const Tensor& input, int64_t k, int64_t dim, bool largest, bool) {
  select_all(out, input, wrap_dim("topk", dim, input.dim()), k, largest);
}

}  // namespace
}  // namespace cpu

using namespace cpu;
CLEW_CPU_KERNEL(sort, sort_cpu);
CLEW_CPU_KERNEL(topk, topk_cpu);

}  // namespace clew
