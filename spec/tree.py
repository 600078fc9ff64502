"""The syntax tree, made of the rules of the grammar, bottom-up and without recursion."""

from __future__ import annotations

from math import isinf
from typing import Any

from mai.spec import ast
from mai.spec.diagnostics import Reporter
from mai.spec.diagnostics.edit import put
from mai.spec.lalr import NOWHERE, Place
from mai.spec.layout import MAX_NESTING
from mai.spec.source import Source, Span
from mai.spec.tokens import Token
from mai.spec.words import RESERVED

Children = list[Any]  # What the parts of a rule became: tokens, and nodes of the tree.
MAX_DIGITS = 400  # beyond this no float has room, and Python refuses to read an int of thousands of digits


def _above(*children: ast.Expr) -> int:
    return 1 + max((c.depth for c in children), default=0)


class TreeBuilder:
    """One method a rule of the grammar: (place, parts) to a node."""

    def __init__(self, source: Source, report: Reporter) -> None:
        self.source, self.reporter, self.chain = source, report, 0

    def file(self, at: Place, c: Children) -> ast.File:
        return ast.File(self.source, tuple(d for d in c if isinstance(d, ast.Declaration)))

    def span(self, at: Place) -> Span:
        return Span(self.source, *at) if at[0] != NOWHERE else Span(self.source, 0, 0)

    def token_span(self, token: Token) -> Span:
        return Span(self.source, token.start_pos, token.end_pos)

    # ------------------------------------------------------------ expressions

    def number(self, at: Place, c: Children) -> ast.Expr:
        text = str(c[0])
        if len(text) > MAX_DIGITS or isinf(float(text)):
            self.reporter.error(
                "bad-number", self.span(at), "this number has no floating-point value: it is too long or too large"
            )
            return ast.Number(self.span(at), 1, 0)
        return ast.Number(self.span(at), 1, int(text) if text.isdigit() else float(text))

    def string(self, at: Place, c: Children) -> ast.Expr:
        return ast.String(self.span(at), 1, str(c[0])[1:-1])

    def bool(self, at: Place, c: Children) -> ast.Expr:
        return ast.Bool(self.span(at), 1, c[0].type == "TRUE")

    def name(self, at: Place, c: Children) -> ast.Expr:
        return ast.Name(self.span(at), 1, str(c[0]))

    def field(self, at: Place, c: Children) -> ast.Expr:
        return ast.Field(self.span(at), _above(c[0]), c[0], str(c[1]))

    def negate(self, at: Place, c: Children) -> ast.Expr:
        op, operand = c
        return ast.Unary(self.span(at), _above(operand), "-" if op == "-" else "not", operand)

    def binary(self, at: Place, c: Children) -> ast.Expr:
        left, op, right = c
        return ast.Binary(self.span(at), _above(left, right), str(op), left, right, self.token_span(op))

    def pipe_into(self, at: Place, c: Children) -> ast.Expr:
        return ast.Pipe(self.span(at), _above(c[0], c[-1]), c[0], c[-1])

    def transpose(self, at: Place, c: Children) -> ast.Expr:
        return ast.Transpose(self.span(at), _above(c[0]), c[0])

    def call(self, at: Place, c: Children) -> ast.Expr:
        arguments: tuple[ast.Argument, ...] = c[1]
        return ast.Call(self.span(at), _above(c[0], *(a.value for a in arguments)), c[0], arguments)

    def index(self, at: Place, c: Children) -> ast.Expr:
        items = c[1]
        parts = [p for i in items for p in ((i.start, i.stop, i.step) if isinstance(i, ast.Slice) else (i,))]
        inner = [p for p in parts if isinstance(p, ast.Expr)]
        return ast.Index(self.span(at), _above(c[0], *inner), c[0], items)

    def stack(self, at: Place, c: Children) -> ast.Expr:
        return ast.Stack(self.span(at), _above(*c[0]), c[0])

    def items(self, at: Place, c: Children) -> tuple[ast.Expr, ...]:
        return tuple(c)

    dims = items
    indices = items
    arguments = items

    def argument(self, at: Place, c: Children) -> ast.Argument:
        return ast.Argument(self.span(at), None, None, c[0])

    def named_argument(self, at: Place, c: Children) -> ast.Argument:
        return ast.Argument(self.span(at), str(c[0]), self.token_span(c[0]), c[1])

    def several(self, at: Place, c: Children) -> ast.Several:
        return ast.Several(self.span(at), _above(*c), tuple(c))

    def new_axis(self, at: Place, c: Children) -> ast.NewAxis:
        return ast.NewAxis(self.span(at))

    def slice(self, at: Place, c: Children) -> ast.Slice:
        parts: list[ast.Expr | None] = [None]
        for child in c:
            if isinstance(child, Token):
                parts.append(None)
            else:
                parts[-1] = child
        parts += [None] * (3 - len(parts))
        return ast.Slice(self.span(at), parts[0], parts[1], parts[2])

    # ------------------------------------------------------------------ types

    def tensor_type(self, at: Place, c: Children) -> ast.TypeExpr:
        return ast.TensorType(self.span(at), c[0])

    def any_type(self, at: Place, c: Children) -> ast.TypeExpr:
        return ast.AnyType(self.span(at))

    def tokens_type(self, at: Place, c: Children) -> ast.TypeExpr:
        return ast.TokensType(self.span(at), c[0])

    def class_type(self, at: Place, c: Children) -> ast.TypeExpr:
        return ast.ClassType(self.span(at), c[0], c[1] if len(c) > 1 else ())

    def scalar_type(self, at: Place, c: Children) -> ast.TypeExpr:
        return ast.ScalarType(self.span(at), str(c[0]))  # type: ignore[arg-type]

    # ------------------------------------------------------------- statements

    def identifier(self, at: Place, c: Children) -> ast.Identifier:
        if c[0] in RESERVED:
            self.reporter.error(
                "reserved-name", self.span(at), f"`{c[0]}` is a word of the language and cannot be a name"
            )
        return ast.Identifier(self.span(at), str(c[0]))

    def block(self, at: Place, c: Children) -> tuple[ast.Statement, ...]:
        return tuple(s for s in c if isinstance(s, ast.Statement))

    def assign(self, at: Place, c: Children) -> ast.Statement:
        return ast.Assign(self.span(at), (c[0],), "", c[1])

    def update(self, at: Place, c: Children) -> ast.Statement:
        return ast.Assign(self.span(at), (c[0],), str(c[1])[0], c[2])  # type: ignore[arg-type]

    def unpack(self, at: Place, c: Children) -> ast.Statement:
        return ast.Assign(self.span(at), tuple(c[:-1]), "", c[-1])

    def derivative(self, at: Place, c: Children) -> ast.Statement:
        state, variable, value = c
        return ast.Derivative(self.span(at), self._undressed(state), self._undressed(variable), value)

    def _undressed(self, name: ast.Identifier) -> ast.Identifier:
        """`dx` names the state `x`."""
        if len(name.id) < 2 or name.id[0] != "d":
            help = put(name.span, f"d{name.id}") if name.id != "d" else None
            self.reporter.error("bad-derivative", name.span, "a derivative is written `dx/ds = ...`", help=help)
        return ast.Identifier(name.span, name.id[1:])

    def draw(self, at: Place, c: Children) -> ast.Statement:
        return ast.Draw(self.span(at), c[0], c[1])

    def param(self, at: Place, c: Children) -> ast.Statement:
        return ast.Param(self.span(at), c[0], c[1], c[2] if len(c) > 2 else None, True)

    def state(self, at: Place, c: Children) -> ast.Statement:
        type_ = c[1] if isinstance(c[1], ast.TypeExpr) else None
        init = c[-1] if isinstance(c[-1], ast.Expr) else None
        return ast.Param(self.span(at), c[0], type_, init, False)

    def return_(self, at: Place, c: Children) -> ast.Statement:
        if len(c) == 1:
            return ast.Return(self.span(at), c[0])
        span = Span(self.source, c[0].span.start, c[-1].span.end)
        return ast.Return(self.span(at), ast.Several(span, _above(*c), tuple(c)))

    def if_(self, at: Place, c: Children) -> ast.Statement:
        otherwise: tuple[ast.Statement, ...] = c[2] if len(c) > 2 else ()
        # Bottom-up: the `if` made last is the one of this `else if`.
        self.chain = self.chain + 1 if otherwise and isinstance(otherwise[-1], ast.If) else 1
        if self.chain == MAX_NESTING:
            self.reporter.error("too-deep", self.span(at), f"an `else if` follows {MAX_NESTING} others")
        return ast.If(self.span(at), c[0], c[1], otherwise)

    def otherwise(self, at: Place, c: Children) -> tuple[ast.Statement, ...]:
        return (c[0],) if isinstance(c[0], ast.If) else c[0]

    def repeat(self, at: Place, c: Children) -> ast.Statement:
        shared = any(isinstance(x, Token) for x in c)
        index = next((x for x in c if isinstance(x, ast.Identifier)), None)
        count, *until = (x for x in c if isinstance(x, ast.Expr))
        body, *keeps = (x for x in c if isinstance(x, tuple))
        return ast.Repeat(
            self.span(at), count, shared, index, until[0] if until else None, body, keeps[0] if keeps else ()
        )

    def integrate(self, at: Place, c: Children) -> ast.Statement:
        variable, start, stop, solver, body, *keeps = (x for x in c if not isinstance(x, Token))
        return ast.Integrate(self.span(at), variable, start, stop, solver, body, keeps[0] if keeps else ())

    def keeps(self, at: Place, c: Children) -> tuple[ast.Keep, ...]:
        return tuple(c)

    def keep(self, at: Place, c: Children) -> ast.Keep:
        return ast.Keep(self.span(at), c[0], c[1])

    def moment(self, at: Place, c: Children) -> ast.Keep:
        state, *times, name = c
        return ast.Keep(self.span(at), state, name, times[0] if times else None)

    def extend(self, at: Place, c: Children) -> ast.Statement:
        name, count, *clauses, body = c
        search = clauses.pop()[0] if clauses and isinstance(clauses[-1], tuple) else None
        return ast.Extend(self.span(at), name, count, clauses[0] if clauses else None, search, body)

    def searched(self, at: Place, c: Children) -> tuple[ast.Expr]:
        return (c[0],)

    def score(self, at: Place, c: Children) -> ast.Statement:
        return ast.Score(self.span(at), c[0])

    def append(self, at: Place, c: Children) -> ast.Statement:
        return ast.Append(self.span(at), c[0])

    def minimize(self, at: Place, c: Children) -> ast.Statement:
        value, *over, every = c if isinstance(c[-1], tuple) else [*c, (None,)]
        return ast.Minimize(self.span(at), value, tuple(over), every[0])

    def report(self, at: Place, c: Children) -> ast.Statement:
        return ast.Report(self.span(at), tuple(c))

    def reported(self, at: Place, c: Children) -> ast.Reported:
        return ast.Reported(self.span(at), c[0], c[1] if len(c) > 1 else None)

    def check(self, at: Place, c: Children) -> ast.Statement:
        return ast.Check(self.span(at), c[0])

    def record(self, at: Place, c: Children) -> ast.Statement:
        every = c[-1][0] if isinstance(c[-1], tuple) else None
        return ast.Record(self.span(at), tuple(x for x in c if isinstance(x, ast.Expr)), every)

    def every(self, at: Place, c: Children) -> tuple[ast.Expr, ...]:
        return tuple(c)

    # ----------------------------------------------------------- declarations

    def const(self, at: Place, c: Children) -> ast.Declaration:
        return ast.Const(self.span(at), c[0], c[1])

    def let(self, at: Place, c: Children) -> ast.Declaration:
        return ast.Let(self.span(at), c[0], c[1])

    def data(self, at: Place, c: Children) -> ast.Declaration:
        return ast.Data(self.span(at), tuple(c[:-1]), c[-1])

    def data_field(self, at: Place, c: Children) -> ast.DataField:
        return ast.DataField(self.span(at), c[0], c[1])

    def parameters(self, at: Place, c: Children) -> tuple[ast.Parameter, ...]:
        return tuple(c)

    def parameter(self, at: Place, c: Children) -> ast.Parameter:
        default = next((x for x in c[1:] if isinstance(x, ast.Expr)), None)
        type_ = next((x for x in c[1:] if not isinstance(x, ast.Expr)), None)
        return ast.Parameter(self.span(at), c[0], type_, default)

    def returns(self, at: Place, c: Children) -> tuple[ast.TypeExpr, ...]:
        return tuple(c[1:])

    def _function(self, kind: str, at: Place, c: Children) -> ast.Declaration:
        count = next((part for part in c if isinstance(part, ast.Expr)), None)
        name, parameters, *returns, body = (part for part in c if part is not count)
        end = max(part.span.end for part in (name, *parameters, *(type_ for types in returns for type_ in types)))
        head = Span(self.source, at[0], end)
        types = returns[0] if returns else ()
        return ast.Function(self.span(at), kind, name, count, parameters, types, body, head)  # type: ignore[arg-type]

    def twin(self, at: Place, c: Children) -> ast.Declaration:
        return ast.Twin(self.span(at), c[0], c[1])

    def family(self, at: Place, c: Children) -> ast.Expr:
        return c[0]  # type: ignore[no-any-return]

    def layer(self, at: Place, c: Children) -> ast.Declaration:
        return self._function("layer", at, c)

    def net(self, at: Place, c: Children) -> ast.Declaration:
        return self._function("net", at, c)

    def export(self, at: Place, c: Children) -> ast.Declaration:
        return self._function("export", at, c)

    def train(self, at: Place, c: Children) -> ast.Declaration:
        *name, settings, body = c
        start = name[0].span.end if name else at[0] + 5
        end = max([start, *(a.span.end for a in settings)])
        return ast.Train(self.span(at), name[0] if name else None, settings, body, Span(self.source, at[0], end))

    def claim(self, at: Place, c: Children) -> ast.Declaration:
        name, *settings, body = c
        end = max([name.span.end, *(a.span.end for a in (settings[0] if settings else ()))])
        return ast.Claim(self.span(at), name, settings[0] if settings else (), body, Span(self.source, at[0], end))

    def import_(self, at: Place, c: Children) -> ast.Declaration:
        return ast.Import(self.span(at), c[0])

    def weights(self, at: Place, c: Children) -> ast.Declaration:
        rules = tuple(r for r in c if isinstance(r, (ast.Fill, ast.Ignore)))
        return ast.Weights(self.span(at), c[0], rules, Span(self.source, at[0], c[0].span.end))

    weight_names = items

    def fill(self, at: Place, c: Children) -> ast.Fill:
        return ast.Fill(self.span(at), c[0], c[1])

    def ignore(self, at: Place, c: Children) -> ast.Ignore:
        return ast.Ignore(self.span(at), c[0])


setattr(TreeBuilder, "import", TreeBuilder.import_)
