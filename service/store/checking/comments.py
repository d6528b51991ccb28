"""Checks comments: each is what its history says, and stands where its content says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from service.ids import short_hash, site_number_of
from service.records import QUEUES, STATUSES, Comment, Entry, Status
from service.store import codec
from service.store.checking.looking import LOOKS, Looking
from service.store.keys import SiteKeys
from service.store.places import queues_of, score_of

FIELDS = ("b", "s", "v", "q", "d")


class Row(NamedTuple):
    """A comment as it is stored, decoded."""

    comment: Comment
    status: Status
    version: int
    place: bytes | None


class Around(NamedTuple):
    """What else was read of it."""

    history: list[Entry]
    scores: list[Any]
    """Its scores where it must stand (`stands_in`), in that order."""
    page: bytes | None
    author: Any


class Step(NamedTuple):
    """One version of a comment, as the streams must tell it."""

    version: int
    status: str
    at: int
    """Milliseconds, not after its entry was written: an imported one's may be long before."""


def read_row(comment_id: str, row: Sequence[bytes | None]) -> Row | str | None:
    """A comment's fields decoded, what is wrong with them, or None where there is no comment."""
    blob, status, version, place, decision = row
    if blob is None and status is None and version is None:
        return None
    if blob is None or status is None or version is None:
        return f"{comment_id}: it has no {'b' if blob is None else 's' if status is None else 'v'}"
    try:
        comment = codec.decode_comment(blob)
        if decision is not None:
            codec.decode_entry(decision)
    except msgspec.MsgspecError as error:
        return f"{comment_id}: it cannot be read: {error}"
    if status.decode() not in STATUSES or not version.isdigit():
        return f"{comment_id}: status {status.decode()!r}, version {version!r}"
    return Row(comment, status.decode(), int(version), place)  # type: ignore[arg-type]


def stands_in(keys: SiteKeys, comment: Comment, status: Status) -> list[tuple[str, int | None]]:
    """Where a comment must stand and at which score; None where any will do."""
    wanted = score_of(comment, status)
    places: list[tuple[str, int | None]] = [
        (queue, wanted) for queue in queues_of(keys, comment, status)
    ]
    if comment.test and status != "erased":
        places.append((keys.tests_by(comment.author), None))
    return places


def steps_of(row: Row, history: Sequence[Entry]) -> Iterator[Step]:
    """Every version of a comment; the first is its submission."""
    first = history[0].before or row.status if history else row.status
    at = min([row.comment.submitted_at, *(entry.at for entry in history[:1])])
    yield Step(1, first, at)
    for entry in history:
        yield Step(entry.version, entry.after, entry.at)


def problems(keys: SiteKeys, comment_id: str, row: Row, around: Around) -> list[str]:
    """What does not agree with what in one comment, all of it read at one moment."""
    comment, status, version, place = row
    found = []
    if comment.id != comment_id or comment.site != keys.site:
        found.append(f"{comment_id}: stored under another id: {comment.site} {comment.id}")
    if status == "pending" and place != b"%d" % score_of(comment, "pending"):
        found.append(f"{comment_id}: its place {place!r} is not what its verdict says")
    found += _standing(keys, row, around.scores)
    found += _history(comment_id, status, version, around.history)
    if not comment.test and status != "erased":
        if around.page != comment.page.encode():
            found.append(f"{comment_id}: its page has no record")
        if not around.author:
            found.append(f"{comment_id}: its author {comment.author} has no record")
    return found


def _standing(keys: SiteKeys, row: Row, scores: Sequence[Any]) -> Iterator[str]:
    places = stands_in(keys, row.comment, row.status)
    for (queue, wanted), score in zip(places, scores, strict=True):
        if score is None:
            yield f"{row.comment.id}: missing in {queue}"
        elif wanted is not None and float(score) != wanted:
            yield f"{row.comment.id}: stands at {float(score):.0f} in {queue}, not at {wanted}"


def _history(comment_id: str, status: str, version: int, history: Sequence[Entry]) -> Iterator[str]:
    told = [entry.version for entry in history]
    if told != list(range(2, version + 1)):
        yield f"{comment_id}: history {told} of version {version}"
    if history and history[-1].after != status:
        yield f"{comment_id}: is {status}, its history ends at {history[-1].after}"
    for entry, following in pairwise(history):
        if following.before not in (None, entry.after):
            yield (
                f"{comment_id}: version {following.version} began at {following.before}, but "
                f"version {entry.version} ended at {entry.after}"
            )


async def judge(looking: Looking, names: list[str]) -> None:
    """Judges a slice of comments, and notes where they must stand and what tells of them."""
    keys, prefix = looking.keys, looking.keys.comment("")
    ids = [name.removeprefix(prefix) for name in names]
    told = await looking.bulk([("HMGET", name, *FIELDS) for name in names])
    rows = [read_row(name, row) for name, row in zip(ids, told, strict=True)]
    pairs = [(name, row) for name, row in zip(ids, rows, strict=True) if isinstance(row, Row)]
    arounds = await _arounds(looking, pairs)
    suspects = [name for name, row in zip(ids, rows, strict=True) if isinstance(row, str)]
    for (name, row), around in zip(pairs, arounds, strict=True):
        if isinstance(around, str):
            suspects.append(name)
            continue
        if problems(keys, name, row, around) or _number(looking, name):
            suspects.append(name)
        _note(looking, name, row, around.history)
    for name in suspects:
        looking.findings.add(await look(looking, name))


async def look(looking: Looking, comment_id: str) -> list[str]:
    """What is wrong with one comment for certain, or nothing where it changes all the time."""
    name = looking.keys.comment(comment_id)
    for _ in range(LOOKS):
        before = (await looking.bulk([("HMGET", name, *FIELDS)]))[0]
        row = read_row(comment_id, before)
        if not isinstance(row, Row):
            return [row] if row else []
        around = _asked(looking.keys, comment_id, row)
        after, *told = await looking.snapshot([("HMGET", name, *FIELDS), *around])
        if after == before:
            seen = _answered(told)
            if isinstance(seen, str):
                return [f"{comment_id}: {seen}"]
            return [
                *_number(looking, comment_id),
                *problems(looking.keys, comment_id, row, seen),
            ]
    return []


async def read(looking: Looking, comment_id: str) -> tuple[Row, list[Entry]] | None:
    """A comment and its history of one moment; None where it is gone or cannot be read."""
    name = looking.keys.comment(comment_id)
    answers = await looking.snapshot(
        [("HMGET", name, *FIELDS), ("LRANGE", looking.keys.history(comment_id), 0, -1)]
    )
    row = read_row(comment_id, answers[0])
    entries = _entries(answers[1])
    return (row, entries) if isinstance(row, Row) and isinstance(entries, list) else None


async def _arounds(looking: Looking, pairs: Sequence[tuple[str, Row]]) -> list[Around | str]:
    asked = [_asked(looking.keys, name, row) for name, row in pairs]
    answers = iter(await looking.bulk([command for each in asked for command in each]))
    return [_answered([next(answers) for _ in each]) for each in asked]


def _asked(keys: SiteKeys, comment_id: str, row: Row) -> list[tuple[Any, ...]]:
    comment = row.comment
    return [
        ("LRANGE", keys.history(comment_id), 0, -1),
        ("HGET", keys.page(short_hash(comment.page)), "url"),
        ("EXISTS", keys.author(comment.author)),
        *(("ZSCORE", queue, comment.id) for queue, _ in stands_in(keys, comment, row.status)),
    ]


def _answered(told: Sequence[Any]) -> Around | str:
    entries = _entries(told[0])
    if isinstance(entries, str):
        return entries
    return Around(entries, list(told[3:]), told[1], told[2])


def _entries(rows: Sequence[bytes]) -> list[Entry] | str:
    try:
        return [codec.decode_entry(row) for row in rows]
    except msgspec.MsgspecError as error:
        return f"its history cannot be read: {error}"


def _number(looking: Looking, comment_id: str) -> list[str]:
    """Receipts, and every call that names only a comment, find its site by this number."""
    number = site_number_of(comment_id)
    if looking.number is None or number in (None, looking.number):
        return []
    return [f"{comment_id}: its id names site {number}, not {looking.number}"]


def _note(looking: Looking, comment_id: str, row: Row, history: Sequence[Entry]) -> None:
    looking.places.extend(
        place_digest(queue, comment_id, score)
        for queue, score in stands_in(looking.keys, row.comment, row.status)
    )
    steps = list(steps_of(row, history))
    looking.steps["events"].note(submission_digest(comment_id), steps[0].at)
    for step in steps:
        looking.steps["events"].note(event_digest(comment_id, step.version, step.status), step.at)
    for step in steps[1:]:
        looking.steps["audit"].note(audit_digest(comment_id, step.version), step.at)


def place_digest(queue: str, comment_id: str, score: int | None) -> int:
    """64 bits that stand for a comment at its place in a queue; of this process only."""
    return hash((queue, comment_id, score))


def submission_digest(comment_id: str) -> int:
    """64 bits for the event `comment.submitted`."""
    return hash((comment_id, 1, ""))


def event_digest(comment_id: str, version: int, status: str) -> int:
    """64 bits for the event that tells of a version."""
    return hash((comment_id, version, status))


def audit_digest(comment_id: str, version: int) -> int:
    """64 bits for a version's audit entry."""
    return hash((comment_id, version))


async def judge_histories(looking: Looking, names: list[str]) -> None:
    """A history belongs to a comment, and is as long as its version says."""
    await _belonging(looking, names, looking.keys.history(""), "history")


async def judge_notes(looking: Looking, names: list[str]) -> None:
    """Notes belong to a comment."""
    await _belonging(looking, names, looking.keys.notes(""), "notes")


async def _belonging(looking: Looking, names: list[str], prefix: str, what: str) -> None:
    ids = [name.removeprefix(prefix) for name in names]
    comments = [looking.keys.comment(name) for name in ids]
    there = await looking.bulk([("EXISTS", name) for name in comments])
    for name, comment_id, exists in zip(names, ids, there, strict=True):
        if not exists:
            both = await looking.snapshot(
                [("EXISTS", name), ("EXISTS", looking.keys.comment(comment_id))]
            )
            if both == [1, 0]:
                looking.findings.add([f"{comment_id}: {what} of no comment"])


async def judge_idempotency(looking: Looking, names: list[str]) -> None:
    """What a submission was answered with names a comment that is there."""
    records = await looking.bulk([("GET", name) for name in names])
    named = [(name, _answered_id(record)) for name, record in zip(names, records, strict=True)]
    asked = [(name, comment_id) for name, comment_id in named if comment_id]
    there = await looking.bulk([("EXISTS", looking.keys.comment(i)) for _, i in asked])
    for (name, comment_id), exists in zip(asked, there, strict=True):
        if not exists:
            comment = looking.keys.comment(comment_id)
            if await looking.snapshot([("EXISTS", name), ("EXISTS", comment)]) == [1, 0]:
                looking.findings.add([f"{comment_id}: answered by {name}, but not there"])


BODY_BYTES = 16
"""An idempotency record begins with so much of the body's hash (`idempotency.Idempotency`)."""
_any = msgspec.msgpack.Decoder().decode


def _answered_id(record: bytes | None) -> str:
    """The comment's id in a kept answer, its first field; '' where there is none."""
    if record is None or len(record) <= BODY_BYTES:
        return ""
    try:
        answer = _any(record[BODY_BYTES:])
    except msgspec.MsgspecError:
        return ""
    named = answer[0] if isinstance(answer, list) and answer else ""
    return named if isinstance(named, str) and site_number_of(named) is not None else ""


async def judge_authors(looking: Looking, names: list[str]) -> None:
    """An author's counters equal the number of their comments per status."""
    prefix = looking.keys.author("")
    authors = [name.removeprefix(prefix) for name in names]
    asked = [_counted(looking.keys, author) for author in authors]
    answers = iter(await looking.bulk([command for each in asked for command in each]))
    for author, commands in zip(authors, asked, strict=True):
        if _miscounted([next(answers) for _ in commands]):
            looking.findings.add(await look_at_author(looking, author))


async def look_at_author(looking: Looking, author: str) -> list[str]:
    """What is wrong with an author's counters at one moment."""
    told = await looking.snapshot(_counted(looking.keys, author))
    return [f"author {author}: {wrong}" for wrong in _miscounted(told)]


def _counted(keys: SiteKeys, author: str) -> list[tuple[Any, ...]]:
    cards = [("ZCARD", keys.by_author(status, author)) for status in QUEUES]
    return [("HMGET", keys.author(author), *QUEUES), *cards]


def _miscounted(told: Sequence[Any]) -> list[str]:
    said, cards = told[0], told[1:]
    return [
        f"{int(count or 0)} {status} counted, {card} indexed"
        for status, count, card in zip(QUEUES, said, cards, strict=True)
        if int(count or 0) != card
    ]


async def judge_pages(looking: Looking, names: list[str]) -> None:
    """A page's record stands under the hash of its URL."""
    prefix = looking.keys.page("")
    urls = await looking.bulk([("HGET", name, "url") for name in names])
    for name, url in zip(names, urls, strict=True):
        if url is None or short_hash(url.decode()) != name.removeprefix(prefix):
            told = await looking.snapshot([("HMGET", name, "url"), ("EXISTS", name)])
            if told[1] and told[0][0] == url:
                looking.findings.add(
                    [f"page {name.removeprefix(prefix)}: its record is of {url!r}"]
                )
