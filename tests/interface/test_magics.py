"""`%%mai` and `%mai` in a real kernel, and the notebooks of the documentation."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from threading import Thread

import nbformat
import pytest
from IPython.core.error import UsageError
from nbclient import NotebookClient

import mai
from mai.compiler.interface.magics import run_magic
from mai.compiler.training.run.figures.cell import Cell

ROOT = Path(__file__).resolve().parents[2]
SPEC = """%%mai flow width=4
const width = 8
data x: [2] from python(points)
net velocity(x: [2]) -> [2] { return linear(linear(x, width), 2) }
train(steps = 3, batch = 8) { minimize sum((velocity(x) - x)^2) }
export moved(x: [2]) -> [2] { return velocity(x) }
"""
CELLS = [
    "import numpy as np\n%load_ext mai\npoints = np.zeros((20, 2), np.float32)",
    SPEC,
    "flow.parameters['velocity.linear_1.weight']",
    "flow.train(device='cpu')",
    "moved(x=points).shape",
    "display(moved.model, moved.draw(x=points))",
    SPEC.replace("x, width", "x, wide"),
    "moved = 3",
    SPEC,
    "%mai explain unknown-name",
    SPEC.replace("points", "nowhere"),
    "flow.moved(x=1)",
]


def _run(notebook: nbformat.NotebookNode, folder: Path, allow_errors: bool) -> list[str]:
    """What each cell shows, as one text."""
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=240, allow_errors=allow_errors, resources=resources).execute()
    return [str(cell.get("outputs", "")) for cell in notebook.cells]


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel finds this checkout."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.slow
def test_a_cell_is_a_spec(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    shown = _run(notebook, tmp_path, allow_errors=True)
    assert "exports moved" in shown[1]
    assert "<span" in shown[1]
    assert "(4, 2)" in shown[2]
    assert "<progress" in shown[3]
    assert "done, 3 steps" in shown[3]
    assert "(20, 2)" in shown[4]
    assert "<table" in shown[5] and "image/png" in shown[5]
    assert "unknown-name" in shown[6]
    assert "^^^^" in shown[6]
    assert "magics.py" not in shown[6]
    assert "call flow.moved" in shown[8]
    assert "unknown-name" in shown[9]
    assert "this notebook has no `nowhere`" in shown[10] and "^^^^" in shown[10] and "magics.py" not in shown[10]
    assert "error[input-shape]" in shown[11] and "model.py" not in shown[11]


INTERRUPTED = [
    *CELLS[:1],
    SPEC.replace("steps = 3", "steps = 100000"),
    "run = flow.train(device='cpu')\nrun",
    "run.finish()",
    "moved(x=points).shape",
]


@pytest.mark.slow
def test_an_interrupt_of_the_kernel_keeps_the_run(tmp_path: Path) -> None:
    """As the button of a notebook does it: the cell ends without an error, and what was learnt is called."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in INTERRUPTED])
    client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}})
    reports = tmp_path / "runs" / "flow" / "metrics.jsonl"

    def interrupt() -> None:
        while not (reports.exists() and reports.stat().st_size):
            time.sleep(0.05)
        os.kill(client.km.provisioner.pid, signal.SIGINT)

    Thread(target=interrupt, daemon=True).start()
    client.execute()
    shown = [str(cell.get("outputs", "")) for cell in notebook.cells]
    assert "flow: stopped, " in shown[2] and "flow: done, " in shown[3]
    assert "(20, 2)" in shown[4]


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_of_the_documentation_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "notebooks are kept without outputs"
    assert _run(notebook, tmp_path, allow_errors=False)


def test_the_cell_of_a_run_shows_how_far_it_is() -> None:
    cell = Cell(100, "first: ")
    cell.tell(10, "loss 2", 2.0)
    cell.tell(20, "loss <1", 1.0)
    page = cell.html(20)
    assert 'value="20" max="100"' in page
    assert "first: step 20 of 100" in page
    assert "loss &lt;1" in page
    assert "32.0,2.0 64.0,62.0" in page


ANSWERS = "export answer(x: [2]) -> [2] { return x }\n"


class Shell:
    """What the magic asks of a notebook: its names."""

    def __init__(self, **names: object) -> None:
        self.user_ns = dict(names)


def test_what_a_cell_takes_the_name_of_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of Python stay or are told; of two specs with one export, the last has its name; a spec that begins anew says where its run is."""
    monkeypatch.chdir(tmp_path)
    shell = Shell(np=os)

    def said(line: str, text: str = ANSWERS) -> str:
        run_magic(shell, line, text)
        return capsys.readouterr().out

    assert said("one") == ""
    assert said("one") == ""
    assert "answer is that of two now: call one.answer(...)" in said("two")
    assert shell.user_ns["answer"].spec is shell.user_ns["two"]
    assert "np was something else here, module" in said("np")
    assert "print is something else here" in said("three", ANSWERS.replace("answer", "print"))
    assert "print" not in shell.user_ns
    trained = "data x: [2] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\ntrain(steps = 1) { minimize sum(f(x)^2) }\n"
    assert said("four", trained) == ""
    shell.user_ns["four"].train(quiet=True)
    capsys.readouterr()
    assert "four begins anew" in said("four", trained) and mai.Run("runs/four").steps == 1
    shell.user_ns["four"].train(quiet=True)
    shutil.rmtree("runs")
    capsys.readouterr()
    assert said("four", trained) == "", "of a run that was removed nothing is left to say"
    for line in ("class", "two words", "3x"):
        with pytest.raises(UsageError, match="one name of Python"):
            run_magic(shell, line, ANSWERS)
