"""Labels by the names that they have in the data: `y=cat` for `y=3`."""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any
from unicodedata import normalize

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.cells import LACKING, TRUTHS, is_missing, is_number
from mai.runtime.model.manifest import Manifest, Port

PACKAGE = __name__.partition(".")[0]
MAX_SHOWN = 60  # Characters of a wrong word that a message repeats.
MOST_WORDS = 5  # That a note names.


def label_names(manifest: Manifest, port: Port) -> list[str]:
    """The names of the labels that a port takes or gives, or has a number for each of; empty where they have none.

    The names are in the order of their numbers. There may be one label more, without a name: that which means none, or one that is not known.
    """
    field = port.field if "field" in port.model_fields_set else port.name
    return manifest.labels.get(field or "", [])


def result_names(manifest: Manifest, port: Port) -> list[str]:
    """A name for everything that an output tells apart, the values of a label or the entries of a vector.

    A label without a name has its number; all are empty where no label has a name.
    """
    names = label_names(manifest, port)
    count = port.classes if port.dtype == "int64" else [*port.shape, None][0]
    return [*names, *map(str, range(len(names), count if names and isinstance(count, int) else 0))]


def spare_label(port: Port, names: Sequence[str]) -> int | None:
    """The label after those with names, for what is missing or not known; None where the file has none.

    Older files do not say whether they have one: there it is the only label without a name.
    """
    has_one = port.classes == len(names) + 1 if port.gaps is None else port.gaps
    return len(names) if names and has_one else None


def missing_value(port: Port, names: Sequence[str]) -> float | None:
    """What an input has where there is no value, NaN or a label; None where the file has no answer for that, and of settings."""
    if port.kind != "input":
        return None
    if port.classes:
        return spare_label(port, names)
    return math.nan if port.gaps else None


def unknown_words(name: str, counts: Mapping[str, int]) -> str:
    """What is said of the words of an input that training never saw, by how often each occurs."""
    total = sum(counts.values())
    values = "1 value that training never saw has" if total == 1 else f"{total:,} values that training never saw have"
    return f"`{name}`: {values} the label for what is not known: {words_with_counts(counts)}"


def numbers_for_labels(name: str, names: Sequence[str]) -> str:
    """What is said of numbers in a table where labels have names."""
    return f"`{name}`: numbers are taken as those of labels, 0 as `{names[0]}`"


def words_with_counts(counts: Mapping[str, int]) -> str:
    """The most frequent words, and how often each occurs, in one line."""
    common = Counter(counts).most_common()
    shown = [
        f"`{word[:MAX_SHOWN]}`" + (f" {count:,} times" if count > 1 else "") for word, count in common[:MOST_WORDS]
    ]
    more = f", and {len(common) - MOST_WORDS:,} more words" if len(common) > MOST_WORDS else ""
    return f"{', '.join(shown)}{more}"


def truths_as_labels(port: Port, names: Sequence[str], value: Any) -> Any:
    """True and false, or arrays and lists of them, as labels of a class of two that is true or false; anything else as it is.

    Its labels are called so, in any letters, or have no names, as those of a column of truth values.
    """
    called = [name.lower() for name in names or TRUTHS]
    if not port.classes or sorted(called) != sorted(TRUTHS) or (not names and port.classes != len(TRUTHS)):
        return value
    if not isinstance(value, (bool, list, tuple)) and not hasattr(value, "__array__"):
        return value
    try:
        array = np.asarray(value)
    except ValueError:  # Rows of different lengths, which are refused where shapes are.
        return value
    return np.array([called.index(word) for word in TRUTHS])[array.astype(int)] if array.dtype.kind == "b" else value


def as_labels(port: Port, names: Sequence[str], value: Any, unknown: Counter[str] | None = None) -> Any:
    """A name, or names in nested lists or arrays, as the numbers of labels; anything else as it is.

    A name that the file does not know has the label for what is missing or not known, where there is one, and so have None, NaN and NA.
    Such names are counted in `unknown`; where nobody asks for them, a warning tells them.

    Raises:
        ModelError: there is no such name, or no name at all, or names and numbers are mixed.
    """
    counts = Counter[str]() if unknown is None else unknown
    labels = _as_labels(port, names, value, counts)
    if unknown is None:
        warn_of_unknown(port, counts)
    return labels


def warn_of_unknown(port: Port, counts: Mapping[str, int]) -> None:
    """A warning that names the words of an input that training never saw; none where there are none."""
    warn_of([unknown_words(port.name, counts)] if counts else [])


def warn_of(notes: Sequence[str]) -> None:
    """A warning for each of what is to be said of a call."""
    for note in notes:
        warnings.warn(note, stacklevel=levels_of_mai())


def levels_of_mai() -> int:
    """How many of the calls that lead to whoever asks are mai's own: a warning points at the line that called it."""
    frame, levels = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        frame, levels = frame.f_back, levels + 1
    return levels


def _as_labels(port: Port, names: Sequence[str], value: Any, unknown: Counter[str]) -> Any:
    if hasattr(value, "__array__") and _holds_others(np.asarray(value)):
        value = np.asarray(value).tolist()
    if isinstance(value, str):
        return _label(port, names, value, unknown)
    if isinstance(value, (bool, np.bool_)):
        return truths_as_labels(port, names, bool(value))
    spare = spare_label(port, names)
    if spare is not None and is_missing(value):
        return spare
    if not isinstance(value, (list, tuple)):
        return value
    there = [v for v in value if spare is None or not is_missing(v)]
    is_word = [isinstance(v, str) for v in there]
    if any(is_word) and not all(is_word):
        word, number = (str(there[is_word.index(kind)])[:MAX_SHOWN] for kind in (True, False))
        raise ModelError("input-dtype", f"`{port.name}` mixes names and numbers: `{word}` and `{number}`")
    return [_as_labels(port, names, v, unknown) for v in value]


def truths_in_letters(names: Sequence[str], words: Sequence[str]) -> list[str]:
    """Words of a table as the labels of truth values are written: a spreadsheet has `TRUE`, a program `True`; others as they are."""
    written = {name.lower(): name for name in names}
    if sorted(written) != sorted(TRUTHS):
        return [*words]
    return [written.get(word.lower(), word) for word in words]


def label_place(names: Sequence[str], word: str, classes: int | None = None) -> int | None:
    """The number of the label that a word names, as a cell of a table does; None where it names none.

    Spaces around it do not count, nor large and small letters of truth values, as two `classes` without names are called.
    An accent may be a character of its own, as macOS writes it.
    """
    called = names or (TRUTHS if classes == len(TRUTHS) else ())
    if word in called:
        return called.index(word)
    word = word.strip()
    if len(called) == len(TRUTHS):
        (word,) = truths_in_letters(called, [word])
    if word in called or word.isascii():
        return called.index(word) if word in called else None
    composed = normalize("NFC", word)
    return next((place for place, name in enumerate(called) if normalize("NFC", name) == composed), None)


def spellings_of(labels: Mapping[str, Sequence[str]]) -> dict[str, dict[str, int]]:
    """By field other ways to write its labels, with their numbers: an accent as a character of its own, or as a part of its letter."""
    others = {
        field: {
            other: place
            for place, name in enumerate(names)
            for other in (normalize("NFC", name), normalize("NFD", name))
            if other not in names
        }
        for field, names in labels.items()
    }
    return {field: each for field, each in others.items() if each}


def _holds_others(array: Array) -> bool:
    """Whether an array may hold anything but numbers: words, objects, or NaN."""
    return array.dtype.kind in "UOT" or (array.dtype.kind == "f" and bool(np.isnan(array).any()))


def labels_to_numbers(port: Port, names: Sequence[str], text: str) -> str:
    """Words of the command line that name labels, `cat`, `cat, dog` or `["cat", "dog"]`, as the text of their numbers.

    Any other text is returned as it is.

    Raises:
        ModelError: as `as_labels` does.
    """
    words = _words(text)
    are_numbers = any(
        map(is_number, names)
    )  # Such a name is the label that it names, and no number is that of a label.
    words = [str(word) if are_numbers and type(word) in (int, float) else word for word in words]
    named = [isinstance(word, str) and _may_name(word, names, are_numbers) for word in words]
    if not port.classes or not any(named) or (port.shape and not names):
        return text
    return ", ".join(map(str, as_labels(port, names, words)))


def _may_name(word: str, names: Sequence[str], are_numbers: bool) -> bool:
    """Whether a word names a label, is meant to, or says that there is none."""
    is_name = word in names or (are_numbers and is_number(word))
    return is_name or word.strip()[:1].isalpha() or word.strip().lower() in LACKING


def _words(text: str) -> list[object]:
    """The values of a JSON list, or one value; the words between commas where the text is no JSON."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return [word.strip().strip("\"'") for word in text.strip("[]").split(",")]
    return values if isinstance(values, list) else [values]


def _label(port: Port, names: Sequence[str], name: str, unknown: Counter[str]) -> int:
    """The number of the label with this name, or of that for what is not known, or missing, as a table says it."""
    place = label_place(names, name, port.classes)
    if place is not None:
        return place
    spare, word = spare_label(port, names), name.strip()
    if spare is not None:
        if word.lower() not in LACKING:
            unknown[word] += 1
        return spare
    if not names:
        raise ModelError("input-dtype", f"`{port.name}` takes numbers: this file has no names of its labels")
    near = get_close_matches(word, names, n=1)
    help = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(names)}"
    raise ModelError("input-range", f"`{port.name}` has no label `{word[:MAX_SHOWN]}`", help)
