"""The pipeline as data: names, reasons, and for neighbours whose order matters a program that the other order makes worse."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import pytest

from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.text import to_text
from mai.compiler.passes import forms, pipeline
from mai.compiler.passes.pipeline import Pass, names_of
from mai.compiler.program import Program
from mai.compiler.show.passes import graph_after, passes_of
from mai.compiler.torch.parameters import first_value
from mai.spec.diagnostics import MaiError

Maker = Callable[..., Program]
USUAL = (*pipeline.preparation(), *pipeline.OPTIMISATION)
GUIDED = """
net velocity(x: [3], s: [], y: class[5]) -> [3] {
  h = silu(linear(x, 16) + embed(y, 16))
  h = silu(linear(h, 16, bias = false) + embed(y, 16))
  return linear(h, 3)
}
export f(x: [3], y: class[4], guidance: real = 2.0, steps: int = 4) -> [3] {
  integrate s in 0..1 using euler(steps) {
    free = velocity(x, s, 4)
    dx/ds = free + guidance * (velocity(x, s, y) - free)
  }
  return x
}
"""
TIMED = """
export f(x: [3], steps: int = 4) -> [3] {
  integrate s in 0..1 using euler(steps) { dx/ds = linear(concat(x, fourier(s, 8)) * 1.0, 3) }
  return x
}
"""
SUM = """
export f(x: [3], steps: int = 4) -> [3] {
  integrate s in 0..1 using euler(steps) { dx/ds = linear(x, 3, bias = false) + linear(fourier(s, 8), 3) }
  return x
}
"""
DERIVED = """
net energy(x: [3]) -> [] {
  h = x
  repeat 2 { h += silu(linear(h, 3)) }
  return sum(h)
}
export f(x: [3]) -> [3] { return grad(energy(x), x) }
"""
FLOW = """
export f(x: [3]) -> [3] {
  y = x
  integrate s in 0..1 using euler(4) { dy/ds = -y * y }
  return grad(sum(y), x)
}
"""


def after(order: Sequence[Pass], graph: Graph) -> Graph:
    return pipeline.run(order, graph)


def swapped(order: Sequence[Pass], first: str, second: str) -> list[Pass]:
    """The same passes, `first` right after `second`."""
    moved = next(p for p in order if p.name == first)
    rest = [p for p in order if p is not moved]
    place = names_of(rest).index(second) + 1
    return [*rest[:place], moved, *rest[place:]]


def count(graph: Graph, name: str) -> int:
    return sum(node.op.name == name for node in graph.walk())


def inside_loops(graph: Graph) -> int:
    """How many nodes are done again every turn."""
    return sum(1 for node in graph.walk() for region in node.regions for _ in region.walk())


def test_every_pass_has_a_name_of_its_own_and_a_reason() -> None:
    for cache in forms.GROWN:
        order = (*pipeline.preparation(cache=cache), *pipeline.OPTIMISATION)
        assert len(set(names_of(order))) == len(order)
        assert all(len(each.reason) > 20 for each in order)


def test_turns_are_written_out_before_derivatives_go_through_them(program: Maker) -> None:
    spec = program(DERIVED)
    assert count(after(USUAL, spec.exports["f"]), "loop") == 0

    def derivative(passes: Sequence[Pass]) -> np.ndarray:
        weights = {name: first_value(w, 1) for name, w in spec.weights.items()}
        return evaluate(after(passes, spec.exports["f"]), {"x": np.array([[0.5, -1.0, 2.0]])}, None, weights)[0]

    # The turns of the way back are counted from the last, so they would take each other's weights.
    assert np.abs(derivative(USUAL) - derivative(swapped(USUAL, "unroll", "differentiate"))).max() > 1e-3


def test_a_solver_takes_its_steps_before_derivatives_go_through_them(program: Maker) -> None:
    graph = program(FLOW).exports["f"]
    assert count(after(USUAL, graph), "loop") > 0
    with pytest.raises(MaiError, match="`integrate` has no derivative"):
        after(swapped(USUAL, "discretise", "differentiate"), graph)


def test_a_cache_is_there_before_it_is_in_two_levels(example: Maker) -> None:
    graph = example("char_gpt", d="16", heads="2", depth="2").exports["generate"]
    order = pipeline.preparation(cache="two-level")
    assert count(after(order, graph), "two_level_attention") == 2
    assert count(after(swapped(order, "incremental", "two_level"), graph), "two_level_attention") == 0


def test_neutral_elements_go_before_products_are_split(program: Maker) -> None:
    graph = program(TIMED).exports["f"]
    assert count(after(USUAL, graph), "concat") < count(after(swapped(USUAL, "fold", "split"), graph), "concat")


def test_products_are_split_before_their_parts_leave_the_loop(program: Maker) -> None:
    graph = program(TIMED).exports["f"]
    assert inside_loops(after(USUAL, graph)) < inside_loops(after(swapped(USUAL, "split", "hoist"), graph))


def test_branches_are_paired_before_sums_make_them_unlike(program: Maker) -> None:
    graph = program(GUIDED).exports["f"]
    assert count(after(USUAL, graph), "affine") == 3
    assert count(after(swapped(USUAL, "pair", "fuse"), graph), "affine") == 4


def test_dead_nodes_go_after_the_last_pass_that_leaves_some(program: Maker) -> None:
    graph = program(SUM).exports["f"]
    assert count(after(swapped(USUAL, "fuse", "prune_fused"), graph), "affine") > count(after(USUAL, graph), "affine")


def test_the_graph_that_the_pipeline_is_given_stays(program: Maker) -> None:
    graph = program(GUIDED).exports["f"]
    plain = forms.prepare(graph)
    before = to_text(plain)
    pipeline.run([pipeline.PRUNE, pipeline.SHARE], plain)
    pipeline.run(pipeline.OPTIMISATION, plain)
    assert to_text(plain) == before


def test_the_graph_after_a_pass_is_shown(program: Maker) -> None:
    graph = program(TIMED).exports["f"]
    assert inside_loops(graph_after(graph, "hoist")) < inside_loops(graph_after(graph, "prune_products"))
    assert to_text(graph_after(graph, "prune_fused")) == to_text(forms.optimise(forms.prepare(graph)))


def test_an_unknown_pass_is_told_with_the_names_of_all(program: Maker) -> None:
    graph = program(TIMED).exports["f"]
    with pytest.raises(MaiError, match="`f` goes through no pass `hois`") as error:
        graph_after(graph, "hois")
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.help is not None
    assert "did you mean `hoist`?" in diagnostic.help
    assert ", ".join(names_of(passes_of(graph))) in diagnostic.help


def test_the_seconds_of_each_pass_are_added_up(program: Maker) -> None:
    graph = program(TIMED).exports["f"]
    timings = pipeline.Timings()
    with pipeline.watching(timings):
        forms.prepare(graph)
        forms.prepare(graph)
    forms.optimise(graph_after(graph, "prune"))
    assert list(timings.seconds) == names_of(pipeline.preparation())
    assert len(timings.lines()) == len(pipeline.preparation())


def test_garbage_is_looked_for_seldom_inside_alone() -> None:
    """As before afterwards, also after an error; and what was made inside can be garbage."""
    before = gc.get_threshold(), gc.get_freeze_count(), gc.isenabled()
    for error in (None, ValueError()):
        with suppress(ValueError), pipeline.seldom_collected():
            assert gc.get_threshold()[0] == pipeline.SELDOM and gc.isenabled() == before[2]
            if error is not None:
                raise error
        assert (gc.get_threshold(), gc.get_freeze_count(), gc.isenabled()) == before
