"""A long prompt in blocks of tokens: the first turns of a text read one each, so that memory grows like the prompt.

A turn of `incremental`'s loop takes any number of new tokens to those before. So a prompt of 8,000 is read by 63 turns, each
with the scores of 128 tokens, where one turn would have those of all pairs; the token that such a turn chooses is thrown away. What is left
to read is a state, so a turn pays three small operations for it, where a branch around each attention cost a seventh of a turn. A step
file has none of this: its host reads a prompt in as many parts as it likes.
"""

from __future__ import annotations

from dataclasses import replace

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, reading, rewriting
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.structure import Loop
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.indexing import Slice
from mai.compiler.ops.shapes.shape import Concat
from mai.compiler.passes.text.growth import ended_of

BLOCK = 128  # Tokens: of 8,000, blocks of 64 to 256 take the same time, and copy the cache more or less often.


@rewriting(Loop)
def prompt_blocks(graph: Graph) -> Graph:
    """Let every loop that grows a text with a cache of its own read a prompt in blocks."""

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is not Loop or Loop.of(node).length is None:
            return False
        prompt = Reading(copier, node, graph)
        if isinstance(prompt.size, int) and prompt.size <= BLOCK:
            return False
        prompt.rewrite()
        return True

    return copy_graph(graph, rule)


class Reading:
    """One loop on its way to turns that read a prompt, and then turns that read what was chosen."""

    def __init__(self, copier: Copier, loop: Node, graph: Graph) -> None:
        self.copier, self.builder, self.loop, self.form = copier, copier.builder, loop, Loop.of(loop)
        self.body = loop.regions[0]
        self.ids = graph.sources[f"{self.form.length}_new"]
        self.place = self.body.inputs.index(self.ids)
        self.prompt = copier[loop.inputs[self.place]]
        self.size = self.prompt.type.shape[0]
        self.waits: Size = (self.size - 1) // BLOCK

    def rewrite(self) -> None:
        """The loop with more turns, of which the first ones append nothing."""
        b, count = self.builder, self.form.count
        assert count is not None, "a text has a number of tokens"
        first, self.waiting = self.size - self.waits * BLOCK, b.size(self.waits)
        states = [self.copier[v] for v in self.loop.inputs[1:]]
        states[self.place - 1] = b.emit(Slice, self.prompt, stop=first, name=self.ids.name)
        later = b.emit(Slice, self.prompt, start=first, name="later")
        turns = b.emit(el.Add, self.copier[self.loop.inputs[0]], self.waiting)
        form = replace(self.form, count=count + self.waits)
        results = b.loop(turns, form, [*states, later], self._body())
        last, rows = results[: len(states)], results[len(states) + 1 :]
        appended = [b.emit(Slice, r, axis=-r.type.rank, start=self.waits, name=r.name) for r in rows]
        self.copier.bind(self.loop, *last, *appended)

    def _body(self) -> Region:
        """A turn as it was, which hands on the next tokens of the prompt as long as there are some."""
        copier, b, rest = self.copier, self.builder, symbol(f"{self.form.length}_later")
        inner = Region([Value(copier.retyped(v.type), v.name) for v in self.body.inputs])
        copier.mapping.update(zip(self.body.inputs, inner.inputs, strict=True))
        later = Value(inner.inputs[self.place].type.with_shape((rest,)), "later")
        copier.sizes[str(rest)] = later, len(later.type.lead)
        outer, b.region = b.region, inner
        self._turn(inner.inputs[0])
        after = [copier[v] for v in self.body.outputs]
        states, kept = after[: len(inner.inputs) - 1], after[len(inner.inputs) - 1 :]
        b.span, b.scope = self.loop.span, self.loop.scope
        tokens = b.emit(Concat, later, states[self.place - 1], axis=-1)
        states[self.place - 1] = b.emit(Slice, tokens, stop=BLOCK, name=self.ids.name)
        inner.inputs.append(later)
        inner.outputs = [*states, b.emit(Slice, later, start=BLOCK, name="later"), *kept]
        b.region = outer
        return inner

    def _turn(self, number: Value) -> None:
        """The turn's nodes, with the number that it has among those that append; before these, no row ends."""
        copier, b, ended = self.copier, self.builder, ended_of(self.loop)
        if any(self.body.inputs[0] in reading(node) for node in self.body.nodes):
            own = b.emit(el.Subtract, number, self.waiting)
            copier.mapping[self.body.inputs[0]] = b.emit(el.Maximum, own, b.constant(0), name="turn")
        for node in self.body.nodes:
            copier.node(node)
            if ended is not None and ended in node.outputs:
                appends = b.emit(logic.GreaterEqual, number, self.waiting)
                copier.mapping[ended] = b.emit(logic.LogicalAnd, copier[ended], appends, name=ended.name)
