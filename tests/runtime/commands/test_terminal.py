"""What a file says is shown without its control characters."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import onnx
import pytest

from mai.runtime.model.manifest import MANIFEST_KEY, Manifest
from mai.runtime.show.terminal import say, say_text, visible, visible_line
from tests.support.cases.small_files import Write

EVIL = "a \x1b[31mred\x1b]0;another title\x07 flow\r\nof \x9b2J mine"


@pytest.mark.parametrize(
    ("text", "shown", "line"),
    [
        (EVIL, "a \\x1b[31mred\\x1b]0;another title\\x07 flow\\x0d\nof \\x9b2J mine", None),
        ("naïve café 日本語 👩\u200d🚀 x₁", None, None),
        ("two\nlines\tand a tab", None, "two\\nlines\\tand a tab"),
        ("right \u202e to left \u2028 \ud800", "right \\u202e to left \\u2028 \\ud800", None),
    ],
)
def test_control_characters_are_escapes(text: str, shown: str | None, line: str | None) -> None:
    expected = text if shown is None else shown
    assert visible(text) == expected
    assert visible_line(text) == (expected.replace("\n", "\\n") if line is None else line)


def test_messages_are_always_visible_and_texts_on_a_terminal_alone(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b[2J")
    say("\x1b[2J", err=True)
    say_text("\x1b[2J", end="")
    written = capsys.readouterr()
    assert written.out == "\\x1b[2J\n\x1b[2J"
    assert written.err == "\\x1b[2J\n"


@pytest.mark.parametrize("options", [[], ["--json"], ["--spec"]])
def test_info_shows_no_control_characters_to_a_terminal(
    options: list[str], shifted: onnx.ModelProto, write: Write
) -> None:
    for prop in shifted.metadata_props:
        if prop.key == MANIFEST_KEY:
            changed = Manifest.model_validate_json(prop.value).model_copy(
                update={"title": EVIL, "labels": {"y": [EVIL]}, "versions": {EVIL: EVIL}}
            )
            prop.value = changed.model_dump_json()
        else:
            prop.value = f"# {EVIL}\n"
    command = [sys.executable, "-m", "mai.runtime.cli", "info", str(write(shifted)), *options]
    shown = _on_a_terminal(command)
    assert "another title" in shown
    assert not set(shown) & {chr(k) for k in [*range(9), 11, 12, *range(14, 32), *range(127, 160)]}
    assert shown.replace("\r\n", "").count("\r") == 0


def _on_a_terminal(command: list[str]) -> str:
    """What a command writes to a pseudo terminal, which turns each newline into \\r\\n."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=os.environ | {"TERM": "xterm"})
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 65536):
            shown += part
    except OSError:  # The other end is closed.
        pass
    os.close(master)
    assert process.wait() == 0
    return shown.decode()
