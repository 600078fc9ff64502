"""A column of conversations: how many messages they have, how long they are, and who speaks in them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from mai.compiler.data.files.arrow_types import is_list
from mai.compiler.data.texts.messages import NAMES, read_messages
from mai.compiler.describing.columns.numbers import Numbers
from mai.spec.diagnostics import MaiError


class Turns:
    """How many `messages` a conversation has and how many `bytes` they say, the `roles` of all, and what is wrong with the first bad row."""

    def __init__(self) -> None:
        self.messages, self.bytes = Numbers(), Numbers()
        self.roles: Counter[str] = Counter()
        self.complaint: str | None = None

    def add(self, values: pa.Array, first: int) -> None:
        """The next rows, of which the first has this number."""
        there = []
        for row, value in enumerate(values.to_pylist(), first):
            try:
                there.append(read_messages(value or [], f"row {row:,}"))
            except MaiError as error:
                self.complaint = self.complaint or error.diagnostics[0].message
        self.roles.update(each["role"] for messages in there for each in messages)
        self.messages.add(np.array([len(messages) for messages in there if messages], np.float64))
        sizes = [sum(len(each["content"].encode()) for each in messages) for messages in there if messages]
        self.bytes.add(np.array(sizes, np.float64))


def are_messages(kind: pa.DataType) -> bool:
    """Whether values are lists of objects with the names that messages have."""
    if not is_list(kind) or not pa.types.is_struct(kind.value_type):
        return False
    has = {field.name for field in kind.value_type}
    return any(has.issuperset(names) for names in NAMES)
