"""From what a reader found to a draft that fits the rules: mended rather than lost.

What other systems allowed (no address, a name of two lines, a website called `http://`) must not
cost a comment. `POST /v1/comments` and our own JSON lines stay strict.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from service.errors import Invalid
from service.importing.found import Found
from service.incoming import Incoming
from service.pipeline import fields
from service.pipeline.fields import Wrong
from service.records import Draft, FieldError, Limits

ANONYMOUS: Final = "Anonymous"
BODY_MAX: Final = Limits().body_max

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_SPACES: Final = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]+")


class Mended(NamedTuple):
    """A comment that can be imported, and what had to be changed."""

    incoming: Incoming
    changes: list[str]


class Empty(Exception):
    """Nothing is left of the body: there is no comment."""


def mend(found: Found, now: int) -> Mended:
    """The comment that a record stands for; `now` is ms since the epoch.

    Raises:
        Empty: it has no text.
        Invalid: its page is no address, so that it belongs nowhere.
    """
    changes: list[str] = []
    metadata = _metadata(found.metadata)
    body = _body(found.body)
    if len(body) > BODY_MAX:
        metadata["shortened_from"] = len(body)
        changes.append("shortened")
        body = body[:BODY_MAX].rstrip()

    def or_nothing(rule: Callable[[str], str], value: str, change: str) -> str:
        try:
            return rule(value) if value else ""
        except Wrong:
            changes.append(change)
            return ""

    email = or_nothing(fields.email, found.email.strip(), "invalid_email")
    if not email:
        changes.append("without_email")
    draft = Draft(
        page=_page(found.page),
        page_title=_line(found.page_title, fields.PAGE_TITLE_MAX),
        name=_name(found.name, changes),
        email=email,
        body=body,
        url=or_nothing(fields.url, found.url, "invalid_url"),
        ip=or_nothing(fields.ip, found.ip, "invalid_ip"),
        user_agent=_line(found.user_agent, fields.USER_AGENT_MAX),
        created_at=_instant(found.created_at, now, changes),
        metadata=metadata,
    )
    edited_at = _instant(found.edited_at, now, changes) if found.edited_at else None
    return Mended(
        Incoming(
            draft=draft,
            id=found.id,
            parent=found.parent,
            status=found.status,
            decision=found.decision,
            decided_by=found.decided_by,
            edited_at=edited_at,
        ),
        changes,
    )


def _body(text: str) -> str:
    """The text without control characters; of any length.

    Raises:
        Empty.
    """
    if not text.isprintable():
        text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.strip()
    if not text or (not text[0].isascii() and fields.is_blank(text)):
        raise Empty
    return text


def _metadata(said: dict[str, Any]) -> dict[str, Any]:
    """A copy; nothing where it is no more than a file's odd values."""
    try:
        return dict(fields.metadata(said))
    except Wrong:
        return {}


def _page(address: str) -> str:
    try:
        return fields.page(address)
    except Wrong as wrong:
        shown = f"{wrong.detail}: {_line(address, 100)!r}"
        raise Invalid((FieldError("/page", wrong.code, shown),)) from None


def _name(text: str, changes: list[str]) -> str:
    name = _line(text, fields.NAME_MAX)
    if not name or (not name[0].isascii() and fields.is_blank(name)):
        changes.append("without_name")
        return ANONYMOUS
    return name


def _line(text: str, limit: int) -> str:
    """One line without control characters, cut to `limit`."""
    if not text.isprintable() or text[:1] == " " or text[-1:] == " ":
        text = _SPACES.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _instant(text: str, now: int, changes: list[str]) -> int | None:
    try:
        at = fields.instant(text, now)
    except Wrong:
        at = None
    if at is None:
        changes.append("invalid_date")
    return at
