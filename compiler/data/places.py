"""Where examples stand in their files, and which of them share rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.spec.record import record

if TYPE_CHECKING:
    from mai.runtime.arrays import Array


@record
class Places:
    """The row of each example in its files, from 0; of a window of a series the first row that it is judged by, its future.

    That row has the number `begins` in the order of time, and `span` rows are judged: windows whose rows are nearer than that share some.
    Examples that are a file each have its name in `files`, from the folder on that a spec names.
    """

    rows: Array
    begins: Array | None = None
    span: int = 1
    files: Array | None = None

    def of(self, numbers: Array) -> Places:
        """Those of some of the examples."""
        begins, files = (None if each is None else each[numbers] for each in (self.begins, self.files))
        return Places(self.rows[numbers], begins, self.span, files)
