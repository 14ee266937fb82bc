#include "cpu/isa/common.h"
#include "kernels/convert.h"

namespace clew::cpu::CLEW_ISA {
namespace {

using kernels::convert;
using Kernel = void (*)(void* out, const void* in, int64_t n);

template <class To, class From>
CLEW_ONE_COPY void contiguous(void* out, const void* in, int64_t n) {
  To* o = static_cast<To*>(out);
  const From* x = static_cast<const From*>(in);
  CLEW_IVDEP
  for (int64_t i = 0; i < n; ++i) o[i] = convert<To>(x[i]);
}

// Two steps through a block of Mid: rare pairs need no loop of their own. Exact where Mid holds every value
// of From, and by definition where floating or wide values go to narrow integers.
template <class To, class Mid, class From>
void through(void* out, const void* in, int64_t n) {
  alignas(64) Mid block[kBlock];
  To* o = static_cast<To*>(out);
  const From* x = static_cast<const From*>(in);
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = smaller(kBlock, n - i);
    contiguous<Mid, From>(block, x + i, m);
    contiguous<To, Mid>(o + i, block, m);
  }
}

template <int S>
void copy(void* out, const void* in, int64_t n) {
  if (out != in && n > 0) memmove(out, in, static_cast<size_t>(n) * S);
}

template <class From, class To>
CLEW_ONE_COPY void blocked(Kernel kernel, To* out, const From* in, int64_t n, int64_t so, int64_t sa) {
  alignas(64) compute_t<From> in_buffer[kBlock];
  alignas(64) compute_t<To> out_buffer[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = smaller(kBlock, n - i);
    const compute_t<From>* x = as_block(in + i * sa, m, sa, in_buffer);
    compute_t<To>* o = out_block(out + i * so, so, out_buffer);
    kernel(o, x, m);
    put_block(out + i * so, o, m, so);
  }
}

template <Kernel kernel, class From, class To>
void loop(void* out, const void* in, int64_t n, int64_t so, int64_t sa) {
  if constexpr (!is_packed<From> && !is_packed<To>) {
    if ((so == 1 && sa == 1) || n == 1) return kernel(out, in, n);
  }
  blocked<From, To>(kernel, static_cast<To*>(out), static_cast<const From*>(in), n, so, sa);
}

template <class T>
constexpr bool is_small_int = std::is_integral_v<T> && sizeof(T) < 4;

// Loops from compute type From to compute type To. Bool is read as u8; i8 results are u8 results.
template <class From, class To>
constexpr Kernel kernel_for() {
  if constexpr (std::is_same_v<To, int8_t>) {
    return kernel_for<From, uint8_t>();
  } else if constexpr (std::is_same_v<From, To>) {
    return &copy<sizeof(From)>;
  } else if constexpr (std::is_same_v<From, int8_t> && std::is_same_v<To, uint8_t>) {
    return &copy<1>;
  } else if constexpr (std::is_same_v<From, int8_t> && std::is_same_v<To, bool>) {
    return &contiguous<bool, uint8_t>;
  } else if constexpr (std::is_same_v<To, bool> || std::is_same_v<From, int32_t> ||
                       std::is_same_v<To, int32_t>) {
    return &contiguous<To, From>;
  } else if constexpr (std::is_same_v<From, uint8_t> && !is_small_int<To>) {
    return &contiguous<To, From>;  // images and masks
  } else if constexpr (is_small_int<From> || is_small_int<To>) {
    return &through<To, int32_t, From>;
  } else {
    return &contiguous<To, From>;
  }
}

/// float to or from a 16-bit type, without a stop in between where both are contiguous.
template <class From, class To>
void half_loop(void* out, const void* in, int64_t n, int64_t so, int64_t sa) {
  if (so == 1 && sa == 1) {
    if constexpr (is_half<From>) {
      unpack(static_cast<const From*>(in), static_cast<float*>(out), n);
    } else {
      pack(static_cast<const float*>(in), static_cast<To*>(out), n);
    }
    return;
  }
  loop<&copy<sizeof(float)>, block_type<From>, block_type<To>>(out, in, n, so, sa);
}

template <class From, class To>
constexpr void set(CastTable& t) {
  CastLoop& entry = t.at[column_of<From>()][column_of<To>()];
  if constexpr (std::is_same_v<From, To>) {
    entry = &loop<&copy<sizeof(From)>, raw_t<sizeof(From)>, raw_t<sizeof(From)>>;
  } else if constexpr ((is_half<From> && std::is_same_v<To, float>) ||
                       (is_half<To> && std::is_same_v<From, float>)) {
    entry = &half_loop<From, To>;
  } else {
    using F = std::conditional_t<std::is_same_v<From, bool>, uint8_t, compute_t<From>>;
    constexpr Kernel kernel = kernel_for<F, compute_t<To>>();
    entry = &loop<kernel, block_type<From>, block_type<To>>;
  }
}

template <class From>
constexpr void set_from(CastTable& t) {
  set<From, bool>(t);
  set<From, uint8_t>(t);
  set<From, int8_t>(t);
  set<From, int16_t>(t);
  set<From, int32_t>(t);
  set<From, int64_t>(t);
  set<From, Half>(t);
  set<From, BFloat16>(t);
  set<From, float>(t);
  set<From, double>(t);
}

constexpr CastTable make_table() {
  CastTable t{};
  set_from<bool>(t);
  set_from<uint8_t>(t);
  set_from<int8_t>(t);
  set_from<int16_t>(t);
  set_from<int32_t>(t);
  set_from<int64_t>(t);
  set_from<Half>(t);
  set_from<BFloat16>(t);
  set_from<float>(t);
  set_from<double>(t);
  return t;
}

}  // namespace

extern const CastTable cast_table;
constinit const CastTable cast_table = make_table();

}  // namespace clew::cpu::CLEW_ISA
