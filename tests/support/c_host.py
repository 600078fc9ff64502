"""The functions of `runtime/c`, called from Python, and what tests of it share."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
from collections.abc import Callable
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int64, c_size_t, c_ubyte, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from mai.runtime import ModelError
from mai.runtime.arrays import Array
from mai.runtime.model.manifest import MANIFEST_KEY
from tests.support.hosts import ROOT

SOURCES = ROOT / "runtime" / "c"
# ONNX Runtime's own header where it is at hand, else the part that is needed.
HEADERS = Path(os.environ.get("ORT_INCLUDE", SOURCES / "onnxruntime"))
STRICT = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-O1"]


class Result(ctypes.Structure):
    """`mai_result`."""

    _fields_ = [
        ("name", c_char_p), ("type", c_int), ("rank", c_int), ("dims", c_int64 * 8), ("count", c_size_t),
        ("floats", POINTER(c_float)), ("integers", POINTER(c_int64)), ("booleans", POINTER(c_ubyte)),
    ]  # fmt: skip


GIVE = {"float32": ("floats", c_float), "int64": ("integers", c_int64), "bool": ("booleans", c_ubyte)}


class Host:
    """The functions of the header, called from Python: values by name, arrays back."""

    def __init__(self, library: Path) -> None:
        self.c = ctypes.CDLL(str(library))
        for name in (
            "mai_load",
            "mai_load_changed",
            "mai_call_new",
            "mai_text_new",
            "mai_progress_new",
            "mai_ports",
            "mai_port_named",
        ):
            getattr(self.c, name).restype = c_void_p
        self.c.mai_message.restype = self.c.mai_label_name.restype = self.c.mai_tokenizer.restype = c_char_p
        self.c.mai_notes.restype = c_char_p
        self.c.mai_output.restype = POINTER(Result)
        self.c.mai_label_of.restype = c_int64

    def right(self, result: Any) -> Any:
        """The result of a function; its message as an error where it failed."""
        if not result:
            raise ModelError("c", self.c.mai_message().decode())
        return result

    def load(self, path: Path) -> c_void_p:
        return c_void_p(self.right(self.c.mai_load(str(path).encode(), 1)))

    def give(self, call: c_void_p, name: str, value: object) -> None:
        if isinstance(value, int):
            self.right(self.c.mai_set_integer(call, name.encode(), c_int64(value)))
        elif isinstance(value, float):
            self.right(self.c.mai_set(call, name.encode(), c_double(value)))
        else:
            array = np.ascontiguousarray(value)
            kind, number = GIVE[str(array.dtype)]
            dims = (c_int64 * array.ndim)(*array.shape)
            give = getattr(self.c, f"mai_give_{kind}")
            self.right(give(call, name.encode(), array.ctypes.data_as(POINTER(number)), array.ndim, dims))

    def call(self, model: c_void_p, **values: object) -> c_void_p:
        call = c_void_p(self.right(self.c.mai_call_new(model)))
        for name, value in values.items():
            self.give(call, name, value)
        return call

    def results(self, call: c_void_p, *names: str) -> list[Array]:
        """Run a call; its outputs of these names, the first without any."""
        self.right(self.c.mai_run(call))
        return [self._array(self.right(self.c.mai_output(call, name and name.encode()))[0]) for name in names or [None]]

    def _array(self, result: Result) -> Array:
        pointer = result.floats or result.integers or result.booleans
        return np.ctypeslib.as_array(pointer, tuple(result.dims[: result.rank])).copy()

    def notes(self, call: c_void_p) -> list[str]:
        """What is to be said of the values of a call."""
        said = self.c.mai_notes(call)
        assert said is not None, self.c.mai_message()
        return str(said.decode()).splitlines()

    def text(self, call: c_void_p, prompt: list[int], most: int = -1) -> list[int]:
        """The tokens after a prompt."""
        tokens, token, new_tokens = (c_int64 * len(prompt))(*prompt), c_int64(), []
        text = c_void_p(self.right(self.c.mai_text_new(call, tokens, c_size_t(len(prompt)), c_int64(most))))
        while (state := self.c.mai_next(text, ctypes.byref(token))) == 1:
            new_tokens.append(token.value)
        self.c.mai_text_free(text)
        self.right(state == 0)
        return new_tokens

    def progress(self, call: c_void_p, every: int) -> list[tuple[int, int, Array]]:
        """How far a sampler is after so many turns each, and its first result there."""
        turns, total, seen = c_int64(), c_int64(), []
        progress = c_void_p(self.right(self.c.mai_progress_new(call, c_int64(every))))
        while (state := self.c.mai_advance(progress, ctypes.byref(turns), ctypes.byref(total))) == 1:
            seen.append((turns.value, total.value, self._array(self.right(self.c.mai_output(call, None))[0])))
        assert self.c.mai_advance(progress, None, None) == state, "an end stays one"
        self.c.mai_progress_free(progress)
        self.right(state == 0)
        return seen


def as_ort(file: Path, folder: Path) -> Path:
    """A file in ONNX Runtime's own format, all of its weights inside."""
    options, path = ort.SessionOptions(), (folder / file.name).with_suffix(".ort")
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return path


def with_port(path: Path, stem: str, **changes: object) -> Path:
    """A file whose manifest says something else of its port `label`."""
    return with_manifest(
        path, stem, lambda whole: next(p for p in whole["inputs"] if p["name"] == "label").update(changes)
    )


def with_manifest(path: Path, stem: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """A file whose manifest says something else."""
    model = onnx.load(path)
    entry = next(p for p in model.metadata_props if p.key == MANIFEST_KEY)
    manifest = json.loads(entry.value)
    change(manifest)
    entry.value = json.dumps(manifest)
    out = path.with_name(f"{stem}.onnx")
    onnx.save(model, out)
    return out


def run(*words: str | Path, returns: int = 0) -> str:
    """What a program prints."""
    quiet = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # ONNX Runtime keeps what it has allocated once.
    done = subprocess.run([str(w) for w in words], capture_output=True, env=quiet, check=False)
    assert done.returncode == returns, done.stderr.decode()
    return done.stdout.decode(errors="replace")
