"""Images of folders, and of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from glob import has_magic
from os.path import commonpath
from pathlib import Path
from typing import ClassVar, Literal

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.fields import bad, check_fields_named, check_label_count
from mai.compiler.data.files.paths import find_files, listed, missing
from mai.compiler.data.files.saved_sets import saved_files
from mai.compiler.data.places import Places
from mai.compiler.data.row_source import RowSource, Wanted
from mai.compiler.data.source_kinds import Finite, Source
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.data.tables.kinds import is_table
from mai.compiler.ir.types import DType, Type
from mai.runtime.inputs.framing import Fit, Framing, Resample
from mai.spec.diagnostics import MaiError, Word
from mai.spec.settings import setting

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif")
OF_TABLES = ("image", "folder", "missing", "words")  # Settings that say how a table of images is read.
EMPTY = "each folder is a class: take it out, or put images into it"


def _is_picture(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


class Images(RowSource):
    """Folders of images, whose subfolders are the labels. With a `size` they may be of any: they are cropped, padded or stretched to it.

    With a `resize`, of the shorter side or [height, width], they come to that first, and their middle is cut out; `resample` is Pillow's filter.
    `channels` are 1 for grey, 3 for colour, 4 for colour and opacity. Or tables with a column of images: bytes, or names of files that lie
    beside the table; the other columns are fields by their names, or by its kind the one there is. `image` is that column where there
    are several, `folder` one beside the table, where names start; rows that lack a value are refused or left out (`missing = drop`), and fields in `words` are of names.
    """

    name: ClassVar[str] = "images"
    size: int | tuple[int, int] | None = None
    fit: Fit = "crop"
    resize: int | tuple[int, int] | None = None
    resample: Resample = "bicubic"
    channels: int | None = setting(default=None, ge=1, le=4)
    image: str | None = None
    folder: str | None = None
    missing: Literal["refuse", "drop"] = "refuse"
    words: str | tuple[str, ...] = ()

    def misfit(self) -> str | None:
        if self.channels == 2:
            return "needs 1, 3 or 4 channels: grey, colour, colour and opacity"
        if self.resize is not None and (self.size is None or self.fit != "crop"):
            return "needs a `size`, to which the middle is cut, and no other `fit`, where images have a `resize`"
        sizes = [side for size in (self._size(), self._framing().resize) if size for side in _sides(size)]
        return "needs a size of 1 or more pixels" if min(sizes, default=1) < 1 else super().misfit()

    def check_fields(self, fields: Mapping[str, Type]) -> None:
        check_fields_named(listed(self.words), fields)

    @classmethod
    def reads(cls, path: Path) -> bool:
        return _is_picture(path) or is_table(path)

    @classmethod
    def for_file(cls, path: Path, written: Source) -> Source | None:
        """A folder in the place of another is read as that."""
        if not path.is_dir():
            return None
        same = written.as_dict() if isinstance(written, Images) else {}
        split = written.split if isinstance(written, RowSource) else None
        return cls.of({**same, "path": str(path.absolute()), "split": split})

    def columns(self, base: Path) -> dict[str, Column] | None:
        size = self._size()
        try:
            files = self.find(base, listed(self.path))
        except MaiError:
            return None
        if size is None or self.channels is None or is_table(files[0]):
            return None
        labels = self._labels(files, [base / path for path in listed(self.path)])
        words = {"y": Column((), True)} if labels is not None else {}
        return {"x": Column((self.channels, *size), False), **words}

    def check_columns(self, base: Path, fields: Mapping[str, Type]) -> None:
        super().check_columns(base, fields)
        labels = [name for name, type_ in fields.items() if type_.dtype is DType.INT]
        places = [base / path for path in listed(self.path)]
        if not labels or not all(place.is_dir() and saved_files(place, str(place)) is None for place in places):
            return
        names = {folder.name for place in places for folder in _subfolders(place)}
        check_label_count(labels[0], fields[labels[0]], names, named=True, has_gaps=False)

    def find(self, base: Path, paths: Sequence[str | Path]) -> list[Path]:
        return [file for path in paths for file in self._images(base, path)]

    def _images(self, base: Path, path: str | Path) -> list[Path]:
        """The images of a folder, those of one subfolder after the other, or those that fit a pattern."""
        place = base / path
        if not place.exists() and has_magic(str(path)):
            return find_files(base, [path], self.reads)
        if not place.exists():
            raise missing(base, str(path), f"there is no folder {place}")
        if not place.is_dir() and is_table(place):
            return find_files(base, [path], is_table)
        if not place.is_dir():
            raise bad(f"{place} is no folder of images, nor a table of them")
        saved = saved_files(place, str(path))
        if saved is not None:
            return saved
        inside = _subfolders(place) or [place]
        return [file for folder in inside for file in self._inside(folder, EMPTY if folder != place else None)]

    def _inside(self, folder: Path, help: str | None) -> list[Path]:
        files = sorted(p for p in folder.iterdir() if _is_picture(p) and p.name[0] != "." and not p.is_dir())
        if not files:
            raise bad(f"there are no images in {folder}", "data-missing", help=help)
        return files

    def rows(self, wanted: Wanted) -> Finite:
        """Images as [k, H, W] in [-1, 1]; the names of subfolders, if there are any, are the labels."""
        import numpy as np

        from mai.compiler.data.files.pictures import pictures
        from mai.compiler.data.rows import Words

        tables = [file for file in wanted.files if is_table(file)]
        if tables and len(tables) < len(wanted.files):
            help = "name the table alone, or the images by a pattern of their own: `pets/*.png`"
            raise bad(f"{tables[0]} is a table among files of images", help=help)
        if tables:
            return self._rows_of_tables(wanted)
        stated = [name for name in OF_TABLES if self.as_dict().get(name) not in (None, "refuse", ())]
        if stated:
            raise bad(
                f"`{stated[0]}` is said of a table of images, and these are files of images", word=Word(stated[0], None)
            )
        notes = [note for place in wanted.places if place.is_dir() for note in _notes_of_left_out(place)]
        x = pictures(wanted.files, self._size(), self._framing(), self.channels)
        labels = self._labels(wanted.files, wanted.places)
        words = {"y": Words.of(np.array(labels))} if labels is not None else {}
        key = wanted.split.key if wanted.split is not None else None
        if key is not None and key not in words:
            raise bad(f"the split looks at `{key}`, which the images have not", help="subfolders are the labels `y`")
        key_rows = words["y"] if key is not None else None
        names = np.array(_names_of(wanted.files, wanted.places))
        places = Places(np.arange(len(names)), files=names)
        return Finite({"x": x, **words}, key=key_rows, notes=(*notes,), framing=self._framing(), places=places)

    def _rows_of_tables(self, wanted: Wanted) -> Finite:
        """Images of a column, and the other columns that fields name."""
        import numpy as np

        from mai.compiler.data.files.image_tables import (
            all_origins,
            columns_of_fields,
            folder_of_names,
            image_column,
        )
        from mai.compiler.data.files.pictures import pictures
        from mai.compiler.data.rows import rows_of
        from mai.compiler.data.tables.convert import KEY, ROW, read_tables
        from mai.compiler.data.tables.files import open_tables

        tables, fields = open_tables(wanted.files, Stated()), wanted.fields or {}
        image = image_column(tables[0], self.image)
        x, columns = columns_of_fields(tables[0], image, fields)
        folder = self.folder or folder_of_names(tables[0], image)
        origins = all_origins(tables, image, folder)
        notes = []
        if folder and not self.folder:
            notes.append(f"{tables[0].path.name}: names of images start in the folder `{folder}`")
        split = wanted.split
        key, of_time = (split.key, split.of_time) if split is not None else (None, False)
        if not columns and key is None:
            return Finite(
                {x: pictures(origins, self._size(), self._framing(), self.channels)},
                notes=(*notes,),
                framing=self._framing(),
                places=Places(np.arange(len(origins))),
            )
        own = {column: fields[field] for field, column in columns.items()}
        words = [columns[field] for field in listed(self.words) if field in columns]
        key = columns.get(key or "", key)
        read = read_tables(tables, own, key, of_time, self.missing, (), words, numbered=True)
        numbers = rows_of(read.columns[ROW])[:]
        kept = [origins[row] for row in numbers.tolist()]
        rows = {field: read.columns[column] for field, column in columns.items()}
        rows[x] = pictures(kept, self._size(), self._framing(), self.channels)
        dates = {field: read.dates[column] for field, column in columns.items() if column in read.dates}
        notes += read.notes
        return Finite(
            rows, key=read.columns.get(KEY), notes=(*notes,), framing=self._framing(), dates=dates,
            places=Places(numbers),
        )  # fmt: skip

    def _framing(self) -> Framing:
        return Framing(self.fit, self.resize, self.resample)

    def _size(self) -> tuple[int, int] | None:
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    def _labels(self, files: Sequence[Path], places: Sequence[Path]) -> list[str] | None:
        """The subfolders that images lie in; None where they lie in the folders themselves, or are those of a pattern."""
        folders = [file.parent for file in files]
        if not all(place.is_dir() for place in places) or set(folders) & set(places):
            return None
        return [folder.name for folder in folders]


def images_below(folder: Path) -> list[Path]:
    """The images in a folder, and in those inside it, in order; what is hidden is left out."""
    files = (path for path in folder.rglob("*") if _is_picture(path) and path.is_file())
    return sorted(path for path in files if not any(part[0] == "." for part in path.relative_to(folder).parts))


def _sides(size: int | tuple[int, int]) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else size


def _names_of(files: Sequence[Path], places: Sequence[Path]) -> list[str]:
    """Images' names from the folder on that a spec names, or the one that all lie in where it names several, or a pattern."""
    folders = {next((place for place in places if place in file.parents), file.parent).absolute() for file in files}
    top = commonpath(folders)
    return [file.absolute().relative_to(top).as_posix() for file in files]


def _notes_of_left_out(place: Path) -> Iterator[str]:
    """What is said of images that are of no class: they lie beside the folders that are, or in folders inside these."""
    classes = _subfolders(place)
    inside = [folder for each in classes for folder in _subfolders(each)]
    for folders, where in (([place] if classes else [], "beside the folders"), (inside, "in folders inside those")):
        images = [path for folder in folders for path in folder.iterdir() if _is_picture(path) and path.name[0] != "."]
        if images:
            count = f"{len(images):,} images" if len(images) > 1 else "1 image"
            yield f"{place}: {count} {where} of the classes, as {min(images)}: left out"


def _subfolders(place: Path) -> list[Path]:
    """The folders in one that are not hidden, in alphabetical order."""
    return sorted(path for path in place.iterdir() if path.is_dir() and path.name[0] != ".")
