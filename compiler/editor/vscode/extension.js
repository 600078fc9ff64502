// The client of `mai lsp`, and commands that run mai in a terminal: every answer is the server's or the command line's own.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { execFile } = require("node:child_process");
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

/** How mai is called in a folder: as the settings say, or by the folder's own environment. */
function command(folder) {
  const asked = vscode.workspace.getConfiguration("mai").get("command") ?? ["mai"];
  if (asked.length !== 1 || asked[0] !== "mai" || !folder) return asked;
  const own = [path.join(folder, ".venv", "bin", "mai"), path.join(folder, ".venv", "Scripts", "mai.exe")];
  return [own.find((file) => fs.existsSync(file)) ?? "mai"];
}

function folderOf(uri) {
  const folder = uri && vscode.workspace.getWorkspaceFolder(uri);
  return folder?.uri.fsPath ?? vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? (uri && path.dirname(uri.fsPath));
}

function active() {
  const document = vscode.window.activeTextEditor?.document;
  return document?.languageId === "mai" ? document : undefined;
}

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** Run words of mai in the terminal that is called so. */
function run(words, uri) {
  const folder = folderOf(uri);
  const terminal = vscode.window.terminals.find((each) => each.name === "mai") ?? vscode.window.createTerminal({ name: "mai", cwd: folder });
  terminal.show(true);
  terminal.sendText([...command(folder), ...words].map(quoted).join(" "));
}

async function saved(verb) {
  const document = active();
  if (document && (await document.save())) run([verb, document.uri.fsPath], document.uri);
}

/** What mai writes to a file, shown beside the text. */
async function show(title, words, made, scripts) {
  const document = active();
  if (!document || !(await document.save())) return;
  const folder = folderOf(document.uri);
  const [program, ...first] = command(folder);
  execFile(program, [...first, ...words(document.uri.fsPath)], { cwd: folder }, (error, _, errors) => {
    if (error) return void vscode.window.showErrorMessage(`mai: ${errors.trim() || error.message}`);
    const panel = vscode.window.createWebviewPanel("mai", title, vscode.ViewColumn.Beside, { enableScripts: scripts });
    panel.webview.html = fs.readFileSync(made, "utf8");
  });
}

function temporary(name) {
  return path.join(fs.mkdtempSync(path.join(require("node:os").tmpdir(), "mai-")), name);
}

function diagram() {
  const out = temporary("diagram.svg");
  return show("mai: diagram", (file) => ["show", file, "--emit", "diagram", "--out", out], out, false);
}

function page() {
  const out = temporary("page.html");
  return show("mai: page", (file) => ["page", path.join("runs", path.basename(file, ".mai")), "--out", out], out, true);
}

async function start() {
  const folder = folderOf(active()?.uri);
  const [program, ...words] = command(folder);
  const server = { command: program, args: [...words, "lsp"], options: { cwd: folder } };
  client = new LanguageClient("mai", "mai", server, {
    documentSelector: [{ language: "mai" }],
    initializationOptions: { run: true },
    synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.mai") },
  });
  try {
    await client.start();
  } catch (error) {
    const help = "pip install '.[editor]' in a clone of mai, or say in the setting mai.command where mai is";
    vscode.window.showErrorMessage(`mai lsp cannot be started (${error.message}): ${help}`);
  }
}

async function restart() {
  await client?.stop().catch(() => undefined);
  await start();
}

async function activate(context) {
  const verbs = {
    "mai.train": () => saved("train"),
    "mai.compile": () => saved("compile"),
    "mai.diagram": diagram,
    "mai.page": page,
    "mai.restart": restart,
    "mai.run": (words) => run(words, active()?.uri),
  };
  for (const [name, verb] of Object.entries(verbs)) context.subscriptions.push(vscode.commands.registerCommand(name, verb));
  await start();
}

const deactivate = () => client?.stop();

module.exports = { activate, deactivate };
