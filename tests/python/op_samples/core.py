"""What samples are written with; extensions use it as well, so it is part of the package."""

from __future__ import annotations

from clew.testing.op_samples import *  # noqa: F403
