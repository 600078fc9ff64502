"""The gate: a file is written only if the whole graph, loops included, computes what torch computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort

from mai.compiler.ir.evaluate import Evaluation
from mai.compiler.ir.graph import EVALUATIONS, Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.sizes import symbols
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import DType
from mai.compiler.onnx.build import build, serialised
from mai.compiler.passes.text.growth import texts
from mai.runtime.arrays import Array
from mai.runtime.model.session import session_options
from mai.spec.diagnostics import Diagnostic, MaiError

TOLERANCE = 1e-4
DRIFT = 1000  # How many of its own tolerances a solution may be from another, after many steps.
NARROW_TOLERANCE = {"fp16": 0.02, "bf16": 0.1}  # Some 20 roundings of 11 and of 8 bits, one upon the other.
WIDER = {"fp16": "--precision bf16, where numbers are large, or float32", "bf16": "--precision fp16 or float32"}
BATCHES = (1, 3)
FREE_SIZE = 5
MAX_STEPS = 3
NUMPY: dict[DType, Any] = {DType.REAL: np.float32, DType.INT: np.int64, DType.BOOL: np.bool_}


@dataclass(frozen=True, slots=True)
class Trial:
    """Random inputs and settings for one run."""

    inputs: dict[str, Array]
    settings: dict[str, Any]


Reference = Callable[[Trial], list[Array]]


def trial(graph: Graph, batch: int, seed: int = 0, longest: int | None = None) -> Trial:
    """Normal reals, labels in their range, few steps; a text grows to `longest` tokens at most."""
    generator = np.random.default_rng(seed)
    free = FREE_SIZE if longest is None else max(1, min(FREE_SIZE, longest - MAX_STEPS, longest // 2))
    most = MAX_STEPS if longest is None else min(MAX_STEPS, longest - free + 1)
    inputs = {v.name: _random(v, batch, free, generator) for v in graph.inputs}
    settings: dict[str, Any] = {name: s.default for name, s in graph.settings.items()}
    spoken = {n for v in graph.inputs for s in v.type.shape for n in symbols(s)}
    read = {s for name, s in graph.sizes.items() if name in spoken and not isinstance(s, tuple)}
    for name, setting in graph.settings.items():
        if graph.sizes.get(name) is setting.value and name != "batch":
            settings[name] = min(setting.default, most)
        if setting.value in read:
            settings[name] = free
    if "batch" in settings:
        settings["batch"] = batch
    if "seed" in settings:
        settings["seed"] = 2**40 + 7
    return Trial(inputs, settings)


def _random(value: Value, batch: int, free: int, generator: np.random.Generator) -> Array:
    shape = (batch, *(s if isinstance(s, int) else free for s in value.type.shape))
    if value.type.dtype is DType.REAL:
        return generator.standard_normal(shape).astype(np.float32)
    high = value.type.classes if isinstance(value.type.classes, int) else 2
    return generator.integers(0, high, shape).astype(NUMPY[value.type.dtype])


def verify(
    raw: bytes, plain: Graph, optimised: Graph, weights: Mapping[str, Array], reference: Reference, opset: int,
    longest: int | None = None,
) -> float:  # fmt: skip
    """The largest relative difference between the file's results and `reference(trial)`, torch's.

    Raises:
        MaiError: a difference is above the tolerance; `compile-mismatch` names the first node that differs.
    """
    worst, allowed = 0.0, allowance(plain)
    for tried, differences in _compared(raw, plain, reference, longest):
        error = max(differences.values())
        if not error <= allowed:
            raise MaiError([_account(plain, optimised, weights, tried, opset, error, allowed)])
        worst = max(worst, error)
    return worst


def verify_narrow(raw: bytes, plain: Graph, reference: Reference, precision: str, longest: int | None = None) -> float:
    """The same for a file in 16 bits: that of its real results, since a token is another one a rounding away.

    Raises:
        MaiError: `precision-loss`: it is above what rounding explains.
    """
    allowed = max(NARROW_TOLERANCE[precision], allowance(plain))
    real = {n for n, v in zip(plain.output_names, plain.outputs, strict=True) if v.type.dtype is DType.REAL}
    found = [d for _, held in _compared(raw, plain, reference, longest) for name, d in held.items() if name in real]
    worst = max(found, default=0.0)
    if not worst <= allowed:
        message = (
            f"in {precision}, `{plain.name}` differs from torch by {worst:.1e} (relative; {allowed:.0e} is allowed)"
        )
        raise MaiError([Diagnostic("precision-loss", None, message, help=WIDER[precision])])
    return worst


def _compared(
    raw: bytes, plain: Graph, reference: Reference, longest: int | None
) -> Iterator[tuple[Trial, dict[str, float]]]:
    """Trials, and how far each of the file's results is from the reference's."""
    opened = session(raw)
    names = [n for n in plain.output_names if n != EVALUATIONS]
    for batch in BATCHES:
        tried = trial(plain, batch, longest=longest)
        pairs = zip(names, _run(opened, plain, tried), reference(tried), strict=False)
        yield tried, {name: difference(a, b) for name, a, b in pairs}


def allowance(graph: Graph) -> float:
    """How far two runs may differ. A step that one run takes and the other, a rounding away, does not, is within the
    tolerance of an adaptive solver: so are the solutions that follow, but for what the equation makes of it.
    """
    tolerances: list[float] = [n.attributes["rtol"] for n in graph.walk() if n.attributes.get("rtol")]
    return max([TOLERANCE, *(DRIFT * rtol for rtol in tolerances)])


def longest_text(graph: Graph) -> int | None:
    """How many tokens the growing texts of an optimised graph may have."""
    return min((n.attributes["limit"] for n in texts(graph) if n.attributes["limit"]), default=None)


def difference(made: Array, wanted: Array) -> float:
    """The largest difference relative to the largest magnitude; infinite where only one of them is a number."""
    if made.shape != wanted.shape:
        return float("inf")
    if not made.size:
        return 0.0
    a, b = made.astype(np.float64), wanted.astype(np.float64)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    finite = np.isfinite(b)
    scale = float(np.abs(b[finite]).max(initial=0.0)) or 1.0
    return float(np.abs(a - b)[finite].max(initial=0.0)) / max(scale, 1e-6)


def session(raw: bytes) -> ort.InferenceSession:
    """A compiled file on the CPU, with the options that the runtime opens it with."""
    return ort.InferenceSession(raw, session_options(), providers=["CPUExecutionProvider"])


def _run(session: ort.InferenceSession, graph: Graph, tried: Trial) -> list[Array]:
    names = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}
    dtypes = {name: NUMPY[s.value.type.dtype] for name, s in graph.settings.items()}
    feed = {**tried.inputs, **{n: np.array(v, dtypes[n]) for n, v in tried.settings.items()}}
    try:
        made: list[Array] = session.run(None, {n: a for n, a in feed.items() if n in names})
    except Exception as error:  # onnxruntime raises many types of its own
        shapes = ", ".join(f"{name}: {list(a.shape)}" for name, a in tried.inputs.items())
        reason = str(error).strip().split("\n")[0].rpartition("] ")[2][:200]
        message = f"`{graph.name}` cannot be run on a trial ({shapes}): {reason}"
        raise MaiError(
            [Diagnostic("compile-mismatch", None, message, help="it has to work for sizes like these")]
        ) from error
    return made


# ------------------------------------------------------------- finding the node


def _account(
    plain: Graph, optimised: Graph, weights: Mapping[str, Array], tried: Trial, opset: int, error: float, allowed: float
) -> Diagnostic:
    """Which node differs first, counted in the order of the computation, loops through their first turn."""
    found = _first_difference(optimised, weights, tried, opset)
    message = f"`{plain.name}` in ONNX differs from torch by {error:.1e} (relative; {allowed:.0e} is allowed)"
    if found is None:
        return Diagnostic("compile-mismatch", None, message + "; no single operation differs", severity="error")
    node, own = found
    where = f" in `{node.scope}`" if node.scope else ""
    return Diagnostic(
        "compile-mismatch",
        node.span,
        message,
        label=f"first differs at `{node.op.name}`, `{node.output.name}`{where}: {own:.1e}",
    )


def _first_difference(
    graph: Graph, weights: Mapping[str, Array], tried: Trial, opset: int
) -> tuple[Node, float] | None:
    probe = copy_graph(graph, _first_turn)
    watched = [n for n in probe.nodes if n.outputs and n.output.type.dtype is not DType.BOOL and not n.regions]
    probe.outputs = [n.output for n in watched]
    probe.output_names = [f"probe_{i}" for i in range(len(watched))]
    made = _run(session(serialised(build(probe, weights, opset=opset))), probe, tried)
    wanted = Evaluation(probe, weights).run(tried.inputs, tried.settings)
    for node, a, b in zip(watched, made, wanted, strict=True):
        own = difference(a, b)
        if not own <= TOLERANCE:
            return node, own
    return None


def _first_turn(copier: Copier, node: Node) -> bool:
    """A loop as its first turn."""
    if node.op is not Loop:
        return False
    region = node.regions[0]
    states = [copier[v] for v in node.inputs[1:]]
    copier.mapping.update(zip(region.inputs, [copier.builder.constant(0), *states], strict=True))
    copier.nodes(region.nodes)
    made = [copier[v] for v in region.outputs]
    for old, new in zip(node.outputs[len(states) :], made[len(states) :], strict=True):
        copier.mapping[old] = _row(copier, new)
    copier.mapping.update(zip(node.outputs[: len(states)], made[: len(states)], strict=True))
    return True


def _row(copier: Copier, kept: Value) -> Value:
    from mai.compiler.ops.shape import Unsqueeze

    return copier.builder.emit(Unsqueeze, kept, axes=(-1 - kept.type.rank,))
