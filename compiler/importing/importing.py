"""A model's folder becomes a spec: its family's record says what its fields mean, and its rules where its tensors go."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mai.compiler.check import check_text
from mai.compiler.importing.adapter import check_ties, read_model
from mai.compiler.importing.config import Settings, joined_config, read_settings, refused
from mai.compiler.importing.ends import ends_of, unreachable_ends
from mai.compiler.importing.folder import CONFIG, GENERATION, PREPROCESSOR, SCHEDULER, TOKENIZER, ModelFolder
from mai.compiler.importing.policy import read_policy
from mai.compiler.importing.render import UnknownModel, numbers_of, render
from mai.compiler.importing.sentences import notes_on_sentences, read_sentences
from mai.compiler.importing.texts import check_texts, with_readable_chat, without_tokenizer
from mai.compiler.importing.unlike import (
    check_packed_tensors,
    check_packing,
    no_type_error,
    notes_on_code,
    notes_on_packing,
    of_other_code,
    what_to_do_with,
)
from mai.compiler.ir.graph import Weight
from mai.compiler.ir.types import DType
from mai.compiler.program import Program
from mai.compiler.weights.adapters import CONFIG as ADAPTER
from mai.compiler.weights.families import Family, family_of, misfits
from mai.compiler.weights.label_head import find_label_head
from mai.compiler.weights.load import plan_assignments
from mai.compiler.weights.modules import MODULES
from mai.compiler.weights.propose import Line, Proposal, propose_of_family
from mai.compiler.weights.rules import layer_pattern, named_by_rules
from mai.compiler.weights.tensor_files import PIPELINE, TensorFiles
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.family_records import Record, family_records
from mai.spec.formatting.lines import format_text

MAX_LABELS = 1_000_000
PROMPT = "prompt"  # The input that a text grows from.
PLACES = "param place:"  # A table of positions, of which there are no others.
CLASSIFY = "classify"  # The head that has a score for each label.
EVERYTHING = 'ignore "*"'
CHOICE = "ForMultipleChoice"  # The end of the names of classes that give each of several texts one score.
KINDS = ("model_type", "_class_name", "type")  # Of transformers, of diffusers, and of LeRobot.


@dataclass(frozen=True, slots=True)
class Imported:
    """A spec that was made of a folder.

    Attributes:
        text: of the spec.
        title: of the family.
        exports: their names.
        numbers: how many the parameters have together.
        unread: files of the folder that nothing reads.
        notes: what to know of it: where the reference does something else, or files say several things.
        asked: the input of `generate` that takes a text, where it has one and the folder a tokenizer.
        has_chat: whether its files can have conversations: there is a template, and the text grows from that input.
        is_linked: whether the weights lie elsewhere, behind a link, as in a hub's cache.
        end: the first token that ends a text, if one is stated.
        context: how many tokens the texts had at most that it was trained on, if that is stated.
        is_endless: whether its files go on with longer texts than that.
        labels: of a classifier of images, or of texts, whose tokens of -1 are none, the names of its labels in their order; none where its head begins anew.
        preprocessor: what the folder says of how images or sounds are prepared, and the path of that file.
        nets: those of the spec that have parameters.
        may_classify: whether the family has a head that scores labels, and the folder has another.
    """

    text: str
    title: str
    exports: tuple[str, ...]
    numbers: int
    unread: tuple[str, ...]
    notes: tuple[str, ...]
    asked: str | None
    has_chat: bool
    is_linked: bool
    end: int | None = None
    context: int | None = None
    is_endless: bool = False
    labels: tuple[str, ...] | None = None
    preprocessor: tuple[Mapping[str, object], Path] = ({}, Path(PREPROCESSOR))
    nets: frozenset[str] = frozenset()
    may_classify: bool = False


def import_folder(
    path: Path, out: Path, ignored: Sequence[str] = (), classifier_of: Collection[str] | None = None
) -> Imported:
    """The spec of a model's folder, to be written to `out`. It is checked, and that each tensor goes somewhere.

    Args:
        ignored: fields of its files that change no result.
        classifier_of: nets of the spec that the folder is; where they are given, it becomes a classifier, whose other nets begin anew.

    Raises:
        MaiError: `import-folder` for what is no such folder, `config-unknown` for what no record knows; `weights-mismatch` or
            `weights-unused` for tensors that are not the family's.
    """
    folder, unreadable = with_readable_chat(read_model(path))
    check_packing(folder.config, CONFIG, ignored)
    name, architecture = _family(folder)
    record = family_records()[name]
    folder = replace(folder, config=joined_config(record, folder.config, CONFIG))
    settings = _settings(record, folder, ignored) | _purpose(record, architecture, folder, ignored)
    if classifier_of is not None:
        settings["head"] = CLASSIFY
    endless = list(unreachable_ends(settings))
    with TensorFiles(folder.weights) as files:
        check_packed_tensors(files.shapes)
        settings["has"] = lambda name: any(f".{n}".endswith(f".{name}") for n in files.shapes)
        check_ties(files, settings)
        notes = [
            *notes_on_packing(files.packing),
            *unreadable,
            *endless,
            *check_texts(folder, settings, ignored),
            *_limits(record, settings),
            *(note for field, note in record.get("notes", {}).items() if settings[field]),
            *notes_on_code(folder.config, record["title"]),
            *without_tokenizer(folder),
            *notes_on_sentences(folder, settings),
        ]
        text = _declarations(record, architecture, folder, out, settings)
        spare = record.get("other_heads", {}).get(settings["head"], [])
        sets = ["dense", *record["rules"]] if settings.get("dense") else record["rules"]
        family = family_of(sets, numbers_of(record, settings))
        kept = None if classifier_of is None else {*classifier_of} - _heads(text, out)
        text, program = _with_rules(text, family, spare, files, out, kept)
    return _imported(folder, record, settings, text, program, tuple(notes), out, begins_anew=classifier_of is not None)


def _imported(
    folder: ModelFolder, record: Record, settings: Settings, text: str, program: Program, notes: tuple[str, ...],
    out: Path, *, begins_anew: bool,
) -> Imported:  # fmt: skip
    """A spec with what is to be said of it, and what a draft of a training asks of it; the labels are none where the head `begins_anew`."""
    exports, ends, context = tuple(program.exports), settings["ends"], _whole(settings.get("max_position_embeddings"))
    gaps = record.get("gaps", ())
    takes_rows = gaps is True or settings["head"] in gaps or "num_channels" in record.get("fields", {})
    is_classifier = takes_rows and settings["head"] in (CLASSIFY, "both")
    asked = _text_input(program) if folder.has_tokenizer else None
    return Imported(
        text,
        title=record["title"],
        exports=exports,
        numbers=sum(math.prod(weight.shape) for weight in program.weights.values()),
        unread=tuple(n for n in folder.unread if n != PREPROCESSOR or "preprocessor" not in record),
        notes=notes,
        asked=asked,
        has_chat=folder.chat is not None and asked == PROMPT,
        is_linked=any(not f.resolve().is_relative_to(out.parent.resolve()) for f in (folder.weights, folder.path)),
        end=ends[0] if isinstance(ends, list) and ends else None,
        context=context,
        is_endless=_exceeded_length(record, settings, text) is not None,
        labels=_labels(folder, begins_anew) if is_classifier else None,
        preprocessor=(folder.preprocessor, folder.path / folder.preprocessor_file),
        nets=frozenset(name.partition(".")[0] for name in program.weights),
        may_classify=takes_rows and not is_classifier and CLASSIFY in record["architectures"].values(),
    )


def _text_input(program: Program) -> str | None:
    """The first input of `generate` that is the tokens of a text; None where there is none."""
    export = program.exports.get("generate")
    texts = [v.name for v in export.inputs if v.type.dtype is DType.INT and v.type.rank == 1] if export else []
    return PROMPT if PROMPT in texts else next(iter(texts), None)


def _whole(stated: object) -> int | None:
    """A number of tokens that a config states; it may state none."""
    return stated if isinstance(stated, int) and stated > 0 else None


def _exceeded_length(record: Record, settings: Settings, text: str) -> int | None:
    """How many tokens the texts had at most that a model was trained on, where its spec goes on with longer ones; None elsewhere."""
    is_endless = "extend " in text and PLACES not in text and not any(_limits(record, settings))
    return _whole(settings.get("max_position_embeddings")) if is_endless else None


def _limits(record: Record, settings: Settings) -> Iterator[str]:
    """That longer texts than so many tokens are not read, where the reference reads them in another way."""
    name = record.get("limits", {}).get(settings.get("rope_type"))
    if name is not None:
        limit = numbers_of(record, settings).get(name)
        if limit is None:
            raise refused("config-unknown", f"{CONFIG}: it does not say how long texts were, `max_position_embeddings`")
        yield f"texts have {limit:,} tokens at most: of longer ones `rope_type` {settings['rope_type']!r} turns all positions otherwise"


def _family(folder: ModelFolder) -> tuple[str, str]:
    """The record's name and the architecture, by what the config says. Raises `MaiError`, `config-unknown`."""
    kind = kind_of(folder.config)
    records = {r["model_type"]: (n, r) for n, r in family_records().items() if "model_type" in r}
    if kind is None:
        raise no_type_error(folder.config)
    if not isinstance(kind, str) or kind not in records:
        field = next(name for name in KINDS if name in folder.config)
        message = f"{folder.config_file}: no family is known for `{field}` {str(kind)[:60]!r}"
        raise refused(
            "config-unknown", message + of_other_code(folder.config), what_to_do_with(folder.config, str(kind), records)
        )
    name, record = records[kind]
    first = architecture_of(folder.config)
    classes = ", ".join(record["architectures"])
    if not first:
        raise refused(
            "config-unknown", f"{CONFIG}: it does not say its `architectures`", f"write the one it is: {classes}"
        )
    spellings = {each.lower(): each for each in record["architectures"]}  # MPTForCausalLM, LLaMAForCausalLM.
    if first.lower() not in spellings:
        message = f"{CONFIG}: `architectures` is {first[:60]!r}, which has no spec in this family"
        raise refused("config-unknown", message, f"known: {classes}")
    return name, spellings[first.lower()]


def kind_of(config: Mapping[str, object]) -> object:
    """What kind of model a config is of: as transformers, as diffusers, or as LeRobot says it."""
    return next((config[name] for name in KINDS if name in config), None)


def architecture_of(config: Mapping[str, object]) -> str:
    """The first class of a config, of diffusers and LeRobot its kind; empty where it says none."""
    stated = config.get("architectures", None if "model_type" in config else kind_of(config))
    first = stated[0] if isinstance(stated, list) and stated else stated
    return "" if first is None or isinstance(first, list) else str(first)


def _purpose(record: Record, architecture: str, folder: ModelFolder, ignored: Sequence[str]) -> Settings:
    """What the model is for: its head, how many labels there are, and how a text becomes one vector."""
    head = record["architectures"][architecture]
    if record.get("policy"):
        return {"head": head, **read_policy(folder.config)}
    sentences = read_sentences(folder.vectors or folder.path, head, ignored)
    if sentences is not None and (head == "embed" or "embed" not in record["exports"]):
        raise refused("config-unknown", f"{MODULES}: `{architecture}` has no spec that makes one vector of a text")
    more = {"head": head} if sentences is None else {"head": "embed", **sentences}
    return {"classes": len(_labels(folder)), "marks_seconds": folder.marks_seconds, **more}


def _settings(record: Record, folder: ModelFolder, ignored: Sequence[str]) -> Settings:
    """What both files say; fields of a generation may stand in either. All mistakes are reported at once."""
    generation = family_records()[record.get("generation", "generation")]
    grows, own = ({n for t in ("fields", "only", "words") for n in r.get(t, {})} for r in (generation, record))
    several = {n for n, v in folder.config.items() if n in grows and isinstance(v, list)}  # As tokens that end a text.
    config = {n: v for n, v in folder.config.items() if n not in several and (n in own or n not in grows)}
    early = {n: v for n, v in folder.config.items() if n not in config and n not in folder.generation}
    mistakes: list[Diagnostic] = []
    texts = _attempt(generation, folder.generation, GENERATION, ignored, mistakes)
    said = _attempt(generation, early, CONFIG, ignored, mistakes)
    texts |= {n: said[n] for n in early if n in said}
    _check_pipeline(record, folder)
    if "preprocessor" in record and folder.preprocessor:
        texts |= _attempt(
            family_records()[record["preprocessor"]], folder.preprocessor, folder.preprocessor_file, ignored, mistakes
        )
    if "parts" in record:
        _check_parts(record, folder)
        config = {n: v for n, v in config.items() if not isinstance(v, list)}
        for part, kind in record["parts"].items():
            texts[part] = part in folder.parts and _attempt(
                family_records()[kind], folder.parts[part], f"{part}/{CONFIG}", ignored, mistakes
            )
    model = _attempt(record, config, folder.config_file, ignored, mistakes)
    if mistakes:
        raise MaiError(mistakes)
    return texts | model | {"ends": ends_of(texts, model)}


def _check_pipeline(record: Record, folder: ModelFolder) -> None:
    """Raise `MaiError`, `config-unknown`, where a pipeline of one network takes another scheduler than lies in its folder."""
    if folder.pipeline:
        schedulers, kind = record.get("pipelines", {}), folder.preprocessor.get("_class_name")
        if folder.pipeline not in schedulers:
            message = f"{PIPELINE}: `_class_name` is {folder.pipeline[:60]!r}, which has no spec of this network"
            raise refused("config-unknown", message, f"known: {', '.join(schedulers)}")
        if kind not in schedulers[folder.pipeline]:
            message = f"{PIPELINE}: `{folder.pipeline}` does not sample by `{kind}`, which lies in {SCHEDULER}"
            raise refused("config-unknown", message, f"it does by {', '.join(schedulers[folder.pipeline])}")


def _check_parts(record: Record, folder: ModelFolder) -> None:
    """Raise `MaiError`, `config-unknown`, where a pipeline has other networks than its record, or lacks some that it may not lack."""
    needed = [part for part in record["parts"] if part in folder.parts or part not in record.get("optional", ())]
    if sorted(folder.parts) != sorted(needed):
        message = f"{PIPELINE}: the networks are {', '.join(folder.parts)}"
        raise refused("config-unknown", message, f"known: {', '.join(record['parts'])}")


def _attempt(
    record: Record, content: Mapping[str, object], file: str, ignored: Sequence[str], mistakes: list[Diagnostic]
) -> Settings:
    """What a file says; what is wrong with it is added to `mistakes`."""
    try:
        return read_settings(record, content, file, ignored)
    except MaiError as error:
        mistakes += error.diagnostics
        return {}


def _declarations(record: Record, architecture: str, folder: ModelFolder, out: Path, settings: Settings) -> str:
    """The text of the spec without its rules."""
    try:
        body = render(record, settings)
    except UnknownModel as error:
        raise refused("config-unknown", f"{folder.config_file}: {error}") from error
    library = record.get("library", "transformers")
    source = f"the weights of {library}'{'' if library.endswith('s') else 's'} `{architecture}`"
    adapter = f" and an adapter, {folder.weights.parent.name}" if folder.weights.name == ADAPTER else ""
    title = f"# {record['title']}, with {source}{adapter}.\n"
    return title + _with_tokenizer(body, folder, out, _exceeded_length(record, settings, body))


def _labels(folder: ModelFolder, begins_anew: bool = False) -> tuple[str, ...]:
    """The names of labels in their order; two where nothing is said, as in transformers, none where the head `begins_anew`, one where texts are to be chosen of."""
    if begins_anew:
        return ()
    if architecture_of(folder.config).endswith(CHOICE):
        return ("choice",)
    stated, count = folder.config.get("id2label"), folder.config.get("num_labels")
    numbers = range(min(_whole(count) or 2, MAX_LABELS))
    named = stated if isinstance(stated, Mapping) else {str(i): f"LABEL_{i}" for i in numbers}
    return tuple(str(name) for _, name in sorted(named.items(), key=lambda item: int(item[0])))


def _with_tokenizer(body: str, folder: ModelFolder, out: Path, context: int | None) -> str:
    """The declarations with the `data` line that names the tokenizer, where there is one and texts are read."""
    if not folder.has_tokenizer or ": tokens[" not in body:
        return body
    consts, _, rest = body.partition("\n\n")
    path = Path(os.path.relpath(folder.texts, out.parent))
    chat = f', chat = "{(path / folder.chat).as_posix()}"' if folder.chat and "extend " in body else ""
    longest = f", context = {context}" if context is not None else ""
    return f'{consts}\n\ndata text: tokens[n] from text(tokenizer = "{(path / TOKENIZER).as_posix()}"{chat}{longest})\n\n{rest}'


def _with_rules(
    text: str, family: Family, spare: Sequence[str], files: TensorFiles, out: Path, nets: Collection[str] | None
) -> tuple[str, Program]:
    """The text with a `weights from` whose rules the files' tensors fit, and its meaning.

    Args:
        spare: patterns of tensors for other purposes.
        nets: where they are given, those whose tensors are there; others begin anew, and other tensors are left out.
    """
    program = check_text(out, text).meaning()
    place = Path(os.path.relpath(files.path, out.parent))
    if ".." in place.parts:
        raise refused("import-folder", f"{out} is to lie in {files.path.parent} or above it, beside its weights")
    weights = named_by_rules(program.weights)
    proposal = propose_of_family(place.as_posix(), weights, files.shapes, family, spare)
    if nets is not None:
        _begin_anew(proposal, text, nets, files, out)
    _check_sizes(list(misfits(family, proposal.lacking, files.shapes)), files)
    text = format_text(f"{text}\n{proposal}\n")
    program = check_text(out, text).meaning()
    assert program.loading is not None
    plan_assignments(program.loading, weights, files.shapes)
    return text, program


def _heads(text: str, out: Path) -> set[str]:
    """The nets of a classifier that have a number for each label."""
    head = find_label_head(text, out)
    return set() if head is None else {name.partition(".")[0] for name in head.weights}


def _begin_anew(proposal: Proposal, text: str, nets: Collection[str], files: TensorFiles, out: Path) -> None:
    """Rules for the parameters of other nets than these that no tensor fits, and for the tensors that no parameter takes."""
    new = [weight.name for weight in proposal.lacking if weight.name.partition(".")[0] not in nets]
    proposal.lines += [Line(f'"{name}" = first') for name in new]
    proposal.lacking = [weight for weight in proposal.lacking if weight.name not in new]
    all_ignored = replace(proposal, lines=[*proposal.lines, Line(EVERYTHING)])
    program = check_text(out, f"{text}\n{all_ignored}\n").meaning()
    assert program.loading is not None
    plan = plan_assignments(program.loading, named_by_rules(program.weights), files.shapes)
    taken = {name for assignments in plan.values() for each in assignments for name in each.names}
    lines = (Line(f'ignore "{layer_pattern(name)}"') for name in files.shapes if name not in taken)
    proposal.lines += [line for line in dict.fromkeys(lines) if line not in proposal.lines]


def _check_sizes(misfitting: Sequence[tuple[Weight, str]], files: TensorFiles) -> None:
    """Raise `MaiError`, `weights-mismatch`, where parameters have other sizes than the tensors that are theirs."""
    if misfitting:
        (weight, name), others = misfitting[0], len(misfitting) - 1
        sizes = f"`{name}` in the file is {list(files.shapes[name])}, and by {CONFIG} `{weight.name}` is {list(weight.shape)}"
        more = f" (and {others} more like it)" if others else ""
        raise refused("weights-mismatch", sizes + more, f"a size in {CONFIG} is not that of the tensors")
