#!/usr/bin/env bash
# Formatters in check mode and linters: clang-format, clang-tidy, ruff, at pinned versions.
#   scripts/lint.sh         clang-tidy on the C++ files changed since the last commit
#   scripts/lint.sh --all   clang-tidy on every file (CI)
#   scripts/lint.sh --fix   formats in place instead of checking
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$ROOT"

mode="${1:-}"
[[ "$mode" =~ ^(|--all|--fix)$ ]] || fail "lint.sh: expected --all, --fix or nothing, got '$mode'"
ensure_venv
install_requirements lint

mapfile -t cpp_files < <(find include csrc bindings/src tests/cpp tests/cuda_emulation \
  -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' | sort)
failures=()
check() {
  local name="$1"
  shift
  say "$name"
  if "$@"; then note "ok"; else failures+=("$name"); fi
}

if [ "$mode" = --fix ]; then
  clang-format -i "${cpp_files[@]}"
  ruff check --quiet --fix . || true
  ruff format --quiet .
  exit
fi

check "clang-format" clang-format --dry-run -Werror "${cpp_files[@]}"
check "ruff check" ruff check .
check "ruff format" ruff format --check .

# The sources that clang-tidy reads; csrc/cpu/isa stands for its three builds, so once is enough.
if [ "$mode" = --all ]; then
  # driver_cuda.cpp is built with CLEW_CUDA only: it needs CUDA's headers.
  mapfile -t tidy_files < <(find csrc bindings/src -name '*.cpp' ! -name driver_cuda.cpp | sort)
else
  mapfile -t tidy_files < <({ git diff --name-only HEAD; git ls-files --others --exclude-standard; } 2>/dev/null |
    grep -E '^(csrc|bindings/src)/.*\.cpp$' | sort -u | xargs -r ls -d 2>/dev/null || true)
fi
if [ ${#tidy_files[@]} -gt 0 ]; then
  # A compile database of its own: clang-tidy would run every entry of a file that is built thrice.
  [ -e build/release/compile_commands.json ] || cmake --preset release -DPython_EXECUTABLE="$VENV/bin/python" >/dev/null
  mkdir -p build/tidy
  python - build/release/compile_commands.json build/tidy/compile_commands.json <<'PY'
import json
import sys

seen = {}
for entry in json.load(open(sys.argv[1])):
    seen.setdefault(entry["file"], entry)
json.dump(list(seen.values()), open(sys.argv[2], "w"), indent=1)
PY
  tidy() { printf '%s\0' "${tidy_files[@]}" | xargs -0 -n 1 -P "$JOBS" clang-tidy -p build/tidy --quiet 2>/dev/null; }
  check "clang-tidy (${#tidy_files[@]} files)" tidy
fi

say "Lint: $([ ${#failures[@]} -eq 0 ] && echo clean || echo "FAILED: ${failures[*]}")"
[ ${#failures[@]} -eq 0 ]
