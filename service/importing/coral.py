"""Coral: a folder with comments, and stories and users beside them.

As the CSV files that coral-importer takes, or as `mongoexport` writes its collections, one JSON
object per line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from service.errors import Malformed
from service.importing.found import Found, Skipped, named
from service.importing.objects import BOM, inside, lines, objects, text
from service.importing.opened import Opened
from service.importing.plain import to_text
from service.incoming import LINE_MAX
from service.records import Action, Status

SYSTEM: Final = "coral"
COMMENTS: Final = tuple(f"comments{end}" for end in (".csv", ".csv.gz", ".json", ".json.gz"))

_STANDING: Final[dict[str, tuple[Status, Action | None]]] = {
    "APPROVED": ("approved", "approve"),
    "REJECTED": ("rejected", "reject"),
    "NONE": ("approved", None),
    "": ("approved", None),
}
"""Coral publishes what nobody decided (NONE); anything else waits."""

_Row = dict[str, Any]


class _Spelling(NamedTuple):
    """How one of the two kinds of files calls a comment's fields."""

    author: str
    story: str
    parent: str
    created: str


_CSV: Final = _Spelling("author_id", "story_id", "parent_id", "created_at")
_JSON: Final = _Spelling("authorID", "storyID", "parentID", "createdAt")


class Row(NamedTuple):
    """A comment, its story and its author."""

    comment: _Row
    story: _Row
    user: _Row


def read(comments: Opened) -> Iterator[Row]:
    """The comments of a file; the stories and users beside it are kept in memory.

    Raises:
        Malformed: one of the files is damaged.
    """
    stories = {i: (row.get("url"), _title(row)) for i, row in _beside(comments, "stories")}
    users = {i: (row.get("username"), row.get("email")) for i, row in _beside(comments, "users")}
    for row in _rows(comments):
        said = _spelling(row)
        url, title = stories.get(text(row.get(said.story)), ("", ""))
        name, email = users.get(text(row.get(said.author)), ("", ""))
        yield Row(row, {"url": url, "title": title}, {"name": name, "email": email})


def shape(row: Row) -> Found | Skipped:
    """A comment in Winnow's words."""
    comment, said = row.comment, _spelling(row.comment)
    if comment.get("deletedAt"):
        return "deleted"
    status, decision = _STANDING.get(text(comment.get("status")), ("pending", None))
    beside = {"coral_user": text(comment.get(said.author))[:200], "rating": comment.get("rating")}
    return Found(
        id=named(SYSTEM, text(comment.get("id"))),
        parent=named(SYSTEM, text(comment.get(said.parent))),
        page=text(row.story["url"]),
        page_title=text(row.story["title"]),
        name=text(row.user["name"]),
        email=text(row.user["email"]),
        created_at=_date(comment.get(said.created)),
        body=to_text(_body(comment)),
        status=status,
        decision=decision,
        decided_by=SYSTEM if decision else "",
        metadata={name: value for name, value in beside.items() if value},
    )


def _spelling(row: _Row) -> _Spelling:
    return _JSON if _JSON.story in row else _CSV


def _title(story: _Row) -> str:
    return text(story.get("title")) or text(inside(story.get("metadata")).get("title"))


def _body(comment: _Row) -> str:
    """The text as it was last edited."""
    revisions = comment.get("revisions")
    if isinstance(revisions, list) and revisions:
        return text(inside(revisions[-1]).get("body"))
    return text(comment.get("body"))


def _date(value: object) -> str:
    """RFC 3339 as it is, or as `mongoexport` wraps it: text, or ms since the epoch."""
    if isinstance(value, dict):
        value = value.get("$date", "")
    if isinstance(value, dict):
        value = value.get("$numberLong", "")
    if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
        try:
            return datetime.fromtimestamp(int(value) / 1000, UTC).isoformat()
        except (ValueError, OverflowError, OSError):
            return "out of range"
    return text(value)


# ------------------------------------------------------------------------------- files


def comments_in(folder: Path) -> Path:
    """The file with the comments of a folder.

    Raises:
        Malformed: there is none.
    """
    for name in COMMENTS:
        if (folder / name).is_file():
            return folder / name
    raise Malformed(f"{folder} holds none of {', '.join(COMMENTS)}")


def _beside(comments: Opened, name: str) -> Iterator[tuple[str, _Row]]:
    """The rows of a file of the same kind in the same folder, by id."""
    path = comments.path.with_name(comments.path.name.replace("comments", name))
    if comments.streamed or path == comments.path or not path.is_file():
        return
    with Opened(str(path)) as file:
        for row in _rows(file):
            yield text(row.get("id")), row


def _rows(file: Opened) -> Iterator[_Row]:
    beginning = file.head.removeprefix(BOM).lstrip()
    return objects(file) if beginning.startswith(b"{") else _csv(file)


def _csv(file: Opened) -> Iterator[_Row]:
    decoded = (line.decode(errors="replace").replace("\0", "") for line in lines(file))
    first = next(decoded, "").removeprefix("\ufeff")
    try:
        columns = [name.strip().lower() for name in next(csv.reader([first]), [])]
    except csv.Error:
        columns = []
    if columns[:1] != ["id"]:
        raise Malformed(f"{file.name}: the first row must name the columns, beginning with id")
    csv.field_size_limit(LINE_MAX)
    rows = csv.reader(decoded, strict=True)  # so that a missing quote is told
    try:
        for row in rows:
            if row:
                yield dict(zip(columns, row, strict=False))
    except csv.Error as error:
        raise Malformed(f"{file.name}: damaged at line {rows.line_num + 1}: {error}") from None
