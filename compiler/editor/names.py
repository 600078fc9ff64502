"""What every name of a file is, where it is defined, and where it stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from mai.spec import ast
from mai.spec.ast_walk import children, nodes_of
from mai.spec.source import Source, Span

Kind = Literal["const", "let", "field", "layer", "net", "export", "train", "claim", "parameter", "size", "variable", "param", "state"]  # fmt: skip
CALLED = ("layer", "net", "export")
HELD = ("param", "state")
CALL = re.compile(r"(\w+?)_\d+")  # The parameters of a call of a layer: `f.block_1.gain`.
TURN = re.compile(r"(repeat_)?\d+")  # Those of a turn, or of one net of a family.


@dataclass(eq=False)
class Symbol:
    """Something with a name: where it is defined, by what, and in which declaration, if it is not of the whole file."""

    name: str
    kind: Kind
    span: Span
    node: object
    scope: ast.Declaration | None = None
    places: list[Span] = field(default_factory=list)

    @property
    def is_function(self) -> bool:
        """Whether it can be called."""
        return self.kind in CALLED


@dataclass
class Names:
    """The symbols of a file: `own` those of the whole file, `inner` those of each declaration, `imported` those of other files.

    `patterns` has parts of parameters' names that do not say of which net or layer they are, as those of `"*.gain"`.
    """

    source: Source
    own: dict[str, Symbol] = field(default_factory=dict)
    inner: dict[int, dict[str, Symbol]] = field(default_factory=dict)
    imported: Mapping[str, Symbol] = field(default_factory=dict)
    unknown: dict[str, list[Span]] = field(default_factory=dict)  # Names of the prelude, of functions, and of nothing.
    patterns: list[tuple[str, Span]] = field(default_factory=list)
    ordered: list[tuple[int, int, Symbol]] = field(default_factory=list)

    def at(self, offset: int) -> tuple[Span, Symbol] | None:
        """The symbol that is named at a character, or just before it, and where it stands."""
        place = bisect_right(self.ordered, offset, key=lambda entry: entry[0]) - 1
        if place < 0:
            return None
        start, end, symbol = self.ordered[place]
        return (Span(self.source, start, end), symbol) if offset <= end else None

    def meant(self, symbol: Symbol) -> Span | None:
        """A part of a pattern that means a symbol, and perhaps others, too."""
        name = f"{symbol.name}_1" if symbol.kind == "layer" else symbol.name
        if symbol.kind not in (*CALLED, *HELD):
            return None
        parts = (
            (re.sub(r"_\d+$", "_1", part) if symbol.kind == "layer" else part, span) for part, span in self.patterns
        )
        return next((span for part, span in parts if part != "*" and fnmatchcase(name, part)), None)

    def in_sight(self, declaration: ast.Declaration | None) -> dict[str, Symbol]:
        """What can be named in a declaration."""
        return {**self.imported, **self.own, **self.inner.get(id(declaration), {})}

    def add(self, symbol: Symbol, span: Span) -> None:
        """Remember that a symbol stands at a place."""
        symbol.places.append(span)
        self.ordered.append((span.start, span.end, symbol))


def names_of_file(file: ast.File, imported: Mapping[str, Symbol]) -> Names:
    """What each name of a file is."""
    names = Names(file.source, imported=imported)
    for declaration in file.declarations:
        for symbol in _declared(declaration):
            names.own.setdefault(symbol.name, symbol)
    for declaration in file.declarations:
        if id(declaration) not in names.inner:
            names.inner[id(declaration)] = _inside(declaration, names)
        _Uses(names, declaration).visit(declaration)
    names.ordered.sort(key=lambda entry: entry[:2])
    return names


def _declared(d: ast.Declaration) -> Iterator[Symbol]:
    match d:
        case ast.Const():
            yield Symbol(d.name.id, "const", d.name.span, d)
        case ast.Let():
            yield Symbol(d.name.id, "let", d.name.span, d)
        case ast.Data():
            yield from (Symbol(f.name.id, "field", f.name.span, f) for f in d.fields)
        case ast.Function():
            yield Symbol(d.name.id, d.kind, d.name.span, d)
        case ast.Twin():
            yield Symbol(d.name.id, "net", d.name.span, d)
        case ast.Claim():
            yield Symbol(d.name.id, "claim", d.name.span, d)
        case ast.Train(name=ast.Identifier() as name):
            yield Symbol(name.id, "train", name.span, d)


def _inside(d: ast.Declaration, names: Names) -> dict[str, Symbol]:
    """What a declaration binds for itself: parameters, the sizes that their types name, and what its lines define."""
    symbols: dict[str, Symbol] = {}
    parameters = d.parameters if isinstance(d, ast.Function) else ()
    for parameter in parameters:
        symbols.setdefault(parameter.name.id, Symbol(parameter.name.id, "parameter", parameter.name.span, parameter, d))
    for parameter in parameters:
        for name in nodes_of(parameter.type, ast.Name):
            if names.own.get(name.id) is None or names.own[name.id].kind == "field":
                symbols.setdefault(name.id, Symbol(name.id, "size", name.span, parameter, d))
    for statement in _deeper(getattr(d, "body", ())):
        for kind, identifier in _bound(statement):
            first = symbols.setdefault(identifier.id, Symbol(identifier.id, kind, identifier.span, statement, d))
            if first.kind == kind and identifier.span.start < first.span.start:
                first.span, first.node = identifier.span, statement
    return symbols


def _deeper(body: object) -> Iterator[ast.Statement]:
    """All statements, those inside of others, too."""
    stack = [body]
    while stack:
        top = stack.pop()
        if isinstance(top, ast.Statement):
            yield top
        if isinstance(top, (ast.Statement, tuple)):
            stack.extend(children(top))


def _bound(s: ast.Statement) -> Iterator[tuple[Kind, ast.Identifier]]:
    match s:
        case ast.Assign(op=""):
            yield from (("variable", target) for target in s.targets)
        case ast.Param():
            yield ("param" if s.trained else "state"), s.name
        case ast.Draw() | ast.Noise():
            yield "variable", s.name
        case ast.Repeat():
            yield from (("variable", name) for name in (s.index, *(k.name for k in s.keeps)) if name)
        case ast.Integrate():
            yield from (("variable", name) for name in (s.variable, s.hit, *(k.name for k in s.keeps)) if name)


def _root(node: ast.Field) -> tuple[ast.Expr, list[tuple[str, int]]]:
    """What the fields of `f.block_1.gain` are of, and each with where it begins."""
    parts: list[tuple[str, int]] = []
    top: ast.Expr = node
    while isinstance(top, ast.Field):
        parts.insert(0, (top.name, top.span.end - len(top.name)))
        top = top.base
    return top, parts


def _parts(pattern: ast.String) -> list[tuple[str, int]]:
    """The parts of `"f.block_1.*"`, each with where it begins."""
    return [(part[0], pattern.span.start + 1 + part.start()) for part in re.finditer(r"[^.]+", pattern.value)]


class _Uses:
    """Finds what the names of one declaration stand for."""

    def __init__(self, names: Names, declaration: ast.Declaration) -> None:
        self.names, self.sight = names, names.in_sight(declaration)
        if isinstance(declaration, ast.Function):
            inner = names.inner[id(declaration)]
            self.sight = {n: s for n, s in self.sight.items() if s.kind != "field" or n in inner}

    def visit(self, top: object) -> None:
        stack = [top]
        while stack:
            node = stack.pop()
            match node:
                case ast.Name():
                    self._use(node.id, node.span)
                case ast.Identifier():
                    self._identifier(node)
                case ast.Derivative():
                    for name in (node.state, node.variable):
                        self._use(name.id, Span(name.span.source, name.span.start + 1, name.span.end))
                    stack.append(node.value)
                    continue
                case ast.Call():
                    self._named_arguments(node)
                case ast.Field():
                    root, parts = _root(node)
                    self._parameters(self.sight.get(root.id) if isinstance(root, ast.Name) else None, parts)
                    stack.append(root)
                    continue
                case ast.Fill(targets=patterns) | ast.Minimize(over=patterns):
                    self._patterns(patterns)
                case ast.Argument(name="freeze" | "groups"):
                    self._patterns(tuple(nodes_of(node.value, ast.String)))
            stack.extend(children(node))

    def _use(self, name: str, span: Span) -> None:
        symbol = self.sight.get(name)
        if symbol is None:
            self.names.unknown.setdefault(name, []).append(span)
        else:
            self.names.add(symbol, span)

    def _identifier(self, node: ast.Identifier) -> None:
        """A name outside of expressions: that of a declaration is the file's, whatever the body calls so."""
        own = self.names.own.get(node.id)
        if own is not None and own.span == node.span:
            self.names.add(own, node.span)
        else:
            self._use(node.id, node.span)

    def _named_arguments(self, call: ast.Call) -> None:
        callee = self.sight.get(call.function.id) if isinstance(call.function, ast.Name) else None
        inner = self._of(callee)
        for argument in call.arguments:
            symbol = inner.get(argument.name or "")
            if symbol is not None and symbol.kind == "parameter" and argument.name_span is not None:
                self.names.add(symbol, argument.name_span)

    def _patterns(self, patterns: Sequence[ast.Identifier | ast.String]) -> None:
        """What the parts of patterns of parameters' names are: a net or an export, then what it holds."""
        for pattern in patterns:
            parts = _parts(pattern) if isinstance(pattern, ast.String) else []
            net = self.sight.get(parts[0][0]) if parts else None
            if net is not None and net.kind in ("net", "export"):
                self._stands(net, parts[0][1])
                self._parameters(net, parts[1:])
            else:
                self._parameters(None, parts)

    def _parameters(self, owner: Symbol | None, parts: Sequence[tuple[str, int]]) -> None:
        """What the parts of a name are: layers that are called in what stands before, and what a body holds."""
        for part, at in parts:
            symbol, call = self._of(owner).get(part), CALL.fullmatch(part)
            called = self.sight.get(call[1]) if call else None
            if symbol is not None and symbol.kind in HELD:
                self._stands(symbol, at)
            elif called is not None and called.kind == "layer":
                self._stands(called, at)
                owner = called
            elif not TURN.fullmatch(part):
                owner = None
                self.names.patterns.append((part, Span(self.names.source, at, at + len(part))))

    def _stands(self, symbol: Symbol, at: int) -> None:
        self.names.add(symbol, Span(self.names.source, at, at + len(symbol.name)))

    def _of(self, symbol: Symbol | None) -> dict[str, Symbol]:
        """What a function of this file binds for itself; it may stand below."""
        if symbol is None or not isinstance(symbol.node, ast.Function) or symbol.span.source is not self.names.source:
            return {}
        if id(symbol.node) not in self.names.inner:
            self.names.inner[id(symbol.node)] = _inside(symbol.node, self.names)
        return self.names.inner[id(symbol.node)]
