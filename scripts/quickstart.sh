#!/usr/bin/env bash
# From a fresh clone to a trained network: makes .venv, builds and installs Clew into it, runs the
# digits tutorial. Safe to run again. Works as root and as a plain user.
#   CLEW_PYTHON=python3.12   the Python to use        CLEW_VENV=path   the environment to use
#   CLEW_JOBS=4              compilers at once
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$ROOT"

say "Looking for what the build needs (compiler, Python, its headers)"
need_build_packages
install_system

ensure_venv
say "Building and installing Clew into $VENV (a few minutes the first time)"
pip_install --upgrade "pip>=23"
pip_install "$ROOT[tutorials]"
# Away from the source tree, so that it is the installed package that is imported.
(cd / && python -c 'import clew; print("   installed: clew", clew.__version__, "in", clew.__path__[0])')

say "Training a ConvNet on handwritten digits (tutorials/digits.py)"
python tutorials/digits.py

say "Done. Next: source ${VENV#"$PWD"/}/bin/activate, then python -c 'import clew'"
