"""The VS Code extension, and the hooks: what they name is there, and what they insert is of the language."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mai.runtime.cli import places_of_verbs
from mai.spec.diagnostics import Reporter
from mai.spec.parsing.parse import parse
from mai.spec.source import Source

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = ROOT / "compiler" / "editor" / "vscode"
PACKAGE = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
SNIPPETS = json.loads((EXTENSION / "snippets.json").read_text(encoding="utf-8"))
DECLARATIONS = ("net", "layer", "train", "export", "data", "claim")


def filled(text: str) -> str:
    """A snippet with the words that stand in its places."""
    words = dict(re.findall(r"\$\{(\d):((?:[^{}]|\{[^{}]*\})*)\}", text))
    for _ in range(2):
        text = re.sub(r"\$\{\d:((?:[^{}]|\{[^{}]*\})*)\}", r"\1", text)
    return re.sub(r"\$(\d)", lambda place: words[place[1]], text)


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_is_of_the_language(name: str) -> None:
    text = filled("\n".join(SNIPPETS[name]["body"]))
    assert "$" not in text
    if not text.startswith(DECLARATIONS):
        text = f"net f(x: [2]) -> [2] {{\n{text}\nreturn x\n}}"
    parse(Source("snippet.mai", f"{text}\n"), Reporter())


def test_every_file_that_the_package_names_is_there() -> None:
    words = re.findall(r'"\./([^"]+)"', (EXTENSION / "package.json").read_text(encoding="utf-8"))
    named = {*words, PACKAGE["icon"]} - {"dist/extension.js"}
    assert named
    assert all((EXTENSION / path).is_file() for path in named)


def test_the_client_starts_the_server_and_runs_commands(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("needs node")
    mai = tmp_path / ".venv" / "bin" / "mai"
    mai.parent.mkdir(parents=True)
    mai.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT / "src"}" exec "{sys.executable}" -m mai.runtime.cli "$@"\n')
    mai.chmod(0o755)
    spec = tmp_path / "flow.mai"
    spec.write_text("net f(x: [2]) -> [1] { return linear(x, 1) }\nexport g(x: [2]) -> [1] { return f(x) }\n")
    script = str(Path(__file__).with_name("extension.mjs"))
    command = ["node", script, str(EXTENSION / "extension.js"), str(tmp_path), str(spec)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["errors"] == []
    assert {each["command"] for each in PACKAGE["contributes"]["commands"]} | {"mai.run"} == set(record["commands"])
    assert record["server"][:3] == [str(mai), ["lsp"], str(tmp_path)]
    assert record["server"][3]["initializationOptions"] == {"run": True}
    assert record["server"][3]["synchronize"] == {"fileEvents": "**/*.mai"}
    assert record["terminal"] == [
        [str(tmp_path), f"{mai} train {spec}"], [str(tmp_path), f"{mai} check 'it'\\''s a file.mai'"],
    ]  # fmt: skip
    assert record["panel"] == ["mai: diagram", "<svg"]


def test_the_hooks_call_verbs_that_there_are() -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"entry: mai (\w+)", text)
    action = (ROOT / ".github" / "actions" / "check" / "action.yml").read_text(encoding="utf-8")
    entries += re.findall(r"^ +(?:if .* then )?mai (\w+)", action, re.MULTILINE)
    assert sorted(entries) == ["check", "check", "format", "format"]
    assert set(entries) <= places_of_verbs().keys()
