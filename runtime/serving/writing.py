"""The results of a call as a response: JSON, images, arrays of numpy, or events one after the other."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import numpy as np
from starlette.responses import Response, StreamingResponse

from mai.runtime.arrays import Array, as_npz, with_words
from mai.runtime.errors import ModelError
from mai.runtime.inputs.dates import dates_in_words
from mai.runtime.inputs.labels import label_names
from mai.runtime.inputs.values import parse_span
from mai.runtime.model.model import Model
from mai.runtime.serving.failures import described
from mai.runtime.serving.images import as_pngs, in_base64
from mai.runtime.serving.reading import JSON, NPY, NPZ

Piece = TypeVar("Piece")
PNG, EVENTS = "image/png", "text/event-stream"
FORMATS = {"json": JSON, "base64": JSON, "png": PNG, "npy": NPY, "npz": NPZ}


def choose_format(asked: str | None, accepted: str) -> str:
    """The form of an answer: as the address says, `?format=png`, or else as the header `Accept` does; JSON where neither does.

    Raises:
        ModelError: `out-unknown`: there is none of this name.
    """
    if asked is not None and asked not in FORMATS:
        raise ModelError("out-unknown", f"there is no format {asked!r}", f"there are {', '.join(FORMATS)}")
    kinds = {kind.partition(";")[0].strip() for kind in accepted.split(",")}
    return asked or next((name for name in ("png", "npy", "npz") if FORMATS[name] in kinds), "json")


def respond(
    model: Model, answer: object, count: Array | None, notes: Sequence[str], form: str, span: str | None
) -> Response:
    """The response of a call.

    Args:
        answer, count: what `Model.finish` gave, arrays [batch, ...] or texts.
        notes: what is said beside it.
        form: one of `FORMATS`; all but JSON and base64 hold the first result alone, a .npz holds all.
        span: the numbers of black and white in images, `-1..1`; by default the range that they live in.

    Raises:
        ModelError: the result has no such form.
    """
    ends = parse_span(span) if span else None
    if form in ("json", "base64"):
        return Response(as_json(described_answer(model, answer, notes, form, count, ends)), media_type=JSON)
    results = model.by_output(answer)
    name, first = next(iter(results.items()))
    if not isinstance(first, np.ndarray):
        raise ModelError("out-unknown", f"`{name}` is a text, which has no form but JSON")
    raw = _png(model, name, first, ends) if form == "png" else _arrays(results, form)
    return Response(raw, media_type=FORMATS[form])


async def started(pieces: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    """The same pieces, the first of which is there: what it raises is raised here, before a response begins."""
    try:
        first = await anext(pieces, None)
    except BaseException:
        await pieces.aclose()  # type: ignore[attr-defined]
        raise

    async def all_of_them() -> AsyncIterator[Piece]:
        async with aclosing(pieces):  # type: ignore[type-var]
            if first is not None:
                yield first
            async for piece in pieces:
                yield piece

    return all_of_them()


def respond_by_events(contents: AsyncIterator[str]) -> StreamingResponse:
    """Events of the server, one for each content, which is JSON; behind them [DONE], or what ended them before."""

    async def events() -> AsyncIterator[str]:
        last = "[DONE]"
        async with aclosing(contents):  # type: ignore[type-var]
            try:
                async for content in contents:
                    yield f"data: {content}\n\n"
            except ModelError as error:
                last = json.dumps(described(error))
        yield f"data: {last}\n\n"

    return StreamingResponse(events(), media_type=EVENTS, headers={"Cache-Control": "no-cache"})


def _png(model: Model, name: str, batch: Array, ends: tuple[float, float] | None) -> bytes:
    first = as_pngs(model.outputs[name], batch[:1], ends)
    if len(batch) != 1:
        help = "ask for one example, or for format=base64, which has an image for each"
        raise ModelError("out-unknown", f"a PNG is one image, these are {len(batch)}", help)
    return first[0]


def _arrays(results: Mapping[str, Array], form: str) -> bytes:
    if form == "npz":
        return as_npz(results)
    file = io.BytesIO()
    np.save(file, next(iter(results.values())))
    return file.getvalue()


def _shown(model: Model, name: str, value: Any, form: str, ends: tuple[float, float] | None) -> object:
    """A result as JSON has it: nested lists, texts, or images in base64 where they are asked for and it is some."""
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value)):
        return value
    if isinstance(value, list):
        return [np.asarray(row).tolist() for row in value]
    if form == "base64":
        try:
            return [in_base64(raw) for raw in as_pngs(model.outputs[name], value, ends)]
        except ModelError:
            if len(model.outputs) == 1:
                raise
    return value.tolist()


def described_answer(
    model: Model, answer: object, notes: Sequence[str], form: str, count: Array | None = None,
    ends: tuple[float, float] | None = None,
) -> dict[str, object]:  # fmt: skip
    """What JSON says of a call, its results [batch, ...] or texts; `form` is "json" or "base64", `ends` are the numbers of black and white. The rest is as of `respond`."""
    results = model.by_output(answer)
    shown = {n: _shown(model, n, value, form, ends) for n, value in results.items()}
    return _described(model, results, shown, count, notes)


def _described(
    model: Model, results: Mapping[str, object], shown: Mapping[str, object], count: Array | None, notes: Sequence[str]
) -> dict[str, object]:
    """The whole answer: `outputs` and their `shapes`; where there are some, the names of `labels`, `dates` in words, `evaluations` or `turns`, and `notes`."""
    arrays = {name: value for name, value in results.items() if isinstance(value, np.ndarray)}
    body: dict[str, object] = {"outputs": shown, "shapes": {name: list(array.shape) for name, array in arrays.items()}}
    names = {name: label_names(model.manifest, model.outputs[name]) for name in arrays}
    labels = {name: _named(arrays[name], words) for name, words in names.items() if words and _is_label(model, name)}
    body |= {"labels": labels} if labels else {}
    dates = {n: dates_in_words(array, form) for n, array in arrays.items() if (form := model.outputs[n].dates)}
    body |= {"dates": dates} if dates else {}
    classes = {name: words for name, words in names.items() if words and not _is_label(model, name)}
    body |= {"classes": classes} if classes else {}
    if count is not None:
        body["evaluations" if model.manifest.evaluations else "turns"] = count.tolist()
    return body | ({"notes": list(notes)} if notes else {})


def _is_label(model: Model, name: str) -> bool:
    return model.outputs[name].dtype == "int64"


def _named(numbers: Array, names: Sequence[str]) -> object:
    """Numbers of labels as their names, in the same nested lists; one without a name stays a number."""
    if numbers.ndim:
        return [_named(row, names) for row in numbers]
    return names[int(numbers)] if 0 <= int(numbers) < len(names) else int(numbers)


def as_json(value: object) -> bytes:
    """A value as JSON, in which what is no number is a word: "NaN", "Infinity", "-Infinity"."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")
    except ValueError:
        return json.dumps(with_words(value), allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")
