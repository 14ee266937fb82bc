// Products made of matrix products.
#include "clew/dispatch/apply.h"
#include "core/shapes.h"
#include "registry/slots.h"

namespace clew {
namespace {

Tensor number(const Scalar& v) { return weak_scalar_tensor(v); }

void check_one_dtype(const char* op, const Tensor& a, const Tensor& b) {
  CLEW_CHECK(a.dtype() == b.dtype(), DTypeError, op, ": expected tensors of one dtype, got ", a.dtype(),
             " and ", b.dtype(), " (convert one with .to(dtype))");
}
void check_factor(const char* op, const Tensor& t, const Scalar& beta, const Scalar& alpha) {
  CLEW_CHECK(is_floating(t.dtype()) || !(beta.is_floating() || alpha.is_floating()), DTypeError, op,
             ": expected integer beta and alpha for ", t.dtype(), " tensors, got ", beta, " and ", alpha);
}

/// beta * input + alpha * product. With beta 0 the input does not count, NaN included.
Tensor added(const char* op, const Tensor& input, const Tensor& product, const Scalar& beta,
             const Scalar& alpha) {
  check_one_dtype(op, input, product);
  check_factor(op, product, beta, alpha);
  CLEW_CHECK(broadcastable_to(input.sizes(), product.sizes()), ShapeError, op,
             ": expected input of a shape that broadcasts to ", product.sizes(), ", got ", input.sizes());
  const Tensor scaled = alpha.equals(1) ? product : mul(product, number(alpha));
  if (beta.equals(0)) return scaled;
  return beta.equals(1) ? input + scaled : mul(input, number(beta)) + scaled;
}

Tensor baddbmm_composite(const Tensor& input, const Tensor& batch1, const Tensor& batch2, const Scalar& beta,
                         const Scalar& alpha) {
  CLEW_CHECK(batch1.dim() == 3 && batch2.dim() == 3, ShapeError,
             "baddbmm: expected two batches of matrices (b, n, m), got batch1 ", batch1.sizes(),
             " and batch2 ", batch2.sizes());
  CLEW_CHECK(batch1.sizes()[0] == batch2.sizes()[0] && batch1.sizes()[2] == batch2.sizes()[1], ShapeError,
             "baddbmm: expected batch1 (b, n, k) and batch2 (b, k, m), got ", batch1.sizes(), " and ",
             batch2.sizes());
  check_one_dtype("baddbmm", batch1, batch2);
  // Integers take the whole part of the factors here, and only here.
  auto whole = [&](const Scalar& s) {
    const bool cut = s.is_floating() && !is_floating(batch1.dtype()) && std::abs(s.to_double()) < 9e18;
    return cut ? Scalar(s.to_int()) : s;
  };
  return added("baddbmm", input, bmm(batch1, batch2), whole(beta), whole(alpha));
}

Tensor addbmm_composite(const Tensor& input, const Tensor& batch1, const Tensor& batch2, const Scalar& beta,
                        const Scalar& alpha) {
  CLEW_CHECK(batch1.dim() == 3 && batch2.dim() == 3 && batch1.sizes()[0] == batch2.sizes()[0] &&
                 batch1.sizes()[2] == batch2.sizes()[1],
             ShapeError, "addbmm: expected batch1 (b, n, k) and batch2 (b, k, m), got ", batch1.sizes(),
             " and ", batch2.sizes());
  check_one_dtype("addbmm", batch1, batch2);
  const int64_t b = batch1.sizes()[0], n = batch1.sizes()[1], k = batch1.sizes()[2], m = batch2.sizes()[2];
  // The sum over the batch is one more dimension to contract.
  const Tensor left = reshape(permute(batch1, {1, 0, 2}), {n, b * k}), right = reshape(batch2, {b * k, m});
  return added("addbmm", input, mm(left, right), beta, alpha);
}

Tensor addmv_composite(const Tensor& input, const Tensor& mat, const Tensor& vec, const Scalar& beta,
                       const Scalar& alpha) {
  CLEW_CHECK(mat.dim() == 2 && vec.dim() == 1 && mat.sizes()[1] == vec.sizes()[0], ShapeError,
             "addmv: expected mat (n, k) and vec (k,), got ", mat.sizes(), " and ", vec.sizes());
  check_one_dtype("addmv", mat, vec);
  return added("addmv", input, mv(mat, vec), beta, alpha);
}

Tensor addr_composite(const Tensor& input, const Tensor& vec1, const Tensor& vec2, const Scalar& beta,
                      const Scalar& alpha) {
  CLEW_CHECK(vec1.dim() == 1 && vec2.dim() == 1, ShapeError, "addr: expected two vectors, got vec1 ",
             vec1.sizes(), " and vec2 ", vec2.sizes());
  check_one_dtype("addr", vec1, vec2);
  return added("addr", input, outer(vec1, vec2), beta, alpha);
}

Tensor inner_composite(const Tensor& input, const Tensor& other) {
  if (input.dim() == 0 || other.dim() == 0) return mul(input, other);
  CLEW_CHECK(input.sizes().back() == other.sizes().back(), ShapeError,
             "inner: expected one last size, got input ", input.sizes(), " and other ", other.sizes());
  const int64_t last_a = input.dim() - 1, last_b = other.dim() - 1;
  return tensordot(input, other, IntArrayRef(&last_a, 1), IntArrayRef(&last_b, 1));
}

Tensor kron_composite(const Tensor& input, const Tensor& other) {
  const int64_t rank = std::max(input.dim(), other.dim());
  // (a1, 1, a2, 1, ...) times (1, b1, 1, b2, ...).
  Shape left, right, merged;
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t ia = i - (rank - input.dim()), ib = i - (rank - other.dim());
    const int64_t n = ia < 0 ? 1 : input.sizes()[static_cast<size_t>(ia)];
    const int64_t m = ib < 0 ? 1 : other.sizes()[static_cast<size_t>(ib)];
    left.push_back(n);
    left.push_back(1);
    right.push_back(1);
    right.push_back(m);
    merged.push_back(n * m);
  }
  return reshape(mul(reshape(input, left), reshape(other, right)), merged);
}

Tensor cross_along(const char* op, const Tensor& input, const Tensor& other, std::optional<int64_t> dim) {
  const Shape shape = broadcast_shapes(op, input.sizes(), other.sizes());
  CLEW_CHECK(input.dim() == other.dim(), ShapeError, op, ": expected as many dimensions, got input ",
             input.sizes(), " and other ", other.sizes());
  int64_t d = -1;
  if (dim) {
    d = wrap_dim(op, *dim, static_cast<int64_t>(shape.size()));
  } else {
    for (size_t i = 0; i < shape.size() && d < 0; ++i)
      if (input.sizes()[i] == 3 && other.sizes()[i] == 3) d = static_cast<int64_t>(i);
    CLEW_CHECK(d >= 0, ShapeError, op, ": expected a dimension of size 3, got input ", input.sizes(),
               " and other ", other.sizes());
  }
  CLEW_CHECK(!shape.empty() && input.sizes()[static_cast<size_t>(d)] == 3 &&
                 other.sizes()[static_cast<size_t>(d)] == 3,
             ShapeError, op, ": expected size 3 along dim ", d, ", got input ", input.sizes(), " and other ",
             other.sizes());
  const Tensor a = expand(input, shape), b = expand(other, shape);
  auto part = [d](const Tensor& t, int64_t i) { return select(t, d, i); };
  TensorList parts;
  for (int64_t i = 0; i < 3; ++i) {
    const int64_t j = (i + 1) % 3, k = (i + 2) % 3;
    parts.push_back(part(a, j) * part(b, k) - part(a, k) * part(b, j));
  }
  return stack(parts, d);
}

Tensor tensordot_composite(const Tensor& a, const Tensor& b, IntArrayRef dims_a, IntArrayRef dims_b) {
  CLEW_CHECK(dims_a.size() == dims_b.size(), ShapeError,
             "tensordot: expected as many dims of a as of b, got ", dims_a, " and ", dims_b);
  check_one_dtype("tensordot", a, b);
  const uint64_t mask_a = dims_a.empty() ? 0 : dim_mask("tensordot", dims_a, a.dim());
  const uint64_t mask_b = dims_b.empty() ? 0 : dim_mask("tensordot", dims_b, b.dim());
  Shape order_a, order_b, result;
  int64_t rows = 1, inner = 1, columns = 1;
  for (int64_t i = 0; i < a.dim(); ++i) {
    if ((mask_a >> i) & 1) continue;
    order_a.push_back(i);
    result.push_back(a.sizes()[static_cast<size_t>(i)]);
    rows *= result.back();
  }
  for (size_t i = 0; i < dims_a.size(); ++i) {
    const int64_t i_a = wrap_dim("tensordot", dims_a[i], a.dim()),
                  i_b = wrap_dim("tensordot", dims_b[i], b.dim());
    const int64_t n = a.dim() == 0 ? 1 : a.sizes()[static_cast<size_t>(i_a)];
    const int64_t m = b.dim() == 0 ? 1 : b.sizes()[static_cast<size_t>(i_b)];
    CLEW_CHECK(n == m, ShapeError, "tensordot: expected equal sizes along the contracted dims, got ", n,
               " and ", m, " (a ", a.sizes(), " dim ", i_a, ", b ", b.sizes(), " dim ", i_b, ")");
    order_a.push_back(i_a);
    order_b.push_back(i_b);
    inner *= n;
  }
  for (int64_t i = 0; i < b.dim(); ++i) {
    if ((mask_b >> i) & 1) continue;
    order_b.push_back(i);
    result.push_back(b.sizes()[static_cast<size_t>(i)]);
    columns *= result.back();
  }
  const Tensor left = reshape(a.dim() == 0 ? a : permute(a, order_a), {rows, inner});
  const Tensor right = reshape(b.dim() == 0 ? b : permute(b, order_b), {inner, columns});
  return reshape(mm(left, right), result);
}

Tensor cdist_composite(const Tensor& x1, const Tensor& x2, double p) {
  CLEW_CHECK(x1.dim() >= 2 && x2.dim() >= 2, ShapeError, "cdist: expected rows of points (*, n, m), got x1 ",
             x1.sizes(), " and x2 ", x2.sizes());
  CLEW_CHECK(x1.sizes().back() == x2.sizes().back(), ShapeError,
             "cdist: expected points of one size, got x1 ", x1.sizes(), " and x2 ", x2.sizes());
  CLEW_CHECK(p >= 0, ValueError, "cdist: expected p >= 0, got ", p);
  return linalg_vector_norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, IntArrayRef{-1});
}

Tensor multi_dot_composite(TensorListRef tensors) {
  const size_t n = tensors.size();
  CLEW_CHECK(n >= 2, ValueError, "multi_dot: expected at least two tensors, got ", n);
  TensorList m(tensors.begin(), tensors.end());
  for (size_t i = 0; i < n; ++i) {
    const bool end = i == 0 || i == n - 1;
    CLEW_CHECK(m[i].dim() == 2 || (end && m[i].dim() == 1), ShapeError,
               "multi_dot: expected matrices, or vectors at the ends, got shape ", m[i].sizes(), " at ", i);
  }
  const bool row = m.front().dim() == 1, column = m.back().dim() == 1;
  if (row) m.front() = unsqueeze(m.front(), 0);
  if (column) m.back() = unsqueeze(m.back(), 1);
  for (size_t i = 0; i + 1 < n; ++i)
    CLEW_CHECK(m[i].sizes()[1] == m[i + 1].sizes()[0], ShapeError,
               "multi_dot: expected as many columns as the next has rows, got ", m[i].sizes(), " and ",
               m[i + 1].sizes());
  // The cheapest order of products, by the classical dynamic programme.
  std::vector<std::vector<double>> cost(n, std::vector<double>(n, 0));
  std::vector<std::vector<size_t>> split(n, std::vector<size_t>(n, 0));
  auto size = [&](size_t i) { return static_cast<double>(i < n ? m[i].sizes()[0] : m[n - 1].sizes()[1]); };
  for (size_t length = 2; length <= n; ++length) {
    for (size_t i = 0; i + length <= n; ++i) {
      const size_t j = i + length - 1;
      cost[i][j] = HUGE_VAL;
      for (size_t k = i; k < j; ++k) {
        const double c = cost[i][k] + cost[k + 1][j] + size(i) * size(k + 1) * size(j + 1);
        if (c < cost[i][j]) {
          cost[i][j] = c;
          split[i][j] = k;
        }
      }
    }
  }
  auto product = [&](auto&& self, size_t i, size_t j) -> Tensor {
    if (i == j) return m[i];
    return mm(self(self, i, split[i][j]), self(self, split[i][j] + 1, j));
  };
  Tensor y = product(product, 0, n - 1);
  if (row) y = squeeze(y, IntArrayRef{0});
  if (column) y = squeeze(y, IntArrayRef{-1});
  return y;
}

Tensor matrix_power_composite(const Tensor& input, int64_t n) {
  CLEW_CHECK(input.dim() >= 2 && input.sizes().back() == input.sizes()[input.sizes().size() - 2], ShapeError,
             "matrix_power: expected square matrices, got ", input.sizes());
  if (n == 0) {
    const int64_t m = input.sizes().back();
    return clone(expand(eye(m, m, input.options()), input.sizes()));
  }
  Tensor base = n < 0 ? linalg_inv(input) : input, y;
  for (uint64_t e = n < 0 ? uint64_t{0} - static_cast<uint64_t>(n) : static_cast<uint64_t>(n); e != 0;
       e >>= 1) {
    if (e & 1) y = y.defined() ? matmul(y, base) : base;
    if (e > 1) base = matmul(base, base);
  }
  return n == 1 ? clone(y) : y;
}

}  // namespace

#define CLEW_ADDED(id, name_a, name_b, formula, shape_in, shape_a, shape_b, shape_y, example)               \
  CLEW_OP_PAGE(id) = {{                                                                                     \
      .name = #id,                                                                                          \
      .doc =                                                                                                \
          "A product added to a tensor.\n\n    y = beta * input + alpha * " formula                         \
          "\n\nArgs:\n    input: a shape that broadcasts to " shape_y                                       \
          "; not read when beta is 0.\n    " name_a ": shape " shape_a ".\n    " name_b ": shape " shape_b  \
          ".\n    beta, alpha: numbers; integers for integer tensors.\nReturns:\n    Tensor of "            \
          "shape " shape_y ".\nRaises:\n    clew.ShapeError: the shapes do not fit.\n    clew.DTypeError: " \
          "different dtypes.\n"                                                                             \
          "Example:\n    >>> " example,                                                                     \
      .dtypes = kNumeric,                                                                                   \
      .autocast = Autocast::Low,                                                                            \
      .composite = id##_composite,                                                                          \
  }};                                                                                                       \
  Tensor id(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta,                      \
            const Scalar& alpha) {                                                                          \
    return apply(id##_op, input, a, b, beta, alpha);                                                        \
  }                                                                                                         \
  Tensor id##_(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta,                   \
               const Scalar& alpha) {                                                                       \
    return apply_inplace(id##_op, input, a, b, beta, alpha);                                                \
  }
CLEW_ADDED(baddbmm, "batch1", "batch2", "(batch1[i] @ batch2[i])", , "(b, n, k)", "(b, k, m)", "(b, n, m)",
           "clew.baddbmm(clew.ones(1), clew.ones(1, 1, 2), clew.ones(1, 2, 1)).tolist()\n    [[[3.0]]]")
CLEW_ADDED(addbmm, "batch1", "batch2", "sum_i batch1[i] @ batch2[i]", , "(b, n, k)", "(b, k, m)", "(n, m)",
           "clew.addbmm(clew.ones(1), clew.ones(2, 1, 2), clew.ones(2, 2, 1)).tolist()\n    [[5.0]]")
CLEW_ADDED(addmv, "mat", "vec", "(mat @ vec)", , "(n, k)", "(k,)", "(n,)",
           "clew.addmv(clew.ones(1), clew.ones(1, 2), clew.ones(2)).tolist()\n    [3.0]")
CLEW_ADDED(addr, "vec1", "vec2", "outer(vec1, vec2)", , "(n,)", "(m,)", "(n, m)",
           "clew.addr(clew.ones(1), clew.ones(1), clew.ones(2)).tolist()\n    [[2.0, 2.0]]")
#undef CLEW_ADDED

CLEW_OP_PAGE(inner) = {{
    .name = "inner",
    .doc = R"(Sum of products over the last dimensions.

    y[..., ...] = sum_k input[..., k] * other[..., k]

Args:
    input: shape (*, k), or 0-dim.
    other: shape (+, k), or 0-dim.
Returns:
    Tensor of shape (*, +).
Raises:
    clew.ShapeError: different last sizes.
Example:
    >>> clew.inner(clew.tensor([1, 2]), clew.tensor([3, 4])).item()
    11)",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .composite = inner_composite,
}};
Tensor inner(const Tensor& input, const Tensor& other) { return apply(inner_op, input, other); }

CLEW_OP_PAGE(vdot) = {{
    .name = "vdot",
    .doc = R"(Dot product of two vectors; the first would be conjugated, had it imaginary parts.

Args:
    input, other: shape (n,).
Returns:
    0-dim tensor.
Raises:
    clew.ShapeError: not two vectors of one size.
Example:
    >>> clew.vdot(clew.tensor([1, 2]), clew.tensor([3, 4])).item()
    11)",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .composite = [](const Tensor& input, const Tensor& other) { return dot(input, other); },
}};
Tensor vdot(const Tensor& input, const Tensor& other) { return apply(vdot_op, input, other); }

CLEW_OP_PAGE(kron) = {{
    .name = "kron",
    .doc = R"(Kronecker product.

    y[i * m + k, j * n + l] = input[i, j] * other[k, l], other of shape (m, n)

Args:
    input, other: any shapes; the shorter gets leading dimensions of size 1.
Returns:
    Tensor whose sizes are the products of theirs.
Example:
    >>> clew.kron(clew.tensor([1, 2]), clew.tensor([1, 10])).tolist()
    [1, 10, 2, 20])",
    .composite = kron_composite,
}};
Tensor kron(const Tensor& input, const Tensor& other) { return apply(kron_op, input, other); }

CLEW_OP_PAGE(trace) = {{
    .name = "trace",
    .doc = R"(Sum of a matrix's diagonal.

Args:
    input: shape (n, m).
Returns:
    0-dim tensor.
Raises:
    clew.ShapeError: not a matrix.
Example:
    >>> clew.eye(3).trace().item()
    3.0)",
    .composite =
        [](const Tensor& input) {
          CLEW_CHECK(input.dim() == 2, ShapeError, "trace: expected a matrix, got ", input.sizes());
          return sum(diagonal(input));
        },
}};
Tensor trace(const Tensor& input) { return apply(trace_op, input); }

CLEW_OP_PAGE(cross) = {{
    .name = "cross",
    .doc = R"(Cross product of vectors in three dimensions.

Args:
    input, other: shapes that broadcast together, size 3 along `dim`.
    dim: the dimension; None: the first of size 3.
Returns:
    Tensor of the broadcast shape.
Raises:
    clew.ShapeError: no size 3.
Example:
    >>> clew.cross(clew.tensor([1, 0, 0]), clew.tensor([0, 1, 0])).tolist()
    [0, 0, 1])",
    .dtypes = kNumeric,
    .composite = [](const Tensor& input, const Tensor& other,
                    std::optional<int64_t> dim) { return cross_along("cross", input, other, dim); },
}};
Tensor cross(const Tensor& input, const Tensor& other, std::optional<int64_t> dim) {
  return apply(cross_op, input, other, dim);
}

CLEW_OP_PAGE(tensordot) = {{
    .name = "tensordot",
    .doc = R"(Contracts the last dimensions of one tensor with the first of another.

Args:
    a: shape (*, k1, ..., kd).
    b: shape (k1, ..., kd, +).
    dims: d, how many; or two lists, of dims of `a` and of `b`.
Returns:
    Tensor of shape (*, +).
Raises:
    clew.ShapeError: the sizes do not fit.
Example:
    >>> clew.tensordot(clew.ones(2, 3), clew.ones(3, 4), 1).shape
    clew.Size([2, 4]))",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .composite =
        [](const Tensor& a, const Tensor& b, int64_t dims) {
          CLEW_CHECK(dims >= 0, ValueError, "tensordot: expected dims >= 0, got ", dims);
          CLEW_CHECK(dims <= a.dim() && dims <= b.dim(), ShapeError,
                     "tensordot: expected at most as many dims as a ", a.sizes(), " and b ", b.sizes(),
                     " have, got ", dims);
          Shape last, first;
          for (int64_t i = 0; i < dims; ++i) {
            last.push_back(a.dim() - dims + i);
            first.push_back(i);
          }
          return tensordot_composite(a, b, last, first);
        },
}};
Tensor tensordot(const Tensor& a, const Tensor& b, int64_t dims) { return apply(tensordot_op, a, b, dims); }

CLEW_OP_PAGE(tensordot_lists) = {{
    .name = "tensordot.lists",
    .doc = R"(Contracts dimensions of one tensor with those of another.

Args:
    a, b: any shapes.
    dims_a, dims_b: the dims to contract, pair by pair.
Returns:
    Tensor of what is left of `a`, then of `b`.
Raises:
    clew.ShapeError: the sizes do not fit.
Example:
    >>> clew.tensordot(clew.ones(2, 3), clew.ones(4, 3), ([1], [1])).shape
    clew.Size([2, 4]))",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .composite = tensordot_composite,
}};
Tensor tensordot(const Tensor& a, const Tensor& b, IntArrayRef dims_a, IntArrayRef dims_b) {
  return apply(tensordot_lists_op, a, b, dims_a, dims_b);
}

CLEW_OP_PAGE(cdist) = {{
    .name = "cdist",
    .doc = R"(Distances between all pairs of points.

    y[i, j] = norm(x1[i] - x2[j], p)

Args:
    x1: shape (*, n, m), floating.
    x2: shape (*, k, m); the leading dimensions broadcast.
    p: the norm, >= 0.
Returns:
    Tensor of shape (*, n, k).
Raises:
    clew.ShapeError: points of different sizes.
Example:
    >>> clew.cdist(clew.zeros(1, 2), clew.tensor([[3.0, 4.0]])).tolist()
    [[5.0]])",
    .dtypes = kFloating,
    .autocast = Autocast::Float32,
    .composite = cdist_composite,
}};
Tensor cdist(const Tensor& x1, const Tensor& x2, double p) { return apply(cdist_op, x1, x2, p); }

CLEW_OP_PAGE(linalg_multi_dot) = {{
    .name = "linalg_multi_dot",
    .doc = R"(Product of a chain of matrices, in the order that takes the fewest multiplications.

Args:
    tensors: at least two matrices; the first and the last may be vectors.
Returns:
    The product.
Raises:
    clew.ShapeError: the shapes do not fit.
Example:
    >>> clew.linalg.multi_dot([clew.ones(1, 2), clew.ones(2, 3), clew.ones(3)]).tolist()
    [6.0])",
    .dtypes = kNumeric,
    .autocast = Autocast::Low,
    .composite = multi_dot_composite,
}};
Tensor linalg_multi_dot(TensorListRef tensors) { return ::clew::apply(linalg_multi_dot_op, tensors); }

CLEW_OP_PAGE(matrix_power) = {{
    .name = "matrix_power",
    .doc = R"(Integer power of square matrices.

Args:
    input: shape (*, n, n).
    n: the exponent; negative: of the inverse.
Returns:
    Tensor of the shape of `input`.
Raises:
    clew.ShapeError: not square.
Example:
    >>> clew.matrix_power(clew.tensor([[1.0, 1.0], [0.0, 1.0]]), 3).tolist()
    [[1.0, 3.0], [0.0, 1.0]])",
    .dtypes = dtype_set(DType::Float32, DType::Float64),
    .composite = matrix_power_composite,
}};
Tensor matrix_power(const Tensor& input, int64_t n) { return apply(matrix_power_op, input, n); }

}  // namespace clew
