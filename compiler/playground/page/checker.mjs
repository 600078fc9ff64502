// Questions to the worker, each a promise. A worker that says nothing for long, or that broke, is started anew.

const LONGEST = 60_000; // Milliseconds for one answer.
const BROKE = "This text is too long or too deep for a browser's stack: `mai check` reads it. The checker was started anew.";

export class Checker {
  /** `tell` hears `starting`, `ready` or `failed`, with words where something went wrong. */
  constructor(tell) {
    this.tell = tell;
    this.number = 0;
    this.start();
  }

  start() {
    this.waiting = new Map();
    this.worker = new Worker(new URL("worker.mjs", document.baseURI), { type: "module" });
    this.worker.onmessage = ({ data }) => this.heard(data);
    this.worker.onerror = ({ message }) => this.tell("failed", message ?? "the worker could not start");
    this.ready = new Promise((resolve) => (this.started = resolve));
    this.tell("starting");
  }

  async ask(question) {
    await this.ready;
    const number = ++this.number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.restart("This took too long, and was stopped. The checker was started anew."), LONGEST);
      this.waiting.set(number, { resolve, reject, timer });
      this.worker.postMessage({ number, question });
    });
  }

  heard({ ready, failed, number, answer, error, ends }) {
    if (ready) return this.started(), this.tell("ready");
    if (failed) return this.tell("failed", failed);
    const { resolve, reject, timer } = this.waiting.get(number);
    clearTimeout(timer);
    this.waiting.delete(number);
    if (error === undefined) return resolve(answer);
    reject(new Error(ends ? BROKE : error));
    if (ends) this.restart(BROKE);
  }

  restart(why) {
    this.worker.terminate();
    const { waiting } = this;
    this.start();
    for (const { reject, timer } of waiting.values()) {
      clearTimeout(timer);
      reject(new Error(why));
    }
  }
}
