"""Compiled files as one HTML file that runs them in a browser."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from mai.runtime.errors import ModelError
from mai.runtime.files import plain_file, write_atomically
from mai.runtime.model import Model, load
from mai.runtime.stream import step_path

# Where the page takes onnxruntime-web from; a folder's is put into the page.
ORT = "https://cdn.jsdelivr.net/npm/onnxruntime-web@1.30.0/dist/"
SCRIPT, BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
WEB = files("mai.runtime") / "web"


def write_page(paths: Sequence[Path], out: Path, ort: str = ORT) -> None:
    """Write a page of compiled files to `out`, with their bytes, a control for each input and setting, and a picture.

    Args:
        paths: the `.onnx` files; of a growing text the step file beside it goes along, so that it streams.
        ort: the address of onnxruntime-web's `dist`, or a folder with it: then the page needs no network.

    Raises:
        ModelError: a file cannot be opened, `out` is no HTML file, or `ort` is neither an address nor such a folder.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise ModelError("out-unknown", f"a page ends in .html, {out.name} does not")
    models = [load(path, providers="cpu") for path in paths]
    held: dict[str, bytes] = {}
    names = [_hold(model, held) for model in models]
    script, setup = _runtime(ort, held)
    modules = {file.name: _module(file.read_bytes()) for file in WEB.iterdir() if file.name.endswith(".mjs")}
    page = Template((WEB / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(models[0].manifest.title or models[0].manifest.name),
        files="\n".join(_held(name, data) for name, data in held.items()),
        imports=_json({"imports": modules | {"onnxruntime-web": script}}),
        runtime=setup,
        names=_json(names),
    )
    write_atomically(out, page.encode())


def _hold(model: Model, held: dict[str, bytes]) -> dict[str, str | None]:
    """Put a file into the page, and the one of its turns; returns what they are called there."""
    place = f"file-{len(held)}"
    held[place] = plain_file(model.path).read_bytes()
    beside = step_path(model.path)
    streams = model.manifest.text is not None and beside.exists()
    if streams:
        held[f"{place}-step"] = load(beside, providers="cpu").path.read_bytes()
    return {"name": model.path.name, "file": place, "step": f"{place}-step" if streams else None}


def _runtime(ort: str, held: dict[str, bytes]) -> tuple[str, str]:
    """Where onnxruntime-web's module is, and what tells it where the rest of it is."""
    if "://" in ort:
        base = ort if ort.endswith("/") else f"{ort}/"
        return f"{base}{SCRIPT}", f"wasmPaths: {_json(base)}"
    folder = Path(ort)
    missing = [name for name in (SCRIPT, BINARY) if not (folder / name).is_file()]
    if missing:
        help = "npm install onnxruntime-web; then --ort node_modules/onnxruntime-web/dist"
        raise ModelError("model-not-found", f"{folder} has no {missing[0]}", help)
    held["runtime"] = (folder / BINARY).read_bytes()
    return _module((folder / SCRIPT).read_bytes()), 'wasmBinary: bytes("runtime").buffer'


def _held(name: str, data: bytes) -> str:
    return f'<script type="application/octet-stream" id="{name}">{b64encode(data).decode()}</script>'


def _module(source: bytes) -> str:
    return f"data:text/javascript;base64,{b64encode(source).decode()}"


def _json(value: object) -> str:
    """JSON that cannot end the script that it stands in."""
    return json.dumps(value).replace("<", "\\u003c")
