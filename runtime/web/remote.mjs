// A file in a worker of its own, which may be stopped at any time: the next question opens it again.

export const STOPPED = "stopped"; // What is said where somebody has stopped it.

export class Remote {
  constructor(file) {
    this.file = file;
    this.asked = 0;
  }

  async open() {
    this.worker = new Worker(import.meta.resolve("worker.mjs"), { type: "module" });
    const { modules, ...file } = this.file;
    const addresses = ["mai.mjs", ...modules, "likeliest.mjs"].map((name) => import.meta.resolve(name));
    return this.one("open", { ...file, modules: addresses });
  }

  async one(question, request) {
    for await (const part of this.parts(question, request)) return part;
  }

  async *parts(question, request) {
    if (!this.worker) await this.open();
    const number = ++this.asked;
    const queue = [];
    let wake = () => {};
    const heard = (answer) => (queue.push(answer), wake());
    this.worker.onmessage = ({ data }) => data.number === number && heard(data);
    this.worker.onerror = ({ message }) => heard({ error: message ?? "the worker could not start" });
    this.interrupt = () => heard({ error: STOPPED });
    this.worker.postMessage({ number, question, request });
    for (;;) {
      while (!queue.length) await new Promise((resume) => (wake = resume));
      const { part, done, error } = queue.shift();
      if (error) throw new Error(error);
      if (done) return;
      yield part;
    }
  }

  stop() {
    this.worker?.terminate();
    this.worker = null;
    this.interrupt?.();
  }
}
