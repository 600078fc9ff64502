"""Compiled files as one HTML file that runs them in a browser."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from mai.runtime.errors import ModelError
from mai.runtime.files import write_atomically
from mai.runtime.model.loader import load
from mai.runtime.model.model import Model
from mai.runtime.text.stream import step_path
from mai.runtime.text.tokenizer import BYTES

ORT, TOKENIZERS = "onnxruntime-web", "@huggingface/tokenizers"
# Where a page takes modules from: of each what is read, by the version that is tested.
PUBLIC = "https://cdn.jsdelivr.net/npm/"
VERSIONS = {ORT: "1.30.0", TOKENIZERS: "0.2.0"}
SCRIPTS = {ORT: "dist/ort.wasm.bundle.min.mjs", TOKENIZERS: "dist/tokenizers.min.mjs"}
BINARY = "dist/ort-wasm-simd-threaded.wasm"
MOST = 300e6  # Bytes of files, since a browser holds no text of more than half a gigabyte.
WEB = files("mai.runtime") / "web"


def write_page(paths: Sequence[Path], out: Path, modules: Path | None = None) -> None:
    """Write a page of compiled files to `out`, with their bytes, a control for each input and setting, and a picture.

    Args:
        paths: the `.onnx` files; of a growing text the step file beside it goes along, so that it streams.
        modules: a `node_modules` folder whose onnxruntime-web goes into the page, which needs no network then.

    Raises:
        ModelError: a file cannot be opened or is one turn of a text, they are too large, `out` is no HTML file, or a module
            is not in the folder.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise ModelError("out-unknown", f"a page ends in .html, {out.name} does not")
    models = _models(paths)
    held: dict[str, bytes] = {}
    names = [_hold(model, held) for model in models]
    _check_size(held)
    needed = sorted({name for entry in names for name in entry["modules"]})
    own = {file.name: _module(file.read_bytes()) for file in WEB.iterdir() if file.name.endswith(".mjs")}
    page = Template((WEB / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(models[0].manifest.title or models[0].manifest.name),
        wasm=_json({"wasmPaths": f"{_address(ORT)}dist/"})
        if modules is None
        else '{ wasmBinary: bytes("wasm").buffer }',
        names=_json(names),
        imports=_json({"imports": own | {name: _found(name, modules) for name in needed}}),
        files="\n".join(_held(name, data) for name, data in (held | _binary(modules)).items()),
    )
    write_atomically(out, page.encode())


def _models(paths: Sequence[Path]) -> list[Model]:
    """The files that are shown: one of a single turn streams for the file that it lies beside."""
    models = [load(path, providers="cpu") for path in paths]
    turns = {step_path(model.path) for model in models}
    for model in models:
        if model.manifest.step is not None and model.path not in turns:
            whole = model.path.name.replace(".step", "")
            raise ModelError(
                "input-unknown", f"{model.path.name} is one turn of a text", f"give {whole}, and it streams"
            )
    return [model for model in models if model.manifest.step is None]


def _hold(model: Model, held: dict[str, bytes]) -> dict[str, Any]:
    """Put a file into the page, and the one of its turns; returns what they are called there, and what they need."""
    place, beside = f"file-{len(held)}", step_path(model.path)
    held[place] = model.path.read_bytes()
    streams = model.manifest.text is not None and beside.exists()
    if streams:
        held[f"{place}-step"] = load(beside, providers="cpu").path.read_bytes()
    modules = [ORT] + [TOKENIZERS] * (model.manifest.tokenizer not in (None, BYTES))
    return {"name": model.path.name, "file": place, "step": f"{place}-step" if streams else None, "modules": modules}


def _check_size(held: Mapping[str, bytes]) -> None:
    size = sum(map(len, held.values()))
    if size > MOST:
        help = "mai.mjs opens files of any size by their address"
        message = f"a page holds up to {MOST / 1e6:.0f} MB of files, these have {size / 1e6:.0f} MB"
        raise ModelError("out-unknown", message, help)


def _found(name: str, modules: Path | None) -> str:
    """The address of a module: a public one, or one that is the module."""
    return f"{_address(name)}{SCRIPTS[name]}" if modules is None else _module(_read(modules, name, SCRIPTS[name]))


def _binary(modules: Path | None) -> dict[str, bytes]:
    return {} if modules is None else {"wasm": _read(modules, ORT, BINARY)}


def _address(name: str) -> str:
    return f"{PUBLIC}{name}@{VERSIONS[name]}/"


def _read(modules: Path, name: str, file: str) -> bytes:
    path = modules / name / file
    if not path.is_file():
        help = f"npm install {name}; then --modules node_modules"
        raise ModelError("model-not-found", f"{modules} has no {name}/{file}", help)
    return path.read_bytes()


def _held(name: str, data: bytes) -> str:
    return f'<script type="application/octet-stream" id="{name}">{b64encode(data).decode()}</script>'


def _module(source: bytes) -> str:
    return f"data:text/javascript;base64,{b64encode(source).decode()}"


def _json(value: object) -> str:
    """JSON that cannot end the script that it stands in."""
    return json.dumps(value).replace("<", "\\u003c")
