"""The search that an `extend` names: `beam(width = 4, length_penalty = 1.0)`."""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.elaborate.bindings import Binding, BoundArgument, Environment
from mai.compiler.elaborate.context import Context
from mai.compiler.ir.graph import Region, Value
from mai.compiler.ops.random.choice import Choose
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.shapes.indexing import Slice
from mai.compiler.ops.shapes.shape import Concat, Expand, Unsqueeze
from mai.spec import ast
from mai.spec.record import record

FORM = "beam(width = 4, length_penalty = 1.0)"
OPTIONS = ("width", "length_penalty", "early")
MOST = 1_000  # Beams: each is a row of the batch.


@record
class Beam:
    """How many texts go on side by side, and the power of a text's length that its score is divided by, [].

    early: an example is done as soon as so many texts have ended.
    """

    width: int
    penalty: Value
    early: bool


def read_beam(e: Context, env: Environment, written: ast.Expr) -> Beam:
    """Read the search after `using`. Raises `Stop`."""
    callee = written.function if isinstance(written, ast.Call) else written
    if not isinstance(callee, ast.Name) or callee.id != "beam" or not isinstance(written, ast.Call):
        message = f"`extend` searches by `{FORM}`, there is no search `{written.span.text}`"
        raise e.fail("unknown-solver", written.span, message)
    options = _options(e, env, written)
    if "width" not in options:
        raise e.fail("missing-argument", written.span, f"a search needs its number of beams: `{FORM}`")
    width, span = options["width"].value, options["width"].span
    if isinstance(width, bool) or not isinstance(width, int):
        slug = "static-needed" if isinstance(width, Value) else "type-mismatch"
        raise e.fail(slug, span, "the number of beams is a whole number, fixed when the file is compiled")
    if width < 1:
        raise e.fail("repeat-count", span, f"a search has at least one beam, this is {width}")
    if width > MOST:
        raise e.fail("repeat-too-long", span, f"{width:,} beams are more than {MOST:,}")
    return Beam(width, _penalty(e, options.get("length_penalty")), _early(e, options.get("early")))


def _options(e: Context, env: Environment, written: ast.Call) -> dict[str, BoundArgument]:
    options: dict[str, BoundArgument] = {}
    for place, argument in enumerate(written.arguments):
        name = argument.name or (OPTIONS[place] if place < len(OPTIONS) else "")
        if name not in OPTIONS:
            message = f"`beam` has no argument `{name}`" if name else "`beam` has three arguments"
            raise e.fail("unknown-argument", argument.span, message, help=f"write `{FORM}`")
        if name in options:
            raise e.fail("duplicate-argument", argument.span, f"`{name}` is given twice")
        value: Binding = e.expressions.expression(env, argument.value)
        options[name] = BoundArgument(name, value, argument.value.span)
    return options


def _penalty(e: Context, argument: BoundArgument | None) -> Value:
    if argument is None:
        return e.builder.constant(1.0)
    value = e.real(argument.value, argument.span)
    if value.type.rank or value.type.lead:
        raise e.fail("rank-mismatch", argument.span, "a length penalty is one number for all examples")
    return value


def _early(e: Context, argument: BoundArgument | None) -> bool:
    if argument is None:
        return False
    if not isinstance(argument.value, bool):
        slug = "static-needed" if isinstance(argument.value, Value) else "type-mismatch"
        raise e.fail(slug, argument.span, "`early` is true or false, fixed when the file is compiled")
    return argument.value


def bind_found(e: Context, env: Environment, statement: ast.Extend, row: Value, outputs: Sequence[Value]) -> None:
    """Name all texts of a search, [width, P + count], and their scores, [width]: `keep x as texts, score as scores`. Raises `Stop`."""
    for kept in statement.keeps:
        _check_found(e, statement, kept)
        if kept.state.id == statement.name.id:
            width = outputs[1].type.shape[0]
            # Not the row itself: a prompt is read by its `extend` alone.
            prompt = e.emit(Slice, outputs[0], stop=row.type.shape[0])
            rows = e.emit(Expand, e.emit(Unsqueeze, prompt, axes=(-2,)), shape=(width, *row.type.shape))
            value = e.emit(Concat, rows, outputs[1], axis=-1, name=kept.name.id)
        else:
            value = outputs[2]
        env.bind(kept.name, value)


def _check_found(e: Context, statement: ast.Extend, kept: ast.Keep) -> None:
    name, text = kept.state.id, statement.name.id
    if name not in (text, "score"):
        message = f"a search keeps its texts and their scores, not `{name}`"
        raise e.fail("unknown-state", kept.state.span, message, help=f"write `keep {text} as texts, score as scores`")


def check_drawless(e: Context, region: Region, statement: ast.Extend) -> None:
    """A search looks for the likeliest text, so nothing in it is drawn. Raises `Stop`."""
    for node in region.walk():
        if node.op is Choose or issubclass(node.op, Draw):
            message = "a beam search finds the likeliest text: nothing is drawn in its block"
            raise e.fail("append-outside", node.span or statement.span, message)
