"""What an operation's `onnx` lowering is handed: standard operators by name, constants, and sizes.

It makes onnx_ir nodes directly, so that it decides every name and every place of a weight; nothing is inferred, since
the IR knows the types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import onnx_ir as ir

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir import sizes as sz
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.sizes import Dim, Size
from mai.compiler.ir.types import DType
from mai.compiler.onnx.lowering.nodes import DTYPES, Integer, Nodes
from mai.compiler.onnx.lowering.wrapped import Wrapped
from mai.compiler.onnx.precision.quantize import Coarse
from mai.compiler.ops.backends import Number

UNKNOWN = sz.symbol("not known")
BATCH = "batch"  # The symbol of the number of examples.
Scalar = Integer | ir.Value
Build = Callable[[], ir.Value]
Source = Callable[[str], tuple[ir.Value, int | None]]
Turn = Callable[..., Sequence[ir.Value]]
T = TypeVar("T")


class OnnxBackend(Nodes):
    """Adds sizes, the bodies that they are of, shapes and turns.

    `source` says where a symbol's size is read at run time: a value, and its axis, None for the value itself.
    """

    def __init__(self, graph: Graph, options: CompileOptions, source: Source, coarse: Coarse | None = None) -> None:
        super().__init__(graph, options.opset, coarse)
        self.graph, self.opset, self._source = graph, options.opset, source
        self.draws, self.cuda, self.cpu, self.unroll = options.draws, options.cuda, options.cpu, options.unroll
        self.multiplies = options.cuda or options.portable
        self._sizes: dict[str, ir.Value] = {}
        self._local_sizes: dict[str, ir.Value] = {}
        self._local: set[str] = set()

    # ------------------------------------------------------------------ sizes

    def resolve(self, size: Size) -> Scalar:
        """A size as a number, or as an integer scalar read once: at the start of the graph, or of the body it is of."""
        if not isinstance(size, Dim):
            return size
        return self._beside(size, str(size), lambda: self._computed(size))

    def _computed(self, size: Dim) -> ir.Value:
        number = sz.evaluate(size, self._symbol)
        return self.int(number) if isinstance(number, int) else number.value

    def repeated(self, number: Integer, size: Size) -> ir.Value:
        """A vector of one whole number of 8 bits, made where its size is."""
        if not isinstance(size, Dim):
            return self.const(np.full(size, number), np.uint8)
        one = self.const(number, np.uint8)
        vector = lambda: self.Expand(one, self.shape_vector([self.resolve(size)]))  # noqa: E731
        return self._beside(size, f"{number} by {size}", vector)

    def _beside(self, size: Dim, key: str, make: Build) -> ir.Value:
        """What depends on a size alone, made once: at the start of the graph, or of the body that the size is of."""
        is_local = bool(sz.symbols(size) & self._local)
        sizes = self._local_sizes if is_local else self._sizes
        if key not in sizes:
            inner = self.nodes
            self.nodes = inner if is_local else self.root_nodes
            sizes[key] = make()
            self.nodes = inner
        return sizes[key]

    def where_made(self, x: ir.Value, key: object, make: Callable[[], T]) -> T:
        """What `make()` gives of `x`, which is called once for each key, in the body that makes `x`: before loops that read it."""
        inner = self.nodes, self.place
        self.nodes, self.place = self.home(x)
        result = self.once((x, key), make)
        self.nodes, self.place = inner
        return result

    @contextmanager
    def inside(self, body: Sequence[Value] = (), batch: Build | None = None) -> Iterator[list[ir.Node]]:
        """Nodes go to a list of their own, for a body or a branch; sizes read from `body`, its inputs, live in it.

        `batch` tells how many examples there are in it, if not all.
        """
        outer = self.nodes, self.place, self._local, self._local_sizes
        self.nodes, self.place = [], object()
        self._local = self._local | self.sizes_from(body)
        self._local_sizes = dict(self._local_sizes)
        if batch is not None:
            kept = {name: size for name, size in self._local_sizes.items() if BATCH not in name}
            self._local, self._local_sizes = self._local | {BATCH}, {**kept, BATCH: batch()}
        yield self.nodes
        self.nodes, self.place, self._local, self._local_sizes = outer

    @contextmanager
    def turn(self, body: Sequence[Value]) -> Iterator[None]:
        """One turn of a loop that is written out: sizes that are read from `body`, its inputs, are those of this turn."""
        outer = self._local, self._local_sizes, self.of_turn
        own = self.sizes_from(body)
        self._local, self.of_turn, self._local_sizes = self._local | own, self.of_turn | own, dict(self._local_sizes)
        yield
        self._local, self._local_sizes, self.of_turn = outer

    def sizes_from(self, body: Sequence[Value]) -> set[str]:
        """The names of the sizes that are read from the inputs of a body."""
        return {name for name, source in self.graph.sources.items() if source in body}

    def _symbol(self, name: str) -> Wrapped:
        return Wrapped(self, self._beside(sz.symbol(name), name, lambda: self._read_size(name)))

    def _read_size(self, name: str) -> ir.Value:
        value, axis = self._source(name)
        return value if axis is None else self.Squeeze(self.Shape(value, start=axis, end=axis + 1))

    def rank(self, x: ir.Value) -> Integer:
        """The number of axes in memory."""
        return len(self.physical[x])

    def axes(self, x: ir.Value, axes: Sequence[Integer]) -> ir.Value:
        """Axes that are reduced, counted from the end, as an int64 vector; from the start where one of them may be empty.

        ONNX Runtime gives a wrong shape, in silence, where an empty axis is counted from the end.
        """
        sizes = self.physical[x]
        may_be_empty = any(not isinstance(sizes[axis], int) or not sizes[axis] for axis in axes)
        return self.ints([axis + len(sizes) for axis in axes] if may_be_empty else axes)

    def sizes(self, x: ir.Value) -> list[Scalar]:
        """The sizes of a value's axes in memory."""
        return [self.resolve(s) for s in self.physical[x]]

    def output_sizes(self) -> list[Scalar]:
        """The sizes of the axes, in memory, of what the operation makes."""
        return [self.resolve(s) for s in self.output]

    def size_along(self, x: ir.Value, axis: Integer) -> Integer:
        """A size that is known when the graph is built."""
        size = self.physical[x][axis]
        assert isinstance(size, int)
        return size

    def lacking(self, x: ir.Value, axis: Integer) -> Scalar:
        """How many elements an axis lacks to have one: 1 where it has none, else 0.

        It is asked at run time of a size of several names, `n - k`, where no bound of one of them keeps it above 0.
        """
        size = self.physical[x][axis]
        if isinstance(size, int):
            return int(size < 1)
        names = sz.symbols(size)
        least = sz.evaluate(size, {name: int(self._source(name)[1] is not None) for name in names})
        if len(names) < 2 or (least > 0 and all(coefficient > 0 for monomial, coefficient in size.terms if monomial)):
            return 0
        place = self.rank(x) + axis
        return self.where_made(x, ("lacking", axis), lambda: self._lacking(self.Shape(x, start=place, end=place + 1)))

    def _lacking(self, size: ir.Value) -> ir.Value:
        return self.Cast(self.Less(self.Squeeze(size), self.int(1)), to=int(ir.DataType.INT64))

    def size_value(self, x: ir.Value, axis: Integer) -> ir.Value:
        """The size of `x` along an axis in memory, as an int64 scalar."""
        return self.scalar(self.resolve(self.physical[x][axis]))

    def checked(self, index: ir.Value, x: ir.Value, axis: Integer) -> ir.Value:
        """Places along an axis of `x`, in a form in which ONNX Runtime refuses those beyond it.

        Rows at a `Range` it reads as a slice, which has fewer rows where the axis has, in silence.
        """
        producer = index.producer()
        if producer is None or producer.op_type != "Range" or self.physical[x][axis] == self.physical[index][0]:
            return index
        return self.Abs(index)

    def is_of_a_turn(self, x: ir.Value, axis: Integer) -> bool:
        """Whether an axis has the new tokens of one turn of a growing text: few, since a long prompt is read in blocks."""
        size = str(self.physical[x][axis])
        return size.endswith("_new") and size in self.graph.sources

    def scalar(self, size: Scalar) -> ir.Value:
        """A size as an int64 scalar."""
        return self.int(size) if isinstance(size, int) else size

    def numel(self, sizes: Sequence[Scalar]) -> Integer | Number[ir.Value]:
        """How many elements: a number, or a wrapped value."""
        total: Integer | Number[ir.Value] = 1
        for size in sizes:
            total = total * (size if isinstance(size, int) else Wrapped(self, size))
        return total

    def shape_vector(self, shape: Sequence[Scalar | Number[ir.Value]]) -> ir.Value:
        """Sizes as one integer vector."""
        sizes = [s if isinstance(s, (int, ir.Value)) else s.value for s in shape]
        if all(isinstance(s, int) for s in sizes):
            return self.ints([s for s in sizes if isinstance(s, int)])
        return self.once(("sizes", *sizes), lambda: self._joined(sizes))

    def _joined(self, sizes: Sequence[Scalar]) -> ir.Value:
        one = self.ints([1])
        parts = [self.ints([s]) if isinstance(s, int) else self.Reshape(s, one) for s in sizes]
        return parts[0] if len(parts) == 1 else self.Concat(*parts, axis=0)

    def reshape(self, x: ir.Value, sizes: Sequence[Scalar | Number[ir.Value]]) -> ir.Value:
        """One size may be left to the runtime, so that most reshapes have a constant shape."""
        unknown = [s for s in sizes if not isinstance(s, int) or s == -1]
        shape = (
            self.ints([s if isinstance(s, int) else -1 for s in sizes])
            if len(unknown) < 2
            else self.shape_vector(sizes)
        )
        result = self.Reshape(x, shape)
        self.physical[result] = tuple(s if isinstance(s, int) and s > 0 else UNKNOWN for s in sizes)
        return result

    def flat_lead(self, x: ir.Value, rank: Integer) -> ir.Value:
        """Its lead axes as one: [N, ...]. `rank` is that of the shape behind them."""
        lead = len(self.physical[x]) - rank
        if lead == 1:
            return x
        if not lead:
            result = self.Unsqueeze(x, self.ints([0]))
        else:
            count = self.ReduceProd(self.Shape(x, start=0, end=lead), keepdims=1)
            sizes = self.Concat(count, self.Shape(x, start=lead), axis=0)
            result = self.Reshape(x, sizes, allowzero=1)
        self.physical[result] = (UNKNOWN, *self.physical[x][lead:])
        return result

    def unflat_lead(self, flat: ir.Value, like: ir.Value, rank: Integer) -> ir.Value:
        """The way back: [N, ...] with the lead axes of the operand `like`, whose shape has `rank` axes."""
        lead = len(self.physical[like]) - rank
        if lead == 1:
            return flat
        if not lead:
            return self.Squeeze(flat, self.ints([0]))
        outer = self.Shape(like, start=0, end=lead)
        sizes = self.Concat(outer, self.Shape(flat, start=1), axis=0)
        return self.Reshape(flat, sizes, allowzero=1)

    def branch(self, condition: ir.Value, then: Build, otherwise: Build, real: bool = False) -> ir.Value:
        """`then()` where the condition, one truth for all examples, holds; else `otherwise()`. Both give integers, or reals."""
        graphs = [self._branch(build, DTYPES[DType.REAL if real else DType.INT]) for build in (then, otherwise)]
        return self.make("If", condition, then_branch=graphs[0], else_branch=graphs[1])

    def _branch(self, build: Build, dtype: ir.DataType) -> ir.Graph:
        with self.inside() as nodes:
            result = self.Identity(build())
        result.type = ir.TensorType(dtype)
        return ir.Graph([], [result], nodes=nodes, name=self.name("branch"))

    def turns(
        self, count: Scalar, states: Sequence[ir.Value], turn: Turn, most: Integer = 8, stops: bool = False
    ) -> list[ir.Value]:
        """The states after `count` turns, each of which makes new ones of its number [1] and those before, arrays of reals.

        Up to `most` turns are written out, and all of them where the file shall have no loops. With `stops`, a turn gives one
        truth before its states: whether there is another one.
        """
        if isinstance(count, int) and (count <= most or self.unroll):
            for number in range(count):
                states = turn(self.ints([number]), *states)[int(stops) :]
            return list(states)
        counted, going, *inner = (
            ir.Value(name=self.name(stem)) for stem in ("turn", "going", *["state"] * len(states))
        )
        self.set_shape(counted, DType.INT, ())
        self.set_shape(going, DType.BOOL, ())
        for state in inner:
            state.type = ir.TensorType(ir.DataType.FLOAT)
        with self.inside() as nodes:
            results = turn(self.Reshape(counted, self.ints([1])), *inner)
            outputs = [self.Identity(x) for x in (results if stops else [self.goes_on, *results])]
        outputs[0].type = ir.TensorType(ir.DataType.BOOL)
        for output in outputs[1:]:
            output.type = ir.TensorType(ir.DataType.FLOAT)
        body = ir.Graph([counted, going, *inner], outputs, nodes=nodes, name=self.name("rounds"))
        return self.several("Loop", len(states), self.scalar(count), self.goes_on, *states, body=body)

    @property
    def goes_on(self) -> ir.Value:
        """That a loop goes on: a constant also in its body, since CUDA would copy what the loop hands in to the device and back."""
        return self.const(True, np.bool_)

    def turns_kept(self, count: ir.Value, turn: Callable[[ir.Value], ir.Value]) -> ir.Value:
        """What each of `count` turns makes of its number, reals of one shape, stacked along a new first axis."""
        counted, going = (ir.Value(name=self.name(stem)) for stem in ("turn", "going"))
        self.set_shape(counted, DType.INT, ())
        self.set_shape(going, DType.BOOL, ())
        with self.inside() as nodes:
            outputs = [self.Identity(self.goes_on), self.Identity(turn(counted))]
        for output, dtype in zip(outputs, (DType.BOOL, DType.REAL), strict=True):
            output.type = ir.TensorType(DTYPES[dtype])
        body = ir.Graph([counted, going], outputs, nodes=nodes, name=self.name("rounds"))
        return self.make("Loop", count, self.goes_on, body=body)

    def wrap(self, value: ir.Value, rank: Integer = 0, whole: str = "int64") -> Wrapped:
        """A value with Python's arithmetic operators; numbers beside it have `rank` axes, whole ones a dtype."""
        return Wrapped(self, value, rank, whole)
