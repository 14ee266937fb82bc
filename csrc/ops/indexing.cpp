// Subscripts: basic indexing makes a view, tensors and masks copy.
#include "clew/ops/indexing.h"

#include <algorithm>

#include "clew/ops/ops.h"

namespace clew::indexing {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

void check_rank(const Tensor& t, int64_t dim) {
  CLEW_CHECK(t.dim() > dim, IndexError, "index: expected at most ", t.dim(), " indices for shape ", t.sizes(),
             ", got more", t.dim() == 0 ? " (use item() for the value of a 0-dim tensor)" : "");
}

Tensor slice_dim(const Tensor& t, int64_t dim, const Slice& s) {
  check_rank(t, dim);
  CLEW_CHECK(s.step > 0, ValueError, "index: expected a slice with step > 0, got step ", s.step,
             " (use flip() to reverse)");
  const int64_t n = t.size(dim);
  const auto bound = [n](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n); };
  const int64_t start = bound(s.start.value_or(0)), stop = bound(s.stop.value_or(n));
  if (start == 0 && stop == n && s.step == 1) return t;
  return slice(t, dim, start, std::max(start, stop), s.step);
}

// Number of dimensions that an item consumes; a mask takes as many as it has.
int64_t consumed(const TensorIndex& item) {
  return std::visit(
      Overloaded{[](NoneType) -> int64_t { return 0; }, [](EllipsisType) -> int64_t { return 0; },
                 [](bool) -> int64_t { return 0; }, [](const Slice&) -> int64_t { return 1; },
                 [](int64_t) -> int64_t { return 1; },
                 [](const Tensor& t) -> int64_t { return t.dtype() == kBool ? t.dim() : 1; }},
      item.value());
}

}  // namespace

Resolved resolve(const Tensor& self, std::span<const TensorIndex> items) {
  int64_t used = 0, ellipses = 0;
  for (const TensorIndex& item : items) {
    used += consumed(item);
    ellipses += std::holds_alternative<EllipsisType>(item.value()) ? 1 : 0;
  }
  CLEW_CHECK(ellipses <= 1, IndexError, "index: expected one '...', got several");
  CLEW_CHECK(used <= self.dim(), IndexError, "index: expected at most ", self.dim(), " indices for shape ",
             self.sizes(), ", got ", used);

  Resolved r{self, {}, false};
  int64_t dim = 0;
  const auto put_index = [&](const Tensor& index) {
    r.indices.resize(static_cast<size_t>(dim++));
    r.indices.push_back(index);
    r.advanced = true;
  };
  const auto put_tensor = [&](const Tensor& t) {
    CLEW_CHECK(!is_floating(t.dtype()), IndexError,
               "index: expected an integer or bool tensor as index, got dtype ", t.dtype());
    if (t.dtype() != kBool && t.dim() == 0 && !t.is_meta()) {  // a number that happens to be a tensor
      r.view = select(r.view, dim, t.item().to_int());
    } else if (t.dtype() != kBool || t.dim() == 1) {
      put_index(t);
    } else if (t.dim() == 0) {
      r.view = unsqueeze(r.view, dim);
      put_index(unsqueeze(t, 0));
    } else {
      // A mask stands for several dimensions: one list of coordinates for each.
      const Tensor coordinates = nonzero(t);
      for (int64_t d = 0; d < t.dim(); ++d) {
        CLEW_CHECK(t.size(d) == r.view.size(dim), IndexError, "index: expected a mask that fits shape ",
                   r.view.sizes(), ", got shape ", t.sizes(), " (sizes ", t.size(d), " and ",
                   r.view.size(dim), " at dimension ", dim, ")");
        put_index(select(coordinates, 1, d));
      }
    }
  };
  for (const TensorIndex& item : items) {
    std::visit(Overloaded{[&](NoneType) { r.view = unsqueeze(r.view, dim++); },
                          [&](EllipsisType) { dim += self.dim() - used; },
                          [&](bool b) {
                            // True adds a dimension of one, False one of none.
                            r.view = unsqueeze(r.view, dim);
                            put_index(full({1}, b, TensorOptions(kBool)));
                          },
                          [&](const Slice& s) { r.view = slice_dim(r.view, dim++, s); },
                          [&](int64_t i) {
                            check_rank(r.view, dim);
                            r.view = select(r.view, dim, i);
                          },
                          put_tensor},
               item.value());
  }
  return r;
}

Tensor get(const Tensor& self, std::span<const TensorIndex> items) {
  const Resolved r = resolve(self, items);
  if (r.advanced) return index(r.view, r.indices);
  return r.view.is_same(self) ? as_strided(self, self.sizes(), self.strides(), self.storage_offset())
                              : r.view;
}

void set(const Tensor& self, std::span<const TensorIndex> items, const Tensor& value) {
  const Resolved r = resolve(self, items);
  if (r.advanced) {
    index_put_(r.view, r.indices, value.dtype() == self.dtype() ? value : value.to(self.dtype()), false);
    return;
  }
  Tensor source = value;
  // Leading dimensions of one are ignored, as everybody's habit is.
  while (source.dim() > r.view.dim() && source.size(0) == 1) source = squeeze(source, IntArrayRef({0}));
  copy_(r.view, source);
}

void set(const Tensor& self, std::span<const TensorIndex> items, const Scalar& value) {
  const Resolved r = resolve(self, items);
  if (r.advanced) {
    index_put_(r.view, r.indices, full({}, value, self.options()), false);
  } else {
    fill_(r.view, value);
  }
}

}  // namespace clew::indexing

namespace clew {

Tensor Tensor::index(std::initializer_list<indexing::TensorIndex> items) const {
  return indexing::get(*this, {items.begin(), items.size()});
}
const Tensor& Tensor::index_put_(std::initializer_list<indexing::TensorIndex> items,
                                 const Tensor& value) const {
  indexing::set(*this, {items.begin(), items.size()}, value);
  return *this;
}
const Tensor& Tensor::index_put_(std::initializer_list<indexing::TensorIndex> items,
                                 const Scalar& value) const {
  indexing::set(*this, {items.begin(), items.size()}, value);
  return *this;
}

Tensor index_put_(const Tensor& input, IntArrayRef position, const Tensor& value) {
  const std::vector<indexing::TensorIndex> items(position.begin(), position.end());
  indexing::set(input, items, value);
  return input;
}
Tensor index_put_(const Tensor& input, IntArrayRef position, const Scalar& value) {
  const std::vector<indexing::TensorIndex> items(position.begin(), position.end());
  indexing::set(input, items, value);
  return input;
}

}  // namespace clew
