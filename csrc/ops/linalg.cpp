// Matrix products.
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

void check_same_dtype(const char* op, const char* name_a, const Tensor& a, const char* name_b,
                      const Tensor& b) {
  CLEW_CHECK(a.dtype() == b.dtype(), DTypeError, op, ": expected ", name_a, " and ", name_b,
             " of one dtype, got ", a.dtype(), " and ", b.dtype(), " (convert one with .to(dtype))");
}

TensorMeta mm_meta(const Tensor& input, const Tensor& mat2) {
  check_same_dtype("mm", "input", input, "mat2", mat2);
  CLEW_CHECK(input.dim() == 2 && mat2.dim() == 2, ShapeError, "mm: expected two matrices, got input ",
             input.sizes(), " and mat2 ", mat2.sizes(), " (matmul takes other shapes)");
  CLEW_CHECK(input.sizes()[1] == mat2.sizes()[0], ShapeError,
             "mm: expected as many columns in input as rows in mat2, got input ", input.sizes(), " and mat2 ",
             mat2.sizes(), " (", input.sizes()[1], " and ", mat2.sizes()[0], ")");
  return {{input.sizes()[0], mat2.sizes()[1]}, input.dtype()};
}

TensorMeta bmm_meta(const Tensor& input, const Tensor& mat2) {
  check_same_dtype("bmm", "input", input, "mat2", mat2);
  CLEW_CHECK(input.dim() == 3 && mat2.dim() == 3, ShapeError,
             "bmm: expected two batches of matrices (b, n, m), got input ", input.sizes(), " and mat2 ",
             mat2.sizes(), " (matmul takes other shapes)");
  CLEW_CHECK(input.sizes()[0] == mat2.sizes()[0], ShapeError, "bmm: expected batches of one size, got input ",
             input.sizes(), " and mat2 ", mat2.sizes());
  CLEW_CHECK(input.sizes()[2] == mat2.sizes()[1], ShapeError,
             "bmm: expected as many columns in input as rows in mat2, got input ", input.sizes(),
             " and mat2 ", mat2.sizes(), " (", input.sizes()[2], " and ", mat2.sizes()[1], ")");
  return {{input.sizes()[0], input.sizes()[1], mat2.sizes()[2]}, input.dtype()};
}

TensorMeta mv_meta(const Tensor& input, const Tensor& vec) {
  check_same_dtype("mv", "input", input, "vec", vec);
  CLEW_CHECK(input.dim() == 2 && vec.dim() == 1, ShapeError, "mv: expected a matrix and a vector, got input ",
             input.sizes(), " and vec ", vec.sizes(), " (matmul takes other shapes)");
  CLEW_CHECK(input.sizes()[1] == vec.sizes()[0], ShapeError, "mv: expected vec of size ", input.sizes()[1],
             " (input ", input.sizes(), "), got ", vec.sizes());
  return {{input.sizes()[0]}, input.dtype()};
}

TensorMeta dot_meta(const Tensor& input, const Tensor& tensor) {
  check_same_dtype("dot", "input", input, "tensor", tensor);
  CLEW_CHECK(input.dim() == 1 && tensor.dim() == 1, ShapeError, "dot: expected two vectors, got input ",
             input.sizes(), " and tensor ", tensor.sizes(), " (matmul takes other shapes)");
  CLEW_CHECK(input.sizes()[0] == tensor.sizes()[0], ShapeError, "dot: expected vectors of one size, got ",
             input.sizes()[0], " and ", tensor.sizes()[0]);
  return {{}, input.dtype()};
}

TensorMeta addmm_meta(const Tensor& input, const Tensor& mat1, const Tensor& mat2, const Scalar& beta,
                      const Scalar& alpha) {
  check_same_dtype("addmm", "mat1", mat1, "mat2", mat2);
  check_same_dtype("addmm", "input", input, "mat1", mat1);
  CLEW_CHECK(mat1.dim() == 2 && mat2.dim() == 2, ShapeError, "addmm: expected two matrices, got mat1 ",
             mat1.sizes(), " and mat2 ", mat2.sizes());
  CLEW_CHECK(mat1.sizes()[1] == mat2.sizes()[0], ShapeError,
             "addmm: expected as many columns in mat1 as rows in mat2, got mat1 ", mat1.sizes(), " and mat2 ",
             mat2.sizes(), " (", mat1.sizes()[1], " and ", mat2.sizes()[0], ")");
  CLEW_CHECK(is_floating(mat1.dtype()) || !(beta.is_floating() || alpha.is_floating()), DTypeError,
             "addmm: expected integer beta and alpha for ", mat1.dtype(), " tensors, got ", beta, " and ",
             alpha);
  Shape shape{mat1.sizes()[0], mat2.sizes()[1]};
  CLEW_CHECK(broadcastable_to(input.sizes(), shape), ShapeError,
             "addmm: expected input of a shape that broadcasts to ", shape, ", got ", input.sizes());
  return {std::move(shape), mat1.dtype()};
}

TensorMeta linear_meta(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias) {
  check_same_dtype("linear", "input", input, "weight", weight);
  CLEW_CHECK(weight.dim() == 1 || weight.dim() == 2, ShapeError,
             "linear: expected weight of shape (out_features, in_features) or (in_features), got ",
             weight.sizes());
  const int64_t features = weight.sizes().back();
  CLEW_CHECK(input.dim() >= 1 && input.sizes().back() == features, ShapeError,
             "linear: expected input of shape (*, ", features, ") for weight ", weight.sizes(), ", got ",
             input.sizes());
  Shape shape = input.sizes().vec();
  shape.pop_back();
  if (weight.dim() == 2) shape.push_back(weight.sizes()[0]);
  if (bias && bias->defined()) {
    check_same_dtype("linear", "input", input, "bias", *bias);
    const IntArrayRef wanted(weight.sizes().data(), static_cast<size_t>(weight.dim() - 1));
    CLEW_CHECK(broadcastable_to(bias->sizes(), wanted), ShapeError, "linear: expected bias of shape ", wanted,
               ", got ", bias->sizes(), " (weight ", weight.sizes(), ")");
  }
  return {std::move(shape), input.dtype()};
}

Tensor scaled(const Tensor& t, const Scalar& s) { return s.equals(1) ? t : mul(t, weak_scalar_tensor(s)); }

/// (*, n) as (m, n).
Tensor as_rows(const Tensor& t, int64_t n) {
  return t.dim() == 2
             ? t
             : reshape(t, {n == 0 ? numel_of({t.sizes().data(), t.sizes().size() - 1}) : t.numel() / n, n});
}

GradList linear_grad(const Backward& ctx, const Tensor& g) {
  // With a weight vector the result lacks the last dimension.
  const bool vector =
      ctx.needs(1) ? ctx.input_sizes(1).size() == 1 : ctx.has_input(1) && ctx.input(1).dim() == 1;
  const Tensor grad_output = vector ? unsqueeze(g, -1) : g;
  const Tensor rows = as_rows(grad_output, grad_output.sizes().back());
  GradList out(3);
  if (ctx.needs(0)) {
    const Tensor weight = ctx.input(1);
    out[0] = reshape(mm(rows, vector ? unsqueeze(weight, 0) : weight), ctx.input_sizes(0));
  }
  if (ctx.needs(1)) {
    const Tensor input = ctx.input(0);
    const Tensor grad = mm(t(rows), as_rows(input, input.sizes().back()));
    out[1] = vector ? squeeze(grad, IntArrayRef{0}) : grad;
  }
  if (ctx.needs(2)) out[2] = vector ? g : rows;
  return out;
}

Tensor matmul_composite(const Tensor& input, const Tensor& other) {
  check_same_dtype("matmul", "input", input, "other", other);
  const int64_t rank_a = input.dim(), rank_b = other.dim();
  CLEW_CHECK(rank_a > 0 && rank_b > 0, ShapeError, "matmul: expected tensors with dimensions, got input ",
             input.sizes(), " and other ", other.sizes(), " (use mul)");
  const int64_t k = input.sizes().back();
  const int64_t rows_b = other.sizes()[static_cast<size_t>(std::max<int64_t>(rank_b - 2, 0))];
  CLEW_CHECK(k == rows_b, ShapeError, "matmul: expected the last size of input to equal size ",
             rank_b == 1 ? "-1" : "-2", " of other, got input ", input.sizes(), " and other ", other.sizes(),
             " (", k, " and ", rows_b, ")");
  if (rank_a == 1 && rank_b == 1) return dot(input, other);
  if (rank_a == 2 && rank_b == 1) return mv(input, other);
  if (rank_a == 1 && rank_b == 2) return squeeze(mm(unsqueeze(input, 0), other), IntArrayRef{0});
  if (rank_a == 2 && rank_b == 2) return mm(input, other);
  if (rank_b <= 2) {  // (*, n, k) with one matrix or vector: the leading dimensions are rows
    Shape shape = input.sizes().vec();
    shape.pop_back();
    const Tensor rows = reshape(input, {numel_of(shape), k});
    if (rank_b == 1) return reshape(mv(rows, other), shape);
    shape.push_back(other.sizes()[1]);
    return reshape(mm(rows, other), shape);
  }
  // Batches of matrices; a vector becomes a matrix with one row or column for the time being.
  const Tensor a = rank_a == 1 ? unsqueeze(input, 0) : input;
  const Tensor b = rank_b == 1 ? unsqueeze(other, 1) : other;
  auto batch_of = [](const Tensor& t) { return IntArrayRef(t.sizes().data(), t.sizes().size() - 2); };
  const Shape batch = broadcast_shapes("matmul", batch_of(a), batch_of(b));
  const int64_t count = numel_of(batch), n = a.sizes()[a.sizes().size() - 2], m = b.sizes().back();
  auto batched = [&](const Tensor& t) {
    if (t.dim() == 3 && batch.size() == 1 && t.sizes()[0] == count) return t;
    Shape full = batch;
    full.push_back(t.sizes()[t.sizes().size() - 2]);
    full.push_back(t.sizes().back());
    return reshape(expand(t, full), {count, full[full.size() - 2], full.back()});
  };
  const Tensor product = bmm(batched(a), batched(b));
  Shape shape = batch;
  if (rank_a > 1) shape.push_back(n);
  if (rank_b > 1) shape.push_back(m);
  return IntArrayRef(shape) == product.sizes() ? product : reshape(product, shape);
}

Tensor outer_composite(const Tensor& input, const Tensor& vec2) {
  CLEW_CHECK(input.dim() == 1 && vec2.dim() == 1, ShapeError, "outer: expected two vectors, got input ",
             input.sizes(), " and vec2 ", vec2.sizes());
  return mul(unsqueeze(input, 1), vec2);
}

}  // namespace

CLEW_OP_PAGE(matmul) = {{
    .name = "matmul",
    .doc = R"(Matrix product of the last two dimensions; the others are a batch and broadcast.

Two vectors give their dot product; a vector on the left is a row, on the right a column.

Args:
    input: shape (n,), or (*, n, k).
    other: shape (k,), or (*, k, m).
Returns:
    Tensor of shape (*, n, m), without the dimension of a vector.
Raises:
    clew.ShapeError: the shapes do not fit.
    clew.DTypeError: different dtypes.
Example:
    >>> clew.matmul(clew.ones(2, 3), clew.ones(3)).tolist()
    [3.0, 3.0])",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .composite = matmul_composite,
}};
Tensor matmul(const Tensor& input, const Tensor& other) { return apply(matmul_op, input, other); }

CLEW_OP_PAGE(mm) = {{
    .name = "mm",
    .doc = R"(Product of two matrices.

    y[i, j] = sum_k input[i, k] * mat2[k, j]

Args:
    input: shape (n, k).
    mat2: shape (k, m), dtype of `input`.
Returns:
    Tensor of shape (n, m).
Raises:
    clew.ShapeError: the shapes do not fit.
    clew.DTypeError: different dtypes.
Example:
    >>> clew.mm(clew.eye(2), clew.ones(2, 1)).tolist()
    [[1.0], [1.0]])",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .meta = mm_meta,
    .kernel = &mm_kernel,
    .saves = kSavesNothing.input(0, grad_of(1)).input(1, grad_of(0)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {ctx.needs(0) ? mm(g, t(ctx.input(1))) : Tensor(),
              ctx.needs(1) ? mm(t(ctx.input(0)), g) : Tensor()};
    },
}};
Tensor mm(const Tensor& input, const Tensor& mat2) { return apply(mm_op, input, mat2); }

CLEW_OP_PAGE(bmm) = {{
    .name = "bmm",
    .doc = R"(Products of two batches of matrices.

    y[b] = input[b] @ mat2[b]

Args:
    input: shape (b, n, k).
    mat2: shape (b, k, m), dtype of `input`.
Returns:
    Tensor of shape (b, n, m).
Raises:
    clew.ShapeError: the shapes do not fit.
    clew.DTypeError: different dtypes.
Example:
    >>> clew.bmm(clew.ones(1, 1, 2), clew.ones(1, 2, 1)).tolist()
    [[[2.0]]])",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .meta = bmm_meta,
    .kernel = &bmm_kernel,
    .saves = kSavesNothing.input(0, grad_of(1)).input(1, grad_of(0)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {ctx.needs(0) ? bmm(g, transpose(ctx.input(1), 1, 2)) : Tensor(),
              ctx.needs(1) ? bmm(transpose(ctx.input(0), 1, 2), g) : Tensor()};
    },
}};
Tensor bmm(const Tensor& input, const Tensor& mat2) { return apply(bmm_op, input, mat2); }

CLEW_OP_PAGE(mv) = {{
    .name = "mv",
    .doc = R"(Product of a matrix and a vector.

    y[i] = sum_k input[i, k] * vec[k]

Args:
    input: shape (n, k).
    vec: shape (k,), dtype of `input`.
Returns:
    Tensor of shape (n,).
Raises:
    clew.ShapeError: the shapes do not fit.
    clew.DTypeError: different dtypes.
Example:
    >>> clew.mv(clew.eye(2), clew.ones(2)).tolist()
    [1.0, 1.0])",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .meta = mv_meta,
    .kernel = &mv_kernel,
    .saves = kSavesNothing.input(0, grad_of(1)).input(1, grad_of(0)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {ctx.needs(0) ? outer(g, ctx.input(1)) : Tensor(),
              ctx.needs(1) ? mv(t(ctx.input(0)), g) : Tensor()};
    },
}};
Tensor mv(const Tensor& input, const Tensor& vec) { return apply(mv_op, input, vec); }

CLEW_OP_PAGE(dot) = {{
    .name = "dot",
    .doc = R"(Dot product of two vectors.

    y = sum_i input[i] * tensor[i]

Args:
    input: shape (n,).
    tensor: shape (n,), dtype of `input`.
Returns:
    0-dim tensor.
Raises:
    clew.ShapeError: not two vectors of one size.
    clew.DTypeError: different dtypes.
Example:
    >>> clew.dot(clew.ones(3), clew.ones(3)).item()
    3.0)",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .meta = dot_meta,
    .kernel = &dot_kernel,
    .saves = kSavesNothing.input(0, grad_of(1)).input(1, grad_of(0)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {ctx.needs(0) ? mul(g, ctx.input(1)) : Tensor(), ctx.needs(1) ? mul(g, ctx.input(0)) : Tensor()};
    },
}};
Tensor dot(const Tensor& input, const Tensor& tensor) { return apply(dot_op, input, tensor); }

CLEW_OP_PAGE(outer) = {{
    .name = "outer",
    .doc = R"(Outer product of two vectors.

    y[i, j] = input[i] * vec2[j]

Args:
    input: shape (n,).
    vec2: shape (m,).
Returns:
    Tensor of shape (n, m).
Raises:
    clew.ShapeError: not two vectors.
Example:
    >>> clew.outer(clew.tensor([1, 2]), clew.tensor([1, 3])).tolist()
    [[1, 3], [2, 6]])",
    .composite = outer_composite,
}};
Tensor outer(const Tensor& input, const Tensor& vec2) { return apply(outer_op, input, vec2); }

CLEW_OP_PAGE(addmm) = {{
    .name = "addmm",
    .doc = R"(A matrix product added to a tensor.

    y = beta * input + alpha * (mat1 @ mat2)

Args:
    input: a shape that broadcasts to (n, m); not read when beta is 0.
    mat1: shape (n, k).
    mat2: shape (k, m).
    beta, alpha: numbers; integers for integer tensors.
Returns:
    Tensor of shape (n, m).
Raises:
    clew.ShapeError: the shapes do not fit.
    clew.DTypeError: different dtypes.
Example:
    >>> clew.addmm(clew.ones(1), clew.ones(1, 2), clew.ones(2, 1)).tolist()
    [[3.0]])",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .meta = addmm_meta,
    .kernel = &addmm_kernel,
    .saves = kSavesNothing.input(1, grad_of(2)).input(2, grad_of(1)),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Scalar beta = ctx.arg<Scalar>(3), alpha = ctx.arg<Scalar>(4);
      return {ctx.needs(0) ? scaled(g, beta) : Tensor(),
              ctx.needs(1) ? scaled(mm(g, t(ctx.input(2))), alpha) : Tensor(),
              ctx.needs(2) ? scaled(mm(t(ctx.input(1)), g), alpha) : Tensor()};
    },
}};
Tensor addmm(const Tensor& input, const Tensor& mat1, const Tensor& mat2, const Scalar& beta,
             const Scalar& alpha) {
  return apply(addmm_op, input, mat1, mat2, beta, alpha);
}

CLEW_OP_PAGE(linear) = {{
    .name = "linear",
    .doc = R"(An affine map of the last dimension.

    y = input @ weight^T + bias

Args:
    input: shape (*, in_features).
    weight: shape (out_features, in_features), or (in_features,) for one output without a dimension.
    bias: shape (out_features,) or None.
Returns:
    Tensor of shape (*, out_features).
Raises:
    clew.ShapeError: the shapes do not fit.
    clew.DTypeError: different dtypes.
Example:
    >>> clew.nn.functional.linear(clew.ones(2, 3), clew.ones(1, 3)).tolist()
    [[3.0], [3.0]])",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .meta = linear_meta,
    .kernel = &linear_kernel,
    .saves = kSavesNothing.input(0, grad_of(1)).input(1, grad_of(0)),
    .grad = linear_grad,
}};
Tensor linear(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias) {
  return apply(linear_op, input, weight, bias);
}

}  // namespace clew
