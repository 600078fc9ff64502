"""The names of a table's columns, as a file has them and as a spec calls them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.runtime.inputs.cells import is_number


def name_columns(path: Path, names: Sequence[str]) -> dict[str, str]:
    """The columns by what a spec calls them. `sepal length (cm)` is `sepal_length_cm`, where no other column is called so.

    A first column without a name holds the numbers of rows, as pandas writes them, and is left out.

    Raises:
        MaiError: a column has no name, two have one, or the first line holds numbers and no names.
    """
    written = [name.strip() for name in names]
    if written and not written[0] and len(written) > 1 and written[-1]:
        names, written = names[1:], written[1:]
    if "" in written:
        message = f"column {written.index('') + 1} of {path} has no name"
        raise bad(message, help="the first line names every column; does it end with a comma?")
    if written and all(is_number(name) for name in written):
        message = f"the first line of {path} holds numbers: {', '.join(written)[:60]}"
        raise bad(message, help="the first line names the columns, as in `x0,x1,y`")
    if len(set(written)) < len(written):
        raise bad(f"{path} has two columns of one name: {', '.join(written)}")
    called = [_identifier(name) for name in written]
    free = [name if called.count(name) == 1 else own for name, own in zip(called, written, strict=True)]
    return dict(zip(free, names, strict=True))


def _identifier(name: str) -> str:
    """A name of letters, digits and `_` alone, as a spec may have it."""
    if name.isidentifier():
        return name
    plain = re.sub(r"\W+", "_", name).strip("_")
    return f"_{plain}" if plain[:1].isdigit() else plain or name
