#!/usr/bin/env bash
# Builds with a sanitizer and runs tests under it.
#   scripts/sanitize.sh asan-ubsan|tsan [quick|full]
# asan-ubsan: the C++ tests, then the Python tests of ops and of the bindings (full: nearly all; quick
# can be narrowed by CLEW_SANITIZE_SELECT, a pytest -k expression). tsan: the C++ tests tagged [threads].
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$ROOT"

preset="${1:-}"
extent="${2:-full}"
[[ "$preset" =~ ^(asan-ubsan|tsan)$ ]] || fail "sanitize.sh: expected asan-ubsan or tsan, got '$preset'"
[[ "$extent" =~ ^(quick|full)$ ]] || fail "sanitize.sh: expected quick or full, got '$extent'"

ensure_venv
cmake --preset "$preset" -DPython_EXECUTABLE="$VENV/bin/python" >/dev/null
targets=()
if [ "$preset" = tsan ]; then targets=(--target clew_tests); fi
cmake --build --preset "$preset" "${targets[@]}"
tests="$ROOT/build/$preset/clew_tests"
# The BLAS is not instrumented; its own threads would only add noise.
export OPENBLAS_NUM_THREADS=1

# Sanitizers want a fixed address layout; some containers forbid asking for it.
fixed=()
if setarch -R true 2>/dev/null; then fixed=(setarch -R); fi

if [ "$preset" = tsan ]; then
  export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1"
  "${fixed[@]}" "$tests" "[threads]"
  exit
fi

export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
ASAN_OPTIONS="detect_leaks=1" "${fixed[@]}" "$tests"

suites=(ops interop repr profiler amp)
if [ "$extent" = full ]; then suites+=(autograd errors indexing random threads nn optim serialization); fi
suites=("${suites[@]/#/tests/python/test_}")
suites=("${suites[@]/%/.py}")
select=()
if [ "$extent" = quick ] && [ -n "${CLEW_SANITIZE_SELECT:-}" ]; then select=(-k "$CLEW_SANITIZE_SELECT"); fi
# Python itself leaks on exit, and allocates through pools that would hide errors.
sanitized_pytest() {
  LD_PRELOAD="$("${CXX:-c++}" -print-file-name=libasan.so) $("${CXX:-c++}" -print-file-name=libstdc++.so)" \
    ASAN_OPTIONS="detect_leaks=0" PYTHONMALLOC=malloc PYTHONPATH="$ROOT/build/$preset/python" \
    "${fixed[@]}" python -m pytest -q -x -p no:cacheprovider "$@"
}
sanitized_pytest "${suites[@]}" "${select[@]}"
# CUDA kernels over the emulator, where every global and shared array has its exact size.
CLEW_CUDA_LIBRARY="$ROOT/build/$preset/libclew_cuda_emulated.so" \
  sanitized_pytest --device cuda tests/python/test_cuda_like_cpu.py -k float32
