"""What a spec can name, by the files of a package: `sources/moons.py` defines what `moons` is."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import TypeVar, cast

from mai.spec.settings import Settings

Model = TypeVar("Model", bound=Settings)


class Registry(Mapping[str, type[Model]]):
    """The models of a package by name, in alphabetical order, each imported when it is first asked for.

    A module defines one model whose `name` is the module's. To add a model is to add its file.
    """

    def __init__(self, package: str) -> None:
        self.package = package

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The modules of the package, found without importing them."""
        folder = import_module(self.package).__path__
        return tuple(sorted(module.name for module in pkgutil.iter_modules(folder)))

    def __getitem__(self, name: str) -> type[Model]:
        if name not in self.names:
            raise KeyError(name)
        module = import_module(f"{self.package}.{name}")
        own = [v for v in vars(module).values() if getattr(v, "__module__", "") == module.__name__]
        models = [v for v in own if isinstance(v, type) and issubclass(v, Settings) and v.name == name]
        if len(models) != 1:
            raise TypeError(f'the file of {module.__name__} needs one class with name = "{name}"; it has {len(models)}')
        return cast(type[Model], models[0])

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
