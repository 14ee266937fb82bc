// The multi-tensor steps: checks first, then one parallel loop over pieces of all parameters.
#include "clew/optim/fused.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "clew/autograd/grad_mode.h"
#include "clew/core/parallel.h"
#include "clew/ops/ops.h"
#include "core/backend.h"
#include "cpu/isa.h"
#include "cpu/optim_loops.h"

namespace clew::cpu {
namespace baseline {
extern const OptimLoops optim_loops;
}
#ifndef CLEW_ONLY_BASELINE_ISA
namespace avx2 {
extern const OptimLoops optim_loops;
}
namespace avx512 {
extern const OptimLoops optim_loops;
}
#endif
}  // namespace clew::cpu

namespace clew::optim {
namespace {

const cpu::OptimLoops& loops() {
#ifndef CLEW_ONLY_BASELINE_ISA
  switch (cpu::active_isa()) {
    case cpu::Isa::avx512:
      return cpu::avx512::optim_loops;
    case cpu::Isa::avx2:
      return cpu::avx2::optim_loops;
    default:
      break;
  }
#endif
  return cpu::baseline::optim_loops;
}

int column(DType t) { return static_cast<int>(t) - static_cast<int>(DType::Float16); }

constexpr int kMaxRoles = 5;  // param, grad and up to three state tensors
constexpr int64_t kPiece = 16384;

// The tensors of one parameter; those that a loop cannot take as they are stand in for by contiguous copies.
struct Entry {
  void* data[kMaxRoles] = {};
  int64_t numel = 0;
  DType dtype = DType::Float32;
  int column = 0;
  size_t index = 0;
  Device device = kCPU;
};

kernels::OptimItem item_of(const Entry& e) {
  kernels::OptimItem item{};
  std::ranges::copy(e.data, item.data);
  item.numel = e.numel;
  item.dtype = e.dtype;
  return item;
}

struct Piece {
  uint32_t entry;
  int64_t begin, end;
};

// Copies back what was computed on contiguous copies.
struct Writeback {
  Tensor target, copy;
};

class Batch {
 public:
  explicit Batch(const char* op) : op_(op) {}

  void check_count(const char* what, size_t got, size_t expected) const {
    CLEW_CHECK(got == expected, ValueError, op_, ": expected ", expected, " tensors in ", what,
               ", one for each parameter, got ", got);
  }

  /// Checks a parameter and its state; remembers them when there is a gradient.
  void add(size_t index, const Tensor& param, const Tensor* state0, const Tensor* state1,
           const Tensor* state2) {
    CLEW_CHECK(param.defined() && is_floating(param.dtype()), DTypeError, op_,
               ": expected floating point parameters, got ", param.defined() ? name(param.dtype()) : "none",
               " (parameter ", index, ")");
    CLEW_CHECK(param.is_cpu() || param.is_cuda(), DeviceError, op_,
               ": expected parameters on cpu or cuda, got ", param.device(), " (parameter ", index, ")");
    if (param.body()->grad == nullptr) return;
    const Tensor grad = param.grad();
    CLEW_CHECK(grad.device() == param.device(), DeviceError, op_, ": expected a gradient on ", param.device(),
               ", got ", grad.device(), " (parameter ", index, ")");
    CLEW_CHECK(grad.sizes() == param.sizes(), ShapeError, op_, ": expected a gradient of shape ",
               param.sizes(), ", got ", grad.sizes(), " (parameter ", index, ")");
    Entry e;
    e.numel = param.numel();
    e.dtype = param.dtype();
    e.column = column(param.dtype());
    e.index = index;
    e.device = param.device();
    e.data[0] = written(param, param, index);
    if (grad.is_contiguous() && grad.dtype() == param.dtype()) {
      e.data[1] = grad.raw_data();
    } else {
      NoGradGuard no_grad;
      kept_.push_back(grad.to(param.dtype()).contiguous());
      e.data[1] = kept_.back().raw_data();
    }
    const Tensor* states[] = {state0, state1, state2};
    for (int k = 0; k < 3; ++k) {
      if (states[k] != nullptr) e.data[2 + k] = written(*states[k], param, index);
    }
    entries_.push_back(e);
    if (e.device.type == DeviceType::CPU) total_ += e.numel;
  }

  const std::vector<Entry>& entries() const { return entries_; }

  /// Calls `body(entry number, begin, end)` over all elements of all entries on the CPU, and
  /// `launch(backend, device, items)` for each other device; `finish(item, entry number)` completes an item.
  template <class F, class Launch, class Finish>
  void run(const F& body, const Launch& launch, const Finish& finish) {
    std::vector<Device> devices;
    for (const Entry& e : entries_) {
      if (e.device.type == DeviceType::CUDA && std::ranges::find(devices, e.device) == devices.end())
        devices.push_back(e.device);
    }
    for (const Device& device : devices) {
      std::vector<kernels::OptimItem> items;
      for (uint32_t i = 0; i < entries_.size(); ++i) {
        const Entry& e = entries_[i];
        if (e.device != device) continue;
        items.push_back(item_of(e));
        finish(items.back(), i);
      }
      launch(require_cuda(op_, device), device.index, std::span<const kernels::OptimItem>(items));
    }
    if (total_ <= kGrainMemory) {
      for (uint32_t i = 0; i < entries_.size(); ++i) {
        if (entries_[i].device.type == DeviceType::CPU) body(i, int64_t{0}, entries_[i].numel);
      }
    } else {
      std::vector<Piece> pieces;
      for (uint32_t i = 0; i < entries_.size(); ++i) {
        if (entries_[i].device.type != DeviceType::CPU) continue;
        for (int64_t b = 0; b < entries_[i].numel; b += kPiece) {
          pieces.push_back({i, b, std::min(b + kPiece, entries_[i].numel)});
        }
      }
      const int64_t count = static_cast<int64_t>(pieces.size());
      const int64_t grain = std::max<int64_t>(1, count * kGrainMemory / total_);
      parallel_for(0, count, grain, [&](int64_t first, int64_t last) {
        for (int64_t k = first; k < last; ++k) {
          const Piece& piece = pieces[static_cast<size_t>(k)];
          body(piece.entry, piece.begin, piece.end);
        }
      });
    }
    for (const Tensor& t : written_) t.bump_version();
    if (!writebacks_.empty()) {
      NoGradGuard no_grad;
      for (const Writeback& w : writebacks_) w.target.detach().copy_(w.copy);
    }
  }

 private:
  // Where the loop may write: the tensor's own memory, or a contiguous copy that is copied back later.
  void* written(const Tensor& t, const Tensor& param, size_t index) {
    CLEW_CHECK(t.defined() && t.sizes() == param.sizes(), ShapeError, op_, ": expected state of shape ",
               param.sizes(), ", got ", t.defined() ? t.sizes() : IntArrayRef(), " (parameter ", index, ")");
    CLEW_CHECK(t.dtype() == param.dtype(), DTypeError, op_, ": expected state of dtype ", param.dtype(),
               ", got ", t.dtype(), " (parameter ", index, ")");
    CLEW_CHECK(t.device() == param.device(), DeviceError, op_, ": expected state on ", param.device(),
               ", got ", t.device(), " (parameter ", index, ")");
    if (t.is_contiguous()) {
      written_.push_back(t);
      return t.raw_data();
    }
    NoGradGuard no_grad;
    writebacks_.push_back({t, t.detach().contiguous()});
    return writebacks_.back().copy.raw_data();
  }

  const char* op_;
  std::vector<Entry> entries_;
  std::vector<Tensor> kept_, written_;
  std::vector<Writeback> writebacks_;
  int64_t total_ = 0;
};

template <class T>
T* at(void* base, int64_t begin, int column) {
  const int64_t item = column < 2 ? 2 : column == 2 ? 4 : 8;
  return base == nullptr ? nullptr
                         : static_cast<T*>(static_cast<void*>(static_cast<char*>(base) + begin * item));
}

}  // namespace

void sgd_step(TensorListRef params, TensorListRef buffers, std::span<const uint8_t> fresh, const SGDStep& o) {
  Batch batch("sgd_step");
  const bool has_buffer = o.momentum != 0;
  if (has_buffer) batch.check_count("buffers", buffers.size(), params.size());
  if (!fresh.empty()) batch.check_count("fresh", fresh.size(), params.size());
  for (size_t i = 0; i < params.size(); ++i) {
    batch.add(i, params[i], has_buffer ? &buffers[i] : nullptr, nullptr, nullptr);
  }
  const cpu::SgdScalars s = {.lr = o.lr,
                             .momentum = o.momentum,
                             .keep_grad = 1 - o.dampening,
                             .weight_decay = o.weight_decay,
                             .sign = o.maximize ? -1.0 : 1.0,
                             .has_buffer = has_buffer,
                             .fresh = false,
                             .nesterov = o.nesterov};
  const cpu::OptimLoops& table = loops();
  batch.run(
      [&](uint32_t i, int64_t begin, int64_t end) {
        const Entry& e = batch.entries()[i];
        cpu::SgdScalars mine = s;
        mine.fresh = !fresh.empty() && fresh[e.index] != 0;
        table.sgd[e.column](at<void>(e.data[0], begin, e.column), at<void>(e.data[1], begin, e.column),
                            at<void>(e.data[2], begin, e.column), end - begin, mine);
      },
      [&](const Backend& backend, int device, std::span<const kernels::OptimItem> items) {
        backend.sgd_step(device, items, s);
      },
      [&](kernels::OptimItem& item, uint32_t i) {
        item.fresh = !fresh.empty() && fresh[batch.entries()[i].index] != 0;
      });
}

void adam_step(TensorListRef params, TensorListRef exp_avgs, TensorListRef exp_avg_sqs,
               TensorListRef max_exp_avg_sqs, const Tensor& steps, const AdamStep& o) {
  Batch batch("adam_step");
  const bool amsgrad = !max_exp_avg_sqs.empty();
  batch.check_count("exp_avgs", exp_avgs.size(), params.size());
  batch.check_count("exp_avg_sqs", exp_avg_sqs.size(), params.size());
  if (amsgrad) batch.check_count("max_exp_avg_sqs", max_exp_avg_sqs.size(), params.size());
  CLEW_CHECK(steps.defined() && steps.dtype() == DType::Float32 && steps.is_cpu() && steps.is_contiguous() &&
                 steps.numel() == static_cast<int64_t>(params.size()),
             ValueError, "adam_step: expected steps as ", params.size(), " contiguous float32 on cpu, got ",
             steps.defined() ? steps.sizes() : IntArrayRef());
  for (size_t i = 0; i < params.size(); ++i) {
    batch.add(i, params[i], &exp_avgs[i], &exp_avg_sqs[i], amsgrad ? &max_exp_avg_sqs[i] : nullptr);
  }
  cpu::AdamScalars common = {.beta1 = o.beta1,
                             .beta2 = o.beta2,
                             .eps = o.eps,
                             .weight_decay = o.decoupled ? 0 : o.weight_decay,
                             .sign = o.maximize ? -1.0 : 1.0,
                             .step_size = 0,
                             .root_bias = 0,
                             .shrink = o.decoupled ? 1 - o.lr * o.weight_decay : 1};
  // Most parameters are at the same step, so its powers are computed once.
  std::vector<cpu::AdamScalars> scalars(batch.entries().size());
  float* counts = steps.data<float>();
  float last = -1;
  for (size_t k = 0; k < scalars.size(); ++k) {
    const float step = counts[batch.entries()[k].index] += 1;
    if (step != last) {
      last = step;
      common.step_size = o.lr / (1 - std::pow(o.beta1, static_cast<double>(step)));
      common.root_bias = std::sqrt(1 - std::pow(o.beta2, static_cast<double>(step)));
    }
    scalars[k] = common;
  }
  steps.bump_version();
  const cpu::OptimLoops& table = loops();
  batch.run(
      [&](uint32_t i, int64_t begin, int64_t end) {
        const Entry& e = batch.entries()[i];
        const auto piece = [&](int role) { return at<void>(e.data[role], begin, e.column); };
        table.adam[e.column](piece(0), piece(1), piece(2), piece(3), piece(4), end - begin, scalars[i]);
      },
      [&](const Backend& backend, int device, std::span<const kernels::OptimItem> items) {
        backend.adam_step(device, items, common);
      },
      [&](kernels::OptimItem& item, uint32_t i) {
        item.step_size = scalars[i].step_size;
        item.root_bias = scalars[i].root_bias;
      });
}

namespace {

/// Contiguous tensors of one CUDA device as items; `kept` holds the copies that stand in for others.
std::vector<kernels::OptimItem> items_of(const char* op, TensorListRef tensors, bool copy, TensorList& kept) {
  std::vector<kernels::OptimItem> items;
  for (const Tensor& t : tensors) {
    CLEW_CHECK(is_floating(t.dtype()), DTypeError, op, ": expected floating point tensors, got ", t.dtype());
    CLEW_CHECK(t.device() == tensors[0].device(), DeviceError, op, ": expected tensors on one device, got ",
               tensors[0].device(), " and ", t.device());
    if (!t.is_contiguous() && !copy) continue;
    kept.push_back(t.is_contiguous() ? t : t.detach().contiguous());
    kernels::OptimItem item{};
    item.data[0] = kept.back().raw_data();
    item.numel = t.numel();
    item.dtype = t.dtype();
    items.push_back(item);
  }
  return items;
}

Tensor total_norm_cuda(TensorListRef tensors, double p) {
  TensorList kept;
  const auto items = items_of("total_norm", tensors, true, kept);
  DType dtype = tensors[0].dtype();
  for (const Tensor& t : tensors) dtype = promote_types(dtype, t.dtype());
  const Device device = tensors[0].device();
  const Tensor result = empty({}, TensorOptions(dtype).device(device));
  require_cuda("total_norm", device).total_norm(device.index, items, p, dtype, result.raw_data());
  return result;
}

}  // namespace

Tensor total_norm(TensorListRef tensors, double p) {
  NoGradGuard no_grad;
  if (!tensors.empty() && tensors[0].is_cuda()) return total_norm_cuda(tensors, p);
  DType dtype = tensors.empty() ? default_dtype() : tensors[0].dtype();
  double total = 0;
  for (const Tensor& t : tensors) {
    CLEW_CHECK(is_floating(t.dtype()), DTypeError, "total_norm: expected floating point tensors, got ",
               t.dtype());
    CLEW_CHECK(t.is_cpu(), DeviceError, "total_norm: expected tensors on cpu, got ", t.device());
    dtype = promote_types(dtype, t.dtype());
    const Tensor c = t.is_contiguous() ? t : t.detach().contiguous();
    const cpu::NormLoop loop = loops().norm[column(t.dtype())];
    const int64_t n = c.numel();
    const int64_t pieces = (n + kPiece - 1) / kPiece;
    std::vector<double> partial(static_cast<size_t>(pieces));
    char* base = static_cast<char*>(c.raw_data());
    const int64_t item = static_cast<int64_t>(item_size(t.dtype()));
    parallel_for(0, pieces, kGrainMemory / kPiece, [&](int64_t first, int64_t last) {
      for (int64_t k = first; k < last; ++k) {
        const int64_t begin = k * kPiece;
        partial[static_cast<size_t>(k)] = loop(base + begin * item, std::min(kPiece, n - begin), p);
      }
    });
    for (const double part : partial) {
      if (!std::isinf(p)) {
        total += part;
      } else if (part > total || std::isnan(part)) {
        total = part;
      }
    }
  }
  const double norm = std::isinf(p) || p == 0 || p == 1 ? total
                      : p == 2                          ? std::sqrt(total)
                                                        : std::pow(total, 1 / p);
  return full({}, Scalar(norm), TensorOptions(dtype));
}

void scale_by_(TensorListRef tensors, double factor, const Tensor& more, const Tensor& found_bad) {
  NoGradGuard no_grad;
  if (tensors.empty()) return;
  const Device device = tensors[0].device();
  TensorList kept;
  const auto items = items_of("scale_", tensors, false, kept);
  for (const Tensor* t : {&more, &found_bad}) {
    CLEW_CHECK(!t->defined() || (t->device() == device && t->numel() == 1 && is_floating(t->dtype())),
               ValueError, "scale_: expected one floating number on ", device, ", got ", t->sizes(), " on ",
               t->device());
  }
  CLEW_CHECK(!found_bad.defined() || found_bad.dtype() == DType::Float32, DTypeError,
             "scale_: expected found_bad of dtype float32, got ", found_bad.dtype());
  require_cuda("scale_", device)
      .scale(device.index, items, factor, more.defined() ? more.dtype() : DType::Float32,
             more.defined() ? more.raw_data() : nullptr,
             found_bad.defined() ? found_bad.raw_data() : nullptr);
  for (const Tensor& t : kept) t.bump_version();
  for (const Tensor& t : tensors) {
    if (t.is_contiguous()) continue;
    const Tensor scaled = t.detach().contiguous();
    scale_by_(TensorList{scaled}, factor, more, found_bad);
    t.detach().copy_(scaled);
  }
}

void scale_(TensorListRef tensors, double factor) {
  NoGradGuard no_grad;
  for (const Tensor& t : tensors) {
    CLEW_CHECK(is_floating(t.dtype()), DTypeError, "scale_: expected floating point tensors, got ",
               t.dtype());
    if (!t.is_contiguous() || !t.is_cpu()) {
      t.detach().mul_(weak_scalar_tensor(Scalar(factor)));
      continue;
    }
    const cpu::ScaleLoop loop = loops().scale[column(t.dtype())];
    char* base = static_cast<char*>(t.raw_data());
    const int64_t item = static_cast<int64_t>(item_size(t.dtype()));
    parallel_for(0, t.numel(), kGrainMemory,
                 [&](int64_t begin, int64_t end) { loop(base + begin * item, end - begin, factor); });
    t.bump_version();
  }
}

}  // namespace clew::optim
