"""The ceiling: decode the same body, run the same Lua, answer; no scoring, no rules, no framework.

The arguments of `submit.lua` are taken once from the service's own code and then only given
another id and another blob, so that the script does the work it does in Winnow.
WINNOW_TEST_STORE is the server's URL.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from pipelined import Pipelined

from service.ids import Sequence
from service.records import Comment, Private, Submission, Verdict
from service.store import codec
from service.store.author_keys import AuthorKeys
from service.store.comments import Comments
from service.store.keys import SiteKeys
from service.store.scripts import Scripts

SITE = "ceiling"
AUTHOR = "a" * 22
_decode = msgspec.json.Decoder(Submission).decode
_encode = msgspec.json.Encoder().encode


class _Recorder:
    """Stands where the store's wire stands and keeps what it is asked to send."""

    def __init__(self) -> None:
        self.call: tuple[str, list[str], list[Any]] = ("", [], [])

    async def script(self, name: str, keys: list[str], args: list[Any], **_: Any) -> list[bytes]:
        self.call = name, keys, args
        return [b"stored"]


class Template:
    """A call of `submit.lua`, to be filled in with an id and a blob."""

    def __init__(self, keys: list[str], args: list[Any], comment: Comment, blob: bytes) -> None:
        self._keys, self._args = keys, args
        self._keyed = [k for k, key in enumerate(keys) if comment.id in key]
        self._named = [k for k, arg in enumerate(args) if arg == comment.id]
        self._blob = args.index(blob)
        self._old = comment.id

    def filled(self, comment_id: str, blob: bytes) -> list[Any]:
        keys, args = list(self._keys), list(self._args)
        for k in self._keyed:
            keys[k] = keys[k].replace(self._old, comment_id)
        for k in self._named:
            args[k] = comment_id
        args[self._blob] = blob
        return [len(keys), *keys, *args]


async def _author_key(connection: Pipelined, keys: AuthorKeys) -> bytes:
    """The key of the one author; without it `submit.lua` would store the first comment only."""
    place = SiteKeys(SITE).author(AUTHOR)
    wrapped, _ = keys.new(SITE, AUTHOR)
    await connection.call("HSETNX", place, "key", wrapped)
    return bytes(await connection.call("HGET", place, "key"))


async def template(connection: Pipelined, comment_id: str, now: int) -> Template:
    """A call that stores a comment, with what it expects in the store."""
    await connection.call("HSETNX", SiteKeys(SITE).config(), "version", 1)
    comment = Comment(
        id=comment_id,
        site=SITE,
        page="https://news.example/1",
        author=AUTHOR,
        name="Reader 1",
        body="",
        created_at=now,
        verdict=Verdict(outcome="approve", policy_version=1, model="none", reasons=()),
    )
    recorder = _Recorder()
    author_keys = AuthorKeys(recorder, bytes(32))  # type: ignore[arg-type]
    comments = Comments(recorder, author_keys)  # type: ignore[arg-type]
    await comments.submit(
        comment,
        "approved",
        email="reader1@example.org",
        private=Private(ip="203.0.113.1"),
        page_title="",
        config_version=1,
        text_window_s=86_400,
        idempotency=None,
        answer=b"",
        now=now,
        key=await _author_key(connection, author_keys),
    )
    _, keys, args = recorder.call
    return Template(keys, args, comment, codec.encode(comment))


class App:
    """The application, opened by its first request."""

    def __init__(self) -> None:
        self._opening: asyncio.Future[Any] | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
        connection, template, ids, sha = await self._opening
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message["body"])
            more = message.get("more_body", False)
        submission = _decode(b"".join(parts))
        comment_id = ids.next(time.time_ns() // 1_000_000, 1)
        blob = codec.encode(submission)
        outcome = await connection.call("EVALSHA", sha, *template.filled(comment_id, blob))
        if outcome != [b"stored"]:
            raise RuntimeError(f"not stored: {outcome!r}")
        body = _encode({"id": comment_id, "status": "approved"})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    @staticmethod
    async def _open() -> tuple[Pipelined, Template, Sequence, str]:
        at = urlsplit(os.environ["WINNOW_TEST_STORE"])
        connection = await Pipelined.open(unquote(at.path))
        scripts, now = Scripts(), time.time_ns() // 1_000_000
        await connection.call("AUTH", at.username, at.password)
        await connection.call("SCRIPT", "LOAD", scripts._texts["submit"])
        ids = Sequence()
        filled = await template(connection, ids.next(now, 1), now)
        return connection, filled, ids, scripts.sha("submit")


app = App()
