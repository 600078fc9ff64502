"""`let`s that name fields of the data: computed once from the whole training part, before the first step.

Each is a weight under its own name from then on, and has a graph of its own, whose inputs are the fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Environment, LetTensor, Module, Poison
from mai.compiler.elaborate.context import Stop
from mai.compiler.elaborate.elaborator import Elaborator
from mai.compiler.elaborate.parameters.first_values import computed_initial, known_shape
from mai.compiler.ir.graph import Graph, Weight
from mai.spec import ast
from mai.spec.ast_walk import names_of
from mai.spec.diagnostics import Reporter

if TYPE_CHECKING:
    from mai.compiler.elaborate.blocks.data_fields import Data


def elaborate_data_lets(
    file: ast.File, module: Module, data: Data, report: Reporter, weights: dict[str, Weight]
) -> dict[str, Graph]:
    """The graphs of the `let`s that name fields of the data, in order: inputs are fields, the output is the value.

    Each becomes a weight under its own name, by which the `module` has it from here on.
    """
    graphs: dict[str, Graph] = {}
    for let in (d for d in file.declarations if isinstance(d, ast.Let)):
        fields = [n for n in data.fields if n in names_of(let.value) and n not in module.names]
        if not fields or not isinstance(module.names.get(let.name.id), LetTensor):
            continue
        graph = _elaborate(let, fields, module, data, report, weights)
        if graph is not None:
            graphs[let.name.id] = graph
        module.names[let.name.id] = weights.get(let.name.id, Poison())
    return graphs


def share_data_lets(source: Module, modules: Iterable[Module]) -> None:
    """Have other readings of a file's declarations speak of the same weights where they have `let`s of data."""
    computed = {name: value for name, value in source.names.items() if isinstance(value, (Weight, Poison))}
    for module in modules:
        module.names.update(computed)


def _elaborate(
    let: ast.Let, fields: Sequence[str], module: Module, data: Data, report: Reporter, weights: dict[str, Weight]
) -> Graph | None:
    e, env, span = Elaborator(report, let.name.id, weights), Environment(module), let.value.span
    env.names.update(data.sizes)
    e.draws.start()
    for name in fields:
        env.names[name] = e.add_input(data.fields[name], name, data.sizes)
    with e.first_value():
        binding = e.expressions.expression(env, let.value)
        try:
            value = e.real(binding, span)
            shape = known_shape(e, value, span)
        except Stop:
            return None
    e.draws.finish()
    weights[let.name.id] = Weight(let.name.id, shape, computed_initial(), False, let.name.id, let.name.span)
    e.graph.outputs, e.graph.output_names = [value], [let.name.id]
    return e.graph
