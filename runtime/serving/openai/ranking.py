"""`/v1/rerank`: documents in the order in which they answer a query, by a file that scores a pair of texts."""

from __future__ import annotations

import asyncio
import uuid
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import Field, StrictBool, StrictInt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mai.runtime.errors import ModelError
from mai.runtime.serving.openai.answers import together
from mai.runtime.serving.openai.bodies import Named, read_body
from mai.runtime.serving.options import Options
from mai.runtime.serving.running import find, prepared
from mai.runtime.serving.served import Files, Served
from mai.runtime.text.tokenizer import Pieces

PAIR = "_pair"  # Ends the name of an export that reads which tokens are of a second text.


class Ranking(Named):
    """Documents to rank by a query; the names are those of Jina's and Cohere's interfaces, `raw_scores` is of text-embeddings-inference."""

    query: str
    documents: Annotated[list[str | dict[str, Any]], Field(min_length=1)]
    top_n: Annotated[StrictInt, Field(ge=1)] | None = None
    return_documents: StrictBool = True
    raw_scores: StrictBool = False

    @property
    def texts(self) -> list[str]:
        """The documents' texts. Raises `ModelError`, `body-unreadable`: one has none."""
        texts = [document.get("text") if isinstance(document, dict) else document for document in self.documents]
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise ModelError("body-unreadable", f"`documents[{place}]` has no `text`")
        return [text for text in texts if isinstance(text, str)]


async def rerank(served: Files, options: Options, request: Request) -> Response:
    """How well each document answers a query, the best first: the logistic function of the file's score, as CrossEncoder has it."""
    body = read_body(Ranking, await request.body())
    one = find(served, body.model)
    body.check_names()
    _check_ranks(one)
    texts = body.texts
    if len(texts) > options.examples:
        raise ModelError(
            "input-range", f"a request has at most {options.examples} documents here, this has {len(texts)}"
        )
    scored = await together([partial(_scored, one, options, body.query, text) for text in texts], options.at_once)
    scores = [score if body.raw_scores else _logistic(score) for score, _ in scored]
    order = sorted(range(len(texts)), key=lambda i: -scores[i])[: body.top_n]
    shown = [{"document": {"text": text}} if body.return_documents else {} for text in texts]
    results = [{"index": i, "relevance_score": scores[i], **shown[i]} for i in order]
    read = sum(length for _, length in scored)
    used = {"prompt_tokens": read, "total_tokens": read}
    return JSONResponse({"id": f"rerank-{uuid.uuid4().hex}", "model": one.name, "results": results, "usage": used})


def _logistic(score: float) -> float:
    return float(1 / (1 + np.exp(-np.float64(score))))


async def _scored(one: Served, options: Options, query: str, text: str) -> tuple[float, int]:
    """The file's score of one pair, and how many tokens it has."""
    call, _ = await asyncio.to_thread(lambda: prepared(one, options, _pair(one, query, text)))
    results = await one.line.ask(call.feed, options.timeout)
    port = next(port.name for port in one.model.manifest.inputs if port.dtype == "int64")
    return float(np.asarray(results[0]).reshape(-1)[0]), int(call.feed[port].shape[1])


def _check_ranks(one: Served) -> None:
    """Raise `ModelError`: a file gives no score for a pair of texts, or another one beside it does."""
    if not one.ranks:
        help = "a file for it takes tokens, and marks of those of a second text where its model reads them, and gives one score"
        raise ModelError("input-unknown", f"{one.name} gives no score for a pair of texts", help)
    path = one.model.path
    beside = path.with_name(f"{path.stem}{PAIR}{path.suffix}")
    if beside.exists():
        raise ModelError("input-unknown", f"{one.name} reads one text", f"{beside.stem} reads a pair: serve {beside}")


def _pair(one: Served, query: str, text: str) -> dict[str, object]:
    """The values of a call: the tokens of both texts, as the file's tokenizer joins them, and which are of the second."""
    tokenizer = one.model.tokenizer
    if not isinstance(tokenizer, Pieces):
        raise ModelError("text-unavailable", f"{one.name} has no tokenizer that joins two texts")
    tokens, seconds = tokenizer.encode_pair(query, text)
    values = {"int64": tokens[None], "float32": seconds[None].astype(np.float32)}
    return {port.name: values[port.dtype] for port in one.model.manifest.inputs}
