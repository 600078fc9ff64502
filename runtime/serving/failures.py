"""What went wrong, as a response: the runtime's own words, with a status that says whose fault it is."""

from __future__ import annotations

import json

from starlette.responses import Response

from mai.runtime.errors import ModelError

BAD_REQUEST, SERVER_ERROR = 400, 500
STATUSES = {
    "token-wrong": 401,
    "route-unknown": 404,
    "host-unknown": 421,
    "body-too-large": 413,
    "not-arrived": 422,
    "queue-full": 429,
    "run-failed": SERVER_ERROR,
    "internal": SERVER_ERROR,
    "call-cancelled": 503,
    "call-timeout": 504,
}
OURS = {
    "model-not-found", "model-truncated", "model-foreign", "model-newer", "runtime-too-old", "precision-unsupported",
}  # fmt: skip
HEADERS = {429: {"Retry-After": "1"}, 401: {"WWW-Authenticate": 'Bearer, Basic realm="mai"'}}


def status_of(error: ModelError) -> int:
    """The status of HTTP: 4xx where another request may succeed, 5xx where the service failed."""
    return STATUSES.get(error.slug, SERVER_ERROR if error.slug in OURS else BAD_REQUEST)


def failure(error: ModelError) -> Response:
    """The response that tells an error, in the shape of OpenAI's: `{"error": {"message", "type", "code", "param", "help"}}`."""
    status = status_of(error)
    # In ASCII: a name that it repeats may have half of a character, which no UTF-8 has.
    content = json.dumps(described(error))
    return Response(content, status, HEADERS.get(status), "application/json")


def bug() -> ModelError:
    """The error for what mai did wrong: what it was stands in the service's log, and not in an answer."""
    return ModelError("internal", "mai itself failed: the log of the service says how")


def late(seconds: float) -> ModelError:
    """The error for a request that took longer than it may."""
    return ModelError("call-timeout", f"the request was ended: it was not answered within {seconds:g} seconds")


def described(error: ModelError) -> dict[str, object]:
    """An error as JSON: `code` is its slug, which `mai explain` explains, `help` how to mend it."""
    kind = "invalid_request_error" if status_of(error) < SERVER_ERROR else "server_error"
    content = {"message": str(error), "type": kind, "param": None, "code": error.slug, "help": error.help}
    return {"error": content}
