"""The routes of single files: what each takes and gives, and calls of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from difflib import get_close_matches
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mai.runtime.errors import ModelError
from mai.runtime.inputs.own_arguments import SPECIAL_TOKENS, TIMEOUT
from mai.runtime.inputs.values import parse_span
from mai.runtime.model.model import Model
from mai.runtime.model.parts import Progress, part_by_part
from mai.runtime.model.prepared import Prepared
from mai.runtime.serving.options import Options
from mai.runtime.serving.reading import JSON, NPY, NPZ, as_call_values, check_limits, check_room, read_arrays, read_json
from mai.runtime.serving.served import Served
from mai.runtime.serving.writing import as_json, choose_format, described_answer, respond, respond_by_events, started

FORMAT, RANGE, PROGRESS, PARTIAL = "format", "range", "progress", "partial"
QUERY = (FORMAT, RANGE, TIMEOUT, PROGRESS, PARTIAL)  # What the address of a call may say behind its `?`.
MOST_DIGITS = 9  # Of a number of steps.
KINDS = (JSON, NPZ, NPY)
# What programs say of a text where their user says nothing of it: nothing, curl's word, that of a browser's `fetch`. It is read as JSON.
UNSAID = ("", "application/x-www-form-urlencoded", "text/plain")


def describe(served: Mapping[str, Served], request: Request) -> Response:
    """`GET /run/NAME`: the interface of a file, from its manifest."""
    one = find(served, request.path_params["name"])
    wanted = {"name", "export", "title", "inputs", "settings", "outputs", "labels", "draws", "text", "claims"}
    described = one.model.manifest.model_dump(mode="json", include=wanted, exclude_none=True)
    return JSONResponse({**described, "address": f"/run/{one.name}"})


async def run(served: Mapping[str, Served], options: Options, request: Request) -> Response:
    """`POST /run/NAME`: one call of a file."""
    one = find(served, request.path_params["name"])
    _check_query(request.query_params)
    span = request.query_params.get(RANGE)
    form = choose_format(request.query_params.get(FORMAT), request.headers.get("accept", ""))
    values = await read_values(one, options, request)
    seconds = seconds_of(options, request.query_params.get(TIMEOUT))
    every = _every(request.query_params.get(PROGRESS), form)
    call, notes = await asyncio.to_thread(prepared, one, options, values)
    if every is not None:
        shows_parts = request.query_params.get(PARTIAL) is not None
        content_of = partial(
            _describe_progress, one.model, notes, form, parse_span(span) if span else None, shows_parts
        )
        return await _watched(one, call, every, seconds, content_of)
    results = await one.line.ask(call.feed, seconds)

    def answer() -> Response:
        return respond(one.model, *one.model.finish(call, results), notes, form, span)

    return await asyncio.to_thread(answer)


def _check_query(names: Iterable[str]) -> None:
    """Refuse a name that says nothing: a misspelt `timeout` would be no limit, without a word."""
    for name in names:
        if name not in QUERY:
            near = get_close_matches(name, QUERY, n=1)
            help = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(QUERY)}; settings are in the body"
            raise ModelError("input-unknown", f"an address of a call says no `{name[:40]}`", help)


def _every(asked: str | None, form: str) -> int | None:
    """After how many turns a request wants to be told of its progress; None where it asks for the end alone."""
    if asked is None:
        return None
    if not (asked.isdecimal() and len(asked) <= MOST_DIGITS and int(asked) > 0):
        message = f"`progress` is a number of steps, 1 at least, this is {asked[:40]}"
        raise ModelError("input-range", message, "?progress=1")
    if form not in ("json", "base64"):
        raise ModelError(
            "out-unknown", f"progress is told in JSON, and this asks for {form}", "format=json, or base64 for images"
        )
    return int(asked)


async def _watched(
    one: Served, call: Prepared, every: int, seconds: float, content_of: Callable[[Progress], str]
) -> Response:
    """Events of the server, one after each `every` turns; what is wrong from the start is refused as any other request."""
    turns = await started(one.line.stream(lambda limit: part_by_part(one.model, call, every, limit), seconds))

    async def contents() -> AsyncIterator[str]:
        async with aclosing(turns):  # type: ignore[type-var]
            async for progress in turns:
                yield await asyncio.to_thread(content_of, progress)

    return respond_by_events(contents())


def _describe_progress(
    model: Model, notes: Sequence[str], form: str, ends: tuple[float, float] | None, shows_parts: bool, progress: Progress
) -> str:  # fmt: skip
    """What an event says: the turns so far, and the outputs after the last of them, or after each."""
    body: dict[str, object] = {"turns": progress.turns, "total": progress.total}
    if shows_parts or progress.turns == progress.total:
        body |= described_answer(model, progress.result, notes, form, ends=ends)
    return as_json(body).decode()


def find(served: Mapping[str, Served], name: str) -> Served:
    """The file with this name. Raises `ModelError`, `route-unknown`."""
    if name not in served:
        raise ModelError("route-unknown", f"there is no file `{name}` here", f"there are {', '.join(served)}")
    return served[name]


async def read_values(one: Served, options: Options, request: Request) -> dict[str, object]:
    """The inputs and settings that a request says, by name. Raises `ModelError`: its body cannot be read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (*KINDS, *UNSAID):
        raise ModelError("body-unreadable", f"the body is {kind}", f"send {', '.join(KINDS)}")
    raw = await request.body()
    if kind in (NPZ, NPY):
        return read_arrays(raw, kind, list(one.model.inputs), options.body)
    return read_json(raw)


def seconds_of(options: Options, asked: str | None) -> float:
    """Within how many seconds a request is answered: those of the service, or fewer, where it asks so."""
    try:
        seconds = options.timeout if asked is None else float(asked)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ModelError("input-range", f"`timeout` is a number of seconds above 0, this is {asked}")
    return min(seconds, options.timeout)


def prepared(one: Served, options: Options, values: Mapping[str, object]) -> tuple[Prepared, list[str]]:
    """A call of a file, checked, and notes on it.

    Raises:
        ModelError: a name, a shape or a number is not as the file says, or larger than the service allows.
    """
    model = one.model
    try:
        check_room(options, model.manifest, values)
        taken, notes = as_call_values(model.manifest, values)
        special = None if SPECIAL_TOKENS in {*model.inputs, *model.settings} else taken.pop(SPECIAL_TOKENS, None)
        call = model.prepare(taken, special)
    except RecursionError as error:
        raise ModelError("body-unreadable", "lists stand in lists too deep") from error
    check_limits(options, model.manifest, call.feed)
    return call, [*notes, *call.notes]
