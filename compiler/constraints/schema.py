"""A JSON schema as a pattern: of the texts that are JSON and fit it. What it says that is not known is refused by name.

The texts are some of those that fit: properties come in the order in which the schema lists them, none is added, a space may stand
behind `:` and `,`, and letters are escaped only where they must be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

from mai.compiler.constraints.patterns import (
    EMPTY,
    Choice,
    Letters,
    Pattern,
    Sequel,
    Times,
    choice,
    common,
    literal,
    maybe,
    others,
    sequel,
)
from mai.compiler.constraints.regex import DIGITS, WrongPattern, parse

Schema: TypeAlias = Mapping[str, object]
SAYS_NOTHING = {
    "title", "description", "default", "examples", "$schema", "$id", "$comment", "$defs", "definitions", "deprecated", "readOnly", "writeOnly",
}  # fmt: skip
ESCAPED = {'"': '"', "\\": "\\", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}
HIDDEN = ((0, 0x1F), (0x22, 0x22), (0x5C, 0x5C))  # What does not stand in a JSON string as it is.
WHOLE = parse("-?(0|[1-9][0-9]{0,14})")
REAL = parse(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?")
FORMATS = {
    "date": parse("[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"),
    "time": parse("([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"),
    "uuid": parse("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
}
FORMATS["date-time"] = sequel(FORMATS["date"], literal("T"), FORMATS["time"])
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "null": (type(None),), "array": (list,), "object": (dict,),
}  # fmt: skip
LARGEST = 10**15 - 1  # Of whole numbers with bounds.
MOST_NESTED = 40
MOST_ITEMS = 1000


class WrongSchema(Exception):
    """Why a schema is not known here, and where in it: `$.properties.age`."""


def pattern_of_schema(schema: object) -> Pattern:
    """The pattern of a schema's texts. Raises `WrongSchema`."""
    return _Reader(schema).pattern(schema, "$", 0)


class _Reader:
    """A schema with its definitions, on its way to a pattern."""

    def __init__(self, root: object) -> None:
        self.root, self.open = root, list[str]()

    def pattern(self, schema: object, place: str, depth: int) -> Pattern:
        """The pattern of one part of a schema."""
        if depth > MOST_NESTED:
            raise WrongSchema(f"{place} is nested too deep")
        if not isinstance(schema, Mapping):
            raise WrongSchema(
                f"{place} allows any value: say its `type`" if schema is True else f"{place} is no schema"
            )
        said = {name: value for name, value in schema.items() if name not in SAYS_NOTHING}
        for name, read in self._whole().items():
            if name in said:
                self._only(said, {name, "type"} if name in ("enum", "const") else {name}, place)
                return read(said, place, depth)
        kinds = said.get("type")
        if kinds is None:
            raise WrongSchema(f"{place} says no `type`")
        names = kinds if isinstance(kinds, list) else [kinds]
        return choice([self._typed(str(name), said, place, depth, len(names) > 1) for name in names])

    def _whole(self) -> dict[str, Callable[[Schema, str, int], Pattern]]:
        """The words that say all of a schema, beside its type."""
        return {
            "$ref": self._reference,
            "enum": _enum,
            "const": _const,
            "anyOf": self._any,
            "oneOf": self._one,
            "allOf": self._all,
        }

    def _typed(self, kind: str, said: Schema, place: str, depth: int, several: bool) -> Pattern:
        kinds: dict[str, tuple[set[str], Callable[[], Pattern]]] = {
            "string": ({"minLength", "maxLength", "pattern", "format"}, lambda: _string(said, place)),
            "integer": ({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}, lambda: _integer(said, place)),
            "number": (set(), lambda: REAL),
            "boolean": (set(), lambda: choice([literal("true"), literal("false")])),
            "null": (set(), lambda: literal("null")),
            "array": ({"items", "prefixItems", "minItems", "maxItems"}, lambda: self._array(said, place, depth)),
            "object": ({"properties", "required", "additionalProperties"}, lambda: self._object(said, place, depth)),
        }
        if kind not in kinds:
            raise WrongSchema(f"{place}: there is no type `{kind}`")
        own, read = kinds[kind]
        every = {word for words, _ in kinds.values() for word in words} if several else own
        self._only(said, {"type", *every}, place)
        return read()

    def _only(self, said: Schema, words: set[str], place: str) -> None:
        for name in said:
            if name not in words:
                raise WrongSchema(f"{place}: `{name}` is not known here")

    # ------------------------------------------------------------------ several schemas

    def _reference(self, said: Schema, place: str, depth: int) -> Pattern:
        path = str(said["$ref"])
        if path in self.open:
            raise WrongSchema(f"{place}: `{path}` holds itself, and texts of any depth have no table")
        target = self.root
        for name in path.removeprefix("#").split("/")[1:]:
            target = target.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
        if not path.startswith("#") or target is None:
            raise WrongSchema(f"{place}: there is no `{path}` in the schema")
        self.open.append(path)
        pattern = self.pattern(target, place, depth + 1)
        self.open.pop()
        return pattern

    def _any(self, said: Schema, place: str, depth: int) -> Pattern:
        parts = _list(said["anyOf"], f"{place}.anyOf")
        return choice([self.pattern(part, f"{place}.anyOf[{i}]", depth + 1) for i, part in enumerate(parts)])

    def _one(self, said: Schema, place: str, depth: int) -> Pattern:
        parts = _list(said["oneOf"], f"{place}.oneOf")
        kinds = [part.get("type") if isinstance(part, Mapping) else None for part in parts]
        if (
            not all(isinstance(kind, str) for kind in kinds)
            or len(set(map(str, kinds))) < len(kinds)
            or {"integer", "number"} <= set(kinds)
        ):
            raise WrongSchema(
                f"{place}: `oneOf` is known of schemas with a `type` each, which differ; else say `anyOf`"
            )
        return choice([self.pattern(part, f"{place}.oneOf[{i}]", depth + 1) for i, part in enumerate(parts)])

    def _all(self, said: Schema, place: str, depth: int) -> Pattern:
        parts = _list(said["allOf"], f"{place}.allOf")
        if len(parts) != 1:
            raise WrongSchema(f"{place}: `allOf` is known of one schema")
        return self.pattern(parts[0], place, depth + 1)

    # ------------------------------------------------------------------ arrays and objects

    def _array(self, said: Schema, place: str, depth: int) -> Pattern:
        first = [
            self.pattern(s, f"{place}.prefixItems[{i}]", depth + 1)
            for i, s in enumerate(_list(said.get("prefixItems", []), place, 0))
        ]
        least, most = _count(said, "minItems", 0, place), _count(said, "maxItems", None, place)
        if "items" not in said and not first and most != 0:
            raise WrongSchema(f"{place} says no `items`")
        rest = None
        if said.get("items", False) is not False and (most is None or most > len(first)):
            rest = self.pattern(said["items"], f"{place}.items", depth + 1)
        elif most is None or most > len(first):
            most = len(first)
        if most is not None and most < (least or 0):
            raise WrongSchema(f"{place} has at least {least} and at most {most} items")
        return sequel(literal("["), _items(first, rest, least or 0, most), literal("]"))

    def _object(self, said: Schema, place: str, depth: int) -> Pattern:
        properties = said.get("properties", {})
        if not isinstance(properties, Mapping):
            raise WrongSchema(f"{place}.properties is no table")
        required = _list(said.get("required", []), f"{place}.required", 0)
        missing = [name for name in required if name not in properties]
        more = said.get("additionalProperties")
        if not properties and isinstance(more, Mapping) and not required:
            value = self.pattern(more, f"{place}.additionalProperties", depth + 1)
            return sequel(literal("{"), _several(sequel(_of_letters(ANY_LETTERS), COLON, value), 0, None), literal("}"))
        if missing:
            raise WrongSchema(f"{place}: `{missing[0]}` is required, and is no property")
        if not properties and more is not False:
            raise WrongSchema(f"{place} allows any properties: list them")
        pairs = [
            (
                sequel(
                    literal(json.dumps(name, ensure_ascii=False)), COLON, self.pattern(s, f"{place}.{name}", depth + 1)
                ),
                name in required,
            )
            for name, s in properties.items()
        ]
        return sequel(literal("{"), _pairs(pairs), literal("}"))


COLON = sequel(literal(":"), maybe(literal(" ")))
COMMA = sequel(literal(","), maybe(literal(" ")))
ANY_LETTERS = Times(Letters(others(())), 0, None)


def _several(item: Pattern, least: int, most: int | None) -> Pattern:
    """An item `least` to `most` times, once at least allowed, with commas between them."""
    whole = sequel(item, Times(sequel(COMMA, item), max(least - 1, 0), None if most is None else most - 1))
    return whole if least else maybe(whole)


def _items(first: Sequence[Pattern], rest: Pattern | None, least: int, most: int | None) -> Pattern:
    """The items of an array with commas between them: those of `first`, then any of `rest`, `least` to `most` in all."""
    if rest is not None and not first:
        return _several(rest, least, most)
    body: Pattern = EMPTY
    if rest is not None:
        body = Times(sequel(COMMA, rest), max(least - len(first), 0), None if most is None else most - len(first))
    for i in range(len(first) - 1, -1, -1):
        own = sequel(COMMA, first[i]) if i else first[i]
        body = sequel(own, body)
        body = body if i < least else maybe(body)
    return body


def _pairs(pairs: Sequence[tuple[Pattern, bool]]) -> Pattern:
    """The pairs of an object with commas between them; those that are not required may be left out."""
    after: Pattern = EMPTY  # What may follow once there is a pair.
    alone: list[Pattern] = []  # What may stand from here on where there is none yet.
    ends = True
    for pair, is_required in reversed(pairs):
        pairs_from_here = sequel(pair, after)
        alone = [pairs_from_here] if is_required else [pairs_from_here, *alone]
        ends = ends and not is_required
        own = sequel(COMMA, pair)
        after = sequel(own if is_required else maybe(own), after)
    return choice([*alone, EMPTY] if ends else alone)


# ------------------------------------------------------------------ strings and numbers


def _string(said: Schema, place: str) -> Pattern:
    wanted = [name for name in ("pattern", "format") if name in said]
    if len(wanted) > 1 or (wanted and ("minLength" in said or "maxLength" in said)):
        raise WrongSchema(f"{place}: `{wanted[0]}` is known without other words about the string")
    if "format" in said:
        if said["format"] not in FORMATS:
            raise WrongSchema(f"{place}: the format `{said['format']}` is not known; known: {', '.join(FORMATS)}")
        return _of_letters(FORMATS[str(said["format"])])
    if "pattern" in said:
        return _of_letters(_searched(str(said["pattern"]), place))
    least, most = _count(said, "minLength", 0, place), _count(said, "maxLength", None, place)
    if most is not None and most < (least or 0):
        raise WrongSchema(f"{place} has at least {least} and at most {most} letters")
    return _of_letters(Times(Letters(others(())), least or 0, most))


def _searched(text: str, place: str) -> Pattern:
    """The strings in which a pattern is found somewhere, unless it says that it begins or ends them."""
    try:
        inner = parse(text)
    except WrongPattern as error:
        raise WrongSchema(f"{place}.pattern: {error.why}, at letter {error.place + 1}") from error
    if (
        "|" in text
        and (text.startswith("^") or text.endswith("$"))
        and not (text.startswith("^(") and text.endswith(")$"))
    ):
        raise WrongSchema(f"{place}.pattern: put what stands between `^` and `$` into brackets")
    before = EMPTY if text.startswith("^") else ANY_LETTERS
    after = EMPTY if text.endswith("$") and not text.endswith("\\$") else ANY_LETTERS
    return sequel(before, inner, after)


def _of_letters(pattern: Pattern) -> Pattern:
    """A JSON string whose letters match a pattern."""
    return sequel(literal('"'), _as_json(pattern), literal('"'))


def _as_json(pattern: Pattern) -> Pattern:
    """A pattern of letters as they stand in a JSON string."""
    match pattern:
        case Letters(spans):
            plain = Letters(common(spans, others(HIDDEN)))
            escapes = [
                sequel(literal("\\"), literal(e)) for c, e in ESCAPED.items() if common(spans, ((ord(c), ord(c)),))
            ]
            return choice([*([plain] if plain.spans else []), *escapes]) if plain.spans or escapes else plain
        case Sequel(parts):
            return Sequel(tuple(map(_as_json, parts)))
        case Choice(parts):
            return Choice(tuple(map(_as_json, parts)))
        case Times(part, least, most):
            return Times(_as_json(part), least, most)


def _integer(said: Schema, place: str) -> Pattern:
    lows = _numbers(said, {"minimum": 0, "exclusiveMinimum": 1}, place)
    highs = _numbers(said, {"maximum": 0, "exclusiveMaximum": -1}, place)
    if not lows and not highs:
        return WHOLE
    low, high = max(lows, default=-LARGEST), min(highs, default=LARGEST)
    if low > high:
        raise WrongSchema(f"{place}: no whole number is from {low} to {high}")
    parts = [sequel(literal("-"), _between(max(1, -high), -low))] if low < 0 else []
    return choice([*parts, *([_between(max(low, 0), high)] if high >= 0 else [])])


def _between(low: int, high: int) -> Pattern:
    """The whole numbers from `low` to `high`, at least 0, in digits."""
    parts: list[Pattern] = []
    for length in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 10 ** (length - 1) if length > 1 else 0)
        parts.append(_alike(str(first), str(min(high, 10**length - 1))))
    return choice(parts)


def _alike(low: str, high: str) -> Pattern:
    """The numbers between two of as many digits."""
    if not low:
        return EMPTY
    if low[0] == high[0]:
        return sequel(literal(low[0]), _alike(low[1:], high[1:]))
    if low.strip("0") == "" and high.strip("9") == "":
        return Times(Letters(DIGITS), len(low), len(low))
    rest = len(low) - 1
    least, most = "0" * rest, "9" * rest
    parts = [sequel(literal(low[0]), _alike(low[1:], most)), sequel(literal(high[0]), _alike(least, high[1:]))]
    first, last = ord(low[0]) + 1, ord(high[0]) - 1
    if first <= last:
        parts.append(sequel(Letters(((first, last),)), Times(Letters(DIGITS), rest, rest)))
    return choice(parts)


def _numbers(said: Schema, moved: Mapping[str, int], place: str) -> list[int]:
    """The bounds that are said under some names, each moved to the number that is still allowed."""
    bounds = [(name, said[name], by) for name, by in moved.items() if said.get(name) is not None]
    return [_number(value, name, place) + by for name, value, by in bounds]


def _number(value: object, name: str, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST:
        raise WrongSchema(f"{place}: `{name}` is a whole number of at most 15 digits here")
    return value


def _enum(said: Schema, place: str, depth: int) -> Pattern:
    return choice([_value(value, said, place) for value in _list(said["enum"], f"{place}.enum")])


def _const(said: Schema, place: str, depth: int) -> Pattern:
    return _value(said["const"], said, place)


def _value(value: object, said: Schema, place: str) -> Pattern:
    """A value as it is, which has a type that the schema allows."""
    kinds = said.get("type", list(KINDS))
    names = kinds if isinstance(kinds, list) else [kinds]
    if not any(
        isinstance(value, KINDS.get(str(k), ())) and (isinstance(value, bool) == (k == "boolean")) for k in names
    ):
        raise WrongSchema(f"{place}: {json.dumps(value)[:40]} is no `{names[0]}`")
    return literal(json.dumps(value, ensure_ascii=False))


def _list(value: object, place: str, least: int = 1) -> list[object]:
    if not isinstance(value, list) or len(value) < least:
        raise WrongSchema(f"{place} is a list")
    return cast(list[object], value)


def _count(said: Schema, name: str, default: int | None, place: str) -> int | None:
    value = said.get(name, default)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_ITEMS):
        return value
    raise WrongSchema(f"{place}: `{name}` is a whole number up to {MOST_ITEMS:,}")
