"""clew.linalg, einsum's forms, aliases, and methods whose Python form is more than a signature."""

from __future__ import annotations

import math

import numpy as np
import pytest

import clew

rng = np.random.RandomState(5)


def tensor(*shape: int) -> clew.Tensor:
    return clew.tensor(rng.uniform(-1, 1, shape))


# --- factorisations: gradients within what the factors are defined on ---------------------------------


def symmetric(x: clew.Tensor) -> clew.Tensor:
    return x + x.mT + clew.diag(clew.tensor([4.0, 6.0, 9.0], dtype=clew.float64))


def leaf(*shape: int) -> clew.Tensor:
    return (tensor(*shape) * 0.5).requires_grad_()


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_gradient(upper: bool) -> None:
    f = lambda x: clew.linalg.cholesky(symmetric(x), upper=upper)  # noqa: E731
    x = leaf(2, 3, 3)
    clew.autograd.gradcheck(f, (x,))
    clew.autograd.gradgradcheck(f, (x,))


def test_eigh_gradient() -> None:
    def f(x):
        w, v = clew.linalg.eigh(symmetric(x))
        return [w, v.abs()]  # an eigenvector's sign is free

    x = leaf(3, 3)
    clew.autograd.gradcheck(f, (x,))
    clew.autograd.gradgradcheck(f, (x,))


@pytest.mark.parametrize(("shape", "full"), [((3, 3), False), ((4, 2), False), ((2, 4), True)])
def test_svd_gradient(shape: tuple, full: bool) -> None:
    k = min(shape)

    def f(x):
        u, s, vh = clew.linalg.svd(x, full_matrices=full)
        # Signs of a pair of vectors are free, their product is not.
        return [s, u[:, :1] * vh[:1], u[:, k - 1 : k] * vh[k - 1 : k]]

    x = (
        tensor(*shape) + clew.eye(*shape, dtype=clew.float64) * clew.arange(2.0, 2 + shape[1])
    ).requires_grad_()
    clew.autograd.gradcheck(f, (x,))
    clew.autograd.gradgradcheck(f, (x,))


def test_lin_alg_error_is_a_runtime_error_that_names_the_entry() -> None:
    batch = clew.stack([clew.eye(2), clew.zeros(2, 2), clew.eye(2)])
    with pytest.raises(clew.linalg.LinAlgError, match=r"linalg\.inv: expected an invertible .*batch entry 1"):
        clew.linalg.inv(batch)
    with pytest.raises(RuntimeError, match=r"linalg\.solve: .*batch entry 1"):
        clew.linalg.solve(batch, clew.ones(2))


def test_norm_chooses_by_dims() -> None:
    x = tensor(3, 4)
    a = x.numpy()
    for ord in (None, "fro", "nuc", 1, 2, math.inf):
        assert np.allclose(clew.linalg.norm(x, ord).item(), np.linalg.norm(a, ord))
        assert np.allclose(clew.linalg.norm(x, ord, dim=(1, 0)).item(), np.linalg.norm(a, ord, axis=(1, 0)))
    assert np.allclose(clew.linalg.norm(x, 3, dim=1).numpy(), np.linalg.norm(a, 3, axis=1))
    assert tuple(clew.linalg.norm(tensor(2, 3, 4)).shape) == ()
    with pytest.raises(clew.ShapeError, match="expected a vector or a matrix"):
        clew.linalg.norm(tensor(2, 3, 4), 1)
    assert np.allclose(x.norm().item(), np.linalg.norm(a))
    assert np.allclose(x.norm("nuc").item(), np.linalg.norm(a, "nuc"))
    assert np.allclose(x.norm(p=1, dim=1).numpy(), np.abs(a).sum(1))


def test_least_squares_rank_and_condition() -> None:
    a, b = tensor(5, 2), tensor(5, 3)
    solution, residuals, rank, _ = np.linalg.lstsq(a.numpy(), b.numpy(), rcond=None)
    got = clew.linalg.lstsq(a, b)
    assert np.allclose(got.solution.numpy(), solution) and np.allclose(got.residuals.numpy(), residuals)
    assert got.rank.item() == rank == clew.linalg.matrix_rank(a).item()
    assert clew.linalg.matrix_rank(a @ a.mT).item() == 2
    assert np.allclose(clew.linalg.cond(a).item(), np.linalg.cond(a.numpy()))
    assert np.allclose(clew.linalg.cond(a.mT @ a, 1).item(), np.linalg.cond((a.mT @ a).numpy(), 1))
    assert clew.linalg.inv_ex(clew.stack([clew.eye(2), clew.zeros(2, 2)])).info.tolist() == [0, 1]
    assert clew.linalg.cholesky_ex(clew.stack([clew.eye(2), -clew.eye(2)])).info.tolist() == [0, 1]


def test_singular_determinant_has_a_second_derivative() -> None:
    x = clew.tensor(
        [[1.0, 2.0, 0.0], [2.0, 4.0, 1.0], [3.0, 6.0, 1.0]], dtype=clew.float64, requires_grad=True
    )
    (g,) = clew.autograd.grad(clew.linalg.det(x), x, create_graph=True)
    cofactors = [[-2.0, 1.0, 0.0], [-2.0, 1.0, 0.0], [2.0, -1.0, 0.0]]
    assert np.allclose(g.tolist(), cofactors)
    clew.autograd.gradcheck(clew.linalg.det, (x,))


def test_results_do_not_depend_on_threads() -> None:
    a, b = clew.randn(40, 17, 17), clew.randn(40, 17, 3)
    before = clew.get_num_threads()
    seen = []
    for n in (1, 2):
        clew.set_num_threads(n)
        u, s, vh = clew.linalg.svd(a)
        out = [clew.linalg.solve(a, b), clew.linalg.inv(a), clew.linalg.det(a), u, s, vh, *clew.linalg.qr(a)]
        seen.append([t.numpy().tobytes() for t in out])
    clew.set_num_threads(before)
    assert seen[0] == seen[1]


# --- einsum ------------------------------------------------------------------------------------------


def test_einsum_forms() -> None:
    a, b, c = tensor(2, 3), tensor(3, 4), tensor(4, 2)
    want = np.einsum("ij,jk,kl->il", a.numpy(), b.numpy(), c.numpy())
    assert np.allclose(clew.einsum("ij,jk,kl->il", a, b, c).numpy(), want)
    assert np.allclose(clew.einsum("ij,jk,kl->il", [a, b, c]).numpy(), want)
    assert np.allclose(clew.einsum(a, [0, 1], b, [1, 2], c, [2, 30], [0, 30]).numpy(), want)
    batch = tensor(5, 2, 3)
    assert np.allclose(
        clew.einsum(batch, [..., 0, 1], b, [1, 2], [..., 0, 2]).numpy(), batch.numpy() @ b.numpy()
    )
    assert np.allclose(clew.einsum(a, [0, 1], b, [1, 2]).numpy(), a.numpy() @ b.numpy())
    with pytest.raises(ValueError, match="einsum: expected subscripts"):
        clew.einsum(a, [0, 99])
    with pytest.raises(ValueError, match="einsum: expected an equation and at least one operand"):
        clew.einsum("ij")


# --- views in place -----------------------------------------------------------------------------------


def test_view_ops_in_place() -> None:
    x = clew.arange(6).reshape(2, 1, 3)
    same = x
    assert x.squeeze_(1) is same and tuple(x.shape) == (2, 3)
    assert tuple(x.unsqueeze_(-1).shape) == (2, 3, 1)
    assert tuple(x.squeeze_().shape) == (2, 3)
    assert tuple(x.t_().shape) == (3, 2) and not x.is_contiguous()
    assert x.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert tuple(x.transpose_(0, 1).shape) == (2, 3)
    assert tuple(x.swapaxes_(0, 1).shape) == (3, 2)
    assert tuple(x.swapdims_(0, 1).shape) == (2, 3)
    assert x.unsqueeze(0).squeeze_((0,)).dim() == 2


def test_view_ops_in_place_keep_history() -> None:
    x = clew.ones(2, 3, dtype=clew.float64).requires_grad_()
    y = x * clew.arange(6.0, dtype=clew.float64).reshape(2, 3)
    y.unsqueeze_(0).transpose_(1, 2)
    (y * y).sum().backward()
    assert x.grad.tolist() == [[0.0, 2.0, 8.0], [18.0, 32.0, 50.0]]
    with pytest.raises(clew.AutogradError, match="unsqueeze_: expected a tensor that is not a leaf"):
        x.unsqueeze_(0)
    with clew.no_grad():
        assert tuple(x.unsqueeze_(0).shape) == (1, 2, 3)
    z = clew.ones(2, 3).requires_grad_() * 2
    w = z * z  # saves z, as it was
    z.t_()
    with pytest.raises(clew.AutogradError):
        w.sum().backward()


# --- names -------------------------------------------------------------------------------------------


def test_aliases_are_the_same_op() -> None:
    assert clew.clip is clew.clamp and clew.multiply is clew.mul and clew.concat is clew.cat
    assert clew.Tensor.arccos_ is clew.Tensor.acos_
    x = clew.tensor([-1.0, 5.0])
    assert x.clip(0, 2).tolist() == [0.0, 2.0]
    assert x.clip_(max=clew.tensor([0.0, 3.0])).tolist() == [-1.0, 3.0] == x.tolist()
    assert x.subtract(1).tolist() == [-2.0, 2.0]


def test_where_as_method() -> None:
    x, c = clew.tensor([1.0, -2.0]), clew.tensor([True, False])
    assert x.where(c, 0.0).tolist() == [1.0, 0.0]
    assert x.where(condition=c, other=clew.tensor([7.0, 8.0])).tolist() == [1.0, 8.0]
    assert x.where(c, other=3.0).tolist() == [1.0, 3.0]
    assert [t.tolist() for t in clew.where(c)] == [[0]]
    with pytest.raises(TypeError):
        x.where()


def test_spread_in_the_older_spelling() -> None:
    x = tensor(3, 4)
    a = x.numpy()
    assert np.allclose(x.std(unbiased=False).item(), a.std())
    assert np.allclose(x.var(False).item(), a.var())
    assert np.allclose(x.std(1, True, True).numpy(), a.std(1, ddof=1, keepdims=True))
    assert np.allclose(x.var(dim=(0, 1), unbiased=False, keepdim=True).numpy(), a.var(keepdims=True))
    assert np.allclose([t.item() for t in clew.std_mean(x, unbiased=False)], [a.std(), a.mean()])


def test_normal_and_friends() -> None:
    clew.manual_seed(0)
    mean = clew.tensor([1.0, 100.0])
    assert clew.normal(mean, clew.tensor([0.0, 0.0])).tolist() == [1.0, 100.0]
    assert clew.normal(mean=5.0, std=clew.zeros(3)).tolist() == [5.0] * 3
    many = clew.normal(2.0, 3.0, (20000,))
    assert abs(many.mean().item() - 2) < 0.1 and abs(many.std().item() - 3) < 0.1
    many = clew.normal(clew.full((20000,), 2.0), 3.0)
    assert abs(many.mean().item() - 2) < 0.1 and abs(many.std().item() - 3) < 0.1
    with pytest.raises(TypeError, match="normal: expected size"):
        clew.normal(0.0, 1.0)
    x = clew.zeros(20000)
    assert abs(x.bernoulli_(0.3).mean().item() - 0.3) < 0.02
    assert clew.zeros(2, dtype=clew.int64).bernoulli_(clew.tensor([0.0, 1.0])).tolist() == [0, 1]
    assert x.random_(3).unique().tolist() == [0.0, 1.0, 2.0]
    assert x.random_(-1, 1).unique().tolist() == [-1.0, 0.0]
    assert abs(x.exponential_(2.0).mean().item() - 0.5) < 0.03
    assert clew.zeros(999, dtype=clew.bool).random_().unique().tolist() == [False, True]


def test_python_forms() -> None:
    x = clew.tensor([3, 1, 3])
    values, inverse, counts = clew.unique(x, return_inverse=True, return_counts=True)
    assert (values.tolist(), inverse.tolist(), counts.tolist()) == ([1, 3], [1, 0, 1], [1, 2])
    assert x.unique_consecutive().tolist() == [3, 1, 3]
    assert clew.round(clew.tensor([0.126]), decimals=2).item() == pytest.approx(0.13)
    a, b = clew.broadcast_tensors(clew.ones(2, 1), clew.ones(3))
    assert tuple(a.shape) == tuple(b.shape) == (2, 3)
    with pytest.raises(clew.ShapeError, match="broadcast_shapes: expected"):
        clew.broadcast_shapes((2,), (3,))
    assert clew.cartesian_prod(clew.tensor([1, 2]), clew.tensor([3, 4])).tolist() == [
        [1, 3],
        [1, 4],
        [2, 3],
        [2, 4],
    ]
    assert clew.combinations(clew.tensor([1, 2]), 2, True).tolist() == [[1, 1], [1, 2], [2, 2]]
    assert [tuple(t.shape) for t in clew.atleast_2d(clew.ones(()), clew.ones(2))] == [(1, 1), (1, 2)]
    counts, edges = clew.histogram(
        clew.tensor([0.0, 1.0, 1.0, 2.0]), clew.tensor([0.0, 1.0, 2.0]), density=True
    )
    assert counts.tolist() == [0.25, 0.75] and edges.tolist() == [0.0, 1.0, 2.0]
    assert clew.tensordot(clew.ones(2, 3), clew.ones(3, 2), dims=([1, 0], [0, 1])).item() == 6
    assert clew.max(clew.tensor([[1, 2]]), 1).indices.tolist() == [1]
    with pytest.raises(IndexError, match="max: expected dim in"):
        clew.max(clew.ones(2, 3), 2)


def test_negative_powers_of_integers() -> None:
    x = clew.tensor([1, 2, -1])
    with pytest.raises(ValueError, match="pow: expected exponents >= 0 for dtype int64, got -1"):
        x**-1
    assert (x ** clew.tensor([-1, -1, -3])).tolist() == [1, 0, -1]
