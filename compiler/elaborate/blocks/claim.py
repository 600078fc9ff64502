"""`claim`: a graph as an export has one, whose results are the sides of the conditions that it checks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding, Environment, Function, Module, Poison
from mai.compiler.elaborate.blocks.integrals.arrival import count_evaluations
from mai.compiler.elaborate.configuration import read_configuration
from mai.compiler.elaborate.context import BATCH, Context, Stop
from mai.compiler.elaborate.elaborator import Elaborator
from mai.compiler.elaborate.errors import repairs
from mai.compiler.elaborate.statement_rules import elaborates
from mai.compiler.elaborate.statements import check_arguments
from mai.compiler.elaborate.undecided import decided
from mai.compiler.ir.graph import Value, Weight
from mai.compiler.ir.operation import describe
from mai.compiler.ops.elementwise import ToReal
from mai.compiler.program import Check, Claim
from mai.spec import ast
from mai.spec.ast_walk import names_of, nodes_of
from mai.spec.diagnostics import Reporter
from mai.spec.diagnostics.edit import put
from mai.spec.read_settings import read_settings
from mai.spec.settings import MANY, Settings, setting
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.blocks.data_fields import Data

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


class ClaimSettings(Settings):
    """The head of a claim: for how many examples it is computed where it draws or reads data, and for how many seeds."""

    count: int = setting(default=256, ge=1, le=MANY)
    seeds: int = setting(default=5, ge=1, le=1000)


@dataclass
class Checks:
    """The conditions of a claim so far, its text, and the exports that it may call."""

    text: Span
    exports: Collection[str] = ()
    checks: list[Check] = field(default_factory=list)


def elaborate_claim(
    declaration: ast.Claim, module: Module, exports: Mapping[str, ast.Function], data: Data, report: Reporter,
    weights: dict[str, Weight],
) -> Claim | None:  # fmt: skip
    """The graph that checks a claim; None where it has errors, which are reported.

    Args:
        exports: those of the file, which a claim may call.
        data: the fields of the file's data; those that the claim names are its inputs.
    """
    e, before = Elaborator(report, declaration.name.id, weights), len(report.diagnostics)
    e.claim = Checks(declaration.span, frozenset(exports))
    env = Environment(replace(module, names={**module.names, **_callable(exports, module)}))
    configuration = read_configuration(e, env, declaration.settings)
    settings = configuration and read_settings(ClaimSettings, configuration, "a claim", declaration.head, report)
    e.draws.start()
    _bind_fields(e, env, declaration, data)
    e.ask_for_batch()
    e.statements.block(env, declaration.body)
    if e.evaluations:
        count_evaluations(e)
    e.draws.finish()
    if not any(True for _ in nodes_of(declaration.body, ast.Check)):
        last = declaration.body[-1] if declaration.body else None
        help = repairs.instead_of_name(last, "check") or "end it in `check ...`, a condition"
        report.error("check-missing", declaration.head, "a claim says what it checks", help=help)
    if len(report.diagnostics) > before or not settings or not e.claim.checks:
        return None
    several = "seed" in e.graph.settings or bool(e.graph.inputs)
    return Claim(e.graph, tuple(e.claim.checks), settings.count if several else 1, settings.seeds if several else 1)


def _callable(exports: Mapping[str, ast.Function], module: Module) -> dict[str, Binding]:
    """The exports as functions with the same parameters; their settings become numbers when the claim is compiled."""
    nets: dict[str, Binding] = {}
    for name, export in exports.items():
        parameters = tuple(replace(p, type=None) if p.default is not None else p for p in export.parameters)
        nets[name] = Function(replace(export, kind="net", parameters=parameters), module)
    return nets


def _bind_fields(e: Elaborator, env: Environment, declaration: ast.Claim, data: Data) -> None:
    """The fields of the data that a claim names are inputs."""
    env.names.update(data.sizes)
    for name in [n for n in data.fields if n in names_of(declaration.body)]:
        env.names[name] = e.add_input(data.fields[name], name, data.sizes)


@elaborates(ast.Check)
def _check(e: Context, env: Environment, statement: ast.Check) -> Binding:
    if e.call_stack or (e.claim is None and not e.in_train_block):
        return check_arguments(e, env, statement)
    if e.claim is None:
        shown = statement.value.left if isinstance(statement.value, ast.Binary) else statement.value
        help = put(statement.span, f"report {shown.span.text}")
        raise e.fail("check-outside-claim", statement.span, "`check` belongs in a claim, or in a layer", help=help)
    number, condition = len(e.claim.checks) + 1, statement.value
    if isinstance(condition, ast.Binary) and condition.op in COMPARISONS:
        sides = [_number(e, env, side, condition) for side in (condition.left, condition.right)]
        names: tuple[str, ...] = (f"left_{number}", f"right_{number}")
        operation: str | None = condition.op
    else:
        binding = e.expressions.expression(env, condition)
        if isinstance(binding, Poison):
            raise Stop
        truth = e.truth(binding, condition.span)
        _single(e, truth, condition, condition)
        sides, names, operation = [e.emit(ToReal, truth)], (f"holds_{number}",), None
    decisions = [decided(e, side, e.claim.text) for side in sides]
    e.graph.outputs += [e.builder.spread(each, (BATCH,)) for each in decisions]
    e.graph.output_names += names
    e.claim.checks.append(Check(condition.span.text, operation, names))
    return None


def _number(e: Context, env: Environment, side: ast.Expr, condition: ast.Expr) -> Value:
    """One side of a comparison: one real number for each example."""
    binding = e.expressions.expression(env, side)
    if isinstance(binding, Poison):
        raise Stop
    value = e.real(binding, side.span)
    _single(e, value, side, condition)
    return value


def _single(e: Context, value: Value, expr: ast.Expr, condition: ast.Expr) -> None:
    inner = [axis for axis in value.type.lead if axis != BATCH]
    if value.type.rank or inner:
        message = f"a claim checks one number for each example, this is {describe(value.type.shape)}"
        help = put(condition.span, f"all({condition.span.text})", "check all of them, `{}`, or one number of them")
        raise e.fail("objective-not-scalar", expr.span, message, label=describe(value.type.shape), help=help)
