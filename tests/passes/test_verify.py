"""Every example is a sound graph after every pass; every kind of broken graph is told in a sentence at its node."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.structure import Extend, Loop, WeightOf
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type, real
from mai.compiler.ir.verify import InvalidGraph, verify
from mai.compiler.ops import elementwise as el
from mai.compiler.passes import forms, pipeline
from mai.compiler.program import Program

EXAMPLES = sorted(path.stem for path in (Path(__file__).parents[2] / "examples").glob("*.mai"))
BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)


def looped() -> tuple[Graph, Value, Node]:
    """A graph x -> x doubled three times, its input, and its loop."""
    x = Value(real(4).with_lead((BATCH,)), "x")
    graph = Graph(name="g", inputs=[x], sizes={"batch": (x, 0)}, output_names=["y"])
    builder = Builder(graph, scope="net")
    body = Region([Value(Type(DType.INT), "turn"), Value(x.type, "held")])
    inside = Builder(body, scope="net")
    body.outputs = [inside.emit(el.Add, body.inputs[1], body.inputs[1], name="doubled")]
    (y,) = builder.loop(builder.constant(3), Loop(3, fresh=False), [x], body)
    graph.outputs = [builder.emit(el.Negative, y, name="turned")]
    verify(graph)
    loop = y.producer
    assert loop is not None
    return graph, x, loop


def refused(graph: Graph, sentence: str) -> None:
    with pytest.raises(InvalidGraph, match=re.escape(sentence)) as error:
        verify(graph, "a pass")
    assert "graph `g` is broken after `a pass`" in str(error.value)


def test_a_value_that_is_read_before_it_is_made() -> None:
    graph, *_ = looped()
    graph.nodes.reverse()
    refused(graph, "is read before it is made: `negative`, which makes %turned in `net`")


def test_a_value_that_is_read_outside_of_its_body() -> None:
    graph, _, loop = looped()
    graph.outputs = [loop.regions[0].outputs[0]]
    refused(graph, "%doubled is read outside of the body that makes it: what leaves graph `g`")


def test_a_value_that_nothing_makes() -> None:
    graph, x, _ = looped()
    Builder(graph).emit(el.Negative, Value(x.type, "lost"))
    refused(graph, "%lost is read, and nothing in the graph makes it: `negative`")


def test_a_value_that_is_made_twice() -> None:
    graph, _, loop = looped()
    graph.nodes.append(loop)
    refused(graph, "is made twice, the second time by `loop`")


def test_a_type_that_does_not_follow_from_the_operands() -> None:
    graph, *_ = looped()
    graph.outputs[0].type = real(5).with_lead((BATCH,))
    refused(graph, "%turned has the type batch f32[5], and batch f32[4] follows from the operands: `negative`")


def test_operands_that_a_shape_rule_refuses() -> None:
    graph, _, loop = looped()
    body = loop.regions[0]
    (node,) = body.nodes
    node.unlink()
    node.inputs = (body.inputs[1], other := Value(real(3), "other"))
    node.link()
    graph.inputs.append(other)
    refused(graph, "the shape rule refuses the operands")


def test_lead_axes_in_the_wrong_order() -> None:
    graph, x, _ = looped()
    x.type = real(4).with_lead((replace(BATCH, name="inner", depth=1), BATCH))
    refused(graph, "%x has the lead axes inner, batch, which are not each once, outermost first: graph `g`")


def test_a_body_that_does_not_agree_with_its_loop() -> None:
    graph, x, loop = looped()
    loop.regions[0].inputs.append(Value(x.type, "more"))
    refused(graph, "the body has 3 inputs where 2 belong: `loop`")


def test_a_state_that_changes_its_type() -> None:
    graph, _, loop = looped()
    loop.regions[0].inputs[1].type = real(4)
    refused(graph, "the state %held is f32[4] and begins as batch f32[4]: `loop`")


def test_a_structural_node_without_its_body() -> None:
    graph, _, loop = looped()
    loop.unlink()
    loop.regions = ()
    loop.link()
    refused(graph, "there are 0 bodies where 1 belong: `loop`")


def test_a_loop_whose_rows_are_not_its_turns() -> None:
    graph, _, loop = looped()
    loop.outputs = (*loop.outputs, Value(real(2, 4).with_lead((BATCH,)), "rows"))
    loop.unlink()
    loop.regions[0].outputs += loop.regions[0].outputs
    loop.link()
    refused(graph, "%rows has the type batch f32[2, 4], and batch f32[3, 4] follows from the operands: `loop`")


def test_a_weight_that_the_graph_does_not_have() -> None:
    graph, *_ = looped()
    Builder(graph).add(WeightOf("net.weight"), [], [real(4)])
    refused(graph, "the graph has no weight `net.weight`: `weightof`")


def test_a_size_without_a_source() -> None:
    graph, *_ = looped()
    Builder(graph).size(symbol("P"))
    refused(graph, "the size P has no source in the graph: `sizeof`")


def test_a_size_whose_source_cannot_be_seen() -> None:
    graph, _, loop = looped()
    graph.sizes["P"] = (loop.regions[0].inputs[1], 1)
    Builder(graph).size(symbol("P"))
    refused(graph, "the size P is read from %held, which cannot be seen here: `sizeof`")


def test_a_use_that_is_not_told() -> None:
    graph, x, loop = looped()
    del x.uses[loop]
    refused(graph, "%x is read 1 times and knows of 0: `loop`")


def test_a_use_that_is_no_more() -> None:
    graph, x, _ = looped()
    Builder(graph).emit(el.Negative, x)
    graph.nodes.pop()
    refused(graph, "%x is read 0 times and knows of 1: `negative`")


def test_a_value_that_does_not_know_its_producer() -> None:
    graph, *_ = looped()
    graph.outputs[0].producer = None
    refused(graph, "%turned does not know that it is made by `negative`")


def graphs_of(program: Program) -> list[Graph]:
    return [*program.exports.values(), *([program.training.graph] if program.training else [])]


def text_forms_are_sound(graph: Graph) -> None:
    forms.optimise(forms.prepare(graph, cache="two-level"))
    forms.optimise(forms.prepare(graph, drafts=3))
    turn = forms.step(forms.optimise(forms.prepare(graph, cache="concat")))
    assert turn is not None
    verify(turn, "step")


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_sound_after_every_pass(
    name: str, example: Callable[..., Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAI_VERIFY", "1")
    program = example(name)
    verified: list[str] = []
    with pipeline.watching(lambda each, seconds, graph: verified.append(each.name)):
        for graph in graphs_of(program):
            verify(graph, "elaborate")
        if program.training:
            forms.prepare(program.training.graph, adjoint=True)
        for graph in program.exports.values():
            plain = forms.prepare(graph)
            forms.optimise(plain)
            forms.readable(graph)
            verify(forms.freeze(graph), "freeze")
            verify(forms.select(plain, [0]), "select")
            if any(node.op is Extend for node in graph.walk()):
                text_forms_are_sound(graph)
    assert set(verified) >= {each.name for each in (*pipeline.preparation(), *pipeline.OPTIMISATION)}


def test_a_pass_that_breaks_a_graph_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(graph: Graph) -> Graph:
        graph.nodes.reverse()
        return graph

    monkeypatch.setenv("MAI_VERIFY", "1")
    graph, *_ = looped()
    with pytest.raises(InvalidGraph, match="graph `g` is broken after `careless`"):
        pipeline.run([pipeline.Pass("careless", careless, "to be caught")], graph)


def test_nothing_is_verified_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAI_VERIFY", raising=False)
    graph, *_ = looped()
    graph.nodes.reverse()
    assert pipeline.run([pipeline.Pass("nothing", lambda g: g, "to be left alone")], graph) is graph
