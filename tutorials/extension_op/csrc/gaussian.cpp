// An op of an extension, written as Clew's own are: a declaration, a kernel, a page.
#include <cmath>

#include <clew/extension.h>

namespace radial {

using namespace clew;

CLEW_OP(gaussian, Tensor, const Tensor& input, const Tensor& centers, double gamma = 1)

// Checks the arguments and infers the result; touches no data.
static TensorMeta gaussian_meta(const Tensor& input, const Tensor& centers, double gamma) {
  CLEW_CHECK(input.dim() == 2 && centers.dim() == 2 && input.size(1) == centers.size(1), ShapeError,
             "radial.gaussian: expected input of shape (N, D) and centers of shape (M, D), got ",
             input.sizes(), " and ", centers.sizes());
  CLEW_CHECK(gamma > 0, ValueError, "radial.gaussian: expected gamma > 0, got ", gamma);
  return {{input.size(0), centers.size(0)}, input.dtype()};
}

// The page asks for contiguous arguments of one dtype, so this need not look at strides.
static void gaussian_cpu(Tensor& out, const Tensor& input, const Tensor& centers, double gamma) {
  const int64_t n = input.size(0), m = centers.size(0), d = input.size(1);
  dispatch<dtype_set(DType::Float32, DType::Float64)>(input.dtype(), [&]<class T>() {
    const T *x = input.data<T>(), *c = centers.data<T>();
    T* y = out.data<T>();
    // Rows are independent: any number of threads gives the same result.
    parallel_for(0, n, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t j = 0; j < m; ++j) {
          T distance = 0;
          for (int64_t k = 0; k < d; ++k) {
            const T difference = x[i * d + k] - c[j * d + k];
            distance += difference * difference;
          }
          y[i * m + j] = std::exp(static_cast<T>(-gamma) * distance);
        }
      }
    });
  });
}
CLEW_CPU_KERNEL(gaussian, gaussian_cpu);

// y = exp(-gamma |x - c|^2), so dy/dx = -2 gamma y (x - c) = -dy/dc. The differences are never built: with
// w = -2 gamma g y their sums are matrix products. Made of ops, this has derivatives itself.
static GradList gaussian_grad(const Backward& ctx, const Tensor& g) {
  const Tensor x = ctx.input(0), c = ctx.input(1);
  const Tensor w = g * ctx.output() * (-2 * ctx.arg<double>(2));
  GradList out(2);
  if (ctx.needs(0)) out[0] = w.sum({1}, true) * x - matmul(w, c);
  if (ctx.needs(1)) out[1] = w.sum({0}).unsqueeze(1) * c - matmul(w.t(), x);
  return out;
}

CLEW_OP_PAGE(gaussian) = {{
    .name = "radial.gaussian",
    .doc = R"(Gaussian radial basis functions of all pairs of rows.

    y[i, j] = exp(-gamma * |input[i] - centers[j]|^2)

Args:
    input: shape (N, D), float32 or float64.
    centers: shape (M, D).
    gamma: positive; how fast a function falls off.
Returns:
    Tensor of shape (N, M).
Raises:
    clew.ShapeError: the arguments are no matrices with rows of one length.
    ValueError: gamma is not positive.
Example:
    >>> clew.ops.radial.gaussian(clew.zeros(1, 2), clew.ones(1, 2), gamma=0.5).log().item()
    -1.0
)",
    .dtypes = dtype_set(DType::Float32, DType::Float64),
    .promote = Promote::Common,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = gaussian_meta,
    .kernel = &gaussian_kernel,
    .saves = Saves().input(0).input(1).output(),
    .grad = gaussian_grad,
}};

Tensor gaussian(const Tensor& input, const Tensor& centers, double gamma) {
  return apply(gaussian_op, input, centers, gamma);
}

}  // namespace radial

CLEW_LIBRARY(radial) { clew::register_library("radial", {CLEW_ENTRY(radial::gaussian)}); }
