"""Numbers, labels, dates and sizes mean the same in C as by `load`."""

from __future__ import annotations

import json
from ctypes import POINTER, byref, c_float, c_int64
from pathlib import Path

import numpy as np
import pytest

from mai.runtime import ModelError, load
from mai.runtime.model.manifest import DateForm, Facts
from tests.support.c_host import Host, with_manifest, with_port
from tests.support.cases.far_numbers import NEAR, UNLIKE, notes_of, write_file
from tests.support.cases.words import WORDS, words_manifest

pytestmark = pytest.mark.slow


def test_draws_are_those_of_python(host: Host, files: Path) -> None:
    """With settings that the graph has defaults for, and with those that a call must give: to the bit."""
    for path in (files / "flow.sample.onnx", files / "required" / "flow.sample.onnx"):
        model = host.load(path)
        for values in ({}, {"batch": 5, "seed": 2**60 + 1}, {"batch": 3, "seed": 7, "steps": 2}):
            (points,) = host.results(host.call(model, **values))
            assert np.array_equal(points, load(path, providers="cpu", threads=1)(**values))


def test_inputs_of_many_and_of_one_example(host: Host, files: Path) -> None:
    """One example stands for a batch of one, and a batch of one for each of the others, in every run of a call."""
    model, plain = host.load(files / "flow.moved.onnx"), load(files / "flow.moved.onnx", providers="cpu")
    x, w = np.arange(12, dtype=np.float32).reshape(2, 3, 2), np.ones(4, np.float32)
    call = host.call(model, x=x, w=w, label=np.array([1, 2]), scale=0.5)
    for batch in (x, np.concatenate([x, x])):
        host.give(call, "x", batch)
        host.give(call, "label", np.arange(len(batch)) % 3)
        moved, label = host.results(call, *plain.outputs)
        expected = plain(x=batch, w=w, label=np.arange(len(batch)) % 3, scale=0.5)
        assert np.array_equal(moved, expected[next(iter(plain.outputs))])
        assert np.array_equal(label, np.arange(len(batch)) % 3)


def test_labels_have_names(host: Host, files: Path) -> None:
    model = host.load(with_port(files / "flow.moved.onnx", "named", field="label"))
    assert host.c.mai_label_of(model, b"label", b"green") == 1
    assert host.c.mai_label_name(model, b"label", c_int64(2)) == b"blue"
    assert host.c.mai_label_of(model, b"label", b"white") == -1
    assert host.c.mai_label_name(model, b"x", c_int64(0)) is None
    unnamed = host.load(files / "flow.moved.onnx")  # whose label is of no field of the data
    assert host.c.mai_label_of(unnamed, b"label", b"green") == -1


def test_words_are_the_labels_that_cells_are(host: Host, files: Path) -> None:
    said = json.loads(words_manifest().model_dump_json())
    model = host.load(with_manifest(files / "flow.moved.onnx", "words", lambda whole: whole.update(
        labels=said["labels"], spellings=said["spellings"], words=said["words"], inputs=[*whole["inputs"], *said["inputs"]]
    )))  # fmt: skip
    for name, word, place in WORDS:
        assert host.c.mai_label_of(model, name.encode(), word.encode()) == (-1 if place is None else place), word


@pytest.mark.parametrize(("gaps", "number"), [(True, 3), (False, -1), (None, 3)])
def test_a_word_that_training_never_saw(host: Host, files: Path, gaps: bool | None, number: int) -> None:
    """It has the label after those with names where Python gives it that, and is refused where Python refuses."""
    path = with_port(files / "flow.moved.onnx", f"gaps_{gaps}", field="label", gaps=gaps, classes=4, maximum=3)
    assert host.c.mai_label_of(host.load(path), b"label", b"white") == number
    plain, others = load(path, providers="cpu"), {"x": np.ones((1, 3, 2)), "w": np.ones((1, 4))}
    if number < 0:
        with pytest.raises(ModelError, match="has no label `white`"):
            plain(**others, label="white")
    else:
        with pytest.warns(UserWarning, match="white"):
            assert next(iter(reversed(plain(**others, label="white").values()))) == number


@pytest.mark.parametrize(
    ("form", "values", "help"),
    [
        ("day", [19844, 25000, 0], None),
        ("day", [19844, np.nan], ""),
        ("day", [19844, 20240502], "2024-03-14 is 19796"),
        ("time", [20240600], "2024-03-14 is 19796"),
        ("day", [2024], "2024-01-01 is 19723"),
        ("day", [45351], "2024-02-29 is 19782"),
        ("time", [45413.375], "2024-05-01 is 19844"),
        ("utc", [45365.1], "2024-03-14 is 19796"),
        ("utc", [1714555800], "2024-03-14 is 19796"),
        ("day", [1714555800123456789], "2024-03-14 is 19796"),
        ("day", [1e30], "2024-03-14 is 19796"),
        ("day", [-1e5], "2024-03-14 is 19796"),
        ("day", [np.inf], ""),
        (None, [20240501], None),
        (None, [1, -np.inf], ""),
    ],
)
def test_a_field_of_the_data(
    host: Host, files: Path, form: DateForm | None, values: list[float], help: str | None
) -> None:
    """Its numbers are finite and its dates near those of the data, as in Python, which takes dates in words, too."""
    facts = Facts(low=[10957], high=[19844], middle=[15000], dates=[form])
    path = with_manifest(
        files / "flow.far.onnx", f"{form}", lambda whole: whole.update(facts={"x": facts.model_dump()})
    )
    x, plain = np.array(values, np.float32)[:, None], load(path, providers="cpu")
    call = host.call(host.load(path))
    if help is None:
        host.give(call, "x", x)
        return
    with pytest.raises(ModelError) as wanted:
        plain(x=x)
    with pytest.raises(ModelError) as refused:
        host.give(call, "x", x)
    assert str(refused.value) == wanted.value.message + (f" ({help})" if help else "")


@pytest.mark.parametrize("gaps", [True, False])
def test_numbers_that_mean_no_value(host: Host, files: Path, gaps: bool) -> None:
    """What said in the data that there is none is missing in a call, as in Python, and the caller's numbers stay."""
    facts = Facts(low=[0], high=[99], middle=[5], gaps=gaps, absent=["-99.9", "unknown", "99"]).model_dump()
    path = with_manifest(files / "flow.row.onnx", f"absent{gaps}", lambda whole: whole.update(facts={"when": facts}))
    when, kind = np.array([1, -99.9, 99, 98, np.nan], np.float32), np.zeros(5, np.int64)
    plain, call = load(path, providers="cpu"), host.call(host.load(path), kind=kind)
    if gaps:
        host.give(call, "when", when)
        (doubled,) = host.results(call)
        np.testing.assert_array_equal(doubled, [2, np.nan, np.nan, 196, np.nan])
        np.testing.assert_array_equal(next(iter(plain(when=when, kind=kind).values())), doubled)
        assert when[1] == np.float32(-99.9)
    else:
        with pytest.raises(ModelError, match=r"`when` is missing \(NaN\)") as refused:
            host.give(call, "when", when[:2])
        with pytest.raises(ModelError) as wanted:
            plain(when=when[:2], kind=kind[:2])
        assert str(refused.value).startswith(wanted.value.message)


@pytest.mark.parametrize("bounds", [{}, {"low": [], "high": []}, {"low": [1e300], "high": [1e301]}, {"low": ["a"]}])
def test_dates_that_a_manifest_does_not_bound(host: Host, files: Path, bounds: dict[str, object]) -> None:
    """Another program's file: its numbers are taken as they are."""
    facts = {"x": {"dates": ["day"], **bounds}}
    path = with_manifest(files / "flow.far.onnx", "unbounded", lambda whole: whole.update(facts=facts))
    host.give(host.call(host.load(path)), "x", np.array([[20240501]], np.float32))


def test_what_is_said_of_numbers_far_from_those_of_the_data(host: Host, tmp_path: Path) -> None:
    """As in Python, to the letter, each time of the values that the call has then."""
    file = write_file(tmp_path)
    model, plain = host.load(file), load(file)
    call = host.call(model)
    for each in (*UNLIKE, {}):
        for name, value in (NEAR | each).items():
            host.give(call, name, np.asarray(value, np.float32))
        assert host.notes(call) == notes_of(plain, NEAR | each), each
        host.results(call)


def test_truth_values_are_any_byte(host: Host, files: Path) -> None:
    model, many = host.load(files / "flow.equal.onnx"), np.ones((1, 1, 2), np.float32)
    for on in (0, 1, 7):
        call = host.call(model, many=many, on=on)
        host.right(host.c.mai_give_booleans(call, b"flags", bytes([0, 1, 7]), 1, (c_int64 * 1)(3)))
        (same,) = host.results(call)
        assert same.tolist() == [on == 0, on != 0, on != 0]
        assert set(same.view(np.uint8).tolist()) <= {0, 1}
    with pytest.raises(ModelError, match=r"`on` is false or true, 0 or 1, this is 0\.5"):
        host.call(model, on=0.5)


def test_sizes_that_no_memory_holds(host: Host, files: Path) -> None:
    call, number = host.call(host.load(files / "flow.equal.onnx")), np.ones(4, np.float32).ctypes
    for sizes in ((2**61, 2, 2), (2**40, 2**40, 2), (2**62, 2)):
        dims = (c_int64 * len(sizes))(*sizes)
        assert not host.c.mai_give_floats(call, b"many", number.data_as(POINTER(c_float)), len(sizes), dims)
        assert host.c.mai_message() == b"the sizes of `many` are more than any memory holds"
    assert not host.c.mai_give_floats(call, b"many", None, 2, (c_int64 * 2)(2, 2))
    assert host.c.mai_message() == b"there are no numbers for `many`"
    assert not host.c.mai_give_floats(call, b"many", number.data_as(POINTER(c_float)), 2, None)
    assert host.c.mai_message() == b"`many` is given 2 sizes, and they are not there"
    assert not host.c.mai_give_floats(call, None, number.data_as(POINTER(c_float)), 0, None)
    assert host.c.mai_message() == b"an input or a setting is given by its name, and there is none"


def test_days_are_those_of_years_that_texts_have(host: Host, files: Path) -> None:
    days = c_float()
    for year, number in ((1, -719162.0), (9999, 2932896.0)):
        assert host.c.mai_days_of(year, 1 if year == 1 else 12, 1 if year == 1 else 31, byref(days))
        assert days.value == number
    for year in (0, -5, 10000, 2_000_000_000):
        assert not host.c.mai_days_of(year, 1, 1, byref(days))
        assert b"there is no day" in host.c.mai_message()
    assert not host.c.mai_days_of(2024, 1, 1, None)
    host.c.mai_ports(host.load(files / "flow.equal.onnx"), None)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"y": 1}, "there is no input or setting `y` (it takes x, w, label, scale)"),
        ({"scal": 1}, "there is no input or setting `scal` (did you mean `scale`?)"),
        ({"x": 1}, "`x` is an input, which mai_give_... takes"),
        ({"scale": np.ones(1, np.float32)}, "`scale` is a setting, which mai_set takes"),
        ({"scale": 1e300}, "`scale` is a real number (float32), this holds 1e+300"),
        ({"scale": float("nan")}, "`scale` is a finite number, this is nan"),
        ({"x": np.ones((2, 3, 3), np.float32)}, "`x` is [batch, P, 2], this is [2, 3, 3]"),
        ({"x": np.ones((2, 3, 2), np.int64)}, "`x` is float32, this is int64"),
        ({"w": np.ones((1, 5), np.float32)}, "`P + 1` is 4 here, and `w` has 5"),
        ({"label": np.array([0, 3])}, "`label` is from 0 to 2, this holds 3"),
        ({"label": np.array([0, 1, 2])}, "the batch is 2 in `x` and 3 in `label`"),
        ({"x": np.ones((0, 3, 2), np.float32)}, "the batch of `x` is empty"),
        ({"x": np.ones((2, 0, 2), np.float32)}, "`P` is at least 1, `x` has 0"),
        ({"x": np.ones((1,) * 10, np.float32)}, "`x` is given 10 sizes, and at most 8 are taken"),
    ],
)
def test_a_value_that_does_not_fit(host: Host, files: Path, values: dict[str, object], words: str) -> None:
    model = host.load(files / "flow.moved.onnx")
    fitting = {"x": np.ones((2, 3, 2), np.float32), "w": np.ones((1, 4), np.float32), "label": np.array([0, 1])}
    with pytest.raises(ModelError) as caught:
        host.results(host.call(model, **(fitting | values)))
    assert str(caught.value) == words


def test_sizes_with_names_of_any_alphabet(host: Host, files: Path) -> None:
    model = host.load(files / "flow.greek.onnx")
    for length in (4, 5):
        call = host.call(model, x=np.ones((1, 3, 2), np.float32), w=np.ones((1, length), np.float32))
        if length == 4:
            assert host.results(call)[0].tolist() == [[7, 7]]
        else:
            with pytest.raises(ModelError, match=r"`β \+ 1` is 4 here, and `w` has 5"):
                host.results(call)
    with pytest.raises(ModelError, match="`β - γ` is at least 0, here it is -1"):
        host.results(host.call(model, x=np.ones((1, 3, 2), np.float32), w=np.ones((1, 4), np.float32), γ=4))


def test_a_solver_that_does_not_arrive(host: Host, files: Path) -> None:
    model = host.load(files / "flow.far.onnx")
    (end,) = host.results(host.call(model, x=np.array([[0.5], [0.25]], np.float32)))
    assert np.allclose(end, [[1.0], [1 / 3]], rtol=1e-4)
    with pytest.raises(ModelError, match="did not arrive for example 1"):
        host.results(host.call(model, x=np.array([[0.5], [3.0]], np.float32)))
