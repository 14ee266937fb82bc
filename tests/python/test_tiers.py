"""Names known from PyTorch: each is there, or says its tier and what to use instead."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

import clew
from clew._missing import NotYetError, instead_of, tier_of
from clew._tiers import TIERS

CLASSES = {
    "nn.Module": lambda: clew.nn.Identity(),
    "Tensor": lambda: clew.ones(1),
}


def owner_of(module: str) -> Any:
    """The module or class that the names of a list belong to; None where it is not there."""
    owner: Any = clew
    for part in module.split(".") if module else ():
        try:
            owner = getattr(owner, part)
        except AttributeError:
            return None
    return owner


def is_there(owner: Any, name: str) -> bool:
    return owner is not None and hasattr(owner, name)


def test_lists_are_sound() -> None:
    for module, tiers in TIERS.items():
        names = " ".join(tiers).split()
        double = sorted({name for name in names if names.count(name) > 1})
        assert not double, f"{module or 'clew'}: {double}"
        # A module that is listed is a name of its parent.
        if module:
            parent, _, name = module.rpartition(".")
            assert tier_of(parent, name) is not None or is_there(owner_of(parent), name), module


@pytest.mark.parametrize("module", [m for m in TIERS if m not in CLASSES], ids=lambda m: m or "clew")
def test_a_name_is_there_or_says_why_not(module: str) -> None:
    owner = owner_of(module)
    if owner is None:
        parent, _, name = module.rpartition(".")
        while parent and owner_of(parent) is None:
            parent, _, name = parent.rpartition(".")
        with pytest.raises(NotYetError):
            getattr(owner_of(parent), name)
        return
    if isinstance(owner, type):
        return  # attributes of a class are Python's to report
    for tier, names in enumerate(TIERS[module], start=1):
        for name in names.split():
            try:
                found = getattr(owner, name)
            except AttributeError as error:
                assert isinstance(error, NotYetError), f"{module}.{name}: {error!r}"
                assert isinstance(error, NotImplementedError)
                assert f"tier {tier}" in str(error) and name in str(error)
                assert error.name == name
                assert instead_of(module, name) is None or instead_of(module, name) in str(error)
            else:
                assert found is not None or name in vars(owner)
    with pytest.raises(AttributeError, match="no_such_name") as caught:
        owner.no_such_name
    assert not isinstance(caught.value, NotImplementedError)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_method_is_there_or_says_why_not(kind: str) -> None:
    instance = CLASSES[kind]()
    for names in TIERS[kind]:
        for name in names.split():
            if not hasattr(type(instance), name) and not name.startswith("__"):
                with pytest.raises(NotYetError, match=name):
                    getattr(instance, name)


def test_absent_names_behave_for_probing_code() -> None:
    absent = [n for n in " ".join(TIERS["nn"]).split() if not is_there(clew.nn, n)]
    for name in absent:
        assert getattr(clew.nn, name, "default") == "default"
    assert not hasattr(clew, "sparse_csr_tensor")


def test_what_stands_instead_is_there() -> None:
    """Where the words name something of this package by its path, it exists."""
    import re

    from clew._missing import _INSTEAD

    for name, words in _INSTEAD.items():
        for path in re.findall(r"\b((?:nn|optim|utils)\.[\w.]+)", words):
            owner = importlib.import_module("clew")
            for part in path.rstrip(".").split("."):
                assert hasattr(owner, part), f"{name}: {path}"
                owner = getattr(owner, part)
