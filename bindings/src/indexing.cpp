// `x[key]` and `x[key] = value`: basic indexing makes a view, tensors and masks copy.
#include "clew/ops/indexing.h"
#include "bindings/src/tensor_type.h"
#include "clew/ops/ops.h"

namespace clew::python {
namespace {

bool is_plain_int(PyObject* p) { return PyLong_Check(p) && !PyBool_Check(p); }

int64_t to_int(PyObject* p) {
  const long long v = PyLong_AsLongLong(p);
  if (v == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    detail::raise<IndexError>("index: expected an integer that fits int64, got a larger one");
  }
  return v;
}

bool is_sequence_index(PyObject* p) {
  return PyList_Check(p) || PyTuple_Check(p) || PyObject_HasAttrString(p, "__array__");
}

indexing::Slice as_slice(PyObject* s) {
  Py_ssize_t start, stop, step;
  check(PySlice_Unpack(s, &start, &stop, &step));
  return {start, stop, step};
}

indexing::TensorIndex as_item(PyObject* item) {
  if (is_tensor(item)) return as_tensor(item);
  if (is_plain_int(item)) return to_int(item);
  if (PySlice_Check(item)) return as_slice(item);
  if (item == Py_None) return indexing::None;
  if (item == Py_Ellipsis) return indexing::Ellipsis;
  if (PyBool_Check(item)) return item == Py_True;
  if (PyRange_Check(item)) {
    return tensor_from_data(Object(check(PySequence_List(item))).get(), std::nullopt, std::nullopt, true);
  }
  if (is_sequence_index(item)) return tensor_from_data(item, std::nullopt, std::nullopt, true);
  if (PyIndex_Check(item)) return to_int(Object(check(PyNumber_Index(item))).get());
  detail::raise<TypeError>("index: expected integers, slices, None, '...', tensors or lists, got ",
                           Py_TYPE(item)->tp_name);
}

// A list of integers is one index; a tuple is several.
std::vector<indexing::TensorIndex> as_items(PyObject* key) {
  if (!PyTuple_Check(key)) return {as_item(key)};
  std::vector<indexing::TensorIndex> items;
  const Py_ssize_t n = PyTuple_GET_SIZE(key);
  items.reserve(static_cast<size_t>(n));
  for (Py_ssize_t i = 0; i < n; ++i) items.push_back(as_item(PyTuple_GET_ITEM(key, i)));
  return items;
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* key) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = as_tensor(self);
    if (CLEW_LIKELY(is_plain_int(key))) {
      const int64_t i = to_int(key);
      CLEW_CHECK(t.dim() > 0, IndexError,
                 "index: expected a tensor with dimensions, got a 0-dim one (use item() for its value)");
      return wrap(select(t, 0, i));
    }
    if (is_tensor(key) && as_tensor(key).numel() > 1 && as_tensor(key).dtype() != kBool) {
      const Tensor& i = as_tensor(key);
      CLEW_CHECK(!is_floating(i.dtype()), IndexError,
                 "index: expected an integer or bool tensor as index, got dtype ", i.dtype());
      Tensor result;
      {
        const ReleaseGil release(t.numel() >= kReleaseGilNumel);
        result = index(t, {&i, 1});
      }
      return wrap(result);
    }
    return wrap(indexing::get(t, as_items(key)));
  });
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(
      [&]() -> int {
        CLEW_CHECK(value != nullptr, TypeError,
                   "del: expected an assignment; elements of a tensor cannot be deleted");
        const Tensor& t = as_tensor(self);
        const std::vector<indexing::TensorIndex> items = as_items(key);
        Scalar number;
        if (is_tensor(value)) {
          indexing::set(t, items, as_tensor(value));
        } else if (to_scalar(value, number)) {
          indexing::set(t, items, number);
        } else {
          indexing::set(t, items, tensor_from_data(value, t.dtype(), t.device(), true));
        }
        return 0;
      },
      -1);
}

}  // namespace clew::python
