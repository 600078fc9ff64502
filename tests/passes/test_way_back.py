"""The way back through blocks of turns, as code: what it is made of, and where it is not used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

import mai.compiler.torch.interpreter as interpreter
import mai.compiler.torch.recurrences.recording as recording
import mai.compiler.torch.recurrences.recurrence as recurrence
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Loop
from mai.compiler.ops.elementwise import Exp, Multiply
from mai.compiler.ops.products.product import Matmul
from mai.compiler.ops.reductions import Sum
from mai.compiler.passes import forms
from mai.compiler.passes.loops.recurrences.recurrence import find_recurrence
from mai.compiler.passes.loops.recurrences.way_back import back_through_reads, back_through_update
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.spec.diagnostics import Diagnostic, MaiError

Maker = Callable[[str], Program]

SELECTIVE = """export f(x: [P, 6], u: [P, 4], w: [6]) -> [P, 6] {
  h = zeros([6, 4])
  repeat P shared as t {
    h = exp(-softplus(x[t])[:, None] * exp(w)[:, None]) * h + (x[t] * w)[:, None] * u[t]
    y = h @ u[t]
  } keep y as ys
  return ys
}
"""
BOTH_WAYS = """export f(x: [P, 3], u: [P, 3, 3], w: [3, 3]) -> [P, 3] {
  h = zeros([3])
  repeat P shared as t {
    M = u[t] + w
    h = 0.9 * h + x[t] @ M + M @ x[t]
    y = h @ M + 2 * (M' @ h)
  } keep y as ys
  return ys
}
"""
CONSTANT = """export f(x: [P, 3]) -> [P, 3] {
  h = zeros([3])
  repeat P shared as t { h = 0.9 * h + [1, 2, 3] * x[t] } keep h as hs
  return hs
}
"""


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eight turns each, of which texts here have 37."""
    monkeypatch.setattr(recurrence, "MOST_TURNS", 8)


def graph_of(program: Maker, text: str) -> Graph:
    return forms.prepare(program(text).exports["f"])


def results(graph: Graph, turns: int = 37) -> list[np.ndarray]:
    """What a graph gives in torch, and what comes back to its inputs."""
    generator = torch.Generator().manual_seed(turns)
    sizes = [[size if isinstance(size, int) else turns for size in v.type.shape] for v in graph.inputs]
    inputs = [torch.randn(2, *size, generator=generator).requires_grad_() for size in sizes]
    (result,) = lower(graph, Weights({}))(*inputs)
    (result * torch.linspace(0.5, 1.5, result.numel()).view(result.shape)).sum().backward()
    return [result.detach().float().numpy(), *(g.grad.numpy() for g in inputs if g.grad is not None)]


def turn_by_turn(monkeypatch: pytest.MonkeyPatch, graph: Graph) -> list[np.ndarray]:
    with monkeypatch.context() as patch:
        patch.setattr(interpreter, "find_recurrence", lambda *_, **__: None)
        patch.setattr(interpreter, "part_loop", lambda *_, **__: None)
        return results(graph)


def test_the_way_back_computes_no_power_of_e_again_and_sums_products_with_vectors_as_matrices(program: Maker) -> None:
    graph = graph_of(program, SELECTIVE)
    (loop,) = (node for node in graph.nodes if node.op is Loop)
    blocks = find_recurrence(graph, loop, 16)
    assert blocks is not None
    update, reads = back_through_update(blocks.updates[0]), back_through_reads(blocks.reads)
    assert not update.back.has(Exp)
    products = [node for node in update.back.walk() if node.op is Matmul]
    assert len(products) == 2  # To the row of x w, and to that of u.
    wide = [n.inputs[0].producer for n in update.back.walk() if n.op is Sum]
    shapes = [n.output.type.shape for n in wide if n is not None and n.op is Multiply]
    assert shapes.count((6, 4)) == 1  # What comes to the rates of decay.
    assert [v.name for v in reads.again.outputs if v.producer is not None and v.producer.op is Matmul] == []


def test_nothing_comes_back_to_constants(program: Maker) -> None:
    graph = graph_of(program, CONSTANT)
    (loop,) = (node for node in graph.nodes if node.op is Loop)
    blocks = find_recurrence(graph, loop, 16)
    assert blocks is not None
    assert back_through_update(blocks.updates[0]).sources == tuple(row.value for row in blocks.rows)


def test_a_loop_without_a_way_back_goes_turn_by_turn(program: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of(program, SELECTIVE)
    wanted = results(graph)

    def refused(*_: object) -> None:
        raise MaiError([Diagnostic("not-differentiable", None, "no derivative")])

    monkeypatch.setattr(recording, "back_through_reads", refused)
    module = lower(graph, Weights({}))
    assert "recurrence(" not in module.code
    for ours, theirs in zip(results(graph), wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_products_of_few_bits_come_back_as_those_of_the_loop(program: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of(program, SELECTIVE)
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = results(graph), turn_by_turn(monkeypatch, graph)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=0.02 * np.abs(b).max())


def test_a_matrix_may_be_read_as_it_is_and_turned_over(program: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the way there has turned over the way back reads so, without what it was before."""
    graph = graph_of(program, BOTH_WAYS)
    for ours, theirs in zip(results(graph), turn_by_turn(monkeypatch, graph), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
