"""The losses of a run on examples that it has not seen: read, measured, and told as figures with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mai.compiler.check import check_text
from mai.compiler.data import label_names
from mai.compiler.data.batches import held_out_from, windows_of
from mai.compiler.data.column_shapes import read_in_place
from mai.compiler.data.facts import decimal_of_weights, facts_of_weights
from mai.compiler.data.fields import bad, window
from mai.compiler.data.label_names import Names
from mai.compiler.data.places import Places
from mai.compiler.data.source_kinds import Corpus, DrawsAlone, Request
from mai.compiler.data.sources.text import Text
from mai.compiler.data.texts.tokens import opened, tokenizer_text
from mai.compiler.data.whole_files import WholeFiles, read_whole
from mai.compiler.evaluating.examples import (
    DRAWN,
    first,
    kept_apart,
    named_by_option,
    notes_of_others,
    notes_of_trained,
)
from mai.compiler.evaluating.intervals import RESAMPLES, Metric, notes_of_overlap
from mai.compiler.evaluating.losses import Labels, Measures, joined, measure
from mai.compiler.evaluating.metrics import Figure, with_intervals
from mai.compiler.evaluating.subject import check_compiled
from mai.compiler.evaluating.targets.target import refusal
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.run.best import notes_of_run
from mai.runtime.arrays import Array
from mai.runtime.model.loader import load
from mai.runtime.run_folders.files import WEIGHTS
from mai.runtime.run_folders.record import RunRecord, read_record
from mai.runtime.show.terminal import aligned
from mai.runtime.text.tokenizer import BYTES
from mai.spec.record import record

NO_LABELS: Names = {}


@record
class Run:
    """A trained program: its weights, what its folder says of it, and the names of labels and the tokenizer that it was trained with."""

    path: Path
    program: Program
    weights: Path
    record: RunRecord | None
    labels: Names
    tokenizer: str | None


@record
class Losses:
    """What was measured: a title, figures with intervals, and notes; `examples` of one block or all."""

    title: str
    examples: int
    figures: list[Figure]
    notes: tuple[str, ...]


def open_run(path: Path, sets: Mapping[str, str] | None) -> Run:
    """The run in a folder, or the one that a compiled file lies in.

    Raises:
        MaiError: there are no weights, or the text of the spec is not sound for this mai.
    """
    folder = path if path.is_dir() else path.parent
    weights = folder / WEIGHTS
    if not weights.exists():
        raise refusal(f"{folder} has no {WEIGHTS}, of which losses could be measured", "name the folder of a run")
    record = read_record(folder)
    files = [path] if path.is_file() else sorted(folder.glob("*.onnx"))
    if files:
        checked = check_compiled(load(files[0]), record, sets)
    elif record is not None and Path(record.spec).is_file():
        checked = check_text(Path(record.spec), Path(record.spec).read_text(encoding="utf-8"), sets or record.sets)
    else:
        raise refusal(f"{folder} has no compiled file, and its spec is gone", "mai compile SPEC --weights RUN")
    program = checked.meaning()
    if not program.trainings:
        raise refusal(f"{path} was trained on nothing")
    return Run(path, program, weights, record, label_names.names_of(weights), tokenizer_text(program, weights, None))


# ------------------------------------------------------------------ examples


def read_examples(run: Run, files: Sequence[Path], count: int | None) -> WholeFiles:
    """The examples of files, those that the spec keeps apart, or drawn ones; a text as windows, one behind the other.

    Raises:
        MaiError: the data cannot be read, or the spec keeps no examples apart.
    """
    training = run.program.trainings[-1]
    base = Path(run.program.source.path).parent
    if isinstance(training.data, DrawsAlone) and not files:
        return WholeFiles({}, np.arange(count or DRAWN), NO_LABELS, what="newly drawn examples")
    if isinstance(training.data, Text):
        return first(_windows(run, training.data, files), count)
    if files:
        places = [file.absolute() for file in files]
        fields = training.fields
        sign = decimal_of_weights(run.weights)
        facts = facts_of_weights(run.weights)
        read = read_whole(training.data, fields, base, places, run.labels, (), run.tokenizer, sign, facts)
        notes = (*read.notes, *notes_of_trained(run.program, run.record, files))
        return first(replace(read, notes=notes), count)
    return first(kept_apart(run.program, run.record, run.labels, count), count)


def _windows(run: Run, source: Text, files: Sequence[Path]) -> WholeFiles:
    """The windows of a text's tokens: of files all of it, else of its last tenth, which is not trained on; the last may be short of one."""
    training, base = run.program.trainings[-1], Path(run.program.source.path).parent
    name, length, type_ = window(training.fields)
    asked = [file.absolute() for file in files] or [Path(each) for each in (run.record.data if run.record else ())]
    with named_by_option():
        read = read_in_place(source, asked).read(Request(base, asked, 0, training.fields, run.tokenizer))
    if not isinstance(read, Corpus):
        raise bad(f"{asked[0]} is no text")
    tokens = read.tokens if files else read.tokens[held_out_from(read.tokens, length) :]
    if len(tokens) < length:
        raise bad(f"the text has {len(tokens):,} tokens, fewer than one window of {length}")
    if isinstance(type_.classes, int) and int(tokens.max()) >= type_.classes:
        raise bad(f"the text holds token {int(tokens.max())}, but `vocab` is {type_.classes}")
    stride = max(1, length - 1)  # What is first in a window was last in the one before: most models say nothing of it.
    rows = np.lib.stride_tricks.sliding_window_view(tokens, length)[::stride]
    left = len(tokens) - ((len(rows) - 1) * stride + length)
    notes = [*read.notes, *([f"the last {left:,} tokens are no whole window, and are left out"] if left else [])]
    if run.record is not None and not files:
        notes += notes_of_others(windows_of(read, training.fields, run.record.seed), run.record)
    what = "the last tenth of the text, which is held out"
    return WholeFiles({name: rows}, np.arange(len(rows)), NO_LABELS, 0, (*notes,), what=what)


# ------------------------------------------------------------------ figures


def measure_run(
    run: Run, examples: WholeFiles, data: str, resamples: int = RESAMPLES, seed: int = 0, batch: int | None = None,
    done: Callable[[int], None] = lambda n: None,
) -> Losses:  # fmt: skip
    """The losses and reports of all train blocks; `done` hears how many examples each time.

    Args:
        data: what the examples are of, in words; of those that the spec keeps apart they say it themselves.
        batch: how many at a time; what is of a whole batch is of so many, by default as in training.
    """
    weights, _ = load_weights(run.program, run.weights)
    count, shown, notes = len(examples.places), list[Figure](), [*examples.notes, *notes_of_overlap(examples.in_files)]
    for training in run.program.trainings:
        size = batch or (run.record.batch if run.record is not None else 0) or training.settings.batch
        parts = list[Measures]()
        for number, part in measure(run.program, training, weights, examples.rows, count, size, seed):
            parts.append(part)
            done(number)
        measures = joined(parts)
        shown += _figures(measures, count, resamples, seed, examples.in_files)
        notes += [
            f"{name} is a mean over batches of {size}" for name, each in measures.values.items() if len(each) != count
        ]
        if measures.labels is not None:
            shown += label_figures(measures.labels, run.tokenizer, resamples, seed)
    folder = run.path if run.path.is_dir() else run.path.parent
    notes += notes_of_run(folder, run.program.trainings[-1].settings.keep)
    return Losses(
        f"the losses of {run.path} on {data or examples.what}: {count:,} examples", count, shown, tuple(notes)
    )


def _figures(measures: Measures, count: int, resamples: int, seed: int, places: Places | None) -> Iterator[Figure]:
    for name, values in measures.values.items():
        mean = {name: (lambda rows, values=values: float(values[rows].mean()), measures.texts[name])}
        yield from with_intervals(mean, len(values), resamples, seed, places if len(values) == count else None)


def label_figures(labels: Labels, tokenizer: str | None, resamples: int, seed: int) -> list[Figure]:
    """Perplexity, bits and accuracy, of all labels alike; examples are drawn again for the intervals, since labels of one hang together."""
    count, nats, hits = labels.count, labels.nats, labels.hits
    if not count.sum():
        return []

    def each(values: Array) -> Metric:
        return lambda rows: float(values[rows].sum() / max(1, count[rows].sum()))

    loss = each(nats)
    metrics = {
        "perplexity": (lambda rows: math.exp(min(loss(rows), 700)), f"of {count.sum():,} tokens: so many are as likely as the right one"),
        "accuracy": (each(hits), "how often the likeliest token is the right one"),
    }  # fmt: skip
    bits = "minus the mean logarithm of its probability"
    if tokenizer != BYTES:
        metrics["bits per token"] = lambda rows: loss(rows) / math.log(2), bits
    if tokenizer is not None:
        size = count.sum() if tokenizer == BYTES else len(opened(tokenizer).decode(labels.values.tolist()).encode())
        per_token = max(1, size) / count.sum()
        words = f"{bits}, for each of {size:,} bytes of UTF-8"
        metrics["bits per byte"] = lambda rows: loss(rows) / math.log(2) / per_token, words
    return [*with_intervals(metrics, len(count), resamples, seed)]


def lines(losses: Losses) -> Iterator[str]:
    """What a terminal shows."""
    yield losses.title
    yield from (f"note: {note}" for note in losses.notes)
    yield ""
    rows = [each.in_words() for each in losses.figures]
    yield from aligned(("metric", "value", "95 % interval", ""), rows)


def as_json(run: Run, losses: Losses) -> dict[str, object]:
    """All of it as plain values."""
    return {
        "model": str(run.path),
        "title": losses.title,
        "examples": losses.examples,
        "notes": losses.notes,
        "metrics": {f.name: {"value": f.value, "interval": f.interval, "is": f.words} for f in losses.figures},
    }
