"""What each setting means, in a sentence: the one here, else those of its model's docstring that name it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

from mai.spec.settings import Settings

TRAIN = "train"
CLAIM_SETTINGS = {"count": "How many examples are drawn.", "seeds": "How many seeds are tried."}
SOLVER_OPTIONS = {
    "steps": "How many steps there are from one bound to the other: more are slower and nearer to the solution.",
    "grid": "Where the steps end, where they are not of one length: `power(7)`, or a tensor of times.",
    "reuse": "What the velocity calls `reusable` is computed at every so many-th step, and kept in between; 1 is every step.",
    "adjoint": "Whether derivatives are found by solving back in time, in little memory, instead of through all steps.",
    "rtol": "The error that a step may have, as a share of the value: less is slower and nearer to the solution.",
    "atol": "The error that a step may have where the value is near 0.",
    "max_steps": "After so many steps it ends; an example that is not there yet is NaN.",
}
SHARED: Mapping[str, str] = {
    # sources
    "path": "A file, several in a list, a folder, or a pattern as `data/*.csv`, from the folder of the spec.",
    "split": "Which rows are held out from training, and which are for tests: a share, or `by_time(date, 0.2)`.",
    "validation": "Files whose rows are held out, in the place of a share of the others.",
    "test": "Files whose rows are for tests alone.",
    "noise": "How far points lie off their curve: the deviation of a normal draw.",
    "cloud": "How many points make one example, which is [cloud, 2] then; without it, an example is one point.",
    "inner": "The radius of the inner circle.",
    "modes": "How many clouds there are.",
    "radius": "How far the clouds' centres are from the origin.",
    "classes": "How many arms there are, each with a label.",
    "separator": "What stands between the values of a line; it is found where it is not said.",
    "encoding": "How letters are written as bytes, `utf-8` or `latin-1`; it is found where it is not said.",
    "decimal": "The sign before the decimals; it is found where it is not said.",
    "sheet": "The sheet of a spreadsheet; without it, the first that is shown and is a table.",
    "missing": "What is done with a row that lacks a value: it is refused, left out (`drop`), or kept, with NaN for a number.",
    "dates": "Which is first in dates in numbers, as `03/04/2024`: the day or the month.",
    "absent": "What says, besides an empty cell, that there is no value: `-999`, `\"unknown\"`, or several of these.",
    "needs": "Fields without which a row is left out.",
    "words": "Fields whose values are names, also where they look like numbers.",
    "rest": "A field that is a vector of all columns that no other field takes.",
    "without": "Columns that `rest` leaves out: numbers of rows, say.",
    "tokenizer": "What makes tokens of a text: its bytes, a `tokenizers` file, or pairs of bytes learned from the text.",
    "text": "The template that makes one text of a row's columns: `\"{question}\\n{answer}\"`.",
    "chat": "The template that makes a prompt of messages: a `.jinja` file, or a `tokenizer_config.json`.",
    "context": "How many tokens the texts had at most that the model was trained on: a call that makes a longer one says so.",
    "longer": "What is done with a text that is too long: it is refused, cut, or left out (`drop`).",
    "formula": "What is computed of `x0`, `x1`, ...: `\"sin(3 * x0)\"`.",
    "low": "The least value of each coordinate.",
    "high": "The largest value of each coordinate.",
    "size": "Height and width in pixels, to which all images are brought.",
    "fit": "How an image of another shape is brought to the size: cropped, padded or stretched.",
    "resize": "The shorter side in pixels, or height and width, that images come to before their middle is cut out.",
    "resample": "Pillow's filter, by which images are made larger and smaller.",
    "channels": "1 for grey, 3 for colour, 4 for colour and opacity.",
    "names": "Names of the Python program's values.",
    "window": "How many rows of the past an example has.",
    "horizon": "How many rows after it an example has, which are to be forecast.",
    "stride": "How many rows lie between the beginnings of two examples.",
    "time": "The column that puts the rows in order.",
    "group": "The column whose values tell one series from another.",
    "field": "The field that it looks at.",
    # splits
    "share": "The share of the rows that is held out.",
    "column": "The column that it looks at.",
    "fold": "Which fold is held out, from 0.",
    "labels": "The column of labels, each of which is spread evenly over the folds.",
    "groups": "The column of groups, each of which stays in one fold.",
    "seed": "The number that the draws begin from: another number, other draws.",
    "vocab": "How many tokens there are.",
    # optimizers and schedules
    "lr": "The learning rate: how far a step moves the weights.",
    "betas": "How much of themselves two averages keep at each step: that of the gradients, and that of their squares.",
    "eps": "A small number that is added to what is divided by.",
    "weight_decay": "How strongly weights are drawn towards 0.",
    "momentum": "How much of the last step goes on in the next.",
    "momentum_decay": "How fast the momentum grows in the beginning.",
    "adam_lr": "The learning rate of weights that are no matrices.",
    "alpha": "How much of itself the mean square keeps at each step.",
    "centered": "Whether the gradients' mean is taken off before they are squared.",
    "nesterov": "Whether the gradient is taken where the momentum leads.",
    "warmup": "Over so many steps the rate grows from 0.",
    "final": "The share of the rate that is left at the end.",
    "goal": "Whether lower or higher is better; without it, what the name tells, as of `auc` and `loss`.",
}  # fmt: skip
OWN: Mapping[str, str] = {
    "train.steps": "How many steps there are; or say `epochs`.",
    "train.epochs": "How many times all examples are gone through; or say `steps`.",
    "train.optimizer": "What moves the weights.",
    "train.schedule": "How the learning rate changes over the run.",
    "train.seed": "The number that first values, batches and draws begin from: another number, another run.",
    "train.groups": "Weights with a learning rate or a weight decay of their own, by names or patterns: `group(...)`, or a list of these.",
    "group.names": "The name of a weight, a pattern of names, or a list of these.",
    "group.lr": "The learning rate of these weights; the schedule multiplies it as that of the optimizer.",
    "group.weight_decay": "The weight decay of these weights.",
    "examples.messages": 'The column with conversations: lists of messages, `{"role": ..., "content": ...}`, which `chat` makes the field `text` of.',
    "train.freeze": "Names of parameters that stay as they are, or patterns of them.",
    "checkerboard.count": "How many points there are in all; without it, new ones are drawn without end.",
    "export.count": "How many examples are drawn in all; without it, new ones are drawn without end.",
    "digits.split": "Which of the digits are read: `train` leaves the others for a test.",
    "folds.count": "How many folds there are: each is held out in one of so many runs.",
    "folds.test": "The share of the rows that is for tests alone; it is set aside before the folds are made.",
    "images.missing": "What is done with a row that lacks a value: it is refused, or left out (`drop`).",
    "images.folder": "The folder that a table's file names begin from.",
    "images.image": "The column of a table that has the file names of the images.",
    "export.path": "A compiled file, `.onnx`, whose export takes no inputs.",
    "one_cycle.rise": "The share of the run in which the rate rises.",
    "one_cycle.start": "The share of the rate that it begins with.",
    "plateau.every": "After how many steps the loss is looked at, again and again.",
    "plateau.patience": "How many looks in a row may show no lower loss before the rate falls.",
    "plateau.by": "What the rate is multiplied by when it falls.",
    "plateau.least": "The share of itself by which a loss must be lower than the best, to count as lower.",
    "last.count": "How many of the latest checkpoints stay.",
    "every.steps": "After how many steps a checkpoint that stays is written, again and again.",
    "every.count": "How many of the latest checkpoints stay beside these.",
    "code.values": "What says in that column that there is no value: a number, a word, or several of these.",
    "best.metric": "What tells which weights are the best: `loss`, or a number that the block reports.",
    "best.patience": "After how many steps without better weights training ends; without it, at its last step.",
    "random.test": "The share of the rows that is for tests alone.",
    "by_time.test": "The share of the rows that is for tests alone: the latest.",
    "by_group.test": "The share of the groups that is for tests alone.",
    "stratified.test": "The share of each label's rows that is for tests alone.",
    "function.count": "How many points are drawn in all.",
}


def meaning(model: type[Settings], name: str) -> str:
    """What a setting of a model means."""
    own = OWN.get(f"{model.name or TRAIN}.{name}")
    return own or SHARED.get(name) or " ".join(_sentences(model, name))


def _sentences(model: type[Settings], name: str) -> list[str]:
    """The sentences of a model's docstring that speak of a setting."""
    says = " ".join((inspect.getdoc(model) or "").split())
    return [sentence for sentence in re.split(r"(?<=\.)\s", says) if f"`{name}" in sentence]
