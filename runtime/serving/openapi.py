"""The description of a service by OpenAPI 3.1, made from the manifests of its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mai.runtime.inputs.dates import date_form
from mai.runtime.inputs.labels import label_names, missing_value
from mai.runtime.inputs.values import takes_text
from mai.runtime.model.manifest import Manifest, Port
from mai.runtime.serving.images import image_size
from mai.runtime.serving.served import Served
from mai.runtime.serving.writing import FORMATS

Schema = dict[str, Any]
TYPES = {"float32": "number", "int64": "integer", "bool": "boolean"}
REFUSALS = {
    "400": "A name, a shape or a number is not as the file says, in words.",
    "401": "The token is missing or wrong.",
    "413": "The body is too large.",
    "422": "An adaptive solver did not arrive.",
    "429": "Too many requests wait.",
    "504": "It took longer than the timeout.",
}


def description(served: Mapping[str, Served], title: str, version: str, with_token: bool) -> Schema:
    """The whole description, as JSON."""
    paths: Schema = {f"/run/{one.name}": _run(one) for one in served.values()}
    for address, (says, files) in _shaped(served.values()).items():
        if files:
            paths[address] = {"post": _shaped_route(says, files)}
    described: Schema = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": {"Error": ERROR}},
    }
    if with_token:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


ERROR: Schema = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "code": {"type": "string", "description": "The kind of error: `mai explain CODE` explains it."},
                "help": {"type": ["string", "null"], "description": "How to mend it."},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
            },
        }
    },
}


def _shaped(served: Iterable[Served]) -> dict[str, tuple[str, list[str]]]:
    """The routes in OpenAI's shape: what each does, and with which files."""
    texts = [one.name for one in served if one.grows_text]
    chats = [one.name for one in served if one.grows_text and one.model.manifest.chat]
    return {
        "/v1/completions": ("Continue a text.", texts),
        "/v1/chat/completions": ("Answer messages.", chats),
        "/v1/embeddings": ("A vector for each text.", [one.name for one in served if one.text_input]),
        "/v1/rerank": ("How well each document answers a query.", [one.name for one in served if one.ranks]),
    }


def _shaped_route(says: str, files: list[str]) -> Schema:
    body = {"type": "object", "required": ["model"], "properties": {"model": {"type": "string", "enum": files}}}
    return {
        "summary": says,
        "description": "As the route of this name of OpenAI, or of Jina for a ranking. Settings of the file may be given by name.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": {"description": "As OpenAI's."}} | _refusals(),
    }


def _run(one: Served) -> Schema:
    manifest = one.model.manifest
    get = {
        "summary": f"What {one.name} takes and gives",
        "responses": {"200": {"description": "Its inputs, settings and outputs."}},
    }
    post = {
        "summary": manifest.title or f"Run {one.name}",
        "operationId": one.name,
        "parameters": _parameters(),
        "requestBody": {
            "required": bool(manifest.inputs),
            "content": {"application/json": {"schema": request_schema(manifest)}},
        },
        "responses": {
            "200": {
                "description": "The results.",
                "content": {"application/json": {"schema": _response_schema(one)}},
            }
        }
        | _refusals(),
    }
    return {"get": get, "post": post}


def _parameters() -> list[Schema]:
    formats = {"type": "string", "enum": list(FORMATS), "default": "json"}
    return [
        {"name": "format", "in": "query", "schema": formats, "description": "base64: images as PNG inside of JSON."},
        {"name": "timeout", "in": "query", "schema": {"type": "number"}, "description": "Seconds."},
        {
            "name": "range",
            "in": "query",
            "schema": {"type": "string"},
            "description": "-1..1: black and white of images.",
        },
    ]


def _refusals() -> Schema:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": says, "content": content} for status, says in REFUSALS.items()}


def request_schema(manifest: Manifest) -> Schema:
    """The JSON that a file takes: its inputs and settings by name."""
    inputs = {port.name: _input(manifest, port) for port in manifest.inputs}
    settings = {port.name: _number(port) | {"default": port.default} for port in manifest.settings}
    properties = {**inputs, **settings}
    return {"type": "object", "required": list(inputs), "properties": properties, "additionalProperties": False}


def _input(manifest: Manifest, port: Port) -> Schema:
    """One example, or a list of them; where the file takes some, images in base64, texts, names of labels, or dates."""
    one = _nested(_item(manifest, port), port.shape)
    kinds = [one, {"type": "array", "items": one}]
    if image_size(port):
        image = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}
        kinds += [image, {"type": "array", "items": image}]
    if takes_text(manifest, port):
        kinds += [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    return {"anyOf": kinds, "description": f"[batch, {', '.join(map(str, port.shape))}]" if port.shape else "[batch]"}


def _item(manifest: Manifest, port: Port) -> Schema:
    number, names, form = _number(port), label_names(manifest, port), date_form(manifest, port)
    null = [{"type": "null"}] if missing_value(port, names) is not None else []
    if names and port.dtype == "int64":  # Where a label is for what is missing, it is for other words, too.
        return {"anyOf": [number, {"type": "string", "examples" if null else "enum": [*names]}, *null]}
    if form is not None:
        return {"anyOf": [{"type": "string", "format": "date" if form == "day" else "date-time"}, number, *null]}
    return number | ({"type": [number["type"], "null"]} if null else {})


def _number(port: Port) -> Schema:
    bounds = {"minimum": port.minimum, "maximum": port.maximum}
    return {"type": TYPES[port.dtype]} | {name: bound for name, bound in bounds.items() if bound is not None}


def _nested(item: Schema, shape: Iterable[int | str]) -> Schema:
    """Lists in lists, of the sizes that are known."""
    schema = item
    for size in reversed(list(shape)):
        fixed = {"minItems": size, "maxItems": size} if isinstance(size, int) else {}
        schema = {"type": "array", "items": schema} | fixed
    return schema


def _response_schema(one: Served) -> Schema:
    manifest = one.model.manifest
    outputs: Schema = {}
    for port in one.model.outputs.values():
        sizes = (["batch"] if port.batch else []) + port.shape
        outputs[port.name] = _nested({"type": [TYPES[port.dtype], "string"]}, sizes)
    if manifest.text is not None and one.grows_text:
        outputs = {name: {"description": "A text for a text; tokens for tokens."} for name in outputs}
    shapes = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}}
    return {"type": "object", "properties": {"outputs": {"type": "object", "properties": outputs}, "shapes": shapes}}
