"""Files: read only where they are plain files, written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

SHARE = 0.8  # of the machine's memory, that arrays of one file may take.
# What numpy, zipfile and zlib raise for files that are no arrays, and for claims that no memory holds.
UNREADABLE = (
    OSError, ValueError, KeyError, IndexError, AttributeError, TypeError, EOFError, RuntimeError, SyntaxError,
    MemoryError, OverflowError, TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def plain_file(path: Path) -> Path:
    """The path, if a plain file is there. A device or a pipe has no end, and to open one may wait for ever.

    Raises:
        OSError: nothing is there, or something else.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file", str(path))
    return path


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of a `.npz` by name, or that of a `.npy` under "". Nothing in them is executed.

    Raises:
        one of `UNREADABLE`: it holds no plain arrays, or more than the machine's memory.
    """
    _check_size(plain_file(path))
    try:
        loaded = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ValueError("it is no .npy or .npz file, or one of Python objects") from error
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        return {"": loaded}
    with loaded:
        return {name: loaded[name] for name in loaded.files}


def _check_size(path: Path) -> None:
    """Refuse an archive that is small on the disk and does not fit into memory, before any of it is unpacked."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    most = memory()
    if size > SHARE * most:
        raise ValueError(f"unpacked it takes {size / 1e9:,.0f} GB, this machine has {most / 1e9:,.0f} GB")


def memory() -> int:
    """The machine's memory in bytes; a large number where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 50


def write_atomically(path: Path, raw: bytes) -> None:
    """A reader sees the old file or the new one, never half of one; a full disk leaves the old one and nothing else.

    A link stays, and what it leads to is replaced; into a device or a pipe it is written.

    Raises:
        OSError: with the name of the file that was to be written.
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


def _replace(path: Path, raw: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
