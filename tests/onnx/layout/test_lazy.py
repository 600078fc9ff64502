"""What only one branch reads is computed there, and what a loop's body reads stays outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from mai.compiler.onnx.layout.lazy import lazy

REAL = ir.TensorType(ir.DataType.FLOAT)


def value(name: str, type: Any = REAL, shape: Any = (2,)) -> ir.Value:
    return ir.Value(name=name, type=type, shape=ir.Shape(shape))


def node(op: str, inputs: list[ir.Value], output: str, **attributes: Any) -> ir.Node:
    bodies = [ir.AttrGraph(k, v) for k, v in attributes.items()]
    return ir.Node("", op, inputs, bodies, outputs=[value(output)], name=output)


def branch(name: str, *nodes: ir.Node) -> ir.Graph:
    return ir.Graph([], list(nodes[-1].outputs), nodes=list(nodes), name=name)


def names(graph: ir.Graph) -> list[str | None]:
    return [n.name for n in graph]


def test_nodes_move_into_the_only_branch_that_reads_them() -> None:
    """`own` and what it is made of go into the inner branch; `shared` is read by both, `left` also outside."""
    x, is_first = value("x"), value("is_first", ir.TensorType(ir.DataType.BOOL), ())
    step, shared, left = node("Neg", [x], "step"), node("Exp", [x], "shared"), node("Abs", [x], "left")
    own = node("Sin", [step.outputs[0]], "own")
    deep = branch("deep", node("Add", [own.outputs[0], shared.outputs[0]], "deepest"))
    other = branch("other", node("Identity", [left.outputs[0]], "same"))
    inner = node("If", [is_first], "inner", then_branch=deep, else_branch=other)
    outer_then, outer_else = branch("then", inner), branch("else", node("Cos", [shared.outputs[0]], "cos"))
    outer = node("If", [is_first], "outer", then_branch=outer_then, else_branch=outer_else)
    last = node("Add", [outer.outputs[0], left.outputs[0]], "y")
    graph = ir.Graph(
        [x, is_first], [last.outputs[0]], nodes=[step, shared, left, own, outer, last], name="g", opset_imports={"": 23}
    )
    lazy(graph)
    assert names(graph) == ["shared", "left", "outer", "y"]
    assert names(outer_then) == ["inner"]
    assert names(deep) == ["step", "own", "deepest"]
    raw = ir.serde.serialize_model(ir.Model(graph, ir_version=11)).SerializeToString()
    session = ort.InferenceSession(raw, providers=["CPUExecutionProvider"])
    array = np.array([0.3, -2.0], np.float32)
    for first in (True, False):
        (result,) = session.run(None, {"x": array, "is_first": np.array(first)})
        wanted = np.sin(-array) + np.exp(array) if first else np.cos(np.exp(array))
        np.testing.assert_allclose(result, wanted + np.abs(array), rtol=1e-5)


def test_a_loops_body_is_no_branch() -> None:
    x, count, going = (
        value("x"),
        value("n", ir.TensorType(ir.DataType.INT64), ()),
        value("c", ir.TensorType(ir.DataType.BOOL), ()),
    )
    once = node("Exp", [x], "once")
    turn, on, state = value("i", count.type, ()), value("on", going.type, ()), value("s")
    again = ir.Node("", "Identity", [on], outputs=[value("again", going.type, ())])
    body = ir.Graph(
        [turn, on, state], [again.outputs[0], (add := node("Add", [state, once.outputs[0]], "next")).outputs[0]],
        nodes=[again, add], name="body",
    )  # fmt: skip
    loop = node("Loop", [count, going, x], "y", body=body)
    graph = ir.Graph([x, count, going], [loop.outputs[0]], nodes=[once, loop], name="g", opset_imports={"": 23})
    lazy(graph)
    assert names(graph) == ["once", "y"]
