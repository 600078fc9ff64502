"""What a web developer writes from the guide: a page of one's own, a worker in TypeScript; and the types of `mai.mjs`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from docs.site.code import Piece, pieces
from mai.runtime import load
from mai.runtime.model.manifest import Manifest, Port
from tests.support.hosts import CHROMIUM, INSTALLED, LIBRARY, PLAYGROUND

ROOT = Path(__file__).parents[2]
TYPES = LIBRARY.with_name("mai.d.mts")
GUIDE = pieces(ROOT / "docs" / "guides" / "app.md")
OF_THE_RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
EXPORTED = r"^export (?:declare )?(?:async )?(?:function|class|const) (\w+)"


READY = (ROOT / "docs" / "guides" / "flow.sample.onnx", ROOT / "docs" / "guides" / "flow.sample.step.onnx")
DRAWING = """
globalThis.ImageData = class {
  constructor(width, height) { Object.assign(this, { width, height, data: new Uint8ClampedArray(4 * width * height) }); }
};
const seen = [];
const pen = { clearRect() {}, fillRect: (x, y) => seen.push([x, y]), putImageData: ({ data }) => seen.push([...data]) };
const canvas = { width: 10, height: 20, getContext: () => pen };
const { drawPoints, drawImage } = await import("./draw.mjs");
drawPoints(canvas, { data: [0, 0, -1, 1], dims: [2, 2] }, 1);
drawImage(canvas, { data: [9, 9, -1, 1.5, 0, -2], dims: [3, 1, 1, 2] }, 1);
drawImage(canvas, { data: [-1, 0, 1], dims: [1, 3, 1, 1] });
console.log(JSON.stringify([...seen, canvas.width, canvas.height]));
"""


@pytest.mark.parametrize("file", READY, ids=lambda file: file.name)
def test_the_ready_files_are_of_the_guide(file: Path) -> None:
    """`mai train`, `mai compile --progress` of its spec, and a copy of both files make them anew."""
    (spec,) = (piece.text for piece in GUIDE if piece.name == "flow.mai")
    model = load(file, providers="cpu")
    assert model.manifest.spec_sha256 == sha256(spec.encode()).hexdigest()
    assert file.stat().st_size < 55_000
    model.verify()


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
@pytest.mark.slow
def test_the_guide_draws_points_and_images(tmp_path: Path) -> None:
    draw = next(piece for piece in only("js") if piece.name == "draw.mjs")
    (tmp_path / draw.name).write_text(draw.text, encoding="utf-8")
    (tmp_path / "call.mjs").write_text(DRAWING, encoding="utf-8")
    done = subprocess.run(["node", "call.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True)
    points, grey, coloured = [[5, 10], [0, 0]], [0, 0, 0, 255, 255, 255, 255, 255], [0, 128, 255, 255]
    assert json.loads(done.stdout) == [*points, grey, coloured, 1, 1]


def only(language: str) -> list[Piece]:
    return [piece for piece in GUIDE if piece.language == language]


def fields(interface: str) -> dict[str, str]:
    (body,) = re.findall(rf"^export interface {interface} {{\n(.*?)^}}", TYPES.read_text(), re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^  (\w+)\??: (.*);$", body, re.MULTILINE))


def test_the_types_are_of_what_the_module_has() -> None:
    declared, there = (set(re.findall(EXPORTED, file.read_text(), re.MULTILINE)) for file in (TYPES, LIBRARY))
    assert declared == there and {"load", "Model", "ModelError"} <= there
    assert set(fields("Manifest")) <= set(Manifest.model_fields) and set(fields("Port")) <= set(Port.model_fields)
    options = re.findall(
        r"export async function load\(ort, source, options\) {\n  const { (.*?) } =", LIBRARY.read_text()
    )[0].split(", ")
    assert set(fields("LoadOptions")) == set(options)


@pytest.mark.slow
def test_the_types_fit_what_the_guide_writes(tmp_path: Path) -> None:
    compiler = INSTALLED / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.is_file():
        pytest.skip("needs npm's typescript: `make test` installs it")
    (tmp_path / "node_modules").symlink_to(INSTALLED / "node_modules")
    for name, sign in (("worker.ts", "MessageEvent"), ("ask.ts", "terminate()")):
        (tmp_path / name).write_text(next(piece.text for piece in only("ts") if sign in piece.text))
    wrong = """import { load } from "./mai.mjs";
export const n: number = await load({} as any, "a.onnx");
export const f = async (o: any) => { const whole: Float32Array | number[] | Uint8Array = (await (await load(o, "a")).run())["f"]!.data; return whole; };
"""
    (tmp_path / "wrong.ts").write_text(wrong)
    for file in (LIBRARY, TYPES):
        shutil.copy(file, tmp_path)
    settings = ["--noEmit", "--strict", "--target", "ES2022", "--module", "ESNext", "--moduleResolution", "bundler"]
    checked = [
        subprocess.run(["node", compiler, *settings, "--skipLibCheck", "--lib", "ES2022,DOM,WebWorker", name],
                       cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
        for name in ("worker.ts", "ask.ts", "wrong.ts")
    ]  # fmt: skip
    assert [(done.stdout, done.returncode) for done in checked[:2]] == [("", 0)] * 2
    assert "Type 'Model' is not assignable to type 'number'" in checked[2].stdout
    assert "Type '(number | bigint)[]' is not assignable" in checked[2].stdout


class Quiet(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *_: Any) -> None: ...


@pytest.mark.slow
def test_the_pages_of_the_guide_run(tmp_path: Path) -> None:
    """With the files that the guide names, and no others: one shows points, one shows them on their way."""
    modules, runtime = PLAYGROUND / "node_modules", INSTALLED / "node_modules" / "onnxruntime-web" / "dist"
    if (
        CHROMIUM is None
        or shutil.which("node") is None
        or not (modules / "playwright-core").is_dir()
        or not runtime.is_dir()
    ):
        pytest.skip("needs Chromium and npm: `make test` installs the rest")
    for page, name in zip(only("html"), ("points.html", "way.html"), strict=True):
        (tmp_path / name).write_text(page.text, encoding="utf-8")
    draw = next(piece for piece in only("js") if piece.name == "draw.mjs")
    (tmp_path / draw.name).write_text(draw.text, encoding="utf-8")
    for beside in (LIBRARY, *READY, *(runtime / name for name in OF_THE_RUNTIME)):
        assert beside.name in (ROOT / "docs" / "guides" / "app.md").read_text(encoding="utf-8")
        shutil.copy(beside, tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    Thread(target=server.serve_forever, daemon=True).start()
    command = ["node", str(Path(__file__).with_name("open_page.mjs")), str(PLAYGROUND), str(CHROMIUM)]
    address = f"http://127.0.0.1:{server.server_port}"
    said = [
        json.loads(subprocess.run([*command, f"{address}/{name}", place], capture_output=True, text=True, timeout=200, check=False).stdout)
        for name, place in (("points.html", "#points"), ("way.html", "output"))
    ]  # fmt: skip
    server.shutdown()
    assert [one["errors"] for one in said] == [[], []] and said[1]["shown"] == "done"
    shown = np.array([[float(number) for number in row.split(",")] for row in said[0]["shown"].split("\n")])
    np.testing.assert_allclose(shown, load(tmp_path / "flow.sample.onnx", providers="cpu")(batch=5, seed=0), atol=1e-5)
