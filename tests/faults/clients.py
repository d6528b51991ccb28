"""Those who write: websites that submit comments, and moderators who race for decisions.

Each has a ledger of its own, draws everything from its own source, and goes on until told to stop;
then it finishes what it has begun.
"""

from __future__ import annotations

import asyncio
import random
import string
from typing import Any
from urllib.parse import urlencode

from tests.faults.asking import Asker
from tests.faults.board import Board
from tests.faults.ledger import Ledger, Row, digest

ORIGIN = "https://news.example"
WORDS = (
    *("I", "read", "this", "twice", "and", "still", "think", "the", "second", "point", "is"),
    *("wrong", "because", "figures", "are", "old", "thank", "you", "for", "a", "fair", "article"),
    *("about", "trains", "schools", "bread", "harbour", "idiot", "see", "https://example.org/a"),
    *("ça", "va", "größer", "漢字", "кот", "best", "price", "buy", "now"),
)
MARK = "~"
"""Stands in front of the key at the end of every text: each text is unique."""


def text_of(choose: random.Random, key: str) -> str:
    """A comment's text."""
    return " ".join(choose.choices(WORDS, k=choose.randint(3, 60))) + f" {MARK}{key}"


class Website:
    """Submits comments: alone, in batches, and as plain HTML forms."""

    def __init__(self, board: Board, name: str, asker: Asker, ledger: Ledger) -> None:
        self._board, self._name, self._asker, self._ledger = board, name, asker, ledger
        self._choose = board.source(name)
        self._number = 0

    async def work(self) -> None:
        """Submits until the board says stop."""
        while not self._board.stopping:
            await self.step()

    async def step(self) -> None:
        """One request."""
        key = f"{self._board.name}.{self._name}.{self._number}"
        self._number += 1
        way = self._choose.choices((self._single, self._batch, self._form), (5, 3, 2))[0]
        await way(key)

    @property
    def last_key(self) -> str:
        """The key of the newest request."""
        return f"{self._board.name}.{self._name}.{self._number - 1}"

    async def one(self) -> None:
        """One comment alone."""
        self._number += 1
        await self._single(self.last_key)

    async def same(self, times: int) -> set[str]:
        """One comment, sent so many times at once under one key; the ids that were answered."""
        key = f"{self._board.name}.{self._name}.{self._number}"
        self._number += 1
        comment = self._comment(key)
        self._intend(key, comment["body"])
        headers = {"Idempotency-Key": key}
        answers = await asyncio.gather(
            *(
                self._asker.ask(
                    "POST", "/v1/comments", self._board.secret, json=comment, headers=headers
                )
                for _ in range(times)
            )
        )
        for answer in answers:
            if answer.status_code != 201:
                self._board.complain(f"{key}: {answer.status_code} {answer.text[:200]}")
        ids = {answer.json()["id"] for answer in answers if answer.status_code == 201}
        self._settle(*((key, i, comment["body"]) for i in ids))
        return ids

    def _comment(self, key: str) -> dict[str, Any]:
        author = self._choose.randrange(300)
        return {
            "page": f"{ORIGIN}/{self._choose.randrange(20)}",
            "name": "".join(self._choose.choices(string.ascii_letters, k=8)),
            "email": f"reader{author}@example.org",
            "body": text_of(self._choose, key),
        }

    def _intend(self, key: str, body: str) -> None:
        self._ledger.intend(Row(kind="intended", key=key, body=digest(body)))

    def _settle(self, *done: tuple[str, str, str]) -> None:
        """Key, id and text of each comment that was answered 201."""
        rows = [
            Row(kind="comment", key=key, id=id_, body=digest(body), code=201)
            for key, id_, body in done
        ]
        self._ledger.settle(*rows)
        self._board.acknowledged(len(rows))
        for _, id_, _ in done:
            self._board.offer(id_)

    async def _single(self, key: str) -> None:
        comment = self._comment(key)
        self._intend(key, comment["body"])
        headers = {"Idempotency-Key": key}
        answer = await self._asker.ask(
            "POST", "/v1/comments", self._board.secret, json=comment, headers=headers
        )
        if answer.status_code != 201:
            self._board.complain(f"{key}: {answer.status_code} {answer.text[:200]}")
            return
        self._board.fresh += "idempotent-replayed" not in answer.headers
        self._settle((key, answer.json()["id"], comment["body"]))

    async def _batch(self, key: str) -> None:
        comments = [self._comment(f"{key}#{i}") for i in range(self._choose.randint(2, 40))]
        for i, comment in enumerate(comments):
            self._intend(f"{key}#{i}", comment["body"])
        headers, left = {"Idempotency-Key": key}, True
        while left:
            answer = await self._asker.ask(
                "POST",
                "/v1/comments/batch",
                self._board.secret,
                json={"items": comments},
                headers=headers,
            )
            if answer.status_code != 200:
                self._board.complain(f"{key}: {answer.status_code} {answer.text[:200]}")
                return
            items = answer.json()["items"]
            left = any(item["code"] in (503, 429) for item in items)
        wrong = [item for item in items if item["code"] != 201]
        for item in wrong[:3]:
            self._board.complain(f"{key}: an item was answered {item}")
        self._settle(
            *(
                (f"{key}#{i}", item["id"], comments[i]["body"])
                for i, item in enumerate(items)
                if item["code"] == 201
            )
        )

    async def _form(self, key: str) -> None:
        comment = self._comment(key) | {"key": self._board.publishable}
        self._intend(key, comment["body"])
        headers = {
            "Idempotency-Key": key,
            "Origin": ORIGIN,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer = await self._asker.ask(
            "POST", "/v1/comments", content=urlencode(comment), headers=headers
        )
        if answer.status_code != 303:
            self._board.complain(f"{key}: form {answer.status_code} {answer.text[:200]}")
            return
        self._settle_form(key, comment["body"])

    def _settle_form(self, key: str, body: str) -> None:
        """A form is told where to go and not which comment it made."""
        self._ledger.settle(Row(kind="comment", key=key, body=digest(body), code=303))
        self._board.acknowledged(1)


class Moderator:
    """Decides what others decide on, too: alone, many at once, and takes back."""

    def __init__(self, board: Board, name: str, token: str, asker: Asker, ledger: Ledger) -> None:
        self._board, self._name, self._token = board, name, token
        self._asker, self._ledger = asker, ledger
        self._choose = board.source(name)
        self._number = 0

    async def work(self) -> None:
        """Decides until the board says stop."""
        while not self._board.stopping:
            await self.step()

    async def step(self) -> None:
        """One request."""
        key = f"{self._board.name}.{self._name}.{self._number}"
        self._number += 1
        many = self._choose.randint(2, 50)
        way = self._choose.choices((self._bulk, self._single, self._undo), (6, 3, 2))[0]
        chosen = self._board.pick(self._choose, many if way == self._bulk else 1)
        if not chosen:
            await self._board.wait_for_comments()
            return
        await way(key, chosen)

    def _action(self) -> str:
        return self._choose.choices(("approve", "reject", "spam"), (6, 3, 1))[0]

    async def _bulk(self, key: str, chosen: list[tuple[str, int]]) -> None:
        await self.decide_all(
            key,
            [
                {"id": i, "action": self._action(), "version": v, "reason": f"{key}#{n}"}
                for n, (i, v) in enumerate(chosen)
            ],
        )

    async def race(self, name: str, ids: list[str], version: int) -> int:
        """Decides on all of these at one version, in slices; how many were won."""
        won = 0
        for start in range(0, len(ids), 100):
            key = f"{self._board.name}.{self._name}.{name}.{start}"
            part = ids[start : start + 100]
            won += await self.decide_all(
                key,
                [
                    {"id": i, "action": self._action(), "version": version, "reason": f"{key}#{n}"}
                    for n, i in enumerate(part)
                ],
            )
        return won

    async def decide_all(self, key: str, items: list[dict[str, Any]]) -> int:
        """Sends one bulk decision until every item has its answer; how many won."""
        headers, left = {"Idempotency-Key": key}, True
        answers: list[dict[str, Any]] = []
        while left:
            answer = await self._asker.ask(
                "POST", "/v1/decisions", self._token, json={"items": items}, headers=headers
            )
            if answer.status_code != 200:
                self._board.complain(f"{key}: {answer.status_code} {answer.text[:200]}")
                return 0
            answers = answer.json()["items"]
            left = any(item["code"] in (503, 429) for item in answers)
        rows = [self._row(item, got) for item, got in zip(items, answers, strict=True)]
        self._ledger.settle(*rows)
        self._board.decided(len(rows))
        return sum(row.version > 0 for row in rows)

    def _row(self, item: dict[str, Any], got: dict[str, Any]) -> Row:
        """One item's outcome; where somebody was faster, the board learns the newer version."""
        code = got["code"]
        won = code == 200
        if won:
            self._board.seen(item["id"], got["version"])
        elif code == 409:
            current = (got.get("error") or got).get("current")
            if current:  # else there is nothing to undo
                self._board.seen(item["id"], current["version"])
        else:
            self._board.complain(f"{item['reason']}: {code} {got}")
        return Row(
            kind="decision",
            key=item["reason"],
            id=item["id"],
            action=item["action"],
            version=got["version"] if won else 0,
            code=code,
        )

    async def _single(self, key: str, chosen: list[tuple[str, int]]) -> None:
        (id_, version), action = chosen[0], self._action()
        asked = {"action": action, "version": version, "reason": key}
        answer = await self._asker.ask(
            "POST",
            f"/v1/comments/{id_}/decisions",
            self._token,
            json=asked,
            headers={"Idempotency-Key": key},
        )
        item = {"id": id_, "action": action, "version": version, "reason": key}
        self._ledger.settle(self._row(item, answer.json() | {"code": answer.status_code}))
        self._board.decided(1)

    async def _undo(self, key: str, chosen: list[tuple[str, int]]) -> None:
        id_, version = chosen[0]
        answer = await self._asker.ask(
            "POST",
            f"/v1/comments/{id_}/undo",
            self._token,
            json={"version": version},
            headers={"Idempotency-Key": key},
        )
        item = {"id": id_, "action": "undo", "version": version, "reason": key}
        self._ledger.settle(self._row(item, answer.json() | {"code": answer.status_code}))
        self._board.decided(1)
