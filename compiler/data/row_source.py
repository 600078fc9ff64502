"""Sources of rows in files: what is trained on, and what is held out, by a rule or in files of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, ClassVar

from mai.compiler.data.fields import bad, check_there
from mai.compiler.data.files.paths import Paths, find_files, listed
from mai.compiler.data.source_kinds import Finite, Reading, Request, Source
from mai.compiler.data.splitting.split_kinds import SPLITS
from mai.compiler.data.splitting.splits import Split
from mai.compiler.data.tables.numerals import Decimal
from mai.compiler.ir.types import Type
from mai.spec.record import record
from mai.spec.settings import Choice, fields

AS_WRITTEN = ("split", "missing", "absent", "dates", "needs", "words")  # What is said of files, whichever are read.


@record
class Wanted:
    """The files whose rows are wanted, as `places` name them; the fields that they are for, or None for all; and a split of them.

    `decimal` is the decimal sign of what is trained on, and `vectors` the columns of its fields that have names of their own, where these are known.
    """

    files: Sequence[Path]
    places: Sequence[Path]
    fields: Mapping[str, Type] | None
    split: Split | None = None
    decimal: Decimal | None = None
    vectors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class RowSource(Source):
    """Rows of the files that `path` names: one, a list, those of a pattern or of a folder.

    Held out for validation and for tests are the rows that `split` says, or those of the files `validation` and `test`.
    """

    reads_files: ClassVar[bool] = True
    instead: ClassVar[Mapping[str, str]] = {
        "validation": "it names files; `split = random(0.2)` holds out a share of the rows",
        "test": "it names files; `split = random(0.2, test = 0.1)` keeps a share of the rows for tests",
    }
    path: Paths
    split: Annotated[Split | None, Choice(SPLITS)] = None
    validation: Paths | None = None
    test: Paths | None = None

    def misfit(self) -> str | None:
        aside = self.split.shares if self.split is not None else (0.0, 0.0)
        if aside[0] and self.validation is not None:
            return "takes `split` or `validation`: rows are held out by a rule, or have files of their own"
        if aside[1] and self.test is not None:
            return "takes `split(..., test = ...)` or `test`: rows for tests are chosen, or have files of their own"
        return None

    @classmethod
    def for_file(cls, path: Path, written: Source) -> Source | None:
        """A file in the place of others is divided as these would be."""
        if not cls.reads(path):
            return None
        own, theirs = fields(cls), fields(type(written))
        # A `split` of another kind, as that of digits, says nothing here.
        same = [name for name in own if name in AS_WRITTEN and name in theirs and theirs[name].kind == own[name].kind]
        return cls.of({"path": str(path.absolute()), **{name: getattr(written, name) for name in same}})

    def check_files(self, base: Path) -> None:
        for paths in (self.path, self.validation, self.test):
            if paths is not None:
                self.find(base, listed(paths))

    def check_columns(self, base: Path, fields: Mapping[str, Type]) -> None:
        columns = self.names(base)
        if columns is not None and self.split is not None and self.split.key is not None:
            check_there(self.split.key, columns, "the split looks at")

    def names(self, base: Path) -> Collection[str] | None:
        """The names of the columns, as far as they are known before they are read. Raises `MaiError`."""
        return self.columns(base)

    @abstractmethod
    def rows(self, wanted: Wanted) -> Finite:
        """All rows of files, at least one, and the key of the split. Raises `MaiError`."""

    def find(self, base: Path, paths: Sequence[str | Path]) -> list[Path]:
        """The files that paths name, which start at `base`. Raises `MaiError`."""
        return find_files(base, paths, self.reads)

    def read(self, request: Request) -> Reading:
        from mai.compiler.data.facts import notes_of_percents, notes_of_zones, refuse_other_forms

        paths = request.files or listed(self.path)
        files = self.find(request.base, paths)
        places = [request.base / path for path in paths]
        read = self.reader(request, files)
        rows = replace(
            read(Wanted(files, places, request.fields, self.split, request.decimal, request.vectors)), split=self.split
        )
        request = replace(request, decimal=rows.decimal or request.decimal, vectors=rows.vectors or request.vectors)
        held_out, test = (self._aside(each, request, files, read) for each in (self.validation, self.test))
        named = ((rows, "`path`"), (held_out, "`validation`"), (test, "`test`"))
        refuse_other_forms([(part, where) for part, where in named if part is not None])
        both = {"held_out": held_out, "test": test}
        aside = {name: each.places for name, each in both.items() if each is not None and each.places is not None}
        parts = [each for each in both.values() if each is not None]
        zones = [note for each in parts for note in notes_of_zones(rows.dates, each.dates)]
        percents = [note for each in parts for note in notes_of_percents(rows.percents, each.percents)]
        rows = replace(rows, held_out=None if held_out is None else held_out.arrays, aside=aside)
        return replace(
            rows, test=None if test is None else test.arrays, notes=(*rows.notes, *dict.fromkeys(zones + percents))
        )

    def reader(self, request: Request, files: Sequence[Path]) -> Callable[[Wanted], Finite]:
        """What reads the rows of files, after a look at those that are trained on. Raises `MaiError`."""
        return self.rows

    def _aside(
        self, paths: Paths | None, request: Request, trained: Sequence[Path], read: Callable[[Wanted], Finite]
    ) -> Finite | None:
        """The rows of files that are not trained on."""
        if paths is None:
            return None
        files = self.find(request.base, listed(paths))
        both = {(s.st_dev, s.st_ino) for s in map(Path.stat, trained)}
        for file in files:
            if (file.stat().st_dev, file.stat().st_ino) in both:
                help = "name another file, or say `split = ...`"
                raise bad(f"{file} is trained on, so that it cannot be held out", help=help)
        places = [request.base / path for path in listed(paths)]
        return read(Wanted(files, places, request.fields, None, request.decimal, request.vectors))
