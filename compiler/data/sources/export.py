"""Examples that an earlier export draws: its file is called with a seed for every batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from mai.compiler.data.fields import bad
from mai.compiler.data.source_kinds import Endless, Finite, Reading, Request, Source
from mai.spec.settings import MANY, setting

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.compiler.data.source_kinds import Arrays, Draw

Result = TypeVar("Result")
CALL = 4096


class Export(Source):
    """What an earlier export draws: a compiled file that needs no inputs; `count` examples in all, or without end."""

    name: ClassVar[str] = "export"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)
    path: str
    count: int | None = setting(default=None, ge=2, le=MANY)

    @classmethod
    def for_file(cls, path: Path, written: Source) -> Source | None:
        """An export in another's place gives as many examples as that."""
        if path.suffix not in cls.suffixes or path.is_dir():
            return None
        return cls(path=str(path.absolute()), count=written.count if isinstance(written, Export) else None)

    def read(self, request: Request) -> Reading:
        draw = _opened(request.base / self.path)
        return Finite(_drawn_once(draw, request, self.count)) if self.count else Endless(draw)


def _drawn_once(draw: Draw, request: Request, count: int) -> Arrays:
    import numpy as np

    sizes = [min(CALL, count - begin) for begin in range(0, count, CALL)]
    parts = [draw(request.generator(call), size) for call, size in enumerate(sizes)]
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def _opened(path: Path) -> Draw:
    """(generator, n) -> n examples of a compiled file by output; the generator makes the file's seed.

    Raises:
        MaiError: there is no such file, it is none of mai's, it needs inputs, or it draws nothing.
    """
    from mai.runtime import load

    if not path.exists():
        raise bad(f"there is no file {path}: train the spec that it is an export of first", "data-missing")
    model = _reported(path, lambda: load(path))
    if model.inputs:
        raise bad(f"{path} needs {', '.join(model.inputs)}: data come from an export without inputs")
    if "seed" not in model.settings:
        raise bad(f"{path} draws nothing: all its examples are one")

    def draw(generator: Generator, count: int) -> Arrays:
        return model.by_output(_reported(path, lambda: model(batch=count, seed=int(generator.integers(2**31)))))

    return draw


def _reported(path: Path, act: Callable[[], Result]) -> Result:
    """What an action gives; an error of the runtime as one of the data."""
    from mai.runtime import ModelError

    try:
        return act()
    except ModelError as error:
        raise bad(f"data from {path}: {error}") from error
