#include "clew/core/tensor.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "clew/core/thread_state.h"
#include "core/backend.h"

namespace clew {

thread_local constinit ThreadState thread_state;

// --- GraphNode ---------------------------------------------------------------------------------

GraphNode::~GraphNode() = default;
AutogradRecord::~AutogradRecord() = default;

void GraphNode::retire(GraphNode* node) noexcept {
  // Destroying a node lets go of its predecessors. They are queued, not destroyed inside, so a
  // chain of a million nodes needs no stack.
  static thread_local constinit GraphNode* queue = nullptr;
  static thread_local constinit bool draining = false;
  node->next_retired_ = queue;
  queue = node;
  if (draining) return;
  draining = true;
  while (queue != nullptr) {
    GraphNode* n = queue;
    queue = n->next_retired_;
    n->destroy();
  }
  draining = false;
}

// --- TensorBody --------------------------------------------------------------------------------

TensorBody* TensorBody::make() { return new (detail::allocate(sizeof(TensorBody))) TensorBody; }

void TensorBody::set_rank(size_t n) {
  if (rank > kInlineRank) detail::deallocate(dims, 2 * rank * sizeof(int64_t));
  dims = inline_dims;
  rank = 0;
  if (n > kInlineRank) {
    CLEW_CHECK(n <= 64, ShapeError, "tensor: expected at most 64 dimensions, got ", n);
    dims = static_cast<int64_t*>(detail::allocate(2 * n * sizeof(int64_t)));
  }
  rank = static_cast<uint32_t>(n);
}

// Any dtype's bytes fit in 63 bits.
static constexpr int64_t kLargestNumel = INT64_MAX / 16;

void TensorBody::set_contiguous(const int64_t* new_sizes, size_t n) {
  set_rank(n);
  int64_t* const s = sizes();
  int64_t* const st = strides();
  int64_t product = 1;
  bool overflow = false, empty = false;
  for (size_t i = n; i-- > 0;) {
    s[i] = new_sizes[i];
    st[i] = product;
    empty = empty || s[i] == 0;
    overflow = __builtin_mul_overflow(product, std::max<int64_t>(s[i], 1), &product) || overflow;
  }
  CLEW_CHECK(!overflow && product <= kLargestNumel, ValueError,
             "allocate: expected a shape whose bytes fit in 64 bits, got ", IntArrayRef(new_sizes, n));
  numel = empty ? 0 : product;
  contiguous = true;
}

void TensorBody::set_geometry(IntArrayRef new_sizes, IntArrayRef new_strides, int64_t new_offset) {
  set_rank(new_sizes.size());
  std::copy(new_sizes.begin(), new_sizes.end(), sizes());
  std::copy(new_strides.begin(), new_strides.end(), strides());
  offset = new_offset;
  numel = 1;
  for (int64_t n : new_sizes) numel *= n;
  contiguous = true;
  int64_t expected = 1;
  for (size_t i = new_sizes.size(); i-- > 0;) {
    if (new_sizes[i] == 1) continue;
    if (new_strides[i] != expected) contiguous = false;
    expected *= new_sizes[i];
  }
  if (numel == 0) contiguous = true;
}

void TensorBody::destroy() noexcept {
  if (node != nullptr) {
    if (node->is_accumulator()) node->tensor_destroyed();
    node->release();
  }
  if (grad != nullptr) grad->release();
  if (view_base != nullptr) view_base->release();
  delete record;
  if (storage != nullptr) storage->release();
  if (rank > kInlineRank) detail::deallocate(dims, 2 * rank * sizeof(int64_t));
  this->~TensorBody();
  detail::deallocate(this, sizeof(TensorBody));
}

// --- Tensor ------------------------------------------------------------------------------------

namespace {
int64_t wrapped(const char* what, int64_t d, int64_t rank) {
  CLEW_CHECK(d >= -rank && d < rank, IndexError, what, ": expected dim in [", -rank, ", ", rank - 1,
             "], got ", d, " (tensor has ", rank, " dimensions)");
  return d < 0 ? d + rank : d;
}
}  // namespace

int64_t Tensor::size(int64_t d) const { return sizes()[static_cast<size_t>(wrapped("size", d, dim()))]; }
int64_t Tensor::stride(int64_t d) const {
  return strides()[static_cast<size_t>(wrapped("stride", d, dim()))];
}

Scalar Tensor::item() const {
  CLEW_CHECK(numel() == 1, ValueError, "item: expected a tensor with one element, got shape ", sizes(),
             " (use tolist() for more)");
  CLEW_CHECK(!is_meta(), DeviceError, "item: expected a tensor with data, got one on ", device());
  return dispatch<kAllDTypes>(dtype(), [&]<class T>() -> Scalar {
    T v;
    if (CLEW_LIKELY(is_cpu())) {
      v = *data<T>();
    } else {
      require_cuda("item", device()).copy(&v, kCPU, data<T>(), device(), sizeof(T), false);
    }
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      return Scalar(static_cast<double>(static_cast<float>(v)));
    } else {
      return Scalar(v);
    }
  });
}

void Tensor::set_data(const Tensor& value) const {
  CLEW_CHECK(!is_view(), ValueError, "data: expected a tensor that is no view of another");
  TensorBody* b = body();
  value.storage()->retain();
  b->storage->release();
  b->storage = value.storage();
  b->dtype = value.dtype();
  b->device = value.device();
  b->set_geometry(value.sizes(), value.strides(), value.storage_offset());
}

Tensor Tensor::detach() const {
  TensorBody* b = TensorBody::make();
  b->dtype = dtype();
  b->device = device();
  b->set_geometry(sizes(), strides(), storage_offset());
  b->storage = storage();
  b->storage->retain();
  b->inference = body_->inference;
  b->weak_scalar = body_->weak_scalar;
  return adopt(b);
}

Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, std::function<void(void*)> deleter,
                 const TensorOptions& options) {
  CLEW_CHECK(sizes.size() == strides.size(), ShapeError, "from_blob: expected ", sizes.size(),
             " strides, one for each size, got ", strides.size());
  bool has_elements = true;
  for (const int64_t n : sizes) {
    CLEW_CHECK(n >= 0, ShapeError, "from_blob: expected sizes >= 0, got ", sizes);
    has_elements = has_elements && n != 0;
  }
  CLEW_CHECK(data != nullptr || !has_elements, ShapeError, "from_blob: expected memory for shape ", sizes,
             ", got a null pointer");
  int64_t extent = has_elements ? 1 : 0;
  for (size_t i = 0; i < sizes.size() && has_elements; ++i) {
    CLEW_CHECK(strides[i] >= 0, ShapeError, "from_blob: expected strides >= 0, got ", strides);
    extent += (sizes[i] - 1) * strides[i];
  }
  TensorBody* b = TensorBody::make();
  Tensor t = Tensor::adopt(b);
  b->dtype = options.dtype_.value_or(default_dtype());
  b->device = options.device_.value_or(kCPU);
  b->storage = Storage::wrap(data, static_cast<size_t>(extent) * item_size(b->dtype), b->device,
                             [data, deleter = std::move(deleter)] {
                               if (deleter) deleter(data);
                             });
  b->set_geometry(sizes, strides, 0);
  if (options.requires_grad_) t.set_requires_grad(true);
  return t;
}

namespace {
// Strides of a contiguous tensor.
Shape row_major(IntArrayRef sizes) {
  Shape strides(sizes.begin(), sizes.end());
  int64_t step = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(sizes[i], 1);
  }
  return strides;
}
}  // namespace

Tensor from_blob(void* data, IntArrayRef sizes, const TensorOptions& options) {
  return from_blob(data, sizes, row_major(sizes), nullptr, options);
}
Tensor from_blob(void* data, IntArrayRef sizes, std::function<void(void*)> deleter,
                 const TensorOptions& options) {
  return from_blob(data, sizes, row_major(sizes), std::move(deleter), options);
}
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, const TensorOptions& options) {
  return from_blob(data, sizes, strides, nullptr, options);
}

Tensor weak_scalar_tensor(const Scalar& value) {
  TensorBody* b = TensorBody::make();
  Tensor t = Tensor::adopt(b);
  b->weak_scalar = true;
  b->storage = Storage::allocate(sizeof(double), kCPU);
  void* p = b->storage->data();
  switch (value.kind()) {
    case Scalar::Kind::Bool:
      b->dtype = DType::Bool;
      *static_cast<bool*>(p) = value.to_bool();
      break;
    case Scalar::Kind::Int:
      b->dtype = DType::Int64;
      *static_cast<int64_t*>(p) = value.to_int();
      break;
    case Scalar::Kind::Double:  // double keeps every digit until the op's dtype is known
      b->dtype = DType::Float64;
      *static_cast<double*>(p) = value.to_double();
      break;
  }
  return t;
}

}  // namespace clew
