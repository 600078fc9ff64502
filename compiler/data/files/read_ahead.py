"""Tables that Arrow reads ahead, in a thread of its own, which calls functions of Python's.

The thread lets go of these functions some time after its reader is closed, and needs Python for it: where Python ends before, the process is
aborted. So the end of a `with` waits until they are let go of.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from threading import Event
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST = 5.0  # Seconds that are waited for a thread, which usually needs none.


class Callback:
    """A function that Arrow has."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *values: Any) -> Any:
        return self._function(*values)


class ReadAhead:
    """A reader of record batches, which `open_reader` opens with functions that it `hold`s. At the end of a `with` it is closed, and they are let go of."""

    def __init__(self) -> None:
        self._gone: list[Event] = []
        self._reader: Any = None

    def hold(self, function: Callable[..., Any]) -> Callback:
        """A function as Arrow may have it."""
        callback, gone = Callback(function), Event()
        weakref.finalize(callback, gone.set).atexit = False
        self._gone.append(gone)
        return callback

    def open_reader(self, open_: Callable[[], Any]) -> None:
        """Begin to read. Raises what `open_` raises."""
        self._reader = open_()

    @property
    def names(self) -> list[str]:
        """What the columns are called."""
        return [str(name) for name in self._reader.schema.names]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from self._reader

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        for gone in self._gone:
            gone.wait(LONGEST)
