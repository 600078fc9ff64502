"""The verb `serve`."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Annotated

from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.command_line.opening import Provider, Threads
from mai.runtime.files import reason

TOKEN = "MAI_TOKEN"  # The variable of the environment.


# The words of the command line, in their order.
ModelsArgument = Annotated[
    list[Path], Argument(help=".onnx files that mai compiled, or the folder of a run.", show_default=False)
]
HostOption = Annotated[
    str,
    Option(
        help="The address to listen at: 127.0.0.1 is for programs on this machine, 0.0.0.0 for everybody on the network."
    ),
]
PortOption = Annotated[int, Option(help="The port to listen at; 0 takes any that is free.", min=0)]
ShareOption = Annotated[
    int, Option(help="How many requests for one example may share a call of the file; 1: none do.", min=1)
]
WaitOption = Annotated[
    float, Option(help="How many milliseconds a request waits for others to share its call with.", min=0)
]
QueueOption = Annotated[
    int, Option(help="How many requests may wait for one file; more are refused with the status 429.", min=1)
]
StreamsOption = Annotated[
    int, Option(help="How many texts of one file may grow at the same time, token by token.", min=1)
]
BodyOption = Annotated[float, Option(help="How many megabytes a request may have.", min=0)]
ExamplesOption = Annotated[int, Option(help="How many examples a request may ask for.", min=1)]
LimitOption = Annotated[
    list[str] | None,
    Option(
        help="The largest value of a setting or a size that a request may ask for: --limit steps=100 --limit P=2048."
    ),
]
TimeoutOption = Annotated[float, Option(help="After how many seconds a request is ended, with the status 504.")]
TokenFileOption = Annotated[
    Path | None,
    Option(help="A file with the token that requests must show.", show_default=f"the variable {TOKEN}, or none"),
]
AllowHostOption = Annotated[
    list[str] | None,
    Option(
        help="A host name, other than localhost and addresses, that requests may use; * is any. May be said several times.",
        show_default="none on this machine alone, any elsewhere",
    ),
]
CorsOption = Annotated[
    list[str] | None,
    Option(
        help="The origin of a web page that may send requests, such as https://example.org; * is all. May be said several times."
    ),
]
PageOption = Annotated[
    bool, Option("--page/--no-page", help="Whether / is the page of mai page, with the files in it.")
]
ModulesOption = Annotated[
    Path | None,
    Option(help="A node_modules folder whose onnxruntime-web goes into the page.", show_default="taken from the net"),
]


def serve(
    models: ModelsArgument,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    share: ShareOption = 32,
    wait: WaitOption = 2.0,
    queue: QueueOption = 256,
    streams: StreamsOption = 8,
    body: BodyOption = 16.0,
    examples: ExamplesOption = 1024,
    limit: LimitOption = None,
    timeout: TimeoutOption = 60.0,
    token_file: TokenFileOption = None,
    allow_host: AllowHostOption = None,
    cors: CorsOption = None,
    page: PageOption = True,
    modules: ModulesOption = None,
    threads: Threads = None,
    provider: Provider = None,
) -> None:
    """Answer requests over HTTP: mai serve runs/flow

    Each file has a route: curl localhost:8000/run/flow.sample -d '{"batch": 4, "seed": 1}' answers in JSON. With ?format=png the answer is an
    image, with npy or npz it is arrays. If something is wrong with a request, the answer says so in a sentence. GET /openapi.json describes all
    routes, GET / is a page that runs the files in the browser, /metrics is for Prometheus, /health and /ready are for monitors.

    Clients of OpenAI's interface find /v1/models, /v1/completions, /v1/chat/completions and /v1/embeddings, with streams; /v1/rerank ranks documents.

    Requests for one example share a call, and each gets the same bits as if it were alone. For files that draw, this needs a seed for each
    example: export sample(seed: int, example: int, ...).
    """
    from mai.runtime.serving.options import MEGABYTE, Options
    from mai.runtime.serving.served import open_files
    from mai.runtime.serving.server import serve as serve_files

    _check_numbers(timeout, wait, body)
    options = Options(
        host, port, share, wait / 1000, queue, streams, int(body * MEGABYTE), examples, _limits(limit or []), timeout,
        _token(token_file), tuple(map(_name, allow_host or [])), tuple(map(_origin, cors or [])), page, modules, threads, provider,
    )  # fmt: skip
    serve_files(open_files(models, options), options)


def _check_numbers(timeout: float, wait: float, body: float) -> None:
    """Raise `Misuse` for a limit that is no number or no limit."""
    if not 0 < timeout < math.inf:
        raise Misuse("--timeout is a number of seconds above 0")
    if not all(map(math.isfinite, (wait, body))):
        raise Misuse("--wait and --body are finite numbers")


def _token(file: Path | None) -> str | None:
    """The token that requests must show: a file's only word, or else the variable's value; None where neither is said.

    A variable without a value is refused: whoever says it does not want a service that everybody may use.
    """
    try:
        token = os.environ.get(TOKEN) if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"the token in {file} cannot be read: {reason(error)}") from error
    if token is not None and not re.fullmatch("[!-~]+", token):
        said = file or f"the variable {TOKEN}"
        raise Misuse(f"{said} holds no token: one word of letters, digits and signs of ASCII")
    return token


def _name(word: str) -> str:
    """`*`, or the name of a machine in small letters: without a port, which may be any."""
    name = word.lower().rstrip(".")
    if name != "*" and not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
        raise Misuse(
            f"--allow-host {word} is no name of a machine",
            help="--allow-host models.example.org, without https:// and without a port",
        )
    return name


def _origin(word: str) -> str:
    """`*`, or where a page comes from as browsers say it, in small letters and without a path: any other would never agree."""
    if word not in ("*", "null") and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\sA-Z]+", word):
        raise Misuse(f"--cors {word} is no origin", help="--cors https://example.org, without a path behind it")
    return word


def _limits(words: list[str]) -> dict[str, float]:
    """`steps=100` as a name and a number."""
    limits = {}
    for word in words:
        name, _, number = word.partition("=")
        try:
            limits[name] = float(number)
        except ValueError:
            limits[name] = math.nan
        if math.isnan(limits[name]):
            raise Misuse(f"--limit {word} is no limit", help="--limit steps=100")
    return limits
