"""The matrix of engines and files: what its table says, and its programs in C and C++, compiled here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest

from benchmarks.hosts_matrix.engines import CPP, ENGINES, ROOT, C, Missing, build_program
from benchmarks.hosts_matrix.jobs import Job, run
from benchmarks.hosts_matrix.limited import TooLong, run_limited
from benchmarks.hosts_matrix.subjects import KINDS, Subject
from benchmarks.hosts_matrix.table import (
    MARK_OF_FILES,
    MARK_OF_KINDS,
    PAGE,
    place,
    sign,
    table_of_files,
    table_of_kinds,
)
from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime.model.manifest import MANIFEST_KEY, Manifest

SPEC = """net v(x: [2], y: class[3], s: []) -> [2] { return linear(tanh(linear(concat(x, [s]), 8) + embed(y, 8)), 2) }
export f(y: class[3], steps: int = 3, still: bool = false) -> ([2], class[3]) {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = v(x, y, s) }
  return (where(still, 0.0, x), y)
}
"""


def compiled(folder: Path, scale: float = 1.0) -> Path:
    """The file of `SPEC`, its weights so many times as large."""
    spec = folder / "spec.mai"
    spec.write_text(SPEC, encoding="utf-8")
    checked = check(spec)
    program = checked.program
    assert program is not None, checked.diagnostics
    trained = Trained({name: scale * weight for name, weight in load_weights(program, None)[0].items()})
    return export(program, "f", trained, folder / str(scale), CompileOptions(settings="required")).path


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """A file with all types of inputs."""
    path = compiled(tmp_path)
    properties = {p.key: p.value for p in onnx.load(path).metadata_props}
    manifest = Manifest.model_validate_json(properties[MANIFEST_KEY])
    assert manifest.self_test is not None
    return Subject("spec.f", "float32", path, manifest, manifest.self_test, None)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "source", "flags"), [("c", "run_c.c", C), ("cpp", "run_cpp.cpp", CPP)])
def test_programs_in_c_and_in_cpp_compute_the_file(
    name: str, source: str, flags: tuple[str, ...], subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"), None)
    if library is None:
        pytest.skip("needs the library of onnxruntime for Linux")
    try:
        program = build_program(source, flags, library, tmp_path)
    except Missing as missing:
        pytest.skip(str(missing))
    monkeypatch.setattr("benchmarks.hosts_matrix.jobs.BUILD", tmp_path)
    assert [o and o["result"] for o in run([str(program)], [Job(name, subject, subject.path)])] == ["equal"]
    broken = compiled(tmp_path, 1.01)
    wrong = Subject("spec.f", "float32", broken, subject.manifest, subject.test, None)
    assert [o and o["result"] for o in run([str(program)], [Job(name, wrong, broken)])] == ["wrong"]


def test_an_engine_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it has started; the clock alone says little on a machine with other work."""
    monkeypatch.setattr("benchmarks.hosts_matrix.limited.LOOK", 0.01)
    assert run_limited(["sh", "-c", "sleep 0.03; echo why >&2; exit 3"], 60) == "why"
    assert run_limited(["sh", "-c", "exit 3"], 60) == "ended by 3"
    with pytest.raises(TooLong):
        run_limited(["sh", "-c", "sleep 60 & sleep 60"], -1)


def test_what_is_wrong_stands_in_the_table() -> None:
    outcomes: dict[str, Any] = {
        "c": {"result": "equal", "error": 0.0},
        "cpp": {"result": "wrong", "error": 0.5, "reason": "`x` differs"},
        "node": {"result": "refused", "reason": "TypeError: no such operator"},
    }
    table = table_of_files({"a.f": outcomes}, dict.fromkeys((*outcomes, "iree"), "1.0"))
    assert "| `a.f` | = | **WRONG** 5e-01 | refused | · |" in table
    assert "Node refuses 1: `TypeError: no such operator`" in table
    assert sign("c", "a.f", None) == "·"


def test_the_page_has_every_export_in_every_engine_and_nothing_wrong() -> None:
    match = place(MARK_OF_FILES).search(PAGE.read_text(encoding="utf-8"))
    assert match is not None
    table = match[0]
    examples = sorted((ROOT / "examples").glob("*.mai"))
    names = [
        f"{path.stem}.{name}" for path in examples for name in re.findall(r"^export (\w+)", path.read_text(), re.M)
    ]
    rows = {line.split("`")[1]: line.count("|") for line in table.splitlines() if line.startswith("| `")}
    assert sorted(rows) == sorted(names) and set(rows.values()) == {
        sum("float32" in engine.kinds for engine in ENGINES.values()) + 2
    }
    assert "WRONG" not in table


def test_other_kinds_of_files_are_counted() -> None:
    """Of an engine that gets none of a kind nothing is said; why some are refused stands below."""
    equal, refused = {"result": "equal", "error": 0.0}, {"result": "refused", "reason": "no kernel"}
    rows = {"a.f": {"node": equal, "web": refused}, "b.f": {"node": equal, "web": equal}}
    table = table_of_kinds({"portable": rows}, dict.fromkeys(("c", "node", "web", "openvino"), "1.0"))
    assert "| files | Node | WebAssembly | OpenVINO |" in table
    assert "| portable, 2 | 2 = | 1 =, 1 refused | · |" in table
    assert "- WebAssembly refuses 1: `no kernel`" in table
    table = table_of_kinds({"portable": rows, "fp16": {"b.f": {"node": equal}}}, {"node": "1.0"})
    assert "- `mai compile` makes no file of fp16 of `a.f`, and says why" in table


def test_the_page_has_every_kind_of_file_and_nothing_wrong() -> None:
    match = place(MARK_OF_KINDS).search(PAGE.read_text(encoding="utf-8"))
    assert match is not None
    rows = [line.split(",")[0][2:] for line in match[0].splitlines() if re.match(r"\| \w+, \d", line)]
    assert rows == list(KINDS)[1:]
    assert "WRONG" not in match[0]
