"""The language server as an editor sees it: a process that is spoken to over its standard input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.language_client import LanguageClient

pytest.importorskip("pygls")
SPEC = """# Distances.
const width = 16

data x: [2] from moons(noise = 0.05)

# How far it is.
net f(x: [2], scale = 1) -> [2] {
  param shift: [2] = zeros
  h = relu(linear(x, width))
  return scale * linear(h, 2) + shift
}

train(steps = 10, optimizer = adamw(lr = 1e-3)) {
  y ~ normal([2])
  minimize sum((f(x) - y)^2)
}

export g(x: [2]) -> [2] { return f(x, scale = 2) }
"""


@pytest.fixture
def uri(client: LanguageClient, tmp_path: Path) -> Iterator[str]:
    uri = client.open(tmp_path / "a.mai", SPEC)
    yield uri
    client.tell("textDocument/didClose", {"textDocument": {"uri": uri}})


def test_a_sound_text_has_no_diagnostics_and_shapes_behind_its_names(client: LanguageClient, uri: str) -> None:
    assert client.diagnostics(uri) == []
    hints = {(h["position"]["line"], h["label"]) for h in client.whole(uri, "inlayHint")}
    assert hints == {(8, ": [16]"), (13, ": [2]")}


def test_hover_says_shapes_functions_and_settings(client: LanguageClient, uri: str) -> None:
    def hover(part: str, shift: int = 0) -> str:
        return str(client.at(uri, "hover", SPEC, part, shift)["contents"]["value"])

    assert "h: [16]" in hover("h = relu") and "batch" in hover("h = relu")
    assert "layer linear" in hover("linear(x") and "[16]" in hover("linear(x")
    assert "net f(x: [2], scale = 1) -> [2]" in hover("f(x) -") and "How far it is." in hover("f(x) -")
    assert "lr: real = 0.001" in hover("lr =")
    assert "width = 16" in hover("width))")


def test_definitions_references_and_names(client: LanguageClient, uri: str) -> None:
    assert client.at(uri, "definition", SPEC, "f(x) -")["range"]["start"] == {"line": 6, "character": 4}
    assert client.at(uri, "definition", SPEC, "scale = 2")["range"]["start"] == {"line": 6, "character": 14}
    prelude = client.at(uri, "definition", SPEC, "linear(x")
    assert Path(prelude["uri"].removeprefix("file://")).read_text().splitlines()[prelude["range"]["start"]["line"]].startswith("layer linear(")  # fmt: skip
    context = {"includeDeclaration": True}
    places = client.at(uri, "references", SPEC, "shift", context=context)
    assert {p["range"]["start"]["line"] for p in places} == {7, 9}
    changes = client.at(uri, "rename", SPEC, "scale", newName="factor")["changes"][uri]
    assert sorted(c["range"]["start"]["line"] for c in changes) == [6, 9, 17]


def test_completion_knows_names_arguments_and_settings(client: LanguageClient, uri: str) -> None:
    def labels(part: str, shift: int) -> list[str]:
        return [item["label"] for item in client.at(uri, "completion", SPEC, part, shift)]

    assert {"width", "h", "shift", "softmax", "linear"} <= set(labels("h = relu", 4))
    assert labels("f(x, scale", 5)[0] == "scale"
    assert labels("adamw(lr", 6)[:2] == ["lr", "betas"]
    assert "sgd" in labels("adamw(lr", 0)
    assert "beta" in labels("normal(", 0)


def test_signature_help_follows_the_arguments(client: LanguageClient, uri: str) -> None:
    help = client.at(uri, "signatureHelp", SPEC, "linear(x, width", 10)
    assert help["activeParameter"] == 1
    assert help["signatures"][0]["label"].startswith("linear(x: [d], n")


def test_outline_folds_colours_and_lenses(client: LanguageClient, uri: str) -> None:
    names = [(s["name"], [c["name"] for c in s["children"]]) for s in client.whole(uri, "documentSymbol")]
    assert names == [("width", []), ("x", []), ("f", ["shift"]), ("train", []), ("g", [])]
    folds = {(f["startLine"], f["endLine"]) for f in client.whole(uri, "foldingRange")}
    assert folds == {(6, 10), (12, 15)}
    data = client.whole(uri, "semanticTokens/full")["data"]
    assert len(data) % 5 == 0 and all(length > 0 for length in data[2::5])
    lenses = {lens["command"]["title"]: lens["command"] for lens in client.whole(uri, "codeLens")}
    assert lenses["train"]["command"] == "mai.run" and "parameters: 84" in lenses


def test_what_is_wrong_is_told_with_an_edit_that_mends_it(client: LanguageClient, uri: str) -> None:
    client.change(uri, SPEC.replace("relu(linear", "rellu(linear"))
    (wrong,) = client.diagnostics(uri)
    assert wrong["code"] == "unknown-function" and wrong["range"]["start"] == {"line": 8, "character": 6}
    (fix,) = client.whole(uri, "codeAction")
    (change,) = fix["edit"]["changes"][uri]
    assert change["newText"] == "relu"
    client.change(uri, SPEC)
    assert client.diagnostics(uri) == []


def test_a_syntax_error_leaves_the_rest_alive(client: LanguageClient, uri: str) -> None:
    text = SPEC.replace("  y ~ normal([2])", "  y ~ normal([2")
    client.change(uri, text)
    assert client.diagnostics(uri)[0]["range"]["start"]["line"] == 13
    assert "h: [16]" in client.at(uri, "hover", text, "h = relu")["contents"]["value"]
    assert "width" in [i["label"] for i in client.at(uri, "completion", text, "normal([2", 7)]


def test_files_that_import_one_are_checked_with_it(client: LanguageClient, tmp_path: Path) -> None:
    layers, user = tmp_path / "layers.mai", tmp_path / "user.mai"
    text = "layer twice(x: [d]) -> [d] { return 2 * x }\n"
    layers.write_text(text)
    user.write_text('import "layers.mai"\nexport g(x: [2]) -> [2] { return twice(x) }\n')
    uri = client.open(layers, text)
    client.diagnostics(uri)
    client.change(uri, text.replace("twice", "thrice"))
    while not client.of_file(user.as_uri()):
        del client.said[user.as_uri()]
    assert client.of_file(user.as_uri())[0]["code"] == "unknown-function"
    changes = client.at(uri, "rename", text.replace("twice", "thrice"), "thrice", newName="double")["changes"]
    assert set(changes) == {uri}


def test_places_are_counted_in_utf16(client: LanguageClient, tmp_path: Path) -> None:
    text = 'export g(x: [2]) -> [2] { return x }  # "𝕏"\nexport h(x: [2]) -> [2] { return 𝕏 }\n'
    uri = client.open(tmp_path / "wide.mai", text)
    (wrong,) = client.diagnostics(uri)
    assert wrong["range"] == {"start": {"line": 1, "character": 33}, "end": {"line": 1, "character": 35}}


def test_the_server_loads_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys\nfrom mai.compiler.editor.server import make_server\nmake_server()\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "onnx", "onnxruntime"} & set(done.stdout.split())


def test_a_text_is_formatted_as_by_the_command(client: LanguageClient, uri: str, tmp_path: Path) -> None:
    """A sound text is one edit of the whole, one in the form has none, and one with a wrong word has no answer."""
    assert client.whole(uri, "formatting", options={"tabSize": 2, "insertSpaces": True}) == []
    for name, text, after in (("b.mai", "const  n=1\n\n\n", "const n = 1\n"), ("c.mai", "const n = (\n", None)):
        other = client.open(tmp_path / name, text)
        edits = client.whole(other, "formatting", options={"tabSize": 2, "insertSpaces": True})
        assert (edits and edits[0]["newText"]) == after
        client.tell("textDocument/didClose", {"textDocument": {"uri": other}})


def test_a_new_line_and_a_bracket_are_indented(client: LanguageClient, tmp_path: Path) -> None:
    for text, ch, place, new in (
        ("net f() -> [] {\n", "\n", (0, 0), "  "),
        ("train(steps = 1) {\r\n\t}", "}", (0, 1), ""),
    ):
        other = client.open(tmp_path / "d.mai", text)
        options = {"ch": ch, "options": {"tabSize": 8, "insertSpaces": False}}
        (edit,) = client.at_offset(other, "onTypeFormatting", text, len(text), **options)
        assert edit == {
            "range": {"start": {"line": 1, "character": place[0]}, "end": {"line": 1, "character": place[1]}},
            "newText": new,
        }
        client.tell("textDocument/didClose", {"textDocument": {"uri": other}})


def test_a_text_that_is_no_file_keeps_its_address(client: LanguageClient) -> None:
    """Unsaved texts, cells of notebooks and old versions are apart, and what mends them is said of them."""
    text = "const width = 16\nexport g(x: [2]) -> [2] { return x * wdth }\n"
    long = f"vscode-notebook-cell:/{'a' * 300}/b.ipynb#W0"
    for uri in ("untitled:Untitled-1", "git:/a/b.mai?{}", "vscode-notebook-cell:/a/b.ipynb#W0", long):
        client.open_at(uri, text)
        (said,) = client.diagnostics(uri)
        assert said["range"]["start"] == {"line": 1, "character": 37}
        assert client.at(uri, "definition", text, "x *")["uri"] == uri
        assert [*client.at(uri, "rename", text, "x *", newName="y")["changes"]] == [uri]
        (action,) = client.whole(uri, "codeAction")
        assert action["edit"]["changes"][uri][0]["newText"] == "width"
    assert len(client.diagnostics("untitled:Untitled-1")) == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("\ufeffexport g(x: [2]) -> [2] { return x * wdth }\n", (0, 38)),
        ("# 🌊\rexport g(x: [2]) -> [2] {\r  return wdth\r}\r", (2, 9)),
        ("# 🌊\r\nexport g(x: [2]) -> [2] {\r\n\treturn wdth\r\n}\r\n", (2, 8)),
        ('import "🌊🌊.mai"\nexport g(x: [2]) -> [2] { return wdth } # 🌊\n', (1, 33)),
    ],
)
def test_lines_and_columns_are_the_editors(
    client: LanguageClient, tmp_path: Path, text: str, place: tuple[int, int]
) -> None:
    (tmp_path / "🌊🌊.mai").write_text("layer one(x: [d]) -> [d] { return x }\n", encoding="utf-8")
    uri = client.open(tmp_path / "a b é.mai", text)
    (said,) = (d for d in client.diagnostics(uri) if d["severity"] == 1)
    assert (said["range"]["start"]["line"], said["range"]["start"]["character"]) == place


def test_letters_behind_characters_that_are_ends_of_lines_elsewhere(client: LanguageClient, tmp_path: Path) -> None:
    """U+2028 and a form feed end no line of the protocol: what is typed after them lands where the editor has it."""
    text = "# one\u2028two\x0cthree\nconst width = 16\nexport g(x: [2]) -> [2] { return x * "
    uri = client.open(tmp_path / "a.mai", text)
    client.type(uri, text, "width }\n")
    assert client.diagnostics(uri) == []
    client.type(uri, text + "width }\n", "wrong")
    assert client.diagnostics(uri)[0]["range"]["start"]["line"] == 3


def test_a_file_that_is_changed_beside_the_editor_is_read_anew(client: LanguageClient, tmp_path: Path) -> None:
    (tmp_path / "lib.mai").write_text("layer one(x: [d]) -> [d] { return x }\n")
    uri = client.open(tmp_path / "a.mai", 'import "lib.mai"\nexport g(x: [2]) -> [2] { return one(x) }\n')
    assert client.diagnostics(uri) == []
    (tmp_path / "lib.mai").write_text("layer two(x: [d]) -> [d] { return x }\n")
    client.said.pop(uri)
    client.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": (tmp_path / "lib.mai").as_uri(), "type": 2}]})
    assert any("`one`" in said["message"] for said in client.diagnostics(uri))
