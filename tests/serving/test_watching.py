"""A sampler that is asked over HTTP, and tells how far it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions
from mai.compiler.compiling import compile_all
from mai.runtime import Model, load
from tests.support.serving import Client, running

SPEC = """# A small flow.
net velocity(x: [2], s: []) -> [2] { return linear(tanh(linear(concat(x, fourier(s, 8)), 16)), 2) }
export sample(seed: int, example: int, steps: int = 4) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = velocity(x, s) }
  return x
}
export once(x: [2]) -> [2] { return velocity(x, 0.5) }
"""
SAMPLE, ASKED = "/run/spec.sample", {"seed": [3, 8], "example": [0, 1], "steps": 5}
ENDLESS = {**ASKED, "steps": 100_000}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("parts")
    program = check_text(Path("spec.mai"), SPEC).program
    assert program is not None
    compile_all(program, list(program.exports), None, folder, CompileOptions(progress=True), report=lambda _: None)
    names = ("spec.sample", "spec.once")
    return {name: load(folder / f"{name}.onnx", providers="cpu", threads=1) for name in names}


@pytest.fixture(scope="module")
def service(models: dict[str, Model]) -> Iterator[Client]:
    with running(models, streams=1, page=False) as client:
        yield client


def events(client: Client, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    reply = client.post(path, body)
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/event-stream")
    *events_of_run, done = reply.events
    assert done == "[DONE]"
    return [json.loads(each) for each in events_of_run]


def test_progress_is_told_step_by_step(service: Client, models: dict[str, Model]) -> None:
    result = models["spec.sample"](**ASKED).tolist()
    *before, last = events(service, f"{SAMPLE}?progress=2", ASKED)
    assert before == [{"turns": 2, "total": 5}, {"turns": 4, "total": 5}]
    assert last == {"turns": 5, "total": 5, "outputs": {"sample": result}, "shapes": {"sample": [2, 2]}}


def test_parts_are_shown_where_they_are_asked_for(service: Client, models: dict[str, Model]) -> None:
    events_of_run = events(service, f"{SAMPLE}?progress=1&partial=yes", ASKED)
    parts = [p.result.tolist() for p in models["spec.sample"].progress(**ASKED)]
    assert [each["outputs"]["sample"] for each in events_of_run] == parts
    assert len(parts) == 5


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{SAMPLE}?progress=0", 400, "input-range"),
        (f"{SAMPLE}?progress=often", 400, "input-range"),
        (f"{SAMPLE}?progress={'9' * 5000}", 400, "input-range"),
        (f"{SAMPLE}?progress=1&format=npy", 400, "out-unknown"),
        ("/run/spec.once?progress=1", 400, "progress-unavailable"),
    ],
)
def test_what_is_refused(service: Client, path: str, status: int, code: str) -> None:
    reply = service.post(path, {"x": [0, 1]} if "once" in path else ASKED)
    assert (reply.status, reply.error["code"]) == (status, code)


def test_who_goes_away_ends_it(service: Client) -> None:
    """The next one has its place, of which there is one."""
    for _ in range(3):
        gone = service.begin(f"{SAMPLE}?progress=1", ENDLESS)
        assert gone.recv(50).startswith(b"HTTP/1.1 200")
        gone.close()
    assert events(service, f"{SAMPLE}?progress=5", ASKED)


def test_it_ends_when_its_time_is_over(service: Client) -> None:
    *_, last = service.post(f"{SAMPLE}?progress=1000&timeout=0.3", ENDLESS).events
    assert json.loads(last)["error"]["code"] == "call-timeout"
