"""Labels, dates, truths and sizes mean the same in JavaScript as in Python; what is none is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from mai.compiler.program import Program
from mai.runtime import ModelError, load
from mai.runtime.model.manifest import DateOrder, Facts
from tests.support.cases.far_numbers import NEAR, UNLIKE, notes_of, write_file
from tests.support.cases.small_files import build, manifest, output, real
from tests.support.cases.words import NAMES, WORDS, words_manifest
from tests.support.hosts import ROOT
from tests.support.javascript import JavaScript, arrays, compiled, small

pytestmark = pytest.mark.slow


def test_sizes_that_are_made_of_others(
    javascript: JavaScript, program: Callable[[str], Program], tmp_path: Path
) -> None:
    text = "export g(x: [P], w: [2 * P + 1], u: [(P - 1) // 2]) -> [P] { return x + w[1:P + 1] + sum(u) }\n"
    file = str(compiled(program(text), "g", tmp_path))
    fits = {"x": [[1, 1, 1]], "w": [[1] * 7], "u": [[1]]}
    right, wrong, other = javascript(
        [{"file": file, "values": fits | changed} for changed in ({}, {"w": [[1] * 3]}, {"u": [[1, 1]]})]
    )
    np.testing.assert_array_equal(arrays(right)["g"], [[3, 3, 3]])
    assert "is 7 here, and `w` has 3" in wrong["error"]
    assert "is 1 here, and `u` has 2" in other["error"]


def test_names_of_labels(javascript: JavaScript, tmp_path: Path) -> None:
    program = small(ROOT / "examples" / "dit.mai")
    names = {"y": tuple(f"digit {k}" for k in range(10))}
    file = compiled(program, "sample", tmp_path, labels=names)
    values = {"steps": 2, "seed": 1}
    calls = [{"file": str(file), "values": values | {"y": y}} for y in ("digit 3", ["digit 3"], 3, [3])]
    samples = [arrays(a)["sample"] for a in javascript(calls)]
    for array in samples[1:]:
        np.testing.assert_array_equal(array, samples[0])
    (refused,) = javascript([{"file": str(file), "values": {"y": "digit 11"}}])
    assert "`y` has no label `digit 11`: there are digit 0, digit 1" in refused["error"]


def test_a_label_for_what_is_not_known(
    javascript: JavaScript, program: Callable[[str], Program], tmp_path: Path
) -> None:
    """As in Python: a word that training never saw has it where rows may lack a value, and so has none; a number that is none is NaN."""
    text = """data kind: class[4], age: [], y: [] from table("t.csv", missing = keep, needs = y)
net f(kind: class[4], age: []) -> [] { return sum(embed(kind, 2)) + sum(missing([age])) + fill(age) }
train(steps = 1) { minimize (f(kind, age) - y)^2 }
export g(kind: class[4], age: []) -> [] { return f(kind, age) }
"""
    (tmp_path / "t.csv").write_text("kind,age,y\n" + "cat,1,1\ndög,,2\n,2,3\n" * 10)
    file = str(compiled(program(text), "g", tmp_path, labels={"kind": ("cat", "dög")}))
    asked = [
        (["cow"], 1),
        ([2], 1),
        ([None], 1),
        (None, [1]),
        ([""], 1),
        ([{"number": "NaN"}], 1),
        (["dög"], 1),
        (["do\u0308g", None], [None, 1]),
    ]
    calls = [{"file": file, "values": {"kind": kind, "age": age}} for kind, age in asked]
    *none, other, gaps = (arrays(answer)["g"] for answer in javascript(calls))
    for each in none:
        np.testing.assert_array_equal(each, none[0])
    assert not np.array_equal(none[0], other)
    np.testing.assert_allclose(gaps, load(file)(kind=["do\u0308g", None], age=[np.nan, 1]), rtol=1e-6)
    (mixed,) = javascript([{"file": file, "values": {"kind": ["cat", 1, None], "age": 1}}])
    assert mixed["error"] == "`kind` mixes names and numbers: `cat` and `1`"


def test_dates(javascript: JavaScript, program: Callable[[str], Program], tmp_path: Path) -> None:
    """As in Python: what was a date in the data may be one in a call."""
    text = """data when: [], y: [] from table("t.csv")
net f(when: []) -> [] { return linear([when], 1)[0] }
train(steps = 1) { minimize (f(when) - y)^2 }
export g(when: []) -> [] { return when }
"""
    facts = {"when": Facts(low=[19000], high=[20000], middle=[19500], dates=["time"])}
    file = str(compiled(program(text), "g", tmp_path, facts=facts))
    values = (
        "2024-05-01",
        ["1.5.2024 12:00", "2024/05/01", "2024-05-01T1800", "2024-05-01 060000,0", "1.5.2024 6:00"],
        [19844],
        "0001-01-01",
    )
    wrong = ("2024-02-30", "2024-05-01Z", "2024-05-01T00:00+02:00", "2024-05-01T00:00Z")
    numbers = (20240501, 202405010930, 2024, 45413.5, 1714555800, 1714555800123, 5e9)
    odd = [[19844, {"number": "-Infinity"}], [{"number": "NaN"}]]
    infinite, missing = javascript([{"file": file, "values": {"when": when}} for when in odd])
    assert infinite["error"] == "`when` is a finite number, as in the data, this holds -Infinity"
    with pytest.raises(ModelError) as lacking:
        load(file)(when=np.nan)
    assert missing["error"] == f"{lacking.value.message}: {lacking.value.help}"
    *answers, calendar, bare, offset, zero = javascript(
        [{"file": file, "values": {"when": when}} for when in (*values, *numbers, *wrong)]
    )
    answers, refused = answers[: len(values)], answers[len(values) :]
    for number, each in zip(numbers, refused, strict=True):
        with pytest.raises(ModelError) as said:
            load(file)(when=number)
        assert each["error"] == f"{said.value.message}: {said.value.help}"
    assert [arrays(each)["g"].tolist() for each in answers] == [
        [19844],
        [19844.5, 19844, 19844.75, 19844.25, 19844.25],
        [19844],
        [-719162],
    ]
    assert "`when` is a date with its time, this is `2024-02-30`: write it as" in calendar["error"]
    assert "is a date with its time, this is `2024-05-01Z`" in bare["error"]
    for each in (offset, zero):
        assert "times here have no offset from UTC, as in the data, and this has one" in each["error"]


ORDERED_DATES = {
    "day_first": ("03/04/2024", "3-4-24", "03.04.24", "31/12/1969 2:30 PM"),
    "month_first": ("04/03/2024", "4-3-70 12:15", "03.04.2024", "12/31/24 12:05 am"),
    None: ("14-Mar-24", "14 march 2024", "March 14, 2024", "2024-Sept-5", "5. sep 68 09:30", "2024-05-01 12:00 p.m."),
}


NO_DATES = {"day_first": "04/13/2024", "month_first": "13.04.24", None: "03/04/2024"}


@pytest.mark.parametrize("order", ORDERED_DATES)
def test_dates_in_an_order_or_with_names_of_months(
    order: DateOrder | None, javascript: JavaScript, tmp_path: Path
) -> None:
    """What of day and month is first, the file says; months of other languages are none."""
    facts = {"when": Facts(low=[-400], high=[40000], middle=[19500], dates=["time"], order=order)}
    described = manifest([real("when")], [], [output("f")]).model_copy(update={"facts": facts})
    file = tmp_path / "f.onnx"
    file.write_bytes(build(described, [helper.make_node("Identity", ["when"], ["f"])]).SerializeToString())
    right, *wrong = [[*ORDERED_DATES[order]], NO_DATES[order], "14-Mai-24", "2024-05-01 13:00 pm"]
    answer, *refusals = javascript([{"file": str(file), "values": {"when": when}} for when in (right, *wrong)])
    assert arrays(answer)["f"].tolist() == load(file)(when=right).tolist()
    for text, refusal in zip(wrong, refusals, strict=True):
        with pytest.raises(ModelError) as said:
            load(file)(when=text)
        assert refusal["error"] == f"{said.value.message}: {said.value.help}"


def test_numbers_that_mean_no_value(javascript: JavaScript, tmp_path: Path) -> None:
    """What said in the data that there is none is missing in a call."""
    facts = {"x": Facts(low=[0], high=[99], middle=[5], gaps=True, absent=["-99.9", "unknown", "99"])}
    described = manifest([real("x")], [], [output("f")]).model_copy(update={"facts": facts})
    file = tmp_path / "f.onnx"
    file.write_bytes(build(described, [helper.make_node("Identity", ["x"], ["f"])]).SerializeToString())
    x = [1, -99.9, 99, 98]
    (answer,) = javascript([{"file": str(file), "values": {"x": x}}])
    np.testing.assert_array_equal(arrays(answer)["f"], [1, np.nan, np.nan, 98])
    np.testing.assert_array_equal(load(file)(x=x), arrays(answer)["f"])


def test_words_are_the_labels_that_cells_are(javascript: JavaScript, tmp_path: Path) -> None:
    described, file = words_manifest(), tmp_path / "f.onnx"
    nodes = [helper.make_node("Identity", [name], [f"of_{name}"]) for name in NAMES]
    file.write_bytes(build(described, nodes).SerializeToString())
    others = dict.fromkeys(NAMES, 0)
    labels, misnamed, *answers = javascript(
        [{"file": str(file), "port": each} for each in ({"of": "kinds"}, "kinds")]
        + [{"file": str(file), "values": {**others, name: word}} for name, word, _ in WORDS]
    )
    assert labels == {"labels": NAMES["kinds"]}
    assert misnamed["error"].endswith('as `model.inputs.town`; this is "kinds"')
    for answer, (name, word, place) in zip(answers, WORDS, strict=True):
        if place is None:
            assert "has no label" in answer["error"] or "has no names" in answer["error"], word
        else:
            assert arrays(answer)[f"of_{name}"].tolist() == [place], word


def test_numbers_far_from_those_of_the_data(javascript: JavaScript, tmp_path: Path) -> None:
    """The notes are those of Python, to the letter; so is what is said of batches of two lengths, and of what is missing."""
    file = write_file(tmp_path)
    model, wrong = load(file), [{"one": [0, 1e-9], "x": [[5, 5]] * 3}, {"one": None}, {"day": None}, {"one": []}]
    answers = javascript([{"file": str(file), "values": NEAR | each} for each in (*UNLIKE, *wrong)])
    for answer, each in zip(answers, UNLIKE, strict=False):
        assert answer.get("notes", []) == notes_of(model, NEAR | each), each
    for answer, each in zip(answers[len(UNLIKE) :], wrong, strict=True):
        with pytest.raises(ModelError) as refused:
            model(**(NEAR | each))
        said = refused.value
        error = f"{said.message}: {said.help}" if said.help else said.message
        assert answer["error"].replace("(null)", "(None)") == error
    assert answers[1]["notes"] == [
        "`one`: 2 rows are far outside of what training had, 0 to 1e-05: 3e-05 for one",
        "`left`: 1 row is far outside of what training had, 1 to 9: 18 for one",
    ]
    assert answers[2]["notes"][-1] == "`many`: so are 2 more of its numbers"
    assert answers[4]["notes"][-1] == "`of`: training had per cent, as `20 %`: 1 is 1 %, and not a share of 1"


def test_several_calls_at_once(javascript: JavaScript, tmp_path: Path) -> None:
    """Each has its own results, also where files with other inputs and outputs are opened and called meanwhile."""
    calls = []
    for count in (1, 5, 2, 4, 1, 3):
        names = [f"x{k}" for k in range(count)]
        outputs = [output(f"of_{name}") for name in names]
        nodes = [helper.make_node("Identity", [name], [f"of_{name}"]) for name in names]
        file = tmp_path / f"{len(calls)}.onnx"
        file.write_bytes(build(manifest([*map(real, names)], [], outputs), nodes).SerializeToString())
        calls.append({"file": str(file), "values": {name: [10 * len(calls) + k] for k, name in enumerate(names)}})
    first, *others = calls
    answers = javascript([{**first, "beside": others}])
    for answer, call in zip(answers, calls, strict=True):
        assert {name: array.tolist() for name, array in arrays(answer).items()} == {
            f"of_{name}": values for name, values in call["values"].items()
        }


def test_a_vector_of_dates(javascript: JavaScript, tmp_path: Path) -> None:
    """One example is a list of texts, which are no tokens."""
    facts = {"x": Facts(low=[19000] * 2, high=[20000] * 2, middle=[19500] * 2, dates=["day"] * 2)}
    described = manifest([real("x", 2)], [], [output("f", 2)]).model_copy(update={"facts": facts})
    file = tmp_path / "f.onnx"
    file.write_bytes(build(described, [helper.make_node("Identity", ["x"], ["f"])]).SerializeToString())
    dates = ["2024-05-01", "2024-05-02"]
    for answer in javascript([{"file": str(file), "values": {"x": x}} for x in (dates, [dates])]):
        assert arrays(answer)["f"].tolist() == load(file)(x=dates).tolist() == [[19844, 19845]]


REFUSED = [
    ({"stepz": 3}, "there is no input or setting `stepz`; it takes x, y, seed, scale"),
    ({"batch": 3}, "there is no input or setting `batch`; the batch is as long as `x`, which has a value for each example"),
    ({"sead": 3}, "there is no input or setting `sead`; did you mean `seed`?"),
    ({}, "the input `x` is missing; it takes x, y, seed, scale"),
    ({"x": [[1, None]]}, "`x` is a number, this is null"),
    ({"x": [["a", 1]]}, '`x` is a number, this is "a"'),
    ({"x": "1, 2"}, "`x` takes numbers, this is a text"),
    ({"x": [1, 2], "scale": "a"}, '`scale` is a number, this is "a"'),
    ({"x": [[1, 2], [1, 2]], "y": [[1], [2], [3]]}, "the batch is 2 in `x` and 3 in `y`"),
    ({"x": [[1, 2, 3]]}, "`x` is [batch, 2], this is [1, 3]"),
    ({"x": [1, 2], "seed": -1}, "`seed` is at least 0, this holds -1"),
    ({"x": [1, 2], "seed": 1.5}, "`seed` is a whole number, this holds 1.5"),
    ({"x": [[1], [2, 3]]}, "`x` is not a regular array: its rows differ in length"),
    ({"x": [[1, 2], [3], [4, 5, 6]]}, "`x` is not a regular array: its rows differ in length"),
    ({"x": {"data": [1, 2, 3], "dims": [2, 2]}}, "`x` has 3 numbers, and [2, 2] are 4"),
    ({"x": {"data": [], "dims": [0, 2]}}, "the batch of `x` is empty"),
    ({"x": {"data": [1, 2], "dims": "2"}}, "`x` is written { data, dims }: numbers in a list, and their sizes"),
    ({"x": [1, 1e300]}, "`x` is a real number (float32), this holds 1e+300"),
    ({"x": [1, 2], "seed": True}, "`seed` is a number, this is true"),
    ({"x": []}, "the batch of `x` is empty"),
    ({"x": [1, 2], "toString": 1}, "there is no input or setting `toString`; it takes x, y, seed, scale"),
    ({"x": [1, 2], "seed": 10**18}, "`seed` is a whole number, this holds 1000000000000000000; "
     "beyond 2^53 it is a BigInt: 1000000000000000000n"),
    ({"x": [1, 2], "seed": {"bigint": str(2**64 + 1)}}, "`seed` is a whole number of 64 bits, this holds 18446744073709551617"),
]  # fmt: skip


def test_truths_labels_and_sizes_are_checked(
    javascript: JavaScript, program: Callable[[str], Program], tmp_path: Path
) -> None:
    text = """export g(x: [N, 2], flag: bool, kind: class[4], real: [], seen: class[2], on: bool = true) -> ([N], [], [2], []) {
  return (sum(x^2, axis = 1), where(flag, 1, 0), where(on, 1, 0) * [1, 2], real + kind + 10 * seen)
}
"""
    file = str(compiled(program(text), "g", tmp_path))
    right = {"x": [[[1, 2]]], "flag": [True], "kind": [3], "real": [0.5], "seen": [True], "on": False}
    refused = {
        "`flag` is true or false, this is 7": {"flag": [7]},
        "`flag` is true or false, this is 0.5": {"flag": 0.5},
        "`on` is true or false, this is 2": {"on": 2},
        "`on` is true or false, this is -1": {"on": -1},
        "`kind` is a number, this is true": {"kind": [True]},
        "`kind` is from 0 to 3, this holds 4": {"kind": [4]},
        '`real` is a number, this is "3.5"; a field of a form holds a text: give Number("3.5")': {"real": "3.5"},
        '`kind` takes numbers: this file has no names of its labels; a field of a form holds a text: give Number("3")': {
            "kind": "3"
        },
        "`real` is a number, this is true": {"real": [0.5, True]},
        "`N` is at least 1, `x` has 0": {"x": {"data": [], "dims": [1, 0, 2]}},
    }
    calls = ({}, {"real": [True, False]}, *refused.values())
    answer, truths, *refusals = javascript([{"file": file, "values": right | changed} for changed in calls])
    for array, expected in zip(arrays(answer).values(), ([[5]], [1], [[0, 0]], [13.5]), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert [*arrays(truths).values()][-1].tolist() == [14, 13]  # As in Python.
    assert [refusal.get("error") for refusal in refusals] == list(refused)


def test_sizes_with_names_of_any_alphabet(
    javascript: JavaScript, program: Callable[[str], Program], tmp_path: Path
) -> None:
    text = "export g(x: [β, 2], w: [β + 1], γ: int = 1) -> [2] { return sum(x[:γ]) * 0 + sum(x, axis = 0) + sum(w) }\n"
    file = str(compiled(program(text), "g", tmp_path))
    values = [{"x": [[[1, 1]] * 3], "w": [[1] * length], "γ": count} for length, count in ((4, 3), (5, 3), (4, 5))]
    fitting, other, beyond = javascript([{"file": file, "values": value} for value in values])
    np.testing.assert_array_equal(arrays(fitting)["g"], [[7, 7]])
    assert other["error"] == "`β + 1` is 4 here, and `w` has 5"
    assert beyond["error"] == "`β - γ` is at least 0, here it is -2"


def test_errors_are_told(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    text = "export f(x: [2], y: [1], scale: real = 2.0) -> [2] {\n  e ~ normal([2])\n  return scale * x + e + y\n}\n"
    file = compiled(program(text), "f", tmp_path)
    same = [{"file": str(file), "values": {"x": [[1, 2], [3, 4]], "y": y}} for y in ([5], [[5], [5]])]
    one, both = map(arrays, javascript(same))
    np.testing.assert_array_equal(one["f"], both["f"])
    cut, other, empty = (tmp_path / name for name in ("cut.onnx", "other.onnx", "empty.onnx"))
    cut.write_bytes(file.read_bytes()[:-200])
    other.write_bytes(b"no model at all")
    empty.write_bytes(b"")
    calls = [{"file": str(file), "values": {"y": [0]} | values if values else values} for values, _ in REFUSED]
    answers = javascript(calls + [{"file": str(path), "values": {}} for path in (cut, other, empty)])
    for answer, (values, message) in zip(answers, REFUSED, strict=False):
        assert answer == {"error": message, "type": "ModelError"}, values
    assert [a["type"] for a in answers[len(REFUSED) :]] == ["ModelError"] * 3
    assert "cut short" in answers[-3]["error"]
