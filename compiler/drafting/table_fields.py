"""Which columns of a table a spec takes, as what, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from mai.compiler.data.fields import bad
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.data.tables.header import NAME
from mai.compiler.describing.columns.column import ColumnSummary
from mai.compiler.describing.columns.hints import names_rows
from mai.compiler.describing.leaks import Leak, leaks, leaks_among
from mai.compiler.describing.tables import TableSummary, holds_texts, varied, why_not
from mai.runtime.inputs.cells import few_of
from mai.spec.diagnostics.suggest import closest
from mai.spec.record import record

MOST_CLASSES = 10  # Whole numbers of so many different values are labels, where they are to be predicted.
MOST_LABELS = 100  # So many words may be predicted, and so many numbers be said by name.
LETTERS_OF_TOKEN, MOST_TOKENS = 3, 128  # Of a text: letters that a token has, and tokens that are read.
MOST_NAMED = 60  # Columns of numbers that a spec names; of more it takes all that are left as one vector.
HEAVY_TAIL = 10  # A target's logarithm is learnt where one number in a hundred is so many times its median; of those with a 0, where both are one more.
FEWEST = 10  # Rows that have a value of a column: of fewer little is learnt that holds for others.
RARE = 0.05  # The share of a label that few rows have.
ONE_HOT = 12  # Words of so many kinds or fewer have a number each; of more kinds they are embedded.
# Functions that a drafted spec calls where fields are in scope, for labels and for numbers: a field of such a name would hide one.
CALLED_FOR_LABELS = frozenset(("cross_entropy", "accuracy", "across", "auc", "softmax", "argmax"))
CALLED_FOR_TEXTS = frozenset(("embed", "masked_attention", "layer_norm", "sum", "maximum", "vocab"))
CALLED_FOR_NUMBERS = frozenset(("across", "mean", "std", "r2", "abs"))
Groups = Mapping[str, Sequence[ColumnSummary]]  # The columns of a field, by its name: one, or those of a vector.


@record
class Logarithm:
    """What is learnt of a target instead of itself: a function of it, and the one that leads `back`."""

    function: str
    back: str


LOG, LOG1P = Logarithm("log", "exp"), Logarithm("log1p", "expm1")


@record
class Words:
    """A field of labels: how many there are, whether their values are numbers that are to be names, and whether there are gaps.

    One that is `open` has a label more: for words that are missing, or not known yet.
    """

    name: str
    names: tuple[str, ...]
    are_numbers: bool
    open: bool

    @property
    def size(self) -> int:
        """How many labels there are, with that of what is missing."""
        return len(self.names) + self.open

    @property
    def type_text(self) -> str:
        """The type of the field."""
        return f"class[{self.size}]"

    @property
    def named(self) -> bool:
        """Whether the numbers have to be read as names, since they are not 0, 1, ..."""
        return self.are_numbers and {*self.names} != {*map(str, range(len(self.names)))}


@record
class Text:
    """A field of texts, of which so many tokens are read."""

    name: str
    length: int

    @property
    def inputs(self) -> list[tuple[str, str]]:
        """The field and its mask, with their types."""
        return [(self.name, f"tokens[{self.length}]"), (f"{self.name}_mask", f"[{self.length}]")]


@record
class TableFields:
    """What a spec takes of a table: its target, and the numbers, vectors, dates, words and texts that predict it; `left` says what it does not, and why.

    `target_words` is None for a target of numbers. `gaps` are the fields that lack values, `leaks` the columns that tell the target alone,
    `rest` the vector of all columns of numbers, where there are too many to name.
    """

    table: TableSummary
    target: ColumnSummary
    target_words: Words | None
    numbers: tuple[str, ...]
    vectors: tuple[tuple[str, int], ...]
    dates: tuple[str, ...]
    words: tuple[Words, ...]
    texts: tuple[Text, ...]
    left: tuple[tuple[str, str], ...]
    gaps: frozenset[str]
    leaks: tuple[Leak, ...] = ()
    rest: str | None = None

    @property
    def rows(self) -> int:
        """How many rows have a target."""
        return self.table.rows - self.target.missing

    @property
    def logarithm(self) -> Logarithm | None:
        """The logarithm that is learnt of a target of numbers of which few are far larger than all others: an error counts as a share of them then."""
        return _logarithm(self.target) if self.target_words is None else None

    @property
    def rarest(self) -> tuple[str, int] | None:
        """The label of the target that fewest rows have, and how many, where these are few."""
        if self.target_words is None:
            return None
        name, count = self.target.counts[-1]
        return (name, count) if count < RARE * self.rows else None

    @property
    def inputs(self) -> list[tuple[str, str]]:
        """The inputs and their types, in the order in which the spec names them."""
        vectors = ((name, [*self.table.shape_of(name, width)]) for name, width in self.vectors)
        reals = [*((name, "[]") for name in self.numbers), *((name, str(shape)) for name, shape in vectors)]
        words = [(each.name, each.type_text) for each in self.words]
        texts = [pair for each in self.texts for pair in each.inputs]
        return [*reals, *((name, "[]") for name in self.dates), *words, *texts]


def _logarithm(column: ColumnSummary) -> Logarithm | None:
    """That of numbers with a heavy tail, all above 0 or some of them 0; None for others."""
    numbers = column.numbers if column.kind in ("number", "whole") else None
    if numbers is None or numbers.low < 0:
        return None
    more = 0 if numbers.low > 0 else 1
    is_heavy = numbers.quantile(0.99) + more > HEAVY_TAIL * (numbers.quantile(0.5) + more)
    return (LOG1P if more else LOG) if is_heavy else None


def choose_fields(
    table: TableSummary,
    target: str,
    as_numbers: bool | None = None,
    cells: Mapping[str, Sequence[object]] | None = None,
) -> TableFields:
    """What a spec takes of a table to predict one of its columns.

    Args:
        cells: the first ones of each column that has single values; without, the files are read for them.
        as_numbers: whether a target of numbers is predicted as a number, or as a label; by itself few whole numbers are labels.

    Raises:
        MaiError: there is no such column, or nothing to learn of it.
    """
    column = _target(table, target)
    labels = _target_words(column, as_numbers)
    others = {name: columns for name, columns in table.groups(column.name) if columns[0] is not column}
    left = _unusable(others, _called(column, labels, others))
    taken = {name: columns for name, columns in others.items() if name not in left}
    single = [columns[0].name for columns in taken.values() if len(columns) == 1]
    leaking = _leaks(table, single, column.name, labels is not None, cells) if single else []
    same = {leak.column: leak.words for leak in leaking if leak.is_same}
    if len(same) < len(taken):
        left |= same
        taken = {name: columns for name, columns in taken.items() if name not in same}
    if not taken:
        raise bad(f"{table.files[0]} has no column that `{column.name}` could be predicted from", help=_why(left))
    return _by_kind(table, column, labels, taken, left, tuple(leak for leak in leaking if leak.column in taken))


def _leaks(
    table: TableSummary,
    columns: Sequence[str],
    target: str,
    is_label: bool,
    cells: Mapping[str, Sequence[object]] | None,
) -> list[Leak]:
    if cells is None:
        return leaks(table.files, columns, target, is_label, Stated(order=table.order))
    return leaks_among({name: cells[name] for name in (*columns, target) if name in cells}, target, is_label)


def _called(column: ColumnSummary, labels: Words | None, others: Groups) -> frozenset[str]:
    """The functions that the spec calls, whose names no column may have. Raises `MaiError` where the target has one."""
    called = CALLED_FOR_NUMBERS if labels is None else CALLED_FOR_LABELS
    logarithm = _logarithm(column) if labels is None else None
    if logarithm is not None:
        called |= {logarithm.function}
    if column.name in called:
        raise bad(f"`{column.name}` is the name of a function that the spec calls", help="give the column another name")
    return called | CALLED_FOR_TEXTS if any(holds_texts(columns[0]) for columns in others.values()) else called


def _unusable(others: Groups, called: frozenset[str]) -> dict[str, str]:
    """The columns that nothing is learnt from, by name, and why."""
    left = {name: reason for name, columns in others.items() if (reason := _reason(name, columns, called))}
    if len(left) < len(others):
        return left
    return {  # A number of the row is better than nothing.
        name: reason for name, reason in left.items() if not names_a_row(others[name][0])
    }


def _by_kind(
    table: TableSummary,
    column: ColumnSummary,
    labels: Words | None,
    taken: Groups,
    left: Mapping[str, str],
    leaking: tuple[Leak, ...],
) -> TableFields:
    """The columns that are taken, each as what it is; numbers are one vector where they are many."""
    kinds = {name: _kind(columns) for name, columns in taken.items()}
    numbers = tuple(name for name, kind in kinds.items() if kind == "number")
    vectors = tuple(
        (name, taken[name][0].width or len(taken[name])) for name, kind in kinds.items() if kind == "vector"
    )
    gaps = {name for name, columns in table.groups(column.name) if any(each.missing for each in columns)}
    rest = None
    if len(numbers) > MOST_NAMED and "text" not in kinds.values():
        rest = _free("numbers", {each.name for each in table.columns} | {*kinds})
        gaps |= {rest} if gaps & {*numbers} else set()
        numbers, vectors = (), ((rest, len(numbers)), *vectors)
    return TableFields(
        table, column, labels, numbers, vectors,
        tuple(name for name, kind in kinds.items() if kind == "date"),
        tuple(_words(taken[name][0]) for name, kind in kinds.items() if kind == "word"),
        tuple(Text(name, _length(taken[name][0])) for name, kind in kinds.items() if kind == "text"),
        tuple(left.items()),
        frozenset(gaps),
        leaking,
        rest,
    )  # fmt: skip


def _free(name: str, taken: Set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _kind(columns: Sequence[ColumnSummary]) -> str:
    """What columns are to a spec: a number, a vector, a date, a word, a text."""
    if len(columns) > 1 or columns[0].kind == "list":
        return "vector"
    if holds_texts(columns[0]):
        return "text"
    return "number" if columns[0].kind == "whole" else columns[0].kind


def _words(column: ColumnSummary) -> Words:
    return Words(column.name, column.words, column.code is not None, open=True)


def _length(column: ColumnSummary) -> int:
    """How many tokens are read of texts: twice as many as there are in the mean, by eights."""
    return min(MOST_TOKENS, 8 * -(-int(2 * column.letters) // (8 * LETTERS_OF_TOKEN)))


def _target(table: TableSummary, name: str) -> ColumnSummary:
    column = table.column_called(name)
    names = [each.name for each in table.columns]
    if column is None:
        guess = closest(name, names)
        help = f"did you mean `{guess}`?" if guess else f"it has {few_of(names)}"
        raise bad(f"{table.files[0]} has no column `{name}`", help=help)
    if column.distinct == 1:
        raise bad(f"`{name}` is always {column.words[0]}: there is nothing to predict")
    is_fine = names_a_row(column) or (column.kind == "mixed" and 1 < len(column.words) <= MOST_LABELS)
    reason = None if is_fine else _reason(column.name, [column], frozenset(), texts=False)
    if reason is not None:
        raise bad(f"`{name}` cannot be predicted: {reason}")
    return column


def names_a_row(column: ColumnSummary) -> bool:
    """Whether a column of whole numbers is left out since each is a row's own."""
    return column.is_numbering or names_rows(column) is not None


def _target_words(column: ColumnSummary, as_numbers: bool | None) -> Words | None:
    """The labels of a target; None where it is a number."""
    if column.kind in ("number", "date", "list") or (column.kind == "whole" and as_numbers):
        if as_numbers is False and column.kind == "number" and len(column.words) in range(2, MOST_LABELS + 1):
            return Words(column.name, column.words, True, False)
        return None
    few = column.distinct is not None and column.distinct <= (MOST_LABELS if as_numbers is False else MOST_CLASSES)
    if column.kind == "whole":
        return Words(column.name, column.words, True, False) if few else None
    if len(column.words) > MOST_LABELS:
        raise bad(f"`{column.name}` has {len(column.words):,} different words: too many to tell apart from this table")
    return Words(column.name, column.words, column.kind == "mixed" or column.code is not None, False)


def _reason(name: str, columns: Sequence[ColumnSummary], called: frozenset[str], texts: bool = True) -> str | None:
    """Why a spec leaves columns out, which may be `texts` or not."""
    if not NAME.fullmatch(name):
        return "its name has no letter"
    if name in called:
        return "its name is that of a function which the spec calls: give it another"
    reasons = (None if texts and holds_texts(each) else why_not(each) or _too_few(each) for each in varied(columns))
    return next((reason for reason in reasons if reason), None)


def _too_few(column: ColumnSummary) -> str | None:
    """Why nothing is learnt of a column that lacks a value in nearly all rows; None where it has enough."""
    there = column.rows - column.missing
    if there >= FEWEST or column.rows < 2 * FEWEST:
        return None
    return f"it has a value in {there} of {column.rows:,} rows alone: too few to learn much of it"


def _why(left: Mapping[str, str]) -> str | None:
    return "; ".join(f"`{name}`: {reason}" for name, reason in [*left.items()][:4]) or None
