"""An export of a program to one verified `.onnx` file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx_ir as ir

from mai.compiler import passes
from mai.compiler.ir.graph import Graph
from mai.compiler.onnx.build import build, serialised
from mai.compiler.onnx.chunks import chunk_of
from mai.compiler.onnx.finish import describe, manifest_of
from mai.compiler.onnx.quantize import NAMES
from mai.compiler.onnx.verify import Trial, longest_text, session, verify
from mai.compiler.ops.structure import Extend
from mai.compiler.program import Program
from mai.runtime.files import write_atomically
from mai.spec.diagnostics import Diagnostic, MaiError

Array = np.ndarray[Any, Any]
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
    """What was written: the file's size in bytes, seconds to build the graph, and the gate's largest difference."""

    path: Path
    size: int
    nodes: int
    seconds: float
    error: float | None


def file_name(program: Program, export: str) -> str:
    return f"{program.name}.{export}.onnx"


def model_of(
    program: Program, export: str, weights: Mapping[str, Array], *, opset: int = 23, unroll: bool = False,
    optimise: bool = True, cache: str = USUAL, drafts: int = 0, quantize: Quantize | None = None, **told: Any,
) -> tuple[ir.Model, Graph, Graph]:  # fmt: skip
    """The model of an export with its metadata, and its graph before and after optimisation. `told` is for the manifest."""
    plain, optimised = graphs_of(program, export, unroll=unroll, optimise=optimise, cache=cache, drafts=drafts)
    bits, chunk = quantize.bits if quantize else None, None if unroll else chunk_of(optimised)
    model = build(optimised, weights, opset=opset, unroll=unroll, chunk=chunk, bits=bits)
    manifest = manifest_of(program, plain, optimised, opset=opset, unrolled=unroll, quantize=quantize, **told)
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


def _grows(graph: Graph) -> bool:
    """Whether a text grows in an export: for any other, the incremental form is the plain one."""
    return any(node.op is Extend for node in graph.walk())


def export(
    program: Program, name: str, weights: Mapping[str, Array], folder: Path, *, opset: int = 23, unroll: bool = False,
    check: bool = True, cache: str = USUAL, drafts: int = 0, quantize: Quantize | None = None, **told: Any,
) -> Exported:  # fmt: skip
    """Compile an export to `FOLDER/NAME.EXPORT.onnx`, pass it through the gate, and write it.

    With `drafts`, a turn of a growing text reads up to so many tokens that it guesses. With `quantize`, the gate compares the same graph with whole weights. `told` is for the manifest: `trained_steps`,
    `tokenizer`.

    Raises:
        MaiError: `looks-ahead`, `no-drafts` or `compile-mismatch`; nothing is written.
    """
    began = time.perf_counter()
    how: dict[str, Any] = {"unroll": unroll, "cache": cache, "drafts": drafts, "quantize": quantize}
    made = model_of(program, name, weights, opset=opset, **how, **told)
    return _written(
        program, folder / file_name(program, name), weights, made, opset, check, began, quantize, longest_text(made[2])
    )


def export_step(
    program: Program, name: str, weights: Mapping[str, Array], folder: Path, *, opset: int = 23,
    check: bool = True, quantize: Quantize | None = None, **told: Any,
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
    model = build(turn, weights, opset=opset, bits=quantize.bits if quantize else None)
    manifest = manifest_of(program, turn, turn, opset=opset, whole=whole, quantize=quantize, **told)
    describe(model, manifest, program.source.text)
    path = folder / file_name(program, turn.name)
    return _written(program, path, weights, (model, turn, turn), opset, check, began, quantize, longest)


def _written(
    program: Program, path: Path, weights: Mapping[str, Array], made: tuple[ir.Model, Graph, Graph], opset: int,
    check: bool, began: float, quantize: Quantize | None, longest: int | None,
) -> Exported:  # fmt: skip
    """Serialise a model, pass it through the gate, and write it."""
    model, plain, optimised = made
    if sum(a.nbytes for a in weights.values()) > LARGEST:
        message = f"`{plain.name}` is over 2 GB, more than one file can hold"
        raise MaiError([Diagnostic("too-many-parameters", None, message)])
    raw = serialised(model)
    seconds = time.perf_counter() - began
    error = None
    if check:
        whole = raw if quantize is None else serialised(build(optimised, weights, opset=opset))
        if quantize is not None:
            session(raw)  # The gate compares whole weights; the file that is written must open, too.
        error = verify(whole, plain, optimised, weights, _torch_reference(plain, program, weights), opset, longest)
    write_atomically(path, raw)
    return Exported(path, len(raw), sum(1 for _ in model.graph.all_nodes()), seconds, error)


def _torch_reference(plain: Graph, program: Program, weights: Mapping[str, Array]) -> Any:
    import torch

    from mai.compiler.torch.module import lower
    from mai.compiler.torch.run import run
    from mai.compiler.torch.weights import Weights

    held = Weights(plain.weights)
    held.load_state_dict({k: torch.from_numpy(np.asarray(weights[k], order="C")) for k in plain.weights})
    module = lower(plain, held.eval(), program.name)

    def reference(tried: Trial) -> list[Array]:
        return run(module, plain, tried.inputs, tried.settings)

    return reference
