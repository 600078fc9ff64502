"""A bit turned in a file's weights is noticed when the file is opened."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.runtime.model.checksum import checksum

SPEC = """
net velocity(x: [2], s: []) -> [2] { return linear(silu(linear(concat(x, fourier(s, 8)), 16)), 2) }
export sample(x: [2], steps: int = 3) -> [2] {
  integrate s in 0..1 using euler(steps) { dx/ds = velocity(x, s) }
  return linear(x, 2)
}
"""


@pytest.fixture
def path(program: Callable[[str], Program], tmp_path: Path) -> Path:
    spec = program(SPEC)
    return export(spec, "sample", Trained(load_weights(spec, None)[0]), tmp_path, CompileOptions(verify=False)).path


def tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for attribute in (a for node in graph.node for a in node.attribute):
        if attribute.type == onnx.AttributeProto.TENSOR:
            yield attribute.t
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield from tensors(attribute.g)


def test_it_is_the_sum_of_what_onnx_finds(path: Path) -> None:
    model, raw = onnx.load(path), path.read_bytes()
    tensors_of_file = list(tensors(model.graph))
    assert len(list(tensors_of_file)) > len(model.graph.initializer), "weights of a loop belong to its body"
    wanted = sum(zlib.crc32(t.SerializeToString()) for t in tensors_of_file) % 2**64
    assert load(path, providers="cpu").manifest.checksum == checksum(raw) == f"{wanted:016x}"


def test_a_turned_bit_of_any_weight_is_told(path: Path) -> None:
    raw = path.read_bytes()
    weights = [t.raw_data for t in tensors(onnx.load(path).graph) if len(t.raw_data) >= 32]
    assert len(weights) >= 4
    for data in weights:
        damaged = bytearray(raw)
        damaged[raw.index(data) + len(data) // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="another program has changed it") as caught:
            load(path, providers="cpu")
        assert caught.value.slug == "model-truncated"


def test_words_of_another_program_change_nothing(path: Path) -> None:
    x = np.ones((3, 2), np.float32)
    wanted = load(path, providers="cpu")(x=x)
    model = onnx.load(path)
    model.doc_string = "kept beside others"
    model.metadata_props.add(key="owner", value="somebody")
    onnx.save(model, path)
    np.testing.assert_array_equal(load(path, providers="cpu")(x=x), wanted)


@pytest.mark.parametrize(
    "raw", [b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x3a\x05\x2a", b"\x3b", b"\x80"]
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"message|number|wire"):
        checksum(raw)
