"""First values that are tensors: those that the file says, and those that the training examples say.

`param A: [d, n] = log(1 + range(n)) + zeros([d, 1])` begins as the file says. The first value of a `state` or a `param`, and a `let` that names fields of the data, may be made of all examples:
`state m = mean(across(x), axis = 0)`. Then `across` is not the batch but the whole training part. Such a value is computed once,
before the first step, and is a weight from then on: saved, compiled in, the same for every example.
"""

from __future__ import annotations

from mai.compiler.elaborate.context import Context
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import COMPUTED, TABLE, Graph, Initial, Node, Value, values_behind
from mai.compiler.ir.operation import describe
from mai.compiler.ir.rewrite import Copier, reading
from mai.compiler.ir.structure import Across, WeightOf
from mai.spec.diagnostics import Help
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span


def computed_initial() -> Initial:
    """What training computes before its first step; without training it is 1."""
    return Initial(COMPUTED, (1.0,))


def table_initial(e: Context, value: Value, span: Span) -> Initial:
    """A tensor that the file says: computed by numpy when the weight begins. Raises `Stop` where anything else enters it."""
    nodes = _makers(value)
    if nodes is None:
        message = "a first value is known when the file is compiled: no input, draw or parameter enters it"
        raise e.fail("first-value", span, message)
    graph = Graph(name=TABLE)
    copier = Copier(Builder(graph))
    copier.nodes(nodes)
    graph.outputs = [copier[value]]
    return Initial(TABLE, graph=graph)


def _makers(value: Value) -> list[Node] | None:
    """The nodes that make a value, each after those that it reads; None where an input or a weight is among them."""
    nodes: dict[Node, bool] = {}  # Whether what a node reads is in before it.
    waiting = [value]
    while waiting:
        node = waiting[-1].producer
        if node is None or node.op is WeightOf:
            return None
        if node not in nodes:
            nodes[node] = False
            waiting += [v for v in reading(node) if v.producer not in nodes]
            continue
        waiting.pop()
        if not nodes[node]:
            nodes.pop(node)
            nodes[node] = True
    return list(nodes)


def is_of_examples(value: Value) -> bool:
    """Whether a value is made from all examples: whether an `across` is behind it."""
    return any(v.producer is not None and v.producer.op is Across for v in values_behind(value))


def known_shape(e: Context, value: Value, span: Span) -> tuple[int, ...]:
    """The shape of a first value, which is one for all examples and has no free sizes. Raises `Stop` otherwise."""
    if value.type.lead:
        words = "take the mean over the examples: `mean(across(x), axis = 0)`"
        help: Help = put(span, f"mean(across({span.text}), axis = 0)", words)
        message = "a first value is one for all examples, and this differs between them"
        raise e.fail("first-value", span, message, help=help)
    shape = [size for size in value.type.shape if isinstance(size, int)]
    if len(shape) < value.type.rank:
        message = f"a first value has a fixed shape, this is {describe(value.type.shape)}"
        raise e.fail("dimension-unknown", span, message, label=describe(value.type.shape))
    return tuple(shape)


def keep_first_value(e: Context, name: str, value: Value, span: Span) -> None:
    """Have the train block around compute the first value of a weight; of several calls of a net, the first one says it.

    Raises:
        Stop: it is inside a loop, which is reported.
    """
    is_open = e.train is not None and name not in e.train.first_values
    if e.scope.turns or (is_open and e.builder.region is not e.graph):
        message = "a first value is computed once, before training, and this is inside a loop"
        help = "call the net once before the loop, or compute it in a `let` of the file"
        raise e.fail("first-value", span, message, help=help)
    if e.train is not None and is_open:
        e.train.first_values[name] = value
