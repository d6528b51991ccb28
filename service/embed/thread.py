"""A published thread as a page shows it: replies below what they answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from service.pipeline.publish import Published

DEEPEST: Final = 3
"""Replies are indented this far at most, so that a narrow screen keeps room for words."""


class Placed(Struct, frozen=True):
    """A comment and how far it is indented."""

    comment: Published
    depth: int
    answers: str
    """Whom it answers, '' where nobody."""


def placed(comments: Iterable[Published]) -> list[Placed]:
    """Comments in reading order; a reply whose parent is not here stands by itself."""
    every = list(comments)
    known = {comment.id: comment for comment in every}
    replies: dict[str, list[Published]] = {}
    for comment in every:
        parent = comment.parent if comment.parent in known and comment.parent else ""
        replies.setdefault(parent, []).append(comment)
    order: list[Placed] = []
    waiting = [(comment, 0) for comment in reversed(replies.get("", []))]
    while waiting:
        comment, depth = waiting.pop()
        parent_name = known[comment.parent].name if comment.parent in known else ""
        order.append(Placed(comment, min(depth, DEEPEST), parent_name))
        waiting.extend((reply, depth + 1) for reply in reversed(replies.get(comment.id, [])))
    return order
