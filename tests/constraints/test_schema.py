"""JSON schemas as automata: all their texts are JSON that fits the schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mai.compiler.constraints.automaton import automaton_of
from mai.compiler.constraints.schema import WrongSchema, pattern_of_schema
from tests.support.cases.automata import matches, some_texts

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "mail": {"type": "string", "pattern": "^[a-z]+@[a-z]+\\.org$"},
        "tags": {"type": "array", "items": {"enum": ["a", 'q"', "ü", None, 3]}, "minItems": 1, "maxItems": 3},
        "where": {"$ref": "#/$defs/place"},
    },
    "required": ["name", "tags"],
    "additionalProperties": False,
    "$defs": {"place": {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": ["number", "null"]}}, "required": ["x"]}},
}  # fmt: skip
INT = {"type": "integer"}
SCHEMAS: list[dict[str, Any]] = [
    PERSON, {"type": "string"}, {"type": "string", "maxLength": 2}, INT, {"type": "number"}, {"type": "boolean"}, {"type": "null"},
    {"type": "integer", "minimum": -12, "maximum": 7}, {"type": "integer", "exclusiveMinimum": 9}, {"type": "integer", "maximum": -3}, {"type": "integer", "minimum": 95, "exclusiveMaximum": 1204},
    {"const": {"a": [1, "x"]}}, {"enum": [1, "b", False]}, {"anyOf": [INT, {"type": "null"}]}, {"oneOf": [INT, {"type": "string"}]},
    {"type": "array", "items": INT}, {"type": "array", "items": INT, "minItems": 2}, {"type": "array", "items": INT, "maxItems": 0}, {"type": "array", "items": INT, "minItems": 2, "maxItems": 4},
    {"type": "array", "prefixItems": [INT, {"type": "null"}], "items": False}, {"type": "array", "prefixItems": [INT, {"type": "null"}], "items": {"type": "boolean"}, "minItems": 1, "maxItems": 4},
    {"type": "array", "prefixItems": [INT, INT], "items": {"type": "boolean"}, "minItems": 4},
    {"type": "object", "additionalProperties": INT}, {"type": "object", "properties": {}, "additionalProperties": False},
    {"type": "object", "properties": {"a": INT, "b": INT, "c": INT}}, {"type": "object", "properties": {"a": INT, "b": INT, "c": INT}, "required": ["b"]},
    {"type": "object", "properties": {"a": INT, "b": INT}, "required": ["a", "b"]}, {"type": "string", "pattern": "b+"}, {"type": "string", "pattern": '^["\\\\]'},
    {"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}, {"type": "string", "format": "uuid"}, {"allOf": [INT], "title": "one", "description": "x"},
]  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: json.dumps(s)[:60])
def test_texts_fit(schema: dict[str, Any]) -> None:
    automaton = automaton_of(pattern_of_schema(schema))
    library = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    check = library.Draft202012Validator(schema)
    for text in some_texts(automaton, 60, most=120):
        check.validate(json.loads(text))


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        (PERSON, '{"name": "é", "tags": ["ü", null]}', '{"name": "", "tags": [3]}'),
        (PERSON, '{"name":"a","age":130,"tags":["q\\""],"where":{"x":-1.5e3,"y":null}}', '{"name": "a", "age": 131, "tags": [3]}'),
        (PERSON, '{"name": "a", "mail": "a@b.org", "tags": [3]}', '{"name": "a", "mail": "a@b.com", "tags": [3]}'),
        ({"type": "integer", "minimum": -12, "maximum": 7}, "-12", "-13"),
        ({"type": "string"}, '"\\n\\""', '"\n"'),
        ({"type": "array", "items": INT, "minItems": 2, "maxItems": 4}, "[1, 2, 3, 4]", "[1]"),
        ({"type": "object", "properties": {"a": INT, "b": INT}, "required": ["b"]}, '{"b": 1}', '{"a": 1}'),
        ({"type": "string", "pattern": "b+"}, '"abc"', '"ac"'),
    ],
)  # fmt: skip
def test_what_fits_and_what_does_not(schema: dict[str, Any], right: str, wrong: str) -> None:
    automaton = automaton_of(pattern_of_schema(schema))
    assert matches(automaton, right)
    assert not matches(automaton, wrong)


def test_every_number_of_a_range() -> None:
    for low, high in ((0, 0), (3, 9), (8, 12), (99, 1001), (-5, 5), (-120, -7), (-3, 40)):
        automaton = automaton_of(pattern_of_schema({"type": "integer", "minimum": low, "maximum": high}))
        numbers = [n for n in range(-1500, 1500) if matches(automaton, str(n))]
        assert numbers == list(range(low, high + 1))
        assert not matches(automaton, "-0")
        assert not matches(automaton, "01")


NODE = {"$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"}
WRONG: list[tuple[Any, str]] = [
    ({}, "$ says no `type`"), (True, "$ allows any value"), (3, "no schema"), ({"type": "thing"}, "no type `thing`"), ({"type": "integer", "multipleOf": 3}, "`multipleOf` is not known"),
    ({"type": "object", "properties": {"a": {"type": "string", "format": "email"}}}, "$.a: the format `email`"), (NODE, "holds itself"), ({"type": "object"}, "allows any properties"),
    ({"type": "array"}, "says no `items`"), ({"type": "object", "properties": {}, "required": ["a"]}, "`a` is required"), ({"$ref": "#/$defs/a"}, "there is no `#/$defs/a`"),
    ({"anyOf": [INT], "type": "string"}, "`type` is not known"), ({"oneOf": [INT, INT]}, "`oneOf`"), ({"allOf": [INT, INT]}, "`allOf`"), ({"type": "string", "pattern": "(?=a)"}, "looks around"),
    ({"type": "integer", "minimum": 0.5}, "whole number"), ({"type": "string", "minLength": 5, "maxLength": 2}, "at least 5"), ({"enum": []}, "is a list"), ({"type": "integer", "minimum": 5, "maximum": 2}, "no whole number"),
    ({"type": "string", "enum": [3]}, "no `string`"), ({"type": "string", "pattern": "a", "maxLength": 3}, "without other words"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "words"), WRONG, ids=lambda s: json.dumps(s)[:40])
def test_what_is_refused(schema: Any, words: str) -> None:
    with pytest.raises(WrongSchema) as caught:
        pattern_of_schema(schema)
    assert words in str(caught.value)
