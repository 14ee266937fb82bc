// Reading and writing by index tensors and masks.
//
// The places that index tensors name become offsets, one per position, which a kernel computes and checks.
// The host reads whether all were in range before anything else is read or written. Writes sort the offsets:
// positions of one offset are then one thread's, which takes them in their order, so that results repeat for
// every dtype without atomic operations.
#include "cuda/index.h"

#include <vector>

#include "clew/autograd/grad_mode.h"
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "cuda/checks.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"
#include "cuda/scan.h"
#include "kernels/indexing.h"

namespace clew::cuda {
namespace {

int64_t size_or_one(const Tensor& t, int64_t dim) {
  return t.dim() == 0 ? 1 : t.sizes()[static_cast<size_t>(dim)];
}
int64_t stride_or_zero(const Tensor& t, int64_t dim) {
  return t.dim() == 0 ? 0 : t.strides()[static_cast<size_t>(dim)];
}

/// `index` as contiguous int64 of `shape`, on the device of `like`.
Tensor index_values(const char* op, const Tensor& index, const Shape& shape, const Tensor& like) {
  CLEW_CHECK(index.is_cpu() || index.device() == like.device(), DeviceError, op,
             ": expected index tensors on the CPU or on ", like.device(), ", got one on ", index.device());
  const NoGradGuard guard;
  const Tensor near = index.is_cpu() && index.dim() > 0 ? index.to(like.device()) : index;
  if (near.is_cuda() && near.sizes() == IntArrayRef(shape) && near.dtype() == DType::Int64 &&
      near.is_contiguous())
    return near;
  const Tensor values = new_tensor(like, shape, DType::Int64);
  copy_tensor(values, near);
  return values;
}

/// Offsets of index positions, from one index tensor after another.
class Offsets {
 public:
  Offsets(const char* op, const Launch& launch, int64_t count, size_t tensors)
      : op_(op),
        launch_(launch),
        count_(count),
        offsets_(launch, static_cast<size_t>(count) * sizeof(int64_t)),
        bad_(launch, tensors * sizeof(unsigned long long)) {
    driver().fill_bytes(bad_.as<void>(), 0xff, tensors * sizeof(unsigned long long), launch.stream());
  }
  void add(const Tensor& values, int64_t dim, int64_t size, int64_t stride, bool negative,
           const PlaceDims& base = {}) {
    run_add_offsets({.offsets = offsets_.as<int64_t>(),
                     .values = values.data<int64_t>(),
                     .bad = bad_.as<unsigned long long>() + checks_.size(),
                     .count = count_,
                     .size = size,
                     .stride = stride,
                     .first = checks_.empty(),
                     .negative = negative,
                     .base = base},
                    launch_.stream());
    checks_.push_back({values, dim, size, negative});
  }
  /// Raises IndexError for the first value out of range; waits for the device.
  const int64_t* checked() const {
    if (count_ == 0) return offsets_.as<int64_t>();
    std::vector<unsigned long long> bad(checks_.size());
    copy(bad.data(), kCPU, bad_.as<void>(), checks_[0].values.device(),
         bad.size() * sizeof(unsigned long long), false);
    for (size_t i = 0; i < bad.size(); ++i) {
      if (bad[i] == ~0ull) continue;
      const Check& c = checks_[i];
      index_out_of_range(op_, read_value(c.values.data<int64_t>() + bad[i], launch_), c.dim, c.size,
                         c.negative);
    }
    return offsets_.as<int64_t>();
  }
  int64_t count() const { return count_; }

 private:
  struct Check {
    Tensor values;
    int64_t dim, size;
    bool negative;
  };
  const char* op_;
  const Launch& launch_;
  int64_t count_;
  Workspace offsets_, bad_;
  std::vector<Check> checks_;
};

/// The dimensions of `t` around `dim`.
Places places_around(const Tensor& t, int64_t dim) {
  Places p{};
  p.before = p.after = 1;
  for (int64_t d = t.dim(); d-- > 0;) {
    const auto k = static_cast<size_t>(d);
    if (d == dim) continue;
    (d < dim ? p.before_dims : p.after_dims).add(t.sizes()[k], t.strides()[k]);
    (d < dim ? p.before : p.after) *= t.sizes()[k];
  }
  return p;
}

void read(const Tensor& out, const Tensor& input, const Places& places, const Launch& launch) {
  run_read_places(out.raw_data(), input.raw_data(), item_size(out.dtype()), places, launch.stream());
}

/// Reads whole rows, in pieces of 16 bytes where they consist of such.
void read_along(const char* op, const Tensor& out, const Tensor& input, int64_t dim, const Tensor& index) {
  const Launch launch(out);
  Offsets offsets(op, launch, index.numel(), 1);
  Places places = places_around(input, dim);
  size_t item = item_size(out.dtype());
  int64_t stride = stride_or_zero(input, dim);
  const auto wide = static_cast<int64_t>(16 / item);
  const auto address = [](const Tensor& t) { return reinterpret_cast<uintptr_t>(t.raw_data()); };
  const bool rows = places.before_dims.rank == 0 && places.before == 1 && places.after_dims.rank == 1 &&
                    places.after_dims.strides[0] == 1;
  if (rows && places.after % wide == 0 && stride % wide == 0 && address(input) % 16 == 0 &&
      address(out) % 16 == 0) {
    item = 16;
    stride /= wide;
    places.after /= wide;
    places.after_dims.sizes[0] /= wide;
  }
  offsets.add(index_values(op, index, index.sizes().vec(), out), dim, size_or_one(input, dim), stride, false);
  places.offsets = offsets.checked();
  places.positions = offsets.count();
  run_read_places(out.raw_data(), input.raw_data(), item, places, launch.stream());
}

struct Values {
  const Tensor& tensor;  // contiguous, or one element for all
  double alpha = 1;
  int64_t integer_alpha = 1;
};
/// `unique`: no two positions have the same offset.
void write(Write mode, const Tensor& out, const Values& values, const Places& places, bool unique,
           const Launch& launch) {
  if (places.numel() == 0) return;
  const bool one = values.tensor.numel() == 1;
  WritePlan plan{.out = out.raw_data(),
                 .values = values.tensor.raw_data(),
                 .sorted = nullptr,
                 .one_value = one,
                 .alpha = values.alpha,
                 .integer_alpha = values.integer_alpha};
  if (unique || places.positions == 1 || (one && mode == Write::Replace))
    return run_write_places(mode, out.dtype(), plan, places, launch.stream());
  const auto nbytes = static_cast<size_t>(places.positions) * sizeof(SortItem);
  const Workspace items(launch, nbytes), spare(launch, nbytes);
  run_offset_items(items.as<SortItem>(), places.offsets, places.positions, launch.stream());
  plan.sorted = run_sort(items.as<SortItem>(), spare.as<SortItem>(), 1, places.positions, launch.stream());
  run_write_places(mode, out.dtype(), plan, places, launch.stream());
}

// --- masks -----------------------------------------------------------------------------------------------

/// Coordinates of the true elements, a row each.
Tensor true_coordinates(const Tensor& input) {
  const Tensor bools = contiguous_as(input, DType::Bool);
  const Launch launch(bools);
  const int64_t n = bools.numel();
  const Tensor counts = contiguous_as(bools, DType::Int64);
  run_scan(
      Scan::sum, DType::Int64,
      {.in = counts.raw_data(), .out = counts.raw_data(), .places = nullptr, .outer = 1, .n = n, .inner = 1},
      launch);
  const int64_t total = n == 0 ? 0 : read_value(counts.data<int64_t>() + n - 1, launch);
  const Tensor out = new_tensor(bools, {total, input.dim()}, DType::Int64);
  if (out.numel() != 0)
    run_coordinates(out.data<int64_t>(), bools.raw_data(), counts.data<int64_t>(), n,
                    static_cast<int>(input.dim()), input.sizes().data(), launch.stream());
  return out;
}

void nonzero_cuda(Tensor& out, const Tensor& input) { out = true_coordinates(input); }

// --- index and index_put -----------------------------------------------------------------------------------

/// Places of `t` at `indices`, and the shape of what stands there.
class IndexedPlaces {
 public:
  IndexedPlaces(const char* op, const Tensor& t, TensorListRef indices, const Launch& launch) {
    Shape counts;
    TensorList coordinates(indices.size());
    size_t integers = 0;
    for (size_t i = 0; i < indices.size(); ++i) {
      const Tensor& mask = indices[i];
      counts.push_back(0);
      if (!mask.defined()) continue;
      if (mask.dtype() != DType::Bool && mask.dtype() != DType::UInt8) {
        ++integers;
        continue;
      }
      CLEW_CHECK(mask.is_cpu() || mask.device() == t.device(), DeviceError, op,
                 ": expected index tensors on the CPU or on ", t.device(), ", got one on ", mask.device());
      const NoGradGuard guard;
      coordinates[i] = true_coordinates(mask.to(t.device()));
      counts.back() = coordinates[i].sizes()[0];
      ++masks_;
    }
    unique = masks_ == 1 && integers == 0;
    const IndexingPlan plan = plan_indexing(op, t.sizes(), indices, counts);
    result = plan.result;
    offsets_.emplace(op, launch, numel_of(plan.index_shape), plan.indexed.size());
    for (const IndexedDim& k : plan.indexed) {
      const auto d = static_cast<size_t>(k.dim);
      Tensor index = indices[k.tensor];
      if (k.column >= 0) {
        const Tensor& all = coordinates[k.tensor];
        index = apply_detail::make_view(
            all, {{all.sizes()[0]}, {all.sizes()[1]}, all.storage_offset() + k.column});
      }
      offsets_->add(index_values(op, index, plan.index_shape, t), k.dim, t.sizes()[d], t.strides()[d], true);
    }
    places.offsets = offsets_->checked();
    places.positions = offsets_->count();
    const auto put = [&](const SmallVector<int64_t, 6>& dims, PlaceDims& to, int64_t& count) {
      for (size_t i = dims.size(); i-- > 0;) {
        const auto d = static_cast<size_t>(dims[i]);
        to.add(t.sizes()[d], t.strides()[d]);
        count *= t.sizes()[d];
      }
    };
    put(plan.before, places.before_dims, places.before);
    put(plan.after, places.after_dims, places.after);
  }

  Places places{};
  Shape result;
  bool unique = false;  // no two positions are the same

 private:
  size_t masks_ = 0;
  std::optional<Offsets> offsets_;
};

void index_cuda(Tensor& out, const Tensor& input, TensorListRef indices) {
  const Launch launch(out);
  const IndexedPlaces at("index", input, indices, launch);
  read(out, input, at.places, launch);
}

void index_put_cuda(Tensor& out, const Tensor& input, TensorListRef indices, const Tensor& values,
                    bool accumulate) {
  const Launch launch(out);
  const IndexedPlaces at("index_put", out, indices, launch);
  if (!out.is_same(input)) copy_tensor(out, input);
  if (at.places.numel() == 0) return;
  Tensor full = values;
  if (values.numel() == 1) {
    full = contiguous_as(values, out.dtype(), out);
  } else if (!values.is_contiguous() || values.dtype() != out.dtype() ||
             values.numel() != numel_of(at.result)) {
    full = new_tensor(out, at.result, out.dtype());
    copy_tensor(full, values);
  }
  write(accumulate ? Write::Add : Write::Replace, out, {full}, at.places, at.unique, launch);
}

void index_select_cuda(Tensor& out, const Tensor& input, int64_t dim, const Tensor& index) {
  read_along("index_select", out, input, wrap_dim("index_select", dim, input.dim()), index);
}
void embedding_cuda(Tensor& out, const Tensor& input, const Tensor& weight, std::optional<int64_t>,
                    std::optional<double>, double, bool, bool) {
  read_along("embedding", out, weight, 0, input);
}

void index_add_cuda(Tensor& out, const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source,
                    const Scalar& alpha) {
  const Launch launch(out);
  const int64_t d = wrap_dim("index_add", dim, input.dim());
  Offsets offsets("index_add", launch, index.numel(), 1);
  offsets.add(index_values("index_add", index, index.sizes().vec(), out), d, size_or_one(out, d),
              stride_or_zero(out, d), false);
  Places places = places_around(out, d);
  places.offsets = offsets.checked();
  places.positions = offsets.count();
  if (!out.is_same(input)) copy_tensor(out, input);
  const Tensor values = contiguous_as(source, source.dtype(), out);
  const int64_t whole = out.dtype() == DType::Bool ? static_cast<int64_t>(alpha.to_bool())
                        : is_integral(out.dtype()) ? alpha.to_int()
                                                   : 1;
  write(Write::Add, out, {values, is_floating(out.dtype()) ? alpha.to_double() : 1, whole}, places, false,
        launch);
}

// --- gather and scatter ------------------------------------------------------------------------------------

/// One position per element of `index`, which moves along `dim` of `t`.
void add_element_offsets(Offsets& offsets, const Tensor& values, const Tensor& t, int64_t dim) {
  PlaceDims base;
  for (int64_t d = values.dim(); d-- > 0 && t.dim() > 0;)
    base.add(values.sizes()[static_cast<size_t>(d)], d == dim ? 0 : t.strides()[static_cast<size_t>(d)]);
  offsets.add(values, dim, size_or_one(t, dim), stride_or_zero(t, dim), false, base);
}

void gather_cuda(Tensor& out, const Tensor& input, int64_t dim, const Tensor& index) {
  if (out.numel() == 0) return;
  const Launch launch(out);
  Offsets offsets("gather", launch, index.numel(), 1);
  add_element_offsets(offsets, index_values("gather", index, index.sizes().vec(), out), input,
                      wrap_dim("gather", dim, input.dim()));
  Places places{};
  places.offsets = offsets.checked();
  places.positions = offsets.count();
  read(out, input, places, launch);
}

void scatter_any(const char* op, const Tensor& out, const Tensor& input, int64_t dim, const Tensor& index,
                 const Tensor& src, Write mode) {
  const Launch launch(out);
  Offsets offsets(op, launch, index.numel(), 1);
  add_element_offsets(offsets, index_values(op, index, index.sizes().vec(), out), out,
                      wrap_dim(op, dim, out.dim()));
  Places places{};
  places.offsets = offsets.checked();
  places.positions = offsets.count();
  if (!out.is_same(input)) copy_tensor(out, input);
  if (index.numel() == 0) return;
  // A number stands for a src of any shape; of a larger one counts what index covers.
  Tensor part = src;
  if (src.dim() > 0 && !(src.sizes() == index.sizes()) && index.dim() > 0)
    part = apply_detail::make_view(src, {index.sizes().vec(), src.strides().vec(), src.storage_offset()});
  if (index.dim() == 0 && src.dim() > 0) part = apply_detail::make_view(src, {{}, {}, src.storage_offset()});
  const Tensor values = contiguous_as(part, out.dtype(), out);
  write(mode, out, {values}, places, false, launch);
}
void scatter_cuda(Tensor& out, const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src,
                  std::optional<std::string_view> reduce) {
  scatter_any("scatter", out, input, dim, index, src,
              !reduce            ? Write::Replace
              : *reduce == "add" ? Write::Add
                                 : Write::Multiply);
}
void scatter_add_cuda(Tensor& out, const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src) {
  scatter_any("scatter_add", out, input, dim, index, src, Write::Add);
}

}  // namespace

void register_index() {
  CLEW_CUDA_KERNEL(index, index_cuda);
  CLEW_CUDA_KERNEL(index_put, index_put_cuda);
  CLEW_CUDA_KERNEL(index_select, index_select_cuda);
  CLEW_CUDA_KERNEL(index_add, index_add_cuda);
  CLEW_CUDA_KERNEL(gather, gather_cuda);
  CLEW_CUDA_KERNEL(scatter, scatter_cuda);
  CLEW_CUDA_KERNEL(scatter_add, scatter_add_cuda);
  CLEW_CUDA_KERNEL(nonzero, nonzero_cuda);
  CLEW_CUDA_KERNEL(embedding, embedding_cuda);
}

}  // namespace clew::cuda
