"""The cache of a growing text in two levels: a large part that a loop only reads, and a small part that it carries.

A state that a loop carries is copied whenever it grows: the keys and values of a thousand tokens for each new one. So the turns of
`incremental`'s loop are grouped into blocks, each an inner loop of an outer one. The outer loop carries the `far` part of every
cache. The inner loop reads it from outside and carries the `near` part, which is empty at first and is appended to the far part
at its end. The first block is one turn, the prompt, so that no turn carries the prompt's keys. States that are no cache of an
attention pass through both loops unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, rewriting
from mai.compiler.ir.sizes import Size, substitute, symbol
from mai.compiler.ir.structure import NOTHING, Loop
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.products.cached_attention import CachedAttention
from mai.compiler.ops.products.two_level_attention import TwoLevelAttention
from mai.compiler.ops.shapes.indexing import Iota, Slice
from mai.compiler.ops.shapes.shape import Concat, Expand, Reshape, Unsqueeze
from mai.compiler.passes.fill import full

BLOCK = 32  # Turns of an inner loop: a near part is small beside the weights, and the far one is seldom copied.
NEVER = -1e30  # Added to the score of what may not be looked at.


@rewriting(Loop)
def two_level(graph: Graph) -> Graph:
    """Replace every loop of a growing text that attends to its past by a loop of blocks of turns."""
    return copy_graph(graph, _rule)


def _rule(copier: Copier, node: Node) -> bool:
    if node.op is not Loop or Loop.of(node).length is None:
        return False
    caches = {v for n in node.regions[0].nodes if n.op is CachedAttention for v in n.inputs[3:5]}
    count = Loop.of(node).count
    if not caches or (isinstance(count, int) and count < 2):
        return False
    Blocks(copier, node, caches).rewrite()
    return True


@dataclass(eq=False)
class Blocks:
    """One loop on its way to two; `caches` are the states that attentions keep their past in."""

    copier: Copier
    loop: Node
    caches: set[Value]

    def __post_init__(self) -> None:
        self.builder: Builder = self.copier.builder
        self.body = self.loop.regions[0]
        self.form = Loop.of(self.loop)
        self.past, self.far_size, self.new = (symbol(f"{self.form.length}_{name}") for name in ("past", "held", "new"))
        self.far = {v: Value(self._resized(v.type, self.far_size), v.name) for v in self.body.inputs[1:]}

    def rewrite(self) -> None:
        """The outer loop, and what its turns keep of the tokens as one row."""
        b, count = self.builder, self.form.count
        assert count is not None, "a text has a number of tokens"
        turns: Size = (count + 2 * BLOCK - 2) // BLOCK
        region, around = Region([Value(Type(DType.INT), "block"), *self.far.values()]), b.region
        b.region = region
        region.outputs = self._block(region.inputs[0])
        b.region = around
        first = [self.copier[v] for v in self.loop.inputs[1:]]
        results = b.loop(b.size(turns), replace(self.form, count=turns), first, region)
        last, rows = results[: len(first)], results[len(first) :]
        self.copier.bind(self.loop, *last, *(self._in_a_row(each, turns, count) for each in rows))

    def _in_a_row(self, rows: Value, turns: Size, count: Size) -> Value:
        """What turns kept, a token say: of the first block that of one turn, of the others of all, and no more than are wanted."""
        b, shape = self.builder, rows.type.shape[2:]
        axis = -1 - len(shape)
        flat = b.emit(Reshape, rows, shape=(turns * BLOCK, *shape))
        parts = [b.emit(Slice, flat, axis=axis, start=start, stop=stop) for start, stop in ((None, 1), (BLOCK, None))]
        return b.emit(Slice, b.emit(Concat, *parts, axis=axis), axis=axis, stop=count, name=rows.name)

    def _block(self, block: Value) -> list[Value]:
        """The body of the outer loop: the inner loop, and the caches made longer by what it carried."""
        b = self.builder
        before = b.emit(el.Subtract, b.emit(el.Multiply, block, b.constant(BLOCK)), b.constant(BLOCK - 1))
        before = b.emit(el.Maximum, before, b.constant(0), name="before")
        near = {v: Value(self._resized(v.type, self._near(v)), v.name) for v in self.far}
        region, around = (
            Region([Value(Type(DType.INT), "turn"), Value(Type(DType.BOOL), "more"), *near.values()]),
            b.region,
        )
        b.region = region
        region.outputs = self._turn(block, b.emit(el.Add, before, region.inputs[0], name="turn"), near)
        b.region = around
        first = [full(b, near[v].type, 0, self._near(v)) if v in self.caches else self.far[v] for v in self.far]
        loop = Loop(BLOCK, fresh=False, stops=True, fill=NOTHING)
        _, *results = b.loop(b.constant(BLOCK), loop, [b.constant(True), *first], region)
        last, rows = results[: len(first)], results[len(first) :]
        joined = [
            b.emit(Concat, far, new, axis=-2, name=far.name) if v in self.caches else new
            for (v, far), new in zip(self.far.items(), last, strict=True)
        ]
        return [*joined, *rows]

    def _turn(self, block: Value, turn: Value, near: dict[Value, Value]) -> list[Value]:
        """The body of the inner loop: a turn as it was. It goes on while the text does, tokens are wanted, and the block lasts."""
        b, copier = self.builder, self.copier
        copier.mapping.update({self.body.inputs[0]: turn, **near})
        for node in self.body.nodes:
            if node.op is CachedAttention:
                self._attention(node)
            else:
                copier.node(node)
        outputs = [copier[v] for v in self.body.outputs]
        wanted = b.emit(logic.Less, b.emit(el.Add, turn, b.constant(1)), copier[self.loop.inputs[0]])
        more = b.emit(logic.LogicalAnd, b.emit(logic.Less, b.constant(0), block), wanted)
        if self.form.stops:
            more = b.emit(logic.LogicalAnd, more, outputs[0])
        return [more, *outputs]

    def _attention(self, node: Node) -> None:
        """The far parts are read where they are."""
        b = self.builder
        b.span, b.scope = node.span, node.scope
        *new, keys, values, seen = node.inputs
        far, near = [self.far[v] for v in (keys, values)], [self.copier[v] for v in (keys, values)]
        self.copier.sizes[str(self.far_size)] = far[0], len(far[0].type.physical) - 2
        heads = node.attributes
        bias = self._bias(self.copier[seen], heads["heads"] // heads["kv_heads"])
        inputs = [*(self.copier[v] for v in new), *far, *near, bias]
        self.copier.bind(node, *b.emit_all(TwoLevelAttention, inputs, heads, node.output.name))

    def _bias(self, seen: Value, groups: int) -> Value:
        """0 where a new token may look, for each head of a group: [groups * new, past + new]."""
        b, total = self.builder, self.past + self.new
        own = b.emit(el.Add, b.emit(Iota, count=self.new), b.size(self.past))
        earlier = b.emit(logic.LessEqual, b.emit(Iota, count=total), b.emit(Unsqueeze, own))
        allowed = b.emit(logic.LogicalAnd, seen, earlier)
        bias = b.emit(logic.Where, allowed, b.constant(0.0), b.constant(NEVER), name="bias")
        if groups == 1:
            return bias
        shared = b.emit(Expand, b.emit(Unsqueeze, bias, axes=(-3,)), shape=(groups, self.new, total))
        return b.emit(Reshape, shared, shape=(groups * self.new, total), name="bias")

    def _near(self, state: Value) -> Size:
        return self.past - self.far_size if state in self.caches else self.past

    def _resized(self, type: Type, past: Size) -> Type:
        """The type of a state that is `past` long where it has the text so far."""
        return type.with_shape(tuple(substitute(s, {str(self.past): past}) for s in type.shape))
