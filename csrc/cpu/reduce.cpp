// One driver for all reductions. It brings any strides to rows (each output reduces one run of elements) or
// to columns (neighbouring outputs reduce neighbouring columns), splits long reductions into fixed blocks
// whose partial results are combined in order, and leaves the numbers to the loops of cpu/loops.h. Blocks
// depend on the shape alone, so results do not depend on the number of threads.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "clew/core/parallel.h"
#include "core/shapes.h"
#include "cpu/copy.h"
#include "cpu/loops.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

struct ReducedDim {
  int64_t size, stride;
};
struct KeptDim {
  int64_t size, in_stride, out_stride;
};

/// Input dims by role, size-1 dims dropped, neighbours merged. Reduced dims: smallest stride first.
struct Split {
  SmallVector<ReducedDim, 6> reduced;
  SmallVector<KeptDim, 6> kept;  // innermost first
  int64_t outputs = 1, count = 1;

  Split(const Tensor& input, uint64_t mask) {
    int64_t out_stride = 1;
    for (size_t d = input.sizes().size(); d-- > 0;) {
      const int64_t n = input.sizes()[d], stride = input.strides()[d];
      if ((mask >> d) & 1) {
        count *= n;
        if (n != 1) reduced.push_back({n, stride});
      } else {
        outputs *= n;
        if (n != 1) kept.push_back({n, stride, out_stride});
        out_stride *= n;
      }
    }
    std::sort(reduced.begin(), reduced.end(),
              [](const ReducedDim& a, const ReducedDim& b) { return a.stride < b.stride; });
    size_t last = 0;
    for (size_t i = 1; i < reduced.size(); ++i) {
      if (reduced[i].stride == reduced[last].stride * reduced[last].size) {
        reduced[last].size *= reduced[i].size;
      } else {
        reduced[++last] = reduced[i];
      }
    }
    if (!reduced.empty()) reduced.resize(last + 1, ReducedDim{});
    last = 0;
    for (size_t i = 1; i < kept.size(); ++i) {  // outputs are contiguous, so only inputs decide
      if (kept[i].in_stride == kept[last].in_stride * kept[last].size) {
        kept[last].size *= kept[i].size;
      } else {
        kept[++last] = kept[i];
      }
    }
    if (!kept.empty()) kept.resize(last + 1, KeptDim{});
  }
};

// Elements of one block of a long reduction, and the number of independent outputs from which blocks are not
// needed.
constexpr int64_t kBlock = int64_t{1} << 16;
constexpr int64_t kEnoughUnits = 64;
constexpr int64_t kColumns = 1024;  // of one unit of the column form

/// `rows(partial, in, n, stride, whole, run)` reduces runs, `columns(partials, in, n, width, ld, whole)`
/// `width` columns, if `has_columns`. Both write partials of `partial_size` bytes; those of block q stand q *
/// width * partial_size bytes after the first. `finish(out, partials, blocks, width)` combines the
/// blocks of a unit's outputs, which are neighbours. With `direct`, a run that is one block is reduced
/// straight into the output, which `whole` says.
template <class Rows, class Columns, class Finish>
void reduce(const Tensor& out, const Tensor& input, uint64_t mask, int64_t partial_size, bool direct,
            bool has_columns, Rows&& rows, Columns&& columns, Finish&& finish) {
  Split s(input, mask);
  if (s.outputs == 0) return;
  const auto in_size = static_cast<int64_t>(clew::item_size(input.dtype())),
             out_size = static_cast<int64_t>(clew::item_size(out.dtype()));
  const char* const in = input.data<char>();
  char* const result = out.data<char>();

  // The run that the loops walk: the smallest stride, or the longest dim when that one is short.
  if (s.reduced.empty() || s.count == 0) s.reduced = {ReducedDim{s.count, 1}};
  size_t run = 0;
  if (s.reduced[0].size < 16) {
    for (size_t i = 1; i < s.reduced.size(); ++i)
      if (s.reduced[i].size > s.reduced[run].size) run = i;
  }
  std::swap(s.reduced[0], s.reduced[run]);
  const ReducedDim inner = s.reduced[0];
  int64_t outer = 1;
  for (size_t i = 1; i < s.reduced.size(); ++i) outer *= s.reduced[i].size;
  const int64_t length = inner.size;

  // Columns when the output's innermost dim is contiguous in the input and the run is not.
  const bool by_columns = has_columns && length > 0 && inner.stride != 1 && !s.kept.empty() &&
                          s.kept[0].in_stride == 1 && s.kept[0].size >= 8;
  const int64_t width = by_columns ? std::min(s.kept[0].size, kColumns) : 1;
  const int64_t pieces = by_columns ? (s.kept[0].size + width - 1) / width : 1;
  const int64_t units = by_columns ? s.outputs / s.kept[0].size * pieces : s.outputs;
  int64_t block = std::max<int64_t>(length, 1);
  if (units < kEnoughUnits && length > 2 * kBlock / width) block = std::max<int64_t>(16, kBlock / width);
  const int64_t chunks = length == 0 ? 1 : (length + block - 1) / block;
  const int64_t blocks = outer * chunks;
  const bool whole = direct && blocks == 1;

  struct Unit {
    const char* in;
    char* out;
    int64_t width;
  };
  auto unit_at = [&](int64_t u) {
    Unit unit{in, result, 1};
    size_t d = 0;
    if (by_columns) {
      const int64_t column = u % pieces * width;
      u /= pieces;
      unit.in += column * in_size;
      unit.out += column * out_size;
      unit.width = std::min(width, s.kept[0].size - column);
      d = 1;
    }
    for (; d < s.kept.size(); ++d) {
      int64_t i = u;
      if (d + 1 < s.kept.size()) {
        i = u % s.kept[d].size;
        u /= s.kept[d].size;
      }
      unit.in += i * s.kept[d].in_stride * in_size;
      unit.out += i * s.kept[d].out_stride * out_size;
    }
    return unit;
  };
  auto run_block = [&](const Unit& unit, int64_t q, char* partial) {
    const int64_t first = q % chunks * block;
    int64_t rest = q / chunks, at = first * inner.stride;
    for (size_t i = 1; i < s.reduced.size(); ++i) {
      at += rest % s.reduced[i].size * s.reduced[i].stride;
      rest /= s.reduced[i].size;
    }
    const int64_t n = std::min(block, length - first);
    if (by_columns) {
      columns(partial, unit.in + at * in_size, n, unit.width, inner.stride, whole);
    } else {
      rows(partial, unit.in + at * in_size, n, inner.stride, whole, kOneRow);
    }
  };
  auto finish_unit = [&](const Unit& unit, const char* partials) {
    finish(unit.out, partials, blocks, unit.width);
  };

  const int64_t work = std::max<int64_t>(1, s.count * width);
  if (whole) {
    parallel_for(0, units, std::max<int64_t>(1, kGrainMemory / work), [&](int64_t b, int64_t e) {
      for (int64_t u = b; u < e;) {
        const Unit unit = unit_at(u);
        if (by_columns) {
          columns(unit.out, unit.in, length, unit.width, inner.stride, true);
          ++u;
          continue;
        }
        RowRun together = kOneRow;
        if (!s.kept.empty()) {
          const KeptDim& k = s.kept[0];
          together = {std::min(e - u, k.size - u % k.size), k.in_stride * in_size, k.out_stride * out_size};
        }
        rows(unit.out, unit.in, length, inner.stride, true, together);
        u += together.count;
      }
    });
    return;
  }
  const int64_t unit_bytes = blocks * width * partial_size;
  if (units >= kEnoughUnits || blocks == 1) {
    // Block by block over a group of units: neighbouring units lie side by side in memory more often than
    // the blocks of one.
    constexpr int64_t kGroupBytes = 32768;
    const int64_t group = std::max<int64_t>(1, kGroupBytes / unit_bytes);
    parallel_for(0, units, std::max<int64_t>(1, kGrainMemory / work), [&](int64_t b, int64_t e) {
      const std::unique_ptr<char[]> partials(
          new char[static_cast<size_t>(std::min(group, e - b) * unit_bytes)]);
      for (int64_t first = b; first < e; first += group) {
        const int64_t last = std::min(e, first + group);
        for (int64_t q = 0; q < blocks; ++q) {
          for (int64_t u = first; u < last; ++u) {
            const Unit unit = unit_at(u);
            run_block(unit, q, partials.get() + (u - first) * unit_bytes + q * unit.width * partial_size);
          }
        }
        for (int64_t u = first; u < last; ++u)
          finish_unit(unit_at(u), partials.get() + (u - first) * unit_bytes);
      }
    });
    return;
  }
  const std::unique_ptr<char[]> partials(new char[static_cast<size_t>(units * unit_bytes)]);
  parallel_for(0, units * blocks, std::max<int64_t>(1, kGrainMemory / std::max<int64_t>(1, block * width)),
               [&](int64_t b, int64_t e) {
                 for (int64_t i = b; i < e; ++i) {
                   const Unit unit = unit_at(i / blocks);
                   run_block(
                       unit, i % blocks,
                       partials.get() + i / blocks * unit_bytes + i % blocks * unit.width * partial_size);
                 }
               });
  for (int64_t u = 0; u < units; ++u) finish_unit(unit_at(u), partials.get() + u * unit_bytes);
}

int index_of(DType t) { return static_cast<int>(t); }

/// Writes a double as `t`.
void store(DType t, void* out, double v) {
  switch (t) {
    case DType::Float16:
      *static_cast<Half*>(out) = Half(static_cast<float>(v));
      break;
    case DType::BFloat16:
      *static_cast<BFloat16*>(out) = BFloat16(static_cast<float>(v));
      break;
    case DType::Float32:
      *static_cast<float*>(out) = static_cast<float>(v);
      break;
    default:
      *static_cast<double*>(out) = v;
      break;
  }
}

/// Ops whose partial results are of the result's kind: max, min, any, all, prod.
void reduce_same(ReduceOp op, const Tensor& out, const Tensor& input, uint64_t mask) {
  // A bool is a byte of 0 or 1: order and truth are those of uint8.
  const bool logical = op == ReduceOp::any || op == ReduceOp::all;
  DType in_type = input.dtype();
  if (in_type == DType::Bool && (op == ReduceOp::max || op == ReduceOp::min)) in_type = DType::UInt8;
  DType partial_type = logical                                         ? DType::Bool
                       : op == ReduceOp::prod && !is_floating(in_type) ? DType::Int64
                                                                       : in_type;
  const ReduceLoop rows = loops().reduce(op, index_of(in_type)),
                   again = loops().reduce(op, index_of(partial_type));
  const ReduceColumnsLoop columns_again = loops().reduce_columns(op, index_of(partial_type));
  const ReduceColumnsLoop columns = loops().reduce_columns(op, index_of(in_type));
  const auto size = static_cast<int64_t>(clew::item_size(partial_type));
  reduce(
      out, input, mask, size, true, columns != nullptr,
      [rows](void* o, const void* a, int64_t n, int64_t stride, bool, const RowRun& run) {
        rows(o, a, n, stride, run);
      },
      [columns](void* o, const void* a, int64_t n, int64_t width, int64_t ld, bool) {
        columns(o, a, n, width, ld);
      },
      [=](void* o, const char* partials, int64_t blocks, int64_t width) {
        if (width == 1) {
          again(o, partials, blocks, 1, kOneRow);
        } else {
          columns_again(o, partials, blocks, width, width);
        }
      });
}

/// Ops with partial sums in double (int64 for integers): sum, mean, norms. `finish(total)` gives the result.
template <class Finish>
void reduce_wide(ReduceOp direct_op, ReduceOp wide_op, bool direct, const Tensor& out, const Tensor& input,
                 uint64_t mask, Finish&& finish) {
  const int type = index_of(input.dtype());
  const bool floating = is_floating(input.dtype());
  const ReduceLoop rows[] = {loops().reduce(wide_op, type), loops().reduce(direct_op, type)};
  const ReduceColumnsLoop columns[] = {loops().reduce_columns(wide_op, type),
                                       loops().reduce_columns(direct_op, type)};
  reduce(
      out, input, mask, 8, direct, columns[0] != nullptr && columns[1] != nullptr,
      [&](void* o, const void* a, int64_t n, int64_t stride, bool whole, const RowRun& run) {
        rows[whole](o, a, n, stride, run);
      },
      [&](void* o, const void* a, int64_t n, int64_t width, int64_t ld, bool whole) {
        columns[whole](o, a, n, width, ld);
      },
      [&, floating](char* o, const char* partials, int64_t blocks, int64_t width) {
        if (floating) {
          double total[kColumns];
          std::fill_n(total, width, 0.0);
          const auto* p = reinterpret_cast<const double*>(partials);
          for (int64_t q = 0; q < blocks; ++q, p += width)
            for (int64_t c = 0; c < width; ++c) total[c] += p[c];
          const auto item = static_cast<int64_t>(clew::item_size(out.dtype()));
          for (int64_t c = 0; c < width; ++c) store(out.dtype(), o + c * item, finish(total[c]));
        } else {
          for (int64_t c = 0; c < width; ++c) {
            const auto* p = reinterpret_cast<const uint64_t*>(partials) + c;
            uint64_t total = 0;
            for (int64_t q = 0; q < blocks; ++q) total += p[q * width];
            std::memcpy(o + c * static_cast<int64_t>(sizeof total), &total, sizeof total);
          }
        }
      });
}

int64_t count_of(const Tensor& input, uint64_t mask) {
  int64_t n = 1;
  for (size_t d = 0; d < input.sizes().size(); ++d) n *= (mask >> d) & 1 ? input.sizes()[d] : 1;
  return n;
}

using Dims = std::optional<IntArrayRef>;

/// Runs `body(result, input)` in the op's own result dtype when another one was asked for.
template <class Body>
void in_natural_dtype(Tensor& out, const Tensor& input, std::optional<DType> dtype, Body&& body) {
  const Tensor x = dtype && *dtype != input.dtype() ? contiguous_as(input, *dtype) : input;
  const DType natural = is_floating(x.dtype()) ? x.dtype() : DType::Int64;
  if (out.dtype() == natural) return body(out, x);
  Tensor wide = new_tensor(out.sizes(), natural);
  body(wide, x);
  copy_tensor(out, wide);
}

void sum_cpu(Tensor& out, const Tensor& input, Dims dim, bool, std::optional<DType> dtype) {
  const uint64_t mask = dim_mask("sum", dim, input.dim());
  in_natural_dtype(out, input, dtype, [&](const Tensor& o, const Tensor& x) {
    reduce_wide(ReduceOp::sum, ReduceOp::sum_wide, true, o, x, mask, [](double total) { return total; });
  });
}

void mean_cpu(Tensor& out, const Tensor& input, Dims dim, bool, std::optional<DType> dtype) {
  const uint64_t mask = dim_mask("mean", dim, input.dim());
  const Tensor x = dtype && *dtype != input.dtype() ? contiguous_as(input, *dtype) : input;
  const auto n = static_cast<double>(count_of(x, mask));
  reduce_wide(ReduceOp::mean, ReduceOp::sum_wide, n > 0, out, x, mask,
              [n](double total) { return total / n; });
}

uint64_t one_mask(const char* op, std::optional<int64_t> dim, int64_t rank) {
  return dim_mask(op, dim ? Dims(IntArrayRef(&*dim, 1)) : Dims(), rank);
}

void prod_cpu(Tensor& out, const Tensor& input, std::optional<int64_t> dim, bool,
              std::optional<DType> dtype) {
  const uint64_t mask = one_mask("prod", dim, input.dim());
  in_natural_dtype(out, input, dtype,
                   [&](const Tensor& o, const Tensor& x) { reduce_same(ReduceOp::prod, o, x, mask); });
}
void amax_cpu(Tensor& out, const Tensor& input, IntArrayRef dim, bool) {
  reduce_same(ReduceOp::max, out, input, dim_mask("amax", dim, input.dim()));
}
void amin_cpu(Tensor& out, const Tensor& input, IntArrayRef dim, bool) {
  reduce_same(ReduceOp::min, out, input, dim_mask("amin", dim, input.dim()));
}
void max_cpu(Tensor& out, const Tensor& input) {
  reduce_same(ReduceOp::max, out, input, dim_mask("max", {}, input.dim()));
}
void min_cpu(Tensor& out, const Tensor& input) {
  reduce_same(ReduceOp::min, out, input, dim_mask("min", {}, input.dim()));
}
void all_cpu(Tensor& out, const Tensor& input, Dims dim, bool) {
  reduce_same(ReduceOp::all, out, input, dim_mask("all", dim, input.dim()));
}
void any_cpu(Tensor& out, const Tensor& input, Dims dim, bool) {
  reduce_same(ReduceOp::any, out, input, dim_mask("any", dim, input.dim()));
}

/// Index of the extremum along one dimension (any number of dims of one merged run).
void arg_extremum(ReduceOp op, const Tensor& out, const Tensor& input, uint64_t mask) {
  const int type = index_of(input.dtype() == DType::Bool ? DType::UInt8 : input.dtype());
  const ReduceLoop rows = loops().reduce(op, type);
  const ReduceColumnsLoop columns = loops().reduce_columns(op, type);
  const Split s(input, mask);
  const int64_t n = s.reduced.empty() ? 1 : s.reduced[0].size,
                stride = s.reduced.empty() ? 1 : s.reduced[0].stride;
  const bool by_columns =
      columns != nullptr && stride != 1 && !s.kept.empty() && s.kept[0].in_stride == 1 && s.kept[0].size >= 8;
  const int64_t width = by_columns ? std::min(s.kept[0].size, kColumns) : 1;
  const int64_t pieces = by_columns ? (s.kept[0].size + width - 1) / width : 1;
  const int64_t units = by_columns ? s.outputs / s.kept[0].size * pieces : s.outputs;
  const auto item = static_cast<int64_t>(clew::item_size(input.dtype()));
  parallel_for(0, units, std::max<int64_t>(1, kGrainMemory / (n * width)), [&](int64_t b, int64_t e) {
    for (int64_t u = b; u < e; ++u) {
      int64_t rest = u, from = 0, to = 0, columns_here = 1;
      size_t d = 0;
      if (by_columns) {
        from = to = rest % pieces * width;
        columns_here = std::min(width, s.kept[0].size - from);
        rest /= pieces;
        d = 1;
      }
      for (; d < s.kept.size(); ++d) {
        const int64_t i = rest % s.kept[d].size;
        rest /= s.kept[d].size;
        from += i * s.kept[d].in_stride;
        to += i * s.kept[d].out_stride;
      }
      const char* a = input.data<char>() + from * item;
      int64_t* o = out.data<int64_t>() + to;
      if (by_columns) {
        columns(o, a, n, columns_here, stride);
      } else {
        rows(o, a, n, stride, kOneRow);
      }
    }
  });
}

void arg_any_dim(ReduceOp op, const char* name, const Tensor& out, const Tensor& input,
                 std::optional<int64_t> dim) {
  if (out.numel() == 0) return;
  if (dim) return arg_extremum(op, out, input, one_mask(name, dim, input.dim()));
  const Tensor x = contiguous_copy(input);  // its merged run is in the order of flat indices
  arg_extremum(op, out, x, dim_mask(name, {}, x.dim()));
}
void argmax_cpu(Tensor& out, const Tensor& input, std::optional<int64_t> dim, bool) {
  arg_any_dim(ReduceOp::argmax, "argmax", out, input, dim);
}
void argmin_cpu(Tensor& out, const Tensor& input, std::optional<int64_t> dim, bool) {
  arg_any_dim(ReduceOp::argmin, "argmin", out, input, dim);
}

void extremum_dim(ReduceOp op, Tensor2& out, const Tensor& input, int64_t dim) {
  const Tensor& values = std::get<0>(out);
  const Tensor& indices = std::get<1>(out);
  if (values.numel() == 0) return;
  arg_extremum(op, indices, input, one_mask("max", dim, input.dim()));
  // The values stand at the indices.
  const auto rank = static_cast<size_t>(input.dim());
  const size_t d = rank == 0 ? 0 : static_cast<size_t>(wrap_dim("max", dim, input.dim()));
  const int64_t stride = rank == 0 ? 0 : input.strides()[d];
  by_size(clew::item_size(input.dtype()), [&]<class T>() {
    const T* a = input.data<T>();
    T* o = values.data<T>();
    const int64_t* index = indices.data<int64_t>();
    parallel_for(0, values.numel(), kGrainMemory, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) {
        int64_t rest = i, at = index[i] * stride;
        for (size_t k = rank; k-- > 0;) {
          if (k == d) continue;
          at += rest % input.sizes()[k] * input.strides()[k];
          rest /= input.sizes()[k];
        }
        o[i] = a[at];
      }
    });
  });
}
void max_dim_cpu(Tensor2& out, const Tensor& input, int64_t dim, bool) {
  extremum_dim(ReduceOp::argmax, out, input, dim);
}
void min_dim_cpu(Tensor2& out, const Tensor& input, int64_t dim, bool) {
  extremum_dim(ReduceOp::argmin, out, input, dim);
}

/// Variance from blocks of (mean, sum of squared deviations), combined by Chan's rule.
void variance(const Tensor& out, const Tensor& input, uint64_t mask, double correction, bool root) {
  const MomentsLoop rows = loops().norm().moments[index_of(input.dtype())];
  const MomentsColumnsLoop columns = loops().norm().moments_columns[index_of(input.dtype())];
  struct Part {
    double n, mean, m2;
  };
  const auto count = static_cast<double>(count_of(input, mask));
  reduce(
      out, input, mask, sizeof(Part), false, columns != nullptr,
      [rows](char* o, const char* a, int64_t n, int64_t stride, bool, const RowRun&) {
        Part p{static_cast<double>(n), 0, 0};
        if (n > 0) rows(&p.mean, &p.m2, a, n, stride);
        std::memcpy(o, &p, sizeof p);
      },
      [columns](char* o, const char* a, int64_t n, int64_t width, int64_t ld, bool) {
        double mean[kColumns], m2[kColumns];
        columns(mean, m2, a, n, width, ld);
        for (int64_t c = 0; c < width; ++c) {
          const Part p{static_cast<double>(n), mean[c], m2[c]};
          std::memcpy(o + c * static_cast<int64_t>(sizeof p), &p, sizeof p);
        }
      },
      [&](char* o, const char* partials, int64_t blocks, int64_t width) {
        const auto item = static_cast<int64_t>(clew::item_size(out.dtype()));
        for (int64_t c = 0; c < width; ++c) {
          Part total{0, 0, 0};
          for (int64_t q = 0; q < blocks; ++q) {
            Part p;
            std::memcpy(&p, partials + (q * width + c) * static_cast<int64_t>(sizeof p), sizeof p);
            if (p.n == 0) continue;
            const double n = total.n + p.n, delta = p.mean - total.mean;
            total.mean += delta * (p.n / n);
            total.m2 += p.m2 + delta * delta * (total.n * p.n / n);
            total.n = n;
          }
          double v = total.m2 / std::max(0.0, count - correction);
          if (count == 0) v = std::numeric_limits<double>::quiet_NaN();
          store(out.dtype(), o + c * item, root ? std::sqrt(v) : v);
        }
      });
}
void var_cpu(Tensor& out, const Tensor& input, Dims dim, std::optional<Scalar> correction, bool) {
  variance(out, input, dim_mask("var", dim, input.dim()), correction.value_or(1).to_double(), false);
}
void std_cpu(Tensor& out, const Tensor& input, Dims dim, std::optional<Scalar> correction, bool) {
  variance(out, input, dim_mask("std", dim, input.dim()), correction.value_or(1).to_double(), true);
}

void logsumexp_cpu(Tensor& out, const Tensor& input, IntArrayRef dim, bool) {
  if (out.numel() == 0) return;
  const uint64_t mask = dim_mask("logsumexp", dim, input.dim());
  const int64_t n = count_of(input, mask), outputs = out.numel();
  if (n == 0) {
    for (int64_t i = 0; i < outputs; ++i)
      store(out.dtype(), out.data<char>() + i * static_cast<int64_t>(clew::item_size(out.dtype())),
            -HUGE_VAL);
    return;
  }
  const int type = index_of(input.dtype());
  const auto item = static_cast<int64_t>(clew::item_size(input.dtype()));
  const Split s(input, mask);
  const bool rows_fit =
      s.kept.size() <= 1 && s.reduced.size() <= 1 && (s.reduced.empty() || s.reduced[0].stride == 1);
  const bool columns_fit = s.kept.size() == 1 && s.kept[0].in_stride == 1 && s.reduced.size() == 1;
  Tensor x = input;
  if (!rows_fit && !columns_fit) {  // reduced dims to the back
    Shape sizes, strides;
    for (bool reduced : {false, true}) {
      for (size_t d = 0; d < input.sizes().size(); ++d) {
        if (static_cast<bool>((mask >> d) & 1) != reduced) continue;
        sizes.push_back(input.sizes()[d]);
        strides.push_back(input.strides()[d]);
      }
    }
    x = new_tensor(sizes, input.dtype());
    strided_copy(sizes, x.raw_data(), x.strides(), x.dtype(), input.raw_data(), strides, input.dtype());
  }
  char* const o = out.data<char>();
  const char* const a = x.data<char>();
  if (columns_fit && !rows_fit) {
    const int64_t ld = s.reduced[0].stride;
    parallel_for(0, outputs, std::max<int64_t>(16, kGrainCompute / n), [&](int64_t b, int64_t e) {
      loops().norm().logsumexp_columns[type](o + b * item, a + b * item, n, e - b, ld);
    });
    return;
  }
  const int64_t ld = rows_fit && !s.kept.empty() ? s.kept[0].in_stride : n;
  parallel_for(0, outputs, std::max<int64_t>(1, kGrainCompute / n), [&](int64_t b, int64_t e) {
    loops().norm().logsumexp[type](o + b * item, a + b * ld * item, e - b, n, ld);
  });
}

/// Norms other than 1 and 2, over strided runs: partial results in double.
template <class T>
void general_norm(const Tensor& out, const Tensor& input, uint64_t mask, double p) {
  auto fold = [p](double total, double x) {
    if (std::isinf(p))
      return total != total ? total : x != x ? x : p > 0 ? std::max(total, x) : std::min(total, x);
    return total + (p == 0 ? (x != 0 ? 1.0 : 0.0) : std::pow(x, p));
  };
  const double start = p == -HUGE_VAL ? HUGE_VAL : 0.0;
  reduce(
      out, input, mask, 8, false, false,
      [&](char* o, const char* a, int64_t n, int64_t stride, bool, const RowRun&) {
        double total = start;
        const T* x = reinterpret_cast<const T*>(a);
        for (int64_t i = 0; i < n; ++i)
          total = fold(total, std::abs(static_cast<double>(static_cast<acc_t<T>>(x[i * stride]))));
        std::memcpy(o, &total, sizeof total);
      },
      [](char*, const char*, int64_t, int64_t, int64_t, bool) {},
      [&](char* o, const char* partials, int64_t blocks, int64_t) {  // has no column form
        const auto* v = reinterpret_cast<const double*>(partials);
        double total = v[0];
        for (int64_t q = 1; q < blocks; ++q) {
          const double x = v[q];
          total = std::isinf(p) ? fold(total, x) : total + x;
        }
        store(out.dtype(), o, std::isinf(p) || p == 0 ? total : std::pow(total, 1 / p));
      });
}

void norm_cpu(Tensor& out, const Tensor& given, double p, Dims dim, bool, std::optional<DType>) {
  const Tensor input = given.dtype() == out.dtype() ? given : contiguous_as(given, out.dtype());
  const uint64_t mask = dim_mask("norm", dim, input.dim());
  if (p == 2) {
    reduce_wide(ReduceOp::sum_squares, ReduceOp::sum_squares, false, out, input, mask,
                [](double t) { return std::sqrt(t); });
  } else if (p == 1) {
    reduce_wide(ReduceOp::sum_abs, ReduceOp::sum_abs, false, out, input, mask, [](double t) { return t; });
  } else {
    clew::dispatch<kFloating>(input.dtype(), [&]<class T>() { general_norm<T>(out, input, mask, p); });
  }
}

}  // namespace
}  // namespace cpu

using namespace cpu;
CLEW_CPU_KERNEL(sum, sum_cpu);
CLEW_CPU_KERNEL(mean, mean_cpu);
CLEW_CPU_KERNEL(prod, prod_cpu);
CLEW_CPU_KERNEL(amax, amax_cpu);
CLEW_CPU_KERNEL(amin, amin_cpu);
CLEW_CPU_KERNEL(max, max_cpu);
CLEW_CPU_KERNEL(max_dim, max_dim_cpu);
CLEW_CPU_KERNEL(min, min_cpu);
CLEW_CPU_KERNEL(min_dim, min_dim_cpu);
CLEW_CPU_KERNEL(argmax, argmax_cpu);
CLEW_CPU_KERNEL(argmin, argmin_cpu);
CLEW_CPU_KERNEL(var, var_cpu);
CLEW_CPU_KERNEL(std, std_cpu);
CLEW_CPU_KERNEL(logsumexp, logsumexp_cpu);
CLEW_CPU_KERNEL(linalg_vector_norm, norm_cpu);
CLEW_CPU_KERNEL(all, all_cpu);
CLEW_CPU_KERNEL(any, any_cpu);

}  // namespace clew
