// A compiled file beside the page, which stays awake while it runs. Every question is answered in parts.

let model;
let withLikeliest; // of likeliest.mjs
let conversation; // with the settings `said`
let said;

const ANSWERS = {
  /** Open a file with the modules at these addresses; what it says of itself, and whether it can stream. */
  async *open({ modules, wasm, bytes, step }) {
    const [{ load }, ort, ...more] = await Promise.all(modules.map(loaded));
    const { Tokenizer, Template, ...rest } = Object.assign({}, ...more);
    ({ withLikeliest } = rest);
    Object.assign(ort.env.wasm, wasm);
    model = await load(ort, bytes, { step, Tokenizer, Template });
    yield { manifest: model.manifest, spec: model.spec, streams: model.turn !== null };
  },
  async *run(values) {
    const feeds = model._feeds(values);
    yield withLikeliest(model, model._results(await model._compute(feeds), values), feeds);
  },
  async *stream({ prompt, settings }) {
    yield* model.stream(prompt, settings);
  },
  /** The answer to messages; what was computed of earlier ones is kept while the settings are the same. */
  async *chat({ messages, ...options }) {
    if (!conversation || JSON.stringify(options) !== said) conversation = model.conversation(options);
    said = JSON.stringify(options);
    conversation.messages = messages;
    yield* conversation.answer();
  },
};

function loaded(address) {
  return import(address).catch(() => {
    throw new Error(`${address} cannot be loaded. \`mai page --modules\u00a0node_modules\` puts it into the page.`);
  });
}

onmessage = async ({ data: { number, question, request } }) => {
  try {
    for await (const part of ANSWERS[question](request)) postMessage({ number, part });
    postMessage({ number, done: true });
  } catch (error) {
    postMessage({ number, error: error.message });
  }
};
