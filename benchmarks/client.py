"""A lean keep-alive HTTP client for measurements: the load must not be what is measured."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Connection:
    """One keep-alive connection to `host:port`."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self.host, self.port, self.key = host, port, key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self,
        method: str,
        path: str,
        content: Any = None,
        headers: dict[str, str] | None = None,
        *,
        raw: bytes | None = None,
    ) -> Answer:
        """Sends one request and reads its answer, over a new connection if the old one ended."""
        body = (
            raw if raw is not None else (b"" if content is None else json.dumps(content).encode())
        )
        head = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            f"Content-Length: {len(body)}",
        ]
        sent = {"Content-Type": "application/json"} | (headers or {})
        if self.key and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.key}"
        head.extend(f"{name}: {value}" for name, value in sent.items() if value)
        request = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        if self._streams is not None and self._streams[0].at_eof():
            self._streams = None  # the server closed it while it was idle
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port)
        reader, writer = self._streams
        try:
            writer.write(request)
            return await _answer(reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            self._streams = None
            raise

    def close(self) -> None:
        """Ends the connection."""
        if self._streams:
            self._streams[1].close()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(head[0].split()[1]), headers, body)
