#include "core/shapes.h"

#include <ostream>

namespace clew {

std::ostream& operator<<(std::ostream& out, IntArrayRef s) {
  out << "(";
  for (size_t i = 0; i < s.size(); ++i) out << (i ? ", " : "") << s[i];
  return out << (s.size() == 1 ? ",)" : ")");
}

int64_t wrap_dim(const char* op, int64_t dim, int64_t rank) {
  const int64_t r = rank == 0 ? 1 : rank;
  CLEW_CHECK(dim >= -r && dim < r, IndexError, op, ": expected dim in [", -r, ", ", r - 1, "], got ", dim,
             " (input has ", rank, " dimensions)");
  return dim < 0 ? dim + r : dim;
}

uint64_t dim_mask(const char* op, std::optional<IntArrayRef> dims, int64_t rank) {
  if (!dims || dims->empty()) return rank >= 64 ? ~uint64_t{0} : (uint64_t{1} << rank) - 1;
  uint64_t mask = 0;
  for (int64_t d : *dims) {
    const uint64_t bit = uint64_t{1} << wrap_dim(op, d, rank);
    CLEW_CHECK((mask & bit) == 0, ValueError, op, ": expected each dim once, got dim ", d, " again in ",
               *dims);
    mask |= bit;
  }
  return rank == 0 ? 0 : mask;
}

Shape reduced_shape(IntArrayRef sizes, uint64_t mask, bool keepdim) {
  Shape out;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (!((mask >> i) & 1)) {
      out.push_back(sizes[i]);
    } else if (keepdim) {
      out.push_back(1);
    }
  }
  return out;
}

Shape broadcast_shapes(const char* op, IntArrayRef a, IntArrayRef b) {
  if (a == b) return a.vec();
  const size_t rank = std::max(a.size(), b.size());
  Shape out(rank);
  for (size_t i = 0; i < rank; ++i) {  // from the last dimension backwards
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    CLEW_CHECK(x == y || x == 1 || y == 1, ShapeError, op, ": expected shapes that broadcast together, got ",
               a, " and ", b, " (sizes ", x, " and ", y, " at dimension -", i + 1,
               "; reshape or unsqueeze one of them)");
    out[rank - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

Shape broadcast_strides(IntArrayRef sizes, IntArrayRef strides, IntArrayRef target) {
  Shape out(target.size(), 0);
  const size_t lead = target.size() - sizes.size();
  for (size_t i = 0; i < sizes.size(); ++i)
    out[lead + i] = sizes[i] == 1 && target[lead + i] != 1 ? 0 : strides[i];
  return out;
}

bool broadcastable_to(IntArrayRef sizes, IntArrayRef target) {
  if (sizes.size() > target.size()) return false;
  const size_t lead = target.size() - sizes.size();
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] != 1 && sizes[i] != target[lead + i]) return false;
  }
  return true;
}

Shape contiguous_strides(IntArrayRef sizes) {
  Shape out(sizes.size());
  int64_t product = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    out[i] = product;
    product *= std::max<int64_t>(sizes[i], 1);
  }
  return out;
}

int64_t numel_of(IntArrayRef sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}

Shape infer_size(const char* op, IntArrayRef sizes, int64_t numel) {
  Shape out = sizes.vec();
  int64_t known = 1, unknown = -1;
  bool overflow = false;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == -1) {
      CLEW_CHECK(unknown < 0, ShapeError, op, ": expected at most one -1, got shape ", sizes);
      unknown = static_cast<int64_t>(i);
    } else {
      CLEW_CHECK(sizes[i] >= 0, ShapeError, op, ": expected sizes >= 0 (or one -1), got shape ", sizes);
      overflow = __builtin_mul_overflow(known, sizes[i], &known) || overflow;
    }
  }
  if (unknown >= 0) {
    CLEW_CHECK(!overflow && known != 0 && numel % known == 0, ShapeError, op, ": expected a shape for ",
               numel, " elements, got ", sizes, known == 0 ? " (the size at -1 would be ambiguous)" : "");
    out[static_cast<size_t>(unknown)] = numel / known;
  } else {
    CLEW_CHECK(!overflow && known == numel, ShapeError, op, ": expected a shape for ", numel,
               " elements, got ", sizes);
  }
  return out;
}

std::optional<Shape> view_strides(IntArrayRef sizes, IntArrayRef strides, IntArrayRef target) {
  if (numel_of(sizes) == 0) return contiguous_strides(target);
  // Walks both shapes from the back: each run of old dimensions that is contiguous in itself must be
  // covered exactly by a run of new dimensions.
  Shape out(target.size());
  int64_t t = static_cast<int64_t>(target.size()) - 1;
  int64_t run = 1, covered = 1;
  int64_t base = sizes.empty() ? 1 : strides.back();
  for (int64_t d = static_cast<int64_t>(sizes.size()) - 1; d >= 0; --d) {
    run *= sizes[static_cast<size_t>(d)];
    const bool ends = d == 0 || (sizes[static_cast<size_t>(d - 1)] != 1 &&
                                 strides[static_cast<size_t>(d - 1)] != run * base);
    if (!ends) continue;
    while (t >= 0 && (covered < run || target[static_cast<size_t>(t)] == 1)) {
      out[static_cast<size_t>(t)] = covered * base;
      covered *= target[static_cast<size_t>(t)];
      --t;
    }
    if (covered != run) return std::nullopt;
    if (d > 0) {
      base = strides[static_cast<size_t>(d - 1)];
      run = covered = 1;
    }
  }
  for (; t >= 0; --t) out[static_cast<size_t>(t)] = base;  // only size-1 dimensions can be left
  return out;
}

Shape expand_param(const char* op, const char* name, IntArrayRef values, size_t n) {
  if (values.size() == n) return values.vec();
  CLEW_CHECK(values.size() == 1, ValueError, op, ": expected ", name, " to be one integer or ", n, ", got ",
             values);
  return Shape(n, values[0]);
}

}  // namespace clew
