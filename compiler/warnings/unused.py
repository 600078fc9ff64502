"""What does nothing: names that nothing uses, of values, draws, parameters, inputs, settings, fields, nets, layers and consts; a `concat` of one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence, Set

from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Size
from mai.compiler.ops.shapes.shape import Stack
from mai.compiler.warnings.liveness import Liveness, Names, names_read
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.ast_walk import names_of, nodes_of
from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

SAYS = {
    "value": "the value `{}` is computed and nothing reads it afterwards",
    "draw": "`{}` is drawn and nothing reads it",
    "param": "the parameter `{}` is used by nothing, so nothing trains it",
    "state": "the state `{}` is read by nothing",
}
HOST = "whoever runs the file has to give it, and it changes nothing"
DRAWING = ("seed", "example")  # Inputs of an export that its draws read.


def unused_in_bodies(subject: Subject) -> Iterator[Diagnostic]:
    """What a body binds and never reads, and parameters that a body never reads."""
    declared = {place.id for d in subject.file.declarations if (place := _name_of(d)) is not None}
    for function in subject.functions:
        live = yield from _unread(function.body)
        yield from _parameters(function, live, declared)


def _unread(body: Sequence[ast.Statement]) -> Generator[Diagnostic, None, Names]:
    """Warnings for what is left over in a body; gives the names that it reads from around it."""
    looked = Liveness()
    live = looked.block(body, frozenset())
    for unread in looked.unread:
        yield warning(
            "unused", unread.name.span, SAYS[unread.kind].format(unread.name.id), help="use it, or take it out"
        )
    return live


def _parameters(function: ast.Function, live: Names, declared: Set[str]) -> Iterator[Diagnostic]:
    """Of an export, inputs and settings; of a net or a layer what its calls hand over. Sizes in types are uses, too.

    So is a size that only this parameter says: of `y: [m]` the body may read `m` alone.
    """
    for parameter in function.parameters:
        name = parameter.name
        others = [p for p in function.parameters if p is not parameter]
        in_types = names_read(tuple(p.type for p in others))
        read = live | in_types | names_read(tuple(p.default for p in others), function.returns)
        if ({name.id} | names_read(parameter.type) - in_types - declared) & read:
            continue
        if function.kind == "export" and name.id in DRAWING:
            continue
        if function.kind != "export":
            said = f"nothing in `{function.name.id}` reads its parameter `{name.id}`"
        elif parameter.default is None:
            said = f"nothing in `{function.name.id}` reads the input `{name.id}`: {HOST}"
        else:
            said = f"nothing in `{function.name.id}` reads the setting `{name.id}`: to set it changes nothing"
        yield warning("unused", name.span, said, help="use it, or take it out")


def unused_in_training(subject: Subject) -> Iterator[Diagnostic]:
    """What a train block binds and never reads, draws that hide a field of the data, and fields that no loss looks at."""
    train, data = subject.train, subject.data
    if train is None or data is None:
        return
    hidden = {f.name.id: f for f in data.fields}
    drawn = {s.name.id: s for s in train.body if isinstance(s, ast.Draw)}
    live = yield from _unread(train.body)
    elsewhere = frozenset[str]().union(
        *(Liveness().block(t.body, frozenset()) for t in subject.trains if t is not train)
    )
    for name, field in hidden.items():
        if name in drawn and name not in live:
            said = f"`{name}` is drawn here, and hides the field `{name}` of the data, which nothing reads"
            yield warning(
                "hidden-data", drawn[name].name.span, said, help=f"give the draw another name: `{name}0 ~ ...`"
            )
        elif name not in live | elsewhere:
            said = f"nothing in the train block reads the field `{name}` of the data"
            yield warning("unused", field.name.span, said, help="use it, or take it out")


def unused_declarations(subject: Subject) -> Iterator[Diagnostic]:
    """Nets, layers, consts and lets that neither an export nor the train block comes to. A file without both is a library."""
    roots = [d for d in subject.file.declarations if _name_of(d) is None]
    if not any(isinstance(d, (ast.Function, ast.Train, ast.Claim)) for d in roots):
        return
    named = {place.id: (place, d) for d in subject.file.declarations if (place := _name_of(d)) is not None}
    reached: set[str] = set()
    waiting: list[ast.Declaration] = list(roots)
    while waiting:
        for name in _mentioned(waiting.pop()) & named.keys() - reached:
            reached.add(name)
            waiting.append(named[name][1])
    for name, (bound, _) in named.items():
        if name not in reached:
            yield warning("unused", bound.span, f"nothing uses `{name}`", help="use it, or take it out")


def _name_of(declaration: ast.Declaration) -> ast.Identifier | None:
    """The name by which others speak of a declaration; None for what is there for itself: exports, data, the train block."""
    if isinstance(declaration, ast.Function):
        return declaration.name if declaration.kind != "export" else None
    return declaration.name if isinstance(declaration, (ast.Const, ast.Let, ast.Twin)) else None


def _mentioned(declaration: ast.Declaration) -> set[str]:
    """Every name that a declaration speaks of, the nets of `minimize e over f` and the `vocab` of tokens included."""
    names = names_of(declaration)
    one_token = any(written.kind == "token" for written in nodes_of(declaration, ast.ScalarType))
    if one_token or any(True for _ in nodes_of(declaration, ast.TokensType)):
        names |= {"vocab"}
    if isinstance(declaration, ast.Train):
        minimized = [s for s in declaration.body if isinstance(s, ast.Minimize)]
        names |= {o.id for s in minimized for o in s.over if isinstance(o, ast.Identifier)}
    return names


def joins_of_one(subject: Subject) -> Iterator[Diagnostic]:
    """`concat([x, y])` is `[x, y]`: elsewhere a list holds what is joined, here it stacks its tensors along a new axis."""
    calls = {_listed(call): call for call in subject.nodes(ast.Call) if call.function.span.text == "concat"}
    calls.pop(None, None)
    for graph in subject.graphs if calls else ():
        for node in graph.walk():
            call = calls.get(node.span) if node.op is Stack else None
            if call is not None and node.span is not None and node.inputs[0].type.rank:
                yield _is_of_one(call, node.span, node.outputs[0].type.shape)


def _is_of_one(call: ast.Call, items: Span, shape: tuple[Size, ...]) -> Diagnostic:
    said = f"`concat` has one tensor here, {describe(shape)}: a list stacks what it holds along a new axis"
    inside = items.text[1:-1].strip()
    words = f"joined along the last axis they are `{call.span.text.replace(items.text, inside, 1)}`"
    if len(shape) == 2:
        return warning("concat-of-one", call.span, said, help=put(items, inside, words))
    return warning("concat-of-one", call.span, said, help=f"{words}; along the first one write `axis = 0`")


def _listed(call: ast.Call) -> Span | None:
    """The list that is all that a call joins; None where there is no such list."""
    values = [argument.value for argument in call.arguments if argument.name is None]
    return values[0].span if len(values) == 1 and isinstance(values[0], ast.Stack) else None
