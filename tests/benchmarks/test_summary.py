"""The table at the head of the page of benchmarks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmarks.summary import summary

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def test_a_rival_that_was_not_there_is_not_measured(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(RESULTS, tmp_path / "results"))
    file = folder / "text.json"
    text = json.loads(file.read_text(encoding="utf-8"))
    for row in text["figures"]["rows"]:
        for variant in row["variants"].values():
            variant["against"].pop("onnxruntime-genai", None)
    file.write_text(json.dumps(text), encoding="utf-8")
    rows = [line for line in summary(folder).splitlines() if "onnxruntime-genai" in line]
    assert rows and all(row.endswith("| not measured |") for row in rows)
    assert "not measured" not in summary(RESULTS)
