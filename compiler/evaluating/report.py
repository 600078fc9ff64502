"""An evaluation as a person reads it, and as json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mai.compiler.data.whole_files import WholeFiles
from mai.compiler.evaluating.answers import Answers, Labelled, Measured, Quantiles, Tagged, values_in_words
from mai.compiler.evaluating.examples import columns_of
from mai.compiler.evaluating.intervals import Interval, notes_of_overlap
from mai.compiler.evaluating.metrics import (
    Bin,
    Figure,
    OfClass,
    calibration,
    confusion,
    figures,
    number_in_words,
    of_classes,
    residuals,
)
from mai.compiler.evaluating.quantiles import losses
from mai.compiler.evaluating.subject import Subject
from mai.compiler.evaluating.tag_metrics import OfTag, judge_tags, tag_calibration
from mai.compiler.evaluating.targets.best_answer import is_best_answer
from mai.compiler.training.run.best import notes_of_run
from mai.runtime.arrays import Array
from mai.runtime.inputs.dates import nearest_date
from mai.runtime.model.manifest import DateForm
from mai.runtime.show.terminal import aligned
from mai.spec.record import record

WORST, CLASSES, CONFUSED, MOST_TAGS = 5, 12, 5, 6


@record
class Worst:
    """An example that the file answers badly: its row, from 1, what is right, what the file says, its fields in words, and its own `file`."""

    row: int
    truth: str
    said: str
    fields: dict[str, str]
    file: str | None = None


@record
class Evaluation:
    """All that was found, for a table, a picture and json; what is `numbered` are the rows of a file, or the examples."""

    title: str
    target: str
    objective: str | None
    answers: Answers
    figures: list[Figure]
    classes: list[OfClass]
    calibration: list[Bin]
    worst: list[Worst]
    missing: int
    notes: tuple[str, ...]
    tags: list[OfTag]
    is_best: bool | None = None
    numbered: str = "example"


def evaluation(
    subject: Subject, examples: WholeFiles, answers: Answers, data: str, resamples: int, seed: int, worst: int = WORST
) -> Evaluation:
    """What answers come to.

    Args:
        data: what the examples are of, in words; of those that the spec keeps apart they say it themselves.
        resamples: how often examples are drawn again for intervals.
        worst: how many of the worst examples are shown.
    """
    decided = isinstance(answers, Labelled) and answers.said is not None
    where = examples.in_files
    if isinstance(answers, Tagged):
        shown, tags = judge_tags(answers, resamples, seed, where)
    else:
        shown, tags = figures(answers, resamples, seed, where), []
    return Evaluation(
        f"{subject.model.path.name} on {data or examples.what}: {len(examples.places):,} examples",
        subject.target.name,
        subject.target.objective,
        answers,
        shown,
        of_classes(answers) if isinstance(answers, Labelled) and decided else [],
        _calibration(answers),
        [_worst(subject, examples, answers, place) for place in worst_places(answers, worst)],
        examples.missing,
        (*examples.notes, *notes_of_overlap(where), *_notes_of_run(subject)),
        tags,
        _is_best_answer(subject),
        "example" if where is None else "row" if where.files is None else "file",
    )


def _is_best_answer(subject: Subject) -> bool | None:
    """Whether what training minimises is least where what is right is the one number that the file answers; None where that is not seen."""
    answers, field = [each for each in subject.target.answers if each.role == "value"], subject.target.field
    if len(answers) != 1 or subject.target.objective is None:
        return None
    program, export = subject.program, subject.model.manifest.export
    graph = program.exports[export]
    value = graph.outputs[graph.output_names.index(answers[0].output)]
    blocks = [training for training in program.trainings if field in training.fields]
    verdicts = {is_best_answer(program, export, value, training, field) for training in blocks}
    return verdicts.pop() if len(verdicts) == 1 else None


def _notes_of_run(subject: Subject) -> list[str]:
    """What is said of the run that the file lies in, if it lies in one."""
    return notes_of_run(subject.model.path.parent, subject.program.trainings[-1].settings.keep) if subject.run else []


def _calibration(answers: Answers) -> list[Bin]:
    """Probabilities beside how often they are right; nothing where the answers have none."""
    if isinstance(answers, Tagged):
        return tag_calibration(answers) if answers.are_probabilities else []
    return calibration(answers) if isinstance(answers, Labelled) and answers.probabilities is not None else []


def worst_places(answers: Answers, count: int) -> list[int]:
    """The places of the worst answers, the worst first; of labels, only wrong ones, the surest first."""
    if isinstance(answers, Tagged):
        return _worst_tags(answers)[:count]
    if not isinstance(answers, Labelled):
        far = np.abs(answers.said - answers.truth).max(1) if isinstance(answers, Measured) else losses(answers).mean(1)
        return [int(place) for place in np.argsort(-far, kind="stable")[:count]]
    if answers.said is None:
        return []
    wrong = np.flatnonzero(answers.said != answers.truth)
    if answers.probabilities is not None:
        wrong = wrong[np.argsort(answers.probabilities[wrong, answers.truth[wrong]], kind="stable")]
    return [int(place) for place in wrong[:count]]


def _worst_tags(answers: Tagged) -> list[int]:
    """The places of the examples with a wrong tag, those with most first, then those whose scores are farthest off."""
    if answers.said is None:
        return []
    wrong = (answers.said != answers.truth).sum(1)
    off = np.zeros(len(wrong)) if answers.scores is None else np.abs(answers.truth - answers.scores).sum(1)
    order = [int(place) for place in np.lexsort((-off, -wrong))]
    return [place for place in order if wrong[place]]


def _worst(subject: Subject, examples: WholeFiles, answers: Answers, place: int) -> Worst:
    fields = dict(values_in_words(subject, examples, place))
    truth, said = _in_words(answers, place)
    rows = examples.places if examples.in_files is None else examples.in_files.rows
    files = None if examples.in_files is None else examples.in_files.files
    return Worst(int(rows[place]) + 1, truth, said, fields, None if files is None else str(files[place]))


def _in_words(answers: Answers, place: int) -> tuple[str, str]:
    if isinstance(answers, Measured):
        return _numbers(answers.truth[place], answers.dates), _numbers(answers.said[place], answers.dates)
    if isinstance(answers, Quantiles):
        low, high = answers.said[place, 0], answers.said[place, -1]
        form = answers.dates
        return _numbers(answers.truth[place], form), f"{_numbers(low, form)} to {_numbers(high, form)}"
    if isinstance(answers, Tagged):
        assert answers.said is not None
        return _tags(answers, answers.truth[place]), _tags(answers, answers.said[place], place)
    assert answers.said is not None
    truth, said = int(answers.truth[place]), int(answers.said[place])
    likely = "" if answers.probabilities is None else f" ({answers.probabilities[place, said]:.3g})"
    return answers.names[truth], f"{answers.names[said]}{likely}"


def _tags(answers: Tagged, there: Array, place: int | None = None) -> str:
    """The names of the tags that are there, with the probabilities that a file gives them for an example."""
    shown = [int(k) for k in np.flatnonzero(there)]
    p = (
        answers.scores[place]
        if place is not None and answers.scores is not None and answers.are_probabilities
        else None
    )
    words = [answers.names[k] + ("" if p is None else f" ({p[k]:.3g})") for k in shown[:MOST_TAGS]]
    return (", ".join(words) + (", ..." if len(shown) > MOST_TAGS else "")) or "none"


def _numbers(values: Array, form: DateForm | None) -> str:
    shown = values[:4].tolist()
    text = ", ".join(number_in_words(each) if form is None else nearest_date(each, form) for each in shown)
    return f"{text}, ..." if len(values) > 4 else text


# ------------------------------------------------------------------ a table


def _why(outcome: Evaluation) -> str:
    """What says that the answers are compared with the target."""
    if outcome.objective is None:
        return "as was asked for"
    how = "and training does it in another form" if outcome.is_best is False else "as training does"
    return f"{how}: `minimize {outcome.objective}`"


def lines(outcome: Evaluation) -> Iterator[str]:
    """What a terminal shows."""
    yield outcome.title
    target = outcome.target.replace(", ", "`, `")
    yield f"what it answers is compared with `{target}`, {_why(outcome)}"
    if outcome.is_best is False:
        yield f"note: this is least where the answer is another number than `{target}`; if that is `log({target})`, say, the export has to undo it: `exp(...)`"
    if outcome.missing:
        yield f"{outcome.missing:,} examples without a `{target}` are left out"
    yield from (f"note: {note}" for note in outcome.notes)
    yield ""
    if isinstance(outcome.answers, Measured | Quantiles) and outcome.answers.dates:
        yield f"`{target}` is a date: errors are in days, and their squares in days squared"
        yield ""
    yield from aligned(("metric", "value", "95 % interval", ""), [each.in_words() for each in outcome.figures])
    if isinstance(outcome.answers, Labelled):
        yield from _of_labels(outcome, outcome.answers)
    elif isinstance(outcome.answers, Tagged):
        yield from _of_tags(outcome, outcome.answers)
    elif isinstance(outcome.answers, Measured):
        quantiles = residuals(outcome.answers)
        yield ""
        text = ", ".join(f"{float(share):.0%} below {number_in_words(value)}" for share, value in quantiles.items())
        days = ", in days" if outcome.answers.dates else ""
        yield f"answer minus truth{days}: {text}"
    yield from _worst_lines(outcome)


def _of_labels(outcome: Evaluation, answers: Labelled) -> Iterator[str]:
    if answers.said is None:
        yield ""
        yield "the file gives a score that is no probability, and no label: where it says one or the other is not known"
        return
    if answers.probabilities is None:
        yield ""
        yield "the file gives no probabilities, which calibration and log loss need: export softmax(...) or sigmoid(...)"
    yield ""
    few = (
        sorted(outcome.classes, key=lambda each: each.recall)[:CLASSES]
        if len(outcome.classes) > CLASSES
        else outcome.classes
    )
    rows = [
        (each.name, f"{each.count:,}", f"{each.precision:.3f}", f"{each.recall:.3f}", f"{each.interval[0]:.3f} to {each.interval[1]:.3f}")
        for each in few
    ]  # fmt: skip
    yield from aligned(("class", "examples", "precision", "recall", "95 % interval"), rows)
    if len(few) < len(outcome.classes):
        yield f"... and {len(outcome.classes) - len(few)} classes that are found more often"
    mixed = confused(answers)
    if mixed:
        yield ""
        yield "most often taken for another: " + ", ".join(f"{a} for {b} ({n:,})" for a, b, n in mixed)


def _of_tags(outcome: Evaluation, answers: Tagged) -> Iterator[str]:
    if answers.said is None:
        yield ""
        yield "the file gives scores that are no probabilities: which tags it holds to be there is not known: export sigmoid(...)"
    yield ""
    few = outcome.tags
    if len(few) > CLASSES:
        few = sorted(few, key=lambda each: (each.average_precision or 0, each.f1 or 0))[:CLASSES]
    rows = [
        (
            each.name, f"{each.count:,}", _sure(each.accuracy, each.accuracy_interval), _sure(each.f1, each.f1_interval),
            _sure(each.auc, each.auc_interval), _sure(each.average_precision, each.average_precision_interval),
        )
        for each in few
    ]  # fmt: skip
    yield from aligned(("tag", "there", "accuracy", "f1", "auc", "average precision"), rows)
    if len(few) < len(outcome.tags):
        yield f"... and {len(outcome.tags) - len(few)} tags that are known better"


def _sure(value: float | None, interval: Interval | None) -> str:
    """A metric with its interval."""
    if value is None:
        return "-"
    return f"{value:.3f}" + ("" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})")


def confused(answers: Labelled) -> list[tuple[str, str, int]]:
    """The classes that are most often taken for others: the right one, the one that is said, and how often."""
    matrix = confusion(answers)
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:CONFUSED]
    pairs = (np.unravel_index(place, matrix.shape) for place in order)
    return [(answers.names[i], answers.names[j], int(matrix[i, j])) for i, j in pairs if matrix[i, j]]


def _worst_lines(outcome: Evaluation) -> Iterator[str]:
    if not outcome.worst:
        return
    yield ""
    yield "the worst answers"
    names = list(outcome.worst[0].fields)
    shown = names[:6]
    rows = [(w.file or str(w.row), w.truth, w.said, *(w.fields[n] for n in shown)) for w in outcome.worst]
    right = "right" if ", " in outcome.target else outcome.target
    yield from aligned((outcome.numbered, right, "said", *shown), rows)


# ------------------------------------------------------------------ json


def as_json(subject: Subject, outcome: Evaluation) -> dict[str, object]:
    """All of it as plain values; the confusions' rows are what is right, their columns what is said."""
    answers = outcome.answers
    values: dict[str, object] = {
        "model": str(subject.model.path),
        "title": outcome.title,
        "target": outcome.target,
        "fields": [*subject.target.types],
        "objective": outcome.objective,
        "inputs": columns_of(subject),
        "outputs": {each.output: each.role for each in subject.target.answers},
        "examples": len(answers.truth),
        "missing": outcome.missing,
        "metrics": {f.name: {"value": f.value, "interval": f.interval, "is": f.words} for f in outcome.figures},
        "worst": [asdict(each) for each in outcome.worst],
    }
    if isinstance(answers, Measured):
        return values | {"residuals": residuals(answers)}
    if isinstance(answers, Quantiles):
        return values | {"levels": answers.levels}
    if isinstance(answers, Tagged):
        calibrated = [asdict(each) for each in outcome.calibration]
        return values | {"tags": [asdict(each) for each in outcome.tags], "calibration": calibrated}
    if answers.said is not None:
        values |= {"labels": answers.names, "confusion": confusion(answers).tolist()}
    return values | {
        "classes": [asdict(each) for each in outcome.classes],
        "calibration": [asdict(each) for each in outcome.calibration],
    }


def write_json(path: Path, subject: Subject, outcome: Evaluation) -> None:
    """Into a file."""
    from mai.runtime.files import write_atomically

    write_atomically(path, (json.dumps(as_json(subject, outcome), indent=2) + "\n").encode())
