// A compiled file beside the page, which stays awake while it runs. Every question is answered in parts.

let model;

const ANSWERS = {
  /** Open a file; what it says of itself, and whether it can stream. */
  async *open({ addresses, wasm, bytes, step }) {
    const { load } = await import(addresses.mai);
    const ort = await import(addresses.ort).catch(() => {
      throw new Error(
        `onnxruntime-web cannot be loaded from ${addresses.ort}: \`mai page --ort FOLDER\` puts it into the page`,
      );
    });
    Object.assign(ort.env.wasm, wasm);
    model = await load(ort, bytes, { step });
    yield { manifest: model.manifest, spec: model.spec, streams: model.turn !== null };
  },
  async *run(values) {
    yield await model.run(values);
  },
  async *stream({ prompt, settings }) {
    yield* model.stream(prompt, settings);
  },
};

onmessage = async ({ data: { number, question, given } }) => {
  try {
    for await (const part of ANSWERS[question](given)) postMessage({ number, part });
    postMessage({ number, done: true });
  } catch (error) {
    postMessage({ number, error: error.message });
  }
};
