"""Going on where a loader stood."""

from __future__ import annotations

import random

import pytest
from loader_parts import Augmented, Numbers, epoch, generator, plain, rows

import clew
from clew.utils import data
from clew.utils.data import DataLoader

# -- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("dataset", [Augmented(), rows(23)], ids=["samples", "memory"])
@pytest.mark.parametrize("stop", [1, 3, 6])
def test_going_on_in_the_middle_of_an_epoch(tmp_path, workers, own, dataset, stop):
    def build():
        return DataLoader(
            dataset, 4, shuffle=True, num_workers=workers, generator=generator() if own else None
        )

    clew.manual_seed(9)
    loader = build()
    first = epoch(loader)
    rest, noise = [], []
    for number, batch in enumerate(loader, start=1):
        noise.append(clew.rand(1).item())
        if number > stop:
            rest.append((plain(batch), noise[-1]))
        if number == stop:
            clew.save(
                {"loader": loader.state_dict(), "random": clew.default_generator.get_state()}, tmp_path / "x"
            )
    after = epoch(loader)
    assert after != first

    clew.manual_seed(12345)
    saved = clew.load(tmp_path / "x")
    again = build()
    again.load_state_dict(saved["loader"])
    assert again.state_dict() == saved["loader"]
    state = saved["random"]
    clew.default_generator.set_state(state if isinstance(state, clew.Tensor) else tuple(state))
    got = [(plain(batch), clew.rand(1).item()) for batch in again]
    assert got == rest
    assert epoch(again) == after


def test_going_on_between_epochs():
    loader = DataLoader(Augmented(), 4, shuffle=True, generator=generator())
    epoch(loader)
    state = loader.state_dict()
    want = epoch(loader)
    other = DataLoader(Augmented(), 4, shuffle=True, generator=generator(77), num_workers=2)
    other.load_state_dict(state)
    assert epoch(other) == want
    with pytest.raises(ValueError, match="state of a DataLoader"):
        other.load_state_dict({"epoch": 3})


def test_going_on_in_a_stream():
    loader = DataLoader(Numbers(20), 3, num_workers=2, generator=generator())
    batches = iter(loader)
    next(batches), next(batches), next(batches)
    state = loader.state_dict()
    want = epoch(batches)
    again = DataLoader(Numbers(20), 3, num_workers=2, generator=generator(5))
    again.load_state_dict(state)
    assert epoch(again) == want


class Drawing(data.Sampler):
    """Draws while it gives indices, and can say where it stands."""

    def __init__(self):
        self.random = random.Random(1)

    def __iter__(self):
        for _ in range(9):
            yield self.random.randrange(10)

    def __len__(self):
        return 9

    def state_dict(self):
        return {"random": self.random.getstate()}

    def load_state_dict(self, state):
        self.random.setstate(state["random"])


def test_a_sampler_with_a_state():
    loader = DataLoader(Augmented(), 2, sampler=Drawing(), generator=generator())
    epoch(loader)
    batches = iter(loader)
    next(batches), next(batches)
    state = loader.state_dict()
    want = epoch(batches)
    again = DataLoader(Augmented(), 2, sampler=Drawing(), generator=generator())
    again.load_state_dict(state)
    assert epoch(again) == want
