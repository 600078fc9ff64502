// Makes the calls of a JSON file and prints what came of each: results, a stream's pieces, or an error.
//     node calls.mjs MAI.MJS CALLS.JSON FOLDER      with onnxruntime-web, @huggingface/tokenizers and @huggingface/jinja in the FOLDER's node_modules

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { clearImmediate, setImmediate } from "node:timers";
import { pathToFileURL } from "node:url";

const [library, calls, folder] = process.argv.slice(2);
const { labelsOf, load } = await import(pathToFileURL(library));
const installed = createRequire(`${folder}/`);
const ort = installed("onnxruntime-web");
const { Tokenizer } = installed("@huggingface/tokenizers");
const { Template } = installed("@huggingface/jinja");
ort.env.wasm.numThreads = 1;

/** Hosts that are wrong in some way: their sessions compute on the CPU, whatever they are asked for. */
const HOSTS = {
  right: () => hostOf((value) => value),
  wrong: () => hostOf((value) => (typeof value === "bigint" ? value + 1n : value * 1.01)),
  shorter: () => hostOf((value) => value, 1),
  late: () => hostOf((value) => value, 0, 5),
  old: () => ({ ...hostOf((value) => value), env: { versions: { common: "1.23.2", web: "1.23.2" } } }),
};

function hostOf(change, less = 0, tasks = 0) {
  const changed = ({ type, data, dims }) => {
    const [first, ...rest] = dims;
    const size = data.length / first;
    const kept = [first - less, ...rest];
    return new ort.Tensor(type, data.map(change).slice(0, (first - less) * size), kept);
  };
  const create = async (bytes) => {
    const session = await ort.InferenceSession.create(bytes);
    const run = async (feeds) => {
      for (let task = 0; task < tasks; task++) await new Promise(setImmediate);
      return Object.fromEntries(Object.entries(await session.run(feeds)).map(([name, tensor]) => [name, changed(tensor)]));
    };
    return { run };
  };
  return { Tensor: ort.Tensor, InferenceSession: { create }, env: ort.env };
}

/** Whole numbers that JSON cannot hold are written as `{ bigint: "..." }`, other ones as `{ number: "Infinity" }`. */
const revived = (_, value) => (value?.bigint ? BigInt(value.bigint) : value?.number ? Number(value.number) : value);

const answers = [];
const notes = []; // that a call has besides its answer
console.warn = (note) => notes.push(note);
const opened = new Map();
for (const { file, step, values, prompt, host, options, verify, chat, every, release, watch, beside, port } of JSON.parse(await readFile(calls), revived)) {
  try {
    const model = host
      ? await load(HOSTS[host](), file, { step, Tokenizer, ...options })
      : (opened.get(file) ?? (await load(ort, file, { step, Tokenizer, Template })));
    if (!host) opened.set(file, model);
    if (release) await model.release();
    if (port) answers.push({ labels: labelsOf(model.manifest, model.inputs[port.of] ?? port) });
    else if (beside) answers.push(...(await together(model, values, beside)));
    else if (watch) answers.push(await watched(model, { values, prompt, every, says: chat?.says, ...watch }));
    else if (verify) answers.push({ differences: await model.verify() });
    else if (chat) {
      if (chat.template) model.manifest.chat.templates = { default: chat.template };
      answers.push(await talked(model.conversation(chat.options), chat.says));
    } else if (every) answers.push({ parts: await shared(model.progress(values, { every })) });
    else if (prompt === undefined) answers.push({ results: plain(await model.run(values)) });
    else {
      const pieces = [];
      for await (const piece of model.stream(prompt, values)) pieces.push(piece);
      answers.push({ pieces });
    }
  } catch (error) {
    answers.push({ error: error.message, type: error.constructor.name });
  }
  if (notes.length) answers.at(-1).notes = notes.splice(0);
}
console.log(JSON.stringify(answers));

/** What each of several calls at once gives: one, and others of other files, of which each changes its numbers and is released as soon as it has asked. */
async function together(model, values, beside) {
  const models = [model, ...(await Promise.all(beside.map(({ file }) => load(ort, file))))];
  const asked = [values, ...beside.map((each) => each.values)].map((each) => Object.entries(each).map(([name, numbers]) => [name, Float32Array.from(numbers)]));
  const runs = models.map((each, place) => each.run(Object.fromEntries(asked[place])));
  asked.flat().forEach(([, numbers]) => numbers.fill(0));
  models.slice(1).forEach((each) => each.release());
  return (await Promise.all(runs)).map((results) => ({ results: plain(results) }));
}

/**
 * How many other tasks the host did beside a call, how many parts there were, and what ended it: the signal is aborted after so many
 * tasks, or by a timer that is due at once. In a page there is no `setImmediate`.
 */
async function watched(model, { values, prompt, every, says, abort, inPage }) {
  const controller = new AbortController();
  const { signal } = controller;
  const own = globalThis.setImmediate;
  if (inPage) globalThis.setImmediate = undefined;
  let [tasks, parts, ended] = [0, 0, null];
  const count = () => ((next = setImmediate(count)), ++tasks === abort && controller.abort());
  let next = setImmediate(count);
  if (abort === 0) controller.abort();
  if (abort === "due") setTimeout(() => controller.abort());
  const conversation = says ? model.conversation() : null;
  const begin = () =>
    says ? conversation.say(says, { signal }) : every ? model.progress(values, { every, signal }) : model.stream(prompt, values, { signal });
  try {
    if (!says && !every && prompt === undefined) await model.run(values, { signal });
    else for await (const _ of begin()) parts++;
  } catch (error) {
    ended = error.name;
  }
  clearImmediate(next);
  globalThis.setImmediate = own;
  return { tasks, parts, ended, messages: conversation?.messages.length };
}

/** The turns of a sampler, and what each has come to. */
async function shared(parts) {
  const seen = [];
  for await (const { turns, total, results } of parts) seen.push({ turns, total, results: plain(results) });
  return seen;
}

/** The prompts and the answers of a conversation, after what was said in turn; null begins anew. */
async function talked(conversation, says) {
  const [prompts, answered] = [[], []];
  for (const text of says) {
    const pieces = [];
    if (text === null) {
      conversation.reset();
      continue;
    }
    for await (const piece of conversation.say(text)) pieces.push(piece);
    answered.push(pieces.join(""));
    prompts.push(conversation.prompt());
  }
  return { prompts, answers: answered };
}

/** Results as JSON has them. */
function plain(results) {
  return Object.fromEntries(
    Object.entries(results).map(([name, result]) => [
      name,
      result.dims ? { dims: result.dims, data: Array.from(result.data, spoken) } : result,
    ]),
  );
}

function spoken(value) {
  return Number.isFinite(value) ? value : String(value);
}
