"""Several texts that go on from one prompt, which is read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.text.prompts import Prompt, format_result
from mai.runtime.text.scores import Scored, score_turns
from mai.runtime.text.stream import Turns, grow_several

if TYPE_CHECKING:
    from mai.runtime.text.growing import GrowsText


def several_turns(
    model: GrowsText, row: Array, rows: int, count: int, values: Mapping[str, Any], timeout: object = None
) -> Iterator[Array]:
    """The tokens of several texts that go on from one row of tokens [1, tokens], by the step file: [rows] a turn.

    Args:
        rows: how many texts.
        count, values, timeout: as of `turns`; an input may have a value for each text, as `seed`.
    """
    _, tokens = _several(model, row, rows, count, values, timeout)
    return tokens


def several_scored(
    model: GrowsText,
    row: Array,
    rows: int,
    count: int,
    values: Mapping[str, Any],
    timeout: object = None,
    top: int = 0,
) -> Iterator[list[Scored]]:
    """The same, what each of the rows got in a turn, as `scored` of a model tells it."""
    turns, tokens = _several(model, row, rows, count, values, timeout, scored=True)
    return score_turns(turns, tokens, top)


def _several(
    model: GrowsText,
    row: Array,
    rows: int,
    count: int,
    values: Mapping[str, Any],
    timeout: object,
    scored: bool = False,
) -> tuple[Turns, Iterator[Array]]:
    """The turns of several texts, and their tokens; the reading of the prompt and all turns have one limit together."""
    limit = TimeLimit.of(timeout)
    ranks = {name: len(port.shape) for name, port in model.inputs.items()}
    own = {n for n, v in values.items() if np.ndim(v) > ranks.get(n, np.inf) and len(v) == rows}
    first = {name: value[:1] if name in own else value for name, value in values.items()}
    one = model.turns(row, count, first, limit)
    several = model.turns(np.repeat(row, rows, 0), count, values, limit, scored)
    return several, grow_several(one, several, row, rows, count)


def several_answers(
    model: GrowsText, start: Prompt, several: int, count: int, values: Mapping[str, Any], timeout: object
) -> list[Any]:
    """What a call gives for so many rows of one prompt: texts or rows of tokens, the prompt before them.

    Raises:
        ModelError: the prompt is not one, or there are no texts.
    """
    if len(start.rows) != 1 or several < 1:
        raise ModelError("input-shape", "several answers, one at least, go on from one prompt")
    tokens = list(several_turns(model, start.rows, several, count, values, timeout))
    rows = np.concatenate([np.repeat(start.rows, several, 0), *(t[:, None] for t in tokens)], axis=1)
    return list(format_result(replace(start, single=False, ragged=True), rows, model.tokenizer))
