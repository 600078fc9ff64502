"""Arrays of a numpy archive: `arrays` by its oldest name."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from mai.compiler.data.source_kinds import Source
from mai.compiler.data.sources.arrays import Arrays


class Npz(Arrays):
    """The same as `arrays`."""

    name: ClassVar[str] = "npz"
    suffixes: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def for_file(cls, path: Path, written: Source) -> Source | None:
        return None
