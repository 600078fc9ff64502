"""The graphs that passes leave: as they were, with their names, and in an order in which they can be read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph, Region, Value
from mai.compiler.ir.rewrite import copy_graph
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.text import to_text
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.elementwise import Add
from mai.compiler.passes import forms
from mai.compiler.passes.local.prune import prune
from mai.compiler.program import Program

Maker = Callable[[str], Program]


def test_a_graph_of_one_loop_keeps_it() -> None:
    graph = Graph(name="f", output_names=["y"])
    builder, body = Builder(graph), Region([Value(Type(DType.INT), "turn"), Value(Type(DType.REAL), "x")])
    body.outputs = [Builder(body).emit(Add, body.inputs[1], body.inputs[1])]
    graph.outputs = [*builder.loop(builder.constant(3), Loop(3, fresh=False), [builder.constant(1.0)], body)]
    (y,) = evaluate(prune(graph), {}, {}, {})
    assert y == 8


def test_select_keeps_what_an_output_needs(example: Callable[..., Program]) -> None:
    graph = forms.prepare(example("moons_flow").training.graph)  # type: ignore[union-attr]
    for place in range(len(graph.outputs)):
        one = forms.select(graph, [place])
        assert one.output_names == [graph.output_names[place]]
        read = {v for node in one.walk() for v in node.inputs} | set(one.outputs)
        assert all(any(v in read for v in node.outputs) for node in one.nodes)


def test_passes_leave_their_input_as_it_was(example: Callable[..., Program]) -> None:
    graph = example("moons_flow").exports["path"]
    before = to_text(graph)
    plain = forms.prepare(graph)
    assert to_text(graph) == before
    middle = to_text(plain)
    forms.optimise(forms.freeze(plain))
    assert to_text(plain) == middle
    assert to_text(copy_graph(plain)) == middle


def test_what_a_host_gives_keeps_its_name(program: Maker) -> None:
    graph = program("export f(x: [2], n: int = 3) -> [2] {\n  y = x\n  m = n\n  return y * m\n}\n").exports["f"]
    assert [v.name for v in graph.inputs] == ["x"]
    assert {name: s.value.name for name, s in graph.settings.items()} == {"n": "n"}


def test_text_says_where_sizes_come_from(program: Maker) -> None:
    text = to_text(
        program("export f(x: [P, 2], n: int = 3) -> [P, 2] {\n  repeat n { x = 2 * x }\n  return x\n}\n").exports["f"]
    )
    assert "  size batch = axis 0 of %x\n" in text
    assert "  size P = axis 1 of %x\n" in text
    assert "  size n = %n\n" in text


def test_a_loop_without_turns_keeps_the_start_of_a_path(program: Maker) -> None:
    text = (
        "export f(x: [2], steps: int = 4) -> [steps + 1, 2] {\n"
        "  integrate s in 0..1 using euler(steps) { dx/ds = s * x } keep x as xs\n  return xs\n}\n"
    )
    graph = forms.prepare(program(text).exports["f"])
    with np.errstate(divide="ignore"):
        (path,) = evaluate(graph, {"x": np.ones((3, 2))}, {"steps": 0}, {})
    assert path.tolist() == np.ones((3, 1, 2)).tolist()


def test_what_a_body_makes_is_not_read_after_it(program: Maker) -> None:
    """A transpose is made once; one that a loop's body has made is made again behind it."""
    spec = program(
        "export f(x: [2]) -> [2] {\n  A = [x, 2 * x]\n  repeat 3 shared { x = A' @ x / 10 }\n  return A' @ x\n}\n"
    )
    graph = forms.prepare(spec.exports["f"])
    x = np.array([[1.0, -2.0]])
    (y,) = evaluate(graph, {"x": x}, {}, {})
    A, wanted = np.stack([x[0], 2 * x[0]]), x[0]
    for scale in (10, 10, 10, 1):
        wanted = A.T @ wanted / scale
    np.testing.assert_allclose(y[0], wanted)
