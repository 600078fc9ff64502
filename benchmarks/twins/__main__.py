"""Train the twins, judge each and its example by one figure, and keep both for the gallery.

python -m benchmarks.twins               all of them: a quarter of an hour; the examples are those of `make gallery`
python -m benchmarks.twins mean_flow     some of them; the others keep their figures
"""

from __future__ import annotations

import json
import sys
import time

import torch

from benchmarks.gallery.__main__ import TWINS as KEPT
from benchmarks.runs import GALLERY, ROOT
from benchmarks.twins import functions, generative
from benchmarks.twins.twin import Map, Twin
from mai.runtime import load

TWINS = (*generative.TWINS, *functions.TWINS)


def main(words: list[str]) -> int:
    unknown = sorted(set(words) - {twin.example for twin in TWINS})
    if unknown:
        print(f"there is no twin {unknown[0]}; there are {', '.join(twin.example for twin in TWINS)}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    for twin in TWINS:
        if not words or twin.example in words:
            kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
            kept[twin.example] = measured(twin)
            KEPT.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", encoding="utf-8")
            print(twin.example, kept[twin.example], flush=True)
    return 0


def measured(twin: Twin) -> dict[str, object]:
    """What is measured, and the figures of the example's file and of the twin, which took some seconds to train."""
    begin = time.process_time()
    by_hand = twin.train()
    seconds = round(time.process_time() - begin)
    return {"says": twin.says, "mai": twin.figure(compiled(twin)), "torch": twin.figure(by_hand), "seconds": seconds}


def compiled(twin: Twin) -> Map:
    """The export of the gallery's run of an example, as a function."""
    model = load(ROOT / GALLERY / twin.example / f"{twin.example}.{twin.export}.onnx", providers="cpu")
    if twin.export == "sample":
        return lambda count: model(batch=count, seed=9)
    return model


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
