"""Diagnostics of what a file is given: its settings, and weights of other files."""

from mai.spec.diagnostics.entries.entry import Entry
from mai.spec.diagnostics.entries.snippets import net, train

BY_LABEL = (
    "data x: [2], y: class[2] from moons()\nnet f(x: [2]) -> [2] {{ return linear(x, 2) }}\n"
    "train(steps = 1, sample = {}) {{\n  minimize cross_entropy(f(x), y)\n}}\n"
)
WEIGHTS: dict[str, Entry] = {
    "weights-rule": Entry(
        "A rule that gives no weight",
        '`weights from` says for every parameter where it comes from: `"f.linear_1.weight" = "head.weight"`. The name on\n'
        "the left is that of a parameter, `*` stands for any text in it and `{i}` for a number; the name on the right, with\n"
        "the same marks, is that of a tensor in the file. `= first` leaves a parameter its own first value.",
        net("x = linear(x, 2)") + "export g(x: [2]) -> [2] { return f(x) }\n"
        'weights from "m.safetensors" { "f.linear.*" = "head.*" }\n',
        net("x = linear(x, 2)") + "export g(x: [2]) -> [2] { return f(x) }\n"
        'weights from "m.safetensors" { "f.linear_1.*" = "head.*" }\n',
    ),
    "path-outside": Entry(
        "A path that leaves the spec's folder",
        "The files that a spec names by itself lie in its folder or below, so that a spec from elsewhere reads nothing else.\n"
        "The command line may name any file: `--weights`.",
        net("x = linear(x, 2)") + "export g(x: [2]) -> [2] { return f(x) }\n"
        'weights from "../m.safetensors" { "f.linear_1.*" = "head.*" }\n',
        net("x = linear(x, 2)") + "export g(x: [2]) -> [2] { return f(x) }\n"
        'weights from "m.safetensors" { "f.linear_1.*" = "head.*" }\n',
    ),
}

SETTINGS: dict[str, Entry] = {
    "unknown-setting": Entry(
        "No setting has this name",
        "A train block takes steps or epochs, batch, optimizer, schedule, ema, clip, seed, precision, freeze and groups. The learning\n"
        "rate, momentum and weight decay belong to the optimizer, the warmup to the schedule.",
        train("step = 100"),
        train("steps = 100, optimizer = sgd(lr = 0.1, momentum = 0.9)"),
    ),
    "missing-setting": Entry(
        "A setting is missing",
        "Some settings have no default: what a file is called, mai cannot guess.",
        "data x: [2], y: [] from npz()\n"
        "net f(x: [2]) -> [2] { return linear(x, 2) }\n"
        "train(steps = 1) { minimize sum(f(x)^2) }\n",
        'data x: [2], y: [] from npz("points.npz")\n'
        "net f(x: [2]) -> [2] { return linear(x, 2) }\n"
        "train(steps = 1) { minimize sum(f(x)^2) }\n",
    ),
    "bad-setting": Entry(
        "A setting outside its range",
        "A train block takes `steps` or `epochs` (one of them), batch, optimizer, schedule, ema, clip, seed and precision\n"
        "(float32, bf16 or fp16). The message says what is allowed. The default of an export's setting is in the range that its\n"
        "uses allow: a number of steps is at least 1, a count at least 0, a temperature at least 0.",
        train("steps = 100, precision = bf61"),
        train("steps = 100, precision = bf16"),
    ),
    "unknown-optimizer": Entry(
        "No optimizer has this name",
        "`train(optimizer = adamw(lr = 1e-3), ...)`: spec/functions.md lists the optimizers with their settings, and\n"
        "`mai explain adamw` tells of one.",
        train("steps = 1, optimizer = adamm(lr = 1e-3)"),
        train("steps = 1, optimizer = adamw(lr = 1e-3)"),
    ),
    "unknown-tokenizer": Entry(
        "No tokenizer has this name",
        "A text is read as `bytes`, by `bpe(vocab = 4096)`, which is trained from it, or by a `tokenizers` file.",
        "const vocab = 300\ndata x: tokens[9] from text(tokenizer = bbpe(vocab = 300))\n",
        "const vocab = 300\ndata x: tokens[9] from text(tokenizer = bpe(vocab = 300))\n",
    ),
    "unknown-split": Entry(
        "No split has this name",
        "Rows are held out by `random(0.1)`, `by_time(date)`, `by_group(patient)`, `stratified(y)` or `folds(5, fold = 0)`, or have\n"
        'files of their own: `validation = "later.csv"`.',
        'data x: [2], y: class[3] from table("a.csv", split = stratifed(y))\n',
        'data x: [2], y: class[3] from table("a.csv", split = stratified(y))\n',
    ),
    "unknown-sample": Entry(
        "No way to choose examples has this name",
        "Examples are gone through in epochs, or chosen: `sample = balanced(label)` takes of every label as many, `sample = weighted(w)` as\n"
        "often as the field `w` says.",
        BY_LABEL.format("balancd(y)"),
        BY_LABEL.format("balanced(y)"),
    ),
    "unknown-schedule": Entry(
        "No schedule has this name",
        "`train(schedule = cosine(warmup = 100), ...)`: how the learning rate moves. spec/functions.md lists the schedules, and\n"
        "`mai explain cosine` tells of one.",
        train("steps = 1, schedule = cosin()"),
        train("steps = 1, schedule = cosine(warmup = 100, final = 0.1)"),
    ),
    "unknown-source": Entry(
        "No data source has this name",
        "spec/functions.md lists the sources, `mai explain moons` tells of one. Your own data are read by table, npz, text and\n"
        "images.",
        "data x: [2] from moon()\n",
        "data x: [2] from moons(noise = 0.05)\n",
    ),
    "data-missing": Entry(
        "Data that are not there",
        "A `data` line names the fields of one example and their source; its file must exist for training. For `mai check` this\n"
        "is a warning, also with --strict, since a spec may be checked where its data are not. (A train block without a `data` line has what it draws.)",
    ),
    "data-bad": Entry(
        "Data that do not fit the spec",
        "The fields of the `data` line are looked for in the source by name and by shape. This file has wrong shapes,\n"
        "missing columns or values, labels outside their classes, or cannot be read. The message names the file, the column and the row,\n"
        "counted from 1 below the names.",
    ),
}
