"""A service that runs beside the tests, on a port of this machine, and a client of it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mai.runtime import Model
from mai.runtime.serving.application import Service
from mai.runtime.serving.options import Options
from mai.runtime.serving.server import Server, configuration

PATIENCE = 60.0  # Seconds until a test gives up.


@dataclass(frozen=True)
class Reply:
    """What came back: the status, the headers by their names in small letters, and the body."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def error(self) -> Any:
        return self.json["error"]

    @property
    def events(self) -> list[Any]:
        """The events of a stream, of which the last is `[DONE]`."""
        return [line.removeprefix("data: ") for line in self.raw.decode().split("\n\n") if line]


class Client:
    """Asks a service; each request has a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        """A body is bytes, or anything that JSON can say."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, raw, {"Content-Type": "application/json", **headers})

    def ask(self, method: str, path: str, raw: Any, headers: Mapping[str, str]) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, raw, named, encode_chunked=not isinstance(raw, bytes))
            reply = connection.getresponse()
            return Reply(reply.status, {n.lower(): v for n, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def begin(self, path: str, body: Any) -> socket.socket:
        """A connection that has asked and not read: closing it is going away."""
        raw = json.dumps(body).encode()
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        opened.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw)
        return opened

    def metric(self, name: str, **labels: str) -> float:
        """A number of /metrics; 0 where it is not there."""
        from prometheus_client.parser import text_string_to_metric_families as families

        text = self.get("/metrics").raw.decode()
        samples = (s for family in families(text) for s in family.samples if s.name == name)
        return sum(s.value for s in samples if labels.items() <= s.labels.items())

    def wait_for(self, name: str, value: float, **labels: str) -> None:
        """Wait until a metric has a value."""
        until = time.monotonic() + PATIENCE
        while self.metric(name, **labels) != value:
            assert time.monotonic() < until, f"{name} is not {value}"
            time.sleep(0.01)


@contextmanager
def running(models: Mapping[str, Model], **options: Any) -> Iterator[Client]:
    """A service of some files, by name."""
    chosen = Options(**options)
    config = configuration(Service(models, chosen), chosen)
    config.timeout_graceful_shutdown = 1
    server = Server(config)
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    client = Client(listening.getsockname()[1])
    until = time.monotonic() + PATIENCE
    while not server.started:
        assert thread.is_alive() and time.monotonic() < until, "the server did not start"
        time.sleep(0.005)
    try:
        yield client
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
