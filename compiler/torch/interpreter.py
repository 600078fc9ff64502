"""Graphs as torch code: every value of the IR becomes a proxy that records what operations do to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, cast

import torch
from torch import fx

from mai.compiler.ir import sizes
from mai.compiler.ir.align import missing_axes
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.interpreter import Interpreter, is_leaf
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import free_values, made_in
from mai.compiler.ir.sizes import Dim, Size
from mai.compiler.ir.structure import Adjoint, Constant, Lead, Loop, WeightOf
from mai.compiler.ir.types import BATCH_DEPTH, DType, Type
from mai.compiler.ops.elementwise import Add, Divide, Modulo, Multiply, StopGradient, Subtract
from mai.compiler.ops.elementwise.exponential import Exp
from mai.compiler.ops.elementwise.logic import Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from mai.compiler.ops.fourier.real import RealFourier, RealInverse
from mai.compiler.ops.losses.matching import Matching
from mai.compiler.ops.products.attention import Attention
from mai.compiler.ops.products.chosen import ChosenAffine
from mai.compiler.ops.products.convolution import Conv
from mai.compiler.ops.reductions.norm import BatchNorm
from mai.compiler.ops.shapes.indexing import Slice
from mai.compiler.ops.shapes.shape import Transpose
from mai.compiler.passes.loops.recurrences.parts import Parts, part_loop
from mai.compiler.passes.loops.recurrences.recurrence import find_recurrence, rows_taken
from mai.compiler.solvers import DEFAULTS, SOLVERS
from mai.compiler.torch.calls.adjoint import adjoint
from mai.compiler.torch.calls.attention_call import attention
from mai.compiler.torch.calls.chosen_call import chosen_affine
from mai.compiler.torch.calls.depthwise_call import depthwise, is_depthwise
from mai.compiler.torch.calls.draw_calls import CALLS as DRAWN
from mai.compiler.torch.calls.fourier_call import real_fourier, real_inverse
from mai.compiler.torch.calls.implicit import implicit
from mai.compiler.torch.calls.matching_call import matching
from mai.compiler.torch.calls.split_call import part
from mai.compiler.torch.calls.token_calls import CALLS as OF_TOKENS
from mai.compiler.torch.names import attribute, identifier
from mai.compiler.torch.processes.together import Share, batch_norm, gathered
from mai.compiler.torch.recorder import Recorder
from mai.compiler.torch.recurrences.exponential import exponential
from mai.compiler.torch.recurrences.loops import loop
from mai.compiler.torch.recurrences.recording import recurrence_code
from mai.compiler.torch.thin_products import is_thin, thin_product
from mai.compiler.torch.turns import keeps_state, leaves_of, region_of, runs, turn

DTYPES = {DType.REAL: torch.float32, DType.INT: torch.int64, DType.BOOL: torch.bool}
# Operations that take a Python number in the place of a tensor.
ARITHMETIC = (
    Add, Subtract, Multiply, Divide, Modulo, Less, LessEqual, Greater, GreaterEqual, Equal, NotEqual,
)  # fmt: skip
# Operations that are one call of a function of ours.
CALLS: dict[type[Operation], Callable[..., object]] = {
    **DRAWN, **OF_TOKENS, Matching: matching, ChosenAffine: chosen_affine,
}  # fmt: skip
# Those of ours for their way back.
TRAINED_CALLS: dict[type[Operation], Callable[..., object]] = {RealFourier: real_fourier, RealInverse: real_inverse}
Scalar = int | fx.Proxy
STEPS_NAME = "steps of a block"  # A size; no name of a spec has a space.
STEPS = sizes.symbol(STEPS_NAME)
BATCH = "batch"  # The size of a whole batch.
WHOLE = sizes.symbol(BATCH)


class TorchInterpreter(Interpreter[fx.Proxy, Scalar]):
    """One region recorded in `code`, for blocks of turns if `in_blocks`; the bodies of its loops become modules of their own, recorded in `bodies`.

    With a `share`, the module computes some examples of a batch beside other processes: what looks across it sees those of all.
    With `again`, turns of loops are computed again for derivatives.
    """

    calls: ClassVar = CALLS | TRAINED_CALLS
    is_trained = True  # What has a way back of its own is called by name.

    def __init__(
        self,
        graph: Graph,
        code: Recorder | None = None,
        in_blocks: bool = False,
        share: Share | None = None,
        again: bool = False,
    ) -> None:
        super().__init__(graph)
        self.in_blocks, self.share, self.again = in_blocks, share, again
        self.code = code or Recorder()
        self.numbers: dict[Value, int | float | bool] = {}
        self.weights: dict[str, fx.Proxy] = {}
        self.sizes: dict[str, fx.Proxy] = {}
        self.bodies: dict[str, TorchInterpreter] = {}
        self.groups: dict[str, tuple[str, bool]] = {}
        self.splits: dict[Node, fx.Proxy] = {}

    def parameters(self, values: Iterable[Value]) -> None:
        """The next parameters of the code are these values."""
        for value in values:
            self.values[value] = self.traced(self.code.parameter(value.name), value.type)

    def returns(self, values: Iterable[Value]) -> None:
        """Make these values the results of the module."""
        self.code.graph.output(tuple(self[v].node for v in values))

    def traced(self, node: fx.Node, type: Type) -> fx.Proxy:
        """An fx node as a proxy that knows its number of axes."""
        return self.code.proxy(node, len(type.physical))

    # --------------------------------------------------------------------- walk

    def node(self, node: Node) -> None:
        before = next(iter(reversed(self.code.graph.nodes)), None)
        super().node(node)
        for recorded in reversed(self.code.graph.nodes):
            if recorded is before:
                break
            recorded.meta.setdefault("span", node.span)

    def bind(self, value: Value, result: fx.Proxy) -> None:
        """What computes a value first has its name and its type."""
        node = result.node
        if "type" not in node.meta and node.op != "placeholder":
            node.name = self.code.reserve(value.name)
            node.meta["type"] = value.type
        self.values[value] = self.traced(node, value.type)

    def aligned(self, node: Node) -> list[fx.Proxy]:
        """Arithmetic takes one number as it is."""
        if node.op in ARITHMETIC and sum(v in self.numbers for v in node.inputs) == 1:
            return cast("list[fx.Proxy]", [self.numbers.get(v, self[v]) for v in node.inputs])
        return super().aligned(node)

    def call(self, node: Node, inputs: Sequence[fx.Proxy], attributes: dict[str, object]) -> Sequence[fx.Proxy]:
        if self.share is not None and node.op is BatchNorm and attributes["training"]:
            return [self.code.call(batch_norm, (*inputs, self.share.batch / len(self.share)), attributes)]
        if node.op in self.calls:
            return [self.code.call(self.calls[node.op], tuple(inputs), attributes)]
        if self.is_trained and (own := self.own_call(node, inputs, attributes)) is not None:
            return [own]
        if self.in_blocks and is_thin(node):
            return [thin_product(self, node)]
        if self.in_blocks and node.op is Exp:
            return [exponential(self, node)]
        results = node.op.torch(self.code.torch, *inputs, **attributes)
        if node.op is Transpose and (self.in_blocks or _is_convolved(node.inputs[0])):
            return [results.contiguous()]
        return list(results) if isinstance(results, tuple) else [results]

    def own_call(self, node: Node, inputs: Sequence[fx.Proxy], attributes: dict[str, object]) -> fx.Proxy | None:
        """A call of ours where torch has no kernel for a node, or takes long on the way back."""
        if node.op is Slice:
            return part(self, node, self.splits)
        if node.op is Attention and (attributes["window"] or attributes["softcap"]):
            return self.code.call(attention, tuple(inputs), attributes)
        return self.code.call(depthwise, tuple(inputs), attributes) if is_depthwise(node) else None

    # -------------------------------------------------------------------- sizes

    def size(self, size: Size) -> Scalar:
        number: Scalar = sizes.evaluate(size, self.symbol)
        return number

    def symbol(self, name: str) -> Scalar:
        """A size that is known at run time, read once; of the batch, that of all processes."""
        if self.share is not None and name == BATCH:
            return self.share.batch
        if name not in self.sizes:
            proxy, axis = self.size_source(name)
            read = self.code.call(int, (proxy,)) if axis is None else self.code.item(proxy.shape, axis)
            read.node.name = self.code.reserve(name)
            self.sizes[name] = read
        return self.sizes[name]

    def scalar(self, size: Scalar) -> fx.Proxy:
        return self.code.torch.tensor(size)

    def unsqueeze(self, x: fx.Proxy, type: Type, axes: tuple[int, ...]) -> fx.Proxy:
        for axis in sorted(axes, reverse=True):
            x = x.unsqueeze(axis)
        return self.code.proxy(x.node, len(type.physical) + len(axes))

    def expand(self, x: fx.Proxy, type: Type) -> fx.Proxy:
        return self.traced(x.expand(*self.lead_sizes(type), *(-1,) * type.rank).node, type)

    def spread(self, x: fx.Proxy, type: Type) -> fx.Proxy:
        return x.expand(self.physical(type))

    def lead_sizes(self, type: Type) -> tuple[Scalar, ...]:
        """Those in memory here: of the batch, this process's share."""
        return tuple(
            len(self.share) if self.share is not None and axis.size == WHOLE else self.size(axis.size)
            for axis in type.lead
        )

    def physical(self, type: Type) -> tuple[Scalar, ...]:
        """The sizes of a type in memory, its lead axes first."""
        return *self.lead_sizes(type), *map(self.size, type.shape)

    # --------------------------------------------------------- several processes

    def across(self, node: Node) -> fx.Proxy:
        """The examples of all processes, each with its own."""
        x, type = self[node.inputs[0]], node.inputs[0].type
        if self.share is None:
            return x
        axis = next(place for place, axis in enumerate(type.lead) if axis.depth == BATCH_DEPTH)
        return self.traced(self.code.call(gathered, (x, axis, self.share.sizes)).node, node.output.type)

    def lead(self, node: Node) -> fx.Proxy:
        """This process's own rows, where there is one for each example of the batch."""
        x, type = self[node.inputs[0]], node.inputs[0].type
        axes = Lead.of(node).axes
        if self.share is None or not axes or axes[0].depth != BATCH_DEPTH:
            return x
        own = x.narrow(len(type.lead), self.share.start, len(self.share))
        return self.traced(own.node, node.output.type)

    # ------------------------------------------------------------------- leaves

    def constant(self, node: Node) -> fx.Proxy:
        value, dtype = Constant.of(node).value, DTYPES[node.output.type.dtype]
        if isinstance(value, (int, float)):
            self.numbers[node.output] = value
        return self.traced(self.code.buffer(torch.tensor(value, dtype=dtype)), node.output.type)

    def weight(self, node: Node) -> fx.Proxy:
        name = WeightOf.of(node).weight
        if name not in self.weights:
            target = ".".join(map(attribute, name.split(".")))
            read = self.code.graph.create_node("get_attr", target, (), {}, name=identifier(name))
            self.weights[name] = self.traced(read, node.output.type)
        return self.weights[name]

    # ------------------------------------------------------------------- bodies

    def loop(self, node: Node) -> list[fx.Proxy]:
        """By blocks of turns where that is possible; the body is a module, and what it reads from outside is handed to it."""
        blocks = find_recurrence(self.graph, node, STEPS, products=True)
        if blocks is not None:
            return recurrence_code(self, node, blocks)
        parts = part_loop(self.graph, node, STEPS)
        return self.plain_loop(node) if parts is None else self.parts(parts)

    def parts(self, parts: Parts) -> list[fx.Proxy]:
        """A loop as several, one after the other."""
        self.nodes(parts.free)
        for node, blocks in parts.loops:
            results = self.plain_loop(node) if blocks is None else recurrence_code(self, node, blocks)
            for value, result in zip(node.outputs, results, strict=True):
                self.bind(value, result)
        return [self[v] for v in parts.results]

    def plain_loop(self, node: Node) -> list[fx.Proxy]:
        """`loop(body, count, states, captured)`; of tables of all turns the body is handed its row."""
        taken = rows_taken(node, made_in(node.regions[0]))
        region = _without(node.regions[0], taken)
        body, captured = self.module(region)
        count, states = self.turns_and_states(node)
        leads = tuple(len(v.type.lead) for v in region.outputs[len(states) :])
        options: dict[str, object] = {"fill": Loop.of(node).fill} if Loop.of(node).stops else {}
        options |= self.empty(node)
        if taken:
            options["tables"] = tuple((self[n.inputs[0]], _axis_of(n)) for n in taken)
        if Loop.of(node).until:
            going, *others = (v.type for v in node.regions[0].inputs[1:])
            options["fits"] = ((), *(missing_axes(going, t.lead, t.rank) for t in others))
        if self._is_held_still(node):
            options["still"] = True
        elif self.again and not keeps_state(region):
            options["again"] = True
        results = self.code.call(loop, (body, count, self.code.device, states, captured, leads), options)
        return [self.code.item(results, i) for i in range(len(node.outputs))]

    def turns_and_states(self, loop: Node) -> tuple[object, tuple[fx.Proxy, ...]]:
        """How many turns a loop has, a number where that is known: to read it off a tensor, a step would wait for the device. And its states."""
        count, *states = (self[v] for v in loop.inputs)
        fixed = Loop.of(loop).count
        return fixed if isinstance(fixed, int) else count, tuple(states)

    def empty(self, loop: Node) -> dict[str, object]:
        """`empty_rows` as an argument, where there is one."""
        empty = self.empty_rows(loop)
        return {"empty": empty} if empty else {}

    def empty_rows(self, loop: Node) -> tuple[tuple[tuple[Scalar, ...], torch.dtype], ...]:
        """Sizes and dtypes of the rows of a loop that may have no turns; of others, nothing."""
        if isinstance(Loop.of(loop).count, int) and Loop.of(loop).count:
            return ()
        rows = [v.type for v in loop.outputs[len(loop.inputs) - 1 :]]
        return tuple((self.physical(t), DTYPES[t.dtype]) for t in rows)

    def _is_held_still(self, loop: Node) -> bool:
        """Whether no derivative goes back through a loop."""
        users = {user.op for v in loop.outputs for user in v.uses}
        return users == {StopGradient} and not any(v in self.graph.outputs for v in loop.outputs)

    def adjoint(self, node: Node) -> list[fx.Proxy]:
        """`adjoint(field, solution, inputs, outer, further, ...)`: both regions are modules."""
        equation = Adjoint.of(node)
        solver, options = SOLVERS[equation.method], {**DEFAULTS, **equation.options}
        (field, outer), (solution, further) = map(self.module, node.regions)
        inputs = tuple(self[v] for v in node.inputs)
        lead = len(node.regions[0].inputs[0].type.lead)
        method = (lead, solver.adjoint, options["rtol"], options["atol"], equation.before_states - 2)
        results = self.code.call(adjoint, (field, solution, inputs, outer, further, *method))
        return [self.code.item(results, i) for i in range(len(node.outputs))]

    def implicit(self, node: Node) -> list[fx.Proxy]:
        """`implicit(solve, z, y, captured)`: the region is a module."""
        solve, captured = self.module(node.regions[0])
        return [self.code.call(implicit, (solve, self[node.inputs[0]], self[node.inputs[1]], captured))]

    def module(self, region: Region, turns: Value | None = None) -> tuple[fx.Node, tuple[Scalar, ...]]:
        """A region as a module, which takes its inputs and then what it reads from around it: this comes second.

        `turns` is the input that a block's number of turns is read from, where it is of a block.
        """
        captured = [v for v in free_values(region) if v in self.values]
        symbols = self.outer_symbols(region)
        inner = TorchInterpreter(self.graph, in_blocks=turns is not None, share=self.share)
        inner.parameters([*region.inputs, *captured])
        inner.sizes = {name: inner.code.proxy(inner.code.parameter(name)) for name in symbols}
        if turns is not None:
            inner.sizes[STEPS_NAME] = inner.code.item(inner[turns].shape, 0)
        inner.nodes(region.nodes)
        inner.returns(region.outputs)
        name = f"body_{len(self.bodies) + 1}"
        self.bodies[name] = inner
        body = self.code.graph.create_node("get_attr", name, (), {}, name=name)
        return body, (*(self[v] for v in captured), *map(self.symbol, symbols))

    def turns(self, groups: Mapping[str, str]) -> None:
        """Walk the graph; the turns of its `repeat`s, whose weights are in `groups`, become modules of their own."""
        walked: set[Node] = set()
        for run in runs(self.graph, groups):
            if run.group is not None:
                self._turn(region_of(self.graph, run), run.group)
                continue
            nodes = [node for node in self.graph.nodes[run.start : run.stop] if not is_leaf(node)]
            leaves = [leaf for leaf in leaves_of(nodes) if leaf not in walked]
            self.nodes([*leaves, *nodes])
            walked |= set(leaves)
        self.nodes(v.producer for v in self.graph.outputs if v.producer is not None and v not in self.values)

    def _turn(self, region: Region, group: str) -> None:
        """`turn(body, captured)`: the body is a module."""
        body, captured = self.module(region)
        self.groups[body.name] = group, self.again and not keeps_state(region)
        results = self.code.call(turn, (body, captured))
        for place, value in enumerate(region.outputs):
            self.bind(value, self.code.item(results, place))

    def outer_symbols(self, region: Region) -> list[str]:
        """The symbolic sizes that a body needs and does not read from inputs of its own or of bodies in it: they are read outside."""
        names: set[str] = set()
        for node in region.walk():
            for size in _sizes_in(
                (tuple(value for _, value in node.items()), *(v.type.physical for v in node.outputs))
            ):
                names |= sizes.symbols(size)
        sources, own = self.graph.sources, made_in(region)
        return sorted(n for n in names if n in sources and sources[n] not in own)


def _without(body: Region, taken: Sequence[Node]) -> Region:
    """A body that is handed some rows behind its other inputs, where it takes them itself."""
    nodes = [node for node in body.nodes if node not in taken]
    return Region([*body.inputs, *(node.output for node in taken)], nodes, body.outputs)


def _axis_of(taken: Node) -> int:
    """The axis, in memory, along which a node takes."""
    axis: int = taken.attributes["axis"]
    return len(taken.inputs[0].type.physical) + axis


def _is_convolved(value: Value) -> bool:
    """Whether an image has just been made: each product that reads it with its channels last would copy it for itself."""
    return value.producer is not None and value.producer.op is Conv


def _sizes_in(value: object) -> list[Dim]:
    if isinstance(value, Dim):
        return [value]
    return [s for item in value for s in _sizes_in(item)] if isinstance(value, tuple) else []
