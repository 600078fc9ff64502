"""Examples that no file of the user's holds, described: those of `moons`, `digits` and the like, which a source of the language makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.fields import bad
from mai.compiler.data.source_kinds import Source
from mai.compiler.data.sources import SOURCES
from mai.compiler.describing.arrays import EXAMPLES, ArraysSummary, summarise_array
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array, write_npz
from mai.runtime.files import write_atomically
from mai.spec.record import record
from mai.spec.settings import NEEDED, fields


@record
class DrawnSummary:
    """Examples of a source: what it is called and what it says of itself, and some of them as arrays.

    `count` is how many there are in all, None where they are drawn anew for every step; `examples` are those that were looked at.
    """

    source: str
    says: str
    count: int | None
    arrays: ArraysSummary
    examples: Mapping[str, Array]


def source_called(name: str) -> Source | None:
    """The source of this name, where it needs neither files nor settings; None for others."""
    kind = SOURCES[name] if name in SOURCES.names else None
    if kind is None or kind.reads_files or any(setting.default is NEEDED for setting in fields(kind).values()):
        return None
    return kind.of({})


def summarise_source(source: Source) -> DrawnSummary:
    """What a source makes, without a spec."""
    columns = source.columns(Path()) or {}
    types = {
        name: Type(DType.INT, shape=column.shape, classes=column.labels)
        if column.whole
        else Type(DType.REAL, shape=source.picture or column.shape)
        for name, column in columns.items()
    }
    return summarise_drawn(source, load(source, types, 0, Path()))


def summarise_drawn(source: Source, dataset: Dataset) -> DrawnSummary:
    """Some of the examples that a run has from a source."""
    batch = dataset.batch(0, min(EXAMPLES, dataset.count or EXAMPLES))
    examples = {name: rows[:] for name, rows in batch.items()}
    arrays = tuple(summarise_array(name, rows) for name, rows in examples.items())
    says = (type(source).__doc__ or "").partition("\n")[0]
    return DrawnSummary(source.name, says, dataset.count, ArraysSummary((), arrays), examples)


def save_examples(summary: DrawnSummary, path: Path) -> None:
    """Write the examples that were looked at: a `.npz` of arrays by field, or a `.csv` with a row for each, a vector as columns x0, x1, ...

    Raises:
        MaiError: a field has more axes than a row of a table.
        OSError: the file cannot be written.
    """
    if path.suffix.lower() == ".npz":
        write_npz(path, summary.examples)
        return
    columns: dict[str, Array] = {}
    for name, rows in summary.examples.items():
        if rows.ndim > 2:
            raise bad(f"`{name}` is {list(rows.shape[1:])}, which is no row of a table", help=f"--out {path.stem}.npz")
        columns |= {name: rows} if rows.ndim == 1 else {f"{name}{i}": column for i, column in enumerate(rows.T)}
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    write_atomically(path, ("\n".join(lines) + "\n").encode())
