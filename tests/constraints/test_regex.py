"""Regular expressions as automata of bytes match what Python's `re` matches."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check_text
from mai.compiler.constraints.automaton import TooLarge, automaton_of
from mai.compiler.constraints.patterns import LAST, others
from mai.compiler.constraints.regex import WrongPattern, parse
from tests.support.cases.automata import matches, some_texts

PATTERNS = [
    "", "a", "abc", "a|b|", "a*", "(ab)+c?", "[0-9]{3}-[0-9]{4}", "a{2,4}", "a{2,}", "a{0}", "(a|b)*abb", ".*", "[^a]b", r"\d+\.\d*", r"\w+@\w+\.(com|org)",
    r"\s*\S+\s*", "[a-c-]+", "[]a]+", "[^]a]+", r"[\d_]+", r"\x41\u0042", "日本|ü+", "[α-ω]{2}", ".", "[^\n]é", "(?:a(?P<n>b))+", "a*?b+?", "^a$", "^(a|b)$", "(^a|b$)", r"\(\)\[\]",
    "a{,3}b", "a{x}", "{", "[a-z]{2}( [a-z]{2}){0,3}", "(a?){3}a{3}", "[\U0001f600-\U0001f64f]+", "([a-b]|[b-c])*", r"\D\W", "[ -~]*", "-?(0|[1-9][0-9]*)",
]  # fmt: skip
LETTERS = "aabbc01-@. \nüé日本αω😀😁_][}{xA B"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_same_texts_match(pattern: str) -> None:
    automaton, reference = automaton_of(parse(pattern)), re.compile(pattern, re.ASCII)
    rng = np.random.default_rng(0)
    tried = ["".join(rng.choice(list(LETTERS), rng.integers(0, 7))) for _ in range(300)]
    own = some_texts(automaton, 30)
    assert own
    changed = [text[: len(text) // 2] + "b" + text[len(text) // 2 :] for text in own]
    for text in [*tried, *own, *changed]:
        assert matches(automaton, text) == bool(reference.fullmatch(text)), repr(text)
    assert all(matches(automaton, text) for text in own)


def test_bytes_are_those_of_letters() -> None:
    """Every first and last letter of one length of UTF-8, and no halves of letters."""
    automaton = automaton_of(parse("[^x]"))
    for number in (0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, LAST):
        assert matches(automaton, chr(number))
    assert not matches(automaton, "\ud800")
    assert others(others(((5, 9),))) == ((5, 9),)


def test_states_are_few() -> None:
    assert len(automaton_of(parse("(a|b)*abb")).moves) == 5
    assert len(automaton_of(parse("abc|abd|xbc|xbd")).moves) == 5
    with pytest.raises(TooLarge):
        automaton_of(parse("(a|b)*a(a|b){20}"))


WRONG = {
    "(": "a `(` without its `)`", "a)": "a `)` without its `(`", "[a": "a `[` without its `]`", "*": "`*` repeats nothing", "a**": "a repetition of a repetition",
    "(?=a)": "looks around", "(?<!a)b": "looks around", r"(a)\1": r"`\1` is not known", r"\bword": r"`\b` is not known", "a++": "possessive", "(?i)a": "sets flags", "a^": "`^` stands at the beginning",
    "$a": "`$` stands at the end", "a{3,2}": "are less than 3", "a{99999}": "at most 10,000 times", "[z-a]": "no range", "\\": "ends too early", r"\xg0": "hexadecimal", "(" * 200: "too deep",
}  # fmt: skip


@pytest.mark.parametrize("pattern", WRONG)
def test_what_is_refused(pattern: str) -> None:
    with pytest.raises(WrongPattern) as caught:
        parse(pattern)
    assert WRONG[pattern] in caught.value.why


def test_it_is_refused_with_its_place() -> None:
    text = 'const vocab = 256\nexport f(x: tokens[P]) -> tokens[P + 9] {\n  extend x by 9 { append argmax(constrain(zeros([vocab]), x, "a(")) }\n  return x\n}\n'
    (diagnostic,) = check_text(Path("a.mai"), text).diagnostics
    assert (diagnostic.slug, diagnostic.span and diagnostic.span.text) == ("answer-pattern", '"a("')
    beam = text.replace(
        "extend x by 9 { append argmax(", "extend x by 9 using beam(width = 2) { score log_softmax("
    ).replace('"a("', '"a"')
    assert [d.slug for d in check_text(Path("a.mai"), beam).diagnostics] == ["answer-pattern"]
