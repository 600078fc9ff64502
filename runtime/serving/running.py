"""The routes of single files: what each takes and gives, and calls of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mai.runtime.errors import ModelError
from mai.runtime.model.own_arguments import SPECIAL_TOKENS, TIMEOUT
from mai.runtime.model.prepared import Prepared
from mai.runtime.serving.options import Options
from mai.runtime.serving.reading import JSON, NPY, NPZ, as_call_values, check_limits, check_room, read_arrays, read_json
from mai.runtime.serving.served import Served
from mai.runtime.serving.writing import choose_format, respond

KINDS = ("", JSON, NPZ, NPY)
CURL = "application/x-www-form-urlencoded"  # What curl says of any text that it sends, where nobody says what it is.


def describe(served: Mapping[str, Served], request: Request) -> Response:
    """`GET /run/NAME`: the interface of a file, from its manifest."""
    one = find(served, request.path_params["name"])
    wanted = {"name", "export", "title", "inputs", "settings", "outputs", "labels", "draws", "text", "claims"}
    described = one.model.manifest.model_dump(mode="json", include=wanted, exclude_none=True)
    return JSONResponse({**described, "address": f"/run/{one.name}"})


async def run(served: Mapping[str, Served], options: Options, request: Request) -> Response:
    """`POST /run/NAME`: one call of a file."""
    one = find(served, request.path_params["name"])
    form = choose_format(request.query_params.get("format"), request.headers.get("accept", ""))
    values = await read_values(one, options, request)
    seconds = seconds_of(options, request.query_params.get(TIMEOUT))
    call, notes = await asyncio.to_thread(prepared, one, options, values)
    results = await one.line.ask(call.feed, seconds)
    span = request.query_params.get("range")

    def answer() -> Response:
        return respond(one.model, *one.model.finish(call, results), notes, form, span)

    return await asyncio.to_thread(answer)


def find(served: Mapping[str, Served], name: str) -> Served:
    """The file with this name. Raises `ModelError`, `route-unknown`."""
    if name not in served:
        raise ModelError("route-unknown", f"there is no file `{name}` here", f"there are {', '.join(served)}")
    return served[name]


async def read_values(one: Served, options: Options, request: Request) -> dict[str, Any]:
    """The inputs and settings that a request says, by name. Raises `ModelError`: its body cannot be read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (*KINDS, CURL):
        raise ModelError("body-unreadable", f"the body is {kind}", f"send {', '.join(KINDS[1:])}")
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


def prepared(one: Served, options: Options, values: Mapping[str, Any]) -> tuple[Prepared, list[str]]:
    """A call of a file, checked, and what is to be told of it.

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
    return call, notes
