"""The files: every export of every example, with settings that must be given, and flat where no loop is left then."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from benchmarks.hosts_matrix.engines import BUILD, ENGINES, FLAT, FLOAT32, LOOPS, NO_SCAN, PORTABLE, ROOT
from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime.model.manifest import MANIFEST_KEY, Manifest
from mai.runtime.self_test.record import SelfTest
from mai.spec.diagnostics import MaiError

FILES = BUILD / "files"
KINDS = {  # How files are compiled; settings must always be given.
    FLOAT32: CompileOptions(settings="required", step=False),
    PORTABLE: CompileOptions(settings="required", step=False, portable=True, opset=21),
    "int8": CompileOptions(settings="required", step=False, quantize="int8"),
    "int4": CompileOptions(settings="required", step=False, quantize="int4"),
    "fp16": CompileOptions(settings="required", step=False, precision="fp16"),
}
SMALLER = {  # What is large, smaller: the operators are the same.
    "char_gpt": {"d": "16", "depth": "2", "heads": "2"},
    "llama": {"d": "16", "depth": "2", "heads": "2", "kv_heads": "1", "hidden": "32", "vocab": "256"},
    "resnet": {"L": "10"},
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A file of a kind with its manifest and self-test; `unrolled` is the same export by `--unroll`, if there is one."""

    name: str
    kind: str
    path: Path
    manifest: Manifest
    test: SelfTest
    unrolled: Path | None

    def file(self, form: str) -> Path | None:
        """The file of a form; None where there is none."""
        if form == LOOPS or self.unrolled is None:
            return self.path if form != FLAT else None
        names = operators(self.unrolled)
        if form == NO_SCAN:
            is_small = names.total() <= MOST_NODES
            return self.unrolled if is_small and "Scan" in operators(self.path) else self.path
        return self.unrolled if names.total() <= FEW_NODES and not names.keys() & CONTROL else None


CONTROL = {"Loop", "Scan", "If"}
MOST_NODES = 4000  # Of a file without loops that an engine opens in its minute,
FEW_NODES = 1000  # and of one that it compiles to machine code.


def operators(path: Path) -> Counter[str]:
    """The operators of a file's own graph, and how many there are of each."""
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def subjects(examples: list[Path], kind: str = FLOAT32) -> Iterator[Subject]:
    """The files of examples, compiled where their spec or the compiler has changed; none of those that have no file of a kind."""
    for path in examples:
        program = check(path, SMALLER.get(path.stem, {})).program
        assert program is not None, path
        for name in program.exports:
            if (subject := _subject(program, name, path, kind)) is not None:
                yield subject


def _subject(program: Program, name: str, spec: Path, kind: str) -> Subject | None:
    folder, file = FILES / kind / spec.stem, f"{spec.stem}.{name}.onnx"
    stamp, current, unrolled = folder / f"{name}.stamp", _stamp(spec), folder / "unrolled"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != current:
        unrolled.mkdir(parents=True, exist_ok=True)
        trained = Trained(load_weights(program, None)[0])
        _write(program, name, trained, folder, KINDS[kind])
        if any(engine.form != LOOPS for engine in ENGINES.values() if kind in engine.kinds):
            _write(program, name, trained, unrolled, replace(KINDS[kind], unroll=True, verify=False))
        stamp.write_text(current, encoding="utf-8")
    if not (folder / file).exists():
        return None
    manifest = _manifest(folder / file)
    assert manifest.self_test is not None
    other = unrolled / file
    return Subject(
        f"{spec.stem}.{name}", kind, folder / file, manifest, manifest.self_test, other if other.exists() else None
    )


def _write(program: Program, name: str, trained: Trained, folder: Path, options: CompileOptions) -> None:
    """The file of an export; none where it cannot be made so."""
    (folder / f"{program.name}.{name}.onnx").unlink(missing_ok=True)
    with suppress(MaiError):
        export(program, name, trained, folder, options)


def _manifest(path: Path) -> Manifest:
    properties = {p.key: p.value for p in onnx.load(path).metadata_props}
    return Manifest.model_validate_json(properties[MANIFEST_KEY])


def _stamp(spec: Path) -> str:
    sources = [spec, *sorted(p for room in ("spec", "compiler", "runtime") for p in (ROOT / room).rglob("*.py"))]
    return hashlib.sha256(b"".join(p.read_bytes() for p in sources)).hexdigest()
