"""Labels by the names that they have in the data: `y=cat` for `y=3`."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from mai.runtime.errors import ModelError
from mai.runtime.manifest import Manifest, Port


def names_for(manifest: Manifest, port: Port) -> list[str]:
    """The names of a port's labels: those of the field of its name, or of the one with as many, but for one more for none."""
    if not port.classes:
        return []
    own = manifest.labels.get(port.name, [])
    return own or of_size(manifest, port.classes) or of_size(manifest, port.classes - 1)


def of_size(manifest: Manifest, count: int) -> list[str]:
    """The names of the one field that has so many labels; none where there is none or more than one."""
    found = [names for names in manifest.labels.values() if len(names) == count]
    return found[0] if len(found) == 1 else []


def as_labels(port: Port, names: Sequence[str], value: Any) -> Any:
    """A name, or names, as labels; anything else as it is. Raises `ModelError` for a name that there is not."""
    if not names:
        return value
    if isinstance(value, str):
        return _number(port, names, value)
    if isinstance(value, Sequence) and value and all(isinstance(v, str) for v in value):
        return [_number(port, names, name) for name in value]
    return value


def in_numbers(port: Port, names: Sequence[str], text: str) -> str:
    """`cat`, or `cat, dog`, as the numbers that a command line takes; anything else as it is."""
    words = [word.strip() for word in text.strip("[]").split(",")]
    if not names or not all(word in names or word[:1].isalpha() for word in words):
        return text
    return ", ".join(str(_number(port, names, word)) for word in words)


def _number(port: Port, names: Sequence[str], name: str) -> int:
    if name in names:
        return names.index(name)
    near = get_close_matches(name, names, n=1)
    help = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(names)}"
    raise ModelError("input-range", f"`{port.name}` has no label `{name}`", help)
