// NumPy arrays both ways, without copy.
#include <algorithm>
#include <memory>

#include "bindings/src/data.h"
#include "clew/autograd/grad_mode.h"

namespace clew::python {
namespace {

// NumPy's C interface, reached through the table that its extension exports: the few entries used here have
// kept their numbers and layouts since NumPy 1.7, so building needs no NumPy headers.
enum : int { kTypeEntry = 2, kDescrFromType = 45, kNewFromDescr = 94, kSetBaseObject = 282 };
enum : int { kAligned = 0x100, kWritable = 0x400 };
enum TypeNumber : int {
  kNpyBool = 0,
  kNpyByte = 1,
  kNpyUByte = 2,
  kNpyShort = 3,
  kNpyInt = 5,
  kNpyLong = 7,
  kNpyLongLong = 9,
  kNpyFloat = 11,
  kNpyDouble = 12,
  kNpyComplexFloat = 14,
  kNpyComplexDouble = 15,
  kNpyHalf = 23
};
static_assert(sizeof(long) == 8, "NumPy's long is taken for int64");

struct Descr {
  PyObject_HEAD PyObject* type;
  char kind, letter, byte_order, flags;
  int type_number;
};
struct Array {
  PyObject_HEAD char* data;
  int rank;
  Py_ssize_t* sizes;
  Py_ssize_t* strides;  // in bytes
  PyObject* base;
  Descr* descr;
  int flags;
};

struct NumpyApi {
  PyTypeObject* array_type;
  PyObject* (*descr_from_type)(int);
  PyObject* (*new_from_descr)(PyTypeObject*, PyObject* descr, int rank, const Py_ssize_t* sizes,
                              const Py_ssize_t* strides, void* data, int flags, PyObject*);
  int (*set_base_object)(PyObject*, PyObject* base);
};

const NumpyApi& numpy_api() {
  static NumpyApi api;  // filled under the GIL
  if (api.array_type != nullptr) return api;
  Object module(PyImport_ImportModule("numpy._core.multiarray"));
  if (!module) {
    PyErr_Clear();
    module = Object(check(PyImport_ImportModule("numpy.core.multiarray")));  // before NumPy 2
  }
  const Object capsule(check(PyObject_GetAttrString(module.get(), "_ARRAY_API")));
  void** const table = static_cast<void**>(PyCapsule_GetPointer(capsule.get(), nullptr));
  if (table == nullptr) throw PythonError();
  api.descr_from_type = reinterpret_cast<decltype(api.descr_from_type)>(table[kDescrFromType]);
  api.new_from_descr = reinterpret_cast<decltype(api.new_from_descr)>(table[kNewFromDescr]);
  api.set_base_object = reinterpret_cast<decltype(api.set_base_object)>(table[kSetBaseObject]);
  api.array_type = static_cast<PyTypeObject*>(table[kTypeEntry]);
  return api;
}

const Array& as_array(PyObject* p) { return *reinterpret_cast<const Array*>(p); }

DType dtype_of(const Array& a) {
  switch (a.descr->type_number) {
    case kNpyBool:
      return DType::Bool;
    case kNpyUByte:
      return DType::UInt8;
    case kNpyByte:
      return DType::Int8;
    case kNpyShort:
      return DType::Int16;
    case kNpyInt:
      return DType::Int32;
    case kNpyLong:
    case kNpyLongLong:
      return DType::Int64;
    case kNpyHalf:
      return DType::Float16;
    case kNpyFloat:
      return DType::Float32;
    case kNpyDouble:
      return DType::Float64;
    case kNpyComplexFloat:
    case kNpyComplexDouble:
      raise_python(PyExc_NotImplementedError, "from_numpy: expected a real dtype, got ",
                   text_of(reinterpret_cast<PyObject*>(a.descr)),
                   " (complex kernels are not part of this version)");
    default:
      break;
  }
  raise_python(PyExc_TypeError,
               "from_numpy: expected an array of dtype in bool, uint8, int8, int16, int32, int64, float16, "
               "float32, float64, got ",
               text_of(reinterpret_cast<PyObject*>(a.descr)), " (convert it with .astype(...))");
}

int type_number_of(DType t) {
  switch (t) {
    case DType::Bool:
      return kNpyBool;
    case DType::UInt8:
      return kNpyUByte;
    case DType::Int8:
      return kNpyByte;
    case DType::Int16:
      return kNpyShort;
    case DType::Int32:
      return kNpyInt;
    case DType::Int64:
      return kNpyLong;
    case DType::Float16:
      return kNpyHalf;
    case DType::Float32:
      return kNpyFloat;
    case DType::Float64:
      return kNpyDouble;
    default:
      return -1;
  }
}

/// Why the memory of `a` cannot be a tensor's; null if it can.
const char* why_not_shared(const Array& a, DType dtype) {
  if (a.descr->byte_order == '>')
    return "native byte order, got big-endian data (use .astype(a.dtype.newbyteorder('=')))";
  if ((a.flags & kAligned) == 0) return "aligned memory, got an unaligned array (use .copy())";
  for (int i = 0; i < a.rank; ++i) {
    if (a.sizes[i] < 2) continue;
    if (a.strides[i] < 0) return "strides that are not negative, got a reversed array (use .copy())";
    if (a.strides[i] % static_cast<Py_ssize_t>(item_size(dtype)) != 0)
      return "strides of whole elements, got a field of a structured array (use .copy())";
  }
  return nullptr;
}

Tensor share_array(PyObject* p, DType dtype) {
  const Array& a = as_array(p);
  const size_t rank = static_cast<size_t>(a.rank);
  const Shape sizes(a.sizes, a.sizes + rank);
  Shape strides(rank, 1);
  const bool empty = std::find(sizes.begin(), sizes.end(), 0) != sizes.end();
  int64_t expected = 1;
  // NumPy leaves open what the strides of dimensions are that are never stepped along.
  for (size_t i = rank; i-- > 0;) {
    strides[i] = sizes[i] < 2 || empty ? expected : a.strides[i] / static_cast<int64_t>(item_size(dtype));
    expected *= std::max<int64_t>(sizes[i], 1);
  }
  auto keep = std::make_shared<SharedObject>(p);
  return from_blob(a.data, sizes, strides, [keep](void*) {}, dtype);
}

}  // namespace

bool is_array(PyObject* p) { return PyObject_TypeCheck(p, numpy_api().array_type) != 0; }
bool is_writable_array(PyObject* p) { return is_array(p) && (as_array(p).flags & kWritable) != 0; }

Tensor from_array(PyObject* p, bool for_reading) {
  const DType dtype = dtype_of(as_array(p));
  if (const char* reason = why_not_shared(as_array(p), dtype)) {
    if (!for_reading) raise_python(PyExc_ValueError, "from_numpy: expected ", reason);
    const Object native(
        check(PyObject_CallMethod(reinterpret_cast<PyObject*>(as_array(p).descr), "newbyteorder", "s", "=")));
    const Object copy(check(PyObject_CallMethod(p, "astype", "Os", native.get(), "C")));
    return share_array(copy.get(), dtype);
  }
  if (!for_reading && !is_writable_array(p))
    check(PyErr_WarnEx(
        PyExc_UserWarning,
        "from_numpy: the array is read-only, its tensor is not: writing to the tensor changes the "
        "array all the same (use .copy() to keep it safe)",
        1));
  return share_array(p, dtype);
}

Tensor from_numpy(PyObject* array) {
  if (!is_array(array))
    raise_python(PyExc_TypeError, "from_numpy: expected a numpy.ndarray, got ", Py_TYPE(array)->tp_name,
                 " (tensor() and as_tensor() take other data)");
  return from_array(array, false);
}

PyObject* to_numpy(const Tensor& t) {
  CLEW_CHECK(!t.requires_grad() || !is_grad_enabled(), AutogradError,
             "numpy: expected a tensor that does not require grad, got one that does (use detach().numpy())");
  CLEW_CHECK(t.is_cpu(), DeviceError, "numpy: expected a tensor on the CPU, got one on ", t.device(),
             t.is_meta() ? " (it has no data)" : " (use cpu().numpy())");
  const int type_number = type_number_of(t.dtype());
  CLEW_CHECK(type_number >= 0, DTypeError, "numpy: expected a dtype that NumPy has, got ", t.dtype(),
             " (use float().numpy())");
  const NumpyApi& api = numpy_api();
  const Py_ssize_t unit = static_cast<Py_ssize_t>(item_size(t.dtype()));
  SmallVector<Py_ssize_t, 6> sizes, strides;
  for (int64_t n : t.sizes()) sizes.push_back(n);
  for (int64_t n : t.strides()) strides.push_back(n * unit);
  Object base(check(wrap(t)));
  PyObject* const descr = check(api.descr_from_type(type_number));  // new_from_descr takes it over
  Object array(check(api.new_from_descr(api.array_type, descr, static_cast<int>(t.dim()), sizes.data(),
                                        strides.data(), t.raw_data(), kWritable, nullptr)));
  check(api.set_base_object(array.get(), base.release()));  // takes it over even when it fails
  return array.release();
}

}  // namespace clew::python
