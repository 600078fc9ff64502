"""`weights from`: reads its rules, and checks that every rule has a parameter and every parameter a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath

from mai.compiler.elaborate.bindings import Binding, Environment, Module, Poison
from mai.compiler.elaborate.blocks.train import only
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.elaborate.elaborator import Elaborator
from mai.compiler.ir.graph import Weight
from mai.compiler.ir.operation import describe
from mai.compiler.weights.rules import (
    Chain,
    Cut,
    Loading,
    Part,
    Pattern,
    Rule,
    RuleSet,
    Source,
    Step,
    Transpose,
    group_layers,
)
from mai.spec import ast
from mai.spec.diagnostics import Reporter
from mai.spec.diagnostics.edit import put
from mai.spec.diagnostics.suggest import closest

RULE_FORMS = (
    "a tensor's name in quotes, with `'`, `[a:b]` or `split` after it, a `concat` of such, `first`, or a `family`"
)
MAX_PARTS = 1024  # Of a `split`.
MAX_SHOWN = 5  # Of the names that a message lists.


def elaborate_loading(
    file: ast.File, module: Module, report: Reporter, weights: Mapping[str, Weight]
) -> Loading | None:
    """The rules of a file's `weights from`, checked against its parameters; None where they have errors."""
    loading = read_loading(file, module, report)
    if loading is not None:
        _check_targets(loading, report, weights)
    return None if report.failed else loading


def read_loading(file: ast.File, module: Module, report: Reporter) -> Loading | None:
    """The rules of a file's `weights from`, not yet checked against parameters; None where they have errors."""
    written = only(file, ast.Weights, "weights", report)
    reader = Reader(Elaborator(report, "weights", {}), Environment(module))
    reader.check_path(written.path)
    rules: list[Rule] = []
    ignored: list[Chain] = []
    sets: list[RuleSet] = []
    for rule in written.rules:
        try:
            if isinstance(rule, ast.Ignore):
                ignored.append(reader.ignored(rule.value))
            elif calls(rule.value, "family"):
                sets.append(reader.rule_set(rule, module))
            else:
                rules += reader.rules(rule)
        except Stop:
            continue
    if report.failed:
        return None
    return Loading(written.path.value, tuple(rules), tuple(ignored), written.head, tuple(sets))


def calls(value: ast.Expr, name: str) -> bool:
    """Whether an expression is a call of a function of this name."""
    return isinstance(value, ast.Call) and isinstance(value.function, ast.Name) and value.function.id == name


def leaves_folder(path: str) -> bool:
    """Whether a path may lead out of the folder that it starts at, on any operating system."""
    kinds = (PurePosixPath(path), PureWindowsPath(path))
    return any(p.is_absolute() or p.anchor or p.drive or ".." in p.parts for p in kinds) or "\0" in path


def _check_targets(loading: Loading, report: Reporter, weights: Mapping[str, Weight]) -> None:
    """Check that every rule matches a parameter, and that every parameter has a rule."""
    for target in [*(rule.target for rule in loading.rules), *(each.target for each in loading.sets)]:
        if not any(target.match(name) for name in weights):
            named = target.text
            guess = closest(named, weights) if not target.numbers and not target.texts else _pattern(named, weights)
            help = put(target.span, f'"{guess}"', f"did you mean `{guess}`?") if guess else _there_are(weights)
            report.error("weights-rule", target.span, f"no parameter has a name like `{named}`", help=help)
    if report.failed:
        return
    lacking = [w for name, w in weights.items() if not loading.has_value_for(name)]
    if lacking:
        help = f'write `"{lacking[0].name}" = "NAME IN THE FILE"`, or `= first` where it keeps its own first value'
        report.error("weights-rule", loading.span, f"no rule gives a value to {_listed(lacking)}", help=help)


def _pattern(named: str, weights: Iterable[str]) -> str | None:
    """The nearest pattern of all parameters of a layer: `f.linear_1.*` for `f.linear.*`."""
    return closest(named, [f"{name.rpartition('.')[0]}.*" for name in weights]) if named.endswith(".*") else None


def _listed(weights: Sequence[Weight]) -> str:
    """Weights by name and shape, those that layers have in common as one pattern."""
    shown = [
        f"`{name}` {describe(shape)}{f' ({count} of them)' if count > 1 else ''}"
        for name, shape, count in group_layers({w.name: w.shape for w in weights})
    ]
    more = f" and {len(shown) - MAX_SHOWN} more" if len(shown) > MAX_SHOWN else ""
    return ", ".join(shown[:MAX_SHOWN]) + more


def _there_are(weights: Mapping[str, Weight]) -> str:
    names = list(weights)
    if not names:
        return "the file has no parameters"
    return f"there are {', '.join(f'`{n}`' for n in names[:MAX_SHOWN])}{', ...' if len(names) > MAX_SHOWN else ''}"


class Reader:
    """Reads the expressions of rules, which are the language's own notation on tensors of a file."""

    def __init__(self, context: Context, env: Environment) -> None:
        self.e, self.env = context, env

    def check_path(self, path: ast.String) -> None:
        """Report `path-outside` for a path that leaves the spec's folder."""
        if leaves_folder(path.value):
            help = "put it beside the spec, or name it on the command line with --weights"
            self.e.error("path-outside", path.span, "a path of a spec stays in the spec's folder", help=help)

    def rules(self, rule: ast.Fill) -> list[Rule]:
        """The rules of a line: one for each name on its left.

        Raises:
            Stop: it has a mistake, which is reported.
        """
        targets = [self._pattern(t, target=True) for t in rule.targets]
        if isinstance(rule.value, ast.Name) and rule.value.id == "first":
            return [Rule(t, None, rule.span) for t in targets]
        if len(targets) > 1:
            rules = self._split_rules(rule, targets)
        else:
            rules = [Rule(targets[0], self._source(rule.value), rule.span)]
        for each in rules:
            self._check_marks(each)
        return rules

    def rule_set(self, rule: ast.Fill, module: Module) -> RuleSet:
        """The rules of `"text.*" = family("clip_text", "text_encoder")`, which a known network has.

        Raises:
            Stop: it has a mistake, which is reported.
        """
        from mai.compiler.weights.families import family_of, set_names

        assert isinstance(rule.value, ast.Call)
        words = [a.value for a in rule.value.arguments if a.name is None and isinstance(a.value, ast.String)]
        if len(rule.targets) > 1 or len(words) != len(rule.value.arguments) or len(words) not in (1, 2):
            form = '`"text.*" = family("clip_text", "text_encoder")`: a set of rules, and what stands before its names in the file'
            raise self.e.fail("weights-rule", rule.value.span, f"a family is written {form}")
        name, part = words[0].value, words[1].value if len(words) == 2 else ""
        sets = family_of([f"{name}@{part}"], module.numbers).sets if name in set_names() else ()
        if not sets:
            guess = closest(name, set_names())
            help = put(words[0].span, f'"{guess}"', f"did you mean `{guess}`?") if guess else None
            raise self.e.fail("weights-rule", words[0].span, f"no family is called `{name}`", help=help)
        return RuleSet(self._pattern(rule.targets[0], target=True), sets[0], part, rule.value.span)

    def _split_rules(self, rule: ast.Fill, targets: list[Pattern]) -> list[Rule]:
        """The rules of `("q", "k", "v") = split("qkv", 3, axis = 0)`: one part for each name."""
        value = rule.value
        if not calls(value, "split"):
            raise self.e.fail("weights-rule", value.span, f"{len(targets)} parameters share a `split`")
        chain, count, axis = self._split(value)
        if count != len(targets):
            raise self.e.fail("weights-rule", value.span, f"{count} parts for {len(targets)} parameters")
        return [
            Rule(target, Source((_then(chain, Part(count, axis, place)),)), rule.span)
            for place, target in enumerate(targets)
        ]

    def _source(self, value: ast.Expr) -> Source:
        if not calls(value, "concat"):
            return Source((self.chain(value),))
        assert isinstance(value, ast.Call)
        axis = self._axis(value)
        chains = tuple(self.chain(a.value) for a in value.arguments if a.name is None)
        if not chains:
            raise self.e.fail("weights-rule", value.span, "`concat` needs at least one tensor")
        return Source(chains, axis)

    def chain(self, value: ast.Expr) -> Chain:
        """A tensor of the file with the steps that are applied to it, as in `split("qkv", 3)[0]'`.

        Raises:
            Stop: it has a mistake, which is reported.
        """
        match value:
            case ast.String():
                return Chain(self._pattern(value))
            case ast.Transpose():
                return _then(self.chain(value.operand), Transpose())
            case ast.Index() if calls(value.base, "split"):
                return self._place(value)
            case ast.Index():
                cut = Cut(tuple(self._item(item) for item in value.items))
                return _then(self.chain(value.base), cut)
        raise self.e.fail("weights-rule", value.span, f"a weight comes from {RULE_FORMS}")

    def ignored(self, value: ast.Expr) -> Chain:
        """A tensor of the file that is left out, or a part of it.

        Raises:
            Stop: it has a mistake, which is reported.
        """
        chain = self.chain(value)
        if chain.numbers - chain.pattern.numbers:
            raise self.e.fail(
                "weights-rule", value.span, "what is left out has no name on the left to take a number of"
            )
        return chain

    def _place(self, value: ast.Index) -> Chain:
        """The chain of `split("qkv", 3)[1]`."""
        chain, count, axis = self._split(value.base)
        if len(value.items) != 1 or not isinstance(value.items[0], ast.Expr):
            raise self.e.fail("weights-rule", value.span, "one part of a `split` has one number")
        place = self._whole(value.items[0])
        if not -count <= place < count:
            raise self.e.fail("weights-rule", value.items[0].span, f"a `split` into {count} has no part {place}")
        return _then(chain, Part(count, axis, place % count))

    def _split(self, value: ast.Expr) -> tuple[Chain, int, int]:
        assert isinstance(value, ast.Call)
        plain = [a.value for a in value.arguments if a.name is None]
        axis = self._axis(value)
        if len(plain) != 2:
            raise self.e.fail("weights-rule", value.span, "`split` takes a tensor and the number of its parts")
        count = self._whole(plain[1])
        if not 1 <= count <= MAX_PARTS:
            raise self.e.fail("weights-rule", plain[1].span, f"a tensor is split into 1 to {MAX_PARTS} parts")
        return self.chain(plain[0]), count, axis

    def _axis(self, call: ast.Call) -> int:
        """The axis of a `split` or `concat`; the last one, as in the language, unless the call says which."""
        axis = -1
        for argument in call.arguments:
            if argument.name == "axis":
                axis = self._whole(argument.value)
            elif argument.name is not None:
                at = argument.name_span or argument.span
                raise self.e.fail("weights-rule", at, f"no argument is called `{argument.name}` here: there is `axis`")
        return axis

    def _item(self, item: ast.IndexItem) -> slice | int | Pattern:
        if isinstance(item, ast.String):
            return self._mark(item)
        if isinstance(item, ast.Expr):
            return self._whole(item)
        if not isinstance(item, ast.Slice) or item.step is not None:
            raise self.e.fail("weights-rule", item.span, "a tensor of the file is cut by numbers and by `a:b`")
        return slice(*(None if bound is None else self._whole(bound) for bound in (item.start, item.stop)))

    def _mark(self, text: ast.String) -> Pattern:
        """A place that a number of the name on the left says, `"{e}"`."""
        pattern = self._pattern(text)
        if len(pattern.numbers) != 1 or pattern.texts or pattern.letters:
            raise self.e.fail("weights-rule", text.span, 'a place by a number of the name is that alone: `"{e}"`')
        return pattern

    def _whole(self, expr: ast.Expr) -> int:
        value: Binding = self.e.expressions.expression(self.env, expr)
        if isinstance(value, Poison):
            raise Stop
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.e.fail(
                "weights-rule", expr.span, "a whole number is needed here, fixed when the file is compiled"
            )
        return value

    def _pattern(self, text: ast.String, target: bool = False) -> Pattern:
        pattern = Pattern(text.value, text.span)
        if not text.value:
            raise self.e.fail("weights-rule", text.span, "a name is missing between the quotes")
        if pattern.complaint:
            raise self.e.fail("weights-rule", text.span, pattern.complaint)
        if target and pattern.has_offsets:
            help = 'count on the right: `"f.repeat_1.{i}.*" = "layer{i + 1}.*"`'
            raise self.e.fail("weights-rule", text.span, "a number is found as it stands on the left", help=help)
        return pattern

    def _check_marks(self, rule: Rule) -> None:
        """Check that the right side has the same `*` as the left, and no other numbers."""
        for chain in rule.source.chains if rule.source else ():
            unknown = sorted(chain.numbers - rule.target.numbers)
            if unknown:
                message = f"`{{{unknown[0]}}}` is no number of the name on the left"
                raise self.e.fail("weights-rule", chain.pattern.span, message)
            here, there = chain.pattern.texts, rule.target.texts
            if here != there:
                message = f"both names have the same `*`: {there} on the left, {here} here"
                raise self.e.fail("weights-rule", chain.pattern.span, message)


def _then(chain: Chain, step: Step) -> Chain:
    return replace(chain, steps=(*chain.steps, step))
