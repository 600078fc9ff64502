"""Where templates of Jinja run: what transformers offers them, in a sandbox in which nothing leads into Python or grows without end.

The package `jinja2` is loaded with this module, and so when the first template is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from jinja2 import Environment, nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

OTHERS: dict[type[nodes.Node], str] = {
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "from ... import", nodes.Extends: "extends",
}  # fmt: skip
MOST_LETTERS = 10_000_000  # Of what a template multiplies.


def sandbox() -> ImmutableSandboxedEnvironment:
    """An environment with what transformers has: `raise_exception`, `strftime_now`, `tojson`, `{% generation %}`, loop controls."""
    environment = Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    environment.globals["namespace"] = PlainNamespace
    return environment


def complaints(environment: Environment, source: str) -> Iterator[str]:
    """What a template asks for that is not there, which Jinja itself would tell in the middle of a conversation, if at all.

    A name of which the template asks itself whether it is there, `"f" is filter`, is left to it.
    """
    tree = environment.parse(source)
    for kind, word in OTHERS.items():
        for node in tree.find_all(kind):
            yield f"line {node.lineno} says `{{% {word} %}}`, and a file has no template beside its own to read"
    for kind, there in ((nodes.Filter, environment.filters), (nodes.Test, environment.tests)):
        word = kind.__name__.lower()
        asked = {
            test.node.value
            for test in tree.find_all(nodes.Test)
            if test.name == word and isinstance(test.node, nodes.Const)
        }
        for node in tree.find_all(kind):
            if node.name not in there and node.name not in asked:
                yield f"line {node.lineno} uses the {word} `{node.name}`, which there is not"


class Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox whose products and powers stay small."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """A product or a power. Raises `SecurityError` where it is too large."""
        if _size(operator, left, right) > MOST_LETTERS:
            raise SecurityError(f"{str(left)[:20]!r} {operator} {str(right)[:20]!r} is too large")
        return super().call_binop(context, operator, left, right)


class Generation(Extension):
    """`{% generation %}` says which part is the assistant's, and changes nothing of the text."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """What stands inside, as it is."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class PlainNamespace(Namespace):
    """A namespace without names that begin with `_`, which lead into Python."""

    def __init__(*args: object, **values: object) -> None:
        self, *rest = args
        for name in dict(*rest, **values):
            _refuse_hidden(name)
        Namespace.__init__(self, *rest, **values)

    def __setitem__(self, name: str, value: object) -> None:
        _refuse_hidden(name)
        super().__setitem__(name, value)


def _refuse_hidden(name: str) -> None:
    if name.startswith("_"):
        raise SecurityError(f"a namespace has no name like {name!r}")


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _size(operator: str, left: Any, right: Any) -> float:
    """How large a product or a power will be: letters or items, or the bits of a whole number."""
    numbers = [x for x in (left, right) if isinstance(x, int)]
    if operator == "**":
        return abs(right) * left.bit_length() if len(numbers) == 2 else 0
    if len(numbers) == 1 and isinstance(left if numbers[0] is right else right, (str, list, tuple)):
        return numbers[0] * len(left if numbers[0] is right else right)
    return sum(number.bit_length() for number in numbers)


def _tojson(
    value: object, ensure_ascii: bool = False, indent: int | None = None,
    separators: tuple[str, str] | None = None, sort_keys: bool = False,
) -> str:  # fmt: skip
    """JSON as it is, where Jinja's own filter escapes what HTML reads."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)
