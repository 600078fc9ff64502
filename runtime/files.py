"""Files: only plain ones are read, and they are written as a whole or not at all."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mai.runtime.arrays import Array

PART = ".mai-part"  # How a file's name ends while it is written.
MEMORY_SHARE = 0.8  # Of the machine's memory, what the arrays of one file may take.
# What numpy, zipfile and zlib raise for files that hold no arrays, or claim sizes beyond the machine's memory.
UNREADABLE = (
    OSError, ValueError, KeyError, IndexError, AttributeError, TypeError, EOFError, RuntimeError, SyntaxError,
    MemoryError, OverflowError, TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def plain_file(path: Path) -> Path:
    """The path itself, after a check that a plain file is there.

    A device or a pipe has no end, and opening one may wait for ever, so neither is ever opened.

    Raises:
        OSError: nothing is there, or something that is no plain file.
    """
    _check_plain(path.stat().st_mode, path)
    return path


def _check_plain(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file", str(path))


def plain_bytes(path: Path) -> bytes:
    """All of a file that was plain when it was looked at, in as few calls of the system as there may be: a pipe that took its place is not read.

    Raises:
        OSError: it is not there any more, or something else is.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(handle)
        _check_plain(status.st_mode, path)
        raw = os.read(handle, status.st_size)
        while len(raw) < status.st_size and (more := os.read(handle, status.st_size - len(raw))):
            raw += more
        return raw
    finally:
        os.close(handle)


def read_text(path: Path, most: int) -> str:
    """The text of a plain file.

    Raises:
        OSError: there is none, or it cannot be read.
        ValueError: it has more than `most` bytes, or is no UTF-8.
    """
    if plain_file(path).stat().st_size > most:
        raise ValueError("it is too large")
    return path.read_text(encoding="utf-8")


def read_arrays(path: Path, needed: Collection[str] | None = None) -> dict[str, Array]:
    """The arrays of a `.npz` by name, of any shapes, or the one of a `.npy` under the name "". Nothing in them is executed.

    Where all that are `needed` are there, these alone are read: an archive may hold others, as Python's objects, which are not.

    Raises:
        Exception: one of `UNREADABLE`: the file holds no plain arrays, or more than fits into the machine's memory.
    """
    import numpy as np  # Whoever only looks where files are does without.

    _check_size(plain_file(path))
    try:
        loaded = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ValueError("it is no .npy or .npz file, or one of Python objects") from error
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        return {"": loaded}
    with loaded:
        are_there = needed is not None and {*needed} <= {*loaded.files}
        return {name: _member(loaded, name) for name in loaded.files if not are_there or name in (needed or ())}


class PythonObjects(ValueError):
    """An array holds objects of Python, which numpy reads by running what the file says."""


def _member(archive: Mapping[str, Array], name: str) -> Array:
    try:
        return archive[name]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        what = f"`{name}` holds objects of Python, which are not read: save numbers or texts, `a.astype(float)`, `a.astype(str)`"
        raise PythonObjects(what) from error


def _check_size(path: Path) -> None:
    """Refuse, before unpacking any of it, an archive that is small on the disk and does not fit into memory."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    available = memory()
    if size > MEMORY_SHARE * available:
        raise ValueError(f"unpacked it takes {size / 1e9:,.0f} GB, this machine has {available / 1e9:,.0f} GB")


def memory() -> int:
    """The machine's memory in bytes; 2^50 where the operating system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 50


def write_atomically(path: Path, raw: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part; a full disk leaves the old one.

    Where `path` is a symbolic link, the file that it leads to is replaced. A device or a pipe is written to directly. Who may
    read and write a file that is there stays.

    Raises:
        OSError: naming `path`, not the temporary file beside it.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            target.write_bytes(raw)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, raw)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def reason(error: Exception) -> str:
    """Why something could not be read or written, in words, without the number and the path that an `OSError` has beside them."""
    if isinstance(error, UnicodeDecodeError):
        return f"it is no text in {error.encoding}: byte {error.start + 1:,} is none of that"
    said = getattr(error, "strerror", None)
    return said.lower() if said else str(error) or type(error).__name__


@contextmanager
def mapped(path: Path) -> Iterator[memoryview]:
    """The bytes of a plain file, read from the disk only as they are looked at. Raises `OSError`; an empty file has none."""
    with plain_file(path).open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            yield memoryview(b"")
            return
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        view = memoryview(pages)
        try:
            yield view
        finally:
            with suppress(BufferError):  # Somebody still looks at a part of it: then it goes with that.
                view.release()
                pages.close()


@contextmanager
def staged(folder: Path, name: str) -> Iterator[Path]:
    """A new folder inside of `folder`, whose files move out of it, by their names' order, where nothing is raised.

    A reader sees an old file or a new one, never a part. Raises `OSError`, naming the file `name`.
    """
    inner: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        inner = Path(tempfile.mkdtemp(dir=folder, prefix=f".{name[:100]}.", suffix=PART))
        lock = _locked_folder(inner)
        try:
            yield inner
            for file in sorted(inner.iterdir(), reverse=True):
                _publish(file, Path(os.path.realpath(folder / file.name)))
        finally:
            if lock is not None:
                os.close(lock)
            shutil.rmtree(inner, ignore_errors=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder / name)) from error


def _locked_folder(path: Path) -> int | None:
    """A folder that is marked as in use; None where the system has no such marks."""
    if os.name == "nt":
        return None
    return locked(os.open(path, os.O_RDONLY), wait=True)


def _publish(file: Path, target: Path) -> None:
    """Put a whole file in the place of another, which keeps who may read it."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
    os.chmod(file, _mode_of(target))
    try:
        os.replace(file, target)
    except OSError as error:
        if error.errno != errno.EXDEV:  # A link leads to another disk.
            raise
        shutil.copyfile(file, target)


def _mode_of(path: Path) -> int:
    """Who may read and write a file that is there, or would be new."""
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644


def _replace(path: Path, raw: bytes) -> None:
    mode = _mode_of(path)
    _sweep(path.parent)
    handle, temporary, lock = _temporary(path)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _temporary(path: Path) -> tuple[int, str, int | None]:
    """An open file beside `path`, its name, and what keeps it locked: it is nobody's any more once that is closed."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=PART)
        lock = locked(os.dup(handle), wait=True)
        if os.path.exists(name):
            return handle, name, lock
        os.close(handle)  # Another process took it for one of a killed one before it was locked.
        if lock is not None:
            os.close(lock)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left in a folder."""
    try:
        names = [name for name in os.listdir(folder) if name[0] == "." and name.endswith(PART)]
    except OSError:  # A folder that may be written to, and not be read.
        return
    for name in [os.path.join(folder, name) for name in names]:
        try:
            lock = locked(os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)))
        except OSError:  # Somebody writes it, or it is gone.
            continue
        if lock is not None:
            _remove(Path(name))
            os.close(lock)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def locked(handle: int, wait: bool = False) -> int | None:
    """An open file or folder, locked until it is closed; None, and closed, where a file system has no locks.

    Raises:
        BlockingIOError: another process has locked it; the handle is closed.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        os.close(handle)
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return handle
