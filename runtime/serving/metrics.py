"""What a service counts, in the form that Prometheus reads."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
REQUESTS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one service: each has a registry of its own.

    Attributes:
        requests: by route and status.
        seconds: from a request's head, its body still to come, to its response's head, by route.
        shared: how many requests shared a call, by file.
        waiting, streaming: how many requests wait, and texts grow, now, by file.
        tokens: how many tokens were written, by file.
        unshared: how often a shared call gave other bits than each request alone, by file: they were given what they get alone.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter("mai_requests", "Requests answered.", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "mai_request_seconds", "From a request to its response.", ["route"], buckets=SECONDS, registry=registry
        )
        self.shared = Histogram(
            "mai_call_requests", "Requests in one call.", ["file"], buckets=REQUESTS, registry=registry
        )
        self.waiting = Gauge("mai_waiting_requests", "Requests that wait.", ["file"], registry=registry)
        self.streaming = Gauge("mai_growing_texts", "Texts that grow token by token.", ["file"], registry=registry)
        self.tokens = Counter("mai_tokens", "Tokens written.", ["file"], registry=registry)
        self.unshared = Counter(
            "mai_unlike_calls", "Calls that may not be shared: the bits were others.", ["file"], registry=registry
        )

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry)
