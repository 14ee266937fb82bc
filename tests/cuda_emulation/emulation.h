// Enough of the CUDA language to run the kernels of csrc/cuda on the host: the macros of csrc/cuda/launch.h,
// the built-in variables, barriers, warp collectives and atomics.
//
// Blocks run one after another. A block's threads are fibers on one host thread: each runs until it reaches a
// barrier or a warp collective, and goes on when all that take part have come. What a thread leaves to chance
// is not left to luck here: shared memory starts out as garbage, barriers that some threads miss are errors,
// and CLEW_EMULATION_SHUFFLE=<seed> runs the threads in another order.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <functional>
#include <tuple>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __launch_bounds__(...)

namespace clew::emulation {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
  Dim3() = default;
  template <class T>
    requires std::is_integral_v<T>
  Dim3(T n) : x(static_cast<unsigned>(n)) {}  // NOLINT(google-explicit-constructor)
  Dim3(unsigned nx, unsigned ny, unsigned nz = 1) : x(nx), y(ny), z(nz) {}
};

/// What the running thread of a kernel knows of itself.
struct Where {
  Dim3 thread, block, threads, blocks;
};
extern thread_local Where here;

/// Runs `kernel` as every thread of every block. Raises InternalError when threads wait for each other in
/// vain.
void launch(const char* name, Dim3 blocks, Dim3 threads, size_t shared_bytes,
            const std::function<void()>& kernel);

/// The same for a kernel and its arguments, which are copied, as a launch copies them.
template <class... P, class... A>
void run(const char* name, Dim3 blocks, Dim3 threads, size_t shared_bytes, void (*kernel)(P...),
         const A&... args) {
  const std::tuple<std::remove_cvref_t<P>...> copies(args...);
  launch(name, blocks, threads, shared_bytes, [&] { std::apply(kernel, copies); });
}

void block_barrier();
/// A barrier of the lanes in `mask` of this thread's warp.
void warp_barrier(uint32_t mask);
/// Every lane of `mask` gives `value` and gets that of lane `source`; bits of up to 8 bytes.
uint64_t exchange(uint32_t mask, uint64_t value, unsigned source);
/// The values of all lanes in `mask`, by lane.
const uint64_t* gather(uint32_t mask, uint64_t value);
void release_gathered(uint32_t mask);
unsigned lane();

/// The block's memory for a variable of a kernel, garbage at first.
void* shared_memory(const void* variable, size_t nbytes);
void* dynamic_shared_memory();

template <class T>
uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <class T>
T of_bits(uint64_t bits) {
  T value;
  memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace clew::emulation

using dim3 = clew::emulation::Dim3;

#define threadIdx (::clew::emulation::here.thread)
#define blockIdx (::clew::emulation::here.block)
#define blockDim (::clew::emulation::here.threads)
#define gridDim (::clew::emulation::here.blocks)

#define CLEW_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                       \
  do {                                                                                                    \
    static_cast<void>(stream);                                                                            \
    ::clew::emulation::run(#kernel, (grid), (block), (shared_bytes), (kernel)__VA_OPT__(, ) __VA_ARGS__); \
  } while (false)
#define CLEW_UNROLL
#define CLEW_SHARED(T, name, count)      \
  static const char name##_variable = 0; \
  T* const name = static_cast<T*>(::clew::emulation::shared_memory(&name##_variable, sizeof(T) * (count)))
#define CLEW_DYNAMIC_SHARED(T, name) \
  T* const name = static_cast<T*>(::clew::emulation::dynamic_shared_memory())

// --- barriers and warp collectives ---------------------------------------------------------------------

inline void __syncthreads() { clew::emulation::block_barrier(); }
inline void __syncwarp(uint32_t mask = 0xffffffffu) { clew::emulation::warp_barrier(mask); }

template <class T>
T __shfl_sync(uint32_t mask, T value, int source, int width = 32) {
  namespace e = clew::emulation;
  const unsigned base = e::lane() / static_cast<unsigned>(width) * static_cast<unsigned>(width);
  return e::of_bits<T>(e::exchange(mask, e::to_bits(value),
                                   base + static_cast<unsigned>(source) % static_cast<unsigned>(width)));
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, unsigned by, int width = 32) {
  namespace e = clew::emulation;
  const unsigned w = static_cast<unsigned>(width), at = e::lane() % w;
  return e::of_bits<T>(e::exchange(mask, e::to_bits(value), at + by < w ? e::lane() + by : e::lane()));
}
template <class T>
T __shfl_up_sync(uint32_t mask, T value, unsigned by, int width = 32) {
  namespace e = clew::emulation;
  const unsigned w = static_cast<unsigned>(width), at = e::lane() % w;
  return e::of_bits<T>(e::exchange(mask, e::to_bits(value), at >= by ? e::lane() - by : e::lane()));
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int by, int width = 32) {
  namespace e = clew::emulation;
  const unsigned w = static_cast<unsigned>(width), at = e::lane() % w, other = at ^ static_cast<unsigned>(by);
  return e::of_bits<T>(e::exchange(mask, e::to_bits(value), other < w ? e::lane() - at + other : e::lane()));
}
inline uint32_t __ballot_sync(uint32_t mask, int predicate) {
  namespace e = clew::emulation;
  const uint64_t* all = e::gather(mask, predicate != 0);
  uint32_t result = 0;
  for (unsigned i = 0; i < 32; ++i) {
    if (((mask >> i) & 1) != 0 && all[i] != 0) result |= 1u << i;
  }
  e::release_gathered(mask);
  return result;
}
inline int __any_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }

// --- arithmetic that the language has built in ------------------------------------------------------------

inline uint32_t __umulhi(uint32_t a, uint32_t b) { return static_cast<uint32_t>((uint64_t{a} * b) >> 32); }
inline int __popc(uint32_t x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
template <class T>
T __ldg(const T* p) {
  return *p;
}

// --- atomics: fibers change over at barriers only ---------------------------------------------------------

template <class T>
T atomicAdd(T* p, T v) {
  const T old = *p;
  *p = static_cast<T>(old + v);
  return old;
}
template <class T>
T atomicMax(T* p, T v) {
  const T old = *p;
  if (v > old) *p = v;
  return old;
}
template <class T>
T atomicMin(T* p, T v) {
  const T old = *p;
  if (v < old) *p = v;
  return old;
}
template <class T>
T atomicExch(T* p, T v) {
  const T old = *p;
  *p = v;
  return old;
}
template <class T>
T atomicCAS(T* p, T compare, T v) {
  const T old = *p;
  if (old == compare) *p = v;
  return old;
}
inline void __threadfence() {}
inline void __threadfence_block() {}
