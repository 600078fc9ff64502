"""A pattern and a vocabulary as a table: from the state of a text and the next token to the state after it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from mai.compiler.constraints.automaton import Automaton, TooLarge, automaton_of
from mai.compiler.constraints.regex import parse
from mai.compiler.constraints.schema import pattern_of_schema
from mai.compiler.constraints.vocabulary import refused, token_bytes
from mai.compiler.ops.texts.token_tables import FAR, TABLES, TokenTable
from mai.runtime.arrays import Array

BLOCK = 64  # States whose moves by all tokens are computed at a time.
MOST_NUMBERS = 200_000_000  # Of a table.


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
    moves, whole = _by_tokens(automaton, [*tokens[:vocab], *[None] * (vocab - len(tokens))])
    table = _in_classes(moves, whole)
    if table.left[0] >= FAR:
        raise refused("no tokens of the tokenizer make a text that matches the pattern of an answer")
    return table


def _by_tokens(automaton: Automaton, tokens: Sequence[bytes | None]) -> tuple[Array, Array]:
    """The states between tokens that can be reached, and their moves [S + 1, vocab]; S matches nothing, and neither does a token without bytes."""
    prefixes, place, last = _tree(tokens)
    dead = len(automaton.moves) - 1
    numbers, waiting, rows = {0: 0}, [0], []
    while waiting:
        states, waiting = waiting[:BLOCK], waiting[BLOCK:]
        found = _follow(automaton.moves, np.array(states), prefixes, last)
        after = np.where(place >= 0, found[:, place], dead)
        for row in after:
            rows.append(row)
            for state in np.unique(row):
                if state != dead and state not in numbers:
                    numbers[int(state)] = len(numbers)
                    waiting.append(int(state))
        if len(numbers) * len(tokens) > MOST_NUMBERS:
            raise refused(f"the table of the pattern of an answer would have more than {MOST_NUMBERS:,} numbers")
    renumbered = np.full(dead + 1, len(numbers))
    renumbered[list(numbers)] = list(numbers.values())
    moves = np.vstack([renumbered[np.array(rows)], np.full((1, len(tokens)), len(numbers))])
    return moves, np.array([*(automaton.whole[list(numbers)]), False])


def _tree(tokens: Sequence[bytes | None]) -> tuple[list[Array], Array, Array]:
    """All beginnings of tokens, by their lengths: each the number of that one byte shorter; of each token its number, or -1; the last bytes.

    The empty beginning is number 0.
    """
    numbers: dict[bytes, int] = {b"": 0}
    longest = max((len(t) for t in tokens if t), default=0)
    levels: list[list[int]] = [[] for _ in range(longest)]
    last = [0]
    for length in range(1, longest + 1):
        for token in tokens:
            if token and len(token) >= length and token[:length] not in numbers:
                numbers[token[:length]] = len(numbers)
                levels[length - 1].append(numbers[token[: length - 1]])
                last.append(token[length - 1])
    place = np.array([numbers[t] if t else -1 for t in tokens])
    return [np.array(level) for level in levels], place, np.array(last)


def _follow(moves: Array, states: Array, prefixes: Sequence[Array], last: Array) -> Array:
    """The states after each beginning of a token, [states, beginnings]."""
    found = np.empty((len(states), len(last)), np.int32)
    found[:, 0] = states
    start = 1
    for before in prefixes:
        end = start + len(before)
        found[:, start:end] = moves[found[:, before], last[start:end]]
        start = end
    return found


def _in_classes(moves: Array, whole: Array) -> TokenTable:
    """The table with tokens that move alike from every state as one class."""
    first, classes = np.unique(moves, axis=1, return_index=True, return_inverse=True)[1:]
    smaller = moves[:, first].astype(np.int32)
    left = np.where(whole, 0, FAR).astype(np.int64)
    while True:
        shorter = np.minimum(left, left[smaller].min(1) + 1)
        if (shorter == left).all():
            break
        left = shorter
    left[~whole & (left >= FAR)] = FAR
    least = np.where(whole, -1, left - 1)
    least[-1] = -1
    return TokenTable(
        classes=classes.reshape(-1).astype(np.int32), moves=smaller, left=np.minimum(left, FAR).astype(np.int32),
        least=np.minimum(least, FAR).astype(np.int32), whole=whole,
    )  # fmt: skip
