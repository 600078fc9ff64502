"""What may be written at a place: names, functions, words, arguments, settings; and what a call takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from mai.compiler.editor.data_names import columns, data_line, files, names_columns
from mai.compiler.editor.names import Symbol
from mai.compiler.editor.settings.words import ARGUMENT, Open, arguments_of, call_around, meaning_of, model_of, words_of
from mai.compiler.editor.view import View, comment_above, prelude_symbols, shown
from mai.compiler.elaborate.functions.function_reference import SETTINGS, explained, library_text, settings_entry
from mai.compiler.elaborate.functions.registered import listed
from mai.compiler.solvers import SOLVERS
from mai.spec import is_public, library_names
from mai.spec.diagnostics import MaiError, Reporter
from mai.spec.parsing.parse import parse
from mai.spec.record import record
from mai.spec.settings import choices, fields
from mai.spec.source import Source
from mai.spec.words import DISTRIBUTIONS, Word, of_kind

_TEXT = re.compile(r'"[^"\n]*"')
_TYPE_WORDS = of_kind("type")


@record
class Item:
    """One thing that may be written: its text, what it is in one word, a line about it, and what more is said of it."""

    label: str
    kind: str
    detail: str = ""
    says: str = ""
    text: str = ""  # What is written, if it is not the label.


def completions(view: View, offset: int) -> list[Item]:
    """What may stand at a character, in the place of the word before it."""
    text = view.source.text
    start = _word_start(text, offset)
    line = text[text.rfind("\n", 0, start) + 1 : start]
    imported = re.match(r'import\s+"((?:std/)?)\w*$', line)
    if imported is not None:
        standard = [
            Item(name, "file", says=library_text(name) or "", text=name.removeprefix(imported[1]))
            for name in library_names()
        ]
        return [*(Item(*file) for file in files(view, start, offset)), *standard]
    outside = _TEXT.sub("", line)
    if re.search(r'=\s*family\(\s*"\w*$', outside):
        return [*_families()]
    if '"' in outside and "#" not in outside:
        return [Item(*file) for file in files(view, start, offset)]
    if "#" in outside or (start < offset and text[start].isdigit()):
        return []
    if line.endswith("."):
        return _fields(view, offset, line)
    return [*_unique(_possible(view, text, start, line))]


def _possible(view: View, text: str, start: int, line: str) -> Iterator[Item]:
    declaration, call = view.around(start), call_around(text, start)
    if not line.strip() and (declaration is None or start <= declaration.span.start):
        yield from map(_word_item, of_kind("declaration"))
        return
    if re.search(r"\busing\s+$", line):
        yield from (Item(s, "solver", _detail(s)) for s in SOLVERS)
        return
    if re.match(r"data\b.*\bfrom\s+$", line):
        yield from _models("Data sources")
        return
    written = data_line(text, start)
    if written is not None and written.is_field(start):
        yield from (Item(*column) for column in columns(view, written, start))
        return
    if call is not None:
        yield from _of_call(view, call, start)
    sight = view.names.in_sight(declaration)
    if re.search(r"~\s*$", line):
        yield from (Item(name, "distribution", _detail(name)) for name in DISTRIBUTIONS)
    yield from (_symbol_item(symbol) for symbol in sight.values() if symbol.kind not in ("claim", "train"))
    yield from _standard()
    if not line.strip():
        yield from map(_word_item, of_kind("statement"))
    elif re.search(r":\s*$", line):
        yield from map(_word_item, _TYPE_WORDS)
    yield from map(_word_item, of_kind("clause", "value", "operator", "branch"))


def _of_call(view: View, call: Open, offset: int) -> Iterator[Item]:
    """The arguments of a call that are not written yet; the values of a setting that is."""
    setting = re.match(r"(\w+)\s*=\s*\[?[\w, ]*$", call.parts[-1])
    written = data_line(view.source.text, offset)
    if written is not None and names_columns(call, setting[1] if setting else ""):
        yield from (Item(*column) for column in columns(view, written, offset))
    if setting:
        yield from _values(call, setting[1])
        return
    sight = view.names.in_sight(view.around(offset))
    arguments = arguments_of(call, sight)
    named = [ARGUMENT.match(part) for part in call.parts]
    places = named[:-1].count(None) + _is_piped(view.source.text, offset, call.name)
    present = {*[*arguments][:places], *(each[1] for each in named if each)}
    for name, form in arguments.items():
        if name not in present:
            yield Item(name, "argument", form, meaning_of(call, name, sight), f"{name} = ")


def _families() -> Iterator[Item]:
    """The known networks whose rules a `weights` block may take."""
    from mai.compiler.weights.families import set_names

    yield from (Item(name, "setting", f'family("{name}")') for name in set_names())


def _values(call: Open, setting: str) -> Iterator[Item]:
    """What may stand behind a setting: the models of a choice, else the words of one."""
    model = model_of(call)
    own = fields(model).get(setting) if model is not None else None
    if model is None or own is None:
        return
    choice = choices(model).get(setting)
    if choice is not None:
        for name, each in choice.models.items():
            yield Item(name, "setting", settings_entry(name, each).form, text=f"{name}()")
    for word in words_of(own):
        yield Item(word, "setting", f"{setting} = {word}")


def _fields(view: View, offset: int, line: str) -> list[Item]:
    """The parameters of the net before a point."""
    base = re.search(r"(\w+)\.$", line)
    symbol = view.names.in_sight(view.around(offset)).get(base[1]) if base else None
    inner = view.names.inner.get(id(symbol.node), {}) if symbol is not None else {}
    return [_symbol_item(s) for s in inner.values() if s.kind in ("param", "state")]


def _unique(items: Iterator[Item]) -> Iterator[Item]:
    """Each text once, the first that has it."""
    seen = set[str]()
    for item in items:
        if item.label not in seen:
            seen.add(item.label)
            yield item


def _symbol_item(symbol: Symbol) -> Item:
    return Item(symbol.name, symbol.kind, shown(symbol), comment_above(symbol) if symbol.is_function else "")


@cache
def _standard() -> tuple[Item, ...]:
    """The standard layers, and the functions of the language."""
    layers = [_symbol_item(s) for name, s in prelude_symbols().items() if s.kind == "layer" and is_public(name)]
    return (*layers, *(Item(name, "function", e.form, e.says) for name, e in listed().items()))


def _models(title: str) -> Iterator[Item]:
    for name in SETTINGS[title][1]:
        yield Item(name, "source", _detail(name), text=f"{name}()")


def _word_item(word: Word) -> Item:
    return Item(word.text, "word", word.form or word.text, word.says)


@cache
def _detail(name: str) -> str:
    return (explained(name) or name).split("\n")[0]


def _word_start(text: str, offset: int) -> int:
    while offset > 0 and (text[offset - 1].isalnum() or text[offset - 1] == "_"):
        offset -= 1
    return offset


# ------------------------------------------------------------------ signatures


@record
class Signature:
    """What a call takes: the whole line, its arguments, what is said of it, and which argument is being written."""

    line: str
    arguments: tuple[str, ...]
    says: str
    active: int


def signature(view: View, offset: int) -> Signature | None:
    """What the call around a character takes; None outside of calls that are known."""
    call = call_around(view.source.text, offset)
    if call is None:
        return None
    sight = view.names.in_sight(view.around(offset))
    arguments = arguments_of(call, sight)
    if not arguments:
        return None
    named = ARGUMENT.match(call.parts[-1])
    names = [*arguments]
    position = names.index(named[1]) if named and named[1] in names else len(call.parts) - 1
    position += _is_piped(view.source.text, offset, call.name)
    symbol = sight.get(call.name) or prelude_symbols().get(call.name)
    says = comment_above(symbol) if symbol is not None else _says(call.name)
    line = f"{call.name}({', '.join(arguments.values())})"
    return Signature(line, tuple(arguments.values()), says, min(position, len(names) - 1))


def _is_piped(text: str, offset: int, name: str) -> bool:
    """Whether a call's first argument stands before it: `x |> f(`."""
    before = text.rfind(f"{name}(", 0, offset)
    return text[:before].rstrip().endswith("|>")


def _says(name: str) -> str:
    return listed()[name].says if name in listed() else (explained(name) or "").partition("\n")[2].strip()


def warm_up() -> None:
    """Read the prelude and the reference, and what tells syntax errors, a tenth of a second each, before the first question."""
    with suppress(MaiError):
        parse(Source("", "export f() -> [] { return 1 + }\n"), Reporter())
    for name in (*SOLVERS, *DISTRIBUTIONS):
        _detail(name)
    _standard()
