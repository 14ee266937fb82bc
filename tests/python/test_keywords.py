"""What every op understands beyond its own signature: out=, memory_format=, numbers as operands."""

import numpy as np
import pytest

import clew

# --- out= -----------------------------------------------------------------------------------------------


def test_out_receives_the_result_and_is_returned():
    out = clew.empty(3)
    assert clew.add(clew.ones(3), clew.ones(3), out=out) is out
    assert out.tolist() == [2.0, 2.0, 2.0]
    assert clew.cat([clew.ones(1), clew.zeros(2)], out=out) is out
    assert out.tolist() == [1.0, 0.0, 0.0]


def test_out_of_several_results():
    values, indices = clew.empty(2), clew.empty(2, dtype=clew.int64)
    returned = clew.sort(clew.tensor([2.0, 1.0]), out=(values, indices))
    assert returned[0] is values
    assert values.tolist() == [1.0, 2.0]
    assert indices.tolist() == [1, 0]


def test_out_is_resized_and_converted():
    out = clew.empty(0)
    clew.mul(clew.ones(2, 2), 3, out=out)
    assert out.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    wide = clew.empty(2, dtype=clew.float64)
    clew.add(clew.ones(2), 1, out=wide)
    assert wide.tolist() == [2.0, 2.0]
    assert wide.dtype is clew.float64


def test_out_may_be_the_argument_of_an_elementwise_op():
    x = clew.tensor([1.0, 2.0])
    clew.exp(x, out=x)
    np.testing.assert_allclose(x.numpy(), np.exp([1.0, 2.0]), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: clew.add(clew.ones(2), 1.5, out=clew.empty(2, dtype=clew.int64)), clew.DTypeError),
        (lambda: clew.exp(clew.ones(3), out=clew.empty(1).expand(3)), clew.ShapeError),
        (lambda: clew.exp(clew.ones(3), out=3), TypeError),
        (lambda: clew.exp(clew.ones(3, requires_grad=True), out=clew.empty(3)), clew.AutogradError),
        (lambda: clew.sort(clew.ones(3), out=clew.empty(3)), TypeError),
        (lambda: clew.exp(clew.ones(3), out=clew.zeros(2, 2)[0]), clew.ShapeError),
    ],
)
def test_out_that_does_not_fit(call, error):
    with pytest.raises(error, match="expected"):
        call()


def test_out_must_not_overlap_an_argument():
    x = clew.arange(6.0)
    with pytest.raises(clew.ShapeError, match="overlaps"):
        clew.exp(x[:4], out=x[1:5])
    with pytest.raises(clew.ShapeError, match="overlaps"):
        clew.cat([x[:2], x[2:4]], out=x[:4])


# --- memory_format=, layout= ------------------------------------------------------------------------------


def test_channels_last():
    x = clew.arange(24.0).view(1, 2, 3, 4).requires_grad_()
    y = x.contiguous(memory_format=clew.channels_last)
    assert y.stride() == (24, 1, 8, 2)
    assert y.is_contiguous(memory_format=clew.channels_last)
    assert not y.is_contiguous()
    assert clew.equal(x, y)
    y.sum().backward()
    assert clew.equal(x.grad, clew.ones(1, 2, 3, 4))
    assert x.to(memory_format=clew.channels_last).stride() == y.stride()
    assert clew.clone(y, memory_format=clew.contiguous_format).is_contiguous()
    assert repr(clew.channels_last) == "clew.channels_last"


def test_formats_that_do_not_fit():
    with pytest.raises(clew.ShapeError, match="expected 4 dimensions"):
        clew.ones(2, 2).contiguous(memory_format=clew.channels_last)
    with pytest.raises(TypeError, match="expected a memory_format"):
        clew.ones(2).clone(memory_format="channels_last")
    with pytest.raises(NotImplementedError, match=r"expected layout clew\.strided"):
        clew.zeros(2, layout="sparse")


def test_layout_and_pin_memory_are_understood():
    assert clew.zeros(2, layout=clew.strided, pin_memory=False).tolist() == [0.0, 0.0]
    with pytest.raises(clew.DeviceError, match="pin_memory"):
        clew.zeros(2, pin_memory=True)


# --- numbers as operands ----------------------------------------------------------------------------------


def test_numbers_where_they_mean_something():
    x = clew.tensor([1.0, 2.0])
    assert clew.add(1, x).tolist() == [2.0, 3.0]
    assert clew.pow(2, x).tolist() == [2.0, 4.0]
    assert clew.where(x > 1, 5, 0).tolist() == [0, 5]
    assert clew.eq(x, 1).tolist() == [True, False]


@pytest.mark.parametrize(
    "call",
    [
        lambda: clew.maximum(clew.ones(2), 1),
        lambda: clew.maximum(1, clew.ones(2)),
        lambda: clew.exp(2.0),
        lambda: clew.pow(2, 3),
        lambda: clew.eq(1, clew.ones(2)),
        lambda: clew.max(3, clew.ones(2)),
        lambda: clew.cat([clew.ones(2), None]),
    ],
)
def test_numbers_where_they_are_a_mistake(call):
    with pytest.raises(TypeError, match="expected"):
        call()


def test_a_tensor_where_a_number_belongs():
    with pytest.raises(clew.DTypeError, match="expected Number for argument 'alpha'"):
        clew.add(clew.ones(2), clew.ones(2), alpha=clew.ones(2))


# --- in-place views ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda x: x.unsqueeze_(0), lambda x: x.unsqueeze(0)),
        (lambda x: x.squeeze_(), lambda x: x.squeeze()),
        (lambda x: x.squeeze_(1), lambda x: x.squeeze(1)),
        (lambda x: x.transpose_(0, 2), lambda x: x.transpose(0, 2)),
        (lambda x: x[:, 0].t_(), lambda x: x[:, 0].t()),
        (lambda x: x.mul_(3).unsqueeze_(0).mul_(2), lambda x: (x * 3).unsqueeze(0) * 2),
    ],
)
def test_in_place_views(change, same):
    grads, results = [], []
    for f in (change, same):
        leaf = clew.arange(6.0).view(2, 1, 3).requires_grad_()
        y = f(leaf * 2)
        weights = clew.arange(6.0).view(y.shape)
        (y * weights).sum().backward()
        grads.append(leaf.grad)
        results.append(y.detach())
    assert results[0].shape == results[1].shape
    assert clew.equal(*results)
    assert clew.equal(*grads)


def test_in_place_views_are_writes_to_the_tape():
    leaf = clew.ones(3, requires_grad=True)
    x = leaf * 1
    y = x * x
    x.unsqueeze_(0)
    with pytest.raises(clew.AutogradError, match="unsqueeze"):
        y.sum().backward()
    with pytest.raises(clew.AutogradError, match="leaf"):
        leaf.unsqueeze_(0)


# --- indexing ops with options ----------------------------------------------------------------------------


def test_embedding_options():
    weight = clew.tensor([[3.0, 4.0], [0.3, 0.4]], requires_grad=True)
    y = clew.nn.functional.embedding(clew.tensor([0, 1, 0]), weight, max_norm=1.0, scale_grad_by_freq=True)
    np.testing.assert_allclose(y.tolist(), [[0.6, 0.8], [0.3, 0.4], [0.6, 0.8]], rtol=1e-5)
    y.sum().backward()
    assert weight.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_scatter_writes_numbers():
    x = clew.zeros(3)
    assert x.scatter(0, clew.tensor([1]), value=2.0).tolist() == [0.0, 2.0, 0.0]
    assert x.scatter_(0, clew.tensor([1]), 3).tolist() == [0.0, 3.0, 0.0]
    assert x.scatter(0, clew.tensor([1]), 2, reduce="multiply").tolist() == [0.0, 6.0, 0.0]


def test_nonzero_as_tuple():
    x = clew.tensor([[0, 1], [2, 0]])
    rows, columns = x.nonzero(as_tuple=True)
    assert x[rows, columns].tolist() == [1, 2]


# --- names that are not there -----------------------------------------------------------------------------


def test_known_methods_say_their_tier():
    x = clew.ones(1)
    assert not hasattr(x, "refine_names")
    with pytest.raises(NotImplementedError, match="tier 3"):
        x.refine_names()
    assert "refine_names" not in dir(x)
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        x.no_such_name
    assert not hasattr(x, "__cuda_array_interface__")


# --- sharing ----------------------------------------------------------------------------------------------


def test_asarray_copies_as_asked():
    a = np.ones(3, np.float32)
    assert clew.asarray(a, copy=False).data_ptr() == a.ctypes.data
    assert clew.asarray(a, copy=True).data_ptr() != a.ctypes.data
    assert clew.asarray(a).data_ptr() == a.ctypes.data
    with pytest.raises(ValueError, match="copy=False"):
        clew.asarray([1.0, 2.0], copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        clew.asarray(a, dtype=clew.float64, copy=False)


def test_dlpack_keywords():
    x = clew.ones(3)
    assert clew.from_dlpack(x.__dlpack__(max_version=(1, 0), dl_device=(1, 0))).data_ptr() == x.data_ptr()
    assert clew.from_dlpack(x.__dlpack__(copy=True)).data_ptr() != x.data_ptr()
    with pytest.raises(BufferError, match="dl_device"):
        x.__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError, match="stream"):
        x.__dlpack__(stream=1)


def test_index_errors_are_both_kinds():
    for kind in (IndexError, RuntimeError):
        with pytest.raises(kind, match="gather: expected index"):
            clew.ones(3).gather(0, clew.tensor([3]))


def test_out_on_meta_has_no_memory_to_overlap():
    x, out = clew.empty(3, device="meta"), clew.empty(6, device="meta")
    assert clew.cat((x, x), out=out) is out
    assert clew.add(x, x, out=clew.empty(3, device="meta")).shape == (3,)
