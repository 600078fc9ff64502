"""A service as an application of Starlette's: all of its routes over some files."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from html import escape
from pathlib import Path
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import mai
from mai.runtime.errors import ModelError
from mai.runtime.model.model import Model
from mai.runtime.serving.access import Access, while_connected
from mai.runtime.serving.failures import bug, described, failure, late
from mai.runtime.serving.line import Line
from mai.runtime.serving.metrics import Metrics
from mai.runtime.serving.openai import routes as openai
from mai.runtime.serving.openai.ranking import rerank
from mai.runtime.serving.openapi import description
from mai.runtime.serving.options import Options
from mai.runtime.serving.running import describe, run
from mai.runtime.serving.served import Served

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
GONE = 499  # As nginx calls a client that has closed its connection; nobody reads it.
Answering = Callable[[Request], Awaitable[Response]]


class Service:
    """Files that are served together.

    Attributes:
        served: the files by name, once the application has started.
        ready: whether requests are taken: not before the start, and not while it stops.
    """

    def __init__(self, models: Mapping[str, Model], options: Options) -> None:
        self._models, self._options = models, options
        self.metrics = Metrics()
        self.served: dict[str, Served] = {}
        self.ready = False
        self._page: bytes | None = None
        self._writing = asyncio.Lock()

    def application(self) -> Starlette:
        """The application, for any server of ASGI."""
        options, routes = self._options, self._routes()
        addresses = {*(route.path for route in routes), *(f"/run/{name}" for name in self._models)}
        middleware = [Middleware(Access, options=options, addresses=addresses, metrics=self.metrics)]
        if options.origins:
            allowed = ["Authorization", "Content-Type"]
            cors = Middleware(
                CORSMiddleware,
                allow_origins=list(options.origins),
                allow_methods=["GET", "POST"],
                allow_headers=allowed,
            )
            middleware.insert(0, cors)  # Before the token: a browser asks what it may without one.
        handlers = {ModelError: _tell, HTTPException: _tell_http, ClientDisconnect: _tell_nobody, Exception: _tell_bug}
        return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers, lifespan=self._lifespan)  # type: ignore[arg-type]

    def _routes(self) -> list[Route]:
        served, options = self.served, self._options
        answered: dict[str, Answering] = {
            "/run/{name}": partial(run, served, options),
            "/v1/completions": partial(openai.completions, served, options, self.metrics),
            "/v1/chat/completions": partial(openai.chat_completions, served, options, self.metrics),
            "/v1/embeddings": partial(openai.embeddings, served, options),
            "/v1/rerank": partial(rerank, served, options),
        }
        looked_at: dict[str, Callable[[Request], Response | Awaitable[Response]]] = {
            "/": self._index,
            "/run": self._list,
            "/run/{name}": partial(describe, served),
            "/v1/models": partial(openai.models, served),
            "/v1/models/{name}": partial(openai.model, served),
            "/openapi.json": self._describe,
            "/metrics": lambda _: Response(self.metrics.text(), media_type=PROMETHEUS),
            "/health": lambda _: PlainTextResponse("alive\n"),
            "/ready": self._readiness,
        }
        posts = [
            Route(path, _connected(answer, options.timeout), methods=["POST"]) for path, answer in answered.items()
        ]
        return [*posts, *(Route(path, _awaited(look), methods=["GET"]) for path, look in looked_at.items())]

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        for name, model in self._models.items():
            self.served[name] = Served(name, model, Line(name, model, self._options, self.metrics))
        self.ready = True
        try:
            yield
        finally:
            self.ready = False
            await asyncio.gather(*(one.line.close() for one in self.served.values()))

    def _readiness(self, _: Request) -> Response:
        return PlainTextResponse("ready\n" if self.ready else "not ready\n", 200 if self.ready else 503)

    def _list(self, _: Request) -> Response:
        files = {n: {"address": f"/run/{n}", "title": one.model.manifest.title} for n, one in self.served.items()}
        return JSONResponse({"files": files})

    def _describe(self, _: Request) -> Response:
        names = ", ".join(self.served)
        return JSONResponse(description(self.served, names, mai.__version__, self._options.token is not None))

    async def _index(self, _: Request) -> Response:
        """The page that `mai page` writes, made when it is first asked for; a list of routes where there is none."""
        if self._options.page and self._page is None:
            async with self._writing:
                self._page = self._page or await asyncio.to_thread(self._written)
        return HTMLResponse(self._page or self._plain())

    def _written(self) -> bytes:
        from mai.runtime.web.page import write_page

        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "index.html"
            try:
                write_page([model.path for model in self._models.values()], out, self._options.modules)
            except ModelError as error:  # Files too large for a page, or with weights beside them.
                return self._plain(str(error))
            return out.read_bytes()

    def _plain(self, why: str = "") -> bytes:
        lines = [
            f'<li><a href="/run/{quote(n)}">{escape(n)}</a> {escape(m.manifest.title)}' for n, m in self._models.items()
        ]
        said = f"<p>{escape(why)}</p>" if why else ""
        page = f'<!doctype html><meta charset="utf-8"><title>mai</title><ul>{"".join(lines)}</ul>{said}'
        return f'{page}<p><a href="/openapi.json">/openapi.json</a> <a href="/metrics">/metrics</a></p>'.encode()


def _connected(answer: Answering, seconds: float) -> Answering:
    """A route that is given up where its client goes away, or sends its body and is answered in more than so many seconds."""

    async def answered(request: Request) -> Response:
        _check_coding(request.headers.get("content-encoding", ""))
        try:
            async with asyncio.timeout(seconds):
                await request.body()
                return await while_connected(request, answer(request))  # type: ignore[arg-type]
        except TimeoutError as error:
            raise late(seconds) from error

    return answered


def _check_coding(coding: str) -> None:
    """Raise `ModelError`, `body-unreadable`, for a body that is compressed."""
    if coding.strip().lower() not in ("", "identity"):
        raise ModelError("body-unreadable", f"the body is compressed: {coding[:40]}", "send it as it is")


def _awaited(look: Callable[[Request], Response | Awaitable[Response]]) -> Answering:
    async def looked(request: Request) -> Response:
        seen = look(request)
        return seen if isinstance(seen, Response) else await seen

    return looked


async def _tell(_: Request, error: ModelError) -> Response:
    return failure(error)


async def _tell_http(_: Request, error: HTTPException) -> Response:
    """What Starlette itself refuses: an address or a method that there is not."""
    not_found = ModelError(
        "route-unknown", f"there is nothing here: {error.detail}", "GET /openapi.json lists the routes"
    )
    return JSONResponse(described(not_found), error.status_code, error.headers)


async def _tell_nobody(_: Request, __: ClientDisconnect) -> Response:
    """The client went away while it sent its request, or before it was answered."""
    return Response(status_code=GONE)


async def _tell_bug(_: Request, __: Exception) -> Response:
    """Starlette raises it again behind this answer, and Uvicorn writes it to its log."""
    return failure(bug())
