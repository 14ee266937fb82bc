#include <algorithm>
#include <cstring>
#include <vector>

#include "clew/core/parallel.h"
#include "core/shapes.h"
#include "cpu/copy.h"
#include "cpu/loops.h"
#include "kernels/indexing.h"
#include "kernels/iter_plan.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

int64_t size_or_one(const Tensor& t, int64_t dim) {
  return t.dim() == 0 ? 1 : t.sizes()[static_cast<size_t>(dim)];
}
int64_t stride_or_zero(const Tensor& t, int64_t dim) {
  return t.dim() == 0 ? 0 : t.strides()[static_cast<size_t>(dim)];
}

// --- blocks of places: (before dims) x (index positions) x (after dims) ------------------------------

/// Where the elements that an indexing touches stand in the indexed tensor, as offsets in elements.
struct Places {
  Shape before_sizes, before_strides;
  int64_t before = 1;
  std::vector<int64_t> offsets;  // one per index position, checked
  int64_t after = 1;
  bool after_contiguous = true;
  std::vector<int64_t> after_offsets;  // when not contiguous

  int64_t count() const { return static_cast<int64_t>(offsets.size()); }
  int64_t numel() const { return before * count() * after; }

  void add_before(int64_t size, int64_t stride) {
    before_sizes.push_back(size);
    before_strides.push_back(stride);
    before *= size;
  }
  void set_after(IntArrayRef sizes, IntArrayRef strides) {
    after = numel_of(sizes);
    int64_t expected = 1;
    for (size_t d = sizes.size(); d-- > 0;) {
      if (sizes[d] == 1) continue;
      after_contiguous = after_contiguous && strides[d] == expected;
      expected *= sizes[d];
    }
    if (after_contiguous) return;
    after_offsets.resize(static_cast<size_t>(after));
    for (int64_t i = 0; i < after; ++i) {
      int64_t rest = i, at = 0;
      for (size_t d = sizes.size(); d-- > 0;) {
        at += rest % sizes[d] * strides[d];
        rest /= sizes[d];
      }
      after_offsets[static_cast<size_t>(i)] = at;
    }
  }
  int64_t before_offset(int64_t i) const {
    int64_t at = 0;
    for (size_t d = before_sizes.size(); d-- > 0;) {
      at += i % before_sizes[d] * before_strides[d];
      i /= before_sizes[d];
    }
    return at;
  }
};

/// Adds index * stride to each offset; `index` broadcasts to `shape`, of as many elements as `offsets`.
void add_offsets(const char* op, std::vector<int64_t>& offsets, const Tensor& index, const Shape& shape,
                 int64_t dim, int64_t size, int64_t stride, bool negative) {
  CLEW_CHECK(index.is_cpu(), DeviceError, op, ": expected index tensors on the CPU, got one on ",
             index.device());
  Tensor values = index;
  if (!(index.sizes() == IntArrayRef(shape)) || index.dtype() != DType::Int64 || !index.is_contiguous()) {
    values = new_tensor(shape, DType::Int64);
    copy_tensor(values, index);
  }
  const int64_t* p = values.data<int64_t>();
  parallel_for(0, static_cast<int64_t>(offsets.size()), kGrainMemory, [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; ++i) {
      int64_t v = p[i];
      if (negative && v < 0 && v >= -size) v += size;
      if (CLEW_UNLIKELY(v < 0 || v >= size)) index_out_of_range(op, p[i], dim, size, negative);
      offsets[static_cast<size_t>(i)] += v * stride;
    }
  });
}

/// Places of `t` at `index` (1-D) of dimension `dim`.
Places places_along(const char* op, const Tensor& t, int64_t dim, const Tensor& index) {
  Places places;
  places.offsets.assign(static_cast<size_t>(index.numel()), 0);
  add_offsets(op, places.offsets, index, index.sizes().vec(), dim, size_or_one(t, dim),
              stride_or_zero(t, dim), false);
  for (int64_t d = 0; d < dim; ++d)
    places.add_before(t.sizes()[static_cast<size_t>(d)], t.strides()[static_cast<size_t>(d)]);
  if (t.dim() > 0) {
    const auto rest = static_cast<size_t>(dim + 1);
    const size_t n = t.sizes().size() - rest;
    places.set_after({t.sizes().data() + rest, n}, {t.strides().data() + rest, n});
  }
  return places;
}

/// Copies the elements at `places` of `in` to `out`, which is contiguous.
void read_places(char* out, const char* in, size_t item, const Places& places) {
  const int64_t count = places.count(), after = places.after;
  if (places.numel() == 0) return;
  by_size(item, [&]<class T>() {
    T* o = reinterpret_cast<T*>(out);
    const T* a = reinterpret_cast<const T*>(in);
    parallel_for(0, places.before * count, std::max<int64_t>(1, kGrainMemory / after),
                 [&](int64_t b, int64_t e) {
                   for (int64_t u = b; u < e;) {
                     const T* row = a + places.before_offset(u / count);
                     int64_t p = u % count;
                     const int64_t stop = std::min(count, p + e - u);
                     u += stop - p;
                     T* to = o + (u - (stop - p)) * after;
                     if (after == 1 && places.after_contiguous) {
                       for (; p < stop; ++p) *to++ = row[places.offsets[static_cast<size_t>(p)]];
                     } else if (places.after_contiguous) {
                       for (; p < stop; ++p, to += after)
                         std::memcpy(to, row + places.offsets[static_cast<size_t>(p)],
                                     static_cast<size_t>(after) * sizeof(T));
                     } else {
                       for (; p < stop; ++p, to += after) {
                         const T* from = row + places.offsets[static_cast<size_t>(p)];
                         for (int64_t j = 0; j < after; ++j)
                           to[j] = from[places.after_offsets[static_cast<size_t>(j)]];
                       }
                     }
                   }
                 });
  });
}

/// Calls write(T* at, const T* value) for every place in order. `values` is contiguous, or one element for
/// all. Each index position has one thread that owns it, so equal positions are written in order.
template <class T, class Write>
void write_places(T* out, const T* values, bool one_value, const Places& places, Write&& write) {
  const int64_t count = places.count(), after = places.after;
  if (places.numel() == 0) return;
  const int64_t owners = places.numel() <= kGrainMemory ? 1 : get_num_threads();
  parallel_for(0, owners, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = 0; i < places.before; ++i) {
      T* row = out + places.before_offset(i);
      for (int64_t p = 0; p < count; ++p) {
        const int64_t offset = places.offsets[static_cast<size_t>(p)];
        if (owners > 1) {
          const auto mixed = (static_cast<uint64_t>(offset) * 0x9E3779B97F4A7C15u) >> 32;
          const auto owner = static_cast<int64_t>(mixed % static_cast<uint64_t>(owners));
          if (owner < first || owner >= last) continue;
        }
        T* at = row + offset;
        if (one_value) {
          for (int64_t j = 0; j < after; ++j)
            write(at + (places.after_contiguous ? j : places.after_offsets[static_cast<size_t>(j)]), values);
        } else {
          const T* v = values + (i * count + p) * after;
          if (places.after_contiguous) {
            for (int64_t j = 0; j < after; ++j) write(at + j, v + j);
          } else {
            for (int64_t j = 0; j < after; ++j)
              write(at + places.after_offsets[static_cast<size_t>(j)], v + j);
          }
        }
      }
    }
  });
}

/// x + y in the type in which sums over T are kept; integers wrap, bools are or-ed.
template <class T>
T sum_of(T x, T y) {
  if constexpr (std::is_same_v<T, bool>) {
    return x || y;
  } else if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(static_cast<U>(x) + static_cast<U>(y)));
  } else {
    return T(static_cast<acc_t<T>>(x) + static_cast<acc_t<T>>(y));
  }
}
template <class T>
T product_of(T x, T y) {
  if constexpr (std::is_same_v<T, bool>) {
    return x && y;
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(y));
  } else {
    return T(static_cast<acc_t<T>>(x) * static_cast<acc_t<T>>(y));
  }
}
template <class T>
T product_of(T x, const Scalar& s) {
  if constexpr (std::is_same_v<T, bool>) {
    return x && s.to_bool();
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(s.to_int()));
  } else {
    return T(static_cast<acc_t<T>>(x) * static_cast<acc_t<T>>(s.to_double()));
  }
}

// --- masks -------------------------------------------------------------------------------------------

/// Row-major positions of the true elements: `columns[d]` gets the indices along dimension d.
int64_t count_true(const Tensor& bools) {
  const auto* p = bools.data<uint8_t>();
  int64_t n = 0;
  for (int64_t i = 0; i < bools.numel(); ++i) n += p[i] != 0;
  return n;
}
template <class Put>
void visit_true(const Tensor& bools, Put&& put) {
  const auto* p = bools.data<uint8_t>();
  const IntArrayRef sizes = bools.sizes();
  const int64_t inner = sizes.empty() ? 1 : sizes.back();
  Shape at(sizes.size(), 0);
  for (int64_t i = 0, n = bools.numel(); i < n; i += inner) {
    for (int64_t j = 0; j < inner; ++j) {
      if (!p[i + j]) continue;
      if (!at.empty()) at.back() = j;
      put(at);
    }
    for (size_t d = sizes.size(); d-- > 1;) {  // the next row
      if (++at[d - 1] < sizes[d - 1]) break;
      at[d - 1] = 0;
    }
  }
}

void nonzero_cpu(Tensor& out, const Tensor& input) {
  const Tensor bools = contiguous_as(input, DType::Bool);
  out = new_tensor({count_true(bools), input.dim()}, DType::Int64);
  if (out.numel() == 0) return;
  int64_t* p = out.data<int64_t>();
  visit_true(bools, [&](const Shape& at) {
    for (int64_t i : at) *p++ = i;
  });
}

// --- index and index_put -----------------------------------------------------------------------------

Places places_of_indices(const char* op, const Tensor& t, TensorListRef indices, Shape* result) {
  // Masks become integer tensors, a column per dimension.
  Shape counts;
  std::vector<TensorList> columns(indices.size());
  for (size_t i = 0; i < indices.size(); ++i) {
    const Tensor& mask = indices[i];
    counts.push_back(0);
    if (!mask.defined() || (mask.dtype() != DType::Bool && mask.dtype() != DType::UInt8)) continue;
    CLEW_CHECK(mask.is_cpu(), DeviceError, op, ": expected index tensors on the CPU, got one on ",
               mask.device());
    const Tensor bools = contiguous_as(mask, DType::Bool);
    counts.back() = count_true(bools);
    for (int64_t d = 0; d < mask.dim(); ++d) columns[i].push_back(new_tensor({counts.back()}, DType::Int64));
    int64_t row = 0;
    visit_true(bools, [&](const Shape& at) {
      for (size_t d = 0; d < at.size(); ++d) columns[i][d].data<int64_t>()[row] = at[d];
      ++row;
    });
  }
  const IndexingPlan plan = plan_indexing(op, t.sizes(), indices, counts);
  *result = plan.result;
  Places places;
  places.offsets.assign(static_cast<size_t>(numel_of(plan.index_shape)), 0);
  for (const IndexedDim& k : plan.indexed) {
    const auto d = static_cast<size_t>(k.dim);
    const Tensor& index = k.column < 0 ? indices[k.tensor] : columns[k.tensor][static_cast<size_t>(k.column)];
    add_offsets(op, places.offsets, index, plan.index_shape, k.dim, t.sizes()[d], t.strides()[d], true);
  }
  for (int64_t d : plan.before)
    places.add_before(t.sizes()[static_cast<size_t>(d)], t.strides()[static_cast<size_t>(d)]);
  Shape sizes, strides;
  for (int64_t d : plan.after) {
    sizes.push_back(t.sizes()[static_cast<size_t>(d)]);
    strides.push_back(t.strides()[static_cast<size_t>(d)]);
  }
  places.set_after(sizes, strides);
  return places;
}

void index_cpu(Tensor& out, const Tensor& input, TensorListRef indices) {
  Shape result;
  const Places places = places_of_indices("index", input, indices, &result);
  read_places(out.data<char>(), input.data<char>(), clew::item_size(out.dtype()), places);
}

/// `values` as write_places wants them: converted, and contiguous over `shape` unless it is one element.
Tensor values_over(const Tensor& values, const Shape& shape, DType dtype) {
  if (values.numel() == 1) return contiguous_as(values, dtype);
  if (values.is_contiguous() && values.dtype() == dtype && values.numel() == numel_of(shape)) return values;
  Tensor full = new_tensor(shape, dtype);
  copy_tensor(full, values);
  return full;
}

void index_put_cpu(Tensor& out, const Tensor& input, TensorListRef indices, const Tensor& values,
                   bool accumulate) {
  Shape result;
  const Places places = places_of_indices("index_put", out, indices, &result);
  if (!out.is_same(input)) copy_tensor(out, input);
  if (places.numel() == 0) return;
  const Tensor v = values_over(values, result, out.dtype());
  const bool one = v.numel() == 1;
  if (!accumulate) {
    by_size(clew::item_size(out.dtype()), [&]<class T>() {
      write_places(out.data<T>(), v.data<T>(), one, places, [](T* at, const T* x) { *at = *x; });
    });
    return;
  }
  clew::dispatch<kAllDTypes>(out.dtype(), [&]<class T>() {
    write_places(out.data<T>(), v.data<T>(), one, places, [](T* at, const T* x) { *at = sum_of(*at, *x); });
  });
}

void index_select_cpu(Tensor& out, const Tensor& input, int64_t dim, const Tensor& index) {
  const Places places =
      places_along("index_select", input, wrap_dim("index_select", dim, input.dim()), index);
  read_places(out.data<char>(), input.data<char>(), clew::item_size(out.dtype()), places);
}

void embedding_cpu(Tensor& out, const Tensor& input, const Tensor& weight, std::optional<int64_t>,
                   std::optional<double>, double, bool, bool) {
  const Places places = places_along("embedding", weight, 0, input);
  read_places(out.data<char>(), weight.data<char>(), clew::item_size(out.dtype()), places);
}

void index_add_cpu(Tensor& out, const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source,
                   const Scalar& alpha) {
  const Places places = places_along("index_add", out, wrap_dim("index_add", dim, input.dim()), index);
  if (!out.is_same(input)) copy_tensor(out, input);
  if (places.numel() == 0) return;
  const Tensor v = contiguous_copy(source);
  clew::dispatch<kAllDTypes>(out.dtype(), [&]<class T>() {
    if (alpha.equals(1)) {
      write_places(out.data<T>(), v.data<T>(), false, places,
                   [](T* at, const T* x) { *at = sum_of(*at, *x); });
    } else {
      write_places(out.data<T>(), v.data<T>(), false, places,
                   [&](T* at, const T* x) { *at = sum_of(*at, product_of(*x, alpha)); });
    }
  });
}

// --- gather and scatter ------------------------------------------------------------------------------

/// Walks the elements of `index` (contiguous int64): rows are its last dimension.
struct Walk {
  Shape sizes;  // of index, at least one dimension
  size_t dim;
  const int64_t* index;
  int64_t size, stride;  // of the indexed tensor at `dim`
  Shape strides;         // of the indexed tensor, 0 at `dim`
  int64_t rows, columns;

  Walk(const Tensor& t, int64_t d, const Tensor& values)
      : sizes(values.dim() == 0 ? Shape{1} : values.sizes().vec()),
        dim(static_cast<size_t>(d)),
        index(values.data<int64_t>()),
        size(size_or_one(t, d)),
        stride(stride_or_zero(t, d)),
        strides(t.dim() == 0 ? Shape{0} : t.strides().vec()),
        rows(numel_of(IntArrayRef(sizes.data(), sizes.size() - 1))),
        columns(sizes.back()) {
    strides[dim] = 0;
  }
  bool along_rows() const { return dim + 1 == sizes.size(); }
  /// Offset of the row's first element under `s`.
  int64_t row_offset(int64_t row, const Shape& s) const {
    int64_t at = 0;
    for (size_t d = sizes.size() - 1; d-- > 0;) {
      at += row % sizes[d] * s[d];
      row /= sizes[d];
    }
    return at;
  }
  int64_t checked(const char* op, int64_t i) const {
    const int64_t v = index[i];
    if (CLEW_UNLIKELY(v < 0 || v >= size)) index_out_of_range(op, v, static_cast<int64_t>(dim), size, false);
    return v * stride;
  }
};

void gather_cpu(Tensor& out, const Tensor& input, int64_t dim, const Tensor& index) {
  if (out.numel() == 0) return;
  const Tensor values = contiguous_as(index, DType::Int64);
  const Walk walk(input, wrap_dim("gather", dim, input.dim()), values);
  by_size(clew::item_size(out.dtype()), [&]<class T>() {
    T* o = out.data<T>();
    const T* a = input.data<T>();
    const int64_t step = walk.strides.back();
    parallel_for(0, walk.rows, std::max<int64_t>(1, kGrainMemory / walk.columns), [&](int64_t b, int64_t e) {
      for (int64_t row = b; row < e; ++row) {
        const T* from = a + walk.row_offset(row, walk.strides);
        const int64_t first = row * walk.columns;
        for (int64_t j = 0; j < walk.columns; ++j)
          o[first + j] = from[walk.checked("gather", first + j) + j * step];
      }
    });
  });
}

template <class T, class Write>
void scatter_walk(const Tensor& out, const Tensor& src, const Walk& walk, Write&& write) {
  // A number stands for a src of any shape.
  const Shape src_strides = src.dim() == 0 ? Shape(walk.sizes.size(), 0) : src.strides().vec();
  T* o = out.data<T>();
  const T* v = src.data<T>();
  auto run = [&](int64_t row_begin, int64_t row_end, int64_t begin, int64_t end) {
    const int64_t step = walk.strides.back(), src_step = src_strides.back();
    for (int64_t row = row_begin; row < row_end; ++row) {
      T* to = o + walk.row_offset(row, walk.strides);
      const T* from = v + walk.row_offset(row, src_strides);
      const int64_t* index = walk.index + row * walk.columns;
      for (int64_t j = begin; j < end; ++j)
        write(to + index[j] * walk.stride + j * step, from + j * src_step);
    }
  };
  // Threads get rows, or columns when the index moves between rows: equal places stay on one thread, in
  // order.
  if (walk.along_rows()) {
    parallel_for(0, walk.rows, std::max<int64_t>(1, kGrainMemory / walk.columns),
                 [&](int64_t b, int64_t e) { run(b, e, 0, walk.columns); });
  } else {
    parallel_for(0, walk.columns, std::max<int64_t>(64, kGrainMemory / walk.rows),
                 [&](int64_t b, int64_t e) { run(0, walk.rows, b, e); });
  }
}

enum class ScatterMode { Replace, Add, Multiply };
void scatter_any(const char* op, Tensor& out, const Tensor& input, int64_t dim, const Tensor& index,
                 const Tensor& src, ScatterMode mode) {
  const Tensor values = contiguous_as(index, DType::Int64);
  const Walk walk(out, wrap_dim(op, dim, out.dim()), values);
  for (int64_t i = 0; i < values.numel(); ++i) walk.checked(op, i);  // before anything is written
  if (!out.is_same(input)) copy_tensor(out, input);
  if (values.numel() == 0) return;
  const Tensor v = src.dtype() == out.dtype() ? src : contiguous_as(src, out.dtype());
  if (mode == ScatterMode::Replace) {
    by_size(clew::item_size(out.dtype()),
            [&]<class T>() { scatter_walk<T>(out, v, walk, [](T* at, const T* x) { *at = *x; }); });
    return;
  }
  clew::dispatch<kAllDTypes>(out.dtype(), [&]<class T>() {
    if (mode == ScatterMode::Add) {
      scatter_walk<T>(out, v, walk, [](T* at, const T* x) { *at = sum_of(*at, *x); });
    } else {
      scatter_walk<T>(out, v, walk, [](T* at, const T* x) { *at = product_of(*at, *x); });
    }
  });
}
void scatter_cpu(Tensor& out, const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src,
                 std::optional<std::string_view> reduce) {
  scatter_any("scatter", out, input, dim, index, src,
              !reduce            ? ScatterMode::Replace
              : *reduce == "add" ? ScatterMode::Add
                                 : ScatterMode::Multiply);
}
void scatter_add_cpu(Tensor& out, const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src) {
  scatter_any("scatter_add", out, input, dim, index, src, ScatterMode::Add);
}

void masked_fill_cpu(Tensor& out, const Tensor& input, const Tensor& mask, const Tensor& value) {
  if (out.numel() == 0) return;
  const Tensor v = contiguous_as(value, out.dtype());
  const TernaryLoop select = loops().ternary(TernaryOp::where, static_cast<int>(out.dtype()));
  make_plan<3>({&out, &mask, &input})
      .run(kGrainMemory, [&](const std::array<char*, 3>& p, int64_t n, const std::array<int64_t, 3>& s) {
        select(p[0], p[1], v.raw_data(), p[2], n, s[0], s[1], 0, s[2], LoopParams{});
      });
}

}  // namespace
}  // namespace cpu

using namespace cpu;
CLEW_CPU_KERNEL(index, index_cpu);
CLEW_CPU_KERNEL(index_put, index_put_cpu);
CLEW_CPU_KERNEL(index_select, index_select_cpu);
CLEW_CPU_KERNEL(index_add, index_add_cpu);
CLEW_CPU_KERNEL(gather, gather_cpu);
CLEW_CPU_KERNEL(scatter, scatter_cpu);
CLEW_CPU_KERNEL(scatter_add, scatter_add_cpu);
CLEW_CPU_KERNEL(masked_fill, masked_fill_cpu);
CLEW_CPU_KERNEL(nonzero, nonzero_cpu);
CLEW_CPU_KERNEL(embedding, embedding_cpu);

}  // namespace clew
