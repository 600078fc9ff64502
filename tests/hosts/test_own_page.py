"""What a web developer writes from the guide: a page of one's own, a worker in TypeScript; and the types of `mai.mjs`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from docs.site.code import Piece, pieces
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.model.manifest import Manifest, Port
from tests.support.hosts import CHROMIUM, INSTALLED, LIBRARY, PLAYGROUND

ROOT = Path(__file__).parents[2]
TYPES = LIBRARY.with_name("mai.d.mts")
GUIDE = pieces(ROOT / "docs" / "guides" / "app.md")
OF_THE_RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
EXPORTED = r"^export (?:declare )?(?:async )?(?:function|class|const) (\w+)"
SPEC = "export sample(steps: int = 3) -> [2] {\n  x ~ normal([2])\n  return x * steps\n}\n"


def only(language: str) -> list[Piece]:
    return [piece for piece in GUIDE if piece.language == language]


def fields(interface: str) -> dict[str, str]:
    (body,) = re.findall(rf"^export interface {interface} {{\n(.*?)^}}", TYPES.read_text(), re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^  (\w+)\??: (.*);$", body, re.MULTILINE))


def test_the_types_are_of_what_the_module_has() -> None:
    declared, there = (set(re.findall(EXPORTED, file.read_text(), re.MULTILINE)) for file in (TYPES, LIBRARY))
    assert declared == there and {"load", "Model", "ModelError"} <= there
    assert set(fields("Manifest")) <= set(Manifest.model_fields) and set(fields("Port")) <= set(Port.model_fields)
    options = re.findall(r"export async function load\(ort, source, \{ (.*?) \}", LIBRARY.read_text())[0].split(", ")
    assert set(fields("LoadOptions")) == set(options)


@pytest.mark.slow
def test_the_types_fit_what_the_guide_writes(tmp_path: Path) -> None:
    compiler = INSTALLED / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.is_file():
        pytest.skip("needs npm's typescript: `make test` installs it")
    (tmp_path / "node_modules").symlink_to(INSTALLED / "node_modules")
    (tmp_path / "worker.ts").write_text(next(piece.text for piece in only("ts") if "onmessage" in piece.text))
    wrong = 'import { load } from "./mai.mjs";\nexport const n: number = await load({} as any, "a.onnx");\n'
    (tmp_path / "wrong.ts").write_text(wrong)
    for file in (LIBRARY, TYPES):
        shutil.copy(file, tmp_path)
    settings = ["--noEmit", "--strict", "--target", "ES2022", "--module", "ESNext", "--moduleResolution", "bundler"]
    checked = [
        subprocess.run(["node", compiler, *settings, "--skipLibCheck", "--lib", "ES2022,DOM,WebWorker", name],
                       cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
        for name in ("worker.ts", "wrong.ts")
    ]  # fmt: skip
    assert checked[0].stdout == "" and checked[0].returncode == 0
    assert "Type 'Model' is not assignable to type 'number'" in checked[1].stdout


class Quiet(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *_: Any) -> None: ...


@pytest.mark.slow
def test_a_page_of_ones_own_runs_the_file(program: Any, tmp_path: Path) -> None:
    """With the files that the guide names, and no others."""
    modules, runtime = PLAYGROUND / "node_modules", INSTALLED / "node_modules" / "onnxruntime-web" / "dist"
    if (
        CHROMIUM is None
        or shutil.which("node") is None
        or not (modules / "playwright-core").is_dir()
        or not runtime.is_dir()
    ):
        pytest.skip("needs Chromium and npm: `make test` installs the rest")
    made = program(SPEC)
    file = export(made, "sample", Trained(load_weights(made, None)[0]), tmp_path, CompileOptions(verify=False)).path
    file.rename(tmp_path / "flow.sample.onnx")
    (page,) = only("html")
    (tmp_path / "index.html").write_text(page.text, encoding="utf-8")
    for beside in (LIBRARY, *(runtime / name for name in OF_THE_RUNTIME)):
        assert beside.name in (ROOT / "docs" / "guides" / "app.md").read_text(encoding="utf-8")
        shutil.copy(beside, tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    Thread(target=server.serve_forever, daemon=True).start()
    command = ["node", str(Path(__file__).with_name("open_page.mjs")), str(PLAYGROUND), str(CHROMIUM)]
    address = f"http://127.0.0.1:{server.server_port}/index.html"
    done = subprocess.run([*command, address, "#points"], capture_output=True, text=True, timeout=200, check=False)
    server.shutdown()
    said = json.loads(done.stdout)
    assert said["errors"] == []
    shown = np.array([[float(number) for number in row.split(",")] for row in said["shown"].split("\n")])
    np.testing.assert_allclose(shown, load(tmp_path / "flow.sample.onnx", providers="cpu")(batch=5, seed=0), atol=1e-5)
