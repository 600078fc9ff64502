"""Files that lie, never end, or do not fit: told at once, and nothing of them is run."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.data.batches import load as load_data
from mai.compiler.data.sources.csv import Csv
from mai.compiler.data.sources.images import Images
from mai.compiler.data.sources.npz import Npz
from mai.compiler.data.sources.text import Text
from mai.compiler.ir.types import DType, Type
from mai.compiler.training.run import checkpoint
from mai.compiler.weights.tensor_files import TensorFiles
from mai.runtime import ModelError, load
from mai.runtime.files import plain_file, write_atomically
from mai.runtime.inputs.values import parse_value
from mai.runtime.model.manifest import Port
from mai.spec.diagnostics import MaiError
from tests.support.cases.refused_data import refused

FIELDS = {"x": Type(DType.REAL, shape=(2,)), "y": Type(DType.INT, classes=10)}
IMAGES = {"x": Type(DType.REAL, shape=(1, 8, 8))}
TEXT = {"x": Type(DType.INT, shape=(4,), classes=256)}
PORT = Port(name="x", kind="input", dtype="float32", shape=[2], batch=True)


def pipe(folder: Path, name: str) -> Path:
    os.mkfifo(folder / name)
    return folder / name


READERS: dict[str, Callable[[Path], object]] = {
    "spec": lambda p: [d.message for d in check(p).diagnostics if d.slug == "file-not-found"],
    "import": lambda p: (
        p.with_name("a.mai").write_text(f'import "{p.name}"\n'),
        [d.message for d in check(p.with_name("a.mai")).diagnostics if d.slug == "import-not-found"],
    )[1],
    "npz": lambda p: refused(Npz(path=p.name), p.parent, FIELDS),
    "csv": lambda p: refused(Csv(path=p.name), p.parent, FIELDS),
    "text": lambda p: refused(Text(path=p.name, tokenizer="bytes"), p.parent, TEXT),
    "tokenizer": lambda p: (
        p.with_name("t.txt").write_text("text " * 50),
        refused(Text(path="t.txt", tokenizer=p.name), p.parent, TEXT),
    )[1],
    "images": lambda p: refused(Images(path="."), p.parent, IMAGES),
    "model": lambda p: refusal(ModelError, lambda: load(p)),
    "argument": lambda p: refusal(ModelError, lambda: parse_value(PORT, f"x=@{p}", None)),
    "checkpoint": lambda p: refusal(MaiError, lambda: checkpoint.read(p)),
    "weights": lambda p: refusal(MaiError, lambda: TensorFiles(p)),
}
ENDINGS = {
    "spec": ".mai",
    "import": ".mai",
    "csv": ".csv",
    "images": ".png",
    "model": ".onnx",
    "text": ".txt",
    "tokenizer": ".json",
}


def refusal(kind: type[Exception], action: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        action()
    return str(caught.value)


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_is_refused_and_never_waited_for(reader: str, tmp_path: Path) -> None:
    """In a process of its own, which may hang without the test."""
    path = pipe(tmp_path, f"p{ENDINGS.get(reader, '.npz')}")
    began = time.monotonic()
    assert READERS[reader](path)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/tty", "/"])
def test_devices_and_folders_are_no_files(device: str) -> None:
    with pytest.raises(OSError, match=r"it is a (device or a pipe, not a file|folder)"):
        plain_file(Path(device))


def test_a_device_behind_a_link_is_refused(tmp_path: Path) -> None:
    for name in ("x.npz", "x.csv", "x.onnx", "x.mai"):
        (tmp_path / name).symlink_to("/dev/zero")
    assert "not a file" in refused(Npz(path="x.npz"), tmp_path, FIELDS)
    assert "not a file" in refused(Csv(path="x.csv"), tmp_path, FIELDS)
    assert "not a file" in refusal(ModelError, lambda: load(tmp_path / "x.onnx"))
    assert [d.slug for d in check(tmp_path / "x.mai").diagnostics] == ["file-not-found"]


def test_imports_that_links_make_a_circle_of_end(tmp_path: Path) -> None:
    (tmp_path / "a.mai").write_text('import "b.mai"\nnet f(x: [2]) -> [2] { return x }\n')
    (tmp_path / "b.mai").symlink_to("a.mai")
    assert [d.slug for d in check(tmp_path / "a.mai").diagnostics] == ["import-cycle"]
    (tmp_path / "c.mai").symlink_to("d.mai")
    (tmp_path / "d.mai").symlink_to("c.mai")
    (tmp_path / "e.mai").write_text('import "c.mai"\nnet f(x: [2]) -> [2] { return x }\n')
    assert [d.slug for d in check(tmp_path / "e.mai").diagnostics] == ["import-not-found"]
    assert [d.slug for d in check(tmp_path / "c.mai").diagnostics] == ["file-not-found"]


def test_what_is_imported_is_a_spec_or_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.mai").write_text('import "/etc/passwd"\nnet f(x: [2]) -> [2] { return x }\n')
    checked = check(tmp_path / "a.mai")
    assert checked.program is None
    assert "internal" not in {d.slug for d in checked.diagnostics}


def test_the_unpacked_size_is_bounded_by_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "zeros.npz", x=np.zeros((100_000, 2), np.float32), y=np.zeros(100_000, np.int64))
    assert (tmp_path / "zeros.npz").stat().st_size < 10_000
    assert load_data(Npz(path="zeros.npz"), FIELDS, 0, tmp_path).count == 90_000
    monkeypatch.setattr("mai.runtime.files.memory", lambda: 1_000_000)
    assert "unpacked it takes" in refused(Npz(path="zeros.npz"), tmp_path, FIELDS)
    assert "unpacked it takes" in refusal(ModelError, lambda: parse_value(PORT, f"@{tmp_path / 'zeros.npz'}", None))


@pytest.mark.parametrize("shape", ["(1000000000000, 2)", "(9223372036854775807,)", "(-1, 2)", "(2, 2"])
def test_a_header_that_claims_more_than_there_is(shape: str, tmp_path: Path) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    raw = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(32)
    (tmp_path / "x.npy").write_bytes(raw)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", raw)
    assert "x.npz" in refused(Npz(path="x.npz"), tmp_path, FIELDS)
    assert "x.npy" in refusal(ModelError, lambda: parse_value(PORT, f"@{tmp_path / 'x.npy'}", None))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one row"),
        ("x0,x1,y\n", "at least one row"),
        ("x0,x1,y\n1,2,1000000\n", "labels 1000000 to 1000000, the spec has class[10]"),
        ("x0,x1,y\n1,nan,1\n", "column `x1` is empty in row 1 (`nan`)"),
        ("x0,y\n1,1\n", "[2] in the spec and [1] in the data"),
        ("x0,x1\n1,2\n", "no `y`"),
        ("x0,x1,y\n1,2,1e300\n", "`y` holds 1e+300, too large for a whole number"),
        ("x0,x1,y\n" + "9" * 5000 + ",2,1\n", "not finite"),
    ],
)
def test_tables_that_do_not_fit_are_told(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert message in refused(Csv(path="a.csv"), tmp_path, FIELDS)


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    class Ran:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return (os.mkdir, (str(tmp_path / "ran"),))

    np.savez(tmp_path / "x.npz", x=np.array([Ran()], object))
    assert "not a numpy .npz file of plain arrays" in refused(Npz(path="x.npz"), tmp_path, FIELDS)
    assert not (tmp_path / "ran").exists()


FULL = """import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.argv = ["mai", *sys.argv[1:]]
from mai.runtime.cli import main
main()
"""
SPEC = """data x: [2] from moons()
net f(x: [2]) -> [2] {
  param w: [4096, 2] ~ normal(0, 1)
  return linear(w @ x, 2)
}
train(steps = 2, batch = 4) {
  minimize mean((f(x) - x)^2)
  record f.w every 1
}
export g(x: [2]) -> [2] { return f(x) }
"""


def full(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, where no file may grow beyond 20 kB."""
    return subprocess.run(
        [sys.executable, "-c", FULL, *words], capture_output=True, text=True, check=False, cwd=folder, timeout=300
    )


@pytest.mark.slow
def test_a_full_disk_leaves_the_old_files_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "s.mai").write_text(SPEC)
    run = tmp_path / "run"
    run.mkdir()
    kept: dict[str, bytes] = {}
    for names, words in (
        (["s.g.onnx"], ("compile", "s.mai", "--out", "run")),
        (["weights.safetensors", "records.npz"], ("train", "s.mai", "--out", "run", "--device", "cpu", "--quiet")),
    ):
        for name in names:
            kept[name] = b"old"
            (run / name).write_bytes(b"old")
        done = full(tmp_path, *words)
        assert done.returncode == 1, done.stderr
        assert "File too large" in done.stderr
        assert "run/" in done.stderr
        assert "Traceback" not in done.stderr
    assert {p.name: p.read_bytes() for p in (run / "before").iterdir()} == kept
    assert {p.name for p in run.iterdir()} <= {"before", "metrics.jsonl", "run.json"}


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".npy", ".npz", ".csv", ".json", ".png"])
def test_results_on_a_full_disk(ending: str, tmp_path: Path) -> None:
    model = Path(__file__).parents[1] / "compat" / "format_1" / "flow.onnx"
    np.save(tmp_path / "shift.npy", np.zeros((4000, 2), np.float32))
    (tmp_path / f"x{ending}").write_bytes(b"old")
    done = full(tmp_path, "run", str(model), "shift=@shift.npy", "--out", f"x{ending}")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert f"x{ending}: File too large" in done.stderr
    assert (tmp_path / f"x{ending}").read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shift.npy", f"x{ending}"]


def test_a_link_stays_and_a_device_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    (tmp_path / "null").symlink_to("/dev/null")
    write_atomically(tmp_path / "null", b"new")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(IsADirectoryError, match="Is a directory"):
        write_atomically(tmp_path, b"new")


def test_a_name_too_long_for_the_disk(tmp_path: Path) -> None:
    """Found by the fuzzer: to look for such a file is an error of the system."""
    (tmp_path / "a.mai").write_text(f'import "{"9" * 300}.mai"\n', encoding="utf-8")
    assert [d.slug for d in check(tmp_path / "a.mai").diagnostics] == ["import-not-found"]
