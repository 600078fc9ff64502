"""Requests that share a call get the bits that they get alone, or share none."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from mai.runtime import Model, ModelError, load
from mai.runtime.arrays import Array
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.serving.sharing import Sharing, is_shareable
from tests.support.cases.small_files import Write, build, manifest, output, real, setting
from tests.support.serving import Client

SAMPLE = "/run/spec.sample"


def feeds(model: Model, values: Sequence[Any], **more: Any) -> list[dict[str, Array]]:
    return [model.prepare({"x": value, **more}).feed for value in values]


def node(write: Write, *nodes: onnx.NodeProto, **constants: Array) -> Model:
    described = manifest([real("x", 2)], [setting("k", 1.0, "float32")], [output("f", 2)])
    return load(write(build(described, list(nodes), constants)), providers="cpu", threads=1)


@pytest.fixture
def centred(write: Write) -> Model:
    """f(x, k) = k (x less the mean of the batch): what no two requests may share."""
    return node(
        write,
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["less"]),
        helper.make_node("Mul", ["less", "k"], ["f"]),
        axes=np.array([0]),
    )


def test_many_at_a_time_get_what_each_gets_alone(service: Client, flow: dict[str, Model]) -> None:
    calls = service.metric("mai_call_requests_count", file="spec.sample")
    asked = [{"seed": i % 7, "example": i // 7, "steps": 9} for i in range(120)]
    with ThreadPoolExecutor(40) as threads:
        replies = list(threads.map(lambda each: service.post(SAMPLE, each), asked))
    for each, reply in zip(asked, replies, strict=True):
        expected = flow["spec.sample"](seed=[each["seed"]] * 2, example=[each["example"]] * 2, steps=9)[:1]
        assert np.float32(reply.json["outputs"]["sample"]).tobytes() == expected.tobytes()
    assert service.metric("mai_call_requests_count", file="spec.sample") - calls < 100


def test_a_call_is_proven_and_then_shared(scaled: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mai.runtime.serving.sharing.ENOUGH", 3)
    monkeypatch.setattr("mai.runtime.serving.sharing.AUDIT", 4)
    sharing, sizes = Sharing(scaled, 8), []

    class Watched(TimeLimit):
        def run(self, run: Any) -> Any:
            sizes.append(1)
            return super().run(run)

    asked = feeds(scaled, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], k=2.0)
    key = sharing.key(asked[0])
    assert {sharing.key(feed) for feed in asked} == {key}
    for runs in (4, 1, 1, 4):  # Together and each alone; then together, but for the fourth.
        sizes.clear()
        outcomes = sharing.compute(key, asked, Watched(None))
        assert [outcome[0].tolist() for outcome in outcomes] == [[[2.0, 4.0]], [[6.0, 8.0]], [[10.0, 12.0]]]  # type: ignore[index]
        assert len(sizes) == runs


def test_what_depends_on_its_neighbours_is_never_shared(centred: Model) -> None:
    differing: list[int] = []
    sharing = Sharing(centred, 4, lambda: differing.append(1))
    asked = feeds(centred, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    key = sharing.key(asked[0])
    for count in (4, 2, 2):
        outcomes = sharing.compute(key, asked[:count], TimeLimit(None))
        assert [outcome[0].tolist() for outcome in outcomes] == [[[0.0, 0.0]]] * count  # type: ignore[index]
    assert sharing.most(key) == 1
    assert len(differing) == 2


def test_other_settings_and_several_examples_have_calls_of_their_own(scaled: Model) -> None:
    sharing = Sharing(scaled, 8)
    (one,), (other,) = feeds(scaled, [[1.0, 2.0]], k=2.0), feeds(scaled, [[1.0, 2.0]], k=3.0)
    assert sharing.key(one) != sharing.key(other)
    assert sharing.key(scaled.prepare({"x": [[1.0, 2.0], [3.0, 4.0]]}).feed) is None
    assert Sharing(scaled, 1).key(one) is None


def test_one_that_fails_fails_alone(write: Write) -> None:
    model = node(write, helper.make_node("Mul", ["x", "k"], ["f"]))
    sharing, asked = Sharing(model, 4), feeds(model, [[1.0, 2.0], [3.0, 4.0]])

    def compute(feed: Any, limit: TimeLimit) -> list[Array]:
        if (feed["x"] == 3.0).any():
            raise ModelError("run-failed", "three")
        return [feed["x"]]

    model.compute = compute  # type: ignore[method-assign,assignment]
    good, bad = sharing.compute(sharing.key(asked[0]), asked, TimeLimit(None))
    assert isinstance(good, list)
    assert good[0].tolist() == [[1.0, 2.0]]
    assert isinstance(bad, ModelError)


def test_which_files_may_share(flow: dict[str, Model], text: dict[str, Model], scaled: Model) -> None:
    assert is_shareable(flow["spec.sample"].manifest)
    assert is_shareable(text["spec.generate"].manifest)
    assert is_shareable(scaled.manifest)
    assert not is_shareable(flow["spec.plain"].manifest)
    assert not is_shareable(flow["spec.sample"].manifest.model_copy(update={"evaluations": "n"}))
