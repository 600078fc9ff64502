"""Regular expressions, in the spelling of Python's `re` with the flags ASCII and without what looks around or back."""

from __future__ import annotations

from mai.compiler.constraints.patterns import (
    EMPTY,
    Letters,
    Pattern,
    Spans,
    Times,
    choice,
    joined,
    others,
    sequel,
)

DIGITS: Spans = ((0x30, 0x39),)
WORD: Spans = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
SPACE: Spans = ((0x09, 0x0D), (0x20, 0x20))
CLASSES = {"d": DIGITS, "w": WORD, "s": SPACE, "D": others(DIGITS), "W": others(WORD), "S": others(SPACE)}
CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}
HEX = {"x": 2, "u": 4, "U": 8}
ANY = others(((0x0A, 0x0A),))
MOST_TIMES = 10_000
MOST_NESTED = 100


class WrongPattern(Exception):
    """Why a text is no pattern that is known here, and at which letter of it."""

    def __init__(self, why: str, place: int) -> None:
        super().__init__(why)
        self.why, self.place = why, place


def parse(text: str) -> Pattern:
    """The pattern of a whole text. `^` at its beginning and `$` at its end change nothing. Raises `WrongPattern`."""
    return _Reader(text).whole()


class _Reader:
    """A regular expression on its way to a pattern; `at` is the next letter."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    def whole(self) -> Pattern:
        pattern = self._choice()
        if self.at < len(self.text):
            raise WrongPattern("a `)` without its `(`", self.at)
        return pattern

    # ------------------------------------------------------------------ letters

    def _next(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _takes(self, text: str) -> bool:
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def _letter(self) -> str:
        if self.at >= len(self.text):
            raise WrongPattern("it ends too early", self.at)
        self.at += 1
        return self.text[self.at - 1]

    # ------------------------------------------------------------------ the grammar

    def _choice(self) -> Pattern:
        parts = [self._sequel()]
        while self._takes("|"):
            parts.append(self._sequel())
        return choice(parts)

    def _sequel(self) -> Pattern:
        parts: list[Pattern] = []
        while self._next() not in ("", "|", ")"):
            part = self._part()
            if part is not None:
                parts.append(part)
        return sequel(*parts) if parts else EMPTY

    def _part(self) -> Pattern | None:
        """A part with how often it comes; None for `^` and `$` where they change nothing."""
        start = self.at
        if self._takes("^"):
            if start and self.text[start - 1] not in "(|":
                raise WrongPattern("`^` stands at the beginning", start)
            return None
        if self._takes("$"):
            if self._next() not in ("", ")", "|"):
                raise WrongPattern("`$` stands at the end", start)
            return None
        return self._times(self._atom())

    def _times(self, part: Pattern) -> Pattern:
        start = self.at
        least, most = self._bounds()
        if least is None:
            return part
        if most is not None and most < least:
            raise WrongPattern(f"{most} times at most are less than {least}", start)
        if max(least, most or 0) > MOST_TIMES:
            raise WrongPattern(f"a part comes at most {MOST_TIMES:,} times", start)
        if self._takes("+"):
            raise WrongPattern("possessive repetitions are not known", self.at - 1)
        self._takes("?")  # Lazy ones match the same texts.
        if self._next() in ("*", "+", "?") or (self._next() == "{" and self._bounds()[0] is not None):
            raise WrongPattern("a repetition of a repetition: put the inner one in brackets", self.at)
        return Times(part, least, most)

    def _bounds(self) -> tuple[int | None, int | None]:
        """How often a part comes, at least and at most; (None, None) where nothing is said of it."""
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._takes(sign):
                return bounds
        end = self.text.find("}", self.at)
        low, comma, high = self.text[self.at + 1 : end].partition(",")
        if self._next() != "{" or end < 0 or not _is_count(low + high) or (not comma and not low):
            return None, None
        self.at = end + 1
        least = int(low or 0)
        if not comma:
            return least, least
        return least, int(high) if high else None

    def _atom(self) -> Pattern:
        start, letter = self.at, self._letter()
        if letter == "(":
            return self._group(start)
        if letter == "[":
            return Letters(self._set(start))
        if letter == ".":
            return Letters(ANY)
        if letter == "\\":
            return Letters(self._escaped(start))
        if letter in "*+?":
            raise WrongPattern(f"`{letter}` repeats nothing", start)
        return Letters(((ord(letter), ord(letter)),))

    def _group(self, start: int) -> Pattern:
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise WrongPattern("it is nested too deep", start)
        if self._takes("?P<") or (self._next() == "?" and self.text[self.at : self.at + 2] == "?<" and self._is_name()):
            end = self.text.find(">", self.at)
            self.at = len(self.text) if end < 0 else end + 1
        elif self._takes("?:"):
            pass
        elif self._next() == "?":
            raise WrongPattern("what looks around, looks back or sets flags is not known", start)
        inner = self._choice()
        if not self._takes(")"):
            raise WrongPattern("a `(` without its `)`", start)
        self.depth -= 1
        return inner

    def _is_name(self) -> bool:
        """Whether `(?<` begins a group with a name, as ECMAScript writes it."""
        return self.text[self.at + 2 : self.at + 3] not in ("=", "!", "")

    # ------------------------------------------------------------------ sets

    def _set(self, start: int) -> Spans:
        spans: list[tuple[int, int]] = []
        negated, first = self._takes("^"), True
        while first or self._next() != "]":
            if not self._next():
                raise WrongPattern("a `[` without its `]`", start)
            first = False
            place = self.at
            low = self._member()
            if self._next() == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self._member()
                if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or high[0][0] != high[0][1] or high < low:
                    raise WrongPattern("this is no range of letters", place)
                low = ((low[0][0], high[0][0]),)
            spans += low
        self.at += 1
        return others(tuple(spans)) if negated else joined(tuple(spans))

    def _member(self) -> Spans:
        start, letter = self.at, self._letter()
        if letter == "\\" and self._takes("b"):
            return ((8, 8),)
        return self._escaped(start) if letter == "\\" else ((ord(letter), ord(letter)),)

    def _escaped(self, start: int) -> Spans:
        letter = self._letter()
        if letter in CLASSES:
            return CLASSES[letter]
        if letter in HEX:
            digits = self.text[self.at : self.at + HEX[letter]]
            try:
                number = int(digits, 16) if len(digits) == HEX[letter] else -1
            except ValueError:
                number = -1
            if not 0 <= number < 0x110000:
                raise WrongPattern(f"`\\{letter}` needs {HEX[letter]} hexadecimal digits", start)
            self.at += HEX[letter]
            return ((number, number),)
        if letter.isalnum() and letter not in CONTROLS:
            raise WrongPattern(f"`\\{letter}` is not known", start)
        letter = CONTROLS.get(letter, letter)
        return ((ord(letter), ord(letter)),)


def _is_count(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) < 7)
