// Brings reductions of any strides to the rows or columns that reduce.cuh takes.
#include "cuda/reduce.h"

#include <algorithm>

#include "clew/autograd/grad_mode.h"
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "cuda/copy.h"
#include "cuda/kernels.h"

namespace clew::cuda {
namespace {

struct Dim {
  int64_t size, stride;
};
using DimList = SmallVector<Dim, 6>;

/// Neighbours that are contiguous with each other become one; innermost first.
void merge(DimList& dims) {
  if (dims.empty()) return;
  size_t last = 0;
  for (size_t i = 1; i < dims.size(); ++i) {
    if (dims[i].stride == dims[last].stride * dims[last].size) {
      dims[last].size *= dims[i].size;
    } else {
      dims[++last] = dims[i];
    }
  }
  dims.resize(last + 1, Dim{});
}

/// False when the dimensions are more, or more elements, than a plan can hold.
bool put(ReducePlan::Dims& to, const DimList& from, int64_t total) {
  if (total == 0) return true;  // nothing is looked up
  if (from.size() > kMaxDims || (from.size() > 1 && total > INT32_MAX)) return false;
  to.rank = static_cast<int>(from.size());
  to.strides[0] = 0;
  for (size_t d = 0; d < from.size(); ++d) {
    if (from.size() > 1) to.sizes[d] = FastDivider(static_cast<uint32_t>(from[d].size));
    to.strides[d] = from[d].stride;
  }
  return true;
}

/// `input` with the reduced dimensions last, contiguous.
Tensor turned(const Tensor& input, uint64_t mask) {
  Shape sizes, strides;
  for (const bool reduced : {false, true}) {
    for (size_t d = 0; d < input.sizes().size(); ++d) {
      if (static_cast<bool>((mask >> d) & 1) != reduced) continue;
      sizes.push_back(input.sizes()[d]);
      strides.push_back(input.strides()[d]);
    }
  }
  const Tensor view = apply_detail::make_view(input, {sizes, strides, input.storage_offset()});
  const Tensor out = new_tensor(input, sizes, input.dtype());
  copy_tensor(out, view);
  return out;
}

const ReduceLaunch& find(Reduction r, DType t) {
  const auto row = static_cast<size_t>(r), column = static_cast<size_t>(t);
  for (const ReduceTable* table : {&reduce_sums, &reduce_extrema, &reduce_statistics}) {
    if (table->at[row][column].run != nullptr) return table->at[row][column];
  }
  detail::raise<DTypeError>("reduce: expected a dtype with a kernel for this reduction, got ", t,
                            " (convert with .to(dtype))");
}

// A device is busy with this many runs; fewer are cut, into chunks of at least kLeastChunk elements.
constexpr int64_t kManyUnits = 1024, kLeastChunk = 4096;

/// `ordered`: elements of a run keep the order of their indices, as places need it.
void reduce(Reduction r, const Tensor& out, const Tensor& input, uint64_t mask, double p = 0,
            bool ordered = false) {
  if (out.numel() == 0) return;
  DimList kept, reduced;
  ReducePlan plan;
  plan.count = 1;
  for (size_t d = input.sizes().size(); d-- > 0;) {
    const int64_t n = input.sizes()[d];
    const bool is_reduced = ((mask >> d) & 1) != 0;
    if (is_reduced) plan.count *= n;
    if (n != 1) (is_reduced ? reduced : kept).push_back({n, input.strides()[d]});
  }
  if (!ordered) {
    std::sort(reduced.begin(), reduced.end(), [](const Dim& a, const Dim& b) { return a.stride < b.stride; });
  }
  merge(kept);
  merge(reduced);
  plan.outputs = out.numel();
  if (!put(plan.kept, kept, plan.outputs) || !put(plan.reduced, reduced, plan.count)) {
    // The copy has one dimension of each kind.
    const Tensor copy = turned(input, mask);
    uint64_t last = 0;
    const auto rank = static_cast<size_t>(input.dim());
    for (size_t d = 0, n = rank; d < rank; ++d) {
      if (((mask >> d) & 1) != 0) last |= uint64_t{1} << --n;
    }
    return reduce(r, out, copy, last, p, ordered);
  }
  plan.in = input.raw_data();
  plan.out = out.raw_data();
  plan.by_columns =
      !kept.empty() && kept[0].stride == 1 && kept[0].size >= 8 && !reduced.empty() && reduced[0].stride != 1;
  const int64_t units = plan.by_columns ? (plan.outputs + 31) / 32 : plan.outputs;
  const int64_t most = std::max<int64_t>(1, kManyUnits / units);
  plan.chunks = std::clamp<int64_t>(plan.count / kLeastChunk, 1, most);
  plan.chunk = (plan.count + plan.chunks - 1) / plan.chunks;
  const ReduceLaunch& entry = find(r, input.dtype());
  const Launch launch(out);
  const Workspace partials(
      launch, plan.chunks > 1 ? entry.partial_bytes * static_cast<size_t>(plan.outputs * plan.chunks) : 0);
  // Launches have fewer than 2^31 blocks.
  const int64_t piece = (int64_t{1} << 30) / plan.chunks;
  if (plan.outputs <= piece || plan.kept.rank > 1) {
    entry.run(plan, {.p = p}, partials.as<void>(), launch.stream());
    return;
  }
  const auto out_bytes = static_cast<int64_t>(item_size(out.dtype())),
             in_bytes = static_cast<int64_t>(item_size(input.dtype())), all = plan.outputs;
  for (int64_t first = 0; first < all; first += piece) {
    ReducePlan part = plan;
    part.outputs = std::min(piece, all - first);
    part.in = static_cast<const char*>(plan.in) + first * plan.kept.strides[0] * in_bytes;
    part.out = static_cast<char*>(plan.out) + first * out_bytes;
    entry.run(part, {.p = p}, partials.as<void>(), launch.stream());
  }
}

using Dims = std::optional<IntArrayRef>;

uint64_t one_mask(const char* op, std::optional<int64_t> dim, int64_t rank) {
  return dim_mask(op, dim ? Dims(IntArrayRef(&*dim, 1)) : Dims(), rank);
}

Tensor converted(const Tensor& t, DType dtype) {
  const NoGradGuard guard;
  return t.dtype() == dtype ? t : t.to(dtype);
}

/// Reduces in the op's own result dtype when another one was asked for.
void in_natural_dtype(Reduction r, Tensor& out, const Tensor& input, std::optional<DType> dtype,
                      uint64_t mask) {
  const Tensor x = dtype ? converted(input, *dtype) : input;
  const DType natural = is_floating(x.dtype()) ? x.dtype() : DType::Int64;
  if (out.dtype() == natural) return reduce(r, out, x, mask);
  const Tensor wide = new_tensor(out, out.sizes(), natural);
  reduce(r, wide, x, mask);
  copy_tensor(out, wide);
}

void sum_cuda(Tensor& out, const Tensor& input, Dims dim, bool, std::optional<DType> dtype) {
  in_natural_dtype(Reduction::sum, out, input, dtype, dim_mask("sum", dim, input.dim()));
}
void mean_cuda(Tensor& out, const Tensor& input, Dims dim, bool, std::optional<DType> dtype) {
  reduce(Reduction::mean, out, dtype ? converted(input, *dtype) : input, dim_mask("mean", dim, input.dim()));
}
void prod_cuda(Tensor& out, const Tensor& input, std::optional<int64_t> dim, bool,
               std::optional<DType> dtype) {
  in_natural_dtype(Reduction::prod, out, input, dtype, one_mask("prod", dim, input.dim()));
}
template <Reduction r>
void extrema_cuda(Tensor& out, const Tensor& input, IntArrayRef dim, bool) {
  reduce(r, out, input, dim_mask("amax", dim, input.dim()));
}
template <Reduction r>
void extremum_cuda(Tensor& out, const Tensor& input) {
  reduce(r, out, input, dim_mask("max", {}, input.dim()));
}
template <Reduction r>
void truth_cuda(Tensor& out, const Tensor& input, Dims dim, bool) {
  reduce(r, out, input, dim_mask("all", dim, input.dim()));
}

template <Reduction r>
void place_cuda(Tensor& out, const Tensor& input, std::optional<int64_t> dim, bool) {
  // Indices count dimensions in their order, which the elements of a run keep.
  reduce(r, out, input, one_mask("argmax", dim, input.dim()), 0, true);
}
template <Reduction value, Reduction place>
void extremum_dim_cuda(Tensor2& out, const Tensor& input, int64_t dim, bool) {
  const uint64_t mask = one_mask("max", dim, input.dim());
  reduce(value, std::get<0>(out), input, mask);
  reduce(place, std::get<1>(out), input, mask, 0, true);
}

template <Reduction r>
void variance_cuda(Tensor& out, const Tensor& input, Dims dim, std::optional<Scalar> correction, bool) {
  reduce(r, out, input, dim_mask("var", dim, input.dim()), correction.value_or(1).to_double());
}
void norm_cuda(Tensor& out, const Tensor& given, double p, Dims dim, bool, std::optional<DType>) {
  const Reduction r = p == 1 ? Reduction::norm1 : p == 2 ? Reduction::norm2 : Reduction::norm;
  const Tensor input = converted(given, out.dtype());
  reduce(r, out, input, dim_mask("norm", dim, input.dim()), p);
}
void logsumexp_cuda(Tensor& out, const Tensor& input, IntArrayRef dim, bool) {
  reduce(Reduction::logsumexp, out, input, dim_mask("logsumexp", dim, input.dim()));
}

}  // namespace

void register_reduce() {
  CLEW_CUDA_KERNEL(sum, sum_cuda);
  CLEW_CUDA_KERNEL(mean, mean_cuda);
  CLEW_CUDA_KERNEL(prod, prod_cuda);
  CLEW_CUDA_KERNEL(amax, extrema_cuda<Reduction::max>);
  CLEW_CUDA_KERNEL(amin, extrema_cuda<Reduction::min>);
  CLEW_CUDA_KERNEL(max, extremum_cuda<Reduction::max>);
  CLEW_CUDA_KERNEL(min, extremum_cuda<Reduction::min>);
  CLEW_CUDA_KERNEL(max_dim, (extremum_dim_cuda<Reduction::max, Reduction::argmax>));
  CLEW_CUDA_KERNEL(min_dim, (extremum_dim_cuda<Reduction::min, Reduction::argmin>));
  CLEW_CUDA_KERNEL(argmax, place_cuda<Reduction::argmax>);
  CLEW_CUDA_KERNEL(argmin, place_cuda<Reduction::argmin>);
  CLEW_CUDA_KERNEL(all, truth_cuda<Reduction::all>);
  CLEW_CUDA_KERNEL(any, truth_cuda<Reduction::any>);
  CLEW_CUDA_KERNEL(var, variance_cuda<Reduction::variance>);
  CLEW_CUDA_KERNEL(std, variance_cuda<Reduction::deviation>);
  CLEW_CUDA_KERNEL(linalg_vector_norm, norm_cuda);
  CLEW_CUDA_KERNEL(logsumexp, logsumexp_cuda);
}

}  // namespace clew::cuda
