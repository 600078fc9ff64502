"""Opening a file: what is one, what is none, and what is said of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from mai.runtime import ModelError, load
from mai.runtime.files import read_arrays
from mai.runtime.model.manifest import FORMAT, MANIFEST_KEY, Manifest

Write = Callable[..., Path]


def refusal(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load(path, providers="cpu")
    return caught.value


def restated(model: onnx.ModelProto, **changes: object) -> onnx.ModelProto:
    """The model with fields of its manifest changed."""
    stated = {p.key: p.value for p in model.metadata_props}
    stated[MANIFEST_KEY] = json.dumps({**json.loads(stated[MANIFEST_KEY]), **changes}, separators=(",", ":"))
    helper.set_model_props(model, stated)
    return model


def test_a_file_says_what_it_is(shifted: onnx.ModelProto, write: Write) -> None:
    model = load(write(shifted))
    assert list(model.inputs) == ["x", "y"]
    assert list(model.settings) == ["scale"]
    assert list(model.outputs) == ["f"]
    assert model.spec.startswith("# A file for tests.")
    assert repr(model) == "<small.f(x: float32[batch, 2], y: int64[batch], scale=2.0) -> f: float32[batch, 2]>"
    assert Manifest.model_validate_json(model.manifest.model_dump_json()) == model.manifest


def test_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.onnx").slug == "model-not-found"
    (tmp_path / "moons.sample.onnx").touch()
    helps = [refusal(tmp_path / name).help for name in ("moons.sampel.onnx", "circles.onnx")]
    assert helps == [f"did you mean {tmp_path / 'moons.sample.onnx'}?", None]
    assert "it is a folder" in refusal(tmp_path).message
    (tmp_path / "a.onnx").touch()
    assert str(tmp_path / "a.onnx") in (refusal(tmp_path).help or "")


@pytest.mark.parametrize("content", [b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 64, b"PK\x03\x04", b"{}", bytes(1000)])
def test_not_a_model_at_all(content: bytes, write: Write) -> None:
    assert refusal(write(content)).slug == "model-foreign"


@pytest.mark.parametrize(
    "content",
    [b"# mai: the mathematics of AI\n", b"\x08\x01" + bytes(6) + b'{"w": {}}', b"\x58\x03" + bytes(6) + b"{}"],
)
def test_what_is_no_onnx_file_is_told_as_that(content: bytes, write: Write) -> None:
    error = refusal(write(content, "weights.safetensors"))
    assert error.slug == "model-foreign"
    assert error.message.endswith("weights.safetensors is no ONNX file")
    assert "mai compile SPEC --weights FILE" in str(error)
    assert str(refusal(write(content, "README.md"))).endswith("README.md is no ONNX file")


def test_a_model_of_another_maker(shifted: onnx.ModelProto, write: Write) -> None:
    del shifted.metadata_props[:]
    shifted.producer_name = "pytorch"
    assert refusal(write(shifted)).slug == "model-foreign"


def test_a_file_cut_anywhere_is_never_run(shifted: onnx.ModelProto, write: Write) -> None:
    raw = shifted.SerializeToString()
    begins = raw.index(b"mai") + 3
    slugs = {refusal(write(raw[:size])).slug for size in range(begins, len(raw) - 1, 7)}
    assert slugs == {"model-truncated"}
    assert refusal(write(b"")).slug == "model-truncated"


def test_a_cut_that_leaves_a_whole_graph(shifted: onnx.ModelProto, write: Write) -> None:
    raw = shifted.SerializeToString()
    del shifted.metadata_props[:]
    graph = shifted.SerializeToString()
    assert raw.startswith(graph)
    assert refusal(write(graph)).slug == "model-truncated"


@pytest.mark.parametrize("word", [b"small", b"scale", b"Unsqueeze", b"batch", b"float32", b"A file"])
def test_text_that_is_no_text(
    word: bytes, shifted: onnx.ModelProto, write: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = shifted.SerializeToString()
    assert refusal(write(raw.replace(word, b"\xff" * len(word)))).slug == "model-truncated"
    assert capfd.readouterr() == ("", "")


def test_a_damaged_manifest(shifted: onnx.ModelProto, write: Write) -> None:
    assert refusal(write(restated(shifted, inputs="all of them"))).slug == "model-truncated"
    helper.set_model_props(shifted, {MANIFEST_KEY: "{"})
    assert refusal(write(shifted)).slug == "model-truncated"


def test_a_newer_format(shifted: onnx.ModelProto, write: Write) -> None:
    assert refusal(write(restated(shifted, format=FORMAT + 1))).slug == "model-newer"


def test_a_newer_format_of_operators_that_are_not_known_here(shifted: onnx.ModelProto, write: Write) -> None:
    restated(shifted, format=FORMAT + 1)
    shifted.opset_import[0].version = 999
    error = refusal(write(shifted))
    assert error.slug == "model-newer"
    assert f"has format {FORMAT + 1}" in error.message


def test_fields_of_a_later_mai_are_ignored(shifted: onnx.ModelProto, write: Write) -> None:
    model = load(write(restated(shifted, vocabulary=["a", "b"])))
    np.testing.assert_array_equal(model(x=[[1, 2]], y=[3]), [[5, 7]])


@pytest.mark.parametrize("providers", [None, "cpu", "cuda", ["CUDAExecutionProvider", "CPUExecutionProvider"]])
def test_without_a_usable_gpu_the_cpu_serves_in_silence(
    providers: object, counting: onnx.ModelProto, write: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    model = load(write(counting), providers=providers)
    assert model.providers[-1] == "CPUExecutionProvider"
    assert model(batch=3).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert capfd.readouterr() == ("", "")


def test_providers_and_threads_are_checked(counting: onnx.ModelProto, write: Write) -> None:
    path = write(counting)
    with pytest.raises(ModelError, match="cpu or cuda"):
        load(path, providers="tpu")
    with pytest.raises(ModelError, match="at least 1"):
        load(path, threads=0)
    assert load(path, threads=2)(batch=2).shape == (2, 2)


def test_a_spec_is_to_be_compiled_first(tmp_path: Path) -> None:
    spec = tmp_path / "flow.mai"
    spec.write_text("export f(x: [2]) -> [2] { return x }\n")
    assert "mai compile" in str(refusal(spec))


def test_arrays_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"1,2\n3,4\n")
    with pytest.raises(ValueError, match=r"no \.npy"):
        read_arrays(tmp_path / "x.npy")


def moved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model as onnxruntime's remove_initializer_from_input.py leaves it: what has a default is no input any more."""
    defaults = {i.name for i in model.graph.initializer}
    kept = [i for i in model.graph.input if i.name not in defaults]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    return model


def test_a_file_whose_settings_another_program_has_fixed(
    shifted: onnx.ModelProto, counting: onnx.ModelProto, write: Write
) -> None:
    for model, names in ((shifted, "`scale`"), (counting, "`batch`, `seed`")):
        with pytest.raises(ModelError, match=f"can no longer be given {names}") as caught:
            load(write(moved(model)))
        assert caught.value.slug == "model-truncated"


def test_a_setting_that_nothing_reads_may_still_be_given(shifted: onnx.ModelProto, write: Write) -> None:
    shifted.graph.node[0].input[1] = "x"
    model = load(write(shifted))
    assert model(x=[2, 3], y=0, scale=5).tolist() == [[4, 9]]


def outside(tensor: onnx.TensorProto, folder: Path) -> None:
    """Let a tensor's numbers lie in a file of the folder."""
    (folder / "other.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "other.bin"), ("offset", "0")):
        tensor.external_data.add(key=key, value=value)


@pytest.mark.parametrize("place", ["initializer", "attribute", "subgraph", "sparse", "function"])
def test_a_tensor_outside_of_the_file_is_refused_before_it_is_read(
    place: str, shifted: onnx.ModelProto, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tensor = onnx.numpy_helper.from_array(np.array([1]), "mine")
    outside(tensor, tmp_path)
    constant = helper.make_node("Constant", [], ["there"], value=tensor)
    graph = helper.make_graph(
        [constant], "inside", [], [helper.make_tensor_value_info("there", onnx.TensorProto.INT64, [1])]
    )
    if place == "initializer":
        shifted.graph.initializer.append(tensor)
    elif place == "sparse":
        shifted.graph.sparse_initializer.add().values.CopyFrom(tensor)
    elif place == "function":
        shifted.functions.add(name="F").node.append(constant)
    else:
        node = constant if place == "attribute" else helper.make_node("If", ["so"], ["there"], then_branch=graph)
        shifted.graph.node.append(node)
    with pytest.raises(ModelError, match=r"takes the tensor `mine` from outside of it, the file other\.bin"):
        load(write(shifted))
