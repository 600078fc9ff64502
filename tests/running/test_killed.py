"""Whatever kills a run, nothing of it is lost, and the next command finds the folder in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from mai.compiler.program import Program
from mai.compiler.training.run.folder import make_room, settle
from mai.runtime.files import PART, write_atomically

SPEC = "data x: [2] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\ntrain(steps = 3) { minimize sum(f(x)^2) }\n"
STEPS = ("mkdir", "rename", "replace", "rmdir", "unlink")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Do some work in a process of its own that is killed before its `number`th change of a folder; False where it had fewer."""
    child = os.fork()
    if not child:
        changes = 0

        def fatal(real: Callable[..., Any]) -> Callable[..., Any]:
            def change(*arguments: Any, **options: Any) -> Any:
                nonlocal changes
                changes += 1
                if changes == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **options)

            return change

        for name in STEPS:
            setattr(os, name, fatal(getattr(os, name)))
        leave_after(work)
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def leave_after(work: Callable[[], object]) -> None:
    """Do some work in a child process, which ends with it: nothing of the tests goes on there."""
    try:
        work()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def write_run(folder: Path, mark: str) -> None:
    """The files of a run, each with a mark that says of which."""
    (folder / "tensorboard").mkdir(parents=True)
    for name in ("spec.g.onnx", "metrics.jsonl", "tensorboard/events"):
        (folder / name).write_text(mark)
    for name in (f"checkpoint-0000000{mark}", "weights"):
        save_file({mark: np.zeros(1)}, folder / f"{name}.safetensors", {"spec": "spec"})


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but what is in `before`."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path: str(path.relative_to(folder)) for path in files}
    return {name: path.read_bytes() for path, name in names.items() if not name.startswith("before/")}


@pytest.mark.slow
def test_a_run_that_makes_room_is_killed_between_any_two_steps(
    program: Callable[[str], Program], tmp_path: Path
) -> None:
    spec = program(SPEC)
    write_run(tmp_path / "new", "2")
    write_run(tmp_path / "old", "1")
    new, old = contents(tmp_path / "new"), contents(tmp_path / "old")
    outcomes = set()
    for number in range(1, 100):
        run = tmp_path / f"run{number}"
        write_run(run, "2")
        write_run(run / "before", "1")
        for folder in (run, run / "before"):
            (folder / "mine.txt").write_text("mine")
        if not killed_at(number, lambda run=run: make_room(run, spec, [])):  # type: ignore[misc]
            break
        settle(run)
        here, before = contents(run), contents(run / "before")
        assert here.pop("mine.txt") == before.pop("mine.txt") == b"mine"
        assert (here, before) in ((new, old), ({}, new))
        outcomes.add(bool(here))
        make_room(run, spec, [])
        assert contents(run / "before") == {**new, "mine.txt": b"mine"}
    assert number > 20
    assert outcomes == {True, False}


@pytest.mark.slow
def test_settling_is_killed_and_done_again(program: Callable[[str], Program], tmp_path: Path) -> None:
    spec = program(SPEC)
    write_run(tmp_path / "new", "2")
    new = contents(tmp_path / "new")
    for first in (6, 12, 20):
        for second in range(1, 100):
            run = tmp_path / f"run{first}.{second}"
            write_run(run, "2")
            write_run(run / "before", "1")
            assert killed_at(first, lambda run=run: make_room(run, spec, []))  # type: ignore[misc]
            if not killed_at(second, lambda run=run: settle(run)):  # type: ignore[misc]
                break
            settle(run)
            assert new in (contents(run), contents(run / "before"))
        assert second > 3


def test_what_a_killed_process_was_writing_goes(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"old")
    assert killed_at(2, lambda: write_atomically(path, b"new"))
    (left,) = (file for file in tmp_path.iterdir() if file != path)
    assert left.name.startswith(".weights.safetensors.")
    assert left.name.endswith(PART)
    (tmp_path / ".mine").write_text("mine")
    write_atomically(tmp_path / "other", b"1")
    assert {file.name for file in tmp_path.iterdir()} == {"weights.safetensors", ".mine", "other"}
    assert path.read_bytes() == b"old"


def test_what_a_living_process_is_writing_stays(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.replace = lambda *_: (os.write(writing, b"."), signal.pause())  # type: ignore[assignment]
        leave_after(lambda: write_atomically(tmp_path / "one", b"1"))
    try:
        assert os.read(reading, 1) == b"."
        write_atomically(tmp_path / "two", b"2")
        assert len(list(tmp_path.iterdir())) == 2
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    write_atomically(tmp_path / "two", b"3")
    assert [file.name for file in tmp_path.iterdir()] == ["two"]
