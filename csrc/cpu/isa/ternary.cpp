#include "cpu/isa/common.h"

namespace clew::cpu::CLEW_ISA {
namespace {

using Kernel = void (*)(void* out, const void* a, const void* b, const void* c, int64_t n,
                        const LoopParams& p);

template <class F, class T>
void contiguous(void* out, const void* a, const void* b, const void* c, int64_t n, const LoopParams& p) {
  const F f = make_functor<F>(p);
  T* o = static_cast<T*>(out);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  const T* z = static_cast<const T*>(c);
  CLEW_IVDEP
  for (int64_t i = 0; i < n; ++i) o[i] = static_cast<T>(f(x[i], y[i], z[i]));
}

// Moves bits: one loop per element size.
template <class T>
void select(void* out, const void* cond, const void* a, const void* b, int64_t n, const LoopParams&) {
  using A __attribute__((may_alias)) = T;
  A* o = static_cast<A*>(out);
  const uint8_t* m = static_cast<const uint8_t*>(cond);
  const A* x = static_cast<const A*>(a);
  const A* y = static_cast<const A*>(b);
  CLEW_IVDEP
  for (int64_t i = 0; i < n; ++i) {
    const T u = x[i];  // both are read, so that the loop has no branch
    const T v = y[i];
    o[i] = m[i] != 0 ? u : v;
  }
}

// A: storage of the first operand; T: of the others and the result.
template <class A, class T>
CLEW_ONE_COPY void blocked(Kernel kernel, T* out, const A* a, const T* b, const T* c, int64_t n, int64_t so,
                           int64_t sa, int64_t sb, int64_t sc, const LoopParams& p) {
  using C = compute_t<T>;
  alignas(64) compute_t<A> a_buffer[kBlock];
  alignas(64) C b_buffer[kBlock];
  alignas(64) C c_buffer[kBlock];
  alignas(64) C out_buffer[kBlock];
  // A repeated element is spread out once.
  const int64_t first = smaller(kBlock, n);
  const compute_t<A>* x = sa == 0 ? as_block(a, first, 0, a_buffer) : nullptr;
  const C* y = sb == 0 ? as_block(b, first, 0, b_buffer) : nullptr;
  const C* z = sc == 0 ? as_block(c, first, 0, c_buffer) : nullptr;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = smaller(kBlock, n - i);
    if (sa != 0) x = as_block(a + i * sa, m, sa, a_buffer);
    if (sb != 0) y = as_block(b + i * sb, m, sb, b_buffer);
    if (sc != 0) z = as_block(c + i * sc, m, sc, c_buffer);
    C* o = out_block(out + i * so, so, out_buffer);
    kernel(o, x, y, z, m, p);
    put_block(out + i * so, o, m, so);
  }
}

template <Kernel kernel, class A, class T>
void loop(void* out, const void* a, const void* b, const void* c, int64_t n, int64_t so, int64_t sa,
          int64_t sb, int64_t sc, const LoopParams& p) {
  if constexpr (!is_packed<T>) {
    if ((so == 1 && sa == 1 && sb == 1 && sc == 1) || n == 1) return kernel(out, a, b, c, n, p);
  }
  blocked<A, T>(kernel, static_cast<T*>(out), static_cast<const A*>(a), static_cast<const T*>(b),
                static_cast<const T*>(c), n, so, sa, sb, sc, p);
}

template <class T>
constexpr void set_where(TernaryTable& t) {
  using R = raw_t<sizeof(T)>;
  t.at[static_cast<int>(TernaryOp::where)][column_of<T>()] = &loop<&select<R>, uint8_t, R>;
}

template <class F, class T>
constexpr void set(TernaryTable& t, TernaryOp op) {
  t.at[static_cast<int>(op)][column_of<T>()] = &loop<&contiguous<F, compute_t<T>>, T, T>;
}

template <class F>
constexpr void set_floats(TernaryTable& t, TernaryOp op) {
  set<F, float>(t, op);
  set<F, Half>(t, op);
  set<F, BFloat16>(t, op);
  set<F, double>(t, op);
}

constexpr TernaryTable make_table() {
  namespace k = kernels;
  TernaryTable t{};
  set_where<bool>(t);
  set_where<uint8_t>(t);
  set_where<int8_t>(t);
  set_where<int16_t>(t);
  set_where<int32_t>(t);
  set_where<int64_t>(t);
  set_where<Half>(t);
  set_where<BFloat16>(t);
  set_where<float>(t);
  set_where<double>(t);
  set_floats<k::Lerp>(t, TernaryOp::lerp);
  set_floats<k::Addcmul>(t, TernaryOp::addcmul);
  set_floats<k::Addcdiv>(t, TernaryOp::addcdiv);
  set<k::Addcmul, Narrow<uint8_t>>(t, TernaryOp::addcmul);
  set<k::Addcmul, Narrow<int8_t>>(t, TernaryOp::addcmul);
  set<k::Addcmul, Narrow<int16_t>>(t, TernaryOp::addcmul);
  set<k::Addcmul, int32_t>(t, TernaryOp::addcmul);
  set<k::Addcmul, int64_t>(t, TernaryOp::addcmul);
  return t;
}

}  // namespace

extern const TernaryTable ternary_table;
constinit const TernaryTable ternary_table = make_table();

}  // namespace clew::cpu::CLEW_ISA
