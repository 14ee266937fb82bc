// pybind11 casters onto the hand-written types, so that every other binding takes and returns them.
#pragma once

#include <pybind11/pybind11.h>

#include "bindings/src/tensor_type.h"

namespace pybind11::detail {

template <>
struct type_caster<clew::Tensor> {
  PYBIND11_TYPE_CASTER(clew::Tensor, const_name("Tensor"));
  bool load(handle src, bool) {
    if (!clew::python::is_tensor(src.ptr())) return false;
    value = clew::python::as_tensor(src.ptr());
    return true;
  }
  static handle cast(const clew::Tensor& t, return_value_policy, handle) { return clew::python::wrap(t); }
};

template <>
struct type_caster<clew::DType> {
  PYBIND11_TYPE_CASTER(clew::DType, const_name("dtype"));
  bool load(handle src, bool) { return clew::python::to_dtype(src.ptr(), value); }
  static handle cast(clew::DType t, return_value_policy, handle) { return clew::python::from_dtype(t); }
};

template <>
struct type_caster<clew::Device> {
  PYBIND11_TYPE_CASTER(clew::Device, const_name("device"));
  bool load(handle src, bool) { return clew::python::to_device(src.ptr(), value); }
  static handle cast(clew::Device d, return_value_policy, handle) { return clew::python::from_device(d); }
};

}  // namespace pybind11::detail
