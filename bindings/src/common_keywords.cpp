#include "bindings/src/common_keywords.h"

#include <algorithm>
#include <cstring>

#include "bindings/src/data.h"
#include "bindings/src/tensor_type.h"
#include "clew/autograd/node.h"
#include "clew/ops/ops.h"
#include "core/backend.h"

namespace clew::python {
namespace {

PyObject *out_name, *memory_format_name, *layout_name, *pin_memory_name, *dtype_name, *requires_grad_name;

bool is(PyObject* a, PyObject* b) {
  return a == b || (PyUnicode_CHECK_INTERNED(a) == 0 && PyUnicode_Compare(a, b) == 0);
}

/// Addresses of the tensor's first byte and of the one past its last.
std::pair<const char*, const char*> extent(const Tensor& t) {
  int64_t last = 0;
  for (size_t i = 0; i < t.sizes().size(); ++i) last += (t.sizes()[i] - 1) * t.strides()[i];
  const auto* first = t.data<char>();
  return {first, first + (last + 1) * static_cast<int64_t>(item_size(t.dtype()))};
}
bool overlaps_itself(const Tensor& t) {
  for (size_t i = 0; i < t.sizes().size(); ++i) {
    if (t.sizes()[i] > 1 && t.strides()[i] == 0) return true;
  }
  const auto [first, end] = extent(t);
  return t.numel() * static_cast<int64_t>(item_size(t.dtype())) > end - first;
}

void check_overlap(const OpEntry& op, const Tensor& out, const Tensor& result,
                   const std::vector<PyObject*>& args) {
  if (out.device().type == DeviceType::Meta) return;  // no memory, nothing to overlap
  CLEW_CHECK(out.numel() == 0 || !overlaps_itself(out), ShapeError, op.function,
             ": expected out with memory of its own for each element, got one of shape ", out.sizes(),
             " and strides ", out.strides(), " (clone it)");
  const bool element_by_element = op.info->promote != Promote::None || op.info->inplace;
  const bool keeps_shape = out.sizes() == result.sizes();
  auto check_one = [&](PyObject* p) {
    if (!is_tensor(p)) return;
    const Tensor& t = as_tensor(p);
    const bool same =
        t.data<char>() == out.data<char>() && t.sizes() == out.sizes() && t.strides() == out.strides();
    bool apart = true;
    if (t.body() == out.body()) {
      apart = false;
    } else if (t.numel() > 0 && out.numel() > 0) {
      const auto [first, end] = extent(out);
      const auto [from, to] = extent(t);
      apart = to <= first || end <= from;
    }
    CLEW_CHECK(
        apart || (same && keeps_shape && element_by_element), ShapeError, op.function,
        ": expected out in other memory than the arguments, got one that overlaps an argument of shape ",
        t.sizes(), " (clone it)");
  };
  for (PyObject* arg : args) {
    if (PyTuple_Check(arg) || PyList_Check(arg)) {
      for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(arg); ++k)
        check_one(PySequence_Fast_GET_ITEM(arg, k));
    } else {
      check_one(arg);
    }
  }
}

/// 0 bool, 1 integer, 2 floating, 3 complex.
int category(DType t) { return t == DType::Bool ? 0 : is_integral(t) ? 1 : is_floating(t) ? 2 : 3; }

void write_out(const OpEntry& op, PyObject* target, PyObject* value, const std::vector<PyObject*>& args) {
  if (!is_tensor(target) || !is_tensor(value))
    raise_python(PyExc_TypeError, op.function, ": expected a tensor as out, got ", Py_TYPE(target)->tp_name);
  const Tensor &out = as_tensor(target), &result = as_tensor(value);
  check_overlap(op, out, result, args);
  CLEW_CHECK(
      !is_grad_enabled() || (!out.requires_grad() && !result.requires_grad()), AutogradError, op.function,
      ": expected tensors that do not require grad with out=, got one that does (use no_grad(), or leave "
      "out away)");
  const bool exact =
      op.info->promote == Promote::None && !op.info->is_composite && op.kind != OpKind::Function;
  const bool fits = exact ? out.dtype() == result.dtype() : category(result.dtype()) <= category(out.dtype());
  CLEW_CHECK(fits || (op.kind == OpKind::Function && op.info->not_differentiable != nullptr), DTypeError,
             op.function, ": expected out of a dtype that holds ", result.dtype(), ", got ", out.dtype());
  CLEW_CHECK(out.device() == result.device(), DeviceError, op.function, ": expected out on ", result.device(),
             ", got one on ", out.device());
  const NoGradGuard guard;
  if (out.sizes() != result.sizes()) {
    CLEW_CHECK(!out.is_view(), ShapeError, op.function, ": expected out of shape ", result.sizes(),
               ", got a view of shape ", out.sizes(), " (a view cannot be resized)");
    Tensor fresh = clone(result).to(out.dtype(), std::nullopt, false);
    TensorBody* b = out.body();
    fresh.storage()->retain();
    b->set_storage(fresh.storage());
    b->set_geometry(fresh.sizes(), fresh.strides(), fresh.storage_offset());
    return;
  }
  copy_(out, result);
}

Tensor in_format(const char* op, const Tensor& t, const char* format) {
  if (std::strcmp(format, "preserve_format") == 0) return t;
  if (std::strcmp(format, "contiguous_format") == 0) return contiguous(t);
  const bool three = std::strcmp(format, "channels_last_3d") == 0;
  CLEW_CHECK(t.dim() == (three ? 5 : 4), ShapeError, op, ": expected ", three ? 5 : 4, " dimensions for ",
             format, ", got shape ", t.sizes());
  Shape last, back;
  last.push_back(0);
  for (int64_t d = 2; d < t.dim(); ++d) last.push_back(d);
  last.push_back(1);
  back.push_back(0);
  back.push_back(t.dim() - 1);
  for (int64_t d = 1; d < t.dim() - 1; ++d) back.push_back(d);
  return permute(contiguous(permute(t, last)), back);
}

}  // namespace

bool CommonKeywords::any_in(PyObject* names) {
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(names); ++k) {
    PyObject* name = PyTuple_GET_ITEM(names, k);
    if (is(name, out_name) || is(name, memory_format_name) || is(name, layout_name) ||
        is(name, pin_memory_name))
      return true;
  }
  return false;
}

bool CommonKeywords::take(const char* op, PyObject* const* args, size_t count, PyObject* names,
                          const std::function<bool(PyObject*)>& declared) {
  const Py_ssize_t n = PyTuple_GET_SIZE(names);
  std::vector<Py_ssize_t> kept;
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* name = PyTuple_GET_ITEM(names, k);
    PyObject* value = args[count + static_cast<size_t>(k)];
    const bool out = is(name, out_name), format = is(name, memory_format_name),
               layout = is(name, layout_name), pin = is(name, pin_memory_name);
    if ((!out && !format && !layout && !pin) || declared(name)) {
      kept.push_back(k);
      continue;
    }
    if (value == Py_None) continue;
    if (out) out_ = value;
    if (format) memory_format_ = value;
    if (layout) {
      const Object text(check(PyObject_Str(value)));
      CLEW_CHECK(std::strcmp(PyUnicode_AsUTF8(text.get()), "clew.strided") == 0, NotImplementedError, op,
                 ": expected layout clew.strided, got ", PyUnicode_AsUTF8(text.get()));
    }
    if (pin) {
      pinned_ = PyObject_IsTrue(value) == 1;
      CLEW_CHECK(!pinned_ || find_cuda_backend() != nullptr, DeviceError, op,
                 ": expected a CUDA device for pin_memory=True, got none: ", cuda_problem());
    }
  }
  if (static_cast<Py_ssize_t>(kept.size()) == n) return false;
  arguments_.assign(args, args + count);
  std::vector<PyObject*> kept_names;
  for (const Py_ssize_t k : kept) {
    arguments_.push_back(args[count + static_cast<size_t>(k)]);
    kept_names.push_back(PyTuple_GET_ITEM(names, k));
  }
  // What is created for `out` has its dtype: `arange(0, 9, 0.5, out=integers)` is refused as with dtype=.
  const bool creates = declared(requires_grad_name) && declared(dtype_name);
  if (creates && out_ != nullptr && is_tensor(out_) &&
      std::none_of(kept_names.begin(), kept_names.end(), [](PyObject* k) { return is(k, dtype_name); })) {
    dtype_ = Object(check(PyObject_GetAttr(out_, dtype_name)));
    arguments_.push_back(dtype_.get());
    kept_names.push_back(dtype_name);
  }
  names_ = Object(check(PyTuple_New(static_cast<Py_ssize_t>(kept_names.size()))));
  for (size_t i = 0; i < kept_names.size(); ++i)
    PyTuple_SET_ITEM(names_.get(), static_cast<Py_ssize_t>(i), Py_NewRef(kept_names[i]));
  return true;
}

PyObject* CommonKeywords::finish(const OpEntry& op, PyObject* result) const {
  if (out_ != nullptr) {
    if (PyTuple_Check(result)) {
      if ((!PyTuple_Check(out_) && !PyList_Check(out_)) ||
          PySequence_Fast_GET_SIZE(out_) != PyTuple_GET_SIZE(result))
        raise_python(PyExc_TypeError, op.function, ": expected a tuple of ", PyTuple_GET_SIZE(result),
                     " tensors as out, got ", Py_TYPE(out_)->tp_name);
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(result); ++i)
        write_out(op, PySequence_Fast_GET_ITEM(out_, i), PyTuple_GET_ITEM(result, i), arguments_);
      return Py_NewRef(out_);
    }
    write_out(op, out_, result, arguments_);
    return Py_NewRef(out_);
  }
  if (pinned_ && is_tensor(result)) {
    Object pinned(check(PyObject_CallMethod(result, "pin_memory", nullptr)));
    if (as_tensor(result).requires_grad()) as_tensor(pinned.get()).set_requires_grad(true);
    return pinned.release();
  }
  if (memory_format_ == nullptr || !is_tensor(result)) return Py_NewRef(result);
  const Object text(check(PyObject_Str(memory_format_)));
  const char* name = PyUnicode_AsUTF8(text.get());
  if (std::strncmp(name, "clew.", 5) != 0 || std::strstr(name, "_") == nullptr ||
      std::strcmp(Py_TYPE(memory_format_)->tp_name, "memory_format") != 0)
    raise_python(PyExc_TypeError, op.function, ": expected a memory_format, got ",
                 Py_TYPE(memory_format_)->tp_name);
  return wrap(in_format(op.function, as_tensor(result), name + 5));
}

void init_common_keywords() {
  out_name = PyUnicode_InternFromString("out");
  memory_format_name = PyUnicode_InternFromString("memory_format");
  layout_name = PyUnicode_InternFromString("layout");
  pin_memory_name = PyUnicode_InternFromString("pin_memory");
  dtype_name = PyUnicode_InternFromString("dtype");
  requires_grad_name = PyUnicode_InternFromString("requires_grad");
}

}  // namespace clew::python
