"""Disqus: the XML of Admin › Community › Export, threads first and then posts.

Newer files name neither addresses nor IPs. A discussion that was opened twice is there twice, and
some threads have no address at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from service.importing.elements import Fields, Shape, elements
from service.importing.found import Found, Skipped, named
from service.importing.opened import Opened
from service.importing.plain import to_text
from service.records import Action, Status

SYSTEM: Final = "disqus"

_ID: Final = "dsq:id"
_SHAPE: Final = Shape(
    records=frozenset(["thread", "post", "author"]),
    texts=frozenset(
        (
            *("id", "link", "title", "message", "createdAt", "isDeleted", "isSpam", "ipAddress"),
            *("name", "email", "username", "parent"),
        )
    ),
    given=frozenset(["thread", "post"]),
)


class _Thread(NamedTuple):
    link: str
    title: str
    deleted: bool


class Post(NamedTuple):
    """A post and the thread it belongs to."""

    fields: Fields
    thread: _Thread


_NOWHERE: Final = _Thread("", "", deleted=False)


def read(file: Opened) -> Iterator[Post]:
    """The posts of a file; the threads are kept in memory meanwhile."""
    threads: dict[str, _Thread] = {}
    for element in elements(file, _SHAPE):
        thread = element.fields.get(_ID, "")
        if element.name == "post":
            yield Post(element.fields, threads.get(element.fields.get("thread", ""), _NOWHERE))
        elif element.nested:  # in a post: only the thread's id
            element.around["thread"] = thread
        elif not threads.get(thread, _NOWHERE).link:
            threads[thread] = _thread(element.fields)


def shape(post: Post) -> Found | Skipped:
    """A post in Winnow's words."""
    said = post.fields.get
    if _true(said("isDeleted")) or post.thread.deleted:
        return "deleted"
    author = (said("author") or [{}])[0].get
    status: Status = "spam" if _true(said("isSpam")) else "approved"
    decision: Action = "spam" if status == "spam" else "approve"
    return Found(
        id=named(SYSTEM, said(_ID)),
        parent=named(SYSTEM, said(f"parent {_ID}")),
        page=post.thread.link,
        page_title=post.thread.title,
        name=author("name") or author("username") or "",
        email=author("email", ""),
        ip=said("ipAddress", ""),
        created_at=said("createdAt", ""),
        body=to_text(said("message", "")),
        status=status,
        decision=decision,
        decided_by=SYSTEM,
        metadata={"disqus_user": name[:200]} if (name := author("username")) else {},
    )


def _thread(fields: Fields) -> _Thread:
    own = fields.get("id", "")
    link = fields.get("link") or (own if own.startswith(("http://", "https://", "/")) else "")
    return _Thread(link, fields.get("title", ""), _true(fields.get("isDeleted")))


def _true(text: str | None) -> bool:
    return text == "true"
