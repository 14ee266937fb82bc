"""Ops and functions from outside: built against the package, out of tree."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import clew
from clew.testing import check_op
from clew.testing.op_samples import error
from clew.utils import cpp_extension

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(clew.__path__[0])

# Every kind of parameter and result that an op may have, beside a kernel with an in-place twin.
SOURCE = r"""
#include <cmath>

#include <clew/extension.h>

#include "scale.h"

namespace mylib {
using namespace clew;

CLEW_OP_INPLACE(squareplus, Tensor, const Tensor& input, double b = 4)

static TensorMeta squareplus_meta(const Tensor& input, double b) {
  CLEW_CHECK(b >= 0, ValueError, "mylib.squareplus: expected b >= 0, got ", b);
  return input.meta();
}
static void squareplus_cpu(Tensor& out, const Tensor& input, double b) {
  dispatch<dtype_set(DType::Float32, DType::Float64)>(input.dtype(), [&]<class T>() {
    const T* x = input.data<T>();
    T* y = out.data<T>();
    for (int64_t i = 0; i < input.numel(); ++i)
      y[i] = kScale * (x[i] + std::sqrt(x[i] * x[i] + static_cast<T>(b)));
  });
}
CLEW_CPU_KERNEL(squareplus, squareplus_cpu);
CLEW_OP_PAGE(squareplus) = {{
    .name = "mylib.squareplus",
    .doc = R"(A smooth rectifier without exponentials.

Args:
    input: any shape, float32 or float64.
    b: how smooth; 0 gives relu.
Returns:
    Tensor of the shape of `input`.
Example:
    >>> clew.ops.mylib.squareplus(clew.zeros(1)).tolist()
    [1.0]
)",
    .dtypes = dtype_set(DType::Float32, DType::Float64),
    .layout = Layout::Contiguous,
    .inplace = true,
    .autocast = Autocast::Low,
    .meta = squareplus_meta,
    .kernel = &squareplus_kernel,
    .saves = Saves().input(0),
    .grad = [](const Backward& ctx, const Tensor& g) -> GradList {
      const Tensor x = ctx.input(0);
      return {g * (x / sqrt(x * x + ctx.arg<double>(1)) + 1) * kScale};
    },
}};
Tensor squareplus(const Tensor& input, double b) { return apply(squareplus_op, input, b); }
Tensor squareplus_(const Tensor& input, double b) { return apply_inplace(squareplus_op, input, b); }

CLEW_OP(mixture, Tensor2, clew::TensorListRef tensors,
        const std::optional<clew::Tensor> &weight = std::nullopt, IntArrayRef shape = {},
        std::optional<int64_t> repeat = std::nullopt, const Scalar& power = 1,
        std::string_view mode = "sum", bool negate = false, std::optional<DType> dtype = std::nullopt)
CLEW_OP_PAGE(mixture) = {{
    .name = "mylib.mixture",
    .doc = "Takes all kinds of arguments.",
    .composite = [](TensorListRef tensors, const std::optional<Tensor>& weight, IntArrayRef shape,
                    std::optional<int64_t> repeat, const Scalar& power, std::string_view mode, bool negate,
                    std::optional<DType> dtype) -> Tensor2 {
      CLEW_CHECK(mode == "sum" || mode == "prod", ValueError, "expected sum or prod, got ", mode);
      Tensor out = tensors[0];
      for (const Tensor& t : tensors.subspan(1)) out = mode == "sum" ? out + t : out * t;
      if (weight) out = out * *weight;
      if (!shape.empty()) out = reshape(out, shape);
      if (repeat) out = out * static_cast<double>(*repeat);
      out = pow(out, weak_scalar_tensor(power));
      if (negate) out = -out;
      return {dtype ? out.to(*dtype) : out, out.detach()};
    },
}};
Tensor2 mixture(TensorListRef tensors, const std::optional<Tensor>& weight, IntArrayRef shape,
                std::optional<int64_t> repeat, const Scalar& power, std::string_view mode, bool negate,
                std::optional<DType> dtype) {
  return apply(mixture_op, tensors, weight, shape, repeat, power, mode, negate, dtype);
}

CLEW_OP(ramp, Tensor, int64_t n, const TensorOptions& options = {})
CLEW_OP_PAGE(ramp) = {{
    .name = "mylib.ramp",
    .doc = "0, 1, ..., n - 1.",
    .composite = [](int64_t n, const TensorOptions& options) -> Tensor { return arange(0, n, 1, options); },
}};
Tensor ramp(int64_t n, const TensorOptions& options) { return apply(ramp_op, n, options); }

CLEW_OP(frozen, Tensor, const Tensor& input)
CLEW_OP_PAGE(frozen) = {{
    .name = "mylib.frozen",
    .doc = "A copy that nobody differentiates.",
    .compute = [](const Tensor& input) -> Tensor { return clone(input); },
    .not_differentiable = "it is frozen",
}};
Tensor frozen(const Tensor& input) { return apply(frozen_op, input); }

}  // namespace mylib

CLEW_LIBRARY(mylib) {
  clew::register_library("mylib", {CLEW_ENTRY(mylib::squareplus), CLEW_ENTRY(mylib::mixture),
                                   CLEW_ENTRY(mylib::ramp), CLEW_ENTRY(mylib::frozen)});
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extension")
    (folder / "mylib.cpp").write_text(SOURCE)
    (folder / "scale.h").write_text("#pragma once\ninline constexpr double kScale = 0.5;\n")
    return folder


def build(folder: Path, **options):
    return cpp_extension.load(
        "mylib", [str(folder / "mylib.cpp")], build_directory=str(folder / "out"), **options
    )


@pytest.fixture(scope="module")
def mylib(folder: Path):
    start = time.perf_counter()
    module = build(folder)
    print(f"built in {time.perf_counter() - start:.1f} s")
    return module


# --- an op of a library ------------------------------------------------------------------------------


def test_op(mylib) -> None:
    x = clew.tensor([-1.5, 0.0, 1.5], requires_grad=True)
    y = mylib.squareplus(x)
    assert y.tolist() == [0.5, 1.0, 2.0] and y.grad_fn.name() == "MylibSquareplusBackward"
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0.2, 0.5, 0.8], rtol=1e-6)
    assert clew.ops.mylib is mylib and "mylib" in clew.ops.loaded_libraries() and "mylib" in dir(clew.ops)
    import clew.ops.mylib as imported

    assert imported is mylib
    assert pickle.loads(pickle.dumps(mylib.squareplus)) is mylib.squareplus
    assert mylib.squareplus(x, b=0.0).tolist() == [0.0, 0.0, 1.5]


def test_errors(mylib) -> None:
    with pytest.raises(ValueError, match=r"mylib\.squareplus: expected b >= 0, got -1"):
        mylib.squareplus(clew.ones(2), -1.0)
    with pytest.raises(TypeError, match=r"mylib\.squareplus: unexpected keyword argument 'c'"):
        mylib.squareplus(clew.ones(2), c=1)
    with pytest.raises(TypeError, match=r"mylib\.squareplus: expected float for argument 'b', got str"):
        mylib.squareplus(clew.ones(2), "a")
    with pytest.raises(clew.DTypeError, match=r"mylib\.squareplus: expected dtype in .*, got int64"):
        mylib.squareplus(clew.ones(2, dtype=clew.int64))
    with pytest.raises(AttributeError, match=r"clew\.ops: no op or library 'absent' \(.*mylib.*\)"):
        clew.ops.absent


def test_all_kinds_of_arguments(mylib) -> None:
    a, b = clew.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True), clew.full((4,), 2.0)
    first, second = mylib.mixture([a, b])
    assert first.tolist() == [3.0, 4.0, 5.0, 6.0] and not second.requires_grad
    first, _ = mylib.mixture((a, b), b, (2, 2), 3, 2, "prod", True, dtype=clew.float64)
    assert first.tolist() == [[-144.0, -576.0], [-1296.0, -2304.0]] and first.dtype == clew.float64
    first.sum().backward()
    assert a.grad.tolist() == [-288.0, -576.0, -864.0, -1152.0]
    with pytest.raises(ValueError, match="expected sum or prod, got max"):
        mylib.mixture([a], mode="max")
    assert "mode: str = 'sum', negate: bool = False" in mylib.mixture.__doc__
    r = mylib.ramp(3, dtype=clew.float64, requires_grad=True)
    assert r.tolist() == [0.0, 1.0, 2.0] and r.dtype == clew.float64 and r.requires_grad
    with pytest.raises(clew.AutogradError, match="it is frozen"):
        mylib.frozen(a).sum().backward()


def test_check_op(mylib) -> None:
    def samples(make):
        yield make(3, 5), {}
        yield make(0, 4), {"b": 0.5}
        yield make(), {}
        yield error(make(3), {"b": -1.0}, ValueError, "mylib.squareplus: expected b >= 0, got -1")

    def reference(x, b=4.0):
        return (x + np.sqrt(x * x + b)) / 2

    done = check_op(mylib.squareplus, samples, ref=reference)
    for kind in ("reference", "meta", "strides", "in-place", "undeclared dtype", "error", "memory"):
        assert done[kind] > 0, kind
    assert done["finite difference"] == 6 and done["gradient in dtype"] == 3
    assert done == check_op("mylib.squareplus", samples, ref=reference)
    with pytest.raises(AssertionError, match=r"mylib\.squareplus\[float32\] sample 0: expected"):
        check_op(mylib.squareplus, samples, ref=lambda x, b=4.0: x)
    with pytest.raises(ValueError, match="check_op: expected an op, got"):
        check_op(len, samples)


def test_check_op_finds_a_wrong_gradient(tmp_path: Path) -> None:
    source = tmp_path / "wrong.cpp"
    text = SOURCE.replace("mylib", "wronglib").replace('#include "scale.h"', "constexpr double kScale = 0.5;")
    source.write_text(text.replace("+ 1) * kScale}", "+ 2) * kScale}"))
    wrong = cpp_extension.load("wronglib", str(source), build_directory=str(tmp_path))
    with pytest.raises(RuntimeError, match="for input 0 of shape"):
        check_op(wrong.squareplus, lambda make: [(make(3), {})], ref=lambda x: (x + np.sqrt(x * x + 4)) / 2)


def test_profiler_autocast_and_tape(mylib) -> None:
    x = clew.ones(4, requires_grad=True)
    with clew.profiler.profile() as p:
        mylib.squareplus(x)
    assert "mylib.squareplus" in p.key_averages().table()
    with clew.autocast("cpu"), pytest.raises(clew.DTypeError, match="got bfloat16"):
        mylib.squareplus(x)  # its page asks for the low dtype, and declares none
    with clew.autograd.detect_anomaly(), pytest.raises(clew.AutogradError, match="MylibSquareplus"):
        (mylib.squareplus(clew.full((2,), float("nan"), requires_grad=True)) * 1).sum().backward()


def test_table_and_documentation(mylib) -> None:
    rows = {row["function"]: row for row in clew._C.op_table("mylib")}
    assert set(rows) == {"squareplus", "mixture", "ramp", "frozen"}
    assert rows["squareplus"]["signature"].startswith("squareplus(input: Tensor, b: float = 4) -> Tensor")
    assert rows["squareplus"]["library"] == "mylib" and rows["squareplus"]["inplace"]
    assert (
        "A smooth rectifier" in mylib.squareplus.__doc__ and mylib.squareplus.__module__ == "clew.ops.mylib"
    )
    assert "In-place variant" in mylib.squareplus_.__doc__


def test_stubs(mylib, tmp_path: Path) -> None:
    path = clew.ops.write_stubs("mylib", tmp_path)
    text = path.read_text()
    assert path.name == "mylib.pyi"
    assert re.search(r"def squareplus\(input: Tensor, b: builtins\.float = 4\) -> Tensor:", text)
    assert "def squareplus_(" in text and "A smooth rectifier" in text
    compile(text, str(path), "exec")
    with pytest.raises(ValueError, match="expected a library that is loaded, got 'absent'"):
        clew.ops.write_stubs("absent", tmp_path)


def test_registration_is_checked(tmp_path: Path) -> None:
    start = "#include <clew/extension.h>\nusing namespace clew;\n"
    op = (
        'CLEW_OP(f, Tensor, const Tensor& x)\nCLEW_OP_PAGE(f) = {{.name = "NAME", .doc = "F.", '
        ".composite = [](const Tensor& x) -> Tensor { return x * 2; }}};\n"
        "Tensor f(const Tensor& x) { return apply(f_op, x); }\n"
    )
    cases = {
        "misnamed": (
            "other.f",
            '"misnamed", {CLEW_ENTRY(f)}',
            r'expected the page of f to have \.name = "misnamed\.f"',
        ),
        "twice": ("twice.f", '"twice", {CLEW_ENTRY(f), CLEW_ENTRY(f)}', "expected each op once"),
        "bad": (
            "bad-name.f",
            '"bad-name", {CLEW_ENTRY(f)}',
            "expected a name that is an identifier, got 'bad-name'",
        ),
        "builtin": ("exp.f", '"exp", {CLEW_ENTRY(f)}', "expected a name that no built-in op has, got 'exp'"),
        "elsewhere": ("another.f", '"another", {CLEW_ENTRY(f)}', "register a library called 'elsewhere'"),
    }
    for name, (page, call, message) in cases.items():
        source = tmp_path / f"{name}.cpp"
        body = f"CLEW_LIBRARY({name}) {{ clew::register_library({call}); }}\n"
        source.write_text(start + op.replace("NAME", page) + body)
        with pytest.raises(ValueError, match=message):
            cpp_extension.load(name, str(source), extra_cflags=["-O0"], build_directory=str(tmp_path / "out"))
    clew.ops.another.f(clew.ones(1))


# --- load --------------------------------------------------------------------------------------------


def test_cache(mylib, folder: Path, capfd: pytest.CaptureFixture) -> None:
    start = time.perf_counter()
    build(folder, verbose=True)
    assert time.perf_counter() - start < 1
    assert "nothing has changed" in capfd.readouterr().err
    # A header is part of what the build was made from.
    (folder / "scale.h").write_text("#pragma once\ninline constexpr double kScale = 1.5;\n")
    changed = build(folder, verbose=True)
    assert "built in" in capfd.readouterr().err
    assert changed.squareplus(clew.zeros(1)).tolist() == [3.0]
    assert mylib.squareplus(clew.zeros(1)).tolist() == [1.0]  # what was loaded before goes on working
    assert clew.ops.mylib.squareplus(clew.zeros(1)).tolist() == [3.0]
    (folder / "scale.h").write_text("#pragma once\ninline constexpr double kScale = 0.5;\n")
    assert build(folder, verbose=True).squareplus(clew.zeros(1)).tolist() == [1.0]
    assert "nothing has changed" in capfd.readouterr().err


def test_compile_error(tmp_path: Path) -> None:
    source = tmp_path / "broken.cpp"
    source.write_text("#include <clew/extension.h>\n\nclew::Tensor f() { return undeclared_name; }\n")
    with pytest.raises(cpp_extension.CompileError) as e:
        cpp_extension.load("broken", str(source), build_directory=str(tmp_path))
    text = str(e.value)
    assert text.splitlines()[0] == "load: expected 'broken' to compile, got 1 error"
    assert re.search(rf"{source}:3:\d+: error: .*undeclared_name", text.splitlines()[1])
    assert re.search(r"^command: \S+ -c .*broken\.cpp", text, re.MULTILINE)
    source.write_text(
        "#include <clew/extension.h>\nclew::Tensor missing();\nCLEW_LIBRARY(broken) { missing(); }\n"
    )
    with pytest.raises(cpp_extension.CompileError, match="missing"):
        cpp_extension.load(
            "broken", str(source), ["-O0"], ["-Wl,--no-undefined"], build_directory=str(tmp_path)
        )


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a source file, got '.*absent.cpp'"):
        cpp_extension.load("a", [str(tmp_path / "absent.cpp")])
    with pytest.raises(ValueError, match="expected a name that is an identifier, got 'a-b'"):
        cpp_extension.load("a-b", [])
    with pytest.raises(ValueError, match="expected at least one source"):
        cpp_extension.load("a", [])
    with pytest.raises(clew.Error, match="load_library: expected a library that can be loaded"):
        clew.ops.load_library(tmp_path / "absent.so")
    with pytest.raises(ValueError, match="expected a library with a CLEW_LIBRARY"):
        clew.ops.load_library(cpp_extension._paths.shared_library())
    with pytest.raises(ValueError, match="got none of 'g'"):
        cpp_extension.load_inline("inline_bad", "clew::Tensor f(const clew::Tensor& x);", ["g"])


def test_load_inline(tmp_path: Path) -> None:
    text = """
    // Not this one: clew::Tensor blend(int)
    clew::Tensor blend(const clew::Tensor& a, clew::Tensor b, double t = 0.5) {
      return a * (1 - t) + b * t;
    }
    struct Cube : clew::autograd::Function<Cube> {
      static clew::Tensor forward(Context& ctx, const clew::Tensor& x) {
        ctx.save_for_backward({x});
        return x * x * x;
      }
      static clew::TensorList backward(Context& ctx, const clew::TensorList& g) {
        const clew::Tensor x = ctx.saved_tensors()[0];
        return {g[0] * 3 * x * x};
      }
    };
    clew::Tensor cube(const clew::Tensor& x) { return Cube::apply(x); }
    """
    start = time.perf_counter()
    m = cpp_extension.load_inline(
        "inline_ops", text, {"blend": "Between two tensors.", "cube": ""}, build_directory=str(tmp_path)
    )
    print(f"load_inline: {time.perf_counter() - start:.1f} s")
    a = clew.zeros(2, requires_grad=True)
    y = m.blend(a, clew.ones(2), t=0.25)
    y.sum().backward()
    assert y.tolist() == [0.25, 0.25] and a.grad.tolist() == [0.75, 0.75]
    assert "Between two tensors." in m.blend.__doc__
    assert "blend(a: Tensor, b: Tensor, t: float = 0.5) -> Tensor" in m.blend.__doc__
    x = clew.tensor([1.0, 2.0], dtype=clew.float64, requires_grad=True)
    assert clew.autograd.gradgradcheck(m.cube, x)
    assert m.cube(x).grad_fn.name() == "CubeBackward"
    with pytest.raises(cpp_extension.CompileError, match=r"inline_wrong\.cpp:2:\d+: error"):
        cpp_extension.load_inline(
            "inline_wrong",
            "\nint f() { return nothing; }",
            extra_cflags=["-O0"],
            build_directory=str(tmp_path),
        )


# --- packages and programs ---------------------------------------------------------------------------


def run(command: list[str], cwd: Path, **env: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_package(tmp_path: Path) -> None:
    """tutorials/extension_op: built by setup.py, imported, checked by its own tests."""
    tree = tmp_path / "extension_op"
    shutil.copytree(
        ROOT / "tutorials" / "extension_op",
        tree,
        ignore=shutil.ignore_patterns("build", "*.so", "*.egg-info"),
    )
    site = tmp_path / "site"
    path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    run(
        [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index", "-q",
         "--target", str(site), "."],
        tree,
        PYTHONPATH=path,
    )  # fmt: skip
    assert list((site / "radial").glob("_C*.so"))
    env = {"PYTHONPATH": os.pathsep.join([str(site), path])}
    tests = run([sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "tests"], tree, **env)
    assert "2 passed" in tests and "finite difference" in tests
    doc = run(
        [sys.executable, "-c", "import radial, clew; print(clew.ops.radial.gaussian.__doc__)"],
        tmp_path,
        **env,
    )
    assert "Gaussian radial basis functions of all pairs of rows." in doc


def test_program(tmp_path: Path) -> None:
    """tutorials/cpp/custom_function: a CMake project that finds the installed Clew, and needs no Python."""
    cmake = shutil.which("cmake") or str(Path(sys.executable).parent / "cmake")
    prefix = PACKAGE
    tree = PACKAGE.parent.parent
    if (tree / "CMakeCache.txt").is_file():  # a build tree: install it first
        prefix = tmp_path / "prefix"
        run([cmake, "--install", str(tree), "--prefix", str(prefix)], tmp_path)
    start = time.perf_counter()
    source = ROOT / "tutorials" / "cpp" / "custom_function"
    made = tmp_path / "build"
    run([cmake, "-S", str(source), "-B", str(made), f"-DCMAKE_PREFIX_PATH={prefix}"], tmp_path)
    run([cmake, "--build", str(made)], tmp_path)
    assert "all agree" in run([str(made / "custom_function")], tmp_path)
    print(f"configured, built and run in {time.perf_counter() - start:.1f} s")
    assert "libpython" not in run(["ldd", str(made / "custom_function")], tmp_path)


def test_cuda_extension_needs_nvcc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(RuntimeError, match=r"CUDAExtension: expected nvcc in .*, found none"):
        cpp_extension.CUDAExtension("a._C", ["a.cu"])


def test_cuda_sources_go_to_nvcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in that notes its arguments and compiles as C++: host flags are passed on."""
    nvcc = tmp_path / "bin" / "nvcc"
    nvcc.parent.mkdir()
    nvcc.write_text(
        '#!/bin/sh\necho "$@" >> "$NVCC_LOG"\n'
        'exec c++ -x c++ $(printf "%s\\n" "$@" | grep -v "^-Xcompiler$")\n'
    )
    nvcc.chmod(0o755)
    log = tmp_path / "log"
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.setenv("NVCC_LOG", str(log))
    (tmp_path / "kernel.cu").write_text("int kernel() { return 7; }\n")
    (tmp_path / "main.cpp").write_text(
        "#include <clew/extension.h>\nint kernel();\n"
        "clew::Tensor f(const clew::Tensor& x) { return x * kernel(); }\n"
        "CLEW_OP(seven, clew::Tensor, const clew::Tensor& x)\nCLEW_OP_PAGE(seven) = {{"
        '.name = "cudalib.seven", .doc = "Seven times.", .composite = f}};\n'
        "clew::Tensor seven(const clew::Tensor& x) { return clew::apply(seven_op, x); }\n"
        'CLEW_LIBRARY(cudalib) { clew::register_library("cudalib", {CLEW_ENTRY(seven)}); }\n'
    )
    m = cpp_extension.load(
        "cudalib",
        [str(tmp_path / "main.cpp"), str(tmp_path / "kernel.cu")],
        build_directory=str(tmp_path / "out"),
    )
    assert m.seven(clew.ones(1)).tolist() == [7.0]
    assert "-Xcompiler -fPIC" in log.read_text() and "-std=c++20" in log.read_text()


def test_headers_are_lean() -> None:
    """What an extension includes is preprocessed to at most so much."""
    done = subprocess.run(
        [cpp_extension._paths.compiler(), "-std=c++20", "-E", "-P", "-x", "c++", "-", "-I",
         cpp_extension.include_paths()[0]],
        input="#include <clew/extension.h>\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.count("\n")
    print(f"extension.h: {lines} lines after preprocessing")
    assert lines < 90000
