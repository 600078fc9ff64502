"""The walk that numpy, torch and ONNX share: with formulas as its values, and that nothing else knows structural nodes."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.ir.align import Fit, fits
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.interpreter import BrokenGraph, Interpreter
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.structure import Constant, Extend, Loop, WeightOf
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type, real
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.products.product import Affine, Matmul
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.ops.shapes.shape import Concat, Reshape
from mai.runtime.arrays import Array

COMPILER = Path(__file__).parents[2] / "compiler"
BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)
HEAD = Axis("head", 2, BATCH_DEPTH + 1)


class Formulas(Interpreter[str, str]):
    """Every value becomes a formula; loops take three turns."""

    def constant(self, node: Node) -> str:
        return str(Constant.of(node).value)

    def weight(self, node: Node) -> str:
        return WeightOf.of(node).weight

    def size(self, size: Size) -> str:
        return str(size)

    def scalar(self, size: str) -> str:
        return f"|{size}|"

    def unsqueeze(self, x: str, type: Type, axes: tuple[int, ...]) -> str:
        return f"{x}^{','.join(map(str, axes))}"

    def expand(self, x: str, type: Type) -> str:
        return f"{x}:{'.'.join(map(str, type.lead))}"

    def call(self, node: Node, inputs: Sequence[str], attributes: dict[str, object]) -> list[str]:
        named = [f"{k}={v}" for k, v in attributes.items()]
        return [f"{node.op.name}({', '.join([*inputs, *named])})"]

    def loop(self, node: Node) -> list[str]:
        states = [self[v] for v in node.inputs[1:]]
        for turn in range(3):
            states = self.body(node.regions[0], [str(turn), *states])
        return states


def graph_of(*inputs: Value) -> tuple[Graph, Builder]:
    graph = Graph(name="f", inputs=list(inputs), sizes={"batch": (inputs[0], 0)}, output_names=["y"])
    return graph, Builder(graph)


def formula(graph: Graph, *outputs: Value) -> str:
    walk = Formulas(graph)
    walk.values = {v: v.name for v in graph.inputs}
    walk.nodes(graph.nodes)
    return "; ".join(walk[v] for v in outputs)


def batched(name: str, *shape: Size) -> Value:
    return Value(real(*shape).with_lead((BATCH,)), name)


def test_views_are_what_they_view_and_attributes_have_sizes() -> None:
    x = batched("x", symbol("P"), 6)
    graph, b = graph_of(x)
    inside = b.lead(x, (Axis("token", symbol("P"), BATCH_DEPTH + 1),))
    y = b.unlead(b.emit(el.Exp, inside), 1)
    split = b.emit(Reshape, y, shape=(symbol("P"), 2, 3))
    assert formula(graph, split) == "reshape(exp(x), shape=('P', 2, 3), lead=('batch',))"
    assert formula(graph, b.size(symbol("P") + 1)) == "|P + 1|"


def test_a_spread_and_a_loop() -> None:
    x = batched("x", 4)
    graph, b = graph_of(x)
    body = Region([Value(Type(DType.INT), "turn"), Value(x.type, "h")])
    inner = Builder(body)
    body.outputs = [inner.emit(el.Multiply, body.inputs[1], x)]
    first = b.spread(b.constant((1.0, 2.0, 3.0, 4.0)), (BATCH,))
    (y,) = b.loop(b.constant(3), Loop(3, fresh=False), [first], body)
    start = "(1.0, 2.0, 3.0, 4.0):batch"
    assert formula(graph, y) == f"multiply(multiply(multiply({start}, x), x), x)"


MEETINGS: list[tuple[str, type, dict[str, object], list[Type], list[Fit]]] = [
    ("broadcasting is enough", el.Add, {}, [real(3, 4).with_lead((BATCH,)), real(4)], []),
    (
        "axes inside a lead", el.Add, {}, [real(4).with_lead((BATCH,)), real(3, 4)], [Fit(0, (-2,))],
    ),
    (
        "other lead axes", el.Add, {}, [real(4).with_lead((BATCH,)), real(4).with_lead((HEAD,))],
        [Fit(0, (-2,))],
    ),
    (
        "lead axes alone", Matmul, {}, [real(3, 4).with_lead((BATCH, HEAD)), real(4, 2).with_lead((BATCH,))],
        [Fit(1, (-3,))],
    ),
    (
        "expanded", Concat, {"axis": -1}, [real(3).with_lead((BATCH,)), real(2)],
        [Fit(1, (), (BATCH,))],
    ),
    (
        "a table as it is", Take, {"axis": -2, "rank": 2, "index_rank": 0},
        [real(5, 3), Type(DType.INT).with_lead((BATCH,))], [],
    ),
    ("weights as they are", Affine, {}, [real(4).with_lead((BATCH,)), real(3, 4), real(3)], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "attributes", "types", "wanted"), [m[1:] for m in MEETINGS], ids=[m[0] for m in MEETINGS]
)
def test_inputs_meet(op: type, attributes: dict[str, object], types: list[Type], wanted: list[Fit]) -> None:
    b = Builder(Graph(name="f"))
    results = b.emit_all(op, [Value(t, "x") for t in types], attributes)
    assert results[0].producer is not None
    assert fits(results[0].producer) == wanted


def countdown() -> Graph:
    """x doubled until it is 8 or more, at most six times; what is kept is each turn's x."""
    x = Value(real(), "x")
    graph = Graph(name="f", inputs=[x], output_names=["last", "path"])
    b = Builder(graph)
    body = Region([Value(Type(DType.INT), "turn"), Value(Type(DType.BOOL), "going"), Value(real(), "h")])
    inner = Builder(body)
    doubled = inner.emit(el.Add, body.inputs[2], body.inputs[2])
    body.outputs = [inner.emit(logic.Less, doubled, inner.constant(8.0)), doubled, inner.emit(el.ToInt, doubled)]
    _, last, path = b.loop(
        b.constant(6), Loop(6, fresh=False, stops=True, fill=-1), [b.constant(True), x], body
    )  # fmt: skip
    graph.outputs = [last, path]
    return graph


def test_a_loop_stops() -> None:
    last, path = evaluate(countdown(), {"x": 1.5}, None, {})
    assert float(last) == 12.0
    assert path.tolist() == [3, 6, 12, -1, -1, -1]


@pytest.mark.parametrize("output", [0, 1])
def test_a_loop_stops_everywhere(output: int, agree: Callable[..., Array]) -> None:
    graph = countdown()
    graph.outputs, graph.output_names = [graph.outputs[output]], ["y"]
    agree(graph, {"x": np.array(1.5, np.float32)}, {})


def test_what_is_read_too_early_is_said() -> None:
    x = batched("x", 4)
    graph, b = graph_of(x)
    y = b.emit(el.Negative, b.emit(el.Exp, x, name="grown"))
    graph.nodes.reverse()
    with pytest.raises(BrokenGraph, match=re.escape("in `f`, `grown` (batch f32[4]) is read before it is computed")):
        formula(graph, y)


def test_a_size_without_a_source_is_said() -> None:
    x = batched("x", 4)
    graph, b = graph_of(x)
    graph.outputs = [b.size(symbol("P"))]
    with pytest.raises(BrokenGraph, match="in `f`, nothing says where the size `P` is read"):
        evaluate(graph, {"x": np.zeros((1, 4))}, None, {})


def test_what_a_pass_should_have_replaced_is_said() -> None:
    row = Value(Type(DType.INT, (symbol("P"),), (BATCH,)), "row")
    graph, b = graph_of(row)
    b.add(Extend("length", 1), [row, b.constant(1)], [row.type], [Region()])
    with pytest.raises(BrokenGraph, match="`extend` has no executable form here"):
        formula(graph)


LOWERINGS = [
    *(COMPILER / "torch").rglob("*.py"),
    *(COMPILER / "ops").rglob("*.py"),
    *(COMPILER / "onnx" / "lowering" / name for name in ("build.py", "backend.py", "interpreter.py", "interface.py")),
    COMPILER / "passes" / "analyses" / "known_values.py",
    COMPILER / "ir" / "evaluate.py",
]
WALKED = {"Lead", "Unlead", "Across", "Spread", "SizeOf", "Adjoint", "VIEWS"}


@pytest.mark.parametrize("path", LOWERINGS, ids=[str(p.relative_to(COMPILER)) for p in LOWERINGS])
def test_the_walk_alone_asks_which_structural_node_it_is(path: Path) -> None:
    """`op is Spread`, `op in VIEWS` and the like stand in `ir/interpreter.py`; its hooks read their node's attributes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare):
            names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            assert not names & WALKED, f"{path.name}:{node.lineno} asks for {names & WALKED}"
