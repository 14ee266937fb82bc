// Elementwise kernels: an iteration plan around the loops of cpu/isa.
#include "kernels/pointwise.h"

#include "cpu/loops.h"
#include "kernels/iter_plan.h"
#include "registry/slots.h"

namespace clew {
namespace {

using cpu::BinaryOp;
using cpu::LoopParams;
using cpu::TernaryOp;
using cpu::UnaryOp;

bool is_costly(UnaryOp op) { return op >= UnaryOp::exp && op <= UnaryOp::silu; }

/// Whether `out` is dense and so small that one thread does it: then operands that lie as it does, or are one
/// element, need no iteration plan, which costs more than the loop.
bool is_small(const Tensor& out) { return out.numel() <= kGrainCompute && out.is_contiguous(); }

/// The stride at which `t`, which broadcasts to `out`, is read along the dense `out`; -1 where a plan is
/// needed. As many elements mean the same shape, up to dimensions of size 1.
int64_t dense_stride(const Tensor& out, const Tensor& t) {
  if (!t.is_contiguous()) return -1;
  return t.numel() == out.numel() ? 1 : t.numel() == 1 ? 0 : -1;
}

struct CpuLoops {
  static void unary(UnaryOp op, Tensor& out, const Tensor& a, const LoopParams& params) {
    const auto loop = cpu::loops().unary(op, static_cast<int>(a.dtype()));
    if (CLEW_UNLIKELY(loop == nullptr)) kernels::no_loop(a.dtype());
    if (CLEW_UNLIKELY(out.numel() == 0)) return;
    const int64_t sa = dense_stride(out, a);
    if (CLEW_LIKELY(is_small(out) && sa >= 0))
      return loop(out.data<char>(), a.data<char>(), out.numel(), 1, sa, params);
    planned(op, loop, out, a, params);
  }
  [[gnu::noinline]] static void planned(UnaryOp op, cpu::UnaryLoop loop, const Tensor& out, const Tensor& a,
                                        const LoopParams& params) {
    const auto plan = make_plan<2>({&out, &a});
    plan.run(is_costly(op) ? kGrainCompute : kGrainMemory,
             [&](const auto& p, int64_t n, const auto& s) { loop(p[0], p[1], n, s[0], s[1], params); });
  }

  static void binary(BinaryOp op, Tensor& out, const Tensor& a, const Tensor& b, const LoopParams& params) {
    const auto loop = cpu::loops().binary(op, static_cast<int>(a.dtype()));
    if (CLEW_UNLIKELY(loop == nullptr)) kernels::no_loop(a.dtype());
    if (CLEW_UNLIKELY(out.numel() == 0)) return;
    const int64_t sa = dense_stride(out, a), sb = dense_stride(out, b);
    if (CLEW_LIKELY(is_small(out) && sa >= 0 && sb >= 0))
      return loop(out.data<char>(), a.data<char>(), b.data<char>(), out.numel(), 1, sa, sb, params);
    planned(op, loop, out, a, b, params);
  }
  [[gnu::noinline]] static void planned(BinaryOp op, cpu::BinaryLoop loop, const Tensor& out, const Tensor& a,
                                        const Tensor& b, const LoopParams& params) {
    const auto plan = make_plan<3>({&out, &a, &b});
    plan.run(op == BinaryOp::pow ? kGrainCompute : kGrainMemory,
             [&](const auto& p, int64_t n, const auto& s) {
               loop(p[0], p[1], p[2], n, s[0], s[1], s[2], params);
             });
  }

  static void ternary(TernaryOp op, Tensor& out, const Tensor& a, const Tensor& b, const Tensor& c) {
    const DType column = out.dtype();
    const auto loop = cpu::loops().ternary(op, static_cast<int>(column));
    if (loop == nullptr) kernels::no_loop(column);
    const auto plan = make_plan<4>({&out, &a, &b, &c});
    plan.run(kGrainMemory, [&](const auto& p, int64_t n, const auto& s) {
      loop(p[0], p[1], p[2], p[3], n, s[0], s[1], s[2], s[3], LoopParams{});
    });
  }
};

using CpuKernels = kernels::Pointwise<CpuLoops>;

}  // namespace

#define CLEW_KERNEL(id, fn) CLEW_CPU_KERNEL(id, fn);
CLEW_POINTWISE_KERNELS(CLEW_KERNEL, CpuKernels)
#undef CLEW_KERNEL

}  // namespace clew
