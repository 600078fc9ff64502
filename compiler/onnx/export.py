"""An export of a program to one verified `.onnx` file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnx_ir as ir

from mai.compiler import passes
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Extend
from mai.compiler.onnx.build import build, serialised
from mai.compiler.onnx.gate import Trial, allowance, longest_text, session, verify, verify_narrow
from mai.compiler.onnx.layout.chunks import chunk_of
from mai.compiler.onnx.manifest import describe, manifest_of, sealed
from mai.compiler.onnx.precision.narrow import Precision
from mai.compiler.onnx.precision.quantize import NAMES, Coarse
from mai.compiler.onnx.precision.whole import notes, whole_products
from mai.compiler.program import Program
from mai.runtime.arrays import Array
from mai.runtime.files import write_atomically
from mai.spec.diagnostics import Diagnostic, MaiError

LARGEST = 2**31 - 1
# How a growing text keeps the past unless something else is asked for: up to a thousand tokens, measured faster than two
# levels with int4 weights and as fast with float32.
USUAL = "concat"


@dataclass(frozen=True, slots=True)
class Quantize:
    """Weights in few bits: "int4" or "int8", and the relative change of the loss that was measured, if it was."""

    kind: Literal["int4", "int8"]
    change: float | None = None

    @property
    def bits(self) -> int:
        return NAMES[self.kind]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the file's size in bytes, seconds to build the graph, and the gate's largest difference, of which
    `allowed` would have passed. `notes` say what few bits did not do.
    """

    path: Path
    size: int
    nodes: int
    seconds: float
    error: float | None
    allowed: float
    notes: tuple[str, ...] = ()


def file_name(program: Program, export: str) -> str:
    return f"{program.name}.{export}.onnx"


def model_of(
    program: Program, export: str, weights: Mapping[str, Array], *, opset: int = 23, unroll: bool = False,
    optimise: bool = True, cache: str = USUAL, drafts: int = 0, quantize: Quantize | None = None,
    precision: Precision = "float32", required: bool = False, **told: Any,
) -> tuple[ir.Model, Graph, Graph]:  # fmt: skip
    """The model of an export with its metadata, and its graph before and after optimisation. `told` is for the manifest."""
    plain, optimised = graphs_of(program, export, unroll=unroll, optimise=optimise, cache=cache, drafts=drafts)
    chunk = None if unroll else chunk_of(optimised)
    coarse = coarse_of(program.exports[export], optimised, quantize.bits) if quantize else None
    form: dict[str, Any] = {"opset": opset, "precision": precision, "required": required}
    model = build(optimised, weights, unroll=unroll, chunk=chunk, coarse=coarse, **form)
    manifest = manifest_of(program, plain, optimised, unrolled=unroll, quantize=quantize, **form, **told)
    describe(model, manifest, program.source.text)
    return model, plain, optimised


def graphs_of(
    program: Program, export: str, *, unroll: bool = False, optimise: bool = True, cache: str = USUAL, drafts: int = 0
) -> tuple[Graph, Graph]:
    """An export as torch runs it, and as it becomes ONNX; `cache` and `drafts` say how a text grows."""
    graph = passes.freeze(program.exports[export]) if unroll else program.exports[export]
    plain = passes.prepare(graph)
    executed = passes.prepare(graph, cache=cache, drafts=drafts) if _grows(graph) else plain
    return plain, passes.optimise(executed) if optimise else executed


def coarse_of(graph: Graph, optimised: Graph, bits: int) -> Coarse:
    """How the weights of an export are kept: a turn of a growing text has few rows, one of an integral has all of them."""
    return Coarse(bits, frozenset() if bits < 8 or _grows(graph) else whole_products(optimised))


def coarse_of_all(program: Program, bits: int) -> Coarse:
    """The same of all exports together."""
    held = [coarse_of(graph, graphs_of(program, name)[1], bits).whole for name, graph in program.exports.items()]
    return Coarse(bits, frozenset().union(*held))


def _grows(graph: Graph) -> bool:
    """Whether a text grows in an export: for any other, the incremental form is the plain one."""
    return any(node.op is Extend for node in graph.walk())


def export(
    program: Program, name: str, weights: Mapping[str, Array], folder: Path, *, opset: int = 23, unroll: bool = False,
    check: bool = True, cache: str = USUAL, drafts: int = 0, quantize: Quantize | None = None,
    precision: Precision = "float32", required: bool = False, **told: Any,
) -> Exported:  # fmt: skip
    """Compile an export to `FOLDER/NAME.EXPORT.onnx`, pass it through the gate, and write it.

    With `drafts`, a turn of a growing text reads up to so many tokens that it guesses. With `quantize` or a `precision` of
    16 bits, the gate compares the same graph with whole weights, too. With `required`, settings have no defaults but in the
    manifest. `told` is for the manifest: `trained_steps`, `tokenizer`.

    Raises:
        MaiError: `looks-ahead`, `no-drafts`, `compile-mismatch` or `precision-loss`; nothing is written.
    """
    began = time.perf_counter()
    how: dict[str, Any] = {
        "unroll": unroll, "cache": cache, "drafts": drafts, "precision": precision, "required": required,
    }  # fmt: skip
    model, plain, optimised = model_of(program, name, weights, opset=opset, quantize=quantize, **how, **told)
    gate = Gate(program, weights, plain, optimised, opset, longest_text(optimised), quantize, precision)
    written = _written(folder / file_name(program, name), model, gate, check, began)
    if quantize is None:
        return written
    best = coarse_of(program.exports[name], optimised, max(NAMES.values())).whole
    return replace(written, notes=notes(optimised, model, quantize.bits, best))


def export_step(
    program: Program, name: str, weights: Mapping[str, Array], folder: Path, *, opset: int = 23, check: bool = True,
    quantize: Quantize | None = None, precision: Precision = "float32", required: bool = False, **told: Any,
) -> Exported | None:  # fmt: skip
    """One turn of an export whose text grows, to `FOLDER/NAME.EXPORT.step.onnx`; None where no text grows.

    The gate compares it with torch on states of its own. Raises as `export` does.
    """
    if not _grows(program.exports[name]):
        return None
    began = time.perf_counter()
    whole = graphs_of(program, name)[1]
    turn = passes.step(whole)
    longest = longest_text(whole)
    if turn is None or longest == 1:
        return None
    coarse = Coarse(quantize.bits) if quantize else None
    form: dict[str, Any] = {"opset": opset, "precision": precision, "required": required}
    model = build(turn, weights, coarse=coarse, **form)
    manifest = manifest_of(program, turn, turn, whole=whole, quantize=quantize, **form, **told)
    describe(model, manifest, program.source.text)
    gate = Gate(program, weights, turn, turn, opset, longest, quantize, precision)
    return _written(folder / file_name(program, turn.name), model, gate, check, began)


@dataclass(frozen=True, slots=True)
class Gate:
    """What a file must pass: its graph with whole weights is compared with torch, and what is coarser is looked at."""

    program: Program
    weights: Mapping[str, Array]
    plain: Graph
    optimised: Graph
    opset: int
    longest: int | None
    quantize: Quantize | None
    precision: Precision

    def error(self, raw: bytes) -> float:
        """The largest relative difference from torch: of the file itself, or with few bits of the same graph without."""
        exact = self.quantize is None and self.precision == "float32"
        whole = raw if exact else serialised(build(self.optimised, self.weights, opset=self.opset))
        if self.quantize is not None:
            session(raw)  # The gate compares whole weights; the file that is written must open, too.
        reference = _torch_reference(self.plain, self.program, self.weights)
        worst = verify(whole, self.plain, self.optimised, self.weights, reference, self.opset, self.longest)
        if self.precision == "float32":
            return worst
        narrow = [self._simulated(raw)] + [raw] * (self.precision == "fp16")
        return max(verify_narrow(held, self.plain, reference, self.precision, self.longest) for held in narrow)

    def _simulated(self, raw: bytes) -> bytes:
        """The same graph in float32, each value rounded: of bf16 a CPU has no kernels, and in fp16 it leaves roundings out."""
        onnx.checker.check_model(raw, full_check=True)
        return serialised(build(self.optimised, self.weights, opset=self.opset, precision=self.precision, rounded=True))


def _written(path: Path, model: ir.Model, gate: Gate, check: bool, began: float) -> Exported:
    """Serialise a model, pass it through the gate, and write it."""
    if sum(a.nbytes for a in gate.weights.values()) > LARGEST:
        message = f"`{gate.plain.name}` is over 2 GB, more than one file can hold"
        raise MaiError([Diagnostic("too-many-parameters", None, message)])
    raw = sealed(model)
    seconds = time.perf_counter() - began
    error = gate.error(raw) if check else None
    write_atomically(path, raw)
    nodes = sum(1 for _ in model.graph.all_nodes())
    return Exported(path, len(raw), nodes, seconds, error, allowance(gate.plain))


def _torch_reference(plain: Graph, program: Program, weights: Mapping[str, Array]) -> Any:
    import torch

    from mai.compiler.torch.module import lower
    from mai.compiler.torch.parameters import Weights
    from mai.compiler.torch.run import run

    held = Weights(plain.weights)
    held.load_state_dict({k: torch.from_numpy(np.asarray(weights[k], order="C")) for k in plain.weights})
    module = lower(plain, held.eval(), program.name)

    def reference(tried: Trial) -> list[Array]:
        return run(module, plain, tried.inputs, tried.settings)

    return reference
