// Files that mai compiled, in JavaScript: with `onnxruntime-web` in a browser, with it or `onnxruntime-node` in Node.
//
//   import * as ort from "onnxruntime-web";
//   import { load } from "./mai.mjs";
//
//   const model = await load(ort, "flow.sample.onnx");
//   const { sample } = await model.run({ batch: 1000, seed: 0 });   // sample.data: Float32Array, sample.dims: [1000, 2]
//
// Inputs have the batch as their first axis; settings that are left out have their defaults. The runtimes themselves take no
// input that a file can do without, as settings are; `load` makes them ordinary ones, `mai compile --settings required` too.

const [FILES, CRYPTO] = ["node:fs/promises", "node:crypto"]; // Of Node alone: a bundler for browsers leaves them where they are.
const NOTHING = -1;
const GOES_ON = true;
const HALF = "\ufffd"; // What stands for bytes that are no character, or not yet.
const PROMPT_ROWS = "cut off the -1 that a row which ended early has behind it; rows may differ in length: [[5, 6, 7], [8]]";
const OLDER_WORDS = { spaces: "", truths: ["false", "true"], lacking: [] }; // How words are read in files that do not say it.
const MOST_NOTES = 5; // of numbers of one input
const PIECES = "this file's tokenizer needs `Tokenizer` of @huggingface/tokenizers: hand it to `load`, or give tokens";
const OTHER_PIECES = "this `Tokenizer` makes other tokens of texts, or texts of tokens, than the file's own does";
const ERRORS = 3; // of onnxruntime's levels of what it logs
const LARGEST = 2 ** 31 - 1; // bytes of a protobuf message
const PART = 2 ** 26; // bytes that are read at a time
const CUT = "this is no ONNX file, or it is cut short";
const NO_MEMORY = /Failed to allocate memory|AllocateRawInternal|bad[_ ]alloc|Integer overflow|out of memory|shape is too large/;
const FAILED = "failed"; // of a call
const LEAST = [1, 24]; // The lowest onnxruntime that computes every file right: earlier ones fail on texts that grow.
// Providers that have given wrong numbers in silence: a file is verified there before it answers.
const DOUBTED = ["webgpu", "webnn", "webgl"];
const A_DAY = 86_400_000; // milliseconds
// How dates are written that are read, and as what ISO 8601 writes for them.
const WRITTEN = [
  [/^(\d{4})\/(\d{2})\/(\d{2})\b/, "$1-$2-$3"],
  [/^(\d{1,2})\.(\d{1,2})\.(\d{4})\b/, "$3-$2-$1"],
  [/^(\d{4}-\d{1,2}-\d{1,2})[ T](\d:)/, "$1T0$2"],
  [/([T ]\d\d)(\d\d)(?=[Z+-]|$)/, "$1:$2"],
  [/([T ]\d\d)(\d\d)(\d\d)(?=[.,Z+-]|$)/, "$1:$2:$3"],
  [/(:\d\d),(?=\d)/, "$1."],
  [/^(\d{4}-\d{1,2}-\d{1,2})[ T](\d\d)(:\d\d(?::\d\d(?:\.\d+)?)?) ?([ap])\.?m\.?$/i, ofTwelveHours],
];
const MONTHS = /^(?:(jan(?:uary)?)|(feb(?:ruary)?)|(mar(?:ch)?)|(apr(?:il)?)|(may)|(june?)|(july?)|(aug(?:ust)?)|(sept?(?:ember)?)|(oct(?:ober)?)|(nov(?:ember)?)|(dec(?:ember)?))$/i;
// Dates with the name of their month.
const WITH_NAMES = [
  [/^(\d{1,2})[-. ]{1,2}([A-Za-z]{3,9})[-., ]{1,2}(\d{4}|\d\d)\b/, (text, day, name, year) => ofNamedMonth(text, year, name, day)],
  [/^([A-Za-z]{3,9})[. ]{1,2}(\d{1,2}),? (\d{4})\b/, (text, name, day, year) => ofNamedMonth(text, year, name, day)],
  [/^(\d{4})-([A-Za-z]{3,9})-(\d{1,2})\b/, (text, year, name, day) => ofNamedMonth(text, year, name, day)],
];
// Dates in numbers alone, where the data said which of day and month is first.
const ORDERED = {
  day_first: [/^(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d\d)\b/, (_, day, sign, month, year) => `${wholeYear(year)}-${month}-${day}`],
  month_first: [/^(\d{1,2})([/-])(\d{1,2})\2(\d{4}|\d\d)\b/, (_, month, sign, day, year) => `${wholeYear(year)}-${month}-${day}`],
};
const MOMENT = /^(\d{4}-\d{1,2}-\d{1,2})(?:([T ]\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?)(Z|[+-]\d{2}(?::?\d{2})?)?)?$/;
const DATES = {
  day: { what: "a date", example: "2024-03-14, or 14.03.2024" },
  time: { what: "a date with its time", example: "2024-03-14 09:30" },
  utc: { what: "a time in UTC", example: "2024-03-14T09:30Z, or 2024-03-14T11:30+02:00" },
};
const [NEAR, FAR] = [3_653, 18_263]; // Ten and fifty years, in days.
// What numbers in the place of dates may be besides days since 1970-01-01, and their days.
const WAYS = [
  ["a date in digits alone", daysOfDigits],
  ["a year", (number) => (Number.isInteger(number) && number >= 1000 && number <= 9999 ? Date.UTC(number, 0) / A_DAY : NaN)],
  ["days since 1899-12-30, as a spreadsheet counts them", (number) => number - 25_569],
  ["seconds since 1970", (number) => (number * 1e3) / A_DAY],
  ["milliseconds since 1970", (number) => number / A_DAY],
  ["microseconds since 1970", (number) => number / (A_DAY * 1e3)],
  ["nanoseconds since 1970", (number) => number / (A_DAY * 1e6)],
];
const ARRAYS = { float32: Float32Array, int64: BigInt64Array, bool: Uint8Array };

/** What is wrong with a file or with what it is called with. */
export class ModelError extends Error {
  name = "ModelError";
}

/**
 * Open a file: its address (in Node also its path), or its bytes. Where its weights lie in a file beside, that is found by the
 * address, with `.data` behind; of a file in bytes it is handed over as `data`, by its address or its bytes. With the bytes or the
 * address of the `.step.onnx` beside it as `step`, and with `stepData` where that needs it, a text may be streamed, and a sampler
 * tells how far it is. `session` holds
 * onnxruntime's own options. `Tokenizer`, the class of `@huggingface/tokenizers`, reads texts where the tokens are not bytes; without it they are given and returned as numbers.
 * `Template`, the class of `@huggingface/jinja`, makes a prompt of the messages of a conversation. `specialTokens` says whether a text gets those that its tokenizer prescribes; otherwise the file says it.
 * A file whose weights are not those that mai wrote is refused, unless `checkWeights` is false: another program may have quantized it.
 * With `verify` the self-test that travels in the file is run first: by default on WebGPU, WebNN and WebGL alone.
 */
export async function load(ort, source, options) {
  const { step, data, stepData, session, Tokenizer, Template, specialTokens, verify, checkWeights } = options ?? {};
  checkVersion(ort);
  const bytes = await bytesOf(source);
  const metadata = metadataOf(bytes);
  if (!metadata["mai.manifest"]) throw new ModelError("this is not a file that mai compiled");
  const manifest = { labels: {}, words: OLDER_WORDS, least: {}, most: {}, ...JSON.parse(metadata["mai.manifest"]) };
  manifest.special_tokens = specialTokens ?? manifest.special_tokens ?? false;
  const settings = new Set(manifest.settings.map((port) => port.name));
  const tensors = tensorsOf(bytes, "model");
  const places = placesOf(tensors);
  checkSettable(bytes, settings);
  const settable = manifest.required ? bytes : withoutDefaults(bytes, settings);
  const needed = places.length ? await withDataBeside(settable, places, manifest, source, data) : settable;
  if (checkWeights !== false && manifest.checksum != null && manifest.checksum !== checksumOf(tensors))
    throw new ModelError("the weights of this file are not those that mai wrote: it is damaged, or another program has changed it");
  const asked = { logSeverityLevel: ERRORS, ...session };
  const opened = await telling("cannot open this file", () => inTurn(ort, () => ort.InferenceSession.create(needed, asked)));
  const turn = step ? await load(ort, step, { data: stepData, session, Tokenizer, verify, checkWeights }) : null;
  if (turn) checkIsStepOf(manifest, turn.manifest);
  const spec = metadata["mai.spec"] ?? "";
  const model = new Model(ort, opened, manifest, spec, turn, tokenizerOf(manifest, Tokenizer));
  model.Template = Template;
  if (verify ?? isDoubted(session)) await model.verify();
  return model;
}

export class Model {
  constructor(ort, session, manifest, spec, turn, tokenizer) {
    Object.assign(this, { ort, session, manifest, spec, turn, tokenizer });
    this.inputs = byName(manifest.inputs);
    this.settings = byName(manifest.settings);
    this.outputs = byName(manifest.outputs);
    this.taken = Object.assign(Object.create(null), this.inputs, this.settings); // without the names that every object has
  }

  /** Give back the memory that the file takes, and that of its turns. Nothing is computed after that. */
  async release() {
    if (this.isReleased) return;
    this.isReleased = true;
    await Promise.all([inTurn(this.ort, () => this.session.release()), this.turn?.release()]);
  }

  /**
   * Run the file once: its results by name, `{ data, dims }` each, or a text (or several) for a prompt that is one.
   * Where `signal`, an `AbortSignal`, is aborted before the results are there, its reason is thrown. One call of onnxruntime
   * goes on to its end all the same; what ends it is the end of its worker. Where that call lets nothing else happen meanwhile, as in
   * a browser, a signal is heard when it is over.
   */
  async run(values = {}, options) {
    const { signal } = options ?? {};
    checkSignal(signal);
    const computed = await unlessAborted(this._compute(this._feeds(values), signal), signal);
    if (signal) await sinceAborted(signal);
    return this._results(computed, values);
  }

  /**
   * What `run` computes, some turns of its loops at a time, by the file that `mai compile --progress` writes: after `every` of them
   * how many turns are taken, of how many in all, and what the results would be if these were all. The last ones are those of `run`.
   * Whoever leaves the loop ends it: `for await (const { turns, total, results } of model.progress({ seed: 1 })) ...`. So does
   * `signal`, an `AbortSignal`: its reason is thrown. Before each part a page draws and hears its buttons.
   */
  async *progress(values = {}, options) {
    const { every = 1, signal } = options ?? {};
    checkSignal(signal);
    const part = this.turn?.manifest.part;
    if (!part) throw new ModelError(`to see how far it is, ${this._howToLoad()}: \`mai compile --progress\` writes that file`);
    if (!Number.isInteger(every) || every < 1) throw new ModelError(`\`every\` is a number of turns, 1 at least, this is ${every}`);
    const feeds = this._feeds(values);
    this.turn._beginStates(feeds);
    for (let turns = 0, total = 1; turns < total; ) {
      await breathe(signal);
      this.turn._feed(feeds, this.turn.settings[part.before], turns);
      this.turn._feed(feeds, this.turn.settings[part.now], every);
      const results = await this.turn._compute(feeds);
      for (const [before, after] of Object.entries(part.states)) feeds[before] = results[after];
      total = results[part.total].data.reduce((most, count) => Math.max(most, Number(count)), 0);
      turns = Math.min(turns + every, total);
      yield { turns, total, results: this._results(results, values) };
    }
  }

  /** The call that opens the file with that of its turns. */
  _howToLoad() {
    const name = `${this.manifest.name}.${this.manifest.export}`;
    return `write \`load(ort, "${name}.onnx", { step: "${name}.step.onnx" })\``;
  }

  /** What the file makes of its feeds. */
  async _compute(feeds, signal) {
    if (this.isReleased) throw new ModelError("this model was released: `load` opens the file again");
    return await inTurn(this.ort, async () => {
      signal?.throwIfAborted();
      return await telling(FAILED, () => this.session.run(feeds));
    });
  }

  /** The inputs and settings of a call as tensors, by name. */
  _feeds(values) {
    const feeds = {};
    this._checkNames(values);
    for (const port of Object.values(this.taken)) this._feed(feeds, port, values[port.name]);
    this._agree(feeds);
    const { text } = this.manifest;
    if (text && feeds[text.prompt]) this._checkLength(feeds[text.prompt].dims[1], this._count(values));
    return feeds;
  }

  /** Put the states before the first turn of a file of some turns into the feeds: zeros of their sizes, which it does not read. */
  _beginStates(feeds) {
    const { part, inputs, settings } = this.manifest;
    const sizes = {};
    for (const { name, dtype } of settings) if (dtype === "int64" && feeds[name]) sizes[name] = Number(feeds[name].data[0]);
    for (const { name, shape } of inputs.filter((port) => !part.states[port.name]))
      ["batch", ...shape].forEach((size, axis) => (sizes[size] = feeds[name].dims[axis]));
    for (const state of Object.keys(part.states)) {
      const { dtype, shape } = this.inputs[state];
      const dims = ["batch", ...shape].map((size) => (typeof size === "number" ? size : computedSize(size, (name) => sizes[name])));
      feeds[state] = new this.ort.Tensor(dtype, new ARRAYS[dtype](product(dims)), dims);
    }
  }

  /**
   * A text, piece by piece, from a prompt: `for await (const piece of model.stream("Once", { count: 100 }))`. Leaving the loop ends it,
   * and so does `signal`, an `AbortSignal`: its reason is thrown.
   */
  async *stream(prompt, values = {}, options) {
    const { signal } = options ?? {};
    this._checkNames(values);
    checkSignal(signal);
    if (values[this.manifest.text?.prompt] !== undefined)
      throw new ModelError(`the text to go on from is the first value of \`stream\`, and \`${this.manifest.text.prompt}\` is another`);
    if (!this.turn?.manifest.step) throw new ModelError(`to stream a text, ${this._howToLoad()}: \`mai train\` and \`mai compile\` write that file beside one that grows a text`);
    if (isList(prompt) && (isList(prompt[0]) || typeof prompt[0] === "string"))
      throw new ModelError("`stream` takes one text, or the tokens of one; `run` takes several");
    const tokens = this._encoded(prompt, GOES_ON);
    const total = this._count(values);
    this._checkLength(tokens.length, total, this.turn.manifest.text);
    const decoder = typeof prompt === "string" ? new Decoder(this.tokenizer, tokens) : null;
    for await (const token of new Turns(this.turn, values).grow(tokens, total, signal)) {
      const piece = decoder ? decoder.push(token) : token;
      if (piece !== "") yield piece;
    }
    const rest = decoder?.rest();
    if (rest) yield rest;
  }

  /**
   * Begin a conversation with a file that has a chat template: `for await (const piece of model.conversation({ system }).say("hello"))`.
   * `tools` are JSON schemas of functions, `stops` texts that end an answer, `count` its most tokens, `variables` what the template
   * reads besides, `values` settings of the file, by name.
   */
  conversation(options) {
    return new Conversation(this, options ?? {});
  }

  /**
   * Run the self-test that travels in the file: how far each output of each run is from what the file gave when it was written.
   * Throws where one differs by more than the file allows, or than `tolerance`.
   */
  async verify(options) {
    const { tolerance } = options ?? {};
    const test = this.manifest.self_test;
    if (!test)
      throw new ModelError("this file has no self-test, an earlier mai wrote it; `verify: false` runs it unverified");
    const differences = [];
    for (const [run, { recipe, outputs }] of test.runs.entries()) {
      await breathe();
      const results = await this._compute(this._drawn(recipe));
      for (const [output, expected] of Object.entries(outputs)) {
        const real = this.outputs[output].dtype === "float32";
        const allowed = tolerance ?? (real ? test.tolerance : 0);
        differences.push({ run, output, difference: differenceOf(results[output], expected, real), allowed, real });
      }
    }
    const wrong = differences.filter(({ difference, allowed }) => !(difference <= allowed));
    if (wrong.length) throw new ModelError(`this file does not compute here what it did when it was written: ${differencesInWords(wrong)}`);
    return differences;
  }

  /** The inputs and settings of a run of the self-test. */
  _drawn({ seed, reals, sizes, settings }) {
    const feeds = {};
    this.manifest.inputs.forEach((port, place) => {
      const axes = port.batch ? ["batch", ...port.shape] : port.shape;
      const dims = axes.map((size) => (typeof size === "number" ? size : sizes[size]));
      const data = new ARRAYS[port.dtype](product(dims));
      const stream = STREAMS * seed + place + 1;
      for (let i = 0; i < data.length; i++) data[i] = drawn(port, bitsOf(i, stream), reals);
      feeds[port.name] = new this.ort.Tensor(port.dtype, data, dims);
    });
    for (const port of this.manifest.settings) this._feed(feeds, port, settings[port.name]);
    return feeds;
  }

  /** The names that a call may say: those that turns have for themselves help nobody. */
  _names() {
    const { step, part } = this.manifest;
    const { tokens, past, turn, before, now, states = {} } = step ?? part ?? {};
    const own = [tokens, past, turn, before, now, ...Object.keys(states)];
    return Object.keys(this.taken).filter((name) => !own.includes(name));
  }

  _namesInWords() {
    return this._names().join(", ") || "nothing";
  }

  _checkNames(values) {
    if (typeof values !== "object" || !values) throw new ModelError(`values are given by name: { ${this._namesInWords()} }`);
    const unknown = Object.keys(values).find((name) => !this.taken[name]);
    if (!unknown) return;
    const near = nearest(unknown, this._names());
    const help = this._aboutBatch(unknown) ?? (near ? `did you mean \`${near}\`?` : `it takes ${this._namesInWords()}`);
    throw new ModelError(`there is no input or setting \`${unknown}\`; ${help}`);
  }

  /** What says how many examples there are where that is no setting. */
  _aboutBatch(name) {
    const [first] = this.manifest.inputs.filter(({ batch }) => batch);
    return name === "batch" && first ? `the batch is as long as \`${first.name}\`, which has a value for each example` : null;
  }

  /** Inputs of one call have one batch, a single example standing for all, and one size for each name of a dimension. */
  _agree(feeds) {
    const sizes = {};
    const batch = Math.max(...this.manifest.inputs.map(({ name }) => feeds[name].dims[0]));
    for (const { name, shape } of this.manifest.inputs) {
      if (!feeds[name].dims[0]) throw new ModelError(`the batch of \`${name}\` is empty`);
      const isRepeated = feeds[name].dims[0] === 1 && batch > 1;
      if (isRepeated) feeds[name] = this._repeated(feeds[name], batch);
      ["batch", ...shape].forEach((size, axis) => {
        if (!isName(size) || (size === "batch" && isRepeated)) return;
        const [expected, where] = (sizes[size] ??= [feeds[name].dims[axis], name]);
        if (expected === feeds[name].dims[axis]) return;
        const what = size === "batch" ? "the batch" : `\`${size}\``;
        throw new ModelError(`${what} is ${expected} in \`${where}\` and ${feeds[name].dims[axis]} in \`${name}\``);
      });
    }
    this._agreeComputed(feeds, (name) => sizes[name]?.[0]);
    this._checkLeast(feeds, (name) => sizes[name]?.[0]);
  }

  /** What is made of several numbers of a call, `n - m`, is large enough, as far as these numbers are known. */
  _checkLeast(feeds, sizeOf) {
    const numberOf = (name) => sizeOf(name) ?? (this.settings[name]?.dtype === "int64" && feeds[name] ? Number(feeds[name].data[0]) : undefined);
    for (const [text, least] of Object.entries(this.manifest.least)) {
      const size = isName(text) ? NaN : computedSize(text, numberOf);
      if (size < least) throw new ModelError(`\`${text}\` is at least ${least}, here it is ${size}`);
    }
  }

  /** So do sizes that are made of named ones, as far as these are known. */
  _agreeComputed(feeds, sizeOf) {
    for (const { name, shape } of this.manifest.inputs) {
      shape.forEach((text, place) => {
        const wanted = typeof text === "number" || isName(text) ? NaN : computedSize(text, sizeOf);
        const size = feeds[name].dims[place + 1];
        if (Number.isNaN(wanted) || wanted === size) return;
        throw new ModelError(`\`${text}\` is ${wanted} here, and \`${name}\` has ${size}`);
      });
    }
  }

  _repeated({ type, data, dims }, batch) {
    const all = new data.constructor(data.length * batch);
    for (let row = 0; row < batch; row++) all.set(data, row * data.length);
    return new this.ort.Tensor(type, all, [batch, ...dims.slice(1)]);
  }

  /** How many tokens a text grows by. */
  _count(values) {
    const { count, usual } = this.manifest.text;
    return typeof count === "number" ? count : Number(scalar(this.settings[count], values[count] ?? usual));
  }

  _checkLength(tokens, more, { limit } = this.manifest.text) {
    const { count, context } = this.manifest.text;
    const room = limit - tokens + 1;
    const help = typeof count === "string" && room > 0 ? `; ${count}=${room} fits` : "";
    if (limit && room < more) throw new ModelError(`this model reads at most ${limit} tokens: ${tokens} and ${more} more are too many${help}`);
    if (context && tokens + more > context)
      console.warn(`this text may have more than ${context} tokens, and the model was trained on none so long: what it writes there may be worse`);
  }

  /** Put a value into the feeds, a setting's default where it is left out. */
  _feed(feeds, port, value) {
    if (port.kind === "setting") {
      const chosen = this._number(port, value);
      const numbers = ARRAYS[port.dtype].of(scalar(port, chosen ?? port.default));
      feeds[port.name] = new this.ort.Tensor(port.dtype, numbers, []);
      return;
    }
    if (value === undefined || (value === null && this._number(port, null) === null)) throw new ModelError(`the input \`${port.name}\` is missing; it takes ${this._namesInWords()}`);
    feeds[port.name] = this._tensor(port, value);
  }

  _tensor(port, value) {
    let rows = value;
    if (port.name === this.manifest.text?.prompt) rows = this._sideBySide(value);
    else if (typeof value === "string" && port.shape.length && port.dtype === "float32") throw new ModelError(`\`${port.name}\` takes numbers, this is a text`);
    else if (typeof value === "string" && port.shape.length) rows = this._tokenized(value);
    else if (this._areTexts(port, value)) rows = this._rowsOfTexts(port, value);
    if (port.minimum === NOTHING && port.shape.length === 1 && port.kind === "input") rows = padded(rows);
    if (isList(value) && !rows.length && port.shape.length) throw new ModelError(`the batch of \`${port.name}\` is empty`);
    if (!isRegular(rows)) throw new ModelError(`\`${port.name}\` is not a regular array: its rows differ in length`);
    let { data, dims } = rows?.dims ? rows : { data: flat(rows), dims: dimsOf(rows, port) };
    const areSizes = Array.isArray(dims) && dims.every((size) => Number.isInteger(size) && size >= 0);
    if (!isList(data) || !areSizes) throw new ModelError(`\`${port.name}\` is written { data, dims }: numbers in a list, and their sizes`);
    if (product(dims) !== data.length)
      throw new ModelError(`\`${port.name}\` has ${data.length} numbers, and [${dims.join(", ")}] are ${product(dims)}`);
    if (dims.length === port.shape.length) dims = [1, ...dims];
    const fits =
      dims.length === port.shape.length + 1 &&
      port.shape.every((size, axis) => typeof size === "string" || size === dims[axis + 1]);
    if (!fits) {
      throw new ModelError(
        `\`${port.name}\` is [${["batch", ...port.shape].join(", ")}], this is [${dims.join(", ")}]`,
      );
    }
    port.shape.forEach((name, axis) => this._checkSize(port, name, dims[axis + 1]));
    if (port.classes) checkKind(port, data);
    if (areBooleans(data) && port.dtype === "float32" && !dateFormOf(this.manifest, port)) data = data.map(Number);
    const Wanted = ARRAYS[port.dtype];
    const isRight = data instanceof Float32Array && Wanted === Float32Array && !rangeOf(port) && !dateFormOf(this.manifest, port);
    const all = isRight ? data.slice() : Wanted.from(data, (item) => scalar(port, this._number(port, item)));
    const facts = this.manifest.facts?.[port.name];
    const numbers = facts?.absent ? withoutAbsent(facts.absent, all) : all;
    if (facts) {
      checkField(port, facts, numbers);
      notesOfFar(port, facts, numbers, dims[0]).forEach((note) => console.warn(note));
    }
    return new this.ort.Tensor(port.dtype, numbers, dims);
  }

  /** Whether a value is several texts, and no names of labels. */
  _areTexts(port, value) {
    const takesThem = port.dtype === "int64" && port.shape.length === 1 && (this.manifest.tokenizer || !labelsOf(this.manifest, port).length);
    return takesThem && Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string");
  }

  /** Several texts as rows of tokens, which have one length where the port takes no places without a token. */
  _rowsOfTexts(port, texts) {
    const rows = texts.map((text) => this._tokenized(text));
    const lengths = rows.map((row) => row.length);
    const [least, most] = [Math.min(...lengths), Math.max(...lengths)];
    if (port.minimum !== NOTHING && least < most)
      throw new ModelError(`\`${port.name}\` takes texts of one length, these have ${least} to ${most} tokens: give them one at a time`);
    return rows;
  }

  /** A value, or for the name of a label, and for true and false where labels are called so or have no names, its number; for a date its days;
   *  for null, where the file has an answer for what is missing, what stands for it. */
  _number(port, value) {
    const isMissing = value === null || (port.classes && Number.isNaN(value) && spareLabel(this.manifest, port) !== null);
    if (isMissing && port.kind === "input") return this._missing(port);
    const form = dateFormOf(this.manifest, port);
    if (form) return this._days(port, form, value);
    if (!port.classes || !["string", "boolean"].includes(typeof value)) return value;
    if (typeof value === "string") return this._label(port, value);
    const names = calledBy(this.manifest, port);
    return areTruths(this.manifest, names) ? placeOfWord(this.manifest, names, String(value)) : value;
  }

  /** What an input has where there is no value; null for one that is no field of the data. */
  _missing(port) {
    const value = port.classes ? spareLabel(this.manifest, port) : port.gaps ? NaN : null;
    if (value === null && (this.manifest.facts?.[port.name] || (port.classes && port.gaps === false))) throw lacks(port, "null");
    return value;
  }

  /** The days of a date; a number in its place is a day since 1970-01-01, near those of the data. */
  _days(port, form, value) {
    const { low, high, order } = this.manifest.facts[port.name];
    const [first, last] = [Math.min(...low), Math.max(...high)];
    if (typeof value === "string" || value instanceof Date) {
      const days = daysOf(port, form, order, value);
      if (Math.max(first - days, days - last) > last - first + FAR)
        console.warn(`\`${port.name}\`: far from the dates of the data, ${written(first, "day")} to ${written(last, "day")}: \`${value}\``);
      return days;
    }
    const isNumber = typeof value === "bigint" || Number.isFinite(value);
    const refusal = isNumber && refusalOf(port.name, form, first, last, Number(value));
    if (refusal) throw new ModelError(refusal);
    return value;
  }

  /** A named size is within its limits, at least 1 where none is stated; before the first turn of a text no token is read. */
  _checkSize(port, name, size) {
    if (!isName(name)) return;
    const { step, least: smallest, most: largest } = this.manifest;
    const [least, most] = [smallest[name] ?? (name === step?.past_size ? 0 : 1), largest[name] ?? Infinity];
    if (size < least) throw new ModelError(`\`${name}\` is at least ${least}, \`${port.name}\` has ${size}`);
    if (size > most) throw new ModelError(`\`${name}\` is at most ${most}, \`${port.name}\` has ${size}`);
  }

  /** The number of a label by its name, or of that for what is not known. */
  _label(port, name) {
    const place = placeOfWord(this.manifest, calledBy(this.manifest, port), name);
    if (place >= 0) return place;
    const names = labelsOf(this.manifest, port);
    const word = trimmed(name, this.manifest.words.spaces);
    const spare = spareLabel(this.manifest, port);
    const whatThereIs = names.length
      ? `has no label \`${word}\`: there are ${names.join(", ")}`
      : `takes numbers: this file has no names of its labels${asNumber(name)}`;
    if (spare === null) throw new ModelError(`\`${port.name}\` ${whatThereIs}`);
    if (!this.manifest.words.lacking.includes(word.toLowerCase())) console.warn(`\`${port.name}\`: \`${word}\`, which training never saw, has the label for what is not known`);
    return spare;
  }

  /** The special tokens before a text, its own, and those after it; one that goes on has none after it, nor any twice. */
  _parts(text, goesOn) {
    const own = this.tokenizer.encode(text);
    if (!this.manifest.special_tokens) return [[], own, []];
    const [before, after] = this.tokenizer.specialTokens(text);
    if (!goesOn) return [before, own, after];
    return [before.every((token, k) => token === own[k]) ? [] : before, own, []];
  }

  _tokenized(text, goesOn = false) {
    if (!this.tokenizer) throw new ModelError(this.manifest.tokenizer ? PIECES : "this is a text, but the file has no tokenizer");
    if (/\p{Surrogate}/u.test(text)) throw new ModelError("this is no text: half of a character, a lone surrogate, is in it");
    return this._parts(text, goesOn).flat();
  }

  /** The tokens of a prompt, a text or one that is given as them. */
  _encoded(prompt, goesOn = false) {
    if (typeof prompt !== "string" && !isList(prompt)) throw new ModelError("a text is a string, or a list of tokens");
    const tokens = typeof prompt === "string" ? this._tokenized(prompt, goesOn) : this._tokens(prompt);
    if (!tokens.some((token) => token !== NOTHING))
      throw new ModelError("there is no token: the text to go on from needs at least one");
    return tokens;
  }

  /** The tokens of a prompt that is given as them: before the first there may be -1, none. */
  _tokens(prompt) {
    const name = this.manifest.text.prompt;
    const tokens = Array.from(prompt, (token) => Number(scalar(this.taken[name], token)));
    const first = tokens.findIndex((token) => token !== NOTHING);
    if (first >= 0 && tokens.includes(NOTHING, first))
      throw new ModelError(`-1 stands before the tokens of \`${name}\`, not between or after them; ${PROMPT_ROWS}`);
    return tokens;
  }

  /** A prompt has as many tokens as the model needs; a place of none, -1, does not count. Of prompts that are all too short the size is told. */
  _checkShortest(row, longest) {
    const port = this.taken[this.manifest.text.prompt];
    const [size, count] = [port.shape[0], row.filter((token) => token !== NOTHING).length];
    const least = this.manifest.least[size] ?? 1;
    if (count < least && longest >= least)
      throw new ModelError(`\`${size}\` is at least ${least}, a row of \`${port.name}\` has ${count} token${count === 1 ? "" : "s"}`);
  }

  /** Prompts as rows of one length: shorter ones begin with nothing. */
  _sideBySide(prompts) {
    const one = typeof prompts === "string" || (!isList(prompts?.[0]) && typeof prompts?.[0] !== "string");
    const rows = (one ? [prompts] : prompts).map((prompt) => this._encoded(prompt, GOES_ON));
    if (!one && new Set(prompts.map((prompt) => typeof prompt)).size > 1)
      throw new ModelError(`\`${this.manifest.text.prompt}\` mixes texts and numbers`);
    const longest = Math.max(...rows.map((row) => row.length));
    rows.forEach((row) => this._checkShortest(row, longest));
    return rows.map((row) => [...Array(longest - row.length).fill(NOTHING), ...row]);
  }

  _zeros(port, sizes) {
    const dims = [1, ...port.shape.map((size) => sizes[size] ?? size)];
    return new this.ort.Tensor(port.dtype, new ARRAYS[port.dtype](product(dims)), dims);
  }

  _results(computed, values) {
    const { evaluations, turns, text } = this.manifest;
    const results = {};
    for (const { name } of this.manifest.outputs) {
      const { data, dims } = computed[name];
      results[name] = { data: data instanceof BigInt64Array ? Array.from(data, numberOf) : data, dims };
    }
    if (evaluations) {
      const failed = results[evaluations].data.filter((count) => count < 0).length;
      if (failed)
        throw new ModelError(
          `an adaptive solver did not arrive for ${failed} of ${results[evaluations].data.length} examples`,
        );
      delete results[evaluations];
    }
    if (turns) delete results[turns];
    const out = this.manifest.outputs[0];
    const first = out?.name;
    const read = this.manifest.inputs.find(
      ({ name, classes, shape }) => classes && classes === out?.classes && shape.length === 1 && out.shape.length === 1 && values[name],
    );
    const prompt = text ? values[text.prompt] : read && values[read.name];
    if (typeof prompt === "string" || typeof prompt?.[0] === "string") {
      const prompts = [prompt].flat();
      const texts = rowsOf(results[first]).map((row, k) => {
        const added = text ? this._parts(prompts[k % prompts.length], GOES_ON)[0] : [];
        return this.tokenizer.decode(row.filter((token) => token !== NOTHING).slice(added.length));
      });
      results[first] = typeof prompt === "string" && texts.length === 1 ? texts[0] : texts;
    }
    return results;
  }
}

// ------------------------------------------------------------------ turns

/** The turns of one text, by the file of one turn. */
class Turns {
  constructor(turn, values) {
    const { step, settings, inputs } = turn.manifest;
    Object.assign(this, { turn, step, past: 0, feeds: {}, read: [], afterPrompt: [0, {}] });
    for (const port of settings) {
      if (port.name !== step.past && port.name !== step.turn) turn._feed(this.feeds, port, values[port.name]);
    }
    const sizes = { [step.past_size]: 0 };
    for (const port of inputs) {
      if (port.name === step.tokens || step.states[port.name]) continue;
      turn._feed(this.feeds, port, values[port.name]);
      const [batch] = this.feeds[port.name].dims;
      if (batch !== 1) throw new ModelError(`a text is one row, \`${port.name}\` has a batch of ${batch}`);
      port.shape.forEach((size, axis) => (sizes[size] = this.feeds[port.name].dims[axis + 1]));
    }
    this.states = Object.keys(step.states);
    for (const state of this.states) this.feeds[state] = turn._zeros(turn.inputs[state], sizes);
  }

  /** Read tokens, and choose the one after them. */
  async take(tokens, turn) {
    const { step, feeds } = this;
    feeds[step.tokens] = new this.turn.ort.Tensor("int64", BigInt64Array.from(tokens, BigInt), [1, tokens.length]);
    this.turn._feed(feeds, this.turn.settings[step.past], this.past);
    if (step.turn) this.turn._feed(feeds, this.turn.settings[step.turn], turn);
    const results = await this.turn._compute(feeds);
    for (const [before, after] of Object.entries(step.states)) feeds[before] = results[after];
    this.past += tokens.length;
    this.read.push(...tokens);
    return Number(results.next.data[0]);
  }

  /** The tokens that go on from those of a prompt: at most `total`, and none after the text has ended. */
  async *grow(prompt, total, signal) {
    const { step, feeds } = this;
    let tokens = prompt;
    while (total && step.block && tokens.length > step.block) {
      // A long prompt is read in blocks; what is chosen after one is thrown away, and ends nothing.
      const ended = step.ended && feeds[step.ended];
      await breathe(signal);
      await this.take(tokens.slice(0, step.block), 0);
      if (ended) feeds[step.ended] = ended;
      tokens = tokens.slice(step.block);
    }
    for (let turn = 0; turn < total; turn++) {
      await breathe(signal);
      tokens = [await this.take(tokens, turn)];
      if (!turn && !this.states.every((name) => this._isCut(name))) this.afterPrompt = [this.past, this._kept()];
      if (tokens[0] < 0) return;
      yield tokens[0];
    }
  }

  /** Begin with what other turns computed of the tokens that a prompt has in common with theirs; what is left of it to read. */
  takeOver(before, prompt) {
    const most = Math.min(before.read.length, prompt.length - 1);
    const firstOther = before.read.findIndex((token, at) => at >= most || token !== prompt[at]);
    const [length, states] = before._within(firstOther < 0 ? most : firstOther);
    Object.assign(this.feeds, states);
    Object.assign(this, { past: length, read: prompt.slice(0, length) });
    return prompt.slice(length);
  }

  _kept() {
    return Object.fromEntries(this.states.map((name) => [name, this.feeds[name]]));
  }

  /** The states after the first tokens, or after fewer where these cannot be had, and after how many. */
  _within(wanted) {
    let [length, states] = [wanted, this._kept()];
    if (wanted < this.past && !this.states.every((name) => this._isCut(name)))
      [length, states] = wanted >= this.afterPrompt[0] ? this.afterPrompt : [0, {}];
    if (!length) return [0, {}];
    return [length, Object.fromEntries(Object.entries(states).map(([name, state]) => [name, this._cut(name, state, length)]))];
  }

  _axis(name) {
    return this.turn.inputs[name].shape.indexOf(this.step.past_size);
  }

  /** Whether a state is had after fewer tokens, too. */
  _isCut(name) {
    const { ended, settled = [], fixed = [] } = this.step;
    return [ended, ...settled, ...fixed].includes(name) || this._axis(name) >= 0;
  }

  _cut(name, state, length) {
    const { Tensor } = this.turn.ort;
    const { type, data, dims } = state;
    if (name === this.step.ended) return new Tensor(type, new data.constructor(data.length), dims);
    const axis = this._axis(name) + 1;
    if (!axis || dims[axis] === length) return state;
    const inner = product(dims.slice(axis + 1));
    const [whole, part] = [dims[axis] * inner, length * inner];
    const kept = new data.constructor((data.length / whole) * part);
    for (let row = 0; row * whole < data.length; row++) kept.set(data.subarray(row * whole, row * whole + part), row * part);
    return new Tensor(type, kept, dims.with(axis, length));
  }
}

// ------------------------------------------------------------------ conversations

const ALWAYS_READ = ["user", "assistant"]; // roles that every template knows

/** Messages and answers, one after the other; what earlier ones were computed to is kept. */
class Conversation {
  constructor(model, { system, tools, stops = [], count, variables = {}, values = {} }) {
    const { chat, text } = model.manifest;
    if (!chat || !text) throw new ModelError("this file has no chat template");
    if (!model.Template) throw new ModelError("chat templates need `Template` of @huggingface/jinja: hand it to `load`");
    if (!model.tokenizer) throw new ModelError(PIECES);
    if (!model.turn) throw new ModelError(`to talk, ${model._howToLoad()}`);
    model._checkNames(values);
    checkVariables(chat, variables);
    Object.assign(this, { model, tools, stops, count, variables, values, chat, turns: null });
    this.system = system === undefined ? [] : [{ role: "system", content: system }];
    this.reset();
  }

  /** Forget all messages but the system's, and draw the next answer with the first seed. */
  reset() {
    this.messages = [...this.system];
    this.answers = 0;
  }

  /** The answer to a message, in pieces. Both join `messages`; of an answer that is left early, what there was of it, or neither. */
  async *say(content, options) {
    this.messages.push({ role: "user", content });
    let answer = "";
    let whole = false;
    try {
      for await (const piece of this.answer(options)) yield ((answer += piece), piece);
      whole = true;
    } finally {
      if (whole || answer) this.messages.push({ role: "assistant", content: answer });
      else this.messages.pop(); // Nothing was said: neither does the message count.
    }
  }

  /** The prompt that the messages make; refused where the template leaves out tools, or a message, as one of a role that it does not know. */
  prompt() {
    const { messages, tools } = this;
    const text = this._rendered(messages, tools);
    if (tools?.length && this._rendered(messages, null) === text)
      throw new ModelError("the chat template reads no tools: the model would not know of them");
    const lost = this._leftOut();
    if (lost >= 0) throw new ModelError(`the chat template leaves out message ${lost + 1}, of the role \`${messages[lost].role}\``);
    return text;
  }

  /** The place of the first message that the template leaves out; -1 where none is known to be. In the place of what messages of other roles
   *  than the two of every template say stand marks, which are sought in what comes. */
  _leftOut() {
    const isSure = ({ role, content }) => ALWAYS_READ.includes(role) || typeof content !== "string";
    const markOf = (at) => `48151623${String(at).padStart(4, "0")}`;
    const marked = this.messages.map((each, at) => (isSure(each) ? each : { ...each, content: markOf(at) }));
    if (marked.every(isSure)) return -1;
    try {
      const text = this._rendered(marked, this.tools);
      return marked.findIndex((each, at) => !isSure(each) && !text.includes(markOf(at)));
    } catch {
      return -1; // It reads what a message says, and refuses another text.
    }
  }

  /** What the template makes of messages. */
  _rendered(messages, tools) {
    const { templates, words } = this.chat;
    const source = (this.tools && templates.tool_use) || templates.default;
    try {
      const names = { ...words, add_generation_prompt: true, ...this.variables, messages, tools: tools ?? null };
      return new this.model.Template(source).render(names);
    } catch (error) {
      throw new ModelError(`the chat template says: ${error.message}`);
    }
  }

  /** The answer to the messages as they stand, in pieces. */
  async *answer(options) {
    const { signal } = options ?? {};
    checkSignal(signal);
    const { model } = this;
    const prompt = model.tokenizer.encode(this.prompt());
    const { text, settings } = model.manifest;
    const { limit } = model.turn.manifest.text; // of what turns read: a step file may have places for fewer tokens
    const seed = settings.find(({ name }) => name === "seed");
    const own = seed ? { seed: Number(this.values.seed ?? seed.default) + this.answers++ } : {};
    const values = { ...this.values, ...own };
    const wanted = this.count ?? text.usual;
    const room = limit ? Math.min(wanted, limit - prompt.length + 1) : wanted;
    if (room < 1) throw new ModelError(`these messages have ${prompt.length} tokens, and this model reads at most ${limit}`);
    model._checkLength(prompt.length, room, { limit });
    const ends = (text.ends ?? []).map((end) => (typeof end === "number" ? end : Number(values[end] ?? model.settings[end].default)));
    const turns = new Turns(model.turn, { ...values, [text.count]: room });
    const rest = this.turns ? turns.takeOver(this.turns, prompt) : prompt;
    this.turns = turns;
    yield* beforeStops(this._pieces(turns.grow(rest, room, signal), [...ends, ...this._endsAmongStops()]), this.stops);
  }

  /** The tokens that end an answer because a stop is their text: special ones, of which its text shows nothing. */
  _endsAmongStops() {
    const { tokenizer } = this.model;
    const rows = this.stops.map((stop) => [...tokenizer.encode(stop)].map(Number));
    return rows.filter((row) => row.length === 1 && tokenizer.isSpecial(row[0])).flat();
  }

  /** The text of tokens up to one that ends it, special ones left out. */
  async *_pieces(tokens, ends) {
    const decoder = new Decoder(this.model.tokenizer, []);
    for await (const token of tokens) {
      if (ends.includes(token)) break;
      const piece = this.model.tokenizer.isSpecial(token) ? "" : decoder.push(token);
      if (piece) yield piece;
    }
    const rest = decoder.rest();
    if (rest) yield rest;
  }
}

/** A variable that no template of a file names would change nothing, without a word. */
function checkVariables({ templates }, variables) {
  const words = new Set(Object.values(templates).join("\n").match(/[\p{L}_][\p{L}\p{N}_]*/gu));
  for (const name of Object.keys(variables)) {
    if (["messages", "tools"].includes(name)) throw new ModelError(`\`${name}\` of a chat template is what a conversation has itself`);
    if (!words.has(name)) throw new ModelError(`the chat template reads no variable \`${name}\``);
  }
}

/** Pieces of a text up to the first of some texts; what may become the beginning of one waits until that is known. */
async function* beforeStops(pieces, stops) {
  let waiting = "";
  for await (const piece of pieces) {
    waiting += piece;
    const places = stops.map((stop) => waiting.indexOf(stop)).filter((place) => place >= 0);
    if (places.length) {
      const first = waiting.slice(0, Math.min(...places));
      if (first) yield first;
      return;
    }
    const overlap = (stop) => Array.from(stop, (_, k) => stop.slice(0, k)).findLast((part) => waiting.endsWith(part)).length;
    const free = waiting.slice(0, waiting.length - Math.max(0, ...stops.map(overlap)));
    if (free) yield free;
    waiting = waiting.slice(free.length);
  }
  if (waiting) yield waiting;
}

// ------------------------------------------------------------------ values

/** Results [batch, ...] as an array of rows. */
export function rowsOf({ data, dims }) {
  const size = product(dims.slice(1));
  return Array.from({ length: dims[0] }, (_, row) => data.slice(row * size, (row + 1) * size));
}

/** The names of the labels that a port takes or gives, by their numbers; older files name those of the port's own field. */
export function labelsOf({ labels }, port) {
  const { name, field = name } = described(port);
  return field === null ? [] : (labels[field] ?? []);
}

/** The description of an input, a setting or an output, and nothing that is none. */
function described(port) {
  if (typeof port?.name === "string") return port;
  throw new ModelError(`the description of an input, a setting or an output is needed, as \`model.inputs.town\`; this is ${JSON.stringify(port)}`);
}

/** The label after those with names, for what is missing or not known; null where a file has none, which older ones do not say. */
export function spareLabel(manifest, port) {
  const { length } = labelsOf(manifest, port);
  return length && (port.gaps ?? port.classes === length + 1) ? length : null;
}

/** The names by which words call the labels of a port: two without names are truth values. */
function calledBy(manifest, port) {
  const names = labelsOf(manifest, port);
  return names.length || port.classes !== manifest.words.truths.length ? names : manifest.words.truths;
}

/** Whether names are those of truth values, in any letters. */
function areTruths({ words: { truths } }, names) {
  const small = names.map((name) => name.toLowerCase());
  return names.length === truths.length && truths.every((truth) => small.includes(truth));
}

/** The place among names of the one that a word is, as a cell of a table is read; -1 where it is none. */
function placeOfWord(manifest, names, name) {
  if (names.includes(name)) return names.indexOf(name);
  const word = trimmed(name, manifest.words.spaces);
  const same = areTruths(manifest, names) ? (each) => each.toLowerCase() : (each) => each.normalize("NFC");
  return names.includes(word) ? names.indexOf(word) : names.findIndex((each) => same(each) === same(word));
}

/** A word without the characters at its ends that are among some. */
function trimmed(word, spaces) {
  let [from, to] = [0, word.length];
  while (from < to && spaces.includes(word[from])) from++;
  while (to > from && spaces.includes(word[to - 1])) to--;
  return word.slice(from, to);
}

/** How an input's numbers are written as dates, "day", "time" or "utc", where all of them were dates in the data; null where they are numbers. */
export function dateFormOf({ facts }, port) {
  const { name, kind } = described(port);
  const forms = (kind === "input" && facts?.[name]?.dates) || [];
  return forms.length && forms.every(Boolean) ? ["utc", "time", "day"].find((form) => forms.includes(form)) : null;
}

/** A date, as text or as a `Date`, which is in UTC, as days since 1970-01-01; `order` says whether day or month is first in numbers. */
function daysOf(port, form, order, value) {
  const [iso, offset] = value instanceof Date ? [isoOf(value), form === "utc" ? "Z" : undefined] : isoParts(value, order);
  const { what, example } = DATES[form];
  const milliseconds = iso && millisecondsOf(iso);
  if (!Number.isFinite(milliseconds)) throw new ModelError(`\`${port.name}\` is ${what}, this is \`${value}\`: write it as ${example}`);
  const minutes = offset ? minutesOf(offset) : 0;
  const wrong = form === "utc" ? !offset && "times here have an offset from UTC, as in the data, and this has none" : offset && "times here have no offset from UTC, as in the data, and this has one";
  if (wrong) throw new ModelError(`\`${port.name}\`: ${wrong}: \`${value}\`; write it as ${example}`);
  return (milliseconds - minutes * 60_000) / A_DAY;
}

/**
 * Why a number is no day since 1970-01-01: it lies further from the dates of the data than these from each other and fifty years; or ten years
 * from them, where it is one of their time if it is read in another way. Undefined where it may be one.
 */
function refusalOf(name, form, first, last, number) {
  const off = Math.max(first - number, number - last);
  const isNear = ([, days]) => first - NEAR <= days && days <= last + NEAR;
  const [way, days] = (off > NEAR && WAYS.map(([words, read]) => [words, read(number)]).find(isNear)) || [];
  if (!way && off <= last - first + FAR) return;
  const { what, example } = DATES[form];
  const [looks, help] = way ? [`looks like ${way}`, written(days, form)] : ["is far from these", example];
  const range = `\`${name}\` is ${what}, ${written(first, "day")} to ${written(last, "day")} in the data`;
  return `${range}; numbers are days since 1970-01-01, and ${number} ${looks}: write it as ${help}`;
}

/** The days of a date whose digits stand one behind the other, as 20240314 or 202403140930; NaN for other numbers. */
function daysOfDigits(number) {
  const [, day, time] = String(number).match(/^(\d{8})(\d{4}(?:\d{2})?)?$/) ?? [];
  if (!day) return NaN;
  const hour = time ? `T${time.match(/\d\d/g).join(":")}` : "";
  return millisecondsOf(day.replace(/^(....)(..)/, "$1-$2-") + hour) / A_DAY;
}

/** Days since 1970-01-01 as a date, of times to the minute. */
function written(days, form) {
  const minutes = form === "day" ? Math.floor(days) * 1440 : Math.floor(days * 1440 + 0.5);
  const iso = new Date(minutes * 60_000).toISOString();
  return form === "day" ? iso.slice(0, 10) : iso.slice(0, 16).replace("T", " ") + (form === "utc" ? "Z" : "");
}

const isoOf = (date) => (Number.isNaN(date.getTime()) ? undefined : date.toISOString().slice(0, -1));

/** A text in one of the forms that tables have dates in, as that of ISO 8601, and its offset; nothing for a text that is none. */
function isoParts(text, order) {
  const forms = [...WITH_NAMES, ...(order ? [ORDERED[order]] : []), ...WRITTEN];
  const iso = forms.reduce((changed, [form, instead]) => changed.replace(form, instead), text.trim());
  const [, day, time = "", offset] = iso.match(MOMENT) ?? [];
  return [day && day + time, offset];
}

/** A date with the English name of its month, whole or of three letters; as it is written where that is none. */
function ofNamedMonth(text, year, name, day) {
  const month = name.match(MONTHS)?.findIndex((part, index) => index && part);
  return month ? `${wholeYear(year)}-${month}-${day}` : text;
}

/** Years of two digits are 1969 to 2068, as in POSIX. */
function wholeYear(year) {
  return year.length === 4 ? year : (year >= "69" ? "19" : "20") + year;
}

/** A moment by a clock of twelve hours; as it is written where that has no such hour. */
function ofTwelveHours(text, day, hour, rest, half) {
  const isLate = half.toLowerCase() === "p";
  if (hour > 12 || (isLate && hour === "00")) return text;
  return `${day}T${String((hour % 12) + (isLate ? 12 : 0)).padStart(2, "0")}${rest}`;
}

/** The milliseconds since 1970 of a moment in the form of ISO 8601; NaN for one that no calendar has, the 30th of February. */
function millisecondsOf(iso) {
  const [year, month, day, hour = 0, minute = 0, second = 0] = iso.split(/[-T :]/).map(Number);
  const is = new Date(0);
  const midnight = is.setUTCFullYear(year, month - 1, day); // `Date.UTC` takes the year 1 for 1901.
  const isThere = is.getUTCFullYear() === year && is.getUTCMonth() === month - 1 && is.getUTCDate() === day;
  return isThere && hour < 24 && minute < 60 && second < 60 ? midnight + 1000 * (60 * (60 * hour + minute) + second) : NaN;
}

function minutesOf(offset) {
  if (offset === "Z") return 0;
  const [hours, minutes = 0] = offset.slice(1).match(/\d\d/g).map(Number);
  return (offset[0] === "-" ? -1 : 1) * (60 * hours + minutes);
}

/** A size that is made of named ones, `2 * P + 1` or `(P) // 2`; NaN where one of them is not known. */
export function computedSize(text, sizeOf) {
  const words = text.match(/[\p{L}\p{N}_]+|\/\/|[-+*()]/gu);
  let at = 0;
  const atom = () => {
    const word = words[at++];
    if (word === "-") return -atom();
    if (word !== "(") return /^\d/.test(word) ? Number(word) : (sizeOf(word) ?? NaN);
    const value = sum();
    at++;
    return value;
  };
  const term = () => {
    let value = atom();
    while (words[at] === "*" || words[at] === "//") value = words[at++] === "*" ? value * atom() : Math.floor(value / atom());
    return value;
  };
  const sum = () => {
    let value = term();
    while (words[at] === "+" || words[at] === "-") value += words[at++] === "+" ? term() : -term();
    return value;
  };
  return sum();
}

export const product = (sizes) => sizes.reduce((total, size) => total * size, 1);

export const byName = (ports) => Object.fromEntries(ports.map((port) => [port.name, port]));

/** What to do with a text that is a number, as fields of forms hold it. */
function asNumber(value) {
  const isNumeral = typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value));
  return isNumeral ? `; a field of a form holds a text: give Number(${JSON.stringify(value)})` : "";
}

/** Whether all are true or false, which are 1 and 0 of an input of real numbers, as in training. */
function areBooleans(data) {
  return Array.isArray(data) && typeof data[0] === "boolean" && data.every((each) => typeof each === "boolean");
}

/** A number as the port's dtype has it. */
function scalar(port, value) {
  const { name, kind, minimum, maximum } = port;
  if (kind === "setting" && Number.isFinite(port.default ?? 0) && typeof value === "number" && !Number.isFinite(value))
    throw new ModelError(`\`${name}\` is a finite number, this is ${value}`);
  if (port.dtype === "bool") return truth(name, value);
  if (!["number", "bigint"].includes(typeof value))
    throw new ModelError(`\`${name}\` is a number, this is ${JSON.stringify(value)}${asNumber(value)}`);
  if (Number(value) < (minimum ?? -Infinity) || Number(value) > (maximum ?? Infinity))
    throw new ModelError(`\`${name}\` is ${rangeOf(port)}, this holds ${value}`);
  return port.dtype === "int64" ? whole(name, value) : real(name, value);
}

/** Labels are all named, or all numbers, where there are any. */
function checkKind({ name }, labels) {
  const there = ArrayBuffer.isView(labels) ? [] : labels.filter((label) => label !== null && !Number.isNaN(label));
  const [word, number] = [true, false].map((isWord) => there.find((label) => (typeof label === "string") === isWord));
  if (word !== undefined && number !== undefined)
    throw new ModelError(`\`${name}\` mixes names and numbers: \`${word}\` and \`${number}\``);
}

/** NaN in the place of numbers that said in the data's tables that there is no value, as -999. */
function withoutAbsent(absent, numbers) {
  const codes = new Set(absent.filter((each) => each.trim()).map((each) => Math.fround(Number(each))));
  return numbers.map((number) => (codes.has(number) ? NaN : number));
}

/** Numbers of an input that was a field of the data are finite, as there, and not missing where nothing stands for that. */
function checkField({ name, gaps }, facts, numbers) {
  if (gaps === false && !facts.gaps && numbers.some(Number.isNaN)) throw lacks({ name }, "NaN");
  const infinite = numbers.find((number) => Math.abs(number) === Infinity);
  if (infinite !== undefined) throw new ModelError(`\`${name}\` is a finite number, as in the data, this holds ${infinite}`);
}

/** What is wrong with an input that has no value, where nothing stands for that. */
function lacks({ name, classes }, what) {
  const help = classes ? "" : `: train with \`missing = keep\` and \`fill(${name})\``;
  return new ModelError(`\`${name}\` is missing (${what}), and this file has nothing for that${help}`);
}

/** What is said of numbers of an input that lie far outside of those of the data, by the bounds that the file has for that, or are shares of 1 in the place of per cent. */
function notesOfFar(port, facts, numbers, rows) {
  const columns = columnsOf(port, facts, numbers.length / rows);
  columns.forEach((column, place) => lookAt(column, numbers, rows, columns.length > 1 ? place : undefined));
  const notes = [...columns.filter(({ rows }) => rows).map(noteOfFar), ...columns.filter(mayBeShares).map(noteOfShares)];
  const more = notes.length - MOST_NOTES;
  return [...notes.slice(0, MOST_NOTES), ...(more > 0 ? [`\`${port.name}\`: so are ${more.toLocaleString("en")} more of its numbers`] : [])];
}

/** What the columns of an input were in the data: as many as it has numbers where each has its own range, else one for all. */
function columnsOf({ name }, { low, high, middle, near = [], columns, percents }, width) {
  const of = (place) => ({ middle: middle?.[place], cell: percents?.[place] });
  if (low.length === width && width > 1)
    return low.map((least, i) => ({ column: columns?.[i] ?? `${name}${i}`, least, most: high[i], range: near[i], ...of(i) }));
  const ends = near.flatMap((range) => range ?? []);
  const range = ends.length ? [Math.min(...ends), Math.max(...ends)] : null;
  return [{ column: name, least: Math.min(...low), most: Math.max(...high), range, ...of(0) }];
}

/** Put into a column how many rows lie far outside, the first number of these, and the size of its largest; of an input's own columns `place` says which it is. */
function lookAt(column, numbers, rows, place) {
  const width = numbers.length / rows;
  Object.assign(column, { rows: 0, size: 0 });
  for (let at = place ?? 0, row; at < numbers.length; at += place === undefined ? 1 : width) {
    const size = Math.abs(numbers[at]);
    if (size > column.size) column.size = size;
    if (!column.range || !(numbers[at] < column.range[0] || numbers[at] > column.range[1])) continue;
    column.first ??= numbers[at];
    if (row !== Math.floor(at / width)) column.rows++;
    row = Math.floor(at / width);
  }
}

/** Whether a column was per cent in training, as 52 %, and is no more than 1 here: such numbers may be shares, as 0.52. */
const mayBeShares = ({ cell, middle, size }) => Boolean(cell?.includes("%")) && Math.abs(middle) > 1 && size > 0 && size <= 1;

function noteOfShares({ column, cell, size }) {
  return `\`${column}\`: training had per cent, as \`${cell}\`: ${inSixDigits(size)} is ${inSixDigits(size)} %, and not a share of 1`;
}

function noteOfFar({ column, rows, least, most, first }) {
  const many = rows === 1 ? "1 row is" : `${rows.toLocaleString("en")} rows are`;
  return `\`${column}\`: ${many} far outside of what training had, ${inSixDigits(least)} to ${inSixDigits(most)}: ${inSixDigits(first)} for one`;
}

/** A number in six digits at most. */
function inSixDigits(number) {
  const [digits, exponent] = number.toExponential(5).split("e").map(Number);
  if (exponent >= -4 && exponent < 6) return String(Number(number.toPrecision(6)));
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** A truth value as a byte. */
function truth(name, value) {
  if (typeof value !== "boolean" && value !== 0 && value !== 1)
    throw new ModelError(`\`${name}\` is true or false, this is ${typeof value === "bigint" ? value : JSON.stringify(value)}`);
  return Number(value);
}

/** A whole number of 64 bits; a `Number` beyond 2^53 may stand for another one. */
function whole(name, value) {
  const help = Number.isInteger(value) ? `; beyond 2^53 it is a BigInt: ${BigInt(value)}n` : "";
  if (typeof value !== "bigint" && !Number.isSafeInteger(value))
    throw new ModelError(`\`${name}\` is a whole number, this holds ${value}${help}`);
  if (BigInt.asIntN(64, BigInt(value)) !== BigInt(value))
    throw new ModelError(`\`${name}\` is a whole number of 64 bits, this holds ${value}`);
  return BigInt(value);
}

/** A whole number of a result: beyond 2^53 it stays a BigInt, as a `Number` would be another one. */
function numberOf(whole) {
  const number = Number(whole);
  return Number.isSafeInteger(number) ? number : whole;
}

/** A real number of 32 bits, which may lose precision, but not become infinite. */
function real(name, value) {
  const number = Number(value);
  if (Number.isFinite(number) && !Number.isFinite(Math.fround(number)))
    throw new ModelError(`\`${name}\` is a real number (float32), this holds ${value}`);
  return number;
}

/** The range of a port in words; empty where there is none. */
function rangeOf({ minimum, maximum }) {
  const [low, high] = [minimum ?? null, maximum ?? null];
  if (low !== null && high !== null) return `from ${low} to ${high}`;
  if (low !== null) return `at least ${low}`;
  return high === null ? "" : `at most ${high}`;
}

/** Whether a size of a shape is a name, and no number nor made of names. */
const isName = (size) => typeof size === "string" && /^[\p{L}\p{N}_]+$/u.test(size);

const isList = (value) => Array.isArray(value) || ArrayBuffer.isView(value);
const flat = (value) =>
  ArrayBuffer.isView(value)
    ? value
    : isList(value)
      ? value.flatMap((item) => (isList(item) ? Array.from(flat(item)) : [item]))
      : [value];

/** The sizes of nested lists, by the first of each; a typed array is as many examples as fit. */
function dimsOf(value, port) {
  if (!isList(value)) return [];
  const examples = value.length / product(port.shape);
  if (ArrayBuffer.isView(value) && Number.isInteger(examples)) return [examples, ...port.shape];
  return [value.length, ...(isList(value[0]) ? dimsOf(value[0], { shape: [""] }) : [])];
}

/** Rows of tokens with none, -1, after shorter ones; anything else as it is. */
function padded(rows) {
  if (!Array.isArray(rows) || !rows.every(isList)) return rows;
  const longest = Math.max(0, ...rows.map((row) => row.length));
  return rows.map((row) => (row.length < longest ? [...row, ...Array(longest - row.length).fill(NOTHING)] : row));
}

/** Whether nested lists have one shape at each depth. */
function isRegular(value) {
  if (!Array.isArray(value)) return true;
  const shapes = new Set(value.map((item) => String(dimsOf(item, { shape: [""] }))));
  return shapes.size < 2 && value.every(isRegular);
}

let last = Promise.resolve(); // What onnxruntime-web was asked for last.

/** Ask onnxruntime-web for one thing after the other: of two at once, each keeps its places for results on one stack, and may read those of the other. */
function inTurn({ env }, ask) {
  if (!env?.versions?.web) return ask();
  const asked = last.then(ask);
  last = asked.catch(() => {});
  return asked;
}

/** What the runtime is asked for. Its errors are told by their first line, without its own places. */
async function telling(how, ask) {
  try {
    return await ask();
  } catch (error) {
    const [line] = String(error.message ?? error).split("\n");
    if (how === FAILED && NO_MEMORY.test(line))
      throw new ModelError("this file needs more memory for this call than there is here; fewer examples, steps or tokens in a call");
    throw new ModelError(`onnxruntime ${how}: ${line.replace(/^.*ERROR_MESSAGE: |\/\S*\/(?=\w+\.(h|cc):)/g, "")}`);
  }
}

/**
 * The next task of the page, or of Node: between two turns a page draws, and hears its buttons, as onnxruntime-web computes in the
 * thread that asks it. A timer would wait 4 ms, and a second on a page that nobody sees.
 */
function nextTask() {
  if (globalThis.setImmediate) return new Promise((resume) => setImmediate(resume));
  return new Promise((resume) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (port1.close(), resume());
    port2.postMessage(null);
  });
}

/** Let the page do what it has to, and end here where it has aborted the signal. */
async function breathe(signal) {
  await nextTask();
  signal?.throwIfAborted();
}

/** A signal is one, and is not aborted yet. */
function checkSignal(signal) {
  if (signal && typeof signal.throwIfAborted !== "function")
    throw new ModelError("`signal` is an AbortSignal: `{ signal: controller.signal }`, of `const controller = new AbortController()`");
  signal?.throwIfAborted();
}

/** What a promise comes to, or the signal's reason, thrown, where it is aborted before. */
function unlessAborted(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    const forget = () => signal.removeEventListener("abort", stop);
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(forget);
  });
}

/** A call that let no timer tick is over: let those that are due do so, and throw the reason of a signal that one of them aborted. */
async function sinceAborted(signal) {
  await new Promise((resume) => setTimeout(resume));
  signal.throwIfAborted();
}

/** Throw where the file of some turns is that of another file. */
function checkIsStepOf(whole, turn) {
  const [own, wanted] = [turn, whole].map(({ name, export: of }) => `${name}.${of}`);
  if (own !== `${wanted}.step`) throw new ModelError(`\`step\` is ${own}.onnx, and the turns of this file are in ${wanted}.step.onnx`);
  const identity = whole.file && whole.file.sha256 + (whole.data?.sha256 ?? "");
  if (identity && turn.turns_of && turn.turns_of !== identity)
    throw new ModelError(`\`step\` is of another training or text than ${wanted}.onnx: compile both together, and copy both`);
}

/** The name that is meant by a misspelt one: with about a third of its letters changed at most. */
function nearest(name, names) {
  const far = (a, b) => {
    const row = Array.from({ length: b.length + 1 }, (_, k) => k);
    for (let i = 1; i <= a.length; i++) {
      let corner = row[0]++;
      for (let j = 1; j <= b.length; j++)
        [corner, row[j]] = [row[j], Math.min(row[j] + 1, row[j - 1] + 1, corner + (a[i - 1] !== b[j - 1]))];
    }
    return row[b.length];
  };
  const near = names.filter((other) => far(name, other) <= Math.ceil(name.length / 3));
  return near.sort((a, b) => far(name, a) - far(name, b))[0];
}

// ------------------------------------------------------------------ the self-test

const STREAMS = 4096;
const [PLACE, STREAM, SIGNS] = [0x9e3779b9, 0x85ebca6b, 0xffffffff];
const WORD = 2 ** 32;

/** 32 random bits of a place in a stream (`runtime/self_test/draw.py`). */
function bitsOf(place, stream) {
  let x = (Math.imul(stream, STREAM) + Math.imul(place, PLACE)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

/** An input's number of its bits: of mean 0 and deviation 1, even in a range, or below a number of classes. */
function drawn({ dtype, classes }, bits, reals) {
  if (dtype === "int64") return BigInt(Math.floor((bits * (classes ?? 2)) / WORD));
  if (dtype === "bool") return Math.floor((bits * 2) / WORD);
  if (reals) return reals[0] + ((reals[1] - reals[0]) * bits) / WORD;
  return ((bits & 0xffff) + (bits >>> 16) - 65535) / 26755;
}

/** How far a result is from what is kept of it: of reals relative to the largest, of others the share that differs. */
function differenceOf({ data, dims }, { dims: wanted, places, values, scale, blank, projection }, real) {
  if (dims.length !== wanted.length || dims.some((size, axis) => size !== wanted[axis])) return Infinity;
  const all = Array.from(data, Number);
  const finite = all.map(Number.isFinite);
  const size = Math.max(scale || 1, 1e-6);
  const signed = all.reduce((sum, v, i) => sum + (finite[i] ? (bitsOf(i, SIGNS) & 1 ? -v : v) : 0), 0);
  const off =
    projection === null ? 0 : Math.abs(signed / (size * Math.sqrt(Math.max(all.length, 1))) - projection);
  const pairs = values.map((value, k) => [all[places ? places[k] : k], NAMED[value] ?? Number(value)]);
  if (!real) {
    const others = pairs.filter(([a, b]) => a !== b).length / Math.max(pairs.length, 1);
    const unlike = off > 1e-6 * Math.max(1, Math.abs(projection ?? 0));
    return others || (unlike ? 1 / all.length : 0);
  }
  if (all.length - finite.filter(Boolean).length !== blank) return Infinity;
  const apart = pairs.map(([a, b]) => (Object.is(a, b) ? 0 : Math.abs(a - b) / size));
  return apart.some(Number.isNaN) ? Infinity : Math.max(off, ...apart);
}

const NAMED = { inf: Infinity, "-inf": -Infinity, nan: NaN };

/** The outputs that differ, each with the largest of its differences, in words. */
function differencesInWords(wrong) {
  const worst = new Map();
  for (const one of wrong)
    if (!(one.difference <= worst.get(one.output)?.difference)) worst.set(one.output, one);
  const spoken = ({ output, difference, allowed, real }) => {
    if (!Number.isFinite(difference)) return `\`${output}\` differs in shape, or in where its numbers are finite`;
    if (!real) return `\`${output}\` differs in ${(100 * difference).toFixed(1)}% of its numbers`;
    return `\`${output}\` differs by ${difference.toExponential(1)} of its largest number, ${allowed.toExponential(0)} is allowed`;
  };
  return [...worst.values()].map(spoken).join("; ");
}

/** Whether a session's options ask for a provider that has been wrong in silence. */
function isDoubted(session) {
  return (session?.executionProviders ?? []).some((provider) => DOUBTED.includes(provider?.name ?? provider));
}

/** An onnxruntime that is too old is refused, where it says its version. */
function checkVersion({ env }) {
  const version = env?.versions?.web ?? env?.versions?.node;
  const [major, minor] = (version ?? "").split(".").map(Number);
  if (version && (major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1])))
    throw new ModelError(
      `this is onnxruntime ${version}, which computes some files wrong: ${LEAST.join(".")} is the lowest that mai's files run on`,
    );
}

// ------------------------------------------------------------------ texts

/** What a function makes of a value; null where it fails. */
function attempt(make, value) {
  try {
    return make(value);
  } catch {
    return null;
  }
}

/** What turns a text into the tokens of a file, and back; null where there is none, or nothing that reads it. It refuses to
 *  where it makes something else of the texts that the file's own was tried with. */
function tokenizerOf({ tokenizer, tokenizer_trials: trials = [] }, Tokenizer) {
  if (tokenizer === "bytes") {
    const byte = (token) => (token >= 0 && token < 256 ? token : 255); // no character has 255
    const decode = (tokens) => new TextDecoder().decode(Uint8Array.from(tokens, byte));
    const encode = (text) => Array.from(new TextEncoder().encode(text));
    return { encode, decode, specialTokens: () => [[], []], isSpecial: () => false };
  }
  if (!tokenizer || !Tokenizer) return null;
  const stated = JSON.parse(tokenizer);
  const pieces = new Tokenizer(stated, { clean_up_tokenization_spaces: false });
  const special = new Set((stated.added_tokens ?? []).filter((token) => token.special).map(({ id }) => id));
  const { vocab, unk_token: unknown } = stated.model; // The library gives words that are not in the vocabulary no number.
  const numbers = ({ ids }) => ids.map((id) => id ?? vocab?.[unknown]);
  const read = (text) => numbers(pieces.encode(text, { add_special_tokens: false }));
  const write = (tokens) => (tokens.length ? pieces.decode(tokens, { skip_special_tokens: false }) : "");
  const misread = trials.find(({ text, tokens }) => String(attempt(read, text)) !== String(tokens));
  const miswritten = trials.find(({ tokens, decoded }) => attempt(write, tokens) !== decoded);
  const unlike = ({ text }) => new ModelError(`${OTHER_PIECES}, as of ${JSON.stringify(text)}: give and take tokens instead of texts`);
  const encode = (text) => {
    if (misread) throw unlike(misread);
    return read(text);
  };
  const decode = (tokens) => {
    if (miswritten && tokens.length) throw unlike(miswritten);
    return write(tokens);
  };
  const specialTokens = (text) => {
    const [own, all] = [encode(text), numbers(pieces.encode(text, { add_special_tokens: true }))];
    const start = all.findIndex((_, at) => own.every((token, k) => token === all[at + k]));
    return [all.slice(0, Math.max(start, 0)), all.slice(Math.max(start, 0) + own.length)];
  };
  return { encode, specialTokens, isSpecial: (token) => special.has(token), decode };
}

/** Tokens in, text out as soon as it is sure: a character that is split across tokens waits for its end. */
class Decoder {
  constructor(tokenizer, before) {
    Object.assign(this, { tokenizer, shown: before, waiting: [] });
  }

  push(token) {
    this.waiting.push(token);
    const text = this.rest();
    if (text.endsWith(HALF)) return "";
    [this.shown, this.waiting] = [this.waiting, []];
    return text;
  }

  /** What the waiting tokens add: a token's text may depend on the one before. */
  rest() {
    const { decode } = this.tokenizer;
    return decode([...this.shown, ...this.waiting]).slice(decode(this.shown).length);
  }
}

// ------------------------------------------------------------------ files

const inNode = () => typeof process !== "undefined" && process.versions?.node;
const isPath = (source) => inNode() && !/^[a-z]+:\/\//.test(source);
const isBytes = (source) => source instanceof ArrayBuffer || ArrayBuffer.isView(source);

async function bytesOf(source) {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  if (isPath(source)) return await bytesAt(source);
  const response = await fetch(source).catch((error) => {
    throw new ModelError(`cannot open ${source}: ${error.cause?.code ?? error.message}`);
  });
  if (!response.ok) throw new ModelError(`cannot open ${source}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The bytes of a file in Node, whose `readFile` ends at 2 GB. */
async function bytesAt(path) {
  const { open } = await import(/* webpackIgnore: true */ /* @vite-ignore */ FILES);
  let file;
  try {
    file = await open(path);
    const bytes = new Uint8Array((await file.stat()).size);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, PART));
      if (!bytesRead) throw new ModelError(`cannot open ${path}: it is cut short`);
      at += bytesRead;
    }
    return bytes;
  } catch (error) {
    throw error instanceof ModelError ? error : new ModelError(`cannot open ${path}: ${error.code ?? error.message}`);
  } finally {
    await file?.close();
  }
}

/** Where the weights of a file lie, if beside it; nothing for one in bytes. */
function addressOfData(source) {
  if (isBytes(source)) return undefined;
  return isPath(source) ? `${source}.data` : String(source).replace(/([?#].*)?$/, ".data$1");
}

/** A file whose weights lie in another one beside, as onnxruntime is to open it: with them inside, or by its path if they are too many. */
async function withDataBeside(bytes, places, { data: stated, required }, source, dataSource) {
  const [{ tensor, location }] = places;
  if (!stated || places.some((place) => place.location !== location) || /[\\/]/.test(location))
    throw new ModelError(`the tensor \`${tensor}\` lies outside of the file: mai wrote no such file`);
  const beside = dataSource ?? addressOfData(source);
  if (beside === undefined)
    throw new ModelError(`the weights lie beside the file, in ${location}: hand it to \`load\` as \`data\``);
  if (stated.size + bytes.length > LARGEST) {
    if (!isBytes(source) && isPath(source) && required) return source;
    const size = (stated.size / 1e9).toFixed(1);
    throw new ModelError(
      `${location} has ${size} GB, and JavaScript hands over 2: onnxruntime-node opens by its path what was compiled with --settings required`,
    );
  }
  const data = await bytesOf(beside);
  if (data.length !== stated.size || ((await sha256Of(data)) ?? stated.sha256) !== stated.sha256)
    throw new ModelError(`${location} is damaged, or of another file: copy both files again, together`);
  return joined(withTensors(bytes, "model", data));
}

/** A message with the tensors inside that were in a file of data, as parts. */
function withTensors(message, kind, data) {
  return fieldsOf(message).flatMap(({ field, content, whole }) => {
    const inner = HOLDS[kind][field];
    if (!inner) return [whole];
    const parts = inner === "tensor" ? withNumbers(content, data) : withTensors(content, inner, data);
    return [headOf(field, lengthOf(parts)), ...parts];
  });
}

function withNumbers(tensor, data) {
  const place = placeOf(tensor);
  if (!place) return [tensor];
  const kept = fieldsOf(tensor).filter(({ field }) => field !== EXTERNAL && field !== LOCATION);
  const [at, size] = [Number(place.offset), Number(place.length)];
  return [...kept.map(({ whole }) => whole), headOf(RAW, size), data.subarray(at, at + size)];
}

/** The SHA-256 of bytes in hexadecimal; nothing on a page that may not compute it, as over http. */
async function sha256Of(bytes) {
  if (inNode()) {
    const { createHash } = await import(/* webpackIgnore: true */ /* @vite-ignore */ CRYPTO);
    const hash = createHash("sha256");
    for (let at = 0; at < bytes.length; at += PART) hash.update(bytes.subarray(at, at + PART));
    return hash.digest("hex");
  }
  if (!globalThis.crypto?.subtle) return undefined;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The metadata of an ONNX file: field 14 of a `ModelProto`, pairs of a key (1) and a value (2). */
function metadataOf(bytes) {
  const text = (content) => new TextDecoder().decode(content ?? new Uint8Array());
  const pairs = fieldsOf(bytes).filter(({ field }) => field === METADATA);
  return Object.fromEntries(pairs.map(({ content }) => [text(contentOf(content, 1)), text(contentOf(content, 2))]));
}

/** The same file without the initializers (field 5 of the graph, field 7) that give settings their defaults. */
function withoutDefaults(bytes, settings) {
  const name = ({ content }) => new TextDecoder().decode(contentOf(content, TENSOR_NAME));
  const parts = fieldsOf(bytes).flatMap((part) => {
    if (part.field !== GRAPH) return [part.whole];
    const kept = fieldsOf(part.content).filter((inner) => inner.field !== INITIALIZER || !settings.has(name(inner)));
    const inside = kept.map(({ whole }) => whole);
    return [headOf(GRAPH, lengthOf(inside)), ...inside];
  });
  return joined(parts);
}

const lengthOf = (parts) => parts.reduce((total, part) => total + part.length, 0);
const headOf = (field, size) => Uint8Array.of(...varint(8 * field + 2), ...varint(size));

function joined(parts) {
  const bytes = new Uint8Array(lengthOf(parts));
  parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
  return bytes;
}

/** The bytes of each tensor of a file, and of graphs inside of it. */
function tensorsOf(message, kind) {
  return fieldsOf(message).flatMap(({ field, content }) => {
    const inner = HOLDS[kind][field];
    if (!inner) return [];
    return inner === "tensor" ? [content] : tensorsOf(content, inner);
  });
}

/** Those of tensors that lie in other files: `{ tensor, location }` each. */
function placesOf(tensors) {
  return tensors.flatMap((tensor) => {
    const place = placeOf(tensor);
    return place ? [{ tensor: textOf(contentOf(tensor, TENSOR_NAME)), location: place.location ?? "" }] : [];
  });
}

/** The sum of the tensors' CRC-32, without the words that fill up, in 16 hexadecimal digits (`runtime/model/checksum.py`). */
function checksumOf(tensors) {
  const parts = tensors.map((tensor) => fieldsOf(tensor).reduce((crc, { field, whole }) => (field === DOC ? crc : crc32(whole, crc)), 0));
  return BigInt.asUintN(64, parts.reduce((sum, crc) => sum + BigInt(crc), 0n)).toString(16).padStart(16, "0");
}

/** The CRC-32 of bytes behind others of which it is `before`: eight bytes a turn, by a table for each. */
function crc32(bytes, before) {
  const [a, b, c, d, e, f, g, h] = (CRCS ??= crcTables());
  let [crc, at] = [~before, 0];
  for (const end = bytes.length - 7; at < end; at += 8) {
    const low = crc ^ (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    crc =
      h[low & 255] ^ g[(low >>> 8) & 255] ^ f[(low >>> 16) & 255] ^ e[low >>> 24] ^
      d[bytes[at + 4]] ^ c[bytes[at + 5]] ^ b[bytes[at + 6]] ^ a[bytes[at + 7]];
  }
  for (; at < bytes.length; at++) crc = a[(crc ^ bytes[at]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

let CRCS;

/** For each of eight places of a byte, what it does to the CRC-32 when all after it are read. */
function crcTables() {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CRC : crc >>> 1;
    return crc;
  });
  const tables = [first];
  while (tables.length < 8) tables.push(tables.at(-1).map((crc) => first[crc & 255] ^ (crc >>> 8)));
  return tables;
}

/** Where a tensor's numbers lie, `{ location, offset, length }`; nothing for one that holds them. */
function placeOf(tensor) {
  const entries = fieldsOf(tensor).filter(({ field }) => field === EXTERNAL);
  if (!entries.length) return null;
  return Object.fromEntries(entries.map(({ content }) => [1, 2].map((part) => textOf(contentOf(content, part)))));
}

/** Every setting is an input of the graph, whether or not it has a default. */
function checkSettable(bytes, settings) {
  const graphs = fieldsOf(bytes).filter(({ field }) => field === GRAPH);
  const inputs = graphs.flatMap(({ content }) => fieldsOf(content).filter(({ field }) => field === INPUT));
  const names = new Set(inputs.map(({ content }) => textOf(contentOf(content, 1))));
  const fixed = [...settings].filter((name) => !names.has(name)).map((name) => `\`${name}\``);
  if (fixed.length)
    throw new ModelError(
      `this file can no longer be given ${fixed.join(", ")}: another program has fixed what the manifest lists as settings`,
    );
}

const [GRAPH, METADATA, INITIALIZER, TENSOR_NAME, INPUT] = [7, 14, 5, 8, 11];
const [RAW, DOC, EXTERNAL, LOCATION] = [9, 12, 13, 14]; // of a tensor
const CRC = 0xedb88320; // the polynomial of CRC-32, its bits from the lowest
// For each kind of message, the fields that lead to tensors, and the kind of message in each (onnx.proto).
const HOLDS = {
  model: { 7: "graph", 25: "function" },
  function: { 7: "node" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse" },
  sparse: { 1: "tensor", 2: "tensor" },
};
const textOf = (content) => new TextDecoder().decode(content ?? new Uint8Array());
const contentOf = (message, wanted) => fieldsOf(message).find(({ field }) => field === wanted)?.content;
const varint = (number) => (number < 128 ? [number] : [(number % 128) + 128, ...varint(Math.floor(number / 128))]);

/** The fields of a protobuf message: the number of each, its bytes as a `whole`, and its `content` where that is bytes. */
function fieldsOf(bytes) {
  const fields = [];
  let at = 0;
  const number = () => {
    let value = 0;
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++];
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
    throw new ModelError(CUT);
  };
  while (at < bytes.length) {
    const began = at;
    const tag = number();
    const [field, kind] = [Math.floor(tag / 8), tag % 8];
    if (![0, 1, 2, 5].includes(kind)) throw new ModelError(CUT);
    const size = kind === 2 ? number() : { 0: 0, 1: 8, 5: 4 }[kind];
    if (kind === 0) number();
    const content = bytes.subarray(at, at + size);
    at += size;
    if (at > bytes.length) throw new ModelError(CUT);
    fields.push({ field, content, whole: bytes.subarray(began, at) });
  }
  return fields;
}
