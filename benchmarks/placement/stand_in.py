"""Libraries that stand in for CUDA's, built for the CUDA provider that is installed: it then opens sessions without a card.

A provider's library names the libraries that it needs and the functions that it takes from each. For every library that is not on
this machine one of that name is built, with those functions: `stand_in.c` has those that must do something, all others return 0, or
an object whose methods do.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import onnxruntime as ort

SOURCE = Path(__file__).with_name("stand_in.c")
CAPI = Path(ort.__file__).parent / "capi"
RUNTIME = "libcudart"  # The library that `stand_in.c` is.
PROVIDERS = ("cuda", "tensorrt")
OBJECT = (
    "#include <stddef.h>\nstatic size_t zero(void) { return 0; }\n"
    f"static void *methods[] = {{{', '.join(['(void *)zero'] * 64)}}};\nstatic void *object[64] = {{methods}};\n"
)


def missing() -> str | None:
    """Why there can be no stand-in here; None where it can be built."""
    if not _library("cuda").exists():
        return f"onnxruntime {ort.__version__} has no CUDA provider: pip install onnxruntime-gpu"
    lacking = [tool for tool in ("gcc", "nm", "readelf") if shutil.which(tool) is None]
    return f"there is no {lacking[0]} here" if lacking else None


def build(folder: Path) -> dict[str, str]:
    """Build the libraries into a folder, and give the environment in which a process finds them."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {name for provider in PROVIDERS if _library(provider).exists() for name in _needed(_library(provider))}
    functions = {f for provider in PROVIDERS if _library(provider).exists() for f in _taken(_library(provider))}
    for name in sorted(wanted):
        own = {f for f, library in functions if library == name}
        loose = {f for f, library in functions if library is None}  # Of no version: of whichever is first asked.
        _compile(folder, name, own, loose)
    return {**os.environ, "LD_LIBRARY_PATH": str(folder), "OMP_NUM_THREADS": "1"}


def _library(provider: str) -> Path:
    return CAPI / f"libonnxruntime_providers_{provider}.so"


def _needed(library: Path) -> Iterator[str]:
    """The libraries that one needs and that are CUDA's, by their names: those whose functions have versions named after them, too."""
    lines = _output("readelf", "-d", str(library))
    yield from re.findall(r"\[(lib(?:cu|nv)\w+\.so\.\d+)\]", lines)


def _taken(library: Path) -> Iterator[tuple[str, str | None]]:
    """The functions that a library takes from others, and the version that says which; None where none does."""
    for word in _output("nm", "-D", "--undefined-only", str(library)).split():
        name, _, version = word.partition("@")
        if version.startswith("lib"):
            yield name, version
        elif not version and re.match(r"cu[A-Z]|get|create", name):
            yield name, None


def _compile(folder: Path, name: str, own: set[str], loose: set[str]) -> None:
    """One library: with the functions of its own version, or, where those have none, with all that have none."""
    is_runtime = name.startswith(RUNTIME)
    there = set(re.findall(r"^\S.*?\b(\w+)\(", SOURCE.read_text(encoding="utf-8"), re.M)) if is_runtime else set()
    bodies = [_function(f) for f in sorted((own or loose) - there)]
    head = f'#include "{SOURCE}"\n' if is_runtime else ""
    (folder / f"{name}.c").write_text(head + OBJECT + "\n".join(bodies), encoding="utf-8")
    words = [
        "gcc",
        "-w",
        "-shared",
        "-fPIC",
        "-o",
        str(folder / name),
        str(folder / f"{name}.c"),
        f"-Wl,-soname,{name}",
    ]
    if own:
        (folder / f"{name}.map").write_text(f"{name} {{ global: *; }};\n", encoding="utf-8")
        words.append(f"-Wl,--version-script={folder / name}.map")
    subprocess.run(words, check=True)


def _function(name: str) -> str:
    if re.match(r"get|create", name):
        return f"void *{name}(void) {{ return object; }}"
    if "Create" in name:
        return f"int {name}(void **result) {{ *result = object; return 0; }}"
    return f"int {name}(void) {{ return 0; }}"


def _output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
