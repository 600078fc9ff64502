"""What CUDA makes of a file, in figures and in words: nodes without a kernel, and the copies of a call and of each loop's turn."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime as ort

from mai.compiler.onnx.placement.assignment import Placed, place
from mai.compiler.onnx.placement.copies import Copies, count
from mai.compiler.onnx.placement.kernels import table
from mai.runtime.model.session import CPU, session_options

# Nothing asks for the numbers of weights, and no ONNX file holds more than 2 GB.
WEIGHTS_BESIDE = {
    "session.optimized_model_external_initializers_file_name": "weights.bin",
    "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
}


@dataclass(frozen=True, slots=True)
class Report:
    """A file's nodes, those of them on the device, the operators without a kernel, and the copies of a call and of the turns of loops.

    A run of a graph has the branch of an `If` that copies more, and one turn of a `Scan`, which takes a whole batch at once on CUDA.
    `turns` are of each `Loop` by its path, `Scan/Loop`, without those of inner ones.
    """

    nodes: int
    on_device: int
    without_kernel: Counter[str]
    call: Copies
    turns: list[tuple[str, Copies]]

    @property
    def worst_turn(self) -> Copies:
        """The turn that copies most."""
        return max((copies for _, copies in self.turns), key=_size, default=Copies())


def report(path: Path) -> Report:
    """What CUDA makes of the ONNX file at `path`."""
    root = place(optimised(path))
    own = {id(counted.placed): counted.copies for counted in count(root)}
    graphs = list(root.walk())
    return Report(
        nodes=sum(len(g.graph.node) for g in graphs),
        on_device=sum(len(g.on_device) for g in graphs),
        without_kernel=Counter(g.graph.node[i].op_type for g in graphs for i in sorted(g.without_kernel)),
        call=_run(root, own),
        turns=[(g.path, _run(g, own)) for g in graphs if g.operator == "Loop"],
    )


def optimised(path: Path) -> onnx.ModelProto:
    """A file as ONNX Runtime has it when it assigns its nodes: after its basic optimisations, without the numbers of its large weights."""
    options = session_options()
    for name, value in WEIGHTS_BESIDE.items():
        options.add_session_config_entry(name, value)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "basic.onnx")
        ort.InferenceSession(str(path), options, providers=[CPU])
        return onnx.load(options.optimized_model_filepath, load_external_data=False)


def _run(placed: Placed, own: dict[int, Copies]) -> Copies:
    """The copies of one run of a graph."""
    branches: dict[int, list[Copies]] = {}
    for body in placed.inner:
        if body.operator != "Loop":
            branches.setdefault(body.at, []).append(_run(body, own))
    return sum((max(both, key=_size) for both in branches.values()), own[id(placed)])


def _size(copies: Copies) -> int:
    return copies.to_host + copies.from_host


def lines(name: str, report: Report) -> Iterator[str]:
    """A report in words."""
    yield f"{name} on CUDA, as ONNX Runtime {table()[0]} assigns it"
    lacking = ", ".join(f"{operator} {times}" for operator, times in report.without_kernel.most_common())
    yield f"  {report.on_device:,} of {report.nodes:,} nodes on the device{f'; no kernel for {lacking}' if lacking else ''}"
    for what, copies in [("a call", report.call), *((f"a turn of {path}", c) for path, c in report.turns)]:
        yield f"  {what:24} {copies.to_host} copies to the host, {copies.from_host} from it"
