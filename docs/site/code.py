"""The code of a page, in its order: specs are files, commands are typed, Python is executed.

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
from difflib import SequenceMatcher
from pathlib import Path

PIECE = re.compile(r'^```(\w+)(?: title="([\w.]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"!\[[^\]]+\]\(([\w/]+\.(?:png|gif))\)")


def pieces(page: Path) -> list[tuple[str, str, str]]:
    """The language, the file's name (or nothing) and the text of each piece of code."""
    return PIECE.findall(page.read_text(encoding="utf-8"))


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
        if piece[1] != "mai" or not piece[2]:
            return piece[0]
        lines, last = piece[3].splitlines(), before
        before = lines
        if not last:
            return piece[0]
        changes = SequenceMatcher(None, last, lines, autojunk=False).get_opcodes()
        new = [range(j + 1, k + 1) for kind, _, _, j, k in changes if kind in ("insert", "replace")]
        numbers = " ".join(str(n) for lines_of in new for n in lines_of if lines[n - 1].strip())
        return piece[0].replace(f'title="{piece[2]}"', f'title="{piece[2]}" hl_lines="{numbers}"', 1)

    return PIECE.sub(marked, text)


def draw(page: Path) -> None:
    """Run the specs and commands of a page in a folder of their own, and keep what it shows."""
    with tempfile.TemporaryDirectory(prefix="mai-") as folder:
        for language, name, text in pieces(page):
            if name:
                Path(folder, name).write_text(text, encoding="utf-8")
            for words in commands(text) if language == "sh" else ():
                subprocess.run([sys.executable, "-m", "mai.compiler", *words], cwd=folder, check=True)
        for picture in pictures(page):
            (page.parent / picture).parent.mkdir(exist_ok=True)
            shutil.copy(Path(folder, Path(picture).name), page.parent / picture)


if __name__ == "__main__":
    draw(Path(sys.argv[1]).resolve())
