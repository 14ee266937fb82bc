// Matrix products.
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "cuda/copy.h"
#include "cuda/cublaslt.h"
#include "cuda/gemm.h"
#include "cuda/kernels.h"

namespace clew::cuda {
namespace {

/// The last two dimensions of a tensor, and the one before them.
Gemm::Operand matrix(const Tensor& t) {
  const auto r = static_cast<size_t>(t.dim());
  return {t.raw_data(), t.strides()[r - 2], t.strides()[r - 1], r == 3 ? t.strides()[0] : 0};
}

/// `bias`: n numbers to add to each row, or none.
void product(const Tensor& out, int64_t batch, int64_t m, int64_t n, int64_t k, const Gemm::Operand& a,
             const Gemm::Operand& b, const Scalar& alpha = 1, const Scalar& beta = 0,
             const Tensor* bias = nullptr) {
  if (out.numel() == 0) return;
  const Launch launch(out);
  const bool whole = is_integral(out.dtype());
  Gemm gemm{.a = a,
            .b = b,
            .c = out.raw_data(),
            .c_row = n,
            .c_batch = m * n,
            .batch = batch,
            .m = m,
            .n = n,
            .k = k,
            .alpha = alpha.to_double(),
            .beta = beta.to_double(),
            .integer_alpha = whole ? alpha.to_int() : 0,
            .integer_beta = whole ? beta.to_int() : 0};
  const bool plain_bias = bias != nullptr && bias->is_contiguous();
  if ((bias == nullptr || plain_bias) &&
      run_cublaslt(out.dtype(), gemm, plain_bias ? bias->raw_data() : nullptr, launch))
    return;
  if (bias != nullptr) {
    copy_tensor(out, *bias);  // the sums start from it
    gemm.beta = 1;
    gemm.integer_beta = 1;
  }
  run_gemm(out.dtype(), gemm, launch.stream());
}

void mm_cuda(Tensor& out, const Tensor& input, const Tensor& mat2) {
  product(out, 1, out.sizes()[0], out.sizes()[1], input.sizes()[1], matrix(input), matrix(mat2));
}
void bmm_cuda(Tensor& out, const Tensor& input, const Tensor& mat2) {
  product(out, out.sizes()[0], out.sizes()[1], out.sizes()[2], input.sizes()[2], matrix(input), matrix(mat2));
}
void mv_cuda(Tensor& out, const Tensor& input, const Tensor& vec) {
  product(out, 1, out.sizes()[0], 1, input.sizes()[1], matrix(input),
          {vec.raw_data(), vec.strides()[0], 0, 0});
}
void dot_cuda(Tensor& out, const Tensor& input, const Tensor& tensor) {
  product(out, 1, 1, 1, input.numel(), {input.raw_data(), 0, input.strides()[0], 0},
          {tensor.raw_data(), tensor.strides()[0], 0, 0});
}
void addmm_cuda(Tensor& out, const Tensor& input, const Tensor& mat1, const Tensor& mat2, const Scalar& beta,
                const Scalar& alpha) {
  if (!beta.equals(0)) copy_tensor(out, input);
  product(out, 1, out.sizes()[0], out.sizes()[1], mat1.sizes()[1], matrix(mat1), matrix(mat2), alpha, beta);
}

void linear_cuda(Tensor& out, const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias) {
  if (out.numel() == 0) return;
  const int64_t k = weight.sizes().back(), n = weight.dim() == 2 ? weight.sizes()[0] : 1;
  const int64_t rows = out.numel() / n;
  // The leading dimensions of input as one.
  Tensor x = input;
  std::optional<Shape> strides = view_strides(input.sizes(), input.strides(), {rows, k});
  if (!strides) {
    x = new_tensor(input, input.sizes(), input.dtype());
    copy_tensor(x, input);
    strides = Shape{k, 1};
  }
  product(out, 1, rows, n, k, {x.raw_data(), (*strides)[0], (*strides)[1], 0},
          {weight.raw_data(), weight.strides().back(), weight.dim() == 2 ? weight.strides()[0] : 0, 0}, 1, 0,
          bias && bias->defined() ? &*bias : nullptr);
}

}  // namespace

void register_linalg() {
  CLEW_CUDA_KERNEL(mm, mm_cuda);
  CLEW_CUDA_KERNEL(bmm, bmm_cuda);
  CLEW_CUDA_KERNEL(mv, mv_cuda);
  CLEW_CUDA_KERNEL(dot, dot_cuda);
  CLEW_CUDA_KERNEL(addmm, addmm_cuda);
  CLEW_CUDA_KERNEL(linear, linear_cuda);
}

}  // namespace clew::cuda
