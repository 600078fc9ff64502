"""The code of a page, in its order: specs are files, commands are typed, Python is executed.

A comment before a piece of code says what a reader knows and the code does not: `<!-- not run: why -->`, or, before a part of a spec,
`<!-- within: the spec around it, with ... in its place -->`.

python -m docs.site.code docs/learn.md     run the page as a reader does, and keep the pictures that it shows, beside it
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

PIECE = re.compile(
    r'(?:^<!-- (not run|within):\s(.*?)-->\n)?^```(\w+)(?: title="([\w.]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL
)
PICTURE = re.compile(r"!\[[^\]]+\]\(([\w/]+\.(?:png|gif))\)")


@dataclass(frozen=True)
class Piece:
    """A piece of code of a page.

    Attributes:
        language: the word behind its quotes.
        name: the file that it is, or nothing.
        text: the code.
        line: where it begins in the page.
        reason: why it is not run, or nothing.
        around: the spec around a part of one, with `...` in its place, or nothing.
    """

    language: str
    name: str
    text: str
    line: int
    reason: str = ""
    around: str = ""

    @property
    def spec(self) -> str:
        """The whole spec that it is, or is a part of."""
        if "\n...\n" in f"\n{self.around}":
            return f"\n{self.around}".replace("\n...\n", f"\n{self.text}", 1).lstrip("\n")
        return f"{self.around}\n{self.text}" if self.around else self.text


def pieces(page: Path) -> list[Piece]:
    """The pieces of code of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [_piece(text, match) for match in PIECE.finditer(text)]


def _piece(text: str, match: re.Match[str]) -> Piece:
    kind, said, language, name, code = match.groups()
    line = text.count("\n", 0, match.start(3)) + 1
    return Piece(
        language, name or "", code, line, said.strip() if kind == "not run" else "", said if kind == "within" else ""
    )


def commands(text: str) -> Iterator[list[str]]:
    """The words behind `mai` of each line of a terminal."""
    return (shlex.split(line, comments=True)[1:] for line in text.splitlines())


def pictures(page: Path) -> list[str]:
    """The pictures that a page shows, by their paths from it."""
    return PICTURE.findall(page.read_text(encoding="utf-8"))


def with_changes_marked(text: str) -> str:
    """The text of a page whose specs are changes of the one before: the lines that are new in each are marked."""
    before: list[str] = []

    def marked(piece: re.Match[str]) -> str:
        nonlocal before
        if piece[3] != "mai" or not piece[4]:
            return piece[0]
        lines, last = piece[5].splitlines(), before
        before = lines
        if not last:
            return piece[0]
        changes = SequenceMatcher(None, last, lines, autojunk=False).get_opcodes()
        new = [range(j + 1, k + 1) for kind, _, _, j, k in changes if kind in ("insert", "replace")]
        numbers = " ".join(str(n) for lines_of in new for n in lines_of if lines[n - 1].strip())
        return piece[0].replace(f'title="{piece[4]}"', f'title="{piece[4]}" hl_lines="{numbers}"', 1)

    return PIECE.sub(marked, text)


def draw(page: Path) -> None:
    """Run the specs and commands of a page in a folder of their own, and keep what it shows."""
    with tempfile.TemporaryDirectory(prefix="mai-") as folder:
        for piece in pieces(page):
            if piece.name:
                Path(folder, piece.name).write_text(piece.text, encoding="utf-8")
            for words in commands(piece.text) if piece.language == "sh" else ():
                subprocess.run([sys.executable, "-m", "mai.compiler", *words], cwd=folder, check=True)
        for picture in pictures(page):
            (page.parent / picture).parent.mkdir(exist_ok=True)
            shutil.copy(Path(folder, Path(picture).name), page.parent / picture)


if __name__ == "__main__":
    draw(Path(sys.argv[1]).resolve())
