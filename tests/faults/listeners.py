"""Those who are told: a website's webhook receiver, and a reader of server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from standardwebhooks import Webhook, WebhookVerificationError

from tests.faults.board import Board
from tests.faults.ledger import Ledger, Row

HOOKED = "comment.spam"
"""What the receiver is told: a tenth of all decisions."""
REFUSES = 0.03
"""The share of deliveries the receiver answers 500: they come again, under the same id."""


class Receiver:
    """A webhook's far end: verifies each delivery (Standard Webhooks) and writes down its id."""

    def __init__(self, board: Board, ledger: Ledger) -> None:
        self._board, self._ledger = board, ledger
        self._choose = board.source("receiver")
        self._server: asyncio.Server | None = None
        self.secret = ""
        self.got: set[tuple[str, int]] = set()
        """Comment and version of each event that was taken."""

    async def open(self) -> str:
        """Listens; the URL to register."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:]
            headers = {
                name.lower(): text.strip()
                for name, _, text in (line.partition(":") for line in head if line)
            }
            body = await reader.readexactly(int(headers["content-length"]))
            status = self._take(headers, body)
            answer = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(answer.encode())
            await writer.drain()
        writer.close()

    def _take(self, headers: dict[str, str], body: bytes) -> int:
        try:
            told: Any = Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError as error:
            self._board.complain(f"a delivery that does not verify: {error}")
            return 400
        if self._choose.random() < REFUSES:
            return 500
        data = told["data"]
        row = Row(
            kind="hook",
            key=headers["webhook-id"],
            id=data["id"],
            action=told["type"],
            version=data["version"],
            code=204,
        )
        self._ledger.settle(row)
        self.got.add((data["id"], data["version"]))
        return 204

    async def close(self) -> None:
        """Stops listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


class Reader:
    """Follows a site's events and resumes with Last-Event-ID wherever it was cut off."""

    def __init__(self, board: Board, url: str, ledger: Ledger) -> None:
        self._board, self._ledger = board, ledger
        self.url = url
        self.cursor = "0-0"
        self.resumed = 0
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begins to read, from the oldest event."""
        self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        async with httpx.AsyncClient(timeout=httpx.Timeout(10, read=40)) as http:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    await self._follow(http)
                self.resumed += 1
                await asyncio.sleep(0.1)

    async def _follow(self, http: httpx.AsyncClient) -> None:
        headers = {
            "Authorization": f"Bearer {self._board.secret}",
            "Last-Event-ID": self.cursor,
        }
        async with http.stream("GET", self.url + "/v1/events", headers=headers) as answer:
            if answer.status_code != 200:
                return
            async for event in _events(answer):
                if event.get("event") == "reset":
                    self._board.complain(f"events: reset at {self.cursor}")
                if "id" not in event:
                    continue
                told = json.loads(event["data"])
                self.cursor = event["id"]
                row = Row(
                    kind="event",
                    key=self.cursor,
                    id=told["id"],
                    action=told["type"],
                    version=told["version"],
                )
                self._ledger.intend(row)  # a reader that loses its place reads again

    async def close(self) -> None:
        """Stops reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """Each event of a stream as its fields."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, colon, text = line.partition(":")
        if line and name and colon:
            fields[name] = text.removeprefix(" ")
        elif not line:
            yield fields
            fields = {}
