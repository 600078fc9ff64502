"""What a spec takes of its data, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.fields import bad, group_columns
from mai.compiler.data.sources.examples import Examples
from mai.compiler.data.sources.table import Table
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.describing.describe import describe
from mai.compiler.describing.drawn import summarise_drawn
from mai.compiler.describing.leaks import leaks
from mai.compiler.describing.lines import Summary, share
from mai.compiler.describing.tables import AS_FOUND, TableSummary, why_not
from mai.compiler.evaluating.targets.links import compared_results
from mai.compiler.ir.types import DType, Type

if TYPE_CHECKING:
    from mai.compiler.program import Program, Training


def what_it_takes(program: Program) -> tuple[dict[str, str], Summary | None, list[str]]:
    """What each column becomes, what is in the files of the `data` line, and which examples are for what, in words.

    Raises:
        MaiError: the spec has no `data` line, or its data do not fit it.
    """
    if not program.trainings:
        raise bad("this spec trains nothing: data are read for a train block")
    if not program.trainings[0].fields:
        raise bad("this spec has no `data` line")
    training = program.trainings[0]
    base = Path(program.source.path).parent
    dataset = load(training.data, training.fields, 0, base, where=training.where)
    paths = _files(getattr(training.data, "path", None), base)
    is_table = isinstance(training.data, Table)
    stated = training.data.stated if isinstance(training.data, Table) else AS_FOUND
    summary = describe(paths, stated, is_table) if paths else _of_drawn(training, dataset)
    texts = training.data.texts(training.fields) if isinstance(training.data, Examples) else {}
    taken = {name: f"{name}: {_as_written(type_, name in texts)}" for name, type_ in training.fields.items()}
    key = getattr(getattr(training.data, "split", None), "key", None)
    own = {name: facts.columns for name, facts in dataset.facts.items() if facts.columns}
    marks = _marks(summary, training.fields, taken, own) | ({key: "splits by it"} if key and key not in taken else {})
    warned = _warnings(summary, training, stated) if isinstance(summary, TableSummary) else []
    return marks, summary, ["", *_examples(training.data.name, taken, dataset), *warned]


def _of_drawn(training: Training, dataset: Dataset) -> Summary | None:
    """What a source makes that reads no files."""
    return None if training.data.reads_files else summarise_drawn(training.data, dataset)


def _warnings(summary: TableSummary, training: Training, stated: Stated) -> list[str]:
    """What the spec takes that says nothing of other rows, or all of what is to be predicted."""
    texts = training.data.texts(training.fields) if isinstance(training.data, Examples) else {}
    fields = training.fields.keys() - texts.keys()
    taken = {column.name: column for column in summary.columns if column.name in fields}
    warnings = [f"warning: `{name}`: {why}" for name, column in taken.items() if (why := why_not(column))]
    targets = [name for name in compared_results(training) if name in taken]
    others = [name for name in taken if name not in targets]
    for target in targets if others else []:
        is_label = training.fields[target].dtype is DType.INT
        telling = leaks(summary.files, others, target, is_label, stated)
        warnings += [f"warning: `{each.column}` tells `{target}`: {each.words}" for each in telling]
    return warnings


def _as_written(type_: Type, is_text: bool) -> str:
    """A type as a spec writes it."""
    shape = f"[{', '.join(map(str, type_.shape))}]"
    if type_.dtype is DType.REAL:
        return shape
    kind = "tokens" if is_text else "int" if type_.classes is None else f"class[{type_.classes}]"
    return kind + (shape if type_.shape else "")


def _files(path: object, base: Path) -> list[Path]:
    """The files that a source names, from where the command runs."""
    if isinstance(path, str):
        return [base / path]
    return [base / each for each in path] if isinstance(path, tuple) else []


def _marks(
    summary: Summary | None, fields: Mapping[str, Type], taken: Mapping[str, str], own: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """What becomes of each column; `x0`, `x1`, ... are of the field `x`, or those with names of their `own`."""
    if not isinstance(summary, TableSummary):
        return dict(taken)
    groups = {**group_columns([column.name for column in summary.columns], fields), **own}
    return {column: taken[name] for name in fields for column in groups.get(name, ())}


def _examples(source: str, taken: Mapping[str, str], dataset: Dataset) -> list[str]:
    fields = f"{source}(...) gives {', '.join(taken.values())}"
    parts = [("held out", dataset.validation), ("for tests", dataset.test)]
    counts = {words: len(next(iter(rows.values()))) for words, rows in parts if rows}
    if dataset.count is None:
        more = [f"{count:,} {words}" for words, count in counts.items()]
        return [fields, "drawn anew for every step" + "".join(f", {each}" for each in more), *dataset.notes]
    total = dataset.count + sum(counts.values())
    summary = [
        f"{count:,} ({share(count, total)}) {words}" for words, count in {"trained on": dataset.count, **counts}.items()
    ]
    return [fields, f"{total:,} examples: {', '.join(summary)}", *dataset.notes]
