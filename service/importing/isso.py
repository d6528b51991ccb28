"""Isso: its SQLite database, or the generic JSON that its own importer takes.

Texts are Markdown and stay as they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from service.errors import Malformed
from service.importing.found import Found, Skipped, named
from service.importing.opened import Opened
from service.records import Action, Status

SYSTEM: Final = "isso"
SQLITE: Final = b"SQLite format 3\0"
JSON_MAX: Final = 1 << 28
"""Bytes of JSON, which is read as one document."""

_DELETED: Final = 4
_STANDING: Final[dict[int, tuple[Status, Action | None]]] = {
    1: ("approved", "approve"),
    2: ("pending", None),
}
"""By `mode`."""
_QUERY: Final = (
    "SELECT uri, title, comments.id, parent, created, modified, mode, remote_addr, text, author, "
    "email, website, likes, dislikes "
    "FROM comments JOIN threads ON threads.id = tid ORDER BY comments.id"
)


def read(file: Opened) -> Iterator[dict[str, Any]]:
    """The comments of a database, by id, or of a JSON file, as it has them.

    Raises:
        Malformed: it is neither, or damaged.
    """
    return _rows(file) if file.head.startswith(SQLITE) else _listed(file)


def shape(row: dict[str, Any]) -> Found | Skipped:
    """A comment in Winnow's words."""
    mode = row.get("mode", 1)
    if mode == _DELETED:
        return "deleted"
    status, decision = _STANDING.get(mode if isinstance(mode, int) else 0, ("pending", None))
    votes = {name: row.get(name) for name in ("likes", "dislikes")}
    return Found(
        id=named(SYSTEM, row.get("id")),
        parent=named(SYSTEM, row.get("parent")),
        page=_text(row.get("uri")),
        page_title=_text(row.get("title")),
        name=_text(row.get("author")),
        email=_text(row.get("email")),
        url=_text(row.get("website")),
        ip=_text(row.get("remote_addr")),
        created_at=_date(row.get("created")),
        edited_at=_date(row.get("modified")),
        body=_text(row.get("text")),
        status=status,
        decision=decision,
        decided_by=SYSTEM if decision else "",
        metadata={name: count for name, count in votes.items() if count},
    )


def _rows(file: Opened) -> Iterator[dict[str, Any]]:
    path = file.on_disk()
    try:
        with closing(_connected(path)) as database:
            for row in database.execute(_QUERY):
                yield dict(row)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # a damaged name is no UTF-8
        raise Malformed(f"the database cannot be read: {error}") from None
    finally:
        if path != file.path:
            path.unlink()


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    database.text_factory = lambda data: data.decode(errors="replace")
    return database


def _listed(file: Opened) -> Iterator[dict[str, Any]]:
    text = b""
    while (data := file.read(1 << 20)) and len(text) <= JSON_MAX:
        text += data
    try:
        threads = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=list[dict[str, Any]])
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no list of threads in JSON: {error}") from None
    for thread in threads:
        for comment in thread.get("comments") or ():
            if isinstance(comment, dict):
                # Ids there are unique in a thread only.
                here = f"{thread.get('id', '')}#"
                ids = {n: f"{here}{comment[n]}" for n in ("id", "parent") if comment.get(n)}
                yield comment | ids | {"uri": thread.get("id"), "title": thread.get("title")}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _date(value: object) -> str:
    """From seconds since the epoch, or the JSON's `Y-m-d H:M:S`, in UTC."""
    if isinstance(value, str):
        return value.replace(" ", "T", 1) + "Z"
    if not isinstance(value, int | float):
        return ""
    try:
        return datetime.fromtimestamp(value, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return "out of range"
