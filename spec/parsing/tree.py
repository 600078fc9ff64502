"""The syntax tree, made of the rules of the grammar, bottom-up and without recursion."""

from __future__ import annotations

from math import isinf
from typing import Any, NamedTuple

from mai.spec import ast
from mai.spec.diagnostics import Reporter
from mai.spec.diagnostics.edit import put
from mai.spec.parsing.lalr import NOWHERE, Meta
from mai.spec.parsing.layout import MAX_NESTING
from mai.spec.parsing.tokens import Token
from mai.spec.source import Source, Span
from mai.spec.words import RESERVED

Children = list[Any]  # What the parts of a rule became: tokens, and nodes of the tree.
MAX_DIGITS = 400  # beyond this no float has room, and Python refuses to read an int of thousands of digits


class Event(NamedTuple):
    """What ends an integral before its range does, and the name of the time."""

    until: ast.Expr
    hit: ast.Identifier | None


class Searched(NamedTuple):
    """How an `extend` searches."""

    search: ast.Expr


def _above(*children: ast.Expr) -> int:
    return 1 + max((c.depth for c in children), default=0)


class TreeBuilder:
    """One method a rule of the grammar: (meta, children) to a node."""

    def __init__(self, source: Source, report: Reporter) -> None:
        self.source, self.reporter, self.chain = source, report, 0

    def file(self, meta: Meta, c: Children) -> ast.File:
        return ast.File(self.source, tuple(d for d in c if isinstance(d, ast.Declaration)))

    def span(self, meta: Meta) -> Span:
        return Span(self.source, *meta) if meta[0] != NOWHERE else Span(self.source, 0, 0)

    def token_span(self, token: Token) -> Span:
        return Span(self.source, token.start_pos, token.end_pos)

    # ------------------------------------------------------------ expressions

    def number(self, meta: Meta, c: Children) -> ast.Expr:
        text = str(c[0])
        if len(text) > MAX_DIGITS or isinf(float(text)):
            self.reporter.error(
                "bad-number", self.span(meta), "this number has no floating-point value: it is too long or too large"
            )
            return ast.Number(self.span(meta), 1, 0)
        return ast.Number(self.span(meta), 1, int(text) if text.isdigit() else float(text))

    def string(self, meta: Meta, c: Children) -> ast.Expr:
        return ast.String(self.span(meta), 1, str(c[0])[1:-1])

    def bool(self, meta: Meta, c: Children) -> ast.Expr:
        return ast.Bool(self.span(meta), 1, c[0].type == "TRUE")

    def name(self, meta: Meta, c: Children) -> ast.Expr:
        return ast.Name(self.span(meta), 1, str(c[0]))

    def field(self, meta: Meta, c: Children) -> ast.Expr:
        return ast.Field(self.span(meta), _above(c[0]), c[0], str(c[1]))

    def negate(self, meta: Meta, c: Children) -> ast.Expr:
        op, operand = c
        return ast.Unary(self.span(meta), _above(operand), "-" if op == "-" else "not", operand)

    def binary(self, meta: Meta, c: Children) -> ast.Expr:
        left, op, right = c
        return ast.Binary(self.span(meta), _above(left, right), str(op), left, right, self.token_span(op))

    def pipe_into(self, meta: Meta, c: Children) -> ast.Expr:
        return ast.Pipe(self.span(meta), _above(c[0], c[-1]), c[0], c[-1])

    def transpose(self, meta: Meta, c: Children) -> ast.Expr:
        return ast.Transpose(self.span(meta), _above(c[0]), c[0])

    def call(self, meta: Meta, c: Children) -> ast.Expr:
        arguments: tuple[ast.Argument, ...] = c[1]
        return ast.Call(self.span(meta), _above(c[0], *(a.value for a in arguments)), c[0], arguments)

    def index(self, meta: Meta, c: Children) -> ast.Expr:
        items = c[1]
        parts = [p for i in items for p in ((i.start, i.stop, i.step) if isinstance(i, ast.Slice) else (i,))]
        inner = [p for p in parts if isinstance(p, ast.Expr)]
        return ast.Index(self.span(meta), _above(c[0], *inner), c[0], items)

    def stack(self, meta: Meta, c: Children) -> ast.Expr:
        return ast.Stack(self.span(meta), _above(*c[0]), c[0])

    def items(self, meta: Meta, c: Children) -> tuple[ast.Expr, ...]:
        return tuple(c)

    dims = items
    indices = items
    arguments = items

    def argument(self, meta: Meta, c: Children) -> ast.Argument:
        return ast.Argument(self.span(meta), None, None, c[0])

    def named_argument(self, meta: Meta, c: Children) -> ast.Argument:
        return ast.Argument(self.span(meta), str(c[0]), self.token_span(c[0]), c[1])

    def several(self, meta: Meta, c: Children) -> ast.Several:
        return ast.Several(self.span(meta), _above(*c), tuple(c))

    def new_axis(self, meta: Meta, c: Children) -> ast.NewAxis:
        return ast.NewAxis(self.span(meta))

    def other_axes(self, meta: Meta, c: Children) -> ast.OtherAxes:
        return ast.OtherAxes(self.span(meta))

    def slice(self, meta: Meta, c: Children) -> ast.Slice:
        parts: list[ast.Expr | None] = [None]
        for child in c:
            if isinstance(child, Token):
                parts.append(None)
            else:
                parts[-1] = child
        parts += [None] * (3 - len(parts))
        return ast.Slice(self.span(meta), parts[0], parts[1], parts[2])

    # ------------------------------------------------------------------ types

    def tensor_type(self, meta: Meta, c: Children) -> ast.TypeExpr:
        return ast.TensorType(self.span(meta), c[0])

    def any_type(self, meta: Meta, c: Children) -> ast.TypeExpr:
        return ast.AnyType(self.span(meta))

    def tokens_type(self, meta: Meta, c: Children) -> ast.TypeExpr:
        return ast.TokensType(self.span(meta), c[0])

    def class_type(self, meta: Meta, c: Children) -> ast.TypeExpr:
        return ast.ClassType(self.span(meta), c[0], c[1] if len(c) > 1 else ())

    def scalar_type(self, meta: Meta, c: Children) -> ast.TypeExpr:
        return ast.ScalarType(self.span(meta), str(c[0]), c[1] if len(c) > 1 else ())  # type: ignore[arg-type]

    # ------------------------------------------------------------- statements

    def identifier(self, meta: Meta, c: Children) -> ast.Identifier:
        if c[0] in RESERVED:
            self.reporter.error(
                "reserved-name", self.span(meta), f"`{c[0]}` is a word of the language and cannot be a name"
            )
        return ast.Identifier(self.span(meta), str(c[0]))

    def block(self, meta: Meta, c: Children) -> tuple[ast.Statement, ...]:
        return tuple(s for s in c if isinstance(s, ast.Statement))

    def assign(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Assign(self.span(meta), (c[0],), "", c[1])

    def update(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Assign(self.span(meta), (c[0],), str(c[1])[0], c[2])  # type: ignore[arg-type]

    def unpack(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Assign(self.span(meta), tuple(c[:-1]), "", c[-1])

    def derivative(self, meta: Meta, c: Children) -> ast.Statement:
        state, variable, value = c
        return ast.Derivative(self.span(meta), self._undressed(state), self._undressed(variable), value)

    def _undressed(self, name: ast.Identifier) -> ast.Identifier:
        """`dx` names the state `x`."""
        if len(name.id) < 2 or name.id[0] != "d":
            help = put(name.span, f"d{name.id}") if name.id != "d" else None
            self.reporter.error("bad-derivative", name.span, "a derivative is written `dx/ds = ...`", help=help)
        return ast.Identifier(name.span, name.id[1:])

    def draw(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Draw(self.span(meta), c[0], c[1])

    def param(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Param(self.span(meta), c[0], c[1], c[2] if len(c) > 2 else None, True, False)

    def drawn_param(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Param(self.span(meta), c[0], c[1], c[2], True, True)

    def drawn_state(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Param(self.span(meta), c[0], c[1], c[2], False, True)

    def state(self, meta: Meta, c: Children) -> ast.Statement:
        type_ = c[1] if isinstance(c[1], ast.TypeExpr) else None
        init = c[-1] if isinstance(c[-1], ast.Expr) else None
        return ast.Param(self.span(meta), c[0], type_, init, False, False)

    def noise(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Noise(self.span(meta), c[1], c[2])

    def return_(self, meta: Meta, c: Children) -> ast.Statement:
        if len(c) == 1:
            return ast.Return(self.span(meta), c[0])
        span = Span(self.source, c[0].span.start, c[-1].span.end)
        return ast.Return(self.span(meta), ast.Several(span, _above(*c), tuple(c)))

    def if_(self, meta: Meta, c: Children) -> ast.Statement:
        otherwise: tuple[ast.Statement, ...] = c[2] if len(c) > 2 else ()
        # Bottom-up: the `if` made last is the one of this `else if`.
        self.chain = self.chain + 1 if otherwise and isinstance(otherwise[-1], ast.If) else 1
        if self.chain == MAX_NESTING:
            self.reporter.error("too-deep", self.span(meta), f"an `else if` follows {MAX_NESTING} others")
        return ast.If(self.span(meta), c[0], c[1], otherwise)

    def otherwise(self, meta: Meta, c: Children) -> tuple[ast.Statement, ...]:
        return (c[0],) if isinstance(c[0], ast.If) else c[0]

    def repeat(self, meta: Meta, c: Children) -> ast.Statement:
        shared = any(isinstance(x, Token) for x in c)
        index = next((x for x in c if isinstance(x, ast.Identifier)), None)
        count, *until = (x for x in c if isinstance(x, ast.Expr))
        body, *keeps = (x for x in c if isinstance(x, tuple))
        return ast.Repeat(
            self.span(meta), count, shared, index, until[0] if until else None, body, keeps[0] if keeps else ()
        )

    def integrate(self, meta: Meta, c: Children) -> ast.Statement:
        variable, start, stop, solver, body, *clauses = (x for x in c if not isinstance(x, Token))
        until, hit = clauses.pop(0) if clauses and isinstance(clauses[0], Event) else (None, None)
        keeps = clauses[0] if clauses else ()
        return ast.Integrate(self.span(meta), variable, start, stop, solver, body, until, hit, keeps)

    def event(self, meta: Meta, c: Children) -> Event:
        return Event(c[0], c[1] if len(c) > 1 else None)

    def keeps(self, meta: Meta, c: Children) -> tuple[ast.Keep, ...]:
        return tuple(c)

    def keep(self, meta: Meta, c: Children) -> ast.Keep:
        return ast.Keep(self.span(meta), c[0], c[1])

    def moment(self, meta: Meta, c: Children) -> ast.Keep:
        state, *times, name = c
        return ast.Keep(self.span(meta), state, name, times[0] if times else None)

    def extend(self, meta: Meta, c: Children) -> ast.Statement:
        name, count, *until = (x for x in c if not isinstance(x, tuple))
        search = next((x.search for x in c if isinstance(x, Searched)), None)
        body, *keeps = (x for x in c if isinstance(x, tuple) and not isinstance(x, Searched))
        return ast.Extend(
            self.span(meta), name, count, until[0] if until else None, search, body, keeps[0] if keeps else ()
        )

    def searched(self, meta: Meta, c: Children) -> Searched:
        return Searched(c[0])

    def score(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Score(self.span(meta), c[0])

    def append(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Append(self.span(meta), c[0])

    def minimize(self, meta: Meta, c: Children) -> ast.Statement:
        value, *over, every = c if isinstance(c[-1], tuple) else [*c, (None,)]
        return ast.Minimize(self.span(meta), value, tuple(over), every[0])

    def report(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Report(self.span(meta), tuple(c))

    def reported(self, meta: Meta, c: Children) -> ast.Reported:
        return ast.Reported(self.span(meta), c[0], c[1] if len(c) > 1 else None)

    def check(self, meta: Meta, c: Children) -> ast.Statement:
        return ast.Check(self.span(meta), c[0])

    def record(self, meta: Meta, c: Children) -> ast.Statement:
        every = c[-1][0] if isinstance(c[-1], tuple) else None
        return ast.Record(self.span(meta), tuple(x for x in c if isinstance(x, ast.Expr)), every)

    def every(self, meta: Meta, c: Children) -> tuple[ast.Expr, ...]:
        return tuple(c)

    # ----------------------------------------------------------- declarations

    def const(self, meta: Meta, c: Children) -> ast.Declaration:
        return ast.Const(self.span(meta), c[0], c[1])

    def let(self, meta: Meta, c: Children) -> ast.Declaration:
        return ast.Let(self.span(meta), c[0], c[1])

    def data(self, meta: Meta, c: Children) -> ast.Declaration:
        return ast.Data(self.span(meta), tuple(c[:-1]), c[-1])

    def data_field(self, meta: Meta, c: Children) -> ast.DataField:
        return ast.DataField(self.span(meta), c[0], c[1])

    def parameters(self, meta: Meta, c: Children) -> tuple[ast.Parameter, ...]:
        return tuple(c)

    def parameter(self, meta: Meta, c: Children) -> ast.Parameter:
        default = next((x for x in c[1:] if isinstance(x, ast.Expr)), None)
        type_ = next((x for x in c[1:] if not isinstance(x, ast.Expr)), None)
        return ast.Parameter(self.span(meta), c[0], type_, default)

    def returns(self, meta: Meta, c: Children) -> tuple[ast.TypeExpr, ...]:
        return tuple(c[1:])

    def _function(self, kind: str, meta: Meta, c: Children) -> ast.Declaration:
        count = next((part for part in c if isinstance(part, ast.Expr)), None)
        name, parameters, *returns, body = (part for part in c if part is not count)
        end = max(part.span.end for part in (name, *parameters, *(type_ for types in returns for type_ in types)))
        head = Span(self.source, meta[0], end)
        types = returns[0] if returns else ()
        return ast.Function(self.span(meta), kind, name, count, parameters, types, body, head)  # type: ignore[arg-type]

    def twin(self, meta: Meta, c: Children) -> ast.Declaration:
        return ast.Twin(self.span(meta), c[0], c[1])

    def family(self, meta: Meta, c: Children) -> ast.Expr:
        return c[0]  # type: ignore[no-any-return]

    def layer(self, meta: Meta, c: Children) -> ast.Declaration:
        return self._function("layer", meta, c)

    def net(self, meta: Meta, c: Children) -> ast.Declaration:
        return self._function("net", meta, c)

    def export(self, meta: Meta, c: Children) -> ast.Declaration:
        return self._function("export", meta, c)

    def train(self, meta: Meta, c: Children) -> ast.Declaration:
        *name, settings, body = c
        start = name[0].span.end if name else meta[0] + 5
        end = max([start, *(a.span.end for a in settings)])
        return ast.Train(self.span(meta), name[0] if name else None, settings, body, Span(self.source, meta[0], end))

    def claim(self, meta: Meta, c: Children) -> ast.Declaration:
        name, *settings, body = c
        end = max([name.span.end, *(a.span.end for a in (settings[0] if settings else ()))])
        return ast.Claim(self.span(meta), name, settings[0] if settings else (), body, Span(self.source, meta[0], end))

    def import_(self, meta: Meta, c: Children) -> ast.Declaration:
        return ast.Import(self.span(meta), c[0])

    def weights(self, meta: Meta, c: Children) -> ast.Declaration:
        rules = tuple(r for r in c if isinstance(r, (ast.Fill, ast.Ignore)))
        return ast.Weights(self.span(meta), c[0], rules, Span(self.source, meta[0], c[0].span.end))

    weight_names = items

    def fill(self, meta: Meta, c: Children) -> ast.Fill:
        return ast.Fill(self.span(meta), c[0], c[1])

    def ignore(self, meta: Meta, c: Children) -> ast.Ignore:
        return ast.Ignore(self.span(meta), c[0])


setattr(TreeBuilder, "import", TreeBuilder.import_)
