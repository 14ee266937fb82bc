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

/// Whether the operands and the result lie alike and densely, in few enough elements for one thread: then no
/// iteration plan is needed, which for one element costs more than the rest of the kernel.
template <class... T>
bool small_and_dense(const Tensor& out, const T&... in) {
  return out.numel() <= kGrainCompute && out.is_contiguous() &&
         ((in.is_contiguous() && in.sizes() == out.sizes()) && ...);
}

struct CpuLoops {
  static void unary(UnaryOp op, Tensor& out, const Tensor& a, const LoopParams& params) {
    const auto loop = cpu::loops().unary(op, static_cast<int>(a.dtype()));
    if (loop == nullptr) kernels::no_loop(a.dtype());
    if (small_and_dense(out, a)) {
      if (out.numel() > 0) loop(out.data<char>(), a.data<char>(), out.numel(), 1, 1, params);
      return;
    }
    const auto plan = make_plan<2>({&out, &a});
    plan.run(is_costly(op) ? kGrainCompute : kGrainMemory,
             [&](const auto& p, int64_t n, const auto& s) { loop(p[0], p[1], n, s[0], s[1], params); });
  }

  static void binary(BinaryOp op, Tensor& out, const Tensor& a, const Tensor& b, const LoopParams& params) {
    const auto loop = cpu::loops().binary(op, static_cast<int>(a.dtype()));
    if (CLEW_UNLIKELY(loop == nullptr)) kernels::no_loop(a.dtype());
    if (small_and_dense(out, a, b)) {
      if (out.numel() > 0)
        loop(out.data<char>(), a.data<char>(), b.data<char>(), out.numel(), 1, 1, 1, params);
      return;
    }
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
