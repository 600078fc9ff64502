"""One turn of a growing text as a graph of its own, for hosts that show tokens as they come.

The states of the loop are its inputs, with the batch as their first axis, and its further outputs. All begin as zeros: of
size 0 along the text so far. What is one a call, the number of tokens so far say, is a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, OneTurn, Region, Setting, Value
from mai.compiler.ir.rewrite import Copier, free_values, reading, renewed_sizes, symbols_of
from mai.compiler.ir.structure import Loop
from mai.compiler.ops.random.choice import Choose
from mai.compiler.passes.text.growth import texts

NEXT, LOGITS = "next", "logits"


def step(graph: Graph) -> Graph | None:
    """The turn of the one growing text of an optimised graph; None where there is none, or where there are several.

    Outputs: the next token, the logits it is drawn by, then every state for the next turn, in the order of `states`.
    """
    loops = texts(graph)
    if len(loops) != 1:
        return None
    (loop,) = loops
    body, before = loop.regions[0], _before(graph, loop)
    made = Graph(name=f"{graph.name}.step", weights=dict(graph.weights))
    copier = Copier(Builder(made), {}, None, made.sizes)
    _interface(graph, body, [*before, *body.nodes], made, copier)
    copier.nodes([*before, *body.nodes])
    token, states = body.outputs[-1], list(zip(body.inputs[1:], body.outputs, strict=False))
    logits = [n.inputs[0] for n in body.nodes if n.op is Choose and n.output.type.shape == ()][-1:]
    carried = [(old, new) for old, new in states if copier[old] in made.inputs or copier[old].name in made.settings]
    made.outputs = [copier[v] for v in [token, *logits, *(new for _, new in carried)]]
    made.output_names = [NEXT, *([LOGITS] if logits else []), *(f"{copier[old].name}_next" for old, _ in carried)]
    made.one_turn = _one_turn(loop, made, copier, [copier[old] for old, _ in carried])
    return made


def _one_turn(loop: Node, made: Graph, copier: Copier, carried: Sequence[Value]) -> OneTurn:
    length, turn = Loop.of(loop).length, copier.mapping.get(loop.regions[0].inputs[0])
    assert length is not None, "a loop that grows a text has the stem of its sizes' names"
    tokens = made.sources[f"{length}_new"]
    states = {v.name: f"{v.name}_next" for v in made.inputs if v in carried and v is not tokens}
    return OneTurn(length, turn.name if turn is not None and turn.name in made.settings else None, states)


def _interface(graph: Graph, body: Region, nodes: Sequence[Node], made: Graph, copier: Copier) -> None:
    """Inputs and settings: what the turn's nodes read of the whole graph's, then the turn's number and the states."""
    read = {v for n in nodes for v in reading(n)} | set(body.outputs)
    spoken: set[str] = set().union(*map(symbols_of, nodes))
    sources = set(graph.sources.values())
    for name, setting in graph.settings.items():
        if setting.value in read or (graph.sizes.get(name) is setting.value and name in spoken and name != "batch"):
            _setting(made, copier, setting.value, name, setting)
    for value in graph.inputs:
        if value in read:
            _input(made, copier, value, value.name)
    taken = {v.name for v in made.inputs} | set(made.settings) | {NEXT, LOGITS}
    for value in body.inputs:
        if value not in read and value not in sources:
            continue
        name = _unused(value.name, taken)
        if value.type.lead:
            _input(made, copier, value, name)
        else:
            _setting(made, copier, value, name, Setting(value, 0, 0))
    made.sizes.update(renewed_sizes(graph, copier.mapping))
    made.sizes["batch"] = (made.inputs[-1], 0)


def _before(graph: Graph, loop: Node) -> list[Node]:
    """The nodes outside the loop that its body needs."""
    needed, kept = set(free_values(loop.regions[0])), []
    for node in reversed(graph.nodes[: graph.nodes.index(loop)]):
        if any(v in needed for v in node.outputs):
            kept.append(node)
            needed.update(reading(node))
    return kept[::-1]


def _input(made: Graph, copier: Copier, value: Value, name: str) -> None:
    copier.mapping[value] = Value(value.type, name)
    made.inputs.append(copier[value])


def _setting(made: Graph, copier: Copier, value: Value, name: str, setting: Setting) -> None:
    copier.mapping[value] = Value(value.type, name)
    made.settings[name] = replace(setting, value=copier[value])


def _unused(name: str, taken: set[str]) -> str:
    count, made = 0, name
    while made in taken:
        count += 1
        made = f"{name}_{count}"
    taken.add(made)
    return made
