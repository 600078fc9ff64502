"""Texts that go on as a table of tokens says: in which state they are, which tokens may come next, and whether they are whole."""

from __future__ import annotations

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, sample
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.texts.appended import check_row
from mai.compiler.ops.texts.token_tables import token_table

STATE = Type(DType.INT)


class Walk(Operation):
    """The state in which the tokens of a row leave a table's automaton, from the state `before`; a token below 0 is none.

    tokens: [P]; before, and the result: one whole number, 0 at the start.
    """

    attributes = {"table": ""}
    alignment = Alignment.EXPAND

    @classmethod
    def shape(cls, tokens: Type, before: Type, table: str) -> Type:
        check_row(tokens)
        if before.rank or before.dtype is not DType.INT:
            raise ShapeError("dtype-mismatch", f"a state is a whole number, this is {before.with_lead(())}", 1)
        return STATE

    @staticmethod
    def reference(np: Arrays, tokens: Tensor, before: Tensor, table: str) -> Tensor:
        return _walked(np, tokens, before, table)

    @staticmethod
    def torch(torch: Arrays, tokens: Tensor, before: Tensor, table: str) -> Tensor:
        return _walked(torch, tokens, before, table)

    @staticmethod
    def onnx(op: Onnx[V], tokens: V, before: V, table: str) -> V:
        """Mostly a text has one new token, or a prompt is read, of which none counts."""

        def walked() -> V:
            count = op.size_value(tokens, -1)
            (state,) = op.turns(
                count, [op.Cast(before, to=1)], lambda t, s: [op.Cast(_after(op, tokens, s, t, table), to=1)]
            )
            return op.Cast(state, to=7)

        def several() -> V:
            is_read = op.Less(op.ReduceMax(tokens, keepdims=0), op.int(0))
            return op.branch(is_read, lambda: before, walked)

        is_one = op.Equal(op.size_value(tokens, -1), op.int(1))
        return op.branch(is_one, lambda: _after(op, tokens, before, op.ints([0]), table), several)

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """The state is that of the tokens so far."""
        tokens, first = node.inputs
        if not g.grows(tokens, -1):
            return None
        if g.any_grows(first):
            raise g.refused("begins in a state that grows with the text")
        before = g.state("matched", STATE, 0)
        before.next = g.emit(Walk, g.rows_so_far(tokens, -1), before.value, **node.attributes, name="matched")
        return before.next

    cases = (case(sample(5, kind="int", high=3), sample(kind="int", high=3), table="example"),)


def _walked(np: Arrays, tokens: Tensor, state: Tensor, name: str) -> Tensor:
    """The states after the tokens of rows, one token after the other."""
    automaton = token_table(name)
    classes, moves = np.asarray(automaton.classes), np.asarray(automaton.moves)
    for place in range(tokens.shape[-1]):
        token = tokens[..., place]
        state = np.where(token < 0, state, moves[state, classes[np.where(token < 0, 0, token)]])
    return state


def _after(op: Onnx[V], tokens: V, state: V, place: V, name: str) -> V:
    """The state after the token at a place [1] of each row."""
    automaton = token_table(name)
    token = op.Squeeze(op.Gather(tokens, place, axis=-1), op.ints([-1]))
    kind = op.Gather(op.const(automaton.classes, "int32"), op.Max(token, op.int(0)))
    whole, last = op.Cast(state, to=7), op.ints([-1])
    moves = op.Gather(op.const(automaton.moves, "int32"), whole)
    after = op.Squeeze(op.GatherElements(moves, op.Unsqueeze(kind, last), axis=-1), last)
    return op.Where(op.Less(token, op.int(0)), whole, op.Cast(after, to=7))


class Follows(Operation):
    """Which tokens may follow in a state so that `left` further tokens can make the text whole; the shortest ways where none can.

    state, left: one whole number each; the result: [count].
    """

    attributes = {"table": "", "count": 1}
    alignment = Alignment.EXPAND

    @classmethod
    def shape(cls, state: Type, left: Type, table: str, count: Size) -> Type:
        for operand, x in enumerate((state, left)):
            if x.rank or x.dtype is not DType.INT:
                raise ShapeError("dtype-mismatch", f"a whole number is needed here, this is {x.with_lead(())}", operand)
        return Type(DType.BOOL, (count,))

    @staticmethod
    def reference(np: Arrays, state: Tensor, left: Tensor, table: str, count: int) -> Tensor:
        return _following(np, state, left, table)

    @staticmethod
    def torch(torch: Arrays, state: Tensor, left: Tensor, table: str, count: int) -> Tensor:
        return _following(torch, state, left, table)

    @staticmethod
    def onnx(op: Onnx[V], state: V, left: V, table: str, count: int) -> V:
        """Of each class, and then of each token."""
        automaton = token_table(table)
        needed = op.Gather(op.const(automaton.left, "int32"), op.Gather(op.const(automaton.moves, "int32"), state))
        most = op.Max(op.Cast(left, to=6), op.Gather(op.const(automaton.least, "int32"), state))
        fits = op.LessOrEqual(needed, op.Unsqueeze(most, op.ints([-1])))
        return op.Gather(fits, op.const(automaton.classes, "int32"), axis=-1)

    cases = (case(sample(kind="int", high=3), sample(kind="int", high=4), table="example", count=3),)


def _following(np: Arrays, state: Tensor, left: Tensor, name: str) -> Tensor:
    automaton = token_table(name)
    needed = np.asarray(automaton.left)[np.asarray(automaton.moves)[state]]
    most = np.maximum(left, np.asarray(automaton.least)[state])
    return (needed <= most[..., None])[..., np.asarray(automaton.classes)]


class IsWhole(Operation):
    """Whether a text is whole in a state, one for each example."""

    attributes = {"table": ""}

    @classmethod
    def shape(cls, state: Type, table: str) -> Type:
        if state.rank or state.dtype is not DType.INT:
            raise ShapeError("dtype-mismatch", f"a state is a whole number, this is {state.with_lead(())}", 0)
        return Type(DType.BOOL)

    @staticmethod
    def reference(np: Arrays, state: Tensor, table: str) -> Tensor:
        return np.asarray(token_table(table).whole)[state]

    @staticmethod
    def torch(torch: Arrays, state: Tensor, table: str) -> Tensor:
        return torch.asarray(token_table(table).whole)[state]

    @staticmethod
    def onnx(op: Onnx[V], state: V, table: str) -> V:
        return op.Gather(op.const(token_table(table).whole, "bool"), state)

    cases = (case(sample(kind="int", high=3), table="example"),)
