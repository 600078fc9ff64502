"""What a source is: settings, the shapes of its arrays before they are read, and how they are read.

Nothing here loads numpy, so that `mai check` stays light: sources import it where they read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.fields import bad
from mai.compiler.data.places import Places
from mai.compiler.data.random_streams import DRAWN_ONCE, generator
from mai.compiler.data.splitting.splits import Parts, Split
from mai.compiler.data.tables.dialect import NOTHING, Absent
from mai.compiler.data.tables.numerals import Decimal
from mai.compiler.ir.types import Type
from mai.runtime.inputs.framing import Framing
from mai.spec.record import record
from mai.spec.settings import Settings

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.compiler.data.rows import Column as Rows
    from mai.compiler.data.rows import Columns, Dates, Percents
    from mai.runtime.arrays import Array
    from mai.runtime.model.manifest import DateOrder

    Arrays = dict[str, Array]
    Draw = Callable[[Generator, int], Arrays]


def is_file(path: Path) -> bool:
    """Whether a plain file is there: a device or a pipe has no end."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@record
class Finite:
    """Columns by name, a row an example; `held_out` and `test` are those of other files, or of a split that comes with the data.

    Without either, `parts` or `split` say which rows are held out, the latter by the column `key` where it looks at one; usually a tenth
    is, unless these examples are `all_of_them`. `notes` say what was found in the files that the spec does not say. One that `has_gaps` may lack values:
    there a number is NaN, and a word -1. `framing` is how images have come to their size, `tokenizer` what made tokens of texts among them,
    as a manifest states it, and `decimal` the sign before decimals in tables whose numbers tell it. `vectors` are the columns of fields
    that have names of their own, `dates` the fields with columns of dates, `percents` those of numbers with a percent sign or without, `absent` the values that say that there is none, `order` what a spec says to be first in dates. `places` are those of the examples in their files, where these are known; `aside` those of the examples
    that are held out or for tests in other files, as `Parts` calls them.
    """

    arrays: Columns
    held_out: Columns | None = None
    test: Columns | None = None
    all_of_them: bool = False
    split: Split | None = None
    key: Rows | None = None
    notes: tuple[str, ...] = ()
    has_gaps: bool = False
    parts: Parts | None = None
    framing: Framing | None = None
    tokenizer: str | None = None
    decimal: Decimal | None = None
    vectors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dates: Dates = field(default_factory=dict)
    percents: Percents = field(default_factory=dict)
    absent: Absent = NOTHING
    order: DateOrder | None = None
    places: Places | None = None
    aside: Mapping[str, Places] = field(default_factory=dict)


@record
class Endless:
    """Examples without end: `draw(generator, count)` gives arrays of `count` rows, a function of the generator alone."""

    draw: Draw


@record
class Corpus:
    """The tokens of a text, one after the other, and the tokenizer that made them, as a manifest states it.

    `notes` say what was found in the files that the spec does not say.
    """

    tokens: Array
    tokenizer: str
    notes: tuple[str, ...] = ()


Reading = Finite | Endless | Corpus


@record
class Request:
    """Where and how to read: paths start at `base`, the spec's folder; `files` are those of `--data`, in their place.

    `fields` are what is asked for, by name; None asks for all there is. `tokenizer` is that of a run, in the place of one that would
    be trained from the files, `decimal` the sign of the tables of a run, which decides where none of theirs tells, and `vectors` the
    columns of its fields that have names of their own.
    """

    base: Path
    files: Sequence[Path]
    seed: int
    fields: Mapping[str, Type] | None = None
    tokenizer: str | None = None
    decimal: Decimal | None = None
    vectors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def generator(self, *key: int) -> Generator:
        """Random numbers for examples that are drawn once, a stream for every key."""
        return generator(self.seed, DRAWN_ONCE, *key)

    def place(self, path: str) -> Path:
        """Where a path of the spec leads."""
        return self.files[0] if self.files else self.base / path


class Source(Settings, ABC):
    """Where training examples come from: one subclass a source, in a file of its own in `sources/`.

    The arrays of one that `names_fields` have names which a spec's fields must have; others fill fields by kind. One that
    `reads_files` takes the files of `--data` as its own, all of them; another gives place to the source that reads them. Files are
    known by their `suffixes`. Numbers that are a `picture` have these channels, height and width.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    picture: ClassVar[tuple[int, int, int] | None] = None
    names_fields: ClassVar[bool] = False
    reads_files: ClassVar[bool] = False

    @property
    def past_and_future(self) -> tuple[int, int] | None:
        """The lengths of what is past in an example of a series, and of what follows it."""
        return None

    @property
    def keeps_gaps(self) -> bool:
        """Whether examples may lack values: a number is NaN then, a label the one after those with names."""
        return self.as_dict().get("missing") == "keep"

    def check_fields(self, fields: Mapping[str, Type]) -> None:
        """Raise `MaiError` for fields that these settings never fill."""

    def check_files(self, base: Path) -> None:
        """Raise `MaiError` for a file that is not there, or that is none to read; `data-missing` may be one of another machine."""

    def check_columns(self, base: Path, fields: Mapping[str, Type]) -> None:
        """Raise `MaiError` for columns that these settings or the fields name and the data have not, as far as that can be looked at."""

    def check_cells(self, base: Path, fields: Mapping[str, Type]) -> None:
        """Raise `MaiError` for values that reading refuses, where nothing else is wrong and few bytes tell."""

    def columns(self, base: Path) -> dict[str, Column] | None:
        """The arrays by name, as far as they are known before they are read; None where only reading tells.

        Raises:
            MaiError: what can be looked at is wrong already, a file's first line say.
        """
        return None

    def gather(self, columns: Mapping[str, Column], fields: Mapping[str, Type]) -> Mapping[str, Column]:
        """The arrays with those that are made of others for the fields of a spec. Raises `MaiError`."""
        return columns

    @abstractmethod
    def read(self, request: Request) -> Reading:
        """The examples. Raises `MaiError`: `data-missing` or `data-bad`."""

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Whether a file's name says that it is of this kind."""
        return path.name.endswith(cls.suffixes) and not path.is_dir()

    def taking(self, path: Path) -> Source:
        """The same settings for a file of `--data`, as far as they are right for it."""
        return self.but(path=str(path.absolute()))

    @classmethod
    def for_file(cls, path: Path, written: Source) -> Source | None:
        """The source that reads a file of `--data` in the place of the one `written`; None if this kind reads no such file."""
        return None

    @classmethod
    def call_for(cls, path: str) -> str | None:
        return f'{cls.name}("{path}")' if path.endswith(cls.suffixes) else None


class DrawsAlone(Source):
    """What a train block without a `data` line has: no examples. A batch is what the block draws."""

    def read(self, request: Request) -> Reading:
        if request.files:
            message = f"--data {request.files[0]}: this spec has no `data` line, which would name what the file has"
            raise bad(message, help="write `data x: [2] from npz()`")
        return Endless(lambda generator, count: {})
