"""Do two checkouts compile the same files, to the byte?

    git worktree add ../before 0123abcd
    python -m benchmarks.same_files ../before                       # every export of every example
    python -m benchmarks.same_files ../before moons_flow zoo/llama  # some examples
    python -m benchmarks.same_files ../before llama --words='--quantize int8'

Both get the same texts, those of this checkout, with first weights of one seed. Each checkout compiles them by its own command line, in
a process of its own. What differs is told with its place: a node, a weight, a line of the manifest; `ONE | OTHER` is the other
checkout first. The command fails if anything differs or is not compiled. Some minutes, and a gigabyte on the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.runs import ROOT
from benchmarks.same_files.differences import differences
from benchmarks.same_files.subjects import Subject, subjects

SCRIPT = Path(__file__).with_name("compiling.py")
SAID = "said.txt"  # What the command line said: shown where there is no file.


def compiled(checkout: Path, items: list[Subject], words: list[str], folder: Path) -> bool:
    """Compile all subjects with the sources of a checkout, a folder of files for each; whether the process came to its end."""
    folder.mkdir()
    jobs = [{"words": [*item.words, *words], "folder": str(folder / item.name.replace("/", "."))} for item in items]
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve() / "src")}
    command = [sys.executable, str(SCRIPT), str(folder / "jobs.json")]
    process = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if process.returncode:
        print(
            f"{checkout}: compiling ended with {process.returncode}, after {len(process.stdout.split())} of {len(items)}"
        )
    return not process.returncode


def compare(one: Path, other: Path) -> Iterator[tuple[str, list[str]]]:
    """Each file of two folders, and how it differs; each spec that no file was made of."""
    names = {str(path.relative_to(root)) for root in (one, other) for path in root.rglob("*") if _counts(path)}
    for name in sorted(names):
        missing = [root for root in (one, other) if not (root / name).exists()]
        if missing:
            which = "this checkout" if missing[0] == one else "the other checkout"
            yield name, [f"only {which} writes it", _reason(missing[0] / Path(name).parts[0])]
        else:
            yield name, differences(one / name, other / name)
    for folder in sorted(path for path in other.iterdir() if path.is_dir()):
        if not any(Path(name).parts[0] == folder.name for name in names):
            yield folder.name, ["no file is written", _reason(folder)]


def _reason(folder: Path) -> str:
    """The first error that the command line told, or else its first line."""
    said = (folder / SAID).read_text(encoding="utf-8").splitlines() if (folder / SAID).exists() else []
    return next((line for line in said if line.startswith("error")), said[0] if said else "it said nothing")


def _counts(path: Path) -> bool:
    return path.is_file() and (path.suffix == ".onnx" or path.name.endswith(".onnx.data"))


def main() -> int:
    """0 if all files are the same, 1 if some differ, or were not compiled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="the folder of another checkout")
    parser.add_argument("examples", nargs="*", help="as moons_flow or zoo/llama; all, where none is named")
    parser.add_argument("--words", default="", help="further words for `mai compile`")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mai-") as name:
        folder = Path(name)
        items = list(subjects(folder, asked.examples))
        unknown = set(asked.examples) - {item.name for item in items}
        if unknown:
            parser.error(
                f"there is no example {sorted(unknown)[0]}: they are named as moons_flow, zoo/llama or papers/mamba"
            )
        places = (folder / "other", folder / "this")
        ended = [
            compiled(checkout, items, shlex.split(asked.words), place)
            for checkout, place in zip((asked.checkout, ROOT), places, strict=True)
        ]
        results = list(compare(*places))
    differing = [(file, lines) for file, lines in results if lines]
    for file, lines in differing:
        print(file, *(f"    {line}" for line in lines), sep="\n")
    print(f"{len(results) - len(differing)} of {len(results)} files are the same")
    return 0 if results and not differing and all(ended) else 1


if __name__ == "__main__":
    sys.exit(main())
