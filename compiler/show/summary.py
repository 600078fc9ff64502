"""A spec in figures: its parameters, and for each export its inputs and outputs, and the operations and memory of an example."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

from mai.compiler.ir.graph import EVALUATIONS, Graph, Node, Region, Value
from mai.compiler.ir.sizes import symbols
from mai.compiler.ir.structure import Loop, Structural
from mai.compiler.ops.work import known_sizes, multiply_adds, size_of
from mai.compiler.passes import forms
from mai.compiler.passes.text.growth import texts
from mai.compiler.program import Program
from mai.spec.diagnostics import MaiError

BYTES = 4  # Of a float32.


def summary(program: Program) -> str:
    """The summary of a program as text."""
    lines = [f"{program.name}: {program.title}" if program.title else program.name, ""]
    lines += _weights(program)
    for name, graph in program.exports.items():
        lines += ["", *_export(name, graph)]
    lines += [""] if program.trainings else []
    for training in program.trainings:
        settings, name = training.settings, f"train {training.name}" if training.name else "train"
        length = f"{settings.steps:,} steps" if settings.steps else f"{settings.epochs:g} epochs"
        lines.append(f"{name}: {length} of {settings.batch} examples, {type(settings.optimizer).__name__.lower()}")
    return "\n".join(lines)


def _weights(program: Program) -> list[str]:
    owners: dict[str, list[int]] = {}
    for weight in program.weights.values():
        owners.setdefault(weight.owner, []).append(prod(weight.shape))
    totals = {owner: sum(counts) for owner, counts in owners.items()}
    if len(totals) != 1:
        totals["in all"] = sum(totals.values())
    return [f"  {name:16} {count:>14,} parameters  {_bytes(BYTES * count):>9}" for name, count in totals.items()]


def _export(name: str, graph: Graph) -> list[str]:
    inputs = ", ".join(f"{v.name}: {v.type.with_lead(())}" for v in graph.inputs)
    results = [v for v, n in zip(graph.outputs, graph.output_names, strict=True) if n != EVALUATIONS]
    outputs = ", ".join(f"{v.type.with_lead(())}" for v in results)
    lines = [f"export {name}({inputs}) -> {outputs}"]
    settings = ", ".join(f"{n} = {s.default}" for n, s in graph.settings.items())
    lines += [f"  settings         {settings}"] if settings else []
    plain = _prepared(graph)
    sizes = known_sizes(plain)
    work = multiply_adds(plain, sizes)
    activations = list(_activations(plain, sizes))
    lines.append(f"  operations       {_count(work)} multiply-adds an example")
    lines.append(
        f"  activations      {_bytes(sum(activations))} an example, the largest {_bytes(max(activations, default=0))}"
    )
    return lines + [line for loop in texts(plain) for line in _text(loop, sizes)]


def _prepared(graph: Graph) -> Graph:
    """The graph after the passes; a text is computed incrementally where that is possible, else anew each turn."""
    try:
        return forms.prepare(graph, cache="concat")
    except MaiError:
        return forms.prepare(graph)


def _text(loop: Node, sizes: Mapping[str, int]) -> Iterable[str]:
    """The memory that a growing text keeps, and its largest length."""
    text = Loop.of(loop)
    past = f"{text.length}_past"
    states = [v.type for v in loop.regions[0].inputs[1:]]
    growing = [t for t in states if any(past in symbols(s) for s in t.shape)]
    one = {**sizes, past: 1}
    kept = sum(BYTES * size_of(t.shape, one) for t in growing)
    fixed = sum(BYTES * size_of(t.shape, one) for t in states if t not in growing)
    yield f"  cache            {_bytes(kept)} a token, {_bytes(fixed)} beside"
    if text.limit:
        yield f"  text             at most {text.limit:,} tokens"


def _activations(region: Region, sizes: Mapping[str, int]) -> Iterable[int]:
    """The bytes of every value that depends on the example; of a loop, those of one turn."""
    for node in region.nodes:
        for inner in node.regions:
            yield from _activations(inner, sizes)
        if not issubclass(node.op, Structural):
            yield from (BYTES * size_of(v.type.physical, sizes) for v in node.outputs if _varies(v))


def _varies(value: Value) -> bool:
    return bool(value.type.lead)


def _bytes(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"


def _count(number: int) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
