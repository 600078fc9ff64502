"""The files that a source's path names: one, several, those that a pattern fits, those of a folder."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.compiler.data.files.saved_sets import saved_files
from mai.spec.diagnostics import MaiError, Word
from mai.spec.diagnostics.suggest import closest

Paths = str | tuple[str, ...]
MOST, SHOWN = 500, 6  # Names that are looked through, and told, for one that leads nowhere.


def listed(paths: Paths) -> tuple[str, ...]:
    """One path or several, as several."""
    return (paths,) if isinstance(paths, str) else paths


def find_files(base: Path, paths: Sequence[str | Path], reads: Callable[[Path], bool]) -> list[Path]:
    """The plain files that paths name, in the order of the paths; those of a pattern or a folder by their names.

    Those of a data set that was saved are in the order in which it lists them.

    Args:
        base: where the paths start.
        reads: whether a file of a folder is one to read.

    Raises:
        MaiError: `data-missing` where nothing is there, `data-bad` for what is no plain file.
    """
    return [file for path in paths for file in _files(base, str(path), reads)]


def _files(base: Path, path: str, reads: Callable[[Path], bool]) -> list[Path]:
    place = base / path
    if not _exists(place) and glob.has_magic(path):
        matching = sorted(Path(each) for each in glob.glob(str(place), recursive=True))
        if not matching:
            raise missing(base, path, f"no file fits {place}", reads)
        return [_plain(each) for each in matching if not each.is_dir()]
    if not _exists(place):
        raise missing(base, path, f"there is no file {place}", reads)
    if not place.is_dir():
        return [_plain(place)]
    saved = saved_files(place, path)
    if saved is not None and reads(saved[0]):
        return [_plain(each) for each in saved]
    inside = sorted(each for each in place.iterdir() if reads(each) and each.name[0] not in "._")
    if not inside:
        raise bad(
            f"there is no file in {place} that could be read", "data-missing", _help_with_folders(place, path, reads)
        )
    return [_plain(each) for each in inside]


def _help_with_folders(place: Path, path: str, reads: Callable[[Path], bool]) -> str | None:
    """How files in the folders of a folder are named; None where there are none. Hidden ones fit no pattern."""
    inside = (each for each in islice(place.glob("*/**/*"), MOST) if each.is_file() and reads(each))
    file = next((each for each in inside if not any(p[0] == "." for p in each.relative_to(place).parts)), None)
    if file is None:
        return None
    pattern = f'"{path.rstrip("/")}/**/*{file.suffix}"'
    return f"files of the folders inside are named by a pattern, `{pattern}`; what the folders are called is no column of theirs"


def missing(base: Path, path: str, message: str, reads: Callable[[Path], bool] | None = None) -> MaiError:
    """The error for a path that leads nowhere, with the path that may be meant, or what there is. `reads` is whether a file is one to read."""
    place = base / path
    folder = next((each for each in place.parents if each.is_dir()), place.parent)
    beside = sorted(each for each in _inside(folder) if each.name[0] not in "._")
    moved = [each / place.name for each in (folder.parent, folder, *beside) if _exists(each / place.name)]
    names = [_written(each, base) for each in beside if (reads(each) if reads is not None else each.is_dir())]
    guess = _written(moved[0], base) if len(moved) == 1 else closest(path, names)
    word = Word(f'"{path}"', f'"{guess}"' if guess and guess != path else None)
    return bad(message, "data-missing", _what_is_there(folder, names), word)


def _written(place: Path, base: Path) -> str:
    return str(place.relative_to(base) if place.is_relative_to(base) else place)


def _inside(folder: Path) -> list[Path]:
    try:
        return [*islice(folder.iterdir(), MOST)]
    except OSError:
        return []


def _what_is_there(folder: Path, names: Sequence[str]) -> str:
    """What is there, for a path that no other is like."""
    some = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return f"in that folder are {some}" if names else f"nothing in {folder} could be read for it"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _plain(path: Path) -> Path:
    from mai.runtime.files import plain_file

    try:
        return plain_file(path)
    except OSError as error:
        raise bad(f"{path} cannot be read: {error.strerror}") from error
