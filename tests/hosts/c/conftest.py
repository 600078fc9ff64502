"""The library of `runtime/c`, built once, and the files that it opens."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import onnxruntime as ort
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export, export_part, export_step
from mai.compiler.training.initial_weights import load_weights
from tests.support.c_host import HEADERS, SOURCES, STRICT, Host
from tests.support.cases.falling import falling
from tests.support.hosts import TEXT

FLOW = """net v(x: [2], t: []) -> [2] { return linear(concat(x, [t]), 2) |> tanh }
export sample(steps: int = 4) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using heun(steps) { dx/ds = v(x, s) }
  return x
}
export moved(x: [P, 2], w: [P + 1], label: class[3], scale: real = 2.0) -> ([P, 2], class[3]) {
  return (scale * x + sum(w), label)
}
export far(x: [1]) -> [1] {
  integrate s in 0..1 using dopri5(rtol = 1e-6, atol = 1e-9, max_steps = 20) { dx/ds = x * x }
  return x
}
export greek(x: [β, 2], w: [β + 1], γ: int = 1) -> [2] { return sum(x, axis = 0) + sum(w) + 0 * sum(x[:γ]) }
export row(when: [], kind: class[3]) -> ([], class[3]) { return (2 * when, kind) }
export equal(flags: bool, many: [N, 2], on: bool = true) -> (bool, [N]) { return (flags == on, sum(many, axis = 1)) }
"""
SAMPLERS = """net pull(x: [2]) -> [2] { return linear(tanh(linear(x, 8)), 2) }
export noisy(steps: int = 5) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using euler_maruyama(steps) { dx = pull(x) * ds + 0.5 * dW }
  return x
}
export sized(z: [N, 2], w: [N], scale: real = 1.0, steps: int = 3) -> ([N, 2], []) {
  x = z
  e ~ normal([])
  integrate s in 0..1 using ab2(steps) { dx/ds = scale * (pull(x) - mean(x, axis = 0)) + w[:, None] }
  return (x, e)
}
""" + falling("falls", steps=40)


@pytest.fixture(scope="session")
def onnxruntime_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ONNX Runtime's library, under the name that programs are linked to."""
    if shutil.which("gcc") is None or shutil.which("g++") is None:
        pytest.skip("needs gcc and g++")
    link = tmp_path_factory.mktemp("onnxruntime") / "libonnxruntime.so.1"
    link.symlink_to(next((Path(ort.__file__).parent / "capi").glob("libonnxruntime.so.1*")))
    return link


@pytest.fixture(scope="session")
def build(onnxruntime_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compile the sources, with warnings as errors: with flags, as a library or with a program's own source."""

    def compiled(*flags: str, compiler: str = "gcc") -> Path:
        out = tmp_path_factory.mktemp("c") / "built"
        command = [
            compiler,
            *flags,
            *STRICT,
            "-pthread",
            f"-I{HEADERS}",
            f"-I{SOURCES}",
            "-o",
            str(out),
            str(onnxruntime_library),
        ]
        done = subprocess.run(
            [*command, "-lm", f"-Wl,-rpath,{onnxruntime_library.parent}"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return out

    return compiled


@pytest.fixture(scope="session")
def library(build: Callable[..., Path]) -> Path:
    return build("-std=c99", "-shared", "-fPIC", *map(str, sorted(SOURCES.glob("*.c"))))


@pytest.fixture(scope="session")
def host(library: Path) -> Host:
    return Host(library)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the exports of `FLOW`, also with required settings, and of a text with its file of one turn."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "required").mkdir()
    for stem, text in {"flow": FLOW, "text": TEXT}.items():
        (folder / f"{stem}.mai").write_text(text, encoding="utf-8")
        program = check(folder / f"{stem}.mai").program
        assert program is not None
        trained = Trained(load_weights(program, None)[0], tokenizer="bytes", labels={"label": ("red", "green", "blue")})
        for name in program.exports:
            export(program, name, trained, folder, CompileOptions(verify=False))
            export_step(program, name, trained, folder, CompileOptions(verify=False))
            export(program, name, trained, folder / "required", CompileOptions(verify=False, settings="required"))
    return folder


@pytest.fixture(scope="session")
def samplers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the exports of `SAMPLERS`, with their files of some turns, also with settings that must be given."""
    folder = tmp_path_factory.mktemp("samplers")
    (folder / "s.mai").write_text(SAMPLERS, encoding="utf-8")
    program = check(folder / "s.mai").program
    assert program is not None
    trained = Trained(load_weights(program, None)[0])
    for name in program.exports:
        for to, options in (
            (folder, CompileOptions(verify=False)),
            (folder / "required", CompileOptions(verify=False, settings="required")),
        ):
            export(program, name, trained, to, options)
            export_part(program, name, trained, to, options)
    return folder
