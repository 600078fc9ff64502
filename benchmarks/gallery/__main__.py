"""Train every example, run it, draw it, and write `examples/README.md`: equation, spec and picture side by side.

python -m benchmarks.gallery                 all of it: hours the first time; what is trained is not trained again
python -m benchmarks.gallery moons_flow      some rows; the others keep their pictures
python -m benchmarks.gallery --quick         few steps, to see that everything works
python -m benchmarks.gallery --page          the page alone, of the pictures that there are
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from safetensors import safe_open

from benchmarks.gallery.page import write_page
from benchmarks.gallery.records import PICTURES as KEPT
from benchmarks.gallery.records import records, twins_by_spec
from benchmarks.gallery.rows import ROWS, Row, Shot
from benchmarks.runs import GALLERY as RUNS
from benchmarks.runs import ROOT, STAMP, digest, is_done, stamp
from mai.compiler.training.run.folder import checkpoints

EXAMPLES, PICTURES = Path("examples"), Path("examples/pictures")
QUICK = RUNS / "quick"


class Refused(Exception):
    """A command of the gallery failed; the text is what it said."""


def main(words: list[str]) -> int:
    quick = "--quick" in words
    wanted = [w for w in words if w not in ("--quick", "--page")]
    unknown = sorted(set(wanted) - {row.name for row in ROWS})
    if unknown:
        print(f"there is no row {unknown[0]}; there are {', '.join(row.name for row in ROWS)}", file=sys.stderr)
        return 2
    failed = []
    if "--page" in words:
        write_page(ROOT / EXAMPLES, here(), records(KEPT), twins_by_spec())
        return 0
    for row in here():
        if wanted and row.name not in wanted:
            continue
        try:
            new = shown(row, quick)
        except Refused as error:
            failed.append(row.name)
            print(f"{row.name}: {error}", file=sys.stderr)
            new = {}
        records_by_spec = records(KEPT) | new
        KEPT.write_text(json.dumps(dict(sorted(records_by_spec.items())), indent=1) + "\n", encoding="utf-8")
        write_page(ROOT / EXAMPLES, here(), records_by_spec, twins_by_spec())
    return 1 if failed else 0


def here() -> list[Row]:
    """The rows whose example there is."""
    return [row for row in ROWS if (ROOT / EXAMPLES / f"{row.name}.mai").exists()]


def shown(row: Row, quick: bool) -> dict[str, dict[str, object]]:
    """The pictures of a row, made: what command made each, and after how many steps."""
    (ROOT / PICTURES).mkdir(exist_ok=True)
    folder = trained(row, quick)
    new: dict[str, dict[str, object]] = {}
    for shot in row.shots:
        commands = [filled(row, shot, folder, text) for text in (*shot.before, shot.command)]
        for command in commands:
            mai(command)
        new[shot.file] = {"training": training(row, folder), "commands": commands, "steps": steps_of(folder)}
    return new


def filled(row: Row, shot: Shot, folder: Path, command: str) -> str:
    """A command with its paths, as it is typed."""
    exports = {p.name.split(".")[1]: p.relative_to(ROOT) for p in (ROOT / folder).glob(f"{row.name}.*.onnx")}
    paths = {"spec": EXAMPLES / f"{row.name}.mai", "run": folder, "out": PICTURES / shot.file}
    try:
        return command.format_map({name: str(path) for name, path in (exports | paths).items()})
    except KeyError as error:
        raise Refused(f"there is no export {error}") from error


def trained(row: Row, quick: bool) -> Path:
    """The folder of a row's run, compiled: this text of the spec trained whole, or with `quick` for some steps at least."""
    spec, whole = EXAMPLES / f"{row.name}.mai", RUNS / row.name
    text = digest((ROOT / spec).read_text(encoding="utf-8"))
    if row.quick is None:
        for command in training(row, whole):
            mai(command)
        return whole
    folder = whole if not quick or is_done(ROOT / whole, text) else QUICK / row.name
    if is_done(ROOT / folder, text):
        mai(f"compile {spec} --weights {folder}")
        return folder
    if stamp(ROOT / folder) != text:
        shutil.rmtree(ROOT / folder, ignore_errors=True)
        (ROOT / folder).mkdir(parents=True)
        (ROOT / folder / STAMP).write_text(text, encoding="utf-8")
    *before, last = training(row, folder)
    resume = " --resume" if checkpoints(ROOT / folder) else ""
    for command in (*before, f"{last}{resume} --quiet"):
        mai(command)
    return folder


def training(row: Row, folder: Path) -> list[str]:
    """The commands that make a run, as they are typed."""
    spec = EXAMPLES / f"{row.name}.mai"
    if row.quick is None:
        return [f"compile {spec} --out {folder}"] if _runs(row) else []
    steps = f" --steps {row.quick}" if folder.parent == QUICK else ""
    return [*row.before, f"train {spec} --out {folder}{steps}"]


def _runs(row: Row) -> bool:
    return any(shot.command.startswith("run") for shot in row.shots)


def steps_of(folder: Path) -> int | None:
    """How long the weights of a run were trained."""
    weights = ROOT / folder / "weights.safetensors"
    if not weights.exists():
        return None
    with safe_open(weights, "numpy") as tensors:
        return int(tensors.metadata()["trained_steps"])


def mai(command: str) -> None:
    """A command of the command line, in its own process. Raises `Refused` with what it said."""
    print(f"mai {command}", flush=True)
    words = [sys.executable, "-m", "mai.runtime.cli", *shlex.split(command)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr.strip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
