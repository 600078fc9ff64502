"""The examples that a model is judged by: those of files, those that its spec keeps apart, or some that are drawn anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.fields import bad
from mai.compiler.data.files.paths import listed
from mai.compiler.data.label_names import Names
from mai.compiler.data.row_source import RowSource
from mai.compiler.data.rows import Rows, choose
from mai.compiler.data.whole_files import WholeFiles, read_whole
from mai.compiler.evaluating.subject import Subject
from mai.compiler.evaluating.targets.links import fields_read, types_read
from mai.compiler.ir.types import Type
from mai.compiler.program import Program
from mai.compiler.training.run.record import digest_of_data
from mai.compiler.training.settings import Best
from mai.runtime.run_folders.record import RunRecord
from mai.spec.diagnostics import Diagnostic, MaiError

DRAWN = 10_000  # Examples of data without end, where nobody says how many.
FAR = 1 << 40  # The step from which they are drawn: no training comes there.
BLOCK = 1000


def read_for(subject: Subject, files: Sequence[Path], count: int | None = None) -> WholeFiles:
    """The examples that a file is asked, and what is right: of `files`, or those that its spec keeps apart where there are none.

    Of data without end, `count` are drawn that no training has seen; of others, those after the first `count` are left out.

    Raises:
        MaiError: the data cannot be read, or do not fit the spec; or the spec keeps no examples apart.
    """
    program, answers = subject.program, [*subject.target.types]
    training, names = program.trainings[-1], label_names(subject)
    fields, manifest = _fields(subject), subject.model.manifest
    if files:
        places = [file.absolute() for file in files]
        base = Path(program.source.path).parent
        read = read_whole(
            training.data, fields, base, places, names, answers, manifest.tokenizer, manifest.decimal, manifest.facts
        )
        notes = (*read.notes, *notes_of_trained(program, subject.run, files))
        return first(replace(read, notes=notes), count)
    apart = kept_apart(program, subject.run, names, count)
    rows = apart.rows
    lacking = [name for name in fields if name not in rows]
    if lacking:
        raise bad(f"the data of this spec have no `{lacking[0]}`", help="name a file that has it: --data test.csv")
    lacks = [np.isnan(rows[field][:]).reshape(len(rows[field]), -1).any(1) for field in answers]
    places_of = np.flatnonzero(~np.stack(lacks).any(0))
    chosen = {name: choose(rows[name], places_of) for name in fields}
    missing = len(rows[answers[0]]) - len(places_of)
    in_files = None if apart.in_files is None else apart.in_files.of(places_of)
    return first(replace(apart, rows=chosen, places=places_of, missing=missing, in_files=in_files), count)


def kept_apart(program: Program, run: RunRecord | None, trained_labels: Names, count: int | None) -> WholeFiles:
    """The examples for tests, else the held-out ones, else `count` that are newly drawn. Raises `MaiError` where there are none."""
    data, where = data_of(program, run, trained_labels), None
    if data.test:
        rows, where, what = data.test, data.places.get("test"), "the examples for tests"
    elif data.validation:
        chose = isinstance(program.trainings[-1].settings.keep, Best)
        rows, where = data.validation, data.places.get("held_out")
        what = "held-out examples" + (", which also chose the weights (`keep = best`)" if chose else "")
    else:
        rows, what = drawn(data, count), "newly drawn examples"
    size = len(next(iter(rows.values())))
    notes = (*data.notes, *notes_of_others(data, run))
    return WholeFiles(rows, np.arange(size), data.labels, 0, notes, where, what)


def notes_of_others(data: Dataset, run: RunRecord | None) -> Iterator[str]:
    """What is said where a run was trained on other data than there are now: the parts of these are others, too."""
    trained = () if run is None else run.examples
    risk = "examples that it was trained on may be among these: name new ones, `--data test.csv`"
    if trained and digest_of_data(data) != trained[-1]:
        yield f"the data are others than those of this run, or split otherwise; {risk}"
    elif len(trained) > 1:
        yield f"this run began with other data, or another split, than it went on with; {risk}"


def notes_of_trained(program: Program, run: RunRecord | None, files: Sequence[Path]) -> tuple[str, ...]:
    """What is said of files whose rows were trained on."""
    source, base = program.trainings[-1].data, Path(program.source.path).parent
    if not isinstance(source, RowSource):
        return ()
    try:
        trained = source.find(base, (run.data if run is not None else ()) or listed(source.path))
    except MaiError:  # They are gone, or on another machine.
        return ()
    same = [file for file in files if file.exists() and any(file.samefile(each) for each in trained)]
    what = "it was trained on rows of it, so that these figures are better than those of new rows; without `--data`, rows that it has not seen are taken"
    return tuple(f"{file.name}: {what}" for file in same)


def first(examples: WholeFiles, count: int | None) -> WholeFiles:
    """So many of the examples, with a note of how many there are besides."""
    total = len(examples.places)
    if count is None or count >= total:
        return examples
    rows = {name: choose(each, np.arange(count)) for name, each in examples.rows.items()}
    notes = (*examples.notes, f"the first {count:,} of {total:,} examples")
    in_files = None if examples.in_files is None else examples.in_files.of(np.arange(count))
    return replace(examples, rows=rows, places=examples.places[:count], notes=notes, in_files=in_files)


def data_of(program: Program, run: RunRecord | None, trained_labels: Names) -> Dataset:
    """The data that the last train block was trained on, as its run read them."""
    training = program.trainings[-1]
    override = [Path(path) for path in run.data] if run is not None else []
    seed = training.settings.seed if run is None else run.seed
    base = Path(program.source.path).parent
    with named_by_option():
        return load(training.data, training.fields, seed, base, override, training.where, trained_labels)


@contextmanager
def named_by_option() -> Iterator[None]:
    """Say of data that are not where the spec names them how the command names others: the spec may lie in a compiled file."""
    try:
        yield
    except MaiError as error:
        raise MaiError([_by_option(each) for each in error.diagnostics]) from error


def _by_option(diagnostic: Diagnostic) -> Diagnostic:
    if diagnostic.slug != "data-missing":
        return diagnostic
    help = "name the examples in the command: --data FILE"
    return Diagnostic(diagnostic.slug, None, diagnostic.message, help=help)


def drawn(data: Dataset, count: int | None) -> dict[str, Rows]:
    """Examples of data without end that no training sees, by field. Raises `MaiError` where the data have an end."""
    if data.count is not None or data.tokenizer is not None:
        raise bad("this spec keeps no examples apart", help="name some: --data test.csv")
    count = DRAWN if count is None else count
    blocks = [
        data.batch(FAR + number, min(BLOCK, count - start)) for number, start in enumerate(range(0, count, BLOCK))
    ]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def label_names(subject: Subject) -> Names:
    """The names of labels that a file knows, by field."""
    return {field: tuple(names) for field, names in subject.model.manifest.labels.items()}


def columns_of(subject: Subject) -> dict[str, str]:
    """The field of the data for each input of the file."""
    return fields_read(subject.program, subject.export, subject.model.inputs)


def _fields(subject: Subject) -> dict[str, Type]:
    """The fields that are read: the inputs, as training had them, and those of the target."""
    fields = types_read(subject.program, subject.export, columns_of(subject))
    return fields | dict(subject.target.types)
