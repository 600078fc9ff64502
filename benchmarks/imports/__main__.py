"""Unusual folders of models: `python -m benchmarks.imports [NAME...] --count 20`; trial i of a seed is the same on every machine.

A trial changes up to three fields of a small model's config, and its files, lets transformers load the folder, imports it, and compares all
exports. Right is within 2e-4 of the largest number; where the reference in float32 is further than that from itself in float64, as near to that
as it is. What is printed: each trial that is wrong or ends in an error, and counts. `--fields` changes each field of a config alone; `--derived`
compares specs of configs with those of what the reference makes of them.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import warnings
from collections import Counter
from pathlib import Path

from benchmarks.imports.derived import misread_configs
from benchmarks.imports.fields import unread_fields
from benchmarks.imports.subject import Subject
from benchmarks.imports.subjects import KINDS, subjects
from benchmarks.imports.trial import attempt


def main() -> None:
    all_subjects = subjects()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of models, as the tests have them: " + ", ".join(all_subjects))
    parser.add_argument("--count", type=int, default=10, help="trials of each")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first trial")
    parser.add_argument("--verbose", action="store_true", help="print refused and right ones, too")
    parser.add_argument(
        "--fields",
        action="store_true",
        help="change each field alone: print those that change results and not the spec",
    )
    parser.add_argument(
        "--derived",
        action="store_true",
        help="print configs that are not read as the config that the reference makes of them",
    )
    arguments = parser.parse_args()
    _be_quiet()
    if arguments.derived:
        raise SystemExit(_print_misread_configs(arguments.names, arguments.count))
    if arguments.fields:
        raise SystemExit(_print_unread_fields(arguments.names))
    whole: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names or all_subjects:
            whole += _trials(name, all_subjects[name], arguments, Path(folder) / "model")
    print(dict(whole))
    raise SystemExit(1 if whole["wrong"] or whole["crash"] else 0)


def _trials(name: str, subject: Subject, arguments: argparse.Namespace, folder: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for number in range(arguments.seed, arguments.seed + arguments.count):
        outcome = attempt(subject, folder, random.Random(f"{name} {number}"))
        counts[outcome.kind] += 1
        if arguments.verbose or outcome.kind in ("wrong", "crash"):
            print(f"{name} {number} {outcome.kind}: {outcome.said}\n    {outcome.changed}", flush=True)
    print(f"{name}: {dict(counts)}", flush=True)
    return counts


def _print_unread_fields(names: list[str]) -> int:
    """Of models by their names, or of all; how many there are."""
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        cases = ((name, case, inputs) for several, inputs in KINDS for name, case in several.items())
        for name, case, inputs in cases:
            for said in unread_fields(case, inputs, Path(folder) / "model") if not names or name in names else ():
                print(f"{name}: {said}", flush=True)
                count += 1
    return count


def _print_misread_configs(names: list[str], count: int) -> int:
    """Of so many configs of each of the models, or of all; how many there are."""
    several = {name: case for cases, _ in KINDS for name, case in cases.items() if not names or name in names}
    number = 0
    for name, case in several.items():
        for said in misread_configs(case, count):
            print(f"{name}: {said}", flush=True)
            number += 1
    return number


def _be_quiet() -> None:
    """Nothing of the libraries' own about weights that are missing or not used, and about what is read."""
    os.environ["TQDM_DISABLE"] = "1"
    warnings.filterwarnings("ignore")
    import diffusers
    import transformers

    diffusers.logging.set_verbosity(60)
    diffusers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


if __name__ == "__main__":
    main()
