"""Compute what the examples claim, measure what they cannot, and write `docs/fidelity.md`.

python -m benchmarks.fidelity                     all of it: hours of training the first time, minutes after
python -m benchmarks.fidelity moons_flow limits   some examples and chapters; the others keep their last figures
python -m benchmarks.fidelity --page              the page alone, of the last figures
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from typing import Any

import benchmarks.fidelity
from benchmarks.fidelity import examples
from benchmarks.fidelity.claim import Claim
from benchmarks.measure import RESULTS, processor, table
from benchmarks.runs import ROOT

HEAD = ["system", "what mathematics says", "needed", "measured", "holds", "source"]
KEPT = RESULTS / "fidelity.json"
PAGE = ROOT / "docs" / "fidelity.md"
RESERVED = {"claim", "examples", "__main__"}
TOP = """# Fidelity

Do compiled files compute what the mathematics says? Most examples make claims about their trained models: that a density integrates to one, say, or
that samples lie near the data. `mai train` checks the claims after training, and `mai verify` checks them again. This page has every claim,
and the numbers that were measured with the compiled files. `make fidelity` measures them again; the commands for one example stand below its name.

## What the examples claim

In each table, "where it holds least" has the two sides of the comparison for the example, or the draw, that comes closest to failing. "mean"
is the left side on average, and "over" says over how many examples; 5 x 256 are 256 examples with each of 5 seeds.
"""
BESIDE = """## Beside other programs, and over several trainings

Some things one spec cannot say about itself: how it compares with another program, or with itself at another size. Each of these tables
is made by the command above it.
"""
SEEN = """## What the claims see

Would the claims notice a mistake in the compiler? To find out, thirty single mistakes are put into solvers and passes, one at a time. For each one the
claims of the examples are compiled again, with weights that were trained without the mistake, until a claim fails.
`python -m benchmarks.seeded` does it again.
"""
TESTED = """## What the tests see

And the tests? Sixty single mistakes, drawn by a seed, are put into passes, operations and interpreters, one at a time, and the tests run until one fails.
Mistakes that change nothing that can be seen are replaced by others; they are named in `benchmarks/mutations/equivalent.py`, with the reason.
`python -m benchmarks.mutations --anew` does it again.
"""
Kept = dict[str, dict[str, Any]]


def chapters() -> list[str]:
    """The modules that measure claims of their own; each has `claims()`, and its docstring's first line is its title."""
    return sorted(m.name for m in pkgutil.iter_modules(benchmarks.fidelity.__path__) if m.name not in RESERVED)


def main(words: list[str]) -> int:
    all_chapters, claiming = chapters(), examples.claiming()
    wanted = [word for word in words if word != "--page"]
    unknown = [name for name in wanted if name not in (*all_chapters, *claiming)]
    if unknown:
        print(f"there is no {unknown[0]}; there are {', '.join([*claiming, *all_chapters])}", file=sys.stderr)
        return 2
    for name in [] if "--page" in words else wanted or [*claiming, *all_chapters]:
        print(f"{name} ...", flush=True)
        kept = last_figures()
        kind, record = ("examples", examples.measure(name)) if name in claiming else ("chapters", _chapter(name))
        KEPT.write_text(json.dumps(kept | {kind: kept[kind] | {name: record}}, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(last_figures()), encoding="utf-8")
    return 0 if all_hold(last_figures()) else 1


def _chapter(name: str) -> dict[str, Any]:
    module = importlib.import_module(f"benchmarks.fidelity.{name}")
    title = (module.__doc__ or name).splitlines()[0].rstrip(".")
    return {"title": title, "claims": [claim.data for claim in module.claims()]}


def last_figures() -> Kept:
    """The last figures of every example and chapter: another run may have written some in the meantime."""
    return {"examples": {}, "chapters": {}} | dict(json.loads(KEPT.read_text(encoding="utf-8")))


def all_hold(kept: Kept) -> bool:
    """Whether nothing fails of what there is."""
    said = [finding["holds"] for record in kept["examples"].values() for finding in record["findings"]]
    return all(said) and all(claim["holds"] for record in kept["chapters"].values() for claim in record["claims"])


def page(kept: Kept) -> str:
    """The page of these figures."""
    parts = [TOP]
    for name in [name for name in examples.claiming() if name in kept["examples"]]:
        parts += examples.section(name, kept["examples"][name])
    parts += [SEEN, *_seen(), TESTED, *_tested(), BESIDE]
    for name in [name for name in chapters() if name in kept["chapters"]]:
        record = kept["chapters"][name]
        parts.append(f"### {record['title']}\n\n```sh\npython -m benchmarks.fidelity {name}\n```\n")
        parts.append(table(HEAD, [Claim(**claim).row for claim in record["claims"]]) + "\n")
    return "\n".join([*parts, f"On two cores of: {processor()}.\n"])


def _seen() -> list[str]:
    """What became of the faults that `benchmarks.seeded` has sown."""
    from benchmarks.seeded.__main__ import last_outcomes
    from benchmarks.seeded.faults import FAULTS

    seen = last_outcomes()
    rows = [[f.wrong, f"`{f.path}`", seen[f.wrong] or "**none**"] for f in FAULTS if f.wrong in seen]
    count = sum(by is not None for by in seen.values())
    return [
        f"{count} of {len(seen)} make a claim fail.\n",
        table(["fault", "in", "the first claim that fails"], rows) + "\n",
    ]


def _tested() -> list[str]:
    """What became of the faults of `benchmarks.mutations`."""
    from benchmarks.mutations.outcomes import COLUMNS, table_rows

    rows = table_rows()
    seen = [by for *_, by in rows if by != "**none**"]
    slow = sum(by.startswith("slow: ") for by in seen)
    return [
        f"`make fast` sees {len(seen) - slow} of {len(rows)}, `make test` {len(seen)}.\n",
        table(COLUMNS, rows) + "\n",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
