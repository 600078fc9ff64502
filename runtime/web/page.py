"""Compiled files as one HTML file that runs them in a browser."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import TypedDict

from mai.runtime.claims import in_words
from mai.runtime.errors import ModelError
from mai.runtime.files import write_atomically
from mai.runtime.model.loader import load
from mai.runtime.model.model import Model
from mai.runtime.model.parts import check_is_of
from mai.runtime.text.stream import step_path
from mai.runtime.text.tokenizer import BYTES
from mai.runtime.web.licences import licences_of_packages

ORT, TOKENIZERS, TEMPLATES = "onnxruntime-web", "@huggingface/tokenizers", "@huggingface/jinja"
# The modules that a page imports: where they are published, in the version that is tested, and the file of each.
PUBLIC = "https://cdn.jsdelivr.net/npm/"
VERSIONS = {ORT: "1.30.0", TOKENIZERS: "0.2.0", TEMPLATES: "0.5.11"}
SCRIPTS = {ORT: "dist/ort.wasm.bundle.min.mjs", TOKENIZERS: "dist/tokenizers.min.mjs", TEMPLATES: "dist/index.js"}
BINARY = "dist/ort-wasm-simd-threaded.wasm"
MAX_BYTES = 300e6  # Of files in a page: as base64 they are a third larger, and browsers hold no text above 512 MB.
WEB = files("mai.runtime") / "web"


def write_page(paths: Sequence[Path], out: Path, modules: Path | None = None, beside: str | None = None) -> None:
    """Write a web page that holds compiled files, a control for each input and setting, and a picture of the results.

    Args:
        paths: the `.onnx` files; the step file beside one that grows a text is added, so that the page streams it.
        out: the page to write, a `.html` or `.htm`.
        modules: a `node_modules` folder whose onnxruntime-web is put into the page, which then needs no network.
        beside: instead, the address of a folder that `copy_modules` filled, from the page: `./modules`. Many pages share it.

    Raises:
        ModelError: a file cannot be opened or is one turn of a text, the files are too large, `out` is no HTML file, or a
            module is not in the folder.
        OSError: the page cannot be written.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise ModelError("out-unknown", f"a page ends in .html, {out.name} does not")
    models = _open_all(paths)
    contents: dict[str, bytes] = {}
    entries = [_embed(model, contents) for model in models]
    _check_size(contents)
    needed = sorted({name for entry in entries for name in entry["modules"]})
    imports = _own_imports(beside) | {name: _import_address(name, modules, beside) for name in needed}
    page = Template((WEB / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(models[0].manifest.title or models[0].manifest.name),
        wasm=_wasm(modules, beside),
        names=_json(entries),
        imports=_json({"imports": imports}),
        files="\n".join(_data_element(name, data) for name, data in (contents | _binary(modules)).items()),
        licences=_licences(modules, needed),
    )
    write_atomically(out, page.encode())


def _open_all(paths: Sequence[Path]) -> list[Model]:
    """The files that are shown: all but step files, which stream for the whole file beside them."""
    models = [load(path, providers="cpu") for path in paths]
    for model in models:
        if model.manifest.data is not None:
            help = "compile it without --external-data, in fewer bits where one file cannot hold it; mai.mjs opens both"
            raise ModelError(
                "out-unknown", f"{model.path.name} has its weights in a file beside, and a page is one", help
            )
    step_paths = {step_path(model.path) for model in models}
    for model in models:
        if not model.manifest.is_whole and model.path not in step_paths:
            whole = model.path.name.replace(".step", "")
            raise ModelError(
                "input-unknown", f"{model.path.name} is one turn, or some, of another file", f"give {whole}"
            )
    return [model for model in models if model.manifest.is_whole]


class Said(TypedDict):
    """What one condition of a claim came to, in words."""

    holds: bool
    words: str


class Entry(TypedDict):
    """One file of a page, as `page.html` reads it: its name, the elements that hold it, the modules that it needs, its claims."""

    name: str
    file: str
    step: str | None
    modules: list[str]
    claims: list[Said]


def _embed(model: Model, contents: dict[str, bytes]) -> Entry:
    """Add the bytes of a file, and of its step file, to the page's contents, by the names of their elements."""
    place, beside = f"file-{len(contents)}", step_path(model.path)
    contents[place] = model.path.read_bytes()
    streams = model.manifest.text is not None and beside.exists()
    if streams:
        turns = load(beside, providers="cpu")
        check_is_of(turns.manifest, model.manifest, turns.path)
        contents[f"{place}-step"] = turns.path.read_bytes()
    modules = [ORT] + [TOKENIZERS] * (model.manifest.tokenizer not in (None, BYTES))
    modules += [TEMPLATES] * (streams and model.manifest.chat is not None)
    claims: list[Said] = [{"holds": f.holds, "words": in_words(f)} for f in model.manifest.claims]
    step = f"{place}-step" if streams else None
    return {"name": model.path.name, "file": place, "step": step, "modules": modules, "claims": claims}


def _check_size(contents: Mapping[str, bytes]) -> None:
    size = sum(map(len, contents.values()))
    if size > MAX_BYTES:
        help = "mai.mjs opens files of any size by their address"
        message = f"a page holds up to {MAX_BYTES / 1e6:.0f} MB of files, these have {size / 1e6:.0f} MB"
        raise ModelError("out-unknown", message, help)


def copy_modules(modules: Path, folder: Path) -> None:
    """Put all that pages import into a folder, from which `write_page(beside = ...)` takes it: any server of files will do.

    Raises:
        ModelError: a module is not in `modules`, a `node_modules` folder.
        OSError: the folder cannot be written.
    """
    contents = {f"{name}/{file}": _read(modules, name, file) for name, file in (*SCRIPTS.items(), (ORT, BINARY))}
    contents |= {file.name: file.read_bytes() for file in _own_files()}
    contents["licences.txt"] = licences_of_packages(modules, [*SCRIPTS]).encode()
    for name, data in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def _licences(modules: Path | None, names: Sequence[str]) -> str:
    """What a page says of the works of others that it holds; nothing where it holds none."""
    if modules is None:
        return ""
    text = escape(licences_of_packages(modules, names))
    return f'<details class="note"><summary>Licences of what this page holds</summary><pre>{text}</pre></details>'


def _own_files() -> list[Traversable]:
    return [file for file in WEB.iterdir() if file.name.endswith(".mjs")]


def _own_imports(beside: str | None) -> dict[str, str]:
    """Where each module of mai is: in the page itself, or beside it. A worker that is in the page may read no files beside."""
    if beside is not None:
        return {file.name: f"{beside}/{file.name}" for file in _own_files()}
    return {file.name: _module_address(file.read_bytes()) for file in _own_files()}


def _wasm(modules: Path | None, beside: str | None) -> str:
    """Where onnxruntime-web finds its program, as JavaScript."""
    if modules is not None:
        return '{ wasmBinary: bytes("wasm").buffer }'
    if beside is not None:
        return f"{{ wasmPaths: {{ wasm: new URL({_json(f'{beside}/{ORT}/{BINARY}')}, document.baseURI).href }} }}"
    return _json({"wasmPaths": f"{_address(ORT)}dist/"})


def _import_address(name: str, modules: Path | None, beside: str | None) -> str:
    """The address that a page imports a module from: the public one, one beside, or a data URL that holds the module itself."""
    if modules is not None:
        return _module_address(_read(modules, name, SCRIPTS[name]))
    return f"{beside}/{name}/{SCRIPTS[name]}" if beside is not None else f"{_address(name)}{SCRIPTS[name]}"


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


def _data_element(name: str, data: bytes) -> str:
    """A `script` element that is not run and holds bytes as base64."""
    return f'<script type="application/octet-stream" id="{name}">{b64encode(data).decode()}</script>'


def _module_address(source: bytes) -> str:
    """A JavaScript module as a data URL."""
    return f"data:text/javascript;base64,{b64encode(source).decode()}"


def _json(value: object) -> str:
    """JSON without `<`, which could end the script element that it stands in."""
    return json.dumps(value).replace("<", "\\u003c")
