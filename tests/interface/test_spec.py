"""`import mai`: a spec as a Python object."""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

import mai
from mai.compiler.interface.held_data import write_data
from mai.compiler.interface.options import TrainingOptions, compile_options
from mai.compiler.training.options import Options
from tests.support.cases.from_python import FLOW, HOUSES, POINTS, PRICES
from tests.support.command import run_command


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_spec_says_what_it_has() -> None:
    spec = mai.Spec(FLOW, "flow", data=POINTS, width=5)
    assert spec.check()
    assert repr(spec.check()) == "sound"
    assert spec.exports == ("sample",)
    assert spec.fields == ("x",)
    assert spec.variables == ("points",)
    assert spec.parameters["velocity.linear_1.weight"] == (5, 3)
    assert repr(spec) == "<Spec flow: 14 lines, exports sample>"
    assert "44 parameters" not in spec.show()
    assert spec.show("diagram")._repr_html_().startswith("<svg")
    assert "sample" in dir(spec)


def test_the_values_that_a_spec_names() -> None:
    """Where they are missing the words that help are said; they may come by their names, which are no fields."""
    with pytest.raises(mai.MaiError, match=r"^flow.mai:3:1: data-missing: .*`points`.*`spec\.train\(data=points\)`"):
        mai.Spec(FLOW, "flow").train(quiet=True)
    named = mai.Spec(FLOW, "flow", data={"points": POINTS}).train(steps=2, quiet=True, out="named")
    plain = mai.Spec(FLOW, "flow", data=POINTS).train(steps=2, quiet=True, out="plain")
    assert named.weights.read_bytes() == plain.weights.read_bytes()
    pair = mai.Spec("data x: [2], y: real from python([a, b])\nexport f(x: [2]) -> [2] { return x }\n")
    values = {"b": np.ones(3, np.float32), "a": np.zeros((3, 2), np.float32)}
    (file,) = pair.files_in(Path("pair"), values)
    assert {name: array.shape for name, array in np.load(file).items()} == {"x": (3, 2), "y": (3,)}


def test_a_mistake_is_shown_with_carets_and_no_frames_of_python() -> None:
    spec = mai.Spec(FLOW.replace("width)), 2)", "width)), 3)"), "flow")
    findings = spec.check()
    assert not findings
    assert "^^^" in repr(findings)
    assert "return-shape" in findings._repr_html_()
    with pytest.raises(mai.MaiError) as raised:
        spec.train()
    assert not mai.Spec(FLOW.replace("export", "exports"), "flow", data=POINTS).check()
    assert any("flow.mai:4:" in line for line in raised.value._render_traceback_())
    assert str(raised.value).startswith("flow.mai:4:47: return-shape: ")
    assert "return-shape" in spec._repr_html_()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mai.Spec(FLOW).nothing  # noqa: B018


def test_a_const_that_there_is_not_is_refused() -> None:
    with pytest.raises(mai.MaiError, match="depth"):
        mai.Spec(FLOW, depth=3).program  # noqa: B018


def test_without_python_the_examples_are_said_to_be_missing() -> None:
    with pytest.raises(mai.MaiError, match="Python's `points`"):
        mai.Spec(FLOW).train(quiet=True)


@pytest.mark.parametrize("value", [POINTS, POINTS.tolist(), torch.tensor(POINTS), {"x": POINTS}, (POINTS,)])
def test_the_same_points_however_they_are_held(value: object) -> None:
    spec = mai.Spec(FLOW, "flow", data=value)
    (path,) = spec.files_in(Path("here"))
    np.testing.assert_array_equal(np.load(path)["x"].astype(np.float32), POINTS)


def test_tensors_of_kinds_that_numpy_has_not_are_data(tmp_path: Path) -> None:
    points = torch.tensor(POINTS).bfloat16()
    (path,) = write_data(points, ["x"], tmp_path)
    np.testing.assert_array_equal(np.load(path)["x"], points.float().numpy())


def test_a_series_is_an_array() -> None:
    text = "data x: [] from npz()\nnet f(x: []) -> [] { return linear(x[None], 1)[0] }\ntrain(steps = 1) { minimize f(x)^2 }\n"
    (path,) = mai.Spec(text, "g", data=pd.Series([1.0, 2.0])).files_in(Path("here"))
    np.testing.assert_array_equal(np.load(path)["x"], [1.0, 2.0])


def test_a_field_may_be_called_as_an_argument_of_numpys_writer() -> None:
    text = "data file: [2] from npz()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\nexport g(x: [2]) -> [2] { return f(x) }\n"
    (path,) = mai.Spec(text + "train(steps = 1) { minimize sum(f(file)^2) }", "g", data={"file": POINTS}).files_in(
        Path("here")
    )
    np.testing.assert_array_equal(np.load(path)["file"].astype(np.float32), POINTS)


@pytest.mark.parametrize("make", [dict, pd.DataFrame, pa.table], ids=["dict", "pandas", "arrow"])
def test_a_table_has_the_fields_by_name(make: type) -> None:
    spec = mai.Spec(PRICES, "prices", data=make(HOUSES))
    run = spec.train(quiet=True)
    assert run.state == "done"
    assert spec.worth(area=[2.0, 3.0], town=["Bonn", "Ulm"]).shape == (2,)


def test_a_column_of_numbers_and_texts_is_read_as_in_a_file(tmp_path: Path) -> None:
    """As `read_excel` gives one in which `-` stands where a value is missing."""
    frame = pd.DataFrame({"a": [116.1, "-", None, 2], "b": ["x", "y", np.nan, "x"], "c": [1, 2, 3, 4]})
    (path,) = write_data(frame.set_index(pd.Index([3, 1, 2, 0])), ["a"], tmp_path)
    assert parquet.read_table(path).to_pydict() == {
        "a": ["116.1", "-", None, "2"], "b": ["x", "y", None, "x"], "c": [1, 2, 3, 4],
    }  # fmt: skip
    with pytest.raises(mai.MaiError, match="column a with type object"):
        write_data(pd.DataFrame({"a": ["x", [1]]}), ["a"], tmp_path)


def test_words_that_a_table_keeps_once_are_texts(tmp_path: Path) -> None:
    """As polars exports its `Categorical` and `Enum`; each part of a table may have its own list of them."""
    lists = (["u", "v"], ["v", "u"])
    parts = [
        pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.uint32()), pa.array(each, pa.string_view()))
        for each in lists
    ]
    (path,) = write_data(pa.table({"a": pa.chunked_array(parts)}), ["a"], tmp_path)
    assert parquet.read_table(path).to_pydict() == {"a": ["u", None, "v", "v", None, "u"]}
    with pytest.raises(mai.MaiError, match="`a` cannot be kept in a file"):
        write_data(pa.table({"a": pa.array([(1, 2, 3)], pa.month_day_nano_interval())}), ["a"], tmp_path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"area": [1.0], "town": ["a", "b"], "price": [1.0]}, "one value an example"),
        (POINTS, "has the fields area, town, price"),
        (pd.Series([1.0, 2.0]), "has the fields area, town, price"),
        ({"area": POINTS[:, None], "town": ["a"] * 64, "price": [1.0] * 64}, "beside words"),
        ({"area": np.ma.masked_greater([1.0, 2.0], 1.5), "town": [0, 1], "price": [1.0, 2.0]}, "under a mask"),
        ({"area": [1j, 2.0], "town": [0, 1], "price": [1.0, 2.0]}, "complex"),
        (pd.concat([pd.DataFrame(HOUSES), pd.DataFrame(HOUSES)["area"]], axis=1), "Duplicate column names"),
        (pd.DataFrame(HOUSES).assign(area=1j), "this is no table"),
        ({"area": POINTS, "area0": [1.0] * 64, "town": ["a"] * 64}, "two fields would have the column `area0`"),
        ({"area": [], "town": [], "price": []}, "no examples"),
        (([1.0], [0], 2.0), "one row an example"),
        ((torch.ones(2).to_sparse(), [0, 1], [1.0, 2.0]), "`area` has no numbers as an array"),
        (([[1.0], [1.0, 2.0]], [0, 1], [1.0, 2.0]), "different lengths"),
    ],
)
def test_other_values_are_refused_in_words(data: object, words: str) -> None:
    with pytest.raises(mai.MaiError, match=words):
        mai.Spec(PRICES, data=data).train(quiet=True)


@pytest.mark.slow
def test_a_run_is_that_of_the_command_line() -> None:
    spec = mai.Spec(FLOW, "flow", data=POINTS)
    run = spec.train(quiet=True)
    Path("flow.mai").write_text(FLOW)
    (data,) = run.folder.glob("data-*.npz")
    run_command("train", "flow.mai", "--data", data, "--out", "other", "--quiet")
    assert (run.folder / "weights.safetensors").read_bytes() == Path("other/weights.safetensors").read_bytes()
    np.testing.assert_array_equal(run.metrics["loss"], mai.Run("other").metrics["loss"])
    np.testing.assert_array_equal(spec.sample(batch=3), mai.load("other/flow.sample.onnx")(batch=3))
    assert mai.Run("other").figures.keys() == {"loss"}
    assert json.loads((run.folder / "run.json").read_text())["data"] == [str(data.absolute())]


def test_a_run_is_shown() -> None:
    run = mai.Spec(FLOW, "flow", data=POINTS).train(quiet=True)
    assert repr(run).startswith("<Run runs/flow: done, 4 steps, loss ")
    assert "<svg" in run._repr_html_()
    run.draw().save("curves.svg")
    assert Path("curves.svg").read_bytes().startswith(b"<?xml")
    assert run.export().draw(batch=20)._repr_png_().startswith(b"\x89PNG")
    assert "sample" in run.export()._repr_html_()
    with pytest.raises(mai.MaiError, match="no compiled file of `other`"):
        run.export("other")
    with pytest.raises(FileNotFoundError, match="no run"):
        mai.Run("nowhere")


def interrupt_once_reported(folder: str) -> None:
    """Ctrl-C as soon as the run in a folder has told its first figures."""
    reports = Path(folder).absolute() / "metrics.jsonl"

    def interrupt() -> None:
        for _ in range(6000):
            if reports.exists() and reports.stat().st_size:
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.01)

    threading.Thread(target=interrupt, daemon=True).start()


def test_an_interrupt_keeps_the_run_and_resume_goes_on() -> None:
    whole = mai.Spec(FLOW, "flow", data=POINTS).train(60, out="whole", quiet=True)
    spec = mai.Spec(FLOW, "flow", data=POINTS)
    interrupt_once_reported("cut")
    run = spec.train(20_000, out="cut", quiet=True)
    assert run.state == "stopped" and run.steps > 0
    with pytest.raises(mai.MaiError, match="no weights yet"):
        run.weights  # noqa: B018
    assert whole.state == "done"
    shutil.copytree("cut", "copied")
    with pytest.raises(
        mai.MaiError, match=r"begun elsewhere \(its spec goes on with it: spec.train\(resume=True, out='copied'\)\)"
    ):
        mai.Run("copied").resume()
    longer = run.resume(steps=run.steps + 5)
    assert longer.state == "done" and longer.steps == run.steps + 5
    assert longer.resume().steps == longer.steps
    elsewhere = mai.Spec(FLOW, "flow", data=POINTS).train(longer.steps, out="copied", quiet=True, resume=True)
    assert elsewhere.weights.read_bytes() == longer.weights.read_bytes()


def test_a_stopped_run_is_ended_where_it_stands() -> None:
    """What it has learnt is called, and is what a run of so many steps has."""
    spec = mai.Spec(FLOW, "flow", data=POINTS)
    interrupt_once_reported("cut")
    stopped = spec.train(20_000, out="cut", quiet=True)
    with pytest.raises(mai.MaiError, match="no compiled files yet: it was stopped") as raised:
        spec.sample(batch=2)
    assert "run.finish()" in str(raised.value.diagnostics[0].help)
    run = stopped.finish()
    assert (run.state, run.steps) == ("done", stopped.steps) and spec.run is run
    whole = mai.Spec(FLOW, "flow", data=POINTS).train(run.steps, out="whole", quiet=True)
    assert (run.folder / "weights.safetensors").read_bytes() == (whole.folder / "weights.safetensors").read_bytes()
    np.testing.assert_array_equal(spec.sample(batch=2), whole.export("sample")(batch=2))


def test_a_type_checker_knows_the_options_of_a_run() -> None:
    assert {*TrainingOptions.__annotations__} <= {each.name for each in fields(Options)}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"stepz": 3}, "`train` has no option `stepz` \\(did you mean `steps`"),
        ({"steps": 0}, "`steps` is a whole number from 1 on, this is 0"),
        ({"batch": 2.5}, "`batch` is a whole number from 1 on, this is 2.5"),
        ({"seed": -1}, "`seed` is a whole number from 0 on"),
        ({"track": "comet"}, "there is no tracker 'comet'"),
    ],
)
def test_options_that_there_are_not_are_refused(option: dict[str, Any], words: str) -> None:
    with pytest.raises(mai.MaiError, match=words):
        mai.Spec(FLOW, "flow", data=POINTS).train(out="none", **option)
    assert not Path("none").exists()


def test_a_compiled_file_is_copied_to_stay() -> None:
    model = mai.Spec(FLOW, "flow", data=POINTS).export("sample")
    place = model.save("own.onnx")
    np.testing.assert_array_equal(mai.load(place)(batch=2), model(batch=2))
    beside = model.path.with_name(model.path.name + ".data")
    beside.write_bytes(b"")
    with pytest.raises(mai.ModelError, match=r"cannot be called own\.onnx"):
        model.save("own.onnx")
    assert model.save(".").name == model.path.name and Path(beside.name).exists()


def test_completion_shows_what_is_public() -> None:
    assert {"Spec", "read", "load", "Run"} < {*dir(mai)} and "import_module" not in dir(mai)
    with pytest.raises(AttributeError, match=r"did you mean `mai\.Run`"):
        mai.run  # noqa: B018


def test_options_of_an_export_are_those_of_the_command_line() -> None:
    spec = mai.Spec(FLOW, "flow", data=POINTS)
    for option, words in (({"quantise": "int8"}, "did you mean `quantize`"), ({"opset": 3}, "--opset 3: 21, 22, 23")):
        with pytest.raises(mai.MaiError, match=words):
            spec.export("sample", **option)
    chosen = compile_options({"speculate": 2, "data": "a.csv"})
    assert (chosen.drafts, chosen.held_out) == (2, (Path("a.csv"),))


def test_the_runtime_is_loaded_without_the_compiler() -> None:
    code = "import sys, mai; mai.load; mai.Model; assert not {'torch', 'lark', 'mai.compiler'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sizes_that_the_data_say_are_known_from_python() -> None:
    text = "data x: [N] from python(rows)\nnet f(x: [N]) -> [N] { return linear(x, N) }\nexport g(x: [N]) -> [N] { return f(x) }\n"
    assert mai.Spec(text).variables == ("rows",)
    assert mai.Spec(text.replace("python(rows)", "python([a, b])")).variables == ("a", "b")
    spec = mai.Spec(text, data=np.zeros((4, 3), np.float32))
    assert spec.g(x=[[1.0, 2.0, 3.0]]).shape == (1, 3)


def test_the_shapes_that_are_shown_are_those_of_the_consts_that_are_set() -> None:
    text = "const width = 8\nnet f(x: [2]) -> [2] {\n  h = linear(x, width)\n  return linear(h, 2)\n}\nexport g(x: [2]) -> [2] { return f(x) }\n"
    assert ">: [8]<" in mai.Spec(text)._repr_html_()
    assert ">: [3]<" in mai.Spec(text, width=3)._repr_html_()


def test_scratch_folders_go_with_what_they_are_for() -> None:
    spec = mai.Spec(FLOW, "flow", data=POINTS)
    model = spec.sample
    folder = model.path.parent
    assert folder.is_dir()
    del spec, model
    gc.collect()
    assert not folder.exists()


LABELLED = """data x: [2], y: class[2] from python([points, names])
net f(x: [2]) -> [2] { return linear(x, 2) }
train(steps = 2, batch = 8) { minimize cross_entropy(f(x), y) }
export scores(x: [2]) -> [2] { return f(x) }
"""


@pytest.mark.parametrize("hold", [list, np.array, pd.Categorical, lambda names: np.array(names, object)])
def test_rows_of_numbers_may_have_words_as_labels(hold: Callable[[list[str]], object]) -> None:
    """Labels by words are those by numbers, in the order of the alphabet."""
    names = ["cat", "dog"] * 32
    by_words = mai.Spec(LABELLED, "words", data={"points": POINTS, "names": hold(names)}).train(quiet=True)
    by_numbers = mai.Spec(LABELLED, "numbers", data={"points": POINTS, "names": [0, 1] * 32}).train(quiet=True)
    assert by_words.metrics["loss"] == pytest.approx(by_numbers.metrics["loss"])


def test_two_specs_of_one_name_keep_their_runs_apart() -> None:
    """A notebook's specs are all called `spec` where nobody names them: a run that is moved aside is still itself, one that is removed is missed."""
    first, second = (mai.Spec(FLOW, data=POINTS * scale) for scale in (1, 100))
    one = first.train(quiet=True)
    loss, weights = one.metrics["loss"], one.weights.read_bytes()
    second.train(quiet=True)
    assert one.folder == Path("runs/spec/before") and one.weights.read_bytes() == weights
    assert (mai.Run(one.folder).metrics["loss"] == loss).all() and second.run is not None
    mai.Spec(FLOW, data=POINTS).train(quiet=True)
    with pytest.raises(mai.MaiError, match="is there no longer"):
        _ = one.weights


def test_specs_runs_and_models_are_copied_and_pickled() -> None:
    spec = mai.Spec(FLOW, "flow", data=POINTS, width=4)
    run = spec.train(quiet=True)
    drawn = spec.sample(batch=3, seed=1)
    for again in (copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))):
        assert (again(spec).sample(batch=3, seed=1) == drawn).all() and again(spec).consts == {"width": "4"}
        assert (again(run).metrics["loss"] == run.metrics["loss"]).all()
        assert (again(spec.sample)(batch=3, seed=1) == drawn).all()
