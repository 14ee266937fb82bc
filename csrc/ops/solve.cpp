// Systems of equations, inverses, determinants and factorisations of matrices.
#include <cmath>

#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

constexpr DTypeSet kWide = dtype_set(DType::Float32, DType::Float64);

Tensor number(const Scalar& v) { return weak_scalar_tensor(v); }

int64_t rows_of(const Tensor& t) { return t.sizes()[t.sizes().size() - 2]; }
int64_t columns_of(const Tensor& t) { return t.sizes().back(); }
IntArrayRef batch_of(const Tensor& t) { return {t.sizes().data(), t.sizes().size() - 2}; }
Shape joined(IntArrayRef batch, std::initializer_list<int64_t> more) {
  Shape s = batch.vec();
  for (int64_t n : more) s.push_back(n);
  return s;
}
Tensor mT(const Tensor& t) { return transpose(t, -2, -1); }

void check_matrices(const char* op, const Tensor& t) {
  CLEW_CHECK(t.dim() >= 2, ShapeError, op, ": expected matrices of shape (*, n, m), got ", t.sizes());
}
void check_square(const char* op, const Tensor& t) {
  check_matrices(op, t);
  CLEW_CHECK(rows_of(t) == columns_of(t), ShapeError, op,
             ": expected square matrices of shape (*, n, n), got ", t.sizes());
}
void check_same_dtype(const char* op, const Tensor& a, const Tensor& b) {
  CLEW_CHECK(a.dtype() == b.dtype(), DTypeError, op, ": expected tensors of one dtype, got ", a.dtype(),
             " and ", b.dtype(), " (convert one with .to(dtype))");
}
TensorMeta square_meta(const char* op, const Tensor& input) {
  check_square(op, input);
  return input.meta();
}

TensorMeta solve_batch_meta(const Tensor& input, const Tensor& other) {
  check_square("linalg.solve", input);
  check_matrices("linalg.solve", other);
  check_same_dtype("linalg.solve", input, other);
  CLEW_CHECK(batch_of(input) == batch_of(other) && rows_of(input) == rows_of(other), ShapeError,
             "linalg.solve: expected right-hand sides of shape (*, ", rows_of(input), ", k) for matrices ",
             input.sizes(), ", got ", other.sizes());
  return other.meta();
}

Tensor expanded(const Tensor& t, const Shape& batch) {
  return expand(t, joined(batch, {rows_of(t), columns_of(t)}));
}

Tensor solve_composite(const Tensor& input, const Tensor& other, bool left) {
  check_square("linalg.solve", input);
  CLEW_CHECK(other.dim() >= 1, ShapeError,
             "linalg.solve: expected right-hand sides with dimensions, got a 0-dim tensor");
  const IntArrayRef vectors(input.sizes().data(), input.sizes().size() - 1);
  const bool vector = other.dim() == 1 || (other.dim() == input.dim() - 1 && other.sizes() == vectors);
  CLEW_CHECK(left || !vector, ShapeError,
             "linalg.solve: expected matrices for left=False, got vectors of shape ", other.sizes());
  if (!left) return mT(solve_composite(mT(input), mT(other), true));
  const Tensor b = vector ? unsqueeze(other, -1) : other;
  CLEW_CHECK(rows_of(b) == rows_of(input), ShapeError,
             "linalg.solve: expected right-hand sides of shape (*, ", rows_of(input), ", k) for matrices ",
             input.sizes(), ", got ", other.sizes());
  const Shape batch = broadcast_shapes("linalg.solve", batch_of(input), batch_of(b));
  const Tensor x = linalg_solve_batch(expanded(input, batch), expanded(b, batch));
  return vector ? squeeze(x, IntArrayRef{-1}) : x;
}

TensorMeta inv_meta(const Tensor& input) { return square_meta("linalg.inv", input); }
TensorMeta det_meta(const Tensor& input) {
  check_square("linalg.det", input);
  return {batch_of(input).vec(), input.dtype()};
}
std::array<TensorMeta, 2> slogdet_meta(const Tensor& input) {
  check_square("linalg.slogdet", input);
  const TensorMeta m{batch_of(input).vec(), input.dtype()};
  return {m, m};
}
TensorMeta cholesky_meta(const Tensor& input, bool) { return square_meta("linalg.cholesky", input); }

TensorMeta solve_triangular_meta(const Tensor& input, const Tensor& other, bool, bool left, bool) {
  check_square("linalg.solve_triangular", input);
  check_matrices("linalg.solve_triangular", other);
  check_same_dtype("linalg.solve_triangular", input, other);
  CLEW_CHECK(
      batch_of(input) == batch_of(other) && rows_of(input) == (left ? rows_of(other) : columns_of(other)),
      ShapeError, "linalg.solve_triangular: expected right-hand sides that fit matrices ", input.sizes(),
      ", got ", other.sizes(), " (left=", left ? "True" : "False", ")");
  return other.meta();
}

std::array<TensorMeta, 2> qr_meta(const Tensor& input, std::string_view mode) {
  check_matrices("linalg.qr", input);
  CLEW_CHECK(mode == "reduced" || mode == "complete" || mode == "r", ValueError,
             "linalg.qr: expected mode 'reduced', 'complete' or 'r', got '", mode, "'");
  const int64_t m = rows_of(input), n = columns_of(input), k = mode == "complete" ? m : std::min(m, n);
  const IntArrayRef batch = batch_of(input);
  return {TensorMeta{mode == "r" ? Shape{0} : joined(batch, {m, k}), input.dtype()},
          TensorMeta{joined(batch, {k, n}), input.dtype()}};
}

std::array<TensorMeta, 2> eigh_meta(const Tensor& input, std::string_view uplo) {
  CLEW_CHECK(uplo == "L" || uplo == "U" || uplo == "l" || uplo == "u", ValueError,
             "linalg.eigh: expected UPLO 'L' or 'U', got '", uplo, "'");
  check_square("linalg.eigh", input);
  return {TensorMeta{joined(batch_of(input), {rows_of(input)}), input.dtype()}, input.meta()};
}

std::array<TensorMeta, 3> svd_meta(const Tensor& input, bool full_matrices) {
  check_matrices("linalg.svd", input);
  const int64_t m = rows_of(input), n = columns_of(input), k = std::min(m, n);
  const IntArrayRef batch = batch_of(input);
  return {TensorMeta{joined(batch, {m, full_matrices ? m : k}), input.dtype()},
          TensorMeta{joined(batch, {k}), input.dtype()},
          TensorMeta{joined(batch, {full_matrices ? n : k, n}), input.dtype()}};
}

// --- gradients --------------------------------------------------------------------------------------

/// The lower triangle with half of the diagonal.
Tensor lower_half(const Tensor& t) { return tril(t) - diag_embed(diagonal(t, 0, -2, -1)) * 0.5; }

/// S = L^-T Phi(L^T g) L^-1, made symmetric.
GradList cholesky_grad(const Backward& ctx, const Tensor& g) {
  const bool upper = ctx.arg<bool>(1);
  const Tensor lower = upper ? mT(ctx.output()) : ctx.output();
  const Tensor grad = upper ? mT(g) : g;
  const Tensor phi = lower_half(matmul(mT(lower), grad));
  const Tensor half = linalg_solve_triangular(mT(lower), phi, true);
  const Tensor s = linalg_solve_triangular(lower, half, false, false);
  return {(s + mT(s)) * 0.5};
}

/// Gradient of a QR with at least as many rows as columns of R.
Tensor tall_qr_grad(const Tensor& q, const Tensor& r, const Tensor& gq, const Tensor& gr) {
  Tensor m;
  if (gr.defined()) m = matmul(r, mT(gr));
  if (gq.defined()) m = m.defined() ? m - matmul(mT(gq), q) : neg(matmul(mT(gq), q));
  const Tensor symmetric = tril(m) + mT(tril(m, -1));
  const Tensor right = matmul(q, symmetric);
  return linalg_solve_triangular(mT(r), gq.defined() ? gq + right : right, false, false);
}

GradList qr_grad(const Backward& ctx, TensorListRef grads) {
  const std::string_view mode = ctx.arg<std::string_view>(1);
  CLEW_CHECK(mode != "r", AutogradError,
             "linalg.qr: expected mode 'reduced' or 'complete' for a gradient, got 'r' (it does not keep Q)");
  const Tensor q = ctx.output(0), r = ctx.output(1);
  const int64_t m = rows_of(q), n = columns_of(r);
  CLEW_CHECK(mode != "complete" || m <= n, AutogradError,
             "linalg.qr: expected at most as many rows as columns for the gradient of mode 'complete', got ",
             m, " and ", n, " (use mode='reduced')");
  const Tensor &gq = grads[0], &gr = grads[1];
  if (m >= n) return {tall_qr_grad(q, r, gq, gr)};
  // A = (X, Y), X square: Y = Q V only multiplies.
  const Tensor u = narrow(r, -1, 0, m), v = narrow(r, -1, m, n - m);
  Tensor grad_q = gq, gu, gy;
  if (gr.defined()) {
    gu = narrow(gr, -1, 0, m);
    const Tensor gv = narrow(gr, -1, m, n - m);
    gy = matmul(q, gv);
    // Y as a function of the input: V = Q^T Y.
    const Tensor y = matmul(q, v);
    const Tensor more = matmul(y, mT(gv));
    grad_q = gq.defined() ? gq + more : more;
  } else {
    gy = zeros(joined(batch_of(r), {m, n - m}), r.options());
  }
  return {cat(TensorList{tall_qr_grad(q, u, grad_q, gu), gy}, -1)};
}

/// 1 / (b_j - a_i) off the diagonal, 0 on it.
Tensor inverse_differences(const Tensor& w) {
  const Tensor difference = unsqueeze(w, -2) - unsqueeze(w, -1);
  const int64_t n = w.sizes().back();
  const Tensor same = eye(n, n, TensorOptions(DType::Bool).device(w.device()));
  return masked_fill(1 / masked_fill(difference, same, number(1.0)), same, number(0.0));
}

GradList eigh_grad(const Backward& ctx, TensorListRef grads) {
  const Tensor w = ctx.output(0), v = ctx.output(1);
  Tensor inner;
  if (grads[1].defined()) inner = matmul(mT(v), grads[1]) * inverse_differences(w);
  if (grads[0].defined()) {
    const Tensor d = diag_embed(grads[0]);
    inner = inner.defined() ? inner + d : d;
  }
  return {matmul(matmul(v, inner), mT(v))};
}

GradList svd_grad(const Backward& ctx, TensorListRef grads) {
  const Tensor s = ctx.output(1);
  const int64_t k = s.sizes().back();
  const Tensor u = narrow(ctx.output(0), -1, 0, k), vh = narrow(ctx.output(2), -2, 0, k);
  const Tensor gu = grads[0].defined() ? narrow(grads[0], -1, 0, k) : Tensor();
  const Tensor gv = grads[2].defined() ? mT(narrow(grads[2], -2, 0, k)) : Tensor();
  const Tensor row = unsqueeze(s, -2), column = unsqueeze(s, -1);
  Tensor inner;
  auto add = [&inner](const Tensor& t) { inner = inner.defined() ? inner + t : t; };
  auto skew = [](const Tensor& t) { return t - mT(t); };
  if (grads[1].defined()) add(diag_embed(grads[1]));
  if (gu.defined() || gv.defined()) {
    const Tensor e = inverse_differences(square(s));
    if (gu.defined()) add(skew(matmul(mT(u), gu)) * e * row);
    if (gv.defined()) add(column * (skew(matmul(vh, gv)) * e));
  }
  const int64_t m = rows_of(u), n = columns_of(vh);
  Tensor grad =
      inner.defined() ? matmul(matmul(u, inner), vh) : zeros(joined(batch_of(u), {m, n}), u.options());
  if (gu.defined() && m > k) grad = grad + matmul((gu - matmul(u, matmul(mT(u), gu))) / row, vh);
  if (gv.defined() && n > k) grad = grad + matmul(u, mT((gv - matmul(mT(vh), matmul(vh, gv))) / row));
  return {grad};
}

/// The matrix of cofactors, which is det(A) A^-T where that exists. A singular matrix takes it from its SVD.
Tensor cofactors(const Tensor& a, const Tensor& det) {
  if (!any(det.detach() == 0).item<bool>()) return mT(linalg_inv(a)) * unsqueeze(unsqueeze(det, -1), -1);
  const auto [u, s, vh] = linalg_svd(a);
  const int64_t n = s.sizes().back();
  const Tensor same = eye(n, n, TensorOptions(DType::Bool).device(a.device()));
  const Tensor others =
      prod(masked_fill(expand(unsqueeze(s, -2), joined(batch_of(a), {n, n})), same, number(1.0)), -1);
  const Tensor sign = linalg_det(u) * linalg_det(vh);
  return matmul(u * unsqueeze(others, -2), vh) * unsqueeze(unsqueeze(sign, -1), -1);
}

// --- norms ------------------------------------------------------------------------------------------

struct MatrixDims {
  int64_t rows, columns;
};
MatrixDims matrix_dims(const Tensor& input, IntArrayRef dim) {
  CLEW_CHECK(input.dim() >= 2, ShapeError, "linalg.matrix_norm: expected at least two dimensions, got ",
             input.sizes());
  CLEW_CHECK(dim.size() == 2, ValueError, "linalg.matrix_norm: expected two dims, got ", dim);
  const MatrixDims d{wrap_dim("linalg.matrix_norm", dim[0], input.dim()),
                     wrap_dim("linalg.matrix_norm", dim[1], input.dim())};
  CLEW_CHECK(d.rows != d.columns, ValueError, "linalg.matrix_norm: expected two different dims, got ", dim);
  return d;
}
Tensor as_floating(const char* op, const Tensor& input, std::optional<DType> dtype) {
  CLEW_CHECK(is_floating(dtype.value_or(input.dtype())), DTypeError, op, ": expected a floating dtype, got ",
             dtype.value_or(input.dtype()));
  return dtype ? input.to(*dtype) : input;
}
Tensor with_both_dims(const Tensor& y, MatrixDims d, bool keepdim) {
  if (!keepdim) return y;
  return unsqueeze(unsqueeze(y, std::min(d.rows, d.columns)), std::max(d.rows, d.columns));
}
Tensor singular_values(const Tensor& x, MatrixDims d) {
  return linalg_svdvals(movedim(x, {d.rows, d.columns}, {-2, -1}));
}

Tensor matrix_norm_name(const Tensor& input, std::string_view ord, IntArrayRef dim, bool keepdim,
                        std::optional<DType> dtype) {
  CLEW_CHECK(ord == "fro" || ord == "nuc", ValueError,
             "linalg.matrix_norm: expected ord 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got '", ord, "'");
  const MatrixDims d = matrix_dims(input, dim);
  const Tensor x = as_floating("linalg.matrix_norm", input, dtype);
  if (ord == "fro") return linalg_vector_norm(x, 2, dim, keepdim);
  return with_both_dims(sum(singular_values(x, d), {-1}), d, keepdim);
}

Tensor matrix_norm_number(const Tensor& input, double ord, IntArrayRef dim, bool keepdim,
                          std::optional<DType> dtype) {
  const double size = std::abs(ord);
  CLEW_CHECK(size == 1 || size == 2 || std::isinf(ord), ValueError,
             "linalg.matrix_norm: expected ord 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got ", ord);
  const MatrixDims d = matrix_dims(input, dim);
  const Tensor x = as_floating("linalg.matrix_norm", input, dtype);
  if (size == 2) {
    const Tensor s = singular_values(x, d);
    return with_both_dims(ord > 0 ? amax(s, {-1}) : amin(s, {-1}), d, keepdim);
  }
  int64_t along = size == 1 ? d.rows : d.columns, over = size == 1 ? d.columns : d.rows;
  const Tensor sums = sum(abs(x), IntArrayRef{along}, true);
  // The greatest of no sums is 0, as no norm is less.
  const IntArrayRef left(&over, 1);
  const bool none = sums.sizes()[static_cast<size_t>(over)] == 0;
  const Tensor y = ord < 0 ? amin(sums, left, true) : none ? sum(sums, left, true) : amax(sums, left, true);
  const Shape both{std::min(d.rows, d.columns), std::max(d.rows, d.columns)};
  return keepdim ? y : squeeze(y, IntArrayRef(both));
}

Tensor pinv_composite(const Tensor& input, double rcond) {
  check_matrices("linalg.pinv", input);
  if (input.numel() == 0)
    return zeros(joined(batch_of(input), {columns_of(input), rows_of(input)}), input.options());
  const auto [u, s, vh] = linalg_svd(input, false);
  const double eps = input.dtype() == DType::Float32 ? 1.1920928955078125e-07 : 2.220446049250313e-16;
  const double limit =
      rcond >= 0 ? rcond : eps * static_cast<double>(std::max(rows_of(input), columns_of(input)));
  const Tensor small = s.detach() <= amax(s.detach(), {-1}, true) * limit;
  const Tensor inverse = masked_fill(1 / masked_fill(s, small, number(1.0)), small, number(0.0));
  return matmul(mT(vh) * unsqueeze(inverse, -2), mT(u));
}

}  // namespace

CLEW_OP_PAGE(linalg_solve_batch) = {{
    .name = "linalg_solve_batch",
    .doc = R"(Solves systems of equations, one batch for both sides.

    A X = B

Args:
    input: A, shape (*, n, n), float32 or float64.
    other: B, shape (*, n, k).
Returns:
    X, shape (*, n, k).
Raises:
    clew.linalg.LinAlgError: a singular matrix.
Example:
    >>> clew.ops.linalg_solve_batch(clew.eye(1) * 2, clew.ones(1, 1)).tolist()
    [[0.5]])",
    .dtypes = kWide,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = solve_batch_meta,
    .kernel = &linalg_solve_batch_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor gb = linalg_solve_batch(mT(ctx.input(0)), g);
      return {ctx.needs(0) ? neg(matmul(gb, mT(ctx.output()))) : Tensor(), ctx.needs(1) ? gb : Tensor()};
    },
}};
Tensor linalg_solve_batch(const Tensor& input, const Tensor& other) {
  return apply(linalg_solve_batch_op, input, other);
}

CLEW_OP_PAGE(linalg_solve) = {{
    .name = "linalg_solve",
    .doc = R"(Solves systems of equations.

    A X = B, or X A = B with left=False

Args:
    input: A, shape (*, n, n), float32 or float64.
    other: B, shape (*, n, k), or vectors (*, n) or (n,); batches broadcast. With left=False (*, k, n).
    left: on which side A stands.
Returns:
    X, of the shape of B with the batch broadcast.
Raises:
    clew.linalg.LinAlgError: a singular matrix; the message names the batch entry.
    clew.ShapeError: the shapes do not fit.
Example:
    >>> clew.linalg.solve(clew.tensor([[2.0, 0.0], [0.0, 4.0]]), clew.tensor([2.0, 2.0])).tolist()
    [1.0, 0.5])",
    .dtypes = kWide,
    .autocast = Autocast::Float32,
    .composite = solve_composite,
}};
Tensor linalg_solve(const Tensor& input, const Tensor& other, bool left) {
  return apply(linalg_solve_op, input, other, left);
}

CLEW_OP_PAGE(linalg_inv) = {{
    .name = "linalg_inv",
    .doc = R"(Inverses of square matrices.

Args:
    input: shape (*, n, n), float32 or float64.
Returns:
    Tensor of the shape of `input`.
Raises:
    clew.linalg.LinAlgError: a singular matrix; the message names the batch entry.
    clew.ShapeError: not square.
Example:
    >>> clew.linalg.inv(clew.tensor([[4.0]])).tolist()
    [[0.25]]
)",
    .dtypes = kWide,
    .autocast = Autocast::Float32,
    .meta = inv_meta,
    .kernel = &linalg_inv_kernel,
    .saves = kSavesNothing.output(),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor t = mT(ctx.output());
      return {neg(matmul(matmul(t, g), t))};
    },
}};
Tensor linalg_inv(const Tensor& input) { return apply(linalg_inv_op, input); }

CLEW_OP_PAGE(linalg_det) = {{
    .name = "linalg_det",
    .doc = R"(Determinants of square matrices.

Args:
    input: shape (*, n, n), float32 or float64.
Returns:
    Tensor of shape (*).
Raises:
    clew.ShapeError: not square.
Example:
    >>> clew.linalg.det(clew.tensor([[2.0, 0.0], [0.0, 4.0]])).item()
    8.0)",
    .dtypes = kWide,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = det_meta,
    .kernel = &linalg_det_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      return {unsqueeze(unsqueeze(g, -1), -1) * cofactors(ctx.input(0), ctx.output())};
    },
}};
Tensor linalg_det(const Tensor& input) { return apply(linalg_det_op, input); }

CLEW_OP_PAGE(linalg_slogdet) = {{
    .name = "linalg_slogdet",
    .doc = R"(Sign and logarithm of the size of determinants, which do not overflow.

    det = sign * e^logabsdet

Args:
    input: shape (*, n, n), float32 or float64.
Returns:
    (sign, logabsdet): shape (*); 0 and -inf for a singular matrix. The sign has no gradient.
Raises:
    clew.ShapeError: not square.
Example:
    >>> [y.item() for y in clew.linalg.slogdet(clew.eye(2))]
    [1.0, 0.0])",
    .dtypes = kWide,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = slogdet_meta,
    .kernel = &linalg_slogdet_kernel,
    .saves = kSavesNothing.input(0),
    .grads = [](const Backward& ctx, TensorListRef grads) -> GradList {
      if (!grads[1].defined()) return {Tensor()};
      return {unsqueeze(unsqueeze(grads[1], -1), -1) * mT(linalg_inv(ctx.input(0)))};
    },
}};
Tensor2 linalg_slogdet(const Tensor& input) { return ::clew::apply(linalg_slogdet_op, input); }

CLEW_OP_PAGE(logdet) = {{
    .name = "logdet",
    .doc = R"(Logarithms of determinants; NaN where one is negative.

Args:
    input: shape (*, n, n), float32 or float64.
Returns:
    Tensor of shape (*).
Raises:
    clew.ShapeError: not square.
Example:
    >>> clew.logdet(clew.eye(2)).item()
    0.0)",
    .dtypes = kWide,
    .composite =
        [](const Tensor& input) {
          const auto [sign, log] = linalg_slogdet(input);
          return masked_fill(log, sign < 0, number(NAN));
        },
}};
Tensor logdet(const Tensor& input) { return apply(logdet_op, input); }

CLEW_OP_PAGE(linalg_cholesky) = {{
    .name = "linalg_cholesky",
    .doc = R"(Cholesky factors of symmetric positive definite matrices.

    A = L L^T; with upper=True, A = U^T U

Args:
    input: shape (*, n, n), float32 or float64; the other triangle is not read.
    upper: the upper factor instead of the lower one.
Returns:
    Triangular matrices of the shape of `input`.
Raises:
    clew.linalg.LinAlgError: a matrix that is not positive definite.
    clew.ShapeError: not square.
Example:
    >>> clew.linalg.cholesky(clew.tensor([[4.0, 2.0], [2.0, 2.0]])).tolist()
    [[2.0, 0.0], [1.0, 1.0]])",
    .dtypes = kWide,
    .autocast = Autocast::Float32,
    .meta = cholesky_meta,
    .kernel = &linalg_cholesky_kernel,
    .saves = kSavesNothing.output(),
    .grad = cholesky_grad,
}};
Tensor linalg_cholesky(const Tensor& input, bool upper) { return apply(linalg_cholesky_op, input, upper); }

CLEW_OP_PAGE(linalg_solve_triangular) = {{
    .name = "linalg_solve_triangular",
    .doc = R"(Solves systems of equations with triangular matrices.

    A X = B, or X A = B with left=False

Args:
    input: A, shape (*, n, n), float32 or float64; the other triangle is not read.
    other: B, shape (*, n, k), with left=False (*, k, n).
    upper: which triangle.
    left: on which side A stands.
    unitriangular: take the diagonal as 1.
Returns:
    X, shape of B.
Raises:
    clew.linalg.LinAlgError: a zero on the diagonal.
    clew.ShapeError: the shapes do not fit.
Example:
    >>> clew.linalg.solve_triangular(clew.eye(1) * 2, clew.ones(1, 1), upper=True).tolist()
    [[0.5]])",
    .dtypes = kWide,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = solve_triangular_meta,
    .kernel = &linalg_solve_triangular_kernel,
    .saves = kSavesNothing.input(0).output(),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const bool upper = ctx.arg<bool>(2), left = ctx.arg<bool>(3), unit = ctx.arg<bool>(4);
      const Tensor gb = linalg_solve_triangular(mT(ctx.input(0)), g, !upper, left, unit);
      if (!ctx.needs(0)) return {Tensor(), gb};
      const Tensor x = ctx.output();
      const Tensor ga = neg(left ? matmul(gb, mT(x)) : matmul(mT(x), gb));
      return {upper ? triu(ga, unit ? 1 : 0) : tril(ga, unit ? -1 : 0), ctx.needs(1) ? gb : Tensor()};
    },
}};
Tensor linalg_solve_triangular(const Tensor& input, const Tensor& other, bool upper, bool left,
                               bool unitriangular) {
  return apply(linalg_solve_triangular_op, input, other, upper, left, unitriangular);
}

CLEW_OP_PAGE(linalg_qr) = {{
    .name = "linalg_qr",
    .doc = R"(QR factorisations.

    A = Q R, Q^T Q = 1, R upper triangular

Args:
    input: shape (*, m, n), float32 or float64.
    mode: 'reduced' for Q (*, m, k) and R (*, k, n), k = min(m, n); 'complete' for k = m; 'r' without Q.
Returns:
    (Q, R).
Raises:
    ValueError: another mode.
Example:
    >>> q, r = clew.linalg.qr(clew.tensor([[3.0], [4.0]]))
    >>> round(abs(r.item()), 5)
    5.0)",
    .dtypes = kWide,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = qr_meta,
    .kernel = &linalg_qr_kernel,
    .saves = kSavesNothing.output(0).output(1),
    .grads = qr_grad,
}};
Tensor2 linalg_qr(const Tensor& input, std::string_view mode) { return apply(linalg_qr_op, input, mode); }

CLEW_OP_PAGE(linalg_eigh) = {{
    .name = "linalg_eigh",
    .doc = R"(Eigenvalues and eigenvectors of symmetric matrices.

    A = V diag(w) V^T, V^T V = 1, w in rising order

Args:
    input: shape (*, n, n), float32 or float64.
    UPLO: 'L' or 'U', the triangle that is read.
Returns:
    (w, V): shapes (*, n) and (*, n, n). Eigenvectors have a gradient where all eigenvalues differ.
Raises:
    clew.linalg.LinAlgError: NaN or infinite values.
    clew.ShapeError: not square.
Example:
    >>> clew.linalg.eigh(clew.tensor([[2.0, 0.0], [0.0, 1.0]]))[0].tolist()
    [1.0, 2.0])",
    .dtypes = kWide,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = eigh_meta,
    .kernel = &linalg_eigh_kernel,
    .saves = kSavesNothing.output(0).output(1),
    .grads = eigh_grad,
}};
Tensor2 linalg_eigh(const Tensor& input, std::string_view UPLO) { return apply(linalg_eigh_op, input, UPLO); }

CLEW_OP_PAGE(linalg_svd) = {{
    .name = "linalg_svd",
    .doc = R"(Singular value decompositions.

    A = U diag(S) Vh, U^T U = 1, Vh Vh^T = 1, S in falling order

Args:
    input: shape (*, m, n), float32 or float64.
    full_matrices: U (*, m, m) and Vh (*, n, n) instead of U (*, m, k) and Vh (*, k, n), k = min(m, n).
Returns:
    (U, S, Vh). U and Vh have a gradient where all singular values differ.
Raises:
    clew.linalg.LinAlgError: NaN or infinite values.
Example:
    >>> clew.linalg.svd(clew.tensor([[3.0, 0.0], [0.0, 4.0]]))[1].tolist()
    [4.0, 3.0])",
    .dtypes = kWide,
    .layout = Layout::Contiguous,
    .autocast = Autocast::Float32,
    .meta = svd_meta,
    .kernel = &linalg_svd_kernel,
    .saves = kSavesNothing.output(0).output(1).output(2),
    .grads = svd_grad,
}};
Tensor3 linalg_svd(const Tensor& input, bool full_matrices) {
  return apply(linalg_svd_op, input, full_matrices);
}

CLEW_OP_PAGE(linalg_svdvals) = {{
    .name = "linalg_svdvals",
    .doc = R"(Singular values, in falling order.

Args:
    input: shape (*, m, n), float32 or float64.
Returns:
    Tensor of shape (*, min(m, n)).
Raises:
    clew.linalg.LinAlgError: NaN or infinite values.
Example:
    >>> clew.linalg.svdvals(clew.tensor([[3.0, 0.0], [0.0, 4.0]])).tolist()
    [4.0, 3.0])",
    .dtypes = kWide,
    .composite = [](const Tensor& input) { return std::get<1>(linalg_svd(input, false)); },
}};
Tensor linalg_svdvals(const Tensor& input) { return apply(linalg_svdvals_op, input); }

CLEW_OP_PAGE(linalg_pinv) = {{
    .name = "linalg_pinv",
    .doc = R"(Pseudoinverses.

    V diag(1 / s) U^T over the singular values that are not small

Args:
    input: shape (*, m, n), float32 or float64.
    rcond: a singular value is small up to rcond times the greatest; negative: max(m, n) times the dtype's epsilon.
Returns:
    Tensor of shape (*, n, m).
Example:
    >>> clew.linalg.pinv(clew.tensor([[2.0, 0.0]])).tolist()
    [[0.5], [0.0]])",
    .dtypes = kWide,
    .composite = pinv_composite,
}};
Tensor linalg_pinv(const Tensor& input, double rcond) { return apply(linalg_pinv_op, input, rcond); }

CLEW_OP_PAGE(linalg_matrix_norm) = {{
    .name = "linalg_matrix_norm",
    .doc = R"(Matrix norms by name.

Args:
    input: shape with at least two dimensions, floating.
    ord: 'fro' for the root of the sum of squares, 'nuc' for the sum of singular values.
    dim: the two dimensions.
    keepdim: keep them with size 1.
    dtype: convert to this dtype first.
Returns:
    Tensor without (or with size 1 at) the two dimensions.
Raises:
    ValueError: another name.
Example:
    >>> clew.linalg.matrix_norm(clew.tensor([[3.0, 0.0], [0.0, 4.0]])).item()
    5.0)",
    .dtypes = kWide,
    .composite = matrix_norm_name,
}};
Tensor linalg_matrix_norm(const Tensor& input, std::string_view ord, IntArrayRef dim, bool keepdim,
                          std::optional<DType> dtype) {
  return apply(linalg_matrix_norm_op, input, ord, dim, keepdim, dtype);
}

CLEW_OP_PAGE(linalg_matrix_norm_number) = {{
    .name = "linalg_matrix_norm.number",
    .doc = R"(Matrix norms by number.

Args:
    input: shape with at least two dimensions, floating.
    ord: 1 and -1 for the greatest and smallest sum of a column's sizes, inf and -inf of a row's; 2 and -2 for the
        greatest and smallest singular value.
    dim: the two dimensions.
    keepdim: keep them with size 1.
    dtype: convert to this dtype first.
Returns:
    Tensor without (or with size 1 at) the two dimensions.
Raises:
    ValueError: another number.
Example:
    >>> clew.linalg.matrix_norm(clew.tensor([[3.0, 1.0], [0.0, 4.0]]), 1).item()
    5.0)",
    .dtypes = kWide,
    .composite = matrix_norm_number,
}};
Tensor linalg_matrix_norm(const Tensor& input, double ord, IntArrayRef dim, bool keepdim,
                          std::optional<DType> dtype) {
  return apply(linalg_matrix_norm_number_op, input, ord, dim, keepdim, dtype);
}

}  // namespace clew
