"""What may be said of a service."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MEGABYTE = 1_000_000
LOCALHOST = "localhost"


def is_of_this_machine(host: str) -> bool:
    """Whether an address or a name leads to the machine that asks."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == LOCALHOST or host.endswith(f".{LOCALHOST}")


@dataclass(frozen=True)
class Options:
    """What may be said of a service.

    Attributes:
        host, port: where it listens; port 0 is any that is free.
        share: the most requests of one example that share a call; 1: none do.
        wait: the seconds that a request waits for others to share its call with, where nothing else is computed.
        queue: the most requests that wait for one file; a further one is refused (429).
        streams: the most texts that grow at one time, token by token, for one file; others wait.
        body: the most bytes of a request.
        examples: the most examples of a request, or texts.
        limits: the largest values of settings and of sizes that the file leaves open, by name.
        timeout: the seconds within which a request is answered, the coming of its body and its waiting included; a stream
            begins within them, and may compute for as long again.
        token: what requests must show; None: nothing.
        names: by which it may be called beside addresses and localhost; "*" is any. Without one, any where it does not listen
            on this machine alone.
        origins: of web pages that may use the service; "*" is all.
        page: whether `/` is the page that runs the files in the browser.
        modules: a node_modules folder, as `mai page` takes it.
        threads, provider: as `load` takes them.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    share: int = 32
    wait: float = 0.002
    queue: int = 256
    streams: int = 8
    body: int = 16 * MEGABYTE
    examples: int = 1024
    limits: Mapping[str, float] = field(default_factory=dict)
    timeout: float = 60.0
    token: str | None = None
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    page: bool = True
    modules: Path | None = None
    threads: int | None = None
    provider: str | None = None

    @property
    def only_named(self) -> bool:
        """Whether it answers those alone who call it by a name that is said, by localhost or by an address.

        A web page may have its own name lead to this machine (DNS rebinding), and would be taken for the service's.
        """
        return "*" not in self.names and bool(self.names or is_of_this_machine(self.host))

    @property
    def at_once(self) -> int:
        """How many texts of one request wait at one time: no more than share a call, so that others find room beside them."""
        return min(self.share, self.queue)
