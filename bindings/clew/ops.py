"""Every registered op by name, the building blocks of other ops included.

>>> clew.ops.exp is clew.exp
True
"""

from clew import _C

globals().update({name: getattr(_C.ops, name) for name in dir(_C.ops) if not name.startswith("__")})
__all__ = sorted(name for name in dir(_C.ops) if not name.startswith("__"))
