"""A run's folder: the names of its files, and what becomes of the run that was there before."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mai.compiler.data.files.paths import listed
from mai.compiler.program import Program
from mai.runtime.files import locked
from mai.runtime.run_folders.files import FAILURE as FAILURE
from mai.runtime.run_folders.files import METRICS as METRICS
from mai.runtime.run_folders.files import RECORD as RECORD
from mai.runtime.run_folders.files import RECORDS as RECORDS
from mai.runtime.run_folders.files import WEIGHTS as WEIGHTS
from mai.runtime.run_folders.files import checkpoint_of as checkpoint_of
from mai.runtime.run_folders.files import checkpoints as checkpoints
from mai.runtime.run_folders.files import holds_run as holds_run
from mai.runtime.run_folders.files import step_of as step_of
from mai.runtime.show.terminal import echo
from mai.spec.diagnostics import Diagnostic, MaiError

TOKENIZER, TENSORBOARD, WANDB = "tokenizer.json", "tensorboard", "wandb"
BEFORE = "before"
CLAIMS, FINDINGS = "claims", "claims.json"
# Where the files of a run are while it makes room: still being gathered, all gathered, on their way to `BEFORE`.
GATHERED = (".before-partly", ".before-whole", ".before-last")


def make(folder: Path) -> Path:
    """The folder, which is there from now on. Raises `MaiError` where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MaiError([Diagnostic("file-not-found", None, f"cannot write to {folder}: {error.strerror}")]) from error
    return folder


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Have the folder for one run alone. The lock is of the process, and no file: it is gone however the run ends.

    Where a file system has no locks, there is none.

    Raises:
        MaiError: `folder-in-use`: another run has it.
    """
    handle = _lock(folder)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(folder: Path) -> int | None:
    """The open folder, locked; None where that is not possible. Raises `MaiError` where another has locked it."""
    try:
        return locked(os.open(folder, os.O_RDONLY))
    except PermissionError:  # Windows opens no folders.
        return None
    except BlockingIOError as error:
        message, help = f"another training writes into {folder}", "wait until it ends, or train with another --out"
        raise MaiError([Diagnostic("folder-in-use", None, message, help=help)]) from error


def make_room(folder: Path, program: Program, data: Sequence[Path]) -> None:
    """Move the run in a folder, if there is one, into `FOLDER/before`, in the place of an earlier one there, and say so.

    Its files are its weights and checkpoints, what it told and recorded, and the compiled files of its program and of
    `program`. What the new run reads stays, `data` or what the spec names; so does all that no run writes. They are gathered
    in a folder of their own first, whose name says how far this has come: whatever kills it, `settle` knows what to do.
    """
    _settle(folder, program.name)
    if not holds_run(folder):
        return
    stay = {path.resolve() for path in [*data, *_named(program)]}
    before, files = make(folder / BEFORE), [path for path in _files(folder, program.name) if path.resolve() not in stay]
    replaced = f"; the run that was in {before} is removed" if holds_run(before) else ""
    gathered = make(folder / GATHERED[0])
    for path in files:
        path.replace(gathered / path.name)
    gathered.rename(folder / GATHERED[1])
    _settle(folder, program.name)
    again = f"--out {shlex.quote(str(before))} --resume goes on with it"
    echo(f"{folder} held a run: it is in {before} now; {again}{replaced}", err=True)


def settle(folder: Path) -> None:
    """Bring the files of a run to where they belong, where a `make_room` was killed between two of its steps.

    `folder` may be the one that has them or the one before.
    """
    if folder.name == BEFORE:
        settle(folder.parent)
    if any((folder / name).exists() for name in GATHERED):
        with suppress(MaiError), alone_in(folder):  # Where another run has the folder, it is still at it.
            _settle(folder)


def _settle(folder: Path, *programs: str) -> None:
    """A run of which some files are still in the folder goes back there; a whole one takes the place of the one before.

    What was written anew in the folder since then stays.
    """
    partly, whole, last = (folder / name for name in GATHERED)
    if partly.exists():
        for path in [path for path in partly.iterdir() if (folder / path.name).exists()]:
            _remove(path)
        _move_all(partly, folder)
    if whole.exists():
        for old in list(_files(make(folder / BEFORE), *programs, *_programs(whole))):
            _remove(old)
        whole.rename(last)
    if last.exists():
        _move_all(last, make(folder / BEFORE))


def _move_all(source: Path, folder: Path) -> None:
    """Move what is in a folder to another one and remove it. The weights go last."""
    for path in sorted(source.iterdir(), key=lambda path: path.suffix == ".safetensors"):
        target = folder / path.name
        if target.is_dir() and not target.is_symlink():
            _remove(target)
        shutil.move(path, target)
    source.rmdir()


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _named(program: Program) -> list[Path]:
    """The files of data that a spec names."""
    source = program.training.data if program.training else None
    paths = [getattr(source, name, None) for name in ("path", "validation", "test")]
    return [Path(program.source.path).parent / each for path in paths if path for each in listed(path)]


def _files(folder: Path, *programs: str) -> Iterator[Path]:
    """The files of a run of some programs, or of what its weights say. These, which say that there is one, are the last."""
    names = {*programs, *_programs(folder)}
    compiled = re.compile(rf"({'|'.join(map(re.escape, names))})\.\w+(\.step)?\.onnx")
    yield from (path for path in folder.glob("*.onnx") if compiled.fullmatch(path.name))
    kept = [
        folder / name
        for name in (RECORD, FAILURE, METRICS, RECORDS, TOKENIZER, TENSORBOARD, WANDB, CLAIMS, FINDINGS, WEIGHTS)
    ]
    yield from (path for path in [*kept, *checkpoints(folder)] if path.exists() or path.is_symlink())


def _programs(folder: Path) -> Iterator[str]:
    """The programs that the weights in a folder are of, as they say."""
    from safetensors import SafetensorError, safe_open

    for path in (folder / WEIGHTS, *checkpoints(folder)):
        try:
            with safe_open(path, "numpy") as tensors:
                yield from [name for key, name in (tensors.metadata() or {}).items() if key == "spec"]
        except (SafetensorError, OSError):
            continue
