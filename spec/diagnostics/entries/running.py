"""Diagnostics of files, and of compiling, training and running."""

from mai.spec.diagnostics.entries.entry import Entry

FILES: dict[str, Entry] = {
    "folder-in-use": Entry(
        "Another training writes into the folder",
        "Two runs would write one folder's figures, checkpoints and weights into each other. Whatever becomes of the other\n"
        "run, the folder is free when it has ended.",
    ),
    "file-not-found": Entry("A file cannot be read or written", "The path is wrong, is a folder, or may not be used."),
    "file-too-large": Entry(
        "A spec is over 400 kB", "Specs are short texts; data and weights live in files of their own."
    ),
    "not-text": Entry("A file that is no text", "Specs are texts in UTF-8."),
    "import-folder": Entry(
        "A folder that is no model's",
        "`mai import` reads what `save_pretrained` writes: config.json, and model.safetensors or its index. A tokenizer.json makes\n"
        "the compiled files take texts, a generation_config.json says how they go on. The spec lies in that folder, or above it.",
    ),
    "config-unknown": Entry(
        "A model of which something is not known",
        "A field of a config may change what a model computes, so `mai import` refuses those that no record of `spec/families/`\n"
        "speaks of, and values that it has no spec for. `--ignore FIELD` says that one changes nothing. docs/import.md lists the\n"
        "families and how to add one.",
    ),
    "empty-file": Entry("An empty file", "`mai new` writes a spec to start from.", "   \n"),
}

RUNNING: dict[str, Entry] = {
    "internal": Entry(
        "A bug of mai",
        "The file may be right or wrong: mai failed before it could say. Please report it, with the file and the message.",
    ),
    "process-lost": Entry(
        "Another process of the run is gone",
        "Of several processes that train together one has ended, by an error or a signal, or the network between them has failed.\n"
        "All end then. `torchrun --max_restarts 3` starts them again, and they continue from the last checkpoint, as `--resume` does.",
    ),
    "looks-ahead": Entry(
        "A net without an incremental form",
        "`extend` never computes the past again: it keeps what each operation needs of it. That works where no token looks\n"
        "at a later one. The operation named here does, or its result changes for old tokens as the text grows.\n"
        "Its file computes the whole text again for every token, which takes long for long texts. It is refused where an option asks for\n"
        "an incremental form: `--cache concat` or `two-level`, `--speculate`, `--capacity`. A net whose tokens look at later ones learns nothing\n"
        "of the next token, `text[1:]` from `f(text[:-1])`: the answer is among what it looks at.",
    ),
    "no-drafts": Entry(
        "A text of which a turn can read one token alone",
        "With `--speculate` a turn reads tokens that are only guessed, and chooses the next one at each of them. The operation\n"
        "named here is of the last token and cannot be computed at several side by side. Without `--speculate` it compiles.",
    ),
    "no-capacity": Entry(
        "A state that has no fixed size",
        "With `--capacity` the keys and values of a step file have places for so many tokens, and do not grow. The operation named here keeps\n"
        "something else of every token, as an attention that is written by hand does. Without `--capacity` it compiles.",
    ),
    "compile-mismatch": Entry(
        "The ONNX file would not compute what torch computes",
        "Before a file is written, the whole graph runs on random inputs beside torch. They differ by more than 1e-4, so\n"
        "nothing was written. This is a bug of mai, or a model whose values overflow; the node that differs first is named.\n"
        "A loop whose solver chooses its steps is compared turn by turn, from the same states: its steps, and what it decides.",
    ),
    "metastable": Entry(
        "Results that depend on roundings",
        "The file is right: every turn of its loops gives what torch gives from the same states. But the equation magnifies\n"
        "differences, as chaos, an unstable point, or steps at the edge of their tolerance do: torch, going its own way a rounding\n"
        "apart, ends elsewhere. So will another machine. So does what is left of two nearly equal numbers, as the drift of an energy\n"
        "that is kept. What can be relied on are the digits that agree, or averages over many examples. A shorter time, or a smaller `rtol` where steps are too coarse, makes more digits agree.",
    ),
    "not-finite": Entry(
        "Numbers that are infinite, or none",
        "A weight is infinite or not a number (NaN), or a result is so for every input that was tried before a file is written.\n"
        "A training that diverged leaves such weights. float32 ends at 3.4e38, and 0 / 0 is not a number. A note says which operation\n"
        "gave the first such number, and of what. Noise and steps of a solver leave the range that an equation has by itself: a root\n"
        "of what is then a little below 0 is written `sqrt(maximum(x, 0))`, as papers do (full truncation, Lord et al. 2010).",
    ),
    "calibration": Entry(
        "Files that cannot calibrate few bits",
        "`--calibrate FILE` chooses the codes of few bits by what the products of the model read. Of a spec with a train block it\n"
        "names data as the block reads them; of another one texts, for which there must be a tokenizer, and an export that reads\n"
        "nothing but a text: `export predict(x: tokens[P])`.",
    ),
    "quantize-loss": Entry(
        "Weights in few bits cost too much",
        "The loss on held-out data, by the graph with coarse weights, is above the limit; nothing was written. int8 costs\n"
        "less than int4, and `--quantize-limit 0.1` allows a tenth more. With `--calibrate FILE` int4 costs less, and as many\n"
        "matrices stay in int8 as the limit asks for.",
    ),
    "precision-loss": Entry(
        "Too few bits for a model",
        "Before a file in fp16 or bf16 is written, its real results are compared with torch's in float32. They differ by more\n"
        "than roundings explain, 0.02 for fp16 and 0.1 for bf16: numbers over 65,504, say, are infinite in fp16. What is compared\n"
        "is the same graph in float32 with every value rounded, since a CPU does not compute in 16 bits.\n"
        "With `--quantize int8`, which computes convolutions with numbers of 8 bits, they may be a quarter of their size apart.",
    ),
    "tune-refused": Entry(
        "An export that cannot be tuned",
        "`mai tune` chooses how the one `integrate` of an export takes its steps, where their number is known before.\n"
        "Adaptive solvers choose their own, noise differs with the steps, and there must be data of the results' shape to\n"
        "compare with, or a metric that needs none.",
    ),
    "tune-metric": Entry(
        "A metric that cannot be used",
        "`--metric module:function` names a function of Python that takes samples [n, ...] and data [m, ...], arrays of numpy,\n"
        "and gives a number: lower is better. Modules are looked for in the folder where `mai` is started, too.",
    ),
    "tune-mismatch": Entry(
        "Not the weights of this file",
        "To tune a file is to compile it again. With the weights that were found, and the spec in the file, other results come\n"
        "out: the file is from another training, or its consts were set by `--set`.",
    ),
    "tune-quality": Entry(
        "Nothing is good enough",
        "No method with the evaluations that are allowed has a quality within the factor of the reference's, or none of those\n"
        "that had one kept it on the seeds that confirm it. Nothing was written.",
    ),
    "no-target": Entry(
        "Nothing says what a result is to be compared with",
        "`mai eval` compares a result with the field that an objective compares with it: one that the export does not take, of labels\n"
        "whose classes the result has or tells apart, or of numbers of its shape. Where there is no such field, or there are several,\n"
        "`--target FIELD`, `--output RESULT` and `--export NAME` say what is meant.",
    ),
    "weights-missing": Entry("There are no weights at this path", "Train first, or say `--weights FILE`."),
    "weights-mismatch": Entry("Weights of another spec", "The names and shapes in the file are not those of the spec."),
    "weights-unused": Entry(
        "Tensors of the file that no rule takes",
        'Every tensor of a `weights from` goes somewhere, so that none is forgotten. A line `ignore "*.inv_freq"` leaves\n'
        "tensors out on purpose; a tensor that is cut is used where each of its numbers is taken or ignored.",
    ),
    "weights-pickle": Entry(
        "Weights that could run code",
        "A .bin, .pt, .pth or .ckpt file is a Python pickle: to read it is to run it. Weights are read from safetensors\n"
        "alone; `model.save_pretrained(...)` and `safetensors.torch.save_file(...)` write them.",
    ),
    "batch-in-parts": Entry(
        "What a batch in parts cannot train",
        "What compares the examples of a batch, `across` or `batch_norm`, needs them all at one time, and `accumulate` computes some\n"
        "of them after the others. Several processes compute at one time, and send each other what is compared; only in a loop that\n"
        "ends when the examples do (an adaptive solver) they cannot, since each would end after turns of its own.",
    ),
    "loss-not-finite": Entry(
        "The loss is infinite or not a number",
        "Training has stopped before the weights were spoilt; the last good checkpoint is kept. Notes say where it comes from: the\n"
        "first operation whose result is not finite, the examples of the batch, the largest gradient and weight. Where a weight is not\n"
        "finite already, a gradient of the step before was: `mai train ... --resume --debug-nan` finds that. A smaller learning rate,\n"
        "`clip = 1.0`, or a logarithm that cannot see zero often help.",
    ),
    "not-arrived": Entry(
        "An adaptive solver stopped on its way",
        "After `max_steps` steps (1000 unless the spec says more) some examples had not arrived: their results are no numbers.\n"
        "The velocity is stiff or blows up there, or the tolerances are finer than single precision can tell.",
    ),
    "cuda-graph": Entry(
        "A file that cannot be one CUDA graph",
        "A CUDA graph is the same kernels on the same memory at every call: a flat file, `mai compile --unroll`, whose results\n"
        "have known sizes and that draws nothing, or by `--cuda`. Without `cuda_graph` the file runs on CUDA kernel by kernel.",
    ),
    "precision-unsupported": Entry(
        "A precision that nothing here computes with",
        "Files in bf16 need CUDA: ONNX Runtime has no kernels for it on a CPU. Compile with `--precision fp16`, or float32.\n"
        "Files of `--draws fast`, and those of an earlier mai that draw, need whole numbers of 64 bits, which OpenVINO has not.",
    ),
    "nothing-to-train": Entry(
        "An objective that no parameter moves",
        "Training moves parameters so that the objective falls. This one is the same whatever they are.",
    ),
    "call-timeout": Entry(
        "A call took longer than its `timeout`",
        "It was ended there, and has no result. Fewer steps, a smaller batch or fewer tokens take less time.",
    ),
    "call-cancelled": Entry(
        "A call was ended by whoever made it",
        "Another part of the program called `cancel` of its `TimeLimit`, or the client of `mai serve` went away. It has no result.",
    ),
    "address-taken": Entry(
        "Nothing can listen at an address",
        "Another program listens there, or this one may not: ports below 1024 are for administrators. `mai serve --port 0` takes a free one.",
    ),
    "body-unreadable": Entry(
        "The body of a request cannot be read",
        'A request to `mai serve` is a JSON object with inputs and settings by name, `{"x": [0.5, 1], "steps": 20}`, or a .npz of arrays.',
    ),
    "body-too-large": Entry(
        "A request is larger than the service takes", "`mai serve --body` says how many megabytes that may be."
    ),
    "queue-full": Entry(
        "Too many requests wait",
        "`mai serve` refuses what it could not answer in time, with the status 429: ask again a moment later. `--queue` says how many wait.",
    ),
    "signature-wrong": Entry(
        "A file is not as it was signed",
        "`mai verify --key` compares the whole file, and the data beside it, with the signature beside it. It was changed, renamed or signed by\n"
        "another key, or has no signature: `mai sign` writes one.",
    ),
    "key-unreadable": Entry(
        "A key cannot be read",
        "Keys are .pem files of an elliptic curve: `mai sign --new-key key.pem` writes one, and the public one beside it, `key.pem.pub`.\n"
        "Signatures need `pip install 'mai-lang[sign]'`, or `'.[sign]'` in a clone of mai.",
    ),
    "token-wrong": Entry(
        "A request shows no token, or a wrong one",
        "The service was started with a token: send `Authorization: Bearer TOKEN`, or in a browser the token as the password.",
    ),
    "host-unknown": Entry(
        "A service is called by a name that it does not know",
        "`mai serve` on this machine alone answers to localhost and to addresses: a web page could have its own name lead here, and read what\n"
        "is answered. Where a proxy passes another name on, `--allow-host models.example.org` says it; `--allow-host '*'` is any.",
    ),
    "route-unknown": Entry(
        "A service has nothing at an address",
        "GET /openapi.json describes all routes of `mai serve`, GET /run lists its files.",
    ),
    "run-failed": Entry("The runtime refused to run a file", "ONNX Runtime's own words follow."),
    "claim-fails": Entry(
        "A claim of the spec does not hold",
        "The condition was computed with the trained weights, and does not hold for every example and seed that it was computed for. It is\n"
        "told where it holds least. Train longer, or claim less.",
    ),
    "model-not-found": Entry("A compiled file cannot be opened", "The path is wrong, or is a folder."),
    "model-truncated": Entry("A compiled file is damaged", "It was cut short or changed: compile or copy it again."),
    "model-foreign": Entry(
        "A file that mai did not compile", "`mai run` runs what `mai compile` and `mai train` write."
    ),
    "model-newer": Entry("A file of a newer mai", "Upgrade mai to run it."),
    "runtime-too-old": Entry(
        "An ONNX Runtime that is too old",
        "Files are tested on the lowest ONNX Runtime that `pip` accepts for mai, and on the newest. Earlier ones fail on some files,\n"
        "and compute others wrong without a word, so none is opened there.",
    ),
    "self-test-failed": Entry(
        "A file does not compute what it did when it was written",
        "A compiled file carries a few runs: inputs, and what ONNX Runtime's CPU gave for them. `mai verify` runs them again.\n"
        "Another processor rounds otherwise, within what the file allows; more than that is a fault of the provider, of the\n"
        "version of ONNX Runtime, or of a program that has changed the file. `--tolerance 0.05` measures one that has been\n"
        "quantized on purpose.",
    ),
    "self-test-missing": Entry(
        "A file has nothing to be verified by",
        "Files of mai 0.6 and before carry no self-test, and other programs may leave a file's metadata out. Compile it again.",
    ),
    "input-missing": Entry("An input is missing", "`mai info FILE` lists what a file takes."),
    "input-unknown": Entry("No input or setting has this name", "`mai info FILE` lists what a file takes."),
    "input-shape": Entry("An input has the wrong shape", "Inputs have the batch as their first axis."),
    "input-dtype": Entry("An input has the wrong kind of number", "Labels and counts are whole numbers."),
    "input-range": Entry("A value outside its range", "Labels are below their number of classes, steps at least 1."),
    "text-unavailable": Entry(
        "A text for a file without a tokenizer",
        "`mai compile --tokenizer bytes`, or a tokenizers .json, puts one into the file. Files whose tokenizer is such a\n"
        "file need the package `tokenizers`: pip install tokenizers.",
    ),
    "chat-unavailable": Entry(
        "A conversation that a file cannot have",
        "`mai chat` and `model.chat` need a chat template, which makes one prompt of messages: `mai import` takes it from a folder's\n"
        'tokenizer_config.json or chat_template.jinja, and a spec names it, `text(tokenizer = "tokenizer.json", chat = "chat_template.jinja")`.\n'
        "Templates may refuse messages, as a second one of the user's in a row: what they say of it is told.",
    ),
    "stream-unavailable": Entry(
        "A text that cannot be shown as it grows",
        "Streaming goes by a file of one turn, `NAME.EXPORT.step.onnx`, which `mai compile` writes beside the whole one.",
    ),
    "scores-unavailable": Entry(
        "A file does not say how likely its tokens are",
        "Log-probabilities come of what a token is drawn from, which is a result of the step file where the token that an `extend` appends is\n"
        "drawn, `next ~ categorical(z)`. A file that an earlier mai wrote does not say it: compile it again.",
    ),
    "turns-foreign": Entry(
        "A file of turns that is not of the file beside it",
        "The whole file and its `.step.onnx` compute the same only where both come from one training and one text. Here one of the two was\n"
        "copied, or kept by a cache, from before: copy both, or let `mai compile` (with `--progress` for a sampler) write both.",
    ),
    "progress-unavailable": Entry(
        "No file that takes a sampler's steps one by one",
        "`mai compile --progress` writes it, `NAME.EXPORT.step.onnx`, beside the whole one: for exports whose loops take a number of steps\n"
        "that is known before, and keep no path. For all others it says why there is none. Texts stream instead.",
    ),
    "out-unknown": Entry(
        "A result cannot be written there",
        "The ending says how: .png .svg .pdf .gif .npy .npz .csv .json. `mai show` writes text; a diagram may be an .svg.",
    ),
    "formatter-fault": Entry(
        "A formatted text would mean something else",
        "`mai format` changes spaces and line ends alone, and compares the syntax trees before it writes. Where they differ it writes\n"
        "nothing. This is a fault of mai's: please report the text.",
    ),
    "not-a-path": Entry(
        "Nothing moves there",
        "A .gif shows what moves: a result that returns what `keep x as xs` keeps of an `integrate`, or the weights that\n"
        "`record` keeps while a spec trains (`mai draw runs/NAME/records.npz`). Anything else is a picture: .png .svg .pdf.",
    ),
}
