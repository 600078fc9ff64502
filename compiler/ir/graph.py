"""Values, nodes, regions and graphs, and the builder that makes them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mai.compiler.ir.operation import Operation
from mai.compiler.ir.types import Type
from mai.spec.record import record
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.ir.structure import Structural

COMPUTED = "computed"  # How a weight begins that the training examples say.
TABLE = "table"  # How a weight begins whose numbers the file says.
# Outputs beside an export's own: what adaptive solvers evaluated, and how many turns growing texts took.
EVALUATIONS, TURNS = "evaluations", "turns"


@dataclass(eq=False, slots=True)
class Value:
    """One SSA value. `name` is the spec's name for it, or that of its operation; it need not be unique.

    `producer` is the node that makes it, None for an input of a region. `uses` has the nodes that read it, and how often: as an
    operand, or as what one of their regions gives. What leaves a graph is in its `outputs` alone.
    """

    type: Type
    name: str = ""
    producer: Node | None = None
    uses: dict[Node, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


@dataclass(eq=False, slots=True)
class Node:
    """One operation applied. `scope` is the path of nets and layers around it, `span` its place in the text.

    An operation on arrays has `attributes`, by the names of its lowerings' arguments; a structural one has `structure`, an
    instance of its class, which `Loop.of(node)` gives with its type. The nodes of `regions` may use values from outside them.
    """

    op: type[Operation]
    inputs: tuple[Value, ...]
    attributes: Mapping[str, Any]
    outputs: tuple[Value, ...]
    regions: tuple[Region, ...] = ()
    span: Span | None = None
    scope: str = ""
    structure: Structural | None = None

    @property
    def output(self) -> Value:
        """The only output, or the first."""
        return self.outputs[0]

    def items(self) -> list[tuple[str, object]]:
        """What the node says beside its operands, by name: for text, and for code that treats all nodes alike."""
        return list(self.attributes.items()) if self.structure is None else self.structure.items()

    def operands(self) -> Iterator[Value]:
        """What the node itself reads: its inputs, and what its regions give."""
        yield from self.inputs
        for region in self.regions:
            yield from region.outputs

    def link(self) -> None:
        """Tell the values that this node makes and reads so, once its operands are those that stay."""
        for value in self.outputs:
            value.producer = self
        for value in self.operands() if self.regions else self.inputs:
            value.uses[self] = value.uses.get(self, 0) + 1

    def unlink(self) -> None:
        """Take back what `link` told of operands: before they are changed, or before the node is dropped."""
        for value in self.operands() if self.regions else self.inputs:
            value.uses.pop(self, None)

    def drop(self) -> None:
        """Forget the node, and those inside: nothing that they read knows of them any more."""
        self.unlink()
        for region in self.regions:
            region.forget()

    def reads(self) -> Iterator[Value]:
        """Every value that the node or its regions read, those made inside included."""
        yield from self.inputs
        for region in self.regions:
            for node in region.nodes:
                yield from node.reads()
            yield from region.outputs


@dataclass(eq=False, slots=True)
class Region:
    """Straight-line code: `inputs` are bound from outside, `nodes` are in order, `outputs` leave."""

    inputs: list[Value] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)

    def append(self, node: Node) -> None:
        """Add a new node at the end; values know of it from here on."""
        self.nodes.append(node)
        node.link()

    def forget(self) -> None:
        """Drop all nodes, of a region that is not used."""
        for node in self.nodes:
            node.drop()

    def has(self, *ops: type[Operation]) -> bool:
        """Whether some node, in a nested region too, is one of these operations."""
        inner = (region for node in self.nodes for region in node.regions)
        return any(node.op in ops for node in self.nodes) or any(region.has(*ops) for region in inner)

    def walk(self) -> Iterator[Node]:
        """Every node, those of nested regions after the node that owns them."""
        for node in self.nodes:
            yield node
            for region in node.regions:
                yield from region.walk()

    def regions(self) -> Iterator[Region]:
        """This region, then all that are nested in it."""
        yield self
        yield from (region for node in self.walk() for region in node.regions)


def values_behind(value: Value, ends: Container[Value] = ()) -> Iterator[Value]:
    """A value and all that it is computed from, each once; of loops what their bodies read, too. Nothing behind `ends` is looked at."""
    waiting, seen = [value], {value}
    while waiting:
        each = waiting.pop()
        yield each
        reads = each.producer.reads() if each.producer is not None and each not in ends else ()
        fresh = {v for v in reads if v not in seen}
        seen |= fresh
        waiting += fresh


@record
class Weight:
    """A parameter of the model: `init` draws or makes its first value; `trained` is False for running statistics.

    A weight inside `repeat`s with fresh parameters stands for one a turn: its name holds a `{}` for each of them,
    `counts` has their numbers of turns, the outermost first. One of a second set of parameters `follows` another weight.
    """

    name: str
    shape: tuple[int, ...]
    init: Initial
    trained: bool
    owner: str
    span: Span
    counts: tuple[int, ...] = ()
    follows: Follows | None = None


@record
class Follows:
    """After every step a weight is `keep` times itself and 1 - `keep` times the weight called `source`, from which it starts."""

    source: str
    keep: float


@record
class Initial:
    """`constant(value)`, `normal(mean, std)`, `uniform(low, high)` or `identity`, with its numbers.

    `computed` from the training examples before the first step, it is a constant until then. A `table` has a graph without inputs
    whose one output it is.
    """

    kind: str
    numbers: tuple[float, ...] = ()
    graph: Graph | None = None


@record
class Setting:
    """A graph input of which there is one per call, with the value it has when it is left out."""

    value: Value
    default: int | float | bool
    minimum: float | None = None
    maximum: float | None = None


@record
class OneTurn:
    """How the interface of one turn of a growing text belongs together.

    `length` is the stem of its sizes' names, as in its loop; `turn` the setting that counts the turns, if they are counted;
    `states` has for each input that is a state the output that is its value for the next turn; `ended` is the state that says which rows have ended, if any can.
    `settled` are states that are the same after every token of a row. `logits` is the output that the token is drawn from, if it is drawn. Where
    caches have a `capacity`, `fixed` are these states, and `past` is the setting that counts the tokens before.
    """

    length: str
    turn: str | None
    states: dict[str, str]
    ended: str | None
    settled: tuple[str, ...] = ()
    logits: str | None = None
    capacity: int | None = None
    fixed: tuple[str, ...] = ()
    past: str | None = None


@record
class TurnAgain:
    """A turn of a `repeat` that says what turns before it say: its nodes, side by side in their region, and its states after and before them."""

    nodes: tuple[Node, ...]
    states: tuple[tuple[Value, Value], ...]


@dataclass(eq=False, slots=True)
class Graph(Region):
    """One entry point: an export, or a train block.

    `inputs` are per example and have the batch axis; `settings` are per call. `sizes` says where each symbolic size
    is read at run time: from an axis of an input, counted in memory, or from a setting. `arguments` has, for each net,
    what its parameters stand for in its calls: the nets are inlined, but people know these values by the nets' names. `calls`
    has the same for the nets and layers of the file, as it was elaborated: by the place of the function's name, and the name
    of a parameter or the number of a result. `turns_again` has turns without which the same can be done with the graph, as it was
    elaborated: for whoever asks only that. `one_turn` is what `passes.step` says of its graph, None for all others.
    """

    name: str = ""
    settings: dict[str, Setting] = field(default_factory=dict)
    weights: dict[str, Weight] = field(default_factory=dict)
    sizes: dict[str, tuple[Value, int] | Value] = field(default_factory=dict)
    output_names: list[str] = field(default_factory=list)
    arguments: dict[str, dict[Value, str]] = field(default_factory=dict)
    calls: dict[tuple[Span, str | int], list[Value]] = field(default_factory=dict)
    turns_again: list[TurnAgain] = field(default_factory=list)
    one_turn: OneTurn | None = None

    @property
    def sources(self) -> dict[str, Value]:
        """The value that each symbolic size is read from."""
        return {name: s[0] if isinstance(s, tuple) else s for name, s in self.sizes.items()}


def turns_of(weight: Weight) -> list[Weight]:
    """A weight for each turn of the `repeat`s that it stands in, `{}` in its name filled with the turn."""
    if not weight.counts:
        return [weight]
    copies = [_at_turn(weight, turn) for turn in range(weight.counts[0])]
    return [inner for copy in copies for inner in turns_of(copy)]


def _at_turn(weight: Weight, turn: int) -> Weight:
    """A weight in one turn of the outermost `repeat` that it stands in."""
    name, follows = weight.name.replace("{}", str(turn), 1), weight.follows
    if follows is not None:
        follows = replace(follows, source=follows.source.replace("{}", str(turn), 1))
    return replace(weight, name=name, counts=weight.counts[1:], follows=follows)


def unused_name(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken; it is taken then."""
    count, unused = 0, name
    while unused in taken:
        count += 1
        unused = f"{name}_{count}"
    taken.add(unused)
    return unused
