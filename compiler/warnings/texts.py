"""Texts that grow beyond what a model can read, and texts whose answers a model sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mai.compiler.ir.graph import Graph, Node, Value, values_behind
from mai.compiler.ir.sizes import Size, substitute, symbols
from mai.compiler.ir.structure import Constant, Extend, Lead, Unlead
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise.arithmetic import Subtract
from mai.compiler.ops.products.attention import Attention
from mai.compiler.ops.products.convolution import Conv
from mai.compiler.ops.products.product import Einsum, Matmul
from mai.compiler.ops.reductions.base import Reduction
from mai.compiler.ops.reductions.running import Cumsum
from mai.compiler.ops.reductions.softmax import Softmax
from mai.compiler.ops.shapes.flip import Flip
from mai.compiler.ops.shapes.indexing import Shift, Slice, Take
from mai.compiler.ops.shapes.one_hot import OneHot
from mai.compiler.passes.text.growth import longest
from mai.compiler.warnings.dataflow import Dataflow
from mai.compiler.warnings.objectives.losses import scored
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.diagnostics import Diagnostic, Edit
from mai.spec.diagnostics.edit import put
from mai.spec.record import record


def long_texts(subject: Subject) -> Iterator[Diagnostic]:
    """An `extend` by more tokens than the model reads, as the defaults of an export's settings say: no prompt is short enough."""
    written = {function.name.id: function for function in subject.functions}
    for name, graph in subject.program.exports.items():
        for node in (each for each in graph.nodes if each.op is Extend):
            count, most = _usual_count(graph, node), longest(node)
            if count is not None and most is not None and count > most and name in written:
                yield _too_long(written[name], node, count, most)


def _usual_count(graph: Graph, node: Node) -> int | None:
    """How many tokens are appended where no setting is given; None where that depends on the prompt."""
    count = substitute(Extend.of(node).count, {name: int(each.default) for name, each in graph.settings.items()})
    return count if isinstance(count, int) else None


def _too_long(export: ast.Function, node: Node, count: int, most: int) -> Diagnostic:
    names = symbols(Extend.of(node).count)
    setting = next((each for each in export.parameters if each.name.id in names and each.default is not None), None)
    said = f"`{export.name.id}` appends {count:,} tokens, and the model reads at most {most:,}, those of the prompt among them"
    if setting is None or setting.default is None:
        return warning("long-text", export.name.span, said)
    return warning("long-text", setting.default.span, said, help=put(setting.default.span, str(most // 2)))


def seen_answers(subject: Subject) -> Iterator[Diagnostic]:
    """A net that is trained on the tokens that come next, and in which each place looks at its answer."""
    if subject.training is None:
        return
    flow, seen = Dataflow(subject.training.graph), set[Node]()
    for _, logits, label in scored(flow):
        asked = _continued(flow, label)
        if asked is None:
            continue
        ahead = Ahead(flow, asked, logits)
        for node in [n for v in flow.behind(logits) if (n := v.producer) is not None and n not in seen]:
            kind = next((each for each in LOOKING_AHEAD if each.holds(ahead, node)), None)
            if kind is not None:
                seen.add(node)
                edits = _causal(node, kind.help) if node.op is Attention else []
                yield warning("seen-answers", node.span, kind.says, help=kind.help, edits=edits)


def _continued(flow: Dataflow, label: Value) -> Node | None:
    """The slice of a field that labels are, which come next: `x[1:]`."""
    node = flow.source(label)
    if node is None or node.op is not Slice or not node.attributes["start"]:
        return None
    return node if flow.seen_through(node.inputs[0]) in flow.graph.inputs else None


class Ahead:
    """What a text becomes in a net, of which tokens are `asked` for: vectors of its tokens, and what is computed of these."""

    def __init__(self, flow: Dataflow, asked: Node, logits: Value) -> None:
        self.flow, self.text = flow, flow.seen_through(asked.inputs[0])
        maker, whole = flow.source(logits), self.text.type.physical[-1]
        is_cut = maker is not None and maker.op is Slice and whole in maker.inputs[0].type.physical
        self.rows: Size = whole if is_cut else asked.output.type.physical[-1]
        self.before = {n.output for n in flow.nodes if self._is_before(n, asked)}
        self.vectors: set[Value] = set()
        self._along: dict[Value, int | None] = {}
        for node in flow.nodes:
            if self._reads_tokens(node) or not self.vectors.isdisjoint(node.reads()):
                states = [v for region in node.regions for v in region.inputs]
                self.vectors.update(v for v in (*node.outputs, *states) if v.type.dtype is DType.REAL)
        for value in (v for node in flow.nodes for v in node.outputs):
            self.along(value)  # In the order of the graph, so that none asks far back.

    def _reads_tokens(self, node: Node) -> bool:
        """Whether rows of a table are read by the text's tokens."""
        return node.op in (Take, OneHot) and self._reads_asked(node.inputs[-1])

    def _reads_asked(self, value: Value) -> bool:
        """Whether a value is computed of the text, not of a beginning alone that nobody asks for."""
        return self.text in values_behind(value, self.before)

    def _is_before(self, node: Node, asked: Node) -> bool:
        """Whether a slice of the text ends where the first token is asked for: `x[:8]` beside `x[8:]`."""
        if node.op is not Slice or self.flow.seen_through(node.inputs[0]) is not self.text:
            return False
        stop, start, size = node.attributes["stop"], asked.attributes["start"], self.text.type.physical[-1]
        if not (isinstance(stop, int) and isinstance(start, int) and isinstance(size, int)):
            return False
        end, first = (place + size if place < 0 else place for place in (stop, start))
        return end <= first

    def along(self, value: Value) -> int | None:
        """The axis of places, from the end, of a value that is computed of the text; None where there is none that is known."""
        if value not in self._along:
            self._along[value] = None  # A state of a loop is not followed around it.
            physical = value.type.physical
            axes = [axis for axis in range(-len(physical), 0) if physical[axis] == self.rows]
            if axes and value in self.vectors:
                self._along[value] = axes[0] if len(axes) == 1 else self._carried(value)
        return self._along[value]

    def _carried(self, value: Value) -> int | None:
        """The same of a value with several axes of that size, as where a token has as many numbers: it is that of what it is computed of."""
        node = value.producer
        if node is None or node.regions:
            return None
        if self._reads_tokens(node):
            return -node.inputs[0].type.rank if node.op is Take else -2
        moved = (self._moved(node, operand) for operand in range(len(node.inputs)))
        return next((axis for axis in moved if axis is not None), None)

    def _moved(self, node: Node, operand: int) -> int | None:
        """Where an operand's axis of places is in a result; axes that a call is mapped over stand before those of the shape."""
        types = [v.type for v in node.inputs]
        axis, rank = self.along(node.inputs[operand]), types[operand].rank
        if axis is None or node.op in (Lead, Unlead):
            return axis
        if -axis > rank:
            return axis + rank - node.output.type.rank
        return node.op.along(types, node.attributes, operand, axis) if node.op.along is not None else None

    def is_of_pairs(self, value: Value) -> bool:
        """Whether a value has a number for each place beside each."""
        return value.type.shape[-2:] == (self.rows, self.rows)

    def looks_at_all(self, node: Node) -> bool:
        """Attention without a mask."""
        if node.op is not Attention or node.attributes["causal"]:
            return False
        sides = node.inputs[:2]
        return all(v.type.shape[-2] == self.rows and self._reads_asked(v) for v in sides)

    def reduces(self, node: Node) -> bool:
        """A sum, or another one number, of all places."""
        return issubclass(node.op, Reduction) and self.along(node.inputs[0]) in node.attributes["axes"]

    def turns_round(self, node: Node) -> bool:
        """A text from its end, sums from there, or a loop that reads it so: `x[P - 1 - t]`."""
        if node.op is Take:
            return self._counts_down(node.inputs[-1]) and self.along(node.inputs[0]) == node.attributes["axis"]
        if node.op not in (Flip, Cumsum) or not node.attributes.get("reverse", True):
            return False
        return bool(self.along(node.inputs[0]) == node.attributes["axis"])

    def _counts_down(self, index: Value) -> bool:
        """Whether an index is a number less another that is no constant; `t - k` goes the text's way."""
        maker = self.flow.source(index)
        if maker is None or maker.op is not Subtract:
            return False
        last, less = map(self.flow.source, maker.inputs)
        return last is not None and last.op is Constant and (less is None or less.op is not Constant)

    def sees_beyond(self, node: Node) -> bool:
        """Windows that reach to places after their own."""
        if node.op is not Conv or self.along(node.inputs[0]) != -1 or node.output.type.shape[-1] != self.rows:
            return False
        width, (before, _) = node.inputs[1].type.shape[-1], node.attributes["padding"][-1]
        maker = self.flow.source(node.inputs[0])
        moved = maker.attributes["by"] if maker is not None and maker.op is Shift else 0
        is_static = isinstance(width, int) and isinstance(moved, int)
        return is_static and (width - 1) * node.attributes["dilation"][-1] > before + moved

    def weighs_all(self, node: Node) -> bool:
        """A softmax of products of all pairs, beside which no table of pairs is made of positions."""
        if node.op is not Softmax or not self.is_of_pairs(node.inputs[0]) or node.inputs[0] not in self.vectors:
            return False
        tables = [v for v in self.flow.behind(node.inputs[0]) if self.is_of_pairs(v)]
        products = [v.producer for v in tables if v.producer is not None and v.producer.op in (Matmul, Einsum)]
        is_product = any(len(n.inputs) == 2 and self.vectors.issuperset(n.inputs) for n in products)
        return is_product and all(v in self.vectors for v in tables)


def copied_answers(subject: Subject) -> Iterator[Diagnostic]:
    """A net that reads a text forwards, and is asked at each place for a token that it has read: `cross_entropy(f(x), x)`."""
    if subject.training is None:
        return
    flow = Dataflow(subject.training.graph)
    for loss, logits, label in scored(flow):
        (text, asked), nodes = _place_in_text(flow, label), [v.producer for v in flow.behind(logits)]
        read = [
            n.inputs[-1]
            for n in nodes
            if n is not None and n.op in (Take, OneHot) and text in flow.behind(n.inputs[-1])
        ]
        places = [_place_in_text(flow, index) for index in read]
        is_forwards = any(n is not None and n.op is Attention and n.attributes["causal"] for n in nodes)
        is_read = bool(read) and all(each is text and place >= asked for each, place in places)
        if is_forwards and is_read and not any(n is not None and _moves_places(flow, n, text) for n in nodes):
            said = "each token is asked for where the net has read it already: it learns to copy"
            yield warning(
                "seen-answers", loss.span, said, help="ask for the next one: `cross_entropy(f(x[:-1]), x[1:])`"
            )


def _moves_places(flow: Dataflow, node: Node, text: Value) -> bool:
    """Whether what is computed of a text's tokens is moved to other places, or has only some of them: `shift(h, 1)`, `h[:-1]`."""
    if node.op not in (Shift, Slice, Take) or node.inputs[0].type.dtype is not DType.REAL:
        return False
    moved, rows = node.inputs[0], text.type.physical[-1]
    return moved.type.physical[node.attributes["axis"]] == rows and text in flow.behind(moved)


def _place_in_text(flow: Dataflow, tokens: Value) -> tuple[Value, int]:
    """Of what text some tokens are a part, and with which of its tokens they begin; `x[1:]` begins with 1. Others are texts of their own."""
    node = flow.source(tokens)
    start = (node.attributes["start"] or 0) if node is not None and node.op is Slice else None
    if node is None or not isinstance(start, int) or start < 0:
        return flow.seen_through(tokens), 0
    return flow.seen_through(node.inputs[0]), start


@record
class Kind:
    """One way to look at later places: when a node does it, and what is said of it."""

    holds: Callable[[Ahead, Node], bool]
    says: str
    help: str


ASKED = "also at the next one, which the loss asks for"
LOOKING_AHEAD = (
    Kind(Ahead.looks_at_all, f"every token looks at all others here, {ASKED}", "tokens look at those before them alone with `causal = true`"),
    Kind(Ahead.weighs_all, f"every token looks at all others here, {ASKED}", "tokens look at those before them alone with `masked(scores, range(P)[:, None] >= range(P))`"),
    Kind(Ahead.reduces, "this is one number of all tokens, also of the next ones, which the loss asks for", "`cumsum(h, axis = 0) / (range(P) + 1)[:, None]` is the mean of the tokens so far"),
    Kind(Ahead.turns_round, "this begins at the end of the text, with the tokens that the loss asks for", "a net that writes a text reads it forwards alone"),
    Kind(Ahead.sees_beyond, f"a window reaches to tokens after its own here, {ASKED}", "`padding = \"causal\"` and `causal_conv(h, d, 3)` see those before alone"),
)  # fmt: skip


def _causal(node: Node, words: str) -> list[Edit]:
    span = node.span
    return [put(span, f"{span.text[:-1]}, causal = true)", words)] if span and span.text.endswith(")") else []
