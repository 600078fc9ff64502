"""What ONNX Runtime's own CUDA provider says of files, beside the stand-in: run in a process that finds its libraries.

    python -m benchmarks.placement.asked FILE...      a line of JSON for each file

A line has `graphs`, the copies that ONNX Runtime has put into each graph, `[path, to the host, from it]`, and `host`, how many nodes of
each operator it computes on the CPU, from what it logs as a session opens.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort

VERBOSE = 0
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
PLACED = re.compile(r"VerifyEachNodeIsAssignedToAnEp\] +(?:Node\(s\) placed on \[(\w+)\]|(\w+) \()")


def ask(paths: Sequence[Path], environment: dict[str, str]) -> list[dict[str, Any]]:
    """What a process with the stand-in's environment says of each file."""
    words = [sys.executable, "-m", "benchmarks.placement.asked", *map(str, paths)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _answer(path: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        options, placed = ort.SessionOptions(), str(Path(folder) / "placed.onnx")
        options.log_severity_level, options.log_verbosity_level = VERBOSE, 1
        options.optimized_model_filepath = placed
        log = _logged(lambda: ort.InferenceSession(str(path), options, providers=[CUDA, CPU]), Path(folder) / "log")
        graphs = [[name, *_copies(graph)] for name, graph in _graphs(onnx.load(placed).graph, "")]
    return {"graphs": graphs, "host": _on_host(log)}


def _logged(open_session: Any, file: Path) -> str:
    """What ONNX Runtime writes to the standard error as a session opens, from wherever it does."""
    kept = os.dup(2)
    with file.open("wb") as log:
        os.dup2(log.fileno(), 2)
        try:
            open_session()
        finally:
            os.dup2(kept, 2)
    return file.read_text(encoding="utf-8", errors="replace")


def _on_host(log: str) -> Counter[str]:
    provider, host = "", Counter[str]()
    for named, operator in PLACED.findall(log):
        provider = named or provider
        host.update([operator] if operator and provider == CPU else [])
    return host


def _graphs(graph: onnx.GraphProto, path: str) -> Iterator[tuple[str, onnx.GraphProto]]:
    yield path, graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g, f"{path}/{node.op_type}".lstrip("/"))


def _copies(graph: onnx.GraphProto) -> tuple[int, int]:
    operators = Counter(node.op_type for node in graph.node)
    return operators["MemcpyToHost"], operators["MemcpyFromHost"]


if __name__ == "__main__":
    for word in sys.argv[1:]:
        print(json.dumps(_answer(Path(word))), flush=True)
