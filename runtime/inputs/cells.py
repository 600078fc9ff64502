"""How the cells of a table and the names of its columns are read, in training and in running alike."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from mai.runtime.errors import ModelError

# What says, in small letters, that there is no value: among numbers and words alike.
LACKING = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "null", "?", "-"))
# What says so among numbers and dates: other abbreviations, and the errors of spreadsheets. Among words `none` is a word, as of a house without a garage.
ERRORS = ("#div/0!", "#name?", "#null!", "#num!", "#ref!", "#value!")
MISSING = LACKING.union(("none", "nil", "nat", "n.a.", "k.a.", "k. a.", ".", "--", "unknown", "missing"), ERRORS)
# Of these, what is a label among words and says there, too, that there is no value, as often as not.
DOUBTFUL = MISSING - LACKING - {"none", "nil", "nat"}
TRUTHS = ("false", "true")  # Labels that are the same in large and small letters.
SPACES = "".join(filter(str.isspace, map(chr, range(0x3001))))  # What is left out around a cell.
FEW = 8  # Names that a message lists; a table may have thousands of columns.
LETTERS = 24  # Of a word that is shown.


def few_of(names: Collection[str], most: int = FEW) -> str:
    """Names in one line: of many the first ones, `most` of them, and how many more there are."""
    more = len(names) - most
    return ", ".join(islice(names, most)) + (f" and {more:,} more" if more > 0 else "")


def in_one_line(text: str) -> str:
    """A text without ends of lines, which a word may have: what stands in a comment stays there."""
    return "\\n".join(text.splitlines())


def shortened(word: str, letters: int = LETTERS) -> str:
    """A word in one line, of one with more than so many `letters` the beginning."""
    word = in_one_line(word)
    return word if len(word) <= letters else word[: letters - 3] + "..."


def is_number(cell: str) -> bool:
    """Whether the text of a cell is a number; "nan" and "inf" are."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def is_missing(value: object) -> bool:
    """Whether a value is None, NaN, NaT, or pandas' NA, which says of no comparison whether it holds."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True
    except ValueError:  # An array.
        return False


def vector_columns(name: str, columns: Sequence[str]) -> list[str]:
    """The columns of the vector `name`, as in `x0`, `x1`, ..., in the order of their numbers.

    Raises:
        ModelError: `input-shape`: a number between 0 and the largest is missing.
    """
    width = sum(c.startswith(name) and c[len(name) :].isdecimal() for c in columns)
    parts, there = [f"{name}{i}" for i in range(width)], {*columns}
    for part in parts:
        if part not in there:
            message = f"the columns of `{name}` need the numbers 0 to {width - 1}: there is no `{part}`"
            raise ModelError("input-shape", message)
    return parts


def notes_of_lacking(column: str, lacking: Sequence[str], labels: Collection[str]) -> Iterator[str]:
    """What is said of words that are read as no value, and of labels that say so as often as not."""
    if lacking:
        says = "says that there is no value" if len(lacking) == 1 else "say that there is no value"
        yield f"column `{column}`: {_first(lacking)} {says}; a label of its own has another name"
    doubtful = [word for word in labels if word.lower() in DOUBTFUL]
    if doubtful:
        are = "is a label" if len(doubtful) == 1 else "are labels"
        yield f"column `{column}`: {_first(doubtful)} {are}, among words; leave these cells empty if there is no value"


def _first(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words[:4]) + (", ..." if len(words) > 4 else "")
