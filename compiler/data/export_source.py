"""Examples that an earlier export draws: its file is called with a seed for every batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.points import generator
from mai.compiler.data.sources import DRAW, Arrays, Read
from mai.runtime import ModelError, load
from mai.spec import settings as st

Draw = Callable[[np.random.Generator, int], Arrays]
CALL = 4096


def opened(source: st.Export, base: Path) -> Draw:
    """(generator, n) -> n examples of a compiled file by output; the generator makes the file's seed.

    Raises:
        MaiError: there is no such file, it is none of mai's, it needs inputs, or it draws nothing.
    """
    path = base / source.path
    if not path.exists():
        raise bad(f"there is no file {path}: train the spec that it is an export of first", "data-missing")
    model = _told(path, lambda: load(path))
    if model.inputs:
        raise bad(f"{path} needs {', '.join(model.inputs)}: data come from an export without inputs")
    if "seed" not in model.settings:
        raise bad(f"{path} draws nothing: all its examples are one")

    def draw(g: np.random.Generator, count: int) -> Arrays:
        made = _told(path, lambda: model(batch=count, seed=int(g.integers(2**31))))
        return made if isinstance(made, dict) else {next(iter(model.outputs)): made}

    return draw


def read_export(source: st.Export, base: Path, override: Sequence[Path] | None, seed: int) -> Read:
    """`count` examples, drawn once."""
    draw, count = opened(source, base), source.count or 1
    sizes = [min(CALL, count - begin) for begin in range(0, count, CALL)]
    parts = [draw(generator(seed, DRAW, call), size) for call, size in enumerate(sizes)]
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}, None


def _told(path: Path, act: Callable[[], Any]) -> Any:
    try:
        return act()
    except ModelError as error:
        raise bad(f"data from {path}: {error}") from error
