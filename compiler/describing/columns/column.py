"""One column of a table while it is gone through, and what there is to say of it then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.files.arrow_types import decoded, first_code, is_image, is_list, is_text, plain_numbers
from mai.compiler.data.tables.dates import is_in_utc, like_dates, like_durations, moments_of
from mai.compiler.data.tables.numerals import OTHER, Decimal, number_of, unit_of
from mai.compiler.data.tables.signs import UnitSigns
from mai.compiler.data.totals import is_total
from mai.compiler.describing.columns.numbers import Numbers
from mai.compiler.describing.columns.turns import Turns, are_messages
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import LACKING, MISSING
from mai.runtime.model.manifest import DateOrder
from mai.spec.record import record

Kind = Literal["number", "whole", "date", "word", "mixed", "list", "empty", "other"]
TOLD_APART = 1e15  # Whole numbers from here on are not all different as they are written here.
MOST_VALUES = 10_000  # Different values that are counted one by one; of more it is said that there are more.
FEW_ROWS = 20
FEW_NUMBERS = 12  # Of a unit: so few are as good as words, `36 months` and `60 months`.
MOST_UNITS = 12  # Units of one column that are counted.
LOST = 0.01  # Of the deviation: what rounding to 32 bits may take of numbers that lie far from 0.
DAY = 24 * 3600 * 1e6


@record
class ColumnSummary:
    """What a column holds.

    `distinct` is None for more than `MOST_VALUES` different values; `counts` are the values and how often each is there, the
    most frequent first, and are left out with it. `numbers` are the numbers, or days since 1970-01-01. `width` is the length of
    lists, `written` one number as a text writes it, where that is not as a number is written, and `odd` an example of a word and of a
    number where there are both. `letters` is how long a word is, in the mean, and `spaces` how many
    spaces are in it. Values of another kind are said in `others`. Dates with an offset are `in_utc`; `like_date` is one
    of the words where most look like dates, in a form that is not read, `like_duration` one where most look like durations, `other_sign` one where most are numbers with the other decimal sign,
    `with_unit` one where most are numbers and the same unit, and `code` one where all are digits, and this begins with 0. Where one word alone
    stands among numbers, it stands in the `lone_row`. Where the last number is the sum of all others, it `ends_in_total`.
    Numbers each of which is larger than the one before `are_rising`. The `lacking` words say that there is no value. The first number that is
    not finite stands in the `row_of_infinite`. Of conversations, `turns` says more. Where some numbers have a percent sign and others none, or several have signs of different money, what is wrong with them is said in `two_units`.
    """

    name: str
    kind: Kind
    rows: int
    missing: int
    distinct: int | None
    counts: tuple[tuple[str, int], ...] = ()
    numbers: Numbers | None = None
    width: int | None = None
    written: str | None = None
    odd: tuple[str, str] | None = None
    letters: float = 0.0
    spaces: float = 0.0
    in_utc: bool = False
    like_date: str | None = None
    like_duration: str | None = None
    other_sign: str | None = None
    with_unit: str | None = None
    code: str | None = None
    lone_row: int | None = None
    others: str | None = None
    ends_in_total: bool = False
    are_rising: bool = False
    lacking: tuple[str, ...] = ()
    row_of_infinite: int | None = None
    turns: Turns | None = None
    two_units: str | None = None

    @property
    def is_identifier(self) -> bool:
        """Whether it tells rows apart and nothing else: words of which nearly all differ."""
        there = self.rows - self.missing
        return self.kind in ("word", "mixed") and there > 1 and (self.distinct is None or self.distinct > 0.5 * there)

    @property
    def is_numbering(self) -> bool:
        """Whether it numbers the rows: whole numbers, each of them once, with none left out."""
        whole = self.numbers if self.kind == "whole" and not self.missing and self.rows > FEW_ROWS else None
        return whole is not None and self.distinct in (None, self.rows) and whole.high - whole.low + 1 == self.rows

    @property
    def is_rounded_off(self) -> bool:
        """Whether numbers of 32 bits, as models have them, do not tell its values apart: 1,700,000,000 and one second more."""
        if self.numbers is None or self.numbers.low == self.numbers.high or not len(self.numbers.sample):
            return False
        sample = self.numbers.sample
        return bool(np.abs(sample - sample.astype(np.float32)).max() > LOST * self.numbers.deviation)

    @property
    def words(self) -> tuple[str, ...]:
        """The different words, where they are counted."""
        return tuple(word for word, _ in self.counts)


class Sightings:
    """How many of a column's words are of some kind, and the first of them."""

    def __init__(self) -> None:
        self.count, self.first = 0, ""

    def add(self, words: Mapping[str, int]) -> None:
        """More words of the kind, and how often each is there."""
        self.count += sum(words.values())
        self.first = self.first or next(iter(words), "")

    def example(self, total: int) -> str | None:
        """The first word, where most of so many in all are of the kind."""
        return self.first if self.count > total / 2 else None


class ColumnReader:
    """Goes through a column, block by block; `decimal` is the sign before decimals in a text, which each file has for itself, `order` what is first in dates."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.decimal: Decimal = "."
        self.order: DateOrder | None = None
        self.rows = self.missing = self.are_dates = self.others = 0
        self.width: int | None = None
        self.numbers = Numbers()
        self.values: Counter[str] | None = Counter()
        self.gaps: Counter[str] = Counter()  # Words that say of a number that there is none.
        # Texts that are words beside words, and no finite number beside numbers.
        self.infinite: Counter[str] = Counter()
        self.words, self.letters, self.spaces, self.dates = 0, 0, 0, Numbers()
        self.percents = UnitSigns(name)
        self.in_utc, self.seeming_dates, self.durations = False, Sightings(), Sightings()
        self.with_other_sign = Sightings()
        self.units: dict[str, Sightings] = {}
        self.code, self.are_digits = "", True  # Digits that begin with 0, and whether all numbers are of digits alone.
        self.last = self.written = self.a_word = self.a_number = self.a_kind = ""
        self.row_of_word = self.row_of_infinite = 0
        self.turns: Turns | None = None
        self.are_rising, self.highest = True, -np.inf

    def add(self, values: pa.Array) -> None:
        """The next rows."""
        self.rows += len(values)
        if len(values):
            self.last = str(values[len(values) - 1])
        values = decoded(values)
        if is_list(values.type):
            self._lists(values)
        elif is_text(values.type):
            self._text(pc.utf8_trim_whitespace(values.cast(pa.string())))
        else:
            self._typed(values)
        if not self.row_of_infinite and self.numbers.infinite + self.infinite.total():
            self.row_of_infinite = self.rows - len(values) + self._place_of_infinite(values) + 1

    def _place_of_infinite(self, values: pa.Array) -> int:
        """The place of the first value that is infinite, or a list with one."""
        for place, value in enumerate(values.to_pylist()):
            items = value if isinstance(value, list) else [value]
            numbers = [number_of(item, self.decimal) if isinstance(item, str) else item for item in items]
            if any(number is not None and np.isinf(float(number)) for number in numbers):
                return place
        return 0

    def summary(self) -> ColumnSummary:
        """What was in the rows."""
        kind = self._kind()
        numbers = self.dates if kind == "date" else self.numbers
        gaps, words = self._gaps_and_words(kind == "word" and not self.numbers.count)
        counts = None if self.values is None else self.values + words
        if kind != "word":
            self.numbers.infinite += self.infinite.total()
        return ColumnSummary(
            self.name, kind, self.rows, self.missing + gaps.total(),
            None if counts is None else len(counts),
            () if counts is None else tuple(counts.most_common()),
            numbers if kind in ("number", "whole", "date", "list") else None,
            self.width, self.written or None,
            (self.a_word, self.a_number) if kind == "mixed" else None,
            self.letters / max(self.words, 1),
            self.spaces / max(self.words, 1),
            self.in_utc,
            self.seeming_dates.example(self.words) if kind in ("word", "mixed") else None,
            self.durations.example(self.words) if counts is None or len(counts) > FEW_NUMBERS else None,
            self.with_other_sign.example(self.words) if kind in ("word", "mixed") else None,
            self._with_unit() if kind == "word" and counts is not None and len(counts) > FEW_NUMBERS else None,
            self.code or None if kind == "word" else None,
            self.row_of_word if kind == "mixed" and self.words == 1 else None,
            self.a_kind or None,
            kind in ("number", "whole") and self._ends_in_total(),
            kind == "whole" and self.are_rising,
            tuple(gaps) if kind == "word" else (),
            self.row_of_infinite or None,
            self.turns,
            f"{self.percents.both}: {self.percents.help}" if kind in ("number", "whole") and self.percents.both else None,
        )  # fmt: skip

    def _gaps_and_words(self, are_words: bool) -> tuple[Counter[str], Counter[str]]:
        """The texts that say that there is no value, and those that are words among words alone, how often each is there."""
        if not are_words:
            return self.gaps, Counter()
        gaps = Counter({text: count for text, count in self.gaps.items() if text.lower() in LACKING})
        return gaps, (self.gaps - gaps) + self.infinite

    def _ends_in_total(self) -> bool:
        """Whether the last cell is a number that is the sum of all others, which are smaller."""
        last = number_of(self.last, self.decimal)
        if last is None or abs(last) != max(self.numbers.high, -self.numbers.low):
            return False
        as_large = 0 if self.values is None else sum(self.values[f"{each:.15g}"] for each in {last, -last})
        largest_of_others = abs(last) if as_large > 1 else 0.0
        sum_of_others = self.numbers.mean * self.numbers.count - last
        return is_total(last, sum_of_others, largest_of_others, self.numbers.count - 1)

    def _with_unit(self) -> str | None:
        return next((example for each in self.units.values() if (example := each.example(self.words))), None)

    def _kind(self) -> Kind:
        if self.others:
            return "other"
        if self.width is not None:
            return "list"
        if self.words and self.are_dates == self.words and not self.numbers.count:
            return "date"
        if self.code and self.are_digits:
            return "word"
        if self.words or (not self.numbers.count and any(text.lower() not in LACKING for text in self.gaps)):
            return "mixed" if self.numbers.count else "word"
        if not self.numbers.count:
            return "empty"
        return "whole" if self.numbers.are_whole else "number"

    # ------------------------------------------------------------ kinds of blocks

    def _lists(self, values: pa.Array) -> None:
        self.missing += values.null_count
        widths = pc.unique(pc.list_value_length(values.drop_null())).to_pylist()
        self.width = widths[0] if len(widths) == 1 and self.width in (None, widths[0]) else -1
        flat = values.flatten()
        if pa.types.is_integer(flat.type) or pa.types.is_floating(flat.type):
            self.numbers.add(_floats(flat))
        elif not pa.types.is_null(flat.type):
            self._note_others(values)
        if are_messages(values.type):
            self.turns = self.turns or Turns()
            self.turns.add(values, self.rows - len(values) + 1)
        self.values = None

    def _typed(self, values: pa.Array) -> None:
        kind = values.type
        if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            self.missing += values.null_count
            there = values.drop_null()
            self._take_dates(there, Counter(there.cast(pa.string()).to_pylist()))
        elif pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
            self._note_percents(values, are_plain=True)
            self._take_numbers(_floats(values.cast(pa.int8()) if pa.types.is_boolean(kind) else values))
        elif pa.types.is_null(kind):
            self.missing += len(values)
        elif pa.types.is_decimal(kind):
            self._take_numbers(_floats(values.cast(pa.float64())))
        else:
            self._note_others(values)

    def _note_others(self, values: pa.Array) -> None:
        self.others += len(values)
        self.a_kind = self.a_kind or _said(values.type)

    def _text(self, text: pa.Array) -> None:
        """Texts as what they are: numbers, words, dates, nothing."""
        empty = pc.equal(text.fill_null(""), "")
        self.missing += empty.true_count
        there = text.filter(pc.invert(empty))
        numbers = plain_numbers(there, self.decimal)
        if numbers is not None:
            codes = self._note_codes(there)
            self._take_numbers(numbers.to_numpy(), _counted(there) if codes else None)
        else:
            self._take_texts(_counted(there))
            if self.a_word and not self.row_of_word:
                self.row_of_word = self.rows - len(text) + pc.index(text, self.a_word).as_py() + 1
        if not self.words:
            self._note_percents(text, are_plain=numbers is not None)

    def _note_percents(self, values: pa.Array, are_plain: bool) -> None:
        """Note the first numbers with a percent sign and without, which the last rows are."""
        first = self.rows - len(values) + 1
        self.percents.take(values, lambda place: f"row {first + place:,}", are_plain)

    def _note_codes(self, texts: pa.Array) -> bool:
        """Whether one of some numbers, as they are written, begins with a 0 that a number has not."""
        code = first_code(texts)
        self.are_digits = self.are_digits and bool(pc.all(pc.ascii_is_decimal(texts)).as_py() is not False)
        self.code = self.code or code
        return code != ""

    def _take_texts(self, counts: Counter[str]) -> None:
        self.are_rising = False  # What is counted has lost its order.
        words, written, numbers, times = Counter[str](), Counter[str](), [], []
        for text, count in counts.items():
            number = number_of(text, self.decimal)
            if number is not None and np.isinf(number):
                self.infinite[text] += count
            elif number is not None and not np.isnan(number):
                numbers.append(number)
                times.append(count)
                written[text] = count
                self._note_number(text)
            elif text.lower() in MISSING:
                self.gaps[text] += count
            else:
                words[text] = count
        self.with_other_sign.add({w: n for w, n in words.items() if number_of(w, OTHER[self.decimal]) is not None})
        codes = self._note_codes(pa.array([*written], pa.string()))
        self._take_numbers(np.repeat(np.array(numbers, np.float64), times), written if codes else None)
        self._take_words(words)

    def _take_words(self, words: Counter[str]) -> None:
        if not words:
            return
        self.a_word = self.a_word or next(iter(words))
        self.letters += sum(len(word) * count for word, count in words.items())
        self.spaces += sum(word.count(" ") * count for word, count in words.items())
        for word, count in words.items():
            unit = unit_of(word, self.decimal)
            if unit is not None and (unit in self.units or len(self.units) < MOST_UNITS):
                self.units.setdefault(unit, Sightings()).add({word: count})
        texts = pa.array([*words])
        self.words += words.total()
        if (moments := moments_of(texts, self.order)) is None:
            for seen, like in ((self.seeming_dates, like_dates), (self.durations, like_durations)):
                seen.add({word: words[word] for word in texts.filter(like(texts)).to_pylist()})
            self._count(words)
        else:
            self._take_dates(pc.take(moments, pa.array(np.repeat(np.arange(len(words)), [*words.values()]))), words)

    def _take_dates(self, moments: pa.Array, counts: Counter[str]) -> None:
        self.in_utc = self.in_utc or is_in_utc(moments.type)
        days = moments.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy() / DAY
        self.dates.add(days)
        self.are_dates += len(days)
        self.words = max(self.words, self.are_dates)
        self._count(counts)

    def _take_numbers(self, numbers: Array, written: Counter[str] | None = None) -> None:
        """Numbers, NaN where there is none; how often each is there as it is `written`, where that is more than a number."""
        there = numbers[~np.isnan(numbers)]
        self.missing += len(numbers) - len(there)
        if not len(there):
            return
        self.a_number = self.a_number or f"{there[0]:.15g}"
        self.are_rising = self.are_rising and bool((np.diff(there, prepend=self.highest) > 0).all())
        self.highest = max(self.highest, float(there[-1]))
        self.numbers.add(there)
        if self.values is not None and written is not None:
            self._count(written)
        elif self.values is not None:
            different, counts = np.unique(there, return_counts=True)
            if len(different) > MOST_VALUES or np.abs(there).max() >= TOLD_APART:
                self.values = None
            else:
                self._count(Counter(dict(zip((f"{each:.15g}" for each in different), counts.tolist(), strict=True))))

    def _note_number(self, text: str) -> None:
        self.a_number = self.a_number or text
        if not self.written and number_of(text, self.decimal, plain=True) is None:
            self.written = text

    def _count(self, counts: Counter[str]) -> None:
        if self.values is not None:
            self.values += counts
            self.values = None if len(self.values) > MOST_VALUES else self.values


def _floats(values: pa.Array) -> Array:
    """Arrow's numbers in 64 bits; NaN where there is none."""
    floats: Array = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return floats


def _counted(texts: pa.Array) -> Counter[str]:
    """How often each text is there."""
    return Counter({each["values"]: each["counts"] for each in pc.value_counts(texts).to_pylist()})


def _said(kind: pa.DataType) -> str:
    """What values are that are neither numbers nor words nor dates."""
    if is_list(kind):
        return f"lists of {_said(kind.value_type)}"
    if is_image(kind):
        return "bytes, of images or other files"
    names = {pa.types.is_struct: "objects", pa.types.is_duration: "durations", pa.types.is_time: "times of day"}
    texts = "words" if is_text(kind) else str(kind)
    return next((name for is_so, name in names.items() if is_so(kind)), texts)
