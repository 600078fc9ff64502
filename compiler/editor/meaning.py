"""What checking a text says, and what its names and expressions were seen to stand for meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from types import MappingProxyType

from mai.compiler.check import check_all, internal, look_at
from mai.compiler.editor.living import Living
from mai.compiler.elaborate.bindings import Binding, Distribution, Function
from mai.compiler.elaborate.repeating.store import Templates, keeping
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import describe, type_text
from mai.compiler.program import Program
from mai.spec import ast
from mai.spec.diagnostics import Diagnostic
from mai.spec.parsing.parse import sound_tree
from mai.spec.record import record
from mai.spec.source import Source, Span

MAX_FORMS = 4  # Of one name in a body that is called with several shapes.


NO_SETS: Mapping[str, str] = MappingProxyType({})


@record
class Form:
    """What something stands for, in words: `[2]`, `= 64`; and the lead axes around it."""

    text: str
    lead: tuple[str, ...] = ()


@dataclass
class Seen:
    """What was seen at the places of one text, in the order of the check."""

    path: str
    forms: dict[tuple[int, int], dict[str, Form]] = field(default_factory=dict)

    def watch(self, span: Span, value: Binding) -> None:
        """Keep what stands at a place of this text."""
        form = form_of(value)
        if form is not None:
            self.note(span, form)

    def note(self, span: Span, form: Form) -> None:
        """Keep what stands at a place of this text; of forms that only the axes around tell apart, one with the most."""
        if span.source.path != self.path:
            return
        forms = self.forms.setdefault((span.start, span.end), {})
        before = forms.get(form.text)
        if len(forms) < MAX_FORMS if before is None else len(before.lead) < len(form.lead):
            forms[form.text] = form

    def at(self, span: Span) -> list[Form]:
        """What stood at a place: one form, or those of several calls."""
        return [*self.forms.get((span.start, span.end), {}).values()]


@record
class Meaning:
    """A text's meaning: all that there is to say, what was seen, and the program if it has one."""

    diagnostics: list[Diagnostic]
    seen: Seen
    program: Program | None

    @property
    def parameters(self) -> int | None:
        """How many numbers training moves."""
        if self.program is None:
            return None
        shapes = [weight.shape for weight in self.program.weights.values() if weight.trained]
        return sum(prod(size for size in shape if isinstance(size, int)) for shape in shapes)


def meaning_of(
    path: Path, source: Source, living: Living, kept: Templates, texts: Mapping[str, Source],
    sets: Mapping[str, str] = NO_SETS, data: Sequence[Path] = (),
) -> Meaning:  # fmt: skip
    """Check a text that stands at `path`; `texts` are those of other files, by path, `sets` its consts, `data` files in the place of its own.

    Calls that are like those of the texts before are not elaborated again: `kept` has them.

    Where it cannot be parsed, the check of what can be read of it says what the names stand for.
    """
    seen = Seen(str(path))
    readable = Source(source.path, living.text, source.name)
    try:
        with keeping(kept), kept.log.watched(seen.note, form_of):
            checked = look_at(path, sets, {**texts, str(path): source}, data)
            if living.text != source.text:
                sound_tree(readable, is_typed=True)  # For the check; most parts were read before.
                with kept.of_parts():
                    look_at(path, sets, {**texts, str(path): readable}, data)
    except Exception as error:  # A server goes on; a package that is not installed is told so, too.
        return Meaning([internal(error)], seen, None)
    return Meaning(checked.diagnostics, seen, checked.program)


def mended(path: Path, source: Source, texts: Mapping[str, Source], kept: Templates) -> list[Diagnostic]:
    """What there is to say, with the edits that mend it: each was tried."""
    with keeping(kept.copy()):
        return check_all(path, texts={**texts, str(path): source}).diagnostics


def form_of(value: Binding) -> Form | None:
    """What a binding is, in the words of the language; None where there is nothing to say."""
    match value:
        case Value():
            return Form(type_text(value.type), tuple(axis.name for axis in value.type.lead))
        case bool():
            return Form(f"= {str(value).lower()}")
        case int() | float():
            return Form(f"= {value:.6g}" if isinstance(value, float) else f"= {value}")
        case str():
            return Form(f'= "{value}"')
        case tuple():
            parts = [form_of(part) for part in value]
            texts = [part.text for part in parts if part is not None]
            return Form(f"({', '.join(texts)})") if len(texts) == len(parts) else None
        case Distribution():
            return Form(f"{value.kind} of {describe(value.shape)}")
        case Function():
            return Form(header(value.declaration))
    return None


def header(declaration: ast.Function) -> str:
    """The first line of a function, as it is written."""
    text, head = declaration.span.source.text, declaration.head
    return " ".join(text[head.start : text.find("{", head.end)].split())
