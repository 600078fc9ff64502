"""What is no file, damaged, or another's is refused in C as by `load`; other formats are opened."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_double, c_void_p
from pathlib import Path

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.runtime.model.data import data_path
from tests.support.c_host import Host, as_ort

pytestmark = pytest.mark.slow


def test_a_file_in_the_format_of_onnxruntime(host: Host, files: Path, tmp_path: Path) -> None:
    """`.ort`, which opens in less time, has the same bits; of a damaged one ONNX Runtime says what it is."""
    path = as_ort(files / "flow.sample.onnx", tmp_path)
    values = {"batch": 5, "seed": 3, "steps": 7}
    (points,) = host.results(host.call(host.load(path), **values))
    assert np.array_equal(points, load(files / "flow.sample.onnx", providers="cpu", threads=1)(**values))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"flow\.sample\.ort"):
        host.load(path)


def test_what_is_missing_or_no_file(host: Host, files: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model", encoding="utf-8")
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "flow.mai").write_text("no model", encoding="utf-8")
    for name in ("no.onnx", "text.onnx", "empty.onnx", "flow.mai", "."):
        with pytest.raises(ModelError) as caught:
            host.load(tmp_path / name)
        with pytest.raises(ModelError) as expected:
            load(tmp_path / name)
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
