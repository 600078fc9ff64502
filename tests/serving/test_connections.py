"""By which names a service may be called, and how long it waits for the head of a request."""

from __future__ import annotations

import gc
import socket
import time

import pytest

from mai.runtime import Model
from mai.runtime.serving.access import is_named
from mai.runtime.serving.server import Connection
from tests.support.command import invoke
from tests.support.serving import PATIENCE, running

HERE = ["localhost", "LOCALHOST:8000", "app.localhost", "localhost.", "127.0.0.1", "192.168.1.7:80", "[::1]:8000", "[fe80::1]", ""]  # fmt: skip
ELSEWHERE = ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "[::1].evil", "a b", "127.1", ":x", "[]", "[]:80"]  # fmt: skip


@pytest.mark.parametrize("host", HERE)
def test_names_of_this_machine(host: str) -> None:
    assert is_named(host, ())


@pytest.mark.parametrize("host", ELSEWHERE)
def test_names_of_others(host: str) -> None:
    assert not is_named(host, ("models.example.org",))


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 421),
        ({"names": ("models.example.org",)}, 200),
        ({"names": ("*",)}, 200),
        ({"names": ("other.example.org",)}, 421),
        ({"host": "0.0.0.0"}, 200),
        ({"host": "0.0.0.0", "names": ("other.example.org",)}, 421),
    ],
)
def test_a_page_whose_name_leads_here_reads_nothing(looping: Model, options: dict[str, object], status: int) -> None:
    with running({"loop": looping}, **options) as client:
        reply = client.get("/run", Host="models.example.org:80")
        assert reply.status == status
        assert client.get("/run", Host=f"localhost:{client.port}").status == 200
        if status != 200:
            assert reply.error["code"] == "host-unknown"


def test_names_that_the_command_refuses(looping: Model) -> None:
    for word in ("https://models.example.org", "models.example.org:80", ""):
        done = invoke("serve", looping.path, "--allow-host", word)
        assert done.exit_code and f"--allow-host {word} is no name" in done.output


@pytest.mark.parametrize("sent", [b"", b"POST /run/loop HTTP/1.1\r\nHost: localhost\r\nX-", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he"])  # fmt: skip
def test_a_head_that_never_ends_is_not_waited_for(looping: Model, sent: bytes) -> None:
    """Neither before the first request, nor after one."""
    with running({"loop": looping}, timeout=0.3) as client:
        opened = socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE)
        opened.sendall(sent)
        while opened.recv(1000):
            pass
        opened.close()


def test_who_sends_slowly_within_the_time_is_answered(looping: Model) -> None:
    with running({"loop": looping}, timeout=20) as client:
        opened = socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE)
        for part in (b"GET /heal", b"th HTTP/1.1\r\nHost: loc", b"alhost\r\n", b"\r\n") * 2:
            opened.sendall(part)
            time.sleep(0.01)
        assert opened.recv(1000).count(b"HTTP/1.1 200") >= 1
        opened.close()


def test_who_says_nothing_and_goes_is_forgotten(looping: Model) -> None:
    """Long before the time for a head is over: whoever looks whether a port is open does so often."""
    with running({"loop": looping}, timeout=3600) as client:
        for _ in range(3):
            socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE).close()
        until = time.monotonic() + PATIENCE
        while left := [each for each in gc.get_objects() if issubclass(type(each), Connection)]:
            assert time.monotonic() < until, f"{len(left)} connections are still held"
            del left
            time.sleep(0.05)
            gc.collect()
