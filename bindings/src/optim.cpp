// The fused optimizer steps, as functions of the extension module.
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bindings/src/tensor_type.h"
#include "clew/optim/adaptive.h"
#include "clew/optim/fused.h"

namespace clew::python {
namespace {

// Handles on the tensors of a list; they keep the tensors alive while the GIL is released.
TensorList to_list_of_tensors(PyObject* p, const char* what) {
  CLEW_CHECK(PyList_Check(p) || PyTuple_Check(p), TypeError, what, ": expected a list of Tensors, got ",
             Py_TYPE(p)->tp_name);
  PyObject** items = PySequence_Fast_ITEMS(p);
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(p);
  TensorList result;
  result.reserve(static_cast<size_t>(n));
  for (Py_ssize_t i = 0; i < n; ++i) {
    CLEW_CHECK(is_tensor(items[i]), TypeError, what, ": expected Tensors, got ", Py_TYPE(items[i])->tp_name,
               " (position ", i, ")");
    result.push_back(as_tensor(items[i]));
  }
  return result;
}

std::vector<uint8_t> to_flags(PyObject* p) {
  std::vector<uint8_t> flags;
  if (p == Py_None) return flags;
  CLEW_CHECK(PyList_Check(p), TypeError, "sgd_step: expected a list of bools or None, got ",
             Py_TYPE(p)->tp_name);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(p); ++i) {
    flags.push_back(PyList_GET_ITEM(p, i) == Py_True ? 1 : 0);
  }
  return flags;
}

double to_double(PyObject* p) {
  const double value = PyFloat_AsDouble(p);
  if (value == -1 && PyErr_Occurred()) throw PythonError();
  return value;
}

bool to_bool(PyObject* p) {
  const int value = PyObject_IsTrue(p);
  check(value);
  return value != 0;
}

int64_t total_numel(const TensorList& tensors) {
  int64_t total = 0;
  for (const Tensor& t : tensors) total += t.numel();
  return total;
}

void expect_count(const char* function, Py_ssize_t got, Py_ssize_t expected) {
  CLEW_CHECK(got == expected, TypeError, function, ": expected ", expected, " arguments, got ", got);
}

PyObject* sgd_step(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
  return guarded([&]() -> PyObject* {
    expect_count("sgd_step", nargs, 9);
    const TensorList params = to_list_of_tensors(args[0], "sgd_step");
    const TensorList buffers = to_list_of_tensors(args[1], "sgd_step");
    const std::vector<uint8_t> fresh = to_flags(args[2]);
    const optim::SGDStep options = {.lr = to_double(args[3]),
                                    .momentum = to_double(args[4]),
                                    .dampening = to_double(args[5]),
                                    .weight_decay = to_double(args[6]),
                                    .nesterov = to_bool(args[7]),
                                    .maximize = to_bool(args[8])};
    {
      const ReleaseGil unlocked(total_numel(params) >= kReleaseGilNumel);
      optim::sgd_step(params, buffers, fresh, options);
    }
    Py_RETURN_NONE;
  });
}

PyObject* adam_step(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
  return guarded([&]() -> PyObject* {
    expect_count("adam_step", nargs, 12);
    const TensorList params = to_list_of_tensors(args[0], "adam_step");
    const TensorList moments = to_list_of_tensors(args[1], "adam_step");
    const TensorList squares = to_list_of_tensors(args[2], "adam_step");
    const TensorList largest = to_list_of_tensors(args[3], "adam_step");
    CLEW_CHECK(is_tensor(args[4]), TypeError, "adam_step: expected a Tensor of steps, got ",
               Py_TYPE(args[4])->tp_name);
    const Tensor steps = as_tensor(args[4]);
    const optim::AdamStep options = {.lr = to_double(args[5]),
                                     .beta1 = to_double(args[6]),
                                     .beta2 = to_double(args[7]),
                                     .eps = to_double(args[8]),
                                     .weight_decay = to_double(args[9]),
                                     .decoupled = to_bool(args[10]),
                                     .maximize = to_bool(args[11])};
    {
      const ReleaseGil unlocked(total_numel(params) >= kReleaseGilNumel);
      optim::adam_step(params, moments, squares, largest, steps, options);
    }
    Py_RETURN_NONE;
  });
}

PyObject* total_norm(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
  return guarded([&]() -> PyObject* {
    expect_count("total_norm", nargs, 2);
    const TensorList tensors = to_list_of_tensors(args[0], "total_norm");
    const double p = to_double(args[1]);
    Tensor result;
    {
      const ReleaseGil unlocked(total_numel(tensors) >= kReleaseGilNumel);
      result = optim::total_norm(tensors, p);
    }
    return wrap(result);
  });
}

PyObject* scale(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
  return guarded([&]() -> PyObject* {
    expect_count("scale_", nargs, 2);
    const TensorList tensors = to_list_of_tensors(args[0], "scale_");
    const double factor = to_double(args[1]);
    {
      const ReleaseGil unlocked(total_numel(tensors) >= kReleaseGilNumel);
      optim::scale_(tensors, factor);
    }
    Py_RETURN_NONE;
  });
}

template <class Options>
void run_adaptive(const Tensor& param, const Tensor& grad, double step, const TensorList& state,
                  const std::vector<double>& numbers) {
  // The options in the order of their declaration, as numbers.
  Options o;
  const auto take = [&](auto&... fields) {
    CLEW_CHECK(numbers.size() == sizeof...(fields), TypeError, "adaptive_step: expected ", sizeof...(fields),
               " options, got ", numbers.size());
    size_t i = 0;
    ((fields = static_cast<std::remove_reference_t<decltype(fields)>>(numbers[i++])), ...);
  };
  if constexpr (std::is_same_v<Options, optim::RMSpropOptions>) {
    take(o.lr, o.alpha, o.eps, o.weight_decay, o.momentum, o.centered);
  } else if constexpr (std::is_same_v<Options, optim::AdagradOptions>) {
    take(o.lr, o.lr_decay, o.weight_decay, o.eps);
  } else if constexpr (std::is_same_v<Options, optim::AdadeltaOptions>) {
    take(o.lr, o.rho, o.eps, o.weight_decay);
  } else if constexpr (std::is_same_v<Options, optim::AdamaxOptions>) {
    take(o.lr, o.beta1, o.beta2, o.eps, o.weight_decay);
  } else if constexpr (std::is_same_v<Options, optim::NAdamOptions>) {
    take(o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, o.momentum_decay, o.decoupled_weight_decay);
  } else if constexpr (std::is_same_v<Options, optim::RAdamOptions>) {
    take(o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, o.decoupled_weight_decay);
  } else {
    take(o.lr, o.eta_minus, o.eta_plus, o.step_size_min, o.step_size_max);
  }
  const ReleaseGil unlocked(param.numel() >= kReleaseGilNumel);
  optim::update(param, grad, step, state, o);
}

struct AdaptiveKind {
  std::string_view name;
  size_t tensors;
  void (*run)(const Tensor&, const Tensor&, double, const TensorList&, const std::vector<double>&);
};
constexpr AdaptiveKind kAdaptive[] = {{"RMSprop", 3, run_adaptive<optim::RMSpropOptions>},
                                      {"Adagrad", 1, run_adaptive<optim::AdagradOptions>},
                                      {"Adadelta", 2, run_adaptive<optim::AdadeltaOptions>},
                                      {"Adamax", 2, run_adaptive<optim::AdamaxOptions>},
                                      {"NAdam", 3, run_adaptive<optim::NAdamOptions>},
                                      {"RAdam", 2, run_adaptive<optim::RAdamOptions>},
                                      {"Rprop", 2, run_adaptive<optim::RpropOptions>}};

PyObject* adaptive_step(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
  return guarded([&]() -> PyObject* {
    CLEW_CHECK(nargs >= 5 && PyUnicode_Check(args[0]) && is_tensor(args[1]) && is_tensor(args[2]), TypeError,
               "adaptive_step: expected (kind, param, grad, step, state, *options)");
    const std::string_view kind = PyUnicode_AsUTF8(args[0]);
    const auto* k = std::ranges::find(kAdaptive, kind, &AdaptiveKind::name);
    CLEW_CHECK(k != std::end(kAdaptive), ValueError, "adaptive_step: expected a known kind, got '", kind,
               "'");
    TensorList state;
    CLEW_CHECK(PyTuple_Check(args[4]) && PyTuple_GET_SIZE(args[4]) == static_cast<Py_ssize_t>(k->tensors),
               TypeError, "adaptive_step: expected a tuple of ", k->tensors, " Tensors or None as state");
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[4]); ++i) {
      PyObject* item = PyTuple_GET_ITEM(args[4], i);
      CLEW_CHECK(item == Py_None || is_tensor(item), TypeError,
                 "adaptive_step: expected Tensors or None as state, got ", Py_TYPE(item)->tp_name);
      state.push_back(item == Py_None ? Tensor() : as_tensor(item));
    }
    std::vector<double> numbers;
    for (Py_ssize_t i = 5; i < nargs; ++i) numbers.push_back(to_double(args[i]));
    k->run(as_tensor(args[1]), as_tensor(args[2]), to_double(args[3]), state, numbers);
    Py_RETURN_NONE;
  });
}

/// (tensors, factor, more, found_bad): the last two are tensors on the device, or None.
PyObject* scale_by(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
  return guarded([&]() -> PyObject* {
    expect_count("scale_", nargs, 4);
    const TensorList tensors = to_list_of_tensors(args[0], "scale_");
    const auto number = [](PyObject* p) {
      CLEW_CHECK(p == Py_None || is_tensor(p), TypeError, "scale_: expected a Tensor or None, got ",
                 Py_TYPE(p)->tp_name);
      return p == Py_None ? Tensor() : as_tensor(p);
    };
    optim::scale_by_(tensors, to_double(args[1]), number(args[2]), number(args[3]));
    Py_RETURN_NONE;
  });
}

using FastFunction = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t);
PyCFunction fast(FastFunction f) { return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f)); }

PyMethodDef methods[] = {
    {"_sgd_step", fast(sgd_step), METH_FASTCALL,
     "(params, buffers, fresh, lr, momentum, dampening, weight_decay, nesterov, maximize)"},
    {"_adam_step", fast(adam_step), METH_FASTCALL,
     "(params, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, lr, beta1, beta2, eps, weight_decay, "
     "decoupled, "
     "maximize)"},
    {"_adaptive_step", fast(adaptive_step), METH_FASTCALL, "(kind, param, grad, step, state, *options)"},
    {"_total_norm", fast(total_norm), METH_FASTCALL, "(tensors, p)"},
    {"_scale_", fast(scale), METH_FASTCALL, "(tensors, factor)"},
    {"_scale_by_", fast(scale_by), METH_FASTCALL, "(tensors, factor, more, found_bad)"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_optim(pybind11::module_& m);
void init_optim(pybind11::module_& m) { check(PyModule_AddFunctions(m.ptr(), methods)); }

}  // namespace clew::python
