"""What the head of a spec says of its files is where other programs look for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime as ort
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.describing.about import about
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import load
from mai.runtime.model.manifest import About
from tests.support.command import invoke

HEAD = """# Twice a number.
# It says so in two lines.
#
# author: Jane Doe <jane@example.org>
# licence: MIT
# version: 7
# domain: org.example.twice
"""
EXPORT = "\nexport f(x: []) -> [] { return 2 * x }\n"


def test_other_programs_find_it(program: Callable[[str], Program], tmp_path: Path) -> None:
    path = export(program(HEAD + EXPORT), "f", Trained({}), tmp_path).path
    meta = ort.InferenceSession(path).get_modelmeta()
    assert (meta.domain, meta.version, meta.producer_name) == ("org.example.twice", 7, "mai")
    assert meta.description == "Twice a number.\nIt says so in two lines."
    written = onnx.load(path)
    properties = {p.key: p.value for p in written.metadata_props}
    assert (properties["author"], properties["license"]) == ("Jane Doe <jane@example.org>", "MIT")
    assert load(path).manifest.title == "Twice a number."
    said = invoke("info", path).output
    assert "author" in said
    assert "Jane Doe <jane@example.org>" in said


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("", None),
        ("export f() -> [] { return 1 }  # author: nobody", None),
        ("# One line.", About(description="One line.")),
        ("# license: MIT\n# version: 1.2.0", About(licence="MIT", version="1.2.0")),
        ("# The author: is not said here.", About(description="The author: is not said here.")),
        ("# author: Jane Doe\n# author: John Roe", About(description="", author="Jane Doe, John Roe")),
        ("# One.\n\n# author: of a later comment", About(description="One.")),
    ],
)  # fmt: skip
def test_what_a_head_says(head: str, said: About | None) -> None:
    assert about(f"{head}\n") == said


def test_a_version_that_is_no_whole_number_is_a_property(program: Callable[[str], Program], tmp_path: Path) -> None:
    path = export(program("# version: 1.2.0\n" + EXPORT), "f", Trained({}), tmp_path).path
    assert ort.InferenceSession(path).get_modelmeta().custom_metadata_map["version"] == "1.2.0"
    assert not onnx.load(path).HasField("model_version")
