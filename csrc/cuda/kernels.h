// The kernels of the CUDA column, one function per family that fills it.
#pragma once

#include "registry/slots.h"

/// Fills the CUDA column of an op's kernel slot: `CLEW_CUDA_KERNEL(softmax, softmax_cuda);`
#define CLEW_CUDA_KERNEL(id, fn) \
  (::clew::id##_kernel.column[static_cast<int>(::clew::DeviceType::CUDA)] = (fn))

namespace clew::cuda {

void register_attention();
void register_conv();
void register_creation();
void register_index();
void register_linalg();
void register_loss();
void register_norm();
void register_pointwise();
void register_pool();
void register_random();
void register_reduce();
void register_rnn();
void register_scan();
void register_shape();
void register_solve();
void register_sort();
void register_special();

inline void register_kernels() {
  register_attention();
  register_conv();
  register_creation();
  register_index();
  register_linalg();
  register_loss();
  register_norm();
  register_pointwise();
  register_pool();
  register_random();
  register_reduce();
  register_rnn();
  register_scan();
  register_shape();
  register_solve();
  register_sort();
  register_special();
}

}  // namespace clew::cuda
