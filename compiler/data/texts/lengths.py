"""Texts of any length as what a compiled file takes at a time: those of one length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from mai.compiler.data.sources.examples import MASK
from mai.runtime.arrays import Array
from mai.runtime.model.manifest import Port


def unmasked_texts(inputs: Mapping[str, Port], fields: Mapping[str, str]) -> list[str]:
    """The inputs of any length whose mask the file does not take, by the `fields` of inputs: of such a text it reads every token.

    A text that a spec fills up for training is asked as it is, with others of its length.
    """
    free = [name for name, port in inputs.items() if port.shape and not isinstance(port.shape[0], int)]
    return [name for name in free if name in fields and f"{fields[name]}{MASK}" not in fields.values()]


def of_one_length(
    counts: Mapping[str, Array], total: int, batch: int
) -> Iterator[tuple[Array, Mapping[str, int]]]:  # fmt: skip
    """The numbers of examples that are asked at a time, and how long their texts are, by input.

    Args:
        counts: how many tokens each example has, [total], by input.
        total: how many examples there are.
        batch: how many are asked at a time.
    """
    table = np.stack([*counts.values()], 1) if counts else np.zeros((total, 0), np.int64)
    lengths, group = (
        np.unique(table, axis=0, return_inverse=True) if counts else (table[:1], np.zeros(len(table), np.int64))
    )
    for number, each in enumerate(lengths):
        rows = np.flatnonzero(group.reshape(-1) == number)
        for begin in range(0, len(rows), batch):
            yield rows[begin : begin + batch], dict(zip(counts, each.tolist(), strict=True))
