"""One folder is one run's at a time, and nobody's once that run is over, killed or not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.run.folder import alone_in
from mai.spec.diagnostics import MaiError

Maker = Callable[..., Program]
SPEC = """data x: [2] from moons()
net f(x: [2]) -> [2] { return linear(x, 2) }
train(steps = 3, batch = 4) { minimize sum((f(x) - x)^2) }
"""
HOLD = """import sys
from pathlib import Path
from mai.compiler.training.run.folder import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("resume", [False, True])
def test_the_second_of_two_trainings_is_told(program: Maker, tmp_path: Path, resume: bool) -> None:
    spec, run = program(SPEC), tmp_path / "run"
    train(spec, run, Options(quiet=True, device="cpu"))
    before = files(run)
    with alone_in(run), pytest.raises(MaiError) as caught:
        train(spec, run, Options(quiet=True, device="cpu", resume=resume))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "folder-in-use"
    assert str(run) in diagnostic.message
    assert files(run) == before
    assert train(spec, run, Options(quiet=True, device="cpu", steps=5, resume=resume)).steps == 5


def test_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(MaiError, match="another training"), alone_in(tmp_path):
        pass
    other.kill()
    other.communicate()
    with alone_in(tmp_path):
        assert not list(tmp_path.iterdir())
