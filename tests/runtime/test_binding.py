"""Runs whose values stay on a device: tested on the CPU, which is one; what is asked of CUDA is seen in the options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from mai.runtime import ModelError, load
from mai.runtime.model import loader
from mai.runtime.model.binding import (
    GRAPH_OF_RUN,
    CapturedRuns,
    check_capturable,
    device_of,
    run_bound,
    to_ort_value,
    with_cuda_graphs,
)
from mai.runtime.model.manifest import MANIFEST_KEY

Write = Callable[..., Path]


@pytest.fixture
def opened(write: Write, shifted: onnx.ModelProto) -> Any:
    return load(write(shifted), providers="cpu")


def feeds_of(rows: int, seed: int = 0) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((rows, 2)).astype(np.float32)
    return {"x": x, "y": generator.integers(0, 10, rows), "scale": np.array(3, np.float32)}


def test_a_bound_run_leaves_its_results_where_it_is_told(opened: Any) -> None:
    session, feed = opened.session, feeds_of(4)
    values = {name: to_ort_value(array) for name, array in feed.items()}
    (result,) = run_bound(session, values, {"f": device_of(session)})
    assert result.device_name() == "cpu"
    np.testing.assert_array_equal(result.numpy(), session.run(None, feed)[0])
    (again,) = run_bound(session, values | {"x": result}, {"f": "cpu"})
    np.testing.assert_array_equal(again.numpy(), session.run(None, feed | {"x": result.numpy()})[0])


def test_captured_runs_have_buffers_of_their_own_for_every_batch(opened: Any) -> None:
    captured, session = CapturedRuns(opened.session, opened.manifest, "cpu"), opened.session
    feeds = [feeds_of(3, 0), feeds_of(5, 1), feeds_of(3, 2), feeds_of(5, 3)]
    results = [captured(feed)[0] for feed in feeds]
    for feed, array in zip(feeds, results, strict=True):
        np.testing.assert_array_equal(array, session.run(None, feed)[0])
    assert captured.sizes == 2


class Recorded:
    """A session that keeps what it is run with."""

    def __init__(self, session: Any) -> None:
        self.session, self.graphs, self.bindings = session, [], []

    def io_binding(self) -> Any:
        return self.session.io_binding()

    def run_with_iobinding(self, binding: Any, options: ort.RunOptions) -> None:
        self.graphs.append(options.get_run_config_entry(GRAPH_OF_RUN))
        self.bindings.append(binding)
        self.session.run_with_iobinding(binding, options)


def test_every_batch_is_a_graph_with_fixed_addresses(opened: Any) -> None:
    recorded = Recorded(opened.session)
    captured = CapturedRuns(recorded, opened.manifest, "cpu")  # type: ignore[arg-type]
    for rows in (3, 5, 3, 3):
        captured(feeds_of(rows))
    assert recorded.graphs == ["1", "2", "1", "1"]
    assert recorded.bindings[0] is recorded.bindings[2] is recorded.bindings[3]


def test_the_option_reaches_the_provider() -> None:
    providers = with_cuda_graphs(["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert providers == [("CUDAExecutionProvider", {"enable_cuda_graph": "1"}), "CPUExecutionProvider"]
    own = with_cuda_graphs([("CUDAExecutionProvider", {"device_id": "1"})])
    assert own == [("CUDAExecutionProvider", {"device_id": "1", "enable_cuda_graph": "1"})]
    with pytest.raises(ModelError) as caught:
        with_cuda_graphs(["CPUExecutionProvider"])
    assert caught.value.slug == "cuda-graph"


def test_what_cannot_be_one_graph(opened: Any) -> None:
    flat = opened.manifest.model_copy(update={"unrolled": True})
    check_capturable("f.onnx", flat)
    check_capturable("f.onnx", flat.model_copy(update={"draws": True, "cuda": True}))
    free = flat.outputs[0].model_copy(update={"shape": ["P"]})
    for wrong, word in (
        (opened.manifest, "loops"),
        (flat.model_copy(update={"draws": True}), "draws"),
        (flat.model_copy(update={"outputs": [free]}), "size"),
        (flat.model_copy(update={"inputs": []}), "no batch"),
    ):
        with pytest.raises(ModelError, match=word) as caught:
            check_capturable("f.onnx", wrong)
        assert caught.value.slug == "cuda-graph"


def test_a_model_runs_by_its_graph(
    write: Write, shifted: onnx.ModelProto, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `load(cuda_graph=True)` goes, with the CPU in the place of CUDA."""
    flat = opened.manifest.model_copy(update={"unrolled": True})
    (stated,) = (p for p in shifted.metadata_props if p.key == MANIFEST_KEY)
    stated.value = flat.model_dump_json()
    path = write(shifted, "flat.f.onnx")
    asked: list[Any] = []
    recorded: list[Recorded] = []

    def captured_on_the_cpu(session: Any, manifest: Any) -> CapturedRuns:
        recorded.append(Recorded(session))
        return CapturedRuns(recorded[-1], manifest, "cpu")  # type: ignore[arg-type]

    monkeypatch.setattr(
        loader, "with_cuda_graphs", lambda providers: asked.append(providers) or ["CPUExecutionProvider"]
    )
    monkeypatch.setattr(loader, "CapturedRuns", captured_on_the_cpu)
    captured = load(path, providers="cuda", cuda_graph=True)
    assert asked[0][0] in ("CUDAExecutionProvider", "CPUExecutionProvider")
    feed = feeds_of(4)
    np.testing.assert_array_equal(captured(**feed), opened(**feed))
    assert recorded[0].graphs == ["1"]


def test_without_cuda_it_is_told(write: Write, shifted: onnx.ModelProto) -> None:
    path = write(shifted)
    with pytest.raises(ModelError) as caught:
        load(path, providers="cpu", cuda_graph=True)
    assert caught.value.slug == "cuda-graph"
