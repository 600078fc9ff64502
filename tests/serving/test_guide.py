"""docs/serve.md: its spec trains, its requests are answered by a service of what came of it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from docs.site.code import commands, pieces
from mai.runtime.serving.options import Options
from mai.runtime.serving.served import open_files
from tests.support.command import invoke
from tests.support.serving import Client, running

PAGE = Path(__file__).parents[2] / "docs" / "serve.md"
HERE = "localhost:8000"


def ask(client: Client, line: str) -> None:
    """A line of curl's, about a file that is there."""
    _, address, *rest = shlex.split(line)
    path = address.removeprefix(HERE)
    reply = client.post(path, rest[1].encode()) if rest else client.get(path)
    assert reply.status == 200, reply.raw


@pytest.mark.slow
def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parts = pieces(PAGE)
    for part in parts:
        if part.name:
            (tmp_path / part.name).write_text(part.text, encoding="utf-8")
        elif part.language == "sh":
            for words in commands(part.text):
                assert invoke(*words, "--steps", "3", "--quiet").exit_code == 0
    names: dict[str, object] = {}
    with running(open_files([tmp_path / "runs" / "flow"], Options(threads=1))) as client:
        for part in parts:
            if part.language == "python":
                exec(compile(part.text.replace(HERE, f"localhost:{client.port}"), PAGE.name, "exec"), names)
            elif part.language == "console":
                for line in part.text.splitlines():
                    if line.startswith("curl") and ("/v1/" not in line or "/v1/models" in line):
                        ask(client, line)
