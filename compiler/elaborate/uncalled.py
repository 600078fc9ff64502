"""Functions that nothing calls are looked at all the same, on inputs of unknown size."""

from __future__ import annotations

from mai.compiler.elaborate.bindings import Environment, Module, Poison
from mai.compiler.elaborate.blocks.export import bind_input
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.elaborate.elaborator import Elaborator
from mai.compiler.elaborate.errors import repairs
from mai.compiler.elaborate.expressions.names import is_free
from mai.compiler.elaborate.statement_rules import assigned_names
from mai.spec import ast
from mai.spec.diagnostics import Reporter

GUESS = 8  # Stands for a number that only a call says.
SURE = ("unknown-function", "unknown-name")  # What is wrong whatever that number is.


def check_unused(declaration: ast.Function, module: Module, report: Reporter) -> None:
    """Report what is wrong with a net or a layer; of one that only a call makes whole, the names that there are not."""
    if any(isinstance(p.type, ast.AnyType) for p in declaration.parameters):
        return  # Of whatever shape: only a call says of which.
    if declaration.kind == "net" and all(_is_stated(p) for p in declaration.parameters):
        _elaborate(declaration, module, report)
        return
    tried = Reporter()
    _elaborate(declaration, module, tried)
    bound = {name.id for name in assigned_names(declaration.body)}
    for diagnostic in tried.diagnostics:
        if diagnostic.slug in SURE and diagnostic.span is not None and diagnostic.span.text not in bound:
            report.add(diagnostic)


def _is_stated(parameter: ast.Parameter) -> bool:
    """Whether the file alone says what a parameter is, but for the sizes of its axes."""
    return parameter.type is not None and parameter.default is None and _count(parameter.type) is None


def _count(written: ast.TypeExpr) -> ast.Name | None:
    """The name that says how many labels there are: `K` of `class[K]`."""
    return written.classes if isinstance(written, ast.ClassType) and isinstance(written.classes, ast.Name) else None


def _elaborate(declaration: ast.Function, module: Module, report: Reporter) -> None:
    e = Elaborator(report, declaration.name.id, {})
    env = Environment(module)
    e.draws.start()
    try:
        for parameter in declaration.parameters:
            _bind(e, env, parameter)
    except Stop:
        return
    result = e.statements.block(env, declaration.body)
    if result is not None and not isinstance(result, Poison):
        try:
            e.signatures.results(env, declaration, result)
        except Stop:
            return
    elif result is None:
        message = f"`{declaration.name.id}` returns nothing"
        help, label = repairs.returned(declaration), "no `return` in its body"
        e.error("missing-return", declaration.name.span, message, label=label, help=help)


def _bind(e: Context, env: Environment, parameter: ast.Parameter) -> None:
    written = parameter.type
    if parameter.default is not None:
        env.bind(parameter.name, e.expressions.expression(env, parameter.default))
    elif written is None:
        env.bind(parameter.name, GUESS)
    else:
        count = _count(written)
        if count is not None and is_free(env, count):
            env.names[count.id] = GUESS
        bind_input(e, env, parameter, written)
