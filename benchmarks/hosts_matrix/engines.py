"""The engines, as data: what each needs in a folder of its own, and the command that runs a job in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKERS = Path(__file__).parent / "workers"
BUILD = ROOT / "build" / "hosts"
LOOPS, NO_SCAN, FLAT = "loops", "no scan", "flat"
FLOAT32, PORTABLE = "float32", "portable"  # Kinds of files.
ALL_KINDS = (FLOAT32, PORTABLE, "int8", "int4", "fp16")
FOLDERS = ("/usr/include/onnxruntime", "/usr/include/onnxruntime/core/session", ROOT / "runtime" / "c" / "onnxruntime")
HEADERS = {".c": "onnxruntime_c_api.h", ".cpp": "onnxruntime_cxx_api.h"}
C, CPP = ("gcc", "-std=gnu11"), ("g++", "-std=c++17")
Command = list[str]


class Missing(Exception):
    """An engine cannot be installed here; the text says why."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine.

    Attributes:
        title: of its column.
        packages: from PyPI or npm, into its own folder.
        command: what runs a job there, but for the job's folder; it builds what is to be built.
        form: of the files that it gets: `LOOPS` as they are; `NO_SCAN`, by `--unroll` where there is a `Scan`; `FLAT`, those
            of which `--unroll` leaves no loop and not too many operators.
        kinds: of files that it gets, by their names in `subjects.KINDS`.
        narrow: whether it computes int64 as int32: seeds are below 2^31.
        node: whether the packages are npm's.
    """

    title: str
    packages: tuple[str, ...]
    command: Callable[[Path], Command]
    form: str = LOOPS
    kinds: tuple[str, ...] = (FLOAT32,)
    narrow: bool = False
    node: bool = False


def install(name: str) -> Command:
    """Put an engine into `build/hosts/NAME`, where it is not there yet, and say what runs a job. Raises `Missing`."""
    engine, home = ENGINES[name], BUILD / name
    stamp = home / "installed"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != " ".join(engine.packages):
        _run(*([_npm(home), *engine.packages] if engine.node else [_venv(home), *engine.packages]))
        stamp.write_text(" ".join(engine.packages), encoding="utf-8")
    return engine.command(home)


def version(name: str) -> str:
    """The versions of what is installed for an engine."""
    engine, home = ENGINES[name], BUILD / name
    if engine.node:
        import json

        package = json.loads((home / "node_modules" / engine.packages[0] / "package.json").read_text(encoding="utf-8"))
        return str(package["version"])
    own = engine.packages[0].split("==")[0].split("[")[0]
    code = f"from importlib.metadata import version; print(version({own!r}))"
    done = subprocess.run([str(_python(home)), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _run(*words: object) -> None:
    done = subprocess.run([str(w) for group in words for w in (group if isinstance(group, list) else [group])],
                          capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        raise Missing((done.stderr.strip() or done.stdout.strip()).splitlines()[-1])


def _venv(home: Path) -> list[str]:
    home.parent.mkdir(parents=True, exist_ok=True)
    if not _python(home).exists():
        _run([sys.executable, "-m", "venv", str(home)])
    return [str(_python(home)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _python(home: Path) -> Path:
    return home / "bin" / "python"


def _npm(home: Path) -> list[str]:
    if shutil.which("npm") is None:
        raise Missing("there is no npm here")
    return ["npm", "install", "--prefix", str(home), "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]


def _worker(script: str) -> Callable[[Path], Command]:
    return lambda home: [str(_python(home)), str(WORKERS / script)]


def _javascript(package: str) -> Callable[[Path], Command]:
    return lambda home: ["node", str(WORKERS / "run_javascript.mjs"), package, str(home)]


def _compiled(source: str, *flags: str) -> Callable[[Path], Command]:
    """A program of C or C++, linked with the library in the wheel."""

    def command(home: Path) -> Command:
        library = next(home.glob("lib/python*/site-packages/onnxruntime/capi/libonnxruntime.so.*"))
        return [str(build_program(source, flags, library, home))]

    return command


def build_program(source: str, flags: Sequence[str], library: Path, folder: Path) -> Path:
    """Compile one of `workers/` into a folder, with the headers that are here. `flags` begin with the compiler.

    Raises:
        Missing: there is no such compiler, or there are no headers.
    """
    if shutil.which(flags[0]) is None:
        raise Missing(f"there is no {flags[0]} here")
    header = HEADERS[Path(source).suffix]
    include = next((folder for folder in _header_folders() if (folder / header).exists()), None)
    if include is None:
        raise Missing(f"no {header}: a release of ONNX Runtime has it; ORT_INCLUDE may name its folder")
    program, soname = folder / Path(source).stem, folder / "libonnxruntime.so.1"
    if not soname.exists():
        soname.symlink_to(library)
    _run(
        [*flags, "-O1", f"-I{include}", str(WORKERS / source), "-o", str(program), str(soname), f"-Wl,-rpath,{folder}"]
    )
    return program


def _header_folders() -> list[Path]:
    named = os.environ.get("ORT_INCLUDE")
    return [*([Path(named)] if named else []), *map(Path, FOLDERS)]


ENGINES: dict[str, Engine] = {
    "ort_floor": Engine("ONNX Runtime 1.24", ("onnxruntime==1.24.*",), _worker("run_onnxruntime.py")),
    "ort_newest": Engine("newest", ("onnxruntime",), _worker("run_onnxruntime.py"), kinds=ALL_KINDS),
    "c": Engine("C", ("onnxruntime",), _compiled("run_c.c", *C)),
    "cpp": Engine("C++", ("onnxruntime",), _compiled("run_cpp.cpp", *CPP)),
    "node": Engine("Node", ("onnxruntime-node",), _javascript("onnxruntime-node"), kinds=ALL_KINDS, node=True),
    "web": Engine("WebAssembly", ("onnxruntime-web",), _javascript("onnxruntime-web"), kinds=ALL_KINDS, node=True),
    "onnxsim": Engine("onnxsim", ("onnxsim", "onnxruntime"), _worker("run_onnxsim.py")),
    "onnxslim": Engine("onnxslim", ("onnxslim", "onnxruntime"), _worker("run_onnxslim.py")),
    "reference": Engine("reference evaluator", ("onnx",), _worker("run_reference.py")),
    "openvino": Engine(
        "OpenVINO", ("openvino",), _worker("run_openvino.py"), form=NO_SCAN, kinds=(FLOAT32, PORTABLE), narrow=True
    ),
    "iree": Engine(
        "IREE",
        ("iree-base-compiler[onnx]", "iree-base-runtime", "onnx"),
        _worker("run_iree.py"),
        form=FLAT,
        kinds=(FLOAT32, PORTABLE),
    ),
    "tract": Engine("tract", ("tract", "onnx", "numpy"), _worker("run_tract.py"), form=FLAT, kinds=(PORTABLE,)),
}
