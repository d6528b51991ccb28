"""One load: a fresh site, its websites, moderators, receiver and reader, and their ledgers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec

from tests.faults.asking import Asked, Asker
from tests.faults.board import Board
from tests.faults.checker import Findings, reconcile
from tests.faults.clients import ORIGIN, Moderator, Website
from tests.faults.ledger import Ledger
from tests.faults.listeners import HOOKED, Reader, Receiver
from tests.faults.target import Service

SETTLE_S = 450.0
"""How long clients may take to finish what they have begun, once a fault is over."""
HOOKS_S = 150.0
"""How long deliveries may take that a fault or the receiver itself delayed."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes part in a load."""

    websites: int = 4
    moderators: int = 3
    hooks: bool = True
    reader: bool = True


class Load:
    """Clients at work on a site of their own; made by `begin`."""

    def __init__(self, service: Service, board: Board, folder: Path, site: str) -> None:
        self.service, self.board, self.folder, self.site = service, board, folder, site
        self.asked = Asked()
        self.asker = Asker(service.url, self.asked)
        self.moderators: list[Moderator] = []
        self.receiver: Receiver | None = None
        self.reader: Reader | None = None
        self._ledgers: list[Ledger] = []
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def begin(
        cls, service: Service, seed: int, name: str, shape: Shape, *, start: bool = True
    ) -> Load:
        """Makes a site and its people, and lets them work."""
        site = "f-" + name.replace(".", "-").lower()
        await service.admin("POST", "/v1/sites", json={"id": site, "origins": [ORIGIN]})
        keys = [
            (await service.admin("POST", f"/v1/sites/{site}/keys", json={"kind": kind}))["key"]
            for kind in ("secret", "publishable")
        ]
        board = Board(seed, name, secret=keys[0], publishable=keys[1])
        folder = service.home / "ledgers" / name
        load = cls(service, board, folder, site)
        await load._people(shape)
        if start:
            load.start(shape)
        return load

    async def _people(self, shape: Shape) -> None:
        for i in range(shape.moderators):
            person = {
                "name": f"Moderator {i}",
                "email": f"{self.site}.{i}@staff.example",
                "role": "moderator",
                "sites": [self.site],
            }
            token = (await self.service.admin("POST", "/v1/moderators", json=person))["token"]
            name = f"m{i}"
            self.moderators.append(
                Moderator(self.board, name, token, self.asker, self._ledger(name))
            )
        if shape.hooks:
            self.receiver = Receiver(self.board, self._ledger("receiver"))
            asked = {"url": await self.receiver.open(), "events": [HOOKED]}
            path = f"/v1/sites/{self.site}/webhooks"
            made = await self.service.admin("POST", path, json=asked)
            self.receiver.secret = made["secret"]
        if shape.reader:
            self.reader = Reader(self.board, self.service.url, self._ledger("reader"))
            self.reader.open()

    def website(self, name: str) -> Website:
        """One more website."""
        return Website(self.board, name, self.asker, self._ledger(name))

    def _ledger(self, name: str) -> Ledger:
        self._ledgers.append(Ledger(self.folder / f"{name}.jsonl"))
        return self._ledgers[-1]

    def start(self, shape: Shape) -> None:
        """Sets websites and moderators to work."""
        workers: list[Any] = [self.website(f"w{i}") for i in range(shape.websites)]
        workers += self.moderators[: shape.moderators]
        self._tasks = [asyncio.create_task(worker.work()) for worker in workers]

    async def end(self) -> Findings:
        """Lets everybody finish, waits for what is still to be told, and reconciles."""
        self.board.stopping = True
        stuck: list[str] = []
        if self._tasks:
            done, pending = await asyncio.wait(self._tasks, timeout=SETTLE_S)
            stuck += [f"{len(pending)} clients never got an answer"] if pending else []
            stuck += [f"a client failed: {t.exception()!r}" for t in done if t.exception()]
            for task in pending:
                task.cancel()
        store = self.service.open_store()
        try:
            found = await reconcile(
                store, self.site, self.folder, self.receiver, self.reader, hooks_s=HOOKS_S
            )
        finally:
            await store.close()
            await self.close()
        stuck += self.service.unforeseen()
        found.violations += stuck + self.board.complaints + self.asked.wrong
        found.acknowledged = self.board.submitted
        found.decisions = self.board.decisions
        found.gap_s = self.board.longest_gap_s
        found.broken, found.refused = self.asked.broken.total(), self.asked.refused
        return found

    async def close(self) -> None:
        """Lets go of everything."""
        for each in (self.reader, self.receiver, self.asker):
            if each is not None:
                await each.close()
        for ledger in self._ledgers:
            ledger.close()
        (self.folder / "site.json").write_text(json.dumps({"site": self.site}))
