"""The code of the pages runs: their specs are files, their commands train a few steps, their Python is executed, in the order of the page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from docs.site.code import commands, pictures, pieces, with_changes_marked
from docs.site.pages import pages
from mai.compiler.check import check_text
from mai.runtime.cli import load_verb, places_of_verbs
from mai.runtime.command_line.plain_words import read_plain
from tests.support.command import invoke
from tests.support.models.chat_folders import chat_folder

ROOT = Path(__file__).parents[2]
PAGES = tuple(ROOT / page.file for page in pages() if page.file.endswith(".md"))
FEW = {"train": ("--steps", "3", "--quiet")}  # what is added to a command, so that a page takes seconds
TOLD = ("text", "mermaid")  # no code: what is printed, and diagrams, which the site draws
ELSEWHERE = {  # pages whose code is run by other tests
    "spec/errors.md": "tests/diagnostics/test_catalog.py runs each mistake and its repair",
    "examples/README.md": "tests/benchmarks/test_gallery.py makes it of the records of runs",
    "docs/fidelity.md": "tests/benchmarks/test_fidelity.py makes it of the claims of examples",
    "docs/serve.md": "tests/serving/test_guide.py asks what it asks of a service",
    "CONTRIBUTING.md": "its commands are those of `make`, its class is compiler/ops/elementwise's",
}
TESTED = {  # code of other languages, by page
    ("docs/hosts.md", "js"): "tests/hosts/javascript/test_javascript_examples.py runs it",
    ("docs/hosts.md", "cpp"): "tests/hosts/c/test_c_builds.py builds and runs it",
    ("docs/guides/app.md", "html"): "tests/hosts/test_own_page.py opens it in a browser",
    ("docs/guides/app.md", "js"): "tests/hosts/test_own_page.py calls it",
    ("docs/guides/app.md", "ts"): "tests/hosts/test_own_page.py reads its types",
    ("docs/editor.md", "js"): "tests/editor/test_colours.py uses the mode in both versions",
    ("docs/editor.md", "toml"): "settings of Helix, which is not there",
    ("docs/editor.md", "json"): "settings of Zed, which is not there",
    ("docs/editor.md", "yaml"): "tests/editor/test_extension.py reads the hooks",
    ("docs/editor.md", "lua"): "settings of Neovim, which is not there",
    ("docs/editor.md", "elisp"): "settings of Emacs, which is not there",
}
RUN = [page for page in PAGES if str(page.relative_to(ROOT)) not in ELSEWHERE]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def runs(page: Path) -> bool:
    return any(piece.language in ("sh", "python") and not piece.reason for piece in pieces(page))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader is, with what is the reader's own: a table."""
    monkeypatch.chdir(tmp_path)
    rows = (f"{i % 3 + 1},{'female' if i % 2 else 'male'},{i % 70},{'yes' if i % 2 else 'no'}" for i in range(300))
    (tmp_path / "titanic.csv").write_text("class,sex,age,survived\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def run_commands(text: str) -> None:
    """After a few steps a claim need not hold yet."""
    for words in commands(text):
        done = invoke(*words, *FEW.get(words[0], ()))
        assert done.exit_code == 0 or words[0] == "verify", f"mai {' '.join(words)}\n{done.output}"


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_all_code_of_a_page_is_run_or_says_why_not(page: Path) -> None:
    fences = re.findall(r"^```.*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(pieces(page)), "a piece of code without a language"
    for piece in pieces(page):
        is_known = piece.language in ("sh", "python", "mai", "console", *TOLD)
        assert is_known or piece.reason or (name_of(page), piece.language) in TESTED, f"{name_of(page)}:{piece.line}"


def test_what_is_said_to_be_tested_elsewhere_is_there() -> None:
    languages = {(name_of(page), piece.language) for page in PAGES for piece in pieces(page)}
    assert set(TESTED) <= languages
    assert set(ELSEWHERE) <= {name_of(page) for page in PAGES} | {"examples/README.md"}
    for reason in (*ELSEWHERE.values(), *TESTED.values()):
        if reason.startswith("tests/"):
            assert (ROOT / reason.split()[0]).is_file(), reason


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_specs_of_pages_are_sound_and_in_the_form_of_all_specs(page: Path, tmp_path: Path) -> None:
    """Parts of specs are checked within what the page says around them."""
    for piece in (piece for piece in pieces(page) if piece.language == "mai" and not piece.reason):
        path = tmp_path / (piece.name or "part.mai")
        path.write_text(piece.spec, encoding="utf-8")
        assert not piece.name or invoke("format", "--check", path).exit_code == 0
        diagnostics = check_text(path, piece.spec).diagnostics
        assert [d.message for d in diagnostics if d.severity == "error"] == [], f"{name_of(page)}:{piece.line}"


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_commands_of_pages_have_words_that_mai_takes(page: Path) -> None:
    """Also of those that are not run: a verb that there is, with options that it has."""
    verbs = places_of_verbs()
    for piece in pieces(page):
        if piece.language in ("sh", "console"):
            for line in piece.text.replace("\\\n", " ").splitlines():
                assert takes(verbs, line), f"{name_of(page)}:{piece.line}: {line}"


def takes(verbs: Mapping[str, str], line: str) -> bool:
    """Whether a line is no call of mai, or one that reads its words; a list in braces or a pattern of files is the shell's."""
    for command in re.split(r"&&|\|", line):
        words = shlex.split(command, comments=True)
        if words[:1] == ["mai"]:
            name = next((" ".join(words[1 : 1 + n]) for n in (2, 1) if " ".join(words[1 : 1 + n]) in verbs), None)
            if name is None or read_plain(load_verb(verbs[name]), words[1 + len(name.split()) :]) is None:
                return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in RUN if runs(page)], ids=name_of)
def test_a_page_runs_from_its_top_to_its_end(page: Path, folder: Path) -> None:
    if page.name in ("import.md", "finetune.md"):
        torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        chat_folder(folder / "my-llama", tie_word_embeddings=False)
    names: dict[str, object] = {"__name__": page.stem}
    for piece in (piece for piece in pieces(page) if not piece.reason):
        if piece.name:
            (folder / piece.name).write_text(piece.text, encoding="utf-8")
        elif piece.language == "sh":
            run_commands(piece.text)
        elif piece.language == "python":
            code = re.sub(r"\bsteps=\d+\b(?=,)", "steps=3", piece.text)
            exec(compile(code, page.name, "exec"), names)


def test_a_part_of_a_spec_stands_in_its_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- within:\nexport f() -> [] {\n...\n}\n-->\n```mai\n  return 1\n```\n"
        "<!-- within:\nconst a = 1\n-->\n```mai\nconst b = a\n```\n<!-- not run: for a reason -->\n```sh\nmai\n```\n"
    )
    one, other, last = pieces(page)
    assert one.spec == "export f() -> [] {\n  return 1\n}\n" and other.spec == "const a = 1\n\nconst b = a\n"
    assert (last.reason, last.line) == ("for a reason", 16)


def test_the_pictures_of_a_page_are_there_and_small() -> None:
    shown = pictures(ROOT / "docs" / "learn.md")
    assert len(shown) == 7
    assert all((ROOT / "docs" / picture).stat().st_size < 100_000 for picture in shown)
    assert {f"learn/{path.name}" for path in (ROOT / "docs" / "learn").iterdir()} == set(shown)


def test_recordings_are_small_move_and_are_shown() -> None:
    shown = re.findall(
        r"!\[[^\]]+\]\((recordings/\w+\.webp)\)", (ROOT / "docs" / "editor.md").read_text(encoding="utf-8")
    )
    assert sorted(shown) == sorted(f"recordings/{path.name}" for path in (ROOT / "docs" / "recordings").iterdir())
    for name in shown:
        path = ROOT / "docs" / name
        with Image.open(path) as film:
            assert path.stat().st_size < 300_000 and getattr(film, "n_frames", 1) > 1


def test_new_lines_of_a_spec_are_marked() -> None:
    first, second = 'a\n```mai title="one.mai"\nx\ny\n```\n', '```mai title="two.mai"\nx\nz\n\ny\n```\n'
    assert with_changes_marked(first + second) == first + second.replace('"two.mai"', '"two.mai" hl_lines="2"')
    assert with_changes_marked(first) == first
