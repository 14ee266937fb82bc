#!/usr/bin/env bash
# Builds everything and runs all tests: C++ (ctest), Python (pytest, tutorials included), the layer
# rule, bounded sanitizer runs. Safe to run again. Works as root and as a plain user.
#   CLEW_WITH_TORCH=1   also install PyTorch, so that the comparisons with it run (CI does)
#   CLEW_SKIP_SANITIZERS=1   leave the sanitizer builds out
#   --device cuda            instead of all that, what needs a GPU; see scripts/test_gpu.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$ROOT"

if [ "${1:-}" = --device ]; then
  [ "${2:-}" = cuda ] || fail "test.sh: expected --device cuda, got --device ${2:-}"
  exec bash scripts/test_gpu.sh
fi

say "Looking for what the tests need (compiler, Python, Catch2)"
need_build_packages
need_system required catch2 has_header catch2/catch.hpp
install_system

ensure_venv
say "Installing build and test requirements into $VENV"
pip_install --upgrade "pip>=23"
install_requirements build run test docs
if [ "${CLEW_WITH_TORCH:-}" = 1 ] || [ "${CI:-}" = true ]; then
  if ! python -c 'import torch' >/dev/null 2>&1; then
    note "installing PyTorch for the comparisons"
    mapfile -t torch_names < <(requirements parity)
    timeout 900 python -m pip install -qq "${torch_names[@]}" ||
      note "PyTorch could not be installed: the comparisons with it are skipped"
  fi
fi

say "Building (release, warnings are errors)"
cmake --preset release -DPython_EXECUTABLE="$VENV/bin/python" -DCLEW_BUILD_TESTS=ON -DCLEW_WERROR=ON
build_start=$SECONDS
cmake --build --preset release
note "built in $((SECONDS - build_start)) s"

RESULTS="$ROOT/build/test-results"
rm -rf "$RESULTS"
mkdir -p "$RESULTS"
failures=()
# stage <name> <command...>: runs it and remembers a failure, so that one run shows them all.
stage() {
  local name="$1" start=$SECONDS
  shift
  say "$name"
  if "$@"; then note "$name: ok ($((SECONDS - start)) s)"; else
    note "$name: FAILED ($((SECONDS - start)) s)"
    failures+=("$name")
  fi
}

export PYTHONPATH="$ROOT/build/release/python"
stage "C++ tests" ctest --preset release -j "$JOBS" --output-junit "$RESULTS/ctest.xml"
stage "Python tests" python -m pytest -q tests/python --junitxml "$RESULTS/pytest.xml"
stage "Layer rule" python tests/check_layers.py
unset PYTHONPATH
if [ "${CLEW_SKIP_SANITIZERS:-}" != 1 ]; then
  stage "AddressSanitizer, UndefinedBehaviorSanitizer (quick)" bash scripts/sanitize.sh asan-ubsan quick
  stage "ThreadSanitizer (quick)" bash scripts/sanitize.sh tsan quick
fi

say "Summary"
for name in "${failures[@]}"; do note "failed: $name"; done
python scripts/count_tests.py "$RESULTS"/*.xml
[ ${#failures[@]} -eq 0 ]
