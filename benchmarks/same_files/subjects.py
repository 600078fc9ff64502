"""The specs that both checkouts compile: every example, small where it is large, with first weights where it reads a file of others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hosts_matrix.subjects import SMALLER
from benchmarks.runs import ROOT
from mai.spec import ast
from mai.spec.diagnostics import Reporter
from mai.spec.parsing.parse import load_source, parse

EXAMPLES = ROOT / "examples"
SMALL_ZOO = {
    "vocab": "97", "d": "48", "depth": "2", "heads": "6", "kv_heads": "2", "hidden": "80", "head_width": "10", "context": "32",
    "window": "6", "n": "4", "inner": "96", "m": "5", "rank": "3", "groups": "2", "classes": "5", "patch": "8",
}  # fmt: skip
SIZES = {"vit": {"size": "32"}, "resnet18": {"size": "32", "width": "8"}, "mamba2": {"width": "16"},
         "dit": {"size": "8", "patch": "2", "heads": "4", "d": "32"}, "gpt2_lora": {"vocab": "256"}}  # fmt: skip
WORDS = {"zoo/gpt2_lora": ["--tokenizer", "bytes"]}  # Its own tokenizer is a file of others.


@dataclass(frozen=True, slots=True)
class Subject:
    """A spec in a folder of its own, and the constants that make it small."""

    name: str  # as `zoo/llama`
    path: Path
    constants: dict[str, str]

    @property
    def words(self) -> list[str]:
        """What the command line says of it."""
        sets = [word for name, value in self.constants.items() for word in ("--set", f"{name}={value}")]
        return [str(self.path), *sets, *WORDS.get(self.name, ())]


def subjects(folder: Path, only: list[str]) -> Iterator[Subject]:
    """Copies of the examples, with their data, in a folder that is new; only those named, if any are."""
    copy = folder / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("pictures"))
    for path in sorted(copy.rglob("*.mai")):
        name = str(path.relative_to(copy).with_suffix(""))
        if not only or name in only:
            yield Subject(name, path, _prepared(path, name))


def _prepared(path: Path, name: str) -> dict[str, str]:
    """The constants that make a spec small. A spec that reads weights of others is left without the block that says so."""
    source = load_source(path, Reporter())
    items = parse(source, Reporter()).declarations
    text = source.text
    for item in items:
        if isinstance(item, ast.Weights):
            path.write_text(text[: item.span.start] + text[item.span.end :], encoding="utf-8")
    if not name.startswith("zoo/"):
        return SMALLER.get(name, {})
    declared = {item.name.id for item in items if isinstance(item, ast.Const)}
    sizes = {**SMALL_ZOO, **SIZES.get(path.stem, {})}
    return {constant: value for constant, value in sizes.items() if constant in declared}
