"""`mai info --triton`: read by Triton's own schema, and run as the files of a repository."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from google.protobuf import text_format
from onnx import helper

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import load
from mai.runtime.triton import as_text
from tests.support.cases.small_files import Write, build, manifest, output, real, setting
from tests.support.command import invoke


@pytest.fixture(scope="module")
def schema() -> ModuleType:
    """Triton's messages, without the client around them, which needs gRPC."""
    package = importlib.util.find_spec("tritonclient")
    assert package is not None and package.origin is not None
    path = Path(package.origin).parent / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(schema: ModuleType, folder: Path) -> Any:
    return text_format.Parse((folder / "config.pbtxt").read_text(encoding="utf-8"), schema.ModelConfig())


def shapes(tensors: Any) -> dict[str, tuple[list[int], list[int] | None]]:
    """The dims of each tensor, and what they become, where they do."""
    return {t.name: (list(t.dims), list(t.reshape.shape) if t.HasField("reshape") else None) for t in tensors}


def test_a_file_with_the_batch_first_is_batched(
    shifted: onnx.ModelProto, schema: ModuleType, write: Write, tmp_path: Path
) -> None:
    path = write(shifted, "small.f.onnx")
    done = invoke("info", "--triton", tmp_path / "models", path)
    assert done.exit_code == 0, done.output
    assert "leaves scale at the defaults" in " ".join(done.output.split())
    config = read(schema, tmp_path / "models" / "small.f")
    assert (config.name, config.backend, config.max_batch_size) == ("small.f", "onnxruntime", 32)
    assert shapes(config.input) == {"x": ([2], None), "y": ([1], [])}
    assert shapes(config.output) == {"f": ([2], None)}
    assert [schema.DataType.Name(t.data_type) for t in config.input] == ["TYPE_FP32", "TYPE_INT64"]
    assert config.dynamic_batching.max_queue_delay_microseconds == 2000
    session = ort.InferenceSession(tmp_path / "models" / "small.f" / "1" / config.default_model_filename)
    feed = {"x": np.ones((3, 2), np.float32), "y": np.arange(3)}
    assert set(feed) == {t.name for t in config.input}
    np.testing.assert_array_equal(session.run([t.name for t in config.output], feed)[0], load(path)(**feed))


def test_a_file_whose_settings_are_inputs_has_the_batch_among_its_sizes(
    schema: ModuleType, program: Callable[[str], Program], tmp_path: Path
) -> None:
    text = "export f(x: [P], k: real = 2.0) -> [P] { return k * x }\n"
    written = export(program(text), "f", Trained({}), tmp_path, CompileOptions(settings="required")).path
    assert invoke("info", "--triton", tmp_path / "models", written).exit_code == 0
    config = read(schema, tmp_path / "models" / "spec.f")
    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    assert shapes(config.input) == {"x": ([-1, -1], None), "k": ([1], [])}
    assert shapes(config.output) == {"f": ([-1, -1], None)}


def test_draws_by_place_share_no_call(schema: ModuleType, write: Write, tmp_path: Path) -> None:
    drawn = manifest([real("x", 2)], [setting("seed", 0)], [output("f", 2)])
    invoke("info", "--triton", tmp_path, write(build(drawn, [helper.make_node("Identity", ["x"], ["f"])]), "a.onnx"))
    config = read(schema, tmp_path / "a")
    assert config.max_batch_size == 32
    assert not config.HasField("dynamic_batching")


def test_names_of_classes_are_a_file(schema: ModuleType, write: Write, tmp_path: Path) -> None:
    port = output("f", 2).model_copy(update={"field": "y"})
    described = manifest([real("x", 2)], [], [port]).model_copy(update={"labels": {"y": ["cat", "dog"]}})
    path = write(build(described, [helper.make_node("Identity", ["x"], ["f"])]), "a.onnx")
    invoke("info", "--triton", tmp_path, path)
    name = read(schema, tmp_path / "a").output[0].label_filename
    assert (tmp_path / "a" / name).read_text() == "cat\ndog\n"


def test_a_file_without_inputs_is_left_out(
    counting: onnx.ModelProto, shifted: onnx.ModelProto, write: Write, tmp_path: Path
) -> None:
    """Others are written beside it; where there are none, it is refused."""
    alone = write(counting, "alone.f.onnx")
    done = invoke("info", "--triton", tmp_path, alone)
    assert "--settings required" in str(done.exception)
    assert not list(tmp_path.rglob("config.pbtxt"))
    done = invoke("info", "--triton", tmp_path / "models", alone, write(shifted, "small.f.onnx"))
    said = " ".join(done.output.split())
    assert done.exit_code == 0 and "alone.f.onnx is left out: Triton runs models with inputs" in said
    assert said.endswith("models: small.f")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["small.f"]


def test_what_says_and_what_writes_are_not_one(counting: onnx.ModelProto, write: Write, tmp_path: Path) -> None:
    done = invoke("info", "--triton", tmp_path, write(counting), "--json")
    assert done.exit_code != 0
    assert "name one of them" in f"{done.exception} {' '.join(done.output.split())}"


def test_text_of_messages() -> None:
    assert as_text({"a": 'q"', "b": {"c": [1, 2]}, "d": {"e": []}}) == 'a: "q\\""\nb {\n  c: 1\n  c: 2\n}\nd {\n}\n'
