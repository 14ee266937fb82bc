// Tensors from Python numbers, nested sequences and whatever else holds values; and back as lists.
#include "bindings/src/data.h"

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "clew/ops/ops.h"

namespace clew::python {

std::string text_of(PyObject* p) {
  const Object s(PyObject_Str(p));
  const char* utf8 = s ? PyUnicode_AsUTF8(s.get()) : nullptr;
  if (utf8 == nullptr) PyErr_Clear();
  return utf8 != nullptr ? utf8 : "?";
}

bool has(PyObject* p, const char* attribute) {
  return PyObject_HasAttrString(reinterpret_cast<PyObject*>(Py_TYPE(p)), attribute) != 0;
}

namespace {

// --- what an object is -----------------------------------------------------------------------------

enum class Form { Number, Sequence, Array, Tensor, Other };

Form form_of(PyObject* p) {
  if (PyFloat_CheckExact(p) || PyLong_CheckExact(p) || PyBool_Check(p)) return Form::Number;
  if (PyList_CheckExact(p) || PyTuple_CheckExact(p)) return Form::Sequence;
  if (is_tensor(p)) return Form::Tensor;
  if (PyUnicode_Check(p) || PyBytes_Check(p) || PyDict_Check(p) || p == Py_None) return Form::Other;
  // Before the numbers: NumPy's float64 is a float too, and its dtype counts.
  if (has(p, "__array_interface__") || has(p, "__array__") || has(p, "__dlpack__") || PyObject_CheckBuffer(p))
    return Form::Array;
  if (PyFloat_Check(p) || PyLong_Check(p)) return Form::Number;
  if (PySequence_Check(p)) return Form::Sequence;
  if (PyComplex_Check(p))
    raise_python(PyExc_NotImplementedError, "tensor: expected real numbers, got ", text_of(p),
                 " (complex kernels are not part of this version)");
  const PyNumberMethods* number = Py_TYPE(p)->tp_as_number;
  if (number != nullptr && (number->nb_index != nullptr || number->nb_float != nullptr)) return Form::Number;
  return Form::Other;
}

/// A tensor of anything array-like; `for_reading` as above.
Tensor from_array_like(PyObject* p, bool for_reading) {
  if (is_array(p)) return from_array(p, for_reading);
  if (has(p, "__dlpack__") && !has(p, "__array_interface__")) return from_dlpack(p);
  const Object numpy(check(PyImport_ImportModule("numpy")));
  const Object array(check(PyObject_CallMethod(numpy.get(), "asarray", "O", p)));
  if (for_reading || is_writable_array(array.get())) return from_array(array.get(), for_reading);
  return clone(from_array(array.get(), true));
}

// --- nested sequences ------------------------------------------------------------------------------

/// Reads numbers in one pass: as int64 until the first float, as double from then on.
class Reader {
 public:
  explicit Reader(std::optional<DType> dtype) : fixed_(dtype), as_double_(dtype && is_floating(*dtype)) {
    if (dtype && is_complex(*dtype))
      raise_python(PyExc_NotImplementedError, "tensor: expected a real dtype, got ", *dtype,
                   " (complex kernels are not part of this version)");
  }

  Tensor read(PyObject* data) {
    find_shape(data);
    int64_t total = 1;
    for (int64_t n : sizes_) total *= n;
    cells_.resize(static_cast<size_t>(total));
    fill(data, 0);
    CLEW_ASSERT(next_ == cells_.size());
    return finish();
  }

 private:
  union Cell {
    int64_t i;
    double d;
  };

  // The first element of each level tells the length of all.
  void find_shape(PyObject* data) {
    Object p = Object::borrow(data);
    while (true) {
      const Form form = form_of(p.get());
      if (form == Form::Array) {
        const Tensor t = from_array_like(p.get(), true);
        for (int64_t n : t.sizes()) sizes_.push_back(n);
      }
      if (form != Form::Sequence) break;
      const Py_ssize_t n = PySequence_Size(p.get());
      if (n < 0) throw PythonError();
      sizes_.push_back(n);
      CLEW_CHECK(sizes_.size() <= 64, ValueError, "tensor: expected at most 64 nested levels, got more");
      if (n == 0) break;
      p = Object(check(PySequence_GetItem(p.get(), 0)));
    }
    CLEW_CHECK(sizes_.size() <= 64, ValueError, "tensor: expected at most 64 nested levels, got ",
               sizes_.size());
  }

  std::string place() const {
    if (path_.empty()) return "the top level";
    std::string s = "index ";
    for (Py_ssize_t i : path_) s += "[" + std::to_string(i) + "]";
    return s;
  }

  void fill(PyObject* p, size_t depth) {
    if (depth == sizes_.size()) {
      store(p);
      return;
    }
    const Form form = form_of(p);
    if (form == Form::Array) {
      append(from_array_like(p, true), depth);
      return;
    }
    CLEW_CHECK(form == Form::Sequence, ValueError, "tensor: expected a sequence of length ", sizes_[depth],
               " at dim ", depth, ", got ", Py_TYPE(p)->tp_name, " (at ", place(), ")");
    const Object items(check(PySequence_Fast(p, "tensor: expected a sequence")));
    const Py_ssize_t n = sizes_[depth];
    const bool last = depth + 1 == sizes_.size();
    path_.push_back(0);
    for (Py_ssize_t i = 0;; ++i) {
      // Read anew each time: converting an odd element may run code that changes the list.
      const Py_ssize_t now = PySequence_Fast_GET_SIZE(items.get());
      if (now != n) {
        path_.pop_back();
        clew::detail::raise<ValueError>("tensor: expected a sequence of length ", n, " at dim ", depth,
                                        ", got length ", now, " (at ", place(), ")");
      }
      if (i == n) break;
      PyObject* item = PySequence_Fast_GET_ITEM(items.get(), i);
      path_.back() = i;
      if (last && PyFloat_CheckExact(item)) {
        store_float(PyFloat_AS_DOUBLE(item));
        continue;
      }
      if (last && PyLong_CheckExact(item)) {
        store_long(item);
        continue;
      }
      const Object held = Object::borrow(item);
      fill(item, depth + 1);
    }
    path_.pop_back();
  }

  void store(PyObject* p) {
    if (PyFloat_CheckExact(p)) return store_float(PyFloat_AS_DOUBLE(p));
    if (PyBool_Check(p)) return store_int(p == Py_True, DType::Bool);
    if (PyLong_CheckExact(p)) return store_long(p);
    switch (form_of(p)) {
      case Form::Tensor: {
        const Tensor& t = as_tensor(p);
        CLEW_CHECK(t.numel() == 1, ValueError,
                   "tensor: expected numbers or one-element tensors in a sequence, got a tensor of shape ",
                   t.sizes(), " (at ", place(), "; use stack or cat)");
        return store_scalar(t);
      }
      case Form::Array: {
        const Tensor t = from_array_like(p, true);
        CLEW_CHECK(t.dim() == 0, ValueError, "tensor: expected a number, got an array of shape ", t.sizes(),
                   " (at ", place(), ")");
        return store_scalar(t);
      }
      case Form::Sequence:
        clew::detail::raise<ValueError>("tensor: expected a number, got ", Py_TYPE(p)->tp_name, " of length ",
                                        PySequence_Size(p), " (at ", place(), ")");
      case Form::Number: {
        if (PyLong_Check(p) ||
            (Py_TYPE(p)->tp_as_number != nullptr && Py_TYPE(p)->tp_as_number->nb_index != nullptr)) {
          const Object number(check(PyNumber_Index(p)));
          return store_long(number.get());
        }
        const double v = PyFloat_AsDouble(p);
        if (v == -1 && PyErr_Occurred() != nullptr) throw PythonError();
        return store_float(v);
      }
      case Form::Other:
        break;
    }
    clew::detail::raise<TypeError>("tensor: expected numbers, got ", Py_TYPE(p)->tp_name, " (at ", place(),
                                   ")");
  }

  void infer(DType t) { inferred_ = inferred_ ? promote_types(*inferred_, t) : t; }

  void store_float(double v) {
    saw_float_ = true;
    if (!as_double_) {
      if (fixed_) {
        cells_[next_++].i = *fixed_ == DType::Bool ? v != 0 : to_int64(v);
        return;
      }
      widen();
    }
    cells_[next_++].d = v;
  }
  int64_t to_int64(double v) const {
    if (!(v >= -0x1p63 && v < 0x1p63))
      raise_python(PyExc_OverflowError, "tensor: expected values in the range of ", *fixed_, ", got ", v,
                   " (at ", place(), ")");
    return static_cast<int64_t>(v);
  }
  void store_int(int64_t v, DType t) {
    if (t == DType::Bool) {
      saw_bool_ = true;
    } else {
      saw_int_ = true;
    }
    if (as_double_) {
      cells_[next_++].d = static_cast<double>(v);
    } else {
      cells_[next_++].i = fixed_ == DType::Bool ? v != 0 : v;
    }
  }
  void store_long(PyObject* p) {
    int overflow = 0;
    const long long v = PyLong_AsLongLongAndOverflow(p, &overflow);
    if (v == -1 && PyErr_Occurred() != nullptr) throw PythonError();
    if (overflow == 0) return store_int(v, DType::Int64);
    if (!as_double_)
      raise_python(PyExc_OverflowError, "tensor: expected integers in [-2**63, 2**63), got ", text_of(p),
                   " (at ", place(), "; ask for a floating dtype)");
    const double d = PyLong_AsDouble(p);
    if (d == -1 && PyErr_Occurred() != nullptr) throw PythonError();
    store_float(d);
  }
  void store_scalar(const Tensor& t) {
    infer(t.dtype());
    const bool inferring = !fixed_;
    const bool seen[] = {saw_float_, saw_int_, saw_bool_};
    const Scalar s = t.item();
    if (s.is_floating()) {
      store_float(s.to_double());
    } else {
      store_int(s.to_int(), t.dtype());
    }
    // Its own dtype counts, not the one that a Python number would have.
    if (inferring) {
      saw_float_ = seen[0];
      saw_int_ = seen[1];
      saw_bool_ = seen[2];
    }
  }
  /// An array in a list gives all its elements.
  void append(const Tensor& t, size_t depth) {
    const IntArrayRef expected(sizes_.data() + depth, sizes_.size() - depth);
    CLEW_CHECK(t.sizes() == expected, ValueError, "tensor: expected an array of shape ", expected, ", got ",
               t.sizes(), " (at ", place(), ")");
    infer(t.dtype());
    const bool floats = is_floating(t.dtype());
    if (floats && !as_double_ && !fixed_) widen();
    if (as_double_) {
      const Tensor d = t.to(DType::Float64).contiguous();
      for (int64_t i = 0; i < d.numel(); ++i) cells_[next_++].d = d.data<double>()[i];
    } else if (floats) {
      const Tensor d = t.to(DType::Float64).contiguous();
      for (int64_t i = 0; i < d.numel(); ++i) {
        const double v = d.data<double>()[i];
        cells_[next_++].i = *fixed_ == DType::Bool ? v != 0 : to_int64(v);
      }
    } else {
      const Tensor d = t.to(DType::Int64).contiguous();
      for (int64_t i = 0; i < d.numel(); ++i)
        cells_[next_++].i = fixed_ == DType::Bool ? d.data<int64_t>()[i] != 0 : d.data<int64_t>()[i];
    }
  }
  [[gnu::noinline]] void widen() {
    for (size_t i = 0; i < next_; ++i) cells_[i].d = static_cast<double>(cells_[i].i);
    as_double_ = true;
  }

  Tensor finish() {
    if (saw_bool_) infer(DType::Bool);
    if (saw_int_) infer(DType::Int64);
    if (saw_float_) infer(default_dtype());
    const DType dtype = fixed_ ? *fixed_ : inferred_.value_or(default_dtype());
    const Tensor out = empty(sizes_, TensorOptions(dtype).device(kCPU));
    const Cell* const cells = cells_.data();
    const int64_t n = out.numel();
    dispatch<kAllDTypes>(dtype, [&]<class T>() {
      T* const to = out.data<T>();
      if constexpr (std::is_same_v<T, bool>) {
        for (int64_t i = 0; i < n; ++i) to[i] = as_double_ ? cells[i].d != 0 : cells[i].i != 0;
      } else if constexpr (std::is_integral_v<T>) {
        // Inference gives an integer dtype only where no float came.
        using Limits = std::numeric_limits<T>;
        constexpr int64_t kHighest = Limits::max();
        constexpr int64_t kLowest = Limits::is_signed ? static_cast<int64_t>(Limits::min()) : -kHighest;
        for (int64_t i = 0; i < n; ++i) {
          if (cells[i].i < kLowest || cells[i].i > kHighest)
            raise_python(PyExc_OverflowError, "tensor: expected values in the range of ", dtype, ", got ",
                         cells[i].i);
          to[i] = static_cast<T>(cells[i].i);
        }
      } else if constexpr (sizeof(T) == 2) {
        for (int64_t i = 0; i < n; ++i)
          to[i] = T(static_cast<float>(as_double_ ? cells[i].d : static_cast<double>(cells[i].i)));
      } else {
        for (int64_t i = 0; i < n; ++i)
          to[i] = static_cast<T>(as_double_ ? cells[i].d : static_cast<double>(cells[i].i));
      }
    });
    return out;
  }

  std::optional<DType> fixed_, inferred_;
  bool as_double_, saw_bool_ = false, saw_int_ = false, saw_float_ = false;
  Shape sizes_;
  std::vector<Cell> cells_;
  size_t next_ = 0;
  SmallVector<Py_ssize_t, 8> path_;
};

// --- lists -----------------------------------------------------------------------------------------

template <class T>
PyObject* to_python_number(T v) {
  if constexpr (std::is_same_v<T, bool>) {
    return Py_NewRef(v ? Py_True : Py_False);
  } else if constexpr (std::is_integral_v<T>) {
    return PyLong_FromLongLong(v);
  } else if constexpr (sizeof(T) == 2) {
    return PyFloat_FromDouble(static_cast<double>(static_cast<float>(v)));
  } else {
    return PyFloat_FromDouble(static_cast<double>(v));
  }
}

template <class T>
PyObject* list_level(const T* data, const int64_t* sizes, const int64_t* strides, int64_t rank) {
  if (rank == 0) return check(to_python_number(*data));
  Object list(check(PyList_New(sizes[0])));
  for (int64_t i = 0; i < sizes[0]; ++i)
    PyList_SET_ITEM(list.get(), i, list_level(data + i * strides[0], sizes + 1, strides + 1, rank - 1));
  return list.release();
}

}  // namespace

Tensor tensor_from_data(PyObject* data, std::optional<DType> dtype, std::optional<Device> device, bool copy) {
  Tensor t;
  switch (form_of(data)) {
    case Form::Number:
    case Form::Sequence:
      t = Reader(dtype).read(data);
      copy = false;
      break;
    case Form::Tensor:
      t = copy ? as_tensor(data).detach() : as_tensor(data);
      break;
    case Form::Array:
      t = from_array_like(data, copy);
      break;
    case Form::Other:
      clew::detail::raise<TypeError>(
          "tensor: expected a number, a nested sequence of numbers, an array or a tensor, got ",
          Py_TYPE(data)->tp_name);
  }
  const ReleaseGil release(t.numel() >= kReleaseGilNumel);
  return t.to(dtype, device, copy);
}

PyObject* to_list(const Tensor& t) {
  CLEW_CHECK(!t.is_meta(), DeviceError, "tolist: expected a tensor with data, got one on ", t.device());
  if (!t.is_cpu()) return to_list(t.detach().cpu());
  return dispatch<kAllDTypes>(t.dtype(), [&]<class T>() -> PyObject* {
    return list_level(t.data<T>(), t.sizes().data(), t.strides().data(), t.dim());
  });
}

}  // namespace clew::python
