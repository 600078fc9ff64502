"""A client of HTTP/1.1 on asyncio's streams, that keeps its connection."""

from __future__ import annotations

import asyncio
import json
from typing import Any


class Client:
    """One connection, which is opened anew where the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: Any) -> tuple[int, bytes]:
        """The status and the body of an answer, of a stream all of it."""
        reader = await self._ask(path, body)
        status, headers = await _head(reader)
        if "content-length" in headers:
            return status, await reader.readexactly(int(headers["content-length"]))
        return status, b"".join([chunk async for chunk in _chunks(reader)])

    async def leave(self, path: str, body: Any, seconds: float) -> None:
        """Ask, and go away after some seconds without having read."""
        await self._ask(path, body)
        await asyncio.sleep(seconds)
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _ask(self, path: str, body: Any) -> asyncio.StreamReader:
        if self._reader is None or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        raw = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
        assert self._writer is not None
        self._writer.write(head.encode() + raw)
        await self._writer.drain()
        return self._reader


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def _chunks(reader: asyncio.StreamReader) -> Any:
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
