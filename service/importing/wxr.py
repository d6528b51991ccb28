"""WordPress: the RSS with comments inside (WXR 1.0 to 1.2) of Tools › Export."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from typing import Final

from service.importing.elements import Element, Fields, Shape, elements
from service.importing.found import Found, Skipped, named
from service.importing.opened import Opened
from service.importing.plain import to_text
from service.records import Action, Status

SYSTEM: Final = "wordpress"

_COMMENT: Final = "wp:comment"
_META: Final = "wp:commentmeta"
_SHAPE: Final = Shape(
    records=frozenset(["item", _COMMENT, _META]),
    texts=frozenset(
        ["title", "link", "guid", "wp:meta_key", "wp:meta_value"]
        + [
            "wp:comment_" + name
            for name in (
                *("id", "author", "author_email", "author_url", "author_IP", "date", "date_gmt"),
                *("content", "approved", "type", "parent"),
            )
        ]
    ),
    given=frozenset([_COMMENT, "item"]),
)
_STANDING: Final[dict[str, tuple[Status, Action | None]]] = {
    "1": ("approved", "approve"),
    "approve": ("approved", "approve"),
    "spam": ("spam", "spam"),
    "trash": ("rejected", "reject"),
    "post-trashed": ("rejected", "reject"),
}
"""By `comment_approved`; anything else waits."""
_COMMENTS: Final = frozenset(["", "comment", "review"])
"""Values of `comment_type` that people wrote; plugins keep logs and orders as comments, too."""
_KEPT_META: Final = frozenset(["akismet_result", "akismet_user_result"])
_NEVER: Final = "0000"
"""How a date begins that WordPress never set."""


def read(file: Opened) -> Iterator[Element]:
    """The comments of a file, each with its item around it."""
    return (element for element in elements(file, _SHAPE) if element.name == _COMMENT)


def shape(element: Element) -> Found | Skipped:
    """A comment in Winnow's words."""
    said = element.fields.get
    kind = said("wp:comment_type", "")
    if kind not in _COMMENTS:
        return kind if kind in ("pingback", "trackback") else "other type"
    parent = said("wp:comment_parent")
    status, decision = _STANDING.get(said("wp:comment_approved", ""), ("pending", None))
    return Found(
        id=named(SYSTEM, said("wp:comment_id")),
        parent=named(SYSTEM, parent if parent != "0" else ""),
        page=element.around.get("link") or element.around.get("guid", ""),
        page_title=unescape(element.around.get("title", "")),
        name=unescape(said("wp:comment_author", "")),
        email=said("wp:comment_author_email", ""),
        url=said("wp:comment_author_url", ""),
        ip=said("wp:comment_author_IP", ""),
        created_at=_date(element.fields),
        body=to_text(said("wp:comment_content", ""), keeps_lines=True),
        status=status,
        decision=decision,
        decided_by=SYSTEM if decision else "",
        metadata={
            meta["wp:meta_key"]: meta.get("wp:meta_value", "")[:200]
            for meta in element.fields.get(_META, ())
            if meta.get("wp:meta_key") in _KEPT_META
        },
    )


def _date(fields: Fields) -> str:
    """In UTC; comments that were never given that date have their blog's own time."""
    date: str = fields.get("wp:comment_date_gmt", "")
    if not date or date.startswith(_NEVER):
        date = fields.get("wp:comment_date", "")
    return date.replace(" ", "T", 1) + "Z" if date else ""
