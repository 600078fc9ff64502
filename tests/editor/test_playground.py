"""The playground: its answers, that they need nothing which a browser has not, and what a person does on the page."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from mai.compiler.check import check, check_all
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.editor.places import characters
from mai.compiler.onnx.export import export
from mai.compiler.playground.answers import ANSWERS, answer
from mai.compiler.playground.build import TOOLS, NotInstalled, licences, python_files, write_playground
from mai.compiler.training.initial_weights import load_weights
from mai.runtime.web.page import VERSIONS
from mai.spec.diagnostics.catalog import CATALOG
from mai.spec.source import Source
from tests.support.hosts import CHROMIUM, PLAYGROUND, ROOT

INSTALLED = PLAYGROUND / "node_modules"
EXAMPLES = ROOT / "examples"
LARGE = "export f(x: [2]) -> [2] { return x * exp(cumsum(ones([5])))[0] }\n"  # Numbers that only numpy bounds.
WRONG = "# 𝒳: größer\nnet f(x: [2]) -> [3] {\n  h = lineer(x, 3)\n  return h\n}\n"
RIGHT = WRONG.replace("lineer", "linear")
FAMILY = (
    f'{RIGHT}weights from "a.safetensors" {{ "*" = family("clip_text") }}\nexport g(x: [2]) -> [3] {{ return f(x) }}\n'
)
NUMBERS = {"number-too-large", "bad-number"}  # Which numpy computes.


def asked(ask: str, text: str, **more: object) -> Any:
    return json.loads(answer(json.dumps({"ask": ask, "path": "/spec/text.mai", "text": text, **more})))


def unit_of(text: str, words: str) -> int:
    return len(text[: text.index(words)].encode("utf-16-le")) // 2


def test_places_are_those_of_javascript() -> None:
    """A letter beyond the basic plane counts two."""
    (wrong,) = asked("check", WRONG)["diagnostics"]
    at = unit_of(WRONG, "lineer")
    assert (wrong["from"], wrong["to"], wrong["line"], wrong["fix"]) == (at, at + 6, 3, None)
    assert WRONG[characters(WRONG, at) :].startswith("lineer")
    (mended,) = asked("mend", WRONG)["diagnostics"]
    assert mended["fix"]["changes"] == [{"from": at, "to": at + 6, "insert": "linear"}]
    assert "help" not in mended["text"] and "help: did you mean" in wrong["text"]


def test_answers() -> None:
    checked = asked("check", RIGHT)
    assert checked["diagnostics"] == [] and checked["shapes"] == [{"at": unit_of(RIGHT, " = linear"), "text": ": [3]"}]
    assert "h: [3]" in asked("hover", RIGHT, at=unit_of(RIGHT, "h = "))["text"]
    assert asked("define", RIGHT, at=unit_of(RIGHT, "h\n}"))["from"] == unit_of(RIGHT, "h = ")
    assert asked("signature", RIGHT, at=unit_of(RIGHT, "3)"))["active"] == 1
    assert "linear" in {item["label"] for item in asked("complete", RIGHT, at=unit_of(RIGHT, "inear"))}
    assert asked("format", RIGHT.replace(" = ", "="))["text"] == RIGHT and asked("format", "net net") is None
    text = RIGHT + "export g(x: [2]) -> [3] { return f(x) }\n"
    assert asked("check", text)["exports"] == ["g"]
    assert asked("draw", text, export="g")["svg"].startswith("<svg") and asked("draw", WRONG, export="g") is None
    assert "No layer, net or function" in asked("explain", text, code="unknown-function")["text"]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's Python has on its path."""
    folder = tmp_path_factory.mktemp("app")
    for name, file in python_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / name)
    return folder


def test_answers_need_python_alone(unpacked: Path) -> None:
    """With neither numpy nor pydantic nor what is left out of the package, all questions have their answers; what numpy is for is told."""
    names = ("moons_flow", "fourier_operator")
    texts = {str(EXAMPLES / f"{name}.mai"): (EXAMPLES / f"{name}.mai").read_text(encoding="utf-8") for name in names}
    questions = [
        {"ask": ask, "path": path, "text": text, "at": text.index("return") + 8, "export": "sample", "code": "shape-mismatch"}
        for path, text in {**texts, "/spec/large.mai": LARGE, "/spec/wrong.mai": WRONG, "/spec/family.mai": FAMILY}.items()
        for ask in ANSWERS
    ]  # fmt: skip
    program = f"import sys; sys.path.insert(0, {str(unpacked)!r})\nfrom mai.compiler.playground.answers import answer\nfor line in sys.stdin: print(answer(line))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], input="\n".join(map(json.dumps, questions)), capture_output=True, text=True, timeout=120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    checks = [reply for question, reply in zip(questions, said, strict=True) if question["ask"] == "check"]
    assert [[d["code"] for d in each["diagnostics"]] for each in checks] == [[], [], [], ["unknown-function"], []]
    assert [bool(each["notes"]) for each in checks] == [False, False, True, False, False]
    here = [json.loads(answer(json.dumps(question))) for question in questions]
    assert [{**a, "notes": []} if isinstance(a, dict) else a for a in said] == [
        {**a, "notes": []} if isinstance(a, dict) else a for a in here
    ]


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="has no pyodide"):
        write_playground(tmp_path / "out", tmp_path, EXAMPLES)
    assert not (tmp_path / "out").exists()


def test_the_licences_of_what_it_holds_are_beside_it() -> None:
    """The text of each that its package has; the page has a link to them."""
    if not (INSTALLED / "pyodide").is_dir():
        pytest.skip("needs npm: `make test` installs the rest")
    said = licences(INSTALLED)
    packages = json.loads((ROOT / "compiler/playground/package.json").read_text(encoding="utf-8"))["dependencies"]
    for name in (*packages, "lark"):
        assert (f"\n{name} " in said) == (name not in TOOLS)
    assert said.count("Permission is hereby granted, free of charge") >= 8
    assert 'href="licences.txt"' in (ROOT / "compiler/playground/page/index.html").read_text(encoding="utf-8")


def test_pages_have_the_same_versions() -> None:
    packages = json.loads((ROOT / "compiler/playground/package.json").read_text(encoding="utf-8"))["dependencies"]
    assert {name: packages[name] for name in VERSIONS} == VERSIONS


# ----------------------------------------------------------------- in a browser


class Quiet(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The playground, served from this machine alone, with one example that was compiled with its first values."""
    if CHROMIUM is None or shutil.which("node") is None or not (INSTALLED / "playwright-core").is_dir():
        pytest.skip("needs Chromium and npm: `make test` installs the rest")
    folder = tmp_path_factory.mktemp("playground")
    flow = check(EXAMPLES / "moons_flow.mai").program
    assert flow is not None
    trained = Trained(load_weights(flow, None)[0])
    export(flow, "sample", trained, folder / "runs" / "moons_flow", CompileOptions(verify=False))
    assert write_playground(folder / "out", INSTALLED, EXAMPLES, [folder / "runs"]) == ["moons_flow"]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder / "out")))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


TEXTS = {
    **{f"/none/{slug}.mai": entry.example for slug, entry in CATALOG.items() if entry.example.strip()},
    **{f"/none/{file.stem}.mai": file.read_text(encoding="utf-8") for file in EXAMPLES.glob("*.mai")},
}


@pytest.fixture(scope="module")
def played(address: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What was seen in all scenes of playground.mjs."""
    texts = tmp_path_factory.mktemp("texts") / "texts.json"
    texts.write_text(json.dumps(TEXTS), encoding="utf-8")
    script = str(Path(__file__).with_name("playground.mjs"))
    command = ["node", script, str(INSTALLED.parent), str(CHROMIUM), address, str(texts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def scene(played: Any) -> Callable[[str], Any]:
    """What was seen in a scene. Nothing may fail on the page, and nothing is asked of other servers."""

    def seen(name: str) -> Any:
        assert played["errors"] == [] and played["outside"] == []
        assert "failed" not in played["seen"][name], played["seen"][name]["failed"]
        return played["seen"][name]

    return seen


@pytest.mark.slow
def test_a_mistake_is_marked_and_mended(scene: Callable[[str], Any]) -> None:
    said = scene("mistakes")
    assert said["first"] == said["last"] == "Nothing is wrong"
    assert not said["other"]
    assert said["marks"] == ["lineer", "tanhh"] and said["why"].startswith("unknown-function: ")
    assert [problem[:2] for problem in said["problems"]] == ["2:", "3:"]
    assert "y = linear(x, 2)\n  return tanhh(y)" in said["once"]
    assert "y = linear(x, 2)\n  return tanh(y)" in said["twice"]


@pytest.mark.slow
def test_words_and_shapes(scene: Callable[[str], Any]) -> None:
    said = scene("words")
    assert said["shapes"][:4] == [": [256]", ": [2]", ": []", ": [2]"]
    assert said["hover"] == "xs: [2]for each of: batch"
    assert said["formatted"] == "net g(x: [2]) -> [3] {\n  return linear(x, 3)\n}\n"
    assert said["options"][0].startswith("rms_norm") and said["signature"].startswith("x: [d], eps = ")


@pytest.mark.slow
def test_another_name(scene: Callable[[str], Any]) -> None:
    said = scene("names")
    assert said["once"] == "export f(x: [2]) -> [2] {\n  twice = 2 * x\n  return twice + twice\n}\n"
    assert said["asked"] == ["Another name for h", "Another name for twice"]
    assert said["same"] and said["refused"] == "`x` is the name of something else here."


@pytest.mark.slow
def test_the_diagram_follows_and_an_example_runs(scene: Callable[[str], Any]) -> None:
    said = scene("results")
    assert "velocity" in said["drawn"] and said["exports"] == ["sample", "path", "log_density"]
    assert "[7]" in said["kept"] and said["tab"] == "tab-run"
    assert said["run"] == {"pictures": 1, "wrong": []}


@pytest.mark.slow
def test_a_link_has_the_whole_text(scene: Callable[[str], Any]) -> None:
    said = scene("links")
    assert said["same"] and said["count"] == "Nothing is wrong" and said["hash"] < 120
    assert all(words.startswith("The text in this address is cut") for words in said["cut"])


@pytest.mark.slow
def test_three_widths_dark_and_light(scene: Callable[[str], Any]) -> None:
    said = scene("looks")
    assert all(wide <= int(width) for width, wide in said["widths"].items())
    assert said["panels"] == 1
    assert said["light"] != said["dark"] and said["kept"] == "dark" and said["labels"] == 0


@pytest.mark.slow
def test_what_is_too_deep_is_told(scene: Callable[[str], Any]) -> None:
    """By the checker, or, where a browser has no room for it, by the page."""
    said = scene("depths")
    assert "nested more than 100 levels deep" in said["brackets"][0][0]
    words = " ".join([*said["sum"][0], said["sum"][1]])
    assert "nested more than 200 levels deep" in words or "too long or too deep for a browser" in words
    assert said["count"] == "Nothing is wrong"


@pytest.mark.slow
def test_the_browser_says_what_a_check_says(scene: Callable[[str], Any]) -> None:
    """Of each example, and of each kind of mistake, but for numbers that only numpy computes."""
    for path, reply in scene("says").items():
        checked = check_all(Path(path), texts={path: Source(path, TEXTS[path], Path(path).name)})
        assert "answer" in reply, (path, reply)
        said = [d["code"] for d in reply["answer"]["diagnostics"]]
        assert set(said) - NUMBERS == {d.slug for d in checked.diagnostics} - NUMBERS, path
        assert len(said) <= len(checked.diagnostics), path
