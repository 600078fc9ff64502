"""A call between its check and its run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mai.runtime.arrays import Array
from mai.runtime.text.prompts import Prompt


class Prepared(NamedTuple):
    """A call that is checked and not yet computed.

    Attributes:
        feed: arrays by name, inputs [batch, ...] and the settings that were given.
        form: of a result that is a text, as its prompt was given; else None.
        notes: what is to be said of its numbers, and of the length of its text.
    """

    feed: dict[str, Array]
    form: Prompt | None
    notes: Sequence[str] = ()
