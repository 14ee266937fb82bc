#!/usr/bin/env bash
# What needs a GPU: the op suite on it against the CPU, libraries against own kernels, allocator stress, long
# training, and every kernel under compute-sanitizer. Needs no network: the Python at hand must have numpy,
# pybind11, pytest, cmake and ninja. Ends within 9 minutes on 16 cores, the build included.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/gpu_build.sh"
cd "$ROOT"

gpu_build || fail "the build did not finish"
export PYTHONPATH="$ROOT/build/gpu/python"
"$GPU_PYTHON" - <<'PY' || exit 1
import clew
clew.cuda.init()
p = clew.cuda.get_device_properties(0)
print(f"   {p.name}, {p.total_memory >> 30} GiB; cuBLASLt {clew._C._cuda_library_version('cublasLt')}, cuDNN {clew._C._cuda_library_version('cudnn')}")
PY

LOGS="$ROOT/build/gpu/logs"
rm -rf "$LOGS"
mkdir -p "$LOGS"
failures=0
# shards <name> <seconds> <processes> <command...>: the command once per shard, side by side.
shards() {
  local name="$1" limit="$2" n="$3" i failed=0 start=$SECONDS pids=()
  shift 3
  for ((i = 0; i < n; ++i)); do
    timeout "$limit" "$@" --shard "$i/$n" >"$LOGS/$name.$i" 2>&1 &
    pids+=($!)
  done
  for i in "${!pids[@]}"; do
    wait "${pids[$i]}"
    local status=$?
    if [ $status -ne 0 ]; then
      failed=1
      note "$name, part $i of $n: exit status $status"
      grep -E "^(FAILED|ERROR)|========= (Invalid|ERROR)" "$LOGS/$name.$i" | head -20
      tail -2 "$LOGS/$name.$i"
    fi
  done
  if [ $failed = 0 ]; then note "$name: ok ($((SECONDS - start)) s)"; else failures=$((failures + 1)); fi
}
PYTEST=("$GPU_PYTHON" -m pytest -q -p no:cacheprovider)
N=$((JOBS < 8 ? JOBS : 8))

say "Tests on the GPU"
shards "libraries, allocator, training" 150 1 "${PYTEST[@]}" tests/python/test_gpu.py
shards "op suite" 240 "$N" "${PYTEST[@]}" tests/python/test_ops.py --device cuda
if command -v compute-sanitizer >/dev/null; then
  # Every kernel once: memory from the driver, so that each tensor has its own bounds.
  export CLEW_CUDA_NO_CACHE=1
  shards "compute-sanitizer" 150 "$N" compute-sanitizer --error-exitcode 9 --print-limit 5 "${PYTEST[@]}" \
    tests/python/test_ops.py --device cuda -k "test_forward and (float32 or int64)"
  unset CLEW_CUDA_NO_CACHE
else
  note "compute-sanitizer: not installed, left out"
fi

say "Summary"
grep -hE "[0-9]+ (passed|failed|skipped)" "$LOGS"/* | sed 's/^/   /'
[ $failures -eq 0 ]
