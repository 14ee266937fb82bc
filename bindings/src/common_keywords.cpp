#include "bindings/src/common_keywords.h"

#include <cstring>

#include "bindings/src/data.h"
#include "bindings/src/tensor_type.h"
#include "clew/autograd/node.h"
#include "clew/ops/ops.h"

namespace clew::python {
namespace {

PyObject *out_name, *memory_format_name, *layout_name, *pin_memory_name;

bool is(PyObject* a, PyObject* b) {
  return a == b || (PyUnicode_CHECK_INTERNED(a) == 0 && PyUnicode_Compare(a, b) == 0);
}

/// Bytes of the storage between the tensor's first and one past its last element.
std::pair<int64_t, int64_t> extent(const Tensor& t) {
  int64_t last = t.storage_offset();
  for (size_t i = 0; i < t.sizes().size(); ++i) last += (t.sizes()[i] - 1) * t.strides()[i];
  return {t.storage_offset(), last + 1};
}
bool overlaps_itself(const Tensor& t) {
  for (size_t i = 0; i < t.sizes().size(); ++i) {
    if (t.sizes()[i] > 1 && t.strides()[i] == 0) return true;
  }
  const auto [first, end] = extent(t);
  return t.numel() > end - first;
}

void check_overlap(const OpEntry& op, const Tensor& out, PyObject* const* args, size_t n) {
  if (out.numel() == 0) return;
  CLEW_CHECK(!overlaps_itself(out), ShapeError, op.function,
             ": expected out with memory of its own for each element, got one of shape ", out.sizes(),
             " and strides ", out.strides(), " (clone it)");
  const auto [first, end] = extent(out);
  auto check_one = [&](PyObject* p) {
    if (!is_tensor(p)) return;
    const Tensor& t = as_tensor(p);
    if (t.storage() != out.storage() || t.numel() == 0) return;
    const auto [from, to] = extent(t);
    const bool same = t.storage_offset() == out.storage_offset() && t.sizes() == out.sizes() &&
                      t.strides() == out.strides();
    const bool element_by_element = op.info->promote != Promote::None || op.info->inplace;
    CLEW_CHECK(
        to <= first || end <= from || (same && element_by_element), ShapeError, op.function,
        ": expected out in other memory than the arguments, got one that overlaps an argument of shape ",
        t.sizes(), " (clone it)");
  };
  for (size_t i = 0; i < n; ++i) {
    if (PyTuple_Check(args[i]) || PyList_Check(args[i])) {
      for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(args[i]); ++k)
        check_one(PySequence_Fast_GET_ITEM(args[i], k));
    } else {
      check_one(args[i]);
    }
  }
}

/// 0 bool, 1 integer, 2 floating, 3 complex.
int category(DType t) { return t == DType::Bool ? 0 : is_integral(t) ? 1 : is_floating(t) ? 2 : 3; }

void write_out(const OpEntry& op, PyObject* target, PyObject* value) {
  if (!is_tensor(target) || !is_tensor(value))
    raise_python(PyExc_TypeError, op.function, ": expected a tensor as out, got ", Py_TYPE(target)->tp_name);
  const Tensor &out = as_tensor(target), &result = as_tensor(value);
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
    b->storage->release();
    b->storage = fresh.storage();
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
      CLEW_CHECK(PyObject_IsTrue(value) == 0, DeviceError, op,
                 ": expected pin_memory=False, got True (there is no device to pin memory for)");
    }
  }
  if (static_cast<Py_ssize_t>(kept.size()) == n) return false;
  arguments_.assign(args, args + count);
  names_ = Object(check(PyTuple_New(static_cast<Py_ssize_t>(kept.size()))));
  for (size_t i = 0; i < kept.size(); ++i) {
    arguments_.push_back(args[count + static_cast<size_t>(kept[i])]);
    PyTuple_SET_ITEM(names_.get(), static_cast<Py_ssize_t>(i), Py_NewRef(PyTuple_GET_ITEM(names, kept[i])));
  }
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
        write_out(op, PySequence_Fast_GET_ITEM(out_, i), PyTuple_GET_ITEM(result, i));
      return Py_NewRef(out_);
    }
    if (is_tensor(out_)) check_overlap(op, as_tensor(out_), arguments_.data(), arguments_.size());
    write_out(op, out_, result);
    return Py_NewRef(out_);
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
}

}  // namespace clew::python
