#include "clew/core/tensor.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "clew/core/thread_state.h"
#include "core/backend.h"
#include "core/small_blocks.h"

namespace clew {

CLEW_FAST_TLS thread_local constinit ThreadState thread_state;

// --- GraphNode ---------------------------------------------------------------------------------

GraphNode::~GraphNode() = default;
AutogradRecord::~AutogradRecord() = default;

void GraphNode::retire(GraphNode* node) noexcept {
  // Destroying a node lets go of its predecessors. They are queued, not destroyed inside, so a
  // chain of a million nodes needs no stack.
  ThreadState& thread = thread_state;
  if (thread.retiring) {
    node->next_retired_ = thread.retired;
    thread.retired = node;
    return;
  }
  thread.retiring = true;
  node->destroy();
  while (thread.retired != nullptr) {
    GraphNode* n = thread.retired;
    thread.retired = n->next_retired_;
    n->destroy();
  }
  thread.retiring = false;
}

// --- TensorBody --------------------------------------------------------------------------------

// Note [Small tensors]
// A small tensor on the CPU is one block: body, storage, data. The body keeps one count of that storage for
// as long as it lives, even while it shows another one, and the storage frees the block when it ends: so the
// block stays until both are gone, whichever goes first.
static_assert(sizeof(TensorBody) % 64 == 0, "the storage behind it stands as aligned as a block");

namespace {

constexpr size_t kSmallDataBytes = detail::kSmallLimit - sizeof(TensorBody) - Storage::kHeaderBytes;
// Any dtype's bytes fit in 63 bits.
constexpr int64_t kLargestNumel = INT64_MAX / 16;

int64_t checked_numel(IntArrayRef sizes) {
  int64_t product = 1;
  bool overflow = false, empty = false;
  for (const int64_t n : sizes) {
    empty = empty || n == 0;
    overflow = __builtin_mul_overflow(product, std::max<int64_t>(n, 1), &product) || overflow;
  }
  CLEW_CHECK(!overflow && product <= kLargestNumel, ValueError,
             "allocate: expected a shape whose bytes fit in 64 bits, got ", sizes);
  return empty ? 0 : product;
}

}  // namespace

TensorBody* TensorBody::make() { return new (detail::take_block(sizeof(TensorBody))) TensorBody; }

inline void TensorBody::set_row_major(IntArrayRef new_sizes) {
  int64_t* const s = sizes();
  int64_t* const st = strides();
  int64_t step = 1;
  for (size_t i = new_sizes.size(); i-- > 0;) {
    const int64_t n = new_sizes[i];
    s[i] = n;
    st[i] = step;
    step *= std::max<int64_t>(n, 1);
  }
}

TensorBody* TensorBody::make_dense(IntArrayRef sizes, DType dtype, Device device) {
  int64_t numel = 1;
  bool overflow = false;
  for (const int64_t n : sizes) overflow |= __builtin_mul_overflow(numel, n, &numel);
  const size_t nbytes = static_cast<size_t>(numel) * item_size(dtype);
  const bool is_small = numel > 0 && numel <= static_cast<int64_t>(kSmallDataBytes) &&
                        nbytes <= kSmallDataBytes && sizes.size() <= kInlineRank;
  if (CLEW_UNLIKELY(overflow || !is_small || device.type != DeviceType::CPU))
    return make_large(sizes, dtype, device);
  char* block = static_cast<char*>(detail::take_block(sizeof(TensorBody) + Storage::kHeaderBytes + nbytes));
  auto* b = new (block) TensorBody;
  b->dtype = dtype;
  b->device = device;
  b->inference = thread_state.inference;
  b->holds_storage = true;
  b->rank = static_cast<uint8_t>(sizes.size());
  b->numel = numel;
  b->storage = Storage::place(block, sizeof(TensorBody), nbytes);
  b->set_row_major(sizes);
  return b;
}

// The same for tensors of any size, rank and device.
TensorBody* TensorBody::make_large(IntArrayRef sizes, DType dtype, Device device) {
  const int64_t numel = checked_numel(sizes);
  TensorBody* b = make();
  Tensor owner = Tensor::adopt(b);
  b->dtype = dtype;
  b->device = device;
  b->inference = thread_state.inference;
  b->numel = numel;
  b->set_rank(sizes.size());
  b->set_row_major(sizes);
  b->storage = Storage::allocate(static_cast<size_t>(numel) * item_size(dtype), device);
  return owner.detach_body();
}

void TensorBody::set_rank(size_t n) {
  if (CLEW_UNLIKELY(rank > kInlineRank)) detail::give_block(dims, 2 * rank * sizeof(int64_t));
  dims = inline_dims;
  rank = 0;
  if (CLEW_UNLIKELY(n > kInlineRank)) {
    CLEW_CHECK(n <= 64, ShapeError, "tensor: expected at most 64 dimensions, got ", n);
    dims = static_cast<int64_t*>(detail::take_block(2 * n * sizeof(int64_t)));
  }
  rank = static_cast<uint8_t>(n);
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

void TensorBody::set_storage(Storage* s) noexcept {
  Storage* const old = std::exchange(storage, s);
  Storage* const held = holds_storage ? held_storage() : nullptr;
  if (old != nullptr && old != held) old->release();
  if (held != nullptr && s == held)
    s->release();  // the count that came with it: the body has its own already
}

// Who holds the only count needs no locked decrement, unless an accumulator may take one from its leaf at
// this very moment (AccumulateGrad::variable).
void TensorBody::release_last() noexcept {
  // The most common end: a result without history, and one block.
  const bool alone = node == nullptr && grad == nullptr && view_base == nullptr && record == nullptr;
  const bool one_block = holds_storage && storage == held_storage() && rank <= kInlineRank;
  if (CLEW_LIKELY(alone && one_block) && storage->unique()) {
    const size_t nbytes = storage->nbytes();
    this->~TensorBody();
    return detail::give_block(this, sizeof(TensorBody) + Storage::kHeaderBytes + nbytes);
  }
  const bool watched = node != nullptr && node->is_accumulator();
  if (CLEW_UNLIKELY(watched) && refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  destroy();
}

void TensorBody::destroy() noexcept {
  if (node != nullptr) {
    if (node->is_accumulator()) node->tensor_destroyed();
    node->release();
  }
  if (grad != nullptr) grad->release();
  if (view_base != nullptr) view_base->release();
  delete record;
  if (CLEW_UNLIKELY(rank > kInlineRank)) detail::give_block(dims, 2 * rank * sizeof(int64_t));
  Storage* const shown = storage;
  Storage* const held = holds_storage ? held_storage() : nullptr;
  this->~TensorBody();
  if (shown != nullptr && shown != held) shown->release();
  if (held == nullptr) {
    detail::give_block(this, sizeof(TensorBody));
  } else if (CLEW_LIKELY(held->unique())) {
    detail::give_block(this, sizeof(TensorBody) + Storage::kHeaderBytes + held->nbytes());
  } else {
    held->release();  // the block ends with it
  }
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
  b->set_storage(value.storage());
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
  const DType dtype = value.kind() == Scalar::Kind::Bool  ? DType::Bool
                      : value.kind() == Scalar::Kind::Int ? DType::Int64
                                                          : DType::Float64;
  TensorBody* b = TensorBody::make_dense({}, dtype, kCPU);
  b->weak_scalar = true;
  b->inference = false;
  void* p = b->storage->data();
  switch (value.kind()) {
    case Scalar::Kind::Bool:
      *static_cast<bool*>(p) = value.to_bool();
      break;
    case Scalar::Kind::Int:
      *static_cast<int64_t*>(p) = value.to_int();
      break;
    case Scalar::Kind::Double:  // double keeps every digit until the op's dtype is known
      *static_cast<double*>(p) = value.to_double();
      break;
  }
  return Tensor::adopt(b);
}

}  // namespace clew
