"""The same file gives the same by `runtime/c` as by `load`; what is wrong ends in a sentence there, too."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int64, c_size_t, c_ubyte, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export, export_part, export_step
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.runtime.arrays import Array
from mai.runtime.model.data import data_path
from mai.runtime.model.manifest import MANIFEST_KEY, DateForm, Facts
from tests.support.hosts import TEXT

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "runtime" / "c"
# ONNX Runtime's own header where it is at hand, else the part that is needed.
HEADERS = Path(os.environ.get("ORT_INCLUDE", SOURCES / "onnxruntime"))
STRICT = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-O1"]
FLOW = """net v(x: [2], t: []) -> [2] { return linear(concat(x, [t]), 2) |> tanh }
export sample(steps: int = 4) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using heun(steps) { dx/ds = v(x, s) }
  return x
}
export moved(x: [P, 2], w: [P + 1], label: class[3], scale: real = 2.0) -> ([P, 2], class[3]) {
  return (scale * x + sum(w), label)
}
export far(x: [1]) -> [1] {
  integrate s in 0..1 using dopri5(rtol = 1e-6, atol = 1e-9, max_steps = 20) { dx/ds = x * x }
  return x
}
export greek(x: [β, 2], w: [β + 1]) -> [2] { return sum(x, axis = 0) + sum(w) }
export row(when: [], kind: class[3]) -> ([], class[3]) { return (2 * when, kind) }
export equal(flags: bool, many: [N, 2], on: bool = true) -> (bool, [N]) { return (flags == on, sum(many, axis = 1)) }
"""
SAMPLERS = """net pull(x: [2]) -> [2] { return linear(tanh(linear(x, 8)), 2) }
export noisy(steps: int = 5) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using euler_maruyama(steps) { dx = pull(x) * ds + 0.5 * dW }
  return x
}
export sized(z: [N, 2], w: [N], scale: real = 1.0, steps: int = 3) -> ([N, 2], []) {
  x = z
  e ~ normal([])
  integrate s in 0..1 using ab2(steps) { dx/ds = scale * (pull(x) - mean(x, axis = 0)) + w[:, None] }
  return (x, e)
}
export falls(height: [], steps: int = 40) -> ([], []) {
  h = height
  v = 0.0
  integrate t in 0..10 using rk4(steps) {
    dh/dt = v
    dv/dt = -9.81
  } until h < 0 as hit
  return (h, hit)
}
"""


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


@pytest.fixture(scope="session")
def onnxruntime_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ONNX Runtime's library, under the name that programs are linked to."""
    if shutil.which("gcc") is None or shutil.which("g++") is None:
        pytest.skip("needs gcc and g++")
    link = tmp_path_factory.mktemp("onnxruntime") / "libonnxruntime.so.1"
    link.symlink_to(next((Path(ort.__file__).parent / "capi").glob("libonnxruntime.so.1*")))
    return link


@pytest.fixture(scope="session")
def build(onnxruntime_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compile the sources, with warnings as errors: with flags, as a library or with a program's own source."""

    def compiled(*flags: str, compiler: str = "gcc") -> Path:
        out = tmp_path_factory.mktemp("c") / "built"
        command = [
            compiler,
            *flags,
            *STRICT,
            "-pthread",
            f"-I{HEADERS}",
            f"-I{SOURCES}",
            "-o",
            str(out),
            str(onnxruntime_library),
        ]
        done = subprocess.run(
            [*command, "-lm", f"-Wl,-rpath,{onnxruntime_library.parent}"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return out

    return compiled


@pytest.fixture(scope="session")
def library(build: Callable[..., Path]) -> Path:
    return build("-std=c99", "-shared", "-fPIC", *map(str, sorted(SOURCES.glob("*.c"))))


@pytest.fixture(scope="session")
def host(library: Path) -> Host:
    return Host(library)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the exports of `FLOW`, also with required settings, and of a text with its file of one turn."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "required").mkdir()
    for stem, text in {"flow": FLOW, "text": TEXT}.items():
        (folder / f"{stem}.mai").write_text(text, encoding="utf-8")
        program = check(folder / f"{stem}.mai").program
        assert program is not None
        trained = Trained(load_weights(program, None)[0], tokenizer="bytes", labels={"label": ("red", "green", "blue")})
        for name in program.exports:
            export(program, name, trained, folder, CompileOptions(verify=False))
            export_step(program, name, trained, folder, CompileOptions(verify=False))
            export(program, name, trained, folder / "required", CompileOptions(verify=False, settings="required"))
    return folder


def test_draws_are_those_of_python(host: Host, files: Path) -> None:
    """With settings that the graph has defaults for, and with those that a call must give: to the bit."""
    for path in (files / "flow.sample.onnx", files / "required" / "flow.sample.onnx"):
        model = host.load(path)
        for values in ({}, {"batch": 5, "seed": 2**60 + 1}, {"batch": 3, "seed": 7, "steps": 2}):
            (points,) = host.results(host.call(model, **values))
            assert np.array_equal(points, load(path, providers="cpu", threads=1)(**values))


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
def test_what_the_sources_share_has_names_of_its_own(library: Path) -> None:
    """A program that is linked to them may have a `fail` or a `sha256_of`."""
    lines = subprocess.run(["nm", "-g", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1] for line in lines.splitlines()]
    assert "mai_load" in names and not [name for name in names if not name.startswith(("mai_", "_"))]


def as_ort(file: Path, folder: Path) -> Path:
    """A file in ONNX Runtime's own format, all of its weights inside."""
    options, path = ort.SessionOptions(), (folder / file.name).with_suffix(".ort")
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return path


def test_a_file_in_the_format_of_onnxruntime(host: Host, files: Path, tmp_path: Path) -> None:
    """`.ort`, which opens in less time, has the same bits; of a damaged one ONNX Runtime says what it is."""
    path = as_ort(files / "flow.sample.onnx", tmp_path)
    values = {"batch": 5, "seed": 3, "steps": 7}
    (points,) = host.results(host.call(host.load(path), **values))
    assert np.array_equal(points, load(files / "flow.sample.onnx", providers="cpu", threads=1)(**values))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"flow\.sample\.ort"):
        host.load(path)


def test_inputs_of_many_and_of_one_example(host: Host, files: Path) -> None:
    """One example stands for a batch of one, and a batch of one for each of the others, in every run of a call."""
    model, plain = host.load(files / "flow.moved.onnx"), load(files / "flow.moved.onnx", providers="cpu")
    x, w = np.arange(12, dtype=np.float32).reshape(2, 3, 2), np.ones(4, np.float32)
    call = host.call(model, x=x, w=w, label=np.array([1, 2]), scale=0.5)
    for batch in (x, np.concatenate([x, x])):
        host.give(call, "x", batch)
        host.give(call, "label", np.arange(len(batch)) % 3)
        moved, label = host.results(call, *plain.outputs)
        expected = plain(x=batch, w=w, label=np.arange(len(batch)) % 3, scale=0.5)
        assert np.array_equal(moved, expected[next(iter(plain.outputs))])
        assert np.array_equal(label, np.arange(len(batch)) % 3)


def test_labels_have_names(host: Host, files: Path) -> None:
    model = host.load(with_port(files / "flow.moved.onnx", "named", field="label"))
    assert host.c.mai_label_of(model, b"label", b"green") == 1
    assert host.c.mai_label_name(model, b"label", c_int64(2)) == b"blue"
    assert host.c.mai_label_of(model, b"label", b"white") == -1
    assert host.c.mai_label_name(model, b"x", c_int64(0)) is None
    unnamed = host.load(files / "flow.moved.onnx")  # whose label is of no field of the data
    assert host.c.mai_label_of(unnamed, b"label", b"green") == -1


@pytest.mark.parametrize(("gaps", "number"), [(True, 3), (False, -1), (None, 3)])
def test_a_word_that_training_never_saw(host: Host, files: Path, gaps: bool | None, number: int) -> None:
    """It has the label after those with names where Python gives it that, and is refused where Python refuses."""
    path = with_port(files / "flow.moved.onnx", f"gaps_{gaps}", field="label", gaps=gaps, classes=4, maximum=3)
    assert host.c.mai_label_of(host.load(path), b"label", b"white") == number
    plain, others = load(path, providers="cpu"), {"x": np.ones((1, 3, 2)), "w": np.ones((1, 4))}
    if number < 0:
        with pytest.raises(ModelError, match="has no label `white`"):
            plain(**others, label="white")
    else:
        with pytest.warns(UserWarning, match="white"):
            assert next(iter(reversed(plain(**others, label="white").values()))) == number


@pytest.mark.parametrize(
    ("form", "values", "help"),
    [
        ("day", [19844, 25000, 0], None),
        ("day", [19844, np.nan], ""),
        ("day", [19844, 20240502], "2024-03-14 is 19796"),
        ("time", [20240600], "2024-03-14 is 19796"),
        ("day", [2024], "2024-01-01 is 19723"),
        ("day", [45351], "2024-02-29 is 19782"),
        ("time", [45413.375], "2024-05-01 is 19844"),
        ("utc", [45365.1], "2024-03-14 is 19796"),
        ("utc", [1714555800], "2024-03-14 is 19796"),
        ("day", [1714555800123456789], "2024-03-14 is 19796"),
        ("day", [1e30], "2024-03-14 is 19796"),
        ("day", [-1e5], "2024-03-14 is 19796"),
        ("day", [np.inf], ""),
        (None, [20240501], None),
        (None, [1, -np.inf], ""),
    ],
)
def test_a_field_of_the_data(
    host: Host, files: Path, form: DateForm | None, values: list[float], help: str | None
) -> None:
    """Its numbers are finite and its dates near those of the data, as in Python, which takes dates in words, too."""
    facts = Facts(low=[10957], high=[19844], middle=[15000], dates=[form])
    path = with_manifest(
        files / "flow.far.onnx", f"{form}", lambda whole: whole.update(facts={"x": facts.model_dump()})
    )
    x, plain = np.array(values, np.float32)[:, None], load(path, providers="cpu")
    call = host.call(host.load(path))
    if help is None:
        host.give(call, "x", x)
        return
    with pytest.raises(ModelError) as wanted:
        plain(x=x)
    with pytest.raises(ModelError) as refused:
        host.give(call, "x", x)
    assert str(refused.value) == wanted.value.message + (f" ({help})" if help else "")


@pytest.mark.parametrize("bounds", [{}, {"low": [], "high": []}, {"low": [1e300], "high": [1e301]}, {"low": ["a"]}])
def test_dates_that_a_manifest_does_not_bound(host: Host, files: Path, bounds: dict[str, object]) -> None:
    """Another program's file: its numbers are taken as they are."""
    facts = {"x": {"dates": ["day"], **bounds}}
    path = with_manifest(files / "flow.far.onnx", "unbounded", lambda whole: whole.update(facts=facts))
    host.give(host.call(host.load(path)), "x", np.array([[20240501]], np.float32))


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


def test_truth_values_are_any_byte(host: Host, files: Path) -> None:
    model, many = host.load(files / "flow.equal.onnx"), np.ones((1, 1, 2), np.float32)
    for on in (0, 1, 7):
        call = host.call(model, many=many, on=on)
        host.right(host.c.mai_give_booleans(call, b"flags", bytes([0, 1, 7]), 1, (c_int64 * 1)(3)))
        (same,) = host.results(call)
        assert same.tolist() == [on == 0, on != 0, on != 0]
        assert set(same.view(np.uint8).tolist()) <= {0, 1}
    with pytest.raises(ModelError, match=r"`on` is false or true, 0 or 1, this is 0\.5"):
        host.call(model, on=0.5)


def test_sizes_that_no_memory_holds(host: Host, files: Path) -> None:
    call, number = host.call(host.load(files / "flow.equal.onnx")), np.ones(4, np.float32).ctypes
    for sizes in ((2**61, 2, 2), (2**40, 2**40, 2), (2**62, 2)):
        dims = (c_int64 * len(sizes))(*sizes)
        assert not host.c.mai_give_floats(call, b"many", number.data_as(POINTER(c_float)), len(sizes), dims)
        assert host.c.mai_message() == b"the sizes of `many` are more than any memory holds"
    assert not host.c.mai_give_floats(call, b"many", None, 2, (c_int64 * 2)(2, 2))
    assert host.c.mai_message() == b"there are no numbers for `many`"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"y": 1}, "there is no input or setting `y` (it takes x, w, label, scale)"),
        ({"scal": 1}, "there is no input or setting `scal` (did you mean `scale`?)"),
        ({"x": 1}, "`x` is an input, which mai_give_... takes"),
        ({"scale": np.ones(1, np.float32)}, "`scale` is a setting, which mai_set takes"),
        ({"scale": 1e300}, "`scale` is a real number (float32), this holds 1e+300"),
        ({"scale": float("nan")}, "`scale` is a finite number, this is nan"),
        ({"x": np.ones((2, 3, 3), np.float32)}, "`x` is [batch, P, 2], this is [2, 3, 3]"),
        ({"x": np.ones((2, 3, 2), np.int64)}, "`x` is float32, this is int64"),
        ({"w": np.ones((1, 5), np.float32)}, "`P + 1` is 4 here, and `w` has 5"),
        ({"label": np.array([0, 3])}, "`label` is from 0 to 2, this holds 3"),
        ({"label": np.array([0, 1, 2])}, "the batch is 2 in `x` and 3 in `label`"),
        ({"x": np.ones((0, 3, 2), np.float32)}, "the batch of `x` is empty"),
        ({"x": np.ones((2, 0, 2), np.float32)}, "`P` is at least 1, `x` has 0"),
        ({"x": np.ones((1,) * 10, np.float32)}, "`x` is given 10 sizes, and at most 8 are taken"),
    ],
)
def test_a_value_that_does_not_fit(host: Host, files: Path, values: dict[str, object], words: str) -> None:
    model = host.load(files / "flow.moved.onnx")
    fitting = {"x": np.ones((2, 3, 2), np.float32), "w": np.ones((1, 4), np.float32), "label": np.array([0, 1])}
    with pytest.raises(ModelError) as caught:
        host.results(host.call(model, **(fitting | values)))
    assert str(caught.value) == words


def test_sizes_with_names_of_any_alphabet(host: Host, files: Path) -> None:
    model = host.load(files / "flow.greek.onnx")
    for length in (4, 5):
        call = host.call(model, x=np.ones((1, 3, 2), np.float32), w=np.ones((1, length), np.float32))
        if length == 4:
            assert host.results(call)[0].tolist() == [[7, 7]]
        else:
            with pytest.raises(ModelError, match=r"`β \+ 1` is 4 here, and `w` has 5"):
                host.results(call)


def test_what_is_missing_or_no_file(host: Host, files: Path) -> None:
    (files / "text.onnx").write_text("no model", encoding="utf-8")
    (files / "empty.onnx").touch()
    for name in ("no.onnx", "text.onnx", "empty.onnx", "flow.mai", "."):
        with pytest.raises(ModelError) as caught:
            host.load(files / name)
        with pytest.raises(ModelError) as expected:
            load(files / name)
        said = (
            expected.value.message if name == "." else str(expected.value)
        )  # Python lists the files of a folder, too.
        assert str(caught.value) == said
    nothing = c_void_p(host.c.mai_call_new(c_void_p(host.c.mai_load(b"no.onnx", 1))))
    assert (
        not host.c.mai_set(nothing, b"steps", c_double(2))
        and not host.c.mai_run(nothing)
        and not host.c.mai_output(nothing, None)
    )
    for ask, *more in (
        ("mai_tokenizer",),
        ("mai_tokens_are_bytes",),
        ("mai_was_cancelled",),
        ("mai_timed_out",),
        ("mai_label_name", b"y", 0),
    ):
        assert not getattr(host.c, ask)(nothing, *more)
    assert host.c.mai_label_of(nothing, b"y", b"a") == -1
    assert host.c.mai_message() == b"cannot open no.onnx: no such file or directory"
    with pytest.raises(ModelError, match=r"the input `x` is missing \(it takes x, w, label, scale\)"):
        host.results(host.call(host.load(files / "flow.moved.onnx")))
    with pytest.raises(ModelError, match="has not run"):
        host.right(host.c.mai_output(host.call(host.load(files / "flow.sample.onnx")), None))
    with pytest.raises(ModelError, match=r"`steps` is a whole number \(int64\), this holds 2\.5"):
        host.call(host.load(files / "flow.sample.onnx"), steps=2.5)
    with pytest.raises(ModelError, match="`steps` is at least 1, this holds 0"):
        host.call(host.load(files / "flow.sample.onnx"), steps=0)


@pytest.mark.parametrize("name", ["flow.sample.onnx", "text.generate.onnx"])
def test_damaged_weights_are_refused(host: Host, files: Path, tmp_path: Path, name: str) -> None:
    bits, path = bytearray((files / name).read_bytes()), tmp_path / name
    largest = max((bytes(t.raw_data) for t in onnx.load(files / name).graph.initializer), key=len)
    bits[bits.index(largest) + len(largest) // 2] ^= 1
    path.write_bytes(bits)
    with pytest.raises(ModelError) as expected:
        load(path)
    with pytest.raises(ModelError) as caught:
        host.load(path)
    assert str(caught.value) == expected.value.message
    host.c.mai_free(c_void_p(host.right(host.c.mai_load_changed(str(path).encode(), 1))))


WIDE = """net f(x: [128]) -> [256] { return linear(x, 256) }
export g(x: [128]) -> [256] { return f(x) }
"""


def test_the_weights_beside_a_file_are_its_own(host: Host, program: Callable[[str], Program], tmp_path: Path) -> None:
    spec, options = program(WIDE), CompileOptions(external_data=True, verify=False)
    path, other = (
        export(spec, "g", Trained(load_weights(spec, None, seed=seed)[0]), tmp_path / str(seed), options).path
        for seed in (0, 1)
    )
    x = np.ones((1, 128), np.float32)
    (result,) = host.results(host.call(host.load(path), x=x))
    np.testing.assert_allclose(result, load(path, providers="cpu")(x=x), rtol=1e-6)
    assert np.array_equal(host.results(host.call(host.load(as_ort(path, tmp_path)), x=x))[0], result)
    data_path(path).write_bytes(data_path(other).read_bytes())
    with pytest.raises(ModelError) as expected:
        load(path)
    with pytest.raises(ModelError) as caught:
        host.load(path)
    assert str(caught.value) == expected.value.message


def test_a_solver_that_does_not_arrive(host: Host, files: Path) -> None:
    model = host.load(files / "flow.far.onnx")
    (end,) = host.results(host.call(model, x=np.array([[0.5], [0.25]], np.float32)))
    assert np.allclose(end, [[1.0], [1 / 3]], rtol=1e-4)
    with pytest.raises(ModelError, match="did not arrive for example 1"):
        host.results(host.call(model, x=np.array([[0.5], [3.0]], np.float32)))


def test_a_text_is_that_of_python(host: Host, files: Path) -> None:
    """By the file of one turn, token by token, in both forms of settings."""
    path = files / "text.generate.step.onnx"
    step, plain = host.load(path), load(path, providers="cpu")
    prompt = list(b"The naive")
    for values in ({"temperature": 0.0}, {"seed": 3}, {"seed": 4, "temperature": 0.5}):
        expected = [int(token[0]) for token in plain.stream(np.array([prompt]), 7, **values)]
        assert host.text(host.call(step, **values), prompt, 7) == expected
    assert len(host.text(host.call(step), prompt)) == 6  # as many as the spec says
    assert host.text(host.call(step, seed=3), [-1, -1, *prompt], 7) == host.text(host.call(step, seed=3), prompt, 7)
    assert host.c.mai_tokens_are_bytes(step) == 1
    assert host.c.mai_tokenizer(step) is None


def test_one_turn_is_a_call_like_others(host: Host, files: Path) -> None:
    """Before the first turn, the states have no tokens: of all sizes with a name, theirs alone may be 0."""
    path = files / "text.generate.step.onnx"
    plain, empty = load(path, providers="cpu"), np.zeros((1, 2, 0, 4), np.float32)
    values = {"ids": np.array([[84, 104]]), "begins": np.zeros(1, np.int64), "keys": empty, "values": empty, "past": 0}
    (token,) = host.results(host.call(host.load(path), **values, turn=0, temperature=0.0), "next")
    assert np.array_equal(token, plain(**values, turn=0, temperature=0.0)["next"])
    with pytest.raises(ModelError, match="`length_new` is at least 1, `ids` has 0"):
        host.results(host.call(host.load(path), **values | {"ids": np.zeros((1, 0), np.int64)}, turn=0))


def test_a_text_that_cannot_be(host: Host, files: Path) -> None:
    step = host.load(files / "text.generate.step.onnx")
    for prompt, words in {
        (): NO_TOKEN,
        (-1, -1): NO_TOKEN,
        (256,): "`prompt` is from -1 to 255, this holds 256",
        (1, -1, 2): NO_PLACE,
        (1, -1): NO_PLACE,
        (1,) * 58: "this model reads at most 60 tokens: 58 of the prompt and 6 more are too many (count=3 fits)",
        (1,) * 61: "this model reads at most 60 tokens: 61 of the prompt and 6 more are too many",
    }.items():
        with pytest.raises(ModelError) as caught:
            host.text(host.call(step), list(prompt))
        assert str(caught.value) == words
    assert len(host.text(host.call(step), [1] * 4, 57)) == 57  # The last one is not read.
    with pytest.raises(ModelError, match="are too many"):
        host.text(host.call(step), [1] * 4, 58)
    with pytest.raises(ModelError, match=r"NAME\.step\.onnx"):
        host.text(host.call(host.load(files / "text.generate.onnx")), [1])


NO_TOKEN = "`prompt` has no token: the text to go on from needs at least one"
NO_PLACE = (
    "-1 stands before the tokens of `prompt`, not between or after them "
    "(cut off the -1 that a row which ended early has behind it)"
)


def test_a_text_with_a_fixed_number_of_places(host: Host, tmp_path: Path) -> None:
    """`--capacity`: states of a fixed size give the tokens of Python, up to the last place; a longer prompt is read in blocks."""
    (tmp_path / "text.mai").write_text(TEXT.replace("[60, 8]", "[300, 8]"), encoding="utf-8")
    program = check(tmp_path / "text.mai").program
    assert program is not None
    trained = Trained(load_weights(program, None)[0], tokenizer="bytes")
    export_step(program, "generate", trained, tmp_path, CompileOptions(verify=False, capacity=150))
    path = tmp_path / "text.generate.step.onnx"
    step, plain = host.load(path), load(path, providers="cpu")
    assert plain.manifest.step is not None and plain.manifest.step.fixed
    for prompt in (list(b"The naive"), list(b"cafe " * 28)):
        count = 151 - len(prompt)
        expected = [int(token[0]) for token in plain.stream(np.array([prompt]), count, seed=3)]
        assert host.text(host.call(step, seed=3), prompt, count) == expected
        with pytest.raises(ModelError, match=rf"at most 150 tokens: .* \(count={count} fits\)"):
            host.text(host.call(step), prompt, count + 1)


def test_a_whole_text_is_that_of_python(host: Host, files: Path) -> None:
    model, plain = host.load(files / "text.generate.onnx"), load(files / "text.generate.onnx", providers="cpu")
    for rows, count in (([[1] * 4], 57), ([[-1, -1, 5, 6], [1, 2, 3, 4]], 3)):
        (tokens,) = host.results(host.call(model, prompt=np.array(rows), count=count, seed=2))
        assert np.array_equal(tokens, plain(prompt=np.array(rows), count=count, seed=2))
    for rows, count in (([[1] * 4], 58), ([[-1, 2], [-1, -1]], 3), ([[1] * 61], 1)):
        with pytest.raises(ModelError) as expected:
            plain(prompt=np.array(rows), count=count)
        with pytest.raises(ModelError) as caught:
            host.results(host.call(model, prompt=np.array(rows), count=count))
        assert str(caught.value) == str(expected.value)
    for row, words in (([5, -1, 6], NO_PLACE), ([5, 6, -1], NO_PLACE), ([-1, -1], NO_TOKEN)):
        with pytest.raises(ModelError) as caught:
            host.results(host.call(model, prompt=np.array([[1] * len(row), row])))
        assert str(caught.value) == words


@pytest.fixture(scope="session")
def samplers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the exports of `SAMPLERS`, with their files of some turns, also with settings that must be given."""
    folder = tmp_path_factory.mktemp("samplers")
    (folder / "s.mai").write_text(SAMPLERS, encoding="utf-8")
    program = check(folder / "s.mai").program
    assert program is not None
    trained = Trained(load_weights(program, None)[0])
    for name in program.exports:
        for to, options in (
            (folder, CompileOptions(verify=False)),
            (folder / "required", CompileOptions(verify=False, settings="required")),
        ):
            export(program, name, trained, to, options)
            export_part(program, name, trained, to, options)
    return folder


Z = np.linspace(-1, 1, 24, dtype=np.float32).reshape(3, 4, 2)
ALL: dict[str, dict[str, Any]] = {"sized": {"z": Z, "w": Z[:1, :, 0], "seed": 3}, "noisy": {"batch": 3, "seed": 2**60 + 1},
       "falls": {"height": np.array([1.0, 5.0, 40.0], np.float32)}}  # fmt: skip


@pytest.mark.parametrize("folder", ["", "required"])
@pytest.mark.parametrize("name", ALL)
def test_a_sampler_some_steps_at_a_time_is_that_of_python(host: Host, samplers: Path, name: str, folder: str) -> None:
    """How far it is and what it has come to, to the bit: draws at each step, sizes of inputs, methods that remember, ends of their own."""
    path, values = samplers / folder / f"s.{name}.onnx", ALL[name]
    plain = load(path, providers="cpu", threads=1)
    first = next(iter(plain.outputs))
    step = host.load(path.with_suffix(".step.onnx"))
    for every in (1, 2, 1000):
        seen = host.progress(host.call(step, **values), every)
        expected = [(p.turns, p.total, plain.by_output(p.result)[first]) for p in plain.progress(every, **values)]
        assert [s[:2] for s in seen] == [e[:2] for e in expected]
        for (*_, here), (*_, there) in zip(seen, expected, strict=True):
            np.testing.assert_array_equal(here, there, strict=True)
    for whole in (step, host.load(path)):
        (result,) = host.results(host.call(whole, **values))
        np.testing.assert_array_equal(result, seen[-1][2])


def test_the_ports_of_some_steps_are_those_of_the_sampler(host: Host, samplers: Path) -> None:
    step, count = host.load(samplers / "s.sized.step.onnx"), c_size_t()
    host.c.mai_ports(step, ctypes.byref(count))
    assert count.value == len(("z", "w", "seed", "scale", "steps", "sized", "e"))
    names = (b"turns_before", b"turns_now", b"turns_total", b"x_next")
    assert [host.c.mai_port_named(step, name) for name in names] == [None] * 4
    with pytest.raises(
        ModelError, match=r"there is no input or setting `turns_before` \(it takes z, w, seed, scale, steps\)"
    ):
        host.call(step, turns_before=3)
    host.results(call := host.call(step, z=Z, w=Z[:1, :, 0]))
    assert not host.c.mai_output(call, b"turns_total")


def test_a_sampler_that_cannot_be_taken_apart(host: Host, samplers: Path) -> None:
    whole, step = (host.load(samplers / f"s.sized.{end}") for end in ("onnx", "step.onnx"))
    for call, every, words in (
        (
            host.call(whole),
            1,
            "this is no file of some turns: take NAME.step.onnx, which mai compile --progress writes",
        ),
        (host.call(step, z=Z, w=Z[:1, :, 0]), 0, "`every` is at least 1, a whole number, this is 0"),
        (host.call(step, z=Z), 1, "the input `w` is missing (it takes z, w, seed, scale, steps)"),
        (host.call(step, z=Z, w=Z[:2, :, 0]), 1, "the batch is 3 in `z` and 2 in `w`"),
    ):
        with pytest.raises(ModelError) as caught:
            host.progress(call, every)
        assert str(caught.value) == words


LATE = "the call was ended: it took more than 0.05 seconds"


def test_a_call_that_takes_too_long(host: Host, samplers: Path) -> None:
    """A run, all turns of a progress together; the call goes on with others."""
    for file in ("s.noisy.onnx", "s.noisy.step.onnx"):
        call = host.call(host.load(samplers / file), steps=2)
        (before,) = host.results(call)
        host.right(host.c.mai_set_timeout(call, c_double(0.05)))
        host.give(call, "steps", 2**22)  # for many seconds
        with pytest.raises(ModelError, match=LATE):
            host.results(call)
        assert (host.c.mai_timed_out(call), host.c.mai_was_cancelled(call)) == (1, 0)
        host.right(host.c.mai_set_timeout(call, c_double(np.inf)))
        host.give(call, "steps", 2)
        assert np.array_equal(host.results(call)[0], before)
        assert host.c.mai_timed_out(call) == 0
    host.right(host.c.mai_set_timeout(call, c_double(0.05)))
    host.give(call, "steps", 2**22)
    with pytest.raises(ModelError, match=LATE):
        host.progress(call, 10)
    for seconds in (0.0, -1.0, float("nan")):
        with pytest.raises(ModelError, match="`timeout` is a number of seconds above 0"):
            host.right(host.c.mai_set_timeout(call, c_double(seconds)))


def test_a_text_that_takes_too_long(host: Host, files: Path) -> None:
    """All its turns together: it has as many tokens as fit into the time, then fails, and fails again."""
    call, token = host.call(host.load(files / "text.generate.step.onnx"), seed=3), c_int64()
    host.right(host.c.mai_set_timeout(call, c_double(1e-6)))
    text = c_void_p(host.right(host.c.mai_text_new(call, (c_int64 * 2)(84, 104), c_size_t(2), c_int64(50))))
    for _ in range(2):
        while (state := host.c.mai_next(text, ctypes.byref(token))) == 1:
            pass
        assert state == -1
        assert host.c.mai_message().decode().startswith("the call was ended: it took more than 1e-06 seconds")
    host.c.mai_text_free(text)


def test_a_progress_whose_call_gets_another_value(host: Host, samplers: Path) -> None:
    """States of two examples and draws of one would go together without a word; a progress that begins then has the new value."""
    call = host.call(host.load(samplers / "s.noisy.step.onnx"), batch=2, steps=3)
    progress = c_void_p(host.right(host.c.mai_progress_new(call, c_int64(1))))
    assert host.c.mai_advance(progress, None, None) == 1
    host.give(call, "batch", 1)
    for _ in range(2):
        assert host.c.mai_advance(progress, None, None) == -1
        assert host.c.mai_message().decode().startswith("the call was given a value between two turns")
        assert not host.c.mai_output(call, None)
    host.c.mai_progress_free(progress)
    assert [result.shape for *_, result in host.progress(call, 2)] == [(1, 2)] * 2


def test_a_progress_keeps_the_limit_that_it_began_with(host: Host, samplers: Path) -> None:
    """What is said of it, too. It may be freed after its call."""
    call = host.call(host.load(samplers / "s.noisy.step.onnx"), steps=2)
    host.right(host.c.mai_set_timeout(call, c_double(1e-9)))
    progress = c_void_p(host.right(host.c.mai_progress_new(call, c_int64(1))))
    host.right(host.c.mai_set_timeout(call, c_double(np.inf)))
    assert host.c.mai_advance(progress, None, None) == -1
    assert host.c.mai_message().decode() == "the call was ended: it took more than 1e-09 seconds"
    assert len(host.progress(call, 1)) == 2
    host.c.mai_call_free(call)
    host.c.mai_progress_free(progress)


def test_a_progress_that_is_cancelled(host: Host, samplers: Path) -> None:
    """Between two turns, too; a later one of the same call begins anew."""
    call = host.call(host.load(samplers / "s.noisy.step.onnx"))
    progress = c_void_p(host.right(host.c.mai_progress_new(call, c_int64(1))))
    assert host.c.mai_advance(progress, None, None) == 1
    host.right(host.c.mai_cancel(call))
    for _ in range(2):
        assert host.c.mai_advance(progress, None, None) == -1
        assert host.c.mai_message().decode() == CANCELLED
    assert host.c.mai_was_cancelled(call) == 1
    host.c.mai_progress_free(progress)
    assert len(host.progress(call, 1)) == 5


CANCELLED = "the call was ended by mai_cancel"


def test_a_cancelled_run(host: Host, files: Path) -> None:
    """Only a run that goes on is ended; a cancel before it, or before one that was refused, is forgotten."""
    call = host.call(host.load(files / "flow.sample.onnx"), steps=2)
    (before,) = host.results(call)
    host.right(host.c.mai_cancel(call))
    assert np.array_equal(host.results(call)[0], before)
    host.give(call, "steps", 2**22)  # for many seconds
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(host.results, call)
        while not running.done():
            host.right(host.c.mai_cancel(call))
        assert str(running.exception()) == CANCELLED
    assert host.c.mai_was_cancelled(call) == 1
    host.give(call, "steps", 2)
    assert np.array_equal(host.results(call)[0], before)
    assert host.c.mai_was_cancelled(call) == 0
    refused = host.call(host.load(files / "flow.far.onnx"))
    host.right(host.c.mai_cancel(refused))
    with pytest.raises(ModelError, match="is missing"):
        host.results(refused)
    host.give(refused, "x", np.array([[0.5]], np.float32))
    host.results(refused)


def test_a_cancelled_text_ends_in_words(host: Host, files: Path) -> None:
    """Also between two tokens, and whenever it is asked again; the call begins other texts."""
    call, token = host.call(host.load(files / "text.generate.step.onnx"), seed=3), c_int64()
    whole = host.text(call, [84, 104], 5)
    text = c_void_p(host.right(host.c.mai_text_new(call, (c_int64 * 2)(84, 104), c_size_t(2), c_int64(5))))
    assert host.c.mai_next(text, ctypes.byref(token)) == 1
    host.right(host.c.mai_cancel(call))
    for _ in range(2):
        assert host.c.mai_next(text, ctypes.byref(token)) == -1
        assert host.c.mai_message().decode() == CANCELLED
    assert host.c.mai_was_cancelled(call) == 1
    host.c.mai_text_free(text)
    assert host.text(call, [84, 104], 5) == whole


def test_a_program_has_all_other_names_to_itself(library: Path) -> None:
    """What the library gives to a linker begins with `mai_`: a program may have a function `fail`."""
    names = run("nm", "--dynamic", "--extern-only", "--defined-only", "--format=just-symbols", library).split()
    assert [name for name in names if not name.startswith(("mai_", "_"))] == []
    assert {"mai_load", "mai_next"} <= set(names)


CLASSES = r"""
#include "mai.h"
#include <iostream>
template <class Call> void refuse(Call call) {
  try { call(); std::cout << "taken\n"; } catch (const std::exception &error) { std::cout << error.what() << "\n"; }
}
int main(int, char **files) {
  mai::model equal(files[1], 1), named(files[2], 1);
  mai::call call(equal);
  call.give("many", {0, 0.5, 1, 2}, {2, 1, 2}).give("flags", {true, false}, {2});
  for (unsigned char truth : call.run().booleans()) std::cout << int(truth);
  call.give("many", {0, 0, 1, 2}, {2, 1, 2}).give("flags", std::vector<bool>{false, false}, {2});
  for (unsigned char truth : call.run().booleans()) std::cout << int(truth);
  call.give("flags", std::vector<unsigned char>{9, 0}, {2});
  for (unsigned char truth : call.run().booleans()) std::cout << int(truth);
  std::cout << "\n" << named.label_of("label", "green") << named.label_name("label", 2) << "\n";
  mai::call moved(named);
  moved.give("x", {1, 2}, {1, 2}).give("w", {1, 1}, {2}).give("label", {2}, {1}).run();
  std::cout << moved.floats()[0] << "\n";
  std::cout << mai::days_of(2024, 2, 29) << "\n";
  refuse([] { mai::days_of(2023, 2, 29); });
  mai::model steps(files[3], 1);
  mai::call sampler(steps);
  sampler.set("batch", 2).set("steps", 5).timeout(60);
  for (mai::progress progress(sampler, 2); progress.next();) std::cout << progress.turns() << " of " << progress.total() << " ";
  std::vector<float> shown = sampler.floats();
  auto done = mai::call(steps).set("batch", 2).set_integer("steps", 5).timeout(60).run();
  std::cout << (done.floats() == shown && mai::call(steps).set("batch", 2).set("steps", 5).run().floats() == shown) << "\n";
  auto given = mai::call(named).give("x", std::vector<float>{1, 2}, {1, 2}).give("w", {1, 1.5}, {2}).give("label", {2}, {1}).run();
  std::cout << given.floats()[0] << "\n";
  refuse([&] { sampler.timeout(1e-9).run(); });
  std::cout << sampler.timed_out() << sampler.was_cancelled() << "\n";
  refuse([&] { named.label_of("label", "white"); });
  refuse([&] { moved.give("label", {1.5}, {1}); });
  refuse([&] { call.give("many", {1, 2}, {int64_t(1) << 62, 4, 2}); });
  refuse([&] { call.give("many", {1, 2}, {-1, -1, 2}); });
}
"""


def test_the_classes(build: Callable[..., Path], files: Path, samplers: Path, tmp_path: Path) -> None:
    """Numbers between braces are of the type of the input; labels have names; sizes are not trusted."""
    (tmp_path / "classes.cpp").write_text(CLASSES, encoding="utf-8")
    safe = ["-fsanitize=address,undefined", "-fno-sanitize-recover"]
    objects = [str(build("-std=c99", *safe, "-c", str(source))) for source in sorted(SOURCES.glob("*.c"))]
    program = build("-std=c++17", *safe, *objects, str(tmp_path / "classes.cpp"), compiler="g++")
    named = with_port(files / "flow.moved.onnx", "classes", field="label")
    assert run(program, files / "flow.equal.onnx", named, samplers / "s.noisy.step.onnx").splitlines() == [
        "100010",
        "1blue",
        "4",
        "19782",
        "there is no day 2023-02-29",
        "2 of 5 4 of 5 5 of 5 1",
        "4.5",
        "the call was ended: it took more than 1e-09 seconds",
        "10",
        "`label` has no label `white`",
        "`label` is int64, this is float32",
        "the values are not as many as the sizes say",
        "the values are not as many as the sizes say",
    ]


def test_cmake_builds_all_sources() -> None:
    (sources,) = re.findall(r"add_library\(mai STATIC (.*)\)", (SOURCES / "CMakeLists.txt").read_text())
    assert sources.split() == sorted(file.name for file in SOURCES.glob("*.c"))


def test_cmake_takes_the_library_of_the_package(files: Path, samplers: Path, tmp_path: Path) -> None:
    """The build that the documentation shows, with the library of Python's package alone."""
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    where = [f"-DONNXRUNTIME_ROOT={Path(ort.__file__).parent}", f"-DONNXRUNTIME_INCLUDE={HEADERS}"]
    run("cmake", "-B", tmp_path, "-S", SOURCES, *where)
    run("cmake", "--build", tmp_path)
    assert run(tmp_path / "sample", files / "flow.sample.onnx", "batch=2").count("\n") == 2
    step = samplers / "s.noisy.step.onnx"
    shown = np.array(run(tmp_path / "progress", step, "2", "60", "batch=3", "seed=4").split(), np.float32)
    assert np.array_equal(shown, load(step, providers="cpu", threads=1)(batch=3, seed=4).ravel())


def test_the_programs(build: Callable[..., Path], files: Path) -> None:
    """The examples, those in C with the sanitizers on, print what Python gives; a row has labels, dates and what is missing."""
    sources, safe = [str(s) for s in sorted(SOURCES.glob("*.c"))], "-fsanitize=address,undefined"
    sample = build("-std=c99", safe, "-fno-sanitize-recover", *sources, str(SOURCES / "examples" / "sample.c"))
    done = run(sample, files / "flow.sample.onnx", "batch=3", "seed=2")
    points = np.array([[float(x) for x in line.split(",")] for line in done.splitlines()], np.float32)
    assert np.array_equal(points, load(files / "flow.sample.onnx", providers="cpu")(batch=3, seed=2))
    row = build("-std=c99", safe, "-fno-sanitize-recover", *sources, str(SOURCES / "examples" / "row.c"))
    assert run(row, table_of_dates(files), "when=2024-05-01", "kind=dog") == "39688\ndog\n"
    assert run(row, table_of_dates(files), "when=", "kind=cow") == "nan\n2\n"
    for words in (["when=2024-02-30", "kind=cat"], ["when=45000", "kind=cat"], ["when=soon", "kind=cat"], ["kind=cat"]):
        assert run(row, table_of_dates(files), *words, returns=1) == ""
    objects = [str(build("-std=c99", "-c", source)) for source in sources]
    text = build("-std=c++17", *objects, str(SOURCES / "examples" / "text.cpp"), compiler="g++")
    shown = "".join(load(files / "text.generate.step.onnx", providers="cpu").stream("The", temperature=0.0))
    printed = run(text, files / "text.generate.step.onnx", "The", "temperature=0")
    assert printed.rstrip("\n") == shown.rstrip("\n")


def table_of_dates(files: Path) -> Path:
    """A file as one that has learned a table with a date and a word."""
    facts = Facts(low=[10957], high=[19844], middle=[15000], dates=["day"], gaps=True).model_dump()

    def change(whole: dict[str, Any]) -> None:
        whole.update(facts={"when": facts}, labels={"kind": ["cat", "dog"]})
        whole["inputs"][1].update(gaps=True, field="kind")
        whole["outputs"][1].update(field="kind")

    return with_manifest(files / "flow.row.onnx", "row", change)


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [("x86_64-w64-mingw32-gcc", []), ("gcc", ["-D__APPLE__", "-D_POSIX_C_SOURCE=200809L", "-include", "{}"])],
    ids=["Windows", "macOS"],
)
def test_what_is_of_another_system_compiles(compiler: str, flags: list[str], tmp_path: Path) -> None:
    """With the headers that Debian has for Windows (gcc-mingw-w64); for macOS with the one function that Linux has not."""
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    apple = tmp_path / "apple.h"
    waits = "int pthread_cond_timedwait_relative_np(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);"
    apple.write_text(f"#include <pthread.h>\n{waits}\n")
    own = [flag.format(apple) for flag in flags]
    headers = ["-I", SOURCES, "-I", SOURCES / "onnxruntime"]
    for source in sorted(SOURCES.glob("*.c")):
        run(compiler, "-std=c99", *STRICT, *own, *headers, "-c", source, "-o", tmp_path / f"{source.stem}.o")


def run(*words: str | Path, returns: int = 0) -> str:
    """What a program prints."""
    quiet = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # ONNX Runtime keeps what it has allocated once.
    done = subprocess.run([str(w) for w in words], capture_output=True, env=quiet, check=False)
    assert done.returncode == returns, done.stderr.decode()
    return done.stdout.decode(errors="replace")
