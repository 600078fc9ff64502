"""The rooms: who may import whom, what a fresh interpreter loads, and that packaged files are there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "onnx", "onnx_ir", "onnxruntime", "numpy", "sklearn", "accelerate", "safetensors", "matplotlib"}
FLOORS = ("ir", "ops", "solvers", "passes", "elaborate")  # Of the compiler, each on those before it.


def above(room: str) -> set[str]:
    """The rooms of the compiler that stand on this one, and both lowerings."""
    rooms = [*FLOORS[FLOORS.index(room) + 1 :], "torch", "onnx"]
    return {f"mai.compiler.{name}" for name in rooms}


ROOMS = {
    "spec": HEAVY | {"mai.compiler", "mai.runtime"},
    "runtime": {"torch", "lark", "onnx", "onnx_ir", "sklearn", "accelerate", "safetensors", "mai.spec"},
    "compiler/ir": {"torch", "onnx", "onnx_ir", "onnxruntime"} | above("ir"),
    "compiler/ops": HEAVY | above("ops"),
    "compiler/passes": {"torch", "onnx", "onnx_ir", "onnxruntime"},
    "compiler/solvers": HEAVY,
    "compiler/elaborate": HEAVY | {"lark"},
    "compiler/onnx": {"sklearn", "accelerate", "matplotlib"},
    "compiler/torch": {"onnx", "onnx_ir", "onnxruntime", "sklearn", "matplotlib"},
}


def imports(path: Path) -> set[str]:
    """What a file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return modules


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_in_one_direction(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        for name in imports(path):
            parts = name.split(".")
            reached = {".".join(parts[:i]) for i in range(1, len(parts) + 1)}
            allowed = room == "runtime" and path.name == "cli.py" and name == "mai.compiler.cli"
            assert allowed or not reached & ROOMS[room], f"{path.relative_to(ROOT)} imports {name}"


def test_settings_are_judged_without_pydantic() -> None:
    """Which is for what comes from files that other programs write: manifests, and the indices of weights."""
    for room in (
        "spec",
        "compiler/elaborate",
        "compiler/data",
        "compiler/training/optimizers",
        "compiler/training/schedules",
    ):
        for path in (ROOT / room).rglob("*.py"):
            assert "pydantic" not in imports(path), path.relative_to(ROOT)


def test_the_compiler_knows_no_typer() -> None:
    """`Option`, `Argument`, `Exit`, `Misuse` and `echo` are the runtime's, so that plain command lines start without it."""
    for path in (ROOT / "compiler").rglob("*.py"):
        assert "typer" not in imports(path), path.relative_to(ROOT)


def loaded_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_runtime_loads_no_torch_and_no_compiler() -> None:
    loaded = loaded_after("from mai.runtime import load")
    assert "onnxruntime" in loaded
    assert not {"torch", "lark", "onnx_ir", "mai.compiler", "mai.spec"} & loaded


def test_the_command_line_loads_nothing_heavy_before_a_verb_is_used() -> None:
    assert not (HEAVY | {"lark", "typer", "rich"}) & loaded_after("import mai.runtime.cli, mai.compiler.cli")


@pytest.mark.parametrize("name", ["dit", "moons_flow", "char_gpt", "fourier_operator"])
def test_check_loads_no_torch_and_no_numpy(name: str) -> None:
    """Derivatives are taken, and a text's incremental form is made, without numbers."""
    path = str(ROOT / "examples" / f"{name}.mai")
    loaded = loaded_after(
        "from pathlib import Path\nfrom mai.compiler.check import check, growing\n"
        f"program = check(Path({path!r})).program\nassert program is not None and not growing(program)"
    )
    assert not {"torch", "numpy", "onnx_ir", "onnxruntime", "pydantic"} & loaded


def test_files_are_short() -> None:
    for folder in ("spec", "compiler", "runtime"):
        for path in (ROOT / folder).rglob("*.py"):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            assert lines <= 450, f"{path.relative_to(ROOT)} has {lines} lines"


MOST_FILES = 14
# Folders of one thing a file, which nobody reads as a whole: a source, a verb.
LISTS = {"compiler/data/sources", "compiler/commands"}


def test_folders_are_small() -> None:
    for top in ("spec", "compiler", "runtime", "benchmarks", "tests"):
        for folder in (ROOT / top, *(p for p in (ROOT / top).rglob("*") if p.is_dir())):
            name = str(folder.relative_to(ROOT))
            files = [path for path in folder.glob("*.py") if path.name not in ("__init__.py", "conftest.py")]
            assert len(files) <= MOST_FILES or name in LISTS, f"{name} has {len(files)} files"
