"""`python -m mai.compiler.playground OUT --modules DIR`: the playground as a folder of files."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

from mai.compiler.playground.build import NotInstalled, write_playground


def main(words: list[str]) -> int:
    """Write the playground; 2 where what it is built from is missing."""
    parser = ArgumentParser(prog="python -m mai.compiler.playground", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--modules", type=Path, required=True, help="a node_modules folder")
    parser.add_argument("--examples", type=Path, default=Path("examples"), help="the specs of the menu")
    parser.add_argument(
        "--runs", type=Path, nargs="*", default=[], help="folders of runs, whose compiled files get pages"
    )
    asked = parser.parse_args(words)
    try:
        pages = write_playground(asked.out, asked.modules, asked.examples, asked.runs)
    except NotInstalled as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{asked.out}/index.html; compiled files: {', '.join(pages) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
