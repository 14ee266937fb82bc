// `x[key]` and `x[key] = value`: basic indexing makes a view, tensors and masks copy.
#include "bindings/src/tensor_type.h"
#include "clew/autograd/grad_mode.h"
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

Tensor select_row(const Tensor& t, int64_t dim, int64_t i) {
  CLEW_CHECK(t.dim() > dim, IndexError, "index: expected at most ", t.dim(), " indices for shape ", t.sizes(),
             ", got more", t.dim() == 0 ? " (use item() for the value of a 0-dim tensor)" : "");
  return select(t, dim, i);
}

Tensor slice_dim(const Tensor& t, int64_t dim, PyObject* s) {
  CLEW_CHECK(t.dim() > dim, IndexError, "index: expected at most ", t.dim(), " indices for shape ", t.sizes(),
             ", got more");
  Py_ssize_t start, stop, step;
  check(PySlice_Unpack(s, &start, &stop, &step));
  CLEW_CHECK(step > 0, ValueError, "index: expected a slice with step > 0, got step ", step,
             " (use flip() to reverse)");
  const Py_ssize_t n = t.size(dim);
  PySlice_AdjustIndices(n, &start, &stop, step);
  if (start == 0 && stop == n && step == 1) return t;
  return slice(t, dim, start, std::max(start, stop), step);
}

// Number of dimensions that an item consumes; a mask takes as many as it has.
int64_t consumed(PyObject* item, const Tensor& converted) {
  if (item == Py_None || item == Py_Ellipsis || PyBool_Check(item)) return 0;
  if (converted.defined() && (converted.dtype() == kBool)) return converted.dim();
  return 1;
}

bool is_sequence_index(PyObject* p) {
  return PyList_Check(p) || PyTuple_Check(p) || PyObject_HasAttrString(p, "__array__");
}

// What a key means for a tensor: a view, and tensor indices still to be applied to its dimensions.
struct Resolved {
  Tensor view;
  TensorList indices;  // undefined entries leave their dimension alone
  bool advanced = false;
};

Tensor as_index_tensor(PyObject* item) {
  if (is_tensor(item)) return as_tensor(item);
  return tensor_from_data(item, std::nullopt, std::nullopt, true);
}

Resolved resolve(const Tensor& self, PyObject* key) {
  // A list of integers is one index; a tuple is several.
  Object items;
  if (PyTuple_Check(key)) {
    items = Object::borrow(key);
  } else {
    items = Object(check(PyTuple_Pack(1, key)));
  }
  const Py_ssize_t n = PyTuple_GET_SIZE(items.get());
  TensorList converted(static_cast<size_t>(n));
  int64_t used = 0;
  bool has_ellipsis = false;
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* item = PyTuple_GET_ITEM(items.get(), i);
    if (item == Py_Ellipsis) {
      CLEW_CHECK(!has_ellipsis, IndexError, "index: expected one '...', got several");
      has_ellipsis = true;
    } else if (is_tensor(item) || (!is_plain_int(item) && !PySlice_Check(item) && item != Py_None &&
                                   !PyBool_Check(item) && is_sequence_index(item))) {
      converted[static_cast<size_t>(i)] = as_index_tensor(item);
    }
    used += consumed(item, converted[static_cast<size_t>(i)]);
  }
  CLEW_CHECK(used <= self.dim(), IndexError, "index: expected at most ", self.dim(), " indices for shape ",
             self.sizes(), ", got ", used);

  Resolved r{self, {}, false};
  int64_t dim = 0;
  auto put_index = [&](const Tensor& index) {
    r.indices.resize(static_cast<size_t>(dim));
    r.indices.push_back(index);
    r.advanced = true;
  };
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* item = PyTuple_GET_ITEM(items.get(), i);
    const Tensor& t = converted[static_cast<size_t>(i)];
    if (t.defined()) {
      CLEW_CHECK(!is_floating(t.dtype()), IndexError,
                 "index: expected an integer or bool tensor as index, got dtype ", t.dtype());
      if (t.dim() == 0 && t.dtype() != kBool && is_integral(t.dtype()) &&
          !t.is_meta()) {  // a number that happens to be a tensor
        r.view = select_row(r.view, dim, t.item().to_int());
        continue;
      }
      if (t.dtype() != kBool || t.dim() == 1) {
        put_index(t);
        ++dim;
      } else if (t.dim() == 0) {
        r.view = unsqueeze(r.view, dim);
        put_index(unsqueeze(t, 0));
        ++dim;
      } else {
        // A mask stands for several dimensions: one list of coordinates for each.
        const Tensor coordinates = nonzero(t);
        for (int64_t d = 0; d < t.dim(); ++d) {
          CLEW_CHECK(t.size(d) == r.view.size(dim), IndexError, "index: expected a mask that fits shape ",
                     r.view.sizes(), ", got shape ", t.sizes(), " (sizes ", t.size(d), " and ",
                     r.view.size(dim), " at dimension ", dim, ")");
          put_index(select(coordinates, 1, d));
          ++dim;
        }
      }
    } else if (item == Py_Ellipsis) {
      dim += self.dim() - used;
    } else if (item == Py_None) {
      r.view = unsqueeze(r.view, dim++);
    } else if (PyBool_Check(item)) {
      // True adds a dimension of one, False one of none.
      r.view = unsqueeze(r.view, dim);
      put_index(full({1}, item == Py_True, TensorOptions(kBool)));
      ++dim;
    } else if (PySlice_Check(item)) {
      r.view = slice_dim(r.view, dim++, item);
    } else if (PyIndex_Check(item)) {
      const Object index(check(PyNumber_Index(item)));
      r.view = select_row(r.view, dim, to_int(index.get()));
    } else {
      detail::raise<TypeError>("index: expected integers, slices, None, '...', tensors or lists, got ",
                               Py_TYPE(item)->tp_name);
    }
  }
  return r;
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* key) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = as_tensor(self);
    if (CLEW_LIKELY(is_plain_int(key))) return wrap(select_row(t, 0, to_int(key)));
    if (PySlice_Check(key)) {
      const Tensor view = slice_dim(t, 0, key);
      return wrap(view.is_same(t) ? slice(t, 0, 0, t.size(0), 1) : view);
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
    const Resolved r = resolve(t, key);
    if (!r.advanced)
      return wrap(r.view.is_same(t) ? as_strided(t, t.sizes(), t.strides(), t.storage_offset()) : r.view);
    return wrap(index(r.view, r.indices));
  });
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(
      [&]() -> int {
        CLEW_CHECK(value != nullptr, TypeError,
                   "del: expected an assignment; elements of a tensor cannot be deleted");
        const Tensor& t = as_tensor(self);
        const Resolved r = resolve(t, key);
        Scalar number;
        Tensor source;
        if (is_tensor(value)) {
          source = as_tensor(value);
        } else if (to_scalar(value, number)) {
          if (!r.advanced) {
            fill_(r.view, number);
            return 0;
          }
          source = full({}, number, t.options());
        } else {
          source = tensor_from_data(value, t.dtype(), t.device(), true);
        }
        if (r.advanced) {
          index_put_(r.view, r.indices, source.dtype() == t.dtype() ? source : source.to(t.dtype()), false);
        } else {
          // Leading dimensions of one are ignored, as everybody's habit is.
          while (source.dim() > r.view.dim() && source.size(0) == 1)
            source = squeeze(source, IntArrayRef({0}));
          copy_(r.view, source);
        }
        return 0;
      },
      -1);
}

}  // namespace clew::python
