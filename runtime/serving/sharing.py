"""Requests of one example that share a call, each with the bits that it gets alone.

ONNX Runtime chooses the code of a product by its number of rows: a row alone, which is a vector, may round otherwise than beside others, and
among 5 otherwise than among 4. So a call has 2, 4, 8, ... examples, the last request repeated, and a request by itself is one of two alike.
That these sizes agree is seen, not assumed: the first requests of some shape that share a call of some size are computed alone, too, until
64 are known to be the same, and those of every thousandth call after that. Where one differs, each gets what it gets alone, and no later
call of that shape has that size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.model.manifest import Manifest
from mai.runtime.model.model import Model

SEED = "seed"
SIZES = (2, 4, 8, 16, 32, 64, 128, 256)
ENOUGH = 64  # Requests that were the same, by which a size is known.
AUDIT = 1000  # One of so many later calls is looked at again.
MOST_SEEN = 4096  # Shapes and sizes that are remembered; the oldest are tried anew.
Feed = Mapping[str, Array]
Outcome = list[Array] | ModelError


def is_shareable(manifest: Manifest) -> bool:
    """Whether an example's results could be the same whatever stands beside it.

    Draws must be by a seed of each example. What an adaptive solver, or a turn of several tokens, computes together depends on the numbers.
    """
    own_draws = not manifest.draws or all(port.name != SEED for port in manifest.settings)
    by_example = bool(manifest.inputs) and all(port.batch for port in [*manifest.inputs, *manifest.outputs])
    return own_draws and by_example and manifest.evaluations is None and manifest.turns is None


@dataclass
class _Seen:
    """The record of calls of one shape and size: how many requests were the same, and whether one differed."""

    calls: int = 0
    same: int = 0
    differs: bool = False


class Sharing:
    """The calls of one file, made by one thread at a time."""

    def __init__(self, model: Model, share: int, differs: Callable[[], None] = lambda: None) -> None:
        """`share`: the most requests in a call. `differs` hears of every shared call whose bits were others."""
        self._model, self._differs = model, differs
        self._inputs = {port.name for port in model.manifest.inputs}
        self._sizes = [size for size in SIZES if size <= share] if is_shareable(model.manifest) else []
        self._seen: OrderedDict[tuple[Hashable, int], _Seen] = OrderedDict()

    def key(self, feed: Feed) -> Hashable:
        """What requests that may share a call have in common: settings and sizes; None for one that has a call of its own."""
        if not self._sizes or any(len(feed[name]) != 1 for name in self._inputs):
            return None
        parts = ((n, a.shape if n in self._inputs else (a.dtype.str, a.tobytes())) for n, a in sorted(feed.items()))
        return tuple(parts)

    def most(self, key: Hashable) -> int:
        """How many requests of a key may share a call, as far as is known."""
        return 1 if key is None else next((size for size in reversed(self._sizes) if self._may(key, size)), 1)

    def compute(self, key: Hashable, feeds: Sequence[Feed], limit: TimeLimit) -> list[Outcome]:
        """What each request gets: its outputs, [1, ...] each where it has a key, or why there are none.

        Raises:
            ModelError: `call-cancelled`: the limit was cancelled.
        """
        size = next((s for s in self._sizes if s >= len(feeds) and self._may(key, s)), None)
        if key is None or len(feeds) == 1 or size is None:
            return [self._alone(key, feed, limit) for feed in feeds]
        try:
            shared = self._shared(feeds, size, limit)
        except ModelError as error:  # Perhaps of one of them alone.
            if error.slug == "call-cancelled":
                raise
            return [self._alone(key, feed, limit) for feed in feeds]
        seen = self._remembered(key, size)
        seen.calls += 1
        if seen.same >= ENOUGH and seen.calls % AUDIT:
            return list(shared[: len(feeds)])
        alone = [self._alone(key, feed, limit) for feed in feeds]
        self._compare(seen, shared, [*alone, *[alone[-1]] * (size - len(feeds))], len(feeds))
        return alone

    def _may(self, key: Hashable, size: int) -> bool:
        seen = self._seen.get((key, size))
        return seen is None or not seen.differs

    def _remembered(self, key: Hashable, size: int) -> _Seen:
        seen = self._seen.setdefault((key, size), _Seen())
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)
        return seen

    def _compare(self, seen: _Seen, shared: Sequence[list[Array]], alone: Sequence[Outcome], requests: int) -> None:
        """Take note of whether a call was the same as so many requests alone; those that fill it up are looked at, too."""
        if all(map(_equal, shared, alone)):
            seen.same += requests
        else:
            seen.differs = True
            self._differs()

    def _shared(self, feeds: Sequence[Feed], size: int, limit: TimeLimit) -> list[list[Array]]:
        """The outputs of `size` requests, computed together: the last is repeated until there are so many."""
        filled = [*feeds, *[feeds[-1]] * (size - len(feeds))]
        joined = {
            name: np.concatenate([feed[name] for feed in filled]) if name in self._inputs else array
            for name, array in feeds[0].items()
        }
        outputs = self._model.compute(joined, limit)
        return [[output[i : i + 1] for output in outputs] for i in range(size)]

    def _alone(self, key: Hashable, feed: Feed, limit: TimeLimit) -> Outcome:
        """What a request gets by itself: where it has a key, as one of two alike."""
        try:
            return self._model.compute(feed, limit) if key is None else self._shared([feed], SIZES[0], limit)[0]
        except ModelError as error:
            if error.slug == "call-cancelled":
                raise
            return error


def _equal(shared: list[Array], alone: Outcome) -> bool:
    """Whether two requests' outputs are the same to the bit, NaN included."""
    return not isinstance(alone, ModelError) and all(
        a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(shared, alone, strict=True)
    )
