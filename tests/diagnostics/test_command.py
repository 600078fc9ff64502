"""`mai check` and `mai explain` on the command line: exit codes, formats, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mai.compiler.editor.settings.reference import explained_setting, setting_names

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BAD = "const width = 3\nnet f(x: [2]) -> [2] { return widht * x }\n"


def mai(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "120"}
    command = [sys.executable, "-m", "mai.runtime.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_check_tells_and_fails(tmp_path: Path) -> None:
    (tmp_path / "bad.mai").write_text(BAD)
    (tmp_path / "good.mai").write_text("export f(x: [2]) -> [2] { return x }\n")
    completed = mai("check", "good.mai", "bad.mai", folder=tmp_path)
    assert completed.returncode == 1
    assert "good.mai: sound (f)" in completed.stdout
    assert completed.stderr.startswith("error[unknown-name]: nothing here is called `widht`\n --> bad.mai:2:31\n")
    assert "\x1b" not in completed.stderr
    assert completed.stderr.endswith("\n1 error\n")


def test_what_several_files_share_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "a.mai").write_text('import "b.mai"\n')
    (tmp_path / "b.mai").write_text('import "a.mai"\n')
    assert mai("check", "a.mai", "b.mai", folder=tmp_path).stderr.endswith("\n1 error\n")


def test_check_for_editors(tmp_path: Path) -> None:
    (tmp_path / "bad.mai").write_text(BAD)
    completed = mai("check", "bad.mai", "--format", "json", folder=tmp_path)
    (record,) = json.loads(completed.stdout)
    assert (completed.returncode, completed.stderr) == (1, "")
    assert (record["slug"], record["start"]["line"], record["file"]) == ("unknown-name", 2, "bad.mai")


@pytest.mark.parametrize(
    ("content", "slug"),
    [
        (None, "file-not-found"),
        (b"", "empty-file"),
        (b"\xff\xfe\x00\x01" * 100, "not-text"),
        (b"# a comment\n" * 1_000_000, "file-too-large"),
        (b"const d = 10^12\nnet f(x: [d]) -> [d] { return x }\n", "dimension-too-large"),
    ],
)
def test_no_file_is_answered_with_a_traceback(content: bytes | None, slug: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.mai").write_bytes(content)
    completed = mai("check", "a.mai", folder=tmp_path)
    assert completed.returncode == 1
    assert f"error[{slug}]" in completed.stderr
    assert "Traceback" not in completed.stderr


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "it is a folder" in mai("check", ".", folder=tmp_path).stderr


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "good.mai").write_text("export f(x: [2]) -> [2] { return x }\n")
    completed = mai("show", "good.mai", "--emit", "ir", "--out", "nowhere/ir.txt", folder=tmp_path)
    assert completed.returncode == 1
    assert completed.stderr.startswith("error[file-not-found]: cannot read or write nowhere/ir.txt")


@pytest.mark.parametrize(("written", "meant"), [("flow", "flow.mai"), ("folw.mai", "flow.mai")])
def test_a_file_that_is_not_there_is_compared_with_those_beside(written: str, meant: str, tmp_path: Path) -> None:
    (tmp_path / "flow.mai").write_text("const n = 1\n")
    assert f"did you mean {meant}?" in mai("check", written, folder=tmp_path).stderr


def test_a_method_by_the_name_of_another_program(tmp_path: Path) -> None:
    text = "export f(x: [2]) -> [2] {\n  integrate s in 0..1 using RK45 { dx/ds = -x }\n  return x\n}\n"
    (tmp_path / "f.mai").write_text(text)
    assert "write `dopri5`, the like of it here" in mai("check", "f.mai", folder=tmp_path).stderr


def test_mending_says_where_nothing_is_mended(tmp_path: Path) -> None:
    (tmp_path / "p.mai").write_text("export f(x: []) -> [] {\n  return (15 * x + 50\n}\n")
    assert (
        "p.mai: nothing is mended: mai is sure of no repair" in mai("check", "p.mai", "--fix", folder=tmp_path).stderr
    )


def test_explain(tmp_path: Path) -> None:
    completed = mai("explain", "class-range", folder=tmp_path)
    assert completed.returncode == 0
    assert completed.stdout.startswith("class-range: A label outside its classes\n")
    assert "This is sound:" in completed.stdout
    assert "unknown-name" in mai("explain", folder=tmp_path).stdout
    assert mai("explain", "lead", "axis", folder=tmp_path).stdout.startswith(
        "lead axis: An axis that the compiler added"
    )


def test_explain_a_function(tmp_path: Path) -> None:
    completed = mai("explain", "rms_norm", folder=tmp_path)
    assert completed.returncode == 0 and completed.stdout.startswith("rms_norm(x: [d], eps = 1e-6) -> [d]\n")
    assert completed.stdout.endswith("}\n") and "as it is written in mai:\n\n  layer rms_norm(" in completed.stdout
    assert mai("explain", "clamp", folder=tmp_path).stdout == "write `clip(x, 0, 1)`\n"


def test_explain_a_setting(tmp_path: Path) -> None:
    """Once for all that take it alike, behind a function of its name."""
    split = mai("explain", "split", folder=tmp_path).stdout
    assert split.startswith("split(x, parts, axis?)\n") and "(a setting of arrays, csv, " in split
    assert all(explained_setting(name) for name in setting_names())
    assert str(explained_setting("rtol")).startswith("rtol = 0.0001\n  The error that a step may have")
    assert explained_setting("warmp") is None


def test_explain_an_unknown_slug(tmp_path: Path) -> None:
    completed = mai("explain", "clas-range", folder=tmp_path)
    assert completed.returncode == 1
    assert "did you mean `class-range`?" in completed.stdout + completed.stderr
    assert "did you mean `warmup`?" in mai("explain", "warmp", folder=tmp_path).stderr
    assert "`mai explain` lists the diagnostics; the pages" in completed.stderr


def test_a_check_imports_no_torch(tmp_path: Path) -> None:
    (tmp_path / "a.mai").write_text(BAD)
    program = (
        "import sys; from pathlib import Path; from mai.compiler.check import check; check(Path('a.mai'));"
        "print(sorted({'torch', 'numpy', 'onnx', 'onnxruntime', 'rich'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    completed = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == "[]"


USAGE = {
    "train": "error: missing argument 'file'\nhelp: mai train --help lists what there is\n",
    "train a.mai --foo": "error: no such option: --foo (Possible options: --out)\nhelp: mai train --help lists what there is\n",
    "run a.onnx --guidance 2": "error: no such option: --guidance\nhelp: an input or a setting of the file is "
    "written guidance=value; mai run --help lists what there is\n",
    "trian a.mai": "error: no such command 'trian'. Did you mean 'train'?\nhelp: mai --help lists what there is\n",
    "new --kind poem": "error: invalid value: --kind poem: there are flow, classifier, images, and those that `mai examples` lists\n"
    "help: mai new --help lists what there is\n",
}


@pytest.mark.parametrize("arguments", USAGE)
def test_a_wrong_command_line_is_told_in_a_line(arguments: str, tmp_path: Path) -> None:
    completed = mai(*arguments.split(), folder=tmp_path)
    assert (completed.returncode, completed.stdout) == (1, "")
    assert completed.stderr.lower() == USAGE[arguments].lower()


def test_without_arguments_there_is_help(tmp_path: Path) -> None:
    completed = mai(folder=tmp_path)
    assert (completed.returncode, completed.stderr) == (0, "")
    assert "mai new flow.mai" in completed.stdout


def test_data_of_another_width_are_told_at_their_line(tmp_path: Path) -> None:
    head = "data x: [3] from moons()\n"
    block = "net f() -> [] {\n  param w: [] = 1\n  return w\n}\ntrain(steps = 1) { minimize f()^2 }\n"
    (tmp_path / "wide.mai").write_text(head + block)
    checked = mai("check", "wide.mai", folder=tmp_path)
    trained = mai("train", "wide.mai", "--quiet", folder=tmp_path)
    assert (checked.returncode, checked.stdout, trained.returncode) == (1, "", 1)
    assert "`x` is [3] in the spec and [2] in the data" in checked.stderr
    assert f"1 | {head}" in checked.stderr
    assert f"  | {'^' * (len(head) - 1)}" in checked.stderr
    assert trained.stderr.endswith(checked.stderr)


def test_data_of_another_machine_are_no_mistake_of_the_spec(tmp_path: Path) -> None:
    text = 'data x: [], y: [] from table("of_another_machine.csv")\nnet f(x: []) -> [] { return linear([x], 1)[0] }\n'
    train = "train(steps = 1) { minimize (f(x) - y)^2 }\n"
    (tmp_path / "spec.mai").write_text(text + train)
    done = mai("check", "--strict", "spec.mai", folder=tmp_path)
    assert done.returncode == 0 and "warning[data-missing]" in done.stderr
    (tmp_path / "spec.mai").write_text(text + "net g() -> [] { return 1 // 2 }\n" + train)
    assert mai("check", "--strict", "spec.mai", folder=tmp_path).returncode == 1
