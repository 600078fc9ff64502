"""The wheel: it holds every file of the package, and works where nothing but itself is of mai: with torch, without it, and to run files alone."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("spec", "compiler", "runtime", "examples")
NOT_OF_THE_PACKAGE = ("compiler/editor/vscode/", "compiler/ARCHITECTURE.md", "compiler/ops/ops.md")
HIDE = "import sys\nclass No:\n    def find_spec(self, name, *_):\n        if name.split('.')[0] in {hidden}: raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)\nsys.meta_path.insert(0, No())\n"
CALL = "from mai.runtime.cli import main\nmain()\n"

pytestmark = pytest.mark.slow


def tracked(*places: str) -> list[str]:
    done = subprocess.run(["git", "ls-files", *places], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no clone of the repository")
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in tracked(*ROOMS, "src", "pyproject.toml", "README.md", "LICENSE"):
        place = folder / "copy" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            place.symlink_to(os.readlink(ROOT / name))
        else:
            place.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "-w", str(folder), str(folder / "copy")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    """What pip installs, in a folder: the wheel is pure Python."""
    folder = wheel.parent / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def mai(place: Path, folder: Path, *words: str, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The command of an unpacked wheel, in a folder, as if some packages were not installed."""
    code = HIDE.format(hidden=without) + CALL
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONPATH": str(place)}
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *words],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


TRAINING = ("torch", "torchdiffeq", "onnx", "onnx_ir", "matplotlib", "sklearn", "scipy", "ot", "accelerate")
COMPILER = (*TRAINING, "lark", "pyarrow", "safetensors", "tokenizers")


def test_every_file_of_the_package_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    assert [
        name for name in tracked(*ROOMS) if f"mai/{name}" not in inside and not name.startswith(NOT_OF_THE_PACKAGE)
    ] == []
    assert "mai/py.typed" in inside and not any(name.startswith(("mai/tests", "mai/benchmarks")) for name in inside)


def test_it_trains_compiles_and_runs(unpacked: Path, tmp_path: Path) -> None:
    """The files of a run then work where there is neither torch nor lark, and specs are checked without torch."""

    def call(*words: str, without: tuple[str, ...] = ()) -> str:
        done = mai(unpacked, tmp_path, *words, without=without)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = subprocess.run(
        [sys.executable, "-P", "-c", "import mai; print(mai.__file__)"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(unpacked)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(unpacked)
    call("new", "flow.mai", without=TRAINING)
    assert "sound" in call("check", "flow.mai", without=TRAINING)
    call("format", "--check", "flow.mai", without=TRAINING)
    assert "58,370 parameters" in call("show", "flow.mai", without=TRAINING)
    assert "`X` is not `x`" in call("explain", "unknown-name", without=TRAINING)
    call("examples", "fourier_operator", without=TRAINING)
    call("train", "fourier_operator/fourier_operator.mai", "--steps", "1", "--quiet")
    call("train", "flow.mai", "--steps", "3", "--quiet")
    call("run", "runs/flow/flow.sample.onnx", "--batch", "5", "--out", "points.csv", without=COMPILER)
    assert len((tmp_path / "points.csv").read_text().splitlines()) == 6
    call("verify", "runs/flow/flow.sample.onnx", without=COMPILER)
    call("page", "runs/flow", "--out", "flow.html", without=COMPILER)
    assert (tmp_path / "flow.html").stat().st_size > 10_000


def test_what_is_lacking_is_said(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "flow.mai").write_text("export f(x: [2]) -> [2] { return x }\n")
    (tmp_path / "wrong.mai").write_text("export f(x: [2] -> [2] { return x }\n")
    for words, without in ((("compile", "flow.mai"), TRAINING), (("check", "wrong.mai"), COMPILER)):
        done = mai(unpacked, tmp_path, *words, without=without)
        assert done.returncode and "pip install 'mai-lang[train]'" in done.stderr, done.stderr
