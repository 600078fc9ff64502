"""Whoever reads a public name is told what it is: docstrings are there, and speak of shapes where arrays come and go."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import mai
from mai.compiler.ir.operation import OPERATIONS
from mai.compiler.ir.structure import Structural
from mai.compiler.ops.elementwise.base import Elementwise
from mai.compiler.ops.scan import load_operations


def room_of(module: str) -> str:
    """`mai.compiler.ops` of `mai.compiler.ops.shapes.tile`."""
    return ".".join(module.split(".")[:3])


load_operations()
MODULES = sorted(m.name for m in pkgutil.walk_packages(mai.__path__, "mai.") if not m.name.endswith("__main__"))
ROOMS = sorted({room_of(name) for name in MODULES})
# Classes whose methods are named by something else: a rule of the grammar, an operator of ONNX.
NAMED_ELSEWHERE = {"TreeBuilder"}
SHAPE = re.compile(r"\[[^\]]*\]|\b(shapes?|scalars?|axis|axes|elements?|examples?|rows?|row)\b")


def classes(module: ModuleType) -> Iterator[type]:
    """The public classes that a module defines."""
    for name, value in vars(module).items():
        if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            yield value


def functions(module: ModuleType) -> Iterator[tuple[str, Any, tuple[type, ...]]]:
    """Public functions and methods that a module defines, with the classes that may describe them for it.

    What a protocol asks for is described where it is done.
    """
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            yield name, value, ()
    for owner in (c for c in classes(module) if not getattr(c, "_is_protocol", False)):
        for name, value in [*vars(owner).items()]:
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            if inspect.isfunction(function) and function.__name__ == name and not name.startswith("_"):
                yield f"{owner.__name__}.{name}", function, owner.__mro__[1:]


def described(name: str, function: Any, bases: tuple[type, ...]) -> bool:
    """Whether it has a docstring, or is what a class above declares and describes."""
    declared = {n for base in bases if base.__doc__ for n in (*vars(base), *inspect.get_annotations(base))}
    return bool(function.__doc__) or name.rpartition(".")[2] in declared


def imported(room: str) -> list[ModuleType]:
    return [importlib.import_module(name) for name in MODULES if room_of(name) == room]


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_public_is_described(room: str) -> None:
    silent = []
    for module in imported(room):
        silent += [f"{module.__name__}.{c.__name__}" for c in classes(module) if not vars(c).get("__doc__")]
        for name, function, bases in functions(module):
            if name.partition(".")[0] not in NAMED_ELSEWHERE and not described(name, function, bases):
                silent.append(f"{module.__name__}.{name}")
    assert silent == []


@pytest.mark.parametrize("room", [r for r in ROOMS if r.startswith(("mai.runtime", "mai.compiler.ops"))])
def test_functions_of_arrays_speak_of_shapes(room: str) -> None:
    silent = []
    for module in imported(room):
        for name, function, _ in functions(module):
            takes = re.findall(r"\bArray\b", " ".join(map(str, inspect.get_annotations(function).values())))
            if takes and not SHAPE.search(function.__doc__ or ""):
                silent.append(f"{module.__name__}.{name}")
    assert silent == []


def test_operations_speak_of_shapes() -> None:
    """All but those of elements, whose shape rule is broadcasting, and those that are no functions of arrays."""
    silent = [
        name
        for name, operation in OPERATIONS.items()
        if not issubclass(operation, (Elementwise, Structural))
        and not SHAPE.search(vars(operation).get("__doc__") or "")
    ]
    assert silent == []
