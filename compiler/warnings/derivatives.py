"""Derivatives of more than was probably meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.ast_walk import names_of, nodes_of
from mai.spec.diagnostics import Diagnostic


def total_derivatives(subject: Subject) -> Iterator[Diagnostic]:
    """`jvp(u(z, t), t, 1)` where z was computed from t: the derivative goes through z, too."""
    bodies = [*(f.body for f in subject.functions), *(t.body for t in subject.trains)]
    for body in bodies if any(map(_is_derivative, subject.nodes(ast.Call))) else ():
        yield from _in_body(body)


def _in_body(body: Sequence[ast.Statement]) -> Iterator[Diagnostic]:
    """The calls and assignments of a body in their order: an assignment counts from its end on."""
    calls: dict[str, ast.Call] = {}  # The last call that a name was assigned.
    made_of: dict[str, set[str]] = {}  # All names that a name was computed from.
    places: list[tuple[int, ast.Call | ast.Assign]] = [(call.span.start, call) for call in nodes_of(body, ast.Call)]
    places += [(assign.span.end, assign) for assign in nodes_of(body, ast.Assign)]
    for _, each in sorted(places, key=lambda pair: pair[0]):
        if isinstance(each, ast.Call):
            yield from _of_call(each, calls, made_of)
        else:
            _note(each, calls, made_of)


def _note(assign: ast.Assign, calls: dict[str, ast.Call], made_of: dict[str, set[str]]) -> None:
    read = names_of(assign.value)
    behind = read.union(*(made_of.get(name, set()) for name in read))
    for target in assign.targets:
        made_of[target.id] = behind | (made_of.get(target.id, set()) if assign.op else set())
        calls.pop(target.id, None)
        if isinstance(assign.value, ast.Call) and len(assign.targets) == 1 and not assign.op:
            calls[target.id] = assign.value


def _of_call(call: ast.Call, calls: dict[str, ast.Call], made_of: dict[str, set[str]]) -> Iterator[Diagnostic]:
    if not _is_derivative(call):
        return
    value, by = call.arguments[0].value, call.arguments[1].value
    derived = calls.get(value.id) if isinstance(value, ast.Name) else value
    if not isinstance(by, ast.Name) or not isinstance(derived, ast.Call):
        return
    places = [argument.value for argument in derived.arguments]
    through = [p for p in places if isinstance(p, ast.Name) and p.id != by.id and by.id in made_of.get(p.id, set())]
    if through and any(isinstance(p, ast.Name) and p.id == by.id for p in places):
        others = ", ".join(f"`{p.span.text}`" for p in through)
        said = f"this derivative along `{by.id}` also goes through {others}, which was computed from `{by.id}`"
        at, along = (", ".join(texts) for texts in (_texts(places), _directions(places, by, call.arguments[2].value)))
        help = f"of the function alone, with {others} held still: `(y, dy) = jvp({derived.function.span.text}, ({at}), ({along}))`"
        yield warning("total-derivative", call.span, said, help=help)


def _is_derivative(call: ast.Call) -> bool:
    return isinstance(call.function, ast.Name) and call.function.id == "jvp" and len(call.arguments) == 3


def _texts(places: Sequence[ast.Expr]) -> list[str]:
    return [place.span.text for place in places]


def _directions(places: Sequence[ast.Expr], by: ast.Name, direction: ast.Expr) -> list[str]:
    """The direction at the place itself, 0 at the others."""
    return [direction.span.text if isinstance(p, ast.Name) and p.id == by.id else "0" for p in places]
