# The build of scripts/test_gpu.sh and scripts/bench_gpu.sh, with what the machine has: no network, no
# environment of its own.
# shellcheck shell=bash

GPU_PYTHON="${CLEW_PYTHON:-$(command -v python3 || command -v python)}"

gpu_build() {
  local start=$SECONDS name
  for name in numpy pybind11 pytest; do
    "$GPU_PYTHON" -c "import $name" 2>/dev/null || fail "$GPU_PYTHON: expected $name to be installed, found none"
  done
  command -v cmake >/dev/null && command -v ninja >/dev/null || fail "cmake and ninja: expected both, found none"
  mkdir -p "$ROOT/build"
  say "Building with CUDA for $GPU_PYTHON"
  cmake -S "$ROOT" -B "$ROOT/build/gpu" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCLEW_CUDA=ON -DCLEW_WERROR=ON \
    -DPython_EXECUTABLE="$GPU_PYTHON" >"$ROOT/build/gpu.log" 2>&1 &&
    cmake --build "$ROOT/build/gpu" -j "$JOBS" >>"$ROOT/build/gpu.log" 2>&1 ||
    { tail -20 "$ROOT/build/gpu.log"; return 1; }
  note "built in $((SECONDS - start)) s"
}
