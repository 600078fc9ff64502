"""What every request passes: the name that it calls the service by, the token, the size of its body, the counters, and the watch for a client that goes away."""

from __future__ import annotations

import asyncio
import binascii
import hmac
import ipaddress
import re
import time
from base64 import b64decode
from collections.abc import Collection, Coroutine
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mai.runtime.errors import ModelError
from mai.runtime.serving.failures import SERVER_ERROR, failure
from mai.runtime.serving.metrics import Metrics
from mai.runtime.serving.options import Options, is_of_this_machine

OPEN = ("/health", "/ready")  # What asks for no token: whoever watches the process has none.
HOST = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<name>[^:\[\]]*))(?::\d*)?")
NOWHERE = "none"  # The label of all addresses that there are not.


class Access:
    """Refuses what is meant for another name, shows no token or is too large, and counts what was answered."""

    def __init__(self, app: ASGIApp, options: Options, addresses: Collection[str], metrics: Metrics) -> None:
        """`addresses`: those that there are, each of which is counted by itself."""
        self._app, self._addresses, self._metrics = app, addresses, metrics
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, counted = time.perf_counter(), False

        async def counting(message: Message) -> None:
            nonlocal counted
            if message["type"] == "http.response.start" and not counted:
                counted = True
                self._count(scope, message["status"], time.perf_counter() - began)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await failure(refusal)(scope, receive, counting)
            return
        try:
            await self._app(scope, self._measured(receive), counting)
        except Exception:
            if not counted:  # Whoever stands before answers it.
                self._count(scope, SERVER_ERROR, time.perf_counter() - began)
            raise

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a response under its address, but under `NOWHERE` where a client has made that up: each label is kept."""
        label = scope["path"] if scope["path"] in self._addresses else NOWHERE
        self._metrics.requests.labels(label, str(status)).inc()
        self._metrics.seconds.labels(label).observe(seconds)

    def _refusal(self, scope: Scope) -> ModelError | None:
        headers = Headers(scope=scope)
        if self._options.only_named and not is_named(headers.get("host", ""), self._options.names):
            message = f"this service is not called {headers['host']!r}"
            return ModelError(
                "host-unknown", message, "call it by localhost or its address, or start it with --allow-host"
            )
        if self._options.token is not None and scope["path"] not in OPEN and not _shows(headers, self._options.token):
            return ModelError(
                "token-wrong", "the token is missing or wrong", "send the header Authorization: Bearer TOKEN"
            )
        length = headers.get("content-length", "0")
        return self._too_large() if length.isdecimal() and int(length) > self._options.body else None

    def _too_large(self) -> ModelError:
        return ModelError("body-too-large", f"a request has at most {self._options.body:,} bytes here")

    def _measured(self, receive: Receive) -> Receive:
        """What a client sends, up to the most that it may: one that does not say how much it sends is counted."""
        read = 0

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._options.body:
                raise self._too_large()
            return message

        return receiving


def is_named(host: str, names: Collection[str]) -> bool:
    """Whether a header `Host` says one of some names, localhost or an address; what is no browser may say nothing."""
    parts = HOST.fullmatch(host)
    name = (parts["six"] or parts["name"]).lower().rstrip(".") if parts else host
    if not name or name in names or is_of_this_machine(name):
        return True
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _shows(headers: Headers, token: str) -> bool:
    """Whether a request shows the token: `Bearer TOKEN`, or as the password of `Basic`, which browsers ask people for."""
    kind, _, shown = headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            shown = b64decode(shown).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    return kind.lower() in ("bearer", "basic") and hmac.compare_digest(shown.strip().encode(), token.encode())


async def while_connected(request: Request, answering: Coroutine[object, object, Response]) -> Response:
    """What answers a request. Raises `ClientDisconnect` where its client goes away before, and gives the answer up."""
    answer = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise ClientDisconnect
    finally:
        for task in (answer, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _gone(request: Request) -> None:
    """Wait until a client, whose whole body was read, has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
