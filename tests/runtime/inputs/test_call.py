"""Calling a model: what is taken for an array, and what is refused."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from onnx import helper

from mai.runtime import ModelError, load
from mai.runtime.inputs.arguments import as_array, as_values, prepare
from mai.runtime.inputs.labels import as_labels
from mai.runtime.inputs.words import as_numbers
from mai.runtime.model.failures import is_of_memory
from mai.runtime.model.manifest import Facts, Port
from mai.runtime.model.model import Model
from tests.support.cases.small_files import build, manifest, output, real
from tests.support.cases.words import WORDS, words_manifest

Write = Callable[..., Path]
X, Y = [[1.0, 2.0], [3.0, 4.0]], [0, 5]


@pytest.fixture
def shift(shifted: onnx.ModelProto, write: Write) -> Model:
    return load(write(shifted), providers="cpu", threads=1)


@pytest.fixture
def count(counting: onnx.ModelProto, write: Write) -> Model:
    return load(write(counting, "count.onnx"), providers="cpu", threads=1)


@pytest.fixture
def pair(paired: onnx.ModelProto, write: Write) -> Model:
    return load(write(paired, "pair.onnx"), providers="cpu", threads=1)


def test_settings_have_defaults(shift: Model, count: Model) -> None:
    np.testing.assert_array_equal(shift(x=X, y=Y), [[2, 4], [11, 13]])
    np.testing.assert_array_equal(shift(x=X, y=Y, scale=0.5), [[0.5, 1], [6.5, 7]])
    np.testing.assert_array_equal(shift(x=X, y=Y, scale=None), shift(x=X, y=Y))
    assert count().tolist() == [[0, 0]]
    assert count(batch=3, seed=7).tolist() == [[7, 7], [8, 8], [9, 9]]


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int64, np.int8, np.uint16])
def test_numbers_of_any_kind_are_cast(shift: Model, kind: type[np.generic]) -> None:
    x = np.array(X, kind)
    result = shift(x=x, y=np.array(Y, kind), scale=np.array(2, kind))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [[2, 4], [11, 13]])


def test_tensors_of_torch(shift: Model) -> None:
    array = torch.tensor(X, dtype=torch.bfloat16, requires_grad=True)
    for x in (array, array.half(), array.double(), array.int()):
        np.testing.assert_array_equal(shift(x=x, y=torch.tensor(Y)), [[2, 4], [11, 13]])
    for none in (array.to_sparse(), array.to("meta"), [*array.detach()]):
        with pytest.raises(ModelError, match="`x` has no numbers as an array"):
            shift(x=none, y=Y)


def test_none_is_a_gap_where_the_file_has_an_answer_for_one(shift: Model) -> None:
    with pytest.raises(ModelError, match=r"`x` is missing \(None\)"):
        shift(x=[[1, None], [3, 4]], y=Y)
    gaps = shift.inputs["x"].model_copy(update={"gaps": True})
    for none in ([1, None], [1, pd.NA], pd.array([1, None], "Int64")):
        np.testing.assert_array_equal(as_values(gaps, as_array(gaps, none)), [1, np.nan])
    with pytest.raises(ModelError, match="values under a mask"):
        as_array(gaps, np.ma.masked_array([1.0, 2.0], [False, True]))
    for none in ([[1, None], [3, "4"]], [[True, None]], [[1j, None]]):
        with pytest.raises(ModelError):
            as_values(gaps, as_array(gaps, none))


@pytest.mark.parametrize("none", [None, np.nan, pd.NA, pd.NaT])
def test_a_word_that_is_missing_has_the_label_for_that(none: object) -> None:
    port = Port(name="y", kind="input", dtype="int64", batch=True, classes=3, gaps=True)
    names, counts = ["cat", "dog"], Counter[str]()
    for value in (
        ["cat", none],
        [0, none],
        np.array(["cat", none], object),
        pd.Series(["cat", none]),
        pd.Series([0, none]),
    ):
        assert as_labels(port, names, value, counts) == [0, 2]
    assert as_labels(port, names, none, counts) == 2
    assert not counts
    with pytest.raises(ModelError, match="mixes names and numbers"):
        as_labels(port.model_copy(update={"gaps": False}), names, ["cat", none])


def test_words_are_the_labels_that_cells_are() -> None:
    """What is left out around them is what Arrow leaves out, by which tables are read."""
    described = words_manifest()
    ports = {port.name: port for port in described.inputs}
    for name, word, place in WORDS:
        if place is None:
            with pytest.raises(ModelError, match=r"has no (label|names)"):
                as_numbers(described, ports[name], word, None, special_tokens=False)
        else:
            assert as_numbers(described, ports[name], [word], None, special_tokens=False) == [place]
    characters = pa.array([chr(code) for code in range(0x11000) if not 0xD800 <= code < 0xE000])
    spaces = characters.filter(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(characters)), 0))
    assert described.words.spaces == "".join(spaces.to_pylist())


def test_a_whole_value_may_be_missing() -> None:
    """As `null` in JSON and in JavaScript; a setting then has its default."""
    label = Port(name="y", kind="input", dtype="int64", batch=True, classes=3, gaps=True)
    number = Port(name="x", kind="input", dtype="float32", batch=True, gaps=True)
    described = manifest([label, number], [], []).model_copy(update={"labels": {"y": ["cat", "dog"]}})
    setting = label.model_copy(update={"kind": "setting"})
    ports = (label, number, setting, number.model_copy(update={"gaps": None}))
    values = [as_numbers(described, port, None, None, special_tokens=False) for port in ports]
    assert values == [2, pytest.approx(math.nan, nan_ok=True), None, None]
    labels = as_numbers(described, label, torch.tensor([1, math.nan], dtype=torch.bfloat16), None, special_tokens=False)
    assert labels == [1, 2]


def test_arrays_of_any_layout_are_taken(shift: Model) -> None:
    x = np.asfortranarray(np.arange(8.0).reshape(2, 4))[:, ::2]
    np.testing.assert_array_equal(shift(x=x, y=Y), 2 * x + np.array([[0], [5]]))


def test_one_example_stands_for_a_batch_of_one(shift: Model) -> None:
    assert shift(x=[1, 2], y=3).tolist() == [[5, 7]]
    assert shift(x=np.array([1, 2]), y=[3]).tolist() == [[5, 7]]


def test_truths_are_1_and_0_of_real_numbers(shift: Model) -> None:
    """As training takes them of an array; they are no labels and no settings."""
    assert shift(x=np.array([[True, False]]), y=[3]).tolist() == [[5, 3]]
    with pytest.raises(ModelError, match="`scale` is float32, this is bool"):
        shift(x=X, y=Y, scale=True)


def test_what_is_not_a_number_passes_through(shift: Model) -> None:
    result = shift(x=[[math.nan, math.inf]], y=[0])
    assert np.isnan(result[0, 0])
    assert result[0, 1] == math.inf


def test_several_outputs_come_by_name(pair: Model) -> None:
    result = pair(a=[[1, 2, 3]], b=[[4, 5, 6]])
    assert {name: array.tolist() for name, array in result.items()} == {"sum": [[5, 7, 9]], "product": [[4, 10, 18]]}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"x": X}, "input-missing", "`y` is missing"),
    ({"x": X, "y": None}, "input-missing", "`y` is missing"),
    ({"x": X, "y": Y, "scael": 1}, "input-unknown", "did you mean `scale`?"),
    ({"x": X, "y": Y, "q": 1}, "input-unknown", "it takes x, y, scale"),
    ({"x": X, "y": [0.5, 1]}, "input-dtype", "this holds 0.5"),
    ({"x": X, "y": [math.inf, 1]}, "input-dtype", "this holds inf"),
    ({"x": X, "y": [math.nan, 1]}, "input-dtype", "this holds nan"),
    ({"x": X, "y": [2.0**63, 1]}, "input-dtype", "this holds 9223372036854775808"),
    ({"x": X, "y": [True, False]}, "input-dtype", "this is bool"),
    ({"x": X, "y": [3, True]}, "input-dtype", "`y` mixes true or false and numbers"),
    ({"x": [[0.5, np.True_]], "y": [0]}, "input-dtype", "`x` mixes true or false and numbers"),
    ({"x": X, "y": ["3", "4"]}, "input-dtype", "`y` takes numbers: this file has no names of its labels"),
    ({"x": [["1", "2"]], "y": [0]}, "input-dtype", "this is a text: `1` (a number stands without quotes: 1)"),
    ({"x": np.array([[None, "45 %"]]), "y": [0]}, "input-dtype", "`x` is float32, this is a text: `45 %`"),
    ({"x": X, "y": np.array(["a", "b"])}, "input-dtype", "`y` takes numbers: this file has no names"),
    ({"x": X, "y": ["a", 1]}, "input-dtype", "`y` mixes names and numbers: `a` and `1`"),
    ({"x": X, "y": np.array([1, "a"], object)}, "input-dtype", "names and numbers: `a` and `1`"),
    ({"x": X, "y": [10**30, 1]}, "input-dtype", "no number that fits"),
    ({"x": [[1, 1e300], [0, 0]], "y": Y}, "input-dtype", "this holds 1e+300"),
    ({"x": [[1j, 0], [0, 0]], "y": Y}, "input-dtype", "this is complex128"),
    ({"x": [[1, 2], [3]], "y": Y}, "input-shape", "rows differ in length"),
    ({"x": [[1, 2, 3]], "y": [0]}, "input-shape", "`x` is [batch, 2], this is [1, 3]"),
    ({"x": 1, "y": [0]}, "input-shape", "this is []"),
    ({"x": X, "y": [1, 2, 3]}, "input-shape", "the batch is 2 in `x` and 3 in `y`"),
    ({"x": [*X, *X], "y": Y}, "input-shape", "the batch is 4 in `x` and 2 in `y`"),
    ({"x": np.zeros((0, 2)), "y": Y}, "input-shape", "the batch of `x` is empty"),
    ({"x": X, "y": np.zeros(0, int)}, "input-shape", "the batch of `y` is empty"),
    ({"x": X, "y": Y, "scale": [1, 2]}, "input-shape", "`scale` is one number"),
    ({"x": X, "y": [0, 10]}, "input-range", "`y` is from 0 to 9, this holds 10"),
    ({"x": X, "y": [-1, 0]}, "input-range", "`y` is from 0 to 9, this holds -1"),
    ({"x": X, "y": Y, "scale": -1}, "input-range", "`scale` is at least 0, this holds -1"),
    ({"x": X, "y": Y, "scale": math.nan}, "input-range", "`scale` is a finite number, this is nan"),
    ({"x": X, "y": Y, "scale": math.inf}, "input-range", "`scale` is a finite number, this is inf"),
]


@pytest.mark.parametrize(("values", "slug", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
def test_what_is_refused(shift: Model, values: dict[str, Any], slug: str, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        shift(**values)
    assert caught.value.slug == slug
    assert said in str(caught.value)


@pytest.mark.parametrize(("x", "y"), [(X, 3), (X, [3]), ([1, 2], Y), ([[1, 2]], Y)])
def test_one_example_stands_for_each_of_a_batch(shift: Model, x: Any, y: Any) -> None:
    result = shift(x=x, y=y)
    assert result.shape == (2, 2)
    repeated = shift(x=np.broadcast_to(np.array(x, np.float32), (2, 2)), y=np.broadcast_to(np.array(y), (2,)))
    np.testing.assert_array_equal(result, repeated)


def test_a_named_size_is_one_size_in_a_call(pair: Model) -> None:
    assert pair(a=np.ones((2, 3)), b=np.ones((2, 3)))["sum"].shape == (2, 3)
    assert pair(a=np.ones((2, 5)), b=np.ones((2, 5)))["sum"].shape == (2, 5)
    with pytest.raises(ModelError, match="`P` is at least 1, `a` has 0"):
        pair(a=np.ones((2, 0)), b=np.ones((2, 0)))
    with pytest.raises(ModelError, match="`P` is 3 in `a` and 4 in `b`"):
        pair(a=np.ones((2, 3)), b=np.ones((2, 4)))


@pytest.mark.parametrize("batch", [2**46, 2**60])
def test_too_little_memory_is_told_in_a_line(count: Model, batch: int) -> None:
    with pytest.raises(ModelError, match=r"^count\.onnx needs more memory for this call than there is here \(fewer"):
        count(batch=batch)


@pytest.mark.parametrize("said", ["DefaultCPUAllocator: can't allocate memory", "CUDA out of memory", "std::bad_alloc"])
def test_libraries_that_lack_memory_are_understood(said: str) -> None:
    assert is_of_memory(RuntimeError(said)) and not is_of_memory(RuntimeError("a shape is wrong"))


def test_eight_threads_share_a_model(count: Model) -> None:
    def place(seed: int) -> bool:
        return bool((count(batch=100, seed=seed)[:, 0] == seed + np.arange(100)).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(place, range(400)))


def test_a_value_without_a_name_is_told_the_names(shift: Model, count: Model) -> None:
    for call in (shift, shift.counted):
        with pytest.raises(ModelError, match=r"given by name \(model\(x=...\); it takes x, y, scale\)") as caught:
            call(X, y=Y)
        assert caught.value.slug == "input-unknown"
    with pytest.raises(ModelError, match=r"it takes batch, seed"):
        count(3)


@pytest.mark.parametrize(
    ("port", "value", "said"),
    [
        ({"dtype": "bool"}, [True, 1], "`v` mixes true or false and numbers (write true or false for all)"),
        ({"dtype": "float32", "maximum": 1e30}, [1e31], "`v` is at most 1e+30, this holds"),
        ({"dtype": "int64", "minimum": 0, "maximum": 2**32 - 1}, [2**32], "`v` is from 0 to 4294967295, this holds 4294967296"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_range_and_of_truths(port: dict[str, Any], value: list[Any], said: str) -> None:
    with pytest.raises(ModelError) as caught:
        prepare({"v": Port(name="v", kind="input", batch=True, **port)}, {}, {"v": value})
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("values", "notes"),
    [
        ([0.52, -1.0], ["`x0`: training had per cent, as `52 %`: 0.52 is 0.52 %, and not a share of 1"]),
        ([520.0, 0.5], ["`x0`: 1 row is far outside of what training had, 0 to 100: 520 for one"]),
        ([[52.0, 0.5], [0.52, 0.0]], []),
        ([[np.nan, np.nan]], []),
    ],
)
def test_numbers_unlike_those_of_training_are_warned_of(write: Write, values: list[Any], notes: list[str]) -> None:
    facts = Facts(low=[0, -1], high=[100, 1], middle=[50, 0], percents=["52 %", ""])
    described = manifest([real("x", 2, gaps=True)], [], [output("f", 2)]).model_copy(update={"facts": {"x": facts}})
    model = load(write(build(described, [helper.make_node("Identity", ["x"], ["f"])]), "f.onnx"), providers="cpu")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model(x=values)
    assert [str(each.message) for each in caught] == notes
    with pytest.raises(ModelError, match="the batch of `x` is empty"):
        model(x=np.zeros((0, 2)))
