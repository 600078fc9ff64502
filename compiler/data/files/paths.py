"""The files that a source's path names: one, several, those that a pattern fits, those of a folder."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from pathlib import Path

from mai.compiler.data.fields import bad

Paths = str | tuple[str, ...]


def listed(paths: Paths) -> tuple[str, ...]:
    """One path or several, as several."""
    return (paths,) if isinstance(paths, str) else paths


def find_files(base: Path, paths: Sequence[str | Path], reads: Callable[[Path], bool]) -> list[Path]:
    """The plain files that paths name, in the order of the paths; those of a pattern or a folder by their names.

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
            raise bad(f"no file fits {place}", "data-missing")
        return [_plain(each) for each in matching if not each.is_dir()]
    if not _exists(place):
        raise bad(f"there is no file {place}", "data-missing")
    if not place.is_dir():
        return [_plain(place)]
    inside = sorted(each for each in place.iterdir() if reads(each) and each.name[0] not in "._")
    if not inside:
        raise bad(f"there is no file in {place} that could be read", "data-missing")
    return [_plain(each) for each in inside]


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
