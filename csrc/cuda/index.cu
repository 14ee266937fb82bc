// Index kernels: one element a thread, neighbouring threads neighbouring elements.
#include "cuda/index.h"

#include "cuda/share.cuh"

namespace clew::cuda {
namespace {

__global__ void __launch_bounds__(kThreads) add_offsets_kernel(const AddOffsets a) {
  const int64_t p = thread_index();
  if (p >= a.count) return;
  int64_t v = a.values[p];
  if (a.negative && v < 0 && v >= -a.size) v += a.size;
  if (v < 0 || v >= a.size) {
    atomicMin(a.bad, static_cast<unsigned long long>(p));
    v = 0;
  }
  a.offsets[p] = (a.first ? 0 : a.offsets[p]) + a.base.offset(p) + v * a.stride;
}

template <class T>
__global__ void __launch_bounds__(kThreads) read_kernel(T* out, const T* in, const Places s) {
  const int64_t e = thread_index();
  if (e >= s.before * s.positions * s.after) return;
  const int64_t u = e / s.after, j = e - u * s.after, b = u / s.positions, p = u - b * s.positions;
  out[e] = in[s.before_dims.offset(b) + s.offsets[p] + s.after_dims.offset(j)];
}

__global__ void __launch_bounds__(kThreads)
    offset_items_kernel(SortItem* items, const int64_t* offsets, int64_t count) {
  const int64_t p = thread_index();
  if (p < count) items[p] = {static_cast<uint64_t>(offsets[p]), p};
}

/// What T's sums and products are kept in: integers wrap.
template <class T>
using acc_of = std::conditional_t<std::is_integral_v<T>, uint64_t, std::conditional_t<is_half<T>, float, T>>;
template <class T>
CLEW_HD T from_acc(acc_of<T> x) {
  if constexpr (std::is_same_v<T, bool>) {
    return x != 0;
  } else {
    return static_cast<T>(x);
  }
}

template <class T, Write mode>
__global__ void __launch_bounds__(kThreads) write_kernel(const WritePlan w, const Places s) {
  const int64_t e = thread_index();
  if (e >= s.before * s.positions * s.after) return;
  const int64_t u = e / s.after, j = e - u * s.after, b = u / s.positions, first = u - b * s.positions;
  const SortItem* sorted = w.sorted;
  const auto* values = static_cast<const T*>(w.values);
  const int64_t row = b * s.positions;
  // The first of equal offsets writes for all.
  if (sorted != nullptr && first > 0 && sorted[first - 1].key == sorted[first].key) return;
  const int64_t offset = sorted != nullptr ? static_cast<int64_t>(sorted[first].key) : s.offsets[first];
  T* to = static_cast<T*>(w.out) + s.before_dims.offset(b) + offset + s.after_dims.offset(j);
  int64_t last = first;
  while (sorted != nullptr && last + 1 < s.positions && sorted[last + 1].key == sorted[first].key) ++last;
  const auto value = [&](int64_t i) {
    return w.one_value ? values[0] : values[(row + (sorted != nullptr ? sorted[i].at : i)) * s.after + j];
  };
  if constexpr (mode == Write::Replace) {
    *to = value(last);
  } else {
    using Acc = acc_of<T>;
    Acc alpha;
    if constexpr (std::is_integral_v<T>) {
      alpha = static_cast<Acc>(w.integer_alpha);
    } else {
      alpha = static_cast<Acc>(w.alpha);
    }
    auto acc = static_cast<Acc>(*to);
    for (int64_t i = first; i <= last; ++i) {
      const auto x = static_cast<Acc>(value(i));
      acc = mode == Write::Add ? acc + x * alpha : acc * x;
    }
    *to = from_acc<T>(acc);
  }
}

struct Coordinates {
  int64_t* out;
  const uint8_t* bools;
  const int64_t* counts;
  int64_t numel;
  int rank;
  int64_t sizes[64];
};
__global__ void __launch_bounds__(kThreads) coordinates_kernel(const Coordinates c) {
  int64_t i = thread_index();
  if (i >= c.numel || c.bools[i] == 0) return;
  int64_t* row = c.out + (c.counts[i] - 1) * c.rank;
  for (int d = c.rank; d-- > 0;) {
    const int64_t rest = i / c.sizes[d];
    row[d] = i - rest * c.sizes[d];
    i = rest;
  }
}

struct alignas(16) Wide {
  uint64_t words[2];
};

template <class F>
void by_item(size_t item, F&& f) {
  switch (item) {
    case 1:
      return f.template operator()<uint8_t>();
    case 2:
      return f.template operator()<uint16_t>();
    case 4:
      return f.template operator()<uint32_t>();
    case 8:
      return f.template operator()<uint64_t>();
    default:
      return f.template operator()<Wide>();
  }
}

}  // namespace

void run_add_offsets(const AddOffsets& plan, Stream stream) {
  if (plan.count == 0) return;
  CLEW_LAUNCH((add_offsets_kernel), blocks_of_threads(plan.count), kThreads, 0, stream, plan);
}

void run_read_places(void* out, const void* in, size_t item, const Places& places, Stream stream) {
  const int64_t n = places.numel();
  if (n == 0) return;
  by_item(item, [&]<class T>() {
    CLEW_LAUNCH((read_kernel<T>), blocks_of_threads(n), kThreads, 0, stream, static_cast<T*>(out),
                static_cast<const T*>(in), places);
  });
}

void run_offset_items(SortItem* items, const int64_t* offsets, int64_t count, Stream stream) {
  if (count == 0) return;
  CLEW_LAUNCH((offset_items_kernel), blocks_of_threads(count), kThreads, 0, stream, items, offsets, count);
}

void run_write_places(Write mode, DType dtype, const WritePlan& plan, const Places& places, Stream stream) {
  const int64_t n = places.numel();
  if (n == 0) return;
  if (mode == Write::Replace) {
    return by_item(item_size(dtype), [&]<class T>() {
      if constexpr (!std::is_same_v<T, Wide>)
        CLEW_LAUNCH((write_kernel<T, Write::Replace>), blocks_of_threads(n), kThreads, 0, stream, plan,
                    places);
    });
  }
  dispatch<kAllDTypes>(dtype, [&]<class T>() {
    if (mode == Write::Add) {
      CLEW_LAUNCH((write_kernel<T, Write::Add>), blocks_of_threads(n), kThreads, 0, stream, plan, places);
    } else {
      CLEW_LAUNCH((write_kernel<T, Write::Multiply>), blocks_of_threads(n), kThreads, 0, stream, plan,
                  places);
    }
  });
}

void run_coordinates(int64_t* out, const void* bools, const int64_t* counts, int64_t numel, int rank,
                     const int64_t* sizes, Stream stream) {
  if (numel == 0) return;
  Coordinates c{out, static_cast<const uint8_t*>(bools), counts, numel, rank, {}};
  for (int d = 0; d < rank; ++d) c.sizes[d] = sizes[d];
  CLEW_LAUNCH((coordinates_kernel), blocks_of_threads(numel), kThreads, 0, stream, c);
}

}  // namespace clew::cuda
