"""Which operation of a file is wrong: the first one whose result is not that of the numpy reference."""

from __future__ import annotations

from collections.abc import Mapping

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import DType
from mai.compiler.onnx.comparing.opened import opened
from mai.compiler.onnx.comparing.roundings import UNCERTAIN, reference_with_roundings
from mai.compiler.onnx.comparing.trial import Trial, difference, run_trial
from mai.compiler.onnx.lowering.build import build
from mai.compiler.ops.shapes.shape import Unsqueeze
from mai.runtime.arrays import Array


def first_difference(
    graph: Graph, weights: Mapping[str, Array], trial: Trial, options: CompileOptions, tolerance: float
) -> tuple[Node, float] | None:
    """The first node that differs by more than `tolerance`, relative, and by how much; None where no single one does.

    Nodes are counted in the order of the computation, loops through their first turn. Where float32 alone makes a number uncertain,
    a difference of nearly equal ones say, a node has to differ by more than ten times that.
    """
    probe = copy_graph(graph, _first_turn)
    watched = [n for n in probe.nodes if n.outputs and n.output.type.dtype is not DType.BOOL and not n.regions]
    probe.outputs = [n.output for n in watched]
    probe.output_names = [f"probe_{i}" for i in range(len(watched))]
    results = run_trial(opened(build(probe, weights, options)), probe, trial)
    expected, moved = reference_with_roundings(probe, weights, trial)
    for node, result, array, by in zip(watched, results, expected, moved, strict=True):
        error = difference(result, array)
        if not error <= max(tolerance, min(UNCERTAIN * by, 1.0)):
            return node, error
    return None


def _first_turn(copier: Copier, node: Node) -> bool:
    """Replace a loop by its first turn."""
    if node.op is not Loop:
        return False
    region = node.regions[0]
    states = [copier[v] for v in node.inputs[1:]]
    copier.mapping.update(zip(region.inputs, [copier.builder.constant(0), *states], strict=True))
    copier.nodes(region.nodes)
    results = [copier[v] for v in region.outputs]
    for old, new in zip(node.outputs[len(states) :], results[len(states) :], strict=True):
        copier.mapping[old] = _row(copier, new)
    copier.mapping.update(zip(node.outputs[: len(states)], results[: len(states)], strict=True))
    return True


def _row(copier: Copier, kept: Value) -> Value:
    return copier.builder.emit(Unsqueeze, kept, axes=(-1 - kept.type.rank,))
