"""The examples that come with mai: which there are, what a line says of each, and what belongs to one."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from functools import lru_cache
from pathlib import Path

import mai.spec
from mai.spec.record import record

FOLDER = Path(mai.spec.__file__).parents[1] / "examples"
SENTENCE = re.compile(r"(.+?\.)(?=\s+[A-Z`]|$)")
INDENTED = "#   "  # A line of a comment that is no sentence.
SCRIPT, PICTURES = ".py", "pictures"


@record
class Example:
    """A spec of the examples: its name, `moons_flow` or `papers/mamba`, and its family."""

    name: str
    family: str

    @property
    def path(self) -> Path:
        """The spec's file."""
        return FOLDER / f"{self.name}.mai"

    @property
    def text(self) -> str:
        """What the file says."""
        return self.path.read_text(encoding="utf-8")

    @property
    def says(self) -> str:
        """The first sentence of the comment at the top."""
        lines = self.text.splitlines()
        comment = " ".join(line.removeprefix("#").strip() for line in lines[: _comments(lines)])
        sentence = SENTENCE.match(comment)
        return sentence[1] if sentence else comment

    @property
    def verb(self) -> str:
        """What makes files of it: `train`, or `compile` where it trains nothing."""
        return "train" if re.search(r"^train\b", self.text, re.MULTILINE) else "compile"


def _comments(lines: list[str]) -> int:
    """How many lines of sentences a text begins with."""
    return next(
        (i for i, line in enumerate(lines) if not line.startswith("#") or line.startswith(INDENTED)), len(lines)
    )


@lru_cache(maxsize=1)
def examples() -> dict[str, Example]:
    """All examples by their names, in the order of `families.toml`; none where they are not installed."""
    table = FOLDER / "families.toml"
    families = tomllib.loads(table.read_text(encoding="utf-8")) if table.is_file() else {}
    return {name: Example(name, family) for family, names in families.items() for name in names}


def examples_called(name: str) -> list[Example]:
    """The example of this name; without a folder in it also those of folders, of which there may be several."""
    every = examples()
    if name in every:
        return [every[name]]
    return [example for example in every.values() if example.path.stem == name]


def companions(example: Example) -> list[Path]:
    """The files that an example needs or shows: data and specs that it names, scripts that write them, inputs of its commands, pictures."""
    folder = example.path.parent
    near = {file.name: file for file in sorted(folder.iterdir()) if file.is_file() and file != example.path}
    files = _named(example.text, near) | {FOLDER / place for place in _places(example)} - {example.path}
    scripts = {f for f in near.values() if f.suffix == SCRIPT and _named(f.read_text(encoding="utf-8"), near) & files}
    return sorted(files | scripts)


def copies(example: Example, folder: Path, name: str = "") -> dict[Path, bytes]:
    """What a copy of an example consists of, below `folder`, its spec first: the whole contents by the files to write.

    Args:
        name: what the copy of the spec is called, by default as the example.
    """
    files = {folder / (name or example.path.name): example.path.read_bytes()}
    return files | {folder / f.relative_to(example.path.parent): f.read_bytes() for f in companions(example)}


def is_picture(file: Path) -> bool:
    """Whether a companion only shows what comes of the example."""
    return file.parent.name == PICTURES


def commands_for_copy(example: Example, folder: Path) -> list[str]:
    """What is typed after `mai` to train and to draw a copy that lies in `folder`, from where that folder lies."""
    spec = f"examples/{example.path.name}"
    typed = commands(example) or [f"check {spec}", f"{example.verb} {spec}"]
    trained_before = [f"train examples/{name}.mai" for name in _weights_of_others(typed)]
    out = re.compile(r" --out runs/gallery/[\w-]+$")
    here = [out.sub("", command).replace("runs/gallery/", "runs/") for command in (*trained_before, *typed)]
    place = f"{folder.as_posix()}/"
    return [
        " ".join(_quoted(w.replace(f"examples/{PICTURES}/", "").replace("examples/", place)) for w in shlex.split(c))
        for c in here
    ]


def _quoted(word: str) -> str:
    """A word of a command line as it is typed."""
    return f'"{word}"' if re.search(r"[\s'()&;]", word) else word


def lacking(example: Example) -> list[str]:
    """The files of weights that an example reads and that do not come with it."""
    named = re.findall(r'"([\w.-]+\.safetensors)"', example.text)
    return [name for name in dict.fromkeys(named) if not (example.path.parent / name).exists()]


def _weights_of_others(typed: list[str]) -> list[str]:
    """The specs whose weights commands read and which none of them trains."""
    return list(re.findall(r"--weights runs/gallery/(\w+)", "\n".join(typed)))


def _named(text: str, near: dict[str, Path]) -> set[Path]:
    """The files whose names stand in a text in quotes."""
    return {file for name, file in near.items() if f'"{name}"' in text}


def _places(example: Example) -> list[str]:
    """The paths below `examples/` in the commands of an example's pictures."""
    return re.findall(r"\bexamples/([\w./]+)", "\n".join(commands(example)))


def commands(example: Example) -> list[str]:
    """What is typed after `mai` for its pictures in the gallery, from the repository's folder: each command once."""
    pictures = json.loads((FOLDER / PICTURES / "made.json").read_text(encoding="utf-8")).values()
    typed = [[*each["training"], *each["commands"]] for each in pictures]
    return list(dict.fromkeys(c for group in typed if _is_of(example, group) for c in group))


def _is_of(example: Example, typed: list[str]) -> bool:
    """Whether commands are an example's: the last spec that they name is this one."""
    specs = re.findall(r"\bexamples/([\w/]+)\.mai\b", "\n".join(typed))
    return bool(specs) and specs[-1] == example.name
