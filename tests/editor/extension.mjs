// The extension in Node, with VS Code's interface in a few lines: node extension.mjs EXTENSION FOLDER FILE
import { createRequire } from "node:module";
import Module from "node:module";

const [extension, folder, file] = process.argv.slice(2);
const told = { commands: [], terminal: [], server: null, errors: [] };
const uri = { fsPath: file };
const document = { languageId: "mai", uri, save: async () => true };
const registered = {};
const vscode = {
  ViewColumn: { Beside: 2 },
  window: {
    activeTextEditor: { document },
    terminals: [],
    createTerminal: (options) => ({ show() {}, sendText: (text) => told.terminal.push([options.cwd, text]) }),
    showErrorMessage: (text) => told.errors.push(text),
    createWebviewPanel: (_, title) => ({ webview: { set html(text) { told.panel = [title, text.slice(0, 4)]; told.done?.(); } } }),
  },
  workspace: {
    createFileSystemWatcher: (pattern) => pattern,
    getConfiguration: () => ({ get: () => ["mai"] }),
    getWorkspaceFolder: () => ({ uri: { fsPath: folder } }),
    workspaceFolders: [{ uri: { fsPath: folder } }],
  },
  commands: { registerCommand: (name, verb) => ((registered[name] = verb), { dispose() {} }) },
};
class LanguageClient {
  constructor(id, name, server, client) { told.server = [server.command, server.args, server.options.cwd, client]; }
  async start() {}
  async stop() {}
}
const load = Module._load;
Module._load = (name, ...rest) =>
  name === "vscode" ? vscode : name === "vscode-languageclient/node" ? { LanguageClient } : load(name, ...rest);

const { activate, deactivate } = createRequire(import.meta.url)(extension);
await activate({ subscriptions: [] });
told.commands = Object.keys(registered).sort();
await registered["mai.train"]();
registered["mai.run"](["check", "it's a file.mai"]);
const shown = new Promise((done) => (told.done = done));
await registered["mai.diagram"]();
await Promise.race([shown, new Promise((done) => setTimeout(done, 60000).unref())]);
await deactivate();
process.stdout.write(JSON.stringify(told));
process.exit(0);
