"""The recipe of conda packages asks for what pyproject.toml asks for, in the names of that channel."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECIPE = (ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_CONDA = {"matplotlib": "matplotlib-base", "torch": "pytorch", "onnxruntime-gpu": "onnxruntime"}
REQUIREMENT = re.compile(r"([\w-]+) ?([<>=][\w.,<>=]*)")


def of_project(texts: list[str]) -> set[tuple[str, str]]:
    """Names and versions, without the machines that they are for."""
    requirements = [REQUIREMENT.match(text.partition(";")[0]) for text in texts]
    return {(OF_CONDA.get(match[1], match[1]), match[2]) for match in requirements if match}


def of_recipe(output: str) -> set[tuple[str, str]]:
    """What an output needs at run time, but for Python and the other output."""
    part = RECIPE[RECIPE.index(f"      name: {output}\n") :]
    run = re.search(r"^ +run:\n((?: +- .+\n)+)", part, re.MULTILINE)
    assert run is not None
    lines = [line.strip().removeprefix("- ") for line in run[1].splitlines() if "${{" not in line]
    return {(match[1], match[2]) for match in map(REQUIREMENT.fullmatch, lines) if match}


def test_the_recipe_needs_what_the_project_needs() -> None:
    assert len(of_recipe("mai-lang")) > 4 and len(of_recipe("mai-lang-train")) > 10
    assert of_recipe("mai-lang") == of_project(PROJECT["dependencies"])
    assert of_recipe("mai-lang-train") == of_project(PROJECT["optional-dependencies"]["train"])


def test_the_recipe_has_the_command_and_the_python_of_the_project() -> None:
    assert f'python_min: "{PROJECT["requires-python"].removeprefix(">=")}"' in RECIPE
    ((name, place),) = PROJECT["scripts"].items()
    assert f"- {name} = {place}" in RECIPE
