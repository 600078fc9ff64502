"""`extend`: a text that grows by one token a turn, equation (14) of Peyré's article."""

from __future__ import annotations

from dataclasses import replace

from mai.compiler.elaborate.bindings import Binding, Environment, Poison
from mai.compiler.elaborate.blocks.beam import bind_found, check_drawless, read_beam
from mai.compiler.elaborate.blocks.kept import bind_kept, kept_of_token
from mai.compiler.elaborate.bounds import setting_of
from mai.compiler.elaborate.context import Context, GrowingText, Stop, kind_of
from mai.compiler.elaborate.errors.repairs import instead_of_name
from mai.compiler.elaborate.expressions.names import check_distinct
from mai.compiler.elaborate.statement_rules import belongs_elsewhere, elaborates
from mai.compiler.elaborate.statements import opened
from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.structure import NOTHING, Extend
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.gather import Gather
from mai.compiler.ops.shapes.indexing import Argsort, Slice
from mai.compiler.ops.shapes.shape import Concat
from mai.spec import ast
from mai.spec.ast_walk import with_branches
from mai.spec.source import Span

belongs_elsewhere(ast.Append, "append-outside", "`append` belongs directly in an `extend` block")
belongs_elsewhere(
    ast.Score, "append-outside", "`score` belongs directly in an `extend` block that searches, `using beam(width = 4)`"
)


@elaborates(ast.Extend, binds=lambda s: (s.name, *(kept.name for kept in s.keeps)))
def _extend(e: Context, env: Environment, statement: ast.Extend) -> Binding:
    """Elaborate the body once, on a row of tokens of unknown length, which is the state of a loop."""
    check_distinct(e, [kept.name for kept in statement.keeps])
    row = _row(e, env, statement)
    count = e.size(
        e.expressions.expression(env, statement.count),
        statement.count.span,
        "a count",
        written=statement.count,
    )
    start = row if row in e.graph.inputs else _tokens_last(e, row)
    beam = read_beam(e, env, statement.search) if statement.search is not None else None
    stops, size = _stops(e, env, statement.until), e.builder.size(count)
    name = _length(e)
    grown = Value(row.type.with_shape((symbol(name),)), statement.name.id)
    region = Region([Value(Type(DType.INT), "turn"), grown])
    e.graph.sizes[name] = (grown, len(row.type.lead))
    growing = GrowingText(grown, statement.name.id, region.inputs[0], size, stops, beam is not None, [])
    inside = env.child()
    inside.names[statement.name.id] = grown
    region.outputs = _turn(e, inside, statement, region, growing, name)
    if beam:
        check_drawless(e, region, statement)
    if growing.stuck:  # A token that is none ends a row.
        stops = [*stops, e.builder.constant(NOTHING)]
    inputs = [start, size, *stops, *([beam.penalty] if beam else [])]
    extend = Extend(name, count, beam.width, beam.early) if beam else Extend(name, count)
    longer = row.type.with_shape((row.type.shape[0] + count,))
    kept_rows = [extend.rows_of(v.type) for v in region.outputs[1:]]
    node = e.builder.add(extend, inputs, [longer, *kept_rows, *extend.results_of_search(row.type)], [region])
    node.output.name = statement.name.id
    env.names[statement.name.id] = node.output if start is row else _after(e, row, node.output)
    if beam:
        bind_found(e, env, statement, row, node.outputs)
    else:
        bind_kept(env, statement, node.outputs[1:])
    return None


def _turn(
    e: Context, inside: Environment, statement: ast.Extend, region: Region, growing: GrowingText, length: str
) -> list[Value]:
    """What a turn makes, for each text: the scores of all tokens where texts are searched, else its token, and what is kept of it."""
    outer, e.draws.turn, e.growing = e.draws.turn, growing.turn, growing
    with e.region(region):
        last = _chosen(e, inside, statement)
        if growing.searches:
            values = [_scores(e, last, statement)]
        else:
            token = _unless_stuck(e, _token(e, last, statement), growing)
            values = [token, *kept_of_token(e, inside, statement, length)]
        outputs = [e.builder.spread(value, growing.row.type.lead) for value in values]
    e.draws.turn, e.growing = outer, None
    return outputs


def _tokens_last(e: Context, row: Value) -> Value:
    """The row with its empty places moved to the front; a text that ended early has them at its end."""
    has_token = e.builder.emit(el.ToInt, e.builder.emit(logic.GreaterEqual, row, e.builder.constant(0)))
    return e.builder.emit(Gather, row, e.builder.emit(Argsort, has_token), name=row.name)


def _after(e: Context, row: Value, text: Value) -> Value:
    """A row as it was, and then the tokens that are appended to it in a text."""
    new = e.builder.emit(Slice, text, start=row.type.shape[0])
    return e.builder.emit(Concat, row, new, axis=-1, name=text.name)


def _length(e: Context) -> str:
    """A name for the size of the text, and no prefix of a dimension of the spec: passes derive names such as `length_new` from it."""
    names = ("length", *(f"length_{i}" for i in range(2, 2 * len(e.graph.sizes) + 3)))
    return next(name for name in names if not any(f"{size}_".startswith(f"{name}_") for size in e.graph.sizes))


def _row(e: Context, env: Environment, statement: ast.Extend) -> Value:
    """The value that grows: integers along one axis, a row for each example."""
    row, span = env.names.get(statement.name.id), statement.name.span
    if isinstance(row, Poison):
        raise Stop
    if isinstance(row, list):
        # A text that begins alike for all examples, `x = [0]`; what is appended has other numbers.
        row = e.value(row, span)
        row.type = replace(row.type, classes=None)
    if not isinstance(row, Value) or row.type.rank != 1 or row.type.dtype is not DType.INT:
        shown = kind_of(row) if row is not None else "no value yet"
        message = f"`extend` grows a row of tokens, `{statement.name.id}` has {shown}"
        raise e.fail("dtype-mismatch", span, message)
    if row.type.shape == (0,):
        raise e.fail("dtype-mismatch", span, f"`{statement.name.id}` is empty: a text begins with one token at least")
    exports = e.claim.exports if e.claim is not None else ()
    if e.builder.region is not e.graph or any(name not in exports for name in e.call_stack) or e.in_train_block:
        message = "`extend` stands in an export, outside every other block"
        raise e.fail("extend-misplaced", statement.span, message)
    return e.builder.spread(row, (e.batch_axis,))


def _stops(e: Context, env: Environment, written: ast.Expr | None) -> list[Value]:
    """The tokens that end a row, which `until` names with `or` between them, or as a list."""
    if written is None:
        return []
    if isinstance(written, ast.Binary) and written.op == "or":
        return [*_stops(e, env, written.left), *_stops(e, env, written.right)]
    if isinstance(written, ast.Stack):
        return [stop for part in written.items for stop in _stops(e, env, part)]
    tokens = e.expressions.expression(env, written)
    return [_stop(e, token, written.span) for token in (tokens if isinstance(tokens, list) else [tokens])]


def _stop(e: Context, token: Binding, span: Span) -> Value:
    """One token that ends a row; a setting may also be -1, which is no token, so that rows never end."""
    stop = e.value(token, span)
    if stop.type.rank or stop.type.dtype is not DType.INT:
        help = "several are written `until a or b`" if stop.type.rank else None
        message = f"a row ends with one token, this is {stop.type.with_lead(())}"
        raise e.fail("dtype-mismatch", span, message, help=help)
    if name := setting_of(token):
        e.bounds.ask(name, span, least=NOTHING)
    for name, setting in e.graph.settings.items():
        if setting.value is stop:
            e.graph.settings[name] = replace(setting, minimum=NOTHING)
    return stop


def _chosen(e: Context, env: Environment, statement: ast.Extend) -> tuple[Binding, Span]:
    """What the block ends in: the value of its last `append`, or of its `score` in a search, and where it stands."""
    wanted, other = (ast.Score, "append") if statement.search is not None else (ast.Append, "score")
    last: tuple[Binding, Span] | None = None
    for inner in opened(e, env, statement.body, _chooses_token):
        if isinstance(inner, (ast.Append, ast.Score)):
            if not isinstance(inner, wanted):
                raise _misplaced(e, inner, other)
            last = e.expressions.expression(env, inner.value), inner.value.span
        elif e.statements.statement(env, inner) is not None:
            raise e.fail("unreachable", inner.span, "an `extend` block cannot `return`: return after it")
    if last is None:
        raise _missing(e, statement)
    return last


def _chooses_token(choice: ast.If) -> bool:
    return any(isinstance(inner, (ast.Append, ast.Score)) for inner in with_branches([choice]))


def _misplaced(e: Context, statement: ast.Statement, word: str) -> Exception:
    if word == "append":
        message = "a search chooses the tokens itself: it is told how likely each is, `score log_softmax(z)`"
    else:
        message = "`score` is of a search: write `extend x by count using beam(width = 4) { ... }`"
    return e.fail("append-outside", statement.span, message)


def _missing(e: Context, statement: ast.Extend) -> Exception:
    last = statement.body[-1] if statement.body else None
    if statement.search is not None:
        message = "a search is told how likely each next token is: `score log_softmax(logits(x)[-1])`"
        return e.fail("append-missing", statement.span, message, help=instead_of_name(last, "score"))
    message, help = "an `extend` block appends one token a turn: `append next`", instead_of_name(last, "append")
    return e.fail("append-missing", statement.span, message, help=help)


def _token(e: Context, last: tuple[Binding, Span], statement: ast.Extend) -> Value:
    token = e.value(*last)
    if token.type.rank or token.type.dtype is not DType.INT:
        raise e.fail("dtype-mismatch", last[1], f"one token is appended a turn, this is {token.type.with_lead(())}")
    return token


def _unless_stuck(e: Context, token: Value, growing: GrowingText) -> Value:
    """The token, or none where a pattern allows no other."""
    for stuck in growing.stuck:
        token = e.builder.emit(logic.Where, stuck, e.builder.constant(NOTHING), token, name=token.name)
    return token


def _scores(e: Context, last: tuple[Binding, Span], statement: ast.Extend) -> Value:
    scores, span = e.real(*last), last[1]
    if scores.type.rank != 1 or not isinstance(scores.type.shape[0], int):
        message = f"a search takes a score for each token of the vocabulary, this is {scores.type.with_lead(())}"
        raise e.fail("rank-mismatch", span, message)
    return scores
