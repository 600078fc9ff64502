"""Tables by which tokens lead from state to state: what a pattern is, once a tokenizer says what its tokens are."""

from __future__ import annotations

from typing import Any

from mai.spec.record import record

FAR = 2**30  # Tokens to go where no text matches.


@record
class TokenTable:
    """An automaton of tokens, with states 0 to S, of which 0 is the first, and S matches nothing however it goes on.

    Tokens of one class lead to the same states: `classes` [vocab]. `moves` [S + 1, C] is the state after a token of each class. `left` [S + 1] is
    how many tokens make a text whole at the least, FAR for S; `least` the same after the next one, -1 where a text may be whole already.
    `whole` [S + 1] says in which states it is.
    """

    classes: Any
    moves: Any
    left: Any
    least: Any
    whole: Any


# By name; `compiler/constraints` makes more. This one is "ab" any number of times, of three tokens a, b and c.
TABLES: dict[str, TokenTable] = {
    "example": TokenTable((0, 1, 2), ((1, 2, 2), (2, 0, 2), (2, 2, 2)), (0, 1, FAR), (-1, 0, -1), (True, False, False))
}


def token_table(name: str) -> TokenTable:
    """A table by its name."""
    assert name in TABLES, "a pattern is bound to a tokenizer before it is lowered"
    return TABLES[name]
