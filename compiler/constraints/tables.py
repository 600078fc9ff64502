"""A pattern and a vocabulary as a table: from the state of a text and the next token to the state after it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mai.compiler.constraints.automaton import Automaton, TooLarge, automaton_of
from mai.compiler.constraints.regex import parse
from mai.compiler.constraints.schema import pattern_of_schema
from mai.compiler.constraints.vocabulary import refused, token_bytes
from mai.compiler.ops.texts.token_tables import FAR, TABLES, TokenTable
from mai.runtime.arrays import Array

BLOCK = 64  # States whose moves by all tokens are computed at a time.


def bound(written: str, tokenizer: str | None) -> str:
    """The name of the table of a pattern, as `constrain` has it, for a tokenizer: it is made where it is not there yet.

    Raises:
        MaiError: `data-bad`: there is no tokenizer, no text matches, or the table would be too large.
    """
    if tokenizer is None:
        help = "`data text: tokens[n] from text(tokenizer = bytes)`, or compile with --tokenizer"
        raise refused("an answer that matches a pattern needs a tokenizer", help=help)
    name = hashlib.sha256(json.dumps([written, tokenizer]).encode()).hexdigest()[:16]
    if name not in TABLES:
        TABLES[name] = table_of(json.loads(written), token_bytes(tokenizer))
    return name


def table_of(written: dict[str, object], tokens: Sequence[bytes | None]) -> TokenTable:
    """The table of `{"regex": text, "vocab": n}` or `{"schema": table, "vocab": n}`. Raises `MaiError`."""
    pattern = parse(str(written["regex"])) if "regex" in written else pattern_of_schema(written["schema"])
    vocab = int(str(written["vocab"]))
    try:
        automaton = automaton_of(pattern)
    except TooLarge as error:
        raise refused("the pattern of an answer needs more states than a table may have") from error
    if not automaton.whole.any():
        raise refused("no text matches the pattern of an answer")
    table = _with_distances(*_by_tokens(automaton, [*tokens[:vocab], *[None] * (vocab - len(tokens))]))
    if table.left[0] >= FAR:
        raise refused("no tokens of the tokenizer make a text that matches the pattern of an answer")
    return table


def _by_tokens(automaton: Automaton, tokens: Sequence[bytes | None]) -> tuple[Array, Array, Array]:
    """The class of each token, and the states between tokens that can be reached: their moves by classes, [S + 1, C], and which are whole.

    Tokens of one class lead alike from every state; S matches nothing, and neither does a token without bytes. Rows of all tokens are made
    twice, some at a time: first to find the states and the classes, then to keep one token of each class.
    """
    tree, dead = _tree(tokens), len(automaton.moves) - 1
    numbers, marks = _reached(automaton, tree, len(tokens))
    _, first, classes = np.unique(marks, return_index=True, return_inverse=True)
    states, rows = np.array(list(numbers)), []
    renumbered = np.full(dead + 1, len(states), np.int32)
    renumbered[states] = np.arange(len(states))
    for block in np.split(states, range(BLOCK, len(states), BLOCK)):
        after = _follow(automaton.moves, block, tree)
        rows.append(renumbered[after[:, first]])
        assert (after[:, first][:, classes] == after).all(), "marks of tokens are as different as their moves"
    moves = np.vstack([*rows, np.full((1, len(first)), len(states), np.int32)])
    return classes.astype(np.int32), moves, np.array([*automaton.whole[states], False])


def _reached(automaton: Automaton, tree: Tree, count: int) -> tuple[dict[int, int], Array]:
    """The states that texts can be in between tokens, by number in the order in which they are reached; and of each token a mark of all its moves."""
    numbers, waiting, random = {0: 0}, [0], np.random.default_rng(0)
    marks, dead = np.zeros(count, np.uint64), len(automaton.moves) - 1
    while waiting:
        states, waiting = waiting[:BLOCK], waiting[BLOCK:]
        after = _follow(automaton.moves, np.array(states), tree)
        for row in after:
            marks = (marks + row.astype(np.uint64)) * np.uint64(random.integers(1, 2**63) | 1)
            for state in np.flatnonzero(np.bincount(row)).tolist():
                if state != dead and state not in numbers:
                    numbers[state] = len(numbers)
                    waiting.append(state)
    return numbers, marks


@dataclass(frozen=True, slots=True)
class Tree:
    """All beginnings of tokens; the empty one is number 0, the others follow by their lengths.

    before: for each length the number of each beginning without its last byte; last: of each beginning its last byte; place: of each
    token its number, -1 for a token without bytes.
    """

    before: tuple[Array, ...]
    last: Array
    place: Array


def _tree(tokens: Sequence[bytes | None]) -> Tree:
    """The beginnings of tokens."""
    numbers: dict[bytes, int] = {b"": 0}
    longest = max((len(t) for t in tokens if t), default=0)
    levels, last = [], [0]
    for length in range(1, longest + 1):
        level: list[int] = []
        for token in tokens:
            if token and len(token) >= length and token[:length] not in numbers:
                numbers[token[:length]] = len(numbers)
                level.append(numbers[token[: length - 1]])
                last.append(token[length - 1])
        levels.append(np.array(level))
    place = np.array([numbers[t] if t else -1 for t in tokens])
    return Tree(tuple(levels), np.array(last), place)


def _follow(moves: Array, states: Array, tree: Tree) -> Array:
    """The states after each token, [states, tokens]."""
    after = np.empty((len(states), len(tree.last)), np.int32)
    after[:, 0] = states
    start = 1
    for before in tree.before:
        end = start + len(before)
        after[:, start:end] = moves[after[:, before], tree.last[start:end]]
        start = end
    return np.where(tree.place >= 0, after[:, tree.place], np.int32(len(moves) - 1))


def _with_distances(classes: Array, moves: Array, whole: Array) -> TokenTable:
    """The table with how many tokens make a text whole, from each state."""
    left = np.where(whole, 0, FAR).astype(np.int64)
    while True:
        shorter = np.minimum(left, left[moves].min(1) + 1)
        if (shorter == left).all():
            break
        left = shorter
    left = np.minimum(left, FAR)
    least = np.where(whole, -1, left - 1)
    least[-1] = -1
    return TokenTable(classes, moves, left.astype(np.int32), least.astype(np.int32), whole)
