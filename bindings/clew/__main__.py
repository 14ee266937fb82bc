"""`python -m clew`: runs PyTorch programs on Clew, and says where its C++ side is."""

from __future__ import annotations

import sys

USAGE = """usage: python -m clew run script.py [args...]
       python -m clew --cmake-prefix

run    run a PyTorch program with `torch` and its submodules taken from Clew; names that are not there
       are listed at the end, with file and line
--cmake-prefix
       print the folder for CMAKE_PREFIX_PATH, in which find_package(Clew) looks
"""


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    args = sys.argv[1:] if argv is None else argv
    if args and args[0] == "--version":
        from clew import __version__

        print(f"clew {__version__}")
        return 0
    if args == ["--cmake-prefix"]:
        from clew.utils import cmake_prefix_path

        print(cmake_prefix_path)
        return 0
    if args and args[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if len(args) >= 2 and args[0] == "run":
        from clew._run import run_script

        return run_script(args[1], args[2:])
    print(USAGE, end="", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
