"""Pages of compiled files: what is in them, and that a browser runs them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export, export_step
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.errors import ModelError
from mai.runtime.model.findings import Finding
from mai.runtime.model.manifest import Chat, Facts, Manifest, Port, Text
from mai.runtime.web.page import ORT, PUBLIC, VERSIONS, WEB, write_page
from tests.support.command import invoke
from tests.support.hosts import CHROMIUM, INSTALLED, PIECES, TEXT

POINTS = "# Points <b>anywhere</b>.\nexport f() -> [2] {\n  x ~ normal([2])\n  return x\n}\n"
MODULES = INSTALLED / "node_modules"
TELLING = "setInterval(() => fetch('/told', {method: 'POST', body: document.body.innerText}), 500)"


def embedded(page: str) -> dict[str, bytes]:
    """The files in a page, by their names."""
    matches = re.findall(r'<script type="application/octet-stream" id="([^"]+)">([^<]*)</script>', page)
    return {name: b64decode(data) for name, data in matches}


def modules(page: str) -> dict[str, str]:
    (text,) = re.findall(r'<script type="importmap">(.*?)</script>', page)
    record: dict[str, str] = json.loads(text)["imports"]
    return record


@pytest.fixture
def points(program: Any, tmp_path: Path) -> Path:
    claims = (
        Finding(claim="small", text="y < 1", holds=True, comparison="<", left=0.5, right=1.0),
        Finding(claim="wrong", text="1 < 0", holds=False, comparison="<", left=1.0, right=0.0),
    )
    return export(program(POINTS), "f", Trained({}, claims=claims), tmp_path, CompileOptions(verify=False)).path


def test_a_page_holds_the_files_and_all_code(points: Path, program: Any, tmp_path: Path) -> None:
    text = program(TEXT)
    weights, _ = load_weights(text, None)
    whole = export(text, "generate", Trained(weights, tokenizer="bytes"), tmp_path, CompileOptions(verify=False)).path
    step = export_step(text, "generate", Trained(weights, tokenizer="bytes"), tmp_path, CompileOptions(verify=False))
    assert step is not None
    out = tmp_path / "page.html"
    write_page([points, whole, step.path], out)
    page = out.read_text(encoding="utf-8")
    with pytest.raises(ModelError, match=r"spec\.generate\.step\.onnx is one turn, or some, of another file"):
        write_page([step.path], out)
    names = [points, whole, step.path]
    assert list(embedded(page).values()) == [path.read_bytes() for path in names]
    for name in ("mai.mjs", "view.mjs", "controls.mjs", "pictures.mjs", "plane.mjs", "remote.mjs", "worker.mjs"):
        head, _, data = modules(page)[name].partition(",")
        assert head == "data:text/javascript;base64"
        assert b64decode(data) == (WEB / name).read_bytes()
    assert modules(page).keys() == {*(p.name for p in WEB.iterdir() if p.name.endswith(".mjs")), ORT}
    assert modules(page)[ORT].startswith(f"{PUBLIC}{ORT}@{VERSIONS[ORT]}/")
    assert "Points &lt;b&gt;anywhere&lt;/b&gt;" in page
    assert "<b>anywhere" not in page
    claims = [entry["claims"] for entry in json.loads(re.findall(r"const files = (.*?)\.map\(", page)[0])]
    assert claims == [
        [{"holds": True, "words": "small: y < 1: 0.5 < 1"}, {"holds": False, "words": "wrong: 1 < 0: 1 < 0"}], [],
    ]  # fmt: skip


def test_a_folder_of_the_runtime_goes_into_the_page(points: Path, tmp_path: Path) -> None:
    folder = tmp_path / "node_modules" / ORT / "dist"
    folder.mkdir(parents=True)
    (folder / "ort.wasm.bundle.min.mjs").write_text("export const env = {};")
    out = tmp_path / "page.html"
    with pytest.raises(ModelError, match=r"node_modules has no onnxruntime-web/dist/ort-wasm-simd-threaded\.wasm"):
        write_page([points], out, tmp_path / "node_modules")
    assert not out.exists()
    (folder / "ort-wasm-simd-threaded.wasm").write_bytes(b"\0asm")
    about = {"name": ORT, "version": "1.30.0", "license": "MIT"}
    (folder.parent / "package.json").write_text(json.dumps(about))
    write_page([points], out, tmp_path / "node_modules")
    page = out.read_text(encoding="utf-8")
    assert embedded(page)["wasm"] == b"\0asm"
    assert "://" not in modules(page)[ORT]
    shown = page[page.index("<details") : page.index("</details>")]
    assert "onnxruntime-web 1.30.0, MIT" in shown and "Copyright (c) Microsoft Corporation" in shown
    write_page([points], out)
    assert "Licences" not in out.read_text(encoding="utf-8")


def test_a_page_has_an_end(points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mai.runtime.web.page.MAX_BYTES", 1000.0)
    with pytest.raises(ModelError, match="a page holds up to 0 MB of files"):
        write_page([points], tmp_path / "page.html")


def test_a_run_is_a_page(points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("page", points.parent).exit_code == 0
    assert [*embedded(Path("spec.f.html").read_text()).values()] == [points.read_bytes()]
    (tmp_path / "empty").mkdir()
    assert "no .onnx files" in str(invoke("page", tmp_path / "empty").exception)


def read_by(folder: Path, script: str, about: Manifest) -> Any:
    """What a script of this folder prints of a manifest, with a page's modules by their names."""
    (folder / "manifest.json").write_text(about.model_dump_json())
    for file in (*(WEB.iterdir()), Path(__file__).parent / script):
        if file.name.endswith(".mjs"):
            package = folder / "node_modules" / file.name
            package.mkdir(parents=True)
            (package / "index.mjs").write_bytes(file.read_bytes())
            (package / "package.json").write_text('{"main": "index.mjs"}')
    words = ["node", f"node_modules/{script}/index.mjs", "manifest.json"]
    return json.loads(subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_a_conversation_on_a_page(tmp_path: Path) -> None:
    """Each answer is asked for with all messages before it; one that is stopped stays as far as it came."""
    setting = {"kind": "setting", "dtype": "int64"}
    settings = [Port(name=n, default=d, **setting) for n, d in (("count", 128), ("stop", 1))]
    text = Text(prompt="x", count="count", usual=128)
    about = Manifest(
        name="t", export="f", inputs=[], settings=settings, outputs=[], spec_sha256="", opset=23, text=text, chat=Chat(templates={}),
    )  # fmt: skip
    said = read_by(tmp_path, "read_talk.mjs", about)
    hello, answer = {"role": "user", "content": "hello"}, {"role": "assistant", "content": "an answer"}
    more = {"count": 128, "values": {"stop": 1}}
    system, again = {"role": "system", "content": "be brief"}, {"role": "user", "content": "again"}
    assert said["asked"] == [
        ["chat", {"messages": [hello], **more}], ["chat", {"messages": [system, hello, answer, again], **more}]
    ]  # fmt: skip
    assert said["shown"] == [["user", "hello"], ["assistant", "an answer"], ["user", "again"], ["assistant", "an "]]
    assert said["messages"] == [hello, answer, again, {"role": "assistant", "content": "an "}]
    assert said["left"] == 0


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_a_form_reads_one_row(tmp_path: Path) -> None:
    """A slider begins at the middle, an emptied one is what is missing; a menu ends with what is not known; a date is picked.

    Arrow keys move sliders, their fields and settings by steps of their size.
    """
    facts = Facts(low=[0.5], high=[80.5], middle=[28.5])
    dates = {form: Facts(low=[10957], high=[19844], middle=[19723.5], dates=[form]) for form in ("day", "utc")}
    real = {"dtype": "float32", "batch": True}
    ports = {**real, "gaps": True}, {"dtype": "int64", "batch": True, "classes": 3, "field": "sex"}
    named = [*zip(("age", "sex"), ports, strict=True), *((form, real) for form in dates)]
    inputs = [Port(name=name, kind="input", **port) for name, port in named]
    about = Manifest(
        name="t", export="f", inputs=inputs, settings=[], outputs=[], spec_sha256="", opset=23,
        labels={"sex": ["f", "m"]}, facts={"age": facts, **dates},
    )  # fmt: skip
    said = read_by(tmp_path, "read_form.mjs", about)
    assert said["isForm"] and said["moved"]["age"] == [33] and said["menu"] == ["f", "m", "not known"]
    assert said["grades"] == [0, 81, 1, 1] and said["settings"] == [[0, 0.1], ["", 0.1], [0, 0.0001], [0, 1]]
    assert said["first"] == {"age": [28.5], "sex": [0], "day": ["2024-01-01"], "utc": ["2024-01-01T12:00Z"]}
    assert said["last"] == {"age": ["NaN"], "sex": ["2"], "day": ["2024-01-01"], "utc": ["2024-01-01T12:00Z"]}
    assert said["bad"] == "what is written for age is no number"
    assert said["pickers"] == [["date", "2024-01-01"], ["datetime-local", "2024-01-01T12:00"]]
    assert said["answered"] == ["2024-01-02\n2024-05-01\nNaN", "2024-01-01 15:00\n2024-05-01 08:25\nNaN"]
    assert said["whole"] == "1152921504606846977\n123456789\n0.12346"
    assert said["crop"] == {"from": [25, 0, 50, 50], "to": [0, 0, 10, 10]}
    assert said["cut"] == {"from": [0, 0, 100, 50], "to": [-15, -5, 40, 20]}
    assert said["squeezed"] == {"from": [0, 0, 100, 50], "to": [-10, -5, 30, 20]}
    assert said["pad"] == {"from": [0, 0, 100, 50], "to": [0, 2.5, 10, 5]}
    assert said["spans"] == [[-1, 1], [-1, 1], [0, 255]]
    numbered, labelled = said["numbered"], said["labelled"]
    assert numbered == {"initial": [[0], [*range(20)], [False], [3]], "fields": ["seed", "examples", "on", "n"]}
    assert labelled["initial"][1] == [*range(40)] and labelled["fields"] == ["y", "examples"]


def test_the_tests_have_the_versions_that_pages_take() -> None:
    installed = json.loads((Path(__file__).parent / "package.json").read_text())["dependencies"]
    assert {
        name: version for name, version in installed.items() if not name.startswith(("vscode-", "typescript"))
    } == VERSIONS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{file}", "--out", "{folder}/page.png"], "a page ends in .html, page.png does not"),
        (["{folder}/none.onnx", "--out", "{folder}/page.html"], "cannot open"),
    ],
)
def test_errors(points: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    words = [word.format(file=points, folder=tmp_path) for word in arguments]
    result = invoke("page", *words)
    assert message in str(result.exception)


class Told(SimpleHTTPRequestHandler):
    """Serves a folder; what is posted goes into a queue."""

    heard: Queue[str] = Queue()

    def do_POST(self) -> None:
        self.heard.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """Opens a page of a folder in a browser; yields what it shows, as that changes."""
    if CHROMIUM is None or not (MODULES / ORT).is_dir():
        pytest.skip("needs Chromium, and onnxruntime-web by `make test`")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Told, directory=str(tmp_path)))
    Thread(target=server.serve_forever, daemon=True).start()
    opened: list[subprocess.Popen[bytes]] = []

    def shown(name: str, wanted: str, seconds: int = 60) -> str:
        address = f"http://127.0.0.1:{server.server_port}/{name}"
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}"]
        command = [str(CHROMIUM), *flags, address]
        opened.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        text = ""
        for _ in range(2 * seconds):
            try:
                text = Told.heard.get(timeout=0.5)
            except Empty:
                continue
            if re.search(wanted, text):
                break
        return text

    yield shown
    for process in opened:
        process.kill()
        process.wait()
    server.shutdown()


def test_a_browser_runs_it(browser: Any, points: Path, program: Any, tmp_path: Path) -> None:
    """Points, whole numbers and truths, and a text that streams, whose tokens are pieces."""
    truths = program("export same(k: int[3], on: bool[2]) -> (int[3], bool[2]) { return (0 * k, on or not on) }\n")
    same = export(truths, "same", Trained({}), tmp_path, CompileOptions(verify=False)).path
    text = program(TEXT)
    weights, _ = load_weights(text, None)
    trained, options = Trained(weights, tokenizer=PIECES), CompileOptions(verify=False)
    whole = export(text, "generate", trained, tmp_path, options).path
    assert export_step(text, "generate", trained, tmp_path, options)
    out = tmp_path / "page.html"
    write_page([points, same, whole], out, MODULES)
    page = out.read_text(encoding="utf-8")
    out.write_text(page.replace("</html>", f"<script>{TELLING}</script></html>"), encoding="utf-8")
    shown = browser("page.html", r"(?s)true  true.*characters in|cannot|failed")
    assert "0  0  0" in shown and "true  true" in shown
    assert re.search(r"1,000 examples in [\d.]+ s", shown)
    assert "1 of 2 things that it claims hold" in shown and "FAILS: wrong: 1 < 0: 1 < 0" in shown
    result = load(whole, providers="cpu")(prompt="The ")
    assert result in shown
    assert f"{len(result) - len('The ')} characters in" in shown


CHANGED = """const again = setInterval(() => {
  const [menu, shown, size, wrong] = ["select", ".output .answer", "input", ".error"].map((place) => document.querySelector(place));
  if (shown && !wrong && menu.value === "0") {
    const { display } = getComputedStyle(document.forms[0]);
    if (!document.body.innerText.includes("before")) document.body.append(`before ${shown.textContent}; ${display}`);
    size.select();
    document.execCommand("insertText", false, "1e999");
  } else if (wrong && menu.value === "0") {
    document.body.append(`; ${wrong.textContent}; answer ${shown}`);
    size.value = 3;
    menu.value = "1";
    menu.dispatchEvent(new Event("input", { bubbles: true }));
  }
}, 700);"""


def test_a_form_in_a_browser(browser: Any, program: Any, tmp_path: Path) -> None:
    """It answers at once, and anew when a menu changes; its controls stand in columns. Beside a wrong number stands no answer."""
    spec = program("export twice(size: [], kind: class[2]) -> class[2] { return where(kind == 1, 1, 0) }\n")
    out = tmp_path / "form.html"
    file = export(spec, "twice", Trained({}), tmp_path, CompileOptions(verify=False)).path
    write_page([file], out, MODULES)
    page = out.read_text(encoding="utf-8")
    out.write_text(page.replace("</html>", f"<script>{CHANGED}{TELLING}</script></html>"), encoding="utf-8")
    shown = browser("form.html", r"(?s)run\n\n1\n.*before 0|cannot|failed")
    assert "before 0; grid; what is written for size is no number; answer null" in shown
