"""How far a reader walks from text to bytes: which functions of mai are entered, in how many files.

    python -m benchmarks.walk           # counts, by stage
    python -m benchmarks.walk --list    # and the functions, by file

Two walks: one `linear(x, 64)`, and the sampler of `examples/moons_flow.mai`. A walk is check, prepare, optimise, build and
serialise, without the gate. It counts distinct functions and methods that are written with `def` and a name: no lambdas,
comprehensions, `__dunder__` methods, and nothing that a process does once: each walk is gone twice, and the second is counted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeVar

import mai
from mai.compiler.check import check
from mai.compiler.onnx.lowering.build import build, serialised
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.parameters import first_value

ROOT = Path(__file__).parents[1]
PACKAGE = str(Path(mai.__file__).parent)
LINEAR = "export f(x: [2]) -> [64] {\n  return linear(x, 64)\n}\n"
FLOW = (ROOT / "examples" / "moons_flow.mai").read_text(encoding="utf-8")
WALKS = {"linear(x, 64)": (LINEAR, "f"), "a flow's sampler": (FLOW, "sample")}
T = TypeVar("T")
Function = tuple[str, str]  # its file, relative to the package, and its qualified name


class Steps:
    """Functions entered, by stage."""

    def __init__(self) -> None:
        self.entered: dict[str, set[Function]] = {}

    def record(self, stage: str, call: Callable[[], T]) -> T:
        """The result of a call; the functions of mai that it enters are counted for `stage`."""
        codes: set[CodeType] = set()

        def seen(frame: FrameType, event: str, _: object) -> None:
            if event == "call":
                codes.add(frame.f_code)

        sys.setprofile(seen)
        try:
            return call()
        finally:
            sys.setprofile(None)
            self.entered[stage] = set(functions(codes))

    @property
    def all(self) -> set[Function]:
        return set().union(*self.entered.values())


def functions(codes: set[CodeType]) -> Iterator[Function]:
    """Those that count: of mai, with a name that somebody chose."""
    for code in codes:
        if code.co_filename.startswith(PACKAGE) and not code.co_name.startswith(("<", "__")):
            yield str(Path(code.co_filename).relative_to(PACKAGE)), code.co_qualname


def files(entered: set[Function]) -> int:
    return len({file for file, _ in entered})


def walk(text: str, export: str) -> Steps:
    """From a spec's text to the bytes of one export."""
    steps = Steps()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.mai"
        path.write_text(text, encoding="utf-8")
        program: Program | None = steps.record("check", lambda: check(path)).program
    assert program is not None
    weights: dict[str, Any] = {name: first_value(weight, 0) for name, weight in program.weights.items()}
    prepared = steps.record("prepare", lambda: forms.prepare(program.exports[export]))
    optimised = steps.record("optimise", lambda: forms.optimise(prepared))
    model = steps.record("build", lambda: build(optimised, weights))
    steps.record("serialise", lambda: serialised(model))
    return steps


def show(steps: Steps, listed: bool) -> None:
    """Print the counts, and with `listed` every function."""
    for stage, entered in steps.entered.items():
        print(f"  {stage:<10} {len(entered):>4} functions in {files(entered):>3} files")
    if not listed:
        return
    by_file: defaultdict[str, list[str]] = defaultdict(list)
    for file, name in sorted(steps.all):
        by_file[file].append(name.replace("<locals>.", ""))
    for file, names in by_file.items():
        print(f"  {file} ({len(names)}): {', '.join(names)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name every function")
    listed = parser.parse_args().list
    for title, (text, export) in WALKS.items():
        walk(
            text, export
        )  # What a process does once is done then: the prelude is parsed, records compile their `__init__`.
        steps = walk(text, export)
        print(f"{title}: {len(steps.all)} functions in {files(steps.all)} files")
        show(steps, listed)


if __name__ == "__main__":
    main()
