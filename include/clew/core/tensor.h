// Tensor: a counted handle to a strided view of a Storage, with its place on the tape.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "clew/core/accessor.h"
#include "clew/core/device.h"
#include "clew/core/dtype.h"
#include "clew/core/error.h"
#include "clew/core/generator.h"
#include "clew/core/macros.h"
#include "clew/core/options.h"
#include "clew/core/scalar.h"
#include "clew/core/small_vector.h"
#include "clew/core/storage.h"

namespace clew {

class Tensor;
namespace indexing {
class TensorIndex;
}
using TensorList = std::vector<Tensor>;
using TensorListRef = std::span<const Tensor>;
using Tensor2 = std::tuple<Tensor, Tensor>;
using Tensor3 = std::tuple<Tensor, Tensor, Tensor>;

/// Shape and dtype of a result that is not computed yet.
struct TensorMeta {
  Shape shape;
  DType dtype = DType::Float32;
};

/// Base of tape nodes, as far as a tensor must know them.
class CLEW_API GraphNode {
 public:
  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    // Who holds the only count needs no locked decrement: nobody else can take one.
    if (refs_.load(std::memory_order_acquire) == 1 || refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      retire(this);
  }
  /// The tensor that owns this node as its accumulator is going away.
  virtual void tensor_destroyed() noexcept {}
  bool is_accumulator() const { return is_accumulator_; }

 protected:
  explicit GraphNode(bool is_accumulator) : is_accumulator_(is_accumulator) {}
  virtual ~GraphNode();
  virtual void destroy() noexcept = 0;

 private:
  // Destroys without recursion however long the chain behind the node is.
  static void retire(GraphNode* node) noexcept;

  std::atomic<uint32_t> refs_{1};
  bool is_accumulator_;
  GraphNode* next_retired_ = nullptr;
};

/// Hooks and other rare per-tensor autograd state; the autograd layer derives from it.
class CLEW_API AutogradRecord {
 public:
  virtual ~AutogradRecord();
};

/// What tensors must agree in to meet in an op as they are. One word, so that it is compared at once.
struct TensorKind {
  DType dtype = DType::Float32;
  Device device;
  bool weak_scalar = false;  // made from a Python or C++ number: does not widen its category

  bool same_kind(const TensorKind& o) const {
    return std::bit_cast<uint32_t>(*this) == std::bit_cast<uint32_t>(o);
  }
};

/// What a Tensor handle points to. Fields are plain: the layers above keep them consistent.
class TensorBody : public TensorKind {
 public:
  static constexpr int kInlineRank = 6;

  std::atomic<uint32_t> refs{1};
  bool requires_grad = false;  // set by the user on a leaf
  bool retains_grad = false;
  bool contiguous = true;
  bool inference = false;
  bool holds_storage = false;  // Note [Small tensors]
  uint8_t rank = 0;
  uint32_t output_nr = 0;        // which output of `node` this is
  uint32_t history_version = 0;  // how often in-place writes rewrote the history; a view keeps its base's
  int64_t numel = 1;
  int64_t offset = 0;           // in elements
  int64_t* dims = inline_dims;  // sizes, then strides at [stride_base()]
  Storage* storage = nullptr;
  GraphNode* node = nullptr;  // grad_fn, or the accumulator of a leaf
  TensorBody* grad = nullptr;
  TensorBody* view_base = nullptr;  // the tensor this is a view of, never itself a view
  AutogradRecord* record = nullptr;
  void* python_object = nullptr;  // the wrapper, while Python holds one; guarded by the GIL
  int64_t inline_dims[2 * kInlineRank];

  /// False where neither the tensor nor what it is a view of can be on the tape.
  bool may_be_tracked() const { return requires_grad || node != nullptr || view_base != nullptr; }
  uint32_t stride_base() const { return rank <= kInlineRank ? kInlineRank : rank; }
  int64_t* sizes() { return dims; }
  const int64_t* sizes() const { return dims; }
  int64_t* strides() { return dims + stride_base(); }
  const int64_t* strides() const { return dims + stride_base(); }
  void* data() const {
    return static_cast<char*>(storage->data()) + offset * static_cast<int64_t>(item_size(dtype));
  }

  CLEW_API void set_geometry(IntArrayRef sizes, IntArrayRef strides, int64_t new_offset);
  /// Shows another storage from now on; takes over the caller's count.
  CLEW_API void set_storage(Storage* s) noexcept;

  void retain() { refs.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (refs.load(std::memory_order_acquire) == 1) {
      release_last();
    } else if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      destroy();
    }
  }
  /// A body with count 1, no storage yet.
  static CLEW_API TensorBody* make();
  /// The body of a dense tensor of fresh, uninitialised memory, with count 1. Raises OutOfMemoryError,
  /// ValueError for more bytes than 64 bits count, ShapeError for more than 64 dimensions.
  static CLEW_API TensorBody* make_dense(IntArrayRef sizes, DType dtype, Device device);

 private:
  TensorBody() = default;
  ~TensorBody() = default;
  CLEW_API void release_last() noexcept;
  CLEW_API void destroy() noexcept;
  void set_rank(size_t n);
  void set_row_major(IntArrayRef sizes);
  static TensorBody* make_large(IntArrayRef sizes, DType dtype, Device device);
  Storage* held_storage() { return reinterpret_cast<Storage*>(this + 1); }
};

/// A tensor. Copying copies the handle, not the data. A default-constructed one is undefined.
class CLEW_API Tensor {
 public:
  Tensor() = default;
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  Tensor& operator=(const Tensor&) = default;
  Tensor& operator=(Tensor&&) noexcept = default;
  ~Tensor() = default;
  static Tensor adopt(TensorBody* p) {
    Tensor t;
    t.body_ = Ref<TensorBody>::adopt(p);
    return t;
  }
  static Tensor share(TensorBody* p) {
    Tensor t;
    t.body_ = Ref<TensorBody>::share(p);
    return t;
  }

  // --- facts -------------------------------------------------------------------------------
  bool defined() const { return static_cast<bool>(body_); }
  TensorBody* body() const { return body_.get(); }
  TensorBody* detach_body() { return body_.detach(); }
  int64_t dim() const { return body_->rank; }
  int64_t numel() const { return body_->numel; }
  IntArrayRef sizes() const { return {body_->sizes(), body_->rank}; }
  IntArrayRef shape() const { return sizes(); }
  IntArrayRef strides() const { return {body_->strides(), body_->rank}; }
  /// Size of one dimension; negative counts from the end. Raises IndexError.
  int64_t size(int64_t dim) const;
  int64_t stride(int64_t dim) const;
  DType dtype() const { return body_->dtype; }
  Device device() const { return body_->device; }
  int64_t storage_offset() const { return body_->offset; }
  Storage* storage() const { return body_->storage; }
  bool is_contiguous() const { return body_->contiguous; }
  bool is_cpu() const { return device().type == DeviceType::CPU; }
  bool is_cuda() const { return device().type == DeviceType::CUDA; }
  bool is_meta() const { return device().type == DeviceType::Meta; }
  bool is_view() const { return body_->view_base != nullptr; }
  bool is_same(const Tensor& o) const { return body_ == o.body_; }
  int64_t element_size() const { return static_cast<int64_t>(item_size(dtype())); }
  bool is_floating_point() const { return is_floating(dtype()); }
  size_t nbytes() const { return static_cast<size_t>(numel()) * item_size(dtype()); }
  uint32_t version() const { return body_->storage->version(); }
  TensorMeta meta() const { return {sizes().vec(), dtype()}; }
  TensorOptions options() const { return TensorOptions(dtype()).device(device()); }

  // --- data --------------------------------------------------------------------------------
  /// First element. The caller answers for the type.
  template <class T>
  T* data() const {
    return static_cast<T*>(body_->data());
  }
  void* raw_data() const { return body_->data(); }
  /// First element, checked against the dtype. Raises DTypeError.
  template <class T>
  T* data_ptr() const {
    CLEW_CHECK(dtype() == DTypeOf<T>::value, DTypeError, "data_ptr: expected dtype ", DTypeOf<T>::value,
               ", got ", dtype(), " (ask for the tensor's own type, or convert it with to())");
    return data<T>();
  }
  /// Elements by index: `accessor<float, 2>()[i][j]`. Raises DTypeError, and ShapeError for another rank.
  template <class T, size_t N>
  TensorAccessor<T, N> accessor() const {
    static_assert(N > 0, "accessor: expected at least one dimension (item() reads a 0-dim tensor)");
    CLEW_CHECK(static_cast<size_t>(dim()) == N, ShapeError, "accessor: expected ", N, " dimensions, got ",
               dim(), " (shape ", sizes(), ")");
    return {data_ptr<T>(), sizes().data(), strides().data()};
  }
  /// The value of a one-element tensor. Raises ValueError for any other number of elements.
  Scalar item() const;
  template <class T>
  T item() const {
    const Scalar s = item();
    if constexpr (std::is_same_v<T, bool>) return s.to_bool();
    if constexpr (std::is_floating_point_v<T>) return static_cast<T>(s.to_double());
    return static_cast<T>(s.to_int());
  }

  // --- autograd ----------------------------------------------------------------------------
  /// True when backward would reach this tensor.
  bool requires_grad() const {
    if (CLEW_UNLIKELY(has_stale_history())) refresh_view_history();
    return body_->requires_grad || (body_->node != nullptr && !body_->node->is_accumulator());
  }
  /// True for a view whose base got new history by an in-place write.
  bool has_stale_history() const {
    return body_->view_base != nullptr && body_->view_base->history_version != body_->history_version;
  }
  bool is_leaf() const;
  /// Raises AutogradError on a non-leaf being switched off, DTypeError for dtypes without gradient.
  const Tensor& set_requires_grad(bool value) const;
  const Tensor& requires_grad_(bool value = true) const { return set_requires_grad(value); }
  Tensor grad() const { return Tensor::share(body_->grad); }
  void set_grad(const Tensor& g) const;
  void backward(const Tensor& gradient = {}, bool retain_graph = false, bool create_graph = false) const;
  /// Makes this tensor show the storage, shape and dtype of `value`; history and gradient stay. Raises
  /// ValueError on a view.
  void set_data(const Tensor& value) const;
  /// The same data without history; not a differentiable view.
  Tensor detach() const;
  /// Converts dtype and device; the same tensor when nothing changes (and `copy` is false). `non_blocking`:
  /// returns while the copy from or to pinned memory is under way.
  Tensor to(std::optional<DType> dtype, std::optional<Device> device = std::nullopt, bool copy = false,
            bool non_blocking = false) const;
  Tensor to(Device device) const { return to(std::nullopt, device); }
  Tensor cpu() const { return to(std::nullopt, kCPU); }
  /// On the thread's current CUDA device, unless another is named. Raises DeviceError where there is none.
  Tensor cuda(std::optional<Device> device = std::nullopt, bool non_blocking = false) const {
    return to(std::nullopt, device ? *device : Device("cuda"), false, non_blocking);
  }
  /// The version counter moves on: every in-place write does this.
  void bump_version() const { body_->storage->bump_version(); }

  // --- tensors like this one in dtype and device --------------------------------------------
  Tensor new_empty(IntArrayRef size, const TensorOptions& options = {}) const;
  Tensor new_zeros(IntArrayRef size, const TensorOptions& options = {}) const;
  Tensor new_ones(IntArrayRef size, const TensorOptions& options = {}) const;
  Tensor new_full(IntArrayRef size, const Scalar& fill_value, const TensorOptions& options = {}) const;

  // --- subscripts (clew/ops/indexing.h) --------------------------------------------------------
  /// x.index({Slice(), 0}) is Python's x[:, 0].
  Tensor index(std::initializer_list<indexing::TensorIndex> items) const;
  const Tensor& index_put_(std::initializer_list<indexing::TensorIndex> items, const Tensor& value) const;
  const Tensor& index_put_(std::initializer_list<indexing::TensorIndex> items, const Scalar& value) const;

// Every op marked as a method: `x.softmax(1)` is `clew::softmax(x, 1)`, defaults included.
#define CLEW_METHOD_DECLARATION(name)  \
  template <class... A>                \
  decltype(auto) name(A&&... a) const; \
  template <class... A>                \
  decltype(auto) name(std::initializer_list<int64_t> dims, A&&... a) const;
#define CLEW_OP(name, R, ...) CLEW_METHOD_DECLARATION(name)
#define CLEW_OP_INPLACE(name, R, ...) CLEW_METHOD_DECLARATION(name) CLEW_METHOD_DECLARATION(name##_)
#define CLEW_METHOD(name, R, ...) CLEW_METHOD_DECLARATION(name)
#define CLEW_METHOD_INPLACE(name, R, ...) CLEW_METHOD_DECLARATION(name##_)
#include "clew/ops/all.def"
#undef CLEW_METHOD_DECLARATION

 private:
  void refresh_view_history() const;  // autograd layer

  Ref<TensorBody> body_;
};

/// Prints as Python's repr does.
CLEW_API std::ostream& operator<<(std::ostream& out, const Tensor& t);
CLEW_API std::string to_string(const Tensor& t);

/// Wraps memory owned elsewhere without copying; `deleter` gets the pointer when the last tensor lets go.
/// Without one the memory must outlive the tensor. The dtype is the default one unless `options` names
/// another; strides are those of a contiguous tensor. Raises ShapeError for sizes below 0, another
/// number of strides than sizes, or no memory where there are elements.
CLEW_API Tensor from_blob(void* data, IntArrayRef sizes, const TensorOptions& options = {});
CLEW_API Tensor from_blob(void* data, IntArrayRef sizes, std::function<void(void*)> deleter,
                          const TensorOptions& options = {});
CLEW_API Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides,
                          const TensorOptions& options = {});
CLEW_API Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides,
                          std::function<void(void*)> deleter, const TensorOptions& options = {});
/// A 0-dim tensor of a number that takes part in promotion weakly, as a Python number does.
CLEW_API Tensor weak_scalar_tensor(const Scalar& value);

}  // namespace clew
