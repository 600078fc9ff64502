"""When Python looks for objects that only speak of each other, as the nodes and values of a graph do: not while somebody waits.

By itself it looks in the middle of a check, at all that was ever loaded, and takes as long as the check.
"""

from __future__ import annotations

import gc

OBJECTS = 100_000  # A check of a long text makes some 60,000.


def put_off_pauses() -> None:
    """Leave what is loaded by now out of every look, and look for ourselves, unless very many objects are made before."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS, 5, 5)


def pause() -> None:
    """Look now, since nobody waits."""
    gc.collect()
