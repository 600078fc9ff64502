"""Labels that data have as words: their numbers, in alphabetical order, and their names in the weights of a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mai.compiler.data.fields import NO_LABEL, bad
from mai.compiler.data.rows import Column, Columns, Rows, Words, blocks, change, limits
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.weights.tensor_files import metadata_of
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import is_number
from mai.runtime.inputs.labels import numbers_for_labels, truths_in_letters, unknown_words

Names = Mapping[str, tuple[str, ...]]
LABELS = "mai.labels"
SHOWN = 5


# Answers in the words of several languages, each with those that mean the same: a column of two of them is of one question.
ANSWERS = (
    (frozenset("yes y yeah ja j oui o si sí sim s da tak igen evet true t wahr vrai 1".split()),
     frozenset("no n nope nein non não nao nie ne nej nee nem hayır hayir false f falsch faux 0".split())),
    (frozenset("male m man männlich maennlich mann homme masculin masculino hombre uomo".split()),
     frozenset("female f w woman weiblich frau femme féminin feminin femenino feminino mujer donna".split())),
)  # fmt: skip


def number_labels(
    parts: Sequence[Columns], fields: Mapping[str, Type], trained_labels: Names, trained: Array | None = None,
    has_gaps: bool = False,
) -> tuple[list[dict[str, Column]], Names]:  # fmt: skip
    """Words as labels in each part, and the names of all labels; `trained_labels`, which a run has, keep their numbers.

    Where the columns have `has_gaps`, what is missing, and a label that a run does not know, is the label after those with names. So
    labels that are numbers have names, 0, 1, ..., where some are missing: all but the last.
    Those of the rows that are trained on come first, in alphabetical order, so that no other row changes what they are: the rows
    `trained` of the first part, or all of them. Those of other rows follow, or are not known where there is a label for that.

    Raises:
        MaiError: a field has more labels than classes, or one that the run does not know.
    """
    columns, names = [dict(part) for part in parts], dict(trained_labels)
    for field, type_ in fields.items():
        if has_gaps and _lacks_numbers(field, type_, [part[field] for part in parts], field in trained_labels):
            names.setdefault(field, tuple(map(str, range(_classes(type_) - 1))))
            for part in columns:
                part[field] = _numbered(_as_words(field, part[field], type_, names[field]), names[field])
            continue
        words = [part[field] for part in parts]
        if type_.dtype is not DType.INT or not any(isinstance(each, Words) for each in words):
            continue
        texts = [each for each in words if isinstance(each, Words)]
        if len(texts) < len(words):
            raise bad(f"`{field}` is words in one of the files, and numbers in another")
        first = trained_labels.get(field, texts[0].names)
        texts = [Words(each.numbers, tuple(truths_in_letters(first, each.names))) for each in texts]
        names[field] = _names(field, texts, trained, trained_labels.get(field, ()), type_.classes, has_gaps)
        for part, each in zip(columns, texts, strict=True):
            part[field] = _numbered(each, names[field])
    return columns, names


def notes_of_unknown(parts: Sequence[Columns], labels: Names) -> tuple[str, ...]:
    """What is said of words that are not trained on, and have the label for what is not known; and of numbers in the place of words."""
    notes = []
    for field, names in labels.items():
        columns = [part[field] for part in parts if field in part]
        counts = sum((_used(each) for each in columns if isinstance(each, Words)), Counter[str]())
        written = dict(zip(counts, truths_in_letters(names, [*counts]), strict=True))
        unknown = {word: count for word, count in counts.items() if written[word] not in names}
        notes += [unknown_words(field, unknown)] if unknown else []
        are_numbers = any(not isinstance(each, Words) for each in columns)
        notes += [numbers_for_labels(field, names)] if are_numbers and not all(map(is_number, names)) else []
    return tuple(notes)


def notes_of_single(rows: Mapping[str, Rows], fields: Mapping[str, Type], names: Names) -> tuple[str, ...]:
    """What is said of labels of which the rows that are trained on have one alone."""
    alone = {field: label for field, type_ in fields.items() if (label := _only_label(rows[field], type_)) is not None}
    words = {
        field: names[field][label] if label < len(names.get(field, ())) else label for field, label in alone.items()
    }
    return tuple(
        f"`{field}` is {word} in all rows that are trained on: nothing can be learnt of the other labels"
        for field, word in words.items()
    )


def notes_of_spellings(field: str, names: Collection[str]) -> Iterator[str]:
    """What is said of labels of which several are one answer, as `yes` and `ja`, where all are answers to one question."""
    folded = {name.strip().casefold() for name in names}
    for answers in ANSWERS:
        if len(folded) > len(answers) and folded <= answers[0] | answers[1]:
            each = [[name for name in names if name.strip().casefold() in same] for same in answers]
            said = "; ".join(", ".join(f"`{name}`" for name in sorted(same)) for same in each if len(same) > 1)
            yield f"`{field}` has {len(names)} labels, of which some seem to say the same: {said}: write what is one label in one way"
            return


def _only_label(rows: Rows, type_: Type) -> int | None:
    """The label that several rows have, of a type with more labels; None where they have none or others, or are not labels."""
    if type_.dtype is not DType.INT or type_.shape or _classes(type_) < 2 or rows.shape[0] < 2:
        return None
    label: int | None = None
    for block in blocks(rows):
        label = int(block[0]) if label is None and len(block) else label
        if (block != label).any():
            return None
    return label


def _classes(type_: Type) -> int:
    return type_.classes if isinstance(type_.classes, int) else 0


def _lacks_numbers(field: str, type_: Type, columns: Sequence[Column], are_known: bool) -> bool:
    """Whether labels are numbers that have names since some of them are missing, here or in what a run was trained on.

    Raises:
        MaiError: whole numbers are missing that are no labels.
    """
    numbers = [each for each in columns if not isinstance(each, Words)]
    if type_.dtype is not DType.INT or len(numbers) < len(columns):
        return False
    are_missing = any(len(each) and limits(each)[0] == NO_LABEL for each in numbers)
    if are_missing and _classes(type_) < 2:
        message = f"`{field}` lacks values, and nothing stands for a whole number that is missing"
        raise bad(
            message, help=f"a real number, `{field}: []`, may be NaN; of labels, `{field}: class[...]`, one is for it"
        )
    return _classes(type_) > 1 and (are_missing or are_known)


def _as_words(field: str, column: Column, type_: Type, names: Sequence[str]) -> Words:
    """Labels that are numbers with their names, 0, 1, ...: all but the last, which is for what is missing. Raises `MaiError`.

    Where the `names` are words, numbers are those of labels.
    """
    assert not isinstance(column, Words)
    classes, high = _classes(type_), int(limits(column)[1]) if len(column) else 0
    if high > classes - 2:
        message = f"`{field}` has labels up to {high}, and rows without one: the spec has class[{classes}]"
        raise bad(message, help=f"write class[{high + 2}]: the last label is for what is missing or not known")
    return Words(column, tuple(map(str, range(classes - 1))) if all(map(is_number, names)) else tuple(names))


def _numbered(words: Words, names: Sequence[str]) -> Rows:
    """Words as the numbers of their names."""
    number_of = {name: number for number, name in enumerate(names)}
    numbers = np.array(
        [*(number_of.get(name, len(names)) for name in words.names), len(names)]
    )  # The last is that of -1.
    return change(words.numbers, lambda array: numbers[np.maximum(array, -1)])


def _names(
    field: str, parts: Sequence[Words], trained: Array | None, trained_names: tuple[str, ...], classes: Size | None,
    has_gaps: bool,
) -> tuple[str, ...]:  # fmt: skip
    first = _used(parts[0], trained).keys()
    later = in_order(set[str]().union(*map(_used, parts)) - first)
    labels = trained_names or (*in_order(first), *(() if has_gaps else later))
    new = [name for name in (*in_order(first), *later) if name not in labels]
    if trained_names and new and not has_gaps:
        message = f"`{field}` has the label `{new[0]}`, which this run does not know: it has {shown(trained_names)}"
        raise bad(message, help="begin another run for other labels")
    if isinstance(classes, int) and len(labels) > classes:
        message = f"`{field}` has {len(labels)} labels ({shown(labels)}), the spec has class[{classes}]"
        raise bad(message, help=f"write class[{len(labels)}]")
    if has_gaps and classes == len(labels) and (new or any(map(_has_gap, parts))):
        message = (
            f"`{field}` has {classes} labels with names, and rows without one of them: the spec has class[{classes}]"
        )
        raise bad(message, help=f"write class[{classes + 1}]: the last label is for what is missing or not known")
    return labels


def in_order(names: Collection[str]) -> list[str]:
    """Names in alphabetical order; by their size where all of them are numbers."""
    return sorted(names, key=float) if all(map(is_number, names)) else sorted(names)


def _has_gap(words: Words) -> bool:
    return any((block < 0).any() for block in blocks(words.numbers))


def _used(words: Words, chosen: Array | None = None) -> Counter[str]:
    """The names that rows have, or those of some of them, and how often."""
    rows = words.numbers
    is_chosen = np.full(len(rows), chosen is None)
    if chosen is not None:
        is_chosen[chosen] = True
    counts, begin = np.zeros(len(words.names), np.int64), 0
    for block in blocks(rows):
        some = block[is_chosen[begin : begin + len(block)]]
        counts += np.bincount(some[some >= 0].reshape(-1), minlength=len(counts))
        begin += len(block)
    return Counter({name: int(count) for name, count in zip(words.names, counts, strict=True) if count})


def shown(names: Sequence[str]) -> str:
    """The first few names, in one line."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def saved(names: Names) -> dict[str, str]:
    """Names as the metadata of weights hold them; nothing where there are none."""
    return {LABELS: json.dumps(names)} if names else {}


def names_of(path: Path | None) -> Names:
    """The names that the weights of a run tell, by field."""
    return names_in(metadata_of(path))


def names_in(metadata: Mapping[str, str]) -> Names:
    """The names in the metadata of weights, by field."""
    by_field: dict[str, list[str]] = json.loads(metadata.get(LABELS, "{}"))
    return {field: tuple(names) for field, names in by_field.items()}
