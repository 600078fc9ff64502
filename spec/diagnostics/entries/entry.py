"""One entry of the catalog."""

from __future__ import annotations

from mai.spec.record import record


@record
class Entry:
    """What `mai explain` prints of a diagnostic.

    Attributes:
        title: the mistake in a few words.
        explanation: why it is one, and how to mend it.
        example: a small file that has the mistake.
        right: the same file as it was meant.
    """

    title: str
    explanation: str
    example: str = ""
    right: str = ""
