// What a kernel file may use of the CUDA language, so that it compiles a second time for the emulator of
// tests/cuda_emulation: launches and shared memory through these macros, no inline assembly, no dynamic
// parallelism.
//
//   CLEW_LAUNCH((kernel<T>), blocks, threads, shared_bytes, stream, arguments...)
//   CLEW_SHARED(float, sums, 32);        shared memory of a fixed size
//   CLEW_DYNAMIC_SHARED(float, rows);    shared memory of the size that the launch asks for; one per kernel
#pragma once

#include "cuda/driver.h"

// The emulator's build includes its own header first, which defines the same names.
#ifndef CLEW_CUDA_EMULATION

#include <cuda_runtime.h>

#define CLEW_LAUNCH(kernel, blocks, threads, shared_bytes, stream, ...)                                \
  do {                                                                                                 \
    (kernel)<<<(blocks), (threads), (shared_bytes), static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__); \
    ::clew::cuda::driver().check_launch("a kernel launch");                                            \
  } while (false)
#define CLEW_UNROLL _Pragma("unroll")
#define CLEW_SHARED(T, name, count) __shared__ T name[count]
#define CLEW_DYNAMIC_SHARED(T, name)                          \
  extern __shared__ __align__(16) unsigned char name##_raw[]; \
  T* const name = reinterpret_cast<T*>(name##_raw)

#endif

namespace clew::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

}  // namespace clew::cuda
