"""Measure every claim and write `docs/fidelity.md`.

python -m benchmarks.fidelity             all of it: hours of training the first time, minutes after
python -m benchmarks.fidelity solvers     the claims of some systems; the others keep their last figures
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import time
from typing import Any

import benchmarks.fidelity
from benchmarks.fidelity.claim import Claim
from benchmarks.measure import RESULTS, processor, table
from benchmarks.runs import ROOT

HEAD = ["system", "what mathematics says", "needed", "measured", "holds", "source"]
KEPT = RESULTS / "fidelity.json"
PAGE = ROOT / "docs" / "fidelity.md"
RESERVED = {"claim", "__main__"}


def chapters() -> list[str]:
    """The modules that make claims; each has `claims()`, and its docstring's first line is its title."""
    return sorted(m.name for m in pkgutil.iter_modules(benchmarks.fidelity.__path__) if m.name not in RESERVED)


def main(wanted: list[str]) -> int:
    known = chapters()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"there is no chapter {unknown[0]}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    for name in wanted or known:
        module = importlib.import_module(f"benchmarks.fidelity.{name}")
        began = time.perf_counter()
        made = [c.data for c in module.claims()]
        title = (module.__doc__ or name).splitlines()[0].rstrip(".")
        held = _held() | {name: {"title": title, "claims": made, "seconds": round(time.perf_counter() - began)}}
        _write({n: held[n] for n in known if n in held})
        for claim in made:
            print(
                f"{'holds' if claim['holds'] else 'FAILS'}  {claim['system']}: {claim['statement']}: {claim['measured']}"
            )
    return 0 if all(c["holds"] for part in _held().values() for c in part["claims"]) else 1


def _held() -> dict[str, Any]:
    """The last figures of every chapter: another run may have written some in the meantime."""
    return dict(json.loads(KEPT.read_text(encoding="utf-8"))) if KEPT.exists() else {}


def _write(held: dict[str, Any]) -> None:
    parts = [
        "# Fidelity",
        "",
        "What mathematics says of the systems, and what this compiler's files do: made by `make fidelity`.",
    ]
    for part in held.values():
        claims = [Claim(**c) for c in part["claims"]]
        parts += ["", f"## {part['title']}", "", table(HEAD, [c.row for c in claims])]
    parts += ["", f"On two cores of: {processor()}.", ""]
    RESULTS.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
