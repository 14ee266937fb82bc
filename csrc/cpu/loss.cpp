// Losses over class indices, fused forward and backward.
#include <algorithm>
#include <string_view>

#include "cpu/scratch.h"
#include "registry/slots.h"

namespace clew {
namespace cpu {
namespace {

int64_t row_grain(int64_t n) { return std::max<int64_t>(1, kGrainCompute / std::max<int64_t>(n, 1)); }

/// Class indices and weights of the targets.
template <class T>
class Classes {
 public:
  Classes(const char* op, const Tensor& target, const std::optional<Tensor>& weight, int64_t classes,
          int64_t ignore_index)
      : op_(op), target_(target), weight_(weight), classes_(classes), ignore_(ignore_index) {}
  bool ignored(int64_t i) const { return target_.data()[i] == ignore_; }
  /// The class of target i, which is not ignored. Raises IndexError.
  int64_t at(int64_t i) const {
    const int64_t t = target_.data()[i];
    CLEW_CHECK(t >= 0 && t < classes_, IndexError, op_, ": expected target classes in [0, ", classes_,
               "), got ", t, " at position ", i, " (the input has ", classes_, " classes, ignore_index is ",
               ignore_, ")");
    return t;
  }
  T weight(int64_t i) const {
    return ignored(i) ? T(0) : weight_.data() != nullptr ? weight_.data()[at(i)] : T(1);
  }

 private:
  const char* op_;
  As<int64_t> target_;
  As<T> weight_;
  int64_t classes_, ignore_;
};

template <class T>
T sum_of(const T* x, int64_t n) {
  T sum = 0;
  loops().reduce(ReduceOp::sum, column(DTypeOf<T>::value))(&sum, x, n, 1, kOneRow);
  return sum;
}

/// loss(i) for each of n targets, reduced into `out`.
template <class T, class Loss>
void reduce_losses(const Tensor& out, int64_t n, int64_t grain, std::string_view reduction,
                   const Classes<T>& classes, Loss&& loss) {
  const bool mean = reduction == "mean", none = reduction == "none";
  const Scratch<T> each(n), weights(mean ? n : 0);
  parallel_for(0, n, grain, [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; ++i) {
      const T w = classes.weight(i);
      each[i] = classes.ignored(i) ? T(0) : w * loss(i);
      if (mean) weights[i] = w;
    }
  });
  if (none) {
    convert(out.raw_data(), out.dtype(), each.data(), DTypeOf<T>::value, n);
    return;
  }
  T total = sum_of<T>(each, n);
  if (mean) total /= sum_of<T>(weights, n);
  convert(out.raw_data(), out.dtype(), &total, DTypeOf<T>::value, 1);
}

void nll_loss_cpu(Tensor& out, const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
                  int64_t ignore_index, std::string_view reduction) {
  const bool single = input.dim() == 1;
  const int64_t classes = input.sizes()[single ? 0 : 1];
  int64_t inner = 1;
  for (int64_t d = 2; d < input.dim(); ++d) inner *= input.sizes()[static_cast<size_t>(d)];
  dispatch_wide(input.dtype(), [&]<class T>() {
    const As<T> x(input);
    const Classes<T> c("nll_loss", target, weight, classes, ignore_index);
    reduce_losses<T>(out, target.numel(), kGrainCompute, reduction, c, [&](int64_t i) {
      return -x.data()[(i / inner * classes + c.at(i)) * inner + i % inner];
    });
  });
}

void cross_entropy_rows_cpu(Tensor2& out, const Tensor& input, const Tensor& target,
                            const std::optional<Tensor>& weight, int64_t ignore_index,
                            std::string_view reduction) {
  auto& [loss, logsumexp] = out;
  const int64_t n = input.sizes()[0], classes = input.sizes()[1];
  dispatch_wide(input.dtype(), [&]<class T>() {
    const As<T> x(input);
    const Classes<T> c("cross_entropy", target, weight, classes, ignore_index);
    T* lse = logsumexp.data<T>();
    const RowsReduceLoop loop = loops().norm().logsumexp[column(DTypeOf<T>::value)];
    parallel_for(0, n, row_grain(classes), [&](int64_t b, int64_t e) {
      loop(lse + b, x.data() + b * classes, e - b, classes, classes);
    });
    reduce_losses<T>(loss, n, kGrainCompute, reduction, c,
                     [&](int64_t i) { return lse[i] - x.data()[i * classes + c.at(i)]; });
  });
}

void cross_entropy_rows_grad_cpu(Tensor& out, const Tensor& grad_output, const Tensor& input,
                                 const Tensor& target, const std::optional<Tensor>& weight,
                                 const Tensor& logsumexp, int64_t ignore_index, std::string_view reduction) {
  if (out.numel() == 0) return;
  const int64_t n = input.sizes()[0], classes = input.sizes()[1];
  dispatch_wide(input.dtype(), [&]<class T>() {
    const As<T> x(input), g(grad_output);
    const ResultAs<T> result(out);
    const Classes<T> c("cross_entropy", target, weight, classes, ignore_index);
    const T* lse = logsumexp.data<T>();
    T scale = 1;
    if (reduction == "mean") {
      const Scratch<T> weights(n);
      for (int64_t i = 0; i < n; ++i) weights[i] = c.weight(i);
      scale = T(1) / sum_of<T>(weights, n);
    }
    const int64_t step = grad_output.dim() == 0 ? 0 : 1;
    const int t = column(DTypeOf<T>::value);
    const BinaryLoop sub = loops().binary(BinaryOp::sub, t), mul = loops().binary(BinaryOp::mul, t);
    const UnaryLoop exp = loops().unary(UnaryOp::exp, t);
    const LoopParams none{};
    parallel_for(0, n, row_grain(classes), [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) {
        T* row = result.data() + i * classes;
        if (c.ignored(i)) {
          std::fill_n(row, classes, T(0));
          continue;
        }
        const T factor = g.data()[i * step] * c.weight(i) * scale;
        sub(row, x.data() + i * classes, lse + i, classes, 1, 1, 0, none);
        exp(row, row, classes, 1, 1, none);
        mul(row, row, &factor, classes, 1, 1, 0, none);
        row[c.at(i)] -= factor;
      }
    });
    result.store();
  });
}

void log_sigmoid_cpu(Tensor& out, const Tensor& input) {
  dispatch_wide(input.dtype(), [&]<class T>() {
    const As<T> x(input);
    const ResultAs<T> result(out);
    const int t = column(DTypeOf<T>::value);
    const UnaryLoop abs = loops().unary(UnaryOp::abs, t), neg = loops().unary(UnaryOp::neg, t),
                    exp = loops().unary(UnaryOp::exp, t), log1p = loops().unary(UnaryOp::log1p, t);
    const LoopParams none{};
    parallel_for(0, input.numel(), kGrainCompute, [&](int64_t b, int64_t e) {
      constexpr int64_t kBlock = 512;
      T tail[kBlock];
      for (int64_t i = b; i < e; i += kBlock) {
        const int64_t n = std::min(kBlock, e - i);
        const T* from = x.data() + i;
        T* to = result.data() + i;
        abs(tail, from, n, 1, 1, none);
        neg(tail, tail, n, 1, 1, none);
        exp(tail, tail, n, 1, 1, none);
        log1p(tail, tail, n, 1, 1, none);
        for (int64_t k = 0; k < n; ++k) to[k] = (from[k] < T(0) ? from[k] : T(0)) - tail[k];
      }
    });
    result.store();
  });
}

void binary_cross_entropy_each_cpu(Tensor& out, const Tensor& input, const Tensor& target) {
  dispatch_wide(input.dtype(), [&]<class T>() {
    const As<T> x(input), goal(target);
    const ResultAs<T> result(out);
    const int t = column(DTypeOf<T>::value);
    const UnaryLoop neg = loops().unary(UnaryOp::neg, t), log = loops().unary(UnaryOp::log, t),
                    log1p = loops().unary(UnaryOp::log1p, t);
    const LoopParams none{};
    parallel_for(0, input.numel(), kGrainCompute, [&](int64_t b, int64_t e) {
      constexpr int64_t kBlock = 512;
      T yes[kBlock], no[kBlock];
      for (int64_t i = b; i < e; i += kBlock) {
        const int64_t n = std::min(kBlock, e - i);
        const T *from = x.data() + i, *to = goal.data() + i;
        T* loss = result.data() + i;
        bool inside = true;
        for (int64_t k = 0; k < n; ++k) inside = inside && from[k] >= T(0) && from[k] <= T(1);
        CLEW_CHECK(inside, ValueError,
                   "binary_cross_entropy: expected probabilities in [0, 1], got a value outside "
                   "(binary_cross_entropy_with_logits takes logits)");
        log(yes, from, n, 1, 1, none);
        neg(no, from, n, 1, 1, none);
        log1p(no, no, n, 1, 1, none);
        for (int64_t k = 0; k < n; ++k) {
          const T log_yes = std::max(yes[k], T(-100)), log_no = std::max(no[k], T(-100));
          loss[k] = (to[k] - T(1)) * log_no - to[k] * log_yes;
        }
      }
    });
    result.store();
  });
}

}  // namespace
}  // namespace cpu

CLEW_CPU_KERNEL(nll_loss, cpu::nll_loss_cpu);
CLEW_CPU_KERNEL(cross_entropy_rows, cpu::cross_entropy_rows_cpu);
CLEW_CPU_KERNEL(cross_entropy_rows_grad, cpu::cross_entropy_rows_grad_cpu);
CLEW_CPU_KERNEL(log_sigmoid, cpu::log_sigmoid_cpu);
CLEW_CPU_KERNEL(binary_cross_entropy_each, cpu::binary_cross_entropy_each_cpu);

}  // namespace clew
