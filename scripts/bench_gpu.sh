#!/usr/bin/env bash
# Clew beside PyTorch on the GPU of this machine: builds, runs benchmarks/gpu.py, writes
# benchmarks/results/<date>-<gpu>.json and the table beside it. Needs no network; the Python at hand must have
# numpy, pybind11, pytest, torch with CUDA, cmake and ninja. Ends within 9 minutes on 16 cores.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/gpu_build.sh"
cd "$ROOT"

gpu_build || fail "the build did not finish"
say "Measuring"
PYTHONPATH="$ROOT/build/gpu/python" timeout 330 "$GPU_PYTHON" benchmarks/gpu.py --out benchmarks/results "$@"
