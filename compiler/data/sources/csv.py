"""Columns of a csv file: a table by its oldest name."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from mai.compiler.data.source_kinds import Source
from mai.compiler.data.sources.table import Table


class Csv(Table):
    """The same as `table`."""

    name: ClassVar[str] = "csv"
    suffixes: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def for_file(cls, path: Path, written: Source) -> Source | None:
        return None

    @classmethod
    def call_for(cls, path: str) -> str | None:
        return None
