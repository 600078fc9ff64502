"""The server: Uvicorn, on which a service runs until it is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from types import FrameType

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mai.runtime.errors import ModelError
from mai.runtime.files import reason
from mai.runtime.model.model import Model
from mai.runtime.serving.application import Service
from mai.runtime.serving.options import Options
from mai.runtime.show.terminal import say

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """A server that ends by itself when it is asked to, where Uvicorn would end its process by the signal that asked."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take Ctrl-C and `kill` as a wish to stop, while the server runs; a second Ctrl-C waits for nobody. Signals reach the main thread alone."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Say once that the server stops."""
        if not self.should_exit:
            say("stopping: requests that are there are still answered", err=True)
        super().handle_exit(sig, frame)


class Connection(H11Protocol):
    """A connection that is closed where the head of a request does not come within a time: it would be held for nothing.

    Uvicorn has a limit for connections where nothing is sent after a request, and none for those that begin one and never end it.
    """

    patience = 60.0  # Seconds.
    _giving_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._giving_up = self.loop.call_later(self.patience, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head from its first bytes on, and no longer once it is there."""
        super().data_received(data)
        is_open = self.conn.their_state is h11.IDLE
        if self._giving_up is None and is_open and self.conn.trailing_data[0]:
            self._giving_up = self.loop.call_later(self.patience, self._give_up)
        elif not is_open:
            self._wait_no_longer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer: the timer would hold all of the connection until its end."""
        super().connection_lost(exc)
        self._wait_no_longer()

    def _wait_no_longer(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self) -> None:
        self._giving_up = None
        if self.conn.their_state is h11.IDLE:
            self.transport.close()


def configuration(service: Service, options: Options) -> uvicorn.Config:
    """How Uvicorn runs a service."""
    return uvicorn.Config(
        service.application(),
        http=type("Connection", (Connection,), {"patience": options.timeout}),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(options.timeout),
    )


def serve(models: Mapping[str, Model], options: Options) -> None:
    """Serve files until Ctrl-C or `kill`; requests that are there then are still answered, for as long as a request may take.

    Raises:
        ModelError: `address-taken`: nothing can listen there.
    """
    service = Service(models, options)
    listening = _listening(options)
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    say(f"{address}  serves {', '.join(models)}; /openapi.json says how, /metrics how it goes; Ctrl-C stops", err=True)
    Server(configuration(service, options)).run(sockets=[listening])


def _listening(options: Options) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        return socket.create_server((options.host, options.port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        message = f"nothing can listen on {options.host}, port {options.port}: {reason(error)}"
        raise ModelError("address-taken", message, "--port 0 takes any port that is free") from error
