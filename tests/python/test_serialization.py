"""save and load: round trips, sharing, atomic writes, damaged and hostile files."""

import doctest
import importlib
import io
import json
import math
import os
import random
import struct
from collections import OrderedDict

import numpy as np
import pytest

import clew
from clew import nn, safetensors

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]


def again(obj, **options):
    file = io.BytesIO()
    clew.save(obj, file)
    file.seek(0)
    return clew.load(file, **options)


def same(a, b):
    if isinstance(a, clew.Tensor):
        assert isinstance(b, clew.Tensor) and a.dtype == b.dtype and a.shape == b.shape
        x, y = a.detach().to(clew.float64).numpy(), b.detach().to(clew.float64).numpy()
        assert np.array_equal(x, y, equal_nan=True)
    elif isinstance(a, dict):
        assert type(a) is type(b) and list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert type(a) is type(b) and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, float) and math.isnan(a):
        assert math.isnan(b)
    else:
        assert type(a) is type(b) and a == b


def sample():
    clew.manual_seed(0)
    return {
        "epoch": 3,
        "model": OrderedDict([("weight", clew.randn(3, 4)), ("bias", clew.zeros(0, 2))]),
        "names": ["a", ("b", None), {"x": True}],
        5: [1.5, -0.0, math.inf, math.nan, 2**70, -(2**60), 1e-310],
        "flags": clew.tensor([True, False, True]),
        "$": {"v": 1},
        "bytes": b"\x00\xff",
        "text": 'quote " \\ \u00e9 \U0001f600 \n',
        "scalar": clew.tensor(7),
        "half": clew.randn(5).to(clew.bfloat16),
        ("t", 1): {1, 2},
        "odd": clew.arange(3).to(clew.uint8),
    }


def test_arrays():
    shared = np.arange(6, dtype=np.int64)
    obj = {
        "a": np.ones((2, 3), np.float32),
        "b": [shared, shared[2:4]],
        "c": np.float32(1.5),
        "d": np.array(2.0),
    }
    back = again(obj, weights_only=False)
    assert type(back["a"]) is np.ndarray and back["a"].dtype == np.float32 and back["a"].shape == (2, 3)
    assert back["b"][0].tolist() == [0, 1, 2, 3, 4, 5] and back["b"][1].tolist() == [2, 3]
    assert back["c"] == 1.5 and back["d"].shape == () and back["d"] == 2.0


def test_round_trip():
    obj = sample()
    same(obj, again(obj))


@pytest.mark.parametrize("mmap", [False, True])
def test_round_trip_through_a_path(tmp_path, mmap):
    path = tmp_path / "x.clew"
    clew.save(sample(), path)
    same(sample(), clew.load(path, mmap=mmap))
    same(sample(), clew.load(str(path), map_location="cpu", mmap=mmap))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0, 3), (1, 1, 1, 1, 1, 1, 1, 2)])
def test_dtypes_and_shapes(dtype, shape, tmp_path):
    t = (clew.randn(*shape) * 3 if shape else clew.randn(1)[0]).to(getattr(clew, dtype))
    same(t, again(t))
    clew.save([t, clew.ones(1)], tmp_path / "x")
    same(t, clew.load(tmp_path / "x", mmap=True)[0])


def test_plain_values():
    for value in (None, True, 0, -1, "x", b"", [], (), {}, 1.25, 1 + 2j, frozenset({1}), bytearray(b"a")):
        same(value, again(value))
    assert again(clew.float32) == clew.float32
    assert again(clew.device("cpu")) == clew.device("cpu")
    assert again(clew.ones(2, 3).shape) == (2, 3)
    assert again(np.float64(1.5)) == 1.5


def test_non_contiguous():
    t = clew.arange(12.0).reshape(3, 4)
    same({"a": t.t(), "b": t[:, 1:3], "c": t[::2]}, again({"a": t.t(), "b": t[:, 1:3], "c": t[::2]}))


def test_shared_memory_is_stored_once_and_shared_again(tmp_path):
    t = clew.arange(1000.0)
    obj = {
        "all": t,
        "same": t,
        "part": t[100:200],
        "matrix": t.reshape(10, 100),
        "row": t.reshape(10, 100)[3],
    }
    clew.save(obj, tmp_path / "x")
    assert os.path.getsize(tmp_path / "x") < 4000 + 2000
    with safetensors.safe_open(tmp_path / "x") as file:
        assert file.keys() == ["all"]
    got = clew.load(tmp_path / "x")
    same(obj, got)
    got["all"].fill_(-1)
    assert got["same"] is got["all"]
    assert got["part"][5].item() == -1 and got["matrix"][9, 9].item() == -1 and got["row"][0].item() == -1


def test_a_part_that_comes_before_the_whole():
    t = clew.arange(10.0)
    got = again([t[2:4], t, t[8:]])
    got[1].zero_()
    assert got[0].tolist() == [0, 0] and got[2].tolist() == [0, 0]


def test_overlapping_parts_and_equal_bytes_of_other_dtype():
    t = clew.arange(10.0)
    same([t[:6], t[4:]], again([t[:6], t[4:]]))
    same(
        [clew.zeros(4), clew.zeros(4, dtype=clew.int32)],
        again([clew.zeros(4), clew.zeros(4, dtype=clew.int32)]),
    )


def test_tied_weights_of_a_model():
    m = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    m[1].weight = m[0].weight
    got = again(m.state_dict())
    got["0.weight"].zero_()
    assert got["1.weight"].abs().sum().item() == 0


def test_parameters_and_gradient_flags():
    p = nn.Parameter(clew.ones(2))
    got = again([p, p, clew.ones(2).requires_grad_(), p.detach()])
    assert type(got[0]) is nn.Parameter and got[0].requires_grad and got[0] is got[1]
    assert type(got[2]) is clew.Tensor and got[2].requires_grad and got[2].is_leaf
    assert not got[3].requires_grad
    with clew.no_grad():
        got[0].fill_(5)
    assert got[3].tolist() == [5.0, 5.0]


def test_module_and_optimizer_checkpoint(tmp_path):
    def train(m, opt, steps):
        for _ in range(steps):
            opt.zero_grad()
            m(clew.ones(2, 3)).square().sum().backward()
            opt.step()

    def build():
        clew.manual_seed(1)
        m = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        return m, clew.optim.Adam(m.parameters(), lr=0.01)

    a, opt_a = build()
    train(a, opt_a, 10)
    b, opt_b = build()
    train(b, opt_b, 5)
    clew.save({"model": b.state_dict(), "optimizer": opt_b.state_dict()}, tmp_path / "c")
    state = clew.load(tmp_path / "c")
    c, opt_c = build()
    c.load_state_dict(state["model"])
    opt_c.load_state_dict(state["optimizer"])
    train(c, opt_c, 5)
    for p, q in zip(a.parameters(), c.parameters(), strict=True):
        assert p.tolist() == q.tolist()


def test_refused_objects():
    class Thing:
        pass

    with pytest.raises(TypeError, match=r"got .*Thing \(at obj\['a'\]\[1\]\)"):
        again({"a": [1, Thing()]})
    with pytest.raises(TypeError, match="arrays of a dtype that tensors have, got object"):
        again({"a": np.array([None])})
    with pytest.raises(TypeError, match=r"Linear .*save its state_dict\(\)"):
        again(clew.nn.Linear(1, 1))
    with pytest.raises(TypeError, match="keys"):
        again({clew.ones(1): 1})
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="without cycles"):
        again(loop)
    with pytest.raises(TypeError, match="map_location"):
        again(1, map_location=3)


def test_streams():
    file = io.BytesIO()
    clew.save([1, clew.ones(3)], file)
    clew.save("second", file)
    file.seek(0)
    same(clew.load(file), [1, clew.ones(3)])
    assert clew.load(file) == "second"

    class Pipe:
        def __init__(self, content):
            self.file = io.BytesIO(content)

        def read(self, n=-1):
            return self.file.read(n)

    same(clew.load(Pipe(file.getvalue())), [1, clew.ones(3)])


# -- the file format -----------------------------------------------------------------------------


def test_safetensors_files(tmp_path):
    path = tmp_path / "w.safetensors"
    tensors = {"b": clew.arange(3).to(clew.uint8), "a": clew.randn(2, 2), "empty": clew.zeros(0)}
    safetensors.save_file(tensors, path, {"made": "here"})
    got = safetensors.load_file(path)
    assert set(got) == set(tensors)
    for name in tensors:
        same(tensors[name], got[name])
    with safetensors.safe_open(path) as file:
        assert file.metadata() == {"made": "here"}
        same(file.get_tensor("a"), tensors["a"])
        with pytest.raises(KeyError, match="'c'"):
            file.get_tensor("c")
    assert set(clew.load(path)) == set(tensors)
    with pytest.raises(TypeError, match="Tensors"):
        safetensors.save_file({"a": 1}, path)
    with pytest.raises(TypeError, match="names"):
        safetensors.save_file({1: clew.ones(1)}, path)


def test_a_file_by_hand(tmp_path):
    header = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<2f", 1.5, -2.0))
    assert clew.load(tmp_path / "x")["x"].tolist() == [1.5, -2.0]
    assert clew.load(tmp_path / "x", mmap=True)["x"].tolist() == [1.5, -2.0]


def test_data_are_aligned(tmp_path):
    safetensors.save_file(
        {"a": clew.ones(3).to(clew.uint8), "b": clew.ones(3, dtype=clew.float64)}, tmp_path / "x"
    )
    content = (tmp_path / "x").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert (8 + length) % 64 == 0 and header["b"]["data_offsets"] == [0, 24]


def test_other_readers_open_it(tmp_path):
    reader = pytest.importorskip("safetensors.numpy")
    clew.save({"model": {"w": clew.arange(4.0), "n": clew.arange(3).to(clew.int16)}}, tmp_path / "x")
    got = reader.load_file(tmp_path / "x")
    assert got["model.w"].tolist() == [0, 1, 2, 3] and got["model.n"].tolist() == [0, 1, 2]


def test_names_come_from_the_tree(tmp_path):
    clew.save({"a.b": clew.ones(1), "a": {"b": clew.zeros(1)}, "l": [clew.ones(2)]}, tmp_path / "x")
    with safetensors.safe_open(tmp_path / "x") as file:
        assert sorted(file.keys()) == ["a.b", "a.b#1", "l.0"]
    assert clew.load(tmp_path / "x")["a"]["b"].item() == 0


# -- atomic writes -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch, where):
    path = tmp_path / "x"
    clew.save([1, clew.ones(1000)], path)
    before = path.read_bytes()

    class Failure(Exception):
        pass

    def fail(*args):
        raise Failure

    if where == "write":
        from clew import _files

        monkeypatch.setattr(_files, "row_major", fail)
    else:
        monkeypatch.setattr(os, where, fail)
    with pytest.raises(Failure):
        clew.save([2, clew.zeros(1000)], path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x"]


def test_sync_comes_before_rename(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: events.append("fsync") or fsync(fd))
    monkeypatch.setattr(os, "replace", lambda a, b: events.append("replace") or replace(a, b))
    clew.save(1, tmp_path / "x")
    assert events == ["fsync", "replace", "fsync"]


def test_links_and_modes_are_kept(tmp_path):
    clew.save(1, tmp_path / "x")
    os.chmod(tmp_path / "x", 0o640)
    os.symlink(tmp_path / "x", tmp_path / "link")
    clew.save(2, tmp_path / "link")
    assert os.path.islink(tmp_path / "link") and clew.load(tmp_path / "x") == 2
    assert os.stat(tmp_path / "x").st_mode & 0o777 == 0o640


def test_missing_folder_and_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        clew.save(1, tmp_path / "no" / "x")
    with pytest.raises(FileNotFoundError):
        clew.load(tmp_path / "x")


# -- damaged files -------------------------------------------------------------------------------


def saved(tmp_path, obj):
    clew.save(obj, tmp_path / "x")
    return (tmp_path / "x").read_bytes()


def refused(content, tmp_path, **options):
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(clew.FileFormatError) as caught:
        clew.load(path, **options)
    assert str(path) in str(caught.value) and "offset" in str(caught.value)
    with pytest.raises(clew.FileFormatError):
        clew.load(io.BytesIO(content), **options)
    return str(caught.value)


def test_every_truncation_is_refused(tmp_path):
    content = saved(tmp_path, {"a": clew.arange(10.0), "b": [1, "x"], "c": clew.tensor([True])})
    for length in range(len(content)):
        refused(content[:length], tmp_path)


def test_flipped_bits_are_refused(tmp_path):
    obj = {
        "a": clew.arange(10.0),
        "lr": 0.1,
        "b": [1, "x", b"yy"],
        "c": clew.tensor([True]),
        "d": (2**60, 1.5),
    }
    content = saved(tmp_path, obj)
    rng = random.Random(0)
    harmless = 0
    for _ in range(600):
        bit = rng.randrange(len(content) * 8)
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "bad").write_bytes(damaged)
        try:
            same(obj, clew.load(tmp_path / "bad"))
            harmless += 1  # for example, a space that became a tab
        except clew.FileFormatError:
            pass
    assert harmless < 20


def test_random_bytes_are_refused(tmp_path):
    rng = random.Random(1)
    for length in (0, 1, 7, 8, 9, 50, 500):
        for _ in range(10):
            refused(rng.randbytes(length), tmp_path)


def test_trailing_bytes_are_refused(tmp_path):
    (tmp_path / "bad").write_bytes(saved(tmp_path, [clew.ones(2)]) + b"\0")
    with pytest.raises(clew.FileFormatError, match="bytes of data"):
        clew.load(tmp_path / "bad")


def with_header(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "header, data, text",
    [
        ({"x": entry()}, b"", "header|4 bytes of data"),
        ({"x": entry("F33")}, b"0000", "dtype"),
        ({"x": entry(["F32"])}, b"0000", "dtype"),
        ({"x": entry(shape=(2,))}, b"0000", "8 bytes for tensor 'x'"),
        ({"x": entry(shape=(-1,), offsets=(0, -4))}, b"", "shape"),
        ({"x": entry(shape=(1.0,))}, b"0000", "shape"),
        ({"x": entry(shape=(True,))}, b"0000", "shape"),
        ({"x": entry(shape=(1,) * 100)}, b"0000", "shape"),
        ({"x": entry(shape=(2**40, 2**40), offsets=(0, 2**82))}, b"", "data_offsets"),
        ({"x": entry(shape=(0, 2**61, 2**61), offsets=(0, 0))}, b"", "fits into memory"),
        ({"x": entry(offsets=(4, 8))}, b"00000000", "begin at 0, got 4"),
        ({"x": entry(), "y": entry()}, b"0000", "begin at 4, got 0"),
        ({"x": entry(), "y": entry(offsets=(2, 6))}, b"000000", "begin at 4, got 2"),
        ({"x": entry(offsets=(0,))}, b"0000", "data_offsets"),
        ({"x": {"dtype": "F32"}}, b"0000", "dtype, shape and data_offsets"),
        ({"x": entry("BOOL", (4,))}, b"\0\1\2\1", "bytes 0 and 1"),
        ({"x": 3}, b"", "of tensor 'x'"),
        ({"__metadata__": {"a": 1}}, b"", "__metadata__"),
        ({"__metadata__": {"tree": "1"}}, b"", "format"),
        (b"[1]", b"", "begins with"),
        (b"{" * 100000, b"", "JSON"),
        (b'{"a":' * 100000, b"", "JSON"),
        (b'{"x":1,"x":2}', b"", "twice"),
        (b'{"\xff":1}', b"", "JSON"),
    ],
)
@pytest.mark.parametrize("mmap", [False, True])
def test_hostile_headers(tmp_path, header, data, text, mmap):
    path = tmp_path / "bad"
    path.write_bytes(with_header(header, data))
    with pytest.raises(clew.FileFormatError, match=text):
        clew.load(path, mmap=mmap)
    if text != "format":  # which is a rule of `load` alone
        with pytest.raises(clew.FileFormatError):
            safetensors.load_file(path)


def resigned(tree, entries=None, data=b""):
    """A file with a tree of our choice and right checksums."""
    import zlib

    from clew import serialization

    text = tree if isinstance(tree, str) else json.dumps(tree)
    entries = entries or {}
    metadata = {
        "format": "clew-1",
        "tree": text,
        "tree_crc32": f"{serialization._tree_checksum(text, entries):08x}",
        "data_crc32": f"{zlib.crc32(data):08x}",
    }
    return with_header({"__metadata__": metadata, **entries}, data)


@pytest.mark.parametrize(
    "tree",
    [
        {"$": "code", "v": "print(1)"},
        {"$": "int", "v": "1x"},
        {"$": "int"},
        {"$": "float", "v": []},
        {"$": "dict", "v": [[[], 1]]},
        {"$": "dict", "v": 5},
        {"$": "set", "v": [[1]]},
        {"$": "tuple", "v": "ab"},
        {"$": "bytes", "v": "zz"},
        {"$": "dtype", "v": "F33"},
        {"$": "device", "v": "nowhere:x"},
        {"$": ["tensor"]},
        {"$": "tensor"},
        {"$": "tensor", "name": "y"},
        {"$": "tensor", "name": ["x"]},
        {"$": "tensor", "name": "x", "offset": 1, "shape": [1]},
        {"$": "tensor", "name": "x", "offset": -1, "shape": [1]},
        {"$": "tensor", "name": "x", "offset": 0, "shape": [2]},
        {"$": "tensor", "name": "x", "offset": 0, "shape": [2**40, 2**40]},
        {"$": "tensor", "name": "x", "shape": [1]},
        {"$": "tensor", "name": "i", "grad": True},
        {"$": "tensor", "name": "i", "grad": True, "parameter": True},
        "{",
        "[" * 100000 + "]" * 100000,
    ],
)
def test_hostile_trees(tmp_path, tree):
    entries = {"x": entry(), "i": entry("I32", (1,), (4, 8))}
    refused(resigned(tree, entries, b"\0" * 8), tmp_path)


def test_a_good_tree_by_hand(tmp_path):
    (tmp_path / "x").write_bytes(resigned([{"$": "tensor", "name": "x"}], {"x": entry()}, b"\0" * 4))
    same(clew.load(tmp_path / "x"), [clew.zeros(1)])


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"\x80\x02}", b"\x80\x04\x95"])
def test_pickles_are_refused(tmp_path, head):
    assert "run code" in refused(head + b"\0" * 100, tmp_path)


@pytest.mark.parametrize("name", ["serialization", "safetensors", "npy"])
def test_docstring_examples(name):
    module = importlib.import_module(f"clew.{name}")
    assert doctest.testmod(module, extraglobs={"clew": clew}).failed == 0


# -- parts, places, memory -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [
        slice(1, 3),
        slice(None, None, 2),
        slice(3, 1),
        slice(-2, None),
        2,
        -1,
        (slice(1, 3), 0),
        (1, slice(None), -1),
        (slice(None), slice(0, 2), 1),
        (),
        Ellipsis,
        (0, 1, 2),
    ],
)
def test_parts_of_a_tensor(tmp_path, index):
    x = clew.arange(60).reshape(5, 4, 3)
    safetensors.save_file({"before": clew.ones(7), "x": x, "n": clew.tensor(3.0)}, tmp_path / "f")
    with safetensors.safe_open(tmp_path / "f", framework="pt") as file:
        part = file.get_slice("x")
        assert part.get_shape() == [5, 4, 3] and part.get_dtype() == "I64"
        same(x[index], part[index])
        assert file.get_slice("n")[()].item() == 3.0
        assert file.offset_keys() == file.keys()


def test_a_part_reads_only_its_rows(tmp_path):
    x = clew.arange(100_000.0).reshape(1000, 100)
    safetensors.save_file({"x": x}, tmp_path / "f")
    with safetensors.safe_open(tmp_path / "f") as file:
        start = file._file.tell()
        sizes, read = [], file._file.read

        class Watched:
            seek = file._file.seek
            close = file._file.close

            def read(self, n=-1):
                sizes.append(n)
                return read(n)

        file._file = Watched()
        same(x[10:20, 5], file.get_slice("x")[10:20, 5])
        assert sum(sizes) == 10 * 100 * 4 and start > 0
        with pytest.raises(IndexError, match=r"\[-1000, 1000\), got 1000"):
            file.get_slice("x")[1000]
        with pytest.raises(KeyError, match="'y'"):
            file.get_slice("y")
        with pytest.raises(ValueError, match="step"):
            file.get_slice("x")[::-1]


def test_safetensors_in_memory():
    data = safetensors.save({"a": clew.arange(3), "h": clew.ones(2).to(clew.bfloat16)}, {"k": "v"})
    got = safetensors.load(data)
    assert got["a"].tolist() == [0, 1, 2] and got["h"].dtype == clew.bfloat16
    with pytest.raises(clew.FileFormatError):
        safetensors.load(data[:-1])
    with pytest.raises(TypeError, match="save: expected Tensors"):
        safetensors.save({"a": 1})


def test_places():
    obj = {"w": clew.ones(2), "same": None}
    obj["same"] = obj["w"]
    assert again(obj, map_location="meta")["w"].device.type == "meta"
    assert again(obj, map_location=clew.device("cpu"))["w"].tolist() == [1, 1]
    assert again(obj, map_location={"cpu": "meta"})["w"].device.type == "meta"
    assert again(obj, map_location={"cuda:0": "meta"})["w"].device.type == "cpu"
    seen = []
    got = again(obj, map_location=lambda storage, location: seen.append(location) or storage)
    assert seen == ["cpu"] and got["w"].tolist() == [1, 1] and got["same"] is got["w"]
    assert again(obj, map_location=lambda storage, location: None)["w"].tolist() == [1, 1]
    with pytest.raises(TypeError, match="to return the tensor"):
        again(obj, map_location=lambda storage, location: 3)


def test_text_files_are_refused(tmp_path):
    clew.save([1], tmp_path / "x")
    with open(tmp_path / "x", encoding="latin-1") as file, pytest.raises(TypeError, match="binary mode"):
        clew.load(file)


def test_mapped_tensors_are_private(tmp_path):
    clew.save({"w": clew.ones(5), "h": clew.ones(3).to(clew.bfloat16)}, tmp_path / "x")
    one = clew.load(tmp_path / "x", mmap=True)
    one["w"][0] = 7
    one["h"][0] = 7
    assert clew.load(tmp_path / "x")["w"].tolist() == [1] * 5
    assert one["w"].tolist() == [7, 1, 1, 1, 1] and one["h"].tolist() == [7, 1, 1]
