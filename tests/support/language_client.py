"""A small client of the language server: it starts `mai lsp`, asks, and keeps what it is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any


class LanguageClient:
    """Speaks to a real server over its standard input and output."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", "from mai.runtime.cli import main; main()", "lsp"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.count = 0
        self.versions: dict[str, int] = {}
        self.said: dict[str, tuple[int | None, list[dict[str, Any]]]] = {}

    def __enter__(self) -> LanguageClient:
        capabilities = {"workspace": {"inlayHint": {"refreshSupport": True}}}
        options = {"run": True}
        self.answers = self.ask(
            "initialize",
            {"processId": None, "rootUri": None, "capabilities": capabilities, "initializationOptions": options},
        )
        self.tell("initialized", {})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ask("shutdown", None)
        self.tell("exit", None)
        assert self.process.wait(20) == 0

    def ask(self, method: str, params: object) -> Any:
        """The answer to a request; what is said meanwhile is kept."""
        self.count += 1
        self._send({"id": self.count, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == self.count and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def tell(self, method: str, params: object) -> None:
        """A notification."""
        self._send({"method": method, "params": params})

    def open(self, path: Path, text: str) -> str:
        """Open a text; its address."""
        return self.open_at(path.as_uri(), text)

    def open_at(self, uri: str, text: str) -> str:
        """Open a text that need be no file's."""
        self.versions[uri] = 1
        document = {"uri": uri, "languageId": "mai", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        return uri

    def change(self, uri: str, text: str) -> None:
        """Another text in the place of the whole."""
        self.versions[uri] += 1
        document = {"uri": uri, "version": self.versions[uri]}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def type(self, uri: str, text: str, more: str) -> None:
        """Letters after the end of a text, one change each, as somebody types them who is faster than the editor."""
        self.versions[uri] += 1
        places = [_place(text + more[:i], len(text) + i) for i in range(len(more))]
        changes = [
            {"range": {"start": place, "end": place}, "text": letter}
            for place, letter in zip(places, more, strict=True)
        ]
        document = {"uri": uri, "version": self.versions[uri]}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": changes})

    def erase(self, uri: str, text: str) -> None:
        """The last letter of a text is taken back."""
        self.versions[uri] += 1
        places = {"start": _place(text, len(text) - 1), "end": _place(text, len(text))}
        document = {"uri": uri, "version": self.versions[uri]}
        self.tell(
            "textDocument/didChange", {"textDocument": document, "contentChanges": [{"range": places, "text": ""}]}
        )

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """What is said of the last version of an open text; waits for it."""
        while self.said.get(uri, (None, []))[0] != self.versions[uri]:
            self._receive()
        return self.said[uri][1]

    def of_file(self, uri: str) -> list[dict[str, Any]]:
        """What is said of a file that is not open; waits until something is."""
        while uri not in self.said:
            self._receive()
        return self.said[uri][1]

    def at(self, uri: str, method: str, text: str, part: str, shift: int = 0, **more: object) -> Any:
        """The answer to a question about the place of a part of a text."""
        return self.at_offset(uri, method, text, text.index(part) + shift, **more)

    def at_offset(self, uri: str, method: str, text: str, offset: int, **more: object) -> Any:
        """The answer to a question about a character of a text."""
        position = _place(text, offset)
        return self.ask(f"textDocument/{method}", {"textDocument": {"uri": uri}, "position": position, **more})

    def whole(self, uri: str, method: str, **more: object) -> Any:
        """The answer to a question about all of a text, with more of its parameters."""
        everything = {"start": {"line": 0, "character": 0}, "end": {"line": 9999, "character": 0}}
        params = {"textDocument": {"uri": uri}, "range": everything, "context": {"diagnostics": []}, **more}
        return self.ask(f"textDocument/{method}", params)

    def _send(self, message: dict[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the server has ended"
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        if message.get("method") == "textDocument/publishDiagnostics":
            params = message["params"]
            self.said[params["uri"]] = params.get("version"), params["diagnostics"]
        elif "method" in message and "id" in message:
            self._send({"id": message["id"], "result": None})
        return message


def _place(text: str, offset: int) -> dict[str, int]:
    before = text[:offset]
    return {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
