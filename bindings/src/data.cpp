// Data exchange: Python numbers and nested sequences, NumPy arrays, DLPack.
#include <pybind11/numpy.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bindings/src/python.h"
#include "bindings/src/tensor_type.h"
#include "clew/ops/ops.h"

namespace py = pybind11;

namespace clew::python {
namespace {

/// Runs code that uses pybind11, whose exceptions the rest of the bindings do not know.
template <class F>
auto with_pybind(F&& f) {
  try {
    return f();
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const py::builtin_exception& e) {
    e.set_error();
  }
  throw PythonError();
}

template <class... Parts>
[[noreturn, gnu::cold]] void raise_python(PyObject* type, const Parts&... parts) {
  PyErr_SetString(type, clew::detail::concat(parts...).c_str());
  throw PythonError();
}

std::string text_of(PyObject* p) {
  const Object s(PyObject_Str(p));
  const char* utf8 = s ? PyUnicode_AsUTF8(s.get()) : nullptr;
  if (utf8 == nullptr) PyErr_Clear();
  return utf8 != nullptr ? utf8 : "?";
}

// --- NumPy -----------------------------------------------------------------------------------------

bool is_array(PyObject* p) {
  return with_pybind([&] { return py::isinstance<py::array>(py::handle(p)); });
}

DType dtype_of(const py::dtype& d) {
  const auto size = d.itemsize();
  switch (d.kind()) {
    case 'b': return DType::Bool;
    case 'u':
      if (size == 1) return DType::UInt8;
      break;
    case 'i':
      if (size == 1) return DType::Int8;
      if (size == 2) return DType::Int16;
      if (size == 4) return DType::Int32;
      if (size == 8) return DType::Int64;
      break;
    case 'f':
      if (size == 2) return DType::Float16;
      if (size == 4) return DType::Float32;
      if (size == 8) return DType::Float64;
      break;
    case 'c':
      raise_python(PyExc_NotImplementedError, "from_numpy: expected a real dtype, got ", text_of(d.ptr()),
                   " (complex kernels are not part of this version)");
    default: break;
  }
  raise_python(PyExc_TypeError, "from_numpy: expected an array of dtype in ", kAllDTypes, ", got ", text_of(d.ptr()),
               " (convert it with .astype(...))");
}

/// Why the memory of `a` cannot be a tensor's; null if it can.
const char* why_not_shared(const py::array& a) {
  if (a.dtype().byteorder() == '>') return "native byte order, got big-endian data (use .astype(a.dtype.newbyteorder('=')))";
  if ((a.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) return "aligned memory, got an unaligned array (use .copy())";
  for (py::ssize_t i = 0; i < a.ndim(); ++i) {
    if (a.shape(i) < 2) continue;
    if (a.strides(i) < 0) return "strides that are not negative, got a reversed array (use .copy())";
    if (a.strides(i) % a.itemsize() != 0) return "strides of whole elements, got a field of a structured array (use .copy())";
  }
  return nullptr;
}

Tensor share_array(const py::array& a) {
  const DType dtype = dtype_of(a.dtype());
  Shape sizes, strides;
  int64_t expected = 1;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) {
    sizes.push_back(a.shape(i));
    strides.push_back(a.strides(i) / a.itemsize());
  }
  // NumPy leaves the strides of dimensions that are never stepped along open.
  for (size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] < 2 || a.size() == 0) strides[i] = expected;
    expected *= std::max<int64_t>(sizes[i], 1);
  }
  auto keep = std::make_shared<SharedObject>(a.ptr());
  return from_blob(const_cast<void*>(a.data()), sizes, strides, TensorOptions(dtype), [keep] {});
}

/// Shares the array's memory. `for_reading`: for a moment only, so it need not be writable, and what
/// cannot be shared is converted.
Tensor from_array(PyObject* p, bool for_reading) {
  return with_pybind([&] {
    py::array a = py::reinterpret_borrow<py::array>(p);
    if (const char* reason = why_not_shared(a)) {
      dtype_of(a.dtype());
      if (!for_reading) raise_python(PyExc_ValueError, "from_numpy: expected ", reason);
      const py::object native = a.dtype().attr("newbyteorder")("=");
      return share_array(py::array(a.attr("astype")(native, py::arg("order") = "C", py::arg("copy") = true)));
    }
    if (!for_reading && !a.writeable())
      check(PyErr_WarnEx(PyExc_UserWarning,
                         "from_numpy: the array is read-only, its tensor is not: writing to the tensor changes the "
                         "array all the same (use .copy() to keep it safe)",
                         1));
    return share_array(a);
  });
}

int numpy_type_number(DType t) {
  constexpr int kHalf = 23;
  using api = py::detail::npy_api;
  switch (t) {
    case DType::Bool: return api::NPY_BOOL_;
    case DType::UInt8: return api::NPY_UBYTE_;
    case DType::Int8: return api::NPY_BYTE_;
    case DType::Int16: return api::NPY_SHORT_;
    case DType::Int32: return api::NPY_INT_;
    case DType::Int64: return api::NPY_LONG_;
    case DType::Float16: return kHalf;
    case DType::Float32: return api::NPY_FLOAT_;
    case DType::Float64: return api::NPY_DOUBLE_;
    default: return -1;
  }
}

// --- what an object is -----------------------------------------------------------------------------

enum class Form { Number, Sequence, Array, Tensor, Other };

bool has(PyObject* p, const char* attribute) {
  const Object type = Object::borrow(reinterpret_cast<PyObject*>(Py_TYPE(p)));
  return PyObject_HasAttrString(type.get(), attribute) != 0;
}

Form form_of(PyObject* p) {
  if (PyFloat_CheckExact(p) || PyLong_CheckExact(p) || PyBool_Check(p)) return Form::Number;
  if (PyList_CheckExact(p) || PyTuple_CheckExact(p)) return Form::Sequence;
  if (is_tensor(p)) return Form::Tensor;
  if (PyUnicode_Check(p) || PyBytes_Check(p) || PyDict_Check(p) || p == Py_None) return Form::Other;
  // Before the numbers: NumPy's float64 is a float too, and its dtype counts.
  if (has(p, "__array_interface__") || has(p, "__array__") || has(p, "__dlpack__") || PyObject_CheckBuffer(p)) return Form::Array;
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
  return with_pybind([&] {
    const py::object a = py::module_::import("numpy").attr("asarray")(py::handle(p));
    if (for_reading || py::array(a).writeable()) return from_array(a.ptr(), for_reading);
    return clone(from_array(a.ptr(), true));
  });
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
    CLEW_CHECK(sizes_.size() <= 64, ValueError, "tensor: expected at most 64 nested levels, got ", sizes_.size());
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
    CLEW_CHECK(form == Form::Sequence, ValueError, "tensor: expected a sequence of length ", sizes_[depth], " at dim ", depth,
               ", got ", Py_TYPE(p)->tp_name, " (at ", place(), ")");
    const Object items(check(PySequence_Fast(p, "tensor: expected a sequence")));
    const Py_ssize_t n = sizes_[depth];
    const bool last = depth + 1 == sizes_.size();
    path_.push_back(0);
    for (Py_ssize_t i = 0;; ++i) {
      // Read anew each time: converting an odd element may run code that changes the list.
      const Py_ssize_t now = PySequence_Fast_GET_SIZE(items.get());
      if (now != n) {
        path_.pop_back();
        clew::detail::raise<ValueError>("tensor: expected a sequence of length ", n, " at dim ", depth, ", got length ", now,
                                        " (at ", place(), ")");
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
        CLEW_CHECK(t.numel() == 1, ValueError, "tensor: expected numbers or one-element tensors in a sequence, got a tensor of shape ",
                   t.sizes(), " (at ", place(), "; use stack or cat)");
        return store_scalar(t);
      }
      case Form::Array: {
        const Tensor t = from_array_like(p, true);
        CLEW_CHECK(t.dim() == 0, ValueError, "tensor: expected a number, got an array of shape ", t.sizes(), " (at ", place(), ")");
        return store_scalar(t);
      }
      case Form::Sequence:
        clew::detail::raise<ValueError>("tensor: expected a number, got ", Py_TYPE(p)->tp_name, " of length ", PySequence_Size(p),
                                        " (at ", place(), ")");
      case Form::Number: {
        if (PyLong_Check(p) || (Py_TYPE(p)->tp_as_number != nullptr && Py_TYPE(p)->tp_as_number->nb_index != nullptr)) {
          const Object number(check(PyNumber_Index(p)));
          return store_long(number.get());
        }
        const double v = PyFloat_AsDouble(p);
        if (v == -1 && PyErr_Occurred() != nullptr) throw PythonError();
        return store_float(v);
      }
      case Form::Other: break;
    }
    clew::detail::raise<TypeError>("tensor: expected numbers, got ", Py_TYPE(p)->tp_name, " (at ", place(), ")");
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
      raise_python(PyExc_OverflowError, "tensor: expected values in the range of ", *fixed_, ", got ", v, " (at ", place(), ")");
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
      raise_python(PyExc_OverflowError, "tensor: expected integers in [-2**63, 2**63), got ", text_of(p), " (at ", place(),
                   "; ask for a floating dtype)");
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
    CLEW_CHECK(t.sizes() == expected, ValueError, "tensor: expected an array of shape ", expected, ", got ", t.sizes(), " (at ",
               place(), ")");
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
            raise_python(PyExc_OverflowError, "tensor: expected values in the range of ", dtype, ", got ", cells[i].i);
          to[i] = static_cast<T>(cells[i].i);
        }
      } else if constexpr (sizeof(T) == 2) {
        for (int64_t i = 0; i < n; ++i) to[i] = T(static_cast<float>(as_double_ ? cells[i].d : static_cast<double>(cells[i].i)));
      } else {
        for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(as_double_ ? cells[i].d : static_cast<double>(cells[i].i));
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

// --- DLPack ----------------------------------------------------------------------------------------

// The structures of DLPack 0.8 (https://dmlc.github.io/dlpack), whose layout is fixed.
struct DLDevice {
  int32_t device_type;
  int32_t device_id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
constexpr int32_t kDLCPU = 1;
enum : uint8_t { kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4, kDLComplex = 5, kDLBool = 6 };
constexpr char kCapsuleName[] = "dltensor", kUsedName[] = "used_dltensor";

struct Exported {
  DLManagedTensor managed;
  Tensor tensor;
  Shape shape, strides;
};

DLDataType to_dl_type(DType t) {
  const uint8_t bits = static_cast<uint8_t>(8 * item_size(t));
  if (t == DType::Bool) return {kDLBool, bits, 1};
  if (t == DType::BFloat16) return {kDLBfloat, bits, 1};
  if (is_floating(t)) return {kDLFloat, bits, 1};
  if (is_complex(t)) return {kDLComplex, bits, 1};
  return {static_cast<uint8_t>(t == DType::UInt8 ? kDLUInt : kDLInt), bits, 1};
}

DType from_dl_type(DLDataType t) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const DType candidate = static_cast<DType>(i);
    const DLDataType d = to_dl_type(candidate);
    if (!is_complex(candidate) && d.code == t.code && d.bits == t.bits && t.lanes == 1) return candidate;
  }
  raise_python(PyExc_TypeError, "from_dlpack: expected a dtype in ", kAllDTypes, ", got DLPack type code ", int{t.code}, ", ",
               int{t.bits}, " bits, ", t.lanes, " lanes");
}

Tensor consume(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, kCapsuleName)) {
    const char* name = PyCapsule_GetName(capsule);
    if (name == nullptr) PyErr_Clear();
    raise_python(PyExc_ValueError, "from_dlpack: expected a capsule named \"", kCapsuleName, "\", got \"",
                 name == nullptr ? "" : name, "\" (a capsule can be used once)");
  }
  auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, kCapsuleName));
  const DLTensor& d = managed->tensor;
  CLEW_CHECK(d.device.device_type == kDLCPU, DeviceError, "from_dlpack: expected memory of the CPU (device type ", kDLCPU,
             "), got device type ", d.device.device_type, " (this build has no backend for it)");
  CLEW_CHECK(d.ndim >= 0 && d.ndim <= 64, ShapeError, "from_dlpack: expected at most 64 dimensions, got ", d.ndim);
  const DType dtype = from_dl_type(d.dtype);
  const size_t rank = static_cast<size_t>(d.ndim);
  Shape sizes, strides(rank, 1);
  int64_t numel = 1;
  for (size_t i = 0; i < rank; ++i) {
    CLEW_CHECK(d.shape[i] >= 0, ShapeError, "from_dlpack: expected sizes of at least 0, got ", d.shape[i], " at dim ", i);
    CLEW_CHECK(!__builtin_mul_overflow(numel, d.shape[i], &numel), ShapeError, "from_dlpack: expected fewer than 2**63 elements");
    sizes.push_back(d.shape[i]);
  }
  int64_t expected = 1;
  for (size_t i = rank; i-- > 0;) {
    strides[i] = d.strides == nullptr || sizes[i] < 2 || numel == 0 ? expected : d.strides[i];
    CLEW_CHECK(strides[i] >= 0, ValueError, "from_dlpack: expected strides that are not negative, got ", strides[i], " at dim ", i,
               " (copy the array first)");
    if (numel != 0) expected *= sizes[i];
  }
  char* const data = static_cast<char*>(d.data) + d.byte_offset;
  CLEW_CHECK(numel == 0 || reinterpret_cast<uintptr_t>(data) % item_size(dtype) == 0, ValueError,
             "from_dlpack: expected memory aligned to ", item_size(dtype), " bytes (copy the array first)");
  const Tensor t = from_blob(data, sizes, strides, TensorOptions(dtype), [managed] {
    if (managed->deleter == nullptr || !Py_IsInitialized()) return;
    const AcquireGil gil;  // not every producer takes it itself
    managed->deleter(managed);
  });
  PyCapsule_SetName(capsule, kUsedName);  // its destructor leaves the tensor to us from here on
  return t;
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
    case Form::Tensor: t = copy ? as_tensor(data).detach() : as_tensor(data); break;
    case Form::Array: t = from_array_like(data, copy); break;
    case Form::Other:
      clew::detail::raise<TypeError>("tensor: expected a number, a nested sequence of numbers, an array or a tensor, got ",
                                     Py_TYPE(data)->tp_name);
  }
  const ReleaseGil release(t.numel() >= kReleaseGilNumel);
  return t.to(dtype, device, copy);
}

Tensor from_numpy(PyObject* array) {
  if (!is_array(array))
    raise_python(PyExc_TypeError, "from_numpy: expected a numpy.ndarray, got ", Py_TYPE(array)->tp_name,
                 " (tensor() and as_tensor() take other data)");
  return from_array(array, false);
}

PyObject* to_numpy(const Tensor& t) {
  CLEW_CHECK(!t.requires_grad(), AutogradError,
             "numpy: expected a tensor that does not require grad, got one that does (use detach().numpy())");
  CLEW_CHECK(t.is_cpu(), DeviceError, "numpy: expected a tensor on the CPU, got one on ", t.device(),
             t.is_meta() ? " (it has no data)" : " (use cpu().numpy())");
  const int number = numpy_type_number(t.dtype());
  CLEW_CHECK(number >= 0, DTypeError, "numpy: expected a dtype that NumPy has, got ", t.dtype(), " (use float().numpy())");
  return with_pybind([&] {
    std::vector<py::ssize_t> sizes(t.sizes().begin(), t.sizes().end()), strides(t.strides().begin(), t.strides().end());
    for (py::ssize_t& s : strides) s *= static_cast<py::ssize_t>(item_size(t.dtype()));
    const py::object base = py::reinterpret_steal<py::object>(check(wrap(t)));
    return py::array(py::dtype(number), std::move(sizes), std::move(strides), t.raw_data(), base).release().ptr();
  });
}

PyObject* to_list(const Tensor& t) {
  CLEW_CHECK(t.is_cpu(), DeviceError, "tolist: expected a tensor with data on the CPU, got one on ", t.device());
  return dispatch<kAllDTypes>(t.dtype(), [&]<class T>() -> PyObject* {
    return list_level(t.data<T>(), t.sizes().data(), t.strides().data(), t.dim());
  });
}

PyObject* to_dlpack(const Tensor& t) {
  if (t.requires_grad())
    raise_python(PyExc_BufferError, "__dlpack__: expected a tensor that does not require grad, got one that does (use detach())");
  if (!t.is_cpu()) raise_python(PyExc_BufferError, "__dlpack__: expected a tensor on the CPU, got one on ", t.device());
  auto e = std::make_unique<Exported>();
  e->tensor = t;
  e->shape = t.sizes().vec();
  e->strides = t.strides().vec();
  e->managed.tensor = {.data = t.raw_data(),
                       .device = {kDLCPU, 0},
                       .ndim = static_cast<int32_t>(t.dim()),
                       .dtype = to_dl_type(t.dtype()),
                       .shape = e->shape.data(),
                       .strides = e->strides.data(),
                       .byte_offset = 0};
  e->managed.context = e.get();
  e->managed.deleter = [](DLManagedTensor* m) { delete static_cast<Exported*>(m->context); };
  PyObject* capsule = check(PyCapsule_New(&e->managed, kCapsuleName, [](PyObject* c) {
    if (!PyCapsule_IsValid(c, kCapsuleName)) return;  // a consumer took it over
    auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(c, kCapsuleName));
    managed->deleter(managed);
  }));
  e.release();
  return capsule;
}

Tensor from_dlpack(PyObject* object) {
  if (PyCapsule_CheckExact(object)) return consume(object);
  if (!has(object, "__dlpack__"))
    raise_python(PyExc_TypeError, "from_dlpack: expected an object with __dlpack__ or a DLPack capsule, got ", Py_TYPE(object)->tp_name);
  if (has(object, "__dlpack_device__")) {
    const Object device(check(PyObject_CallMethod(object, "__dlpack_device__", nullptr)));
    const Object type(check(PySequence_GetItem(device.get(), 0)));
    const long code = PyLong_AsLong(type.get());
    if (code == -1 && PyErr_Occurred() != nullptr) throw PythonError();
    CLEW_CHECK(code == kDLCPU, DeviceError, "from_dlpack: expected memory of the CPU (device type ", kDLCPU,
               "), got device type ", code, " (this build has no backend for it)");
  }
  const Object capsule(check(PyObject_CallMethod(object, "__dlpack__", nullptr)));
  if (!PyCapsule_CheckExact(capsule.get()))
    raise_python(PyExc_TypeError, "from_dlpack: expected a capsule from __dlpack__(), got ", Py_TYPE(capsule.get())->tp_name);
  return consume(capsule.get());
}

}  // namespace clew::python
