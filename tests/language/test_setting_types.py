"""What values settings take, by their annotations, and in which words others are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest

from mai.spec.setting_types import Wrong, converted
from mai.spec.settings import Settings, SettingsError, setting


class Inner(Settings):
    size: int = 3


class Other(Settings):
    """Of no use here."""


def ascending(pair: tuple[float, float]) -> None:
    if pair[0] > pair[1]:
        raise Wrong("ascends")


class Outer(Settings):
    rate: float = setting(default=0.5, gt=0, lt=1)
    turns: int = setting(ge=1, le=5)
    pair: Annotated[tuple[float, float], ascending] = (0.0, 1.0)
    inner: Inner = setting(default_factory=Inner)

    def misfit(self) -> str | None:
        return "is too quick" if self.rate * self.turns > 2 else None


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (2, float, 2.0), (2, int, 2), (True, bool, True), ("a", str, "a"), (None, int | None, None), (3, int | None, 3),
        ("a", Literal["a", "b"], "a"), ((1, 0.5), tuple[float, float], (1.0, 0.5)), ((), tuple[str, ...], ()),
        ("a", str | tuple[str, ...], "a"), (("a", "b"), str | tuple[str, ...], ("a", "b")), (Inner(), str | Inner, Inner()),
    ],
)  # fmt: skip
def test_a_value_is_taken(value: object, kind: Any, expected: object) -> None:
    taken = converted(value, kind)
    assert (taken, type(taken)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (0.5, int, "is a whole number"), (True, int, "is a whole number"), (True, float, "is a number"), ("1", float, "is a number"),
        (1, bool, "is true or false"), (1, str, "is a text"), (None, float, "is a number"), (float("nan"), float, "is finite"),
        (float("inf"), float | None, "is finite"), ("c", Literal["a", "b"], "is a or b"), (1, Literal["a", "b", "c"], "is a, b or c"),
        (0.5, tuple[float, float], "is a list"), ((1.0,), tuple[float, float], "lacks a value"),
        ((1.0,) * 3, tuple[float, float], "has 2 values"), (("a", 1.0), tuple[float, float], "is a number"),
        (1, str | tuple[str, ...], "is a text or a list"), ((1,), str | tuple[str, ...], "is a text"),
        (1, Inner, "is something else"), (Other(), str | Inner, "is a text or something else"),
    ],
)  # fmt: skip
def test_a_value_is_refused(value: object, kind: Any, words: str) -> None:
    with pytest.raises(Wrong) as refused:
        converted(value, kind)
    assert refused.value.words == words


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        Outer.of({"rate": 1, "pair": (1, 0), "inner": 3, "self": 1})
    problems = [(p.kind, p.setting, p.words) for p in refused.value.problems]
    assert problems == [
        ("value", "rate", "is below 1"), ("missing", "turns", ""), ("value", "pair", "ascends"),
        ("value", "inner", "is something else"), ("unknown", "self", ""),
    ]  # fmt: skip


def test_settings_that_do_not_go_together_are_refused_when_each_is_right() -> None:
    with pytest.raises(SettingsError) as refused:
        Outer(rate=0.9, turns=5)
    assert [(p.kind, p.words) for p in refused.value.problems] == [("model", "is too quick")]


def test_settings_are_values() -> None:
    one, same, other = Outer(turns=1), Outer(turns=1, rate=0.5), Outer(turns=2)
    assert one == same != other
    assert len({one, same, other}) == 2
    assert one.as_dict() == {"rate": 0.5, "turns": 1, "pair": (0.0, 1.0), "inner": {"size": 3}}
    assert repr(Inner()) == "Inner(size=3)"
    with pytest.raises(AttributeError, match="fixed"):
        one.rate = 0.1  # type: ignore[misc]
