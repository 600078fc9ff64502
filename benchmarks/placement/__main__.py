"""Where CUDA would compute every export of every example, and what it would copy: the table of `docs/cuda.md`.

python -m benchmarks.placement              without a card: by the compiler's table of kernels
python -m benchmarks.placement --check      and compare with ONNX Runtime's own CUDA provider, beside a stand-in for the card
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.hosts_matrix.subjects import SMALLER
from benchmarks.measure import table
from benchmarks.placement.asked import ask
from benchmarks.placement.stand_in import build, missing
from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.onnx.placement.assignment import place
from mai.compiler.onnx.placement.copies import Copies, count
from mai.compiler.onnx.placement.kernels import table as kernels
from mai.compiler.onnx.placement.report import Report, optimised, report
from mai.compiler.training.initial_weights import load_weights

ROOT = Path(__file__).parents[2]
PAGE, BEGIN, END = ROOT / "docs" / "cuda.md", "<!-- placement -->", "<!-- /placement -->"
HEAD = ["file", "no kernel for", "call", "turn", "no kernel for", "call", "turn"]


def files(folder: Path, *, cuda: bool, only: tuple[str, ...] = ()) -> Iterator[Path]:
    """Every export of every example, compiled into a folder with first weights; large ones smaller."""
    options = CompileOptions(cuda=cuda, verify=False, step=False)
    for spec in sorted((ROOT / "examples").glob("*.mai")):
        if only and spec.stem not in only:
            continue
        program = check(spec, SMALLER.get(spec.stem, {})).program
        assert program is not None, spec
        trained = Trained(load_weights(program, None)[0])
        for name in program.exports:
            yield export(program, name, trained, folder, options).path


def rows(folder: Path) -> Iterator[list[str]]:
    """A line for each export: as it is compiled without options, and with `--cuda`."""
    plain, there = (files(folder / str(cuda), cuda=cuda) for cuda in (False, True))
    for path, other in zip(plain, there, strict=True):
        yield [f"`{path.stem}`", *_cells(report(path)), *_cells(report(other))]


def _cells(report: Report) -> list[str]:
    lacking = ", ".join(f"{operator} {times}" for operator, times in report.without_kernel.most_common()) or "·"
    return [lacking, _said(report.call), _said(report.worst_turn) if report.turns else "·"]


def _said(copies: Copies) -> str:
    return f"{copies.to_host} + {copies.from_host}"


def differences(paths: list[Path]) -> list[str]:
    """Files of which ONNX Runtime's own provider says something else than the compiler: none, if all is right."""
    with tempfile.TemporaryDirectory() as folder:
        answers = ask(paths, build(Path(folder)))
    return [path.stem for path, answer in zip(paths, answers, strict=True) if foretold(path) != answer]


def foretold(path: Path) -> dict[str, object]:
    """What the compiler says of a file, in the form in which `asked` has it."""
    root = place(optimised(path))
    graphs = [[c.placed.path, c.by_nodes.to_host, c.by_nodes.from_host] for c in count(root)]
    host = Counter(n.op_type for g in root.walk() for i, n in enumerate(g.graph.node) if i not in g.on_device)
    return {"graphs": graphs, "host": dict(host)}


def main(words: list[str]) -> int:
    """Write the table; with `--check`, the exit status is 1 where the provider itself does otherwise, or is not here."""
    with tempfile.TemporaryDirectory() as folder:
        text = table(HEAD, list(rows(Path(folder))))
        head, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
        if "--check" not in words:
            return 0
        reason = missing()
        wrong = [reason] if reason else differences(sorted(Path(folder).glob("*/*.onnx")))
    print("\n".join(wrong) or f"as ONNX Runtime {kernels()[0]} itself assigns them")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
