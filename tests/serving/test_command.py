"""`mai serve` as a process: how it starts, what it refuses, how it stops."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mai.runtime import Model
from tests.support.cases.small_files import FOREVER
from tests.support.command import invoke
from tests.support.serving import Client


def test_help_teaches() -> None:
    said = " ".join(invoke("serve", "--help").output.split())
    for word in ("curl localhost:8000", "/openapi.json", "/metrics", "/v1/chat/completions", "example: int", "--limit"):
        assert word in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing.onnx",), "cannot open nothing.onnx"),
        (("FILE", "FILE"), "would have one address, /run/small.f"),
        (("FILE", "--limit", "steps=3"), "no file has a setting or a free size `steps`"),
        (("FILE", "--limit", "n"), "--limit n is no limit"),
        (("FILE", "--limit", "n=nan"), "--limit n=nan is no limit"),
        (("FILE", "--timeout", "0"), "--timeout is a number of seconds above 0"),
        (("FILE", "--timeout", "inf"), "--timeout is a number of seconds above 0"),
        (("FILE", "--wait", "inf"), "--wait and --body are finite numbers"),
        (("FILE", "--cors", "https://example.org/"), "--cors https://example.org/ is no origin"),
        (("FILE", "--token-file", "nothing.txt"), "the token in nothing.txt cannot be read"),
        (("FILE", "--port", "99999"), "nothing can listen on 127.0.0.1, port 99999"),
        (("FOLDER",), "there are no .onnx files"),
    ],
)  # fmt: skip
def test_what_is_refused(words: tuple[str, ...], message: str, looping: Model, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    named = {"FILE": str(looping.path), "FOLDER": str(tmp_path / "empty")}
    done = invoke("serve", *(named.get(word, word) for word in words))
    assert done.exit_code != 0
    assert message in f"{done.exception} {' '.join(done.output.split())}"


@pytest.mark.parametrize("token", ["", "two words", "schlüssel", "trailing "])
def test_a_variable_that_holds_no_token_is_refused(token: str, looping: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one would be a service for everybody, another one a service for nobody."""
    monkeypatch.setenv("MAI_TOKEN", token)
    done = invoke("serve", looping.path)
    assert "the variable MAI_TOKEN holds no token" in f"{done.exception} {' '.join(done.output.split())}"


@pytest.mark.slow
def test_it_answers_who_is_there_and_stops(looping: Model, tmp_path: Path) -> None:
    """A request that goes on when the process is asked to stop is answered; then the process ends, and all is well."""
    token = tmp_path / "token"
    token.write_text("sesame\n")
    words = ["serve", looping.path, "--port", "0", "--token-file", token, "--timeout", "30", "--limit", f"n={FOREVER}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mai.runtime.cli", *map(str, words)], stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    client = Client(int(re.findall(r"http://127\.0\.0\.1:(\d+)", line)[0]))
    shown = {"Authorization": "Bearer sesame"}
    with ThreadPoolExecutor(1) as threads:
        reply = threads.submit(client.post, "/run/small.f", {"x": [0.0], "n": 2_000_000}, **shown)
        while b'mai_call_requests_count{file="small.f"} 1.0' not in client.get("/metrics", **shown).raw:
            pass
        process.send_signal(signal.SIGTERM)
        assert reply.result().json["outputs"] == {"f": [[2_000_000.0]]}
    assert process.wait(30) == 0
    assert "stopping" in process.stderr.read()
