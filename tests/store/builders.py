"""Comments as the pipeline hands them to the store, with only what a test cares about."""

from __future__ import annotations

import asyncio
from typing import Any

from service.ids import new_id
from service.records import (
    STATUS_OF_ACTION,
    Comment,
    Entry,
    Policy,
    Private,
    Reason,
    Site,
    Status,
    StoredComment,
    Verdict,
)
from service.store import Store
from service.store.decisions import Done, Lost, Step
from service.store.idempotency import Idempotency

NOW = 1_760_000_000_000
AUTHOR = "a" * 22


async def make_site(store: Store, name: str = "blog") -> tuple[Site, int]:
    """A new site and the version of its configuration."""
    site = await store.sites.create(Site(id=name, number=0, created_at=NOW), Policy())
    configuration = await store.sites.configuration(name)
    assert configuration is not None
    return site, configuration.version


def build(site: Site, **fields: Any) -> Comment:
    """A comment; `reasons`, `priority`, `at` go into its verdict and times."""
    at = fields.pop("at", NOW)
    codes = fields.pop("reasons", ())
    verdict = Verdict(
        outcome=fields.pop("outcome", "hold"),
        reasons=tuple(Reason(code, code) for code in codes),
        policy_version=1,
        model="",
        priority=fields.pop("priority", 4),
    )
    plain: dict[str, Any] = {
        "id": new_id(at, site.number),
        "site": site.id,
        "page": "https://news.example/a",
        "author": AUTHOR,
        "name": "A reader",
        "body": "Hello",
        "created_at": at,
        "submitted_at": at,
        "verdict": verdict,
        "fingerprint": "f1",
    }
    return Comment(**(plain | fields))


async def put(
    store: Store, comment: Comment, version: int, status: Status = "pending", **more: Any
) -> bytes | None:
    """Submits a built comment."""
    plain: dict[str, Any] = {
        "email": "reader@example.org",
        "page_title": comment.page_title,
        "private": Private(ip="203.0.113.9"),
        "config_version": version,
        "text_window_s": 3600,
        "idempotency": None,
        "answer": b"",
        "now": comment.submitted_at,
    }
    return await store.comments.submit(comment, status, **(plain | more))


def step(stored: StoredComment, action: str, **more: Any) -> Step:
    """A decision (approve, reject, spam) or a replacement (edit, rescore) of what was read."""
    at, version = more.pop("at", NOW + 1000), more.pop("version", stored.version)
    replacement = more.pop("replacement", None)
    after = more.pop("after", STATUS_OF_ACTION.get(action, stored.status))  # type: ignore[call-overload]
    entry = Entry(
        version=version + 1,
        at=at,
        actor=more.pop("actor", "personal:ann"),
        action=action,  # type: ignore[arg-type]
        before=stored.status,
        after=after,
        replaced=b"" if replacement is None else _packed(stored.comment),
    )
    human = action in STATUS_OF_ACTION
    return Step(
        stored=stored,
        version=version,
        entry=entry,
        event="comment.edited" if action == "edit" else f"comment.{after}",
        operation=more.pop("operation", f"{stored.comment.id} {version} {action}"),
        request=more.pop("request", f"{action} {version}"),
        replacement=replacement,
        decision=entry if human else None,
        keep_decision=not human,
        human=human,
        imported=more.pop("imported", False),
    )


def _packed(comment: Comment) -> bytes:
    from service.store import codec

    return codec.encode(comment)


async def read(store: Store, site: str, comment_id: str) -> StoredComment:
    """A comment that must be there."""
    stored = await store.comments.read(site, comment_id)
    assert stored is not None
    return stored


async def decided(store: Store, comment: Comment, action: str, **more: Any) -> Done | Lost:
    """Reads a comment and decides on it."""
    stored = await read(store, comment.site, comment.id)
    return await store.decisions.apply(step(stored, action, **more))


def idempotency(key: str, body: bytes = b"{}") -> Idempotency:
    """A caller's key with a body."""
    return Idempotency.of(key, body)


async def all_of(*waiting: Any) -> list[Any]:
    """Everything at once, failures among the results."""
    return await asyncio.gather(*waiting, return_exceptions=True)


async def passed(store: Store, moment_ms: int) -> None:
    """Returns when the server's clock is behind `moment_ms`."""
    while True:
        seconds, micros = await store.wire.client.time()
        if seconds * 1000 + micros // 1000 > moment_ms:
            return
