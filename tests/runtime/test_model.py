"""Compiled files as functions: arguments checked, threads, damaged and foreign files."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load

pytestmark = pytest.mark.slow

Maker = Callable[..., Program]


@pytest.fixture
def files(example: Maker, tmp_path: Path) -> dict[str, Path]:
    results = {}
    for name, which, sets in (
        ("moons_flow", "sample", {"width": "16"}),
        ("digits_unet", "sample", {"c": "8"}),
        ("mlp", "classify", {}),
    ):
        program = example(name, **sets)
        results[name] = export(program, which, Trained(load_weights(program, None)[0]), tmp_path).path
    return results


def test_calls(files: dict[str, Path]) -> None:
    flow, unet, mlp = (load(files[n], providers="cpu") for n in ("moons_flow", "digits_unet", "mlp"))
    assert flow(batch=5).shape == (5, 2)
    assert flow().shape == (1, 2)
    assert unet(y=[3, 4], steps=2).shape == (2, 1, 8, 8)
    assert unet(y=3, steps=1, guidance=0).shape == (1, 1, 8, 8)
    assert mlp(x=np.zeros(64)).shape == (1, 10)
    np.testing.assert_allclose(mlp(x=np.random.randn(3, 64)).sum(-1), 1, rtol=1e-5)
    assert "guidance=2.0" in repr(unet)
    assert flow.manifest.draws
    assert not mlp.manifest.draws
    assert flow.spec.startswith("# Flow matching")


def test_the_same_seed_gives_the_same_samples_in_every_batch(files: dict[str, Path]) -> None:
    one, two = (load(files["moons_flow"], providers="cpu", threads=t) for t in (1, 2))
    large = one(batch=1000, seed=5)
    for model, size in ((one, 1), (one, 7), (two, 7), (two, 1000)):
        np.testing.assert_allclose(model(batch=size, seed=5), large[:size], rtol=1e-5, atol=1e-5)
    assert not np.allclose(one(batch=7, seed=6), large[:7])
    negative, huge = one(batch=3, seed=0), one(batch=3, seed=2**62)
    assert np.isfinite(negative).all()
    assert np.isfinite(huge).all()


@pytest.mark.parametrize(
    ("name", "arguments", "slug", "words"),
    [
        ("moons_flow", {"step": 3}, "input-unknown", "did you mean `steps`?"),
        ("moons_flow", {"steps": 0}, "input-range", "at least 1"),
        ("moons_flow", {"steps": 2.5}, "input-dtype", "whole number"),
        ("moons_flow", {"batch": [1, 2]}, "input-shape", "one number"),
        ("digits_unet", {}, "input-missing", "`y` is missing"),
        ("digits_unet", {"y": [10]}, "input-range", "from 0 to 9"),
        ("digits_unet", {"y": [[1]]}, "input-shape", "[batch]"),
        ("digits_unet", {"y": "three"}, "input-dtype", "this file has no names of its labels"),
        ("mlp", {"x": np.zeros((2, 63))}, "input-shape", "[batch, 64]"),
        ("mlp", {"x": [[1.0], [1.0, 2.0]]}, "input-shape", "regular"),
    ],
)
def test_wrong_arguments_are_told(
    files: dict[str, Path], name: str, arguments: dict[str, object], slug: str, words: str
) -> None:
    with pytest.raises(ModelError) as caught:
        load(files[name], providers="cpu")(**arguments)
    assert caught.value.slug == slug
    assert words in str(caught.value)


def test_eight_threads_on_one_model(files: dict[str, Path]) -> None:
    model = load(files["moons_flow"], providers="cpu", threads=1)
    expected = [model(batch=4, seed=s, steps=3) for s in range(16)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda s: model(batch=4, seed=s % 16, steps=3), range(64)))
    assert all(np.array_equal(m, expected[i % 16]) for i, m in enumerate(results))


def test_files_that_cannot_be_opened(files: dict[str, Path], tmp_path: Path) -> None:
    raw = files["mlp"].read_bytes()
    cases: dict[str, bytes | None] = {
        "model-not-found": None,
        "model-truncated": raw[: len(raw) // 2],
        "model-foreign": b"not a model",
    }
    for slug, content in cases.items():
        path = tmp_path / f"{slug}.onnx"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ModelError) as caught:
            load(path)
        assert caught.value.slug == slug
    proto = onnx.load_from_string(raw)
    property_ = next(p for p in proto.metadata_props if p.key == "mai.manifest")
    property_.value = json.dumps({**json.loads(property_.value), "format": 99})
    (tmp_path / "newer.onnx").write_bytes(proto.SerializeToString())
    del proto.metadata_props[:]
    proto.producer_name = "another"
    (tmp_path / "foreign.onnx").write_bytes(proto.SerializeToString())
    for name, slug in (("newer", "model-newer"), ("foreign", "model-foreign")):
        with pytest.raises(ModelError) as caught:
            load(tmp_path / f"{name}.onnx")
        assert caught.value.slug == slug


def test_cuda_falls_back_to_the_cpu(files: dict[str, Path]) -> None:
    model = load(files["mlp"], providers="cuda")
    assert "CPUExecutionProvider" in model.providers
    assert model(x=np.zeros((2, 64))).shape == (2, 10)
