"""The step file: one turn of a growing text as a graph of its own, for hosts that show tokens as they come.

The states of the loop are inputs, with the batch as their first axis, and outputs. All begin as zeros, of size 0 along the text
so far. States without a batch axis, such as the number of tokens so far, are settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, OneTurn, Region, Setting, Value, unused_name
from mai.compiler.ir.rewrite import Copier, free_values, reading, renewed_sizes, symbols_of
from mai.compiler.ir.structure import NOTHING, Loop
from mai.compiler.ops.elementwise.conversion import written_out
from mai.compiler.ops.elementwise.logic import Equal, Where
from mai.compiler.ops.random.choice import Choose
from mai.compiler.passes.text.growth import ended_before, texts

NEXT, LOGITS = "next", "logits"


def step(graph: Graph) -> Graph | None:
    """The turn of the only growing text of an optimised graph; None where there is none, or where there are several.

    Its outputs are the next token, the logits that it is drawn from where it is, then every state for the next turn.
    """
    loops = texts(graph)
    if len(loops) != 1 or Loop.of(loops[0]).length is None:
        return None
    (loop,) = loops
    body, before = loop.regions[0], _before(graph, loop)
    turn_graph = Graph(name=f"{graph.name}.step", weights=dict(graph.weights))
    copier = Copier(Builder(turn_graph), {}, None, turn_graph.sizes)
    _interface(graph, body, [*before, *body.nodes], turn_graph, copier)
    copier.nodes([*before, *body.nodes])
    states = list(zip(body.inputs[1:], body.outputs, strict=False))
    token = body.outputs[len(states)]
    logits = _drawn_from(token)
    carried = [
        (old, new) for old, new in states if copier[old] in turn_graph.inputs or copier[old].name in turn_graph.settings
    ]
    turn_graph.outputs = [copier[v] for v in [token, *logits, *(new for _, new in carried)]]
    turn_graph.output_names = [NEXT, *([LOGITS] if logits else []), *(f"{copier[old].name}_next" for old, _ in carried)]
    one_turn = _one_turn(loop, turn_graph, copier, [copier[old] for old, _ in carried])
    turn_graph.one_turn = replace(one_turn, logits=LOGITS if logits else None)
    return turn_graph


def _drawn_from(token: Value) -> list[Value]:
    """The logits [vocab] of the draw that a token is, unless its row has ended; none where it comes from anything else."""
    producer = token.producer
    while producer is not None and producer.op is Where and written_out(producer.inputs[1]) == NOTHING:
        producer = producer.inputs[2].producer
    return [producer.inputs[0]] if producer is not None and producer.op is Choose else []


def _one_turn(loop: Node, turn_graph: Graph, copier: Copier, carried: Sequence[Value]) -> OneTurn:
    length, turn = Loop.of(loop).length, copier.mapping.get(loop.regions[0].inputs[0])
    assert length is not None, "a loop that grows a text has the stem of its sizes' names"
    tokens = turn_graph.sources[f"{length}_new"]
    states = {v.name: f"{v.name}_next" for v in turn_graph.inputs if v in carried and v is not tokens}
    counted = turn.name if turn is not None and turn.name in turn_graph.settings else None
    ended = ended_before(loop)
    settled = tuple(copier[v].name for v in _settled(loop.regions[0]) if copier[v].name in states)
    return OneTurn(length, counted, states, None if ended is None else copier[ended].name, settled)


def _settled(body: Region) -> list[Value]:
    """The states that no token of a row changes once there is one: s becomes where(s == past, ..., s), as the number of places before it."""
    after = zip(body.inputs[1:], body.outputs, strict=False)
    return [old for old, new in after if new.producer is not None and _is_kept(old, new.producer, body.inputs)]


def _is_kept(state: Value, node: Node, states: Sequence[Value]) -> bool:
    if node.op is not Where or node.inputs[2] is not state or node.inputs[0].producer is None:
        return False
    compared = node.inputs[0].producer
    counts = [v for v in compared.inputs if v is not state]
    return compared.op is Equal and len(counts) == 1 and counts[0] in states and not counts[0].type.lead


def _interface(graph: Graph, body: Region, nodes: Sequence[Node], turn_graph: Graph, copier: Copier) -> None:
    """Add inputs and settings: those of the whole graph that the turn reads, then the number of the turn and the states."""
    read = {v for n in nodes for v in reading(n)} | set(body.outputs)
    spoken: set[str] = set().union(*map(symbols_of, nodes))
    sources = set(graph.sources.values())
    for name, setting in graph.settings.items():
        if setting.value in read or (graph.sizes.get(name) is setting.value and name in spoken and name != "batch"):
            _setting(turn_graph, copier, setting.value, name, setting)
    for value in graph.inputs:
        if value in read:
            _input(turn_graph, copier, value, value.name)
    taken = {v.name for v in turn_graph.inputs} | set(turn_graph.settings) | {NEXT, LOGITS}
    for value in body.inputs:
        if value not in read and value not in sources:
            continue
        name = unused_name(value.name, taken)
        if value.type.lead:
            _input(turn_graph, copier, value, name)
        else:
            _setting(turn_graph, copier, value, name, Setting(value, 0, 0))
    turn_graph.sizes.update(renewed_sizes(graph, copier.mapping))
    turn_graph.sizes["batch"] = (turn_graph.inputs[-1], 0)


def _before(graph: Graph, loop: Node) -> list[Node]:
    """The nodes before the loop whose results its body reads."""
    needed, nodes = set(free_values(loop.regions[0])), []
    for node in reversed(graph.nodes[: graph.nodes.index(loop)]):
        if any(v in needed for v in node.outputs):
            nodes.append(node)
            needed.update(reading(node))
    return nodes[::-1]


def _input(turn_graph: Graph, copier: Copier, value: Value, name: str) -> None:
    copier.mapping[value] = Value(value.type, name)
    turn_graph.inputs.append(copier[value])


def _setting(turn_graph: Graph, copier: Copier, value: Value, name: str, setting: Setting) -> None:
    copier.mapping[value] = Value(value.type, name)
    turn_graph.settings[name] = replace(setting, value=copier[value])
