"""The line of requests before one file: who waits, what is computed together, and who went away."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.model.model import Model
from mai.runtime.serving.failures import bug, late
from mai.runtime.serving.metrics import Metrics
from mai.runtime.serving.options import Options
from mai.runtime.serving.sharing import Feed, Outcome, Sharing

Piece = TypeVar("Piece")
END = object()
LOG = logging.getLogger("mai.serving")


@dataclass(eq=False)
class Waiting:
    """One request that waits for its call, or is computed."""

    feed: Feed
    key: Hashable
    since: float
    answer: asyncio.Future[list[Array]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Line:
    """Requests for one file, in the order of their arrival; those alike share a call.

    It belongs to one event loop, on which all of its methods are called.
    """

    def __init__(self, name: str, model: Model, options: Options, metrics: Metrics) -> None:
        self._options, self._metrics, self._name = options, metrics, name
        self._sharing = Sharing(model, options.share, metrics.unshared.labels(name).inc)
        self._waiting: deque[Waiting] = deque()
        self._group: list[Waiting] = []
        self._limit = TimeLimit(None)
        self._arrived = asyncio.Event()
        self._texts = asyncio.Semaphore(options.streams)
        self._unstarted = 0  # Texts that wait for their turn.
        self._calls = ThreadPoolExecutor(1, f"mai-{name}")
        self._turns = ThreadPoolExecutor(options.streams, f"mai-{name}-texts")
        self._growing: set[TimeLimit] = set()
        self._worker = asyncio.get_running_loop().create_task(self._work())
        metrics.waiting.labels(name).set_function(lambda: len(self._waiting) + self._unstarted)
        metrics.streaming.labels(name).set_function(lambda: len(self._growing))

    async def ask(self, feed: Feed, seconds: float) -> list[Array]:
        """The outputs, [batch, ...] each, for the arrays of one request, in the file's order.

        Whoever is cancelled here leaves the line; a call that is for nobody else is ended.

        Raises:
            ModelError: `queue-full`; `call-timeout`: it was not computed within so many seconds; as `Model.compute` does.
        """
        self._check_room()
        request = Waiting(feed, self._sharing.key(feed), asyncio.get_running_loop().time())
        self._waiting.append(request)
        self._arrived.set()
        try:
            async with asyncio.timeout(seconds):
                return await request.answer
        except TimeoutError as error:
            raise late(seconds) from error
        finally:
            self._leave(request)

    async def stream(self, begin: Callable[[TimeLimit], Iterator[Piece]], seconds: float) -> AsyncIterator[Piece]:
        """What an iterator gives, piece by piece, computed beside the event loop; whoever stops asking ends it.

        Args:
            begin: makes the iterator, whose turns together have this limit.

        Raises:
            ModelError: `queue-full`; `call-timeout`: it could not begin in time; what the iterator raises.
        """
        async with self._turn(seconds):
            limit, loop = TimeLimit(seconds), asyncio.get_running_loop()
            self._growing.add(limit)
            try:
                pieces = await loop.run_in_executor(self._turns, begin, limit)
                while (piece := await loop.run_in_executor(self._turns, next, pieces, END)) is not END:
                    yield piece  # type: ignore[misc]  # END is no piece.
            finally:
                limit.cancel()
                self._growing.discard(limit)

    @asynccontextmanager
    async def _turn(self, seconds: float) -> AsyncIterator[None]:
        """A place among the texts that grow."""
        self._check_room()
        self._unstarted += 1
        try:
            async with asyncio.timeout(seconds):
                await self._texts.acquire()
        except TimeoutError as error:
            raise late(seconds) from error
        finally:
            self._unstarted -= 1
        try:
            yield
        finally:
            self._texts.release()

    async def close(self) -> None:
        """End all calls and texts that go on; whoever waits for them gets an error."""
        self._limit.cancel()
        for limit in self._growing:
            limit.cancel()
        self._worker.cancel()
        with suppress(asyncio.CancelledError):
            await self._worker
        for request in [*self._waiting, *self._group]:
            _settle(request, ModelError("call-cancelled", "the service is stopping"))
        self._calls.shutdown(wait=False)
        self._turns.shutdown(wait=False)

    def _check_room(self) -> None:
        if len(self._waiting) + self._unstarted >= self._options.queue:
            message = f"{self._options.queue} requests wait for `{self._name}` already"
            raise ModelError("queue-full", message, "ask again in a moment")

    def _leave(self, request: Waiting) -> None:
        """Forget a request that has its answer, or whose client has gone."""
        if request in self._waiting:
            self._waiting.remove(request)
        request.answer.cancel()
        if request in self._group and all(other.answer.done() for other in self._group):
            self._limit.cancel()

    async def _work(self) -> None:
        """Compute one group of requests after the other."""
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            self._group, self._limit = await self._gather(), TimeLimit(None)
            if not self._group:
                continue
            feeds, key = [request.feed for request in self._group], self._group[0].key
            self._metrics.shared.labels(self._name).observe(len(feeds))
            try:
                outcomes = await loop.run_in_executor(self._calls, self._sharing.compute, key, feeds, self._limit)
            except ModelError as error:  # All of them have gone.
                outcomes = [error] * len(feeds)
            except Exception:
                LOG.exception("a call of %s failed", self._name)
                outcomes = [bug()] * len(feeds)
            for request, outcome in zip(self._group, outcomes, strict=True):
                _settle(request, outcome)
            self._group = []

    async def _gather(self) -> list[Waiting]:
        """The first request in the line and those that share its call, which leave the line; none where it is empty."""
        if not self._waiting:
            self._arrived.clear()
            return []
        first = self._waiting[0]
        most = self._sharing.most(first.key)
        left = first.since + self._options.wait - asyncio.get_running_loop().time()
        if most > 1 and left > 0 and len(self._waiting) < most:
            await asyncio.sleep(left)
        alike = [first] if first.key is None else [r for r in self._waiting if r.key == first.key]
        for request in alike[:most]:
            self._waiting.remove(request)
        return alike[:most]


def _settle(request: Waiting, outcome: Outcome) -> None:
    """Hand a request its outcome, if it is still there."""
    if request.answer.done():
        return
    if isinstance(outcome, ModelError):
        request.answer.set_exception(outcome)
    else:
        request.answer.set_result(outcome)
