"""Families of known models as data: the records in `families/`, each of which may begin as another one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "families"

Record = Mapping[str, Any]


@lru_cache(maxsize=1)
def family_records() -> dict[str, Record]:
    """Every record by its name, with what it has of the record that it is `like`, in alphabetical order."""
    written = {f.stem: tomllib.loads(f.read_text(encoding="utf-8")) for f in sorted(FOLDER.glob("*.toml"))}
    return {name: _whole(name, written) for name in written}


def template(name: str) -> str:
    """The text of a template, or of the macros that templates share."""
    return (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")


def _whole(name: str, written: Mapping[str, Record]) -> Record:
    record = written[name]
    return _joined(_whole(record["like"], written), record) if "like" in record else record


def _joined(first: Record, second: Record) -> Record:
    """The second record, and what it does not say of the first; tables but for classes are joined, and lists that begin with "..."."""
    both = dict(first)
    for name, value in second.items():
        old = first.get(name)
        if isinstance(value, dict) and isinstance(old, dict) and name != "architectures":
            both[name] = _joined(old, value)
        elif isinstance(value, list) and value[:1] == ["..."] and isinstance(old, list):
            both[name] = [*old, *value[1:]]
        else:
            both[name] = value
    return both
