// DLPack both ways, without copy.
#include <memory>

#include "bindings/src/data.h"

namespace clew::python {
namespace {

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
  raise_python(PyExc_TypeError, "from_dlpack: expected a dtype in ", kAllDTypes, ", got DLPack type code ",
               int{t.code}, ", ", int{t.bits}, " bits, ", t.lanes, " lanes");
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
  CLEW_CHECK(d.device.device_type == kDLCPU, DeviceError,
             "from_dlpack: expected memory of the CPU (device type ", kDLCPU, "), got device type ",
             d.device.device_type, " (this build has no backend for it)");
  CLEW_CHECK(d.ndim >= 0 && d.ndim <= 64, ShapeError, "from_dlpack: expected at most 64 dimensions, got ",
             d.ndim);
  const DType dtype = from_dl_type(d.dtype);
  const size_t rank = static_cast<size_t>(d.ndim);
  Shape sizes, strides(rank, 1);
  int64_t numel = 1;
  for (size_t i = 0; i < rank; ++i) {
    CLEW_CHECK(d.shape[i] >= 0, ShapeError, "from_dlpack: expected sizes of at least 0, got ", d.shape[i],
               " at dim ", i);
    CLEW_CHECK(!__builtin_mul_overflow(numel, d.shape[i], &numel), ShapeError,
               "from_dlpack: expected fewer than 2**63 elements");
    sizes.push_back(d.shape[i]);
  }
  int64_t expected = 1;
  for (size_t i = rank; i-- > 0;) {
    strides[i] = d.strides == nullptr || sizes[i] < 2 || numel == 0 ? expected : d.strides[i];
    CLEW_CHECK(strides[i] >= 0, ValueError, "from_dlpack: expected strides that are not negative, got ",
               strides[i], " at dim ", i, " (copy the array first)");
    if (numel != 0) expected *= sizes[i];
  }
  char* const data = static_cast<char*>(d.data) + d.byte_offset;
  CLEW_CHECK(numel == 0 || reinterpret_cast<uintptr_t>(data) % item_size(dtype) == 0, ValueError,
             "from_dlpack: expected memory aligned to ", item_size(dtype), " bytes (copy the array first)");
  const auto release = [managed](void*) {
    if (managed->deleter == nullptr || !Py_IsInitialized()) return;
    const AcquireGil gil;  // not every producer takes it itself
    managed->deleter(managed);
  };
  const Tensor t = from_blob(data, sizes, strides, release, dtype);
  PyCapsule_SetName(capsule, kUsedName);  // its destructor leaves the tensor to us from here on
  return t;
}

}  // namespace

PyObject* to_dlpack(const Tensor& t) {
  if (t.requires_grad())
    raise_python(
        PyExc_BufferError,
        "__dlpack__: expected a tensor that does not require grad, got one that does (use detach())");
  if (!t.is_cpu())
    raise_python(PyExc_BufferError, "__dlpack__: expected a tensor on the CPU, got one on ", t.device());
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
    raise_python(PyExc_TypeError, "from_dlpack: expected an object with __dlpack__ or a DLPack capsule, got ",
                 Py_TYPE(object)->tp_name);
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
    raise_python(PyExc_TypeError, "from_dlpack: expected a capsule from __dlpack__(), got ",
                 Py_TYPE(capsule.get())->tp_name);
  return consume(capsule.get());
}

}  // namespace clew::python
