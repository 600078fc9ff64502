"""The examples that a model is judged by: those of files, those that its spec keeps apart, or some that are drawn anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.fields import bad
from mai.compiler.data.label_names import Names
from mai.compiler.data.rows import Rows, choose
from mai.compiler.data.whole_files import WholeFiles, read_whole
from mai.compiler.evaluating.subject import Subject
from mai.compiler.evaluating.targets.links import fields_read, types_read
from mai.compiler.ir.types import Type
from mai.compiler.program import Program
from mai.runtime.run_folders.record import RunRecord

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
        return first(replace(read, notes=(*read.notes, *_notes_of_training(subject, places))), count)
    data = data_of(program, subject.run, names)
    rows = data.test or data.validation or drawn(data, count)
    lacking = [name for name in fields if name not in rows]
    if lacking:
        raise bad(f"the data of this spec have no `{lacking[0]}`", help="name a file that has it: --data test.csv")
    lacks = [np.isnan(rows[field][:]).reshape(len(rows[field]), -1).any(1) for field in answers]
    places_of = np.flatnonzero(~np.stack(lacks).any(0))
    chosen = {name: choose(rows[name], places_of) for name in fields}
    missing = len(rows[answers[0]]) - len(places_of)
    return first(WholeFiles(chosen, places_of, data.labels, missing, data.notes), count)


def _notes_of_training(subject: Subject, files: Sequence[Path]) -> Iterator[str]:
    """What is said of files that the model was trained on."""
    program, run = subject.program, subject.run
    base, written = Path(program.source.path).parent, getattr(program.trainings[-1].data, "path", ())
    own = run.data if run is not None and run.data else (written,) if isinstance(written, str) else written
    trained = {(base / path).resolve() for path in own}
    for file in files:
        if file.resolve() in trained:
            yield f"the model was trained on rows of {file.name}: figures of rows that it has not seen are those without --data"


def first(examples: WholeFiles, count: int | None) -> WholeFiles:
    """So many of the examples, with a note of how many there are besides."""
    total = len(examples.places)
    if count is None or count >= total:
        return examples
    rows = {name: choose(each, np.arange(count)) for name, each in examples.rows.items()}
    notes = (*examples.notes, f"the first {count:,} of {total:,} examples")
    return WholeFiles(rows, examples.places[:count], examples.labels, examples.missing, notes)


def data_of(program: Program, run: RunRecord | None, known: Names) -> Dataset:
    """The data that the last train block was trained on, as its run read them."""
    training = program.trainings[-1]
    override = [Path(path) for path in run.data] if run is not None else []
    seed = training.settings.seed if run is None else run.seed
    base = Path(program.source.path).parent
    return load(training.data, training.fields, seed, base, override, training.where, known)


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
