# Shared by the scripts in this folder: what they say, system packages, the virtual environment.
# shellcheck shell=bash

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="${CLEW_VENV:-$ROOT/.venv}"
JOBS="${CLEW_JOBS:-$(nproc 2>/dev/null || echo 2)}"
export PIP_DISABLE_PIP_VERSION_CHECK=1 CMAKE_BUILD_PARALLEL_LEVEL="$JOBS"

say() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Packages that need_system found missing; install_system installs them.
missing_required=()
missing_optional=()

# need_system required|optional <apt package> <test command...>
need_system() {
  local kind="$1" package="$2"
  shift 2
  if "$@" >/dev/null 2>&1; then return 0; fi
  if [ "$kind" = required ]; then missing_required+=("$package"); else missing_optional+=("$package"); fi
}

has_header() { echo "#include <$1>" | "${CXX:-c++}" -x c++ -fsyntax-only - ; }
has_command() { command -v "$1"; }

install_system() {
  local wanted=("${missing_required[@]}" "${missing_optional[@]}")
  if [ ${#wanted[@]} -eq 0 ]; then return 0; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "Installing system packages: ${wanted[*]}"
    apt-get update -qq || note "apt-get update failed; trying with the package lists at hand"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null ||
      { [ ${#missing_required[@]} -eq 0 ] || fail "could not install ${missing_required[*]}"; }
  else
    if [ ${#missing_optional[@]} -gt 0 ]; then note "not installed, and not needed: ${missing_optional[*]}"; fi
    [ ${#missing_required[@]} -eq 0 ] ||
      fail "system packages are missing; run as root: apt-get install ${missing_required[*]}"
  fi
  missing_required=()
  missing_optional=()
}

# The first Python of version 3.11 or newer: $CLEW_PYTHON, else python3, else by its number.
find_python() {
  local candidate
  for candidate in ${CLEW_PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

python_has_headers() {
  "$1" -c 'import os, sysconfig; open(os.path.join(sysconfig.get_path("include"), "Python.h")).close()'
}

# What a build needs from the system: a compiler, Python with its headers, and venv.
need_build_packages() {
  need_system required g++ has_command "${CXX:-c++}"
  need_system optional ccache has_command ccache
  local python
  if python="$(find_python)"; then
    need_system required python3-dev python_has_headers "$python"
    need_system required python3-venv "$python" -c 'import ensurepip, venv'
  else
    missing_required+=(python3 python3-dev python3-venv)
  fi
}

ensure_venv() {
  local python
  if [ ! -x "$VENV/bin/python" ]; then
    python="$(find_python)" || fail "Python: expected version 3.11 or newer, found none"
    say "Making the virtual environment $VENV with $("$python" --version)"
    "$python" -m venv "$VENV" || fail "venv: could not be made (on Debian: apt-get install python3-venv)"
  fi
  # Activated: CMake, setuptools and the tools below all pick this Python.
  export VIRTUAL_ENV="$VENV" PATH="$VENV/bin:$PATH"
  unset PYTHONHOME
}

# requirements build|run|<extra>...: the names as pyproject.toml lists them, one a line.
requirements() {
  python - "$ROOT/pyproject.toml" "$@" <<'PY'
import sys
import tomllib

with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)
groups = {
    "build": project["build-system"]["requires"],
    "run": project["project"]["dependencies"],
    **project["project"]["optional-dependencies"],
}
for name in sys.argv[2:]:
    print("\n".join(groups[name]))
PY
}

# Errors only: a pip that finds nothing to do, or an index to skip, is not news.
pip_install() { python -m pip install -qq "$@"; }

# install_requirements <group>...: see requirements().
install_requirements() {
  local names
  mapfile -t names < <(requirements "$@")
  pip_install "${names[@]}"
}
