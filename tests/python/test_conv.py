"""Convolution: every engine against float64, special values, thread counts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import clew
from clew.nn import functional as F

# (n, c_in, h, w, c_out, padding): 3 x 3 kernels at stride 1 with enough channels for the tiled engine.
TILED = [
    (8, 16, 8, 8, 16, 1),
    (3, 17, 9, 11, 20, 1),
    (2, 32, 33, 31, 16, 0),
    (2, 16, 14, 35, 33, 2),
    (33, 24, 4, 4, 48, 1),
    (40, 18, 3, 5, 16, (0, 2)),
    (1, 64, 40, 40, 64, 1),
]


def run(dtype: object, shape: tuple, threads: int = 1, special: float | None = None) -> list[np.ndarray]:
    n, c, h, w, o, padding = shape
    random = np.random.RandomState(0)
    x = random.standard_normal((n, c, h, w))
    if special is not None:
        x[-1, 1, h // 2, w // 2] = special
    weight, bias = random.standard_normal((o, c, 3, 3)), random.standard_normal(o)
    tensors = [clew.tensor(a).to(dtype).requires_grad_() for a in (x, weight, bias)]
    before = clew.get_num_threads()
    clew.set_num_threads(threads)
    try:
        y = F.conv2d(*tensors, padding=padding)
        y.backward(clew.tensor(random.standard_normal(tuple(y.shape))).to(dtype))
    finally:
        clew.set_num_threads(before)
    return [t.detach().to(clew.float64).numpy() for t in (y, *(t.grad for t in tensors))]


@pytest.mark.parametrize("shape", TILED)
def test_tiled_engine_is_as_close_as_float32_allows(shape: tuple) -> None:
    for got, want in zip(run(clew.float32, shape), run(clew.float64, shape), strict=True):
        scale = np.abs(want).max()
        np.testing.assert_allclose(got, want, rtol=0, atol=4e-6 * scale)


@pytest.mark.parametrize("shape", TILED)
def test_result_does_not_depend_on_threads_or_run(shape: tuple) -> None:
    one, two, again = run(clew.float32, shape), run(clew.float32, shape, 2), run(clew.float32, shape, 2)
    for a, b, c in zip(one, two, again, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(b, c)


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan, 3e38])
def test_special_values_stay_in_their_windows(special: float) -> None:
    shape = TILED[0]
    for got, want in zip(
        run(clew.float32, shape, special=special), run(clew.float64, shape, special=special), strict=True
    ):
        finite = np.isfinite(want) & (np.abs(want) < 1e37)
        assert finite.any()
        assert np.isfinite(got[finite]).all()
        # 3e38 times a weight is beyond float32.
        assert not np.isfinite(got[~np.isfinite(want)]).any()


def test_whole_numbers_are_exact() -> None:
    random = np.random.RandomState(0)
    x = random.randint(-8, 9, (4, 16, 10, 10)).astype(np.float32)
    w = random.randint(-8, 9, (16, 16, 3, 3)).astype(np.float32)
    y = F.conv2d(clew.from_numpy(x), clew.from_numpy(w), padding=1)
    want = F.conv2d(clew.from_numpy(x).double(), clew.from_numpy(w).double(), padding=1)
    assert np.array_equal(y.numpy(), want.numpy())


@pytest.mark.parametrize(
    ("n", "c", "side", "o", "kernel", "stride", "padding", "dilation", "groups"),
    [
        (4, 3, 16, 24, 3, 1, 1, 1, 1),
        (4, 16, 15, 24, 3, 2, 1, 1, 1),
        (4, 16, 16, 24, 1, 1, 0, 1, 1),
        (4, 16, 16, 24, 1, 2, 0, 1, 1),
        (2, 32, 16, 32, 3, 1, 1, 1, 32),
        (2, 32, 17, 64, 3, 2, 1, 1, 32),
        (2, 32, 16, 32, 3, 1, 2, 2, 2),
        (2, 6, 14, 16, 5, 1, 0, 1, 1),
        (2, 3, 33, 8, 7, 2, 3, 1, 1),
    ],
)
def test_other_engines(n, c, side, o, kernel, stride, padding, dilation, groups) -> None:
    random = np.random.RandomState(0)
    arrays = [
        random.standard_normal((n, c, side, side)),
        random.standard_normal((o, c // groups, kernel, kernel)),
    ]
    results = []
    for dtype, threads in itertools.product((clew.float32, clew.float64), (1, 2)):
        clew.set_num_threads(threads)
        x, w = (clew.tensor(a).to(dtype).requires_grad_() for a in arrays)
        y = F.conv2d(x, w, None, stride, padding, dilation, groups)
        y.backward(clew.tensor(np.random.RandomState(1).standard_normal(tuple(y.shape))).to(dtype))
        results.append([t.detach().double().numpy() for t in (y, x.grad, w.grad)])
    clew.set_num_threads(2)
    for one, two, wide in zip(results[0], results[1], results[2], strict=True):
        assert np.array_equal(one, two)
        np.testing.assert_allclose(one, wide, rtol=0, atol=4e-6 * np.abs(wide).max())
