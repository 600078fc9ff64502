"""What a file answers for examples, beside what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from mai.compiler.data.rows import Rows, counts_of
from mai.compiler.data.sources.examples import Examples
from mai.compiler.data.texts.lengths import of_one_length, unmasked_texts
from mai.compiler.data.texts.tokens import opened
from mai.compiler.data.whole_files import WholeFiles
from mai.compiler.evaluating.examples import columns_of, label_names
from mai.compiler.evaluating.subject import Subject
from mai.compiler.evaluating.targets.tags import tag_names
from mai.compiler.evaluating.targets.target import Role, Target
from mai.compiler.ir.types import DType
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import shortened
from mai.runtime.inputs.dates import as_moments, date_form, date_in_words
from mai.runtime.inputs.values import takes_text
from mai.runtime.model.manifest import DateForm
from mai.spec.record import record

ROWS = 4096  # At a time, by default.
LETTERS = 60  # Of a text that are shown.
ONE = 1e-3  # How far the sum of probabilities may be from one.


@record
class Labelled:
    """Answers that are labels.

    Attributes:
        truth, said: [n], the right labels and those of the file; `said` is None where a score alone is known, which decides nothing.
        names: of all labels, in the order of their numbers.
        probabilities: [n, classes], or None where the file gives none.
        score: [n], of label 1 of two, larger where the file holds it more likely; None where the file gives none.
    """

    truth: Array
    said: Array | None
    names: tuple[str, ...]
    probabilities: Array | None = None
    score: Array | None = None


@record
class Measured:
    """Answers that are numbers: `truth` and `said`, [n, numbers of one example] in float64; of `dates` they are days, which are written so."""

    truth: Array
    said: Array
    dates: DateForm | None = None


@record
class Quantiles:
    """Answers that are quantiles: `truth` [n, numbers of one example], `said` [n, levels, numbers], of `levels`, the least first; `dates` as `Measured`."""

    truth: Array
    said: Array
    levels: tuple[float, ...]
    dates: DateForm | None = None


@record
class Tagged:
    """Answers that are tags: labels that are there or not, several of each example.

    Attributes:
        truth, said: bool [n, tags], what is there and what the file says is; `said` is None where scores alone are known.
        names: of the tags.
        scores: [n, tags], larger where the file holds a tag more likely, or None; `are_probabilities` where they are that.
    """

    truth: Array
    said: Array | None
    names: tuple[str, ...]
    scores: Array | None = None
    are_probabilities: bool = False


Answers = Labelled | Measured | Quantiles | Tagged


def answer(
    subject: Subject,
    examples: WholeFiles,
    batch: int = ROWS,
    seed: int = 0,
    done: Callable[[int], None] = lambda n: None,
) -> Answers:
    """Ask a file for all examples, some at a time; `done` hears how many each time.

    Raises:
        ModelError: the file refuses a value.
    """
    columns, order = columns_of(subject), list[Array]()
    results: dict[str, list[Array]] = {each.output: [] for each in subject.target.answers}
    for number, (rows, lengths) in enumerate(_batches(subject, examples, batch)):
        drawn = {"seed": seed + number} if "seed" in subject.model.settings else {}
        values = {name: _as_given(subject, name, examples.rows[field][rows]) for name, field in columns.items()}
        cut = {name: values[name][:, :length] for name, length in lengths.items()}
        computed = subject.model.by_output(subject.model.answer({**values, **cut, **drawn}))
        order.append(rows)
        for name, parts in results.items():
            parts.append(np.asarray(computed[name]))
        done(len(rows))
    places = np.argsort(np.concatenate(order))
    joined = {name: np.concatenate(parts)[places] for name, parts in results.items()}
    if subject.target.tags:
        return _as_tags(subject, examples, joined)
    return _as_answers(subject, examples.rows[subject.target.field], joined)


def _as_given(subject: Subject, name: str, rows: Array) -> Array:
    """The values of an input as a call takes them: days that were dates as such, however far from those of training."""
    return rows if date_form(subject.model.manifest, subject.model.inputs[name]) is None else as_moments(rows)


def _batches(subject: Subject, examples: WholeFiles, batch: int) -> Iterator[tuple[Array, Mapping[str, int]]]:
    """The numbers of examples that are asked at a time, and how long their texts are, by input."""
    inputs = columns_of(subject)
    texts = {name: counts_of(examples.rows[inputs[name]]) for name in unmasked_texts(subject.model.inputs, inputs)}
    counts = {name: each for name, each in texts.items() if each is not None}
    return of_one_length(counts, len(examples.places), batch)


def _as_answers(subject: Subject, truth: Rows, results: Mapping[str, Array]) -> Answers:
    by_role = {each.role: results[each.output] for each in subject.target.answers}
    target = subject.target
    if "quantiles" in by_role:
        return replace(_as_quantiles(target, truth, results), dates=_dates(subject))
    if "value" in by_role:
        shape = len(truth), -1
        right, numbers = (each.astype(np.float64).reshape(shape) for each in (truth[:], by_role["value"]))
        return Measured(right, numbers, _dates(subject))
    assert isinstance(target.type.classes, int)
    named = label_names(subject).get(target.field, ())
    names = (*named, *map(str, range(len(named), target.type.classes)))
    said = by_role.get("label")
    probabilities, score = _probabilities(by_role)
    if said is None:
        scores = by_role.get("scores", probabilities)
        said = None if scores is None else scores.argmax(1)
    flat = None if said is None else said.reshape(-1).astype(np.int64)
    return Labelled(truth[:].reshape(-1), flat, names, probabilities, score)


def _dates(subject: Subject) -> DateForm | None:
    """How the results are written, where they are dates."""
    return next((subject.model.outputs[each.output].dates for each in subject.target.answers), None)


def _as_quantiles(target: Target, truth: Rows, results: Mapping[str, Array]) -> Quantiles:
    flat = truth[:].astype(np.float64).reshape(len(truth), -1)
    levels = sorted({quantile.level for answer in target.answers for quantile in answer.quantiles})
    said = np.zeros((len(truth), len(levels), flat.shape[1]))
    for answer in target.answers:
        numbers = results[answer.output].astype(np.float64).reshape(len(truth), -1)
        for place, quantile in enumerate(answer.quantiles):
            said[:, levels.index(quantile.level), quantile.place] = numbers[:, place]
    return Quantiles(flat, said, tuple(levels))


def _as_tags(subject: Subject, examples: WholeFiles, results: Mapping[str, Array]) -> Answers:
    """Results of tags beside what is there: of one tag as of a class of two; as numbers where what is right is between 0 and 1."""
    target, count = subject.target, len(examples.places)
    truth = np.stack([examples.rows[tag.field][:].reshape(count, -1)[:, tag.place] for tag in target.tags], 1)
    said, scores, are_probabilities = _of_tags(target, results, count)
    if not ((truth == 0) | (truth == 1)).all():
        numbers = scores if scores is not None else said
        assert numbers is not None
        return Measured(truth.astype(np.float64), numbers.astype(np.float64))
    if len(target.tags) > 1:
        names = tag_names(target.tags, target.types, label_names(subject))
        return Tagged(truth == 1, said, names, scores, are_probabilities)
    score = None if scores is None else scores[:, 0]
    probabilities = np.stack([1 - score, score], 1) if score is not None and are_probabilities else None
    label = None if said is None else said[:, 0].astype(np.int64)
    return Labelled(truth[:, 0].astype(np.int64), label, ("0", "1"), probabilities, score)


def _of_tags(target: Target, results: Mapping[str, Array], count: int) -> tuple[Array | None, Array | None, bool]:
    """Which tags are said to be there, [n, tags], their scores, and whether these are probabilities; a tag is there from a half on."""
    by_role: dict[Role, Array] = {}
    for answer in target.answers:
        numbers = results[answer.output].astype(np.float64).reshape(count, -1)
        into = by_role.setdefault(answer.role, np.zeros((count, len(target.tags))))
        for place, tag in enumerate(answer.tags):
            if tag in target.tags:
                into[:, target.tags.index(tag)] = numbers[:, place]
    p = by_role.get("probabilities")
    if p is None and "log-odds" in by_role:
        p = np.exp(-np.logaddexp(0, -by_role["log-odds"]))
    said = None if p is None else p >= 0.5
    if "tags" in by_role:
        said = by_role["tags"] > 0
    return said, by_role.get("tag scores") if p is None else p, p is not None


def _probabilities(by_role: Mapping[Role, Array]) -> tuple[Array | None, Array | None]:
    """The probabilities of all labels, where the file gives numbers that are some; and the score of label 1 of two."""
    if "scores" in by_role:
        scores = by_role["scores"].astype(np.float64)
        are = bool((scores >= 0).all() and (np.abs(scores.sum(1) - 1) < ONE).all())
        score = scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else None
        return (scores, scores[:, 1] if are and score is not None else score) if are else (None, score)
    if "score" in by_role:
        score = by_role["score"].astype(np.float64).reshape(-1)
        are = bool((score >= 0).all() and (score <= 1).all())
        return (np.stack([1 - score, score], 1), score) if are else (None, score)
    return None, None


def values_in_words(subject: Subject, examples: WholeFiles, place: int) -> Iterator[tuple[str, str]]:
    """The fields of one example as a person reads them, without the masks of texts; of one with many numbers, its shape."""
    names, training = label_names(subject), subject.program.trainings[-1]
    trained, facts = training.fields, subject.model.manifest.facts
    masks = training.data.masks(trained) if isinstance(training.data, Examples) else {}
    for input_, field in columns_of(subject).items():
        if field in masks:
            continue
        if (text := _text(subject, input_, examples.rows[field], place)) is not None:
            yield field, text
            continue
        value = examples.rows[field][place : place + 1][0]
        labels = names.get(field, ())
        if value.ndim == 0 and labels and trained[field].dtype is DType.INT:
            yield field, labels[int(value)] if 0 <= int(value) < len(labels) else "(missing or not known)"
        elif value.size <= 4:
            forms = (facts[input_].dates if input_ in facts else None) or [None] * value.size
            yield field, ", ".join(map(_number_in_words, value.reshape(-1).tolist(), forms))
        else:
            yield field, f"{list(value.shape)} numbers"


def _text(subject: Subject, input_: str, rows: Rows, place: int) -> str | None:
    """The text of one example, of a long one the beginning; None where it is none."""
    counts, manifest = counts_of(rows), subject.model.manifest
    if counts is None or not takes_text(manifest, subject.model.inputs[input_]):
        return None
    tokens = rows[place : place + 1][0][: counts[place]]
    return shortened(opened(manifest.tokenizer or "").decode(tokens.tolist()), LETTERS)


def _number_in_words(number: float, form: DateForm | None) -> str:
    """A number as a person reads it, days since 1970 as the date that they are."""
    if number != number:
        return "(missing)"
    return f"{number:.4g}" if form is None else date_in_words(number, form)
