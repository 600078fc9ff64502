"""The playground as a folder of files, which any server of files shows: it needs no network but that server's.

OUT/index.html  style.css  playground.js        the page, its modules as one
OUT/worker.mjs  pyodide/  python.zip            the checker: Python, and mai with lark, compiled
OUT/examples.json  pages/  modules/             the menu, and the pages of what was compiled
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from types import MappingProxyType

import lark

import mai
from mai.runtime.web.licences import licence_of_package
from mai.runtime.web.page import MAX_BYTES, copy_modules, write_page

HERE = Path(__file__).parent
PAGE, MODE = HERE / "page", HERE.parent / "editor" / "codemirror" / "mai.mjs"
PYODIDE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
TEXTS = (".py", ".mai", ".lark", ".md", ".toml", ".json", ".typed")  # What mai reads of itself.
DATA = (".npz", ".npy", ".csv")  # Of the examples: a check looks at their shapes.
# What no check imports: a check in the browser has neither numpy nor pydantic. `tests/editor/test_playground.py` asks all questions without.
LEFT_OUT = (
    *(f"compiler/{room}" for room in (
        "commands", "describing", "drafting", "editor/codemirror", "editor/vscode", "evaluating", "importing", "interface", "onnx",
        "playground/page", "predicting", "sweeping", "torch", "tuning",
    )),
    *(f"runtime/{room}" for room in ("chat", "command_line", "commands", "model", "self_test", "show", "text", "web")),
    "spec/starters",
)  # fmt: skip
FAMILIES = "spec/families"  # Of which a check reads the sets of rules alone, `family("llama")`.
TOOLS = ("esbuild", "playwright-core")  # of which nothing is in the page
HEAD_OF_LICENCES = (
    "mai is under the MIT licence. This page holds works of others, under theirs. Pyodide is CPython for browsers, which is under the\n"
    "licence of the Python Software Foundation."
)
GROUPS = {"": "Systems", "papers": "From papers", "zoo": "Published models"}


class NotInstalled(Exception):
    """What the playground is built from is not there; the text says what."""


def write_playground(out: Path, modules: Path, examples: Path, runs: Sequence[Path] = ()) -> list[str]:
    """Write the playground into a folder.

    Args:
        out: the folder, which is made; other files in it stay.
        modules: a `node_modules` folder with what `compiler/playground/package.json` names.
        examples: a folder of specs for the menu, and their data.
        runs: folders of runs, of which one that is called as an example has a page; the first has precedence.

    Returns:
        the examples that have a page.

    Raises:
        NotInstalled: a tool is missing.
        ModelError, OSError: a compiled file cannot be read, or a file cannot be written.
    """
    _check(modules)
    out.mkdir(parents=True, exist_ok=True)
    (out / "pyodide").mkdir(exist_ok=True)
    for name in ("index.html", "style.css", "worker.mjs"):
        shutil.copyfile(PAGE / name, out / name)
    for name in PYODIDE:
        shutil.copyfile(modules / "pyodide" / name, out / "pyodide" / name)
    _bundle(out, modules)
    (out / "licences.txt").write_text(licences(modules), encoding="utf-8")
    _pack(out / "python.zip", modules, examples)
    pages = _write_pages(out, modules, examples, runs)
    entries = [{**entry, "page": pages.get(entry["name"])} for entry in _entries(examples)]
    (out / "examples.json").write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
    return list(pages)


def licences(modules: Path) -> str:
    """What the page holds of others, with the version, the kind and the text of each licence."""
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    parts = [licence_of_package(modules / name) for name in wanted if name not in TOOLS]
    of_lark = distribution("lark")
    texts = [file.read_text() for file in of_lark.files or () if "LICENSE" in file.name.upper()]
    parts.append(
        f"lark {of_lark.version}, {of_lark.metadata['License'] or 'MIT'}\n\n{texts[0] if texts else ''}".rstrip()
    )
    return "\n\n\n".join([HEAD_OF_LICENCES, *parts]) + "\n"


def _check(modules: Path) -> None:
    for name in ("pyodide", "esbuild", "codemirror"):
        if not (modules / name).is_dir():
            raise NotInstalled(f"{modules} has no {name}: `make playground` installs it where there is npm")
    if shutil.which("node") is None:
        raise NotInstalled("the playground is built with Node.js, and there is none")


def _bundle(out: Path, modules: Path) -> None:
    """The page's modules, with CodeMirror, as one file."""
    esbuild = str(modules / ".bin" / "esbuild")
    words = ["--bundle", "--format=esm", "--minify", "--target=es2022", f"--alias:mai-codemirror={MODE.resolve()}"]
    command = [esbuild, str(PAGE / "main.mjs"), *words, "--log-level=warning", f"--outfile={out / 'playground.js'}"]
    _run(command, {"NODE_PATH": str(modules.resolve())})


def _pack(path: Path, modules: Path, examples: Path) -> None:
    """All files of the browser's Python: /app is imported, /spec has the examples. Pyodide itself compiles the modules."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in python_files():
            archive.write(file, f"app/{name}")
        for file in sorted(examples.rglob("*")):
            if file.suffix in (".mai", *DATA):
                archive.write(file, f"spec/{file.relative_to(examples)}")
    _run(["node", str(HERE / "compile.mjs"), str(modules.resolve()), str(path)])


def _run(command: Sequence[str], environment: Mapping[str, str] = MappingProxyType({})) -> None:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    if done.returncode:
        raise NotInstalled(f"{Path(command[0]).name} failed: {done.stderr[-1000:]}")


def python_files() -> Iterator[tuple[str, Path]]:
    """The files of mai that a check may load, and lark's, by their places on Python's path."""
    for package, left_out in ((mai, LEFT_OUT), (lark, ())):
        (root,) = map(Path, package.__path__)
        for folder, folders, names in os.walk(root, followlinks=True):
            place = Path(folder).relative_to(root)
            folders[:] = sorted(n for n in folders if n != "__pycache__" and (place / n).as_posix() not in left_out)
            for name in sorted(names):
                if name.endswith((".mai",) if place.as_posix() == FAMILIES else TEXTS):
                    yield (Path(root.name) / place / name).as_posix(), Path(folder) / name


def _entries(examples: Path) -> Iterator[dict[str, str]]:
    """The menu: each spec with the first sentence of its comment."""
    for folder, group in GROUPS.items():
        for file in sorted((examples / folder).glob("*.mai")):
            text = file.read_text(encoding="utf-8")
            title = text.partition("\n")[0].removeprefix("#").strip()
            name = str(file.relative_to(examples).with_suffix(""))
            yield {"name": name, "group": group, "title": title, "text": text}


def _write_pages(out: Path, modules: Path, examples: Path, runs: Sequence[Path]) -> dict[str, str]:
    """The pages of the examples that were compiled, by their names."""
    pages: dict[str, str] = {}
    for file in sorted(examples.glob("*.mai")):
        compiled = next((files for run in runs if (files := _compiled(run / file.stem))), [])
        if compiled and sum(path.stat().st_size for path in compiled) < MAX_BYTES:
            (out / "pages").mkdir(exist_ok=True)
            write_page(compiled, out / "pages" / f"{file.stem}.html", beside="../modules")
            pages[file.stem] = f"pages/{file.stem}.html"
    if pages:
        copy_modules(modules, out / "modules")
    return pages


def _compiled(run: Path) -> list[Path]:
    return sorted(path for path in run.glob("*.onnx") if not path.name.endswith(".step.onnx"))
