"""Data that do not fit a spec, or cannot be read: what is said where they are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mai.compiler.data.batches import load
from mai.compiler.data.source_kinds import Source
from mai.compiler.ir.types import Type
from mai.spec.diagnostics import MaiError


def refused(source: Source, folder: Path, fields: Mapping[str, Type]) -> str:
    """The message of the one diagnostic with which a source whose files lie in a folder is refused."""
    with pytest.raises(MaiError) as caught:
        load(source, fields, 0, folder)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug in ("data-bad", "data-missing")
    return diagnostic.message
