// The Python type `clew.Tensor`: memory, identity, operators, attributes.
#include "bindings/src/tensor_type.h"

#include <array>
#include <cstring>

#include "bindings/src/autograd.h"
#include "bindings/src/data.h"
#include "clew/autograd/node.h"
#include "clew/ops/ops.h"

// CPython fills the slots that are left out.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace clew::python {
namespace {

// --- memory and identity -------------------------------------------------------------------------

constexpr int kFreeListSize = 256;
PyTensor* free_list[kFreeListSize];
int free_count = 0;

PyTensor* allocate_wrapper(PyTypeObject* type) {
  PyTensor* self;
  if (type == &TensorType && free_count > 0) {
    self = free_list[--free_count];
    _Py_NewReference(reinterpret_cast<PyObject*>(self));
  } else {
    self = reinterpret_cast<PyTensor*>(type->tp_alloc(type, 0));
    if (self == nullptr) throw PythonError();
    if (PyObject_GC_IsTracked(reinterpret_cast<PyObject*>(self))) PyObject_GC_UnTrack(self);
  }
  self->dict = nullptr;
  self->weak_references = nullptr;
  new (&self->tensor) Tensor;
  return self;
}

void dealloc(PyObject* p) {
  auto* self = reinterpret_cast<PyTensor*>(p);
  PyObject_GC_UnTrack(p);
  if (self->weak_references != nullptr) PyObject_ClearWeakRefs(p);
  Py_CLEAR(self->dict);
  if (TensorBody* body = self->tensor.body()) {
    body->python_object = nullptr;
    // The last handle of a large graph frees for long; others may run meanwhile. Small ones are not worth it.
    self->tensor = Tensor();
  }
  self->tensor.~Tensor();
  if (Py_TYPE(p) == &TensorType && free_count < kFreeListSize) {
    free_list[free_count++] = self;
    return;
  }
  PyTypeObject* type = Py_TYPE(p);
  type->tp_free(p);  // of a Python subclass the interpreter counts and visits the type itself
}

int traverse(PyObject* p, visitproc visit, void* arg) {
  auto* self = reinterpret_cast<PyTensor*>(p);
  Py_VISIT(self->dict);
  return 0;
}

int clear(PyObject* p) {
  Py_CLEAR(reinterpret_cast<PyTensor*>(p)->dict);
  return 0;
}

PyObject* new_tensor(PyTypeObject* type, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    // Integers are sizes; one other argument is data, which takes the default dtype.
    const Py_ssize_t n = PyTuple_GET_SIZE(args);
    Shape sizes;
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* p = PyTuple_GET_ITEM(args, i);
      if (!PyLong_Check(p) || PyBool_Check(p)) break;
      const long long size = PyLong_AsLongLong(p);
      if (size == -1 && PyErr_Occurred()) throw PythonError();
      sizes.push_back(size);
    }
    if (n == 0) return wrap_as(type, empty({0}));
    if (static_cast<Py_ssize_t>(sizes.size()) == n) return wrap_as(type, empty(sizes));
    CLEW_CHECK(n == 1, TypeError, "Tensor: expected sizes, or data as one argument, got ", n, " arguments");
    PyObject* data = PyTuple_GET_ITEM(args, 0);
    if (is_tensor(data)) return wrap_as(type, as_tensor(data).detach());
    return wrap_as(type, tensor_from_data(data, default_dtype(), std::nullopt, true));
  });
}

// --- numbers ---------------------------------------------------------------------------------------

// A NumPy scalar is no PyFloat or PyLong, except float64: it is asked for its Python twin.
bool is_number_like(PyObject* p) {
  PyNumberMethods* n = Py_TYPE(p)->tp_as_number;
  if (n == nullptr || (n->nb_float == nullptr && n->nb_index == nullptr)) return false;
  return Py_TYPE(p)->tp_as_sequence == nullptr || Py_TYPE(p)->tp_as_sequence->sq_item == nullptr;
}

// --- operators -------------------------------------------------------------------------------------

using Binary = Tensor (*)(const Tensor&, const Tensor&);

bool is_large(const Tensor& a, const Tensor& b) {
  return a.numel() >= kReleaseGilNumel || b.numel() >= kReleaseGilNumel;
}

template <Binary fn>
PyObject* binary(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    Tensor sa, sb;
    const Tensor* ta = to_operand(a, sa);
    const Tensor* tb = ta == nullptr ? nullptr : to_operand(b, sb);
    if (tb == nullptr) Py_RETURN_NOTIMPLEMENTED;
    Tensor result;
    {
      const ReleaseGil release(is_large(*ta, *tb));
      result = fn(*ta, *tb);
    }
    return wrap(result);
  });
}

template <Binary fn>
PyObject* inplace(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    Tensor sb;
    const Tensor* tb = to_operand(b, sb);
    if (tb == nullptr) Py_RETURN_NOTIMPLEMENTED;
    {
      const ReleaseGil release(is_large(as_tensor(a), *tb));
      fn(as_tensor(a), *tb);
    }
    return Py_NewRef(a);
  });
}

template <Tensor (*fn)(const Tensor&)>
PyObject* unary(PyObject* a) {
  return guarded([&]() -> PyObject* {
    Tensor result;
    {
      const ReleaseGil release(as_tensor(a).numel() >= kReleaseGilNumel);
      result = fn(as_tensor(a));
    }
    return wrap(result);
  });
}

// The ops behind operators, without their optional arguments.
Tensor op_add(const Tensor& a, const Tensor& b) { return add(a, b); }
Tensor op_sub(const Tensor& a, const Tensor& b) { return sub(a, b); }
Tensor op_add_(const Tensor& a, const Tensor& b) { return add_(a, b); }
Tensor op_sub_(const Tensor& a, const Tensor& b) { return sub_(a, b); }
Tensor op_invert(const Tensor& a) { return bitwise_not(a); }
Tensor op_positive(const Tensor& a) { return a; }

PyObject* power(PyObject* a, PyObject* b, PyObject*) { return binary<pow>(a, b); }
PyObject* inplace_power(PyObject* a, PyObject* b, PyObject*) { return inplace<pow_>(a, b); }

PyObject* compare(PyObject* a, PyObject* b, int how) {
  switch (how) {
    case Py_LT:
      return binary<lt>(a, b);
    case Py_LE:
      return binary<le>(a, b);
    case Py_EQ:
      return binary<eq>(a, b);
    case Py_NE:
      return binary<ne>(a, b);
    case Py_GT:
      return binary<gt>(a, b);
    default:
      return binary<ge>(a, b);
  }
}

int as_bool(PyObject* p) {
  return guarded(
      [&]() -> int {
        const Tensor& t = as_tensor(p);
        CLEW_CHECK(t.numel() == 1, ValueError, "bool: expected a tensor with one element, got shape ",
                   t.sizes(), " (use any() or all())");
        return t.item().to_bool();
      },
      -1);
}
PyObject* as_float(PyObject* p) {
  return guarded([&] { return PyFloat_FromDouble(as_tensor(p).item().to_double()); });
}
PyObject* as_int(PyObject* p) {
  return guarded([&]() -> PyObject* {
    const Scalar s = as_tensor(p).item();
    return s.is_floating() ? PyLong_FromDouble(s.to_double()) : PyLong_FromLongLong(s.to_int());
  });
}
PyObject* as_index(PyObject* p) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = as_tensor(p);
    CLEW_CHECK(!is_floating(t.dtype()) && t.numel() == 1, TypeError,
               "index: expected an integer tensor with one element, got dtype ", t.dtype(), " and shape ",
               t.sizes());
    return PyLong_FromLongLong(t.item().to_int());
  });
}

Py_hash_t hash(PyObject* p) { return _Py_HashPointer(p); }

PyObject* repr(PyObject* p) {
  return guarded([&] {
    std::string text = to_string(as_tensor(p));
    if (Py_TYPE(p) != &TensorType) {
      const std::string name = Py_TYPE(p)->tp_name;
      if (name == "Parameter") text = "Parameter containing:\n" + text;
    }
    return PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
  });
}

Py_ssize_t length(PyObject* p) {
  return guarded(
      [&]() -> Py_ssize_t {
        const Tensor& t = as_tensor(p);
        CLEW_CHECK(t.dim() > 0, TypeError, "len: expected a tensor with dimensions, got a 0-dim tensor");
        return t.sizes()[0];
      },
      -1);
}

PyObject* iterate(PyObject* p) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = as_tensor(p);
    CLEW_CHECK(t.dim() > 0, TypeError, "iter: expected a tensor with dimensions, got a 0-dim tensor");
    const TensorList rows = unbind(t, 0);
    const Object list(check(PyList_New(static_cast<Py_ssize_t>(rows.size()))));
    for (size_t i = 0; i < rows.size(); ++i)
      PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), wrap(rows[i]));
    return PyObject_GetIter(list.get());
  });
}

int contains(PyObject* p, PyObject* value) {
  return guarded(
      [&]() -> int {
        Tensor storage;
        const Tensor* v = to_operand(value, storage);
        CLEW_CHECK(v != nullptr, TypeError, "in: expected a number or a tensor, got ",
                   Py_TYPE(value)->tp_name);
        const NoGradGuard guard;
        return any(eq(as_tensor(p), *v)).item().to_bool();
      },
      -1);
}

// --- attributes ------------------------------------------------------------------------------------

template <class F>
PyObject* get(PyObject* self, F&& f) {
  return guarded([&]() -> PyObject* { return f(as_tensor(self)); });
}

#define CLEW_GETTER(name, expression)                                          \
  PyObject* get_##name(PyObject* self, void*) {                                \
    return get(self, [](const Tensor& t) -> PyObject* { return expression; }); \
  }
CLEW_GETTER(shape, from_sizes(t.sizes()))
CLEW_GETTER(dtype, from_dtype(t.dtype()))
CLEW_GETTER(device, from_device(t.device()))
CLEW_GETTER(ndim, PyLong_FromLongLong(t.dim()))
CLEW_GETTER(requires_grad, PyBool_FromLong(t.requires_grad()))
CLEW_GETTER(is_leaf, PyBool_FromLong(t.is_leaf()))
CLEW_GETTER(grad, wrap(t.grad()))
CLEW_GETTER(grad_fn, wrap_node(Ref<autograd::Node>::share(autograd::grad_fn(t))))
CLEW_GETTER(output_nr, PyLong_FromUnsignedLong(t.body()->output_nr))
CLEW_GETTER(data, wrap(t.detach()))
CLEW_GETTER(T, wrap(t.dim() < 2 ? t : [&] {
              Shape dims;
              for (int64_t d = t.dim(); d-- > 0;) dims.push_back(d);
              return permute(t, dims);
            }()))
CLEW_GETTER(mT, wrap(transpose(t, -2, -1)))
CLEW_GETTER(is_cuda, PyBool_FromLong(t.is_cuda()))
CLEW_GETTER(is_meta, PyBool_FromLong(t.is_meta()))
CLEW_GETTER(itemsize, PyLong_FromSize_t(item_size(t.dtype())))
CLEW_GETTER(nbytes, PyLong_FromSize_t(t.nbytes()))
CLEW_GETTER(version, PyLong_FromUnsignedLong(t.version()))
CLEW_GETTER(base,
            t.body()->view_base == nullptr ? Py_NewRef(Py_None) : wrap(Tensor::share(t.body()->view_base)))
CLEW_GETTER(retains_grad, PyBool_FromLong(t.body()->retains_grad))
#undef CLEW_GETTER

int set_requires_grad(PyObject* self, PyObject* value, void*) {
  return guarded(
      [&]() -> int {
        CLEW_CHECK(value != nullptr, TypeError, "requires_grad: cannot be deleted");
        const int truth = PyObject_IsTrue(value);
        check(truth);
        as_tensor(self).set_requires_grad(truth != 0);
        return 0;
      },
      -1);
}

int set_grad(PyObject* self, PyObject* value, void*) {
  return guarded(
      [&]() -> int {
        if (value == nullptr || value == Py_None) {
          as_tensor(self).set_grad({});
          return 0;
        }
        CLEW_CHECK(is_tensor(value), TypeError, "grad: expected a tensor or None, got ",
                   Py_TYPE(value)->tp_name);
        as_tensor(self).set_grad(as_tensor(value));
        return 0;
      },
      -1);
}

// `x.data = y` makes x show y's storage; history and gradient stay.
int set_data(PyObject* self, PyObject* value, void*) {
  return guarded(
      [&]() -> int {
        CLEW_CHECK(value != nullptr && is_tensor(value), TypeError, "data: expected a tensor");
        as_tensor(self).set_data(as_tensor(value));
        return 0;
      },
      -1);
}

// Only device memory has it: numpy and others ask with hasattr.
PyObject* get_cuda_array_interface(PyObject*, void*) {
  PyErr_SetString(
      PyExc_AttributeError,
      "__cuda_array_interface__: expected a tensor on a CUDA device, got one on cpu (use .cuda())");
  return nullptr;
}

PyGetSetDef getters[] = {
    {"__cuda_array_interface__", get_cuda_array_interface, nullptr, "Device memory, for other libraries.",
     nullptr},
    {"shape", get_shape, nullptr, "Sizes, one per dimension (clew.Size).", nullptr},
    {"dtype", get_dtype, nullptr, "Element type.", nullptr},
    {"device", get_device, nullptr, "Where the data is.", nullptr},
    {"ndim", get_ndim, nullptr, "Number of dimensions.", nullptr},
    {"requires_grad", get_requires_grad, set_requires_grad, "True when backward would reach this tensor.",
     nullptr},
    {"is_leaf", get_is_leaf, nullptr, "True without a grad_fn.", nullptr},
    {"grad", get_grad, set_grad, "The accumulated gradient of a leaf, or None.", nullptr},
    {"grad_fn", get_grad_fn, nullptr, "The tape node that made this tensor, or None.", nullptr},
    {"output_nr", get_output_nr, nullptr, "Which output of grad_fn this is.", nullptr},
    {"data", get_data, set_data, "The same storage without history.", nullptr},
    {"T", get_T, nullptr, "View with all dimensions reversed.", nullptr},
    {"mT", get_mT, nullptr, "View with the last two dimensions swapped.", nullptr},
    {"is_cuda", get_is_cuda, nullptr, "True on a CUDA device.", nullptr},
    {"is_meta", get_is_meta, nullptr, "True on the meta device: shape and dtype, no data.", nullptr},
    {"itemsize", get_itemsize, nullptr, "Bytes per element.", nullptr},
    {"nbytes", get_nbytes, nullptr, "Bytes of all elements.", nullptr},
    {"_version", get_version, nullptr, "How often the storage was written in place.", nullptr},
    {"_base", get_base, nullptr, "The tensor this is a view of, or None.", nullptr},
    {"retains_grad", get_retains_grad, nullptr, "True for a non-leaf that keeps its gradient.", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

// --- methods that are no ops -----------------------------------------------------------------------

PyObject* method_item(PyObject* self, PyObject*) {
  return get(self, [](const Tensor& t) { return from_scalar(t.item()); });
}
PyObject* method_tolist(PyObject* self, PyObject*) { return get(self, to_list); }
PyObject* method_detach(PyObject* self, PyObject*) {
  return get(self, [](const Tensor& t) { return wrap(t.detach()); });
}
PyObject* method_detach_(PyObject* self, PyObject*) {
  return get(self, [&](const Tensor& t) {
    CLEW_CHECK(!t.is_view(), AutogradError,
               "detach_: expected a tensor that is no view, got a view of shape ", t.sizes(),
               " (use detach())");
    autograd::set_history(t, {}, 0);
    t.body()->requires_grad = false;
    return Py_NewRef(self);
  });
}
PyObject* method_numel(PyObject* self, PyObject*) {
  return get(self, [](const Tensor& t) { return PyLong_FromLongLong(t.numel()); });
}
PyObject* method_dim(PyObject* self, PyObject*) {
  return get(self, [](const Tensor& t) { return PyLong_FromLongLong(t.dim()); });
}
PyObject* method_is_contiguous(PyObject* self, PyObject* args, PyObject* kwargs) {
  return get(self, [&](const Tensor& t) -> PyObject* {
    PyObject* format = nullptr;
    if (PyTuple_GET_SIZE(args) == 1) {
      format = PyTuple_GET_ITEM(args, 0);
    } else if (kwargs != nullptr) {
      format = PyDict_GetItemString(kwargs, "memory_format");
    }
    if (format == nullptr || format == Py_None) return PyBool_FromLong(t.is_contiguous());
    const Object text(check(PyObject_Str(format)));
    const std::string name = PyUnicode_AsUTF8(text.get());
    if (name == "clew.contiguous_format") return PyBool_FromLong(t.is_contiguous());
    const int64_t rank = name == "clew.channels_last" ? 4 : name == "clew.channels_last_3d" ? 5 : 0;
    CLEW_CHECK(rank != 0, ValueError,
               "is_contiguous: expected contiguous_format, channels_last or channels_last_3d, got ", name);
    if (t.dim() != rank) return PyBool_FromLong(0);
    // Channels innermost: batch, then the spatial dimensions, then channels.
    Shape order{0};
    for (int64_t d = 2; d < rank; ++d) order.push_back(d);
    order.push_back(1);
    const NoGradGuard guard;
    return PyBool_FromLong(permute(t, order).is_contiguous());
  });
}
PyObject* method_data_ptr(PyObject* self, PyObject*) {
  return get(self, [](const Tensor& t) {
    return PyLong_FromVoidPtr(t.storage()->data() == nullptr ? nullptr : t.raw_data());
  });
}
PyObject* method_storage_offset(PyObject* self, PyObject*) {
  return get(self, [](const Tensor& t) { return PyLong_FromLongLong(t.storage_offset()); });
}
PyObject* method_element_size(PyObject* self, PyObject*) {
  return get(self, [](const Tensor& t) { return PyLong_FromSize_t(item_size(t.dtype())); });
}
PyObject* method_is_floating_point(PyObject* self, PyObject*) {
  return get(self, [](const Tensor& t) { return PyBool_FromLong(is_floating(t.dtype())); });
}
PyObject* method_retain_grad(PyObject* self, PyObject*) {
  return get(self, [](const Tensor& t) {
    autograd::retain_grad(t);
    return Py_NewRef(Py_None);
  });
}
PyObject* method_size(PyObject* self, PyObject* args) {
  return get(self, [&](const Tensor& t) -> PyObject* {
    if (PyTuple_GET_SIZE(args) == 0) return from_sizes(t.sizes());
    const long long d = PyLong_AsLongLong(PyTuple_GET_ITEM(args, 0));
    if (d == -1 && PyErr_Occurred()) throw PythonError();
    return PyLong_FromLongLong(t.size(d));
  });
}
PyObject* method_stride(PyObject* self, PyObject* args) {
  return get(self, [&](const Tensor& t) -> PyObject* {
    if (PyTuple_GET_SIZE(args) == 0) {
      const Object list(check(PyTuple_New(t.dim())));
      for (int64_t i = 0; i < t.dim(); ++i)
        PyTuple_SET_ITEM(list.get(), i, PyLong_FromLongLong(t.strides()[static_cast<size_t>(i)]));
      return Py_NewRef(list.get());
    }
    const long long d = PyLong_AsLongLong(PyTuple_GET_ITEM(args, 0));
    if (d == -1 && PyErr_Occurred()) throw PythonError();
    return PyLong_FromLongLong(t.stride(d));
  });
}
PyObject* method_requires_grad_(PyObject* self, PyObject* args) {
  return get(self, [&](const Tensor& t) {
    const int truth = PyTuple_GET_SIZE(args) == 0 ? 1 : PyObject_IsTrue(PyTuple_GET_ITEM(args, 0));
    check(truth);
    t.set_requires_grad(truth != 0);
    return Py_NewRef(self);
  });
}
PyObject* method_dlpack(PyObject* self, PyObject* args, PyObject* kwargs) {
  return get(self, [&](const Tensor& t) -> PyObject* {
    static const char* keywords[] = {"stream", "max_version", "dl_device", "copy", nullptr};
    PyObject *stream = Py_None, *version = Py_None, *device = Py_None, *copy = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OOO", const_cast<char**>(keywords), &stream, &version,
                                     &device, &copy))
      throw PythonError();
    if (stream != Py_None)
      raise_python(PyExc_BufferError, "__dlpack__: expected stream=None for memory of the CPU, got ",
                   Py_TYPE(stream)->tp_name);
    if (device != Py_None) {
      int kind = 0, index = 0;
      if (!PyArg_ParseTuple(device, "ii", &kind, &index)) throw PythonError();
      if (kind != 1 || index != 0)
        raise_python(PyExc_BufferError, "__dlpack__: expected dl_device (1, 0), the CPU, got (", kind, ", ",
                     index, ")");
    }
    // Without max_version, or with one below 1, consumers want the capsule without a version, which this is;
    // those that take more must take it too.
    const int truth = copy == Py_None ? 0 : PyObject_IsTrue(copy);
    check(truth);
    return to_dlpack(truth != 0 ? clone(t.detach()) : t);
  });
}
PyObject* method_dlpack_device(PyObject* self, PyObject*) {
  return get(self, [](const Tensor& t) {
    constexpr int kDLCPU = 1;
    CLEW_CHECK(t.is_cpu(), DeviceError, "__dlpack_device__: expected a tensor on the CPU, got one on ",
               t.device());
    return Py_BuildValue("(ii)", kDLCPU, 0);
  });
}

PyMethodDef methods[] = {
    {"item", method_item, METH_NOARGS, "The value of a one-element tensor as a Python number."},
    {"tolist", method_tolist, METH_NOARGS, "The values as nested lists, or a number for a 0-dim tensor."},
    {"detach", method_detach, METH_NOARGS, "The same data without history."},
    {"detach_", method_detach_, METH_NOARGS, "Drops this tensor's history."},
    {"numel", method_numel, METH_NOARGS, "Number of elements."},
    {"nelement", method_numel, METH_NOARGS, "Number of elements."},
    {"dim", method_dim, METH_NOARGS, "Number of dimensions."},
    {"ndimension", method_dim, METH_NOARGS, "Number of dimensions."},
    {"is_contiguous", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method_is_contiguous)),
     METH_VARARGS | METH_KEYWORDS, "True when elements lie in row-major order without gaps."},
    {"data_ptr", method_data_ptr, METH_NOARGS, "Address of the first element."},
    {"storage_offset", method_storage_offset, METH_NOARGS,
     "Elements between the storage's start and the first element."},
    {"element_size", method_element_size, METH_NOARGS, "Bytes per element."},
    {"is_floating_point", method_is_floating_point, METH_NOARGS, "True for floating dtypes."},
    {"retain_grad", method_retain_grad, METH_NOARGS, "Lets a non-leaf keep its gradient in .grad."},
    {"size", method_size, METH_VARARGS, "size() is the shape; size(dim) one of its entries."},
    {"stride", method_stride, METH_VARARGS, "stride() is all strides in elements; stride(dim) one of them."},
    {"requires_grad_", method_requires_grad_, METH_VARARGS, "Sets requires_grad and returns the tensor."},
    {"__dlpack__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method_dlpack)),
     METH_VARARGS | METH_KEYWORDS, "A DLPack capsule that shares memory."},
    {"__dlpack_device__", method_dlpack_device, METH_NOARGS,
     "(device type, device index) as DLPack numbers them."},
    {nullptr, nullptr, 0, nullptr},
};

PyNumberMethods as_number = {
    .nb_add = binary<op_add>,
    .nb_subtract = binary<op_sub>,
    .nb_multiply = binary<mul>,
    .nb_remainder = binary<remainder>,
    .nb_power = power,
    .nb_negative = unary<neg>,
    .nb_positive = unary<op_positive>,
    .nb_absolute = unary<abs>,
    .nb_bool = as_bool,
    .nb_invert = unary<op_invert>,
    .nb_lshift = binary<bitwise_left_shift>,
    .nb_rshift = binary<bitwise_right_shift>,
    .nb_and = binary<bitwise_and>,
    .nb_xor = binary<bitwise_xor>,
    .nb_or = binary<bitwise_or>,
    .nb_int = as_int,
    .nb_float = as_float,
    .nb_inplace_add = inplace<op_add_>,
    .nb_inplace_subtract = inplace<op_sub_>,
    .nb_inplace_multiply = inplace<mul_>,
    .nb_inplace_remainder = inplace<remainder_>,
    .nb_inplace_power = inplace_power,
    .nb_inplace_lshift = inplace<bitwise_left_shift_>,
    .nb_inplace_rshift = inplace<bitwise_right_shift_>,
    .nb_inplace_and = inplace<bitwise_and_>,
    .nb_inplace_xor = inplace<bitwise_xor_>,
    .nb_inplace_or = inplace<bitwise_or_>,
    .nb_floor_divide = binary<floor_divide>,
    .nb_true_divide = binary<true_divide>,
    .nb_inplace_floor_divide = inplace<floor_divide_>,
    .nb_inplace_true_divide = inplace<true_divide_>,
    .nb_index = as_index,
    .nb_matrix_multiply = binary<matmul>,
};
PySequenceMethods as_sequence = {.sq_contains = contains};
PyMappingMethods as_mapping = {.mp_length = length, .mp_subscript = get_item, .mp_ass_subscript = set_item};

}  // namespace

PyTypeObject TensorType = {
    .ob_base = {PyObject_HEAD_INIT(nullptr) 0},
    .tp_name = "clew.Tensor",
    .tp_basicsize = sizeof(PyTensor),
    .tp_dealloc = dealloc,
    .tp_repr = repr,
    .tp_as_number = &as_number,
    .tp_as_sequence = &as_sequence,
    .tp_as_mapping = &as_mapping,
    .tp_hash = hash,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "A strided view of typed memory, with its place on the tape.",
    .tp_traverse = traverse,
    .tp_clear = clear,
    .tp_richcompare = compare,
    .tp_weaklistoffset = offsetof(PyTensor, weak_references),
    .tp_iter = iterate,
    .tp_methods = methods,
    .tp_getset = getters,
    .tp_dictoffset = offsetof(PyTensor, dict),
    .tp_new = new_tensor,
};

PyObject* wrap_as(PyTypeObject* type, Tensor t) {
  PyTensor* self = allocate_wrapper(type);
  self->tensor = std::move(t);
  self->tensor.body()->python_object = self;
  PyObject_GC_Track(self);
  return reinterpret_cast<PyObject*>(self);
}

PyObject* wrap(const Tensor& t) {
  if (!t.defined()) return Py_NewRef(Py_None);
  if (void* existing = t.body()->python_object) return Py_NewRef(static_cast<PyObject*>(existing));
  return wrap_as(&TensorType, t);
}

bool to_scalar(PyObject* p, Scalar& out) {
  if (PyFloat_Check(p)) {
    out = Scalar(PyFloat_AS_DOUBLE(p));
    return true;
  }
  if (PyBool_Check(p)) {
    out = Scalar(p == Py_True);
    return true;
  }
  if (PyLong_Check(p)) {
    int overflow = 0;
    const long long v = PyLong_AsLongLongAndOverflow(p, &overflow);
    CLEW_CHECK(overflow == 0, ValueError, "number: expected an integer that fits int64, got a larger one");
    out = Scalar(static_cast<int64_t>(v));
    return true;
  }
  if (is_tensor(p)) {
    if (as_tensor(p).numel() != 1 || as_tensor(p).is_meta()) return false;
    out = as_tensor(p).item();
    return true;
  }
  if (!is_number_like(p)) return false;
  if (std::strcmp(Py_TYPE(p)->tp_name, "numpy.bool") == 0 ||
      std::strcmp(Py_TYPE(p)->tp_name, "numpy.bool_") == 0) {
    out = Scalar(PyObject_IsTrue(p) == 1);
    return true;
  }
  const Object twin(Py_TYPE(p)->tp_as_number->nb_index != nullptr ? PyNumber_Index(p) : PyNumber_Float(p));
  if (!twin) {
    PyErr_Clear();
    return false;
  }
  return to_scalar(twin.get(), out);
}

const Tensor* to_operand(PyObject* p, Tensor& storage) {
  if (is_tensor(p)) return &as_tensor(p);
  Scalar s;
  if (!to_scalar(p, s)) return nullptr;
  storage = weak_scalar_tensor(s);
  return &storage;
}

PyObject* from_scalar(const Scalar& s) {
  switch (s.kind()) {
    case Scalar::Kind::Bool:
      return PyBool_FromLong(s.to_bool());
    case Scalar::Kind::Int:
      return PyLong_FromLongLong(s.to_int());
    case Scalar::Kind::Double:
      break;
  }
  return PyFloat_FromDouble(s.to_double());
}

void init_tensor_type(PyObject* module) {
  init_small_types(module);
  check(PyType_Ready(&TensorType));
  check(PyModule_AddObjectRef(module, "Tensor", reinterpret_cast<PyObject*>(&TensorType)));
  // NumPy must leave `array + tensor` to us.
  const Object priority(check(PyFloat_FromDouble(1000)));
  check(PyDict_SetItemString(TensorType.tp_dict, "__array_priority__", priority.get()));
}

}  // namespace clew::python
