"""Random numbers inside samples: a function of (seed of the epoch, sample), never of who loads it.

The generators of clew, of `random` and of NumPy are seeded before every sample. In the process that trains
they are put back after every batch, so that loading does not disturb the random numbers of the model.
"""

from __future__ import annotations

from typing import Any

import clew

__all__ = ["Kept", "draw_seed", "mix", "seed_all"]

_MASK = 2**64 - 1
# What is seeded: samples by index, batches when they are collated, streams by worker and position.
SAMPLE, BATCH, STREAM = 1, 2, 3


def mix(*numbers: int) -> int:
    """64 well mixed bits out of integers (splitmix64 over them)."""
    state = 0
    for number in numbers:
        state = (state + (number & _MASK) + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def draw_seed(generator: Any = None) -> int:
    """One number out of a generator, from which all seeds of an epoch follow."""
    return int(clew.randint(2**62, (1,), generator=generator).item())


def seed_all(seed: int) -> None:
    """Seeds the default generators of clew, `random` and NumPy."""
    clew.default_generator.manual_seed(seed >> 1)
    # `clew` is to be imported fast, and NumPy imports its module at its first use, which may be the sample's.
    import random

    import numpy.random

    random.seed(seed)
    numpy.random.seed(seed & 0xFFFFFFFF)


class Kept:
    """Puts the states of the default generators back when the block ends."""

    def __enter__(self) -> None:
        import random

        import numpy.random

        self._clew = clew.default_generator.get_state()
        self._python = random.getstate()
        self._numpy = numpy.random.get_state(legacy=False)

    def __exit__(self, *exc_info: object) -> None:
        import random

        import numpy.random

        clew.default_generator.set_state(self._clew)
        random.setstate(self._python)
        numpy.random.set_state(self._numpy)
